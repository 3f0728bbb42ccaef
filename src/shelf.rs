//! Profiles that are kept here: numbered versions for each destination, as people proposed them, and the way of one of
//! them into force.
//!
//! ```text
//! STATE/profiles/DESTINATION/register   {"efface_profiles":1,"version":7}
//!                                       {"number":3,"name":"reading-room","plan":"...","by":"anna","because":"...","text":"..."}
//!                                       {"seal":"64 hex digits"}
//! ```
//! A version is a draft until two people agree, or one where nobody is named. Which is in force is not said here but in the
//! record of what is (`approval/policy.rs`), which has the whole text and whose digest the log knows: putting one in force
//! is one file that is written whole. A start compares both; what was changed, or is gone, is refused.

use crate::approval::{InForce, Kept, Operation, Policy};
use crate::audit::Activated;
use crate::clock;
use crate::key::{Purpose, RootKey};
use crate::profile::{Profile, language};
use crate::requests::{self, Register, Row};
use crate::yaml::Mistakes;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Characters of the shortest reason.
const BECAUSE_MIN: usize = 8;
/// What the configuration's profile is called among the versions.
const CONFIGURATION: &str = "configuration";

/// A profile that was proposed for a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// By what it is spoken of, from 1.
    pub number: u64,
    /// The name in the profile.
    pub name: String,
    /// Digest of its plan when it was proposed, hex.
    pub plan: String,
    /// Who proposed it.
    pub by: String,
    /// When, RFC 3339.
    pub time: String,
    /// Why.
    pub because: String,
    /// The YAML.
    pub text: String,
}

impl Row for Version {
    const HEAD: &'static str = "efface_profiles";
    const KIND: &'static [u8] = b"profiles";
    const OF: &'static str = "profiles";
}

/// One of them, or the configuration's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// One that is kept here.
    Version(u64),
    /// What `profile:` in the configuration says.
    Configuration,
}

impl FromStr for Which {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.parse() {
            _ if text == CONFIGURATION => Ok(Which::Configuration),
            Ok(number) => Ok(Which::Version(number)),
            Err(_) => Err("the number of a version (efface profile history), or: configuration"),
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::Version(number) => write!(f, "version {number}"),
            Which::Configuration => f.write_str("the configuration's profile"),
        }
    }
}

/// Why a profile is not kept, or not put in force.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is kept cannot be read or written, or is not what was.
    #[error(transparent)]
    Register(#[from] requests::Error),
    /// It is no profile.
    #[error("{0}")]
    Mistakes(#[from] Mistakes),
    /// Nobody would know why.
    #[error("say why, in words that an auditor understands")]
    Because,
    /// The record of what is in force cannot be read.
    #[error("{path}: {error}. It is no longer what was written: put it back from a backup")]
    InForce {
        /// The record.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is no such destination.
    #[error("no destination {0} is in force: start the gateway with it once")]
    Destination(String),
    /// There is no such version.
    #[error(
        "{destination}: there is no version {number}. See: efface profile history {destination}"
    )]
    Version {
        /// The destination.
        destination: String,
        /// Which.
        number: u64,
    },
    /// What is in force is not among what is kept.
    #[error(
        "{path}: version {number}, which is in force for {destination}, is not there as it was put in force. Put the directory back from a backup of the state directory"
    )]
    NotKept {
        /// The register.
        path: PathBuf,
        /// The destination.
        destination: String,
        /// Which.
        number: u64,
    },
    /// The gateway runs under another configuration than the command was given.
    #[error(
        "{0}: profile: in the configuration is another one than when the gateway started. Put it back, or restart the gateway"
    )]
    Configured(String),
}

/// What is kept for one destination.
pub struct Shelf {
    destination: String,
    register: Register<Version>,
}

impl Shelf {
    /// That of a destination, in a state directory. Its seal is the destination's: no file stands in for another's.
    pub fn of(state: &Path, root: &RootKey, destination: &str) -> Self {
        let directory = state.join("profiles").join(destination);
        let key = root.derive(destination, Purpose::Profile);
        Shelf { destination: destination.to_owned(), register: Register::new(directory, key) }
    }

