//! One open study: when its PACS is asked, and what follows. Times and answers in, decisions out.
//!
//! While instances come, the number is asked for, with a growing pause. Once as many are here as it says, it is asked which
//! they are. A study is complete when two answers in a row, [`APART`] from each other, give the same number, and the second
//! names exactly what is here. When it has been quiet, what is missing is fetched, if it may be, [`ATTEMPTS`] times.
//! Whatever else is answered leaves it to the quiet period.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

/// How long after a study's first instance its PACS is asked first.
const FIRST: Duration = Duration::from_secs(3);
/// The least time between two answers that confirm each other: a PACS may be receiving the study itself.
const APART: Duration = Duration::from_secs(3);
/// The pause after an answer that settles nothing, before it has grown; and how far it grows.
const PAUSE_MIN: Duration = Duration::from_secs(4);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often missing instances of one study are asked for.
pub(super) const ATTEMPTS: u32 = 2;
/// For how long a study that is quiet may wait for what is missing.
const PATIENCE: Duration = Duration::from_secs(1200);

/// What is to be done about a study now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    /// Ask how many instances it has.
    Count,
    /// Ask which.
    Names,
    /// Have sent what was named last and is not here.
    Fetch,
    /// Close it.
    Close(Why),
}

/// Why a study is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Everything that its PACS names is here.
    Complete,
    /// Nothing has come for a while.
    Quiet,
}

impl Why {
    /// A word for log and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Why::Complete => "complete",
            Why::Quiet => "quiet",
        }
    }
}

/// Whether a PACS can be asked something now: it is asked one thing at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// Questions.
    pub find: bool,
    /// Retrievals, which take longer.
    pub fetch: bool,
    /// It did not talk to us a moment ago and is left alone.
    pub rests: bool,
}

/// What a list of names says, compared with what is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compared {
    pub named: usize,
    /// Of those.
    pub missing: usize,
}

/// What is known about one study.
pub(super) struct Inquiry {
    retrieves: bool,
    /// Distinct instances of it that have ever arrived.
    here: usize,
    /// When it is asked next, and the pause after that.
    next: Instant,
    pause: Duration,
    /// A question is under way.
    asked: bool,
    /// The last number that was not in doubt, and when it was answered.
    told: Option<(usize, Instant)>,
    /// The PACS does not say numbers that can be used.
    by_names: bool,
    /// Since when it is quiet, and waits for what is missing.
    quiet: Option<Instant>,
    /// How often missing instances were asked for, also before this batch.
    attempts: u32,
    /// What was named last is not all here.
    wants: bool,
    ends: Option<Why>,
}

impl Inquiry {
    /// A study whose first instance has just come; `attempts` were made before to fetch what is missing.
    pub fn new(now: Instant, here: usize, retrieves: bool, attempts: u32) -> Self {
        Inquiry {
            retrieves,
            here,
            next: now + FIRST,
            pause: PAUSE_MIN,
            asked: false,
            told: None,
            by_names: false,
            quiet: None,
            attempts,
            wants: false,
            ends: None,
        }
    }

    /// How often missing instances were asked for.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// So many distinct instances are here now.
    pub fn arrived(&mut self, now: Instant, here: usize) {
        self.here = here;
        match self.told {
            Some((number, at)) if number == here => self.next = self.next.min(now.max(at + APART)),
            Some((number, _)) if number < here => self.told = None,
            _ => {}
        }
    }

    /// What is to be done now. Any step but `Wait` and `Close` is done at once, and answered later.
    pub fn step(&mut self, now: Instant, is_quiet: bool, lines: Lines) -> Step {
        if let Some(why) = self.ends {
            return Step::Close(why);
        }
        match self.quiet {
            _ if is_quiet && !self.retrieves => Step::Close(Why::Quiet),
            None if !is_quiet => self.while_it_comes(now, lines),
            Some(since) => self.while_it_is_quiet(now, since, lines),
            None => {
                self.quiet = Some(now);
                self.next = now;
                self.while_it_is_quiet(now, now, lines)
            }
        }
    }

    fn while_it_comes(&mut self, now: Instant, lines: Lines) -> Step {
        if self.asked || now < self.next || !lines.find || lines.rests {
            return Step::Wait;
        }
        self.asked = true;
        let is_confirmed = self.told.is_some_and(|(number, _)| number == self.here);
        if self.by_names || is_confirmed { Step::Names } else { Step::Count }
    }

    fn while_it_is_quiet(&mut self, now: Instant, since: Instant, lines: Lines) -> Step {
        let is_over = now >= since + PATIENCE || (!self.asked && lines.rests);
        match () {
            () if is_over || (!self.asked && self.attempts >= ATTEMPTS) => Step::Close(Why::Quiet),
            () if self.asked || now < self.next => Step::Wait,
            () if self.wants && lines.fetch => {
                (self.asked, self.wants) = (true, false);
                self.attempts += 1;
                Step::Fetch
            }
            () if !self.wants && lines.find => {
                self.asked = true;
                Step::Names
            }
            () => Step::Wait,
        }
    }

    /// The PACS says how many there are; `None`: not in a way that can be used.
    pub fn counted(&mut self, now: Instant, number: Option<usize>) {
        self.asked = false;
        self.by_names |= number.is_none();
        match number {
            // It is to be asked which are missing.
            _ if self.quiet.is_some() => self.next = now,
            None => self.next = now,
            Some(number) if number == self.here && number > 0 => self.believe(now, number),
            Some(number) if number > self.here => {
                self.told = Some((number, now));
                self.later(now);
            }
            Some(_) => self.doubt(now),
        }
    }

    /// The PACS says which there are.
    pub fn named(&mut self, now: Instant, Compared { named, missing }: Compared) {
        self.asked = false;
        let is_all = named > 0 && missing == 0;
        if self.quiet.is_some() {
            match () {
                () if is_all && named == self.here => self.ends = Some(Why::Complete),
                () if named == 0 || is_all => self.ends = Some(Why::Quiet),
                () => self.wants = true,
            }
            return;
        }
        let is_same = self.told.is_some_and(|(number, at)| number == named && now >= at + APART);
        match () {
            () if is_all && named == self.here && is_same => self.ends = Some(Why::Complete),
            () if is_all && named == self.here => self.believe(now, named),
            () if missing > 0 => {
                self.told = Some((named, now));
                self.later(now);
            }
            // It names fewer than are here, or none.
            () => self.doubt(now),
        }
    }

    /// A retrieval is over, well or not; of what it was to bring so many are still missing. `never`: it makes no sense to
    /// ask again.
    pub fn fetched(&mut self, now: Instant, missing: usize, never: bool) {
        self.asked = false;
        self.next = now + APART;
        match () {
            () if missing == 0 => self.ends = Some(Why::Complete),
            () if never => self.ends = Some(Why::Quiet),
            () => {}
        }
    }

    /// There is no answer.
    pub fn in_vain(&mut self, now: Instant) {
        self.asked = false;
        if self.quiet.is_some() {
            self.ends = Some(Why::Quiet);
        }
        self.doubt(now);
    }

    fn believe(&mut self, now: Instant, number: usize) {
        self.told = Some((number, now));
        self.next = now + APART;
    }

    fn doubt(&mut self, now: Instant) {
        self.told = None;
        self.later(now);
    }

    fn later(&mut self, now: Instant) {
        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}
