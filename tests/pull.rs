//! A PACS is asked how much of a study there is, and sends what is missing (PS3.4 C.4.1, C.4.2): with Orthanc, and with a
//! PACS that lies, over real sockets.
//!
//! Without Orthanc, dcmtk or, for the one that lies, a Python with pynetdicom every test says SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use rustix::process::Pid;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::authority::Authority;
use support::canary::assert_clean_files;
use support::dcmtk::{self, Outside, Running, deliver, free_port, send_as, send_by, tally};
use support::gateway::{Gateway, Site, can_confine};
use support::orthanc::{self, Orthanc};
use support::study::{patient, write_body_ct};
use support::{python_with, until, until_some};

const COMPLETE: &str = "efface_studies_closed_total{why=\"complete\"}";
const QUIET: &str = "efface_studies_closed_total{why=\"quiet\"}";
const ASKED: &str = "efface_pacs_questions_total";
/// No test waits for so long.
const NEVER_S: f64 = 86_400.0;

fn missing() -> Option<String> {
    let program = dcmtk::missing().map(|program| format!("{program} is not installed"));
    program.or_else(|| (!orthanc::is_installed()).then(|| "Orthanc is not installed".to_owned()))
}

/// A hospital with Orthanc as its PACS.
struct Hospital {
    site: Site,
    pacs: Orthanc,
    outside: Outside,
    /// Where the gateway is to listen.
    port: u16,
}

impl Hospital {
    /// The PACS knows the gateway as a destination, or does not.
    fn new(quiet_period_s: f64, retrieve: bool, is_known: bool) -> Self {
        let (mut site, port) = (Site::leaving_faces(), free_port());
        let known = match is_known {
            true => json!({ "efface": ["EFFACE", "127.0.0.1", port] }),
            false => json!({}),
        };
        let configuration = json!({
            "DicomModalities": known, "DicomAlwaysAllowFind": true, "DicomAlwaysAllowMove": true,
        });
        let pacs = Orthanc::start(&site.path("orthanc"), "PACS", &configuration);
        site.quiet_period_s = quiet_period_s;
        site.caller = caller("PACS", pacs.dicom, retrieve);
        let outside = Outside::start(&site.sink());
        Hospital { site, pacs, outside, port }
    }

    fn serve(&self) -> Gateway {
        self.site.serve_configured_at(self.port, self.outside.port, "")
    }

    /// A study of six slices that the PACS has.
    fn study(&self, n: u32) -> Vec<PathBuf> {
        let study = write_body_ct(&self.site.path(&format!("study-{n}")), &patient(n), 1, 6);
        let sent = send_as("CT1", "PACS", self.pacs.dicom, &study);
        assert_eq!(sent.acknowledged, study, "{}", sent.said);
        study
    }
}

fn caller(ae_title: &str, port: u16, retrieve: bool) -> String {
    format!(
        "{{ ae_title: {ae_title}, from: [127.0.0.0/8], query: \"PACS@127.0.0.1:{port}\", retrieve: {retrieve} }}"
    )
}

/// Why studies were closed, in order.
fn closed(gateway: &Gateway) -> Vec<String> {
    let lines = gateway.lines("study closed");
    lines.iter().map(|line| line["why"].as_str().expect("a reason").to_owned()).collect()
}

#[test]
fn a_study_leaves_when_all_of_it_is_here_and_not_before() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    let hospital = Hospital::new(NEVER_S, false, true);
    let gateway = hospital.serve();
    deliver(gateway.port, &hospital.study(0));
    hospital.outside.wait_for(6);
    assert_eq!(closed(&gateway), ["complete"], "{}", gateway.log());

    let study = hospital.study(1);
    let (begun, rest) = study.split_at(3);
    let asked = gateway.metric(ASKED);
    deliver(gateway.port, begun);
    // Three again: they count once.
    deliver(gateway.port, begun);
    until("it was asked twice about a half", || gateway.metric(ASKED) >= asked + 2);
    assert_eq!((gateway.metric(COMPLETE), gateway.metric("efface_studies_open")), (1, 1));
    // What is known of it is found again.
    gateway.kill();
    let gateway = hospital.serve();
    until("it is asked again", || gateway.metric(ASKED) >= 1);
    assert_eq!(gateway.metric("efface_studies_open"), 1);
    deliver(gateway.port, rest);
    let arrived = hospital.outside.wait_for(12);
    assert_eq!(tally(&arrived, "StudyInstanceUID").into_values().collect::<Vec<_>>(), [6, 6]);
    assert_eq!(closed(&gateway), ["complete"], "{}", gateway.log());
    assert_eq!((gateway.metric(COMPLETE), gateway.metric(QUIET)), (1, 0));
    assert_eq!(gateway.metric("efface_pacs_questions_in_vain_total"), 0, "{}", gateway.log());
    assert_clean_files(&hospital.outside.folder);
}

