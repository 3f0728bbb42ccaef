//! HTTP/1.1 to one server: straight or through a proxy, under our own TLS, each wait under a deadline.
//!
//! | file | what |
//! |---|---|
//! | `url` | where it is, as a person writes it |
//! | `road` | how a connection is made |
//!
//! `ureq` writes requests, reads answers and keeps connections. What it could do besides is switched off: it follows no
//! redirect, knows no proxy but the one of the configuration, asks no name server by itself (the road does, as for
//! DICOM), and has no TLS of its own.

mod road;
mod url;

pub use url::{NoProxy, NoUrl, Proxy, Url, is_loopback};

pub(super) use road::Lost;
use road::{NoNames, Road};

use super::tls;
use std::time::Duration;
use ureq::Agent;
use zeroize::Zeroizing;

/// Bytes of the longest head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How long it is waited for `100 Continue` before the body is sent without it (RFC 9110 10.1.1).
const CONTINUE: Duration = Duration::from_secs(2);

/// How long what may take. Nothing waits for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a connection: from the first SYN to the end of the TLS handshake.
    pub connect: Duration,
    /// For the other side to take or give something at all.
    pub idle: Duration,
    /// For a request to be sent, and again for its answer to begin, and to end.
    pub message: Duration,
}

/// Who asks one server.
///
/// # Errors
/// As [`tls::Client::new`].
pub(super) fn agent(
    to: &Url,
    proxy: Option<&Proxy>,
    tls: Option<&tls::Trust>,
    connections: usize,
    patience: Patience,
) -> Result<Agent, tls::Error> {
    let tls = tls.filter(|_| to.is_tls());
    let tls = tls.map(|trust| tls::Client::trusting(trust, &to.address())).transpose()?;
    let road = Road::new(to, proxy, tls, patience.connect);
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .https_only(to.is_tls())
        .user_agent("efface")
        .accept_encoding("identity")
        .max_response_header_size(HEAD_BYTES_MAX)
        .max_idle_connections(connections)
        .max_idle_connections_per_host(connections)
        .timeout_per_write(Some(patience.idle))
        .timeout_send_request(Some(patience.idle))
        .timeout_await_100(Some(CONTINUE))
        .timeout_send_body(Some(patience.message))
        .timeout_recv_response(Some(patience.message))
        .timeout_recv_body(Some(patience.idle))
        .build();
    Ok(Agent::with_parts(config, road, NoNames))
}

/// `application/x-www-form-urlencoded` (RFC 6749 B).
pub(super) fn form(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::new());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
pub(crate) mod tests;
