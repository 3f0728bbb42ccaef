//! `efface crosswalk`: what pseudonyms stand for, counted, taken out and brought back. Nothing of it is printed.

use super::approval::{ApprovalArgs, Settled};
use super::audit::create;
use super::objection::{Site, SiteArgs};
use super::{Problem, reading};
use crate::approval::Operation;
use crate::audit::Event;
use crate::clock::Day;
use crate::config::DestinationSettings;
use crate::crosswalk::{self, Census, Crosswalk, Import, project_of};
use crate::desk;
use crate::erasure;
use clap::Subcommand;
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum CrosswalkCommand {
    /// How much is known, by project, and until when
    #[command(
        after_help = "With --json: a list of {project, studies, patients, oldest, days, until}."
    )]
    Ls {
        #[command(flatten)]
        site: SiteArgs,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Write all that a project's pseudonyms stand for to a file. IT NAMES PATIENTS, in the clear
    ///
    /// JSON Lines: a first line that says version, project and generations, a line a study, a last line with a checksum
    /// (src/crosswalk/exchange.rs). The file is made with mode 0600. That it was exported stands in the log.
    Export {
        #[command(flatten)]
        site: SiteArgs,
        /// The project
        #[arg(long, value_name = "NAME")]
        project: String,
        /// File to write; it must not exist
        #[arg(long, short = 'o', value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        approval: ApprovalArgs,
    },
    /// Take an export in: all of it, or nothing if it contradicts what is known
    ///
    /// Patients whose erasure was asked for here are left out. That it was imported stands in the log.
    Import {
        #[command(flatten)]
        site: SiteArgs,
        /// What efface crosswalk export wrote
        file: PathBuf,
    },
}

/// `efface crosswalk ...`
///
/// # Errors
/// When the crosswalk cannot be read or written, or the log does not take the record.
pub fn run(command: CrosswalkCommand) -> Result<ExitCode, Problem> {
    match command {
        CrosswalkCommand::Ls { site, json } => list(&site.open()?, json),
        CrosswalkCommand::Export { site, project, out, approval } => {
            export(&site.open()?, &project, &out, &approval)
        }
        CrosswalkCommand::Import { site, file } => import(&site.open()?, &file),
    }
}

/// What is shown of a project.
#[derive(Serialize)]
struct Shown {
    project: String,
    #[serde(flatten)]
    census: Census,
    /// How long rows are kept; `None` where no configuration was named.
    days: Option<u64>,
    /// When the first ones go.
    until: Option<Day>,
}

fn list(site: &Site, json: bool) -> Result<ExitCode, Problem> {
    let mut all = Vec::new();
    for project in crosswalk::projects(&site.crosswalk())? {
        let census = site.crosswalk_of(&project).census()?;
        let days = site.destinations().find(|d| d.project == project).map(|d| d.crosswalk.days);
        let until = census.oldest.zip(days).map(|(oldest, days)| oldest.after(days));
        all.push(Shown { project, census, days, until });
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    for Shown { project, census: Census { studies, patients, oldest }, days, until } in &all {
        let since = oldest.map_or(String::new(), |day| format!(", the oldest of {day}"));
        let until = until.map_or(String::new(), |day| format!(", which goes on {day}"));
        let kept = days.map_or(String::new(), |days| format!("; kept for {days} days"));
        println!("{project}: {studies} studies of {patients} patients{since}{until}{kept}");
    }
    if all.is_empty() {
        println!("no project has a crosswalk");
    }
    Ok(ExitCode::SUCCESS)
}

fn export(
    site: &Site,
    project: &str,
    out: &Path,
    approval: &ApprovalArgs,
) -> Result<ExitCode, Problem> {
    site.knows_project(project)?;
    let operation = Operation::Export { project: project.to_owned() };
    if approval.settle(site, &operation)? == Settled::Asked {
        return Ok(ExitCode::SUCCESS);
    }
    let crosswalk = site.crosswalk_of(project);
    let Census { studies, patients, .. } = crosswalk.census()?;
    // Before the file is there: nobody takes names out unseen.
    let mut file = io::BufWriter::new(create(out)?);
    note(site, "exported", project, studies, patients)?;
    let written = crosswalk::export(&crosswalk, &mut file)?;
    file.flush()?;
    file.get_ref().sync_all()?;
    println!("{}: {written} studies of project {project}", out.display());
    println!(
        "IT NAMES PATIENTS, in the clear. Keep it as you keep them, and delete it when it is no longer needed"
    );
    Ok(ExitCode::SUCCESS)
}

fn import(site: &Site, file: &Path) -> Result<ExitCode, Problem> {
    let mut opened = std::fs::File::open(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let project = project_of(&mut opened)?;
    if !site.destinations().any(|d| d.project == project) {
        site.knows_project(&project)?;
    }
    let crosswalk = site.crosswalk_of(&project);
    crosswalk.lay_out()?;
    let erased = erasure::Book::new(&site.spool, &site.root).erased(&project)?;
    let tell = |import: Import| {
        let told = note(site, "imported", &project, import.studies, import.patients);
        told.map_err(|error| io::Error::other(error.to_string()))
    };
    let Import { studies, erased, .. } = Import::of(&crosswalk, &mut opened, &erased, tell)?;
    println!("{studies} studies of project {project} are in the crosswalk");
    if erased > 0 {
        println!("{erased} were left out: the erasure of their patients was asked for");
    }
    println!("{} names patients: delete it when it is no longer needed", file.display());
    Ok(ExitCode::SUCCESS)
}

/// Has it written to the log, by the gateway if one runs.
pub(super) fn note(
    site: &Site,
    change: &str,
    project: &str,
    studies: u64,
    patients: u64,
) -> Result<(), Problem> {
    let (change, project, by) = (change.to_owned(), project.to_owned(), reading::who());
    let event = Event::Crosswalk { change, project, studies, patients, by };
    Ok(desk::note(site.spool.root(), &site.root, event).map(drop)?)
}

impl Site {
    /// The destinations of the configuration, where one was named.
    pub(super) fn destinations(&self) -> impl Iterator<Item = &DestinationSettings> {
        self.settings.iter().flat_map(|settings| &settings.destinations)
    }

    pub(super) fn crosswalk_of(&self, project: &str) -> Crosswalk {
        Crosswalk::new(&self.crosswalk(), project, &self.root)
    }

    /// The projects that have a crosswalk here: all, or the one that was named.
    pub(super) fn projects(&self, only: Option<&str>) -> Result<Vec<String>, Problem> {
        if let Some(project) = only {
            self.knows_project(project)?;
        }
        let mut projects = crosswalk::projects(&self.crosswalk())?;
        projects.retain(|project| only.is_none_or(|only| only == project));
        Ok(projects)
    }

    /// Whether a project has a crosswalk here.
    pub(super) fn knows_project(&self, project: &str) -> Result<(), Problem> {
        let known: BTreeSet<String> = crosswalk::projects(&self.crosswalk())?.into_iter().collect();
        if known.contains(project) {
            return Ok(());
        }
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        Err(format!("no project of this gateway is called so; there is {known}. One that is new is known by its configuration: --config FILE").into())
    }
}
