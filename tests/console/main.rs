//! The console as people use it, in a real browser, and as those attack it who have none.
//!
//! Without Chromium, ChromeDriver or dcmtk these say SKIPPED. Pictures of the pages are in target/screenshots.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod attacks;
mod elsewhere;
mod flow;
mod profiles;
mod review;
#[path = "../support/mod.rs"]
mod support;
mod two_people;

use rustix::process::Signal;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::browser::{self, Browser, Caller};
use support::dcmtk::{self, Outside, Running, deliver, free_port};
use support::gateway::{Gateway, LEAVE_FACES, Site, children_of, program};
use support::study::{patient, write_body_ct};
use support::{python_with, until};

const PASSWORD: &str = "correct horse battery";
/// Secondary Capture Image Storage (PS3.4 B.5): never leaves by itself.
const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
/// What runs, or breaks out of an attribute, where a text is not escaped.
const HOSTILE: &str = "\"><img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>";

/// A hospital with a console.
struct House {
    site: Site,
    gateway: u16,
    console: u16,
    /// After the first start: who agrees.
    approvers: String,
    /// What the console's entry says besides.
    oidc: String,
}

/// The console, and its pages.
struct Console {
    running: Running,
}

impl House {
    fn new() -> Self {
        let site = Site::with_profile(LEAVE_FACES);
        let [gateway, console] = [free_port(), free_port()];
        let (approvers, oidc) = (String::new(), String::new());
        let house = House { site, gateway, console, approvers, oidc };
        house.configure(1);
        house
    }

    fn configure(&self, outside: u16) -> u16 {
        let metrics = free_port();
        let lines = format!(
            "disk_reserve_bytes: 1000000\nconsole: {{ listen: 127.0.0.1:{}{} }}\n{}",
            self.console, self.oidc, self.approvers
        );
        self.site.configure([self.gateway, outside, metrics], &lines);
        metrics
    }

    /// Adds an account; the line of its key.
    fn add(&self, name: &str, roles: &[&str]) -> String {
        let config = self.site.at("efface.yaml");
        let mut command = program();
        command.args(["console", "user", "add", name, "--config", &config]);
        command.args(roles.iter().flat_map(|role| ["--role", role]));
        let mut adding = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        writeln!(adding.stdin.take().unwrap(), "{PASSWORD}").unwrap();
        let said = adding.wait_with_output().unwrap();
        assert!(said.status.success());
        String::from_utf8(said.stdout).unwrap().lines().last().unwrap().to_owned()
    }

    fn serve(&self, outside: u16) -> Gateway {
        let metrics = self.configure(outside);
        let mut command = program();
        command.args(["serve", "--config", &self.site.at("efface.yaml")]);
        Gateway::start(command, metrics)
    }

    fn watch(&self) -> Console {
        let mut command = program();
        command.args(["console", "--config", &self.site.at("efface.yaml")]);
        let log = std::fs::File::create(self.site.path("console.log")).unwrap();
        let running = Running(command.stderr(log).spawn().unwrap());
        until("the console listens", || {
            std::net::TcpStream::connect(("127.0.0.1", self.console)).is_ok()
        });
        Console { running }
    }

    fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.console)
    }

    fn caller(&self, name: &str) -> Caller {
        let mut caller = Caller::new(&self.at(""));
        let got = caller.sign_in(name, PASSWORD);
        assert_eq!((got.status, got.header("location")), (303, "/"), "{}", got.text);
        caller
    }

    fn sign_in(&self, browser: &Browser, name: &str) {
        browser.go(&self.at("/sign-in"));
        browser.fill("input[name=name]", name);
        browser.fill("input[name=password]", PASSWORD);
        browser.click("main button");
        until("signed in", || browser.has("nav"));
    }
}

impl Console {
    fn pages(&self) -> Vec<rustix::process::Pid> {
        children_of(self.running.0.id(), "pages")
    }
}

fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots").join(name)
}

macro_rules! skip_without_a_browser {
    () => {
        if let Some(program) = browser::missing().or_else(dcmtk::missing) {
            println!("SKIPPED: {program} is not installed");
            return;
        }
    };
}
pub(crate) use skip_without_a_browser;
