//! How long the face stage may work on a series.

use super::Error;
use std::time::{Duration, Instant};

/// When work on a series ends, done or not. It is looked at between steps of bounded work: before a frame is
/// read or made, before a head is fitted, before a verdict.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start: Instant,
    limit: Duration,
}

impl Deadline {
    /// So long from now.
    pub fn after(limit: Duration) -> Self {
        Deadline { start: Instant::now(), limit }
    }

    /// # Errors
    /// [`Error::OutOfTime`] from the deadline on.
    pub fn require(&self) -> Result<(), Error> {
        let in_time = self.start.elapsed() < self.limit;
        if in_time { Ok(()) } else { Err(Error::OutOfTime { limit_s: self.limit.as_secs() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_over_at_once_and_an_hour_is_not() {
        let none = Deadline::after(Duration::ZERO).require();
        assert!(matches!(none, Err(Error::OutOfTime { limit_s: 0 })), "{none:?}");
        assert!(Deadline::after(Duration::from_secs(3600)).require().is_ok());
    }
}
