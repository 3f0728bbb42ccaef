//! The transform log: one line a decision, chained, durable before anything leaves.
//!
//! ```text
//! SHA-256(previous hash || record) in hex, a space, the record as JSON, a newline
//! ```
//! The log holds no PHI: pseudonyms as they were sent, keyed handles, counts, digests of outputs.
//! A [`Receipt`] exists only when the record that it stands for is on disk.

mod evidence;
pub mod relay;

pub use evidence::{Evidence, Kept, Treated, evidence};

use crate::disk;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Why the log cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A record does not follow from the one before.
    #[error(
        "the audit log {path} does not verify at record {record}: it was changed. Keep it, restore the log from a backup or start with a new state directory"
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// The first record that does not verify, from 0.
        record: u64,
    },
    /// The system refused.
    #[error("the audit log {path}: {error}. Nothing leaves until it can be written")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A write failed before; what is on disk is not known.
    #[error("the audit log failed before; restart efface when the disk is sound")]
    Poisoned,
    /// The process that has the log did not write an event of a worker.
    #[error("the gateway did not write the event to its log: {0}")]
    Relayed(String),
}

/// What is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The gateway started.
    Started {
        /// Version of efface.
        version: String,
        /// Names and plan digests of the profiles in use.
        profiles: Vec<String>,
        /// Fingerprint of the root key.
        key: String,
    },
    /// The gateway stopped.
    Stopped,
    /// A worker took a closed batch. After a crash the same batch is taken again.
    Taken {
        /// The batch.
        batch: String,
        /// How many instances it had.
        instances: u64,
    },
    /// Parcels may leave: written before the first byte does.
    Released(Box<Release>),
    /// All parcels of a release have arrived.
    Delivered {
        /// Destination by its name in the configuration.
        destination: String,
        /// The batch.
        batch: String,
        /// Instances that the destination said it stored.
        instances: u64,
    },
    /// Instances stay inside.
    Quarantined {
        /// The batch.
        batch: String,
        /// The code of the reason.
        code: String,
        /// For which destination; empty when for all.
        destination: String,
        /// How many instances.
        instances: u64,
    },
    /// Instances came again, byte for byte, and were not sent again.
    Repeated {
        /// The batch.
        batch: String,
        /// How many instances.
        instances: u64,
    },
    /// Instances were put back from quarantine into the queue, to be gathered again.
    Returned {
        /// Name of what was in quarantine: the batch, a dot, the code.
        name: String,
        /// How many instances that are nowhere else.
        instances: u64,
    },
    /// Identified originals were deleted after the retention time, or are about to be.
    Erased {
        /// The batch.
        batch: String,
        /// How many instances.
        instances: u64,
    },
}

/// What left, on what ground.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Destination by its name in the configuration.
    pub destination: String,
    /// Project whose keys made the pseudonyms.
    pub project: String,
    /// The batch.
    pub batch: String,
    /// Name of the profile.
    pub profile: String,
    /// Digest of its resolved plan.
    pub plan: String,
    /// Reasons that the profile gives for being weaker than its base.
    pub because: Vec<String>,
    /// Pseudonym of the patient.
    pub patient: String,
    /// Study Instance UID as it leaves.
    pub study: String,
    /// Instances that leave.
    pub instances: u64,
    /// Bytes that leave.
    pub bytes: u64,
    /// SHA-256 over the digests of the parcels, in the order of the manifest.
    pub digest: String,
    /// Elements by action, over all instances.
    pub actions: Vec<(char, u64)>,
    /// What was done to them, objects that were treated alike together.
    pub evidence: Vec<Evidence>,
    /// What was done about faces, a line a series.
    pub faces: Vec<SeriesFace>,
}

