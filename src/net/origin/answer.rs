//! What an origin server answers (PS3.18 10.5.3, PS3.3 C.12 for the sequences), as `application/dicom+json`.

use crate::id::Uid;
use serde_json::{Value, json};

/// What became of one part.
pub(super) enum Outcome {
    /// It said what it is.
    Named {
        class: Uid,
        instance: Uid,
        /// Failure Reason (0008,1197); `None`: it is stored.
        failure: Option<u16>,
    },
    /// No DICOM file.
    Unreadable,
}

impl Outcome {
    pub(super) fn is_stored(&self) -> bool {
        matches!(self, Outcome::Named { failure: None, .. })
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    status: u16,
    phrase: &'static str,
    body: String,
}

macro_rules! answers {
    ($($name:ident = $status:literal $phrase:literal;)*) => {
        impl Answer {
            $(pub(super) const $name: Answer =
                Answer { status: $status, phrase: $phrase, body: String::new() };)*
        }
    };
}

answers! {
    MALFORMED = 400 "Bad Request";
    FORBIDDEN = 403 "Forbidden";
    NOT_FOUND = 404 "Not Found";
    NO_SUCH_METHOD = 405 "Method Not Allowed";
    NO_LENGTH = 411 "Length Required";
    TOO_MANY = 413 "Content Too Large";
    OTHER_MEDIA = 415 "Unsupported Media Type";
    UNAVAILABLE = 503 "Service Unavailable";
}

impl Answer {
    /// All stored, some, or none (PS3.18 Table 10.5.3-1).
    pub(super) fn about(outcomes: &[Outcome]) -> Self {
        let item = |class: &Uid, instance: &Uid, failure: Option<u16>| {
            let ui = |uid: &Uid| json!({ "vr": "UI", "Value": [uid.as_str()] });
            let mut item = json!({ "00081150": ui(class), "00081155": ui(instance) });
            if let Some(reason) = failure {
                item["00081197"] = json!({ "vr": "US", "Value": [reason] });
            }
            item
        };
        let (mut stored, mut failed) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            if let Outcome::Named { class, instance, failure } = outcome {
                let list = if failure.is_none() { &mut stored } else { &mut failed };
                list.push(item(class, instance, *failure));
            }
        }
        let (status, phrase) = match stored.len() {
            0 => (409, "Conflict"),
            n if n == outcomes.len() => (200, "OK"),
            _ => (202, "Accepted"),
        };
        let mut body = json!({});
        for (tag, items) in [("00081199", stored), ("00081198", failed)] {
            if !items.is_empty() {
                body[tag] = json!({ "vr": "SQ", "Value": Value::Array(items) });
            }
        }
        Answer { status, phrase, body: body.to_string() }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// As it goes over the wire.
    pub(super) fn encode(&self) -> Vec<u8> {
        let Answer { status, phrase, body } = self;
        let allow = if *status == 405 { "Allow: POST\r\n" } else { "" };
        let after = if *status == 503 { "Retry-After: 60\r\n" } else { "" };
        let media = if body.is_empty() { "" } else { "Content-Type: application/dicom+json\r\n" };
        let length = body.len();
        format!(
            "HTTP/1.1 {status} {phrase}\r\n{media}{allow}{after}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(instance: &str, failure: Option<u16>) -> Outcome {
        let uid = |text: &str| text.parse::<Uid>().unwrap();
        Outcome::Named { class: uid("1.2"), instance: uid(instance), failure }
    }

    #[test]
    fn every_instance_is_in_one_of_the_two_sequences() {
        let all = Answer::about(&[named("1.3", None)]);
        assert_eq!((all.status, all.body.contains("00081198")), (200, false));
        let some = [named("1.3", None), named("1.4", Some(0xA700)), Outcome::Unreadable];
        let some = Answer::about(&some);
        let body: Value = serde_json::from_str(&some.body).unwrap();
        assert_eq!(some.status, 202);
        assert_eq!(body["00081199"]["Value"][0]["00081155"]["Value"][0], "1.3");
        assert_eq!(body["00081198"]["Value"][0]["00081155"]["Value"][0], "1.4");
        assert_eq!(body["00081198"]["Value"][0]["00081197"]["Value"][0], 0xA700);
        assert_eq!(Answer::about(&[Outcome::Unreadable]).status, 409);
        assert_eq!(Answer::about(&[]).status, 409);
        let wire = String::from_utf8(Answer::NO_SUCH_METHOD.encode()).unwrap();
        assert!(wire.starts_with("HTTP/1.1 405 ") && wire.contains("Allow: POST\r\n"), "{wire}");
    }
}