#[test]
fn what_was_never_sent_is_fetched_and_nothing_else() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    let hospital = Hospital::new(1.0, true, true);
    let gateway = hospital.serve();
    hospital.study(0);
    deliver(gateway.port, &hospital.study(1)[..2]);
    let arrived = hospital.outside.wait_for(6);
    assert_eq!(tally(&arrived, "StudyInstanceUID").into_values().collect::<Vec<_>>(), [6]);
    assert_eq!(tally(&arrived, "SOPInstanceUID").len(), 6);
    assert_eq!(closed(&gateway), ["complete"], "{}", gateway.log());
    assert_eq!(gateway.metric("efface_instances_fetched_total"), 4);
    assert_eq!(gateway.metric("efface_instances_stored_total"), 6);
    // What comes again is a batch of its own, and no reason to fetch the rest once more.
    deliver(gateway.port, &hospital.study(1)[..1]);
    until("it is closed, too", || closed(&gateway).len() == 2);
    hospital.site.settled();
    assert_eq!(gateway.metric("efface_instances_stored_total"), 7);
    until("it is told", || {
        let status = hospital.site.ask(&["status", "--json"]);
        let status: Value = serde_json::from_str(&status).unwrap();
        status["pacs"]["fetched"] == 4 && status["pacs"]["closed_complete"] == 2
    });
    let said = hospital.site.ask(&["status"]);
    assert!(said.contains("missing instances: 4 fetched"), "{said}");
    assert_clean_files(&hospital.outside.folder);
}

#[test]
fn a_pacs_that_does_not_know_us_is_told_of_and_the_study_leaves_without() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    let hospital = Hospital::new(1.0, true, false);
    let gateway = hospital.serve();
    deliver(gateway.port, &hospital.study(0)[..3]);
    deliver(gateway.port, &hospital.study(1)[..3]);
    hospital.outside.wait_for(6);
    assert_eq!(closed(&gateway), ["quiet", "quiet"], "{}", gateway.log());
    assert_eq!(gateway.metric("efface_instances_fetched_total"), 0);
    let said = gateway.log();
    assert_eq!(said.matches("Enter our ae_title:").count(), 1, "once in a while: {said}");
    assert_eq!(hospital.outside.arrived().len(), 6);
}

#[test]
fn it_is_asked_and_sends_under_tls_where_the_listener_has_it() {
    if let Some(missing) = missing() {
        skip!("{missing}");
    }
    let (mut site, port) = (Site::leaving_faces(), free_port());
    let ca = Authority::new("ca");
    let write = |name: &str, text: &str| std::fs::write(site.path(name), text).unwrap();
    write("ca.pem", &ca.certificate);
    for (file, name) in [("gate", "127.0.0.1"), ("pacs", "127.0.0.1"), ("ct", "pacs.test")] {
        let issued = ca.issue(name);
        write(&format!("{file}.pem"), &issued.certificate);
        write(&format!("{file}.key"), &issued.key);
    }
    let configuration = json!({
        "DicomModalities": {
            "efface": { "AET": "EFFACE", "Host": "127.0.0.1", "Port": port, "UseDicomTls": true },
        },
        "DicomAlwaysAllowFind": true, "DicomAlwaysAllowMove": true, "DicomTlsEnabled": true,
        "DicomTlsCertificate": site.at("pacs.pem"), "DicomTlsPrivateKey": site.at("pacs.key"),
        "DicomTlsTrustedCertificates": site.at("ca.pem"),
    });
    let pacs = Orthanc::start(&site.path("orthanc"), "PACS", &configuration);
    let [key, certificate, ca] = ["ct.key", "ct.pem", "ca.pem"].map(|name| site.at(name));
    let send = |called: &str, port: u16, files: &[PathBuf]| {
        let mut storescu = Command::new("storescu");
        storescu.args(["+tls", &key, &certificate, "+cf", &ca]);
        let sent = send_by(&mut storescu, "PACS", called, port, files);
        assert_eq!(sent.acknowledged, files, "{}", sent.said);
    };
    let study = write_body_ct(&site.path("study"), &patient(1), 1, 6);
    send("PACS", pacs.dicom, &study);
    let pems = ["gate.pem", "gate.key", "ca.pem"].map(|name| site.at(name));
    let [own_certificate, own_key, believed] = &pems;
    let tls =
        format!("tls: {{ certificate: {own_certificate}, key_file: {own_key}, ca: {believed} }}\n");
    let own = "certificate_name: pacs.test";
    let fetched = caller("PACS", pacs.dicom, true).replace("query:", &format!("{own}, query:"));
    // By the same title the PACS itself calls, with a certificate for its address.
    let digest = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in", &site.at("pacs.pem")])
        .output()
        .unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap();
    let digest = digest.trim().split_once('=').unwrap().1;
    site.caller = format!(
        "{fetched}\n  - {{ ae_title: PACS, from: [127.0.0.0/8], certificate: \"{digest}\" }}"
    );
    site.destination = ", tls: false".to_owned();
    site.quiet_period_s = 1.0;
    let outside = Outside::start(&site.sink());
    let gateway = site.serve_configured_at(port, outside.port, &tls);
    send("EFFACE", gateway.port, &study[..3]);
    outside.wait_for(6);
    assert_eq!(closed(&gateway), ["complete"], "{}", gateway.log());
    assert_eq!(gateway.metric("efface_instances_fetched_total"), 3);
}

