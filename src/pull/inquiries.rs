//! All open studies whose PACS can be asked: what is known of each, in memory only.

use super::inquiry::{Compared, Inquiry, Lines, Step, Why};
use super::question::{About, Answer, Instances, Named, Question, Reply, Trouble};
use super::tally::Tally;
use crate::id::{AeTitle, Uid};
use crate::key::Key;
use crate::meter::Meter;
use crate::send::{PAUSE_MIN, Pause};
use crate::spool::instances::{PREFIX, arrived};
use crate::spool::{Spool, instance_prefix};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

/// How long it is remembered how often missing instances of a study were asked for.
const A_DAY: Duration = Duration::from_secs(24 * 3600);
/// How often a person is told of a PACS that does not send.
const SAY_EVERY: Duration = Duration::from_secs(3600);
/// How often counts are written down, if they have changed.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// The way to one PACS, by way of the process that talks to it.
pub struct Line {
    calling: AeTitle,
    retrieves: bool,
    tell: Sender<Question>,
    hear: Receiver<Reply>,
    finds: bool,
    fetches: bool,
    rest: Pause,
    said: Option<Instant>,
}

impl Line {
    /// To the PACS that sends by this AE title. Whoever takes questions must answer each.
    pub fn new(
        calling: AeTitle,
        retrieves: bool,
        tell: Sender<Question>,
        hear: Receiver<Reply>,
    ) -> Self {
        let (finds, fetches, rest) = (false, false, Pause::default());
        Line { calling, retrieves, tell, hear, finds, fetches, rest, said: None }
    }

    fn lines(&self) -> Lines {
        Lines { find: !self.finds, fetch: !self.fetches, rests: !self.rest.is_over() }
    }

    fn free(&mut self, kind: Kind, answer: &Result<Answer, Trouble>) {
        match kind {
            Kind::Find => self.finds = false,
            Kind::Fetch => self.fetches = false,
        }
        match answer {
            Err(Trouble::Unreachable) => self.rest.longer(PAUSE_MIN),
            Ok(_) => self.rest = Pause::default(),
            Err(_) => {}
        }
    }

    /// Tells a person that nothing is sent, once in a while.
    fn say_that_it_does_not_send(&mut self, trouble: Trouble) {
        if self.said.is_some_and(|said| said.elapsed() < SAY_EVERY) {
            return;
        }
        self.said = Some(Instant::now());
        let pacs = &self.calling;
        let why = match trouble {
            Trouble::DestinationUnknown => {
                "it does not know our AE title as a destination of C-MOVE"
            }
            _ => "it declines C-MOVE: it may not know our AE title, or not let us",
        };
        tracing::error!(
            %pacs, why,
            "a PACS does not send what is missing. Enter our ae_title:, with address and port of listen:, as a destination there, or write retrieve: false in allow:. Until then studies are closed without it"
        );
    }
}

/// Two things can be under way at a time.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Find,
    Fetch,
}

/// A study that is open.
struct Study {
    uid: Named,
    /// Whom to ask: the first of its senders that can be asked.
    line: usize,
    /// How names of entries begin of everything of it that has ever arrived.
    here: HashSet<String>,
    inquiry: Inquiry,
    /// What was named and is not here.
    missing: Instances,
    /// The question that waits for its answer.
    question: Option<u64>,
}

impl Study {
    /// Takes what came of a C-FIND.
    fn found(&mut self, handles: &Key, answer: Result<Answer, Trouble>) {
        let now = Instant::now();
        match answer {
            Ok(Answer::Count(number)) => self.inquiry.counted(now, number),
            Ok(Answer::Names(names)) => {
                let named = number_of(&names);
                self.missing = missing(handles, &self.here, names);
                let missing = number_of(&self.missing);
                self.inquiry.named(now, Compared { named, missing });
            }
            Ok(Answer::Fetched { .. }) | Err(_) => self.inquiry.in_vain(now),
        }
    }

    /// Takes what came of a C-MOVE: how many instances were asked for, and how many of them are here now, whatever the PACS
    /// says.
    fn fetched(&mut self, handles: &Key, answer: &Result<Answer, Trouble>) -> (usize, usize) {
        let wanted = std::mem::take(&mut self.missing);
        let asked = number_of(&wanted);
        let left = number_of(&missing(handles, &self.here, wanted));
        let never = *answer == Err(Trouble::DestinationUnknown);
        self.inquiry.fetched(Instant::now(), left, never);
        (asked, asked - left)
    }
}

/// Asks about open studies.
pub struct Inquiries {
    spool: Arc<Spool>,
    handles: Key,
    meter: Arc<Meter>,
    lines: Vec<Line>,
    /// By handle.
    studies: HashMap<String, Study>,
    /// How often missing instances of a study were asked for that has been closed, and when that was.
    attempts: HashMap<String, (u32, Instant)>,
    /// Questions under way: whom, about which study.
    under_way: HashMap<u64, (usize, Kind, String)>,
    last: u64,
    tally: Tally,
    tallied: Instant,
}

impl Inquiries {
    /// By way of these lines; without any, nobody is asked.
    pub fn new(spool: Arc<Spool>, handles: Key, meter: Arc<Meter>, lines: Vec<Line>) -> Self {
        let tally = Tally::begin();
        let begun = if lines.is_empty() { Tally::forget(&spool) } else { tally.keep(&spool) };
        if let Err(error) = begun {
            tracing::warn!(%error, "counts for efface status cannot be begun");
        }
        Inquiries {
            spool,
            handles,
            meter,
            lines,
            studies: HashMap::new(),
            attempts: HashMap::new(),
            under_way: HashMap::new(),
            last: 0,
            tally,
            tallied: Instant::now(),
        }
    }

