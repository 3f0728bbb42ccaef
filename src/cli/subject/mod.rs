//! `efface subject-report`: what a patient who asks is told, from the verified log and from nothing else.
//!
//! The log names nobody. The records of releases carry keyed references of the patient (`audit/event.rs`); here they
//! are made once more from the number that the patient gives, for every project that the log knows. Where a project's
//! pseudonyms are random, its crosswalk says which one is the patient's, if it still knows.

mod page;

use super::audit::{create, verifier};
use super::objection::{NO_NUMBER, PatientArgs, Site, SiteArgs, with};
use super::{Problem, reading};
use crate::audit::{self, Checkpoint, Verifier};
use crate::crosswalk::Secrets;
use crate::key::Purpose;
use crate::objection::{Called, Patient};
use crate::phi::Phi;
use crate::residency::Ground;
use crate::spool::Place;
use clap::Args;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The page is HTML: it opens and prints everywhere, and is signed on paper. It names nobody: who it is for is written
/// on it by hand.
#[derive(Args)]
pub struct SubjectArgs {
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    patient: PatientArgs,
    /// A copy of the log's public key that was taken when efface was installed; else the one beside the log is believed
    #[arg(long, value_name = "FILE")]
    log_key: Option<PathBuf>,
    /// File to write; it must not exist
    #[arg(long, short = 'o', value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What was found out.
#[derive(Default)]
struct Findings {
    /// The signed state of the log that this rests on.
    signed: Option<Checkpoint>,
    /// Time of the first and of the last record.
    from: String,
    to: String,
    /// By batch and destination, in the order of the log.
    disclosures: Vec<Disclosure>,
    /// Objections: time, what became of them, against what.
    objections: Vec<(String, String, String)>,
    /// Releases that carry no reference of a patient, by project: it was erased, a version before this one made them, or
    /// pseudonyms are random and the crosswalk does not know the patient.
    unsearchable: BTreeMap<String, u64>,
}

/// One study that was released to one destination.
struct Disclosure {
    patient: String,
    batch: String,
    destination: String,
    project: String,
    profile: String,
    study: String,
    /// On what it went there, as the log has it.
    ground: Ground,
    /// Time and instances of every release; the same ones again after a crash.
    released: Vec<(String, u64)>,
    delivered: Vec<(String, u64)>,
    /// Time, instances that did not leave, instances that had arrived before.
    withdrawn: Vec<(String, u64, u64)>,
}

/// What of a record is looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    time: String,
    event: String,
    batch: String,
    destination: String,
    project: String,
    profile: String,
    patient: String,
    study: String,
    ground: Ground,
    instances: u64,
    before: u64,
    subjects: Vec<String>,
    change: String,
    scope: String,
    references: Vec<String>,
}

