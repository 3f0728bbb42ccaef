//! Public DICOM files of many makers, good and bad: each is de-identified or withheld with a reason.
//!
//! The files lie beside the checkout (`../shared/data`); without them every test says SKIPPED. The
//! leak judge needs a Python with pydicom and pyahocorasick: `EFFACE_TEST_PYTHON`, or the one that
//! `.ci/test` makes.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::gateway::{Site, efface, printed};
use support::{dcmtk, files, shared};

/// Every set of files with DICOM in it, unpacked, one folder each.
fn sets(into: &Path) -> Option<Vec<PathBuf>> {
    let mut sets = Vec::new();
    for source in files(&shared("data")?) {
        let name = source.file_name()?.to_str()?;
        let set = source.parent()?.file_name()?;
        let is_archive = name.ends_with(".tar.xz");
        // One folder per archive: some hold the same instances as others.
        let target = into.join(set).join(if is_archive { name } else { "files" });
        if is_archive {
            std::fs::create_dir_all(&target).expect("a folder for a set");
            let mut tar = Command::new("tar");
            let unpacked = tar.arg("xJf").arg(&source).arg("-C").arg(&target).status();
            assert!(unpacked.is_ok_and(|s| s.success()), "{}", source.display());
        } else if !name.ends_with(".dcm") {
            continue;
        } else {
            std::fs::create_dir_all(&target).expect("a folder for a set");
            std::fs::copy(&source, target.join(name)).expect("a copy of a file");
        }
        if !sets.contains(&target) {
            sets.push(target);
        }
    }
    Some(sets)
}

/// What the table of `efface deid` begins with.
fn counts(said: &str) -> [usize; 3] {
    let line = said.lines().find(|line| line.contains("de-identified, ")).unwrap_or_default();
    let numbers: Vec<usize> = line.split([' ', ',']).filter_map(|w| w.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("no table in: {said}"))
}

fn deid(site: &Site, input: &Path, out: &Path) -> (Option<i32>, String) {
    let (input, out) = (input.display().to_string(), out.display().to_string());
    let key = site.at("root.key");
    let output =
        efface(&["deid", &input, "--out", &out, "--profile", &site.profile, "--key-file", &key]);
    (output.status.code(), printed(&output))
}

fn every_file_has_a_fate(site: &Site, least: usize) {
    let Some(sets) = sets(&site.path("in")) else { skip!("no ../shared/data") };
    let mut left_in_all = 0;
    for set in sets {
        let name = set.strip_prefix(site.path("in")).unwrap().to_owned();
        let out = site.path("out").join(&name);
        let (code, said) = deid(site, &set, &out);
        println!("{}: {}", name.display(), said.lines().next().unwrap_or_default());
        said.lines().filter(|l| l.starts_with("withheld: ")).for_each(|l| println!("    {l}"));
        let [left, withheld, repeated] = counts(&said);
        assert_eq!(code, Some(i32::from(withheld > 0)), "{said}");
        assert_eq!(left + withheld + repeated, files(&set).len(), "{said}");
        assert_eq!(files(&out).len(), left, "{said}");
        assert!(!said.contains("panicked"), "{said}");
        left_in_all += left;
        if left > 0 {
            judge_leaks(&set, &out);
        }
    }
    assert!(left_in_all >= least, "only {left_in_all} files could leave");
}

