//! efface: an on-premise DICOM pseudonymization appliance.
#![forbid(unsafe_code)]

pub mod dicom;
pub mod id;
pub mod phi;
pub mod standard;
