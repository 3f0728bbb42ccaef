//! The C-STORE SCU: sends the cargo of one zone to one destination.
//!
//! A [`Zone`] is a side of the wall and names the one type that may travel there. An
//! [`Association`] is of one zone and can't send anything else: to let an object out, it has to be
//! made into that zone's cargo first, and only custody makes those.
//!
//! The data set is read as it goes, one PDU at a time. What ends early is aborted, never
//! completed: the last fragment is only sent as such once the end has been read.

use super::dimse::{Assembler, Command, StoreRq};
use super::line::{self, Unreached};
use super::negotiate::{max_length, plain, user_information};
use super::status::{Class, Status};
use super::tls;
use super::upper::{
    Abort, Event, Fault, PEER_PDU_BYTES_MIN, Upper, command_pdus, fragment_bytes_max, pdu_type,
    put_p_data, violation,
};
use super::{
    APPLICATION_CONTEXT, IMPLICIT_VR_LE, STORAGE_COMMITMENT, STUDY_ROOT_FIND, STUDY_ROOT_MOVE,
    VERIFICATION,
};
use crate::fate::Fate;
use crate::id::{AeTitle, Uid};
use dicom_ul::pdu::{
    AssociationAC, AssociationRJResult, AssociationRQ, Pdu, PresentationContextProposed,
    PresentationContextResultReason, write_pdu,
};
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind, Read};
use std::marker::PhantomData;
use std::net::TcpStream;
use std::time::{Duration, Instant};

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

mod sealed {
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

/// Where to send.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Destination {
    /// The name that messages and logs call it by.
    pub name: String,
    /// Its AE title (called).
    pub ae_title: AeTitle,
    /// Our AE title (calling).
    pub calling_ae_title: AeTitle,
    /// `host:port`.
    pub address: String,
    /// From the first SYN to the A-ASSOCIATE answer, in seconds.
    pub connect_s: u64,
    /// The longest wait for a response, or for the peer to take one PDU, in seconds.
    pub response_s: u64,
    /// The longest time for one instance, response included, in seconds.
    pub message_s: u64,
    /// The longest PDU in both directions, in bytes: announced to the peer, and what is sent even
    /// where the peer would take more.
    pub pdu_bytes_max: u32,
}

impl Destination {
    fn check(&self) -> Result<(), Error> {
        let checks = [
            ("connect_s", "1 to 300", (1..=300).contains(&self.connect_s)),
            ("response_s", "1 to 3600", (1..=3600).contains(&self.response_s)),
            ("message_s", "1 to 86400", (1..=86_400).contains(&self.message_s)),
            ("pdu_bytes_max", "4096 to 1048576", (4096..=1 << 20).contains(&self.pdu_bytes_max)),
        ];
        match checks.into_iter().find(|(_, _, good)| !good) {
            Some((option, range, _)) => {
                Err(Error::Option { destination: self.name.clone(), option, range })
            }
            None => Ok(()),
        }
    }
}

/// A presentation context to propose: one SOP class in one transfer syntax.
///
/// One of each, so that the acceptor's answer is a yes or a no to what we hold, never a choice
/// that would have us transcode.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Proposal {
    /// The abstract syntax.
    pub sop_class: Uid,
    /// The transfer syntax.
    pub transfer_syntax: Uid,
}

/// Presentation contexts that one association carries: the odd numbers of a byte (PS3.8 9.3.2.2).
pub const PROPOSALS_MAX: usize = 128;

/// Groups proposals into associations: each once, in the order of their first appearance.
pub fn partition(proposals: impl IntoIterator<Item = Proposal>) -> Vec<Vec<Proposal>> {
    let mut seen = std::collections::HashSet::new();
    let distinct: Vec<Proposal> =
        proposals.into_iter().filter(|proposal| seen.insert(proposal.clone())).collect();
    distinct.chunks(PROPOSALS_MAX).map(<[Proposal]>::to_vec).collect()
}

impl Proposal {
    /// # Errors
    /// A text that isn't a UID.
    pub fn new(sop_class: &str, transfer_syntax: &str) -> Result<Self, crate::id::Error> {
        Ok(Proposal { sop_class: sop_class.parse()?, transfer_syntax: transfer_syntax.parse()? })
    }

