//! The forms in which a value of the source could turn up again: needles.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use data_encoding::{BASE64, HEXLOWER};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::charset::{fold, spelled_out, without_accents};
use super::kind::Kind;
use super::scribe::Scribe;
use super::search::{Edge, Fingerprints, Form, Needles};

static ORDINARY: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("ordinary.txt").lines().collect());

/// What others put where an identity was: nobody's.
const DUMMY: &[&str] = &[
    "anonymous",
    "anonymized",
    "anonymised",
    "anon",
    "unknown",
    "none",
    "null",
    "removed",
    "deidentified",
    "redacted",
    "dummy",
    "patient",
    "name",
    "test",
    "phantom",
    "empty",
    "default",
    "n a",
    "na",
    "yes",
    "no",
    "other",
    "unspecified",
    "nobody",
];

/// Turns values into needles.
#[derive(Default)]
pub(super) struct Forms {
    pub(super) needles: Needles,
    /// Ordinary words that are somebody's name, by kind: compared in person names only.
    pub(super) ordinary_names: Fingerprints,
    scribe: Scribe,
}

impl Forms {
    /// A person name (PS3.5 6.2.1): each group whole, in both orders, and its parts.
    pub(super) fn name(&mut self, kind: Kind, value: &str) {
        for group in value.split('=') {
            let components: Vec<&str> = group.split('^').map(str::trim).collect();
            let folded = fold(group);
            if is_dummy(&folded) {
                continue;
            }
            let words: Vec<&str> = group.split([' ', ',']).filter(|w| !w.is_empty()).collect();
            let pair = match (&components[..], &words[..]) {
                ([family, given, ..], _) if !family.is_empty() && !given.is_empty() => {
                    Some((*family, *given))
                }
                ([_], [first, .., last]) => Some((*first, *last)),
                _ => None,
            };
            if let Some((a, b)) = pair {
                for separator in ["^", " ", ", ", ",", "_", "", ".", "-"] {
                    self.whole(kind, &[a, separator, b].concat());
                    self.whole(kind, &[b, separator, a].concat());
                }
                self.whole(kind, group.trim_matches(['^', ' ']));
            }
            for component in components.iter().take(3) {
                self.part(kind, component);
                component
                    .split([' ', ',', '-', '\'', '.', '\u{2019}'])
                    .for_each(|p| self.part(kind, p));
            }
        }
    }

    fn whole(&mut self, kind: Kind, name: &str) {
        let folded = fold(name);
        let length = letters(&folded);
        let edge = if length >= 8 || is_dense(name) { Edge::Any } else { Edge::Word };
        if length >= 4 || is_dense(name) {
            // Ng^Lu run together is every lung.
            if !is_everybodys(&folded) {
                self.text(kind, edge, name);
            }
            self.disguises(kind, name);
        }
    }

    /// One word of a name.
    pub(super) fn part(&mut self, kind: Kind, part: &str) {
        let folded = fold(part);
        if !is_dense(part) && is_telling(&folded) && is_ordinary(&folded) {
            return self.ordinary_names.insert(kind as u32, folded.as_bytes());
        }
        edge_of_part(part).into_iter().for_each(|edge| self.text(kind, edge, part));
    }

    /// An identifier of letters and digits: as it is, and its longer runs of digits.
    pub(super) fn id(&mut self, kind: Kind, value: &str) {
        let folded = fold(value);
        let squashed = folded.replace(' ', "");
        let digits = squashed.bytes().filter(u8::is_ascii_digit).count();
        let only_digits = digits == squashed.len();
        let short = squashed.len() < if only_digits { 4 } else { 3 };
        if short || is_dummy(&folded) || digits == 0 && folded.split(' ').all(is_ordinary) {
            return;
        }
        let sure = if only_digits { 6 } else { 8 };
        self.text(kind, if squashed.len() < sure { Edge::Word } else { Edge::Any }, value);
        self.disguises(kind, value);
        let all: String = squashed.chars().filter(char::is_ascii_digit).collect();
        let runs = value.split(|c: char| !c.is_ascii_digit()).chain([all.as_str()]);
        for run in runs.flat_map(|run| [run, run.trim_start_matches('0')]).filter(|r| r.len() >= 6)
        {
            self.text(kind, Edge::Any, run);
        }
        if kind == Kind::Contact {
            let telling = |w: &&str| w.len() >= 5 && !has_digit(w);
            folded.split(' ').filter(telling).for_each(|word| self.part(kind, word));
        }
    }

