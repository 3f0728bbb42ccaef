//! Sends parcels: one process per destination, several associations or requests at a time. It has the parcels, the seal's key and
//! the network, and no original.
//!
//! Before it begins with a batch it asks whether that may leave: the register of objections is not its to read. When the
//! answer changes while the batch is on the wire, the gateway ends the process (`isolation/courier.rs`).
//!
//! A slow or dead destination keeps its own queue and nobody else's. What fails is tried again after
//! a pause that doubles up to a cap, with jitter; what a destination refuses for good is put aside.

mod later;
mod wire;

pub(crate) use later::Later;
pub use wire::{Dicom, Error, Line, Load, Web, Wire};

use crate::clock;
use crate::custody::outbox::{Dispatch, Outbox, Ready};
use crate::custody::parcel::{Broken, Manifest, Parcel, Row};
use crate::disk::Syncs;
use crate::key::Key;
use crate::net::scu::{Proposal, partition};
use crate::routing::Priority;
use crate::spool::Spool;
use serde::{Deserialize, Serialize};
use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the outbox is listed.
const LOOK_AROUND: Duration = Duration::from_millis(50);
/// The first pause after a failure, and the longest.
pub(crate) const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);
/// How often a batch that is being sent looks whether a more urgent one has come.
const GIVE_WAY: Duration = Duration::from_millis(200);
/// The pause before it is asked again for batches that may not leave now.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What a sender says of its parcels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The destination has stored an instance.
    Stored,
    /// It refused one for good.
    Refused,
    /// An attempt failed and is repeated.
    Retry,
    /// So many bytes have left for the destination since this was said last.
    Wrote(u64),
    /// What it has synced.
    Synced(Syncs),
    /// May this batch leave? Asked before the first byte of it.
    May(String),
    /// Nothing of this batch is left to send.
    Sent(String),
    /// This batch must be made again.
    Damaged(String),
    /// The destination has let go of what this recall is about.
    Recalled(String),
    /// It has not, or not yet.
    NotRecalled(String),
}

impl Word {
    /// Whether the sender waits until what it says is done.
    pub fn is_answered(&self) -> bool {
        matches!(self, Word::May(_) | Word::Sent(_) | Word::Damaged(_))
    }
}

/// Those who keep log and originals.
pub trait Home: Sync {
    /// Hears a word of a sender.
    ///
    /// # Errors
    /// What the word asks for was not done: the sender says it again.
    fn tell(&self, word: Word) -> io::Result<()>;
}

/// Sends the parcels of one destination.
pub struct Sender<'a> {
    /// The state directory; only the destination's outbox is used.
    pub spool: &'a Spool,
    /// Checks the seals of the destination's parcels.
    pub seal: &'a Key,
    /// Its name.
    pub destination: &'a str,
    /// Associations or requests at a time.
    pub associations: usize,
    /// The way there.
    pub wire: &'a dyn Wire,
    /// Who is told.
    pub home: &'a dyn Home,
}

/// How an attempt to send a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Attempt {
    /// Nothing is left of it in the outbox.
    Done,
    /// A more urgent batch has come: that one first.
    GaveWay,
    /// A seal did not hold: the batch must be made again.
    Remake,
    /// It may not leave, or not now.
    Held,
    /// Something went wrong on the way; the destination may be fine for others.
    Retry,
    /// Nobody answers there: try everything again after a pause.
    Down,
    /// The destination must be put right first: try again after a long pause.
    Halt,
}

