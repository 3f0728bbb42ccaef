//! From a surveyed study to verified files, for one destination: gate, scrub, face, verify.
//!
//! The same code serves the gateway and `efface deid`. It writes drafts into a directory that it is
//! given, and nothing else.

mod contours;
mod faces;
mod rows;
pub mod survey;

use crate::audit::SeriesFace;
use crate::crosswalk::{self, Crosswalk, Rows, Secrets};
use crate::custody::gate::{Duty, FaceDuty, Grant, Verdict};
use crate::custody::object::{Deidentified, Drafted, Object, Wanted};
use crate::custody::verify::Residue;
use crate::deid::pseudonym::Pseudonyms;
use crate::deid::text::Retained;
use crate::deid::{Engine, FaceStatement, Subject};
use crate::face::{self, Heads};
use crate::key::{Key, Purpose, RootKey};
use crate::objection::Recipient;
use crate::pixel;
use crate::profile::{Profile, Pseudonymity};
use crate::residency::Residency;
use crate::routing::Routing;
use crate::spool::quarantine::Code;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use survey::{Instance, Study};

/// How studies are de-identified for one destination.
pub struct Route {
    /// The destination's name in the configuration.
    pub destination: String,
    /// The domain of the pseudonyms.
    pub project: String,
    /// What leaves.
    pub profile: Profile,
    /// Where the project's pseudonyms come from.
    pub pseudonyms: Source,
    /// What the project's pseudonyms stand for; `None`: nobody will want to know.
    pub crosswalk: Option<Crosswalk>,
    /// Seals parcels for this project.
    pub seal: Key,
    /// Makes the references of patients in the project's records.
    pub subjects: Key,
    /// Whether the destination may be sent to; without a word of the configuration it may.
    pub residency: Residency,
    /// What goes there, and what elsewhere.
    pub routing: Arc<Routing>,
    /// How long a series may be in the face stage, each time that it is tried; [`FACE_LIMIT`] if nobody says.
    pub face_limit: Duration,
}

/// A hundred times what a head of 300 slices takes.
pub const FACE_LIMIT: Duration = Duration::from_secs(600);

/// Where the pseudonyms of a project come from.
pub enum Source {
    /// From the project's keys.
    Keyed(Arc<Pseudonyms>),
    /// From secrets thrown for each patient.
    Random(Secrets),
}

impl Route {
    /// A route with keys derived for its project; `crosswalk` is the directory of what pseudonyms stand for.
    pub fn new(
        destination: &str,
        project: &str,
        profile: Profile,
        root: &RootKey,
        crosswalk: &Path,
    ) -> Self {
        let pseudonyms = match profile.pseudonymity() {
            Pseudonymity::Keyed => Source::Keyed(Arc::new(Pseudonyms::new(root, project))),
            Pseudonymity::Random => Source::Random(Secrets::new(crosswalk, project, root)),
        };
        Route {
            destination: destination.to_owned(),
            project: project.to_owned(),
            profile,
            pseudonyms,
            crosswalk: Some(Crosswalk::new(crosswalk, project, root)),
            seal: root.derive(project, Purpose::Seal),
            subjects: root.derive(project, Purpose::Subject),
            residency: Residency::default(),
            routing: Arc::default(),
            face_limit: FACE_LIMIT,
        }
    }

    /// To whom, and for what.
    pub fn recipient(&self) -> Recipient<'_> {
        Recipient { destination: &self.destination, project: &self.project }
    }

    /// Whether an instance goes there, and nobody has decided that it never does.
    pub fn takes(&self, instance: &Instance) -> bool {
        self.sends(instance) && !instance.bar.is_for(&self.destination)
    }

    /// Whether an instance goes there, by the routes.
    pub fn sends(&self, instance: &Instance) -> bool {
        self.routing.sends(&instance.traits, &self.destination)
    }

    /// The mapping for the patient that an instance is about.
    fn mapping(&self, subject: &Subject) -> Result<Arc<Pseudonyms>, crosswalk::Error> {
        match &self.pseudonyms {
            Source::Keyed(pseudonyms) => Ok(Arc::clone(pseudonyms)),
            Source::Random(secrets) => secrets.pseudonyms(subject).map(Arc::new),
        }
    }
}

/// What came of a study for one destination.
pub struct Output {
    /// The gate's word that it rests on.
    pub grant: Grant,
    /// Pseudonym of the patient.
    pub patient: String,
    /// Study Instance UID as it leaves.
    pub study: String,
    /// What its pseudonyms stand for.
    pub rows: Rows,
    /// What may leave.
    pub clean: Vec<Object<Deidentified>>,
    /// Spool ids of what may leave, in the same order.
    pub released: Vec<String>,
    /// What stays inside, and why.
    pub withheld: Vec<Withheld>,
    /// What was done about faces.
    pub faces: Vec<SeriesFace>,
    /// Pictures of series by the spool id of their first instance, PNG. They show faces: for inside only.
    pub pictures: BTreeMap<String, Vec<u8>>,
}

