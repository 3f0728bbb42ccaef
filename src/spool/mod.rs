//! The spool: states are directories, records are files, and `ls` is enough to see where a study is.
//!
//! ```text
//! state/
//!   inbox/tmp/ID            being received; not acknowledged, removed at start
//!   inbox/new/ID            acknowledged, not yet gathered; ID begins with a keyed tag of the instance
//!   studies/HANDLE/ID       gathered, until the study is quiet
//!   work/BATCH/ID           closed; a worker has it, or will after a restart
//!   outbox/DEST/tmp/BATCH/  drafts of a worker; removed at start
//!   outbox/DEST/ready/BATCH/  sealed parcels and their manifest, waiting to be sent
//!   outbox/DEST/sent/BATCH  all of them have arrived; until the batch is in delivered/
//!   held/BATCH/ID           identified originals until every destination has its parcels: held/BATCH/DEST.due
//!   delivered/BATCH/ID      identified originals until the retention time is over
//!   quarantine/BATCH[[.DEST].CODE]/  identified originals that a person must look at, and reason.json
//!   returned/NAME           how many instances a person put back from there, until it is in the log
//!   rejected/NAME/          what a person took out of there for good, until it is in the log (see rejected.rs)
//!   barred/ID               destinations for which an original never leaves that is still here for others
//!   under/ID                under which profile an original is tried again that a person put back for it (see under.rs)
//!   commitments/ID          requests for storage commitment that have not been reported on
//!   heads/HANDLE/TAG        where the head is in a frame of reference, as long as originals of the study are there
//!   reviews/ID              what two people let leave although a stage has its doubts (see reviews.rs)
//!   pull.json                 how often PACSs were asked about open studies, and how these were closed (see pull/tally.rs)
//!   ledger/HANDLE           which instances of a study were released, as keyed tags
//!   audit/                  the log (see audit/mod.rs)
//!   atna/cursor             how far the audit record repository is (see atna/cursor.rs)
//!   objections/             who objects, as keyed hashes (see objection/mod.rs)
//!   inbox/results/ results/   results that came back (see spool/results.rs)
//!   homes/HOME/             what was re-identified for a PACS (see custody/homebox.rs)
//!   crosswalk/PROJECT/      what pseudonyms stand for, encrypted (see crosswalk/mod.rs)
//!   erasures/               what destinations were asked to erase, as pseudonyms (see erasure/mod.rs)
//!   profiles/DEST/          profiles that were proposed for a destination (see shelf.rs)
//!   trials/                 drafts of commands that try something; removed at start
//!   recalls/                what destinations are to let go of, as pseudonyms (see recall.rs)
//! ```
//!
//! Every name is random or a keyed tag: nothing of a data set is in a path. A step from one
//! directory to the next is one rename, and every step can be done again.

pub mod account;
mod beside;
pub mod commitment;
pub mod entry;
pub mod heads;
pub mod inbox;
pub mod instances;
pub mod ledger;
pub mod quarantine;
pub mod rejected;
pub mod results;
pub mod reviews;
pub mod under;

use crate::clock;
use crate::disk;
use crate::key::Key;
use data_encoding::BASE32HEX_NOPAD;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The state directory, laid out and locked: one process at a time.
pub struct Spool {
    root: PathBuf,
    reserve_bytes: u64,
    poisoned: AtomicBool,
    settling: Mutex<()>,
    _lock: Option<File>,
}

/// The places of the spool that aren't named by a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Being received.
    Receiving,
    /// Acknowledged.
    Inbox,
    /// Gathered by study.
    Studies,
    /// Closed.
    Work,
    /// Originals of what is on its way.
    Held,
    /// Originals of what has arrived.
    Delivered,
    /// A person must look.
    Quarantine,
    /// Notes of what was put back from quarantine.
    Returned,
    /// What a person rejected.
    Rejected,
    /// Who never gets which original.
    Barred,
    /// Under which profile originals are tried again.
    Under,
    /// Requests for storage commitment.
    Commitments,
    /// Where heads are, for series that come later.
    Heads,
    /// What two people have looked at.
    Reviews,
    /// What was released before.
    Ledger,
    /// The log.
    Audit,
    /// How far the audit record repository is.
    Atna,
    /// Who objects.
    Objections,
}

