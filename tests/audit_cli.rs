//! `efface audit` as an auditor types it, and a second verifier that shares no code with it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use std::path::Path;
use std::process::Command;
use support::canary::{assert_clean, assert_clean_files};
use support::dcmtk::{self, deliver, free_port};
use support::gateway::{Site, efface, printed};
use support::study::{patient, write_body_ct};
use support::until;

#[track_caller]
fn ends(arguments: &[&str], code: i32) -> String {
    let output = efface(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", printed(&output));
    // Where no gateway runs a reader is told that the log does not know of him: on stderr.
    if code == 0 { String::from_utf8(output.stdout).unwrap() } else { printed(&output) }
}

/// The second verifier; `None` where there is no Python.
fn second(arguments: &[&str]) -> Option<(Option<i32>, String)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/verify_receipt.py");
    let output = Command::new("python3").arg(script).args(arguments).output().ok()?;
    Some((output.status.code(), printed(&output)))
}

/// A gateway that has released one study, to a destination that is down, and stopped.
fn released(site: &Site, checkpoint_file: &str) {
    let mut gateway = site.serve(free_port(), &["--checkpoint-file", checkpoint_file]);
    deliver(gateway.port, &write_body_ct(&site.path("pacs"), &patient(0), 1, 3));
    until("it is released", || gateway.metric("efface_instances_released_total") == 3);
    ends(&["audit", "show", "--state", site.state().to_str().unwrap()], 0);
    assert!(gateway.terminate().success());
}

#[test]
fn an_auditor_verifies_exports_and_proves() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let kept = site.at("kept/checkpoint");
    std::fs::create_dir(site.path("kept")).unwrap();
    released(&site, &kept);
    let state = site.state().to_str().unwrap();
    let ask = |arguments: &[&str], code| {
        ends(&[&["audit"], arguments, &["--state", state]].concat(), code)
    };

    // What was kept elsewhere is the newest checkpoint.
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), ask(&["checkpoint"], 0));
    let key = site.at("log.key");
    std::fs::write(&key, ask(&["checkpoint", "--key"], 0)).unwrap();
    let said = ask(&["verify", "--log-key", &key, "--checkpoint", &kept], 0);
    assert!(said.contains("all as they were signed") && !said.contains("believed"), "{said}");
    assert!(ask(&["verify"], 0).contains("compare it with a copy of your own"));

    let shown = ask(&["show"], 0);
    let reader = shown.lines().find(|line| line.contains(" audit-read ")).unwrap();
    assert!(reader.contains("by ") && reader.contains("audit show"), "{reader}");
    let release = shown.lines().find(|line| line.contains(" released ")).unwrap();
    let after = |word: &str| {
        let mut words = release.split_whitespace().skip_while(|w| *w != word);
        words.nth(1).unwrap().to_owned()
    };
    let (study, batch, pseudonym) = (after("study"), after("batch"), after("patient"));
    let csv =
        ask(&["export", "--format", "csv", "--patient", &pseudonym, "--destination", "outside"], 0);
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!(rows.len(), 2, "{csv}");
    assert!(rows[0].starts_with("seq,time,event,batch") && rows[1].contains(&study));
    assert_eq!(ask(&["export", "--until", "2020-01-01"], 0), "");
    ask(&["export", "-o", &site.at("all.jsonl")], 0);
    let log = std::fs::read_to_string(site.state().join("audit/log")).unwrap();
    let all = std::fs::read_to_string(site.path("all.jsonl")).unwrap();
    assert_eq!(all.lines().count(), log.lines().count());
    // What is about one patient can be erased: it lies beside the log, and the export has it where it belongs.
    assert!(all.contains(&study) && all.contains(&pseudonym));
    assert!(!log.contains(&study) && !log.contains(&pseudonym));
    assert!(ask(&["export", "-o", &site.at("all.jsonl")], 2).contains("exists"));
    let report = |arguments: &[&str], file: &str| {
        let out = site.at(file);
        ends(&[&["report"], arguments, &["--state", state, "-o", &out]].concat(), 0);
        std::fs::read_to_string(out).unwrap()
    };
    let incident = report(&["incident", "--profile", "test"], "incident.html");
    assert!(incident.contains(&study) && incident.contains(&pseudonym), "{incident}");
    assert!(incident.contains("releases: 1, instances: 3, pseudonymous patients: 1"), "{incident}");
    let none = report(&["incident", "--engine", "0.0.0"], "none.html");
    assert!(none.contains("Nothing was released that fits this"), "{none}");
    let month = report(&["month", &efface::clock::stamp()[..7]], "month.html");
    assert!(month.contains("<td>outside</td><td class=\"n\">1</td>"), "{month}");
    for words in [&shown, &csv, &incident, &month] {
        assert_clean("what an auditor reads", words.as_bytes());
    }
    assert_clean_files(&site.state().join("audit"));

    for (name, records) in [(&study, 2), (&batch, 2)] {
        let receipt = site.at(&format!("{name}.json"));
        ask(&["receipt", name, "-o", &receipt], 0);
        let text = std::fs::read_to_string(&receipt).unwrap();
        assert_clean("a receipt", text.as_bytes());
        let Some((code, said)) = second(&[&receipt, &key]) else { skip!("there is no python3") };
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(&format!("{records} records are in the log")), "{said}");
        // What was changed in it is not proven.
        let changed = text.replace("instances\\\":3", "instances\\\":4");
        assert_ne!(changed, text);
        std::fs::write(&receipt, changed).unwrap();
        let (code, said) = second(&[&receipt, &key]).unwrap();
        assert!(code == Some(1) && said.contains("NOT PROVEN"), "{said}");
    }
    let (log, checkpoint) = (site.state().join("audit/log"), site.state().join("audit/checkpoint"));
    let (log, checkpoint) = (log.to_str().unwrap(), checkpoint.to_str().unwrap());
    assert_eq!(second(&["--log", log, checkpoint, &key]).unwrap().0, Some(0));
    assert!(ask(&["receipt", "2.25.1"], 2).contains("knows no batch and no study"));
}