    /// What [`Association::c_echo`] needs.
    ///
    /// # Errors
    /// None: both UIDs are the standard's.
    pub fn verification() -> Result<Self, crate::id::Error> {
        Proposal::new(VERIFICATION, IMPLICIT_VR_LE)
    }

    /// What [`Association::n_event_report`] needs.
    ///
    /// # Errors
    /// None: both UIDs are the standard's.
    pub fn storage_commitment() -> Result<Self, crate::id::Error> {
        Proposal::new(STORAGE_COMMITMENT, IMPLICIT_VR_LE)
    }

    /// What [`Association::c_find`] and [`Association::c_move`] need.
    ///
    /// # Errors
    /// None: the UIDs are the standard's.
    pub fn query_retrieve() -> Result<[Self; 2], crate::id::Error> {
        let find = Proposal::new(STUDY_ROOT_FIND, IMPLICIT_VR_LE)?;
        Ok([find, Proposal::new(STUDY_ROOT_MOVE, IMPLICIT_VR_LE)?])
    }
}

/// The instance is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Success, or one of the warnings under which the instance is stored.
    pub status: Status,
    /// Bytes of the data set that were sent.
    pub bytes: u64,
}

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

/// An association that sends the cargo of zone `Z`.
///
/// Dropped without [`Association::release`], it is aborted.
pub struct Association<Z: Zone> {
    upper: Upper<'static>,
    destination: String,
    accepted: Vec<(Proposal, u8)>,
    /// What the peer takes, or we send, whichever is less; bytes.
    pdu_bytes_max: u32,
    message: Duration,
    message_id: u16,
    /// Nothing more can be sent: released, or broken.
    over: bool,
    zone: PhantomData<fn(&Z::Cargo)>,
}

impl<Z: Zone> Association<Z> {
    /// Connects and negotiates (PS3.8 9.2, requestor). With `tls` nothing is sent before the handshake has shown who is
    /// there.
    ///
    /// # Errors
    /// [`Error::Option`], [`Error::Unresolved`], [`Error::Unreachable`], [`Error::Tls`], a rejection, [`Error::Late`],
    /// [`Error::Ended`], [`Error::NotDicom`], [`Error::Protocol`], [`Error::Proposals`].
    pub fn connect(
        destination: &Destination,
        tls: Option<&tls::Client>,
        proposals: &[Proposal],
    ) -> Result<Self, Error> {
        if !(1..=PROPOSALS_MAX).contains(&proposals.len()) {
            return Err(Error::Proposals);
        }
        destination.check()?;
        let until = Instant::now() + Duration::from_secs(destination.connect_s);
        let name = destination.name.as_str();
        let stream = dial(destination, until)?;
        let mut upper = upper(stream, destination, tls, until)?;
        let left = until.saturating_duration_since(Instant::now());
        // Who ends this process wants that nothing more leaves.
        upper.drop_unsent(true);
        upper.begin_message(left);
        let answer = request(&mut upper, destination, proposals);
        let ac = answer.map_err(|fault| match broken(&mut upper, name, fault) {
            Error::Protocol { destination, what } => Error::NotDicom { destination, what },
            Error::Ended { destination, how } if tls.is_some() => {
                let why = format!(
                    "it ended the connection after the handshake ({how}). It may not accept our certificate: its log says why"
                );
                Error::Tls { destination, why }
            }
            other => other,
        })??;
        upper.end_message();
        upper.set_idle(Duration::from_secs(destination.response_s));
        let limit = max_length(&ac.user_variables);
        if (1..PEER_PDU_BYTES_MIN).contains(&limit) {
            let fault = Fault::Violation(Abort::InvalidParameter, "a maximum length of no use");
            return Err(broken(&mut upper, name, fault));
        }
        Ok(Association {
            upper,
            destination: name.to_owned(),
            accepted: accepted(&ac, proposals),
            pdu_bytes_max: if limit == 0 {
                destination.pdu_bytes_max
            } else {
                limit.min(destination.pdu_bytes_max)
            },
            message: Duration::from_secs(destination.message_s),
            message_id: 0,
            over: false,
            zone: PhantomData,
        })
    }

    /// Whether the acceptor takes this SOP class in this transfer syntax.
    pub fn accepts(&self, sop_class: &str, transfer_syntax: &str) -> bool {
        self.context(sop_class, transfer_syntax).is_some()
    }

