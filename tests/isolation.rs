//! Workers are processes: what kills one costs its study a look by a person, and the gateway nothing.
//!
//! What a worker can't reach is tested beside the code (`isolation/confine.rs`). Without dcmtk every test says SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use support::canary::assert_clean_files;
use support::dcmtk::{self, Outside, Running, deliver, free_port};
use support::gateway::{Gateway, Site, children_of};
use support::study::{patient, write_all, write_body_ct};
use support::{files, until, until_some};

/// A hospital whose studies stay whole also where a slow machine pauses between two slices.
fn unhurried() -> Site {
    let mut site = Site::basic();
    site.quiet_period_s = 2.0;
    site
}

/// Sends a head, whose worker takes a while, and waits for that.
fn a_worker_at_work(site: &Site, gateway: &Gateway) -> Pid {
    deliver(gateway.port, &write_all(&site.path("head"), &patient(1).head_ct(1)));
    until_some("a worker", || gateway.children("work").first().copied())
}

/// Another study goes through.
fn the_gateway_goes_on(site: &Site, gateway: &Gateway, outside: &Outside) -> usize {
    let other = write_all(&site.path("other"), &patient(2).head_ct(2));
    deliver(gateway.port, &other);
    outside.wait_for(other.len());
    assert_eq!(gateway.get("/healthz").0, 200);
    assert_clean_files(&outside.folder);
    other.len()
}

/// All slices of the head are in quarantine, and counted.
#[track_caller]
fn is_put_aside(site: &Site, gateway: &Gateway, code: &str) {
    let slices = files(&site.path("head")).len() as u64;
    let counted = format!("efface_instances_quarantined_total{{code=\"{code}\"}} {slices}");
    until("it is in quarantine and counted", || gateway.get("/metrics").1.contains(&counted));
    assert_eq!(site.count("in quarantine"), (1, slices), "{}", gateway.log());
}

#[test]
fn a_worker_that_dies_takes_its_study_with_it_and_nothing_else() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = unhurried();
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &[]);
    let worker = a_worker_at_work(&site, &gateway);
    kill_process(worker, Signal::KILL).unwrap();
    is_put_aside(&site, &gateway, "worker-crashed");
    let why = site.ask(&["quarantine", "ls"]);
    assert!(why.contains("worker-crashed"), "{why}");
    assert_eq!(files(&site.state().join("outbox")).len(), 0, "its drafts are gone");
    let others = the_gateway_goes_on(&site, &gateway, &outside);
    // Nothing is wrong with it: a second try goes through.
    let name = std::fs::read_dir(site.state().join("quarantine")).unwrap().next().unwrap();
    site.ask(&["spool", "retry", name.unwrap().file_name().to_str().unwrap()]);
    outside.wait_for(others + files(&site.path("head")).len());
    assert_clean_files(&outside.folder);
}

#[test]
fn memory_and_time_of_a_study_are_bounded() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    for (bound, code) in [
        ("worker_memory_bytes: 40000000\n", "worker-crashed"),
        ("worker_s: 0.3\n", "worker-out-of-time"),
    ] {
        let site = unhurried();
        let outside = Outside::start(&site.sink());
        let gateway = site.serve_configured(outside.port, bound);
        deliver(gateway.port, &write_all(&site.path("head"), &patient(1).head_ct(1)));
        is_put_aside(&site, &gateway, code);
        assert_eq!(gateway.get("/healthz").0, 200);
        assert_eq!(files(&outside.folder).len(), 0);
    }
}

#[test]
fn a_worker_ends_with_its_gateway() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::basic();
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &[]);
    let worker = a_worker_at_work(&site, &gateway);
    gateway.kill();
    let is_gone = || rustix::process::test_kill_process(worker).is_err();
    until("the worker is gone", is_gone);
    // The next start takes the batch from where it lay.
    let gateway = site.serve(outside.port, &[]);
    outside.wait_for(files(&site.path("head")).len());
    drop(gateway);
}

