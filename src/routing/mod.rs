//! Where an instance goes, and how urgently: rules in order, the first that fits decides.
//!
//! ```yaml
//! routes:
//!   - { name: night, when: { called: [EFFACE_URGENT], modality: [CT, MR] }, to: [reader], priority: urgent }
//!   - { name: plans, when: { calling: [PACS], description: [planning] }, to: [lab, archive], priority: bulk, hours: ["20:00-06:00"] }
//!   - { name: doses, when: { sop_class: [XRayRadiationDoseSRStorage] }, to: [] }
//! ```
//! Without `routes:` everything goes to every destination. With it, what no rule fits stays inside: a kind of study that
//! nobody thought of must not leave. A destination stands for recipient, project and profile, so a rule needs only its name.
//!
//! Rules look at each instance by itself. A study of CT and dose reports may go to two places; who gets the CT gets no more.

mod hours;

pub use hours::{Hours, Window};

use crate::dicom::dataset::Dataset;
use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The rules, in order. None at all: everything goes to every destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// The first that fits decides.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name in the configuration and in the log.
    pub name: String,
    /// What it fits.
    pub when: When,
    /// Destinations by their names; none: what it fits stays inside.
    pub to: Vec<String>,
    /// What overtakes what.
    pub priority: Priority,
    /// When it is sent; none: at once.
    pub hours: Hours,
}

/// What overtakes what on the way out.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Whatever else there is goes first.
    Bulk,
    /// In between.
    #[default]
    Routine,
    /// Somebody waits for it.
    Urgent,
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Priority::Bulk => "bulk",
            Priority::Routine => "routine",
            Priority::Urgent => "urgent",
        })
    }
}

/// What a rule fits: all that is named, one of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// Calling AE titles.
    pub calling: Vec<String>,
    /// Called AE titles: `ae_title:` or one of `also_called:`.
    pub called: Vec<String>,
    /// Modality (0008,0060).
    pub modality: Vec<String>,
    /// SOP Class UIDs, or their keywords.
    pub sop_class: Vec<String>,
    /// Body Part Examined (0018,0015).
    pub body_part: Vec<String>,
    /// Words in Study Description (0008,1030) or Series Description (0008,103E), however they are written.
    pub description: Vec<String>,
}

/// What rules look at in an instance. It holds values of a data set: it cannot be shown.
#[derive(Clone, Default)]
pub struct Traits {
    calling: Option<String>,
    called: Option<String>,
    sop_class: String,
    modality: Option<String>,
    body_part: Option<String>,
    descriptions: Vec<String>,
}

impl Traits {
    /// Those of a data set.
    pub fn of(source: &Dataset, sop_class: &str) -> Self {
        let descriptions = [tags::STUDY_DESCRIPTION, tags::SERIES_DESCRIPTION];
        let descriptions = descriptions.into_iter().filter_map(|tag| source.text(tag));
        Traits {
            calling: None,
            called: None,
            sop_class: sop_class.to_owned(),
            modality: source.text(tags::MODALITY),
            body_part: source.text(tags::BODY_PART_EXAMINED),
            descriptions: descriptions.map(|text| text.to_lowercase()).collect(),
        }
    }

    /// The same, and between which AE titles it came; `None` where nobody knows.
    #[must_use]
    pub fn sent(self, calling: Option<String>, called: Option<String>) -> Self {
        Traits { calling, called, ..self }
    }
}

/// What a rule may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The calling AE title.
    Calling,
    /// The called AE title.
    Called,
    /// Modality (0008,0060).
    Modality,
    /// SOP Class UID (0008,0016).
    SopClass,
    /// Body Part Examined (0018,0015).
    BodyPart,
    /// Study or Series Description.
    Description,
}

impl Condition {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Condition::Calling => "calling",
            Condition::Called => "called",
            Condition::Modality => "modality",
            Condition::SopClass => "sop_class",
            Condition::BodyPart => "body_part",
            Condition::Description => "description",
        }
    }
}

