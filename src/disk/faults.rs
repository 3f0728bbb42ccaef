//! A disk that stops when a test says so, and then forgets what was not synced. Only tests have it.
//!
//! The model is that of journaling file systems (ext4, XFS): names change in order, and syncing a file or directory
//! makes every change durable up to the last one that touched it. Of what came later any number is lost, the last
//! first. Of a file's bytes what was synced survives, and any part of the rest. A sync of a file that fails drops what
//! it could not write: the next one says success without it (fsyncgate, LWN 752063).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

static ALL: Mutex<Vec<Arc<Faults>>> = Mutex::new(Vec::new());
static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// What the disk does beside what it is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Habits {
    /// Says that a directory was synced, and does nothing: as a program that forgets to.
    pub ignores_dir_sync: bool,
    /// Likewise of files.
    pub ignores_file_sync: bool,
}

/// The faults of everything below one directory.
pub struct Faults {
    root: PathBuf,
    trash: PathBuf,
    habits: Habits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Steps until the machine stops.
    left: Option<usize>,
    stopped: bool,
    /// Steps until one says that the disk is full.
    full_in: Option<usize>,
    /// Syncs until one fails.
    sync_fails_in: Option<usize>,
    /// Files of which the disk has dropped bytes, by inode: from which one on. They can be read until a power cut, and a
    /// later sync says success without them.
    spoiled: HashMap<u64, u64>,
    steps: usize,
    trashed: usize,
    /// Changes of names that a power cut may take back, in order.
    undo: Vec<Undo>,
    /// Files that were written, by inode: how many bytes are durable.
    durable: HashMap<u64, u64>,
}

enum Undo {
    Created { path: PathBuf, inode: u64 },
    Linked(PathBuf),
    MadeDir(PathBuf),
    Renamed { from: PathBuf, to: PathBuf, replaced: Option<PathBuf> },
    Removed { path: PathBuf, kept: PathBuf },
}

impl Undo {
    fn touches(&self, directory: &Path) -> bool {
        let is_in = |path: &Path| path == directory || path.parent() == Some(directory);
        match self {
            Undo::Created { path, .. } | Undo::Linked(path) | Undo::MadeDir(path) => is_in(path),
            Undo::Renamed { from, to, .. } => is_in(from) || is_in(to),
            Undo::Removed { path, .. } => is_in(path),
        }
    }

    fn take_back(self) -> io::Result<()> {
        match self {
            Undo::Created { path, .. } | Undo::Linked(path) => fs::remove_file(path),
            Undo::MadeDir(path) => fs::remove_dir_all(path),
            Undo::Renamed { from, to, replaced } => {
                fs::rename(&to, from)?;
                replaced.map_or(Ok(()), |kept| fs::rename(kept, to))
            }
            Undo::Removed { path, kept } => fs::rename(kept, path),
        }
    }
}

impl Faults {
    /// A disk below `root`, which exists, that works until it is told otherwise.
    pub fn below(root: &Path, habits: Habits) -> io::Result<Arc<Self>> {
        let trash = root.with_extension("trash");
        fs::create_dir_all(&trash)?;
        let faults = Faults { root: root.to_owned(), trash, habits, state: Mutex::default() };
        let faults = Arc::new(faults);
        all().push(Arc::clone(&faults));
        IN_USE.fetch_add(1, Ordering::SeqCst);
        Ok(faults)
    }

    /// Forgets it.
    pub fn end(self: &Arc<Self>) {
        all().retain(|other| !Arc::ptr_eq(self, other));
        IN_USE.fetch_sub(1, Ordering::SeqCst);
    }

    /// The machine stops after so many more steps.
    pub fn stop_in(&self, steps: usize) {
        self.lock().left = Some(steps);
    }

    /// One step, so many from now, says that the disk is full.
    pub fn full_in(&self, steps: usize) {
        self.lock().full_in = Some(steps);
    }

