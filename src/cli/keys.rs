//! `efface keys`: made, parted among people, put together, renewed.

use super::Problem;
use super::approval::{ApprovalArgs, Settled};
use super::audit::create;
use super::objection::SiteArgs;
use crate::approval::Operation;
use crate::key::{self, RootKey, Share};
use clap::Subcommand;
use serde::Serialize;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make a root key. Whoever has it can find every patient again; without it nobody can
    Init {
        /// File to write; it must not exist
        #[arg(long)]
        out: PathBuf,
    },
    /// Print a short name of a key that tells nothing about it
    #[command(after_help = "With --json: {fingerprint, generation}.")]
    Fingerprint {
        /// Key file
        file: PathBuf,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Part a key among people: so many of them can give it back, fewer know nothing of it
    ///
    /// Writes a page for each of them, to be printed and kept apart.
    Split {
        /// Key file
        file: PathBuf,
        /// How many pages
        #[arg(long, value_name = "N", default_value_t = 5)]
        shares: u8,
        /// How many of them give the key back
        #[arg(long, value_name = "N", default_value_t = 3)]
        needed: u8,
        /// Folder for the pages; it must not exist
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Configuration of the gateway that uses the key: where people are named there, two of them must agree
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        approval: ApprovalArgs,
    },
    /// Put a key together from pages, as they were written or typed in again
    Join {
        /// A page of each of so many people
        #[arg(required = true)]
        shares: Vec<PathBuf>,
        /// File to write; it must not exist
        #[arg(long)]
        out: PathBuf,
    },
    /// Write the key once more, so that it opens only to a passphrase
    ///
    /// The gateway then asks for it at its start: at the terminal, or of systemd (LoadCredential=efface-passphrase:FILE). On a
    /// machine with a TPM the key file itself is better kept by it: systemd-creds encrypt --with-key=host+tpm2
    /// --name=efface-root.key root.key CREDENTIAL, and LoadCredentialEncrypted=efface-root.key:CREDENTIAL in the unit.
    Seal {
        /// Key file
        file: PathBuf,
        /// File to write; it must not exist
        #[arg(long)]
        out: PathBuf,
    },
    /// Begin a new generation of pseudonyms, in a new key file that keeps the older ones
    ///
    /// The same patient becomes another one for every destination, except for those that are held to an older generation in
    /// the configuration. The log, the spool and objections go on as before. Where people are named who must agree, the
    /// gateway starts with it only when they do: efface approval change.
    Rotate {
        /// Key file
        file: PathBuf,
        /// File to write; it must not exist
        #[arg(long)]
        out: PathBuf,
    },
}

/// What may be shown of a key.
#[derive(Serialize)]
struct Named<'a> {
    fingerprint: String,
    generation: &'a str,
}

/// # Errors
/// What is wrong with a key, or what the system says.
pub fn run(command: KeysCommand) -> Result<ExitCode, Problem> {
    match command {
        KeysCommand::Init { out } => {
            let key = RootKey::generate()?;
            key.create_file(&out)?;
            println!("{}: root key {}", out.display(), key.fingerprint());
            println!(
                "Keep a copy where only you can get at it: without this file results cannot be"
            );
            println!("matched with patients again, and with it everybody can be found.");
            println!("To part it among people: efface keys split {}", out.display());
        }
        KeysCommand::Fingerprint { file, json } => {
            let key = RootKey::read_file(&file)?;
            let (fingerprint, generation) = (key.fingerprint(), key.generation());
            match json {
                true => super::json(&Named { fingerprint, generation })?,
                false => println!("{fingerprint}"),
            }
        }
        KeysCommand::Split { file, shares, needed, out, config, approval } => {
            if may_split(&file, config.as_deref(), &approval)? {
                split(&file, shares, needed, &out)?;
            }
        }
        KeysCommand::Join { shares, out } => join(&shares, &out)?,
        KeysCommand::Seal { file, out } => {
            let key = RootKey::read_file(&file)?;
            key.create_sealed_file(&out)?;
            println!("{}: root key {}, sealed", out.display(), key.fingerprint());
            println!("Try it, keep the passphrase apart from it, then remove {}", file.display());
        }
        KeysCommand::Rotate { file, out } => rotate(&file, &out)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the key may be parted now. Whoever may read the file could copy it; what is asked for here is that it stands in
/// the log who agreed.
fn may_split(file: &Path, config: Option<&Path>, approval: &ApprovalArgs) -> Result<bool, Problem> {
    let Some(config) = config else { return Ok(true) };
    let site = SiteArgs::of(config).open()?;
    let fingerprint = RootKey::read_file(file)?.fingerprint();
    if fingerprint != site.root.fingerprint() {
        return Err(format!("{} is not the key of {}", file.display(), config.display()).into());
    }
    let operation = Operation::Key { ceremony: "split".to_owned(), fingerprint };
    Ok(approval.settle(&site, &operation)? != Settled::Asked)
}

fn split(file: &Path, all: u8, needed: u8, out: &Path) -> Result<(), Problem> {
    let key = RootKey::read_file(file)?;
    let shares = key::split(&key, all, needed)?;
    let in_folder = |error| format!("{}: {error}", out.display());
    std::fs::DirBuilder::new().mode(0o700).create(out).map_err(in_folder)?;
    for share in &shares {
        let mut page = create(&out.join(format!("share-{}.txt", share.number())))?;
        let written = page.write_all(share.to_text().as_bytes()).and_then(|()| page.sync_all());
        written.map_err(in_folder)?;
    }
    println!("{}: {all} pages of root key {}", out.display(), key.fingerprint());
    println!(
        "Any {needed} of them give it back, fewer tell nothing. Print them, give each to somebody"
    );
    println!("else, and remove the folder. To try it: efface keys join PAGE... --out FILE");
    Ok(())
}

fn join(pages: &[PathBuf], out: &Path) -> Result<(), Problem> {
    let read = |page: &PathBuf| -> Result<Share, Problem> {
        let said = |what: &dyn std::fmt::Display| format!("{}: {what}", page.display());
        let text = std::fs::read_to_string(page).map_err(|error| said(&error))?;
        let text = zeroize::Zeroizing::new(text);
        Ok(Share::from_text(&text).map_err(|error| said(&error))?)
    };
    let shares: Vec<Share> = pages.iter().map(read).collect::<Result<_, _>>()?;
    let key = key::join(&shares)?;
    key.create_file(out)?;
    println!("{}: root key {}", out.display(), key.fingerprint());
    Ok(())
}

fn rotate(file: &Path, out: &Path) -> Result<(), Problem> {
    let old = RootKey::read_file(file)?;
    let new = old.rotated()?;
    new.create_file(out)?;
    println!("{}: root key {}, generation {}", out.display(), new.fingerprint(), new.generation());
    println!(
        "Put it in the place of the old file when efface status shows nothing on its way, and part it"
    );
    println!(
        "anew: pages of the old one do not give it back. A destination that is to see the patients it"
    );
    println!("knows: generation: {} in the configuration.", old.generation());
    Ok(())
}
