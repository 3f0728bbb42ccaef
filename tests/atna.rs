//! Audit messages to a real repository: rsyslog, over TLS with certificates on both sides.
//!
//! Which event becomes which message is tested beside the code (`src/atna/`), and that nothing is missing whatever a
//! collector does. Without rsyslog and one of its drivers for TLS these say SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use efface::atna::{Reporter, Syslog};
use efface::audit::{Event, Log, Signer};
use efface::isolation::{ShipOrders, Strictness};
use efface::key::RootKey;
use efface::net::tls::Papers;
use efface::pipe::say;
use efface::spool::{Place, Spool};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::authority::{Authority, Issued};
use support::canary::assert_clean_files;
use support::dcmtk::{self, Outside, Running, deliver, free_port};
use support::gateway::{Site, can_confine, key_of_nobody, printed, program};
use support::rsyslog::{CLIENT, Collector, Driver, Received};
use support::study::{patient, write_body_ct};
use support::{Seeded, until, until_some_or};
use zeroize::Zeroizing;

/// What the collector keeps of the records.
fn numbers(file: &Path) -> BTreeSet<u64> {
    Received::all(file).iter().filter_map(Received::seq).collect()
}

#[track_caller]
fn all_arrive(file: &Path, records: u64) {
    let known =
        || format!("{:?}", (0..records).filter(|n| !numbers(file).contains(n)).collect::<Vec<_>>());
    until_some_or("all records have arrived, but for", known, || {
        (0..records).all(|n| numbers(file).contains(&n)).then_some(())
    });
}

/// A log in a state directory, and a shipper that is told where to send.
struct Shipping {
    folder: tempfile::TempDir,
    log: Log,
    ca: Authority,
    own: Issued,
    port: u16,
}

impl Shipping {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(&folder.path().join("state"), 0).unwrap();
        let root = RootKey::from_text(&key_of_nobody()).unwrap();
        let log = Log::open(&spool.dir(Place::Audit), Signer::of(&root)).unwrap();
        let ca = Authority::new("ca of a test");
        let own = ca.issue(CLIENT);
        Shipping { folder, log, ca, own, port: free_port() }
    }

    fn happen(&self, events: u64) {
        for n in 0..events {
            self.log.append(Event::Taken { batch: format!("b-{n}"), instances: n }).unwrap();
        }
    }

    fn records(&self) -> u64 {
        let log = std::fs::read(self.path("state/audit/log")).unwrap();
        log.iter().filter(|b| **b == b'\n').count() as u64
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn collect(&self, driver: Driver) -> Collector {
        self.collect_as(driver, &self.ca.issue("localhost"))
    }

    fn collect_as(&self, driver: Driver, own: &Issued) -> Collector {
        Collector::start(&self.path("collector"), self.port, driver, &self.ca, own)
    }

    /// Starts the process that the gateway would start.
    fn ship(&self) -> Running {
        let verifier = self.log.verifier();
        let (ca, certificate) = (self.ca.certificate.clone(), self.own.certificate.clone());
        let papers = Papers { ca, certificate, key: Zeroizing::new(self.own.key.clone()) };
        let orders = ShipOrders {
            state: self.path("state"),
            log_key: verifier.to_string(),
            reporter: Reporter {
                host: "gate.test".to_owned(),
                origin: verifier.name().to_owned(),
                ae_title: "EFFACE".parse().unwrap(),
                recipients: Vec::new(),
            },
            repository: Syslog {
                address: format!("localhost:{}", self.port),
                papers: Some(papers),
            },
            strictness: if can_confine() { Strictness::Strict } else { Strictness::Partial },
            gateway: std::process::id(),
            log_json: true,
        };
        let mut process = program();
        process.arg("ship").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = process.spawn().unwrap();
        // It stays open: its end would be the sign to stop.
        say(process.stdin.as_mut().unwrap(), &orders).unwrap();
        Running(process)
    }

    fn cursor(&self) -> Vec<u64> {
        let text = std::fs::read_to_string(self.path("state/atna/cursor")).unwrap_or_default();
        text.lines().skip(2).filter_map(|line| line.parse().ok()).collect()
    }
}

/// Waits until it says something with these words in it.
#[track_caller]
fn it_says(process: &mut Child, words: &str) {
    let said = Arc::new(Mutex::new(String::new()));
    let (stderr, heard) = (process.stderr.take().unwrap(), Arc::clone(&said));
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            heard.lock().unwrap().push_str(&line);
        }
    });
    let known = || said.lock().unwrap().clone();
    until_some_or(words, known, || known().contains(words).then_some(()));
}

