//! Second pass over a series: every frame is made without the face, and read back from its draft.

use super::find::{Defacing, Sources, by_instance};
use super::{Deadline, Error, KnownHead};
use crate::custody::object::{Drafted, FrameIndex, Object, Stop};
use crate::custody::verify::{FaceAudit, FaceSeen, InstanceClaim, Scale, SliceAudit, SlicePlace};
use crate::deface::{Check, Contrast, Evidence, Examined, Level, Refusal, Region, SliceChange};
use crate::dicom::facts::FrameFacts;
use crate::dicom::frame::Frame;
use crate::dicom::mosaic::Tile;
use crate::render;
use rayon::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What both checks say of a series that is defaced.
pub struct Proof {
    /// The defacer's own, by volume from which something was removed.
    evidence: Vec<Evidence>,
    /// The verifier's.
    seen: Vec<FaceSeen>,
    head: KnownHead,
}

impl Proof {
    /// The head, for other series of its frame of reference.
    pub fn head(&self) -> &KnownHead {
        &self.head
    }

    /// Voxels that were overwritten.
    pub(super) fn removed_voxels(&self) -> u64 {
        self.evidence.iter().flat_map(|e| &e.removed_voxels).map(|&n| n as u64).sum()
    }

    /// The evidence in numbers, named; of the first volume.
    pub(super) fn figures(&self) -> Vec<(String, f64)> {
        // Three decimals: JSON has no NaN, and nobody reads more.
        let round = |value: f32| (f64::from(value) * 1000.0).round() / 1000.0;
        let own = self.evidence.first().map(Evidence::figures).unwrap_or_default();
        let verifier = self.seen.first().map(FaceSeen::figures).unwrap_or_default();
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        let verifier = verifier
            .into_iter()
            .map(|(name, value)| (format!("verifier_{}", name.replace([' ', '-'], "_")), value));
        let finite = own.chain(verifier).filter(|(_, value)| value.is_finite());
        finite.map(|(name, value)| (name, round(value))).collect()
    }
}

/// The second pass: removes, and remembers for the check.
pub struct Removal<'a> {
    defacing: &'a Defacing,
    deadline: Deadline,
    /// Of each slice, what was done to it; `None` in volumes from which nothing is removed.
    changes: Mutex<Vec<Option<SliceChange>>>,
    /// The first reason why a frame was not made.
    trouble: Mutex<Option<Error>>,
    picture: Mutex<Option<Vec<u8>>>,
}

impl<'a> Removal<'a> {
    /// Starts the second pass, which ends at the deadline.
    pub fn new(defacing: &'a Defacing, deadline: Deadline) -> Self {
        let slices = defacing.series.slices().len();
        Removal {
            defacing,
            deadline,
            changes: Mutex::new((0..slices).map(|_| None).collect()),
            trouble: Mutex::default(),
            picture: Mutex::default(),
        }
    }

    /// Makes frame `n` of an instance without the face.
    ///
    /// # Errors
    /// [`Stop`]; [`Removal::trouble`] knows why.
    pub fn make(&self, instance: usize, index: &FrameIndex, n: usize) -> Result<Frame, Stop> {
        self.try_make(instance, index, n).map_err(|error| {
            lock(&self.trouble).get_or_insert(error);
            Stop
        })
    }

    /// Why a frame was not made.
    pub fn trouble(&self) -> Option<Error> {
        lock(&self.trouble).take()
    }

    fn try_make(&self, instance: usize, index: &FrameIndex, n: usize) -> Result<Frame, Error> {
        self.deadline.require()?;
        let series = &self.defacing.series;
        let (format, mut frame) = index.frame(n)?;
        let (low, high) = format.range();
        let held: Vec<usize> = series.of_frame(instance, n).collect();
        let tiles: Vec<Tile> = held.iter().filter_map(|&n| series.slices()[n].facts.tile).collect();
        let tiled =
            !tiles.is_empty() && tiles.len() == held.len() && frame.is_flat_outside(&tiles)?;
        // What no volume has would leave as it is.
        if !(tiled || tiles.is_empty() && held.len() == 1) {
            return Err(Refusal::SliceBookkeeping { slice: n }.into());
        }
        for slice in held {
            let (volume, place) = series.place(slice);
            let Some(region) = &self.defacing.regions[volume] else { continue };
            let shot = &series.slices()[slice];
            let edit = region.edit(shot.rescale()?, shot.facts.inverted, low..=high);
            let mut samples = shot.samples(&frame)?;
            let change = region.apply(place, &mut samples, edit)?;
            match &shot.facts.tile {
                None => frame.replace(&samples),
                Some(tile) => frame.replace_tile(tile, &samples)?,
            }
            lock(&self.changes)[slice] = Some(change);
        }
        Ok(frame)
    }

