//! A command set as bytes: elements of group 0000 in Implicit VR Little Endian (PS3.7 6.3.1).

use super::{Malformed, SubOperations};
use crate::id::Uid;
use crate::net::status::Status;

/// Element numbers in group 0000 (PS3.7 Table E.1-1).
pub(super) mod element {
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
pub(super) mod field {
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
pub(super) const NO_DATA_SET: u16 = 0x0101;
pub(super) const DATA_SET: u16 = 0x0000;

/// The elements that matter, still as bytes of the set.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) sop_class: Option<&'a [u8]>,
    pub(super) sop_instance: Option<&'a [u8]>,
    pub(super) requested_sop_class: Option<&'a [u8]>,
    pub(super) requested_sop_instance: Option<&'a [u8]>,
    pub(super) action_type: Option<u16>,
    pub(super) command: Option<u16>,
    pub(super) message_id: Option<u16>,
    pub(super) responded_to: Option<u16>,
    pub(super) data_set_type: Option<u16>,
    pub(super) status: Option<u16>,
    pub(super) suboperations: SubOperations,
}

impl<'a> Fields<'a> {
    /// Reads a whole set, group length first.
    pub(super) fn decode(set: &'a [u8]) -> Result<Self, Malformed> {
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

/// Writes elements in ascending order; [`Writer::finish`] puts the group length in front.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    fn element(&mut self, number: u16, length: u32) {
        self.0.extend_from_slice(&[0, 0]);
        self.0.extend_from_slice(&number.to_le_bytes());
        self.0.extend_from_slice(&length.to_le_bytes());
    }

    /// Command Field and Message ID.
    pub(super) fn request(&mut self, field: u16, message_id: u16) {
        self.number(element::COMMAND_FIELD, field);
        self.number(element::MESSAGE_ID, message_id);
    }

    /// Command Field, Message ID Being Responded To, Command Data Set Type and Status.
    pub(super) fn response(
        &mut self,
        field: u16,
        responded_to: u16,
        has_data_set: bool,
        status: Status,
    ) {
        self.number(element::COMMAND_FIELD, field);
        self.number(element::MESSAGE_ID_RESPONDED_TO, responded_to);
        self.data_set_type(has_data_set);
        self.number(element::STATUS, status.code());
    }

    pub(super) fn data_set_type(&mut self, has_data_set: bool) {
        let follows = if has_data_set { DATA_SET } else { NO_DATA_SET };
        self.number(element::DATA_SET_TYPE, follows);
    }

    pub(super) fn number(&mut self, number: u16, value: u16) {
        self.element(number, 2);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Text is padded to even length: UIDs with NUL, the rest with a space (PS3.5 6.2).
    pub(super) fn text(&mut self, number: u16, value: &str, padding: u8) {
        let odd = value.len() % 2;
        self.element(number, (value.len() + odd) as u32);
        self.0.extend_from_slice(value.as_bytes());
        self.0.resize(self.0.len() + odd, padding);
    }

    pub(super) fn uid(&mut self, number: u16, value: Option<&Uid>) {
        if let Some(value) = value {
            self.text(number, value.as_str(), 0);
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut set = Writer::default();
        set.element(element::GROUP_LENGTH, 4);
        set.0.extend_from_slice(&(self.0.len() as u32).to_le_bytes());
        set.0.extend_from_slice(&self.0);
        set.0
    }
}
