//! `efface approval`: what one person alone may not do. A request is written, two people sign it, it is used once.

use super::Problem;
use super::audit::{create, read};
use super::objection::{Site, SiteArgs};
use super::witness::name;
use crate::approval::{self, Approvers, Change, InForce, NEEDED, Operation, Policy, Request};
use crate::audit::Signer as LogSigner;
use crate::config::Settings;
use crate::desk;
use crate::disk;
use crate::key::RootKey;
use crate::note::{self, Kind, Note, Signed, Verifier};
use crate::shelf;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum ApprovalCommand {
    /// Make a key for somebody who is to agree to things; prints the line for approvers: in the configuration
    Key {
        /// What the person is called in the log
        #[arg(long, value_name = "NAME", value_parser = name)]
        name: String,
        /// File to write; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show what a request asks for, and who has signed it
    #[command(
        after_help = "With --json: {log, until, words: [line], operation, signatures: [{name, signed}]}; signed is yes, no or forged."
    )]
    Show {
        /// The request
        file: PathBuf,
        /// The line that a person's signature is checked by; may be given several times
        #[arg(long, value_name = "LINE")]
        person: Vec<Verifier>,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Sign a request: agree to what it asks for
    Sign {
        /// The request
        file: PathBuf,
        /// The key of the person who agrees
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Do not ask again
        #[arg(long)]
        yes: bool,
    },
    /// Ask for a configuration that one person alone may not put in force
    Change {
        /// The new configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Request to write; it must not exist
        #[arg(long, value_name = "FILE")]
        ask: PathBuf,
    },
    /// Hand in the approval of a new configuration: the next start under it needs it
    Submit {
        /// The request, signed by two people
        file: PathBuf,
        /// The new configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// How two people agree to what a command does.
#[derive(Args)]
pub struct ApprovalArgs {
    /// Where two people must agree: write the request that they are to sign, and do nothing else
    #[arg(long, value_name = "FILE", conflicts_with = "approval")]
    ask: Option<PathBuf>,
    /// The request, signed by two people
    #[arg(long, value_name = "FILE")]
    approval: Option<PathBuf>,
}

/// Whether a command goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Two people agree, and it stands in the log, with this nonce; or nobody has to, and there is none.
    Go(String),
    /// A request was written.
    Asked,
}

/// Whether a command goes on that takes the agreement of two people along.
pub enum Given {
    /// With what they signed, if they must.
    Go(Option<String>),
    /// A request was written.
    Asked,
}

/// `efface approval ...`
///
/// # Errors
/// What is wrong, or what the system says.
pub fn run(command: ApprovalCommand) -> Result<ExitCode, Problem> {
    match command {
        ApprovalCommand::Key { name, out } => make_key(&name, &out)?,
        ApprovalCommand::Show { file, person, json } => show(&file, &person, json)?,
        ApprovalCommand::Sign { file, key, yes } => sign(&file, &key, yes)?,
        ApprovalCommand::Change { config, ask } => change(&config, &ask)?,
        ApprovalCommand::Submit { file, config } => submit(&file, &config)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl ApprovalArgs {
    /// Has an operation agreed to, if two people must: whatever it is of is done after this, or not at all.
    ///
    /// # Errors
    /// They do not agree, or not to this.
    pub(super) fn settle(&self, site: &Site, operation: &Operation) -> Result<Settled, Problem> {
        let state = site.spool.root();
        let entered = InForce::of(state, &site.root).read();
        let entered = entered.map_err(|error| format!("{}/policy: {error}", state.display()))?;
        let approvers = match (entered, &site.settings) {
            (Some(entered), _) => entered.policy.approvers,
            // Before the gateway has ever run.
            (None, Some(settings)) => settings.approvers.clone(),
            (None, None) => Approvers::default(),
        };
        if !approvers.must_agree_to(operation)? {
            return Ok(Settled::Go(String::new()));
        }
        let names: Vec<&str> = approvers.names().collect();
        if let Some(file) = &self.ask {
            ask(file, operation, LogSigner::of(&site.root).verifier().name(), &names)?;
            return Ok(Settled::Asked);
        }
        let note = self.signed(&names)?;
        desk::approve(state, &site.root, &note, operation)?;
        Ok(Settled::Go(Request::read(&note)?.nonce))
    }

    /// The agreement to an operation, for whoever takes it himself: `None` where nobody has to agree.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(super) fn given(
        &self,
        site: &Site,
        operation: Option<&Operation>,
        approvers: &Approvers,
    ) -> Result<Given, Problem> {
        let names: Vec<&str> = approvers.names().collect();
        match (operation, &self.ask) {
            (None, Some(_)) => Err("nobody has to agree to this: do it without --ask".into()),
            (None, None) => Ok(Given::Go(None)),
            (Some(operation), Some(file)) => {
                ask(file, operation, LogSigner::of(&site.root).verifier().name(), &names)?;
                Ok(Given::Asked)
            }
            (Some(_), None) => Ok(Given::Go(Some(self.signed(&names)?))),
        }
    }

    /// The request that was signed.
    fn signed(&self, names: &[&str]) -> Result<String, Problem> {
        match &self.approval {
            Some(file) => read(file),
            None => Err(format!(
                "{NEEDED} of {} must agree to this. Write the request with --ask FILE, have them sign it, and give it with --approval FILE",
                names.join(", ")
            )
            .into()),
        }
    }
}

fn ask(file: &Path, operation: &Operation, log: &str, names: &[&str]) -> Result<(), Problem> {
    let request = Request::new(operation.clone(), log)?;
    create(file)?.write_all(request.to_text()?.as_bytes())?;
    println!(
        "{}: to be signed by {NEEDED} of {}, until {}:",
        file.display(),
        names.join(", "),
        request.until
    );
    operation.in_words().iter().for_each(|line| println!("  {line}"));
    println!("Each of them: efface approval sign {} --key KEY", file.display());
    Ok(())
}

fn make_key(name: &str, out: &Path) -> Result<(), Problem> {
    println!("{}", note::file::create(out, name, Kind::Text)?);
    eprintln!(
        "That line goes under approvers: in the configuration. The file stays with {name} alone."
    );
    Ok(())
}

/// What is shown of a request.
#[derive(Serialize)]
struct Shown<'a> {
    /// The log at which it may be used.
    log: &'a str,
    until: &'a str,
    /// What it asks for.
    words: Vec<String>,
    operation: &'a Operation,
    /// Of the people who were named.
    signatures: Vec<Signature<'a>>,
}

#[derive(Serialize)]
struct Signature<'a> {
    name: &'a str,
    signed: Signed,
}

