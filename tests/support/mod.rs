//! What the black-box tests share: studies about nobody, dcmtk as PACS and as outside server, the
//! gateway as a process, and a search for what must not have left.
//!
//! Every process that is started here is killed when its handle is dropped. Nothing sleeps to wait
//! for something to have happened: [`until`] looks again and again, up to a deadline.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "each test file uses its part; a test fails by its panic and owns its files"
)]

pub mod authority;
pub mod browser;
pub mod canary;
pub mod chroot;
pub mod dcmtk;
pub mod gateway;
pub mod house;
pub mod memory;
pub mod orthanc;
pub mod raw;
pub mod results;
pub mod rsyslog;
pub mod study;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Nothing that is waited for takes so long on a machine that works.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    until_some(what, || is_so().then_some(()));
}

/// Waits until there is something.
#[track_caller]
pub fn until_some<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_some_or(what, String::new, look)
}

/// The same; what is known when it was in vain is part of the failure.
#[track_caller]
pub fn until_some_or<T>(
    what: &str,
    known: impl Fn() -> String,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "waited in vain until {what}: {}", known());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// SplitMix64: the same moments in every run.
pub struct Seeded(pub u64);

impl Seeded {
    /// The next number, from 0 to `bound` without it.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (z ^ (z >> 27)) % bound
    }
}

/// All regular files under a folder, in a fixed order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        match path.is_dir() {
            true => found.extend(files(&path)),
            false if path.is_file() => found.push(path),
            // A socket of a gateway that runs.
            false => {}
        }
    }
    found
}

/// A Python that can import these modules: `EFFACE_TEST_PYTHON`, or the one that `.ci/test` makes.
pub fn python_with(modules: &str) -> Option<PathBuf> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/bin/python");
    let python = std::env::var_os("EFFACE_TEST_PYTHON").map_or(made, PathBuf::from);
    let imports = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    imports.is_ok_and(|output| output.status.success()).then_some(python)
}

/// The folder of public data beside the checkout, when there is one.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    path.exists().then_some(path)
}

/// Says that a test could not be run, and why. It passes then: only the reader can judge that.
#[macro_export]
macro_rules! skip {
    ($($why:tt)*) => {{
        println!("SKIPPED: {}", format!($($why)*));
        return;
    }};
}
