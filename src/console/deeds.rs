//! What people do in the console: one person alone, or two who sign one after the other.

use super::keeper::{Keeper, Site, failed};
use super::pending::Waiting;
use super::question::{Outcome, Password, Refusal};
use super::sessions::Session;
use crate::approval::{Approvers, InForce, Operation, Request};
use crate::audit::{Event, Signer as LogSigner};
use crate::clock::Day;
use crate::desk;
use crate::objection::{Book, Scope, Wish};
use crate::spool::Place;
use std::net::IpAddr;

impl Keeper {
    /// What waits for signatures.
    pub(super) fn waiting(&self, session: &Session) -> Result<Vec<Waiting>, Refusal> {
        self.pending.all(&self.approvers()?, &session.account).map_err(failed)
    }

    /// Has an operation agreed to. Where nobody has to, it is done at once.
    pub(super) fn ask_or_do(
        &self,
        session: &Session,
        operation: &Operation,
    ) -> Result<Outcome, Refusal> {
        if !self.approvers()?.must_agree_to(operation).map_err(failed)? {
            return self.carry_out(session, operation, None).map(Outcome::Done);
        }
        let log = LogSigner::of(&self.site.root);
        let asked = self.pending.ask(operation, &session.account.name, log.verifier().name());
        asked.map(Outcome::Asked).map_err(failed)
    }

    /// Signs a request with the person's own key; with the second signature it is done.
    pub(super) fn sign(
        &self,
        session: &Session,
        nonce: &str,
        password: &Password,
        from: IpAddr,
    ) -> Result<Outcome, Refusal> {
        let signer = self.key_of(session, password, from)?;
        let approvers = self.approvers()?;
        let own = signer.verifier().to_string();
        if !approvers.has(&own) {
            return Err(Refusal::Failed(format!(
                "{} is none of those who agree: two people must first put this line under approvers: in the configuration: {own}",
                session.account.name
            )));
        }
        let signed = self.pending.sign(nonce, &signer).map_err(failed)?;
        let (request, note) = signed.ok_or(Refusal::Unknown)?;
        let log = LogSigner::of(&self.site.root);
        match approvers.check(&note, &request.operation, log.verifier().name()) {
            Ok(_) => {
                let done = self.carry_out(session, &request.operation, Some((&request, &note)))?;
                self.pending.drop(nonce).map_err(failed)?;
                Ok(Outcome::Done(done))
            }
            Err(crate::approval::Error::TooFew(_)) => Ok(Outcome::Asked(nonce.to_owned())),
            Err(error) => Err(failed(error)),
        }
    }

    /// That a request is not wanted any more, by who asked for it or one of those who agree.
    pub(super) fn drop_request(&self, session: &Session, nonce: &str) -> Result<Outcome, Refusal> {
        let waiting = self.waiting(session)?.into_iter().find(|waiting| waiting.nonce == nonce);
        let Waiting { operation, what, by: asked, may_drop, .. } =
            waiting.ok_or(Refusal::Unknown)?;
        if !may_drop {
            return Err(Refusal::Failed(format!(
                "{asked}, who asked for it, may drop it, or one of those who agree: ask one of them"
            )));
        }
        let (nonce, by) = (nonce.to_owned(), session.account.name.clone());
        self.note(Event::RequestDropped { operation, what, asked, by, nonce: nonce.clone() })?;
        self.pending.drop(&nonce).map_err(failed)?;
        Ok(Outcome::Done(String::new()))
    }

    /// Does what two people agree to, or one person may do alone: in words, what became of it.
    fn carry_out(
        &self,
        session: &Session,
        operation: &Operation,
        agreed: Option<(&Request, &str)>,
    ) -> Result<String, Refusal> {
        match operation {
            Operation::LiftObjection { reference, scope } => {
                self.take(operation, agreed)?;
                self.lift(reference, scope.as_deref())
            }
            Operation::Change { .. } => self.change(session, operation, agreed),
            Operation::Release { .. } => self.release(operation, agreed),
            Operation::Reidentify { .. } | Operation::Export { .. } | Operation::Key { .. } => {
                Err(Refusal::Failed(
                    "the console does not do this: use the command, with --approval".to_owned(),
                ))
            }
        }
    }

    /// Has the gateway take an approval, once: it stands in the log then.
    pub(super) fn take(
        &self,
        operation: &Operation,
        agreed: Option<(&Request, &str)>,
    ) -> Result<(), Refusal> {
        let Site { settings, root, .. } = &self.site;
        let Some((_, note)) = agreed else { return Ok(()) };
        desk::approve(&settings.state, root, note, operation).map(drop).map_err(failed)
    }

    fn lift(&self, reference: &str, scope: Option<&str>) -> Result<String, Refusal> {
        let scope = scope.map(str::parse::<Scope>).transpose().map_err(failed)?;
        match self.book().lift(reference, scope.as_ref()).map_err(failed)? {
            0 => Err(Refusal::Unknown),
            n => Ok(format!("{reference}: {n}")),
        }
    }

    /// That a patient objects. One person does it: nothing leaves because of it.
    pub(super) fn add_objection(
        &self,
        id: &Password,
        issuer: &str,
        scope: &str,
    ) -> Result<Outcome, Refusal> {
        let scope: Scope = scope.parse().map_err(failed)?;
        scope.is_known_to(self.site.settings.recipients()).map_err(failed)?;
        // The number becomes a hash here, and is wiped.
        let wish = Wish::new(issuer.trim(), id.0.trim(), scope, Day::today());
        let wish = wish.ok_or_else(|| failed("write down the patient's number"))?;
        let added = self.book().add(&[wish]).map_err(failed)?;
        let references: Vec<String> = added.into_iter().map(|added| added.reference).collect();
        Ok(Outcome::Done(references.join(" ")))
    }

    fn book(&self) -> Book {
        Book::new(self.site.spool.dir(Place::Objections), &self.site.root)
    }

    /// Who agrees: those in force, or before the gateway has ever run those of the configuration.
    pub(super) fn approvers(&self) -> Result<Approvers, Refusal> {
        let Site { settings, root, .. } = &self.site;
        let entered = InForce::of(&settings.state, root).read().map_err(failed)?;
        Ok(entered.map_or_else(|| settings.approvers.clone(), |entered| entered.policy.approvers))
    }
}
