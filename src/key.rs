//! Keys. One root per installation; everything else is derived, for one project and one purpose.
//!
//! `K(project, purpose) = HKDF-SHA-256(root, salt = installation id, info = "efface/1|project|purpose")`.
//! A key can derive and nothing else; it is wiped on drop. Whoever holds the root can find every
//! patient again: it comes from a file that only its owner may read, never from the command line.

use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key file cannot be read or written.
    #[error("key file {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Group or others may read the key.
    #[error("key file {path} is readable by others (mode {mode:03o}). Run: chmod 600 {path}")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file isn't a key file of this version.
    #[error("{path} is not an efface key file. Make one with: efface keys init --out FILE")]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// `keys init` onto a file that is there.
    #[error(
        "{path} exists. A key is never overwritten: pseudonyms made with it could not be matched again"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

/// What a derived key is for. One key never serves two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Patient pseudonyms.
    PatientId,
    /// Accession number pseudonyms.
    Accession,
    /// UID mapping.
    Uid,
    /// By how much dates are moved.
    Date,
    /// Hashes that rules put in place of values.
    Token,
    /// Handles of patients in the crosswalk.
    Crosswalk,
    /// Handles of studies and instances in spool, ledger and log.
    Handle,
    /// The seal on a parcel that waits to be sent.
    Seal,
    /// Signatures of the log's checkpoints.
    Log,
}

impl Purpose {
    fn info(self) -> &'static str {
        match self {
            Purpose::PatientId => "pid",
            Purpose::Accession => "acc",
            Purpose::Uid => "uid",
            Purpose::Date => "date",
            Purpose::Token => "token",
            Purpose::Crosswalk => "xwalk",
            Purpose::Handle => "handle",
            Purpose::Seal => "seal",
            Purpose::Log => "log",
        }
    }
}

/// The root of an installation.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RootKey {
    root: [u8; 32],
    installation: [u8; 16],
    #[zeroize(skip)]
    generation: String,
}

/// First line of a key file.
const MAGIC: &str = "efface root key 1";

impl RootKey {
    /// A fresh key from the operating system's generator.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> io::Result<Self> {
        let (mut root, mut installation) = ([0; 32], [0; 16]);
        getrandom::fill(&mut root).map_err(io::Error::from)?;
        getrandom::fill(&mut installation).map_err(io::Error::from)?;
        Ok(RootKey { root, installation, generation: "A1".to_owned() })
    }

    /// A root for one patient alone, made of a secret that was thrown for that patient.
    pub fn of_patient(secret: &[u8; 32], generation: &str) -> Self {
        let generation = generation.to_owned();
        RootKey { root: *secret, installation: *b"one patient only", generation }
    }

    /// Writes a new key file, mode 0600, synced.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is such a file, [`Error::Io`].
    pub fn create_file(&self, path: &Path) -> Result<(), Error> {
        let text = self.to_text();
        let opened =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let written = opened.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_owned() },
            _ => Error::Io { path: path.to_owned(), error },
        })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`Error::Exposed`] when others may read it, [`Error::Form`], [`Error::Io`].
    pub fn read_file(path: &Path) -> Result<Self, Error> {
        let io = |error| Error::Io { path: path.to_owned(), error };
        let file = std::fs::File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::Exposed { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(4096).read_to_string(&mut text).map_err(io)?;
        RootKey::from_text(&text).ok_or_else(|| Error::Form { path: path.to_owned() })
    }

    /// The key as its file has it: for a pipe to a worker, and for nothing else.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{MAGIC}\ninstallation {}\ngeneration {}\nroot {}\n",
            HEXLOWER.encode(&self.installation),
            self.generation,
            Zeroizing::new(HEXLOWER.encode(&self.root)).as_str(),
        ))
    }

    /// Reads what [`RootKey::to_text`] wrote; `None` for anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != MAGIC {
            return None;
        }
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let installation = decode_hex(field("installation")?)?;
        let generation = field("generation")?.to_owned();
        let root = decode_hex(field("root")?)?;
        let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        (generation.len() == 2 && generation.bytes().all(legal)).then_some(RootKey {
            root,
            installation,
            generation,
        })
    }

    /// Two characters that lead every patient pseudonym made with this root.
    pub fn generation(&self) -> &str {
        &self.generation
    }

    /// A short name of this key that tells nothing about it.
    pub fn fingerprint(&self) -> String {
        let tag = self.derive("", Purpose::Handle).tag(&[b"fingerprint"]);
        HEXLOWER.encode(&tag[..8])
    }

    /// The key that signs the log's checkpoints (Ed25519, RFC 8032); wiped on drop.
    pub fn log_key(&self) -> ed25519_dalek::SigningKey {
        ed25519_dalek::SigningKey::from_bytes(&self.derive("", Purpose::Log).0)
    }

    /// The key of one project for one purpose.
    pub fn derive(&self, project: &str, purpose: Purpose) -> Key {
        let info = format!("efface/1|{project}|{}", purpose.info());
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(&self.installation), &self.root)
            .expand(info.as_bytes(), &mut key)
            .unwrap_or_else(|_| unreachable!("32 bytes are within HKDF-SHA-256's bound"));
        Key(key)
    }
}

/// A derived key: it authenticates, and that is all it can do.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

impl Key {
    /// The key in hex: for a pipe to a process that checks seals, and for nothing else.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(HEXLOWER.encode(&self.0))
    }

    /// Reads what [`Key::to_text`] wrote; `None` for anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        decode_hex(text).map(Key)
    }

    /// HMAC-SHA-256 over the parts, each closed by 0x1F so that no two lists of parts are the same input.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// Whether `tag` is the tag of `parts`, compared in constant time.
    pub fn check(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.mac(parts).verify_slice(tag).is_ok()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        for part in parts {
            mac.update(part);
            mac.update(&[0x1f]);
        }
        mac
    }
}

fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = Zeroizing::new(HEXLOWER.decode(text.as_bytes()).ok()?);
    bytes.as_slice().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn fixed() -> RootKey {
        RootKey { root: [7; 32], installation: [9; 16], generation: "A1".into() }
    }

    #[test]
    fn keys_differ_by_project_and_purpose() {
        let root = fixed();
        let tag = |project, purpose| root.derive(project, purpose).tag(&[b"4711"]);
        let a = tag("lab", Purpose::Uid);
        assert_eq!(a, tag("lab", Purpose::Uid));
        assert_ne!(a, tag("clinic", Purpose::Uid));
        assert_ne!(a, tag("lab", Purpose::PatientId));
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        let key = fixed().derive("lab", Purpose::PatientId);
        assert_ne!(key.tag(&[b"ab", b"c"]), key.tag(&[b"a", b"bc"]));
        assert!(key.check(&[b"ab"], &key.tag(&[b"ab"])));
        assert!(!key.check(&[b"ab"], &key.tag(&[b"ac"])));
    }

    #[test]
    fn files_round_trip_and_must_be_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = RootKey::generate().unwrap();
        key.create_file(&path).unwrap();
        assert!(matches!(key.create_file(&path), Err(Error::Exists { .. })));
        assert_eq!(RootKey::read_file(&path).unwrap().fingerprint(), key.fingerprint());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(RootKey::read_file(&path), Err(Error::Exposed { mode: 0o640, .. })));
    }

    #[test]
    fn what_is_no_key_file_is_refused() {
        for text in ["", "efface root key 2\n", "efface root key 1\ninstallation 00\n"] {
            assert!(RootKey::from_text(text).is_none());
        }
    }
}
