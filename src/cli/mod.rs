//! Commands: what a person types, and what is printed for a person to read.
#![allow(clippy::print_stdout, clippy::print_stderr)] // this is where efface speaks

mod approval;
mod audit;
mod config;
mod console;
mod crosswalk;
mod deface;
mod deid;
mod demo;
mod doctor;
mod erasure;
mod inputs;
mod inspect;
mod keys;
mod manual;
mod objection;
mod page;
mod paint;
mod profile;
mod quarantine;
mod reading;
mod recall;
mod reidentify;
mod report;
mod result;
mod route;
mod serve;
mod status;
mod subject;
mod update;
mod views;
mod witness;
mod work;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// De-identifies DICOM studies inside the hospital, removes the face from head CT, and forwards
/// only what an independent verifier has passed.
#[derive(Parser)]
#[command(name = "efface", version, arg_required_else_help = true, max_term_width = 100)]
#[command(
    after_help = "First steps:\n  efface demo\n  efface keys init --out root.key\n  efface serve --help"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway: receive by C-STORE, de-identify, verify, forward
    Serve(serve::ServeArgs),
    /// De-identify files and folders with the same engine
    Deid(deid::DeidArgs),
    /// Remove the face from a CT or MR of the head, and nothing else: NIfTI or DICOM
    ///
    /// What it isn't sure of is not written. NOTHING ELSE IS DE-IDENTIFIED: names, numbers, dates and file names stay
    /// as they are. DICOM files that are to leave the house go through `efface deid` or the gateway.
    Deface(deface::DefaceArgs),
    /// Show the whole way on an embedded study: nothing to install, nothing to configure
    Demo(demo::DemoArgs),
    /// Make keys, part them among people, put them together, begin new generations
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Look at a configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Look at what a profile lets leave, and why; compare two; try one
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
    /// Say what goes where, and why
    #[command(subcommand)]
    Route(route::RouteCommand),
    /// Whether all is well, and where everything is that was ever received
    Status(status::StatusArgs),
    /// Sources, queues and destinations: what came, where it is, how fast it leaves
    Flow(views::FlowArgs),
    /// The way of one study, step by step: what the log says of it, and where it is now
    Study(views::StudyArgs),
    /// What is kept of destinations, objections, requests and keys
    Registers(views::RegistersArgs),
    /// Let people look in, and decide, with a browser; keep their accounts
    Console(console::ConsoleArgs),
    /// Look at everything that a gateway needs on this machine: what is wrong, and what to do about it
    Doctor(doctor::DoctorArgs),
    /// Look at what is in the state directory, and put things back into the queue
    #[command(subcommand)]
    Spool(inspect::SpoolCommand),
    /// Verify, show and export the log of every decision; prove what it says of a study
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Tell who the patient of a pseudonymous study is: two people must agree that somebody has to know
    Reidentify(reidentify::ReidentifyArgs),
    /// Take results that come back: match them with what was sent, re-identify them for the PACS
    #[command(subcommand)]
    Result(result::ResultCommand),
    /// Have a second machine sign the log's checkpoints, so that a rollback shows; be that machine
    #[command(subcommand)]
    Witness(witness::WitnessCommand),
    /// Make pages of what the log says: for an incident, for the board
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// What one person alone may not do: requests, and the signatures of two people who agree
    #[command(subcommand)]
    Approval(approval::ApprovalCommand),
    /// Who objects: add, lift, import, list with the days on which answers are due
    ///
    /// Patients are named by their number, and by whoever gave it out if two sites give out the same ones. Only keyed
    /// hashes are kept. An objection is in force at once for every decision; what waits is withdrawn within a second.
    #[command(subcommand)]
    Objection(objection::ObjectionCommand),
    /// What pseudonyms stand for: count it, take it out in an open format, bring it back
    #[command(subcommand)]
    Crosswalk(crosswalk::CrosswalkCommand),
    /// Erase a patient here, and have destinations erase what they have (GDPR Art. 17)
    #[command(subcommand)]
    Erasure(erasure::ErasureCommand),
    /// Have a destination let go of a study that was sent, and keep track until it has
    #[command(subcommand)]
    Recall(recall::RecallCommand),
    /// Answer a patient: was anything sent, when, where, on what basis; from the verified log, as a page to hand over
    SubjectReport(subject::SubjectArgs),
    /// The worker of one study: for the gateway alone
    #[command(hide = true)]
    Work(work::WorkArgs),
    /// The sender of one destination: for the gateway alone
    #[command(hide = true)]
    Send(work::ChildArgs),
    /// The receiver: for the gateway alone
    #[command(hide = true)]
    Receive(work::ChildArgs),
    /// The judge of one batch of results: for the gateway alone
    #[command(hide = true)]
    Return(work::ChildArgs),
    /// The deliverer of results to one PACS: for the gateway alone
    #[command(hide = true)]
    Deliver(work::ChildArgs),
    /// The shipper of audit messages: for the gateway alone
    #[command(hide = true)]
    Ship(work::ChildArgs),
    /// Who asks a PACS about open studies: for the gateway alone
    #[command(hide = true)]
    Inquire(work::ChildArgs),
    /// Who draws a picture: for efface alone
    #[command(hide = true)]
    Look(work::ChildArgs),
    /// The pages of the console: for it alone
    #[command(hide = true)]
    Pages(work::ChildArgs),
    /// Receive, send or read studies for a gateway: for a unit of the system (packaging/efface-receiver.service)
    Attend(work::AttendArgs),
    /// Whether a release is its publisher's, before it is installed; nothing is fetched
    #[command(subcommand)]
    Update(update::UpdateCommand),
    /// Print what a shell needs to complete commands
    Completions(manual::CompletionsArgs),
    /// Write a page of the manual for each command
    Man(manual::ManArgs),
    /// Look at what stays inside, and why; decide about it
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
}

