//! One open study: when its PACS is asked, and what follows. Times and answers in, decisions out.
//!
//! While instances come, the number is asked for, with a growing pause. Once as many are here as it says, it is asked which
//! they are. A study is complete when two answers in a row, [`APART`] from each other, give the same number, and the second
//! names exactly what is here. When it has been quiet, what is missing is fetched, if it may be, [`ATTEMPTS`] times.
//! Whatever else is answered leaves it to the quiet period.

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FREE: Lines = Lines { find: true, fetch: true, rests: false };
    const ALL: fn(usize) -> Compared = |named| Compared { named, missing: 0 };

    /// A study and a clock.
    struct Play {
        inquiry: Inquiry,
        now: Instant,
    }

    impl Play {
        fn begin(retrieves: bool) -> Self {
            let now = Instant::now();
            Play { inquiry: Inquiry::new(now, 1, retrieves, 0), now }
        }

        fn arrived(&mut self, here: usize) {
            self.inquiry.arrived(self.now, here);
        }

        /// The step so many seconds later.
        fn after(&mut self, s: u64) -> Step {
            self.now += Duration::from_secs(s);
            self.inquiry.step(self.now, false, FREE)
        }

        fn quiet(&mut self) -> Step {
            self.inquiry.step(self.now, true, FREE)
        }

        fn counted(&mut self, number: Option<usize>) {
            self.inquiry.counted(self.now, number);
        }

        fn named(&mut self, compared: Compared) {
            self.inquiry.named(self.now, compared);
        }

        fn fetched(&mut self, missing: usize) {
            self.inquiry.fetched(self.now, missing, false);
        }
    }

    #[test]
    fn a_study_is_complete_when_two_answers_agree_and_all_is_here() {
        let mut play = Play::begin(false);
        play.arrived(5);
        assert_eq!(play.after(2), Step::Wait);
        assert_eq!(play.after(1), Step::Count);
        assert_eq!(play.after(1), Step::Wait, "one question at a time");
        play.counted(Some(5));
        assert_eq!(play.after(2), Step::Wait);
        assert_eq!(play.after(1), Step::Names);
        play.named(ALL(5));
        assert_eq!(play.after(0), Step::Close(Why::Complete));
    }

    #[test]
    fn what_comes_later_is_asked_for_as_soon_as_it_is_here() {
        let mut play = Play::begin(false);
        assert_eq!(play.after(3), Step::Count);
        play.counted(Some(9));
        assert_eq!(play.after(1), Step::Wait);
        play.arrived(8);
        assert_eq!(play.after(1), Step::Wait);
        play.arrived(9);
        assert_eq!(play.after(1), Step::Names, "three seconds after the first answer");
        play.named(ALL(9));
        assert_eq!(play.after(0), Step::Close(Why::Complete));
    }

    #[test]
    fn a_study_that_grows_at_its_pacs_is_not_complete() {
        let mut play = Play::begin(false);
        play.arrived(5);
        assert_eq!(play.after(3), Step::Count);
        play.counted(Some(5));
        play.arrived(6);
        // Five are fewer than are here: the answer is forgotten.
        assert_eq!(play.after(3), Step::Count);
        play.counted(Some(6));
        assert_eq!(play.after(3), Step::Names);
        play.named(Compared { named: 7, missing: 1 });
        assert_eq!(play.after(0), Step::Wait);
        play.arrived(7);
        assert_eq!(play.after(3), Step::Names);
        play.named(ALL(7));
        assert_eq!(play.after(0), Step::Close(Why::Complete));
    }

    #[test]
    fn without_a_number_the_names_are_asked_twice() {
        let mut play = Play::begin(false);
        play.arrived(2);
        assert_eq!(play.after(3), Step::Count);
        play.counted(None);
        assert_eq!(play.after(0), Step::Names);
        play.named(ALL(2));
        assert_eq!(play.after(2), Step::Wait);
        assert_eq!(play.after(1), Step::Names);
        play.named(ALL(2));
        assert_eq!(play.after(0), Step::Close(Why::Complete));
    }

    #[test]
    fn doubtful_answers_leave_it_to_the_quiet_period_and_pauses_grow() {
        let mut play = Play::begin(false);
        play.arrived(5);
        let mut gaps = Vec::new();
        for doubtful in [Some(0), Some(4), Some(3), Some(4), Some(0), Some(1)] {
            let mut gap = 0;
            while play.after(1) == Step::Wait {
                gap += 1;
            }
            gaps.push(gap + 1);
            play.counted(doubtful);
        }
        assert_eq!(gaps, [3, 4, 8, 16, 32, 60]);
        assert_eq!(play.quiet(), Step::Close(Why::Quiet));
        let mut play = Play::begin(false);
        assert_eq!(play.after(3), Step::Count);
        play.inquiry.in_vain(play.now);
        assert_eq!(play.quiet(), Step::Close(Why::Quiet));
    }

    #[test]
    fn names_of_fewer_or_others_than_are_here_close_nothing() {
        for doubtful in [ALL(0), ALL(4), ALL(6), Compared { named: 5, missing: 1 }] {
            let mut play = Play::begin(false);
            play.arrived(5);
            assert_eq!(play.after(3), Step::Count);
            play.counted(Some(5));
            assert_eq!(play.after(3), Step::Names);
            play.named(doubtful);
            assert_eq!(play.after(0), Step::Wait, "{doubtful:?}");
        }
    }

    #[test]
    fn nobody_waits_for_an_answer_when_the_quiet_period_is_over() {
        let mut play = Play::begin(false);
        assert_eq!(play.after(3), Step::Count);
        assert_eq!(play.quiet(), Step::Close(Why::Quiet));
    }

    #[test]
    fn what_is_missing_is_fetched_and_the_study_closed() {
        let mut play = Play::begin(true);
        assert_eq!(play.quiet(), Step::Names);
        play.named(Compared { named: 9, missing: 4 });
        assert_eq!(play.quiet(), Step::Fetch);
        // What it brings makes the study less quiet, and changes nothing.
        play.arrived(7);
        assert_eq!(play.after(1), Step::Wait);
        play.arrived(9);
        play.fetched(0);
        assert_eq!(play.after(0), Step::Close(Why::Complete));
    }

    #[test]
    fn attempts_are_bounded_also_for_a_study_that_was_closed_before() {
        let mut play = Play::begin(true);
        for _ in 0..ATTEMPTS {
            assert_eq!(play.quiet(), Step::Names);
            play.named(Compared { named: 9, missing: 4 });
            assert_eq!(play.quiet(), Step::Fetch);
            play.fetched(3);
            assert!(matches!(play.quiet(), Step::Wait | Step::Close(Why::Quiet)));
            play.now += APART;
        }
        assert_eq!(play.quiet(), Step::Close(Why::Quiet));
        let mut again = Inquiry::new(play.now, 1, true, play.inquiry.attempts());
        assert_eq!(again.step(play.now, true, FREE), Step::Close(Why::Quiet));
    }

    #[test]
    fn a_retrieval_without_hope_or_end_closes_the_study() {
        let mut play = Play::begin(true);
        assert_eq!(play.quiet(), Step::Names);
        play.named(Compared { named: 9, missing: 4 });
        assert_eq!(play.quiet(), Step::Fetch);
        play.inquiry.fetched(play.now, 4, true);
        assert_eq!(play.quiet(), Step::Close(Why::Quiet));

        let mut silent = Play::begin(true);
        assert_eq!(silent.quiet(), Step::Names);
        assert_eq!(silent.after(PATIENCE.as_secs() - 1), Step::Wait);
        assert_eq!(silent.after(1), Step::Close(Why::Quiet));

        let mut down = Play::begin(true);
        let rests = Lines { rests: true, ..FREE };
        assert_eq!(down.inquiry.step(down.now, true, rests), Step::Close(Why::Quiet));

        let mut nothing = Play::begin(true);
        assert_eq!(nothing.quiet(), Step::Names);
        nothing.named(ALL(0));
        assert_eq!(nothing.quiet(), Step::Close(Why::Quiet));
    }

    /// Something that happens to a study.
    #[derive(Clone, Debug)]
    enum Happens {
        Arrives(usize),
        Answers(Option<usize>, usize, usize),
        Fails,
    }

    fn happens() -> impl Strategy<Value = Happens> {
        prop_oneof![
            (0..3_usize).prop_map(Happens::Arrives),
            (proptest::option::of(0..6_usize), 0..6_usize, 0..3_usize)
                .prop_map(|(count, named, missing)| Happens::Answers(count, named, missing)),
            Just(Happens::Fails),
        ]
    }

    proptest! {
        /// Whatever is answered: complete is only what was named in full, and every study closes.
        #[test]
        fn any_answers_close_a_study_in_the_end_and_none_too_early(
            retrieves: bool,
            history in proptest::collection::vec((happens(), 0..20_u64), 0..40),
        ) {
            let mut play = Play::begin(retrieves);
            let (mut here, mut asked, mut all_named) = (1, Step::Wait, false);
            for (what, s) in history {
                match (what, asked) {
                    (Happens::Arrives(more), _) => {
                        here += more;
                        play.arrived(here);
                    }
                    (Happens::Answers(count, _, _), Step::Count) => {
                        play.counted(count);
                        asked = Step::Wait;
                    }
                    (Happens::Answers(_, named, missing), Step::Names) => {
                        let missing = missing.min(named);
                        all_named = named == here && missing == 0;
                        play.named(Compared { named, missing });
                        asked = Step::Wait;
                    }
                    (Happens::Answers(..), _) => {}
                    (Happens::Fails, Step::Wait) => {}
                    (Happens::Fails, _) => {
                        play.inquiry.in_vain(play.now);
                        asked = Step::Wait;
                    }
                }
                match play.after(s) {
                    Step::Close(why) => {
                        prop_assert_eq!(why, Why::Complete);
                        prop_assert!(all_named);
                        return Ok(());
                    }
                    Step::Wait => {}
                    step => asked = step,
                }
            }
            for _ in 0..100 {
                match play.quiet() {
                    Step::Close(_) => return Ok(()),
                    Step::Names => play.named(Compared { named: 9, missing: 2 }),
                    Step::Fetch => play.fetched(2),
                    _ => {}
                }
                play.now += Duration::from_secs(60);
            }
            prop_assert!(false, "it never closes");
        }
    }
}
