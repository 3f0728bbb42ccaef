//! A file outside the state directory that holds the newest checkpoint, so that a rollback shows.
//!
//! It protects as far as it is out of reach of whoever can change the state directory: on another machine, or on a
//! medium that is written once.

use super::{Error, Log};
use crate::disk;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How soon a new checkpoint is there.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often it is said that it could not be written.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Keeps the file.
pub struct Witness {
    path: PathBuf,
    log: Arc<Log>,
    written: String,
}

impl Witness {
    /// Compares what is there with the log, and puts the newest checkpoint there.
    ///
    /// # Errors
    /// [`Error::Witness`]: the log was rolled back or rewritten, or the file is no checkpoint of it; [`Error::Io`].
    pub fn begin(path: PathBuf, log: Arc<Log>) -> Result<Self, Error> {
        let io = |error| Error::Io { path: path.clone(), error };
        match disk::read_text(&path).map_err(io)? {
            Some(note) => log
                .has_passed(&note)
                .map_err(|why| Error::Witness { file: path.clone(), why: Box::new(why) })?,
            None => tracing::warn!(
                file = %path.display(),
                "there is no earlier checkpoint to compare the audit log with"
            ),
        }
        let mut witness = Witness { path: path.clone(), log, written: String::new() };
        witness.write().map_err(io)?;
        Ok(witness)
    }

    /// Writes checkpoints as they come, until told to stop.
    pub fn run(mut self, stop: &AtomicBool) -> Self {
        let mut told: Option<Instant> = None;
        while !stop.load(Ordering::SeqCst) {
            if let Err(error) = self.write()
                && told.is_none_or(|last| last.elapsed() >= TELL_EVERY)
            {
                let file = self.path.display();
                tracing::error!(%file, %error, "a checkpoint could not be put into checkpoint_file: a rollback would not show");
                told = Some(Instant::now());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self
    }

    /// Writes the newest checkpoint, if it is not there yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self) -> io::Result<()> {
        let newest = self.log.checkpoint();
        if newest != self.written {
            disk::write_whole(&self.path, newest.as_bytes())?;
            self.written = newest;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::super::tests::{filled, log};
    use super::*;
    use crate::audit::Event;

    #[test]
    fn a_rollback_refuses_to_start_and_a_rewrite_too() {
        let folder = tempfile::tempdir().unwrap();
        let (state, older) = (folder.path().join("audit"), folder.path().join("older"));
        let path = folder.path().join("witness");
        filled(&state, 3);
        let copy = |from: &std::path::Path, to: &std::path::Path| {
            let _ = std::fs::remove_dir_all(to);
            std::fs::create_dir_all(to.join("tile/0")).unwrap();
            for name in ["log", "checkpoint", "key", "tile/0/000"] {
                std::fs::copy(from.join(name), to.join(name)).unwrap();
            }
        };
        copy(&state, &older);
        let began = Arc::new(log(&state));
        let mut witness = Witness::begin(path.clone(), Arc::clone(&began)).unwrap();
        began.append(Event::Stopped).unwrap();
        witness.write().unwrap();
        let seen = std::fs::read_to_string(&path).unwrap();
        assert_eq!(seen, began.checkpoint());
        drop((witness, began));

        // As it was: all is well.
        assert!(Witness::begin(path.clone(), Arc::new(log(&state))).is_ok());
        // A log that is sound in itself, and shorter; then one that is as long, and another.
        copy(&older, &state);
        let refused = |words: &str| {
            let error = Witness::begin(path.clone(), Arc::new(log(&state))).err().unwrap();
            assert!(matches!(&error, Error::Witness { .. }), "{error}");
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), seen);
        };
        refused("cut off or rolled back");
        log(&state).append(Event::Stopped).unwrap();
        refused("history was rewritten");
        std::fs::write(&path, "no checkpoint").unwrap();
        let error = Witness::begin(path.clone(), Arc::new(log(&state))).err().unwrap();
        assert!(matches!(error, Error::Witness { .. }), "{error}");
    }
}
