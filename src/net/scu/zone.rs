//! The two sides of the wall, and the one type that may travel on each.

use std::io::{self, Read};

/// One side of the wall, and the only cargo that travels there.
///
/// Sealed: there are two zones. Each is implemented once, which decides the one type that may leave on that side.
///
/// ```compile_fail,E0277
/// use efface::net::scu::{Cargo, Zone};
/// use std::io::{Read, Result};
///
/// struct Anything;
/// impl Cargo for Anything {
///     fn sop_class(&self) -> &str { "1.2" }
///     fn sop_instance(&self) -> &str { "1.2" }
///     fn transfer_syntax(&self) -> &str { "1.2" }
///     fn open(&self) -> Result<Box<dyn Read + '_>> { Ok(Box::new(std::io::empty())) }
/// }
///
/// enum Backdoor {}
/// impl Zone for Backdoor { // the trait bound `Backdoor: Sealed` is not satisfied
///     type Cargo = Anything;
/// }
/// ```
pub trait Zone: sealed::Sealed {
    /// What travels in this zone.
    type Cargo: Cargo;
}

/// Towards the processing server: de-identified objects with their receipts.
pub enum Outside {}

/// Towards the PACS: results that were re-identified, reports on storage commitment, and questions about studies.
pub enum Inside {}

/// Within reach of this folder only: whoever could implement it could let out anything.
pub(super) mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Outside {}
    impl Sealed for super::Inside {}
}

/// An instance that is ready to be sent.
pub trait Cargo {
    /// SOP Class UID.
    fn sop_class(&self) -> &str;
    /// SOP Instance UID.
    fn sop_instance(&self) -> &str;
    /// Transfer syntax UID of the data set as [`Cargo::open`] gives it.
    fn transfer_syntax(&self) -> &str;
    /// The data set: no preamble, no file meta information, an even number of bytes.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn open(&self) -> io::Result<Box<dyn Read + '_>>;
}