impl Sender<'_> {
    /// Works until told to stop.
    pub fn run(&self, stop: &AtomicBool) {
        let later = Later::default();
        let round = || self.round(&later, stop);
        let (changed, rest) = (|| self.wire.has_changed(), || self.wire.wants_rest());
        keep_trying(self.name(), stop, &changed, &rest, &round);
    }

    /// Tries everything that is ready, the most urgent and oldest first, until nobody answers. A batch that
    /// fails by itself does not keep the others waiting.
    pub(crate) fn round(&self, later: &Later, stop: &AtomicBool) -> io::Result<Attempt> {
        let mut worst = Attempt::Done;
        let outbox = Outbox::of(self.spool, self.name());
        let mut waiting = Waiting::new(&outbox);
        while let Some((batch, dispatch)) = waiting.next(self.home)? {
            if stop.load(Ordering::SeqCst) || worst >= Attempt::Down {
                break;
            }
            let attempt = match later.has(&batch, &dispatch) {
                true => Attempt::Held,
                false => self.take(&waiting, &batch, &dispatch, later, stop)?,
            };
            // It goes on when what has overtaken it is sent.
            if attempt != Attempt::GaveWay {
                waiting.tried.insert(batch);
                worst = worst.max(attempt);
            }
        }
        Ok(worst)
    }

    fn take(
        &self,
        waiting: &Waiting<'_>,
        batch: &str,
        dispatch: &Dispatch,
        later: &Later,
        stop: &AtomicBool,
    ) -> io::Result<Attempt> {
        let until = later::next_minute();
        if self.home.tell(Word::May(batch.to_owned())).is_err() {
            if waiting.outbox.begun_ms(batch).is_none() {
                later.note(batch, dispatch, until);
            }
            return Ok(Attempt::Held);
        }
        let attempt = match waiting.outbox.manifest(batch) {
            Ok(manifest) => self.send(waiting, batch, &manifest, dispatch.priority, stop),
            Err(_) => Attempt::Remake,
        };
        match attempt {
            Attempt::Done => self.home.tell(Word::Sent(batch.to_owned()))?,
            Attempt::Remake => self.home.tell(Word::Damaged(batch.to_owned()))?,
            Attempt::GaveWay | Attempt::Held => {}
            Attempt::Retry | Attempt::Down | Attempt::Halt => self.home.tell(Word::Retry)?,
        }
        Ok(attempt)
    }

    fn send(
        &self,
        waiting: &Waiting<'_>,
        batch: &str,
        manifest: &Manifest,
        priority: Priority,
        stop: &AtomicBool,
    ) -> Attempt {
        let outbox = waiting.outbox;
        let directory = outbox.ready_dir(batch);
        let left = manifest.rows.iter().filter(|row| directory.join(&row.file).exists());
        let left: Vec<&Row> = left.collect();
        let proposals =
            left.iter().filter_map(|r| Proposal::new(&r.sop_class, &r.transfer_syntax).ok());
        let mut worst = Attempt::Done;
        for proposals in partition(proposals) {
            let rows = left.iter().copied().filter(|row| covers(&proposals, row));
            let queue = Mutex::new(rows.collect::<VecDeque<_>>());
            let (is_overtaken, is_noted) = (AtomicBool::new(false), Mutex::new(false));
            let sending = Sending {
                sender: self,
                outbox,
                batch,
                manifest,
                waiting,
                priority,
                is_overtaken,
                is_noted,
                queue,
                proposals,
                stop,
            };
            worst = worst.max(sending.all());
            if worst == Attempt::GaveWay {
                break;
            }
        }
        // A stop in between leaves parcels behind: done is what nothing is left of.
        let is_left = left.iter().any(|row| directory.join(&row.file).exists());
        if is_left && worst == Attempt::Done { Attempt::Retry } else { worst }
    }

    fn name(&self) -> &str {
        self.destination
    }
}

/// Makes round after round until told to stop, with a pause between those that fail; none when something has changed.
pub(crate) fn keep_trying(
    destination: &str,
    stop: &AtomicBool,
    has_changed: &dyn Fn() -> bool,
    wants_rest: &dyn Fn() -> Duration,
    round: &dyn Fn() -> io::Result<Attempt>,
) {
    let mut pause = Pause::default();
    while !stop.load(Ordering::SeqCst) {
        if has_changed() || pause.is_over() {
            match round() {
                Ok(Attempt::Done | Attempt::GaveWay | Attempt::Remake) => pause = Pause::default(),
                Ok(Attempt::Held) => pause = Pause::of(ASK_AGAIN),
                Ok(Attempt::Retry | Attempt::Down) => pause.longer(PAUSE_MIN),
                Ok(Attempt::Halt) => pause.longer(PAUSE_MAX),
                Err(error) => {
                    tracing::error!(destination, %error, "what waits for it cannot be read");
                    pause.longer(PAUSE_MIN);
                }
            }
            pause.at_least(wants_rest());
        }
        std::thread::sleep(LOOK_AROUND);
    }
}

