//! The wire: DICOM associations (PS3.8) and the DIMSE messages of storage, its commitment, and of questions to a PACS on them
//! (PS3.7); DICOMweb (PS3.18) to the outside.
//!
//! | file | what |
//! |---|---|
//! | [`listener`] | C-STORE, C-ECHO and Storage Commitment SCP: accepts associations, hands data sets to a [`sink`] |
//! | [`scu`] | C-STORE SCU: sends the cargo of one zone, and of no other; reports on commitments, C-FIND and C-MOVE, inside |
//! | [`stow`] | the same cargo by HTTP: STOW-RS to a DICOMweb server outside |
//! | [`http`] | HTTP to one server, under our TLS |
//! | [`origin`] | an origin server for results: STOW-RS, under our TLS |
//! | [`access`] | who may call |
//! | [`dimse`], [`status`] | command sets; what the statuses mean |
//! | `commitment` | storage commitment on an association that runs |
//! | `negotiate` | A-ASSOCIATE-RQ in, A-ASSOCIATE-AC or -RJ out |
//! | `acceptor` | one association, from its first byte to its last |
//! | `upper` | PDUs and PDVs over TCP, in constant memory and under deadlines |
//! | [`tls`] | TLS between two sides that know each other |
//! | `line`, [`rehearsal`] | a connection, and one whose peer has said everything in advance |
//!
//! From `dicom-ul` we take the A-ASSOCIATE codec and no more. Its associations have no ARTIM timer
//! and no deadline for a whole message, reject always permanently, and buffer each PDU several
//! times over; here the data set flows from the socket's buffer to the sink.
//!
//! *Invariants.* Nothing here opens a file or reads the data set of an instance; the one that is read is the list of
//! UIDs of a request for storage commitment. Nothing is acknowledged before the sink has committed it. No UID and no value of a data set is logged or put into an error.

mod acceptor;
pub mod access;
mod cargo;
mod commitment;
pub mod dimse;
pub mod http;
mod line;
pub mod listener;
mod negotiate;
pub mod oidc;
pub mod origin;
pub mod rehearsal;
pub mod scu;
pub mod sink;
pub mod status;
pub mod stow;
pub mod tls;
mod upper;
pub mod wrote;

pub use negotiate::Rejection;

/// The Verification SOP class (PS3.4 A.4), the abstract syntax of C-ECHO.
pub const VERIFICATION: &str = "1.2.840.10008.1.1";

/// The Storage Commitment Push Model SOP class (PS3.4 J.3.5).
pub const STORAGE_COMMITMENT: &str = "1.2.840.10008.1.20.1";

/// Its one, well-known instance (PS3.4 J.3.5).
pub const STORAGE_COMMITMENT_INSTANCE: &str = "1.2.840.10008.1.20.1.1";

/// Study Root Query/Retrieve Information Model, FIND (PS3.4 C.6.2).
pub const STUDY_ROOT_FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";

/// The same, MOVE.
pub const STUDY_ROOT_MOVE: &str = "1.2.840.10008.5.1.4.1.2.2.2";

/// The DICOM application context name (PS3.7 A.2.1), the only one there is.
const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";

/// Explicit VR Little Endian.
const EXPLICIT_VR_LE: &str = "1.2.840.10008.1.2.1";

/// Implicit VR Little Endian, the transfer syntax that everyone has to know (PS3.5 10.1).
const IMPLICIT_VR_LE: &str = "1.2.840.10008.1.2";