#[test]
fn a_stop_does_not_wait_for_a_long_study_and_loses_nothing_of_it() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::basic();
    let outside = Outside::start(&site.sink());
    let mut gateway = site.serve(outside.port, &[]);
    a_worker_at_work(&site, &gateway);
    let since = Instant::now();
    assert!(gateway.terminate().success());
    assert!(since.elapsed() < Duration::from_secs(20), "it stopped after {:?}", since.elapsed());
    drop(gateway);
    let slices = files(&site.path("head")).len();
    let _gateway = site.serve(outside.port, &[]);
    outside.wait_for(slices);
    site.settled();
}

#[test]
fn a_sender_that_dies_is_replaced_and_loses_nothing() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let outside = Outside::start_at(free_port(), &site.sink(), &["--sleep-during", "1"]);
    let gateway = site.serve(outside.port, &["--associations", "1"]);
    deliver(gateway.port, &write_body_ct(&site.path("pacs"), &patient(1), 1, 5));
    outside.wait_for(1);
    let sender = until_some("a sender", || gateway.children("send").first().copied());
    kill_process(sender, Signal::KILL).unwrap();
    outside.wait_for(5);
    site.settled();
    assert_eq!(gateway.lines("the sender ended; it is started again").len(), 1);
    assert_clean_files(&outside.folder);
}

#[test]
fn a_receiver_that_dies_is_replaced_where_it_listened() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let outside = Outside::start(&site.sink());
    let mut gateway = site.serve(outside.port, &[]);
    deliver(gateway.port, &write_body_ct(&site.path("first"), &patient(1), 1, 3));
    gateway.comes_to("efface_instances_stored_total", 3);
    let receiver = until_some("a receiver", || gateway.children("receive").first().copied());
    kill_process(receiver, Signal::KILL).unwrap();
    until("another one listens", || gateway.lines("listening").len() == 2);
    deliver(gateway.port, &write_body_ct(&site.path("second"), &patient(2), 2, 3));
    outside.wait_for(6);
    site.settled();
    gateway.comes_to("efface_instances_stored_total", 6);
    assert!(gateway.terminate().success());
    assert_clean_files(&outside.folder);
}

/// Three users that every Debian has, and that own nothing: for the gateway, for receiving and for sending.
const GATEWAY: &str = "man";
const RECEIVER: &str = "games";
const SENDER: &str = "backup";

/// A program as another user, with no groups but these.
fn as_user(user: &str, groups: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", user, "--inh-caps=-all", "--no-new-privs"]);
    match groups {
        "" => command.arg("--clear-groups"),
        _ => command.args(["--groups", groups]),
    };
    command.arg("--").arg(program);
    command
}

/// What a user can do with a command in the state directory.
fn tries(user: &str, site: &Site, command: &str) -> Output {
    let mut shell = as_user(user, "", Path::new("/bin/sh"));
    shell.args(["-c", command]).current_dir(site.state()).output().unwrap()
}

fn users_of(processes: &[Pid]) -> Vec<String> {
    let of = |pid: &Pid| {
        let status = format!("/proc/{}/status", pid.as_raw_nonzero());
        let status = std::fs::read_to_string(status).unwrap();
        let is_told =
            |line: &&str| ["Uid:", "Groups:", "CapEff:"].iter().any(|w| line.starts_with(w));
        let told: Vec<_> = status.lines().filter(is_told).flat_map(str::split_whitespace).collect();
        told.join(" ")
    };
    processes.iter().map(of).collect()
}

