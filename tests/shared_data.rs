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

use dicom_dictionary_std::tags;
use efface::deid::pseudonym::Pseudonyms;
use efface::dicom::canonical::Limits;
use efface::dicom::dataset::Dataset;
use efface::dicom::source::Source;
use efface::key::RootKey;
use std::collections::{BTreeMap, BTreeSet};
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

/// The same, with a dozen instances of each long series: their headers hardly differ.
fn thinned_sets(into: &Path) -> Option<Vec<PathBuf>> {
    let sets = sets(into)?;
    for set in &sets {
        let is_series = ["mr_", "neg_", "pet_"].iter().any(|name| {
            set.strip_prefix(into).is_ok_and(|set| set.to_string_lossy().starts_with(name))
        });
        let all = files(set);
        let step = if is_series { (all.len() / 12).max(1) } else { 1 };
        for (_, file) in all.iter().enumerate().filter(|(n, _)| n % step != 0) {
            std::fs::remove_file(file).expect("it is ours");
        }
    }
    Some(sets)
}

/// A shipped profile that lets faces and burned-in text leave, so that something does.
fn opened(shipped: &str) -> Site {
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("profiles/{shipped}.yaml"));
    let profile = std::fs::read_to_string(profile).expect("a shipped profile");
    let face = "  - Clean Recognizable Visual Features";
    let lines: Vec<_> = profile.lines().skip_while(|line| !line.starts_with("options:")).collect();
    let lines: Vec<_> = lines.into_iter().filter(|line| *line != face).collect();
    let none = !lines.iter().any(|line| line.starts_with("  - Clean"));
    let lines = if none { &lines[1..] } else { &lines[..] };
    Site::with_profile(&(LEAVE.to_owned() + &lines.join("\n")))
}

