//! `efface profile dry-run`: real files through the real pipeline, into a folder that is gone
//! afterwards.

use super::before_after::Comparison;
use super::{Problem, by, load, print, print_json};
use crate::cli::inputs::{File, Inputs, arrivals};
use crate::cli::inspect::look;
use crate::cli::{StateArgs, withheld};
use crate::crosswalk::Crosswalk;
use crate::custody::gate;
use crate::custody::object::Object;
use crate::deid::Report;
use crate::dicom::canonical::Limits;
use crate::dicom::dataset::Dataset;
use crate::dicom::source::Source;
use crate::disk;
use crate::face::Heads;
use crate::isolation::{Strictness, confine_trial};
use crate::key::RootKey;
use crate::pipeline::survey::{Instance, survey};
use crate::pipeline::{self, Route, Withheld};
use crate::service::handles;
use crate::spool::entry::Entry;
use crate::spool::ledger::Ledger;
use crate::spool::quarantine::Code;
use crate::spool::{Place, entry_ids, random_name};
use crate::standard::{self, Action};
use crate::view::profile::{DryRun, Line, Reason, Shown, short_digest};
use clap::Args;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Shows every element before and after, what was done and by whose word, and what gate and
/// verifier say. Of the objects of a series, the first is shown.
#[derive(Args)]
#[command(
    after_help = "Exit code 1: something would be withheld.\n\nExample:\n  efface profile dry-run lab.yaml exports/ --key-file root.key\n  efface profile dry-run lab.yaml --batch NAME --state /var/lib/efface"
)]
pub struct DryRunArgs {
    /// Profile file, or the name of a shipped one
    profile: String,
    /// DICOM files and folders
    #[arg(required_unless_present = "batch", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Instead of files: a batch that a gateway holds, or has in quarantine, by its name there
    #[arg(long, value_name = "NAME", requires = "state", conflicts_with = "files")]
    batch: Option<String>,
    /// State directory of the gateway
    #[arg(long, value_name = "DIR", requires = "batch")]
    state: Option<PathBuf>,
    /// Go on where the kernel has not all that it takes to confine whoever reads a batch
    #[arg(long, requires = "batch")]
    partial_sandbox: bool,
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
    /// As JSON, for programs
    #[arg(long, conflicts_with = "show_values")]
    json: bool,
}

