//! The log, open for appending: records that come at the same time share their syncs.
//!
//! ```text
//! append -> line and place, in memory --+            one of those who wait does, for all:
//! append -> line and place -------------+-> log: write, fdatasync -> checkpoint: signed, synced -> tiles -> receipts
//! append -> line and place --+
//!                            +-> the next round
//! ```
//! What the newest checkpoint does not cover was never acknowledged to anybody: the next start puts it aside.

use super::checkpoint::{Signer, Verifier};
use super::details::{self, Detail};
use super::entries::Entries;
use super::tiles::{self, Tiles};
use super::tree::{self, Frontier, Hash};
use super::{Error, Event, Journal, Receipt, Record};
use crate::clock;
use crate::disk;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The log, open for appending.
pub struct Log {
    directory: PathBuf,
    verifier: Verifier,
    queue: Mutex<Queue>,
    /// Somebody's round is over.
    over: Condvar,
    book: Mutex<Book>,
}

/// Records on their way to the disk.
#[derive(Default)]
struct Queue {
    /// Lines of the records from `durable` on that nobody writes yet.
    lines: Vec<u8>,
    /// Lines of what they say of patients.
    details: Vec<u8>,
    hashes: Vec<Hash>,
    /// Position of the next record.
    next: u64,
    /// Records that are on disk, and signed.
    durable: u64,
    /// Somebody writes.
    is_writing: bool,
    failed: bool,
}

/// The files, and what they hold.
struct Book {
    file: File,
    details: File,
    signer: Signer,
    tree: Frontier,
    tiles: Tiles,
    /// The newest checkpoint.
    note: String,
}

impl Log {
    /// Opens the log of a state directory and verifies all of it, or begins one.
    ///
    /// # Errors
    /// [`Error`]: it was changed, it is shorter than what was signed, its checkpoint is gone or another key's. Nothing
    /// was changed then.
    pub fn open(directory: &Path, signer: Signer) -> Result<Self, Error> {
        let io = |error| Error::io(directory, error);
        if ["log", "checkpoint", "tile"].iter().all(|name| !directory.join(name).exists()) {
            let empty = signer.sign(0, tree::root(&[]));
            disk::write_whole(&directory.join("checkpoint"), empty.as_bytes()).map_err(io)?;
        }
        let note = super::newest(directory)?;
        let checkpoint = signer.verifier().open(&note);
        let checkpoint = checkpoint.map_err(|why| Error::checkpoint(directory, why))?;
        let Signed { leaves, bytes, wrong_detail } =
            signed(directory, checkpoint.size).map_err(io)?;
        super::judge(directory, &checkpoint, &leaves)?;
        if let Some(record) = wrong_detail {
            return Err(Error::Detail { path: directory.to_owned(), record });
        }

        let file = disk::append(&directory.join("log")).map_err(io)?;
        put_the_rest_aside(directory, &file, bytes).map_err(io)?;
        let details = details::settle(directory, checkpoint.size).map_err(io)?;
        let (tiles, wrong) = Tiles::settle(directory, &leaves).map_err(io)?;
        if wrong > 0 {
            tracing::warn!(wrong, "tiles of the audit log were wrong; they are made again");
        }
        let key = format!("{}\n", signer.verifier());
        disk::write_whole(&directory.join("key"), key.as_bytes()).map_err(io)?;
        let mut tree = Frontier::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf, |_, _, _| ()));
        disk::sync_dir(directory).map_err(io)?;
        let size = checkpoint.size;
        Ok(Log {
            directory: directory.to_owned(),
            verifier: signer.verifier().clone(),
            queue: Mutex::new(Queue { next: size, durable: size, ..Queue::default() }),
            over: Condvar::new(),
            book: Mutex::new(Book { file, details, signer, tree, tiles, note }),
        })
    }

    /// Writes a record; it is synced and signed when this returns.
    ///
    /// # Errors
    /// [`Error::Io`] once, then [`Error::Poisoned`] for ever: what is on disk is no longer known.
    pub fn append(&self, event: Event) -> Result<Receipt, Error> {
        let mut queue = self.queue();
        if queue.failed {
            return Err(Error::Poisoned);
        }
        let receipt = queue.add(event).map_err(|error| Error::io(&self.directory, error))?;
        loop {
            if queue.durable > receipt.seq {
                return Ok(receipt);
            }
            if queue.failed {
                return Err(Error::Poisoned);
            }
            queue = if queue.is_writing {
                self.over.wait(queue).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.write(queue)?
            };
        }
    }

    /// By what it is verified.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The newest checkpoint, a signed note.
    pub fn checkpoint(&self) -> String {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).note.clone()
    }

    /// Whether a checkpoint of this log is one that this log has passed.
    ///
    /// # Errors
    /// [`Error`]: it is not of this log, or the log was rolled back or rewritten since.
    pub fn has_passed(&self, note: &str) -> Result<(), Error> {
        let seen =
            self.verifier.open(note).map_err(|why| Error::checkpoint(&self.directory, why))?;
        let leaves = tiles::leaves(&self.directory).map_err(|e| Error::io(&self.directory, e))?;
        super::judge(&self.directory, &seen, &leaves)
    }

    /// Writes everything that waits, for all who wait.
    fn write<'a>(
        &'a self,
        mut queue: MutexGuard<'a, Queue>,
    ) -> Result<MutexGuard<'a, Queue>, Error> {
        let lines = std::mem::take(&mut queue.lines);
        let details = std::mem::take(&mut queue.details);
        let hashes = std::mem::take(&mut queue.hashes);
        queue.is_writing = true;
        drop(queue);
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let written = book.write(&self.directory, &details, &lines, &hashes);
        let size = book.tree.size();
        drop(book);
        let mut queue = self.queue();
        queue.is_writing = false;
        match &written {
            Ok(()) => queue.durable = size,
            Err(_) => queue.failed = true,
        }
        self.over.notify_all();
        written.map(|()| queue).map_err(|error| Error::io(&self.directory, error))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for Log {
    fn append(&self, event: Event) -> Result<Receipt, Error> {
        Log::append(self, event)
    }
}

