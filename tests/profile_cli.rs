//! `efface profile`: what it says of a profile must be what the profile does.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use support::canary::assert_clean;
use support::dcmtk::arrived;
use support::files;
use support::gateway::{HEAD, LEAVE_FACES, Site, ends, printed};
use support::study::{self, patient, write_all, write_body_ct};

#[track_caller]
fn says(said: &str, words: &[&str]) {
    for words in words {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// A profile file with these lines after its head, which has three.
fn written(site: &Site, name: &str, rest: &str) -> String {
    std::fs::write(site.path(name), format!("{HEAD}{rest}")).unwrap();
    site.at(name)
}

const SHIPPED: [&str; 6] = [
    "basic",
    "device-manufacturing",
    "device-facial-bones",
    "teleradiology",
    "research-longitudinal",
    "hipaa-safe-harbor",
];

#[test]
fn every_command_explains_itself() {
    for command in [
        "",
        "list",
        "check",
        "explain",
        "diff",
        "dry-run",
        "conformance",
        "schema",
        "propose",
        "activate",
        "rollback",
        "history",
        "show",
    ] {
        let arguments: Vec<&str> =
            ["profile"].into_iter().chain(command.split_whitespace()).chain(["--help"]).collect();
        let said = ends(&arguments, 0);
        let first = said.lines().next().unwrap_or_default();
        assert!(first.len() > 15 && said.contains("Usage: efface profile"), "{command}: {said}");
    }
    for wrong in [&["profile"][..], &["profile", "check"], &["profile", "diff", "basic"]] {
        assert!(ends(wrong, 2).contains("Usage"), "{wrong:?}");
    }
    says(&ends(&["--help"], 0), &["profile"]);
}

// ------------------------------------------------------------------------------------- list and check

#[test]
fn the_shipped_profiles_are_listed_and_right() {
    let listed = ends(&["profile", "list"], 0);
    assert_eq!(listed.lines().count(), SHIPPED.len());
    let checked = ends(&[&["profile", "check"][..], &SHIPPED].concat(), 0);
    for name in SHIPPED {
        says(&listed, &[name]);
        says(&checked, &[&format!("{name}: profile {name} ")]);
    }
}

#[test]
fn all_mistakes_of_all_files_are_said() {
    let site = Site::basic();
    let good = written(&site, "good.yaml", "rules:\n  - { keyword: Modality, action: X }\n");
    let bad = written(
        &site,
        "bad.yaml",
        "rules:\n  - { keyword: PatientBirthdate, action: X }\n  - { keyword: StudyID, action: K }\n",
    );
    let said = ends(&["profile", "check", &good, &bad, "/nowhere.yaml"], 1);
    says(&said, &["0 options, 1 rules, 0 reasons", "bad.yaml:5:16:", "PatientBirthDate?"]);
    says(&said, &["bad.yaml:6:", "because", "/nowhere.yaml"]);
    ends(&["profile", "check", &good], 0);
}

// --------------------------------------------------------------------------------------------- explain

#[test]
fn an_element_is_explained_with_who_decides_and_why() {
    let explain = |rest: &[&str]| ends(&[&["profile", "explain", "basic"][..], rest].concat(), 0);
    says(&explain(&["PatientBirthDate"]), &["(0010,0030), VR DA", "emptied", "Table E.1-1"]);
    let station = explain(&["StationName", "--sop", "MR"]);
    says(&station, &["MRImageStorage", "removed", "X/Z/D, here X", "Type in MRImageStorage"]);
    let nested = explain(&["(0008,1010)", "--nested"]);
    says(&nested, &["in an item", "X/Z/D, here D", "dummy"]);
    says(&explain(&["PatientID"]), &["pseudonym", "efface itself"]);
    says(&explain(&["EvaluatorName"]), &["emptied", "closed world", "VR PN"]);
    says(&explain(&["(0019,xx0C)", "--creator", "ACME"]), &["removed", "closed world"]);
    says(&explain(&["(0010,9999)"]), &["removed", "dictionary does not know"]);
    says(&explain(&["(6000,3000)"]), &["removed", "overlay groups go, always"]);
    let (typo, class) = (["PatientBirthdate"], ["StudyDate", "--sop", "CTImageStorag"]);
    for (wrong, words) in [(&typo[..], "PatientBirthDate?"), (&class, "CTImageStorage?")] {
        let said = ends(&[&["profile", "explain", "basic"][..], wrong].concat(), 2);
        says(&said, &[words]);
    }
}

#[test]
fn a_rule_is_explained_with_its_place_its_reason_and_what_would_be_without_it() {
    let site = Site::basic();
    let rules = "rules:\n  - { keyword: PatientAge, action: Z, when: { modality: [MR] } }\n  \
                 - { keyword: PatientAge, age_cap: 89, because: \"the study is about age\" }\n  \
                 - { private: { creator: ACME, tag: \"(0019,xx0C)\" }, action: K, because: \"seen with its maker\" }\n";
    let profile = written(&site, "lab.yaml", rules);
    let said = ends(&["profile", "explain", &profile, "PatientAge"], 0);
    says(&said, &["lab.yaml:6:", "ages above 89 years become 90", "the study is about age"]);
    says(
        &said,
        &["without the rule  removed: Table E.1-1", "lab.yaml:5:", "not in such an object"],
    );
    let said = ends(&["profile", "explain", &profile, "PatientAge", "--sop", "MR"], 0);
    says(&said, &["what happens      emptied", "lab.yaml:5:", "an earlier rule decides"]);
    let tag = ["(0019,100C)", "--creator", "ACME"];
    let said = ends(&[&["profile", "explain", &profile][..], &tag].concat(), 0);
    says(&said, &["what happens      kept", "seen with its maker", "without the rule  removed"]);
}

// ------------------------------------------------------------------------------------------------ diff

#[test]
fn what_would_newly_leave_is_said_and_ends_in_1() {
    let site = Site::basic();
    let (a, b) = (
        written(&site, "a.yaml", "options: [Retain Device Identity]\n"),
        written(
            &site,
            "b.yaml",
            "options: [Retain Longitudinal Temporal Information Full Dates]\n\
             leave: { faces: { because: \"phantoms, nobody's face\" } }\n\
             rules:\n  - { keyword: Modality, action: X }\n  \
             - { keyword: PatientAge, action: K, because: \"the study is about age\" }\n",
        ),
    );
    let said = ends(&["profile", "diff", &a, &b], 1);
    let (newly, no_longer) = said.split_once("No longer leaves").unwrap();
    says(newly, &["Newly leaves", "(0008,0020) StudyDate", "(0010,1010) PatientAge"]);
    says(newly, &["the study is about age", "that Table E.1-1 does not list", "faces: "]);
    says(newly, &["Retain Device Identity (113109): no longer in force", "as they are"]);
    says(no_longer, &["(0008,1010) StationName", "(0008,0060) Modality"]);
    let all = ends(&["profile", "diff", "--all", &a, &b], 1);
    assert!(all.lines().count() > said.lines().count() && !all.contains("does not list"));
}

#[test]
fn a_profile_and_its_copy_are_the_same() {
    let site = Site::basic();
    let rules = "rules:\n  - { keyword: Modality, action: X }\n";
    let (a, b) = (written(&site, "a.yaml", rules), written(&site, "b.yaml", rules));
    says(&ends(&["profile", "diff", &a, &b], 0), &["The same leaves under both."]);
    for name in SHIPPED {
        ends(&["profile", "diff", name, name], 0);
    }
    ends(&["profile", "diff", "basic", "/nowhere.yaml"], 2);
}

// ---------------------------------------------------------------------------- conformance and schema

#[test]
fn the_conformance_statement_follows_the_profile() {
    let basic = ends(&["profile", "conformance", "basic"], 0);
    says(&basic, &["2026d", "| Clean Recognizable Visual Features | 113102 | Y | N | Y | Y |"]);
    says(&basic, &["| StationName | (0008,1010) | X/Z/D | D/X | N |", "ISO_IR 192"]);
    says(&basic, &["| PatientBirthDate | (0010,0030) | Z | Z | N | emptied (Table E.1-1) |"]);
    says(&basic, &["| MRImageStorage | 1.2.840.10008.5.1.4.1.1.4 | ", "key of the project"]);
    let rows = basic.lines().filter(|line| line.contains(" | N | ")).count();
    assert!(rows >= 653, "{rows}");
    let hipaa = ends(&["profile", "conformance", "hipaa-safe-harbor"], 0);
    says(&hipaa, &["secret of the patient", "cut to the year", "45 CFR 164.514"]);
}

#[test]
fn the_schema_is_json() {
    let schema: serde_json::Value = serde_json::from_str(&ends(&["profile", "schema"], 0)).unwrap();
    assert_eq!(schema["type"], "object");
    assert!(schema["properties"]["rules"].is_object());
}

// --------------------------------------------------------------------------------------------- dry-run

/// The lines of a dry run about one element.
fn of<'a>(said: &'a str, keyword: &str) -> Vec<&'a str> {
    said.lines().filter(|line| line.split_whitespace().nth(1) == Some(keyword)).collect()
}

