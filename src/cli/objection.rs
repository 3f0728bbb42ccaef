//! `efface objection`: the register of those who object. No number is printed, nor written anywhere but as a keyed hash.

use super::Problem;
use super::approval::{ApprovalArgs, Settled};
use super::inspect::look;
use super::serve::read;
use crate::approval::Operation;
use crate::audit::{self, Event};
use crate::clock::Day;
use crate::config::Settings;
use crate::disk;
use crate::key::RootKey;
use crate::objection::{Added, Book, Called, Objection, Recipient, Scope, Wish, read_csv};
use crate::phi::Phi;
use crate::spool::{Place, Spool};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum ObjectionCommand {
    /// Add an objection: nothing of this patient leaves any more
    #[command(after_help = EXAMPLES)]
    Add {
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        patient: PatientArgs,
        #[command(flatten)]
        scope: ScopeArgs,
        /// The day on which it came in; an answer is due a month later
        #[arg(long, value_name = "DAY")]
        received: Option<Day>,
    },
    /// Lift an objection; what is in quarantine because of it goes on only by efface spool retry
    Lift {
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        patient: PatientArgs,
        /// Instead of the patient: what `efface objection ls` calls the objection
        #[arg(long, value_name = "REFERENCE", conflicts_with_all = ["id", "issuer"])]
        reference: Option<String>,
        #[command(flatten)]
        scope: ScopeArgs,
        #[command(flatten)]
        approval: ApprovalArgs,
    },
    /// Note that the patient got an answer
    Answered {
        #[command(flatten)]
        site: SiteArgs,
        /// What `efface objection ls` calls the objection
        reference: String,
        /// The day of the answer
        #[arg(long, value_name = "DAY")]
        on: Option<Day>,
    },
    /// The objections in force, and the days on which answers are due
    #[command(
        after_help = "With --json: a list of {reference, scope, received, due, answered, lifted, overdue}."
    )]
    Ls {
        #[command(flatten)]
        site: SiteArgs,
        /// Also those that were lifted
        #[arg(long)]
        all: bool,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Add objections from a table: CSV with the columns id and, if wanted, issuer, scope, received
    ///
    /// scope is all, project:NAME or destination:NAME; received is a day. All mistakes are said at once, by their lines,
    /// and with one nothing is taken.
    Import {
        #[command(flatten)]
        site: SiteArgs,
        /// The table
        file: PathBuf,
    },
}

const EXAMPLES: &str = "Without --id the number is read from the standard input, so that no shell remembers it:\n  efface objection add --config /etc/efface/efface.yaml < number.txt";

/// Whose register: that of a configuration, or of a state directory and its key.
#[derive(Args)]
pub struct SiteArgs {
    /// Configuration of the gateway
    #[arg(long, value_name = "FILE", conflicts_with_all = ["state", "key_file"])]
    config: Option<PathBuf>,
    /// State directory of the gateway
    #[arg(long, value_name = "DIR", required_unless_present = "config", requires = "key_file")]
    state: Option<PathBuf>,
    /// Key file of the gateway
    #[arg(long, value_name = "FILE", requires = "state")]
    key_file: Option<PathBuf>,
}

/// Who.
#[derive(Args)]
pub struct PatientArgs {
    /// The patient's number, Patient ID (0010,0020)
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Who gave it out, Issuer of Patient ID (0010,0021); without it the number counts for every issuer
    #[arg(long, value_name = "ISSUER", default_value = "", hide_default_value = true)]
    issuer: String,
}

/// Against what; without either, against everything.
#[derive(Args)]
pub struct ScopeArgs {
    /// Only for this project of the configuration
    #[arg(long, value_name = "NAME", conflicts_with = "destination")]
    project: Option<String>,
    /// Only for this destination of the configuration
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
}

/// A gateway's place: its keys, its state, and what it knows by name.
pub(super) struct Site {
    pub(super) root: RootKey,
    pub(super) spool: Spool,
    /// The configuration, where one was named.
    pub(super) settings: Option<Settings>,
}

/// `efface objection ...`
///
/// # Errors
/// When the register cannot be read or written, or a name is unknown.
pub fn run(command: ObjectionCommand) -> Result<ExitCode, Problem> {
    match command {
        ObjectionCommand::Add { site, patient, scope, received } => {
            add(&site.open()?, patient, scope.scope(), received)
        }
        ObjectionCommand::Lift { site, patient, reference, scope, approval } => {
            lift(&site.open()?, patient, reference, scope, &approval)
        }
        ObjectionCommand::Answered { site, reference, on } => {
            answered(&site.open()?, &reference, on)
        }
        ObjectionCommand::Ls { site, all, json } => list(&site.open()?, all, json),
        ObjectionCommand::Import { site, file } => import(&site.open()?, &file),
    }
}

