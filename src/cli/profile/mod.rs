//! `efface profile`: what a profile lets leave, and why; what a change would do; what becomes of a
//! real object.

mod before_after;
mod conformance;
mod diff;
mod dry_run;
mod explain;

use super::Problem;
use crate::config;
use crate::profile::{Ground, Profile, Rule, SHIPPED, language, words};
use clap::Subcommand;
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum ProfileCommand {
    /// List the profiles that efface brings along
    List,
    /// Say everything that is wrong with profiles, or what each is, on one line
    ///
    /// Exit code 1: something is wrong with one.
    Check {
        /// Profile files, or names of shipped ones
        #[arg(required = true, value_name = "FILE")]
        profiles: Vec<String>,
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
}

/// Runs a command.
///
/// # Errors
/// What keeps it from doing its work, in words.
pub fn run(command: ProfileCommand) -> Result<ExitCode, Problem> {
    match command {
        ProfileCommand::List => Ok(list()),
        ProfileCommand::Check { profiles } => Ok(check(&profiles)),
        ProfileCommand::Explain(args) => explain::run(&args),
        ProfileCommand::Diff(args) => diff::run(&args),
        ProfileCommand::DryRun(args) => dry_run::run(&args),
        ProfileCommand::Conformance { profile } => {
            print(&conformance::statement(&load(&profile)?))?;
            Ok(ExitCode::SUCCESS)
        }
        ProfileCommand::Schema => {
            print(&format!("{:#}\n", language::schema()))?;
            Ok(ExitCode::SUCCESS)
        }
    }
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

fn list() -> ExitCode {
    for (name, text) in SHIPPED {
        println!("{name:22} {}", first_sentence(text));
    }
    ExitCode::SUCCESS
}

/// The first sentence of the comment at the head of a profile.
fn first_sentence(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix('#').map(str::trim));
    let paragraph: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    match paragraph.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => paragraph,
    }
}

fn check(profiles: &[String]) -> ExitCode {
    let mut all_right = true;
    for name in profiles {
        match config::load_profile(name, None) {
            Ok(profile) => println!("{name}: {}", summary(&profile)),
            Err(mistakes) => {
                all_right = false;
                eprintln!("{mistakes}");
            }
        }
    }
    if all_right { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn summary(profile: &Profile) -> String {
    let (options, rules) = (profile.options().iter().count(), profile.rules().len());
    let reasons = profile.reasons().len();
    format!(
        "profile {} {}, {options} options, {rules} rules, {reasons} reasons for being weaker",
        profile.name(),
        short_digest(profile)
    )
}

/// As in the log and in De-identification Method (0012,0063).
fn short_digest(profile: &Profile) -> String {
    data_encoding::HEXLOWER.encode(&profile.digest()[..8])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_profile_says_what_it_is_for() {
        for (name, text) in SHIPPED {
            let sentence = first_sentence(text);
            assert!(sentence.len() > 20 && sentence.ends_with('.'), "{name}: {sentence}");
        }
        assert_eq!(first_sentence("# One. Two.\n# Three.\n"), "One.");
        assert_eq!(first_sentence("name: x"), "");
    }
}