impl Output {
    fn nothing(grant: Grant) -> Self {
        Output {
            grant,
            patient: String::new(),
            study: String::new(),
            rows: Rows::default(),
            clean: Vec::new(),
            released: Vec::new(),
            withheld: Vec::new(),
            faces: Vec::new(),
            pictures: BTreeMap::new(),
        }
    }
}

/// Instances that stay inside.
#[derive(Clone, Debug, PartialEq)]
pub struct Withheld {
    /// Why.
    pub code: Code,
    /// Why exactly, without any value.
    pub detail: String,
    /// Their spool ids.
    pub ids: Vec<String>,
}

/// Why nothing of the study leaves.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The verifier found something.
    #[error("{0}")]
    Residue(Residue),
    /// An object that could be read a moment ago could not be read or written now.
    #[error("a draft could not be made: {0}")]
    Io(#[from] io::Error),
    /// The patient has no pseudonym.
    #[error(transparent)]
    Crosswalk(#[from] crosswalk::Error),
    /// An object does not read the second time.
    #[error("an object could not be read again: {0}")]
    Reopen(#[from] crate::custody::object::OpenError),
}

impl Failure {
    /// The code under which the study goes to quarantine.
    pub fn code(&self) -> Code {
        match self {
            Failure::Residue(_) => Code::Residue,
            Failure::Io(_) | Failure::Crosswalk(_) | Failure::Reopen(_) => Code::Failed,
        }
    }
}

/// De-identifies a study for a route, on the gate's word. Drafts are made in `drafts`, named by spool id.
///
/// `heads` knows the heads of earlier batches of the study, and learns those of this one. `done` is
/// called once for every instance that has been dealt with.
///
/// # Errors
/// [`Failure`]: nothing of the study may leave.
pub fn run(
    route: &Route,
    grant: Grant,
    study: &Study,
    heads: &mut Heads,
    drafts: &Path,
    done: &(dyn Fn() + Sync),
) -> Result<Output, Failure> {
    let Some(subject) = study.instances.first().map(|instance| &instance.subject) else {
        return Ok(Output::nothing(grant));
    };
    let pseudonyms = route.mapping(subject)?;
    let cleaner = study.known.cleaner(Retained::by(route.profile.options()));
    let has_rules = !route.profile.rules().is_empty();
    let by_rule = has_rules.then(|| study.known.cleaner(Retained::BY_RULE));
    let engine = Engine::new(&route.profile, &pseudonyms, &cleaner)
        .with_rules_cleaned_by(by_rule.as_ref().unwrap_or(&cleaner));
    let mut stage =
        Stage { route, study, drafts, grant: &grant, engine, done, pictures: Mutex::default() };
    let (pass, mut withheld) = stage.gate();
    let (mut volumes, mut contours, mut finished) = (Vec::new(), Vec::new(), Vec::new());
    for group in pass {
        match group.duty.face {
            FaceDuty::None => finished.push(Ok(stage.plain(&group, FaceStatement::Silent)?)),
            FaceDuty::Left => finished.push(Ok(stage.plain(&group, FaceStatement::Left)?)),
            FaceDuty::Clear => volumes.push(group),
            FaceDuty::Cut => contours.push(group),
        }
    }
    // Contours are cut by the heads that the images have shown.
    finished.extend(stage.clear_faces(&volumes, heads)?);
    finished.extend(stage.cut_contours(&contours, heads)?);
    let (mut clean, mut faces) = (Vec::new(), Vec::new());
    for series in finished {
        match series {
            Ok(finished) => {
                faces.extend(finished.face);
                clean.extend(finished.clean);
                withheld.extend(finished.stay);
            }
            Err(stays) => withheld.push(stays),
        }
    }
    let rows = rows::rows(route, study, &stage.engine, &pseudonyms, &clean);
    let (released, clean) = clean.into_iter().unzip();
    let patient = subject.pseudonymous_patient(&pseudonyms);
    let study = subject.study_as_it_leaves(&stage.engine);
    let pictures = stage.pictures.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Output { grant, patient, study, rows, clean, released, withheld, faces, pictures })
}

/// The instances of one series that owe the same to the face stage.
struct Group<'s> {
    duty: Duty,
    members: Vec<&'s Instance>,
}

/// A series whose instances the verifier passed, but for those that stay.
struct Finished {
    clean: Vec<(String, Object<Deidentified>)>,
    stay: Vec<Withheld>,
    face: Option<SeriesFace>,
}

