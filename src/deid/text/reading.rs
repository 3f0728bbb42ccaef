//! A text as one compares it: letters and digits without case, accents and separators, each
//! knowing where it stands in the text.

use std::ops::Range;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A text folded to letters and digits in UTF-8, nothing between them.
///
/// Two spellings of a word fold to the same bytes: `Østergård`, `OSTERGARD`, `Ostergärd` in NFD.
/// A *gap* is a place between two folded bytes where the text has separators.
pub(super) struct Reading<'t> {
    pub(super) text: &'t str,
    pub(super) folded: Vec<u8>,
    /// Where the character behind each folded byte stands in the text.
    spans: Vec<(u32, u32)>,
    /// Bytes of characters that have separators in themselves: ½, 🉀.
    split: Vec<u32>,
}

/// A longest run of only digits or only letters, without gaps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Atom {
    /// First folded byte.
    pub(super) lo: usize,
    /// One after the last.
    pub(super) hi: usize,
    pub(super) digits: bool,
    /// No separator stands before it.
    pub(super) glued: bool,
}

impl Atom {
    pub(super) fn len(&self) -> usize {
        self.hi - self.lo
    }
}

impl<'t> Reading<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let folded = Vec::with_capacity(text.len());
        let mut this =
            Reading { text, folded, spans: Vec::with_capacity(text.len()), split: Vec::new() };
        if text.is_ascii() {
            for (at, byte) in text.bytes().enumerate() {
                match byte {
                    0 => this.belongs_to_the_last(at, at + 1),
                    _ if byte.is_ascii_alphanumeric() => {
                        this.folded.push(byte.to_ascii_lowercase());
                        this.spans.push((at as u32, at as u32 + 1));
                    }
                    _ => {}
                }
            }
        } else {
            text.char_indices().for_each(|(at, c)| this.push(at, c));
        }
        this
    }

    fn push(&mut self, at: usize, c: char) {
        let end = at + c.len_utf8();
        if c.is_ascii_alphanumeric() {
            self.folded.push(c.to_ascii_lowercase() as u8);
            return self.spans.push((at as u32, end as u32));
        }
        if c.is_ascii() && c != '\0' {
            return;
        }
        if is_transparent(c) {
            return self.belongs_to_the_last(at, end);
        }
        let before = self.folded.len();
        let mut separates = false;
        match LETTERS.iter().find(|row| row.0 == c) {
            Some(row) => self.folded.extend_from_slice(row.1.as_bytes()),
            None => std::iter::once(c).nfkd().for_each(|part| separates |= !self.push_part(part)),
        }
        let new = self.folded.len() - before;
        if separates {
            self.split.extend(before as u32..self.folded.len() as u32);
        }
        self.spans.extend(std::iter::repeat_n((at as u32, end as u32), new));
    }

    /// Whether this is a letter, a digit or a mark, and no separator.
    fn push_part(&mut self, c: char) -> bool {
        let mut buffer = [0; 4];
        if let Some(digit) = digit_of(c) {
            self.folded.push(b'0' + digit);
        } else if c.is_alphanumeric() && !is_combining_mark(c) {
            for lower in c.to_lowercase().filter(|c| !is_combining_mark(*c)) {
                let lower = if lower == 'ς' { 'σ' } else { lower };
                self.folded.extend_from_slice(lower.encode_utf8(&mut buffer).as_bytes());
            }
        } else {
            return is_combining_mark(c);
        }
        true
    }

    /// After a digit it separates: no writing puts marks on digits.
    fn belongs_to_the_last(&mut self, at: usize, end: usize) {
        let digit = self.folded.last().is_some_and(u8::is_ascii_digit);
        if let Some(last) = self.spans.last_mut().filter(|last| !digit && last.1 as usize == at) {
            last.1 = end as u32;
        }
    }

    /// Whether anything, be it invisible or a mark, stands before a folded byte; between a digit
    /// and one of another script, that suffices.
    pub(super) fn is_loose(&self, before: usize) -> bool {
        let last = before.checked_sub(1).and_then(|last| self.character(last));
        let next = self.character(before);
        last.zip(next).is_none_or(|(last, next)| {
            let end = self.spans[before - 1].0 as usize + last.len_utf8();
            let digits = self.is_digit(before) && self.is_digit(before - 1);
            end < self.spans[before].0 as usize || digits && last.is_ascii() != next.is_ascii()
        })
    }

    pub(super) fn len(&self) -> usize {
        self.folded.len()
    }

    /// The folded bytes as characters.
    pub(super) fn str(&self, folded: Range<usize>) -> &str {
        std::str::from_utf8(&self.folded[folded]).unwrap_or_default()
    }

    /// Where the text of these folded bytes stands.
    pub(super) fn span(&self, folded: Range<usize>) -> Range<usize> {
        self.spans[folded.start].0 as usize..self.spans[folded.end - 1].1 as usize
    }

    /// The separators before a folded byte; before the first and after the last, the margins.
    pub(super) fn separators(&self, before: usize) -> &'t str {
        let from = before.checked_sub(1).map_or(0, |last| self.spans[last].1 as usize);
        let to = self.spans.get(before).map_or(self.text.len(), |next| next.0 as usize);
        self.text.get(from..to).unwrap_or_default()
    }

    /// Whether separators, or an end of the text, stand before a folded byte.
    pub(super) fn is_gap(&self, before: usize) -> bool {
        before == 0
            || before >= self.spans.len()
            || self.spans[before - 1].1 < self.spans[before].0
            || !self.split.is_empty() && self.is_split(before)
    }

    fn is_split(&self, before: usize) -> bool {
        let split = |at: usize| self.split.binary_search(&(at as u32)).is_ok();
        let within_character = self.folded[before] & 0xC0 == 0x80;
        !within_character && (split(before) || split(before - 1))
    }

    /// Whether a word begins here by its capital, as in `HeadSmith`.
    pub(super) fn is_camel(&self, before: usize) -> bool {
        let cased = |at: usize| self.character(at);
        before > 0
            && before < self.len()
            && cased(before).is_some_and(char::is_uppercase)
            && cased(before - 1).is_some_and(char::is_lowercase)
    }

    /// Whether a word begins here although nothing separates it from the last: by its capital, or
    /// by its script, as in `محمودCT`.
    pub(super) fn begins_word(&self, before: usize) -> bool {
        let script = |at: usize| self.character(at).and_then(Script::of);
        let last = before.checked_sub(1).and_then(script);
        let other_script = last.zip(script(before)).is_some_and(|(last, next)| last != next);
        other_script || self.is_camel(before)
    }

    /// The character of the text behind a folded byte.
    pub(super) fn character(&self, at: usize) -> Option<char> {
        self.text.get(self.spans.get(at)?.0 as usize..)?.chars().next()
    }

    pub(super) fn is_digit(&self, at: usize) -> bool {
        self.folded[at].is_ascii_digit()
    }

    /// The whole word around folded bytes: to the next separators, or characters of scripts that
    /// write none.
    pub(super) fn word_around(&self, folded: Range<usize>) -> Range<usize> {
        let Range { mut start, mut end } = folded;
        let dense = |at: usize| self.character(at).is_some_and(is_dense_char);
        while start > 0 && !self.is_gap(start) && !dense(start - 1) {
            start -= 1;
        }
        while end < self.len() && !self.is_gap(end) && !dense(end) {
            end += 1;
        }
        start..end
    }

    /// Splits into runs of digits and runs of letters.
    pub(super) fn atoms(&self) -> Vec<Atom> {
        let mut atoms: Vec<Atom> = Vec::with_capacity(16);
        for at in 0..self.len() {
            let (digits, gap) = (self.is_digit(at), self.is_gap(at));
            match atoms.last_mut() {
                Some(last) if !gap && last.digits == digits => last.hi = at + 1,
                _ => atoms.push(Atom { lo: at, hi: at + 1, digits, glued: !gap }),
            }
        }
        atoms
    }

    /// How many words, and how many of them touch one of these ranges . Words with digits that follow
    /// each other are one, and so are those of a date.
    pub(super) fn words(&self, lost: &[Range<usize>], dates: &[Range<usize>]) -> (usize, usize) {
        let (mut all, mut gone, mut at) = (0, 0, 0);
        let (mut was_number, mut was_lost, mut was_date) = (false, false, None);
        while at < self.len() {
            let end = (at + 1..self.len()).find(|i| self.is_gap(*i)).unwrap_or(self.len());
            let word = self.span(at..end);
            let is_number = (at..end).any(|i| self.is_digit(i));
            let is_lost = lost.iter().any(|l| l.start < word.end && word.start < l.end);
            let date = dates.iter().position(|d| d.start < word.end && word.start < d.end);
            let same = is_number && was_number || date.is_some() && date == was_date;
            all += usize::from(!same);
            gone += usize::from(is_lost && !(same && was_lost));
            (was_number, was_lost, was_date) = (is_number, is_lost, date);
            at = end;
        }
        (all, gone)
    }
}

