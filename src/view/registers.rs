//! What is kept of destinations, of those who object, of what was asked for, and of keys.

use super::Error;
use crate::clock::Day;
use crate::config::Settings;
use crate::erasure;
use crate::key::RootKey;
use crate::objection::Book;
use crate::recall;
use crate::spool::{Place, Spool};
use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registers {
    /// Where data may go.
    pub destinations: Vec<Destination>,
    /// Whether a site policy makes an entry necessary.
    pub has_policy: bool,
    /// Who objects, as references.
    pub objections: Vec<Objection>,
    /// What destinations were asked to erase, or to let go of.
    pub requests: Vec<Request>,
    /// Who agrees, two of them: names.
    pub approvers: Vec<String>,
    /// Fingerprint of the root key.
    pub key: String,
    /// Its generations, the newest first.
    pub generations: Vec<String>,
    /// Name of the log, and by what its checkpoints are verified.
    pub log_key: String,
}

/// What is known of a destination.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Destination {
    /// Name in the configuration.
    pub name: String,
    /// Where it is.
    pub place: String,
    /// Whose pseudonyms.
    pub project: String,
    /// What the register says, word by word.
    pub entry: Vec<(String, String)>,
    /// Why it may not be sent to; `None`: it may.
    pub blocked: Option<String>,
    /// What ends soon, and on which day.
    pub expiring: Vec<(String, String)>,
    /// Days until the register blocks it.
    pub days_left: Option<i64>,
}

/// An objection. Nobody is named by it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Objection {
    /// By what it is spoken of.
    pub reference: String,
    /// `all`, `project:NAME` or `destination:NAME`.
    pub scope: String,
    /// When it came in.
    pub received: String,
    /// When an answer is due.
    pub due: String,
    /// When it was given.
    pub answered: Option<String>,
    /// No answer, and the day is over.
    pub is_overdue: bool,
}

/// A request to a destination.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// `erasure` or `recall`.
    pub kind: String,
    /// By what it is spoken of.
    pub reference: String,
    /// To whom.
    pub destination: String,
    /// How it stands.
    pub state: String,
    /// Not acknowledged.
    pub is_open: bool,
    /// And the day is over.
    pub is_overdue: bool,
}

/// Gathers it.
///
/// # Errors
/// A register that cannot be read.
pub fn look(settings: &Settings, root: &RootKey, spool: &Spool) -> Result<Registers, Error> {
    let today = Day::today();
    let destinations = settings.destinations.iter().zip(settings.now());
    let destinations = destinations.map(|(to, (_, standing))| {
        let expiring = to.residency.expiring(today).into_iter();
        Destination {
            name: to.name.clone(),
            place: to.place(),
            project: to.project.clone(),
            entry: entry(to.residency.entry.as_ref()),
            blocked: standing.blocked().map(|blocked| blocked.to_string()),
            expiring: expiring.map(|(what, day)| (what, day.to_string())).collect(),
            days_left: to.residency.days_left(today),
        }
    });
    let register = Book::new(spool.dir(Place::Objections), root).read()?;
    let objections = register.in_force().map(|objection| Objection {
        reference: objection.reference.clone(),
        scope: objection.scope.to_string(),
        received: objection.received.to_string(),
        due: objection.received.due().to_string(),
        answered: objection.answered.map(|day| day.to_string()),
        is_overdue: objection.answered.is_none() && objection.received.due() < today,
    });
    let erasures = erasure::look(spool)?;
    let recalls = recall::look(spool)?;
    let erasures = erasures.iter().map(|request| Request {
        kind: "erasure".to_owned(),
        reference: request.reference.clone(),
        destination: request.wanted.destination.clone(),
        state: request.state().to_owned(),
        is_open: request.is_open(),
        is_overdue: request.is_overdue(today),
    });
    let recalls = recalls.iter().map(|recall| Request {
        kind: "recall".to_owned(),
        reference: recall.reference.clone(),
        destination: recall.wanted.destination.clone(),
        state: recall.state().to_owned(),
        is_open: recall.is_open(),
        is_overdue: recall.is_overdue(today),
    });
    Ok(Registers {
        destinations: destinations.collect(),
        has_policy: settings.site.is_some(),
        objections: objections.collect(),
        requests: erasures.chain(recalls).collect(),
        approvers: settings.approvers.names().map(str::to_owned).collect(),
        key: root.fingerprint(),
        generations: root.generations().map(str::to_owned).collect(),
        log_key: crate::audit::key(&spool.dir(Place::Audit))?.to_string(),
    })
}

/// The entry of the register as it is written, field by field.
fn entry(entry: Option<&crate::residency::Entry>) -> Vec<(String, String)> {
    let written = entry.and_then(|entry| serde_json::to_value(entry).ok());
    let Some(serde_json::Value::Object(fields)) = written else { return Vec::new() };
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let fields = fields.iter().filter(|(_, value)| !value.is_null());
    fields.map(|(name, value)| (name.clone(), text(value))).collect()
}
