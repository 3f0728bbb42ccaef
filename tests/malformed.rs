//! Objects made to break readers: each is refused or quarantined with a reason, in bounded memory and time.
//!
//! Nested sequences, lengths beyond the end, a deflate bomb, and mutations of public files, through `efface deid` and
//! through the gateway. `EFFACE_MUTATIONS=20000 cargo test --test malformed` for a long run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::dcmtk::{self, Outside, deliver, free_port, tally};
use support::gateway::{Site, program};
use support::raw::Raw;
use support::study::{CT, Elements, patient, write_body_ct};
use support::{files, shared, until};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// No object here makes efface hold more, in KiB. A bomb has a thousand times as much in it.
const MEMORY_KIB: u64 = 400 << 10;
/// No object here keeps it longer, in a debug build on a busy machine.
const TIME: Duration = Duration::from_secs(20);

// ----------------------------------------------------------------------------------------- the objects

/// Whom and what an object is about, so that readers come as far as what is wrong with it.
fn identity(number: usize) -> Vec<u8> {
    let uid = |leaf: &str| format!("1.3.6.1.4.1.55555.4711.66.{number}.{leaf}");
    let mut data = Elements::default();
    data.texts(&[
        (0x0008_0016, "UI", CT),
        (0x0008_0018, "UI", &uid("3")),
        (0x0008_0060, "CS", "CT"),
        (0x0010_0010, "PN", "MERRIWEATHER^Cordelia"),
        (0x0010_0020, "LO", "MRN-77410001"),
        (0x0020_000D, "UI", &uid("1")),
        (0x0020_000E, "UI", &uid("2")),
    ]);
    data.encode()
}

/// An element header with a length that is a lie.
fn claims(tag: [u16; 2], vr: &[u8; 2], length: u32) -> Vec<u8> {
    let tag = [tag[0].to_le_bytes(), tag[1].to_le_bytes()].concat();
    [tag.as_slice(), vr, &[0, 0], &length.to_le_bytes()].concat()
}

fn nested(depth: usize) -> Vec<u8> {
    let open = [
        claims([0x0040, 0xA730], b"SQ", u32::MAX).as_slice(),
        &[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF],
    ]
    .concat();
    let close = [0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];
    [open.repeat(depth), close.repeat(depth)].concat()
}

/// What harness/malformed_dicom.py makes, and more of the kind: a name, and the data set behind its identity.
fn hostile() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = [1_000, 10_000, 100_000, 1_000_000]
        .map(|depth| (format!("nested {depth} deep"), nested(depth)))
        .into();
    let abcd = |header: Vec<u8>| [header.as_slice(), b"abcd"].concat();
    let mut add = |name: &str, bytes: Vec<u8>| all.push((name.to_owned(), bytes));
    add("pixels beyond the end", abcd(claims([0x7FE0, 0x0010], b"OB", 0xFFFF_FF00)));
    add("text beyond the end", abcd(claims([0x0040, 0xA160], b"UT", 0x7FFF_FF00)));
    add("float pixels beyond the end", abcd(claims([0x7FE0, 0x0008], b"OF", 0xFFFF_FF00)));
    add("sequence beyond the end", abcd(claims([0x0040, 0xA730], b"SQ", 0xFFFF_FFFE)));
    add("unknown beyond the end", abcd(claims([0x0029, 0x1010], b"UN", 0xFFFF_FFFE)));
    let item = [0xFE, 0xFF, 0x00, 0xE0, 0xFE, 0xFF, 0xFF, 0xFF];
    let item_beyond = [claims([0x0040, 0xA730], b"SQ", u32::MAX).as_slice(), &item].concat();
    add("item beyond the end", item_beyond);
    add("fragments without an end", abcd(claims([0x7FE0, 0x0010], b"OB", u32::MAX)));
    add("a VR that is none", abcd(claims([0x0040, 0xA160], b"??", 4)));
    add("elements out of order", abcd(claims([0x0008, 0x0005], b"UT", 4)));
    let private = |n: u16| abcd(claims([0x0021, 0x1000 + n], b"UN", 4));
    add("forty thousand private elements", (0..40_000).flat_map(private).collect());
    all
}

/// Explicit VR Little Endian, deflated: 1 GiB of pixels in a megabyte.
fn bomb() -> Vec<u8> {
    let mut out = DeflateEncoder::new(Vec::new(), Compression::fast());
    let header = [identity(99), claims([0x7FE0, 0x0010], b"OB", 1 << 30)].concat();
    out.write_all(&header).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..1024).for_each(|_| out.write_all(&zeros).unwrap());
    out.finish().unwrap()
}

/// As a DICOM file.
fn file(transfer_syntax: &str, data_set: &[u8]) -> Vec<u8> {
    let mut meta = Elements::default();
    meta.bytes(0x0002_0001, "OB", &[0, 1]).texts(&[
        (0x0002_0002, "UI", CT),
        (0x0002_0003, "UI", "1.2.3"),
        (0x0002_0010, "UI", transfer_syntax),
        (0x0002_0012, "UI", "1.2.3"),
    ]);
    let meta = meta.encode();
    let length = (meta.len() as u32).to_le_bytes();
    let group = [2, 0, 0, 0, b'U', b'L', 4, 0];
    [&[0; 128], b"DICM".as_slice(), &group, &length, &meta, data_set].concat()
}

