//! The `efface` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    efface::cli::run()
}
