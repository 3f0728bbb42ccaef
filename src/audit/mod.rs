//! The transform log: a record a decision, durable and signed before anything leaves.
//!
//! ```text
//! audit/log           the records, a line of JSON each: the leaves of a Merkle tree (RFC 6962)    entries.rs
//! audit/details       what they say of patients: committed to by the records, and erasable            details.rs
//! audit/tile/L/NNN    the tree's hashes, 256 a tile (C2SP tlog-tiles); a cache                    tiles.rs
//! audit/checkpoint    size and root, signed (C2SP tlog-checkpoint, Ed25519)                       checkpoint.rs
//!                     a second efface signs it, too, if it goes on from the last that it signed          cosign.rs
//! audit/key           the public key: take a copy of it when the gateway is installed
//! ```
//! The log holds no PHI: pseudonyms as they were sent, keyed handles and digests, counts, digests of outputs.
//! A [`Receipt`] exists only when the record that it stands for is on disk and signed. Records beyond the newest
//! checkpoint count for nothing.

mod checkpoint;
mod cosign;
mod details;
mod entries;
mod event;
mod evidence;
mod export;
mod follow;
mod log;
mod proof;
pub mod relay;
mod tiles;
mod tree;
mod verify;
mod witness;

pub use checkpoint::{Checkpoint, Error as CheckpointError, Signer, Verifier};
pub use cosign::{Cosigned, Refused, Witnessing};
pub use details::{Detail, erase};
pub use entries::Line;
pub use event::{Activated, EXPIRED, Event, Record, Release, SeriesFace, WITHDRAWN};
pub use evidence::{Evidence, Kept, Treated, evidence};
pub use export::{CSV_HEAD, Filter, Row};
pub use follow::Follower;
pub use log::Log;
pub use proof::{Proof, prove};
pub use verify::{Finding, Verification, settled, verify};
pub use witness::Witness;

use crate::disk;
use entries::Entries;
use std::io;
use std::path::{Path, PathBuf};
pub use tree::Hash;

