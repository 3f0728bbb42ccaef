//! What people are shown, as values: gathered by one function each, printed by commands with `--json`, drawn by the console.
//!
//! No value of a data set is in one, with the exception of pictures, which say so. A view says what is, in words of efface
//! or in codes; sentences in a person's language are made where it is drawn.

pub mod audit;
mod event;
pub mod flow;
mod history;
pub mod pictures;
pub mod profile;
pub mod quarantine;
pub mod registers;
pub mod spool;
pub mod study;

pub use event::Event;
pub use history::{Arrived, Batch, History};

/// Why something is not shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log.
    #[error(transparent)]
    Audit(#[from] crate::audit::Error),
    /// The register of objections.
    #[error(transparent)]
    Objections(#[from] crate::objection::Error),
    /// A register of requests.
    #[error(transparent)]
    Requests(#[from] crate::requests::Error),
    /// What is kept of profiles, or what is in force.
    #[error(transparent)]
    Shelf(#[from] crate::shelf::Error),
    /// The system refused.
    #[error("the state directory cannot be read: {0}")]
    Io(#[from] std::io::Error),
}
