//! The way of one study: what the log says of it, step by step, and where it is now.

use super::{Error, Event};
use crate::audit::{self, Event as Logged, Record, Release};
use crate::custody::outbox::Outbox;
use crate::disk;
use crate::key::RootKey;
use crate::service::handles;
use crate::spool::{Place, Spool, entry_ids, study_handle};
use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Study {
    /// Its batches: what came later is another one.
    pub batches: Vec<Way>,
}

/// The way of a batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Way {
    /// The batch.
    pub batch: String,
    /// What became of it, in order.
    pub steps: Vec<Step>,
    /// Where instances of it are now.
    pub places: Vec<Whereabouts>,
}

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Its record in the log.
    pub seq: u64,
    /// What became of the batch.
    #[serde(flatten)]
    pub what: Event,
    /// Since the step before it, ms.
    pub after_ms: Option<u64>,
    /// What was done, of a release.
    pub release: Option<Box<Release>>,
}

/// Some instances at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whereabouts {
    /// `waiting`, `in work`, `on the way`, `delivered`, `in quarantine`, `waits for`, `refused by`.
    pub state: String,
    /// Name there: of the batch, or of what is in quarantine.
    pub name: String,
    /// Of a queue.
    pub destination: String,
    /// How many.
    pub instances: u64,
}

/// Fewer characters of a name mean everything and nothing.
const SHORTEST: usize = 6;

/// Where batches lie, in the order in which they pass.
const PLACES: [(Place, &str); 6] = [
    (Place::Studies, "waiting"),
    (Place::Work, "in work"),
    (Place::Held, "on the way"),
    (Place::Delivered, "delivered"),
    (Place::Quarantine, "in quarantine"),
    (Place::Rejected, "rejected"),
];

/// Finds a study by its batch, or by its Study Instance UID as it left or as it came. `None`: nothing has the name.
///
/// # Errors
/// What the system says; a log that does not verify.
pub fn look(spool: &Spool, root: &RootKey, name: &str) -> Result<Option<Study>, Error> {
    let name = name.trim();
    if !(SHORTEST..=128).contains(&name.len()) {
        return Ok(None);
    }
    // The batches of a study begin with its handle.
    let handle = study_handle(&handles(root), name);
    let mut ways: Vec<Way> = Vec::new();
    let about = |batch: &str| batch.starts_with(name) || batch.starts_with(&handle);
    let mut left_as = Vec::new();
    audit::search(&spool.dir(Place::Audit), &[name, &handle], |record| {
        let Some(step) = Step::of(record) else { return };
        let (batch, step) = step;
        let has_left_so = step.release.as_ref().is_some_and(|release| release.study == name);
        if has_left_so {
            left_as.push(batch.clone());
        }
        if about(&batch) || has_left_so {
            Way::of(&mut ways, &batch).add(step);
        }
    })?;
    if !left_as.is_empty() {
        // Found by how it left: the other steps do not say that.
        ways.clear();
        let words: Vec<&str> = left_as.iter().map(String::as_str).collect();
        audit::search(&spool.dir(Place::Audit), &words, |record| {
            if let Some((batch, step)) = Step::of(record).filter(|(b, _)| left_as.contains(b)) {
                Way::of(&mut ways, &batch).add(step);
            }
        })?;
    }
    for (place, state) in PLACES {
        for found in disk::list(&spool.dir(place))? {
            let batch = found.split('.').next().unwrap_or(&found).to_owned();
            if about(&batch) || left_as.contains(&batch) {
                let instances = entry_ids(&spool.dir(place).join(&found))?.len() as u64;
                let (state, destination) = (state.to_owned(), String::new());
                let there = Whereabouts { state, name: found, destination, instances };
                Way::of(&mut ways, &batch).places.push(there);
            }
        }
    }
    for way in &mut ways {
        way.queues(spool)?;
    }
    Ok((!ways.is_empty()).then_some(Study { batches: ways }))
}

impl Way {
    fn of<'a>(ways: &'a mut Vec<Way>, batch: &str) -> &'a mut Way {
        let at = ways.iter().position(|way| way.batch == batch);
        let at = at.unwrap_or_else(|| {
            ways.push(Way { batch: batch.to_owned(), steps: Vec::new(), places: Vec::new() });
            ways.len() - 1
        });
        &mut ways[at]
    }

    fn add(&mut self, mut step: Step) {
        let time = |text: &str| humantime::parse_rfc3339(text).ok();
        let before = self.steps.last().and_then(|last| time(&last.what.time));
        let after =
            time(&step.what.time).zip(before).and_then(|(now, b)| now.duration_since(b).ok());
        step.after_ms = after.map(|after| after.as_millis() as u64);
        self.steps.push(step);
    }

    fn queues(&mut self, spool: &Spool) -> Result<(), Error> {
        for destination in spool.outboxes()? {
            let outbox = Outbox::of(spool, &destination);
            let mut add = |state: &str, instances| {
                let (state, name) = (state.to_owned(), self.batch.clone());
                let destination = destination.clone();
                self.places.push(Whereabouts { state, name, destination, instances });
            };
            if outbox.has(&self.batch) {
                add("waits for", outbox.tally(&self.batch)?.0);
            }
            if outbox.refused()?.contains(&self.batch) {
                add("refused by", outbox.refused_parcels(&self.batch)?);
            }
        }
        Ok(())
    }
}

impl Step {
    /// Of a record that is about a batch.
    pub(super) fn of(record: Record) -> Option<(String, Self)> {
        let (batch, what) = Event::of(&record)?;
        let release = match record.event {
            Logged::Released(release) => Some(release),
            _ => None,
        };
        Some((batch, Step { seq: record.seq, what, after_ms: None, release }))
    }
}
