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

mod choices;
pub mod compare;
pub mod conformance;
mod decide;
mod device;
pub mod language;
mod rule;
#[cfg(test)]
mod tests;
mod vocabulary;
pub mod words;
pub use choices::{BurnedIn, DateWay, Dates, FaceLevel, Faces, Pseudonymity};
pub use decide::{ALWAYS_PSEUDONYMIZED, Decision, Ground, INDISPENSABLE, is_always_removed};
pub use device::{Device, DeviceRegions};
pub use rule::{About, ObjectKind, Rule, Subject, Treatment, When};

use crate::standard::{self, Options};
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

/// The profiles that efface brings along, by name: the text of each file in `profiles/`.
pub const SHIPPED: [(&str, &str); 6] = [
    ("basic", include_str!("../../profiles/basic.yaml")),
    ("device-manufacturing", include_str!("../../profiles/device-manufacturing.yaml")),
    ("device-facial-bones", include_str!("../../profiles/device-facial-bones.yaml")),
    ("teleradiology", include_str!("../../profiles/teleradiology.yaml")),
    ("research-longitudinal", include_str!("../../profiles/research-longitudinal.yaml")),
    ("hipaa-safe-harbor", include_str!("../../profiles/hipaa-safe-harbor.yaml")),
];

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
