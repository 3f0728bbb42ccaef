//! The forge: objects about nobody with unique canaries in every place that a data set has, driven
//! through the program, and a search of everything that comes out of it.
//!
//! ```text
//! generator (seed, number) -> study -> efface deid -> search: files, their names, what was printed
//! ```
//!
//! A canary knows where it was planted and which options of PS3.15 Annex E would let it stay. What
//! is found and may not stay is a leak. What nobody asked to remove (a word in an element that Table
//! E.1-1 does not list) stays, is found, and so shows in every run that the search can see.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "the test and the example each use their part; it ends by a panic and owns its files"
)]

pub mod canary;
pub mod days;
pub mod dictionary;
pub mod encode;
pub mod generator;
pub mod pixels;
pub mod places;
pub mod prng;
pub mod profiles;
pub mod run;
pub mod search;
pub mod values;
pub mod words;
