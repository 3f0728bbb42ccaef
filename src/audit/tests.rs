use super::*;
use crate::key::RootKey;
use std::collections::BTreeSet;
use std::fs;

pub fn signer() -> Signer {
    Signer::of(&RootKey::of_patient(&[7; 32], "A1"))
}

/// The log of a directory, which is made.
pub fn log(directory: &Path) -> Log {
    disk::make_dir(directory).unwrap();
    Log::open(directory, signer()).unwrap()
}

fn event(n: u64) -> Event {
    Event::Repeated { batch: format!("b-{n}"), instances: n }
}

/// A log of so many records, and their lines.
pub fn filled(directory: &Path, records: u64) -> Vec<Vec<u8>> {
    let log = log(directory);
    for n in 0..records {
        assert_eq!(log.append(event(n)).unwrap().seq(), n);
    }
    let bytes = fs::read(directory.join("log")).unwrap();
    bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
}

pub fn findings(directory: &Path, kept: &[(String, Checkpoint)]) -> Vec<Finding> {
    verify(directory, signer().verifier(), kept, |_| ()).unwrap().findings
}

/// What is found when the log is these bytes. Reading refuses it, or does not reach what is wrong; so does a start.
#[track_caller]
fn found(directory: &Path, lines: &[&[u8]]) -> Vec<Finding> {
    fs::write(directory.join("log"), lines.concat()).unwrap();
    let findings = findings(directory, &[]);
    let is_behind = matches!(findings[..], [] | [Finding::Unsigned { .. }]);
    assert_eq!(read(directory, |_| ()).is_ok(), is_behind, "{findings:?}");
    if !is_behind {
        assert!(Log::open(directory, signer()).is_err(), "{findings:?}");
        assert_eq!(fs::read(directory.join("log")).unwrap(), lines.concat());
    }
    findings
}

fn borrowed(lines: &[Vec<u8>]) -> Vec<&[u8]> {
    lines.iter().map(Vec::as_slice).collect()
}

#[test]
fn goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 5);
    assert_eq!(log(folder.path()).append(Event::Stopped).unwrap().seq(), 5);
    let mut seen = Vec::new();
    read(folder.path(), |record| seen.push(record.event)).unwrap();
    assert_eq!((seen.len(), &seen[3], &seen[5]), (6, &event(3), &Event::Stopped));
    assert_eq!(findings(folder.path(), &[]), []);
}

#[test]
fn a_changed_byte_is_found_and_its_record_named() {
    let folder = tempfile::tempdir().unwrap();
    let lines = filled(folder.path(), 6);
    assert_eq!(found(folder.path(), &borrowed(&lines)), []);
    for (n, line) in lines.iter().enumerate() {
        for at in 0..line.len() {
            let mut changed = line.clone();
            changed[at] ^= 1;
            let mut all = borrowed(&lines);
            all[n] = &changed;
            let findings = found(folder.path(), &all);
            // Without its newline a record runs into the next.
            let is_named = match (at + 1 == line.len(), n + 1 == lines.len()) {
                (true, true) => matches!(findings[..], [Finding::RolledBack { have: 5, .. }]),
                _ => findings.contains(&Finding::Changed(n as u64)),
            };
            assert!(is_named, "record {n} byte {at}: {findings:?}");
        }
    }
}

#[test]
fn a_record_that_is_deleted_inserted_doubled_or_moved_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let lines = filled(folder.path(), 7);
    let last = lines.len() - 1;
    let forged = br#"{"seq":3,"time":"2026-01-01T00:00:00.000Z","event":"stopped"}"#;
    let forged = [&forged[..], b"\n"].concat();
    for n in 0..lines.len() {
        let place = n as u64;
        let mut without = borrowed(&lines);
        without.remove(n);
        let findings = found(folder.path(), &without);
        if n == last {
            assert!(matches!(findings[..], [Finding::RolledBack { have: 6, signed: 7, .. }]));
        } else {
            assert_eq!(findings, [Finding::Deleted(place)]);
        }
        for more in [&forged, &lines[n], &lines[0]] {
            let mut with = borrowed(&lines);
            with.insert(n, more);
            if with[..lines.len()] == borrowed(&lines) {
                continue;
            }
            let findings = found(folder.path(), &with);
            assert!(
                matches!(findings[..], [Finding::Inserted(at)] if at.abs_diff(place) <= 1),
                "{n}: {findings:?}"
            );
        }
        for other in n + 1..lines.len() {
            let mut swapped = borrowed(&lines);
            swapped.swap(n, other);
            let findings = found(folder.path(), &swapped);
            assert!(findings.contains(&Finding::Moved(place)), "{n} and {other}: {findings:?}");
            assert!(findings.contains(&Finding::Moved(other as u64)), "{findings:?}");
        }
    }
    // Behind the end it is not signed, and put aside at the start.
    for more in [&lines[last], &forged] {
        let with = [&borrowed(&lines)[..], &[more]].concat();
        assert_eq!(found(folder.path(), &with), [Finding::Unsigned { from: 7, records: 1 }]);
    }
    assert_eq!(log(folder.path()).append(Event::Stopped).unwrap().seq(), 7);
    let aside = format!("torn-at-{}", lines.concat().len());
    assert_eq!(fs::read(folder.path().join(aside)).unwrap(), forged);
    assert_eq!(findings(folder.path(), &[]), []);
}

