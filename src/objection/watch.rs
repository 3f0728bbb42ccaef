//! The register as the gateway sees it: always the newest, never an older one, and every change in the log.

use super::book::{Book, Stamp};
use super::register::{Objection, Register};
use super::{Error, Scope};
use crate::audit::{self, Event, Log};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// References in one record of the log.
const REFERENCES_MAX: usize = 500;

/// Looks at the register of a state directory, and keeps the log true to it.
pub struct Watch {
    book: Book,
    log: Arc<Log>,
    seen: Mutex<Seen>,
    /// The version up to which changes stand in the log; held while they are written.
    told: Mutex<u64>,
}

struct Seen {
    newest: Option<(Stamp, Arc<Register>)>,
    /// The newest version that is known of: an older one is none.
    known: u64,
    /// Whether the last look was in vain, and was told.
    is_alarmed: bool,
}

impl Watch {
    /// Begins to look. What the log knows of the register, the register must have.
    pub fn begin(book: Book, log: Arc<Log>, known: Known) -> Self {
        let Known(known) = known;
        let seen = Mutex::new(Seen { newest: None, known, is_alarmed: false });
        Watch { book, log, seen, told: Mutex::new(known) }
    }

    /// The register's file, and the key of its hashes.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// The register as it is now. Reads one line if it has not changed.
    ///
    /// # Errors
    /// [`Error`]: nothing may leave. The first time it is told in the log on stderr.
    pub fn now(&self) -> Result<Arc<Register>, Error> {
        let mut seen = self.seen();
        let read = seen.look(&self.book);
        match &read {
            Err(error) if !seen.is_alarmed => tracing::error!(%error, "nothing leaves"),
            Ok(_) if seen.is_alarmed => tracing::info!("the register of objections can be read"),
            _ => {}
        }
        seen.is_alarmed = read.is_err();
        read
    }

