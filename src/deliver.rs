//! Delivers what was re-identified to one PACS: it has the homebox, the seal's key and the network, and no result as it came.
//!
//! What fails is tried again after a pause that doubles up to a cap; what the PACS refuses for good is put aside. An instance
//! that was delivered when the process was stopped is delivered again: the same one, under the same UID, to the same PACS.

use crate::custody::homebound::{Homebound, Manifest};
use crate::custody::homebox::Homebox;
use crate::custody::parcel::{Broken, Row};
use crate::fate::Fate;
use crate::key::Key;
use crate::net::scu::{Association, Destination, Error, Inside, Proposal, partition};
use crate::send::{Attempt, Dicom, Home, Wire, Word, keep_trying};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Delivers to one PACS.
pub struct Deliverer<'a> {
    /// What waits for it.
    pub homebox: Homebox<'a>,
    /// Checks the seals.
    pub seal: &'a Key,
    /// The PACS; its name is that of the homebox.
    pub pacs: &'a Destination,
    /// What TLS needs.
    pub wire: &'a Dicom,
    /// Who is told.
    pub home: &'a dyn Home,
}

/// Why an instance was not delivered.
enum Trouble {
    Here(Attempt),
    There(Error),
}

impl Deliverer<'_> {
    /// Works until told to stop.
    pub fn run(&self, stop: &AtomicBool) {
        let round = || self.round(stop);
        let changed = || self.wire.has_changed();
        keep_trying(&self.pacs.name, stop, &changed, &|| Duration::ZERO, &round);
    }

    /// Tries everything that is ready, the oldest first, until nobody answers.
    fn round(&self, stop: &AtomicBool) -> io::Result<Attempt> {
        let mut worst = Attempt::Done;
        let ready = self.homebox.ready()?;
        for batch in ready.broken {
            self.home.tell(Word::Damaged(batch))?;
        }
        for (batch, manifest) in ready.batches {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            match self.deliver(&batch, &manifest, stop) {
                Attempt::Done => self.home.tell(Word::Sent(batch))?,
                Attempt::Remake => self.home.tell(Word::Damaged(batch))?,
                failed => {
                    self.home.tell(Word::Retry)?;
                    worst = worst.max(failed);
                    if failed >= Attempt::Down {
                        break;
                    }
                }
            }
        }
        Ok(worst)
    }

    fn deliver(&self, batch: &str, manifest: &Manifest, stop: &AtomicBool) -> Attempt {
        let directory = self.homebox.ready_dir(batch);
        let is_left = |row: &&Row| directory.join(&row.file).exists();
        let left: Vec<&Row> = manifest.rows.iter().filter(is_left).collect();
        let proposal = |row: &&Row| Proposal::new(&row.sop_class, &row.transfer_syntax).ok();
        let mut worst = Attempt::Done;
        for proposals in partition(left.iter().filter_map(proposal)) {
            let is_covered = |row: &&&Row| proposal(row).is_some_and(|it| proposals.contains(&it));
            let rows: Vec<&Row> = left.iter().filter(is_covered).copied().collect();
            worst = worst.max(self.association(batch, manifest, &proposals, &rows, stop));
        }
        // A stop in between leaves files behind: done is what nothing is left of.
        match left.iter().any(is_left) {
            true if worst == Attempt::Done => Attempt::Retry,
            _ => worst,
        }
    }

    fn association(
        &self,
        batch: &str,
        manifest: &Manifest,
        proposals: &[Proposal],
        rows: &[&Row],
        stop: &AtomicBool,
    ) -> Attempt {
        let client = self.wire.client();
        let connected = Association::<Inside>::connect(self.pacs, client.as_deref(), proposals);
        let mut association = match connected {
            Ok(association) => association,
            Err(error) => return failed(batch, &error).max(Attempt::Down),
        };
        for row in rows {
            if stop.load(Ordering::SeqCst) {
                return Attempt::Retry;
            }
            match self.one(&mut association, batch, manifest, row) {
                Ok(()) => {}
                Err(Trouble::Here(attempt)) => return attempt,
                Err(Trouble::There(error)) => {
                    let attempt = failed(batch, &error);
                    let for_good = error.fate() == Fate::Quarantine;
                    if for_good && self.refuse(batch, manifest, row).is_err() {
                        return Attempt::Retry;
                    }
                    if !for_good || !error.association_lives() {
                        return attempt;
                    }
                }
            }
        }
        if let Err(error) = association.release() {
            tracing::debug!(%error, "the association was not released in order");
        }
        Attempt::Done
    }

    fn one(
        &self,
        association: &mut Association<Inside>,
        batch: &str,
        manifest: &Manifest,
        row: &Row,
    ) -> Result<(), Trouble> {
        let object = self.open(batch, manifest, row)?;
        association.c_store(&object).map_err(Trouble::There)?;
        let noted = self.homebox.sent(batch, &row.file);
        let told = self.home.tell(Word::Stored);
        noted.and(told).map_err(|_| Trouble::Here(Attempt::Retry))
    }

    fn open(&self, batch: &str, manifest: &Manifest, row: &Row) -> Result<Homebound, Trouble> {
        let opened = manifest.open(&self.homebox.ready_dir(batch), row, self.seal);
        let object = opened.map_err(|broken| match broken {
            Broken::Seal => Trouble::Here(Attempt::Remake),
            Broken::Io(_) => Trouble::Here(Attempt::Retry),
        })?;
        let is_its_own = object.home() == self.pacs.name;
        if is_its_own { Ok(object) } else { Err(Trouble::Here(Attempt::Remake)) }
    }

    fn refuse(&self, batch: &str, manifest: &Manifest, row: &Row) -> io::Result<()> {
        self.homebox.refuse(batch, &row.file, manifest)?;
        self.home.tell(Word::Refused)
    }
}

fn failed(batch: &str, error: &Error) -> Attempt {
    tracing::warn!(batch, "{error}");
    match error.fate() {
        Fate::Retry | Fate::Quarantine => Attempt::Retry,
        Fate::Halt | Fate::Refuse => Attempt::Halt,
    }
}
