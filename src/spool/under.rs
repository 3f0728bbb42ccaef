//! Under which profile originals are tried again that a person has put back from quarantine for it.
//!
//! ```text
//! under/ID    [{"destination":"lab","file":"strict.yaml","profile":"...","seal":"64 hex digits"}]    HMAC over all of it and ID
//! ```
//! Only one that is plainly stricter than the destination's own; whoever works on the batch compares once more. It goes
//! with the originals, or when they are put back without one.

use super::{Place, Spool};
use crate::disk;
use crate::key::Key;
use data_encoding::HEXLOWER;
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

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sealed {
    #[serde(flatten)]
    under: Under,
    seal: String,
}

impl Under {
    fn parts<'a>(&'a self, id: &'a str) -> [&'a [u8]; 5] {
        let Under { destination, file, profile } = self;
        let [to, file, profile] = [destination, file, profile].map(|text| text.as_bytes());
        [b"under", id.as_bytes(), to, file, profile]
    }
}

/// Those of these originals, each once.
///
/// # Errors
/// `InvalidData` for what is not what was written, or what the system says.
pub fn read(spool: &Spool, key: &Key, ids: &[String]) -> io::Result<BTreeSet<Under>> {
    let mut all = BTreeSet::new();
    for id in ids {
        for Sealed { under, seal } in of(spool, id)? {
            let seal = HEXLOWER.decode(seal.as_bytes()).unwrap_or_default();
            if !key.check(&under.parts(id), &seal) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            all.insert(under);
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
        let seal = HEXLOWER.encode(&key.tag(&under.parts(id)));
        let mut all = others(spool, id, &under.destination)?;
        all.push(Sealed { under: under.clone(), seal });
        put(spool, id, &all)?;
    }
    Ok(())
}

/// That these originals are tried again under the destination's own profile.
///
/// # Errors
/// What the system says.
pub fn lift(spool: &Spool, ids: &[String], destination: &str) -> io::Result<()> {
    ids.iter().try_for_each(|id| put(spool, id, &others(spool, id, destination)?))
}

/// Removes those of originals that go.
///
/// # Errors
/// What the system says.
pub fn forget(spool: &Spool, ids: &[String]) -> io::Result<()> {
    let folder = spool.dir(Place::Under);
    ids.iter().try_for_each(|id| disk::remove(&folder.join(id)))
}

fn of(spool: &Spool, id: &str) -> io::Result<Vec<Sealed>> {
    let text = disk::read_text(&spool.dir(Place::Under).join(id))?;
    text.map_or_else(|| Ok(Vec::new()), |text| Ok(serde_json::from_str(&text)?))
}

fn others(spool: &Spool, id: &str, destination: &str) -> io::Result<Vec<Sealed>> {
    let mut all = of(spool, id)?;
    all.retain(|one| !destination.is_empty() && one.under.destination != destination);
    Ok(all)
}

fn put(spool: &Spool, id: &str, all: &[Sealed]) -> io::Result<()> {
    let path = spool.dir(Place::Under).join(id);
    if all.is_empty() {
        return disk::remove(&path);
    }
    disk::make_dir(&spool.dir(Place::Under))?;
    disk::write_whole(&path, &serde_json::to_vec(all)?)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::*;
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
