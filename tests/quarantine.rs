//! What people decide about what stays inside, as they type it: rejected for one destination and released for another,
//! with the gateway killed in between, many at once; and pictures for those who say why they have to see them.
//!
//! Every order of crashes is tried in `src/simulation.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use efface::spool::Spool;
use std::path::PathBuf;
use support::canary::{assert_clean, assert_clean_files};
use support::dcmtk::{self, Outside, deliver, free_port};
use support::gateway::{Gateway, HEAD, LEAVE_FACES, Site, efface, ends, printed};
use support::study::{SECONDARY_CAPTURE, patient, write_all, write_body_ct};
use support::{files, until};

/// A house that sends to a lab and to a reader, and may send neither what is held.
struct House {
    site: Site,
    lab: Outside,
    reader: Outside,
    people: String,
}

impl House {
    fn new() -> Self {
        let mut site = Site::basic();
        let reader = Outside::start_at(free_port(), &site.path("reader"), &[]);
        let to = format!("to: \"READER@127.0.0.1:{}\", profile: basic", reader.port);
        site.more_destinations = vec![format!("{{ name: reader, {to} }}")];
        let key = |name: &str| {
            let made = efface(&["approval", "key", "--name", name, "--out", &site.at(name)]);
            format!("  - {}", String::from_utf8(made.stdout).unwrap())
        };
        let people = format!("approvers:\n{}{}", key("anna"), key("bert"));
        let lab = Outside::start(&site.sink());
        House { site, lab, reader, people }
    }

    fn start(&self) -> Gateway {
        self.site.serve_configured(self.lab.port, &self.people)
    }

    /// Sends so many objects that are held, a study each.
    fn hold(&self, gateway: &Gateway, studies: std::ops::Range<u32>) {
        let held: Vec<_> =
            studies.map(|n| patient(0).image_of(SECONDARY_CAPTURE, n + 1, 1)).collect();
        deliver(gateway.port, &write_all(&self.site.path("held"), &held));
    }

    fn aside(&self, groups: u64) {
        until("it is in quarantine", || self.site.count("in quarantine").0 == groups);
        // And nowhere else any more: a worker that is killed before its end begins anew.
        self.site.settled();
    }

    /// Names of what is in quarantine for a destination.
    fn names(&self, destination: &str) -> Vec<String> {
        let listed = self.site.ask(&["quarantine", "ls"]);
        let whose = format!("  for {destination}  ");
        let lines = listed.lines().filter(|line| line.contains(&whose));
        lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn at_site(&self, arguments: &[&str], code: i32) -> String {
        ends(&[arguments, &["--config", &self.site.at("efface.yaml")]].concat(), code)
    }

    fn state(&self) -> String {
        self.site.state().display().to_string()
    }

    fn status(&self, key: &str) -> serde_json::Value {
        let all = self.site.ask(&["status", "--json"]);
        let all: serde_json::Value = serde_json::from_str(&all).unwrap();
        all.pointer(key).unwrap().clone()
    }

    /// Nothing is lost, also not of what was put back a moment ago.
    #[track_caller]
    fn balances(&self) {
        ends(&["status", "--state", &self.state()], 0);
    }

    /// Has two people let something leave.
    fn release(&self, name: &str) {
        let file = self.site.at(name);
        let release = ["quarantine", "release", name, "--because", "seen: no name"];
        self.at_site(&[&release[..], &["--ask", &file]].concat(), 0);
        for who in ["anna", "bert"] {
            ends(&["approval", "sign", &file, "--key", &self.site.at(who), "--yes"], 0);
        }
        self.at_site(&[&release[..], &["--approval", &file]].concat(), 0);
    }

    fn is_dropped(&self) {
        until("what was rejected is dropped", || {
            self.site.count("rejected, about to be dropped") == (0, 0)
        });
    }

    /// Files of originals that are in the state directory, wherever.
    fn originals(&self) -> Vec<PathBuf> {
        let is_entry = |path: &PathBuf| {
            std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"EFFACE SPOOL 1\n"))
        };
        files(self.site.state()).into_iter().filter(is_entry).collect()
    }
}

