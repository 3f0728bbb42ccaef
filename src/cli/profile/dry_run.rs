//! `efface profile dry-run`: real files through the real pipeline, into a folder that is gone
//! afterwards.

use super::before_after::{Comparison, Line};
use super::{Problem, by, load, print, short_digest};
use crate::cli::inputs::{File, Inputs, arrivals};
use crate::cli::withheld;
use crate::crosswalk::Crosswalk;
use crate::custody::gate;
use crate::custody::object::Object;
use crate::deid::Report;
use crate::dicom::canonical::Limits;
use crate::dicom::dataset::Dataset;
use crate::dicom::source::Source;
use crate::disk;
use crate::face::Heads;
use crate::key::RootKey;
use crate::pipeline::survey::{Instance, survey};
use crate::pipeline::{self, Route, Withheld};
use crate::service::handles;
use crate::spool::ledger::Ledger;
use crate::spool::quarantine::Code;
use crate::spool::random_name;
use crate::standard;
use clap::Args;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Shows every element before and after, what was done and by whose word, and what gate and
/// verifier say. Of the objects of a series, the first is shown.
#[derive(Args)]
#[command(
    after_help = "Exit code 1: something would be withheld.\n\nExample:\n  efface profile dry-run lab.yaml exports/ --key-file root.key"
)]
pub struct DryRunArgs {
    /// Profile file, or the name of a shipped one
    profile: String,
    /// DICOM files and folders
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Show values, on a screen that nobody else sees; names and UIDs are not shown even then
    #[arg(long)]
    show_values: bool,
    /// Show every object of a series
    #[arg(long)]
    all: bool,
    /// Key file, for the pseudonyms that would really leave; without it a key is thrown for the run
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Domain of the pseudonyms
    #[arg(long, value_name = "NAME", default_value = "files")]
    project: String,
}

/// Runs the files through.
///
/// # Errors
/// What keeps it from starting: key, profile, files.
pub fn run(args: &DryRunArgs) -> Result<ExitCode, Problem> {
    let profile = load(&args.profile)?;
    print(&format!("profile {} {}\n", profile.name(), short_digest(&profile)))?;
    let root = match &args.key_file {
        Some(file) => RootKey::read_file(file)?,
        None => {
            print("no --key-file: a key was thrown for this run, other pseudonyms will leave\n")?;
            RootKey::generate()?
        }
    };
    let Inputs { studies, malformed } = Inputs::find(&args.files)?;
    let scratch = Scratch::new()?;
    let scratched = scratch.0.join("crosswalk");
    let mut route = Route::new("dry-run", &args.project, profile, &root, &scratched);
    // For random pseudonyms, which are thrown for this run. Nobody will want to know what they stand for.
    route.crosswalk.take().iter().try_for_each(Crosswalk::lay_out)?;
    let mut tally = Tally::default();
    for (path, why) in malformed {
        tally.stays(path, Code::Malformed, why);
    }
    for (n, files) in studies.into_values().enumerate() {
        let drafts = scratch.0.join(n.to_string());
        disk::make_dir(&drafts)?;
        DryRun { args, route: &route, root: &root, drafts: &drafts }.study(files, &mut tally)?;
        disk::remove(&drafts)?;
    }
    Ok(tally.print()?)
}

/// A folder that is removed with all that is in it when the run ends, however it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("efface-dry-run-{}", random_name()?));
        disk::make_dir(&folder)?;
        Ok(Scratch(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = disk::remove(&self.0) {
            eprintln!("efface: {} is left over: {error}", self.0.display());
        }
    }
}

struct DryRun<'a> {
    args: &'a DryRunArgs,
    route: &'a Route,
    root: &'a RootKey,
    drafts: &'a Path,
}

/// What came of one object: its file, if it got so far, and why it would stay inside.
#[derive(Default)]
struct Outcome {
    draft: Option<PathBuf>,
    report: Option<Report>,
    withheld: Option<(Code, String)>,
}

