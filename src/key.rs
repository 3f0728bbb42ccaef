//! Keys. One root per installation; everything else is derived, for one project and one purpose.
//!
//! `K(project, purpose) = HKDF-SHA-256(root, salt = installation id, info = "efface/1|project|purpose")`.
//! A key can derive and nothing else; it is wiped on drop. Whoever holds the root can find every
//! patient again: it comes from a file that only its owner may read, never from the command line.
//!
//! A key may have several generations. What leaves is named by the newest, or by the one that a destination is held to; the
//! two characters that lead every pseudonym say which. What the house has for itself (names in the spool, seals, the log) is
//! derived from the first, for as long as the installation lives.

mod cipher;
pub(crate) mod passphrase;
mod shares;

pub use cipher::Cipher;
pub use shares::{BadShares, Share, join, split};

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
    /// A destination is held to a generation that the key does not have.
    #[error(
        "destination {destination}: the key has no generation {generation}; it has {known}. Correct generation: or restore the key"
    )]
    NoGeneration {
        /// The destination.
        destination: String,
        /// What it is held to.
        generation: String,
        /// What there is.
        known: String,
    },
    /// A sealed key file does not open.
    #[error("{path} does not open to this passphrase, or was changed")]
    Sealed {
        /// The file.
        path: PathBuf,
    },
    /// A passphrase that anybody guesses.
    #[error("a passphrase of at least {n} characters: whoever has the file can try others", n = passphrase::SHORTEST)]
    Short,
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
    /// Handles of patients with random pseudonyms in the crosswalk.
    Crosswalk,
    /// Names of the crosswalk's rows, and seals of what is said of them in the clear.
    RowName,
    /// Encrypts the data keys of patients in the crosswalk.
    RowKey,
    /// Handles of studies and instances in spool, ledger and log.
    Handle,
    /// The seal on a parcel that waits to be sent.
    Seal,
    /// Signatures of the log's checkpoints.
    Log,
    /// Hashes of patients in the register of objections, which it also seals.
    Objection,
    /// References of patients in the log's records of releases.
    Subject,
    /// The seal on the record of what is in force.
    Policy,
    /// The seal of the profiles that are kept for a destination.
    Profile,
    /// The seal of the register of requests for erasure.
    Erasure,
    /// The seal of the register of recalls.
    Recall,
    /// UIDs of results that came back.
    Result,
    /// The seal on what waits to be delivered inside.
    Homebound,
    /// The seal on the accounts of the console.
    Console,
}

impl Purpose {
    /// Whether it is about what leaves, and so changes with the generation.
    fn is_of_generation(self) -> bool {
        match self {
            Purpose::PatientId
            | Purpose::Accession
            | Purpose::Uid
            | Purpose::Date
            | Purpose::Token
            | Purpose::Crosswalk
            | Purpose::RowName
            | Purpose::RowKey => true,
            Purpose::Handle
            | Purpose::Seal
            | Purpose::Log
            | Purpose::Objection
            | Purpose::Subject
            | Purpose::Policy
            | Purpose::Profile
            | Purpose::Erasure
            | Purpose::Recall
            | Purpose::Result
            | Purpose::Homebound
            | Purpose::Console => false,
        }
    }

    fn info(self) -> &'static str {
        match self {
            Purpose::PatientId => "pid",
            Purpose::Accession => "acc",
            Purpose::Uid => "uid",
            Purpose::Date => "date",
            Purpose::Token => "token",
            Purpose::Crosswalk => "xwalk",
            Purpose::RowName => "row-name",
            Purpose::RowKey => "row-key",
            Purpose::Handle => "handle",
            Purpose::Seal => "seal",
            Purpose::Log => "log",
            Purpose::Objection => "objection",
            Purpose::Subject => "subject",
            Purpose::Policy => "policy",
            Purpose::Profile => "profile",
            Purpose::Erasure => "erasure",
            Purpose::Recall => "recall",
            Purpose::Result => "result",
            Purpose::Homebound => "homebound",
            Purpose::Console => "console",
        }
    }
}

/// The root of an installation.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RootKey {
    installation: [u8; 16],
    /// The newest first; never none.
    generations: Vec<Generation>,
    /// Which of them names what leaves.
    #[zeroize(skip)]
    present: usize,
}

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Generation {
    #[zeroize(skip)]
    name: String,
    root: [u8; 32],
}

/// The first generation of every installation.
const FIRST: &str = "A1";

/// First line of a key file.
const MAGIC: &str = "efface root key 1";

