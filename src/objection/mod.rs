//! Who objects: a register of keyed hashes that is asked before anything is made, and again before it leaves.
//!
//! ```text
//! objections/register       version, a line an objection, seal                          book.rs
//! objections/lock           one writer at a time
//! BATCH/patient.json        beside originals: how they call their patient, as hashes    book.rs
//! ```
//! Who may object: GDPR Art. 21, the French right of opposition, EHDS Art. 71. The register names nobody: it holds
//! HMAC-SHA-256 of numbers under a key of its own purpose. Without the root key nobody can try numbers against it.
//!
//! **Whom an objection hits.** Numbers and issuers are compared as [`Patient`] spells them: letters and digits count,
//! case, separators and leading zeros do not. An objection without an issuer hits the number of every issuer, and an
//! instance without one is hit by an objection of any issuer. An instance is asked for by every Patient ID (0010,0020) at
//! every depth, and by all Other Patient IDs (0010,1000), (0010,1002). Two patients whose numbers differ in nothing
//! else are both withheld: that costs a look, the opposite would cost a right.
//!
//! **Who has no number**, and whose it is nobody can say, is withheld for those destinations that some objection in
//! force covers, and for no other.
//!
//! **In doubt nothing leaves.** A register that is damaged, of another key, or older than what the log knows
//! ([`Watch`]) answers nobody.

mod book;
mod changes;
mod import;
mod patient;
mod register;
mod watch;

pub use book::{Book, look};
pub use changes::{Added, Wish};
pub use import::read_csv;
pub use patient::{Called, Patient};
pub use register::{Objection, Recipient, Refusal, Register, Scope};
pub use watch::{Known, Watch};

use std::path::PathBuf;

/// Why the register cannot be asked. Nothing leaves then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("the register of objections {path}: {error}. Nothing leaves until it can be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is not what was written.
    #[error(
        "the register of objections {path} was damaged or changed, or is of another root key. Nothing leaves until it is put back from a backup"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It is an older one, or gone.
    #[error(
        "the register of objections {path} has version {have}, and version {known} is known: it was put back to an older state, or removed. Nothing leaves until the newer one is back"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version; 0 if there is none.
        have: u64,
        /// The newest that was seen, or that stands in the log.
        known: u64,
    },
}
