//! The automatic way back, over sockets: results come to the listener, are judged, and are delivered to the PACS of origin.
//!
//! Without dcmtk, Orthanc or highdicom these say SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::authority::Authority;
use support::canary::assert_clean;
use support::dcmtk::{self, Arrived, Outside, deliver, free_port, has, send_as, send_by, tally};
use support::gateway::{Gateway, LEAVE_FACES, Site, program};
use support::orthanc::{self, Orthanc};
use support::raw::Raw;
use support::results::{CLASSES, MAKER, SEGMENTATION, reference, result, wrong_kinds};
use support::study::{BASIC_TEXT_SR, Elements, US, patient, write_body_ct};
use support::{Seeded, files, python_with, until};

const SHIFTED: &str = "options: [Retain Longitudinal Temporal Information Modified Dates]\n";
/// The AE title by which results come.
const BACK: &str = "EFFACE_BACK";

/// A hospital that takes back what LAB makes, at fixed ports.
struct House {
    site: Site,
    gateway: u16,
    outside: u16,
    pacs: u16,
}

impl House {
    fn new() -> Self {
        let mut site = Site::with_profile(&format!("{LEAVE_FACES}{SHIFTED}"));
        let [gateway, outside, pacs] = [free_port(), free_port(), free_port()];
        site.caller = format!(
            "{{ ae_title: PACS, from: [127.0.0.0/8], results: \"PACS@127.0.0.1:{pacs}\" }}"
        );
        site.destination = format!(
            ", results: {{ from: [{{ ae_title: LAB, from: [127.0.0.0/8] }}], called: {BACK}, instance_bytes_max: 1000000 }}"
        );
        House { site, gateway, outside, pacs }
    }

    fn serve(&self) -> Gateway {
        self.serve_with("")
    }

    fn serve_with(&self, lines: &str) -> Gateway {
        let metrics = free_port();
        let lines = format!("disk_reserve_bytes: 1000000\n{lines}");
        self.site.configure([self.gateway, self.outside, metrics], &lines);
        let mut command = program();
        command.args(["serve", "--config", &self.site.at("efface.yaml")]);
        Gateway::start(command, metrics)
    }

    /// Sends studies of these patients out, three images each; what left, by study.
    fn send_out(&self, outside: &Outside, somebody: &[u32]) -> Vec<Vec<Arrived>> {
        for number in somebody {
            let folder = self.site.path(&format!("pacs/{number}"));
            deliver(self.gateway, &write_body_ct(&folder, &patient(*number), 1, 3));
        }
        let mut studies: BTreeMap<String, Vec<Arrived>> = BTreeMap::new();
        for one in outside.wait_for(3 * somebody.len()) {
            studies.entry(one.text("StudyInstanceUID")).or_default().push(one);
        }
        self.site.settled();
        studies.into_values().collect()
    }

    /// Returns results as LAB does; whether all were acknowledged.
    fn give_back(&self, results: &[Elements]) -> bool {
        let folder = self.site.path("made");
        let _ = std::fs::remove_dir_all(&folder);
        let written = results.iter().zip(0..).map(|(data, number)| {
            let path = folder.join(format!("{number}.dcm"));
            data.write(&path);
            path
        });
        let written: Vec<PathBuf> = written.collect();
        send_as("LAB", BACK, self.gateway, &written).acknowledged == written
    }
}

fn of(study: &[Arrived]) -> Vec<&Arrived> {
    study.iter().collect()
}

/// Codes of results in quarantine, with how many there are.
fn quarantined(site: &Site) -> BTreeMap<String, u64> {
    let mut codes = BTreeMap::new();
    for line in site.ask(&["quarantine", "ls"]).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, instances, "RESULTS", "of", "lab", code, ..] = words[..] {
            *codes.entry(code.to_owned()).or_default() += instances.parse::<u64>().unwrap();
        }
    }
    codes
}

/// Has an Orthanc store everything that it has at the gateway.
fn store_all(orthanc: &Orthanc) {
    orthanc.post("/modalities/efface/store", &orthanc.json("/instances"));
}

