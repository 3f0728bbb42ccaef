//! The gateway's side of workers: gives each batch one, watches it, and says what becomes of a batch whose worker died.
//!
//! A worker that crashes, runs out of memory or time, or says what no worker says, takes its study with it to
//! quarantine, and nothing else. One that ends because the gateway stops leaves its batch in `work/`.

use super::WORKER;
use super::attendant::Calls;
use super::child::{Child, Heard};
use super::ending::{self, Ending};
use super::task::{StandingOrders, Task};
use crate::audit::relay::{Answer, Said};
use crate::audit::{self, Event, Journal, Log, Receipt};
use crate::custody::outbox::Outbox;
use crate::disk;
use crate::meter::Meter;
use crate::objection::Watch;
use crate::spool::quarantine::Code;
use crate::spool::{Place, Spool, heads};
use crate::study::handle_of;
use crate::worker::{Fate, quarantine_batch};
use serde::Serialize;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Gives each batch a worker, and watches it.
pub struct Warden {
    /// The state directory.
    pub spool: Arc<Spool>,
    /// The transform log.
    pub log: Arc<Log>,
    /// Counts.
    pub meter: Arc<Meter>,
    /// Who objects.
    pub objections: Arc<Watch>,
    /// What every worker is told.
    pub orders: StandingOrders,
    /// How long a worker may take.
    pub limit: Duration,
    /// Who starts them; `None`: the gateway itself.
    pub(crate) calls: Option<Calls>,
}

impl Warden {
    /// Takes a batch from `work/` as far as it may go, in a process of its own. Never loses.
    pub fn process(&self, batch: &str, stop: &AtomicBool) -> Fate {
        if !self.is_in_work(batch) {
            // It was announced twice.
            return Fate::Settled;
        }
        let ending = self.attend(batch, stop).unwrap_or_else(Ending::NotBegun);
        if !matches!(ending, Ending::Said(Fate::Settled)) {
            self.discard_drafts(batch);
        }
        let fate = match ending {
            Ending::Said(fate) => fate,
            Ending::Stopped => Fate::Later,
            Ending::NotBegun(error) => {
                tracing::error!(batch, %error, "no worker could be started: the batch waits in work/ and is tried again");
                Fate::Later
            }
            Ending::Late => self.give_up(batch, Code::WorkerOutOfTime, ending::late(self.limit)),
            Ending::Crashed(how) => self.give_up(batch, Code::WorkerCrashed, how),
        };
        if fate == Fate::Settled {
            self.meter.batches.add(1);
        }
        if let Err(error) = self.tidy(batch) {
            tracing::error!(batch, %error, "a batch is not settled yet; it is tried again");
        }
        fate
    }

    /// Starts a worker and answers it until it ends.
    fn attend(&self, batch: &str, stop: &AtomicBool) -> io::Result<Ending> {
        let register = self.objections.now().map_err(io::Error::other)?.version();
        // What it is told now holds for all of the batch.
        let orders = self.orders.now();
        let own = self.calls.is_none().then(std::process::id);
        let task = Task::new(&orders, batch, register, own);
        let is_its_own = |event: &Event| orders.is_about(event, batch);
        let append = |event| self.append(event);
        let worker = match &self.calls {
            Some(calls) => Child::watched(calls)?,
            None => Child::start(WORKER, orders.log_json, None)?,
        };
        attend(worker, &task, self.limit, stop, &is_its_own, &append)
    }

    /// What a worker that did not come to its end has drafted, and nobody will verify any more.
    fn discard_drafts(&self, batch: &str) {
        for route in &self.orders.now().routes {
            if let Err(error) = Outbox::of(&self.spool, &route.destination).discard(batch) {
                tracing::error!(batch, %error, "drafts could not be removed; the next start does it");
            }
        }
    }

    fn give_up(&self, batch: &str, code: Code, detail: String) -> Fate {
        if !self.is_in_work(batch) {
            // All was done but for the last word.
            return Fate::Settled;
        }
        quarantine_batch(&self.spool, self, batch, code, detail)
    }

    /// What a worker has no right to do.
    fn tidy(&self, batch: &str) -> io::Result<()> {
        let study = handle_of(batch);
        let of_study = |other: &String| other != batch && handle_of(other) == study;
        let work = disk::list(&self.spool.dir(Place::Work))?;
        // Another worker may be about to put a head there.
        if !work.iter().any(of_study) {
            heads::forget_none(&self.spool, study)?;
        }
        self.spool.settle(batch)
    }

    fn is_in_work(&self, batch: &str) -> bool {
        self.spool.dir(Place::Work).join(batch).exists()
    }
}

/// What a worker does is counted by what it writes to the log.
impl Journal for Warden {
    fn append(&self, event: Event) -> Result<Receipt, audit::Error> {
        self.meter.count(&event);
        self.log.append(event)
    }
}

/// Gives a worker of one kind its task, and answers it until it ends.
///
/// # Errors
/// What the system says.
pub(super) fn attend(
    worker: Child<Said>,
    task: &impl Serialize,
    limit: Duration,
    stop: &AtomicBool,
    is_its_own: &dyn Fn(&Event) -> bool,
    append: &dyn Fn(Event) -> Result<Receipt, audit::Error>,
) -> io::Result<Ending> {
    worker.say(task)?;
    let deadline = Instant::now() + limit;
    let ending = loop {
        if stop.load(Ordering::SeqCst) {
            break Ending::Stopped;
        }
        if Instant::now() >= deadline {
            break Ending::Late;
        }
        match worker.hear() {
            Heard::Word(Said::Append(event)) if is_its_own(&event) => {
                // One that is gone is noticed by its silence.
                let _ = worker.say(&Answer::from(append(*event)));
            }
            Heard::Word(Said::Append(_)) => break Ending::of_a_liar(),
            Heard::Word(Said::Ended { later, syncs }) => {
                syncs.add();
                break Ending::Said(if later { Fate::Later } else { Fate::Settled });
            }
            Heard::Silence => {}
            Heard::End => return worker.wait(),
        }
    };
    worker.end_within(Duration::ZERO)?;
    Ok(ending)
}
