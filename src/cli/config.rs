//! `efface config check`: what a configuration says, once nothing is wrong with it.

use super::serve::read;
use super::status::may_be_sent_to;
use super::{Problem, approval};
use crate::approval::Change;
use crate::commitment::Listener;
use crate::config::{DestinationSettings, Settings};
use crate::isolation::Attendants;
use crate::key::RootKey;
use crate::net::access::Caller;
use crate::pull::Pacs;
use crate::shelf;
use crate::view::profile::Mistake;
use crate::yaml::Mistakes;
use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Read a configuration and its profiles and say everything that is wrong with them
    Check(CheckArgs),
}

#[derive(Args)]
#[command(
    after_help = "With --json: {file, listen, ae_title, checkpoint_file, audit_repository, tls, receives_as, sends_as, approvers, allow, commitments, \
                  pacs, results_web, console, destinations: [{name, to, project, profile, digest, kept, tls, may_be_sent_to, results, weaker_because}], routes, new: \
                  [{words, needs_two}]}. What is not configured is null, or an empty list. Exit code 2: something is wrong with it, on \
                  stderr; with --json on standard output, as {file, mistakes: [{line, column, what}]}: what is wrong and what to do, at a line and column from 1, null for the whole."
)]
pub struct CheckArgs {
    /// Configuration file
    file: PathBuf,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// `efface config ...`
///
/// # Errors
/// Everything that is wrong with a configuration.
pub fn run(command: &ConfigCommand) -> Result<ExitCode, Problem> {
    let ConfigCommand::Check(CheckArgs { file, json }) = command;
    match (look(file), json) {
        (Ok(shown), true) => super::json(&shown)?,
        (Ok(shown), false) => shown.say(),
        (Err(problem), true) => {
            super::json(&Wrong::of(file, &problem))?;
            return Ok(ExitCode::from(2));
        }
        (Err(problem), false) => return Err(problem),
    }
    Ok(ExitCode::SUCCESS)
}

fn look(file: &Path) -> Result<Shown, Problem> {
    let mut settings = read(file)?;
    let root = RootKey::read_file(&settings.key_file)?;
    let in_force = shelf::in_force(&settings.state, &root)?;
    if let Some(in_force) = &in_force {
        shelf::verify(&settings.state, &root, in_force)?;
        settings.use_kept(in_force)?;
    }
    let mut shown = Shown::of(file, &settings)?;
    if let Some(in_force) = &in_force {
        let changes = approval::changes(&settings, &root, in_force).into_iter();
        shown.new = changes.map(|Change { words, needs_two }| New { words, needs_two }).collect();
    }
    Ok(shown)
}

/// What is wrong with it, or keeps it from being looked at.
#[derive(Serialize)]
struct Wrong {
    file: PathBuf,
    mistakes: Vec<Mistake>,
}

impl Wrong {
    fn of(file: &Path, problem: &Problem) -> Self {
        let whole = || vec![Mistake { line: None, column: None, what: problem.to_string() }];
        let mistakes = problem.downcast_ref::<Mistakes>().map_or_else(whole, Vec::from);
        Wrong { file: file.to_owned(), mistakes }
    }
}

/// What is shown. No secret is in it.
#[derive(Serialize)]
struct Shown {
    file: PathBuf,
    listen: String,
    ae_title: String,
    checkpoint_file: Option<PathBuf>,
    audit_repository: Option<Repository>,
    tls: Option<Tls>,
    /// The user of its own who receives; `None`: whoever runs the gateway.
    receives_as: Option<String>,
    sends_as: Option<String>,
    approvers: Vec<String>,
    allow: Vec<Allowed>,
    commitments: Vec<Known>,
    pacs: Vec<Asked>,
    results_web: Option<String>,
    /// Where people look in with a browser, as a URL.
    console: Option<String>,
    destinations: Vec<Destination>,
    /// Rules, in words; none: everything goes to every destination.
    routes: Vec<String>,
    /// What is not in force yet.
    new: Vec<New>,
}

#[derive(Serialize)]
struct Repository {
    address: String,
    tls: bool,
}

#[derive(Serialize)]
struct Tls {
    certificate: PathBuf,
    /// RFC 3339; `None`: it cannot be read here.
    valid_until: Option<String>,
    ca: PathBuf,
    /// The listener hears plain TCP all the same.
    plain_listener: bool,
}

#[derive(Serialize)]
struct Allowed {
    ae_title: String,
    /// From any address, not from listed ones.
    from_any_address: bool,
    certificate: Option<String>,
}

/// Who is known by an AE title, and where.
#[derive(Serialize)]
struct Known {
    /// Whoever calls by this title.
    calling: String,
    at: String,
}

#[derive(Serialize)]
struct Asked {
    #[serde(flatten)]
    pacs: Known,
    /// It sends what is missing.
    retrieve: bool,
}

#[derive(Serialize)]
struct Destination {
    name: String,
    to: String,
    project: String,
    profile: String,
    /// Of the profile's plan, as it stands in the log.
    digest: String,
    /// Where the profile is from, if not from the configuration.
    kept: Option<String>,
    /// What is believed there; `None`: plain.
    tls: Option<String>,
    may_be_sent_to: String,
    results: Option<String>,
    weaker_because: Vec<String>,
}

#[derive(Serialize)]
struct New {
    words: String,
    /// Two people must agree before the gateway starts under it.
    needs_two: bool,
}

impl Known {
    fn of(Listener { calling, ae_title, address, .. }: &Listener) -> Self {
        Known { calling: calling.to_string(), at: format!("{ae_title}@{address}") }
    }
}

impl Allowed {
    fn of(caller: &Caller) -> Self {
        Allowed {
            ae_title: caller.ae_title.to_string(),
            from_any_address: caller.sources.is_empty(),
            certificate: caller.certificate.as_ref().map(ToString::to_string),
        }
    }
}

impl Tls {
    fn of(tls: &crate::config::Tls) -> Self {
        let until = tls.files.read().ok().and_then(|papers| papers.valid_until());
        let until =
            until.map(|s| humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(s)));
        Tls {
            certificate: tls.files.certificate.clone(),
            valid_until: until.map(|until| until.to_string()),
            ca: tls.files.ca.clone(),
            plain_listener: tls.plain_listener,
        }
    }
}

