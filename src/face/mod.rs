//! The face stage: which series show one, what is removed, and the proof that it was.
//!
//! ```text
//! frames -> volumes -> first pass: the head, its own or one known in this frame of reference -> regions
//!           series     find
//!                   -> second pass: every frame made, written, and read back                 -> evidence
//!                      removal
//! ```
//! One frame is in memory at a time for each thread. Both checks, the defacer's own and the
//! verifier's, see what would leave, read from the draft, not what was in memory.

mod deadline;
mod find;
mod heads;
mod removal;
mod series;

pub use deadline::Deadline;
pub use find::{Defacing, Found, Sources, Unsure, carry, find, picture};
pub use heads::{Heads, KnownHead};
pub use removal::{Proof, Removal};
pub use series::{Frames, Series};

use crate::audit::SeriesFace;
use crate::deface::{BodyPartHint, Refusal};
use crate::deid::FaceStatement;
use crate::dicom::dataset::Dataset;
use crate::dicom::facts::FactsError;
use crate::dicom::frame;
use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// Why a series cannot leave. The whole series stays inside.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The defacer is not sure.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The pixels of a frame cannot be looked at.
    #[error(transparent)]
    Pixels(#[from] frame::Error),
    /// What else is in the pixels cannot be removed.
    #[error(transparent)]
    NotCleaned(#[from] crate::pixel::Error),
    /// A frame has no place in a volume.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// The series shows no head by which it could be found, and none is known.
    #[error(
        "{0}, and no other series of its frame of reference shows where the head is. Send a thin CT or MR of the same examination with it, or deface it by hand"
    )]
    NeedsHead(&'static str),
    /// The head that was found elsewhere does not reach into this series, and it was not proven to show none.
    #[error(
        "the head found in another series lies outside of this one, which was not proven to show none. Look at it"
    )]
    HeadElsewhere,
    /// It took too long. Neither this series nor its picture is worked on any further.
    #[error(
        "the face stage did not end within {limit_s} s. Raise face_s in the configuration, or deface the series by hand"
    )]
    OutOfTime {
        /// The limit, s.
        limit_s: u64,
    },
    /// Contours that cannot be cut.
    #[error(transparent)]
    Contours(#[from] crate::deface::contours::Error),
    /// Contours without images that say where the face is.
    #[error(
        "nothing says where the head is in the frame of reference of these contours. Send the images on which they were drawn with them"
    )]
    ContoursAlone,
    /// The verifier counted otherwise.
    #[error("the verifier's count of treated slices differs: {0}")]
    Slices(#[from] crate::custody::verify::SliceFault),
    /// The verifier isn't convinced.
    #[error("the verifier, which looks for the face on its own: {0}")]
    NotVerified(#[from] crate::custody::verify::FaceFault),
}

/// What the header says about the body part. A word for head anywhere outweighs everything.
pub fn body_part(source: &Dataset) -> BodyPartHint {
    let says = |tags: &[Tag], words: &[&str]| {
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
const DESCRIBING: [Tag; 4] = [
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

/// A line for the log.
pub fn series_face(
    series: String,
    slices: usize,
    face: FaceStatement,
    proof: Option<&Proof>,
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
        removed_voxels: proof.map_or(0, Proof::removed_voxels),
        figures: proof.map(Proof::figures).unwrap_or_default(),
    }
}
