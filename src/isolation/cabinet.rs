//! Certificates and keys as they were read last, for processes that have no files.

use crate::clock;
use crate::config::Files;
use crate::net::tls::{Error, Papers};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Days before its end from which on a certificate is warned of.
const WARN_DAYS: u64 = 30;
/// Seconds of a day.
const DAY: u64 = 86_400;

/// What one listener or sender shows and believes.
pub struct Cabinet {
    /// For whom: words of log lines.
    of: String,
    files: Files,
    kept: Mutex<Kept>,
}

struct Kept {
    papers: Papers,
    /// How often they were renewed.
    version: u64,
}

impl Cabinet {
    /// Reads them for the first time.
    ///
    /// # Errors
    /// As [`Papers::read`].
    pub fn open(of: String, files: Files) -> Result<Self, Error> {
        let papers = files.read()?;
        Ok(Cabinet { of, files, kept: Mutex::new(Kept { papers, version: 0 }) })
    }

    /// The papers, and how often they were renewed.
    pub fn now(&self) -> (Papers, u64) {
        let kept = self.lock();
        (kept.papers.clone(), kept.version)
    }

    /// The papers, if they were renewed since.
    pub(super) fn newer(&self, than: &mut u64) -> Option<Papers> {
        let kept = self.lock();
        let is_newer = kept.version > *than;
        *than = kept.version;
        is_newer.then(|| kept.papers.clone())
    }

    /// Reads them again: they are for new connections. What cannot be used leaves the old ones in use, and is an alarm.
    pub fn read_again(&self) {
        let of = &self.of;
        match self.files.read() {
            Ok(papers) => {
                let mut kept = self.lock();
                if papers == kept.papers {
                    tracing::info!(of, "certificates were read again and are the same");
                    return;
                }
                kept.papers = papers;
                kept.version += 1;
                drop(kept);
                tracing::info!(of, "renewed certificates are in use for new associations");
                self.warn();
            }
            Err(error) => {
                tracing::error!(of, %error, "certificates could not be read again: the old ones stay in use");
            }
        }
    }

    /// Seconds for which our certificate is still valid, 0 once it has expired; `None` if that cannot be told.
    pub fn valid_for(&self) -> Option<u64> {
        let now = Duration::from_millis(clock::ms()).as_secs();
        Some(self.lock().papers.valid_until()?.saturating_sub(now))
    }

    /// Says it if our certificate ends soon, or has.
    pub fn warn(&self) {
        let (of, file) = (&self.of, self.files.certificate.display());
        match self.valid_for() {
            Some(0) => {
                tracing::error!(of, %file, "our certificate has expired: put a new one there, then systemctl reload efface");
            }
            Some(left) if left < WARN_DAYS * DAY => {
                let days = left / DAY;
                tracing::warn!(of, %file, days, "our certificate expires in days: put a new one there, then systemctl reload efface");
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk;
    use crate::net::tls::tests::authority::{Authority, Issued};
    use std::path::Path;

    fn put(folder: &Path, one: &Issued) {
        disk::write_whole(&folder.join("own"), one.certificate.as_bytes()).unwrap();
        disk::write_whole(&folder.join("key"), one.key.as_bytes()).unwrap();
    }

    #[test]
    fn papers_are_renewed_by_those_that_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Authority::new("ca");
        disk::write_whole(&folder.path().join("ca"), ca.certificate.as_bytes()).unwrap();
        put(folder.path(), &ca.issue_for_years("gate.test", (2020, 2021)));
        let at = |name: &str| folder.path().join(name);
        let files = Files { ca: at("ca"), certificate: at("own"), key: at("key") };
        let cabinet = Cabinet::open("a test".to_owned(), files).unwrap();
        assert_eq!(cabinet.valid_for(), Some(0));
        let mut version = cabinet.now().1;
        cabinet.read_again();
        assert_eq!(cabinet.newer(&mut version), None, "the same");

        let renewed = ca.issue("gate.test");
        put(folder.path(), &renewed);
        cabinet.read_again();
        assert!(cabinet.valid_for().unwrap() > 50 * 365 * DAY);
        assert_eq!(cabinet.newer(&mut version).unwrap().certificate, renewed.certificate);
        assert_eq!(cabinet.newer(&mut version), None, "already known");

        disk::write_whole(&at("key"), b"no key").unwrap();
        cabinet.read_again();
        assert_eq!(cabinet.newer(&mut version), None);
        assert_eq!(cabinet.now().0.certificate, renewed.certificate, "the old ones stay");
    }
}
