//! The forms in which a known value can stand in a text, each with what may stand around it.

use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroize;

use super::disguise::disguises;
use super::months::ENGLISH;
use super::reading::{Reading, is_dense, squash};
use super::spelling::variants;
use super::words::{is_dummy, is_everybodys, is_ordinary, is_vocabulary};

/// Characters of a value that are looked for.
const VALUE_CHARS: usize = 200;
/// A long value is also found by its beginning, of so many folded bytes.
const BEGINNING: usize = 120;
/// Words of one name that are combined with each other.
const NAME_WORDS: usize = 8;

/// What a hit means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A person's name or a telling part of it.
    Person,
    /// A part of the name of the person of this number that means nothing alone: an ordinary
    /// word, two letters.
    Weak(u32),
    /// Any other identifier.
    Other,
    /// The end of a telephone number; what stands before it belongs to it.
    Phone,
    /// A value as a program disguises it, among other characters.
    Code,
    /// A date of the study.
    Date,
    /// A date of birth.
    Birth,
}

/// What may stand beside a hit without a gap. A digit beside a digit only if `Free`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// Neither letter nor digit.
    Word,
    /// No letter beside a letter.
    Letter,
    /// Anything: the needle is telling by itself.
    Any,
    /// Anything, even more digits.
    Free,
}

/// Which gaps a hit may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inner {
    /// Any: it is long enough.
    Any,
    /// Any that are short.
    Close,
    /// Where the value itself has some. A bit per place, the lowest before the second byte.
    AtMost(u16),
    /// Exactly there.
    Exactly(u16),
    /// Exactly there, even if the hit is the whole text: run together it is everybody's word.
    Written(u16),
}

/// When an occurrence of a needle counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) role: Role,
    pub(super) edge: Edge,
    pub(super) inner: Inner,
}

/// Folded byte strings with their rules, wiped on drop.
#[derive(Default)]
pub(super) struct Needles {
    pub(super) rules: BTreeMap<Vec<u8>, Vec<Rule>>,
    /// Initials of the persons, in the orders in which they are written: `js`, `sj`, `jas` ...
    pub(super) initials: BTreeSet<String>,
    persons: u32,
}

impl Drop for Needles {
    fn drop(&mut self) {
        std::mem::take(&mut self.rules).into_keys().for_each(|mut needle| needle.zeroize());
        std::mem::take(&mut self.initials).into_iter().for_each(|mut letters| letters.zeroize());
    }
}

impl Needles {
    /// A person name (PS3.5 6.2.1): each group whole, in both orders, and its parts.
    pub(super) fn person(&mut self, value: &str) {
        self.persons += 1;
        for group in cut(value).split('=') {
            self.whole_raw(Role::Person, group);
            variants(group).iter().for_each(|group| self.name_group(group));
        }
    }

    fn name_group(&mut self, group: &str) {
        if is_dummy(&words(group)) {
            return;
        }
        let components: Vec<&str> = group.split('^').map(str::trim).collect();
        let pieces: Vec<&str> = group.split([' ', ',']).filter(|w| !w.is_empty()).collect();
        match (&components[..], &pieces[..]) {
            ([family, given, ..], _) if !family.is_empty() && !given.is_empty() => {
                self.pair(family, given);
            }
            ([_], [first, .., last]) => self.pair(first, last),
            _ => {}
        }
        self.whole(group);
        let named = &components[..components.len().min(3)];
        let mut parts: Vec<&str> = Vec::new();
        for component in named {
            self.name_part(component);
            let part = |p: &&str| !p.is_empty() && *p != *component;
            let split = component.split([' ', ',', '-', '\'', '.', '\u{2019}']).filter(part);
            split.for_each(|part| self.name_part(part));
            let words = component.split(|c: char| !c.is_alphanumeric() && !is_mark(c));
            parts.extend(words.filter(|w| !w.is_empty()));
        }
        parts.truncate(NAME_WORDS);
        for a in &parts {
            self.name_part(a);
            for b in parts.iter().filter(|b| !std::ptr::eq(**b, *a)) {
                self.whole(&[a, " ", b].concat());
            }
        }
        self.initials(named, &parts);
    }

    fn pair(&mut self, a: &str, b: &str) {
        for separator in ["^", " ", ", ", ",", "_", "", ".", "-"] {
            for name in [[a, separator, b].concat(), [b, separator, a].concat()] {
                self.whole(&name);
                self.disguised(&name);
            }
        }
    }

    fn whole(&mut self, name: &str) {
        let words = words(name);
        let length: usize = words.iter().map(|word| word.chars().count()).sum();
        let dense = is_dense(name);
        // Ng^Lu run together is every lung.
        let together = matches!(&words[..], [word] if is_everybodys(word));
        if (length >= 4 || dense) && !together {
            let edge = if length >= 8 || dense { Edge::Any } else { Edge::Word };
            self.add(Role::Person, edge, name);
        }
    }

