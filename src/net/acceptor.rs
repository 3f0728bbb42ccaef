//! One association of the listener, from its first byte to its last (PS3.8 9.2, acceptor).
//!
//! The states of the standard are the functions here: [`Acceptor::establish`] (Sta2, Sta3),
//! [`Established::messages`] (Sta6), [`Upper::linger`] (Sta13). What a peer does out of turn ends
//! in A-ABORT, and so does every fault in the middle of a message: the entry is dropped then, and
//! nothing was acknowledged.

use super::access::{self, Admission};
use super::commitment::{self, Information, Owed};
use super::dimse::{ActionRq, Assembler, Command, StoreRq, StoreRsp, unrecognized};
use super::listener::{ListenerCounters, ListenerOptions, Seat, count};
use super::negotiate::{self, Agreement, Context, Rejection};
use super::sink::{InstanceEntry, InstanceSink, NotReady, Peer, Promise, Refusal, StoreRequest};
use super::status::{Class, Status};
use super::tls::Shown;
use super::upper::{Abort, Event, Fault, Stop, Upper, command_pdus, pdu_type, violation};
use super::{STORAGE_COMMITMENT, VERIFICATION};
use crate::id::{AeTitle, Uid};
use dicom_ul::pdu::{AssociationRQ, Pdu, write_pdu};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What one connection's thread works with.
pub(super) struct Acceptor<S: InstanceSink> {
    pub options: Arc<ListenerOptions>,
    pub sink: Arc<S>,
    pub counters: Arc<ListenerCounters>,
    pub stop: Arc<Stop>,
    pub from: IpAddr,
}

impl<S: InstanceSink> Acceptor<S> {
    /// Runs the connection to its end.
    pub fn run(&self, upper: &mut Upper<'_>) {
        let established = match self.establish(upper) {
            Ok(Ok(established)) => established,
            Ok(Err(rejection)) => {
                self.counters.count_rejected(rejection);
                tracing::warn!(from = %self.from, reason = rejection.name(), "association rejected");
                if upper.send(&rejection.pdu()).is_ok() {
                    upper.linger();
                }
                return;
            }
            Err(fault) => return self.end(upper, fault, None),
        };
        let caller = established.peer.ae_title.clone();
        match established.run(upper) {
            Ok(()) => {
                tracing::info!(%caller, "association released");
                upper.linger();
            }
            Err(fault) => self.end(upper, fault, Some(&caller)),
        }
    }

    /// Hears the A-ASSOCIATE-RQ and answers it, all within ARTIM.
    fn establish(
        &self,
        upper: &mut Upper<'_>,
    ) -> Result<Result<Established<'_, S>, Rejection>, Fault> {
        upper.begin_message(Duration::from_secs(self.options.artim_s));
        let Pdu::AssociationRQ(rq) = upper.associate(&[pdu_type::A_ASSOCIATE_RQ])? else {
            return violation(Abort::UnexpectedPdu, "no A-ASSOCIATE-RQ");
        };
        let (peer, called, seat) = match self.admit(&rq, upper.shown().as_ref()) {
            Ok(admitted) => admitted,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let options = &self.options;
        let (answer, agreement) = negotiate::accept(
            &rq,
            &options.sop_classes,
            &options.transfer_syntaxes,
            options.pdu_bytes_max,
        )?;
        let mut bytes = Vec::new();
        if write_pdu(&mut bytes, &Pdu::AssociationAC(answer)).is_err() {
            return violation(Abort::InvalidParameter, "an A-ASSOCIATE-RQ with no possible answer");
        }
        upper.send(&bytes)?;
        upper.end_message();
        upper.set_idle(Duration::from_secs(options.idle_s));
        count(&self.counters.accepted);
        let contexts = agreement.contexts.len();
        tracing::info!(caller = %peer.ae_title, from = %self.from, contexts, "association accepted");
        Ok(Ok(Established { acceptor: self, peer, called, agreement, _seat: seat }))
    }