/// All places with their directories.
const PLACES: [(Place, &str); 18] = [
    (Place::Receiving, "inbox/tmp"),
    (Place::Inbox, "inbox/new"),
    (Place::Studies, "studies"),
    (Place::Work, "work"),
    (Place::Held, "held"),
    (Place::Delivered, "delivered"),
    (Place::Quarantine, "quarantine"),
    (Place::Returned, "returned"),
    (Place::Rejected, "rejected"),
    (Place::Barred, "barred"),
    (Place::Under, "under"),
    (Place::Commitments, "commitments"),
    (Place::Heads, "heads"),
    (Place::Reviews, "reviews"),
    (Place::Ledger, "ledger"),
    (Place::Audit, "audit"),
    (Place::Atna, "atna"),
    (Place::Objections, "objections"),
];

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another efface has this state directory.
    #[error("{0} is in use by another efface. Stop it first, or give this one its own --state")]
    Locked(PathBuf),
    /// The system refused.
    #[error("state directory {path}: {error}")]
    Io {
        /// The state directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl Spool {
    /// Opens or lays out a state directory and takes its lock.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Io`].
    pub fn open(root: &Path, reserve_bytes: u64) -> Result<Self, Error> {
        let io = |error| Error::Io { path: root.to_owned(), error };
        for (_, directory) in PLACES {
            disk::make_dir(&root.join(directory)).map_err(io)?;
        }
        disk::make_dir(&root.join("outbox")).map_err(io)?;
        let lock = disk::append(&root.join("lock")).map_err(io)?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| Error::Locked(root.to_owned()))?;
        Ok(Spool {
            root: root.to_owned(),
            reserve_bytes,
            poisoned: AtomicBool::new(false),
            settling: Mutex::new(()),
            _lock: Some(lock),
        })
    }

    /// Looks into a state directory without its lock: for listing, and for a worker of the efface that has the lock.
    pub fn look(root: &Path) -> Self {
        Spool {
            root: root.to_owned(),
            reserve_bytes: 0,
            poisoned: AtomicBool::new(false),
            settling: Mutex::new(()),
            _lock: None,
        }
    }

    /// The same, never using so many bytes of the disk.
    pub fn keeping(self, reserve_bytes: u64) -> Self {
        Spool { reserve_bytes, ..self }
    }

    /// The state directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of a place.
    pub fn dir(&self, place: Place) -> PathBuf {
        let directory = PLACES.iter().find(|(p, _)| *p == place).map_or("", |(_, d)| d);
        self.root.join(directory)
    }

    /// Keeps others from moving or deleting originals while somebody counts how many names they have, until it is dropped:
    /// commands that decide about the quarantine, and the janitor.
    ///
    /// # Errors
    /// What the system says.
    pub fn alone(&self) -> io::Result<File> {
        let lock = disk::append(&self.root.join("deciding"))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
        Ok(lock)
    }

    /// Gives `inbox` or `outbox` to a group, and lets it find the way there.
    ///
    /// # Errors
    /// What the system says: the user of the gateway must be in that group.
    pub fn share(&self, directory: &str, gid: u32) -> io::Result<()> {
        disk::share(&self.root.join(directory), gid)?;
        disk::let_pass(&self.root)
    }

    /// The directory of requests for erasure (see erasure/mod.rs).
    pub fn erasures(&self) -> PathBuf {
        self.root.join("erasures")
    }

    /// Where commands that try something on a batch have their drafts: they are gone when the command ends.
    pub fn trials(&self) -> PathBuf {
        self.root.join("trials")
    }

    /// The directory of recalls (see recall.rs).
    pub fn recalls(&self) -> PathBuf {
        self.root.join("recalls")
    }

    /// The directory of what pseudonyms stand for.
    pub fn crosswalk(&self) -> PathBuf {
        self.root.join("crosswalk")
    }

    /// The outbox of a destination.
    pub fn outbox(&self, destination: &str) -> PathBuf {
        self.root.join("outbox").join(destination)
    }

    /// The destinations that have an outbox.
    ///
    /// # Errors
    /// What the system says.
    pub fn outboxes(&self) -> io::Result<Vec<String>> {
        disk::list(&self.root.join("outbox"))
    }

    /// Whether an fsync has failed, of whatever file: nothing more is acknowledged until somebody has looked at the disk.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst) || disk::sync_failures() > 0
    }

    /// Remembers that an fsync has failed.
    pub fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }

    /// Whether `bytes` more may be written without touching the reserve.
    pub fn has_room_for(&self, bytes: u64) -> bool {
        let needed = self.reserve_bytes.saturating_add(bytes);
        disk::free_bytes(&self.root).is_ok_and(|free| free >= needed)
    }

    /// Notes, durably, whether a destination is to get parcels of a batch in work.
    ///
    /// # Errors
    /// What the system says.
    pub fn mark_due(&self, destination: &str, batch: &str, is_due: bool) -> io::Result<()> {
        let mark = self.dir(Place::Work).join(batch).join(format!("{destination}{DUE}"));
        if is_due { disk::write_whole(&mark, b"") } else { disk::remove(&mark) }
    }

    /// Notes, durably, that all parcels of a batch have arrived at a destination, or were refused for good.
    ///
    /// # Errors
    /// What the system says.
    pub fn mark_sent(&self, destination: &str, batch: &str) -> io::Result<()> {
        disk::write_whole(&self.sent_mark(destination, batch), b"")
    }

    /// Whether all parcels of a batch have arrived at a destination.
    pub fn is_sent(&self, destination: &str, batch: &str) -> bool {
        self.sent_mark(destination, batch).exists()
    }

    /// Moves the originals of a batch on when every destination that it is due to has it. Nothing is concluded from
    /// parcels that aren't there. Called by the worker when it has made all parcels, and by each forwarder when it has
    /// sent its own.
    ///
    /// # Errors
    /// What the system says.
    pub fn settle(&self, batch: &str) -> io::Result<()> {
        let _one_at_a_time = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
        let due = self.due(batch)?;
        let arrived = |to: &String| self.is_sent(to, batch) && !self.has_parcels(to, batch);
        if due.is_empty() || !due.iter().all(arrived) {
            return Ok(());
        }
        self.move_batch(batch, Place::Held, Place::Delivered)?;
        self.mark_delivered(batch)?;
        due.iter().try_for_each(|to| disk::remove(&self.sent_mark(to, batch)))
    }

    /// Puts a held batch whose parcels are neither sent nor there back to work, to be made again; whether it was so.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_back_stranded(&self, batch: &str) -> io::Result<bool> {
        // A batch that is settled between two looks would seem to have lost its parcels.
        let _one_at_a_time = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = |to: &String| !self.is_sent(to, batch) && !self.has_parcels(to, batch);
        let stranded = self.due(batch)?.iter().any(gone);
        if stranded {
            self.move_batch(batch, Place::Held, Place::Work)?;
        }
        Ok(stranded)
    }

    /// Whether a destination has, or refused, parcels of a batch.
    pub fn has_parcels(&self, destination: &str, batch: &str) -> bool {
        let outbox = self.outbox(destination);
        ["ready", "refused"].iter().any(|state| outbox.join(state).join(batch).exists())
    }

    /// Destinations that are to get parcels of a held batch.
    fn due(&self, batch: &str) -> io::Result<Vec<String>> {
        let names = disk::list(&self.dir(Place::Held).join(batch))?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(DUE)).map(str::to_owned).collect())
    }

    fn sent_mark(&self, destination: &str, batch: &str) -> PathBuf {
        self.outbox(destination).join("sent").join(batch)
    }

    /// Notes the time from which a delivered batch is retained.
    ///
    /// # Errors
    /// What the system says.
    pub fn mark_delivered(&self, batch: &str) -> io::Result<()> {
        let since = self.dir(Place::Delivered).join(batch).join(DELIVERED);
        disk::write_whole(&since, clock::stamp().as_bytes())
    }

    /// How long a delivered batch has been retained; `None` where nothing tells.
    pub fn delivered_for(&self, batch: &str) -> Option<Duration> {
        let since = self.dir(Place::Delivered).join(batch).join(DELIVERED);
        clock::since(&disk::read_text(&since).ok()??)
    }

    /// Moves a batch from one place to another, durably. Already moved counts as done.
    ///
    /// # Errors
    /// What the system says.
    pub fn move_batch(&self, batch: &str, from: Place, to: Place) -> io::Result<()> {
        let (source, target) = (self.dir(from).join(batch), self.dir(to).join(batch));
        if !source.exists() && target.exists() {
            return Ok(());
        }
        disk::rename(&source, &target)?;
        disk::sync_dir(&self.dir(to))?;
        disk::sync_dir(&self.dir(from))
    }
}

