//! The register's file: read whole, changed whole, sealed.
//!
//! ```text
//! {"efface_objections":1,"version":7}
//! {"reference":"0h3k...","patient":{...},"scope":"all",...}      an objection a line, none is ever removed
//! {"seal":"64 hex digits"}                                         HMAC-SHA-256 over all bytes before
//! ```
//! It is written beside and renamed, so that a reader sees one version or the other, and synced before anybody is told.

use super::patient::Patient;
use super::register::{Objection, Register};
use super::{Called, Error};
use crate::disk;
use crate::key::{Key, Purpose, RootKey};
use crate::sealed;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The register of a state directory.
pub struct Book {
    directory: PathBuf,
    key: Key,
}

/// By what a version is recognised without reading all of it: its number and its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) version: u64,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    efface_objections: u32,
    version: u64,
}

/// How a batch calls its patient, as it lies beside the originals.
#[derive(Serialize, Deserialize)]
struct Note {
    patient: Patient,
    seal: String,
}

/// The register.
const FILE: &str = "register";
/// What is sealed.
const KIND: &[u8] = b"register";
/// Bytes of the largest register that is read: more than a million objections.
const BYTES_MAX: u64 = 1 << 30;
/// Bytes in which the head stands.
const HEAD_BYTES: u64 = 128;
/// The file beside the originals of a batch that says how they call their patient. Not a spool entry.
const NOTE: &str = "patient.json";

impl Book {
    /// The register in this directory, by the key of this root.
    pub fn new(directory: PathBuf, root: &RootKey) -> Self {
        Book { directory, key: root.derive("", Purpose::Objection) }
    }

    /// Under which numbers become hashes.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Reads all of it. Where there is none, nobody has objected yet; whether that can be, [`super::Watch`] knows.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn read(&self) -> Result<Register, Error> {
        match sealed::read(&self.file(), BYTES_MAX).map_err(|error| self.io(error))? {
            None => Ok(Register::default()),
            Some(text) => {
                let lines = sealed::open(&self.key, KIND, &text);
                lines.and_then(parse).ok_or_else(|| self.damaged())
            }
        }
    }

    /// Reads all of it, if it is no older than a version that is known.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read_at_least(&self, known: u64) -> Result<Register, Error> {
        let register = self.read()?;
        match register.version() {
            have if have < known => Err(Error::Older { path: self.file(), have, known }),
            _ => Ok(register),
        }
    }

    /// Which version is there; reads no more than the first line.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub(super) fn stamp(&self) -> Result<Stamp, Error> {
        let file = match disk::open(&self.file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stamp::default()),
            file => file.map_err(|error| self.io(error))?,
        };
        let bytes = file.metadata().map_err(|error| self.io(error))?.len();
        let mut text = Vec::new();
        file.take(HEAD_BYTES).read_to_end(&mut text).map_err(|error| self.io(error))?;
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let head: Head = serde_json::from_slice(line).map_err(|_| self.damaged())?;
        Ok(Stamp { version: head.version, bytes })
    }

    /// Changes it, one writer at a time, and makes durable what it is then. `edit` gets all objections and the number of the
    /// version that it makes, which it makes if it says that it has changed something.
    ///
    /// # Errors
    /// [`Error`]: the register is as it was, or as it was to be; whoever asked does not know and asks again.
    pub fn change<T>(
        &self,
        edit: impl FnOnce(&mut Vec<Objection>, u64) -> (T, bool),
    ) -> Result<T, Error> {
        let lock = sealed::lock(&self.directory).map_err(|error| self.io(error))?;
        let register = self.read()?;
        let version = register.version() + 1;
        let mut objections = register.objections().to_vec();
        let (told, has_changed) = edit(&mut objections, version);
        let version = if has_changed { version } else { register.version() };
        // What was in force already, too: whoever wrote it may have been told that it is not known to be durable.
        if version > 0 {
            let text = self.text(version, &objections).map_err(|error| self.io(error))?;
            disk::write_whole(&self.file(), &text).map_err(|error| self.io(error))?;
        }
        drop(lock);
        Ok(told)
    }

    /// Notes beside the originals of a batch how they call their patient.
    ///
    /// # Errors
    /// What the system says.
    pub fn note(&self, directory: &Path, batch: &str, called: &Called) -> io::Result<Patient> {
        let patient = called.hashed(&self.key);
        let seal =
            HEXLOWER.encode(&self.key.tag(&note_parts(batch, &patient, &patient.to_texts())));
        let note = Note { patient: patient.clone(), seal };
        disk::write_whole(&directory.join(NOTE), &serde_json::to_vec(&note)?)?;
        Ok(patient)
    }

    /// What was noted there; `None` if there is nothing, or not what was noted of this batch.
    pub fn noted(&self, directory: &Path, batch: &str) -> Option<Patient> {
        let text = disk::read_text(&directory.join(NOTE)).ok()??;
        let Note { patient, seal } = serde_json::from_str(&text).ok()?;
        let seal = HEXLOWER.decode(seal.as_bytes()).ok()?;
        let names = patient.to_texts();
        self.key.check(&note_parts(batch, &patient, &names), &seal).then_some(patient)
    }

    fn text(&self, version: u64, objections: &[Objection]) -> io::Result<Vec<u8>> {
        sealed::seal_rows(&self.key, KIND, &Head { efface_objections: 1, version }, objections)
    }

    fn file(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    fn io(&self, error: io::Error) -> Error {
        Error::Io { path: self.file(), error }
    }

    fn damaged(&self) -> Error {
        Error::Damaged { path: self.file() }
    }
}

