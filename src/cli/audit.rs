//! `efface audit`: what an auditor asks of the log. It is read, never changed; there is no PHI in it.

use super::inspect::look;
use super::{Problem, StateArgs, reading};
use crate::audit::{self, CSV_HEAD, Checkpoint, Filter, Line, Row, Verifier};
use crate::disk;
use crate::spool::Place;
use crate::view::audit::Verified;
use clap::{Args, Subcommand, ValueEnum};
use data_encoding::HEXLOWER;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::collections::{HashSet, VecDeque};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum AuditCommand {
    /// Verify all of the log: every record against the signed checkpoint, and against those that were kept elsewhere
    ///
    /// Says which record was changed, deleted, inserted or moved, and whether the log was cut off or put back to an older
    /// state. The last shows only by a checkpoint that was kept elsewhere: checkpoint_file in the configuration, or the
    /// output of `efface audit checkpoint`. Exit code 0: all is well; 1: something is not.
    #[command(
        after_help = "With --json: {good, origin, records, signed, root, erased, findings: [words], kept_elsewhere, key_believed}; origin and root are empty where nothing is signed."
    )]
    Verify {
        #[command(flatten)]
        log: LogArgs,
        /// A checkpoint that was kept elsewhere; may be given several times
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Show the last records, a line each
    #[command(
        after_help = "With --json: a list of records, each as efface audit export writes it."
    )]
    Show {
        #[command(flatten)]
        log: LogArgs,
        #[command(flatten)]
        filter: FilterArgs,
        /// How many; 0 for all
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
        last: usize,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Write records to a file, or to the standard output
    ///
    /// As JSON Lines each record is there with what lies beside the log of its patient, if that was not erased; as CSV one row a
    /// record, without what was done element by element. To check signatures take copies of the files in audit/.
    Export {
        #[command(flatten)]
        log: LogArgs,
        #[command(flatten)]
        filter: FilterArgs,
        /// Form of the export
        #[arg(long, value_enum, default_value_t = Form::Jsonl)]
        format: Form,
        /// File to write; it must not exist
        #[arg(long, short = 'o', value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Prove what the log says of one study, for somebody who has neither the log nor efface
    ///
    /// The receipt is checked by packaging/verify_receipt.py, which shares no code with efface, and the log's public key.
    Receipt {
        /// The batch, or the Study Instance UID as it left: then only what concerns that destination
        name: String,
        #[command(flatten)]
        log: LogArgs,
        /// File to write; it must not exist
        #[arg(long, short = 'o', value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the newest checkpoint, to be kept elsewhere; or the log's public key
    #[command(
        after_help = "With --json: {key, origin, size, root, note}; note is what is printed without it."
    )]
    Checkpoint {
        #[command(flatten)]
        log: LogArgs,
        /// The public key instead: by it everything else is verified
        #[arg(long, conflicts_with = "json")]
        key: bool,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub struct LogArgs {
    #[command(flatten)]
    state: StateArgs,
    /// A copy of the log's public key that was taken when efface was installed; else the one beside the log is believed
    #[arg(long, value_name = "FILE")]
    log_key: Option<PathBuf>,
}

#[derive(Args)]
pub struct FilterArgs {
    /// Not before: RFC 3339, or a date
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
    /// Before: RFC 3339, or a date
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
    /// A destination by its name in the configuration
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// A profile by its name, or by the digest of its plan
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// A patient by the pseudonym that left
    #[arg(long, value_name = "PSEUDONYM")]
    patient: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Form {
    /// A line of JSON a record
    Jsonl,
    /// Comma-separated values (RFC 4180)
    Csv,
}

/// `efface audit ...`
///
/// # Errors
/// When the log cannot be read or, but for `verify`, does not verify.
pub fn run(command: AuditCommand) -> Result<ExitCode, Problem> {
    match command {
        AuditCommand::Verify { log, checkpoint, json } => {
            verify(&Opened::new(&log)?, &checkpoint, json)
        }
        AuditCommand::Show { log, filter, last, json } => {
            show(&Opened::to_read(&log, "audit show")?, filter.into(), last, json)
        }
        AuditCommand::Export { log, filter, format, out } => {
            export(&Opened::to_read(&log, "audit export")?, filter.into(), format, out.as_deref())
        }
        AuditCommand::Receipt { name, log, out } => {
            receipt(&Opened::to_read(&log, "audit receipt")?, &name, out.as_deref())
        }
        AuditCommand::Checkpoint { log, key, json } => checkpoint(&Opened::new(&log)?, key, json),
    }
}

/// A log, and by what it is verified.
pub(super) struct Opened {
    pub(super) directory: PathBuf,
    pub(super) verifier: Verifier,
    /// Whether the key lies beside the log.
    is_believed: bool,
}

impl Opened {
    /// The same, for somebody who is shown what is in it: that stands in the log, too.
    pub(super) fn to_read(args: &LogArgs, command: &str) -> Result<Self, Problem> {
        let opened = Opened::new(args)?;
        reading::note(&args.state.state, command)?;
        Ok(opened)
    }

    fn new(args: &LogArgs) -> Result<Self, Problem> {
        let directory = look(&args.state)?.dir(Place::Audit);
        let verifier = verifier(args.log_key.as_deref(), &directory)?;
        Ok(Opened { directory, verifier, is_believed: args.log_key.is_none() })
    }

    /// Progress in bytes of the log.
    pub(super) fn bar(&self, passes: u64) -> ProgressBar {
        let length = disk::open(&self.directory.join("log")).and_then(|file| file.metadata());
        let bar = ProgressBar::new(length.map_or(0, |meta| meta.len()) * passes);
        let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar
    }
}

/// By what a log is verified: a copy of its public key, or the key beside it.
///
/// # Errors
/// There is none, or it is no key.
pub(super) fn verifier(copy: Option<&Path>, directory: &Path) -> Result<Verifier, Problem> {
    let Some(file) = copy else { return Ok(audit::key(directory)?) };
    let key = read(file)?.parse();
    Ok(key.map_err(|error| format!("{}: {error}", file.display()))?)
}

/// What is shown of a log that was verified.
#[derive(Serialize)]
struct Verdict {
    /// Whether all of it is as it was signed.
    good: bool,
    #[serde(flatten)]
    found: Verified,
    /// Checkpoints that were kept elsewhere.
    kept_elsewhere: usize,
    /// Whether the key beside the log was believed.
    key_believed: bool,
}

fn verify(log: &Opened, files: &[PathBuf], json: bool) -> Result<ExitCode, Problem> {
    let kept = files.iter().map(|file| {
        let note = log.verifier.open(&read(file)?);
        let note = note.map_err(|error| format!("{}: {error}", file.display()))?;
        Ok((file.display().to_string(), note))
    });
    let kept = kept.collect::<Result<Vec<(String, Checkpoint)>, Problem>>()?;
    let look = || {
        let bar = log.bar(1);
        let verified = audit::verify(&log.directory, &log.verifier, &kept, |n| bar.inc(n));
        bar.finish_and_clear();
        verified
    };
    let found = audit::settled(look)?;
    let verdict = Verdict {
        good: found.findings.is_empty() && found.checkpoint.is_some(),
        found: found.into(),
        kept_elsewhere: kept.len(),
        key_believed: log.is_believed,
    };
    if json {
        super::json(&verdict)?;
    } else {
        verdict.say(&log.directory);
    }
    Ok(if verdict.good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Verdict {
    fn say(&self, directory: &Path) {
        let Verified { origin, records, signed, root, erased, findings } = &self.found;
        findings.iter().for_each(|finding| println!("{finding}"));
        if self.key_believed {
            println!(
                "the key beside the log was believed: compare it with a copy of your own (--log-key)"
            );
        }
        if !self.good {
            return println!(
                "{records} records are there. THE LOG IS NOT WHAT WAS SIGNED: keep all of it as it is and find out who could write to {}",
                directory.display()
            );
        }
        println!("{origin}: {signed} records, all as they were signed");
        println!("root {root}");
        println!("{} checkpoints that were kept elsewhere fit", self.kept_elsewhere);
        if *erased > 0 {
            println!("{erased} records: what they said of their patient was erased");
        }
    }
}

fn show(log: &Opened, mut filter: Filter, last: usize, json: bool) -> Result<ExitCode, Problem> {
    let (bar, mut shown) = (log.bar(1), VecDeque::new());
    let parse = |line: &Line<'_>| {
        let whole = line.whole();
        let row = serde_json::from_slice::<Row>(&whole);
        (line.bytes.len() as u64 + 1, json.then(|| whole.into_owned()), row)
    };
    audit::walk(&log.directory, &log.verifier, parse, |(bytes, whole, row)| {
        bar.inc(bytes);
        let row = row?;
        if filter.wants(&row) {
            shown.push_back((whole, row));
            if last > 0 && shown.len() > last {
                shown.pop_front();
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    if json {
        let records = shown.iter().filter_map(|(whole, _)| whole.as_deref());
        let records = records.map(serde_json::from_slice::<serde_json::Value>);
        super::json(&records.collect::<Result<Vec<_>, _>>()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    for (_, row) in shown {
        writeln!(out, "{}", row.to_words())?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn export(
    log: &Opened,
    mut filter: Filter,
    form: Form,
    file: Option<&Path>,
) -> Result<ExitCode, Problem> {
    let mut out: BufWriter<Box<dyn Write>> = BufWriter::new(match file {
        Some(file) => Box::new(create(file)?),
        None => Box::new(io::stdout().lock()),
    });
    if let Form::Csv = form {
        out.write_all(CSV_HEAD.as_bytes())?;
    }
    let (bar, mut records) = (log.bar(1), 0_u64);
    let parse = |line: &Line<'_>| {
        let whole = line.whole();
        let row = serde_json::from_slice::<Row>(&whole);
        (line.bytes.len() as u64 + 1, whole.into_owned(), row)
    };
    let walked = audit::walk(&log.directory, &log.verifier, parse, |(bytes, mut line, row)| {
        bar.inc(bytes);
        let row = row?;
        if !filter.wants(&row) {
            return Ok(());
        }
        records += 1;
        match form {
            Form::Csv => out.write_all(row.to_csv().as_bytes()),
            Form::Jsonl => {
                line.push(b'\n');
                out.write_all(&line)
            }
        }
    });
    bar.finish_and_clear();
    out.flush()?;
    walked.map_err(|error| format!("what was written is not to be trusted: {error}"))?;
    if let Some(file) = file {
        println!("{}: {records} records", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn receipt(log: &Opened, name: &str, file: Option<&Path>) -> Result<ExitCode, Problem> {
    let bar = log.bar(2);
    let proof = audit::prove(&log.directory, &log.verifier, name, |n| bar.inc(n));
    bar.finish_and_clear();
    let Some(proof) = proof? else {
        return Err(format!(
            "the log knows no batch and no study that left as {name}. See: efface audit show"
        )
        .into());
    };
    let text = serde_json::to_string_pretty(&proof)? + "\n";
    match file {
        Some(file) => {
            create(file)?.write_all(text.as_bytes())?;
            println!("{}: {} records of {name}", file.display(), proof.records.len());
            println!("To be checked with: python3 verify_receipt.py {} LOG_KEY", file.display());
        }
        None => print!("{text}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// What is shown of the newest checkpoint.
#[derive(Serialize)]
struct Newest {
    /// The public key by which it is verified.
    key: String,
    origin: String,
    size: u64,
    root: String,
    /// The checkpoint itself, with its signatures.
    note: String,
}

fn checkpoint(log: &Opened, key: bool, json: bool) -> Result<ExitCode, Problem> {
    let key_line = log.verifier.to_string();
    if key {
        println!("{key_line}");
        return Ok(ExitCode::SUCCESS);
    }
    let note = audit::newest(&log.directory)?;
    let Checkpoint { origin, size, root } = log.verifier.open(&note)?;
    match json {
        true => {
            let root = HEXLOWER.encode(&root);
            super::json(&Newest { key: key_line, origin, size, root, note })?;
        }
        false => print!("{note}"),
    }
    Ok(ExitCode::SUCCESS)
}

impl From<FilterArgs> for Filter {
    fn from(args: FilterArgs) -> Self {
        let FilterArgs { since, until, destination, profile, patient } = args;
        Filter { since, until, destination, profile, patient, released: HashSet::new() }
    }
}

/// In the form of the records, so that it compares as text.
pub(super) fn time(text: &str) -> Result<String, String> {
    let day = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time = humantime::parse_rfc3339(&day);
    let time = time.map_err(|_| "write a date or a time in UTC, as 2026-11-28T09:00:00Z")?;
    Ok(humantime::format_rfc3339_millis(time).to_string())
}

/// The text of a small file.
pub(super) fn read(file: &Path) -> Result<String, Problem> {
    let text = disk::read_text(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(text.ok_or_else(|| format!("{}: there is no such file", file.display()))?)
}

/// Evidence is never written over.
pub(super) fn create(file: &Path) -> Result<std::fs::File, Problem> {
    Ok(disk::create(file).map_err(|error| format!("{}: {error}", file.display()))?)
}
