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

use super::status::Status;
use crate::id::{AeTitle, Uid};

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

/// Element numbers in group 0000 (PS3.7 Table E.1-1).
mod element {
    pub const GROUP_LENGTH: u16 = 0x0000;
    pub const AFFECTED_SOP_CLASS_UID: u16 = 0x0002;
    pub const REQUESTED_SOP_CLASS_UID: u16 = 0x0003;
    pub const COMMAND_FIELD: u16 = 0x0100;
    pub const MESSAGE_ID: u16 = 0x0110;
    pub const MESSAGE_ID_RESPONDED_TO: u16 = 0x0120;
    pub const MOVE_DESTINATION: u16 = 0x0600;
    pub const PRIORITY: u16 = 0x0700;
    pub const DATA_SET_TYPE: u16 = 0x0800;
    pub const STATUS: u16 = 0x0900;
    pub const ERROR_COMMENT: u16 = 0x0902;
    pub const AFFECTED_SOP_INSTANCE_UID: u16 = 0x1000;
    pub const REQUESTED_SOP_INSTANCE_UID: u16 = 0x1001;
    pub const EVENT_TYPE_ID: u16 = 0x1002;
    pub const ACTION_TYPE_ID: u16 = 0x1008;
    pub const COMPLETED_SUBOPERATIONS: u16 = 0x1021;
    pub const FAILED_SUBOPERATIONS: u16 = 0x1022;
    pub const WARNING_SUBOPERATIONS: u16 = 0x1023;
}

/// Values of Command Field (PS3.7 Table E.1-1).
mod field {
    pub const C_STORE_RQ: u16 = 0x0001;
    pub const C_STORE_RSP: u16 = 0x8001;
    pub const C_FIND_RQ: u16 = 0x0020;
    pub const C_FIND_RSP: u16 = 0x8020;
    pub const C_MOVE_RQ: u16 = 0x0021;
    pub const C_MOVE_RSP: u16 = 0x8021;
    pub const C_ECHO_RQ: u16 = 0x0030;
    pub const C_ECHO_RSP: u16 = 0x8030;
    pub const N_EVENT_REPORT_RQ: u16 = 0x0100;
    pub const N_EVENT_REPORT_RSP: u16 = 0x8100;
    pub const N_ACTION_RQ: u16 = 0x0130;
    pub const N_ACTION_RSP: u16 = 0x8130;
    pub const C_CANCEL_RQ: u16 = 0x0FFF;
    pub const RESPONSE_BIT: u16 = 0x8000;
}

/// Command Data Set Type: no data set follows. Any other value says that one does.
const NO_DATA_SET: u16 = 0x0101;
const DATA_SET: u16 = 0x0000;
/// The Verification SOP class, the only one that C-ECHO has.
const VERIFICATION: &str = super::VERIFICATION;
const STUDY_ROOT_FIND: &str = super::STUDY_ROOT_FIND;
const STUDY_ROOT_MOVE: &str = super::STUDY_ROOT_MOVE;
const STORAGE_COMMITMENT: &str = super::STORAGE_COMMITMENT;
const STORAGE_COMMITMENT_INSTANCE: &str = super::STORAGE_COMMITMENT_INSTANCE;