/// What the lines say that are sealed.
fn parse(lines: &[u8]) -> Option<Register> {
    let (head, objections) = sealed::parse_rows::<Head, _>(lines)?;
    (head.efface_objections == 1).then(|| Register::new(head.version, objections))
}

/// Version of a register, and how many objections are in force, without its key: whether it is what was sealed is not
/// known then.
///
/// # Errors
/// [`Error::Io`], [`Error::Damaged`].
pub fn look(directory: &Path) -> Result<(u64, usize), Error> {
    let path = directory.join(FILE);
    let text = match sealed::read(&path, BYTES_MAX) {
        Ok(None) => return Ok((0, 0)),
        Ok(Some(text)) => text,
        Err(error) => return Err(Error::Io { path, error }),
    };
    let register = sealed::look(&text).and_then(parse).ok_or(Error::Damaged { path })?;
    Ok((register.version(), register.in_force().count()))
}

fn note_parts<'a>(batch: &'a str, patient: &Patient, names: &'a [String]) -> Vec<&'a [u8]> {
    let known: &[u8] = if patient.is_known() { b"known" } else { b"unknown" };
    let head = [&b"note"[..], batch.as_bytes(), known];
    head.into_iter().chain(names.iter().map(|name| name.as_bytes())).collect()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test owns its files
mod tests {
    use super::super::{Scope, Wish};
    use super::*;

    fn book(folder: &Path, secret: u8) -> Book {
        Book::new(folder.to_owned(), &RootKey::of_patient(&[secret; 32], "A1"))
    }

    fn add(book: &Book, number: &str) -> bool {
        let wish = Wish::new("", number, Scope::All, "2026-01-01".parse().unwrap()).unwrap();
        book.add(&[wish]).unwrap()[0].is_new
    }

    #[test]
    fn it_is_kept_under_one_key_and_says_how_often_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(folder.path(), 7);
        assert_eq!(book.read().unwrap().version(), 0);
        assert_eq!(book.stamp().unwrap(), Stamp::default());
        assert!(add(&book, "1") && add(&book, "2") && !add(&book, "2"));
        let register = book.read().unwrap();
        assert_eq!((register.version(), register.in_force().count()), (2, 2));
        assert_eq!(book.stamp().unwrap().version, 2);
        let other = super::tests::book(folder.path(), 8);
        assert!(matches!(other.read(), Err(Error::Damaged { .. })));
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(folder.path(), 7);
        add(&book, "1");
        let file = folder.path().join("register");
        let whole = std::fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&file, &changed).unwrap();
            assert!(book.read().is_err(), "byte {at}");
            std::fs::write(&file, &whole[..at]).unwrap();
            assert!(book.read().is_err(), "cut at {at}");
        }
        std::fs::write(&file, &whole).unwrap();
        assert_eq!(book.read().unwrap().version(), 1);
    }

    #[test]
    fn a_note_is_of_its_batch() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(folder.path(), 7);
        assert!(book.noted(folder.path(), "b").is_none());
        let patient = book.note(folder.path(), "b", &Called::said("A", "1")).unwrap();
        assert_eq!(book.noted(folder.path(), "b"), Some(patient));
        assert!(book.noted(folder.path(), "c").is_none());
        let text = std::fs::read_to_string(folder.path().join(NOTE)).unwrap();
        std::fs::write(folder.path().join(NOTE), text.replace("true", "false")).unwrap();
        assert!(book.noted(folder.path(), "b").is_none());
    }
}
