//! A text as words, and words as runs of digits and of letters.

use std::ops::Range;

use super::reading::{Atom, Reading};

/// A run of letters and digits between separators.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// Folded bytes.
    pub(super) lo: usize,
    pub(super) hi: usize,
    /// Its atoms: the first, and one after the last.
    pub(super) first: usize,
    pub(super) end: usize,
}

/// How a word is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// `SMITH`; a single capital too.
    Upper,
    /// `Smith`, `McDonald`.
    Capital,
    /// Anything else, and scripts without cases.
    Lower,
}

/// A folded text in pieces.
pub(super) struct Tokens<'r, 't> {
    pub(super) reading: &'r Reading<'t>,
    pub(super) atoms: Vec<Atom>,
    pub(super) words: Vec<Word>,
    /// The text has capitals and small letters, so that capitals mean something.
    pub(super) mixed_case: bool,
}

impl<'r, 't> Tokens<'r, 't> {
    pub(super) fn of(reading: &'r Reading<'t>) -> Self {
        let atoms = reading.atoms();
        let mut words: Vec<Word> = Vec::with_capacity(atoms.len());
        for (index, atom) in atoms.iter().enumerate() {
            match words.last_mut() {
                Some(word) if atom.glued => (word.hi, word.end) = (atom.hi, index + 1),
                _ => words.push(Word { lo: atom.lo, hi: atom.hi, first: index, end: index + 1 }),
            }
        }
        let text = reading.text;
        let words_have = |wanted: fn(char) -> bool| text.chars().any(wanted);
        let mixed_case = words_have(char::is_lowercase) && words_have(char::is_uppercase);
        Tokens { reading, atoms, words, mixed_case }
    }

    pub(super) fn text(&self) -> &'t str {
        self.reading.text
    }

    /// An atom, folded; nothing beyond the last.
    pub(super) fn atom(&self, index: usize) -> &str {
        self.atoms.get(index).map_or("", |atom| self.reading.str(atom.lo..atom.hi))
    }

    /// The digits of an atom, if it is a number of so many digits.
    pub(super) fn number(
        &self,
        index: usize,
        lengths: std::ops::RangeInclusive<usize>,
    ) -> Option<u32> {
        let atom = self.atoms.get(index).filter(|a| a.digits && lengths.contains(&a.len()))?;
        self.reading.str(atom.lo..atom.hi).parse().ok()
    }

    /// A run of letters.
    pub(super) fn letters(&self, index: usize) -> Option<&str> {
        self.atoms.get(index).filter(|atom| !atom.digits).map(|_| self.atom(index))
    }

    /// The separators before an atom; after the last atom, the rest of the text.
    pub(super) fn gap(&self, index: usize) -> &'t str {
        self.reading.separators(self.atoms.get(index).map_or(self.reading.len(), |atom| atom.lo))
    }

    /// Where these atoms stand in the text.
    pub(super) fn span(&self, atoms: Range<usize>) -> Range<usize> {
        self.reading.span(self.atoms[atoms.start].lo..self.atoms[atoms.end - 1].hi)
    }

    /// A word, folded; nothing beyond the last.
    pub(super) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", |word| self.reading.str(word.lo..word.hi))
    }

    /// The separators before a word; after the last, the rest of the text.
    pub(super) fn space(&self, index: usize) -> &'t str {
        self.reading.separators(self.words.get(index).map_or(self.reading.len(), |word| word.lo))
    }

    /// Where these words stand in the text.
    pub(super) fn words_span(&self, words: Range<usize>) -> Range<usize> {
        self.reading.span(self.words[words.start].lo..self.words[words.end - 1].hi)
    }

    /// A word as it is written.
    pub(super) fn written(&self, index: usize) -> &'t str {
        let span = self.words.get(index).map(|word| self.reading.span(word.lo..word.hi));
        span.and_then(|span| self.text().get(span)).unwrap_or_default()
    }

    /// Whether a word has no digits.
    pub(super) fn is_letters(&self, index: usize) -> bool {
        self.words
            .get(index)
            .is_some_and(|word| self.atoms[word.first..word.end].iter().all(|atom| !atom.digits))
    }

    pub(super) fn case(&self, index: usize) -> Case {
        let mut letters = self.written(index).chars().filter(|c| c.is_alphabetic());
        match (letters.next(), letters.all(char::is_uppercase)) {
            (Some(first), true) if first.is_uppercase() => Case::Upper,
            (Some(first), false) if first.is_uppercase() => Case::Capital,
            _ => Case::Lower,
        }
    }
}