#[test]
fn a_dry_run_shows_no_value_and_keeps_nothing() {
    let site = Site::leaving_faces();
    write_body_ct(&site.path("in"), &patient(0), 1, 3);
    let before = files(&site.path("in")).len();
    let temporary = site.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_efface"))
        .args(["profile", "dry-run", &site.profile, &site.at("in")])
        .env("TMPDIR", &temporary)
        .output()
        .unwrap();
    let said = printed(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(files(&temporary).is_empty() && std::fs::read_dir(&temporary).unwrap().count() == 0);
    assert_eq!(files(&site.path("in")).len(), before);
    says(&said, &["a key was thrown", "2 more of its series", "the verifier found nothing"]);
    says(&said, &["3 would leave, 0 would be withheld", "the pixels: unchanged"]);
    says(of(&said, "PatientName")[0], &["PN, ", "characters", "efface itself"]);
    says(of(&said, "StudyDescription")[0], &["LO, ", " - ", "X Table E.1-1"]);
    says(of(&said, "Rows")[0], &["unchanged", "K nothing speaks against it"]);
    // The names of files are the tester's own: they hold UIDs.
    let lines = said.lines().filter(|line| !line.contains(".dcm"));
    assert_clean("a dry run", lines.collect::<Vec<_>>().join("\n").as_bytes());
    let all = ends(&["profile", "dry-run", "--all", &site.profile, &site.at("in")], 0);
    assert_eq!(all.matches("the verifier found nothing").count(), 3);
}

#[test]
fn values_are_shown_when_asked_for_but_names_and_uids_are_not() {
    let site = Site::leaving_faces();
    write_body_ct(&site.path("in"), &patient(0), 1, 1);
    let key = ["--key-file", &site.at("root.key")];
    let run = ["profile", "dry-run", "--show-values", &site.profile, &site.at("in")];
    let said = ends(&[&run[..], &key].concat(), 0);
    says(of(&said, "StudyDate")[0], &["20230711"]);
    assert!(!said.contains("thrown"));
    for somebody in ["MERRIWEATHER^", "HUMPERDINCK^", "SPLENDORIO"] {
        assert!(!said.contains(somebody), "{somebody}: {said}");
    }
    let lines = said.lines().filter(|line| line.contains("StudyInstanceUID"));
    assert!(lines.clone().count() > 0 && lines.clone().all(|line| line.contains("UI, ")));
    // With the key, the pseudonym is the one that really leaves.
    ends(
        &[
            "deid",
            &site.at("in"),
            "-o",
            &site.at("out"),
            "--profile",
            &site.profile,
            key[0],
            key[1],
        ],
        0,
    );
    let left = &arrived(&site.path("out"))[0];
    says(of(&said, "PatientID")[0], &[&left.text("PatientID")]);
}

#[test]
fn a_dry_run_says_what_would_stay_inside_and_why() {
    let site = Site::leaving_faces();
    let held = patient(0).image_of(study::SECONDARY_CAPTURE, 2, 1);
    write_all(&site.path("in"), &[patient(0).body_slice(1, 1), held]);
    std::fs::write(site.path("in/notes.txt"), "no DICOM file").unwrap();
    let said = ends(&["profile", "dry-run", &site.profile, &site.at("in")], 1);
    says(&said, &["1 would leave, 2 would be withheld", "would be withheld: class-policy"]);
    says(&said, &["withheld: malformed (1 files)", "notes.txt", "did not get so far"]);
}

#[test]
fn a_rule_is_named_where_it_decided() {
    let site = Site::basic();
    let rules = format!("{LEAVE_FACES}rules:\n  - {{ keyword: BodyPartExamined, action: X }}\n");
    let profile = written(&site, "lab.yaml", &rules);
    write_body_ct(&site.path("in"), &patient(0), 1, 1);
    let said = ends(&["profile", "dry-run", &profile, &site.at("in")], 0);
    says(of(&said, "BodyPartExamined")[0], &["CS, 7 characters", " - ", "X rule ", "lab.yaml:6:"]);
}

// ------------------------------------------------------------------------------------------- for programs

#[test]
fn what_is_said_of_profiles_is_there_as_json_too() {
    let json = |arguments: &[&str], code| -> serde_json::Value {
        serde_json::from_str(&ends(&[arguments, &["--json"]].concat(), code)).unwrap()
    };
    assert_eq!(json(&["profile", "list"], 0).as_array().unwrap().len(), SHIPPED.len());
    let site = Site::basic();
    let bad = written(&site, "bad.yaml", "rules:\n  - { keyword: PatientBirthdate, action: X }\n");
    let checked = json(&["profile", "check", "basic", &bad, "/nowhere.yaml"], 1);
    assert_eq!(checked[0]["profile"]["name"], "basic");
    let mistake = &checked[1]["mistakes"][0];
    assert_eq!((&mistake["line"], &mistake["column"]), (&5.into(), &16.into()), "{checked}");
    assert!(mistake["what"].as_str().unwrap().contains("did you mean PatientBirthDate?"));
    assert_eq!(checked[2]["profile"], serde_json::Value::Null);
    let diff = json(&["profile", "diff", "basic", "teleradiology"], 1);
    let group = &diff["groups"][0];
    assert_eq!(group["kind"], "newly-leaves");
    assert!(group["count"].as_u64().unwrap() > 10 && !group["headings"][0]["after"].is_null());
    let explained = json(&["profile", "explain", "basic", "PatientBirthDate"], 0);
    says(&explained.to_string(), &["(0010,0030), VR DA", "[\"what happens\",\"emptied\"]"]);
    let site = Site::leaving_faces();
    write_body_ct(&site.path("in"), &patient(0), 1, 2);
    let run = ["profile", "dry-run", &site.profile, &site.at("in")];
    let mut tried = json(&run, 0);
    assert_eq!((&tried["leave"], &tried["objects"][0]["more"]), (&2.into(), &1.into()));
    // The names of files are the tester's own: they hold UIDs.
    tried["objects"][0]["file"].take();
    assert_clean("a dry run", tried.to_string().as_bytes());
    ends(&[&run[..], &["--json", "--show-values"]].concat(), 2);
}
