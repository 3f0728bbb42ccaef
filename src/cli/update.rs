//! `efface update`: whether a release is the publisher's, before anybody installs it. Nothing is fetched, nothing is installed.

use super::audit::{create, read};
use super::{Problem, json};
use crate::note::release::{Found, Release, Version};
use crate::note::{self, Kind, Verifier};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum UpdateCommand {
    /// Whether a release is signed by its publisher, no older than this program, and its packages are what was signed
    ///
    /// Packages are looked for beside the release's file; one that is not there is said, and no mistake. Exit code 1: do
    /// not install it.
    #[command(
        after_help = "Example:\n  efface update verify efface-0.2.0.release --key /etc/efface/release.pub\n\nWith --json: {release, running, signed_by, older, good, packages: [{name, found}]}; found is as-released, changed or missing."
    )]
    Verify(VerifyArgs),
    /// For publishers: sign a release of packages
    ///
    /// The key is one that efface approval key makes, kept off every machine that builds or runs efface.
    Sign {
        /// Its version
        #[arg(long, value_name = "VERSION")]
        release: Version,
        /// Key of the publisher
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// File to write; it must not exist
        #[arg(long, short = 'o', value_name = "FILE")]
        out: PathBuf,
        /// Packages
        #[arg(required = true, value_name = "PACKAGE")]
        packages: Vec<PathBuf>,
    },
}

#[derive(Args)]
pub struct VerifyArgs {
    /// The release, as its publisher signed it
    file: PathBuf,
    /// File with the line by which the publisher's signature is checked, had from the publisher and not with the release
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// An older release is no mistake: somebody goes back on purpose
    #[arg(long)]
    allow_older: bool,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// What is shown.
#[derive(Serialize)]
struct Shown<'a> {
    release: String,
    running: String,
    signed_by: &'a str,
    /// Whether it is older than this program.
    older: bool,
    /// Whether it may be installed.
    good: bool,
    packages: Vec<Package<'a>>,
}

#[derive(Serialize)]
struct Package<'a> {
    name: &'a str,
    found: Found,
}

/// `efface update ...`
///
/// # Errors
/// No release of this publisher, or what the system says.
pub fn run(command: UpdateCommand) -> Result<ExitCode, Problem> {
    match command {
        UpdateCommand::Verify(args) => verify(&args),
        UpdateCommand::Sign { release, key, out, packages } => {
            let signer = note::file::read(&key, Kind::Text)?;
            let note = Release::of(release, &packages)?.note(&signer);
            create(&out)?.write_all(note.as_bytes())?;
            println!("{}: {} packages of efface {release}", out.display(), packages.len());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn verify(args: &VerifyArgs) -> Result<ExitCode, Problem> {
    let publisher: Verifier =
        read(&args.key)?.parse().map_err(|error| format!("{}: {error}", args.key.display()))?;
    let release = Release::read(&read(&args.file)?, &publisher);
    let release = match release {
        Ok(release) => release,
        // Said like every other reason not to install it.
        Err(refused) => {
            eprintln!("{}: {refused}", args.file.display());
            return Ok(ExitCode::FAILURE);
        }
    };
    let running = Version::running()?;
    let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let packages = release.look(folder.unwrap_or(Path::new(".")))?;
    let older = release.version < running;
    let is_there = |wanted| packages.iter().any(|(_, found)| *found == wanted);
    let good =
        !is_there(Found::Changed) && is_there(Found::AsReleased) && (args.allow_older || !older);
    let shown = Shown {
        release: release.version.to_string(),
        running: running.to_string(),
        signed_by: publisher.name(),
        older,
        good,
        packages: packages.iter().map(|&(name, found)| Package { name, found }).collect(),
    };
    if args.json {
        json(&shown)?
    } else {
        say(&shown)
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(shown: &Shown<'_>) {
    let Shown { release, running, signed_by, older, good, packages } = shown;
    println!("efface {release}, signed by {signed_by}; this is {running}");
    for Package { name, found } in packages {
        match found {
            Found::AsReleased => println!("  {name}: as it was released"),
            Found::Changed => println!("  {name}: OTHER BYTES THAN WERE RELEASED"),
            Found::Missing => println!("  {name}: not here"),
        }
    }
    match (good, older) {
        (true, _) => println!("it may be installed"),
        (false, true) => {
            println!("DO NOT INSTALL IT: it is older. To go back on purpose: --allow-older")
        }
        (false, false) => println!("DO NOT INSTALL IT: fetch it again"),
    }
}
