//! A token or a secret as it was read last, for a process that has no files.

use crate::config::Pass;
use crate::net::stow::Auth;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// By what one sender is known.
pub struct Purse {
    /// For whom: words of log lines.
    of: String,
    pass: Pass,
    kept: Mutex<Kept>,
}

struct Kept {
    auth: Auth,
    /// How often it was renewed.
    version: u64,
    looked: Instant,
    is_bad: bool,
}

impl Purse {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// As [`Pass::read`].
    pub fn open(of: String, pass: Pass) -> Result<Self, String> {
        let auth = pass.read()?;
        let kept = Kept { auth, version: 0, looked: Instant::now(), is_bad: false };
        Ok(Purse { of, pass, kept: Mutex::new(kept) })
    }

    /// What is in it, and how often that was renewed.
    pub(super) fn now(&self) -> (Auth, u64) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.auth.clone(), kept.version)
    }

    /// What is in it, if the file has changed since. What cannot be used leaves the old one in use, and is an alarm, once.
    pub(super) fn newer(&self, than: &mut u64) -> Option<Auth> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.looked.elapsed() >= LOOK_EVERY {
            kept.looked = Instant::now();
            self.look(&mut kept);
        }
        let is_newer = kept.version > *than;
        *than = kept.version;
        is_newer.then(|| kept.auth.clone())
    }

    fn look(&self, kept: &mut Kept) {
        let of = &self.of;
        match self.pass.read() {
            Ok(auth) => {
                kept.is_bad = false;
                if auth != kept.auth {
                    kept.auth = auth;
                    kept.version += 1;
                    tracing::info!(of, "another token or secret is in use");
                }
            }
            Err(error) if !kept.is_bad => {
                kept.is_bad = true;
                tracing::error!(of, %error, "a token or secret could not be read again: the old one stays in use");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk;
    use zeroize::Zeroizing;

    #[test]
    fn what_is_written_into_the_file_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let put = |text: &str| disk::write_whole(&file, text.as_bytes()).unwrap();
        let bearer = |text: &str| Auth::Bearer(Zeroizing::new(text.to_owned()));
        put("one\n");
        let purse =
            Purse::open("a test".to_owned(), Pass { file: file.clone(), server: None }).unwrap();
        let (auth, mut version) = purse.now();
        assert_eq!(auth, bearer("one"));
        let look = |version: &mut u64| {
            purse.kept.lock().unwrap().looked -= LOOK_EVERY;
            purse.newer(version)
        };
        assert_eq!(look(&mut version), None, "the same");
        put("two");
        assert_eq!(look(&mut version), Some(bearer("two")));
        put("no token");
        assert_eq!(look(&mut version), None);
        assert_eq!(purse.now().0, bearer("two"), "the old one stays");
    }
}