fn show(file: &Path, people: &[Verifier], json: bool) -> Result<(), Problem> {
    let text = read(file)?;
    let request = Request::read(&text)?;
    let note = Note::parse(&text);
    let signature =
        |person: &'_ Verifier| note.as_ref().map_or(Signed::No, |note| note.is_signed_by(person));
    let shown = Shown {
        log: &request.log,
        until: &request.until,
        words: request.operation.in_words(),
        operation: &request.operation,
        signatures: people
            .iter()
            .map(|person| Signature { name: person.name(), signed: signature(person) })
            .collect(),
    };
    if json {
        return super::json(&shown);
    }
    println!("at {}, until {}:", shown.log, shown.until);
    shown.words.iter().for_each(|line| println!("  {line}"));
    for Signature { name, signed } in &shown.signatures {
        let words = match signed {
            Signed::Yes => "has signed",
            Signed::No => "has not signed",
            Signed::Forged => "THE SIGNATURE DOES NOT HOLD",
        };
        println!("{name}: {words}");
    }
    Ok(())
}

fn sign(file: &Path, key: &Path, yes: bool) -> Result<(), Problem> {
    let text = read(file)?;
    let request = Request::read(&text)?;
    let signer = note::file::read(key, Kind::Text)?;
    let Some(signed) = Request::sign(&text, &signer)? else {
        return Err(format!(
            "{} has signed it already: somebody else must",
            signer.verifier().name()
        )
        .into());
    };
    println!(
        "{} agrees, at {}, until {}, to:",
        signer.verifier().name(),
        request.log,
        request.until
    );
    request.operation.in_words().iter().for_each(|line| println!("  {line}"));
    if !yes && !is_confirmed()? {
        return Err("nothing was signed".into());
    }
    disk::write_whole(file, signed.as_bytes())?;
    println!("signed");
    Ok(())
}

fn is_confirmed() -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(io::Error::other("not at a terminal: give --yes"));
    }
    println!("Write yes to sign:");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}

fn change(config: &Path, file: &Path) -> Result<(), Problem> {
    let mut site = SiteArgs::of(config).open()?;
    let (operation, approvers) = changed(&mut site)?;
    let names: Vec<&str> = approvers.names().collect();
    if names.is_empty() {
        return Err("nobody is named who must agree: the gateway starts under it as it is".into());
    }
    let log = LogSigner::of(&site.root);
    ask(file, &operation, log.verifier().name(), &names)?;
    println!("Then: efface approval submit {} --config {}", file.display(), config.display());
    Ok(())
}

fn submit(file: &Path, config: &Path) -> Result<(), Problem> {
    let mut site = SiteArgs::of(config).open()?;
    let (operation, approvers) = changed(&mut site)?;
    let note = read(file)?;
    let log = LogSigner::of(&site.root);
    let approved = approvers.check(&note, &operation, log.verifier().name())?;
    let folder = approval::approvals(site.spool.root());
    disk::make_dir(&folder)?;
    disk::write_whole(&folder.join(&approved.request().nonce), note.as_bytes())?;
    println!(
        "{} agree; the gateway starts under {} now",
        approved.by().join(" and "),
        config.display()
    );
    Ok(())
}

/// What of a configuration two people must agree to, and who may.
fn changed(site: &mut Site) -> Result<(Operation, Approvers), Problem> {
    let settings = site.settings.as_mut().ok_or("a configuration")?;
    let in_force = shelf::in_force(site.spool.root(), &site.root)?;
    let in_force =
        in_force.ok_or("the gateway has not run yet: it starts under any configuration")?;
    settings.use_kept(&in_force)?;
    let operation = in_force.change(&settings.policy(&site.root));
    let operation = operation.ok_or("nothing in it needs two people")?;
    Ok((operation, in_force.approvers))
}

/// What a configuration would change, for `efface config check`. Where nobody is named who must agree, nobody needs to.
pub(super) fn changes(settings: &Settings, root: &RootKey, in_force: &Policy) -> Vec<Change> {
    let agree = !in_force.approvers.is_empty();
    let changes = in_force.changes(&settings.policy(root));
    let change = |change: Change| Change { needs_two: change.needs_two && agree, ..change };
    changes.into_iter().map(change).collect()
}