/// What waits, as a round knows it.
struct Waiting<'a> {
    outbox: &'a Outbox<'a>,
    /// When it was looked last, and what was there.
    seen: Mutex<(Instant, Ready)>,
    /// What was tried in this round: it does not overtake again.
    tried: HashSet<String>,
}

impl<'a> Waiting<'a> {
    fn new(outbox: &'a Outbox<'a>) -> Self {
        let seen = Mutex::new((Instant::now(), Ready::default()));
        Waiting { outbox, seen, tried: HashSet::new() }
    }

    /// What is sent next: looked up anew each time, because something more urgent may have come.
    fn next(&mut self, home: &dyn Home) -> io::Result<Option<(String, Dispatch)>> {
        let (when, ready) = self.seen.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.outbox.look_again(ready)?;
        *when = Instant::now();
        for batch in &ready.broken {
            if self.tried.insert(batch.clone()) {
                home.tell(Word::Damaged(batch.clone()))?;
            }
        }
        Ok(ready.batches.iter().find(|(batch, _)| !self.tried.contains(batch)).cloned())
    }

    /// Whether something has come that overtakes what has this priority. It is looked for now and then, by one at a time.
    fn has_more_urgent_than(&self, priority: Priority) -> bool {
        let Ok(mut seen) = self.seen.try_lock() else { return false };
        let (when, ready) = &mut *seen;
        if priority == Priority::Urgent || when.elapsed() < GIVE_WAY {
            return false;
        }
        *when = Instant::now();
        let overtakes = |(batch, other): &(String, Dispatch)| {
            other.priority > priority && !self.tried.contains(batch)
        };
        // What cannot be read now is read before the next batch.
        self.outbox.look_again(ready).is_ok() && ready.batches.iter().any(overtakes)
    }
}

/// One batch being sent over several associations.
struct Sending<'a> {
    sender: &'a Sender<'a>,
    outbox: &'a Outbox<'a>,
    batch: &'a str,
    manifest: &'a Manifest,
    waiting: &'a Waiting<'a>,
    priority: Priority,
    is_overtaken: AtomicBool,
    is_noted: Mutex<bool>,
    queue: Mutex<VecDeque<&'a Row>>,
    proposals: Vec<Proposal>,
    stop: &'a AtomicBool,
}

