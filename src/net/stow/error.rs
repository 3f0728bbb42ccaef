//! What can go wrong with a request, and what becomes of its parcels. Each names the destination and says what to do
//! next; none has a word of the server's in it but a status and the name of a host.

use crate::fate::Fate;
use crate::net::http::Lost;
use crate::net::status::Status;
use std::time::Duration;
use ureq::Body;
use ureq::http::{Response, Uri, header};

/// Why parcels were not stored, or aren't known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection, or not with whom it should be.
    #[error("destination \"{destination}\": {why}. Nothing was sent; it is tried again")]
    Lost {
        /// The destination's name.
        destination: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A deadline passed.
    #[error(
        "destination \"{destination}\": no answer in time. Check its load and the line; sending is tried again"
    )]
    Late {
        /// The destination's name.
        destination: String,
    },
    /// The connection broke. What was under way may or may not have arrived.
    #[error("destination \"{destination}\": the connection ended ({how}). Sending is tried again")]
    Ended {
        /// The destination's name.
        destination: String,
        /// The operating system's reason.
        how: String,
    },
    /// Too many requests, or no service for now.
    #[error(
        "destination \"{destination}\": it asks to wait (HTTP {status}). Sending is tried again"
    )]
    Busy {
        /// The destination's name.
        destination: String,
        /// 429 or 503.
        status: u16,
        /// For how long, if it says that in seconds.
        wait: Option<Duration>,
    },
    /// It fails.
    #[error(
        "destination \"{destination}\": it failed (HTTP {status}). See its log; sending is tried again"
    )]
    Failing {
        /// The destination's name.
        destination: String,
        /// 5xx.
        status: u16,
    },
    /// It does not let us in.
    #[error(
        "destination \"{destination}\": it does not let us store (HTTP {status}). Check bearer_file: or oauth2:, and what \
         it grants us; what waits is sent then"
    )]
    NotLetIn {
        /// The destination's name.
        destination: String,
        /// 401 or 403.
        status: u16,
    },
    /// No token.
    #[error("destination \"{destination}\": no token of {host}: {why}")]
    NoToken {
        /// The destination's name.
        destination: String,
        /// Who should have given one.
        host: String,
        /// What is wrong, and what to do.
        why: String,
        /// Whether it makes no sense to ask again before somebody has put it right.
        halts: bool,
    },
    /// It sends us somewhere else.
    #[error(
        "destination \"{destination}\": it redirects to {host}, and efface goes nowhere but to the address in the \
         configuration. If that is right, write it there"
    )]
    Redirected {
        /// The destination's name.
        destination: String,
        /// Name or address of a machine, and no more.
        host: String,
    },
    /// What answers isn't a DICOMweb server.
    #[error("destination \"{destination}\": no STOW-RS there ({what}). Correct its address")]
    NotWeb {
        /// The destination's name.
        destination: String,
        /// What it did.
        what: String,
    },
    /// It says something of the instances, but nobody can tell what.
    #[error(
        "destination \"{destination}\": its answer cannot be read, so that nothing counts as stored. Report it to its \
         vendor; sending is tried again"
    )]
    Unread {
        /// The destination's name.
        destination: String,
    },
    /// Its answer does not name the instance among those that are stored.
    #[error(
        "destination \"{destination}\": it does not say that it has stored an instance. See its log; sending is tried \
         again"
    )]
    NotNamed {
        /// The destination's name.
        destination: String,
    },
    /// It does not store the instance, and says why.
    #[error(
        "destination \"{destination}\": did not store the object, status {status}. See its log"
    )]
    Refused {
        /// The destination's name.
        destination: String,
        /// Failure Reason (0008,1197).
        status: Status,
    },
    /// It does not take what was sent: too much, of an unknown kind, or not understood.
    #[error(
        "destination \"{destination}\": did not take an object (HTTP {status}). The object is quarantined: ask the \
         destination's log why, then release it"
    )]
    NotTaken {
        /// The destination's name.
        destination: String,
        /// 400, 413, 415 or 422.
        status: u16,
    },
}

