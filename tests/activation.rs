//! Profiles that take the place of others while the gateway runs: by two people, from one study to the next, over kills and
//! restarts, and back again.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;
use support::canary::{assert_clean, assert_clean_files};
use support::dcmtk::{self, Outside, deliver};
use support::gateway::{Gateway, HEAD, LEAVE_FACES, Site, ends, program};
use support::house::House;
use support::study::{self, patient, write_all, write_body_ct};
use support::{Seeded, until};

const KEEP_SEX: &str =
    "rules:\n  - { keyword: PatientSex, action: K, because: \"the trial compares them\" }\n";
const KEEP_AGE: &str =
    "rules:\n  - { keyword: PatientAge, action: K, because: \"the trial is about age\" }\n";
const LESS: &str = "rules:\n  - { keyword: Modality, action: X }\n";

/// Writes a profile that leaves faces and has these rules.
fn written(site: &Site, name: &str, rules: &str) -> String {
    std::fs::write(site.path(name), format!("{HEAD}{LEAVE_FACES}{rules}")).unwrap();
    site.at(name)
}

#[track_caller]
fn propose(house: &House, name: &str, rules: &str) -> String {
    let file = written(&house.site, name, rules);
    let because = ["--because", "the trial needs it"];
    house.at_site(&[&["profile", "propose", &file, "--for", "lab"][..], &because].concat(), 0)
}

/// What `efface profile history lab` says, as JSON.
#[track_caller]
fn history(house: &House) -> Value {
    serde_json::from_str(&house.at_site(&["profile", "history", "lab", "--json"], 0)).unwrap()
}

/// Version and plan that are in force; 0: the configuration's.
#[track_caller]
fn in_force(house: &House) -> (u64, String) {
    let known = &history(house)["in_force"];
    (known["version"].as_u64().unwrap_or(0), known["plan"].as_str().unwrap().to_owned())
}

/// Records of the log of one kind.
fn records(house: &House, kind: &str) -> Vec<Value> {
    let exported = house.site.ask(&["audit", "export", "--format", "jsonl"]);
    let records = exported.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records.filter(|record| record["event"] == kind).collect()
}

/// The digests under which studies were released.
fn plans(house: &House) -> Vec<String> {
    let released = records(house, "released");
    released.iter().map(|record| record["plan"].as_str().unwrap().to_owned()).collect()
}

/// Two of three sign what an activation asks for.
#[track_caller]
fn agreed(house: &House, version: &str, request: &str) {
    let file = house.site.at(request);
    house.at_site(&["profile", "activate", "lab", version, "--ask", &file], 0);
    house.sign(request, "anna", 0);
    house.sign(request, "carl", 0);
}

#[track_caller]
fn activate(house: &House, version: &str, request: &str, code: i32) -> String {
    let file = house.site.at(request);
    house.at_site(&["profile", "activate", "lab", version, "--approval", &file], code)
}

#[test]
fn the_next_study_leaves_under_the_profile_that_two_people_agreed_to() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut house = House::new();
    let outside = Outside::start(&house.site.sink());
    house.ports[1] = outside.port;
    house.configure(&house.lines);
    let mut gateway = house.start();
    let mut sent = 0;
    // Sends one more study; what it says of the patient's sex when it has arrived.
    let mut next = |gateway: &Gateway| {
        sent += 1;
        let folder = house.site.path(&format!("pacs/{sent}"));
        deliver(gateway.port, &write_body_ct(&folder, &patient(0), sent, 1));
        let arrived = outside.wait_for(sent as usize);
        house.site.settled();
        arrived.iter().filter(|one| one.text("PatientSex") == "F").count()
    };
    assert_eq!(next(&gateway), 0);
    let (_, old) = in_force(&house);
    let said = propose(&house, "sex.yaml", KEEP_SEX);
    for words in ["Newly leaves (1)", "(0010,0040) PatientSex", "version 1 is kept as a draft"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    propose(&house, "age.yaml", KEEP_AGE);
    // Not by one person, not by one signature, not by what was agreed to about something else, and not when it was changed.
    let alone = house.at_site(&["profile", "activate", "lab", "1"], 2);
    assert!(alone.contains("2 of anna, bert, carl must agree"), "{alone}");
    let asked = house.site.at("one");
    house.at_site(&["profile", "activate", "lab", "1", "--ask", &asked], 0);
    house.sign("one", "bert", 0);
    assert!(activate(&house, "1", "one", 2).contains("only bert has"));
    agreed(&house, "2", "other");
    assert!(activate(&house, "1", "other", 2).contains("asked for something else"));
    agreed(&house, "1", "both");
    let signed = std::fs::read_to_string(house.site.path("both")).unwrap();
    std::fs::write(house.site.path("forged"), signed.replace("PatientSex", "PatientAge")).unwrap();
    activate(&house, "1", "forged", 2);
    assert_eq!((in_force(&house), next(&gateway)), ((0, old.clone()), 0));
    // By two.
    assert!(activate(&house, "1", "both", 0).contains("version 1"));
    let (version, new) = in_force(&house);
    assert!(version == 1 && new != old);
    assert_eq!(next(&gateway), 1);
    assert_eq!(plans(&house), [&*old, &*old, &*new]);
    assert!(activate(&house, "1", "both", 2).contains("in force already"));
    let told = history(&house);
    assert_eq!(told["activations"][0]["agreed"], serde_json::json!(["anna", "carl"]), "{told}");
    assert_eq!(told["versions"][0]["because"], "the trial needs it");
    // It is not the configuration's, and everybody says so; a restart keeps it.
    assert!(gateway.terminate().success());
    let config = house.site.at("efface.yaml");
    let doctor = program().args(["doctor", "--offline", "--config", &config]).output().unwrap();
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    let status = house.site.ask(&["status", "--config", &config]);
    for said in [house.at_site_check(), status, doctor] {
        assert!(said.contains("version 1 of those kept here, not the configuration's"), "{said}");
    }
    let mut gateway = house.start();
    assert_eq!(next(&gateway), 2);
    // Back, which is plainly stricter and needs nobody; and there again, which needs two who agree to it once more.
    house.at_site(&["profile", "rollback", "lab", "configuration"], 0);
    assert_eq!((in_force(&house), next(&gateway)), ((0, old.clone()), 2));
    assert!(activate(&house, "1", "both", 2).contains("used before"));
    agreed(&house, "1", "again");
    activate(&house, "1", "again", 0);
    assert!(house.at_site(&["profile", "rollback", "lab", "2"], 2).contains("not older"));
    assert_eq!(next(&gateway), 3);
    assert_eq!(plans(&house), [&*old, &*old, &*new, &*new, &*old, &*new]);
    assert!(gateway.terminate().success());
    assert_clean_files(&outside.folder);
}

