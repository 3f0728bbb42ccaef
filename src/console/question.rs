//! What the pages ask the keeper, and what it answers: one JSON value a line, in both directions.

use super::roles::{Right, Role};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Who asks, as far as his browser says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Visitor {
    /// What the browser got when he signed in.
    pub session: Option<String>,
    /// Where he calls from.
    pub from: IpAddr,
}

/// What the pages say.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// They listen here, confined.
    Listening(SocketAddr),
    /// They do not; why.
    NotListening(String),
    /// They ask.
    Ask(Box<Ask>),
}

/// A question.
#[derive(Serialize, Deserialize)]
pub struct Ask {
    /// Its number, for the reply.
    pub number: u64,
    /// Who asks.
    pub visitor: Visitor,
    /// What the form brought along, of one that changes something.
    pub csrf: Option<String>,
    /// What.
    pub question: Question,
}

/// The reply to a question.
#[derive(Serialize, Deserialize)]
pub struct Reply {
    /// Of the question.
    pub number: u64,
    /// A view, or why there is none.
    pub answer: Result<Value, Refusal>,
}

/// A password on its way. Not shown, not kept.
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

/// All that can be asked. Each page has its variants, and says which right they take.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// To be signed in: [`SignedIn`].
    SignIn {
        /// The account.
        name: String,
        /// Its password.
        password: Password,
    },
    /// Where the identity provider signs somebody in: [`Elsewhere`].
    SignInElsewhere,
    /// That the provider has: [`SignedIn`].
    CameBack {
        /// By what the way there is known.
        state: String,
        /// What the provider gave the browser.
        code: Password,
    },
    /// To be signed out.
    SignOut,
    /// To have another password: [`SignedIn`], anew.
    ChangePassword {
        /// The one that counts.
        old: Password,
        /// The one that is to.
        new: Password,
    },
    /// Who he is: [`Person`].
    Who,
    /// Sources, queues, destinations: `view::flow::Flow`.
    Flow,
    /// The way of one study: `view::study::Study`.
    Study {
        /// A batch, or the Study Instance UID as it left or as it came.
        name: String,
    },
    /// Records of the log: `view::audit::Records`.
    Records(crate::view::audit::Wanted),
    /// The same as CSV, all of them: a file.
    ExportLog(crate::view::audit::Wanted),
    /// Whether the log is what was signed: `view::audit::Verified`.
    VerifyLog,
    /// What proves what the log says of a study: a file.
    Receipt {
        /// A batch, or the Study Instance UID as it left.
        name: String,
    },
    /// The newest checkpoint, or the log's key: a file.
    Checkpoint {
        /// The key.
        key: bool,
    },
    /// What waits for the signatures of two people: [`Waiting`](super::Waiting), all of them.
    Pending,
    /// To sign one of them; done when it is the second signature: [`Outcome`].
    Sign {
        /// By what it is spoken of.
        nonce: String,
        /// Opens the person's key.
        password: Password,
    },
    /// That one of them is not wanted any more.
    Drop {
        /// By what it is spoken of.
        nonce: String,
    },
    /// That an objection be lifted, if two agree where two must: [`Outcome`].
    LiftObjection {
        /// By what it is spoken of.
        reference: String,
    },
    /// That a patient objects: [`Outcome`].
    AddObjection {
        /// The patient's number; nobody is shown it.
        id: Password,
        /// Who gave it out; empty: it counts for every issuer.
        issuer: String,
        /// `all`, `project:NAME` or `destination:NAME`.
        scope: String,
    },
    /// What stays inside: [`Held`](crate::view::quarantine::Held), all of it.
    Quarantine,
    /// What is known of it: [`Whole`](crate::view::quarantine::Whole), of each whose name begins so.
    Held {
        /// Its name, or how it begins.
        name: String,
    },
    /// That things be tried again, each for itself: [`Deed`]s.
    Retry {
        /// By what they are called.
        names: Vec<String>,
        /// Once under this profile, a shipped one or a version that is kept; `None`: under the one in force.
        under: Option<String>,
    },
    /// That they never leave, each for itself: [`Deed`]s.
    Reject {
        /// By what they are called.
        names: Vec<String>,
        /// Why.
        because: String,
    },
    /// That one leaves although a stage has its doubts, if two agree: [`Outcome`].
    Release {
        /// By what it is called.
        name: String,
        /// Why.
        because: String,
    },
    /// A picture that shows the patient: `view::pictures::Picture`.
    Picture {
        /// Of what is called so.
        name: String,
        /// A slice, or a surface.
        what: crate::view::pictures::What,
        /// Why.
        because: String,
    },
    /// Destinations, objections, keys: `view::registers::Registers`.
    Registers,
    /// Which profile is in force for whom: `view::profile::Profiles`.
    Profiles,
    /// All about those of one destination: `view::profile::Written`.
    Profile {
        /// The destination.
        destination: String,
        /// Which text to begin from; `None`: what is in force.
        from: Option<String>,
    },
    /// What would become of a study that is here: `view::profile::DryRun`.
    TryProfile {
        /// The YAML.
        text: String,
        /// The batch.
        batch: String,
    },
    /// That a profile be kept as a draft: `view::profile::Draft`.
    ProposeProfile {
        /// The destination.
        destination: String,
        /// The YAML.
        text: String,
        /// Why it is needed.
        because: String,
    },
    /// That a version be put in force, if two agree where two must: [`Outcome`].
    ActivateProfile {
        /// The destination.
        destination: String,
        /// Which.
        which: crate::shelf::Which,
    },
}