/// Runs the files through.
///
/// # Errors
/// What keeps it from starting: key, profile, files.
pub fn run(args: &DryRunArgs) -> Result<ExitCode, Problem> {
    let profile = load(&args.profile)?;
    let (name, plan) = (profile.name().to_owned(), short_digest(&profile));
    let key_was_thrown = args.key_file.is_none();
    let mut done = DryRun { name, plan, key_was_thrown, ..DryRun::default() };
    let root = match &args.key_file {
        Some(file) => RootKey::read_file(file)?,
        None => RootKey::generate()?,
    };
    if !args.json {
        print(&head(&done))?;
    }
    let (Inputs { studies, malformed }, scratch) = match (&args.batch, &args.state) {
        (Some(batch), Some(state)) => held(state, batch, args.partial_sandbox)?,
        _ => (Inputs::find(&args.files)?, Scratch::within(&std::env::temp_dir())?),
    };
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
        let run = Run { args, route: &route, root: &root, drafts: &drafts };
        let shown = run.study(files, &mut tally)?;
        disk::remove(&drafts)?;
        match args.json {
            true => done.objects.extend(shown),
            // Each study as soon as it is done: the next may take its time.
            false => shown.iter().try_for_each(|shown| print(&in_words(shown)))?,
        }
    }
    tally.settle(&mut done);
    match args.json {
        true => print_json(&done)?,
        false => print(&sum(&done))?,
    }
    Ok(if done.withheld.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The instances of a batch, wherever it is, and a place for drafts. From then on this process can do nothing else: what is
/// in quarantine may have killed its worker.
fn held(state: &Path, batch: &str, is_partial: bool) -> Result<(Inputs, Scratch), Problem> {
    let spool = look(&StateArgs { state: state.to_owned() })?;
    let places = [Place::Quarantine, Place::Held, Place::Delivered, Place::Work];
    let is_plain = !batch.is_empty() && !batch.contains('/') && !batch.starts_with('.');
    let mut folders = places.into_iter().map(|place| spool.dir(place).join(batch));
    let folder = folders.find(|folder| is_plain && folder.is_dir()).ok_or_else(|| {
        format!("no batch {batch} is here any more. See: efface quarantine ls, efface spool ls")
    })?;
    let (mut files, mut malformed) = (Vec::new(), Vec::new());
    for id in entry_ids(&folder)? {
        match Entry::open(&folder.join(&id)) {
            Ok(entry) => files.push(File { path: PathBuf::from(id), source: entry.source() }),
            Err(damage) => malformed.push((PathBuf::from(id), damage.to_string())),
        }
    }
    let trials = spool.trials();
    disk::make_dir(&trials)?;
    let strictness = if is_partial { Strictness::Partial } else { Strictness::Strict };
    confine_trial(&folder, &trials, strictness)?;
    // A batch is of one study: which, nobody has to say.
    let inputs = Inputs { studies: [(String::new(), files)].into(), malformed };
    Ok((inputs, Scratch::within(&trials)?))
}

fn head(done: &DryRun) -> String {
    let thrown = match done.key_was_thrown {
        true => "no --key-file: a key was thrown for this run, other pseudonyms will leave\n",
        false => "",
    };
    format!("profile {} {}\n{thrown}", done.name, done.plan)
}

fn in_words(shown: &Shown) -> String {
    let others = match shown.more {
        0 => String::new(),
        n => format!("; {n} more of its series"),
    };
    let verdict = match &shown.withheld {
        None => "would leave: the verifier found nothing".to_owned(),
        Some((code, detail)) => format!("would be withheld: {code}: {detail}"),
    };
    let mut lines = vec![format!("\n{}\n  {}{others}\n  {verdict}", shown.file, shown.class)];
    if shown.elements.is_empty() {
        lines.push("  it did not get so far as to be changed".to_owned());
    } else {
        lines.push(format!("  {:52} {:2}  {:22} {:22} by", "element", "VR", "before", "after"));
    }
    for Line { path, vr, before, after, action, by } in &shown.elements {
        let action = action.unwrap_or(' ');
        lines.push(format!("  {path:52} {vr}  {before:22} {after:22} {action} {by}"));
    }
    if let Some(changed) = shown.pixels_changed {
        lines.push(format!("  the pixels: {}", if changed { "changed" } else { "unchanged" }));
    }
    lines.join("\n") + "\n"
}

fn sum(done: &DryRun) -> String {
    let DryRun { leave, repeated, withheld: reasons, .. } = done;
    let stay = done.stay();
    let mut text =
        format!("\n{leave} would leave, {stay} would be withheld, {repeated} repeated\n");
    for Reason { code, detail, advice, files } in reasons {
        let paths: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        text += &withheld(code, detail, Some(advice), &paths);
    }
    text
}

/// A folder that is removed with all that is in it when the run ends, however it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn within(parent: &Path) -> io::Result<Self> {
        let folder = parent.join(format!("efface-dry-run-{}", random_name()?));
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

struct Run<'a> {
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

impl Run<'_> {
    fn study(&self, files: Vec<File>, tally: &mut Tally) -> Result<Vec<Shown>, Problem> {
        let (arrivals, paths) = arrivals(files)?;
        let study = match survey(arrivals, &Ledger::empty(), &handles(self.root)) {
            Ok(study) => study,
            Err(error) => {
                for path in sorted(paths.into_values()) {
                    tally.stays(path, error.code(), error.to_string());
                }
                return Ok(Vec::new());
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
        let shown = self.show(&study.instances, &outcomes, &paths)?;
        for (id, outcome) in outcomes {
            match (outcome.withheld, paths.get(id)) {
                (Some((code, detail)), Some(path)) => tally.stays(path.clone(), code, detail),
                _ => tally.leave += 1,
            }
        }
        Ok(shown)
    }

    /// The first object of each series and SOP class, or all.
    fn show(
        &self,
        instances: &[Instance],
        outcomes: &HashMap<&str, Outcome>,
        paths: &HashMap<String, PathBuf>,
    ) -> Result<Vec<Shown>, Problem> {
        let kind =
            |instance: &Instance| (instance.series_tag, instance.subject.sop_class().to_owned());
        let (mut seen, mut all) = (HashSet::new(), Vec::new());
        for instance in instances {
            let (Some(outcome), Some(path)) =
                (outcomes.get(instance.id.as_str()), paths.get(&instance.id))
            else {
                continue;
            };
            if !seen.insert(kind(instance)) && !self.args.all {
                continue;
            }
            let class = standard::sop_classes().get(instance.subject.sop_class());
            let class = class.map_or("unknown SOP Class", |class| class.keyword);
            let like = instances.iter().filter(|other| kind(other) == kind(instance)).count();
            let (elements, pixels_changed) = match &outcome.draft {
                Some(draft) => self.compare(instance, draft, outcome.report.as_ref())?,
                None => (Vec::new(), None),
            };
            let withheld = outcome.withheld.as_ref();
            all.push(Shown {
                file: path.display().to_string(),
                class: class.to_owned(),
                more: like - 1,
                withheld: withheld.map(|(code, detail)| (code.name().to_owned(), detail.clone())),
                elements,
                pixels_changed,
            });
        }
        Ok(all)
    }

    /// Elements, and whether the pixels are others.
    fn compare(
        &self,
        instance: &Instance,
        draft: &Path,
        report: Option<&Report>,
    ) -> Result<(Vec<Line>, Option<bool>), Problem> {
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
        let lines = comparison.lines(before.dataset(), &after).into_iter();
        let lines = lines.map(|line| Line {
            path: line.path,
            vr: line.vr.to_string().to_owned(),
            before: line.before,
            after: line.after,
            action: line.action.map(Action::letter),
            by: line.by.map_or("efface itself".to_owned(), |ground| {
                by(&self.route.profile, &self.args.profile, ground)
            }),
        });
        let pixels = header.pixels.map(|after| -> Result<bool, Problem> {
            let was = instance.source.header(Limits::default())?.pixels;
            let was = was.map(|span| instance.source.pixel_bytes(&span)).transpose()?;
            let is = output.pixel_bytes(&after)?;
            Ok(was.is_none_or(|was| was != is))
        });
        Ok((lines.collect(), pixels.transpose()?))
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

    fn settle(self, done: &mut DryRun) {
        (done.leave, done.repeated) = (self.leave, self.repeated);
        let reason = |((code, detail), paths): ((Code, String), Vec<PathBuf>)| Reason {
            code: code.name().to_owned(),
            detail,
            advice: code.advice().to_owned(),
            files: sorted(paths.into_iter())
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
        };
        done.withheld = self.stay.into_iter().map(reason).collect();
    }
}