// ------------------------------------------------------------------------------------------ the program

/// What a run of `efface deid` came to.
struct Run {
    code: Option<i32>,
    said: String,
    time: Duration,
    /// The most memory that it held, in KiB.
    memory: u64,
}

/// De-identifies one file and watches the process.
fn deid(site: &Site, input: &Path, out: &Path) -> Run {
    let begun = Instant::now();
    let mut child = program()
        .arg("deid")
        .arg(input)
        .arg("--out")
        .arg(out)
        .args(["--profile", &site.profile, "--key-file", &site.at("root.key")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("efface runs");
    let mut memory = 0;
    let status = loop {
        memory = memory.max(peak_kib(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("its status") {
            break status;
        }
        assert!(begun.elapsed() < TIME, "{} takes too long", input.display());
        std::thread::sleep(Duration::from_millis(2));
    };
    let mut said = String::new();
    child.stdout.take().expect("stdout").read_to_string(&mut said).expect("text");
    child.stderr.take().expect("stderr").read_to_string(&mut said).expect("text");
    Run { code: status.code(), said, time: begun.elapsed(), memory }
}

/// VmHWM of a process.
fn peak_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// One line about one file, and no word of a panic or of the patient.
#[track_caller]
fn assert_has_a_fate(name: &str, run: &Run) {
    let line = run.said.lines().find(|line| line.contains("de-identified, ")).unwrap_or_default();
    let numbers: Vec<usize> = line.split([' ', ',']).filter_map(|w| w.parse().ok()).collect();
    assert_eq!(numbers.iter().sum::<usize>(), 1, "{name}: {:?} {}", run.code, run.said);
    assert_eq!(run.code, Some(i32::from(numbers[1] > 0)), "{name}: {}", run.said);
    assert!(!run.said.contains("panicked") && !run.said.contains("overflow"), "{}", run.said);
    assert!(run.memory < MEMORY_KIB, "{name} takes {} MiB", run.memory >> 10);
}

#[test]
fn each_hostile_file_is_withheld_with_a_reason() {
    let site = Site::leaving_faces();
    let mut cases = vec![("a deflate bomb".to_owned(), file(DEFLATED, &bomb()))];
    for (number, (name, bytes)) in hostile().into_iter().enumerate() {
        cases.push((format!("{name}, nobody's"), file(EXPLICIT, &bytes)));
        cases.push((name, file(EXPLICIT, &[identity(number), bytes].concat())));
    }
    let path = site.path("hostile.dcm");
    for (name, bytes) in cases {
        std::fs::write(&path, bytes).unwrap();
        let run = deid(&site, &path, &site.path("out"));
        assert_has_a_fate(&name, &run);
        let reason: Vec<_> = run.said.lines().filter(|line| line.starts_with(' ')).collect();
        let harmless = name.starts_with("forty thousand");
        assert!(harmless || !reason.is_empty(), "{name}: withheld without a word: {}", run.said);
        println!(
            "{name}: {:.2} s, {} MiB{}",
            run.time.as_secs_f64(),
            run.memory >> 10,
            reason.first().map(|why| format!(": {}", why.trim())).unwrap_or_default()
        );
    }
}

#[test]
fn the_gateway_takes_hostile_objects_and_stays() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &[]);
    assert!(Raw::associate(gateway.port, CT, DEFLATED).is_none(), "deflated is never negotiated");
    let mut sent = 0;
    for (number, (name, bytes)) in hostile().into_iter().enumerate() {
        let mut raw = Raw::associate(gateway.port, CT, EXPLICIT).expect("an association");
        let uid = format!("1.3.6.1.4.1.55555.4711.66.{number}.3");
        for data_set in [[identity(number), bytes.clone()].concat(), bytes] {
            assert_eq!(
                raw.store(&uid, &data_set),
                0,
                "{name}: what is whole on the wire is stored"
            );
            sent += 1;
        }
    }
    deliver(gateway.port, &write_body_ct(&site.path("pacs"), &patient(1), 1, 3));
    outside.wait_for(3);
    site.settled();
    let (_, aside) = site.count("in quarantine");
    let left = tally(&outside.arrived(), "SOPInstanceUID").len() as u64 - 3;
    println!("{sent} hostile objects: {aside} in quarantine, {left} left without what was wrong");
    assert_eq!(aside + left, sent, "{}", gateway.log());
    assert!(left <= 1, "only the private elements can be removed");
    assert_eq!(gateway.get("/healthz").0, 200);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    let peak = peak_kib(gateway.pid()).expect("it runs");
    println!("the gateway's peak: {} MiB", peak >> 10);
    assert!(peak < MEMORY_KIB, "{} MiB", peak >> 10);
}

// ------------------------------------------------------------------------------------------- mutations

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((z ^ (z >> 27)) % bound.max(1) as u64) as usize
    }
}

