//! efface: an on-premise DICOM pseudonymization appliance.
#![forbid(unsafe_code)]

pub mod fate;
pub mod id;
pub mod net;
pub mod phi;
