//! The search for what must not have left: plain, in the bytes, in every form in which it was planted.

use super::files;
use super::study::{PATIENTS, patient};
use std::path::Path;

/// Every UID of a source begins with it.
pub const UID_ROOT: &str = "1.3.6.1.4.1.55555.4711";

/// What is planted whoever the patient is.
#[rustfmt::skip]
const COMMON: [&str; 28] = [
    UID_ROOT, "Vitus", "STVITUS", "Sanatorium", "Ebbensburg", "Gooseberry", "Neuroradiology Wing", "HUMPERDINCK",
    "Humperdinck", "Engelberta", "LINDQVIST", "SPLENDORIO", "FITZMAURICE", "WIGGLESWORTH", "KOWALEWICZ", "Petronella",
    "Bonifacy", "20230711", "SSN661902214", "SN5561207", "SID552019", "PPS552019", "5550133", "5550188",
    "ACME HC PHI", "SIEMENS CSA", "penicillin", "fell down",
];

/// Everything that identifies any of the patients, in UTF-8 and as it was encoded.
pub fn needles() -> Vec<Vec<u8>> {
    let common = COMMON.iter().map(|needle| needle.as_bytes().to_vec());
    let people = (0..PATIENTS).map(patient).flat_map(|somebody| {
        let forms = |needle: String| [somebody.encoded(&needle), needle.into_bytes()];
        somebody.needles().into_iter().flat_map(forms).collect::<Vec<_>>()
    });
    common.chain(people).collect()
}

/// Fails when something that identifies is in these bytes.
#[track_caller]
pub fn assert_clean(what: &str, bytes: &[u8]) {
    let automaton = aho_corasick::AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(needles())
        .expect("a search for what was planted");
    if let Some(found) = automaton.find(bytes) {
        let at = found.start();
        let around = &bytes[at.saturating_sub(40)..(found.end() + 40).min(bytes.len())];
        panic!("{what} at {at}: ...{}...", String::from_utf8_lossy(around));
    }
}

/// Fails when something that identifies is in a file of the folder, or in its name.
#[track_caller]
pub fn assert_clean_files(folder: &Path) {
    for path in files(folder) {
        assert_clean("a file's name", path.to_string_lossy().as_bytes());
        assert_clean("a file", &std::fs::read(&path).expect("a file that arrived"));
    }
}

/// Fails when a name of a file or directory under the folder identifies.
#[track_caller]
pub fn assert_clean_names(folder: &Path) {
    for path in files(folder) {
        let below = path.strip_prefix(folder).expect("a path below its folder");
        assert_clean("a name", below.to_string_lossy().as_bytes());
    }
}