// ------------------------------------------------------------------------------------ a PACS that lies

/// Listens once for each lie, prints the ports as a line of JSON, and ends when its input does.
const LIAR: &str = r#"
import json, sys, time
from pydicom.dataset import Dataset
from pynetdicom import AE, evt, service_class
from pynetdicom.sop_class import (StudyRootQueryRetrieveInformationModelFind as FIND,
                                  StudyRootQueryRetrieveInformationModelMove as MOVE)

encode = service_class.encode
service_class.encode = lambda ds, *rest: b"\xff" * 77 if "PatientComments" in ds else encode(ds, *rest)
KEY = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
NUMBER = {"STUDY": "NumberOfStudyRelatedInstances", "SERIES": "NumberOfSeriesRelatedInstances"}

def match(asked, uid, number=None):
    ds = Dataset()
    level = ds.QueryRetrieveLevel = asked.QueryRetrieveLevel
    setattr(ds, KEY[level], asked.StudyInstanceUID if level == "STUDY" else uid)
    if number is not None and level in NUMBER:
        setattr(ds, NUMBER[level], number)
    return 0xFF00, ds

def find(lie, asked):
    if lie == "too few":
        yield match(asked, "1.2.3.4", 1)
    elif lie == "none":
        yield match(asked, "1.2.3.4", 0)
    elif lie == "nothing":
        pass
    elif lie == "garbage":
        status, ds = match(asked, "1.2.3.4", 3)
        ds.PatientComments = "garbage"
        yield status, ds
    elif lie == "another":
        asked.StudyInstanceUID = "1.2.3.4.5"
        yield match(asked, "1.2.3.4", 3)
    elif lie == "endless":
        for n in range(10**9):
            yield match(asked, f"1.2.3.{n + 1}")
    elif lie == "silence":
        time.sleep(600)
    elif lie == "refusal":
        yield 0xC001, None

def move(event):
    # No such destination: 0xA801.
    yield (None, None)

ports = {}
for lie, port in json.loads(sys.argv[1]).items():
    ae = AE("PACS")
    ae.add_supported_context(FIND)
    ae.add_supported_context(MOVE)
    handlers = [(evt.EVT_C_FIND, lambda event, lie=lie: find(lie, event.identifier)), (evt.EVT_C_MOVE, move)]
    ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
print("listening", flush=True)
sys.stdin.read()
import os
os._exit(0)
"#;

/// Each is believed by nobody.
const LIES: [&str; 8] =
    ["too few", "none", "nothing", "garbage", "another", "endless", "silence", "refusal"];

#[test]
fn whatever_a_pacs_says_nothing_is_lost_and_the_quiet_period_decides() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let Some(python) = python_with("pynetdicom") else { skip!("no Python with pynetdicom") };
    let ports: Vec<u16> = LIES.iter().map(|_| free_port()).collect();
    let job: serde_json::Map<String, Value> =
        LIES.iter().zip(&ports).map(|(lie, port)| ((*lie).to_owned(), json!(port))).collect();
    let mut liar = Command::new(python)
        .args(["-c", LIAR, &Value::from(job).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a PACS");
    let stdout = liar.stdout.take().expect("stdout");
    let _liar = Running(liar);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    assert_eq!(line.trim(), "listening");

    let mut site = Site::leaving_faces();
    let name = |n: usize| format!("PACS{n}");
    let callers = ports.iter().enumerate().map(|(n, port)| caller(&name(n), *port, true));
    site.caller = callers.collect::<Vec<_>>().join("\n  - ");
    site.quiet_period_s = 10.0;
    let outside = Outside::start(&site.sink());
    let gateway = site.serve_configured(outside.port, "");
    for n in 0..LIES.len() {
        let study = write_body_ct(&site.path(&name(n)), &patient(n as u32), n as u32 + 1, 3);
        let sent = send_as(&name(n), "EFFACE", gateway.port, &study);
        assert_eq!(sent.acknowledged, study, "{}", sent.said);
    }
    let arrived = outside.wait_for(3 * LIES.len());
    let studies = tally(&arrived, "StudyInstanceUID");
    assert_eq!(studies.into_values().collect::<Vec<_>>(), [3; LIES.len()]);
    assert_eq!(closed(&gateway), ["quiet"; LIES.len()], "{}", gateway.log());
    assert!(gateway.metric(ASKED) >= LIES.len() as u64);
    assert_eq!(gateway.metric(COMPLETE), 0);
    let said = gateway.log();
    let why = until_some("its being told", || {
        said.lines().find(|line| line.contains("Enter our ae_title:"))
    });
    assert!(why.contains("it does not know our AE title"), "the one with too few: {why}");
    let inquirers = gateway.children("inquire");
    assert_eq!(inquirers.len(), LIES.len(), "none of them died: {said}");
    let is_confined = |pid: &Pid| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
        status.is_ok_and(|status| status.contains("Seccomp:\t2"))
    };
    assert!(inquirers.iter().all(is_confined) || !can_confine(), "a filter of system calls");
}
