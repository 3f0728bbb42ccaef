//! What the editor of profiles begins from.

use super::{History, InForce, history};
use crate::key::RootKey;
use crate::profile::SHIPPED;
use crate::shelf::{self, Shelf, Which};
use crate::spool::{Place, Spool, entry_ids};
use crate::{disk, view};
use serde::{Deserialize, Serialize};

/// Batches that are offered for a trial.
const HELD_MOST: usize = 100;

/// What is in force for whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profiles {
    /// A row a destination.
    pub in_force: Vec<InForce>,
}

/// All about the profiles of one destination, and a text to begin from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// What was proposed and put in force.
    pub history: History,
    /// What is in force, as it is written.
    pub in_force: String,
    /// The text that was asked for; what is in force if none was.
    pub text: String,
    /// What can be asked for: numbers of versions, `configuration`, names of profiles that come along.
    pub beginnings: Vec<String>,
    /// Batches on which one can be tried.
    pub held: Vec<Held>,
}

/// A batch that is here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Its name: the batch, in quarantine with the code.
    pub name: String,
    /// `quarantine`, `held` or `delivered`.
    pub state: String,
    /// How many instances.
    pub instances: usize,
}

/// Gathers it.
///
/// # Errors
/// [`view::Error`].
pub fn written(
    root: &RootKey,
    spool: &Spool,
    destination: &str,
    from: Option<&str>,
) -> Result<Written, view::Error> {
    let state = spool.root();
    let history = history(state, root, destination)?;
    let policy = shelf::in_force(state, root)?;
    let known = policy.as_ref().and_then(|policy| policy.destinations.get(destination));
    let known = known.ok_or_else(|| shelf::Error::Destination(destination.to_owned()))?;
    let shipped = |name: &str| SHIPPED.iter().find(|(shipped, _)| *shipped == name);
    let text = match from {
        None => known.profile.clone(),
        Some(from) => match (shipped(from), from.parse::<Which>()) {
            (Some((_, text)), _) => (*text).to_owned(),
            (None, Ok(Which::Version(number))) => {
                Shelf::of(state, root, destination).version(number)?.text
            }
            (None, Ok(Which::Configuration) | Err(_)) => known.configured().to_owned(),
        },
    };
    let versions = history.versions.iter().rev().map(|draft| draft.version.to_string());
    let beginnings = versions.chain(["configuration".to_owned()]);
    let beginnings = beginnings.chain(SHIPPED.iter().map(|(name, _)| (*name).to_owned())).collect();
    let in_force = known.profile.clone();
    Ok(Written { history, in_force, text, beginnings, held: held(spool)? })
}

/// What is in quarantine, on its way, or delivered and still kept.
fn held(spool: &Spool) -> Result<Vec<Held>, view::Error> {
    let mut all = Vec::new();
    let places =
        [(Place::Quarantine, "quarantine"), (Place::Held, "held"), (Place::Delivered, "delivered")];
    for (place, state) in places {
        for name in disk::list(&spool.dir(place))? {
            // A gateway that runs may have moved it on.
            let ids = entry_ids(&spool.dir(place).join(&name)).unwrap_or_default();
            if !ids.is_empty() && all.len() < HELD_MOST {
                all.push(Held { name, state: state.to_owned(), instances: ids.len() });
            }
        }
    }
    Ok(all)
}
