//! Whom efface talks to, as the wire shows it: two network namespaces with one cable between them, on which everything that
//! leaves the gateway's is written down. The log says how many bytes went where; the cable says whether that is so.
//!
//! It takes root (to make namespaces), `ip` of iproute2 and a Python; without them it says SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use support::dcmtk::{self, Running, arrived, send_by};
use support::gateway::{Gateway, Site};
use support::study::{patient, write_body_ct};
use support::{python_with, until};

const INSIDE: &str = "10.231.7.1";
const OUTSIDE: &str = "10.231.7.2";
const PORT: u16 = 11104;
/// Whoever is called under this address would get everything that is not for the destination.
const ELSEWHERE: &str = "203.0.113.9:104";

/// Two namespaces and a cable. Whatever is not for the other end goes there, too, and is dropped.
struct Cable {
    inside: String,
    outside: String,
}

impl Cable {
    /// `None`: this user or this kernel cannot have one.
    fn new() -> Option<Self> {
        static CABLES: AtomicU32 = AtomicU32::new(0);
        let id = format!("{}-{}", std::process::id(), CABLES.fetch_add(1, Ordering::SeqCst));
        let cable = Cable { inside: format!("ef-in-{id}"), outside: format!("ef-out-{id}") };
        let (one, other) = (format!("ef{id}a"), format!("ef{id}b"));
        let (inside, outside) = (cable.inside.as_str(), cable.outside.as_str());
        ip(&["netns", "add", inside])?;
        ip(&["netns", "add", outside])?;
        ip(&["link", "add", &one, "type", "veth", "peer", "name", &other])?;
        for (space, name, address) in [(inside, &one, INSIDE), (outside, &other, OUTSIDE)] {
            ip(&["link", "set", name, "netns", space])?;
            ip(&["-n", space, "link", "set", name, "name", "cable"])?;
            // Nobody speaks IPv6 here, and the kernel shall not either.
            let off = "net.ipv6.conf.all.disable_ipv6=1";
            ip(&["netns", "exec", space, "sysctl", "-qw", off])?;
            ip(&["-n", space, "addr", "add", &format!("{address}/24"), "dev", "cable"])?;
            ip(&["-n", space, "link", "set", "lo", "up"])?;
            ip(&["-n", space, "link", "set", "cable", "up"])?;
        }
        ip(&["-n", inside, "route", "add", "default", "via", OUTSIDE])?;
        Some(cable)
    }

    fn in_it(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.inside]).arg(program);
        command
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for space in [&self.inside, &self.outside] {
            let _ = Command::new("ip").args(["netns", "del", space]).status();
        }
    }
}

fn ip(arguments: &[&str]) -> Option<()> {
    let done = Command::new("ip").args(arguments).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success()).then_some(())
}

/// Somebody who writes down what leaves.
struct Listening(Child);

impl Listening {
    fn begin(cable: &Cable, python: &Path) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/egress.py");
        let mut command = cable.in_it(python);
        command.args([script, "cable"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut heard = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut heard).unwrap();
        assert_eq!(heard, "listening\n");
        child.stdout = Some(output.into_inner());
        Listening(child)
    }

    fn end(mut self) -> Value {
        drop(self.0.stdin.take());
        let mut said = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        self.0.wait().unwrap();
        serde_json::from_str(&said).unwrap()
    }
}

/// A server outside, at the other end.
fn server(cable: &Cable, folder: &Path, options: &[&str]) -> Running {
    std::fs::create_dir_all(folder).unwrap();
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &cable.outside, "storescp", "+xa", "+uf", "-aet", "LAB"]);
    command.args(options).arg("-od").arg(folder).arg(PORT.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().unwrap())
}

/// The lines of the log of a kind.
fn records(site: &Site, kind: &str) -> Vec<Value> {
    let log = std::fs::read_to_string(site.state().join("audit/log")).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|record| record.to_string().contains(&format!("\"{kind}\""))).collect()
}

fn sent_bytes(record: &Value) -> u64 {
    fn find(value: &Value) -> Option<u64> {
        let map = value.as_object()?;
        map.get("sent_bytes").and_then(Value::as_u64).or_else(|| map.values().find_map(find))
    }
    find(record).unwrap_or(0)
}

