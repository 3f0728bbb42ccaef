//! What efface takes from DICOM, wrapped.

pub mod plane;
