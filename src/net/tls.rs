//! TLS between two sides that know each other: each shows a certificate, and believes one file of CAs and no other.
//!
//! Versions and cipher suites are those of BCP 195 (RFC 9325): TLS 1.2 and 1.3, forward secrecy, authenticated
//! encryption; `rustls` has no others. There is no way to go on with a certificate that does not verify.

use crate::clock;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned,
};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// What one side needs, as PEM. The key goes to nobody but the process that talks.
#[derive(Clone, Serialize, Deserialize)]
pub struct Papers {
    /// The certificates of the CAs that are believed.
    pub ca: String,
    /// The certificate that is shown, and those between it and its CA.
    pub certificate: String,
    /// Its private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: Zeroizing<String>,
}

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
    #[error("no TLS with {host}: {}", meaning(.why))]
    Refused {
        /// With whom.
        host: String,
        /// What was wrong.
        why: rustls::Error,
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

impl Papers {
    /// Reads them. They are used once, so that what is wrong is known at once.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Pem`], [`Error::NoPair`], [`Error::Unusable`].
    pub fn read(ca: &Path, certificate: &Path, key: &Path) -> Result<Self, Error> {
        let read = |file: &Path| {
            let text = std::fs::read_to_string(file);
            text.map_err(|error| Error::File { file: file.to_owned(), kind: error.kind() })
        };
        let papers = Papers {
            ca: read(ca)?,
            certificate: read(certificate)?,
            key: Zeroizing::new(read(key)?),
        };
        papers.config()?;
        Ok(papers)
    }

    fn config(&self) -> Result<ClientConfig, Error> {
        let mut roots = RootCertStore::empty();
        for ca in certificates(&self.ca, "certificate of a CA")? {
            roots.add(ca).map_err(Error::Unusable)?;
        }
        let chain = certificates(&self.certificate, "certificate")?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes());
        let key = key.map_err(|_| Error::Pem("private key"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_details(provider, Arc::new(Clock))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(Error::Unusable)?;
        let config = builder.with_root_certificates(roots).with_client_auth_cert(chain, key);
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Error::NoPair,
            other => Error::Unusable(other),
        })?;
        // Each connection shows its certificate anew: what was withdrawn meanwhile is not taken for granted.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or(Error::Pem(what))
}

/// Certificates are valid by the clock by which everything is dated.
#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(clock::ms())))
    }
}

/// The side that calls.
pub struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    host: String,
}

impl Client {
    /// Calls this host: the other side's certificate must be for this name or address.
    ///
    /// # Errors
    /// [`Error::Name`], and those of [`Papers::read`].
    pub fn new(papers: &Papers, host: &str) -> Result<Self, Error> {
        let host = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| Error::Name)?;
        Ok(Client { config: Arc::new(papers.config()?), name, host })
    }

    /// The handshake. The stream's own timeouts hold.
    ///
    /// In TLS 1.3 the other side judges our certificate after it: that it was refused shows at the first read.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Silent`], [`Error::Unusable`].
    pub fn greet(&self, stream: TcpStream) -> Result<Channel, Error> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut both = StreamOwned::new(connection.map_err(Error::Unusable)?, stream);
        while both.conn.is_handshaking() {
            both.conn.complete_io(&mut both.sock).map_err(|error| self.explain(&error))?;
        }
        Ok(Channel(both))
    }

    /// What an error of a [`Channel`] means.
    pub fn explain(&self, error: &io::Error) -> Error {
        let host = self.host.clone();
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(why) => Error::Refused { host, why: why.clone() },
            None => Error::Silent { host, kind: in_time(error.kind()) },
        }
    }
}

/// A stream with a timeout says that it would block.
fn in_time(kind: io::ErrorKind) -> io::ErrorKind {
    if kind == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut } else { kind }
}

/// Bytes under TLS.
pub struct Channel(StreamOwned<ClientConnection, TcpStream>);

impl Channel {
    /// Says that nothing more will come (close_notify).
    ///
    /// # Errors
    /// What the system says.
    pub fn say_goodbye(&mut self) -> io::Result<()> {
        self.0.conn.send_close_notify();
        while self.0.conn.wants_write() {
            self.0.conn.write_tls(&mut self.0.sock)?;
        }
        Ok(())
    }

    /// The connection below.
    pub fn socket(&self) -> &TcpStream {
        &self.0.sock
    }
}

impl Read for Channel {
    /// `Ok(0)`: the other side said that nothing more will come. An end without that is `UnexpectedEof`.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What an error means for whoever has to put it right. What is not listed is said in the library's words.
fn meaning(error: &rustls::Error) -> String {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage, PeerIncompatible};
    match error {
        InvalidCertificate(why) => of_theirs(why),
        AlertReceived(why) => of_ours(*why),
        InvalidMessage(_) => "what answers there is not TLS. Check the port".to_owned(),
        PeerIncompatible(_) => NO_VERSION.to_owned(),
        other => other.to_string(),
    }
}

const NO_VERSION: &str =
    "it has no version or cipher suite of BCP 195. Let it speak TLS 1.2 or 1.3";

/// What is wrong with the certificate that the other side shows.
fn of_theirs(why: &CertificateError) -> String {
    use CertificateError as E;
    let known = match why {
        E::Expired | E::ExpiredContext { .. } => {
            "its certificate has expired. Renew it there, and compare the clocks"
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "its certificate is not valid yet. Compare the clocks of both machines"
        }
        E::UnknownIssuer => {
            "its certificate is of a CA that is not believed. Give the certificate of the CA that issued it"
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "its certificate is for another name. Call it by a name that stands in its certificate, or have one issued for this one"
        }
        E::Revoked => "its certificate was revoked. Have a new one issued there",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "its certificate is not for servers (extended key usage serverAuth). Have one issued that is"
        }
        other => return format!("its certificate does not verify ({other:?})"),
    };
    known.to_owned()
}

/// What the other side says of ours (RFC 8446 6.2).
fn of_ours(alert: AlertDescription) -> String {
    use AlertDescription as A;
    match alert {
        A::CertificateExpired => {
            "it says that our certificate has expired. Renew it, with its key".to_owned()
        }
        A::UnknownCA => {
            "it does not know the CA of our certificate. Give it that CA, or us a certificate of a CA that it knows".to_owned()
        }
        A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateUnknown
        | A::CertificateRequired
        | A::AccessDenied => {
            format!("it refuses our certificate ({alert:?}). Have it accept the name in it")
        }
        A::ProtocolVersion | A::HandshakeFailure | A::InsufficientSecurity => NO_VERSION.to_owned(),
        other => format!("it ended the handshake ({other:?})"),
    }
}

#[cfg(test)]
pub(crate) mod tests;
