//! A text in the bytes of every character set.

use encoding_rs::{EUC_JP, Encoding};
use std::collections::HashMap;
use std::sync::LazyLock;

use super::charset::encodings;

/// Each once, in a fixed order.
static ENCODINGS: LazyLock<Vec<&'static Encoding>> = LazyLock::new(|| {
    let mut all: Vec<&Encoding> = encodings().collect();
    all.sort_by_key(|set| set.name());
    all.dedup();
    all
});

/// Writes texts in all character sets. To look a character up in a large set takes long, and a study
/// has few different ones: each is looked up once.
#[derive(Default)]
pub(super) struct Scribe {
    /// The bytes of a character in each of [`ENCODINGS`]; none where the set doesn't have it.
    known: HashMap<char, Vec<Option<Bytes>>>,
}

/// The bytes of one character, at most 4.
#[derive(Clone, Copy)]
struct Bytes([u8; 4], u8);

impl Bytes {
    fn of(set: &'static Encoding, c: char) -> Option<Self> {
        let mut utf8 = [0; 4];
        let (bytes, _, unmappable) = set.encode(c.encode_utf8(&mut utf8));
        let mut own = [0; 4];
        own.get_mut(..bytes.len())?.copy_from_slice(&bytes);
        (!unmappable).then_some(Bytes(own, bytes.len() as u8))
    }

    fn as_slice(&self) -> &[u8] {
        &self.0[..usize::from(self.1)]
    }
}

impl Scribe {
    /// Every byte form of a text that isn't ASCII, over the character sets that can write it.
    pub(super) fn renderings(&mut self, text: &str) -> Vec<Vec<u8>> {
        let mut forms: Vec<Option<Vec<u8>>> = vec![Some(Vec::new()); ENCODINGS.len()];
        for c in text.chars() {
            let bytes = self
                .known
                .entry(c)
                .or_insert_with(|| ENCODINGS.iter().map(|set| Bytes::of(set, c)).collect());
            for (form, bytes) in forms.iter_mut().zip(bytes) {
                match (form.as_mut(), bytes) {
                    (Some(form), Some(bytes)) => form.extend_from_slice(bytes.as_slice()),
                    _ => *form = None,
                }
            }
        }
        let jis = ENCODINGS.iter().zip(&forms).find(|(set, _)| **set == EUC_JP);
        let jis = jis.and_then(|(_, form)| form.as_ref());
        // ISO 2022 without its escapes: the same two bytes, seven bits each.
        let plain = jis.filter(|jis| jis.iter().all(|byte| *byte >= 0xA1));
        let plain: Option<Vec<u8>> = plain.map(|jis| jis.iter().map(|byte| byte & 0x7F).collect());
        let mut forms: Vec<Vec<u8>> = forms.into_iter().flatten().chain(plain).collect();
        forms.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        forms.push(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
        forms.sort();
        forms.dedup();
        forms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Character by character is as all at once.
        #[test]
        fn as_the_encodings_write_it(text in "[a-zà-ÿА-яα-ωא-ת一-十ァ-ヶ가-힣ก-ฮ\\PC^= ]{1,12}") {
            let forms = Scribe::default().renderings(&text);
            for set in encodings() {
                let (bytes, _, unmappable) = set.encode(&text);
                prop_assert!(unmappable || forms.contains(&bytes.into_owned()), "{}", set.name());
            }
        }
    }

    #[test]
    fn forms_of_a_text() {
        let of = |text| Scribe::default().renderings(text);
        let forms = of("山田");
        for bytes in
            [&b"\xe5\xb1\xb1\xe7\x94\xb0"[..], b";3ED", b"\xbb\xb3\xc5\xc4", b"\x71\x5c\x30\x75"]
        {
            assert!(forms.contains(&bytes.to_vec()), "{bytes:02x?}");
        }
        assert!(of("J\u{fc}rgen").contains(&b"J\xfcrgen".to_vec()));
        assert!(!of("J\u{fc}rgen").contains(&b"Jrgen".to_vec()));
    }
}
