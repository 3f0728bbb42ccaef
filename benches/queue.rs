//! What a long queue costs: instances that wait in the inbox, and parcels that wait for a destination that is down.
//!
//! `cargo bench --bench queue -- 1000 10000 100000` prints, for each length, how long the gateway takes to listen and
//! what each step costs per instance; it must not grow with the length. The gateway is the program itself, on a state
//! directory in the folder that `EFFACE_BENCH_DIR` names, or in the system's own for temporary files.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench fails by its panic, owns its files and prints its figures"
)]

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use efface::dicom::dataset::Dataset;
use efface::spool::entry::{Head, Writer};
use efface::spool::random_name;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
/// Instances of a study.
const STUDY: usize = 500;
const PROFILE: &str = "efface_profile: 1\nname: bench\nbased_on: PS3.15 2026d Basic Application Level Confidentiality Profile\n\
    leave: { faces: { because: \"nobody's face\" } }\n";
/// What waits must not keep the gateway from listening for longer.
const LISTENS_WITHIN: Duration = Duration::from_secs(3);

fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let lengths = if asked.is_empty() { vec![1_000, 10_000, 100_000] } else { asked };
    println!(
        "instances   listens with inbox   gathered each   released each   listens with outbox   idle CPU   scrape"
    );
    for length in lengths {
        let listens = one(length);
        assert!(listens < LISTENS_WITHIN, "{length} instances: it listens after {listens:?}");
    }
}

/// One length; the longer of both starts.
fn one(length: usize) -> Duration {
    let parent = std::env::var_os("EFFACE_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(parent).unwrap();
    let state = folder.path().join("state");
    std::fs::write(folder.path().join("profile.yaml"), PROFILE).unwrap();
    let key = Command::new(env!("CARGO_BIN_EXE_efface"))
        .args(["keys", "init", "--out"])
        .arg(folder.path().join("root.key"))
        .output()
        .unwrap();
    assert!(key.status.success());
    fill(&state.join("inbox/new"), length);

    let gateway = Gateway::start(folder.path());
    let with_inbox = gateway.listens_after;
    let begun = Instant::now();
    gateway.wait_for("efface_instances_gathered_total", length);
    let gathered = begun.elapsed() / length as u32;
    let begun = Instant::now();
    gateway.wait_for("efface_instances_released_total", length);
    let released = begun.elapsed() / length as u32;
    drop(gateway);

    let gateway = Gateway::start(folder.path());
    let with_outbox = gateway.listens_after;
    // It has tried the destination and waits.
    std::thread::sleep(Duration::from_secs(8));
    let (before, begun) = (gateway.cpu(), Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let idle = (gateway.cpu() - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    gateway.metric("efface_instances_released_total");
    let scrape = begun.elapsed();
    println!(
        "{length:9} {:>18.2} s {:>12.0} us {:>12.0} us {:>18.2} s {:>9.1} % {:>5.0} ms",
        with_inbox.as_secs_f64(),
        gathered.as_secs_f64() * 1e6,
        released.as_secs_f64() * 1e6,
        with_outbox.as_secs_f64(),
        idle * 100.0,
        scrape.as_secs_f64() * 1e3,
    );
    with_inbox.max(with_outbox)
}

/// Puts small instances into the inbox, as the listener would have left them.
fn fill(inbox: &Path, length: usize) {
    std::fs::create_dir_all(inbox).unwrap();
    let head = Head {
        calling_ae_title: "PACS".to_owned(),
        called_ae_title: None,
        sop_class: CT.to_owned(),
        transfer_syntax: "1.2.840.10008.1.2.1".to_owned(),
        received_ms: 0,
    };
    for number in 0..length {
        let path = inbox.join(random_name().unwrap());
        let mut writer = Writer::create(&path, &head).unwrap();
        writer.write(&instance(number / STUDY, number % STUDY)).unwrap();
        writer.finish().unwrap();
    }
}

fn instance(study: usize, number: usize) -> Vec<u8> {
    let uid = |leaf: usize| format!("1.2.826.0.1.3680043.99.{}.{leaf}", study + 1);
    let mut set = Dataset::new();
    for (tag, vr, value) in [
        (Tag(0x0008, 0x0008), VR::CS, "ORIGINAL\\PRIMARY\\AXIAL".to_owned()),
        (Tag(0x0008, 0x0016), VR::UI, CT.to_owned()),
        (Tag(0x0008, 0x0018), VR::UI, uid(100 + number)),
        (Tag(0x0008, 0x0060), VR::CS, "CT".to_owned()),
        (Tag(0x0010, 0x0010), VR::PN, format!("ZYXGLORP{study}^ANNA")),
        (Tag(0x0010, 0x0020), VR::LO, format!("ZYXGLORP{study}ID")),
        (Tag(0x0020, 0x000D), VR::UI, uid(1)),
        (Tag(0x0020, 0x000E), VR::UI, uid(2)),
        (Tag(0x0028, 0x0004), VR::CS, "MONOCHROME2".to_owned()),
        (Tag(0x0028, 0x0301), VR::CS, "NO".to_owned()),
    ] {
        set.put_text(tag, vr, value);
    }
    for (element, value) in
        [(2, 1_u16), (0x10, 2), (0x11, 2), (0x100, 16), (0x101, 16), (0x102, 15), (0x103, 0)]
    {
        let value = PrimitiveValue::from(value);
        set.put(DataElement::new(Tag(0x0028, element), VR::US, value));
    }
    let pixels = PrimitiveValue::U16([number as u16, 7, 8, 9].into_iter().collect());
    set.put(DataElement::new(Tag(0x7FE0, 0x0010), VR::OW, pixels));
    set.encode().unwrap()
}

/// The program; killed on drop, as it may be at any time.
struct Gateway {
    process: Child,
    metrics: u16,
    listens_after: Duration,
}

impl Gateway {
    fn start(folder: &Path) -> Self {
        let free_port = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let (metrics, nobody) = (free_port(), free_port());
        let begun = Instant::now();
        let mut process = Command::new(env!("CARGO_BIN_EXE_efface"))
            .args(["serve", "--listen", "127.0.0.1:0", "--allow", "PACS", "--quiet-period", "2"])
            .args(["--metrics", &format!("127.0.0.1:{metrics}"), "--disk-reserve", "0"])
            .args(["--to", &format!("LAB@127.0.0.1:{nobody}")])
            .arg("--state")
            .arg(folder.join("state"))
            .arg("--profile")
            .arg(folder.join("profile.yaml"))
            .arg("--key-file")
            .arg(folder.join("root.key"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        lines
            .find(|line| line.as_ref().is_ok_and(|line| line.contains("\"listening\"")))
            .unwrap()
            .unwrap();
        let listens_after = begun.elapsed();
        std::thread::spawn(move || lines.for_each(drop));
        Gateway { process, metrics, listens_after }
    }

    fn metric(&self, name: &str) -> u64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics)).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: efface\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {answer}"))
    }

    fn wait_for(&self, name: &str, value: usize) {
        while self.metric(name) < value as u64 {
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Processor time so far; the kernel counts it in hundredths of a second.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
