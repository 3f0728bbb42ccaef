//! Processes as users of their own: somebody else starts them, and calls.
//!
//! The gateway cannot become another user, and should not be able to: it has the keys. So the system runs an attendant,
//! `efface attend receive --socket S`, as the user who is to receive. It calls at the gateway's socket, and when it is
//! given orders there, it starts the process that they are for: its input and output are the connection. Where the
//! sockets are and who may call is in the configuration; who did call is what the kernel says.

use super::child::THIS_PROGRAM;
use super::user::User;
use super::{RECEIVER, SENDER, WORKER};
use crate::disk;
use crate::spool::Spool;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, recv, sockopt::socket_peercred};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the gateway waits for a call.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks whether one has come.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The pause of an attendant that finds no gateway.
const CALL_AGAIN: Duration = Duration::from_millis(200);
/// How often one that waits for orders looks after the processes that it has started.
const REAP_EVERY: Duration = Duration::from_secs(1);

/// Who attends to receiving, to sending, and to the reading of studies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendants {
    /// Receives, and has the inbox.
    pub receiver: Attendant,
    /// Sends, and has the outboxes.
    pub sender: Attendant,
    /// Where the attendant of workers calls: the gateway's own user, in a unit without a network; `None`: the gateway starts
    /// them itself.
    pub workers: Option<PathBuf>,
}

/// The ways to those who attend.
pub(crate) struct AllCalls {
    /// To the receiver.
    pub(crate) receiver: Calls,
    /// To senders.
    pub(crate) sender: Calls,
    /// To workers.
    pub(crate) workers: Option<Calls>,
}

/// Who attends to one kind of process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendant {
    /// The user under whom it runs.
    pub user: User,
    /// Where it calls.
    pub socket: PathBuf,
}

impl Attendants {
    /// Gives the inbox to the group of the one user and the outboxes to that of the other, and waits for calls.
    ///
    /// # Errors
    /// What the system says, and what to do.
    pub(crate) fn receive_calls(&self, spool: &Spool) -> io::Result<AllCalls> {
        disk::share_with_groups();
        for (directory, user) in [("inbox", &self.receiver.user), ("outbox", &self.sender.user)] {
            spool.share(directory, user.gid).map_err(|error| {
                let User { name, .. } = user;
                let who = format!("the user of the gateway must be in the group of {name}");
                io::Error::other(format!("{directory}: {error}; {who}: adduser efface {name}"))
            })?;
        }
        let own = |socket: &PathBuf| {
            let socket = socket.clone();
            Calls::open(&Attendant { user: User::myself(), socket })
        };
        Ok(AllCalls {
            receiver: Calls::open(&self.receiver)?,
            sender: Calls::open(&self.sender)?,
            workers: self.workers.as_ref().map(own).transpose()?,
        })
    }
}

/// A socket of the gateway, at which attendants call.
pub(crate) struct Calls {
    listener: UnixListener,
    attendant: Attendant,
}

impl Calls {
    fn open(attendant: &Attendant) -> io::Result<Self> {
        let Attendant { socket, user } = attendant;
        let open = || {
            // What an earlier gateway has left there: two at a time have no state directory in common.
            disk::remove(socket)?;
            let listener = UnixListener::bind(socket)?;
            disk::let_connect(socket, user.gid)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = open().map_err(|error: io::Error| {
            io::Error::other(format!("socket {}: {error}", socket.display()))
        })?;
        Ok(Calls { listener, attendant: attendant.clone() })
    }

    /// The next attendant that calls; one that is nobody's is turned away.
    ///
    /// # Errors
    /// Nobody calls.
    pub(super) fn answer(&self) -> io::Result<UnixStream> {
        let Attendant { socket, user } = &self.attendant;
        let until = Instant::now() + PATIENCE;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) if socket_peercred(&stream)?.uid.as_raw() == user.uid => {
                    stream.set_nonblocking(false)?;
                    if !is_gone(&stream) {
                        return Ok(stream);
                    }
                }
                Ok(_) => {
                    tracing::warn!("a process of another user called for orders; it gets none");
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) if Instant::now() >= until => {
                    let (socket, name) = (socket.display(), &user.name);
                    let what = format!(
                        "nobody calls at {socket}: let {name} run efface attend (see efface-receiver.service, \
                         efface-sender.service and efface-worker.service)"
                    );
                    return Err(io::Error::new(io::ErrorKind::TimedOut, what));
                }
                Err(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }
}

/// Whether one that has called has ended meanwhile.
fn is_gone(caller: &UnixStream) -> bool {
    let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(recv(caller, &mut [0_u8; 1][..], peek), Ok((0, _)))
}

/// What an attendant may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Attended {
    /// The receiver.
    Receive,
    /// Senders, one for each destination.
    Send,
    /// Workers, one for each study: as the user of the gateway.
    Work,
}

