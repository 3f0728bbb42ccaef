//! First pass over a series: where the head is, and so what will be removed from each volume.

use super::series::Series;
use super::{Deadline, Error, KnownHead};
use crate::custody::object::{FrameIndex, Identified, Object};
use crate::custody::verify::FaceSeen;
use crate::deface::{
    Air, Anatomy, BodyPartHint, Contrast, Finding, Level, Outline, Refusal, Region, Stack, Survey,
    Volume,
};
use crate::dicom::frame;
use crate::render;
use crate::standard::Sight;
use rayon::prelude::*;
use std::sync::Arc;

/// Opens an instance of the series.
pub type Open<'a> = dyn Fn(usize) -> Result<Object<Identified>, frame::Error> + Sync + 'a;

/// The instances of a series as they came, and until when they may be worked on.
pub struct Sources<'a> {
    open: Box<Open<'a>>,
    deadline: Deadline,
}

impl<'a> Sources<'a> {
    /// Instances that `open` opens, to be worked on until `deadline`.
    pub fn new(open: Box<Open<'a>>, deadline: Deadline) -> Self {
        Sources { open, deadline }
    }

    /// Until when.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Finds the frames of an instance.
    pub(super) fn frames(&self, instance: usize) -> Result<FrameIndex, Error> {
        self.deadline.require()?;
        Ok((self.open)(instance)?.frame_index()?)
    }
}

/// What a series shows, after the first pass.
pub enum Found {
    /// Proven to show no head.
    Clear,
    /// A head.
    Head(Box<Defacing>),
}

/// A series, and what will be removed from each of its volumes.
pub struct Defacing {
    pub(super) series: Series,
    /// By volume; `None` where nothing is to be removed.
    pub(super) regions: Vec<Option<Region>>,
    anatomy: Arc<Anatomy>,
    /// The head as the verifier saw it in another series; `None` if it must find it in this one.
    pub(super) seen: Option<FaceSeen>,
}

impl Defacing {
    /// Where the head is.
    pub(super) fn anatomy(&self) -> &Arc<Anatomy> {
        &self.anatomy
    }

    /// How much goes, where least goes.
    pub fn level(&self) -> Level {
        let levels = self.regions.iter().flatten().map(Region::level);
        levels.max().unwrap_or(Level::Strict)
    }
}

/// Between series of an examination a head moves by some mm: so much is the region grown.
pub(super) const MOTION_MM: f32 = 4.0;
/// A tracer's image is blurred by more than that.
const TRACER_MM: f32 = 8.0;
/// More of a head outside of the one that is known, and the patient moved farther than the region is grown. (A head
/// moved by 10 mm: 0.03; diffusion beside T1 of the same head: under 0.01.)
const STICKING_OUT_MAX: f32 = 0.02;

/// Why a series is not cleared by what it shows itself.
#[derive(Debug)]
pub struct Unsure {
    /// Why.
    pub reason: Error,
    /// What fits a head best, drawn in as by [`picture`], if anything was fitted.
    pub picture: Option<Vec<u8>>,
}

impl From<Error> for Unsure {
    fn from(reason: Error) -> Self {
        Unsure { reason, picture: None }
    }
}

/// Finds the head in a series by what it shows itself.
///
/// # Errors
/// [`Unsure`]. A head that is known by another series may still serve: [`carry`].
pub fn find(
    series: Series,
    level: Level,
    hint: BodyPartHint,
    sources: &Sources<'_>,
) -> Result<Found, Unsure> {
    match try_find(&series, level, hint, sources)? {
        (_, None) => Ok(Found::Clear),
        (regions, Some(anatomy)) => {
            Ok(Found::Head(Box::new(Defacing { series, regions, anatomy, seen: None })))
        }
    }
}

type Regions = (Vec<Option<Region>>, Option<Arc<Anatomy>>);

