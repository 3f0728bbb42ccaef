//! Which audit message an event becomes, and what stands in it (PS3.15 A.5.3): a table.
//!
//! The log says neither who sent a study nor how it was called inside. Where the standard wants a Study Instance UID or a
//! Patient ID and the record has none as it left, the handle of the batch stands, under a code of its own: nobody takes
//! it for what it is not.

use crate::audit::{Event, Release};

/// A code, its scheme, its meaning.
pub(super) struct Code(pub &'static str, pub &'static str, pub &'static str);

/// A kind of audit message.
pub(super) struct Form {
    /// EventID (CID 400).
    pub event: Code,
    /// EventTypeCode (CID 401).
    pub kind: Option<Code>,
    /// EventActionCode.
    pub action: &'static str,
    pub participants: &'static [Participant],
    pub objects: &'static [Object],
}

/// Who took part (CID 402).
pub(super) enum Participant {
    /// The person who did it, if one is known.
    Person,
    /// efface, in this role.
    Efface(Option<Code>),
    /// The destination, in this role.
    Destination(Code),
    /// The way there, as the medium of an export: a URI (CID 405).
    Medium,
}

/// What was dealt with.
#[derive(PartialEq)]
pub(super) enum Object {
    /// The study, at this stage of its life (PS3.15 A.5.1.2.3).
    Study(&'static str),
    /// Its patient.
    Patient,
    /// What an alert is about.
    Subject,
    /// The log.
    Log,
}

const APPLICATION: Code = Code("110150", "DCM", "Application");
const DESTINATION: Code = Code("110152", "DCM", "Destination Role ID");
const SOURCE: Code = Code("110153", "DCM", "Source Role ID");
const OF_A_STUDY: &[Object] = &[Object::Study("6"), Object::Patient];

/// PS3.15 A.5.3.1.
const fn application_activity(kind: Code) -> Form {
    Form {
        event: Code("110100", "DCM", "Application Activity"),
        kind: Some(kind),
        action: "E",
        participants: &[Participant::Efface(Some(APPLICATION))],
        objects: &[],
    }
}
static START: Form = application_activity(Code("110120", "DCM", "Application Start"));
static STOP: Form = application_activity(Code("110121", "DCM", "Application Stop"));
/// PS3.15 A.5.3.2.
static LOG_USED: Form = Form {
    event: Code("110101", "DCM", "Audit Log Used"),
    kind: None,
    action: "R",
    participants: &[Participant::Person, Participant::Efface(None)],
    objects: &[Object::Log],
};
/// PS3.15 A.5.3.4.
static EXPORT: Form = Form {
    event: Code("110106", "DCM", "Export"),
    kind: None,
    action: "R",
    participants: &[
        Participant::Efface(Some(SOURCE)),
        Participant::Destination(DESTINATION),
        Participant::Medium,
    ],
    objects: &[Object::Study("10"), Object::Patient],
};
/// PS3.15 A.5.3.6.
static ACCESSED: Form = Form {
    event: Code("110103", "DCM", "DICOM Instances Accessed"),
    kind: None,
    action: "R",
    participants: &[Participant::Efface(None)],
    objects: OF_A_STUDY,
};
/// PS3.15 A.5.3.7.
static TRANSFERRED: Form = Form {
    event: Code("110104", "DCM", "DICOM Instances Transferred"),
    kind: None,
    // Whether they had been there before, only the destination knows.
    action: "R",
    participants: &[Participant::Efface(Some(SOURCE)), Participant::Destination(DESTINATION)],
    objects: &[Object::Study("11"), Object::Patient],
};
/// PS3.15 A.5.3.8.
static DELETED: Form = Form {
    event: Code("110105", "DCM", "DICOM Study Deleted"),
    kind: None,
    action: "D",
    participants: &[Participant::Efface(None)],
    objects: &[Object::Study("15"), Object::Patient],
};
/// PS3.15 A.5.3.11.
const fn security_alert(kind: Code) -> Form {
    Form {
        event: Code("110113", "DCM", "Security Alert"),
        kind: Some(kind),
        action: "E",
        participants: &[Participant::Person, Participant::Efface(None)],
        objects: &[Object::Subject],
    }
}
static CONFIGURED: Form = security_alert(Code("110129", "DCM", "Security Configuration"));
static RESTRICTED: Form = security_alert(Code("110132", "DCM", "Use of Restricted Function"));
static ATTRIBUTES: Form =
    security_alert(Code("110135", "DCM", "Object Security Attributes Changed"));

static USERS: Form = security_alert(Code("110137", "DCM", "User security Attributes Changed"));
/// PS3.15 A.5.3.12.
const fn authenticated(kind: Code) -> Form {
    Form {
        event: Code("110114", "DCM", "User Authentication"),
        kind: Some(kind),
        action: "E",
        participants: &[Participant::Person, Participant::Efface(None)],
        objects: &[],
    }
}
static LOGIN: Form = authenticated(Code("110122", "DCM", "Login"));
static LOGOUT: Form = authenticated(Code("110123", "DCM", "Logout"));

/// EventOutcomeIndicator (PS3.15 A.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    /// Something was not done, on purpose.
    Refused,
}

/// What of an event goes into its message.
pub(super) struct Facts<'a> {
    pub form: &'static Form,
    pub outcome: Outcome,
    /// EventOutcomeDescription: codes of efface, never of a data set.
    pub why: Option<String>,
    /// By what a study is spoken of; of an alert, what it is about: a URI of efface's.
    pub batch: &'a str,
    /// The user of this machine who did it; empty: nobody.
    pub person: &'a str,
    /// Study Instance UID and Patient ID, as they left.
    pub left_as: Option<(&'a str, &'a str)>,
    pub destination: Option<&'a str>,
    pub instances: u64,
    /// More of a study, by name.
    pub details: Vec<(&'static str, &'a str)>,
}

