//! What is where in the state directory.

use crate::custody::outbox::Outbox;
use crate::disk;
use crate::spool::account::Account;
use crate::spool::entry::Entry;
use crate::spool::{Place, Spool, entry_ids};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// The states in the order in which a study passes them.
const STATES: [(Place, &str); 7] = [
    (Place::Inbox, "received, not yet gathered"),
    (Place::Studies, "gathered, not yet quiet"),
    (Place::Work, "closed, being de-identified"),
    (Place::Held, "on the way to a destination"),
    (Place::Delivered, "delivered, originals retained"),
    (Place::Quarantine, "in quarantine"),
    (Place::Rejected, "rejected, about to be dropped"),
];

/// How much is where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// By state.
    pub states: Vec<Pile>,
    /// By destination.
    pub outboxes: Vec<Waiting>,
}

/// What is in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pile {
    /// The state, in words.
    pub state: String,
    /// Studies, batches, or what was put aside together.
    pub groups: u64,
    /// How many instances.
    pub instances: u64,
}

/// What waits for a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Destination by its name in the configuration.
    pub destination: String,
    /// Batches that wait.
    pub groups: u64,
    /// Parcels in them.
    pub parcels: u64,
    /// Batches of which it refused something.
    pub refused: u64,
}

/// How much is in each state.
///
/// # Errors
/// What the system says.
pub fn look(spool: &Spool) -> io::Result<Stock> {
    let (mut states, mut outboxes) = (Vec::new(), Vec::new());
    for (place, state) in STATES {
        let directory = spool.dir(place);
        let names = disk::list(&directory)?;
        let in_groups = || names.iter().map(|name| count(&directory.join(name))).sum();
        let (groups, instances) = match place {
            Place::Inbox => (0, names.len() as u64),
            _ => (names.len() as u64, in_groups()),
        };
        states.push(Pile { state: state.to_owned(), groups, instances });
    }
    for destination in spool.outboxes()? {
        let outbox = Outbox::of(spool, &destination);
        let (ready, refused) = (outbox.ready()?, outbox.refused()?.len() as u64);
        let parcels = ready.batches.iter().map(|(batch, _)| parcels(&outbox, batch)).sum();
        outboxes.push(Waiting { groups: ready.waiting() as u64, parcels, refused, destination });
    }
    Ok(Stock { states, outboxes })
}

fn count(group: &std::path::Path) -> u64 {
    entry_ids(group).map_or(0, |ids| ids.len() as u64)
}

fn parcels(outbox: &Outbox<'_>, batch: &str) -> u64 {
    let files = disk::list(&outbox.ready_dir(batch)).unwrap_or_default();
    files.iter().filter(|name| name.ends_with(".dcm")).count() as u64
}

/// What came of reading every entry again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Entries that were read.
    pub entries: u64,
    /// Those that are not what was received.
    pub damaged: Vec<Damaged>,
    /// Batches of which acknowledged instances cannot be found, and how many.
    pub missing: Vec<(String, u64)>,
}

/// An entry that is not what was received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

impl Checked {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.missing.is_empty()
    }

    /// Instances that cannot be found.
    pub fn lost(&self) -> u64 {
        self.missing.iter().map(|(_, instances)| instances).sum()
    }
}

/// Reads every entry again, and draws up the account. `begin` is told how many there are, `done` of each.
///
/// # Errors
/// What the system says, or the log does.
pub fn check(spool: &Spool, begin: &dyn Fn(u64), done: &(dyn Fn() + Sync)) -> io::Result<Checked> {
    let mut entries = Vec::new();
    for (place, _) in STATES {
        let directory = spool.dir(place);
        let groups = match place {
            Place::Inbox => vec![directory],
            _ => disk::list(&directory)?.iter().map(|name| directory.join(name)).collect(),
        };
        for group in groups {
            entries.extend(entry_ids(&group)?.into_iter().map(|id| group.join(id)));
        }
    }
    begin(entries.len() as u64);
    let damaged = entries.par_iter().filter_map(|path| {
        let checked = Entry::open(path).and_then(|entry| entry.check());
        done();
        match checked {
            // A gateway that runs has moved it on.
            Err(_) if !path.exists() => None,
            Err(damage) => Some(Damaged { path: path.clone(), what: damage.to_string() }),
            Ok(()) => None,
        }
    });
    let damaged = damaged.collect();
    let missing = Account::take(spool)?.missing;
    Ok(Checked { entries: entries.len() as u64, damaged, missing })
}

/// Where a batch, or a part of it, is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Whereabouts {
    /// In a state.
    Here {
        /// Its name there.
        name: String,
        /// The state, in words.
        state: String,
        /// How many instances.
        instances: u64,
    },
    /// De-identified, and waiting for a destination.
    Waiting {
        /// Its name.
        name: String,
        /// Destination by its name in the configuration.
        destination: String,
        /// Parcels that were not sent yet.
        left: u64,
        /// All parcels.
        of: u64,
        /// What it overtakes.
        priority: String,
        /// When it may be sent.
        hours: String,
        /// Position of the release in the log.
        receipt: u64,
    },
    /// Refused by a destination for good.
    Refused {
        /// Its name.
        name: String,
        /// Destination by its name in the configuration.
        destination: String,
    },
}

/// Where everything is whose name begins so.
///
/// # Errors
/// What the system says.
pub fn find(spool: &Spool, beginning: &str) -> io::Result<Vec<Whereabouts>> {
    let mut found = Vec::new();
    let is_meant = |name: &String| name.starts_with(beginning);
    for (place, state) in STATES {
        for name in disk::list(&spool.dir(place))?.into_iter().filter(is_meant) {
            let instances =
                entry_ids(&spool.dir(place).join(&name)).map_or(1, |ids| ids.len() as u64);
            found.push(Whereabouts::Here { name, state: state.to_owned(), instances });
        }
    }
    for destination in spool.outboxes()? {
        let outbox = Outbox::of(spool, &destination);
        let ready = outbox.ready()?.batches.into_iter();
        for (name, dispatch) in ready.filter(|(name, _)| is_meant(name)) {
            let (left, sent) = outbox.tally(&name)?;
            found.push(Whereabouts::Waiting {
                name,
                destination: destination.clone(),
                left,
                of: left + sent,
                priority: dispatch.priority.to_string(),
                hours: dispatch.hours.to_string(),
                receipt: dispatch.receipt,
            });
        }
        for name in outbox.refused()?.into_iter().filter(is_meant) {
            found.push(Whereabouts::Refused { name, destination: destination.clone() });
        }
    }
    Ok(found)
}
