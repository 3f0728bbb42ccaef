//! The gateway on disks that really lose power and really fail: ext4 on a loop device.
//!
//! A power cut is the ioctl EXT4_IOC_SHUTDOWN without a flush of the journal: what was not synced is gone after the next
//! mount. A failing disk is an ext4 that believes in more room than the tmpfs below it has: a write succeeds, and fsync
//! fails with EIO, once.
//!
//! Without root, mkfs.ext4, loop devices, dcmtk or a python3 for the ioctl every test says SKIPPED.
//! `EFFACE_CUTS=50 cargo test --test disks cut` for a long run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::dcmtk::{self, Outside, deliver, free_port, send, tally};
use support::gateway::Site;
use support::memory::{Memory, ran};
use support::study::{patient, write_body_ct};
use support::{Seeded, files, until};

// ------------------------------------------------------------------------------------------ the disks

/// An ext4 of its own on a loop device; unmounted on drop.
struct Ext4 {
    image: PathBuf,
    mount: PathBuf,
}

impl Ext4 {
    /// In a sparse image in `folder`; `None` where that is not possible.
    fn make(folder: &Path, mebibytes: u64) -> Option<Self> {
        let disk = Ext4 { image: folder.join("disk.img"), mount: folder.join("disk") };
        std::fs::create_dir_all(&disk.mount).expect("a mount point");
        File::create(&disk.image).and_then(|file| file.set_len(mebibytes << 20)).expect("an image");
        // The journal in front: on a disk that lies about its size it has its room from the start.
        let made = ran("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=0"], &[&disk.image]);
        (made && disk.mount()).then_some(disk)
    }

    fn mount(&self) -> bool {
        ran("mount", &["-t", "ext4", "-o", "loop"], &[&self.image, &self.mount])
    }

    /// Nothing of what was not synced survives; whoever has files open gets errors from now on.
    fn cut_power(&self) -> bool {
        // _IOR('X', 125, __u32), NOLOGFLUSH: std has no ioctl, and we have no unsafe code.
        const CUT: &str = "import fcntl, os, struct, sys; \
            fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";
        ran("python3", &["-c", CUT], &[&self.mount])
    }

    /// The machine starts again: the journal is replayed.
    fn start_again(&self) {
        until("the disk is let go", || ran("umount", &[], &[&self.mount]));
        assert!(self.mount(), "the file system is gone");
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        // Lazily: a process of a failed test may still be in it.
        ran("umount", &["-l"], &[&self.mount]);
    }
}

// ------------------------------------------------------------------------------------------- the tests

fn cuts() -> u32 {
    std::env::var("EFFACE_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(8)
}

/// What is not synced is gone: a disk that forgave everything would prove nothing.
#[test]
fn a_power_cut_takes_what_was_not_synced() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Ext4::make(folder.path(), 64) else {
        skip!("an ext4 cannot be made and mounted here: run as root");
    };
    let put = |name: &str, sync: bool| {
        let mut file = File::create(disk.mount.join(name)).unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        if sync {
            file.sync_all().unwrap();
            File::open(&disk.mount).and_then(|directory| directory.sync_all()).unwrap();
        }
    };
    put("synced", true);
    (0..20).for_each(|n| put(&n.to_string(), false));
    if !disk.cut_power() {
        skip!("no EXT4_IOC_SHUTDOWN here");
    }
    disk.start_again();
    let is_whole =
        |name: &str| std::fs::read(disk.mount.join(name)).is_ok_and(|bytes| bytes == [7; 100_000]);
    assert!(is_whole("synced"));
    assert!(!(0..20).any(|n| is_whole(&n.to_string())), "the cut took nothing");
}

