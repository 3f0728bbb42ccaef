//! The first look at a study: every instance is read once, up to its pixels, before any is changed.
//!
//! What identifies the study is gathered here for the verifier, from the bytes as they came.

use crate::crosswalk::Original;
use crate::custody::gate::Facts;
use crate::custody::object::{Identified, Object, OpenError};
use crate::custody::verify::{Watch, Witness, WitnessError};
use crate::deface::{BodyPartHint, contours};
use crate::deid::Subject;
use crate::deid::text::Known;
use crate::dicom::facts::FactsError;
use crate::dicom::source::Source;
use crate::disk;
use crate::face::{self, Frames};
use crate::key::Key;
use crate::objection::Called;
use crate::pipeline::Withheld;
use crate::routing::Traits;
use crate::spool::ledger::{Ledger, Standing, instance_tag};
use crate::spool::quarantine::Code;
use crate::spool::rejected::Bar;
use crate::spool::reviews::Reviews;
use dicom_dictionary_std::tags;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;

/// An instance as it was handed over: where it is, and what its association said.
pub struct Arrival {
    /// Spool id, or a name made for the run.
    pub id: String,
    /// Its data set.
    pub source: Source,
    /// SHA-256 of the data set, if it was taken when it came. Otherwise it is taken where two are compared.
    pub digest: Option<[u8; 32]>,
    /// SOP Class UID of the C-STORE-RQ; `None` for a file.
    pub said_class: Option<String>,
    /// AE title of whoever sent it; `None` for a file.
    pub caller: Option<String>,
    /// AE title that it was sent to.
    pub called: Option<String>,
    /// When it came, in ms since 1970.
    pub received_ms: Option<u64>,
}

/// An instance that was read once.
pub struct Instance {
    /// Spool id.
    pub id: String,
    /// AE title of whoever sent it.
    pub caller: Option<String>,
    /// Its data set.
    pub source: Source,
    /// When it came, in ms since 1970.
    pub received_ms: Option<u64>,
    /// What the gate has to know.
    pub facts: Facts,
    /// What routes look at.
    pub traits: Traits,
    /// Whom and what it is about.
    pub subject: Subject,
    /// Keyed tag of the instance, for the ledger.
    pub tag: [u8; 32],
    /// For whom it never leaves; for nobody, unless somebody says otherwise.
    pub bar: Bar,
    digest: Option<[u8; 32]>,
    /// Keyed tag of its series.
    pub series_tag: [u8; 32],
    /// Keyed tag of its Frame of Reference UID (0020,0052).
    pub frame_of_reference: Option<[u8; 32]>,
    /// Keyed tags of the frames of reference in which its contours lie, if it has any.
    pub contours_in: Vec<[u8; 32]>,
    /// What its frames say of themselves, if it may show a face.
    pub frames: Result<Frames, FactsError>,
    body_part: BodyPartHint,
}

impl Instance {
    /// SHA-256 of the data set.
    ///
    /// # Errors
    /// What the system says, if the data set must be read for it.
    pub fn digest(&self) -> io::Result<[u8; 32]> {
        self.digest.map_or_else(|| disk::sha256(self.source.reader()?), Ok)
    }
}

/// A study whose instances were all read once.
pub struct Study {
    /// What may go on.
    pub instances: Vec<Instance>,
    /// How the study calls its patient, for the register of objections.
    pub patient: Called,
    /// Patient and study as the crosswalk is to remember them.
    pub original: Original,
    /// The identifiers that the engine cleans from text that stays.
    pub known: Known,
    /// Knows what identifies, without telling: the verifier's own.
    pub watch: Watch,
    /// What cannot go on, for any destination.
    pub withheld: Vec<Withheld>,
    /// Spool ids of instances that came again, byte for byte.
    pub repeated: Vec<String>,
    /// What two people have looked at; nothing, unless somebody says otherwise.
    pub reviews: Reviews,
}

