//! `efface deid`: the gateway's engine on files and folders.

use super::inputs::{File, Inputs, arrivals};
use super::inspect::look;
use super::{Problem, StateArgs, withheld};
use crate::config;
use crate::crosswalk::Crosswalk;
use crate::custody::gate::{self, Grant, No};
use crate::disk;
use crate::face::Heads;
use crate::key::RootKey;
use crate::objection::{Book, Known};
use crate::pipeline::survey::{Study, survey};
use crate::pipeline::{self, Route, Withheld};
use crate::profile::Pseudonymity;
use crate::service::handles;
use crate::spool::ledger::Ledger;
use crate::spool::quarantine::Code;
use crate::spool::{Place, random_name};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Files that may leave are written to OUT/PATIENT/STUDY/; what is withheld is listed with the reason.
#[derive(Args)]
#[command(
    after_help = "Exit code 1: something was withheld.\n\nExample:\n  efface deid exports/ -o deidentified --profile basic --key-file root.key"
)]
pub struct DeidArgs {
    /// DICOM files and folders
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Folder for what may leave; made if it is not there
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// Profile file, or the name of a shipped one
    #[arg(long, value_name = "FILE", default_value = "basic")]
    profile: String,
    /// Key file, made by: efface keys init
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Domain of the pseudonyms: one recipient and purpose
    #[arg(long, value_name = "NAME", default_value = "files")]
    project: String,
    /// State directory of a gateway whose register of objections is asked; its key must be the same
    #[arg(long, value_name = "DIR")]
    objections: Option<PathBuf>,
    /// Folder that remembers what the pseudonyms stand for, encrypted; profiles with random pseudonyms need it
    #[arg(long, value_name = "DIR")]
    crosswalk: Option<PathBuf>,
}

/// De-identifies what the arguments name.
///
/// # Errors
/// What keeps it from starting: key, profile, output folder.
pub fn run(args: DeidArgs) -> Result<ExitCode, Problem> {
    let root = RootKey::read_file(&args.key_file)?;
    let profile = config::load_profile(&args.profile, None)?;
    let crosswalk = match (&args.crosswalk, profile.pseudonymity()) {
        (Some(directory), _) => directory.clone(),
        (None, Pseudonymity::Keyed) => PathBuf::new(),
        (None, Pseudonymity::Random) => {
            let what = "this profile wants random pseudonyms: name the folder that remembers them, --crosswalk DIR, and keep it";
            return Err(what.into());
        }
    };
    let mut route = Route::new("files", &args.project, profile, &root, &crosswalk);
    match &args.crosswalk {
        Some(_) => route.crosswalk.iter().try_for_each(Crosswalk::lay_out)?,
        None => route.crosswalk = None,
    }
    let objections = args.objections.map(|state| look(&StateArgs { state })).transpose()?;
    let objections = objections.map(|spool| {
        let Known(known) = Known::of(&spool.dir(Place::Audit))?;
        Ok::<_, Problem>((Book::new(spool.dir(Place::Objections), &root), known))
    });
    let objections = objections.transpose()?;
    let run = Run { out: &args.out, route: &route, root: &root, objections };
    disk::make_dir(&args.out)?;
    let mut table = Table::default();
    let Inputs { studies, malformed } = Inputs::find(&args.inputs)?;
    for (path, why) in malformed {
        table.stays(path, Code::Malformed.name(), why);
    }
    let total = studies.values().map(|files| files.len() as u64).sum();
    let progress = ProgressBar::new(total).with_style(style());
    for files in studies.into_values() {
        run.one_study(files, &mut table, &progress)?;
    }
    progress.finish_and_clear();
    table.print();
    Ok(if table.withheld() == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn style() -> ProgressStyle {
    let style =
        ProgressStyle::with_template("{bar:40} {pos}/{len} instances  {elapsed} (left: {eta})");
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What is the same for all studies.
struct Run<'a> {
    out: &'a Path,
    route: &'a Route,
    root: &'a RootKey,
    /// The register, and the version that its gateway's log knows of.
    objections: Option<(Book, u64)>,
}

impl Run<'_> {
    fn one_study(
        &self,
        files: Vec<File>,
        table: &mut Table,
        progress: &ProgressBar,
    ) -> Result<(), Problem> {
        let Run { out, route, root, .. } = *self;
        let (arrivals, mut paths) = arrivals(files)?;
        let all: Vec<String> = paths.keys().cloned().collect();
        let mut stay = |Withheld { code, detail, ids }: Withheld, table: &mut Table| {
            for id in ids {
                if let Some(path) = paths.remove(&id) {
                    table.stays(path, code.name(), detail.clone());
                }
            }
        };
        let study = match survey(arrivals, &Ledger::empty(), &handles(root)) {
            Ok(study) => study,
            Err(error) => {
                stay(Withheld { code: error.code(), detail: error.to_string(), ids: all }, table);
                return Ok(());
            }
        };
        table.repeated += study.repeated.len();
        study.withheld.iter().cloned().for_each(|withheld| stay(withheld, table));
        let grant = match self.ask(&study)? {
            Ok(grant) => grant,
            Err(no) => {
                let (code, detail) = (no.code(), no.detail());
                let ids = study.instances.iter().map(|i| i.id.clone()).collect();
                stay(Withheld { code, detail, ids }, table);
                return Ok(());
            }
        };
        let drafts = out.join(format!(".drafts-{}", random_name()?));
        disk::make_dir(&drafts)?;
        let mut heads = Heads::default();
        let output = pipeline::run(route, grant, &study, &mut heads, &drafts, &|| progress.inc(1));
        match output {
            Ok(output) => {
                output.withheld.into_iter().for_each(|withheld| stay(withheld, table));
                let folder = out.join(&output.patient).join(&output.study);
                if !output.clean.is_empty() {
                    route.crosswalk.iter().try_for_each(|to| to.keep(&output.rows))?;
                    disk::make_dir(&folder)?;
                }
                for object in &output.clean {
                    let file = folder.join(format!("{}.dcm", object.sop_instance()));
                    disk::rename(object.file(), &file)?;
                    table.left += 1;
                }
            }
            Err(failure) => {
                let (code, detail) = (failure.code(), failure.to_string());
                let ids = study.instances.iter().map(|i| i.id.clone()).collect();
                stay(Withheld { code, detail, ids }, table);
            }
        }
        Ok(disk::remove(&drafts)?)
    }

    /// Asks the gate, and by it the register, if one was named.
    fn ask(&self, study: &Study) -> Result<Result<Grant, No>, Problem> {
        let Some((book, known)) = &self.objections else {
            return Ok(Ok(gate::grant_by_hand(&self.route.destination, &self.route.profile)));
        };
        let (register, patient) = (book.read_at_least(*known)?, study.patient.hashed(book.key()));
        let Route { profile, residency, .. } = self.route;
        Ok(gate::grant(self.route.recipient(), profile, residency, &patient, &register))
    }
}

/// What became of the inputs.
#[derive(Default)]
struct Table {
    left: usize,
    repeated: usize,
    stay: BTreeMap<(&'static str, String), Vec<PathBuf>>,
}

impl Table {
    fn stays(&mut self, path: PathBuf, code: &'static str, detail: String) {
        self.stay.entry((code, detail)).or_default().push(path);
    }

    fn withheld(&self) -> usize {
        self.stay.values().map(Vec::len).sum()
    }

    fn print(&self) {
        println!(
            "{} de-identified, {} withheld, {} repeated",
            self.left,
            self.withheld(),
            self.repeated
        );
        for ((code, detail), paths) in &self.stay {
            print!("{}", withheld(code, detail, None, paths));
        }
    }
}
