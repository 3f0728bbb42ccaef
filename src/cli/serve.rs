//! `efface serve`.

use super::Problem;
use crate::approval::{Approvers, InForce};
use crate::config::{self, DestinationSettings, Limits, Settings, Speaks, WrittenProfile};
use crate::crosswalk::Retention;
use crate::id::AeTitle;
use crate::isolation::Strictness;
use crate::net::access::Caller;
use crate::residency::Residency;
use crate::routing::Routing;
use crate::service::Gateway;
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// With a configuration file, or, for a first try, with flags.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  efface serve --config /etc/efface/efface.yaml\n  efface serve --state state --listen 127.0.0.1:11112 --ae-title EFFACE --allow PACS \\\n    --to LAB@192.0.2.7:104 --profile basic --key-file root.key --quiet-period 5\n\nSIGTERM and SIGINT stop it, in order. SIGHUP has it read its certificates again; nothing is dropped."
)]
pub struct ServeArgs {
    /// Configuration file; excludes the flags below
    #[arg(long, value_name = "FILE", conflicts_with_all = ["state", "listen", "allow", "to", "profile", "key_file"])]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
    /// Log lines as JSON, as when stderr is not a terminal
    #[arg(long)]
    log_json: bool,
}

#[derive(Args)]
struct Flags {
    /// Directory for originals, parcels and the log; made if it is not there
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    state: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:11112")]
    listen: SocketAddr,
    /// AE title of efface
    #[arg(long, value_name = "TITLE", default_value = "EFFACE")]
    ae_title: AeTitle,
    /// Calling AE title that may send; may be given several times. Nobody else may
    #[arg(long, value_name = "TITLE", required_unless_present = "config")]
    allow: Vec<AeTitle>,
    /// Where de-identified studies go
    #[arg(long, value_name = "TITLE@HOST:PORT", value_parser = target, required_unless_present = "config")]
    to: Option<(AeTitle, String)>,
    /// Profile file, or the name of a shipped one
    #[arg(long, value_name = "FILE", default_value = "basic")]
    profile: String,
    /// Key file, made by: efface keys init
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    key_file: Option<PathBuf>,
    /// File outside the state directory that holds the log's newest checkpoint: a log that is older than it, or another
    /// one, refuses to start
    #[arg(long, value_name = "FILE")]
    checkpoint_file: Option<PathBuf>,
    /// Seconds without a new instance after which a study is closed
    #[arg(long, value_name = "S", default_value_t = Limits::default().quiet_period_s)]
    quiet_period: f64,
    /// Associations to the destination at a time
    #[arg(long, value_name = "N", default_value_t = 4)]
    associations: usize,
    /// Loopback address for /metrics and /healthz
    #[arg(long, value_name = "ADDR:PORT", value_parser = loopback)]
    metrics: Option<SocketAddr>,
    /// Go on where the kernel has not all that it takes to confine workers
    #[arg(long)]
    partial_sandbox: bool,
    /// Bytes of disk that reception never uses
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().disk_reserve_bytes)]
    disk_reserve: u64,
}

