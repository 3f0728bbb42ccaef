//! The only file that touches the file system of the state directory.
//!
//! Nine operations, each with the durability that its name says and no more. Whoever needs a file to
//! survive a power cut calls [`sync_file`] on it and [`sync_dir`] on its directory; a rename alone
//! survives a crash of the process, not of the machine.
#![allow(clippy::disallowed_methods)] // the bans of clippy.toml lead here

#[cfg(test)]
pub mod faults;
mod times;

pub use times::{Syncs, sync_failures, sync_times};

use rustix::fs::{Gid, Mode};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Creates a file that must not exist yet, mode 0600, or 0660 in a directory that is [shared](share).
///
/// # Errors
/// `AlreadyExists`, or what the system says.
pub fn create(path: &Path) -> io::Result<File> {
    step(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(file_mode(path)).open(path)?;
    #[cfg(test)]
    faults::created(path, &file)?;
    Ok(file)
}

/// Opens a file for appending, made if it isn't there, mode 0600.
///
/// # Errors
/// What the system says.
pub fn append(path: &Path) -> io::Result<File> {
    step(path)?;
    #[cfg(test)]
    let was_there = path.exists();
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    #[cfg(test)]
    faults::appended(path, &file, was_there)?;
    Ok(file)
}

/// Opens a file that is there, to change bytes in the middle of it.
///
/// # Errors
/// What the system says.
pub fn overwrite(path: &Path) -> io::Result<File> {
    step(path)?;
    OpenOptions::new().write(true).open(path)
}

/// Opens a file for reading.
///
/// # Errors
/// What the system says.
pub fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// The text of a small file; `None` if there is none.
///
/// # Errors
/// `InvalidData` for anything else than text, or what the system says.
pub fn read_text(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => file.take(SMALL).read_to_string(&mut text).map(|_| Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Longer is no small file, bytes; what is behind is not read.
const SMALL: u64 = 1 << 17;

/// Makes what was written to a file survive a power cut. An error here is final: the kernel forgets
/// the pages that it could not write, and a second attempt would succeed without them.
///
/// # Errors
/// What the system says. Never retry.
pub fn sync_file(file: &File) -> io::Result<()> {
    #[cfg(test)]
    faults::sync_file(file)?;
    times::timed(|| file.sync_data())
}

/// Makes names created, renamed or removed in a directory survive a power cut.
///
/// # Errors
/// What the system says. Never retry.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    step(path)?;
    #[cfg(test)]
    faults::syncing_dir(path)?;
    let directory = File::open(path)?;
    times::timed(|| directory.sync_all())?;
    #[cfg(test)]
    faults::synced_dir(path);
    Ok(())
}

/// Moves a file or directory within the state directory. Atomic.
///
/// # Errors
/// What the system says.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step(to)?;
    #[cfg(test)]
    return faults::rename(from, to);
    #[cfg(not(test))]
    fs::rename(from, to)
}

/// Gives a file a second name, so that two places hold it and neither can lose it for the other.
///
/// # Errors
/// What the system says; `AlreadyExists` counts as done.
pub fn link(from: &Path, to: &Path) -> io::Result<()> {
    step(to)?;
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        done => done?,
    }
    #[cfg(test)]
    faults::linked(to);
    Ok(())
}

/// Makes a directory and those above it, mode 0700, or 0770 and shared in a directory that is [shared](share).
///
/// # Errors
/// What the system says.
pub fn make_dir(path: &Path) -> io::Result<()> {
    step(path)?;
    #[cfg(test)]
    let missing = faults::missing_dir(path);
    fs::DirBuilder::new().recursive(true).mode(dir_mode(path)).create(path)?;
    #[cfg(test)]
    faults::made_dir(missing);
    Ok(())
}

/// Names in a directory, sorted. A directory that isn't there has none.
///
/// # Errors
/// What the system says.
pub fn list(path: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // Names are efface's own; one that isn't text was put there by somebody else.
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes a file or a directory with all that is in it. What isn't there counts as removed.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    step(path)?;
    #[cfg(test)]
    faults::removing(path)?;
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The set-group-ID bit: what is made in such a directory has its group, and directories the bit, too (inode(7)).
const SHARED: u32 = 0o2000;

/// From now on this process and its children let groups have what is made in directories that are [shared](share).
pub fn share_with_groups() {
    rustix::process::umask(Mode::from_raw_mode(0o007));
}

/// Gives a directory and all that is in it to a group, and what is made there later.
///
/// # Errors
/// What the system says: only members of the group, and root, may.
pub fn share(path: &Path, gid: u32) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    let mode = if meta.is_dir() { SHARED | 0o770 } else { 0o660 };
    if meta.gid() == gid && meta.mode() & mode == mode {
        return Ok(());
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            share(&entry?.path(), gid)?;
        }
    }
    // Last, so that what was not finished is done again.
    give(path, gid, mode)
}

/// Lets everybody pass through a directory, to names that they know.
///
/// # Errors
/// What the system says.
pub fn let_pass(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::chmod(path, Mode::from_raw_mode(0o711))?)
}

/// Lets a group connect to a socket.
///
/// # Errors
/// What the system says.
pub fn let_connect(socket: &Path, gid: u32) -> io::Result<()> {
    give(socket, gid, 0o660)
}

