//! Which profile is in force for whom, and which were: from the record of what is in force, what is kept, and the log.

use crate::approval::{self, Policy};
use crate::audit::{self, Activated, Event};
use crate::key::RootKey;
use crate::profile::language;
use crate::shelf::{self, Shelf, Version};
use crate::view;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What is in force for one destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// The destination by its name in the configuration.
    pub destination: String,
    /// The name in the profile.
    pub name: String,
    /// Digest of its plan, hex.
    pub plan: String,
    /// Which of those that are kept; `None`: the configuration's.
    pub version: Option<u64>,
}

/// All that was proposed for a destination, and what was put in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// What is in force.
    pub in_force: InForce,
    /// What is kept, the oldest first.
    pub versions: Vec<Draft>,
    /// What was put in force by commands, the oldest first.
    pub activations: Vec<Activation>,
}

/// A profile that was proposed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// By what it is spoken of, from 1.
    pub version: u64,
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
    /// Whether it is in force.
    pub is_in_force: bool,
}

/// A profile that took another's place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activation {
    /// Since when, RFC 3339.
    pub time: String,
    /// Position of its record in the log.
    pub seq: u64,
    /// Which of those that are kept; `None`: the configuration's.
    pub version: Option<u64>,
    /// The name in the profile.
    pub name: String,
    /// Digest of its plan, hex.
    pub plan: String,
    /// Who did it.
    pub by: String,
    /// Who agreed; nobody: nobody had to.
    pub agreed: Vec<String>,
    /// What it changed, in words.
    pub changes: Vec<String>,
}

/// What is in force, by destination.
pub fn in_force(policy: &Policy) -> Vec<InForce> {
    let all = policy.destinations.iter();
    all.map(|(destination, known)| InForce::of(destination, known)).collect()
}

/// The history of one destination.
///
/// # Errors
/// [`view::Error`].
pub fn history(state: &Path, root: &RootKey, destination: &str) -> Result<History, view::Error> {
    let policy = shelf::in_force(state, root)?;
    let known = policy.as_ref().and_then(|policy| policy.destinations.get(destination));
    let known = known.ok_or_else(|| shelf::Error::Destination(destination.to_owned()))?;
    let in_force = InForce::of(destination, known);
    let versions = Shelf::of(state, root, destination).versions()?.into_iter();
    let versions = versions.map(|version| Draft::of(version, in_force.version)).collect();
    let activations = activations(&state.join("audit"))?.remove(destination).unwrap_or_default();
    Ok(History { in_force, versions, activations })
}

/// What the log says was put in force by commands, by destination.
fn activations(directory: &Path) -> Result<BTreeMap<String, Vec<Activation>>, audit::Error> {
    let mut all: BTreeMap<String, Vec<Activation>> = BTreeMap::new();
    audit::search(directory, &["\"activated\":{"], |record| {
        let (seq, time) = (record.seq, record.time);
        let Event::Policy { activated: Some(activated), agreed, changes, .. } = record.event else {
            return;
        };
        let Activated { destination, version, name, plan, by } = activated;
        let activation = Activation { time, seq, version, name, plan, by, agreed, changes };
        all.entry(destination).or_default().push(activation);
    })?;
    Ok(all)
}

impl Draft {
    /// Of a version, where this one is in force.
    pub fn of(version: Version, in_force: Option<u64>) -> Self {
        let Version { number, name, plan, by, time, because, .. } = version;
        let is_in_force = in_force == Some(number);
        Draft { version: number, name, plan, by, time, because, is_in_force }
    }
}

impl InForce {
    fn of(destination: &str, known: &approval::Destination) -> Self {
        let name = language::parse(destination, &known.profile);
        InForce {
            destination: destination.to_owned(),
            name: name.map(|profile| profile.name().to_owned()).unwrap_or_default(),
            plan: known.plan.clone(),
            version: known.kept.as_ref().map(|kept| kept.version),
        }
    }

    /// Whose it is, in words.
    pub fn whose(&self) -> String {
        match self.version {
            Some(version) => format!("version {version} of those kept here"),
            None => "the configuration's".to_owned(),
        }
    }
}