impl When {
    /// Every condition, and what it allows.
    pub fn conditions(&self) -> [(Condition, &[String]); 6] {
        [
            (Condition::Calling, &self.calling),
            (Condition::Called, &self.called),
            (Condition::Modality, &self.modality),
            (Condition::SopClass, &self.sop_class),
            (Condition::BodyPart, &self.body_part),
            (Condition::Description, &self.description),
        ]
    }

    /// The first condition that an instance does not meet; `None`: it meets all.
    pub fn unmet(&self, traits: &Traits) -> Option<Condition> {
        let is_unmet = |(condition, allowed): &(Condition, &[String])| {
            !allowed.is_empty() && !traits.meet(*condition, allowed)
        };
        self.conditions().into_iter().find(is_unmet).map(|(condition, _)| condition)
    }

    /// Whether whatever fits the other fits this.
    fn covers(&self, other: &When) -> bool {
        let pairs = self.conditions().into_iter().zip(other.conditions());
        pairs.into_iter().all(|((condition, mine), (_, theirs))| {
            let is_one_of_mine = |theirs: &String| {
                mine.iter().any(|mine| match condition {
                    Condition::Description => theirs.to_lowercase().contains(&mine.to_lowercase()),
                    _ => mine.eq_ignore_ascii_case(theirs),
                })
            };
            mine.is_empty() || !theirs.is_empty() && theirs.iter().all(is_one_of_mine)
        })
    }
}

impl Traits {
    fn meet(&self, condition: Condition, allowed: &[String]) -> bool {
        let among = |value: Option<&String>| {
            value.is_some_and(|value| allowed.iter().any(|one| one.eq_ignore_ascii_case(value)))
        };
        match condition {
            Condition::Calling => among(self.calling.as_ref()),
            Condition::Called => among(self.called.as_ref()),
            Condition::Modality => among(self.modality.as_ref()),
            Condition::SopClass => allowed.contains(&self.sop_class),
            Condition::BodyPart => among(self.body_part.as_ref()),
            Condition::Description => allowed.iter().any(|word| {
                let word = word.to_lowercase();
                self.descriptions.iter().any(|description| description.contains(&word))
            }),
        }
    }
}

impl Rule {
    /// In words, for those who must agree to it.
    pub fn to_text(&self) -> String {
        let conditions = self.when.conditions().into_iter().filter(|(_, any)| !any.is_empty());
        let conditions = conditions.map(|(what, any)| format!("{} {}", what.name(), any.join("/")));
        let conditions: Vec<String> = conditions.collect();
        let when =
            if conditions.is_empty() { "anything".to_owned() } else { conditions.join(", ") };
        let to = if self.to.is_empty() { "nowhere".to_owned() } else { self.to.join(", ") };
        format!("{}: {when} to {to}, {}, {}", self.name, self.priority, self.hours)
    }
}