    /// Who calls, whom, and is there room? Title, address and certificate first: a stranger learns
    /// neither our AE title nor the state of the disk.
    fn admit(
        &self,
        rq: &AssociationRQ,
        shown: Option<&Shown>,
    ) -> Result<(Peer, AeTitle, Seat), Rejection> {
        negotiate::check_protocol(rq)?;
        let title = |text: &str| text.parse::<AeTitle>().ok();
        let ae_title = title(&rq.calling_ae_title)
            .filter(|calling| self.knows(calling, shown))
            .ok_or(Rejection::CallingAeTitle)?;
        let is_ours = |called: &AeTitle| {
            *called == self.options.ae_title || self.options.also_called.contains(called)
        };
        let called = title(&rq.called_ae_title).filter(is_ours).ok_or(Rejection::CalledAeTitle)?;
        if self.stop.is_set() {
            return Err(Rejection::Congestion);
        }
        self.sink.ready().map_err(|not_ready| match not_ready {
            NotReady::Busy => Rejection::Congestion,
            NotReady::Full => Rejection::LocalLimit,
        })?;
        let seat =
            Seat::take(Arc::clone(&self.counters.associations), self.options.max_associations)
                .ok_or(Rejection::Congestion)?;
        Ok((Peer { ae_title, address: self.from }, called, seat))
    }

    fn knows(&self, calling: &AeTitle, shown: Option<&Shown>) -> bool {
        match access::admits(&self.options.callers, calling, self.from, shown) {
            Admission::Granted => true,
            Admission::Unknown => false,
            Admission::OtherCertificate => {
                let shows = shown.map(|shown| shown.fingerprint().to_string()).unwrap_or_default();
                tracing::warn!(caller = %calling, from = %self.from, shows,
                    "a certificate of another than the AE title that calls. If it is the right one, give it to that title in allow:");
                false
            }
        }
    }

    /// Counts, logs and ends an association that can't go on.
    fn end(&self, upper: &mut Upper<'_>, fault: Fault, caller: Option<&AeTitle>) {
        // An unknown caller's own title is hostile input, and isn't logged.
        let caller = caller.map_or("", AeTitle::as_str);
        let from = self.from;
        let (abort, why) = match fault {
            Fault::Aborted => {
                count(&self.counters.lost);
                tracing::warn!(caller, %from, "association aborted by the peer");
                return;
            }
            Fault::Lost(kind) => {
                count(&self.counters.lost);
                if let Some(why) = upper.trouble() {
                    tracing::warn!(caller, %from, why, "no TLS with a caller");
                    upper.linger();
                    return;
                }
                tracing::warn!(caller, %from, %kind, "connection lost without a release");
                return;
            }
            Fault::Violation(abort, what) => (abort, what),
            Fault::Late => (Abort::NotSpecified, "a deadline passed"),
            Fault::Stopping => (Abort::User, "the service stops"),
        };
        count(&self.counters.aborted);
        tracing::warn!(caller, %from, why, "association aborted");
        upper.abort(abort);
    }
}

/// An accepted association.
struct Established<'a, S: InstanceSink> {
    acceptor: &'a Acceptor<S>,
    peer: Peer,
    called: AeTitle,
    agreement: Agreement,
    _seat: Seat,
}

