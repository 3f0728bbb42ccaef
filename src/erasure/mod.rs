//! Requests for erasure (GDPR Art. 17, 19): what destinations were asked to erase, until they say that they have.
//!
//! ```text
//! erasures/register       version, a line a request, seal                          book.rs
//! erasures/lock           one writer at a time
//! ```
//! When a patient is erased here, the crosswalk forgets whom the pseudonyms stood for, and every destination that anything
//! was released to must be asked for the same. The register says by pseudonyms what: it names nobody, and after the local
//! erasure nobody can tell from it who it was. Where pseudonyms are keyed, whoever has the root key and the patient's number
//! still can make the pseudonym once more; where they are random, nobody can.
//!
//! A request is open, then sent, then acknowledged: people say so (`efface erasure`). An answer is due a month after the
//! patient's request came in. In the log a request stands by its reference, which is random, with counts.

mod book;

pub use book::{Book, Request, Wanted, look};

use std::path::PathBuf;

/// Why the register cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("the register of requests for erasure {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is not what was written.
    #[error(
        "the register of requests for erasure {path} was damaged or changed, or is of another root key. Put it back from a backup"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It is an older one, or gone.
    #[error(
        "the register of requests for erasure {path} has version {have}, and version {known} stands in the log: it was put back to an older state, or removed. Put the newer one back"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version; 0 if there is none.
        have: u64,
        /// The newest in the log.
        known: u64,
    },
}
