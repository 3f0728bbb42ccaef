//! The acceptor's answer to an A-ASSOCIATE-RQ (PS3.8 9.3.2 to 9.3.4, PS3.7 D.3).
//!
//! A presentation context is accepted for a SOP class of the list with the first transfer
//! syntax of the requestor's that is on ours. The requestor's order stands, because it lists first
//! what it holds: so nothing is transcoded just to be sent here. Absent on purpose: "promiscuous"
//! acceptance, role selection (whoever requests is SCU here), asynchronous operations, user identity.

use super::upper::{Abort, Fault, PEER_PDU_BYTES_MIN, pdu_type, violation};
use super::{
    APPLICATION_CONTEXT, EXPLICIT_VR_LE, IMPLICIT_VR_LE, STORAGE_COMMITMENT, VERIFICATION,
};
use crate::dicom::part10::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME};
use crate::id::Uid;
use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, PresentationContextProposed, PresentationContextResult,
    PresentationContextResultReason as Reason, UserVariableItem,
};

/// Why an association is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The calling AE title isn't that of a known caller, or not from this address.
    CallingAeTitle,
    /// The called AE title isn't ours.
    CalledAeTitle,
    /// The application context isn't DICOM's.
    ApplicationContext,
    /// Protocol version 1 isn't among those of the requestor.
    ProtocolVersion,
    /// As many associations as may be are running, or the sink is busy, or we are stopping.
    Congestion,
    /// The sink has no room.
    LocalLimit,
}

impl Rejection {
    /// All of them, in the order of the counters.
    pub const ALL: [Rejection; 6] = [
        Rejection::CallingAeTitle,
        Rejection::CalledAeTitle,
        Rejection::ApplicationContext,
        Rejection::ProtocolVersion,
        Rejection::Congestion,
        Rejection::LocalLimit,
    ];

    /// The standard's words for it.
    pub fn name(self) -> &'static str {
        match self {
            Rejection::CallingAeTitle => "calling AE title not recognized",
            Rejection::CalledAeTitle => "called AE title not recognized",
            Rejection::ApplicationContext => "application context name not supported",
            Rejection::ProtocolVersion => "protocol version not supported",
            Rejection::Congestion => "temporary congestion",
            Rejection::LocalLimit => "local limit exceeded",
        }
    }

    /// Result, source and reason of the A-ASSOCIATE-RJ (PS3.8 Table 9-21).
    fn codes(self) -> [u8; 3] {
        const PERMANENT: u8 = 1;
        const TRANSIENT: u8 = 2;
        match self {
            Rejection::CallingAeTitle => [PERMANENT, 1, 3],
            Rejection::CalledAeTitle => [PERMANENT, 1, 7],
            Rejection::ApplicationContext => [PERMANENT, 1, 2],
            Rejection::ProtocolVersion => [PERMANENT, 2, 2],
            Rejection::Congestion => [TRANSIENT, 3, 1],
            Rejection::LocalLimit => [TRANSIENT, 3, 2],
        }
    }

    /// The A-ASSOCIATE-RJ PDU (PS3.8 9.3.4). Written here because dicom-ul's server rejects
    /// permanently whatever the reason, and a sender gives up on that.
    pub(super) fn pdu(self) -> [u8; 10] {
        let [result, source, reason] = self.codes();
        [pdu_type::A_ASSOCIATE_RJ, 0, 0, 0, 0, 4, 0, result, source, reason]
    }
}

/// An accepted presentation context.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub id: u8,
    pub abstract_syntax: Uid,
    pub transfer_syntax: Uid,
}

/// What was agreed.
pub(super) struct Agreement {
    pub contexts: Vec<Context>,
    /// The longest PDU that the requestor takes, in bytes; 0: no limit.
    pub peer_pdu_bytes_max: u32,
}

impl Agreement {
    pub fn context(&self, id: u8) -> Option<&Context> {
        self.contexts.iter().find(|context| context.id == id)
    }
}

/// Checks what a requestor may get wrong before anyone asks who it is.
pub(super) fn check_protocol(rq: &AssociationRQ) -> Result<(), Rejection> {
    // Only bit 0 is tested (PS3.8 9.3.2): a later version may set others too.
    if rq.protocol_version & 1 == 0 {
        return Err(Rejection::ProtocolVersion);
    }
    if plain(&rq.application_context_name) != APPLICATION_CONTEXT {
        return Err(Rejection::ApplicationContext);
    }
    Ok(())
}

