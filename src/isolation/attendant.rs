//! Processes as users of their own: somebody else starts them, and calls.
//!
//! The gateway cannot become another user, and should not be able to: it has the keys. So the system runs an attendant,
//! `efface attend receive --socket S`, as the user who is to receive. It calls at the gateway's socket, and when it is
//! given orders there, it starts the process that they are for: its input and output are the connection. Where the
//! sockets are and who may call is in the configuration; who did call is what the kernel says.

use super::child::THIS_PROGRAM;
use super::user::User;
use super::{RECEIVER, SENDER};
use crate::disk;
use crate::spool::Spool;
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

/// Who attends to receiving and who to sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendants {
    /// Receives, and has the inbox.
    pub receiver: Attendant,
    /// Sends, and has the outboxes.
    pub sender: Attendant,
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
    pub(crate) fn receive_calls(&self, spool: &Spool) -> io::Result<(Calls, Calls)> {
        disk::share_with_groups();
        for (directory, user) in [("inbox", &self.receiver.user), ("outbox", &self.sender.user)] {
            spool.share(directory, user.gid).map_err(|error| {
                let User { name, .. } = user;
                let who = format!("the user of the gateway must be in the group of {name}");
                io::Error::other(format!("{directory}: {error}; {who}: adduser efface {name}"))
            })?;
        }
        Ok((Calls::open(&self.receiver)?, Calls::open(&self.sender)?))
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
                    return Ok(stream);
                }
                Ok(_) => {
                    tracing::warn!("a process of another user called for orders; it gets none");
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) if Instant::now() >= until => {
                    let (socket, name) = (socket.display(), &user.name);
                    let what = format!(
                        "nobody calls at {socket}: let {name} run efface attend (see efface-receiver.service and \
                         efface-sender.service)"
                    );
                    return Err(io::Error::new(io::ErrorKind::TimedOut, what));
                }
                Err(_) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }
}

/// What an attendant may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Attended {
    /// The receiver.
    Receive,
    /// Senders, one for each destination.
    Send,
}

/// Is an attendant, until it is ended. There may be no gateway yet, or none for a while.
///
/// # Errors
/// A process cannot be started.
pub fn attend(what: Attended, socket: &Path, log_json: bool) -> io::Result<()> {
    let command = match what {
        Attended::Receive => RECEIVER,
        Attended::Send => SENDER,
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
        let connection = OwnedFd::from(connection);
        let process = Command::new(THIS_PROGRAM)
            .arg(command)
            .args(log_json.then_some("--log-json"))
            .stdin(Stdio::from(connection.try_clone()?))
            .stdout(Stdio::from(connection))
            .spawn()?;
        started.push(process);
    }
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
    use std::io::Write;

    fn myself() -> User {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        User { name: "me".to_owned(), uid, gid }
    }

    #[test]
    fn orders_go_to_the_user_that_they_are_for() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let calls = Calls::open(&Attendant { user: myself(), socket: socket.clone() }).unwrap();
        let attendant = std::thread::spawn(move || called(&socket, || ()).map(drop));
        calls.answer().unwrap().write_all(b"orders").unwrap();
        attendant.join().unwrap().unwrap();
    }

    #[test]
    fn other_users_get_none() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let mut calls = Calls::open(&Attendant { user: myself(), socket: socket.clone() }).unwrap();
        calls.attendant.user.uid += 1;
        let attendant = std::thread::spawn(move || called(&socket, || ()).map(drop));
        let refused = calls.answer().map(drop).unwrap_err();
        assert!(refused.to_string().contains("efface attend"), "{refused}");
        assert!(attendant.join().unwrap().is_err());
    }
}
