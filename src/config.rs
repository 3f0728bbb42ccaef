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

mod console;
mod kept;
mod pull;
mod repository;
mod results;
mod routes;
mod tls;
mod web;

pub use console::{Console, Oidc};
pub use kept::{NotUsable, refuses};
pub use repository::Repository;
pub use results::{Entity, Home, ResultSettings};
pub use tls::{DestinationTls, Files, Tls};
pub use web::{Pass, Speaks, Web};

use crate::approval::{self, Approvers, Kept, Policy};
use crate::commitment::Listener;
use crate::crosswalk::Retention;
use crate::id::AeTitle;
use crate::isolation::{Attendant, Attendants, Strictness, User};
use crate::key::RootKey;
use crate::net::access::{Caller, Network};
use crate::net::http::is_loopback;
use crate::objection::Recipient;
use crate::pipeline::FACE_LIMIT;
use crate::profile::{Profile, SHIPPED, language};
use crate::pull::Pacs;
use crate::residency::{Country, EEA, Entry, Residency, Scheme, SitePolicy, WARN_DAYS};
use crate::routing::{Routing, Rule};
use crate::standard::{Annex, sop_classes};
use crate::yaml::{self, Mistakes, Notes, suggestion};
use data_encoding::HEXLOWER;
use routes::Named;
use serde::{Deserialize, Serialize};
use serde_yaml::Spanned;
use std::io::Read;
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

