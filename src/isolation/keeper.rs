//! The gateway's side of returners: closes batches of results, gives each a returner, and does what that has no right to do.
//!
//! A batch that kills its returner is halved until the one result that does it is alone, and in quarantine.

use super::RETURNER;
use super::child::Child;
use super::ending::{self, Ending};
use super::returner::{ReturnOrders, ReturnTask};
use super::warden::attend;
use crate::audit::{self, Event, Log, Receipt};
use crate::crosswalk::{Crosswalk, Retention};
use crate::custody::homebox::Homebox;
use crate::disk;
use crate::meter::Meter;
use crate::returns::event;
use crate::spool::Spool;
use crate::spool::quarantine::Code;
use crate::spool::results::{Tray, Verdicts};
use crate::worker::Fate;
use std::borrow::Cow;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the inbox is listed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The pause before a batch that had to wait is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// How often it is looked for what is over its time.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// A batch is closed after so many quiet periods, though it is never quiet.
const QUIET_PERIODS_MAX: u32 = 5;

/// Keeps the results of one destination.
pub struct Keeper {
    /// The state directory.
    pub spool: Arc<Spool>,
    /// The transform log.
    pub log: Arc<Log>,
    /// Counts.
    pub meter: Arc<Meter>,
    /// What every returner is told.
    pub orders: ReturnOrders,
    /// What the project's pseudonyms stand for: nobody erases meanwhile.
    pub crosswalk: Crosswalk,
    /// How long that is known.
    pub known_for: Retention,
    /// A batch is closed when nothing has come for so long.
    pub quiet: Duration,
    /// How long a returner may take.
    pub limit: Duration,
    /// How long results are kept after they were delivered.
    pub retention: Duration,
}

/// What has arrived and is in no batch yet.
#[derive(Default)]
struct Arrivals {
    known: HashSet<String>,
    /// When the first and the last of them was seen.
    since: Option<(Instant, Instant)>,
}

impl Arrivals {
    /// Whether they make a batch now.
    fn are_due(&mut self, ids: &[String], quiet: Duration) -> bool {
        let now = Instant::now();
        let is_new = ids.iter().any(|id| !self.known.contains(id));
        self.known = ids.iter().cloned().collect();
        let (first, last) = match self.since {
            Some((first, last)) => (first, if is_new { now } else { last }),
            None => (now, now),
        };
        self.since = (!ids.is_empty()).then_some((first, last));
        let is_over = last.elapsed() >= quiet || first.elapsed() >= quiet * QUIET_PERIODS_MAX;
        !ids.is_empty() && is_over
    }
}