impl Error {
    /// What becomes of the parcels.
    pub fn fate(&self) -> Fate {
        match self {
            Error::Lost { .. }
            | Error::Late { .. }
            | Error::Ended { .. }
            | Error::Busy { .. }
            | Error::Failing { .. }
            | Error::Unread { .. }
            | Error::NotNamed { .. } => Fate::Retry,
            Error::NoToken { halts, .. } => {
                if *halts {
                    Fate::Halt
                } else {
                    Fate::Retry
                }
            }
            Error::NotLetIn { .. } | Error::Redirected { .. } | Error::NotWeb { .. } => Fate::Halt,
            Error::Refused { status, .. } => status.fate().unwrap_or(Fate::Retry),
            Error::NotTaken { .. } => Fate::Quarantine,
        }
    }

    /// Whether it is about one instance, so that others may be sent.
    pub fn is_of_one(&self) -> bool {
        match self {
            Error::Refused { .. } => self.fate() == Fate::Quarantine,
            Error::NotNamed { .. } | Error::NotTaken { .. } => true,
            _ => false,
        }
    }

    /// Whether nobody else's parcels would arrive either.
    pub fn is_of_all(&self) -> bool {
        matches!(self, Error::Lost { .. } | Error::Busy { .. } | Error::NoToken { .. })
    }

    /// What ended a request without an answer.
    pub(super) fn of(destination: &str, error: ureq::Error) -> Error {
        let destination = destination.to_owned();
        match Broken::of(error) {
            Broken::Lost(why) => Error::Lost { destination, why },
            Broken::Late => Error::Late { destination },
            Broken::Ended(how) => Error::Ended { destination, how },
            Broken::Protocol(what) => Error::NotWeb { destination, what },
        }
    }

    pub(super) fn not_web(destination: &str, what: &str) -> Error {
        Error::NotWeb { destination: destination.to_owned(), what: what.to_owned() }
    }

    /// What an answer means that says nothing of instances.
    pub(super) fn answered(destination: &str, answer: &Response<Body>) -> Error {
        let (destination, status) = (destination.to_owned(), answer.status().as_u16());
        match status {
            300..400 => Error::Redirected { destination, host: redirected_to(answer) },
            401 | 403 => Error::NotLetIn { destination, status },
            400 | 413 | 415 | 422 => Error::NotTaken { destination, status },
            429 | 503 => Error::Busy { destination, status, wait: retry_after(answer) },
            408 => Error::Late { destination },
            500..600 if status != 501 => Error::Failing { destination, status },
            _ => Error::NotWeb { destination, what: format!("HTTP {status}") },
        }
    }
}

/// How a request ended that got no answer.
pub(super) enum Broken {
    Lost(String),
    Late,
    Ended(String),
    /// Whatever answers does not speak HTTP.
    Protocol(String),
}

impl Broken {
    pub(super) fn of(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Timeout(_) => Broken::Late,
            ureq::Error::Other(other) => match other.downcast::<Lost>() {
                Ok(lost) => Broken::Lost(lost.to_string()),
                Err(_) => Broken::Ended("for no known reason".to_owned()),
            },
            // An error of ours that has travelled through a reader.
            ureq::Error::Io(error) => match error.downcast::<ureq::Error>() {
                Ok(inner) => Broken::of(inner),
                Err(error) => Broken::Ended(error.kind().to_string()),
            },
            ureq::Error::Protocol(_) | ureq::Error::Http(_) => {
                Broken::Protocol("it does not speak HTTP/1.1".to_owned())
            }
            _ => Broken::Ended("it broke off".to_owned()),
        }
    }
}

/// Whether an answer is in the DICOM JSON Model.
pub(super) fn is_json(answer: &Response<Body>) -> bool {
    let form = answer.headers().get(header::CONTENT_TYPE).and_then(|form| form.to_str().ok());
    let form = form.map(|form| form.split(';').next().unwrap_or_default().trim());
    form.is_some_and(|form| {
        ["application/dicom+json", "application/json"]
            .iter()
            .any(|it| form.eq_ignore_ascii_case(it))
    })
}

/// The machine of a Location, and nothing of what else it says.
fn redirected_to(answer: &Response<Body>) -> String {
    let to = answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    let uri = to.and_then(|to| to.parse::<Uri>().ok());
    uri.and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_else(|| "another path".to_owned())
}

/// In seconds (RFC 9110 10.2.3). A date would be by the server's clock: it is as if nothing were said.
fn retry_after(answer: &Response<Body>) -> Option<Duration> {
    let said = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    said.trim().parse().ok().map(Duration::from_secs)
}
