//! Records as rows, for people and for other programs; and which of them are asked for.

use serde::Deserialize;
use std::collections::HashSet;

/// The first line of an export as CSV.
pub const CSV_HEAD: &str = "seq,time,event,batch,destination,project,profile,plan,patient,study,instances,bytes,input,digest,code,change,scope,command,by,operation,agreed\r\n";

/// What of a record fits into a row. Read much faster than all of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Row {
    /// Position, from 0.
    pub seq: u64,
    /// RFC 3339.
    pub time: String,
    /// Kind of the event.
    pub event: String,
    /// The batch.
    pub batch: Option<String>,
    /// Name of what was in quarantine: the batch, a dot, the code.
    pub name: Option<String>,
    /// Destination by its name in the configuration; empty when for all.
    pub destination: Option<String>,
    /// Project whose keys made the pseudonyms.
    pub project: Option<String>,
    /// Name of the profile.
    pub profile: Option<String>,
    /// Digest of its plan.
    pub plan: Option<String>,
    /// Pseudonym of the patient.
    pub patient: Option<String>,
    /// Study Instance UID as it left.
    pub study: Option<String>,
    /// How many instances.
    pub instances: Option<u64>,
    /// Originals that were dropped.
    pub dropped: Option<u64>,
    /// How many bytes.
    pub bytes: Option<u64>,
    /// Keyed digest of what came in.
    pub input: Option<String>,
    /// Digest of what leaves.
    pub digest: Option<String>,
    /// Why it stays inside.
    pub code: Option<String>,
    /// What became of objections.
    pub change: Option<String>,
    /// What they are about.
    pub scope: Option<String>,
    /// The command by which the log was read, or something done.
    pub command: Option<String>,
    /// Who called it.
    pub by: Option<String>,
    /// The PACS to which results were delivered.
    pub pacs: Option<String>,
    /// What two people agreed to.
    pub operation: Option<String>,
    /// Who they are.
    pub agreed: Vec<String>,
    /// What was changed in the configuration, in words.
    pub changes: Vec<String>,
    /// Version of efface that started.
    pub version: Option<String>,
    /// Version of efface that released.
    pub engine: Option<String>,
    /// Name of the root key, and its generation.
    pub key: Option<String>,
    /// Names and plan digests of the profiles in use.
    pub profiles: Vec<String>,
}

impl Row {
    /// The batch, also of what came back from quarantine.
    pub fn batch_of(&self) -> Option<&str> {
        let of_name = || self.name.as_deref().and_then(|name| name.split('.').next());
        self.batch.as_deref().or_else(of_name)
    }

    /// A line of CSV (RFC 4180).
    pub fn to_csv(&self) -> String {
        let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let text = |text: &Option<String>| quoted(text.as_deref().unwrap_or_default());
        let fields = [
            self.seq.to_string(),
            quoted(&self.time),
            quoted(&self.event),
            quoted(self.batch_of().unwrap_or_default()),
            text(&self.destination),
            text(&self.project),
            text(&self.profile),
            text(&self.plan),
            text(&self.patient),
            text(&self.study),
            number(self.instances),
            number(self.bytes),
            text(&self.input),
            text(&self.digest),
            text(&self.code),
            text(&self.change),
            text(&self.scope),
            text(&self.command),
            text(&self.by),
            text(&self.operation),
            quoted(&self.agreed.join(" ")),
        ];
        fields.join(",") + "\r\n"
    }

    /// A line for people.
    pub fn to_words(&self) -> String {
        let mut words = format!("{:6} {} {}", self.seq, self.time, self.event);
        let said = self.words();
        if !said.is_empty() {
            words += &format!("  {said}");
        }
        match self.batch_of() {
            Some(batch) => words + &format!("  batch {batch}"),
            None => words,
        }
    }

    /// What it says besides its number, time, kind and batch.
    pub fn words(&self) -> String {
        let number = |n: Option<u64>| n.map(|n| n.to_string());
        let said = [
            ("version", self.version.clone()),
            ("instances", number(self.instances)),
            ("patient", self.patient.clone()),
            ("to", self.destination.clone()),
            ("under", self.profile.clone()),
            ("because", self.code.clone()),
            ("were", self.change.clone()),
            ("at", self.pacs.clone()),
            ("against", self.scope.clone()),
            ("command", self.command.clone()),
            ("by", self.by.clone()),
            ("to what", self.operation.clone()),
            ("agreed", Some(self.agreed.join(" and "))),
            ("new", Some(self.changes.join("; "))),
            ("study", self.study.clone()),
        ];
        let said = said.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let said = said.filter(|(_, value)| !value.is_empty());
        said.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join("  ")
    }
}

