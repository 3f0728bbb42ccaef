//! Custody of an object from the moment it is known to identify a person until it may leave.

pub mod key;