/// Lets nobody but its owner use a socket.
///
/// # Errors
/// What the system says.
pub fn keep_private(socket: &Path) -> io::Result<()> {
    Ok(rustix::fs::chmod(socket, Mode::from_raw_mode(0o600))?)
}

/// The group first: a change of it takes the set-group-ID bit away.
fn give(path: &Path, gid: u32, mode: u32) -> io::Result<()> {
    rustix::fs::chown(path, None, Some(Gid::from_raw(gid)))?;
    Ok(rustix::fs::chmod(path, Mode::from_raw_mode(mode))?)
}

fn file_mode(path: &Path) -> u32 {
    if is_below_shared(path) { 0o660 } else { 0o600 }
}

fn dir_mode(path: &Path) -> u32 {
    if is_below_shared(path) { 0o770 } else { 0o700 }
}

/// Whether the directory in which something is made is shared, or the next one above it that is there.
fn is_below_shared(path: &Path) -> bool {
    let above = path.ancestors().skip(1).find_map(|above| fs::metadata(above).ok());
    above.is_some_and(|meta| meta.mode() & SHARED != 0)
}

/// Before every operation that changes something. In tests the machine may stop here: see `faults`.
fn step(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    return faults::step(path);
    #[cfg(not(test))]
    {
        let _ = path;
        Ok(())
    }
}

/// Bytes that a process without privileges may still write to the volume.
///
/// # Errors
/// What the system says.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let volume = rustix::fs::statvfs(path)?;
    Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
}

/// When a file or directory was last written.
///
/// # Errors
/// What the system says.
pub fn modified(path: &Path) -> io::Result<std::time::SystemTime> {
    fs::metadata(path)?.modified()
}

/// Whether a file has no other name: removing it ends it.
///
/// # Errors
/// What the system says.
pub fn is_last_name(path: &Path) -> io::Result<bool> {
    let names = fs::metadata(path)?.nlink();
    #[cfg(test)]
    let names = names - faults::removed_names(path)?;
    Ok(names == 1)
}

/// SHA-256 of all that a reader has left.
///
/// # Errors
/// What the system says.
pub fn sha256(mut reader: impl Read) -> io::Result<[u8; 32]> {
    let (mut digest, mut chunk) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(digest.finalize().into()),
            n => digest.update(&chunk[..n]),
        }
    }
}

/// Writes a small file so that it is there whole after a power cut, or not at all.
///
/// # Errors
/// What the system says.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    // The parent of a bare file name is the empty path, which nobody can open.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let draft = path.with_extension("part");
    remove(&draft)?;
    let mut file = create(&draft)?;
    file.write_all(bytes)?;
    sync_file(&file)?;
    rename(&draft, path)?;
    sync_dir(parent.unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncs_are_timed() {
        use prometheus_client::encoding::text::encode;
        use prometheus_client::registry::Registry;
        let folder = tempfile::tempdir().unwrap();
        sync_file(&create(&folder.path().join("a")).unwrap()).unwrap();
        sync_dir(folder.path()).unwrap();
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register("sync", "", sync_times());
        encode(&mut text, &registry).unwrap();
        let count = text.lines().find_map(|line| line.strip_prefix("sync_count "));
        assert!(count.unwrap().parse::<u64>().unwrap() >= 2, "{text}");
    }

    #[test]
    fn what_is_made_in_a_shared_directory_is_shared() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().mode() & 0o7770;
        make_dir(&folder.path().join("own/dir")).unwrap();
        make_dir(&folder.path().join("shared/before")).unwrap();
        create(&folder.path().join("shared/before/file")).unwrap();
        assert_eq!((mode("own/dir"), mode("shared/before/file")), (0o700, 0o600));
        share(&folder.path().join("shared"), rustix::process::getgid().as_raw()).unwrap();
        assert_eq!((mode("shared/before"), mode("shared/before/file")), (0o2770, 0o660));
        // The umask of a test is nobody's business: what it takes away is what a gateway leaves.
        make_dir(&folder.path().join("shared/a/b")).unwrap();
        create(&folder.path().join("shared/a/b/file")).unwrap();
        assert_eq!(mode("shared/a/b") & 0o2700, 0o2700);
        assert_eq!(mode("shared/a/b/file") & 0o640, 0o640);
        create(&folder.path().join("own/dir/file")).unwrap();
        assert_eq!(mode("own/dir/file"), 0o600);
    }

    #[test]
    fn names_are_created_once_and_removed_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        create(&path).unwrap();
        assert_eq!(create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        link(&path, &folder.path().join("b")).unwrap();
        link(&path, &folder.path().join("b")).unwrap();
        assert_eq!(list(folder.path()).unwrap(), ["a", "b"]);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(list(folder.path()).unwrap(), ["b"]);
        assert!(list(&folder.path().join("none")).unwrap().is_empty());
        write_whole(&folder.path().join("c"), b"x").unwrap();
        write_whole(&folder.path().join("c"), b"y").unwrap();
        assert_eq!(fs::read(folder.path().join("c")).unwrap(), b"y");
        assert!(free_bytes(folder.path()).unwrap() > 0);
    }
}
