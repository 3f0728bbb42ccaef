//! Patients object: by command, over real sockets, in the middle of sending, over a kill.
//!
//! What the register is and whom it refuses is tested beside the code (`src/objection/`), that nothing is forgotten
//! on a disk that fails in `src/simulation.rs`. Without dcmtk the tests over sockets say SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use efface::deid::pseudonym::Pseudonyms;
use efface::key::RootKey;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, SystemTime};
use support::canary::{assert_clean, assert_clean_files};
use support::dcmtk::{self, Outside, deliver, free_port};
use support::gateway::{Site, efface, key_of_nobody, program};
use support::study::{Patient, patient, write_all, write_body_ct};
use support::{files, until, until_some};

/// As it leaves.
fn pseudonym(somebody: &Patient) -> String {
    let root = RootKey::from_text(&key_of_nobody()).unwrap();
    Pseudonyms::new(&root, "outside").patient("STVITUS-ADT", &somebody.id())
}

/// Nothing below the state directory but originals holds this.
#[track_caller]
fn assert_nowhere(site: &Site, number: &str) {
    for path in files(site.state()) {
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(number.len()).any(|w| w.eq_ignore_ascii_case(number.as_bytes()));
        assert!(!found, "{}", path.display());
    }
}

// ----------------------------------------------------------------------------------------- commands

