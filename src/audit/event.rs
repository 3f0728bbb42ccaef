//! What is written down: one record a decision, and no value of a data set in it.

use super::Evidence;
use crate::residency::Ground;
use serde::{Deserialize, Serialize};

/// What is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The gateway started.
    Started {
        /// Version of efface.
        version: String,
        /// Names and plan digests of the profiles in use.
        profiles: Vec<String>,
        /// Fingerprint of the root key.
        key: String,
    },
    /// The gateway stopped.
    Stopped,
    /// A worker took a closed batch. After a crash the same batch is taken again.
    Taken {
        /// The batch.
        batch: String,
        /// How many instances it had.
        instances: u64,
    },
    /// Parcels may leave: written before the first byte does.
    Released(Box<Release>),
    /// All parcels of a release have arrived.
    Delivered {
        /// Destination by its name in the configuration.
        destination: String,
        /// The batch.
        batch: String,
        /// Instances that the destination said it stored.
        instances: u64,
        /// From the last image that was received of them to the first byte that left, in ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waited_ms: Option<u64>,
        /// From that byte until all had arrived, in ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took_ms: Option<u64>,
        /// Bytes that left for the destination since the last record that counts them: associations, TLS and attempts that
        /// failed are in it. Of a sender that was killed the last parcel is missing; the release has its bytes.
        #[serde(default)]
        sent_bytes: u64,
    },
    /// Bytes left for a destination, and no batch of it had arrived by then.
    Egress {
        /// Destination by its name in the configuration.
        destination: String,
        /// How many, since the last record that counts them.
        sent_bytes: u64,
    },
    /// Instances stay inside.
    Quarantined {
        /// The batch.
        batch: String,
        /// The code of the reason.
        code: String,
        /// For which destination; empty when for all.
        destination: String,
        /// How many instances.
        instances: u64,
    },
    /// Instances came again, byte for byte, and were not sent again.
    Repeated {
        /// The batch.
        batch: String,
        /// How many instances.
        instances: u64,
    },
    /// Instances were put back from quarantine into the queue, to be gathered again.
    Returned {
        /// Name of what was in quarantine: the batch, a dot, the code.
        name: String,
        /// How many instances that its batch has nowhere else.
        instances: u64,
    },
    /// A person decided that what was in quarantine never leaves. Written before the originals are dropped that nobody
    /// else needs.
    Rejected {
        /// The batch.
        batch: String,
        /// The code of the reason for which it was in quarantine.
        code: String,
        /// For which destination it never leaves; empty when for all.
        destination: String,
        /// How many instances.
        instances: u64,
        /// Of these: originals that are nowhere else, and go.
        dropped: u64,
        /// The user of this machine who decided.
        by: String,
        /// Why.
        because: String,
    },
    /// Somebody is shown a picture of a patient: written before it is drawn.
    Shown {
        /// Name in quarantine, or the batch, of what is shown.
        name: String,
        /// Of what: `slice` or `surface`.
        what: String,
        /// The user of this machine who is shown it.
        by: String,
        /// Why.
        because: String,
    },
    /// Patients object, or no longer do: the register of objections was changed.
    Objections {
        /// `added` or `lifted`.
        change: String,
        /// To what: `all`, `project:NAME` or `destination:NAME`.
        scope: String,
        /// Keyed hashes by which the objections are spoken of.
        references: Vec<String>,
        /// The version of the register that has it so.
        register: u64,
    },
    /// Parcels that waited, or were about to leave, were taken back: their patient objects.
    Withdrawn {
        /// Destination by its name in the configuration.
        destination: String,
        /// The batch.
        batch: String,
        /// The code of the reason: `objection` or `no-patient-id`.
        code: String,
        /// Instances that did not leave.
        instances: u64,
        /// Instances that the destination had said it stored before.
        before: u64,
    },
    /// What the configuration decides about people's data was put in force.
    Policy {
        /// SHA-256 of it.
        digest: String,
        /// What is new, in words.
        changes: Vec<String>,
        /// Who agreed; empty where nobody had to.
        agreed: Vec<String>,
        /// Of their approval.
        nonce: String,
        /// The profile that took another's place, where it was that and nothing else: by a command, not by a start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activated: Option<Activated>,
    },
    /// Two people agree to something that one alone may not do.
    Approved {
        /// To what kind of thing.
        operation: String,
        /// To what, in words.
        what: Vec<String>,
        /// Who.
        agreed: Vec<String>,
        /// Of the approval: it is used once.
        nonce: String,
        /// SHA-256 of what they signed.
        digest: String,
    },
    /// What two people were asked to agree to in the console is not wanted any more. Written before the request goes.
    RequestDropped {
        /// To what kind of thing.
        operation: String,
        /// To what, in words.
        what: Vec<String>,
        /// Who asked for it.
        asked: String,
        /// Who dropped it: the same, or one of those who agree.
        by: String,
        /// Of the request.
        nonce: String,
    },
    /// Somebody was told who the patient of a study is.
    Reidentified {
        /// The project.
        project: String,
        /// The user of this machine who was told.
        by: String,
        /// Why.
        because: String,
        /// Of the approval by two people, in which the study stands.
        nonce: String,
    },
    /// Results of a destination were taken, or refused: written before a file is. Of which study is not said, so that
    /// nothing ties it to a patient who was erased.
    Result {
        /// `reidentified`, `refused`, or `delivered` to a PACS.
        change: String,
        /// The code of the reason; empty of what was re-identified.
        code: String,
        /// Who made them: the destination by its name in the configuration.
        destination: String,
        /// Project whose keys made the pseudonyms.
        project: String,
        /// How many instances.
        instances: u64,
        /// The user of this machine who took them; empty: they came by themselves.
        by: String,
        /// The PACS that they were delivered to, `AE_TITLE@HOST:PORT`; empty of others.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pacs: String,
        /// From the last result that came until the PACS had them all, in ms; of others nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        took_ms: Option<u64>,
    },
    /// Somebody read the log, or had a page made of it.
    AuditRead {
        /// The command.
        command: String,
        /// The user of this machine who called it.
        by: String,
    },
    /// What pseudonyms stand for was taken out or brought in, or went, or is about to.
    Crosswalk {
        /// `exported`, `imported`, `expired` or `erased`.
        change: String,
        /// The project.
        project: String,
        /// Of how many studies.
        studies: u64,
        /// Of how many patients; of those that expire or are erased nothing is left.
        patients: u64,
        /// The user of this machine who did it; empty: their time was over.
        by: String,
    },
    /// Something became of a request to a destination to erase what it has of a patient.
    Erasure {
        /// `requested`, `sent` or `acknowledged`.
        change: String,
        /// By what the request is spoken of; random.
        reference: String,
        /// Destination by its name in the configuration.
        destination: String,
        /// How many studies it is about.
        studies: u64,
        /// The version of the register of requests that has it so.
        register: u64,
        /// The user of this machine who did it.
        by: String,
    },
    /// Something became of a recall: of studies that a destination is to let go of.
    Recall {
        /// `begun`, `withdrawn`, `sent` or `acknowledged`.
        change: String,
        /// By what the recall is spoken of; random.
        reference: String,
        /// Destination by its name in the configuration.
        destination: String,
        /// How many studies it is about.
        studies: u64,
        /// Code value (DCM) and meaning of the reason.
        reason: String,
        /// The version of the register of recalls that has it so.
        register: u64,
        /// The user of this machine who did it; empty: the gateway.
        by: String,
    },
    /// Somebody signed in to the console, or was refused, or an account of it was changed.
    Console {
        /// `signed-in`, `signed-out`, `refused`, `password-changed`, `account-added`, `account-changed` or `account-removed`.
        change: String,
        /// Whose account; for `refused` it may be nobody's.
        by: String,
        /// Address of the browser, or the user of this machine who changed it.
        from: String,
    },
    /// Identified originals were deleted after the retention time, or are about to be.
    Erased {
        /// The batch.
        batch: String,
        /// How many instances.
        instances: u64,
    },
}