#[test]
fn a_gateway_reports_everything_and_names_nobody() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let drivers = Driver::installed();
    if drivers.is_empty() {
        skip!("rsyslog with rsyslog-gnutls or rsyslog-openssl is not installed");
    }
    for driver in drivers {
        reports_everything(driver);
    }
}

fn reports_everything(driver: Driver) {
    let site = Site::leaving_faces();
    let outside = Outside::start(&site.sink());
    let (ca, port) = (Authority::new("ca of a test"), free_port());
    let (ours, theirs) = (ca.issue(CLIENT), ca.issue("localhost"));
    for (name, text) in
        [("ca.pem", &ca.certificate), ("own.pem", &ours.certificate), ("own.key", &ours.key)]
    {
        std::fs::write(site.path(name), text).unwrap();
    }
    let lines = format!(
        "audit_repository: {{ to: \"localhost:{port}\", ca: {}, certificate: {}, key_file: {} }}\n",
        site.at("ca.pem"),
        site.at("own.pem"),
        site.at("own.key")
    );
    let start = || Collector::start(&site.path("collector"), port, driver, &ca, &theirs);
    let study = |n: u32| write_body_ct(&site.path(&format!("pacs-{n}")), &patient(n), 1, 3);

    // Nobody listens: the gateway does its work, and says what is missing.
    let mut gateway = site.serve_configured(outside.port, &lines);
    deliver(gateway.port, &study(1));
    outside.wait_for(3);
    site.settled();
    gateway.comes_to("efface_audit_reporting", 0);
    assert!(gateway.metric("efface_audit_records_behind") >= 4);
    assert!(site.ask(&["status"]).contains("records behind"));
    let older = std::fs::read(site.state().join("audit/log")).unwrap();
    let older_note = std::fs::read(site.state().join("audit/checkpoint")).unwrap();

    let collector = start();
    gateway.comes_to("efface_audit_records_behind", 0);
    gateway.comes_to("efface_audit_reporting", 1);
    assert_eq!(gateway.metric("efface_audit_behind_seconds"), 0);

    // The collector stops in the middle, the shipper is killed: both come back.
    deliver(gateway.port, &study(2));
    outside.wait_for(6);
    collector.stop(Signal::TERM);
    deliver(gateway.port, &study(3));
    outside.wait_for(9);
    let shipper = gateway.children("ship")[0];
    rustix::process::kill_process(shipper, Signal::KILL).unwrap();
    site.settled();
    let collector = start();
    gateway.comes_to("efface_audit_records_behind", 0);
    assert!(gateway.terminate().success());

    let log = std::fs::read_to_string(site.state().join("audit/log")).unwrap();
    all_arrive(&collector.file, log.lines().count() as u64);
    let received = Received::all(&collector.file);
    for message in &received {
        assert!(message.seq().is_some() || message.note().is_some(), "{}", message.line);
        assert!(message.line.starts_with("<85>1 ") || message.line.starts_with("<84>1 "));
    }
    // The last record is the end of the gateway, and the last checkpoint covers it.
    let last = received.iter().max_by_key(|message| message.seq()).unwrap();
    assert!(last.line.contains("110121"), "{}", last.line);
    judge(&site, &received);
    assert_clean_files(&site.path("collector"));

    let note = received.iter().rev().find_map(Received::note).unwrap();
    std::fs::write(site.path("note"), note).unwrap();
    let verify = || {
        let state = site.state().display().to_string();
        let mut command = program();
        command.args(["audit", "verify", "--state", &state, "--checkpoint", &site.at("note")]);
        command.output().unwrap()
    };
    let verified = verify();
    assert!(verified.status.success(), "{}", printed(&verified));
    // Somebody puts back an older log, which is sound in itself: what the collector has tells.
    std::fs::write(site.state().join("audit/log"), older).unwrap();
    std::fs::write(site.state().join("audit/checkpoint"), older_note).unwrap();
    let rolled_back = verify();
    assert_eq!(rolled_back.status.code(), Some(1), "{}", printed(&rolled_back));
    drop(collector);
}

