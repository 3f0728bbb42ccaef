//! Which instances of a study have ever arrived, by names and records alone.

use super::ledger::Ledger;
use super::{Place, Spool, entry_ids, prefix_of};
use crate::disk;
use std::collections::HashSet;
use std::io;
use std::path::Path;

/// Characters of an entry's name that say which instance it is.
pub const PREFIX: usize = 16;

/// Where batches of a study are, in the order in which they pass: none slips by unseen.
const BATCHES: [Place; 4] = [Place::Work, Place::Held, Place::Delivered, Place::Quarantine];

/// How names of entries of all instances of a study begin that are here, or were and left.
///
/// # Errors
/// What the system says.
pub fn arrived(spool: &Spool, handle: &str) -> io::Result<HashSet<String>> {
    let mut found = HashSet::new();
    add(&spool.dir(Place::Studies).join(handle), &mut found)?;
    for place in BATCHES {
        let directory = spool.dir(place);
        for batch in disk::list(&directory)?.iter().filter(|name| name.starts_with(handle)) {
            add(&directory.join(batch), &mut found)?;
        }
    }
    // No batch has an empty name: all of them count.
    let released = Ledger::read(spool, handle, "")?;
    found.extend(released.instances().map(prefix_of));
    Ok(found)
}

fn add(group: &Path, found: &mut HashSet<String>) -> io::Result<()> {
    match entry_ids(group) {
        Ok(ids) => found.extend(ids.iter().filter_map(|id| id.get(..PREFIX)).map(str::to_owned)),
        // It has moved on.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Purpose, RootKey};
    use crate::spool::ledger::instance_tag;
    use crate::spool::{entry_name, instance_prefix, study_handle};

    #[test]
    fn an_instance_counts_once_wherever_it_is_and_when_it_has_left() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let key = RootKey::generate().unwrap().derive("", Purpose::Handle);
        let handle = study_handle(&key, "1.2");
        let put = |place: Place, group: &str, uid: &str| {
            let group = spool.dir(place).join(group);
            disk::make_dir(&group).unwrap();
            disk::write_whole(&group.join(entry_name(&key, uid).unwrap()), b"").unwrap();
            disk::write_whole(&group.join("lab.due"), b"").unwrap();
        };
        put(Place::Studies, &handle, "1.2.1");
        put(Place::Studies, &handle, "1.2.1");
        put(Place::Held, &format!("{handle}-1a2b"), "1.2.1");
        put(Place::Work, &format!("{handle}-1a2c"), "1.2.2");
        put(Place::Quarantine, &format!("{handle}-1a2d.mixed"), "1.2.3");
        put(Place::Delivered, &format!("{}-1a2e", study_handle(&key, "1.3")), "1.3.1");
        let left = [(instance_tag(&key, "1.2.4"), [7; 32])];
        Ledger::add(&spool, &handle, &format!("{handle}-1a2f"), &left).unwrap();
        let found = arrived(&spool, &handle).unwrap();
        let expected = ["1.2.1", "1.2.2", "1.2.3", "1.2.4"].map(|uid| instance_prefix(&key, uid));
        assert_eq!(found, expected.into_iter().collect());
        assert!(arrived(&spool, &study_handle(&key, "1.9")).unwrap().is_empty());
    }
}
