//! Counts since the gateway's start, in a file that `efface status` reads.

use crate::clock;
use crate::disk;
use crate::meter::Meter;
use crate::spool::Spool;
use serde::{Deserialize, Serialize};
use std::io;

const FILE: &str = "pull.json";

/// How open studies were closed, and what PACSs had to do with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Since when is counted, RFC 3339.
    pub since: String,
    /// Studies that were closed because everything that their PACS names had arrived.
    pub closed_complete: u64,
    /// Studies that were closed by the quiet period.
    pub closed_quiet: u64,
    /// Questions to PACSs.
    pub asked: u64,
    /// Those that brought no answer.
    pub asked_in_vain: u64,
    /// Instances that came because a PACS was asked to send them.
    pub fetched: u64,
    /// Instances that a PACS could not send, by its own word.
    pub fetched_in_vain: u64,
}

impl Tally {
    /// What begins now.
    pub fn begin() -> Self {
        Tally { since: clock::stamp(), ..Tally::default() }
    }

    /// The same, with what a meter says now.
    pub fn of(&self, meter: &Meter) -> Self {
        Tally {
            since: self.since.clone(),
            closed_complete: meter.closed_complete.get(),
            closed_quiet: meter.closed_quiet.get(),
            asked: meter.asked.get(),
            asked_in_vain: meter.asked_in_vain.get(),
            fetched: meter.fetched.get(),
            fetched_in_vain: meter.fetched_in_vain.get(),
        }
    }

    /// Keeps it.
    ///
    /// # Errors
    /// What the system says.
    pub fn keep(&self, spool: &Spool) -> io::Result<()> {
        disk::write_whole(&spool.root().join(FILE), &serde_json::to_vec(self)?)
    }

    /// What was kept last; `None`: no PACS is asked.
    pub fn look(spool: &Spool) -> Option<Self> {
        let text = disk::read_text(&spool.root().join(FILE)).ok()??;
        serde_json::from_str(&text).ok()
    }

    /// Nobody is asked any more.
    ///
    /// # Errors
    /// What the system says.
    pub fn forget(spool: &Spool) -> io::Result<()> {
        disk::remove(&spool.root().join(FILE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        assert_eq!(Tally::look(&spool), None);
        let meter = Meter::default();
        meter.fetched.add(3);
        let tally = Tally::begin().of(&meter);
        tally.keep(&spool).unwrap();
        assert_eq!(Tally::look(&spool), Some(tally));
        Tally::forget(&spool).unwrap();
        assert_eq!(Tally::look(&spool), None);
    }
}
