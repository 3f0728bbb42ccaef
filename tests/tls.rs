//! DICOM under TLS (PS3.15 B.12) with dcmtk on both sides, and openssl where dcmtk is too well-behaved.
//!
//! Without dcmtk these say SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use efface::net::scu::{Association, Destination, Inside, Proposal};
use efface::net::tls::{Client, Fingerprint, Papers, Trust};
use rustix::process::{Pid, Signal};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::authority::{Authority, Issued};
use support::dcmtk::{self, Outside, Sent, free_port, has, send_by};
use support::gateway::{Gateway, Site};
use support::orthanc::{self, Orthanc};
use support::study::{patient, write_body_ct};
use support::{files, until, until_some_or};
use zeroize::Zeroizing;

const PACS: &str = "pacs.test";
/// The gateway and the server outside are called by this address.
const HERE: &str = "127.0.0.1";

/// A hospital with a CA.
struct House {
    site: Site,
    ca: Authority,
    other: Authority,
}

impl House {
    /// With files of the CA, `gate` for the gateway, and `pacs` for a PACS.
    fn new() -> Self {
        let mut site = Site::leaving_faces();
        site.caller =
            format!("{{ ae_title: PACS, from: [127.0.0.0/8], certificate_name: {PACS} }}");
        let house = House { site, ca: Authority::new("ca"), other: Authority::new("other ca") };
        std::fs::write(house.site.path("ca.pem"), &house.ca.certificate).unwrap();
        std::fs::write(house.site.path("other.pem"), &house.other.certificate).unwrap();
        house.put("gate", &house.ca.issue(HERE));
        house.put("pacs", &house.ca.issue(PACS));
        house
    }

    fn put(&self, name: &str, one: &Issued) {
        std::fs::write(self.site.path(&format!("{name}.pem")), &one.certificate).unwrap();
        std::fs::write(self.site.path(&format!("{name}.key")), &one.key).unwrap();
    }

    fn serve(&self, outside: u16, more: &str) -> Gateway {
        self.serve_with(outside, more, "")
    }

    fn serve_with(&self, outside: u16, more: &str, lines: &str) -> Gateway {
        let at = |name: &str| self.site.at(name);
        let lines = format!(
            "tls: {{ certificate: {}, key_file: {}, ca: {}{more} }}\n{lines}",
            at("gate.pem"),
            at("gate.key"),
            at("ca.pem")
        );
        self.site.serve_configured(outside, &lines)
    }

    /// What dcmtk needs to show a certificate and to believe a CA.
    fn papers(&self, name: &str, ca: &str) -> Vec<String> {
        let at = |name: &str| self.site.at(name);
        vec![
            "+tls".to_owned(),
            at(&format!("{name}.key")),
            at(&format!("{name}.pem")),
            "+cf".to_owned(),
            at(&format!("{ca}.pem")),
        ]
    }

    /// The server outside, under TLS.
    fn outside(&self, port: u16, name: &str, believed: &str) -> Outside {
        let papers = self.papers(name, believed);
        let options: Vec<&str> = papers.iter().map(String::as_str).collect();
        Outside::start_at(port, &self.site.sink(), &options)
    }

    fn study(&self, n: u32) -> Vec<PathBuf> {
        write_body_ct(&self.site.path(&format!("pacs-{n}")), &patient(n), 1, 3)
    }

    fn send(&self, gateway: &Gateway, name: &str, files: &[PathBuf]) -> Sent {
        let mut storescu = Command::new("storescu");
        storescu.args(self.papers(name, "ca"));
        send_by(&mut storescu, "PACS", "EFFACE", gateway.port, files)
    }

    /// A client of the gateway's that is no dcmtk.
    fn client(&self) -> Client {
        let read = |name: &str| std::fs::read_to_string(self.site.path(name)).unwrap();
        let papers = Papers {
            ca: read("ca.pem"),
            certificate: read("pacs.pem"),
            key: Zeroizing::new(read("pacs.key")),
        };
        Client::trusting(&Trust { papers, certificate: None }, &format!("{HERE}:1")).unwrap()
    }

