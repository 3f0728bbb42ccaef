//! Where approvals are taken: each once, against what is in force and what the log knows of those that were used.

use super::policy::{Entered, InForce, Policy};
use super::{Approvers, Error, Operation};
use crate::audit::{self, Activated, Event, Log, Receipt};
use crate::disk;
use crate::key::RootKey;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Why a gateway does not start under a configuration, or an approval is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// Two people have not agreed to what is new.
    #[error(
        "two people must agree to what is new in the configuration:\n{}\nAsk them: efface approval change --config FILE --ask REQUEST{why}", list(.changes)
    )]
    NotAgreed {
        /// What is new.
        changes: Vec<String>,
        /// Why what was submitted is not it; empty if nothing was.
        why: String,
    },
    /// The record of what is in force is not the one that the log knows.
    #[error(
        "{path} is not what was in force when the log was last written, or is gone. Restore it from a backup of the state directory"
    )]
    Lost {
        /// The record.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The record.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The log cannot be.
    #[error(transparent)]
    Log(#[from] audit::Error),
    /// Nothing would be another.
    #[error("it is in force already")]
    InForce,
    /// It is no approval of that.
    #[error("the approval is not taken: {0}")]
    Approval(#[from] Error),
}

fn list(changes: &[String]) -> String {
    changes.iter().map(|change| format!("  - {change}")).collect::<Vec<_>>().join("\n")
}

/// What a log knows of approvals.
#[derive(Debug, Default)]
pub struct Known {
    /// Digest of what was put in force last.
    policy: Option<String>,
    /// Of approvals that were used.
    nonces: HashSet<String>,
}

impl Known {
    /// The words by which records are found that it has to see.
    pub const WORDS: [&'static str; 2] = ["\"event\":\"policy\"", "\"event\":\"approved\""];

    /// Looks at a record; in their order.
    pub fn look(&mut self, event: &Event) {
        match event {
            Event::Policy { digest, nonce, .. } => {
                self.policy = Some(digest.clone());
                self.nonces.insert(nonce.clone());
            }
            Event::Approved { nonce, .. } => {
                self.nonces.insert(nonce.clone());
            }
            _ => {}
        }
    }

    /// All that a log knows.
    ///
    /// # Errors
    /// [`audit::Error`].
    pub fn of(audit: &Path) -> Result<Self, audit::Error> {
        let mut known = Known::default();
        audit::search(audit, &Known::WORDS, |record| known.look(&record.event))?;
        Ok(known)
    }
}

/// Where what was agreed to waits for the start that needs it.
pub fn approvals(state: &Path) -> PathBuf {
    state.join("approvals")
}

/// Who agrees to a change, and the nonce of what they signed; nobody and none where nobody has to.
#[derive(Default)]
struct Agreement {
    by: Vec<String>,
    nonce: String,
}

/// Takes approvals for a state directory.
pub struct Office {
    record: InForce,
    entered: Option<Entered>,
    approvers: Approvers,
    approvals: PathBuf,
    log: Arc<Log>,
    name: String,
    used: Mutex<HashSet<String>>,
}

impl Office {
    /// Opens it: what is in force must be what the log knows.
    ///
    /// # Errors
    /// [`NotTaken::Lost`], [`NotTaken::Io`].
    pub fn open(
        state: &Path,
        root: &RootKey,
        log: Arc<Log>,
        known: Known,
    ) -> Result<Self, NotTaken> {
        let record = InForce::of(state, root);
        let lost = || NotTaken::Lost { path: record.path().to_owned() };
        let entered = record.read().map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => lost(),
            _ => NotTaken::Io { path: record.path().to_owned(), error },
        })?;
        let is_it = match (&entered, &known.policy) {
            // A crash may have come between the record and the log. One by an agreement that the log knows is none of
            // those: it was in force, and is put back after something else took its place.
            (Some(entered), Some(digest)) => {
                let is_new = entered.nonce.is_empty() || !known.nonces.contains(&entered.nonce);
                entered.policy.digest() == *digest || entered.before == *digest && is_new
            }
            (Some(entered), None) => entered.before.is_empty(),
            (None, None) => true,
            (None, Some(_)) => false,
        };
        if !is_it {
            return Err(lost());
        }
        let approvers = entered.as_ref().map(|e| e.policy.approvers.clone()).unwrap_or_default();
        let name = log.verifier().name().to_owned();
        let (approvals, used) = (approvals(state), Mutex::new(known.nonces));
        let office = Office { record, entered, approvers, approvals, log, name, used };
        // What the log was not told of, it is told now.
        match &office.entered {
            Some(entered) if known.policy.as_ref() != Some(&entered.policy.digest()) => {
                let changes = vec!["taken up again after a crash".to_owned()];
                office.tell(entered, changes)?;
            }
            _ => {}
        }
        Ok(office)
    }

    /// What a configuration would change.
    pub fn changes(&self, to: &Policy) -> Vec<super::Change> {
        self.entered.as_ref().map(|entered| entered.policy.changes(to)).unwrap_or_default()
    }

    /// Puts a configuration in force, if it is the one that is, is plainly stricter, or two people agree to it.
    ///
    /// # Errors
    /// [`NotTaken`]: nothing was changed.
    pub fn put_in_force(&mut self, policy: Policy) -> Result<(), NotTaken> {
        if self.in_force().is_some_and(|known| known.digest() == policy.digest()) {
            return Ok(());
        }
        let changes = self.changes(&policy);
        let agreement = match self.to_be_agreed(&policy, &changes) {
            Some(operation) => self.submitted(&operation)?,
            None => Agreement::default(),
        };
        self.enter(policy, changes, agreement, None).map(drop)
    }

    /// Puts another profile in force for one destination, while the gateway runs, by the rule of a start: `note` is the
    /// agreement of two people where they must agree. It stands in the log when this returns.
    ///
    /// # Errors
    /// [`NotTaken`]: nothing was changed.
    pub fn activate(
        &mut self,
        policy: Policy,
        activated: Activated,
        note: Option<&str>,
    ) -> Result<Receipt, NotTaken> {
        if self.in_force().is_none_or(|known| known.digest() == policy.digest()) {
            return Err(NotTaken::InForce);
        }
        let changes = self.changes(&policy);
        let agreement = match (self.to_be_agreed(&policy, &changes), note) {
            (Some(operation), Some(note)) => self.agreement(note, &operation)?,
            (Some(_), None) => return Err(Error::TooFew(Vec::new()).into()),
            (None, _) => Agreement::default(),
        };
        self.enter(policy, changes, agreement, Some(activated))
    }

    fn enter(
        &mut self,
        policy: Policy,
        changes: Vec<super::Change>,
        Agreement { by, nonce }: Agreement,
        activated: Option<Activated>,
    ) -> Result<Receipt, NotTaken> {
        let mut words: Vec<String> = changes.into_iter().map(|change| change.words).collect();
        if self.entered.is_none() {
            words.push("the first configuration of this state directory".to_owned());
        }
        let before = self.in_force().map(Policy::digest).unwrap_or_default();
        let io = |error| NotTaken::Io { path: self.record.path().to_owned(), error };
        let entered = self.record.enter(before, policy, by, nonce, activated).map_err(io)?;
        let receipt = self.tell(&entered, words)?;
        self.approvers = entered.policy.approvers.clone();
        self.entered = Some(entered);
        Ok(receipt)
    }

    /// What is in force; `None` before the first start.
    pub fn in_force(&self) -> Option<&Policy> {
        self.entered.as_ref().map(|entered| &entered.policy)
    }

    /// What two people would have to agree to before a configuration is in force; `None` if nothing.
    pub fn change(&self, to: &Policy) -> Option<Operation> {
        self.in_force()?.change(to)
    }

    /// The same of changes that are known, where people are named who could.
    fn to_be_agreed(&self, to: &Policy, changes: &[super::Change]) -> Option<Operation> {
        let operation = self.in_force()?.operation(to, changes);
        operation.filter(|_| !self.approvers.is_empty())
    }

    /// Takes an approval, once: it stands in the log when this returns.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn take(&self, note: &str, operation: &Operation) -> Result<Receipt, NotTaken> {
        let approved = self.approvers.check(note, operation, &self.name)?;
        // Held until it is in the log: of two that come at once, one is refused.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if !used.insert(approved.request().nonce.clone()) {
            return Err(Error::Used.into());
        }
        Ok(self.log.append(approved.event())?)
    }

    /// Who agreed to a change, by what was submitted.
    fn submitted(&self, operation: &Operation) -> Result<Agreement, NotTaken> {
        let Operation::Change { changes, .. } = operation else { return Err(Error::Form.into()) };
        let io = |error| NotTaken::Io { path: self.approvals.clone(), error };
        let mut why = String::new();
        for name in disk::list(&self.approvals).map_err(io)? {
            let path = self.approvals.join(&name);
            let Some(note) = disk::read_text(&path).map_err(io)? else { continue };
            match self.agreement(&note, operation) {
                Ok(agreement) => return Ok(agreement),
                Err(error) => why = format!("\n{name}: {error}"),
            }
        }
        Err(NotTaken::NotAgreed { changes: changes.clone(), why })
    }

    /// Who agrees to it by a note that was not used yet.
    fn agreement(&self, note: &str, operation: &Operation) -> Result<Agreement, Error> {
        let approved = self.approvers.check(note, operation, &self.name)?;
        let nonce = approved.request().nonce.clone();
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match used.contains(&nonce) {
            true => Err(Error::Used),
            false => Ok(Agreement { by: approved.by().to_vec(), nonce }),
        }
    }

    fn tell(&self, entered: &Entered, changes: Vec<String>) -> Result<Receipt, NotTaken> {
        let Entered { by, nonce, policy, activated, .. } = entered;
        let receipt = self.log.append(Event::Policy {
            digest: policy.digest(),
            changes,
            agreed: by.clone(),
            nonce: nonce.clone(),
            activated: activated.clone(),
        })?;
        if !nonce.is_empty() {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.insert(nonce.clone());
        }
        Ok(receipt)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::super::Request;
    use super::super::policy::tests::policy;
    use super::super::tests::{lift, people, person, signed_by};
    use super::*;
    use crate::audit::Signer;

    struct Site(tempfile::TempDir);

    impl Site {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            disk::make_dir(&folder.path().join("audit")).unwrap();
            Site(folder)
        }

        fn audit(&self) -> PathBuf {
            self.0.path().join("audit")
        }

        fn open(&self) -> Result<Office, NotTaken> {
            let root = RootKey::of_patient(&[7; 32], "A1");
            let log = Arc::new(Log::open(&self.audit(), Signer::of(&root)).unwrap());
            let known = Known::of(&self.audit()).unwrap();
            Office::open(self.0.path(), &root, log, known)
        }

        /// Starts under a configuration.
        fn start(&self, policy: Policy) -> Result<Office, NotTaken> {
            let mut office = self.open()?;
            office.put_in_force(policy)?;
            Ok(office)
        }

        fn submit(&self, name: &str, note: &str) {
            disk::make_dir(&approvals(self.0.path())).unwrap();
            std::fs::write(approvals(self.0.path()).join(name), note).unwrap();
        }

        fn policies(&self) -> Vec<Vec<String>> {
            let mut said = Vec::new();
            audit::read(&self.audit(), |record| {
                if let Event::Policy { agreed, .. } = record.event {
                    said.push(agreed);
                }
            })
            .unwrap();
            said
        }
    }

    /// With people who must agree.
    fn with_people(profile: &str) -> Policy {
        Policy { approvers: people(), ..policy(profile) }
    }

    fn agree(office: &Office, to: &Policy) -> String {
        let request = Request::new(office.change(to).unwrap(), &office.name).unwrap();
        signed_by(&request, &[person("anna", 1), person("bert", 2)])
    }

    #[test]
    fn a_looser_configuration_starts_only_when_two_people_agree_and_only_once() {
        let site = Site::new();
        let (strict, loose) = (with_people("basic"), with_people("research-longitudinal"));
        let office = site.start(strict.clone()).unwrap();
        let note = agree(&office, &loose);
        drop(office);
        assert!(matches!(site.start(loose.clone()), Err(NotTaken::NotAgreed { .. })));
        // For another change, and by one person.
        let elsewhere =
            Policy { destinations: Default::default(), key: "x".into(), ..loose.clone() };
        let office = site.open().unwrap();
        site.submit("a", &agree(&office, &elsewhere));
        let request = Request::new(office.change(&loose).unwrap(), &office.name).unwrap();
        site.submit("b", &signed_by(&request, &[person("anna", 1)]));
        drop(office);
        assert!(matches!(site.start(loose.clone()), Err(NotTaken::NotAgreed { .. })));
        site.submit("c", &note);
        drop(site.start(loose.clone()).unwrap());
        drop(site.start(loose.clone()).unwrap());
        let by = || vec!["anna".to_owned(), "bert".to_owned()];
        assert_eq!(site.policies(), [vec![], by()]);
        // Back needs two as well, because dates leave in another way; and the old approval is spent.
        let office = site.open().unwrap();
        site.submit("d", &agree(&office, &strict));
        drop(office);
        drop(site.start(strict.clone()).unwrap());
        assert!(matches!(site.start(loose), Err(NotTaken::NotAgreed { .. })));
        assert_eq!(site.policies(), [vec![], by(), by()]);
    }

    fn activated() -> Activated {
        let (destination, version) = ("lab".to_owned(), Some(1));
        let (name, plan, by) = ("p".to_owned(), "ab".to_owned(), "anna".to_owned());
        Activated { destination, version, name, plan, by }
    }

    #[test]
    fn a_profile_is_activated_by_two_people_and_by_one_where_it_is_plainly_stricter() {
        let site = Site::new();
        let (strict, loose) = (with_people("basic"), with_people("research-longitudinal"));
        let mut office = site.start(strict.clone()).unwrap();
        let note = agree(&office, &loose);
        let request = Request::read(&note).unwrap();
        let one = signed_by(&request, &[person("anna", 1)]);
        let forged = note.replace("destination lab", "destination lap");
        let elsewhere = agree(&office, &with_people("teleradiology"));
        let activate = |office: &mut Office, to: &Policy, note: Option<&str>| {
            office.activate(to.clone(), activated(), note)
        };
        for wrong in [None, Some(&*one), Some(&*forged), Some(&*elsewhere)] {
            let said = activate(&mut office, &loose, wrong);
            assert!(matches!(said, Err(NotTaken::Approval(_))), "{said:?}");
            assert_eq!(office.in_force(), Some(&strict));
        }
        activate(&mut office, &loose, Some(&note)).unwrap();
        assert_eq!(office.in_force(), Some(&loose));
        let again = activate(&mut office, &loose, Some(&note));
        assert!(matches!(again, Err(NotTaken::InForce)), "{again:?}");
        // What nobody has to agree to.
        let fewer = Policy { destinations: Default::default(), ..loose.clone() };
        activate(&mut office, &fewer, None).unwrap();
        drop(office);
        let by = vec!["anna".to_owned(), "bert".to_owned()];
        assert_eq!(site.policies(), [vec![], by, vec![]]);
        assert_eq!(site.open().unwrap().in_force(), Some(&fewer));
    }

    #[test]
    fn an_activation_whose_record_came_before_a_crash_stands_in_the_log_afterwards() {
        let site = Site::new();
        drop(site.start(policy("basic")).unwrap());
        let record = InForce::of(site.0.path(), &RootKey::of_patient(&[7; 32], "A1"));
        let (before, to) = (policy("basic").digest(), policy("teleradiology"));
        let told = Some(activated());
        record.enter(before, to.clone(), vec![], String::new(), told.clone()).unwrap();
        assert_eq!(site.open().unwrap().in_force(), Some(&to));
        let mut said = Vec::new();
        audit::read(&site.audit(), |record| said.push(record.event)).unwrap();
        let is_told =
            |event: &Event| matches!(event, Event::Policy { activated, .. } if *activated == told);
        assert!(said.last().is_some_and(is_told), "{said:?}");
    }

    #[test]
    fn whoever_agrees_cannot_be_dropped_by_one_person() {
        let site = Site::new();
        drop(site.start(with_people("basic")).unwrap());
        let nobody = policy("basic");
        assert!(matches!(site.start(nobody.clone()), Err(NotTaken::NotAgreed { .. })));
        let record = site.0.path().join("policy");
        let good = std::fs::read(&record).unwrap();
        std::fs::remove_file(&record).unwrap();
        assert!(matches!(site.start(nobody.clone()), Err(NotTaken::Lost { .. })));
        std::fs::write(&record, "{}").unwrap();
        assert!(matches!(site.start(nobody.clone()), Err(NotTaken::Lost { .. })));
        std::fs::write(&record, good).unwrap();
        let office = site.open().unwrap();
        site.submit("a", &agree(&office, &nobody));
        drop(office);
        drop(site.start(nobody.clone()).unwrap());
        // Nobody is named any more: one person is enough, and the log says that nobody agreed.
        drop(site.start(policy("research-longitudinal")).unwrap());
        assert_eq!(site.policies().last().unwrap(), &Vec::<String>::new());
    }

    #[test]
    fn an_older_record_is_refused_and_a_crash_before_the_log_is_made_up_for() {
        let site = Site::new();
        drop(site.start(policy("basic")).unwrap());
        let record = site.0.path().join("policy");
        let older = std::fs::read(&record).unwrap();
        drop(site.start(policy("research-longitudinal")).unwrap());
        drop(site.start(policy("hipaa-safe-harbor")).unwrap());
        let newest = std::fs::read(&record).unwrap();
        std::fs::write(&record, older).unwrap();
        assert!(matches!(site.open(), Err(NotTaken::Lost { .. })));
        std::fs::write(&record, newest).unwrap();
        // The record is written, the log is not.
        let root = RootKey::of_patient(&[7; 32], "A1");
        let before = policy("hipaa-safe-harbor").digest();
        let to = policy("basic");
        let entered = InForce::of(site.0.path(), &root).enter(
            before,
            to.clone(),
            vec![],
            String::new(),
            None,
        );
        entered.unwrap();
        drop(site.start(to).unwrap());
        assert_eq!(site.policies().len(), 4);
    }

    #[test]
    fn what_two_people_agreed_to_once_does_not_come_back_by_its_record() {
        let site = Site::new();
        let (strict, loose) = (with_people("basic"), with_people("research-longitudinal"));
        let mut office = site.start(strict.clone()).unwrap();
        for to in [&loose, &strict] {
            let note = agree(&office, to);
            office.activate(to.clone(), activated(), Some(&note)).unwrap();
            let record = site.0.path().join("policy");
            std::fs::copy(&record, site.0.path().join(to.digest())).unwrap();
        }
        drop(office);
        assert_eq!(site.open().unwrap().in_force(), Some(&strict));
        // Its `before` is what is in force now, as if a crash had come after it.
        std::fs::copy(site.0.path().join(loose.digest()), site.0.path().join("policy")).unwrap();
        assert!(matches!(site.open(), Err(NotTaken::Lost { .. })));
    }

    #[test]
    fn an_approval_is_taken_once_also_over_a_restart() {
        let site = Site::new();
        let office = site.start(with_people("basic")).unwrap();
        let request = Request::new(lift("r1"), &office.name).unwrap();
        let note = signed_by(&request, &[person("bert", 2), person("carl", 3)]);
        assert!(matches!(
            office.take(&note, &lift("r2")),
            Err(NotTaken::Approval(Error::Another(_)))
        ));
        office.take(&note, &lift("r1")).unwrap();
        let is_used = |office: &Office| {
            matches!(office.take(&note, &lift("r1")), Err(NotTaken::Approval(Error::Used)))
        };
        assert!(is_used(&office));
        drop(office);
        assert!(is_used(&site.open().unwrap()));
    }
}