/// One to three changes, most of them in the header: bits, lengths, cuts, repetitions.
fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let within = if random.below(4) > 0 { out.len().min(3000) } else { out.len() };
        let at = random.below(within);
        let end = (at + 1 + random.below(40)).min(out.len());
        match random.below(6) {
            0 if at < out.len() => out[at] ^= 1 << random.below(8),
            1 => out.truncate(out.len() - random.below(out.len() / 2)),
            2 if at + 4 <= out.len() => {
                let lies = [[0xFF; 4], [0xFE, 0xFF, 0xFF, 0x7F], [0; 4], [0xFF, 0xFF, 0, 0]];
                out[at..at + 4].copy_from_slice(&lies[random.below(4)]);
            }
            3 if at < end => drop(out.drain(at..end)),
            4 if at < end => {
                let copy = out[at..end].to_vec();
                out.splice(at..at, copy);
            }
            _ if at < out.len() => out[at] = random.below(256) as u8,
            _ => {}
        }
    }
    out
}

/// The test files of pydicom, small ones.
fn public(into: &Path) -> Option<Vec<PathBuf>> {
    for name in ["pydicom_test_files.tar.xz", "pydicom_data_git_new.tar.xz"] {
        let archive = shared("data")?.join("dcm_pydicom_testfiles").join(name);
        let tar = Command::new("tar").arg("xJf").arg(archive).arg("-C").arg(into).status();
        assert!(tar.is_ok_and(|status| status.success()), "{name}");
    }
    let mut all = files(into);
    let size = |path: &PathBuf| std::fs::metadata(path).unwrap().len();
    all.retain(|path| (200..400_000).contains(&size(path)));
    Some(all)
}

fn mutations() -> usize {
    std::env::var("EFFACE_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

#[test]
fn mutations_of_public_files_have_a_fate() {
    let site = Site::leaving_faces();
    let sources = site.path("public");
    std::fs::create_dir_all(&sources).unwrap();
    let Some(sources) = public(&sources) else { skip!("no ../shared/data") };
    let (next, worst) = (AtomicUsize::new(0), Mutex::new((Duration::ZERO, 0, 0)));
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (site, sources, next, worst) = (&site, &sources, &next, &worst);
            scope.spawn(move || {
                let input = site.path(&format!("mutation-{worker}.dcm"));
                let out = site.path(&format!("out-{worker}"));
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= mutations() {
                        return;
                    }
                    let source = &sources[number % sources.len()];
                    let mut random = Random(number as u64);
                    let mutated = mutate(&std::fs::read(source).unwrap(), &mut random);
                    std::fs::write(&input, mutated).unwrap();
                    let run = deid(site, &input, &out);
                    let name = format!("mutation {number} of {}", source.display());
                    let judged = std::panic::catch_unwind(|| assert_has_a_fate(&name, &run));
                    if judged.is_err() {
                        let kept = format!("target/mutation-{number}.dcm");
                        std::fs::copy(&input, &kept).unwrap();
                        panic!("it is kept as {kept}");
                    }
                    let mut worst = worst.lock().unwrap();
                    worst.0 = worst.0.max(run.time);
                    worst.1 = worst.1.max(run.memory);
                    worst.2 += usize::from(run.code == Some(0));
                }
            });
        }
    });
    let (time, memory, left) = worst.into_inner().unwrap();
    println!(
        "{} mutations of {} files: {left} de-identified, the others withheld; at most {:.2} s and {} MiB",
        mutations(),
        sources.len(),
        time.as_secs_f64(),
        memory >> 10
    );
}

#[test]
fn the_gateway_takes_mutations_and_stays() {
    let site = Site::leaving_faces();
    let sources = site.path("public");
    std::fs::create_dir_all(&sources).unwrap();
    let Some(sources) = public(&sources) else { skip!("no ../shared/data") };
    let gateway = site.serve(free_port(), &[]);
    let mut raw = Raw::associate(gateway.port, CT, EXPLICIT).expect("an association");
    let mut sent = 0;
    for number in 0..mutations() {
        let bytes = std::fs::read(&sources[number % sources.len()]).unwrap();
        // Behind preamble and meta information, where there are any; what is left of them is one more mutation.
        let data_set = bytes.get(132 + 12 + 180..).unwrap_or(&bytes);
        let mutated = mutate(data_set, &mut Random(number as u64));
        if !mutated.is_empty() {
            assert_eq!(raw.store(&format!("1.2.3.{number}"), &mutated), 0);
            sent += 1;
        }
    }
    let counted = || {
        let (_, held) = site.count("on the way");
        let (_, aside) = site.count("in quarantine");
        held + aside
    };
    until("each is in quarantine or waits to be sent", || counted() >= sent);
    assert_eq!(gateway.get("/healthz").0, 200);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    let peak = peak_kib(gateway.pid()).expect("it runs");
    println!("{sent} mutations through the gateway: peak {} MiB", peak >> 10);
    assert!(peak < MEMORY_KIB, "{} MiB", peak >> 10);
}