    /// Writes to the log what was changed since, and says it.
    ///
    /// # Errors
    /// [`audit::Error`]: it is written later.
    pub fn tell(&self) -> Result<(), audit::Error> {
        let Ok(register) = self.now() else { return Ok(()) };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if register.version() <= *told {
            return Ok(());
        }
        for ((version, change, scope), references) in changes(register.objections(), *told) {
            for references in references.chunks(REFERENCES_MAX) {
                let scope = scope.to_string();
                tracing::info!(change, scope, objections = references.len(), "objections");
                self.log.append(Event::Objections {
                    change: change.to_owned(),
                    scope,
                    references: references.to_vec(),
                    register: version,
                })?;
            }
        }
        *told = register.version();
        Ok(())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest version of the register that stands in a log: what is older is not the register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known(pub u64);

impl Known {
    /// The word by which records are found that it has to see.
    pub const WORD: &'static str = "\"event\":\"objections\"";

    /// Looks at a record.
    pub fn look(&mut self, event: &Event) {
        if let Event::Objections { register, .. } = event {
            self.0 = self.0.max(*register);
        }
    }

    /// What a log knows.
    ///
    /// # Errors
    /// [`audit::Error`]: the log cannot be read, or does not verify.
    pub fn of(audit: &Path) -> Result<Self, audit::Error> {
        let mut known = Known::default();
        audit::search(audit, &[Known::WORD], |record| known.look(&record.event))?;
        Ok(known)
    }
}

impl Seen {
    fn look(&mut self, book: &Book) -> Result<Arc<Register>, Error> {
        let stamp = book.stamp()?;
        if let Some((_, register)) = self.newest.as_ref().filter(|(known, _)| *known == stamp) {
            return Ok(Arc::clone(register));
        }
        self.newest = None;
        // It may be a newer one already than its stamp; then it is read once more the next time.
        let register = Arc::new(book.read_at_least(self.known)?);
        self.known = register.version();
        self.newest = Some((stamp, Arc::clone(&register)));
        Ok(register)
    }
}

/// What was changed after a version: the version that has it so, how, and about what; and the references.
fn changes(
    objections: &[Objection],
    after: u64,
) -> BTreeMap<(u64, &'static str, &Scope), Vec<String>> {
    let mut changes: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for objection in objections {
        let events = [(Some(objection.added_in), "added"), (objection.lifted_in, "lifted")];
        for (version, change) in events {
            if let Some(version) = version.filter(|version| *version > after) {
                let place = (version, change, &objection.scope);
                changes.entry(place).or_default().push(objection.reference.clone());
            }
        }
    }
    changes
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test owns its files
mod tests {
    use super::super::Wish;
    use super::*;
    use crate::audit::Signer;
    use crate::clock::Day;
    use crate::key::RootKey;

    struct Site {
        folder: tempfile::TempDir,
    }

    impl Site {
        fn book(&self) -> Book {
            Book::new(self.folder.path().join("objections"), &RootKey::of_patient(&[7; 32], "A1"))
        }

        fn watch(&self) -> Watch {
            let audit = self.folder.path().join("audit");
            crate::disk::make_dir(&audit).unwrap();
            let signer = Signer::of(&RootKey::of_patient(&[7; 32], "A1"));
            let log = Arc::new(Log::open(&audit, signer).unwrap());
            Watch::begin(self.book(), log, Known::of(&audit).unwrap())
        }

        fn add(&self, number: &str) -> String {
            let wish = Wish::new("", number, Scope::All, Day::today()).unwrap();
            self.book().add(&[wish]).unwrap().remove(0).reference
        }

        fn told(&self) -> Vec<(String, u64)> {
            let mut told = Vec::new();
            audit::search(&self.folder.path().join("audit"), &["objections"], |record| {
                if let Event::Objections { change, register, .. } = record.event {
                    told.push((change, register));
                }
            })
            .unwrap();
            told
        }
    }

    fn site() -> Site {
        Site { folder: tempfile::tempdir().unwrap() }
    }

    #[test]
    fn a_change_is_seen_at_once_and_told_once_also_over_a_restart() {
        let site = site();
        let watch = site.watch();
        assert_eq!(watch.now().unwrap().version(), 0);
        let reference = site.add("1");
        assert_eq!(watch.now().unwrap().version(), 1);
        watch.tell().unwrap();
        watch.tell().unwrap();
        drop(watch);
        site.add("2");
        site.book().lift(&reference, None).unwrap();
        let watch = site.watch();
        watch.tell().unwrap();
        watch.tell().unwrap();
        let expected = [("added", 1), ("added", 2), ("lifted", 3)];
        assert_eq!(site.told(), expected.map(|(change, n)| (change.to_owned(), n)));
    }

    #[test]
    fn an_older_one_and_none_are_refused_if_a_newer_one_is_known() {
        let site = site();
        let file = site.folder.path().join("objections/register");
        site.add("1");
        let older = std::fs::read(&file).unwrap();
        site.add("2");
        let newer = std::fs::read(&file).unwrap();
        let put = |bytes: &[u8]| std::fs::write(&file, bytes).unwrap();
        let is_refused = |watch: &Watch| match watch.now() {
            Err(Error::Older { known: 2, .. }) => true,
            Ok(_) => false,
            Err(other) => panic!("{other}"),
        };
        put(&older);
        let watch = site.watch();
        assert!(!is_refused(&watch), "nobody knows of the newer one yet");
        put(&newer);
        watch.tell().unwrap();
        put(&older);
        assert!(is_refused(&watch));
        drop(watch);
        let watch = site.watch();
        assert!(is_refused(&watch), "the log knows");
        std::fs::remove_file(&file).unwrap();
        assert!(is_refused(&watch));
        put(b"{");
        assert!(matches!(watch.now(), Err(Error::Damaged { .. })));
        put(&newer);
        assert_eq!(watch.now().unwrap().version(), 2);
    }
}
