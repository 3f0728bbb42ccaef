//! Custody: what an object must go through before it may leave, and who may say that it did.
pub mod verify;
