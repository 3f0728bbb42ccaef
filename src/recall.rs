//! Recalls: studies that destinations are to let go of, until they have.
//!
//! ```text
//! recalls/register        version, a line a recall, seal                          requests.rs
//! ```
//! A recall says by pseudonyms what, and why by a code of PS3.16 (DCM 113001 and its like, IHE IOCM). What of it still
//! waits for the destination is withdrawn first: by the gateway, which looks at the register all the time. Then the
//! destination is asked: by the gateway, where it is a DICOMweb server that takes DELETE (`recall: dicomweb-delete`), or
//! by people, with a letter. It is open until it was acknowledged.
//!
//! A recall is no objection: what comes in of the study later leaves again.

use crate::clock::Day;
use crate::disk;
use crate::key::{Purpose, RootKey};
use crate::requests::{self, Asked, Error, Register, Row};
use crate::spool::{Spool, random_name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

/// One destination, one reason, one patient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// By what it is spoken of; random.
    pub reference: String,
    /// What is recalled, where.
    #[serde(flatten)]
    pub wanted: Wanted,
    /// Why.
    pub reason: Reason,
    /// The day on which it was begun.
    pub received: Day,
    /// The last day for the destination's word.
    pub due: Day,
    /// The day on which nothing of it waited any more.
    pub withdrawn: Option<Day>,
    /// The day on which the destination was asked.
    pub sent: Option<Day>,
    /// The day on which it said that it has let go of it.
    pub acknowledged: Option<Day>,
}

/// What is recalled, and where: pseudonyms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wanted {
    /// The destination by its name in the configuration.
    pub destination: String,
    /// Pseudonym of the patient.
    pub patient: String,
    /// Study Instance UIDs as they left.
    pub studies: BTreeSet<String>,
    /// The batches in which they left, or were to.
    pub batches: BTreeSet<String>,
}

/// Why, by the codes of PS3.16 that title a rejection note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// DCM 113001.
    Quality,
    /// DCM 113037.
    PatientSafety,
    /// DCM 113038.
    Worklist,
    /// DCM 113039.
    Retention,
}

/// Reasons, as a person names them; code value and meaning (DCM).
const REASONS: [(Reason, &str, &str, &str); 4] = [
    (Reason::Quality, "quality", "113001", "Rejected for Quality Reasons"),
    (Reason::PatientSafety, "patient-safety", "113037", "Rejected for Patient Safety Reasons"),
    (Reason::Worklist, "worklist", "113038", "Incorrect Modality Worklist Entry"),
    (Reason::Retention, "retention", "113039", "Data Retention Policy Expired"),
];

impl FromStr for Reason {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let row = REASONS.iter().find(|(_, name, ..)| *name == text);
        row.map(|(reason, ..)| *reason).ok_or("quality, patient-safety, worklist or retention")
    }
}

/// Code value and meaning.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = REASONS.iter().find(|(reason, ..)| reason == self);
        row.map_or(Ok(()), |(.., code, meaning)| write!(f, "DCM {code}, {meaning}"))
    }
}

impl Row for Recall {
    const HEAD: &'static str = "efface_recalls";
    const KIND: &'static [u8] = b"recalls";
    const OF: &'static str = "recalls";
}

impl Asked for Recall {
    fn reference(&self) -> &str {
        &self.reference
    }
}

impl Recall {
    /// Whether somebody has to do something about it.
    pub fn is_open(&self) -> bool {
        self.acknowledged.is_none()
    }

    /// Whether its last day is over.
    pub fn is_overdue(&self, today: Day) -> bool {
        self.is_open() && self.due < today
    }

    /// `open`, `withdrawn`, `sent` or `acknowledged`.
    pub fn state(&self) -> &'static str {
        match (self.withdrawn, self.sent, self.acknowledged) {
            (_, _, Some(_)) => "acknowledged",
            (_, Some(_), None) => "sent",
            (Some(_), None, None) => "withdrawn",
            (None, None, None) => "open",
        }
    }
}

/// The register of a state directory.
pub struct Book(Register<Recall>);

impl Book {
    /// The register of a state directory, by the key of this root.
    pub fn new(spool: &Spool, root: &RootKey) -> Self {
        Book(Register::new(spool.recalls(), root.derive("", Purpose::Recall)))
    }