/// Why a study cannot be surveyed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Instances of different patients carry one Study Instance UID.
    #[error("instances of different patients under one Study Instance UID")]
    MixedPatients,
    /// The verifier cannot take the sources as witnesses.
    #[error("{0}")]
    Witness(#[from] WitnessError),
    /// The system refused.
    #[error("a source could not be read: {0}")]
    Io(#[from] io::Error),
}

impl Error {
    /// The code under which the study goes to quarantine.
    pub fn code(&self) -> Code {
        match self {
            Error::MixedPatients => Code::Conflict,
            Error::Witness(_) => Code::Malformed,
            Error::Io(_) => Code::Failed,
        }
    }
}

/// Headers that are held in memory at a time.
const AT_A_TIME: usize = 256;

/// Surveys a study. `ledger` knows what was released before.
///
/// # Errors
/// [`Error`]: nothing of the study may go on.
pub fn survey(arrivals: Vec<Arrival>, ledger: &Ledger, handles: &Key) -> Result<Study, Error> {
    let (mut witness, mut known) = (Witness::new(), Known::default());
    let (mut patient, mut original) = (Called::default(), Original::default());
    let (mut instances, mut withheld) = (Vec::new(), Vec::new());
    let mut arrivals = arrivals.into_iter().peekable();
    while arrivals.peek().is_some() {
        let some: Vec<Arrival> = arrivals.by_ref().take(AT_A_TIME).collect();
        let looked: Vec<_> = some.into_par_iter().map(|a| look(a, handles)).collect();
        for seen in looked {
            match seen {
                Seen::Not(stays) => withheld.push(stays),
                Seen::Unreadable(error) => return Err(Error::Io(error)),
                Seen::Instance(instance, raw, of_instance, called, values) => {
                    known.merge(of_instance);
                    patient.merge(called);
                    match witness.observe(instance.source.transfer_syntax(), &raw) {
                        Ok(()) => {
                            original.complete(values);
                            instances.push(*instance);
                        }
                        // Without a witness nobody could say that nothing of it is left.
                        Err(error) => withheld.push(Withheld {
                            code: Code::Malformed,
                            detail: error.to_string(),
                            ids: vec![instance.id],
                        }),
                    }
                }
            }
        }
    }
    let (instances, repeated, conflicts) = sort_out_duplicates(instances, ledger)?;
    withheld.extend(conflicts);
    if !instances.windows(2).all(|pair| pair[0].subject.is_same_patient(&pair[1].subject)) {
        return Err(Error::MixedPatients);
    }
    let (watch, reviews) = (witness.seal()?, Reviews::default());
    Ok(Study { instances, patient, original, known, watch, withheld, repeated, reviews })
}

/// What the header of a series says about the body part: of all members, the most careful word.
pub fn body_part(members: &[&Instance]) -> BodyPartHint {
    BodyPartHint::most_careful(members.iter().map(|instance| instance.body_part))
}

enum Seen {
    Instance(Box<Instance>, Vec<u8>, Known, Called, Original),
    Not(Withheld),
    Unreadable(io::Error),
}

fn look(arrival: Arrival, handles: &Key) -> Seen {
    let Arrival { id, source, digest, said_class, caller, called: said_called, received_ms } =
        arrival;
    let not = |code, detail: String| Seen::Not(Withheld { code, detail, ids: vec![id.clone()] });
    let object = match Object::open(source.clone()) {
        Ok(object) => object,
        Err(OpenError::Identity(error)) => return not(Code::NoIdentity, error.to_string()),
        Err(error) => return not(Code::Malformed, error.to_string()),
    };
    if said_class.is_some_and(|said| !object.subject().is_of_class(&said)) {
        let detail = "SOP Class UID (0008,0016) is not that of the C-STORE request (PS3.4 B.2.3)";
        return not(Code::Malformed, detail.to_owned());
    }
    let raw = match object.raw_header() {
        Ok(raw) => raw,
        Err(error) => return Seen::Unreadable(error),
    };
    let mut known = Known::default();
    known.observe(object.dataset());
    let called = Called::of(object.dataset());
    let original = Original::of(object.dataset());
    let instance = instance(id, source, digest, object, handles);
    let traits = instance.traits.sent(caller.clone(), said_called);
    let instance = Box::new(Instance { caller, received_ms, traits, ..instance });
    Seen::Instance(instance, raw, known, called, original)
}

fn instance(
    id: String,
    source: Source,
    digest: Option<[u8; 32]>,
    object: Object<Identified>,
    handles: &Key,
) -> Instance {
    let dataset = object.dataset();
    let facts = Facts::of(dataset, object.subject().sop_class(), object.has_pixels());
    let traits = Traits::of(dataset, object.subject().sop_class());
    let frames = Frames::of(dataset);
    let body_part = face::body_part(dataset);
    let frame = |uid: String| handles.tag(&[b"frame of reference", uid.as_bytes()]);
    let frame_of_reference = dataset.text(tags::FRAME_OF_REFERENCE_UID).map(frame);
    let contours_in = contours::frames_of_reference(dataset.object()).into_iter().map(frame);
    let contours_in = contours_in.collect();
    let subject = object.into_subject();
    let tag = subject.with_instance(|uid| instance_tag(handles, uid));
    let series_tag = subject.with_series(|uid| handles.tag(&[b"series", uid.as_bytes()]));
    Instance {
        id,
        caller: None,
        source,
        received_ms: None,
        facts,
        traits,
        subject,
        tag,
        bar: Bar::default(),
        digest,
        series_tag,
        frame_of_reference,
        contours_in,
        frames,
        body_part,
    }
}

/// Unique instances, spool ids of those that came again, and those of which nobody knows which is right.
type Sorted = (Vec<Instance>, Vec<String>, Option<Withheld>);

/// Same instance, same bytes: once. Same instance, other bytes: nobody knows which is right.
fn sort_out_duplicates(instances: Vec<Instance>, ledger: &Ledger) -> io::Result<Sorted> {
    let mut times: HashMap<[u8; 32], usize> = HashMap::new();
    instances.iter().for_each(|instance| *times.entry(instance.tag).or_default() += 1);
    let mut versions: HashMap<[u8; 32], BTreeSet<[u8; 32]>> = HashMap::new();
    for instance in instances.iter().filter(|instance| times[&instance.tag] > 1) {
        versions.entry(instance.tag).or_default().insert(instance.digest()?);
    }
    let differ = |tag: &[u8; 32]| versions.get(tag).is_some_and(|versions| versions.len() > 1);
    let (mut unique, mut repeated, mut conflicting) = (Vec::new(), Vec::new(), Vec::new());
    let mut taken = HashSet::new();
    for instance in instances {
        let standing = ledger.standing(&instance.tag, || instance.digest())?;
        if standing == Standing::Conflicting || differ(&instance.tag) {
            conflicting.push(instance.id);
        } else if standing == Standing::Repeated || !taken.insert(instance.tag) {
            repeated.push(instance.id);
        } else {
            unique.push(instance);
        }
    }
    let conflicts = (!conflicting.is_empty()).then(|| Withheld {
        code: Code::Conflict,
        detail: "different objects with one SOP Instance UID".to_owned(),
        ids: conflicting,
    });
    Ok((unique, repeated, conflicts))
}