impl Command {
    /// Whether it is one of those that run until they are told to stop.
    fn goes_on(&self) -> bool {
        matches!(
            self,
            Command::Serve(_)
                | Command::Demo(_)
                | Command::Work(_)
                | Command::Send(_)
                | Command::Receive(_)
                | Command::Ship(_)
                | Command::Attend(_)
                | Command::Console(_)
                | Command::Pages(_)
                | Command::Witness(_)
        )
    }
}

/// Whoever reads what is printed may stop (`| head`): that ends the command, as it ends others. Sockets are not concerned.
fn end_with_the_reader() {
    let always = Arc::new(AtomicBool::new(true));
    // Where it cannot be had, a command ends with a panic instead.
    let _ = signal_hook::flag::register_conditional_default(signal_hook::consts::SIGPIPE, always);
}

/// What ends a command with exit code 2 and a message of its own.
type Problem = Box<dyn std::error::Error>;

/// Reads the command line and runs it.
///
/// Exit codes: 0 done; 1 done, but something was withheld or is wrong with a file; 2 not done.
pub fn run() -> ExitCode {
    let command = Cli::parse().command;
    if !command.goes_on() {
        end_with_the_reader();
    }
    let outcome = match command {
        Command::Serve(args) => serve::run(args),
        Command::Deid(args) => deid::run(args),
        Command::Deface(args) => deface::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Keys(command) => keys::run(command),
        Command::Config(command) => config::run(&command),
        Command::Profile(command) => profile::run(command),
        Command::Status(args) => status::run(&args),
        Command::Spool(command) => inspect::spool(command),
        Command::Audit(command) => audit::run(command),
        Command::Report(command) => report::run(command),
        Command::Reidentify(args) => reidentify::run(&args),
        Command::Result(command) => result::run(command),
        Command::Route(command) => route::run(command),
        Command::Doctor(args) => doctor::run(&args),
        Command::Flow(args) => views::flow(&args),
        Command::Study(args) => views::study(&args),
        Command::Registers(args) => views::registers(&args),
        Command::Console(args) => console::run(args),
        Command::Pages(args) => work::pages(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
        Command::Witness(command) => witness::run(command),
        Command::Approval(command) => approval::run(command),
        Command::Objection(command) => objection::run(command),
        Command::Crosswalk(command) => crosswalk::run(command),
        Command::Erasure(command) => erasure::run(command),
        Command::Recall(command) => recall::run(command),
        Command::SubjectReport(args) => subject::run(&args),
        Command::Update(command) => update::run(command),
        Command::Work(args) => work::run(&args),
        Command::Send(args) => work::send(&args),
        Command::Return(args) => work::take_back(&args),
        Command::Deliver(args) => work::deliver(&args),
        Command::Ship(args) => work::ship(&args),
        Command::Inquire(args) => work::inquire(&args),
        Command::Look(args) => work::look(&args),
        Command::Attend(args) => work::attend(&args),
        Command::Receive(args) => work::receive(&args),
        Command::Quarantine(command) => quarantine::run(command),
    };
    outcome.unwrap_or_else(|problem| {
        eprintln!("efface: {problem}");
        ExitCode::from(2)
    })
}

/// Prints what `--json` was asked for: one value, in lines.
fn json(value: &impl serde::Serialize) -> Result<(), Problem> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Files that stay inside for one reason: why, what a person can do, and the first of them.
fn withheld(code: &str, detail: &str, advice: Option<&str>, paths: &[PathBuf]) -> String {
    let mut text = format!("\nwithheld: {code} ({} files)\n  {detail}\n", paths.len());
    text.extend(advice.map(|advice| format!("  {advice}\n")));
    text.extend(paths.iter().take(NAMED).map(|path| format!("  {}\n", path.display())));
    if paths.len() > NAMED {
        text += &format!("  and {} more\n", paths.len() - NAMED);
    }
    text
}

/// Files that are named for one reason.
const NAMED: usize = 10;

/// Where the state directory is.
#[derive(Args)]
struct StateArgs {
    /// State directory of the gateway
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}