#[test]
fn what_is_rejected_for_one_destination_is_released_for_the_other() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let house = House::new();
    let mut gateway = house.start();
    house.hold(&gateway, 0..1);
    house.aside(2);
    let (lab, reader) = (house.names("lab").remove(0), house.names("reader").remove(0));
    let reject = |name: &str, because: &str, code| {
        let state = house.state();
        ends(&["quarantine", "reject", name, "--because", because, "--state", &state], code)
    };
    assert!(reject(&lab, "", 2).contains("say why"));
    assert!(reject("nothing", "why", 1).contains("nothing is called nothing"));
    let said = reject(&lab, "a name is burned in", 0);
    assert!(said.contains("1 instances never leave for lab"), "{said}");
    assert_eq!(house.names("lab"), [""; 0]);
    house.is_dropped();
    let rejected = house.site.records("rejected").remove(0);
    assert_eq!(rejected["because"], "a name is burned in");
    assert_eq!((&rejected["instances"], &rejected["dropped"]), (&1.into(), &0.into()));
    assert_eq!(house.originals().len(), 1, "the reader may still get it");

    let gone = house.at_site(&["quarantine", "release", &lab, "--because", "seen: no name"], 2);
    assert!(gone.contains("nothing is called"));
    house.release(&reader);
    house.reader.wait_for(1);
    house.site.settled();
    assert_eq!((house.names("lab"), house.names("reader")), (vec![], vec![]));
    assert!(house.lab.arrived().is_empty(), "it was rejected for the lab");
    assert_clean_files(&house.reader.folder);
    house.balances();
    assert_eq!((house.status("/accounted"), house.status("/lost")), (1.into(), 0.into()));
    assert!(house.site.ask(&["spool", "check"]).contains("0 damaged, 0 missing"));
    assert_clean("the log of the process", gateway.log().as_bytes());
    assert!(gateway.terminate().success());
}

/// One original, two releases: the second takes nothing from the first.
#[test]
fn what_is_released_for_one_destination_after_the_other_leaves_for_both() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let house = House::new();
    let gateway = house.start();
    house.hold(&gateway, 0..1);
    house.aside(2);
    gateway.kill();
    for destination in ["lab", "reader"] {
        house.release(&house.names(destination)[0]);
        house.balances();
    }
    let mut gateway = house.start();
    house.lab.wait_for(1);
    house.reader.wait_for(1);
    house.site.settled();
    assert_eq!(house.site.count("in quarantine"), (0, 0));
    house.balances();
    assert!(gateway.terminate().success());
}

#[test]
fn what_is_rejected_while_no_gateway_runs_is_dropped_once_it_is_in_the_log() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let house = House::new();
    let gateway = house.start();
    house.hold(&gateway, 0..2);
    house.aside(4);
    gateway.kill();
    let reject = |destination: &str| {
        let of = ["--code", "class-policy", "--destination", destination, "--because", "why"];
        house.site.ask(&[&["quarantine", "reject"], &of[..]].concat())
    };
    reject("lab");
    assert_eq!(house.site.count("rejected, about to be dropped"), (2, 2));
    assert_eq!(house.site.count("in quarantine"), (2, 2));
    // Killed once more on the way, it says the same.
    house.start().kill();
    reject("reader");
    assert_eq!(
        (house.status("/lost"), house.status("/instances/in quarantine")),
        (0.into(), 0.into())
    );
    house.start().kill();
    assert_eq!(house.status("/lost"), 0);
    let mut gateway = house.start();
    house.is_dropped();
    assert_eq!(house.originals(), Vec::<PathBuf>::new(), "nobody gets them any more");
    assert!(files(&house.site.state().join("barred")).is_empty());
    assert_eq!((house.status("/lost"), house.status("/instances/rejected")), (0.into(), 2.into()));
    for destination in ["lab", "reader"] {
        let records = house.site.records("rejected");
        assert!(records.iter().any(|record| record["destination"] == destination), "{records:?}");
    }
    // What is sent again is another original: somebody decides about it anew.
    house.hold(&gateway, 0..1);
    house.aside(2);
    assert_eq!(house.status("/lost"), 0);
    assert!(gateway.terminate().success());
    assert!(house.lab.arrived().is_empty() && house.reader.arrived().is_empty());
}