/// Runs until SIGTERM or SIGINT. With a configuration SIGHUP has certificates read again.
///
/// # Errors
/// What keeps the gateway from starting.
pub fn run(args: ServeArgs) -> Result<ExitCode, Problem> {
    let mut settings = match &args.config {
        Some(file) => read(file)?,
        None => args.flags.settings()?,
    };
    settings.log_json = args.log_json;
    log_to_stderr(args.log_json);
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // A second signal ends the process at once: what it was doing is found at the next start.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let reload = Arc::new(AtomicBool::new(false));
    if args.config.is_some() {
        signal_hook::flag::register(SIGHUP, Arc::clone(&reload))?;
    }
    let gateway = Gateway::start(settings)?;
    while !stop.load(Ordering::SeqCst) {
        if reload.swap(false, Ordering::SeqCst) {
            gateway.read_certificates_again();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    tracing::info!("stopping: running associations finish first");
    gateway.stop()?;
    Ok(ExitCode::SUCCESS)
}

/// The configuration in a file.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn read(file: &Path) -> Result<Settings, Problem> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(config::parse(file, &text)?)
}

/// The same with the profiles that were put in force by commands, as they stand in the record of what is in force. Whoever
/// has no key cannot know whether that is what was sealed.
///
/// # Errors
/// Everything that is wrong with the configuration, or a start under it that would be refused.
pub(super) fn read_as_in_force(file: &Path) -> Result<Settings, Problem> {
    let mut settings = read(file)?;
    let record = settings.state.join("policy");
    let in_force = InForce::look(&settings.state);
    let in_force = in_force.map_err(|error| format!("{}: {error}", record.display()))?;
    in_force.map_or(Ok(()), |in_force| settings.use_kept(&in_force))?;
    Ok(settings)
}

impl Flags {
    fn settings(self) -> Result<Settings, Problem> {
        let missing = "--state, --allow, --to and --key-file, or --config FILE";
        let (Some(state), Some(key_file), Some((ae_title, address))) =
            (self.state, self.key_file, self.to)
        else {
            return Err(missing.into());
        };
        let caller =
            |ae_title| Caller { ae_title, sources: Vec::new(), certificate: None, returns: None };
        let written = WrittenProfile::read(&self.profile, None)?;
        let destination = DestinationSettings {
            name: "outside".to_owned(),
            speaks: Speaks::Dicom(ae_title),
            address,
            // Certificates are for those who have a configuration.
            tls: None,
            project: "outside".to_owned(),
            generation: None,
            profile: written.parse()?,
            written,
            kept: None,
            associations: self.associations.clamp(1, 64),
            // A site that has a policy has a configuration.
            residency: Residency::default(),
            crosswalk: Retention::default(),
            results: None,
        };
        if !(0.0..=86_400.0).contains(&self.quiet_period) {
            return Err("--quiet-period takes 0 to 86400 seconds".into());
        }
        let limits = Limits {
            quiet_period_s: self.quiet_period,
            disk_reserve_bytes: self.disk_reserve,
            ..Limits::default()
        };
        Ok(Settings {
            state,
            key_file,
            checkpoint_file: self.checkpoint_file,
            audit_repository: None,
            tls: None,
            listen: self.listen,
            ae_title: self.ae_title,
            also_called: Vec::new(),
            allow: self.allow.into_iter().map(caller).collect(),
            commitments: Vec::new(),
            homes: Vec::new(),
            results_web: None,
            pacs: Vec::new(),
            destinations: vec![destination],
            routing: Routing::default(),
            metrics: self.metrics,
            console: None,
            limits,
            sandbox: if self.partial_sandbox { Strictness::Partial } else { Strictness::Strict },
            attendants: None,
            // Whoever needs two people has a configuration.
            approvers: Approvers::default(),
            site: None,
            log_json: false,
        })
    }
}

/// Structured lines on stderr: text for a person at a terminal, JSON for everything else.
pub fn log_to_stderr(json: bool) {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .with_env_var("EFFACE_LOG")
        .from_env_lossy()
        // The libraries underneath may quote values of a data set.
        .add_directive(off("dicom_ul"))
        .add_directive(off("dicom_object"))
        .add_directive(off("dicom_parser"))
        .add_directive(off("dicom_pixeldata"))
        .add_directive(off("dicom_encoding"))
        .add_directive(off("dicom_transfer_syntax_registry"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (the demo's) keeps the first one's.
    let _ = if json || !std::io::stderr().is_terminal() {
        lines.json().flatten_event(true).with_target(false).try_init()
    } else {
        lines.with_target(false).try_init()
    };
}

fn off(target: &str) -> tracing_subscriber::filter::Directive {
    format!("{target}=off").parse().unwrap_or_else(|_| tracing::Level::ERROR.into())
}

fn target(text: &str) -> Result<(AeTitle, String), String> {
    config::target(text)
        .ok_or_else(|| "write TITLE@HOST:PORT, for example LAB@192.0.2.7:104".to_owned())
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "write ADDR:PORT, for example 127.0.0.1:9104")?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("metrics are served on loopback only".to_owned())
    }
}
