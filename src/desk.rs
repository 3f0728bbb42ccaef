//! Where commands hand in what is to stand in the log: it is the gateway's alone while that runs.
//!
//! ```text
//! command:  {"note": EVENT}                        gateway: {"kept": {"seq": 7, "hash": "..."}}
//! command:  {"approve": [NOTE, OPERATION]}               or {"refused": "why"}
//! ```
//! A socket in the state directory, for the user of the gateway and root. Where no gateway runs, the command takes the
//! lock of the state directory and writes the record itself. Only what people do by commands is taken: nobody can hand in
//! that something was released.

use crate::approval::{Known, NotTaken, Office, Operation};
use crate::audit::relay::Answer;
use crate::audit::{self, Event, Log, Receipt, Signer};
use crate::disk;
use crate::key::RootKey;
use crate::pipe::{hear, say};
use crate::spool::{self, Place, Spool};
use rustix::net::sockopt::socket_peercred;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The socket in the state directory.
const NAME: &str = "desk";
/// How often the desk looks whether somebody has come.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why something that was handed in does not stand in the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log of a state directory without a gateway cannot be written.
    #[error(transparent)]
    Log(#[from] audit::Error),
    /// An approval is not taken.
    #[error(transparent)]
    Approval(#[from] NotTaken),
    /// Nor its lock be had.
    #[error(transparent)]
    Spool(#[from] spool::Error),
    /// The gateway does not take it.
    #[error("the gateway did not write it to its log: {0}")]
    Refused(String),
    /// No way to the gateway.
    #[error("the gateway at {path} cannot be asked: {error}. Run this as the user of the gateway")]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Asked {
    /// Write this to the log.
    Note(Box<Event>),
    /// Take this approval of that.
    Approve(String, Box<Operation>),
}

/// The gateway's side.
pub struct Desk {
    listener: UnixListener,
    path: PathBuf,
    log: Arc<Log>,
    office: Office,
}

impl Drop for Desk {
    fn drop(&mut self) {
        // One that is left by a kill is removed by the next gateway.
        let _ = disk::remove(&self.path);
    }
}

impl Desk {
    /// Opens it in a state directory whose lock the caller has.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(state: &Path, log: Arc<Log>, office: Office) -> io::Result<Self> {
        let place = Socket::of(state)?;
        // What an earlier gateway has left there.
        disk::remove(&state.join(NAME))?;
        let listener = UnixListener::bind(&place.path)?;
        disk::keep_private(&state.join(NAME))?;
        listener.set_nonblocking(true)?;
        Ok(Desk { listener, path: state.join(NAME), log, office })
    }

    /// Serves one command after the other, until told to stop.
    pub fn run(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::SeqCst) {
            let served = match self.listener.accept() {
                Ok((stream, _)) => self.serve(&stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(LOOK_EVERY);
                    Ok(())
                }
                Err(error) => {
                    std::thread::sleep(LOOK_EVERY);
                    Err(error)
                }
            };
            if let Err(error) = served {
                tracing::warn!(%error, "a command could not be heard");
            }
        }
    }

    fn serve(&self, stream: &UnixStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let caller = socket_peercred(stream)?.uid;
        if !caller.is_root() && caller != rustix::process::geteuid() {
            return say(&mut &*stream, &Answer::Refused("it is another user's".to_owned()));
        }
        let Some(asked) = hear(&mut BufReader::new(stream))? else { return Ok(()) };
        say(&mut &*stream, &self.answer(asked))
    }

    fn answer(&self, asked: Asked) -> Answer {
        match asked {
            Asked::Note(event) if event.is_by_command() => self.log.append(*event).into(),
            Asked::Note(_) => Answer::Refused("no command writes such a record".to_owned()),
            Asked::Approve(note, operation) => match self.office.take(&note, &operation) {
                Ok(receipt) => Ok(receipt).into(),
                Err(error) => Answer::Refused(error.to_string()),
            },
        }
    }
}

/// Has an event written to the log of a state directory: by the gateway that runs there, or, where none does, by itself.
///
/// # Errors
/// [`Error`]: it is not known to be on disk, and what depends on it must not happen.
pub fn note(state: &Path, root: &RootKey, event: Event) -> Result<Receipt, Error> {
    let asked = Asked::Note(Box::new(event.clone()));
    hand_in(state, root, &asked, |log| Ok(log.append(event.clone())?))
}

