//! Sabotage: holes in a profile, rules that the engine forgets, an engine that does something else
//! than it says.
//!
//! What a site's rule keeps leaves without names, numbers and places of the study (here); every rule
//! of the standard that the engine would drop is noticed by the verifier (`table`), and so is what
//! else an engine can do (`engine`).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

#[path = "sabotage/canary.rs"]
mod canary;
#[path = "sabotage/engine.rs"]
mod engine;
mod support;
#[path = "sabotage/table.rs"]
mod table;
#[path = "sabotage/trial.rs"]
mod trial;

use support::canary::{assert_clean, assert_clean_files};
use support::files;
use support::gateway::{LEAVE_FACES, Site, efface, printed};
use support::study::{Elements, patient, write_all};

/// Keyword, tag, VR, what the element is about, and the same with something that it is not about: a
/// name, a number or a place of the study.
#[rustfmt::skip]
const HOLES: [(&str, u32, &str, &str, &str); 14] = [
    ("InstitutionName", 0x0008_0080, "LO", "Quillfeather Clinic", "ward of Merriweather"),
    ("InstitutionAddress", 0x0008_0081, "ST", "12 Quillfeather Row", "12 Quillfeather Row, MRN-77410001"),
    ("StationName", 0x0008_1010, "SH", "QFCT04", "QFCT04 Lindqvist"),
    ("StudyDescription", 0x0008_1030, "LO", "Zenkerian diverticulum", "Liver of Mrs Merriweather"),
    ("SeriesDescription", 0x0008_103E, "LO", "thin axial Zenkerian", "thin axial MERRIWEATHER"),
    ("AdmittingDiagnosesDescription", 0x0008_1080, "LO", "Zenkerian diverticulum", "as told by Dr Humperdinck"),
    ("PatientComments", 0x0010_4000, "LT", "very Zenkerian of late", "born 17 April: MRN-77410001"),
    ("DeviceSerialNumber", 0x0018_1000, "LO", "QF884411", "QF884411 of Splendorio"),
    ("ProtocolName", 0x0018_1030, "LO", "Zenkerian routine", "Head of Cordelia Merriweather"),
    ("StudyID", 0x0020_0010, "SH", "QF7710", "QF7710 ACC88040317"),
    ("ImageComments", 0x0020_4000, "LT", "the Zenkerian moved", "MRN-77410001 moved"),
    ("RequestedProcedureDescription", 0x0032_1060, "LO", "CT Zenkerian", "CT for Merriweather"),
    ("Occupation", 0x0010_2180, "SH", "Quillfeatherer", "at Gooseberry"),
    ("ContrastBolusAgent", 0x0018_0010, "LO", "Zenkeropaque", "Zenkeropaque Wigglesworth"),
];

/// What a rule keeps leaves cleaned: its own text, and nothing else of the study.
#[test]
fn what_a_rule_keeps_leaves_without_names_numbers_and_places() {
    for (keyword, tag, vr, _, said) in HOLES {
        let mut slice = patient(0).body_slice(1, 3);
        slice.text(tag, vr, said);
        // Whether it leaves or not: `deid` searches all that left.
        let (code, printed, left) = deid(&kept(keyword), &slice);
        assert_eq!((code, left), (Some(0), 1), "{keyword}: {printed}");
    }
}

#[test]
fn what_a_rule_keeps_leaves_with_what_it_is_about() {
    for (keyword, tag, vr, own, _) in HOLES {
        let mut slice = patient(0).body_slice(1, 3);
        slice.text(tag, vr, own);
        let (code, printed, left) = deid(&kept(keyword), &slice);
        assert_eq!((code, left), (Some(0), 1), "{keyword}: {printed}");
    }
}

/// Where the element's own value is a number of the patient or an address, no rule lets it leave.
#[test]
fn numbers_of_the_patient_never_leave() {
    for (keyword, tag, vr, value) in [
        ("OtherPatientIDs", 0x0010_1000, "LO", "SSN661902214"),
        ("MedicalRecordLocator", 0x0010_1090, "LO", "MRL-5518"),
        ("InsurancePlanIdentification", 0x0010_1050, "LO", "756.1234.5678.97"),
        ("PatientAddress", 0x0010_1040, "LO", "316 Gooseberry Lane, Ebbensburg"),
        ("PatientTelephoneNumbers", 0x0010_2154, "SH", "+41-5550133"),
    ] {
        let mut slice = patient(0).body_slice(1, 3);
        slice.text(tag, vr, value);
        let site = site(&kept(keyword));
        write_all(&site.path("in"), &[slice]);
        run(&site);
        assert_clean_files(&site.path("out"));
        for file in files(&site.path("out")) {
            let bytes = std::fs::read(&file).unwrap();
            let found = bytes.windows(value.len()).any(|window| window == value.as_bytes());
            assert!(!found, "{keyword}");
        }
    }
}