fn try_find(
    series: &Series,
    level: Level,
    hint: BodyPartHint,
    sources: &Sources<'_>,
) -> Result<Regions, Unsure> {
    if series.sight == Sight::Tracer {
        return Err(Error::NeedsHead("a tracer's image shows no skin").into());
    }
    let mut regions: Vec<Option<Region>> = Vec::new();
    let mut anatomy = None;
    for volume in 0..series.volumes() {
        let phases = (0..volume).filter(|&other| series.are_phases(other, volume));
        let earlier = phases.filter_map(|other| regions[other].as_ref()).next();
        let region = match earlier.map(|region| Arc::clone(region.anatomy())) {
            // Of the phases of a volume, the first that shows the head says where it is. That one shows none
            // says nothing of the others: a difference of images has no skin.
            Some(head) => {
                let air = air_of(series, volume, sources)?;
                carried(series, volume, level, &head, 0.0, air)?
            }
            None => own(series, volume, level, hint, sources)?,
        };
        if let (None, Some(region)) = (&anatomy, &region) {
            anatomy = Some(Arc::clone(region.anatomy()));
        }
        regions.push(region);
    }
    Ok((regions, anatomy))
}

fn own(
    series: &Series,
    volume: usize,
    level: Level,
    hint: BodyPartHint,
    sources: &Sources<'_>,
) -> Result<Option<Region>, Unsure> {
    let survey = survey(series, volume, sources)?;
    sources.deadline.require()?;
    let level = level_in(level, series.contrast(volume));
    match survey.look(hint) {
        Ok(Finding::NoHead(_)) => Ok(None),
        Ok(Finding::Head(head)) => Ok(Some(head.region(level).map_err(Error::from)?)),
        Err(doubt) => {
            let reason = doubt.refusal.clone().into();
            let drawn = doubt.sketch().and_then(|sketch| render::found(&sketch).ok());
            Err(Unsure { reason, picture: drawn })
        }
    }
}

/// Takes the head that another series of the frame of reference has shown.
///
/// # Errors
/// [`Error`]: this series stays inside.
pub fn carry(
    series: Series,
    level: Level,
    head: &KnownHead,
    sources: &Sources<'_>,
) -> Result<Defacing, Error> {
    let regions = try_carry(&series, level, head, sources)?;
    let (anatomy, seen) = (Arc::clone(&head.anatomy), Some(head.seen.clone()));
    Ok(Defacing { series, regions, anatomy, seen })
}

fn try_carry(
    series: &Series,
    level: Level,
    head: &KnownHead,
    sources: &Sources<'_>,
) -> Result<Vec<Option<Region>>, Error> {
    let grown_mm = if series.sight == Sight::Tracer { TRACER_MM } else { MOTION_MM };
    let mut regions: Vec<Option<Region>> = Vec::new();
    for volume in 0..series.volumes() {
        let known = (0..volume).any(|other| series.are_phases(other, volume));
        let seen = if known { None } else { outlined(series, volume, sources)? };
        if let Some((seen, outline)) = &seen {
            let outside = head.anatomy.sticking_out(seen, outline, grown_mm);
            // Stated as what must hold, so that a NaN is refused.
            let in_place = outside.is_none_or(|share| share <= STICKING_OUT_MAX);
            if !in_place {
                return Err(Refusal::Moved { share: outside.unwrap_or(1.0) }.into());
            }
        }
        let air = match seen {
            Some((volume, outline)) => volume.air(&outline),
            None => air_of(series, volume, sources)?,
        };
        regions.push(carried(series, volume, level, &head.anatomy, grown_mm, air)?);
    }
    if regions.iter().all(Option::is_none) {
        return Err(Error::HeadElsewhere);
    }
    Ok(regions)
}

/// The region of a head in a volume, if it reaches into it.
fn carried(
    series: &Series,
    volume: usize,
    level: Level,
    head: &Arc<Anatomy>,
    grown_mm: f32,
    air: f32,
) -> Result<Option<Region>, Error> {
    let contrast = series.contrast(volume);
    let stack = Stack::loose(&series.planes(volume));
    let level = level_in(level, contrast);
    let region = Region::carried(head, stack, level, contrast, air, grown_mm)?;
    let reaches = (0..series.members(volume).len()).any(|slice| region.touches(slice));
    Ok(reaches.then_some(region))
}

