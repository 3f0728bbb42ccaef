//! Storage commitment (PS3.4 Annex J): whoever sent instances asks whether they are safely here.
//!
//! ```text
//! N-ACTION-RQ -> Request (its UIDs, nothing else) -> commitments/ID -> success
//!             -> search: entries re-read and checksummed, records of what was delivered and erased -> Report
//!             -> N-EVENT-REPORT -> answered -> commitments/ID is removed
//! ```
//! A [`Report`] can hold only UIDs of its [`Request`] and a reason for each: nothing that a peer did not send itself
//! goes back to it. A request that was accepted is reported on, also after a restart.

mod report;
mod request;
mod search;

pub use report::{Failure, Report};
pub use request::{Malformed, REQUEST_BYTES_MAX, Reference, Request};
pub use search::search;

use super::{Place, Spool, random_name};
use crate::clock;
use crate::disk;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::time::Duration;

/// A request that was accepted and has not been reported on.
#[derive(Clone, Debug)]
pub struct Pending {
    /// AE title of the requestor.
    pub requestor: String,
    /// What it asked.
    pub request: Request,
    /// Milliseconds since 1970 at which it asked, by the clock of this machine.
    pub since_ms: u64,
}

impl Pending {
    /// Something that is asked now.
    pub fn now(requestor: &str, request: Request) -> Self {
        Pending { requestor: requestor.to_owned(), request, since_ms: clock::ms() }
    }

    /// How long ago that was.
    pub fn age(&self) -> Duration {
        Duration::from_millis(clock::ms().saturating_sub(self.since_ms))
    }

    /// Keeps it, durably; the name under which it is kept.
    ///
    /// # Errors
    /// What the system says.
    pub fn keep(&self, spool: &Spool) -> io::Result<String> {
        let name = random_name()?;
        let (transaction, references) = self.request.texts();
        let form = Form {
            requestor: self.requestor.clone(),
            since_ms: self.since_ms,
            transaction,
            references,
        };
        disk::write_whole(&spool.dir(Place::Commitments).join(&name), &serde_json::to_vec(&form)?)?;
        Ok(name)
    }

    /// Reads what is kept under a name.
    ///
    /// # Errors
    /// What the system says; something that is no request is an error too.
    pub fn read(spool: &Spool, name: &str) -> io::Result<Self> {
        let file = disk::open(&spool.dir(Place::Commitments).join(name))?;
        let mut bytes = Vec::new();
        // In JSON it is larger than it was on the wire, never so much.
        file.take(4 * REQUEST_BYTES_MAX as u64).read_to_end(&mut bytes)?;
        let form: Form = serde_json::from_slice(&bytes)?;
        let request = Request::kept(&form.transaction, &form.references);
        let request = request.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Pending { requestor: form.requestor, request, since_ms: form.since_ms })
    }

    /// Forgets what is kept under a name.
    ///
    /// # Errors
    /// What the system says.
    pub fn forget(spool: &Spool, name: &str) -> io::Result<()> {
        disk::remove(&spool.dir(Place::Commitments).join(name))
    }

    /// The names of all that are kept.
    ///
    /// # Errors
    /// What the system says.
    pub fn all(spool: &Spool) -> io::Result<Vec<String>> {
        super::entry_ids(&spool.dir(Place::Commitments))
    }
}

/// The same on disk.
#[derive(Serialize, Deserialize)]
struct Form {
    requestor: String,
    since_ms: u64,
    transaction: String,
    references: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::request::tests::{EXPLICIT, asked};
    use super::*;

    #[test]
    fn what_was_accepted_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let request = Request::parse(&asked("1.2.3", &[("1.2", "1.2.7")]), EXPLICIT).unwrap();
        let name = Pending::now("PACS", request.clone()).keep(&spool).unwrap();
        assert_eq!(Pending::all(&spool).unwrap(), std::slice::from_ref(&name));
        let pending = Pending::read(&spool, &name).unwrap();
        assert_eq!((pending.requestor.as_str(), &pending.request), ("PACS", &request));
        assert!(pending.age() < Duration::from_secs(60));
        Pending::forget(&spool, &name).unwrap();
        assert!(Pending::all(&spool).unwrap().is_empty());
    }
}
