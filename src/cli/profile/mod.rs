//! `efface profile`: what a profile lets leave, and why; what a change would do; what becomes of a
//! real object.

mod before_after;
mod conformance;
mod diff;
mod dry_run;
mod explain;
mod kept;

use super::Problem;
use super::objection::SiteArgs;
use crate::config::{self, WrittenProfile};
use crate::profile::{Ground, Profile, Rule, language, words};
use crate::shelf::Which;
use crate::view::profile::{Checked, Mistake, Summary, check as look, shipped};
use clap::Subcommand;
use serde::Serialize;
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum ProfileCommand {
    /// List the profiles that efface brings along
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Say everything that is wrong with profiles, or what each is, on one line
    ///
    /// Exit code 1: something is wrong with one.
    Check {
        /// Profile files, or names of shipped ones
        #[arg(required = true, value_name = "FILE")]
        profiles: Vec<String>,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Say what happens to an element, who decides, and why
    Explain(explain::ExplainArgs),
    /// Say in words what would newly leave, or no longer leave, if B took the place of A
    ///
    /// Exit code 0: nothing differs; 1: something does.
    #[command(after_help = "Example:\n  efface profile diff basic lab.yaml")]
    Diff(diff::DiffArgs),
    /// Show what would become of real files: through the whole pipeline, and nothing is kept
    DryRun(dry_run::DryRunArgs),
    /// Print the de-identification part of a DICOM conformance statement (PS3.2), in Markdown
    Conformance {
        /// Profile file, or the name of a shipped one
        profile: String,
    },
    /// Print the profile language as a JSON Schema, for editors
    Schema,
    /// Keep a profile as a draft for a destination, and say what it would change
    #[command(after_help = kept::EXAMPLES)]
    Propose(kept::ProposeArgs),
    /// Put a version in force, while the gateway runs: what it begins from then on leaves under it
    ///
    /// Two people must agree where people are named and it is not plainly stricter than what is in force, as at a start. What
    /// is in work ends under the one before. It holds over restarts: what profile: in the configuration says is not used
    /// until `configuration` is put in force again, and a start is refused when it says something else than it did.
    #[command(after_help = kept::EXAMPLES)]
    Activate(kept::ActivateArgs),
    /// Put an older version in force again, by the same rule
    Rollback(kept::ActivateArgs),
    /// What is in force, what was proposed and what was put in force when, and who agreed
    History {
        /// The destination; without it, what is in force for each
        destination: Option<String>,
        #[command(flatten)]
        site: SiteArgs,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Print the text of a version, to edit it
    Show {
        /// The destination
        destination: String,
        /// Number of the version, or configuration
        version: Which,
        #[command(flatten)]
        site: SiteArgs,
    },
}

/// Runs a command.
///
/// # Errors
/// What keeps it from doing its work, in words.
pub fn run(command: ProfileCommand) -> Result<ExitCode, Problem> {
    match command {
        ProfileCommand::List { json } => list(json)?,
        ProfileCommand::Check { profiles, json } => return check(&profiles, json),
        ProfileCommand::Explain(args) => return explain::run(&args),
        ProfileCommand::Diff(args) => return diff::run(&args),
        ProfileCommand::DryRun(args) => return dry_run::run(&args),
        ProfileCommand::Conformance { profile } => {
            print(&conformance::statement(&load(&profile)?))?;
        }
        ProfileCommand::Schema => print_json(&language::schema())?,
        ProfileCommand::Propose(args) => kept::propose(&args)?,
        ProfileCommand::Activate(args) => kept::activate(&args)?,
        ProfileCommand::Rollback(args) => kept::roll_back(&args)?,
        ProfileCommand::History { destination, site, json } => {
            kept::history(&site.open()?, destination.as_deref(), json)?;
        }
        ProfileCommand::Show { destination, version, site } => {
            kept::show(&site.open()?, &destination, version)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what may be longer than a screen: whoever reads it may stop (`| head`).
fn print(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

fn load(name: &str) -> Result<Profile, Problem> {
    Ok(config::load_profile(name, None)?)
}

fn print_json(value: &impl Serialize) -> Result<(), Problem> {
    Ok(print(&format!("{}\n", serde_json::to_string_pretty(value)?))?)
}

fn list(json: bool) -> Result<(), Problem> {
    let all = shipped();
    if json {
        return print_json(&all);
    }
    all.iter().for_each(|one| println!("{:22} {}", one.name, one.what_for));
    Ok(())
}

fn check(profiles: &[String], json: bool) -> Result<ExitCode, Problem> {
    let mut all = Vec::new();
    for name in profiles {
        let read = WrittenProfile::read(name, None);
        let checked = match &read {
            Ok(written) => look(name, &written.text),
            Err(why) => unreadable(name, why),
        };
        match (&checked.profile, read.and_then(|written| written.parse())) {
            _ if json => {}
            (Some(profile), _) => println!("{name}: {}", summary(profile)),
            (None, Err(why)) => eprintln!("{why}"),
            (None, Ok(_)) => {}
        }
        all.push(checked);
    }
    if json {
        print_json(&all)?;
    }
    let is_all_right = all.iter().all(|checked| checked.profile.is_some());
    Ok(if is_all_right { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn unreadable(name: &str, why: &str) -> Checked {
    let mistakes = vec![Mistake { line: None, column: None, what: why.to_owned() }];
    Checked { file: name.to_owned(), profile: None, mistakes }
}

fn summary(profile: &Summary) -> String {
    let Summary { name, plan, options, rules, reasons } = profile;
    let (options, reasons) = (options.len(), reasons.len());
    format!(
        "profile {name} {plan}, {options} options, {rules} rules, {reasons} reasons for being weaker"
    )
}

/// Who decided, with the rule as it stands in the file.
fn by(profile: &Profile, file: &str, ground: Ground) -> String {
    let rule = match ground {
        Ground::Rule(n) => profile.rules().get(usize::from(n)),
        _ => None,
    };
    rule.map_or_else(|| profile.ground_name(ground), |rule| rule_in_words(rule, file))
}

fn rule_in_words(rule: &Rule, file: &str) -> String {
    format!("rule {file}:{}: {}", rule.line, what_it_does(rule))
}

fn what_it_does(rule: &Rule) -> String {
    let only = words::when(&rule.when).map(|when| format!(", only in {when}"));
    format!("{} {}{}", rule.about, rule.treatment, only.unwrap_or_default())
}
