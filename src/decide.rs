//! What a person decides about what stays inside. Commands and the console ask for it; both say the same of it.
//!
//! ```text
//! retry     one person     back into the queue, and decided about again by the gateway; also once under a profile that is
//!                          plainly stricter (spool/under.rs)
//! reject    one person     it never leaves (spool/rejected.rs)
//! release   two people     it leaves although a stage has its doubts (spool/reviews.rs)
//! ```

use crate::approval::Operation;
use crate::config::WrittenProfile;
use crate::custody::homebox::Homebox;
use crate::custody::outbox::Outbox;
use crate::disk;
use crate::key::RootKey;
use crate::profile::compare::is_stricter;
use crate::service::handles;
use crate::shelf;
use crate::spool::quarantine::{self, Reason};
use crate::spool::rejected::{self, Bar};
use crate::spool::results::Tray;
use crate::spool::under::{self, Under};
use crate::spool::{Place, Spool, entry_ids, reviews};
use crate::view::quarantine::{Held, look};
use serde::{Deserialize, Serialize};
use std::io;

/// The longest reason that a person may give, in characters.
const BECAUSE_MAX: usize = 400;

/// Why something is not decided.
#[derive(Debug, thiserror::Error)]
pub enum No {
    /// There is no such thing.
    #[error("nothing is called {0}. See: efface spool ls, efface quarantine ls")]
    Unknown(String),
    /// Its doubts are not of the kind that people can settle.
    #[error("{name}: nobody can settle this by looking. {advice}")]
    NotBySight {
        /// By what it is called.
        name: String,
        /// What can be done.
        advice: &'static str,
    },
    /// A person has rejected it for this destination.
    #[error(
        "{0}: some of it was rejected for this destination: it never leaves there. efface quarantine reject {0} drops it"
    )]
    Rejected(String),
    /// A reason is empty, too long, or has more than one line.
    #[error("say why in one line, of at most {BECAUSE_MAX} characters: it stands in the log")]
    Because,
    /// The profile does not read, in words.
    #[error("{0}")]
    Profile(String),
    /// The profile lets more leave, or something in another way.
    #[error(
        "{name}: this profile is not plainly stricter than the one in force for {destination} (efface profile diff). One that is not takes two people: efface profile propose PROFILE --for {destination}, efface profile activate {destination} VERSION, then: efface quarantine retry {name}"
    )]
    NotStricter {
        /// By what it is called.
        name: String,
        /// For which destination it is in quarantine.
        destination: String,
    },
    /// It is here for all destinations, each of which has a profile of its own.
    #[error(
        "{0}: it is here for all destinations, or for one that the configuration does not have"
    )]
    NoDestination(String),
    /// It is not what two people have agreed to any more.
    #[error("{0} is not any more what they agreed to: look at it again, and ask them again")]
    Changed(String),
    /// The system refused.
    #[error("{name}: {error}")]
    Io {
        /// By what it is called.
        name: String,
        /// What the system said.
        error: io::Error,
    },
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// By what it was called.
    pub name: String,
    /// What becomes of it.
    pub outcome: Outcome,
    /// For which destination, of which, or by whom it was refused; empty: for all.
    pub destination: String,
    /// How many instances.
    pub instances: u64,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Gathered and worked on again.
    Queued,
    /// Sent again.
    Resent,
    /// Judged again: results.
    JudgedAgain,
    /// Delivered again to the PACS: results.
    DeliveredAgain,
    /// It never leaves.
    Rejected,
    /// It leaves.
    Released,
}

impl Decided {
    /// A line for people.
    pub fn in_words(&self) -> String {
        let Decided { name, outcome, destination, instances } = self;
        let whom = if destination.is_empty() { "anybody" } else { destination };
        match outcome {
            Outcome::Queued => format!("{name}: {instances} instances are in the queue again"),
            Outcome::Resent => format!("{name}: waits for {destination} again"),
            Outcome::JudgedAgain => {
                format!("{name}: {instances} results of {destination} are judged again")
            }
            Outcome::DeliveredAgain => format!("{name}: {instances} results are delivered again"),
            Outcome::Rejected => format!(
                "{name}: {instances} instances never leave for {whom}. The gateway notes it in the log, then drops what nobody else needs"
            ),
            Outcome::Released => format!(
                "{name}: {instances} instances leave for {destination}, if nothing else is in their way"
            ),
        }
    }
}

/// What is to be decided about: by names, or by code and destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Names as they are listed.
    pub names: Vec<String>,
    /// All that stays inside for this code.
    pub code: Option<String>,
    /// Of these, those for this destination.
    pub destination: Option<String>,
}

