//! Many needles in many bytes, fast.
//!
//! Needles of 8 bytes and more are looked for in every byte of the file: each fifth position's
//! four bytes are looked up in a table that knows the first five 4-grams of each needle (every
//! occurrence must cross one such position), which runs at the speed of memory on pixels. Needles
//! of 3 to 7 bytes hit by chance in binary data; an Aho-Corasick automaton looks for them in
//! single values only. UIDs, of which a study has thousands, are no needles: runs of digits and
//! dots are looked up in a set of fingerprints.

use aho_corasick::automaton::OverlappingState;
use aho_corasick::{AhoCorasick, BuildError, Input};
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap, RandomState};
use std::hash::BuildHasher;
use std::ops::Range;
use zeroize::Zeroize;

use super::kind::{Kind, Kinds};

/// Longer needles are cut: their beginning is telling enough.
pub(super) const NEEDLE_MAX: usize = 256;
const NEEDLE_MIN: usize = 3;
const LONG: usize = 8;
/// Distance of the positions that are looked up: a gram of 4 fits 5 times into 8 bytes.
const STRIDE: usize = 5;
const FILTER_BITS: u32 = 18;
const BUCKET_BITS: u32 = 14;

/// What may stand beside a hit. A digit beside a needle's digit may not, unless it is `Free`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Edge {
    /// Anything at all, even more digits: encoded or hashed, it is never part of a number.
    Free,
    /// Anything else: the needle is telling by itself.
    Any,
    /// No letter: part of a longer word is another word.
    Letter,
    /// Neither letter nor digit.
    Word,
}

/// How a needle is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// Bytes of text, ASCII letters in either case.
    Plain,
    /// Likewise with a NUL between the characters: UTF-16 of either byte order.
    Wide,
    /// Exactly these bytes (base64).
    Exact,
}

#[derive(Clone, Copy)]
pub(super) struct Needle {
    pub(super) kinds: Kinds,
    edge: Edge,
    form: Form,
    from: u32,
    len: u16,
}

/// Gathers needles; the same bytes keep all their kinds and their loosest edge.
#[derive(Default)]
pub(super) struct Needles(HashMap<Vec<u8>, (Kinds, Edge, Form)>);

impl Needles {
    pub(super) fn add(&mut self, kind: Kind, edge: Edge, form: Form, bytes: &[u8]) {
        let mut bytes = bytes[..bytes.len().min(NEEDLE_MAX)].to_vec();
        // A run of equal bytes (spaces) would send each blank pixel to the slow path.
        let blank = |b: &[u8]| b[..LONG].windows(4).any(|g| g.iter().all(|x| *x == g[0]));
        while bytes.len() > LONG && blank(&bytes) {
            bytes.remove(0);
        }
        if form != Form::Exact {
            bytes.make_ascii_lowercase();
        }
        if bytes.len() < NEEDLE_MIN || bytes.len() >= LONG && blank(&bytes) {
            return;
        }
        match self.0.entry(bytes) {
            Entry::Vacant(new) => {
                new.insert((kind.into(), edge, form));
            }
            Entry::Occupied(mut old) => {
                let (k, e, f) = *old.get();
                old.insert((k.with(kind), e.min(edge), f.min(form)));
            }
        }
    }

    pub(super) fn build(mut self) -> Result<Matcher, BuildError> {
        let mut text = Vec::new();
        let (mut long, mut short, mut patterns) = (Vec::new(), Vec::new(), Vec::new());
        for (mut bytes, (kinds, edge, form)) in self.0.drain() {
            let (from, len) = (text.len() as u32, bytes.len() as u16);
            text.extend_from_slice(&bytes);
            let needle = Needle { kinds, edge, form, from, len };
            if bytes.len() >= LONG {
                long.push(needle);
                bytes.zeroize();
            } else {
                short.push(needle);
                patterns.push(bytes);
            }
        }
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&patterns)?;
        patterns.zeroize();
        let grams = Grams::new(&text, &long);
        Ok(Matcher { text, long, short, grams, automaton })
    }
}

/// The compiled needles of one study.
pub(super) struct Matcher {
    /// All needles one after the other, wiped on drop.
    text: Vec<u8>,
    long: Vec<Needle>,
    short: Vec<Needle>,
    grams: Grams,
    automaton: AhoCorasick,
}

impl Drop for Matcher {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl Matcher {
    pub(super) fn len(&self) -> usize {
        self.long.len() + self.short.len()
    }

