//! What people decided about an original, beside it until it goes: a file an original, a row a decision.
//!
//! ```text
//! PLACE/ID    [{..., "seal":"64 hex digits"}]    HMAC over the row and ID
//! ```
//! A row is nobody else's: under the name of another original, or changed, it does not open.

use super::{Place, Spool};
use crate::disk;
use crate::key::Key;
use data_encoding::HEXLOWER;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;

/// What is decided.
pub(super) trait Row: Serialize + DeserializeOwned {
    /// Where it lies.
    const PLACE: Place;
    /// What is sealed with the original's name: first what kind of row it is, then all that it says.
    fn parts(&self) -> [&[u8]; 4];
}

/// A row, as it lies there.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealed<R> {
    #[serde(flatten)]
    pub row: R,
    seal: String,
}

impl<R: Row> Sealed<R> {
    /// One about an original.
    pub fn new(key: &Key, id: &str, row: R) -> Self {
        let seal = HEXLOWER.encode(&key.tag(&parts(&row, id)));
        Sealed { row, seal }
    }

    /// The row, if it is what was written about this original.
    pub fn open(self, key: &Key, id: &str) -> Option<R> {
        let seal = HEXLOWER.decode(self.seal.as_bytes()).unwrap_or_default();
        key.check(&parts(&self.row, id), &seal).then_some(self.row)
    }
}

fn parts<'a>(row: &'a impl Row, id: &'a str) -> [&'a [u8]; 5] {
    let [kind, one, two, three] = row.parts();
    [kind, id.as_bytes(), one, two, three]
}

/// Those of an original; none where nothing was decided.
///
/// # Errors
/// `InvalidData` for what is no such file, or what the system says.
pub(super) fn of<R: Row>(spool: &Spool, id: &str) -> io::Result<Vec<Sealed<R>>> {
    let text = disk::read_text(&spool.dir(R::PLACE).join(id))?;
    let damaged = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    text.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text).map_err(damaged))
}

/// That these are all of an original, durably.
///
/// # Errors
/// What the system says.
pub(super) fn put<R: Row>(spool: &Spool, id: &str, all: &[Sealed<R>]) -> io::Result<()> {
    let path = spool.dir(R::PLACE).join(id);
    if all.is_empty() {
        return disk::remove(&path);
    }
    disk::make_dir(&spool.dir(R::PLACE))?;
    disk::write_whole(&path, &serde_json::to_vec(all)?)
}

/// Removes those of originals that go.
///
/// # Errors
/// What the system says.
pub(super) fn forget<R: Row>(spool: &Spool, ids: &[String]) -> io::Result<()> {
    let folder = spool.dir(R::PLACE);
    ids.iter().try_for_each(|id| disk::remove(&folder.join(id)))
}
