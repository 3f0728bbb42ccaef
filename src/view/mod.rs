//! What people are shown, as values: gathered here, printed by commands, as text or JSON, and drawn by the console.
//!
//! Nothing in them is a value of a data set, with one exception that says so ([`pictures`]).

pub mod pictures;
pub mod quarantine;
pub mod spool;