impl Sending<'_> {
    fn all(&self) -> Attempt {
        let rows = self.queue.lock().unwrap_or_else(PoisonError::into_inner).len();
        let associations = self.sender.associations.clamp(1, rows.max(1));
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..associations).map(|_| scope.spawn(|| self.association())).collect();
            let ends = threads.into_iter().map(|t| t.join().unwrap_or(Attempt::Retry));
            ends.max().unwrap_or(Attempt::Done)
        })
    }

    /// Sends over one line until the queue is empty or something fails.
    fn association(&self) -> Attempt {
        if self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Attempt::Done;
        }
        let mut line = match self.sender.wire.connect(&self.proposals) {
            Ok(line) => line,
            Err(error) => return self.failed(&error).max(Attempt::Down),
        };
        // A request that does not come through has begun nothing: that is noted when something has arrived.
        if line.is_connected() && self.note_beginning().is_err() {
            return Attempt::Retry;
        }
        let mut worst = Attempt::Done;
        loop {
            let rows = self.next(line.load());
            if rows.is_empty() {
                break;
            }
            match self.some(&mut *line, &rows) {
                Ok(attempt) => worst = worst.max(attempt),
                Err(attempt) => return worst.max(attempt),
            }
            if self.gives_way() {
                break;
            }
        }
        if let Err(error) = line.release() {
            tracing::debug!(%error, "the association was not released in order");
        }
        if self.is_overtaken.load(Ordering::SeqCst) { worst.max(Attempt::GaveWay) } else { worst }
    }

    /// The first association or request notes when the first byte left.
    fn note_beginning(&self) -> io::Result<()> {
        let mut is_noted = self.is_noted.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_noted {
            self.outbox.begin_sending(self.batch, clock::ms())?;
            *is_noted = true;
        }
        Ok(())
    }

    /// Whether something more urgent has come, which is looked for now and then.
    fn gives_way(&self) -> bool {
        if self.waiting.has_more_urgent_than(self.priority) {
            self.is_overtaken.store(true, Ordering::SeqCst);
        }
        self.is_overtaken.load(Ordering::SeqCst)
    }

    /// Sends these. `Ok`: the line takes more.
    fn some(&self, line: &mut dyn Line, rows: &[&Row]) -> Result<Attempt, Attempt> {
        let parcels: Vec<Parcel> =
            rows.iter().map(|row| self.open(row)).collect::<Result<_, _>>()?;
        let (mut worst, mut goes_on) = (Attempt::Done, true);
        let mut said = None;
        // All that is stored is noted, whatever became of the others.
        for (row, outcome) in rows.iter().zip(line.store(&parcels)) {
            let Err(error) = outcome else {
                if self.stored(row).is_err() {
                    (worst, goes_on) = (worst.max(Attempt::Retry), false);
                }
                continue;
            };
            goes_on &= error.goes_on();
            if said.as_ref() != Some(&error) {
                tracing::warn!(batch = self.batch, "{error}");
            }
            let refused = !error.is_for_good() || self.refuse(row).is_ok();
            if !error.is_for_good() || !error.goes_on() || !refused {
                worst = worst.max(error.attempt());
            }
            goes_on &= refused;
            said = Some(error);
        }
        if goes_on { Ok(worst) } else { Err(worst) }
    }

    fn open(&self, row: &Row) -> Result<Parcel, Attempt> {
        let directory = self.outbox.ready_dir(self.batch);
        let opened = self.manifest.open(&directory, row, self.sender.seal);
        let parcel = opened.map_err(|broken| match broken {
            Broken::Seal => Attempt::Remake,
            Broken::Io(_) => Attempt::Retry,
        })?;
        if parcel.destination() == self.sender.name() { Ok(parcel) } else { Err(Attempt::Halt) }
    }

    fn stored(&self, row: &Row) -> io::Result<()> {
        let told = self.note_beginning().and_then(|()| self.sender.home.tell(Word::Stored));
        self.outbox.sent(self.batch, &row.file).and(told)
    }

    fn refuse(&self, row: &Row) -> io::Result<()> {
        self.outbox.refuse(self.batch, &row.file, self.manifest)?;
        self.sender.home.tell(Word::Refused)
    }

    fn failed(&self, error: &Error) -> Attempt {
        tracing::warn!(batch = self.batch, "{error}");
        error.attempt()
    }

    /// As many as a line takes at a time, at least one; none: nothing is left, or it is to stop.
    fn next(&self, load: Load) -> Vec<&Row> {
        let mut rows = Vec::new();
        if self.stop.load(Ordering::SeqCst) {
            return rows;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0_u64;
        while let Some(row) = queue.front() {
            bytes = bytes.saturating_add(row.bytes);
            if !rows.is_empty() && (rows.len() >= load.parcels || bytes > load.bytes) {
                break;
            }
            rows.extend(queue.pop_front());
        }
        rows
    }
}

fn covers(proposals: &[Proposal], row: &Row) -> bool {
    proposals.iter().any(|p| {
        p.sop_class.as_str() == row.sop_class && p.transfer_syntax.as_str() == row.transfer_syntax
    })
}

/// Waiting between attempts: doubling, capped, with jitter so that many gateways don't come at once.
#[derive(Default)]
pub(crate) struct Pause {
    until: Option<Instant>,
    length: Duration,
}

impl Pause {
    fn of(length: Duration) -> Self {
        Pause { until: Some(Instant::now() + length), length: Duration::ZERO }
    }