/// Writes the report.
///
/// # Errors
/// When the log or the register cannot be read or does not verify: then nothing is said.
pub fn run(args: &SubjectArgs) -> Result<ExitCode, Problem> {
    let site = args.site.open()?;
    let number = args.patient.number()?;
    let mut search = Search::new(&site, &number, args.patient.issuer())?;
    reading::note(site.spool.root(), "subject-report")?;
    let directory = site.spool.dir(Place::Audit);
    let verifier = verifier(args.log_key.as_deref(), &directory)?;
    let findings = search.log(&directory, &verifier)?;
    let page = page::page(&findings);
    match &args.out {
        Some(file) => {
            create(file)?.write_all(page.as_bytes())?;
            let n = findings.disclosures.len();
            println!("{}: {n} studies were released, each to one destination", file.display());
        }
        None => print!("{page}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// A study that was released to a destination, as the log has it.
pub(super) struct Told {
    pub(super) destination: String,
    pub(super) project: String,
    /// Pseudonym.
    pub(super) patient: String,
    /// Study Instance UID as it left.
    pub(super) study: String,
}

/// What the log says was released of a patient, for whoever erases it.
///
/// # Errors
/// When the log cannot be read, or does not verify.
pub(super) fn disclosures(
    site: &Site,
    number: &Phi<String>,
    issuer: &str,
) -> Result<Vec<Told>, Problem> {
    let directory = site.spool.dir(Place::Audit);
    let findings = Search::new(site, number, issuer)?.log(&directory, &audit::key(&directory)?)?;
    let told = findings.disclosures.into_iter().map(|one| Told {
        destination: one.destination,
        project: one.project,
        patient: one.patient,
        study: one.study,
    });
    Ok(told.collect())
}

/// Knows the patient by every project's references.
struct Search<'a> {
    site: &'a Site,
    number: &'a Phi<String>,
    issuer: &'a str,
    called: Called,
    /// The patient's references and, where they are random, the pseudonyms of every generation, by project.
    known: HashMap<String, (Patient, Vec<String>)>,
    /// References of the patient's objections.
    objections: BTreeSet<String>,
}

impl<'a> Search<'a> {
    fn new(site: &'a Site, number: &'a Phi<String>, issuer: &'a str) -> Result<Self, Problem> {
        let called = with(number, |number| Called::said(issuer, number));
        if !called.has_number() {
            return Err(NO_NUMBER.into());
        }
        let book = site.book();
        let patient = called.hashed(book.key());
        let register = book.read()?;
        let own = register.objections().iter().filter(|o| o.patient.may_be(&patient));
        let objections = own.map(|objection| objection.reference.clone()).collect();
        Ok(Search { site, number, issuer, called, known: HashMap::new(), objections })
    }

    fn log(&mut self, directory: &std::path::Path, by: &Verifier) -> Result<Findings, Problem> {
        let mut findings = Findings::default();
        let parse = |line: &audit::Line<'_>| serde_json::from_slice::<Line>(&line.whole());
        let walked = audit::walk(directory, by, parse, |line| {
            let line = line?;
            if findings.from.is_empty() {
                findings.from.clone_from(&line.time);
            }
            findings.to.clone_from(&line.time);
            self.look(line, &mut findings).map_err(std::io::Error::other)
        })?;
        findings.signed = Some(by.open(&walked.note)?);
        Ok(findings)
    }

    fn look(&mut self, line: Line, to: &mut Findings) -> Result<(), crate::crosswalk::Error> {
        let mut of_it = to.disclosures.iter_mut();
        let known =
            of_it.find(|known| known.batch == line.batch && known.destination == line.destination);
        match line.event.as_str() {
            "released" if self.is_about(&line, &mut to.unsearchable)? => match known {
                Some(known) => known.released.push((line.time, line.instances)),
                None => to.disclosures.push(Disclosure {
                    patient: line.patient,
                    batch: line.batch,
                    destination: line.destination,
                    project: line.project,
                    profile: line.profile,
                    study: line.study,
                    ground: line.ground,
                    released: vec![(line.time, line.instances)],
                    delivered: Vec::new(),
                    withdrawn: Vec::new(),
                }),
            },
            "delivered" => {
                known
                    .into_iter()
                    .for_each(|k| k.delivered.push((line.time.clone(), line.instances)));
            }
            "withdrawn" => known.into_iter().for_each(|known| {
                known.withdrawn.push((line.time.clone(), line.instances, line.before));
            }),
            "objections" if line.references.iter().any(|r| self.objections.contains(r)) => {
                to.objections.push((line.time, line.change, line.scope));
            }
            _ => {}
        }
        Ok(())
    }

    fn is_about(
        &mut self,
        line: &Line,
        unsearchable: &mut BTreeMap<String, u64>,
    ) -> Result<bool, crate::crosswalk::Error> {
        if !self.known.contains_key(&line.project) {
            let key = self.site.root.derive(&line.project, Purpose::Subject);
            let random = self.random_pseudonyms(&line.project)?;
            self.known.insert(line.project.clone(), (self.called.hashed(&key), random));
        }
        let (patient, random) = &self.known[&line.project];
        let is_random = random.contains(&line.patient);
        if line.subjects.is_empty() && random.is_empty() {
            *unsearchable.entry(line.project.clone()).or_default() += 1;
        }
        Ok(is_random || Patient::from_texts(&line.subjects).may_be(patient))
    }

    fn random_pseudonyms(&self, project: &str) -> Result<Vec<String>, crate::crosswalk::Error> {
        let directory = self.site.crosswalk();
        if !directory.join(project).exists() {
            return Ok(Vec::new());
        }
        let generations = self.site.root.generations();
        let roots = generations.filter_map(|generation| self.site.root.of_generation(generation));
        let known = roots.map(|root| {
            let secrets = Secrets::new(&directory, project, &root);
            with(self.number, |number| secrets.pseudonym_of(self.issuer, number))
        });
        Ok(known.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }
}
