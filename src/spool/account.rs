//! The account of everything that was ever acknowledged: nothing is lost as long as it balances.
//!
//! ```text
//! received = waiting + on the way + delivered + in quarantine + rejected + repeated + erased
//! ```
//! The left side comes from the log, which says how many instances each batch had when a worker took it; the right
//! side from the directories, and from what the log says is gone on purpose, or what notes say that are not in the log yet:
//! what was put back from quarantine. An instance that has several names (held for one destination, in quarantine for
//! another) counts once.

use super::quarantine::{self, batch_of};
use super::{Place, Spool, entry_ids};
use crate::audit::{self, Line, Row};
use crate::clock;
use crate::disk;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Where all instances are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Received, not yet taken by a worker: in the inbox, in a study, in a closed batch.
    pub waiting: u64,
    /// Taken, and not delivered to every destination.
    pub on_the_way: u64,
    /// Delivered, the originals still here.
    pub delivered: u64,
    /// In quarantine, and nowhere else.
    pub quarantined: u64,
    /// Dropped from quarantine, or about to be: a person decided that they never leave.
    pub rejected: u64,
    /// Came again, byte for byte, and were dropped.
    pub repeated: u64,
    /// Delivered, and the originals deleted after the retention time.
    pub erased: u64,
    /// Batches of which something is gone that nobody removed, and how many instances. It must be empty.
    pub missing: Vec<(String, u64)>,
    /// Age of the oldest instance that has not been delivered, in seconds; 0 if there is none.
    pub oldest_undelivered_s: u64,
}

/// The events that count, by their names in the log.
const COUNTED: [&str; 5] = ["taken", "repeated", "erased", "returned", "rejected"];

/// What the log says of a batch.
#[derive(Default)]
struct Said {
    taken: Option<u64>,
    repeated: u64,
    erased: u64,
    /// By name in quarantine.
    returned: BTreeMap<String, u64>,
    /// By code and destination.
    rejected: BTreeMap<[String; 2], u64>,
}

impl Account {
    /// Draws up the account. Reads the whole log and lists all directories; opens no entry.
    ///
    /// # Errors
    /// What the system says; a log that does not verify.
    pub fn take(spool: &Spool) -> io::Result<Self> {
        let account = Account::draw_up(spool)?;
        // A gateway that runs may have deleted something between log and directories.
        if account.missing.is_empty() { Ok(account) } else { Account::draw_up(spool) }
    }

    /// States are listed in the order in which instances pass them, so that none slips by.
    fn draw_up(spool: &Spool) -> io::Result<Self> {
        // Before the log is read: what the gateway writes there meanwhile, and removes here, is in one of both.
        let notes = quarantine::returned(spool)?;
        let mut said = Said::all(&spool.dir(Place::Audit))?;
        for (name, instances) in notes {
            let said = said.entry(batch_of(&name).to_owned()).or_default();
            most(&mut said.returned, name, instances);
        }
        let mut account = Account::default();
        let mut oldest: Option<SystemTime> = None;
        let mut wait = |path: &Path| {
            if let Ok(since) = disk::modified(path) {
                oldest = Some(oldest.map_or(since, |known| known.min(since)));
            }
        };
        let inbox = spool.dir(Place::Inbox);
        for id in entry_ids(&inbox)? {
            account.waiting += 1;
            wait(&inbox.join(id));
        }
        let studies = spool.dir(Place::Studies);
        for study in disk::list(&studies)? {
            for id in entry_ids(&studies.join(&study))? {
                account.waiting += 1;
                wait(&studies.join(&study).join(id));
            }
        }
        let mut found: BTreeMap<String, HashSet<String>> = BTreeMap::new();
        for place in [Place::Work, Place::Held, Place::Delivered] {
            let directory = spool.dir(place);
            for batch in disk::list(&directory)? {
                let ids = entry_ids(&directory.join(&batch))?;
                let taken = said.get(&batch).is_some_and(|said| said.taken.is_some());
                let n = ids.len() as u64;
                match place {
                    Place::Delivered => account.delivered += n,
                    Place::Work if !taken => account.waiting += n,
                    _ => account.on_the_way += n,
                }
                if place != Place::Delivered {
                    ids.iter().for_each(|id| wait(&directory.join(&batch).join(id)));
                }
                found.entry(batch).or_default().extend(ids);
            }
        }
        for place in [Place::Quarantine, Place::Rejected] {
            let directory = spool.dir(place);
            for name in disk::list(&directory)? {
                let known = found.entry(batch_of(&name).to_owned()).or_default();
                let ids = entry_ids(&directory.join(&name))?;
                let nowhere_else = ids.into_iter().filter(|id| known.insert(id.clone())).count();
                match place {
                    Place::Rejected => account.rejected += nowhere_else as u64,
                    _ => account.quarantined += nowhere_else as u64,
                }
            }
        }
        for (batch, said) in &said {
            account.repeated += said.repeated;
            account.erased += said.erased;
            let here = found.get(batch).map_or(0, |ids| ids.len() as u64);
            let returned: u64 = said.returned.values().sum();
            let rejected: u64 = said.rejected.values().sum();
            account.rejected += rejected;
            let accounted = here + said.repeated + said.erased + returned + rejected;
            let missing = said.taken.unwrap_or(0).saturating_sub(accounted);
            if missing > 0 {
                account.missing.push((batch.clone(), missing));
            }
        }
        let age =
            oldest.map(|since| clock::now().duration_since(since).unwrap_or_default().as_secs());
        account.oldest_undelivered_s = age.unwrap_or(0);
        Ok(account)
    }

