//! Real objects: none may pass as its own result, and none may be held back once it is clean.

use super::*;

/// Folds the archives of real objects away in a directory that the test deletes.
fn real_files() -> Option<(tempfile::TempDir, Vec<std::path::PathBuf>)> {
    let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folders = std::fs::read_dir(&shared).ok()?.filter_map(Result::ok);
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for path in folders.filter_map(|f| std::fs::read_dir(f.path()).ok()).flatten().flatten() {
        let path = path.path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".dcm") {
            files.push(path);
        } else if name.ends_with(".tar.xz") {
            let into = dir.path().join(name);
            std::fs::create_dir(&into).unwrap();
            let mut tar = std::process::Command::new("tar");
            let done = tar.arg("-xJf").arg(&path).arg("-C").arg(&into).status();
            if !done.is_ok_and(|status| status.success()) {
                return None;
            }
        }
    }
    let mut folders = vec![dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        let (inner, mut here): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        folders.extend(inner);
        // Slices of a long series are alike: some of them are enough, unless all are asked for.
        here.sort();
        let all = std::env::var_os("EFFACE_ALL_FILES").is_some();
        let step = if all { 1 } else { here.len().div_ceil(60).max(1) };
        files.extend(here.into_iter().step_by(step));
    }
    Some((dir, files))
}

/// Transfer syntax and data set of a Part-10 file, if it is one.
fn open(file: &[u8]) -> Option<(String, &[u8])> {
    let group = file.get(140..)?;
    let length = u32::from_le_bytes(group.get(..4)?.try_into().ok()?) as usize;
    let (meta, dataset) = group.get(4..)?.split_at_checked(length)?;
    let at = meta.windows(6).position(|w| w == b"\x02\0\x10\0UI")?;
    let length = usize::from(meta[at + 6]);
    let syntax = meta.get(at + 8..at + 8 + length)?;
    (file[128..132] == *b"DICM")
        .then_some((String::from_utf8_lossy(syntax).trim_end_matches('\0').to_owned(), dataset))
}

#[test]
fn no_real_object_passes_as_its_own_result() {
    let Some((_dir, files)) = real_files() else {
        println!("SKIPPED: ../shared/data isn't there");
        return;
    };
    let (mut watched, mut unreadable, mut kinds) = (0, 0, std::collections::BTreeMap::new());
    let (mut held_back, mut patterns) = (Vec::new(), 0);
    for path in files {
        let file = std::fs::read(&path).unwrap();
        let Some((syntax, dataset)) = open(&file) else { continue };
        let mut witness = Witness::new();
        if witness.observe(&syntax, dataset).is_err() {
            unreadable += 1;
            continue;
        }
        let watch = witness.seal().unwrap();
        watched += 1;
        patterns = patterns.max(watch.size().0);
        let residue = watch.examine(Cursor::new(&file), &expected(&syntax)).unwrap_err();
        *kinds.entry(format!("{:?}", residue.found)).or_insert(0) += 1;
        // The data set under a new file meta and preamble: the values must be found as well.
        let bare = part10(&meta(&syntax), dataset);
        watch.examine(Cursor::new(&bare), &expected(&syntax)).unwrap_err();
        // A clean result of the same study isn't held back.
        if let Err(residue) = examine_set(&watch, &clean()) {
            held_back.push((path, residue));
        }
    }
    println!("{watched} watched, {unreadable} unreadable, most patterns {patterns}: {kinds:#?}");
    assert!(watched > 100, "{watched}");
    for (path, residue) in &held_back {
        println!("held back: {} {residue}", path.display());
    }
    assert!(held_back.len() * 20 < watched, "{} of {watched}", held_back.len());
}

/// The elements of a real object that a de-identifier may leave with these options, and our claims.
fn strip(syntax: &str, dataset: &[u8], exempt: &[Kind]) -> Option<Set> {
    use crate::custody::verify::walk::{Step, Tap, Walker, is_implicit};
    let size = dataset.len() as u64;
    let mut tap = Tap::new(dataset, size, ());
    let mut walker = Walker::new(is_implicit(syntax).ok()?, false, size);
    let mut set = clean();
    loop {
        let header = match walker.next(&mut tap).ok()? {
            Step::End => return Some(set),
            Step::Element(header) => header,
            _ => continue,
        };
        let stays = tags::kind_of(header.tag, header.vr).is_none_or(|kind| exempt.contains(&kind))
            && header.length < 1 << 20
            && (header.vr.is_formal()
                || matches!(&header.vr.0, b"CS" | b"LO" | b"SH" | b"US" | b"FD" | b"OW"))
            && !matches!(
                header.tag.0,
                0x0008_0005 | 0x0008_0016 | 0x0012_0063 | 0x0028_0301..=0x0028_0303
            );
        if !walker.is_top() || !stays || rules::ban(&header, false).is_some() {
            continue;
        }
        let value = tap.take(header.length as usize).ok()?.to_vec();
        set = set.with(header.tag.0, std::str::from_utf8(&header.vr.0).ok()?, value);
    }
}

