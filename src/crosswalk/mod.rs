//! The crosswalk: what the pseudonyms of a project stand for, for results that come back.
//!
//! ```text
//! DIR/PROJECT/rows/ab/STUDY.WHOM.ROWS   rows of a study, encrypted under a key of the patient    store.rs, rows.rs, line.rs
//! DIR/PROJECT/rows/lock                 shared by those who write, alone for whoever erases
//! DIR/PROJECT/patients/PATIENT          the data key of a patient, encrypted                     patients.rs
//! DIR/PROJECT/secrets/ab/abcdef...      the secret of a patient with random pseudonyms           secrets.rs
//! ```
//! A pseudonym is a keyed hash: nobody can compute backwards. So before anything of a study is released, [`Crosswalk::keep`]
//! makes durable what its pseudonyms stand for. The order is: rows, log, outbox. Rows of what never left harm nobody.
//!
//! **Names tell nothing.** Every name is a keyed tag: STUDY of the Study Instance UID as it left, WHOM of the study and the
//! patient as they are, ROWS of the contents. The same rows have the same name, so that what is done again after a crash
//! changes nothing. The same STUDY with another WHOM is a pseudonym that stands for two: [`Error::Contradiction`], and
//! the study goes to quarantine. Nobody who writes has to read: a worker has no right to (`isolation/worker.rs`). What two
//! batches say differently of one UID is noticed by whoever reads them, and refused.
//!
//! **Whoever deletes the file in `patients/` has erased all rows of the patient**, also in every backup of them. A backup
//! that holds both, rows and patients, can still be read with the root key: keep the two apart, or let such backups
//! expire within the time that you promise for erasure.
//!
//! **Rows have their time.** [`Crosswalk::expire`] removes those of studies that were released last so many days ago
//! (`crosswalk_days`), and the data keys of patients of whom none is left. Secrets of random pseudonyms stay, for the next
//! study of the patient would get another pseudonym; a project may say otherwise (`expire_pseudonyms`).
//!
//! **What leaves the house again in the open** is an export ([`export`], [`Import`]): JSON Lines, all that is known.

mod exchange;
mod expiry;
mod line;
mod patients;
mod rows;
mod secrets;
mod store;

pub use exchange::{BadImport, Import, export, project_of};
pub use expiry::{Census, Expired, Retention};
pub use patients::Patient;
pub use rows::{Instance, Original, Rows};
pub use secrets::Secrets;
pub use store::Held;

use crate::deid::pseudonym::canonical;
use crate::disk;
use crate::key::{Cipher, Key, Purpose, RootKey};
use crate::objection::{self, Called};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why the crosswalk does not say what it should. Nothing of the patient leaves then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("the crosswalk {path}: {error}")]
    Io {
        /// Its directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// An entry is not what was written.
    #[error(
        "an entry of the crosswalk {path} was damaged or changed, or is of another root key. Restore it from a backup: with a new one results could not be matched, and the same patient would be another one"
    )]
    Damaged {
        /// Its directory.
        path: PathBuf,
    },
    /// A pseudonym stands for something else already.
    #[error(
        "a pseudonym of this study stands for something else in the crosswalk already: the two may not be mixed up. A person must look at both"
    )]
    Contradiction,
}

/// What the pseudonyms of one project stand for.
pub struct Crosswalk {
    directory: PathBuf,
    project: String,
    /// Of every generation, the newest first.
    keys: Vec<Keys>,
    /// Makes the hashes by which a request for erasure finds a patient.
    subjects: Key,
}

/// What it takes to read the crosswalk of one project: [`Crosswalk::reading`].
#[derive(Clone, Serialize, Deserialize)]
pub struct Reading {
    directory: PathBuf,
    project: String,
    subjects: Zeroizing<String>,
    /// By generation, the newest first: of names, of data keys, of handles.
    keys: Vec<(String, [Zeroizing<String>; 3])>,
}

impl Reading {
    /// The crosswalk; `None` for anything else than what [`Crosswalk::reading`] made.
    pub fn open(&self) -> Option<Crosswalk> {
        let keys = self.keys.iter().map(|(generation, [names, wrap, handles])| {
            Some(Keys {
                generation: generation.clone(),
                names: Key::from_text(names)?,
                wrap: Key::from_text(wrap)?.into_cipher(),
                handles: Key::from_text(handles)?,
            })
        });
        Some(Crosswalk {
            directory: self.directory.join(&self.project),
            project: self.project.clone(),
            keys: keys.collect::<Option<_>>()?,
            subjects: Key::from_text(&self.subjects)?,
        })
    }
}

/// The keys of one generation.
struct Keys {
    generation: String,
    /// Makes names, and seals what is said in the clear.
    names: Key,
    /// Encrypts data keys.
    wrap: Cipher,
    /// Makes the handles of patients.
    handles: Key,
}