#[test]
fn what_was_acknowledged_survives_power_cuts_at_any_moment() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut site = Site::leaving_faces();
    site.quiet_period_s = 0.1;
    let Some(disk) = Ext4::make(&site.path("medium"), 256) else {
        skip!("an ext4 cannot be made and mounted here: run as root");
    };
    site.keep_state_in(disk.mount.join("state"));
    let outside = Outside::start(&site.sink());
    let (mut random, cuts) = (Seeded(11), cuts());
    let (mut acknowledged, mut refused) = (BTreeSet::new(), Vec::new());
    for cut in 0..cuts {
        let port = free_port();
        let gateway = site.serve_at(port, outside.port, &["--disk-reserve", "0"]);
        let sent = write_body_ct(&site.path(&format!("pacs/{cut}")), &patient(cut % 6), cut, 150);
        let pacs = std::thread::spawn(move || send(port, &sent));
        std::thread::sleep(Duration::from_millis(random.below(400)));
        if !disk.cut_power() {
            skip!("no EXT4_IOC_SHUTDOWN here");
        }
        // What it says now is said of a disk that keeps nothing any more.
        let heard = pacs.join().expect("the PACS");
        if heard.said.contains("OutOfResources") || heard.said.contains("Rejected Transient") {
            refused.push(cut);
        }
        acknowledged.extend(heard.acknowledged);
        gateway.kill();
        disk.start_again();
    }
    assert!(!refused.is_empty(), "no cut came while something was received");
    let gateway = site.serve(outside.port, &["--disk-reserve", "0"]);
    until("all have arrived", || files(&outside.folder).len() >= acknowledged.len());
    site.settled();
    let arrived = tally(&outside.arrived(), "SOPInstanceUID").len();
    println!(
        "{cuts} cuts, {} during reception; {} acknowledged, {arrived} arrived",
        refused.len(),
        acknowledged.len()
    );
    assert!(arrived >= acknowledged.len(), "{}", gateway.log());
    let status: serde_json::Value =
        serde_json::from_str(&site.ask(&["status", "--json"])).expect("JSON");
    assert_eq!((&status["lost"], site.count("in quarantine")), (&0.into(), (0, 0)), "{status}");
}

#[test]
fn after_a_failed_fsync_nothing_more_is_accepted_and_nothing_is_lost() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut site = Site::leaving_faces();
    let Some(memory) = Memory::mount(site.path("memory"), 48) else {
        skip!("a file system cannot be mounted here: run as root");
    };
    let Some(disk) = Ext4::make(&memory.0, 512) else {
        skip!("an ext4 cannot be made and mounted here: run as root");
    };
    site.keep_state_in(disk.mount.join("state"));
    let port = free_port();
    let gateway = site.serve(port, &[]);
    // It fills up below the file system, which goes on to say that there is room.
    let mut filler = File::create(disk.mount.join("filler")).unwrap();
    let mut random = Seeded(3);
    let chunk: Vec<u8> = (0..1 << 17).flat_map(|_| random.below(u64::MAX).to_le_bytes()).collect();
    while free(&memory.0) > 4 << 20 {
        filler.write_all(&chunk).and_then(|()| filler.sync_data()).unwrap();
    }
    let sent = write_body_ct(&site.path("pacs"), &patient(0), 1, 400);
    let heard = send(gateway.port, &sent);
    assert!(heard.said.contains("OutOfResources"), "transient, so that the sender tries again");
    let acknowledged: BTreeSet<_> = heard.acknowledged.iter().cloned().collect();
    assert!(!acknowledged.is_empty() && acknowledged.len() < sent.len(), "{}", acknowledged.len());
    assert!(free(&disk.mount) > 100 << 20, "df still promises room");

    until("it is known everywhere", || gateway.get("/healthz").0 == 503);
    assert!(gateway.get("/healthz").1.contains("fsync has failed"));
    assert_eq!(gateway.metric("efface_spool_poisoned"), 1);
    assert_eq!(gateway.wait_for(ALARM)["level"], "ERROR");
    assert!(gateway.metric("efface_fsync_failures_total") > 0);
    let before = acknowledged.len() as u64;
    gateway.comes_to("efface_instances_stored_total", before);
    memory.grow(400);
    // A second fsync would succeed now, without the bytes that the first one lost.
    for _ in 0..2 {
        let again = send(gateway.port, &sent[390..]);
        assert!(again.said.contains("Rejected Transient"), "{}", again.said);
        assert!(again.acknowledged.is_empty());
    }
    assert_eq!(gateway.metric("efface_instances_stored_total"), before);
    assert_eq!(gateway.lines(ALARM).len(), 1);

    // Somebody has looked at the disk and restarts efface.
    gateway.kill();
    drop(filler);
    disk.start_again();
    let outside = Outside::start_at(port, &site.sink(), &[]);
    let gateway = site.serve(port, &[]);
    assert_eq!(gateway.get("/healthz").0, 200);
    let left: Vec<_> = sent.iter().filter(|path| !acknowledged.contains(*path)).cloned().collect();
    deliver(gateway.port, &left);
    until("all have arrived", || files(&outside.folder).len() >= sent.len());
    site.settled();
    assert_eq!(tally(&outside.arrived(), "SOPInstanceUID").len(), sent.len());
    assert_eq!(site.count("in quarantine"), (0, 0), "{}", gateway.log());
}

const ALARM: &str = "fsync failed: nothing more is accepted. Check the disk, then restart efface";

/// Bytes left on a file system.
fn free(path: &Path) -> u64 {
    let volume = rustix::fs::statvfs(path).unwrap();
    volume.f_bavail * volume.f_frsize
}
