//! Looks for what a request names. Nothing counts as committed by its name alone: every entry is read to its end,
//! its digest compared, its own UIDs too, and its place made durable.

use super::report::{Failure, Report};
use super::request::{Reference, Request};
use crate::audit::{self, Event};
use crate::dicom::canonical::Limits;
use crate::dicom::dataset::Dataset;
use crate::disk;
use crate::key::Key;
use crate::spool::entry::{Damage, Entry};
use crate::spool::instances::PREFIX;
use crate::spool::ledger::{Ledger, instance_tag};
use crate::spool::{Place, Spool, entry_ids, instance_prefix};
use dicom_dictionary_std::tags;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

/// Places that hold entries, in the order in which instances pass them: none slips by unseen.
const PLACES: [Place; 6] =
    [Place::Inbox, Place::Studies, Place::Work, Place::Held, Place::Delivered, Place::Quarantine];

/// Answers a request from what is in the spool and in its records. Reads every byte of every instance that it says is
/// committed. An instance in quarantine is kept until a person decides, and counts; so does one that was delivered to
/// every destination and then deleted after the retention time.
pub fn search(spool: &Spool, handles: &Key, request: &Request) -> Report {
    let mut search = Search { spool, handles, verdicts: HashMap::new(), holders: BTreeSet::new() };
    let looked = search.look(request);
    if let Err(error) = &looked {
        tracing::error!(%error, "the spool could not be searched for a storage commitment");
    }
    Report::on(request, |number, _| match &looked {
        Ok(()) => search.verdicts.get(&number).copied().unwrap_or(Err(Failure::NoSuchObject)),
        Err(_) => Err(Failure::Processing),
    })
}

struct Search<'a> {
    spool: &'a Spool,
    handles: &'a Key,
    /// By number of the reference.
    verdicts: HashMap<usize, Result<(), Failure>>,
    /// Directories that hold what is committed.
    holders: BTreeSet<PathBuf>,
}

impl Search<'_> {
    fn look(&mut self, request: &Request) -> io::Result<()> {
        self.entries(request)?;
        // What moved on between two looks at directories is found by a second one.
        self.entries(request)?;
        self.records(request)?;
        // A name that was seen may not be durable yet.
        for directory in &self.holders {
            match disk::sync_dir(directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done.inspect_err(|_| self.spool.poison())?,
            }
        }
        Ok(())
    }

    /// Whether something is still to be found out about a reference.
    fn is_open(&self, number: usize) -> bool {
        self.verdicts.get(&number) != Some(&Ok(()))
    }

    /// Looks through all names in the spool.
    fn entries(&mut self, request: &Request) -> io::Result<()> {
        let mut wanted: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, reference) in request.references().iter().enumerate() {
            if self.is_open(number) {
                let prefix = instance_prefix(self.handles, reference.sop_instance.as_str());
                wanted.entry(prefix).or_default().push(number);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        for place in PLACES {
            let directory = self.spool.dir(place);
            let groups = match place {
                Place::Inbox => vec![directory],
                _ => disk::list(&directory)?.iter().map(|name| directory.join(name)).collect(),
            };
            for group in groups {
                for id in entry_ids(&group)? {
                    let numbers = id.get(..PREFIX).and_then(|prefix| wanted.get(prefix));
                    for number in numbers.into_iter().flatten() {
                        self.entry(&group, &id, *number, &request.references()[*number]);
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks at one entry. One that is sound outweighs others.
    fn entry(&mut self, group: &Path, id: &str, number: usize, reference: &Reference) {
        if !self.is_open(number) {
            return;
        }
        match is_it(&group.join(id), reference) {
            Ok(None) => {}
            Ok(Some(verdict)) => {
                self.verdicts.insert(number, verdict);
                if verdict.is_ok() {
                    self.holders.insert(group.to_owned());
                    // The rename that brought it there is durable with the place that holds the directory.
                    self.holders.extend(group.parent().map(Path::to_owned));
                }
            }
            // It has moved on.
            Err(Damage::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(damage) => {
                tracing::error!(entry = id, %damage, "a storage commitment cannot be given");
                self.verdicts.entry(number).or_insert(Err(Failure::Processing));
            }
        }
    }

    /// Asks the records about what is no longer here: released to every destination, delivered, and erased.
    fn records(&mut self, request: &Request) -> io::Result<()> {
        let mut wanted: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
        for (number, reference) in request.references().iter().enumerate() {
            if !self.verdicts.contains_key(&number) {
                let tag = instance_tag(self.handles, reference.sop_instance.as_str());
                wanted.entry(tag).or_default().push(number);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let mut batches: HashMap<usize, Vec<String>> = HashMap::new();
        Ledger::each(self.spool, |tag, batch| {
            for number in wanted.get(tag).into_iter().flatten() {
                batches.entry(*number).or_default().push(batch.to_owned());
            }
        })?;
        if batches.is_empty() {
            return Ok(());
        }
        let mut erased = HashSet::new();
        audit::read(&self.spool.dir(Place::Audit), |record| {
            if let Event::Erased { batch, .. } = record.event {
                erased.insert(batch);
            }
        })
        .map_err(io::Error::other)?;
        let gone = batches.iter().filter(|(_, of)| of.iter().any(|batch| erased.contains(batch)));
        self.verdicts.extend(gone.map(|(number, _)| (*number, Ok(()))));
        Ok(())
    }
}

/// Whether an entry is whole and the instance that is asked for; `None`: it is another one.
fn is_it(path: &Path, reference: &Reference) -> Result<Option<Result<(), Failure>>, Damage> {
    let entry = Entry::open(path)?;
    entry.check()?;
    let limits = Limits { stop_after: tags::SOP_INSTANCE_UID, ..Limits::default() };
    let header = entry.source().header(limits).ok();
    let dataset = header.and_then(|header| Dataset::parse(&header.bytes).ok());
    let text = |tag| dataset.as_ref().and_then(|dataset| dataset.text(tag));
    let class = reference.sop_class.as_str();
    let said = entry.head.sop_class.as_str() == class;
    Ok(match text(tags::SOP_INSTANCE_UID) {
        Some(uid) if uid != reference.sop_instance.as_str() => None,
        Some(_) if text(tags::SOP_CLASS_UID).is_some_and(|own| own == class) || said => {
            Some(Ok(()))
        }
        // What no reader understands is kept, under the name that its association gave it.
        None if said => Some(Ok(())),
        Some(_) | None => Some(Err(Failure::ClassConflict)),
    })
}