    /// One sync, so many from now, fails.
    pub fn sync_fails_in(&self, syncs: usize) {
        self.lock().sync_fails_in = Some(syncs);
    }

    /// Whether the machine has stopped.
    pub fn has_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Steps so far.
    pub fn steps(&self) -> usize {
        self.lock().steps
    }

    /// The machine starts again after its process was killed: the disk is as it was.
    pub fn start_again(&self) {
        let mut state = self.lock();
        state.start_again();
    }

    /// It starts again after a power cut. `below(n)` chooses a number from 0 to n, both included.
    pub fn power_cut(&self, below: &mut dyn FnMut(usize) -> usize) -> io::Result<()> {
        let mut state = self.lock();
        let survive = below(state.undo.len());
        for undo in state.undo.drain(..).skip(survive).collect::<Vec<_>>().into_iter().rev() {
            undo.take_back()?;
        }
        let durable = std::mem::take(&mut state.durable);
        cut_files(&self.root, &durable, below)?;
        state.start_again();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cut_files(
    directory: &Path,
    durable: &HashMap<u64, u64>,
    below: &mut dyn FnMut(usize) -> usize,
) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let meta = entry.metadata()?;
        if meta.is_dir() {
            cut_files(&entry.path(), durable, below)?;
        } else if let Some(kept) = durable.get(&meta.ino()).filter(|kept| **kept < meta.len()) {
            let survive = kept + below((meta.len() - kept) as usize) as u64;
            File::options().write(true).open(entry.path())?.set_len(survive)?;
        }
    }
    Ok(())
}

fn all() -> MutexGuard<'static, Vec<Arc<Faults>>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn of(path: &Path) -> Option<Arc<Faults>> {
    if IN_USE.load(Ordering::SeqCst) == 0 {
        return None;
    }
    all().iter().find(|faults| path.starts_with(&faults.root)).map(Arc::clone)
}

/// Before every operation: it may be the one at which the machine stops or the disk is full.
pub fn step(path: &Path) -> io::Result<()> {
    of(path).map_or(Ok(()), |faults| faults.lock().step())
}

impl State {
    fn start_again(&mut self) {
        (self.left, self.full_in, self.sync_fails_in, self.stopped) = (None, None, None, false);
    }

    /// A sync; it may be the one that fails.
    fn sync(&mut self) -> io::Result<()> {
        match self.sync_fails_in {
            Some(0) => {
                self.sync_fails_in = None;
                Err(io::Error::from_raw_os_error(libc::EIO))
            }
            left => {
                self.sync_fails_in = left.map(|left| left - 1);
                Ok(())
            }
        }
    }

    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        match self.left {
            Some(0) => self.stopped = true,
            Some(left) => self.left = Some(left - 1),
            None => {}
        }
        if self.stopped {
            return Err(io::Error::other("the machine has stopped"));
        }
        match self.full_in {
            Some(0) => {
                self.full_in = None;
                Err(io::ErrorKind::StorageFull.into())
            }
            left => {
                self.full_in = left.map(|left| left - 1);
                Ok(())
            }
        }
    }
}

/// A file was created.
pub fn created(path: &Path, file: &File) -> io::Result<()> {
    let Some(faults) = of(path) else { return Ok(()) };
    let inode = file.metadata()?.ino();
    let mut state = faults.lock();
    state.durable.insert(inode, 0);
    state.undo.push(Undo::Created { path: path.to_owned(), inode });
    Ok(())
}

/// A file was opened for appending, and created if it was not there.
pub fn appended(path: &Path, file: &File, was_there: bool) -> io::Result<()> {
    let Some(faults) = of(path) else { return Ok(()) };
    if !was_there {
        return created(path, file);
    }
    let meta = file.metadata()?;
    faults.lock().durable.entry(meta.ino()).or_insert(meta.len());
    Ok(())
}

