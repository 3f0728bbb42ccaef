//! `efface recall`: a destination is to let go of a study that was sent; until it says that it has.

use super::audit::create;
use super::erasure::letter::Letter;
use super::objection::{PatientArgs, Site, SiteArgs};
use super::subject::disclosures;
use super::{Problem, reading};
use crate::audit::{self, Event};
use crate::clock::Day;
use crate::desk;
use crate::id::Uid;
use crate::recall::{Book, Reason, Recall, Wanted};
use crate::spool::Place;
use clap::{Args, Subcommand};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum RecallCommand {
    /// Begin: what waits for the destination is withdrawn, and it is to let go of what it has
    ///
    /// A destination with recall: dicomweb-delete is asked by the gateway, again and again until it has deleted the study;
    /// any other by people: see efface recall letter. What comes in of the study later leaves again: a recall is no
    /// objection.
    Request(RequestArgs),
    /// The recalls that are not acknowledged, and when they are due
    #[command(
        after_help = "With --json: a list of {reference, destination, patient, studies, batches, reason, received, due, withdrawn, sent, acknowledged}."
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
    /// Write the letter of a recall: what the destination is to let go of, by pseudonyms. HTML, to be printed or sent
    Letter {
        #[command(flatten)]
        site: SiteArgs,
        /// What `efface recall ls` calls the recall
        reference: String,
        /// File to write; it must not exist
        #[arg(long, short = 'o', value_name = "FILE")]
        out: PathBuf,
    },
    /// The destination was asked
    Sent(NoteArgs),
    /// The destination says that it has let go of everything
    Acknowledged(NoteArgs),
}

/// What, where, and why.
#[derive(Args)]
pub struct RequestArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// Study Instance UIDs, as they left
    #[arg(value_name = "STUDY", required_unless_present = "patient")]
    studies: Vec<Uid>,
    /// Every study of a patient, whose number is asked for, or read from standard input
    #[arg(long, conflicts_with = "studies")]
    patient: bool,
    #[command(flatten)]
    who: PatientArgs,
    /// The destination
    #[arg(long, value_name = "NAME")]
    at: String,
    /// Why: quality, patient-safety, worklist (it is another patient's, or another order's), retention
    #[arg(long, value_name = "REASON")]
    reason: Reason,
    /// Days for the destination's word
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=366))]
    within: u64,
}

#[derive(Args)]
pub struct NoteArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// What `efface recall ls` calls the recall
    reference: String,
}

/// `efface recall ...`
///
/// # Errors
/// When something cannot be read or written, or was never released there: do it again.
pub fn run(command: RecallCommand) -> Result<ExitCode, Problem> {
    match command {
        RecallCommand::Request(args) => request(args),
        RecallCommand::Ls { site, all, json } => list(&site.open()?, all, json),
        RecallCommand::Letter { site, reference, out } => {
            let site = site.open()?;
            let (_, recalls) = site.recalls()?.read()?;
            let recall = recalls.iter().find(|recall| recall.reference == reference);
            let recall = recall.ok_or_else(|| unknown(&reference))?;
            create(&out)?.write_all(letter(&site, recall).as_bytes())?;
            println!("{}: for {}", out.display(), recall.wanted.destination);
            Ok(ExitCode::SUCCESS)
        }
        RecallCommand::Sent(args) => {
            noted(&args, "sent", |recall, day| recall.sent = recall.sent.or(Some(day)))
        }
        RecallCommand::Acknowledged(args) => noted(&args, "acknowledged", |recall, day| {
            recall.sent = recall.sent.or(Some(day));
            recall.acknowledged = Some(day);
        }),
    }
}

