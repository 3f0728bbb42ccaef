//! The configuration: raw YAML or flags in, settled settings out, every mistake with its line.
//!
//! ```yaml
//! efface_config: 1
//! state: /var/lib/efface                # originals, parcels, log: on an encrypted volume
//! key_file: /etc/efface/root.key        # made by: efface keys init --out FILE
//! checkpoint_file: /mnt/dpo/efface      # the log's newest checkpoint, out of reach of whoever has the state directory
//! listen: 0.0.0.0:11112
//! ae_title: EFFACE
//! allow:                                # who may send; nobody else
//!   - { ae_title: PACS, from: [10.20.0.0/16], commitment: PACS@10.20.0.5:11113 }    # query:, retrieve: (config/pull.rs)
//! destinations:
//!   - { name: lab, to: LAB@192.0.2.7:104, project: lab, profile: basic }    # register: what is known of it (residency.rs)
//!   # or to: https://lab.example/dicom-web (config/web.rs)
//! routes:                               # without it everything goes to every destination (routing/)
//!   - { name: all, to: [lab] }
//! audit_repository: { to: arr.example:6514, ca: arr-ca.pem, certificate: efface.pem, key_file: efface.key }    # DICOM PS3.15 A.5
//! tls: { certificate: efface.pem, key_file: efface.key, ca: hospital-ca.pem }    # for the listener and destinations (config/tls.rs)
//! approvers: [anna+1f2e3d4c+AZ...]      # two of them must agree to what one alone may not do (approval/)
//! site_policy: { countries: [EEA] }     # where data may go; with it every destination needs register:
//! console: { listen: 127.0.0.1:8443 }   # where people look in with a browser (config/console.rs)
//! quiet_period_s: 60                    # a study is closed when nothing has come for so long
//! ```
//!
//! Keys that are left out have the value of [`Limits::default`]. Secrets are paths, never values.

mod attendants;
mod callers;
mod console;
mod destinations;
mod kept;
mod limits;
mod pull;
mod repository;
mod results;
mod routes;
mod site;
#[cfg(test)]
mod tests;
mod tls;
mod values;
mod web;
mod written;

pub use console::{Console, Oidc};
pub use destinations::DestinationSettings;
pub use kept::{NotUsable, refuses};
pub use limits::Limits;
pub use repository::Repository;
pub use results::{Entity, Home, ResultSettings};
pub use tls::{DestinationTls, Files, Tls};
pub use values::target;
pub use web::{Pass, Speaks, Web};
pub use written::{WrittenProfile, load_profile};

use crate::approval::{self, Approvers, Policy};
use crate::commitment::Listener;
use crate::id::AeTitle;
use crate::isolation::{Attendants, Strictness};
use crate::key::RootKey;
use crate::net::access::Caller;
use crate::objection::Recipient;
use crate::pull::Pacs;
use crate::residency::SitePolicy;
use crate::routing::{Routing, Rule};
use crate::yaml::{Mistakes, Notes};
use callers::RawCaller;
use data_encoding::HEXLOWER;
use destinations::RawDestination;
use results::Doors;
use routes::Named;
use serde::Deserialize;
use serde_yaml::Spanned;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Everything that the gateway has to know.
pub struct Settings {
    /// The state directory.
    pub state: PathBuf,
    /// The root key.
    pub key_file: PathBuf,
    /// Where the log's newest checkpoint is kept, outside the state directory; `None`: nowhere.
    pub checkpoint_file: Option<PathBuf>,
    /// Where audit messages go; `None`: nowhere.
    pub audit_repository: Option<Repository>,
    /// Certificates of the gateway; `None`: everything is plain TCP.
    pub tls: Option<Tls>,
    /// Address and port of the listener.
    pub listen: SocketAddr,
    /// The AE title by which efface is called, and calls.
    pub ae_title: AeTitle,
    /// Other AE titles by which efface is called: routes can tell by them what is urgent.
    pub also_called: Vec<AeTitle>,
    /// Who may send.
    pub allow: Vec<Caller>,
    /// Where callers listen for reports on storage commitment.
    pub commitments: Vec<Listener>,
    /// Where results of what callers sent go.
    pub homes: Vec<Home>,
    /// PACSs that are asked about the studies that they send.
    pub pacs: Vec<Pacs>,
    /// Where results are taken by STOW-RS, too; `None`: nowhere.
    pub results_web: Option<SocketAddr>,
    /// Where de-identified studies go.
    pub destinations: Vec<DestinationSettings>,
    /// What goes to which of them.
    pub routing: Routing,
    /// Address of `/metrics` and `/healthz`, on loopback; `None`: not served.
    pub metrics: Option<SocketAddr>,
    /// The console; `None`: there is none.
    pub console: Option<Console>,
    /// Times and sizes.
    pub limits: Limits,
    /// Whether workers work where the kernel can't confine them.
    pub sandbox: Strictness,
    /// Who receives and who sends; `None`: the user of the gateway does.
    pub attendants: Option<Attendants>,
    /// Who must agree, two of them, to what one person alone may not do; nobody, where nobody is named.
    pub approvers: Approvers,
    /// What the site allows of destinations.
    pub site: Option<SitePolicy>,
    /// Log lines as JSON, also at a terminal.
    pub log_json: bool,
}

