//! What the log said lately: kept while somebody watches, so that each look reads only what is new.

use super::{Error, Event};
use crate::audit::{self, Event as Logged, Follower, Record};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::Path;

/// Records that are looked at when somebody begins to watch: older ones are for `efface audit`.
const RECORDS: u64 = 50_000;
/// Arrivals that are kept.
const ARRIVALS: usize = 20_000;
/// Batches that are kept.
const BATCHES: usize = 200;

/// The last part of a log.
pub struct History {
    follower: Follower,
    next: u64,
    batches: VecDeque<Batch>,
    arrivals: VecDeque<Arrived>,
}

/// What is known of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its name.
    pub name: String,
    /// When a worker took it first, RFC 3339.
    pub taken: String,
    /// Instances that it had.
    pub instances: u64,
    /// What became of it, in order.
    pub events: Vec<Event>,
}

/// What arrived at a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// RFC 3339.
    pub time: String,
    /// Where.
    pub destination: String,
    /// How many instances.
    pub instances: u64,
    /// Bytes, with associations and attempts that failed.
    pub bytes: u64,
    /// From the last image that was received to the first byte that left, ms.
    pub waited_ms: Option<u64>,
    /// From that byte until all had arrived, ms.
    pub took_ms: Option<u64>,
}

impl History {
    /// Begins with the last records of a log.
    ///
    /// # Errors
    /// [`audit::Error`].
    pub fn begin(audit: &Path) -> Result<Self, Error> {
        let verifier = audit::key(audit)?;
        let signed = verifier.open(&audit::newest(audit)?).map(|checkpoint| checkpoint.size);
        // What does not open is said by the first look.
        let first = signed.unwrap_or(0).saturating_sub(RECORDS);
        let follower = Follower::begin(audit, verifier, first)?;
        Ok(History { follower, next: first, batches: VecDeque::new(), arrivals: VecDeque::new() })
    }

    /// Takes in what is new.
    ///
    /// # Errors
    /// The log is not what was signed.
    pub fn catch_up(&mut self) -> Result<(), Error> {
        self.follower.catch_up()?;
        while self.next < self.follower.size() {
            if let Some(record) = self.follower.record(self.next)? {
                self.take(&record);
            }
            self.next += 1;
        }
        self.follower.forget_before(self.next);
        while self.batches.len() > BATCHES {
            self.batches.pop_front();
        }
        while self.arrivals.len() > ARRIVALS {
            self.arrivals.pop_front();
        }
        Ok(())
    }

    /// Batches, the newest first.
    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter().rev()
    }

    /// Arrivals, the oldest first.
    pub fn arrivals(&self) -> impl Iterator<Item = &Arrived> {
        self.arrivals.iter()
    }

    fn take(&mut self, record: &Record) {
        self.arrivals.extend(Arrived::of(record));
        let Some((name, event)) = Event::of(record) else { return };
        let known = self.batches.iter_mut().rev().find(|known| known.name == name);
        match (event.event.as_str(), known) {
            // One that was taken before the first record that is looked at is of no interest here.
            ("taken", None) => {
                let Event { time: taken, instances, .. } = event;
                self.batches.push_back(Batch { name, taken, instances, events: Vec::new() });
            }
            // A look moves nothing, and what is taken again is where it was.
            ("taken" | "shown", _) | (_, None) => {}
            (_, Some(known)) => known.events.push(event),
        }
    }
}

impl Arrived {
    /// Of a record that says that something has.
    fn of(record: &Record) -> Option<Self> {
        let Logged::Delivered { destination, instances, waited_ms, took_ms, sent_bytes, .. } =
            &record.event
        else {
            return None;
        };
        Some(Arrived {
            time: record.time.clone(),
            destination: destination.clone(),
            instances: *instances,
            bytes: *sent_bytes,
            waited_ms: *waited_ms,
            took_ms: *took_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Log, Release, Signer};
    use crate::key::RootKey;

    #[test]
    fn a_batch_has_its_events_and_each_look_adds_what_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let log =
            Log::open(folder.path(), Signer::of(&RootKey::of_patient(&[7; 32], "A1"))).unwrap();
        let batch = || "b-1".to_owned();
        log.append(Logged::Taken { batch: batch(), instances: 3 }).unwrap();
        let mut history = History::begin(folder.path()).unwrap();
        history.catch_up().unwrap();
        assert_eq!(history.batches().next().unwrap().events, []);
        let release = Release { batch: batch(), instances: 2, ..Release::default() };
        log.append(Logged::Released(Box::new(release))).unwrap();
        log.append(Logged::Quarantined {
            batch: batch(),
            code: "localizer".to_owned(),
            destination: "lab".to_owned(),
            instances: 1,
        })
        .unwrap();
        log.append(Logged::Taken { batch: batch(), instances: 1 }).unwrap();
        log.append(Logged::Shown {
            name: "b-1.lab.localizer".to_owned(),
            what: "slice".to_owned(),
            by: "anna".to_owned(),
            because: "why".to_owned(),
        })
        .unwrap();
        let name = "b-1.lab.localizer".to_owned();
        log.append(Logged::Returned { name, instances: 1 }).unwrap();
        log.append(Logged::Delivered {
            destination: "lab".to_owned(),
            batch: batch(),
            instances: 2,
            waited_ms: Some(5),
            took_ms: Some(7),
            sent_bytes: 900,
        })
        .unwrap();
        history.catch_up().unwrap();
        history.catch_up().unwrap();
        let batches: Vec<_> = history.batches().collect();
        assert_eq!((batches.len(), batches[0].instances), (1, 3));
        let events = batches[0].events.iter();
        let events: Vec<_> = events.map(|e| (e.event.as_str(), e.code.as_str())).collect();
        let known = [
            ("released", ""),
            ("quarantined", "localizer"),
            ("returned", "lab.localizer"),
            ("delivered", ""),
        ];
        assert_eq!(events, known);
        let arrived: Vec<_> = history.arrivals().collect();
        assert_eq!((arrived.len(), arrived[0].bytes, arrived[0].took_ms), (1, 900, Some(7)));
    }
}
