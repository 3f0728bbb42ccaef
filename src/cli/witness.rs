//! `efface witness`: a second machine that signs the log's checkpoints, and the command that asks it to.
//!
//! The gateway itself asks nobody: the command runs beside it, as another user who may read the log and nothing else.

use super::Problem;
use super::audit::verifier;
use super::serve::log_to_stderr;
use crate::audit::{self, Cosigned, Refused, Verifier, Witnessing};
use crate::disk;
use crate::note::{self, Kind, Note, Signed};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(Subcommand)]
pub enum WitnessCommand {
    /// Make the key of a witness; prints the line by which others check what it signs
    Key {
        /// What it is called
        #[arg(long, value_name = "NAME", value_parser = name)]
        name: String,
        /// File to write; it must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Be a witness: sign the checkpoints of logs that go on from the last ones that were signed (C2SP tlog-witness)
    ///
    /// For another machine, looked after by other people. It learns how many records a log has and their root, nothing else.
    Serve(ServeArgs),
    /// Ask a witness to sign the newest checkpoint, and keep it with both signatures
    ///
    /// Exit code 1: the witness says that the log was put back to an older state, or rewritten.
    #[command(
        after_help = "With --json: {file, witness, size, alarm}; size is null where there is an alarm, in words, and the other way round."
    )]
    Ask(Box<AskArgs>),
}

#[derive(Args)]
pub struct ServeArgs {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// Key of the witness
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Directory for what was signed last; made if it is not there
    #[arg(long, value_name = "DIR")]
    kept: PathBuf,
    /// Public key of a log, as efface audit checkpoint --key prints it; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    log_key: Vec<PathBuf>,
}

#[derive(Args)]
pub struct AskArgs {
    #[command(flatten)]
    state: super::StateArgs,
    /// Where the witness listens: http://HOST:PORT
    #[arg(long, value_name = "URL")]
    url: String,
    /// The line by which its signature is checked
    #[arg(long, value_name = "LINE")]
    witness: Verifier,
    /// File for the checkpoint with both signatures: for efface audit verify --checkpoint
    #[arg(long, short = 'o', value_name = "FILE")]
    out: PathBuf,
    /// Go on, once in so many seconds
    #[arg(long, value_name = "S")]
    every: Option<u64>,
    /// As JSON, for programs
    #[arg(long, conflicts_with = "every")]
    json: bool,
}

/// How long a witness may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// `efface witness ...`
///
/// # Errors
/// What is wrong, or what the system says.
pub fn run(command: WitnessCommand) -> Result<ExitCode, Problem> {
    match command {
        WitnessCommand::Key { name, out } => make_key(&name, &out),
        WitnessCommand::Serve(args) => serve(&args),
        WitnessCommand::Ask(args) => ask(&args),
    }
}