impl Routing {
    /// The rule that decides about an instance.
    pub fn rule(&self, traits: &Traits) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.when.unmet(traits).is_none())
    }

    /// Whether an instance goes to a destination.
    pub fn sends(&self, traits: &Traits, destination: &str) -> bool {
        let named = |rule: &Rule| rule.to.iter().any(|to| to == destination);
        self.rules.is_empty() || self.rule(traits).is_some_and(named)
    }

    /// Why an instance goes nowhere; `None`: it goes somewhere.
    pub fn stays(&self, traits: &Traits) -> Option<Stays<'_>> {
        match self.rule(traits) {
            None if self.rules.is_empty() => None,
            None => Some(Stays::NoRule),
            Some(rule) if rule.to.is_empty() => Some(Stays::Said(&rule.name)),
            Some(_) => None,
        }
    }

    /// How instances that go together go: as the most urgent of them, and when any of them may.
    pub fn pace<'t>(&self, instances: impl Iterator<Item = &'t Traits>) -> Pace {
        let mut rules: Vec<&Rule> = Vec::new();
        for rule in instances.filter_map(|traits| self.rule(traits)) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        let at_once = rules.iter().any(|rule| rule.hours.0.is_empty());
        let windows = rules.iter().flat_map(|rule| &rule.hours.0).filter(|_| !at_once);
        Pace {
            priority: rules.iter().map(|rule| rule.priority).max().unwrap_or_default(),
            hours: Hours(windows.cloned().collect()),
            rules: rules.iter().map(|rule| rule.name.clone()).collect(),
        }
    }

    /// The priority of what nothing is known of yet but who sent it to whom: rules that ask for more are passed over.
    pub fn priority_of_titles(&self, calling: &str, called: Option<&str>) -> Priority {
        let traits = Traits::default().sent(Some(calling.to_owned()), called.map(str::to_owned));
        self.rule(&traits).map(|rule| rule.priority).unwrap_or_default()
    }

    /// The first rule that can never decide, because an earlier one fits whatever it fits; and that one.
    pub fn unreachable(&self) -> Option<(&Rule, &Rule)> {
        self.rules.iter().enumerate().find_map(|(n, rule)| {
            let earlier = self.rules[..n].iter().find(|other| other.when.covers(&rule.when));
            earlier.map(|earlier| (rule, earlier))
        })
    }
}

/// Why an instance goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays<'a> {
    /// No rule fits.
    NoRule,
    /// This rule says so.
    Said(&'a str),
}

impl fmt::Display for Stays<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stays::NoRule => f.write_str("no rule under routes: fits"),
            Stays::Said(rule) => write!(f, "rule {rule} under routes: names no destination"),
        }
    }
}

