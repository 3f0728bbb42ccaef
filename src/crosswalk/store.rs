//! The files of the rows: kept before a release, found by the Study Instance UID as it left.
//!
//! ```text
//! efface rows 1
//! generation A1
//! patient 32 hex digits       the name of the file in patients/
//! key 16 hex digits           which data key: another one is there if the patient was erased, and came again
//! day 2026-11-28              when it was released last
//! seal 64 hex digits          HMAC over all before, and the name
//! ...                         nonce and text, XChaCha20-Poly1305 under the patient's data key
//! ```

use super::line::Line;
use super::{Crosswalk, Error, Keys, Patient, Rows};
use crate::clock::Day;
use crate::disk;
use crate::spool::random_name;
use data_encoding::HEXLOWER;
use rustix::fs::FlockOperation;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A lock on a project's crosswalk, as long as it lives.
pub struct Held {
    _lock: File,
}

/// What a file of rows says in the clear.
pub(super) struct Head {
    pub(super) generation: String,
    pub(super) patient: String,
    key: String,
    pub(super) day: Day,
}

const MAGIC: &str = "efface rows 1";
/// Bytes of the largest file that is read: about a million instances.
const BYTES_MAX: u64 = 1 << 28;
/// Bytes in which the head stands.
const HEAD_BYTES: u64 = 256;
/// The file that is locked.
const LOCK: &str = "lock";

impl Crosswalk {
    /// Makes durable what the pseudonyms of a study stand for. The same rows again change nothing.
    ///
    /// # Errors
    /// [`Error`]: nothing of it may leave.
    pub fn keep(&self, rows: &Rows) -> Result<(), Error> {
        self.keep_of(rows, Day::today())
    }

    /// The same, of what was released on another day.
    pub(super) fn keep_of(&self, rows: &Rows, day: Day) -> Result<(), Error> {
        let keys = self.keys_of(&rows.generation)?;
        if !rows.is_whole() {
            return Err(Error::Contradiction);
        }
        let patient = self.patient_of(keys, rows)?;
        let text = serde_json::to_vec(&Line::of(rows)).map_err(|error| self.io(error.into()));
        let text = Zeroizing::new(text?);
        let (study, whom) = (keys.study_tag(&rows.study), whom(keys, &patient, rows));
        let tag = HEXLOWER.encode(&keys.names.tag(&[b"rows", &text])[..10]);
        let name = format!("{study}.{whom}.{tag}");
        let shelf = self.shelf(&name);
        let is_another = |other: &String| {
            other.starts_with(&study) && !other.starts_with(&format!("{study}.{whom}."))
        };
        let names = disk::list(&shelf).map_err(|error| self.io(error))?;
        if names.iter().any(is_another) {
            return Err(Error::Contradiction);
        }
        let (generation, tag) = (rows.generation.clone(), patient.tag.clone());
        let head = Head { generation, patient: tag, key: patient.key_name(keys), day };
        let written = self.write_rows(keys, &patient, &name, &head, &text);
        written.map_err(|error| self.io(error))
    }

    /// What a study stands for that left under this Study Instance UID; `None` if it never did, its time is over, or
    /// its patient was erased.
    ///
    /// # Errors
    /// [`Error`]: what there is must not be believed.
    pub fn study(&self, study: &str) -> Result<Option<Rows>, Error> {
        Ok(self.released(study)?.map(|(rows, _)| rows))
    }

    /// The same, and the day on which it was released last.
    ///
    /// # Errors
    /// [`Error`]: what there is must not be believed.
    pub fn released(&self, study: &str) -> Result<Option<(Rows, Day)>, Error> {
        for keys in &self.keys {
            let tag = keys.study_tag(study);
            let mut names = disk::list(&self.shelf(&tag)).map_err(|error| self.io(error))?;
            names.retain(|name| name.starts_with(&tag));
            if let Some((rows, day)) = self.joined(&names)?
                && rows.study == study
            {
                return Ok(Some((rows, day)));
            }
        }
        Ok(None)
    }