/// What became of one of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// By what it is called.
    pub name: String,
    /// Why it was not done; `None`: it was.
    pub not: Option<String>,
}

/// What became of a deed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is done; more of it in words, if there is more to say.
    Done(String),
    /// Two people must sign it: it waits under this nonce.
    Asked(String),
}

/// Who is signed in, and what his forms bring along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// By what he is called.
    pub name: String,
    /// What he is there for.
    pub roles: Vec<Role>,
    /// Of his session.
    pub csrf: String,
    /// The line for `approvers:`.
    pub person: String,
}

/// Where a browser is to go.
#[derive(Serialize, Deserialize)]
pub struct Elsewhere {
    /// The address.
    pub url: String,
    /// By what it is known when it comes back.
    pub state: String,
}

/// What the browser gets.
#[derive(Serialize, Deserialize)]
pub struct SignedIn {
    /// For the browser alone.
    pub session: String,
    /// Who.
    pub person: Person,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// Nobody is signed in, or not any more.
    SignedOut,
    /// Not with these roles.
    NotYours,
    /// The form was not his.
    Forged,
    /// Name or password are wrong.
    Wrong,
    /// Too often.
    TooOften,
    /// What shows a patient is shown for a reason.
    NoReason,
    /// There is no such thing.
    Unknown,
    /// In words: what is wrong, and what to do.
    Failed(String),
}

impl Question {
    /// What it takes; `None`: not even to be signed in.
    pub fn right(&self) -> Option<Right> {
        match self {
            Question::SignIn { .. } | Question::SignInElsewhere | Question::CameBack { .. } => None,
            Question::SignOut
            | Question::Who
            | Question::ChangePassword { .. }
            | Question::Flow
            | Question::Study { .. }
            | Question::Pending
            | Question::Sign { .. }
            | Question::Drop { .. }
            | Question::Profiles
            | Question::Profile { .. }
            | Question::Quarantine
            | Question::Held { .. }
            | Question::Registers => Some(Right::Look),
            Question::TryProfile { .. }
            | Question::ProposeProfile { .. }
            | Question::ActivateProfile { .. } => Some(Right::EditProfiles),
            Question::Retry { .. } => Some(Right::Operate),
            Question::Reject { .. } | Question::Release { .. } => Some(Right::Review),
            Question::Picture { .. } => Some(Right::SeePatients),
            Question::LiftObjection { .. } | Question::AddObjection { .. } => {
                Some(Right::KeepRegisters)
            }
            Question::Records(_)
            | Question::ExportLog(_)
            | Question::VerifyLog
            | Question::Receipt { .. }
            | Question::Checkpoint { .. } => Some(Right::ReadLog),
        }
    }

    /// Whether it changes something: then the form must be the person's own.
    pub fn is_a_deed(&self) -> bool {
        matches!(
            self,
            Question::SignOut
                | Question::ChangePassword { .. }
                | Question::Sign { .. }
                | Question::Drop { .. }
                | Question::LiftObjection { .. }
                | Question::AddObjection { .. }
                | Question::TryProfile { .. }
                | Question::ProposeProfile { .. }
                | Question::ActivateProfile { .. }
                | Question::Retry { .. }
                | Question::Reject { .. }
                | Question::Release { .. }
                | Question::Picture { .. }
        )
    }
}
