//! Audit messages as XML (PS3.15 A.5.1), and the syslog messages that carry them and the checkpoints.

use super::form::{Code, Facts, Object, Outcome, Participant};
use super::syslog::{Message, Severity, Text};
use super::xml::Xml;
use crate::audit::Record;
use crate::id::AeTitle;
use crate::net::http::Url;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// MSGID of audit messages (PS3.15 A.6), and of checkpoints.
const AUDIT: &str = "DICOM+RFC3881";
const CHECKPOINT: &str = "checkpoint";
/// Codes of efface's own.
const OWN_SCHEME: &str = "99EFFACE";
/// An application server process (PS3.15 A.5.1.2.1).
const APPLICATION_SERVER: &str = "4";

/// Who reports: what stands in every message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reporter {
    /// Name of this machine.
    pub host: String,
    /// Name of the log.
    pub origin: String,
    /// The AE title of efface.
    pub ae_title: AeTitle,
    /// The destinations of the configuration.
    pub recipients: Vec<Recipient>,
}

/// A destination.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recipient {
    /// Its name in the log.
    pub name: String,
    /// What it is known as to others.
    pub known_as: KnownAs,
    /// Name or address of its machine.
    pub host: String,
}

/// The name of a destination in its protocol.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownAs {
    /// In DICOM.
    AeTitle(AeTitle),
    /// In DICOMweb.
    Url(Url),
}

impl Recipient {
    /// As an alternative user id.
    fn alternative(&self) -> String {
        match &self.known_as {
            KnownAs::AeTitle(title) => format!("AETITLES={title}"),
            KnownAs::Url(url) => url.to_string(),
        }
    }

    fn uri(&self) -> String {
        match &self.known_as {
            KnownAs::AeTitle(title) => format!("dicom://{title}@{}", self.host),
            KnownAs::Url(url) => url.to_string(),
        }
    }
}

impl Reporter {
    /// The frame that carries a record.
    pub(super) fn of_record(&self, record: &Record) -> Vec<u8> {
        let facts = Facts::of(&record.event);
        let severity = match facts.outcome {
            Outcome::Success => Severity::Notice,
            Outcome::Refused => Severity::Warning,
        };
        let (text, seq) = (self.xml(&record.time, &facts), record.seq.to_string());
        let data = [("origin", self.origin.as_str()), ("seq", seq.as_str())];
        let (time, text) = (record.time.as_str(), Text::Unicode(&text));
        Message { severity, time, host: &self.host, kind: AUDIT, data: &data, text }.frame()
    }

    /// The frame that carries a checkpoint. The note is base64: collectors change line ends.
    pub(super) fn of_checkpoint(
        &self,
        time: &str,
        note: &str,
        size: u64,
        root: &[u8; 32],
    ) -> Vec<u8> {
        let (size, root) = (size.to_string(), BASE64.encode(root));
        let data = [("origin", self.origin.as_str()), ("size", &size), ("root", &root)];
        let (note, severity) = (BASE64.encode(note.as_bytes()), Severity::Notice);
        let text = Text::Ascii(&note);
        Message { severity, time, host: &self.host, kind: CHECKPOINT, data: &data, text }.frame()
    }

    fn xml(&self, time: &str, facts: &Facts<'_>) -> String {
        let mut xml = Xml::default();
        xml.open("AuditMessage", &[]);
        event(&mut xml, time, facts);
        for participant in facts.form.participants {
            self.participant(&mut xml, participant, facts);
        }
        xml.open(
            "AuditSourceIdentification",
            &[("AuditEnterpriseSiteID", &self.origin), ("AuditSourceID", &self.host)],
        );
        xml.empty("AuditSourceTypeCode", &[("csd-code", APPLICATION_SERVER)]);
        xml.close();
        for object in facts.form.objects {
            participant_object(&mut xml, object, facts);
        }
        xml.finish()
    }

    fn participant(&self, xml: &mut Xml, participant: &Participant, facts: &Facts<'_>) {
        match participant {
            Participant::Person if facts.person.is_empty() => {}
            Participant::Person => {
                let user = format!("{}@{}", facts.person, self.host);
                active(xml, [&user, "", ""], true, Some(&self.host), None);
            }
            Participant::Efface(role) => {
                let title = format!("AETITLES={}", self.ae_title);
                let (names, host) = ([&*self.origin, &title, "efface"], Some(&*self.host));
                active(xml, names, facts.person.is_empty(), host, role.as_ref());
            }
            Participant::Destination(role) => {
                let name = facts.destination.unwrap_or_default();
                let known = self.recipients.iter().find(|known| known.name == name);
                let title = known.map(Recipient::alternative);
                let (title, host) = (title.unwrap_or_default(), known.map(|known| &*known.host));
                active(xml, [name, &title, ""], false, host, Some(role));
            }
            Participant::Medium => {
                let name = facts.destination.unwrap_or_default();
                let known = self.recipients.iter().find(|known| known.name == name);
                let uri = known.map_or_else(|| format!("dicom:{name}"), Recipient::uri);
                xml.open("ActiveParticipant", &[("UserID", &uri), ("UserIsRequestor", "false")]);
                code(xml, "RoleIDCode", &Code("110154", "DCM", "Destination Media"));
                xml.open("MediaIdentifier", &[]);
                code(xml, "MediaType", &Code("110037", "DCM", "URI"));
                xml.close();
                xml.close();
            }
        }
    }
}

