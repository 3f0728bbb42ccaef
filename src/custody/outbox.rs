//! Parcels that wait for their destination.
//!
//! ```text
//! outbox/DEST/tmp/BATCH/      a worker is drafting
//! outbox/DEST/ready/BATCH/    manifest.json, dispatch.json and the parcels that were not sent yet
//! outbox/DEST/sent/BATCH      nothing is left of it
//! outbox/DEST/refused/BATCH/  what the destination refused for good, with the manifest
//! ```
//! A parcel's file is removed when the destination has said that it stored the instance.

use super::parcel::Manifest;
use crate::audit::Receipt;
use crate::disk;
use crate::routing::{Hours, Pace, Priority};
use crate::spool::Spool;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Read};
use std::path::PathBuf;

const MANIFEST: &str = "manifest.json";
/// Small: it is read whenever somebody looks what is next.
const DISPATCH: &str = "dispatch.json";
/// When the first byte of the batch left.
const BEGUN: &str = "begun.json";
/// Bytes of the largest manifest that is read: about 200,000 parcels.
const MANIFEST_MAX: u64 = 128 << 20;

/// When and before what a batch is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// What it overtakes.
    pub priority: Priority,
    /// Position of the release in the log: the older goes first.
    pub receipt: u64,
    /// When it may be sent; none: at once.
    pub hours: Hours,
    /// When the last image of it was received, in ms since 1970, if that is known.
    pub last_image_ms: Option<u64>,
}

impl Dispatch {
    /// As routes say it.
    pub fn of(pace: &Pace, receipt: &Receipt, last_image_ms: Option<u64>) -> Self {
        let Pace { priority, hours, .. } = pace.clone();
        Dispatch { priority, receipt: receipt.seq(), hours, last_image_ms }
    }
}

/// The batches of an outbox that wait to be sent.
#[derive(Default)]
pub struct Ready {
    /// Batches, in the order in which they are sent: the most urgent first, of these the oldest release.
    pub batches: Vec<(String, Dispatch)>,
    /// Batches of which nobody can read when they are sent: they must be made again.
    pub broken: Vec<String>,
}

impl Ready {
    /// Batches that wait, those that must be made again among them.
    pub fn waiting(&self) -> usize {
        self.batches.len() + self.broken.len()
    }
}

/// The outbox of one destination.
pub struct Outbox<'a> {
    spool: &'a Spool,
    destination: &'a str,
}

impl<'a> Outbox<'a> {
    /// The outbox of a destination, as it is.
    pub fn of(spool: &'a Spool, destination: &'a str) -> Self {
        Outbox { spool, destination }
    }

    /// Makes its directories, once at the start, and removes the drafts of workers that ended in
    /// between.
    ///
    /// # Errors
    /// What the system says.
    pub fn lay_out(&self) -> io::Result<()> {
        for state in ["tmp", "ready", "sent", "refused"] {
            disk::make_dir(&self.dir(state))?;
        }
        for batch in disk::list(&self.dir("tmp"))? {
            self.discard(&batch)?;
        }
        Ok(())
    }

