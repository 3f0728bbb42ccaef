//! What helps whoever runs a gateway: `efface doctor`, completions, manual, and that readers of its output may stop.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use support::dcmtk::{self, Outside, free_port};
use support::gateway::{Site, efface, ends, printed, program};
use support::{files, until};

/// What the doctor finds, by what it looks at: the verdict, and all of it as text.
struct Found {
    code: i32,
    findings: Value,
}

impl Found {
    fn by(site: &Site, options: &[&str]) -> Self {
        let config = site.at("efface.yaml");
        let output = efface(&[&["doctor", "--json", "--config", &config], options].concat());
        let findings = serde_json::from_slice(&output.stdout);
        let findings = findings.unwrap_or_else(|_| panic!("{}", printed(&output)));
        Found { code: output.status.code().unwrap(), findings }
    }

    fn of(&self, what: &str) -> &Value {
        let findings = self.findings.as_array().unwrap();
        findings.iter().find(|f| f["what"] == what).unwrap_or(&Value::Null)
    }

    #[track_caller]
    fn is(&self, what: &str, verdict: &str) {
        assert_eq!(self.of(what)["verdict"], verdict, "{what}: {:#}", self.findings);
        let says_what_to_do = self.of(what)["todo"].is_string();
        assert_eq!(says_what_to_do, verdict != "good", "{what}: {:#}", self.findings);
    }
}

#[test]
fn the_doctor_finds_what_is_wrong_and_says_what_to_do() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::basic();
    let [port, outside, metrics] = [free_port(), free_port(), free_port()];
    site.configure([port, outside, metrics], "checkpoint_file: /no/such/folder/checkpoint\n");
    let found = Found::by(&site, &[]);
    assert_eq!(found.code, 1);
    found.is("state directory", "wrong");
    found.is("checkpoint file", "wrong");
    found.is("destination: lab", "wrong");
    found.is("listener", "good");
    assert!(Found::by(&site, &["--offline"]).of("destination: lab").is_null());

    // All is well, but for what nobody can promise here: certificates and a time service.
    site.configure([port, outside, metrics], "");
    let lab = Outside::start_at(outside, &site.sink(), &[]);
    let command = site.command(port, outside, metrics, &[]);
    let mut gateway = support::gateway::Gateway::start(command, metrics);
    until("the log has begun", || site.state().join("audit/checkpoint").exists());
    let found = Found::by(&site, &[]);
    for what in ["root key", "state directory", "volume", "log", "listener", "destination: lab"] {
        found.is(what, "good");
    }
    assert!(found.of("listener")["is"].as_str().unwrap().contains("a gateway runs"));
    found.is("certificate", "doubtful");
    let text = ends(&["doctor", "--config", &site.at("efface.yaml")], found.code);
    assert!(text.contains("-> ") && !text.contains('\x1b'), "{text}");
    assert!(gateway.terminate().success());
    drop(lab);

    // Another key, a directory that everybody can enter, a port that another program has, and too little room.
    site.make_a_key();
    std::fs::set_permissions(site.state(), PermissionsExt::from_mode(0o755)).unwrap();
    let _other = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    site.configure([port, outside, metrics], "disk_reserve_bytes: 1000000000000000\n");
    let found = Found::by(&site, &["--offline"]);
    assert_eq!(found.code, 1);
    for what in ["log", "state directory", "listener", "free space"] {
        found.is(what, "wrong");
    }
    let left = files(site.state()).iter().any(|file| file.to_string_lossy().contains("doctor-"));
    assert!(!left, "it leaves something behind");
}

#[test]
fn shells_and_man_get_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = ends(&["completions", shell], 0);
        for command in ["doctor", "quarantine", "route"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    let script = efface(&["completions", "bash"]).stdout;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("efface.bash");
    std::fs::write(&path, script).unwrap();
    assert!(Command::new("bash").arg("-n").arg(&path).status().unwrap().success());

    let man = folder.path().join("man1");
    ends(&["man", man.to_str().unwrap()], 0);
    let pages = files(&man);
    for page in ["efface.1", "efface-serve.1", "efface-quarantine-release.1"] {
        let text = std::fs::read_to_string(man.join(page)).expect(page);
        assert!(text.contains(".TH") && text.contains(".SH"), "{page}: {text}");
    }
    assert!(pages.len() > 40, "{}", pages.len());
    // What the gateway alone uses is in no manual.
    assert!(!man.join("efface-work.1").exists());
}

/// A shell's pipe that is closed ends the command by SIGPIPE, without a word.
#[test]
fn whoever_reads_may_stop() {
    let mut command = program();
    command.args(["profile", "schema"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    assert!(said.is_empty(), "{said}");
    assert!(status.success() || status.signal() == Some(13), "{status}");
}
