//! TLS between two sides that know each other: each shows a certificate, and believes one file of CAs and no other
//! (PS3.15 B.12).
//!
//! | file | what |
//! |---|---|
//! | `papers` | certificate, key and CA of one side; by what the other's certificate is known |
//! | `client`, `server` | the side that calls, and the one that is called |
//! | `browsers` | the side that people's browsers call: they show no certificate, but sign in |
//! | `channel` | bytes under TLS, each wait under a timeout |
//! | `meaning` | what an error means for whoever has to put it right |
//!
//! Versions and cipher suites are those of BCP 195 (RFC 9325): TLS 1.2 and 1.3, forward secrecy, authenticated
//! encryption; `rustls` has no others. There is no way to go on with a certificate that does not verify. No session is
//! resumed: each connection shows its certificates anew, so what was withdrawn meanwhile is not taken for granted.

mod browsers;
mod channel;
mod client;
mod meaning;
mod papers;
mod server;

pub use browsers::for_browsers;
pub use channel::Channel;
pub use client::{Client, Trust};
pub use papers::{Fingerprint, Known, NoFingerprint, Papers, Shown};
pub use server::Server;

use meaning::{Side, meaning};
use std::io;
use std::path::PathBuf;

/// Why there is no TLS. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read.
    #[error("{}: {kind}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// A file without what it is for.
    #[error("there is no {0} in it, as PEM (-----BEGIN ...)")]
    Pem(&'static str),
    /// Another key's certificate.
    #[error("the private key is not that of the certificate: give the pair that was made together")]
    NoPair,
    /// A certificate or key that cannot be used.
    #[error("certificate or key cannot be used: {0}")]
    Unusable(rustls::Error),
    /// Neither a name nor an address.
    #[error("no host name or address that a certificate could be for")]
    Name,
    /// The handshake failed.
    #[error("no TLS with {host}: {}", meaning(.why, Side::Calls))]
    Refused {
        /// With whom.
        host: String,
        /// What was wrong.
        why: rustls::Error,
    },
    /// Another certificate than the one that is pinned.
    #[error(
        "no TLS with {host}: its certificate is not the one that certificate: pins. It shows {shown}: if that one is right, pin it"
    )]
    Another {
        /// With whom.
        host: String,
        /// What it shows.
        shown: Fingerprint,
    },
    /// The connection ended or was silent.
    #[error(
        "no TLS with {host}: no answer ({kind}). Whoever listens there may not speak TLS, or asks for another certificate"
    )]
    Silent {
        /// With whom.
        host: String,
        /// What the system said.
        kind: io::ErrorKind,
    },
}

#[cfg(test)]
pub(crate) mod tests;
