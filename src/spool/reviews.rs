//! What two people let leave although a stage has its doubts: for one instance, one destination and one doubt.
//!
//! ```text
//! reviews/ID    {"destination":"lab","code":"localizer","nonce":"...","seal":"64 hex digits"}    HMAC over all of it and ID
//! ```
//! Written when what they have looked at is put back from quarantine, and read by the worker that takes it again. It goes
//! with the originals.

use super::quarantine::Code;
use super::{Place, Spool, entry_ids};
use crate::disk;
use crate::key::Key;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;

/// What was looked at, of some instances.
#[derive(Clone, Debug, Default)]
pub struct Reviews(HashMap<String, Review>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Review {
    destination: String,
    code: Code,
    /// Of the approval.
    nonce: String,
    seal: String,
}

impl Review {
    fn parts<'a>(&'a self, id: &'a str) -> [&'a [u8]; 5] {
        let Review { destination, code, nonce, .. } = self;
        [b"review", id.as_bytes(), destination.as_bytes(), code.name().as_bytes(), nonce.as_bytes()]
    }
}

impl Reviews {
    /// Those of these instances. What is not what was written is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(spool: &Spool, key: &Key, ids: &[String]) -> io::Result<Self> {
        let (folder, mut reviews) = (spool.dir(Place::Reviews), HashMap::new());
        for id in ids {
            let Some(text) = disk::read_text(&folder.join(id))? else { continue };
            let review: Option<Review> = serde_json::from_str(&text).ok();
            let is_sound = |review: &Review| {
                let seal = HEXLOWER.decode(review.seal.as_bytes());
                seal.is_ok_and(|seal| key.check(&review.parts(id), &seal))
            };
            reviews.extend(review.filter(is_sound).map(|review| (id.clone(), review)));
        }
        Ok(Reviews(reviews))
    }

    /// Whether two people have looked at an instance for a destination, because of such a doubt.
    pub fn has(&self, id: &str, destination: &str, code: Code) -> bool {
        self.0.get(id).is_some_and(|r| r.destination == destination && r.code == code)
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
    let folder = spool.dir(Place::Reviews);
    disk::make_dir(&folder)?;
    for id in entry_ids(&spool.dir(Place::Quarantine).join(name))? {
        let mut review = Review {
            destination: destination.to_owned(),
            code,
            nonce: nonce.to_owned(),
            seal: String::new(),
        };
        review.seal = HEXLOWER.encode(&key.tag(&review.parts(&id)));
        disk::write_whole(&folder.join(&id), &serde_json::to_vec(&review)?)?;
    }
    Ok(())
}

/// Removes those of instances whose originals go.
///
/// # Errors
/// What the system says.
pub fn forget(spool: &Spool, ids: &[String]) -> io::Result<()> {
    let folder = spool.dir(Place::Reviews);
    ids.iter().try_for_each(|id| disk::remove(&folder.join(id)))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::*;
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
}
