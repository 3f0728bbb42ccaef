//! Takes from this process what it does not need: once done, nothing gives it back.

use super::syscalls;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getppid, getrlimit, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// Whether a worker works where the kernel can't confine it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strictness {
    /// Not without all of it: limits, no network, no files but its own.
    #[default]
    Strict,
    /// With what the kernel has. For a first try, and for kernels without Landlock.
    Partial,
}

/// What a worker may use at most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Seconds of one processor; `None`: as long as it takes.
    pub cpu_s: Option<u64>,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Open files.
    pub files: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { memory_bytes: 4 << 30, cpu_s: None, file_bytes: 64 << 30, files: 1024 }
    }
}

/// What may be done with a directory and all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// Everything.
    Own,
    /// To see names, and to move directories in and out: not to read files.
    Shelf,
    /// To put files there, never to read them.
    PutAside,
    /// To read and to append.
    Book,
    /// To move files there, never to read or remove them.
    Deliver,
    /// To read a file, or the files of a directory whose names are known.
    Read,
    /// To see names and read files.
    Look,
}

/// Whom a process may talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nobody.
    Nobody,
    /// Whoever listens on these TCP ports, and name servers. Addresses are not in the kernel's power.
    Ports([u16; 2]),
    /// Whoever calls on a socket that is bound already.
    Callers,
    /// The same, many at a time in one thread.
    Browsers,
}

impl Reach {
    /// One port and no other.
    pub(super) fn port(port: u16) -> Self {
        Reach::Ports([port; 2])
    }
}

/// Why a process is not confined.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel lacks a part of it.
    #[error(
        "this kernel cannot confine workers: it needs seccomp, and Landlock (Linux 5.19 or later, lsm=landlock,...). \
         Boot one that can, or write sandbox: partial in the configuration to work with what there is"
    )]
    Missing,
    /// Rights to files.
    #[error("Landlock: {0}")]
    Landlock(#[from] RulesetError),
    /// A directory to which rights were to be given.
    #[error("Landlock: {0}")]
    Path(#[from] landlock::PathFdError),
    /// System calls.
    #[error("seccomp: {0}")]
    Seccomp(#[from] seccompiler::Error),
    /// Limits.
    #[error("limits of the worker: {0}")]
    System(#[from] io::Error),
}

/// Keeps the memory of this process, which has keys and identities in it, from core dumps and debuggers.
///
/// # Errors
/// What the system says.
pub fn keep_memory_private() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// Ends this process when the one that has started it ends: the gateway, or with `None` an attendant.
///
/// # Errors
/// When it has ended already, or what the system says.
pub(super) fn end_with(gateway: Option<u32>) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    // It may have ended before the signal was asked for. Where an attendant has, the connection ends with it.
    let is_there = gateway.is_none() || gateway == parent;
    if is_there { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
}

/// Confines this process and every thread that it starts from now on.
///
/// # Errors
/// [`Error`]: the process must do nothing with what it was to be confined for.
pub(super) fn confine(
    rights: &[(Rights, PathBuf)],
    reach: Reach,
    bounds: &Bounds,
    strictness: Strictness,
) -> Result<(), Error> {
    limit(bounds)?;
    let files = files_only(rights, reach);
    let calls = syscalls::only_needed(reach);
    if strictness == Strictness::Strict {
        files?;
        calls?;
    }
    Ok(())
}

/// Memory counts where it may be written: stacks and arenas that are only reserved do not.
fn limit(bounds: &Bounds) -> io::Result<()> {
    keep_memory_private()?;
    for (resource, most) in [
        (Resource::Data, Some(bounds.memory_bytes)),
        (Resource::Cpu, bounds.cpu_s),
        (Resource::Fsize, Some(bounds.file_bytes)),
        (Resource::Nofile, Some(bounds.files)),
    ] {
        // A limit that is lower already can't be raised.
        let most = match (most, getrlimit(resource).maximum) {
            (Some(most), Some(present)) => Some(most.min(present)),
            (most, present) => most.or(present),
        };
        setrlimit(resource, Rlimit { current: most, maximum: most })?;
    }
    Ok(())
}

/// The first kernels that let directories be moved, and the newest means that are used where there are any.
const LEAST: ABI = ABI::V2;
const NEWEST: ABI = ABI::V6;

/// No file but those below the directories; where the kernel can, no TCP but to that port, no signals to others.
fn files_only(rights: &[(Rights, PathBuf)], reach: Reach) -> Result<(), Error> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(LEAST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    let mut ruleset = ruleset.create()?;
    for (rights, directory) in rights {
        ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(directory)?, rights.accesses()))?;
    }
    if let Reach::Ports(ports) = reach {
        for port in ports {
            ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
        }
    }
    let status = ruleset.restrict_self()?.ruleset;
    if status == RulesetStatus::NotEnforced { Err(Error::Missing) } else { Ok(()) }
}

impl Rights {
    fn accesses(self) -> BitFlags<AccessFs> {
        let move_in_and_out =
            AccessFs::ReadDir | AccessFs::MakeDir | AccessFs::RemoveDir | AccessFs::Refer;
        let write = AccessFs::MakeReg | AccessFs::WriteFile | AccessFs::Truncate;
        match self {
            Rights::Own => AccessFs::from_all(NEWEST),
            Rights::Shelf => move_in_and_out,
            Rights::PutAside => move_in_and_out | write | AccessFs::RemoveFile,
            Rights::Book => AccessFs::ReadDir | AccessFs::ReadFile | write,
            Rights::Deliver => AccessFs::ReadDir | AccessFs::MakeReg | AccessFs::Refer,
            Rights::Read => AccessFs::ReadFile.into(),
            Rights::Look => AccessFs::ReadDir | AccessFs::ReadFile,
        }
    }
}

#[cfg(test)]
mod tests;
