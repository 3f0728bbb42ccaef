//! What the upper layer needs of a connection, and a connection whose peer has said everything in
//! advance.

use super::tls::Shown;
use super::wrote;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes in both directions, each wait under a timeout.
pub(super) trait Line: Read + Write + Send {
    /// How long a read may wait.
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()>;
    /// How long a write may wait.
    fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()>;
    /// Acknowledges at once what has arrived; lasts for one receive only.
    fn acknowledge_quickly(&self);
    /// Whether a read would not wait: bytes have come, or the end.
    fn has_input(&mut self) -> bool;
    /// Whether the end of this process drops what was written and has not been sent, and resets the connection.
    fn drop_unsent(&self, drop: bool);
    /// Ends one direction or both.
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()>;
    /// So many bytes were written; a line that knows better what left of them counts by itself.
    fn count_written(&self, _bytes: usize) {}
    /// What TLS found wrong, for whoever has to put it right; `None`: nothing, or there is no TLS.
    fn trouble(&self) -> Option<String> {
        None
    }
    /// The certificate of the other side, if there is TLS and its handshake was made.
    fn shown(&self) -> Option<Shown> {
        None
    }
}

impl Line for TcpStream {
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        TcpStream::set_read_timeout(self, Some(timeout))
    }

    fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        TcpStream::set_write_timeout(self, Some(timeout))
    }

    fn acknowledge_quickly(&self) {
        // A system that does not know it is merely slower.
        let _ = rustix::net::sockopt::set_tcp_quickack(self, true);
    }

    fn has_input(&mut self) -> bool {
        use rustix::net::{RecvFlags, recv};
        let looked = recv(self, &mut [0; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !matches!(looked, Err(rustix::io::Errno::AGAIN))
    }

    fn drop_unsent(&self, drop: bool) {
        let linger = drop.then_some(Duration::ZERO);
        // What a process that was stopped had written a moment before then leaves after it, a few buffers at most.
        let _ = rustix::net::sockopt::set_socket_linger(self, linger);
    }

    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        TcpStream::shutdown(self, how)
    }

    fn count_written(&self, bytes: usize) {
        wrote::add(bytes);
    }
}

/// Why there is no TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreached {
    /// The name does not resolve.
    Unresolved,
    /// The time was over.
    Late,
    /// None of the addresses takes one: what the system said of the last.
    Refused(ErrorKind),
}

/// A TCP connection to the first of the addresses of `host:port` that takes one.
pub(super) fn dial(address: &str, until: Instant) -> Result<TcpStream, Unreached> {
    let addresses: Vec<SocketAddr> =
        address.to_socket_addrs().map_err(|_| Unreached::Unresolved)?.collect();
    let mut kind = ErrorKind::AddrNotAvailable;
    for address in &addresses {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Unreached::Late);
        }
        match TcpStream::connect_timeout(address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => kind = error.kind(),
        }
    }
    Err(Unreached::Refused(kind))
}

/// A peer that has sent all it will ever send and closed; what is said to it is kept.
pub(super) struct Script<'a> {
    left: &'a [u8],
    /// The most that one read gives, in bytes: where TCP happens to cut.
    segment: usize,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl<'a> Script<'a> {
    /// `segment` is at least 1.
    pub fn new(sent: &'a [u8], segment: usize) -> Self {
        Script { left: sent, segment: segment.max(1), heard: Arc::default() }
    }

    /// What will have been said to the peer.
    pub fn heard(&self) -> Arc<Mutex<Vec<u8>>> {
        Arc::clone(&self.heard)
    }
}

impl Read for Script<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.segment);
        self.left.read(&mut buffer[..most])
    }
}

impl Write for Script<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Line for Script<'_> {
    fn set_read_timeout(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn acknowledge_quickly(&self) {}

    fn has_input(&mut self) -> bool {
        true
    }

    fn drop_unsent(&self, _: bool) {}

    fn shutdown(&mut self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}
