//! The one question: what becomes of an element, and who says so.

use super::{Dates, ObjectKind, Profile, Rule, Subject, Treatment, words};
use crate::dicom::dataset::is_text;
use crate::standard::{self, Action, Annex, unlisted};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

/// Who decided about an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ground {
    /// A rule of the site, by its place in the profile, from 0.
    Rule(u16),
    /// An option of Annex E.
    Option(Annex),
    /// The profile's way with dates.
    Dates,
    /// PS3.15 Table E.1-1.
    Table,
    /// Private, curve and overlay groups (Table E.1-1, rows of groups).
    Group,
    /// The standard's dictionary does not know it.
    Unknown,
    /// A value representation that names persons, times or free text, in an element that the table
    /// doesn't list.
    Representation,
    /// The standard's dictionary knows it, and nothing speaks against it.
    Known,
}

/// What a profile says of an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision<'a> {
    /// What becomes of it.
    pub treatment: &'a Treatment,
    /// Who says so.
    pub ground: Ground,
}

/// Elements that the engine writes itself: no rule may speak about them.
pub const ALWAYS_PSEUDONYMIZED: [Tag; 3] =
    [tags::PATIENT_NAME, tags::PATIENT_ID, tags::ACCESSION_NUMBER];

/// Elements without which an object is none: rules by pattern or VR pass them over.
pub const INDISPENSABLE: [Tag; 5] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
];

static STANDARD: [Treatment; 6] = [
    Treatment::Standard(Action::X),
    Treatment::Standard(Action::Z),
    Treatment::Standard(Action::D),
    Treatment::Standard(Action::U),
    Treatment::Standard(Action::K),
    Treatment::Standard(Action::C),
];

impl Profile {
    /// The fate of an element.
    ///
    /// A standard element must be of the kind that the dictionary says: a date written as text, or
    /// text written as bytes, is treated by nobody as what it is, and goes.
    pub fn decide(&self, object: &ObjectKind<'_>, subject: &Subject<'_>) -> Decision<'_> {
        let mut rules = self.rules.iter().enumerate();
        let open = !is_always_removed(subject.tag) && !INDISPENSABLE.contains(&subject.tag);
        let fits = |rule: &Rule| open && rule.about.fits(subject) && rule.when.holds(object);
        let by_rule = rules.find(|(_, rule)| fits(rule)).map(|(n, rule)| Decision {
            treatment: &rule.treatment,
            ground: Ground::Rule(n as u16),
        });
        if_undisguised(subject, by_rule.unwrap_or_else(|| self.decide_as_written(object, subject)))
    }

    /// What the fate of an element would be if the site had no rules.
    pub fn decide_without_rules(
        &self,
        object: &ObjectKind<'_>,
        subject: &Subject<'_>,
    ) -> Decision<'static> {
        if_undisguised(subject, self.decide_as_written(object, subject))
    }

    fn decide_as_written(
        &self,
        object: &ObjectKind<'_>,
        subject: &Subject<'_>,
    ) -> Decision<'static> {
        let tag = subject.tag;
        if is_always_removed(tag) {
            return plain(Action::X, Ground::Group);
        }
        if tag.group() % 2 == 1 {
            return self.decide_private(subject);
        }
        if let Some(decision) = self.decide_listed(object, subject) {
            return decision;
        }
        match StandardDataDictionary.by_tag(tag) {
            Some(_) => self.decide_representation(subject),
            None => plain(Action::X, Ground::Unknown),
        }
    }

    fn decide_private(&self, subject: &Subject<'_>) -> Decision<'static> {
        let Tag(group, element) = subject.tag;
        let safe = self.options.has(Annex::RetainSafePrivate)
            && element >= 0x1000
            && subject.creator.is_some_and(|creator| {
                let row = standard::safe_private(creator, group, (element & 0xFF) as u8);
                row.is_some_and(|row| subject.vr == VR::UN || row.is_of(subject.vr))
            });
        match safe {
            true => plain(Action::K, Ground::Option(Annex::RetainSafePrivate)),
            false => plain(Action::X, Ground::Group),
        }
    }

    /// Table E.1-1: the options' columns before the Basic Profile's.
    fn decide_listed(
        &self,
        object: &ObjectKind<'_>,
        subject: &Subject<'_>,
    ) -> Option<Decision<'static>> {
        let tag = subject.tag;
        let basic = standard::basic_action(object.sop_class, subject.top_level, tag)?;
        if let Some((option, action)) = standard::option_action(self.options, tag) {
            return Some(plain(action, Ground::Option(option)));
        }
        let years = matches!(self.dates, Dates::Years { .. });
        if years && matches!(subject.vr, VR::DA | VR::DT) && standard::is_temporal(tag) {
            return Some(plain(Action::C, Ground::Dates));
        }
        Some(plain(basic, Ground::Table))
    }

    /// Elements of the dictionary that Table E.1-1 does not list, but whose VR is made for what
    /// identifies: names, dates and times, free text, addresses on the network.
    ///
    /// Emptied rather than removed: an empty value is legal for Type 2 and 3, and where it is not
    /// there is a dummy. The options that retain such values in listed elements hold for these too.
    fn decide_representation(&self, subject: &Subject<'_>) -> Decision<'static> {
        let tag = subject.tag;
        let emptied = match unlisted::wants_a_value(tag) {
            true => plain(Action::D, Ground::Representation),
            false => plain(Action::Z, Ground::Representation),
        };
        match subject.vr {
            VR::PN | VR::AE => emptied,
            VR::DA | VR::DT | VR::TM => match &self.dates {
                Dates::Full => plain(Action::K, Ground::Option(Annex::RetainFullDates)),
                Dates::Shifted => plain(Action::C, Ground::Option(Annex::RetainModifiedDates)),
                Dates::Years { .. } if subject.vr != VR::TM => plain(Action::C, Ground::Dates),
                Dates::Years { .. } | Dates::Removed => emptied,
            },
            VR::UC if tag == tags::LONG_CODE_VALUE => plain(Action::K, Ground::Known),
            vr if is_prose(vr) || unlisted::is_free_text(tag) => {
                match self.options.has(Annex::CleanDescriptors) {
                    true => plain(Action::C, Ground::Option(Annex::CleanDescriptors)),
                    false => emptied,
                }
            }
            VR::UR | VR::UN => plain(Action::X, Ground::Representation),
            _ => plain(Action::K, Ground::Known),
        }
    }

    /// Who decided, in words.
    pub fn ground_name(&self, ground: Ground) -> String {
        words::ground(&words::ENGLISH, self, ground)
    }
}

