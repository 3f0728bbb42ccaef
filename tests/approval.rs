//! What one person alone may not do, as people type it: to a gateway that runs, to one that does not, and at its start.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use std::collections::BTreeSet;
use support::canary::assert_clean_files;
use support::dcmtk::{self, Outside, deliver, free_port};
use support::gateway::{HEAD, LEAVE_FACES, Site, ends};
use support::house::House;
use support::study::{self, patient, write_all};
use support::until;

#[test]
fn an_objection_is_lifted_by_two_people_once() {
    let house = House::new();
    house.runs();
    let file = |name: &str| house.site.at(name);
    let add = || house.at_site(&["objection", "add", "--id", "ZYX-1"], 0);
    let lift = |more: &[&str], code| {
        house.at_site(&[&["objection", "lift", "--id", "ZYX-1"], more].concat(), code)
    };
    add();
    assert!(lift(&[], 2).contains("2 of anna, bert, carl must agree"));
    let asked = lift(&["--ask", &file("request")], 0);
    assert!(asked.contains("lift the objection") && !asked.contains("ZYX"), "{asked}");
    let given = |code| lift(&["--approval", &file("request")], code);
    assert!(given(2).contains("nobody of those who may has"));
    house.sign("request", "anna", 0);
    assert!(given(2).contains("only anna has"));
    assert!(house.sign("request", "anna", 2).contains("somebody else must"));
    assert!(given(2).contains("only anna has"));
    house.sign("request", "carl", 0);
    let shown = ends(&["approval", "show", &file("request")], 0);
    assert!(shown.contains("lift the objection"), "{shown}");
    // For one patient, once: whether the gateway runs or not.
    house.at_site(&["objection", "add", "--id", "ZYX-2"], 0);
    let other = ["objection", "lift", "--id", "ZYX-2", "--approval", &file("request")];
    assert!(house.at_site(&other, 2).contains("asked for something else"));
    assert!(given(0).contains("1 lifted"));
    add();
    assert!(given(2).contains("used before"));
    let mut gateway = house.start();
    assert!(given(2).contains("used before"));
    lift(&["--ask", &file("again")], 0);
    house.sign("again", "bert", 0);
    house.sign("again", "anna", 0);
    assert!(lift(&["--approval", &file("again")], 0).contains("1 lifted"));
    assert!(lift(&["--approval", &file("again")], 2).contains("used before"));
    assert!(gateway.terminate().success());
    let log = house.log();
    for words in ["agreed anna and carl", "agreed anna and bert"] {
        assert_eq!(log.matches(words).count(), 1, "{log}");
    }
}

#[test]
fn who_all_patients_are_is_taken_out_by_two_people() {
    let house = House::new();
    house.runs();
    let (request, out) = (house.site.at("request"), house.site.at("lab.jsonl"));
    let export = |more: &[&str], code| {
        let export = ["crosswalk", "export", "--project", "lab", "-o", &out];
        house.at_site(&[&export, more].concat(), code)
    };
    assert!(export(&[], 2).contains("2 of anna, bert, carl must agree"));
    assert!(export(&["--ask", &request], 0).contains("project lab"));
    house.sign("request", "anna", 0);
    assert!(export(&["--approval", &request], 2).contains("only anna has"));
    assert!(!house.site.path("lab.jsonl").exists());
    house.sign("request", "bert", 0);
    export(&["--approval", &request], 0);
    assert!(house.site.path("lab.jsonl").exists());
    assert!(house.log().contains("agreed anna and bert"));
}

#[test]
fn a_looser_configuration_starts_when_two_people_agree() {
    let house = House::new();
    house.runs();
    house.runs();
    let refused = |words: &str| {
        let said = house.at_site(&["serve"], 2);
        assert!(said.contains("two people must agree") && said.contains(words), "{said}");
    };
    // A destination that is somewhere else, and somebody who would rather not be asked.
    let elsewhere = [house.ports[0], free_port(), house.ports[2]];
    house.site.configure(elsewhere, &house.lines);
    refused("destination lab, address");
    house.configure("");
    refused("no longer agrees to anything");
    // A weaker profile.
    house.configure(&house.lines);
    let weaker = format!(
        "{HEAD}{LEAVE_FACES}rules:\n  - {{ keyword: PatientSex, action: K, because: \"for a trial\" }}\n"
    );
    std::fs::write(house.site.path("profile.yaml"), weaker).unwrap();
    refused("(0010,0040) PatientSex");
    let checked = house.at_site_check();
    assert!(checked.contains("Two people must agree"), "{checked}");
    house.at_site(&["approval", "change", "--ask", &house.site.at("change")], 0);
    let submit = |code| house.at_site(&["approval", "submit", &house.site.at("change")], code);
    assert!(submit(2).contains("nobody of those who may"));
    house.sign("change", "bert", 0);
    house.sign("change", "carl", 0);
    submit(0);
    house.runs();
    house.runs();
    let log = house.log();
    assert_eq!(log.matches("agreed bert and carl").count(), 1, "{log}");
    // What is plainly stricter needs nobody; and what was agreed to is spent.
    let weaker = std::fs::read(house.site.path("profile.yaml")).unwrap();
    std::fs::write(house.site.path("profile.yaml"), format!("{HEAD}{LEAVE_FACES}")).unwrap();
    house.runs();
    assert!(house.log().contains("1 elements no longer leave"), "{}", house.log());
    std::fs::write(house.site.path("profile.yaml"), weaker).unwrap();
    refused("(0010,0040) PatientSex");
}

