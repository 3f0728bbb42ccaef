//! Sends parcels: one queue and one thread per destination, several associations at a time.
//!
//! A slow or dead destination keeps its own queue and nobody else's. What fails is tried again after
//! a pause that doubles up to a cap, with jitter; what a destination refuses for good is put aside.

use crate::audit::{Event, Log};
use crate::custody::outbox::Outbox;
use crate::custody::parcel::{Broken, Manifest, Row};
use crate::fate::Fate;
use crate::meter::Meter;
use crate::net::scu::{Association, Destination, Error, Outside, Proposal, partition};
use crate::pipeline::Route;
use crate::spool::quarantine::Code;
use crate::spool::{Place, Spool};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the outbox is listed.
const LOOK_AROUND: Duration = Duration::from_millis(50);
/// The first pause after a failure, and the longest.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

/// Sends the parcels of one destination.
pub struct Forwarder {
    /// The state directory.
    pub spool: Arc<Spool>,
    /// The transform log.
    pub log: Arc<Log>,
    /// Knows the seal.
    pub route: Arc<Route>,
    /// Where it is.
    pub destination: Destination,
    /// Associations at a time.
    pub associations: usize,
    /// Counts.
    pub meter: Arc<Meter>,
    /// Gets batches whose parcels must be made again.
    pub again: Sender<String>,
}

/// How an attempt to send a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Attempt {
    /// Nothing is left of it in the outbox.
    Done,
    /// A seal did not hold: the batch must be made again.
    Remake,
    /// Something went wrong on the way; the destination may be fine for others.
    Retry,
    /// Nobody answers there: try everything again after a pause.
    Down,
    /// The destination must be put right first: try again after a long pause.
    Halt,
}

impl Forwarder {
    /// Works until told to stop.
    pub fn run(&self, stop: &AtomicBool) {
        let mut pause = Pause::default();
        while !stop.load(Ordering::SeqCst) {
            if pause.is_over() {
                match self.round(stop) {
                    Ok(Attempt::Done | Attempt::Remake) => pause = Pause::default(),
                    Ok(Attempt::Retry | Attempt::Down) => pause.longer(PAUSE_MIN),
                    Ok(Attempt::Halt) => pause.longer(PAUSE_MAX),
                    Err(error) => {
                        tracing::error!(destination = self.name(), %error, "the outbox cannot be read");
                        pause.longer(PAUSE_MIN);
                    }
                }
            }
            std::thread::sleep(LOOK_AROUND);
        }
    }

    /// Tries everything that is ready, oldest release first, until nobody answers. A batch that
    /// fails by itself does not keep the others waiting.
    fn round(&self, stop: &AtomicBool) -> io::Result<Attempt> {
        let mut worst = Attempt::Done;
        let outbox = Outbox::of(&self.spool, self.name());
        let ready = outbox.ready()?;
        for batch in ready.broken {
            self.remake(&outbox, &batch)?;
        }
        for (batch, manifest) in ready.batches {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            match self.send(&outbox, &batch, &manifest, stop) {
                Attempt::Done => self.finish(&outbox, &batch, &manifest)?,
                Attempt::Remake => self.remake(&outbox, &batch)?,
                failed => {
                    self.meter.retries.add(1);
                    worst = worst.max(failed);
                    if failed >= Attempt::Down {
                        break;
                    }
                }
            }
        }
        Ok(worst)
    }

    fn send(
        &self,
        outbox: &Outbox<'_>,
        batch: &str,
        manifest: &Manifest,
        stop: &AtomicBool,
    ) -> Attempt {
        let directory = outbox.ready_dir(batch);
        let left = manifest.rows.iter().filter(|row| directory.join(&row.file).exists());
        let left: Vec<&Row> = left.collect();
        let proposals =
            left.iter().filter_map(|r| Proposal::new(&r.sop_class, &r.transfer_syntax).ok());
        let mut worst = Attempt::Done;
        for proposals in partition(proposals) {
            let rows = left.iter().copied().filter(|row| covers(&proposals, row));
            let queue = Mutex::new(rows.collect::<VecDeque<_>>());
            let sending =
                Sending { forwarder: self, outbox, batch, manifest, queue, proposals, stop };
            worst = worst.max(sending.all());
        }
        // A stop in between leaves parcels behind: done is what nothing is left of.
        let is_left = left.iter().any(|row| directory.join(&row.file).exists());
        if is_left && worst == Attempt::Done { Attempt::Retry } else { worst }
    }

    /// Everything has arrived or was refused for good.
    pub(crate) fn finish(
        &self,
        outbox: &Outbox<'_>,
        batch: &str,
        manifest: &Manifest,
    ) -> io::Result<()> {
        let refused = outbox.refused_parcels(batch)?;
        let instances = (manifest.rows.len() as u64).saturating_sub(refused);
        let append = |event| self.log.append(event).map_err(io::Error::other);
        let (destination, name) = (self.name().to_owned(), batch.to_owned());
        append(Event::Delivered {
            destination: destination.clone(),
            batch: name.clone(),
            instances,
        })?;
        if refused > 0 {
            let code = Code::RefusedByDestination.name().to_owned();
            append(Event::Quarantined { batch: name, code, destination, instances: refused })?;
        }
        self.spool.mark_sent(self.name(), batch)?;
        outbox.remove(batch)?;
        self.spool.settle(batch)?;
        tracing::info!(batch, destination = self.name(), instances, refused, "sent");
        Ok(())
    }