/// Why the log cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A record is not the one that was signed.
    #[error(
        "the audit log in {path} does not verify at record {record}: it was changed. Keep it, restore the log from a backup or start with a new state directory; efface audit verify says more"
    )]
    Broken {
        /// The directory.
        path: PathBuf,
        /// The first record that does not verify, from 0.
        record: u64,
    },
    /// What a record says of its patient is not what it commits to, and was not erased.
    #[error(
        "what record {record} of the audit log in {path} says of its patient was changed, or is gone: audit/details is not what was written. Keep it, restore the log from a backup or start with a new state directory"
    )]
    Detail {
        /// The directory.
        path: PathBuf,
        /// The record, from 0.
        record: u64,
    },
    /// Records and their tiles were changed together, so that nothing says where.
    #[error(
        "the first {size} records of the audit log in {path} are not those that were signed: history was rewritten. Keep it, restore the log from a backup or start with a new state directory"
    )]
    Rewritten {
        /// The directory.
        path: PathBuf,
        /// Size of the checkpoint that does not fit.
        size: u64,
    },
    /// There are fewer records than were signed.
    #[error(
        "the audit log in {path} has {have} records, and {signed} were signed: it was cut off or rolled back. Keep it, restore the log from a backup or start with a new state directory"
    )]
    RolledBack {
        /// The directory.
        path: PathBuf,
        /// Records that are there.
        have: u64,
        /// Size of the checkpoint.
        signed: u64,
    },
    /// There is no checkpoint, or none that says anything.
    #[error(
        "the newest checkpoint of the audit log in {path}: {why}. Restore it from checkpoint_file or from a backup, check the key file, or start with a new state directory"
    )]
    Checkpoint {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        why: CheckpointError,
    },
    /// A file of checkpoints outside the state directory is ahead of the log, or of another history.
    #[error(
        "{file} holds a checkpoint that this log has not passed ({why}). Find out who put an older state directory in place; if it was you, move the file away and start again"
    )]
    Witness {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: Box<Error>,
    },
    /// The system refused.
    #[error("the audit log in {path}: {error}. Nothing leaves until it can be written")]
    Io {
        /// The directory.
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

impl Error {
    fn io(path: &Path, error: io::Error) -> Self {
        Error::Io { path: path.to_owned(), error }
    }

    fn checkpoint(path: &Path, why: CheckpointError) -> Self {
        Error::Checkpoint { path: path.to_owned(), why }
    }
}

/// Proof that a record is on disk and signed. Only the log makes one.
#[derive(Debug)]
pub struct Receipt {
    seq: u64,
    hash: Hash,
}

impl Receipt {
    /// Position of the record.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Its hash as a leaf of the tree.
    pub fn hash(&self) -> &Hash {
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

/// What [`walk`] has verified.
pub struct Walked {
    /// The newest checkpoint, as it was signed.
    pub note: String,
    leaves: Vec<Hash>,
}

/// The newest checkpoint of a log, as it is signed, and what proves that it goes on from its first `old` records. Rests on
/// the tiles: where they are wrong, so is the proof, and whoever checks it will say so.
///
/// # Errors
/// [`Error::RolledBack`] if it has fewer records; [`Error::Io`], [`Error::Checkpoint`].
pub fn since(directory: &Path, old: u64) -> Result<(String, Vec<Hash>), Error> {
    let note = newest(directory)?;
    let checkpoint = key(directory)?.open(&note);
    let size = checkpoint.map_err(|why| Error::checkpoint(directory, why))?.size;
    let leaves = tiles::leaves(directory).map_err(|error| Error::io(directory, error))?;
    let have = size.min(leaves.len() as u64);
    if have < size || old > size {
        let (path, signed) = (directory.to_owned(), size.max(old));
        return Err(Error::RolledBack { path, have, signed });
    }
    let proof = match old {
        0 => Vec::new(),
        _ => tree::consistency(&leaves[..size as usize], old as usize),
    };
    Ok((note, proof))
}

/// The public key that lies beside the log. Who may change the log may change it too: an auditor compares it with a
/// copy of his own.
///
/// # Errors
/// [`Error::Io`], [`Error::Checkpoint`] when it does not read.
pub fn key(directory: &Path) -> Result<Verifier, Error> {
    let text = read_small(directory, "key")?;
    text.parse().map_err(|_| Error::checkpoint(directory, CheckpointError::Key))
}

/// Verifies a log by the key beside it, without changing it, and hands every record to `look`.
///
/// # Errors
/// [`Error`]: what `look` saw may be wrong, too.
pub fn read(directory: &Path, mut look: impl FnMut(Record)) -> Result<(), Error> {
    let verifier = key(directory)?;
    let parse = |line: &Line<'_>| {
        serde_json::from_slice::<Record>(&line.whole()).ok().filter(|record| record.seq == line.seq)
    };
    let (mut at, mut broken) = (0, None);
    walk(directory, &verifier, parse, |record| {
        match record {
            Some(record) => look(record),
            None => broken = broken.or(Some(at)),
        }
        at += 1;
        Ok(())
    })?;
    match broken {
        Some(record) => Err(Error::Broken { path: directory.to_owned(), record }),
        None => Ok(()),
    }
}

/// Verifies a log by the key beside it, and hands every record to `look` in which one of the words stands.
///
/// # Errors
/// [`Error`]: what `look` saw may be wrong, too.
pub fn search(directory: &Path, words: &[&str], mut look: impl FnMut(Record)) -> Result<(), Error> {
    let finder = aho_corasick::AhoCorasick::new(words);
    let finder = finder.map_err(|error| Error::io(directory, io::Error::other(error)))?;
    let parse = |line: &Line<'_>| {
        let whole = line.whole();
        finder.is_match(&*whole).then(|| serde_json::from_slice(&whole))
    };
    walk(directory, &key(directory)?, parse, |record| {
        record.transpose()?.into_iter().for_each(&mut look);
        Ok(())
    })
    .map(drop)
}

/// Verifies a log up to its newest checkpoint. `map` sees the records on several processors, `take` what it made of
/// them in order, before it is known that all verifies.
///
/// # Errors
/// [`Error`]: what was taken may be wrong, too; or what `take` says, as [`Error::Io`].
pub fn walk<T: Send>(
    directory: &Path,
    verifier: &Verifier,
    map: impl Fn(&Line<'_>) -> T + Sync,
    mut take: impl FnMut(T) -> io::Result<()>,
) -> Result<Walked, Error> {
    let io = |error| Error::io(directory, error);
    // In this order: what a running gateway adds meanwhile lies behind the checkpoint.
    let note = newest(directory)?;
    let checkpoint = verifier.open(&note).map_err(|why| Error::checkpoint(directory, why))?;
    let mut entries = Entries::first(directory, checkpoint.size).map_err(io)?;
    let (mut leaves, mut wrong) = (Vec::new(), None);
    while let Some(block) = entries.block().map_err(io)? {
        let seen = block.map(|line| (line.hash(), line.is_wrong(), map(line)));
        for (hash, is_wrong, made) in seen {
            wrong = wrong.or(is_wrong.then_some(leaves.len() as u64));
            leaves.push(hash);
            take(made).map_err(io)?;
        }
    }
    judge(directory, &checkpoint, &leaves)?;
    if let Some(record) = wrong {
        return Err(Error::Detail { path: directory.to_owned(), record });
    }
    Ok(Walked { note, leaves })
}

/// Whether the records with these hashes begin with those that were signed.
fn judge(directory: &Path, signed: &Checkpoint, leaves: &[Hash]) -> Result<(), Error> {
    let (path, size) = (directory.to_owned(), signed.size);
    let have = leaves.len() as u64;
    if have >= size && tree::root(&leaves[..size as usize]) == signed.root {
        return Ok(());
    }
    let known = tiles::leaves(directory).map_err(|error| Error::io(directory, error))?;
    match leaves.iter().zip(&known).position(|(leaf, known)| leaf != known) {
        Some(record) => Err(Error::Broken { path, record: record as u64 }),
        None if have < size => Err(Error::RolledBack { path, have, signed: size }),
        None => Err(Error::Rewritten { path, size }),
    }
}

/// The newest checkpoint, as it lies beside the log; whether it holds, a [`Verifier`] says.
///
/// # Errors
/// [`Error::Checkpoint`] if there is none, [`Error::Io`].
pub fn newest(directory: &Path) -> Result<String, Error> {
    read_small(directory, "checkpoint")
}

fn read_small(directory: &Path, name: &str) -> Result<String, Error> {
    match disk::read_text(&directory.join(name)) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(Error::checkpoint(directory, CheckpointError::Missing)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Error::checkpoint(directory, CheckpointError::Form))
        }
        Err(error) => Err(Error::io(directory, error)),
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests;