    /// An empty directory for the drafts of a batch.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(&self, batch: &str) -> io::Result<PathBuf> {
        let drafts = self.dir("tmp").join(batch);
        disk::remove(&drafts)?;
        disk::make_dir(&drafts)?;
        Ok(drafts)
    }

    /// Whether a batch has its parcels here already, or had them and they were sent.
    pub fn has(&self, batch: &str) -> bool {
        self.spool.has_parcels(self.destination, batch)
            || self.spool.is_sent(self.destination, batch)
    }

    /// Puts the drafts of a batch up for sending. Files that the manifest doesn't list are removed.
    ///
    /// # Errors
    /// What the system says.
    pub fn put(&self, batch: &str, manifest: &Manifest, dispatch: &Dispatch) -> io::Result<()> {
        let drafts = self.dir("tmp").join(batch);
        let listed: HashSet<&str> = manifest.rows.iter().map(|row| row.file.as_str()).collect();
        for name in disk::list(&drafts)? {
            if !listed.contains(name.as_str()) {
                disk::remove(&drafts.join(name))?;
            }
        }
        disk::write_whole(&drafts.join(MANIFEST), &serde_json::to_vec(manifest)?)?;
        disk::write_whole(&drafts.join(DISPATCH), &serde_json::to_vec(dispatch)?)?;
        disk::rename(&drafts, &self.dir("ready").join(batch))?;
        disk::sync_dir(&self.dir("ready"))
    }

    /// Gives up the drafts of a batch.
    ///
    /// # Errors
    /// What the system says.
    pub fn discard(&self, batch: &str) -> io::Result<()> {
        disk::remove(&self.dir("tmp").join(batch))
    }

    /// What is ready to be sent.
    ///
    /// # Errors
    /// What the system says.
    pub fn ready(&self) -> io::Result<Ready> {
        let mut ready = Ready::default();
        self.look_again(&mut ready)?;
        Ok(ready)
    }

    /// The same once more: of what was seen before nothing is read.
    ///
    /// # Errors
    /// What the system says.
    pub fn look_again(&self, ready: &mut Ready) -> io::Result<()> {
        let names = disk::list(&self.dir("ready"))?;
        let mut known: HashMap<String, Dispatch> = ready.batches.drain(..).collect();
        ready.broken.clear();
        for batch in names {
            match known.remove(&batch).map_or_else(|| self.dispatch(&batch), Ok) {
                Ok(dispatch) => ready.batches.push((batch, dispatch)),
                Err(_) => ready.broken.push(batch),
            }
        }
        ready.batches.sort_by_key(|(_, dispatch)| (Reverse(dispatch.priority), dispatch.receipt));
        Ok(())
    }

    /// When and before what a ready batch is sent.
    ///
    /// # Errors
    /// What the system says, or `InvalidData`.
    pub fn dispatch(&self, batch: &str) -> io::Result<Dispatch> {
        let text = disk::read_text(&self.ready_dir(batch).join(DISPATCH))?;
        Ok(serde_json::from_str(&text.ok_or(io::ErrorKind::NotFound)?)?)
    }

    /// Notes that the first byte of a ready batch is about to leave, if that was not noted before.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin_sending(&self, batch: &str, now_ms: u64) -> io::Result<()> {
        let note = self.ready_dir(batch).join(BEGUN);
        if note.exists() {
            return Ok(());
        }
        disk::write_whole(&note, &serde_json::to_vec(&now_ms)?)
    }

    /// When the first byte of a batch left, in ms since 1970, if that is known.
    pub fn begun_ms(&self, batch: &str) -> Option<u64> {
        let text = disk::read_text(&self.ready_dir(batch).join(BEGUN)).ok()??;
        serde_json::from_str(&text).ok()
    }

    /// How many batches wait, whether or not their manifests can be read. Opens none of them.
    ///
    /// # Errors
    /// What the system says.
    pub fn waiting(&self) -> io::Result<usize> {
        Ok(disk::list(&self.dir("ready"))?.len())
    }

    /// The directory of a ready batch.
    pub fn ready_dir(&self, batch: &str) -> PathBuf {
        self.dir("ready").join(batch)
    }

    /// Where parcels of a batch are, waiting or refused.
    pub fn folders(&self, batch: &str) -> [PathBuf; 2] {
        ["ready", "refused"].map(|state| self.dir(state).join(batch))
    }

    /// Notes that a parcel has arrived.
    ///
    /// # Errors
    /// What the system says.
    pub fn sent(&self, batch: &str, file: &str) -> io::Result<()> {
        disk::remove(&self.ready_dir(batch).join(file))
    }

    /// Puts a parcel aside that the destination refused for good.
    ///
    /// # Errors
    /// What the system says.
    pub fn refuse(&self, batch: &str, file: &str, manifest: &Manifest) -> io::Result<()> {
        let refused = self.dir("refused").join(batch);
        disk::make_dir(&refused)?;
        disk::write_whole(&refused.join(MANIFEST), &serde_json::to_vec(manifest)?)?;
        disk::write_whole(&refused.join(DISPATCH), &serde_json::to_vec(&self.dispatch(batch)?)?)?;
        disk::rename(&self.ready_dir(batch).join(file), &refused.join(file))?;
        disk::sync_dir(&refused)
    }

    /// Removes a ready batch, with what is left in it.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, batch: &str) -> io::Result<()> {
        disk::remove(&self.ready_dir(batch))?;
        disk::sync_dir(&self.dir("ready"))
    }

    /// Every batch of which something waits, or was refused by the destination. Opens none of them.
    ///
    /// # Errors
    /// What the system says.
    pub fn all(&self) -> io::Result<BTreeSet<String>> {
        let ready = disk::list(&self.dir("ready"))?;
        Ok(ready.into_iter().chain(self.refused()?).collect())
    }

    /// How many parcels of a batch are here, waiting or refused, and how many were sent before.
    ///
    /// # Errors
    /// What the system says.
    pub fn tally(&self, batch: &str) -> io::Result<(u64, u64)> {
        let names = disk::list(&self.ready_dir(batch))?;
        let waiting = names.iter().filter(|name| is_parcel(name)).count() as u64;
        let here = waiting + self.refused_parcels(batch)?;
        let all = self.manifest(batch).map_or(here, |manifest| manifest.rows.len() as u64);
        Ok((here, all.saturating_sub(here)))
    }

    /// Removes what the destination refused of a batch, and that anything of it was ever done.
    ///
    /// # Errors
    /// What the system says.
    pub fn forget_refused(&self, batch: &str) -> io::Result<()> {
        if !self.dir("refused").join(batch).exists() {
            return Ok(());
        }
        disk::remove(&self.dir("sent").join(batch))?;
        disk::sync_dir(&self.dir("sent"))?;
        disk::remove(&self.dir("refused").join(batch))?;
        disk::sync_dir(&self.dir("refused"))
    }

    /// Batches of which the destination refused something.
    ///
    /// # Errors
    /// What the system says.
    pub fn refused(&self) -> io::Result<Vec<String>> {
        disk::list(&self.dir("refused"))
    }

    /// How many parcels of a batch the destination refused.
    ///
    /// # Errors
    /// What the system says.
    pub fn refused_parcels(&self, batch: &str) -> io::Result<u64> {
        let names = disk::list(&self.dir("refused").join(batch))?;
        Ok(names.iter().filter(|name| is_parcel(name)).count() as u64)
    }

    /// Puts up again what was refused.
    ///
    /// # Errors
    /// What the system says.
    pub fn retry(&self, batch: &str) -> io::Result<()> {
        disk::rename(&self.dir("refused").join(batch), &self.ready_dir(batch))?;
        disk::sync_dir(&self.dir("ready"))
    }

    /// The manifest of a ready batch.
    ///
    /// # Errors
    /// What the system says, or `InvalidData`.
    pub fn manifest(&self, batch: &str) -> io::Result<Manifest> {
        let mut text = Vec::new();
        let file = disk::open(&self.ready_dir(batch).join(MANIFEST))?;
        file.take(MANIFEST_MAX).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }

    fn dir(&self, state: &str) -> PathBuf {
        self.spool.outbox(self.destination).join(state)
    }
}

