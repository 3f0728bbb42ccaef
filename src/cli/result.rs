//! `efface result take`: results of a destination, by hand: matched, re-identified, written for the PACS.
//!
//! Nothing of a patient is printed, nor needs two people: nobody is told who somebody is. The files name the patient.

use super::inputs::{File, Inputs};
use super::objection::{Site, SiteArgs};
use super::{Problem, reading, withheld};
use crate::audit::Event;
use crate::clock::Day;
use crate::crosswalk::{Crosswalk, Rows};
use crate::custody::object::Object;
use crate::custody::result::{Reidentified, Returned, TakeError};
use crate::desk;
use crate::disk;
use crate::reid::{Companions, Refusal, Reidentifier, ResultUids};
use crate::spool::quarantine::Code;
use clap::{Args, Subcommand};
use std::collections::BTreeMap;
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
    let ResultCommand::Take(args) = command;
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
    fn one_study(
        &self,
        study: &str,
        mut files: Vec<File>,
        table: &mut Table,
    ) -> Result<(), Problem> {
        // Whoever erases the patient waits until these are written, or comes first.
        let _held = self.crosswalk.hold()?;
        let mut refused = BTreeMap::new();
        let rows = self.crosswalk.study(study)?;
        let taken = match &rows {
            None => {
                let all = std::mem::take(&mut files).into_iter();
                let refusal = Refused::Refusal(Refusal::UnknownStudy);
                all.for_each(|file| refusal.count(file.path, table, &mut refused));
                Vec::new()
            }
            Some(rows) => self.settle(rows, files, table, &mut refused),
        };
        for (code, instances) in refused {
            self.note("refused", code, instances)?;
        }
        // The log has it before a file is there.
        self.note("reidentified", "", taken.len())?;
        let Some(rows) = rows.filter(|_| !taken.is_empty()) else { return Ok(()) };
        self.write(&rows, &taken, table)
    }

    /// Which of the results can be taken: what refers to one that is refused is refused, too.
    fn settle(
        &self,
        rows: &Rows,
        mut files: Vec<File>,
        table: &mut Table,
        refused: &mut BTreeMap<&'static str, usize>,
    ) -> Vec<File> {
        loop {
            let before = files.len();
            let (companions, together) = self.companions(files, table, refused);
            files = Vec::new();
            for file in together {
                match self.reidentified(&file, rows, &companions) {
                    Ok(_) => files.push(file),
                    Err(why) => why.count(file.path, table, refused),
                }
            }
            if files.len() == before {
                return files;
            }
        }
    }

    fn companions(
        &self,
        files: Vec<File>,
        table: &mut Table,
        refused: &mut BTreeMap<&'static str, usize>,
    ) -> (Companions, Vec<File>) {
        let (mut companions, mut together) = (Companions::default(), Vec::new());
        for file in files {
            let joined = Object::<Returned>::take(file.source.clone()).map_err(Refused::Take);
            match joined.and_then(|object| Ok(object.join(&mut companions)?)) {
                Ok(()) => together.push(file),
                Err(why) => why.count(file.path, table, refused),
            }
        }
        (companions, together)
    }

    fn reidentified(
        &self,
        file: &File,
        rows: &Rows,
        companions: &Companions,
    ) -> Result<Object<Reidentified>, Refused> {
        let way = Reidentifier::new(rows, &self.destination, &self.uids, Day::today());
        let object = Object::<Returned>::take(file.source.clone()).map_err(Refused::Take)?;
        Ok(object.reidentify(&way, companions)?)
    }

    fn write(&self, rows: &Rows, taken: &[File], table: &mut Table) -> Result<(), Problem> {
        let mut companions = Companions::default();
        let changed = |path: &Path| format!("{} was changed while it was read", path.display());
        for file in taken {
            let object = Object::<Returned>::take(file.source.clone());
            let joined = object.is_ok_and(|object| object.join(&mut companions).is_ok());
            if !joined {
                return Err(changed(&file.path).into());
            }
        }
        for file in taken {
            let object = self.reidentified(file, rows, &companions);
            let object = object.map_err(|_| changed(&file.path))?;
            object.write(&self.out.join(format!("{}.dcm", object.sop_instance())))?;
            table.written += 1;
        }
        Ok(disk::sync_dir(self.out)?)
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
        };
        Ok(desk::note(self.site.spool.root(), &self.site.root, event).map(drop)?)
    }
}

/// Why a result is not written.
enum Refused {
    Take(TakeError),
    Refusal(Refusal),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Refused::Refusal(refusal)
    }
}

impl Refused {
    fn count(&self, path: PathBuf, table: &mut Table, refused: &mut BTreeMap<&'static str, usize>) {
        let (code, detail) = match self {
            Refused::Take(TakeError::Size) => ("too-large", TakeError::Size.to_string()),
            Refused::Take(error) => (Code::Malformed.name(), error.to_string()),
            Refused::Refusal(refusal) => (refusal.code(), refusal.to_string()),
        };
        *refused.entry(code).or_default() += 1;
        table.refuse(path, code, detail);
    }
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
