//! `efface erasure`: a patient is erased here, and every destination is asked to do the same, until it says that it has.

use super::audit::create;
use super::crosswalk::note as note_crosswalk;
use super::objection::{NO_NUMBER, PatientArgs, Site, SiteArgs, with};
use super::page::{Page, maker};
use super::subject::disclosures;
use super::{Problem, reading};
use crate::audit::{self, Event};
use crate::clock::Day;
use crate::crosswalk::{Crosswalk, Patient};
use crate::desk;
use crate::erasure::{Book, Request, Wanted};
use crate::objection::{Called, Scope, Wish};
use crate::phi::Phi;
use crate::spool::Place;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub enum ErasureCommand {
    /// Erase a patient here for good, and open a request for every destination that anything was released to
    ///
    /// First an objection is added, as by efface objection add: nothing of the patient leaves any more, and the running
    /// gateway withdraws what waits. Then rows, data keys and secrets of the crosswalk are erased, and what the log says of
    /// the patient: results that come back can no longer be matched. This cannot be undone.
    Request(RequestArgs),
    /// The requests that are not acknowledged, and when they are due
    Ls {
        #[command(flatten)]
        site: SiteArgs,
        /// Also those that were acknowledged
        #[arg(long)]
        all: bool,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Write the letter of a request: what the destination is to erase, by pseudonyms. HTML, to be printed or sent
    Letter {
        #[command(flatten)]
        site: SiteArgs,
        /// What `efface erasure ls` calls the request
        reference: String,
        /// File to write; it must not exist
        #[arg(long, short = 'o', value_name = "FILE")]
        out: PathBuf,
    },
    /// Note that the destination was asked
    Sent(NoteArgs),
    /// Note that the destination has said that it erased
    Acknowledged(NoteArgs),
}

/// Whom.
#[derive(Args)]
pub struct RequestArgs {
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    patient: PatientArgs,
    /// Only what this project knows and has released
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// The day on which the patient's request came in; an answer is due a month later
    #[arg(long, value_name = "DAY")]
    received: Option<Day>,
    /// If several patients may be meant, all of them
    #[arg(long)]
    all: bool,
}

/// Which, and when.
#[derive(Args)]
pub struct NoteArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// What `efface erasure ls` calls the request
    reference: String,
    /// The day
    #[arg(long, value_name = "DAY")]
    on: Option<Day>,
}

/// `efface erasure ...`
///
/// # Errors
/// When something cannot be read, written or erased: do it again.
pub fn run(command: ErasureCommand) -> Result<ExitCode, Problem> {
    match command {
        ErasureCommand::Request(args) => request(&args.site.open()?, &args),
        ErasureCommand::Ls { site, all, json } => list(&site.open()?, all, json),
        ErasureCommand::Letter { site, reference, out } => letter(&site.open()?, &reference, &out),
        ErasureCommand::Sent(args) => noted(&args, "sent", |request, day| request.sent = Some(day)),
        ErasureCommand::Acknowledged(args) => noted(&args, "acknowledged", |request, day| {
            request.sent = request.sent.or(Some(day));
            request.acknowledged = Some(day);
        }),
    }
}

/// What is known of a patient in one project.
struct Known {
    crosswalk: Crosswalk,
    patients: Vec<Patient>,
    /// Studies as they left, by destination and pseudonym.
    released: BTreeMap<(String, String), BTreeSet<String>>,
}

