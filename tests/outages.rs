//! The gateway when things go wrong: a destination that is down, refuses or is slow, kills at random
//! moments, a full disk, a stop in the middle.
//!
//! Without dcmtk every test says SKIPPED; the ones with a disk of their own need root as well.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::canary::assert_clean_files;
use support::dcmtk::{self, Outside, deliver, free_port, send, tally};
use support::gateway::{Site, printed};
use support::memory::Memory;
use support::study::{patient, write_body_ct};
use support::{Seeded, files, until};

// ----------------------------------------------------------------------------------- the destination

#[test]
fn what_came_while_the_destination_was_down_arrives_when_it_is_up() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let port = free_port();
    let gateway = site.serve(port, &[]);
    for study in 1..=3 {
        let folder = site.path(&format!("pacs/{study}"));
        deliver(gateway.port, &write_body_ct(&folder, &patient(study), 1, 3));
    }
    until("it has tried in vain", || gateway.metric("efface_send_retries_total") >= 1);
    assert_eq!(
        gateway.get("/healthz").0,
        200,
        "a destination that is down is no illness of efface"
    );
    let outside = Outside::start_at(port, &site.sink(), &[]);
    outside.wait_for(9);
    site.settled();
    assert_eq!(tally(&outside.arrived(), "SOPInstanceUID").len(), 9);
    assert_clean_files(&outside.folder);
}

#[test]
fn what_a_destination_rejects_waits_until_it_takes_it() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let outside = Outside::start_at(free_port(), &site.sink(), &["--refuse"]);
    let port = outside.port;
    let gateway = site.serve(port, &[]);
    deliver(gateway.port, &write_body_ct(&site.path("pacs"), &patient(0), 1, 3));
    until("it was rejected", || gateway.metric("efface_send_retries_total") >= 1);
    assert_eq!(site.count("waiting for outside"), (1, 3), "nothing was given up");
    assert!(files(&outside.folder).is_empty());
    outside.stop();
    // A rejection is for an operator to put right: a restart is how he says that he has.
    drop(gateway);
    let outside = Outside::start_at(port, &site.sink(), &[]);
    let _gateway = site.serve(port, &[]);
    outside.wait_for(3);
    site.settled();
}

#[test]
fn a_slow_destination_does_not_hold_up_reception() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let outside = Outside::start_at(free_port(), &site.sink(), &["--sleep-during", "2"]);
    let gateway = site.serve(outside.port, &["--associations", "1"]);
    deliver(gateway.port, &write_body_ct(&site.path("first"), &patient(0), 1, 4));
    gateway.wait_for("released");
    // All of this comes in while the first study is on its way: four slices take eight seconds.
    for study in 1..=4 {
        let folder = site.path(&format!("then/{study}"));
        deliver(gateway.port, &write_body_ct(&folder, &patient(study), 1, 2));
    }
    assert!(gateway.metric("efface_instances_delivered_total") < 4, "the destination was not slow");
    gateway.comes_to("efface_instances_stored_total", 12);
    outside.wait_for(12);
}

// --------------------------------------------------------------------------------------------- kills

