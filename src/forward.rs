//! What becomes of a batch when its parcels were sent: the log, the marks, the originals.
//!
//! The sending itself is done by a process that has the parcels and the network, and nothing else (`send.rs`).

mod recalls;

pub use recalls::Seen;

use crate::audit::{Event, Log};
use crate::clock;
use crate::custody::outbox::Outbox;
use crate::meter::Meter;
use crate::objection::{Patient, Recipient, Refusal, Watch};
use crate::recall;
use crate::residency;
use crate::send::{Home, Word};
use crate::spool::quarantine::Code;
use crate::spool::{Place, Spool};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;

/// Follows the parcels of one destination.
pub struct Forwarder {
    /// The state directory.
    pub spool: Arc<Spool>,
    /// The transform log.
    pub log: Arc<Log>,
    /// The destination by its name in the configuration.
    pub destination: String,
    /// Its project.
    pub project: String,
    /// Whether it may be sent to.
    pub standing: residency::Standing,
    /// Who objects.
    pub objections: Arc<Watch>,
    /// What destinations are to let go of.
    pub recalls: recall::Book,
    /// Counts.
    pub meter: Arc<Meter>,
    /// Bytes that have left for the destination and stand in no record yet.
    pub wrote: AtomicU64,
    /// Gets batches whose parcels must be made again.
    pub again: Sender<String>,
}

impl Home for Forwarder {
    fn tell(&self, word: Word) -> io::Result<()> {
        match word {
            Word::Stored => self.meter.delivered.add(1),
            Word::Retry => {
                self.meter.retries.add(1);
                self.account_for_bytes()?;
            }
            Word::Wrote(bytes) => {
                self.wrote.fetch_add(bytes, Ordering::SeqCst);
                self.meter.sent_bytes(&self.destination, bytes);
            }
            Word::Refused => self.meter.quarantine(Code::RefusedByDestination, 1),
            Word::Synced(syncs) => syncs.add(),
            Word::May(batch) => self.clear(&batch)?,
            Word::Sent(batch) => self.finish(&batch)?,
            Word::Damaged(batch) => self.remake(&batch)?,
            Word::Recalled(reference) => self.recall_is_done(&reference)?,
            Word::NotRecalled(_) => {}
        }
        Ok(())
    }
}

/// Whether a batch may leave, as the register of objections says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    May,
    Refused(Refusal),
    /// The destination may not be sent to any more: what waits goes on waiting.
    Blocked,
    /// Its route sends at another time of day.
    Later,
    /// Nothing says how its originals call their patient.
    Unsaid,
}