fn request(site: &Site, args: &RequestArgs) -> Result<ExitCode, Problem> {
    let (today, book) = (Day::today(), site.erasures()?);
    let received = args.received.unwrap_or(today);
    if received > today {
        return Err("--received is a day to come".into());
    }
    let projects = site.projects(args.project.as_deref())?;
    let number = args.patient.number()?;
    let scope = args.project.clone().map_or(Scope::All, Scope::Project);
    let wish = with(&number, |number| Wish::new(args.patient.issuer(), number, scope, received));
    for added in site.book().add(&[wish.ok_or(NO_NUMBER)?])? {
        println!(
            "{}: nothing of this patient leaves any more (efface objection ls)",
            added.reference
        );
    }
    let known = known(site, &projects, &number, args.patient.issuer())?;
    for (project, Known { patients, released, .. }) in &known {
        let meant = pseudonyms(patients, released);
        if is_ambiguous(&meant) && !args.all {
            return Err(format!(
                "{} patients of project {project} may be meant: none was erased. Say which by --issuer, or erase all of them: --all",
                meant.len()
            )
            .into());
        }
    }
    let wanted = known.iter().flat_map(|(project, known)| wanted(project, known));
    let (register, opened) = book.open(&wanted.collect::<Vec<_>>(), received)?;
    for request in &opened {
        note(site, "requested", request, register)?;
    }
    for (project, Known { crosswalk, patients, .. }) in &known {
        let studies = patients.iter().map(|patient| crosswalk.studies_of(patient));
        let studies = studies.collect::<Result<Vec<_>, _>>()?.iter().map(Vec::len).sum::<usize>();
        note_crosswalk(site, "erased", project, studies as u64, patients.len() as u64)?;
        crosswalk.erase(patients)?;
        with(&number, |number| crosswalk.forget(args.patient.issuer(), number))?;
        println!("project {project}: {studies} studies can no longer be matched with anybody");
    }
    let meant: BTreeSet<String> =
        known.values().flat_map(|known| pseudonyms(&known.patients, &known.released)).collect();
    let details = site.spool.dir(Place::Audit);
    audit::erase(&details, |detail| meant.contains(&detail.patient))?;
    let references: Vec<String> = opened.iter().map(|request| request.reference.clone()).collect();
    book.note(&references, |request| request.erased_here = Some(today))?;
    tell(site, &number, args.patient.issuer(), &opened)?;
    Ok(ExitCode::SUCCESS)
}

/// Looks once nobody writes any more who had not heard of the objection.
fn known(
    site: &Site,
    projects: &[String],
    number: &Phi<String>,
    issuer: &str,
) -> Result<BTreeMap<String, Known>, Problem> {
    let called = with(number, |number| Called::said(issuer, number));
    let mut all = BTreeMap::new();
    for project in projects {
        let crosswalk = site.crosswalk_of(project);
        crosswalk.lay_out()?;
        crosswalk.settle()?;
        let patients = crosswalk.patients_called(&called)?;
        let mut released: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for patient in &patients {
            for (study, destinations) in crosswalk.studies_of(patient)? {
                for destination in destinations {
                    let place = (destination, patient.pseudonym.clone());
                    released.entry(place).or_default().insert(study.clone());
                }
            }
        }
        all.insert(project.clone(), Known { crosswalk, patients, released });
    }
    // Rows have their time; what left before is still there.
    for told in disclosures(site, number, issuer)? {
        if let Some(known) = all.get_mut(&told.project) {
            let place = (told.destination, told.patient);
            known.released.entry(place).or_default().insert(told.study);
        }
    }
    Ok(all)
}

fn pseudonyms(
    patients: &[Patient],
    released: &BTreeMap<(String, String), BTreeSet<String>>,
) -> BTreeSet<String> {
    let of_rows = patients.iter().map(|patient| patient.pseudonym.clone());
    of_rows.chain(released.keys().map(|(_, patient)| patient.clone())).collect()
}

/// Whether several patients are meant: one has one pseudonym in each generation, whose name leads it.
fn is_ambiguous(pseudonyms: &BTreeSet<String>) -> bool {
    let generations = pseudonyms.iter().map(|pseudonym| pseudonym.get(..2));
    generations.collect::<BTreeSet<_>>().len() < pseudonyms.len()
}

fn wanted(project: &str, known: &Known) -> Vec<Wanted> {
    let of = |(destination, patient): &(String, String), studies: &BTreeSet<String>| Wanted {
        destination: destination.clone(),
        project: project.to_owned(),
        patient: patient.clone(),
        studies: studies.clone(),
    };
    known.released.iter().map(|(place, studies)| of(place, studies)).collect()
}