/// A judge that shares no code with efface compares originals with what left.
fn judge_leaks(originals: &Path, left: &Path) {
    let Some(judge) = shared("judges/phi_leak.py") else { return println!("SKIPPED: no judge") };
    let Some(python) = python() else {
        return println!("SKIPPED: no Python with pydicom and pyahocorasick for the leak judge");
    };
    let report = left.with_extension("verdict.json");
    let verdict = Command::new(python)
        .arg(judge)
        .args([originals, left])
        .arg("--json")
        .arg(&report)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("the judge runs");
    let report = std::fs::read(&report).unwrap_or_else(|_| panic!("{}", printed(&verdict)));
    let report: serde_json::Value = serde_json::from_slice(&report).expect("a report");
    let findings = report["findings"].as_array().expect("findings");
    let grave = findings.iter().filter(|finding| {
        let is = |key: &str, words: &[&str]| words.iter().any(|word| finding[key] == *word);
        is("severity", &["critical", "high", "medium"])
            && !EXCUSED.iter().any(|(check, place, _)| {
                is("check", &[check]) && (place.is_empty() || is("where", &[place]))
            })
    });
    let grave: Vec<String> = grave.map(ToString::to_string).collect();
    assert!(grave.is_empty(), "{}: {}", originals.display(), grave.join("\n"));
}

/// Findings of the judge that were looked at: check, place (empty: any), why it is none.
#[rustfmt::skip]
const EXCUSED: [(&str, &str, &str); 7] = [
    ("leak:person", "PatientPosition", "a patient who was named HFS, after how he lay"),
    ("leak:private", "", "technical terms that stand in a private and in a standard element alike"),
    ("leak:text", "ContentLabel", "not in Table E.1-1"),
    ("leak:text", "ContentDescription", "not in Table E.1-1"),
    ("leak:text-token", "PositionReferenceIndicator", "an anatomical word that is in a description too"),
    ("uid:collision", "", "originals whose file meta information names another instance"),
    ("valid:dciodvfy-new-error", "", "the test below says which"),
];

fn python() -> Option<PathBuf> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/bin/python");
    let python = std::env::var_os("EFFACE_TEST_PYTHON").map_or(made, PathBuf::from);
    let imports = Command::new(&python).args(["-c", "import pydicom, ahocorasick"]).output();
    imports.is_ok_and(|output| output.status.success()).then_some(python)
}

#[test]
fn public_files_leave_under_the_basic_profile_or_stay_with_a_reason() {
    every_file_has_a_fate(&Site::basic(), 20);
}

#[test]
fn public_files_leave_with_their_faces_where_a_profile_says_so_or_stay_with_a_reason() {
    every_file_has_a_fate(&Site::leaving_faces(), 200);
}

/// De-identification doesn't make an object worse than it was.
#[test]
fn what_leaves_has_no_error_that_the_original_did_not_have() {
    if !dcmtk::has("dciodvfy") {
        skip!("dciodvfy (dicom3tools) is not installed");
    }
    let site = Site::leaving_faces();
    let Some(sets) = sets(&site.path("in")) else { skip!("no ../shared/data") };
    let (mut judged, mut worse) = (0, BTreeSet::new());
    for set in sets {
        let all = files(&set);
        for original in all.iter().step_by((all.len() / 6).max(1)) {
            let out = site.path("one").join(judged.to_string());
            deid(&site, original, &out);
            let Some(left) = files(&out).pop() else { continue };
            judged += 1;
            let before = errors(original);
            let added = errors(&left).into_iter().filter(|error| !before.contains(error));
            let name = original.strip_prefix(site.path("in")).unwrap().display().to_string();
            worse.extend(added.map(|error| format!("{name}: {error}")));
        }
    }
    assert!(judged > 30, "only {judged} files were judged");
    assert!(worse.is_empty(), "{}", worse.into_iter().collect::<Vec<_>>().join("\n"));
}

fn errors(file: &Path) -> BTreeSet<String> {
    let output = Command::new("dciodvfy").arg(file).output().expect("dciodvfy runs");
    let said = printed(&output);
    let errors = said.lines().filter(|line| line.starts_with("Error"));
    let errors = errors.filter(|line| !KNOWN.iter().any(|element| line.contains(element)));
    // UIDs are others afterwards; what is wrong with them is not.
    errors.map(|line| line.split(" <").next().unwrap_or(line).to_owned()).collect()
}

/// Elements that are emptied though their module wants a value (Type 1): safe, and not conformant.
const KNOWN: [&str; 1] = ["Element=<MetaboliteMapDescription>"];