const LEAVE: &str = "\
leave:
  faces: { because: \"public files, nobody is to be protected\" }
  burned_in_text: { because: \"public files, nobody is to be protected\" }
";

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

/// How many pseudonyms of a set the judge tries to find by guessing. They are made in the same way under every profile;
/// guessing takes longer than all else that it does.
enum Guesses {
    Some,
    None,
}

fn every_file_has_a_fate(site: &Site, sets: Option<Vec<PathBuf>>, least: usize, guesses: &Guesses) {
    let Some(sets) = sets else { skip!("no ../shared/data") };
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
        // The engine leaves nothing that the verifier would find.
        assert!(!said.contains("withheld: residue"), "{said}");
        left_in_all += left;
        if left > 0 {
            judge_leaks(site, &set, &out, guesses);
        }
    }
    assert!(left_in_all >= least, "only {left_in_all} files could leave");
}

/// A judge that shares no code with efface compares originals with what left.
fn judge_leaks(site: &Site, originals: &Path, left: &Path, guesses: &Guesses) {
    let Some(judge) = shared("judges/phi_leak.py") else { return println!("SKIPPED: no judge") };
    let Some(safe) = shared("standards/safe-private.json") else {
        return println!("SKIPPED: no list");
    };
    let Some(python) = python() else {
        return println!("SKIPPED: no Python with pydicom and pyahocorasick for the leak judge");
    };
    let (report, pairs) = (left.with_extension("verdict.json"), left.with_extension("pairs.json"));
    std::fs::write(&pairs, serde_json::to_string(&paired(site, originals, left)).unwrap()).unwrap();
    let verdict = Command::new(python)
        .arg(judge)
        .args([originals, left])
        .args(match guesses {
            Guesses::Some => &[][..],
            Guesses::None => &["--crack", "0"],
        })
        .args(["--show-values", "--no-tools", "--json"])
        .arg(&report)
        .arg("--map")
        .arg(pairs)
        .arg("--private-safe")
        .arg(safe)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("the judge runs");
    let report = std::fs::read(&report).unwrap_or_else(|_| panic!("{}", printed(&verdict)));
    let report: serde_json::Value = serde_json::from_slice(&report).expect("a report");
    let findings = report["findings"].as_array().expect("findings");
    let grave = findings.iter().filter(|finding| {
        let begins = |key: &str, with: &str| {
            finding[key].as_str().is_some_and(|text| text.starts_with(with))
        };
        let severity = finding["severity"].as_str().unwrap_or_default();
        ["critical", "high", "medium"].contains(&severity)
            && !EXCUSED.iter().any(|(check, place, value, _)| {
                finding["check"] == *check && begins("where", place) && begins("detail", value)
            })
    });
    let grave: Vec<String> = grave.map(ToString::to_string).collect();
    assert!(grave.is_empty(), "{}: {}", originals.display(), grave.join("\n"));
}

/// Which original became which file, by the names that their instances have: the judge need not guess.
fn paired(site: &Site, originals: &Path, left: &Path) -> BTreeMap<String, String> {
    let root = RootKey::read_file(&site.path("root.key")).expect("a key");
    let pseudonyms = Pseudonyms::new(&root, "files");
    let relative = |file: &Path, to: &Path| file.strip_prefix(to).unwrap().display().to_string();
    let names = files(left)
        .into_iter()
        .filter_map(|file| Some((file.file_stem()?.to_str()?.to_owned(), relative(&file, left))));
    let mut names: BTreeMap<String, String> = names.collect();
    let mut pairs = BTreeMap::new();
    for file in files(originals) {
        let header = Source::of_file(&file).ok().and_then(|s| s.header(Limits::default()).ok());
        let Some(dataset) = header.and_then(|h| Dataset::parse(&h.bytes).ok()) else { continue };
        let instance = dataset.text(tags::SOP_INSTANCE_UID).unwrap_or_default();
        if let Some(name) = names.remove(&pseudonyms.uid(&instance)) {
            pairs.insert(relative(&file, originals), name);
        }
    }
    assert!(names.is_empty(), "{} results are of no original", names.len());
    pairs
}

/// Findings of the judge that were looked at: check, how place and finding begin (empty: any), and
/// why it is none.
#[rustfmt::skip]
const EXCUSED: [(&str, &str, &str, &str); 25] = [
    ("leak:person", "PatientPosition", "HFS", "a patient who was named after how he lay"),
    ("leak:private", "", "1.2.840.10008.", "the UID of a class of the standard"),
    ("leak:private", "SharedFunctionalGroupsSequence", "IEC_", "a defined term of Operating Mode"),
    ("leak:private", "SharedFunctionalGroupsSequence", "STATIC FIELD", "a defined term of Operating Mode Type"),
    ("leak:private", "PulseSequenceName", "", "the maker's name of a pulse sequence, in an element of his own too"),
    ("leak:private", "PositionReferenceIndicator", "Orbital Meatal Line", "a landmark"),
    ("leak:private", "ScanOptions", "Surview", "a kind of scan"),
    ("leak:private", "RadiopharmaceuticalInformationSequence", "FDG -- fluorodeoxyglucose", "a drug"),
    ("leak:private", "", "US KIDNEY", "an examination, in coded entries too"),
    ("leak:private", "", "US CHEST WALL/SOFT TISSUE", "an examination, in coded entries too"),
    // With Clean Descriptors.
    ("leak:private", "StudyDescription", "Tomoscintigrafia PET total body", "an examination"),
    ("leak:private", "AdditionalPatientHistory", "", "diagnoses and no person, looked at; repeated by the maker"),
    ("leak:private", "ReasonForStudy", "", "the same"),
    ("leak:text-token", "PositionReferenceIndicator", "Carotids", "an anatomical word that is in a description too"),
    ("leak:text-token", "PositionReferenceIndicator", "Brain-MRA", "likewise"),
    ("leak:filename", "SeriesDescription", "3DpCASL", "files that are named after the pulse sequence"),
    ("leak:filename", "ProtocolName", "3DpCASL", "likewise"),
    ("leak:filename", "PerformedProtocolCodeSequence", "undefined", "a word in the name of another file"),
    ("leak:date", "VerifyingObserverSequence", "19000101", "a dummy, and the date of birth of a test"),
    ("dates:inconsistent-shift", "patient ?", "", "different patients without Patient ID, and dummies beside dates"),
    ("dates:inconsistent-shift", "patient acrinfltbreast076", "", "19600101 stands for no day: a dummy beside dates"),
    ("pixels:burned-in", "", "", "the profile lets it leave, and the object says so"),
    ("uid:collision", "", "", "originals whose file meta information names another instance"),
    ("uid:inconsistent", "MediaStorageSOPInstanceUID", "", "likewise"),
    ("uid:reference-dropped", "(2001,9000)", "", "it stood in a private element"),
];

fn python() -> Option<PathBuf> {
    support::python_with("pydicom, ahocorasick")
}

#[test]
fn public_files_leave_under_the_basic_profile_or_stay_with_a_reason() {
    let site = Site::basic();
    every_file_has_a_fate(&site, sets(&site.path("in")), 60, &Guesses::None);
}

#[test]
fn public_files_leave_with_their_faces_where_a_profile_says_so_or_stay_with_a_reason() {
    let site = opened("basic");
    every_file_has_a_fate(&site, thinned_sets(&site.path("in")), 200, &Guesses::Some);
}

#[test]
fn public_files_leave_with_cleaned_descriptions_and_reports() {
    let site = opened("teleradiology");
    every_file_has_a_fate(&site, thinned_sets(&site.path("in")), 200, &Guesses::None);
}

#[test]
fn public_files_leave_for_research_with_moved_dates() {
    let site = opened("research-longitudinal");
    every_file_has_a_fate(&site, thinned_sets(&site.path("in")), 200, &Guesses::None);
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