    /// What files of one study say together, and when it was released last; `None` if nobody can read them any more.
    pub(super) fn joined(&self, names: &[String]) -> Result<Option<(Rows, Day)>, Error> {
        let mut all = Vec::new();
        for name in names {
            all.extend(self.read_rows(name)?);
        }
        // The first word counts, where values were corrected in between.
        all.sort_by_key(|(_, day)| *day);
        let last = all.last().map(|(_, day)| *day);
        let mut all = all.into_iter().map(|(rows, _)| rows);
        let Some((mut rows, last)) = all.next().zip(last) else { return Ok(None) };
        all.try_for_each(|more| rows.join(more))?;
        Ok(Some((rows, last)))
    }

    /// The names of all files of rows, those of one study together.
    pub(super) fn studies(&self) -> Result<Vec<Vec<String>>, Error> {
        let shelves = disk::list(&self.rows()).map_err(|error| self.io(error))?;
        let mut studies: Vec<Vec<String>> = Vec::new();
        for shelf in shelves.iter().filter(|name| name.len() == 2) {
            let names = disk::list(&self.rows().join(shelf)).map_err(|error| self.io(error))?;
            for name in names.into_iter().filter(|name| !name.starts_with('.')) {
                let tag = |name: &String| name.split('.').next().map(str::to_owned);
                match studies.last_mut().filter(|study| tag(&study[0]) == tag(&name)) {
                    Some(study) => study.push(name),
                    None => studies.push(vec![name]),
                }
            }
        }
        Ok(studies)
    }

