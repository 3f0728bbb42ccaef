//! What was released before, so that an instance that comes again does not go out as another.
//!
//! One file per study, lines of keyed instance tag, SHA-256 of the source data set, the batch that released it, and a
//! full stop: a line that a power cut tore says nothing, or its batch would be another one's, and the instance would
//! count as sent. A line that ends in a hyphen takes back what its batch released: the patient objects. It names nobody. A batch does not count itself: it may be made again. It is written after a release;
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
        let text = text_of(spool, study)?;
        let others = standing(&text).into_iter().filter(|((_, by), _)| *by != batch);
        Ok(Ledger { released: others.map(|((instance, _), digest)| (instance, digest)).collect() })
    }

    /// Shows every instance that was ever released, as its keyed tag and the batch that released it.
    ///
    /// # Errors
    /// What the system says.
    pub fn each(spool: &Spool, mut show: impl FnMut(&[u8; 32], &str)) -> io::Result<()> {
        let directory = spool.dir(Place::Ledger);
        for study in disk::list(&directory)? {
            let text = text_of(spool, &study)?;
            standing(&text).keys().for_each(|(instance, batch)| show(instance, batch));
        }
        Ok(())
    }

    /// Keyed tags of all instances that were released.
    pub(super) fn instances(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.released.keys()
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
        let lines = released.iter().map(|(instance, digest)| line(instance, digest, batch, END));
        append(spool, study, &lines.collect::<String>())
    }

    /// Takes back what a batch has released of these instances, durably: it stays inside now.
    ///
    /// # Errors
    /// What the system says.
    pub fn take_back(
        spool: &Spool,
        study: &str,
        batch: &str,
        instances: &[[u8; 32]],
    ) -> io::Result<()> {
        let text = text_of(spool, study)?;
        let known = standing(&text);
        let lines = instances.iter().filter_map(|instance| {
            let digest = known.get(&(*instance, batch))?;
            Some(line(instance, digest, batch, TAKEN_BACK))
        });
        let lines: String = lines.collect();
        if lines.is_empty() { Ok(()) } else { append(spool, study, &lines) }
    }
}

/// The keyed tag of a source instance.
pub fn instance_tag(key: &Key, sop_instance_uid: &str) -> [u8; 32] {
    key.tag(&[b"instance", sop_instance_uid.as_bytes()])
}

/// The lines of a study; none if there is no file.
fn text_of(spool: &Spool, study: &str) -> io::Result<String> {
    let mut text = String::new();
    match disk::open(&spool.dir(Place::Ledger).join(study)) {
        Ok(mut file) => file.read_to_string(&mut text).map(|_| text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(text),
        Err(error) => Err(error),
    }
}

fn append(spool: &Spool, study: &str, lines: &str) -> io::Result<()> {
    let mut file = disk::append(&spool.dir(Place::Ledger).join(study))?;
    file.write_all(lines.as_bytes())?;
    disk::sync_file(&file)
}

/// What was torn before ends where a line begins.
fn line(instance: &[u8; 32], digest: &[u8; 32], batch: &str, end: &str) -> String {
    format!("\n{} {} {batch} {end}", HEXLOWER.encode(instance), HEXLOWER.encode(digest))
}

/// What was released and not taken back: digests by instance and batch.
fn standing(text: &str) -> HashMap<([u8; 32], &str), [u8; 32]> {
    let mut standing = HashMap::new();
    for (instance, digest, batch, end) in text.lines().filter_map(parse) {
        match end {
            END => standing.insert((instance, batch), digest),
            _ => standing.remove(&(instance, batch)),
        };
    }
    standing
}

fn parse(line: &str) -> Option<([u8; 32], [u8; 32], &str, &str)> {
    let mut fields = line.split(' ');
    let mut tag = || HEXLOWER.decode(fields.next()?.as_bytes()).ok()?.try_into().ok();
    let (instance, digest) = (tag()?, tag()?);
    let (batch, end) = (fields.next()?, fields.next()?);
    [END, TAKEN_BACK].contains(&end).then_some((instance, digest, batch, end))
}

/// Ends a line that is whole.
const END: &str = ".";
/// Ends a line that takes another one back.
const TAKEN_BACK: &str = "-";

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
        shown.sort();
        assert_eq!(shown, [(1, "b1".to_owned()), (3, "b2".to_owned())]);
    }

    #[test]
    fn what_a_batch_takes_back_was_not_released_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        Ledger::take_back(&spool, "s", "b1", &[[1; 32]]).unwrap();
        assert!(!spool.dir(Place::Ledger).join("s").exists());
        Ledger::add(&spool, "s", "b1", &[([1; 32], [2; 32]), ([3; 32], [4; 32])]).unwrap();
        Ledger::add(&spool, "s", "b2", &[([5; 32], [6; 32])]).unwrap();
        let known = || {
            let ledger = Ledger::read(&spool, "s", "b3").unwrap();
            let mut known: Vec<u8> = ledger.released.keys().map(|tag| tag[0]).collect();
            known.sort_unstable();
            known
        };
        Ledger::take_back(&spool, "s", "b1", &[[1; 32], [5; 32], [7; 32]]).unwrap();
        assert_eq!(known(), [3, 5]);
        Ledger::add(&spool, "s", "b1", &[([1; 32], [2; 32])]).unwrap();
        assert_eq!(known(), [1, 3, 5]);
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
