//! `efface result take`: results of a destination, by hand: matched, re-identified, written for the PACS.
//!
//! Nothing of a patient is printed, nor needs two people: nobody is told who somebody is. The files name the patient.

use super::inputs::{File, Inputs};
use super::inspect::look;
use super::objection::{Site, SiteArgs};
use super::{Problem, StateArgs, reading, withheld};
use crate::audit::Event;
use crate::clock::Day;
use crate::crosswalk::{Crosswalk, Rows};
use crate::custody::homebox::Homebox;
use crate::decide;
use crate::desk;
use crate::disk;
use crate::reid::{Companions, Refusal, Reidentifier, ResultUids};
use crate::returns::{self, Piece, Refused};
use crate::spool::Spool;
use crate::spool::quarantine::Code;
use crate::spool::results::{Reason, Tally, Tray};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum ResultCommand {
    /// Re-identify results of a destination: files for the PACS. THEY NAME PATIENTS
    ///
    /// Each must belong to a study that was released to this destination, under the pseudonym of its patient, and refer
    /// to nothing else. What efface is not sure of is not written, and listed with the reason. Patient and study come from
    /// the crosswalk, never from the result. Results that refer to each other are taken together.
    Take(TakeArgs),
    /// Where results are that came back: counts, and what was refused, by name
    #[command(
        after_help = "With --json: {destinations: [{name, waiting, taken, delivered, quarantined, refused: [{name, code, detail, instances}]}], pacs: [{at, waiting, refused: [{name, instances}]}]}. Numbers are instances."
    )]
    Ls {
        #[command(flatten)]
        state: StateArgs,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Have results judged again that are in quarantine, or delivered again that a PACS refused
    ///
    /// After what was in their way has been put right: days:, results: of a caller, the PACS.
    Retry {
        /// Name as `efface quarantine ls` shows it, or a batch that a PACS refused
        name: String,
        #[command(flatten)]
        state: StateArgs,
    },
}

#[derive(Args)]
#[command(
    after_help = "Exit code 1: something was refused.\n\nExample:\n  efface result take results/ -o for-the-pacs --destination lab --config /etc/efface/efface.yaml"
)]
pub struct TakeArgs {
    /// DICOM files and folders
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Folder for what goes to the PACS: a new one, or empty
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// Who made the results: a destination by its name in the configuration
    #[arg(long, value_name = "NAME")]
    destination: String,
    /// The project in which the studies left; by default that of the destination
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    #[command(flatten)]
    site: SiteArgs,
}

/// `efface result ...`
///
/// # Errors
/// What keeps it from going on: configuration, crosswalk, log, output folder.
pub fn run(command: ResultCommand) -> Result<ExitCode, Problem> {
    match command {
        ResultCommand::Take(args) => take(args),
        ResultCommand::Ls { state, json } => list(&look(&state)?, json),
        ResultCommand::Retry { name, state } => retry(&look(&state)?, &name),
    }
}

/// What is shown of results.
#[derive(Serialize)]
struct Shown {
    destinations: Vec<Maker>,
    pacs: Vec<Home>,
}

/// Results of one destination.
#[derive(Serialize)]
struct Maker {
    name: String,
    #[serde(flatten)]
    tally: Tally,
    refused: Vec<Held>,
}

/// What is in quarantine under one name.
#[derive(Serialize)]
struct Held {
    name: String,
    /// `None`: the reason cannot be read.
    code: Option<String>,
    detail: Option<String>,
    instances: u64,
}

/// What goes to one PACS.
#[derive(Serialize)]
struct Home {
    at: String,
    waiting: u64,
    refused: Vec<Undelivered>,
}

/// What a PACS refused of one batch.
#[derive(Serialize)]
struct Undelivered {
    name: String,
    instances: u64,
}