/// A file has a second name.
pub fn linked(path: &Path) {
    if let Some(faults) = of(path) {
        faults.lock().undo.push(Undo::Linked(path.to_owned()));
    }
}

/// The first directory that will have to be made for this one; [`made_dir`] takes it.
pub fn missing_dir(path: &Path) -> Option<PathBuf> {
    of(path)?;
    path.ancestors().take_while(|above| !above.exists()).last().map(Path::to_owned)
}

/// A directory was made.
pub fn made_dir(first: Option<PathBuf>) {
    if let Some((faults, path)) = first.and_then(|path| Some((of(&path)?, path))) {
        faults.lock().undo.push(Undo::MadeDir(path));
    }
}

/// Renames; what stood there is kept for a power cut.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let Some(faults) = of(to) else { return fs::rename(from, to) };
    let mut state = faults.lock();
    let mut replaced = None;
    if to.is_file() {
        let kept = faults.trash.join(state.trashed.to_string());
        state.trashed += 1;
        fs::hard_link(to, &kept)?;
        replaced = Some(kept);
    }
    fs::rename(from, to)?;
    state.undo.push(Undo::Renamed { from: from.to_owned(), to: to.to_owned(), replaced });
    Ok(())
}

/// Names of a file that only a power cut can bring back.
pub fn removed_names(path: &Path) -> io::Result<u64> {
    let Some(faults) = of(path) else { return Ok(0) };
    let inode = fs::metadata(path)?.ino();
    count_names(&faults.trash, inode)
}

fn count_names(directory: &Path, inode: u64) -> io::Result<u64> {
    let mut names = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        names += match meta.is_dir() {
            true => count_names(&entry.path(), inode)?,
            false => u64::from(meta.ino() == inode),
        };
    }
    Ok(names)
}

/// Puts what is to be removed where a power cut finds it.
pub fn removing(path: &Path) -> io::Result<()> {
    let Some(faults) = of(path) else { return Ok(()) };
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    let mut state = faults.lock();
    let kept = faults.trash.join(state.trashed.to_string());
    state.trashed += 1;
    fs::rename(path, &kept)?;
    state.undo.push(Undo::Removed { path: path.to_owned(), kept });
    Ok(())
}

/// Syncs a file, unless the machine stops here.
pub fn sync_file(file: &File) -> io::Result<()> {
    if IN_USE.load(Ordering::SeqCst) > 0 {
        let (inode, length) = file.metadata().map(|meta| (meta.ino(), meta.len()))?;
        for faults in all().iter() {
            let mut state = faults.lock();
            if let Some(durable) = state.durable.get(&inode).copied() {
                state.step()?;
                if let Err(error) = state.sync() {
                    state.spoiled.entry(inode).or_insert(durable);
                    return Err(error);
                }
                if state.spoiled.get(&inode).is_some_and(|dropped_from| length <= *dropped_from) {
                    // They were cut off.
                    state.spoiled.remove(&inode);
                }
                if !faults.habits.ignores_file_sync && !state.spoiled.contains_key(&inode) {
                    state.durable.insert(inode, length);
                    commit(
                        &mut state,
                        |undo| matches!(undo, Undo::Created { inode: created, .. } if *created == inode),
                    );
                }
            }
        }
    }
    Ok(())
}

/// A directory is to be synced.
pub fn syncing_dir(path: &Path) -> io::Result<()> {
    of(path).map_or(Ok(()), |faults| faults.lock().sync())
}

/// A directory was synced.
pub fn synced_dir(path: &Path) {
    if let Some(faults) = of(path).filter(|faults| !faults.habits.ignores_dir_sync) {
        commit(&mut faults.lock(), |undo| undo.touches(path));
    }
}

/// Everything up to the last change that is so is durable.
fn commit(state: &mut State, is_so: impl Fn(&Undo) -> bool) {
    let last = state.undo.iter().rposition(is_so).map_or(0, |last| last + 1);
    state.undo.drain(..last);
}
