//! The time of day: read here and nowhere else.
//!
//! Nobody's wall clock is to be trusted: it is set by hand, by the network, by a virtual machine that was asleep. So it dates
//! records and decides nothing but how long originals are kept after they have arrived (set back, they are kept longer),
//! when rows of the crosswalk are over their time (set ahead, they go early), on which day an authorisation ends (set back,
//! it holds longer: a site that does not trust its clock shortens it), when what a route keeps for the night is sent, and whether a certificate is valid (`net/tls.rs`).
//! What is to happen after a while, or must end in time, goes by the monotonic clock (`Instant`).
#![allow(clippy::disallowed_methods)] // the ban of clippy.toml leads here

use chrono::{Days, Months, NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
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

/// The time of day here, in the time zone of this machine.
pub fn local() -> NaiveDateTime {
    chrono::DateTime::<chrono::Local>::from(now()).naive_local()
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

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(NaiveDate);

impl Day {
    /// Today, in UTC.
    pub fn today() -> Self {
        let now = stamp();
        now.get(..10).and_then(|day| day.parse().ok()).unwrap_or(Day(NaiveDate::MAX))
    }

    /// The last day for an answer to what came in on this one: a month later (GDPR Art. 12(3)).
    pub fn due(self) -> Self {
        Day(self.0.checked_add_months(Months::new(1)).unwrap_or(self.0))
    }

    /// The same for calculations.
    pub fn date(self) -> NaiveDate {
        self.0
    }

    /// So many days later.
    pub fn after(self, days: u64) -> Self {
        Day(self.0.checked_add_days(Days::new(days)).unwrap_or(NaiveDate::MAX))
    }

    /// Days from this one to a later one; negative if it is an earlier one.
    pub fn until(self, later: Day) -> i64 {
        (later.0 - self.0).num_days()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Day {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_day = text.len() == 10;
        let day = text.parse().ok().filter(|_| is_day);
        day.map(Day).ok_or("a day, as 2026-11-28")
    }
}

impl TryFrom<String> for Day {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
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

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn an_answer_is_due_after_a_month() {
        assert_eq!(day("2026-01-31").due(), day("2026-02-28"));
        assert_eq!(day("2026-11-28").due(), day("2026-12-28"));
        assert_eq!(day("2026-02-27").after(2), day("2026-03-01"));
        assert_eq!(day("2026-03-01").until(day("2026-02-27")), -2);
        assert!(
            ["2026-2-1", "20260201", "2026-02-30", ""].iter().all(|t| t.parse::<Day>().is_err())
        );
        assert!(Day::today() > day("2026-01-01") && Day::today() < day("2200-01-01"));
    }
}