fn upload(orthanc: &Orthanc, files: &[PathBuf]) {
    files.iter().for_each(|file| drop(orthanc.put(file)));
}

fn python(python: &Path, script: &str, arguments: &[&Path]) -> String {
    let script = Path::new("tests/results").join(script);
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    println!("{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The whole way: a CT out, and what is made of it back at the PACS, where everything refers to what is there.
#[test]
fn what_is_made_of_a_study_comes_back_to_its_pacs() {
    if !orthanc::is_installed() || !has("dciodvfy") {
        skip!("Orthanc or dciodvfy is not installed");
    }
    let Some(snake) = python_with("highdicom, pydicom, numpy") else {
        skip!("no Python with highdicom");
    };
    let house = House::new();
    let site = &house.site;
    let peer = |called: &str| json!({ "DicomModalities": { "efface": [called, "127.0.0.1", house.gateway] } });
    let start = |name: &str, port, ae_title, called: &str| {
        Orthanc::start_at([port, free_port()], &site.path(name), ae_title, &peer(called))
    };
    let pacs = start("pacs-orthanc", house.pacs, "PACS", "EFFACE");
    let outside = start("lab-orthanc", house.outside, "LAB", BACK);
    let gateway = house.serve();
    upload(&pacs, &write_body_ct(&site.path("originals"), &patient(1), 1, 12));
    store_all(&pacs);
    until("the study is outside", || outside.count() == 12);

    outside.save(&site.path("left"));
    let made = site.path("made");
    python(&snake, "make.py", &[&site.path("left"), &made]);
    let server =
        Orthanc::start_at([free_port(), free_port()], &site.path("maker"), "LAB", &peer(BACK));
    upload(&server, &files(&made));
    store_all(&server);
    until("the results are in the PACS", || pacs.count() == 16);

    pacs.save(&site.path("inside"));
    assert_eq!(python(&snake, "check.py", &[&site.path("inside"), &made]), "");
    gateway.comes_to("efface_results_total{change=\"delivered\",code=\"\"}", 4);
    until("how long it took is known", || {
        gateway.get("/metrics").1.contains("efface_results_took_seconds_count{pacs=")
    });
    let status = site.ask(&["status"]);
    until("they are settled", || {
        site.ask(&["status"]).contains("0 wait, 0 on the way to the PACS, 4 delivered")
    });
    assert_clean("status", status.as_bytes());
    let log = site.ask(&["audit", "show", "-n", "0"]);
    for words in ["reidentified", "delivered", &format!("PACS@127.0.0.1:{}", house.pacs)] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert_clean("the log of the gateway", gateway.log().as_bytes());
    assert_eq!(quarantined(site), BTreeMap::new());
}

/// 1,000 wrong results of all kinds through the listener: the PACS gets none, and then one that is right.
#[test]
fn of_a_thousand_wrong_results_none_is_delivered() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let house = House::new();
    let site = &house.site;
    let outside = Outside::start_at(house.outside, &site.sink(), &[]);
    let pacs = Outside::start_at(house.pacs, &site.path("home"), &["-aet", "PACS"]);
    let gateway = house.serve();
    let left = house.send_out(&outside, &[0, 1]);
    let (own, other) = (of(&left[0]), of(&left[1]));
    let kinds = wrong_kinds(&own, &other);
    let per_class = 1000_usize.div_ceil(CLASSES.len());
    let mut sent = 0;
    for (of_class, class) in CLASSES.into_iter().enumerate() {
        let mut line =
            Raw::associate_as("LAB", BACK, gateway.port, class, "1.2.840.10008.1.2.1").unwrap();
        for number in 0..per_class {
            let mut data = result(class, &own, (of_class * per_class + number) as u32 + 10);
            kinds[number % kinds.len()].1(&mut data);
            let mut data_set = data.encode();
            if number % 50 == 49 {
                // Torn on its way to whoever sent it.
                data_set.truncate(data_set.len() - 4);
            }
            assert_eq!(line.store(&format!("{MAKER}.9.{sent}"), &data_set), 0);
            sent += 1;
        }
    }
    assert!(sent >= 1000);
    until("all are judged", || quarantined(site).values().sum::<u64>() == sent);
    let codes = quarantined(site);
    assert!(codes.len() >= 10, "{codes:?}");
    // Another class of the same peer, another peer, another door, and too large.
    let us = "1.2.840.10008.5.1.4.1.1.6.1";
    assert!(Raw::associate_as("LAB", BACK, gateway.port, us, "1.2.840.10008.1.2.1").is_none());
    let right = result(SEGMENTATION, &own, 1);
    let file = site.path("right/1.dcm");
    right.write(&file);
    for (calling, called) in [("PACS", BACK), ("LAB", "EFFACE"), ("OTHER", BACK)] {
        let sent = send_as(calling, called, gateway.port, std::slice::from_ref(&file));
        assert_eq!(sent.acknowledged.len(), 0, "{calling} {called}: {}", sent.said);
    }
    let mut large = right.clone();
    large.bytes(0x7FE0_0010, "OW", &vec![0; 2_000_000]);
    assert!(!house.give_back(&[large]));
    assert_eq!(files(&pacs.folder).len(), 0, "something wrong was delivered");

    assert!(house.give_back(&[right]));
    assert_eq!(pacs.wait_for(1).len(), 1);
    assert!(pacs.arrived()[0].text("PatientID").starts_with("MRN-"));
    let shown = site.ask(&["quarantine", "show", "lab-"]);
    assert!(shown.contains("wrong-patient") && shown.contains("efface result retry"), "{shown}");
    assert_clean("quarantine", shown.as_bytes());
    assert_clean("the log of the gateway", gateway.log().as_bytes());
}

/// Results refer to those of earlier calls; what came before cannot come again as something else; what cannot be judged
/// because the crosswalk is away waits.
#[test]
fn results_refer_to_earlier_ones_and_wait_for_the_crosswalk() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let house = House::new();
    let site = &house.site;
    let outside = Outside::start_at(house.outside, &site.sink(), &[]);
    let pacs = Outside::start_at(house.pacs, &site.path("home"), &["-aet", "PACS"]);
    let gateway = house.serve();
    let left = house.send_out(&outside, &[0]);
    let own = of(&left[0]);
    let segmentation = result(SEGMENTATION, &own, 1);
    let outside_uid = segmentation.text_of(0x0008_0018);
    let refers = |class: &'static str, number: u32| {
        let mut report = result(BASIC_TEXT_SR, &own, number);
        reference(class, &outside_uid)(&mut report);
        report
    };
    // Not before there is such a segmentation.
    assert!(house.give_back(&[refers(SEGMENTATION, 2)]));
    until("it is refused", || quarantined(site).get("foreign-reference") == Some(&1));

    let rows = site.state().join("crosswalk/lab/rows");
    let away = site.path("rows");
    std::fs::rename(&rows, &away).unwrap();
    assert!(house.give_back(std::slice::from_ref(&segmentation)));
    until("it waits", || site.ask(&["status"]).contains("results of lab: 1 wait"));
    gateway.wait_for("results wait, and are tried again");
    assert!(site.ask(&["status"]).contains("results of lab: 1 wait"), "it was not refused");
    std::fs::rename(&away, &rows).unwrap();
    let inside = pacs.wait_for(1)[0].text("SOPInstanceUID");

    assert!(house.give_back(&[refers(SEGMENTATION, 3)]));
    let both = pacs.wait_for(2);
    let report = both.iter().find(|one| one.text("SOPInstanceUID") != inside).unwrap();
    let bytes = std::fs::read(&report.path).unwrap();
    let says = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(
        says(&inside) && !says(&outside_uid),
        "the reference does not lead to what was delivered"
    );

    // Of another class than that had; and another one under the same name.
    assert!(house.give_back(&[refers(BASIC_TEXT_SR, 4)]));
    until("it is refused", || quarantined(site).get("referenced-class") == Some(&1));
    let mut tampered = segmentation.clone();
    tampered.text(0x0008_103E, "LO", "something else");
    assert!(house.give_back(&[tampered]));
    until("it is refused", || quarantined(site).get("changed") == Some(&1));
    // The same once more is delivered once more: the same instance.
    assert!(house.give_back(&[segmentation]));
    until("it was delivered again", || {
        site.ask(&["status"]).contains("0 wait, 0 on the way to the PACS, 3 delivered")
    });
    assert_eq!(tally(&pacs.arrived(), "SOPInstanceUID").len(), 2);

    // What was refused for what has come since is judged again.
    let listed = site.ask(&["quarantine", "ls"]);
    let name = listed.lines().find(|line| line.contains("foreign-reference")).unwrap();
    site.ask(&["result", "retry", name.split_whitespace().next().unwrap()]);
    until("it was delivered", || tally(&pacs.arrived(), "SOPInstanceUID").len() == 3);
}

