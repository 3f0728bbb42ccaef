//! What is fuzzed: every place where bytes that efface did not write are read first.
//!
//! `cargo +nightly fuzz run TARGET` runs one with a fuzzer; `tests/fuzz_corpus.rs` runs all of them on
//! the committed corpus and on mutations of it, with any compiler.
#![allow(dead_code, reason = "each target uses one")]

use efface::custody::verify::{Dates, Expected, Kind, Witness};
use efface::dicom::canonical::{self, ElementEncoding, Limits};
use efface::dicom::dataset::Dataset;
use efface::net::dimse::{Assembler, Command};
use efface::profile::language;
use efface::spool::entry::Entry;
use std::io::Cursor;

/// What is done with the bytes; it fails by a panic.
pub type Body = fn(&[u8]);

/// A body by the name of its target and of its folder in the corpus.
pub const BODIES: [(&str, Body); 5] = [
    ("header", header),
    ("dimse", dimse),
    ("profile", profile),
    ("verifier", verifier),
    ("entry", entry),
];

/// The first byte chooses the encoding. What is accepted must be canonical: it reads again, as itself.
pub fn header(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let encoding = match first & 1 {
        0 => ElementEncoding::ImplicitLittle,
        _ => ElementEncoding::ExplicitLittle,
    };
    let limits = Limits { header_bytes: 1 << 20, ..Limits::default() };
    let read = |bytes: &[u8], encoding| {
        canonical::read(Cursor::new(bytes), bytes.len() as u64, encoding, limits)
    };
    let Ok(header) = read(data, encoding) else { return };
    if let Some(span) = header.pixels {
        assert!(span.offset + span.length <= data.len() as u64, "pixels beyond the end");
    }
    let Ok(dataset) = Dataset::parse(&header.bytes) else { return };
    let Ok(encoded) = dataset.encode() else { return };
    let again = read(&encoded, ElementEncoding::ExplicitLittle);
    assert!(again.is_ok(), "what efface writes, it cannot read: {:?}", again.err());
}

/// A command set that decodes is one that can be sent again and means the same.
pub fn dimse(data: &[u8]) {
    let mut assembler = Assembler::default();
    for part in data.chunks(97) {
        if !assembler.push(part) {
            return;
        }
    }
    let assembled = assembler.finish();
    assert!(assembler.is_empty(), "the next message begins with the rest of this one");
    let decoded = Command::decode(data);
    match (assembled, decoded) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other);
            assert_eq!(Command::decode(&one.encode()).ok(), Some(one));
        }
        (Err(_), Err(_)) => {}
        _ => panic!("fragments change the meaning"),
    }
}

/// A profile is compiled or refused, and compiled the same way twice.
pub fn profile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match language::parse("fuzz.yaml", text) {
        Ok(profile) => {
            let again = language::parse("fuzz.yaml", text).map(|profile| profile.digest());
            assert_eq!(again.ok(), Some(profile.digest()));
        }
        Err(mistakes) => assert!(!mistakes.to_string().is_empty(), "refused without a word"),
    }
}

/// The verifier on bytes that nobody made, as file and as witness.
pub fn verifier(data: &[u8]) {
    let mut witness = Witness::new();
    for syntax in ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"] {
        // What cannot be walked is no witness: that is an answer too.
        let _ = witness.observe(syntax, data);
    }
    let Ok(watch) = witness.seal() else { return };
    let dates = [Dates::Removed, Dates::Full, Dates::Shifted { days: 10 }, Dates::Years];
    for (dates, exempt) in dates.into_iter().zip([&[][..], &[Kind::Private], &Kind::ALL, &[]]) {
        let expected = Expected {
            transfer_syntax: "1.2.840.10008.1.2.1",
            options: &["113100"],
            burned_in: None,
            visual_features: None,
            longitudinal: "REMOVED",
            exempt,
            dates,
            kept: &[],
        };
        if let Ok(examined) = watch.examine(Cursor::new(data), &expected) {
            assert_eq!(examined.bytes, data.len() as u64, "released without being read to its end");
        }
    }
}

/// A spool entry as a failing disk may give it back.
pub fn entry(data: &[u8]) {
    use std::io::Write;
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(data).is_err() {
        return;
    }
    let Ok(entry) = Entry::open(file.path()) else { return };
    if entry.check().is_ok() {
        let source = entry.source();
        assert!(source.length() <= data.len() as u64, "more data set than file");
        let _ = source.header(Limits { header_bytes: 1 << 20, ..Limits::default() });
    }
}
