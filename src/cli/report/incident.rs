//! What left that should perhaps not have left as it did: to whom, and under which pseudonyms.

use super::super::page::{Page, minute};
use super::Basis;
use crate::audit::{Filter, Row};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Releases that are asked for, and what became of them.
pub struct Incident {
    filter: Filter,
    engine: Option<String>,
    releases: Vec<Row>,
    /// Instances that arrived, and that were withdrawn before they left, by batch and destination.
    fates: HashMap<(String, String), [u64; 2]>,
}

impl Incident {
    /// Nothing yet.
    pub fn new(filter: Filter, engine: Option<String>) -> Self {
        Incident { filter, engine, releases: Vec::new(), fates: HashMap::new() }
    }

    /// Takes a record; they must come in their order.
    pub fn take(&mut self, row: Row) {
        match row.event.as_str() {
            // What was released in the time that is asked for may have arrived later.
            "delivered" | "withdrawn" => {
                if let Some(place) = place(&row) {
                    let which = usize::from(row.event == "withdrawn");
                    self.fates.entry(place).or_default()[which] += row.instances.unwrap_or(0);
                }
            }
            "released" if self.filter.wants(&row) => {
                let is_by = |engine: &String| row.engine.as_ref() == Some(engine);
                if self.engine.as_ref().is_none_or(is_by) {
                    self.releases.push(row);
                }
            }
            _ => {}
        }
    }

    /// The same in a line.
    pub fn in_words(&self) -> String {
        let patients: BTreeSet<_> = self.releases.iter().map(|row| &row.patient).collect();
        let instances: u64 = self.releases.iter().filter_map(|row| row.instances).sum();
        format!(
            "releases: {}, instances: {instances}, pseudonymous patients: {}",
            self.releases.len(),
            patients.len()
        )
    }

    /// The page.
    pub fn page(&self, basis: &Basis) -> String {
        let mut page = Page::new("What left: list for an incident");
        page.paragraph(&format!("Asked for: {}.", self.question()));
        if self.releases.is_empty() {
            page.strong("Nothing was released that fits this.");
            return page.end(basis.in_words());
        }
        page.strong(&self.in_words());
        page.heading("Whom to call");
        page.paragraph(
            "A release stands in the log before its first byte leaves. What is released and not confirmed may have left \
             in part; it counts as left.",
        );
        let mut recipients: BTreeMap<(String, String), [BTreeSet<&str>; 2]> = BTreeMap::new();
        let mut sums: BTreeMap<(String, String), [u64; 3]> = BTreeMap::new();
        for row in &self.releases {
            let of = |field: &Option<String>| field.clone().unwrap_or_default();
            let key = (of(&row.destination), of(&row.project));
            let [patients, studies] = recipients.entry(key.clone()).or_default();
            patients.extend(row.patient.as_deref());
            studies.extend(row.study.as_deref());
            let [arrived, withdrawn] = self.fate(row);
            let of_row = [row.instances.unwrap_or(0), arrived, withdrawn];
            sums.entry(key).or_default().iter_mut().zip(of_row).for_each(|(sum, n)| *sum += n);
        }
        let rows = recipients.iter().map(|(key, [patients, studies])| {
            let [released, arrived, withdrawn] = sums[key];
            let people = [patients.len() as u64, studies.len() as u64].map(|n| n.to_string());
            let numbers = [released, arrived, withdrawn].map(|n| n.to_string());
            let ([patients, studies], [released, arrived, withdrawn]) = (people, numbers);
            [key.0.clone(), key.1.clone(), patients, studies, released, arrived, withdrawn]
        });
        let head = [
            "Destination",
            "Project",
            "Patients",
            "Studies",
            "Instances",
            "Confirmed arrived",
            "Withdrawn in time",
        ];
        page.table(head, rows);
        page.heading("Every release");
        let rows = self.releases.iter().map(|row| {
            let of = |field: &Option<String>| field.clone().unwrap_or_default();
            let plan: String = of(&row.plan).chars().take(16).collect();
            [
                minute(&row.time),
                of(&row.destination),
                of(&row.patient),
                of(&row.study),
                row.instances.unwrap_or(0).to_string(),
                self.fate(row)[0].to_string(),
                format!("{} {plan}, efface {}", of(&row.profile), of(&row.engine)),
            ]
        });
        let head = [
            "Released",
            "Destination",
            "Pseudonym",
            "Study Instance UID as it left",
            "Instances",
            "Arrived",
            "Profile and plan, version",
        ];
        page.table(head, rows);
        page.end(basis.in_words())
    }

    fn question(&self) -> String {
        let Filter { since, until, destination, profile, patient, .. } = &self.filter;
        let asked = [
            ("since", since.as_deref().map(minute)),
            ("before", until.as_deref().map(minute)),
            ("destination", destination.clone()),
            ("profile", profile.clone()),
            ("pseudonym", patient.clone()),
            ("version of efface", self.engine.clone()),
        ];
        let asked = asked.into_iter().filter_map(|(what, is)| Some(format!("{what} {}", is?)));
        let asked: Vec<String> = asked.collect();
        if asked.is_empty() { "everything".to_owned() } else { asked.join(", ") }
    }

    /// How many instances of a release are known to have arrived, and to have been withdrawn before they left.
    fn fate(&self, row: &Row) -> [u64; 2] {
        let known = place(row).and_then(|place| self.fates.get(&place).copied());
        known.unwrap_or_default().map(|n| n.min(row.instances.unwrap_or(0)))
    }
}

fn place(row: &Row) -> Option<(String, String)> {
    Some((row.batch.clone()?, row.destination.clone()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &str) -> Row {
        serde_json::from_str(json).unwrap()
    }

    fn taken(engine: Option<&str>) -> Incident {
        let filter = Filter { since: Some("2026-11-01T00:00:00.000Z".into()), ..Filter::default() };
        let mut incident = Incident::new(filter, engine.map(str::to_owned));
        for (batch, time, engine, patient) in [
            ("a", "2026-10-31T23:59:59.999Z", "0.1.0", "A1OLD"),
            ("b", "2026-11-02T08:00:00.000Z", "0.1.0", "A1NEW"),
            ("c", "2026-11-03T08:00:00.000Z", "0.2.0", "A1NEW"),
        ] {
            incident.take(row(&format!(
                r#"{{"event":"released","time":"{time}","batch":"{batch}","destination":"lab","project":"p","engine":"{engine}","patient":"{patient}","study":"2.25.{batch}","instances":3,"profile":"basic","plan":"00"}}"#
            )));
        }
        incident.take(row(r#"{"event":"delivered","time":"2026-11-02T08:01:00.000Z","batch":"b","destination":"lab","instances":2}"#));
        incident.take(row(r#"{"event":"withdrawn","time":"2026-11-03T08:01:00.000Z","batch":"c","destination":"lab","instances":3}"#));
        incident
    }

    #[test]
    fn what_was_released_in_time_counts_whether_it_arrived_or_not() {
        let incident = taken(None);
        assert_eq!(incident.in_words(), "releases: 2, instances: 6, pseudonymous patients: 1");
        let fates: Vec<[u64; 2]> = incident.releases.iter().map(|row| incident.fate(row)).collect();
        assert_eq!(fates, [[2, 0], [0, 3]]);
    }

    #[test]
    fn one_version_can_be_asked_for() {
        assert_eq!(
            taken(Some("0.2.0")).in_words(),
            "releases: 1, instances: 3, pseudonymous patients: 1"
        );
        assert_eq!(taken(Some("9")).releases.len(), 0);
    }
}
