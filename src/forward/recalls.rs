//! Recalls at one destination: what waits is withdrawn, the destination is asked, and what it says is noted.

use super::Forwarder;
use crate::audit::{Event, WITHDRAWN};
use crate::clock::Day;
use crate::custody::outbox::Outbox;
use crate::recall::Recall;
use std::io;
use std::time::{Duration, Instant, SystemTime};

/// The register is read again after this time even if its file seems to be the same.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// In the log, beside the codes of quarantine: nothing of these is put aside.
const CODE: &str = "recalled";

/// What was seen of the register of recalls.
#[derive(Default)]
pub struct Seen {
    changed: Option<SystemTime>,
    read: Option<Instant>,
    /// Those of the destination that are open.
    pub open: Vec<Recall>,
}

impl Seen {
    fn is_old(&self, changed: Option<SystemTime>) -> bool {
        changed.is_some()
            && (changed != self.changed || self.read.is_none_or(|at| at.elapsed() >= LOOK_AGAIN))
    }
}

impl Forwarder {
    /// Withdraws what waits of studies that are recalled here. `Ok(true)`: the batch on the wire is one of them, its
    /// sender has to be ended first.
    ///
    /// # Errors
    /// What keeps the register from being read or changed, or the outbox.
    pub fn withdraw_recalled(
        &self,
        seen: &mut Seen,
        on_the_wire: Option<&str>,
    ) -> io::Result<bool> {
        let changed = self.recalls.changed();
        if !seen.is_old(changed) {
            return Ok(false);
        }
        let (_, recalls) = self.recalls.read().map_err(io::Error::other)?;
        let here = |recall: &Recall| recall.wanted.destination == self.destination;
        seen.open = recalls.into_iter().filter(|recall| here(recall) && recall.is_open()).collect();
        for recall in seen.open.iter_mut().filter(|recall| recall.withdrawn.is_none()) {
            let batches = &recall.wanted.batches;
            if on_the_wire.is_some_and(|batch| batches.contains(batch)) {
                return Ok(true);
            }
            let waiting = Outbox::of(&self.spool, &self.destination).all()?;
            batches.intersection(&waiting).try_for_each(|batch| self.let_go(batch))?;
            let today = Day::today();
            let noted =
                self.note(&recall.reference, WITHDRAWN, |recall| recall.withdrawn = Some(today));
            *recall = noted?;
        }
        (seen.changed, seen.read) = (changed, Some(Instant::now()));
        Ok(false)
    }

    /// The destination is asked to let go of it.
    ///
    /// # Errors
    /// As [`Forwarder::withdraw_recalled`].
    pub fn recall_is_sent(&self, recall: &mut Recall) -> io::Result<()> {
        if recall.sent.is_none() {
            let today = Day::today();
            *recall = self.note(&recall.reference, "sent", |recall| recall.sent = Some(today))?;
        }
        Ok(())
    }

    /// It says that it has.
    pub(super) fn recall_is_done(&self, reference: &str) -> io::Result<()> {
        let today = Day::today();
        let (_, recalls) = self.recalls.read().map_err(io::Error::other)?;
        let is_asked = |recall: &&Recall| {
            recall.reference == reference
                && recall.wanted.destination == self.destination
                && recall.sent.is_some()
                && recall.is_open()
        };
        // A sender that was taken over may say anything.
        recalls.iter().find(is_asked).ok_or(io::ErrorKind::InvalidInput)?;
        self.note(reference, "acknowledged", |recall| recall.acknowledged = Some(today))?;
        tracing::info!(
            destination = self.destination,
            reference,
            "the destination has let go of what was recalled"
        );
        Ok(())
    }

    /// Whether a batch was recalled, also one whose parcels came into the outbox after that.
    pub(super) fn is_recalled(&self, batch: &str) -> io::Result<bool> {
        if self.recalls.changed().is_none() {
            return Ok(false);
        }
        let (_, recalls) = self.recalls.read().map_err(io::Error::other)?;
        let is_it = |recall: &Recall| {
            recall.wanted.destination == self.destination && recall.wanted.batches.contains(batch)
        };
        Ok(recalls.iter().any(is_it))
    }

    /// Nothing of a batch leaves any more, and its originals no longer wait for this destination.
    pub(super) fn let_go(&self, batch: &str) -> io::Result<()> {
        let outbox = Outbox::of(&self.spool, &self.destination);
        let (destination, name) = (self.destination.clone(), batch.to_owned());
        let (instances, before) = outbox.tally(batch)?;
        tracing::warn!(batch, destination, instances, before, "withdrawn: it was recalled");
        let code = CODE.to_owned();
        let event = Event::Withdrawn { destination, batch: name, code, instances, before };
        self.log.append(event).map_err(io::Error::other)?;
        self.meter.withdrawn.add(instances);
        outbox.forget_refused(batch)?;
        self.spool.mark_sent(&self.destination, batch)?;
        outbox.remove(batch)?;
        self.spool.settle(batch)
    }

    fn note(
        &self,
        reference: &str,
        change: &str,
        edit: impl Fn(&mut Recall),
    ) -> io::Result<Recall> {
        let (register, noted) = self.recalls.note(reference, edit).map_err(io::Error::other)?;
        let recall = noted.ok_or(io::ErrorKind::NotFound)?;
        let event = Event::Recall {
            change: change.to_owned(),
            reference: reference.to_owned(),
            destination: self.destination.clone(),
            studies: recall.wanted.studies.len() as u64,
            reason: recall.reason.to_string(),
            register,
            by: String::new(),
        };
        self.log.append(event).map_err(io::Error::other)?;
        Ok(recall)
    }
}
