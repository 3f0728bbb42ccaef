//! Where received instances go: the listener's side of the inbox.
//!
//! The listener decides what a peer may send and in which order; the sink decides whether an
//! instance is kept. Success is sent only after [`InstanceEntry::commit`] has returned `Ok`.

use super::status::Status;
use crate::id::{AeTitle, Uid};
use crate::spool::commitment::{Report, Request};
use std::net::IpAddr;
use std::sync::Arc;

/// Takes instances in. Called by many associations at once.
pub trait InstanceSink: Send + Sync + 'static {
    /// An instance on its way in.
    type Entry: InstanceEntry;

    /// Asked before each association is accepted, for instance about the disk reserve.
    ///
    /// # Errors
    /// [`NotReady`]: the requestor gets a transient rejection and comes back.
    fn ready(&self) -> Result<(), NotReady>;

    /// A C-STORE-RQ has come in, its data set follows.
    ///
    /// # Errors
    /// A [`Refusal`] goes to the peer as the response; its data set is read past.
    fn begin(&self, request: &StoreRequest<'_>) -> Result<Self::Entry, Refusal>;

    /// A peer asks whether instances are safely stored (PS3.4 J.3.2). When this returns `Ok` it will be told, whatever
    /// happens to its association. A sink without storage commitment refuses.
    ///
    /// # Errors
    /// A [`Refusal`] goes to the peer as the response: it will not be told.
    fn commitment(&self, peer: &Peer, request: Request) -> Result<Box<dyn Promise>, Refusal> {
        let _ = (peer, request);
        Err(Refusal::new(Status::UNRECOGNIZED_OPERATION))
    }
}

/// One sink for several doors.
impl<S: InstanceSink> InstanceSink for Arc<S> {
    type Entry = S::Entry;

    fn ready(&self) -> Result<(), NotReady> {
        S::ready(self)
    }

    fn begin(&self, request: &StoreRequest<'_>) -> Result<Self::Entry, Refusal> {
        S::begin(self, request)
    }

    fn commitment(&self, peer: &Peer, request: Request) -> Result<Box<dyn Promise>, Refusal> {
        S::commitment(self, peer, request)
    }
}

/// Keeps requests for storage commitment.
pub trait Inquiry: Send + Sync {
    /// A peer asks: see [`InstanceSink::commitment`].
    ///
    /// # Errors
    /// A [`Refusal`] when nothing can be promised now.
    fn accept(&self, peer: &Peer, request: Request) -> Result<Box<dyn Promise>, Refusal>;
}

/// A request for storage commitment that was accepted. Dropped without [`Promise::told`], it is kept in another way:
/// on an association of efface's own.
pub trait Promise: Send {
    /// Finds out what is safely stored. Takes as long as it takes to read all of it. `None`: not here and now.
    fn report(&self) -> Option<Report>;

    /// The peer has said that it has heard the report.
    fn told(self: Box<Self>);
}

/// One instance on its way in. Dropped without [`InstanceEntry::commit`], it was never
/// acknowledged: the peer has gone, or broke the protocol, or the data set was refused.
pub trait InstanceEntry {
    /// The next bytes of the data set, as they came: no preamble, no file meta information.
    ///
    /// # Errors
    /// A [`Refusal`] ends the entry; it is dropped before the rest of the data set is read past.
    fn write(&mut self, chunk: &[u8]) -> Result<(), Refusal>;

    /// The data set is complete. When this returns `Ok`, it is durable.
    ///
    /// # Errors
    /// A [`Refusal`] goes to the peer instead of success.
    fn commit(self) -> Result<(), Refusal>;
}

/// What is known of an instance before its data set: the command set and the presentation
/// context. Whether the data set agrees is for whoever reads it to find out.
#[derive(Debug, Clone, Copy)]
pub struct StoreRequest<'a> {
    /// Who sends.
    pub peer: &'a Peer,
    /// The AE title by which it called.
    pub called: &'a AeTitle,
    /// Affected SOP Class UID, equal to the abstract syntax of the presentation context.
    pub sop_class: &'a Uid,
    /// Affected SOP Instance UID.
    pub sop_instance: &'a Uid,
    /// Of the presentation context.
    pub transfer_syntax: &'a Uid,
    /// The destination whose result it is; `None`: it is of a study.
    pub result_of: Option<&'a str>,
}

/// The requestor of an association, after the access check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its calling AE title, one of the configured ones.
    pub ae_title: AeTitle,
    /// Where the connection comes from.
    pub address: IpAddr,
}

/// Why the sink takes no association now. Both are transient rejections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    /// Too much to do: A-ASSOCIATE-RJ "temporary congestion".
    Busy,
    /// No room, a poisoned volume: A-ASSOCIATE-RJ "local limit exceeded".
    Full,
}

/// A C-STORE failure, as the peer gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// A failure; any other class is sent as [`Status::PROCESSING_FAILURE`].
    pub status: Status,
    /// Error Comment (0000,0902), at most 64 characters. Static, so that it can't quote anyone.
    pub comment: Option<&'static str>,
}

impl Refusal {
    /// A refusal that says no more than its status.
    pub const fn new(status: Status) -> Self {
        Refusal { status, comment: None }
    }

    /// A refusal with an Error Comment.
    pub const fn because(status: Status, comment: &'static str) -> Self {
        assert!(comment.len() <= 64, "Error Comment is an LO: 64 characters");
        Refusal { status, comment: Some(comment) }
    }
}