impl Crosswalk {
    /// The crosswalk of `project` under `directory`.
    pub fn new(directory: &Path, project: &str, root: &RootKey) -> Self {
        let names: Vec<String> = root.generations().map(str::to_owned).collect();
        let roots = names.iter().filter_map(|name| root.of_generation(name));
        let keys = roots.map(|root| Keys {
            generation: root.generation().to_owned(),
            names: root.derive(project, Purpose::RowName),
            wrap: root.cipher(project, Purpose::RowKey),
            handles: root.derive(project, Purpose::Crosswalk),
        });
        Crosswalk {
            directory: directory.join(project),
            project: project.to_owned(),
            keys: keys.collect(),
            subjects: root.derive(project, Purpose::Subject),
        }
    }

    /// What it takes to read it, and no more than that: for a pipe to a process that has not the root key.
    pub fn reading(directory: &Path, project: &str, root: &RootKey) -> Reading {
        let roots = root.generations().filter_map(|name| root.of_generation(name));
        let keys = roots.map(|root| {
            let of = |purpose| root.derive(project, purpose).to_text();
            let keys = [Purpose::RowName, Purpose::RowKey, Purpose::Crosswalk].map(of);
            (root.generation().to_owned(), keys)
        });
        Reading {
            directory: directory.to_owned(),
            project: project.to_owned(),
            subjects: root.derive(project, Purpose::Subject).to_text(),
            keys: keys.collect(),
        }
    }

    /// The project whose pseudonyms it knows.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Makes its directories, durably: once, before anybody writes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn lay_out(&self) -> Result<(), Error> {
        let places = ["rows", "patients", "secrets"].map(|place| self.directory.join(place));
        let made = places.iter().try_for_each(|place| disk::make_dir(place));
        // Each directory that may be new is a name in the one above it.
        let here = |dir: &Path| dir.as_os_str().is_empty();
        let synced = made.and_then(|()| {
            self.directory
                .ancestors()
                .take(3)
                .try_for_each(|dir| disk::sync_dir(if here(dir) { Path::new(".") } else { dir }))
        });
        synced.map_err(|error| self.io(error))
    }

    /// The patients who may be meant by whoever is called so, by any number that stands in their studies.
    ///
    /// # Errors
    /// [`Error`].
    pub fn patients_called(&self, called: &Called) -> Result<Vec<Patient>, Error> {
        let meant = called.hashed(&self.subjects);
        let mut patients = self.all_patients()?;
        patients.retain(|patient| may_be(&patient.names, &meant));
        Ok(patients)
    }

    /// Whether a patient is called so by Patient ID and issuer, not only by another number.
    pub fn is_called(&self, patient: &Patient, called: &Called) -> bool {
        may_be(&patient.own, &called.hashed(&self.subjects))
    }

    /// Rows that came without hashes of the patient's numbers, with them.
    fn named(&self, mut rows: Rows) -> Rows {
        rows.names.extend(self.own_names(&rows));
        rows
    }

    fn own_names(&self, rows: &Rows) -> BTreeSet<String> {
        let called =
            rows.with_patient(
                |issuer, id, is_number| {
                    if is_number { Called::said(issuer, id) } else { Called::default() }
                },
            );
        called.hashed(&self.subjects).to_texts().into_iter().collect()
    }

    fn keys_of(&self, generation: &str) -> Result<&Keys, Error> {
        self.keys.iter().find(|keys| keys.generation == generation).ok_or_else(|| self.damaged())
    }

    fn io(&self, error: io::Error) -> Error {
        Error::Io { path: self.directory.clone(), error }
    }

    fn damaged(&self) -> Error {
        Error::Damaged { path: self.directory.clone() }
    }
}

/// Where the rows, data keys and secrets of a project are under a directory.
pub fn places(directory: &Path, project: &str) -> [PathBuf; 3] {
    ["rows", "patients", "secrets"].map(|place| directory.join(project).join(place))
}

/// The projects that have a crosswalk under a directory.
///
/// # Errors
/// What the system says.
pub fn projects(directory: &Path) -> io::Result<Vec<String>> {
    disk::list(directory)
}

fn may_be(names: &BTreeSet<String>, meant: &objection::Patient) -> bool {
    let names: Vec<String> = names.iter().cloned().collect();
    objection::Patient::from_texts(&names).may_be(meant)
}

impl Keys {
    fn patient_tag(&self, pseudonym: &str) -> String {
        HEXLOWER.encode(&self.names.tag(&[b"patient", pseudonym.as_bytes()])[..16])
    }

    fn study_tag(&self, study: &str) -> String {
        HEXLOWER.encode(&self.names.tag(&[b"study", study.as_bytes()])[..16])
    }

    fn handle(&self, issuer: &str, id: &str, known: bool) -> [u8; 32] {
        handle(&self.handles, issuer, id, known)
    }
}

/// By what a patient of a project is found again, or for somebody without a number the study.
fn handle(key: &Key, issuer: &str, id: &str, known: bool) -> [u8; 32] {
    let kind: &[u8] = if known { b"patient" } else { b"study" };
    key.tag(&[b"handle", kind, canonical(issuer).as_bytes(), canonical(id).as_bytes()])
}

#[cfg(test)]
mod tests;