    /// Whether it makes sense to know who sent a study.
    pub fn asks_somebody(&self) -> bool {
        !self.lines.is_empty()
    }

    /// An instance of a study has arrived, or is found there after a restart.
    pub fn gathered(&mut self, handle: &str, entry: &str, study: &Uid, calling: &str) {
        let now = Instant::now();
        match self.studies.get_mut(handle) {
            Some(known) => {
                known.here.extend(entry.get(..PREFIX).map(str::to_owned));
                known.inquiry.arrived(now, known.here.len());
            }
            None => self.begin(now, handle, study, calling),
        }
    }

    fn begin(&mut self, now: Instant, handle: &str, study: &Uid, calling: &str) {
        let line = self.lines.iter().position(|line| line.calling.as_str() == calling);
        let Some(line) = line else { return };
        match arrived(&self.spool, handle) {
            Ok(here) => {
                let attempts = self.attempts.get(handle).map_or(0, |(attempts, _)| *attempts);
                let retrieves = self.lines[line].retrieves;
                let inquiry = Inquiry::new(now, here.len(), retrieves, attempts);
                let (uid, missing) = (Named(study.clone()), Instances::new());
                let study = Study { uid, line, here, inquiry, missing, question: None };
                self.studies.insert(handle.to_owned(), study);
            }
            Err(error) => {
                tracing::warn!(study = handle, %error, "its PACS is not asked: the spool cannot be searched");
            }
        }
    }

    /// Answers that have come. Whatever has been fetched must be gathered before they are [taken](Self::take).
    pub fn answers(&self) -> Vec<Reply> {
        self.lines.iter().flat_map(|line| line.hear.try_iter()).collect()
    }

    /// Takes an answer. One to a question about a study that has been closed meanwhile changes nothing.
    pub fn take(&mut self, Reply { number, answer }: Reply) {
        let Some((line, kind, handle)) = self.under_way.remove(&number) else { return };
        self.lines[line].free(kind, &answer);
        if answer.is_err() {
            self.meter.asked_in_vain.add(1);
        }
        if kind == Kind::Fetch
            && let Err(trouble @ (Trouble::DestinationUnknown | Trouble::Declined)) = &answer
        {
            self.lines[line].say_that_it_does_not_send(*trouble);
        }
        let study = self.studies.get_mut(&handle);
        let Some(study) = study.filter(|study| study.question == Some(number)) else { return };
        study.question = None;
        match kind {
            Kind::Find => study.found(&self.handles, answer),
            Kind::Fetch => {
                let (asked, came) = study.fetched(&self.handles, &answer);
                let failed = match answer {
                    Ok(Answer::Fetched { failed, .. }) => failed,
                    _ => 0,
                };
                self.meter.fetched.add(came as u64);
                self.meter.fetched_in_vain.add(failed);
                tracing::info!(
                    study = handle,
                    asked,
                    came,
                    failed,
                    "missing instances were asked for"
                );
            }
        }
    }

    /// Whether a study is to be closed now, and why. Asks its PACS if the time has come.
    pub fn step(&mut self, handle: &str, is_quiet: bool) -> Option<Why> {
        let Some(study) = self.studies.get_mut(handle) else {
            return is_quiet.then_some(Why::Quiet);
        };
        let line = &mut self.lines[study.line];
        let about = match study.inquiry.step(Instant::now(), is_quiet, line.lines()) {
            Step::Wait => return None,
            Step::Close(why) => return Some(why),
            Step::Count => About::Count,
            Step::Names => About::Names,
            Step::Fetch => About::Fetch(study.missing.clone()),
        };
        self.last += 1;
        let number = self.last;
        let kind = if matches!(about, About::Fetch(_)) { Kind::Fetch } else { Kind::Find };
        match kind {
            Kind::Find => line.finds = true,
            Kind::Fetch => line.fetches = true,
        }
        study.question = Some(number);
        self.meter.asked.add(1);
        self.under_way.insert(number, (study.line, kind, handle.to_owned()));
        let question = Question { number, study: study.uid.clone(), about };
        if line.tell.send(question).is_err() {
            self.take(Reply { number, answer: Err(Trouble::Unreachable) });
        }
        None
    }

    /// A study has been closed: nothing is known of it any more but how often it was asked for what is missing.
    pub fn closed(&mut self, handle: &str, why: Why) {
        match why {
            Why::Complete => self.meter.closed_complete.add(1),
            Why::Quiet => self.meter.closed_quiet.add(1),
        }
        let Some(study) = self.studies.remove(handle) else { return };
        if study.inquiry.attempts() > 0 {
            let now = Instant::now();
            self.attempts.retain(|_, (_, at)| at.elapsed() < A_DAY);
            self.attempts.insert(handle.to_owned(), (study.inquiry.attempts(), now));
        }
    }

    /// Writes counts down for `efface status`, if there is something new.
    pub fn count(&mut self) {
        if self.lines.is_empty() || self.tallied.elapsed() < COUNT_EVERY {
            return;
        }
        self.tallied = Instant::now();
        let now = self.tally.of(&self.meter);
        if now == self.tally {
            return;
        }
        match now.keep(&self.spool) {
            Ok(()) => self.tally = now,
            Err(error) => tracing::warn!(%error, "counts for efface status cannot be written"),
        }
    }
}

fn number_of(instances: &Instances) -> usize {
    instances.values().map(Vec::len).sum()
}

/// What of this is not here.
fn missing(handles: &Key, here: &HashSet<String>, mut named: Instances) -> Instances {
    let is_missing = |one: &Named| !here.contains(&instance_prefix(handles, one.0.as_str()));
    named.values_mut().for_each(|instances| instances.retain(is_missing));
    named.retain(|_, instances| !instances.is_empty());
    named
}