    /// Descriptive text, if it has a word or number that isn't everybody's.
    pub(super) fn phrase(&mut self, kind: Kind, value: &str, least: usize) {
        let folded = fold(value);
        let squashed = folded.replace(' ', "");
        let unusual =
            |word: &str| word.chars().count() >= 4 && !has_digit(word) && !is_ordinary(word);
        let digits = squashed.bytes().filter(u8::is_ascii_digit).count();
        let longest = value.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
        let number = digits == squashed.len();
        let telling =
            if number { longest >= 10 } else { longest >= 5 || folded.split(' ').any(unusual) };
        if squashed.chars().count() < least || !telling || is_dummy(&folded) {
            return;
        }
        let edge = if squashed.len() < 8 && !is_dense(value) { Edge::Word } else { Edge::Any };
        self.text(kind, edge, value);
    }

    /// A date in the forms that DICOM and people write.
    pub(super) fn date(&mut self, kind: Kind, date: &str) {
        let (y, m, d) = (&date[..4], &date[4..6], &date[6..8]);
        let Some(month) = m.parse().ok().and_then(|m: usize| MONTHS.get(m.wrapping_sub(1))) else {
            return;
        };
        let (m1, d1, abbreviated) =
            (m.trim_start_matches('0'), d.trim_start_matches('0'), &month[..3]);
        let mut forms = vec![[y, m, d].concat(), [d, m, y].concat(), [m, d, y].concat()];
        for separator in ["-", ".", "/", "_", " "] {
            for [a, b, c] in
                [[y, m, d], [d, m, y], [m, d, y], [d1, m1, y], [m1, d1, y], [y, m1, d1]]
            {
                forms.push([a, separator, b, separator, c].concat());
            }
        }
        for name in [month, abbreviated] {
            for day in [d, d1] {
                for separator in [" ", "-", ". "] {
                    forms.push(
                        [day, separator, name, separator.trim_start_matches('.'), y].concat(),
                    );
                }
                forms.push([name, " ", day, ", ", y].concat());
                forms.push([name, " ", day, " ", y].concat());
                forms.push([y, "-", name, "-", day].concat());
                forms.push([y, " ", name, " ", day].concat());
                forms.push([day, name, y].concat());
            }
        }
        for form in forms {
            self.needles.add(kind, Edge::Any, Form::Plain, form.as_bytes());
            self.needles.add(kind, Edge::Any, Form::Wide, &wide(&form));
        }
    }

    /// A text in every character set and as folded words.
    fn text(&mut self, kind: Kind, edge: Edge, text: &str) {
        let folded = fold(text);
        let spelled = fold(&spelled_out(text));
        for folded in [&folded, &spelled] {
            self.needles.add(kind, edge, Form::Plain, folded.as_bytes());
            let together = folded.replace(' ', "");
            if together.len() < folded.len() && !is_everybodys(&together) {
                self.needles.add(kind, edge, Form::Plain, together.as_bytes());
            }
            if folded.is_ascii() && folded.len() >= 4 {
                self.needles.add(kind, edge, Form::Wide, &wide(folded));
            }
        }
        if text.is_ascii() {
            self.needles.add(kind, edge, Form::Plain, text.as_bytes());
            if text.len() >= 4 {
                self.needles.add(kind, edge, Form::Wide, &wide(text));
            }
            return;
        }
        let plain = without_accents(text);
        let cases = [text, &plain].map(|t| [t.to_owned(), t.to_uppercase(), t.to_lowercase()]);
        for cased in cases.into_iter().flatten().collect::<BTreeSet<_>>() {
            for bytes in self.scribe.renderings(&cased).iter().filter(|bytes| bytes.len() >= 4) {
                self.needles.add(kind, edge, Form::Plain, bytes);
            }
        }
    }

