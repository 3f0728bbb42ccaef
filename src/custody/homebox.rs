//! What waits for a PACS. THE FILES NAME PATIENTS.
//!
//! ```text
//! homes/HOME/address.txt      whose it is
//! homes/HOME/ready/BATCH/     manifest.json and what was not delivered yet
//! homes/HOME/refused/BATCH/   what the PACS refused for good, with a manifest of that
//! ```
//! A file is removed when the PACS has said that it stored the instance. HOME is a name made of the address.

use super::homebound::Manifest;
use crate::disk;
use crate::spool::Spool;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The file that says whose it is.
const ADDRESS: &str = "address.txt";
const MANIFEST: &str = "manifest.json";
/// Bytes of the largest manifest that is read: about 100,000 instances.
const MANIFEST_MAX: u64 = 64 << 20;

/// The homebox of one PACS.
#[derive(Clone, Copy)]
pub struct Homebox<'a> {
    spool: &'a Spool,
    home: &'a str,
}

/// The batches that wait.
#[derive(Default)]
pub struct Ready {
    /// With their manifests, the oldest first.
    pub batches: Vec<(String, Manifest)>,
    /// Those whose manifest cannot be read: they must be made again.
    pub broken: Vec<String>,
}

/// The name of the homebox of `AE_TITLE@HOST:PORT`.
pub fn name_of(address: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(address)[..8])
}

/// Writes the list of what was put into a folder.
///
/// # Errors
/// What the system says.
pub fn close(folder: &Path, manifest: &Manifest) -> io::Result<()> {
    disk::write_whole(&folder.join(MANIFEST), &serde_json::to_vec(manifest)?)?;
    disk::sync_dir(folder)
}

impl<'a> Homebox<'a> {
    /// That of a PACS, as it is.
    pub fn of(spool: &'a Spool, home: &'a str) -> Self {
        Homebox { spool, home }
    }

    /// The PACSs that have one.
    ///
    /// # Errors
    /// What the system says.
    pub fn all(spool: &Spool) -> io::Result<Vec<String>> {
        disk::list(&spool.root().join("homes"))
    }

    /// Makes its directories, once at the start, and notes whose it is: `AE_TITLE@HOST:PORT`.
    ///
    /// # Errors
    /// What the system says.
    pub fn lay_out(&self, address: &str) -> io::Result<()> {
        ["ready", "refused"].iter().try_for_each(|state| disk::make_dir(&self.dir(state)))?;
        disk::write_whole(&self.dir(ADDRESS), address.as_bytes())
    }

    /// Whose it is, `AE_TITLE@HOST:PORT`.
    pub fn address(&self) -> String {
        disk::read_text(&self.dir(ADDRESS)).ok().flatten().unwrap_or_else(|| self.home.to_owned())
    }

    /// Its directory.
    pub fn directory(&self) -> PathBuf {
        self.spool.root().join("homes").join(self.home)
    }

    /// Puts up what was drafted of a batch. Where nothing was, it is there already, or was delivered.
    ///
    /// # Errors
    /// What the system says.
    pub fn put(&self, batch: &str, drafts: &Path) -> io::Result<()> {
        if drafts.exists() {
            disk::rename(drafts, &self.ready_dir(batch))?;
            disk::sync_dir(&self.dir("ready"))?;
        }
        Ok(())
    }

    /// What is ready to be delivered.
    ///
    /// # Errors
    /// What the system says.
    pub fn ready(&self) -> io::Result<Ready> {
        let mut ready = Ready::default();
        for batch in disk::list(&self.dir("ready"))? {
            match self.manifest(&batch) {
                Ok(manifest) => ready.batches.push((batch, manifest)),
                Err(_) => ready.broken.push(batch),
            }
        }
        ready.batches.sort_by_key(|(_, manifest)| manifest.receipt);
        Ok(ready)
    }

    /// The manifest of a batch that waits.
    ///
    /// # Errors
    /// What the system says, or `InvalidData`.
    pub fn manifest(&self, batch: &str) -> io::Result<Manifest> {
        read(&self.ready_dir(batch))
    }

    /// The directory of a batch that waits.
    pub fn ready_dir(&self, batch: &str) -> PathBuf {
        self.dir("ready").join(batch)
    }

    /// Notes that an instance has arrived.
    ///
    /// # Errors
    /// What the system says.
    pub fn sent(&self, batch: &str, file: &str) -> io::Result<()> {
        disk::remove(&self.ready_dir(batch).join(file))
    }

