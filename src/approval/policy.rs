//! What is in force: who agrees, where data may go, under which profiles and keys. And what two versions of it differ in.
//!
//! ```text
//! STATE/policy    {"efface_policy":1,"before":"...","by":[...],"nonce":"...","policy":{...}}
//!                 {"seal":"64 hex digits"}                 HMAC-SHA-256 over the line before
//! ```
//! The log has its digest: a file that is gone, or older than the log knows, is refused at the start.

use super::{Approvers, Operation};
use crate::audit::Activated;
use crate::disk;
use crate::key::{Key, Purpose, RootKey};
use crate::profile::compare::{Kind, compare, settings};
use crate::profile::language;
use crate::profile::words::ENGLISH;
use crate::residency::{Entry, SitePolicy};
use crate::sealed;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Elements that are named in the words of a change.
const NAMED: usize = 12;
/// The record.
const NAME: &str = "policy";
/// What is sealed.
const KIND: &[u8] = b"policy";
/// Bytes of the longest record that is read.
const BYTES_MAX: u64 = 64 << 20;

/// What the configuration decides about people's data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Fingerprint of the root key, and its newest generation.
    pub key: String,
    /// Who agrees.
    pub approvers: Approvers,
    /// What the site allows.
    pub site: Option<SitePolicy>,
    /// Who is told of the log besides: where its checkpoints are kept, and where its records are reported.
    #[serde(default)]
    pub told: BTreeSet<String>,
    /// What goes where, in order, as text; none: everything goes everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// Where data go, by name.
    pub destinations: BTreeMap<String, Destination>,
}

/// One destination.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Destination {
    /// `AE_TITLE@HOST:PORT`.
    pub address: String,
    /// What it has to show; `None`: it is sent to in plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// The domain of the pseudonyms.
    pub project: String,
    /// The generation that it is held to.
    pub generation: Option<String>,
    /// The profile, as it is written.
    pub profile: String,
    /// Digest of its plan, hex.
    pub plan: String,
    /// Which of those that are kept here it is (`shelf.rs`); `None`: it is the configuration's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// What is known of whoever runs it.
    pub entry: Option<Entry>,
    /// Who returns results of it, and to which PACS; `None`: nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<String>,
}

/// A profile that was put in force by a command, and not by a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its version.
    pub version: u64,
    /// The configuration's, as it was written then: a configuration that says something else since is noticed.
    pub configured: String,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// In words.
    pub words: String,
    /// Whether it loosens something, or may.
    pub needs_two: bool,
}

impl Policy {
    /// SHA-256 of all of it, hex.
    pub fn digest(&self) -> String {
        // Strings, lists and maps in order: they have one form as JSON.
        let text = serde_json::to_vec(self).unwrap_or_default();
        HEXLOWER.encode(&Sha256::digest(text))
    }

    /// The same with another profile for one destination; `None` if there is none of this name.
    pub fn with_profile(
        &self,
        destination: &str,
        profile: &str,
        plan: String,
        kept: Option<Kept>,
    ) -> Option<Policy> {
        let mut policy = self.clone();
        let to = policy.destinations.get_mut(destination)?;
        (to.profile, to.plan, to.kept) = (profile.to_owned(), plan, kept);
        Some(policy)
    }

    /// What two people would have to agree to before another policy is in force; `None` if nothing.
    pub fn change(&self, to: &Policy) -> Option<Operation> {
        self.operation(to, &self.changes(to))
    }

    /// The same of changes that are known.
    pub(super) fn operation(&self, to: &Policy, changes: &[Change]) -> Option<Operation> {
        let loose = changes.iter().filter(|change| change.needs_two);
        let changes: Vec<String> = loose.map(|change| change.words.clone()).collect();
        let (from, to) = (self.digest(), to.digest());
        (!changes.is_empty()).then_some(Operation::Change { from, to, changes })
    }