    /// Instances that were acknowledged and are accounted for.
    pub fn accounted(&self) -> u64 {
        let here = self.waiting + self.on_the_way + self.delivered + self.quarantined;
        here + self.rejected + self.repeated + self.erased
    }

    /// Instances that were acknowledged and cannot be found.
    pub fn lost(&self) -> u64 {
        self.missing.iter().map(|(_, instances)| instances).sum()
    }

    /// The rows of the account, for people and for machines.
    pub fn rows(&self) -> [(&'static str, u64); 7] {
        [
            ("waiting", self.waiting),
            ("on the way", self.on_the_way),
            ("delivered", self.delivered),
            ("in quarantine", self.quarantined),
            ("rejected", self.rejected),
            ("repeated", self.repeated),
            ("erased", self.erased),
        ]
    }
}

impl Said {
    fn all(log: &Path) -> io::Result<BTreeMap<String, Said>> {
        let mut all: BTreeMap<String, Said> = BTreeMap::new();
        let mut of = |batch: &str, add: &dyn Fn(&mut Said)| {
            add(all.entry(batch.to_owned()).or_default());
        };
        // Releases are long, and most of the log.
        let parse = |line: &Line<'_>| {
            let row: Row = serde_json::from_slice(line.bytes)?;
            Ok::<_, io::Error>(Some(row).filter(|row| COUNTED.contains(&row.event.as_str())))
        };
        let key = audit::key(log).map_err(io::Error::other)?;
        let walked = audit::walk(log, &key, parse, |row| {
            let Some(row) = row? else { return Ok(()) };
            let (Some(batch), Some(instances)) = (row.batch_of(), row.instances) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            match row.event.as_str() {
                // What a crash interrupted is done and written down again, perhaps with fewer instances left.
                "taken" => of(batch, &|said| said.taken = said.taken.or(Some(instances))),
                "repeated" => of(batch, &|said| said.repeated = said.repeated.max(instances)),
                "erased" => of(batch, &|said| said.erased = said.erased.max(instances)),
                "rejected" => {
                    let of_it = [&row.code, &row.destination];
                    let of_it = of_it.map(|text| text.clone().unwrap_or_default());
                    let dropped = row.dropped.unwrap_or(0);
                    of(batch, &|said| most(&mut said.rejected, of_it.clone(), dropped));
                }
                _ => {
                    let name = row.name.clone().unwrap_or_default();
                    of(batch, &|said| most(&mut said.returned, name.clone(), instances));
                }
            }
            Ok(())
        });
        walked.map(|_| all).map_err(io::Error::other)
    }
}