    /// Sends one instance and waits for the response (PS3.7 9.1.1). `Ok`: it is stored there.
    ///
    /// # Errors
    /// [`Error::NotAccepted`] and [`Error::Refused`] leave the association usable. After any other
    /// it is over, and whether the instance arrived is unknown.
    pub fn c_store(&mut self, cargo: &Z::Cargo) -> Result<Outcome, Error> {
        let Some(context) = self.context(cargo.sop_class(), cargo.transfer_syntax()) else {
            return Err(Error::NotAccepted { destination: self.destination.clone() });
        };
        self.check_alive()?;
        let uid = |text: &str| {
            text.parse::<Uid>().map_err(|_| Error::Unsendable { what: "without valid UIDs" })
        };
        let (sop_class, sop_instance) = (uid(cargo.sop_class())?, uid(cargo.sop_instance())?);
        let mut data_set = cargo.open().map_err(|e| Error::Unreadable { kind: e.kind() })?;
        let rq = Command::StoreRq(StoreRq {
            message_id: self.next_message_id(),
            sop_class: Some(sop_class),
            sop_instance: Some(sop_instance),
            has_data_set: true,
        });
        self.upper.begin_message(self.message);
        let sent = self.send(context, &rq, &mut *data_set);
        let bytes = sent.map_err(|halt| match halt {
            Unsent::Cargo(error) => {
                self.over = true;
                // Not completed: the peer must not take what it has for the whole.
                self.upper.abort(Abort::User);
                error
            }
            Unsent::Fault(fault) => self.broken(fault),
        })?;
        let status = self.response(context).map_err(|fault| self.broken(fault))?;
        self.upper.end_message();
        match status.class() {
            Class::Success | Class::Warning => Ok(Outcome { status, bytes }),
            Class::Failure => Err(Error::Refused { destination: self.destination.clone(), status }),
        }
    }

    /// Asks whether the destination answers (PS3.7 9.1.5); needs [`Proposal::verification`]
    /// among the proposals.
    ///
    /// # Errors
    /// As [`Association::c_store`].
    pub fn c_echo(&mut self) -> Result<(), Error> {
        let Some(context) = self.context(VERIFICATION, IMPLICIT_VR_LE) else {
            return Err(Error::NotAccepted { destination: self.destination.clone() });
        };
        self.check_alive()?;
        let set = Command::EchoRq { message_id: self.next_message_id() }.encode();
        self.upper.begin_message(self.message);
        let pdus = command_pdus(context, &set, self.pdu_bytes_max);
        let answered = self.upper.send(&pdus).and_then(|()| self.response(context));
        let status = answered.map_err(|fault| self.broken(fault))?;
        self.upper.end_message();
        match status.class() {
            Class::Success => Ok(()),
            Class::Warning | Class::Failure => {
                Err(Error::Refused { destination: self.destination.clone(), status })
            }
        }
    }

