//! What an auditor asks of a log: is it whole, is it what was signed, and if not, what was done to it.
//!
//! The checkpoints say whether; the tiles, while they still are those of a checkpoint, say which record. Where records
//! and tiles were both changed, the places that the records give for themselves are all there is to go by.

use super::checkpoint::{Checkpoint, Verifier};
use super::details::There;
use super::entries::Entries;
use super::tree::{self, Hash};
use super::{Error, key, newest, tiles};
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a gateway may take to sign what it has written.
const MOMENT: Duration = Duration::from_secs(1);

/// What was found.
#[derive(Debug)]
pub struct Verification {
    /// Records that are there.
    pub records: u64,
    /// What the newest checkpoint says, if it holds.
    pub checkpoint: Option<Checkpoint>,
    /// Records of which what they said of their patient was erased.
    pub erased: u64,
    /// Everything that is wrong; empty when all is well.
    pub findings: Vec<Finding>,
}

/// Something that is wrong. Records are counted from 0, as they stood when they were signed, unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A record has other bytes.
    #[error("record {0} was changed")]
    Changed(u64),
    /// A record is gone, and later ones are there.
    #[error("record {0} was deleted")]
    Deleted(u64),
    /// A record that was never signed, or a second time one that was.
    #[error("what stands at place {0} now was inserted")]
    Inserted(u64),
    /// A record stands where another one stood.
    #[error("record {0} was moved")]
    Moved(u64),
    /// What lies beside the log is not what the record commits to, and was not erased.
    #[error("what record {0} says of its patient was changed, or is gone: see audit/details")]
    Detail(u64),
    /// The end is gone.
    #[error("records from {have} on are gone: {signed} were signed by {by}")]
    RolledBack {
        /// Records that are there.
        have: u64,
        /// Records that were.
        signed: u64,
        /// The checkpoint that knows.
        by: String,
    },
    /// Nothing says which.
    #[error("of records {from} to {to} at least one is not what was signed by {by}")]
    Rewritten {
        /// First record that may be it.
        from: u64,
        /// Last one.
        to: u64,
        /// The checkpoint that knows.
        by: String,
    },
    /// Records behind the newest checkpoint.
    #[error(
        "records from place {from} on ({records} of them) are not signed: a crash left them, or somebody put them there. Nothing was sent on them; the next start puts them aside"
    )]
    Unsigned {
        /// The first.
        from: u64,
        /// How many.
        records: u64,
    },
    /// Records are as they were signed, their hashes on disk are not.
    #[error("{} does not fit the records, which are as they were signed. Remove audit/tile: the next start makes it again", .0.display())]
    Tile(PathBuf),
    /// The public key beside the log is another one.
    #[error("audit/key is not the key by which this log is verified: somebody has changed it")]
    Key,
    /// The newest checkpoint proves nothing.
    #[error("the newest checkpoint: {0}")]
    Checkpoint(String),
}

/// The same, once more after a moment where nothing is wrong but that the last records are not signed: a gateway that runs may
/// just be about to sign them.
///
/// # Errors
/// As [`verify`].
pub fn settled(look: impl Fn() -> Result<Verification, Error>) -> Result<Verification, Error> {
    let found = look()?;
    if let [Finding::Unsigned { .. }] = found.findings[..] {
        std::thread::sleep(MOMENT);
        return look();
    }
    Ok(found)
}

/// Compares a log with its newest checkpoint and with others that were kept elsewhere, each with the name of its file.
/// `progress` hears how many bytes were read.
///
/// # Errors
/// [`Error::Io`] when it cannot be read. Whatever is wrong with the log is a [`Finding`].
pub fn verify(
    directory: &Path,
    verifier: &Verifier,
    kept: &[(String, Checkpoint)],
    progress: impl Fn(u64),
) -> Result<Verification, Error> {
    let io = |error| Error::io(directory, error);
    // In this order: what a running gateway adds meanwhile can only make the later ones longer.
    let known = tiles::leaves(directory).map_err(io)?;
    let mut findings = Vec::new();
    let opened = newest(directory).map(|note| verifier.open(&note));
    let newest = match opened {
        Ok(Ok(checkpoint)) => Some(checkpoint),
        Ok(Err(why)) => {
            findings.push(Finding::Checkpoint(why.to_string()));
            None
        }
        Err(error @ Error::Io { .. }) => return Err(error),
        Err(error) => {
            findings.push(Finding::Checkpoint(error.to_string()));
            None
        }
    };
    if key(directory).ok().as_ref() != Some(verifier) {
        findings.push(Finding::Key);
    }
    let there = Log::read(directory, progress)?;
    if newest.is_none() {
        // Nothing is signed; what the tiles say is better than nothing.
        named(&known, &there.leaves, &mut findings);
    }
    let own = newest.iter().map(|checkpoint| ("the newest checkpoint", checkpoint));
    let others = kept.iter().map(|(name, checkpoint)| (name.as_str(), checkpoint));
    let all: Vec<(&str, &Checkpoint)> = own.chain(others).collect();
    for (by, checkpoint) in &all {
        there.compare(checkpoint, by, &known, &mut findings);
    }
    let signed = all.iter().map(|(_, checkpoint)| checkpoint.size).max().unwrap_or(0);
    let (have, tiles) = (there.leaves.len() as u64, known.len() as u64);
    if newest.is_some() && tiles > signed {
        // Tiles are written after the checkpoint: somebody has put an older one there.
        let by = "a checkpoint that is older than the tiles".to_owned();
        findings.push(Finding::RolledBack { have: signed.min(have), signed: tiles, by });
    }
    // Behind the last signed record it is nobody's yet.
    findings.extend(there.wrong.iter().filter(|seq| **seq < signed).map(|n| Finding::Detail(*n)));
    if findings.is_empty() {
        let wrong = tiles_that_are_wrong(directory, &there.leaves, &known).map_err(io)?;
        findings.extend(wrong.map(Finding::Tile));
        let records = have - signed.min(have) + u64::from(there.is_torn);
        if records > 0 {
            findings.push(Finding::Unsigned { from: signed, records });
        }
    }
    let mut seen = Vec::new();
    findings.retain(|finding| {
        !seen.contains(finding) && {
            seen.push(finding.clone());
            true
        }
    });
    Ok(Verification { records: have, checkpoint: newest, erased: there.erased, findings })
}

