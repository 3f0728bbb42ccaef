//! dcmtk as the PACS that sends and as the server outside that receives.

use super::{files, until};
use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Whether a program of dcmtk or dicom3tools is installed.
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The first of these programs that is missing.
pub fn missing() -> Option<&'static str> {
    ["storescu", "storescp", "dcmdump"].into_iter().find(|program| !has(program))
}

/// A port that nobody listens on, and that nobody is given: below those that the system gives to connections, and never
/// the same one twice in a process.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that run beside each other begin in different places.
    let begin = std::process::id().wrapping_mul(617);
    let port =
        || 10_000 + (begin.wrapping_add(NEXT.fetch_add(1, Ordering::SeqCst)) % 20_000) as u16;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(port).find(is_free).expect("a port")
}

/// A process that does not outlive its handle.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server outside: keeps every object that it gets as a file of its own.
pub struct Outside {
    process: Running,
    pub port: u16,
    pub folder: PathBuf,
}

impl Outside {
    pub fn start(folder: &Path) -> Self {
        Outside::start_at(free_port(), folder, &[])
    }

    pub fn start_at(port: u16, folder: &Path, options: &[&str]) -> Self {
        std::fs::create_dir_all(folder).expect("a folder for what arrives");
        let process = Command::new("storescp")
            .args(["--fork", "+xa", "+uf", "-aet", "LAB"])
            .args(options)
            .arg("-od")
            .arg(folder)
            .arg(port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("storescp starts");
        let process = Running(process);
        until("storescp listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Outside { process, port, folder: folder.to_owned() }
    }

    pub fn stop(self) {
        drop(self.process);
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        arrived(&self.folder)
    }

    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Arrived> {
        let what = format!("{count} instances have arrived");
        until(&what, || files(&self.folder).len() >= count);
        until("they are whole", || arrived(&self.folder).len() >= count);
        self.arrived()
    }
}

/// An object as the server outside has it.
pub struct Arrived {
    pub path: PathBuf,
    pub object: dicom_object::DefaultDicomObject,
}

impl Arrived {
    pub fn text(&self, keyword: &str) -> String {
        let element = self.object.element_by_name(keyword);
        let text = element.ok().and_then(|e| e.to_str().ok().map(|text| text.into_owned()));
        text.unwrap_or_default().trim_end_matches(['\0', ' ']).to_owned()
    }

    pub fn pixels(&self) -> Vec<u8> {
        let pixels = self.object.element_by_name("PixelData").expect("Pixel Data");
        pixels.to_bytes().expect("native pixels").into_owned()
    }

    /// The codes of De-identification Method Code Sequence (0012,0064).
    pub fn methods(&self) -> Vec<String> {
        let sequence = self.object.element_by_name("DeidentificationMethodCodeSequence");
        let items = sequence.ok().and_then(|s| s.items().map(<[_]>::to_vec)).unwrap_or_default();
        let code = |item: dicom_object::InMemDicomObject| {
            let code = item.element_by_name("CodeValue").expect("a code").to_str();
            code.expect("a code in text").trim().to_owned()
        };
        items.into_iter().map(code).collect()
    }
}

/// Every object in a folder that can be read to its end; what is being written is not there yet.
pub fn arrived(folder: &Path) -> Vec<Arrived> {
    let object = |path: PathBuf| {
        let object = dicom_object::open_file(&path).ok()?;
        object.element_by_name("SOPInstanceUID").ok()?;
        Some(Arrived { object, path })
    };
    files(folder).into_iter().filter_map(object).collect()
}

/// Distinct values of an attribute, with how often each came.
pub fn tally(arrived: &[Arrived], keyword: &str) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for one in arrived {
        *tally.entry(one.text(keyword)).or_default() += 1;
    }
    tally
}

/// What a PACS heard about the files that it sent.
pub struct Sent {
    pub output: Output,
    pub acknowledged: Vec<PathBuf>,
    pub said: String,
}

/// Sends files over one association, as `PACS` to `EFFACE`.
pub fn send(port: u16, files: &[PathBuf]) -> Sent {
    send_as("PACS", "EFFACE", port, files)
}

pub fn send_as(calling: &str, called: &str, port: u16, files: &[PathBuf]) -> Sent {
    send_by(&mut Command::new("storescu"), calling, called, port, files)
}

/// By a storescu that has been given options or an environment.
pub fn send_by(
    storescu: &mut Command,
    calling: &str,
    called: &str,
    port: u16,
    files: &[PathBuf],
) -> Sent {
    let output = storescu
        .args(["-v", "-nh", "-R", "-xe", "-aet", calling, "-aec", called])
        .args(["-to", "20", "-ta", "60", "-td", "60"])
        .args(["127.0.0.1", &port.to_string()])
        .args(files)
        .output()
        .expect("storescu runs");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let mut acknowledged = Vec::new();
    let mut sending = None;
    for line in said.lines() {
        if let Some(path) = line.strip_prefix("I: Sending file: ") {
            sending = Some(PathBuf::from(path.trim()));
        } else if line.starts_with("I: Received Store Response (Success)") {
            acknowledged.extend(sending.take());
        }
    }
    Sent { output, acknowledged, said }
}

/// Sends files and insists on success for each.
#[track_caller]
pub fn deliver(port: u16, files: &[PathBuf]) {
    let sent = send(port, files);
    assert_eq!(sent.acknowledged, files, "not all were acknowledged: {}", sent.said);
}

/// Fails when dcmdump cannot read a file to its end.
#[track_caller]
pub fn assert_decodes(path: &Path) {
    let output = Command::new("dcmdump").arg("-q").arg("+E").arg(path).output();
    let output = output.expect("dcmdump runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", path.display());
}
