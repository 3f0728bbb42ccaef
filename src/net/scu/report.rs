//! Reports of the Storage Commitment SCP on an association of its own (PS3.4 J.3.3): to the inside, and nowhere else.
//!
//! efface is the requestor of the association and the SCP of the SOP class on it, so it proposes that role (PS3.7
//! D.3.3.4) and reports only to a peer that agrees to it.

use super::{Association, Error, Inside, Proposal};
use crate::dicom::part10::element_encoding;
use crate::net::dimse::event_report_rq;
use crate::net::negotiate::plain;
use crate::net::status::Class;
use crate::net::upper::message_pdus;
use crate::net::{IMPLICIT_VR_LE, STORAGE_COMMITMENT};
use crate::spool::commitment::Report;
use dicom_ul::pdu::{RequestorRoles, UserVariableItem};

impl Association<Inside> {
    /// Reports on a request for storage commitment and waits for the response; needs
    /// [`Proposal::storage_commitment`] among the proposals.
    ///
    /// There is no such thing on an association to the outside:
    ///
    /// ```compile_fail,E0599
    /// use efface::net::scu::{Association, Outside};
    /// use efface::spool::commitment::Report;
    ///
    /// fn tell_the_outside(association: &mut Association<Outside>, report: &Report) {
    ///     let _ = association.n_event_report(report);
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAccepted`] and [`Error::Refused`] leave the association usable.
    pub fn n_event_report(&mut self, report: &Report) -> Result<(), Error> {
        let context = self.context(STORAGE_COMMITMENT, IMPLICIT_VR_LE);
        let encoding = element_encoding(IMPLICIT_VR_LE);
        let (Some(context), Some(encoding)) = (context, encoding) else {
            return Err(Error::NotAccepted { destination: self.destination.clone() });
        };
        self.check_alive()?;
        let command = event_report_rq(self.next_message_id(), report.event_type());
        let data_set = report.encode(encoding);
        self.upper.begin_message(self.message);
        let pdus = message_pdus(context, &command, &data_set, self.pdu_bytes_max);
        let answered = self.upper.send(&pdus).and_then(|()| self.response(context));
        let status = answered.map_err(|fault| self.broken(fault))?;
        self.upper.end_message();
        match status.class() {
            Class::Success | Class::Warning => Ok(()),
            Class::Failure => Err(Error::Refused { destination: self.destination.clone(), status }),
        }
    }
}

/// The role that efface proposes for a SOP class: none where it is the SCU, as every requestor is by itself.
pub(super) fn roles(proposals: &[Proposal]) -> impl Iterator<Item = UserVariableItem> + '_ {
    let as_scp = proposals.iter().filter(|proposal| is_scp(proposal));
    as_scp.map(|proposal| {
        let class = proposal.sop_class.as_str().to_owned();
        let roles = RequestorRoles { scu: false, scp: true };
        UserVariableItem::ScuScpRoleSelectionSubItem(class, roles)
    })
}

/// Whether the acceptor agrees to the role in which a proposal was made.
pub(super) fn agrees(user_variables: &[UserVariableItem], proposal: &Proposal) -> bool {
    let agreed = |item: &UserVariableItem| match item {
        UserVariableItem::ScuScpRoleSelectionSubItem(class, roles) => {
            roles.scp && plain(class) == proposal.sop_class.as_str()
        }
        _ => false,
    };
    !is_scp(proposal) || user_variables.iter().any(agreed)
}

fn is_scp(proposal: &Proposal) -> bool {
    proposal.sop_class.as_str() == STORAGE_COMMITMENT
}
