//! What goes from the crosswalk: rows whose time is over, and patients who are erased. Data keys go first.

use super::secrets::file_of;
use super::{Crosswalk, Error, Patient};
use crate::clock::Day;
use crate::disk;
use data_encoding::HEXLOWER;
use serde::Serialize;
use std::collections::BTreeSet;
use std::io;

/// How long what a project's pseudonyms stand for is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days after a study was released last.
    pub days: u64,
    /// Whether random pseudonyms go with the last rows of their patient.
    pub pseudonyms: bool,
}

/// A year: results come within minutes, questions about them within months.
impl Default for Retention {
    fn default() -> Self {
        Retention { days: 365, pseudonyms: false }
    }
}

impl Retention {
    /// Thirty years: records of treatments with radiation are kept no longer by law (in Germany § 85 StrlSchG).
    pub const DAYS_MAX: u64 = 10_958;
}

/// What a crosswalk has.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Census {
    /// Studies of which there are rows.
    pub studies: u64,
    /// Patients who have a data key.
    pub patients: u64,
    /// When the study was released that has waited longest.
    pub oldest: Option<Day>,
}

/// What went, or is about to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Studies.
    pub studies: u64,
    /// Patients of whom nothing is left.
    pub patients: u64,
}

/// A study's files, whose they are, and when it was released last.
struct Entry {
    files: Vec<String>,
    patients: BTreeSet<String>,
    day: Day,
}

impl Crosswalk {
    /// Counts what is there.
    ///
    /// # Errors
    /// [`Error`].
    pub fn census(&self) -> Result<Census, Error> {
        let entries = self.entries()?;
        Ok(Census {
            studies: entries.len() as u64,
            patients: self.patient_tags()?.len() as u64,
            oldest: entries.iter().map(|entry| entry.day).min(),
        })
    }

    /// Removes the rows of studies whose time is over, and the data keys of patients of whom none is left. `tell` is asked
    /// before anything is removed.
    ///
    /// # Errors
    /// [`Error`], or what `tell` says: what was not removed is the next time.
    pub fn expire(
        &self,
        today: Day,
        keep: Retention,
        tell: impl FnOnce(Expired) -> io::Result<()>,
    ) -> Result<Expired, Error> {
        let _alone = self.close()?;
        let is_over = |entry: &Entry| entry.day.after(keep.days) <= today;
        let (over, rest): (Vec<Entry>, Vec<Entry>) = self.entries()?.into_iter().partition(is_over);
        let known: BTreeSet<&String> = rest.iter().flat_map(|entry| &entry.patients).collect();
        let tags = self.patient_tags()?.into_iter().filter(|tag| !known.contains(tag));
        let gone: BTreeSet<String> = tags.collect();
        let counts = Expired { studies: over.len() as u64, patients: gone.len() as u64 };
        if counts == Expired::default() {
            return Ok(counts);
        }
        tell(counts).map_err(|error| self.io(error))?;
        let secrets = if keep.pseudonyms { self.patients_of(&gone)? } else { Vec::new() };
        self.remove(&gone, &secrets, &over)?;
        Ok(counts)
    }

    /// Erases patients: their data keys, their rows, and the secrets of their pseudonyms. Waits until nobody writes.
    ///
    /// # Errors
    /// [`Error`]: it must be done again.
    pub fn erase(&self, patients: &[Patient]) -> Result<Expired, Error> {
        let _alone = self.close()?;
        let gone: BTreeSet<String> = patients.iter().map(|patient| patient.tag.clone()).collect();
        let mut entries = self.entries()?;
        entries.retain(|entry| !entry.patients.is_disjoint(&gone));
        let counts = Expired { studies: entries.len() as u64, patients: gone.len() as u64 };
        let secrets: Vec<String> = patients.iter().map(|patient| patient.handle.clone()).collect();
        self.remove(&gone, &secrets, &entries)?;
        Ok(counts)
    }

    /// Erases the secrets of somebody's pseudonyms, of whom there may be no rows any more.
    ///
    /// # Errors
    /// [`Error`]: it must be done again.
    pub fn forget(&self, issuer: &str, id: &str) -> Result<(), Error> {
        let handles = self.keys.iter().map(|keys| keys.handle(issuer, id, true));
        let handles: Vec<String> = handles.map(|handle| HEXLOWER.encode(&handle)).collect();
        self.remove(&BTreeSet::new(), &handles, &[])
    }

    /// Waits until what is being written is there: whoever begins later has heard what was said before.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn settle(&self) -> Result<(), Error> {
        self.close().map(drop)
    }

    /// The studies of a patient: their Study Instance UIDs as they left, and to whom.
    ///
    /// # Errors
    /// [`Error`].
    pub fn studies_of(&self, patient: &Patient) -> Result<Vec<(String, BTreeSet<String>)>, Error> {
        let mut studies = Vec::new();
        for entry in self.entries()?.iter().filter(|entry| entry.patients.contains(&patient.tag)) {
            if let Some((rows, _)) = self.joined(&entry.files)? {
                studies.push((rows.study, rows.destinations));
            }
        }
        Ok(studies)
    }

    fn entries(&self) -> Result<Vec<Entry>, Error> {
        let entry = |files: Vec<String>| {
            let heads = files.iter().map(|name| self.head(name)).collect::<Result<Vec<_>, _>>()?;
            let day = heads.iter().map(|head| head.day).max();
            let patients = heads.into_iter().map(|head| head.patient).collect();
            Ok(Entry { files, patients, day: day.unwrap_or(Day::today()) })
        };
        self.studies()?.into_iter().map(entry).collect()
    }

    /// Handles of patients. One that cannot be read has none that anybody could find.
    fn patients_of(&self, tags: &BTreeSet<String>) -> Result<Vec<String>, Error> {
        let mut all = self.all_patients()?;
        all.retain(|patient| tags.contains(&patient.tag));
        Ok(all.into_iter().map(|patient| patient.handle).collect())
    }

    fn remove(
        &self,
        patients: &BTreeSet<String>,
        secrets: &[String],
        entries: &[Entry],
    ) -> Result<(), Error> {
        let directory = self.directory.join("secrets");
        let removed = || {
            for tag in patients {
                disk::remove(&self.patients().join(tag))?;
            }
            disk::sync_dir(&self.patients())?;
            for handle in secrets {
                let handle = HEXLOWER.decode(handle.as_bytes()).ok();
                let handle = handle.and_then(|handle| <[u8; 32]>::try_from(handle).ok());
                let file = file_of(&directory, &handle.ok_or(io::ErrorKind::InvalidData)?);
                if let Some(shelf) = file.parent().filter(|_| file.exists()) {
                    disk::remove(&file)?;
                    disk::sync_dir(shelf)?;
                }
            }
            let mut shelves = BTreeSet::new();
            for name in entries.iter().flat_map(|entry| &entry.files) {
                disk::remove(&self.shelf(name).join(name))?;
                shelves.insert(self.shelf(name));
            }
            shelves.iter().try_for_each(|shelf| disk::sync_dir(shelf))
        };
        removed().map_err(|error| self.io(error))
    }
}
