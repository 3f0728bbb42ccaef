//! `efface demo`.
use super::Problem;
use clap::Args;
use std::process::ExitCode;

#[derive(Args)]
pub struct DemoArgs {}

pub fn run(_args: &DemoArgs) -> Result<ExitCode, Problem> {
    Err("not yet".into())
}
