//! `efface erasure`: a patient is erased here, and every destination is asked to do the same, until it says that it has.

pub(super) mod letter;
mod list;
mod request;

use super::objection::{Site, SiteArgs};
use super::{Problem, reading};
use crate::audit::Event;
use crate::clock::Day;
use crate::desk;
use crate::erasure::{Book, Request};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum ErasureCommand {
    /// Erase a patient here for good, and open a request for every destination that anything was released to
    ///
    /// First an objection is added, as by efface objection add: nothing of the patient leaves any more, and the running
    /// gateway withdraws what waits. Then rows, data keys and secrets of the crosswalk are erased, and what the log says of
    /// the patient: results that come back can no longer be matched. This cannot be undone.
    Request(request::RequestArgs),
    /// The requests that are not acknowledged, and when they are due
    #[command(
        after_help = "With --json: a list of {reference, destination, project, patient, studies, received, due, state, overdue, erased_here, sent, acknowledged}."
    )]
    Ls {
        #[command(flatten)]
        site: SiteArgs,
        /// Also those that were acknowledged
        #[arg(long)]
        all: bool,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Write the letter of a request: what the destination is to erase, by pseudonyms. HTML, to be printed or sent
    Letter {
        #[command(flatten)]
        site: SiteArgs,
        /// What `efface erasure ls` calls the request
        reference: String,
        /// File to write; it must not exist
        #[arg(long, short = 'o', value_name = "FILE")]
        out: PathBuf,
    },
    /// Note that the destination was asked
    Sent(NoteArgs),
    /// Note that the destination has said that it erased
    Acknowledged(NoteArgs),
}

/// Which, and when.
#[derive(Args)]
pub struct NoteArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// What `efface erasure ls` calls the request
    reference: String,
    /// The day
    #[arg(long, value_name = "DAY")]
    on: Option<Day>,
}

/// `efface erasure ...`
///
/// # Errors
/// When something cannot be read, written or erased: do it again.
pub fn run(command: ErasureCommand) -> Result<ExitCode, Problem> {
    match command {
        ErasureCommand::Request(args) => request::run(&args),
        ErasureCommand::Ls { site, all, json } => list::run(&site.open()?, all, json),
        ErasureCommand::Letter { site, reference, out } => {
            letter::run(&site.open()?, &reference, &out)
        }
        ErasureCommand::Sent(args) => noted(&args, "sent", |request, day| request.sent = Some(day)),
        ErasureCommand::Acknowledged(args) => noted(&args, "acknowledged", |request, day| {
            request.sent = request.sent.or(Some(day));
            request.acknowledged = Some(day);
        }),
    }
}

fn noted(
    args: &NoteArgs,
    change: &str,
    edit: impl Fn(&mut Request, Day),
) -> Result<ExitCode, Problem> {
    let (site, today) = (args.site.open()?, Day::today());
    let day = args.on.unwrap_or(today);
    if day > today {
        return Err("--on is a day to come".into());
    }
    let book = site.erasures()?;
    let named = [args.reference.clone()];
    let (register, changed) = book.note(&named, |request| edit(request, day))?;
    let request = changed.first().ok_or_else(|| unknown(&args.reference))?;
    note(&site, change, request, register)?;
    println!("{}: {change} on {day}", args.reference);
    Ok(ExitCode::SUCCESS)
}

fn unknown(reference: &str) -> String {
    format!("{reference}: there is no such request. See: efface erasure ls --all")
}

/// Has it written to the log, by the gateway if one runs.
fn note(site: &Site, change: &str, request: &Request, register: u64) -> Result<(), Problem> {
    let event = Event::Erasure {
        change: change.to_owned(),
        reference: request.reference.clone(),
        destination: request.wanted.destination.clone(),
        studies: request.wanted.studies.len() as u64,
        register,
        by: reading::who(),
    };
    Ok(desk::note(site.spool.root(), &site.root, event).map(drop)?)
}

impl Site {
    /// The register of requests, no older than what stands in the log.
    fn erasures(&self) -> Result<Book, Problem> {
        let book = Book::new(&self.spool, &self.root);
        let known = self.newest_in_log("erasure", |event| match event {
            Event::Erasure { register, .. } => Some(*register),
            _ => None,
        })?;
        book.read_at_least(known)?;
        Ok(book)
    }
}
