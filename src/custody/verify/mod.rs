//! The verifier: the last gate before an object may leave the hospital.
//!
//! It re-reads the ENCODED bytes of a de-identified file and looks for everything that identified
//! the source study. It shares no code with the engine that removed it: its own walk over the
//! bytes (`walk`), its own character sets (`charset`), its own reading of PS3.15 Table E.1-1
//! (`tags`), its own search (`search`). Two programs would have to make the same mistake.
//!
//! ```text
//! every source instance -> Witness::observe -> seal -> Watch -> examine(output) -> Examined | Residue
//! ```
//!
//! Whatever is in doubt is a [`Residue`], and a residue never holds the value that it is about.
//!
//! What it can't see: text burned into pixels, a value that the source's headers don't have,
//! text in a form that isn't listed at [`Witness`] (another transliteration, encryption,
//! compression), a name split over two elements.

mod charset;
mod examine;
mod forms;
mod rules;
mod search;
mod slices;
mod tags;
#[cfg(test)]
mod tests;
mod walk;
mod witness;

use std::collections::HashMap;
use std::fmt;

pub use rules::Ban;
pub use slices::{InstanceClaim, SliceAudit, SliceFault, SlicesTreated};
pub use walk::{Flaw, Tag};
pub use witness::Witness;

use search::{Fingerprints, Matcher, Uids};

/// What a value tells about whom. In order of gravity: a value of two kinds counts as the graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A name of the patient or of the family.
    Name,
    /// An identifier of the patient, the visit, the order, the study.
    Id,
    /// The patient's date of birth.
    BirthDate,
    /// An address, a telephone number, an e-mail address.
    Contact,
    /// The UID of an instance, series, study, frame of reference, device ...
    Uid,
    /// A name of anybody else.
    Staff,
    /// Any other date.
    Date,
    /// A serial number, station name, AE title.
    Device,
    /// The institution, its departments, issuers of identifiers.
    Institution,
    /// Text of private elements, and private elements themselves.
    Private,
    /// Descriptive text.
    Text,
    /// A time of day, compared attribute by attribute only.
    Time,
    /// Age, sex, weight and the like, compared attribute by attribute only.
    Characteristic,
    /// Overlays and curves: elements, not values.
    Graphics,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Name => "patient's name",
            Kind::Id => "identifier",
            Kind::BirthDate => "date of birth",
            Kind::Contact => "address or telephone number",
            Kind::Uid => "UID",
            Kind::Staff => "person's name",
            Kind::Date => "date",
            Kind::Device => "device identifier",
            Kind::Institution => "institution",
            Kind::Private => "private text",
            Kind::Text => "descriptive text",
            Kind::Time => "time",
            Kind::Characteristic => "patient characteristic",
            Kind::Graphics => "overlay or curve",
        })
    }
}

/// Knows what identified the source study, in a form that can be searched for but not listed.
///
/// `Sync`: one serves all instances of the study on all threads.
pub struct Watch {
    matcher: Matcher,
    /// Name parts that are ordinary words, folded.
    ordinary_names: Fingerprints,
    uids: Uids,
    /// The numbers YYYYMMDD.
    dates: HashMap<u32, Kind>,
    /// Tag and value of every attribute that must have changed.
    same: Fingerprints,
}

impl Watch {
    /// How many byte patterns and how many UIDs are searched for.
    pub fn size(&self) -> (usize, usize) {
        (self.matcher.len(), self.uids.len())
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<watch>")
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<witness>")
    }
}

/// What the output must claim, and what it may still have.
///
/// The claims are compared literally: they must be written from what was done, and the caller
/// says what that was.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// (0002,0010).
    pub transfer_syntax: &'a str,
    /// Exactly these codes of CID 7050 must stand in (0012,0064), in any order.
    pub options: &'a [&'a str],
    /// (0028,0301) Burned In Annotation; `None`: must be absent.
    pub burned_in: Option<&'a str>,
    /// (0028,0302) Recognizable Visual Features; `None`: must be absent.
    pub visual_features: Option<&'a str>,
    /// (0028,0303) Longitudinal Temporal Information Modified.
    pub longitudinal: &'a str,
    /// Kinds that a retain option lets stay. A value that is also of a graver kind isn't exempt.
    ///
    /// 113106 retain full dates: `Date`, `Time`. 113107 modified dates: `Time` only. 113108:
    /// `Characteristic`. 113109: `Device`. 113110: `Uid`. 113111: `Private`. 113112:
    /// `Institution`. 113105 clean descriptors: `Text`. 113103 clean graphics: `Graphics`.
    pub exempt: &'a [Kind],
}

/// A file in which nothing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Examined {
    /// Length of the file.
    pub bytes: u64,
    /// Digest of exactly the bytes that were examined.
    pub sha256: [u8; 32],
}

/// Why an object may not leave. Names kind and place, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {found}")]
pub struct Residue {
    /// What was found.
    pub found: Found,
    /// Where.
    pub place: Place,
}

/// What a [`Residue`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Found {
    /// An identifying value of the source.
    #[error("a {0} of the source")]
    Value(Kind),
    /// An attribute that must change has a value that it has in the source.
    #[error("the same {0} as in the source")]
    Unchanged(Kind),
    /// An element that may not be there at all.
    #[error("{0}")]
    Banned(Ban),
    /// A claim that is missing, or other than what was done.
    #[error("not the expected value")]
    Claim,
    /// Bytes that can't be examined.
    #[error("{0}")]
    Flaw(Flaw),
}

/// Where in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The 128 bytes before `DICM`.
    Preamble,
    /// The file meta information, group 0002.
    FileMeta(Option<Tag>),
    /// An element: the sequences around it with item numbers from 1, and its tag.
    Element(Vec<(Tag, u32)>, Option<Tag>),
    /// The top-level pixel data.
    PixelData,
    /// Behind the data set.
    TrailingBytes,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Preamble => f.write_str("preamble"),
            Place::FileMeta(None) => f.write_str("file meta information"),
            Place::FileMeta(Some(tag)) => write!(f, "file meta information {tag}"),
            Place::Element(path, tag) => {
                for (sequence, item) in path {
                    write!(f, "{sequence}[{item}] > ")?;
                }
                match tag {
                    Some(tag) => write!(f, "{tag}"),
                    None => f.write_str("data set"),
                }
            }
            Place::PixelData => f.write_str("pixel data"),
            Place::TrailingBytes => f.write_str("trailing bytes"),
        }
    }
}

/// Why a source couldn't be taken as a witness. No release without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// The source data set can't be walked.
    #[error("the source data set can't be read to its end: {0}")]
    Flaw(#[from] Flaw),
    /// More values than can be searched for.
    #[error("the source has more identifying values than can be searched for")]
    TooMuch,
}
