//! Storage commitment (PS3.4 Annex J) with pynetdicom as the PACS, over real sockets.
//!
//! Without dcmtk or a Python with pynetdicom (`.ci/test` makes one) every test says SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use support::authority::Authority;
use support::dcmtk::{self, Outside, Running, deliver, free_port};
use support::gateway::{Gateway, Site};
use support::study::{CT, US, patient, write_all, write_body_ct};
use support::{files, until, until_some};

const MR: &str = "1.2.840.10008.5.1.4.1.1.4";
const UNKNOWN: &str = "1.3.6.1.4.1.55555.4711.1.99.99";

// ------------------------------------------------------------------------------------------ the peer

/// Asks for storage commitment and prints, a line of JSON each, the status of N-ACTION and every report that comes.
///
/// The request is a line of JSON on stdin: port, transaction, references, how long to stay, action information in
/// hexadecimal instead of a proper one, or nothing but a port to listen on.
const PEER: &str = r#"
import json, ssl, sys, time, threading
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

job = json.loads(sys.stdin.readline())
heard = threading.Event()

def context(server):
    papers = job.get("tls")
    if not papers:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(papers["certificate"], papers["key"])
    context.load_verify_locations(papers["ca"])
    context.verify_mode = ssl.CERT_REQUIRED
    return context

def say(**what):
    print(json.dumps(what), flush=True)

def report(event):
    info = event.event_information
    refs = lambda name: info.get(name) or []
    say(
        on=on, event=event.event_type, transaction=info.TransactionUID,
        committed=[r.ReferencedSOPInstanceUID for r in refs("ReferencedSOPSequence")],
        failed={r.ReferencedSOPInstanceUID: r.FailureReason for r in refs("FailedSOPSequence")},
        others=[str(e.tag) for e in info if e.keyword not in
                ("TransactionUID", "ReferencedSOPSequence", "FailedSOPSequence")],
    )
    heard.set()
    return job.get("answer", 0), None

if "listen" in job:
    on = "own"
    ae = AE("PACS2")
    if job.get("role", True):
        ae.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    else:
        ae.add_supported_context(StorageCommitmentPushModel)
    ae.require_called_aet = True
    ae.start_server(("127.0.0.1", job["listen"]), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, report)],
                    ssl_context=context(True))
    say(listening=True)
    sys.stdin.readline()
    sys.exit()

on = "same"
ae = AE("PACS")
syntax = ImplicitVRLittleEndian if job.get("implicit") else ExplicitVRLittleEndian
ae.add_requested_context(StorageCommitmentPushModel, syntax)
assoc = ae.associate("127.0.0.1", job["port"], ae_title="EFFACE", evt_handlers=[(evt.EVT_N_EVENT_REPORT, report)],
                     tls_args=(context(False), "127.0.0.1") if "tls" in job else None)
if not assoc.is_established:
    say(rejected=True)
    sys.exit()
info = Dataset()
if "transaction" in job:
    info.TransactionUID = job["transaction"]
info.ReferencedSOPSequence = []
for sop_class, sop_instance in job["references"]:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_instance
    info.ReferencedSOPSequence.append(item)
instance = job.get("instance", StorageCommitmentPushModelInstance)
status, _ = assoc.send_n_action(info, job.get("action", 1), StorageCommitmentPushModel, instance)
say(status=status.get("Status") if status else None)
if job["stay"]:
    heard.wait(job["stay"])
    time.sleep(0.3)
assoc.release()
"#;

fn python() -> Option<PathBuf> {
    support::python_with("pynetdicom")
}

/// What is missing for these tests.
fn missing() -> Option<String> {
    let python = python().is_none().then(|| "no Python with pynetdicom".to_owned());
    dcmtk::missing().map(|program| format!("{program} is not installed")).or(python)
}