impl<'a> Facts<'a> {
    /// What an event means to an audit repository. Every event has a message: a number that is missing was lost.
    pub fn of(event: &'a Event) -> Self {
        match event {
            Event::Started { version, key, .. } => Facts {
                why: Some(format!("efface {version}, key {key}")),
                ..Facts::new(&START, "")
            },
            Event::Stopped => Facts::new(&STOP, ""),
            // A worker reads the study. Who sent it, the log does not know, and so nothing is said to be transferred.
            Event::Taken { batch, instances } => Facts::new(&ACCESSED, batch).all(*instances),
            // The data are about to leave the security domain, which is what an export is.
            Event::Released(release) => Facts::released(release),
            Event::Delivered { destination, batch, instances, .. } => {
                Facts::new(&TRANSFERRED, batch).all(*instances).to(destination)
            }
            Event::Egress { destination, sent_bytes } => Facts {
                why: Some(format!("{sent_bytes} bytes left, nothing had arrived by then")),
                ..Facts::new(&TRANSFERRED, "").to(destination)
            },
            Event::Quarantined { batch, code, destination, instances } => {
                let to = if destination.is_empty() { "every destination" } else { destination };
                let why = format!("withheld from {to}: {code}");
                Facts::new(&ACCESSED, batch).all(*instances).refused(why)
            }
            Event::Repeated { batch, instances } => Facts {
                why: Some("came again unchanged, not sent again".to_owned()),
                ..Facts::new(&ACCESSED, batch).all(*instances)
            },
            Event::Returned { name, instances } => Facts {
                why: Some("put back from quarantine".to_owned()),
                ..Facts::new(&ACCESSED, name.split('.').next().unwrap_or_default()).all(*instances)
            },
            // Why, people wrote: it may name somebody.
            Event::Rejected { batch, code, destination, instances, dropped, by, .. } => {
                let to = if destination.is_empty() { "every destination" } else { destination };
                let what = format!(
                    "{batch} never leaves for {to}: {code}, {instances} instances, {dropped} originals dropped"
                );
                Facts::alert(&RESTRICTED, "efface:quarantine", by, what)
            }
            Event::Shown { name, what, by, .. } => {
                let what = format!("shown, with the patient: {what} of {name}");
                Facts::alert(&RESTRICTED, "efface:pictures", by, what)
            }
            // Not which patients, also not by their keyed hashes: nobody at the repository has the key.
            Event::Objections { change, scope, references, register } => {
                let objections = references.len();
                let what =
                    format!("{objections} objections {change}, to {scope}; version {register}");
                Facts::alert(&ATTRIBUTES, "efface:objections", "", what)
            }
            Event::Erasure { change, reference, destination, studies, register, by } => {
                let what = format!(
                    "erasure at {destination} {change}: {reference}, {studies} studies; version {register}"
                );
                Facts::alert(&ATTRIBUTES, "efface:erasure", by, what)
            }
            Event::Recall { change, reference, destination, studies, reason, register, by } => {
                let what = format!(
                    "recall at {destination} {change}: {reference}, {studies} studies, {reason}; version {register}"
                );
                Facts::alert(&ATTRIBUTES, "efface:recall", by, what)
            }
            Event::Policy { digest, changes, agreed, nonce, activated } => {
                let (changes, agreed) = (changes.len(), people(agreed));
                let what = format!("policy {digest} in force: {changes} changes, {agreed} {nonce}");
                let by = activated.as_ref().map_or("", |activated| &activated.by);
                Facts::alert(&CONFIGURED, "efface:policy", by, what)
            }
            // Not to what, in words, nor why: people write them, and they may name somebody.
            Event::Approved { operation, agreed, nonce, digest, .. } => {
                let what = format!("{operation}: {} {nonce}, {digest}", people(agreed));
                Facts::alert(&RESTRICTED, "efface:approval", "", what)
            }
            // Nor what was dropped.
            Event::RequestDropped { operation, asked, by, nonce, .. } => {
                let what = format!("{operation}: {nonce}, asked for by {asked}, dropped");
                Facts::alert(&RESTRICTED, "efface:approval", by, what)
            }
            Event::Reidentified { project, by, nonce, .. } => {
                let what = format!("told who the patient of a study of {project} is: {nonce}");
                Facts::alert(&RESTRICTED, "efface:crosswalk", by, what)
            }
            Event::Result { change, code, destination, project, instances, by, pacs, .. } => {
                let mut what =
                    format!("{instances} results of {destination} for {project} {change}");
                if !pacs.is_empty() {
                    what += &format!(" to {pacs}");
                }
                match code.as_str() {
                    "" => Facts::alert(&RESTRICTED, "efface:results", by, what),
                    code => {
                        let why = format!("{what}: {code}");
                        Facts::alert(&RESTRICTED, "efface:results", by, what).refused(why)
                    }
                }
            }
            Event::Crosswalk { change, project, studies, patients, by } => {
                let what = format!(
                    "crosswalk of {project} {change}: {studies} studies, {patients} patients"
                );
                Facts::alert(&RESTRICTED, "efface:crosswalk", by, what)
            }
            Event::Withdrawn { destination, batch, code, instances, before } => {
                let why = format!("withdrawn: {code}; {before} had arrived before");
                Facts::new(&EXPORT, batch).all(*instances).to(destination).refused(why)
            }
            Event::AuditRead { command, by } => {
                Facts { person: by, why: Some(command.clone()), ..Facts::new(&LOG_USED, "") }
            }
            Event::Console { change, by, from } => Facts::of_console(change, by, from),
            Event::Erased { batch, instances } => Facts::new(&DELETED, batch).all(*instances),
        }
    }