    /// One word of a name, or a component. Up to 7 letters it must not be a part of another word.
    fn name_part(&mut self, part: &str) {
        let folded = squash(part);
        let length = folded.chars().count();
        let digits = folded.bytes().all(|b| b.is_ascii_digit());
        let (role, edge) = if is_dense(part) {
            (Role::Person, if length < 2 { Edge::Word } else { Edge::Any })
        } else if length < 2 || digits && length < 5 || is_dummy(&words(part)) {
            return;
        } else if length == 2 || is_ordinary(&folded) && words(part).len() == 1 {
            (Role::Weak(self.persons), Edge::Word)
        } else {
            (Role::Person, if length < 8 { Edge::Letter } else { Edge::Any })
        };
        self.add(role, edge, part);
    }

    fn initials(&mut self, components: &[&str], words: &[&str]) {
        let first = |text: &&str| squash(text).chars().next().filter(|c| c.is_alphabetic());
        let mut letters: Vec<char> = words.iter().filter_map(first).collect();
        letters.truncate(5);
        let components: Vec<char> = components.iter().filter_map(first).collect();
        for letters in [letters, components] {
            // The family first, as in a DICOM name; last, as one signs; without middle names.
            let turned = letters.iter().skip(1).chain(letters.first());
            let short = [letters.get(1), letters.first()].into_iter().flatten();
            let orders: [String; 4] = [
                letters.iter().collect(),
                turned.collect(),
                short.clone().collect(),
                short.rev().collect(),
            ];
            self.initials.extend(orders.into_iter().filter(|order| order.chars().count() >= 2));
        }
    }

    /// An identifier of letters and digits: as it is, and its longer runs of digits.
    pub(super) fn id(&mut self, value: &str) {
        let value = cut(value);
        self.whole_raw(Role::Other, value);
        let (folded, words) = (squash(value), words(value));
        let digits = folded.bytes().filter(u8::is_ascii_digit).count();
        let only_digits = digits == folded.len();
        let short = folded.len() < if only_digits { 4 } else { 3 };
        if short || is_dummy(&words) || digits == 0 && words.iter().all(|w| is_ordinary(w)) {
            return;
        }
        let edge = match folded.len() {
            ..=5 => Edge::Word,
            6..=7 if only_digits => Edge::Any,
            6..=7 => Edge::Letter,
            _ => Edge::Any,
        };
        variants(value).iter().for_each(|value| self.add(Role::Other, edge, value));
        if only_digits && folded.starts_with('0') && folded.trim_start_matches('0').len() >= 4 {
            self.add(Role::Other, Edge::Word, folded.trim_start_matches('0'));
        }
        self.disguised(value);
        let all: String = folded.chars().filter(char::is_ascii_digit).collect();
        let folded_runs = Reading::of(value);
        let runs: Vec<&str> = folded_runs
            .atoms()
            .iter()
            .filter(|atom| atom.digits)
            .map(|atom| folded_runs.str(atom.lo..atom.hi))
            .chain([all.as_str()])
            .flat_map(|run| [run, run.trim_start_matches('0')])
            .filter(|run| run.len() >= 6)
            .collect();
        runs.into_iter().for_each(|run| self.add(Role::Other, Edge::Any, run));
    }

    /// An address, a telephone number, an e-mail address, or several of them.
    pub(super) fn contact(&mut self, value: &str) {
        let value = cut(value);
        self.id(value);
        value.lines().for_each(|line| self.id(line));
        for piece in value.split(|c: char| c.is_alphabetic() || matches!(c, ',' | ';' | '\n')) {
            let digits: String = squash(piece).chars().filter(char::is_ascii_digit).collect();
            if digits.len() >= 7 {
                self.add(Role::Phone, Edge::Any, &digits[digits.len() - 7..]);
            }
        }
        for address in value.split([' ', ',', ';', '<', '>']).filter(|word| word.contains('@')) {
            let user = address.split('@').next().unwrap_or_default();
            self.id(user.rsplit(':').next().unwrap_or_default());
        }
        for part in value.split(|c: char| !c.is_alphanumeric() && !is_mark(c)) {
            let word = squash(part);
            if word.len() >= 5 || word.chars().count() == 4 && !is_vocabulary(&word) {
                self.place_word(part);
            }
        }
    }

    /// The name of a place or an organisation, as a whole.
    pub(super) fn place(&mut self, value: &str) {
        let value = cut(value);
        self.whole_raw(Role::Other, value);
        let (folded, words) = (squash(value), words(value));
        let unusual =
            |word: &String| word.chars().count() >= 4 && !has_digit(word) && !is_ordinary(word);
        let longest = value.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
        let telling = longest >= 5 || words.iter().any(unusual);
        if folded.chars().count() >= 4 && telling && !is_dummy(&words) {
            let short = folded.len() < 8 && !is_dense(value);
            let edge = if short { Edge::Word } else { Edge::Any };
            variants(value).iter().for_each(|value| self.add(Role::Other, edge, value));
        }
    }

    /// Each longer word of such a name, unless it is part of one of these `models` (folded).
    pub(super) fn place_words(&mut self, value: &str, models: &str) {
        // As they are written: umlauts may be spelled out.
        let parts = cut(value).split(|c: char| !c.is_alphanumeric() && !is_mark(c));
        for part in parts {
            let folded = squash(part);
            if folded.len() >= 5 && !models.contains(&folded) {
                self.place_word(part);
            }
        }
    }

