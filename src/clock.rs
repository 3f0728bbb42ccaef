//! The time of day: read here and nowhere else.
//!
//! Nobody's wall clock is to be trusted: it is set by hand, by the network, by a virtual machine that was asleep. So it dates
//! records and decides nothing but how long originals are kept after they have arrived; set back, they are kept longer. What
//! is to happen after a while, or must end in time, goes by the monotonic clock (`Instant`).
#![allow(clippy::disallowed_methods)] // the ban of clippy.toml leads here

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now.
pub fn now() -> SystemTime {
    #[cfg(test)]
    return jumps::applied(SystemTime::now());
    #[cfg(not(test))]
    SystemTime::now()
}

/// Milliseconds since 1970.
pub fn ms() -> u64 {
    let since = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time for records and reasons, RFC 3339 in UTC.
pub fn stamp() -> String {
    humantime::format_rfc3339_millis(now()).to_string()
}

/// How long ago a [stamp] was made; nothing, if that is still to come. `None` for what is none.
pub fn since(stamp: &str) -> Option<Duration> {
    let then = humantime::parse_rfc3339(stamp).ok()?;
    Some(now().duration_since(then).unwrap_or_default())
}

/// A clock that somebody sets, for the thread of a test.
#[cfg(test)]
pub mod jumps {
    use std::cell::Cell;
    use std::time::{Duration, SystemTime};

    thread_local! {
        static AHEAD_S: Cell<i64> = const { Cell::new(0) };
    }

    /// Sets the clock so many seconds ahead of the right time, or behind it.
    pub fn set(ahead_s: i64) {
        AHEAD_S.set(ahead_s);
    }

    pub(super) fn applied(time: SystemTime) -> SystemTime {
        let ahead = AHEAD_S.get();
        let jump = Duration::from_secs(ahead.unsigned_abs());
        if ahead < 0 { time - jump } else { time + jump }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_to_come_was_no_time_ago() {
        let stamp = stamp();
        jumps::set(3600);
        assert!(since(&stamp).unwrap() >= Duration::from_secs(3599));
        jumps::set(-3600);
        assert_eq!(since(&stamp).unwrap(), Duration::ZERO);
        jumps::set(0);
        assert_eq!(since("yesterday"), None);
    }
}
