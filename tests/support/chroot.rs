//! A copy of this system, for packages to be installed in, and the packages of the program under test.

use super::gateway::{printed, program};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The checkout.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A copy of this system in which changes are somebody else's.
pub struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    /// `None`: this user or this kernel cannot have one.
    pub fn new() -> Option<Self> {
        // Not below what is copied, or the copy would be in itself.
        let folder = tempfile::tempdir_in("/dev/shm").ok()?;
        let copy = Copy { folder };
        for name in ["upper", "work", "root"] {
            std::fs::create_dir(copy.path(name)).ok()?;
        }
        let at = |name: &str| copy.path(name).display().to_string();
        let layers = format!("lowerdir=/,upperdir={},workdir={}", at("upper"), at("work"));
        let mount = |arguments: &[&str]| {
            let mounted = Command::new("mount").args(arguments).stderr(Stdio::null()).status();
            mounted.is_ok_and(|status| status.success()).then_some(())
        };
        mount(&["-t", "overlay", "overlay", "-o", &layers, &at("root")])?;
        mount(&["-t", "proc", "proc", &at("root/proc")])?;
        mount(&["--bind", "/dev", &at("root/dev")])?;
        Some(copy)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the copy.
    pub fn file(&self, path: &str) -> PathBuf {
        self.path("root").join(path.trim_start_matches('/'))
    }

    pub fn command(&self, user: &str, program: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={user}")).arg(self.path("root")).args(program);
        command
    }

    #[track_caller]
    pub fn run(&self, user: &str, program: &[&str]) -> String {
        let output = self.command(user, program).output().unwrap();
        assert!(output.status.success(), "{program:?}: {}", printed(&output));
        printed(&output)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        for name in ["root/dev", "root/proc", "root"] {
            let _ = Command::new("umount").arg("-l").arg(self.path(name)).status();
        }
    }
}

/// The Debian package.
pub fn deb(folder: &Path) -> PathBuf {
    built("packaging/deb/build", folder)
}

/// The .rpm.
pub fn rpm(folder: &Path) -> PathBuf {
    built("packaging/rpm/build", folder)
}

fn built(script: &str, folder: &Path) -> PathBuf {
    let build = Command::new(Path::new(ROOT).join(script))
        .arg(program().get_program())
        .arg(folder)
        .env("COMPRESSION", "none")
        .output()
        .unwrap();
    assert!(build.status.success(), "{}", printed(&build));
    PathBuf::from(String::from_utf8(build.stdout).unwrap().trim())
}
