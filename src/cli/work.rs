//! `efface work`: the process in which the gateway has one study read. Hidden: nobody else has a use for it.

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

/// Runs a worker to its end.
///
/// # Errors
/// There was no task, or nobody listens any more.
pub fn run(args: &WorkArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(args.log_json);
    let strictness = if args.partial { Strictness::Partial } else { Strictness::Strict };
    isolation::work(args.probe.then_some(strictness))
}
