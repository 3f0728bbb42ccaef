//! Bytes that this process has given to its connections: what a sender has sent, of its parcels and around them, under TLS
//! as they leave. Questions to name servers are the system's and not among them.

use std::sync::atomic::{AtomicU64, Ordering};

static BYTES: AtomicU64 = AtomicU64::new(0);

/// So many more.
pub(super) fn add(bytes: usize) {
    BYTES.fetch_add(bytes as u64, Ordering::SeqCst);
}

/// Those since this was asked last.
pub fn take() -> u64 {
    BYTES.swap(0, Ordering::SeqCst)
}