impl Settings {
    /// To whom something leaves, and for what.
    pub fn recipients(&self) -> impl Iterator<Item = Recipient<'_>> {
        let all = self.destinations.iter();
        all.map(|to| Recipient { destination: &to.name, project: &to.project })
    }

    /// What of it decides about people's data.
    pub fn policy(&self, root: &RootKey) -> Policy {
        let generation = root.generations().next().unwrap_or_default();
        let checkpoints = self.checkpoint_file.iter();
        let checkpoints = checkpoints.map(|file| format!("checkpoint_file {}", file.display()));
        let repository = self.audit_repository.iter();
        let repository = repository.map(|to| format!("audit_repository {}", to.address));
        let destination = |to: &DestinationSettings| {
            let destination = approval::Destination {
                address: to.place(),
                tls: to.tls.as_ref().map(DestinationTls::to_text),
                project: to.project.clone(),
                generation: to.generation.clone(),
                profile: to.written.text.clone(),
                plan: HEXLOWER.encode(&to.profile.digest()),
                kept: to.kept.clone(),
                entry: to.residency.entry.clone(),
                results: to.results.as_ref().map(|results| results.to_text(&self.homes)),
            };
            (to.name.clone(), destination)
        };
        Policy {
            key: format!("{} {generation}", root.fingerprint()),
            approvers: self.approvers.clone(),
            site: self.site.clone(),
            told: checkpoints.chain(repository).collect(),
            routes: self.routing.rules.iter().map(Rule::to_text).collect(),
            destinations: self.destinations.iter().map(destination).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    efface_config: Spanned<u32>,
    state: PathBuf,
    key_file: Option<PathBuf>,
    checkpoint_file: Option<Spanned<PathBuf>>,
    audit_repository: Option<repository::RawRepository>,
    tls: Option<Spanned<tls::RawTls>>,
    listen: Spanned<String>,
    ae_title: Spanned<String>,
    also_called: Option<Vec<Spanned<String>>>,
    allow: Spanned<Vec<RawCaller>>,
    destinations: Spanned<Vec<RawDestination>>,
    routes: Option<Spanned<Vec<routes::RawRule>>>,
    results_web: Option<Spanned<String>>,
    site_policy: Option<site::RawSitePolicy>,
    metrics: Option<Spanned<String>>,
    console: Option<Spanned<console::RawConsole>>,
    quiet_period_s: Option<Spanned<f64>>,
    retain_delivered_h: Option<Spanned<f64>>,
    disk_reserve_bytes: Option<Spanned<u64>>,
    instance_bytes_max: Option<Spanned<u64>>,
    associations_max: Option<Spanned<usize>>,
    artim_s: Option<Spanned<u64>>,
    idle_s: Option<Spanned<u64>>,
    message_s: Option<Spanned<u64>>,
    face_s: Option<Spanned<f64>>,
    worker_s: Option<Spanned<f64>>,
    worker_memory_bytes: Option<Spanned<u64>>,
    sandbox: Option<Strictness>,
    attendants: Option<attendants::RawAttendants>,
    approvers: Option<Spanned<Vec<Spanned<String>>>>,
    drain_s: Option<Spanned<u64>>,
}

/// Reads a configuration. Profiles are looked for beside it.
///
/// # Errors
/// [`Mistakes`]: all of them.
pub fn parse(path: &Path, text: &str) -> Result<Settings, Mistakes> {
    let mut settling = Settling { notes: Notes::default(), folder: path.parent() };
    let raw = settling.notes.parse::<RawConfig>(text);
    let settings = raw.and_then(|raw| settling.settings(raw));
    settling.notes.settle(&path.display().to_string(), settings)
}

/// What [`Settings`] says of those that talk to the gateway.
struct Peers {
    allow: Vec<Caller>,
    also_called: Vec<AeTitle>,
    destinations: Vec<DestinationSettings>,
    homes: Vec<Home>,
    results_web: Option<SocketAddr>,
    routing: Routing,
    commitments: Vec<Listener>,
    pacs: Vec<Pacs>,
}

/// Settles raw values, noting mistakes.
struct Settling<'a> {
    notes: Notes,
    folder: Option<&'a Path>,
}

