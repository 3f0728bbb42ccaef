//! efface: an on-premise DICOM pseudonymization appliance.
#![forbid(unsafe_code)]

pub mod custody;
pub mod id;
pub mod phi;
