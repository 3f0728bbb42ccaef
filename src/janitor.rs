//! Follows what is left behind: settles what is delivered, takes back what was stranded, erases originals that were kept
//! long enough and rows of the crosswalk whose time is over, draws up the account, and keeps the log true to the register of
//! objections.

use crate::audit::{EXPIRED, Event, Log};
use crate::clock::Day;
use crate::crosswalk::{Expired, Retention};
use crate::disk;
use crate::meter::Meter;
use crate::objection::Watch;
use crate::pipeline::Route;
use crate::residency::Standing;
use crate::spool::account::Account;
use crate::spool::{Place, Spool, entry_ids, heads, quarantine, rejected, reviews, under};
use crate::study::handle_of;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Deletes identified originals when they were delivered long enough ago, and draws up the account.
pub struct Janitor {
    /// The state directory.
    pub spool: Arc<Spool>,
    /// The transform log.
    pub log: Arc<Log>,
    /// Counts.
    pub meter: Arc<Meter>,
    /// Who objects.
    pub objections: Arc<Watch>,
    /// Destinations, and whether they may be sent to.
    pub standings: Vec<(String, Standing)>,
    /// Gets batches whose parcels must be made again.
    pub again: mpsc::Sender<String>,
    /// How long originals are kept after they were delivered, by the time of day.
    pub retention: Duration,
    /// What the projects' pseudonyms stand for, and how long that is known.
    pub crosswalks: Vec<(Arc<Route>, Retention)>,
}

/// How often the janitor looks for what is over its time, draws up the account, and tells it.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const ACCOUNT_EVERY: Duration = Duration::from_secs(300);
const TELL_EVERY: Duration = Duration::from_secs(3600);
/// How often it says which destinations are blocked, or will be, and looks for rows of the crosswalk whose time is over.
const CHECK_EVERY: Duration = Duration::from_secs(24 * 3600);

impl Janitor {
    /// Works until told to stop.
    pub fn run(&self, stop: &AtomicBool) {
        let [mut looked, mut counted, mut told, mut checked, mut expired] =
            [const { Every(None) }; 5];
        while !stop.load(Ordering::SeqCst) {
            if let Err(error) = self.objections.tell() {
                tracing::debug!(%error, "a change of the register of objections is not in the log yet");
            }
            if checked.is_due(CHECK_EVERY) {
                self.standings.iter().for_each(|(name, standing)| standing.tell(name));
            }
            if expired.is_due(CHECK_EVERY) {
                self.expire();
            }
            if looked.is_due(LOOK_EVERY)
                && let Err(error) = self.look()
            {
                tracing::error!(%error, "delivered originals could not be looked through");
            }
            if counted.is_due(ACCOUNT_EVERY) {
                self.count(told.is_due(TELL_EVERY));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What pseudonyms stand for has its time; what fails is tried again the next day.
    fn expire(&self) {
        for (route, keep) in &self.crosswalks {
            let Some(crosswalk) = &route.crosswalk else { continue };
            let project = crosswalk.project();
            let tell = |Expired { studies, patients }: Expired| {
                tracing::info!(
                    project,
                    studies,
                    patients,
                    "rows of the crosswalk are over their time"
                );
                let (change, project) = (EXPIRED.to_owned(), project.to_owned());
                let by = String::new();
                let event = Event::Crosswalk { change, project, studies, patients, by };
                self.log.append(event).map(drop).map_err(io::Error::other)
            };
            if let Err(error) = crosswalk.expire(Day::today(), *keep, tell) {
                tracing::error!(project, %error, "the crosswalk could not be looked through");
            }
        }
    }

    /// What was received must be somewhere.
    fn count(&self, tell: bool) {
        let account = match Account::take(&self.spool) {
            Ok(account) => account,
            Err(error) => {
                return tracing::error!(%error, "the account of the spool could not be drawn up");
            }
        };
        for (batch, instances) in &account.missing {
            tracing::error!(
                batch,
                instances,
                "acknowledged instances cannot be found: efface spool check"
            );
        }
        if tell {
            tracing::info!(
                waiting = account.waiting,
                on_the_way = account.on_the_way,
                delivered = account.delivered,
                quarantined = account.quarantined,
                rejected = account.rejected,
                repeated = account.repeated,
                erased = account.erased,
                lost = account.lost(),
                oldest_undelivered_s = account.oldest_undelivered_s,
                "account"
            );
        }
        self.meter.set_account(account);
    }

    /// Looks through the spool once.
    ///
    /// # Errors
    /// What the system says; the next look does what this one did not.
    pub fn look(&self) -> io::Result<()> {
        for (name, instances) in quarantine::returned(&self.spool)? {
            let event = Event::Returned { name: name.clone(), instances };
            self.log.append(event).map_err(io::Error::other)?;
            disk::remove(&self.spool.dir(Place::Returned).join(&name))?;
        }
        rejected::settle(&self.spool, &|event| {
            self.log.append(event).map(drop).map_err(io::Error::other)
        })?;
        for batch in disk::list(&self.spool.dir(Place::Held))? {
            // A crash may have come between the last parcel and this.
            self.spool.settle(&batch)?;
            if self.spool.take_back_stranded(&batch)? {
                tracing::error!(batch, "parcels are gone that were not sent; they are made again");
                // If the worker is gone, the next start finds the batch in work/.
                let _ = self.again.send(batch);
            }
        }
        for batch in disk::list(&self.spool.dir(Place::Delivered))? {
            match self.spool.delivered_for(&batch) {
                Some(age) if age >= self.retention => self.erase(&batch)?,
                Some(_) => {}
                None => self.spool.mark_delivered(&batch)?,
            }
        }
        Ok(())
    }

    fn erase(&self, batch: &str) -> io::Result<()> {
        let _alone = self.spool.alone()?;
        let directory = self.spool.dir(Place::Delivered).join(batch);
        let ids = entry_ids(&directory)?;
        // What is also in quarantine stays there.
        let last = |id: &&String| disk::is_last_name(&directory.join(id)).unwrap_or(true);
        let last: Vec<String> = ids.iter().filter(last).cloned().collect();
        let instances = last.len() as u64;
        let event = Event::Erased { batch: batch.to_owned(), instances };
        self.log.append(event).map_err(io::Error::other)?;
        disk::remove(&directory)?;
        disk::sync_dir(&self.spool.dir(Place::Delivered))?;
        reviews::forget(&self.spool, &last)?;
        rejected::forget(&self.spool, &last)?;
        under::forget(&self.spool, &last)?;
        heads::forget(&self.spool, handle_of(batch))
    }
}

/// When something was last done.
struct Every(Option<Instant>);

impl Every {
    /// Whether it is to be done again; then it counts as done.
    fn is_due(&mut self, period: Duration) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= period);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}
