//! Profiles: what happens to each element, decided by tables and by the site's own rules.
//!
//! A [`Profile`] is compiled from YAML ([`language`]) once. It answers one question, [`Profile::decide`],
//! the same way for every element at every depth, and it is known by the digest of everything that
//! it could answer. The world is closed: what neither a rule, nor Table E.1-1, nor the standard's
//! dictionary knows is removed.

pub mod language;

use crate::standard::{self, Action};
use dicom_core::dictionary::DataDictionary;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A compiled profile.
pub struct Profile {
    name: String,
    rules: BTreeMap<Tag, Rule>,
    faces: Faces,
    burned_in: BurnedIn,
    digest: [u8; 32],
}

/// One rule of the site.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What to do.
    pub action: Action,
    /// Why it is weaker than the standard's table; goes into the audit log.
    pub because: Option<String>,
}

/// What the profile says about faces in CT, MR and PET volumes.
#[derive(Clone, Debug, PartialEq)]
pub enum Faces {
    /// The Clean Recognizable Visual Features option (113102): removed, or the series stays inside.
    Remove,
    /// They leave, for the reason given.
    Leave {
        /// The reason, as written in the profile.
        because: String,
    },
    /// The profile doesn't speak of faces: what may show one stays inside.
    Withhold,
}

/// What the profile says about images that may have identifying text burned in.
#[derive(Clone, Debug, PartialEq)]
pub enum BurnedIn {
    /// They stay inside unless the object says that there is none and its kind makes that credible.
    Withhold,
    /// They leave, for the reason given.
    Leave {
        /// The reason, as written in the profile.
        because: String,
    },
}

/// Who decided about an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ground {
    /// A rule of the site.
    Rule,
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

/// Elements that the engine writes itself: no rule may speak about them.
pub const ALWAYS_PSEUDONYMIZED: [Tag; 3] =
    [tags::PATIENT_NAME, tags::PATIENT_ID, tags::ACCESSION_NUMBER];

impl Profile {
    fn new(name: String, rules: BTreeMap<Tag, Rule>, faces: Faces, burned_in: BurnedIn) -> Self {
        let mut profile = Profile { name, rules, faces, burned_in, digest: [0; 32] };
        profile.digest = profile.plan_digest();
        profile
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Identifies everything that this profile could answer, and the edition that it rests on.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What the profile says about faces.
    pub fn faces(&self) -> &Faces {
        &self.faces
    }

    /// What the profile says about burned-in text.
    pub fn burned_in(&self) -> &BurnedIn {
        &self.burned_in
    }

    /// Every reason that the profile gives for being weaker than its base.
    pub fn reasons(&self) -> Vec<String> {
        let rules = self.rules.values().filter_map(|rule| rule.because.clone());
        let faces = match &self.faces {
            Faces::Leave { because } => Some(because.clone()),
            Faces::Remove | Faces::Withhold => None,
        };
        let burned_in = match &self.burned_in {
            BurnedIn::Leave { because } => Some(because.clone()),
            BurnedIn::Withhold => None,
        };
        rules.chain(faces).chain(burned_in).collect()
    }

    /// The fate of an element of an instance of `sop_class`.
    pub fn decide(&self, sop_class: &str, top_level: bool, tag: Tag, vr: VR) -> (Action, Ground) {
        if tag.group() % 2 == 1 || standard::is_repeating_group(tag) {
            return (Action::X, Ground::Group);
        }
        if let Some(rule) = self.rules.get(&tag) {
            return (rule.action, Ground::Rule);
        }
        if let Some(action) = standard::basic_action(sop_class, top_level, tag) {
            return (action, Ground::Table);
        }
        if StandardDataDictionary.by_tag(tag).is_none() {
            return (Action::X, Ground::Unknown);
        }
        match by_representation(tag, vr) {
            Some(action) => (action, Ground::Representation),
            None => (Action::K, Ground::Known),
        }
    }

    fn plan_digest(&self) -> [u8; 32] {
        let mut plan = Sha256::new();
        let mut line = |text: String| {
            plan.update(text.as_bytes());
            plan.update(b"\n");
        };
        line(format!("efface plan 1, PS3.15 {}", standard::EDITION));
        line(format!("name {}", self.name));
        for (tag, rule) in &self.rules {
            line(format!("rule {tag} {} {:?}", rule.action.letter(), rule.because));
        }
        line(format!("faces {:?}", self.faces));
        line(format!("burned in {:?}", self.burned_in));
        plan.finalize().into()
    }
}

/// Elements of the dictionary that Table E.1-1 does not list, but whose VR is made for what
/// identifies: names, dates and times, free text, addresses on the network.
///
/// Emptied rather than removed: an empty value is legal for Type 2 and 3.
fn by_representation(tag: Tag, vr: VR) -> Option<Action> {
    match vr {
        VR::PN | VR::DA | VR::DT | VR::TM | VR::AE => Some(Action::Z),
        VR::ST | VR::LT | VR::UT => Some(Action::Z),
        VR::UC if tag != tags::LONG_CODE_VALUE => Some(Action::Z),
        VR::UR if tag != tags::URN_CODE_VALUE => Some(Action::X),
        VR::UN => Some(Action::X),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CT: &str = dicom_dictionary_std::uids::CT_IMAGE_STORAGE;

    fn basic() -> Profile {
        language::parse("basic.yaml", include_str!("../../profiles/basic.yaml")).unwrap()
    }

    #[test]
    fn the_world_is_closed() {
        let profile = basic();
        let decide = |tag, vr| profile.decide(CT, true, tag, vr);
        assert_eq!(decide(Tag(0x0009, 0x1001), VR::LO), (Action::X, Ground::Group));
        assert_eq!(decide(Tag(0x6002, 0x0022), VR::LO), (Action::X, Ground::Group));
        assert_eq!(decide(Tag(0x5000, 0x0005), VR::US), (Action::X, Ground::Group));
        assert_eq!(decide(Tag(0x0010, 0x9999), VR::LO), (Action::X, Ground::Unknown));
        assert_eq!(decide(tags::PATIENT_BIRTH_DATE, VR::DA), (Action::Z, Ground::Table));
        assert_eq!(decide(tags::EVALUATOR_NAME, VR::PN), (Action::Z, Ground::Representation));
        assert_eq!(decide(tags::ROWS, VR::US), (Action::K, Ground::Known));
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