/// Has an approval of something taken at a state directory: it stands in the log, and what it is of may be done.
///
/// # Errors
/// [`Error`]: it may not.
pub fn approve(
    state: &Path,
    root: &RootKey,
    note: &str,
    operation: &Operation,
) -> Result<Receipt, Error> {
    let asked = Asked::Approve(note.to_owned(), Box::new(operation.clone()));
    hand_in(state, root, &asked, |log| {
        let known = Known::of(&state.join("audit"))?;
        let office = Office::open(state, root, Arc::clone(log), known)?;
        Ok(office.take(note, operation)?)
    })
}

fn hand_in(
    state: &Path,
    root: &RootKey,
    asked: &Asked,
    myself: impl Fn(&Arc<Log>) -> Result<Receipt, Error>,
) -> Result<Receipt, Error> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(receipt) = say_it(state, asked)? {
            return Ok(receipt);
        }
        match Spool::open(state, 0) {
            Ok(spool) => {
                let log = Log::open(&spool.dir(Place::Audit), Signer::of(root))?;
                return myself(&Arc::new(log));
            }
            // A gateway that starts, or ends: its desk is open soon, or its lock free.
            Err(spool::Error::Locked(_)) if Instant::now() < until => {
                std::thread::sleep(LOOK_EVERY);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Has an event written by the gateway that runs in a state directory; `None` where none does.
///
/// # Errors
/// [`Error`].
pub fn ask(state: &Path, event: &Event) -> Result<Option<Receipt>, Error> {
    say_it(state, &Asked::Note(Box::new(event.clone())))
}

fn say_it(state: &Path, asked: &Asked) -> Result<Option<Receipt>, Error> {
    let failed = |error| Error::Io { path: state.join(NAME), error };
    let stream = match Socket::of(state).and_then(|socket| UnixStream::connect(&socket.path)) {
        Ok(stream) => stream,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => return Ok(None),
            _ => return Err(failed(error)),
        },
    };
    let answer = || {
        stream.set_read_timeout(Some(PATIENCE))?;
        say(&mut &stream, asked)?;
        hear::<Answer>(&mut BufReader::new(&stream))
    };
    let answer = answer().map_err(failed)?;
    let answer = answer.unwrap_or_else(|| Answer::Refused("it ended".to_owned()));
    answer.into_receipt().map(Some).map_err(Error::Refused)
}

/// A socket by a short name: addresses of sockets end after 107 bytes (unix(7)), paths do not.
struct Socket {
    path: PathBuf,
    _state: File,
}

impl Socket {
    fn of(state: &Path) -> io::Result<Self> {
        let directory = disk::open(state)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd()));
        Ok(Socket { path, _state: directory })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> RootKey {
        RootKey::of_patient(&[7; 32], "A1")
    }

    fn read() -> Event {
        Event::AuditRead { command: "audit show".to_owned(), by: "anna".to_owned() }
    }

    #[test]
    fn commands_write_by_the_gateway_and_without_one_themselves() {
        let folder = tempfile::tempdir().unwrap();
        // Longer than the address of a socket may be.
        let state = folder.path().join("s".repeat(120));
        assert_eq!(note(&state, &root(), read()).unwrap().seq(), 0);
        let spool = Spool::open(&state, 0).unwrap();
        let log = Arc::new(Log::open(&spool.dir(Place::Audit), Signer::of(&root())).unwrap());
        let known = Known::of(&state.join("audit")).unwrap();
        let office = Office::open(&state, &root(), Arc::clone(&log), known).unwrap();
        let desk = Desk::open(&state, log, office).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| desk.run(&stop));
            assert_eq!(ask(&state, &read()).unwrap().map(|receipt| receipt.seq()), Some(1));
            // The key is not asked for: the gateway has its own.
            let other = RootKey::of_patient(&[8; 32], "A1");
            assert_eq!(note(&state, &other, read()).unwrap().seq(), 2);
            let released = Event::Released(Box::default());
            for forged in [released, Event::Stopped] {
                assert!(matches!(ask(&state, &forged), Err(Error::Refused(_))), "{forged:?}");
            }
            stop.store(true, Ordering::SeqCst);
        });
        drop((desk, spool));
        assert!(ask(&state, &read()).unwrap().is_none(), "nobody is there any more");
        drop(UnixListener::bind(Socket::of(&state).unwrap().path).unwrap());
        assert!(ask(&state, &read()).unwrap().is_none(), "a socket that nobody listens at");
        assert_eq!(note(&state, &root(), read()).unwrap().seq(), 3);
    }
}
