//! `cargo run --release --example forge -- 100000 [--seed N] [--profile NAME] [--keep-going]`
//!
//! Forges objects with canaries in every place, sends them through `efface deid` and searches what
//! comes out. Exit code 1: something leaked.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that speaks to a person")]

#[path = "mod.rs"]
mod forge;
#[path = "../support/mod.rs"]
mod support;

use clap::Parser;
use forge::run::{self, Settings};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Forges objects with canaries in every place and looks for them in all that efface puts out.
#[derive(Parser)]
struct Arguments {
    /// Objects, at least
    #[arg(default_value_t = 3000)]
    objects: u64,
    /// The same seed makes the same objects
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only under this profile: leave, the name of a shipped one, or "NAME and leave"
    #[arg(long)]
    profile: Option<String>,
    /// Go on after a leak
    #[arg(long)]
    keep_going: bool,
    /// Leave inputs and outputs of what leaked here
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print every reason for which something was withheld
    #[arg(long)]
    reasons: bool,
    /// Write the files of this study and what is planted in them, and do nothing else
    #[arg(long, value_name = "N", requires = "keep")]
    study: Option<u64>,
}

/// With this variable set, this program is efface itself: one build, one binary.
const AS_EFFACE: &str = "FORGE_AS_EFFACE";

fn main() -> ExitCode {
    if std::env::var_os(AS_EFFACE).is_some() {
        return efface::cli::run();
    }
    let arguments = Arguments::parse();
    if let (Some(number), Some(keep)) = (arguments.study, &arguments.keep) {
        return show(arguments.seed, number, keep);
    }
    let settings = Settings {
        seed: arguments.seed,
        objects: arguments.objects,
        profile: arguments.profile,
        keep_going: arguments.keep_going,
        keep: arguments.keep,
        workers: std::thread::available_parallelism().map_or(1, usize::from),
        program: || {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.env(AS_EFFACE, "1");
            command
        },
    };
    let outcome = run::run(&settings, &|so_far| {
        eprint!(
            "\r{} objects, {} left, {} leaks ",
            so_far.objects,
            so_far.left,
            so_far.leaks.len()
        );
    });
    println!("\nseed {}\n{}", settings.seed, outcome.report(arguments.reasons));
    let clean = outcome.leaks.is_empty() && outcome.problems.is_empty();
    if clean { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn show(seed: u64, number: u64, folder: &std::path::Path) -> ExitCode {
    let study = forge::generator::study(seed, number);
    for object in &study.objects {
        println!("{} in {:?}", object.class, object.syntax);
        object.canaries.iter().for_each(|canary| println!("  {}", canary.describe()));
    }
    for path in run::write_studies(folder, &[study]) {
        println!("{}", path.display());
    }
    ExitCode::SUCCESS
}