    fn of_console(change: &str, by: &'a str, from: &str) -> Self {
        let what = format!("console, from {from}: {change}");
        let of = |form| Facts { person: by, why: Some(what.clone()), ..Facts::new(form, "") };
        match change {
            "signed-in" => of(&LOGIN),
            "signed-out" => of(&LOGOUT),
            "refused" => of(&LOGIN).refused(what.clone()),
            _ => Facts::alert(&USERS, "efface:console", by, what),
        }
    }

    /// The only place that reads a release.
    fn released(release: &'a Release) -> Self {
        let Release { destination, project, batch, profile, plan, patient, study, digest, .. } =
            release;
        Facts {
            // They were erased, if they are not there.
            left_as: (!study.is_empty()).then_some((study, patient)),
            details: vec![
                ("project", project),
                ("profile", profile),
                ("plan", plan),
                ("digest", digest),
            ],
            ..Facts::new(&EXPORT, batch).all(release.instances).to(destination)
        }
    }

    fn new(form: &'static Form, batch: &'a str) -> Self {
        Facts {
            form,
            outcome: Outcome::Success,
            why: None,
            batch,
            person: "",
            left_as: None,
            destination: None,
            instances: 0,
            details: Vec::new(),
        }
    }

    fn alert(form: &'static Form, subject: &'a str, person: &'a str, what: String) -> Self {
        Facts { person, why: Some(what), ..Facts::new(form, subject) }
    }

    fn all(self, instances: u64) -> Self {
        Facts { instances, ..self }
    }

    fn to(self, destination: &'a str) -> Self {
        Facts { destination: Some(destination), ..self }
    }

    fn refused(self, why: String) -> Self {
        Facts { outcome: Outcome::Refused, why: Some(why), ..self }
    }
}

/// Who agreed, by the names in the configuration.
fn people(agreed: &[String]) -> String {
    if agreed.is_empty() { "nobody had to agree".to_owned() } else { agreed.join(" and ") }
}