/// What becomes of rows by themselves.
pub const EXPIRED: &str = "expired";
/// What the gateway alone does about a recall.
pub const WITHDRAWN: &str = "withdrawn";

impl Event {
    /// Whether people do it by commands, which hand it in (`desk.rs`). All else only the gateway and its workers know.
    pub fn is_by_command(&self) -> bool {
        match self {
            Event::AuditRead { .. }
            | Event::Reidentified { .. }
            | Event::Result { .. }
            | Event::Shown { .. }
            | Event::Console { .. }
            | Event::RequestDropped { .. }
            | Event::Erasure { .. } => true,
            Event::Recall { change, .. } => change != WITHDRAWN,
            Event::Crosswalk { change, .. } => change != EXPIRED,
            _ => false,
        }
    }
}

/// A profile that took the place of another, for one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activated {
    /// Destination by its name in the configuration.
    pub destination: String,
    /// Which of those that are kept for it; `None`: the configuration's.
    pub version: Option<u64>,
    /// The name in the profile.
    pub name: String,
    /// Digest of its plan, hex.
    pub plan: String,
    /// Who had it put in force.
    pub by: String,
}

/// What left, on what ground.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Destination by its name in the configuration.
    pub destination: String,
    /// Project whose keys made the pseudonyms.
    pub project: String,
    /// The batch.
    pub batch: String,
    /// Rules under `routes:` that took instances there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// Version of efface.
    pub engine: String,
    /// Name of the profile.
    pub profile: String,
    /// Digest of its resolved plan.
    pub plan: String,
    /// Reasons that the profile gives for being weaker than its base.
    pub because: Vec<String>,
    /// Pseudonym of the patient. This and the other fields that are about one patient lie beside the log (`details.rs`):
    /// they are empty where they were erased.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub patient: String,
    /// Keyed hashes of the patient's numbers under a key of the project, by which the patient's question is answered
    /// (`efface subject-report`). Empty where pseudonyms are random: there the crosswalk answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// The ground on which the destination may be sent to.
    #[serde(default)]
    pub ground: Ground,
    /// Version of the register of objections that was asked; 0 if nobody had ever objected.
    #[serde(default)]
    pub register: u64,
    /// Study Instance UID as it leaves.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub study: String,
    /// Keyed digest (HMAC-SHA-256) over the sorted SHA-256 of what came in of it: it compares, and tells nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub input: String,
    /// Instances that leave.
    pub instances: u64,
    /// Instances in which the verifier, reading what will be sent, found no residue: all of them, or nothing leaves.
    pub verified: u64,
    /// Bytes that leave.
    pub bytes: u64,
    /// SHA-256 over the digests of the parcels, in the order of the manifest.
    pub digest: String,
    /// Elements by action, over all instances.
    pub actions: Vec<(char, u64)>,
    /// What was done to them, objects that were treated alike together.
    pub evidence: Vec<Evidence>,
    /// What was done about faces, a line a series.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faces: Vec<SeriesFace>,
}

/// What was done about the face in a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesFace {
    /// Series Instance UID as it leaves.
    pub series: String,
    /// `removed`, `soft-tissue-removed` (facial bones stay), `none-found` or `left`.
    pub finding: String,
    /// Slices of the series.
    pub slices: u64,
    /// Voxels that were overwritten.
    pub removed_voxels: u64,
    /// Figures of the check, by name.
    pub figures: Vec<(String, f64)>,
}

/// One record.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// Position, from 0.
    pub seq: u64,
    /// RFC 3339, by the clock of this machine.
    pub time: String,
    /// SHA-256 in hex of what lies beside the log of the patient that it is about, with its salt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}