#[test]
fn a_rule_that_keeps_a_uid_is_refused() {
    let site = site(&kept("DeviceUID"));
    write_all(&site.path("in"), &[patient(0).body_slice(1, 3)]);
    assert_eq!(run(&site).status.code(), Some(2));
}

/// An element that is kept in any profile carries the patient's name: it leaves without.
#[test]
fn identifying_text_in_an_element_that_no_table_lists_is_cleaned() {
    for (tag, vr, value) in [
        (0x0018_1020, "LO", "sw-12.4 for Merriweather"),
        (0x0018_1210, "SH", "MRN-77410001"),
        (0x0028_1055, "LO", "Cordelia MERRIWEATHER"),
        (0x0018_0024, "SH", "flash Humperdinck"),
    ] {
        let mut slice = patient(0).body_slice(1, 3);
        assert_eq!(deid("", slice.text(tag, vr, "B30f")), (Some(0), said_of(1), 1));
        assert_eq!(deid("", slice.text(tag, vr, value)), (Some(0), said_of(1), 1), "{tag:08X}");
    }
}

/// One instance's identity in the header of another: the whole study is known to the engine, and the
/// whole study is the witness.
#[test]
fn a_value_of_one_instance_does_not_leave_in_another() {
    let mut one = patient(0).body_slice(1, 3);
    let mut other = patient(0).body_slice(1, 4);
    one.text(0x0010_1040, "LO", "Quackenbush Manor");
    other.text(0x0018_1210, "SH", "Quackenbush");
    let site = site("");
    write_all(&site.path("in"), &[one, other]);
    let output = run(&site);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let left = files(&site.path("out"));
    assert_eq!(left.len(), 2);
    for file in left {
        let bytes = std::fs::read(&file).unwrap().to_ascii_lowercase();
        assert!(!bytes.windows(11).any(|window| window == b"quackenbush"));
    }
}

#[test]
fn names_dates_and_times_cannot_be_kept_at_all() {
    for keyword in [
        "OperatorsName",
        "ReferringPhysicianName",
        "PatientName",
        "PatientID",
        "AccessionNumber",
        "PatientBirthDate",
        "StudyDate",
        "AcquisitionDateTime",
        "StudyTime",
    ] {
        let site = site(&kept(keyword));
        write_all(&site.path("in"), &[patient(0).body_slice(1, 3)]);
        let output = run(&site);
        assert_eq!(output.status.code(), Some(2), "{keyword}: {}", printed(&output));
        assert!(!site.path("out").exists(), "{keyword}");
    }
}

fn kept(keyword: &str) -> String {
    format!("rules:\n  - {{ keyword: {keyword}, action: K, because: \"a hole for a test\" }}\n")
}

fn site(rules: &str) -> Site {
    Site::with_profile(&format!("{LEAVE_FACES}{rules}"))
}

fn said_of(left: usize) -> String {
    format!("{left} de-identified, 0 withheld, 0 repeated\n")
}

/// Exit code, what was printed, and how many files left.
fn deid(rules: &str, slice: &Elements) -> (Option<i32>, String, usize) {
    let site = site(rules);
    write_all(&site.path("in"), std::slice::from_ref(slice));
    let output = run(&site);
    assert_clean_files(&site.path("out"));
    (output.status.code(), printed(&output), files(&site.path("out")).len())
}

fn run(site: &Site) -> std::process::Output {
    let output = efface(&[
        "deid",
        &site.at("in"),
        "--out",
        &site.at("out"),
        "--profile",
        &site.profile,
        "--key-file",
        &site.at("root.key"),
    ]);
    // The paths of the inputs are the caller's own words.
    let said = printed(&output).replace(&site.at("in"), "");
    let lines = said.lines().filter(|line| !line.trim_end().ends_with(".dcm"));
    assert_clean("what was printed", lines.collect::<Vec<_>>().join("\n").as_bytes());
    output
}