/// One of each event, for tests. A new event does not compile here until it is listed.
#[cfg(test)]
pub(super) fn examples() -> Vec<Event> {
    let (batch, destination) = ("0a1b2c3d-4e5f".to_owned(), "lab".to_owned());
    let all = vec![
        Event::Started {
            version: "0.1.0".to_owned(),
            profiles: vec!["basic 00".to_owned()],
            key: "0f1e2d3c A1".to_owned(),
        },
        Event::Taken { batch: batch.clone(), instances: 3 },
        Event::Released(Box::new(Release {
            destination: destination.clone(),
            project: "lab".to_owned(),
            batch: batch.clone(),
            profile: "basic".to_owned(),
            plan: "ab".repeat(32),
            patient: "A1QX3R5T7V9W1Y3Z".to_owned(),
            study: "2.25.340282366920938463463374607431768211455".to_owned(),
            digest: "cd".repeat(32),
            instances: 3,
            ..Release::default()
        })),
        Event::Delivered {
            destination: destination.clone(),
            batch: batch.clone(),
            instances: 3,
            waited_ms: Some(61_000),
            took_ms: Some(2_000),
            sent_bytes: 1_600_000,
        },
        Event::Egress { destination: destination.clone(), sent_bytes: 400 },
        Event::Quarantined {
            batch: batch.clone(),
            code: "face-left".to_owned(),
            destination: String::new(),
            instances: 1,
        },
        Event::Repeated { batch: batch.clone(), instances: 2 },
        Event::Returned { name: format!("{batch}.face-left"), instances: 1 },
        Event::Rejected {
            batch: batch.clone(),
            code: "localizer".to_owned(),
            destination: destination.clone(),
            instances: 2,
            dropped: 1,
            by: "anna".to_owned(),
            because: "SECRETWORDS".to_owned(),
        },
        Event::Shown {
            name: format!("{batch}.localizer"),
            what: "slice".to_owned(),
            by: "anna".to_owned(),
            because: "SECRETWORDS".to_owned(),
        },
        Event::Objections {
            change: "added".to_owned(),
            scope: "all".to_owned(),
            references: vec!["SECRETREFERENCE".to_owned(); 500],
            register: 4,
        },
        Event::Withdrawn {
            destination,
            batch: batch.clone(),
            code: "objection".to_owned(),
            instances: 2,
            before: 1,
        },
        Event::Policy {
            digest: "ef".repeat(32),
            changes: vec!["lab: SECRETWORDS".to_owned()],
            agreed: vec!["anna".to_owned(), "bert".to_owned()],
            nonce: "n1".to_owned(),
            activated: None,
        },
        Event::Approved {
            operation: "reidentify".to_owned(),
            what: vec!["SECRETWORDS".to_owned()],
            agreed: vec!["anna".to_owned(), "bert".to_owned()],
            nonce: "n2".to_owned(),
            digest: "ef".repeat(32),
        },
        Event::RequestDropped {
            operation: "release".to_owned(),
            what: vec!["SECRETWORDS".to_owned()],
            asked: "anna".to_owned(),
            by: "bert".to_owned(),
            nonce: "n3".to_owned(),
        },
        Event::Reidentified {
            project: "lab".to_owned(),
            by: "anna".to_owned(),
            because: "SECRETWORDS".to_owned(),
            nonce: "n2".to_owned(),
        },
        Event::Result {
            change: "refused".to_owned(),
            code: "wrong-patient".to_owned(),
            destination: "lab".to_owned(),
            project: "lab".to_owned(),
            instances: 2,
            by: "anna".to_owned(),
            pacs: String::new(),
            took_ms: None,
        },
        Event::Crosswalk {
            change: "expired".to_owned(),
            project: "lab".to_owned(),
            studies: 2,
            patients: 1,
            by: String::new(),
        },
        Event::Erasure {
            change: "requested".to_owned(),
            reference: "r-1".to_owned(),
            destination: "lab".to_owned(),
            studies: 2,
            register: 1,
            by: "anna".to_owned(),
        },
        Event::Recall {
            change: "begun".to_owned(),
            reference: "r-2".to_owned(),
            destination: "lab".to_owned(),
            studies: 1,
            reason: "DCM 113001, Rejected for Quality Reasons".to_owned(),
            register: 1,
            by: "anna".to_owned(),
        },
        Event::AuditRead { command: "audit show".to_owned(), by: "anna".to_owned() },
        Event::Console {
            change: "refused".to_owned(),
            by: "anna".to_owned(),
            from: "192.0.2.9".to_owned(),
        },
        Event::Erased { batch, instances: 3 },
        Event::Stopped,
    ];
    for event in &all {
        match event {
            Event::Started { .. }
            | Event::Stopped
            | Event::Taken { .. }
            | Event::Released(_)
            | Event::Delivered { .. }
            | Event::Egress { .. }
            | Event::Quarantined { .. }
            | Event::Repeated { .. }
            | Event::Returned { .. }
            | Event::Rejected { .. }
            | Event::Shown { .. }
            | Event::Objections { .. }
            | Event::Withdrawn { .. }
            | Event::Policy { .. }
            | Event::Approved { .. }
            | Event::RequestDropped { .. }
            | Event::Reidentified { .. }
            | Event::Result { .. }
            | Event::AuditRead { .. }
            | Event::Console { .. }
            | Event::Crosswalk { .. }
            | Event::Erasure { .. }
            | Event::Recall { .. }
            | Event::Erased { .. } => {}
        }
    }
    all
}
