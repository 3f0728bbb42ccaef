//! Removing the face.
pub mod grid;
pub mod morphology;