#[test]
fn a_log_that_was_changed_or_put_back_is_told_and_refused() {
    let site = Site::leaving_faces();
    std::fs::create_dir(site.path("kept")).unwrap();
    let kept = site.at("kept/checkpoint");
    let options = ["--checkpoint-file", kept.as_str()];
    let start = || assert!(site.serve(free_port(), &options).terminate().success());
    start();
    let audit = site.state().join("audit");
    let names = ["log", "checkpoint", "tile/0/000"];
    let older = names.map(|name| std::fs::read(audit.join(name)).unwrap());
    start();
    let newer = names.map(|name| std::fs::read(audit.join(name)).unwrap());
    let put = |files: &[Vec<u8>]| {
        names
            .iter()
            .zip(files)
            .for_each(|(name, bytes)| std::fs::write(audit.join(name), bytes).unwrap());
    };
    let state = site.state().to_str().unwrap();
    let verify =
        |more: &[&str], code| ends(&[&["audit", "verify", "--state", state], more].concat(), code);
    let refused = |words: &str| {
        let output = site.command(0, free_port(), free_port(), &options).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(printed(&output).contains(words), "{}", printed(&output));
    };

    put(&older);
    verify(&[], 0);
    assert!(verify(&["--checkpoint", &kept], 1).contains("records from 3 on are gone"));
    refused("holds a checkpoint that this log has not passed");

    put(&newer);
    let mut changed = newer[0].clone();
    changed[20] ^= 1;
    std::fs::write(audit.join("log"), &changed).unwrap();
    assert!(verify(&[], 1).contains("record 0 was changed"));
    refused("does not verify at record 0");

    put(&newer);
    verify(&["--checkpoint", &kept], 0);
    start();
}