impl Forwarder {
    /// Whether nobody objects to what a sender is about to send, or is sending.
    ///
    /// # Errors
    /// `PermissionDenied`: it must not; what waits of it is taken back. Or what keeps it from being known.
    pub fn clear(&self, batch: &str) -> io::Result<()> {
        if self.is_recalled(batch)? {
            self.let_go(batch)?;
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let outbox = Outbox::of(&self.spool, &self.destination);
        // What was begun in time is sent to its end, also when it was interrupted.
        let is_time = || outbox.dispatch(batch).is_ok_and(|dispatch| dispatch.hours.are_now());
        let standing = match outbox.begun_ms(batch).is_some() || is_time() {
            true => self.standing(batch)?,
            false => Standing::Later,
        };
        match standing {
            Standing::May => return Ok(()),
            Standing::Blocked | Standing::Later => {}
            Standing::Refused(refusal) => self.withdraw(batch, refusal)?,
            // The worker says it once more.
            Standing::Unsaid => self.remake(batch)?,
        }
        Err(io::ErrorKind::PermissionDenied.into())
    }

    /// Whether nobody objects to a batch. What isn't known is not clear.
    pub fn is_clear(&self, batch: &str) -> bool {
        self.standing(batch).is_ok_and(|standing| standing == Standing::May)
    }

    /// Takes back what waits of patients who object, if the register has moved since it was last looked through.
    ///
    /// # Errors
    /// What the system says, or that the register cannot be read: nothing is sent then.
    pub fn sift(&self, looked: &mut Option<u64>) -> io::Result<()> {
        let version = self.objections.now().map_err(io::Error::other)?.version();
        if *looked == Some(version) {
            return Ok(());
        }
        let outbox = Outbox::of(&self.spool, &self.destination);
        for batch in outbox.all()? {
            if let Standing::Refused(refusal) = self.standing(&batch)? {
                self.withdraw(&batch, refusal)?;
            }
        }
        *looked = Some(version);
        Ok(())
    }

    fn standing(&self, batch: &str) -> io::Result<Standing> {
        let register = self.objections.now().map_err(io::Error::other)?;
        let to = Recipient { destination: &self.destination, project: &self.project };
        let Some(patient) = self.patient(batch) else { return Ok(Standing::Unsaid) };
        Ok(match register.refuses(&patient, to) {
            Some(refusal) => Standing::Refused(refusal),
            None if self.standing.blocked().is_some() => Standing::Blocked,
            None => Standing::May,
        })
    }

    /// How the originals of a batch call their patient: they are held, or a worker is about to hand them over.
    fn patient(&self, batch: &str) -> Option<Patient> {
        let book = self.objections.book();
        let note = |place| book.noted(&self.spool.dir(place).join(batch), batch);
        // Once more: it may have been handed over between the two looks.
        note(Place::Held).or_else(|| note(Place::Work)).or_else(|| note(Place::Held))
    }

    /// Takes back what waits of a batch for this destination. The worker gets its originals once more, and the gate has
    /// them put aside.
    fn withdraw(&self, batch: &str, refusal: Refusal) -> io::Result<()> {
        let outbox = Outbox::of(&self.spool, &self.destination);
        let (destination, name) = (self.destination.clone(), batch.to_owned());
        let (instances, before) = outbox.tally(batch)?;
        let code = refusal.code().name();
        tracing::warn!(batch, destination, code, instances, before, "withdrawn");
        let code = code.to_owned();
        let event = Event::Withdrawn { destination, batch: name, code, instances, before };
        self.log.append(event).map_err(io::Error::other)?;
        self.meter.withdrawn.add(instances);
        outbox.forget_refused(batch)?;
        self.take_back(batch)
    }

    /// Every parcel of a batch has arrived or was refused for good: it is so in the log, and the originals move on.
    ///
    /// # Errors
    /// `InvalidData` if parcels are left, or what the system says.
    pub fn finish(&self, batch: &str) -> io::Result<()> {
        let outbox = Outbox::of(&self.spool, &self.destination);
        let manifest = outbox.manifest(batch)?;
        let directory = outbox.ready_dir(batch);
        if manifest.rows.iter().any(|row| directory.join(&row.file).exists()) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let refused = outbox.refused_parcels(batch)?;
        let instances = (manifest.rows.len() as u64).saturating_sub(refused);
        let append = |event| self.log.append(event).map_err(io::Error::other);
        let (destination, name) = (self.destination.clone(), batch.to_owned());
        let [waited_ms, took_ms] = turnaround(&outbox, batch);
        append(Event::Delivered {
            destination: destination.clone(),
            batch: name.clone(),
            instances,
            waited_ms,
            took_ms,
            sent_bytes: self.wrote.swap(0, Ordering::SeqCst),
        })?;
        self.meter.turnaround(&destination, waited_ms, took_ms);
        if refused > 0 {
            let code = Code::RefusedByDestination.name().to_owned();
            append(Event::Quarantined { batch: name, code, destination, instances: refused })?;
        }
        self.spool.mark_sent(&self.destination, batch)?;
        outbox.remove(batch)?;
        self.spool.settle(batch)?;
        tracing::info!(batch, destination = self.destination, instances, refused, "sent");
        Ok(())
    }

    /// Bytes that left with nothing delivered stand in the log, too.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub fn account_for_bytes(&self) -> io::Result<()> {
        let sent_bytes = self.wrote.swap(0, Ordering::SeqCst);
        if sent_bytes == 0 {
            return Ok(());
        }
        let event = Event::Egress { destination: self.destination.clone(), sent_bytes };
        self.log.append(event).map(drop).map_err(|error| {
            self.wrote.fetch_add(sent_bytes, Ordering::SeqCst);
            io::Error::other(error)
        })
    }

    /// A seal does not hold or the manifest is gone: the parcels are made again from the originals, when the worker
    /// has let go of them.
    ///
    /// # Errors
    /// What the system says.
    pub fn remake(&self, batch: &str) -> io::Result<()> {
        if !self.spool.dir(Place::Held).join(batch).exists() {
            return Ok(());
        }
        let destination = &self.destination;
        tracing::error!(batch, destination, "a parcel is damaged; it is made again");
        self.take_back(batch)
    }

    /// Originals to the worker, parcels away. Where a worker still has them it finds the parcels gone afterwards.
    fn take_back(&self, batch: &str) -> io::Result<()> {
        // The originals first: without parcels and in held/ they would look as if they waited for nothing.
        let is_held = self.spool.dir(Place::Held).join(batch).exists();
        if is_held {
            self.spool.move_batch(batch, Place::Held, Place::Work)?;
        }
        Outbox::of(&self.spool, &self.destination).remove(batch)?;
        if is_held {
            // If the worker is gone, the next start finds the batch in work/.
            let _ = self.again.send(batch.to_owned());
        }
        Ok(())
    }
}

/// How long a batch waited from its last image to the first byte that left, and how long from that byte until now, in ms.
/// Both by the clock of this machine, which somebody may have set in between.
fn turnaround(outbox: &Outbox<'_>, batch: &str) -> [Option<u64>; 2] {
    let last_image = outbox.dispatch(batch).ok().and_then(|dispatch| dispatch.last_image_ms);
    let begun = outbox.begun_ms(batch);
    let waited = begun.zip(last_image).map(|(begun, last)| begun.saturating_sub(last));
    [waited, begun.map(|begun| clock::ms().saturating_sub(begun))]
}
