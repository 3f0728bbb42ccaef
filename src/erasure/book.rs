//! The register of requests for erasure (`requests.rs`).

use super::Error;
use crate::clock::Day;
use crate::key::{Purpose, RootKey};
use crate::requests::{self, Asked, Register, Row};
use crate::spool::{Spool, random_name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a destination was asked to erase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// By what it is spoken of; random.
    pub reference: String,
    /// What is to be erased, where.
    #[serde(flatten)]
    pub wanted: Wanted,
    /// The day on which the patient's request came in.
    pub received: Day,
    /// The day on which all was erased here; `None`: it was begun.
    pub erased_here: Option<Day>,
    /// The day on which the destination was asked.
    pub sent: Option<Day>,
    /// The day on which it said that it has erased.
    pub acknowledged: Option<Day>,
}

/// What is to be erased, and where: pseudonyms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wanted {
    /// The destination by its name in the configuration; empty: nothing of the patient was released to anybody.
    pub destination: String,
    /// Its project.
    pub project: String,
    /// Pseudonym of the patient.
    pub patient: String,
    /// Study Instance UIDs as they left.
    pub studies: BTreeSet<String>,
}

impl Row for Request {
    const HEAD: &'static str = "efface_erasures";
    const KIND: &'static [u8] = b"register";
    const OF: &'static str = "requests for erasure";
}

impl Asked for Request {
    fn reference(&self) -> &str {
        &self.reference
    }
}

/// The register of a state directory.
pub struct Book(Register<Request>);

impl Request {
    /// Whether somebody has to do something about it.
    pub fn is_open(&self) -> bool {
        self.acknowledged.is_none() && !self.wanted.destination.is_empty()
    }

    /// The last day for the destination's word.
    pub fn due(&self) -> Day {
        self.received.due()
    }

    /// Whether that day is over.
    pub fn is_overdue(&self, today: Day) -> bool {
        self.is_open() && self.due() < today
    }

    /// `open`, `sent` or `acknowledged`.
    pub fn state(&self) -> &'static str {
        match (self.sent, self.acknowledged) {
            (_, Some(_)) => "acknowledged",
            (Some(_), None) => "sent",
            (None, None) => "open",
        }
    }
}

impl Book {
    /// The register of a state directory, by the key of this root.
    pub fn new(spool: &Spool, root: &RootKey) -> Self {
        Book(Register::new(spool.erasures(), root.derive("", Purpose::Erasure)))
    }

    /// Version and requests, in the order in which they came.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn read(&self) -> Result<(u64, Vec<Request>), Error> {
        self.0.read()
    }

    /// The same, if it is no older than a version that is known.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read_at_least(&self, known: u64) -> Result<(u64, Vec<Request>), Error> {
        self.0.read_at_least(known)
    }

    /// The pseudonyms of a project whose patients were erased.
    ///
    /// # Errors
    /// [`Error`].
    pub fn erased(&self, project: &str) -> Result<BTreeSet<String>, Error> {
        let wanted = self.read()?.1.into_iter().map(|request| request.wanted);
        Ok(wanted.filter(|wanted| wanted.project == project).map(|wanted| wanted.patient).collect())
    }

    /// Opens requests; those that are not acknowledged yet and ask for the same patient there grow instead.
    ///
    /// # Errors
    /// [`Error`]: ask again.
    pub fn open(&self, wanted: &[Wanted], received: Day) -> Result<(u64, Vec<Request>), Error> {
        self.0.change(|requests| {
            let mut opened = Vec::new();
            for wanted in wanted {
                let is_same = |request: &&mut Request| {
                    let known = &request.wanted;
                    request.acknowledged.is_none()
                        && known.patient == wanted.patient
                        && known.project == wanted.project
                        && known.destination == wanted.destination
                };
                if let Some(known) = requests.iter_mut().find(is_same) {
                    if !wanted.studies.is_subset(&known.wanted.studies) {
                        // The destination has not been told of all of it.
                        known.sent = None;
                    }
                    known.wanted.studies.extend(wanted.studies.iter().cloned());
                    opened.push(known.clone());
                    continue;
                }
                let new = Request {
                    reference: random_name()?[..16].to_owned(),
                    wanted: wanted.clone(),
                    received,
                    erased_here: None,
                    sent: None,
                    acknowledged: None,
                };
                requests.push(new.clone());
                opened.push(new);
            }
            Ok(opened)
        })
    }

    /// Changes those of these references; which ones were changed.
    ///
    /// # Errors
    /// [`Error`]: do it again.
    pub fn note(
        &self,
        references: &[String],
        edit: impl Fn(&mut Request),
    ) -> Result<(u64, Vec<Request>), Error> {
        self.0.note(references, edit)
    }
}