    /// What would change. What does not plainly make something stricter needs two.
    pub fn changes(&self, to: &Policy) -> Vec<Change> {
        let mut changes = Changes(Vec::new());
        if self.key != to.key {
            changes.two(format!("another root key or generation: {} -> {}", self.key, to.key));
        }
        let people = |policy: &Policy| -> BTreeSet<String> {
            policy.approvers.to_texts().into_iter().collect()
        };
        for gone in people(self).difference(&people(to)) {
            changes.two(format!("no longer agrees to anything: {gone}"));
        }
        for new in people(to).difference(&people(self)) {
            // Nobody could have agreed before the first ones were named.
            changes.add(format!("agrees to things: {new}"), !self.approvers.is_empty());
        }
        match (&self.site, &to.site) {
            (before, after) if before == after => {}
            (None, Some(_)) => changes.noted("a site policy is in force now".to_owned()),
            _ => changes.two("the site policy is another one, or none any more".to_owned()),
        }
        if self.routes != to.routes {
            let rules = match &to.routes[..] {
                [] => "everything goes to every destination".to_owned(),
                rules => rules.join("; "),
            };
            changes.two(format!("what goes where: {rules}"));
        }
        for gone in self.told.difference(&to.told) {
            changes.two(format!("is no longer told of the log: {gone}"));
        }
        for new in to.told.difference(&self.told) {
            changes.noted(format!("is told of the log: {new}"));
        }
        for name in self.destinations.keys().filter(|name| !to.destinations.contains_key(*name)) {
            changes.noted(format!("destination {name} is no longer there"));
        }
        for (name, new) in &to.destinations {
            match self.destinations.get(name) {
                Some(known) => known.changes(name, new, &mut changes),
                None => changes.two(format!(
                    "a new destination {name}: {}, project {}, {}, profile {}",
                    new.address,
                    new.project,
                    new.who(),
                    new.named()
                )),
            }
        }
        changes.0
    }
}

impl Destination {
    fn changes(&self, name: &str, to: &Destination, changes: &mut Changes) {
        let mut differs = |what: &str, was: &str, is: &str| {
            if was != is {
                changes.two(format!("destination {name}, {what}: {was} -> {is}"));
            }
        };
        differs("address", &self.address, &to.address);
        differs("project", &self.project, &to.project);
        let generation =
            |of: &Destination| of.generation.clone().unwrap_or_else(|| "the newest".to_owned());
        differs("generation", &generation(self), &generation(to));
        match (&self.tls, &to.tls) {
            (None, None) => {}
            (None, Some(_)) => changes.noted(format!("destination {name} is sent to under TLS")),
            (Some(was), Some(is)) if was == is => {}
            (Some(_), is) => {
                let is = is.as_deref().unwrap_or("nothing: it is sent to in plain");
                changes.two(format!("destination {name}, what it has to show: {is}"));
            }
        }
        match (&self.results, &to.results) {
            (was, is) if was == is => {}
            (_, None) => changes.noted(format!("destination {name} returns no results any more")),
            (_, Some(is)) => changes.two(format!("destination {name}, results: {is}")),
        }
        if self.entry != to.entry {
            changes
                .two(format!("destination {name}: the register says other things: {}", to.who()));
        }
        if self.plan != to.plan {
            self.profile_changes(name, to, changes);
        }
        if self.kept != to.kept {
            changes.noted(format!("destination {name}: its profile is {}", to.whose()));
        }
    }

    /// Stricter is only what lets no element leave, or leave otherwise, that did not before, all else being the same.
    fn profile_changes(&self, name: &str, to: &Destination, changes: &mut Changes) {
        let what = format!("destination {name}, profile {} -> {}", self.named(), to.named());
        let both = language::parse("before", &self.profile)
            .ok()
            .zip(language::parse("after", &to.profile).ok());
        let Some((before, after)) = both else {
            return changes.two(format!("{what}: this version cannot compare them"));
        };
        let differences = compare(&ENGLISH, &before, &after);
        let of = |kind: Kind| differences.iter().filter(move |change| change.kind == kind);
        let loose: Vec<_> = of(Kind::NewlyLeaves).chain(of(Kind::LeavesDifferently)).collect();
        let settings = settings(&ENGLISH, &before, &after);
        if loose.is_empty() && settings.is_empty() {
            let fewer = of(Kind::NoLongerLeaves).count();
            return changes.noted(format!("{what}: {fewer} elements no longer leave"));
        }
        let listed = loose.iter().filter(|change| change.listed);
        let named = listed.take(NAMED).map(|change| format!("{} {}", change.tag, change.keyword));
        let named = named.chain(settings).collect::<Vec<_>>().join("; ");
        changes.two(format!(
            "{what}: {} elements newly leave, or leave differently: {named}",
            loose.len()
        ));
    }

