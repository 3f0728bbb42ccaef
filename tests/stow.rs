//! Studies that leave by STOW-RS (PS3.18 10.5) for a real Orthanc: over HTTPS with certificates on both sides, and by
//! tokens.
//!
//! Without dcmtk, or Orthanc and its DICOMweb plugin, these say SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use support::authority::{Authority, Issued};
use support::canary::assert_clean_files;
use support::dcmtk::{self, arrived, free_port, tally};
use support::gateway::{Gateway, Site};
use support::orthanc::{self, Orthanc};
use support::study::{patient, write_body_ct};
use support::{until, until_some_or};

const HERE: &str = "127.0.0.1";

/// The plugin, or what is missing.
fn plugin() -> Result<String, &'static str> {
    if let Some(program) = dcmtk::missing() {
        return Err(program);
    }
    let plugin = orthanc::plugin("libOrthancDicomWeb.so").filter(|_| orthanc::is_installed());
    plugin.ok_or("Orthanc with its DICOMweb plugin")
}

/// A hospital with a CA, and a DICOMweb server outside.
struct House {
    site: Site,
    plugin: String,
    ca: Authority,
    other: Authority,
}

impl House {
    fn new(plugin: String) -> Self {
        let site = Site::leaving_faces();
        let house =
            House { site, plugin, ca: Authority::new("ca"), other: Authority::new("other") };
        std::fs::write(house.site.path("ca.pem"), &house.ca.certificate).unwrap();
        std::fs::write(house.site.path("other.pem"), &house.other.certificate).unwrap();
        let gate = house.ca.issue("gate.test");
        std::fs::write(house.site.path("gate.pem"), &gate.certificate).unwrap();
        std::fs::write(house.site.path("gate.key"), &gate.key).unwrap();
        house
    }

    /// A gateway whose destination is a DICOMweb server.
    fn serve(&mut self, url: String, more: &str) -> Gateway {
        self.site.to = Some(url);
        self.site.destination = more.to_owned();
        let at = |name: &str| self.site.at(name);
        let tls = format!(
            "tls: {{ certificate: {}, key_file: {}, ca: {}, listener: plain }}\n",
            at("gate.pem"),
            at("gate.key"),
            at("ca.pem")
        );
        self.site.serve_configured(0, &tls)
    }

    /// The server outside.
    fn orthanc(&self, ports: [u16; 2]) -> Orthanc {
        let web = json!({ "Plugins": [self.plugin], "DicomWeb": { "Enable": true } });
        Orthanc::start_at(ports, &self.site.path("orthanc"), "LAB", &web)
    }

    fn study(&self, n: u32, slices: u32) -> Vec<PathBuf> {
        write_body_ct(&self.site.path(&format!("pacs-{n}")), &patient(n), 1, slices)
    }

    /// Everything that the server has is de-identified: so many instances of so many studies.
    #[track_caller]
    fn judge(&self, orthanc: &Orthanc, instances: usize, studies: usize) {
        assert_eq!(orthanc.count(), instances as u64);
        let folder = self.site.path("arrived");
        orthanc.save(&folder);
        assert_clean_files(&folder);
        let arrived = arrived(&folder);
        assert_eq!(tally(&arrived, "SOPInstanceUID").len(), instances, "each once");
        assert_eq!(tally(&arrived, "StudyInstanceUID").len(), studies);
        assert!(arrived.iter().all(|one| one.text("PatientIdentityRemoved") == "YES"));
    }
}

#[track_caller]
fn it_says(gateway: &Gateway, from: usize, words: &str) {
    let said = || gateway.log()[from..].to_owned();
    until_some_or(words, said, || said().contains(words).then_some(()));
}

/// What a server shows, and whom it believes.
fn https(shows: &Issued, believes: &Authority) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificates = |pem: &str| -> Vec<_> {
        CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(&believes.certificate));
    let judge = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::from_pem_slice(shows.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(judge.build().unwrap())
        .with_single_cert(certificates(&shows.certificate), key);
    Arc::new(config.unwrap())
}

