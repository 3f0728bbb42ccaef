//! Batches that wait for a worker: the most urgent first, and of these the one that has waited longest.

use crate::routing::Priority;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Batches that wait, for several threads.
pub(super) struct Queue(Mutex<Waiting>);

struct Waiting {
    announced: Receiver<String>,
    /// In the order in which they came.
    batches: Vec<(Priority, String)>,
}

impl Queue {
    /// Fed by whoever closes batches.
    pub(super) fn new(announced: Receiver<String>) -> Self {
        Queue(Mutex::new(Waiting { announced, batches: Vec::new() }))
    }

    /// The next one, if there is one before `patience` is over. `priority` is asked once for each.
    pub(super) fn next(
        &self,
        patience: Duration,
        priority: impl Fn(&str) -> Priority,
    ) -> Option<String> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = if waiting.batches.is_empty() { patience } else { Duration::ZERO };
        match waiting.announced.recv_timeout(patience) {
            Ok(first) => {
                let more: Vec<String> = waiting.announced.try_iter().collect();
                for batch in std::iter::once(first).chain(more) {
                    waiting.batches.push((priority(&batch), batch));
                }
            }
            Err(RecvTimeoutError::Disconnected) if waiting.batches.is_empty() => {
                drop(waiting);
                std::thread::sleep(patience);
                return None;
            }
            Err(_) => {}
        }
        // Of equals the last one wins, which is the first that came.
        let places = waiting.batches.iter().enumerate().rev();
        let next = places.max_by_key(|(_, (priority, _))| *priority).map(|(at, _)| at)?;
        Some(waiting.batches.remove(next).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_urgent_overtake_and_the_others_keep_their_order() {
        let (announce, announced) = mpsc::channel();
        let queue = Queue::new(announced);
        let priority = |batch: &str| match batch.as_bytes()[0] {
            b'u' => Priority::Urgent,
            b'b' => Priority::Bulk,
            _ => Priority::Routine,
        };
        let next = || queue.next(Duration::from_millis(1), priority);
        for batch in ["b1", "r1", "r2", "u1", "b2", "u2"] {
            announce.send(batch.to_owned()).unwrap();
        }
        assert_eq!(next().as_deref(), Some("u1"));
        announce.send("u3".to_owned()).unwrap();
        let order: Vec<String> = std::iter::from_fn(next).collect();
        assert_eq!(order, ["u2", "u3", "r1", "r2", "b1", "b2"]);
        drop(announce);
        assert_eq!(next(), None);
    }
}
