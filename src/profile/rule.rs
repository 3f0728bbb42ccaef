//! One rule of a site: which elements it is about, in which objects, and what becomes of them.

use crate::standard::Action;
use dicom_core::{Tag, VR};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A rule. The first one in the file that fits an element decides about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Which elements.
    pub about: About,
    /// In which objects.
    pub when: When,
    /// What becomes of them.
    pub treatment: Treatment,
    /// Why it is weaker than the base; goes into the audit log.
    pub because: Option<String>,
    /// Line in the profile, for `efface profile explain`.
    pub line: u64,
}

/// The elements that a rule is about.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    /// Standard elements whose tag agrees with `tag` where `mask` has ones.
    Standard {
        /// The tag, or a pattern of tags.
        tag: u32,
        /// Ones where the tag counts; `FFFFFFFF` for one element.
        mask: u32,
    },
    /// Every standard element of a VR.
    Representation(VR),
    /// Private elements, by the creator of their block (PS3.5 7.8.1).
    Private {
        /// Private Creator, without padding.
        creator: String,
        /// Group, odd.
        group: u16,
        /// Low byte of the element; `None`: the whole block.
        low: Option<u8>,
    },
}

/// The objects in which a rule holds. An empty list says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// SOP Class UIDs.
    pub sop_classes: Vec<String>,
    /// Values of Modality (0008,0060).
    pub modalities: Vec<String>,
}

/// What an object is, for rules that don't hold in all.
#[derive(Clone, Copy, Debug)]
pub struct ObjectKind<'a> {
    /// SOP Class UID.
    pub sop_class: &'a str,
    /// Modality (0008,0060), empty when it has none.
    pub modality: &'a str,
}

/// An element as a profile sees it: what it is and where, never its value.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The tag.
    pub tag: Tag,
    /// The value representation that it has in the object.
    pub vr: VR,
    /// In no sequence.
    pub top_level: bool,
    /// The creator of its block, if it is private and has one.
    pub creator: Option<&'a str>,
}

/// What becomes of an element: the actions of PS3.15 E.1-1a and what sites ask for beside them.
#[derive(Clone, Debug, PartialEq)]
pub enum Treatment {
    /// X, Z, D, U, K or C as the standard has them. C of text removes what identifies, C of dates
    /// follows the profile's dates.
    Standard(Action),
    /// This text in place of any value.
    Replace(String),
    /// A keyed hash of the value, so many characters of base 32.
    Hash(u8),
    /// Dates shifted by the patient's number of days, whatever the profile's dates are.
    ShiftDate,
    /// The year alone: `YYYY0101` in DA, `YYYY` in DT.
    YearOnly,
    /// Ages above so many years become that many years and one.
    AgeCap(u8),
    /// Numbers rounded to the nearest multiple.
    RoundTo(f64),
    /// Of a text only these words, in lower case, stay; the others go.
    KeepWords(BTreeSet<String>),
    /// Values looked up in a table, without regard to case; `None` for a value that isn't there
    /// is emptied.
    Map(BTreeMap<String, String>),
}

impl When {
    /// Whether it holds for such an object.
    pub fn holds(&self, object: &ObjectKind<'_>) -> bool {
        let among = |list: &[String], value| list.is_empty() || list.iter().any(|v| v == value);
        among(&self.sop_classes, object.sop_class) && among(&self.modalities, object.modality)
    }

    /// Whether it holds for every object.
    pub fn always(&self) -> bool {
        self.sop_classes.is_empty() && self.modalities.is_empty()
    }
}

impl About {
    /// Whether an element is meant.
    pub fn fits(&self, subject: &Subject<'_>) -> bool {
        let Tag(group, element) = subject.tag;
        let private = group % 2 == 1;
        match self {
            About::Standard { tag, mask } => {
                let own = u32::from(group) << 16 | u32::from(element);
                !private && own & mask == tag & mask
            }
            About::Representation(vr) => !private && subject.vr == *vr,
            About::Private { creator, group: g, low } => {
                group == *g
                    && subject.creator == Some(creator)
                    && low.is_none_or(|low| u16::from(low) == element & 0xFF)
            }
        }
    }