fn plain(action: Action, ground: Ground) -> Decision<'static> {
    Decision { treatment: &STANDARD[action as usize], ground }
}

fn is_prose(vr: VR) -> bool {
    matches!(vr, VR::ST | VR::LT | VR::UT | VR::UC)
}

/// The decision, if the element is of the kind that the dictionary says; else it goes.
fn if_undisguised<'a>(subject: &Subject<'_>, decision: Decision<'a>) -> Decision<'a> {
    let entry = StandardDataDictionary.by_tag(subject.tag);
    let written = Family::of(subject.vr);
    let disguised = entry.is_some_and(|entry| Family::of(entry.vr().relaxed()) != written);
    match disguised && *decision.treatment != Treatment::Standard(Action::Z) {
        true => plain(Action::X, Ground::Representation),
        false => decision,
    }
}

/// Elements that go whatever a site's rules say: curves, overlays, and what seals other values.
pub fn is_always_removed(tag: Tag) -> bool {
    standard::is_repeating_group(tag) || is_sealed(tag)
}

/// Digital signatures, encrypted and original attributes (0400,xxxx), and trailing padding: made over
/// data that are no more, or the identified values themselves.
fn is_sealed(tag: Tag) -> bool {
    tag.group() == 0x0400
        || matches!(
            tag,
            tags::MAC_PARAMETERS_SEQUENCE
                | tags::DIGITAL_SIGNATURES_SEQUENCE
                | tags::DATA_SET_TRAILING_PADDING
        )
}

/// Value representations among which encoders vary without changing what a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Text,
    Date,
    Time,
    Age,
    Decimal,
    Binary,
    Name,
    Uid,
    Link,
    Items,
    Unknown,
}

impl Family {
    fn of(vr: VR) -> Self {
        match vr {
            vr if is_text(vr) => Family::Text,
            VR::DA | VR::DT => Family::Date,
            VR::TM => Family::Time,
            VR::AS => Family::Age,
            VR::DS | VR::IS => Family::Decimal,
            VR::PN => Family::Name,
            VR::UI => Family::Uid,
            VR::UR => Family::Link,
            VR::SQ => Family::Items,
            VR::UN => Family::Unknown,
            _ => Family::Binary,
        }
    }
}
