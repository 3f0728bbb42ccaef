//! The face stage: which series show one, what is removed, and the proof that it was.
//!
//! Two passes over a series, one slice at a time. The first finds the head; the second writes each
//! slice's draft and reads it back: the defacer's own check and the verifier's count of slices see
//! what would leave, not what was in memory.

use crate::audit::SeriesFace;
use crate::custody::object::{Drafted, Identified, Object};
use crate::custody::verify::{InstanceClaim, SliceAudit};
use crate::deface::{
    BodyPartHint, Check, Contrast, Evidence, Finding, Level, Refusal, Region, Rescale, Slice,
    SliceChange, Survey,
};
use crate::deid::FaceStatement;
use crate::dicom::dataset::Dataset;
use crate::dicom::frame::{self, Frame, FrameFormat};
use crate::dicom::plane::ImagePlane;
use dicom_dictionary_std::tags;
use rayon::prelude::*;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

/// Why a series cannot leave. The whole series stays inside.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The defacer is not sure.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The pixels of a slice cannot be looked at.
    #[error(transparent)]
    Pixels(#[from] frame::Error),
    /// What else is in the pixels of a slice cannot be removed.
    #[error(transparent)]
    NotCleaned(#[from] crate::pixel::Error),
    /// An attribute without which a slice has no place or no HU.
    #[error("{0} is missing or not usable; the slice has no place in a volume")]
    Attribute(&'static str),
    /// The verifier counted otherwise.
    #[error("the verifier's count of treated slices differs: {0}")]
    Slices(#[from] crate::custody::verify::SliceFault),
}

/// What a slice says of itself besides its samples.
#[derive(Clone)]
pub struct SliceFacts {
    plane: ImagePlane,
    rescale: Rescale,
    padding: Option<RangeInclusive<i32>>,
}

impl SliceFacts {
    /// Reads the Image Plane, CT Image and Modality LUT attributes (PS3.3 C.7.6.2, C.8.2.1, C.11.1).
    ///
    /// # Errors
    /// [`Error::Attribute`], [`Error::Refused`].
    pub fn of(source: &Dataset) -> Result<Self, Error> {
        if frame::frames_of(source)? != 1 {
            return Err(Error::Attribute("Number of Frames (0028,0008)"));
        }
        let number = |tag, name| source.number(tag).ok_or(Error::Attribute(name));
        let slope = number(tags::RESCALE_SLOPE, "Rescale Slope (0028,1053)")?;
        let intercept = number(tags::RESCALE_INTERCEPT, "Rescale Intercept (0028,1052)")?;
        let padding = source.number(tags::PIXEL_PADDING_VALUE).map(|value| {
            let limit = source.number(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value);
            value.min(limit) as i32..=value.max(limit) as i32
        });
        Ok(SliceFacts { plane: plane(source)?, rescale: Rescale::new(slope, intercept)?, padding })
    }

    /// Where the slice is in the patient.
    pub fn plane(&self) -> &ImagePlane {
        &self.plane
    }

    /// The slice with its samples.
    pub fn slice<'a>(&self, samples: &'a [i32]) -> Slice<'a> {
        Slice { samples, rescale: self.rescale, padding: self.padding.clone(), inverted: false }
    }
}

fn plane(source: &Dataset) -> Result<ImagePlane, Error> {
    let vector = |tag, name| {
        let numbers = source.numbers(tag);
        <[f64; 3]>::try_from(numbers).map_err(|_| Error::Attribute(name))
    };
    let origin = vector(tags::IMAGE_POSITION_PATIENT, "Image Position (Patient) (0020,0032)")?;
    let directions = source.numbers(tags::IMAGE_ORIENTATION_PATIENT);
    let &[a, b, c, d, e, f] = directions.as_slice() else {
        return Err(Error::Attribute("Image Orientation (Patient) (0020,0037)"));
    };
    let &[between_rows, between_columns] = source.numbers(tags::PIXEL_SPACING).as_slice() else {
        return Err(Error::Attribute("Pixel Spacing (0028,0030)"));
    };
    let format = FrameFormat::of(source)?;
    let spacing = crate::dicom::plane::PixelSpacing { between_rows, between_columns };
    let (rows, columns) = (u32::from(format.rows), u32::from(format.columns));
    ImagePlane::new(origin, [a, b, c], [d, e, f], spacing, rows, columns)
        .map_err(|_| Error::Attribute("the image plane (PS3.3 C.7.6.2)"))
}

/// What the header says about the body part. A word for head anywhere outweighs everything.
pub fn body_part(source: &Dataset) -> BodyPartHint {
    let says = |tags: &[dicom_core::Tag], words: &[&str]| {
        tags.iter().filter_map(|tag| source.text(*tag)).any(|text| {
            let text = text.to_uppercase();
            words.iter().any(|word| text.contains(word))
        })
    };
    if says(&DESCRIBING, &HEAD_WORDS) {
        BodyPartHint::Head
    } else if says(&[tags::BODY_PART_EXAMINED], &OTHER_PARTS) {
        BodyPartHint::Other
    } else {
        BodyPartHint::Unknown
    }
}

/// Attributes in which people and devices say what they imaged.
const DESCRIBING: [dicom_core::Tag; 4] = [
    tags::BODY_PART_EXAMINED,
    tags::SERIES_DESCRIPTION,
    tags::STUDY_DESCRIPTION,
    tags::PROTOCOL_NAME,
];

/// Words for a field of view that may reach the face, in the languages of the first sites. A word
/// too many only withholds.
#[rustfmt::skip]
const HEAD_WORDS: [&str; 24] = [
    "HEAD", "BRAIN", "SKULL", "FACE", "FACIAL", "SINUS", "ORBIT", "NECK", "CEREBR", "CRANI", "TETE", "TÊTE",
    "KOPF", "SCHÄDEL", "HALS", "TEMPORAL", "MAXILL", "MANDIB", "DENTAL", "JAW", "CSPINE", "C-SPINE", "WHOLEBODY",
    "WHOLE BODY",
];

/// Values of Body Part Examined (PS3.16 Annex L) of parts from which no face is in reach.
#[rustfmt::skip]
const OTHER_PARTS: [&str; 20] = [
    "ABDOMEN", "PELVIS", "CHEST", "THORAX", "LSPINE", "TSPINE", "LUMBAR", "HEART", "LIVER", "KIDNEY", "PROSTATE",
    "HIP", "KNEE", "ANKLE", "FOOT", "LEG", "HAND", "WRIST", "ELBOW", "COLON",
];

/// A series that may show a face, after the first pass.
pub enum Series {
    /// Proven to show none.
    Clear,
    /// A head was found.
    Head(Box<Defacing>),
}

/// A head, what will be removed, and where each slice is in the volume.
pub struct Defacing {
    region: Region,
    facts: Vec<SliceFacts>,
}

/// First pass: finds the head. `open` reads slice `n` of `facts.len()`, in any order, from any thread.
///
/// # Errors
/// [`Error`]: the series stays inside.
pub fn locate<F>(facts: Vec<SliceFacts>, hint: BodyPartHint, open: F) -> Result<Series, Error>
where
    F: Fn(usize) -> Result<Object<Identified>, frame::Error> + Sync,
{
    let planes: Vec<ImagePlane> = facts.iter().map(|f| f.plane).collect();
    let survey = Survey::new(&planes, Contrast::Hounsfield)?;
    facts.par_iter().enumerate().try_for_each(|(index, facts)| -> Result<(), Error> {
        let (_, frame) = open(index)?.frame_at(0)?;
        Ok(survey.add(index, &facts.slice(&frame.samples()))?)
    })?;
    match survey.locate(hint)? {
        Finding::NoHead(_) => Ok(Series::Clear),
        Finding::Head(head) => {
            let region = head.region(Level::Strict)?;
            Ok(Series::Head(Box::new(Defacing { region, facts })))
        }
    }
}

/// Second pass over one series: removes, and remembers for the check.
pub struct Removal<'a> {
    defacing: &'a Defacing,
    check: Check<'a>,
    audit: Mutex<SliceAudit>,
}

