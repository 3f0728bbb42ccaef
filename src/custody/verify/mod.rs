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
//! What may stay is [`Expected`]: options exempt kinds of values (`allow`), a date policy says what
//! dates become (`look`), and single elements are kept by rules. A private element stays only if
//! the standard's own list or a rule has it with its creator (`private`). Sequences about people
//! and orders leave empty (`sealed`). Overlays, icons, signatures and comments in compressed pixels
//! (`codestream`) never stay.
//!
//! Whatever is in doubt is a [`Residue`], and a residue never holds the value that it is about.
//!
//! What it can't see: text burned into pixels, a value that the source's headers don't have,
//! text in a form that isn't listed at [`Witness`] (another transliteration, encryption,
//! compression), a name split over two elements.

mod allow;
mod calendar;
mod charset;
mod codestream;
mod examine;
mod face;
mod forms;
mod kind;
mod look;
mod private;
mod rules;
mod scan;
mod scribe;
mod sealed;
mod search;
mod slices;
mod tags;
#[cfg(test)]
mod tests;
mod walk;
mod witness;

use std::fmt;

pub use face::{FaceAudit, FaceFault, FaceSeen, Scale, SlicePlace};
pub use kind::Kind;
pub use rules::Ban;
pub use slices::{InstanceClaim, SliceAudit, SliceFault, SlicesTreated};
pub use walk::{Flaw, Tag};
pub use witness::Witness;

use calendar::Days;
use search::{Fingerprints, Matcher, Uids};

/// Knows what identified the source study, in a form that can be searched for but not listed.
///
/// `Sync`: one serves all instances of the study on all threads.
pub struct Watch {
    matcher: Matcher,
    /// Name parts that are ordinary words, folded.
    ordinary_names: Fingerprints,
    uids: Uids,
    days: Days,
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
/// says what that was. The options of PS3.15 Annex E, and what a caller lets stay for each:
///
/// | code | option | here |
/// |---|---|---|
/// | 113103 | clean graphics | `kept`: GraphicAnnotationSequence (0070,0001), UnformattedTextValue (0070,0006). Overlays and curves never stay |
/// | 113104 | clean structured content | `kept`: ContentSequence (0040,A730), TextValue (0040,A160) and what else stays cleaned |
/// | 113105 | clean descriptors | `exempt`: [`Kind::Text`] |
/// | 113106 | retain full dates | `dates`: [`Dates::Full`] |
/// | 113107 | retain modified dates | `dates`: [`Dates::Shifted`] |
/// | 113108 | retain patient characteristics | `exempt`: [`Kind::Characteristic`] |
/// | 113109 | retain device identity | `exempt`: [`Kind::Device`]; also dates of the device |
/// | 113110 | retain UIDs | `exempt`: [`Kind::Uid`] |
/// | 113111 | retain safe private | `exempt`: [`Kind::Private`]: elements of Table E.3.10-1, no others |
/// | 113112 | retain institution identity | `exempt`: [`Kind::Institution`] |
///
/// An exemption opens the elements in which Table E.1-1 has the option, and no others of the kind.
///
/// A value is residue if any kind of it isn't exempt. Private and descriptive text count only
/// where a value is nothing else: a description repeated in a private block is a description.
/// Dates and times in `exempt` do nothing, `dates` alone decides about them.
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
    /// Kinds that an option lets stay; see [`Expected`].
    pub exempt: &'a [Kind],
    /// What may be said of dates and times.
    pub dates: Dates,
    /// Elements that a rule of the site, or an option that is about an element and not about a
    /// kind, lets stay.
    pub kept: &'a [Kept],
}

/// What the profile does with dates and times. The patient's date and time of birth never stay,
/// and the dummies 19000101, 19000101000000 and 000000 always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dates {
    /// They are removed.
    #[default]
    Removed,
    /// They stay as they are (113106).
    Full,
    /// Each date of the source is so many days earlier; times of day stay (113107).
    ///
    /// A date that no date of the source can have become is residue, and so is one that the same
    /// attribute has in the source. In any other element than one of dates, dates of the source
    /// are residue as ever.
    Shifted {
        /// At least 1.
        days: u32,
    },
    /// Only the year stays, as its first of January (in DT also as YYYY); times are removed.
    Years,
}

/// Elements that a rule lets stay, at any depth.
///
/// Such an element may hold what it is about (a station name, a description), and private or
/// descriptive text. It may not hold a value that is also anything else in the source: a name, an
/// identifier, an address. No rule lets names of the patient, patient ids, accession numbers, dates
/// or times stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The tag; of a private element its group and the low byte of its number.
    pub tag: u32,
    /// 1-bits where the tag must be equal; FFFF00FF for a private element.
    pub mask: u32,
    /// The creator of a private element's block, without trailing spaces.
    pub creator: Option<String>,
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
    /// A date or time that isn't what [`Dates`] makes of one of the source.
    #[error("a date or time that the policy for dates doesn't leave")]
    Moment,
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
