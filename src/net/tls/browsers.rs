//! The side that people's browsers call. They show no certificate: who somebody is, his password says.

use super::Error;
use super::papers::{Clock, Papers, provider, unusable};
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use std::sync::Arc;

/// Shows what the papers say; their CA is not asked.
///
/// # Errors
/// [`Error::Pem`], [`Error::NoPair`], [`Error::Unusable`].
pub fn for_browsers(papers: &Papers) -> Result<Arc<ServerConfig>, Error> {
    let (chain, key) = papers.pair()?;
    let builder = ServerConfig::builder_with_details(provider(), Arc::new(Clock))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(Error::Unusable)?;
    let mut config =
        builder.with_no_client_auth().with_single_cert(chain, key).map_err(unusable)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