#[test]
fn many_are_decided_about_each_for_itself() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let house = House::new();
    let mut gateway = house.start();
    house.hold(&gateway, 0..3);
    house.aside(6);
    let state = house.state();
    let decide = |arguments: &[&str], code| {
        ends(&[&["quarantine"], arguments, &["--state", &state]].concat(), code)
    };
    let of_lab = ["--code", "class-policy", "--destination", "lab"];
    let said = decide(&[&["reject", "--because", "why", "--dry-run"], &of_lab[..]].concat(), 0);
    assert!(said.contains("3 would be decided about, 0 are not"), "{said}");
    assert_eq!((house.names("lab").len(), house.names("reader").len()), (3, 3));
    assert!(decide(&["retry", "--code", "class-polcy"], 2).contains("there is damaged, malformed"));
    let names = house.names("lab");
    let said = decide(&["reject", "--because", "why", &names[0], "nobody", &names[1]], 1);
    assert!(said.contains("nothing is called nobody"), "{said}");
    assert!(said.contains("2 are decided about, 1 are not"), "{said}");
    assert_eq!(house.names("lab"), [names[2].as_str()]);
    house.is_dropped();
    let said = decide(&[&["retry", "--json"], &of_lab[..]].concat(), 0);
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(told[0]["done"]["outcome"], "queued", "{said}");
    until("it is back under another name", || {
        house.names("lab").first().is_some_and(|name| *name != names[2])
    });
    let listed: serde_json::Value = serde_json::from_str(&decide(&["ls", "--json"], 0)).unwrap();
    let first = listed[0].as_object().unwrap();
    assert_eq!((&first["code"], &first["kind"]), (&"class-policy".into(), &"study".into()));
    assert!(first["choices"].as_array().unwrap().contains(&"release".into()), "{first:?}");
    let shown = decide(&["show", &house.names("lab")[0]], 0);
    for words in ["1 SecondaryCaptureImageStorage", "quarantined for lab class-policy", "reject"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    for command in [&["spool", "ls", "--json"][..], &["spool", "check", "--json"]] {
        let said = house.site.ask(command);
        assert!(serde_json::from_str::<serde_json::Value>(&said).is_ok(), "{said}");
    }
    house.balances();
    assert!(gateway.terminate().success());
}

#[test]
fn pictures_are_for_those_who_say_why_and_stand_in_the_log_first() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let house = House::new();
    let mut gateway = house.start();
    house.hold(&gateway, 0..1);
    house.aside(2);
    let name = house.names("lab").remove(0);
    let out = |file: &str| house.site.at(file);
    let draw = |name: &str, file: &str, more: &[&str], code| {
        house.at_site(&[&["quarantine", "picture", name, "-o", &out(file)], more].concat(), code)
    };
    assert!(draw(&name, "1.png", &[], 2).contains("--because"));
    assert!(draw(&name, "1.png", &["--because", " "], 2).contains("say why"));
    assert_eq!(house.site.records("shown").len(), 0);
    let because = ["--because", "is a name burned in?"];
    let said = draw(&name, "1.png", &because, 0);
    assert!(said.contains("slice 1 of 1") && said.contains("IT SHOWS THE PATIENT"), "{said}");
    assert!(image::open(out("1.png")).unwrap().width() > 0);
    assert!(draw(&name, "1.png", &because, 2).contains("exists already"));
    let shown = house.site.records("shown");
    assert_eq!((shown.len(), &shown[0]["because"]), (1, &because[1].into()));
    assert_eq!(shown[0]["name"], name.as_str());
    // There are not so many; it stands in the log that somebody wanted to see it.
    let second = [&because[..], &["--slice", "2"]].concat();
    assert!(draw(&name, "2.png", &second, 2).contains("there are 1 slices"));
    assert_eq!(house.site.records("shown").len(), 2);

    // Pixels that are not what their header says: an error, in words.
    let entries = house.originals();
    let mut bytes = std::fs::read(&entries[0]).unwrap();
    let rows = b"\x28\x00\x10\x00US\x02\x00";
    let at = bytes.windows(rows.len()).position(|part| part == rows).unwrap() + rows.len();
    bytes[at..at + 2].copy_from_slice(&60_000_u16.to_le_bytes());
    std::fs::write(&entries[0], bytes).unwrap();
    let said = draw(&name, "3.png", &because, 2);
    assert!(said.contains("it cannot be drawn") && said.contains("fewer"), "{said}");
    assert!(gateway.terminate().success());

    // What cannot stand in the log is not shown.
    let lock = Spool::open(house.site.state(), 0).unwrap();
    let said = draw(&name, "4.png", &because, 2);
    assert!(said.contains("in use by another efface"), "{said}");
    drop(lock);
    for file in ["2.png", "3.png", "4.png"] {
        assert!(!house.site.path(file).exists(), "{file}");
    }
    assert_eq!(house.site.records("shown").len(), 3);
}