/// Only in CT bone is told from soft tissue: elsewhere everything goes.
fn level_in(level: Level, contrast: Contrast) -> Level {
    if contrast.is_hounsfield() { level } else { Level::Strict }
}

/// Air in a volume in which no head was looked for.
fn air_of(series: &Series, volume: usize, sources: &Sources<'_>) -> Result<f32, Error> {
    let air = Air::new(series.contrast(volume))?;
    if !series.contrast(volume).is_hounsfield() {
        each_slice(series, volume, sources, |_, slice, samples| {
            air.add(&series.slices()[slice].slice(samples)?);
            Ok(())
        })?;
    }
    Ok(air.value())
}

/// A volume and its outline, if the frames are a volume of something with a skin.
fn outlined(
    series: &Series,
    volume: usize,
    sources: &Sources<'_>,
) -> Result<Option<(Volume, Outline)>, Error> {
    if series.sight == Sight::Tracer || Stack::new(&series.planes(volume)).is_err() {
        return Ok(None);
    }
    let volume = survey(series, volume, sources)?.volume()?;
    let outline = Outline::of(&volume);
    Ok(Some((volume, outline)))
}

/// Sections of the largest volume of a series that stays inside, with what was found drawn in, as PNG for a
/// reviewer; `None` if it is no volume that could be drawn.
pub fn picture(series: &Series, sources: &Sources<'_>) -> Option<Vec<u8>> {
    let largest = (0..series.volumes()).max_by_key(|&v| series.members(v).len())?;
    let sketch = survey(series, largest, sources).ok()?.sketch().ok()?;
    render::found(&sketch).ok()
}

fn survey(series: &Series, volume: usize, sources: &Sources<'_>) -> Result<Survey, Error> {
    let survey = Survey::new(&series.planes(volume), series.contrast(volume))?;
    each_slice(series, volume, sources, |place, slice, samples| {
        Ok(survey.add(place, &series.slices()[slice].slice(samples)?)?)
    })?;
    Ok(survey)
}

/// Shows the samples of every slice of a volume with its place therein, from any thread; an instance is
/// opened once.
pub(super) fn each_slice(
    series: &Series,
    volume: usize,
    sources: &Sources<'_>,
    then: impl Fn(usize, usize, &[i32]) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    by_instance(series, volume).into_par_iter().try_for_each(|(instance, frames)| {
        let index = sources.frames(instance)?;
        frames.into_par_iter().try_for_each(|members| {
            sources.deadline.require()?;
            let frame = series.slices()[members[0].1].facts.frame;
            let (_, frame) = index.frame(frame)?;
            members.into_iter().try_for_each(|(place, slice)| {
                then(place, slice, &series.slices()[slice].samples(&frame)?)
            })
        })
    })
}

/// Slices of a volume that one frame holds: place in the volume, and slice. Only mosaics have several.
pub(super) type OfFrame = Vec<(usize, usize)>;

/// The slices of a volume by instance and frame.
pub(super) fn by_instance(series: &Series, volume: usize) -> Vec<(usize, Vec<OfFrame>)> {
    let mut members: OfFrame = series.members(volume).iter().copied().enumerate().collect();
    let shot = |&(_, slice): &(usize, usize)| &series.slices()[slice];
    members.sort_by_key(|member| (shot(member).instance, shot(member).facts.frame));
    let instances = members.chunk_by(|a, b| shot(a).instance == shot(b).instance);
    let frames = |group: &[(usize, usize)]| -> Vec<OfFrame> {
        let frames = group.chunk_by(|a, b| shot(a).facts.frame == shot(b).facts.frame);
        frames.map(<[_]>::to_vec).collect()
    };
    instances.map(|group| (shot(&group[0]).instance, frames(group))).collect()
}
