//! A small file system in memory.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs; unmounted on drop.
pub struct Memory(pub PathBuf);

impl Memory {
    /// `None` where that isn't allowed.
    pub fn mount(path: PathBuf, mebibytes: u64) -> Option<Self> {
        std::fs::create_dir_all(&path).expect("a mount point");
        let size = format!("size={mebibytes}m,mode=700");
        ran("mount", &["-t", "tmpfs", "-o", &size, "efface-test"], &[&path]).then_some(Memory(path))
    }

    /// Somebody gives it more room.
    pub fn grow(&self, mebibytes: u64) {
        let size = format!("remount,size={mebibytes}m");
        assert!(ran("mount", &["-o", &size], &[&self.0]), "more room");
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Lazily: a process of a failed test may still be in it.
        ran("umount", &["-l"], &[&self.0]);
    }
}

/// Whether a command did what it should.
pub fn ran(program: &str, options: &[&str], paths: &[&Path]) -> bool {
    let output = Command::new(program).args(options).args(paths).output();
    output.is_ok_and(|output| output.status.success())
}
