//! Holes in a profile: a rule that keeps what must go, and a verifier that has to find it.
//!
//! The engine obeys the profile, so nothing but the verifier stands between these values and the
//! outside. Each row is tried with a harmless value too: the same rule lets the object leave then,
//! so it is the value that is found, not the rule.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use support::canary::{assert_clean, assert_clean_files};
use support::files;
use support::gateway::{LEAVE_FACES, Site, efface, printed};
use support::study::{Elements, patient, write_all};

/// Keyword, tag, VR and a value that identifies. Harmless is an empty value: what an element says
/// of nobody.
#[rustfmt::skip]
const HOLES: [(&str, u32, &str, &str); 17] = [
    ("InstitutionName", 0x0008_0080, "LO", "St Vitus Memorial Hospital"),
    ("InstitutionAddress", 0x0008_0081, "ST", "77 Sanatorium Road, Ebbensburg"),
    ("ReferringPhysicianAddress", 0x0008_0092, "ST", "78 Sanatorium Road"),
    ("StationName", 0x0008_1010, "SH", "STVITUS771"),
    ("StudyDescription", 0x0008_1030, "LO", "Liver of Mrs Merriweather"),
    ("SeriesDescription", 0x0008_103E, "LO", "thin axial MERRIWEATHER"),
    ("AdmittingDiagnosesDescription", 0x0008_1080, "LO", "fell down the stairs: Merriweather"),
    ("OtherPatientIDs", 0x0010_1000, "LO", "SSN661902214"),
    ("PatientAddress", 0x0010_1040, "LO", "316 Gooseberry Lane, Ebbensburg"),
    ("PatientTelephoneNumbers", 0x0010_2154, "SH", "+41-5550133"),
    ("IssuerOfPatientID", 0x0010_0021, "LO", "STVITUS-ADT"),
    ("PatientComments", 0x0010_4000, "LT", "born 17 April: MRN-77410001"),
    ("DeviceSerialNumber", 0x0018_1000, "LO", "SN5561207"),
    ("ProtocolName", 0x0018_1030, "LO", "Head of Cordelia Merriweather"),
    ("StudyID", 0x0020_0010, "SH", "SID552019"),
    ("ImageComments", 0x0020_4000, "LT", "MRN-77410001 moved"),
    ("RequestedProcedureDescription", 0x0032_1060, "LO", "CT for Merriweather"),
];

#[test]
fn every_hole_in_a_profile_is_found_by_the_verifier() {
    for (keyword, tag, vr, value) in HOLES {
        let mut slice = patient(0).body_slice(1, 3);
        slice.text(tag, vr, value);
        let (code, said, left) = deid(&kept(keyword), &slice);
        assert_eq!(code, Some(1), "{keyword}: {said}");
        assert!(said.contains("withheld: residue"), "{keyword}: {said}");
        assert_eq!(left, 0, "{keyword} left");
    }
}

#[test]
fn the_same_rules_let_a_value_of_nobody_leave() {
    for (keyword, tag, vr, _) in HOLES {
        let mut slice = patient(0).body_slice(1, 3);
        slice.text(tag, vr, "");
        let (code, said, left) = deid(&kept(keyword), &slice);
        assert_eq!((code, left), (Some(0), 1), "{keyword}: {said}");
    }
}

/// UIDs are mapped whatever a rule says, so that there is no hole to find.
#[test]
fn a_rule_that_keeps_a_uid_does_not_keep_it() {
    let slice = patient(0).body_slice(1, 3);
    let (code, said, left) = deid(&kept("DeviceUID"), &slice);
    assert_eq!((code, left), (Some(0), 1), "{said}");
}

/// An element that is kept in any profile carries the patient's name: no rule is needed for a hole.
#[test]
fn identifying_text_in_an_element_that_no_table_lists_is_found() {
    for (tag, vr, value) in [
        (0x0018_1020, "LO", "sw-12.4 for Merriweather"),
        (0x0018_1210, "SH", "MRN-77410001"),
        (0x0028_1055, "LO", "Cordelia MERRIWEATHER"),
    ] {
        let mut slice = patient(0).body_slice(1, 3);
        assert_eq!(deid("", slice.text(tag, vr, "B30f")), (Some(0), said_of(1), 1));
        let (code, said, left) = deid("", slice.text(tag, vr, value));
        assert_eq!((code, left), (Some(1), 0), "{tag:08X}: {said}");
        assert!(said.contains("withheld: residue"), "{said}");
    }
}

/// One instance's identity in the header of another: the whole study is the witness.
#[test]
fn a_value_of_one_instance_is_found_in_another() {
    let mut one = patient(0).body_slice(1, 3);
    let other = patient(0).body_slice(1, 4);
    one.text(0x0010_1040, "LO", "Quackenbush Manor");
    for (text, code) in [("Quackenbush Manor", Some(1)), ("B30f", Some(0))] {
        let mut other = other.clone();
        other.text(0x0018_1210, "SH", text);
        let site = site("");
        write_all(&site.path("in"), &[one.clone(), other]);
        let output = run(&site);
        assert_eq!(output.status.code(), code, "{}", printed(&output));
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