impl Shown {
    fn of(spool: &Spool) -> io::Result<Self> {
        let maker = |name: String| {
            let tray = Tray::of(spool, &name);
            let held = |(name, reason, instances): (String, Option<Reason>, u64)| {
                let (code, detail) = reason.map(|reason| (reason.code, reason.detail)).unzip();
                Held { name, code, detail, instances }
            };
            let refused = tray.quarantined()?.into_iter().map(held).collect();
            Ok(Maker { tally: tray.tally()?, refused, name })
        };
        let home = |name: String| {
            let homebox = Homebox::of(spool, &name);
            let refused = homebox.refused()?.into_iter();
            let refused = refused.map(|(name, instances)| Undelivered { name, instances });
            let (at, waiting) = (homebox.address(), homebox.waiting()?);
            Ok(Home { at, waiting, refused: refused.collect() })
        };
        let destinations = Tray::all(spool)?.into_iter().map(maker).collect::<io::Result<_>>()?;
        let pacs = Homebox::all(spool)?.into_iter().map(home).collect::<io::Result<_>>()?;
        Ok(Shown { destinations, pacs })
    }

    fn say(&self) {
        for Maker { name, tally, refused } in &self.destinations {
            let counts = tally.rows().map(|(what, instances)| format!("{instances} {what}"));
            println!("of {name}: {}", counts.join(", "));
            for Held { name, code, detail, instances } in refused {
                let code = code.as_deref().unwrap_or("without a reason");
                let detail = detail.as_deref().unwrap_or_default();
                println!("  {name}  {instances}  {code}  {detail}");
            }
        }
        for Home { at, waiting, refused } in &self.pacs {
            println!("to {at}: {waiting} waiting");
            for Undelivered { name, instances } in refused {
                println!("  {name}  {instances}  refused by the PACS");
            }
        }
        if self.destinations.is_empty() {
            println!("no destination returns results");
        }
    }
}

fn list(spool: &Spool, json: bool) -> Result<ExitCode, Problem> {
    let shown = Shown::of(spool)?;
    if json {
        super::json(&shown)?
    } else {
        shown.say()
    }
    Ok(ExitCode::SUCCESS)
}

fn retry(spool: &Spool, name: &str) -> Result<ExitCode, Problem> {
    println!("{}", decide::retry_result(spool, name)?.in_words());
    Ok(ExitCode::SUCCESS)
}

