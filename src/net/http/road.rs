//! How a connection to one server is made: TCP, the proxy if there is one, TLS. And what it is to `ureq`.

use super::{Proxy, Url};
use crate::net::line::{Line, Unreached, dial};
use crate::net::tls;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

/// Bytes of the longest answer of a proxy.
const PROXY_BYTES_MAX: usize = 16 << 10;

/// Why there is no connection, or none any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::net) enum Lost {
    /// A name that does not resolve.
    #[error("its host name can't be resolved. Check the address and the DNS")]
    Unresolved,
    /// Nobody answers.
    #[error("no connection ({0}). Check that it runs and that the firewall lets us through")]
    Unreachable(ErrorKind),
    /// It took too long.
    #[error("no connection in time. Check its load and the line")]
    Late,
    /// The proxy does not let us through.
    #[error("the proxy did not let us through ({0}). Check proxy: and what it allows")]
    Proxy(String),
    /// No TLS, or not with whom it should be.
    #[error("{0}")]
    Tls(String),
}

impl From<Unreached> for Lost {
    fn from(why: Unreached) -> Self {
        match why {
            Unreached::Unresolved => Lost::Unresolved,
            Unreached::Late => Lost::Late,
            Unreached::Refused(kind) => Lost::Unreachable(kind),
        }
    }
}

/// The way to one server.
pub(super) struct Road {
    address: String,
    proxy: Option<String>,
    /// `None`: plain, on loopback.
    tls: Option<tls::Client>,
    connect: Duration,
}

impl Road {
    pub(super) fn new(
        to: &Url,
        proxy: Option<&Proxy>,
        tls: Option<tls::Client>,
        connect: Duration,
    ) -> Self {
        Road { address: to.address(), proxy: proxy.map(Proxy::address), tls, connect }
    }

    fn open(&self) -> Result<Box<dyn Line + Sync>, Lost> {
        let until = Instant::now() + self.connect;
        let left = || until.saturating_duration_since(Instant::now());
        let mut stream = dial(self.proxy.as_deref().unwrap_or(&self.address), until)?;
        stream.set_nodelay(true).map_err(|error| Lost::Unreachable(error.kind()))?;
        if self.proxy.is_some() {
            pass_through(&mut stream, &self.address, until)?;
        }
        let line: Box<dyn Line + Sync> = match &self.tls {
            Some(client) => {
                let greeted = client.greet(stream, left());
                Box::new(greeted.map_err(|error| Lost::Tls(error.to_string()))?)
            }
            None => Box::new(stream),
        };
        // Who ends this process wants that nothing more leaves.
        line.drop_unsent(true);
        Ok(line)
    }
}

/// Has the proxy connect us. Not a byte behind its answer is read: that is the server's.
fn pass_through(stream: &mut TcpStream, address: &str, until: Instant) -> Result<(), Lost> {
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Lost::Late,
        kind => Lost::Proxy(kind.to_string()),
    };
    let left = || match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(Lost::Late),
        left => Ok(left),
    };
    Line::set_write_timeout(stream, left()?).map_err(failed)?;
    let asked = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(asked.as_bytes()).map_err(failed)?;
    stream.count_written(asked.len());
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        Line::set_read_timeout(stream, left()?).map_err(failed)?;
        stream.read_exact(&mut byte).map_err(failed)?;
        head.push(byte[0]);
        if head.len() > PROXY_BYTES_MAX {
            return Err(Lost::Proxy("its answer has no end".to_owned()));
        }
    }
    let status = head.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5)).unwrap_or_default();
    match status {
        [b'2', b'0'..=b'9', b'0'..=b'9'] => Ok(()),
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'] => {
            Err(Lost::Proxy(format!("HTTP {}", String::from_utf8_lossy(status))))
        }
        _ => Err(Lost::Proxy("it does not speak HTTP".to_owned())),
    }
}

impl fmt::Debug for Road {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Road({})", self.address)
    }
}

impl Connector for Road {
    type Out = Carriage;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Carriage>, Error> {
        let line = self.open().map_err(|lost| Error::Other(Box::new(lost)))?;
        let (input, output) =
            (details.config.input_buffer_size(), details.config.output_buffer_size());
        let (buffers, is_tls) = (LazyBuffers::new(input, output), self.tls.is_some());
        Ok(Some(Carriage { line, buffers, is_tls }))
    }
}

/// One connection, as `ureq` wants it.
pub(super) struct Carriage {
    line: Box<dyn Line + Sync>,
    buffers: LazyBuffers,
    /// Without it no request for `https://` is sent on it.
    is_tls: bool,
}

impl fmt::Debug for Carriage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carriage")
    }
}

impl Carriage {
    fn broken(&self, error: io::Error, timeout: NextTimeout) -> Error {
        match (self.line.trouble(), error.kind()) {
            (Some(why), _) => Error::Other(Box::new(Lost::Tls(why))),
            (None, ErrorKind::WouldBlock | ErrorKind::TimedOut) => Error::Timeout(timeout.reason),
            (None, _) => Error::Io(error),
        }
    }
}

fn wait(timeout: NextTimeout) -> Result<Duration, Error> {
    // Without one there is none of `Patience`: every step has one.
    match timeout.not_zero().map(|left| *left) {
        Some(_) if timeout.after.is_zero() => Err(Error::Timeout(timeout.reason)),
        Some(left) => Ok(left),
        None => Ok(Duration::from_secs(60)),
    }
}

impl Transport for Carriage {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        let wait = wait(timeout)?;
        let (line, bytes) = (&mut self.line, &self.buffers.output()[..amount]);
        let mut send = || {
            line.set_write_timeout(wait)?;
            line.write_all(bytes)?;
            line.count_written(bytes.len());
            line.flush()
        };
        let sent = send();
        sent.map_err(|error| self.broken(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let wait = wait(timeout)?;
        let (line, buffers) = (&mut self.line, &mut self.buffers);
        let mut receive = || {
            line.set_read_timeout(wait)?;
            line.read(buffers.input_append_buf())
        };
        let received = receive();
        let bytes = received.map_err(|error| self.broken(error, timeout))?;
        self.buffers.input_appended(bytes);
        Ok(bytes > 0)
    }

    fn is_open(&mut self) -> bool {
        !self.line.has_input()
    }

    fn is_tls(&self) -> bool {
        self.is_tls
    }
}

/// Names are the road's to resolve; through a proxy they are the proxy's.
#[derive(Debug)]
pub(super) struct NoNames;

impl Resolver for NoNames {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut nowhere = self.empty();
        nowhere.push(([0, 0, 0, 0], 0).into());
        Ok(nowhere)
    }
}