    fn who(&self) -> String {
        let entry = self.entry.as_ref();
        let entity = entry.and_then(|entry| entry.legal_entity.as_deref());
        let country = entry.and_then(|entry| entry.hosting_country);
        let country =
            country.map_or_else(|| "no country".to_owned(), |country| country.to_string());
        format!("{} in {country}", entity.unwrap_or("nobody named"))
    }

    /// The configuration's profile, as it was written when this was put in force.
    pub fn configured(&self) -> &str {
        self.kept.as_ref().map_or(&self.profile, |kept| &kept.configured)
    }

    /// Whose profile it is, in words.
    pub fn whose(&self) -> String {
        match &self.kept {
            Some(kept) => format!("version {} of those kept here", kept.version),
            None => "the configuration's".to_owned(),
        }
    }

    fn named(&self) -> String {
        self.plan.chars().take(16).collect()
    }
}

struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, words: String, needs_two: bool) {
        self.0.push(Change { words, needs_two });
    }

    fn two(&mut self, words: String) {
        self.add(words, true);
    }

    fn noted(&mut self, words: String) {
        self.add(words, false);
    }
}

/// The record of what is in force.
pub struct InForce {
    path: PathBuf,
    key: Key,
}

/// What the record says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entered {
    efface_policy: u32,
    /// Digest of what was in force before; empty if nothing was.
    pub before: String,
    /// Who agreed.
    pub by: Vec<String>,
    /// Of their approval.
    pub nonce: String,
    /// What is.
    pub policy: Policy,
    /// The profile that took another's place, where it was that and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated: Option<Activated>,
}

impl Entered {
    fn parse(line: &[u8]) -> Option<Self> {
        let entered: Entered = serde_json::from_slice(line).ok()?;
        (entered.efface_policy == 1).then_some(entered)
    }
}

