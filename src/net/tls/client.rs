//! The side that calls.

use super::Error;
use super::channel::Channel;
use super::meaning::Side;
use super::papers::{Clock, Fingerprint, Papers, provider, unusable};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a side that calls shows and asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trust {
    /// What it shows, and the CA that it believes.
    pub papers: Papers,
    /// The one certificate that the other side may show; `None`: any of that CA for its name.
    pub certificate: Option<Fingerprint>,
}

/// The side that calls one host.
pub struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    host: String,
    pinned: Option<Fingerprint>,
}

impl Client {
    /// Calls this host: the other side's certificate must be for this name or address.
    ///
    /// # Errors
    /// [`Error::Name`], and those of [`Papers::read`].
    pub fn new(papers: &Papers, host: &str) -> Result<Self, Error> {
        let host = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| Error::Name)?;
        Ok(Client { config: Arc::new(config(papers)?), name, host, pinned: None })
    }

    /// The same, and the certificate must be the one that is pinned, if one is. Takes `host:port`.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn trusting(trust: &Trust, address: &str) -> Result<Self, Error> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        Ok(Client { pinned: trust.certificate, ..Client::new(&trust.papers, host)? })
    }

    /// The handshake, all of it within this time; the stream's timeouts are to be set anew after it.
    ///
    /// In TLS 1.3 the other side judges our certificate after it: that it was refused shows at the first read.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Another`], [`Error::Silent`], [`Error::Unusable`].
    pub fn greet(
        &self,
        stream: TcpStream,
        within: Duration,
    ) -> Result<Channel<ClientConnection>, Error> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut channel = Channel::new(connection.map_err(Error::Unusable)?, stream, Side::Calls);
        let shaken = channel.shake_hands(Instant::now() + within);
        shaken.map_err(|error| self.explain(&error))?;
        let shown = channel.shown().map(|shown| shown.fingerprint());
        match (self.pinned, shown) {
            (Some(pinned), Some(shown)) if shown != pinned => {
                // Nothing was said yet, and nothing will be.
                let _ = channel.say_goodbye();
                Err(Error::Another { host: self.host.clone(), shown })
            }
            _ => Ok(channel),
        }
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

pub(super) fn config(papers: &Papers) -> Result<ClientConfig, Error> {
    let (chain, key) = papers.pair()?;
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(Clock))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(Error::Unusable)?;
    let builder = builder.with_root_certificates(papers.roots()?);
    let mut config = builder.with_client_auth_cert(chain, key).map_err(unusable)?;
    config.resumption = Resumption::disabled();
    Ok(config)
}