    /// Bytes of memory, the needles and their index.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let grams = &self.grams;
        self.text.capacity()
            + (self.long.len() + self.short.len()) * size_of::<Needle>()
            + grams.filter.len() * 8
            + grams.starts.len() * 4
            + grams.candidates.len() * size_of::<Candidate>()
            + self.automaton.memory_usage()
    }

    /// Every occurrence of a needle of at least 8 bytes, whatever stands beside it.
    pub(super) fn long(&self, hay: &[u8], from: usize, mut hit: impl FnMut(&Needle, Range<usize>)) {
        let mut at = from;
        while let Some(bytes) = hay.get(at..at + 4) {
            let here = gram(bytes);
            let hash = hash(here);
            if self.grams.may_have(hash) {
                let next = hay.get(at + 4..at + 8).map_or(ANY_GRAM, gram);
                for candidate in self.grams.bucket(hash) {
                    if candidate.gram != here || !may_equal(candidate.next, next) {
                        continue;
                    }
                    let needle = &self.long[candidate.needle as usize];
                    let start = at.wrapping_sub(usize::from(candidate.shift));
                    let range = start..start.wrapping_add(usize::from(needle.len));
                    if self.is_at(needle, hay, range.clone()) {
                        hit(needle, range);
                    }
                }
            }
            at += STRIDE;
        }
    }

    /// Every occurrence of a needle of 3 to 7 bytes.
    pub(super) fn short(&self, hay: &[u8], mut hit: impl FnMut(&Needle, Range<usize>)) {
        let mut state = OverlappingState::start();
        loop {
            self.automaton.find_overlapping(Input::new(hay), &mut state);
            let Some(found) = state.get_match() else { return };
            let needle = &self.short[found.pattern().as_usize()];
            if needle.form != Form::Exact || self.is_at(needle, hay, found.range()) {
                hit(needle, found.range());
            }
        }
    }

    fn is_at(&self, needle: &Needle, hay: &[u8], range: Range<usize>) -> bool {
        let text = &self.text[needle.from as usize..][..usize::from(needle.len)];
        hay.get(range).is_some_and(|found| match needle.form {
            Form::Exact => found == text,
            _ => found.eq_ignore_ascii_case(text),
        })
    }

    /// Whether a hit isn't merely a part of something longer. `text`: the haystack is text, so
    /// that bytes above ASCII are letters.
    pub(super) fn stands_alone(
        &self,
        needle: &Needle,
        hay: &[u8],
        hit: &Range<usize>,
        text: bool,
    ) -> bool {
        let is_letter = |b: u8| b.is_ascii_alphabetic() || text && b >= 0x80;
        let apart = |own: u8, other: Option<u8>| {
            let other = other.unwrap_or(0);
            match needle.edge {
                Edge::Free => true,
                _ if own.is_ascii_digit() && other.is_ascii_digit() => false,
                Edge::Any => true,
                Edge::Letter => !is_letter(other),
                Edge::Word => !is_letter(other) && !other.is_ascii_digit(),
            }
        };
        let (left, right) = match needle.form {
            Form::Wide => (before(hay, hit.start, 2), hay.get(hit.end + 1).copied()),
            _ => (before(hay, hit.start, 1), hay.get(hit.end).copied()),
        };
        apart(hay[hit.start], left)
            && apart(hay[hit.end - 1], right)
            && !self.is_fraction(needle, hay, hit, left)
    }

    /// Digits after a dot that follows a digit are the rest of a decimal number or of a UID.
    fn is_fraction(&self, n: &Needle, hay: &[u8], hit: &Range<usize>, left: Option<u8>) -> bool {
        n.edge != Edge::Free
            && left == Some(b'.')
            && n.form == Form::Plain
            && before(hay, hit.start, 2).is_some_and(|b| b.is_ascii_digit())
            && hay[hit.clone()].iter().all(u8::is_ascii_digit)
    }

    /// Whether a hit among pixels means anything: UTF-16 looks like 16-bit soft tissue, so only
    /// 10 characters and more of it do; digits must not be part of a longer run of digits.
    pub(super) fn tells_in_pixels(&self, n: &Needle, hay: &[u8], hit: &Range<usize>) -> bool {
        match n.form {
            Form::Wide => n.len >= 19,
            _ if n.edge == Edge::Free => true,
            _ => {
                let digit = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_digit());
                !(digit(hay.get(hit.start).copied()) && digit(before(hay, hit.start, 1))
                    || digit(hay.get(hit.end - 1).copied()) && digit(hay.get(hit.end).copied()))
            }
        }
    }
}