fn tell(
    site: &Site,
    number: &Phi<String>,
    issuer: &str,
    opened: &[Request],
) -> Result<(), Problem> {
    if opened.is_empty() {
        println!("Nothing of this patient was ever released: no destination has to be asked");
    }
    for request in opened {
        let (to, n) = (&request.wanted.destination, request.wanted.studies.len());
        println!("{}: ask {to} to erase {n} studies, by {}", request.reference, request.due());
    }
    if !opened.is_empty() {
        println!(
            "Next: efface erasure letter REFERENCE -o FILE; then: efface erasure sent REFERENCE"
        );
    }
    let inside = inside(site, &with(number, |number| Called::said(issuer, number)))?;
    if inside > 0 {
        println!(
            "{inside} originals of this patient are in the state directory: those that were delivered go after the retention time, those in quarantine when somebody removes them (efface quarantine ls)"
        );
    }
    println!(
        "Exports and backups are out of reach: those with data keys of the crosswalk must expire, too"
    );
    Ok(())
}

/// Originals of a patient that are on their way, kept, or in quarantine.
fn inside(site: &Site, called: &Called) -> Result<usize, Problem> {
    let (book, mut inside) = (site.book(), 0);
    let meant = called.hashed(book.key());
    for place in [Place::Work, Place::Held, Place::Delivered, Place::Quarantine] {
        for name in crate::disk::list(&site.spool.dir(place))? {
            let directory = site.spool.dir(place).join(&name);
            let batch = name.split('.').next().unwrap_or_default();
            if book.noted(&directory, batch).is_some_and(|noted| noted.may_be(&meant)) {
                inside += crate::spool::entry_ids(&directory)?.len();
            }
        }
    }
    Ok(inside)
}

/// What is shown of a request.
#[derive(Serialize)]
struct Shown<'a> {
    reference: &'a str,
    destination: &'a str,
    project: &'a str,
    patient: &'a str,
    studies: usize,
    received: Day,
    due: Day,
    state: &'static str,
    overdue: bool,
    erased_here: Option<Day>,
    sent: Option<Day>,
    acknowledged: Option<Day>,
}

fn list(site: &Site, all: bool, json: bool) -> Result<ExitCode, Problem> {
    let (today, (_, mut requests)) = (Day::today(), site.erasures()?.read()?);
    requests.retain(|request| all || request.is_open() || request.erased_here.is_none());
    // What is most urgent stands last, above the prompt.
    requests.sort_by_key(|r| (r.is_open(), std::cmp::Reverse(r.due())));
    if json {
        let shown = requests.iter().map(|request| Shown::of(request, today)).collect::<Vec<_>>();
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(ExitCode::SUCCESS);
    }
    for request in &requests {
        println!("{}", Shown::of(request, today).to_words(today));
    }
    let open = requests.iter().filter(|request| request.is_open()).count();
    let overdue = requests.iter().filter(|request| request.is_overdue(today)).count();
    println!("{open} are not acknowledged, {overdue} of them overdue");
    Ok(ExitCode::SUCCESS)
}

impl<'a> Shown<'a> {
    fn of(request: &'a Request, today: Day) -> Self {
        let Wanted { destination, project, patient, studies } = &request.wanted;
        Shown {
            reference: &request.reference,
            destination,
            project,
            patient,
            studies: studies.len(),
            received: request.received,
            due: request.due(),
            state: request.state(),
            overdue: request.is_overdue(today),
            erased_here: request.erased_here,
            sent: request.sent,
            acknowledged: request.acknowledged,
        }
    }

    fn to_words(&self, today: Day) -> String {
        let Shown { reference, destination, studies, state, due, .. } = self;
        let until = match self.acknowledged {
            Some(day) => format!("acknowledged {day}"),
            None if self.overdue => format!("{state}, OVERDUE since {due}"),
            None => format!("{state}, due by {due}, in {} days", today.until(*due)),
        };
        let here = match self.erased_here {
            Some(_) => "",
            None => "  NOT ERASED HERE: give efface erasure request once more",
        };
        format!("{reference}  to {destination}  {studies} studies  {until}{here}")
    }
}

