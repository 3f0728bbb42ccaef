//! Under which profile originals are tried again that a person has put back from quarantine for it.
//!
//! ```text
//! under/ID    [{"destination":"lab","file":"strict.yaml","profile":"...","seal":"64 hex digits"}]    HMAC over all of it and ID
//! ```
//! Only one that is plainly stricter than the destination's own; whoever works on the batch compares once more. It goes
//! with the originals, or when they are put back without one.

use super::beside::{self, Row, Sealed};
use super::{Place, Spool};
use crate::key::Key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;

/// A profile for one destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Under {
    /// Destination by its name in the configuration.
    pub destination: String,
    /// Where the profile was read, for messages.
    pub file: String,
    /// The profile, as it is written.
    pub profile: String,
}

impl Row for Under {
    const PLACE: Place = Place::Under;

    fn parts(&self) -> [&[u8]; 4] {
        let Under { destination, file, profile } = self;
        [b"under", destination.as_bytes(), file.as_bytes(), profile.as_bytes()]
    }
}

/// Those of these originals, each once.
///
/// # Errors
/// `InvalidData` for what is not what was written, or what the system says.
pub fn read(spool: &Spool, key: &Key, ids: &[String]) -> io::Result<BTreeSet<Under>> {
    let mut all = BTreeSet::new();
    for id in ids {
        for sealed in beside::of::<Under>(spool, id)? {
            all.insert(sealed.open(key, id).ok_or(io::ErrorKind::InvalidData)?);
        }
    }
    Ok(all)
}

/// Notes, durably, that these originals are tried again under it.
///
/// # Errors
/// What the system says.
pub fn write(spool: &Spool, key: &Key, ids: &[String], under: &Under) -> io::Result<()> {
    for id in ids {
        let mut all = others(spool, id, &under.destination)?;
        all.push(Sealed::new(key, id, under.clone()));
        beside::put(spool, id, &all)?;
    }
    Ok(())
}

/// That these originals are tried again under the destination's own profile.
///
/// # Errors
/// What the system says.
pub fn lift(spool: &Spool, ids: &[String], destination: &str) -> io::Result<()> {
    ids.iter().try_for_each(|id| beside::put(spool, id, &others(spool, id, destination)?))
}

/// Removes those of originals that go.
///
/// # Errors
/// What the system says.
pub fn forget(spool: &Spool, ids: &[String]) -> io::Result<()> {
    beside::forget::<Under>(spool, ids)
}

fn others(spool: &Spool, id: &str, destination: &str) -> io::Result<Vec<Sealed<Under>>> {
    let mut all = beside::of::<Under>(spool, id)?;
    all.retain(|one| !destination.is_empty() && one.row.destination != destination);
    Ok(all)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::*;
    use crate::disk;
    use crate::key::{Purpose, RootKey};

    #[test]
    fn a_profile_is_for_one_original_and_one_destination() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let key = RootKey::of_patient(&[7; 32], "A1").derive("", Purpose::Handle);
        let under = |destination: &str, profile: &str| Under {
            destination: destination.to_owned(),
            file: "p.yaml".to_owned(),
            profile: profile.to_owned(),
        };
        let ids = ["i1".to_owned()];
        write(&spool, &key, &ids, &under("lab", "one")).unwrap();
        write(&spool, &key, &ids, &under("clinic", "two")).unwrap();
        write(&spool, &key, &ids, &under("lab", "three")).unwrap();
        let all = read(&spool, &key, &["i1".to_owned(), "i2".to_owned()]).unwrap();
        assert_eq!(all, BTreeSet::from([under("clinic", "two"), under("lab", "three")]));
        lift(&spool, &ids, "clinic").unwrap();
        assert_eq!(read(&spool, &key, &ids).unwrap(), BTreeSet::from([under("lab", "three")]));
        let file = spool.dir(Place::Under).join("i1");
        let good = std::fs::read_to_string(&file).unwrap();
        for (from, to) in [("lab", "lax"), ("three", "threa"), ("p.yaml", "q.yaml")] {
            std::fs::write(&file, good.replace(from, to)).unwrap();
            assert!(read(&spool, &key, &ids).is_err(), "{to}");
        }
        std::fs::write(&file, &good).unwrap();
        std::fs::rename(&file, spool.dir(Place::Under).join("i2")).unwrap();
        assert!(read(&spool, &key, &["i2".to_owned()]).is_err(), "of another original");
        forget(&spool, &["i2".to_owned()]).unwrap();
        assert!(disk::list(&spool.dir(Place::Under)).unwrap().is_empty());
    }
}
