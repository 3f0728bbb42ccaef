//! What was released before, so that an instance that comes again does not go out as another.
//!
//! One file per study, lines of keyed instance tag, SHA-256 of the source data set, the batch that released it, and a
//! full stop: a line that a power cut tore says nothing, or its batch would be another one's, and the instance would
//! count as sent. It names nobody. A batch does not count itself: it may be made again. It is written after a release;
//! losing its last line costs a harmless second delivery of the same bytes under the same UIDs.

use super::{Place, Spool};
use crate::disk;
use crate::key::Key;
use data_encoding::HEXLOWER;
use std::collections::HashMap;
use std::io::{self, Read, Write};

/// How an instance relates to what was released before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Never seen.
    New,
    /// The same bytes were released.
    Repeated,
    /// Other bytes were released under the same SOP Instance UID.
    Conflicting,
}

/// The released instances of one study.
pub struct Ledger {
    released: HashMap<[u8; 32], [u8; 32]>,
}

impl Ledger {
    /// Reads the ledger of a study. Lines that cannot be read are passed over: they can only make
    /// efface deliver something again.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(spool: &Spool, study: &str, batch: &str) -> io::Result<Self> {
        let mut text = String::new();
        match disk::open(&spool.dir(Place::Ledger).join(study)) {
            Ok(mut file) => {
                file.read_to_string(&mut text)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let others = text.lines().filter_map(parse).filter(|(.., by)| *by != batch);
        Ok(Ledger { released: others.map(|(instance, digest, _)| (instance, digest)).collect() })
    }

    /// Shows every instance that was ever released, as its keyed tag and the batch that released it.
    ///
    /// # Errors
    /// What the system says.
    pub fn each(spool: &Spool, mut show: impl FnMut(&[u8; 32], &str)) -> io::Result<()> {
        let directory = spool.dir(Place::Ledger);
        for study in disk::list(&directory)? {
            let mut text = String::new();
            disk::open(&directory.join(study))?.read_to_string(&mut text)?;
            text.lines().filter_map(parse).for_each(|(instance, _, batch)| show(&instance, batch));
        }
        Ok(())
    }

    /// A ledger of nothing, for files that are de-identified without a spool.
    pub fn empty() -> Self {
        Ledger { released: HashMap::new() }
    }

    /// Where an instance stands. `digest` is asked for only of an instance that was released before.
    ///
    /// # Errors
    /// That of `digest`.
    pub fn standing(
        &self,
        instance: &[u8; 32],
        digest: impl FnOnce() -> io::Result<[u8; 32]>,
    ) -> io::Result<Standing> {
        Ok(match self.released.get(instance) {
            None => Standing::New,
            Some(known) if *known == digest()? => Standing::Repeated,
            Some(_) => Standing::Conflicting,
        })
    }

    /// Adds instances that were released, durably.
    ///
    /// # Errors
    /// What the system says.
    pub fn add(
        spool: &Spool,
        study: &str,
        batch: &str,
        released: &[([u8; 32], [u8; 32])],
    ) -> io::Result<()> {
        let mut file = disk::append(&spool.dir(Place::Ledger).join(study))?;
        // What was torn before ends here.
        let lines = released.iter().map(|(instance, digest)| {
            format!("\n{} {} {batch} {END}", HEXLOWER.encode(instance), HEXLOWER.encode(digest))
        });
        file.write_all(lines.collect::<String>().as_bytes())?;
        disk::sync_file(&file)
    }
}

/// The keyed tag of a source instance.
pub fn instance_tag(key: &Key, sop_instance_uid: &str) -> [u8; 32] {
    key.tag(&[b"instance", sop_instance_uid.as_bytes()])
}

fn parse(line: &str) -> Option<([u8; 32], [u8; 32], &str)> {
    let mut fields = line.split(' ');
    let mut tag = || HEXLOWER.decode(fields.next()?.as_bytes()).ok()?.try_into().ok();
    let (instance, digest) = (tag()?, tag()?);
    let batch = fields.next()?;
    (fields.next() == Some(END)).then_some((instance, digest, batch))
}

/// Ends a line that is whole.
const END: &str = ".";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_and_conflicting_instances_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        Ledger::add(&spool, "s", "b1", &[([1; 32], [2; 32])]).unwrap();
        Ledger::add(&spool, "s", "b2", &[([3; 32], [4; 32])]).unwrap();
        let ledger = Ledger::read(&spool, "s", "b3").unwrap();
        let standing = |ledger: &Ledger, instance, digest| {
            ledger.standing(&[instance; 32], || Ok([digest; 32])).unwrap()
        };
        assert_eq!(standing(&ledger, 1, 2), Standing::Repeated);
        assert_eq!(standing(&ledger, 3, 2), Standing::Conflicting);
        assert_eq!(standing(&ledger, 5, 2), Standing::New);
        let again = Ledger::read(&spool, "s", "b2").unwrap();
        assert_eq!(standing(&again, 3, 4), Standing::New);
        assert_eq!(Ledger::read(&spool, "t", "b").unwrap().released.len(), 0);
        let mut shown = Vec::new();
        Ledger::each(&spool, |instance, batch| shown.push((instance[0], batch.to_owned())))
            .unwrap();
        assert_eq!(shown, [(1, "b1".to_owned()), (3, "b2".to_owned())]);
    }

    /// The batch of a torn line is cut short: it must not count as another one.
    #[test]
    fn a_torn_line_says_nothing_and_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let path = spool.dir(Place::Ledger).join("s");
        Ledger::add(&spool, "s", "batch", &[([1; 32], [2; 32])]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::File::create(&path).unwrap().write_all(&whole[..cut]).unwrap();
            Ledger::add(&spool, "s", "other", &[([3; 32], [4; 32])]).unwrap();
            let released = Ledger::read(&spool, "s", "batch").unwrap().released;
            assert_eq!(
                released.into_iter().collect::<Vec<_>>(),
                [([3; 32], [4; 32])],
                "cut at {cut}"
            );
        }
    }
}
