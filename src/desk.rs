//! Where commands hand in what is to stand in the log: it is the gateway's alone while that runs.
//!
//! ```text
//! command:  {"note": EVENT}                        gateway: {"kept": {"seq": 7, "hash": "..."}}
//! command:  {"approve": [NOTE, OPERATION]}               or {"refused": "why"}
//! command:  {"activate": [WHICH PROFILE, NOTE]}
//! ```
//! A socket in the state directory, for the user of the gateway and root. Where no gateway runs, the command takes the
//! lock of the state directory and does it itself. Only what people do by commands is taken: nobody can hand in
//! that something was released.

use crate::approval::{Known, NotTaken, Office, Operation};
use crate::audit::relay::Answer;
use crate::audit::{self, Event, Log, Receipt, Signer};
use crate::disk;
use crate::key::RootKey;
use crate::pipe::{hear, say};
use crate::profile::Profile;
use crate::shelf::{self, Chosen, Wanted};
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
/// How long a command waits for an answer: profiles are compared element by element.
const UNTIL_ANSWERED: Duration = Duration::from_secs(120);

/// Why something that was handed in does not stand in the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log of a state directory without a gateway cannot be written.
    #[error(transparent)]
    Log(#[from] audit::Error),
    /// An approval is not taken.
    #[error(transparent)]
    Approval(#[from] NotTaken),
    /// There is no such profile, or it is not kept as it was.
    #[error(transparent)]
    Shelf(#[from] shelf::Error),
    /// A profile cannot be that of its destination.
    #[error("{0}")]
    Unsuitable(String),
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
    /// Put this profile in force, by this approval where two people must agree.
    Activate(Box<Wanted>, Option<String>),
}

/// Whoever uses profiles while the gateway runs.
pub trait Users: Send {
    /// Why a profile cannot be that of a destination, for a person; `None` if it can.
    fn refuse(&self, destination: &str, profile: &Profile) -> Option<String>;
    /// From now on a profile that was put in force is used. What was begun under another ends under that.
    fn use_from_now(&self, chosen: &Chosen);
}

/// The gateway's side.
pub struct Desk {
    listener: UnixListener,
    state: PathBuf,
    root: Arc<RootKey>,
    log: Arc<Log>,
    office: Office,
    users: Box<dyn Users>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        // One that is left by a kill is removed by the next gateway.
        let _ = disk::remove(&self.state.join(NAME));
    }
}

impl Desk {
    /// Opens it in a state directory whose lock the caller has.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(
        state: &Path,
        root: Arc<RootKey>,
        log: Arc<Log>,
        office: Office,
        users: Box<dyn Users>,
    ) -> io::Result<Self> {
        let place = Socket::of(state)?;
        // What an earlier gateway has left there.
        disk::remove(&state.join(NAME))?;
        let listener = UnixListener::bind(&place.path)?;
        disk::keep_private(&state.join(NAME))?;
        listener.set_nonblocking(true)?;
        Ok(Desk { listener, state: state.to_owned(), root, log, office, users })
    }

    /// Serves one command after the other, until told to stop.
    pub fn run(&mut self, stop: &AtomicBool) {
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

    fn serve(&mut self, stream: &UnixStream) -> io::Result<()> {
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

    fn answer(&mut self, asked: Asked) -> Answer {
        match asked {
            Asked::Note(event) if event.is_by_command() => self.log.append(*event).into(),
            Asked::Note(_) => Answer::Refused("no command writes such a record".to_owned()),
            Asked::Approve(note, operation) => match self.office.take(&note, &operation) {
                Ok(receipt) => Ok(receipt).into(),
                Err(error) => Answer::Refused(error.to_string()),
            },
            Asked::Activate(wanted, note) => match self.activate(&wanted, note.as_deref()) {
                Ok(receipt) => Ok(receipt).into(),
                Err(error) => Answer::Refused(error.to_string()),
            },
        }
    }

    fn activate(&mut self, wanted: &Wanted, note: Option<&str>) -> Result<Receipt, Error> {
        let unknown = || shelf::Error::Destination(wanted.destination.clone());
        let in_force = self.office.in_force().ok_or_else(unknown)?;
        wanted.is_of_the_same_configuration(in_force)?;
        let chosen = wanted.choose(&self.state, &self.root, in_force)?;
        if let Some(why) = self.users.refuse(&wanted.destination, &chosen.profile) {
            return Err(Error::Unsuitable(why));
        }
        let (policy, activated) = (chosen.policy.clone(), chosen.activated.clone());
        let receipt = self.office.activate(policy, activated, note)?;
        self.users.use_from_now(&chosen);
        Ok(receipt)
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

/// Has a profile put in force at a state directory: by the gateway that runs there, for what it begins from then on, or,
/// where none does, for the next start. It stands in the log when this returns. `note` is the agreement of two people to
/// [`Wanted::operation`], where they must agree.
///
/// # Errors
/// [`Error`]: what was in force is in force.
pub fn activate(
    state: &Path,
    root: &RootKey,
    wanted: &Wanted,
    note: Option<&str>,
) -> Result<Receipt, Error> {
    let asked = Asked::Activate(Box::new(wanted.clone()), note.map(str::to_owned));
    hand_in(state, root, &asked, |log| {
        let known = Known::of(&state.join("audit"))?;
        let mut office = Office::open(state, root, Arc::clone(log), known)?;
        let unknown = || shelf::Error::Destination(wanted.destination.clone());
        let chosen = wanted.choose(state, root, office.in_force().ok_or_else(unknown)?)?;
        Ok(office.activate(chosen.policy, chosen.activated, note)?)
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
        stream.set_read_timeout(Some(UNTIL_ANSWERED))?;
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
    use crate::approval::policy_of;
    use crate::profile::SHIPPED;
    use crate::shelf::Which;
    use std::sync::Mutex;

    /// Uses nothing.
    struct Nobody;

    impl Users for Nobody {
        fn refuse(&self, _: &str, _: &Profile) -> Option<String> {
            None
        }

        fn use_from_now(&self, _: &Chosen) {}
    }

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
        let root_of_desk = Arc::new(root());
        let mut desk = Desk::open(&state, root_of_desk, log, office, Box::new(Nobody)).unwrap();
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

    /// Takes what it is told to use.
    struct Worker(Arc<Mutex<Vec<String>>>);

    impl Users for Worker {
        fn refuse(&self, _: &str, profile: &Profile) -> Option<String> {
            (profile.name() == "hipaa-safe-harbor").then(|| "not this one".to_owned())
        }

        fn use_from_now(&self, chosen: &Chosen) {
            self.0.lock().unwrap().push(chosen.profile.name().to_owned());
        }
    }

    #[test]
    fn a_profile_is_in_force_before_it_is_used_and_what_is_refused_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let (state, root) = (folder.path(), Arc::new(root()));
        let text = |name: &str| SHIPPED.iter().find(|(known, _)| *known == name).unwrap().1;
        let shelf = shelf::Shelf::of(state, &root, "lab");
        for name in ["teleradiology", "hipaa-safe-harbor"] {
            shelf.propose(name, text(name), "anna", "for the trial").unwrap();
        }
        let spool = Spool::open(state, 0).unwrap();
        let log = Arc::new(Log::open(&spool.dir(Place::Audit), Signer::of(&root)).unwrap());
        let known = Known::of(&state.join("audit")).unwrap();
        let mut office = Office::open(state, &root, Arc::clone(&log), known).unwrap();
        let before = policy_of("basic");
        office.put_in_force(before.clone()).unwrap();
        let used = Arc::new(Mutex::new(Vec::new()));
        let users = Box::new(Worker(Arc::clone(&used)));
        let mut desk = Desk::open(state, Arc::clone(&root), log, office, users).unwrap();
        let stop = AtomicBool::new(false);
        let wanted = |version, configured: Option<&str>| Wanted {
            destination: "lab".to_owned(),
            which: Which::Version(version),
            configured: configured.map(str::to_owned),
            by: "anna".to_owned(),
        };
        std::thread::scope(|scope| {
            scope.spawn(|| desk.run(&stop));
            let ask = |wanted: &Wanted| activate(state, &root, wanted, None);
            let changed = wanted(1, Some(text("research-longitudinal")));
            for wrong in [wanted(2, None), wanted(3, None), changed] {
                assert!(matches!(ask(&wrong), Err(Error::Refused(_))), "{wrong:?}");
            }
            assert!(used.lock().unwrap().is_empty());
            assert_eq!(shelf::in_force(state, &root).unwrap(), Some(before));
            ask(&wanted(1, Some(text("basic")))).unwrap();
            assert_eq!(*used.lock().unwrap(), ["teleradiology"]);
            stop.store(true, Ordering::SeqCst);
        });
        let in_force = shelf::in_force(state, &root).unwrap().unwrap();
        assert_eq!(in_force.destinations["lab"].profile, text("teleradiology"));
        // Without a gateway the command does it itself.
        drop((desk, spool));
        let back = Wanted { which: Which::Configuration, ..wanted(0, None) };
        activate(state, &root, &back, None).unwrap();
        let in_force = shelf::in_force(state, &root).unwrap().unwrap();
        assert_eq!(
            (&*in_force.destinations["lab"].profile, used.lock().unwrap().len()),
            (text("basic"), 1)
        );
    }
}
