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
use support::study::{DOSE_SR, Elements, Value, patient};

/// Of each seed. Those that need a disk or the whole pipeline are slower. `EFFACE_FUZZ=100` for a hundred times as many.
fn mutations(target: &str) -> u32 {
    let times = std::env::var("EFFACE_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    times * if target == "leaving" { 800 } else { 4000 }
}

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

#[test]
fn nothing_that_a_peer_or_a_disk_may_give_ends_in_a_panic() {
    for (target, body) in bodies::BODIES {
        let seeds = files(&corpus(target));
        assert!(seeds.len() >= 2, "the corpus of {target} is gone");
        let begun = std::time::Instant::now();
        for seed in seeds {
            let bytes = std::fs::read(&seed).unwrap();
            body(&bytes);
            let mut random = Random(u64::from(crc(&bytes)));
            for round in 0..mutations(target) {
                let mutated = mutate(&bytes, &mut random);
                let done = std::panic::catch_unwind(|| body(&mutated));
                assert!(done.is_ok(), "{} mutation {round}: {mutated:02X?}", seed.display());
            }
        }
        println!("{target}: {:.1} s", begun.elapsed().as_secs_f64());
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
    reaches("meta", &|_, bytes| {
        efface::dicom::part10::read_meta(&mut std::io::Cursor::new(bytes)).is_ok()
    });
    reaches("dimse", &|_, bytes| Command::decode(bytes).is_ok());
    reaches("profile", &|_, bytes| {
        language::parse("seed", std::str::from_utf8(bytes).unwrap()).is_ok()
    });
    reaches("association", &|_, bytes| bodies::stored(bytes) > 0);
    reaches("stow", &|_, bytes| {
        let came = efface::net::rehearsal::parts(&bytes[1..], 5);
        came.is_some_and(|(parts, whole)| whole && parts.len() == 2 && !parts[0].is_empty())
    });
    reaches("commitment", &|_, bytes| {
        use efface::spool::commitment::Request;
        Request::parse(&bytes[1..], "1.2.840.10008.1.2.1").is_ok()
    });
    reaches("leaving", &|_, bytes| {
        (0..2).all(|route| bodies::left(&[&[route], &bytes[1..]].concat()).is_some_and(|n| n > 0))
    });
    reaches("jpegls", &|_, bytes| bodies::decoded(bytes).is_some());
    reaches("log", &|_, bytes| bytes[0] & 1 == 1 && bodies::records(bytes) == Some(2));
    reaches("entry", &|path, _| Entry::open(path).is_ok_and(|entry| entry.check().is_ok()));
}

/// Makes the corpus again: `cargo test --test fuzz_corpus -- --ignored`; but for `jpegls`, which `tests/jpegls.rs`
/// has from encoders.
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
    slice.numbers(0x0028_0010, &[4]).numbers(0x0028_0011, &[8]);
    for (name, data) in [("slice", &slice), ("report", &report)] {
        put("leaving", name, &[&[0], named_after_the_canary(data).as_slice()].concat());
    }
    for (name, request) in [("sized", stow_request(false)), ("chunked", stow_request(true))] {
        put("stow", name, &[&[6][..], request.as_bytes()].concat());
    }
    let reference = |leaf: &str| {
        let mut item = Elements::default();
        item.text(0x0008_1150, "UI", "1.2.840.10008.5.1.4.1.1.2").text(0x0008_1155, "UI", leaf);
        item
    };
    let mut request = Elements::default();
    request.text(0x0008_1195, "UI", "1.2.3.4");
    let items = vec![reference("1.2.3.5"), reference("1.2.3.67")];
    request.0.insert(0x0008_1199, ("SQ", Value::Items(items)));
    put("commitment", "explicit", &[&[1], request.encode().as_slice()].concat());
    let uid = |tag: u8, uid: &[u8; 8]| [&[8, 0, tag, 0x11, 8, 0, 0, 0], uid.as_slice()].concat();
    let item = [uid(0x50, b"1.2.3.99"), uid(0x55, b"1.2.3.77")].concat();
    let implicit = [
        uid(0x95, b"1.2.3.88"),
        vec![8, 0, 0x99, 0x11, 40, 0, 0, 0, 0xFE, 0xFF, 0, 0xE0, 32, 0, 0, 0],
        item,
    ];
    put("commitment", "implicit", &[&[0], implicit.concat().as_slice()].concat());
    put("association", "store", &[&[7], conversation(&slice, 120).as_slice()].concat());
    put("association", "refusals", &[&[200], conversation(&report, 4000).as_slice()].concat());
    let record = |rest: &str| format!("{{\"seq\":{rest}}}\n");
    let taken = record("0,\"time\":\"t\",\"event\":\"taken\",\"batch\":\"b-1\",\"instances\":3");
    let erased = record("1,\"time\":\"t\",\"event\":\"erased\",\"batch\":\"b-1\",\"instances\":2");
    put("log", "records", format!("\x01{taken}{erased}").as_bytes());
    put("log", "replaced", format!("\x00{taken}{erased}").as_bytes());
    let note = "efface/0011223344556677\n2\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u{2014} efface/0011223344556677 AAAA\n";
    put("log", "checkpoint", format!("\x02{note}").as_bytes());
    let folder = tempfile::tempdir().unwrap();
    slice.write(&folder.path().join("slice.dcm"));
    report.write(&folder.path().join("report.dcm"));
    for name in ["slice", "report"] {
        let file = folder.path().join(format!("{name}.dcm"));
        let bytes = std::fs::read(file).unwrap();
        put("verifier", name, &bytes);
        put("meta", name, &bytes[..400]);
        let head = Head {
            calling_ae_title: "PACS".to_owned(),
            called_ae_title: None,
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

/// The data set with the canary wherever the patient's name was.
fn named_after_the_canary(data: &Elements) -> Vec<u8> {
    let (mut bytes, name) = (data.encode(), b"MERRIWEATHER");
    let canary = format!("{} ANN", bodies::CANARY);
    for at in 0..bytes.len() - name.len() {
        if bytes[at..].starts_with(name) {
            bytes[at..at + name.len()].copy_from_slice(canary.as_bytes());
        }
    }
    bytes
}

/// What a PACS sends on one connection: C-ECHO, C-STORE in fragments of so many bytes, a request that is not
/// served, a release.
fn conversation(data: &Elements, fragment: usize) -> Vec<u8> {
    use dicom_ul::pdu::{AssociationRQ, Pdu, PresentationContextProposed, write_pdu};
    use efface::net::dimse::{ActionRq, Command, StoreRq};
    let context = |id, class: &str| PresentationContextProposed {
        id,
        abstract_syntax: class.to_owned(),
        transfer_syntaxes: vec!["1.2.840.10008.1.2.1".to_owned()],
    };
    let rq = AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "PACS".to_owned(),
        called_ae_title: "EFFACE".to_owned(),
        application_context_name: "1.2.840.10008.3.1.1.1".to_owned(),
        presentation_contexts: vec![
            context(1, "1.2.840.10008.5.1.4.1.1.2"),
            context(3, "1.2.840.10008.1.20.1"),
        ],
        user_variables: Vec::new(),
    };
    let mut sent = Vec::new();
    write_pdu(&mut sent, &Pdu::AssociationRQ(rq)).unwrap();
    let store = Command::StoreRq(StoreRq {
        message_id: 2,
        sop_class: "1.2.840.10008.5.1.4.1.1.2".parse().ok(),
        sop_instance: data.text_of(0x0008_0018).parse().ok(),
        has_data_set: true,
    });
    let other = Command::OtherRq { field: 0x0020, message_id: 3, has_data_set: false };
    let action = Command::ActionRq(ActionRq {
        message_id: 4,
        sop_class: "1.2.840.10008.1.20.1".parse().ok(),
        sop_instance: "1.2.840.10008.1.20.1.1".parse().ok(),
        action_type: 1,
        has_data_set: false,
    });
    for command in [Command::EchoRq { message_id: 1 }, store, other, action] {
        pdv(&mut sent, true, true, &command.encode());
        if matches!(command, Command::StoreRq(_)) {
            let bytes = data.encode();
            let mut fragments = bytes.chunks(fragment).peekable();
            while let Some(part) = fragments.next() {
                pdv(&mut sent, false, fragments.peek().is_none(), part);
            }
        }
    }
    sent.extend([5, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    sent
}

/// A P-DATA-TF with one PDV of context 1.
fn pdv(sent: &mut Vec<u8>, command: bool, last: bool, fragment: &[u8]) {
    let length = fragment.len() as u32 + 2;
    sent.extend([4, 0]);
    sent.extend((length + 4).to_be_bytes());
    sent.extend(length.to_be_bytes());
    sent.extend([1, u8::from(command) | u8::from(last) << 1]);
    sent.extend(fragment);
}

/// A request with two parts, with a length or in chunks.
fn stow_request(chunked: bool) -> String {
    let part = "--b\r\nContent-Type: application/dicom\r\n\r\n";
    let body = format!("{part}an instance\r\n--\r\n\r\n{part}another\r\n--b--");
    let (length, body) = match body.split_at(50) {
        (a, b) if chunked => {
            let chunks = format!("{:x}\r\n{a}\r\n{:X};x=y\r\n{b}\r\n0\r\n\r\n", a.len(), b.len());
            ("Transfer-Encoding: chunked".to_owned(), chunks)
        }
        _ => (format!("Content-Length: {}", body.len()), body),
    };
    format!(
        "POST /studies?x HTTP/1.1\r\nHost: efface\r\n{length}\r\nContent-Type: multipart/related; \
         type=\"application/dicom\"; boundary=b\r\n\r\n{body}"
    )
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