    /// A seal does not hold or the manifest is gone: the parcels are made again from the originals, when the worker
    /// has let go of them.
    pub(crate) fn remake(&self, outbox: &Outbox<'_>, batch: &str) -> io::Result<()> {
        if !self.spool.dir(Place::Held).join(batch).exists() {
            return Ok(());
        }
        tracing::error!(batch, destination = self.name(), "a parcel is damaged; it is made again");
        // The originals first: without parcels and in held/ they would look as if they waited for nothing.
        self.spool.move_batch(batch, Place::Held, Place::Work)?;
        outbox.remove(batch)?;
        // If the worker is gone, the next start finds the batch in work/.
        let _ = self.again.send(batch.to_owned());
        Ok(())
    }

    fn name(&self) -> &str {
        &self.route.destination
    }
}

/// One batch being sent over several associations.
struct Sending<'a> {
    forwarder: &'a Forwarder,
    outbox: &'a Outbox<'a>,
    batch: &'a str,
    manifest: &'a Manifest,
    queue: Mutex<VecDeque<&'a Row>>,
    proposals: Vec<Proposal>,
    stop: &'a AtomicBool,
}

impl Sending<'_> {
    fn all(&self) -> Attempt {
        let rows = self.queue.lock().unwrap_or_else(PoisonError::into_inner).len();
        let associations = self.forwarder.associations.clamp(1, rows.max(1));
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..associations).map(|_| scope.spawn(|| self.association())).collect();
            let ends = threads.into_iter().map(|t| t.join().unwrap_or(Attempt::Retry));
            ends.max().unwrap_or(Attempt::Done)
        })
    }

    /// Sends over one association until the queue is empty or something fails.
    fn association(&self) -> Attempt {
        let Some(first) = self.next() else { return Attempt::Done };
        let destination = &self.forwarder.destination;
        let mut association = match Association::<Outside>::connect(destination, &self.proposals) {
            Ok(association) => association,
            Err(error) => return self.failed(&error).max(Attempt::Down),
        };
        let mut row = Some(first);
        while let Some(current) = row {
            match self.one(&mut association, current) {
                Ok(()) => {}
                Err(Trouble::Here(attempt)) => return attempt,
                Err(Trouble::There(error)) => {
                    let attempt = self.failed(&error);
                    let for_good = error.fate() == Fate::Quarantine;
                    if for_good && self.refuse(current).is_err() {
                        return Attempt::Retry;
                    }
                    if !for_good || !error.association_lives() {
                        return attempt;
                    }
                }
            }
            row = self.next();
        }
        if let Err(error) = association.release() {
            tracing::debug!(%error, "the association was not released in order");
        }
        Attempt::Done
    }

    fn one(&self, association: &mut Association<Outside>, row: &Row) -> Result<(), Trouble> {
        let directory = self.outbox.ready_dir(self.batch);
        let opened = self.manifest.open(&directory, row, &self.forwarder.route.seal);
        let parcel = opened.map_err(|broken| match broken {
            Broken::Seal => Trouble::Here(Attempt::Remake),
            Broken::Io(_) => Trouble::Here(Attempt::Retry),
        })?;
        if parcel.destination() != self.forwarder.name() {
            return Err(Trouble::Here(Attempt::Halt));
        }
        association.c_store(&parcel).map_err(Trouble::There)?;
        self.forwarder.meter.delivered.add(1);
        self.outbox.sent(self.batch, &row.file).map_err(|_| Trouble::Here(Attempt::Retry))
    }

    fn refuse(&self, row: &Row) -> io::Result<()> {
        self.forwarder.meter.quarantine(Code::RefusedByDestination, 1);
        self.outbox.refuse(self.batch, &row.file, self.manifest)
    }

    fn failed(&self, error: &Error) -> Attempt {
        tracing::warn!(batch = self.batch, "{error}");
        match error.fate() {
            Fate::Retry => Attempt::Retry,
            Fate::Halt | Fate::Refuse => Attempt::Halt,
            Fate::Quarantine => Attempt::Retry,
        }
    }

    fn next(&self) -> Option<&Row> {
        if self.stop.load(Ordering::SeqCst) {
            return None;
        }
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Whose fault it is that a parcel was not sent.
enum Trouble {
    Here(Attempt),
    There(Error),
}

fn covers(proposals: &[Proposal], row: &Row) -> bool {
    proposals.iter().any(|p| {
        p.sop_class.as_str() == row.sop_class && p.transfer_syntax.as_str() == row.transfer_syntax
    })
}

/// Waiting between attempts: doubling, capped, with jitter so that many gateways don't come at once.
#[derive(Default)]
struct Pause {
    until: Option<Instant>,
    length: Duration,
}

impl Pause {
    fn is_over(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() >= until)
    }

    fn longer(&mut self, least: Duration) {
        self.length = (self.length * 2).clamp(least.min(PAUSE_MAX), PAUSE_MAX);
        let mut random = [0];
        // Without randomness the pause is merely without jitter.
        let _ = getrandom::fill(&mut random);
        let jitter = self.length.mul_f64(f64::from(random[0]) / 512.0);
        self.until = Some(Instant::now() + self.length - jitter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_cap() {
        let mut pause = Pause::default();
        assert!(pause.is_over());
        let lengths: Vec<u64> = (0..12)
            .map(|_| {
                pause.longer(PAUSE_MIN);
                pause.length.as_secs()
            })
            .collect();
        assert_eq!(lengths[..4], [1, 2, 4, 8]);
        assert_eq!(lengths[11], 900);
        assert!(!pause.is_over());
        pause.longer(PAUSE_MAX);
        assert_eq!(pause.length, PAUSE_MAX);
    }
}
