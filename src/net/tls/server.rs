//! The side that is called. Nobody is heard who does not show a certificate of the CA.

use super::Error;
use super::channel::Channel;
use super::meaning::Side;
use super::papers::{Clock, Papers, provider, unusable};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection};
use std::fmt;
use std::io;
use std::net::TcpStream;
use std::sync::{Arc, PoisonError, RwLock};

/// The side that is called. Its papers can be renewed while connections run: those go on as they began.
pub struct Server(RwLock<Arc<ServerConfig>>);

impl Server {
    /// Shows and believes what the papers say.
    ///
    /// # Errors
    /// Those of [`Papers::read`].
    pub fn new(papers: &Papers) -> Result<Self, Error> {
        Ok(Server(RwLock::new(Arc::new(config(papers)?))))
    }

    /// The next connections get other papers.
    ///
    /// # Errors
    /// Those of [`Papers::read`]: the old ones stay.
    pub fn renew(&self, papers: &Papers) -> Result<(), Error> {
        let config = Arc::new(config(papers)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Answers a call. The handshake is made by the first reads, so that it is under the deadlines of whoever reads.
    ///
    /// # Errors
    /// What the library says.
    pub(in crate::net) fn answer(
        &self,
        stream: TcpStream,
    ) -> io::Result<Channel<ServerConnection>> {
        let config = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Channel::new(connection, stream, Side::IsCalled))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

pub(super) fn config(papers: &Papers) -> Result<ServerConfig, Error> {
    let (chain, key) = papers.pair()?;
    let roots = Arc::new(papers.roots()?);
    let judge = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
    let judge = judge.map_err(|_| Error::Pem("certificate of a CA"))?;
    let builder = ServerConfig::builder_with_details(provider(), Arc::new(Clock))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(Error::Unusable)?;
    let builder = builder.with_client_cert_verifier(judge);
    let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