    /// All versions, the oldest first.
    ///
    /// # Errors
    /// [`Error::Register`].
    pub fn versions(&self) -> Result<Vec<Version>, Error> {
        Ok(self.register.read()?.1)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Error::Register`], [`Error::Version`].
    pub fn version(&self, number: u64) -> Result<Version, Error> {
        let found = self.versions()?.into_iter().find(|version| version.number == number);
        let destination = self.destination.clone();
        found.ok_or(Error::Version { destination, number })
    }

    /// Keeps a profile as a draft, durably. One that is the newest already is not kept twice.
    ///
    /// # Errors
    /// [`Error::Mistakes`], [`Error::Because`], [`Error::Register`]: nothing was kept.
    pub fn propose(
        &self,
        file: &str,
        text: &str,
        by: &str,
        because: &str,
    ) -> Result<Version, Error> {
        let profile = language::parse(file, text)?;
        let because = because.trim();
        if because.chars().count() < BECAUSE_MIN {
            return Err(Error::Because);
        }
        let kept = self.register.change(|versions| {
            if let Some(same) = versions.last().filter(|newest| newest.text == text) {
                return Ok(vec![same.clone()]);
            }
            let new = Version {
                number: versions.iter().map(|version| version.number).max().unwrap_or(0) + 1,
                name: profile.name().to_owned(),
                plan: HEXLOWER.encode(&profile.digest()),
                by: by.to_owned(),
                time: clock::stamp(),
                because: because.to_owned(),
                text: text.to_owned(),
            };
            versions.push(new.clone());
            Ok(vec![new])
        });
        let (_, mut kept) = kept?;
        let destination = self.destination.clone();
        kept.pop().ok_or(Error::Version { destination, number: 0 })
    }

    /// That what is in force is kept here, as it is in force.
    fn verify(&self, kept: &Kept, text: &str) -> Result<(), Error> {
        match self.versions()?.iter().find(|version| version.number == kept.version) {
            Some(version) if version.text == text => Ok(()),
            _ => Err(Error::NotKept {
                path: self.register.file(),
                destination: self.destination.clone(),
                number: kept.version,
            }),
        }
    }
}

/// That everything that is in force by a command is kept, unchanged. What is not lets no gateway start.
///
/// # Errors
/// [`Error::NotKept`], [`Error::Register`].
pub fn verify(state: &Path, root: &RootKey, in_force: &Policy) -> Result<(), Error> {
    let by_command = in_force.destinations.iter();
    let mut by_command = by_command.filter_map(|(name, to)| Some((name, to.kept.as_ref()?, to)));
    by_command
        .try_for_each(|(name, kept, to)| Shelf::of(state, root, name).verify(kept, &to.profile))
}

/// A profile that is to be put in force for a destination.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// The destination by its name in the configuration.
    pub destination: String,
    /// Which.
    pub which: Which,
    /// What the configuration says now; `None`: what it said at the last start.
    pub configured: Option<String>,
    /// Who wants it.
    pub by: String,
}

/// The same, found and read.
pub struct Chosen {
    /// What is in force then.
    pub policy: Policy,
    /// What it is called in messages.
    pub file: String,
    /// The YAML.
    pub text: String,
    /// What it means.
    pub profile: Profile,
    /// What the log is to say.
    pub activated: Activated,
}

impl Wanted {
    /// Finds it among what is kept.
    ///
    /// # Errors
    /// [`Error`].
    pub fn choose(&self, state: &Path, root: &RootKey, in_force: &Policy) -> Result<Chosen, Error> {
        let Wanted { destination, which, configured, by } = self;
        let unknown = || Error::Destination(destination.clone());
        let known = in_force.destinations.get(destination).ok_or_else(unknown)?;
        let configured = configured.as_deref().unwrap_or_else(|| known.configured());
        let (text, kept) = match *which {
            Which::Configuration => (configured.to_owned(), None),
            Which::Version(version) => {
                let text = Shelf::of(state, root, destination).version(version)?.text;
                (text, Some(Kept { version, configured: configured.to_owned() }))
            }
        };
        let file = file_of(destination, *which);
        let profile = language::parse(&file, &text)?;
        let plan = HEXLOWER.encode(&profile.digest());
        let activated = Activated {
            destination: destination.clone(),
            version: kept.as_ref().map(|kept| kept.version),
            name: profile.name().to_owned(),
            plan: plan.clone(),
            by: by.clone(),
        };
        let policy = in_force.with_profile(destination, &text, plan, kept).ok_or_else(unknown)?;
        Ok(Chosen { policy, file, text, profile, activated })
    }

    /// That the configuration says of the destination what it said when the gateway started.
    ///
    /// # Errors
    /// [`Error::Configured`].
    pub fn is_of_the_same_configuration(&self, in_force: &Policy) -> Result<(), Error> {
        let known = in_force.destinations.get(&self.destination);
        let is_same = match (&self.configured, known) {
            (Some(now), Some(known)) => mean_the_same(now, known.configured()),
            _ => true,
        };
        is_same.then_some(()).ok_or_else(|| Error::Configured(self.destination.clone()))
    }

    /// What two people must agree to before it is in force; `None` if nothing.
    ///
    /// # Errors
    /// [`Error`].
    pub fn operation(&self, state: &Path, root: &RootKey) -> Result<Option<Operation>, Error> {
        let in_force = in_force(state, root)?;
        let in_force = in_force.ok_or_else(|| Error::Destination(self.destination.clone()))?;
        let chosen = self.choose(state, root, &in_force)?;
        let may_agree = !in_force.approvers.is_empty();
        Ok(in_force.change(&chosen.policy).filter(|_| may_agree))
    }
}

/// What a change that was asked for would put in force: found again, by its digest, among what is kept. `None`: what is in
/// force is another since, or it is no profile.
///
/// # Errors
/// [`Error`].
pub fn wanted_by(
    state: &Path,
    root: &RootKey,
    operation: &Operation,
    by: &str,
) -> Result<Option<Wanted>, Error> {
    let (Operation::Change { from, to, .. }, Some(in_force)) = (operation, in_force(state, root)?)
    else {
        return Ok(None);
    };
    if *from != in_force.digest() || from == to {
        return Ok(None);
    }
    for destination in in_force.destinations.keys() {
        let versions = Shelf::of(state, root, destination).versions()?.into_iter();
        let versions = versions.map(|version| Which::Version(version.number));
        for which in versions.chain([Which::Configuration]) {
            let (destination, by) = (destination.clone(), by.to_owned());
            let wanted = Wanted { destination, which, configured: None, by };
            // One that a newer version of efface does not read any more is not it.
            let chosen = wanted.choose(state, root, &in_force);
            if chosen.is_ok_and(|chosen| chosen.policy.digest() == *to) {
                return Ok(Some(wanted));
            }
        }
    }
    Ok(None)
}

/// What is in force in a state directory; `None` before the first start.
///
/// # Errors
/// [`Error::InForce`].
pub fn in_force(state: &Path, root: &RootKey) -> Result<Option<Policy>, Error> {
    let record = InForce::of(state, root);
    let read = record.read();
    let read = read.map_err(|error| Error::InForce { path: record.path().to_owned(), error })?;
    Ok(read.map(|entered| entered.policy))
}

/// What a profile is called in messages.
pub fn file_of(destination: &str, which: Which) -> String {
    format!("{which} for {destination}")
}

/// Whether two texts are one profile, comments apart.
pub fn mean_the_same(one: &str, other: &str) -> bool {
    let digest = |text| language::parse("", text).ok().map(|profile| profile.digest());
    one == other || digest(one).is_some_and(|one| Some(one) == digest(other))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::*;
    use crate::approval::tests::people;
    use crate::profile::SHIPPED;

    fn root() -> RootKey {
        RootKey::of_patient(&[7; 32], "A1")
    }

    fn shipped(name: &str) -> &'static str {
        SHIPPED.iter().find(|(shipped, _)| *shipped == name).unwrap().1
    }

    /// What is in force with two destinations under `basic`.
    fn in_force() -> Policy {
        let text = shipped("basic");
        let plan = HEXLOWER.encode(&language::parse("basic", text).unwrap().digest());
        let to = crate::approval::Destination {
            profile: text.to_owned(),
            plan,
            ..crate::approval::Destination::default()
        };
        let destinations = [("lab".to_owned(), to.clone()), ("clinic".to_owned(), to)].into();
        Policy { approvers: people(), destinations, ..Policy::default() }
    }

    fn wanted(which: Which) -> Wanted {
        let (destination, by) = ("lab".to_owned(), "anna".to_owned());
        Wanted { destination, which, configured: None, by }
    }

    #[test]
    fn versions_are_numbered_and_kept_as_they_were_proposed() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::of(folder.path(), &root(), "lab");
        let propose = |text: &str, because: &str| shelf.propose("p.yaml", text, "anna", because);
        assert!(matches!(propose("name: [", "for the trial"), Err(Error::Mistakes(_))));
        assert!(matches!(propose(shipped("basic"), " no. "), Err(Error::Because)));
        assert_eq!(shelf.versions().unwrap(), []);
        let first = propose(shipped("teleradiology"), "for the trial").unwrap();
        let again = propose(shipped("teleradiology"), "said twice: it is there").unwrap();
        assert_eq!((first.number, &again), (1, &first));
        let second = propose(shipped("basic"), "the trial is over").unwrap();
        let back = propose(shipped("teleradiology"), "another trial").unwrap();
        assert_eq!((second.number, back.number), (2, 3));
        assert_eq!(shelf.version(1).unwrap(), first);
        assert!(matches!(shelf.version(4), Err(Error::Version { number: 4, .. })));
        // Nobody's file stands in for another's.
        let file = |name: &str| folder.path().join("profiles").join(name).join("register");
        std::fs::create_dir(file("clinic").parent().unwrap()).unwrap();
        std::fs::copy(file("lab"), file("clinic")).unwrap();
        let clinic = Shelf::of(folder.path(), &root(), "clinic");
        assert!(matches!(clinic.versions(), Err(Error::Register(_))));
    }

    #[test]
    fn what_is_in_force_must_be_kept_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (state, root) = (folder.path(), root());
        let shelf = Shelf::of(state, &root, "lab");
        shelf.propose("p", shipped("teleradiology"), "anna", "for the trial").unwrap();
        let before = in_force();
        verify(state, &root, &before).unwrap();
        let chosen = wanted(Which::Version(1)).choose(state, &root, &before).unwrap();
        let after = chosen.policy;
        assert_eq!(after.destinations["lab"].profile, shipped("teleradiology"));
        assert_eq!(after.destinations["lab"].configured(), shipped("basic"));
        assert_eq!(after.destinations["clinic"], before.destinations["clinic"]);
        assert!(before.change(&after).is_some(), "it is not plainly stricter");
        verify(state, &root, &after).unwrap();
        let record = InForce::of(state, &root);
        let (by, nonce) = (Vec::new(), String::new());
        record.enter(String::new(), before.clone(), by, nonce, None).unwrap();
        let operation = wanted(Which::Version(1)).operation(state, &root).unwrap().unwrap();
        // What was signed says by its digest what it is of.
        let found = |operation: &Operation| wanted_by(state, &root, operation, "anna").unwrap();
        assert_eq!(found(&operation).map(|wanted| wanted.which), Some(Which::Version(1)));
        let Operation::Change { from, to, changes } = operation else { panic!() };
        for (from, to) in [(to.clone(), to), (from, String::new())] {
            assert!(found(&Operation::Change { from, to, changes: changes.clone() }).is_none());
        }
        // Back to the configuration's, which is what it was.
        let back = wanted(Which::Configuration).choose(state, &root, &after).unwrap();
        assert_eq!(back.policy.destinations, before.destinations);
        let file = state.join("profiles/lab/register");
        let good = std::fs::read(&file).unwrap();
        for at in (0..good.len()).step_by(61) {
            let mut changed = good.clone();
            changed[at] ^= 1;
            std::fs::write(&file, changed).unwrap();
            assert!(verify(state, &root, &after).is_err(), "byte {at}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(verify(state, &root, &after), Err(Error::NotKept { number: 1, .. })));
        verify(state, &root, &before).unwrap();
        // Another text under its number.
        shelf.propose("p", shipped("basic"), "anna", "not the one").unwrap();
        assert!(matches!(verify(state, &root, &after), Err(Error::NotKept { number: 1, .. })));
    }

    #[test]
    fn a_configuration_that_says_something_else_is_noticed_and_comments_are_not() {
        let policy = in_force();
        let says = |text: String| {
            let configured = Some(text);
            Wanted { configured, ..wanted(Which::Version(1)) }.is_of_the_same_configuration(&policy)
        };
        says(format!("# new words\n{}", shipped("basic"))).unwrap();
        assert!(matches!(says(shipped("teleradiology").to_owned()), Err(Error::Configured(_))));
        assert!(!mean_the_same("no profile", "another that is none") && mean_the_same("x", "x"));
    }

    #[test]
    fn versions_are_called_by_number_and_the_configuration_by_its_name() {
        assert_eq!("3".parse(), Ok(Which::Version(3)));
        assert_eq!("configuration".parse(), Ok(Which::Configuration));
        assert!("v3".parse::<Which>().is_err());
    }
}