impl Destination {
    fn of(to: &DestinationSettings, settings: &Settings) -> Self {
        let DestinationSettings { name, project, profile, residency, tls, results, .. } = to;
        Destination {
            name: name.clone(),
            to: to.place(),
            project: project.clone(),
            profile: profile.name().to_owned(),
            digest: HEXLOWER.encode(&profile.digest()[..8]),
            kept: to.kept.as_ref().map(|_| to.whose_profile()),
            tls: tls.as_ref().map(|tls| tls.to_text()),
            may_be_sent_to: may_be_sent_to(residency, profile),
            results: results.as_ref().map(|results| results.to_text(&settings.homes)),
            weaker_because: profile.reasons(),
        }
    }
}

impl Shown {
    fn of(file: &Path, settings: &Settings) -> Result<Self, Problem> {
        let attendants = settings.attendants.as_ref();
        let name = |of: fn(&Attendants) -> &str| attendants.map(|all| of(all).to_owned());
        let repository = settings.audit_repository.as_ref();
        Ok(Shown {
            file: file.to_owned(),
            listen: settings.listen.to_string(),
            ae_title: settings.ae_title.to_string(),
            checkpoint_file: settings.checkpoint_file.clone(),
            audit_repository: repository
                .map(|to| Repository { address: to.address.clone(), tls: to.papers.is_some() }),
            tls: settings.tls.as_ref().map(Tls::of),
            receives_as: name(|all| &all.receiver.user.name),
            sends_as: name(|all| &all.sender.user.name),
            approvers: settings.approvers.names().map(str::to_owned).collect(),
            allow: settings.allow.iter().map(Allowed::of).collect(),
            commitments: settings.commitments.iter().map(Known::of).collect(),
            pacs: settings
                .pacs
                .iter()
                .map(|Pacs { at, retrieve }| Asked { pacs: Known::of(at), retrieve: *retrieve })
                .collect(),
            results_web: settings.results_web.map(|address| address.to_string()),
            console: settings.console.as_ref().map(|console| {
                let how = if console.files.is_some() { "https" } else { "http" };
                format!("{how}://{}", console.listen)
            }),
            destinations: settings
                .destinations
                .iter()
                .map(|to| Destination::of(to, settings))
                .collect(),
            routes: settings.routing.rules.iter().map(|rule| rule.to_text()).collect(),
            new: Vec::new(),
        })
    }

