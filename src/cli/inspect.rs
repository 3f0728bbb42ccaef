//! `efface spool`: what is where. Nothing of a data set is shown.

use super::{Problem, StateArgs};
use crate::decide;
use crate::spool::Spool;
use crate::view::spool::{self as view, Checked, Whereabouts};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum SpoolCommand {
    /// How much is in each state
    Ls {
        #[command(flatten)]
        state: StateArgs,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Read every entry again and compare its digest; draw up the account of all that was acknowledged
    ///
    /// There is no index to rebuild: the directories and their files are the record. A damaged entry goes to quarantine
    /// when a worker comes to it, and is never sent.
    Check {
        #[command(flatten)]
        state: StateArgs,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Where a batch is, and what is waiting of it
    Show {
        /// Batch, or the beginning of its name
        batch: String,
        #[command(flatten)]
        state: StateArgs,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Put a batch from quarantine, or what a destination refused, back into the queue
    Retry {
        /// Name as `efface quarantine ls` shows it, or a batch that a destination refused
        name: String,
        #[command(flatten)]
        state: StateArgs,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
}

/// `efface spool ...`
///
/// # Errors
/// When the state directory cannot be read, or nothing has the name.
pub fn spool(command: SpoolCommand) -> Result<ExitCode, Problem> {
    match command {
        SpoolCommand::Ls { state, json } => list(&look(&state)?, json),
        SpoolCommand::Check { state, json } => check(&look(&state)?, json),
        SpoolCommand::Show { batch, state, json } => show(&look(&state)?, &batch, json),
        SpoolCommand::Retry { name, state, json } => {
            let decided = decide::retry(&look(&state)?, &name)?;
            tell(json, &decided, || println!("{}", decided.in_words()))
        }
    }
}

pub(super) fn look(state: &StateArgs) -> Result<Spool, Problem> {
    if !state.state.join("lock").exists() {
        return Err(format!("{} is not a state directory of efface", state.state.display()).into());
    }
    Ok(Spool::look(&state.state))
}

/// Prints a view as it is, or for people.
pub(super) fn tell<T: Serialize>(
    json: bool,
    view: &T,
    in_words: impl FnOnce(),
) -> Result<ExitCode, Problem> {
    if json {
        super::json(view)?;
    } else {
        in_words();
    }
    Ok(ExitCode::SUCCESS)
}

fn list(spool: &Spool, json: bool) -> Result<ExitCode, Problem> {
    let stock = view::look(spool)?;
    tell(json, &stock, || {
        for pile in &stock.states {
            let view::Pile { state, groups, instances } = pile;
            println!("{state:32} {groups:6} groups {instances:8} instances");
        }
        for waiting in &stock.outboxes {
            let view::Waiting { destination, groups, parcels, refused } = waiting;
            let whose = format!("waiting for {destination}");
            println!("{whose:32} {groups:6} groups {parcels:8} parcels");
            if *refused > 0 {
                println!("{:32} {refused:6} groups", format!("refused by {destination}"));
            }
        }
    })
}

fn check(spool: &Spool, json: bool) -> Result<ExitCode, Problem> {
    let progress = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} entries, {eta} left");
    progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let checked = view::check(spool, &|n| progress.set_length(n), &|| progress.inc(1))?;
    progress.finish_and_clear();
    tell(json, &checked, || {
        let Checked { entries, damaged, missing } = &checked;
        for view::Damaged { path, what } in damaged {
            println!("{}: {what}", path.display());
        }
        for (batch, instances) in missing {
            println!(
                "{batch}: {instances} acknowledged instances cannot be found. Look for them in a backup of the state directory, or have the sender send the study again"
            );
        }
        let (damaged, lost) = (damaged.len(), checked.lost());
        println!("{entries} entries read, {damaged} damaged, {lost} missing");
    })?;
    Ok(if checked.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(spool: &Spool, batch: &str, json: bool) -> Result<ExitCode, Problem> {
    let found = view::find(spool, batch)?;
    if found.is_empty() {
        return Err(decide::No::Unknown(batch.to_owned()).into());
    }
    tell(json, &found, || found.iter().for_each(|one| println!("{}", in_words(one))))
}

fn in_words(found: &Whereabouts) -> String {
    match found {
        Whereabouts::Here { name, state, instances } => {
            format!("{name}: {state}, {instances} instances")
        }
        Whereabouts::Waiting { name, destination, left, of, priority, hours, receipt } => format!(
            "{name}: {left} of {of} parcels wait for {destination}, {priority}, {hours}; released as record {receipt} of the log"
        ),
        Whereabouts::Refused { name, destination } => format!(
            "{name}: refused by {destination}; after putting it right there: efface spool retry {name}"
        ),
    }
}
