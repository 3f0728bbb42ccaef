//! `efface deface` on DICOM files: series by series, volume by volume, pixels and nothing else.
//!
//! A series is written as a whole or not at all: what one of its volumes shows, another may have hidden.

use super::flow::{self, Fault, Outcome, Series, Use, Verdict};
use super::report::Report;
use super::{DefaceArgs, progress};
use crate::cli::Problem;
use crate::cli::inputs::{File, Inputs};
use crate::custody::object::{FrameIndex, Identified, Object};
use crate::deface::{BodyPartHint, Contrast, Level, Region, Rescale, Slice, SliceChange};
use crate::deid::mark_derived;
use crate::dicom::canonical::Limits;
use crate::dicom::dataset::Dataset;
use crate::dicom::facts::FrameFacts;
use crate::dicom::frame::{self, Frame};
use crate::dicom::part10;
use crate::dicom::plane::ImagePlane;
use crate::dicom::source::Source;
use crate::dicom::volumes::volumes;
use crate::disk;
use crate::face::body_part;
use crate::pixel::HeaderChanges;
use crate::spool::random_name;
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

/// Modalities whose images are volumes with a face in them.
const MODALITIES: [&str; 2] = ["CT", "MR"];

/// An image of a series.
struct Instance {
    /// Where it comes from, and where it goes below the output folder.
    path: PathBuf,
    name: PathBuf,
    source: Source,
    frames: FrameIndex,
    facts: Vec<FrameFacts>,
    hint: BodyPartHint,
    draft: PathBuf,
    drafted: OnceLock<Result<FrameIndex, frame::Error>>,
}

/// Series by Series Instance UID, and files that are no image of one, with the reason.
struct Found {
    series: BTreeMap<String, Vec<Instance>>,
    others: BTreeMap<String, Vec<PathBuf>>,
}

