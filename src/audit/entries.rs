//! The records as they lie in one file, a line each, read in blocks that several processors can look at.
//!
//! tlog-tiles would have bundles of 256 entries of at most 64 KiB. One file that only grows needs one sync for
//! any number of records, takes records of any length, and is read with `less`.

use super::details::{self, Lines, There};
use super::tree::{self, Hash};
use crate::disk;
use rayon::prelude::*;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes that are read at a time.
const BLOCK: usize = 1 << 20;

/// A record as it lies on the disk.
pub struct Line<'a> {
    /// Position, from 0.
    pub seq: u64,
    /// Its bytes in the log, without the newline: they are what is signed.
    pub bytes: &'a [u8],
    /// What lies beside the log of the patient that it is about.
    pub detail: There<'a>,
}

impl Line<'_> {
    /// Its hash as a leaf of the tree.
    pub fn hash(&self) -> Hash {
        tree::leaf(self.bytes)
    }

    /// Whether its detail is not what it commits to.
    pub fn is_wrong(&self) -> bool {
        self.detail == There::Wrong
    }

    /// All that it says, as one record.
    pub fn whole(&self) -> Cow<'_, [u8]> {
        let whole = match self.detail {
            There::Whole(text) => details::whole(self.bytes, text),
            There::None | There::Erased | There::Wrong => None,
        };
        whole.map_or(Cow::Borrowed(self.bytes), Cow::Owned)
    }
}

/// Whole lines of the file.
pub struct Block {
    /// Position of its first record.
    pub first: u64,
    bytes: Vec<u8>,
    lines: usize,
    details: Vec<(u64, Vec<u8>)>,
}

impl Block {
    /// Bytes, with the newlines.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What `look` makes of every record, in order.
    pub fn map<T: Send>(&self, look: impl Fn(&Line<'_>) -> T + Sync) -> Vec<T> {
        let lines: Vec<&[u8]> = self.bytes.split(|b| *b == b'\n').take(self.lines).collect();
        let numbered = lines.par_iter().enumerate().with_min_len(64);
        let line = |(n, bytes)| {
            let seq = self.first + n as u64;
            Line { seq, bytes, detail: details::there(bytes, self.detail(seq)) }
        };
        numbered.map(|(n, bytes)| look(&line((n, *bytes)))).collect()
    }

    fn detail(&self, seq: u64) -> Option<&[u8]> {
        // A log that was changed may have several, in any order: then none is the one.
        let at = self.details.partition_point(|(of, _)| *of < seq);
        self.details.get(at).filter(|(of, _)| *of == seq).map(|(_, text)| text.as_slice())
    }
}

/// Reads the file from its beginning.
pub struct Entries {
    /// `None`: there is no such file, and no record.
    file: Option<File>,
    next: u64,
    most: u64,
    rest: Vec<u8>,
    details: Lines,
}

impl Entries {
    /// The first so many records of a log.
    ///
    /// # Errors
    /// What the system says.
    pub fn first(audit: &Path, most: u64) -> io::Result<Self> {
        let file = match disk::open(&audit.join("log")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => Some(file?),
        };
        let details = Lines::of(audit)?;
        Ok(Entries { file, next: 0, most, rest: Vec::new(), details })
    }

    /// All that is there.
    ///
    /// # Errors
    /// What the system says.
    pub fn all(audit: &Path) -> io::Result<Self> {
        Entries::first(audit, u64::MAX)
    }

    /// Goes on to so many records, which were signed since.
    pub fn up_to(&mut self, most: u64) {
        self.most = most;
    }

    /// Bytes behind the last whole line, once there is no further block.
    pub fn torn(&self) -> usize {
        self.rest.len()
    }

    /// The next block; `None` when all records that are wanted were read.
    ///
    /// # Errors
    /// What the system says.
    pub fn block(&mut self) -> io::Result<Option<Block>> {
        let wanted = usize::try_from(self.most - self.next).unwrap_or(usize::MAX);
        let Some(mut file) = self.file.as_ref().filter(|_| wanted > 0) else { return Ok(None) };
        let mut bytes = std::mem::take(&mut self.rest);
        // One line may be longer than a block.
        while file.by_ref().take(BLOCK as u64).read_to_end(&mut bytes)? > 0 {
            if bytes.contains(&b'\n') {
                break;
            }
        }
        let ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').take(wanted);
        let (lines, whole) = ends.fold((0, 0), |(lines, _), (at, _)| (lines + 1, at + 1));
        self.rest = bytes.split_off(whole);
        let first = self.next;
        self.next += lines as u64;
        let details = self.details.below(self.next)?;
        Ok((lines > 0).then_some(Block { first, bytes, lines, details }))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::*;

    #[test]
    fn records_are_what_stands_between_newlines() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(2 * BLOCK + 5);
        let text = format!("a\n\n{long}\nb\ntorn");
        std::fs::write(folder.path().join("log"), &text).unwrap();
        let read = |mut entries: Entries| {
            let mut found = Vec::new();
            while let Some(block) = entries.block().unwrap() {
                found.extend(block.map(|line| (line.seq, line.bytes.len())));
            }
            (found, entries.torn())
        };
        let lengths = [(0, 1), (1, 0), (2, long.len()), (3, 1)];
        assert_eq!(read(Entries::all(folder.path()).unwrap()), (lengths.to_vec(), 4));
        let (found, _) = read(Entries::first(folder.path(), 2).unwrap());
        assert_eq!(found, lengths[..2]);
    }
}