    /// Version and recalls, in the order in which they came.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn read(&self) -> Result<(u64, Vec<Recall>), Error> {
        self.0.read()
    }

    /// The same, if it is no older than a version that is known.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read_at_least(&self, known: u64) -> Result<(u64, Vec<Recall>), Error> {
        self.0.read_at_least(known)
    }

    /// Begins some. One that is asked for again before it was acknowledged begins again: its batches may be more by now.
    ///
    /// # Errors
    /// [`Error`]: ask again.
    pub fn open(
        &self,
        wanted: Vec<Wanted>,
        reason: Reason,
        (received, due): (Day, Day),
    ) -> Result<(u64, Vec<Recall>), Error> {
        self.0.change(|recalls| {
            let mut opened = Vec::new();
            for wanted in wanted {
                let is_same = |known: &&mut Recall| {
                    known.is_open()
                        && known.reason == reason
                        && known.wanted.destination == wanted.destination
                        && known.wanted.patient == wanted.patient
                        && known.wanted.studies == wanted.studies
                };
                if let Some(known) = recalls.iter_mut().find(is_same) {
                    known.wanted.batches.extend(wanted.batches);
                    (known.withdrawn, known.sent) = (None, None);
                    opened.push(known.clone());
                    continue;
                }
                let reference = random_name()?[..16].to_owned();
                let (withdrawn, sent, acknowledged) = (None, None, None);
                let new = Recall {
                    reference,
                    wanted,
                    reason,
                    received,
                    due,
                    withdrawn,
                    sent,
                    acknowledged,
                };
                recalls.push(new.clone());
                opened.push(new);
            }
            Ok(opened)
        })
    }

    /// Changes the one of this reference; what it is then, and the version.
    ///
    /// # Errors
    /// [`Error`]: do it again.
    pub fn note(
        &self,
        reference: &str,
        edit: impl Fn(&mut Recall),
    ) -> Result<(u64, Option<Recall>), Error> {
        let (version, mut changed) = self.0.note(&[reference.to_owned()], edit)?;
        Ok((version, changed.pop()))
    }

    /// When its file was changed last; `None`: there is none.
    pub fn changed(&self) -> Option<SystemTime> {
        disk::modified(&self.0.file()).ok()
    }
}

/// The recalls of a state directory without the key: whether they are what was sealed is not known then.
///
/// # Errors
/// [`Error::Io`], [`Error::Damaged`].
pub fn look(spool: &Spool) -> Result<Vec<Recall>, Error> {
    requests::look(&spool.recalls())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(batch: &str) -> Wanted {
        let set = |text: &str| BTreeSet::from([text.to_owned()]);
        let (destination, patient) = ("lab".to_owned(), "A1X".to_owned());
        Wanted { destination, patient, studies: set("2.25.1"), batches: set(batch) }
    }

    #[test]
    fn a_recall_is_open_until_it_is_acknowledged_and_begins_again_when_it_is_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::look(folder.path());
        let book = Book::new(&spool, &RootKey::of_patient(&[7; 32], "A1"));
        let day = |text: &str| text.parse::<Day>().unwrap();
        let days = (day("2026-11-01"), day("2026-11-08"));
        let (version, opened) = book.open(vec![wanted("b1")], Reason::Quality, days).unwrap();
        let reference = opened[0].reference.clone();
        assert_eq!((version, opened[0].state()), (1, "open"));
        assert!(opened[0].is_overdue(day("2026-11-09")) && !opened[0].is_overdue(days.1));
        book.note(&reference, |recall| recall.withdrawn = Some(days.0)).unwrap();
        book.note(&reference, |recall| recall.sent = Some(days.0)).unwrap();
        assert_eq!(book.read().unwrap().1[0].state(), "sent");
        let (_, again) = book.open(vec![wanted("b2")], Reason::Quality, days).unwrap();
        assert_eq!((again[0].state(), again[0].wanted.batches.len()), ("open", 2));
        assert_eq!(again[0].reference, reference);
        book.note(&reference, |recall| recall.acknowledged = Some(days.1)).unwrap();
        let (_, other) = book.open(vec![wanted("b2")], Reason::Quality, days).unwrap();
        assert_ne!(other[0].reference, reference, "another one: the first is done");
        assert_eq!(look(&spool).unwrap().len(), 2);
        assert!(book.note("0123", |_| ()).unwrap().1.is_none());
        assert!(Book::new(&spool, &RootKey::of_patient(&[8; 32], "A1")).read().is_err());
    }
}
