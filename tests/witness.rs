//! A second efface that signs the checkpoints of the first, over a real socket.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use std::net::TcpStream;
use std::process::{Child, Stdio};
use support::dcmtk::free_port;
use support::gateway::{Site, ends, program};
use support::until;

/// A witness that ends with the test.
struct Witness(Child);

impl Witness {
    fn start(site: &Site, port: u16) -> Self {
        let mut command = program();
        command.args(["witness", "serve", "--listen", &format!("127.0.0.1:{port}")]);
        command.args(["--key", &site.at("w.key"), "--kept", &site.at("kept")]);
        command.args(["--log-key", &site.at("log.key")]).stderr(Stdio::null());
        let witness = Witness(command.spawn().unwrap());
        until("the witness listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        witness
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_second_machine_knows_that_the_log_went_back() {
    let site = Site::leaving_faces();
    let runs = || assert!(site.serve(free_port(), &[]).terminate().success());
    runs();
    let state = site.state().display().to_string();
    let line = ends(&["witness", "key", "--name", "w.example", "--out", &site.at("w.key")], 0);
    let line = line.trim();
    let key = ends(&["audit", "checkpoint", "--key", "--state", &state], 0);
    std::fs::write(site.path("log.key"), key).unwrap();
    let port = free_port();
    let (url, out) = (format!("http://127.0.0.1:{port}"), site.at("cosigned"));
    let ask_for = |out: &str, line: &str, code| {
        let to = ["--url", &url, "--witness", line, "-o", out];
        ends(&[&["witness", "ask", "--state", &state], &to[..]].concat(), code)
    };
    let ask = |code| ask_for(&out, line, code);
    assert!(ask(2).contains("Connection refused"), "{}", ask(2));
    let witness = Witness::start(&site, port);
    assert!(ask(0).contains("signed by w.example"));
    let verify = |code| {
        ends(&["audit", "verify", "--state", &state, "--checkpoint", &site.at("cosigned")], code)
    };
    assert!(verify(0).contains("1 checkpoints that were kept elsewhere fit"));
    let to_programs = ["--url", &url, "--witness", line, "-o", &out, "--json"];
    let said = ends(&[&["witness", "ask", "--state", &state], &to_programs[..]].concat(), 0);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(said["size"].as_u64() > Some(1) && said["alarm"].is_null(), "{said}");
    let other = ends(&["witness", "key", "--name", "x.example", "--out", &site.at("x.key")], 0);
    assert!(ask_for(&site.at("other"), other.trim(), 2).contains("is not this witness"));

    let names = ["log", "details", "checkpoint", "policy"];
    let audit = site.state().join("audit");
    let path = |name: &&str| match *name {
        "policy" => site.state().join("policy"),
        name => audit.join(name),
    };
    let older: Vec<_> = names.iter().map(|name| std::fs::read(path(name)).unwrap()).collect();
    runs();
    ask(0);
    // It keeps what it has signed over a kill; whoever lost the last note is told where to go on from.
    drop(witness);
    let _witness = Witness::start(&site, port);
    ask(0);
    std::fs::remove_file(&out).unwrap();
    ask(0);
    let newest = std::fs::read(&out).unwrap();

    // The whole state directory as it was.
    names.iter().zip(&older).for_each(|(name, bytes)| std::fs::write(path(name), bytes).unwrap());
    std::fs::remove_dir_all(audit.join("tile")).unwrap();
    runs_from_older(&site);
    assert!(verify(1).contains("is not what was signed by"), "{}", verify(1));
    assert!(ask(1).contains("history was rewritten"), "{}", ask(1));
    std::fs::remove_file(&out).unwrap();
    assert!(ask(1).contains("history was rewritten"));
    assert!(!site.path("cosigned").exists());
    std::fs::write(&out, newest).unwrap();
}

/// Without a witness nothing is wrong with it: it starts, and goes on in another way.
fn runs_from_older(site: &Site) {
    for _ in 0..3 {
        assert!(site.serve(free_port(), &[]).terminate().success());
    }
}