/// A slice whose face is gone in memory, and what must be true of the slice on disk.
pub struct Treated {
    /// Form of the frame.
    pub format: FrameFormat,
    /// The new pixels.
    pub frame: Frame,
    before: Vec<i32>,
    change: SliceChange,
}

impl<'a> Removal<'a> {
    /// Starts the second pass.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn new(defacing: &'a Defacing) -> Result<Self, Error> {
        let check = defacing.region.check()?;
        Ok(Removal { defacing, check, audit: Mutex::new(SliceAudit::new()) })
    }

    /// Removes the face from slice `index`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn treat(&self, index: usize, object: &Object<Identified>) -> Result<Treated, Error> {
        let (format, mut frame) = object.frame_at(0)?;
        let before = frame.samples();
        let mut samples = before.clone();
        let (low, high) = format.range();
        let region = &self.defacing.region;
        let edit = region.edit(self.defacing.facts[index].rescale, low..=high);
        let change = region.apply(index, &mut samples, edit)?;
        frame.replace(&samples);
        Ok(Treated { format, frame, before, change })
    }

    /// Holds the draft of a slice against what was done to it.
    ///
    /// # Errors
    /// [`Error`].
    pub fn confirm(&self, treated: &Confirmation, draft: &Object<Drafted>) -> Result<(), Error> {
        let after = draft.samples_at(0)?;
        let facts = &self.defacing.facts[treated.change.slice];
        self.check.add(&treated.change, &facts.slice(&after))?;
        let claim = InstanceClaim {
            removed: treated.change.removed as u64,
            fill: treated.change.edit.fill,
        };
        let mut audit = self.audit.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(audit.add(&treated.change.slice.to_string(), &treated.before, &after, Some(claim))?)
    }

    /// The verdict on the series, when all its slices were confirmed.
    ///
    /// # Errors
    /// [`Error`].
    pub fn finish(self) -> Result<Evidence, Error> {
        let evidence = self.check.finish()?;
        let expected: Vec<String> = (0..self.defacing.facts.len()).map(|n| n.to_string()).collect();
        let audit = self.audit.into_inner().unwrap_or_else(PoisonError::into_inner);
        audit.finish(expected.iter().map(String::as_str))?;
        Ok(evidence)
    }
}