impl<S: InstanceSink> Established<'_, S> {
    /// Serves messages until the peer releases the association. The seat is given back before the
    /// caller waits for the peer to close.
    fn run(self, upper: &mut Upper<'_>) -> Result<(), Fault> {
        self.messages(upper)?;
        upper.send(&[pdu_type::A_RELEASE_RP, 0, 0, 0, 0, 4, 0, 0, 0, 0])
    }

    fn messages(&self, upper: &mut Upper<'_>) -> Result<(), Fault> {
        let total = Duration::from_secs(self.acceptor.options.message_s);
        let mut command = Assembler::default();
        let mut of_context = 0;
        let mut begun = false;
        let mut owed = Owed::default();
        loop {
            if !begun && self.acceptor.stop.is_set() {
                return Err(Fault::Stopping);
            }
            if !begun {
                owed.tell(upper, self.agreement.peer_pdu_bytes_max)?;
            }
            let piece = match upper.event()? {
                Event::Data(piece) => piece,
                Event::ReleaseRq if !begun => return Ok(()),
                Event::ReleaseRq => {
                    return violation(Abort::UnexpectedPdu, "an A-RELEASE-RQ inside a message");
                }
                Event::ReleaseRp => {
                    return violation(Abort::UnexpectedPdu, "an A-RELEASE-RP for no request");
                }
            };
            if !piece.command {
                return violation(Abort::UnexpectedParameter, "a data set without its command");
            }
            if begun && piece.context != of_context {
                return violation(Abort::UnexpectedParameter, "a command in two contexts");
            }
            if !command.push(piece.bytes) {
                return violation(Abort::InvalidParameter, "a command set too long");
            }
            of_context = piece.context;
            let complete = piece.last;
            if !begun {
                begun = true;
                upper.begin_message(total);
            }
            if complete {
                let Some(context) = self.agreement.context(of_context) else {
                    return violation(Abort::InvalidParameter, "a context that wasn't accepted");
                };
                match command.finish() {
                    Ok(Command::EventReportRsp { responded_to, status }) => {
                        owed.answered(responded_to, status)?;
                    }
                    Ok(command) => {
                        let promise = self.answer(upper, context, command)?;
                        promise.into_iter().for_each(|promise| owed.add(context, promise));
                    }
                    Err(_) => {
                        return violation(Abort::InvalidParameter, "a malformed command set");
                    }
                }
                begun = false;
                upper.end_message();
            }
        }
    }

    /// Does what a command asks and responds to it; what was promised is to be told later.
    fn answer(
        &self,
        upper: &mut Upper<'_>,
        context: &Context,
        command: Command,
    ) -> Result<Option<Box<dyn Promise>>, Fault> {
        let mut promised = None;
        let response = match command {
            Command::EchoRq { message_id } if context.abstract_syntax.as_str() == VERIFICATION => {
                count(&self.acceptor.counters.echoes);
                Command::EchoRsp { responded_to: message_id, status: Status::SUCCESS }.encode()
            }
            Command::EchoRq { message_id } => {
                let status = Status::SOP_CLASS_NOT_SUPPORTED;
                Command::EchoRsp { responded_to: message_id, status }.encode()
            }
            Command::StoreRq(rq) => Command::StoreRsp(self.store(upper, context, rq)?).encode(),
            Command::ActionRq(rq) => {
                let promise = self.act(upper, context, &rq)?;
                let status = promise.as_ref().err().map_or(Status::SUCCESS, |r| r.status);
                promised = promise.ok();
                Command::ActionRsp { responded_to: rq.message_id, status }.encode()
            }
            Command::OtherRq { field, message_id, has_data_set } => {
                if has_data_set {
                    self.receive_data_set(upper, context, Receiving::<S::Entry>::past())?;
                }
                unrecognized(field, message_id)
            }
            // A C-CANCEL-RQ for an operation that is over already: no response (PS3.7 9.3.2.3).
            Command::Other { field: 0x0FFF } => return Ok(None),
            Command::EchoRsp { .. }
            | Command::StoreRsp(_)
            | Command::ActionRsp { .. }
            | Command::EventReportRsp { .. }
            | Command::Other { .. } => {
                return violation(Abort::UnexpectedParameter, "a response to no request");
            }
        };
        upper.send(&command_pdus(context.id, &response, self.agreement.peer_pdu_bytes_max))?;
        Ok(promised)
    }

    /// N-ACTION: storage commitment is asked for (PS3.4 J.3.2).
    fn act(
        &self,
        upper: &mut Upper<'_>,
        context: &Context,
        rq: &ActionRq,
    ) -> Result<Result<Box<dyn Promise>, Refusal>, Fault> {
        let entry = commitment::check(context, rq).map(|()| Information::default());
        let receiving = Receiving { entry, bytes: 0, past: 0 };
        let received = match rq.has_data_set {
            true => self.receive_data_set(upper, context, receiving)?,
            false => receiving,
        };
        let request = received.entry.and_then(|information| information.request(context));
        let promise = request.and_then(|rq| self.acceptor.sink.commitment(&self.peer, rq));
        if let Err(refusal) = &promise {
            let status = refusal.status;
            tracing::warn!(caller = %self.peer.ae_title, %status, "storage commitment refused");
        }
        Ok(promise)
    }

    /// C-STORE (PS3.4 B, PS3.7 9.3.1): into the sink, and success only once it is committed.
    fn store(
        &self,
        upper: &mut Upper<'_>,
        context: &Context,
        rq: StoreRq,
    ) -> Result<StoreRsp, Fault> {
        let counters = &self.acceptor.counters;
        let receiving = match self.begin(context, &rq) {
            Ok(entry) => Receiving { entry: Ok(entry), bytes: 0, past: 0 },
            Err(refusal) => Receiving { entry: Err(refusal), bytes: 0, past: 0 },
        };
        let received = match rq.has_data_set {
            true => self.receive_data_set(upper, context, receiving)?,
            false => receiving,
        };
        let bytes = received.bytes;
        let outcome = received.entry.and_then(|entry| match bytes {
            0 => Err(Refusal::because(Status::CANNOT_UNDERSTAND, "empty data set")),
            _ => entry.commit(),
        });
        let (status, comment) = match outcome {
            Ok(()) => {
                count(&counters.stored);
                counters.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
                (Status::SUCCESS, None)
            }
            Err(Refusal { status, comment }) => {
                let status = match status.class() {
                    Class::Failure => status,
                    // A sink that refuses with "success" must not acknowledge by it.
                    Class::Success | Class::Warning => Status::PROCESSING_FAILURE,
                };
                counters.count_refused(status);
                tracing::warn!(caller = %self.peer.ae_title, %status, "C-STORE refused");
                (status, comment)
            }
        };
        Ok(StoreRsp {
            responded_to: rq.message_id,
            sop_class: rq.sop_class,
            sop_instance: rq.sop_instance,
            status,
            comment,
        })
    }

    fn begin(&self, context: &Context, rq: &StoreRq) -> Result<S::Entry, Refusal> {
        if !rq.has_data_set {
            return Err(Refusal::because(Status::MISTYPED_ARGUMENT, "C-STORE without data set"));
        }
        let sop_class = match &rq.sop_class {
            Some(uid) if *uid == context.abstract_syntax && is_storage(uid) => uid,
            _ => return Err(Refusal::new(Status::SOP_CLASS_NOT_SUPPORTED)),
        };
        let Some(sop_instance) = &rq.sop_instance else {
            return Err(Refusal::new(Status::INVALID_SOP_INSTANCE));
        };
        self.acceptor.sink.begin(&StoreRequest {
            peer: &self.peer,
            called: &self.called,
            sop_class,
            sop_instance,
            transfer_syntax: &context.transfer_syntax,
        })
    }

    /// Reads the data set of a command to its last fragment, whatever becomes of it.
    fn receive_data_set<E: InstanceEntry>(
        &self,
        upper: &mut Upper<'_>,
        context: &Context,
        mut receiving: Receiving<E>,
    ) -> Result<Receiving<E>, Fault> {
        let options = &self.acceptor.options;
        loop {
            let Event::Data(piece) = upper.event()? else {
                return violation(Abort::UnexpectedPdu, "an A-RELEASE inside a message");
            };
            if piece.command || piece.context != context.id {
                return violation(
                    Abort::UnexpectedParameter,
                    "a PDV of another message or context",
                );
            }
            receiving.take(piece.bytes, options.dataset_bytes_max);
            if piece.last {
                return Ok(receiving);
            }
            if receiving.past > options.drain_bytes_max {
                return violation(Abort::NotSpecified, "a refused data set without end");
            }
        }
    }
}

