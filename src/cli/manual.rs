//! `efface completions` and `efface man`: what shells and `man` need, made of the commands themselves.

use super::{Cli, Problem};
use crate::disk;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  efface completions bash > /usr/share/bash-completion/completions/efface\n  efface completions zsh > /usr/share/zsh/vendor-completions/_efface"
)]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

#[derive(Args)]
#[command(after_help = "Example:\n  efface man /usr/share/man/man1")]
pub struct ManArgs {
    /// Folder; made if it is not there
    folder: PathBuf,
}

/// `efface completions SHELL`.
///
/// # Errors
/// What the system says.
pub fn completions(args: &CompletionsArgs) -> Result<ExitCode, Problem> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "efface", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// `efface man FOLDER`: a page a command.
///
/// # Errors
/// What the system says.
pub fn man(args: &ManArgs) -> Result<ExitCode, Problem> {
    disk::make_dir(&args.folder)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let pages = pages(&command, &args.folder)?;
    println!("{pages} pages in {}", args.folder.display());
    Ok(ExitCode::SUCCESS)
}

/// The page of a command and those of its own commands; how many.
fn pages(command: &clap::Command, folder: &Path) -> io::Result<usize> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    disk::write_whole(&folder.join(format!("{name}.1")), &page)?;
    let own = command.get_subcommands().filter(|command| !command.is_hide_set());
    own.map(|command| pages(command, folder)).try_fold(1, |sum, pages| Ok(sum + pages?))
}
