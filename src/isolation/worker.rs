//! The worker's side: told what to do, confined, then at work.

use super::WORKER;
use super::child::THIS_PROGRAM;
use super::confine::{self, Bounds, Reach, Rights, Strictness, confine};
use super::task::{Orders, Task};
use crate::audit::relay::Relay;
use crate::crosswalk;
use crate::disk::{self, Syncs};
use crate::key::RootKey;
use crate::objection::Book;
use crate::pipe::hear;
use crate::profile::compare::is_stricter;
use crate::profile::language;
use crate::service::handles;
use crate::spool::under::{self, Under};
use crate::spool::{Place, Spool, entry_ids};
use crate::study::handle_of;
use crate::worker::{Fate, Worker};
use std::collections::BTreeSet;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

/// Exit code of a worker that could not be confined, and so did nothing.
pub(super) const NOT_CONFINED: u8 = 70;

/// Whether workers can be confined on this machine, tried by one that does nothing.
///
/// # Errors
/// [`confine::Error::Missing`], or what the system says.
pub fn probe(strictness: Strictness) -> Result<(), confine::Error> {
    let mut probe = Command::new(THIS_PROGRAM);
    probe.args([WORKER, "--probe"]).args(match strictness {
        Strictness::Strict => None,
        Strictness::Partial => Some("--partial"),
    });
    let status = probe.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(confine::Error::Missing) }
}

/// Is a worker: reads a task, is confined, takes the batch, says how it went. With `only_try` only the second.
///
/// # Errors
/// In words: there was no task, or its end could not be told. [`ExitCode`] 70: nothing was begun.
pub fn work(only_try: Option<Strictness>) -> Result<ExitCode, Box<dyn std::error::Error>> {
    if let Some(strictness) = only_try {
        return Ok(or_not_confined(confine(&[], Reach::Nobody, &Bounds::default(), strictness)));
    }
    let mut input = BufReader::new(io::stdin());
    let Task { orders, batch, register, gateway } =
        hear(&mut input)?.ok_or("efface work is for the gateway alone: see efface serve --help")?;
    confine::end_with(gateway)?;
    Syncs::are_kept();
    let root = RootKey::from_text(&orders.key).ok_or("the task has no key")?;
    let spool = Arc::new(Spool::look(&orders.state));
    let orders = under(orders.into_owned(), &spool, &root, &batch)?;
    let routes = orders.routes(&root)?;
    let rights = rights(&spool, &orders, &batch)?;
    let confined = confine(&rights, Reach::Nobody, &orders.bounds, orders.strictness);
    if confined.is_err() {
        return Ok(or_not_confined(confined));
    }
    let relay = Arc::new(Relay::new(input, io::stdout()));
    let (log, handles) = (relay.clone(), handles(&root));
    let objections = Book::new(spool.dir(Place::Objections), &root);
    let worker = Worker { spool, log, routes, handles, objections, register };
    let fate = worker.process(&batch);
    relay.end(fate == Fate::Later, Syncs::take())?;
    Ok(ExitCode::SUCCESS)
}

/// Orders with the profiles under which a person has put originals of the batch back to be tried again. One is for all
/// of the batch that goes to its destination: it is stricter.
fn under(mut orders: Orders, spool: &Spool, root: &RootKey, batch: &str) -> Result<Orders, String> {
    let ids = entry_ids(&spool.dir(Place::Work).join(batch)).unwrap_or_default();
    let wanted = under::read(spool, &handles(root), &ids);
    let wanted = wanted.map_err(|_| "under/ is damaged or changed: restore it from a backup")?;
    let mut is_set = BTreeSet::new();
    for Under { destination, file, profile } in wanted {
        // One that is gone gets nothing.
        let to = orders.routes.iter_mut().find(|to| to.destination == destination);
        let Some(to) = to else { continue };
        let read = |file: &str, text: &str| {
            language::parse(file, text).map_err(|mistakes| mistakes.to_string())
        };
        if !is_set.insert(destination) {
            return Err(
                "put back under two profiles for one destination: one after the other".to_owned()
            );
        }
        if !is_stricter(&read(&to.profile_file, &to.profile)?, &read(&file, &profile)?) {
            return Err("the profile under which it was put back is not plainly stricter any more than that in force".to_owned());
        }
        (to.profile_file, to.profile) = (file, profile);
    }
    Ok(orders)
}

pub(super) fn or_not_confined(confined: Result<(), confine::Error>) -> ExitCode {
    match confined {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "this process could not be confined");
            ExitCode::from(NOT_CONFINED)
        }
    }
}

/// What of the state directory a worker may touch. Directories that it needs are made first: where nothing is, no
/// right can be given.
fn rights(spool: &Spool, orders: &Orders, batch: &str) -> io::Result<Vec<(Rights, PathBuf)>> {
    let own = |place| spool.dir(place).join(handle_of(batch));
    let mut rights = vec![
        (Rights::Shelf, spool.dir(Place::Work)),
        (Rights::Own, spool.dir(Place::Work).join(batch)),
        (Rights::Shelf, spool.dir(Place::Held)),
        (Rights::PutAside, spool.dir(Place::Quarantine)),
        (Rights::Book, spool.dir(Place::Ledger)),
        (Rights::Shelf, spool.dir(Place::Heads)),
        (Rights::Own, own(Place::Heads)),
        (Rights::Read, spool.dir(Place::Reviews)),
        (Rights::Read, spool.dir(Place::Barred)),
        (Rights::Read, spool.dir(Place::Objections)),
    ];
    for route in &orders.routes {
        // What its own rows are it knows. Those of others it has no business with.
        let [rows, patients, secrets] = crosswalk::places(&spool.crosswalk(), &route.project);
        rights.push((Rights::PutAside, rows));
        rights.push((Rights::Own, patients));
        rights.push((Rights::Own, secrets));
        let outbox = spool.outbox(&route.destination);
        rights.push((Rights::Own, outbox.join("tmp")));
        rights.push((Rights::Shelf, outbox.join("ready")));
    }
    for (_, directory) in &rights {
        disk::make_dir(directory)?;
    }
    Ok(rights)
}