/// Of the SOP classes that are accepted, all but two are stored.
fn is_storage(sop_class: &Uid) -> bool {
    ![VERIFICATION, STORAGE_COMMITMENT].contains(&sop_class.as_str())
}

/// A data set on its way in: into its entry, or past a refusal.
struct Receiving<E> {
    entry: Result<E, Refusal>,
    /// Bytes given to the entry.
    bytes: u64,
    /// Bytes read past since the refusal.
    past: u64,
}

impl<E: InstanceEntry> Receiving<E> {
    /// A data set that nobody wants.
    fn past() -> Self {
        let entry = Err(Refusal::new(Status::UNRECOGNIZED_OPERATION));
        Receiving { entry, bytes: 0, past: 0 }
    }

    /// Takes the next bytes. A refusal drops the entry at once, which frees what it holds.
    fn take(&mut self, bytes: &[u8], bytes_max: u64) {
        let length = bytes.len() as u64;
        let Ok(entry) = &mut self.entry else {
            self.past += length;
            return;
        };
        self.bytes += length;
        let taken = if self.bytes > bytes_max {
            Err(Refusal::because(Status::OUT_OF_RESOURCES, "data set longer than accepted here"))
        } else if bytes.is_empty() {
            Ok(())
        } else {
            entry.write(bytes)
        };
        if let Err(refusal) = taken {
            self.entry = Err(refusal);
        }
    }
}
