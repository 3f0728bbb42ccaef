//! Custody of an object from the moment it is known to identify a person until it may leave.
//!
//! ```text
//! Identified --scrub(Grant)--> Scrubbed --draft--> Drafted --verify--> Deidentified --seal(Receipt)--> Parcel
//!
//! Returned --reidentify(rows of the crosswalk)--> Reidentified --put(Receipt)--> Homebound
//! ```
//!
//! Each state is a type, and only this folder can make the next one. A forwarder takes a
//! [`parcel::Parcel`] and nothing else; a parcel exists only for bytes that the verifier passed and
//! that the audit log holds a receipt for. A step that fails gives the object back in its old state.

mod allowance;
mod frames;
pub mod gate;
pub mod homebound;
pub mod homebox;
pub mod object;
pub mod outbox;
pub mod parcel;
pub mod result;
pub mod verify;