/// The records that are there.
struct Log {
    leaves: Vec<Hash>,
    /// Records that do not say that they stand where they stand.
    astray: Vec<(u64, Option<u64>)>,
    is_torn: bool,
    /// Records whose detail is not what they commit to.
    wrong: Vec<u64>,
    erased: u64,
}

impl Log {
    fn read(directory: &Path, progress: impl Fn(u64)) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Place {
            seq: u64,
        }
        let io = |error| Error::io(directory, error);
        let said = |line: &[u8]| serde_json::from_slice::<Place>(line).ok().map(|place| place.seq);
        let mut entries = Entries::all(directory).map_err(io)?;
        let (mut leaves, mut astray) = (Vec::new(), Vec::new());
        let (mut wrong, mut erased) = (Vec::new(), 0);
        while let Some(block) = entries.block().map_err(io)? {
            let seen = block.map(|line| {
                let is_erased = line.detail == There::Erased;
                (line.seq, said(line.bytes), line.hash(), line.is_wrong(), is_erased)
            });
            for (place, seq, hash, is_wrong, is_erased) in seen {
                leaves.push(hash);
                wrong.extend(is_wrong.then_some(place));
                erased += u64::from(is_erased);
                if seq != Some(place) {
                    astray.push((place, seq));
                }
            }
            progress(block.bytes() as u64);
        }
        Ok(Log { leaves, astray, is_torn: entries.torn() > 0, wrong, erased })
    }

    /// Says what was done to the records since a checkpoint was signed.
    fn compare(&self, signed: &Checkpoint, by: &str, known: &[Hash], to: &mut Vec<Finding>) {
        let (have, size) = (self.leaves.len() as u64, signed.size);
        let is_root = |leaves: &[Hash]| {
            leaves.len() as u64 >= size && tree::root(&leaves[..size as usize]) == signed.root
        };
        if is_root(&self.leaves) {
            return;
        }
        let before = to.len();
        let by = by.to_owned();
        let known = if is_root(known) { &known[..size as usize] } else { known };
        let is_cut_off = named(known, &self.leaves, to);
        if to.len() == before && !is_root(known) {
            to.extend(self.astray.first().map(|(place, seq)| match seq {
                Some(seq) if seq > place => Finding::Deleted(*place),
                Some(_) => Finding::Inserted(*place),
                None => Finding::Changed(*place),
            }));
        }
        if have < size && (is_cut_off || to.len() == before) {
            to.push(Finding::RolledBack { have, signed: size, by });
        } else if to.len() == before {
            let from = if known.len() as u64 >= size { 0 } else { known.len() as u64 };
            to.push(Finding::Rewritten { from, to: size - 1, by });
        }
    }
}

/// Says what leads from one list of hashes to the other, as far as the first goes: what is behind it is not known.
/// Whether the end is gone.
fn named(known: &[Hash], there: &[Hash], to: &mut Vec<Finding>) -> bool {
    let same = known.iter().zip(there).take_while(|(a, b)| a == b).count();
    let tail = known[same..].iter().rev().zip(there[same..].iter().rev());
    let behind = tail.take_while(|(a, b)| a == b).count();
    let (known, there) = (&known[same..known.len() - behind], &there[same..there.len() - behind]);
    let base = same as u64;
    let mut places: HashMap<&Hash, u64> = known.iter().zip(base..).collect();
    // The records that are still there, in the order in which they are; and those that never were.
    let (mut kept, mut strange) = (Vec::new(), Vec::new());
    for (place, hash) in (base..).zip(there) {
        match places.remove(hash) {
            Some(record) => kept.push(record),
            None => strange.push((place, kept.last().map_or(base, |last: &u64| last + 1))),
        }
    }
    let mut gone: BTreeSet<u64> = places.into_values().collect();
    for (place, expected) in strange {
        if gone.remove(&expected) {
            to.push(Finding::Changed(expected));
        } else if gone.remove(&place) {
            to.push(Finding::Changed(place));
        } else if !known.is_empty() || behind > 0 {
            to.push(Finding::Inserted(place));
        }
    }
    let end = base + known.len() as u64;
    let cut = (base..end).rev().take_while(|record| behind == 0 && gone.remove(record)).count();
    to.extend(gone.into_iter().map(Finding::Deleted));
    let mut sorted = kept.clone();
    sorted.sort_unstable();
    let moved = kept.iter().zip(&sorted).filter(|(is, should)| is != should);
    to.extend(moved.map(|(record, _)| Finding::Moved(*record)));
    cut > 0
}

/// A tile that does not fit records that are as they were signed.
fn tiles_that_are_wrong(
    directory: &Path,
    leaves: &[Hash],
    known: &[Hash],
) -> std::io::Result<Option<PathBuf>> {
    match leaves.iter().zip(known).position(|(leaf, known)| leaf != known) {
        Some(record) => Ok(Some(tiles::of_record(record as u64))),
        // No further than the tiles below go: a running gateway adds to both.
        None => tiles::wrong_above(directory, &leaves[..known.len().min(leaves.len())]),
    }
}
