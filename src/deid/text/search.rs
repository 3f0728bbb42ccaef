//! All known values in one text at once.

use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::BTreeSet;
use std::ops::Range;
use zeroize::Zeroize;

use super::needles::{Edge, Inner, Needles, Role, Rule};
use super::reading::Reading;

/// Characters of a gap that may stand within a number.
const CLOSE: usize = 3;
/// A phone number's country and area code, in characters before the part that is known.
const CODES: usize = 12;

/// The compiled needles of one study.
///
/// The automaton's own memory is freed, not wiped: nothing reaches it.
pub(super) struct Search {
    automaton: AhoCorasick,
    rules: Vec<Vec<Rule>>,
    initials: BTreeSet<String>,
    letters: BTreeSet<char>,
}

impl Drop for Search {
    fn drop(&mut self) {
        std::mem::take(&mut self.initials).into_iter().for_each(|mut letters| letters.zeroize());
    }
}

/// Where something was found, in bytes of the text.
#[derive(Debug, Default)]
pub(super) struct Hits {
    /// What has to go.
    pub(super) known: Vec<Range<usize>>,
    /// Dates of the study, in forms that need not have the shape of a date.
    pub(super) dates: Vec<Range<usize>>,
    /// Dates of birth.
    pub(super) births: Vec<Range<usize>>,
}

struct Weak {
    person: u32,
    needle: usize,
    range: Range<usize>,
}

impl Search {
    /// `None`: more values than an automaton can hold.
    pub(super) fn new(mut needles: Needles) -> Option<Self> {
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(needles.rules.keys())
            .ok()?;
        let rules = needles.rules.values().cloned().collect();
        let initials = std::mem::take(&mut needles.initials);
        let letters = initials.iter().flat_map(|letters| letters.chars()).collect();
        Some(Search { automaton, rules, initials, letters })
    }

    pub(super) fn find(&self, reading: &Reading<'_>) -> Hits {
        let mut hits = Hits::default();
        let (mut persons, mut weak) = (Vec::new(), Vec::new());
        for found in self.automaton.find_overlapping_iter(&reading.folded) {
            let needle = found.pattern().as_usize();
            for rule in &self.rules[needle] {
                if !counts(reading, found.range(), *rule) {
                    continue;
                }
                let range = found.range();
                match rule.role {
                    Role::Person => persons.push(reading.word_around(range)),
                    Role::Weak(person) => weak.push(Weak { person, needle, range }),
                    Role::Other => hits.known.push(reading.span(reading.word_around(range))),
                    Role::Phone => hits.known.push(phone(reading, range)),
                    Role::Code => hits.known.push(unspaced(reading, range)),
                    Role::Date => hits.dates.push(reading.span(range)),
                    Role::Birth => hits.births.push(reading.span(range)),
                }
            }
        }
        join_the_weak(reading, &mut persons, weak);
        if !self.initials.is_empty() {
            self.initials(reading, &mut persons, &mut hits.known);
        }
        for mut person in persons {
            let genitive = matches!(reading.separators(person.end), "'" | "’" | "´" | "`");
            if genitive
                && reading.is_gap(person.end + 1)
                && reading.folded.get(person.end) == Some(&b's')
            {
                person.end += 1;
            }
            hits.known.push(reading.span(person));
        }
        hits
    }

    /// Initials beside a name belong to it; alone they count with two dots and more: `J.S.`.
    fn initials(
        &self,
        reading: &Reading<'_>,
        persons: &mut [Range<usize>],
        known: &mut Vec<Range<usize>>,
    ) {
        if persons.is_empty() && !reading.text.contains('.') {
            return;
        }
        let is_single = |at: usize| {
            at < reading.len()
                && reading.is_gap(at)
                && reading.is_gap(at + 1)
                && reading.character(at).is_some_and(char::is_alphabetic)
                && reading.folded[at].is_ascii_lowercase()
        };
        let is_known = |at: usize| self.letters.contains(&char::from(reading.folded[at]));
        for person in persons.iter_mut() {
            while person.start > 0 && is_single(person.start - 1) && is_known(person.start - 1) {
                person.start -= 1;
            }
            while is_single(person.end) && is_known(person.end) {
                person.end += 1;
            }
        }
        let mut at = 0;
        while at < reading.len() {
            let dotted = |at: usize| is_single(at) && reading.separators(at + 1).starts_with('.');
            let end = (at..reading.len()).find(|at| !dotted(*at)).unwrap_or(reading.len());
            if self.initials.contains(reading.str(at..end)) {
                let span = reading.span(at..end);
                known.push(span.start..span.end + 1);
            }
            at = end.max(at + 1);
        }
    }
}

