//! `efface doctor`: whether a gateway can do its work on this machine, and what to do where it cannot.
//!
//! It changes nothing but a file of its own in the state directory, which it removes. Nothing that it prints is of a data set.

mod checks;

use super::{Problem, paint, serve};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
#[command(
    after_help = "Exit code 0: nothing is wrong; 1: something is. As the user that runs the gateway:\n  sudo -u efface efface doctor --config /etc/efface/efface.yaml\n\nWith --json: a list of {what, verdict, is, todo}; verdict is good, doubtful or wrong, todo is left out where there is nothing to do."
)]
pub struct DoctorArgs {
    /// Configuration of the gateway
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Do not call at destinations (a C-ECHO each, under their TLS)
    #[arg(long)]
    offline: bool,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Good,
    /// It works, and somebody should look.
    Doubtful,
    /// It does not work, or not for long.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    /// What.
    what: String,
    verdict: Verdict,
    /// How it is, in words.
    is: String,
    /// What a person can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

impl Finding {
    fn good(what: impl Into<String>, is: impl Into<String>) -> Self {
        Finding { what: what.into(), verdict: Verdict::Good, is: is.into(), todo: None }
    }

    fn doubtful(what: impl Into<String>, is: impl Into<String>, todo: &str) -> Self {
        let todo = Some(todo.to_owned());
        Finding { what: what.into(), verdict: Verdict::Doubtful, is: is.into(), todo }
    }

    fn wrong(what: impl Into<String>, is: impl Into<String>, todo: &str) -> Self {
        Finding { verdict: Verdict::Wrong, ..Finding::doubtful(what, is, todo) }
    }
}

/// Looks at everything that a gateway needs.
///
/// # Errors
/// A configuration that does not read: what is wrong with it is the first thing to put right.
pub fn run(args: &DoctorArgs) -> Result<ExitCode, Problem> {
    let findings = checks::all(serve::read(&args.config)?, args.offline);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        let width = findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
        for Finding { what, verdict, is, todo } in &findings {
            let said = match verdict {
                Verdict::Good => paint::good(format_args!("{:8}", "good")),
                Verdict::Doubtful => paint::doubtful(format_args!("{:8}", "doubtful")),
                Verdict::Wrong => paint::wrong(format_args!("{:8}", "WRONG")),
            };
            anstream::println!("{said}  {what:width$}  {is}");
            todo.iter().for_each(|todo| println!("{:8}  {:width$}  -> {todo}", "", ""));
        }
    }
    let worst = findings.iter().map(|finding| finding.verdict).max();
    Ok(if worst == Some(Verdict::Wrong) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
