//! Profiles: what happens to each element, decided by tables and by the site's own rules.
//!
//! A [`Profile`] is compiled from YAML ([`language`]) once. It answers one question, [`Profile::decide`],
//! the same way for every element at every depth, and it is known by the digest of everything that
//! it could answer. The order of who decides:
//!
//! ```text
//! overlay and curve groups -> removed, always
//! the site's rules         -> the first that fits
//! options of Annex E       -> K or C in their column of Table E.1-1; safe private elements
//! Table E.1-1              -> the Basic Profile's action
//! the closed world         -> private or unknown: removed; names, times, texts: emptied; the rest kept
//! ```

pub mod compare;
pub mod conformance;
mod device;
pub mod language;
mod rule;
mod vocabulary;
pub mod words;

pub use device::{Device, DeviceRegions};
pub use rule::{About, ObjectKind, Rule, Subject, Treatment, When};

use crate::dicom::dataset::is_text;
use crate::standard::{self, Action, Annex, Options, unlisted};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use sha2::{Digest, Sha256};

/// A compiled profile.
pub struct Profile {
    name: String,
    options: Options,
    dates: Dates,
    pseudonymity: Pseudonymity,
    rules: Vec<Rule>,
    faces: Faces,
    burned_in: BurnedIn,
    devices: Vec<DeviceRegions>,
    digest: [u8; 32],
}

/// How dates leave.
#[derive(Clone, Debug, PartialEq)]
pub enum Dates {
    /// Not at all.
    Removed,
    /// As they are (113106).
    Full,
    /// Earlier by a number of days that is the same for all of a patient's (113107).
    Shifted,
    /// The year alone, for the reason given.
    Years {
        /// The reason, as written in the profile.
        because: String,
    },
}

/// The forms in which dates leave. There is one in a profile: whoever checks the output could not
/// tell a date that was moved from one that was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateWay {
    /// They don't.
    Not,
    /// As they are.
    Full,
    /// Moved back.
    Shifted,
    /// The year.
    Year,
}

impl Dates {
    /// The form in which they leave.
    pub fn way(&self) -> DateWay {
        match self {
            Dates::Removed => DateWay::Not,
            Dates::Full => DateWay::Full,
            Dates::Shifted => DateWay::Shifted,
            Dates::Years { .. } => DateWay::Year,
        }
    }
}

/// Where pseudonyms come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pseudonymity {
    /// A keyed hash of the identifiers: the same on every machine that holds the key.
    #[default]
    Keyed,
    /// Random, remembered in the crosswalk: not derived from anything about the patient
    /// (45 CFR 164.514(c)).
    Random,
}

/// What the profile says about faces in CT, MR and PET volumes.
#[derive(Clone, Debug, PartialEq)]
pub enum Faces {
    /// Removed, and so much of them, or the series stays inside.
    Remove(FaceLevel),
    /// They leave, for the reason given.
    Leave {
        /// The reason, as written in the profile.
        because: String,
    },
    /// The profile doesn't speak of faces: what may show one stays inside.
    Withhold,
}

/// How much of a face is removed.
#[derive(Clone, Debug, PartialEq)]
pub enum FaceLevel {
    /// Everything by which it could be known or rebuilt: the Clean Recognizable Visual Features option (113102).
    Strict,
    /// In CT skin and soft tissue: facial bones and teeth stay, from which a face can be approximated, so that
    /// 113102 isn't claimed and Recognizable Visual Features (0028,0302) is YES. Where bone can't be told
    /// from soft tissue (MR, PET), everything.
    KeepFacialBones {
        /// The reason, as written in the profile.
        because: String,
    },
}

/// What the profile says about images that may have identifying text burned in.
#[derive(Clone, Debug, PartialEq)]
pub enum BurnedIn {
    /// They stay inside unless a device rule covers them, or the object says that there is none and
    /// its kind makes that credible.
    Withhold,
    /// They leave, for the reason given.
    Leave {
        /// The reason, as written in the profile.
        because: String,
    },
}

/// The profiles that efface brings along, by name: the text of each file in `profiles/`.
pub const SHIPPED: [(&str, &str); 6] = [
    ("basic", include_str!("../../profiles/basic.yaml")),
    ("device-manufacturing", include_str!("../../profiles/device-manufacturing.yaml")),
    ("device-facial-bones", include_str!("../../profiles/device-facial-bones.yaml")),
    ("teleradiology", include_str!("../../profiles/teleradiology.yaml")),
    ("research-longitudinal", include_str!("../../profiles/research-longitudinal.yaml")),
    ("hipaa-safe-harbor", include_str!("../../profiles/hipaa-safe-harbor.yaml")),
];

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

fn plain(action: Action, ground: Ground) -> Decision<'static> {
    Decision { treatment: &STANDARD[action as usize], ground }
}

