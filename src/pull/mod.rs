//! Asks the PACS that sends studies how much of each there is, and has it send what is missing.
//!
//! ```text
//! study open -> number of instances (C-FIND)  -> as many as are here: their SOP Instance UIDs (C-FIND)
//!                                             -> all of them here, and the number the same as before: closed, complete
//! quiet      -> SOP Instance UIDs (C-FIND)    -> those missing are sent (C-MOVE) -> the listener -> closed
//! any doubt  -> closed by the quiet period
//! ```
//! What a PACS says can close a study sooner, or have more of it sent; it decides nothing else. A study that is closed
//! too early goes on in another batch.
//!
//! | file | what |
//! |---|---|
//! | [`question`] | what is asked and answered, as it goes through the pipe |
//! | `identifier` | data sets of C-FIND and C-MOVE: written, and read as a peer's |
//! | [`asker`] | talks to the PACS, in a process of its own (`isolation/inquirer.rs`) |
//! | `inquiry` | one open study: when it is asked, and what follows. Pure |
//! | [`inquiries`] | all open studies, for the gatherer |
//! | [`tally`] | counts, where `efface status` finds them |

pub mod asker;
mod identifier;
pub mod inquiries;
mod inquiry;
pub mod question;
pub mod tally;

pub use inquiry::Why;

use crate::commitment::Listener;

/// A PACS that may be asked about the studies that it sends.
#[derive(Clone, Debug)]
pub struct Pacs {
    /// By which AE title it sends, from where, and where it listens.
    pub at: Listener,
    /// Whether it is to send what is missing, too.
    pub retrieve: bool,
}
