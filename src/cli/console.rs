//! `efface console`: the console itself, and the accounts of those who use it.

use super::Problem;
use super::objection::{Site, SiteArgs};
use super::serve::log_to_stderr;
use super::witness::name;
use super::{reading, serve};
use crate::audit::Event;
use crate::config::{Console, Oidc, Settings};
use crate::console::web::Look;
use crate::console::{Account, Accounts, Keeper, Role};
use crate::desk;
use crate::isolation::{self, PageOrders, Usher};
use crate::key::RootKey;
use crate::net::oidc::Provider;
use crate::net::tls::Papers;
use crate::spool::Spool;
use clap::{Args, Subcommand};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use zeroize::Zeroizing;

/// With a configuration it runs; with a command it keeps accounts.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(
    after_help = "First steps:\n  efface console user add anna --role operator --role reviewer --config /etc/efface/efface.yaml\n  efface console --config /etc/efface/efface.yaml\n\nThe configuration says where it listens: console: { listen: 127.0.0.1:8443 }, or beyond this machine with certificate: and key_file:."
)]
pub struct ConsoleArgs {
    #[command(subcommand)]
    command: Option<ConsoleCommand>,
    /// Configuration of the gateway
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    /// Log lines as JSON, as when stderr is not a terminal
    #[arg(long)]
    log_json: bool,
}

#[derive(Subcommand)]
enum ConsoleCommand {
    /// Keep the accounts of those who may sign in
    #[command(subcommand)]
    User(UserCommand),
}

/// Passwords are asked for at the terminal, or read from the standard input: a line.
#[derive(Subcommand)]
enum UserCommand {
    /// Add somebody
    Add {
        /// What the person is called, also in the log
        #[arg(value_parser = name)]
        name: String,
        /// What the person is there for; may be given several times
        #[arg(long, required = true, value_name = "ROLE")]
        role: Vec<Role>,
        #[command(flatten)]
        site: SiteArgs,
    },
    /// Everybody who may sign in, with the lines for approvers: in the configuration
    #[command(
        after_help = "With --json: a list of {name, roles, since, person}; person is that line."
    )]
    Ls {
        #[command(flatten)]
        site: SiteArgs,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Give somebody other roles: the person signs in again
    Roles {
        /// The account
        name: String,
        /// What the person is there for; may be given several times
        #[arg(long, required = true, value_name = "ROLE")]
        role: Vec<Role>,
        #[command(flatten)]
        site: SiteArgs,
    },
    /// Give somebody who has lost his password a new one
    ///
    /// That is a new key, too: if the person is one of those who agree to what needs two people, two of them must first
    /// agree to the new line under approvers:. Whoever knows the old password changes it in the console, and keeps the key.
    Password {
        /// The account
        name: String,
        #[command(flatten)]
        site: SiteArgs,
    },
    /// Remove somebody: signed out at once
    Remove {
        /// The account
        name: String,
        #[command(flatten)]
        site: SiteArgs,
    },
}