/// What was done about the face in a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesFace {
    /// Series Instance UID as it leaves.
    pub series: String,
    /// `removed`, `soft-tissue-removed` (facial bones stay), `none-found` or `left`.
    pub finding: String,
    /// Slices of the series.
    pub slices: u64,
    /// Voxels that were overwritten.
    pub removed_voxels: u64,
    /// Figures of the check, by name.
    pub figures: Vec<(String, f64)>,
}

/// One record.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// Position, from 0.
    pub seq: u64,
    /// RFC 3339, by the clock of this machine.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Proof that a record is on disk. Only the log makes one.
#[derive(Debug)]
pub struct Receipt {
    seq: u64,
    hash: [u8; 32],
}

impl Receipt {
    /// Position of the record.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Hash of the record and, through the chain, of all before it.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

/// What takes events down: the log, or the way to it.
pub trait Journal: Send + Sync {
    /// Takes an event down, durably.
    ///
    /// # Errors
    /// [`Error`]: it is not known to be on disk, and what depends on it must not happen.
    fn append(&self, event: Event) -> Result<Receipt, Error>;
}

/// More than the largest record, in bytes.
const LAST_BYTES: u64 = 16 << 20;

/// The log, open for appending.
pub struct Log {
    path: PathBuf,
    tail: Mutex<Tail>,
}

struct Tail {
    file: File,
    next: u64,
    hash: [u8; 32],
    failed: bool,
}

impl Log {
    /// Opens the log of a state directory and verifies all of it. A last line that a crash cut off
    /// was never acknowledged: it is put aside.
    ///
    /// # Errors
    /// [`Error::Broken`], [`Error::Io`].
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("log");
        let io = |error| Error::Io { path: path.clone(), error };
        drop(disk::append(&path).map_err(io)?);
        let mut chain = Chain::default();
        let whole = chain.follow(&path)?;
        let total = disk::open(&path).and_then(|f| f.metadata()).map_err(io)?.len();
        if whole < total {
            put_torn_tail_aside(&path, whole).map_err(io)?;
        }
        // The last process may have ended because a sync of its last record failed.
        disk::write_again(&path, LAST_BYTES).map_err(io)?;
        let file = disk::append(&path).map_err(io)?;
        disk::sync_dir(directory).map_err(io)?;
        let tail = Tail { file, next: chain.next, hash: chain.hash, failed: false };
        Ok(Log { path, tail: Mutex::new(tail) })
    }

    /// Writes a record and syncs it.
    ///
    /// # Errors
    /// [`Error::Io`] once, then [`Error::Poisoned`] for ever: what is on disk is no longer known.
    pub fn append(&self, event: Event) -> Result<Receipt, Error> {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.failed {
            return Err(Error::Poisoned);
        }
        let record = Record { seq: tail.next, time: now(), event };
        let written = tail.write(&record);
        match written {
            Ok(receipt) => Ok(receipt),
            Err(error) => {
                tail.failed = true;
                Err(Error::Io { path: self.path.clone(), error })
            }
        }
    }
}

impl Journal for Log {
    fn append(&self, event: Event) -> Result<Receipt, Error> {
        Log::append(self, event)
    }
}

impl Tail {
    fn write(&mut self, record: &Record) -> io::Result<Receipt> {
        let json = serde_json::to_vec(record)?;
        let hash = chained(&self.hash, &json);
        let line = [HEXLOWER.encode(&hash).as_bytes(), b" ", &json, b"\n"].concat();
        self.file.write_all(&line)?;
        disk::sync_file(&self.file)?;
        (self.next, self.hash) = (record.seq + 1, hash);
        Ok(Receipt { seq: record.seq, hash })
    }
}

/// Verifies a log without changing it and hands every record to `look`.
///
/// # Errors
/// [`Error::Broken`], [`Error::Io`].
pub fn read(directory: &Path, mut look: impl FnMut(Record)) -> Result<(), Error> {
    let path = directory.join("log");
    let mut chain = Chain::default();
    chain.follow_with(&path, &mut look).map(|_| ())
}

#[derive(Default)]
struct Chain {
    next: u64,
    hash: [u8; 32],
}

