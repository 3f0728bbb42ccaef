//! Files with the secret half of a key that signs notes. Only their owner may read them.
//!
//! ```text
//! efface approver key 1          or: efface witness key 1
//! name anna
//! key 64 hex digits
//! ```

use super::{Kind, Signer, Verifier};
use crate::disk;
use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why a file is no such key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Group or others may read it.
    #[error("{path} is readable by others. Run: chmod 600 {path}")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{path} is no {kind} key. Make one with: {make}", kind = word(*.kind), make = make(*.kind))]
    Form {
        /// The file.
        path: PathBuf,
        /// What was wanted.
        kind: Kind,
    },
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "approver",
        Kind::Seen => "witness",
    }
}

fn make(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "efface approval key --name NAME --out FILE",
        Kind::Seen => "efface witness key --name NAME --out FILE",
    }
}

/// Whether somebody may be called so, in notes and in the log.
pub fn is_name(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}

/// Makes a key in a new file, mode 0600, synced; its public half.
///
/// # Errors
/// [`Error::Io`]: also when there is such a file.
pub fn create(path: &Path, name: &str, kind: Kind) -> Result<Verifier, Error> {
    let write = || {
        let (text, verifier) = generate(name, kind)?;
        let mut file = disk::create(path)?;
        file.write_all(text.as_bytes())?;
        disk::sync_file(&file)?;
        Ok(verifier)
    };
    write().map_err(|error| Error::Io { path: path.to_owned(), error })
}

/// A new key, as it stands in such a file, and its public half.
///
/// # Errors
/// When the system has no randomness to give.
pub fn generate(name: &str, kind: Kind) -> io::Result<(Zeroizing<String>, Verifier)> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(io::Error::from)?;
    let hex = Zeroizing::new(HEXLOWER.encode(seed.as_slice()));
    let magic = format!("efface {} key 1", word(kind));
    let text = Zeroizing::new(format!("{magic}\nname {name}\nkey {}\n", hex.as_str()));
    Ok((text, Signer::new(name, kind, SigningKey::from_bytes(&seed)).verifier().clone()))
}

/// Reads such a file.
///
/// # Errors
/// [`Error`].
pub fn read(path: &Path, kind: Kind) -> Result<Signer, Error> {
    let io = |error| Error::Io { path: path.to_owned(), error };
    let file = disk::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.mode() & 0o077 != 0 {
        return Err(Error::Exposed { path: path.to_owned() });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(4096).read_to_string(&mut text).map_err(io)?;
    parse(&text, kind).ok_or_else(|| Error::Form { path: path.to_owned(), kind })
}

/// The key in the text of such a file; `None` if there is none of this kind.
pub fn parse(text: &str, kind: Kind) -> Option<Signer> {
    let mut lines = text.lines();
    let magic = lines.next()?.strip_prefix("efface ")?.strip_suffix(" key 1")?;
    let name = lines.next()?.strip_prefix("name ").filter(|name| is_name(name))?;
    let key = lines.next()?.strip_prefix("key ")?;
    let seed = Zeroizing::new(HEXLOWER.decode(key.as_bytes()).ok()?);
    let seed = Zeroizing::new(<[u8; 32]>::try_from(seed.as_slice()).ok()?);
    let is_whole = magic == word(kind) && lines.next().is_none();
    is_whole.then(|| Signer::new(name, kind, SigningKey::from_bytes(&seed)))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_its_owners_and_of_one_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anna");
        let public = create(&path, "anna", Kind::Text).unwrap();
        assert_eq!(*read(&path, Kind::Text).unwrap().verifier(), public);
        assert!(matches!(read(&path, Kind::Seen), Err(Error::Form { .. })));
        assert!(matches!(create(&path, "anna", Kind::Text), Err(Error::Io { .. })));
        let text = fs::read_to_string(&path).unwrap();
        for wrong in [&text[..text.len() - 2], &text.replace("name anna", "name an na"), ""] {
            fs::write(&path, wrong).unwrap();
            assert!(matches!(read(&path, Kind::Text), Err(Error::Form { .. })));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path, Kind::Text), Err(Error::Exposed { .. })));
    }
}