#[test]
fn a_log_that_is_cut_off_anywhere_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let lines = filled(folder.path(), 4);
    let bytes = lines.concat();
    for end in 0..bytes.len() {
        let findings = found(folder.path(), &[&bytes[..end]]);
        let whole = bytes[..end].iter().filter(|b| **b == b'\n').count() as u64;
        assert!(
            matches!(findings[..], [Finding::RolledBack { have, signed: 4, .. }] if have == whole),
            "{end}: {findings:?}"
        );
    }
    fs::remove_file(folder.path().join("log")).unwrap();
    assert!(matches!(findings(folder.path(), &[])[..], [Finding::RolledBack { have: 0, .. }]));
    assert!(matches!(Log::open(folder.path(), signer()), Err(Error::RolledBack { have: 0, .. })));
    assert!(!folder.path().join("log").exists(), "a start that is refused changed something");
}

#[test]
fn checkpoint_key_and_tiles_that_were_changed_are_found() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 260);
    for name in ["checkpoint", "key", "tile/0/000", "tile/0/001", "tile/1/000"] {
        let path = folder.path().join(name);
        let good = fs::read(&path).unwrap();
        let step = if good.len() > 4000 { 61 } else { 1 };
        for at in (0..good.len()).step_by(step) {
            let mut changed = good.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            // White space at the end of a key is none of it.
            let is_same = name == "key" && at + 1 == good.len();
            let findings = findings(folder.path(), &[]);
            assert_eq!(findings.is_empty(), is_same, "{name} byte {at}");
            if name.starts_with("tile") {
                assert!(matches!(&findings[..], [Finding::Tile(path)] if path.ends_with(name)));
            }
            if name == "checkpoint" {
                assert!(Log::open(folder.path(), signer()).is_err(), "byte {at}");
            }
        }
        fs::remove_file(&path).unwrap();
        if name == "checkpoint" {
            assert!(matches!(findings(folder.path(), &[])[..], [Finding::Checkpoint(_)]));
            assert!(matches!(Log::open(folder.path(), signer()), Err(Error::Checkpoint { .. })));
            assert!(read(folder.path(), |_| ()).is_err());
        }
        fs::write(&path, &good).unwrap();
        assert_eq!(findings(folder.path(), &[]), []);
    }
    // Tiles are a cache: the next start makes them again.
    fs::write(folder.path().join("tile/0/000"), [7; 8192]).unwrap();
    fs::remove_file(folder.path().join("tile/1/000")).unwrap();
    drop(log(folder.path()));
    assert_eq!(findings(folder.path(), &[]), []);
    let other = Signer::of(&RootKey::of_patient(&[8; 32], "A1"));
    assert!(matches!(Log::open(folder.path(), other), Err(Error::Checkpoint { .. })));
}

#[test]
fn an_older_state_is_found_by_a_checkpoint_that_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (now, before) = (folder.path().join("now"), folder.path().join("before"));
    filled(&now, 3);
    let copy = |from: &Path, to: &Path, names: &[&str]| {
        fs::create_dir_all(to.join("tile/0")).unwrap();
        for name in names {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    };
    let all = ["log", "checkpoint", "key", "tile/0/000"];
    copy(&now, &before, &all);
    log(&now).append(Event::Stopped).unwrap();
    let seen = signer().verifier().open(&newest(&now).unwrap()).unwrap();
    let kept = [("kept".to_owned(), seen)];
    assert_eq!(findings(&now, &kept), []);
    // All of it is older: sound in itself.
    assert_eq!(findings(&before, &[]), []);
    let rolled_back = Finding::RolledBack { have: 3, signed: 4, by: "kept".to_owned() };
    assert_eq!(findings(&before, &kept), [rolled_back]);
    // Some of it is older.
    for names in [&["checkpoint"][..], &["log"], &["log", "checkpoint"], &["log", "tile/0/000"]] {
        let mixed = folder.path().join(names.concat().replace('/', "-"));
        copy(&now, &mixed, &all);
        copy(&before, &mixed, names);
        let findings = findings(&mixed, &[]);
        assert!(
            matches!(findings[..], [Finding::RolledBack { have: 3, signed: 4, .. }]),
            "{names:?}: {findings:?}"
        );
    }
    // Another history of the same length, by whoever has the key: only what was kept elsewhere knows.
    log(&before).append(event(9)).unwrap();
    assert_eq!(findings(&before, &[]), []);
    assert!(matches!(findings(&before, &kept)[..], [Finding::Rewritten { .. }]));
}