    /// What a file says in the clear.
    pub(super) fn head(&self, name: &str) -> Result<Head, Error> {
        let mut bytes = Vec::new();
        let file = disk::open(&self.shelf(name).join(name));
        let read = file.and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut bytes));
        read.map_err(|error| self.io(error))?;
        Ok(self.split(name, &bytes)?.0)
    }

    /// Waits until nobody erases, and keeps it so: for whoever writes rows, up to the release.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn hold(&self) -> Result<Held, Error> {
        self.lock(FlockOperation::LockShared)
    }

    /// Waits until nobody writes, and keeps it so; also removes what those have left behind who were stopped.
    pub(super) fn close(&self) -> Result<Held, Error> {
        let held = self.lock(FlockOperation::LockExclusive)?;
        self.remove_drafts().map_err(|error| self.io(error))?;
        Ok(held)
    }

    fn lock(&self, operation: FlockOperation) -> Result<Held, Error> {
        let lock = disk::append(&self.rows().join(LOCK)).and_then(|lock| {
            rustix::fs::flock(&lock, operation)?;
            Ok(lock)
        });
        Ok(Held { _lock: lock.map_err(|error| self.io(error))? })
    }

    /// A draft in `patients/` holds a data key.
    fn remove_drafts(&self) -> io::Result<()> {
        let shelves = disk::list(&self.rows())?.into_iter().filter(|name| name.len() == 2);
        let shelves = shelves.map(|shelf| self.rows().join(shelf));
        for directory in shelves.chain([self.patients()]) {
            for draft in disk::list(&directory)?.iter().filter(|name| name.starts_with('.')) {
                disk::remove(&directory.join(draft))?;
            }
        }
        Ok(())
    }

    fn read_rows(&self, name: &str) -> Result<Option<(Rows, Day)>, Error> {
        let mut bytes = Vec::new();
        let file = disk::open(&self.shelf(name).join(name));
        let read = file.and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes));
        read.map_err(|error| self.io(error))?;
        let (head, text, sealed) = self.split(name, &bytes)?;
        let keys = self.keys_of(&head.generation)?;
        let patient = self.patient(keys, &head.patient)?;
        let is_its_key = |patient: &Patient| patient.key_name(keys) == head.key;
        let Some(patient) = patient.filter(is_its_key) else { return Ok(None) };
        let cipher = patient.cipher().ok_or_else(|| self.damaged())?;
        let opened = cipher.open(sealed, &self.about(name, text));
        let line = opened.and_then(|text| serde_json::from_slice::<Line>(&text).ok());
        let rows = line.and_then(Line::into_rows).ok_or_else(|| self.damaged())?;
        let is_named = name.starts_with(&keys.study_tag(&rows.study))
            && rows.patient == patient.pseudonym
            && rows.generation == head.generation;
        if is_named { Ok(Some((rows, head.day))) } else { Err(self.damaged()) }
    }

    /// Head, its bytes, and what is encrypted, if the head is what was sealed.
    fn split<'b>(&self, name: &str, bytes: &'b [u8]) -> Result<(Head, &'b [u8], &'b [u8]), Error> {
        let parts: Vec<&[u8]> = bytes.splitn(7, |byte| *byte == b'\n').collect();
        let parsed = || {
            let [magic, generation, patient, key, day, seal, sealed] = parts[..] else {
                return None;
            };
            let field = |line: &'b [u8], word: &str| {
                std::str::from_utf8(line).ok()?.strip_prefix(word).map(str::to_owned)
            };
            let head = Head {
                generation: field(generation, "generation ")?,
                patient: field(patient, "patient ")?,
                key: field(key, "key ")?,
                day: field(day, "day ")?.parse().ok()?,
            };
            let seal = HEXLOWER.decode(field(seal, "seal ")?.as_bytes()).ok()?;
            let keys = self.keys_of(&head.generation).ok()?;
            let said = [magic, generation, patient, key, day].map(|line| line.len() + 1);
            let said = &bytes[..said.iter().sum()];
            let is_sealed = keys.names.check(&[b"head", name.as_bytes(), said], &seal);
            let is_rows = magic == MAGIC.as_bytes() && is_sealed;
            is_rows.then_some((head, said, sealed))
        };
        parsed().ok_or_else(|| self.damaged())
    }

    fn write_rows(
        &self,
        keys: &Keys,
        patient: &Patient,
        name: &str,
        head: &Head,
        text: &[u8],
    ) -> io::Result<()> {
        let Head { generation, patient: tag, key, day } = head;
        let said =
            format!("{MAGIC}\ngeneration {generation}\npatient {tag}\nkey {key}\nday {day}\n");
        let seal = keys.names.tag(&[b"head", name.as_bytes(), said.as_bytes()]);
        let cipher = patient.cipher().ok_or(io::ErrorKind::InvalidData)?;
        let sealed = cipher.seal(text, &self.about(name, said.as_bytes()))?;
        let shelf = self.shelf(name);
        if !shelf.exists() {
            disk::make_dir(&shelf)?;
            disk::sync_dir(&self.rows())?;
        }
        let draft = shelf.join(format!(".{}", random_name()?));
        let mut out = disk::create(&draft)?;
        out.write_all(format!("{said}seal {}\n", HEXLOWER.encode(&seal)).as_bytes())?;
        out.write_all(&sealed)?;
        disk::sync_file(&out)?;
        disk::rename(&draft, &shelf.join(name))?;
        disk::sync_dir(&shelf)
    }

    fn about<'a>(&'a self, name: &'a str, head: &'a [u8]) -> [&'a [u8]; 4] {
        [b"rows", self.project.as_bytes(), name.as_bytes(), head]
    }

    pub(super) fn rows(&self) -> PathBuf {
        self.directory.join("rows")
    }

    /// Where a file lies: shelves keep listings short.
    pub(super) fn shelf(&self, name: &str) -> PathBuf {
        self.rows().join(name.get(..2).unwrap_or_default())
    }
}

/// Which study of which patient.
fn whom(keys: &Keys, patient: &Patient, rows: &Rows) -> String {
    let tag = rows.with_study(|study| {
        keys.names.tag(&[b"whom", patient.handle.as_bytes(), study.as_bytes()])
    });
    HEXLOWER.encode(&tag[..10])
}
