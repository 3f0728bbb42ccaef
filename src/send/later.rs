//! Batches for which the gateway is not asked before the next minute: they are kept for other hours.

use crate::clock;
use crate::custody::outbox::Dispatch;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

const MINUTE_MS: u64 = 60_000;

/// Until when nobody asks for which. Hours begin with a minute of the clock: none of them begins late because of this,
/// unless somebody sets the clock meanwhile, and then by a minute at most.
#[derive(Default)]
pub(crate) struct Later(RefCell<HashMap<(String, u64), Instant>>);

/// When the next minute of the clock begins. Looked up before the gateway is asked, which then has not refused in a later one.
pub(super) fn next_minute() -> Instant {
    Instant::now() + Duration::from_millis(MINUTE_MS - clock::ms() % MINUTE_MS)
}

impl Later {
    /// Whether it was refused in this minute. One that was made again since is another one, by its receipt.
    pub(super) fn has(&self, batch: &str, dispatch: &Dispatch) -> bool {
        let known = self.0.borrow();
        let until = known.get(&(batch.to_owned(), dispatch.receipt));
        until.is_some_and(|until| Instant::now() < *until)
    }

    /// Notes that it was refused, if it has hours: what has none is asked for again soon.
    pub(super) fn note(&self, batch: &str, dispatch: &Dispatch, until: Instant) {
        if !dispatch.hours.0.is_empty() {
            let (mut known, now) = (self.0.borrow_mut(), Instant::now());
            known.retain(|_, until| now < *until);
            known.insert((batch.to_owned(), dispatch.receipt), until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Hours;

    #[test]
    fn only_what_has_hours_is_not_asked_for_and_only_in_this_minute() {
        let night = Hours(vec!["20:00-06:00".parse().unwrap()]);
        let (night, at_once) =
            (Dispatch { hours: night, ..Dispatch::default() }, Dispatch::default());
        let later = Later::default();
        assert!(!later.has("a", &night), "nobody has asked yet");
        let to_come = Instant::now() + Duration::from_secs(3600);
        later.note("a", &night, to_come);
        later.note("b", &at_once, to_come);
        assert!(later.has("a", &night) && !later.has("b", &at_once) && !later.has("c", &night));
        assert!(!later.has("a", &Dispatch { receipt: 7, ..night.clone() }), "it was made again");
        later.note("a", &night, Instant::now());
        assert!(!later.has("a", &night), "another minute has begun");
        let next = next_minute();
        assert!(next <= Instant::now() + Duration::from_millis(MINUTE_MS));
    }
}