fn letter(site: &Site, reference: &str, out: &Path) -> Result<ExitCode, Problem> {
    let (_, requests) = site.erasures()?.read()?;
    let request = requests.iter().find(|request| request.reference == reference);
    let request = request.ok_or_else(|| unknown(reference))?;
    create(out)?.write_all(page(site, request).as_bytes())?;
    println!("{}: for {}", out.display(), request.wanted.destination);
    Ok(ExitCode::SUCCESS)
}

/// What the destination gets: pseudonyms, which it has already, and nothing else.
fn page(site: &Site, request: &Request) -> String {
    let Wanted { destination, project, patient, studies } = &request.wanted;
    let entry = site.destinations().find(|d| d.name == *destination);
    let entry = entry.and_then(|destination| destination.residency.entry.as_ref());
    let mut page = Page::new("Request for erasure");
    let named = |name: Option<&String>| name.map_or(String::new(), |name| format!("{name}, "));
    let entity = named(entry.and_then(|entry| entry.legal_entity.as_ref()));
    page.paragraph(&format!("To: {entity}destination {destination}, project {project}"));
    page.paragraph("From: ____________________________________________");
    page.paragraph(&format!("Reference: {}. Answer by: {}.", request.reference, request.due()));
    page.paragraph(
        "A person whose data you received from us under a pseudonym has asked for their erasure (GDPR Art. 17; we are bound to \
         tell every recipient, Art. 19). Please erase the studies below: images, whatever was derived from them, results, copies \
         and, as they expire, backups. Then write back under the reference, and say on which day all was erased, or what \
         had to be kept and on what legal ground.",
    );
    page.heading("What is to be erased");
    page.paragraph(&format!("Patient ID (0010,0020): {patient}"));
    let rows = studies.iter().map(|study| [study.clone()]);
    page.table(["Study Instance UID (0020,000D)"], rows);
    page.paragraph("Whatever else you have under this Patient ID is to be erased, too.");
    page.end(format!("Made by {}.", maker()))
}

fn noted(
    args: &NoteArgs,
    change: &str,
    edit: impl Fn(&mut Request, Day),
) -> Result<ExitCode, Problem> {
    let (site, today) = (args.site.open()?, Day::today());
    let day = args.on.unwrap_or(today);
    if day > today {
        return Err("--on is a day to come".into());
    }
    let book = site.erasures()?;
    let named = [args.reference.clone()];
    let (register, changed) = book.note(&named, |request| edit(request, day))?;
    let request = changed.first().ok_or_else(|| unknown(&args.reference))?;
    note(&site, change, request, register)?;
    println!("{}: {change} on {day}", args.reference);
    Ok(ExitCode::SUCCESS)
}

fn unknown(reference: &str) -> String {
    format!("{reference}: there is no such request. See: efface erasure ls --all")
}

/// Has it written to the log, by the gateway if one runs.
fn note(site: &Site, change: &str, request: &Request, register: u64) -> Result<(), Problem> {
    let event = Event::Erasure {
        change: change.to_owned(),
        reference: request.reference.clone(),
        destination: request.wanted.destination.clone(),
        studies: request.wanted.studies.len() as u64,
        register,
        by: reading::who(),
    };
    Ok(desk::note(site.spool.root(), &site.root, event).map(drop)?)
}

impl Site {
    /// The register of requests, no older than what stands in the log.
    fn erasures(&self) -> Result<Book, Problem> {
        let (book, directory) = (Book::new(&self.spool, &self.root), self.spool.dir(Place::Audit));
        let mut known = 0;
        if directory.join("key").exists() {
            audit::search(&directory, "\"erasure\"", |record| {
                if let Event::Erasure { register, .. } = record.event {
                    known = known.max(register);
                }
            })?;
        }
        book.read_at_least(known)?;
        Ok(book)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_patient_has_one_pseudonym_in_each_generation() {
        let set = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        assert!(!is_ambiguous(&set(&[])) && !is_ambiguous(&set(&["A1X", "A2X"])));
        assert!(is_ambiguous(&set(&["A1X", "A1Y"])));
    }
}
