//! The gateway as a process.

use super::dcmtk::{Running, free_port};
use super::{until, until_some, until_some_or};
use rustix::process::Pid;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

/// Says what leaves, in the words of a profile file.
pub const HEAD: &str = "efface_profile: 1\nname: test\nbased_on: PS3.15 2026d Basic Application Level Confidentiality Profile\n";
/// Faces leave, so that studies without a body in them can be used.
pub const LEAVE_FACES: &str = "leave: { faces: { because: \"phantoms, nobody's face\" } }\n";

/// The program. Cargo names it to tests only, not to examples.
pub fn program() -> Command {
    match option_env!("CARGO_BIN_EXE_efface") {
        Some(path) => Command::new(path),
        None => panic!("this is no test"),
    }
}

/// Runs the program to its end.
pub fn efface(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("efface runs")
}

/// A key that is in the source tree, and therefore protects nobody.
pub fn key_of_nobody() -> String {
    let (installation, root) = ("a7".repeat(16), "5e".repeat(32));
    format!("efface root key 1\ninstallation {installation}\ngeneration A1\nroot {root}\n")
}

/// Both of what it printed.
pub fn printed(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// Runs the program to its end, which must have this exit code; both of what it printed.
#[track_caller]
pub fn ends(arguments: &[&str], code: i32) -> String {
    let output = efface(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", printed(&output));
    printed(&output)
}

/// A hospital: a folder with a key, a profile, a state directory, studies and what arrived.
pub struct Site {
    folder: tempfile::TempDir,
    state: PathBuf,
    pub profile: String,
    /// Who may send, as a configuration file says it.
    pub caller: String,
    /// Where the destination is, in a configuration file; `None`: `LAB` on this machine.
    pub to: Option<String>,
    /// What the destination's entry says besides, in a configuration file.
    pub destination: String,
    /// Entries of further destinations, in a configuration file.
    pub more_destinations: Vec<String>,
    pub quiet_period_s: f64,
}

impl Site {
    /// With the shipped profile.
    pub fn basic() -> Self {
        Site::new("basic".to_owned(), "")
    }

    /// With a profile that has these lines after its head.
    pub fn with_profile(rest: &str) -> Self {
        Site::new(String::new(), rest)
    }

    pub fn leaving_faces() -> Self {
        Site::with_profile(LEAVE_FACES)
    }

    fn new(profile: String, rest: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for a test");
        let caller = "{ ae_title: PACS, from: [127.0.0.0/8] }".to_owned();
        let state = folder.path().join("state");
        let destination = String::new();
        let more_destinations = Vec::new();
        let (to, quiet_period_s) = (None, 0.4);
        let mut site = Site {
            state,
            folder,
            profile,
            caller,
            to,
            destination,
            more_destinations,
            quiet_period_s,
        };
        if site.profile.is_empty() {
            let file = site.path("profile.yaml");
            std::fs::write(&file, format!("{HEAD}{rest}")).expect("a profile");
            site.profile = file.display().to_string();
        }
        site.make_a_key();
        site.use_the_same_key_always();
        site
    }

    /// A key that no other site has.
    pub fn make_a_key(&self) {
        // There is none yet in a new site, and a key is never overwritten.
        let _ = std::fs::remove_file(self.path("root.key"));
        let made = efface(&["keys", "init", "--out", &self.at("root.key")]);
        assert!(made.status.success(), "{}", printed(&made));
    }

    /// Keeps the state somewhere else.
    pub fn keep_state_in(&mut self, state: PathBuf) {
        self.state = state;
    }

    /// With it the same pseudonyms come in every run: a random UID of 39 digits holds a planted date
    /// once in a while.
    fn use_the_same_key_always(&self) {
        // Over the key that is there: its file has the permissions already.
        std::fs::write(self.path("root.key"), key_of_nobody()).expect("a key");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as an argument.
    pub fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    pub fn sink(&self) -> PathBuf {
        self.path("sink")
    }

    /// Starts the gateway on a port of the system's choice.
    pub fn serve(&self, outside: u16, options: &[&str]) -> Gateway {
        self.serve_at(0, outside, options)
    }

    pub fn serve_at(&self, port: u16, outside: u16, options: &[&str]) -> Gateway {
        let metrics = free_port();
        let command = self.command(port, outside, metrics, options);
        Gateway::start(command, metrics)
    }

    /// A destination, caller and limits that a test can live with.
    pub fn command(&self, port: u16, outside: u16, metrics: u16, options: &[&str]) -> Command {
        let mut command = program();
        command.arg("serve").arg("--state").arg(&self.state);
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--allow", "PACS"]);
        command.args(["--to", &format!("LAB@127.0.0.1:{outside}"), "--profile", &self.profile]);
        command.args(["--key-file", &self.at("root.key")]);
        command.args(["--quiet-period", &self.quiet_period_s.to_string()]);
        command.args(["--metrics", &format!("127.0.0.1:{metrics}")]);
        if !can_confine() {
            command.arg("--partial-sandbox");
        }
        if !options.contains(&"--disk-reserve") {
            command.args(["--disk-reserve", "1000000"]);
        }
        command.args(options);
        command
    }

    /// Starts it from a configuration file with these lines besides the necessary ones.
    pub fn serve_configured(&self, outside: u16, lines: &str) -> Gateway {
        self.serve_configured_at(0, outside, lines)
    }

    /// The same on this port.
    pub fn serve_configured_at(&self, port: u16, outside: u16, lines: &str) -> Gateway {
        let metrics = free_port();
        self.configure([port, outside, metrics], lines);
        let mut command = program();
        command.args(["serve", "--config", &self.at("efface.yaml")]);
        Gateway::start(command, metrics)
    }

    /// Writes `efface.yaml`; ports of the gateway, the outside and the metrics.
    pub fn configure(&self, [port, outside, metrics]: [u16; 3], lines: &str) {
        let sandbox = if can_confine() { "" } else { "sandbox: partial\n" };
        let to = self.to.clone().unwrap_or_else(|| format!("LAB@127.0.0.1:{outside}"));
        let more: String = self.more_destinations.iter().map(|to| format!("  - {to}\n")).collect();
        let text = format!(
            "efface_config: 1\nstate: {}\nkey_file: {}\nlisten: 127.0.0.1:{port}\nae_title: EFFACE\n\
             allow:\n  - {}\n\
             destinations:\n  - {{ name: lab, to: \"{to}\", profile: {}{} }}\n{more}\
             metrics: 127.0.0.1:{metrics}\nquiet_period_s: {}\n{sandbox}{lines}",
            self.state.display(),
            self.at("root.key"),
            self.caller,
            self.profile,
            self.destination,
            self.quiet_period_s,
        );
        std::fs::write(self.path("efface.yaml"), text).expect("a configuration");
    }

    /// `efface GROUP COMMAND ... --state STATE`, which has to succeed.
    #[track_caller]
    pub fn ask(&self, arguments: &[&str]) -> String {
        let state = self.state.display().to_string();
        let output = efface(&[arguments, &["--state", &state]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", printed(&output));
        printed(&output)
    }

    /// What the log has of one kind, record by record.
    pub fn records(&self, event: &str) -> Vec<serde_json::Value> {
        let log = std::fs::read_to_string(self.state.join("audit/log")).expect("a log");
        let records = log.lines().map(serde_json::from_str::<serde_json::Value>);
        let records = records.map(|record| record.expect("a record"));
        records.filter(|record| record["event"] == event).collect()
    }

    /// `efface COMMAND ...` with state directory and key; exit code and what it printed.
    pub fn with_key(&self, arguments: &[&str]) -> (i32, String) {
        let (state, key) = (self.state.display().to_string(), self.at("root.key"));
        let output = efface(&[arguments, &["--state", &state, "--key-file", &key]].concat());
        (output.status.code().expect("an exit code"), printed(&output))
    }

    /// The same, which has to succeed.
    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> String {
        let (code, said) = self.with_key(arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        said
    }

    /// The same, which has to be refused with these words.
    #[track_caller]
    pub fn refused(&self, arguments: &[&str], words: &str) {
        let (code, said) = self.with_key(arguments);
        assert!(code == 2 && said.contains(words), "{arguments:?}: {code}: {said}");
    }

    /// The number of groups and instances that `spool ls` shows beside these words.
    pub fn count(&self, words: &str) -> (u64, u64) {
        let listed = self.ask(&["spool", "ls"]);
        let line = listed.lines().find(|line| line.starts_with(words)).unwrap_or_default();
        let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
        let mut next = || numbers.next().unwrap_or_else(|| panic!("no {words} in {listed}"));
        (next(), next())
    }

    /// Waits until nothing is on its way any more.
    #[track_caller]
    pub fn settled(&self) {
        const ON_THE_WAY: [&str; 5] =
            ["received,", "gathered,", "closed,", "on the way", "waiting for"];
        until("nothing is on its way any more", || {
            ON_THE_WAY.iter().all(|words| self.count(words) == (0, 0))
        });
    }
}

/// Whether the kernel can confine efface's processes. Where it can't, tests go on without, and say so.
pub fn can_confine() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let can = efface(&["work", "--probe"]).status.success();
        if !can {
            println!("SKIPPED: this kernel cannot confine processes; the gateway runs unconfined");
        }
        can
    })
}

/// The processes that a process has started with a command.
pub fn children_of(parent: u32, command: &str) -> Vec<Pid> {
    let wanted = format!("\0{command}\0").into_bytes();
    let numbers = std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_one = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let its_parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        its_parent == Some(parent.to_string().as_str())
            && line.windows(wanted.len()).any(|part| part == wanted)
    };
    numbers.filter(is_one).filter_map(Pid::from_raw).collect()
}

/// A running gateway.
pub struct Gateway {
    process: Running,
    log: Arc<Mutex<Vec<u8>>>,
    pub port: u16,
    pub metrics: u16,
}

impl Gateway {
    pub fn start(mut command: Command, metrics: u16) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("efface serve starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (mut stderr, lines) = (child.stderr.take().expect("stderr"), Arc::clone(&log));
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut chunk) {
                lines.lock().expect("the log").extend_from_slice(&chunk[..n]);
            }
        });
        let mut gateway = Gateway { process: Running(child), log, port: 0, metrics };
        let log = Arc::clone(&gateway.log);
        let said = move || String::from_utf8_lossy(&log.lock().expect("the log")).into_owned();
        gateway.port = until_some_or("efface listens", said, || {
            if let Some(status) = gateway.process.0.try_wait().expect("its status") {
                panic!("efface did not start: {status}: {}", gateway.log());
            }
            gateway.lines("listening").iter().find_map(|line| {
                let (_, port) = line["address"].as_str()?.rsplit_once(':')?;
                port.parse().ok()
            })
        });
        // It listens a moment before it can be asked for its counts. 0: it is not asked.
        let console = ("127.0.0.1", metrics);
        until("the console answers", || metrics == 0 || TcpStream::connect(console).is_ok());
        gateway
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Its processes that run a command: `receive`, `work`, `send`.
    pub fn children(&self, command: &str) -> Vec<Pid> {
        children_of(self.pid(), command)
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().expect("the log")).into_owned()
    }

    /// The log lines with a message.
    pub fn lines(&self, message: &str) -> Vec<serde_json::Value> {
        let log = self.log();
        let lines = log.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
        lines.filter(|line| line["message"] == message).collect()
    }

    #[track_caller]
    pub fn wait_for(&self, message: &str) -> serde_json::Value {
        until_some(message, || self.lines(message).into_iter().next())
    }

    /// As a power cut ends it, but for the disk.
    pub fn kill(mut self) {
        self.process.0.kill().expect("efface was running");
        self.process.0.wait().expect("its end");
    }

    /// Asks it to stop, and waits for it.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = i32::try_from(self.process.0.id()).ok().and_then(Pid::from_raw);
        let pid = pid.expect("a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is there");
        until_some("efface has stopped", || self.process.0.try_wait().expect("its status"))
    }

    /// Status and body of a GET on the console.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics)).expect("the console");
        let request = format!("GET {path} HTTP/1.1\r\nHost: efface\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        (status, body.to_owned())
    }

    /// Waits until a value of `/metrics` is this. What other processes count comes a moment later.
    #[track_caller]
    pub fn comes_to(&self, name: &str, value: u64) {
        until(name, || self.metric(name) == value);
    }

    /// A value of `/metrics`, by its name and labels as they stand there.
    pub fn metric(&self, name: &str) -> u64 {
        let (_, body) = self.get("/metrics");
        let line = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {body}"))
    }
}
