//! What is looked at, in the order in which a start needs it.

use super::Finding;
use crate::audit::{self, Signer};
use crate::clock::{self, Day};
use crate::config::{DestinationSettings, Files, Settings, Speaks};
use crate::disk;
use crate::isolation::{self, Place};
use crate::key::RootKey;
use crate::net::scu::{Association, Destination, Outside, Proposal};
use crate::net::stow::{Server, Stow};
use crate::net::tls::{self, Client, Trust};
use crate::service::place;
use crate::shelf;
use crate::spool::{self, Spool, random_name};
use crate::view::profile::short_digest;
use rustix::fs::{FsWord, StatVfsMountFlags, statfs, statvfs};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// A sync that takes longer makes a PACS wait.
const SYNC_SLOW: Duration = Duration::from_millis(250);
/// Days before a certificate's end from which on it is said.
const SOON_DAYS: u64 = 30;
/// What memory file systems say they are (statfs(2)): what is there is gone with the power.
const TMPFS: FsWord = 0x0102_1994;
const RAMFS: FsWord = 0x8584_58F6;

pub(super) fn all(mut settings: Settings, is_offline: bool) -> Vec<Finding> {
    let (key, root) = key(&settings);
    let mut findings = vec![kernel(&settings), key];
    // What is looked at below is what is in force.
    let profiles = root.as_ref().map(|root| profiles(&mut settings, root));
    let settings = &settings;
    findings.extend(state(settings));
    findings.push(log(settings, root.as_ref()));
    findings.extend(profiles.into_iter().flatten());
    findings.extend(clock(settings));
    findings.extend(checkpoint(settings));
    findings.extend(port(settings));
    findings.extend(certificates(settings));
    for to in &settings.destinations {
        findings.push(register(to));
        if !is_offline {
            findings.push(destination(settings, to));
        }
    }
    findings
}

fn kernel(settings: &Settings) -> Finding {
    let what = "kernel";
    match isolation::probe(settings.sandbox) {
        Ok(()) => Finding::good(what, "confines workers (seccomp, Landlock)"),
        Err(error) => {
            Finding::wrong(what, error.to_string(), "boot a kernel that can, or sandbox: partial")
        }
    }
}

fn key(settings: &Settings) -> (Finding, Option<RootKey>) {
    let (what, file) = ("root key", settings.key_file.display());
    match RootKey::read_file(&settings.key_file) {
        Ok(root) => {
            let is = format!("{} in {file}, generation {}", root.fingerprint(), root.generation());
            (Finding::good(what, is), Some(root))
        }
        Err(error) => {
            let todo = "restore it from its pages (efface keys join), or make the first one: efface keys init";
            (Finding::wrong(what, error.to_string(), todo), None)
        }
    }
}

/// Directory, disk and what syncs take.
fn state(settings: &Settings) -> Vec<Finding> {
    let (what, path) = ("state directory", &settings.state);
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            let is = format!("{}: {error}", path.display());
            let todo = "make it, for the user of the gateway alone: install -d -m 0700 -o efface";
            return vec![Finding::wrong(what, is, todo)];
        }
    };
    let mut findings = Vec::new();
    let own = rustix::process::geteuid().as_raw();
    let is_shared = metadata.mode() & 0o007 != 0;
    findings.push(if is_shared {
        let is = format!("{} can be entered by everybody", path.display());
        Finding::wrong(what, is, "chmod o= on it: identified originals lie there")
    } else if metadata.uid() != own {
        let is = format!("{} is another user's (uid {})", path.display(), metadata.uid());
        Finding::doubtful(what, is, "run this as the user of the gateway to see what it sees")
    } else {
        Finding::good(what, path.display().to_string())
    });
    findings.push(volume(path));
    findings.push(room(settings));
    findings.push(sync(path));
    findings
}