    /// The certificate that the gateway shows.
    fn shown(&self, gateway: &Gateway) -> Fingerprint {
        let stream = TcpStream::connect((HERE, gateway.port)).unwrap();
        let channel = self.client().greet(stream, Duration::from_secs(5)).unwrap();
        channel.shown().unwrap().fingerprint()
    }
}

/// Lets `openssl` call with one version of TLS; whether it came to a handshake with a gateway that it believes.
fn openssl_calls(house: &House, gateway: &Gateway, version: &str) -> bool {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &format!("{HERE}:{}", gateway.port), version])
        .args(["-cipher", "DEFAULT@SECLEVEL=0", "-verify_return_error"])
        .args(["-CAfile", &house.site.at("ca.pem")])
        .args(["-cert", &house.site.at("pacs.pem"), "-key", &house.site.at("pacs.key")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).contains("Verify return code: 0 (ok)")
        && output.status.success()
}

/// Of the kind that most PACS have; dcmtk takes no other below TLS 1.3.
fn rsa_key() -> Option<String> {
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output();
    made.ok().map(|made| String::from_utf8(made.stdout).unwrap())
}

#[track_caller]
fn it_says(gateway: &Gateway, words: &str) {
    until_some_or(words, || gateway.log(), || gateway.log().contains(words).then_some(()));
}

fn hang_up(gateway: &Gateway) {
    let pid = Pid::from_raw(i32::try_from(gateway.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
}

#[test]
fn studies_come_and_go_under_tls_1_2_and_1_3() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let house = House::new();
    let Some(key) = rsa_key() else { skip!("openssl is not installed") };
    house.put("gate", &house.ca.issue_for_key(HERE, &key));
    house.put("lab", &house.ca.issue(HERE));
    let outside = house.outside(free_port(), "lab", "ca");
    let mut gateway = house.serve(outside.port, "");
    let study = house.study(1);
    assert_eq!(house.send(&gateway, "pacs", &study).acknowledged, study);
    outside.wait_for(3);
    // An openssl that has no newer version than this.
    std::fs::write(
        house.site.path("openssl.cnf"),
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = max\n[max]\nMaxProtocol = TLSv1.2\n",
    )
    .unwrap();
    let study = house.study(2);
    let mut older = Command::new("storescu");
    older.env("OPENSSL_CONF", house.site.path("openssl.cnf")).args(house.papers("pacs", "ca"));
    let sent = send_by(&mut older, "PACS", "EFFACE", gateway.port, &study);
    assert_eq!(sent.acknowledged, study, "{}", sent.said);
    outside.wait_for(6);
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(openssl_calls(&house, &gateway, version), "{version}");
    }
    assert!(gateway.metric("efface_certificate_valid_seconds") > 1_000_000_000);
    assert!(gateway.terminate().success());
}

