//! The way to the repository: TCP, and TLS on it; plain only to this machine, for a relay that runs on it.

use super::shipper::{Line, Wire};
use crate::net::tls::{self, Channel, Client, Papers};
use rustls::ClientConnection;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long it may take to connect, and each step of the handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the other side may take to read on, and to end the connection after us.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a reset may be on its way that answers what the other side did not read.
const GRACE: Duration = Duration::from_millis(500);

/// An audit record repository, or a relay.
#[derive(Clone, Serialize, Deserialize)]
pub struct Syslog {
    /// `host:port`.
    pub address: String,
    /// What TLS needs; `None`: plain, on this machine.
    pub papers: Option<Papers>,
}

/// Why it could not be reached, or is not known to have everything.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Its name has no address.
    #[error("{0} is not known by this name")]
    Unresolved(String),
    /// Nobody answers.
    #[error("{address} cannot be reached: {kind}")]
    Unreachable {
        /// Where.
        address: String,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// No TLS.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// It ended, or the way there.
    #[error("the connection broke: {0}. What is not known to have arrived is sent again")]
    Broken(io::ErrorKind),
    /// It does not end the connection after us.
    #[error(
        "it does not read to the end, or does not end the connection: everything is sent again"
    )]
    Late,
}

impl Syslog {
    fn dial(&self) -> Result<TcpStream, Trouble> {
        let address = self.address.clone();
        let found = address.to_socket_addrs();
        let found = found.map_err(|_| Trouble::Unresolved(address.clone()))?;
        let mut kind = io::ErrorKind::AddrNotAvailable;
        for socket in found {
            match TcpStream::connect_timeout(&socket, CONNECT) {
                Ok(stream) => return Ok(stream),
                Err(error) => kind = error.kind(),
            }
        }
        Err(Trouble::Unreachable { address, kind })
    }
}

impl Wire for Syslog {
    fn connect(&self) -> Result<Box<dyn Line + '_>, Trouble> {
        let client = self.papers.as_ref().map(|papers| {
            let host =
                self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
            Client::new(papers, host)
        });
        let client = client.transpose()?;
        let socket = self.dial()?;
        let broken = |error: io::Error| Trouble::Broken(error.kind());
        socket.set_nodelay(true).map_err(broken)?;
        let patiently = |socket: &TcpStream| {
            socket.set_read_timeout(Some(CONNECT))?;
            socket.set_write_timeout(Some(PATIENCE))
        };
        patiently(&socket).map_err(broken)?;
        Ok(match client {
            None => Box::new(Connection { stream: Stream::Plain(socket), client }),
            Some(client) => {
                let channel = client.greet(socket, CONNECT)?;
                patiently(channel.socket()).map_err(broken)?;
                Box::new(Connection {
                    stream: Stream::Tls(Box::new(channel)),
                    client: Some(client),
                })
            }
        })
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<Channel<ClientConnection>>),
}

/// One connection.
struct Connection {
    stream: Stream,
    client: Option<Client>,
}

impl Line for Connection {
    fn send(&mut self, frame: &[u8]) -> Result<(), Trouble> {
        let stream: &mut dyn Write = match &mut self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(channel) => channel,
        };
        let sent = stream.write_all(frame).and_then(|()| stream.flush());
        // What the other side has said before it went away tells more than that it is gone.
        sent.or_else(|error| self.look().and(Err(self.explain(&error))))
    }

    fn look(&mut self) -> Result<(), Trouble> {
        self.wait_no_more(true)?;
        let looked = self.read();
        self.wait_no_more(false)?;
        match looked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(self.explain(&error)),
            // It has ended before us: what it had not read yet, it will not read any more.
            Ok(()) => Err(Trouble::Broken(io::ErrorKind::UnexpectedEof)),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<(), Trouble> {
        self.look()?;
        let ended = self.end();
        ended.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Trouble::Late,
            _ => self.explain(&error),
        })
    }
}

impl Connection {
    /// Ends our side, waits for the other's, then for the reset that would say that something was not read.
    fn end(&mut self) -> io::Result<()> {
        if let Stream::Tls(channel) = &mut self.stream {
            channel.say_goodbye()?;
        }
        self.socket().shutdown(Shutdown::Write)?;
        self.socket().set_read_timeout(Some(PATIENCE))?;
        match self.read() {
            // Without a word of TLS: GnuTLS in rsyslog ends like this.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            ended => ended?,
        }
        std::thread::sleep(GRACE);
        self.socket().take_error()?.map_or(Ok(()), Err)
    }

    /// Reads to the end. Collectors say nothing.
    fn read(&mut self) -> io::Result<()> {
        let mut nothing = [0; 512];
        let stream: &mut dyn Read = match &mut self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(channel) => channel,
        };
        while stream.read(&mut nothing)? > 0 {}
        Ok(())
    }

    fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(channel) => channel.socket(),
        }
    }

    fn wait_no_more(&self, no_more: bool) -> Result<(), Trouble> {
        self.socket().set_nonblocking(no_more).map_err(|error| Trouble::Broken(error.kind()))
    }

    fn explain(&self, error: &io::Error) -> Trouble {
        match self.client.as_ref().map(|client| client.explain(error)) {
            Some(refused @ tls::Error::Refused { .. }) => refused.into(),
            _ => Trouble::Broken(error.kind()),
        }
    }
}

#[cfg(test)]
mod tests;
