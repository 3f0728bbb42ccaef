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
use crate::note::{self, Kind, Note, Signed};
use data_encoding::BASE64;

pub use crate::note::Verifier;

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
pub struct Signer(note::Signer);

impl Signer {
    /// The one of an installation.
    pub fn of(root: &RootKey) -> Self {
        let name = format!("efface/{}", root.fingerprint());
        Signer(note::Signer::new(&name, Kind::Text, root.log_key()))
    }

    /// What others check its signatures by.
    pub fn verifier(&self) -> &Verifier {
        self.0.verifier()
    }

    /// A signed note: what the log holds.
    pub fn sign(&self, size: u64, root: Hash) -> String {
        let origin = self.verifier().name().to_owned();
        self.0.note(&Checkpoint { origin, size, root }.text())
    }
}

impl Verifier {
    /// The checkpoint in a signed note. Signatures of others, such as witnesses, may stand beside this log's.
    ///
    /// # Errors
    /// [`Error`]: it proves nothing.
    pub fn open(&self, note: &str) -> Result<Checkpoint, Error> {
        let note = Note::parse(note).ok_or(Error::Form)?;
        let checkpoint = Checkpoint::parse(note.text).ok_or(Error::Form)?;
        match note.is_signed_by(self) {
            Signed::No => Err(Error::Unsigned),
            Signed::Yes if checkpoint.origin == self.name() => Ok(checkpoint),
            Signed::Yes | Signed::Forged => Err(Error::Forged),
        }
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
    }
}
