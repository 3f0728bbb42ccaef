//! Signed notes (C2SP signed-note, Ed25519 of RFC 8032): a text, an empty line, and a line a signature.
//!
//! ```text
//! the text, one line or several
//!
//! — NAME base64 of the key's id (4 bytes) and the signature
//! ```
//! Checkpoints of the log are such notes, what witnesses put under them, and what people agree to.

pub mod file;
pub mod release;

use crate::clock;
use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Longer is no note, bytes.
const LONGEST: usize = 1 << 16;

/// What a key's signatures say. A key of one kind never serves the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The text (signed-note, Ed25519).
    Text = 1,
    /// The text, and when it was seen (tlog-cosignature, Ed25519).
    Seen = 4,
}

/// What a signature by some key is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signed {
    /// It holds.
    Yes,
    /// There is none by this key.
    No,
    /// There is one, and it does not hold.
    Forged,
}

/// A key that does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no public key: a line NAME+ID+KEY")]
pub struct BadKey;

/// Signs notes under a name.
pub struct Signer {
    key: SigningKey,
    verifier: Verifier,
}

impl Signer {
    /// The one with this key.
    pub fn new(name: &str, kind: Kind, key: SigningKey) -> Self {
        let verifier = Verifier::new(name.to_owned(), kind, key.verifying_key());
        Signer { key, verifier }
    }

    /// What others check its signatures by.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The line of a signature under a text that ends with a newline.
    pub fn line(&self, text: &str) -> String {
        let Verifier { name, id, kind, .. } = &self.verifier;
        let signature = match kind {
            Kind::Text => self.key.sign(text.as_bytes()).to_bytes().to_vec(),
            Kind::Seen => {
                let time = clock::ms() / 1000;
                let signature = self.key.sign(seen(text, time).as_bytes()).to_bytes();
                [&time.to_be_bytes()[..], &signature].concat()
            }
        };
        format!("— {name} {}\n", BASE64.encode(&[&id[..], &signature].concat()))
    }

    /// A note with one signature.
    pub fn note(&self, text: &str) -> String {
        format!("{text}\n{}", self.line(text))
    }
}

/// What a witness signs (tlog-cosignature).
fn seen(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// A note that reads. What it says is worth what its signatures are.
pub struct Note<'a> {
    /// The text, with its last newline.
    pub text: &'a str,
    signatures: Vec<(&'a str, Vec<u8>)>,
}

impl<'a> Note<'a> {
    /// Takes a note apart; `None` if it is none.
    pub fn parse(note: &'a str) -> Option<Self> {
        let (text, signatures) = note.rsplit_once("\n\n").filter(|_| note.len() <= LONGEST)?;
        if !signatures.ends_with('\n') {
            return None;
        }
        let line = |line: &'a str| {
            let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
            let signature = BASE64.decode(signature.as_bytes()).ok()?;
            (signature.len() > 4).then_some((name, signature))
        };
        let signatures = signatures.lines().map(line).collect::<Option<_>>()?;
        Some(Note { text: &note[..=text.len()], signatures })
    }

    /// What the signature by a key is worth.
    pub fn is_signed_by(&self, by: &Verifier) -> Signed {
        let own = self.signatures.iter().find_map(|(name, signature)| {
            let (id, rest) = signature.split_first_chunk::<4>()?;
            (*name == by.name && *id == by.id).then_some(rest)
        });
        match own {
            None => Signed::No,
            Some(signature) if by.holds(self.text, signature) => Signed::Yes,
            Some(_) => Signed::Forged,
        }
    }
}

/// The public half: a line `NAME+ID+KEY` (signed-note, verifier key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; 4],
    kind: Kind,
    key: VerifyingKey,
}

