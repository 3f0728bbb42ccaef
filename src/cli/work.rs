//! `efface receive`, `efface work`, `efface send`, `efface return`, `efface deliver`, `efface ship` and `efface inquire`: the processes of the gateway; `efface pages`: of the console; `efface look`: of both. Hidden: nobody else has
//! a use for them. `efface attend` starts them as users of their own.

use super::Problem;
use super::serve::log_to_stderr;
use crate::isolation::{self, Attended, Strictness};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// The task comes by standard input.
#[derive(Args)]
pub struct WorkArgs {
    /// Only try whether this machine can confine a worker
    #[arg(long)]
    probe: bool,
    /// Count it as confined where the kernel has not all that it takes
    #[arg(long, requires = "probe")]
    partial: bool,
    /// Log lines as JSON, as when stderr is not a terminal
    #[arg(long)]
    log_json: bool,
}

/// The orders come by standard input.
#[derive(Args)]
pub struct ChildArgs {
    /// Log lines as JSON, as when stderr is not a terminal
    #[arg(long)]
    log_json: bool,
}

/// Run by a unit of the system, as the user who is to receive, to send, or to read studies.
#[derive(Args)]
pub struct AttendArgs {
    /// What the user of this process is to do
    what: Attended,
    /// Where the gateway waits for calls: attendants: in its configuration
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// Log lines as JSON, as when stderr is not a terminal
    #[arg(long)]
    log_json: bool,
}

/// Calls at the gateway, again and again, and starts what it is given orders for.
///
/// # Errors
/// A process cannot be started.
pub fn attend(args: &AttendArgs) -> Result<ExitCode, Problem> {
    isolation::attend(args.what, &args.socket, args.log_json)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a sender until the gateway hangs up.
///
/// # Errors
/// There were no orders.
pub fn send(args: &ChildArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(args.log_json);
    isolation::send()
}

/// Runs a shipper until the gateway hangs up.
///
/// # Errors
/// There were no orders, or it must be started anew.
pub fn ship(args: &ChildArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(args.log_json);
    isolation::ship()
}

/// Runs a returner to its end.
///
/// # Errors
/// There was no task.
pub fn take_back(args: &ChildArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(args.log_json);
    isolation::take_back()
}

/// Runs a deliverer until the gateway hangs up.
///
/// # Errors
/// There were no orders.
pub fn deliver(args: &ChildArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(args.log_json);
    isolation::deliver()
}

/// Runs an inquirer until the gateway hangs up.
///
/// # Errors
/// There were no orders.
pub fn inquire(args: &ChildArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(args.log_json);
    isolation::inquire()
}

/// Draws one picture.
///
/// # Errors
/// There were no orders.
pub fn look(args: &ChildArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(args.log_json);
    isolation::be_looker()
}

/// Runs a receiver until the gateway tells it to stop.
///
/// # Errors
/// There were no orders.
pub fn receive(args: &ChildArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(args.log_json);
    isolation::receive()
}

/// Runs the pages of the console until it hangs up.
///
/// # Errors
/// There were no orders.
pub fn pages(args: &ChildArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(args.log_json);
    isolation::pages()
}

/// Runs a worker to its end.
///
/// # Errors
/// There was no task, or nobody listens any more.
pub fn run(args: &WorkArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(args.log_json);
    let strictness = if args.partial { Strictness::Partial } else { Strictness::Strict };
    isolation::work(args.probe.then_some(strictness))
}