    /// Not before this time is over, whatever else; capped, too.
    fn at_least(&mut self, rest: Duration) {
        let until = Instant::now() + rest.min(PAUSE_MAX);
        if !rest.is_zero() && self.until.is_none_or(|known| known < until) {
            self.until = Some(until);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() >= until)
    }

    pub(crate) fn longer(&mut self, least: Duration) {
        self.length = (self.length * 2).clamp(least.min(PAUSE_MAX), PAUSE_MAX);
        let mut random = [0];
        // Without randomness the pause is merely without jitter.
        let _ = getrandom::fill(&mut random);
        let jitter = self.length.mul_f64(f64::from(random[0]) / 512.0);
        self.until = Some(Instant::now() + self.length - jitter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk;
    use crate::key::{Purpose, RootKey};
    use crate::routing::Hours;

    /// Hears what it is asked, and lets nothing leave.
    #[derive(Default)]
    struct Refuses(Mutex<Vec<String>>);

    impl Home for Refuses {
        fn tell(&self, word: Word) -> io::Result<()> {
            let Word::May(batch) = word else { panic!("{word:?} of what may not leave") };
            self.0.lock().unwrap().push(batch);
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }

    /// Leads nowhere.
    struct NoWire;

    impl Wire for NoWire {
        fn connect(&self, _: &[Proposal]) -> Result<Box<dyn Line + '_>, Error> {
            panic!("nothing may leave")
        }
    }

    #[test]
    fn what_is_kept_for_the_night_is_asked_for_once_a_minute_and_all_else_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let night = Hours(vec!["20:00-06:00".parse().unwrap()]);
        let dispatches = [("night", night), ("soon", Hours::default())];
        for (batch, hours) in dispatches {
            let ready = Outbox::of(&spool, "lab").ready_dir(batch);
            disk::make_dir(&ready).unwrap();
            let dispatch = Dispatch { hours, ..Dispatch::default() };
            let text = serde_json::to_vec(&dispatch).unwrap();
            disk::write_whole(&ready.join("dispatch.json"), &text).unwrap();
        }
        let seal = RootKey::of_patient(&[7; 32], "A1").derive("lab", Purpose::Handle);
        let home = Refuses::default();
        let (destination, associations) = ("lab", 1);
        let (spool, wire) = (&spool, &NoWire);
        let sender = Sender { spool, seal: &seal, destination, associations, wire, home: &home };
        let (later, stop) = (Later::default(), AtomicBool::new(false));
        let minute = || clock::ms() / 60_000;
        let (first, rounds) = (minute(), 20);
        for _ in 0..rounds {
            assert_eq!(sender.round(&later, &stop).unwrap(), Attempt::Held);
        }
        let minutes = minute() - first + 1;
        let asked = home.0.into_inner().unwrap();
        let times = |batch: &str| asked.iter().filter(|asked| *asked == batch).count();
        assert_eq!(times("soon"), rounds);
        assert!((1..=minutes as usize).contains(&times("night")), "{} times", times("night"));
    }

    #[test]
    fn pauses_double_up_to_a_cap() {
        let mut pause = Pause::default();
        assert!(pause.is_over());
        let lengths: Vec<u64> = (0..12)
            .map(|_| {
                pause.longer(PAUSE_MIN);
                pause.length.as_secs()
            })
            .collect();
        assert_eq!(lengths[..4], [1, 2, 4, 8]);
        assert_eq!(lengths[11], 900);
        assert!(!pause.is_over());
        pause.longer(PAUSE_MAX);
        assert_eq!(pause.length, PAUSE_MAX);
        let mut asked = Pause::default();
        asked.at_least(Duration::ZERO);
        assert!(asked.is_over(), "nothing was asked for");
        asked.at_least(Duration::from_secs(60));
        assert!(!asked.is_over());
        asked.at_least(Duration::from_secs(1 << 40));
        assert!(asked.until.unwrap() <= Instant::now() + PAUSE_MAX, "not for ever");
    }
}
