//! Small records that are read whole, changed whole, and sealed: lines, and a last one with an HMAC over all before it.
//!
//! ```text
//! ...
//! {"seal":"64 hex digits"}
//! ```

use crate::disk;
use crate::key::Key;
use data_encoding::HEXLOWER;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

#[derive(Serialize, Deserialize)]
struct Foot {
    seal: String,
}

/// Seals lines, of which the last one ends with a newline. `what` says what kind of record it is.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn seal(key: &Key, what: &[u8], mut lines: Vec<u8>) -> io::Result<Vec<u8>> {
    let seal = HEXLOWER.encode(&key.tag(&[what, &lines]));
    serde_json::to_writer(&mut lines, &Foot { seal })?;
    lines.push(b'\n');
    Ok(lines)
}

/// A head and rows as lines of JSON, sealed.
///
/// # Errors
/// When they cannot be written as JSON.
pub fn seal_rows(
    key: &Key,
    what: &[u8],
    head: &impl Serialize,
    rows: &[impl Serialize],
) -> io::Result<Vec<u8>> {
    let mut lines = serde_json::to_vec(head)?;
    lines.push(b'\n');
    for row in rows {
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
    }
    seal(key, what, lines)
}

/// The head and the rows of lines that are sealed; `None` if one of them does not read.
pub fn parse_rows<H: DeserializeOwned, R: DeserializeOwned>(lines: &[u8]) -> Option<(H, Vec<R>)> {
    let mut lines = lines.split(|byte| *byte == b'\n');
    let head = serde_json::from_slice(lines.next()?).ok()?;
    let rows = lines.map(|line| serde_json::from_slice(line).ok()).collect::<Option<_>>()?;
    Some((head, rows))
}

/// The lines, without the last newline; `None` if they are not what was sealed with this key as such a record.
pub fn open<'t>(key: &Key, what: &[u8], text: &'t [u8]) -> Option<&'t [u8]> {
    let (lines, foot) = split(text)?;
    let seal = HEXLOWER.decode(foot.seal.as_bytes()).ok()?;
    key.check(&[what, lines], &seal).then_some(lines)?.strip_suffix(b"\n")
}

/// The same for whoever has no key: whether it is what was sealed is not known then.
pub fn look(text: &[u8]) -> Option<&[u8]> {
    split(text)?.0.strip_suffix(b"\n")
}

fn split(text: &[u8]) -> Option<(&[u8], Foot)> {
    let lines = text.strip_suffix(b"\n")?;
    let at = lines.iter().rposition(|byte| *byte == b'\n')? + 1;
    Some((&text[..at], serde_json::from_slice(&lines[at..]).ok()?))
}

/// Reads such a file; `None` if there is none. What is behind `most` bytes is not read, and then no seal holds.
///
/// # Errors
/// What the system says.
pub fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    match disk::open(path).and_then(|file| file.take(most).read_to_end(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(|_| Some(text)),
    }
}

/// One writer at a time in a directory, which is made: until the file is dropped.
///
/// # Errors
/// What the system says.
pub fn lock(directory: &Path) -> io::Result<File> {
    disk::make_dir(directory)?;
    let lock = disk::append(&directory.join("lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Purpose, RootKey};

    #[test]
    fn every_changed_byte_another_kind_and_another_key_break_the_seal() {
        let key = |n| RootKey::of_patient(&[n; 32], "A1").derive("", Purpose::Handle);
        let sealed = seal(&key(7), b"kind", b"one\ntwo\n".to_vec()).unwrap();
        assert_eq!(open(&key(7), b"kind", &sealed), Some(&b"one\ntwo"[..]));
        assert_eq!(look(&sealed), Some(&b"one\ntwo"[..]));
        assert_eq!(open(&key(8), b"kind", &sealed), None);
        assert_eq!(open(&key(7), b"other", &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&key(7), b"kind", &changed), None, "byte {at}");
            assert_eq!(open(&key(7), b"kind", &sealed[..at]), None, "cut at {at}");
        }
    }
}