impl Profile {
    /// The name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Identifies everything that this profile could answer, and the edition that it rests on.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The options of Annex E that are in force.
    pub fn options(&self) -> Options {
        self.options
    }

    /// How dates leave.
    pub fn dates(&self) -> &Dates {
        &self.dates
    }

    /// How dates leave where they leave at all: as the profile says for all, or a rule for some.
    pub fn dates_that_leave(&self) -> DateWay {
        let by_rule = self.rules.iter().find_map(|rule| match rule.treatment {
            Treatment::ShiftDate => Some(DateWay::Shifted),
            Treatment::YearOnly => Some(DateWay::Year),
            _ => None,
        });
        match self.dates.way() {
            DateWay::Not => by_rule.unwrap_or(DateWay::Not),
            way => way,
        }
    }

    /// Where pseudonyms come from.
    pub fn pseudonymity(&self) -> Pseudonymity {
        self.pseudonymity
    }

    /// The site's rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What the profile says about faces.
    pub fn faces(&self) -> &Faces {
        &self.faces
    }

    /// What the profile says about burned-in text.
    pub fn burned_in(&self) -> &BurnedIn {
        &self.burned_in
    }

    /// The devices whose images are blanked.
    pub fn devices(&self) -> &[DeviceRegions] {
        &self.devices
    }

    /// Every reason that the profile gives for being weaker than its base.
    pub fn reasons(&self) -> Vec<String> {
        let rules = self.rules.iter().filter_map(|rule| rule.because.as_ref());
        let dates = match &self.dates {
            Dates::Years { because } => Some(because),
            Dates::Removed | Dates::Full | Dates::Shifted => None,
        };
        let faces = match &self.faces {
            Faces::Leave { because } | Faces::Remove(FaceLevel::KeepFacialBones { because }) => {
                Some(because)
            }
            Faces::Remove(FaceLevel::Strict) | Faces::Withhold => None,
        };
        let burned_in = match &self.burned_in {
            BurnedIn::Leave { because } => Some(because),
            BurnedIn::Withhold => None,
        };
        let devices = self.devices.iter().map(|device| &device.because);
        rules.chain(dates).chain(faces).chain(burned_in).chain(devices).cloned().collect()
    }

    /// Who decided, in words.
    pub fn ground_name(&self, ground: Ground) -> String {
        words::ground(&words::ENGLISH, self, ground)
    }

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

    fn plan_digest(&self) -> [u8; 32] {
        let mut plan = Sha256::new();
        let mut line = |text: String| {
            plan.update(text.as_bytes());
            plan.update(b"\n");
        };
        line(format!("efface plan 2, PS3.15 {}", standard::EDITION));
        line(format!("name {}", self.name));
        for option in self.options.iter() {
            line(format!("option {}", option.code()));
        }
        line(format!("dates {:?}", self.dates));
        line(format!("pseudonyms {:?}", self.pseudonymity));
        for Rule { about, when, treatment, because, line: _ } in &self.rules {
            line(format!("rule {about:?} {when:?} {treatment:?} {because:?}"));
        }
        line(format!("faces {:?}", self.faces));
        line(format!("burned in {:?}", self.burned_in));
        for device in &self.devices {
            line(format!("device {:?}", DeviceRegions { line: 0, ..device.clone() }));
        }
        plan.finalize().into()
    }
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

#[cfg(test)]
mod tests {
    use super::language::tests::profile;
    use super::*;

    const CT: ObjectKind<'_> =
        ObjectKind { sop_class: dicom_dictionary_std::uids::CT_IMAGE_STORAGE, modality: "CT" };
    fn basic() -> Profile {
        language::parse("basic.yaml", include_str!("../../profiles/basic.yaml")).unwrap()
    }

    fn decide(profile: &Profile, tag: Tag, vr: VR) -> (Action, Ground) {
        let subject = Subject { tag, vr, top_level: true, creator: None };
        let decision = profile.decide(&CT, &subject);
        (decision.treatment.action(), decision.ground)
    }

    #[test]
    fn the_world_is_closed() {
        let profile = basic();
        let decide = |tag, vr| decide(&profile, tag, vr);
        assert_eq!(decide(Tag(0x0009, 0x1001), VR::LO), (Action::X, Ground::Group));
        assert_eq!(decide(Tag(0x6002, 0x0022), VR::LO), (Action::X, Ground::Group));
        assert_eq!(decide(Tag(0x5000, 0x0005), VR::US), (Action::X, Ground::Group));
        assert_eq!(decide(Tag(0x0010, 0x9999), VR::LO), (Action::X, Ground::Unknown));
        assert_eq!(decide(tags::PATIENT_BIRTH_DATE, VR::DA), (Action::Z, Ground::Table));
        assert_eq!(decide(tags::EVALUATOR_NAME, VR::PN), (Action::Z, Ground::Representation));
        assert_eq!(decide(tags::ROWS, VR::US), (Action::K, Ground::Known));
        let dummy = (Action::D, Ground::Representation);
        assert_eq!(decide(tags::METABOLITE_MAP_DESCRIPTION, VR::ST), dummy);
        assert_eq!(decide(tags::CONTENT_LABEL, VR::CS), dummy);
    }

