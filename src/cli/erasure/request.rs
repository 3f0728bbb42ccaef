//! `efface erasure request`: nothing leaves any more, destinations are to be asked, and what is here goes; in this order.

use super::note;
use crate::audit;
use crate::cli::Problem;
use crate::cli::crosswalk::note as note_crosswalk;
use crate::cli::objection::{NO_NUMBER, PatientArgs, Site, SiteArgs, with};
use crate::cli::subject::disclosures;
use crate::clock::Day;
use crate::crosswalk::{Crosswalk, Patient, Secrets};
use crate::deid::pseudonym::Pseudonyms;
use crate::disk;
use crate::erasure::{Book, Request, Wanted};
use crate::objection::{Called, Scope, Wish};
use crate::phi::Phi;
use crate::spool::{Place, entry_ids};
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

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

/// What is known of a patient in one project.
struct Known {
    crosswalk: Crosswalk,
    patients: Vec<Patient>,
    /// Studies as they left, by destination and pseudonym.
    released: BTreeMap<(String, String), BTreeSet<String>>,
    /// Pseudonyms of whoever has this number from this issuer; those of others may be meant by another number.
    own: BTreeSet<String>,
}

impl Known {
    /// Leaves those who are meant: whoever has the number, and others only if somebody says so. What is erased cannot be
    /// brought back.
    ///
    /// # Errors
    /// Several may be meant.
    fn choose(&mut self, project: &str, all: bool) -> Result<(), Problem> {
        let of_rows = self.patients.iter().map(|patient| patient.pseudonym.clone());
        let of_log = self.released.keys().map(|(_, patient)| patient.clone());
        let any: BTreeSet<String> = of_rows.chain(of_log).collect();
        let own: BTreeSet<String> = any.intersection(&self.own).cloned().collect();
        let is_clear = any.is_empty() || !own.is_empty() && !is_ambiguous(&own);
        if !all && !is_clear {
            return Err(format!(
                "{} patients of project {project} may be meant: none was erased. Say which by --issuer, or erase all of them: --all",
                any.len()
            )
            .into());
        }
        let meant = if all { any.clone() } else { own };
        self.patients.retain(|patient| meant.contains(&patient.pseudonym));
        self.released.retain(|(_, patient), _| meant.contains(patient));
        match any.len() - meant.len() {
            0 => {}
            n => println!(
                "project {project}: {n} other patients have the number in their studies, and were not erased; with --all they are"
            ),
        }
        Ok(())
    }
}

/// Erases whom the arguments mean.
///
/// # Errors
/// When something cannot be read, written or erased, or several may be meant.
pub(super) fn run(args: &RequestArgs) -> Result<ExitCode, Problem> {
    let site = &args.site.open()?;
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
    let mut known = known(site, &projects, &number, args.patient.issuer())?;
    for (project, known) in &mut known {
        known.choose(project, args.all)?;
    }
    let wanted = known.iter().flat_map(|(project, known)| wanted(project, known));
    let (register, opened) = book.open(&wanted.collect::<Vec<_>>(), received)?;
    for request in opened.iter().filter(|request| request.is_open()) {
        note(site, "requested", request, register)?;
    }
    erase_here(site, &book)?;
    for Known { crosswalk, .. } in known.values() {
        with(&number, |number| crosswalk.forget(args.patient.issuer(), number))?;
    }
    tell(site, &number, args.patient.issuer(), &opened)?;
    Ok(ExitCode::SUCCESS)
}

/// Erases whoever is in the register and was not erased yet: also what an earlier command was stopped in. The log first,
/// for it is the crosswalk that finds the patient once more.
fn erase_here(site: &Site, book: &Book) -> Result<(), Problem> {
    let (_, mut requests) = book.read()?;
    requests.retain(|request| request.erased_here.is_none());
    let meant: BTreeSet<&str> =
        requests.iter().map(|request| request.wanted.patient.as_str()).collect();
    audit::erase(&site.spool.dir(Place::Audit), |detail| meant.contains(detail.patient.as_str()))?;
    let projects: BTreeSet<&str> =
        requests.iter().map(|request| request.wanted.project.as_str()).collect();
    for project in projects {
        let crosswalk = site.crosswalk_of(project);
        let mut patients = crosswalk.all_patients()?;
        patients.retain(|patient| meant.contains(patient.pseudonym.as_str()));
        let studies = patients.iter().map(|patient| crosswalk.studies_of(patient));
        let studies = studies.collect::<Result<Vec<_>, _>>()?.iter().map(Vec::len).sum::<usize>();
        note_crosswalk(site, "erased", project, studies as u64, patients.len() as u64)?;
        crosswalk.erase(&patients)?;
        println!("project {project}: {studies} studies can no longer be matched with anybody");
    }
    let references: Vec<String> = requests.into_iter().map(|request| request.reference).collect();
    book.note(&references, |request| request.erased_here = Some(Day::today()))?;
    Ok(())
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
        let mut own = own_pseudonyms(site, project, number, issuer)?;
        let is_own = |patient: &&Patient| crosswalk.is_called(patient, &called);
        own.extend(patients.iter().filter(is_own).map(|patient| patient.pseudonym.clone()));
        all.insert(project.clone(), Known { crosswalk, patients, released, own });
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

/// What somebody with this number from this issuer is called outside, in every generation.
fn own_pseudonyms(
    site: &Site,
    project: &str,
    number: &Phi<String>,
    issuer: &str,
) -> Result<BTreeSet<String>, Problem> {
    let mut own = BTreeSet::new();
    let roots = site.root.generations().filter_map(|name| site.root.of_generation(name));
    for root in roots {
        let keyed = Pseudonyms::new(&root, project);
        own.insert(with(number, |number| keyed.patient(issuer, number)));
        let secrets = Secrets::new(&site.crosswalk(), project, &root);
        own.extend(with(number, |number| secrets.pseudonym_of(issuer, number))?);
    }
    Ok(own)
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
    let mut wanted: Vec<Wanted> =
        known.released.iter().map(|(place, studies)| of(place, studies)).collect();
    for pseudonym in known.patients.iter().map(|patient| &patient.pseudonym) {
        if !wanted.iter().any(|wanted| wanted.patient == *pseudonym) {
            wanted.push(of(&(String::new(), pseudonym.clone()), &BTreeSet::new()));
        }
    }
    wanted
}

fn tell(
    site: &Site,
    number: &Phi<String>,
    issuer: &str,
    opened: &[Request],
) -> Result<(), Problem> {
    let opened: Vec<&Request> = opened.iter().filter(|request| request.is_open()).collect();
    if opened.is_empty() {
        println!("Nothing of this patient was ever released: no destination has to be asked");
    }
    for request in &opened {
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
            "{inside} originals of this patient are in the state directory: those that were delivered go after the retention time, those in quarantine when somebody rejects them (efface quarantine reject)"
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
        for name in disk::list(&site.spool.dir(place))? {
            let directory = site.spool.dir(place).join(&name);
            let batch = name.split('.').next().unwrap_or_default();
            if book.noted(&directory, batch).is_some_and(|noted| noted.may_be(&meant)) {
                inside += entry_ids(&directory)?.len();
            }
        }
    }
    Ok(inside)
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