fn add(
    site: &Site,
    patient: PatientArgs,
    scope: Scope,
    received: Option<Day>,
) -> Result<ExitCode, Problem> {
    site.knows(&scope)?;
    let today = Day::today();
    let received = received.unwrap_or(today);
    if received > today {
        return Err("--received is a day to come".into());
    }
    let number = patient.number()?;
    let wish = with(&number, |number| Wish::new(&patient.issuer, number, scope, received));
    let added = site.book().add(&[wish.ok_or(NO_NUMBER)?])?;
    for Added { reference, scope, received, is_new } in added {
        if is_new {
            println!("{reference}: objects to {}; answer due by {}", words(&scope), received.due());
            println!(
                "Nothing of this patient is released any more. What waits is withdrawn by the running gateway."
            );
        } else {
            println!(
                "{reference}: objects to {} since {received}; it stays as it is",
                words(&scope)
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn lift(
    site: &Site,
    patient: PatientArgs,
    reference: Option<String>,
    scope: ScopeArgs,
    approval: &ApprovalArgs,
) -> Result<ExitCode, Problem> {
    let book = site.book();
    // By its reference everything is lifted, unless a scope is named.
    let is_named = scope.project.is_some() || scope.destination.is_some();
    let only = (reference.is_none() || is_named).then(|| scope.scope());
    let reference = match reference {
        Some(reference) => reference,
        None => {
            let number = patient.number()?;
            let called = with(&number, |number| Called::said(&patient.issuer, number));
            called.reference(book.key())
        }
    };
    let operation = Operation::LiftObjection {
        reference: reference.clone(),
        scope: only.as_ref().map(ToString::to_string),
    };
    if approval.settle(site, &operation)? == Settled::Asked {
        return Ok(ExitCode::SUCCESS);
    }
    match book.lift(&reference, only.as_ref())? {
        0 => Err(format!(
            "{reference}: no such objection is in force. It is found by the same id and issuer, for the same scope. See: efface objection ls"
        )
        .into()),
        lifted => {
            println!("{reference}: {lifted} lifted");
            println!("What is in quarantine because of it stays there until: efface spool retry NAME");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn answered(site: &Site, reference: &str, on: Option<Day>) -> Result<ExitCode, Problem> {
    let on = on.unwrap_or_else(Day::today);
    match site.book().answer(reference, on)? {
        0 => {
            Err(format!("{reference}: nothing waits for an answer. See: efface objection ls")
                .into())
        }
        n => {
            println!("{reference}: {n} answered on {on}");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What is shown of an objection.
#[derive(Serialize)]
struct Shown<'a> {
    reference: &'a str,
    scope: String,
    received: Day,
    due: Day,
    answered: Option<Day>,
    lifted: Option<&'a str>,
    overdue: bool,
}

impl<'a> Shown<'a> {
    fn of(objection: &'a Objection, today: Day) -> Self {
        let (due, answered) = (objection.received.due(), objection.answered);
        Shown {
            reference: &objection.reference,
            scope: objection.scope.to_string(),
            received: objection.received,
            due,
            answered,
            lifted: objection.lifted.as_deref(),
            overdue: answered.is_none() && due < today,
        }
    }

    fn to_words(&self, today: Day) -> String {
        let Shown { reference, scope, received, due, .. } = self;
        let answer = match self.answered {
            Some(day) => format!("answered {day}"),
            None if self.overdue => format!("ANSWER OVERDUE since {due}"),
            None => format!("answer due by {due}, in {} days", today.until(*due)),
        };
        let lifted = self.lifted.map_or(String::new(), |time| format!("  lifted {time}"));
        format!("{reference}  {scope}  received {received}  {answer}{lifted}")
    }
}

fn list(site: &Site, all: bool, json: bool) -> Result<ExitCode, Problem> {
    let (register, today) = (site.book().read()?, Day::today());
    let shown = register.objections().iter().filter(|objection| all || objection.is_in_force());
    let mut shown: Vec<Shown<'_>> = shown.map(|objection| Shown::of(objection, today)).collect();
    // What is most urgent stands last, above the prompt.
    shown.sort_by_key(|s| (s.answered.is_none(), std::cmp::Reverse(s.due)));
    if json {
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(ExitCode::SUCCESS);
    }
    for objection in &shown {
        println!("{}", objection.to_words(today));
    }
    let overdue = shown.iter().filter(|objection| objection.overdue).count();
    let in_force = register.in_force().count();
    println!("{in_force} in force, {overdue} answers overdue");
    Ok(ExitCode::SUCCESS)
}

fn import(site: &Site, file: &Path) -> Result<ExitCode, Problem> {
    let mut text = zeroize::Zeroizing::new(String::new());
    let read = std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text));
    read.map_err(|error| format!("{}: {error}", file.display()))?;
    let wishes = read_csv(&text, Day::today(), |scope| site.knows(scope));
    let wishes = wishes.map_err(|why| format!("{}: nothing was taken\n{why}", file.display()))?;
    let added = site.book().add(&wishes)?;
    let new = added.iter().filter(|added| added.is_new).count();
    println!("{new} added, {} were in force before", added.len() - new);
    println!("{} names patients: delete it when it is no longer needed", file.display());
    Ok(ExitCode::SUCCESS)
}

pub(super) const NO_NUMBER: &str = "the number has no letter and no digit";

fn words(scope: &Scope) -> String {
    match scope {
        Scope::All => "everything".to_owned(),
        Scope::Project(name) => format!("project {name}"),
        Scope::Destination(name) => format!("destination {name}"),
    }
}

/// Hands the number to whoever makes a hash of it.
#[allow(clippy::disallowed_methods)] // it goes into a hash and nowhere else
pub(super) fn with<T>(number: &Phi<String>, make: impl FnOnce(&str) -> T) -> T {
    make(number.expose())
}

impl SiteArgs {
    /// The place of a configuration.
    pub(super) fn of(config: &Path) -> Self {
        SiteArgs { config: Some(config.to_owned()), state: None, key_file: None }
    }

    /// Opens the place.
    ///
    /// # Errors
    /// In words: there is no such configuration, key or state directory.
    pub(super) fn open(&self) -> Result<Site, Problem> {
        let settings = self.config.as_deref().map(read).transpose()?;
        let named = settings.as_ref().map(|s| (s.state.clone(), s.key_file.clone()));
        let named = named.or_else(|| self.state.clone().zip(self.key_file.clone()));
        let (state, key_file) = named.ok_or("--config, or --state and --key-file")?;
        let root = RootKey::read_file(&key_file)?;
        let spool = match settings {
            // Before the gateway has ever run, too; a name from the command line may be a mistake.
            Some(_) => {
                disk::make_dir(&state)?;
                Spool::look(&state)
            }
            None => look(&super::StateArgs { state })?,
        };
        Ok(Site { root, spool, settings })
    }
}

impl Site {
    /// Where random pseudonyms are remembered.
    pub(super) fn crosswalk(&self) -> PathBuf {
        self.spool.crosswalk()
    }

    pub(super) fn book(&self) -> Book {
        Book::new(self.spool.dir(Place::Objections), &self.root)
    }

    /// The newest version of a register that the log knows; `of` reads it from events of this kind.
    ///
    /// # Errors
    /// A log that cannot be read, or is not what was signed.
    pub(super) fn newest_in_log(
        &self,
        kind: &str,
        of: impl Fn(&Event) -> Option<u64>,
    ) -> Result<u64, Problem> {
        let (directory, mut newest) = (self.spool.dir(Place::Audit), 0);
        if directory.join("key").exists() {
            audit::search(&directory, &[&format!("\"event\":\"{kind}\"")], |record| {
                newest = of(&record.event).map_or(newest, |version| newest.max(version));
            })?;
        }
        Ok(newest)
    }

    /// That a scope is about somebody. Without a configuration destinations are known by their outboxes.
    fn knows(&self, scope: &Scope) -> Result<(), String> {
        match (scope, &self.settings) {
            (_, Some(settings)) => scope.is_known_to(settings.recipients()),
            (Scope::Project(_), None) => {
                Err("projects are known by the configuration: name it with --config".to_owned())
            }
            (_, None) => {
                let outboxes = self.spool.outboxes().map_err(|error| error.to_string())?;
                let to = |destination| Recipient { destination, project: "" };
                scope.is_known_to(outboxes.iter().map(|name| to(name)))
            }
        }
    }
}

impl PatientArgs {
    /// The number, from the command line or the first line of the standard input.
    ///
    /// # Errors
    /// The input does not read, or there is none.
    pub(super) fn number(&self) -> Result<Phi<String>, Problem> {
        if let Some(id) = &self.id {
            return Ok(Phi::new(id.clone()));
        }
        if io::stdin().is_terminal() {
            eprintln!("The patient's number:");
        }
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        if line.trim().is_empty() {
            return Err("--id, or the number on the standard input".into());
        }
        Ok(Phi::new(line))
    }

    /// Who gave it out; empty for anybody.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }
}

impl ScopeArgs {
    fn scope(self) -> Scope {
        match (self.project, self.destination) {
            (Some(project), _) => Scope::Project(project),
            (None, Some(destination)) => Scope::Destination(destination),
            (None, None) => Scope::All,
        }
    }
}
