//! What the log costs: appends that share their syncs, and what an auditor waits for on a long one.
//!
//! `cargo bench --bench audit -- 1000000` prints appends per second, and the seconds that start, verification, reading and a
//! proof take at that many records, in the folder that `EFFACE_BENCH_DIR` names or in the system's own for temporary
//! files. Targets: 10,000 appends a second, 1,000,000 records verified within 10 s on two processors.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench fails by its panic, owns its files and prints its figures"
)]

use efface::audit::{self, Detail, Event, Evidence, Log, Record, Release, Signer, Treated};
use efface::key::RootKey;
use sha2::{Digest, Sha256};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

/// Threads that append at a time, and records of each.
const WAITING: [(u64, u64); 3] = [(1, 200), (16, 100), (256, 100)];

fn main() {
    let asked = std::env::args().filter_map(|argument| argument.parse().ok()).next();
    let parent = std::env::var_os("EFFACE_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(parent).unwrap();
    for (threads, each) in WAITING {
        appends(&folder.path().join(threads.to_string()), threads, each);
    }
    long(&folder.path().join("long"), asked.unwrap_or(1_000_000));
}

fn signer() -> Signer {
    Signer::of(&RootKey::of_patient(&[7; 32], "A1"))
}

fn appends(directory: &Path, threads: u64, each: u64) {
    std::fs::create_dir(directory).unwrap();
    let log = Log::open(directory, signer()).unwrap();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let log = &log;
            scope.spawn(move || {
                for n in 0..each {
                    log.append(event(thread + n)).unwrap();
                }
            });
        }
    });
    let per_second = (threads * each) as f64 / begun.elapsed().as_secs_f64();
    println!("{threads:4} waiting at a time: {per_second:9.0} appends/s");
}

/// A log of so many records, written at once.
fn long(directory: &Path, records: u64) {
    std::fs::create_dir(directory).unwrap();
    let create = |name| BufWriter::new(std::fs::File::create(directory.join(name)).unwrap());
    let (mut file, mut details) = (create("log"), create("details"));
    let (mut leaves, mut bytes) = (Vec::new(), 0);
    for seq in 0..records {
        let (mut event, mut detail) = (event(seq), None);
        if let Event::Released(release) = &mut event {
            let (line, commitment) = Detail::part(release).seal(seq).unwrap();
            details.write_all(&line).unwrap();
            detail = Some(commitment);
        }
        let record = Record { seq, time: "2026-11-28T09:00:00.000Z".to_owned(), detail, event };
        let line = serde_json::to_vec(&record).unwrap();
        leaves.push(Sha256::new().chain_update([0]).chain_update(&line).finalize().into());
        file.write_all(&[&line[..], b"\n"].concat()).unwrap();
        bytes += line.len() + 1;
    }
    file.flush().unwrap();
    details.flush().unwrap();
    std::fs::write(directory.join("checkpoint"), signer().sign(records, root(&leaves))).unwrap();
    println!("{records} records, {:.2} GB", bytes as f64 / 1e9);
    let timed = |what: &str, work: &dyn Fn()| {
        let begun = Instant::now();
        work();
        println!("{what:28} {:6.2} s", begun.elapsed().as_secs_f64());
    };
    timed("first start, makes tiles", &|| drop(Log::open(directory, signer()).unwrap()));
    timed("start", &|| drop(Log::open(directory, signer()).unwrap()));
    timed("verify", &|| {
        let found = audit::verify(directory, signer().verifier(), &[], |_| ()).unwrap();
        assert_eq!((found.records, found.findings.len()), (records, 0));
    });
    timed("read (as the account does)", &|| audit::read(directory, |_| ()).unwrap());
    timed("proof of one study", &|| {
        let batch = format!("{:032x}-{:08x}", records / 8, records / 8);
        let proof = audit::prove(directory, signer().verifier(), &batch, |_| ()).unwrap();
        assert!(!proof.unwrap().records.is_empty());
    });
}

/// What a study leaves in the log, one record after the other.
fn event(n: u64) -> Event {
    let batch = format!("{:032x}-{:08x}", n / 4, n / 4);
    let (destination, instances) = ("lab".to_owned(), 135);
    match n % 4 {
        0 => Event::Taken { batch, instances },
        1 => Event::Released(Box::new(Release {
            destination,
            batch,
            profile: "basic".to_owned(),
            plan: "ab".repeat(32),
            patient: "A1ABCDEFGHJKMNPQRS".to_owned(),
            study: format!("2.25.{n}"),
            digest: "cd".repeat(32),
            instances,
            evidence: vec![Evidence {
                objects: instances,
                elements: (0..30)
                    .map(|n| Treated {
                        tag: format!("(0010,{n:04x})"),
                        action: 'X',
                        by: "Table E.1-1".to_owned(),
                        times: instances,
                    })
                    .collect(),
                unlisted_kept: 40,
                kept: Vec::new(),
            }],
            ..Release::default()
        })),
        2 => Event::Delivered {
            destination,
            batch,
            instances,
            waited_ms: Some(60_000),
            took_ms: Some(900),
            sent_bytes: 1 << 20,
        },
        _ => Event::Erased { batch, instances },
    }
}

/// The root by its definition (RFC 6962 2.1).
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
            Sha256::new()
                .chain_update([1])
                .chain_update(root(left))
                .chain_update(root(right))
                .finalize()
                .into()
        }
    }
}