/// One person has something tried again under a stricter profile, and under no other.
#[test]
fn a_stricter_profile_may_be_tried_once_by_one_person() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    const KEPT: &str = "rules:\n  - { keyword: PatientSex, action: K, because: \"for a trial\" }\n";
    let site = Site::with_profile(&format!("{LEAVE_FACES}{KEPT}"));
    let lab = Outside::start(&site.sink());
    let gateway = site.serve_configured(lab.port, "");
    let config = site.at("efface.yaml");
    let number = patient(0).id();
    ends(&["objection", "add", "--id", &number, "--config", &config], 0);
    deliver(gateway.port, &write_body_ct(&site.path("pacs"), &patient(0), 1, 2));
    until("it stays inside", || site.count("in quarantine") == (1, 2));
    ends(&["objection", "lift", "--id", &number, "--config", &config], 0);
    let profile = |name: &str, rest: &str| {
        std::fs::write(site.path(name), format!("{HEAD}{LEAVE_FACES}{rest}")).unwrap();
        site.at(name)
    };
    let looser = profile(
        "looser.yaml",
        &format!("{KEPT}  - {{ keyword: PatientWeight, action: K, because: \"for a trial\" }}\n"),
    );
    let stricter = profile("stricter.yaml", "");
    let listed = site.ask(&["quarantine", "ls"]);
    let name = listed.split_whitespace().next().unwrap();
    let retry = |profile: &str, code| {
        let arguments = ["quarantine", "retry", name, "--profile", profile, "--config", &config];
        ends(&arguments, code)
    };
    let refused = retry(&looser, 1);
    assert!(refused.contains("not plainly stricter"), "{refused}");
    assert!(refused.contains("efface profile activate lab"), "what to do instead: {refused}");
    assert!(site.ask(&["quarantine", "ls"]).contains(name), "it is where it was");
    assert!(retry(&stricter, 0).contains("2 instances are in the queue again"));
    let under = lab.wait_for(2);
    site.settled();
    assert_eq!(dcmtk::tally(&under, "PatientSex").keys().collect::<Vec<_>>(), [""]);
    // What comes later goes under the destination's own again.
    deliver(gateway.port, &write_body_ct(&site.path("more"), &patient(0), 2, 1));
    let own = lab.wait_for(3);
    assert!(dcmtk::tally(&own, "PatientSex").keys().any(|sex| !sex.is_empty()));
    let log = std::fs::read_to_string(site.state().join("audit/log")).unwrap();
    let released = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let plans: Vec<_> = released.filter(|record| record["event"] == "released").collect();
    assert_eq!(plans.len(), 2);
    assert_ne!(plans[0]["plan"], plans[1]["plan"]);
}

/// What waits for a destination is shown as it came and as it leaves.
#[test]
fn before_and_after_are_shown_side_by_side() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let gateway = site.serve(free_port(), &[]);
    deliver(gateway.port, &write_body_ct(&site.path("pacs"), &patient(0), 1, 3));
    until("it waits", || {
        site.count("waiting for outside") == (1, 3) && site.count("on the way") == (1, 3)
    });
    let batch = std::fs::read_dir(site.state().join("held")).unwrap().next().unwrap().unwrap();
    let batch = batch.file_name().into_string().unwrap();
    let draw = |slice: &str| {
        let out = site.at(&format!("{slice}.png"));
        let more = ["--because", "why", "--slice", slice];
        let said = site.done(&[&["quarantine", "picture", &batch, "-o", &out], &more[..]].concat());
        assert!(said.contains(&format!("slice {slice} of 3")), "{said}");
        image::open(out).unwrap().into_rgb8()
    };
    let (first, last) = (draw("1"), draw("3"));
    // Two pictures of the same size, with a gap.
    let width = (first.width() - 8) / 2;
    assert_eq!(first.width(), 2 * width + 8);
    for picture in [&first, &last] {
        let is_same =
            |x: u32, y: u32| picture.get_pixel(x, y) == picture.get_pixel(width + 8 + x, y);
        let all = (0..width).flat_map(|x| (0..picture.height()).map(move |y| (x, y)));
        assert!(all.into_iter().all(|(x, y)| is_same(x, y)), "nothing was taken out of it");
    }
    let refused = efface(&["look"]);
    assert!(!refused.status.success() && printed(&refused).contains("for efface alone"));
}
