//! Storage commitment on an association that runs (PS3.4 J.3): N-ACTION in, N-EVENT-REPORT out.
//!
//! The report goes on the association of the request when its peer stays and is silent, as those do that wait for it.
//! Whoever speaks on is served first; whoever leaves is told on an association of efface's own, by the sink.

use super::dimse::{ActionRq, event_report_rq};
use super::negotiate::Context;
use super::sink::{InstanceEntry, Promise, Refusal};
use super::status::{Class, Status};
use super::upper::{Abort, Fault, Upper, message_pdus, violation};
use super::{STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE};
use crate::dicom::part10::element_encoding;
use crate::id::Uid;
use crate::spool::commitment::{REQUEST_BYTES_MAX, Report, Request};
use std::collections::VecDeque;
use std::time::Duration;

/// Action Type ID "request storage commitment" (PS3.4 J.3.2.1.1), the only one.
const REQUEST_STORAGE_COMMITMENT: u16 = 1;
/// So long a peer is silent that waits for a report. One that is about to release has done so by then.
const SILENCE: Duration = Duration::from_millis(100);

/// Checks what a request may get wrong before its data set is read.
///
/// # Errors
/// The [`Refusal`] that goes to the peer.
pub(super) fn check(context: &Context, rq: &ActionRq) -> Result<(), Refusal> {
    let is = |uid: &Option<Uid>, known: &str| uid.as_ref().is_some_and(|u| u.as_str() == known);
    let class = context.abstract_syntax.as_str() == STORAGE_COMMITMENT;
    let status = match () {
        () if !class => Status::UNRECOGNIZED_OPERATION,
        () if !is(&rq.sop_class, STORAGE_COMMITMENT) => Status::SOP_CLASS_NOT_SUPPORTED,
        () if !is(&rq.sop_instance, STORAGE_COMMITMENT_INSTANCE) => Status::NO_SUCH_SOP_INSTANCE,
        () if rq.action_type != REQUEST_STORAGE_COMMITMENT => Status::NO_SUCH_ACTION,
        () if !rq.has_data_set => Status::INVALID_ARGUMENT_VALUE,
        () => return Ok(()),
    };
    Err(Refusal::new(status))
}

/// The action information on its way in.
#[derive(Default)]
pub(super) struct Information(Vec<u8>);

impl Information {
    /// What is asked.
    ///
    /// # Errors
    /// The [`Refusal`] that goes to the peer.
    pub fn request(&self, context: &Context) -> Result<Request, Refusal> {
        Request::parse(&self.0, context.transfer_syntax.as_str()).map_err(|malformed| {
            tracing::warn!(%malformed, "storage commitment refused");
            Refusal::new(Status::INVALID_ARGUMENT_VALUE)
        })
    }
}

impl InstanceEntry for Information {
    fn write(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        if self.0.len() + chunk.len() > REQUEST_BYTES_MAX {
            return Err(Refusal::new(Status::RESOURCE_LIMITATION));
        }
        self.0.extend_from_slice(chunk);
        Ok(())
    }

    fn commit(self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Reports that a peer waits for. What is left when the association ends goes back to the sink.
#[derive(Default)]
pub(super) struct Owed {
    waiting: VecDeque<One>,
    message_id: u16,
}

struct One {
    context: Context,
    promise: Box<dyn Promise>,
    report: Option<Report>,
    /// Message id under which it was sent.
    sent: Option<u16>,
}

impl Owed {
    /// One more.
    pub fn add(&mut self, context: &Context, promise: Box<dyn Promise>) {
        let context = context.clone();
        self.waiting.push_back(One { context, promise, report: None, sent: None });
    }

    /// Sends the next report, if there is one and the peer is silent. One at a time is under way.
    ///
    /// # Errors
    /// A [`Fault`] of the line.
    pub fn tell(&mut self, upper: &mut Upper<'_>, peer_pdu_bytes_max: u32) -> Result<(), Fault> {
        let Some(one) = self.waiting.front_mut().filter(|one| one.sent.is_none()) else {
            return Ok(());
        };
        if one.report.is_none() {
            one.report = one.promise.report();
        }
        let Some(report) = &one.report else {
            self.waiting.pop_front();
            return Ok(());
        };
        let encoding = element_encoding(one.context.transfer_syntax.as_str());
        let Some(encoding) = encoding.filter(|_| upper.is_quiet_for(SILENCE)) else {
            return Ok(());
        };
        self.message_id = self.message_id.wrapping_add(1);
        let command = event_report_rq(self.message_id, report.event_type());
        let data_set = report.encode(encoding);
        upper.send(&message_pdus(one.context.id, &command, &data_set, peer_pdu_bytes_max))?;
        one.sent = Some(self.message_id);
        Ok(())
    }

    /// N-EVENT-REPORT-RSP: the peer has heard it, or says that it could not use it.
    ///
    /// # Errors
    /// A response to nothing that was sent.
    pub fn answered(&mut self, responded_to: u16, status: Status) -> Result<(), Fault> {
        match self.waiting.pop_front().filter(|one| one.sent == Some(responded_to)) {
            Some(one) if status.class() != Class::Failure => one.promise.told(),
            Some(_) => tracing::warn!(%status, "a storage commitment report was refused"),
            None => return violation(Abort::UnexpectedParameter, "a response to no request"),
        }
        Ok(())
    }
}
