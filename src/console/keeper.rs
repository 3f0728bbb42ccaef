//! Answers what the pages ask: who somebody is, whether he may, and then what a command would do.

use super::accounts::{Account, Accounts};
use super::elsewhere::Elsewheres;
use super::pending::Pending;
use super::question::{Ask, Password, Person, Question, Refusal, Reply, SignedIn, Visitor};
use super::sessions::{Session, Sessions};
use crate::approval::Operation;
use crate::audit::Event;
use crate::config::Settings;
use crate::desk;
use crate::key::RootKey;
use crate::net::oidc::Provider;
use crate::note::Signer;
use crate::spool::Spool;
use crate::view::{self, History};
use serde::Serialize;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// What the answers are made of.
pub struct Site {
    /// The configuration.
    pub settings: Settings,
    /// The root key: for accounts, for the log where no gateway runs, for what people decide.
    pub root: RootKey,
    /// The state directory.
    pub spool: Spool,
    /// Who says who somebody is, besides passwords.
    pub provider: Option<Provider>,
}

/// Answers.
pub struct Keeper {
    pub(super) site: Site,
    pub(super) pending: Pending,
    pub(super) accounts: Accounts,
    pub(super) elsewheres: Elsewheres,
    sessions: Sessions,
    history: Mutex<Option<History>>,
}

impl Keeper {
    /// The one of this site.
    pub fn new(site: Site) -> Self {
        let accounts = Accounts::of(&site.settings.state, &site.root);
        let pending = Pending::of(&site.settings.state);
        let (sessions, history) = (Sessions::default(), Mutex::default());
        let elsewheres = Elsewheres::default();
        Keeper { site, pending, accounts, elsewheres, sessions, history }
    }

    /// The reply to a question.
    pub fn reply(&self, ask: Ask) -> Reply {
        let Ask { number, visitor, csrf, question } = ask;
        Reply { number, answer: self.answer(&visitor, csrf.as_deref(), question) }
    }

    fn answer(
        &self,
        visitor: &Visitor,
        csrf: Option<&str>,
        question: Question,
    ) -> Result<Value, Refusal> {
        let Some(right) = question.right() else {
            return match question {
                Question::SignIn { name, password } => {
                    self.sign_in(&name, &password, visitor.from).and_then(value)
                }
                Question::SignInElsewhere => self.send_elsewhere().and_then(value),
                Question::CameBack { state, code } => {
                    self.came_back(&state, &code, visitor.from).and_then(value)
                }
                _ => Err(Refusal::SignedOut),
            };
        };
        let token = visitor.session.as_deref().ok_or(Refusal::SignedOut)?;
        // Whoever lost his account, or a role, has lost it now.
        self.sessions.update(&self.accounts.read().map_err(failed)?);
        let session = self.sessions.of(token).ok_or(Refusal::SignedOut)?;
        if !right.is_of(session.roles()) {
            return Err(Refusal::NotYours);
        }
        if question.is_a_deed() && !csrf.is_some_and(|csrf| session.has_sent(csrf)) {
            return Err(Refusal::Forged);
        }
        self.answer_to(&session, token, visitor.from, question)
    }

    /// The answer to somebody who may have it.
    fn answer_to(
        &self,
        session: &Session,
        token: &str,
        from: IpAddr,
        question: Question,
    ) -> Result<Value, Refusal> {
        let Site { settings, root, spool, .. } = &self.site;
        match question {
            Question::SignIn { .. } | Question::SignInElsewhere | Question::CameBack { .. } => {
                Err(Refusal::SignedOut)
            }
            Question::SignOut => {
                self.sessions.end(token);
                value(self.note(signed("signed-out", &session.account.name, from))?)
            }
            Question::ChangePassword { old, new } => {
                self.change_password(session, &old, &new, from).and_then(value)
            }
            Question::Who => value(person(session)),
            Question::Flow => {
                value(self.history(|history| view::flow::look(settings, spool, history))?)
            }
            Question::Study { name } => value(
                view::study::look(spool, root, &name).map_err(failed)?.ok_or(Refusal::Unknown)?,
            ),
            Question::Records(wanted) => {
                self.reads(session, "console records")?;
                value(view::audit::records(spool, wanted).map_err(failed)?)
            }
            Question::ExportLog(wanted) => {
                self.reads(session, "console export")?;
                value(view::audit::export(spool, wanted).map_err(failed)?)
            }
            Question::VerifyLog => value(view::audit::verify(spool).map_err(failed)?),
            Question::Receipt { name } => {
                self.reads(session, "console receipt")?;
                value(view::audit::receipt(spool, &name).map_err(failed)?.ok_or(Refusal::Unknown)?)
            }
            Question::Checkpoint { key } => {
                value(view::audit::checkpoint(spool, key).map_err(failed)?)
            }
            Question::Pending => value(self.waiting(session)?),
            Question::Sign { nonce, password } => {
                value(self.sign(session, &nonce, &password, from)?)
            }
            Question::Drop { nonce } => value(self.drop_request(session, &nonce)?),
            Question::LiftObjection { reference } => {
                let lift = Operation::LiftObjection { reference, scope: None };
                value(self.ask_or_do(session, &lift)?)
            }
            Question::AddObjection { id, issuer, scope } => {
                value(self.add_objection(&id, &issuer, &scope)?)
            }
            Question::Profiles => value(self.profiles()?),
            Question::Profile { destination, from } => {
                value(self.profile(&destination, from.as_deref())?)
            }
            Question::TryProfile { text, batch } => value(self.try_profile(&text, &batch)?),
            Question::ProposeProfile { destination, text, because } => {
                value(self.propose_profile(session, &destination, &text, &because)?)
            }
            Question::ActivateProfile { destination, which } => {
                value(self.activate_profile(session, destination, which)?)
            }
            Question::Quarantine => value(view::quarantine::look(spool).map_err(failed)?),
            Question::Held { name } => value(self.held(&name)?),
            Question::Retry { names, under } => value(self.retry(names, under.as_deref())),
            Question::Reject { names, because } => value(self.reject(session, names, &because)?),
            Question::Release { name, because } => {
                value(self.ask_release(session, &name, &because)?)
            }
            Question::Picture { name, what, because } => {
                value(self.picture(session, name, what, because)?)
            }
            Question::Registers => {
                value(view::registers::look(settings, root, spool).map_err(failed)?)
            }
        }
    }