    /// Reads all drafts again, volume by volume, and holds them against the sources: what was to be done was
    /// done and nothing else, by the defacer's own check and the verifier's. `drafts` in the order of the
    /// instances.
    ///
    /// # Errors
    /// [`Error`]: the series stays inside.
    pub fn confirm(
        &self,
        sources: &Sources<'_>,
        drafts: &[Object<Drafted>],
    ) -> Result<Proof, Error> {
        let series = &self.defacing.series;
        let counts = Mutex::new(SliceAudit::new());
        let (mut evidence, mut seen) = (Vec::new(), Vec::new());
        // The head as the verifier knows it: found in another series, or in the first volume of this one.
        let mut head = self.defacing.seen.clone();
        for volume in 0..series.volumes() {
            let region = self.defacing.regions[volume].as_ref();
            let audit = region.map(|region| self.audit(volume, region)).transpose()?;
            let pass =
                Pass { volume, region, sources, drafts, counts: &counts, audit: audit.as_ref() };
            evidence.extend(self.confirm_volume(&pass)?);
            let Some(audit) = audit else { continue };
            self.deadline.require()?;
            let saw = match &head {
                Some(head) => audit.finish_by(head)?,
                None => audit.finish()?,
            };
            head.get_or_insert_with(|| saw.clone());
            seen.push(saw);
        }
        let counts = counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let expected: Vec<String> = (0..series.slices().len()).map(|n| n.to_string()).collect();
        counts.finish(expected.iter().map(String::as_str))?;
        let seen_head = head.ok_or(Refusal::NoTissue)?;
        let head = KnownHead { anatomy: Arc::clone(self.defacing.anatomy()), seen: seen_head };
        Ok(Proof { evidence, seen, head })
    }

    /// The verifier's look at a volume. It is told where the slices lie, and whether bone may stay.
    fn audit(&self, volume: usize, region: &Region) -> Result<FaceAudit, Error> {
        let series = &self.defacing.series;
        let places = series.planes(volume).iter().map(SlicePlace::from).collect();
        let scale = match series.contrast(volume) {
            Contrast::Hounsfield => Scale::Hounsfield,
            Contrast::Arbitrary { low, high } => Scale::Arbitrary { low, high },
        };
        let audit = FaceAudit::new(places, scale)?;
        let bones_kept = region.level() == Level::KeepFacialBones;
        Ok(if bones_kept { audit.with_bones_kept() } else { audit })
    }

    fn confirm_volume(&self, pass: &Pass<'_>) -> Result<Option<Evidence>, Error> {
        let series = &self.defacing.series;
        let check = pass.region.map(Region::check).transpose()?;
        by_instance(series, pass.volume).into_par_iter().try_for_each(|(instance, frames)| {
            let index = pass.sources.frames(instance)?;
            let draft = pass.drafts.get(instance);
            let draft = draft.ok_or(Refusal::SliceBookkeeping { slice: instance })?;
            frames.into_par_iter().try_for_each(|members| -> Result<(), Error> {
                self.deadline.require()?;
                let frame = series.slices()[members[0].1].facts.frame;
                let ((_, before), (_, after)) = (index.frame(frame)?, draft.frame_at(frame)?);
                members.into_iter().try_for_each(|(place, slice)| {
                    let shot = &series.slices()[slice];
                    let (before, after) = (shot.samples(&before)?, shot.samples(&after)?);
                    self.confirm_slice(pass, check.as_ref(), place, slice, &before, &after)
                })
            })
        })?;
        let Some(check) = check else { return Ok(None) };
        self.deadline.require()?;
        let Examined { evidence, after, verdict } = check.examine()?;
        // The first volume of a series is enough to look at.
        let wanted = pass.region.filter(|_| lock(&self.picture).is_none());
        let sketch = wanted.and_then(Region::sketch);
        if let (Some(after), Some(sketch)) = (after, sketch) {
            let (anatomy, before) = (sketch.anatomy(), sketch.image());
            let portrait = render::portrait(anatomy, before, Some(&after), render::THUMBNAIL_SIDE);
            *lock(&self.picture) = portrait.ok();
        }
        verdict?;
        Ok(Some(evidence))
    }

    fn confirm_slice(
        &self,
        pass: &Pass<'_>,
        check: Option<&Check<'_>>,
        place: usize,
        slice: usize,
        before: &[i32],
        after: &[i32],
    ) -> Result<(), Error> {
        let shot = &self.defacing.series.slices()[slice];
        let change = lock(&self.changes)[slice].clone();
        let claim = match (check, pass.audit, &change) {
            (Some(check), Some(audit), Some(change)) => {
                check.add(change, &shot.slice(after)?)?;
                let FrameFacts { slope, intercept, inverted, .. } = shot.facts;
                let fill = change.edit.fill;
                audit.add(place, before, after, slope, intercept, inverted, fill)?;
                InstanceClaim { removed: change.removed as u64, fill }
            }
            (None, None, None) => InstanceClaim { removed: 0, fill: 0 },
            _ => return Err(Refusal::SliceBookkeeping { slice }.into()),
        };
        Ok(lock(pass.counts).add(&slice.to_string(), before, after, Some(claim))?)
    }

    /// The head before and after as PNG, for a reviewer inside; also if the check failed. Made by
    /// [`Removal::confirm`].
    pub fn picture(&self) -> Option<Vec<u8>> {
        lock(&self.picture).take()
    }
}

/// One volume, read again.
struct Pass<'a> {
    volume: usize,
    region: Option<&'a Region>,
    sources: &'a Sources<'a>,
    drafts: &'a [Object<Drafted>],
    counts: &'a Mutex<SliceAudit>,
    audit: Option<&'a FaceAudit>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