/// The requests of a state directory without the key: whether it is what was sealed is not known then.
///
/// # Errors
/// [`Error::Io`], [`Error::Damaged`].
pub fn look(spool: &Spool) -> Result<Vec<Request>, Error> {
    requests::look(&spool.erasures())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test owns its files
mod tests {
    use super::*;

    fn wanted(studies: &[&str]) -> Wanted {
        Wanted {
            destination: "lab".to_owned(),
            project: "lab".to_owned(),
            patient: "A1X".to_owned(),
            studies: studies.iter().map(|study| (*study).to_owned()).collect(),
        }
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn a_request_is_open_until_it_is_acknowledged_and_grows_until_then() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::new(&Spool::look(folder.path()), &RootKey::of_patient(&[7; 32], "A1"));
        let (received, later) = (day("2026-01-31"), day("2026-02-10"));
        let (version, opened) = book.open(&[wanted(&["2.25.1"])], received).unwrap();
        let reference = opened[0].reference.clone();
        assert_eq!((version, opened[0].state(), opened[0].due()), (1, "open", day("2026-02-28")));
        assert!(
            opened[0].is_overdue(day("2026-03-01")) && !opened[0].is_overdue(day("2026-02-28"))
        );
        let named = [reference.clone()];
        book.note(&named, |request| request.sent = Some(later)).unwrap();
        assert_eq!(book.read().unwrap().1[0].state(), "sent");
        // Again the same: nothing new. One more study: it must be sent once more.
        assert_eq!(book.open(&[wanted(&["2.25.1"])], later).unwrap().1[0].state(), "sent");
        let grown = book.open(&[wanted(&["2.25.2"])], later).unwrap().1.remove(0);
        assert_eq!((grown.state(), grown.wanted.studies.len()), ("open", 2));
        assert_eq!((grown.reference, grown.received), (reference, received));
        book.note(&named, |request| request.acknowledged = Some(later)).unwrap();
        let (_, all) = book.read().unwrap();
        assert!(!all[0].is_open() && !all[0].is_overdue(day("2030-01-01")));
        assert_eq!(book.note(&["0123".to_owned()], |_| ()).unwrap().1, []);
        assert_eq!(book.open(&[wanted(&["2.25.3"])], later).unwrap().1[0].state(), "open");
        assert_eq!(book.erased("lab").unwrap().len(), 1);
        let known = book.read().unwrap().0;
        assert!(matches!(book.read_at_least(known + 1), Err(Error::Older { .. })));
        assert_eq!(look(&Spool::look(folder.path())).unwrap().len(), 2);
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed_and_another_key_reads_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::look(folder.path());
        let book = Book::new(&spool, &RootKey::of_patient(&[7; 32], "A1"));
        book.open(&[wanted(&["2.25.1"])], day("2026-01-31")).unwrap();
        let file = folder.path().join("erasures/register");
        let whole = std::fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&file, &changed).unwrap();
            assert!(book.read().is_err(), "byte {at}");
            std::fs::write(&file, &whole[..at]).unwrap();
            assert!(book.read().is_err(), "cut at {at}");
        }
        std::fs::write(&file, &whole).unwrap();
        assert!(book.read().is_ok());
        assert!(Book::new(&spool, &RootKey::of_patient(&[8; 32], "A1")).read().is_err());
    }
}