#[test]
fn the_register_is_kept_by_commands_and_names_nobody() {
    const NUMBER: &str = "ZYX-00123";
    let site = Site::leaving_faces();
    let serve = || assert!(site.serve(free_port(), &[]).terminate().success());
    site.refused(&["objection", "ls"], "is not a state directory");
    serve();
    let add = |more: &[&str]| site.done(&[&["objection", "add", "--id", NUMBER], more].concat());
    let said = add(&["--received", "2026-01-31"]);
    assert!(said.contains("objects to everything; answer due by 2026-02-28"), "{said}");
    let reference = said.split(':').next().unwrap().to_owned();
    assert!(add(&[]).contains("since 2026-01-31; it stays as it is"));
    // The same patient by another spelling.
    assert!(site.done(&["objection", "add", "--id", "zyx 00123 "]).starts_with(&reference));
    add(&["--destination", "outside"]);
    let mut piped = program();
    let key = site.at("root.key");
    piped.args(["objection", "add", "--key-file", &key, "--state"]).arg(site.state());
    let piped = piped.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut piped = piped.unwrap();
    piped.stdin.take().unwrap().write_all(b"ZYX-9\n").unwrap();
    assert!(piped.wait().unwrap().success());

    for (wrong, words) in [
        (&["add", "--id=--"][..], "no letter and no digit"),
        (&["add", "--id", "1", "--destination", "outsider"], "there is outside"),
        (&["add", "--id", "1", "--project", "outside"], "--config"),
        (&["add", "--id", "1", "--received", "2200-01-01"], "a day to come"),
        (&["lift", "--id", "ZYX-555"], "no such objection is in force"),
        (&["answered", "0123"], "nothing waits for an answer"),
    ] {
        site.refused(&[&["objection"], wrong].concat(), words);
    }
    let listed = site.done(&["objection", "ls"]);
    assert!(listed.contains(&format!("{reference}  all  received 2026-01-31  ANSWER OVERDUE")));
    assert!(
        listed.contains("destination:outside")
            && listed.ends_with("3 in force, 1 answers overdue\n")
    );
    site.done(&["objection", "answered", &reference, "--on", "2026-02-01"]);
    let listed = site.done(&["objection", "ls"]);
    assert!(
        listed.contains("answered 2026-02-01") && listed.contains(" 0 answers overdue"),
        "{listed}"
    );

    let table = site.path("table.csv");
    std::fs::write(&table, "id;scope\nZYX-1;all\nZYX-2;nobody\n").unwrap();
    let import = || site.with_key(&["objection", "import", table.to_str().unwrap()]);
    let (code, said) = import();
    assert!(code == 2 && said.contains("line 3: scope must be") && !said.contains("ZYX"), "{said}");
    std::fs::write(&table, "id;scope;received\nZYX-1;all;2026-11-01\nZYX-00123;;\n").unwrap();
    assert!(import().1.contains("1 added, 1 were in force before"));

    let lifted = site.done(&["objection", "lift", "--id", NUMBER]);
    assert!(lifted.contains("1 lifted"), "{lifted}");
    assert!(site.done(&["objection", "ls", "--all"]).contains("lifted 20"));
    serve();
    let shown = site.ask(&["audit", "show", "-n", "0"]);
    for words in ["objections  were added  against all", "objections  were lifted  against all"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(site.ask(&["status"]).contains("3 objections are in force"));
    let report = site.done(&["subject-report", "--id", NUMBER]);
    assert!(
        report.contains("<strong>No. ") && report.contains("<td>lifted</td><td>all</td>"),
        "{report}"
    );
    for said in [&shown, &report, &listed] {
        assert!(!said.to_uppercase().contains("ZYX"), "{said}");
    }
    for number in ["ZYX", "00123"] {
        assert_nowhere(&site, number);
    }
}

// ------------------------------------------------------------------------------------- over sockets

#[test]
fn who_objects_stays_inside_and_is_told_what_left_before() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let outside = Outside::start(&site.sink());
    let port = outside.port;
    let mut gateway = site.serve(port, &[]);
    let send = |port, somebody: u32, study| {
        let folder = site.path(&format!("pacs/{somebody}-{study}"));
        deliver(port, &write_body_ct(&folder, &patient(somebody), study, 3));
    };
    send(gateway.port, 0, 1);
    outside.wait_for(3);
    site.settled();
    site.done(&["objection", "add", "--id", &patient(0).id()]);
    send(gateway.port, 0, 2);
    send(gateway.port, 1, 1);
    // Whose this is nobody can say.
    let mut nobody = patient(2).body_slice(1, 1);
    nobody.remove(0x0010_0020);
    deliver(gateway.port, &write_all(&site.path("pacs/nobody"), &[nobody]));
    outside.wait_for(6);
    site.settled();
    let kept = site.ask(&["quarantine", "ls"]);
    assert!(kept.contains(".objection  3 instances  objection  for outside"), "{kept}");
    assert!(kept.contains("1 instances  no-patient-id  for outside"), "{kept}");
    assert_eq!(gateway.metric("efface_objections"), 1);

    // What waits is withdrawn, also while nobody answers there.
    outside.stop();
    send(gateway.port, 2, 2);
    until("it waits", || site.count("waiting for outside").0 == 1);
    site.done(&["objection", "add", "--id", &patient(2).id(), "--destination", "outside"]);
    gateway.comes_to("efface_parcels_withdrawn_total", 3);
    site.settled();

    // Without the register nothing leaves.
    let register = site.state().join("objections/register");
    let whole = std::fs::read(&register).unwrap();
    std::fs::write(&register, &whole[..whole.len() / 2]).unwrap();
    let outside = Outside::start_at(port, &site.sink(), &[]);
    send(gateway.port, 1, 2);
    until("it waits in work", || site.count("closed,").0 == 1);
    let (status, said) = gateway.get("/healthz");
    assert_eq!((status, said.contains("register of objections")), (503, true), "{said}");
    assert!(gateway.terminate().success());
    std::fs::remove_file(&register).unwrap();
    let gateway = site.serve(port, &[]);
    until("it is told", || !gateway.lines("nothing leaves").is_empty());
    assert_eq!((gateway.get("/healthz").0, files(&outside.folder).len()), (503, 6));
    drop(gateway);
    std::fs::write(&register, whole).unwrap();
    let gateway = site.serve(port, &[]);
    outside.wait_for(9);
    site.settled();

    // Lifted, and put back by a person.
    site.done(&["objection", "lift", "--id", &patient(2).id(), "--destination", "outside"]);
    let kept = site.ask(&["quarantine", "ls"]);
    let all = kept.lines().filter(|line| line.contains("  objection  "));
    let all: Vec<&str> = all.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(all.len(), 2, "{kept}");
    all.iter().for_each(|name| drop(site.ask(&["spool", "retry", name])));
    outside.wait_for(12);
    site.settled();
    assert_eq!(site.count("in quarantine"), (2, 4), "who still objects, and nobody");
    // What was put back is in the log when the janitor comes by.
    let status = until_some("the account balances", || {
        let state = site.state().display().to_string();
        let output = efface(&["status", "--json", "--state", &state]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        (status["lost"] == 0).then_some(status)
    });
    assert_eq!(status["instances"]["in quarantine"], 4, "{status}");

    let report = |somebody: u32| {
        let page = site.done(&["subject-report", "--id", &patient(somebody).id()]);
        assert_clean("a report", page.as_bytes());
        page
    };
    let said = report(0);
    assert!(said.contains("<strong>Yes. 1 releases, to: outside.</strong>"), "{said}");
    assert!(
        said.contains("3 objects arrived") && said.contains("<td>added</td><td>all</td>"),
        "{said}"
    );
    let said = report(2);
    assert!(said.contains("3 objects were withdrawn before they left; 0 had arrived"), "{said}");
    assert!(report(3).contains("<strong>No. "));
    let records = std::fs::read(site.state().join("audit/log")).unwrap();
    assert_clean("the log", &records);
    assert_clean("the log on stderr", gateway.log().as_bytes());
    assert_clean_files(&site.state().join("objections"));
    assert_clean_files(&outside.folder);
}

/// Studies of two patients, one after the other: the one who will object first, with the largest.
const STUDIES: [(u32, u32); 8] =
    [(0, 300), (1, 100), (0, 100), (1, 100), (0, 100), (1, 100), (1, 100), (1, 100)];

#[test]
fn nothing_leaves_later_than_a_second_after_an_objection_also_over_a_kill() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut site = Site::leaving_faces();
    site.quiet_period_s = 0.2;
    let port = free_port();
    let gateway = site.serve(port, &[]);
    for (study, (somebody, slices)) in (1..).zip(STUDIES) {
        // Two rows of pixels: what is tested is how many there are.
        let small: Vec<_> = (1..=slices)
            .map(|number| {
                let mut slice = patient(somebody).instance(support::study::CT, study, 2, number);
                support::study::tiny_image(&mut slice, number);
                slice
            })
            .collect();
        deliver(gateway.port, &write_all(&site.path(&format!("pacs/{study}")), &small));
        until("it is released", || {
            let so_far: u32 = STUDIES[..study as usize].iter().map(|(_, n)| n).sum();
            gateway.metric("efface_instances_released_total") == u64::from(so_far)
        });
    }
    gateway.kill();
    // It takes a second for every parcel: what is on the wire when somebody objects is still there when that is heard.
    let slow = Outside::start_at(port, &site.sink(), &["--sleep-after", "1"]);
    let gateway = site.serve(port, &["--associations", "8"]);
    until("some have arrived", || files(&slow.folder).len() >= 20);
    site.done(&["objection", "add", "--id", &patient(0).id()]);
    let objected = SystemTime::now();
    until("the one on the wire is stopped", || {
        !gateway.lines("the sender was stopped in the middle").is_empty()
    });
    gateway.kill();
    drop(slow);
    // At another port: what the slow one has forked may still hold the first.
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &[]);
    site.settled();

    let arrived = outside.arrived();
    let own = pseudonym(&patient(0));
    let (of_it, others): (Vec<_>, Vec<_>) =
        arrived.iter().partition(|one| one.text("PatientID") == own);
    let latest = of_it.iter().map(|one| one.path.metadata().unwrap().modified().unwrap()).max();
    let late = latest.and_then(|latest| latest.duration_since(objected).ok()).unwrap_or_default();
    println!("{} of 500 had left; the last {late:?} after the objection", of_it.len());
    assert!(late < Duration::from_secs(1), "{late:?}");
    assert!(of_it.len() < 300, "{} left", of_it.len());
    let uids: std::collections::BTreeSet<String> =
        others.iter().map(|one| one.text("SOPInstanceUID")).collect();
    assert_eq!(uids.len(), 500);
    assert_eq!(site.count("in quarantine"), (3, 500), "{}", gateway.log());
    let status: serde_json::Value = serde_json::from_str(&site.ask(&["status", "--json"])).unwrap();
    assert_eq!((&status["lost"], &status["accounted"]), (&0.into(), &1000.into()), "{status}");
    let log = site.ask(&["audit", "show", "-n", "0"]);
    assert_eq!(log.matches(" withdrawn ").count(), 3, "{log}");
    assert_clean("the log", log.as_bytes());
}