struct Peer {
    _process: Running,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Peer {
    fn start(job: &Value) -> Self {
        let mut child: Child = Command::new(python().expect("python"))
            .args(["-c", PEER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a peer");
        let mut stdin = child.stdin.take().expect("stdin");
        writeln!(stdin, "{job}").expect("a job");
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        Peer { _process: Running(child), stdin, stdout }
    }

    /// A PACS that listens for reports.
    fn listening(job: Value) -> Self {
        let mut peer = Peer::start(&job);
        assert_eq!(peer.says(), json!({ "listening": true }));
        peer
    }

    /// The next thing that it says; null when it has ended.
    fn says(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).unwrap_or(Value::Null)
    }
}

/// Asks and stays; what N-ACTION was answered, and the report.
fn asked(gateway: &Gateway, transaction: &str, references: &[(&str, String)]) -> (Value, Value) {
    let mut peer = Peer::start(&job(gateway, transaction, references, 20));
    let answered = (peer.says()["status"].take(), peer.says());
    assert_eq!(peer.says(), Value::Null, "one report, and a release");
    answered
}

fn job(gateway: &Gateway, transaction: &str, references: &[(&str, String)], stay: u32) -> Value {
    let port = gateway.port;
    json!({ "port": port, "transaction": transaction, "references": references, "stay": stay })
}

/// The instances of these files, named by their UIDs.
fn references<'c>(class: &'c str, files: &[PathBuf]) -> Vec<(&'c str, String)> {
    let uid = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (class, uid(path))).collect()
}

fn sorted(mut uids: Vec<String>) -> Value {
    uids.sort();
    json!(uids)
}

fn committed(report: &Value) -> Value {
    let uids = report["committed"].as_array().cloned().unwrap_or_default();
    sorted(uids.iter().map(|uid| uid.as_str().unwrap().to_owned()).collect())
}

fn uids(references: &[(&str, String)]) -> Value {
    sorted(references.iter().map(|(_, uid)| uid.clone()).collect())
}

/// All spool entries under a directory.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut entries = files(directory);
    entries.retain(|path| path.extension().is_none() && !path.ends_with("log"));
    entries
}

/// Listens for reports on a port, as `allow:` says it.
fn with_listener(site: &mut Site, port: u16) {
    site.caller = format!(
        "{{ ae_title: PACS, from: [127.0.0.0/8], commitment: \"PACS2@127.0.0.1:{port}\" }}"
    );
}

// ------------------------------------------------------------------------------------------- the tests

#[test]
fn each_instance_is_committed_or_has_its_reason() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    let site = Site::leaving_faces();
    let gateway = site.serve_configured(free_port(), "");
    let sent = write_body_ct(&site.path("pacs"), &patient(0), 1, 4);
    deliver(gateway.port, &sent);
    let stored = references(CT, &sent);
    let (status, report) = asked(&gateway, "1.2.3.1", &stored);
    assert_eq!(status, 0, "{}", gateway.log());
    assert_eq!((&report["event"], &report["on"]), (&json!(1), &json!("same")));
    assert_eq!(report["transaction"], "1.2.3.1");
    assert_eq!((committed(&report), &report["failed"]), (uids(&stored), &json!({})));
    assert_eq!(report["others"], json!([]), "nothing but what was asked for goes back");

    // A bit flips in one of them, and two are asked for that are not here, or not as this.
    let damaged = until_some("the study waits to be sent", || {
        let held = site.state().join("held");
        entries(&held).into_iter().next().filter(|_| entries(&held).len() == 4)
    });
    let mut bytes = std::fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&damaged, bytes).unwrap();
    let mut mixed = stored.clone();
    mixed[0].0 = MR;
    mixed.push((CT, UNKNOWN.to_owned()));
    let (_, report) = asked(&gateway, "1.2.3.2", &mixed);
    assert_eq!(report["event"], 2);
    let failed = report["failed"].as_object().unwrap();
    let reasons: Vec<_> = failed.values().map(|code| code.as_u64().unwrap()).collect();
    assert_eq!(failed[UNKNOWN], 0x0112);
    assert!(reasons.contains(&0x0110), "the damaged one: {report}");
    let is_damaged = failed.get(&stored[0].1).is_some_and(|reason| reason == 0x0110);
    assert!(is_damaged || failed[&stored[0].1] == 0x0119, "the other class: {report}");
    assert_eq!(committed(&report).as_array().unwrap().len() + failed.len(), 5);
    until("nothing is owed", || files(&site.state().join("commitments")).is_empty());
    assert_eq!(gateway.metric("efface_commitments_reported_total"), 2, "{}", gateway.log());
    assert!(!gateway.log().contains("55555.4711"), "{}", gateway.log());
}