/// Decides each presentation context and writes the A-ASSOCIATE-AC.
pub(super) fn accept(
    rq: &AssociationRQ,
    sop_classes: &[Uid],
    transfer_syntaxes: &[Uid],
    pdu_bytes_max: u32,
) -> Result<(AssociationAC, Agreement), Fault> {
    let mut results = Vec::with_capacity(rq.presentation_contexts.len());
    let mut contexts: Vec<Context> = Vec::new();
    let mut seen = [false; 256];
    for proposed in &rq.presentation_contexts {
        let id = proposed.id;
        if id % 2 == 0 || std::mem::replace(&mut seen[usize::from(id)], true) {
            return violation(Abort::InvalidParameter, "a presentation context id even or twice");
        }
        let decision = decide(proposed, sop_classes, transfer_syntaxes);
        let (reason, transfer_syntax) = match decision {
            Ok(context) => {
                let chosen = context.transfer_syntax.as_str().to_owned();
                contexts.push(context);
                (Reason::Acceptance, chosen)
            }
            // Not significant then (PS3.8 9.3.3.2), but it has to be there.
            Err(reason) => (reason, IMPLICIT_VR_LE.to_owned()),
        };
        results.push(PresentationContextResult { id, reason, transfer_syntax });
    }
    let peer_pdu_bytes_max = max_length(&rq.user_variables);
    if (1..PEER_PDU_BYTES_MIN).contains(&peer_pdu_bytes_max) {
        return violation(Abort::InvalidParameter, "a maximum length that no PDU fits");
    }
    let answer = AssociationAC {
        protocol_version: 1,
        calling_ae_title: rq.calling_ae_title.clone(),
        called_ae_title: rq.called_ae_title.clone(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: results,
        user_variables: user_information(pdu_bytes_max),
    };
    Ok((answer, Agreement { contexts, peer_pdu_bytes_max }))
}

/// The user information item of both roles (PS3.7 D.3.3).
pub(super) fn user_information(pdu_bytes_max: u32) -> Vec<UserVariableItem> {
    vec![
        UserVariableItem::MaxLength(pdu_bytes_max),
        UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS_UID.to_owned()),
        UserVariableItem::ImplementationVersionName(IMPLEMENTATION_VERSION_NAME.to_owned()),
    ]
}

/// The longest PDU that the peer takes, in bytes; 0, also where it doesn't say: no limit.
pub(super) fn max_length(user_variables: &[UserVariableItem]) -> u32 {
    user_variables
        .iter()
        .find_map(|item| match item {
            UserVariableItem::MaxLength(length) => Some(*length),
            _ => None,
        })
        .unwrap_or(0)
}

/// A UID without the padding that some requestors put after it.
pub(super) fn plain(uid: &str) -> &str {
    uid.trim_end_matches(['\0', ' '])
}

fn decide(
    proposed: &PresentationContextProposed,
    sop_classes: &[Uid],
    transfer_syntaxes: &[Uid],
) -> Result<Context, Reason> {
    let abstract_syntax: Uid =
        proposed.abstract_syntax.parse().map_err(|_| Reason::AbstractSyntaxNotSupported)?;
    let verification = abstract_syntax.as_str() == VERIFICATION;
    if !verification && !sop_classes.contains(&abstract_syntax) {
        return Err(Reason::AbstractSyntaxNotSupported);
    }
    // C-ECHO has no data set: whatever else is configured, the default transfer syntax will do.
    // A request for storage commitment has no pixels that could be compressed.
    let commitment = abstract_syntax.as_str() == STORAGE_COMMITMENT;
    let acceptable = |uid: &Uid| match uid.as_str() {
        IMPLICIT_VR_LE if verification || commitment => true,
        EXPLICIT_VR_LE if commitment => true,
        _ => transfer_syntaxes.contains(uid) && !commitment,
    };
    let transfer_syntax = proposed
        .transfer_syntaxes
        .iter()
        .filter_map(|uid| uid.parse().ok())
        .find(acceptable)
        .ok_or(Reason::TransferSyntaxesNotSupported)?;
    Ok(Context { id: proposed.id, abstract_syntax, transfer_syntax })
}