/// What [`Removal::confirm`] needs of a slice after its pixels have gone into the draft.
pub struct Confirmation {
    before: Vec<i32>,
    change: SliceChange,
}

impl Treated {
    /// The pixels for the draft, and what to confirm it against.
    pub fn split(self) -> ((FrameFormat, Frame), Confirmation) {
        let Treated { format, frame, before, change } = self;
        ((format, frame), Confirmation { before, change })
    }
}

/// A line for the log.
pub fn series_face(
    series: String,
    slices: usize,
    face: FaceStatement,
    evidence: Option<&Evidence>,
) -> SeriesFace {
    let finding = match face {
        FaceStatement::Removed => "removed",
        FaceStatement::SoftTissueRemoved => "soft-tissue-removed",
        FaceStatement::Left => "left",
        FaceStatement::Silent => "none-found",
    };
    SeriesFace {
        series,
        finding: finding.to_owned(),
        slices: slices as u64,
        removed_voxels: evidence.map_or(0, |e| e.removed_voxels.iter().map(|&n| n as u64).sum()),
        figures: evidence.map(figures).unwrap_or_default(),
    }
}

/// The evidence in numbers, named.
fn figures(evidence: &Evidence) -> Vec<(String, f64)> {
    // Three decimals: JSON has no NaN, and nobody reads more.
    let round = |value: f32| (f64::from(value) * 1000.0).round() / 1000.0;
    let finite = evidence.figures().into_iter().filter(|(_, value)| value.is_finite());
    finite.map(|(name, value)| (name.to_owned(), round(value))).collect()
}