/// Every message is what PS3.15 A.5.1 says.
fn judge(site: &Site, received: &[Received]) {
    let folder = site.path("messages");
    std::fs::create_dir_all(&folder).unwrap();
    let mut files = Vec::new();
    for (n, xml) in received.iter().filter_map(Received::xml).enumerate() {
        files.push(folder.join(format!("{n}.xml")));
        std::fs::write(&files[n], xml).unwrap();
    }
    assert!(files.len() >= 12, "{}", files.len());
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/atna/audit-message.rng");
    let judged =
        Command::new("xmllint").args(["--noout", "--relaxng", schema]).args(&files).output();
    match judged {
        Ok(judged) => assert!(judged.status.success(), "{}", printed(&judged)),
        Err(_) => {
            println!("SKIPPED: xmllint is not installed, messages are not compared with the schema")
        }
    }
}

#[test]
fn nothing_is_missing_when_shipper_and_collector_are_killed() {
    let drivers = Driver::installed();
    if drivers.is_empty() {
        skip!("rsyslog with rsyslog-gnutls or rsyslog-openssl is not installed");
    }
    for driver in drivers {
        let shipping = Shipping::new();
        let mut seeded = Seeded(7);
        shipping.happen(200);
        let mut collector = shipping.collect(driver);
        for round in 0..6 {
            let shipper = shipping.ship();
            shipping.happen(20);
            std::thread::sleep(Duration::from_millis(50 + seeded.below(1500)));
            if round % 2 == 1 {
                let signal = if round == 3 { Signal::TERM } else { Signal::KILL };
                collector.stop(signal);
                shipping.happen(5);
                collector = shipping.collect(driver);
            }
            drop(shipper);
        }
        let shipper = shipping.ship();
        all_arrive(&collector.file, shipping.records());
        until("the cursor is at the end", || shipping.cursor().last() == Some(&shipping.records()));
        drop(shipper);
        assert_clean_files(&shipping.path("collector"));
    }
}

#[test]
fn whoever_is_not_the_repository_gets_nothing() {
    let Some(driver) = Driver::installed().into_iter().next() else {
        skip!("rsyslog with rsyslog-gnutls or rsyslog-openssl is not installed");
    };
    let other = Authority::new("another ca");
    for (what, words) in [
        ("another CA", "of a CA that is not believed"),
        ("expired", "Renew it there"),
        ("another name", "Call it by a name"),
        ("no TLS", "may not speak TLS"),
    ] {
        let shipping = Shipping::new();
        shipping.happen(3);
        let driver = if what == "no TLS" { Driver::Plain } else { driver };
        let own = match what {
            "another CA" => other.issue("localhost"),
            "expired" => shipping.ca.issue_for_years("localhost", (2020, 2021)),
            "another name" => shipping.ca.issue("elsewhere.test"),
            _ => shipping.ca.issue("localhost"),
        };
        let collector = shipping.collect_as(driver, &own);
        let mut shipper = shipping.ship();
        it_says(&mut shipper.0, words);
        let file = std::fs::read(&collector.file).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&file).contains("AuditMessage"), "{what}");
        assert_eq!(shipping.cursor(), [0, 0], "{what}");
    }
}

#[test]
fn a_repository_that_does_not_know_us_counts_nothing_as_arrived() {
    let drivers = Driver::installed();
    if drivers.is_empty() {
        skip!("rsyslog with rsyslog-gnutls or rsyslog-openssl is not installed");
    }
    for driver in drivers {
        let other = Authority::new("another ca");
        for (what, own) in [("name", None), ("CA", Some(other.issue(CLIENT)))] {
            let mut shipping = Shipping::new();
            shipping.own = own.unwrap_or_else(|| shipping.ca.issue("stranger.test"));
            shipping.happen(3);
            let collector = shipping.collect(driver);
            let shipper = shipping.ship();
            std::thread::sleep(Duration::from_secs(3));
            drop(shipper);
            let file = collector.file.clone();
            collector.stop(Signal::TERM);
            // rsyslog with OpenSSL looks at names after the handshake, and now and then lets a stranger in. What it has taken has
            // arrived; nothing else has.
            let arrived = shipping.cursor().last().copied().unwrap_or(0);
            let taken = numbers(&file);
            assert!((0..arrived).all(|n| taken.contains(&n)), "{driver:?}: {what}: {arrived}");
            let is_lenient = driver == Driver::OpenSsl && what == "name";
            assert!(arrived == 0 || is_lenient, "{driver:?}: {what}: {arrived}");
        }
    }
}
