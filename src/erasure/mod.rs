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

pub use crate::requests::Error;
pub use book::{Book, Request, Wanted, look};