impl Wanted {
    /// What is meant, as it is now. Names that nothing has are among them, without anything.
    ///
    /// # Errors
    /// What the system says.
    pub fn find(&self, spool: &Spool) -> io::Result<Vec<(String, Option<Held>)>> {
        let all = look(spool)?;
        let has = |wanted: &Option<String>, value: &String| {
            wanted.as_ref().is_none_or(|wanted| wanted == value)
        };
        let fits = |held: &&Held| {
            self.code.is_some()
                && has(&self.code, &held.code)
                && has(&self.destination, &held.destination)
        };
        let mut found: Vec<_> =
            all.iter().filter(fits).map(|held| (held.name.clone(), Some(held.clone()))).collect();
        for name in &self.names {
            if !found.iter().any(|(known, _)| known == name) {
                let held = all.iter().find(|held| held.name == *name).cloned();
                found.push((name.clone(), held));
            }
        }
        Ok(found)
    }
}

/// Has something tried again that was put aside or refused.
///
/// # Errors
/// [`No`].
pub fn retry(spool: &Spool, name: &str) -> Result<Decided, No> {
    let retried = retry_study(spool, name).map_err(|error| io(name, error))?;
    match retried {
        Some(decided) => Ok(decided),
        None => retry_result(spool, name),
    }
}

/// The same, once under another profile: one that is plainly stricter than the destination's own, so that one person may.
///
/// # Errors
/// [`No`].
pub fn retry_under(
    spool: &Spool,
    root: &RootKey,
    name: &str,
    other: &WrittenProfile,
) -> Result<Decided, No> {
    let failed = |error| io(name, error);
    if !is_aside(spool, name).map_err(failed)? {
        return Err(No::Unknown(name.to_owned()));
    }
    let Reason { destination, .. } = quarantine::reason(spool, name).map_err(failed)?;
    let own = in_force(spool, root, name, &destination)?;
    let read = |written: &WrittenProfile| written.parse().map_err(No::Profile);
    if !is_stricter(&read(&own)?, &read(other)?) {
        return Err(No::NotStricter { name: name.to_owned(), destination });
    }
    let again = || {
        let ids = entry_ids(&spool.dir(Place::Quarantine).join(name))?;
        let (file, profile) = (other.file.clone(), other.text.clone());
        let under = Under { destination: destination.clone(), file, profile };
        under::write(spool, &handles(root), &ids, &under)?;
        quarantine::put_back(spool, name)
    };
    let instances = again().map_err(failed)?;
    Ok(decided(name, Outcome::Queued, destination, instances))
}

/// The profile that is in force for the destination for which something is in quarantine.
fn in_force(
    spool: &Spool,
    root: &RootKey,
    name: &str,
    destination: &str,
) -> Result<WrittenProfile, No> {
    let policy = shelf::in_force(spool.root(), root);
    let policy = policy.map_err(|error| io(name, io::Error::other(error)))?;
    let to = policy.as_ref().and_then(|policy| policy.destinations.get(destination));
    let text = to.map(|to| to.profile.clone());
    let text = text.ok_or_else(|| No::NoDestination(name.to_owned()))?;
    Ok(WrittenProfile { file: format!("the profile in force for {destination}"), text })
}

/// The same of a result.
///
/// # Errors
/// [`No`].
pub fn retry_result(spool: &Spool, name: &str) -> Result<Decided, No> {
    let retried = judge_again(spool, name).map_err(|error| io(name, error))?;
    retried.ok_or_else(|| No::Unknown(name.to_owned()))
}

fn retry_study(spool: &Spool, name: &str) -> io::Result<Option<Decided>> {
    if is_aside(spool, name)? {
        let destination = quarantine::reason(spool, name).map(|r| r.destination);
        let destination = destination.unwrap_or_default();
        let ids = entry_ids(&spool.dir(Place::Quarantine).join(name))?;
        under::lift(spool, &ids, &destination)?;
        let instances = quarantine::put_back(spool, name)?;
        return Ok(Some(decided(name, Outcome::Queued, destination, instances)));
    }
    for destination in spool.outboxes()? {
        let outbox = Outbox::of(spool, &destination);
        if outbox.refused()?.iter().any(|known| known == name) {
            let instances = outbox.refused_parcels(name)?;
            outbox.retry(name)?;
            return Ok(Some(decided(name, Outcome::Resent, destination, instances)));
        }
    }
    Ok(None)
}