#[test]
fn real_objects_that_were_stripped_pass() {
    let Some((_dir, files)) = real_files() else {
        println!("SKIPPED: ../shared/data isn't there");
        return;
    };
    let (mut passed, mut held) = (0, Vec::new());
    for path in files {
        let file = std::fs::read(&path).unwrap();
        let Some((syntax, dataset)) = open(&file) else { continue };
        let mut witness = Witness::new();
        if witness.observe(&syntax, dataset).is_err() {
            continue;
        }
        let Some(set) = strip(&syntax, dataset, &[]) else { continue };
        match examine_set(&witness.seal().unwrap(), &set) {
            Ok(_) => passed += 1,
            Err(residue) => held.push((path.file_name().unwrap().to_owned(), residue)),
        }
    }
    println!("{passed} passed, {} held back", held.len());
    for (path, residue) in &held {
        println!("{path:?}: {residue}");
    }
    assert!(held.len() * 50 < passed, "more than 2 % held back");
}

/// What each option lets stay, in real objects: it is held back only where it is something else too.
#[test]
fn real_objects_keep_what_options_let_stay() {
    let Some((_dir, files)) = real_files() else {
        println!("SKIPPED: ../shared/data isn't there");
        return;
    };
    let options: [(&[Kind], Dates); 5] = [
        (&[Kind::Text], Dates::Removed),
        (&[Kind::Device], Dates::Removed),
        (&[Kind::Institution], Dates::Removed),
        (&[Kind::Characteristic], Dates::Removed),
        (&[Kind::Date, Kind::DeviceDate, Kind::Time], Dates::Full),
    ];
    let mut counts = std::collections::BTreeMap::<_, (usize, usize)>::new();
    for path in files {
        let file = std::fs::read(&path).unwrap();
        let Some((syntax, dataset)) = open(&file) else { continue };
        let mut witness = Witness::new();
        if witness.observe(&syntax, dataset).is_err() {
            continue;
        }
        let watch = witness.seal().unwrap();
        for (exempt, dates) in options {
            let Some(set) = strip(&syntax, dataset, exempt) else { continue };
            let expected = Expected { exempt, dates, ..expected(EXPLICIT) };
            let (all, held) = counts.entry(exempt[0]).or_default();
            *all += 1;
            if let Err(residue) = examine_as(&watch, &expected, &set) {
                // A description that names somebody is one that the engine would have cleaned.
                let is_named = exempt == [Kind::Text]
                    && matches!(residue.found, Found::Value(kind) if kind != Kind::Private);
                *held += usize::from(!is_named);
                println!("{:?}: {:?}: {residue}", exempt[0], path.file_name().unwrap());
            }
        }
    }
    println!("{counts:?}");
    assert!(counts.values().all(|(all, held)| held * 50 < *all), "more than 2 % held back");
}

/// `CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo test --lib verify::tests::real::speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn speed() {
    use std::time::Instant;
    let mut witness = Witness::new();
    let at = Instant::now();
    for i in 0..2000 {
        // Two thousand texts that are nobody else's, as a vendor's raw header has them.
        let word: String = format!("{i:04}").bytes().map(|b| char::from(b - b'0' + b'k')).collect();
        let private = format!("wxy{word}zq of the protocol\0\x01{word}\0");
        let set = source()
            .with(0x0008_0018, "UI", format!("1.3.6.1.4.1.55555.4711.0.1.2.{i}"))
            .with(0x0029_0010, "LO", "SIEMENS CSA HEADER")
            .with(0x0029_1010, "OB", private);
        witness.observe(EXPLICIT, &set.bytes()).unwrap();
    }
    let observed = at.elapsed();
    let at = Instant::now();
    let watch = witness.seal().unwrap();
    println!(
        "observe {:?} per instance; seal {:?}; {:?} patterns and UIDs, {} bytes of pattern index",
        observed / 2000,
        at.elapsed(),
        watch.size(),
        watch.matcher.memory()
    );
    let tissue = |i: u64| -> Vec<u8> {
        noise(262_144, i).iter().flat_map(|b| (i16::from(*b) / 2 - 64 + 40).to_le_bytes()).collect()
    };
    for (what, pixels) in
        [("noise", noise(524_288, 9)), ("tissue", tissue(8)), ("zeros", vec![0; 524_288])]
    {
        let mut set = clean().with(0x7FE0_0010, "OW", pixels);
        for k in 0..60 {
            set = set.with(0x0018_9000 + k, "DS", format!("{k}.25\\7.5"));
        }
        for k in 0..40 {
            set = set.with(0x0018_9100 + k, "LO", format!("some text that is ordinary {k}"));
        }
        set.0.retain(|tag, _| Tag(*tag).keyword().is_some());
        let file = part10(&meta(EXPLICIT), &set.bytes());
        // The best of many: other work on the machine isn't ours.
        let once = || {
            let at = Instant::now();
            examine(&watch, &file).unwrap();
            at.elapsed()
        };
        let best = (0..300).map(|_| once()).min().unwrap();
        println!("{what}: {best:?} per {} KiB object", file.len() >> 10);
    }
    use sha2::Digest;
    let pixels = noise(524_288, 9);
    let time = |what: &str, work: &dyn Fn()| {
        let at = Instant::now();
        (0..100).for_each(|_| work());
        println!("of which {what} {:?}", at.elapsed() / 100);
    };
    time("SHA-256", &|| {
        std::hint::black_box(sha2::Sha256::digest(&pixels));
    });
    time("long needles", &|| watch.matcher.long(&pixels, 0, |_, _| {}));
    time("UIDs", &|| watch.uids.find(&pixels, 0, |_| {}));
}
