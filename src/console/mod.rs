//! What people see and do in a browser.
//!
//! ```text
//! browser <- HTTP, TLS -> pages (efface pages)          <- pipe ->   keeper (efface console)
//!                         web/: routes, templates, words             accounts, sessions, roles
//!                         confined: no file, no key, no root          views of the state directory, decisions
//! ```
//! Whoever takes over the process that talks HTTP has the sessions of those who are signed in, and can ask the keeper what
//! they may ask, and nothing else: who somebody is, what he may, and that a form was his, the keeper decides
//! ([`Keeper`]). What a page shows is a view (`crate::view`), which a command prints, too.

mod accounts;
mod deeds;
mod elsewhere;
mod keeper;
mod pending;
mod profile_deeds;
mod quarantine;
mod question;
mod roles;
mod sessions;
pub mod web;

pub use accounts::{Account, Accounts};
pub use keeper::{Keeper, Site};
pub use pending::{Pending, Waiting};
pub use question::{
    Ask, Deed, Elsewhere, Outcome, Password, Person, Question, Refusal, Reply, Said, SignedIn,
    Visitor,
};
pub use roles::{Right, Role};
pub use sessions::Sessions;