/// The folded characters of a text and nothing else.
pub(super) fn squash(text: &str) -> String {
    let reading = Reading::of(text);
    reading.str(0..reading.len()).to_owned()
}

/// Nothing that one sees: marks on letters, joiners, directions, NUL, tatweel, the soft hyphen.
fn is_transparent(c: char) -> bool {
    matches!(c, '\0' | '\u{AD}' | '\u{640}' | '\u{61C}' | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
        || is_combining_mark(c)
}

/// Scripts that write no spaces, and whose single characters say much.
fn is_dense_char(c: char) -> bool {
    c >= '\u{2E80}' || ('\u{1100}'..'\u{1200}').contains(&c)
}

pub(super) fn is_dense(text: &str) -> bool {
    text.chars().any(is_dense_char)
}

/// A script whose letters no word mixes with those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Hebrew,
    Arabic,
    Thai,
    /// Of East Asia, where one word may be of several.
    Dense,
}

impl Script {
    /// The script of a letter; `None`: of no letter, or of one that isn't known here.
    fn of(c: char) -> Option<Self> {
        Some(match c {
            _ if !c.is_alphabetic() => return None,
            '\0'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => Script::Latin,
            '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => Script::Greek,
            '\u{400}'..='\u{52F}' => Script::Cyrillic,
            '\u{590}'..='\u{5FF}' | '\u{FB1D}'..='\u{FB4F}' => Script::Hebrew,
            '\u{600}'..='\u{77F}' | '\u{8A0}'..='\u{8FF}' => Script::Arabic,
            '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFF}' => Script::Arabic,
            '\u{E00}'..='\u{E7F}' => Script::Thai,
            // Full-width letters are Latin ones.
            '\u{FF21}'..='\u{FF5A}' => Script::Latin,
            _ if is_dense_char(c) => Script::Dense,
            _ => return None,
        })
    }
}

