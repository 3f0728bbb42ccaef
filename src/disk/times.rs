//! How long the disk takes to say that something is durable: what a sender waits for.

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// From a tenth of a millisecond, which no disk does, to 6.5 s, which none may.
static SYNCS: LazyLock<Histogram> =
    LazyLock::new(|| Histogram::new(exponential_buckets(0.000_1, 2.0, 17)));
static FAILURES: AtomicU64 = AtomicU64::new(0);
static KEPT: Mutex<Option<Syncs>> = Mutex::new(None);

/// Times of all syncs of files and directories since the start, in seconds.
pub fn sync_times() -> Histogram {
    SYNCS.clone()
}

/// Syncs that failed since the start.
pub fn sync_failures() -> u64 {
    FAILURES.load(Ordering::SeqCst)
}

/// Syncs of a process that has no metrics of its own, on their way to the one that has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Syncs {
    seconds: Vec<f64>,
    failures: u64,
}

impl Syncs {
    /// From now on what this process syncs is kept for its parent.
    pub fn are_kept() {
        kept().get_or_insert_default();
    }

    /// What was kept since the last time.
    pub fn take() -> Self {
        kept().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.seconds.is_empty()
    }

    /// Counts those of a child; it has given the alarm itself.
    pub fn add(self) {
        self.seconds.into_iter().for_each(|seconds| SYNCS.observe(seconds));
        FAILURES.fetch_add(self.failures, Ordering::SeqCst);
    }
}

fn kept() -> MutexGuard<'static, Option<Syncs>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Syncs, and remembers how long it took. The first failure is an alarm: the kernel has forgotten pages that it could
/// not write, and would say success the next time.
pub(super) fn timed(sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let begun = Instant::now();
    let done = sync();
    let seconds = begun.elapsed().as_secs_f64();
    SYNCS.observe(seconds);
    if let Some(kept) = kept().as_mut() {
        kept.seconds.push(seconds);
        kept.failures += u64::from(done.is_err());
    }
    if let Err(error) = &done
        && FAILURES.fetch_add(1, Ordering::SeqCst) == 0
    {
        tracing::error!(%error, "{ALARM}");
    }
    done
}

/// What is logged once.
const ALARM: &str = "fsync failed: nothing more is accepted. Check the disk, then restart efface";
