//! Commands written. Elements stand in ascending order.

use super::Command;
use super::set::{Writer, element, field};
use crate::id::AeTitle;
use crate::net::status::Status;
use crate::net::{
    STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, STUDY_ROOT_FIND, STUDY_ROOT_MOVE, VERIFICATION,
};

impl Command {
    /// The command set as it goes over the wire, group length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut set = Writer::default();
        match self {
            Command::EchoRq { message_id } => {
                set.text(element::AFFECTED_SOP_CLASS_UID, VERIFICATION, 0);
                set.request(field::C_ECHO_RQ, *message_id);
                set.data_set_type(false);
            }
            Command::EchoRsp { responded_to, status } => {
                set.text(element::AFFECTED_SOP_CLASS_UID, VERIFICATION, 0);
                set.response(field::C_ECHO_RSP, *responded_to, false, *status);
            }
            Command::StoreRq(rq) => {
                set.uid(element::AFFECTED_SOP_CLASS_UID, rq.sop_class.as_ref());
                set.request(field::C_STORE_RQ, rq.message_id);
                set.number(element::PRIORITY, 0);
                set.data_set_type(rq.has_data_set);
                set.uid(element::AFFECTED_SOP_INSTANCE_UID, rq.sop_instance.as_ref());
            }
            Command::StoreRsp(rsp) => {
                set.uid(element::AFFECTED_SOP_CLASS_UID, rsp.sop_class.as_ref());
                set.response(field::C_STORE_RSP, rsp.responded_to, false, rsp.status);
                if let Some(comment) = rsp.comment {
                    set.text(element::ERROR_COMMENT, comment, b' ');
                }
                set.uid(element::AFFECTED_SOP_INSTANCE_UID, rsp.sop_instance.as_ref());
            }
            Command::ActionRq(rq) => {
                set.uid(element::REQUESTED_SOP_CLASS_UID, rq.sop_class.as_ref());
                set.request(field::N_ACTION_RQ, rq.message_id);
                set.data_set_type(rq.has_data_set);
                set.uid(element::REQUESTED_SOP_INSTANCE_UID, rq.sop_instance.as_ref());
                set.number(element::ACTION_TYPE_ID, rq.action_type);
            }
            Command::ActionRsp { responded_to, status } => {
                set.text(element::AFFECTED_SOP_CLASS_UID, STORAGE_COMMITMENT, 0);
                set.response(field::N_ACTION_RSP, *responded_to, false, *status);
                set.text(element::AFFECTED_SOP_INSTANCE_UID, STORAGE_COMMITMENT_INSTANCE, 0);
            }
            Command::EventReportRsp { responded_to, status } => {
                set.response(field::N_EVENT_REPORT_RSP, *responded_to, false, *status);
            }
            Command::FindRsp { responded_to, status, has_data_set } => {
                set.text(element::AFFECTED_SOP_CLASS_UID, STUDY_ROOT_FIND, 0);
                set.response(field::C_FIND_RSP, *responded_to, *has_data_set, *status);
            }
            Command::MoveRsp { responded_to, status, has_data_set, suboperations } => {
                set.text(element::AFFECTED_SOP_CLASS_UID, STUDY_ROOT_MOVE, 0);
                set.response(field::C_MOVE_RSP, *responded_to, *has_data_set, *status);
                set.number(element::COMPLETED_SUBOPERATIONS, suboperations.completed);
                set.number(element::FAILED_SUBOPERATIONS, suboperations.failed);
                set.number(element::WARNING_SUBOPERATIONS, suboperations.warning);
            }
            Command::OtherRq { field, message_id, has_data_set } => {
                set.request(*field, *message_id);
                set.data_set_type(*has_data_set);
            }
            Command::Other { field } => {
                set.number(element::COMMAND_FIELD, *field);
                set.data_set_type(false);
            }
        }
        set.finish()
    }
}

/// The refusal of a request that efface doesn't serve: its own command field as a response, with
/// [`Status::UNRECOGNIZED_OPERATION`].
pub fn unrecognized(request_field: u16, responded_to: u16) -> Vec<u8> {
    let mut set = Writer::default();
    set.response(
        request_field | field::RESPONSE_BIT,
        responded_to,
        false,
        Status::UNRECOGNIZED_OPERATION,
    );
    set.finish()
}

/// N-EVENT-REPORT-RQ of storage commitment (PS3.7 10.1.1, PS3.4 J.3.3); its data set follows.
pub fn event_report_rq(message_id: u16, event_type: u16) -> Vec<u8> {
    let mut set = Writer::default();
    set.text(element::AFFECTED_SOP_CLASS_UID, STORAGE_COMMITMENT, 0);
    set.request(field::N_EVENT_REPORT_RQ, message_id);
    set.data_set_type(true);
    set.text(element::AFFECTED_SOP_INSTANCE_UID, STORAGE_COMMITMENT_INSTANCE, 0);
    set.number(element::EVENT_TYPE_ID, event_type);
    set.finish()
}

/// C-FIND-RQ of the Study Root (PS3.7 9.3.2.1, PS3.4 C.4.1); its identifier follows.
pub fn find_rq(message_id: u16) -> Vec<u8> {
    let mut set = Writer::default();
    set.text(element::AFFECTED_SOP_CLASS_UID, STUDY_ROOT_FIND, 0);
    set.request(field::C_FIND_RQ, message_id);
    set.number(element::PRIORITY, 0);
    set.data_set_type(true);
    set.finish()
}

/// C-MOVE-RQ of the Study Root (PS3.7 9.3.4.1, PS3.4 C.4.2); its identifier follows.
pub fn move_rq(message_id: u16, destination: &AeTitle) -> Vec<u8> {
    let mut set = Writer::default();
    set.text(element::AFFECTED_SOP_CLASS_UID, STUDY_ROOT_MOVE, 0);
    set.request(field::C_MOVE_RQ, message_id);
    set.text(element::MOVE_DESTINATION, destination.as_str(), b' ');
    set.number(element::PRIORITY, 0);
    set.data_set_type(true);
    set.finish()
}