impl Settling<'_> {
    fn settings(&mut self, raw: RawConfig) -> Option<Settings> {
        if raw.efface_config.value != 1 {
            self.notes.at(&raw.efface_config, "this version reads efface_config: 1");
        }
        let limits = self.limits(&raw);
        self.checkpoint_file(&raw);
        let listen = self.address(&raw.listen);
        let metrics = raw.metrics.as_ref().and_then(|text| self.loopback(text));
        let ae_title = self.parsed::<AeTitle>(&raw.ae_title);
        let tls = raw.tls.as_ref().map(|raw| self.tls(raw));
        let console = raw.console.as_ref().and_then(|raw| self.console(raw, tls.as_ref()));
        let site = raw.site_policy.as_ref().map(|policy| self.site_policy(policy));
        let peers = self.peers(&raw, ae_title.as_ref(), tls.as_ref(), site.as_ref());
        let repository = raw.audit_repository.as_ref();
        let audit_repository = repository.and_then(|raw| self.audit_repository(raw));
        let approvers = raw.approvers.as_ref().map(|raw| self.approvers(raw)).unwrap_or_default();
        let attendants = raw.attendants.as_ref().and_then(|raw| self.attendants(raw));
        let key_file = self.key_file(raw.key_file);
        Some(Settings {
            state: raw.state,
            key_file: key_file?,
            checkpoint_file: raw.checkpoint_file.map(|file| file.value),
            audit_repository,
            tls,
            listen: listen?,
            ae_title: ae_title?,
            also_called: peers.also_called,
            allow: peers.allow,
            commitments: peers.commitments,
            homes: peers.homes,
            results_web: peers.results_web,
            pacs: peers.pacs,
            destinations: peers.destinations,
            routing: peers.routing,
            metrics,
            console,
            limits,
            sandbox: raw.sandbox.unwrap_or_default(),
            attendants,
            approvers,
            site,
            log_json: false,
        })
    }

    /// Who sends, who gets what, and who returns what of it: sections that name each other.
    fn peers(
        &mut self,
        raw: &RawConfig,
        ae_title: Option<&AeTitle>,
        tls: Option<&Tls>,
        site: Option<&SitePolicy>,
    ) -> Peers {
        let is_tls = tls.is_some_and(|tls| !tls.plain_listener);
        let allow = self.callers(&raw.allow, is_tls);
        let mut destinations = self.destinations(&raw.destinations, site, tls);
        let also_called = self.also_called(&raw.also_called, ae_title);
        let called: Vec<AeTitle> = ae_title.into_iter().chain(&also_called).cloned().collect();
        let homes = self.homes(&raw.allow, &destinations);
        let doors = Doors { allow: &allow, called: &called, is_tls };
        self.all_results(&raw.destinations, &doors, &homes, &mut destinations);
        let named = Named { allow: &allow, called: &called, destinations: &destinations };
        let results_web = raw.results_web.as_ref();
        let results_web =
            results_web.and_then(|text| self.results_web(text, is_tls, &destinations));
        let routing = raw.routes.as_ref().map(|raw| self.routes(raw, &named)).unwrap_or_default();
        let commitments = self.commitments(&raw.allow, &allow, &destinations);
        let pacs = self.pacs(&raw.allow.value, &allow, &destinations);
        Peers { allow, also_called, destinations, homes, results_web, routing, commitments, pacs }
    }

    fn key_file(&mut self, raw: Option<PathBuf>) -> Option<PathBuf> {
        let file = raw.or_else(credential);
        if file.is_none() {
            self.notes.say("key_file: FILE is missing. Make one with: efface keys init --out FILE");
        }
        file
    }

    /// Two of them, or nobody.
    fn approvers(&mut self, raw: &Spanned<Vec<Spanned<String>>>) -> Approvers {
        let mut keys = Vec::new();
        for text in &raw.value {
            match text.value.parse() {
                Ok(key) => keys.push(key),
                Err(_) => {
                    let what =
                        "the line that was printed by: efface approval key --name NAME --out FILE";
                    self.notes.at(text, what);
                }
            }
        }
        Approvers::new(keys).unwrap_or_else(|what| {
            self.notes.at(raw, what);
            Approvers::default()
        })
    }

    /// Beside the log it would be rolled back with it.
    fn checkpoint_file(&mut self, raw: &RawConfig) {
        let Some(file) = &raw.checkpoint_file else { return };
        if file.value.starts_with(&raw.state) {
            self.notes.at(
                file,
                "a file outside the state directory, best on another machine: it shows when that directory was put back to an older state",
            );
        }
    }
}

/// The key that systemd hands over, if it does (`LoadCredential=efface-root.key:...`).
fn credential() -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os("CREDENTIALS_DIRECTORY")?).join("efface-root.key");
    path.exists().then_some(path)
}
