//! The data key of each patient: whoever deletes its file has erased all rows of the patient, in every copy of them.
//!
//! A file holds, encrypted under the project's key, the data key, a tag of whom it is about, and keyed hashes by which a
//! request for erasure finds it. Its name is a keyed tag of the pseudonym. It is written whole, synced, and linked to its
//! name: of two that meet the same patient at once, one wins and both read the same key.

use super::{Crosswalk, Error, Keys, Rows};
use crate::disk;
use crate::key::Cipher;
use crate::spool::random_name;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A patient of whom there are rows. It names nobody.
pub struct Patient {
    /// The name of the file.
    pub(super) tag: String,
    /// Pseudonym.
    pub pseudonym: String,
    /// Keyed hashes of all numbers by which studies call the patient.
    pub names: BTreeSet<String>,
    /// The same of Patient ID and issuer alone.
    pub(super) own: BTreeSet<String>,
    /// Whom it is about; also the name of the secret, if the pseudonyms are random.
    pub(super) handle: String,
    key: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    pseudonym: String,
    handle: String,
    names: BTreeSet<String>,
    own: BTreeSet<String>,
    key: Zeroizing<String>,
}

/// Bytes of the largest file that is read: thousands of names.
const BYTES_MAX: u64 = 1 << 20;

impl Patient {
    /// What encrypts the patient's rows.
    pub(super) fn cipher(&self) -> Option<Cipher> {
        let key = Zeroizing::new(HEXLOWER.decode(self.key.as_bytes()).ok()?);
        Some(Cipher::of(key.as_slice().try_into().ok()?))
    }

    /// By what the data key is told from another one.
    pub(super) fn key_name(&self, keys: &Keys) -> String {
        HEXLOWER.encode(&keys.names.tag(&[b"key", self.key.as_bytes()])[..8])
    }
}

impl Crosswalk {
    /// The patient whom rows are about; made if there is none yet, durable in any case.
    ///
    /// # Errors
    /// [`Error::Contradiction`] when the pseudonym stands for somebody else.
    pub(super) fn patient_of(&self, keys: &Keys, rows: &Rows) -> Result<Patient, Error> {
        let tag = keys.patient_tag(&rows.patient);
        let handle = rows.with_patient(|issuer, id, known| keys.handle(issuer, id, known));
        let handle = HEXLOWER.encode(&handle);
        let names = rows.names.clone();
        if self.patient(keys, &tag)?.is_none() {
            let mut key = Zeroizing::new([0; 32]);
            getrandom::fill(key.as_mut_slice()).map_err(|e| self.io(io::Error::from(e)))?;
            let key = Zeroizing::new(HEXLOWER.encode(key.as_slice()));
            let new = Patient {
                tag: tag.clone(),
                pseudonym: rows.patient.clone(),
                names: names.clone(),
                own: self.own_names(rows),
                handle: handle.clone(),
                key,
            };
            let write = self.write(keys, &new, false);
            write.map_err(|error| self.io(error))?;
        }
        let mut patient = self.patient(keys, &tag)?.ok_or_else(|| self.damaged())?;
        if patient.handle != handle || patient.pseudonym != rows.patient {
            return Err(Error::Contradiction);
        }
        if names.is_subset(&patient.names) {
            // Whoever made it may have been stopped before it was durable.
            disk::sync_dir(&self.patients()).map_err(|error| self.io(error))?;
        } else {
            patient.names.extend(names);
            self.write(keys, &patient, true).map_err(|error| self.io(error))?;
        }
        Ok(patient)
    }

    /// The patient with this tag; `None` if there is none, or was erased.
    pub(super) fn patient(&self, keys: &Keys, tag: &str) -> Result<Option<Patient>, Error> {
        let mut sealed = Vec::new();
        let file = disk::open(&self.patients().join(tag));
        match file.and_then(|file| file.take(BYTES_MAX).read_to_end(&mut sealed)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io(error)),
            Ok(_) => {}
        }
        let about = self.about_patient(keys, tag);
        let told = keys.wrap.open(&sealed, &about.each_ref().map(|part| part.as_bytes()));
        let told = told.and_then(|text| serde_json::from_slice::<Told>(&text).ok());
        let Told { pseudonym, handle, names, own, key } = told.ok_or_else(|| self.damaged())?;
        Ok(Some(Patient { tag: tag.to_owned(), pseudonym, names, own, handle, key }))
    }

    /// Every patient of whom there are rows, of every generation.
    ///
    /// # Errors
    /// [`Error`].
    pub fn all_patients(&self) -> Result<Vec<Patient>, Error> {
        let tags = self.patient_tags()?;
        let mut all = Vec::new();
        for tag in tags {
            let mut of_some_generation = Err(self.damaged());
            for keys in &self.keys {
                of_some_generation = self.patient(keys, &tag);
                if of_some_generation.is_ok() {
                    break;
                }
            }
            all.extend(of_some_generation?);
        }
        Ok(all)
    }

    /// Names of the patients' files.
    pub(super) fn patient_tags(&self) -> Result<Vec<String>, Error> {
        let mut tags = disk::list(&self.patients()).map_err(|error| self.io(error))?;
        tags.retain(|name| !name.starts_with('.'));
        Ok(tags)
    }

    pub(super) fn patients(&self) -> PathBuf {
        self.directory.join("patients")
    }

    /// Durable before it is used; a new one never takes the place of another.
    fn write(&self, keys: &Keys, patient: &Patient, replaces: bool) -> io::Result<()> {
        let (directory, tag) = (self.patients(), &patient.tag);
        let told = Told {
            pseudonym: patient.pseudonym.clone(),
            handle: patient.handle.clone(),
            names: patient.names.clone(),
            own: patient.own.clone(),
            key: patient.key.clone(),
        };
        let text = Zeroizing::new(serde_json::to_vec(&told)?);
        let about = self.about_patient(keys, tag);
        let sealed = keys.wrap.seal(&text, &about.each_ref().map(|part| part.as_bytes()))?;
        let draft = directory.join(format!(".{}", random_name()?));
        let mut out = disk::create(&draft)?;
        out.write_all(&sealed)?;
        disk::sync_file(&out)?;
        if replaces {
            disk::rename(&draft, &directory.join(tag))?;
        } else {
            disk::link(&draft, &directory.join(tag))?;
            disk::remove(&draft)?;
        }
        disk::sync_dir(&directory)
    }

    fn about_patient(&self, keys: &Keys, tag: &str) -> [String; 4] {
        ["patient".to_owned(), self.project.clone(), keys.generation.clone(), tag.to_owned()]
    }
}
