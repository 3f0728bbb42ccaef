//! One search for all canaries of a batch.

use super::canary::Canary;
use aho_corasick::automaton::OverlappingState;
use aho_corasick::{AhoCorasick, Input};
use std::collections::{BTreeMap, HashMap};

/// Every form of every canary of a batch.
pub struct Search {
    automaton: AhoCorasick,
    /// The canaries that have this form, by pattern.
    owners: Vec<Vec<usize>>,
}

impl Search {
    pub fn new<'c>(canaries: impl Iterator<Item = &'c Canary>) -> Self {
        let forms = canaries.map(|canary| &canary.forms[..]);
        Search::of(forms)
    }

    /// Of what was planted only: whether the inputs have it.
    pub fn as_planted<'c>(canaries: impl Iterator<Item = &'c Canary>) -> Self {
        Search::of(canaries.map(|canary| std::slice::from_ref(&canary.planted)))
    }

    fn of<'c>(canaries: impl Iterator<Item = &'c [Vec<u8>]>) -> Self {
        let mut numbers: HashMap<Vec<u8>, usize> = HashMap::new();
        let (mut patterns, mut owners): (Vec<Vec<u8>>, Vec<Vec<usize>>) = Default::default();
        for (owner, forms) in canaries.enumerate() {
            for form in forms {
                let number = *numbers.entry(form.to_ascii_lowercase()).or_insert_with(|| {
                    patterns.push(form.clone());
                    owners.push(Vec::new());
                    patterns.len() - 1
                });
                owners[number].push(owner);
            }
        }
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&patterns);
        Search { automaton: automaton.expect("an automaton"), owners }
    }

    /// The canaries that are in these bytes, with the first place of each. Every second byte is
    /// read as a text of its own too: that is how unused bits of 16-bit samples would speak.
    pub fn find(&self, bytes: &[u8]) -> BTreeMap<usize, usize> {
        let mut found = BTreeMap::new();
        self.find_in(bytes, bytes, |at| at, &mut found);
        for from in [0, 1] {
            let every_second: Vec<u8> = bytes.iter().copied().skip(from).step_by(2).collect();
            self.find_in(&every_second, bytes, |at| 2 * at + from, &mut found);
        }
        found
    }

    /// Searches one reading of `bytes`, of which byte `at` stands at `place(at)`.
    fn find_in(
        &self,
        reading: &[u8],
        bytes: &[u8],
        place: impl Fn(usize) -> usize,
        found: &mut BTreeMap<usize, usize>,
    ) {
        let mut state = OverlappingState::start();
        loop {
            self.automaton.find_overlapping(Input::new(reading), &mut state);
            let Some(hit) = state.get_match() else { return };
            let (first, last) = (place(hit.start()), place(hit.end() - 1));
            if is_in_pseudonymous_uid(&bytes[..=last], first, &bytes[last + 1..]) {
                continue;
            }
            for owner in &self.owners[hit.pattern().as_usize()] {
                found.entry(*owner).or_insert(first);
            }
        }
    }
}

/// Digits within more than 24 digits are part of a UID made from a random number (PS3.5 B.2): a date
/// is in one of them once in a while, also in every second of its digits. Asked of the bytes as they
/// stand, whatever the reading: from the hit's `first` to the end of `through`, and what comes after.
fn is_in_pseudonymous_uid(through: &[u8], first: usize, after: &[u8]) -> bool {
    let digit = |b: &&u8| b.is_ascii_digit();
    let until = through.iter().rev().take_while(digit).count();
    let hit = through.len() - first;
    until >= hit && until + after.iter().take_while(digit).count() > 24
}

#[test]
fn digits_of_random_uids_are_no_dates() {
    let forms = [b"19110125".to_vec()];
    let search = Search::of(std::iter::once(&forms[..]));
    let found = |bytes: &[u8]| !search.find(bytes).is_empty();
    let with = |other: u8| -> Vec<u8> { forms[0].iter().flat_map(|&b| [b, other]).collect() };
    assert!(!found(b"2.25.2146040909271911012533046"), "in a UID");
    assert!(
        !found(&[b"2.25.2146040909270", &with(b'7')[..]].concat()),
        "in every second digit of one"
    );
    assert!(found(b"on 19110125 or so"));
    assert!(found(b"000000000000 19110125 000000000000"));
    assert!(found(&with(0xB0)), "among samples of 16 bits");
    assert!(found(&with(b'7')), "in fewer digits than a UID has");
}