#[test]
fn receiving_and_sending_are_users_of_their_own() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let id = |user: &str| {
        Command::new("id").args(["-u", user]).output().is_ok_and(|o| o.status.success())
    };
    let can =
        rustix::process::getuid().is_root() && Command::new("setpriv").arg("-V").output().is_ok();
    if !can || ![GATEWAY, RECEIVER, SENDER].into_iter().all(id) {
        skip!("not root, or no setpriv, or not the users of a Debian");
    }
    let site = Site::leaving_faces();
    let sink = site.sink();
    let [port, outside_port, metrics] = [(); 3].map(|()| free_port());
    let sockets = ["receiver", "sender", "worker"].map(|name| site.path("run").join(name));
    let lines = format!(
        "attendants:\n  receiver: {{ user: {RECEIVER}, socket: {} }}\n  sender: {{ user: {SENDER}, socket: {} }}\n  workers: {{ socket: {} }}\n",
        sockets[0].display(),
        sockets[1].display(),
        sockets[2].display(),
    );
    site.configure([port, outside_port, metrics], &lines);
    std::fs::create_dir_all(site.path("run")).unwrap();
    let program = site.path("efface");
    std::fs::copy(env!("CARGO_BIN_EXE_efface"), &program).unwrap();
    let everybody = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(site.path(""), everybody(0o711)).unwrap();
    let owned = Command::new("chown").args(["-R", GATEWAY]).arg(site.path("")).status();
    assert!(owned.unwrap().success());
    let reached = as_user(RECEIVER, "", &program).arg("--version").output();
    if !reached.is_ok_and(|output| output.status.success()) {
        skip!("other users cannot reach the folder for temporary files");
    }

    let attend = |user: &str, groups: &str, what: &str, socket: &Path| {
        let mut command = as_user(user, groups, &program);
        let child = command.args(["attend", what, "--log-json", "--socket"]).arg(socket).spawn();
        Running(child.expect("an attendant"))
    };
    let both = format!("{RECEIVER},{SENDER}");
    let receiver = attend(RECEIVER, "", "receive", &sockets[0]);
    let sender = attend(SENDER, "", "send", &sockets[1]);
    let workers = attend(GATEWAY, &both, "work", &sockets[2]);
    let mut gateway = as_user(GATEWAY, &both, &program);
    let gateway =
        gateway.args(["serve", "--log-json", "--config", &site.at("efface.yaml")]).spawn();
    let _gateway = Running(gateway.expect("a gateway"));
    until("somebody listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());

    // Nobody is outside yet: the parcels wait.
    let sent = write_body_ct(&site.path("first"), &patient(1), 1, 3);
    deliver(port, &sent);
    let waiting = "cat outbox/lab/ready/*/*.dcm";
    until("parcels wait", || tries(SENDER, &site, waiting).status.success());
    assert!(!tries(RECEIVER, &site, waiting).status.success(), "the receiver reads a parcel");
    assert!(!tries(RECEIVER, &site, "ls outbox").status.success());
    for command in ["ls inbox", "ls inbox/new", "ls held", "ls audit", "touch inbox/tmp/x"] {
        assert!(!tries(SENDER, &site, command).status.success(), "the sender can {command}");
    }
    for command in ["ls studies", "ls work", "cat held/*/*", "cat audit/log", "ls crosswalk"] {
        assert!(!tries(RECEIVER, &site, command).status.success(), "the receiver can {command}");
    }
    assert!(tries(RECEIVER, &site, "touch inbox/tmp/x && rm inbox/tmp/x").status.success());

    let outside = Outside::start_at(outside_port, &sink, &[]);
    outside.wait_for(3);
    for (attendant, command, uid) in [(&receiver, "receive", RECEIVER), (&sender, "send", SENDER)] {
        let id = Command::new("id").args(["-u", uid]).output().unwrap().stdout;
        let id = String::from_utf8(id).unwrap();
        let users = users_of(&children_of(attendant.0.id(), command));
        assert_eq!(users.len(), 1, "{users:?}");
        assert!(users[0].starts_with(&format!("Uid: {} ", id.trim())), "{users:?}");
        assert!(users[0].ends_with("Groups: CapEff: 0000000000000000"), "{users:?}");
    }

    // Whoever dies is replaced by its attendant.
    for (attendant, command) in [(&receiver, "receive"), (&sender, "send")] {
        let process = children_of(attendant.0.id(), command)[0];
        kill_process(process, Signal::KILL).unwrap();
        let is_another = |pids: Vec<Pid>| pids.first().is_some_and(|pid| *pid != process);
        until("another one", || is_another(children_of(attendant.0.id(), command)));
    }
    until("somebody listens again", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    deliver(port, &write_body_ct(&site.path("second"), &patient(2), 2, 3));
    outside.wait_for(6);
    assert_clean_files(&outside.folder);

    // Without whoever attends to them there are no workers: a study waits, and is not lost.
    drop(workers);
    deliver(port, &write_body_ct(&site.path("third"), &patient(3), 3, 3));
    until("it waits for a worker", || {
        site.path("state/work").read_dir().is_ok_and(|batches| batches.count() == 1)
    });
    let _workers = attend(GATEWAY, &both, "work", &sockets[2]);
    outside.wait_for(9);
}