    fn place_word(&mut self, word: &str) {
        let folded = squash(word);
        if has_digit(&folded) || is_ordinary(&folded) || is_dummy(std::slice::from_ref(&folded)) {
            return;
        }
        let edge = match folded.chars().count() {
            _ if is_dense(word) => Edge::Any,
            ..=7 => Edge::Letter,
            _ => Edge::Any,
        };
        variants(word).iter().for_each(|word| self.add(Role::Other, edge, word));
    }

    /// A date YYYYMMDD in the forms that a reader of dates by their shape might not take for one.
    pub(super) fn date(&mut self, role: Role, date: &str) {
        let (Some(y), Some(m), Some(d)) = (date.get(..4), date.get(4..6), date.get(6..8)) else {
            return;
        };
        let Some(month) = m.parse().ok().and_then(|m: usize| ENGLISH.get(m.wrapping_sub(1))) else {
            return;
        };
        let (m1, d1) = (m.trim_start_matches('0'), d.trim_start_matches('0'));
        let mut add = |inner, parts: [&str; 3]| {
            let rule = Rule { role, edge: Edge::Any, inner };
            self.insert(parts.concat().into_bytes(), rule);
        };
        for parts in [[y, m, d], [d, m, y], [m, d, y]] {
            add(Inner::Any, parts);
        }
        for [a, b, c] in [[d1, m1, y], [m1, d1, y], [y, m1, d1]] {
            let joints = 1 << (a.len() - 1) | 1 << (a.len() + b.len() - 1);
            add(Inner::Exactly(joints), [a, b, c]);
        }
        for name in [month, &month[..3]] {
            for day in [d, d1] {
                for parts in [[day, name, y], [name, day, y], [y, name, day]] {
                    add(Inner::Any, parts);
                }
            }
        }
    }

    fn disguised(&mut self, value: &str) {
        for code in disguises(value) {
            self.add(Role::Code, Edge::Free, &code);
        }
    }

    /// Verifiers also look for the bytes of a value that isn't ASCII, whatever stands beside them.
    fn whole_raw(&mut self, role: Role, value: &str) {
        if !value.is_ascii() && value.len() >= 4 && !is_dummy(&words(value)) {
            self.add(role, Edge::Any, value);
        }
    }

    fn add(&mut self, role: Role, edge: Edge, text: &str) {
        let reading = Reading::of(text);
        let length = reading.len();
        if length < 2 {
            return;
        }
        let gaps = (1..length.min(16)).filter(|at| reading.is_gap(*at));
        let mask = gaps.fold(0, |mask, at| mask | 1 << (at - 1));
        let id = matches!(role, Role::Other | Role::Phone);
        let inner = match length {
            2..=16 if mask != 0 && is_everybodys(reading.str(0..length)) => Inner::Written(mask),
            8.. => Inner::Any,
            6..=7 if id && reading.folded.iter().any(u8::is_ascii_digit) => Inner::Close,
            _ => Inner::AtMost(mask),
        };
        let rule = Rule { role, edge, inner };
        if length > BEGINNING {
            let end = (1..=BEGINNING)
                .rev()
                .find(|at| std::str::from_utf8(&reading.folded[..*at]).is_ok());
            self.insert(reading.folded[..end.unwrap_or(length)].to_vec(), rule);
        }
        if let Some(rest) = behind_run(&reading.folded) {
            self.insert(rest.to_vec(), rule);
        }
        self.insert(reading.folded, rule);
    }

    fn insert(&mut self, needle: Vec<u8>, rule: Rule) {
        let rules = self.rules.entry(needle).or_default();
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
}

/// What a search of bytes is left with that passes over a run of equal ones: verifiers do, because
/// blank pixels are such runs.
fn behind_run(needle: &[u8]) -> Option<&[u8]> {
    const RUN: usize = 4;
    const BEGINNING: usize = 8;
    let blank = |bytes: &[u8]| {
        bytes[..BEGINNING].windows(RUN).any(|run| run.iter().all(|byte| *byte == run[0]))
    };
    let from = (0..needle.len().saturating_sub(BEGINNING)).find(|at| !blank(&needle[*at..]))?;
    (from > 0 && std::str::from_utf8(&needle[from..]).is_ok()).then(|| &needle[from..])
}

/// The folded words of a text.
pub(super) fn words(text: &str) -> Vec<String> {
    let reading = Reading::of(text);
    let mut words = Vec::new();
    let mut from = 0;
    for at in 1..=reading.len() {
        if reading.is_gap(at) {
            words.push(reading.str(from..at).to_owned());
            from = at;
        }
    }
    words
}

fn has_digit(word: &str) -> bool {
    word.bytes().any(|b| b.is_ascii_digit())
}

fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// The beginning of a long value.
fn cut(value: &str) -> &str {
    let end = value.char_indices().nth(VALUE_CHARS).map_or(value.len(), |(at, _)| at);
    &value[..end]
}
