//! Checkpoints: the size and root of the log, signed (C2SP tlog-checkpoint in a C2SP signed-note, Ed25519).
//!
//! ```text
//! efface/0f1e2d3c4b5a6978
//! 1742
//! base64 of the root
//!
//! — efface/0f1e2d3c4b5a6978 base64 of the key's id (4 bytes) and the signature (64 bytes)
//! ```
//! The log's name is the fingerprint of the root key, from which the key of the signatures is derived.

use super::tree::Hash;
use crate::key::RootKey;
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// The type byte of Ed25519 in a verifier key (signed-note).
const ED25519: u8 = 1;
/// Longer is no checkpoint, bytes.
const LONGEST: usize = 1 << 16;

/// What a log held at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// The number of its records.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// Why something is no checkpoint of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is none.
    #[error("the file is gone")]
    Missing,
    /// It does not read.
    #[error("this is no checkpoint (C2SP tlog-checkpoint)")]
    Form,
    /// It has no signature by this key.
    #[error("it is not signed by the key of this log")]
    Unsigned,
    /// There is one, and it does not hold.
    #[error("its signature does not hold: it was changed")]
    Forged,
    /// A verifier key that does not read.
    #[error("this is no key of a log. Take the line of the file audit/key, as it was at the start")]
    Key,
}

impl Checkpoint {
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let origin = lines.next().filter(|origin| !origin.is_empty())?.to_owned();
        let digits = lines.next()?;
        let size = digits.parse().ok().filter(|size: &u64| size.to_string() == digits)?;
        let root = BASE64.decode(lines.next()?.as_bytes()).ok()?.try_into().ok()?;
        Some(Checkpoint { origin, size, root })
    }
}

/// Signs the checkpoints of one installation's log.
pub struct Signer {
    key: SigningKey,
    verifier: Verifier,
}

impl Signer {
    /// The one of an installation.
    pub fn of(root: &RootKey) -> Self {
        let key = root.log_key();
        let name = format!("efface/{}", root.fingerprint());
        let verifier = Verifier::new(name, key.verifying_key());
        Signer { key, verifier }
    }

    /// What others check its signatures by.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// A signed note: what the log holds.
    pub fn sign(&self, size: u64, root: Hash) -> String {
        use ed25519_dalek::Signer as _;
        let origin = self.verifier.name.clone();
        let text = Checkpoint { origin, size, root }.text();
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let signature = [&self.verifier.id[..], &signature].concat();
        format!("{text}\n— {} {}\n", self.verifier.name, BASE64.encode(&signature))
    }
}

/// The public half: a line `name+id+key` (signed-note, verifier key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl Verifier {
    fn new(name: String, key: VerifyingKey) -> Self {
        let mut id = Sha256::new();
        id.update(name.as_bytes());
        id.update([b'\n', ED25519]);
        id.update(key.as_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(id.finalize());
        Verifier { name, id: [a, b, c, d], key }
    }

    /// The name of the log.
    pub fn origin(&self) -> &str {
        &self.name
    }

    /// The checkpoint in a signed note. Signatures of others, such as witnesses, may stand beside this log's.
    ///
    /// # Errors
    /// [`Error`]: it proves nothing.
    pub fn open(&self, note: &str) -> Result<Checkpoint, Error> {
        let (text, signatures) =
            note.rsplit_once("\n\n").filter(|_| note.len() <= LONGEST).ok_or(Error::Form)?;
        let signed = format!("{text}\n");
        let checkpoint = Checkpoint::parse(&signed).ok_or(Error::Form)?;
        if !signatures.ends_with('\n') {
            return Err(Error::Form);
        }
        for line in signatures.lines() {
            let (name, signature) =
                line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or(Error::Form)?;
            let signature = BASE64.decode(signature.as_bytes()).map_err(|_| Error::Form)?;
            let (id, signature) = signature.split_first_chunk::<4>().ok_or(Error::Form)?;
            if name == self.name && *id == self.id {
                let signature = Signature::from_slice(signature).map_err(|_| Error::Form)?;
                let holds = self.key.verify_strict(signed.as_bytes(), &signature).is_ok();
                let of_this_log = checkpoint.origin == self.name;
                return if holds && of_this_log { Ok(checkpoint) } else { Err(Error::Forged) };
            }
        }
        Err(Error::Unsigned)
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id), BASE64.encode(&key))
    }
}

impl FromStr for Verifier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.trim().splitn(3, '+');
        let mut next = || parts.next().ok_or(Error::Key);
        let (name, id, key) = (next()?.to_owned(), next()?, next()?);
        let key = BASE64.decode(key.as_bytes()).map_err(|_| Error::Key)?;
        let (&[kind], key) = key.split_first_chunk().ok_or(Error::Key)?;
        let key = key.try_into().ok().and_then(|key| VerifyingKey::from_bytes(key).ok());
        let verifier = Verifier::new(name, key.ok_or(Error::Key)?);
        let named = !verifier.name.is_empty() && !verifier.name.contains(char::is_whitespace);
        let same = HEXLOWER.encode(&verifier.id) == id;
        if kind == ED25519 && same && named { Ok(verifier) } else { Err(Error::Key) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::of(&RootKey::of_patient(&[7; 32], "A1"))
    }

    #[test]
    fn notes_open_with_the_key_of_their_log_only() {
        let signer = signer();
        let note = signer.sign(3, [9; 32]);
        let verifier: Verifier = signer.verifier().to_string().parse().unwrap();
        assert_eq!(&verifier, signer.verifier());
        let checkpoint = verifier.open(&note).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (3, [9; 32]));
        let cosigned = format!("{note}— witness.example {}\n", BASE64.encode(&[1; 76]));
        assert_eq!(verifier.open(&cosigned), Ok(checkpoint));
        let other = Signer::of(&RootKey::of_patient(&[8; 32], "A1"));
        assert_eq!(other.verifier().open(&note), Err(Error::Unsigned));
    }

    #[test]
    fn every_changed_byte_of_a_note_or_a_key_is_seen() {
        let signer = signer();
        let note = signer.sign(12, [9; 32]);
        for at in 0..note.len() {
            let mut changed = note.clone().into_bytes();
            changed[at] ^= 1;
            let text = String::from_utf8_lossy(&changed);
            assert!(signer.verifier().open(&text).is_err(), "byte {at}: {text}");
        }
        for end in 0..note.len() {
            let part = String::from_utf8_lossy(&note.as_bytes()[..end]).into_owned();
            assert!(signer.verifier().open(&part).is_err(), "{end} bytes");
        }
        let key = signer.verifier().to_string();
        for at in 0..key.len() {
            let mut changed = key.clone().into_bytes();
            changed[at] ^= 1;
            let text = String::from_utf8_lossy(&changed);
            assert_ne!(text.parse().as_ref(), Ok(signer.verifier()), "byte {at}");
        }
    }
}
