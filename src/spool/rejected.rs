//! What a person decided never leaves.
//!
//! ```text
//! quarantine/NAME  -> rejected/NAME/          one rename, with rejection.json: who, and why. Out of quarantine for good
//!                     barred/ID               ["lab"]: for whom an original never leaves that has other names; [""]: for nobody
//! rejected/NAME/   -> the log, then nothing   by the gateway (`janitor.rs`)
//! ```
//! Only names go: an original that is on its way, kept, or in quarantine for another reason stays, and with it its bar.
//! What the sender sends again is another original, and decided about anew.

use super::quarantine::{self, Code, batch_of};
use super::{Place, Spool, entry_ids, heads, reviews, under};
use crate::audit::Event;
use crate::clock;
use crate::disk;
use crate::study::handle_of;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// The file that says who decided. Not a spool entry.
const REJECTION: &str = "rejection.json";
/// Stands for all destinations, as in a reason.
const ALL: &str = "";

/// A person's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The user of this machine who decided.
    pub by: String,
    /// Why.
    pub because: String,
    /// The code for which it was in quarantine.
    pub code: String,
    /// For whom it never leaves; empty: for nobody at all.
    pub destination: String,
    /// When, RFC 3339.
    pub time: String,
}

/// For whom an original never leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bar(BTreeSet<String>);

impl Bar {
    /// That of an original. What cannot be understood is a bar for all.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(spool: &Spool, id: &str) -> io::Result<Self> {
        let text = disk::read_text(&spool.dir(Place::Barred).join(id))?;
        let for_all = || BTreeSet::from([ALL.to_owned()]);
        Ok(Bar(text.map_or_else(BTreeSet::new, |text| {
            serde_json::from_str(&text).unwrap_or_else(|_| for_all())
        })))
    }

    /// Whether it never leaves for a destination.
    pub fn is_for(&self, destination: &str) -> bool {
        self.0.contains(ALL) || self.0.contains(destination)
    }
}

/// Takes something out of quarantine for good; how many instances. Stopped in between, it is there as before, and the
/// same call does the rest.
///
/// # Errors
/// What the system says: nothing is called so, or a gateway has not dropped the last that was called so.
pub fn reject(spool: &Spool, name: &str, by: &str, because: &str) -> io::Result<u64> {
    let _alone = spool.alone()?;
    let source = spool.dir(Place::Quarantine).join(name);
    let ids = entry_ids(&source)?;
    // Without a reason it is in quarantine for all.
    let reason = quarantine::reason(spool, name).ok();
    let code = reason.as_ref().map_or(Code::Failed, |reason| reason.code);
    let destination = reason.map(|reason| reason.destination).unwrap_or_default();
    for id in ids.iter().filter(|id| !is_last(&source, id)) {
        bar(spool, id, &destination)?;
    }
    let rejection = Rejection {
        by: by.to_owned(),
        because: because.to_owned(),
        code: code.name().to_owned(),
        destination,
        time: clock::stamp(),
    };
    disk::write_whole(&source.join(REJECTION), &serde_json::to_vec(&rejection)?)?;
    disk::make_dir(&spool.dir(Place::Rejected))?;
    disk::rename(&source, &spool.dir(Place::Rejected).join(name))?;
    disk::sync_dir(&spool.dir(Place::Rejected))?;
    disk::sync_dir(&spool.dir(Place::Quarantine))?;
    Ok(ids.len() as u64)
}

/// Writes what was rejected to the log, and drops it. Done again after a crash, it says the same.
///
/// # Errors
/// What the system says, or `log`: what is not in the log is not dropped.
pub fn settle(spool: &Spool, log: &dyn Fn(Event) -> io::Result<()>) -> io::Result<()> {
    for name in disk::list(&spool.dir(Place::Rejected))? {
        let _alone = spool.alone()?;
        let directory = spool.dir(Place::Rejected).join(&name);
        let ids = entry_ids(&directory)?;
        let last: Vec<String> = ids.iter().filter(|id| is_last(&directory, id)).cloned().collect();
        let text = disk::read_text(&directory.join(REJECTION))?;
        let rejection = text.and_then(|text| serde_json::from_str(&text).ok());
        let Some(Rejection { by, because, code, destination, .. }) = rejection else {
            if ids.is_empty() {
                // A crash came between the word of who decided and its directory.
                disk::remove(&directory)?;
            } else {
                tracing::error!(
                    name,
                    "rejected/ holds something that nobody rejected: it is not dropped"
                );
            }
            continue;
        };
        let batch = batch_of(&name).to_owned();
        let (instances, dropped) = (ids.len() as u64, last.len() as u64);
        log(Event::Rejected { batch, code, destination, instances, dropped, by, because })?;
        // What lies beside an original goes before it, as long as the next try can tell of which; the word of who
        // decided goes last: what a crash leaves is settled by it.
        reviews::forget(spool, &last)?;
        forget(spool, &last)?;
        under::forget(spool, &last)?;
        heads::forget(spool, handle_of(batch_of(&name)))?;
        ids.iter().try_for_each(|id| disk::remove(&directory.join(id)))?;
        disk::remove(&directory)?;
        disk::sync_dir(&spool.dir(Place::Rejected))?;
    }
    Ok(())
}

/// Removes the bars of originals that are gone.
///
/// # Errors
/// What the system says.
pub fn forget(spool: &Spool, ids: &[String]) -> io::Result<()> {
    let folder = spool.dir(Place::Barred);
    ids.iter().try_for_each(|id| disk::remove(&folder.join(id)))
}

