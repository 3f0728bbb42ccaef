//! rsyslog as an audit record repository: TLS, certificates on both sides, one file.

use super::authority::{Authority, Issued};
use super::dcmtk::Running;
use super::until;
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PROGRAM: &str = "/usr/sbin/rsyslogd";
/// The name in the certificate of the gateway, the only one that is let in.
pub const CLIENT: &str = "efface.test";

/// What rsyslog speaks TLS by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Driver {
    GnuTls,
    OpenSsl,
    /// Not at all.
    Plain,
}

impl Driver {
    fn name(self) -> &'static str {
        match self {
            Driver::GnuTls => "gtls",
            Driver::OpenSsl => "ossl",
            Driver::Plain => "ptcp",
        }
    }

    /// The ones that are installed.
    pub fn installed() -> Vec<Driver> {
        let is_there = |driver: &Driver| {
            let library = format!("rsyslog/lmnsd_{}.so", driver.name());
            let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
            Path::new(PROGRAM).exists()
                && folders.map(|f| f.path().join(&library)).any(|f| f.exists())
        };
        [Driver::GnuTls, Driver::OpenSsl].into_iter().filter(is_there).collect()
    }
}

/// A running one. What it wrote stays when it stops.
pub struct Collector {
    process: Running,
    pub file: PathBuf,
}

impl Collector {
    /// Starts one with this certificate, which lets in whoever shows [`CLIENT`] of the CA.
    pub fn start(folder: &Path, port: u16, driver: Driver, ca: &Authority, own: &Issued) -> Self {
        std::fs::create_dir_all(folder).expect("a folder for a collector");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a file of a collector");
            path.display().to_string()
        };
        let (roots, certificate) =
            (write("ca.pem", &ca.certificate), write("own.pem", &own.certificate));
        let key = write("own.key", &own.key);
        let file = folder.join("received");
        let name = driver.name();
        let security = match driver {
            Driver::Plain => String::new(),
            _ => format!(
                "StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"x509/name\" PermittedPeer=[\"{CLIENT}\"]"
            ),
        };
        let configuration = write(
            "rsyslog.conf",
            &format!(
                "global(workDirectory=\"{}\" maxMessageSize=\"64k\" defaultNetstreamDriverCAFile=\"{roots}\" \
                 defaultNetstreamDriverCertFile=\"{certificate}\" defaultNetstreamDriverKeyFile=\"{key}\")\n\
                 module(load=\"imtcp\" StreamDriver.Name=\"{name}\" {security})\n\
                 template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
                 input(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\" ruleset=\"all\")\n\
                 ruleset(name=\"all\") {{ action(type=\"omfile\" file=\"{}\" template=\"raw\") }}\n",
                folder.display(),
                file.display()
            ),
        );
        let process = Command::new(PROGRAM)
            .args(["-n", "-f", &configuration, "-i"])
            .arg(folder.join("pid"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("rsyslogd starts");
        let collector = Collector { process: Running(process), file };
        until("rsyslog listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        collector
    }

    /// Ends it in order, or at once.
    pub fn stop(mut self, signal: Signal) {
        let pid = i32::try_from(self.process.0.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("it is there");
        self.process.0.wait().expect("its end");
    }
}

/// A message as a collector wrote it.
pub struct Received {
    /// All of it.
    pub line: String,
}

impl Received {
    /// Every one in a file.
    pub fn all(file: &Path) -> Vec<Received> {
        let bytes = std::fs::read(file).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().map(|line| Received { line: line.to_owned() }).collect()
    }

    /// A parameter of its structured data.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.line.split_once(&format!(" {name}=\""))?;
        rest.split('"').next()
    }

    /// The number of the record, if it is an audit message.
    pub fn seq(&self) -> Option<u64> {
        self.line.contains(" DICOM+RFC3881 ").then(|| self.parameter("seq")?.parse().ok())?
    }

    pub fn xml(&self) -> Option<&str> {
        self.line.split_once('\u{FEFF}').map(|(_, xml)| xml)
    }

    /// The signed note, if it is a checkpoint.
    pub fn note(&self) -> Option<String> {
        let base64 =
            self.line.contains(" checkpoint [").then(|| self.line.rsplit(' ').next())??;
        let note = data_encoding::BASE64.decode(base64.as_bytes()).ok()?;
        String::from_utf8(note).ok()
    }
}