/// Under TLS results come from whoever has the certificate of their destination, and go to a PACS that has its own.
#[test]
fn under_tls_results_come_by_certificate_and_go_by_one() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut house = House::new();
    let ca = Authority::new("ca");
    let put = |name: &str, text: &str| std::fs::write(house.site.path(name), text).unwrap();
    put("ca.pem", &ca.certificate);
    for (name, of) in
        [("gate", "127.0.0.1"), ("home", "127.0.0.1"), ("pacs", "pacs.test"), ("lab", "lab.test")]
    {
        let issued = ca.issue(of);
        put(&format!("{name}.pem"), &issued.certificate);
        put(&format!("{name}.key"), &issued.key);
    }
    house.site.caller =
        house.site.caller.replace(", results", ", certificate_name: pacs.test, results");
    let results =
        house.site.destination.replace("LAB, from", "LAB, certificate_name: lab.test, from");
    house.site.destination = format!(", tls: false{results}");
    let at = |name: &str| house.site.at(name);
    let papers = |name: &str| {
        let own = [format!("{name}.key"), format!("{name}.pem")].map(|file| at(&file));
        [&["+tls".to_owned()], &own[..], &["+cf".to_owned(), at("ca.pem")]].concat()
    };
    let of_home = papers("home");
    let of_home: Vec<&str> = of_home.iter().map(String::as_str).collect();
    let outside = Outside::start_at(house.outside, &house.site.sink(), &[]);
    let pacs = Outside::start_at(house.pacs, &house.site.path("home"), &of_home);
    let [certificate, key, ca] = ["gate.pem", "gate.key", "ca.pem"].map(at);
    let web = free_port();
    let tls = format!("tls: {{ certificate: {certificate}, key_file: {key}, ca: {ca} }}\n");
    let gateway = house.serve_with(&format!("{tls}results_web: 127.0.0.1:{web}\n"));
    let send = |papers: Vec<String>, calling: &str, called: &str, files: &[PathBuf]| {
        let mut storescu = Command::new("storescu");
        storescu.args(papers);
        send_by(&mut storescu, calling, called, gateway.port, files).acknowledged.len()
    };
    let study = write_body_ct(&house.site.path("study"), &patient(0), 1, 3);
    assert_eq!(send(papers("pacs"), "PACS", "EFFACE", &study), 3);
    let left = outside.wait_for(3);
    house.site.settled();

    let file = house.site.path("made/1.dcm");
    result(SEGMENTATION, &of(&left), 1).write(&file);
    let file = std::slice::from_ref(&file);
    for papers in [papers("pacs"), Vec::new()] {
        assert_eq!(send(papers, "LAB", BACK, file), 0);
    }
    assert_eq!(send(papers("lab"), "LAB", "EFFACE", file), 0);
    assert_eq!(send(papers("lab"), "LAB", BACK, file), 1);
    assert!(pacs.wait_for(1)[0].text("PatientID").starts_with("MRN-"));
    assert_eq!(quarantined(&house.site), BTreeMap::new());

    // The same by STOW-RS: two of them, something that is none, and one of a class that is not taken.
    let Some(snake) = python_with("ssl") else { skip!("no Python: STOW-RS is not tried") };
    let made = |name: &str, class: &str, number: u32| {
        let file = house.site.path(&format!("made/{name}.dcm"));
        result(class, &of(&left), number).write(&file);
        file
    };
    let mut brought =
        vec![made("two", SEGMENTATION, 2), made("three", SEGMENTATION, 3), made("four", US, 4)];
    brought.push(house.site.path("ca.pem"));
    let stow = |papers: [String; 2], files: &[PathBuf]| {
        let mut command = Command::new(&snake);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/stow.py");
        command.args([script, &web.to_string(), &at("ca.pem")]).args(papers).args(files);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let own = |name: &str| [format!("{name}.pem"), format!("{name}.key")].map(|file| at(&file));
    let nothing = ["-".to_owned(), "-".to_owned()];
    assert!(stow(nothing, &brought).starts_with("refused"));
    assert!(stow(own("pacs"), &brought).starts_with("403"), "a certificate of somebody else");
    let said = stow(own("lab"), &brought);
    assert!(said.starts_with("202 ") && said.matches("00081150").count() == 3, "{said}");
    until("the two are in the PACS", || tally(&pacs.arrived(), "SOPInstanceUID").len() == 3);
    assert!(stow(own("lab"), &brought[2..3]).starts_with("409 "));
    // What is not acknowledged is sent again: that is not two results.
    assert!(stow(own("lab"), &brought[..1]).starts_with("200 "));
    gateway.comes_to("efface_instances_stored_total", 7);
    assert_eq!(quarantined(&house.site), BTreeMap::new());
    assert_clean("the log of the process", gateway.log().as_bytes());
}