/// `[user, alternative, name]`; empty ones are left out.
fn active(
    xml: &mut Xml,
    [user, alternative, name]: [&str; 3],
    is_requestor: bool,
    host: Option<&str>,
    role: Option<&Code>,
) {
    let requestor = if is_requestor { "true" } else { "false" };
    let mut attributes = vec![("UserID", user), ("UserIsRequestor", requestor)];
    let optional = [("AlternativeUserID", alternative), ("UserName", name)];
    attributes.extend(optional.into_iter().filter(|(_, value)| !value.is_empty()));
    if let Some(host) = host {
        let host = host.trim_matches(['[', ']']);
        let kind = if host.parse::<IpAddr>().is_ok() { "2" } else { "1" };
        attributes.extend([("NetworkAccessPointID", host), ("NetworkAccessPointTypeCode", kind)]);
    }
    xml.open("ActiveParticipant", &attributes);
    role.into_iter().for_each(|role| code(xml, "RoleIDCode", role));
    xml.close();
}

fn event(xml: &mut Xml, time: &str, facts: &Facts<'_>) {
    let outcome = match facts.outcome {
        Outcome::Success => "0",
        // The action was ended (PS3.15 A.5.2).
        Outcome::Refused => "8",
    };
    let attributes = [
        ("EventActionCode", facts.form.action),
        ("EventDateTime", time),
        ("EventOutcomeIndicator", outcome),
    ];
    xml.open("EventIdentification", &attributes);
    code(xml, "EventID", &facts.form.event);
    facts.form.kind.iter().for_each(|kind| code(xml, "EventTypeCode", kind));
    facts.why.iter().for_each(|why| xml.text("EventOutcomeDescription", why));
    xml.close();
}

fn participant_object(xml: &mut Xml, object: &Object, facts: &Facts<'_>) {
    let batch = Code("batch", OWN_SCHEME, "Batch of efface");
    match object {
        Object::Study(stage) => {
            let known = facts.left_as.map(|(study, _)| study);
            let kind = known.map(|_| Code("110180", "DCM", "Study Instance UID"));
            let attributes = [
                ("ParticipantObjectID", known.unwrap_or(facts.batch)),
                ("ParticipantObjectTypeCode", "2"),
                ("ParticipantObjectTypeCodeRole", "3"),
                ("ParticipantObjectDataLifeCycle", stage),
            ];
            xml.open("ParticipantObjectIdentification", &attributes);
            code(xml, "ParticipantObjectIDTypeCode", &kind.unwrap_or(batch));
            xml.text("ParticipantObjectName", facts.batch);
            facts.details.iter().for_each(|(name, value)| detail(xml, name, value));
            xml.open("ParticipantObjectDescription", &[]);
            xml.empty("SOPClass", &[("NumberOfInstances", &facts.instances.to_string())]);
            xml.close();
        }
        Object::Patient => {
            let known = facts.left_as.map(|(_, patient)| patient);
            let kind = known.map(|_| Code("2", "RFC-3881", "Patient Number"));
            let attributes = [
                ("ParticipantObjectID", known.unwrap_or(facts.batch)),
                ("ParticipantObjectTypeCode", "1"),
                ("ParticipantObjectTypeCodeRole", "1"),
            ];
            xml.open("ParticipantObjectIdentification", &attributes);
            code(xml, "ParticipantObjectIDTypeCode", &kind.unwrap_or(batch));
            xml.text(
                "ParticipantObjectName",
                if known.is_some() { "pseudonym" } else { "not said" },
            );
        }
        Object::Log => {
            let attributes = [
                ("ParticipantObjectID", "efface:audit/log"),
                ("ParticipantObjectTypeCode", "2"),
                ("ParticipantObjectTypeCodeRole", "13"),
            ];
            xml.open("ParticipantObjectIdentification", &attributes);
            code(xml, "ParticipantObjectIDTypeCode", &Code("12", "RFC-3881", "URI"));
            xml.text("ParticipantObjectName", "Security Audit Log");
        }
        Object::Subject => {
            let attributes = [
                ("ParticipantObjectID", facts.batch),
                ("ParticipantObjectTypeCode", "2"),
                ("ParticipantObjectTypeCodeRole", "13"),
            ];
            xml.open("ParticipantObjectIdentification", &attributes);
            code(xml, "ParticipantObjectIDTypeCode", &Code("12", "RFC-3881", "URI"));
            xml.text("ParticipantObjectName", "alert subject");
            detail(xml, "Alert Description", facts.why.as_deref().unwrap_or_default());
        }
    }
    xml.close();
}

fn code(xml: &mut Xml, element: &str, Code(value, scheme, meaning): &Code) {
    let attributes = [("csd-code", *value), ("codeSystemName", scheme), ("originalText", meaning)];
    xml.empty(element, &attributes);
}

fn detail(xml: &mut Xml, name: &str, value: &str) {
    let value = BASE64.encode(value.as_bytes());
    xml.empty("ParticipantObjectDetail", &[("type", name), ("value", &value)]);
}

#[cfg(test)]
mod tests;
