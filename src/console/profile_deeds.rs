//! Profiles in the console: what is in force and kept, what is tried, proposed, and put in force by two people.

use super::keeper::{Keeper, Site, failed};
use super::question::{Outcome, Refusal};
use super::sessions::Session;
use crate::approval::{Operation, Request};
use crate::config;
use crate::desk;
use crate::isolation::{Strictness, THIS_PROGRAM};
use crate::profile::language;
use crate::shelf::{self, Shelf, Wanted, Which, wanted_by};
use crate::view::profile::{self as view, Draft, DryRun, Profiles, Written};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// A trial takes what it takes of a processor: those who look at pages are not to wait for several.
static TRIAL: Mutex<()> = Mutex::new(());

impl Keeper {
    /// What is in force for whom.
    pub(super) fn profiles(&self) -> Result<Profiles, Refusal> {
        let Site { settings, root, .. } = &self.site;
        let policy = shelf::in_force(&settings.state, root).map_err(failed)?;
        let in_force = policy.as_ref().map(view::in_force).unwrap_or_default();
        Ok(Profiles { in_force })
    }

    /// All about the profiles of one destination, and a text to begin from.
    pub(super) fn profile(
        &self,
        destination: &str,
        from: Option<&str>,
    ) -> Result<Written, Refusal> {
        let Site { root, spool, .. } = &self.site;
        view::written(root, spool, destination, from).map_err(failed)
    }

    /// Keeps a draft.
    pub(super) fn propose_profile(
        &self,
        session: &Session,
        destination: &str,
        text: &str,
        because: &str,
    ) -> Result<Draft, Refusal> {
        let Site { settings, root, .. } = &self.site;
        let policy = shelf::in_force(&settings.state, root).map_err(failed)?;
        policy.filter(|p| p.destinations.contains_key(destination)).ok_or(Refusal::Unknown)?;
        let profile = language::parse("profile", text).map_err(failed)?;
        self.suits(destination, &profile)?;
        let shelf = Shelf::of(&settings.state, root, destination);
        let kept = shelf.propose("profile", text, &session.account.name, because);
        Ok(Draft::of(kept.map_err(failed)?, None))
    }

    /// Has a version put in force: at once, or when two people have signed it.
    pub(super) fn activate_profile(
        &self,
        session: &Session,
        destination: String,
        which: Which,
    ) -> Result<Outcome, Refusal> {
        let Site { settings, root, .. } = &self.site;
        let state = &settings.state;
        let by = session.account.name.clone();
        // What the configuration said when the gateway started: the console may have read another one.
        let wanted = Wanted { destination, which, configured: None, by };
        match wanted.operation(state, root).map_err(failed)? {
            Some(operation) => self.ask_or_do(session, &operation),
            None => self.put_in_force(&wanted, None).map(Outcome::Done),
        }
    }

    /// Does what two people agreed to. Whoever signs last has it put in force.
    pub(super) fn change(
        &self,
        session: &Session,
        operation: &Operation,
        agreed: Option<(&Request, &str)>,
    ) -> Result<String, Refusal> {
        let Site { settings, root, .. } = &self.site;
        let found = wanted_by(&settings.state, root, operation, &session.account.name);
        let found = found.map_err(failed)?;
        let wanted = found.ok_or_else(|| {
            failed("what is in force, or what is kept, has changed since this was asked for: ask again")
        })?;
        self.put_in_force(&wanted, agreed.map(|(_, note)| note))
    }

    fn put_in_force(&self, wanted: &Wanted, note: Option<&str>) -> Result<String, Refusal> {
        let Site { settings, root, .. } = &self.site;
        let in_force = shelf::in_force(&settings.state, root).map_err(failed)?;
        let in_force = in_force.ok_or(Refusal::Unknown)?;
        let chosen = wanted.choose(&settings.state, root, &in_force).map_err(failed)?;
        self.suits(&wanted.destination, &chosen.profile)?;
        desk::activate(&settings.state, root, wanted, note).map_err(failed)?;
        let (destination, name) = (&wanted.destination, &chosen.activated.name);
        Ok(format!("{destination}: {} ({name})", wanted.which))
    }

    fn suits(&self, destination: &str, profile: &crate::profile::Profile) -> Result<(), Refusal> {
        let known = self.site.settings.destinations.iter().find(|known| known.name == destination);
        let why = known.and_then(|known| config::refuses(known.crosswalk, profile));
        why.map_or(Ok(()), |why| Err(failed(why)))
    }

    /// What would become of a study that is here: a process of its own reads it, confined, with a key that it throws.
    pub(super) fn try_profile(&self, text: &str, batch: &str) -> Result<DryRun, Refusal> {
        let Site { settings, .. } = &self.site;
        let Ok(_alone) = TRIAL.try_lock() else {
            return Err(failed("another trial is not done yet: try again in a while"));
        };
        let mut command = Command::new(THIS_PROGRAM);
        command.args(["profile", "dry-run", "-", "--json", &format!("--batch={batch}")]);
        command.arg("--state").arg(&settings.state);
        if settings.sandbox == Strictness::Partial {
            command.arg("--partial-sandbox");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut trial = command.spawn().map_err(failed)?;
        if let Some(mut input) = trial.stdin.take() {
            input.write_all(text.as_bytes()).map_err(failed)?;
        }
        let done = trial.wait_with_output().map_err(failed)?;
        let parsed = serde_json::from_slice(&done.stdout);
        parsed.map_err(|_| failed(String::from_utf8_lossy(&done.stderr).trim()))
    }
}