fn volume(path: &Path) -> Finding {
    let what = "volume";
    let is_memory = statfs(path).is_ok_and(|fs| matches!(fs.f_type, TMPFS | RAMFS));
    let is_read_only =
        statvfs(path).is_ok_and(|volume| volume.f_flag.contains(StatVfsMountFlags::RDONLY));
    if is_memory {
        let todo = "put state: on a disk: studies that were acknowledged would be lost";
        return Finding::wrong(what, "memory, gone with the power", todo);
    }
    if is_read_only {
        return Finding::wrong(what, "read-only", "the disk may be failing: see dmesg");
    }
    Finding::good(what, "a disk that can be written")
}

fn room(settings: &Settings) -> Finding {
    let what = "free space";
    let (free, reserve) = (disk::free_bytes(&settings.state), settings.limits.disk_reserve_bytes);
    let gb = |bytes: u64| bytes as f64 / 1e9;
    match free {
        Err(error) => Finding::wrong(what, error.to_string(), "look at the disk"),
        Ok(free) if free <= reserve => {
            let is = format!("{:.1} GB, below the reserve of {:.1} GB", gb(free), gb(reserve));
            Finding::wrong(
                what,
                is,
                "nothing is accepted: make room, or shorten retain_delivered_h",
            )
        }
        Ok(free) if free < reserve.saturating_mul(5) => {
            let is = format!("{:.1} GB; at {:.1} GB nothing is accepted", gb(free), gb(reserve));
            Finding::doubtful(what, is, "make room before a busy day")
        }
        Ok(free) => Finding::good(what, format!("{:.1} GB", gb(free))),
    }
}

/// Somebody waits for this with every instance.
fn sync(path: &Path) -> Finding {
    let what = "sync";
    let timed = || -> std::io::Result<Duration> {
        let file = path.join(format!("doctor-{}", random_name()?));
        let begun = Instant::now();
        let written = disk::write_whole(&file, b"efface doctor was here\n");
        let took = begun.elapsed();
        disk::remove(&file)?;
        written.map(|()| took)
    };
    match timed() {
        Err(error) => {
            let todo = "the gateway could not keep anything: check owner, permissions and disk";
            Finding::wrong(what, error.to_string(), todo)
        }
        Ok(took) if took > SYNC_SLOW => {
            let is = format!("{} ms to make a small file durable", took.as_millis());
            Finding::doubtful(what, is, "every instance waits for it: look for a faster disk")
        }
        Ok(took) => Finding::good(what, format!("{} ms", took.as_millis())),
    }
}

/// Whether the log is this key's. That it is whole, `efface audit verify` and every start find out.
fn log(settings: &Settings, root: Option<&RootKey>) -> Finding {
    let (what, audit) = ("log", settings.state.join("audit"));
    if !audit.join("checkpoint").exists() {
        return Finding::good(what, "none yet: the first start begins one");
    }
    match (audit::key(&audit), root) {
        (Err(error), _) => Finding::wrong(what, error.to_string(), "efface audit verify says more"),
        (Ok(_), None) => {
            Finding::doubtful(what, "nobody can say whose it is", "put the root key right first")
        }
        (Ok(verifier), Some(root)) if verifier == *Signer::of(root).verifier() => {
            Finding::good(what, verifier.name().to_owned())
        }
        (Ok(verifier), Some(_)) => {
            let is = format!("of another root key: {}", verifier.name());
            Finding::wrong(what, is, "use the key of this state directory, or another directory")
        }
    }
}

/// Which profile is in force for whom, and whether a start finds it as it was put in force.
fn profiles(settings: &mut Settings, root: &RootKey) -> Vec<Finding> {
    let used = shelf::in_force(&settings.state, root).and_then(|in_force| match in_force {
        Some(in_force) => {
            shelf::verify(&settings.state, root, &in_force)?;
            Ok(settings.use_kept(&in_force).map_err(|error| error.to_string()))
        }
        None => Ok(Ok(())),
    });
    let used = used.unwrap_or_else(|error| Err(error.to_string()));
    if let Err(why) = used {
        let todo = "the next start is refused until this is put right";
        return vec![Finding::wrong("profiles", why, todo)];
    }
    let finding = |to: &DestinationSettings| {
        let (name, plan) = (to.profile.name(), short_digest(&to.profile));
        let is = format!("{name} {plan}: {}", to.whose_profile());
        Finding::good(format!("profile: {}", to.name), is)
    };
    settings.destinations.iter().map(finding).collect()
}

