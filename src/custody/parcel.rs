//! A parcel: verified bytes for one destination, with the receipt of the audit log.
//!
//! A type dies at the disk. What waits to be sent is therefore sealed: an HMAC binds the digest of
//! the file to its destination, its plan and its receipt. A parcel is opened again only when the
//! seal holds and the bytes are those that were sealed.

use super::gate::Grant;
use super::object::{Deidentified, Object, open_dataset};
use crate::audit::Receipt;
use crate::disk;
use crate::key::Key;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The list of parcels of one batch for one destination, as it stands on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Destination by its name in the configuration.
    pub destination: String,
    /// Digest of the profile's plan.
    pub plan: String,
    /// Position of the release in the audit log.
    pub receipt: u64,
    /// Hash of that record.
    pub receipt_hash: String,
    /// The parcels.
    pub rows: Vec<Row>,
}

/// One parcel of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the file beside the manifest.
    pub file: String,
    /// SOP Class UID.
    pub sop_class: String,
    /// SOP Instance UID, as it leaves.
    pub sop_instance: String,
    /// Transfer syntax of the file.
    pub transfer_syntax: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// HMAC over all of this and the head of the manifest.
    pub seal: String,
}

/// Why a parcel does not open. Its batch is made again from the originals.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The file cannot be read.
    #[error("a parcel cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The seal isn't this installation's for these bytes.
    #[error("the seal of a parcel does not hold")]
    Seal,
}

impl Manifest {
    /// Seals objects that the verifier passed and the log has a receipt for. It consumes both.
    pub fn seal(
        objects: Vec<Object<Deidentified>>,
        grant: &Grant,
        receipt: Receipt,
        key: &Key,
    ) -> Self {
        let mut manifest = Manifest {
            destination: grant.destination().to_owned(),
            plan: HEXLOWER.encode(grant.plan()),
            receipt: receipt.seq(),
            receipt_hash: HEXLOWER.encode(receipt.hash()),
            rows: Vec::new(),
        };
        for object in objects {
            let state = object.into_state();
            let name = state.file.file_name().unwrap_or_default();
            let mut row = Row {
                file: name.to_string_lossy().into_owned(),
                sop_class: state.sop_class,
                sop_instance: state.sop_instance,
                transfer_syntax: state.transfer_syntax,
                bytes: state.bytes,
                sha256: HEXLOWER.encode(&state.sha256),
                seal: String::new(),
            };
            row.seal_under(manifest.head(), key);
            manifest.rows.push(row);
        }
        manifest
    }

    /// Opens one parcel: reads the whole file and holds it against the seal.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn open(&self, directory: &Path, row: &Row, key: &Key) -> Result<Parcel, Broken> {
        Ok(Parcel {
            path: row.open(self.head(), directory, key)?,
            destination: self.destination.clone(),
            sop_class: row.sop_class.clone(),
            sop_instance: row.sop_instance.clone(),
            transfer_syntax: row.transfer_syntax.clone(),
        })
    }

    fn head(&self) -> [&[u8]; 3] {
        [self.destination.as_bytes(), self.plan.as_bytes(), self.receipt_hash.as_bytes()]
    }
}

impl Row {
    /// Seals it, under what heads its manifest.
    pub(super) fn seal_under(&mut self, head: [&[u8]; 3], key: &Key) {
        self.seal = HEXLOWER.encode(&key.tag(&self.sealed(head)));
    }

    /// Where its file is: its seal holds, and all bytes were read and are those that were sealed.
    pub(super) fn open(
        &self,
        head: [&[u8]; 3],
        directory: &Path,
        key: &Key,
    ) -> Result<PathBuf, Broken> {
        let seal = HEXLOWER.decode(self.seal.as_bytes()).map_err(|_| Broken::Seal)?;
        let is_plain_name = !self.file.contains('/') && !self.file.starts_with('.');
        if !is_plain_name || !key.check(&self.sealed(head), &seal) {
            return Err(Broken::Seal);
        }
        let path = directory.join(&self.file);
        if HEXLOWER.encode(&disk::sha256(disk::open(&path)?)?) != self.sha256 {
            return Err(Broken::Seal);
        }
        Ok(path)
    }

    fn sealed<'a>(&'a self, [whose, plan, record]: [&'a [u8]; 3]) -> [&'a [u8]; 8] {
        [
            whose,
            plan,
            record,
            self.file.as_bytes(),
            self.sop_class.as_bytes(),
            self.sop_instance.as_bytes(),
            self.transfer_syntax.as_bytes(),
            self.sha256.as_bytes(),
        ]
    }
}

/// What may leave, for one destination. Not Clone; only [`Manifest::open`] makes one.
pub struct Parcel {
    path: PathBuf,
    destination: String,
    sop_class: String,
    sop_instance: String,
    transfer_syntax: String,
}

impl Parcel {
    /// The only destination that it may be sent to.
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// SOP Class UID.
    pub fn sop_class(&self) -> &str {
        &self.sop_class
    }

    /// SOP Instance UID, as it leaves.
    pub fn sop_instance(&self) -> &str {
        &self.sop_instance
    }

    /// Transfer syntax of the data set.
    pub fn transfer_syntax(&self) -> &str {
        &self.transfer_syntax
    }

    /// The data set, without preamble and File Meta Information.
    ///
    /// # Errors
    /// What the system says.
    pub fn dataset(&self) -> io::Result<impl Read + use<>> {
        open_dataset(&self.path)
    }

    /// The file (PS3.10 7): preamble, File Meta Information and data set, all of it verified; and its length in bytes.
    ///
    /// # Errors
    /// What the system says.
    pub fn file(&self) -> io::Result<(impl Read + use<>, u64)> {
        let file = disk::open(&self.path)?;
        let bytes = file.metadata()?.len();
        Ok((file, bytes))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::key::{Purpose, RootKey};

    /// Parcels for the destination `lab`, with these contents: sealed, and opened as a sender does. Every other one is
    /// said to be JPEG 2000.
    pub(crate) fn parcels(directory: &Path, contents: &[Vec<u8>]) -> Vec<Parcel> {
        let key = RootKey::of_patient(&[7; 32], "A1").derive("", Purpose::Handle);
        let mut manifest = Manifest {
            destination: "lab".to_owned(),
            plan: "plan".to_owned(),
            receipt: 1,
            receipt_hash: "hash".to_owned(),
            rows: Vec::new(),
        };
        for (n, bytes) in contents.iter().enumerate() {
            let file = format!("{n}.dcm");
            disk::write_whole(&directory.join(&file), bytes).unwrap();
            let mut row = Row {
                file,
                sop_class: "1.2.840.10008.5.1.4.1.1.2".to_owned(),
                sop_instance: format!("2.25.{n}"),
                transfer_syntax: ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"][n % 2]
                    .to_owned(),
                bytes: bytes.len() as u64,
                sha256: HEXLOWER.encode(&disk::sha256(&bytes[..]).unwrap()),
                seal: String::new(),
            };
            row.seal_under(manifest.head(), &key);
            manifest.rows.push(row);
        }
        let open = |row| manifest.open(directory, row, &key).unwrap();
        manifest.rows.iter().map(open).collect()
    }
}