    fn say(&self) {
        println!("{}: listens on {} as {}", self.file.display(), self.listen, self.ae_title);
        match &self.checkpoint_file {
            Some(file) => println!("  keeps the log's newest checkpoint in {}", file.display()),
            None => println!(
                "  keeps no checkpoint elsewhere: a log put back to an older state would not show"
            ),
        }
        match &self.audit_repository {
            Some(Repository { address, tls: true }) => {
                println!("  reports to the audit repository {address}, over TLS");
            }
            Some(Repository { address, tls: false }) => {
                println!("  reports to the audit repository {address}, plain, on this machine");
            }
            None => println!("  reports to no audit repository"),
        }
        self.say_tls();
        match (&self.receives_as, &self.sends_as) {
            (Some(receiver), Some(sender)) => {
                println!("  receives as the user {receiver}, sends as the user {sender}");
            }
            _ => println!("  receives and sends as the user who runs it"),
        }
        match &self.approvers[..] {
            [] => println!("  names nobody who must agree to what one person does"),
            names => println!("  two of {} agree to what one alone may not do", names.join(", ")),
        }
        self.say_peers();
        self.destinations.iter().for_each(Destination::say);
        match &self.routes[..] {
            [] => println!("  sends everything to every destination"),
            rules => rules.iter().for_each(|rule| println!("  route {rule}")),
        }
        for New { words, needs_two } in &self.new {
            let who = match needs_two {
                true => ". Two people must agree: efface approval change",
                false => "",
            };
            println!("  new: {words}{who}");
        }
    }

    fn say_tls(&self) {
        let Some(Tls { certificate, valid_until, ca, plain_listener }) = &self.tls else {
            return println!("  hears plain TCP, without TLS: for a network of its own");
        };
        match plain_listener {
            true => println!("  hears plain TCP, without TLS (listener: plain)"),
            false => println!("  hears TLS alone; believes certificates of {}", ca.display()),
        }
        if let Some(until) = valid_until {
            println!("  shows {}, valid until {until}", certificate.display());
        }
    }

    fn say_peers(&self) {
        for Allowed { ae_title, from_any_address, certificate } in &self.allow {
            let from = if *from_any_address { "any address" } else { "listed addresses" };
            let with =
                certificate.as_ref().map_or(String::new(), |known| format!(", with {known}"));
            println!("  accepts {ae_title} from {from}{with}");
        }
        for Known { calling, at } in &self.commitments {
            println!("  reports storage commitments of {calling} to {at}");
        }
        for Asked { pacs: Known { calling, at }, retrieve } in &self.pacs {
            let and = if *retrieve { ", and has it send what is missing" } else { "" };
            println!("  asks {at} about studies of {calling}{and}");
        }
        if let Some(url) = &self.console {
            println!("  has a console at {url}, once efface console runs");
        }
        if let Some(address) = &self.results_web {
            println!(
                "  takes results by STOW-RS at https://{address}/studies, known by certificates"
            );
        }
    }
}

impl Destination {
    fn say(&self) {
        let Destination { name, to, project, profile, digest, .. } = self;
        println!("  sends to {name}: {to}, project {project}, profile {profile} {digest}");
        if let Some(kept) = &self.kept {
            println!("    that is {kept}");
        }
        match &self.tls {
            Some(tls) => println!("    under TLS; believes {tls}"),
            None => println!("    in plain, without TLS"),
        }
        println!("    {}", self.may_be_sent_to);
        if let Some(results) = &self.results {
            println!("    results come back {results}");
        }
        for because in &self.weaker_because {
            println!("    weaker than its base, because: {because}");
        }
    }
}
