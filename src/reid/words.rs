//! Pseudonyms in the text of a result become what they stand for.

use super::refusal::Refusal;
use crate::crosswalk::Rows;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

/// What may stand in the text of results of one study.
pub(super) struct Words<'a> {
    rows: &'a Rows,
    /// Pseudonyms and what stands for them, of patient and accession numbers.
    pairs: Vec<(&'a str, &'a str)>,
    /// The name of the patient as it is.
    name: &'a str,
}

/// The longest values (PS3.5 6.2), in characters.
const LONGEST: [(VR, usize); 5] =
    [(VR::LO, 64), (VR::SH, 16), (VR::ST, 1024), (VR::LT, 10_240), (VR::CS, 16)];

/// Characters of a patient's pseudonym after its generation (`deid/pseudonym.rs`).
const PSEUDONYM: usize = 16;

impl<'a> Words<'a> {
    pub(super) fn new(rows: &'a Rows) -> Self {
        let original = |tag| rows.original.get(tag).map_or("", |value| value.expose().as_str());
        let numbers = rows.accessions.iter();
        let mut pairs = vec![(rows.patient.as_str(), original(tags::PATIENT_ID))];
        pairs.extend(numbers.map(|(known, number)| (known.as_str(), number.expose().as_str())));
        Words { rows, pairs, name: original(tags::PATIENT_NAME) }
    }

    /// One text as it stands inside.
    pub(super) fn inside(&self, tag: Tag, vr: VR, text: &str) -> Result<String, Refusal> {
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Refusal::Charset(tag));
        }
        if self.names_somebody_else(text) {
            return Err(Refusal::SecondPatient(tag));
        }
        if vr == VR::PN && replaced(text, &self.rows.patient, "") != text {
            return Ok(self.name.to_owned());
        }
        let mut new = self.uids_inside(text);
        for (pseudonym, original) in &self.pairs {
            new = replaced(&new, pseudonym, original);
        }
        let longest = LONGEST.iter().find(|(of, _)| *of == vr).map(|(_, longest)| *longest);
        let is_too_long = longest.is_some_and(|longest| new.chars().count() > longest);
        if new != text && is_too_long { Err(Refusal::TooLong(tag)) } else { Ok(new) }
    }

    /// UIDs that left, wherever digits and dots stand together.
    fn uids_inside(&self, text: &str) -> String {
        let is_of_uid = |c: char| c.is_ascii_digit() || c == '.';
        let mut new = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(is_of_uid) {
            let end = rest[start..].find(|c| !is_of_uid(c)).map_or(rest.len(), |n| start + n);
            let uid = rest[start..end].trim_end_matches('.');
            new.push_str(&rest[..start]);
            match self.rows.uids.original(uid) {
                Some(original) => new.push_str(original.expose()),
                None => new.push_str(uid),
            }
            new.push_str(&rest[start + uid.len()..end]);
            rest = &rest[end..];
        }
        new + rest
    }

    /// Whether a word has the form of another patient's pseudonym.
    fn names_somebody_else(&self, text: &str) -> bool {
        let generation = &self.rows.generation;
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| {
            let code = word.strip_prefix(generation.as_str()).unwrap_or_default();
            let of_code =
                |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase() && !b"ILOU".contains(&b);
            word != self.rows.patient && code.len() == PSEUDONYM && code.bytes().all(of_code)
        })
    }
}

/// The text with the original wherever the pseudonym stands, in letters of either case.
fn replaced(text: &str, pseudonym: &str, original: &str) -> String {
    if pseudonym.is_empty() {
        return text.to_owned();
    }
    // Of the same length, byte by byte.
    let lower = text.to_ascii_lowercase();
    let mut new = String::with_capacity(text.len());
    let mut end = 0;
    for (start, found) in lower.match_indices(&pseudonym.to_ascii_lowercase()) {
        new.push_str(&text[end..start]);
        new.push_str(original);
        end = start + found.len();
    }
    new + &text[end..]
}
