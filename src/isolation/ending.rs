//! How workers end, and what is said of it.

use super::worker::NOT_CONFINED;
use crate::worker::Fate;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// How a worker ended.
pub(super) enum Ending {
    /// By its own word.
    Said(Fate),
    /// The gateway stops.
    Stopped,
    /// Before it began.
    NotBegun(io::Error),
    /// It took too long.
    Late,
    /// Otherwise: how.
    Crashed(String),
}

/// Signals that end a worker, and what that means.
const SIGNALS: [(i32, &str); 7] = [
    (libc::SIGABRT, "it gave up: out of memory (worker_memory_bytes), or a stack that ran over"),
    (libc::SIGSEGV, "a stack that ran over, or memory that is not its own"),
    (libc::SIGBUS, "memory that is not there, or a file that shrank"),
    (libc::SIGKILL, "killed, by a person or by the system when memory was short"),
    (libc::SIGXCPU, "more processor time than it may use (worker_s)"),
    (libc::SIGXFSZ, "a file larger than any may be"),
    (libc::SIGILL, "an instruction that this processor does not have"),
];

impl Ending {
    pub(super) fn of_a_liar() -> Self {
        Ending::Crashed(
            "the worker wrote what no worker writes: the study may be an attack".to_owned(),
        )
    }

    /// The connection was closed, and the process is another user's.
    pub(super) fn of_the_unseen() -> Self {
        Ending::Crashed("it hung up; the log of its attendant says how it ended".to_owned())
    }

    /// The pipe was closed and nothing was said.
    pub(super) fn without_a_word(status: ExitStatus) -> Self {
        if status.code() == Some(NOT_CONFINED.into()) {
            return Ending::NotBegun(io::Error::other(
                "a process could not be confined, see above",
            ));
        }
        let how = match (status.signal(), status.code()) {
            (Some(signal), _) => {
                let known = SIGNALS.iter().find(|(known, _)| *known == signal);
                known.map_or_else(|| format!("signal {signal}"), |(_, what)| (*what).to_owned())
            }
            (None, Some(code)) => format!("exit code {code}"),
            (None, None) => "for no known reason".to_owned(),
        };
        Ending::Crashed(format!("the process ended: {how}"))
    }
}

/// What is said of a worker that took too long.
pub(super) fn late(limit: Duration) -> String {
    format!("the worker of this study was not done after {:.0} s", limit.as_secs_f64())
}

impl From<Ending> for io::Error {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::NotBegun(error) => error,
            Ending::Crashed(how) => io::Error::other(how),
            Ending::Said(_) | Ending::Stopped | Ending::Late => io::ErrorKind::Other.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_end_is_named() {
        let said = |status: i32| match Ending::without_a_word(ExitStatus::from_raw(status)) {
            Ending::Crashed(how) => how,
            Ending::NotBegun(error) => error.to_string(),
            _ => String::new(),
        };
        assert!(said(libc::SIGABRT).contains("worker_memory_bytes"));
        assert!(said(libc::SIGUSR1).ends_with(&format!("signal {}", libc::SIGUSR1)));
        assert!(said(101 << 8).ends_with("exit code 101"));
        assert!(said(i32::from(NOT_CONFINED) << 8).contains("confined"));
    }
}