fn bar(spool: &Spool, id: &str, destination: &str) -> io::Result<()> {
    let Bar(mut barred) = Bar::read(spool, id)?;
    if !barred.insert(destination.to_owned()) {
        return Ok(());
    }
    disk::make_dir(&spool.dir(Place::Barred))?;
    disk::write_whole(&spool.dir(Place::Barred).join(id), &serde_json::to_vec(&barred)?)
}

fn is_last(directory: &Path, id: &str) -> bool {
    disk::is_last_name(&directory.join(id)).unwrap_or(true)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::*;
    use crate::disk::faults::{Faults, Habits};
    use crate::spool::quarantine::Reason;
    use std::cell::RefCell;

    fn aside(spool: &Spool, batch: &str, ids: &[&str], code: Code, destination: &str) -> String {
        let work = spool.dir(Place::Work).join(batch);
        disk::make_dir(&work).unwrap();
        ids.iter().filter(|id| !work.join(id).exists()).for_each(|id| {
            disk::create(&work.join(id)).unwrap();
        });
        let reason = Reason {
            code,
            detail: String::new(),
            destination: destination.to_owned(),
            time: String::new(),
        };
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        quarantine::put_aside(spool, batch, &ids, &reason).unwrap();
        let names = disk::list(&spool.dir(Place::Quarantine)).unwrap();
        let is_new = |name: &&String| name.contains(destination) && name.ends_with(code.name());
        names.iter().find(is_new).unwrap().clone()
    }

    #[test]
    fn only_what_nobody_else_needs_is_dropped_and_not_before_it_is_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let lab = aside(&spool, "h-1", &["i1", "i2"], Code::Localizer, "lab");
        let clinic = aside(&spool, "h-1", &["i1"], Code::Localizer, "clinic");
        disk::remove(&spool.dir(Place::Work).join("h-1")).unwrap();
        assert_eq!(reject(&spool, &lab, "anna", "a face").unwrap(), 2);
        assert!(reject(&spool, &lab, "anna", "a face").is_err(), "it is not there any more");
        let broken = |_| Err(io::ErrorKind::Other.into());
        assert!(settle(&spool, &broken).is_err());
        assert_eq!(disk::list(&spool.dir(Place::Rejected)).unwrap(), [lab.as_str()]);
        let said = RefCell::new(Vec::new());
        let log = |event| {
            said.borrow_mut().push(event);
            Ok(())
        };
        settle(&spool, &log).unwrap();
        settle(&spool, &log).unwrap();
        assert_eq!(
            said.into_inner(),
            [Event::Rejected {
                batch: "h-1".to_owned(),
                code: "localizer".to_owned(),
                destination: "lab".to_owned(),
                instances: 2,
                dropped: 1,
                by: "anna".to_owned(),
                because: "a face".to_owned(),
            }]
        );
        let kept = spool.dir(Place::Quarantine).join(&clinic).join("i1");
        assert!(kept.exists() && disk::is_last_name(&kept).unwrap());
        let bar = Bar::read(&spool, "i1").unwrap();
        assert!(bar.is_for("lab") && !bar.is_for("clinic"));
        assert_eq!(Bar::read(&spool, "i2").unwrap(), Bar::default());
        // With the last name the bar goes, too.
        reject(&spool, &clinic, "anna", "a face").unwrap();
        settle(&spool, &|_| Ok(())).unwrap();
        assert!(disk::list(&spool.dir(Place::Barred)).unwrap().is_empty());
    }

    #[test]
    fn a_crash_at_any_moment_leaves_nothing_of_what_was_dropped() {
        for steps in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let state = folder.path().join("state");
            let spool = Spool::open(&state, 0).unwrap();
            let lab = aside(&spool, "h-1", &["i1", "i2"], Code::Localizer, "lab");
            let clinic = aside(&spool, "h-1", &["i1"], Code::Localizer, "clinic");
            disk::remove(&spool.dir(Place::Work).join("h-1")).unwrap();
            reject(&spool, &lab, "anna", "a face").unwrap();
            reject(&spool, &clinic, "anna", "a face").unwrap();
            let faults = Faults::below(&state, Habits::default()).unwrap();
            faults.stop_in(steps);
            let went_through = settle(&spool, &|_| Ok(())).is_ok();
            faults.start_again();
            settle(&spool, &|_| Ok(())).unwrap();
            faults.end();
            for place in [Place::Rejected, Place::Barred] {
                assert_eq!(disk::list(&spool.dir(place)).unwrap(), [""; 0], "{steps} steps");
            }
            if went_through {
                assert!(steps > 6);
                return;
            }
        }
    }

    #[test]
    fn a_directory_of_which_a_crash_left_nothing_else_goes() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let directory = spool.dir(Place::Rejected).join("h-1.lab.localizer");
        disk::make_dir(&directory).unwrap();
        settle(&spool, &|_| panic!("nobody rejected it")).unwrap();
        assert!(!directory.exists());
        // What nobody rejected stays.
        disk::make_dir(&directory).unwrap();
        disk::create(&directory.join("i1")).unwrap();
        settle(&spool, &|_| panic!("nobody rejected it")).unwrap();
        assert!(directory.join("i1").exists());
    }

    #[test]
    fn a_bar_that_nobody_can_read_is_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        std::fs::write(spool.dir(Place::Barred).join("i1"), "lab").unwrap();
        assert!(Bar::read(&spool, "i1").unwrap().is_for("clinic"));
    }
}