#[test]
fn what_is_in_work_ends_under_the_profile_under_which_it_began() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut house = House::of(Site::basic());
    let outside = Outside::start(&house.site.sink());
    house.ports[1] = outside.port;
    house.configure("");
    let mut gateway = house.start();
    let (_, old) = in_force(&house);
    let file = house.site.at("less.yaml");
    let basic = ends(
        &["profile", "show", "lab", "configuration", "--config", &house.site.at("efface.yaml")],
        0,
    );
    std::fs::write(&file, basic.replace("\nrules: []\n", &format!("\n{LESS}"))).unwrap();
    house.at_site(&["profile", "propose", &file, "--for", "lab", "--because", "not asked for"], 0);
    let slices = patient(1).head_ct(1);
    deliver(gateway.port, &write_all(&house.site.path("pacs"), &slices));
    until("a worker has it", || !gateway.children("work").is_empty());
    house.at_site(&["profile", "activate", "lab", "1"], 0);
    let arrived = outside.wait_for(slices.len());
    assert!(arrived.iter().all(|one| one.text("Modality") == "CT"));
    house.site.settled();
    assert_eq!(plans(&house), [old]);
    let folder = house.site.path("then");
    deliver(gateway.port, &write_body_ct(&folder, &patient(0), 2, 20));
    outside.wait_for(slices.len() + 20);
    house.site.settled();
    assert_eq!(plans(&house).last(), Some(&in_force(&house).1));
    assert!(gateway.terminate().success());
}

