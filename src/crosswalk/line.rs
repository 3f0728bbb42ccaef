//! Rows as a line of JSON: what is encrypted in the state directory, and what an export holds in the clear.
//!
//! ```json
//! {"study":"2.25.1","patient":"A1...","generation":"A1","recorded":"2026-11-28","destinations":["lab"],
//!  "callers":["PACS"],"days_back":null,
//!  "original":{"PatientName":"...","PatientID":"...","StudyInstanceUID":"1.2.3"},
//!  "accessions":{"PSEUDONYM":"NUMBER"},
//!  "uids":{"2.25.1":"1.2.3","2.25.2":"1.2.3.1","2.25.3":"1.2.3.1.1"},
//!  "instances":{"2.25.3":{"class":"1.2.840.10008.5.1.4.1.1.2","series":"2.25.2"}}}
//! ```
//! Keys of `original` are keywords of PS3.6. What maps, maps what left to what it stands for.
#![allow(clippy::disallowed_methods)] // here identifying values become a line that is encrypted, or exported on purpose

use super::rows::{Instance, ORIGINALS, Original, Rows};
use crate::clock::Day;
use crate::deid::Uids;
use crate::id::Uid;
use crate::phi::Phi;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// An identifying value on its way.
type Value = Zeroizing<String>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub study: String,
    patient: String,
    generation: String,
    /// The day on which it was released last; not part of what is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Day>,
    destinations: BTreeSet<String>,
    callers: BTreeSet<String>,
    days_back: Option<u32>,
    original: BTreeMap<String, Value>,
    accessions: BTreeMap<String, Value>,
    uids: BTreeMap<String, Value>,
    instances: BTreeMap<String, OfInstance>,
    /// Keyed hashes of the patient's numbers; not part of an export.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    names: BTreeSet<String>,
    /// The secret of random pseudonyms, in hex; part of an export alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfInstance {
    class: String,
    series: String,
}

impl Line {
    pub(super) fn of(rows: &Rows) -> Self {
        let keyword =
            |(name, tag): (&str, _)| Some((name.to_owned(), value(rows.original.get(tag)?)));
        let instance = |(uid, of): (&String, &Instance)| {
            let of = OfInstance { class: of.sop_class.clone(), series: of.series.clone() };
            (uid.clone(), of)
        };
        Line {
            study: rows.study.clone(),
            patient: rows.patient.clone(),
            generation: rows.generation.clone(),
            recorded: None,
            destinations: rows.destinations.clone(),
            callers: rows.callers.clone(),
            days_back: rows.days_back,
            original: ORIGINALS.into_iter().filter_map(keyword).collect(),
            accessions: rows.accessions.iter().map(|(k, v)| (k.clone(), value(v))).collect(),
            uids: rows.uids.iter().map(|(k, v)| (k.to_owned(), value(v))).collect(),
            instances: rows.instances.iter().map(instance).collect(),
            names: rows.names.clone(),
            secret: None,
        }
    }

    /// For others: without what only this installation can use.
    pub(super) fn for_export(rows: &Rows, recorded: Day, secret: Option<Value>) -> Self {
        let names = BTreeSet::new();
        Line { recorded: Some(recorded), secret, names, ..Line::of(rows) }
    }

    /// The rows; `None` if it says something that no rows say.
    pub(super) fn into_rows(self) -> Option<Rows> {
        let is_uid = |uid: &str| uid.parse::<Uid>().is_ok();
        let mut original = Original::default();
        for (keyword, text) in &self.original {
            let (_, tag) = ORIGINALS.into_iter().find(|(name, _)| name == keyword)?;
            original.put(tag, Phi::new(text.to_string()));
        }
        let mut uids = Uids::default();
        for (as_it_left, uid) in &self.uids {
            if !is_uid(as_it_left) || !is_uid(uid) {
                return None;
            }
            uids.note(as_it_left, uid);
        }
        let known = |uid: &String| uids.original(uid).is_some();
        let all_known = |of: (&String, &OfInstance)| known(of.0) && known(&of.1.series);
        if !known(&self.study) || !self.instances.iter().all(all_known) {
            return None;
        }
        let instance = |(uid, of): (String, OfInstance)| {
            (uid, Instance { sop_class: of.class, series: of.series })
        };
        let number = |(k, v): (&String, &Value)| (k.clone(), Phi::new(v.to_string()));
        let rows = Rows {
            study: self.study,
            patient: self.patient,
            generation: self.generation,
            destinations: self.destinations,
            callers: self.callers,
            days_back: self.days_back,
            original,
            accessions: self.accessions.iter().map(number).collect(),
            uids,
            instances: self.instances.into_iter().map(instance).collect(),
            names: self.names,
        };
        let stands_for = |rows: &Rows| {
            let study = rows.uids.original(&rows.study).map(|uid| uid.expose().clone());
            rows.with_study(|uid| study.as_deref() == Some(uid))
        };
        (rows.is_whole() && stands_for(&rows)).then_some(rows)
    }
}

fn value(value: &Phi<String>) -> Value {
    Zeroizing::new(value.expose().clone())
}
