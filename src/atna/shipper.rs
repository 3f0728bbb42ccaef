//! Sends what the log says, and knows what has arrived (see the module above).

use super::cursor::Cursor;
use super::line::Trouble;
use super::message::Reporter;
use crate::audit::{self, Follower};
use crate::clock;
use crate::disk::Syncs;
use crate::net::tls;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The way to the repository.
pub trait Wire {
    /// Opens a connection.
    ///
    /// # Errors
    /// [`Trouble`]: nothing was sent.
    fn connect(&self) -> Result<Box<dyn Line + '_>, Trouble>;
}

/// One connection.
pub trait Line {
    /// Hands over a message. That it arrived is not known before the end.
    ///
    /// # Errors
    /// [`Trouble`].
    fn send(&mut self, frame: &[u8]) -> Result<(), Trouble>;

    /// Whether the other side is still there, as far as it has said.
    ///
    /// # Errors
    /// [`Trouble`]: it is not.
    fn look(&mut self) -> Result<(), Trouble>;

    /// Ends the connection. `Ok`: the other side has read everything.
    ///
    /// # Errors
    /// [`Trouble`]: that is not known.
    fn finish(self: Box<Self>) -> Result<(), Trouble>;
}

/// Who is told how it stands.
pub trait Home {
    /// Hears it.
    ///
    /// # Errors
    /// Nobody listens any more.
    fn tell(&self, word: &Word) -> io::Result<()>;
}

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// When the oldest event happened that has not arrived, RFC 3339.
    pub oldest: Option<String>,
    /// What keeps it here.
    pub trouble: Option<String>,
    /// What was synced since the last word.
    pub syncs: Syncs,
}

/// What ends a shipper.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log is not what was signed, or is shorter than what was sent.
    #[error(transparent)]
    Log(#[from] audit::Error),
    /// The cursor cannot be moved, or nobody listens any more.
    #[error("the cursor of the audit repository: {0}")]
    Io(#[from] io::Error),
    /// Certificates: they are read anew before the next start.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// Times of a shipper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How often the log is looked at.
    look: Duration,
    /// A connection ends when nothing new has come for so long.
    linger: Duration,
    /// And after so long in any case.
    open_most: Duration,
    /// How long a collector may take to keep what it has read.
    keep: Duration,
    /// The pause after a failure: the first, and the longest.
    pause: (Duration, Duration),
    /// Checkpoints: at most one in this time, and at least.
    checkpoints: (Duration, Duration),
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            look: Duration::from_millis(100),
            linger: Duration::from_secs(1),
            open_most: Duration::from_secs(10),
            keep: Duration::from_secs(60),
            pause: (Duration::from_secs(1), Duration::from_secs(60)),
            checkpoints: (Duration::from_secs(5), Duration::from_secs(3600)),
        }
    }
}

/// Messages of one connection: so many are sent again if it breaks.
const MESSAGES_MAX: u64 = 1000;
/// How often trouble is told that goes on.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Sends what the log says.
pub struct Shipper<'a> {
    follower: Follower,
    cursor: Cursor,
    audit: PathBuf,
    reporter: &'a Reporter,
    wire: &'a dyn Wire,
    home: &'a dyn Home,
    pace: Pace,
    /// Position of the record that is sent next.
    next: u64,
    /// What arrived in the last minute: when, and up to which record.
    settlements: VecDeque<(Instant, u64)>,
    /// The last checkpoint that arrived, and when.
    noted: Option<(Instant, String)>,
    /// What keeps it here, if anything does.
    trouble: Option<String>,
    /// The first record that has not arrived, and when it was written.
    oldest: Option<(u64, String)>,
    /// Nothing is told before the first try.
    told: Option<Word>,
    /// When trouble was last told, if there is any.
    alarmed: Option<Instant>,
    pause: (Option<Instant>, Duration),
}

impl<'a> Shipper<'a> {
    /// Goes on where the cursor is, and a little before.
    ///
    /// # Errors
    /// [`Error`].
    pub fn new(
        audit: PathBuf,
        verifier: audit::Verifier,
        cursor: Cursor,
        reporter: &'a Reporter,
        wire: &'a dyn Wire,
        home: &'a dyn Home,
    ) -> Result<Self, Error> {
        Ok(Shipper {
            follower: Follower::begin(&audit, verifier, cursor.sure)?,
            next: cursor.sure,
            cursor,
            audit,
            reporter,
            wire,
            home,
            pace: Pace::default(),
            settlements: VecDeque::new(),
            noted: None,
            trouble: None,
            oldest: None,
            told: None,
            alarmed: None,
            pause: (None, Duration::ZERO),
        })
    }

