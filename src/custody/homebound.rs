//! What may be delivered inside: re-identified bytes for one PACS, sealed after the log had them.
//!
//! The type dies at the disk, like that of a parcel: an HMAC binds the digest of the file to its PACS and to the record of
//! the log. It is opened again only when the seal holds and the bytes are those that were sealed.

use super::object::{Object, open_dataset};
use super::parcel::{Broken, Row};
use super::result::Reidentified;
use crate::audit::Receipt;
use crate::disk;
use crate::key::Key;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The list of what waits of one batch for one PACS, as it stands on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The PACS, by the name of its homebox.
    pub home: String,
    /// Position of the record of the log that says so.
    pub receipt: u64,
    /// Hash of that record.
    pub receipt_hash: String,
    /// When the last result of it came from outside, in ms since 1970, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result_ms: Option<u64>,
    /// The instances.
    pub rows: Vec<Row>,
}

impl Manifest {
    /// An empty one: the log has a receipt for what is put there.
    pub fn begin(home: &str, receipt: &Receipt) -> Self {
        let receipt_hash = HEXLOWER.encode(receipt.hash());
        Manifest {
            home: home.to_owned(),
            receipt: receipt.seq(),
            receipt_hash,
            last_result_ms: None,
            rows: Vec::new(),
        }
    }

    /// Writes an object as a file of a folder, synced, and seals it.
    ///
    /// # Errors
    /// What the system says. There is no file then.
    pub fn put(
        &mut self,
        object: &Object<Reidentified>,
        folder: &Path,
        file: String,
        key: &Key,
    ) -> io::Result<()> {
        let path = folder.join(&file);
        object.write(&path)?;
        let written = disk::open(&path)?;
        let mut row = Row {
            file,
            sop_class: object.sop_class(),
            sop_instance: object.sop_instance(),
            transfer_syntax: object.transfer_syntax().to_owned(),
            bytes: written.metadata()?.len(),
            sha256: HEXLOWER.encode(&disk::sha256(written)?),
            seal: String::new(),
        };
        row.seal_under(self.head(), key);
        self.rows.push(row);
        Ok(())
    }

    /// Opens one: reads the whole file and holds it against the seal.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn open(&self, directory: &Path, row: &Row, key: &Key) -> Result<Homebound, Broken> {
        Ok(Homebound {
            path: row.open(self.head(), directory, key)?,
            home: self.home.clone(),
            sop_class: row.sop_class.clone(),
            sop_instance: row.sop_instance.clone(),
            transfer_syntax: row.transfer_syntax.clone(),
        })
    }

    fn head(&self) -> [&[u8]; 3] {
        [b"homebound", self.home.as_bytes(), self.receipt_hash.as_bytes()]
    }
}

/// What may be delivered to one PACS. It names a patient: not Clone, no parcel, and of use on no association to the
/// outside. Only [`Manifest::open`] makes one.
pub struct Homebound {
    path: PathBuf,
    home: String,
    sop_class: String,
    sop_instance: String,
    transfer_syntax: String,
}

impl Homebound {
    /// The only PACS that it may be delivered to.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// SOP Class UID.
    pub fn sop_class(&self) -> &str {
        &self.sop_class
    }

    /// SOP Instance UID as it is inside, made by efface.
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
}