#[test]
fn what_two_people_have_looked_at_leaves_and_nothing_else() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut house = House::of(Site::basic());
    let outside = Outside::start(&house.site.sink());
    house.ports[1] = outside.port;
    house.configure(&house.lines);
    let mut gateway = house.start();
    for (n, class) in [study::MR, study::SECONDARY_CAPTURE].into_iter().enumerate() {
        let held = patient(0).image_of(class, n as u32 + 1, 1);
        deliver(gateway.port, &write_all(&house.site.path("held"), &[held]));
    }
    until("both are in quarantine", || house.site.count("in quarantine").1 == 2);
    let listed = house.site.ask(&["quarantine", "ls"]);
    let named = |code: &str| {
        let line = listed.lines().find(|line| line.contains(code)).expect(code);
        line.split_whitespace().next().unwrap().to_owned()
    };
    let names = [named("face-not-cleared"), named("class-policy")];
    let release = |name: &str, more: &[&str], code| {
        let command = ["quarantine", "release", name, "--because", "seen: a knee"];
        house.at_site(&[&command, more].concat(), code)
    };
    let file = house.site.at("release");
    for name in &names {
        assert!(release(name, &[], 2).contains("2 of anna, bert, carl must agree"));
    }
    let asked = release(&names[0], &["--ask", &file], 0);
    assert!(asked.contains("I have looked at each of them"), "{asked}");
    house.sign("release", "anna", 0);
    assert!(release(&names[0], &["--approval", &file], 2).contains("only anna has"));
    house.sign("release", "bert", 0);
    // What was looked at is what is released.
    assert!(release(&names[1], &["--approval", &file], 2).contains("asked for something else"));
    release(&names[0], &["--approval", &file], 0);
    let arrived = outside.wait_for(1);
    house.site.settled();
    assert_eq!(arrived[0].text("RecognizableVisualFeatures"), "YES");
    assert!(!arrived[0].methods().contains(&"113102".to_owned()));
    assert_clean_files(&outside.folder);
    // Who it is of is told when two agree that somebody must know; to nobody else, and it stands in the log.
    let study = arrived[0].text("StudyInstanceUID");
    let asked = house.site.at("who");
    let tell = |more: &[&str], code| {
        let command =
            ["reidentify", &study, "--project", "lab", "--because", "an incidental finding"];
        house.at_site(&[&command, more].concat(), code)
    };
    assert!(tell(&[], 2).contains("2 of anna, bert, carl must agree"));
    assert!(tell(&["--ask", &asked], 0).contains("an incidental finding"));
    house.sign("who", "carl", 0);
    house.sign("who", "anna", 0);
    let told = tell(&["--approval", &asked], 0);
    assert!(told.contains(&patient(0).id()), "{told}");
    assert!(tell(&["--approval", &asked], 2).contains("used before"));
    // A retry alone lets nothing leave that was not looked at.
    house.site.ask(&["spool", "retry", &names[1]]);
    until("it is back", || house.site.count("in quarantine").1 == 1);
    let listed = house.site.ask(&["quarantine", "ls"]);
    assert!(listed.contains("class-policy"), "{listed}");
    assert_eq!(support::files(&outside.folder).len(), 1);
    assert!(gateway.terminate().success());
    let log = house.log();
    let agreed: BTreeSet<&str> = log.lines().filter(|line| line.contains(" approved ")).collect();
    assert_eq!(agreed.len(), 2, "{log}");
    for words in ["to what release", "to what reidentify"] {
        assert!(agreed.iter().any(|line| line.contains(words)), "{log}");
    }
    assert!(log.contains(" reidentified ") && !log.contains(&patient(0).id()), "{log}");
}
