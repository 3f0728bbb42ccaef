//! What the log says became of a batch: the one way to read that out of a record.

use crate::audit::{Event as Logged, Record};
use serde::{Deserialize, Serialize};

/// One thing that became of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// RFC 3339.
    pub time: String,
    /// As in the log: `taken`, `released`, `delivered`, `quarantined`, `withdrawn`, ...
    pub event: String,
    /// For which destination; empty when for all.
    pub destination: String,
    /// Why; empty where there is no why.
    pub code: String,
    /// How many instances.
    pub instances: u64,
}

impl Event {
    /// Of a record, with its batch; `None` if it is about none.
    pub(super) fn of(record: &Record) -> Option<(String, Self)> {
        let (event, batch, code, destination, instances) = match &record.event {
            Logged::Taken { batch, instances } => ("taken", batch.as_str(), "", "", *instances),
            Logged::Released(r) => ("released", r.batch.as_str(), "", &*r.destination, r.instances),
            Logged::Delivered { destination, batch, instances, .. } => {
                ("delivered", batch.as_str(), "", destination.as_str(), *instances)
            }
            Logged::Quarantined { batch, code, destination, instances } => {
                ("quarantined", batch.as_str(), code.as_str(), destination.as_str(), *instances)
            }
            Logged::Withdrawn { destination, batch, code, instances, .. } => {
                ("withdrawn", batch.as_str(), code.as_str(), destination.as_str(), *instances)
            }
            Logged::Repeated { batch, instances } => {
                ("repeated", batch.as_str(), "", "", *instances)
            }
            Logged::Returned { name, instances } => {
                let (batch, code) = parts(name);
                ("returned", batch, code, "", *instances)
            }
            Logged::Rejected { batch, code, destination, instances, .. } => {
                ("rejected", batch.as_str(), code.as_str(), destination.as_str(), *instances)
            }
            Logged::Shown { name, .. } => {
                let (batch, code) = parts(name);
                ("shown", batch, code, "", 0)
            }
            Logged::Erased { batch, instances } => ("erased", batch.as_str(), "", "", *instances),
            _ => return None,
        };
        let [event, destination, code] = [event, destination, code].map(str::to_owned);
        let time = record.time.clone();
        Some((batch.to_owned(), Event { time, event, destination, code, instances }))
    }
}

/// The batch in the name of something in quarantine, and for whom and why it was there.
fn parts(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((name, ""))
}