/// Whether a short hit stands among readable bytes rather than among numbers.
pub(super) fn is_readable(hay: &[u8], hit: &Range<usize>) -> bool {
    let left = &hay[hit.start.saturating_sub(6)..hit.start];
    let right = &hay[hit.end..hay.len().min(hit.end + 6)];
    let readable = |b: &&u8| matches!(b, 0 | b' '..=b'~');
    let good = left.iter().chain(right).filter(readable).count();
    4 * good >= 3 * (left.len() + right.len())
}

fn before(hay: &[u8], at: usize, distance: usize) -> Option<u8> {
    at.checked_sub(distance).map(|i| hay[i])
}

struct Candidate {
    gram: u32,
    /// The gram that follows, if the needle is that long.
    next: u32,
    needle: u32,
    shift: u8,
}

/// The first five 4-grams of each needle: a bit per hash, then buckets of candidates.
struct Grams {
    filter: Vec<u64>,
    starts: Vec<u32>,
    candidates: Vec<Candidate>,
}

impl Grams {
    fn new(text: &[u8], needles: &[Needle]) -> Self {
        let mut filter = vec![0; 1 << (FILTER_BITS - 6)];
        let mut candidates = Vec::with_capacity(needles.len() * STRIDE);
        for (index, needle) in needles.iter().enumerate() {
            for shift in 0..STRIDE {
                let own = &text[needle.from as usize..][..usize::from(needle.len)];
                let here = gram(&own[shift..shift + 4]);
                let next = own.get(shift + 4..shift + 8).map_or(ANY_GRAM, gram);
                let hash = hash(here);
                filter[(hash >> 6) as usize] |= 1_u64 << (hash & 63);
                candidates.push(Candidate {
                    gram: here,
                    next,
                    needle: index as u32,
                    shift: shift as u8,
                });
            }
        }
        candidates.sort_unstable_by_key(|c| hash(c.gram));
        let mut starts = vec![0_u32; (1 << BUCKET_BITS) + 1];
        for candidate in &candidates {
            starts[(hash(candidate.gram) >> (FILTER_BITS - BUCKET_BITS)) as usize + 1] += 1;
        }
        for bucket in 1..starts.len() {
            starts[bucket] += starts[bucket - 1];
        }
        Grams { filter, starts, candidates }
    }

    fn may_have(&self, hash: u32) -> bool {
        self.filter[(hash >> 6) as usize] >> (hash & 63) & 1 == 1
    }

    fn bucket(&self, hash: u32) -> &[Candidate] {
        let bucket = (hash >> (FILTER_BITS - BUCKET_BITS)) as usize;
        &self.candidates[self.starts[bucket] as usize..self.starts[bucket + 1] as usize]
    }
}

/// Four bytes with ASCII letters in lower case (other bytes may fall together; hits are checked).
fn gram(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) | 0x2020_2020
}

/// Stands for a gram that isn't known; no gram is 0.
const ANY_GRAM: u32 = 0;

fn may_equal(a: u32, b: u32) -> bool {
    a == b || a == ANY_GRAM || b == ANY_GRAM
}

fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(0x9E37_79B1) >> (32 - FILTER_BITS)
}

/// A set of values of which only keyed 128-bit fingerprints are kept.
#[derive(Default)]
pub(super) struct Fingerprints {
    keys: [RandomState; 2],
    set: HashSet<u128>,
}

impl Fingerprints {
    pub(super) fn insert(&mut self, tag: u32, value: &[u8]) {
        let print = self.print(tag, value);
        self.set.insert(print);
    }

    pub(super) fn contains(&self, tag: u32, value: &[u8]) -> bool {
        !self.set.is_empty() && self.set.contains(&self.print(tag, value))
    }

    pub(super) fn len(&self) -> usize {
        self.set.len()
    }

    fn print(&self, tag: u32, value: &[u8]) -> u128 {
        let [a, b] = self.keys.each_ref().map(|key| key.hash_one((tag, value)));
        u128::from(a) << 64 | u128::from(b)
    }
}

/// The UIDs of the source.
#[derive(Default)]
pub(super) struct Uids(Fingerprints);

