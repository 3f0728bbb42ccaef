//! What durability costs: instances received per second with every sync that success needs, and with none of them.
//!
//! `cargo bench --bench reception` runs the same program twice on the disk of `EFFACE_BENCH_DIR` (or the system's folder
//! for temporary files): as it is, and with libeatmydata, which makes fsync and fdatasync do nothing. It is the honest
//! comparison: same code, same file system, same page cache.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    dead_code,
    missing_docs,
    reason = "a bench fails by its panic, owns its files and prints its figures"
)]

#[path = "../tests/support/raw.rs"]
mod raw;

use raw::Raw;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
/// A CT slice of 512 x 512.
const BYTES: usize = 528 << 10;
/// Instances of one measurement.
const INSTANCES: usize = 600;
const ROUNDS: usize = 3;
const PRELOAD: &str = "/usr/lib/x86_64-linux-gnu/libeatmydata.so";

fn main() {
    if !Path::new(PRELOAD).exists() {
        println!("SKIPPED: libeatmydata is not installed (apt-get install libeatmydata1)");
        return;
    }
    println!("{INSTANCES} instances of {} KiB, best of {ROUNDS} rounds", BYTES >> 10);
    println!("associations    with sync    without   cost of durability   mean sync");
    for associations in [1, 4, 16] {
        let (mut with, mut without, mut sync) = (Duration::MAX, Duration::MAX, 0.0);
        for _ in 0..ROUNDS {
            let (time, mean) = measured(associations, false);
            if time < with {
                (with, sync) = (time, mean);
            }
            without = without.min(measured(associations, true).0);
        }
        let rate = |time: Duration| INSTANCES as f64 / time.as_secs_f64();
        println!(
            "{associations:12} {:>9.0}/s {:>9.0}/s {:>17.0} % {:>9.2} ms",
            rate(with),
            rate(without),
            (with.as_secs_f64() / without.as_secs_f64() - 1.0) * 100.0,
            sync * 1e3
        );
    }
}

/// How long the reception of all instances takes, and one sync on average, in seconds.
fn measured(associations: usize, nothing_is_synced: bool) -> (Duration, f64) {
    let parent = std::env::var_os("EFFACE_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(parent).unwrap();
    let gateway = Gateway::start(folder.path(), nothing_is_synced);
    // Not of one byte, so that nobody on the way can be clever; only the study is known.
    let data_set: Vec<u8> =
        (0..BYTES as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for association in 0..associations {
            let (gateway, data_set) = (&gateway, &data_set);
            scope.spawn(move || {
                let mut raw = Raw::associate(gateway.port, CT, EXPLICIT).expect("an association");
                for number in (association..INSTANCES).step_by(associations) {
                    assert_eq!(raw.store(&format!("1.2.3.{number}"), data_set), 0);
                }
            });
        }
    });
    let time = begun.elapsed();
    let text = gateway.metrics();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse::<f64>().ok()).unwrap()
    };
    (time, value("efface_fsync_seconds_sum") / value("efface_fsync_seconds_count"))
}

/// The program; killed on drop.
struct Gateway {
    process: Child,
    port: u16,
    metrics: u16,
}

impl Gateway {
    fn start(folder: &Path, nothing_is_synced: bool) -> Self {
        let key = folder.join("root.key");
        let made = Command::new(env!("CARGO_BIN_EXE_efface"))
            .args(["keys", "init", "--out"])
            .arg(&key)
            .output();
        assert!(made.unwrap().status.success());
        let free_port = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let (metrics, nobody) = (free_port(), free_port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_efface"));
        // Studies stay open: only reception is measured.
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--allow", "PACS", "--quiet-period", "3600"])
            .args(["--metrics", &format!("127.0.0.1:{metrics}"), "--disk-reserve", "0"])
            .args(["--to", &format!("LAB@127.0.0.1:{nobody}"), "--profile", "basic"])
            .arg("--state")
            .arg(folder.join("state"))
            .arg("--key-file")
            .arg(key)
            .stderr(Stdio::piped());
        if nothing_is_synced {
            command.env("LD_PRELOAD", PRELOAD);
        }
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let listening =
            lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("\"listening\"")));
        let line: serde_json::Value = serde_json::from_str(&listening.unwrap().unwrap()).unwrap();
        let port =
            line["address"].as_str().and_then(|address| address.rsplit_once(':')?.1.parse().ok());
        std::thread::spawn(move || lines.for_each(drop));
        Gateway { process, port: port.unwrap(), metrics }
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics)).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: efface\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
