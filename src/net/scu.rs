//! The C-STORE SCU: sends the cargo of one zone to one destination.
//!
//! A [`Zone`] is a side of the wall and names the one type that may travel there. An
//! [`Association`] is of one zone and can't send anything else: to let an object out, it has to be
//! made into that zone's cargo first, and only custody makes those.
//!
//! The data set is read as it goes, one PDU at a time. What ends early is aborted, never
//! completed: the last fragment is only sent as such once the end has been read.

mod connect;
mod destination;
mod error;
mod proposal;
mod query;
mod report;
#[cfg(test)]
mod tests;
mod zone;

pub use destination::Destination;
pub use error::Error;
pub use proposal::{PROPOSALS_MAX, Proposal, partition};
pub use zone::{Cargo, Inside, Outside, Zone};

use super::dimse::{Assembler, Command, StoreRq};
use super::status::{Class, Status};
use super::tls;
use super::upper::{
    Abort, Event, Fault, Upper, command_pdus, fragment_bytes_max, pdu_type, put_p_data, violation,
};
use super::{IMPLICIT_VR_LE, VERIFICATION};
use crate::id::Uid;
use proposal::accepted;
use std::io::{ErrorKind, Read};
use std::marker::PhantomData;
use std::time::Duration;

/// The instance is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Success, or one of the warnings under which the instance is stored.
    pub status: Status,
    /// Bytes of the data set that were sent.
    pub bytes: u64,
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
        let (upper, ac, pdu_bytes_max) = connect::connect(destination, tls, proposals)?;
        Ok(Association {
            upper,
            destination: destination.name.clone(),
            accepted: accepted(&ac, proposals),
            pdu_bytes_max,
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
        connect::broken(&mut self.upper, &self.destination, fault)
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
