//! Where the heads of a study are, so that series which come later are treated like those before.
//!
//! One file for each frame of reference, named by its keyed tag: a digest, then the head. They show
//! the skin of a face, so they go when the last original of the study goes. A file that is damaged is as
//! one that isn't there: the series is decided by itself, which can only keep more inside.

use super::{Place, Spool};
use crate::disk;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// Larger than any head.
const BYTES_MAX: u64 = 1 << 28;

/// The heads of a study that are on disk: tag and bytes.
///
/// # Errors
/// What the system says.
pub fn read(spool: &Spool, study: &str) -> io::Result<Vec<([u8; 32], Vec<u8>)>> {
    let folder = spool.dir(Place::Heads).join(study);
    let mut heads = Vec::new();
    for name in disk::list(&folder)? {
        let tag = HEXLOWER.decode(name.as_bytes()).ok().and_then(|tag| tag.try_into().ok());
        let mut bytes = Vec::new();
        disk::open(&folder.join(&name))?.take(BYTES_MAX).read_to_end(&mut bytes)?;
        match (tag, whole(&bytes)) {
            (Some(tag), Some(head)) => heads.push((tag, head.to_vec())),
            _ => tracing::warn!(study, "a head on disk is damaged and not used"),
        }
    }
    Ok(heads)
}

/// Writes a head, durably.
///
/// # Errors
/// What the system says.
pub fn write(spool: &Spool, study: &str, tag: &[u8; 32], head: &[u8]) -> io::Result<()> {
    let folder = spool.dir(Place::Heads).join(study);
    disk::make_dir(&folder)?;
    let digest = Sha256::digest(head);
    disk::write_whole(&folder.join(HEXLOWER.encode(tag)), &[digest.as_slice(), head].concat())
}

/// Deletes the heads of a study of which no original is left.
///
/// # Errors
/// What the system says.
pub fn forget(spool: &Spool, study: &str) -> io::Result<()> {
    for place in [Place::Studies, Place::Work, Place::Held, Place::Delivered, Place::Quarantine] {
        let of_study = |name: &String| name.starts_with(study);
        if disk::list(&spool.dir(place))?.iter().any(of_study) {
            return Ok(());
        }
    }
    disk::remove(&spool.dir(Place::Heads).join(study))
}

/// Removes the directory for the heads of a study if none was found.
///
/// # Errors
/// What the system says.
pub fn forget_none(spool: &Spool, study: &str) -> io::Result<()> {
    let folder = spool.dir(Place::Heads).join(study);
    if disk::list(&folder)?.is_empty() { disk::remove(&folder) } else { Ok(()) }
}

fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let (digest, head) = bytes.split_at_checked(32)?;
    (Sha256::digest(head).as_slice() == digest).then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_stay_as_long_as_originals_do() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        assert_eq!(read(&spool, "s").unwrap(), []);
        write(&spool, "s", &[7; 32], b"a head").unwrap();
        write(&spool, "s", &[8; 32], b"another").unwrap();
        let broken = spool.dir(Place::Heads).join("s").join(HEXLOWER.encode(&[8; 32]));
        disk::write_whole(&broken, b"something else, longer than a digest of 32 bytes").unwrap();
        assert_eq!(read(&spool, "s").unwrap(), [([7; 32], b"a head".to_vec())]);
        disk::make_dir(&spool.dir(Place::Delivered).join("s-12345678")).unwrap();
        forget(&spool, "s").unwrap();
        assert_eq!(read(&spool, "s").unwrap().len(), 1);
        disk::remove(&spool.dir(Place::Delivered).join("s-12345678")).unwrap();
        forget(&spool, "s").unwrap();
        assert_eq!(read(&spool, "s").unwrap(), []);
    }
}