struct Stage<'a> {
    route: &'a Route,
    study: &'a Study,
    drafts: &'a Path,
    grant: &'a Grant,
    engine: Engine<'a>,
    done: &'a (dyn Fn() + Sync),
    pictures: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl<'a> Stage<'a> {
    /// Splits the study into series that may go on and instances that stay.
    fn gate(&mut self) -> (Vec<Group<'a>>, Vec<Withheld>) {
        let mut pass: BTreeMap<([u8; 32], Duty), Group<'a>> = BTreeMap::new();
        let mut stay: BTreeMap<(Code, &'static str), Vec<String>> = BTreeMap::new();
        for instance in &self.study.instances {
            if !self.route.takes(instance) {
                (self.done)();
                continue;
            }
            let is_allowed = self.route.residency.allows_class(instance.subject.sop_class());
            let verdict = match is_allowed {
                true => {
                    let to = &self.route.destination;
                    let reviewed = |code| self.study.reviews.has(&instance.id, to, code);
                    instance.facts.decide(&self.route.profile).reviewed(reviewed)
                }
                false => {
                    let why = "the register of destinations does not allow this SOP class there";
                    Verdict::Withhold(Code::ClassPolicy, why)
                }
            };
            match verdict {
                Verdict::Pass(duty) => {
                    let key = (instance.series_tag, duty);
                    let group = pass.entry(key).or_insert(Group { duty, members: Vec::new() });
                    group.members.push(instance);
                }
                Verdict::Withhold(code, detail) => {
                    stay.entry((code, detail)).or_default().push(instance.id.clone());
                    (self.done)();
                }
            }
        }
        let stay = stay.into_iter().map(|((code, detail), ids)| Withheld {
            code,
            detail: detail.to_owned(),
            ids,
        });
        (pass.into_values().collect(), stay.collect())
    }

    /// What the device rule, if there is one, has blanked.
    fn wanted(&self, group: &Group<'_>) -> Wanted<'a> {
        let rule = group.duty.device.and_then(|n| self.route.profile.devices().get(n));
        rule.map_or(Wanted::Own, |rule| Wanted::Blanked(&rule.blank))
    }

    /// A series whose pixels are its own.
    fn plain(&self, group: &Group<'_>, face: FaceStatement) -> Result<Finished, Failure> {
        let members = group.members.par_iter().map(|instance| {
            let object = Object::open(instance.source.clone())?;
            let scrubbed = object.scrub(self.grant, &self.engine, face, self.wanted(group));
            let drafted = scrubbed.and_then(|object| object.draft(&self.draft_path(instance)));
            match drafted {
                Ok(draft) => self.verified(instance, draft).map(Ok),
                Err(reason) => self.not_cleaned(instance, reason).map(Err),
            }
        });
        let members = members.collect::<Result<Vec<_>, Failure>>()?;
        let (mut clean, mut stay) = (Vec::new(), BTreeMap::<String, Vec<String>>::new());
        for member in members {
            match member {
                Ok(passed) => clean.push(passed),
                Err((id, detail)) => stay.entry(detail).or_default().push(id),
            }
        }
        let stay = stay.into_iter().map(|(detail, ids)| Withheld {
            code: Code::PixelsNotCleaned,
            detail,
            ids,
        });
        let stay = stay.collect();
        let says = face == FaceStatement::Left || group.duty.face == FaceDuty::Clear;
        let line = says.then(|| face::series_face(self.pseudonym(group), clean.len(), face, None));
        Ok(Finished { clean, stay, face: line })
    }

    /// An instance whose pixels cannot be cleaned stays; a disk that fails is no decision.
    fn not_cleaned(
        &self,
        instance: &Instance,
        reason: pixel::Error,
    ) -> Result<(String, String), Failure> {
        if let pixel::Error::Io(error) = reason {
            return Err(Failure::Io(error));
        }
        (self.done)();
        Ok((instance.id.clone(), reason.to_string()))
    }

    fn verified(
        &self,
        instance: &Instance,
        draft: Object<Drafted>,
    ) -> Result<(String, Object<Deidentified>), Failure> {
        let passed = draft.verify(&self.study.watch);
        (self.done)();
        match passed {
            Ok(object) => Ok((instance.id.clone(), object)),
            Err(refused) => Err(Failure::Residue(refused.1)),
        }
    }

    fn draft_path(&self, instance: &Instance) -> PathBuf {
        self.drafts.join(format!("{}.dcm", instance.id))
    }

    fn pseudonym(&self, group: &Group<'_>) -> String {
        let first = group.members.first();
        first.map(|i| i.subject.series_as_it_leaves(&self.engine)).unwrap_or_default()
    }
}
