//! The log, for those who read it.

use super::Error;
use crate::audit::{self, Checkpoint, Filter, Line, Row};
use crate::spool::{Place, Spool};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::collections::{HashSet, VecDeque};

/// Records that are shown at a time, at most.
const SHOWN: usize = 500;

/// Which records are wanted; empty: all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// Not before this day or time, RFC 3339.
    pub since: String,
    /// Before it.
    pub until: String,
    /// Kind of event.
    pub event: String,
    /// A destination by its name.
    pub destination: String,
    /// A profile by its name, or by the digest of its plan.
    pub profile: String,
    /// A patient by the pseudonym that left.
    pub patient: String,
    /// How many, the last ones.
    pub last: usize,
}

/// Records of the log, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Records {
    /// Records that the filter wants, shown or not.
    pub found: u64,
    /// Those that are shown.
    pub records: Vec<Shown>,
}

/// One record, in a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// Position, from 0.
    pub seq: u64,
    /// RFC 3339.
    pub time: String,
    /// Kind of the event.
    pub event: String,
    /// The batch, if it is about one.
    pub batch: String,
    /// What else it says, a line.
    pub words: String,
}

/// Whether the log is what was signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verified {
    /// Name of the log; empty if nothing is signed.
    pub origin: String,
    /// Records that are there.
    pub records: u64,
    /// Records that were signed.
    pub signed: u64,
    /// Root of the tree over them, hex.
    pub root: String,
    /// Records whose part about a patient was erased.
    pub erased: u64,
    /// What is wrong, in words; empty: nothing.
    pub findings: Vec<String>,
}

/// A file for whoever asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct File {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// The last records that somebody wants. All of the log is verified on the way.
///
/// # Errors
/// What the system says; a log that does not verify.
pub fn records(spool: &Spool, wanted: Wanted) -> Result<Records, Error> {
    let last = wanted.last.clamp(1, SHOWN);
    let (mut found, mut rows) = (0, VecDeque::new());
    each(spool, wanted, |row| {
        found += 1;
        rows.push_back(row);
        if rows.len() > last {
            rows.pop_front();
        }
    })?;
    Ok(Records { found, records: rows.into_iter().rev().map(Shown::of).collect() })
}

/// All records that somebody wants, as CSV.
///
/// # Errors
/// What the system says; a log that does not verify.
pub fn export(spool: &Spool, wanted: Wanted) -> Result<File, Error> {
    let mut text = audit::CSV_HEAD.to_owned();
    each(spool, wanted, |row| text += &row.to_csv())?;
    Ok(File { name: "audit.csv".to_owned(), text })
}

fn each(spool: &Spool, wanted: Wanted, mut take: impl FnMut(Row)) -> Result<(), Error> {
    let directory = spool.dir(Place::Audit);
    let event = wanted.event.trim().to_owned();
    let mut filter = Filter::from(wanted);
    let parse = |line: &Line<'_>| serde_json::from_slice::<Row>(&line.whole());
    audit::walk(&directory, &audit::key(&directory)?, parse, |row| {
        let row = row?;
        if filter.wants(&row) && (event.is_empty() || row.event == event) {
            take(row);
        }
        Ok(())
    })?;
    Ok(())
}

impl Shown {
    fn of(row: Row) -> Self {
        let batch = row.batch_of().unwrap_or_default().to_owned();
        let words = row.words();
        Shown { words, batch, seq: row.seq, time: row.time, event: row.event }
    }
}

impl From<Wanted> for Filter {
    fn from(wanted: Wanted) -> Self {
        let some = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let Wanted { since, until, destination, profile, patient, .. } = wanted;
        Filter {
            since: some(since),
            until: some(until),
            destination: some(destination),
            profile: some(profile),
            patient: some(patient),
            released: HashSet::new(),
        }
    }
}

/// Verifies all of it.
///
/// # Errors
/// What the system says.
pub fn verify(spool: &Spool) -> Result<Verified, Error> {
    let directory = spool.dir(Place::Audit);
    let key = audit::key(&directory)?;
    Ok(audit::settled(|| audit::verify(&directory, &key, &[], |_| ()))?.into())
}

impl From<audit::Verification> for Verified {
    fn from(found: audit::Verification) -> Self {
        let (origin, signed, root) = match found.checkpoint {
            Some(Checkpoint { origin, size, root }) => (origin, size, HEXLOWER.encode(&root)),
            None => Default::default(),
        };
        Verified {
            origin,
            records: found.records,
            signed,
            root,
            erased: found.erased,
            findings: found.findings.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What proves what the log says of a study, as a file; `None`: nothing has the name.
///
/// # Errors
/// What the system says; a log that does not verify.
pub fn receipt(spool: &Spool, name: &str) -> Result<Option<File>, Error> {
    let directory = spool.dir(Place::Audit);
    let proof = audit::prove(&directory, &audit::key(&directory)?, name.trim(), |_| ())?;
    let Some(proof) = proof else { return Ok(None) };
    let text = serde_json::to_string_pretty(&proof).map_err(std::io::Error::from)? + "\n";
    Ok(Some(File { name: format!("receipt-{}.json", name.trim()), text }))
}

/// The newest checkpoint, or the log's public key, as a file.
///
/// # Errors
/// What the system says; a checkpoint that does not hold.
pub fn checkpoint(spool: &Spool, key: bool) -> Result<File, Error> {
    let directory = spool.dir(Place::Audit);
    let verifier = audit::key(&directory)?;
    if key {
        return Ok(File { name: "log.key".to_owned(), text: format!("{verifier}\n") });
    }
    let note = audit::newest(&directory)?;
    Ok(File { name: "checkpoint.txt".to_owned(), text: note })
}