impl Command {
    /// Reads a whole command set.
    ///
    /// # Errors
    /// [`Malformed`] when it isn't one; the association can't go on then, since nobody knows
    /// which message to answer.
    pub fn decode(set: &[u8]) -> Result<Command, Malformed> {
        let fields = Fields::decode(set)?;
        let need = |value: Option<u16>| value.ok_or(Malformed::Missing);
        let command = need(fields.command)?;
        let has_data_set = need(fields.data_set_type)? != NO_DATA_SET;
        Ok(match command {
            field::C_ECHO_RQ => Command::EchoRq { message_id: need(fields.message_id)? },
            field::C_ECHO_RSP => Command::EchoRsp {
                responded_to: need(fields.responded_to)?,
                status: Status::from_code(need(fields.status)?),
            },
            field::C_STORE_RQ => Command::StoreRq(StoreRq {
                message_id: need(fields.message_id)?,
                sop_class: uid(fields.sop_class),
                sop_instance: uid(fields.sop_instance),
                has_data_set,
            }),
            field::C_STORE_RSP => Command::StoreRsp(StoreRsp {
                responded_to: need(fields.responded_to)?,
                sop_class: uid(fields.sop_class),
                sop_instance: uid(fields.sop_instance),
                status: Status::from_code(need(fields.status)?),
                comment: None,
            }),
            field::N_ACTION_RQ => Command::ActionRq(ActionRq {
                message_id: need(fields.message_id)?,
                sop_class: uid(fields.requested_sop_class),
                sop_instance: uid(fields.requested_sop_instance),
                action_type: need(fields.action_type)?,
                has_data_set,
            }),
            field::N_ACTION_RSP => Command::ActionRsp {
                responded_to: need(fields.responded_to)?,
                status: Status::from_code(need(fields.status)?),
            },
            field::N_EVENT_REPORT_RSP => Command::EventReportRsp {
                responded_to: need(fields.responded_to)?,
                status: Status::from_code(need(fields.status)?),
            },
            field::C_FIND_RSP => Command::FindRsp {
                responded_to: need(fields.responded_to)?,
                status: Status::from_code(need(fields.status)?),
                has_data_set,
            },
            field::C_MOVE_RSP => Command::MoveRsp {
                responded_to: need(fields.responded_to)?,
                status: Status::from_code(need(fields.status)?),
                has_data_set,
                suboperations: fields.suboperations,
            },
            field::C_CANCEL_RQ => Command::Other { field: command },
            _ if command & field::RESPONSE_BIT != 0 => Command::Other { field: command },
            _ => Command::OtherRq {
                field: command,
                message_id: need(fields.message_id)?,
                has_data_set,
            },
        })
    }