impl DryRun<'_> {
    fn study(&self, files: Vec<File>, tally: &mut Tally) -> Result<(), Problem> {
        let (arrivals, paths) = arrivals(files)?;
        let study = match survey(arrivals, &Ledger::empty(), &handles(self.root)) {
            Ok(study) => study,
            Err(error) => {
                for path in sorted(paths.into_values()) {
                    tally.stays(path, error.code(), error.to_string());
                }
                return Ok(());
            }
        };
        let mut outcomes: HashMap<&str, Outcome> = HashMap::new();
        let grant = gate::grant_by_hand(&self.route.destination, &self.route.profile);
        let mut heads = Heads::default();
        let output = pipeline::run(self.route, grant, &study, &mut heads, self.drafts, &|| ());
        let withheld = match &output {
            Ok(output) => {
                for (id, object) in output.released.iter().zip(&output.clean) {
                    let outcome = outcomes.entry(id).or_default();
                    outcome.draft = Some(object.file().to_owned());
                    outcome.report = Some(object.report().clone());
                }
                output.withheld.as_slice()
            }
            Err(failure) => {
                for instance in &study.instances {
                    // A draft that the verifier refused shows what it was refused for.
                    let draft = self.drafts.join(format!("{}.dcm", instance.id));
                    let outcome = outcomes.entry(&instance.id).or_default();
                    outcome.draft = draft.exists().then_some(draft);
                    outcome.withheld = Some((failure.code(), failure.to_string()));
                }
                &[]
            }
        };
        for Withheld { code, detail, ids } in study.withheld.iter().chain(withheld) {
            for id in ids {
                outcomes.entry(id).or_default().withheld = Some((*code, detail.clone()));
            }
        }
        tally.repeated += study.repeated.len();
        self.show(&study.instances, &outcomes, &paths)?;
        for (id, outcome) in outcomes {
            match (outcome.withheld, paths.get(id)) {
                (Some((code, detail)), Some(path)) => tally.stays(path.clone(), code, detail),
                _ => tally.leave += 1,
            }
        }
        Ok(())
    }

    /// The first object of each series and SOP class, or all.
    fn show(
        &self,
        instances: &[Instance],
        outcomes: &HashMap<&str, Outcome>,
        paths: &HashMap<String, PathBuf>,
    ) -> Result<(), Problem> {
        let kind =
            |instance: &Instance| (instance.series_tag, instance.subject.sop_class().to_owned());
        let mut shown = HashSet::new();
        for instance in instances {
            let (Some(outcome), Some(path)) =
                (outcomes.get(instance.id.as_str()), paths.get(&instance.id))
            else {
                continue;
            };
            if !shown.insert(kind(instance)) && !self.args.all {
                continue;
            }
            let class = standard::sop_classes().get(instance.subject.sop_class());
            let class = class.map_or("unknown SOP Class", |class| class.keyword);
            let like = instances.iter().filter(|other| kind(other) == kind(instance)).count();
            let others = match like {
                1 => String::new(),
                n => format!("; {} more of its series", n - 1),
            };
            let verdict = match &outcome.withheld {
                None => "would leave: the verifier found nothing".to_owned(),
                Some((code, detail)) => format!("would be withheld: {}: {detail}", code.name()),
            };
            let mut lines = vec![format!("\n{}\n  {class}{others}\n  {verdict}", path.display())];
            match &outcome.draft {
                Some(draft) => {
                    lines.extend(self.compare(instance, draft, outcome.report.as_ref())?);
                }
                None => lines.push("  it did not get so far as to be changed".to_owned()),
            }
            print(&(lines.join("\n") + "\n"))?;
        }
        Ok(())
    }

    fn compare(
        &self,
        instance: &Instance,
        draft: &Path,
        report: Option<&Report>,
    ) -> Result<Vec<String>, Problem> {
        let before = Object::open(instance.source.clone())?;
        let output = Source::of_file(draft)?;
        let header = output.header(Limits::default())?;
        let after = Dataset::parse(&header.bytes)?;
        let comparison = Comparison {
            profile: &self.route.profile,
            object: instance.subject.object_kind(),
            report,
            show_values: self.args.show_values,
        };
        let head = format!("  {:52} {:2}  {:22} {:22} by", "element", "VR", "before", "after");
        let mut lines = vec![head];
        for Line { path, vr, before, after, action, by: ground } in
            comparison.lines(before.dataset(), &after)
        {
            let action = action.map_or(' ', |action| action.letter());
            let who = ground.map_or("efface itself".to_owned(), |ground| {
                by(&self.route.profile, &self.args.profile, ground)
            });
            lines.push(format!("  {path:52} {vr}  {before:22} {after:22} {action} {who}"));
        }
        if let Some(after) = header.pixels {
            let was = instance.source.header(Limits::default())?.pixels;
            let was = was.map(|span| instance.source.pixel_bytes(&span)).transpose()?;
            let is = output.pixel_bytes(&after)?;
            let what = if was.is_some_and(|was| was == is) { "unchanged" } else { "changed" };
            lines.push(format!("  the pixels: {what}"));
        }
        Ok(lines)
    }
}

fn sorted(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort_unstable();
    paths
}

/// How many would leave, and which not.
#[derive(Default)]
struct Tally {
    leave: usize,
    repeated: usize,
    stay: BTreeMap<(Code, String), Vec<PathBuf>>,
}

impl Tally {
    fn stays(&mut self, path: PathBuf, code: Code, detail: String) {
        self.stay.entry((code, detail)).or_default().push(path);
    }

    fn print(self) -> io::Result<ExitCode> {
        let stay: usize = self.stay.values().map(Vec::len).sum();
        let Tally { leave, repeated, .. } = self;
        let mut text =
            format!("\n{leave} would leave, {stay} would be withheld, {repeated} repeated\n");
        for ((code, detail), paths) in self.stay {
            let paths = sorted(paths.into_iter());
            text += &withheld(code.name(), &detail, Some(code.advice()), &paths);
        }
        print(&text)?;
        Ok(if stay == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}
