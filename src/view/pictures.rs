//! Pictures of what is inside, for people who may look. THEY SHOW THE PATIENT: whoever asks says why, and it stands in the
//! log before anything is drawn.

use crate::audit::{Event, Receipt};
use crate::custody::outbox::Outbox;
use crate::decide::{No, plain};
use crate::desk;
use crate::disk;
use crate::isolation::{self, Strictness};
use crate::key::RootKey;
use crate::look::{Drawn, Wanted};
use crate::render;
use crate::spool::quarantine::batch_of;
use crate::spool::{Place, Spool, entry_ids};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// Where originals are of which somebody may want to see a picture.
const PLACES: [Place; 3] = [Place::Quarantine, Place::Held, Place::Delivered];

/// What somebody wants to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Name in quarantine, or the batch of originals that are kept.
    pub name: String,
    /// Of what.
    pub what: What,
    /// Who asks.
    pub by: String,
    /// Why.
    pub because: String,
}

/// Of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A slice, counted from 1: by series, from one end of it to the other.
    Slice(u64),
    /// A picture of a surface that a stage has drawn, counted from 1.
    Surface(u64),
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// As a PNG file: before, and, where a parcel is still there, after, side by side.
    #[serde(with = "in_base64")]
    pub png: Vec<u8>,
    /// How many slices there are.
    pub of: u64,
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or no reason.
    #[error(transparent)]
    No(#[from] No),
    /// There is no picture of a surface with this number.
    #[error("{0} pictures of surfaces are beside it")]
    Surfaces(usize),
    /// It does not stand in the log.
    #[error(transparent)]
    Desk(#[from] desk::Error),
    /// It cannot be drawn.
    #[error("it cannot be drawn: {0}")]
    Draw(String),
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Shows it to whoever asks, once it stands in the log that they did.
///
/// # Errors
/// [`Error`]: nothing is shown.
pub fn look(
    spool: &Spool,
    root: &RootKey,
    strictness: Strictness,
    asked: &Asked,
) -> Result<Picture, Error> {
    let because = plain(&asked.because)?.to_owned();
    let wanted = wanted(spool, asked)?;
    let what = match asked.what {
        What::Slice(_) => "slice",
        What::Surface(_) => "surface",
    };
    let (name, by) = (asked.name.clone(), asked.by.clone());
    let event = Event::Shown { name, what: what.to_owned(), by, because };
    let receipt = desk::note(spool.root(), root, event)?;
    draw(wanted, strictness, &receipt)
}

/// In JSON a file is one text, not a list of numbers.
mod in_base64 {
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map_err(|_| D::Error::custom("not Base 64"))
    }
}

/// The receipt is of the log: without one nothing is drawn.
fn draw(wanted: Wanted, strictness: Strictness, _noted: &Receipt) -> Result<Picture, Error> {
    let Drawn { columns, rows, bytes, of } =
        isolation::look(wanted, strictness).map_err(Error::Draw)?;
    let picture = image::RgbImage::from_raw(columns, rows, bytes);
    let picture = picture.ok_or_else(|| Error::Draw("it has no pixels".to_owned()))?;
    let png = render::png(&picture).map_err(|error| Error::Draw(error.to_string()))?;
    Ok(Picture { png, of })
}

fn wanted(spool: &Spool, asked: &Asked) -> Result<Wanted, Error> {
    let folder = folder(spool, &asked.name)?;
    match asked.what {
        What::Slice(slice) => {
            let parcels = Parcels::of(spool, batch_of(&asked.name))?;
            let ids = entry_ids(&folder)?.into_iter();
            let instances = ids.map(|id| (folder.join(&id), parcels.find(&id))).collect();
            Ok(Wanted::Slice { instances, slice })
        }
        What::Surface(number) => {
            let mut pictures = disk::list(&folder)?;
            pictures.retain(|name| name.ends_with(".png"));
            let at = usize::try_from(number).unwrap_or(usize::MAX).checked_sub(1);
            let picture = at.and_then(|at| pictures.get(at));
            let picture = picture.ok_or(Error::Surfaces(pictures.len()))?;
            Ok(Wanted::Surface(folder.join(picture)))
        }
    }
}

fn folder(spool: &Spool, name: &str) -> Result<PathBuf, Error> {
    for place in PLACES {
        if disk::list(&spool.dir(place))?.iter().any(|known| known == name) {
            return Ok(spool.dir(place).join(name));
        }
    }
    Err(No::Unknown(name.to_owned()).into())
}

/// Parcels of a batch that are still here, for whomever.
struct Parcels(Vec<PathBuf>);

impl Parcels {
    fn of(spool: &Spool, batch: &str) -> io::Result<Self> {
        let destinations = spool.outboxes()?;
        let folders = destinations.iter().flat_map(|to| Outbox::of(spool, to).folders(batch));
        Ok(Parcels(folders.collect()))
    }

    fn find(&self, id: &str) -> Option<PathBuf> {
        let files = self.0.iter().map(|folder| folder.join(format!("{id}.dcm")));
        files.into_iter().find(|file| file.exists())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_reason_or_a_name_nothing_is_noted_nor_shown() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let root = RootKey::of_patient(&[7; 32], "A1");
        let aside = spool.dir(Place::Quarantine).join("h-1.lab.localizer");
        disk::make_dir(&aside).unwrap();
        disk::create(&aside.join("i1")).unwrap();
        let refused = |name: &str, what, because: &str| {
            let (name, by, because) = (name.to_owned(), "anna".to_owned(), because.to_owned());
            let asked = Asked { name, what, by, because };
            look(&spool, &root, Strictness::Strict, &asked).unwrap_err()
        };
        let name = "h-1.lab.localizer";
        for because in ["", " ", "two\nlines"] {
            assert!(matches!(refused(name, What::Slice(1), because), Error::No(No::Because)));
        }
        for name in ["h-1", "../audit", ""] {
            assert!(matches!(refused(name, What::Slice(1), "why"), Error::No(No::Unknown(_))));
        }
        assert!(matches!(refused(name, What::Surface(1), "why"), Error::Surfaces(0)));
        assert!(!spool.dir(Place::Audit).join("log").exists());
    }
}
