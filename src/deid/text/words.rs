//! Words that say nothing about anybody.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Words that identify nobody when they stand alone, though somebody may be called so: Head, May.
///
/// Each of them must be ordinary for the verifier too (tested), or it would hold back what the
/// cleaner lets stay.
static ORDINARY: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("ordinary.txt").lines().collect());

/// More words of descriptions and reports in five languages. They end a run of words that look
/// like a name; a known name among them is removed all the same.
static VOCABULARY: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("vocabulary.txt").split_whitespace().collect());

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
    "na",
    "yes",
    "no",
    "other",
    "unspecified",
    "nobody",
];

/// `word`: folded.
pub(super) fn is_ordinary(word: &str) -> bool {
    ORDINARY.contains(word)
}

/// Whether a folded word belongs to the language of the field, or to everybody's.
pub(super) fn is_vocabulary(word: &str) -> bool {
    is_ordinary(word) || VOCABULARY.contains(word)
}

/// Whether letters that are somebody's only in several words (Ng^Lu, Ye S) are in one word
/// everybody's.
pub(super) fn is_everybodys(word: &str) -> bool {
    is_ordinary(word) || DUMMY.contains(&word)
}

/// `words`: the folded words of a value.
pub(super) fn is_dummy(words: &[String]) -> bool {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.bytes()).collect();
    let same = bytes.len() >= 4 && bytes.iter().all(|byte| *byte == bytes[0]);
    bytes.is_empty() || same || words.iter().all(|word| DUMMY.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ordinary_here_is_ordinary_for_the_verifier() {
        let theirs: HashSet<&str> =
            include_str!("../../custody/verify/ordinary.txt").lines().collect();
        assert!(ORDINARY.len() > 500);
        let alone: Vec<_> = ORDINARY.difference(&theirs).collect();
        assert!(alone.is_empty(), "{alone:?}");
    }

    #[test]
    fn lists_are_folded() {
        for word in ORDINARY.iter().chain(VOCABULARY.iter()) {
            assert_eq!(crate::deid::text::reading::squash(word), **word);
        }
    }
}
