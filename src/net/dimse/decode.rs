//! Commands read.

use super::set::{Fields, NO_DATA_SET, field};
use super::{ActionRq, Command, Malformed, StoreRq, StoreRsp};
use crate::id::Uid;
use crate::net::status::Status;

impl Command {
    /// Reads a whole command set.
    ///
    /// # Errors
    /// [`Malformed`] when it isn't one; the association can't go on then, since nobody knows
    /// which message to answer.
    pub fn decode(set: &[u8]) -> Result<Command, Malformed> {
        let fields = Fields::decode(set)?;
        let need = |value: Option<u16>| value.ok_or(Malformed::Missing);
        let status = || need(fields.status).map(Status::from_code);
        let command = need(fields.command)?;
        let has_data_set = need(fields.data_set_type)? != NO_DATA_SET;
        Ok(match command {
            field::C_ECHO_RQ => Command::EchoRq { message_id: need(fields.message_id)? },
            field::C_ECHO_RSP => {
                Command::EchoRsp { responded_to: need(fields.responded_to)?, status: status()? }
            }
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
                status: status()?,
                comment: None,
            }),
            field::N_ACTION_RQ => Command::ActionRq(ActionRq {
                message_id: need(fields.message_id)?,
                sop_class: uid(fields.requested_sop_class),
                sop_instance: uid(fields.requested_sop_instance),
                action_type: need(fields.action_type)?,
                has_data_set,
            }),
            field::N_ACTION_RSP => {
                Command::ActionRsp { responded_to: need(fields.responded_to)?, status: status()? }
            }
            field::N_EVENT_REPORT_RSP => Command::EventReportRsp {
                responded_to: need(fields.responded_to)?,
                status: status()?,
            },
            field::C_FIND_RSP => Command::FindRsp {
                responded_to: need(fields.responded_to)?,
                status: status()?,
                has_data_set,
            },
            field::C_MOVE_RSP => Command::MoveRsp {
                responded_to: need(fields.responded_to)?,
                status: status()?,
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
}

fn uid(value: Option<&[u8]>) -> Option<Uid> {
    std::str::from_utf8(value?).ok()?.parse().ok()
}