fn judge_again(spool: &Spool, name: &str) -> io::Result<Option<Decided>> {
    for destination in Tray::all(spool)? {
        let tray = Tray::of(spool, &destination);
        if tray.quarantined()?.iter().any(|(known, ..)| known == name) {
            let instances = tray.put_back(name)?;
            return Ok(Some(decided(name, Outcome::JudgedAgain, destination, instances)));
        }
    }
    for home in Homebox::all(spool)? {
        let homebox = Homebox::of(spool, &home);
        let refused = homebox.refused()?;
        if let Some((_, instances)) = refused.into_iter().find(|(known, _)| known == name) {
            homebox.retry(name)?;
            let address = homebox.address();
            return Ok(Some(decided(name, Outcome::DeliveredAgain, address, instances)));
        }
    }
    Ok(None)
}

/// Rejects what is in quarantine: it never leaves for the destination for which it is there.
///
/// # Errors
/// [`No`]; results, and what a destination refused, are not rejected here.
pub fn reject(spool: &Spool, name: &str, by: &str, because: &str) -> Result<Decided, No> {
    let because = plain(because)?;
    let reject = || {
        if !is_aside(spool, name)? {
            return Ok(None);
        }
        let destination = quarantine::reason(spool, name).map(|r| r.destination);
        let instances = rejected::reject(spool, name, by, because)?;
        Ok(Some(decided(name, Outcome::Rejected, destination.unwrap_or_default(), instances)))
    };
    let rejected = reject().map_err(|error| io(name, error))?;
    rejected.ok_or_else(|| No::Unknown(name.to_owned()))
}

/// What two people must agree to, so that something leaves.
///
/// # Errors
/// [`No`]: that is not for people to decide.
pub fn release_needs(spool: &Spool, name: &str, because: &str) -> Result<Operation, No> {
    let because = plain(because)?.to_owned();
    let failed = |error| io(name, error);
    if !is_aside(spool, name).map_err(failed)? {
        return Err(No::Unknown(name.to_owned()));
    }
    let Reason { code, destination, .. } = quarantine::reason(spool, name).map_err(failed)?;
    let name = name.to_owned();
    if destination.is_empty() || !code.is_reviewable() {
        return Err(No::NotBySight { name, advice: code.advice() });
    }
    let ids = entry_ids(&spool.dir(Place::Quarantine).join(&name)).map_err(failed)?;
    for id in &ids {
        if Bar::read(spool, id).map_err(failed)?.is_for(&destination) {
            return Err(No::Rejected(name));
        }
    }
    Ok(Operation::Release { name, destination, instances: ids.len() as u64, because })
}

/// Lets something leave, now that two people have agreed to [that](release_needs): `agreed` has their approval stand in the
/// log, and gives its nonce.
///
/// # Errors
/// [`No`], or what `agreed` says.
pub fn release<E: From<No>>(
    spool: &Spool,
    root: &RootKey,
    operation: &Operation,
    agreed: impl FnOnce() -> Result<Option<String>, E>,
) -> Result<Option<Decided>, E> {
    let Operation::Release { name, because, .. } = operation else {
        return Err(No::Unknown(String::new()).into());
    };
    if release_needs(spool, name, because)? != *operation {
        return Err(No::Changed(name.clone()).into());
    }
    let Some(nonce) = agreed()? else { return Ok(None) };
    let release = || {
        let Reason { code, destination, .. } = quarantine::reason(spool, name)?;
        reviews::write(spool, &handles(root), name, &destination, code, &nonce)?;
        let instances = quarantine::put_back(spool, name)?;
        Ok(Some(decided(name, Outcome::Released, destination, instances)))
    };
    release().map_err(|error| io(name, error).into())
}

/// A reason that may stand in the log.
///
/// # Errors
/// [`No::Because`].
pub fn plain(because: &str) -> Result<&str, No> {
    let because = because.trim();
    let is_plain = !because.is_empty()
        && because.chars().count() <= BECAUSE_MAX
        && !because.chars().any(char::is_control);
    if is_plain { Ok(because) } else { Err(No::Because) }
}

fn is_aside(spool: &Spool, name: &str) -> io::Result<bool> {
    Ok(disk::list(&spool.dir(Place::Quarantine))?.iter().any(|known| known == name))
}

fn decided(name: &str, outcome: Outcome, destination: String, instances: u64) -> Decided {
    Decided { name: name.to_owned(), outcome, destination, instances }
}

fn io(name: &str, error: io::Error) -> No {
    No::Io { name: name.to_owned(), error }
}