fn take(args: TakeArgs) -> Result<ExitCode, Problem> {
    let site = args.site.open()?;
    let project = project_of(&site, &args.destination, args.project)?;
    site.knows_project(&project)?;
    disk::make_dir(&args.out)?;
    if !disk::list(&args.out)?.is_empty() {
        let what = format!("{} is not empty: name a new folder", args.out.display());
        return Err(what.into());
    }
    let Inputs { studies, malformed } = Inputs::find(&args.inputs)?;
    let take = Take {
        out: &args.out,
        crosswalk: site.crosswalk_of(&project),
        uids: ResultUids::new(&site.root, &project),
        site: &site,
        destination: args.destination,
        project,
    };
    let mut table = Table::default();
    for (path, why) in malformed {
        table.refuse(path, Code::Malformed.name(), why);
    }
    take.note("refused", Code::Malformed.name(), table.refused())?;
    for (study, files) in studies {
        take.one_study(&study, files, &mut table)?;
    }
    table.print(&take.out.display().to_string());
    Ok(if table.refused() == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The project of a destination; without a configuration both are called the same.
fn project_of(site: &Site, destination: &str, named: Option<String>) -> Result<String, Problem> {
    let configured = site.destinations().find(|d| d.name == destination);
    match (named, configured, &site.settings) {
        (Some(project), ..) => Ok(project),
        (None, Some(destination), _) => Ok(destination.project.clone()),
        (None, None, None) => Ok(destination.to_owned()),
        (None, None, Some(_)) => {
            let known: Vec<&str> = site.destinations().map(|d| d.name.as_str()).collect();
            Err(format!("no destination is called so; there is {}", known.join(", ")).into())
        }
    }
}

/// What is the same for all studies.
struct Take<'a> {
    out: &'a Path,
    site: &'a Site,
    crosswalk: Crosswalk,
    uids: ResultUids,
    destination: String,
    project: String,
}

impl Take<'_> {
    fn one_study(&self, study: &str, files: Vec<File>, table: &mut Table) -> Result<(), Problem> {
        // Whoever erases the patient waits until these are written, or comes first.
        let _held = self.crosswalk.hold()?;
        let mut refused = BTreeMap::new();
        let rows = self.crosswalk.study(study)?;
        let mut refuse = |path: PathBuf, why: Refused| count(&why, path, table, &mut refused);
        let (taken, companions) = match &rows {
            None => {
                let unknown = || Refused::Refusal(Refusal::UnknownStudy);
                files.into_iter().for_each(|file| refuse(file.path, unknown()));
                (Vec::new(), Companions::default())
            }
            Some(rows) => {
                let tray = Tray::of(&self.site.spool, &self.destination);
                let earlier = returns::read_earlier(&tray, &self.uids.study_tag(study))?;
                let piece = |file: File| Piece { of: file.path, source: file.source };
                let pieces = files.into_iter().map(piece).collect();
                returns::settle(&self.way(rows), &earlier, pieces, &mut refuse)
            }
        };
        for (code, instances) in refused {
            self.note("refused", code, instances)?;
        }
        // The log has it before a file is there.
        self.note("reidentified", "", taken.len())?;
        let Some(rows) = rows.filter(|_| !taken.is_empty()) else { return Ok(()) };
        self.write(&rows, &taken, &companions, table)
    }

    fn write(
        &self,
        rows: &Rows,
        taken: &[Piece<PathBuf>],
        companions: &Companions,
        table: &mut Table,
    ) -> Result<(), Problem> {
        for piece in taken {
            let object = returns::reidentified(&self.way(rows), piece, companions);
            let changed = |_| format!("{} was changed while it was read", piece.of.display());
            let object = object.map_err(changed)?;
            object.write(&self.out.join(format!("{}.dcm", object.sop_instance())))?;
            table.written += 1;
        }
        Ok(disk::sync_dir(self.out)?)
    }

    fn way<'a>(&'a self, rows: &'a Rows) -> Reidentifier<'a> {
        Reidentifier::new(rows, &self.destination, &self.uids, Day::today())
    }

    /// Has it written to the log, by the gateway if one runs.
    fn note(&self, change: &str, code: &str, instances: usize) -> Result<(), Problem> {
        if instances == 0 {
            return Ok(());
        }
        let event = Event::Result {
            change: change.to_owned(),
            code: code.to_owned(),
            destination: self.destination.clone(),
            project: self.project.clone(),
            instances: instances as u64,
            by: reading::who(),
            pacs: String::new(),
            took_ms: None,
        };
        Ok(desk::note(self.site.spool.root(), &self.site.root, event).map(drop)?)
    }
}

/// Counts and lists one that is refused.
fn count(
    why: &Refused,
    path: PathBuf,
    table: &mut Table,
    refused: &mut BTreeMap<&'static str, usize>,
) {
    *refused.entry(why.code()).or_default() += 1;
    table.refuse(path, why.code(), why.to_string());
}

/// What became of the inputs.
#[derive(Default)]
struct Table {
    written: usize,
    refused: BTreeMap<(&'static str, String), Vec<PathBuf>>,
}

impl Table {
    fn refuse(&mut self, path: PathBuf, code: &'static str, detail: String) {
        self.refused.entry((code, detail)).or_default().push(path);
    }

    fn refused(&self) -> usize {
        self.refused.values().map(Vec::len).sum()
    }

    fn print(&self, out: &str) {
        println!("{} re-identified, {} refused", self.written, self.refused());
        for ((code, detail), paths) in &self.refused {
            print!("{}", withheld(code, detail, None, paths));
        }
        if self.written > 0 {
            println!(
                "\n{out}: THE FILES NAME PATIENTS. They are for the PACS, and for nobody outside"
            );
        }
    }
}