/// Nobody can know what time it is; that the clock was set back shows.
fn clock(settings: &Settings) -> Vec<Finding> {
    let what = "clock";
    let newest = disk::modified(&settings.state.join("audit/checkpoint"));
    if newest.is_ok_and(|newest| newest > clock::now() + Duration::from_secs(60)) {
        let is = "behind the last record of the log";
        return vec![Finding::wrong(what, is, "set it: certificates and retention go by it")];
    }
    let is_kept = ["/run/systemd/timesync/synchronized", "/run/chrony", "/run/chronyd.pid"];
    let is_kept = is_kept.iter().any(|sign| Path::new(sign).exists());
    let now = clock::stamp();
    vec![if is_kept {
        Finding::good(what, format!("{now}, kept by this system's time service"))
    } else {
        let todo = "systemd-timesyncd or chrony, with a server of the hospital";
        Finding::doubtful(what, format!("{now}; no time service was found"), todo)
    }]
}

fn checkpoint(settings: &Settings) -> Option<Finding> {
    let what = "checkpoint file";
    let Some(file) = &settings.checkpoint_file else {
        let todo = "checkpoint_file: on another machine, or efface witness: a log that is put back to an older state shows";
        return Some(Finding::doubtful(what, "none", todo));
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let is_there = file.exists() || folder.unwrap_or(Path::new(".")).is_dir();
    let is = file.display().to_string();
    Some(match is_there {
        true => Finding::good(what, is),
        false => Finding::wrong(what, is, "its folder is not there: mount it"),
    })
}

/// Either the gateway has it, or it can be had.
fn port(settings: &Settings) -> Vec<Finding> {
    let is_running = settings.state.join("lock").exists()
        && matches!(Spool::open(&settings.state, 0), Err(spool::Error::Locked(_)));
    let named = [
        Some(("listener", settings.listen)),
        settings.results_web.map(|at| ("results_web", at)),
        settings.metrics.map(|at| ("metrics", at)),
    ];
    let look = |(what, address)| match TcpListener::bind(address) {
        Ok(_) if is_running => {
            let is = format!("a gateway runs, and does not listen on {address}");
            Finding::wrong(what, is, "it has another configuration, or still starts: see its log")
        }
        Ok(_) => Finding::good(what, format!("{address} is free; no gateway runs")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && is_running => {
            Finding::good(what, format!("{address}, a gateway runs"))
        }
        Err(error) => {
            let todo = "another program has it (ss -ltnp), or the address is not this machine's";
            Finding::wrong(what, format!("{address}: {error}"), todo)
        }
    };
    named.into_iter().flatten().map(look).collect()
}

fn certificates(settings: &Settings) -> Vec<Finding> {
    let Some(tls) = &settings.tls else {
        let todo = "tls: unless the network is one of its own";
        return vec![Finding::doubtful("certificate", "none: plain TCP", todo)];
    };
    let mut seen: Vec<&Files> = vec![&tls.files];
    let others = settings.destinations.iter().filter_map(|to| to.tls.as_ref());
    for files in others.map(|tls| &tls.files) {
        if seen.iter().all(|known| known.certificate != files.certificate) {
            seen.push(files);
        }
    }
    seen.into_iter().map(certificate).collect()
}

fn certificate(files: &Files) -> Finding {
    let (what, file) = ("certificate", files.certificate.display());
    let renew = "put a new one there, then: systemctl reload efface";
    match files.read().map(|papers| papers.valid_until()) {
        Err(error) => Finding::wrong(what, error.to_string(), renew),
        Ok(None) => {
            Finding::doubtful(what, format!("{file}: until when it is valid cannot be told"), renew)
        }
        Ok(Some(until)) => {
            let end = SystemTime::UNIX_EPOCH + Duration::from_secs(until);
            let is = format!("{file}, until {}", humantime::format_rfc3339_seconds(end));
            let left = end.duration_since(clock::now()).unwrap_or_default();
            match left.as_secs() / 86_400 {
                _ if left.is_zero() => Finding::wrong(what, format!("{is}: EXPIRED"), renew),
                0..SOON_DAYS => Finding::doubtful(what, is, renew),
                _ => Finding::good(what, is),
            }
        }
    }
}

fn register(to: &DestinationSettings) -> Finding {
    let what = format!("register: {}", to.name);
    let today = Day::today();
    let todo = "correct register: of the destination in the configuration, then restart";
    match to.residency.decide(today, to.profile.options()) {
        Err(blocked) => Finding::wrong(what, format!("BLOCKED: {blocked}"), todo),
        Ok(allowed) => {
            let is = format!("may be sent to ({})", allowed.ground().decided_by);
            match to.residency.expiring(today).first() {
                Some((which, day)) => {
                    Finding::doubtful(what, format!("{is}; {which} expires on {day}"), todo)
                }
                None => Finding::good(what, is),
            }
        }
    }
}

/// A C-ECHO says that whoever is there is DICOM, knows our AE titles, and that both sides know each other under TLS; a
/// DICOMweb server is asked for a study that nobody has.
fn destination(settings: &Settings, to: &DestinationSettings) -> Finding {
    let what = format!("destination: {}", to.name);
    let called = || -> Result<&'static str, String> {
        let trust = to.tls.as_ref().map(|tls| {
            let papers = tls.files.read()?;
            Ok::<_, tls::Error>(Trust { papers, certificate: tls.pinned })
        });
        let trust = trust.transpose().map_err(|error| error.to_string())?;
        match place(to, &settings.ae_title, 10) {
            Place::Dicom(there) => echo(there, trust.as_ref(), &to.address),
            Place::Web(there) => search(there, trust.as_ref(), &to.speaks),
        }
    };
    match called() {
        Ok(what_it_does) => Finding::good(what, format!("{} {what_it_does}", to.place())),
        Err(why) => {
            let todo = "put it right here or there; studies wait until then, nothing is lost";
            Finding::wrong(what, why, todo)
        }
    }
}

fn echo(
    mut there: Destination,
    trust: Option<&Trust>,
    address: &str,
) -> Result<&'static str, String> {
    let client = trust.map(|trust| Client::trusting(trust, address)).transpose();
    let client = client.map_err(|error| error.to_string())?;
    (there.connect_s, there.response_s) = (10, 10);
    let verification = Proposal::verification().map_err(|error| error.to_string())?;
    let association = Association::<Outside>::connect(&there, client.as_ref(), &[verification]);
    let mut association = association.map_err(|error| error.to_string())?;
    let echoed = association.c_echo().map_err(|error| error.to_string());
    echoed.and_then(|()| association.release().map_err(|error| error.to_string()))?;
    Ok("answers a C-ECHO")
}

fn search(there: Server, trust: Option<&Trust>, speaks: &Speaks) -> Result<&'static str, String> {
    let pass = match speaks {
        Speaks::Web(web) => web.pass.as_ref(),
        Speaks::Dicom(_) => None,
    };
    let auth = pass.map(|pass| pass.read()).transpose()?;
    let there = Server { connect_s: 10, response_s: 10, ..there };
    let stow = Stow::new(there, trust, auth).map_err(|error| error.to_string())?;
    stow.greet().map_err(|error| error.to_string())?;
    Ok("answers a search")
}
