//! Questions to a PACS (PS3.4 C.4.1, C.4.2): inside, and nowhere else.
//!
//! Identifiers go as they are given and come as they are: reading them is for whoever asks.

use super::{Association, Error, Inside};
use crate::id::AeTitle;
use crate::net::dimse::{Assembler, Command, SubOperations, find_rq, move_rq};
use crate::net::status::Status;
use crate::net::upper::{Abort, Event, Fault, message_pdus, violation};
use crate::net::{IMPLICIT_VR_LE, STUDY_ROOT_FIND, STUDY_ROOT_MOVE};

/// The longest identifier of one response, in bytes.
const IDENTIFIER_BYTES_MAX: usize = 64 * 1024;

/// More responses follow (PS3.7 C.1.3). C-FIND has two of them: all keys are supported, or not.
const PENDING: [u16; 2] = [0xFF00, 0xFF01];
/// A C-MOVE that is over, some of its sub-operations not in order (PS3.4 C.4.2.1.5).
const SOME_FAILED: u16 = 0xB000;

/// Why an answer is taken no further, in words about the peer.
pub type NoAnswer = &'static str;

/// Takes a response and its data set; the status, if it was the last one.
type Heed<'h> = dyn FnMut((Command, Option<&[u8]>)) -> Result<Option<Status>, NoAnswer> + 'h;

impl Association<Inside> {
    /// Asks by C-FIND (PS3.7 9.1.2); needs [`super::Proposal::query_retrieve`] among the proposals. `identifier` and what
    /// `each` is shown of every response are data sets in Implicit VR Little Endian.
    ///
    /// There is no such thing on an association to the outside:
    ///
    /// ```compile_fail,E0599
    /// use efface::net::scu::{Association, Outside};
    ///
    /// fn ask_the_outside(association: &mut Association<Outside>) {
    ///     let _ = association.c_find(&[], &mut |_| Ok(()));
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAccepted`] and [`Error::Declined`] leave the association usable. What `each` does not take is an
    /// [`Error::Protocol`], and the end of the association.
    pub fn c_find(
        &mut self,
        identifier: &[u8],
        each: &mut dyn FnMut(&[u8]) -> Result<(), NoAnswer>,
    ) -> Result<(), Error> {
        let context = self.proposed(STUDY_ROOT_FIND)?;
        let command = find_rq(self.next_message_id());
        let ended = self.ask(context, &command, identifier, &mut |response| match response {
            (Command::FindRsp { status, .. }, Some(set)) if is_pending(status) => {
                each(set).map(|()| None)
            }
            (Command::FindRsp { status, .. }, _) if is_pending(status) => {
                Err("a match without an identifier")
            }
            (Command::FindRsp { status, .. }, _) => Ok(Some(status)),
            _ => Err("a response to something else"),
        })?;
        if ended == Status::SUCCESS { Ok(()) } else { Err(self.declined(ended)) }
    }

    /// Has the PACS send what the identifier names to an AE title (PS3.7 9.1.4); needs
    /// [`super::Proposal::query_retrieve`] among the proposals. What it says of its sub-operations: it does not prove that
    /// anything has arrived.
    ///
    /// # Errors
    /// As [`Association::c_find`].
    pub fn c_move(&mut self, to: &AeTitle, identifier: &[u8]) -> Result<SubOperations, Error> {
        let context = self.proposed(STUDY_ROOT_MOVE)?;
        let command = move_rq(self.next_message_id(), to);
        let mut last = SubOperations::default();
        let ended = self.ask(context, &command, identifier, &mut |response| match response {
            (Command::MoveRsp { status, suboperations, .. }, _) => {
                last = suboperations;
                Ok((!is_pending(status)).then_some(status))
            }
            _ => Err("a response to something else"),
        })?;
        match ended.code() {
            0x0000 | SOME_FAILED => Ok(last),
            _ => Err(self.declined(ended)),
        }
    }

    fn proposed(&self, sop_class: &str) -> Result<u8, Error> {
        let context = self.context(sop_class, IMPLICIT_VR_LE);
        let context =
            context.ok_or_else(|| Error::NotAccepted { destination: self.destination.clone() })?;
        self.check_alive().map(|()| context)
    }

    fn declined(&self, status: Status) -> Error {
        Error::Declined { destination: self.destination.clone(), status }
    }

    /// Sends a request and hears responses until `heed` knows the last one: all of it within the time of one message.
    fn ask(
        &mut self,
        context: u8,
        command: &[u8],
        identifier: &[u8],
        heed: &mut Heed<'_>,
    ) -> Result<Status, Error> {
        self.upper.begin_message(self.message);
        let pdus = message_pdus(context, command, identifier, self.pdu_bytes_max);
        let ended = self.converse(context, &pdus, heed).map_err(|fault| self.broken(fault))?;
        self.upper.end_message();
        Ok(ended)
    }

    fn converse(
        &mut self,
        context: u8,
        request: &[u8],
        heed: &mut Heed<'_>,
    ) -> Result<Status, Fault> {
        self.upper.send(request)?;
        loop {
            let (command, set) = self.hear(context)?;
            let heeded = heed((command, set.as_deref()));
            if let Some(last) = heeded.map_err(|what| Fault::Violation(Abort::User, what))? {
                return Ok(last);
            }
        }
    }

    /// One response to the message just sent, and its data set if it has one.
    fn hear(&mut self, context: u8) -> Result<(Command, Option<Vec<u8>>), Fault> {
        let mut assembler = Assembler::default();
        let mut waiting: Option<(Command, Vec<u8>)> = None;
        loop {
            let Event::Data(piece) = self.upper.event()? else {
                return violation(Abort::UnexpectedPdu, "an A-RELEASE instead of a response");
            };
            if piece.context != context || piece.command != waiting.is_none() {
                return violation(Abort::UnexpectedParameter, "no response in this context");
            }
            let Some((_, set)) = &mut waiting else {
                if !assembler.push(piece.bytes) {
                    return violation(Abort::InvalidParameter, "a command set too long");
                }
                if piece.last {
                    match response(assembler.finish(), self.message_id)? {
                        (command, true) => waiting = Some((command, Vec::new())),
                        (command, false) => return Ok((command, None)),
                    }
                }
                continue;
            };
            if set.len() + piece.bytes.len() > IDENTIFIER_BYTES_MAX {
                return violation(Abort::User, "an identifier too long");
            }
            set.extend_from_slice(piece.bytes);
            if piece.last
                && let Some((command, set)) = waiting
            {
                return Ok((command, Some(set)));
            }
        }
    }
}

fn is_pending(status: Status) -> bool {
    PENDING.contains(&status.code())
}

/// A response to the message with this id, and whether a data set follows.
fn response(
    command: Result<Command, crate::net::dimse::Malformed>,
    to: u16,
) -> Result<(Command, bool), Fault> {
    match command {
        Ok(
            command @ (Command::FindRsp { responded_to, has_data_set, .. }
            | Command::MoveRsp { responded_to, has_data_set, .. }),
        ) if responded_to == to => Ok((command, has_data_set)),
        Ok(_) => violation(Abort::UnexpectedParameter, "a response to something else"),
        Err(_) => violation(Abort::InvalidParameter, "a malformed command set"),
    }
}