/// One destination.
pub struct DestinationSettings {
    /// Name in messages, log and spool.
    pub name: String,
    /// How it is spoken to.
    pub speaks: Speaks,
    /// `host:port`.
    pub address: String,
    /// What it has to show; `None`: it is sent to in plain.
    pub tls: Option<DestinationTls>,
    /// The domain of the pseudonyms: one recipient and purpose.
    pub project: String,
    /// The generation of pseudonyms that it is held to; `None`: the newest of the key.
    pub generation: Option<String>,
    /// What leaves.
    pub profile: Profile,
    /// The same as it is written, for workers.
    pub written: WrittenProfile,
    /// Which of those that are kept here it is; `None`: it is the configuration's.
    pub kept: Option<Kept>,
    /// Associations at a time.
    pub associations: usize,
    /// Whether it may be sent to.
    pub residency: Residency,
    /// How long it is known what the project's pseudonyms stand for.
    pub crosswalk: Retention,
    /// Whose results are taken back; `None`: nobody's, but by hand.
    pub results: Option<ResultSettings>,
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

impl DestinationSettings {
    /// Where it is and by what we are known there, for a person.
    pub fn place(&self) -> String {
        match &self.speaks {
            Speaks::Dicom(ae_title) => format!("{ae_title}@{}", self.address),
            Speaks::Web(web) => web.to_string(),
        }
    }
}

/// A profile as a person wrote it.
#[derive(Clone, Debug)]
pub struct WrittenProfile {
    /// Where: a file, or the name of a shipped one.
    pub file: String,
    /// The YAML.
    pub text: String,
}

/// Times and sizes. Everything has a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Seconds without a new instance after which a study is closed.
    pub quiet_period_s: f64,
    /// Hours for which identified originals are kept after delivery.
    pub retain_delivered_h: f64,
    /// Bytes of disk that reception never uses.
    pub disk_reserve_bytes: u64,
    /// Bytes of the largest instance.
    pub instance_bytes_max: u64,
    /// Associations at a time.
    pub associations_max: usize,
    /// Seconds for an association to be asked for.
    pub artim_s: u64,
    /// Seconds without a PDU after which an association ends.
    pub idle_s: u64,
    /// Seconds for one instance to come in or go out.
    pub message_s: u64,
    /// Seconds for which a series may be in the face stage; then it stays inside.
    pub face_s: f64,
    /// Seconds for all of a study; then it stays inside.
    pub worker_s: f64,
    /// Bytes of memory for the worker of one study.
    pub worker_memory_bytes: u64,
    /// Seconds that running associations get to finish when efface stops.
    pub drain_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            quiet_period_s: 60.0,
            retain_delivered_h: 24.0,
            disk_reserve_bytes: 2 << 30,
            instance_bytes_max: 4 << 30,
            associations_max: 50,
            artim_s: 30,
            idle_s: 60,
            message_s: 600,
            face_s: FACE_LIMIT.as_secs_f64(),
            worker_s: 7200.0,
            worker_memory_bytes: 4 << 30,
            drain_s: 10,
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
    site_policy: Option<RawSitePolicy>,
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
    attendants: Option<RawAttendants>,
    approvers: Option<Spanned<Vec<Spanned<String>>>>,
    drain_s: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCaller {
    ae_title: Spanned<String>,
    #[serde(default)]
    from: Vec<Spanned<String>>,
    commitment: Option<Spanned<String>>,
    results: Option<Spanned<String>>,
    query: Option<Spanned<String>>,
    retrieve: Option<Spanned<bool>>,
    certificate: Option<Spanned<String>>,
    certificate_name: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDestination {
    name: Spanned<String>,
    to: Spanned<String>,
    tls: Option<Spanned<tls::RawDestinationTls>>,
    proxy: Option<Spanned<String>>,
    bearer_file: Option<Spanned<String>>,
    oauth2: Option<Spanned<web::RawOAuth2>>,
    recall: Option<Spanned<web::RawRecall>>,
    project: Option<Spanned<String>>,
    generation: Option<String>,
    profile: Spanned<String>,
    associations: Option<Spanned<usize>>,
    register: Option<Spanned<Entry>>,
    crosswalk_days: Option<Spanned<u64>>,
    expire_pseudonyms: Option<Spanned<bool>>,
    results: Option<results::RawResults>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSitePolicy {
    countries: Spanned<Vec<Spanned<String>>>,
    no_third_country_parent: Option<bool>,
    #[serde(default)]
    certifications: Vec<Scheme>,
    warn_days: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAttendants {
    receiver: RawAttendant,
    sender: RawAttendant,
    workers: Option<RawWorkers>,
}

/// They are the gateway's own user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWorkers {
    socket: Spanned<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAttendant {
    user: Spanned<String>,
    socket: Spanned<PathBuf>,
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
        let ae_title = self.ae_title(&raw.ae_title);
        let tls = raw.tls.as_ref().map(|raw| self.tls(raw));
        let console = raw.console.as_ref().and_then(|raw| self.console(raw, tls.as_ref()));
        let is_tls = tls.as_ref().is_some_and(|tls| !tls.plain_listener);
        let allow = self.callers(&raw.allow, is_tls);
        let policy = raw.site_policy.as_ref().map(|policy| self.site_policy(policy));
        let mut destinations = self.destinations(&raw.destinations, policy.as_ref(), tls.as_ref());
        let also_called = self.also_called(&raw.also_called, ae_title.as_ref());
        let called: Vec<AeTitle> = ae_title.iter().chain(&also_called).cloned().collect();
        let homes = self.homes(&raw.allow, &destinations);
        let doors = results::Doors { allow: &allow, called: &called, is_tls };
        self.all_results(&raw.destinations, &doors, &homes, &mut destinations);
        let named = Named { allow: &allow, called: &called, destinations: &destinations };
        let results_web = raw.results_web.as_ref();
        let results_web =
            results_web.and_then(|text| self.results_web(text, is_tls, &destinations));
        let routing = raw.routes.as_ref().map(|raw| self.routes(raw, &named)).unwrap_or_default();
        let commitments = self.commitments(&raw.allow, &allow, &destinations);
        let pacs = self.pacs(&raw.allow.value, &allow, &destinations);
        let repository = raw.audit_repository.as_ref();
        let audit_repository = repository.and_then(|raw| self.audit_repository(raw));
        let approvers = raw.approvers.as_ref().map(|raw| self.approvers(raw)).unwrap_or_default();
        let attendants = raw.attendants.as_ref().and_then(|raw| self.attendants(raw));
        let key_file = raw.key_file.or_else(credential);
        if key_file.is_none() {
            self.notes.say("key_file: FILE is missing. Make one with: efface keys init --out FILE");
        }
        Some(Settings {
            state: raw.state,
            key_file: key_file?,
            checkpoint_file: raw.checkpoint_file.map(|file| file.value),
            audit_repository,
            tls,
            listen: listen?,
            ae_title: ae_title?,
            also_called,
            allow,
            commitments,
            homes,
            results_web,
            pacs,
            destinations,
            routing,
            metrics,
            console,
            limits,
            sandbox: raw.sandbox.unwrap_or_default(),
            attendants,
            approvers,
            site: policy,
            log_json: false,
        })
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

    /// Two users, or they would have each other's files.
    fn attendants(&mut self, raw: &RawAttendants) -> Option<Attendants> {
        let (receiver, sender) = (self.attendant(&raw.receiver)?, self.attendant(&raw.sender)?);
        if receiver.user.uid == sender.user.uid || receiver.user.gid == sender.user.gid {
            let what = "the receiver's user and group, again: whoever sends must not be able to open the inbox";
            self.notes.at(&raw.sender.user, what);
        }
        if receiver.socket == sender.socket {
            self.notes.at(&raw.sender.socket, "the receiver's socket: each needs one of its own");
        }
        let workers = raw.workers.as_ref().map(|raw| self.socket(&raw.socket));
        if let (Some(socket), Some(raw)) = (&workers, &raw.workers)
            && [&receiver.socket, &sender.socket].contains(&socket)
        {
            self.notes.at(&raw.socket, "another's socket: each needs one of its own");
        }
        Some(Attendants { receiver, sender, workers })
    }

    fn socket(&mut self, raw: &Spanned<PathBuf>) -> PathBuf {
        if !raw.value.is_absolute() {
            self.notes.at(raw, "a path from the root, for example /run/efface/receiver");
        }
        raw.value.clone()
    }

    fn attendant(&mut self, raw: &RawAttendant) -> Option<Attendant> {
        let user = User::named(&raw.user.value);
        if let Err(why) = &user {
            self.notes.at(&raw.user, why.to_string());
        }
        let socket = self.socket(&raw.socket);
        Some(Attendant { user: user.ok()?, socket })
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

    fn limits(&mut self, raw: &RawConfig) -> Limits {
        let standard = Limits::default();
        Limits {
            quiet_period_s: self.seconds(&raw.quiet_period_s, standard.quiet_period_s, 86_400.0),
            retain_delivered_h: self.seconds(
                &raw.retain_delivered_h,
                standard.retain_delivered_h,
                87_600.0,
            ),
            disk_reserve_bytes: value(&raw.disk_reserve_bytes, standard.disk_reserve_bytes),
            instance_bytes_max: value(&raw.instance_bytes_max, standard.instance_bytes_max),
            associations_max: self.count(&raw.associations_max, standard.associations_max, 1000),
            artim_s: value(&raw.artim_s, standard.artim_s),
            idle_s: value(&raw.idle_s, standard.idle_s),
            message_s: value(&raw.message_s, standard.message_s),
            face_s: self.seconds(&raw.face_s, standard.face_s, 86_400.0),
            worker_s: self.seconds(&raw.worker_s, standard.worker_s, 604_800.0),
            worker_memory_bytes: value(&raw.worker_memory_bytes, standard.worker_memory_bytes),
            drain_s: value(&raw.drain_s, standard.drain_s),
        }
    }

    fn seconds(&mut self, raw: &Option<Spanned<f64>>, standard: f64, most: f64) -> f64 {
        match raw {
            Some(given) if (0.0..=most).contains(&given.value) => given.value,
            Some(given) => {
                self.notes.at(given, format!("a number from 0 to {most}"));
                standard
            }
            None => standard,
        }
    }

    fn count(&mut self, raw: &Option<Spanned<usize>>, standard: usize, most: usize) -> usize {
        match raw {
            Some(given) if (1..=most).contains(&given.value) => given.value,
            Some(given) => {
                self.notes.at(given, format!("a number from 1 to {most}"));
                standard
            }
            None => standard,
        }
    }

    fn address(&mut self, text: &Spanned<String>) -> Option<SocketAddr> {
        let parsed = text.value.parse().ok();
        if parsed.is_none() {
            self.notes.at(text, "an address and a port, for example 0.0.0.0:11112");
        }
        parsed
    }

    fn loopback(&mut self, text: &Spanned<String>) -> Option<SocketAddr> {
        let address = self.address(text)?;
        if !address.ip().is_loopback() {
            self.notes.at(text, "metrics are served on loopback only, for example 127.0.0.1:9104");
        }
        Some(address)
    }

    fn ae_title(&mut self, text: &Spanned<String>) -> Option<AeTitle> {
        match text.value.parse() {
            Ok(title) => Some(title),
            Err(error) => {
                self.notes.at(text, format!("{error}"));
                None
            }
        }
    }

    fn callers(&mut self, raw: &Spanned<Vec<RawCaller>>, is_tls: bool) -> Vec<Caller> {
        if raw.value.is_empty() {
            self.notes.at(raw, "nobody may send: name at least one calling AE title");
        }
        let callers = raw.value.iter().filter_map(|caller| {
            let ae_title = self.ae_title(&caller.ae_title)?;
            let sources = caller.from.iter().filter_map(|text| {
                let network = text.value.parse::<Network>().ok();
                if network.is_none() {
                    self.notes.at(text, "an address or a network, for example 10.20.0.0/16");
                }
                network
            });
            let sources = sources.collect();
            let certificate = self.known(caller, is_tls);
            Some(Caller { ae_title, sources, certificate, returns: None })
        });
        callers.collect()
    }

    /// Reports name instances by the UIDs of the hospital: they stay inside.
    fn commitments(
        &mut self,
        raw: &Spanned<Vec<RawCaller>>,
        allow: &[Caller],
        destinations: &[DestinationSettings],
    ) -> Vec<Listener> {
        let mut listeners: Vec<Listener> = Vec::new();
        for caller in &raw.value {
            let Some(text) = &caller.commitment else { continue };
            let inside = self.inside(text, destinations, "reports on storage commitment");
            let Some((ae_title, address)) = inside else { continue };
            let known = allow.iter().find(|known| known.ae_title.as_str() == caller.ae_title.value);
            let Some(Caller { ae_title: calling, sources, .. }) = known.cloned() else { continue };
            if listeners.iter().any(|other| other.calling == calling) {
                self.notes.at(text, "a second commitment: of this calling AE title");
            }
            listeners.push(Listener { calling, sources, ae_title, address });
        }
        listeners
    }

    fn site_policy(&mut self, raw: &RawSitePolicy) -> SitePolicy {
        if raw.countries.value.is_empty() {
            self.notes.at(&raw.countries, "name at least one country, or EEA");
        }
        let mut countries = Vec::new();
        for text in &raw.countries.value {
            let named = match text.value.as_str() {
                "EEA" => EEA.iter().map(|country| country.parse::<Country>()).collect(),
                country => country.parse::<Country>().map(|country| vec![country]),
            };
            match named {
                Ok(named) => countries.extend(named),
                Err(must) => self.notes.at(text, must),
            }
        }
        SitePolicy {
            countries,
            no_third_country_parent: raw.no_third_country_parent.unwrap_or(true),
            certifications: raw.certifications.clone(),
            warn_days: value(&raw.warn_days, WARN_DAYS),
        }
    }

    /// Names in an entry that nothing has would allow nothing.
    fn entry(&mut self, raw: &Spanned<Entry>) -> Entry {
        let classes = sop_classes();
        for unknown in
            raw.value.sop_classes.iter().filter(|uid| !classes.contains_key(uid.as_str()))
        {
            let what = format!("sop_classes: {unknown} is no Storage SOP Class UID of PS3.4 B.5");
            self.notes.at(raw, what);
        }
        let options = raw.value.options.iter().flatten();
        for unknown in options.filter(|name| Annex::from_name(name).is_none()) {
            let hint = suggestion(unknown, Annex::ALL.into_iter().map(Annex::name));
            let what = format!("options: {unknown} is no option of CID 7050{hint}");
            self.notes.at(raw, what);
        }
        raw.value.clone()
    }

    fn destinations(
        &mut self,
        raw: &Spanned<Vec<RawDestination>>,
        policy: Option<&SitePolicy>,
        tls: Option<&Tls>,
    ) -> Vec<DestinationSettings> {
        if raw.value.is_empty() {
            self.notes.at(raw, "name at least one destination");
        }
        let mut settled: Vec<DestinationSettings> = Vec::new();
        for destination in &raw.value {
            let Some(mut new) = self.destination(destination, tls) else { continue };
            new.residency.policy = policy.cloned();
            if settled.iter().any(|known| known.name == new.name) {
                self.notes.at(&destination.name, "a second destination of this name");
            }
            if settled.iter().any(|known| known.project == new.project) {
                let what = "a second destination of this project: the two recipients could join their data. Give it a project: of its own";
                self.notes.at(&destination.name, what);
            }
            settled.push(new);
        }
        settled
    }

    fn destination(
        &mut self,
        raw: &RawDestination,
        tls: Option<&Tls>,
    ) -> Option<DestinationSettings> {
        let name = self.name(&raw.name)?;
        let project = match &raw.project {
            Some(project) => self.name(project)?,
            None => name.clone(),
        };
        let (speaks, address) = self.place(raw)?;
        let associations = self.count(&raw.associations, 4, 64);
        let read = WrittenProfile::read(&raw.profile.value, self.folder);
        let (written, profile) = match read.and_then(|w| w.parse().map(|profile| (w, profile))) {
            Ok(read) => read,
            Err(problem) => {
                self.notes.at(&raw.profile, problem);
                return None;
            }
        };
        let entry = raw.register.as_ref().map(|entry| self.entry(entry));
        Some(DestinationSettings {
            residency: Residency { policy: None, entry },
            name,
            tls: match &speaks {
                Speaks::Dicom(_) => self.destination_tls(raw.tls.as_ref(), &raw.to, &address, tls),
                Speaks::Web(web) => self.web_tls(raw, web, tls),
            },
            speaks,
            address,
            project,
            generation: raw.generation.clone(),
            crosswalk: self.retention(raw, &profile),
            // When it is known who sends studies, and where everybody is.
            results: None,
            profile,
            written,
            kept: None,
            associations,
        })
    }

    fn retention(&mut self, raw: &RawDestination, profile: &Profile) -> Retention {
        let standard = Retention::default();
        let most = Retention::DAYS_MAX;
        let days = match &raw.crosswalk_days {
            Some(days) if (1..=most).contains(&days.value) => days.value,
            Some(days) => {
                let what = format!("days, from 1 to {most} (thirty years)");
                self.notes.at(days, what);
                standard.days
            }
            None => standard.days,
        };
        let pseudonyms = value(&raw.expire_pseudonyms, standard.pseudonyms);
        let retention = Retention { days, pseudonyms };
        if let Some(said) = &raw.expire_pseudonyms
            && let Some(what) = kept::refuses(retention, profile)
        {
            self.notes.at(said, what);
        }
        retention
    }

    fn name(&mut self, text: &Spanned<String>) -> Option<String> {
        let legal = is_name(&text.value);
        if !legal {
            self.notes.at(text, "1 to 32 lower-case letters, digits and hyphens");
        }
        legal.then(|| text.value.clone())
    }
}

fn value<T: Copy>(raw: &Option<Spanned<T>>, standard: T) -> T {
    raw.as_ref().map_or(standard, |given| given.value)
}

/// Names of destinations and projects: they become directories.
fn is_name(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(legal)
}

/// `AE_TITLE@HOST:PORT`.
pub fn target(text: &str) -> Option<(AeTitle, String)> {
    let (title, address) = text.rsplit_once('@')?;
    let (host, port) = address.rsplit_once(':')?;
    let port_is_legal = port.parse::<u16>().is_ok_and(|p| p > 0);
    (!host.is_empty() && port_is_legal).then_some((title.parse().ok()?, address.to_owned()))
}

/// Whether two addresses are of one host. On loopback, where only trials are, ports tell machines apart.
fn is_at(one: &str, other: &str) -> bool {
    let host = |address: &str| {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        host.trim_matches(['[', ']']).to_ascii_lowercase()
    };
    one == other || host(one) == host(other) && !is_loopback(&host(one))
}

/// The key that systemd hands over, if it does (`LoadCredential=efface-root.key:...`).
fn credential() -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os("CREDENTIALS_DIRECTORY")?).join("efface-root.key");
    path.exists().then_some(path)
}

/// A profile by the name of a shipped one or by its file, which is looked for in `folder`.
///
/// # Errors
/// What is wrong, for a person.
pub fn load_profile(name: &str, folder: Option<&Path>) -> Result<Profile, String> {
    WrittenProfile::read(name, folder)?.parse()
}

impl WrittenProfile {
    /// Reads a profile that is shipped, a file beside a configuration, or, by the name `-`, the standard input.
    ///
    /// # Errors
    /// In words, for a person.
    pub fn read(name: &str, folder: Option<&Path>) -> Result<Self, String> {
        if name == "-" && folder.is_none() {
            let mut text = String::new();
            let read = std::io::stdin().take(1 + yaml::SIZE_MAX as u64).read_to_string(&mut text);
            read.map_err(|error| format!("standard input: {error}"))?;
            return Ok(WrittenProfile { file: "standard input".to_owned(), text });
        }
        if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            return Ok(WrittenProfile { file: name.to_owned(), text: (*text).to_owned() });
        }
        let path = folder.map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let hint = suggestion(name, SHIPPED.iter().map(|(shipped, _)| *shipped));
            format!("profile {}: {error}{hint}", path.display())
        })?;
        Ok(WrittenProfile { file: path.display().to_string(), text })
    }

