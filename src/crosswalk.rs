//! The crosswalk of random pseudonyms: a secret for each patient of a project, thrown once.
//!
//! A keyed hash of a record number is derived from it, and 45 CFR 164.514(c) wants a code that is
//! not. With `pseudonyms: random`, everything that stands for a patient (pseudonym, UIDs, accession
//! number) is derived from this secret instead of the root key. The secret is found again by a
//! keyed handle of the patient, so the crosswalk names nobody; who deletes it cuts the tie for good.
//!
//! ```text
//! DIR/PROJECT/ab/abcdef...   efface crosswalk 1
//!                            secret 64 hex digits
//!                            seal 64 hex digits (HMAC of handle and secret)
//! ```
//! A file is written whole, synced, and linked to its name: of two that meet the same patient at
//! once, one wins and both read the same secret.

use crate::deid::Subject;
use crate::deid::pseudonym::Pseudonyms;
use crate::disk;
use crate::key::{Key, Purpose, RootKey};
use crate::spool::random_name;
use data_encoding::HEXLOWER;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why a patient's secret is not to be had. Nothing of the patient leaves then.
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
        "an entry of the crosswalk {path} was damaged or changed. Restore it from a backup: a new secret would make the same patient another one"
    )]
    Damaged {
        /// Its directory.
        path: PathBuf,
    },
}

/// The secrets of one project.
pub struct Crosswalk {
    directory: PathBuf,
    key: Key,
    project: String,
    generation: String,
}

impl Crosswalk {
    /// The crosswalk of `project` under `directory`; both are made when they are needed.
    pub fn new(directory: &Path, project: &str, root: &RootKey) -> Self {
        Crosswalk {
            directory: directory.join(project),
            key: root.derive(project, Purpose::Crosswalk),
            project: project.to_owned(),
            generation: root.generation().to_owned(),
        }
    }

    /// The pseudonyms of the patient that an instance is about.
    ///
    /// # Errors
    /// [`Error`].
    pub fn pseudonyms(&self, subject: &Subject) -> Result<Pseudonyms, Error> {
        let handle = subject.with_patient(|issuer, id, known| self.handle(issuer, id, known));
        let secret = self.secret(&handle)?;
        let root = RootKey::of_patient(&secret, &self.generation);
        Ok(Pseudonyms::new(&root, &self.project))
    }