/// How instances go that go together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// What they overtake.
    pub priority: Priority,
    /// When they are sent; none: at once.
    pub hours: Hours,
    /// The rules that say so.
    pub rules: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::VR;

    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

    fn rule(name: &str, when: &str, to: &[&str]) -> Rule {
        Rule {
            name: name.to_owned(),
            when: serde_yaml::from_str(when).unwrap(),
            to: to.iter().map(|to| (*to).to_owned()).collect(),
            priority: Priority::Routine,
            hours: Hours::default(),
        }
    }

    fn head_ct(calling: &str, called: &str) -> Traits {
        let mut source = Dataset::new();
        source.put_text(tags::MODALITY, VR::CS, "CT");
        source.put_text(tags::STUDY_DESCRIPTION, VR::LO, "CT Kopf, Planung Orbita");
        source.put_text(tags::BODY_PART_EXAMINED, VR::CS, "HEAD");
        Traits::of(&source, CT).sent(Some(calling.to_owned()), Some(called.to_owned()))
    }

    #[test]
    fn without_rules_everything_goes_everywhere() {
        let routing = Routing::default();
        let traits = head_ct("PACS", "EFFACE");
        assert!(routing.sends(&traits, "lab") && routing.stays(&traits).is_none());
        assert_eq!(routing.pace([&traits].into_iter()), Pace::default());
    }

    /// Each condition alone decides, and a value that is missing meets none.
    #[test]
    fn every_condition_counts() {
        let traits = head_ct("PACS", "EFFACE");
        for (fits, unmet) in [
            ("calling: [pacs]", "calling: [CT1]"),
            ("called: [EFFACE, X]", "called: [X]"),
            ("modality: [MR, CT]", "modality: [MR]"),
            (
                "sop_class: [\"1.2.840.10008.5.1.4.1.1.2\"]",
                "sop_class: [\"1.2.840.10008.5.1.4.1.1.4\"]",
            ),
            ("body_part: [HEAD]", "body_part: [HE]"),
            ("description: [knie, PLANUNG]", "description: [knie]"),
        ] {
            let when: When = serde_yaml::from_str(fits).unwrap();
            assert_eq!(when.unmet(&traits), None, "{fits}");
            assert!(when.unmet(&Traits::default()).is_some(), "{fits}");
            let when: When = serde_yaml::from_str(unmet).unwrap();
            assert_eq!(when.unmet(&traits).map(Condition::name), unmet.split(':').next());
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_what_none_fits_stays() {
        let rules = vec![
            rule("knee", "{ modality: [CT], description: [knie] }", &["lab"]),
            rule("ct", "modality: [CT]", &["archive", "reader"]),
            rule("mr", "modality: [MR]", &[]),
        ];
        let routing = Routing { rules };
        let ct = head_ct("PACS", "EFFACE");
        assert!(routing.sends(&ct, "archive") && routing.sends(&ct, "reader"));
        assert!(!routing.sends(&ct, "lab"));
        let mr = Traits { modality: Some("MR".to_owned()), ..ct.clone() };
        assert_eq!(routing.stays(&mr), Some(Stays::Said("mr")));
        let nothing = Traits::default();
        assert_eq!(routing.stays(&nothing), Some(Stays::NoRule));
        assert!(!routing.sends(&nothing, "lab") && !routing.sends(&mr, "lab"));
    }

    #[test]
    fn what_goes_together_goes_as_the_most_urgent_and_when_any_may() {
        let night: Hours = "20:00-06:00".parse::<Window>().map(|w| Hours(vec![w])).unwrap();
        let mut rules =
            vec![rule("ct", "modality: [CT]", &["lab"]), rule("mr", "modality: [MR]", &["lab"])];
        rules[0].priority = Priority::Urgent;
        rules[1].hours = night.clone();
        let mut routing = Routing { rules };
        let ct = head_ct("PACS", "EFFACE");
        let mr = Traits { modality: Some("MR".to_owned()), ..ct.clone() };
        let pace = routing.pace([&mr].into_iter());
        assert_eq!((pace.priority, pace.hours), (Priority::Routine, night.clone()));
        let pace = routing.pace([&mr, &ct, &mr].into_iter());
        assert_eq!((pace.priority, pace.hours), (Priority::Urgent, Hours::default()));
        assert_eq!(pace.rules, ["mr", "ct"]);
        routing.rules[0].hours = "12:00-13:00".parse().map(|w| Hours(vec![w])).unwrap();
        assert_eq!(routing.pace([&mr, &ct].into_iter()).hours.0.len(), 2);
    }

    #[test]
    fn before_a_study_is_read_titles_alone_decide() {
        let mut rules = vec![
            rule("stroke", "{ called: [EFFACE], description: [stroke] }", &["reader"]),
            rule("night", "called: [URGENT]", &["reader"]),
        ];
        rules.iter_mut().for_each(|rule| rule.priority = Priority::Urgent);
        let routing = Routing { rules };
        assert_eq!(routing.priority_of_titles("PACS", Some("URGENT")), Priority::Urgent);
        assert_eq!(routing.priority_of_titles("PACS", Some("EFFACE")), Priority::Routine);
        assert_eq!(routing.priority_of_titles("PACS", None), Priority::Routine);
    }

    #[test]
    fn a_rule_that_can_never_decide_is_found() {
        let unreachable = |first: &str, second: &str| {
            let rules = vec![rule("a", first, &["lab"]), rule("b", second, &["lab"])];
            Routing { rules }.unreachable().is_some()
        };
        assert!(unreachable("{}", "modality: [CT]"));
        assert!(unreachable("modality: [CT, MR]", "{ modality: [ct], called: [X] }"));
        assert!(unreachable("description: [head]", "description: [Overhead]"));
        assert!(!unreachable("modality: [CT]", "{}"));
        assert!(!unreachable("modality: [CT]", "modality: [CT, MR]"));
        assert!(!unreachable("{ modality: [CT], called: [X] }", "modality: [CT]"));
    }
}
