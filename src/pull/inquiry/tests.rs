//! A study, a clock, and what is answered.

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
