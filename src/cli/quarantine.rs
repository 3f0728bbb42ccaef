//! `efface quarantine`: what stays inside, why, and what people decide about it. Nothing of a data set is shown, but by
//! `picture`.

use super::approval::{ApprovalArgs, Settled};
use super::audit::create;
use super::inspect::{look, tell};
use super::objection::{Site, SiteArgs};
use super::reading::who;
use super::{Problem, StateArgs};
use crate::config::WrittenProfile;
use crate::decide::{self, Decided, No, Wanted};
use crate::spool::quarantine::Code;
use crate::spool::{Place, Spool};
use crate::view::Event;
use crate::view::pictures::{self, Asked, Picture, What};
use crate::view::quarantine::{self as view, Held, Kind, Whole};
use crate::view::study::Step;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum QuarantineCommand {
    /// Everything in quarantine: name, instances, code, destination, time
    Ls {
        #[command(flatten)]
        state: StateArgs,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Why something is in quarantine, and what to do about it
    Show {
        /// Name, or the beginning of it
        name: String,
        #[command(flatten)]
        state: StateArgs,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Have things tried again: after what was in their way has been put right
    Retry {
        #[command(flatten)]
        wanted: WantedArgs,
        /// Once under another profile, a shipped one or a file: plainly stricter than the destination's own
        #[arg(long, value_name = "PROFILE", requires = "config")]
        profile: Option<String>,
        /// With --profile: configuration of the gateway
        #[arg(long, value_name = "FILE", conflicts_with = "state")]
        config: Option<PathBuf>,
        /// State directory of the gateway
        #[arg(long, value_name = "DIR", required_unless_present = "config")]
        state: Option<PathBuf>,
    },
    /// Decide that something never leaves for the destination for which it is here, or, where it is here for all, for nobody
    ///
    /// It is out of quarantine at once. The running gateway, or the next that starts, writes it to the log, with who decided
    /// and why; then originals are deleted that no other destination needs. What the sender sends again is decided about anew.
    Reject {
        #[command(flatten)]
        wanted: WantedArgs,
        /// Why: stands in the log
        #[arg(long, value_name = "TEXT")]
        because: String,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Draw a slice of what is here, or of originals that are kept. IT SHOWS THE PATIENT
    ///
    /// As it came and, where its parcel was not sent yet, beside it as it leaves. Who asked and why stands in the log before
    /// anything is drawn. The pixels are read by a process that has these files and nothing else.
    Picture(PictureArgs),
    /// Let leave what a stage has its doubts about: two people have looked at every picture of it, and agree
    ///
    /// Only for doubts that can be settled by looking (faces, burned-in text, kinds of object that are held). The header is
    /// de-identified and verified like any other; faces and text in the pixels leave as they are, and the objects say so.
    Release {
        /// Name as `efface quarantine ls` shows it
        name: String,
        /// Why it may leave: stands in the log
        #[arg(long, value_name = "TEXT")]
        because: String,
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        approval: ApprovalArgs,
    },
}

/// What is decided about, each for itself.
#[derive(Args)]
#[command(
    after_help = "Exit code 1: some of it could not be done.\n\nExample:\n  efface quarantine retry --code face-out-of-time --destination lab --dry-run --state /var/lib/efface"
)]
pub struct WantedArgs {
    /// Names as `efface quarantine ls` shows them
    #[arg(value_name = "NAME", required_unless_present = "code")]
    names: Vec<String>,
    /// All that is here for this code
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// With --code: of these, those for this destination
    #[arg(long, value_name = "NAME", requires = "code")]
    destination: Option<String>,
    /// Only list what it would be
    #[arg(long)]
    dry_run: bool,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// What is drawn.
#[derive(Args)]
pub struct PictureArgs {
    /// Name as `efface quarantine ls` shows it, or a batch whose originals are kept
    name: String,
    /// Which slice, counted from 1: by series, from one end of it to the other
    #[arg(long, value_name = "N", default_value_t = 1)]
    slice: u64,
    /// Instead of a slice, the picture of a surface that the face stage drew, by its number
    #[arg(long, value_name = "N", conflicts_with = "slice")]
    surface: Option<u64>,
    /// PNG file to write; it must not exist
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Why you have to see it: stands in the log
    #[arg(long, value_name = "TEXT")]
    because: String,
    #[command(flatten)]
    site: SiteArgs,
}

/// `efface quarantine ...`
///
/// # Errors
/// When the state directory cannot be read, or nothing has the name.
pub fn run(command: QuarantineCommand) -> Result<ExitCode, Problem> {
    match command {
        QuarantineCommand::Ls { state, json } => list(&look(&state)?, json),
        QuarantineCommand::Show { name, state, json } => show(&look(&state)?, &name, json),
        QuarantineCommand::Retry { wanted, profile, config, state } => {
            retry(wanted, profile, config, state)
        }
        QuarantineCommand::Reject { wanted, because, state } => {
            let (spool, by) = (look(&state)?, who());
            decide::plain(&because)?;
            wanted.decide(&spool, &|name| decide::reject(&spool, name, &by, &because))
        }
        QuarantineCommand::Picture(args) => picture(args),
        QuarantineCommand::Release { name, because, site, approval } => {
            release(&site.open()?, &name, &because, &approval)
        }
    }
}

/// What came of one of many.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Told {
    Would(Held),
    Done(Decided),
    Not { name: String, why: String },
}

impl WantedArgs {
    fn decide(
        self,
        spool: &Spool,
        decide: &dyn Fn(&str) -> Result<Decided, No>,
    ) -> Result<ExitCode, Problem> {
        let WantedArgs { names, code, destination, dry_run, json } = self;
        if let Some(unknown) = code.as_ref().filter(|code| Code::named(code).is_none()) {
            let known: Vec<&str> = Code::all().map(Code::name).collect();
            return Err(
                format!("no code is called {unknown}; there is {}", known.join(", ")).into()
            );
        }
        let found = Wanted { names, code, destination }.find(spool)?;
        let told: Vec<Told> = found
            .into_iter()
            .map(|(name, held)| match (held, dry_run) {
                (None, _) => Told::Not { why: No::Unknown(name.clone()).to_string(), name },
                (Some(held), true) => Told::Would(held),
                (Some(_), false) => match decide(&name) {
                    Ok(decided) => Told::Done(decided),
                    Err(no) => Told::Not { name, why: no.to_string() },
                },
            })
            .collect();
        let is_not = |told: &&Told| matches!(told, Told::Not { .. });
        let not = told.iter().filter(is_not).count();
        tell(json, &told, || {
            told.iter().for_each(Told::print);
            let (done, what) = (told.len() - not, if dry_run { "would be" } else { "are" });
            if told.len() != 1 || dry_run {
                println!("{done} {what} decided about, {not} are not");
            }
        })?;
        Ok(if not == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Told {
    fn print(&self) {
        match self {
            Told::Would(held) => println!("{}", line(held)),
            Told::Done(decided) => println!("{}", decided.in_words()),
            Told::Not { why, .. } => eprintln!("efface: {why}"),
        }
    }
}

fn retry(
    wanted: WantedArgs,
    profile: Option<String>,
    config: Option<PathBuf>,
    state: Option<PathBuf>,
) -> Result<ExitCode, Problem> {
    let site = config.map(|config| SiteArgs::of(&config).open()).transpose()?;
    let Some((site, profile)) = site.as_ref().zip(profile) else {
        let state = site.map(|site| site.spool.root().to_owned()).or(state);
        let spool = look(&StateArgs { state: state.ok_or("--state")? })?;
        return wanted.decide(&spool, &|name| decide::retry(&spool, name));
    };
    let other = WrittenProfile::read(&profile, None)?;
    wanted.decide(&site.spool, &|name| decide::retry_under(&site.spool, &site.root, name, &other))
}

fn list(spool: &Spool, json: bool) -> Result<ExitCode, Problem> {
    let all = view::look(spool)?;
    tell(json, &all, || {
        all.iter().for_each(|held| println!("{}", line(held)));
        if all.is_empty() {
            println!("nothing is in quarantine");
        }
    })
}

fn line(held: &Held) -> String {
    let Held { name, kind, instances, code, destination, since, .. } = held;
    let whose = if destination.is_empty() { "all" } else { destination };
    let code = if code.is_empty() { "without a reason" } else { code };
    match kind {
        Kind::Study => format!("{name}  {instances} instances  {code}  for {whose}  {since}"),
        Kind::Refused => format!("{name}  {instances} parcels refused by {whose}"),
        Kind::Result => format!("{name}  {instances} RESULTS of {whose}  {code}  {since}"),
        Kind::RefusedResult => format!("{name}  {instances} RESULTS refused by {whose}"),
    }
}

fn show(spool: &Spool, name: &str, json: bool) -> Result<ExitCode, Problem> {
    let found = view::look_at(spool, name)?;
    if found.is_empty() {
        return Err(No::Unknown(name.to_owned()).into());
    }
    tell(json, &found, || found.iter().for_each(|whole| print(spool, whole)))
}

fn print(spool: &Spool, Whole { held, classes, tried }: &Whole) {
    let Held { name, kind, instances, code, detail, since, destination, .. } = held;
    match kind {
        Kind::Study => {
            println!("{name}: {}", if code.is_empty() { "without a reason" } else { code })
        }
        Kind::Refused => println!("{name}: {instances} parcels refused by {destination}"),
        Kind::Result => {
            println!(
                "{name}: {instances} results of {destination}; they were not delivered\n  code     {code}"
            );
        }
        Kind::RefusedResult => println!("{name}: {instances} results refused by {destination}"),
    }
    let row = |name: &str, value: &str| {
        if !value.is_empty() {
            println!("  {name:8} {value}");
        }
    };
    row("since", since);
    row("what", detail);
    if *kind != Kind::Result {
        row("meaning", &format!("{}: {}", held.meaning, held.advice));
    }
    if *kind == Kind::Study {
        row("for", if destination.is_empty() { "all destinations" } else { destination });
    }
    for (class, n) in classes {
        row("holds", &format!("{n} {class}"));
    }
    for picture in &held.pictures {
        let path = spool.dir(Place::Quarantine).join(name).join(picture);
        row("picture", &format!("{} (it shows the patient: keep it inside)", path.display()));
    }
    for Step { what, .. } in tried {
        let Event { time, event, destination, code, instances } = what;
        let to = if destination.is_empty() { String::new() } else { format!(" for {destination}") };
        row("log", format!("{time} {instances} instances {event}{to} {code}").trim_end());
    }
    match kind {
        Kind::Study => {
            row("again", &format!("efface spool retry {name}"));
            row("never", &format!("efface quarantine reject {name} --because TEXT"));
        }
        Kind::Refused => row("again", &format!("efface spool retry {name}")),
        Kind::Result | Kind::RefusedResult => row("again", &format!("efface result retry {name}")),
    }
}

fn picture(args: PictureArgs) -> Result<ExitCode, Problem> {
    let PictureArgs { name, slice, surface, out, because, site } = args;
    let site = site.open()?;
    if out.exists() {
        return Err(format!("{} exists already", out.display()).into());
    }
    let strictness = site.settings.as_ref().map(|settings| settings.sandbox).unwrap_or_default();
    let what = surface.map_or(What::Slice(slice), What::Surface);
    let asked = Asked { name, what, by: who(), because };
    let Picture { png, of } = pictures::look(&site.spool, &site.root, strictness, &asked)?;
    create(&out)?.write_all(&png)?;
    match what {
        What::Slice(n) => println!("{}: slice {n} of {of}", out.display()),
        What::Surface(n) => println!("{}: surface {n}", out.display()),
    }
    println!("IT SHOWS THE PATIENT: keep it inside, and delete it when you have seen it");
    Ok(ExitCode::SUCCESS)
}

fn release(
    site: &Site,
    name: &str,
    because: &str,
    approval: &ApprovalArgs,
) -> Result<ExitCode, Problem> {
    let operation = decide::release_needs(&site.spool, name, because)?;
    let agreed = || match approval.settle(site, &operation)? {
        Settled::Go(nonce) => Ok(Some(nonce)),
        Settled::Asked => Ok(None),
    };
    let decided = decide::release::<Problem>(&site.spool, &site.root, &operation, agreed)?;
    decided.iter().for_each(|decided| println!("{}", decided.in_words()));
    Ok(ExitCode::SUCCESS)
}