    /// The command set as it goes over the wire, group length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut set = Encoder::default();
        match self {
            Command::EchoRq { message_id } => {
                set.text(element::AFFECTED_SOP_CLASS_UID, VERIFICATION, 0);
                set.number(element::COMMAND_FIELD, field::C_ECHO_RQ);
                set.number(element::MESSAGE_ID, *message_id);
                set.number(element::DATA_SET_TYPE, NO_DATA_SET);
            }
            Command::EchoRsp { responded_to, status } => {
                set.text(element::AFFECTED_SOP_CLASS_UID, VERIFICATION, 0);
                set.number(element::COMMAND_FIELD, field::C_ECHO_RSP);
                set.number(element::MESSAGE_ID_RESPONDED_TO, *responded_to);
                set.number(element::DATA_SET_TYPE, NO_DATA_SET);
                set.number(element::STATUS, status.code());
            }
            Command::StoreRq(rq) => {
                set.uid(element::AFFECTED_SOP_CLASS_UID, rq.sop_class.as_ref());
                set.number(element::COMMAND_FIELD, field::C_STORE_RQ);
                set.number(element::MESSAGE_ID, rq.message_id);
                set.number(element::PRIORITY, 0);
                set.number(element::DATA_SET_TYPE, data_set_type(rq.has_data_set));
                set.uid(element::AFFECTED_SOP_INSTANCE_UID, rq.sop_instance.as_ref());
            }
            Command::StoreRsp(rsp) => {
                set.uid(element::AFFECTED_SOP_CLASS_UID, rsp.sop_class.as_ref());
                set.number(element::COMMAND_FIELD, field::C_STORE_RSP);
                set.number(element::MESSAGE_ID_RESPONDED_TO, rsp.responded_to);
                set.number(element::DATA_SET_TYPE, NO_DATA_SET);
                set.number(element::STATUS, rsp.status.code());
                if let Some(comment) = rsp.comment {
                    set.text(element::ERROR_COMMENT, comment, b' ');
                }
                set.uid(element::AFFECTED_SOP_INSTANCE_UID, rsp.sop_instance.as_ref());
            }
            Command::ActionRq(rq) => {
                set.uid(element::REQUESTED_SOP_CLASS_UID, rq.sop_class.as_ref());
                set.number(element::COMMAND_FIELD, field::N_ACTION_RQ);
                set.number(element::MESSAGE_ID, rq.message_id);
                set.number(element::DATA_SET_TYPE, data_set_type(rq.has_data_set));
                set.uid(element::REQUESTED_SOP_INSTANCE_UID, rq.sop_instance.as_ref());
                set.number(element::ACTION_TYPE_ID, rq.action_type);
            }
            Command::ActionRsp { responded_to, status } => {
                set.text(element::AFFECTED_SOP_CLASS_UID, STORAGE_COMMITMENT, 0);
                set.number(element::COMMAND_FIELD, field::N_ACTION_RSP);
                set.number(element::MESSAGE_ID_RESPONDED_TO, *responded_to);
                set.number(element::DATA_SET_TYPE, NO_DATA_SET);
                set.number(element::STATUS, status.code());
                set.text(element::AFFECTED_SOP_INSTANCE_UID, STORAGE_COMMITMENT_INSTANCE, 0);
            }
            Command::EventReportRsp { responded_to, status } => {
                set.number(element::COMMAND_FIELD, field::N_EVENT_REPORT_RSP);
                set.number(element::MESSAGE_ID_RESPONDED_TO, *responded_to);
                set.number(element::DATA_SET_TYPE, NO_DATA_SET);
                set.number(element::STATUS, status.code());
            }
            Command::FindRsp { responded_to, status, has_data_set } => {
                set.text(element::AFFECTED_SOP_CLASS_UID, STUDY_ROOT_FIND, 0);
                set.number(element::COMMAND_FIELD, field::C_FIND_RSP);
                set.number(element::MESSAGE_ID_RESPONDED_TO, *responded_to);
                set.number(element::DATA_SET_TYPE, data_set_type(*has_data_set));
                set.number(element::STATUS, status.code());
            }
            Command::MoveRsp { responded_to, status, has_data_set, suboperations } => {
                set.text(element::AFFECTED_SOP_CLASS_UID, STUDY_ROOT_MOVE, 0);
                set.number(element::COMMAND_FIELD, field::C_MOVE_RSP);
                set.number(element::MESSAGE_ID_RESPONDED_TO, *responded_to);
                set.number(element::DATA_SET_TYPE, data_set_type(*has_data_set));
                set.number(element::STATUS, status.code());
                set.number(element::COMPLETED_SUBOPERATIONS, suboperations.completed);
                set.number(element::FAILED_SUBOPERATIONS, suboperations.failed);
                set.number(element::WARNING_SUBOPERATIONS, suboperations.warning);
            }
            Command::OtherRq { field, message_id, has_data_set } => {
                set.number(element::COMMAND_FIELD, *field);
                set.number(element::MESSAGE_ID, *message_id);
                set.number(element::DATA_SET_TYPE, data_set_type(*has_data_set));
            }
            Command::Other { field } => {
                set.number(element::COMMAND_FIELD, *field);
                set.number(element::DATA_SET_TYPE, NO_DATA_SET);
            }
        }
        set.finish()
    }
}

/// The refusal of a request that efface doesn't serve: its own command field as a response, with
/// [`Status::UNRECOGNIZED_OPERATION`].
pub fn unrecognized(request_field: u16, responded_to: u16) -> Vec<u8> {
    let mut set = Encoder::default();
    set.number(element::COMMAND_FIELD, request_field | field::RESPONSE_BIT);
    set.number(element::MESSAGE_ID_RESPONDED_TO, responded_to);
    set.number(element::DATA_SET_TYPE, NO_DATA_SET);
    set.number(element::STATUS, Status::UNRECOGNIZED_OPERATION.code());
    set.finish()
}

