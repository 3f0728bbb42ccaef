//! The log of a process that has none of its own: events go through a pipe to the process that has it.
//!
//! ```text
//! worker:  {"append": EVENT}                       gateway: {"kept": {"seq": 7, "hash": "..."}}
//!                                                        or {"refused": "why"}
//! worker:  {"ended": {"later": false, "syncs": {...}}}
//! ```
//! The gateway's process is the only one that writes the log.

use super::{Error, Event, Journal, Receipt};
use crate::disk::Syncs;
use crate::pipe::{hear, say};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};
use std::sync::{Mutex, PoisonError};

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// Write this to the log.
    Append(Box<Event>),
    /// The batch was taken as far as it goes: its parcels are in the outboxes, or it is in quarantine.
    Ended {
        /// Whether it must be tried again.
        later: bool,
        /// What the worker has synced.
        syncs: Syncs,
    },
}

/// What it is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The event is on disk.
    Kept {
        /// Position of the record.
        seq: u64,
        /// Hash of the record in hex.
        hash: String,
    },
    /// It is not; why.
    Refused(String),
}

impl From<Result<Receipt, Error>> for Answer {
    fn from(appended: Result<Receipt, Error>) -> Self {
        match appended {
            Ok(Receipt { seq, hash }) => Answer::Kept { seq, hash: HEXLOWER.encode(&hash) },
            Err(error) => Answer::Refused(error.to_string()),
        }
    }
}

impl Answer {
    /// What it says was kept.
    ///
    /// # Errors
    /// Why nothing was.
    pub fn into_receipt(self) -> Result<Receipt, String> {
        match self {
            Answer::Kept { seq, hash } => {
                let hash = HEXLOWER.decode(hash.as_bytes()).ok().and_then(|h| h.try_into().ok());
                Ok(Receipt { seq, hash: hash.ok_or("an answer without a hash")? })
            }
            Answer::Refused(why) => Err(why),
        }
    }
}

/// A worker's end of the pipe.
pub struct Relay<R, W>(Mutex<(R, W)>);

impl<R: BufRead, W: Write> Relay<R, W> {
    /// Reads answers from one end, writes to the other.
    pub fn new(answers: R, to: W) -> Self {
        Relay(Mutex::new((answers, to)))
    }

    /// The last word.
    ///
    /// # Errors
    /// What the system says: the gateway is gone.
    pub fn end(&self, later: bool, syncs: Syncs) -> io::Result<()> {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        say(&mut ends.1, &Said::Ended { later, syncs })
    }
}

impl<R: BufRead + Send, W: Write + Send> Journal for Relay<R, W> {
    fn append(&self, event: Event) -> Result<Receipt, Error> {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (answers, to) = &mut *ends;
        let asked = say(to, &Said::Append(Box::new(event))).and_then(|()| hear(answers));
        let answer = asked.map_err(|error| Error::Relayed(error.to_string()))?;
        let answer = answer.unwrap_or_else(|| Answer::Refused("the gateway is gone".to_owned()));
        answer.into_receipt().map_err(Error::Relayed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Log;
    use super::*;

    #[test]
    fn a_receipt_comes_from_the_log_and_from_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let log = super::super::tests::log(folder.path());
        log.append(Event::Stopped).unwrap();
        let kept = Log::append(&log, Event::Stopped).unwrap();
        let (seq, hash) = (kept.seq, kept.hash);
        let mut answers = Vec::new();
        say(&mut answers, &Answer::from(Ok(kept))).unwrap();
        say(&mut answers, &Answer::from(Err(Error::Poisoned))).unwrap();
        answers.extend(b"{\"kept\":{\"seq\":1,\"hash\":\"00\"}}\n{\"kept\"");
        let mut asked = Vec::new();
        let relay = Relay::new(&answers[..], &mut asked);
        let receipt = relay.append(Event::Stopped).unwrap();
        assert_eq!((receipt.seq, receipt.hash), (seq, hash));
        for _ in 0..3 {
            assert!(matches!(relay.append(Event::Stopped), Err(Error::Relayed(_))));
        }
        let mut asked = &asked[..];
        for _ in 0..4 {
            let said = hear(&mut asked).unwrap();
            assert!(matches!(said, Some(Said::Append(event)) if *event == Event::Stopped));
        }
        assert!(hear::<Said>(&mut asked).unwrap().is_none());
    }
}