/// What a crash interrupted is written down again, perhaps with fewer instances left.
fn most<K: Ord>(counts: &mut BTreeMap<K, u64>, of: K, instances: u64) {
    let known = counts.entry(of).or_default();
    *known = instances.max(*known);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Event, Log, Signer};
    use crate::key::RootKey;

    fn put(spool: &Spool, place: Place, group: &str, ids: &[&str]) {
        let directory = spool.dir(place).join(group);
        disk::make_dir(&directory).unwrap();
        ids.iter().for_each(|id| drop(disk::create(&directory.join(id)).unwrap()));
    }

    #[test]
    fn every_instance_counts_once_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let signer = Signer::of(&RootKey::of_patient(&[7; 32], "A1"));
        let log = Log::open(&spool.dir(Place::Audit), signer).unwrap();
        put(&spool, Place::Inbox, "", &["i1", "i2"]);
        put(&spool, Place::Studies, "s", &["j1"]);
        put(&spool, Place::Work, "w-1", &["k1"]);
        let batch = || "b-1".to_owned();
        log.append(Event::Taken { batch: batch(), instances: 6 }).unwrap();
        log.append(Event::Taken { batch: batch(), instances: 4 }).unwrap();
        put(&spool, Place::Held, "b-1", &["h1", "h2", "h1.face.png"]);
        put(&spool, Place::Quarantine, "b-1.rendering", &["h2", "q1", "reason.json"]);
        put(&spool, Place::Quarantine, "x.damaged", &["x"]);
        log.append(Event::Repeated { batch: batch(), instances: 2 }).unwrap();
        let account = Account::take(&spool).unwrap();
        assert_eq!((account.waiting, account.on_the_way, account.quarantined), (4, 2, 2));
        assert_eq!(account.missing, [("b-1".to_owned(), 1)]);
        assert_eq!((account.lost(), account.accounted()), (1, 10));
        let name = "b-1.class-policy".to_owned();
        log.append(Event::Returned { name, instances: 1 }).unwrap();
        assert_eq!(Account::take(&spool).unwrap().missing, []);
        disk::remove(&spool.dir(Place::Quarantine).join("b-1.rendering").join("q1")).unwrap();
        assert_eq!(Account::take(&spool).unwrap().lost(), 1);
        let rejected = |dropped| Event::Rejected {
            batch: batch(),
            code: "rendering".to_owned(),
            destination: String::new(),
            instances: 2,
            dropped,
            by: "anna".to_owned(),
            because: "a face".to_owned(),
        };
        log.append(rejected(1)).unwrap();
        log.append(rejected(0)).unwrap();
        let account = Account::take(&spool).unwrap();
        assert_eq!((account.missing, account.rejected), (vec![], 1));
    }

    #[test]
    fn what_was_put_back_a_moment_ago_waits_and_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let signer = Signer::of(&RootKey::of_patient(&[7; 32], "A1"));
        let log = Log::open(&spool.dir(Place::Audit), signer).unwrap();
        log.append(Event::Taken { batch: "b-1".to_owned(), instances: 4 }).unwrap();
        put(&spool, Place::Held, "b-1", &["h1", "h2"]);
        let name = "b-1.lab.localizer".to_owned();
        put(&spool, Place::Quarantine, &name, &["q1", "q2", "reason.json"]);
        assert_eq!(quarantine::put_back(&spool, &name).unwrap(), 2);
        let account = || {
            let account = Account::take(&spool).unwrap();
            (account.waiting, account.on_the_way, account.accounted(), account.lost())
        };
        // First the note, then note and log, then the log: it is the same.
        assert_eq!(account(), (2, 2, 4, 0));
        log.append(Event::Returned { name: name.clone(), instances: 2 }).unwrap();
        assert_eq!(account(), (2, 2, 4, 0));
        disk::remove(&spool.dir(Place::Returned).join(&name)).unwrap();
        assert_eq!(account(), (2, 2, 4, 0));
        disk::remove(&spool.dir(Place::Held).join("b-1").join("h1")).unwrap();
        assert_eq!(account(), (2, 1, 3, 1), "what nobody removed is");
    }

    #[test]
    fn one_original_that_is_put_back_for_two_destinations_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let signer = Signer::of(&RootKey::of_patient(&[7; 32], "A1"));
        let log = Log::open(&spool.dir(Place::Audit), signer).unwrap();
        log.append(Event::Taken { batch: "b-1".to_owned(), instances: 1 }).unwrap();
        let names = ["b-1.lab.localizer", "b-1.reader.localizer"];
        put(&spool, Place::Quarantine, names[0], &["q1", "reason.json"]);
        put(&spool, Place::Quarantine, names[1], &["reason.json"]);
        let [lab, reader] = names.map(|name| spool.dir(Place::Quarantine).join(name).join("q1"));
        disk::link(&lab, &reader).unwrap();
        for name in names {
            assert_eq!(quarantine::put_back(&spool, name).unwrap(), 1);
            assert_eq!(Account::take(&spool).unwrap().missing, [], "{name}");
        }
        let noted: u64 = quarantine::returned(&spool).unwrap().iter().map(|note| note.1).sum();
        assert_eq!(noted, 1, "it is one original");
        assert_eq!(Account::take(&spool).unwrap().waiting, 1);
    }
}
