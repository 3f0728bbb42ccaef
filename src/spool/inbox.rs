//! The receiving end of the spool: success may be said when [`Reception::commit`] has returned.
//!
//! stream to `inbox/tmp/ID` (O_EXCL, hashed as it flows) -> trailer -> fdatasync -> rename to
//! `inbox/new/ID` -> fsync of `inbox/new`, shared by all receptions that wait for it.

use super::entry::{Head, Writer};
use super::{Place, Spool, random_name};
use crate::disk;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Why an instance was not taken. All of these are "out of resources" (0xA700) to the sender.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Less room than the reserve.
    #[error("the disk is below its reserve; free some space, reception resumes by itself")]
    NoRoom,
    /// Larger than an instance may be.
    #[error("the instance is larger than instance_bytes_max allows")]
    TooLarge,
    /// The system refused to write.
    #[error("the spool cannot be written: {0}")]
    Io(#[from] io::Error),
    /// An fsync failed, now or before.
    #[error("an fsync has failed: nothing more is accepted. Check the disk, then restart efface")]
    Poisoned,
}

/// Takes instances.
pub struct Inbox {
    spool: Arc<Spool>,
    new_entries: GroupSync,
    instance_bytes_max: u64,
}

impl Inbox {
    /// An inbox on a spool; what was being received when the process last ended is removed.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(spool: Arc<Spool>, instance_bytes_max: u64) -> io::Result<Self> {
        let receiving = spool.dir(Place::Receiving);
        for name in disk::list(&receiving)? {
            disk::remove(&receiving.join(name))?;
        }
        let new_entries = GroupSync::new(spool.dir(Place::Inbox));
        Ok(Inbox { spool, new_entries, instance_bytes_max })
    }

    /// Whether an association may be accepted at all.
    ///
    /// # Errors
    /// [`Refused::NoRoom`], [`Refused::Poisoned`].
    pub fn ready(&self) -> Result<(), Refused> {
        if self.spool.is_poisoned() {
            Err(Refused::Poisoned)
        } else if !self.spool.has_room_for(0) {
            Err(Refused::NoRoom)
        } else {
            Ok(())
        }
    }

    /// Starts an instance that nobody will ask for.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn receive(self: &Arc<Self>, head: &Head) -> Result<Reception, Refused> {
        self.receive_as(random_name()?, head)
    }

    /// Starts an instance under a fresh spool id, [`super::entry_name`].
    ///
    /// # Errors
    /// [`Refused`].
    pub fn receive_as(self: &Arc<Self>, id: String, head: &Head) -> Result<Reception, Refused> {
        self.ready()?;
        let path = self.spool.dir(Place::Receiving).join(&id);
        let writer = Writer::create(&path, head)?;
        Ok(Reception { inbox: Arc::clone(self), id, path, writer: Some(writer) })
    }

    fn sync_failed(&self) -> Refused {
        self.spool.poison();
        Refused::Poisoned
    }
}

/// An instance on its way in. Dropped without commit, it was never there.
pub struct Reception {
    inbox: Arc<Inbox>,
    id: String,
    path: PathBuf,
    writer: Option<Writer>,
}

impl Reception {
    /// Adds bytes of the data set.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), Refused> {
        let Some(writer) = &mut self.writer else { return Err(Refused::Poisoned) };
        if writer.length() + chunk.len() as u64 > self.inbox.instance_bytes_max {
            return Err(Refused::TooLarge);
        }
        Ok(writer.write(chunk)?)
    }

    /// Makes the instance durable and hands out its spool id. Only then may success be said.
    ///
    /// # Errors
    /// [`Refused`]; after a failed fsync the whole spool refuses.
    pub fn commit(mut self) -> Result<String, Refused> {
        let Some(writer) = self.writer.take() else { return Err(Refused::Poisoned) };
        if self.inbox.spool.is_poisoned() {
            return Err(Refused::Poisoned);
        }
        let file = writer.finish()?;
        disk::sync_file(&file).map_err(|_| self.inbox.sync_failed())?;
        let target = self.inbox.spool.dir(Place::Inbox).join(&self.id);
        disk::rename(&self.path, &target)?;
        self.inbox.new_entries.sync().map_err(|_| self.inbox.sync_failed())?;
        Ok(self.id.clone())
    }
}