    /// Works until told to stop, and then once more: what was written until then goes out if it can.
    ///
    /// # Errors
    /// [`Error`]: to be started anew.
    pub fn run(mut self, stop: &AtomicBool) -> Result<(), Error> {
        loop {
            let is_last = stop.load(Ordering::SeqCst);
            self.catch_up()?;
            let is_time = self.pause.0.is_none_or(|until| is_last || Instant::now() >= until);
            if is_time && (self.next < self.follower.size() || self.owes_a_checkpoint(is_last)) {
                match self.ship(stop) {
                    Ok(()) => self.arrived()?,
                    Err(Error::Trouble(trouble)) => self.failed(trouble)?,
                    Err(other) => return Err(other),
                }
            }
            self.be_surer()?;
            self.tell()?;
            if is_last {
                return Ok(());
            }
            std::thread::sleep(self.pace.look);
        }
    }

    fn catch_up(&mut self) -> Result<(), Error> {
        self.follower.catch_up()?;
        let (have, signed) = (self.follower.size(), self.cursor.settled);
        if have < signed {
            // What arrived was signed. Its cursor shows that somebody has put an older log there.
            return Err(audit::Error::RolledBack { path: self.audit.clone(), have, signed }.into());
        }
        Ok(())
    }

    /// One connection, from its beginning to its end in order.
    fn ship(&mut self, stop: &AtomicBool) -> Result<(), Error> {
        let mut line = self.wire.connect()?;
        let (opened, first) = (Instant::now(), self.next);
        let mut quiet_since = opened;
        loop {
            let is_last = stop.load(Ordering::SeqCst);
            self.catch_up()?;
            let before = self.next;
            while self.next < self.follower.size() && self.next - first < MESSAGES_MAX {
                let Some(record) = self.follower.record(self.next)? else { break };
                line.send(&self.reporter.of_record(&record))?;
                self.next += 1;
            }
            line.look()?;
            if self.next > before {
                quiet_since = Instant::now();
            }
            if is_last
                || quiet_since.elapsed() >= self.pace.linger
                || opened.elapsed() >= self.pace.open_most
                || self.next - first >= MESSAGES_MAX
            {
                break;
            }
            std::thread::sleep(self.pace.look);
        }
        let is_behind_all = self.next == self.follower.size();
        let note = self.follower.note().to_owned();
        let owes = is_behind_all && self.owes_a_checkpoint(stop.load(Ordering::SeqCst));
        if owes {
            let (size, root) = (self.follower.size(), self.follower.root());
            line.send(&self.reporter.of_checkpoint(&clock::stamp(), &note, size, &root))?;
        }
        line.finish()?;
        if owes {
            self.noted = Some((Instant::now(), note));
        }
        Ok(())
    }

    fn owes_a_checkpoint(&self, is_last: bool) -> bool {
        let (most_often, at_least) = self.pace.checkpoints;
        self.noted.as_ref().is_none_or(|(when, note)| {
            let is_new = note != self.follower.note();
            is_new && (is_last || when.elapsed() >= most_often) || when.elapsed() >= at_least
        })
    }

    fn arrived(&mut self) -> io::Result<()> {
        if self.alarmed.take().is_some() {
            tracing::info!("the audit repository has everything again");
        }
        self.trouble = None;
        self.pause = (None, Duration::ZERO);
        self.settlements.push_back((Instant::now(), self.next));
        let settled = self.cursor.settled.max(self.next);
        self.cursor.move_to(self.cursor.sure, settled)
    }

    fn failed(&mut self, trouble: Trouble) -> Result<(), Error> {
        if self.alarmed.is_none_or(|last| last.elapsed() >= TELL_EVERY) {
            let behind = self.follower.size() - self.cursor.settled;
            tracing::error!(behind, error = %trouble, "the audit repository does not get everything; nothing is lost, and efface goes on");
            self.alarmed = Some(Instant::now());
        }
        self.settlements.clear();
        self.next = self.cursor.sure;
        let (least, most) = self.pace.pause;
        let pause = (self.pause.1 * 2).clamp(least, most);
        self.pause = (Some(Instant::now() + pause), pause);
        self.trouble = Some(trouble.to_string());
        self.tell()?;
        match trouble {
            // Certificates may have been put right: whoever starts this process reads them.
            Trouble::Tls(tls::Error::Refused { .. }) => Err(trouble.into()),
            _ => Ok(()),
        }
    }

    /// What arrived a while ago was kept.
    fn be_surer(&mut self) -> io::Result<()> {
        let mut sure = self.cursor.sure;
        while let Some((when, settled)) = self.settlements.front() {
            if when.elapsed() < self.pace.keep {
                break;
            }
            sure = sure.max(*settled);
            self.settlements.pop_front();
        }
        self.follower.forget_before(sure);
        self.cursor.move_to(sure, self.cursor.settled)
    }

    fn tell(&mut self) -> Result<(), Error> {
        let settled = self.cursor.settled;
        if self.oldest.as_ref().is_none_or(|(seq, _)| *seq != settled) {
            self.oldest = self.follower.time_of(settled)?.map(|time| (settled, time));
        }
        let oldest = self.oldest.as_ref().map(|(_, time)| time.clone());
        let word = Word { oldest, trouble: self.trouble.clone(), syncs: Syncs::take() };
        if self.told.as_ref() != Some(&word) {
            self.home.tell(&word)?;
            self.told = Some(Word { syncs: Syncs::default(), ..word });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
