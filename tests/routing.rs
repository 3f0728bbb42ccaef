//! What goes where, when and before what: real studies over real sockets to two places outside.
//!
//! Rules by themselves are tested beside the code (`src/routing/`), mistakes in them in `src/config/routes.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use chrono::{Local, TimeDelta};
use std::path::PathBuf;
use support::canary::assert_clean;
use support::dcmtk::{self, Outside, deliver, free_port, send_as};
use support::gateway::{Gateway, LEAVE_FACES, Site, efface, printed};
use support::study::{
    CT, Elements, MR, SECONDARY_CAPTURE, patient, tiny_image, write_all, write_body_ct,
};
use support::{files, until};

const RULES: &str = "\
also_called: [EFFACE_URGENT]
routes:
  - { name: night, when: { called: [EFFACE_URGENT], modality: [CT] }, to: [reader, lab], priority: urgent }
  - { name: pictures, when: { sop_class: [SecondaryCaptureImageStorage] }, to: [] }
  - { name: ct, when: { modality: [ct], calling: [PACS] }, to: [lab], priority: bulk }
";

/// A house with a lab and a reader outside.
fn house(reader: u16, associations: usize) -> Site {
    let mut site = Site::with_profile(LEAVE_FACES);
    site.destination = format!(", associations: {associations}");
    let to = format!("name: reader, to: \"READER@127.0.0.1:{reader}\", profile: {}", site.profile);
    site.more_destinations = vec![format!("{{ {to} }}")];
    site
}

fn small(person: u32, study: u32, slices: u32) -> Vec<Elements> {
    let slice = |number| {
        let mut slice = patient(person).instance(CT, study, 2, number);
        tiny_image(&mut slice, number);
        slice
    };
    (1..=slices).map(slice).collect()
}

#[track_caller]
fn deliver_urgently(gateway: &Gateway, files: &[PathBuf]) {
    let sent = send_as("PACS", "EFFACE_URGENT", gateway.port, files);
    assert_eq!(sent.acknowledged, files, "{}", sent.said);
}