/// A door before an Orthanc. It ends TLS, which Debian's Orthanc cannot (its web server ends with a segmentation fault
/// at the first handshake); lets in whoever shows the token of the hour, and gives that to whoever has the secret; and
/// deletes studies by DICOMweb, for which this Orthanc has another interface.
#[derive(Clone)]
struct Door {
    port: u16,
    server: u16,
    /// `None`: plain.
    tls: Arc<Mutex<Option<Arc<ServerConfig>>>>,
    /// What whoever enters has to show; `None`: nothing.
    token: Arc<Mutex<Option<String>>>,
    /// Requests that were turned away.
    refused: Arc<Mutex<u32>>,
}

impl Door {
    fn before(orthanc: &Orthanc) -> Self {
        let listener = TcpListener::bind((HERE, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tls, token, refused) = (Arc::default(), Arc::default(), Arc::default());
        let door = Door { port, server: orthanc.http, tls, token, refused };
        let guard = door.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let guard = guard.clone();
                std::thread::spawn(move || guard.open(stream));
            }
        });
        door
    }

    fn shows(&self, config: Arc<ServerConfig>) {
        *self.tls.lock().unwrap() = Some(config);
    }

    fn asks_for(&self, token: &str) {
        *self.token.lock().unwrap() = Some(token.to_owned());
    }

    /// How many were turned away.
    fn refused(&self) -> u32 {
        *self.refused.lock().unwrap()
    }

    fn url(&self) -> String {
        let scheme = if self.tls.lock().unwrap().is_some() { "https" } else { "http" };
        format!("{scheme}://{HERE}:{}/dicom-web", self.port)
    }

    fn open(&self, stream: TcpStream) -> Option<()> {
        let tls = self.tls.lock().unwrap().clone();
        match tls {
            None => self.serve(stream),
            Some(config) => {
                let connection = ServerConnection::new(config).unwrap();
                self.serve(StreamOwned::new(connection, stream))
            }
        }
    }

    /// One request after the other; `None`: it has ended.
    fn serve(&self, stream: impl Read + Write) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).ok()? == 0 {
                    return None;
                }
            }
            let field = |name: &str| {
                let mut lines = head.lines();
                lines.find_map(|line| line.to_lowercase().strip_prefix(name).map(str::to_owned))
            };
            let length = field("content-length: ").map_or(0, |n| n.parse().unwrap());
            let shown = head.lines().find_map(|line| line.strip_prefix("authorization: "));
            let request: Vec<&str> = head.split(' ').take(2).collect();
            let is_token = request[1] == "/token";
            let asked = self.token.lock().unwrap().as_ref().map(|token| format!("Bearer {token}"));
            if !is_token && asked.is_some() && asked.as_deref() != shown {
                *self.refused.lock().unwrap() += 1;
                let no =
                    "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                return stream.get_mut().write_all(no.as_bytes()).ok();
            }
            if field("expect: ").is_some() {
                stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).ok()?;
            let answer = match (request[0], request[1].strip_prefix("/dicom-web/studies/")) {
                ("POST", None) if is_token => self.give_a_token(shown),
                ("DELETE", Some(study)) => {
                    let status =
                        if delete(self.server, study) { "204 Gone" } else { "404 Not Found" };
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes()
                }
                _ => self.pass_on(&head, &body)?,
            };
            stream.get_mut().write_all(&answer).ok()?;
            stream.get_mut().flush().ok()?;
            if self.tls.lock().unwrap().is_some() {
                // What it shows next is seen by the next request.
                return None;
            }
        }
    }

    fn give_a_token(&self, shown: Option<&str>) -> Vec<u8> {
        // efface:s3cret
        let status = match shown == Some("Basic ZWZmYWNlOnMzY3JldA==") {
            true => "200 OK",
            false => "401 Unauthorized",
        };
        let token = self.token.lock().unwrap().clone().unwrap_or_default();
        let text = format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":60}}"#);
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
    }

    fn pass_on(&self, head: &str, body: &[u8]) -> Option<Vec<u8>> {
        let mut server = TcpStream::connect((HERE, self.server)).ok()?;
        let (first, rest) = head.split_once("\r\n").unwrap();
        let rest = rest.lines().filter(|line| !line.to_lowercase().starts_with("expect:"));
        let rest: Vec<&str> = rest.filter(|line| !line.is_empty()).collect();
        let head = format!("{first}\r\nConnection: close\r\n{}\r\n\r\n", rest.join("\r\n"));
        server.write_all(head.as_bytes()).ok()?;
        server.write_all(body).ok()?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).ok()?;
        Some(answer)
    }
}