    #[test]
    fn the_shipped_profiles_are_right_and_bear_their_names() {
        for (name, text) in SHIPPED {
            let profile = language::parse(name, text).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(profile.name(), name);
            let bones_stay =
                matches!(profile.faces(), Faces::Remove(FaceLevel::KeepFacialBones { .. }));
            match name {
                "device-facial-bones" => assert!(bones_stay),
                _ => assert_eq!(*profile.faces(), Faces::Remove(FaceLevel::Strict), "{name}"),
            }
            assert_eq!(*profile.burned_in(), BurnedIn::Withhold, "{name}");
            for (tag, vr) in [
                (tags::PATIENT_BIRTH_DATE, VR::DA),
                (tags::INSTITUTION_NAME, VR::LO),
                (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
                (tags::PATIENT_ADDRESS, VR::LO),
            ] {
                let action = decide(&profile, tag, vr).0;
                assert!(matches!(action, Action::X | Action::Z | Action::D), "{name} {tag}");
            }
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let profile = profile(
            "rules:\n  - { keyword: Modality, action: Z, when: { modality: [MR] } }\n  - { tag: \"(0008,006x)\", action: X }\n",
        );
        assert_eq!(decide(&profile, tags::MODALITY, VR::CS), (Action::X, Ground::Rule(1)));
        let mr = ObjectKind { modality: "MR", ..CT };
        let subject = Subject { tag: tags::MODALITY, vr: VR::CS, top_level: true, creator: None };
        assert_eq!(profile.decide(&mr, &subject).ground, Ground::Rule(0));
    }

    #[test]
    fn what_is_not_written_as_what_it_is_goes() {
        let profile = basic();
        let decide = |tag, vr| decide(&profile, tag, vr);
        let goes = (Action::X, Ground::Representation);
        assert_eq!(decide(tags::CONVOLUTION_KERNEL, VR::LO), (Action::K, Ground::Known));
        assert_eq!(decide(tags::CONVOLUTION_KERNEL, VR::OB), goes);
        assert_eq!(decide(tags::ROWS, VR::LO), goes);
        assert_eq!(decide(tags::SOP_INSTANCE_UID, VR::LO), goes);
        assert_eq!(decide(tags::SCHEDULED_HUMAN_PERFORMERS_SEQUENCE, VR::OB).0, Action::X);
        // Unlisted: UT by the dictionary, LO in the file.
        assert_eq!(decide(Tag(0x0008, 0x0408), VR::LO), goes);
        assert_eq!(decide(Tag(0x0400, 0x0500), VR::SQ), (Action::X, Ground::Group));
    }

    #[test]
    fn options_decide_before_the_table() {
        let profile = profile(
            "options: [Clean Descriptors, Retain Longitudinal Temporal Information Modified Dates, Retain Safe Private]\n",
        );
        let by = |option| (Action::C, Ground::Option(option));
        let decided = decide(&profile, tags::STUDY_DESCRIPTION, VR::LO);
        assert_eq!(decided, by(Annex::CleanDescriptors));
        let decided = decide(&profile, tags::STUDY_DATE, VR::DA);
        assert_eq!(decided, by(Annex::RetainModifiedDates));
        assert_eq!(
            decide(&profile, tags::CONTENT_DESCRIPTION, VR::LO),
            by(Annex::CleanDescriptors)
        );
        assert_eq!(decide(&profile, tags::PATIENT_BIRTH_DATE, VR::DA).0, Action::Z);
        let private = |creator, low: u16| {
            let tag = Tag(0x0019, 0x1000 | low);
            let subject = Subject { tag, vr: VR::IS, top_level: true, creator };
            profile.decide(&CT, &subject).treatment.action()
        };
        assert_eq!(private(Some("SIEMENS MR HEADER"), 0x0C), Action::K);
        assert_eq!(private(Some("SIEMENS MR HEADER"), 0xFE), Action::X);
        assert_eq!(private(None, 0x0C), Action::X);
    }

    #[test]
    fn the_digest_follows_what_the_profile_says() {
        let text = include_str!("../../profiles/basic.yaml");
        let stricter = text.replace("rules: []", "rules:\n  - { keyword: Modality, action: X }");
        assert_ne!(text, stricter);
        let stricter = language::parse("s.yaml", &stricter).unwrap();
        assert_ne!(basic().digest(), stricter.digest());
        assert_eq!(basic().digest(), basic().digest());
    }
}