    /// What it means.
    ///
    /// # Errors
    /// Everything that is wrong with it, in words.
    pub fn parse(&self) -> Result<Profile, String> {
        language::parse(&self.file, &self.text).map_err(|mistakes| mistakes.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const GOOD: &str = "\
efface_config: 1
state: /tmp/state
key_file: /tmp/key
listen: 127.0.0.1:11112
ae_title: EFFACE
allow:
  - { ae_title: PACS, from: [10.20.0.0/16] }
destinations:
  - { name: lab, to: LAB@192.0.2.7:104, profile: basic }
";

    pub(super) fn mistakes(text: &str) -> String {
        parse(Path::new("efface.yaml"), text)
            .map(|_| ())
            .map_err(|m| m.to_string())
            .err()
            .unwrap_or_default()
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let settings = parse(Path::new("efface.yaml"), GOOD).unwrap();
        assert_eq!(settings.limits, Limits::default());
        let lab = &settings.destinations[0];
        assert_eq!(
            (lab.project.as_str(), lab.associations, lab.profile.name()),
            ("lab", 4, "basic")
        );
        assert_eq!(lab.address, "192.0.2.7:104");
        assert!(settings.metrics.is_none());
    }

    #[test]
    fn the_example_that_is_shipped_is_right() {
        let text = include_str!("../packaging/efface.yaml");
        let settings = parse(Path::new("/etc/efface/efface.yaml"), text).unwrap();
        assert_eq!(settings.limits, Limits::default());
    }

    #[test]
    fn every_mistake_has_its_place() {
        let bad = GOOD
            .replace("127.0.0.1:11112", "localhost")
            .replace("10.20.0.0/16", "10.20.0.1/16")
            .replace("LAB@192.0.2.7:104", "192.0.2.7:104")
            + "quiet_period_s: -1\nmetrics: 0.0.0.0:9104\n";
        let said = mistakes(&bad);
        for place in [":4:9:", ":7:30:", ":9:22:", ":10:17:", ":11:10:"] {
            assert!(said.contains(place), "{place} in {said}");
        }
        assert_eq!(said.lines().filter(|line| line.contains("efface.yaml:")).count(), 5);
    }

    #[test]
    fn what_pseudonyms_stand_for_has_its_time() {
        let with = |what: &str| GOOD.replace("profile: basic", &format!("profile: basic, {what}"));
        let kept = |text: &str| {
            let settings = parse(Path::new("efface.yaml"), text).unwrap();
            settings.destinations[0].crosswalk
        };
        assert_eq!(kept(GOOD), Retention { days: 365, pseudonyms: false });
        assert_eq!(kept(&with("crosswalk_days: 10958")).days, 10_958);
        for days in ["0", "10959"] {
            let said = mistakes(&with(&format!("crosswalk_days: {days}")));
            assert!(said.contains(":9:") && said.contains("from 1 to 10958"), "{said}");
        }
        let said = mistakes(&with("expire_pseudonyms: true"));
        assert!(said.contains("pseudonyms: random in the profile"), "{said}");
    }

    #[test]
    fn nobody_is_allowed_by_default() {
        assert!(
            mistakes(
                &GOOD.replace("allow:\n  - { ae_title: PACS, from: [10.20.0.0/16] }", "allow: []")
            )
            .contains("nobody may send")
        );
        assert!(
            mistakes(&GOOD.replace("  - { ae_title: PACS, from: [10.20.0.0/16] }\n", ""))
                .contains("efface.yaml")
        );
    }

    #[test]
    fn reports_on_storage_commitment_stay_inside() {
        let with = |address: &str| {
            GOOD.replace(
                "from: [10.20.0.0/16] }",
                &format!("from: [10.20.0.0/16], commitment: {address} }}"),
            )
        };
        let settings = parse(Path::new("efface.yaml"), &with("PACS@10.20.0.5:11113")).unwrap();
        let listener = &settings.commitments[0];
        assert_eq!(
            (listener.calling.as_str(), listener.address.as_str()),
            ("PACS", "10.20.0.5:11113")
        );
        assert_eq!(listener.sources.len(), 1);
        for outside in ["LAB@192.0.2.7:104", "PACS@192.0.2.7:11113"] {
            assert!(mistakes(&with(outside)).contains("stay inside"), "{outside}");
        }
        assert!(mistakes(&with("10.20.0.5")).contains("AE_TITLE@HOST:PORT"));
    }

    #[test]
    fn the_witness_of_the_log_lies_elsewhere() {
        let with = |file: &str| format!("{GOOD}checkpoint_file: {file}\n");
        let settings = parse(Path::new("efface.yaml"), &with("/mnt/dpo/efface")).unwrap();
        assert_eq!(settings.checkpoint_file.unwrap(), Path::new("/mnt/dpo/efface"));
        assert!(mistakes(&with("/tmp/state/checkpoint")).contains(":10:18:"));
    }

    #[test]
    fn attendants_are_two_users_that_there_are() {
        let with = |receiver: &str, sender: &str| {
            let of =
                |what, user| format!("  {what}: {{ user: {user}, socket: /run/efface/{what} }}\n");
            format!("{GOOD}attendants:\n{}{}", of("receiver", receiver), of("sender", sender))
        };
        let settings = parse(Path::new("efface.yaml"), &with("daemon", "bin")).unwrap();
        let attendants = settings.attendants.unwrap();
        assert_eq!(attendants.receiver.socket, Path::new("/run/efface/receiver"));
        assert_ne!(attendants.receiver.user, attendants.sender.user);
        assert!(mistakes(&with("daemon", "daemon")).contains("must not be able to open the inbox"));
        assert!(mistakes(&with("root", "bin")).contains("root may do everything"));
        assert!(mistakes(&with("nobody-of-this-name", "bin")).contains("adduser"));
        let relative = with("daemon", "bin").replace("/run/efface/sender", "sender");
        assert!(mistakes(&relative).contains("a path from the root"));
        let one = with("daemon", "bin").replace("efface/sender", "efface/receiver");
        assert!(mistakes(&one).contains("one of its own"));
        assert_eq!(attendants.workers, None);
        let workers =
            |socket| format!("{}  workers: {{ socket: {socket} }}\n", with("daemon", "bin"));
        let settings = parse(Path::new("efface.yaml"), &workers("/run/efface/worker")).unwrap();
        let socket = settings.attendants.unwrap().workers;
        assert_eq!(socket.as_deref(), Some(Path::new("/run/efface/worker")));
        assert!(mistakes(&workers("/run/efface/sender")).contains("one of its own"));
        assert!(mistakes(&workers("worker")).contains("a path from the root"));
    }

    #[test]
    fn a_site_policy_is_for_all_destinations_and_an_entry_for_one() {
        let entry = "{ legal_entity: Lab SAS, hosting_country: NO, remote_access: [], role: processor,\n      \
                     certifications: [{ scheme: ISO 27001, until: 2027-01-01 }], options: [Clean Descriptors],\n      \
                     sop_classes: [1.2.840.10008.5.1.4.1.1.2] }";
        let with = |entry: &str, policy: &str| {
            let text =
                GOOD.replace("profile: basic }", &format!("profile: basic, register: {entry} }}"));
            format!("{text}{policy}")
        };
        let policy = "site_policy: { countries: [EEA, CH], certifications: [HDS] }\n";
        let settings = parse(Path::new("efface.yaml"), &with(entry, policy)).unwrap();
        let residency = &settings.destinations[0].residency;
        let policy = residency.policy.as_ref().unwrap();
        assert_eq!((policy.countries.len(), policy.no_third_country_parent), (31, true));
        assert_eq!(residency.entry.as_ref().unwrap().legal_entity.as_deref(), Some("Lab SAS"));
        for (entry, policy, words) in [
            ("{ hosting_country: france }", "", "ISO 3166-1"),
            ("{ hosting: FR }", "", "hosting"),
            ("{ sop_classes: [1.2.3] }", "", "no Storage SOP Class"),
            ("{ options: [Clean Descriptor] }", "", "Clean Descriptors?"),
            ("{}", "site_policy: { countries: [] }\n", "at least one country"),
            ("{}", "site_policy: { countries: [UK] }\n", "GB in ISO 3166-1"),
        ] {
            let said = mistakes(&with(entry, policy));
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn passwords_go_to_the_console_under_tls_or_stay_on_the_machine() {
        let with = |console: &str| format!("{GOOD}console: {console}\n");
        let settings =
            parse(Path::new("efface.yaml"), &with("{ listen: 127.0.0.1:8443 }")).unwrap();
        assert!(settings.console.unwrap().files.is_none());
        assert!(mistakes(&with("{ listen: 0.0.0.0:8443 }")).contains("would go in plain"));
        assert!(
            mistakes(&with("{ listen: \"[::1]:1\", certificate: x }")).contains("belong together")
        );
        assert!(mistakes(&with("{ listen: 127.0.0.1:1, language: de }")).contains("language"));
    }

    #[test]
    fn two_recipients_never_share_a_key() {
        let two = format!(
            "{GOOD}  - {{ name: two, to: TWO@192.0.2.8:104, project: lab, profile: basic }}\n"
        );
        assert!(mistakes(&two).contains("could join their data"));
    }

    #[test]
    fn unknown_profiles_and_keys_are_refused() {
        assert!(
            mistakes(&GOOD.replace("profile: basic", "profile: basics"))
                .contains("did you mean basic?")
        );
        assert!(mistakes(&format!("{GOOD}quiet_period: 3\n")).contains("quiet_period"));
    }
}
