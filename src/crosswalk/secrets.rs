//! Random pseudonyms: a secret for each patient of a project, thrown once.
//!
//! A keyed hash of a record number is derived from it, and 45 CFR 164.514(c) wants a code that is
//! not. With `pseudonyms: random`, everything that stands for a patient (pseudonym, UIDs, accession
//! number) is derived from this secret instead of the root key. The secret is found again by a
//! keyed handle of the patient, so its name says nothing; who deletes it cuts the tie for good.
//!
//! ```text
//! DIR/PROJECT/secrets/ab/abcdef...   efface crosswalk 1
//!                                    secret 64 hex digits
//!                                    seal 64 hex digits (HMAC of handle and secret)
//! ```
//! A file is written whole, synced, and linked to its name: of two that meet the same patient at
//! once, one wins and both read the same secret.

use super::{Error, handle};
use crate::deid::Subject;
use crate::deid::pseudonym::Pseudonyms;
use crate::disk;
use crate::key::{Key, Purpose, RootKey};
use crate::spool::random_name;
use data_encoding::HEXLOWER;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The secrets of one project.
pub struct Secrets {
    directory: PathBuf,
    key: Key,
    project: String,
    generation: String,
}

impl Secrets {
    /// Those of `project` in the crosswalk under `directory`.
    pub fn new(directory: &Path, project: &str, root: &RootKey) -> Self {
        Secrets {
            directory: directory.join(project).join("secrets"),
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
        let secret = read(&self.directory, &self.key, &self.handle(issuer, id, true))?;
        Ok(secret.map(|secret| {
            let root = RootKey::of_patient(&secret, &self.generation);
            Pseudonyms::new(&root, &self.project).patient(issuer, id)
        }))
    }

    fn handle(&self, issuer: &str, id: &str, known: bool) -> [u8; 32] {
        handle(&self.key, issuer, id, known)
    }

    fn secret(&self, handle: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, Error> {
        let Secrets { directory, key, .. } = self;
        if let Some(known) = read(directory, key, handle)? {
            return Ok(known);
        }
        let mut secret = Zeroizing::new([0; 32]);
        let thrown = getrandom::fill(secret.as_mut_slice()).map_err(io::Error::from);
        let put = thrown.and_then(|()| put(directory, key, handle, &secret));
        put.map_err(|error| Error::Io { path: directory.clone(), error })?;
        let kept = read(directory, key, handle)?;
        kept.ok_or_else(|| Error::Damaged { path: directory.clone() })
    }
}

/// The secret of a patient; `None` if there is none.
pub(super) fn read(
    directory: &Path,
    key: &Key,
    handle: &[u8; 32],
) -> Result<Option<Zeroizing<[u8; 32]>>, Error> {
    let text = disk::open(&file_of(directory, handle)).and_then(io::read_to_string);
    let text = match text {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::Io { path: directory.to_owned(), error }),
        Ok(text) => Zeroizing::new(text),
    };
    let damaged = || Error::Damaged { path: directory.to_owned() };
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
    let sound = key.check(&[b"seal", handle, secret.as_slice()], &seal);
    if sound { Ok(Some(secret)) } else { Err(damaged()) }
}

/// Makes an entry, if there is none, that is durable before it is used.
pub(super) fn put(
    directory: &Path,
    key: &Key,
    handle: &[u8; 32],
    secret: &[u8; 32],
) -> io::Result<()> {
    let seal = key.tag(&[b"seal", handle, secret.as_slice()]);
    let text = Zeroizing::new(format!(
        "{MAGIC}\nsecret {}\nseal {}\n",
        Zeroizing::new(HEXLOWER.encode(secret.as_slice())).as_str(),
        HEXLOWER.encode(&seal)
    ));
    let file = file_of(directory, handle);
    let shelf = file.parent().unwrap_or(directory);
    disk::make_dir(shelf)?;
    let draft = shelf.join(format!(".{}", random_name()?));
    let mut out = disk::create(&draft)?;
    out.write_all(text.as_bytes())?;
    disk::sync_file(&out)?;
    disk::link(&draft, &file)?;
    disk::remove(&draft)?;
    // The shelf may be new: a name in the directory above it, whose own name `Crosswalk::lay_out` has made durable.
    disk::sync_dir(shelf)?;
    disk::sync_dir(directory)
}

/// Where the secret of a patient lies.
pub(super) fn file_of(directory: &Path, handle: &[u8; 32]) -> PathBuf {
    let name = HEXLOWER.encode(handle);
    directory.join(&name[..2]).join(name)
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
        let shelves = std::fs::read_dir(directory.join("lab/secrets")).unwrap();
        let files = shelves.flat_map(|s| std::fs::read_dir(s.unwrap().path()).unwrap());
        files.map(|file| file.unwrap().path()).collect()
    }

    #[test]
    fn a_patient_keeps_a_random_pseudonym() {
        let directory = tempfile::tempdir().unwrap();
        let root = RootKey::generate().unwrap();
        let pseudonym = |walk: &Secrets, id: &str| {
            let subject = subject(id);
            subject.pseudonymous_patient(&walk.pseudonyms(&subject).unwrap())
        };
        let walk = Secrets::new(directory.path(), "lab", &root);
        let first = pseudonym(&walk, "MRN-1");
        assert_eq!(first, pseudonym(&Secrets::new(directory.path(), "lab", &root), "mrn-1 "));
        assert_ne!(first, pseudonym(&walk, "MRN-2"));
        assert_eq!(walk.pseudonym_of("", "mrn-1").unwrap(), Some(first.clone()));
        assert_eq!(walk.pseudonym_of("", "MRN-3").unwrap(), None);
        assert_eq!(entries(directory.path()).len(), 2);
        // Not derived: another crosswalk under the same key gives another pseudonym.
        let elsewhere = tempfile::tempdir().unwrap();
        assert_ne!(first, pseudonym(&Secrets::new(elsewhere.path(), "lab", &root), "MRN-1"));
    }

    #[test]
    fn a_changed_entry_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let walk = Secrets::new(directory.path(), "lab", &RootKey::generate().unwrap());
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