impl Chain {
    fn follow(&mut self, path: &Path) -> Result<u64, Error> {
        self.follow_with(path, &mut |_| ())
    }

    /// Bytes of whole, verified records.
    fn follow_with(&mut self, path: &Path, look: &mut dyn FnMut(Record)) -> Result<u64, Error> {
        let io = |error| Error::Io { path: path.to_owned(), error };
        let mut file = BufReader::new(disk::open(path).map_err(io)?);
        let (mut line, mut whole) = (Vec::new(), 0);
        loop {
            line.clear();
            let length = file.read_until(b'\n', &mut line).map_err(io)?;
            if line.last() != Some(&b'\n') {
                return Ok(whole);
            }
            let record = self.accept(&line[..length - 1]);
            let broken = || Error::Broken { path: path.to_owned(), record: self.next };
            look(record.ok_or_else(broken)?);
            self.next += 1;
            whole += length as u64;
        }
    }

    fn accept(&mut self, line: &[u8]) -> Option<Record> {
        let (hash, json) = line.split_at_checked(64)?;
        let json = json.strip_prefix(b" ")?;
        let expected = chained(&self.hash, json);
        if hash != HEXLOWER.encode(&expected).as_bytes() {
            return None;
        }
        self.hash = expected;
        let record: Record = serde_json::from_slice(json).ok()?;
        (record.seq == self.next).then_some(record)
    }
}

fn chained(previous: &[u8; 32], record: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(previous).chain_update(record).finalize().into()
}

fn put_torn_tail_aside(path: &Path, whole: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    let mut torn = Vec::new();
    let mut file = disk::open(path)?;
    file.seek(SeekFrom::Start(whole))?;
    file.read_to_end(&mut torn)?;
    disk::write_whole(&path.with_file_name(format!("torn-at-{whole}")), &torn)?;
    let file = disk::append(path)?;
    file.set_len(whole)?;
    disk::sync_file(&file)
}

/// The time for records and reasons, RFC 3339 in UTC.
pub fn now() -> String {
    humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: u64) -> Event {
        Event::Repeated { batch: "b".into(), instances: n }
    }

    fn filled(folder: &Path) -> Vec<u8> {
        let log = Log::open(folder).unwrap();
        for n in 0..5 {
            assert_eq!(log.append(event(n)).unwrap().seq(), n);
        }
        std::fs::read(folder.join("log")).unwrap()
    }

    #[test]
    fn goes_on_where_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path());
        assert_eq!(Log::open(folder.path()).unwrap().append(Event::Stopped).unwrap().seq(), 5);
        let mut seen = Vec::new();
        read(folder.path(), |record| seen.push(record.event)).unwrap();
        assert_eq!((seen.len(), &seen[3], &seen[5]), (6, &event(3), &Event::Stopped));
    }

    #[test]
    fn any_change_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = filled(folder.path());
        let path = folder.path().join("log");
        let verifies = |bytes: &[u8]| {
            File::create(&path).unwrap().write_all(bytes).unwrap();
            read(folder.path(), |_| ()).is_ok()
        };
        assert!(verifies(&bytes));
        for at in (0..bytes.len()).filter(|at| bytes[*at] != b'\n') {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!verifies(&changed), "byte {at}");
        }
        let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
        assert!(!verifies(&[lines[0], lines[2]].concat()));
        assert!(!verifies(&[lines[1], lines[0]].concat()));
    }

    #[test]
    fn a_torn_last_line_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = filled(folder.path());
        let path = folder.path().join("log");
        File::create(&path).unwrap().write_all(&bytes[..bytes.len() - 9]).unwrap();
        assert_eq!(Log::open(folder.path()).unwrap().append(event(4)).unwrap().seq(), 4);
        assert!(read(folder.path(), |_| ()).is_ok());
        assert_eq!(disk::list(folder.path()).unwrap().len(), 2);
    }
}
