//! efface: an on-premise DICOM pseudonymization appliance.
#![forbid(unsafe_code)]

pub mod deface;
pub mod dicom;
pub mod id;
pub mod phantom;
pub mod phi;
pub mod render;