#[test]
fn the_gateway_talks_to_its_destination_and_the_log_has_every_byte() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let Some(python) = python_with("socket") else { skip!("no Python") };
    let Some(cable) = Cable::new() else {
        skip!("no network namespaces: it takes root, iproute2 and a kernel that has them");
    };
    let site = Site::leaving_faces();
    site.configure([11112, PORT, 9104], "");
    let text = std::fs::read_to_string(site.path("efface.yaml")).unwrap();
    let text = text.replace(&format!("LAB@127.0.0.1:{PORT}"), &format!("LAB@{OUTSIDE}:{PORT}"));
    std::fs::write(site.path("efface.yaml"), text).unwrap();
    let listening = Listening::begin(&cable, &python);
    let program = PathBuf::from(env!("CARGO_BIN_EXE_efface"));
    let serve = || {
        let mut command = cable.in_it(&program);
        command.args(["serve", "--config", &site.at("efface.yaml")]);
        // Its metrics are in the other namespace.
        Gateway::start(command, 0)
    };
    let mut gateway = serve();
    let deliver = |n: u32| {
        let study = write_body_ct(&site.path(&format!("pacs-{n}")), &patient(n), 1, 3);
        let sent = send_by(&mut cable.in_it("storescu"), "PACS", "EFFACE", 11112, &study);
        assert_eq!(sent.acknowledged, study, "{}", sent.said);
    };

    // Nobody is there; then somebody; then somebody who breaks off at every instance.
    deliver(1);
    until("it is tried", || !gateway.lines("released").is_empty());
    let outside = server(&cable, &site.sink(), &[]);
    until("the first study is there", || arrived(&site.sink()).len() == 3);
    drop(outside);
    let torn = server(&cable, &site.path("torn"), &["--abort-after"]);
    deliver(2);
    until("bytes without a delivery are in the log", || !records(&site, "egress").is_empty());
    drop(torn);
    let outside = server(&cable, &site.path("sink-2"), &[]);
    until("the second study is delivered", || records(&site, "delivered").len() == 2);
    // The end of the process has to be accounted for, too.
    deliver(3);
    until("the third study is delivered", || records(&site, "delivered").len() == 3);
    assert!(gateway.terminate().success());
    drop(outside);

    let seen = listening.end();
    let there = format!("{OUTSIDE}:{PORT}");
    let tcp = seen["tcp"].as_object().unwrap();
    assert_eq!(tcp.keys().collect::<Vec<_>>(), [&there], "{seen}");
    assert_eq!(seen["others"], Value::Array(Vec::new()), "{seen}");
    let counted: u64 = ["delivered", "egress"]
        .iter()
        .flat_map(|kind| records(&site, kind))
        .map(|record| sent_bytes(&record))
        .sum();
    let bytes = tcp[&there]["bytes"].as_u64().unwrap();
    println!("{bytes} bytes in {} connections", tcp[&there]["connections"]);
    assert!(bytes > 100_000);
    assert_eq!(counted, bytes, "{seen}");
}

/// What listens would be seen: the test above can fail.
#[test]
fn a_call_to_somebody_else_would_be_seen() {
    let Some(python) = python_with("socket") else { skip!("no Python") };
    let Some(cable) = Cable::new() else {
        skip!("no network namespaces: it takes root, iproute2 and a kernel that has them");
    };
    let listening = Listening::begin(&cable, &python);
    // Nobody answers: after a second the system would call once more.
    let call = "import socket,sys\nsocket.socket(socket.AF_INET,socket.SOCK_DGRAM).sendto(b'who',('198.51.100.1',53))\ns=socket.socket()\ns.settimeout(0.3)\ntry: s.connect((sys.argv[1],104))\nexcept OSError: pass\n";
    let (host, _) = ELSEWHERE.split_once(':').unwrap();
    assert!(cable.in_it(&python).args(["-c", call, host]).status().unwrap().success());
    let seen = listening.end();
    assert!(seen["tcp"][ELSEWHERE]["connections"] == 1, "{seen}");
    assert_eq!(seen["others"][0], serde_json::json!([17, "198.51.100.1", 53, 1]), "{seen}");
}