/// Is an attendant, until it is ended. There may be no gateway yet, or none for a while.
///
/// # Errors
/// A process cannot be started.
pub fn attend(what: Attended, socket: &Path, log_json: bool) -> io::Result<()> {
    let command = match what {
        Attended::Receive => RECEIVER,
        Attended::Send => SENDER,
        Attended::Work => WORKER,
    };
    disk::share_with_groups();
    let mut started: Vec<Child> = Vec::new();
    loop {
        let is_there = |child: &mut Child| !matches!(child.try_wait(), Ok(Some(_)));
        let orders = called(socket, || started.retain_mut(is_there));
        let Ok(connection) = orders else {
            std::thread::sleep(CALL_AGAIN);
            continue;
        };
        let watched = (what == Attended::Work).then(|| connection.try_clone()).transpose()?;
        let connection = OwnedFd::from(connection);
        let process = Command::new(THIS_PROGRAM)
            .arg(command)
            .args(log_json.then_some("--log-json"))
            .stdin(Stdio::from(connection.try_clone()?))
            .stdout(Stdio::from(connection))
            .spawn()?;
        match watched {
            None => started.push(process),
            Some(connection) => {
                let watch = std::thread::Builder::new().name("watch".to_owned());
                watch.spawn(move || watch_over(process, &connection))?;
            }
        }
    }
}

/// Ends a process when the gateway hangs up. The connection is closed when it is dead, and not before: so the gateway knows.
fn watch_over(mut process: Child, connection: &UnixStream) {
    while matches!(process.try_wait(), Ok(None)) {
        if has_hung_up(connection) {
            // It may just have ended by itself.
            let _ = process.kill();
            break;
        }
    }
    match process.wait() {
        Ok(status) if status.success() => {}
        Ok(status) => tracing::warn!(%status, "a process ended, see what it said before"),
        Err(error) => tracing::error!(%error, "a process could not be waited for"),
    }
}

/// Whether it has within a moment, also where something lies unread before that.
fn has_hung_up(connection: &UnixStream) -> bool {
    let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK_EVERY.subsec_nanos()) };
    let mut looked = [PollFd::new(connection, PollFlags::RDHUP)];
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    poll(&mut looked, Some(&wait)).is_ok() && looked[0].revents().intersects(gone)
}

/// Calls, and returns when there are orders to be read.
fn called(socket: &Path, mut meanwhile: impl FnMut()) -> io::Result<UnixStream> {
    let connection = UnixStream::connect(socket)?;
    connection.set_read_timeout(Some(REAP_EVERY))?;
    loop {
        meanwhile();
        match recv(&connection, &mut [0_u8; 1][..], RecvFlags::PEEK) {
            Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => break,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    connection.set_read_timeout(None)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn orders_go_to_the_user_that_they_are_for() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let calls =
            Calls::open(&Attendant { user: User::myself(), socket: socket.clone() }).unwrap();
        let attendant = std::thread::spawn(move || called(&socket, || ()).map(drop));
        calls.answer().unwrap().write_all(b"orders").unwrap();
        attendant.join().unwrap().unwrap();
    }

    #[test]
    fn who_has_called_and_ended_gets_no_orders() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let calls =
            Calls::open(&Attendant { user: User::myself(), socket: socket.clone() }).unwrap();
        drop(UnixStream::connect(&socket).unwrap());
        let living = UnixStream::connect(&socket).unwrap();
        calls.answer().unwrap().write_all(b"x").unwrap();
        assert_eq!((&living).read(&mut [0; 1]).unwrap(), 1);
    }

    #[test]
    fn who_hangs_up_has_a_process_ended_and_knows_when_it_is() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let process = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = process.id();
        let watch = std::thread::spawn(move || watch_over(process, &theirs));
        // Something unread does not hide that we hang up.
        (&ours).write_all(b"unread").unwrap();
        assert!(Path::new(&format!("/proc/{pid}")).exists());
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        // Closed by whoever watches; what was unread makes it a reset (unix(7)).
        let closed = (&ours).read(&mut [0; 1]);
        let reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        assert!(closed.as_ref().map_or_else(reset, |read| *read == 0), "{closed:?}");
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        watch.join().unwrap();
    }

    #[test]
    fn other_users_get_none() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let mut calls =
            Calls::open(&Attendant { user: User::myself(), socket: socket.clone() }).unwrap();
        calls.attendant.user.uid += 1;
        let attendant = std::thread::spawn(move || called(&socket, || ()).map(drop));
        let refused = calls.answer().map(drop).unwrap_err();
        assert!(refused.to_string().contains("efface attend"), "{refused}");
        assert!(attendant.join().unwrap().is_err());
    }
}
