//! Bytes under TLS.
//!
//! A read waits no longer than its timeout, also where a peer sends one byte of a record now and then: whoever reads has
//! deadlines. A write that was cut short is not made again: what was taken leaves with the next write or flush.

use super::meaning::{Side, meaning};
use super::papers::Shown;
use crate::net::line::Line;
use crate::net::wrote;
use rustls::{ConnectionCommon, SideData};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

/// What of our part of a handshake the other side does not take within this time, waits for the next read.
const HANDSHAKE_WRITE: Duration = Duration::from_secs(1);

/// Bytes under TLS, of the side that calls or of the one that is called.
pub struct Channel<C> {
    connection: C,
    socket: TcpStream,
    side: Side,
    /// How long a read may take in all; `None`: as long as the socket lets it wait, each time.
    patience: Option<Duration>,
    trouble: Option<String>,
}

impl<C, S> Channel<C>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>>,
    S: SideData,
{
    pub(super) fn new(connection: C, socket: TcpStream, side: Side) -> Self {
        // A socket that does not take a timeout is found out by the next that is set.
        let _ = socket.set_write_timeout(Some(HANDSHAKE_WRITE));
        Channel { connection, socket, side, patience: None, trouble: None }
    }

    pub(super) fn shake_hands(&mut self, until: Instant) -> io::Result<()> {
        while self.connection.is_handshaking() || self.connection.wants_write() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.socket.set_read_timeout(Some(left))?;
            self.socket.set_write_timeout(Some(left))?;
            self.send_ready()?;
            if self.connection.is_handshaking() && self.receive()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// The certificate of the other side, once the handshake is made.
    pub fn shown(&self) -> Option<Shown> {
        let chain =
            self.connection.peer_certificates().filter(|_| !self.connection.is_handshaking());
        chain?.first().map(|leaf| Shown(leaf.clone().into_owned()))
    }

    /// Says that nothing more will come (close_notify).
    ///
    /// # Errors
    /// What the system says.
    pub fn say_goodbye(&mut self) -> io::Result<()> {
        self.connection.send_close_notify();
        self.send_ready()
    }

    /// The connection below.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn send_ready(&mut self) -> io::Result<()> {
        let sent = self.write_out();
        if sent.as_ref().is_err_and(|error| !would_block(error)) && self.socket.has_input() {
            // What the other side has said before it went away tells more than that it is gone.
            self.receive()?;
        }
        sent
    }

    fn write_out(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.socket)? {
                0 => return Err(ErrorKind::WriteZero.into()),
                bytes => wrote::add(bytes),
            }
        }
        Ok(())
    }

    /// After a failure nothing is taken for anything. It is read, or the system would send a reset behind our alert that
    /// may overtake it.
    fn read_past(&mut self) -> io::Result<usize> {
        let kind = match self.socket.read(&mut [0; 4096])? {
            0 => ErrorKind::UnexpectedEof,
            _ => ErrorKind::WouldBlock,
        };
        Err(kind.into())
    }

    /// One read of the socket, and what follows from it; the bytes that were read.
    fn receive(&mut self) -> io::Result<usize> {
        let bytes = self.connection.read_tls(&mut self.socket)?;
        let processed = self.connection.process_new_packets();
        // Our part of a handshake, or why there is none.
        let answered = self.write_out();
        if let Err(why) = processed {
            self.trouble = Some(meaning(&why, self.side));
            return Err(io::Error::new(ErrorKind::InvalidData, why));
        }
        match answered {
            Err(error) if !would_block(&error) => Err(error),
            _ => Ok(bytes),
        }
    }
}

fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

impl<C, S> Read for Channel<C>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>>,
    S: SideData,
{
    /// `Ok(0)`: the other side said that nothing more will come. An end without that is `UnexpectedEof`.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.trouble.is_some() {
            return self.read_past();
        }
        let until = self.patience.map(|patience| Instant::now() + patience);
        loop {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.receive()?;
            if until.is_some_and(|until| Instant::now() >= until) {
                return self.connection.reader().read(buffer);
            }
        }
    }
}

impl<C, S> Write for Channel<C>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>>,
    S: SideData,
{
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send_ready()?;
        let taken = self.connection.writer().write(bytes)?;
        match self.send_ready() {
            Err(error) if !would_block(&error) => Err(error),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send_ready()
    }
}

impl<C, S> Line for Channel<C>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>> + Send,
    S: SideData,
{
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.patience = Some(timeout);
        self.socket.set_read_timeout(Some(timeout))
    }

    fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.socket.set_write_timeout(Some(timeout))
    }

    fn acknowledge_quickly(&self) {
        self.socket.acknowledge_quickly();
    }

    fn has_input(&mut self) -> bool {
        let state = self.connection.process_new_packets();
        !state.is_ok_and(|state| state.plaintext_bytes_to_read() == 0) || self.socket.has_input()
    }

    fn drop_unsent(&self, drop: bool) {
        self.socket.drop_unsent(drop);
    }

    /// The end of our direction is said; the end of both is not, because it is the end of something torn.
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        if how == Shutdown::Write {
            self.say_goodbye()?;
        }
        self.socket.shutdown(how)
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.clone()
    }

    fn shown(&self) -> Option<Shown> {
        Channel::shown(self)
    }
}
