//! What two people let leave although a stage has its doubts: for one instance, one destination and one doubt.
//!
//! ```text
//! reviews/ID    [{"destination":"lab","code":"localizer","nonce":"...","seal":"64 hex digits"}]    HMAC over all of it and ID
//! ```
//! Written when what they have looked at is put back from quarantine, and read by the worker that takes it again. Each
//! destination and each doubt has its own: what is released for a second one stays released for the first. They go with
//! the originals.

use super::beside::{self, Row, Sealed};
use super::quarantine::Code;
use super::{Place, Spool, entry_ids};
use crate::key::Key;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;

/// What was looked at, of some instances.
#[derive(Clone, Debug, Default)]
pub struct Reviews(HashMap<String, Vec<Review>>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Review {
    destination: String,
    code: Code,
    /// Of the approval.
    nonce: String,
}

impl Row for Review {
    const PLACE: Place = Place::Reviews;

    fn parts(&self) -> [&[u8]; 4] {
        let Review { destination, code, nonce } = self;
        [b"review", destination.as_bytes(), code.name().as_bytes(), nonce.as_bytes()]
    }
}

impl Review {
    fn is_of(&self, destination: &str, code: Code) -> bool {
        self.destination == destination && self.code == code
    }
}

impl Reviews {
    /// Those of these instances. What is not what was written is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(spool: &Spool, key: &Key, ids: &[String]) -> io::Result<Self> {
        let mut reviews = HashMap::new();
        for id in ids {
            let sealed = written(spool, id)?.into_iter();
            let sound: Vec<Review> = sealed.filter_map(|sealed| sealed.open(key, id)).collect();
            if !sound.is_empty() {
                reviews.insert(id.clone(), sound);
            }
        }
        Ok(Reviews(reviews))
    }

    /// Whether two people have looked at an instance for a destination, because of such a doubt.
    pub fn has(&self, id: &str, destination: &str, code: Code) -> bool {
        self.0.get(id).is_some_and(|all| all.iter().any(|review| review.is_of(destination, code)))
    }
}

/// Notes, durably, that two people have looked at all that is in quarantine under a name. It counts when that is put back.
///
/// # Errors
/// What the system says.
pub fn write(
    spool: &Spool,
    key: &Key,
    name: &str,
    destination: &str,
    code: Code,
    nonce: &str,
) -> io::Result<()> {
    for id in entry_ids(&spool.dir(Place::Quarantine).join(name))? {
        let mut all = written(spool, &id)?;
        all.retain(|one| !one.row.is_of(destination, code));
        let [destination, nonce] = [destination, nonce].map(str::to_owned);
        all.push(Sealed::new(key, &id, Review { destination, code, nonce }));
        beside::put(spool, &id, &all)?;
    }
    Ok(())
}

/// Removes those of instances whose originals go.
///
/// # Errors
/// What the system says.
pub fn forget(spool: &Spool, ids: &[String]) -> io::Result<()> {
    beside::forget::<Review>(spool, ids)
}

/// What lies there. What cannot be understood is no review: it lets nothing leave, and is written anew.
fn written(spool: &Spool, id: &str) -> io::Result<Vec<Sealed<Review>>> {
    match beside::of(spool, id) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Vec::new()),
        written => written,
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::*;
    use crate::disk;
    use crate::key::{Purpose, RootKey};

    #[test]
    fn a_review_is_for_one_instance_one_destination_and_one_doubt() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let key = RootKey::of_patient(&[7; 32], "A1").derive("", Purpose::Handle);
        let name = "b.localizer";
        disk::make_dir(&spool.dir(Place::Quarantine).join(name)).unwrap();
        disk::create(&spool.dir(Place::Quarantine).join(name).join("i1")).unwrap();
        write(&spool, &key, name, "lab", Code::Localizer, "n").unwrap();
        let ids = ["i1".to_owned(), "i2".to_owned()];
        let read = || Reviews::read(&spool, &key, &ids).unwrap();
        assert!(read().has("i1", "lab", Code::Localizer));
        for (id, to, code) in [
            ("i2", "lab", Code::Localizer),
            ("i1", "clinic", Code::Localizer),
            ("i1", "lab", Code::Rendering),
        ] {
            assert!(!read().has(id, to, code));
        }
        let file = spool.dir(Place::Reviews).join("i1");
        let good = std::fs::read_to_string(&file).unwrap();
        for (from, to) in [("lab", "lax"), ("localizer", "rendering"), ("\"n\"", "\"m\"")] {
            std::fs::write(&file, good.replace(from, to)).unwrap();
            assert!(read().0.is_empty(), "{to}");
        }
        std::fs::write(&file, &good).unwrap();
        std::fs::rename(&file, spool.dir(Place::Reviews).join("i2")).unwrap();
        assert!(read().0.is_empty(), "of another instance");
        forget(&spool, &ids).unwrap();
        assert!(disk::list(&spool.dir(Place::Reviews)).unwrap().is_empty());
    }

    #[test]
    fn what_is_released_for_a_second_destination_stays_released_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let key = RootKey::of_patient(&[7; 32], "A1").derive("", Purpose::Handle);
        let released = [
            ("b.lab.localizer", "lab", Code::Localizer),
            ("b.clinic.localizer", "clinic", Code::Localizer),
            ("b.lab.burned-in-text", "lab", Code::BurnedInText),
        ];
        for (name, destination, code) in released {
            disk::make_dir(&spool.dir(Place::Quarantine).join(name)).unwrap();
            disk::create(&spool.dir(Place::Quarantine).join(name).join("i1")).unwrap();
            write(&spool, &key, name, destination, code, "n").unwrap();
        }
        // Once more, because the first call was stopped on its way: it is the same.
        write(&spool, &key, "b.lab.localizer", "lab", Code::Localizer, "m").unwrap();
        let reviews = Reviews::read(&spool, &key, &["i1".to_owned()]).unwrap();
        for (name, destination, code) in released {
            assert!(reviews.has("i1", destination, code), "{name}");
        }
        assert!(!reviews.has("i1", "clinic", Code::BurnedInText), "of neither");
        assert_eq!(reviews.0["i1"].len(), 3);
        // Nobody can read it: nobody has looked, until two people have again.
        std::fs::write(spool.dir(Place::Reviews).join("i1"), "lab").unwrap();
        assert!(Reviews::read(&spool, &key, &["i1".to_owned()]).unwrap().0.is_empty());
        write(&spool, &key, "b.lab.localizer", "lab", Code::Localizer, "n").unwrap();
        let reviews = Reviews::read(&spool, &key, &["i1".to_owned()]).unwrap();
        assert!(reviews.has("i1", "lab", Code::Localizer));
    }
}