/// Ends the name of the file that says to whom a batch is due. Not a spool entry.
const DUE: &str = ".due";

/// The file that says since when a batch has been delivered. Not a spool entry.
const DELIVERED: &str = "delivered.txt";

/// Names of the entries in a directory of the spool, without efface's own notes.
///
/// # Errors
/// What the system says.
pub fn entry_ids(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = disk::list(directory)?;
    names.retain(|name| !name.contains('.'));
    Ok(names)
}

/// A fresh random name, 26 lower-case letters and digits (128 bits).
///
/// # Errors
/// When the system has no randomness to give.
pub fn random_name() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::from)?;
    Ok(BASE32HEX_NOPAD.encode(&bytes).to_lowercase())
}

/// A fresh name for an entry: 80 keyed bits of its SOP Instance UID, then 50 random ones. So an instance is found by a
/// look at names, without an index.
///
/// # Errors
/// When the system has no randomness to give.
pub fn entry_name(key: &Key, sop_instance_uid: &str) -> io::Result<String> {
    Ok(format!("{}{}", instance_prefix(key, sop_instance_uid), &random_name()?[..10]))
}

/// How the names of all entries of an instance begin.
pub fn instance_prefix(key: &Key, sop_instance_uid: &str) -> String {
    prefix_of(&ledger::instance_tag(key, sop_instance_uid))
}