impl InForce {
    /// That of a state directory.
    pub fn of(state: &Path, root: &RootKey) -> Self {
        InForce { path: state.join(NAME), key: root.derive("", Purpose::Policy) }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it; `None` if there is none. Whether that can be, the log knows.
    ///
    /// # Errors
    /// `InvalidData` if it is not what was written, or what the system says.
    pub fn read(&self) -> io::Result<Option<Entered>> {
        let Some(text) = sealed::read(&self.path, BYTES_MAX)? else { return Ok(None) };
        let entered = sealed::open(&self.key, KIND, &text).and_then(Entered::parse);
        entered.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// What the record of a state directory says to whoever has no key: whether it is what was sealed is not known then.
    ///
    /// # Errors
    /// `InvalidData` if it does not read, or what the system says.
    pub fn look(state: &Path) -> io::Result<Option<Policy>> {
        let Some(text) = sealed::read(&state.join(NAME), BYTES_MAX)? else { return Ok(None) };
        let entered = sealed::look(&text).and_then(Entered::parse);
        entered.map(|entered| Some(entered.policy)).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Puts another policy in force, durably.
    ///
    /// # Errors
    /// What the system says.
    pub fn enter(
        &self,
        before: String,
        policy: Policy,
        by: Vec<String>,
        nonce: String,
        activated: Option<Activated>,
    ) -> io::Result<Entered> {
        let entered = Entered { efface_policy: 1, before, by, nonce, policy, activated };
        let mut text = serde_json::to_vec(&entered)?;
        text.push(b'\n');
        let text = sealed::seal(&self.key, KIND, text)?;
        disk::write_whole(&self.path, &text)?;
        Ok(entered)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
pub mod tests {
    use super::super::tests::person;
    use super::*;
    use crate::profile::SHIPPED;

    /// A policy with one destination under a shipped profile.
    pub fn policy(profile: &str) -> Policy {
        let (_, text) = SHIPPED.iter().find(|(name, _)| *name == profile).unwrap();
        let plan = HEXLOWER.encode(&language::parse("p", text).unwrap().digest());
        let lab = Destination {
            address: "LAB@192.0.2.7:104".to_owned(),
            project: "lab".to_owned(),
            profile: (*text).to_owned(),
            plan,
            ..Destination::default()
        };
        let destinations = [("lab".to_owned(), lab)].into();
        Policy { key: "k A1".to_owned(), destinations, ..Policy::default() }
    }

    fn needs(from: &Policy, to: &Policy) -> Vec<bool> {
        from.changes(to).iter().map(|change| change.needs_two).collect()
    }

    #[test]
    fn what_is_looser_needs_two_and_what_is_stricter_does_not() {
        let (basic, research) = (policy("basic"), policy("research-longitudinal"));
        assert_eq!(basic.changes(&basic), []);
        assert_eq!(needs(&basic, &research), [true]);
        // Another way with dates is not plainly stricter.
        assert_eq!(needs(&research, &basic), [true]);
        let profile = |rules: &str| {
            let mut policy = basic.clone();
            let lab = policy.destinations.get_mut("lab").unwrap();
            lab.profile = lab.profile.replace("\nrules: []\n", &format!("\nrules:\n  - {rules}\n"));
            lab.plan = HEXLOWER.encode(&language::parse("p", &lab.profile).unwrap().digest());
            policy
        };
        let stricter = profile("{ keyword: Modality, action: X }");
        let said = basic.changes(&stricter);
        assert!(
            !said[0].needs_two && said[0].words.contains("1 elements no longer leave"),
            "{said:?}"
        );
        assert_eq!(needs(&stricter, &basic), [true]);
        type Edit<'a> = &'a dyn Fn(&mut Policy);
        let told = ["checkpoint_file /mnt/dpo".to_owned()].into();
        let watched = Policy { told, ..basic.clone() };
        assert_eq!((needs(&basic, &watched), needs(&watched, &basic)), (vec![false], vec![true]));
        let edits: [(Edit<'_>, bool); 7] = [
            (&|p| p.key = "k B1".to_owned(), true),
            (&|p| p.destinations.clear(), false),
            (&|p| p.destinations.get_mut("lab").unwrap().address = "X@h:1".to_owned(), true),
            (&|p| p.destinations.get_mut("lab").unwrap().project = "other".to_owned(), true),
            (&|p| p.destinations.get_mut("lab").unwrap().entry = Some(Entry::default()), true),
            (&|p| p.destinations.get_mut("lab").unwrap().tls = Some("a CA".to_owned()), false),
            (
                &|p| {
                    let lab = p.destinations["lab"].clone();
                    p.destinations.insert("new".to_owned(), lab);
                },
                true,
            ),
        ];
        for (edit, needs_two) in edits {
            let mut edited = basic.clone();
            edit(&mut edited);
            assert_eq!(needs(&basic, &edited), [needs_two], "{:?}", basic.changes(&edited));
        }
        let with_tls = |tls: &str| {
            let mut policy = basic.clone();
            policy.destinations.get_mut("lab").unwrap().tls = Some(tls.to_owned());
            policy
        };
        assert_eq!(needs(&with_tls("a CA"), &with_tls("another")), [true]);
        assert_eq!(needs(&with_tls("a CA"), &basic), [true], "TLS is not dropped alone");
        let mut named = basic.clone();
        let two =
            [("anna", 1), ("bert", 2)].map(|(name, key)| person(name, key).verifier().clone());
        named.approvers = Approvers::new(two.to_vec()).unwrap();
        assert_eq!(needs(&basic, &named), [false, false], "there was nobody to ask");
        assert_eq!(needs(&named, &basic), [true, true], "who agrees cannot be dropped alone");
    }

    #[test]
    fn the_record_is_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let record = InForce::of(folder.path(), &RootKey::of_patient(&[7; 32], "A1"));
        assert_eq!(record.read().unwrap(), None);
        let entered = record.enter(String::new(), policy("basic"), Vec::new(), String::new(), None);
        let entered = entered.unwrap();
        assert_eq!(record.read().unwrap(), Some(entered));
        let good = std::fs::read(record.path()).unwrap();
        for at in (0..good.len()).step_by(7) {
            let mut changed = good.clone();
            changed[at] ^= 1;
            std::fs::write(record.path(), changed).unwrap();
            assert!(record.read().is_err(), "byte {at}");
        }
        std::fs::write(record.path(), &good).unwrap();
        let other = InForce::of(folder.path(), &RootKey::of_patient(&[8; 32], "A1"));
        assert!(other.read().is_err());
    }
}
