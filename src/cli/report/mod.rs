//! `efface report`: what the log and the configuration say, as pages for people who decide and never see a terminal.
//!
//! What is said of the past comes from the verified log; a log that does not verify gives no page.

mod dpia;
mod incident;
mod month;
mod register;

use super::Problem;
use super::audit::{FilterArgs, LogArgs, Opened, create, time};
use super::page::maker;
use super::serve;
use crate::audit::{self, Checkpoint, Line, Row};
use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum ReportCommand {
    /// What left under a profile, a version or in a time: after an error, what must be called back, and from whom
    Incident {
        #[command(flatten)]
        log: LogArgs,
        #[command(flatten)]
        filter: FilterArgs,
        /// Only what this version of efface released
        #[arg(long, value_name = "VERSION")]
        engine: Option<String>,
        /// File to write; it must not exist
        #[arg(long, short = 'o', value_name = "FILE.html")]
        out: PathBuf,
    },
    /// A month for the board: what came, what left and to whom, what stayed inside and why
    Month {
        #[command(flatten)]
        log: LogArgs,
        /// The month, as 2026-11
        #[arg(value_name = "YYYY-MM", value_parser = month)]
        month: Month,
        /// File to write; it must not exist
        #[arg(long, short = 'o', value_name = "FILE.html")]
        out: PathBuf,
    },
    /// The record of processing activities (GDPR Art. 30): a sheet for each destination
    Register(Configured),
    /// What goes into a data protection impact assessment (GDPR Art. 35): flow, measures and their tests, what remains
    Dpia(Configured),
}

/// A page that is made from the configuration.
#[derive(Args)]
pub struct Configured {
    /// Configuration file of the gateway
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// File to write; it must not exist
    #[arg(long, short = 'o', value_name = "FILE.html")]
    out: PathBuf,
}

/// # Errors
/// When the log cannot be read or does not verify.
pub fn run(command: ReportCommand) -> Result<ExitCode, Problem> {
    match command {
        ReportCommand::Incident { log, filter, engine, out } => {
            let mut incident = incident::Incident::new(filter.into(), engine);
            let log = Opened::to_read(&log, "report incident")?;
            let basis = read(&log, |row| incident.take(row))?;
            let said = incident.in_words();
            write(&out, &incident.page(&basis))?;
            println!("{}: {said}", out.display());
        }
        ReportCommand::Month { log, month, out } => {
            let mut figures = month::Figures::of(month);
            let log = Opened::to_read(&log, "report month")?;
            let basis = read(&log, |row| figures.take(&row))?;
            write(&out, &figures.page(&basis))?;
            println!("{}: {}", out.display(), figures.in_words());
        }
        ReportCommand::Register(Configured { config, out }) => {
            write(&out, &register::page(&serve::read_as_in_force(&config)?))?;
            println!("{}: fill in what is left open in {}", out.display(), config.display());
        }
        ReportCommand::Dpia(Configured { config, out }) => {
            write(&out, &dpia::page(&serve::read_as_in_force(&config)?))?;
            println!("{}", out.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The last line of a page that rests on the configuration.
fn made() -> String {
    format!("Made from the configuration by {}.", maker())
}

/// The first moment of a month, and of the next, in the form of the records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Month {
    name: String,
    since: String,
    until: String,
}

fn month(name: &str) -> Result<Month, String> {
    let wrong = || "write a month, as 2026-11".to_owned();
    let (year, number) = name.split_once('-').ok_or_else(wrong)?;
    let (year, number): (u32, u32) =
        (year.parse().map_err(|_| wrong())?, number.parse().map_err(|_| wrong())?);
    let next = if number == 12 { (year + 1, 1) } else { (year, number + 1) };
    let first = |(year, month)| time(&format!("{year:04}-{month:02}-01")).map_err(|_| wrong());
    let (since, until) = (first((year, number))?, first(next)?);
    Ok(Month { name: name.to_owned(), since, until })
}

/// What a page rests on.
struct Basis {
    checkpoint: Checkpoint,
}

impl Basis {
    /// The last line of a page.
    fn in_words(&self) -> String {
        let Checkpoint { origin, size, root } = &self.checkpoint;
        format!(
            "Rests on the log of {origin}: {size} records, all as they were signed, root {}. Made by {}. \
             The log names nobody; patients are given by the pseudonym that left.",
            HEXLOWER.encode(root),
            maker(),
        )
    }
}

/// Goes through the whole log.
fn read(log: &Opened, mut take: impl FnMut(Row)) -> Result<Basis, Problem> {
    let bar = log.bar(1);
    let parse = |line: &Line<'_>| {
        (line.bytes.len() as u64 + 1, serde_json::from_slice::<Row>(&line.whole()))
    };
    let walked = audit::walk(&log.directory, &log.verifier, parse, |(bytes, row)| {
        bar.inc(bytes);
        take(row?);
        Ok(())
    })?;
    bar.finish_and_clear();
    let checkpoint = log.verifier.open(&walked.note)?;
    Ok(Basis { checkpoint })
}

fn write(file: &Path, page: &str) -> Result<(), Problem> {
    create(file)?.write_all(page.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_end_where_the_next_begins() {
        let december = month("2026-12").unwrap();
        assert_eq!(december.since, "2026-12-01T00:00:00.000Z");
        assert_eq!(december.until, "2027-01-01T00:00:00.000Z");
        for wrong in ["2026", "2026-13", "2026-00", "now", "2026-1x"] {
            assert!(month(wrong).is_err(), "{wrong}");
        }
    }
}
