//! A syslog message (RFC 5424 6), framed for a stream by the count of its octets (RFC 5425 4.3).

use std::fmt::Write;

/// security/authorization messages (RFC 5424 6.2.1), as PS3.15 A.6 wants.
const FACILITY: u8 = 10;
/// The name of our element of structured data. 32473 is the number that everybody may use who has none of his own (RFC
/// 5612).
const ELEMENT: &str = "efface@32473";
const BOM: &str = "\u{FEFF}";

/// How serious it is (RFC 5424 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// Something did not go well.
    Warning = 4,
    /// Normal, but significant: what PS3.15 A.6 wants of most messages.
    Notice = 5,
}

/// One message.
pub(super) struct Message<'a> {
    pub severity: Severity,
    /// RFC 3339, in UTC.
    pub time: &'a str,
    /// Name of this machine.
    pub host: &'a str,
    /// What kind of message it is.
    pub kind: &'static str,
    /// Structured data.
    pub data: &'a [(&'static str, &'a str)],
    pub text: Text<'a>,
}

/// What it says.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    /// UTF-8: begins with its byte order mark (MSG-UTF8).
    Unicode(&'a str),
    /// Printable ASCII, as it is (MSG-ANY).
    Ascii(&'a str),
}

impl Message<'_> {
    /// The frame: `LENGTH SP MESSAGE`.
    pub fn frame(&self) -> Vec<u8> {
        let message = self.message();
        [format!("{} ", message.len()).as_bytes(), message.as_bytes()].concat()
    }

    fn message(&self) -> String {
        let priority = FACILITY * 8 + self.severity as u8;
        let (time, host) = (timestamp(self.time), header(self.host, 255));
        let process = std::process::id();
        let mut message =
            format!("<{priority}>1 {time} {host} efface {process} {} [{ELEMENT}", self.kind);
        for (name, value) in self.data {
            // A string takes everything.
            let _ = write!(message, " {name}=\"{}\"", parameter(value));
        }
        let (mark, text) = match self.text {
            Text::Unicode(text) => (BOM, text),
            Text::Ascii(text) => ("", text),
        };
        message + "] " + mark + text
    }
}

/// TIMESTAMP, or nothing: a record may be dated by a clock that made no sense.
fn timestamp(time: &str) -> &str {
    let is_one = time.len() <= 27 && time.ends_with('Z') && humantime::parse_rfc3339(time).is_ok();
    if is_one { time } else { "-" }
}

/// PRINTUSASCII, or nothing.
fn header(text: &str, most: usize) -> &str {
    let legal = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if legal { text } else { "-" }
}

/// PARAM-VALUE: three characters are escaped (RFC 5424 6.3.3), and no line is broken.
fn parameter(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(if c.is_control() { '\u{FFFD}' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(text: Text<'a>, data: &'a [(&'static str, &'a str)]) -> Message<'a> {
        let (severity, time) = (Severity::Notice, "2026-11-28T10:00:00.123Z");
        Message { severity, time, host: "gate.example", kind: "DICOM+RFC3881", data, text }
    }

    #[test]
    fn a_frame_counts_octets_not_characters() {
        let frame = message(Text::Unicode("<é/>"), &[("seq", "7")]).frame();
        let (length, rest) = frame.split_at(frame.iter().position(|b| *b == b' ').unwrap());
        let rest = &rest[1..];
        assert_eq!(std::str::from_utf8(length).unwrap(), rest.len().to_string());
        let process = std::process::id();
        let expected = format!(
            "<85>1 2026-11-28T10:00:00.123Z gate.example efface {process} DICOM+RFC3881 [efface@32473 seq=\"7\"] \u{FEFF}<é/>"
        );
        assert_eq!(std::str::from_utf8(rest).unwrap(), expected);
    }

    #[test]
    fn values_cannot_break_out() {
        let data = [("a", "x\"] <evil> \\ \n")];
        let mut one = message(Text::Ascii("plain"), &data);
        (one.severity, one.host, one.time) = (Severity::Warning, "no host", "yesterday");
        let said = one.message();
        assert!(said.starts_with("<84>1 - - efface "), "{said}");
        assert!(
            said.ends_with(" [efface@32473 a=\"x\\\"\\] <evil> \\\\ \u{FFFD}\"] plain"),
            "{said}"
        );
    }
}