/// Decimal digits of the scripts that have their own: by their zeros.
fn digit_of(c: char) -> Option<u8> {
    const ZEROS: &[char] = &['0', '٠', '۰', '०', '০', '๐', '０'];
    let digit = |zero: &char| (c as u32).checked_sub(*zero as u32).filter(|d| *d < 10);
    ZEROS.iter().find_map(digit).map(|d| d as u8)
}

/// Letters that Unicode doesn't decompose.
const LETTERS: &[(char, &str)] = &[
    ('ł', "l"),
    ('Ł', "l"),
    ('ø', "o"),
    ('Ø', "o"),
    ('đ', "d"),
    ('Đ', "d"),
    ('ð', "d"),
    ('Ð', "d"),
    ('þ', "th"),
    ('Þ', "th"),
    ('ı', "i"),
    ('æ', "ae"),
    ('Æ', "ae"),
    ('œ', "oe"),
    ('Œ', "oe"),
    ('ħ', "h"),
    ('Ħ', "h"),
    ('ŋ', "n"),
    ('Ŋ', "n"),
    ('ß', "ss"),
    ('ẞ', "ss"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding() {
        for (text, folded) in [
            ("Østergård, JÜRGEN_Łódź/Straße", "ostergardjurgenlodzstrasse"),
            ("Ju\u{308}rgen", "jurgen"),
            ("ＹＡＭＡＤＡ　山田 １２", "yamada山田12"),
            ("МЮЛЛЕР Παπάδς", "мюллерπαπαδσ"),
            ("M\0u\0l\0", "mul"),
            ("١٩٣١", "1931"),
            ("محـمد", "محمد"),
        ] {
            assert_eq!(squash(text), folded);
        }
    }

    #[test]
    fn places() {
        let reading = Reading::of("Ju\u{308}rg_Straße2");
        assert_eq!(reading.str(0..reading.len()), "jurgstrasse2");
        let gaps: Vec<usize> = (0..reading.len()).filter(|i| reading.is_gap(*i)).collect();
        assert_eq!(gaps, [0, 4]);
        assert_eq!(&reading.text[reading.span(0..4)], "Ju\u{308}rg");
        assert_eq!(&reading.text[reading.span(8..10)], "ß");
        assert_eq!(reading.separators(4), "_");
        assert_eq!(reading.word_around(5..6), 4..12);
        let atoms = reading.atoms();
        assert_eq!(
            atoms.iter().map(|a| (a.lo, a.hi, a.glued)).collect::<Vec<_>>(),
            [(0, 4, false), (4, 11, false), (11, 12, true)]
        );
        assert!(Reading::of("headSmith").is_camel(4) && !Reading::of("HEADSmith").is_camel(4));
        for (text, begins) in
            [("محمودCT", true), ("CTПетр", true), ("Jürgen", false), ("山田さん", false)]
        {
            let reading = Reading::of(text);
            assert_eq!((1..reading.len()).any(|at| reading.begins_word(at)), begins, "{text}");
        }
    }
}