#[test]
fn whoever_cannot_prove_its_title_sends_nothing() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let house = House::new();
    house.put("stranger", &house.other.issue(PACS));
    house.put("expired", &house.ca.issue_for_years(PACS, (2020, 2021)));
    house.put("early", &house.ca.issue_for_years(PACS, (2110, 2120)));
    house.put("modality", &house.ca.issue("ct.test"));
    let mut gateway = house.serve(free_port(), "");
    let study = house.study(1);
    for (name, words) in [
        ("stranger", "of a CA that is not believed"),
        ("expired", "its certificate has expired"),
        ("early", "is not valid yet"),
        ("modality", "of another than the AE title that calls"),
    ] {
        let sent = house.send(&gateway, name, &study);
        assert!(sent.acknowledged.is_empty() && !sent.output.status.success(), "{name}");
        it_says(&gateway, words);
    }
    let plain = dcmtk::send(gateway.port, &study);
    assert!(plain.acknowledged.is_empty());
    it_says(&gateway, "does not speak TLS");
    let mut anonymous = Command::new("storescu");
    anonymous.args(["+tla", "+cf", &house.site.at("ca.pem")]);
    let sent = send_by(&mut anonymous, "PACS", "EFFACE", gateway.port, &study);
    assert!(sent.acknowledged.is_empty());
    it_says(&gateway, "it shows no certificate");
    for version in ["-tls1", "-tls1_1"].into_iter().filter(|_| has("openssl")) {
        assert!(!openssl_calls(&house, &gateway, version), "{version}");
        it_says(&gateway, "no version or cipher suite of BCP 195");
    }
    assert!(files(&house.site.state().join("inbox")).is_empty());
    assert_eq!(gateway.metric("efface_instances_stored_total"), 0);
    // It has gone on listening.
    assert_eq!(house.send(&gateway, "pacs", &study).acknowledged, study);
    assert!(gateway.terminate().success());
}

#[test]
fn a_peer_that_dawdles_is_let_go_as_without_tls() {
    let house = House::new();
    let gateway = house.serve_with(free_port(), "", "artim_s: 1\n");
    let begun = Instant::now();
    // The beginning of a ClientHello, a byte at a time, that never comes to its end.
    let mut slow = TcpStream::connect((HERE, gateway.port)).unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let hello = [22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3].into_iter().chain(std::iter::repeat(7));
    for byte in hello {
        // Written to a connection that is gone: the next read says so.
        let _ = slow.write(&[byte]);
        match slow.read(&mut [0; 16]) {
            Ok(0) => break,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            _ => assert!(begun.elapsed() < Duration::from_secs(10), "it is never let go"),
        }
    }
    // One that has shown who it is, and then says nothing.
    let stream = TcpStream::connect((HERE, gateway.port)).unwrap();
    let mut silent = house.client().greet(stream, Duration::from_secs(5)).unwrap();
    silent.socket().set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut heard = Vec::new();
    // An A-ABORT, and the end.
    silent.read_to_end(&mut heard).unwrap();
    assert_eq!(heard.first(), Some(&7));
    it_says(&gateway, "a deadline passed");
}

#[test]
fn what_waits_leaves_once_the_destination_is_put_right() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut house = House::new();
    house.site.caller = "{ ae_title: PACS, from: [127.0.0.0/8] }".to_owned();
    let ca = &house.ca;
    house.put("lab", &ca.issue(HERE));
    house.put("stranger", &house.other.issue(HERE));
    house.put("expired", &ca.issue_for_years(HERE, (2020, 2021)));
    house.put("elsewhere", &ca.issue("elsewhere.test"));
    let port = free_port();
    let mut gateway = house.serve(port, ", listener: plain");
    let mut n = 0;
    for (name, believed, words) in [
        ("stranger", "ca", "of a CA that is not believed"),
        ("expired", "ca", "Renew it there"),
        ("elsewhere", "ca", "Call it by a name"),
        ("lab", "other", "our certificate"),
        ("", "", "no TLS with 127.0.0.1"),
    ] {
        n += 1;
        let arrived = files(&house.site.sink()).len();
        let wrong = match name {
            "" => Outside::start_at(port, &house.site.sink(), &[]),
            name => house.outside(port, name, believed),
        };
        let before = gateway.log().len();
        dcmtk::deliver(gateway.port, &house.study(n));
        let said = || gateway.log()[before..].to_owned();
        until_some_or(words, said, || {
            let said = said();
            (said.contains(words) && said.contains("Nothing was sent")).then_some(())
        });
        assert_eq!(files(&house.site.sink()).len(), arrived, "{words}");
        wrong.stop();
        let right = house.outside(port, "lab", "ca");
        right.wait_for(arrived + 3);
        right.stop();
    }
    house.site.settled();
    assert_eq!(gateway.metric("efface_instances_delivered_total"), 15);
    assert!(gateway.terminate().success());
}

