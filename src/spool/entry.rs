//! One received instance on disk: what the association said, the data set as it came, and a trailer
//! that proves it whole.
//!
//! ```text
//! "EFFACE SPOOL 1\n"  u32 length  head (JSON)  data set bytes  u64 length  SHA-256  "END EFFACE\n"
//! ```
//! Integers are little endian. The trailer is last so that a torn file can never look complete.

use crate::dicom::source::Source;
use crate::disk;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 15] = b"EFFACE SPOOL 1\n";
const END: &[u8; 11] = b"END EFFACE\n";
const TRAILER: u64 = 8 + 32 + END.len() as u64;
const HEAD_MAX: u32 = 4096;

/// What the association said about the instance. Nothing of the data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// AE title of the sender.
    pub calling_ae_title: String,
    /// AE title by which efface was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_ae_title: Option<String>,
    /// SOP Class UID of the C-STORE-RQ.
    pub sop_class: String,
    /// Transfer syntax of the presentation context.
    pub transfer_syntax: String,
    /// Milliseconds since 1970, by the clock of this machine.
    pub received_ms: u64,
}

/// Why an entry isn't one.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It cannot be read.
    #[error("a spool entry cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Its frame is torn or its bytes have changed.
    #[error("a spool entry is damaged ({0}); the disk may be failing")]
    Bytes(&'static str),
}

/// Writes an entry as its bytes come in.
pub struct Writer {
    file: BufWriter<File>,
    digest: Sha256,
    length: u64,
}

impl Writer {
    /// Starts a file that must not exist.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(path: &Path, head: &Head) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 18, disk::create(path)?);
        let head = serde_json::to_vec(head)?;
        file.write_all(MAGIC)?;
        file.write_all(&(head.len() as u32).to_le_bytes())?;
        file.write_all(&head)?;
        Ok(Writer { file, digest: Sha256::new(), length: 0 })
    }

    /// Adds bytes of the data set.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.digest.update(chunk);
        self.length += chunk.len() as u64;
        self.file.write_all(chunk)
    }

    /// Bytes of data set so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Writes the trailer; the file is whole but not yet durable.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(mut self) -> io::Result<File> {
        self.file.write_all(&self.length.to_le_bytes())?;
        self.file.write_all(&self.digest.finalize())?;
        self.file.write_all(END)?;
        self.file.into_inner().map_err(|error| error.into_error())
    }
}

/// An entry that is whole.
pub struct Entry {
    /// What the association said.
    pub head: Head,
    /// SHA-256 of the data set.
    pub digest: [u8; 32],
    path: PathBuf,
    start: u64,
    length: u64,
}

impl Entry {
    /// Opens an entry and checks its frame, not its bytes.
    ///
    /// # Errors
    /// [`Damage`].
    pub fn open(path: &Path) -> Result<Self, Damage> {
        let mut file = disk::open(path)?;
        let total = file.metadata()?.len();
        let mut fixed = [0; MAGIC.len() + 4];
        let (magic, length) = match file.read_exact(&mut fixed) {
            Ok(()) => fixed.split_at(MAGIC.len()),
            Err(_) => return Err(Damage::Bytes("torn head")),
        };
        let head_length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        if magic != MAGIC || head_length > HEAD_MAX {
            return Err(Damage::Bytes("not an entry"));
        }
        let mut head = vec![0; head_length as usize];
        file.read_exact(&mut head).map_err(|_| Damage::Bytes("torn head"))?;
        let head = serde_json::from_slice(&head).map_err(|_| Damage::Bytes("head"))?;
        let start = fixed.len() as u64 + u64::from(head_length);
        let Some(length) = total.checked_sub(start + TRAILER) else {
            return Err(Damage::Bytes("torn"));
        };
        file.seek(SeekFrom::Start(start + length))?;
        let mut trailer = [0; TRAILER as usize];
        file.read_exact(&mut trailer)?;
        let (said, rest) = trailer.split_at(8);
        let (digest, end) = rest.split_at(32);
        if end != END || said != length.to_le_bytes() {
            return Err(Damage::Bytes("torn"));
        }
        let digest = digest.try_into().map_err(|_| Damage::Bytes("torn"))?;
        Ok(Entry { head, digest, path: path.to_owned(), start, length })
    }

    /// Reads every byte and compares the digest.
    ///
    /// # Errors
    /// [`Damage`].
    pub fn check(&self) -> Result<(), Damage> {
        if disk::sha256(self.source().reader()?)? == self.digest {
            Ok(())
        } else {
            Err(Damage::Bytes("the digest does not match"))
        }
    }

    /// The data set as it came.
    pub fn source(&self) -> Source {
        let syntax = self.head.transfer_syntax.clone();
        Source::new(&self.path, self.start, self.length, syntax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(folder: &Path, dataset: &[u8]) -> PathBuf {
        let head = Head {
            calling_ae_title: "PACS".into(),
            called_ae_title: None,
            sop_class: "1.2".into(),
            transfer_syntax: "1.2.840.10008.1.2.1".into(),
            received_ms: 7,
        };
        let path = folder.join("e");
        let mut writer = Writer::create(&path, &head).unwrap();
        for chunk in dataset.chunks(5) {
            writer.write(chunk).unwrap();
        }
        assert_eq!(writer.length(), dataset.len() as u64);
        writer.finish().unwrap();
        path
    }

    #[test]
    fn what_came_in_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = entry(folder.path(), b"a data set of some length");
        let entry = Entry::open(&path).unwrap();
        entry.check().unwrap();
        let mut text = String::new();
        let mut reader = entry.source().reader().unwrap();
        reader.seek(SeekFrom::Start(2)).unwrap();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), entry.source().length()), ("data set of some length", 25));
    }

    /// Any flipped bit and any cut is seen.
    #[test]
    fn damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = entry(folder.path(), b"a data set of some length");
        let whole = std::fs::read(&path).unwrap();
        let damaged = |bytes: &[u8]| {
            std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
            Entry::open(&path).and_then(|e| e.check()).is_err()
        };
        for cut in 0..whole.len() {
            assert!(damaged(&whole[..cut]), "cut at {cut}");
        }
        let head = 19..whole.len() - 25 - TRAILER as usize;
        for at in (0..whole.len()).filter(|at| !head.contains(at)) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            assert!(damaged(&bytes), "bit in byte {at}");
        }
        assert!(!damaged(&whole));
    }
}
