//! What a program rather than a person makes of a value: hex, base64, reversal, a plain hash.

use data_encoding::{BASE64, HEXLOWER};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// Characters of a hash by which it is known: pseudonyms are often cut.
const HASH: usize = 16;

/// The disguises of a value of 5 bytes and more.
pub(super) fn disguises(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    if bytes.len() < 5 {
        return Vec::new();
    }
    let mut all = vec![value.chars().rev().collect(), HEXLOWER.encode(bytes)];
    let hashes = [
        HEXLOWER.encode(&Md5::digest(bytes)),
        HEXLOWER.encode(&Sha1::digest(bytes)),
        HEXLOWER.encode(&Sha256::digest(bytes)),
        HEXLOWER.encode(&Sha512::digest(bytes)),
    ];
    all.extend(hashes.iter().map(|hash| hash[..HASH].to_owned()));
    // Base64 depends on how many bytes stand before, modulo 3; its ends on the neighbours.
    for shift in 0..3 {
        let encoded = BASE64.encode(&[&[0; 2][..shift], bytes].concat());
        let inner = encoded.trim_end_matches('=');
        let core = &inner[[0, 2, 3][shift]..inner.len() - 1];
        all.extend((core.len() >= 6).then(|| core.to_owned()));
    }
    all
}