/// A spreadsheet takes a field that begins like a formula for one: it gets an apostrophe.
fn quoted(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

/// Which records are asked for. What a release says of patient and profile counts for the rest of its batch at that
/// destination, too.
#[derive(Debug, Default)]
pub struct Filter {
    /// Not before; RFC 3339 in UTC with milliseconds, as in the records.
    pub since: Option<String>,
    /// Before.
    pub until: Option<String>,
    /// Destination by its name in the configuration.
    pub destination: Option<String>,
    /// Name of a profile, or its plan digest or the beginning of it.
    pub profile: Option<String>,
    /// Pseudonym of a patient.
    pub patient: Option<String>,
    /// Releases that were asked for, batch and destination: empty at the beginning.
    pub released: HashSet<(String, String)>,
}

impl Filter {
    /// Whether it is asked for. Records must come in their order.
    pub fn wants(&mut self, row: &Row) -> bool {
        let is_about = self.is_about(row);
        if is_about && row.event == "released" {
            self.released.extend(place(row));
        }
        let is_late = self.since.as_ref().is_none_or(|since| row.time >= *since);
        let is_early = self.until.as_ref().is_none_or(|until| row.time < *until);
        is_about && is_late && is_early
    }

    fn is_about(&self, row: &Row) -> bool {
        let is = |wanted: &Option<String>, said: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| said.as_ref() == Some(wanted))
        };
        if !is(&self.destination, &row.destination) {
            return false;
        }
        if self.profile.is_none() && self.patient.is_none() {
            return true;
        }
        if row.event != "released" {
            return place(row).is_some_and(|place| self.released.contains(&place));
        }
        let has_plan = |wanted: &String| {
            wanted.len() >= 8 && row.plan.as_ref().is_some_and(|plan| plan.starts_with(wanted))
        };
        let profile = is(&self.profile, &row.profile) || self.profile.iter().any(has_plan);
        profile && is(&self.patient, &row.patient)
    }
}

fn place(row: &Row) -> Option<(String, String)> {
    Some((row.batch_of()?.to_owned(), row.destination.clone()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &str) -> Row {
        serde_json::from_str(json).unwrap()
    }

    fn some() -> Vec<Row> {
        [
            r#"{"seq":0,"time":"2026-01-01T00:00:00.000Z","event":"started","version":"0.1.0","profiles":["basic 00"]}"#,
            r#"{"seq":1,"time":"2026-01-02T00:00:00.000Z","event":"released","batch":"b","destination":"lab","profile":"basic","plan":"0123456789ab","patient":"A1X"}"#,
            r#"{"seq":2,"time":"2026-01-03T00:00:00.000Z","event":"delivered","batch":"b","destination":"lab","instances":3}"#,
            r#"{"seq":3,"time":"2026-01-04T00:00:00.000Z","event":"delivered","batch":"b","destination":"clinic","instances":3}"#,
            r#"{"seq":4,"time":"2026-01-05T00:00:00.000Z","event":"returned","name":"b.damaged","instances":1}"#,
        ]
        .map(row)
        .into()
    }

    #[test]
    fn filters_follow_a_study_to_its_end() {
        let taken = |mut filter: Filter| -> Vec<u64> {
            some().iter().filter(|row| filter.wants(row)).map(|row| row.seq).collect()
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(taken(Filter::default()), [0, 1, 2, 3, 4]);
        assert_eq!(taken(Filter { patient: text("A1X"), ..Filter::default() }), [1, 2]);
        assert_eq!(taken(Filter { profile: text("basic"), ..Filter::default() }), [1, 2]);
        assert_eq!(taken(Filter { profile: text("01234567"), ..Filter::default() }), [1, 2]);
        assert_eq!(taken(Filter { profile: text("other"), ..Filter::default() }), [0; 0]);
        assert_eq!(taken(Filter { destination: text("clinic"), ..Filter::default() }), [3]);
        let since = text("2026-01-03T00:00:00.000Z");
        let until = text("2026-01-05T00:00:00.000Z");
        let patient = text("A1X");
        assert_eq!(taken(Filter { since: since.clone(), until, ..Filter::default() }), [2, 3]);
        assert_eq!(taken(Filter { since, patient, ..Filter::default() }), [2]);
    }

    #[test]
    fn csv_has_as_many_fields_as_its_head_and_no_formulas() {
        let fields = CSV_HEAD.split(',').count();
        for row in some() {
            assert_eq!(row.to_csv().split(',').count(), fields, "{}", row.to_csv());
        }
        let profile = Some("=a,\"b\"".to_owned());
        assert!(Row { profile, ..Row::default() }.to_csv().contains(",\"'=a,\"\"b\"\"\","));
        assert!(some()[4].to_csv().contains(",returned,b,"));
    }
}