    /// Puts an instance aside that the PACS refused for good.
    ///
    /// # Errors
    /// What the system says.
    pub fn refuse(&self, batch: &str, file: &str, manifest: &Manifest) -> io::Result<()> {
        let refused = self.dir("refused").join(batch);
        disk::make_dir(&refused)?;
        let none_yet = || Manifest { rows: Vec::new(), ..manifest.clone() };
        let mut listed = read(&refused).unwrap_or_else(|_| none_yet());
        listed.rows.retain(|row| row.file != file);
        listed.rows.extend(manifest.rows.iter().filter(|row| row.file == file).cloned());
        close(&refused, &listed)?;
        disk::rename(&self.ready_dir(batch).join(file), &refused.join(file))?;
        disk::sync_dir(&refused)
    }

    /// Removes a batch of which nothing is left to deliver.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&self, batch: &str) -> io::Result<()> {
        disk::remove(&self.ready_dir(batch))?;
        disk::sync_dir(&self.dir("ready"))
    }

    /// Puts up again what was refused.
    ///
    /// # Errors
    /// What the system says.
    pub fn retry(&self, batch: &str) -> io::Result<()> {
        disk::rename(&self.dir("refused").join(batch), &self.ready_dir(batch))?;
        disk::sync_dir(&self.dir("ready"))
    }

    /// How many instances wait.
    ///
    /// # Errors
    /// What the system says.
    pub fn waiting(&self) -> io::Result<u64> {
        let batches = disk::list(&self.dir("ready"))?;
        batches.iter().map(|batch| instances(&self.ready_dir(batch))).sum()
    }

    /// Batches of which the PACS refused something, and how many instances.
    ///
    /// # Errors
    /// What the system says.
    pub fn refused(&self) -> io::Result<Vec<(String, u64)>> {
        let batches = disk::list(&self.dir("refused"))?.into_iter();
        let count = |batch: String| {
            let refused = instances(&self.dir("refused").join(&batch))?;
            Ok((batch, refused))
        };
        batches.map(count).collect()
    }

    /// How many instances of a batch wait.
    ///
    /// # Errors
    /// What the system says.
    pub fn left(&self, batch: &str) -> io::Result<u64> {
        instances(&self.ready_dir(batch))
    }

    fn dir(&self, state: &str) -> PathBuf {
        self.directory().join(state)
    }
}

fn read(folder: &Path) -> io::Result<Manifest> {
    let mut text = Vec::new();
    disk::open(&folder.join(MANIFEST))?.take(MANIFEST_MAX).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn instances(folder: &Path) -> io::Result<u64> {
    let names = disk::list(folder)?;
    Ok(names.iter().filter(|name| name.ends_with(".dcm")).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::parcel::Row;

    #[test]
    fn what_a_pacs_refused_is_listed_by_itself_and_can_be_put_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let homebox = Homebox::of(&spool, "home");
        homebox.lay_out("PACS@127.0.0.1:104").unwrap();
        assert_eq!(homebox.address(), "PACS@127.0.0.1:104");
        let row = |file: &str| Row {
            file: file.to_owned(),
            sop_class: String::new(),
            sop_instance: String::new(),
            transfer_syntax: String::new(),
            bytes: 1,
            sha256: String::new(),
            seal: String::new(),
        };
        let rows = ["a.dcm", "b.dcm", "c.dcm"].map(row).to_vec();
        let (home, receipt_hash) = ("home".to_owned(), String::new());
        let last_result_ms = Some(1);
        let manifest = Manifest { home, receipt: 1, receipt_hash, last_result_ms, rows };
        let drafts = folder.path().join("drafts");
        disk::make_dir(&drafts).unwrap();
        for row in &manifest.rows {
            disk::create(&drafts.join(&row.file)).unwrap();
        }
        close(&drafts, &manifest).unwrap();
        homebox.put("lab-1", &drafts).unwrap();
        homebox.put("lab-1", &drafts).unwrap();
        homebox.sent("lab-1", "a.dcm").unwrap();
        for file in ["b.dcm", "c.dcm"] {
            homebox.refuse("lab-1", file, &manifest).unwrap();
        }
        assert_eq!((homebox.waiting().unwrap(), homebox.left("lab-1").unwrap()), (0, 0));
        assert_eq!(homebox.refused().unwrap(), [("lab-1".to_owned(), 2)]);
        homebox.remove("lab-1").unwrap();
        homebox.retry("lab-1").unwrap();
        let again = homebox.ready().unwrap().batches.remove(0).1;
        assert_eq!(again.rows, manifest.rows[1..]);
        assert_eq!(homebox.waiting().unwrap(), 2);
    }
}