/// N-EVENT-REPORT-RQ of storage commitment (PS3.7 10.1.1, PS3.4 J.3.3); its data set follows.
pub fn event_report_rq(message_id: u16, event_type: u16) -> Vec<u8> {
    let mut set = Encoder::default();
    set.text(element::AFFECTED_SOP_CLASS_UID, STORAGE_COMMITMENT, 0);
    set.number(element::COMMAND_FIELD, field::N_EVENT_REPORT_RQ);
    set.number(element::MESSAGE_ID, message_id);
    set.number(element::DATA_SET_TYPE, DATA_SET);
    set.text(element::AFFECTED_SOP_INSTANCE_UID, STORAGE_COMMITMENT_INSTANCE, 0);
    set.number(element::EVENT_TYPE_ID, event_type);
    set.finish()
}

/// C-FIND-RQ of the Study Root (PS3.7 9.3.2.1, PS3.4 C.4.1); its identifier follows.
pub fn find_rq(message_id: u16) -> Vec<u8> {
    let mut set = Encoder::default();
    set.text(element::AFFECTED_SOP_CLASS_UID, STUDY_ROOT_FIND, 0);
    set.number(element::COMMAND_FIELD, field::C_FIND_RQ);
    set.number(element::MESSAGE_ID, message_id);
    set.number(element::PRIORITY, 0);
    set.number(element::DATA_SET_TYPE, DATA_SET);
    set.finish()
}

/// C-MOVE-RQ of the Study Root (PS3.7 9.3.4.1, PS3.4 C.4.2); its identifier follows.
pub fn move_rq(message_id: u16, destination: &AeTitle) -> Vec<u8> {
    let mut set = Encoder::default();
    set.text(element::AFFECTED_SOP_CLASS_UID, STUDY_ROOT_MOVE, 0);
    set.number(element::COMMAND_FIELD, field::C_MOVE_RQ);
    set.number(element::MESSAGE_ID, message_id);
    set.text(element::MOVE_DESTINATION, destination.as_str(), b' ');
    set.number(element::PRIORITY, 0);
    set.number(element::DATA_SET_TYPE, DATA_SET);
    set.finish()
}

const fn data_set_type(has_data_set: bool) -> u16 {
    if has_data_set { DATA_SET } else { NO_DATA_SET }
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

/// The elements that matter, still as bytes of the set.
#[derive(Default)]
struct Fields<'a> {
    sop_class: Option<&'a [u8]>,
    sop_instance: Option<&'a [u8]>,
    requested_sop_class: Option<&'a [u8]>,
    requested_sop_instance: Option<&'a [u8]>,
    action_type: Option<u16>,
    command: Option<u16>,
    message_id: Option<u16>,
    responded_to: Option<u16>,
    data_set_type: Option<u16>,
    status: Option<u16>,
    suboperations: SubOperations,
}

impl<'a> Fields<'a> {
    fn decode(set: &'a [u8]) -> Result<Self, Malformed> {
        let (number, value, mut rest) = next_element(set)?;
        let length: [u8; 4] = value.try_into().map_err(|_| Malformed::GroupLength)?;
        if number != element::GROUP_LENGTH || u32::from_le_bytes(length) as usize != rest.len() {
            return Err(Malformed::GroupLength);
        }
        let mut fields = Fields::default();
        let mut previous = number;
        while !rest.is_empty() {
            let (number, value, after) = next_element(rest)?;
            if number <= previous {
                return Err(Malformed::Order);
            }
            match number {
                element::AFFECTED_SOP_CLASS_UID => fields.sop_class = Some(value),
                element::AFFECTED_SOP_INSTANCE_UID => fields.sop_instance = Some(value),
                element::REQUESTED_SOP_CLASS_UID => fields.requested_sop_class = Some(value),
                element::REQUESTED_SOP_INSTANCE_UID => fields.requested_sop_instance = Some(value),
                element::ACTION_TYPE_ID => fields.action_type = Some(number_of(value)?),
                element::COMMAND_FIELD => fields.command = Some(number_of(value)?),
                element::MESSAGE_ID => fields.message_id = Some(number_of(value)?),
                element::MESSAGE_ID_RESPONDED_TO => fields.responded_to = Some(number_of(value)?),
                element::DATA_SET_TYPE => fields.data_set_type = Some(number_of(value)?),
                element::STATUS => fields.status = Some(number_of(value)?),
                element::COMPLETED_SUBOPERATIONS => {
                    fields.suboperations.completed = number_of(value)?;
                }
                element::FAILED_SUBOPERATIONS => fields.suboperations.failed = number_of(value)?,
                element::WARNING_SUBOPERATIONS => fields.suboperations.warning = number_of(value)?,
                _ => {}
            }
            previous = number;
            rest = after;
        }
        Ok(fields)
    }
}