impl RootKey {
    /// A fresh key from the operating system's generator.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> io::Result<Self> {
        let mut installation = [0; 16];
        getrandom::fill(&mut installation).map_err(io::Error::from)?;
        Ok(RootKey { installation, generations: vec![Generation::fresh(FIRST)?], present: 0 })
    }

    /// The same with a new generation, after which what leaves is named from then on. The older ones stay.
    ///
    /// # Errors
    /// When the system has no randomness to give; when all names are used up.
    pub fn rotated(&self) -> io::Result<Self> {
        let name = following(&self.generations[0].name);
        let name = name.ok_or_else(|| io::Error::other("Z9 was the last generation"))?;
        let mut generations = vec![Generation::fresh(&name)?];
        generations.extend(self.generations.iter().cloned());
        Ok(RootKey { installation: self.installation, generations, present: 0 })
    }

    /// The root that names what leaves for a destination: the newest generation, or the one that it is held to.
    ///
    /// # Errors
    /// [`Error::NoGeneration`].
    pub fn held_to(&self, generation: Option<&str>, destination: &str) -> Result<Self, Error> {
        let generation = generation.unwrap_or(&self.generations[0].name);
        self.of_generation(generation).ok_or_else(|| Error::NoGeneration {
            destination: destination.to_owned(),
            generation: generation.to_owned(),
            known: self.generations().collect::<Vec<_>>().join(", "),
        })
    }

    /// The same, naming what leaves after an older generation; `None` if it has no such.
    pub fn of_generation(&self, name: &str) -> Option<Self> {
        let present = self.generations.iter().position(|generation| generation.name == name)?;
        let generations = self.generations.clone();
        Some(RootKey { installation: self.installation, generations, present })
    }

    /// A root for one patient alone, made of a secret that was thrown for that patient.
    pub fn of_patient(secret: &[u8; 32], generation: &str) -> Self {
        let generations = vec![Generation { name: generation.to_owned(), root: *secret }];
        RootKey { installation: *b"one patient only", generations, present: 0 }
    }

    /// Writes a new key file, mode 0600, synced.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is such a file, [`Error::Io`].
    pub fn create_file(&self, path: &Path) -> Result<(), Error> {
        write_new(path, &self.to_text())
    }

    /// Writes a new key file that opens only to a passphrase, which is asked for.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is such a file, [`Error::Short`], [`Error::Io`].
    pub fn create_sealed_file(&self, path: &Path) -> Result<(), Error> {
        let io = |error| Error::Io { path: path.to_owned(), error };
        let said = passphrase::ask("A passphrase for it: ").map_err(io)?;
        if said.chars().count() < passphrase::SHORTEST {
            return Err(Error::Short);
        }
        let again = passphrase::ask("Again: ").map_err(io)?;
        if said != again {
            return Err(io(io::Error::other("these were two different passphrases")));
        }
        write_new(path, &passphrase::seal(&self.to_text(), &said).map_err(io)?)
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
        file.take(1 << 14).read_to_string(&mut text).map_err(io)?;
        if text.starts_with(passphrase::MAGIC) {
            let prompt = format!("Passphrase of {}: ", path.display());
            let said = passphrase::ask(&prompt).map_err(io)?;
            let sealed = || Error::Sealed { path: path.to_owned() };
            text = passphrase::open(&text, &said).ok_or_else(sealed)?;
        }
        RootKey::from_text(&text).ok_or_else(|| Error::Form { path: path.to_owned() })
    }

    /// The key as its file has it: for a pipe to a worker, and for nothing else.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(4096));
        *text += &format!("{MAGIC}\ninstallation {}\n", HEXLOWER.encode(&self.installation));
        for Generation { name, root } in &self.generations {
            *text += &format!("generation {name}\nroot ");
            *text += Zeroizing::new(HEXLOWER.encode(root)).as_str();
            text.push('\n');
        }
        text
    }

    /// Reads what [`RootKey::to_text`] wrote; `None` for anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != MAGIC {
            return None;
        }
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let installation = decode_hex(field("installation")?)?;
        let mut generations: Vec<Generation> = Vec::new();
        loop {
            let name = field("generation")?.to_owned();
            let root = decode_hex(field("root")?)?;
            // The newest first, without gaps: whatever was cut off or put in shows.
            let follows = generations
                .last()
                .is_none_or(|newer| following(&name).as_ref() == Some(&newer.name));
            if !follows || !is_name_of_a_generation(&name) {
                return None;
            }
            let is_first = name == FIRST;
            generations.push(Generation { name, root });
            if is_first {
                break;
            }
        }
        lines.next().is_none().then_some(RootKey { installation, generations, present: 0 })
    }

    /// The same without words, for [`split`]: installation, then the generations, the newest first.
    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 + 32 * self.generations.len()));
        bytes.extend(self.installation);
        self.generations.iter().for_each(|generation| bytes.extend(generation.root));
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (installation, roots) = bytes.split_first_chunk()?;
        let (roots, rest) = roots.as_chunks();
        let mut generations = Vec::with_capacity(roots.len());
        let mut name = FIRST.to_owned();
        for root in roots.iter().rev() {
            generations.insert(0, Generation { name: name.clone(), root: *root });
            name = following(&name)?;
        }
        let is_key = rest.is_empty() && !generations.is_empty();
        is_key.then_some(RootKey { installation: *installation, generations, present: 0 })
    }

    /// Two characters that lead every patient pseudonym made with this root.
    pub fn generation(&self) -> &str {
        &self.generations[self.present].name
    }

    /// All generations that it has, the newest first.
    pub fn generations(&self) -> impl Iterator<Item = &str> {
        self.generations.iter().map(|generation| generation.name.as_str())
    }

    /// A short name of this key that tells nothing about it; the same for all its generations.
    pub fn fingerprint(&self) -> String {
        let tag = self.derive("", Purpose::Handle).tag(&[b"fingerprint"]);
        HEXLOWER.encode(&tag[..8])
    }

    /// The key that signs the log's checkpoints (Ed25519, RFC 8032); wiped on drop.
    pub fn log_key(&self) -> ed25519_dalek::SigningKey {
        ed25519_dalek::SigningKey::from_bytes(&self.derive("", Purpose::Log).0)
    }

    /// The key that encrypts for one project and purpose.
    pub fn cipher(&self, project: &str, purpose: Purpose) -> Cipher {
        Cipher::of(&self.derive(project, purpose).0)
    }

    /// The key of one project for one purpose.
    pub fn derive(&self, project: &str, purpose: Purpose) -> Key {
        let info = format!("efface/1|{project}|{}", purpose.info());
        let first = self.generations.len() - 1;
        let of = if purpose.is_of_generation() { self.present } else { first };
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(&self.installation), &self.generations[of].root)
            .expand(info.as_bytes(), &mut key)
            .unwrap_or_else(|_| unreachable!("32 bytes are within HKDF-SHA-256's bound"));
        Key(key)
    }
}

