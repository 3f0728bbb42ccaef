//! Registers of what destinations were asked for, until they say that it is done: read whole, changed whole, sealed.
//!
//! ```text
//! DIRECTORY/register      {"efface_KIND":1,"version":7}
//!                         {"reference":"0h3k...",...}          a request a line, none is ever removed
//!                         {"seal":"64 hex digits"}             HMAC-SHA-256 over all bytes before
//! DIRECTORY/lock          one writer at a time
//! ```
//! There are two: of erasures (`erasure/`) and of recalls (`recall/`). Profiles that are kept (`shelf.rs`) lie in the same form.

use crate::disk;
use crate::key::Key;
use crate::sealed;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

const FILE: &str = "register";
/// Bytes of the largest register that is read.
const BYTES_MAX: u64 = 1 << 28;
const VERSION: &str = "version";

/// A line of such a register.
pub trait Row: Clone + Serialize + DeserializeOwned {
    /// What the first line of the register begins with.
    const HEAD: &'static str;
    /// What is sealed.
    const KIND: &'static [u8];
    /// What the register is of, in errors.
    const OF: &'static str;
}

/// What a destination is asked for.
pub trait Asked: Row {
    /// By what it is spoken of.
    fn reference(&self) -> &str;
}

/// Why a register cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("the register of {of} {path}: {error}")]
    Io {
        /// What it is of.
        of: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is not what was written.
    #[error(
        "the register of {of} {path} was damaged or changed, or is of another root key. Put it back from a backup"
    )]
    Damaged {
        /// What it is of.
        of: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// It is an older one, or gone.
    #[error(
        "the register of {of} {path} has version {have}, and version {known} stands in the log: it was put back to an older state, or removed. Put the newer one back"
    )]
    Older {
        /// What it is of.
        of: &'static str,
        /// The file.
        path: PathBuf,
        /// Its version; 0 if there is none.
        have: u64,
        /// The newest in the log.
        known: u64,
    },
}

/// A register in a directory.
pub struct Register<T> {
    directory: PathBuf,
    key: Key,
    of: PhantomData<fn() -> T>,
}

impl<T: Row> Register<T> {
    /// The one in this directory, sealed with this key.
    pub fn new(directory: PathBuf, key: Key) -> Self {
        Register { directory, key, of: PhantomData }
    }

    /// Version and requests, in the order in which they came.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn read(&self) -> Result<(u64, Vec<T>), Error> {
        let Some(text) = text_of::<T>(&self.file())? else { return Ok((0, Vec::new())) };
        let lines = sealed::open(&self.key, T::KIND, &text);
        let damaged = || Error::Damaged { of: T::OF, path: self.file() };
        lines.and_then(parse).ok_or_else(damaged)
    }

    /// The same, if it is no older than a version that is known.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read_at_least(&self, known: u64) -> Result<(u64, Vec<T>), Error> {
        match self.read()? {
            (have, _) if have < known => {
                Err(Error::Older { of: T::OF, path: self.file(), have, known })
            }
            register => Ok(register),
        }
    }

    /// Changes them as `edit` does, and gives what it gives with the new version; what gives nothing changes nothing.
    ///
    /// # Errors
    /// [`Error`]: do it again.
    pub fn change(
        &self,
        edit: impl FnOnce(&mut Vec<T>) -> io::Result<Vec<T>>,
    ) -> Result<(u64, Vec<T>), Error> {
        let io = |error| Error::Io { of: T::OF, path: self.file(), error };
        let _lock = sealed::lock(&self.directory).map_err(io)?;
        let (version, mut requests) = self.read()?;
        let told = edit(&mut requests).map_err(io)?;
        if told.is_empty() {
            return Ok((version, told));
        }
        let text = self.text(version + 1, &requests).map_err(io)?;
        disk::write_whole(&self.file(), &text).map_err(io)?;
        Ok((version + 1, told))
    }

    fn text(&self, version: u64, requests: &[T]) -> io::Result<Vec<u8>> {
        let head = BTreeMap::from([(T::HEAD, 1), (VERSION, version)]);
        sealed::seal_rows(&self.key, T::KIND, &head, requests)
    }

    /// Where it is.
    pub fn file(&self) -> PathBuf {
        self.directory.join(FILE)
    }
}

impl<T: Asked> Register<T> {
    /// Changes those of these references; which ones were changed.
    ///
    /// # Errors
    /// [`Error`]: do it again.
    pub fn note(
        &self,
        references: &[String],
        edit: impl Fn(&mut T),
    ) -> Result<(u64, Vec<T>), Error> {
        self.change(|requests| {
            let is_meant = |r: &&mut T| references.iter().any(|one| one == r.reference());
            let chosen = requests.iter_mut().filter(is_meant);
            Ok(chosen.map(|request| (edit(request), request.clone()).1).collect())
        })
    }
}

/// The requests in a directory without the key: whether it is what was sealed is not known then.
///
/// # Errors
/// [`Error::Io`], [`Error::Damaged`].
pub fn look<T: Row>(directory: &Path) -> Result<Vec<T>, Error> {
    let path = directory.join(FILE);
    let Some(text) = text_of::<T>(&path)? else { return Ok(Vec::new()) };
    Ok(sealed::look(&text).and_then(parse).ok_or(Error::Damaged { of: T::OF, path })?.1)
}

fn text_of<T: Row>(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let io = |error| Error::Io { of: T::OF, path: path.to_owned(), error };
    sealed::read(path, BYTES_MAX).map_err(io)
}

/// What the lines say that are sealed.
fn parse<T: Row>(lines: &[u8]) -> Option<(u64, Vec<T>)> {
    let (head, requests) = sealed::parse_rows::<BTreeMap<String, u64>, _>(lines)?;
    let is_one = head.len() == 2 && head.get(T::HEAD) == Some(&1);
    Some((head.get(VERSION).copied().filter(|_| is_one)?, requests))
}
