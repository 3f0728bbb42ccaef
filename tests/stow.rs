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

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
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

/// What makes an Orthanc a DICOMweb server.
fn dicomweb(plugin: &str, more: Value) -> Value {
    // A door before it sees each request by itself.
    let mut all =
        json!({ "Plugins": [plugin], "DicomWeb": { "Enable": true }, "KeepAlive": false });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
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

    /// The server under TLS, showing one certificate and believing one CA.
    fn https(&self, ports: [u16; 2], shows: &Issued, believes: &str) -> Orthanc {
        let both = format!("{}{}", shows.certificate, shows.key);
        std::fs::write(self.site.path("orthanc.pem"), both).unwrap();
        let tls = json!({
            "SslEnabled": true,
            "SslCertificate": self.site.at("orthanc.pem"),
            "SslVerifyPeers": true,
            "SslTrustedClientCertificates": self.site.at(believes),
        });
        Orthanc::start_at(ports, &self.site.path("orthanc"), "LAB", &dicomweb(&self.plugin, tls))
    }

    /// The same in plain, with what it has.
    fn http(&self, ports: [u16; 2]) -> Orthanc {
        let folder = self.site.path("orthanc");
        Orthanc::start_at(ports, &folder, "LAB", &dicomweb(&self.plugin, json!({})))
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

#[test]
fn studies_leave_over_https_once_both_sides_can_prove_who_they_are() {
    let plugin = match plugin() {
        Ok(plugin) => plugin,
        Err(missing) => skip!("{missing} is not installed"),
    };
    let mut house = House::new(plugin);
    let ports = [free_port(), free_port()];
    let url = format!("https://{HERE}:{}/dicom-web", ports[1]);
    let mut gateway = house.serve(url, "");
    let lab = house.ca.issue(HERE);
    let expected = [
        (house.other.issue(HERE), "ca.pem", "of a CA that is not believed"),
        (house.ca.issue("elsewhere.test"), "ca.pem", "Call it by a name"),
        // To it we show no certificate that it could believe.
        (house.ca.issue(HERE), "other.pem", "destination"),
    ];
    let mut stored = 0;
    for (n, (shows, believes, words)) in (1..).zip(&expected) {
        let wrong = house.https(ports, shows, believes);
        let before = gateway.log().len();
        dcmtk::deliver(gateway.port, &house.study(n, 3));
        it_says(&gateway, before, words);
        assert_eq!(gateway.metric("efface_instances_delivered_total"), stored, "{words}");
        wrong.kill();
        let right = house.https(ports, &lab, "ca.pem");
        stored += 3;
        gateway.comes_to("efface_instances_delivered_total", stored);
        house.site.settled();
        right.kill();
    }
    assert!(gateway.terminate().success());
    // What only its own interface tells, it tells in plain.
    house.judge(&house.http(ports), 9, 3);
}

/// A door before a server: only requests with the token of the hour come in. It gives tokens to whoever has the secret.
struct Door {
    port: u16,
    /// What whoever enters has to show.
    token: Arc<Mutex<String>>,
    /// Requests that were turned away.
    refused: Arc<Mutex<u32>>,
}

impl Door {
    fn before(server: u16) -> Self {
        let listener = TcpListener::bind((HERE, 0)).unwrap();
        let (token, refused) = (Arc::new(Mutex::new("of-today".to_owned())), Arc::default());
        let door = Door { port: listener.local_addr().unwrap().port(), token, refused };
        let (token, refused) = (Arc::clone(&door.token), Arc::clone(&door.refused));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (token, refused) = (Arc::clone(&token), Arc::clone(&refused));
                std::thread::spawn(move || guard(stream, server, &token, &refused));
            }
        });
        door
    }

    fn url(&self) -> String {
        format!("http://{HERE}:{}/dicom-web", self.port)
    }
}

fn guard(
    stream: TcpStream,
    server: u16,
    token: &Mutex<String>,
    refused: &Mutex<u32>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let token = token.lock().unwrap().clone();
    if head.starts_with("post /token ") {
        let answer =
            format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":60}}"#);
        let length = answer.len();
        let knows = head.contains("authorization: basic zwzmywnlonmzy3jlda=="); // efface:s3cret
        let status = if knows { "200 OK" } else { "401 Unauthorized" };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
        );
        return (&stream).write_all(answer.as_bytes()).ok();
    }
    if !head.contains(&format!("authorization: bearer {token}\r\n")) {
        *refused.lock().unwrap() += 1;
        let answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return (&stream).write_all(answer.as_bytes()).ok();
    }
    if let Some(study) = head.strip_prefix("delete /dicom-web/studies/") {
        // This Orthanc's plugin has no such service, and its own interface has.
        let study = study.split(' ').next()?;
        let done = if delete(server, study) { "204 No Content" } else { "404 Not Found" };
        let answer = format!("HTTP/1.1 {done}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return (&stream).write_all(answer.as_bytes()).ok();
    }
    // The rest of the connection is the server's.
    let mut beyond = TcpStream::connect((HERE, server)).ok()?;
    beyond.write_all(head.as_bytes()).ok()?;
    let (mut from, mut to) = (beyond.try_clone().ok()?, stream.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut reader, &mut beyond);
    beyond.shutdown(Shutdown::Both).ok()
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
    let orthanc = house.http([free_port(), free_port()]);
    let door = Door::before(orthanc.http);
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
    *door.token.lock().unwrap() = "of-tomorrow".to_owned();
    let before = *door.refused.lock().unwrap();
    dcmtk::deliver(gateway.port, &house.study(3, 3));
    gateway.comes_to("efface_instances_delivered_total", 6);
    house.site.settled();
    assert!(!gateway.log().contains("s3cret") && !gateway.log().contains("of-tomorrow"));
    assert!(*door.refused.lock().unwrap() > before, "the old token was shown once");
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
    let orthanc = house.http(ports);
    let mut gateway =
        house.serve(format!("http://{HERE}:{}/dicom-web", ports[1]), ", associations: 2");
    dcmtk::deliver(gateway.port, &house.study(1, SLICES));
    until("some have arrived", || orthanc.count() > 0);
    orthanc.kill();
    let delivered = gateway.metric("efface_instances_delivered_total");
    println!("killed when {delivered} of {SLICES} had been acknowledged");
    it_says(&gateway, 0, "Sending is tried again");
    let orthanc = house.http(ports);
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
    let orthanc = house.http([free_port(), free_port()]);
    let door = Door::before(orthanc.http);
    std::fs::write(house.site.path("token"), "of-today").unwrap();
    let more = format!(", bearer_file: {}, recall: dicomweb-delete", house.site.at("token"));
    let mut gateway = house.serve(door.url(), &more);
    dcmtk::deliver(gateway.port, &house.study(1, 3));
    dcmtk::deliver(gateway.port, &house.study(2, 3));
    gateway.comes_to("efface_instances_delivered_total", 6);
    house.site.settled();
    // The third finds the door shut, and waits.
    *door.token.lock().unwrap() = "of-tomorrow".to_owned();
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
    let orthanc = house.http([free_port(), free_port()]);
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
