//! What becomes of a batch when its parcels were sent: the log, the marks, the originals.
//!
//! The sending itself is done by a process that has the parcels and the network, and nothing else (`send.rs`).

use crate::audit::{Event, Log};
use crate::custody::outbox::Outbox;
use crate::meter::Meter;
use crate::send::{Home, Word};
use crate::spool::quarantine::Code;
use crate::spool::{Place, Spool};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// Follows the parcels of one destination.
pub struct Forwarder {
    /// The state directory.
    pub spool: Arc<Spool>,
    /// The transform log.
    pub log: Arc<Log>,
    /// The destination by its name in the configuration.
    pub destination: String,
    /// Counts.
    pub meter: Arc<Meter>,
    /// Gets batches whose parcels must be made again.
    pub again: Sender<String>,
}

impl Home for Forwarder {
    fn tell(&self, word: Word) -> io::Result<()> {
        match word {
            Word::Stored => self.meter.delivered.add(1),
            Word::Retry => self.meter.retries.add(1),
            Word::Refused => self.meter.quarantine(Code::RefusedByDestination, 1),
            Word::Synced(syncs) => syncs.add(),
            Word::Sent(batch) => self.finish(&batch)?,
            Word::Damaged(batch) => self.remake(&batch)?,
        }
        Ok(())
    }
}

impl Forwarder {
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
        append(Event::Delivered {
            destination: destination.clone(),
            batch: name.clone(),
            instances,
        })?;
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
        // The originals first: without parcels and in held/ they would look as if they waited for nothing.
        self.spool.move_batch(batch, Place::Held, Place::Work)?;
        Outbox::of(&self.spool, destination).remove(batch)?;
        // If the worker is gone, the next start finds the batch in work/.
        let _ = self.again.send(batch.to_owned());
        Ok(())
    }
}