    fn sign_in(&self, name: &str, password: &Password, from: IpAddr) -> Result<SignedIn, Refusal> {
        if !self.sessions.may_try(name, from) {
            return Err(Refusal::TooOften);
        }
        let accounts = self.accounts.read().map_err(failed)?;
        let account = accounts.iter().find(|account| account.name == name);
        // Whether there is such an account, the time that it takes does not tell.
        let tried = account.or(accounts.first());
        let is_right = tried.is_some_and(|account| account.open(&password.0).is_some());
        let Some(account) = account.filter(|_| is_right) else {
            let known = account.map_or("nobody of the console", |account| &account.name);
            self.note(signed("refused", known, from))?;
            return Err(Refusal::Wrong);
        };
        self.sessions.was_right(name, from);
        self.let_in(account, from)
    }

    /// Begins a session of somebody of whom it is known who he is.
    pub(super) fn let_in(&self, account: &Account, from: IpAddr) -> Result<SignedIn, Refusal> {
        self.note(signed("signed-in", &account.name, from))?;
        let (token, session) = self.sessions.begin(account.clone()).map_err(failed)?;
        Ok(SignedIn { session: token, person: person(&session) })
    }

    /// Everybody who is signed in under the old one is signed out.
    fn change_password(
        &self,
        session: &Session,
        old: &Password,
        new: &Password,
        from: IpAddr,
    ) -> Result<SignedIn, Refusal> {
        let name = &session.account.name;
        if !self.sessions.may_try(name, from) {
            return Err(Refusal::TooOften);
        }
        let changed = session.account.with_password(&old.0, &new.0).ok_or(Refusal::Wrong)?;
        self.sessions.was_right(name, from);
        self.note(signed("password-changed", name, from))?;
        let put = self.accounts.change(|accounts| {
            let own = accounts.iter_mut().find(|account| **account == session.account);
            *own.ok_or(std::io::ErrorKind::NotFound)? = changed.clone();
            Ok::<_, std::io::Error>(())
        });
        put.map_err(failed)?;
        let (token, session) = self.sessions.begin(changed).map_err(failed)?;
        Ok(SignedIn { session: token, person: person(&session) })
    }

    /// The person's own key, opened by the password.
    pub(super) fn key_of(
        &self,
        session: &Session,
        password: &Password,
        from: IpAddr,
    ) -> Result<Signer, Refusal> {
        let name = &session.account.name;
        if !self.sessions.may_try(name, from) {
            return Err(Refusal::TooOften);
        }
        let signer = session.account.open(&password.0).ok_or(Refusal::Wrong)?;
        self.sessions.was_right(name, from);
        Ok(signer)
    }

    /// Whoever reads the log stands in it.
    fn reads(&self, session: &Session, command: &str) -> Result<(), Refusal> {
        let by = session.account.name.clone();
        self.note(Event::AuditRead { command: command.to_owned(), by })
    }

    /// Writes to the log, before anything is shown or done.
    pub(super) fn note(&self, event: Event) -> Result<(), Refusal> {
        let Site { settings, root, .. } = &self.site;
        desk::note(&settings.state, root, event).map(drop).map_err(failed)
    }

    /// Something made of what the log said lately.
    fn history<T>(
        &self,
        look: impl FnOnce(&History) -> Result<T, view::Error>,
    ) -> Result<T, Refusal> {
        let mut kept = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let audit = self.site.spool.dir(crate::spool::Place::Audit);
        let mut history = match kept.take() {
            Some(history) => history,
            None => History::begin(&audit).map_err(failed)?,
        };
        // One that is not what was signed is begun anew, and says so each time.
        history.catch_up().map_err(failed)?;
        let made = look(&history).map_err(failed);
        *kept = Some(history);
        made
    }
}

fn person(session: &Session) -> Person {
    let account = &session.account;
    Person {
        name: account.name.clone(),
        roles: account.roles.clone(),
        csrf: session.csrf.clone(),
        person: account.person.clone(),
    }
}

pub(super) fn signed(change: &str, by: &str, from: IpAddr) -> Event {
    Event::Console { change: change.to_owned(), by: by.to_owned(), from: from.to_string() }
}

fn value(view: impl Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(view).map_err(failed)
}

pub(super) fn failed(error: impl std::fmt::Display) -> Refusal {
    Refusal::Failed(error.to_string())
}
