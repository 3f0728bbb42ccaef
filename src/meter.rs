//! Counts of what happened since the start, for the metrics and for the log. No label says anything
//! about a patient.

use crate::audit::Event;
use crate::spool::account::Account;
use crate::spool::quarantine::Code;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// One counter.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Reads.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Results by what became of them, and why.
#[derive(Debug, Default)]
pub struct Results(Mutex<BTreeMap<(String, String), u64>>);

impl Results {
    /// Adds.
    pub fn add(&self, change: &str, code: &str, instances: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((change.to_owned(), code.to_owned())).or_default() += instances;
    }

    /// Reads: change, code, how many.
    pub fn all(&self) -> Vec<(String, String, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|((change, code), n)| (change.clone(), code.clone(), *n)).collect()
    }
}

/// All counters of the gateway besides the listener's own.
#[derive(Debug, Default)]
pub struct Meter {
    /// Instances that were gathered by study.
    pub gathered: Count,
    /// Instances for which parcels were put up, once per destination.
    pub released: Count,
    /// Instances that a destination said it stored.
    pub delivered: Count,
    /// Instances that came again, byte for byte.
    pub repeated: Count,
    /// Parcels that were taken back because their patient objects.
    pub withdrawn: Count,
    /// Attempts to send that will be repeated.
    pub retries: Count,
    /// Requests for storage commitment that were accepted.
    pub commitments: Count,
    /// Requests whose requestor has said that it knows the answer.
    pub commitments_reported: Count,
    /// Batches in work or waiting for a worker, ended.
    pub batches: Count,
    /// Results that came back.
    pub results: Results,
    /// Studies that were closed because everything that their PACS names had arrived.
    pub closed_complete: Count,
    /// Studies that were closed by the quiet period.
    pub closed_quiet: Count,
    /// Questions to PACSs about open studies.
    pub asked: Count,
    /// Those that brought no answer.
    pub asked_in_vain: Count,
    /// Instances that came because a PACS was asked to send them.
    pub fetched: Count,
    /// Instances that a PACS could not send, by its own word.
    pub fetched_in_vain: Count,
    quarantined: Mutex<BTreeMap<Code, u64>>,
    outward: Mutex<BTreeMap<String, Outward>>,
    homeward: Mutex<BTreeMap<String, Histogram>>,
    account: Mutex<Account>,
}

/// What left for one destination.
#[derive(Clone, Debug)]
pub struct Outward {
    /// Bytes, of parcels and around them.
    pub bytes: u64,
    /// Seconds from the last image of a batch to the first byte that left of it.
    pub waited: Histogram,
    /// Seconds from that byte until all of the batch had arrived.
    pub took: Histogram,
}

impl Default for Outward {
    fn default() -> Self {
        Outward { bytes: 0, waited: seconds(), took: seconds() }
    }
}

/// From a second to four and a half hours.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 15))
}

impl Meter {
    /// Counts what an event of a worker says.
    pub fn count(&self, event: &Event) {
        match event {
            Event::Released(release) => self.released.add(release.instances),
            Event::Repeated { instances, .. } => self.repeated.add(*instances),
            Event::Quarantined { code, instances, .. } => {
                self.quarantine(Code::named(code).unwrap_or(Code::Failed), *instances);
            }
            Event::Result { change, code, instances, .. } => {
                self.results.add(change, code, *instances);
            }
            _ => {}
        }
    }

    /// Counts instances that went to quarantine.
    pub fn quarantine(&self, code: Code, instances: u64) {
        let mut counts = self.quarantined.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(code).or_default() += instances;
    }

    /// Counts bytes that left for a destination.
    pub fn sent_bytes(&self, destination: &str, bytes: u64) {
        self.outward(destination, |outward| outward.bytes += bytes);
    }

    /// Counts a batch that has arrived: how long it waited, and how long it was on its way, in ms where that is known.
    pub fn turnaround(&self, destination: &str, waited_ms: Option<u64>, took_ms: Option<u64>) {
        let seconds = |ms: u64| ms as f64 / 1000.0;
        self.outward(destination, |outward| {
            waited_ms.into_iter().for_each(|ms| outward.waited.observe(seconds(ms)));
            took_ms.into_iter().for_each(|ms| outward.took.observe(seconds(ms)));
        });
    }

    /// What left since the start, by destination.
    pub fn all_outward(&self) -> Vec<(String, Outward)> {
        let outward = self.outward.lock().unwrap_or_else(PoisonError::into_inner);
        outward.iter().map(|(name, outward)| (name.clone(), outward.clone())).collect()
    }

    /// Counts a batch of results that a PACS has: how long after the last of them came, in ms.
    pub fn brought_home(&self, pacs: &str, took_ms: u64) {
        let mut homeward = self.homeward.lock().unwrap_or_else(PoisonError::into_inner);
        homeward.entry(pacs.to_owned()).or_insert_with(seconds).observe(took_ms as f64 / 1000.0);
    }

    /// How long results took since the start, by PACS.
    pub fn all_homeward(&self) -> Vec<(String, Histogram)> {
        let homeward = self.homeward.lock().unwrap_or_else(PoisonError::into_inner);
        homeward.iter().map(|(pacs, took)| (pacs.clone(), took.clone())).collect()
    }

    fn outward(&self, destination: &str, change: impl FnOnce(&mut Outward)) {
        let mut outward = self.outward.lock().unwrap_or_else(PoisonError::into_inner);
        change(outward.entry(destination.to_owned()).or_default());
    }

    /// Where all instances are, as it was last found out.
    pub fn account(&self) -> Account {
        self.account.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers where all instances are.
    pub fn set_account(&self, account: Account) {
        *self.account.lock().unwrap_or_else(PoisonError::into_inner) = account;
    }

    /// Instances in quarantine since the start, by code.
    pub fn quarantined(&self) -> Vec<(Code, u64)> {
        let counts = self.quarantined.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(code, n)| (*code, *n)).collect()
    }
}
