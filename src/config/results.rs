//! Results: who returns them, and which PACS gets them.
//!
//! ```yaml
//! allow:
//!   - { ae_title: PACS, from: [10.20.0.0/16], results: PACS@10.20.0.5:11113 }    # results of what it sent go there
//! destinations:
//!   - name: lab
//!     results:
//!       from: [{ ae_title: LAB, from: [192.0.2.7] }]    # as in allow:; who is here sends no studies
//!       called: EFFACE_BACK       # how it calls us then; by default ae_title:. Needed where it also sends studies
//!       to: PACS@10.20.0.5:11113  # instead of the callers' results:
//!       classes: [1.2.840.10008.5.1.4.1.1.66.4]    # by default all of src/reid/classes.rs
//!       days: 30                  # after the last release of a study
//!       instance_bytes_max: 2147483648
//! ```

use super::values::{is_at, target, value};
use super::{DestinationSettings, RawCaller, RawDestination, Settling};
use crate::custody::homebox;
use crate::custody::result::RESULT_BYTES_MAX;
use crate::id::AeTitle;
use crate::net::access::{Caller, Returns};
use crate::reid::{default_classes, may_come_back};
use crate::returns::Terms;
use serde::Deserialize;
use serde_yaml::Spanned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

/// Days after the last release of a study in which results of it are taken, by default: as long as dates can be told apart
/// (`reid/dates.rs`), within the hospital's patience.
const DAYS: u64 = 30;

/// A PACS that gets results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its AE title.
    pub ae_title: AeTitle,
    /// `host:port`.
    pub address: String,
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.ae_title, self.address)
    }
}

/// Where results of what a caller sent go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The AE title by which it sent.
    pub calling: AeTitle,
    /// Where they go.
    pub pacs: Entity,
}

/// Results of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultSettings {
    /// Who returns them.
    pub callers: Vec<Caller>,
    /// The one PACS for all of them; `None`: that of whoever sent the study.
    pub to: Option<Entity>,
    /// SOP Class UIDs.
    pub sop_classes: BTreeSet<String>,
    /// Days after the last release of a study.
    pub days: u64,
    /// Bytes of the largest.
    pub instance_bytes_max: u64,
}

impl ResultSettings {
    /// The PACSs that may get them.
    pub fn pacs<'a>(&'a self, homes: &'a [Home]) -> Vec<&'a Entity> {
        match &self.to {
            Some(pacs) => vec![pacs],
            None => homes.iter().map(|home| &home.pacs).collect(),
        }
    }

    /// Who returns what to whom, for a person.
    pub fn to_text(&self, homes: &[Home]) -> String {
        let from = |caller: &Caller| {
            let called = caller.returns.as_ref().map_or("", |returns| returns.called.as_str());
            let known = caller.certificate.as_ref();
            let known = known.map_or_else(String::new, |known| format!(" with {known}"));
            format!("{}{known}, which calls {called}", caller.ae_title)
        };
        let from: Vec<String> = self.callers.iter().map(from).collect();
        let to: Vec<String> = self.pacs(homes).iter().map(|pacs| pacs.to_string()).collect();
        format!("from {} to {}, within {} days", from.join(", "), to.join(", "), self.days)
    }

    /// What whoever judges them is told.
    pub fn terms(&self, destination: &str, project: &str, homes: &[Home]) -> Terms {
        let name = |pacs: &Entity| homebox::name_of(&pacs.to_string());
        let of_callers =
            homes.iter().map(|home| (home.calling.as_str().to_owned(), name(&home.pacs)));
        Terms {
            destination: destination.to_owned(),
            project: project.to_owned(),
            sop_classes: self.sop_classes.clone(),
            instance_bytes_max: self.instance_bytes_max,
            days: self.days,
            homes: if self.to.is_some() { BTreeMap::new() } else { of_callers.collect() },
            home: self.to.as_ref().map(name),
        }
    }
}

/// Who sends studies, and by which AE titles of ours, of which the first is our own.
pub(super) struct Doors<'a> {
    pub allow: &'a [Caller],
    pub called: &'a [AeTitle],
    /// Whether the listener hears TLS.
    pub is_tls: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawResults {
    from: Spanned<Vec<RawCaller>>,
    called: Option<Spanned<String>>,
    to: Option<Spanned<String>>,
    classes: Option<Vec<Spanned<String>>>,
    days: Option<Spanned<u64>>,
    instance_bytes_max: Option<Spanned<u64>>,
}