    /// Ends the association in good order (PS3.8 7.2).
    ///
    /// # Errors
    /// What came instead of A-RELEASE-RP. Everything acknowledged before stays acknowledged.
    pub fn release(mut self) -> Result<(), Error> {
        self.check_alive()?;
        self.upper.drop_unsent(false);
        self.upper.begin_message(self.message);
        let asked = self.upper.send(&[pdu_type::A_RELEASE_RQ, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
        let released = asked.and_then(|()| match self.upper.event()? {
            Event::ReleaseRp => Ok(()),
            // Both sides asked at once (PS3.8 9.2, Sta9): each has its wish.
            Event::ReleaseRq => Ok(()),
            Event::Data(_) => violation(Abort::UnexpectedPdu, "data after A-RELEASE-RQ"),
        });
        released.map_err(|fault| self.broken(fault))?;
        self.over = true;
        self.upper.say_goodbye();
        Ok(())
    }

    fn context(&self, sop_class: &str, transfer_syntax: &str) -> Option<u8> {
        let is_it = |proposal: &Proposal| {
            proposal.sop_class.as_str() == sop_class
                && proposal.transfer_syntax.as_str() == transfer_syntax
        };
        self.accepted.iter().find(|(proposal, _)| is_it(proposal)).map(|(_, id)| *id)
    }

    fn check_alive(&self) -> Result<(), Error> {
        if self.over {
            let how = "it was over before".to_owned();
            return Err(Error::Ended { destination: self.destination.clone(), how });
        }
        Ok(())
    }

    fn next_message_id(&mut self) -> u16 {
        self.message_id = self.message_id.wrapping_add(1);
        self.message_id
    }

    /// Sends command and data set; the number of the data set's bytes.
    ///
    /// Two buffers, because a fragment is only known to be the last one when the read after it
    /// has found the end. The command leaves together with the first fragment.
    fn send(&mut self, context: u8, rq: &Command, from: &mut dyn Read) -> Result<u64, Unsent> {
        let most = fragment_bytes_max(self.pdu_bytes_max);
        let mut out = command_pdus(context, &rq.encode(), self.pdu_bytes_max);
        let (mut now, mut next) = (vec![0; most], vec![0; most]);
        let mut length = read_full(from, &mut now)?;
        let mut bytes = 0;
        loop {
            let following = if length == most { read_full(from, &mut next)? } else { 0 };
            let last = following == 0;
            bytes += length as u64;
            if last && bytes == 0 {
                return Err(Unsent::Cargo(Error::Unsendable { what: "empty" }));
            }
            if last && bytes % 2 != 0 {
                return Err(Unsent::Cargo(Error::Unsendable { what: "of odd length" }));
            }
            put_p_data(&mut out, context, false, last, &now[..length]);
            self.upper.send(&out).map_err(Unsent::Fault)?;
            if last {
                return Ok(bytes);
            }
            out.clear();
            std::mem::swap(&mut now, &mut next);
            length = following;
        }
    }

    /// Waits for the response to the message just sent.
    fn response(&mut self, context: u8) -> Result<Status, Fault> {
        let mut command = Assembler::default();
        loop {
            let Event::Data(piece) = self.upper.event()? else {
                return violation(Abort::UnexpectedPdu, "an A-RELEASE instead of a response");
            };
            if !piece.command || piece.context != context {
                return violation(Abort::UnexpectedParameter, "no response in this context");
            }
            if !command.push(piece.bytes) {
                return violation(Abort::InvalidParameter, "a command set too long");
            }
            if !piece.last {
                continue;
            }
            return match command.finish() {
                Ok(Command::StoreRsp(rsp)) if rsp.responded_to == self.message_id => Ok(rsp.status),
                Ok(
                    Command::EchoRsp { responded_to, status }
                    | Command::EventReportRsp { responded_to, status },
                ) if responded_to == self.message_id => Ok(status),
                Ok(_) => violation(Abort::UnexpectedParameter, "a response to something else"),
                Err(_) => violation(Abort::InvalidParameter, "a malformed command set"),
            };
        }
    }

    fn broken(&mut self, fault: Fault) -> Error {
        self.over = true;
        broken(&mut self.upper, &self.destination, fault)
    }
}

impl<Z: Zone> Drop for Association<Z> {
    fn drop(&mut self) {
        if !self.over {
            self.upper.abort(Abort::User);
        }
    }
}

/// Why a data set wasn't sent to its end.
enum Unsent {
    /// It couldn't be read, or isn't fit to be sent.
    Cargo(Error),
    /// It couldn't be delivered.
    Fault(Fault),
}

/// Fills the buffer as far as there is something to read.
fn read_full(from: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, Unsent> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(Unsent::Cargo(Error::Unreadable { kind: e.kind() })),
        }
    }
    Ok(filled)
}

/// A TCP connection to the destination.
fn dial(destination: &Destination, until: Instant) -> Result<TcpStream, Error> {
    let name = destination.name.clone();
    line::dial(&destination.address, until).map_err(|why| match why {
        Unreached::Unresolved => Error::Unresolved { destination: name },
        Unreached::Late => Error::Late { destination: name },
        Unreached::Refused(kind) => Error::Unreachable { destination: name, kind },
    })
}