fn request(args: RequestArgs) -> Result<ExitCode, Problem> {
    let site = args.site.open()?;
    let studies = match args.patient {
        false => args.studies.iter().map(|uid| uid.as_str().to_owned()).collect(),
        true => {
            let told = disclosures(&site, &args.who.number()?, args.who.issuer())?;
            told.into_iter().filter(|one| one.destination == args.at).map(|one| one.study).collect()
        }
    };
    let wanted = released(&site, &studies, &args.at)?;
    if wanted.is_empty() {
        let at = &args.at;
        return Err(format!("nothing of it was released to {at}: studies are named by their UIDs as they left (efface audit export)").into());
    }
    let (book, today) = (site.recalls()?, Day::today());
    let (register, begun) = book.open(wanted, args.reason, (today, today.after(args.within)))?;
    for recall in &begun {
        note(&site, "begun", recall, register)?;
        println!(
            "{}: {} studies at {}, due by {}. Next: efface recall ls",
            recall.reference,
            recall.wanted.studies.len(),
            recall.wanted.destination,
            recall.due
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// What left for a destination of these studies, or was to leave, by patient.
fn released(site: &Site, studies: &BTreeSet<String>, at: &str) -> Result<Vec<Wanted>, Problem> {
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    let words: Vec<&str> = studies.iter().map(String::as_str).collect();
    if words.is_empty() {
        return Ok(Vec::new());
    }
    audit::search(&site.spool.dir(Place::Audit), &words, |record| {
        let Event::Released(release) = record.event else { return };
        if release.destination != at || !studies.contains(&release.study) {
            return;
        }
        let known = wanted.entry(release.patient.clone()).or_insert_with(|| Wanted {
            destination: at.to_owned(),
            patient: release.patient.clone(),
            studies: BTreeSet::new(),
            batches: BTreeSet::new(),
        });
        known.studies.insert(release.study.clone());
        known.batches.insert(release.batch.clone());
    })?;
    Ok(wanted.into_values().collect())
}

fn list(site: &Site, all: bool, json: bool) -> Result<ExitCode, Problem> {
    let (today, (_, mut recalls)) = (Day::today(), site.recalls()?.read()?);
    recalls.retain(|recall| all || recall.is_open());
    // What is most urgent stands last, above the prompt.
    recalls.sort_by_key(|recall| (recall.is_open(), std::cmp::Reverse(recall.due)));
    if json {
        println!("{}", serde_json::to_string_pretty(&recalls)?);
        return Ok(ExitCode::SUCCESS);
    }
    for recall in &recalls {
        let Recall { reference, wanted, reason, due, .. } = recall;
        let until = match recall.acknowledged {
            Some(day) => format!("acknowledged {day}"),
            None if recall.is_overdue(today) => {
                format!("{}, OVERDUE since {due}", recall.state())
            }
            None => format!("{}, due by {due}, in {} days", recall.state(), today.until(*due)),
        };
        let (studies, to) = (wanted.studies.len(), &wanted.destination);
        println!("{reference}  at {to}  {studies} studies  {reason}  {until}");
    }
    let open = recalls.iter().filter(|recall| recall.is_open()).count();
    let overdue = recalls.iter().filter(|recall| recall.is_overdue(today)).count();
    println!("{open} are not acknowledged, {overdue} of them overdue");
    Ok(ExitCode::SUCCESS)
}

fn letter(site: &Site, recall: &Recall) -> String {
    let Recall { wanted, reason, reference, due, .. } = recall;
    let text = format!(
        "We recall the studies below, which you received from us under a pseudonym: {reason}. Please use them no longer, delete \
         them, and whatever was derived from them, and write back under the reference that it is done."
    );
    Letter {
        title: "Recall",
        destination: &wanted.destination,
        reference,
        due: *due,
        text: &text,
        heading: "What is recalled",
        patient: &wanted.patient,
        studies: &wanted.studies,
        end: "",
    }
    .page(site)
}

fn noted(
    args: &NoteArgs,
    change: &str,
    edit: impl Fn(&mut Recall, Day),
) -> Result<ExitCode, Problem> {
    let (site, today) = (args.site.open()?, Day::today());
    let (register, changed) = site.recalls()?.note(&args.reference, |one| edit(one, today))?;
    let recall = changed.ok_or_else(|| unknown(&args.reference))?;
    note(&site, change, &recall, register)?;
    println!("{}: {change} on {today}", args.reference);
    Ok(ExitCode::SUCCESS)
}

fn unknown(reference: &str) -> String {
    format!("{reference}: there is no such recall. See: efface recall ls --all")
}

/// Has it written to the log, by the gateway if one runs.
fn note(site: &Site, change: &str, recall: &Recall, register: u64) -> Result<(), Problem> {
    let event = Event::Recall {
        change: change.to_owned(),
        reference: recall.reference.clone(),
        destination: recall.wanted.destination.clone(),
        studies: recall.wanted.studies.len() as u64,
        reason: recall.reason.to_string(),
        register,
        by: reading::who(),
    };
    Ok(desk::note(site.spool.root(), &site.root, event).map(drop)?)
}

impl Site {
    /// The register of recalls, no older than what stands in the log.
    fn recalls(&self) -> Result<Book, Problem> {
        let book = Book::new(&self.spool, &self.root);
        let known = self.newest_in_log("recall", |event| match event {
            Event::Recall { register, .. } => Some(*register),
            _ => None,
        })?;
        book.read_at_least(known)?;
        Ok(book)
    }
}
