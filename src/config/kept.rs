//! Profiles that were put in force by a command: they stand in the place of what `profile:` says.
//!
//! The configuration stays as it is, and says what was in force before. One that says something else since than when the
//! command was given is a second opinion: which of the two holds nobody can know, so that a start under it is refused until
//! somebody has said it.

use super::{DestinationSettings, Settings, WrittenProfile};
use crate::approval::{self, InForce, Policy};
use crate::crosswalk::Retention;
use crate::profile::{Profile, Pseudonymity, language};
use crate::residency::Standing;
use crate::shelf::{Which, file_of, mean_the_same};

/// Why what is in force by a command cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUsable {
    /// The configuration has another opinion by now.
    #[error(
        "destination {destination}: profile: in the configuration was changed, and version {version}, which was put in force here (efface profile history), would not be replaced by it. Say which is to hold: efface profile activate {destination} configuration, or efface profile activate {destination} {version}; or put profile: back"
    )]
    Changed {
        /// The destination.
        destination: String,
        /// What is in force.
        version: u64,
    },
    /// The text is no profile, or none for this destination.
    #[error("{0}")]
    Wrong(String),
}

impl Settings {
    /// Uses what was put in force by commands, as the record of what is in force has it.
    ///
    /// # Errors
    /// [`NotUsable`]: nothing may leave.
    pub fn use_kept(&mut self, in_force: &Policy) -> Result<(), NotUsable> {
        self.destinations.iter_mut().try_for_each(|destination| {
            let known = in_force.destinations.get(&destination.name);
            known.map_or(Ok(()), |known| destination.use_kept(known))
        })
    }
}

impl Settings {
    /// Name of the profile and standing of each destination now, in the order of the configuration: another profile may have
    /// been put in force since it was read. For whoever shows it; nothing is decided by it.
    pub fn now(&self) -> Vec<(String, Standing)> {
        let in_force = InForce::look(&self.state).ok().flatten();
        let now = |to: &DestinationSettings| {
            let known = in_force.as_ref().and_then(|policy| policy.destinations.get(&to.name));
            let known = known.filter(|known| known.kept.is_some());
            let kept = known.and_then(|known| language::parse(&to.name, &known.profile).ok());
            let profile = kept.as_ref().unwrap_or(&to.profile);
            let standing = Standing::new(to.residency.clone(), profile.options());
            (profile.name().to_owned(), standing)
        };
        self.destinations.iter().map(now).collect()
    }
}

impl DestinationSettings {
    fn use_kept(&mut self, in_force: &approval::Destination) -> Result<(), NotUsable> {
        let Some(kept) = &in_force.kept else { return Ok(()) };
        let (destination, version) = (self.name.clone(), kept.version);
        if !mean_the_same(&self.written.text, &kept.configured) {
            return Err(NotUsable::Changed { destination, version });
        }
        let file = file_of(&destination, Which::Version(version));
        let written = WrittenProfile { file, text: in_force.profile.clone() };
        let profile = written.parse().map_err(NotUsable::Wrong)?;
        if let Some(why) = refuses(self.crosswalk, &profile) {
            return Err(NotUsable::Wrong(format!("{}: {why}", written.file)));
        }
        (self.profile, self.written, self.kept) = (profile, written, Some(kept.clone()));
        Ok(())
    }

    /// Whose profile is used, in words.
    pub fn whose_profile(&self) -> String {
        match &self.kept {
            Some(kept) => {
                format!("version {} of those kept here, not the configuration's", kept.version)
            }
            None => "the configuration's".to_owned(),
        }
    }
}

/// Why a profile cannot be that of a destination whose pseudonyms are kept so; `None` if it can.
pub fn refuses(keep: Retention, profile: &Profile) -> Option<&'static str> {
    let must_expire = keep.pseudonyms && profile.pseudonymity() == Pseudonymity::Keyed;
    must_expire.then_some(
        "the pseudonyms of this profile are made of the key and cannot expire: pseudonyms: random in the profile makes them of secrets that can",
    )
}
