//! Free text without what identifies: names, numbers, places and dates that the study's own
//! headers tell, in whatever spelling; in descriptive text everything that is doubtful as well
//! (PS3.15 E.3.5, Clean Descriptors).
//!
//! ```text
//! every instance -> Known::observe -> cleaner -> Cleaner::descriptor | kept -> Cleaned
//! ```
//!
//! A text is folded to letters and digits (`reading`); one automaton finds all known values in
//! it (`needles` says in which forms, `search` what counts as a hit); dates are found by their
//! shape (`dates`); suspicious numbers, names and addresses by theirs (`numbers`, `people`,
//! `addresses`). What was found is cut out (`cuts`), and the rest is searched again, until
//! nothing is found.

mod addresses;
mod clock;
mod contacts;
mod cuts;
mod date_shapes;
mod dates;
mod disguise;
mod known;
mod months;
mod needles;
mod numbers;
mod people;
mod reading;
#[cfg(test)]
mod residue_tests;
mod search;
mod spelling;
#[cfg(test)]
mod tests;
mod tokens;
mod unknown;
mod words;

use std::borrow::Cow;
use std::fmt;
use zeroize::Zeroize;

pub use chrono::NaiveDate;
pub use known::{Known, Retained};

use cuts::Cuts;
use needles::Needles;
use reading::Reading;
use search::Search;
use tokens::Tokens;

/// How often the rest of a text is searched before nothing of it may stay.
const ROUNDS: usize = 6;

/// What becomes of dates in a text.
#[derive(Clone, Copy)]
pub enum TextDates<'a> {
    /// They go.
    Remove,
    /// They stay; dates of birth go.
    Keep,
    /// They are replaced by what this says; `None`: they go. So do ambiguous ones (4/10/1931),
    /// incomplete ones, ones that no calendar has, and dates of birth.
    Shift(&'a dyn Fn(NaiveDate) -> Option<NaiveDate>),
    /// Their year stays.
    Year,
}

/// What is left of a text.
#[derive(Clone, PartialEq, Eq)]
pub enum Cleaned {
    /// All of it.
    Unchanged,
    /// This.
    Changed(String),
    /// Nothing of it may stay.
    Nothing,
}

/// Says only which it is: the rest of a text is still a text about a patient.
impl fmt::Debug for Cleaned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cleaned::Unchanged => "unchanged",
            Cleaned::Changed(_) => "changed",
            Cleaned::Nothing => "nothing",
        })
    }
}

/// Cleans the texts of one study. Pure, and shared by all threads.
pub struct Cleaner {
    /// `None`: the study has more values than can be searched for, and no text may stay.
    search: Option<Search>,
    /// Dates of the study and dates of birth, YYYYMMDD, in order.
    dates: Vec<u32>,
    births: Vec<u32>,
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        self.dates.zeroize();
        self.births.zeroize();
    }
}

impl fmt::Debug for Cleaner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<cleaner>")
    }
}

impl Cleaner {
    /// Knows nobody: only dates and what is doubtful go.
    pub fn nothing_known() -> Self {
        Cleaner::new(Needles::default(), Vec::new(), Vec::new())
    }

    fn new(needles: Needles, dates: Vec<u32>, births: Vec<u32>) -> Self {
        Cleaner { search: Search::new(needles), dates, births }
    }

    /// Descriptive text, one value: known identifiers go, and everything doubtful goes. When more
    /// than half of the words would have to go, all go.
    pub fn descriptor(&self, text: &str, dates: TextDates<'_>) -> Cleaned {
        self.clean(text, dates, true)
    }

    /// Any other text that stays, one value: only known identifiers, UIDs and dates go.
    pub fn kept(&self, text: &str, dates: TextDates<'_>) -> Cleaned {
        self.clean(text, dates, false)
    }

    /// The name of a service: it stays if each of its words belongs to the language of the field.
    pub fn term(&self, text: &str) -> Option<String> {
        let mut words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let plain =
            words.all(|word| word.len() > 2 && words::is_vocabulary(&reading::squash(word)));
        let kept = self.descriptor(text, TextDates::Remove);
        (plain && kept == Cleaned::Unchanged).then(|| text.to_owned())
    }

    fn clean(&self, text: &str, dates: TextDates<'_>, doubt: bool) -> Cleaned {
        let Some(search) = &self.search else { return Cleaned::Nothing };
        if text.contains('\u{FFFD}') {
            return Cleaned::Nothing;
        }
        let mut dates = dates;
        let mut rest = Cow::Borrowed(text);
        let (mut words, mut lost) = (None, 0);
        for _ in 0..ROUNDS {
            let reading = Reading::of(&rest);
            let mut cuts = self.cuts(search, &reading, dates, doubt);
            if cuts.is_empty() {
                return match rest {
                    Cow::Borrowed(_) => Cleaned::Unchanged,
                    Cow::Owned(_) if reading.len() == 0 => Cleaned::Nothing,
                    Cow::Owned(rest) => Cleaned::Changed(rest),
                };
            }
            let (all, gone) = reading.words(&cuts.removed(), &cuts.dates);
            lost += gone;
            if doubt && 2 * lost > *words.get_or_insert(all) {
                return Cleaned::Nothing;
            }
            if matches!(dates, TextDates::Shift(_)) {
                dates = TextDates::Keep;
            }
            rest = Cow::Owned(cuts.apply(&rest));
        }
        Cleaned::Nothing
    }

    fn cuts(
        &self,
        search: &Search,
        reading: &Reading<'_>,
        dates: TextDates<'_>,
        doubt: bool,
    ) -> Cuts {
        let mut cuts = Cuts::default();
        let hits = search.find(reading);
        let digits = reading.folded.iter().any(u8::is_ascii_digit);
        if digits || doubt {
            let tokens = Tokens::of(reading);
            if digits {
                contacts::uids(&tokens, &mut cuts);
                dates::find(&tokens, self, dates, doubt, &mut cuts);
            }
            if doubt {
                contacts::find(&tokens, &mut cuts);
                addresses::find(&tokens, &mut cuts);
                people::find(&tokens, &mut cuts);
                if digits {
                    numbers::find(&tokens, &mut cuts);
                }
            }
        }
        hits.known.into_iter().for_each(|range| cuts.remove(range));
        hits.births.into_iter().for_each(|range| cuts.remove(range));
        if !matches!(dates, TextDates::Keep) {
            hits.dates
                .into_iter()
                .filter(|range| !cuts.settles(range))
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|range| cuts.remove(range));
        }
        cuts
    }

    /// Whether the study has this date.
    pub fn knows(&self, date: NaiveDate) -> bool {
        self.dates.binary_search(&number(date)).is_ok() || self.is_birth(date)
    }

    fn is_birth(&self, date: NaiveDate) -> bool {
        self.births.binary_search(&number(date)).is_ok()
    }
}

/// YYYYMMDD.
fn number(date: NaiveDate) -> u32 {
    use chrono::Datelike;
    date.year().unsigned_abs() * 10_000 + date.month() * 100 + date.day()
}