/// `efface console ...`
///
/// # Errors
/// What keeps it from running, or what is wrong.
pub fn run(args: ConsoleArgs) -> Result<ExitCode, Problem> {
    match args.command {
        Some(ConsoleCommand::User(command)) => user(command)?,
        None => watch(&args.config.ok_or("--config FILE")?, args.log_json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn watch(config: &Path, log_json: bool) -> Result<(), Problem> {
    log_to_stderr(log_json);
    let settings = serve::read(config)?;
    let Some(Console { listen, files, language, oidc }) = settings.console.clone() else {
        return Err(format!(
            "{} says nothing of a console: write console: {{ listen: 127.0.0.1:8443 }}",
            config.display()
        )
        .into());
    };
    let papers = files.map(|(certificate, key)| Papers::read_for_browsers(&certificate, &key));
    let tls = papers.transpose()?;
    let provider = oidc.as_ref().map(Oidc::open).transpose()?;
    let root = RootKey::read_file(&settings.key_file)?;
    isolation::keep_memory_private()?;
    if Accounts::of(&settings.state, &root).read()?.is_empty() {
        tracing::warn!("nobody can sign in yet: efface console user add NAME --role ROLE");
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let how = if tls.is_some() { "https" } else { "http" };
    let orders = PageOrders {
        listen,
        look: Look { language, is_tls: tls.is_some(), signs_in_elsewhere: provider.is_some() },
        tls,
        strictness: settings.sandbox,
        keeper: std::process::id(),
        log_json,
    };
    let keeper = Arc::new(Keeper::new(site(settings, root, provider)));
    let usher = Usher { orders, keeper };
    usher.run(&stop, |address| tracing::info!("the console listens at {how}://{address}"))?;
    Ok(())
}

fn site(settings: Settings, root: RootKey, provider: Option<Provider>) -> crate::console::Site {
    let spool = Spool::look(&settings.state);
    crate::console::Site { settings, root, spool, provider }
}

fn user(command: UserCommand) -> Result<(), Problem> {
    match command {
        UserCommand::Add { name, role, site } => {
            let site = site.open()?;
            let known = accounts(&site).read()?;
            if known.iter().any(|account| account.name == name) {
                return Err(format!("{name} is there already. See: efface console user ls").into());
            }
            let account = Account::new(&name, role, &password()?)?;
            change(&site, "account-added", &name, |all| {
                all.push(account.clone());
                Ok(())
            })?;
            println!("{name} may sign in");
            println!("{}", account.person);
            eprintln!(
                "That line goes under approvers: in the configuration, if {name} is one of those who agree."
            );
        }
        UserCommand::Ls { site, json } => list(&site.open()?, json)?,
        UserCommand::Roles { name, role, site } => {
            change(&site.open()?, "account-changed", &name, |all| {
                find(all, &name)?.roles = role;
                Ok(())
            })?;
            println!("{name} has other roles, and signs in again");
        }
        UserCommand::Password { name, site } => {
            let site = site.open()?;
            let roles = find(&mut accounts(&site).read()?, &name)?.roles.clone();
            let account = Account::new(&name, roles, &password()?)?;
            change(&site, "account-changed", &name, |all| {
                *find(all, &name)? = account.clone();
                Ok(())
            })?;
            println!("{name} has a new password, and with it a new key");
            println!("{}", account.person);
        }
        UserCommand::Remove { name, site } => {
            change(&site.open()?, "account-removed", &name, |all| {
                find(all, &name)?;
                all.retain(|account| account.name != name);
                Ok(())
            })?;
            println!("{name} may not sign in any more");
        }
    }
    Ok(())
}

fn accounts(site: &Site) -> Accounts {
    Accounts::of(site.spool.root(), &site.root)
}

/// Changes the accounts. It stands in the log before.
fn change(
    site: &Site,
    change: &str,
    name: &str,
    edit: impl FnOnce(&mut Vec<Account>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let accounts = accounts(site);
    // What is not possible is not written down.
    if change != "account-added" {
        find(&mut accounts.read()?, name)?;
    }
    let event =
        Event::Console { change: change.to_owned(), by: name.to_owned(), from: reading::who() };
    desk::note(site.spool.root(), &site.root, event)?;
    accounts.change(edit)
}

fn find<'a>(all: &'a mut [Account], name: &str) -> Result<&'a mut Account, Problem> {
    let found = all.iter_mut().find(|account| account.name == name);
    Ok(found.ok_or_else(|| format!("there is no account {name}. See: efface console user ls"))?)
}

fn list(site: &Site, json: bool) -> Result<(), Problem> {
    let all = accounts(site).read()?;
    let roles = |account: &Account| account.roles.iter().map(|r| r.name()).collect::<Vec<_>>();
    if json {
        let shown = all.iter().map(|account| {
            serde_json::json!({
                "name": account.name,
                "roles": roles(account),
                "since": account.since,
                "person": account.person,
            })
        });
        println!("{}", serde_json::to_string_pretty(&shown.collect::<Vec<_>>())?);
        return Ok(());
    }
    for account in &all {
        println!("{}  {}  since {}", account.name, roles(account).join(", "), account.since);
        println!("  {}", account.person);
    }
    if all.is_empty() {
        println!("nobody may sign in: efface console user add NAME --role ROLE");
    }
    Ok(())
}

/// At a terminal it is asked for twice; else it is the first line.
fn password() -> Result<Zeroizing<String>, Problem> {
    if !io::stdin().is_terminal() {
        let mut line = Zeroizing::new(String::new());
        io::stdin().lock().read_line(&mut line)?;
        return Ok(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()));
    }
    let first = Zeroizing::new(rpassword::prompt_password("Password: ")?);
    let again = Zeroizing::new(rpassword::prompt_password("Once more: ")?);
    if first != again {
        return Err("the two are not the same: nothing was changed".into());
    }
    Ok(first)
}