impl Queue {
    /// Gives a record its place. The receipt counts when the record is durable.
    fn add(&mut self, mut event: Event) -> io::Result<Receipt> {
        let detail = match &mut event {
            Event::Released(release) => Some(Detail::part(release).seal(self.next)?),
            _ => None,
        };
        let (text, detail) = detail.unzip();
        let line = Record { seq: self.next, time: clock::stamp(), detail, event };
        let line = serde_json::to_vec(&line)?;
        self.details.extend(text.unwrap_or_default());
        let receipt = Receipt { seq: self.next, hash: tree::leaf(&line) };
        self.lines.extend(line);
        self.lines.push(b'\n');
        self.hashes.push(receipt.hash);
        self.next += 1;
        Ok(receipt)
    }
}

impl Book {
    fn write(
        &mut self,
        directory: &Path,
        details: &[u8],
        lines: &[u8],
        hashes: &[Hash],
    ) -> io::Result<()> {
        if !details.is_empty() {
            self.details.write_all(details)?;
            disk::sync_file(&self.details)?;
        }
        self.file.write_all(lines)?;
        disk::sync_file(&self.file)?;
        hashes.iter().for_each(|hash| self.tiles.push(&mut self.tree, *hash));
        let note = self.signer.sign(self.tree.size(), self.tree.root());
        disk::write_whole(&directory.join("checkpoint"), note.as_bytes())?;
        self.note = note;
        self.tiles.write()
    }
}

/// The records that are signed, as far as they are there.
struct Signed {
    leaves: Vec<Hash>,
    /// Bytes that they take.
    bytes: u64,
    /// The first record whose detail is not what it commits to.
    wrong_detail: Option<u64>,
}

fn signed(directory: &Path, size: u64) -> io::Result<Signed> {
    let mut entries = Entries::first(directory, size)?;
    let mut signed = Signed { leaves: Vec::new(), bytes: 0, wrong_detail: None };
    while let Some(block) = entries.block()? {
        signed.bytes += block.bytes() as u64;
        for (seq, hash, is_wrong) in block.map(|line| (line.seq, line.hash(), line.is_wrong())) {
            signed.leaves.push(hash);
            signed.wrong_detail = signed.wrong_detail.or(is_wrong.then_some(seq));
        }
    }
    Ok(signed)
}

/// What a crash left behind the last signed record. It is kept: somebody else may have put it there.
fn put_the_rest_aside(directory: &Path, log: &File, whole: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    if log.metadata()?.len() <= whole {
        return Ok(());
    }
    let (mut file, mut rest) = (disk::open(&directory.join("log"))?, Vec::new());
    file.seek(SeekFrom::Start(whole))?;
    file.read_to_end(&mut rest)?;
    tracing::warn!(bytes = rest.len(), "records that nobody was told of are put aside");
    disk::write_whole(&directory.join(format!("torn-at-{whole}")), &rest)?;
    log.set_len(whole)?;
    disk::sync_file(log)
}