impl Drop for Reception {
    fn drop(&mut self) {
        // Gone already after a commit; if it cannot be removed now, the next start removes it.
        let _ = disk::remove(&self.path);
    }
}

/// One fsync of a directory for everybody who waits for one.
struct GroupSync {
    directory: PathBuf,
    state: Mutex<Rounds>,
    finished: Condvar,
}

#[derive(Default)]
struct Rounds {
    /// Rounds begun and finished; a round covers all names that were there when it began.
    begun: u64,
    finished: u64,
    failed: bool,
}

impl GroupSync {
    fn new(directory: PathBuf) -> Self {
        GroupSync { directory, state: Mutex::default(), finished: Condvar::new() }
    }

    /// Returns when a round that began after this call has finished.
    fn sync(&self) -> io::Result<()> {
        let mut state = self.lock();
        let mine = state.begun + 1;
        loop {
            if state.failed {
                return Err(io::Error::other("a shared fsync of the inbox failed"));
            }
            if state.finished >= mine {
                return Ok(());
            }
            if state.begun == state.finished {
                state.begun += 1;
                drop(state);
                let done = disk::sync_dir(&self.directory);
                state = self.lock();
                state.finished = state.begun;
                state.failed |= done.is_err();
                self.finished.notify_all();
                done?;
            } else {
                state = self.finished.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rounds> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::entry::Entry;

    fn head() -> Head {
        Head {
            calling_ae_title: "PACS".into(),
            called_ae_title: None,
            sop_class: "1.2".into(),
            transfer_syntax: "1.2.840.10008.1.2.1".into(),
            received_ms: 0,
        }
    }

    fn inbox(folder: &std::path::Path, reserve: u64) -> Arc<Inbox> {
        let spool = Arc::new(Spool::open(folder, reserve).unwrap());
        Arc::new(Inbox::open(spool, 1000).unwrap())
    }

    #[test]
    fn committed_instances_are_there_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = inbox(folder.path(), 0);
        let mut kept = inbox.receive(&head()).unwrap();
        kept.write(b"abc").unwrap();
        let id = kept.commit().unwrap();
        let mut dropped = inbox.receive(&head()).unwrap();
        dropped.write(b"abc").unwrap();
        drop(dropped);
        assert_eq!(
            disk::list(&folder.path().join("inbox/new")).unwrap(),
            std::slice::from_ref(&id)
        );
        assert!(disk::list(&folder.path().join("inbox/tmp")).unwrap().is_empty());
        Entry::open(&folder.path().join("inbox/new").join(id)).unwrap().check().unwrap();
    }

    #[test]
    fn size_room_and_poison_refuse() {
        let folder = tempfile::tempdir().unwrap();
        let full = inbox(folder.path(), u64::MAX);
        assert!(matches!(full.receive(&head()), Err(Refused::NoRoom)));
        drop(full);
        let inbox = inbox(folder.path(), 0);
        let mut large = inbox.receive(&head()).unwrap();
        assert!(matches!(large.write(&[0; 1001]), Err(Refused::TooLarge)));
        let caught = inbox.receive(&head()).unwrap();
        inbox.spool.poison();
        assert!(matches!(caught.commit(), Err(Refused::Poisoned)));
        assert!(matches!(inbox.ready(), Err(Refused::Poisoned)));
    }

    #[test]
    fn many_receptions_share_syncs() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = inbox(folder.path(), 0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        inbox.receive(&head()).unwrap().commit().unwrap();
                    }
                });
            }
        });
        assert_eq!(disk::list(&folder.path().join("inbox/new")).unwrap().len(), 80);
        assert!(inbox.new_entries.lock().finished <= 80);
    }
}