impl Generation {
    fn fresh(name: &str) -> io::Result<Self> {
        let mut root = [0; 32];
        getrandom::fill(&mut root).map_err(io::Error::from)?;
        Ok(Generation { name: name.to_owned(), root })
    }
}

fn is_name_of_a_generation(name: &str) -> bool {
    matches!(name.as_bytes(), [b'A'..=b'Z', b'1'..=b'9'])
}

/// A1 to A9, B1 to Z9.
fn following(name: &str) -> Option<String> {
    let [letter, digit] = *name.as_bytes() else { return None };
    match (letter, digit) {
        (b'A'..=b'Z', b'1'..=b'8') => Some(format!("{}{}", letter as char, (digit + 1) as char)),
        (b'A'..=b'Y', b'9') => Some(format!("{}1", (letter + 1) as char)),
        _ => None,
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

    /// The cipher of this key, where it was derived to encrypt.
    pub fn into_cipher(self) -> Cipher {
        Cipher::of(&self.0)
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

/// Writes a file that must not be there, mode 0600, synced.
fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists { path: path.to_owned() },
        _ => Error::Io { path: path.to_owned(), error },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn fixed() -> RootKey {
        let generations = vec![Generation { name: "A1".into(), root: [7; 32] }];
        RootKey { installation: [9; 16], generations, present: 0 }
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
    fn a_new_generation_names_what_leaves_and_nothing_else() {
        let old = fixed();
        let new = old.rotated().unwrap();
        assert_eq!((new.generation(), new.generations().count()), ("A2", 2));
        let tag = |root: &RootKey, purpose| root.derive("lab", purpose).tag(&[b"4711"]);
        assert_ne!(tag(&old, Purpose::PatientId), tag(&new, Purpose::PatientId));
        let house = [Purpose::Handle, Purpose::Seal, Purpose::Log];
        for house in
            house.into_iter().chain([Purpose::Objection, Purpose::Subject, Purpose::Erasure])
        {
            assert_eq!(tag(&old, house), tag(&new, house));
        }
        assert_eq!(old.fingerprint(), new.fingerprint());
        let held = new.of_generation("A1").unwrap();
        assert_eq!(tag(&held, Purpose::PatientId), tag(&old, Purpose::PatientId));
        assert_eq!(held.generation(), "A1");
        assert!(new.of_generation("A3").is_none());
        let read = RootKey::from_text(&new.to_text()).unwrap();
        assert_eq!(tag(&read, Purpose::Uid), tag(&new, Purpose::Uid));
    }

    #[test]
    fn generations_have_an_order() {
        assert_eq!(following("A1").as_deref(), Some("A2"));
        assert_eq!(following("A9").as_deref(), Some("B1"));
        assert_eq!(following("Z9"), None);
    }

    #[test]
    fn what_is_no_key_file_is_refused() {
        let whole = fixed().rotated().unwrap().rotated().unwrap().to_text();
        let without = |name: &str| {
            let at = whole.find(&format!("generation {name}")).unwrap();
            let lines = whole[at..].lines().take(2).map(|line| line.len() + 1).sum::<usize>();
            format!("{}{}", &whole[..at], &whole[at + lines..])
        };
        let bad = ["", "efface root key 2\n", "efface root key 1\ninstallation 00\n"];
        let bad = bad.map(str::to_owned).into_iter();
        let bad = bad.chain([without("A1"), without("A2"), format!("{}x\n", whole.as_str())]);
        for text in bad {
            assert!(RootKey::from_text(&text).is_none(), "{} bytes", text.len());
        }
        assert!(RootKey::from_text(&without("A3")).is_some());
    }
}