/// `EFFACE_KILLS=1000 cargo test --test outages kills` for a long run.
fn kills() -> usize {
    std::env::var("EFFACE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}

/// A PACS that sends each study until every instance of it was acknowledged.
struct Pacs {
    acknowledged: Arc<Mutex<BTreeSet<PathBuf>>>,
    kills: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<()>,
}

impl Pacs {
    /// The studies are spread over all kills, so that each of them finds something to interrupt.
    fn start(port: u16, studies: Vec<Vec<PathBuf>>, kills: usize) -> Self {
        let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
        let killed = Arc::new(AtomicUsize::new(0));
        let (list, so_far) = (Arc::clone(&acknowledged), Arc::clone(&killed));
        let thread = std::thread::spawn(move || {
            let total = studies.len();
            for (number, mut left) in studies.into_iter().enumerate() {
                while so_far.load(Ordering::SeqCst) * total < number * kills {
                    std::thread::sleep(Duration::from_millis(5));
                }
                while !left.is_empty() {
                    let sent = send(port, &left);
                    let mut known = list.lock().expect("the list");
                    known.extend(sent.acknowledged);
                    left.retain(|path| !known.contains(path));
                }
            }
        });
        Pacs { acknowledged, kills: killed, thread }
    }
}

#[test]
fn kills_at_any_moment_lose_nothing_and_leak_nothing() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut site = Site::leaving_faces();
    // Shorter than most lives of the gateway, or no study would ever be closed.
    site.quiet_period_s = 0.05;
    let outside = Outside::start(&site.sink());
    let (kills, studies) = (kills(), kills() as u32 * 3 / 4);
    let studies: Vec<Vec<PathBuf>> = (0..studies.max(12))
        .map(|n| write_body_ct(&site.path(&format!("pacs/{n}")), &patient(n % 6), n, 4))
        .collect();
    let all: BTreeSet<PathBuf> = studies.iter().flatten().cloned().collect();
    let count = studies.len();
    let port = free_port();
    let pacs = Pacs::start(port, studies, kills);
    let mut random = Seeded(7);
    for _ in 0..kills {
        match random.below(5) {
            // At its start, while it makes up its mind about what it finds.
            0 => {
                let mut command = site.command(port, outside.port, free_port(), &[]);
                let mut child = command.stderr(Stdio::null()).spawn().expect("efface serve starts");
                std::thread::sleep(Duration::from_millis(random.below(60)));
                child.kill().expect("it is there");
                child.wait().expect("its end");
            }
            // One of its processes first: the gateway starts another one.
            1 => {
                let gateway = site.serve_at(port, outside.port, &[]);
                std::thread::sleep(Duration::from_millis(random.below(200)));
                let command = if random.below(2) == 0 { "receive" } else { "send" };
                for child in gateway.children(command) {
                    // It may have been about to end.
                    let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
                }
                std::thread::sleep(Duration::from_millis(random.below(500)));
                gateway.kill();
            }
            // No waiting for anything: the moment of the kill is the input of this test.
            length => {
                let gateway = site.serve_at(port, outside.port, &[]);
                let most = if length == 2 { 40 } else { 500 };
                std::thread::sleep(Duration::from_millis(random.below(most)));
                gateway.kill();
            }
        }
        pacs.kills.fetch_add(1, Ordering::SeqCst);
    }
    let gateway = site.serve_at(port, outside.port, &[]);
    pacs.thread.join().expect("the PACS");
    assert_eq!(*pacs.acknowledged.lock().unwrap(), all);
    until("all have arrived", || files(&outside.folder).len() >= all.len());
    until("all are whole", || tally(&outside.arrived(), "SOPInstanceUID").len() >= all.len());
    site.settled();

    let arrived = outside.arrived();
    let mut copies: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for one in &arrived {
        let mut data_set = Vec::new();
        one.object.write_dataset(&mut data_set).expect("its data set");
        copies.entry(one.text("SOPInstanceUID")).or_default().insert(data_set);
    }
    assert_eq!(copies.len(), all.len(), "each instance once, under one UID");
    assert!(copies.values().all(|forms| forms.len() == 1), "a second copy with other bytes");
    assert_eq!(tally(&arrived, "StudyInstanceUID").len(), count, "no study was torn apart");
    assert_eq!(site.count("in quarantine"), (0, 0), "{}", gateway.log());
    let status: serde_json::Value =
        serde_json::from_str(&site.ask(&["status", "--json"])).expect("JSON");
    assert_eq!(status["lost"], 0, "{status}");
    let counted = status["accounted"].as_u64().expect("a number");
    assert!(counted >= all.len() as u64, "{status}");
    let taken = arrived.len() - all.len();
    println!("{kills} kills, {} instances, {taken} sent again after one", all.len());
    assert_clean_files(&outside.folder);
}

// ---------------------------------------------------------------------------------------- full disks

fn fill(path: &Path, bytes: usize) {
    std::fs::write(path, vec![0; bytes]).expect("a file that takes room");
}

#[test]
fn below_the_reserve_nothing_is_accepted_and_above_it_again() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut site = Site::leaving_faces();
    let Some(disk) = Memory::mount(site.path("disk"), 32) else {
        skip!("a file system cannot be mounted here: run as root");
    };
    site.keep_state_in(disk.0.join("state"));
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &["--disk-reserve", "8000000"]);
    let sent = write_body_ct(&site.path("pacs"), &patient(0), 1, 6);
    deliver(gateway.port, &sent[..3]);
    outside.wait_for(3);
    fill(&disk.0.join("other"), 26 << 20);
    let refused = send(gateway.port, &sent[3..]);
    assert!(refused.said.contains("Rejected Transient"), "{}", refused.said);
    assert!(refused.acknowledged.is_empty());
    let (status, said) = gateway.get("/healthz");
    assert_eq!((status, said.contains("reserve")), (503, true), "{said}");
    std::fs::remove_file(disk.0.join("other")).unwrap();
    assert_eq!(gateway.get("/healthz").0, 200);
    deliver(gateway.port, &sent[3..]);
    outside.wait_for(6);
    site.settled();
}

