//! efface: an on-premise DICOM pseudonymization appliance.
#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
pub mod config;
pub mod console;
pub mod custody;
pub mod deface;
pub mod deid;
pub mod dicom;
pub mod disk;
pub mod face;
pub mod fate;
pub mod forward;
pub mod id;
pub mod meter;
pub mod net;
pub mod phantom;
pub mod phi;
pub mod pipeline;
pub mod profile;
pub mod receive;
pub mod render;
pub mod service;
pub mod spool;
pub mod standard;
pub mod study;
pub mod worker;
pub mod yaml;