#[test]
fn whoever_hangs_up_is_told_at_its_address_also_after_a_kill() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    let mut site = Site::leaving_faces();
    let port = free_port();
    with_listener(&mut site, port);
    let gateway = site.serve_configured(free_port(), "");
    let sent = write_body_ct(&site.path("pacs"), &patient(0), 1, 3);
    deliver(gateway.port, &sent);
    let stored = references(CT, &sent);
    let mut peer = Peer::start(&job(&gateway, "1.2.3.1", &stored, 0));
    assert_eq!(peer.says(), json!({ "status": 0 }));
    until("it was tried in vain", || {
        !gateway.lines("a storage commitment could not be reported").is_empty()
    });
    // The same transaction, while the first has not been reported on.
    let (status, report) = asked(&gateway, "1.2.3.1", &stored);
    let failed = report["failed"].as_object().unwrap();
    assert_eq!((status, failed.len()), (json!(0), 3));
    assert!(failed.values().all(|reason| reason == 0x0131), "duplicate transaction: {report}");
    gateway.kill();
    assert_eq!(files(&site.state().join("commitments")).len(), 1);
    let mut listener = Peer::listening(json!({ "listen": port }));
    let gateway = site.serve_configured(free_port(), "");
    let report = listener.says();
    until("it was answered", || gateway.metric("efface_commitments_reported_total") == 1);
    assert_eq!((&report["event"], &report["on"]), (&json!(1), &json!("own")), "{report}");
    assert_eq!(committed(&report), uids(&stored));
    until("nothing is owed", || files(&site.state().join("commitments")).is_empty());
}

#[test]
fn nobody_is_told_who_does_not_agree_to_the_role_or_has_no_address() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    let mut site = Site::leaving_faces();
    let gateway = site.serve_configured(free_port(), "");
    let unknown = [(CT, UNKNOWN.to_owned())];
    let mut peer = Peer::start(&job(&gateway, "1.2.3.1", &unknown, 0));
    assert_eq!(peer.says(), json!({ "status": 0 }));
    until("the report is dropped", || gateway.log().contains("the requestor has hung up"));
    drop(gateway);
    let port = free_port();
    with_listener(&mut site, port);
    let mut listener = Peer::listening(json!({ "listen": port, "role": false }));
    let gateway = site.serve_configured(free_port(), "");
    let mut peer = Peer::start(&job(&gateway, "1.2.3.2", &unknown, 0));
    assert_eq!(peer.says(), json!({ "status": 0 }));
    until("it is given up", || gateway.log().contains("a storage commitment is given up"));
    writeln!(listener.stdin).unwrap();
    assert_eq!(listener.says(), Value::Null, "the listener ended without a report");
}

#[test]
fn what_was_delivered_and_erased_is_committed_and_so_is_what_is_in_quarantine() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    let site = Site::leaving_faces();
    let outside = Outside::start(&site.sink());
    let gateway = site.serve_configured(outside.port, "retain_delivered_h: 0\n");
    let sent = write_body_ct(&site.path("pacs"), &patient(0), 1, 3);
    deliver(gateway.port, &sent);
    let ultrasound = write_all(&site.path("us"), &[patient(1).image_of(US, 1, 1)]);
    deliver(gateway.port, &ultrasound);
    outside.wait_for(3);
    until("originals are erased", || {
        let state = site.state();
        let places = ["inbox/new", "studies", "work", "held", "delivered"];
        places.iter().all(|place| entries(&state.join(place)).is_empty())
    });
    assert_eq!(entries(&site.state().join("quarantine")).len(), 1);
    let both = [references(CT, &sent), references(US, &ultrasound)].concat();
    let (status, report) = asked(&gateway, "1.2.3.1", &both);
    assert_eq!((status, &report["event"]), (json!(0), &json!(1)), "{report} {}", gateway.log());
    assert_eq!(committed(&report), uids(&both));
}