fn serve(args: &ServeArgs) -> Result<ExitCode, Problem> {
    log_to_stderr(false);
    let logs = args.log_key.iter().map(|file| verifier(Some(file), Path::new("")));
    let logs = logs.collect::<Result<Vec<_>, _>>()?;
    disk::make_dir(&args.kept)?;
    let lock = disk::append(&args.kept.join("lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| format!("{} is in use by another witness", args.kept.display()))?;
    let witness =
        Arc::new(Witnessing::new(&args.kept, logs, note::file::read(&args.key, Kind::Seen)?));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen).await?;
        tracing::info!(address = %listener.local_addr()?, "witness");
        let app = axum::Router::new().route("/add-checkpoint", post(add)).with_state(witness);
        axum::serve(listener, app).await
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn add(State(witness): State<Arc<Witnessing>>, text: String) -> (StatusCode, String) {
    match witness.add(&text) {
        Ok(line) => (StatusCode::OK, line),
        Err(refused) => {
            tracing::warn!(status = refused.status(), why = %refused, "not signed");
            let status = StatusCode::from_u16(refused.status());
            let body = match refused {
                Refused::Conflict(size) => format!("{size}\n"),
                other => format!("{other}\n"),
            };
            (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body)
        }
    }
}

/// What is shown of an answer.
#[derive(Serialize)]
struct Asked<'a> {
    file: String,
    witness: &'a str,
    /// Records that were signed.
    size: Option<u64>,
    /// What the witness holds against the log.
    alarm: Option<&'a String>,
}

fn ask(args: &AskArgs) -> Result<ExitCode, Problem> {
    let Some(seconds) = args.every else {
        let asked = cosigned(args)?;
        let (file, witness) = (args.out.display().to_string(), args.witness.name());
        match &asked {
            _ if args.json => super::json(&Asked {
                file,
                witness,
                size: asked.as_ref().ok().copied(),
                alarm: asked.as_ref().err(),
            })?,
            Ok(size) => println!("{file}: {size} records, signed by {witness}"),
            Err(alarm) => println!("{alarm}"),
        }
        return Ok(if asked.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    log_to_stderr(false);
    loop {
        match cosigned(args) {
            Ok(Ok(size)) => tracing::info!(size, "a witness has signed"),
            Ok(Err(alarm)) => tracing::error!(alarm, "THE LOG IS NOT WHAT THE WITNESS KNOWS"),
            Err(error) => tracing::warn!(%error, "no witness has signed"),
        }
        std::thread::sleep(Duration::from_secs(seconds.max(1)));
    }
}

/// Has the newest checkpoint signed: its size, or what the witness holds against it.
fn cosigned(args: &AskArgs) -> Result<Result<u64, String>, Problem> {
    let audit = args.state.state.join("audit");
    let log = audit::key(&audit)?;
    let kept = disk::read_text(&args.out)?;
    let mut old = kept.and_then(|note| log.open(&note).ok()).map_or(0, |known| known.size);
    // What is kept here may be older than what the witness has signed; it says so once.
    for _ in 0..2 {
        let Ok((note, proof)) = audit::since(&audit, old) else {
            return Ok(Err(format!(
                "{} has signed {old} records, and there are fewer: the log was cut off or rolled back",
                args.witness.name()
            )));
        };
        let (status, body) =
            http_post(&args.url, &Cosigned { old, proof, note: note.clone() }.to_text())?;
        match status {
            200 => {
                let both = note + &body;
                let is_signed = Note::parse(&both).map(|note| note.is_signed_by(&args.witness));
                if is_signed != Some(Signed::Yes) {
                    return Err(
                        "what answers there is not this witness: its signature does not hold"
                            .into(),
                    );
                }
                disk::write_whole(&args.out, both.as_bytes())?;
                return Ok(Ok(log.open(&both)?.size));
            }
            409 => old = body.trim().parse().map_err(|_| "the witness gave no size")?,
            403 | 422 => return Ok(Err(format!("{}: {}", args.witness.name(), body.trim()))),
            _ => return Err(format!("the witness answered {status}: {}", body.trim()).into()),
        }
    }
    Err("the witness contradicts itself, or somebody else asks it for the same log".into())
}

/// Status and body of an answer.
fn http_post(url: &str, text: &str) -> Result<(u16, String), Problem> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .build()
        .into();
    let to = format!("{}/add-checkpoint", url.trim_end_matches('/'));
    let answer = agent.post(&to).content_type("text/plain; charset=utf-8").send(text);
    let mut answer = answer.map_err(|error| format!("{to}: {error}"))?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(1 << 16).read_to_string();
    Ok((status, body.map_err(|error| format!("{to}: {error}"))?))
}

fn make_key(name: &str, out: &Path) -> Result<ExitCode, Problem> {
    println!("{}", note::file::create(out, name, Kind::Seen)?);
    Ok(ExitCode::SUCCESS)
}

/// What somebody is called.
pub(super) fn name(text: &str) -> Result<String, &'static str> {
    match note::file::is_name(text) {
        true => Ok(text.to_owned()),
        false => Err("1 to 64 letters, digits, dots, hyphens"),
    }
}