/// A weak part of a name goes with another part of it, or with any name, beside it.
fn join_the_weak(reading: &Reading<'_>, persons: &mut Vec<Range<usize>>, mut weak: Vec<Weak>) {
    // Beside: nothing between but separators and at most one letter, a middle initial.
    let beside = |a: &Range<usize>, b: &Range<usize>| {
        let (first, second) = if a.start <= b.start { (a, b) } else { (b, a) };
        let between = first.end..second.start.max(first.end);
        between.len() <= 1
            && !between.clone().any(|at| reading.is_digit(at))
            && reading.separators(first.end).chars().count() <= CLOSE
    };
    let alike = |a: &Weak, b: &Weak| {
        a.person == b.person
            && a.needle != b.needle
            && a.range.end.min(b.range.end) <= a.range.start.max(b.range.start)
    };
    let pairs: Vec<Range<usize>> = weak
        .iter()
        .filter(|a| weak.iter().any(|b| alike(a, b) && beside(&a.range, &b.range)))
        .map(|a| a.range.clone())
        .collect();
    persons.extend(pairs);
    loop {
        let before = persons.len();
        weak.retain(|weak| {
            let joins = persons.iter().any(|person| beside(person, &weak.range));
            if joins {
                persons.push(weak.range.clone());
            }
            !joins
        });
        if persons.len() == before {
            return;
        }
    }
}

/// Whether an occurrence of a needle is the value, and not merely a part of something else.
fn counts(reading: &Reading<'_>, hit: Range<usize>, rule: Rule) -> bool {
    if hit == (0..reading.len()) && !matches!(rule.inner, Inner::Written(_)) {
        return true;
    }
    is_apart(reading, &hit, rule) && has_right_gaps(reading, &hit, rule.inner)
}

fn is_apart(reading: &Reading<'_>, hit: &Range<usize>, rule: Rule) -> bool {
    // Who searches bytes takes only ASCII for letters; long values are searched so. Such a letter of
    // the value's own may be there by its first byte only: Ã in Latin-1 begins ã in UTF-8.
    let foreign = |at: usize| {
        let other = reading.character(at).is_some_and(|c| !c.is_ascii());
        other && reading.span(hit.clone()).len() >= 8
    };
    let apart = |own: usize, other: usize, before: usize| {
        let digits = (reading.is_digit(own), reading.is_digit(other));
        match rule.edge {
            Edge::Free => true,
            _ if digits == (true, true) => false,
            Edge::Any => true,
            _ if digits == (false, false) && reading.begins_word(before) => true,
            _ if foreign(own) || foreign(other) => true,
            Edge::Letter => digits.0 || digits.1,
            Edge::Word => false,
        }
    };
    let left = reading.is_gap(hit.start)
        || reading.is_loose(hit.start)
        || rule.role == Role::Phone
        || apart(hit.start, hit.start - 1, hit.start)
        || after_zeros(reading, hit.start);
    // Merriweathers: a genitive.
    let genitive = |at: usize| reading.folded[at] == b's' && reading.is_gap(at + 1);
    let right = reading.is_gap(hit.end)
        || reading.is_loose(hit.end)
        || apart(hit.end - 1, hit.end, hit.end)
        || rule.role == Role::Person && hit.len() >= 5 && genitive(hit.end);
    left && right
}

/// Whether only zeros stand before a number, as in 00123456.
fn after_zeros(reading: &Reading<'_>, start: usize) -> bool {
    let mut at = start;
    while at > 0 && !reading.is_gap(at) && reading.folded[at - 1] == b'0' {
        at -= 1;
    }
    reading.is_digit(start) && at < start && (reading.is_gap(at) || !reading.is_digit(at - 1))
}

fn has_right_gaps(reading: &Reading<'_>, hit: &Range<usize>, inner: Inner) -> bool {
    let gaps = || (hit.start + 1..hit.end).filter(|at| reading.is_gap(*at));
    let places = || gaps().fold(0_u16, |mask, at| mask | 1 << (at - hit.start - 1).min(15));
    match inner {
        Inner::Any => true,
        Inner::Close => gaps().all(|at| reading.separators(at).chars().count() <= CLOSE),
        Inner::Exactly(mask) | Inner::Written(mask) => places() == mask,
        Inner::AtMost(mask) => {
            // L e e t e r: spaced out, the whole value.
            let spaced = hit.len() >= 4 && gaps().count() == hit.len() - 1;
            places() & !mask == 0 || spaced
        }
    }
}

/// A telephone number with what stands before its known end.
fn phone(reading: &Reading<'_>, hit: Range<usize>) -> Range<usize> {
    let span = reading.span(hit);
    let before = reading.text[..span.start].char_indices().rev().take(CODES);
    let part = |c: char| c.is_numeric() || matches!(c, '+' | '(' | ')' | ' ' | '-' | '.' | '/');
    let start = before.take_while(|(_, c)| part(*c)).last().map_or(span.start, |(at, _)| at);
    let lead = reading.text[start..span.start].trim_start_matches([' ', '-', '.', '/', ')']).len();
    span.start - lead..span.end
}

/// The run of characters without spaces around a hit.
fn unspaced(reading: &Reading<'_>, hit: Range<usize>) -> Range<usize> {
    let span = reading.span(hit);
    let (left, right) = (&reading.text[..span.start], &reading.text[span.end..]);
    let start = left
        .rfind(char::is_whitespace)
        .map_or(0, |at| at + left[at..].chars().next().map_or(1, char::len_utf8));
    start..right.find(char::is_whitespace).map_or(reading.text.len(), |at| span.end + at)
}
