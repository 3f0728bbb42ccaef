//! The fuzz targets on their corpus, and on seeded mutations of it: the same in every run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

#[path = "../fuzz/bodies.rs"]
mod bodies;
mod support;

use std::path::{Path, PathBuf};
use support::files;
use support::study::{DOSE_SR, patient};

const MUTATIONS: u32 = 4000;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

#[test]
fn nothing_that_a_peer_or_a_disk_may_give_ends_in_a_panic() {
    for (target, body) in bodies::BODIES {
        let seeds = files(&corpus(target));
        assert!(seeds.len() >= 2, "the corpus of {target} is gone");
        for seed in seeds {
            let bytes = std::fs::read(&seed).unwrap();
            body(&bytes);
            let mut random = Random(u64::from(crc(&bytes)));
            for round in 0..MUTATIONS {
                let mutated = mutate(&bytes, &mut random);
                let done = std::panic::catch_unwind(|| body(&mutated));
                assert!(done.is_ok(), "{} mutation {round}: {mutated:02X?}", seed.display());
            }
        }
    }
}

/// The seeds get past the first check of their target: a corpus of refusals would test nothing.
#[test]
fn the_corpus_reaches_the_inside_of_its_targets() {
    use efface::dicom::canonical::{ElementEncoding, Limits, read};
    use efface::{net::dimse::Command, profile::language, spool::entry::Entry};
    let reaches = |target: &str, goes: &dyn Fn(&Path, &[u8]) -> bool| {
        let seeds = files(&corpus(target));
        let good = seeds.iter().filter(|path| goes(path, &std::fs::read(path).unwrap())).count();
        assert!(good > 0, "no seed of {target} is accepted");
    };
    reaches("header", &|_, bytes| {
        let (bytes, explicit) = (&bytes[1..], ElementEncoding::ExplicitLittle);
        read(std::io::Cursor::new(bytes), bytes.len() as u64, explicit, Limits::default()).is_ok()
    });
    reaches("dimse", &|_, bytes| Command::decode(bytes).is_ok());
    reaches("profile", &|_, bytes| {
        language::parse("seed", std::str::from_utf8(bytes).unwrap()).is_ok()
    });
    reaches("entry", &|path, _| Entry::open(path).is_ok_and(|entry| entry.check().is_ok()));
}

/// Makes the corpus again: `cargo test --test fuzz_corpus -- --ignored`.
#[test]
#[ignore = "writes into the source tree"]
fn make_the_corpus() {
    use efface::spool::entry::{Head, Writer};
    let put = |target: &str, name: &str, bytes: &[u8]| {
        std::fs::create_dir_all(corpus(target)).unwrap();
        std::fs::write(corpus(target).join(name), bytes).unwrap();
    };
    let mut slice = patient(3).body_slice(1, 3);
    slice.bytes(0x7FE0_0010, "OW", &[0; 64]);
    let report = patient(0).report(DOSE_SR, 1);
    put("header", "slice", &[&[1], slice.encode().as_slice()].concat());
    put("header", "report", &[&[1], report.encode().as_slice()].concat());
    let implicit = [
        &[0][..],
        &[0x08, 0, 0x60, 0, 2, 0, 0, 0],
        b"CT",
        &[0x10, 0, 0x10, 0, 4, 0, 0, 0],
        b"A^B ",
        &[0x40, 0, 0x75, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF],
        &[0x08, 0, 0x50, 0, 2, 0, 0, 0],
        b"7 ",
        &[0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0],
        &[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0],
    ];
    put("header", "implicit", &implicit.concat());
    put("dimse", "echo-rq", &efface::net::dimse::Command::EchoRq { message_id: 7 }.encode());
    put("dimse", "unrecognized", &efface::net::dimse::unrecognized(0x20, 3));
    let head = efface_profile("options: [Clean Recognizable Visual Features]\n");
    put("profile", "options", head.as_bytes());
    let rules = "leave: { faces: { because: \"phantoms only\" } }\nrules:\n  \
                 - { keyword: SeriesDescription, action: K, because: \"sorted by it\" }\n  \
                 - { tag: \"(0018,0015)\", action: X }\n";
    put("profile", "rules", efface_profile(rules).as_bytes());
    let folder = tempfile::tempdir().unwrap();
    slice.write(&folder.path().join("slice.dcm"));
    report.write(&folder.path().join("report.dcm"));
    for name in ["slice", "report"] {
        let file = folder.path().join(format!("{name}.dcm"));
        put("verifier", name, &std::fs::read(file).unwrap());
        let head = Head {
            calling_ae_title: "PACS".to_owned(),
            sop_class: DOSE_SR.to_owned(),
            transfer_syntax: "1.2.840.10008.1.2.1".to_owned(),
            received_ms: 1,
        };
        let path = folder.path().join(name);
        let mut writer = Writer::create(&path, &head).unwrap();
        writer.write(&if name == "slice" { slice.encode() } else { report.encode() }).unwrap();
        drop(writer.finish().unwrap());
        put("entry", name, &std::fs::read(path).unwrap());
    }
}

fn efface_profile(rest: &str) -> String {
    format!("{}{rest}", support::gateway::HEAD)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(17, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)))
}

/// One to four changes of the kinds that break readers: bits, lengths, cuts, repetitions.
fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(out.len());
        match random.below(6) {
            0 if !out.is_empty() => out[at] ^= 1 << random.below(8),
            1 if !out.is_empty() => out[at] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF][random.below(6)],
            2 => out.truncate(at),
            3 => {
                let end = (at + 4).min(out.len());
                let length =
                    [[0xFF; 4], [0xFE, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0x80]][random.below(3)];
                out.splice(at..end, length);
            }
            4 => {
                let end = (at + random.below(64)).min(out.len());
                let copy = out[at..end].to_vec();
                let to = random.below(out.len());
                out.splice(to..to, copy);
            }
            _ => {
                let end = (at + random.below(16)).min(out.len());
                out.drain(at..end);
            }
        }
    }
    out
}