    /// Whether everything that `other` is about is this one's too.
    pub fn covers(&self, other: &About) -> bool {
        match (self, other) {
            (About::Standard { tag, mask }, About::Standard { tag: t, mask: m }) => {
                mask & m == *mask && tag & mask == t & mask
            }
            (
                About::Private { creator, group, low },
                About::Private { creator: c, group: g, low: l },
            ) => creator == c && group == g && (low.is_none() || low == l),
            (a, b) => a == b,
        }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            About::Standard { tag, mask } => {
                let digits = format!("{tag:08X}");
                let open = (0..8).map(|i| mask >> (28 - 4 * i) & 0xF != 0xF);
                let shown: String =
                    digits.chars().zip(open).map(|(d, x)| if x { 'x' } else { d }).collect();
                write!(f, "({},{})", &shown[..4], &shown[4..])
            }
            About::Representation(vr) => write!(f, "every {vr}"),
            About::Private { creator, group, low: Some(low) } => {
                write!(f, "({group:04X},xx{low:02X}) of {creator:?}")
            }
            About::Private { creator, group, low: None } => {
                write!(f, "({group:04X},xxxx) of {creator:?}")
            }
        }
    }
}

impl Treatment {
    /// Under which letter of PS3.15 it is counted.
    pub fn action(&self) -> Action {
        match self {
            Treatment::Standard(action) => *action,
            Treatment::Replace(_) | Treatment::Hash(_) => Action::D,
            Treatment::ShiftDate
            | Treatment::YearOnly
            | Treatment::AgeCap(_)
            | Treatment::RoundTo(_)
            | Treatment::KeepWords(_)
            | Treatment::Map(_) => Action::C,
        }
    }

    /// Whether something of the source is still there afterwards.
    pub fn retains(&self) -> bool {
        match self {
            Treatment::Standard(action) => {
                matches!(action, Action::K | Action::U | Action::C)
            }
            Treatment::Replace(_) => false,
            Treatment::Hash(_)
            | Treatment::ShiftDate
            | Treatment::YearOnly
            | Treatment::AgeCap(_)
            | Treatment::RoundTo(_)
            | Treatment::KeepWords(_)
            | Treatment::Map(_) => true,
        }
    }
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Treatment::Standard(action) => write!(f, "{} ({})", action.letter(), action.meaning()),
            Treatment::Replace(text) if text.is_empty() => f.write_str("emptied"),
            Treatment::Replace(text) => write!(f, "replaced by {text:?}"),
            Treatment::Hash(n) => write!(f, "a keyed hash of {n} characters"),
            Treatment::ShiftDate => f.write_str("dates shifted by the patient's days"),
            Treatment::YearOnly => f.write_str("dates cut to the year"),
            Treatment::AgeCap(years) => write!(f, "ages above {years} years become {}", years + 1),
            Treatment::RoundTo(step) => write!(f, "numbers rounded to multiples of {step}"),
            Treatment::KeepWords(words) => write!(f, "only {} listed words stay", words.len()),
            Treatment::Map(table) => write!(f, "looked up in a table of {} values", table.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard(tag: u32, mask: u32) -> About {
        About::Standard { tag, mask }
    }

    fn subject(tag: Tag, vr: VR, creator: Option<&str>) -> Subject<'_> {
        Subject { tag, vr, top_level: true, creator }
    }

    #[test]
    fn patterns_fit_and_show_themselves() {
        let about = standard(0x0018_1000, 0xFFFF_F00F);
        assert!(about.fits(&subject(Tag(0x0018, 0x1050), VR::LO, None)));
        assert!(!about.fits(&subject(Tag(0x0018, 0x1051), VR::LO, None)));
        assert_eq!(about.to_string(), "(0018,1xx0)");
        let odd = standard(0x0019_1000, u32::MAX);
        assert!(!odd.fits(&subject(Tag(0x0019, 0x1000), VR::LO, None)));
    }

    #[test]
    fn private_elements_are_known_by_creator_and_low_byte() {
        let about = About::Private { creator: "ACME".into(), group: 0x19, low: Some(0x0C) };
        assert!(about.fits(&subject(Tag(0x0019, 0x110C), VR::LO, Some("ACME"))));
        assert!(!about.fits(&subject(Tag(0x0019, 0x110C), VR::LO, Some("ACME 2"))));
        assert!(!about.fits(&subject(Tag(0x0019, 0x110C), VR::LO, None)));
        assert!(!about.fits(&subject(Tag(0x0021, 0x110C), VR::LO, Some("ACME"))));
    }

    #[test]
    fn a_wider_rule_covers_a_narrower_one() {
        let (group, one) = (standard(0x0018_0000, 0xFFFF_0000), standard(0x0018_0015, u32::MAX));
        assert!(group.covers(&one) && !one.covers(&group) && one.covers(&one));
        let block = About::Private { creator: "A".into(), group: 0x19, low: None };
        let element = About::Private { creator: "A".into(), group: 0x19, low: Some(1) };
        assert!(block.covers(&element) && !element.covers(&block) && !block.covers(&one));
    }
}
