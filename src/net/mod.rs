//! The wire: DICOM associations (PS3.8) and the DIMSE messages of storage on them (PS3.7).
//!
//! [`dimse`] has the command sets, [`status`] what the statuses mean.
//!
//! *Invariants.* Nothing here opens a file or reads a data set. Nothing is acknowledged before
//! the sink has committed it. No UID and no value of a data set is logged or put into an error.

pub mod dimse;
pub mod status;

/// The Verification SOP class (PS3.4 A.4), the abstract syntax of C-ECHO.
pub const VERIFICATION: &str = "1.2.840.10008.1.1";

/// Which implementation this is (PS3.7 D.3.3.2): efface, made once from a random UUID (PS3.5 B.2).
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.221861777925534363599278016815335547020";

/// Its version, at most 16 characters.
pub const IMPLEMENTATION_VERSION_NAME: &str = "EFFACE_0_1";