#[test]
fn a_parcel_that_is_on_the_wire_ends_in_the_middle() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    const SIDE: u16 = 3000;
    let site = Site::leaving_faces();
    // It takes a second for every PDU, and writes as it reads.
    let slow = ["--sleep-during", "1", "+B"];
    let outside = Outside::start_at(free_port(), &site.sink(), &slow);
    let gateway = site.serve(outside.port, &[]);
    let mut large = patient(0).body_slice(1, 3);
    large.numbers(0x0028_0010, &[SIDE]).numbers(0x0028_0011, &[SIDE]);
    large.bytes(0x7FE0_0010, "OW", &vec![7; 2 * usize::from(SIDE) * usize::from(SIDE)]);
    deliver(gateway.port, &write_all(&site.path("pacs"), &[large]));
    until("it is on the wire", || !files(&outside.folder).is_empty());
    site.done(&["objection", "add", "--id", &patient(0).id()]);
    gateway.wait_for("the sender was stopped in the middle");
    site.settled();
    until("the other side has given it up", || files(&outside.folder).is_empty());
    assert_eq!(site.count("in quarantine"), (1, 1));
    let withdrawn = gateway.wait_for("withdrawn");
    assert_eq!((&withdrawn["instances"], &withdrawn["before"]), (&1.into(), &0.into()));
}