#[test]
fn a_renewed_certificate_is_shown_and_nothing_is_dropped() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let house = House::new();
    let port = free_port();
    let mut gateway = house.serve(port, "");
    let first = house.shown(&gateway);
    let receiver = gateway.children("receive");
    let place = Destination {
        name: "gate".to_owned(),
        ae_title: "EFFACE".parse().unwrap(),
        calling_ae_title: "PACS".parse().unwrap(),
        address: format!("{HERE}:{}", gateway.port),
        connect_s: 5,
        response_s: 5,
        message_s: 5,
        pdu_bytes_max: 65_536,
    };
    let verify = [Proposal::verification().unwrap()];
    let client = house.client();
    let mut running = Association::<Inside>::connect(&place, Some(&client), &verify).unwrap();
    running.c_echo().unwrap();

    // The lab believes another CA than the one that issued our certificate: what is for it waits.
    house.put("lab", &house.ca.issue(HERE));
    std::fs::write(house.site.path("ca-2.pem"), &house.other.certificate).unwrap();
    let lab = house.outside(port, "lab", "ca-2");
    let study = house.study(1);
    assert_eq!(house.send(&gateway, "pacs", &study).acknowledged, study);
    it_says(&gateway, "our certificate");
    house.put("gate", &house.other.issue(HERE));
    hang_up(&gateway);
    it_says(&gateway, "renewed certificates are in use");
    lab.wait_for(3);
    running.c_echo().unwrap();
    assert_eq!(gateway.children("receive"), receiver, "the same receiver listens");

    // Ours is of the other CA now, which whoever calls must believe.
    std::fs::write(house.site.path("ca.pem"), &house.other.certificate).unwrap();
    let renewed = house.shown(&gateway);
    assert_ne!(renewed, first);
    std::fs::write(house.site.path("gate.key"), "no key").unwrap();
    hang_up(&gateway);
    it_says(&gateway, "could not be read again");
    assert_eq!(house.shown(&gateway), renewed, "the old ones stay");
    running.c_echo().unwrap();
    running.release().unwrap();
    until("it is released", || gateway.log().matches("association released").count() >= 2);
    assert!(gateway.terminate().success());
}

/// Orthanc on both sides: a PACS that sends, and a server outside that is sent to.
#[test]
fn orthanc_sends_and_is_sent_to() {
    if !orthanc::is_installed() {
        skip!("orthanc is not installed");
    }
    let house = House::new();
    house.put("lab", &house.ca.issue(HERE));
    let papers = |name: &str| {
        json!({
            "DicomTlsEnabled": true,
            "DicomTlsCertificate": house.site.at(&format!("{name}.pem")),
            "DicomTlsPrivateKey": house.site.at(&format!("{name}.key")),
            "DicomTlsTrustedCertificates": house.site.at("ca.pem"),
        })
    };
    let lab = Orthanc::start(&house.site.path("lab"), "LAB", &papers("lab"));
    let mut gateway = house.serve(lab.dicom, "");
    let mut extra = papers("pacs");
    extra["DicomModalities"] = json!({
        "efface": { "AET": "EFFACE", "Host": HERE, "Port": gateway.port, "UseDicomTls": true },
    });
    let pacs = Orthanc::start(&house.site.path("pacs"), "PACS", &extra);
    let ids: Vec<String> = house.study(1).iter().map(|file| pacs.put(file)).collect();
    pacs.post("/modalities/efface/store", &json!({ "Resources": ids, "Synchronous": true }));
    until("all three are there", || lab.count() == 3);
    house.site.settled();
    let there: BTreeSet<String> = lab.patients();
    assert!(!there.is_empty() && there.iter().all(|id| *id != patient(1).id()), "{there:?}");
    assert!(gateway.terminate().success());
}