impl Verifier {
    fn new(name: String, kind: Kind, key: VerifyingKey) -> Self {
        let mut id = Sha256::new();
        id.update(name.as_bytes());
        id.update([b'\n', kind as u8]);
        id.update(key.as_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(id.finalize());
        Verifier { name, id: [a, b, c, d], kind, key }
    }

    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its signatures say.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether another one has the same key, whatever it is called.
    pub fn is_same_key(&self, other: &Verifier) -> bool {
        self.key == other.key
    }

    fn holds(&self, text: &str, signature: &[u8]) -> bool {
        let is_by_key = |text: &[u8], signature: &[u8]| {
            let signature = Signature::from_slice(signature);
            signature.is_ok_and(|signature| self.key.verify_strict(text, &signature).is_ok())
        };
        match self.kind {
            Kind::Text => is_by_key(text.as_bytes(), signature),
            Kind::Seen => signature.split_first_chunk::<8>().is_some_and(|(time, signature)| {
                is_by_key(seen(text, u64::from_be_bytes(*time)).as_bytes(), signature)
            }),
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind as u8], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id), BASE64.encode(&key))
    }
}

impl FromStr for Verifier {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let mut parts = text.trim().splitn(3, '+');
        let mut next = || parts.next().ok_or(BadKey);
        let (name, id, key) = (next()?.to_owned(), next()?, next()?);
        let key = BASE64.decode(key.as_bytes()).map_err(|_| BadKey)?;
        let (&[kind], key) = key.split_first_chunk().ok_or(BadKey)?;
        let kind = [Kind::Text, Kind::Seen].into_iter().find(|known| *known as u8 == kind);
        let key = key.try_into().ok().and_then(|key| VerifyingKey::from_bytes(key).ok());
        let verifier = Verifier::new(name, kind.ok_or(BadKey)?, key.ok_or(BadKey)?);
        let is_named = !verifier.name.is_empty() && !verifier.name.contains(char::is_whitespace);
        let is_same = HEXLOWER.encode(&verifier.id) == id;
        if is_same && is_named { Ok(verifier) } else { Err(BadKey) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(name: &str, kind: Kind, key: u8) -> Signer {
        Signer::new(name, kind, SigningKey::from_bytes(&[key; 32]))
    }

    #[test]
    fn each_key_finds_its_own_signature_and_no_other() {
        for kind in [Kind::Text, Kind::Seen] {
            let (anna, bert) = (signer("anna", kind, 1), signer("bert", kind, 2));
            let text = "one\n\ntwo\n";
            let note = anna.note(text) + &bert.line(text);
            let read = Note::parse(&note).unwrap();
            assert_eq!(read.text, text);
            for who in [&anna, &bert] {
                assert_eq!(read.is_signed_by(who.verifier()), Signed::Yes);
                let key = who.verifier().to_string();
                assert_eq!(read.is_signed_by(&key.parse().unwrap()), Signed::Yes);
            }
            for other in [signer("anna", kind, 3), signer("carl", kind, 1)] {
                assert_eq!(read.is_signed_by(other.verifier()), Signed::No);
            }
            let changed = note.replacen("one", "0ne", 1);
            let changed = Note::parse(&changed).unwrap();
            assert_eq!(changed.is_signed_by(anna.verifier()), Signed::Forged);
        }
        // What one kind of key says is nothing that the other kind has said.
        let (text, seen) = (signer("anna", Kind::Text, 1), signer("anna", Kind::Seen, 1));
        let note = text.note("one\n");
        assert_eq!(Note::parse(&note).unwrap().is_signed_by(seen.verifier()), Signed::No);
        assert!(text.verifier().is_same_key(seen.verifier()) && text.verifier() != seen.verifier());
    }

    #[test]
    fn half_a_note_is_none_and_a_changed_key_is_another() {
        let anna = signer("anna", Kind::Text, 1);
        let note = anna.note("one\n");
        for end in (0..note.len()).filter(|end| note.is_char_boundary(*end)) {
            let read = Note::parse(&note[..end]);
            let is_good = read.is_some_and(|n| n.is_signed_by(anna.verifier()) == Signed::Yes);
            assert!(!is_good, "{end} bytes");
        }
        let key = anna.verifier().to_string();
        for at in 0..key.len() {
            let mut changed = key.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8_lossy(&changed).parse::<Verifier>();
            assert_ne!(changed.as_ref(), Ok(anna.verifier()), "byte {at}");
        }
    }
}
