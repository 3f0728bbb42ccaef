//! A month in figures.

use super::super::page::{Page, minute};
use super::{Basis, Month};
use crate::audit::Row;
use indicatif::DecimalBytes;
use std::collections::{BTreeMap, BTreeSet};

/// What was counted.
#[derive(Default)]
pub struct Figures {
    month: Month,
    received: u64,
    studies: u64,
    repeated: u64,
    erased: u64,
    returned: u64,
    rejected: u64,
    shown: u64,
    withdrawn: u64,
    reidentified: u64,
    brought_home: u64,
    refused: u64,
    /// By destination.
    destinations: BTreeMap<String, Destination>,
    /// Instances by code.
    inside: BTreeMap<String, u64>,
    /// Starts: when, version, key, profiles.
    starts: Vec<[String; 4]>,
}

#[derive(Default)]
struct Destination {
    releases: u64,
    instances: u64,
    arrived: u64,
    bytes: u64,
    patients: BTreeSet<String>,
    profiles: BTreeSet<String>,
}

impl Figures {
    /// Nothing yet.
    pub fn of(month: Month) -> Self {
        Figures { month, ..Figures::default() }
    }

    /// Counts a record, if it is of this month.
    pub fn take(&mut self, row: &Row) {
        if row.time < self.month.since || row.time >= self.month.until {
            return;
        }
        let instances = row.instances.unwrap_or(0);
        match row.event.as_str() {
            "taken" => {
                self.received += instances;
                self.studies += 1;
            }
            "released" => {
                let to = self.destination(row);
                to.releases += 1;
                to.instances += instances;
                to.bytes += row.bytes.unwrap_or(0);
                to.patients.extend(row.patient.clone());
                to.profiles.extend(row.profile.clone());
            }
            "delivered" => self.destination(row).arrived += instances,
            "quarantined" => {
                *self.inside.entry(row.code.clone().unwrap_or_default()).or_default() += instances;
            }
            "returned" => self.returned += instances,
            "rejected" => self.rejected += instances,
            "shown" => self.shown += 1,
            "withdrawn" => self.withdrawn += instances,
            "result" => match row.change.as_deref() {
                Some("reidentified") => self.reidentified += instances,
                Some("delivered") => self.brought_home += instances,
                _ => self.refused += instances,
            },
            "repeated" => self.repeated += instances,
            "erased" => self.erased += instances,
            "started" => {
                let of = |field: &Option<String>| field.clone().unwrap_or_default();
                let profiles = row.profiles.join(", ");
                self.starts.push([minute(&row.time), of(&row.version), of(&row.key), profiles]);
            }
            _ => {}
        }
    }

    fn destination(&mut self, row: &Row) -> &mut Destination {
        self.destinations.entry(row.destination.clone().unwrap_or_default()).or_default()
    }

    /// The same in a line.
    pub fn in_words(&self) -> String {
        let left: u64 = self.destinations.values().map(|to| to.instances).sum();
        let inside: u64 = self.inside.values().sum();
        format!("instances taken: {}, released: {left}, put aside: {inside}", self.received)
    }

    /// The page.
    pub fn page(&self, basis: &Basis) -> String {
        let mut page = Page::new(&format!("De-identified images that left in {}", self.month.name));
        page.paragraph(
            "This gateway takes studies from the hospital's archive, removes what identifies a patient, faces included, \
             has the result checked by a second program part that knows nothing of the first, and only then sends it. \
             What is in doubt stays inside.",
        );
        let inside: u64 = self.inside.values().sum();
        let left: u64 = self.destinations.values().map(|to| to.instances).sum();
        let arrived: u64 = self.destinations.values().map(|to| to.arrived).sum();
        let figures = [
            ("studies, or parts of them, that were worked on", self.studies),
            ("images and other objects in them", self.received),
            ("of these: had come before, and were not sent again", self.repeated),
            ("released", left),
            ("confirmed by the destination", arrived),
            ("withdrawn before they left, because their patients object", self.withdrawn),
            ("kept inside for a person to look at", inside),
            ("put back from there to be tried again", self.returned),
            ("of which a person decided that they never leave", self.rejected),
            ("pictures of patients that were shown to somebody", self.shown),
            ("results that came back and were re-identified for the archive", self.reidentified),
            ("results that the archive took", self.brought_home),
            ("results that were refused", self.refused),
            ("originals erased after their time", self.erased),
        ];
        page.heading("In figures");
        let rows = figures.map(|(what, n)| [what.to_owned(), n.to_string()]);
        page.table(["", "Number"], rows);
        page.heading("To whom");
        if self.destinations.is_empty() {
            page.paragraph("Nothing was released.");
        } else {
            let rows = self.destinations.iter().map(|(name, to)| {
                let profiles: Vec<&str> = to.profiles.iter().map(String::as_str).collect();
                let numbers = [to.releases, to.patients.len() as u64, to.instances, to.arrived];
                let [releases, patients, instances, arrived] = numbers.map(|n| n.to_string());
                let volume = DecimalBytes(to.bytes).to_string();
                [name.clone(), releases, patients, instances, arrived, volume, profiles.join(", ")]
            });
            let head = [
                "Destination",
                "Releases",
                "Pseudonymous patients",
                "Instances",
                "Confirmed",
                "Volume",
                "Profiles",
            ];
            page.table(head, rows);
        }
        page.heading("What stayed inside");
        if self.inside.is_empty() {
            page.paragraph("Nothing was put aside.");
        } else {
            let rows = self.inside.iter().map(|(code, n)| [code.clone(), n.to_string()]);
            page.table(["Why (code)", "Instances"], rows);
        }
        page.heading("Starts of the gateway");
        page.paragraph(
            "With the version, the key and the profiles that were in force from then on.",
        );
        let head = ["When", "Version", "Key and generation", "Profiles and their plans"];
        page.table(head, self.starts.iter().cloned());
        page.end(basis.in_words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_month_counts() {
        let mut figures = Figures::of(super::super::month("2026-11").unwrap());
        for (time, event, more) in [
            ("2026-10-31T23:59:59.999Z", "taken", r#""instances":100"#),
            ("2026-11-01T00:00:00.000Z", "taken", r#""instances":5"#),
            (
                "2026-11-09T00:00:00.000Z",
                "released",
                r#""instances":3,"destination":"lab","patient":"A1X""#,
            ),
            ("2026-11-09T00:00:01.000Z", "quarantined", r#""instances":2,"code":"malformed""#),
            ("2026-11-10T00:00:00.000Z", "result", r#""instances":4,"change":"reidentified""#),
            ("2026-11-10T00:00:01.000Z", "result", r#""instances":3,"change":"delivered""#),
            ("2026-11-10T00:00:02.000Z", "result", r#""instances":1,"change":"refused""#),
            ("2026-12-01T00:00:00.000Z", "delivered", r#""instances":3,"destination":"lab""#),
        ] {
            let json = format!(r#"{{"time":"{time}","event":"{event}",{more}}}"#);
            figures.take(&serde_json::from_str(&json).unwrap());
        }
        assert_eq!(figures.in_words(), "instances taken: 5, released: 3, put aside: 2");
        assert_eq!(figures.destinations["lab"].arrived, 0);
        assert_eq!((figures.reidentified, figures.brought_home, figures.refused), (4, 3, 1));
    }
}
