//! How long the disk takes to say that something is durable: what a sender waits for.

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// From a tenth of a millisecond, which no disk does, to 6.5 s, which none may.
static SYNCS: LazyLock<Histogram> =
    LazyLock::new(|| Histogram::new(exponential_buckets(0.000_1, 2.0, 17)));
static FAILURES: AtomicU64 = AtomicU64::new(0);

/// Times of all syncs of files and directories since the start, in seconds.
pub fn sync_times() -> Histogram {
    SYNCS.clone()
}

/// Syncs that failed since the start.
pub fn sync_failures() -> u64 {
    FAILURES.load(Ordering::SeqCst)
}

/// Counts syncs that failed in a process of this gateway's own: there the alarm was given.
pub fn failed_in_a_child(failures: u64) {
    FAILURES.fetch_add(failures, Ordering::SeqCst);
}

/// Syncs, and remembers how long it took. The first failure is an alarm: the kernel has forgotten pages that it could
/// not write, and would say success the next time.
pub(super) fn timed(sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let begun = Instant::now();
    let done = sync();
    SYNCS.observe(begun.elapsed().as_secs_f64());
    if let Err(error) = &done
        && FAILURES.fetch_add(1, Ordering::SeqCst) == 0
    {
        tracing::error!(%error, "{ALARM}");
    }
    done
}

/// What is logged once.
const ALARM: &str = "fsync failed: nothing more is accepted. Check the disk, then restart efface";
