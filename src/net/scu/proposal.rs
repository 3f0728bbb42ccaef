//! Presentation contexts: what is proposed, and what of it a peer takes.

use super::report;
use crate::id::Uid;
use crate::net::negotiate::plain;
use crate::net::{
    IMPLICIT_VR_LE, STORAGE_COMMITMENT, STUDY_ROOT_FIND, STUDY_ROOT_MOVE, VERIFICATION,
};
use dicom_ul::pdu::{AssociationAC, PresentationContextProposed, PresentationContextResultReason};

/// Presentation contexts that one association carries: the odd numbers of a byte (PS3.8 9.3.2.2).
pub const PROPOSALS_MAX: usize = 128;

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

impl Proposal {
    /// # Errors
    /// A text that isn't a UID.
    pub fn new(sop_class: &str, transfer_syntax: &str) -> Result<Self, crate::id::Error> {
        Ok(Proposal { sop_class: sop_class.parse()?, transfer_syntax: transfer_syntax.parse()? })
    }

    /// What [`super::Association::c_echo`] needs.
    ///
    /// # Errors
    /// None: both UIDs are the standard's.
    pub fn verification() -> Result<Self, crate::id::Error> {
        Proposal::new(VERIFICATION, IMPLICIT_VR_LE)
    }

    /// What [`super::Association::n_event_report`] needs.
    ///
    /// # Errors
    /// None: both UIDs are the standard's.
    pub fn storage_commitment() -> Result<Self, crate::id::Error> {
        Proposal::new(STORAGE_COMMITMENT, IMPLICIT_VR_LE)
    }

    /// What [`super::Association::c_find`] and [`super::Association::c_move`] need.
    ///
    /// # Errors
    /// None: the UIDs are the standard's.
    pub fn query_retrieve() -> Result<[Self; 2], crate::id::Error> {
        let find = Proposal::new(STUDY_ROOT_FIND, IMPLICIT_VR_LE)?;
        Ok([find, Proposal::new(STUDY_ROOT_MOVE, IMPLICIT_VR_LE)?])
    }
}

/// Groups proposals into associations: each once, in the order of their first appearance.
pub fn partition(proposals: impl IntoIterator<Item = Proposal>) -> Vec<Vec<Proposal>> {
    let mut seen = std::collections::HashSet::new();
    let distinct: Vec<Proposal> =
        proposals.into_iter().filter(|proposal| seen.insert(proposal.clone())).collect();
    distinct.chunks(PROPOSALS_MAX).map(<[Proposal]>::to_vec).collect()
}

/// The proposals as they stand in an A-ASSOCIATE-RQ.
pub(super) fn presentation_contexts(proposals: &[Proposal]) -> Vec<PresentationContextProposed> {
    let contexts = context_ids().zip(proposals).map(|(id, proposal)| PresentationContextProposed {
        id,
        abstract_syntax: proposal.sop_class.as_str().to_owned(),
        transfer_syntaxes: vec![proposal.transfer_syntax.as_str().to_owned()],
    });
    contexts.collect()
}

/// The proposals that the acceptor took, in the transfer syntax that was proposed and no other.
pub(super) fn accepted(ac: &AssociationAC, proposals: &[Proposal]) -> Vec<(Proposal, u8)> {
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

/// Presentation context ids in the order of the proposals: odd, 1 to 255 (PS3.8 9.3.2.2).
fn context_ids() -> impl Iterator<Item = u8> {
    (1..=u8::MAX).step_by(2)
}
