//! `efface status`: one screen that says whether all is well, and where everything is.

use super::inspect::look;
use super::serve::read_as_in_force;
use super::{Problem, StateArgs, paint};
use crate::atna;
use crate::audit::{self, Line, Row};
use crate::clock::{self, Day};
use crate::custody::homebox::Homebox;
use crate::custody::outbox::Outbox;
use crate::disk;
use crate::erasure::{self, Request};
use crate::objection;
use crate::profile::Profile;
use crate::pull::tally::Tally;
use crate::recall::{self, Recall};
use crate::requests;
use crate::residency::Residency;
use crate::spool::account::Account;
use crate::spool::quarantine;
use crate::spool::results::{self, Tray};
use crate::spool::{Place, Spool};
use crate::view::profile::short_digest;
use clap::Args;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How often a screen that is watched is drawn anew.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

#[derive(Args)]
#[command(
    after_help = "With --json: {instances: {STATE: N}, accounted, lost, oldest_undelivered_s, outboxes: {DESTINATION: {batches, refused}}, results, homes, quarantine: {CODE: N}, free_bytes, objections, audit_behind, erasures, recalls, pacs, destinations: {NAME: words}}."
)]
pub struct StatusArgs {
    #[command(flatten)]
    state: StateArgs,
    /// Configuration of the gateway: whether its destinations may be sent to is shown, too
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
    /// Look again every two seconds, until interrupted
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

/// What is shown. Nothing of a data set is in it.
#[derive(Serialize)]
struct Status {
    /// Acknowledged instances by state, in the order in which they pass them.
    #[serde(serialize_with = "as_map")]
    instances: [(&'static str, u64); 7],
    /// Acknowledged instances that are accounted for.
    accounted: u64,
    /// Acknowledged instances that cannot be found.
    lost: u64,
    oldest_undelivered_s: u64,
    /// Batches waiting, by destination.
    outboxes: BTreeMap<String, Waiting>,
    /// Results that came back, by the destination that made them.
    results: BTreeMap<String, results::Tally>,
    /// Results re-identified, by PACS: those that wait, and those that the PACS refused.
    homes: BTreeMap<String, [u64; 2]>,
    /// Instances in quarantine, by code.
    quarantine: BTreeMap<&'static str, u64>,
    free_bytes: u64,
    objections: Objections,
    /// What the audit repository is not known to have; `null`: nothing is reported.
    audit_behind: Option<Behind>,
    erasures: Asked,
    recalls: Asked,
    /// How studies were closed, and what was asked about them; `null`: no PACS is asked.
    pacs: Option<Tally>,
    /// By name: whether a destination may be sent to, in words.
    destinations: BTreeMap<String, String>,
}

/// What of the register can be said without the root key: it is not verified here.
#[derive(Serialize)]
struct Objections {
    version: u64,
    in_force: usize,
    readable: bool,
}

/// Records that have not arrived, and how long the oldest has waited.
#[derive(Serialize)]
struct Behind {
    records: u64,
    oldest_s: u64,
}

/// What destinations were asked for.
#[derive(Serialize)]
struct Asked {
    /// Not acknowledged yet.
    open: usize,
    overdue: usize,
    readable: bool,
}

#[derive(Serialize)]
struct Waiting {
    batches: usize,
    refused: usize,
}

/// Shows where everything is.
///
/// # Errors
/// When the state directory cannot be read.
pub fn run(args: &StatusArgs) -> Result<ExitCode, Problem> {
    if args.watch {
        return watch(args);
    }
    let status = Status::asked_for(args)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        status.print();
    }
    Ok(if status.lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Draws the screen anew until it is interrupted, or cannot be drawn.
fn watch(args: &StatusArgs) -> Result<ExitCode, Problem> {
    loop {
        let status = Status::asked_for(args)?;
        // Back to the top of the screen; where nobody looks that is taken out.
        anstream::println!("\x1b[2J\x1b[H{}", clock::stamp());
        status.print();
        std::thread::sleep(LOOK_AGAIN);
    }
}

impl Status {
    fn asked_for(args: &StatusArgs) -> Result<Self, Problem> {
        let mut status = Status::of(&look(&args.state)?)?;
        if let Some(file) = &args.config {
            let destinations = read_as_in_force(file)?.destinations.into_iter();
            let words = destinations.map(|d| {
                let may = may_be_sent_to(&d.residency, &d.profile);
                let (profile, whose) = (d.profile.name(), d.whose_profile());
                let plan = short_digest(&d.profile);
                (d.name.clone(), format!("{may}; profile {profile} {plan}: {whose}"))
            });
            status.destinations = words.collect();
        }
        Ok(status)
    }

    fn of(spool: &Spool) -> Result<Self, Problem> {
        let account = Account::take(spool)?;
        let mut outboxes = BTreeMap::new();
        for destination in spool.outboxes()? {
            let outbox = Outbox::of(spool, &destination);
            let batches = outbox.waiting()?;
            let refused = outbox.refused()?.len();
            outboxes.insert(destination, Waiting { batches, refused });
        }
        Ok(Status {
            instances: account.rows(),
            accounted: account.accounted(),
            lost: account.lost(),
            oldest_undelivered_s: account.oldest_undelivered_s,
            outboxes,
            results: all_results(spool)?,
            homes: homes(spool)?,
            quarantine: quarantine::by_code(spool)?,
            free_bytes: disk::free_bytes(&spool.dir(Place::Inbox))?,
            objections: Objections::of(spool),
            audit_behind: Behind::of(spool)?,
            erasures: Asked::of(erasure::look(spool), Request::is_open, Request::is_overdue),
            recalls: Asked::of(recall::look(spool), Recall::is_open, Recall::is_overdue),
            pacs: Tally::look(spool),
            destinations: BTreeMap::new(),
        })
    }

    fn print(&self) {
        println!("{} instances were acknowledged", self.accounted + self.lost);
        for (state, n) in self.instances {
            println!("  {n:8} {state}");
        }
        if self.lost > 0 {
            let lost = format!("{:8} CANNOT BE FOUND", self.lost);
            anstream::println!("  {}: efface spool check names the batches", paint::wrong(lost));
        }
        for (code, n) in &self.quarantine {
            println!("in quarantine: {n} {code}");
        }
        for (destination, Waiting { batches, refused }) in &self.outboxes {
            println!("{destination}: {batches} batches wait, {refused} were refused");
        }
        for (destination, tally) in &self.results {
            let results::Tally { waiting, taken, delivered, quarantined } = tally;
            println!(
                "results of {destination}: {waiting} wait, {taken} on the way to the PACS, {delivered} delivered and still kept, {quarantined} in quarantine"
            );
        }
        for (pacs, [waiting, refused]) in &self.homes {
            println!("results for {pacs}: {waiting} wait, {refused} were refused");
        }
        println!("the oldest that is not delivered has waited {} s", self.oldest_undelivered_s);
        for (destination, words) in &self.destinations {
            println!("{destination}: {words}");
        }
        if let Some(Behind { records, oldest_s }) = &self.audit_behind {
            println!("audit repository: {records} records behind, the oldest by {oldest_s} s");
        }
        if let Some(tally) = &self.pacs {
            tally.print();
        }
        println!("{:.1} GB of disk are free", self.free_bytes as f64 / 1e9);
        match &self.objections {
            Objections { readable: false, .. } => {
                println!(
                    "THE REGISTER OF OBJECTIONS CANNOT BE READ: nothing leaves until it is put back from a backup"
                );
            }
            Objections { in_force, .. } => println!("{in_force} objections are in force"),
        }
        self.erasures.print("requests for erasure", "erasure");
        self.recalls.print("recalls", "recall");
    }
}

impl Tally {
    fn print(&self) {
        let Tally { closed_complete, closed_quiet, asked, asked_in_vain, .. } = self;
        println!(
            "studies closed since {}: {closed_complete} complete, {closed_quiet} by the quiet period",
            self.since
        );
        println!("PACSs were asked {asked} times, {asked_in_vain} of them in vain");
        println!(
            "missing instances: {} fetched, {} that a PACS could not send",
            self.fetched, self.fetched_in_vain
        );
    }
}

/// Whether a destination may be sent to today, and until when.
pub(super) fn may_be_sent_to(residency: &Residency, profile: &Profile) -> String {
    let today = Day::today();
    let allowed = match residency.decide(today, profile.options()) {
        Err(blocked) => return format!("BLOCKED: {blocked}"),
        Ok(allowed) => allowed,
    };
    let mut words = format!("may be sent to ({})", allowed.ground().decided_by);
    for (what, day) in residency.expiring(today) {
        words += &format!("; {what} EXPIRES on {day}");
    }
    words
}

impl Objections {
    fn of(spool: &Spool) -> Self {
        let looked = objection::look(&spool.dir(Place::Objections));
        let (version, in_force) = looked.as_ref().map_or((0, 0), |counts| *counts);
        Objections { version, in_force, readable: looked.is_ok() }
    }
}

impl Behind {
    fn of(spool: &Spool) -> Result<Option<Self>, Problem> {
        let audit = spool.dir(Place::Audit);
        let Some(records) = atna::backlog(&spool.dir(Place::Atna), &audit)? else {
            return Ok(None);
        };
        let (mut last, mut oldest_s) = (VecDeque::new(), 0);
        if records > 0 {
            // Of the last so many records, the first.
            let time =
                |line: &Line<'_>| serde_json::from_slice::<Row>(line.bytes).map(|row| row.time);
            audit::walk(&audit, &audit::key(&audit)?, time, |time| {
                last.push_back(time?);
                if last.len() as u64 > records {
                    last.pop_front();
                }
                Ok(())
            })?;
            let age = last.front().and_then(|time| clock::since(time));
            oldest_s = age.unwrap_or_default().as_secs();
        }
        Ok(Some(Behind { records, oldest_s }))
    }
}

impl Asked {
    fn of<T>(
        looked: Result<Vec<T>, requests::Error>,
        is_open: fn(&T) -> bool,
        is_overdue: fn(&T, Day) -> bool,
    ) -> Self {
        let today = Day::today();
        let requests = looked.as_deref().unwrap_or_default();
        Asked {
            open: requests.iter().filter(|request| is_open(request)).count(),
            overdue: requests.iter().filter(|request| is_overdue(request, today)).count(),
            readable: looked.is_ok(),
        }
    }

    fn print(&self, what: &str, command: &str) {
        match self {
            Asked { readable: false, .. } => println!(
                "THE REGISTER OF {} CANNOT BE READ: put it back from a backup",
                what.to_uppercase()
            ),
            Asked { open: 0, .. } => {}
            Asked { open, overdue: 0, .. } => {
                println!("{open} {what} are not acknowledged: efface {command} ls");
            }
            Asked { open, overdue, .. } => println!(
                "{open} {what} are not acknowledged, {overdue} OF THEM OVERDUE: efface {command} ls"
            ),
        }
    }
}

fn as_map<S: Serializer>(rows: &[(&str, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(rows.iter().copied())
}

fn all_results(spool: &Spool) -> Result<BTreeMap<String, results::Tally>, Problem> {
    let all = Tray::all(spool)?.into_iter();
    all.map(|destination| {
        let tally = Tray::of(spool, &destination).tally()?;
        Ok((destination, tally))
    })
    .collect()
}

fn homes(spool: &Spool) -> Result<BTreeMap<String, [u64; 2]>, Problem> {
    let all = Homebox::all(spool)?.into_iter();
    all.map(|home| {
        let homebox = Homebox::of(spool, &home);
        let refused = homebox.refused()?.iter().map(|(_, instances)| instances).sum();
        let counts = [homebox.waiting()?, refused];
        Ok((homebox.address(), counts))
    })
    .collect()
}