#[test]
fn studies_leave_over_https_once_both_sides_can_prove_who_they_are() {
    let plugin = match plugin() {
        Ok(plugin) => plugin,
        Err(missing) => skip!("{missing} is not installed"),
    };
    let mut house = House::new(plugin);
    let orthanc = house.orthanc([free_port(), free_port()]);
    let door = Door::before(&orthanc);
    let lab = house.ca.issue(HERE);
    door.shows(https(&lab, &house.ca));
    let mut gateway = house.serve(door.url(), "");
    let mut stored = 0;
    for (n, (shows, believes, words)) in (1..).zip([
        (house.other.issue(HERE), &house.ca, "of a CA that is not believed"),
        (house.ca.issue("elsewhere.test"), &house.ca, "Call it by a name"),
        (house.ca.issue_for_years(HERE, (2020, 2021)), &house.ca, "Renew it there"),
        // We show it no certificate that it could believe.
        (house.ca.issue(HERE), &house.other, "our certificate"),
    ]) {
        door.shows(https(&shows, believes));
        let before = gateway.log().len();
        dcmtk::deliver(gateway.port, &house.study(n, 3));
        it_says(&gateway, before, words);
        assert_eq!(gateway.metric("efface_instances_delivered_total"), stored, "{words}");
        assert_eq!(orthanc.count(), stored, "{words}");
        door.shows(https(&lab, &house.ca));
        stored += 3;
        gateway.comes_to("efface_instances_delivered_total", stored);
        house.site.settled();
    }
    assert!(gateway.terminate().success());
    house.judge(&orthanc, 12, 4);
}

/// Whether there was such a study.
fn delete(server: u16, study: &str) -> bool {
    let base = format!("http://{HERE}:{server}");
    let mut found = ureq::post(&format!("{base}/tools/lookup")).send(study).unwrap();
    let found: Value = serde_json::from_str(&found.body_mut().read_to_string().unwrap()).unwrap();
    let Some(id) = found[0]["ID"].as_str() else { return false };
    ureq::delete(&format!("{base}/studies/{id}")).call().unwrap();
    true
}

