//! The answer to a request (PS3.18 10.5.3, PS3.18 I.2) in the DICOM JSON Model (PS3.18 F).
//!
//! Nothing is concluded from what isn't there. What is named as stored and as failed is not stored; an answer that does
//! not read as a whole says nothing of anybody.

use crate::net::status::{Class, Status};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::HashMap;

/// What a server says of instances, by their UIDs as they left.
pub(super) struct Answer {
    stored: HashMap<String, Row>,
    failed: HashMap<String, Row>,
}

struct Row {
    class: Option<String>,
    /// Warning Reason (0008,1196) of one that is stored, Failure Reason (0008,1197) of one that is not.
    reason: Option<Status>,
}

impl Answer {
    /// Reads it; `None` if it is nothing that such a server would say. The reader bounds its depth.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let module: Module = serde_json::from_slice(text).ok()?;
        Some(Answer { stored: rows(module.referenced)?, failed: rows(module.failed)? })
    }

    /// Whether it says nothing of anybody.
    pub(super) fn is_silent(&self) -> bool {
        self.stored.is_empty() && self.failed.is_empty()
    }

    /// Whether an instance is stored.
    ///
    /// # Errors
    /// Why not; `None` if that is not said.
    pub(super) fn of(&self, class: &str, instance: &str) -> Result<(), Option<Status>> {
        if let Some(row) = self.failed.get(instance) {
            return Err(row.reason.filter(|reason| reason.class() == Class::Failure));
        }
        match self.stored.get(instance) {
            Some(row) if row.is_of(class) && row.reason.is_none_or(is_warning) => Ok(()),
            _ => Err(None),
        }
    }
}

impl Row {
    fn is_of(&self, class: &str) -> bool {
        self.class.as_deref().is_none_or(|said| said == class)
    }
}

/// Stored with a remark (PS3.18 I.2.1.1), whatever the remark is.
fn is_warning(reason: Status) -> bool {
    reason == Status::SUCCESS || reason.code() & 0xF000 == 0xB000
}

/// Store Instances Response Module (PS3.18 Table I.2-1). What else there is has no meaning here; that it is let be by
/// name keeps lists from being read as objects.
#[derive(Deserialize)]
struct Module {
    #[serde(rename = "00081199", default)]
    referenced: Sequence,
    #[serde(rename = "00081198", default)]
    failed: Sequence,
    #[serde(flatten)]
    _rest: IgnoredAny,
}

#[derive(Default, Deserialize)]
struct Sequence {
    #[serde(rename = "Value", default)]
    items: Vec<Item>,
    #[serde(flatten)]
    _rest: IgnoredAny,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "00081150")]
    class: Option<Element>,
    #[serde(rename = "00081155")]
    instance: Option<Element>,
    #[serde(rename = "00081196")]
    warning: Option<Element>,
    #[serde(rename = "00081197")]
    failure: Option<Element>,
    #[serde(flatten)]
    _rest: IgnoredAny,
}

#[derive(Deserialize)]
struct Element {
    #[serde(rename = "Value", default)]
    values: Vec<serde_json::Value>,
    #[serde(flatten)]
    _rest: IgnoredAny,
}

impl Element {
    fn text(&self) -> Option<String> {
        Some(self.values.first()?.as_str()?.trim_end_matches(['\0', ' ']).to_owned())
    }

    fn number(&self) -> Option<Status> {
        let value = self.values.first()?;
        let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
        u16::try_from(number).ok().map(Status::from_code)
    }
}

/// `None` if one is named twice: whatever is said of it, something else is said, too. One without a UID is of nobody.
fn rows(sequence: Sequence) -> Option<HashMap<String, Row>> {
    let mut rows = HashMap::new();
    for item in sequence.items {
        let Some(instance) = item.instance.as_ref().and_then(Element::text) else { continue };
        let said = item.failure.or(item.warning);
        // A reason that is none is no reason to believe that it is stored.
        let reason =
            said.as_ref().map(|reason| reason.number().unwrap_or(Status::PROCESSING_FAILURE));
        let class = item.class.as_ref().and_then(Element::text);
        if rows.insert(instance, Row { class, reason }).is_some() {
            return None;
        }
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, instance: &str) -> Option<Result<(), Option<Status>>> {
        Answer::read(text.as_bytes()).map(|answer| answer.of("1.2", instance))
    }

    fn item(instance: &str, more: &str) -> String {
        format!(
            r#"{{"00081150":{{"vr":"UI","Value":["1.2"]}},"00081155":{{"vr":"UI","Value":["{instance}"]}}{more}}}"#
        )
    }

    fn module(stored: &[String], failed: &[String]) -> String {
        let sequence = |items: &[String]| format!(r#"{{"vr":"SQ","Value":[{}]}}"#, items.join(","));
        format!(
            r#"{{"00081190":{{"vr":"UR","Value":["http://x"]}},"00081199":{},"00081198":{}}}"#,
            sequence(stored),
            sequence(failed)
        )
    }

    #[test]
    fn stored_is_what_is_named_as_stored() {
        let warned = |code: u16| format!(r#","00081196":{{"vr":"US","Value":[{code}]}}"#);
        let failed = |code: u16| format!(r#","00081197":{{"vr":"US","Value":[{code}]}}"#);
        let text = module(
            &[
                item("1", ""),
                item("2", &warned(0xB000)),
                item("3", &warned(0xA700)),
                item("4", &failed(0x0110)),
                item("5", ""),
                item("6", r#","00081196":{"vr":"US","Value":["45056"]}"#),
                item("7", r#","00081196":{"vr":"US","Value":[{}]}"#),
                item("8", "").replace("1.2", "1.3"),
            ],
            &[
                item("5", ""),
                item("9", &failed(0xA700)),
                item("10", &failed(0x0122)),
                item("11", &failed(0xB000)),
                item("12", ""),
            ],
        );
        let status = |code: u16| Err(Some(Status::from_code(code)));
        for (instance, said) in [
            ("1", Ok(())),
            ("2", Ok(())),
            ("3", Err(None)),
            ("4", Err(None)),
            ("5", Err(None)),
            ("6", Ok(())),
            ("7", Err(None)),
            ("8", Err(None)),
            ("9", status(0xA700)),
            ("10", status(0x0122)),
            ("11", Err(None)),
            ("12", Err(None)),
            ("13", Err(None)),
        ] {
            assert_eq!(of(&text, instance), Some(said), "{instance}");
        }
        assert_eq!(of("{}", "1"), Some(Err(None)), "silence");
    }

    #[test]
    fn what_does_not_read_says_nothing() {
        let twice = module(&[item("1", ""), item("1", "")], &[]);
        let deep = format!(r#"{{"00081199":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        let elsewhere = format!(r#"{{"x":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        let both = r#"{"00081199":{"Value":[]},"00081199":{"Value":[]}}"#.to_owned();
        let list = r#"{"00081199":{"Value":[["1",{"Value":["1"]}]]}}"#;
        for text in ["", "[]", "null", "{", r#"{"00081199":[]}"#, "<xml/>", "{} {}", list] {
            assert_eq!(of(text, "1"), None, "{text}");
        }
        for text in [twice, deep, elsewhere, both] {
            assert_eq!(of(&text, "1"), None);
        }
    }
}
