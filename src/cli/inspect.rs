//! `efface spool` and `efface quarantine`: what is where. Nothing of a data set is shown.

use super::approval::{ApprovalArgs, Settled};
use super::objection::{Site, SiteArgs};
use super::{Problem, StateArgs};
use crate::approval::Operation;
use crate::custody::outbox::Outbox;
use crate::disk;
use crate::service::handles;
use crate::spool::account::Account;
use crate::spool::entry::Entry;
use crate::spool::quarantine::{self, Reason};
use crate::spool::reviews;
use crate::spool::{Place, Spool, entry_ids};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum SpoolCommand {
    /// How much is in each state
    Ls {
        #[command(flatten)]
        state: StateArgs,
    },
    /// Read every entry again and compare its digest; draw up the account of all that was acknowledged
    ///
    /// There is no index to rebuild: the directories and their files are the record. A damaged entry goes to quarantine
    /// when a worker comes to it, and is never sent.
    Check {
        #[command(flatten)]
        state: StateArgs,
    },
    /// Where a batch is, and what is waiting of it
    Show {
        /// Batch, or the beginning of its name
        batch: String,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Put a batch from quarantine, or what a destination refused, back into the queue
    Retry {
        /// Name as `efface quarantine ls` shows it, or a batch that a destination refused
        name: String,
        #[command(flatten)]
        state: StateArgs,
    },
}

#[derive(Subcommand)]
pub enum QuarantineCommand {
    /// Everything in quarantine: name, instances, code, destination, time
    Ls {
        #[command(flatten)]
        state: StateArgs,
    },
    /// Why something is in quarantine, and what to do about it
    Show {
        /// Name, or the beginning of it
        name: String,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Let leave what a stage has its doubts about: two people have looked at every picture of it, and agree
    ///
    /// Only for doubts that can be settled by looking (faces, burned-in text, kinds of object that are held). The header is
    /// de-identified and verified like any other; faces and text in the pixels leave as they are, and the objects say so.
    Release {
        /// Name as `efface quarantine ls` shows it
        name: String,
        /// Why it may leave: stands in the log
        #[arg(long, value_name = "TEXT")]
        because: String,
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        approval: ApprovalArgs,
    },
}

/// The states in the order in which a study passes them.
const STATES: [(Place, &str); 6] = [
    (Place::Inbox, "received, not yet gathered"),
    (Place::Studies, "gathered, not yet quiet"),
    (Place::Work, "closed, being de-identified"),
    (Place::Held, "on the way to a destination"),
    (Place::Delivered, "delivered, originals retained"),
    (Place::Quarantine, "in quarantine"),
];

/// `efface spool ...`
///
/// # Errors
/// When the state directory cannot be read, or nothing has the name.
pub fn spool(command: SpoolCommand) -> Result<ExitCode, Problem> {
    match command {
        SpoolCommand::Ls { state } => list(&look(&state)?),
        SpoolCommand::Check { state } => check(&look(&state)?),
        SpoolCommand::Show { batch, state } => show(&look(&state)?, &batch),
        SpoolCommand::Retry { name, state } => retry(&look(&state)?, &name),
    }
}

/// `efface quarantine ...`
///
/// # Errors
/// When the state directory cannot be read, or nothing has the name.
pub fn quarantine(command: QuarantineCommand) -> Result<ExitCode, Problem> {
    match command {
        QuarantineCommand::Ls { state } => quarantined(&look(&state)?),
        QuarantineCommand::Show { name, state } => explain(&look(&state)?, &name),
        QuarantineCommand::Release { name, because, site, approval } => {
            release(&site.open()?, &name, because, &approval)
        }
    }
}

pub(super) fn look(state: &StateArgs) -> Result<Spool, Problem> {
    if !state.state.join("lock").exists() {
        return Err(format!("{} is not a state directory of efface", state.state.display()).into());
    }
    Ok(Spool::look(&state.state))
}

fn list(spool: &Spool) -> Result<ExitCode, Problem> {
    for (place, meaning) in STATES {
        let directory = spool.dir(place);
        let names = disk::list(&directory)?;
        let instances = match place {
            Place::Inbox => names.len(),
            _ => {
                names.iter().map(|n| entry_ids(&directory.join(n)).map_or(0, |ids| ids.len())).sum()
            }
        };
        let groups = if place == Place::Inbox { 0 } else { names.len() };
        println!("{meaning:32} {groups:6} groups {instances:8} instances");
    }
    for destination in spool.outboxes()? {
        let outbox = Outbox::of(spool, &destination);
        let ready = outbox.ready()?;
        let parcels: usize = ready.batches.iter().map(|(batch, _)| parcels(&outbox, batch)).sum();
        let waiting = ready.waiting();
        println!(
            "{:32} {waiting:6} groups {parcels:8} parcels",
            format!("waiting for {destination}")
        );
        let refused = outbox.refused()?;
        if !refused.is_empty() {
            println!("{:32} {:6} groups", format!("refused by {destination}"), refused.len());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check(spool: &Spool) -> Result<ExitCode, Problem> {
    let mut entries = Vec::new();
    for (place, _) in STATES {
        let directory = spool.dir(place);
        let groups = match place {
            Place::Inbox => vec![directory],
            _ => disk::list(&directory)?.iter().map(|name| directory.join(name)).collect(),
        };
        for group in groups {
            entries.extend(entry_ids(&group)?.into_iter().map(|id| group.join(id)));
        }
    }
    let progress = ProgressBar::new(entries.len() as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} entries, {eta} left");
    progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let damaged = entries.par_iter().filter_map(|path| {
        let checked = Entry::open(path).and_then(|entry| entry.check());
        progress.inc(1);
        match checked {
            // A gateway that runs has moved it on.
            Err(_) if !path.exists() => None,
            Err(damage) => Some((path, damage)),
            Ok(()) => None,
        }
    });
    let damaged: Vec<_> = damaged.collect();
    progress.finish_and_clear();
    for (path, damage) in &damaged {
        println!("{}: {damage}", path.display());
    }
    let account = Account::take(spool)?;
    for (batch, instances) in &account.missing {
        println!(
            "{batch}: {instances} acknowledged instances cannot be found. Look for them in a backup of the state directory, or have the sender send the study again"
        );
    }
    println!(
        "{} entries read, {} damaged, {} missing",
        entries.len(),
        damaged.len(),
        account.lost()
    );
    let sound = damaged.is_empty() && account.missing.is_empty();
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn parcels(outbox: &Outbox<'_>, batch: &str) -> usize {
    let files = disk::list(&outbox.ready_dir(batch)).unwrap_or_default();
    files.iter().filter(|name| name.ends_with(".dcm")).count()
}

fn show(spool: &Spool, batch: &str) -> Result<ExitCode, Problem> {
    let mut found = false;
    for (place, meaning) in STATES {
        for name in disk::list(&spool.dir(place))?.iter().filter(|name| name.starts_with(batch)) {
            let instances = entry_ids(&spool.dir(place).join(name)).map_or(1, |ids| ids.len());
            println!("{name}: {meaning}, {instances} instances");
            found = true;
        }
    }
    for destination in spool.outboxes()? {
        let outbox = Outbox::of(spool, &destination);
        for (name, dispatch) in
            outbox.ready()?.batches.iter().filter(|(name, _)| name.starts_with(batch))
        {
            let (left, sent) = outbox.tally(name)?;
            println!(
                "{name}: {left} of {} parcels wait for {destination}, {}, {}; released as record {} of the log",
                left + sent,
                dispatch.priority,
                dispatch.hours,
                dispatch.receipt
            );
            found = true;
        }
        for name in outbox.refused()?.iter().filter(|name| name.starts_with(batch)) {
            println!(
                "{name}: refused by {destination}; after putting it right there: efface spool retry {name}"
            );
            found = true;
        }
    }
    found_or(found, batch)
}

fn retry(spool: &Spool, name: &str) -> Result<ExitCode, Problem> {
    if disk::list(&spool.dir(Place::Quarantine))?.iter().any(|known| known == name) {
        let instances = quarantine::put_back(spool, name)?;
        println!("{name}: {instances} instances are in the queue again");
        return Ok(ExitCode::SUCCESS);
    }
    for destination in spool.outboxes()? {
        let outbox = Outbox::of(spool, &destination);
        if outbox.refused()?.iter().any(|known| known == name) {
            outbox.retry(name)?;
            println!("{name}: waits for {destination} again");
            return Ok(ExitCode::SUCCESS);
        }
    }
    found_or(false, name)
}

fn release(
    site: &Site,
    name: &str,
    because: String,
    approval: &ApprovalArgs,
) -> Result<ExitCode, Problem> {
    let spool = &site.spool;
    if !disk::list(&spool.dir(Place::Quarantine))?.iter().any(|known| known == name) {
        return found_or(false, name);
    }
    let Reason { code, destination, .. } = quarantine::reason(spool, name)?;
    if destination.is_empty() || !code.is_reviewable() {
        return Err(format!("{name}: nobody can settle this by looking. {}", code.advice()).into());
    }
    let instances = entry_ids(&spool.dir(Place::Quarantine).join(name))?.len() as u64;
    let operation = Operation::Release {
        name: name.to_owned(),
        destination: destination.clone(),
        instances,
        because,
    };
    let Settled::Go(nonce) = approval.settle(site, &operation)? else {
        return Ok(ExitCode::SUCCESS);
    };
    reviews::write(spool, &handles(&site.root), name, &destination, code, &nonce)?;
    quarantine::put_back(spool, name)?;
    println!(
        "{name}: {instances} instances leave for {destination}, if nothing else is in their way"
    );
    Ok(ExitCode::SUCCESS)
}

fn quarantined(spool: &Spool) -> Result<ExitCode, Problem> {
    let names = disk::list(&spool.dir(Place::Quarantine))?;
    for name in &names {
        let instances = entry_ids(&spool.dir(Place::Quarantine).join(name))?.len();
        match quarantine::reason(spool, name) {
            Ok(Reason { code, destination, time, .. }) => {
                let whose = if destination.is_empty() { "all" } else { &destination };
                println!("{name}  {instances} instances  {}  for {whose}  {time}", code.name());
            }
            Err(_) => println!("{name}  {instances} instances  without a reason"),
        }
    }
    if names.is_empty() {
        println!("nothing is in quarantine");
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(spool: &Spool, name: &str) -> Result<ExitCode, Problem> {
    let names = disk::list(&spool.dir(Place::Quarantine))?;
    let mut found = false;
    for name in names.iter().filter(|known| known.starts_with(name)) {
        let reason = quarantine::reason(spool, name)?;
        println!("{name}: {}", reason.code.name());
        println!("  since    {}", reason.time);
        println!("  what     {}", reason.detail);
        println!("  meaning  {}", reason.code.advice());
        let folder = spool.dir(Place::Quarantine).join(name);
        for picture in disk::list(&folder)?.iter().filter(|file| file.ends_with(".png")) {
            println!(
                "  picture  {} (it shows the patient: keep it inside)",
                folder.join(picture).display()
            );
        }
        println!("  again    efface spool retry {name}");
        found = true;
    }
    found_or(found, name)
}

fn found_or(found: bool, name: &str) -> Result<ExitCode, Problem> {
    if found {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(format!("nothing is called {name}. See: efface spool ls, efface quarantine ls").into())
    }
}