    /// What a program rather than a person makes of a value: hex, base64, reversal, a plain hash.
    fn disguises(&mut self, kind: Kind, value: &str) {
        let bytes = value.as_bytes();
        if bytes.len() < 5 {
            return;
        }
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        let edge = if bytes.len() < 8 { Edge::Word } else { Edge::Any };
        self.needles.add(kind, edge, Form::Plain, &reversed);
        let mut add = |form, bytes: &[u8]| self.needles.add(kind, Edge::Free, form, bytes);
        add(Form::Plain, HEXLOWER.encode(bytes).as_bytes());
        for digest in [
            HEXLOWER.encode(&Md5::digest(bytes)),
            HEXLOWER.encode(&Sha1::digest(bytes)),
            HEXLOWER.encode(&Sha256::digest(bytes)),
            HEXLOWER.encode(&Sha512::digest(bytes)),
        ] {
            // Pseudonyms are often cut; 64 bits never agree by chance.
            add(Form::Plain, &digest.as_bytes()[..16]);
        }
        for shift in 0..3 {
            let encoded = BASE64.encode(&[&[0; 2][..shift], bytes].concat());
            let inner = encoded.trim_end_matches('=');
            // The first and last character also depend on the neighbours.
            let core = &inner[[0, 2, 3][shift]..inner.len() - 1];
            if core.len() >= 6 {
                add(Form::Exact, core.as_bytes());
            }
        }
    }
}

/// What may stand beside one word of a name; `None`: it means nothing alone. Up to 5 letters it must
/// be a word of its own.
pub(super) fn edge_of_part(part: &str) -> Option<Edge> {
    if is_dense(part) {
        return Some(if part.chars().count() < 2 { Edge::Word } else { Edge::Any });
    }
    let folded = fold(part);
    if !is_telling(&folded) || is_ordinary(&folded) {
        return None;
    }
    Some(match letters(&folded) {
        ..=5 => Edge::Word,
        6..=7 => Edge::Letter,
        _ => Edge::Any,
    })
}

/// Under 3 letters a word of a name is nobody's, and so is a short number.
fn is_telling(folded: &str) -> bool {
    let length = letters(folded);
    let short_number = length < 5 && folded.bytes().all(|b| b.is_ascii_digit());
    length >= 3 && !short_number && !is_dummy(folded)
}

fn letters(folded: &str) -> usize {
    folded.chars().filter(|c| *c != ' ').count()
}

const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// UTF-16 without the outer NUL, so that one needle is found in both byte orders.
fn wide(ascii: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = ascii.bytes().flat_map(|b| [b, 0]).collect();
    bytes.pop();
    bytes
}

pub(super) fn is_dummy(folded: &str) -> bool {
    let mut bytes = folded.bytes().filter(|b| *b != b' ');
    let same = bytes.next().is_none_or(|first| bytes.all(|b| b == first));
    folded.is_empty()
        || same && letters(folded) >= 4
        || folded.split(' ').all(|word| DUMMY.contains(&word))
        || DUMMY.contains(&folded)
}

fn is_ordinary(word: &str) -> bool {
    ORDINARY.contains(word)
}

/// Whether letters that are somebody's only in several words (Ng^Lu, Ye S) are in one word
/// everybody's.
fn is_everybodys(word: &str) -> bool {
    is_ordinary(word) || DUMMY.contains(&word)
}

pub(super) fn has_digit(word: &str) -> bool {
    word.bytes().any(|b| b.is_ascii_digit())
}

/// Characters of scripts that write no spaces, and whose single characters say much.
fn is_dense(text: &str) -> bool {
    text.chars().any(|c| c >= '\u{2E80}' || ('\u{1100}'..'\u{1200}').contains(&c))
}