impl Settling<'_> {
    /// Where results of what callers sent go: they name patients, and stay inside.
    pub(super) fn homes(
        &mut self,
        raw: &Spanned<Vec<RawCaller>>,
        destinations: &[DestinationSettings],
    ) -> Vec<Home> {
        let mut homes: Vec<Home> = Vec::new();
        for caller in &raw.value {
            let Some(text) = &caller.results else { continue };
            let pacs = self.entity(text, destinations);
            let calling = caller.ae_title.value.parse::<AeTitle>().ok();
            let Some((pacs, calling)) = pacs.zip(calling) else { continue };
            if homes.iter().any(|other| other.calling == calling) {
                self.notes.at(text, "a second results: of this calling AE title");
            }
            homes.push(Home { calling, pacs });
        }
        homes
    }

    fn entity(
        &mut self,
        text: &Spanned<String>,
        outside: &[DestinationSettings],
    ) -> Option<Entity> {
        let Some((ae_title, address)) = target(&text.value) else {
            self.notes.at(text, "AE_TITLE@HOST:PORT, for example PACS@10.20.0.5:11113");
            return None;
        };
        if let Some(outside) = outside.iter().find(|other| is_at(&other.address, &address)) {
            let what = format!(
                "this is where destination {} is: results that name patients stay inside. Give the address of the PACS",
                outside.name
            );
            self.notes.at(text, what);
        }
        Some(Entity { ae_title, address })
    }

    fn results(
        &mut self,
        raw: &RawResults,
        destination: &str,
        own: &AeTitle,
        is_tls: bool,
    ) -> ResultSettings {
        let called = raw.called.as_ref().and_then(|text| self.parsed::<AeTitle>(text));
        let called = called.unwrap_or_else(|| own.clone());
        let sop_classes = self.result_classes(raw.classes.as_deref());
        let instance_bytes_max = value(&raw.instance_bytes_max, RESULT_BYTES_MAX);
        if let Some(given) = &raw.instance_bytes_max
            && !(1..=RESULT_BYTES_MAX).contains(&given.value)
        {
            self.notes.at(given, format!("bytes, from 1 to {RESULT_BYTES_MAX}"));
        }
        let days = value(&raw.days, DAYS);
        let mut callers = self.callers(&raw.from, is_tls);
        for caller in &mut callers {
            caller.returns = Some(Returns {
                destination: destination.to_owned(),
                called: called.clone(),
                sop_classes: sop_classes.clone(),
                instance_bytes_max,
            });
        }
        for caller in &raw.from.value {
            for of_studies in caller.results.iter().chain(&caller.commitment) {
                let what = "belongs to allow:, to those who send studies";
                self.notes.at(of_studies, what);
            }
        }
        ResultSettings { callers, to: None, sop_classes, days, instance_bytes_max }
    }

    /// Whose results they are a certificate says, or nobody could.
    pub(super) fn results_web(
        &mut self,
        text: &Spanned<String>,
        is_tls: bool,
        destinations: &[DestinationSettings],
    ) -> Option<SocketAddr> {
        if !is_tls {
            let what = "needs tls: with a listener under TLS: by STOW-RS only a certificate says whose results come";
            self.notes.at(text, what);
        }
        if destinations.iter().all(|to| to.results.is_none()) {
            self.notes.at(text, "no destination has results:, so there is nothing to take");
        }
        self.address(text)
    }

    fn result_classes(&mut self, raw: Option<&[Spanned<String>]>) -> BTreeSet<String> {
        let Some(raw) = raw else { return default_classes().map(str::to_owned).collect() };
        for unknown in raw.iter().filter(|uid| !may_come_back(&uid.value)) {
            let what = "no SOP Class UID of results that come back (src/reid/classes.rs)";
            self.notes.at(unknown, what);
        }
        raw.iter().map(|uid| uid.value.clone()).collect()
    }

    /// Results of all destinations: each returned by a door of its own, to a PACS that there is, in a time in which the
    /// crosswalk knows the study.
    pub(super) fn all_results(
        &mut self,
        raw: &Spanned<Vec<RawDestination>>,
        studies: &Doors<'_>,
        homes: &[Home],
        destinations: &mut [DestinationSettings],
    ) {
        let Some(own) = studies.called.first() else { return };
        let mut doors: BTreeSet<(AeTitle, AeTitle)> = BTreeSet::new();
        for caller in studies.allow {
            doors.extend(
                studies.called.iter().map(|called| (caller.ae_title.clone(), called.clone())),
            );
        }
        for raw in &raw.value {
            let Some(written) = &raw.results else { continue };
            let pacs = written.to.as_ref().and_then(|text| self.entity(text, destinations));
            let is_it = |known: &&mut DestinationSettings| known.name == raw.name.value;
            let Some(destination) = destinations.iter_mut().find(is_it) else { continue };
            let results = self.results(written, &destination.name, own, studies.is_tls);
            let results = ResultSettings { to: pacs, ..results };
            let kept = destination.crosswalk.days;
            let Some(first) = written.from.value.first() else { continue };
            for caller in &results.callers {
                let called = caller.returns.as_ref().map(|returns| returns.called.clone());
                let door = (caller.ae_title.clone(), called.unwrap_or_else(|| own.clone()));
                if !doors.insert(door) {
                    let what = "whoever calls by this AE title sends studies, or results of another destination: give called: another AE title of ours, by which results come";
                    self.notes.at(&first.ae_title, what);
                }
            }
            if results.to.is_none() && homes.is_empty() {
                let what = "no PACS is named for these results: give results: AE_TITLE@HOST:PORT to a caller in allow:, or to: here";
                self.notes.at(&first.ae_title, what);
            }
            if let Some(days) =
                written.days.as_ref().filter(|days| !(1..=kept).contains(&days.value))
            {
                let what = format!(
                    "days, from 1 to {kept}: so long it is known what pseudonyms stand for (crosswalk_days:)"
                );
                self.notes.at(days, what);
            }
            destination.results = Some(results);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{GOOD, mistakes};
    use super::super::{Settings, parse};
    use std::path::Path;

    fn with(caller: &str, results: &str) -> String {
        GOOD.replace("[10.20.0.0/16]", &format!("[10.20.0.0/16]{caller}"))
            .replace("profile: basic", &format!("profile: basic, results: {{ {results} }}"))
    }

    fn settled(text: &str) -> Settings {
        parse(Path::new("efface.yaml"), text).unwrap()
    }

    const HOME: &str = ", results: PACS@10.20.0.5:11113";
    const FROM: &str = "from: [{ ae_title: LAB, from: [192.0.2.7] }]";

    #[test]
    fn results_come_from_their_destination_and_go_to_the_pacs_of_origin() {
        let settings = settled(&with(HOME, FROM));
        let results = settings.destinations[0].results.as_ref().unwrap();
        let returns = results.callers[0].returns.as_ref().unwrap();
        assert_eq!((returns.destination.as_str(), returns.called.as_str()), ("lab", "EFFACE"));
        assert!(results.sop_classes.contains("1.2.840.10008.5.1.4.1.1.66.4"));
        assert_eq!((results.days, results.instance_bytes_max), (30, 2 << 30));
        let text = results.to_text(&settings.homes);
        assert!(text.contains("from LAB") && text.contains("to PACS@10.20.0.5:11113"), "{text}");
        let terms = results.terms("lab", "lab", &settings.homes);
        assert!(terms.homes.contains_key("PACS") && terms.home.is_none());
        let one = settled(&with("", &format!("{FROM}, to: \"PACS@10.20.0.9:104\", days: 7")));
        let results = one.destinations[0].results.as_ref().unwrap();
        assert_eq!(results.to.as_ref().unwrap().address, "10.20.0.9:104");
        assert!(settled(GOOD).destinations[0].results.is_none());
    }

    #[test]
    fn a_title_that_sends_studies_returns_results_by_another_door() {
        let both = FROM.replace("LAB", "PACS");
        assert!(mistakes(&with(HOME, &both)).contains("give called: another AE title"));
        settled(&with(HOME, &format!("{both}, called: EFFACE_BACK")));
    }

    #[test]
    fn a_door_for_http_needs_certificates_and_somebody_who_returns() {
        let said = mistakes(&format!("{}results_web: 0.0.0.0:8443\n", with(HOME, FROM)));
        assert!(said.contains("needs tls:") && !said.contains("no destination"), "{said}");
        let said = mistakes(&format!("{GOOD}results_web: 0.0.0.0:8443\n"));
        assert!(said.contains("no destination has results:"), "{said}");
        let said = mistakes(&format!("{GOOD}results_web: here\n"));
        assert!(said.contains("an address and a port"), "{said}");
    }

    #[test]
    fn what_would_lead_outside_or_nowhere_is_refused_at_its_line() {
        for (caller, results, words, line) in [
            ("", FROM, "no PACS is named", 9),
            (", results: LAB@192.0.2.7:104", FROM, "stay inside", 7),
            (", results: PACS", FROM, "AE_TITLE@HOST:PORT", 7),
            (HOME, "from: []", "nobody may send", 9),
            (HOME, "from: [{ ae_title: LAB, results: PACS@10.20.0.5:104 }]", "belongs to allow", 9),
            (HOME, &format!("{FROM}, classes: [1.2.3]"), "src/reid/classes.rs", 9),
            (HOME, &format!("{FROM}, days: 366"), "from 1 to 365", 9),
            (HOME, &format!("{FROM}, instance_bytes_max: 0"), "from 1 to", 9),
            (HOME, &format!("{FROM}, to: \"LAB@192.0.2.7:11112\""), "stay inside", 9),
            (HOME, "from: [{ ae_title: LAB }], certificate: no", "certificate", 9),
        ] {
            let said = mistakes(&with(caller, results));
            assert!(said.contains(words) && said.contains(&format!(":{line}:")), "{words}: {said}");
        }
    }
}
