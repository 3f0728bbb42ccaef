//! The de-identification engine: a profile, keys and a data set in, a data set and a report out.
//!
//! Pure: no disk, clock, network or log.

pub mod pseudonym;