#[test]
fn each_instance_goes_where_its_rule_says_and_nowhere_else() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let reader = Outside::start_at(free_port(), &tempfile::tempdir().unwrap().keep(), &[]);
    let site = house(reader.port, 4);
    let lab = Outside::start(&site.sink());
    let mut gateway = site.serve_configured(lab.port, RULES);

    // One study of three kinds: one has a rule, one has one that says nowhere, one has none.
    let mut study: Vec<Elements> = (1..=3).map(|n| patient(1).body_slice(1, n)).collect();
    study.push(patient(1).image_of(MR, 1, 4));
    study.push(patient(1).image_of(SECONDARY_CAPTURE, 1, 5));
    let study = write_all(&site.path("pacs"), &study);
    deliver(gateway.port, &study);
    lab.wait_for(3);
    site.settled();
    assert_eq!((lab.arrived().len(), reader.arrived().len()), (3, 0));
    assert_eq!(site.count("in quarantine"), (1, 2));
    let listed = site.ask(&["quarantine", "ls"]);
    let name = listed.lines().find(|line| line.contains("no-route")).expect(&listed);
    let name = name.split_whitespace().next().unwrap();
    let shown = site.ask(&["quarantine", "show", name]);
    assert!(shown.contains("no rule under routes: fits; rule pictures"), "{shown}");

    deliver_urgently(&gateway, &write_body_ct(&site.path("pacs-2"), &patient(2), 1, 3));
    site.settled();
    let (at_lab, at_reader) = (lab.wait_for(6), reader.wait_for(3));
    let uids = |arrived: &[dcmtk::Arrived]| dcmtk::tally(arrived, "SOPInstanceUID");
    assert!(uids(&at_reader).keys().all(|uid| !uids(&at_lab).contains_key(uid)));
    let log = std::fs::read_to_string(site.state().join("audit/log")).unwrap();
    assert_eq!(log.matches(r#""routes":["ct"]"#).count(), 1);
    assert_eq!(log.matches(r#""routes":["night"]"#).count(), 2);
    gateway.comes_to("efface_waited_seconds_count{destination=\"lab\"}", 2);
    gateway.comes_to("efface_sending_seconds_count{destination=\"reader\"}", 1);

    // Sent once more, nothing that was delivered leaves again, and what has no rule still has none.
    deliver(gateway.port, &study);
    site.settled();
    assert_eq!((lab.arrived().len(), reader.arrived().len()), (6, 3));
    assert!(gateway.terminate().success());

    // With a rule for it what was held goes where that says.
    let more = format!("{RULES}  - {{ name: mr, when: {{ modality: [MR] }}, to: [reader] }}\n");
    let gateway = site.serve_configured(lab.port, &more);
    site.ask(&["spool", "retry", name]);
    reader.wait_for(4);
    site.settled();
    assert_eq!(dcmtk::tally(&reader.arrived(), "Modality").get("MR"), Some(&1));
    assert_eq!(lab.arrived().len(), 6);
    let state = site.state().display().to_string();
    until("nothing is lost", || efface(&["status", "--state", &state]).status.success());
    assert_clean("the log of the process", gateway.log().as_bytes());
    std::fs::remove_dir_all(&reader.folder).unwrap();
}

#[test]
fn explaining_says_which_rule_and_why_no_other() {
    let site = house(1, 1);
    site.configure([0, 2, 0], RULES);
    let config = site.at("efface.yaml").replace("efface.yaml", "explained.yaml");
    let text = std::fs::read_to_string(site.path("efface.yaml")).unwrap();
    std::fs::write(&config, text.replace("metrics: 127.0.0.1:0\n", "")).unwrap();
    std::fs::create_dir_all(site.path("pacs")).unwrap();
    patient(1).body_slice(1, 1).write(&site.path("pacs/one"));
    patient(1).image_of(MR, 1, 4).write(&site.path("pacs/two"));
    let explain = |more: &[&str]| {
        let arguments = ["route", "explain", "--config", &config];
        efface(&[&arguments[..], more, &[&site.at("pacs")]].concat())
    };
    let said = printed(&explain(&[]));
    for words in [
        "sent by PACS to EFFACE",
        "not rule night: its called is another",
        "rule ct decides: bulk, at any time",
        "to lab: project lab",
        "no-route: no rule under routes: fits",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("to reader"), "{said}");
    assert_eq!(explain(&[]).status.code(), Some(1));
    assert_clean("what is explained", said.as_bytes());
    let said = printed(&explain(&["--called", "EFFACE_URGENT"]));
    assert!(said.contains("rule night decides: urgent") && said.contains("to reader"), "{said}");
}

#[test]
fn the_urgent_overtakes_what_is_on_the_wire() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    const BULK: u32 = 200;
    let reader = free_port();
    let site = house(reader, 1);
    // It takes a second for every instance.
    let lab = Outside::start_at(free_port(), &site.sink(), &["--sleep-after", "1"]);
    let gateway = site.serve_configured(lab.port, RULES);
    deliver(gateway.port, &write_all(&site.path("bulk"), &small(1, 1, BULK)));
    until("bulk is on the wire", || files(&lab.folder).len() >= 2);
    deliver_urgently(&gateway, &write_all(&site.path("urgent"), &small(2, 1, 2)));
    let of_two = || {
        let patients = dcmtk::tally(&lab.arrived(), "PatientID");
        patients.len() == 2 && patients.values().any(|n| *n == 2)
    };
    until("the urgent study is there", of_two);
    let bulk = lab.arrived().len() - 2;
    println!("{bulk} of {BULK} had arrived before");
    assert!(bulk < BULK as usize, "{bulk}");
    // What was overtaken goes on.
    until("bulk goes on", || lab.arrived().len() > bulk + 3);
}

#[test]
fn what_is_kept_for_the_night_waits_for_it() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = house(free_port(), 4);
    let lab = Outside::start(&site.sink());
    let in_hours = |hours| (Local::now() + TimeDelta::hours(hours)).format("%H:%M").to_string();
    let rules = |from, to| {
        let hours = format!("hours: [\"{}-{}\"]", in_hours(from), in_hours(to));
        RULES.replace("priority: bulk }", &format!("priority: bulk, {hours} }}"))
    };
    let mut gateway = site.serve_configured(lab.port, &rules(2, 3));
    let bulk = write_all(&site.path("bulk"), &small(1, 1, 3));
    deliver(gateway.port, &bulk);
    gateway.comes_to("efface_instances_released_total", 3);
    let reader_is_away = write_all(&site.path("urgent"), &small(2, 1, 2));
    deliver_urgently(&gateway, &reader_is_away);
    assert_eq!(lab.wait_for(2).len(), 2);
    gateway.comes_to("efface_outbox_batches{destination=\"lab\"}", 1);
    let batch = std::fs::read_dir(site.state().join("outbox/lab/ready")).unwrap();
    let batch = batch.flatten().next().unwrap().file_name().into_string().unwrap();
    let shown = site.ask(&["spool", "show", &batch]);
    assert!(shown.contains("bulk, ") && shown.contains("3 of 3 parcels"), "{shown}");
    assert!(gateway.terminate().success());

    // The dispatch was written when it was released: its time comes, not that of another rule.
    let held = site.state().join("outbox/lab/ready").join(&batch).join("dispatch.json");
    let dispatch = std::fs::read_to_string(&held).unwrap();
    let window = |from, to| format!("{}-{}", in_hours(from), in_hours(to));
    std::fs::write(&held, dispatch.replace(&window(2, 3), &window(-1, 1))).unwrap();
    let _gateway = site.serve_configured(lab.port, &rules(2, 3));
    assert_eq!(lab.wait_for(5).len(), 5);
}