#[test]
fn whoever_has_the_wrong_token_waits_until_it_is_put_right() {
    let plugin = match plugin() {
        Ok(plugin) => plugin,
        Err(missing) => skip!("{missing} is not installed"),
    };
    let mut house = House::new(plugin);
    let orthanc = house.orthanc([free_port(), free_port()]);
    let door = Door::before(&orthanc);
    door.asks_for("of-today");
    std::fs::write(house.site.path("token"), "of-yesterday\n").unwrap();
    let more = format!(", bearer_file: {}", house.site.at("token"));
    let mut gateway = house.serve(door.url(), &more);
    dcmtk::deliver(gateway.port, &house.study(1, 3));
    it_says(&gateway, 0, "it does not let us store (HTTP 401)");
    assert_eq!(orthanc.count(), 0);
    std::fs::write(house.site.path("token"), "of-today\n").unwrap();
    gateway.comes_to("efface_instances_delivered_total", 3);
    assert!(!gateway.log().contains("of-yesterday") && !gateway.log().contains("of-today"));
    house.site.settled();
    assert!(gateway.terminate().success());

    // By tokens that somebody gives us, who knows another secret at first.
    std::fs::write(house.site.path("secret"), "wrong\n").unwrap();
    let more = format!(
        ", oauth2: {{ token_url: \"http://{HERE}:{}/token\", client_id: efface, client_secret_file: {} }}",
        door.port,
        house.site.at("secret")
    );
    let mut gateway = house.serve(door.url(), &more);
    dcmtk::deliver(gateway.port, &house.study(2, 3));
    it_says(&gateway, 0, "it does not know us");
    assert_eq!(orthanc.count(), 3);
    std::fs::write(house.site.path("secret"), "s3cret\n").unwrap();
    gateway.comes_to("efface_instances_delivered_total", 3);
    // The token of the hour is another one: the old one is not taken any more.
    door.asks_for("of-tomorrow");
    let before = door.refused();
    dcmtk::deliver(gateway.port, &house.study(3, 3));
    gateway.comes_to("efface_instances_delivered_total", 6);
    house.site.settled();
    assert!(!gateway.log().contains("s3cret") && !gateway.log().contains("of-tomorrow"));
    assert!(door.refused() > before, "the old token was shown once");
    assert!(gateway.terminate().success());
    house.judge(&orthanc, 9, 3);
}

#[test]
fn a_server_that_is_killed_in_the_middle_has_everything_in_the_end() {
    let plugin = match plugin() {
        Ok(plugin) => plugin,
        Err(missing) => skip!("{missing} is not installed"),
    };
    const SLICES: u32 = 200;
    let mut house = House::new(plugin);
    let ports = [free_port(), free_port()];
    let orthanc = house.orthanc(ports);
    let mut gateway =
        house.serve(format!("http://{HERE}:{}/dicom-web", ports[1]), ", associations: 2");
    dcmtk::deliver(gateway.port, &house.study(1, SLICES));
    until("some have arrived", || orthanc.count() > 0);
    orthanc.kill();
    let delivered = gateway.metric("efface_instances_delivered_total");
    println!("killed when {delivered} of {SLICES} had been acknowledged");
    it_says(&gateway, 0, "Sending is tried again");
    let orthanc = house.orthanc(ports);
    gateway.comes_to("efface_instances_delivered_total", u64::from(SLICES));
    house.site.settled();
    assert!(gateway.terminate().success());
    house.judge(&orthanc, SLICES as usize, 1);
}