impl Uids {
    pub(super) fn insert(&mut self, uid: &str) {
        self.0.insert(0, uid.as_bytes());
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this is one of them, or one of them with more components.
    pub(super) fn knows(&self, run: &[u8]) -> bool {
        let run = run.trim_ascii();
        let run = &run[run.iter().take_while(|b| **b == b'.').count()..];
        if run.len() < 8 {
            return self.0.contains(0, run);
        }
        (8..=run.len().min(64)).any(|at| {
            let ends = at == run.len() || run[at] == b'.';
            ends && run[at - 1] != b'.' && self.0.contains(0, &run[..at])
        })
    }

    /// Runs of at least 8 digits and dots that begin with a UID of the source, as bytes or UTF-16.
    pub(super) fn find(&self, hay: &[u8], from: usize, mut hit: impl FnMut(Range<usize>)) {
        let is_uid = |b: u8| b.is_ascii_digit() || b == b'.';
        let mut at = from;
        while at < hay.len() {
            let on = if hay[at] == 0 && at + 1 < hay.len() { at + 1 } else { at };
            if !is_uid(hay[on]) {
                at += 8;
                continue;
            }
            let wide = hay.get(on + 1) == Some(&0) && hay.get(on + 2).is_some_and(|b| is_uid(*b))
                || on >= 2 && hay[on - 1] == 0 && is_uid(hay[on - 2]);
            let step = if wide { 2 } else { 1 };
            let joined = |i: usize| step == 1 || hay[i] == 0;
            let (mut start, mut end) = (on, on + 1);
            while start >= step && is_uid(hay[start - step]) && joined(start - 1) {
                start -= step;
            }
            while end + step <= hay.len() && is_uid(hay[end + step - 1]) && joined(end) {
                end += step;
            }
            let run: Vec<u8>;
            let dots = hay[start..end].iter().filter(|b| **b == b'.').count();
            let found = dots >= 3 && {
                run = hay[start..end].iter().step_by(step).copied().collect();
                // The length before a UTF-16 value can look like one more digit of it.
                self.knows(&run) || wide && self.knows(&run[1..])
            };
            if found {
                hit(start..end);
            }
            at = end.max(at + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(rows: &[(Edge, Form, &[u8])]) -> Matcher {
        let mut needles = Needles::default();
        for (edge, form, bytes) in rows {
            needles.add(Kind::Name, *edge, *form, bytes);
        }
        needles.build().unwrap()
    }

    #[test]
    fn long_needles_at_every_offset_and_in_either_case() {
        let m = matcher(&[
            (Edge::Any, Form::Plain, b"Cordelia"),
            (Edge::Any, Form::Exact, b"TVJOLTEyMw"),
        ]);
        for offset in 0..20 {
            for (text, hits) in
                [(&b"CORDELIA"[..], 1), (b"cordelia", 1), (b"TVJOLTEyMw", 1), (b"tvjoltEyMw", 0)]
            {
                let hay = [&vec![b'x'; offset][..], text, b"yy"].concat();
                let mut found = Vec::new();
                m.long(&hay, 0, |_, range| found.push(range));
                assert_eq!(found.len(), hits, "offset {offset}");
                assert!(found.iter().all(|r| *r == (offset..offset + text.len())));
            }
        }
    }

    #[test]
    fn edges() {
        let m = matcher(&[
            (Edge::Word, Form::Plain, b"Lee"),
            (Edge::Letter, Form::Plain, b"Miller"),
            (Edge::Any, Form::Plain, b"123456"),
        ]);
        let alone = |hay: &[u8]| {
            let mut any = false;
            m.short(hay, |needle, range| any |= m.stands_alone(needle, hay, &range, true));
            any
        };
        for yes in ["LEE", "a Lee b", "^lee", "Miller2", "x_MILLER", "id123456x", "v 1. 123456"] {
            assert!(alone(yes.as_bytes()), "{yes}");
        }
        for no in ["Leeds", "fleet", "Lee1", "Millers", "1234567", "0.123456", "Léé"] {
            assert!(!alone(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn uids_in_runs() {
        let mut uids = Uids::default();
        uids.insert("1.3.6.1.4.1.55555.4711.0.1");
        uids.insert("1.2.3");
        let wide: Vec<u8> =
            "1.3.6.1.4.1.55555.4711.0.1".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let found = |hay: &[u8]| {
            let mut n = 0;
            uids.find(hay, 0, |_| n += 1);
            n > 0
        };
        for pad in 0..17 {
            let hay = |s: &[u8]| [&vec![b'q'; pad][..], s, b"/x"].concat();
            assert!(found(&hay(b"1.3.6.1.4.1.55555.4711.0.1")));
            assert!(found(&hay(b"1.3.6.1.4.1.55555.4711.0.1.77")));
            assert!(found(&hay(&wide)), "{pad}");
            assert!(!found(&hay(b"1.3.6.1.4.1.55555.4711.0.12")));
            assert!(!found(&hay(b"2.25.123456789012345678901234567890")));
        }
        assert!(uids.knows(b"1.2.3") && !uids.knows(b"1.2.3.4"));
    }
}
