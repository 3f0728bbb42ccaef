//! DIMSE messages (PS3.7 9, 10): the command sets of C-ECHO, C-STORE, of storage commitment, which are N-ACTION and
//! N-EVENT-REPORT, and of C-FIND and C-MOVE as far as efface asks.
//!
//! A command set is one flat run of group 0000 elements in Implicit VR Little Endian (PS3.7
//! 6.3.1): no sequences, a dozen tags, all of fixed size or short text. So it is read here by
//! hand, one loop over a byte slice: nothing recurses, and no length that a peer declares is
//! ever allocated. A general data set parser has both to offer and neither to gain.
//!
//! Absent on purpose: C-GET, the other N services, and C-FIND and C-MOVE as a provider. Whoever asks for them gets
//! [`Status::UNRECOGNIZED_OPERATION`].

mod decode;
mod encode;
mod set;
#[cfg(test)]
mod tests;

pub use encode::{event_report_rq, find_rq, move_rq, unrecognized};

use super::status::Status;
use crate::id::Uid;

/// The longest command set that is put together, in bytes. A C-STORE-RQ has about 300.
pub const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// A command set, as far as efface speaks DIMSE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// C-ECHO-RQ (PS3.7 9.3.5.1).
    EchoRq {
        /// The id that the response repeats.
        message_id: u16,
    },
    /// C-ECHO-RSP (PS3.7 9.3.5.2).
    EchoRsp {
        /// The id of the request.
        responded_to: u16,
        /// How it went.
        status: Status,
    },
    /// C-STORE-RQ (PS3.7 9.3.1.1); its data set follows.
    StoreRq(StoreRq),
    /// C-STORE-RSP (PS3.7 9.3.1.2).
    StoreRsp(StoreRsp),
    /// N-ACTION-RQ (PS3.7 10.1.4).
    ActionRq(ActionRq),
    /// N-ACTION-RSP.
    ActionRsp {
        /// The id of the request.
        responded_to: u16,
        /// How it went.
        status: Status,
    },
    /// N-EVENT-REPORT-RSP.
    EventReportRsp {
        /// The id of the request.
        responded_to: u16,
        /// How it went.
        status: Status,
    },
    /// C-FIND-RSP (PS3.7 9.3.2.2).
    FindRsp {
        /// The id of the request.
        responded_to: u16,
        /// How it went; while it is pending, another response follows.
        status: Status,
        /// Whether an identifier follows.
        has_data_set: bool,
    },
    /// C-MOVE-RSP (PS3.7 9.3.4.2).
    MoveRsp {
        /// The id of the request.
        responded_to: u16,
        /// How it went; while it is pending, another response follows.
        status: Status,
        /// Whether a list of what failed follows.
        has_data_set: bool,
        /// Its C-STORE sub-operations.
        suboperations: SubOperations,
    },
    /// A request that efface doesn't serve.
    OtherRq {
        /// (0000,0100), without the response bit.
        field: u16,
        /// The id that the refusal repeats.
        message_id: u16,
        /// A data set follows and has to be read past.
        has_data_set: bool,
    },
    /// A response to nothing that efface asked, or a C-CANCEL-RQ for nothing that is running.
    Other {
        /// (0000,0100).
        field: u16,
    },
}

/// Numbers of C-STORE sub-operations of a C-MOVE (PS3.7 9.1.4.1.7 to 9.1.4.1.10); what the peer leaves out is 0.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SubOperations {
    /// The instance was stored.
    pub completed: u16,
    /// It was not.
    pub failed: u16,
    /// It was, with a remark.
    pub warning: u16,
}

/// C-STORE-RQ. Priority and move originator are read past: efface has one queue and is no C-MOVE
/// destination that reports back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRq {
    /// The id that the response repeats.
    pub message_id: u16,
    /// Affected SOP Class UID, `None` when absent or not a UID.
    pub sop_class: Option<Uid>,
    /// Affected SOP Instance UID, `None` when absent or not a UID.
    pub sop_instance: Option<Uid>,
    /// Whether a data set follows (0000,0800). A C-STORE-RQ without one is an error of the peer.
    pub has_data_set: bool,
}

/// N-ACTION-RQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRq {
    /// The id that the response repeats.
    pub message_id: u16,
    /// Requested SOP Class UID, `None` when absent or not a UID.
    pub sop_class: Option<Uid>,
    /// Requested SOP Instance UID, `None` when absent or not a UID.
    pub sop_instance: Option<Uid>,
    /// Action Type ID.
    pub action_type: u16,
    /// Whether action information follows.
    pub has_data_set: bool,
}

/// C-STORE-RSP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRsp {
    /// The id of the request.
    pub responded_to: u16,
    /// Affected SOP Class UID, repeated from the request where it was a UID.
    pub sop_class: Option<Uid>,
    /// Affected SOP Instance UID, repeated from the request where it was a UID.
    pub sop_instance: Option<Uid>,
    /// How it went.
    pub status: Status,
    /// Error Comment (0000,0902), at most 64 characters. Ours only: what a peer writes there may
    /// quote the data set, and is dropped when read.
    pub comment: Option<&'static str>,
}

/// Why bytes aren't a command set. Carries no byte of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The set ends inside an element.
    #[error("the command set ends inside an element (PS3.7 6.3.1)")]
    Truncated,
    /// The first element isn't a right group length.
    #[error("the command set doesn't begin with its true group length (PS3.7 E.1)")]
    GroupLength,
    /// An element outside group 0000, twice, or out of order.
    #[error("elements of the command set are out of order or not of group 0000 (PS3.7 6.3.1)")]
    Order,
    /// A number of the wrong size.
    #[error("a number in the command set has the wrong length (PS3.7 E.1)")]
    Number,
    /// Command Field, Message ID, Status or Command Data Set Type is missing.
    #[error("the command set lacks an element that its message requires (PS3.7 9.3)")]
    Missing,
}

/// Puts a command set together from the PDVs that carry it.
#[derive(Debug, Default)]
pub struct Assembler(Vec<u8>);

impl Assembler {
    /// Nothing has come in yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next bytes; `false` when the set would grow past [`COMMAND_BYTES_MAX`].
    #[must_use]
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let fits = self.0.len() + bytes.len() <= COMMAND_BYTES_MAX;
        if fits {
            self.0.extend_from_slice(bytes);
        }
        fits
    }

    /// Reads the set after its last fragment and makes room for the next one.
    ///
    /// # Errors
    /// As [`Command::decode`].
    pub fn finish(&mut self) -> Result<Command, Malformed> {
        let command = Command::decode(&self.0);
        self.0.clear();
        command
    }
}