#[test]
fn a_disk_that_fills_up_loses_nothing_that_was_acknowledged() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut site = Site::leaving_faces();
    let Some(disk) = Memory::mount(site.path("disk"), 6) else {
        skip!("a file system cannot be mounted here: run as root");
    };
    site.keep_state_in(disk.0.join("state"));
    let outside = Outside::start(&site.sink());
    // No reserve: the disk is filled to its last byte, and work in progress meets its end as well.
    let gateway = site.serve(outside.port, &["--disk-reserve", "0"]);
    let filler = disk.0.join("other");
    fill(&filler, 5 << 20);
    let sent = write_body_ct(&site.path("pacs"), &patient(0), 1, 100);
    let first = send(gateway.port, &sent);
    assert!(!first.acknowledged.is_empty(), "{}", first.said);
    assert!(first.acknowledged.len() < sent.len(), "the disk did not fill up");
    assert!(first.said.contains("OutOfResources"), "{}", first.said);
    std::fs::remove_file(filler).unwrap();
    let left: Vec<_> = sent.into_iter().filter(|p| !first.acknowledged.contains(p)).collect();
    deliver(gateway.port, &left);
    until("all have arrived", || tally(&outside.arrived(), "InstanceNumber").len() == 100);
    site.settled();
    assert_eq!(site.count("in quarantine"), (0, 0), "{}", gateway.log());
    assert_clean_files(&outside.folder);
}

#[test]
fn a_reserve_larger_than_the_disk_accepts_nothing() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &["--disk-reserve", &u64::MAX.to_string()]);
    let sent = write_body_ct(&site.path("pacs"), &patient(0), 1, 1);
    let refused = send(gateway.port, &sent);
    assert!(refused.said.contains("Rejected Transient"), "{}", refused.said);
    assert_eq!(gateway.get("/healthz").0, 503);
    assert_eq!(gateway.metric("efface_instances_stored_total"), 0);
    assert!(files(&site.state().join("inbox")).is_empty());
}

// ------------------------------------------------------------------------------------- stop and start

#[test]
fn a_stop_in_the_middle_is_taken_up_by_the_next_start() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let port = free_port();
    let mut gateway = site.serve(port, &[]);
    for study in 0..3 {
        let folder = site.path(&format!("pacs/{study}"));
        deliver(gateway.port, &write_body_ct(&folder, &patient(study), 1, 4));
    }
    let status = gateway.terminate();
    assert_eq!(status.code(), Some(0), "{}", gateway.log());
    assert_eq!(gateway.lines("stopped").len(), 1);
    let outside = Outside::start_at(port, &site.sink(), &[]);
    let _gateway = site.serve(port, &[]);
    outside.wait_for(12);
    site.settled();
    assert_eq!(tally(&outside.arrived(), "SOPInstanceUID").len(), 12);
}

#[test]
fn one_state_directory_has_one_gateway() {
    let site = Site::leaving_faces();
    let _first = site.serve(free_port(), &[]);
    let second = site.command(0, free_port(), free_port(), &[]).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    let said = printed(&second);
    assert!(said.contains("in use by another efface"), "{said}");
    assert!(!said.contains("\"listening\""), "it must not listen, not even for a moment: {said}");
}
