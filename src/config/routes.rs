//! `routes:` and `also_called:`, what goes where.

use super::{DestinationSettings, Settling};
use crate::id::AeTitle;
use crate::net::access::Caller;
use crate::routing::{Hours, Priority, Routing, Rule, When, Window};
use crate::standard::sop_classes;
use crate::yaml::suggestion;
use serde::Deserialize;
use serde_yaml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    name: Spanned<String>,
    #[serde(default)]
    when: When,
    to: Vec<Spanned<String>>,
    #[serde(default)]
    priority: Priority,
    #[serde(default)]
    hours: Vec<Spanned<String>>,
}

/// Who may call us by what, and where things can go: what rules can name.
pub(super) struct Named<'a> {
    pub(super) allow: &'a [Caller],
    pub(super) called: &'a [AeTitle],
    pub(super) destinations: &'a [DestinationSettings],
}

impl Settling<'_> {
    pub(super) fn also_called(
        &mut self,
        raw: &Option<Vec<Spanned<String>>>,
        ae_title: Option<&AeTitle>,
    ) -> Vec<AeTitle> {
        let mut titles = Vec::new();
        for text in raw.iter().flatten() {
            let Some(title) = self.parsed::<AeTitle>(text) else { continue };
            if Some(&title) == ae_title || titles.contains(&title) {
                self.notes.at(text, "an AE title that is named already");
            }
            titles.push(title);
        }
        titles
    }

    pub(super) fn routes(&mut self, raw: &Spanned<Vec<RawRule>>, named: &Named<'_>) -> Routing {
        if raw.value.is_empty() {
            let what = "without a rule nothing would leave. Leave routes: out, and everything goes to every destination";
            self.notes.at(raw, what);
        }
        let mut routing = Routing::default();
        for rule in &raw.value {
            if routing.rules.iter().any(|known| known.name == rule.name.value) {
                self.notes.at(&rule.name, "a second rule of this name");
            }
            let rule = self.rule(rule, named);
            routing.rules.push(rule);
        }
        if let Some((rule, earlier)) = routing.unreachable()
            && let Some(place) = raw.value.iter().find(|raw| raw.name.value == rule.name)
        {
            let what = format!(
                "this rule can never decide: rule {} before it fits whatever this one fits",
                earlier.name
            );
            self.notes.at(&place.name, what);
        }
        let leads_to = |name: &String| routing.rules.iter().any(|rule| rule.to.contains(name));
        for lonely in named.destinations.iter().filter(|to| !leads_to(&to.name)) {
            self.notes.at(raw, format!("no rule leads to destination {}", lonely.name));
        }
        routing
    }

    fn rule(&mut self, raw: &RawRule, named: &Named<'_>) -> Rule {
        let to = raw.to.iter().map(|to| {
            if named.destinations.iter().all(|known| known.name != to.value) {
                let known = named.destinations.iter().map(|known| known.name.as_str());
                let hint = suggestion(&to.value, known);
                self.notes.at(to, format!("no destination of this name{hint}"));
            }
            to.value.clone()
        });
        let to = to.collect();
        let hours = raw.hours.iter().filter_map(|text| match text.value.parse::<Window>() {
            Ok(window) => Some(window),
            Err(must) => {
                self.notes.at(text, must);
                None
            }
        });
        let hours = Hours(hours.collect());
        let name = self.name(&raw.name).unwrap_or_default();
        let when = self.when(raw, named);
        Rule { name, when, to, priority: raw.priority, hours }
    }

    /// A value that nothing can have would make a rule that never fits.
    fn when(&mut self, raw: &RawRule, named: &Named<'_>) -> When {
        let allow = named.allow.iter().map(|caller| caller.ae_title.as_str());
        let called = named.called.iter().map(AeTitle::as_str);
        self.among(raw, "calling", "under allow:", &raw.when.calling, allow);
        let ours = "ae_title: or among also_called:";
        self.among(raw, "called", ours, &raw.when.called, called);
        if raw
            .when
            .conditions()
            .iter()
            .any(|(_, values)| values.iter().any(|v| v.trim().is_empty()))
        {
            self.notes.at(&raw.name, "an empty value under when:");
        }
        let sop_class = raw.when.sop_class.iter().map(|class| {
            let classes = sop_classes();
            let by_keyword = classes.iter().find(|(_, known)| known.keyword == class.as_str());
            match by_keyword {
                Some((uid, _)) => (*uid).to_owned(),
                None => {
                    if !classes.contains_key(class.as_str()) {
                        let keywords = classes.values().map(|known| known.keyword);
                        let hint = suggestion(class, keywords);
                        let what = format!(
                            "sop_class: {class} is no Storage SOP Class of PS3.4 B.5{hint}"
                        );
                        self.notes.at(&raw.name, what);
                    }
                    class.clone()
                }
            }
        });
        let sop_class = sop_class.collect();
        When { sop_class, ..raw.when.clone() }
    }

    fn among<'n>(
        &mut self,
        raw: &RawRule,
        what: &str,
        place: &str,
        values: &[String],
        known: impl Iterator<Item = &'n str> + Clone,
    ) {
        for value in
            values.iter().filter(|value| known.clone().all(|known| known != value.as_str()))
        {
            let hint = suggestion(value, known.clone());
            self.notes.at(&raw.name, format!("{what}: {value} is not {place}{hint}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{GOOD, mistakes};
    use super::super::{Settings, parse};
    use crate::routing::Priority;
    use std::path::Path;

    fn with(rules: &str) -> String {
        format!("{GOOD}also_called: [EFFACE_URGENT]\nroutes:\n{rules}")
    }

    fn settings(text: &str) -> Settings {
        parse(Path::new("efface.yaml"), text).unwrap()
    }

    #[test]
    fn rules_are_read_in_order() {
        let rules = "  - { name: night, when: { called: [EFFACE_URGENT], sop_class: [CTImageStorage] }, to: [lab], priority: urgent }\n  - { name: rest, to: [lab], priority: bulk, hours: [\"20:00-06:00\", \"sat,sun 00:00-24:00\"] }\n";
        let settings = settings(&with(rules));
        let [night, rest] = &settings.routing.rules[..] else { panic!("two rules") };
        assert_eq!(night.when.sop_class, ["1.2.840.10008.5.1.4.1.1.2"]);
        assert_eq!((night.priority, rest.priority), (Priority::Urgent, Priority::Bulk));
        assert_eq!(rest.hours.0.len(), 2);
        assert_eq!(settings.also_called[0].as_str(), "EFFACE_URGENT");
        assert!(super::super::parse(Path::new("x"), GOOD).unwrap().routing.rules.is_empty());
    }

    #[test]
    fn what_could_never_fit_is_said() {
        for (rules, words) in [
            ("  []\n", "without a rule"),
            ("  - { name: a, to: [labb] }\n", "no destination of this name; did you mean"),
            ("  - { name: a, to: [] }\n", "no rule leads to destination lab"),
            ("  - { name: a, to: [lab] }\n  - { name: b, to: [lab] }\n", "never decide: rule a"),
            (
                "  - { name: a, when: { modality: [CT] }, to: [lab] }\n  - { name: a, to: [lab] }\n",
                "a second rule",
            ),
            ("  - { name: a, when: { calling: [PAX] }, to: [lab] }\n", "is not under allow:"),
            ("  - { name: a, when: { called: [LAB] }, to: [lab] }\n", "among also_called:"),
            (
                "  - { name: a, when: { sop_class: [CTImage] }, to: [lab] }\n",
                "no Storage SOP Class",
            ),
            ("  - { name: a, when: { modality: [\"\"] }, to: [lab] }\n", "an empty value"),
            ("  - { name: a, when: { modalities: [CT] }, to: [lab] }\n", "modalities"),
            ("  - { name: a, to: [lab], hours: [\"8-9\"] }\n", "HH:MM"),
            ("  - { name: a, to: [lab], priority: high }\n", "high"),
        ] {
            let said = mistakes(&with(rules));
            assert!(said.contains(words), "{rules}: {said}");
        }
        let said = mistakes(&format!("{GOOD}also_called: [EFFACE]\n"));
        assert!(said.contains("named already"), "{said}");
    }
}