impl Keeper {
    /// Works until told to stop.
    pub fn run(&self, stop: &AtomicBool) {
        let destination = &self.orders.terms.destination;
        let (mut arrivals, mut due, mut tidied) = (Arrivals::default(), Instant::now(), None);
        if let Err(error) = self.clear() {
            tracing::error!(destination, %error, "drafts of results could not be removed; the next start does it");
        }
        while !stop.load(Ordering::SeqCst) {
            if Instant::now() >= due {
                let fate = self.round(&mut arrivals, stop).unwrap_or_else(|error| {
                    tracing::error!(destination, %error, "results wait, and are tried again");
                    Fate::Later
                });
                if fate == Fate::Later {
                    due = Instant::now() + TRY_AGAIN;
                }
            }
            if tidied.is_none_or(|since: Instant| since.elapsed() >= TIDY_EVERY) {
                tidied = Some(Instant::now());
                if let Err(error) = self.tidy() {
                    tracing::error!(destination, %error, "results could not be looked through");
                }
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Closes what is quiet, and takes every closed batch as far as it goes.
    fn round(&self, arrivals: &mut Arrivals, stop: &AtomicBool) -> io::Result<Fate> {
        let tray = self.tray();
        let ids = tray.arrived()?;
        if arrivals.are_due(&ids, self.quiet) {
            tray.close(&ids)?;
            *arrivals = Arrivals::default();
        }
        for batch in tray.closed()? {
            if stop.load(Ordering::SeqCst) || self.process(&batch, stop)? == Fate::Later {
                return Ok(Fate::Later);
            }
        }
        Ok(Fate::Settled)
    }

    fn process(&self, batch: &str, stop: &AtomicBool) -> io::Result<Fate> {
        let tray = self.tray();
        if let Some(verdicts) = self.judged(batch)? {
            // Judged before the gateway was stopped.
            return self.finish(batch, &verdicts);
        }
        tray.begin(batch)?;
        let ending = {
            // Whoever erases a patient waits until this ends, or comes first.
            let _held = self.crosswalk.hold().map_err(io::Error::other)?;
            self.attend(batch, stop)?
        };
        let (code, detail) = match ending {
            Ending::Said(Fate::Settled) => match self.judged(batch)? {
                Some(verdicts) if self.is_sound(batch, &verdicts)? => {
                    return self.finish(batch, &verdicts);
                }
                _ => (Code::WorkerCrashed, "its worker said what no worker says".to_owned()),
            },
            Ending::Said(Fate::Later) | Ending::Stopped => return Ok(Fate::Later),
            Ending::NotBegun(error) => {
                tracing::error!(batch, %error, "no worker could be started: results wait");
                return Ok(Fate::Later);
            }
            Ending::Late => (Code::WorkerOutOfTime, ending::late(self.limit)),
            Ending::Crashed(how) => (Code::WorkerCrashed, how),
        };
        disk::remove(&tray.drafts(batch))?;
        self.give_up(batch, code, &detail)
    }

    fn attend(&self, batch: &str, stop: &AtomicBool) -> io::Result<Ending> {
        let (orders, name) = (Cow::Borrowed(&self.orders), Cow::Borrowed(batch));
        let task = ReturnTask { orders, batch: name, gateway: std::process::id() };
        let is_its_own = |event: &Event| self.is_its_own(event);
        let append = |event| self.append(event);
        let returner = Child::start(RETURNER, self.orders.log_json, None)?;
        attend(returner, &task, self.limit, stop, &is_its_own, &append)
    }

    /// What a returner may write to the log.
    fn is_its_own(&self, event: &Event) -> bool {
        let terms = &self.orders.terms;
        matches!(event, Event::Result { change, destination, project, by, pacs, .. }
            if ["reidentified", "refused"].contains(&change.as_str())
                && *destination == terms.destination
                && *project == terms.project
                && by.is_empty()
                && pacs.is_empty())
    }

    fn append(&self, event: Event) -> Result<Receipt, audit::Error> {
        self.meter.count(&event);
        self.log.append(event)
    }

    /// The verdicts on a batch, if paths may be made of what its returner said: one that was taken over may say anything.
    fn judged(&self, batch: &str) -> io::Result<Option<Verdicts>> {
        let Some(verdicts) = self.tray().verdicts(batch)? else { return Ok(None) };
        let terms = &self.orders.terms;
        let is_known =
            |home: &String| terms.homes.values().chain(&terms.home).any(|known| known == home);
        Ok(self.drafted(batch)?.iter().all(is_known).then_some(verdicts))
    }

    /// Whether verdicts on a batch that nothing was done with yet are about all of it, and drafts about what was taken.
    fn is_sound(&self, batch: &str, verdicts: &Verdicts) -> io::Result<bool> {
        let is_drafted = verdicts.taken.is_empty() == self.drafted(batch)?.is_empty();
        Ok(is_drafted && self.tray().are_of(batch, verdicts)?)
    }

    /// The PACSs for which there are drafts.
    fn drafted(&self, batch: &str) -> io::Result<Vec<String>> {
        let mut names = disk::list(&self.tray().drafts(batch))?;
        names.retain(|name| !name.contains('.'));
        Ok(names)
    }

    /// Homeboxes, quarantine, and what is kept: each step can be done again.
    fn finish(&self, batch: &str, verdicts: &Verdicts) -> io::Result<Fate> {
        let tray = self.tray();
        for home in self.drafted(batch)? {
            tray.mark_due(batch, &home)?;
            Homebox::of(&self.spool, &home).put(batch, &tray.drafts(batch).join(&home))?;
        }
        let refused: usize = verdicts.refused.iter().map(|verdict| verdict.ids.len()).sum();
        let (destination, taken) = (&self.orders.terms.destination, verdicts.taken.len());
        tracing::info!(batch, destination, taken, refused, "results judged");
        tray.settle(batch, verdicts)?;
        Ok(Fate::Settled)
    }

    fn give_up(&self, batch: &str, code: Code, detail: &str) -> io::Result<Fate> {
        let (tray, destination) = (self.tray(), &self.orders.terms.destination);
        if tray.split(batch)? {
            tracing::warn!(batch, destination, detail, "the results are tried again in halves");
            return Ok(Fate::Settled);
        }
        tracing::error!(batch, destination, code = code.name(), detail, "a result is quarantined");
        let event = event(&self.orders.terms, "refused", code.name(), 1, "");
        self.append(event).map_err(io::Error::other)?;
        tray.refuse(batch, code.name(), detail)?;
        Ok(Fate::Settled)
    }

    /// Drafts of batches that were settled when the gateway was stopped.
    fn clear(&self) -> io::Result<()> {
        let (tray, closed) = (self.tray(), self.tray().closed()?);
        let drafts = disk::list(&tray.drafts(""))?;
        let mut settled = drafts.iter().filter(|batch| !closed.contains(batch));
        settled.try_for_each(|batch| disk::remove(&tray.drafts(batch)))
    }

    fn tidy(&self) -> io::Result<()> {
        self.tray().erase(self.retention)?;
        self.tray().forget(Duration::from_secs(self.known_for.days * 24 * 3600))
    }

    fn tray(&self) -> Tray<'_> {
        Tray::of(&self.spool, &self.orders.terms.destination)
    }
}