/// Defaces a file or a folder of files into the folder of the arguments.
///
/// # Errors
/// What keeps it from starting, or what the system says.
pub fn run(args: &DefaceArgs, mut report: Option<&mut Report>) -> Result<ExitCode, Problem> {
    disk::make_dir(&args.out)?;
    let drafts = args.out.join(format!(".drafts-{}", random_name()?));
    disk::make_dir(&drafts)?;
    let mut all_written = true;
    let done = Found::look(args, &drafts).and_then(|Found { series, others }| {
        for (number, instances) in (1..).zip(series.into_values()) {
            all_written &= one_series(args, number, instances, report.as_deref_mut())?;
        }
        for (why, paths) in others {
            all_written = false;
            eprint!("{}", crate::cli::withheld("not-taken", &why, None, &paths));
        }
        Ok(())
    });
    disk::remove(&drafts)?;
    let empty = disk::list(&args.out)?.is_empty();
    if empty {
        disk::remove(&args.out)?;
    } else {
        println!(
            "{}: NOT DE-IDENTIFIED. Names, numbers and dates are in these files as they were",
            args.out.display()
        );
    }
    done?;
    Ok(if all_written { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

impl Found {
    fn look(args: &DefaceArgs, drafts: &Path) -> Result<Self, Problem> {
        let Inputs { studies, malformed } = Inputs::find(std::slice::from_ref(&args.input))?;
        let mut found = Found { series: BTreeMap::new(), others: BTreeMap::new() };
        for (path, why) in malformed {
            found.others.entry(why).or_default().push(path);
        }
        for (number, file) in studies.into_values().flatten().enumerate() {
            let path = file.path.clone();
            match Instance::open(args, file, drafts.join(format!("{number}.dcm"))) {
                Ok((series, instance)) => found.series.entry(series).or_default().push(instance),
                Err(why) => found.others.entry(why).or_default().push(path),
            }
        }
        Ok(found)
    }
}

impl Instance {
    /// Reads a header; with the Series Instance UID.
    fn open(
        args: &DefaceArgs,
        File { path, source }: File,
        draft: PathBuf,
    ) -> Result<(String, Self), String> {
        let object: Object<Identified> =
            Object::open(source.clone()).map_err(|error| error.to_string())?;
        let dataset = object.dataset();
        let modality = dataset.text(tags::MODALITY).unwrap_or_default();
        if !MODALITIES.contains(&modality.as_str()) {
            return Err("neither CT nor MR: nothing is done about faces in it".to_owned());
        }
        let series = dataset.text(tags::SERIES_INSTANCE_UID).unwrap_or_default();
        let hint = match args.hint() {
            BodyPartHint::Unknown => body_part(dataset),
            said => said,
        };
        let below = path.strip_prefix(&args.input).unwrap_or(&path);
        let name = match below.as_os_str().is_empty() || below.is_absolute() {
            true => path.file_name().map(PathBuf::from).unwrap_or_default(),
            false => below.to_owned(),
        };
        let facts = FrameFacts::of(dataset).map_err(|error| error.to_string())?;
        let frames = object.frame_index().map_err(|error| error.to_string())?;
        let drafted = OnceLock::new();
        Ok((series, Instance { path, name, source, frames, facts, hint, draft, drafted }))
    }

    /// Frame `n` of the draft, read from the disk.
    fn draft_frame(&self, n: usize) -> Result<Frame, frame::Error> {
        let index = self.drafted.get_or_init(|| FrameIndex::of_file(&self.draft));
        Ok(index.as_ref().map_err(|error| *error)?.frame(n)?.1)
    }
}

/// One series; whether it was written.
fn one_series(
    args: &DefaceArgs,
    number: usize,
    instances: Vec<Instance>,
    mut report: Option<&mut Report>,
) -> Result<bool, Problem> {
    let name = named(number, &instances);
    let facts: Vec<(usize, &FrameFacts)> = instances
        .iter()
        .enumerate()
        .flat_map(|(n, instance)| instance.facts.iter().map(move |facts| (n, facts)))
        .collect();
    let sets = volumes(&facts.iter().map(|(_, facts)| *facts).collect::<Vec<_>>());
    let progress = progress(facts.len());
    let hint = BodyPartHint::most_careful(instances.iter().map(|instance| instance.hint));
    let mut outcomes = Vec::new();
    for set in sets {
        let slices: Vec<_> = set.into_iter().map(|n| facts[n]).collect();
        let count = slices.len();
        let outcome = match Volume::of(&instances, slices, args.level()) {
            Err(why) => Outcome::withheld(why, count),
            Ok(mut volume) => {
                flow::deface(&mut volume, args.wanted(hint, report.is_some()), &progress)?
            }
        };
        outcomes.push(outcome);
    }
    progress.finish_and_clear();
    let withheld = outcomes.iter().any(|outcome| matches!(outcome.verdict, Verdict::Withheld(_)));
    for (volume, outcome) in (1..).zip(&outcomes) {
        let name = match outcomes.len() {
            1 => name.clone(),
            of => format!("{name}, volume {volume} of {of}"),
        };
        if let Some(report) = report.as_deref_mut() {
            report.add(name.clone(), &format!("series-{number}-volume-{volume}-"), outcome)?;
        }
        super::say(&name, outcome);
    }
    if !withheld {
        instances.iter().try_for_each(|instance| settle(&args.out, instance))?;
    }
    Ok(!withheld)
}

/// A series by its place in the order of UIDs and its first file: UIDs are nobody's names.
fn named(number: usize, instances: &[Instance]) -> String {
    let first = instances.first().map(|i| i.path.display().to_string()).unwrap_or_default();
    match instances.len() {
        0 | 1 => format!("series {number} ({first})"),
        n => format!("series {number} ({first} and {} more)", n - 1),
    }
}

/// Moves a draft to its place; of an image without a head there is none, it is copied byte by byte.
fn settle(out: &Path, instance: &Instance) -> Result<(), Problem> {
    let target = out.join(&instance.name);
    if let Some(folder) = target.parent() {
        disk::make_dir(folder)?;
    }
    if instance.draft.exists() {
        return Ok(disk::rename(&instance.draft, &target)?);
    }
    io::copy(&mut disk::open(&instance.path)?, &mut disk::create(&target)?)?;
    Ok(())
}

/// Slices that sample one volume.
struct Volume<'a> {
    instances: &'a [Instance],
    slices: Vec<(usize, &'a FrameFacts)>,
    planes: Vec<ImagePlane>,
    contrast: Contrast,
    level: Level,
}

impl<'a> Volume<'a> {
    fn of(
        instances: &'a [Instance],
        slices: Vec<(usize, &'a FrameFacts)>,
        level: Level,
    ) -> Result<Self, String> {
        let own = |n: usize| slices.iter().filter(|(instance, _)| *instance == n).count();
        let whole = slices.iter().all(|&(n, _)| own(n) == instances[n].facts.len());
        if !whole {
            let what = "the frames of one file belong to several volumes. Use efface deid, which takes them";
            return Err(what.to_owned());
        }
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for (n, facts) in &slices {
            let (a, b) = facts.real_range(&instances[*n].frames.format());
            (low, high) = (low.min(a), high.max(b));
        }
        let hounsfield = slices.iter().filter(|(_, facts)| facts.hounsfield).count();
        let contrast = match hounsfield {
            0 => Contrast::Arbitrary { low: low as f32, high: high as f32 },
            n if n == slices.len() => Contrast::Hounsfield,
            _ => return Err("some slices are in Hounsfield units, others aren't".to_owned()),
        };
        let planes = slices.iter().map(|(_, facts)| facts.plane).collect();
        Ok(Volume { instances, slices, planes, contrast, level })
    }

    /// Hands over a slice as it stands in a frame.
    fn hand(&self, index: usize, frame: &Frame, then: Use<'_>) -> Result<(), Fault> {
        let (_, facts) = self.slices[index];
        let samples = samples(frame, facts)?;
        let rescale = Rescale::new(facts.slope, facts.intercept)?;
        let (padding, inverted) = (facts.padding.clone(), facts.inverted);
        Ok(then(&Slice { samples: &samples, rescale, padding, inverted })?)
    }

    /// Writes the draft of an instance, frame by frame; what was done to its slices.
    fn write(
        &self,
        number: usize,
        region: &Region,
        done: &(dyn Fn() + Sync),
    ) -> Result<Vec<SliceChange>, Fault> {
        let instance = &self.instances[number];
        let format = instance.frames.format();
        let mut out = BufWriter::with_capacity(1 << 17, disk::create(&instance.draft)?);
        let header = instance.source.header(Limits::default()).map_err(reason)?;
        let mut dataset = Dataset::parse(&header.bytes).map_err(reason)?;
        mark(&mut dataset, instance.source.transfer_syntax(), self.level);
        let text = |tag| dataset.text(tag).unwrap_or_default();
        let (class, uid) = (text(tags::SOP_CLASS_UID), text(tags::SOP_INSTANCE_UID));
        part10::write_meta(&mut out, &class, &uid, uids::EXPLICIT_VR_LITTLE_ENDIAN)?;
        out.write_all(&dataset.encode().map_err(reason)?)?;
        let bytes = format.native_bytes(instance.frames.frames());
        part10::write_pixel_header(&mut out, &part10::native_span(format.bits_allocated, bytes))?;
        let mut changes = Vec::new();
        let mut written = 0;
        for n in 0..instance.frames.frames() {
            let (_, mut frame) = instance.frames.frame(n).map_err(reason)?;
            let in_frame = self.slices.iter().enumerate();
            for (index, (_, facts)) in in_frame.filter(|(_, (i, f))| *i == number && f.frame == n) {
                let mut samples = samples(&frame, facts)?;
                let rescale = Rescale::new(facts.slope, facts.intercept)?;
                let (low, high) = format.range();
                let edit = region.edit(rescale, facts.inverted, low..=high);
                changes.push(region.apply(index, &mut samples, edit)?);
                match &facts.tile {
                    None => frame.replace(&samples),
                    Some(tile) => frame.replace_tile(tile, &samples).map_err(reason)?,
                }
                done();
            }
            let native = frame.to_native();
            written += native.len() as u64;
            out.write_all(&native)?;
        }
        // PS3.5 8.1.1: a value has an even length.
        out.write_all(&[0][..usize::from(written < bytes)])?;
        out.flush()?;
        Ok(changes)
    }
}

impl Series for Volume<'_> {
    fn planes(&self) -> &[ImagePlane] {
        &self.planes
    }

    fn contrast(&self) -> Contrast {
        self.contrast
    }

    fn source(&self, index: usize, then: Use<'_>) -> Result<(), Fault> {
        let (n, facts) = self.slices[index];
        let (_, frame) = self.instances[n].frames.frame(facts.frame).map_err(reason)?;
        self.hand(index, &frame, then)
    }

    fn rewrite(
        &mut self,
        region: &Region,
        done: &(dyn Fn() + Sync),
    ) -> Result<Vec<SliceChange>, Fault> {
        let mut numbers: Vec<usize> = self.slices.iter().map(|(n, _)| *n).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let written = numbers.into_par_iter().map(|n| self.write(n, region, done));
        let changes = written.collect::<Result<Vec<_>, Fault>>()?;
        let mut changes: Vec<SliceChange> = changes.into_iter().flatten().collect();
        changes.sort_unstable_by_key(|change| change.slice);
        Ok(changes)
    }

    fn draft(&self, index: usize, then: Use<'_>) -> Result<(), Fault> {
        let (n, facts) = self.slices[index];
        let frame = self.instances[n].draft_frame(facts.frame).map_err(reason)?;
        self.hand(index, &frame, then)
    }
}

fn samples(frame: &Frame, facts: &FrameFacts) -> Result<Vec<i32>, Fault> {
    match &facts.tile {
        None => Ok(frame.samples()),
        Some(tile) => frame.tile(tile).map_err(reason),
    }
}

fn reason(error: impl std::fmt::Display) -> Fault {
    Fault::Withheld(error.to_string())
}

/// What a data set must say of itself when its pixels are others: a SOP Instance of its own (PS3.3
/// C.12.1.1.1), derived (C.7.6.1.1.2), and nothing that shows or counts the pixels as they were.
fn mark(dataset: &mut Dataset, transfer_syntax: &str, level: Level) {
    let own = dataset.text(tags::SOP_INSTANCE_UID).unwrap_or_default();
    dataset.put_text(tags::SOP_INSTANCE_UID, VR::UI, instance_uid(&own, level));
    mark_derived(dataset);
    dataset.remove(tags::ICON_IMAGE_SEQUENCE);
    HeaderChanges::of_made_frames(dataset, transfer_syntax).apply(dataset);
}

/// The UID of the defaced image: `2.25.` and a UUIDv8 (RFC 9562 5.8) made of a hash of the source's UID, so that
/// the same file gives the same. It is no pseudonym: whoever knows the one finds the other.
fn instance_uid(source: &str, level: Level) -> String {
    let digest = Sha256::digest(format!("efface deface 1 {level:?} {source}"));
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&digest[..16]);
    uuid[6] = uuid[6] & 0x0f | 0x80;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    format!("2.25.{}", u128::from_be_bytes(uuid))
}