/// A connection that is ready for the first PDU.
fn upper(
    stream: TcpStream,
    destination: &Destination,
    tls: Option<&tls::Client>,
    until: Instant,
) -> Result<Upper<'static>, Error> {
    let name = || destination.name.clone();
    let left = || until.saturating_duration_since(Instant::now());
    let unusable = |e: io::Error| Error::Unreachable { destination: name(), kind: e.kind() };
    let Some(client) = tls else {
        return Upper::new(stream, destination.pdu_bytes_max, left(), None).map_err(unusable);
    };
    stream.set_nodelay(true).map_err(unusable)?;
    let greeted = client.greet(stream, left());
    let channel =
        greeted.map_err(|error| Error::Tls { destination: name(), why: error.to_string() })?;
    Ok(Upper::on(channel, destination.pdu_bytes_max, left(), None))
}

/// Sends the A-ASSOCIATE-RQ and hears the answer: the outer error is of the line, the inner one a
/// rejection.
fn request(
    upper: &mut Upper<'_>,
    destination: &Destination,
    proposals: &[Proposal],
) -> Result<Result<AssociationAC, Error>, Fault> {
    let presentation_contexts = context_ids()
        .zip(proposals)
        .map(|(id, proposal)| PresentationContextProposed {
            id,
            abstract_syntax: proposal.sop_class.as_str().to_owned(),
            transfer_syntaxes: vec![proposal.transfer_syntax.as_str().to_owned()],
        })
        .collect();
    let rq = Pdu::AssociationRQ(AssociationRQ {
        protocol_version: 1,
        calling_ae_title: destination.calling_ae_title.to_string(),
        called_ae_title: destination.ae_title.to_string(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts,
        user_variables: user_information(destination.pdu_bytes_max)
            .into_iter()
            .chain(report::roles(proposals))
            .collect(),
    });
    let mut bytes = Vec::new();
    if write_pdu(&mut bytes, &rq).is_err() {
        return violation(Abort::User, "an A-ASSOCIATE-RQ that can't be written");
    }
    upper.send(&bytes)?;
    let answers = [pdu_type::A_ASSOCIATE_AC, pdu_type::A_ASSOCIATE_RJ];
    let name = destination.name.clone();
    match upper.associate(&answers)? {
        Pdu::AssociationAC(ac) => Ok(Ok(ac)),
        Pdu::AssociationRJ(rj) => {
            let reason = rj.source.to_string();
            Ok(Err(match rj.result {
                AssociationRJResult::Transient => {
                    Error::RejectedTransient { destination: name, reason }
                }
                AssociationRJResult::Permanent => {
                    Error::RejectedPermanent { destination: name, reason }
                }
            }))
        }
        _ => violation(Abort::UnexpectedPdu, "no answer to A-ASSOCIATE-RQ"),
    }
}

/// Presentation context ids in the order of the proposals: odd, 1 to 255 (PS3.8 9.3.2.2).
fn context_ids() -> impl Iterator<Item = u8> {
    (1..=u8::MAX).step_by(2)
}

/// The proposals that the acceptor took, in the transfer syntax that was proposed and no other.
fn accepted(ac: &AssociationAC, proposals: &[Proposal]) -> Vec<(Proposal, u8)> {
    let result = |id: u8| ac.presentation_contexts.iter().find(|result| result.id == id);
    context_ids()
        .zip(proposals)
        .filter(|(id, proposal)| {
            report::agrees(&ac.user_variables, proposal)
                && result(*id).is_some_and(|result| {
                    result.reason == PresentationContextResultReason::Acceptance
                        && plain(&result.transfer_syntax) == proposal.transfer_syntax.as_str()
                })
        })
        .map(|(id, proposal)| (proposal.clone(), id))
        .collect()
}

/// Turns a fault into an error, after telling the peer where it has to hear of it.
fn broken(upper: &mut Upper<'_>, destination: &str, fault: Fault) -> Error {
    let destination = destination.to_owned();
    if let Some(why) = upper.trouble() {
        return Error::Tls { destination, why };
    }
    match fault {
        Fault::Violation(abort, what) => {
            upper.abort(abort);
            Error::Protocol { destination, what }
        }
        Fault::Late | Fault::Stopping => {
            upper.abort(Abort::User);
            Error::Late { destination }
        }
        Fault::Aborted => Error::Ended { destination, how: "A-ABORT by the peer".to_owned() },
        Fault::Lost(kind) => Error::Ended { destination, how: kind.to_string() },
    }
}

mod query;
mod report;
#[cfg(test)]
mod tests;