#[test]
fn a_kill_at_any_moment_leaves_the_one_or_the_other() {
    let house = House::new();
    house.configure("");
    house.runs();
    propose(&house, "sex.yaml", KEEP_SEX);
    propose(&house, "age.yaml", KEEP_AGE);
    let command = |version: u64| {
        let mut command = program();
        command.args(["profile", "activate", "lab", &version.to_string()]);
        command.args(["--config", &house.site.at("efface.yaml")]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut seeded = Seeded(20);
    let mut outcomes = [0; 2];
    for round in 0..24 {
        let before = in_force(&house);
        let to = if before.0 == 1 { 2 } else { 1 };
        let moment = Duration::from_millis(seeded.below(120));
        let done = if round % 2 == 0 {
            // The gateway is killed. The command does it itself then, or says that it was not done.
            let gateway = house.start();
            let mut child = command(to);
            std::thread::sleep(moment);
            gateway.kill();
            child.wait().unwrap().success()
        } else {
            // The command is killed, which does it itself where no gateway runs.
            let mut child = command(to);
            std::thread::sleep(moment);
            // It may have ended.
            let _ = child.kill();
            child.wait().unwrap().success()
        };
        house.runs();
        let after = in_force(&house);
        assert!(after == before || after.0 == to, "{before:?} -> {after:?}");
        assert!(!done || after.0 == to, "what was said to be in force is not");
        outcomes[usize::from(after.0 == to)] += 1;
        // What started is what is in force, and the log knows it.
        let started = records(&house, "started");
        let under = started.last().unwrap()["profiles"][0].as_str().unwrap().to_owned();
        assert!(under.ends_with(&after.1), "{under}: {after:?}");
        let told = history(&house);
        let last = told["activations"].as_array().unwrap().last().map(|one| one["version"].clone());
        assert!(last.is_none_or(|version| version == after.0), "{told}");
    }
    println!("{} kept, {} changed", outcomes[0], outcomes[1]);
    house.site.ask(&["audit", "verify"]);
}

#[test]
fn what_is_kept_and_was_damaged_starts_nothing() {
    let house = House::new();
    house.runs();
    propose(&house, "sex.yaml", KEEP_SEX);
    agreed(&house, "1", "both");
    activate(&house, "1", "both", 0);
    house.runs();
    let file = house.site.state().join("profiles/lab/register");
    let good = std::fs::read_to_string(&file).unwrap();
    let refused = |words: &str| {
        let said = house.at_site(&["serve"], 2);
        assert!(said.contains(words), "{said}");
        let doctor = house.at_site(&["doctor", "--offline"], 1);
        assert!(doctor.contains("the next start is refused"), "{doctor}");
    };
    // One word of a rule that is in force; a file that is gone; one that holds another draft under its number.
    std::fs::write(&file, good.replace("PatientSex", "PatientAge")).unwrap();
    refused("was damaged or changed");
    std::fs::remove_file(&file).unwrap();
    refused("is not there as it was put in force");
    propose(&house, "age.yaml", KEEP_AGE);
    refused("is not there as it was put in force");
    std::fs::write(&file, &good).unwrap();
    house.runs();
    // The record of what is in force, put back to what it was before: the log knows better.
    let record = house.site.state().join("policy");
    let newest = std::fs::read(&record).unwrap();
    house.at_site(&["profile", "rollback", "lab", "configuration"], 0);
    std::fs::write(&record, &newest).unwrap();
    assert!(house.at_site(&["serve"], 2).contains("not what was in force"));
}

#[test]
fn a_configuration_that_was_changed_since_waits_for_somebody_to_say_which_is_to_hold() {
    let house = House::new();
    house.configure("");
    let mut gateway = house.start();
    propose(&house, "sex.yaml", KEEP_SEX);
    house.at_site(&["profile", "activate", "lab", "1"], 0);
    let original = std::fs::read_to_string(house.site.path("profile.yaml")).unwrap();
    // A word of explanation changes nothing.
    std::fs::write(house.site.path("profile.yaml"), format!("# Faces leave.\n{original}")).unwrap();
    assert!(gateway.terminate().success());
    house.runs();
    let mut gateway = house.start();
    written(&house.site, "profile.yaml", LESS);
    // The gateway that runs has not read it; a command that has must not go on as if both had the same.
    let said = house.at_site(&["profile", "activate", "lab", "configuration"], 2);
    assert!(said.contains("restart the gateway"), "{said}");
    assert!(gateway.terminate().success());
    let said = house.at_site(&["serve"], 2);
    assert!(said.contains("Say which is to hold"), "{said}");
    assert!(ends(&["config", "check", &house.site.at("efface.yaml")], 2).contains("Say which"));
    // Either can be said, in advance of the start.
    house.at_site(&["profile", "activate", "lab", "1"], 0);
    house.runs();
    assert_eq!(in_force(&house).0, 1);
    house.at_site(&["profile", "activate", "lab", "configuration"], 0);
    house.runs();
    assert_eq!(in_force(&house).0, 0);
    assert!(house.at_site(&["profile", "show", "lab", "configuration"], 0).contains("Modality"));
}

#[test]
fn a_profile_is_tried_on_a_study_that_is_held() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut house = House::of(Site::basic());
    let outside = Outside::start(&house.site.sink());
    house.ports[1] = outside.port;
    house.configure("");
    let mut gateway = house.start();
    let knee = patient(0).image_of(study::MR, 1, 1);
    deliver(gateway.port, &write_all(&house.site.path("knee"), &[knee]));
    until("it is in quarantine", || house.site.count("in quarantine").1 == 1);
    let listed = house.site.ask(&["quarantine", "ls"]);
    let name = listed.split_whitespace().next().unwrap();
    let proposed = written(&house.site, "faces.yaml", KEEP_SEX);
    let state = house.site.state().display().to_string();
    let run = |profile: &str, code| -> Value {
        let command = ["profile", "dry-run", profile, "--batch", name, "--state", &state, "--json"];
        let said = ends(&command, code);
        assert_clean("a dry run", said.as_bytes());
        serde_json::from_str(&said).unwrap()
    };
    let now = run("basic", 1);
    assert_eq!(
        (&now["leave"], &now["withheld"][0]["code"]),
        (&0.into(), &"face-not-cleared".into())
    );
    let then = run(&proposed, 0);
    assert_eq!((&then["leave"], &then["objects"][0]["withheld"]), (&1.into(), &Value::Null));
    let elements = then["objects"][0]["elements"].as_array().unwrap();
    let of = |keyword: &str| {
        let named = |one: &&Value| one["path"].as_str().unwrap().ends_with(keyword);
        elements.iter().find(named).unwrap()
    };
    assert_eq!(of("PatientSex")["after"], "unchanged");
    assert_eq!(of("StudyDescription")["action"], "X");
    assert_eq!(house.site.count("in quarantine").1, 1, "it stays where it was");
    ends(&["profile", "dry-run", "basic", "--batch", "../work", "--state", &state], 2);
    assert!(gateway.terminate().success());
}