#[test]
fn what_is_recalled_is_withdrawn_where_it_waits_and_deleted_where_it_is() {
    let plugin = match plugin() {
        Ok(plugin) => plugin,
        Err(missing) => skip!("{missing} is not installed"),
    };
    let mut house = House::new(plugin);
    let orthanc = house.orthanc([free_port(), free_port()]);
    let door = Door::before(&orthanc);
    door.asks_for("of-today");
    std::fs::write(house.site.path("token"), "of-today").unwrap();
    let more = format!(", bearer_file: {}, recall: dicomweb-delete", house.site.at("token"));
    let mut gateway = house.serve(door.url(), &more);
    dcmtk::deliver(gateway.port, &house.study(1, 3));
    dcmtk::deliver(gateway.port, &house.study(2, 3));
    gateway.comes_to("efface_instances_delivered_total", 6);
    house.site.settled();
    // The third finds the door shut, and waits.
    door.asks_for("of-tomorrow");
    dcmtk::deliver(gateway.port, &house.study(3, 3));
    it_says(&gateway, 0, "it does not let us store (HTTP 401)");

    let id = patient(3).id();
    let wanted = ["recall", "request", "--patient", "--id", &id, "--at", "lab"];
    let said = house.site.done(&[&wanted[..], &["--reason", "patient-safety"]].concat());
    assert!(said.contains("1 studies at lab"), "{said}");
    house.site.settled();
    gateway.comes_to("efface_parcels_withdrawn_total", 3);
    let listed = house.site.done(&["recall", "ls"]);
    assert!(listed.contains("DCM 113037, Rejected for Patient Safety Reasons"), "{listed}");
    assert!(listed.contains("1 are not acknowledged, 0 of them overdue"), "{listed}");
    assert!(house.site.ask(&["status"]).contains("1 recalls are not acknowledged"));
    assert_eq!(gateway.metric("efface_recalls_open"), 1);
    let reference = listed.split_whitespace().next().unwrap().to_owned();
    let letter = house.site.at("letter.html");
    house.site.done(&["recall", "letter", &reference, "-o", &letter]);
    assert!(std::fs::read_to_string(&letter).unwrap().contains("We recall the studies below"));

    // The one that is there, by its UID as it left; the other one stays.
    let first = orthanc.json("/studies?expand");
    let uid = first[0]["MainDicomTags"]["StudyInstanceUID"].as_str().unwrap();
    let words = ["recall", "request", uid, "--at", "lab", "--reason", "quality"];
    house.site.done(&words);
    house.site.refused(
        &["recall", "request", "2.25.1", "--at", "lab", "--reason", "quality"],
        "nothing of it was released",
    );
    house.site.refused(
        &["recall", "request", uid, "--at", "moon", "--reason", "quality"],
        "nothing of it was released",
    );
    assert_eq!(orthanc.count(), 6, "nobody can ask yet");
    std::fs::write(house.site.path("token"), "of-tomorrow").unwrap();
    until_some_or(
        "both are acknowledged",
        || gateway.log(),
        || (gateway.metric("efface_recalls_open") == 0).then_some(()),
    );
    assert_eq!(orthanc.count(), 3);
    let left = orthanc.json("/studies?expand");
    assert_ne!(left[0]["MainDicomTags"]["StudyInstanceUID"].as_str(), Some(uid));
    let listed = house.site.done(&["recall", "ls", "--all"]);
    assert_eq!(listed.matches("acknowledged 20").count(), 2, "{listed}");
    house.site.settled();
    house.site.ask(&["spool", "check"]);
    house.site.ask(&["audit", "verify"]);
    assert!(gateway.terminate().success());

    // What was withdrawn does not leave later, and what comes again does.
    let mut gateway = house.serve(door.url(), &more);
    house.site.settled();
    assert_eq!(orthanc.count(), 3);
    assert!(gateway.terminate().success());
}

/// Not a test: how fast a CT leaves, by both ways.
#[test]
#[ignore = "a measurement"]
fn measure_a_ct_by_stow_and_by_c_store() {
    let Ok(plugin) = plugin() else { return };
    let mut house = House::new(plugin);
    let orthanc = house.orthanc([free_port(), free_port()]);
    let study = house.study(1, 300);
    let bytes: u64 = study.iter().map(|file| file.metadata().unwrap().len()).sum();
    let stow = format!("http://{HERE}:{}/dicom-web", orthanc.http);
    let c_store = format!("LAB@{HERE}:{}", orthanc.dicom);
    for (n, (to, more)) in [(stow, ""), (c_store, ", tls: false")].into_iter().enumerate() {
        let state = house.site.path(&format!("state-{n}"));
        house.site.keep_state_in(state);
        let mut gateway = house.serve(to.clone(), more);
        dcmtk::deliver(gateway.port, &study);
        until("it begins", || gateway.metric("efface_instances_delivered_total") > 0);
        let (begun, first) = (Instant::now(), gateway.metric("efface_instances_delivered_total"));
        gateway.comes_to("efface_instances_delivered_total", 300);
        let s = begun.elapsed().as_secs_f64();
        let rate = (300 - first) as f64 / s;
        println!(
            "{to}: {rate:.0} instances/s, {:.1} MB/s ({first} at first sight)",
            rate * bytes as f64 / 300e6
        );
        assert!(gateway.terminate().success());
    }
}