/// kill -9 of the gateway at any moment while results come back: none is lost, and none goes to somebody else.
#[test]
fn kills_lose_no_result_and_mix_up_nobody() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let house = House::new();
    let site = &house.site;
    let outside = Outside::start_at(house.outside, &site.sink(), &[]);
    let pacs = Outside::start_at(house.pacs, &site.path("home"), &["-aet", "PACS"]);
    let mut gateway = house.serve();
    let left = house.send_out(&outside, &[0, 1]);
    let mut seeded = Seeded(7);
    let mut given = 0;
    for round in 0..12 {
        let results: Vec<Elements> = (0..6)
            .map(|n| {
                let study = of(&left[(n % 2) as usize]);
                result(CLASSES[(n % 4) as usize], &study, 100 + round * 10 + n)
            })
            .collect();
        given += results.len();
        // A sender that sends until each is acknowledged; the gateway dies at some moment after.
        until("all are acknowledged", || house.give_back(&results));
        std::thread::sleep(std::time::Duration::from_millis(seeded.below(1500)));
        gateway.kill();
        gateway = house.serve();
    }
    until("all are delivered", || tally(&pacs.arrived(), "SOPInstanceUID").len() == given);
    until("all is settled", || {
        let status = site.ask(&["status"]);
        status.contains("results of lab: 0 wait, 0 on the way to the PACS")
    });
    assert_eq!(quarantined(site), BTreeMap::new());
    // By the class and number that each was made with it is known whose it is.
    let mut whose: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in pacs.arrived() {
        let study = one.text("StudyInstanceUID");
        whose.entry(one.text("PatientID")).or_default().insert(study.clone());
        whose.entry(study).or_default().insert(one.text("PatientID"));
    }
    assert_eq!(whose.len(), 4);
    assert!(whose.values().all(|of| of.len() == 1), "an instance is of two patients");
    let by_patient = tally_distinct(&pacs.arrived());
    assert_eq!(by_patient.values().copied().collect::<Vec<_>>(), [given / 2, given / 2]);
    gateway.terminate();
}

/// Distinct instances by patient.
fn tally_distinct(arrived: &[Arrived]) -> BTreeMap<String, usize> {
    let mut of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in arrived {
        of.entry(one.text("PatientID")).or_default().insert(one.text("SOPInstanceUID"));
    }
    of.into_iter().map(|(patient, instances)| (patient, instances.len())).collect()
}