    /// The pseudonym of a patient by issuer and number; `None` if the patient was never met, or was forgotten.
    ///
    /// # Errors
    /// [`Error`].
    pub fn pseudonym_of(&self, issuer: &str, id: &str) -> Result<Option<String>, Error> {
        let handle = self.handle(issuer, id, true);
        let name = HEXLOWER.encode(&handle);
        match self.read(&handle, &self.directory.join(&name[..2]).join(&name)) {
            Ok(secret) => {
                let root = RootKey::of_patient(&secret, &self.generation);
                Ok(Some(Pseudonyms::new(&root, &self.project).patient(issuer, id)))
            }
            Err(Error::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn handle(&self, issuer: &str, id: &str, known: bool) -> [u8; 32] {
        let kind: &[u8] = if known { b"patient" } else { b"study" };
        let canonical = crate::deid::pseudonym::canonical;
        self.key.tag(&[b"handle", kind, canonical(issuer).as_bytes(), canonical(id).as_bytes()])
    }

    fn secret(&self, handle: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, Error> {
        let name = HEXLOWER.encode(handle);
        let shelf = self.directory.join(&name[..2]);
        let file = shelf.join(&name);
        match self.read(handle, &file) {
            Err(Error::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                self.throw(handle, &shelf, &file).map_err(|error| self.io(error))?;
                self.read(handle, &file)
            }
            known => known,
        }
    }

    fn read(&self, handle: &[u8; 32], file: &Path) -> Result<Zeroizing<[u8; 32]>, Error> {
        let text = disk::open(file).and_then(io::read_to_string);
        let text = Zeroizing::new(text.map_err(|error| self.io(error))?);
        let damaged = || Error::Damaged { path: self.directory.clone() };
        let mut lines = text.lines();
        let magic = lines.next() == Some(MAGIC);
        let mut field = |word: &str| {
            let hex = lines.next()?.strip_prefix(word)?;
            <[u8; 32]>::try_from(HEXLOWER.decode(hex.as_bytes()).ok()?).ok()
        };
        let (secret, seal) = (field("secret "), field("seal "));
        let (Some(secret), Some(seal), true) = (secret.map(Zeroizing::new), seal, magic) else {
            return Err(damaged());
        };
        let sound = self.key.check(&[b"seal", handle, secret.as_slice()], &seal);
        if sound { Ok(secret) } else { Err(damaged()) }
    }

    /// Makes an entry that is durable before it is used.
    fn throw(&self, handle: &[u8; 32], shelf: &Path, file: &Path) -> io::Result<()> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice()).map_err(io::Error::from)?;
        let seal = self.key.tag(&[b"seal", handle, secret.as_slice()]);
        let text = Zeroizing::new(format!(
            "{MAGIC}\nsecret {}\nseal {}\n",
            Zeroizing::new(HEXLOWER.encode(secret.as_slice())).as_str(),
            HEXLOWER.encode(&seal)
        ));
        disk::make_dir(shelf)?;
        let draft = shelf.join(format!(".{}", random_name()?));
        let mut out = disk::create(&draft)?;
        out.write_all(text.as_bytes())?;
        disk::sync_file(&out)?;
        disk::link(&draft, file)?;
        disk::remove(&draft)?;
        // Each directory that may be new is a name in the one above it.
        let here = |dir: &Path| dir.as_os_str().is_empty();
        shelf
            .ancestors()
            .take(4)
            .try_for_each(|dir| disk::sync_dir(if here(dir) { Path::new(".") } else { dir }))
    }

    fn io(&self, error: io::Error) -> Error {
        Error::Io { path: self.directory.clone(), error }
    }
}

const MAGIC: &str = "efface crosswalk 1";

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test owns its files
mod tests {
    use super::*;
    use crate::dicom::dataset::Dataset;
    use dicom_core::VR;
    use dicom_dictionary_std::{tags, uids};

    fn subject(patient: &str) -> Subject {
        let mut source = Dataset::new();
        for (tag, value) in [
            (tags::SOP_CLASS_UID, uids::CT_IMAGE_STORAGE),
            (tags::SOP_INSTANCE_UID, "1.2.3.4"),
            (tags::STUDY_INSTANCE_UID, "1.2.3"),
            (tags::SERIES_INSTANCE_UID, "1.2.3.1"),
        ] {
            source.put_text(tag, VR::UI, value);
        }
        source.put_text(tags::PATIENT_ID, VR::LO, patient);
        Subject::of(&source).unwrap()
    }

    fn entries(directory: &Path) -> Vec<PathBuf> {
        let shelves = std::fs::read_dir(directory.join("lab")).unwrap();
        let files = shelves.flat_map(|s| std::fs::read_dir(s.unwrap().path()).unwrap());
        files.map(|file| file.unwrap().path()).collect()
    }

    #[test]
    fn a_patient_keeps_a_random_pseudonym() {
        let directory = tempfile::tempdir().unwrap();
        let root = RootKey::generate().unwrap();
        let pseudonym = |walk: &Crosswalk, id: &str| {
            let subject = subject(id);
            subject.pseudonymous_patient(&walk.pseudonyms(&subject).unwrap())
        };
        let walk = Crosswalk::new(directory.path(), "lab", &root);
        let first = pseudonym(&walk, "MRN-1");
        assert_eq!(first, pseudonym(&Crosswalk::new(directory.path(), "lab", &root), "mrn-1 "));
        assert_ne!(first, pseudonym(&walk, "MRN-2"));
        assert_eq!(walk.pseudonym_of("", "mrn-1").unwrap(), Some(first.clone()));
        assert_eq!(walk.pseudonym_of("", "MRN-3").unwrap(), None);
        assert_eq!(entries(directory.path()).len(), 2);
        // Not derived: another crosswalk under the same key gives another pseudonym.
        let elsewhere = tempfile::tempdir().unwrap();
        assert_ne!(first, pseudonym(&Crosswalk::new(elsewhere.path(), "lab", &root), "MRN-1"));
    }

    #[test]
    fn a_changed_entry_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let walk = Crosswalk::new(directory.path(), "lab", &RootKey::generate().unwrap());
        walk.pseudonyms(&subject("MRN-1")).unwrap();
        let file = entries(directory.path()).remove(0);
        let text = std::fs::read_to_string(&file).unwrap();
        let other = if text.contains("secret 0") { "secret 1" } else { "secret 0" };
        let at = text.find("secret ").unwrap();
        let changed = format!("{}{other}{}", &text[..at], &text[at + 8..]);
        for damage in [changed.as_str(), &text[..text.len() / 2], ""] {
            std::fs::write(&file, damage).unwrap();
            assert!(matches!(walk.pseudonyms(&subject("MRN-1")), Err(Error::Damaged { .. })));
        }
        std::fs::write(&file, text).unwrap();
        walk.pseudonyms(&subject("MRN-1")).unwrap();
    }
}
