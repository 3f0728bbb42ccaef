//! Encryption of what is kept: XChaCha20-Poly1305, under a nonce that is thrown for each text.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::io;
use zeroize::Zeroizing;

/// A key that encrypts, and that is all it can do; wiped on drop.
pub struct Cipher(XChaCha20Poly1305);

/// Bytes of the nonce, which stands before what it was thrown for. So many may be thrown at random (XChaCha, 192 bits).
const NONCE_BYTES: usize = 24;

impl Cipher {
    /// The cipher of a key.
    pub fn of(key: &[u8; 32]) -> Self {
        Cipher(XChaCha20Poly1305::new(key.into()))
    }

    /// Encrypts a text, bound to what it is about: nonce, then the text and its tag.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn seal(&self, text: &[u8], about: &[&[u8]]) -> io::Result<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(io::Error::from)?;
        let about = joined(about);
        let payload = Payload { msg: text, aad: &about };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| io::Error::other("a text too long to be encrypted"))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// The text; `None` if it is not what was sealed under this key about this.
    pub fn open(&self, sealed: &[u8], about: &[&[u8]]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let about = joined(about);
        let payload = Payload { msg: text, aad: &about };
        self.0.decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }
}

/// Each part after its length, so that no two lists of parts are the same bytes.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(*part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_opens_under_its_key_about_what_it_is_about_and_whole() {
        let cipher = Cipher::of(&[7; 32]);
        let sealed = cipher.seal(b"1.2.3", &[b"ab", b"c"]).unwrap();
        assert_eq!(cipher.open(&sealed, &[b"ab", b"c"]).unwrap().as_slice(), b"1.2.3");
        assert_ne!(sealed, cipher.seal(b"1.2.3", &[b"ab", b"c"]).unwrap());
        assert!(cipher.open(&sealed, &[b"a", b"bc"]).is_none());
        assert!(Cipher::of(&[8; 32]).open(&sealed, &[b"ab", b"c"]).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(cipher.open(&changed, &[b"ab", b"c"]).is_none(), "byte {at}");
            assert!(cipher.open(&sealed[..at], &[b"ab", b"c"]).is_none(), "cut at {at}");
        }
    }

    /// draft-irtf-cfrg-xchacha-03 A.3.1: the construction is the one that others have, too.
    #[test]
    fn it_is_the_published_one() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let key: [u8; 32] = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f")
            .try_into()
            .unwrap();
        let nonce = hex("404142434445464748494a4b4c4d4e4f5051525354555657");
        let about = hex("50515253c0c1c2c3c4c5c6c7");
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let nonce = XNonce::try_from(&nonce[..]).unwrap();
        let payload = Payload { msg: &text[..], aad: &about };
        let sealed = Cipher::of(&key).0.encrypt(&nonce, payload).unwrap();
        assert_eq!(sealed[..16], hex("bd6d179d3e83d43b9576579493c0e939"));
        assert_eq!(sealed[sealed.len() - 16..], hex("c0875924c1c7987947deafd8780acf49"));
    }
}
