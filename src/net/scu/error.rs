//! Why something couldn't be sent, and what becomes of it.

use crate::fate::Fate;
use crate::net::status::Status;
use std::io::ErrorKind;

/// Why something couldn't be sent. Each names the destination and says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An option of the destination outside its range.
    #[error("destination \"{destination}\": {option} is out of range. Set it to {range}")]
    Option {
        /// The destination's name.
        destination: String,
        /// The option's name.
        option: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// The name doesn't resolve.
    #[error(
        "destination \"{destination}\": its host name can't be resolved. Check the address and \
         the DNS"
    )]
    Unresolved {
        /// The destination's name.
        destination: String,
    },
    /// No TCP connection.
    #[error(
        "destination \"{destination}\": no connection ({kind}). Check that it runs and that the \
         firewall lets us through; sending is tried again"
    )]
    Unreachable {
        /// The destination's name.
        destination: String,
        /// The operating system's reason.
        kind: ErrorKind,
    },
    /// No TLS, or not with whom it should be.
    #[error("destination \"{destination}\": {why}. Nothing was sent; it is tried again")]
    Tls {
        /// The destination's name.
        destination: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A-ASSOCIATE-RJ with result "rejected-transient".
    #[error(
        "destination \"{destination}\": association rejected for now ({reason}). Sending is tried \
         again"
    )]
    RejectedTransient {
        /// The destination's name.
        destination: String,
        /// The standard's words for source and reason.
        reason: String,
    },
    /// A-ASSOCIATE-RJ with result "rejected-permanent".
    #[error(
        "destination \"{destination}\": association rejected ({reason}). Check both AE titles \
         here and at the destination, then resume it"
    )]
    RejectedPermanent {
        /// The destination's name.
        destination: String,
        /// The standard's words for source and reason.
        reason: String,
    },
    /// The presentation context of this cargo wasn't accepted.
    #[error(
        "destination \"{destination}\": does not accept this SOP class in this transfer syntax. \
         Allow it at the destination or choose another transfer syntax for it, then release the object"
    )]
    NotAccepted {
        /// The destination's name.
        destination: String,
    },
    /// A deadline passed.
    #[error(
        "destination \"{destination}\": no answer in time. Check its load and the line; sending \
         is tried again"
    )]
    Late {
        /// The destination's name.
        destination: String,
    },
    /// The connection broke, or the peer aborted. What was under way may or may not have arrived.
    #[error("destination \"{destination}\": the association ended ({how}). Sending is tried again")]
    Ended {
        /// The destination's name.
        destination: String,
        /// A-ABORT, or the operating system's reason.
        how: String,
    },
    /// What answered the A-ASSOCIATE-RQ isn't an association acceptor.
    #[error(
        "destination \"{destination}\": no DICOM application answers there ({what}). Correct its \
         address, then resume it"
    )]
    NotDicom {
        /// The destination's name.
        destination: String,
        /// What it did.
        what: &'static str,
    },
    /// The peer broke the protocol in the middle of an association.
    #[error(
        "destination \"{destination}\": it broke the DICOM protocol ({what}). Report it to its \
         vendor"
    )]
    Protocol {
        /// The destination's name.
        destination: String,
        /// What it did.
        what: &'static str,
    },
    /// The peer answered with a failure.
    #[error("destination \"{destination}\": did not store the object, status {status}. {next}", next = advice(*status))]
    Refused {
        /// The destination's name.
        destination: String,
        /// Its status.
        status: Status,
    },
    /// The peer declined a C-FIND or C-MOVE.
    #[error(
        "destination \"{destination}\": declined a query or retrieval, status 0x{code:04X}. \
         Check that it knows our AE title, and may be asked and send by it",
        code = status.code()
    )]
    Declined {
        /// The destination's name.
        destination: String,
        /// Its status (PS3.4 C.4.1.1.4, C.4.2.1.5).
        status: Status,
    },
    /// Our own object can't be read to its end.
    #[error(
        "the object can't be read ({kind}). Check the spool's volume; the object is quarantined"
    )]
    Unreadable {
        /// The operating system's reason.
        kind: ErrorKind,
    },
    /// Our own object has no data set, or one of odd length.
    #[error("the object's data set is {what} and can't be sent. It is quarantined: report it")]
    Unsendable {
        /// What is wrong with it.
        what: &'static str,
    },
    /// More or fewer proposals than one association carries.
    #[error("an association proposes 1 to 128 presentation contexts. Group them with partition()")]
    Proposals,
}

impl Error {
    /// What becomes of the cargo.
    pub fn fate(&self) -> Fate {
        match self {
            Error::Unresolved { .. }
            | Error::Unreachable { .. }
            // What expired is renewed on either side, and nobody need tell us.
            | Error::Tls { .. }
            | Error::RejectedTransient { .. }
            | Error::Late { .. }
            | Error::Declined { .. }
            | Error::Ended { .. } => Fate::Retry,
            // The next object would meet the same answer: the destination, not the object.
            Error::RejectedPermanent { .. } | Error::NotDicom { .. } | Error::Option { .. } => {
                Fate::Halt
            }
            Error::Refused { status, .. } => status.fate().unwrap_or(Fate::Quarantine),
            Error::NotAccepted { .. }
            | Error::Protocol { .. }
            | Error::Unreadable { .. }
            | Error::Unsendable { .. }
            | Error::Proposals => Fate::Quarantine,
        }
    }

    /// Whether the association can carry the next object after this error.
    pub fn association_lives(&self) -> bool {
        matches!(self, Error::NotAccepted { .. } | Error::Refused { .. } | Error::Declined { .. })
    }
}

fn advice(status: Status) -> &'static str {
    match status.fate() {
        Some(Fate::Retry) => "Make room there; sending is tried again",
        Some(Fate::Halt) => "Have it grant our AE title the right to store, then resume it",
        _ => "The object is quarantined: ask the destination's log why, then release it",
    }
}
