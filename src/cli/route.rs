//! `efface route explain`: what would happen to files, and why.

use super::Problem;
use super::inputs::{File, Inputs};
use super::serve;
use super::status::may_be_sent_to;
use crate::config::Settings;
use crate::custody::gate::{Facts, Verdict};
use crate::custody::object::Object;
use crate::routing::{Routing, Stays, Traits};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum RouteCommand {
    /// Say where files would go, under which rule, and why no other
    ///
    /// Nothing is sent or kept. No value of a file is printed. What only the whole study can tell (faces, objections, what
    /// the verifier finds) is not decided here: try `efface profile dry-run`. Exit code 1: something would stay inside.
    #[command(
        after_help = "Example:\n  efface route explain --config efface.yaml --calling PACS --called EFFACE_URGENT study/\n\nWith --json: {calling, called, routes, all_sent, unreadable: [{file, why}], studies: [{files, ways: [{instances, example, is_sent, lines: [words]}]}]}."
    )]
    Explain(ExplainArgs),
}

#[derive(Args)]
pub struct ExplainArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Who would send them; otherwise the first under allow:
    #[arg(long, value_name = "AE_TITLE")]
    calling: Option<String>,
    /// To which of our AE titles; otherwise ae_title:
    #[arg(long, value_name = "AE_TITLE")]
    called: Option<String>,
    /// DICOM files and folders
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// `efface route ...`
///
/// # Errors
/// A configuration with mistakes, or files that are not there.
pub fn run(command: RouteCommand) -> Result<ExitCode, Problem> {
    match command {
        RouteCommand::Explain(args) => explain(&args),
    }
}

/// What is shown.
#[derive(Serialize)]
struct Shown {
    /// Who would send; `None`: nobody may.
    calling: Option<String>,
    called: String,
    /// Rules of the configuration; 0: everything goes to every destination.
    routes: usize,
    /// Whether nothing would stay inside.
    all_sent: bool,
    unreadable: Vec<Unreadable>,
    studies: Vec<Study>,
}

#[derive(Serialize)]
struct Unreadable {
    file: PathBuf,
    why: String,
}

#[derive(Serialize)]
struct Study {
    files: usize,
    ways: Vec<Alike>,
}

/// Instances that go the same way, and one of them.
#[derive(Serialize)]
struct Alike {
    instances: usize,
    example: PathBuf,
    #[serde(flatten)]
    way: Way,
}

fn explain(args: &ExplainArgs) -> Result<ExitCode, Problem> {
    let settings = serve::read_as_in_force(&args.config)?;
    let first = settings.allow.first().map(|caller| caller.ae_title.to_string());
    let calling = args.calling.clone().or(first);
    let called = args.called.clone().unwrap_or_else(|| settings.ae_title.to_string());
    let Inputs { studies, malformed } = Inputs::find(&args.files)?;
    let unreadable: Vec<_> =
        malformed.into_iter().map(|(file, why)| Unreadable { file, why }).collect();
    let study = |files: Vec<File>| Study {
        files: files.len(),
        ways: ways(&settings, files, &calling, &called),
    };
    let studies: Vec<Study> = studies.into_values().map(study).collect();
    let mut all_ways = studies.iter().flat_map(|study| &study.ways);
    let all_sent = unreadable.is_empty() && all_ways.all(|alike| alike.way.is_sent);
    let routes = settings.routing.rules.len();
    let shown = Shown { calling, called, routes, all_sent, unreadable, studies };
    if args.json {
        super::json(&shown)?
    } else {
        shown.say(&args.config)
    }
    Ok(if all_sent { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Shown {
    fn say(&self, config: &Path) {
        if self.routes == 0 {
            println!("no routes: in {}: everything goes to every destination", config.display());
        }
        println!("sent by {} to {}", self.calling.as_deref().unwrap_or("nobody"), self.called);
        for Unreadable { file, why } in &self.unreadable {
            println!("{}: {why}", file.display());
        }
        for (n, Study { files, ways }) in self.studies.iter().enumerate() {
            println!("study {}: {files} files", n + 1);
            for Alike { instances, example, way } in ways {
                println!("  {instances} instances, for example {}", example.display());
                way.lines.iter().for_each(|line| println!("    {line}"));
            }
        }
    }
}

/// What would happen, in words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Way {
    lines: Vec<String>,
    is_sent: bool,
}

fn ways(
    settings: &Settings,
    files: Vec<File>,
    calling: &Option<String>,
    called: &str,
) -> Vec<Alike> {
    let mut ways: BTreeMap<Way, (usize, PathBuf)> = BTreeMap::new();
    for File { path, source } in files {
        let way = match Object::open(source) {
            Ok(object) => {
                let sop_class = object.subject().sop_class();
                let traits = Traits::of(object.dataset(), sop_class);
                let traits = traits.sent(calling.clone(), Some(called.to_owned()));
                let facts = Facts::of(object.dataset(), sop_class, object.has_pixels());
                Way::of(settings, &traits, &facts, sop_class)
            }
            Err(error) => Way { lines: vec![format!("stays inside: {error}")], is_sent: false },
        };
        ways.entry(way).or_insert((0, path)).0 += 1;
    }
    let alike = |(way, (instances, example))| Alike { instances, example, way };
    ways.into_iter().map(alike).collect()
}

impl Way {
    fn of(settings: &Settings, traits: &Traits, facts: &Facts, sop_class: &str) -> Way {
        let Settings { routing, destinations, .. } = settings;
        let mut lines = passed_over(routing, traits);
        if let Some(why) = routing.stays(traits) {
            lines.push(format!("stays inside, no-route: {why}"));
            if why == Stays::NoRule {
                lines.push("add a rule that fits, or one with to: [] that says so".to_owned());
            }
            return Way { lines, is_sent: false };
        }
        if let Some(rule) = routing.rule(traits) {
            lines.push(format!("rule {} decides: {}, {}", rule.name, rule.priority, rule.hours));
        }
        let mut is_sent = true;
        for to in destinations.iter().filter(|to| routing.sends(traits, &to.name)) {
            let (name, project, profile) = (&to.name, &to.project, to.profile.name());
            lines.push(format!("to {name}: project {project}, profile {profile}"));
            lines.push(format!("  {}", may_be_sent_to(&to.residency, &to.profile)));
            if !to.residency.allows_class(sop_class) {
                lines.push("  withheld: the register does not allow this SOP class".to_owned());
                is_sent = false;
            }
            if let Verdict::Withhold(code, why) = facts.decide(&to.profile) {
                lines.push(format!("  withheld, {}: {why}", code.name()));
                is_sent = false;
            }
        }
        Way { lines, is_sent }
    }
}

/// The rules before the one that decides, and what of each is not met.
fn passed_over(routing: &Routing, traits: &Traits) -> Vec<String> {
    let before = routing.rules.iter().map_while(|rule| {
        let unmet = rule.when.unmet(traits)?;
        Some(format!("not rule {}: its {} is another", rule.name, unmet.name()))
    });
    before.collect()
}