/// Splits off one element: its number in group 0000, its value, and what follows.
fn next_element(set: &[u8]) -> Result<(u16, &[u8], &[u8]), Malformed> {
    let (header, rest) = set.split_first_chunk::<8>().ok_or(Malformed::Truncated)?;
    let [g0, g1, e0, e1, l0, l1, l2, l3] = *header;
    if u16::from_le_bytes([g0, g1]) != 0x0000 {
        return Err(Malformed::Order);
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let (value, rest) = rest.split_at_checked(length).ok_or(Malformed::Truncated)?;
    Ok((u16::from_le_bytes([e0, e1]), value, rest))
}

fn number_of(value: &[u8]) -> Result<u16, Malformed> {
    value.try_into().map(u16::from_le_bytes).map_err(|_| Malformed::Number)
}

fn uid(value: Option<&[u8]>) -> Option<Uid> {
    std::str::from_utf8(value?).ok()?.parse().ok()
}

/// Writes elements in ascending order; [`Encoder::finish`] puts the group length in front.
#[derive(Default)]
struct Encoder(Vec<u8>);

impl Encoder {
    fn element(&mut self, number: u16, length: u32) {
        self.0.extend_from_slice(&[0, 0]);
        self.0.extend_from_slice(&number.to_le_bytes());
        self.0.extend_from_slice(&length.to_le_bytes());
    }

    fn number(&mut self, number: u16, value: u16) {
        self.element(number, 2);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Text is padded to even length: UIDs with NUL, the rest with a space (PS3.5 6.2).
    fn text(&mut self, number: u16, value: &str, padding: u8) {
        let odd = value.len() % 2;
        self.element(number, (value.len() + odd) as u32);
        self.0.extend_from_slice(value.as_bytes());
        self.0.resize(self.0.len() + odd, padding);
    }

    fn uid(&mut self, number: u16, value: Option<&Uid>) {
        if let Some(value) = value {
            self.text(number, value.as_str(), 0);
        }
    }

    fn finish(self) -> Vec<u8> {
        let mut set = Encoder::default();
        set.element(element::GROUP_LENGTH, 4);
        set.0.extend_from_slice(&(self.0.len() as u32).to_le_bytes());
        set.0.extend_from_slice(&self.0);
        set.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn a_uid() -> impl Strategy<Value = Option<Uid>> {
        proptest::option::of("1(\\.[1-9][0-9]{0,6}){1,8}".prop_map(|text| text.parse().unwrap()))
    }

    fn a_command() -> impl Strategy<Value = Command> {
        let status = any::<u16>().prop_map(Status::from_code);
        prop_oneof![
            any::<u16>().prop_map(|message_id| Command::EchoRq { message_id }),
            (any::<u16>(), status.clone())
                .prop_map(|(responded_to, status)| Command::EchoRsp { responded_to, status }),
            (any::<u16>(), a_uid(), a_uid(), any::<bool>()).prop_map(
                |(message_id, sop_class, sop_instance, has_data_set)| Command::StoreRq(StoreRq {
                    message_id,
                    sop_class,
                    sop_instance,
                    has_data_set,
                })
            ),
            (any::<u16>(), a_uid(), a_uid(), status.clone()).prop_map(
                |(responded_to, sop_class, sop_instance, status)| Command::StoreRsp(StoreRsp {
                    responded_to,
                    sop_class,
                    sop_instance,
                    status,
                    comment: None,
                })
            ),
            (any::<u16>(), a_uid(), a_uid(), any::<u16>(), any::<bool>()).prop_map(
                |(message_id, sop_class, sop_instance, action_type, has_data_set)| {
                    Command::ActionRq(ActionRq {
                        message_id,
                        sop_class,
                        sop_instance,
                        action_type,
                        has_data_set,
                    })
                }
            ),
            (any::<u16>(), status.clone(), any::<bool>()).prop_map(
                |(responded_to, status, has_data_set)| Command::FindRsp {
                    responded_to,
                    status,
                    has_data_set,
                }
            ),
            (any::<u16>(), status, any::<bool>(), any::<[u16; 3]>()).prop_map(
                |(responded_to, status, has_data_set, [completed, failed, warning])| {
                    let suboperations = SubOperations { completed, failed, warning };
                    Command::MoveRsp { responded_to, status, has_data_set, suboperations }
                }
            ),
            (any::<u16>(), any::<bool>()).prop_map(|(message_id, has_data_set)| {
                Command::OtherRq { field: 0x0020, message_id, has_data_set }
            }),
        ]
    }

    proptest! {
        #[test]
        fn net_dimse_round_trip(command in a_command()) {
            prop_assert_eq!(Command::decode(&command.encode()), Ok(command));
        }

        #[test]
        fn net_dimse_arbitrary_bytes_never_panic(set in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Command::decode(&set);
        }

        #[test]
        fn net_dimse_damaged_sets_never_panic(
            command in a_command(),
            damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6),
            cut in any::<usize>(),
        ) {
            let mut set = command.encode();
            for (at, byte) in damage {
                let at = at % set.len();
                set[at] = byte;
            }
            let _ = Command::decode(&set);
            let _ = Command::decode(&set[..cut % set.len()]);
        }
    }

    #[test]
    fn a_command_set_is_refused_with_its_reason() {
        let good = Command::EchoRq { message_id: 7 }.encode();
        assert_eq!(Command::decode(&good[..good.len() - 1]), Err(Malformed::GroupLength));
        assert_eq!(Command::decode(&good[12..]), Err(Malformed::GroupLength));
        assert_eq!(Command::decode(&[]), Err(Malformed::Truncated));

        let mut huge = good.clone();
        huge[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Command::decode(&huge), Err(Malformed::Truncated));

        let mut twice = Encoder::default();
        twice.number(element::MESSAGE_ID, 1);
        twice.number(element::MESSAGE_ID, 1);
        assert_eq!(Command::decode(&twice.finish()), Err(Malformed::Order));

        let mut bare = Encoder::default();
        bare.number(element::COMMAND_FIELD, field::C_ECHO_RQ);
        assert_eq!(Command::decode(&bare.finish()), Err(Malformed::Missing));
    }

    #[test]
    fn a_hostile_uid_is_no_uid() {
        for hostile in ["../../etc/x", "1.2\n3", "1.2.\u{1b}[31m", ""] {
            let mut set = Encoder::default();
            set.number(element::COMMAND_FIELD, field::C_STORE_RQ);
            set.number(element::MESSAGE_ID, 1);
            set.number(element::DATA_SET_TYPE, DATA_SET);
            set.text(element::AFFECTED_SOP_INSTANCE_UID, hostile, 0);
            let Ok(Command::StoreRq(rq)) = Command::decode(&set.finish()) else {
                panic!("not a C-STORE-RQ")
            };
            assert_eq!(rq.sop_instance, None);
        }
    }

    #[test]
    fn the_assembler_has_a_limit() {
        let mut assembler = Assembler::default();
        assert!(assembler.push(&vec![0; COMMAND_BYTES_MAX]));
        assert!(!assembler.push(&[0]));
    }
}
