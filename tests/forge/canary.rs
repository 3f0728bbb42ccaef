//! What is planted, where, and what would let it stay.

use efface::standard::{Annex, Options};
use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;

/// What of Annex E would let a value stay where it was planted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stay {
    /// Nothing.
    Never,
    /// One of these options, each a bit in the order of [`Annex::ALL`].
    With(u16),
    /// Every profile: Table E.1-1 does not ask for it to go.
    Always,
}

impl Stay {
    pub fn with(options: &[Annex]) -> Self {
        match options.iter().fold(0, |bits, option| bits | 1 << *option as u16) {
            0 => Stay::Never,
            bits => Stay::With(bits),
        }
    }

    /// Whether it may stay under these options.
    pub fn under(self, options: Options) -> bool {
        match self {
            Stay::Never => false,
            Stay::Always => true,
            Stay::With(bits) => options.iter().any(|option| bits & 1 << option as u16 != 0),
        }
    }
}

/// A value that is nowhere else in the world.
#[derive(Clone)]
pub struct Canary {
    /// What a person would read.
    pub shown: String,
    /// The byte strings by which it would be known in an output.
    pub forms: Vec<Vec<u8>>,
    /// Whether no other study has the same: not so with days.
    pub unique: bool,
    /// The one of them that stands in the input.
    pub planted: Vec<u8>,
    /// Sequences and tag, or another place in a file; VR and character set.
    pub place: String,
    pub vr: &'static str,
    pub charset: &'static str,
    /// All of these must let it stay: that of its element, and of each sequence around it.
    pub stay: Vec<Stay>,
}

impl Canary {
    pub fn may_stay(&self, options: Options) -> bool {
        self.stay.iter().all(|stay| stay.under(options))
    }

    pub fn describe(&self) -> String {
        let charset = if self.charset.is_empty() { "ASCII" } else { self.charset };
        format!("{:?} planted at {} {} ({charset})", self.shown, self.place, self.vr)
    }
}

/// Shorter forms turn up by chance.
const FORM_MIN: usize = 6;

/// Every form in which a text could turn up: as it was written, as UTF-8 and UTF-16 in either case
/// and without accents, and as its bytes read in a wrong character set. ASCII case is left to the
/// search.
pub fn forms(text: &str, raw: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = BTreeSet::from([raw.to_vec()]);
    if text.is_ascii() {
        forms.insert(wide(text));
    } else {
        let plain = without_accents(text);
        for form in [text, &plain].map(|t| [t.to_owned(), t.to_lowercase(), t.to_uppercase()]) {
            for form in form {
                forms.insert(form.encode_utf16().flat_map(u16::to_le_bytes).collect());
                forms.insert(form.encode_utf16().flat_map(u16::to_be_bytes).collect());
                forms.insert(form.nfd().collect::<String>().into_bytes());
                forms.insert(form.into_bytes());
            }
        }
        let latin: String = raw.iter().map(|b| char::from(*b)).collect();
        forms.insert(latin.into_bytes());
        forms.insert(encoding_rs::WINDOWS_1252.decode(raw).0.into_owned().into_bytes());
        forms.insert(text.bytes().map(char::from).collect::<String>().into_bytes());
    }
    forms.into_iter().filter(|form| form.len() >= FORM_MIN).collect()
}

/// The text as a program writes it that knows no accents.
pub fn without_accents(text: &str) -> String {
    text.nfd().filter(|c| !is_mark(*c)).map(plain).nfc().collect()
}

/// UTF-16 without the outer NUL: one form for both byte orders.
fn wide(ascii: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = ascii.bytes().flat_map(|b| [b, 0]).collect();
    bytes.pop();
    bytes
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}')
}

/// Letters whose stroke or tail is no accent of Unicode.
fn plain(c: char) -> char {
    match c {
        'ł' => 'l',
        'ø' => 'o',
        'đ' => 'd',
        'ı' => 'i',
        other => other,
    }
}
