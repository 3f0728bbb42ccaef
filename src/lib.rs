//! efface: an on-premise DICOM pseudonymization appliance.
#![forbid(unsafe_code)]

pub mod audit;
pub mod custody;
pub mod deid;
pub mod dicom;
pub mod disk;
pub mod id;
pub mod phi;
pub mod profile;
pub mod spool;
pub mod standard;
