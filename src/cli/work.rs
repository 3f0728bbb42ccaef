//! `efface receive`, `efface work` and `efface send`: the processes of the gateway. Hidden: nobody else has a use for them.

use super::Problem;
use super::serve::log_to_stderr;
use crate::isolation::{self, Strictness};
use clap::Args;
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

/// Runs a sender until the gateway hangs up.
///
/// # Errors
/// There were no orders.
pub fn send(args: &ChildArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(args.log_json);
    isolation::send()
}

/// Runs a receiver until the gateway tells it to stop.
///
/// # Errors
/// There were no orders.
pub fn receive(args: &ChildArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(args.log_json);
    isolation::receive()
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
