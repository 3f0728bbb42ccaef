//! The profile language: YAML that IT staff edit, refused with line, column and a suggestion.
//!
//! ```yaml
//! efface_profile: 1
//! name: basic
//! based_on: PS3.15 2026d Basic Application Level Confidentiality Profile
//! options: [Clean Recognizable Visual Features]
//! rules:
//!   - { keyword: BodyPartExamined, action: X }
//! ```
//!
//! A rule that keeps (K) what Table E.1-1 removes needs `because:`. The verifier has no exceptions
//! for such rules yet: it withholds an object whose kept element is unchanged.

use super::{ALWAYS_PSEUDONYMIZED, BurnedIn, Faces, Profile, Rule};
use crate::standard::{self, Action};
use crate::yaml::{Mistakes, Notes, suggestion};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;
use serde::Deserialize;
use serde_yaml::Spanned;
use std::collections::BTreeMap;

/// What `based_on` must say.
fn base() -> String {
    format!("PS3.15 {} Basic Application Level Confidentiality Profile", standard::EDITION)
}

/// The options of CID 7050 that this version carries out.
const OPTIONS: [&str; 1] = [CLEAN_FACES];
const CLEAN_FACES: &str = "Clean Recognizable Visual Features";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    efface_profile: Spanned<u32>,
    name: Spanned<String>,
    based_on: Spanned<String>,
    #[serde(default)]
    options: Vec<Spanned<String>>,
    #[serde(default)]
    leave: RawLeave,
    #[serde(default)]
    rules: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawLeave {
    faces: Option<RawReason>,
    burned_in_text: Option<RawReason>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReason {
    because: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    keyword: Option<Spanned<String>>,
    tag: Option<Spanned<String>>,
    action: Spanned<String>,
    because: Option<String>,
}

/// Compiles a profile. `file` is only used in messages.
///
/// # Errors
/// [`Mistakes`]: all of them, with line and column.
pub fn parse(file: &str, text: &str) -> Result<Profile, Mistakes> {
    let mut reader = Reader::default();
    let profile = reader.profile(text);
    reader.notes.settle(file, profile)
}

/// Collects mistakes on the way.
#[derive(Default)]
struct Reader {
    notes: Notes,
}

impl Reader {
    fn profile(&mut self, text: &str) -> Option<Profile> {
        let raw: RawProfile = self.notes.parse(text)?;
        if raw.efface_profile.value != 1 {
            self.notes.at(&raw.efface_profile, "this version reads efface_profile: 1");
        }
        let name = self.name(&raw.name);
        if raw.based_on.value != base() {
            self.notes.at(&raw.based_on, format!("write based_on: {}", base()));
        }
        let faces = self.faces(&raw);
        let burned_in = match &raw.leave.burned_in_text {
            Some(reason) => BurnedIn::Leave { because: self.because(&reason.because) },
            None => BurnedIn::Withhold,
        };
        let rules = self.rules(&raw.rules);
        Some(Profile::new(name, rules, faces, burned_in))
    }

    fn name(&mut self, name: &Spanned<String>) -> String {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let text = &name.value;
        if text.is_empty() || text.len() > 32 || !text.bytes().all(legal) {
            self.notes
                .at(name, "a name has 1 to 32 lower-case letters, digits and hyphens".to_owned());
        }
        text.clone()
    }

    fn faces(&mut self, raw: &RawProfile) -> Faces {
        let mut clean = None;
        for option in &raw.options {
            if option.value == CLEAN_FACES {
                clean = Some(option);
            } else {
                let hint = suggestion(&option.value, OPTIONS.into_iter());
                self.notes
                    .at(option, format!("this version has no option {:?}{hint}", option.value));
            }
        }
        match (clean, &raw.leave.faces) {
            (Some(option), Some(_)) => {
                self.notes.at(option, "faces cannot be both cleaned and left".to_owned());
                Faces::Withhold
            }
            (Some(_), None) => Faces::Remove,
            (None, Some(reason)) => Faces::Leave { because: self.because(&reason.because) },
            (None, None) => Faces::Withhold,
        }
    }

    fn because(&mut self, reason: &Spanned<String>) -> String {
        if reason.value.trim().len() < 8 {
            self.notes.at(reason, "say why, in words that an auditor understands".to_owned());
        }
        reason.value.trim().to_owned()
    }

    fn rules(&mut self, raw: &[Spanned<RawRule>]) -> BTreeMap<Tag, Rule> {
        let mut rules = BTreeMap::new();
        for rule in raw {
            let Some((tag, vr)) = self.subject(rule) else { continue };
            let Some(action) = self.action(&rule.value.action, vr) else { continue };
            let weaker = standard::basic_action("", true, tag)
                .is_some_and(|base| retains(action) && !retains(base));
            let because = rule.value.because.as_deref().map(str::trim).filter(|b| b.len() >= 8);
            if weaker && because.is_none() {
                let what = "this keeps what the standard's table removes: say because: \"...\"";
                self.notes.at(rule, what.to_owned());
            }
            let compiled = Rule { action, because: because.map(str::to_owned) };
            if rules.insert(tag, compiled).is_some() {
                self.notes.at(rule, "a second rule for the same element".to_owned());
            }
        }
        rules
    }

    /// The element that a rule is about, and its VR.
    fn subject(&mut self, rule: &Spanned<RawRule>) -> Option<(Tag, VR)> {
        let (named, entry) = match (&rule.value.keyword, &rule.value.tag) {
            (Some(keyword), None) => {
                (keyword, StandardDataDictionary.by_name(keyword.value.as_str()))
            }
            (None, Some(tag)) => {
                let parsed = tag.value.parse::<Tag>().ok();
                (tag, parsed.and_then(|tag| StandardDataDictionary.by_tag(tag)))
            }
            _ => {
                self.notes.at(rule, "a rule has either keyword: or tag:".to_owned());
                return None;
            }
        };
        let Some(entry) = entry else {
            let hint = suggestion(&named.value, standard::listed_keywords());
            self.notes.at(named, format!("the standard has no element {:?}{hint}", named.value));
            return None;
        };
        let tag = entry.tag();
        if tag.group() % 2 == 1 || standard::is_repeating_group(tag) || tag.group() < 8 {
            self.notes.at(
                named,
                "private, curve, overlay and file meta groups are never kept".to_owned(),
            );
            return None;
        }
        if ALWAYS_PSEUDONYMIZED.contains(&tag) {
            self.notes
                .at(named, "this element is always pseudonymized; no rule is needed".to_owned());
            return None;
        }
        Some((tag, entry.vr().relaxed()))
    }

    fn action(&mut self, letter: &Spanned<String>, vr: VR) -> Option<Action> {
        let action = match letter.value.as_str() {
            "X" => Action::X,
            "Z" => Action::Z,
            "D" => Action::D,
            "U" => Action::U,
            "K" => Action::K,
            _ => {
                self.notes
                    .at(letter, "an action is one of X, Z, D, U, K (PS3.15 E.1-1a)".to_owned());
                return None;
            }
        };
        if action == Action::U && !matches!(vr, VR::UI | VR::SQ) {
            self.notes.at(letter, format!("U maps UIDs; this element is {vr}"));
            return None;
        }
        if retains(action) && matches!(vr, VR::PN | VR::DA | VR::DT | VR::TM) {
            let what = format!("{vr} cannot be kept: names and times of the source never leave");
            self.notes.at(letter, what);
            return None;
        }
        Some(action)
    }
}

/// Whether something of the source is still there after this action.
fn retains(action: Action) -> bool {
    matches!(action, Action::K | Action::U)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "efface_profile: 1\nname: test\nbased_on: PS3.15 2026d Basic Application Level Confidentiality Profile\n";

    fn mistakes(rest: &str) -> String {
        match parse("p.yaml", &format!("{HEAD}{rest}")) {
            Ok(_) => String::new(),
            Err(mistakes) => mistakes.to_string(),
        }
    }

    #[test]
    fn all_mistakes_at_once_with_their_places() {
        let said = mistakes(
            "options: [Clean Recognisable Visual Features]\nrules:\n  - { keyword: PatientBirthdate, action: X }\n  - { keyword: SeriesDescription, action: Q }\n  - { keyword: StudyDescription, action: K }\n",
        );
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 4, "{said}");
        assert!(
            lines[0].starts_with("p.yaml:4:11:")
                && lines[0].contains("did you mean Clean Recognizable")
        );
        assert!(
            lines[1].starts_with("p.yaml:6:16:")
                && lines[1].contains("did you mean PatientBirthDate?")
        );
        assert!(lines[2].contains("one of X, Z, D, U, K"));
        assert!(lines[3].contains("because"));
    }

    #[test]
    fn nothing_unknown_passes() {
        assert!(mistakes("rulez: []\n").contains("rulez"));
        assert!(
            mistakes("rules:\n  - { keyword: Modality, action: X, colour: red }\n")
                .contains("colour")
        );
        assert!(
            mistakes(
                "rules:\n  - { tag: \"(0009,1001)\", action: K, because: \"vendor said so\" }\n"
            )
            .contains("no element")
        );
        assert!(
            mistakes("rules:\n  - { keyword: PatientName, action: K, because: \"wanted it\" }\n")
                .contains("always pseudonymized")
        );
        assert!(
            mistakes("rules:\n  - { keyword: StudyDate, action: K, because: \"wanted it\" }\n")
                .contains("cannot be kept")
        );
        assert!(mistakes("leave: { faces: { because: \"\" } }\n").contains("say why"));
        let bomb = format!("x: {}", "[".repeat(20_000));
        assert!(!mistakes(&bomb).is_empty());
    }

    #[test]
    fn faces_by_option_by_reason_or_not_at_all() {
        let faces =
            |rest: &str| parse("p", &format!("{HEAD}{rest}")).map(|p| p.faces().clone()).unwrap();
        assert_eq!(faces(""), Faces::Withhold);
        assert_eq!(faces("options: [Clean Recognizable Visual Features]\n"), Faces::Remove);
        let left = faces("leave: { faces: { because: \"public test heads\" } }\n");
        assert_eq!(left, Faces::Leave { because: "public test heads".to_owned() });
    }
}
