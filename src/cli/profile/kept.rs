//! `efface profile propose`, `activate`, `rollback`, `history`, `show`: profiles that are kept for a destination.

use super::diff::in_words;
use super::{Problem, print, print_json};
use crate::approval::Policy;
use crate::cli::approval::{ApprovalArgs, Given};
use crate::cli::objection::{Site, SiteArgs};
use crate::cli::reading;
use crate::config::{self, WrittenProfile};
use crate::desk;
use crate::profile::language;
use crate::profile::words::ENGLISH;
use crate::shelf::{self, Shelf, Wanted, Which};
use crate::view::profile::{self as view, Activation, Draft, History, InForce};
use clap::Args;

pub const EXAMPLES: &str = "Example:\n  efface profile propose lab.yaml --for lab --because \"the study needs ages\" --config efface.yaml\n  efface profile activate lab 3 --config efface.yaml --ask request.txt\n  efface approval sign request.txt --key anna.key         # and somebody else with another key\n  efface profile activate lab 3 --config efface.yaml --approval request.txt";

/// Digits of a digest by which a person tells it from others.
const SHOWN: usize = 16;

#[derive(Args)]
pub struct ProposeArgs {
    /// Profile file, or the name of a shipped one
    file: String,
    /// The destination by its name in the configuration
    #[arg(long = "for", value_name = "DESTINATION")]
    destination: String,
    /// Why it is needed, in words that an auditor understands
    #[arg(long, value_name = "TEXT")]
    because: String,
    #[command(flatten)]
    site: SiteArgs,
    /// What was kept as JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct ActivateArgs {
    /// The destination
    destination: String,
    /// Number of the version (efface profile history), or configuration
    version: Which,
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    approval: ApprovalArgs,
}

pub fn propose(args: &ProposeArgs) -> Result<(), Problem> {
    let ProposeArgs { destination, because, .. } = args;
    let site = args.site.open()?;
    let in_force = in_force(&site, destination)?;
    let written = WrittenProfile::read(&args.file, None)?;
    let new = language::parse(&written.file, &written.text)?;
    site.suits(destination, &new)?;
    let shelf = Shelf::of(site.spool.root(), &site.root, destination);
    let kept = shelf.propose(&written.file, &written.text, &reading::who(), because)?;
    let number = kept.number;
    if args.json {
        return print_json(&kept);
    }
    let known = &in_force.destinations[destination];
    let whose = known.whose();
    let before = language::parse(&whose, &known.profile)?;
    let diff = view::diff(&ENGLISH, (&whose, &before), (&args.file, &new), false);
    print(&in_words(&diff))?;
    println!("\n{destination}: version {number} is kept as a draft. Nothing else was changed.");
    let which = Which::Version(number);
    let ask = match site.wanted(destination, which).operation(site.spool.root(), &site.root)? {
        Some(_) => " --ask FILE    (two people must agree)",
        None => "",
    };
    println!("Next: efface profile activate {destination} {number}{ask}");
    Ok(())
}

pub fn activate(args: &ActivateArgs) -> Result<(), Problem> {
    let site = args.site.open()?;
    let (state, destination) = (site.spool.root(), &args.destination);
    let in_force = in_force(&site, destination)?;
    let wanted = site.wanted(destination, args.version);
    let chosen = wanted.choose(state, &site.root, &in_force)?;
    site.suits(destination, &chosen.profile)?;
    let operation = wanted.operation(state, &site.root)?;
    let given = args.approval.given(&site, operation.as_ref(), &in_force.approvers)?;
    let Given::Go(note) = given else { return Ok(()) };
    desk::activate(state, &site.root, &wanted, note.as_deref())?;
    println!(
        "{destination}: {} ({} {}) is in force. What is in work ends under the one before",
        args.version,
        chosen.activated.name,
        short(&chosen.activated.plan)
    );
    Ok(())
}

pub fn roll_back(args: &ActivateArgs) -> Result<(), Problem> {
    let in_force = in_force(&args.site.open()?, &args.destination)?;
    let known = &in_force.destinations[&args.destination];
    let is_older = match (args.version, known.kept.as_ref()) {
        (Which::Version(wanted), Some(kept)) => wanted < kept.version,
        (Which::Configuration, Some(_)) => true,
        (_, None) => false,
    };
    if !is_older {
        let whose = known.whose();
        return Err(format!(
            "{} is not older than what is in force, {whose}. To put it in force: efface profile activate",
            args.version
        )
        .into());
    }
    activate(args)
}

pub fn history(site: &Site, destination: Option<&str>, json: bool) -> Result<(), Problem> {
    let state = site.spool.root();
    let Some(destination) = destination else {
        let policy = shelf::in_force(state, &site.root)?;
        let all = policy.as_ref().map(view::in_force).unwrap_or_default();
        if json {
            return print_json(&all);
        }
        all.iter().for_each(print_in_force);
        return Ok(());
    };
    let history = view::history(state, &site.root, destination)?;
    if json {
        return print_json(&history);
    }
    let History { in_force, versions, activations } = &history;
    print_in_force(in_force);
    for Draft { version, name, plan, by, time, because, is_in_force } in versions {
        let mark = if *is_in_force { "*" } else { " " };
        let plan = short(plan);
        println!("{mark} version {version}  {name} {plan}  proposed {time} by {by}: {because}");
    }
    for Activation { time, seq, version, name, plan, by, agreed, .. } in activations {
        let which = version.map_or(Which::Configuration, Which::Version);
        let agreed = match &agreed[..] {
            [] => "nobody had to agree".to_owned(),
            names => format!("agreed {}", names.join(" and ")),
        };
        println!(
            "in force since {time}  {which} ({name} {}) by {by}, {agreed}; record {seq}",
            short(plan)
        );
    }
    Ok(())
}

pub fn show(site: &Site, destination: &str, which: Which) -> Result<(), Problem> {
    let policy = in_force(site, destination)?;
    let text = match which {
        Which::Configuration => policy.destinations[destination].configured().to_owned(),
        Which::Version(number) => {
            Shelf::of(site.spool.root(), &site.root, destination).version(number)?.text
        }
    };
    Ok(print(&text)?)
}

fn print_in_force(known: &InForce) {
    let InForce { destination, name, plan, .. } = known;
    println!("{destination}: {name} {} is in force, {}", short(plan), known.whose());
}

fn short(plan: &str) -> &str {
    plan.get(..SHOWN).unwrap_or(plan)
}

/// What is in force, with this destination in it.
fn in_force(site: &Site, destination: &str) -> Result<Policy, Problem> {
    let policy = shelf::in_force(site.spool.root(), &site.root)?;
    let policy = policy.filter(|policy| policy.destinations.contains_key(destination));
    Ok(policy.ok_or_else(|| shelf::Error::Destination(destination.to_owned()))?)
}

impl Site {
    fn wanted(&self, destination: &str, which: Which) -> Wanted {
        let configured = self.settings.iter().flat_map(|settings| &settings.destinations);
        let mut configured = configured.filter(|known| known.name == destination);
        Wanted {
            destination: destination.to_owned(),
            which,
            configured: configured.next().map(|known| known.written.text.clone()),
            by: reading::who(),
        }
    }

    /// Whether a profile can be that of a destination, as the configuration has it.
    fn suits(&self, destination: &str, profile: &crate::profile::Profile) -> Result<(), String> {
        let mut configured = self.settings.iter().flat_map(|settings| &settings.destinations);
        let known = configured.find(|known| known.name == destination);
        match known.and_then(|known| config::refuses(known.crosswalk, profile)) {
            Some(why) => Err(why.to_owned()),
            None => Ok(()),
        }
    }
}
