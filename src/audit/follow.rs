//! Follows a log that grows, record by record, and hands out none that is not signed.
//!
//! Everything from the first record on is hashed once, and the tree over it is compared with each new checkpoint. A
//! record is read when it is wanted, and must have the hash that it had then; what lies beside it of a patient is read
//! with it, if it was not erased.

use super::checkpoint::Verifier;
use super::details::{self, Lines, There};
use super::entries::Entries;
use super::tree::{self, Frontier, Hash};
use super::{Checkpoint, Error, Record};
use crate::disk;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Reads a log behind the one who writes it.
pub struct Follower {
    directory: PathBuf,
    verifier: Verifier,
    file: File,
    entries: Entries,
    tree: Frontier,
    note: String,
    /// Position of the first record that may still be wanted.
    first: u64,
    /// Where it lies, and the others from it on.
    places: VecDeque<Place>,
    bytes: u64,
    /// What lies beside the records, from this record on.
    details: (u64, Lines),
}

/// Where a record lies in the file.
struct Place {
    at: u64,
    length: usize,
    hash: Hash,
}

impl Follower {
    /// Begins with a log that has a checkpoint by this key, at this record.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin(directory: &Path, verifier: Verifier, first: u64) -> Result<Self, Error> {
        let io = |error| Error::io(directory, error);
        Ok(Follower {
            directory: directory.to_owned(),
            verifier,
            file: disk::open(&directory.join("log")).map_err(io)?,
            entries: Entries::first(directory, 0).map_err(io)?,
            tree: Frontier::default(),
            note: String::new(),
            first,
            places: VecDeque::new(),
            bytes: 0,
            details: (0, Lines::of(directory).map_err(io)?),
        })
    }

    /// Takes in what was signed since the last time.
    ///
    /// # Errors
    /// [`Error`]: the log is not what was signed, or not what it was before. Nothing more must be taken from it.
    pub fn catch_up(&mut self) -> Result<(), Error> {
        // In this order: what the gateway adds meanwhile lies behind the checkpoint.
        let note = super::newest(&self.directory)?;
        if note == self.note {
            return Ok(());
        }
        let signed = self.verifier.open(&note);
        let signed = signed.map_err(|why| Error::checkpoint(&self.directory, why))?;
        self.take(&signed)?;
        self.note = note;
        Ok(())
    }

    fn take(&mut self, signed: &Checkpoint) -> Result<(), Error> {
        let (path, size) = (self.directory.clone(), signed.size);
        if size < self.tree.size() {
            return Err(Error::RolledBack { path, have: size, signed: self.tree.size() });
        }
        self.entries.up_to(size);
        let io = |error| Error::io(&path, error);
        while let Some(block) = self.entries.block().map_err(io)? {
            for (seq, length, hash) in block.map(|line| (line.seq, line.bytes.len(), line.hash())) {
                if seq >= self.first {
                    self.places.push_back(Place { at: self.bytes, length, hash });
                }
                self.bytes += length as u64 + 1;
                self.tree.push(hash, |_, _, _| ());
            }
        }
        let have = self.tree.size();
        if have < size {
            return Err(Error::RolledBack { path, have, signed: size });
        }
        if self.tree.root() != signed.root {
            return Err(Error::Rewritten { path, size });
        }
        Ok(())
    }

    /// Records that are signed.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The checkpoint that covers them, a signed note; empty before the first look.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The root of the tree over them.
    pub fn root(&self) -> [u8; 32] {
        self.tree.root()
    }

    /// One of them, with what is known of its patient; `None` if it is not signed yet, or was given up.
    ///
    /// # Errors
    /// [`Error::Broken`], [`Error::Detail`]: it was changed since it was looked at, or is of a newer version of efface.
    pub fn record(&mut self, seq: u64) -> Result<Option<Record>, Error> {
        let Some((line, record)) = self.bare(seq)? else { return Ok(None) };
        if record.detail.is_none() {
            return Ok(Some(record));
        }
        let text = self.detail(seq).map_err(|error| Error::io(&self.directory, error))?;
        let whole = match details::there(&line, text.as_deref()) {
            There::Whole(text) => details::whole(&line, text),
            There::None | There::Erased => return Ok(Some(record)),
            There::Wrong => None,
        };
        let whole = whole.and_then(|whole| serde_json::from_slice(&whole).ok());
        let path = self.directory.clone();
        whole.map(Some).ok_or(Error::Detail { path, record: seq })
    }

    /// When one of them was written.
    ///
    /// # Errors
    /// As [`Follower::record`].
    pub fn time_of(&self, seq: u64) -> Result<Option<String>, Error> {
        Ok(self.bare(seq)?.map(|(_, record)| record.time))
    }

    /// The record as it stands in the log.
    fn bare(&self, seq: u64) -> Result<Option<(Vec<u8>, Record)>, Error> {
        let index = seq.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(place) = index.and_then(|index| self.places.get(index)) else { return Ok(None) };
        let mut line = vec![0; place.length];
        let read = self.file.read_exact_at(&mut line, place.at);
        read.map_err(|error| Error::io(&self.directory, error))?;
        let same = tree::leaf(&line) == place.hash;
        let record = serde_json::from_slice::<Record>(&line).ok();
        match record.filter(|record| same && record.seq == seq) {
            Some(record) => Ok(Some((line, record))),
            None => Err(Error::Broken { path: self.directory.clone(), record: seq }),
        }
    }

    /// What lies beside it. Who goes back reads from the beginning.
    fn detail(&mut self, seq: u64) -> io::Result<Option<Vec<u8>>> {
        if seq < self.details.0 {
            self.details.1 = Lines::of(&self.directory)?;
        }
        self.details.0 = seq + 1;
        self.details.1.of_record(seq)
    }

    /// Gives up what stands before this record.
    pub fn forget_before(&mut self, seq: u64) {
        while self.first < seq && self.places.pop_front().is_some() {
            self.first += 1;
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::super::tests::{filled, log};
    use super::*;
    use crate::audit::{Event, Release, erase};
    use std::io::Write;

    fn released(patient: &str) -> Event {
        let (patient, study) = (patient.to_owned(), format!("2.25.{patient}"));
        Event::Released(Box::new(Release { patient, study, ..Release::default() }))
    }

    fn follower(directory: &Path, first: u64) -> Follower {
        let key = super::super::key(directory).unwrap();
        Follower::begin(directory, key, first).unwrap()
    }

    #[test]
    fn records_come_as_they_are_signed_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 300);
        let mut follower = follower(folder.path(), 7);
        assert!(follower.record(7).unwrap().is_none());
        follower.catch_up().unwrap();
        assert_eq!(follower.size(), 300);
        assert!(follower.record(6).unwrap().is_none() && follower.record(300).unwrap().is_none());
        assert_eq!(follower.record(299).unwrap().unwrap().seq, 299);
        let log = log(folder.path());
        // What is in the file and not signed is nobody's business.
        let mut file = disk::append(&folder.path().join("log")).unwrap();
        follower.catch_up().unwrap();
        for n in 300..310 {
            log.append(Event::Stopped).unwrap();
            follower.catch_up().unwrap();
            assert_eq!(follower.record(n).unwrap().unwrap().event, Event::Stopped);
        }
        file.write_all(b"{\"seq\":310,\"time\":\"\",\"event\":\"stopped\"}\n").unwrap();
        follower.catch_up().unwrap();
        assert_eq!(follower.size(), 310);
        follower.forget_before(305);
        assert!(follower.record(304).unwrap().is_none());
        assert_eq!(follower.record(305).unwrap().unwrap().seq, 305);
    }

    #[test]
    fn what_is_not_what_was_signed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let lines = filled(folder.path(), 5);
        let mut late = follower(folder.path(), 0);
        late.catch_up().unwrap();
        let mut changed = lines.concat();
        changed[lines[0].len() + 10] ^= 1;
        std::fs::write(folder.path().join("log"), &changed).unwrap();
        assert!(matches!(late.record(1), Err(Error::Broken { record: 1, .. })));
        assert!(late.record(0).unwrap().is_some());
        let early = follower(folder.path(), 0).catch_up();
        assert!(matches!(early, Err(Error::Rewritten { size: 5, .. })), "{early:?}");
        std::fs::write(folder.path().join("log"), lines[..4].concat()).unwrap();
        let short = follower(folder.path(), 0).catch_up();
        assert!(matches!(short, Err(Error::RolledBack { have: 4, signed: 5, .. })), "{short:?}");
    }

    #[test]
    fn what_lies_beside_a_record_comes_with_it_until_it_is_erased() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path());
        let events = [released("1"), Event::Stopped, released("2"), released("3")];
        for event in events.clone() {
            log.append(event).unwrap();
        }
        let mut follower = follower(folder.path(), 0);
        follower.catch_up().unwrap();
        // In any order, and while the log grows.
        for seq in [0, 1, 3, 2, 2, 0] {
            let record = follower.record(seq).unwrap().unwrap();
            assert_eq!(record.event, events[seq as usize]);
        }
        log.append(released("4")).unwrap();
        follower.catch_up().unwrap();
        assert_eq!(follower.record(4).unwrap().unwrap().event, released("4"));
        erase(folder.path(), |detail| detail.patient == "2").unwrap();
        let erased = follower.record(2).unwrap().unwrap();
        assert_eq!(erased.event, Event::Released(Box::default()));
        let details = folder.path().join("details");
        let changed = std::fs::read_to_string(&details).unwrap().replace("2.25.3", "2.25.5");
        std::fs::write(details, changed).unwrap();
        // Back to the beginning of the file: it is read ahead.
        assert!(follower.record(0).unwrap().is_some());
        let wrong = follower.record(3);
        assert!(matches!(wrong, Err(Error::Detail { record: 3, .. })), "{wrong:?}");
    }

    #[test]
    fn a_log_that_goes_back_while_it_is_followed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path());
        log.append(Event::Stopped).unwrap();
        let older = log.checkpoint();
        log.append(Event::Stopped).unwrap();
        let mut follower = follower(folder.path(), 0);
        follower.catch_up().unwrap();
        disk::write_whole(&folder.path().join("checkpoint"), older.as_bytes()).unwrap();
        let back = follower.catch_up();
        assert!(matches!(back, Err(Error::RolledBack { have: 1, signed: 2, .. })), "{back:?}");
    }
}
