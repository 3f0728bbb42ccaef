//! By what we are known to a server: a bearer token (RFC 6750), or one that an authorization server gives us for a
//! while (client credentials, RFC 6749 4.4). Neither secrets nor tokens are in an error, a log line or a Debug.

use super::error::Broken;
use super::{Error, Server};
use crate::net::http::{self, Patience, Url, form};
use crate::net::tls;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::http::header;
use zeroize::Zeroizing;

/// A token is asked for anew so long before it expires.
const BEFORE: Duration = Duration::from_secs(30);
/// What a token is believed to last that does not say so, and the longest that is believed.
const LASTS: Duration = Duration::from_secs(300);
/// See [`LASTS`].
const LASTS_MAX: Duration = Duration::from_secs(24 * 3600);
/// Bytes of the longest answer that is read.
const BYTES_MAX: u64 = 64 << 10;

/// By what we are known. For the process that talks, and nobody else.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// A token that was given to us.
    Bearer(Zeroizing<String>),
    /// What a token is asked for with.
    OAuth2 {
        /// Whom to ask.
        server: TokenServer,
        /// Our secret there.
        secret: Zeroizing<String>,
    },
}

/// Without the secrets.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth")
    }
}

/// An authorization server, and what we are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenServer {
    /// Its token endpoint.
    pub url: Url,
    /// Our name there.
    pub client_id: String,
    /// What is asked for; `None`: what it grants by itself.
    pub scope: Option<String>,
}

/// The token of the hour.
pub(super) struct Tokens {
    destination: String,
    auth: Auth,
    /// Asks for tokens.
    agent: Option<Agent>,
    kept: Mutex<Option<(Zeroizing<String>, Instant)>>,
}

impl Tokens {
    /// The authorization server is believed by the same CA as the destination. What is pinned is the destination's.
    ///
    /// # Errors
    /// As [`tls::Client::new`].
    pub(super) fn new(
        to: &Server,
        auth: Auth,
        tls: Option<&tls::Trust>,
        patience: Patience,
    ) -> Result<Self, tls::Error> {
        let tls = tls.map(|trust| tls::Trust { certificate: None, ..trust.clone() });
        let agent = match &auth {
            Auth::Bearer(_) => None,
            Auth::OAuth2 { server, .. } => {
                Some(http::agent(&server.url, to.proxy.as_ref(), tls.as_ref(), 1, patience)?)
            }
        };
        Ok(Tokens { destination: to.name.clone(), auth, agent, kept: Mutex::new(None) })
    }

    /// A token that has not expired.
    ///
    /// # Errors
    /// [`Error::NoToken`].
    pub(super) fn now(&self) -> Result<Zeroizing<String>, Error> {
        let (server, secret, agent) = match (&self.auth, &self.agent) {
            (Auth::OAuth2 { server, secret }, Some(agent)) => (server, secret, agent),
            (Auth::Bearer(token), _) => return Ok(token.clone()),
            (Auth::OAuth2 { .. }, None) => return Err(self.none("nobody to ask", true)),
        };
        // Under the lock: one asks, and the others wait for what it gets.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, until)) = &*kept
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let granted = self.ask(server, secret, agent)?;
        let lasts = granted.expires_in.map_or(LASTS, Duration::from_secs).min(LASTS_MAX);
        let until = Instant::now() + lasts.saturating_sub(BEFORE).max(lasts / 2);
        *kept = Some((granted.access_token.clone(), until));
        Ok(granted.access_token)
    }

    /// Whether another one could be had.
    pub(super) fn can_be_renewed(&self) -> bool {
        self.agent.is_some()
    }

    /// The server does not take it any more.
    pub(super) fn forget(&self, token: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|(known, _)| known.as_str() == token) {
            *kept = None;
        }
    }

    fn ask(&self, server: &TokenServer, secret: &str, agent: &Agent) -> Result<Granted, Error> {
        let name = Zeroizing::new([form(&server.client_id).as_str(), &form(secret)].join(":"));
        let name = Zeroizing::new(format!("Basic {}", BASE64.encode(name.as_bytes())));
        let scope = server.scope.as_ref().map(|scope| format!("&scope={}", form(scope).as_str()));
        let asked = agent
            .post(server.url.to_string())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, name.as_str())
            .send(format!("grant_type=client_credentials{}", scope.unwrap_or_default()));
        let answer = asked.map_err(|error| match Broken::of(error) {
            Broken::Lost(why) => self.none(&why, false),
            Broken::Late => self.none("no answer in time; it is asked again", false),
            Broken::Ended(how) => self.none(&format!("it ended ({how}); it is asked again"), false),
            Broken::Protocol(what) => self.none(&what, true),
        })?;
        match answer.status().as_u16() {
            200 => {}
            400 | 401 | 403 => {
                let what = "it does not know us. Check client_id:, client_secret_file: and scope:";
                return Err(self.none(what, true));
            }
            status @ (408 | 429 | 500..600) => {
                return Err(self.none(&format!("HTTP {status}; it is asked again"), false));
            }
            status => {
                return Err(self.none(&format!("HTTP {status}. Check token_url:"), true));
            }
        }
        let mut text = Zeroizing::new(Vec::new());
        let read = answer.into_body().into_reader().take(BYTES_MAX).read_to_end(&mut text);
        read.map_err(|_| self.none("it ended in its answer; it is asked again", false))?;
        let granted = serde_json::from_slice::<Granted>(&text).ok();
        let granted = granted.filter(|granted| {
            granted.token_type.eq_ignore_ascii_case("bearer") && is_token(&granted.access_token)
        });
        granted.ok_or_else(|| self.none("its answer is no bearer token. Check token_url:", true))
    }

    fn none(&self, why: &str, halts: bool) -> Error {
        let host = match &self.auth {
            Auth::OAuth2 { server, .. } => server.url.host().to_owned(),
            Auth::Bearer(_) => String::new(),
        };
        let (destination, why) = (self.destination.clone(), why.to_owned());
        Error::NoToken { destination, host, why, halts }
    }
}

/// A successful answer (RFC 6749 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: Zeroizing<String>,
    token_type: String,
    expires_in: Option<u64>,
}

/// Whether a text has the form of a bearer token (RFC 6750 2.1), so that it fits into a header.
pub fn is_token(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    !text.is_empty() && text.bytes().all(legal)
}