fn is_parcel(name: &str) -> bool {
    ![MANIFEST, DISPATCH, BEGUN].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_not_read_again_and_what_is_gone_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let outbox = Outbox::of(&spool, "lab");
        outbox.lay_out().unwrap();
        let put = |batch: &str, priority, receipt| {
            let dispatch = Dispatch { priority, receipt, ..Dispatch::default() };
            disk::make_dir(&outbox.ready_dir(batch)).unwrap();
            let text = serde_json::to_vec(&dispatch).unwrap();
            disk::write_whole(&outbox.ready_dir(batch).join(DISPATCH), &text).unwrap();
        };
        let names = |ready: &Ready| -> Vec<String> {
            ready.batches.iter().map(|(batch, _)| batch.clone()).collect()
        };
        put("b1", Priority::Bulk, 1);
        put("r2", Priority::Routine, 2);
        let mut ready = outbox.ready().unwrap();
        assert_eq!(names(&ready), ["r2", "b1"]);
        disk::remove(&outbox.ready_dir("b1").join(DISPATCH)).unwrap();
        disk::remove(&outbox.ready_dir("r2")).unwrap();
        put("u3", Priority::Urgent, 3);
        outbox.look_again(&mut ready).unwrap();
        assert_eq!(
            (names(&ready), ready.broken.len()),
            (vec!["u3".to_owned(), "b1".to_owned()], 0)
        );
        // Whoever comes new reads it, and cannot.
        let anew = outbox.ready().unwrap();
        assert_eq!((names(&anew), anew.broken), (vec!["u3".to_owned()], vec!["b1".to_owned()]));
    }
}