/// The same of an instance whose tag is known.
fn prefix_of(tag: &[u8; 32]) -> String {
    BASE32HEX_NOPAD.encode(&tag[..10]).to_lowercase()
}

/// The name under which a study is known in the spool: 80 keyed bits of its UID.
pub fn study_handle(key: &Key, study_instance_uid: &str) -> String {
    let tag = key.tag(&[b"study", study_instance_uid.as_bytes()]);
    BASE32HEX_NOPAD.encode(&tag[..10]).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Spool::open(folder.path(), 0).unwrap();
        assert!(matches!(Spool::open(folder.path(), 0), Err(Error::Locked(_))));
        drop(first);
        let spool = Spool::open(folder.path(), u64::MAX).unwrap();
        assert!(!spool.has_room_for(1) && Spool::look(folder.path()).has_room_for(1));
    }

    #[test]
    fn batches_move_once() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        disk::make_dir(&spool.dir(Place::Work).join("b")).unwrap();
        spool.move_batch("b", Place::Work, Place::Held).unwrap();
        spool.move_batch("b", Place::Work, Place::Held).unwrap();
        assert_eq!(disk::list(&spool.dir(Place::Held)).unwrap(), ["b"]);
        assert!(spool.move_batch("c", Place::Work, Place::Held).is_err());
    }
}
