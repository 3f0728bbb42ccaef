//! efface: an on-premise DICOM pseudonymization appliance.
//!
//! A PACS sends studies to its C-STORE listener inside the hospital; efface de-identifies headers,
//! removes the face from head CT, and forwards only what an independent verifier has passed. The
//! modules below are in the order of the layers: a file uses only what stands above it, or beside it.
//!
//! **Base.** [`phi`]: identifying values that cannot be shown. [`id`]: identifiers, parsed once.
//! [`key`]: the root and what is derived from it. [`note`]: texts that are signed. [`crockford`]: letters for people. [`fate`]: what becomes of work that failed. [`disk`] and [`clock`]: the only code that
//! touches the state directory, and that reads the time of day. [`pipe`]: values between a process and its parent. [`sealed`]: records that are read whole and sealed. [`yaml`]: what people write, with every mistake at its place.
//!
//! **Facts.** [`standard`]: tables of PS3.15, PS3.16 and PS3.4, compiled in.
//!
//! **DICOM.** [`dicom`]: the pre-scan, data sets, frames, planes, files.
//!
//! **Engine**, pure: values in, values out. [`profile`]: what happens to each element. [`deid`]: does
//! it. [`residency`]: whether data may go to a destination at all. [`routing`]: what goes where. [`pixel`]: what else of the pixels may leave. [`deface`]: finds heads and removes faces.
//! [`phantom`], [`render`] and [`nifti`]: a head of nobody, pictures of surfaces, volumes without a DICOM header.
//!
//! **Records.** [`spool`]: states that are directories. [`audit`]: the log. [`approval`]: what two people must agree on. [`crosswalk`]: what
//! pseudonyms stand for, encrypted. [`objection`]: who objects, as keyed hashes. [`erasure`], [`recall`]: what destinations were asked to erase, or to let go of ([`requests`]). [`shelf`]: profiles that are kept for a destination. [`desk`]: where commands hand in
//! what is to stand in the log. [`meter`]: counts.
//!
//! **The way back**, pure. [`reid`]: a result from outside becomes one of the patient's, or is refused.
//!
//! **Custody.** [`custody`]: the states of an object, and the only ways from one to the next.
//!
//! **Wire.** [`net`]: associations and messages; never a data set.
//!
//! **Flow.** [`face`], [`pipeline`], [`study`], [`pull`], [`worker`], [`receive`], [`commitment`], [`send`], [`forward`], [`returns`], [`deliver`], [`atna`], [`janitor`], [`look`]: who
//! calls whom.
//! [`worker`] is the gateway's pipeline on one page.
//!
//! **Shell.** [`config`], [`metrics`], [`isolation`] (workers in processes of their own), [`service`]; [`view`]: what people are shown; [`decide`]: what they decide
//! about what stays inside; [`console`]: in a browser; [`cli`]: by commands.
#![forbid(unsafe_code)]

pub mod clock;
pub mod crockford;
pub mod disk;
pub mod fate;
pub mod id;
pub mod key;
pub mod note;
pub mod phi;
pub mod pipe;
pub mod sealed;
pub mod yaml;

pub mod standard;

pub mod dicom;

pub mod deface;
pub mod deid;
pub mod nifti;
pub mod phantom;
pub mod pixel;
pub mod profile;
pub mod render;
pub mod residency;
pub mod routing;

pub mod approval;
pub mod audit;
pub mod crosswalk;
pub mod desk;
pub mod erasure;
pub mod meter;
pub mod objection;
pub mod recall;
pub mod requests;
pub mod shelf;
pub mod spool;

pub mod reid;

pub mod custody;

pub mod net;

pub mod atna;
pub mod commitment;
pub mod deliver;
pub mod face;
pub mod forward;
pub mod janitor;
pub mod look;
pub mod pipeline;
pub mod pull;
pub mod receive;
pub mod returns;
pub mod send;
pub mod study;
pub mod worker;

pub mod cli;
pub mod config;
pub mod console;
pub mod decide;
pub mod isolation;
pub mod metrics;
pub mod service;
#[cfg(test)]
mod simulation;
pub mod view;