#[test]
fn what_is_no_request_is_refused_and_nothing_is_owed() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    let site = Site::leaving_faces();
    let gateway = site.serve_configured(free_port(), "");
    let good = [(CT, UNKNOWN.to_owned())];
    let with = |change: &dyn Fn(&mut Value)| {
        let mut job = job(&gateway, "1.2.3.1", &good, 0);
        change(&mut job);
        Peer::start(&job).says()["status"].take()
    };
    assert_eq!(with(&|job| job["references"] = json!([])), 0x0115);
    assert_eq!(with(&|job| job["transaction"] = json!("")), 0x0115);
    assert_eq!(with(&|job| job["action"] = json!(2)), 0x0123);
    assert_eq!(with(&|job| job["instance"] = json!("1.2.3")), 0x0112);
    assert!(files(&site.state().join("commitments")).is_empty());
    let implicit = |job: &mut Value| (job["implicit"], job["stay"]) = (json!(true), json!(20));
    let mut job = job(&gateway, "1.2.3.1", &good, 0);
    implicit(&mut job);
    let mut peer = Peer::start(&job);
    assert_eq!(peer.says(), json!({ "status": 0 }));
    assert_eq!(peer.says()["failed"], json!({ UNKNOWN: 0x0112 }));
}

/// Asked for, answered on the same association, and told at an address later: all under TLS, and by nobody else.
#[test]
fn commitments_are_asked_for_and_told_under_tls() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    let mut site = Site::leaving_faces();
    let (ca, other) = (Authority::new("ca"), Authority::new("other ca"));
    std::fs::write(site.path("ca.pem"), &ca.certificate).unwrap();
    for (name, one) in [
        ("gate", ca.issue("127.0.0.1")),
        ("pacs", ca.issue("pacs.test")),
        ("pacs2", ca.issue("127.0.0.1")),
        ("stranger", other.issue("127.0.0.1")),
    ] {
        std::fs::write(site.path(&format!("{name}.pem")), one.certificate).unwrap();
        std::fs::write(site.path(&format!("{name}.key")), one.key).unwrap();
    }
    let port = free_port();
    site.caller = format!(
        "{{ ae_title: PACS, certificate_name: pacs.test, commitment: \"PACS2@127.0.0.1:{port}\" }}"
    );
    let papers = |name: &str| {
        let at = |end: &str| site.at(&format!("{name}.{end}"));
        json!({ "certificate": at("pem"), "key": at("key"), "ca": site.at("ca.pem") })
    };
    let own = papers("gate");
    let tls = format!(
        "tls: {{ certificate: {}, key_file: {}, ca: {} }}\n",
        own["certificate"], own["key"], own["ca"]
    );
    let lines = tls.replace('"', "");
    let mut gateway = site.serve_configured(free_port(), &lines);
    let sent = write_body_ct(&site.path("pacs"), &patient(0), 1, 3);
    let mut storescu = Command::new("storescu");
    storescu.args(["+tls", &site.at("pacs.key"), &site.at("pacs.pem"), "+cf", &site.at("ca.pem")]);
    let stored = dcmtk::send_by(&mut storescu, "PACS", "EFFACE", gateway.port, &sent);
    assert_eq!(stored.acknowledged, sent, "{}", stored.said);
    let stored = references(CT, &sent);
    let under = |name: &str, job: Value| {
        let mut job = job;
        job["tls"] = papers(name);
        job
    };
    let mut peer = Peer::start(&under("pacs", job(&gateway, "1.2.3.1", &stored, 20)));
    assert_eq!(peer.says(), json!({ "status": 0 }));
    assert_eq!(committed(&peer.says()), uids(&stored));

    // Who asks hangs up. Whoever listens in its place with a certificate of another CA hears nothing.
    let mut stranger = Peer::listening(under("stranger", json!({ "listen": port })));
    let mut peer = Peer::start(&under("pacs", job(&gateway, "1.2.3.2", &stored, 0)));
    assert_eq!(peer.says(), json!({ "status": 0 }));
    until("it was tried in vain", || {
        !gateway.lines("a storage commitment could not be reported").is_empty()
    });
    writeln!(stranger.stdin).unwrap();
    assert_eq!(stranger.says(), Value::Null);
    let mut pacs = Peer::listening(under("pacs2", json!({ "listen": port })));
    let report = pacs.says();
    assert_eq!((&report["on"], &report["transaction"]), (&json!("own"), &json!("1.2.3.2")));
    assert_eq!(committed(&report), uids(&stored));
    until("nothing is owed", || files(&site.state().join("commitments")).is_empty());
    assert!(gateway.terminate().success());
}