#[test]
fn records_and_tiles_that_were_changed_together_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let lines = filled(folder.path(), 5);
    let leaves: Vec<Hash> = lines.iter().map(|line| tree::leaf(&line[..line.len() - 1])).collect();
    let mut forged = lines[2].clone();
    forged[40] ^= 1;
    let mut changed = (borrowed(&lines), leaves.clone());
    changed.0[2] = &forged;
    changed.1[2] = tree::leaf(&forged[..forged.len() - 1]);
    fs::write(folder.path().join("tile/0/000"), changed.1.concat()).unwrap();
    assert!(matches!(
        found(folder.path(), &changed.0)[..],
        [Finding::Rewritten { from: 0, to: 4, .. }]
    ));
    // Where the records contradict themselves, the place is known all the same.
    let mut swapped = (borrowed(&lines), leaves);
    swapped.0.swap(1, 3);
    swapped.1.swap(1, 3);
    fs::write(folder.path().join("tile/0/000"), swapped.1.concat()).unwrap();
    assert_eq!(found(folder.path(), &swapped.0), [Finding::Deleted(1)]);
}

#[test]
fn records_that_come_together_are_synced_together_and_each_gets_its_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let (log, threads, each) = (log(folder.path()), 16, 50);
    let receipts: Vec<Receipt> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|n| {
                let log = &log;
                scope.spawn(move || -> Vec<_> {
                    (0..each).map(|m| log.append(event(n * each + m)).unwrap()).collect()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let places: BTreeSet<u64> = receipts.iter().map(Receipt::seq).collect();
    assert_eq!(places.len() as u64, threads * each);
    let leaves = tiles::leaves(folder.path()).unwrap();
    assert!(receipts.iter().all(|r| leaves[r.seq() as usize] == *r.hash()));
    assert_eq!(findings(folder.path(), &[]), []);
    let mut instances = BTreeSet::new();
    read(folder.path(), |record| {
        let Event::Repeated { instances: n, .. } = record.event else { panic!("another event") };
        instances.insert(n);
    })
    .unwrap();
    assert!(instances.into_iter().eq(0..threads * each));
}

#[test]
fn a_disk_that_fails_ends_the_log() {
    use crate::disk::faults::{Faults, Habits};
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    disk::make_dir(&state).unwrap();
    let faults = Faults::below(&state, Habits::default()).unwrap();
    let log = log(&state);
    log.append(event(0)).unwrap();
    faults.sync_fails_in(0);
    assert!(matches!(log.append(event(1)), Err(Error::Io { .. })));
    assert!(matches!(log.append(event(2)), Err(Error::Poisoned)));
    drop(log);
    faults.power_cut(&mut |_| 0).unwrap();
    assert_eq!(Log::open(&state, signer()).unwrap().append(event(1)).unwrap().seq(), 1);
    faults.end();
}

#[test]
fn a_proof_of_a_study_says_nothing_of_other_destinations() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let (batch, to) = (|| "b-1".to_owned(), |name: &str| name.to_owned());
    for destination in ["lab", "clinic"] {
        log.append(Event::Released(Box::new(Release {
            destination: to(destination),
            batch: batch(),
            study: format!("2.25.{}", destination.len()),
            ..Release::default()
        })))
        .unwrap();
    }
    log.append(event(3)).unwrap();
    for destination in ["lab", "clinic"] {
        let destination = to(destination);
        let (waited_ms, took_ms, sent_bytes) = (None, None, 1000);
        let batch = batch();
        let delivered =
            Event::Delivered { destination, batch, instances: 1, waited_ms, took_ms, sent_bytes };
        log.append(delivered).unwrap();
    }
    log.append(Event::Erased { batch: batch(), instances: 1 }).unwrap();
    let prove = |name| prove(folder.path(), signer().verifier(), name, |_| ()).unwrap();
    let records = |name| -> Vec<u64> {
        let proof = prove(name).unwrap();
        let checkpoint = signer().verifier().open(&proof.checkpoint).unwrap();
        proof.records.iter().for_each(|one| {
            let path: Vec<Hash> = one
                .path
                .iter()
                .map(|hash| data_encoding::BASE64.decode(hash.as_bytes()).unwrap())
                .map(|hash| hash.try_into().unwrap())
                .collect();
            let leaf = tree::leaf(one.record.as_bytes());
            let root = tree::tests::root_by_path(leaf, one.index, checkpoint.size, &path);
            assert_eq!(root, Some(checkpoint.root));
        });
        proof.records.iter().map(|one| one.index).collect()
    };
    assert_eq!(records("b-1"), [0, 1, 3, 4, 5]);
    assert_eq!(records("2.25.3"), [0, 3, 5]);
    assert_eq!(records("b-3"), [2]);
    for unknown in ["b", "2.25", "", "lab"] {
        assert!(prove(unknown).is_none(), "{unknown:?}");
    }
}
