//! The gateway's side of a sender: starts it, hears it, does what it has no right to do, and starts it again.

use super::SENDER;
use super::attendant::Calls;
use super::child::{Child, Heard};
use super::sender::SendOrders;
use crate::forward::Forwarder;
use crate::send::{Home, PAUSE_MIN, Pause, Word};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a sender may finish what is on the wire when the gateway stops.
const PATIENCE: Duration = Duration::from_secs(10);
/// A sender that lived so long did not die of its start.
const A_LIFE: Duration = Duration::from_secs(60);
/// How often it is looked whether a sender may be started again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Has the parcels of one destination sent.
pub struct Courier {
    /// Follows the parcels.
    pub forwarder: Forwarder,
    /// What the sender is told.
    pub orders: SendOrders,
    /// Where the senders' attendant calls, if they have one.
    pub(crate) calls: Option<Arc<Calls>>,
}

impl Courier {
    /// Works until told to stop. A sender that dies is started again; its parcels lie where they lay.
    pub fn run(&self, stop: &AtomicBool) {
        let mut pause = Pause::default();
        while !stop.load(Ordering::SeqCst) {
            let since = Instant::now();
            if pause.is_over()
                && let Err(error) = self.attend(stop)
            {
                let destination = &self.forwarder.destination;
                tracing::error!(destination, %error, "the sender ended; it is started again");
                if since.elapsed() >= A_LIFE {
                    pause = Pause::default();
                }
                pause.longer(PAUSE_MIN);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Starts a sender and hears it, until the gateway stops.
    fn attend(&self, stop: &AtomicBool) -> io::Result<()> {
        let calls = self.calls.as_deref();
        let sender: Child<Word> = Child::start(SENDER, self.orders.log_json, calls)?;
        sender.say(&self.orders)?;
        while !stop.load(Ordering::SeqCst) {
            match sender.hear() {
                Heard::Word(word) => {
                    let is_answered = word.is_answered();
                    let done = self.heed(word);
                    if is_answered {
                        sender.say(&done)?;
                    }
                }
                Heard::Silence => {}
                Heard::End => return Err(sender.wait()?.into()),
            }
        }
        sender.hang_up();
        // What it still has to say is of instances that have arrived.
        loop {
            match sender.hear() {
                Heard::Word(word) => drop(self.heed(word)),
                Heard::Silence | Heard::End => return sender.end_within(PATIENCE),
            }
        }
    }

    /// Does what a word asks for; whether it was done.
    fn heed(&self, word: Word) -> bool {
        let forwarder = &self.forwarder;
        let done = match &word {
            Word::Sent(batch) | Word::Damaged(batch) if !is_name_of_a_batch(batch) => {
                Err(io::ErrorKind::InvalidInput.into())
            }
            _ => forwarder.tell(word),
        };
        if let Err(error) = &done {
            let destination = &forwarder.destination;
            tracing::error!(destination, %error, "what a sender has said could not be done");
        }
        done.is_ok()
    }
}

/// A sender that was taken over may say anything; paths are made of this.
fn is_name_of_a_batch(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty() && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_batches_lead_nowhere_else() {
        assert!(is_name_of_a_batch("0a1b2c-3d4e"));
        for name in ["", "..", "../held", "a/b", "a\0", "A"] {
            assert!(!is_name_of_a_batch(name), "{name}");
        }
    }
}
