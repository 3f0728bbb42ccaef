//! STOW-RS (PS3.18 10.5): sends parcels to a DICOMweb server outside, several in a request.
//!
//! | file | what |
//! |---|---|
//! | `body` | `multipart/related` as it is read, never in memory as a whole |
//! | `answer` | what became of each instance, by the word of the server |
//! | `token` | by what we are known there: a bearer token, or one of OAuth 2.0 |
//! | `error` | what can go wrong, and what becomes of the parcels |
//!
//! An instance is stored when the answer names it among those that are, and in no other case: not by the status of the
//! answer, and not by its silence.

mod answer;
mod body;
mod error;
mod token;

pub use error::Error;
pub use token::{Auth, TokenServer, is_token};

use super::http::{self, Patience, Proxy, Url};
use super::scu::{Outside, Zone};
use super::tls;
use answer::Answer;
use body::Multipart;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use token::Tokens;
use ureq::http::{Response, header};
use ureq::{Agent, Body, SendBody};
use zeroize::Zeroizing;

/// Parcels of one request, and their bytes: at least one parcel, whatever its size.
pub const PARCELS_MAX: usize = 64;
/// See [`PARCELS_MAX`].
pub const BYTES_MAX: u64 = 64 << 20;
/// Bytes of the longest answer: a head, and what a server may write about one instance.
const ANSWER_BYTES: (u64, u64) = (64 << 10, 16 << 10);
/// The only form in which an answer is read (PS3.18 F).
const JSON: &str = "application/dicom+json";

/// A DICOMweb server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// The name that messages and logs call it by.
    pub name: String,
    /// What lies below `studies`: the base of its services.
    pub url: Url,
    /// Through which it is reached; `None`: straight.
    pub proxy: Option<Proxy>,
    /// Connections at a time.
    pub connections: usize,
    /// For a connection and its TLS handshake, in seconds.
    pub connect_s: u64,
    /// The longest wait for the server to take or give something, in seconds.
    pub response_s: u64,
    /// The longest time for the instances of a request to go out, and again for its answer, in seconds.
    pub message_s: u64,
}

/// Stores parcels at one server.
pub struct Stow {
    server: Server,
    agent: Agent,
    tokens: Option<Tokens>,
    /// Parcels of a request that the server is known to take.
    load: AtomicUsize,
}

/// What is sent: what may travel to the outside, and nothing else.
type Cargo = <Outside as Zone>::Cargo;

impl Stow {
    /// With `https://` nothing is sent before the handshake has shown who is there.
    ///
    /// # Errors
    /// As [`tls::Client::new`].
    pub fn new(
        server: Server,
        tls: Option<&tls::Trust>,
        auth: Option<Auth>,
    ) -> Result<Self, tls::Error> {
        let patience = Patience {
            connect: Duration::from_secs(server.connect_s),
            idle: Duration::from_secs(server.response_s),
            message: Duration::from_secs(server.message_s),
        };
        let proxy = server.proxy.as_ref();
        let agent = http::agent(&server.url, proxy, tls, server.connections, patience)?;
        let tokens = auth.map(|auth| Tokens::new(&server, auth, tls, patience)).transpose()?;
        Ok(Stow { server, agent, tokens, load: AtomicUsize::new(PARCELS_MAX) })
    }

    /// How many parcels are best given to [`Stow::store`] at a time.
    pub fn load(&self) -> usize {
        self.load.load(Ordering::SeqCst)
    }

    /// Sends these (PS3.18 10.5.1) and waits for the answer: what became of each, in their order. `Ok`: it is stored
    /// there. What is too much for the server is sent in halves.
    pub fn store(&self, parcels: &[Cargo]) -> Vec<Result<(), Error>> {
        let (first, rest) = parcels.split_at(parcels.len() / 2);
        match self.ask(parcels) {
            Ok(answer) => {
                self.took(parcels.len());
                parcels.iter().map(|one| self.verdict(&answer, one)).collect()
            }
            Err(Error::NotTaken { .. }) if !first.is_empty() => {
                self.load.store(rest.len(), Ordering::SeqCst);
                [self.store(first), self.store(rest)].concat()
            }
            Err(error) => {
                if matches!(error, Error::Ended { .. }) {
                    // Some servers hang up on what is too much for them.
                    self.load.store(parcels.len().div_ceil(2).max(1), Ordering::SeqCst);
                }
                parcels.iter().map(|_| Err(error.clone())).collect()
            }
        }
    }

    fn took(&self, parcels: usize) {
        if parcels >= self.load() {
            self.load.store((parcels * 2).min(PARCELS_MAX), Ordering::SeqCst);
        }
    }

    fn verdict(&self, answer: &Answer, parcel: &Cargo) -> Result<(), Error> {
        let destination = self.server.name.clone();
        answer.of(parcel.sop_class(), parcel.sop_instance()).map_err(|status| match status {
            Some(status) => Error::Refused { destination, status },
            None => Error::NotNamed { destination },
        })
    }

    /// One request, and once more with a new token where the server does not take the old one.
    fn ask(&self, parcels: &[Cargo]) -> Result<Answer, Error> {
        let token = self.tokens.as_ref().map(Tokens::now).transpose()?;
        match (self.post(parcels, token.as_ref().map(|token| token.as_str())), &self.tokens, &token) {
            (Err(Error::NotLetIn { status: 401, .. }), Some(tokens), Some(old))
                if tokens.can_be_renewed() =>
            {
                tokens.forget(old);
                self.post(parcels, Some(&tokens.now()?))
            }
            (done, ..) => done,
        }
    }

    fn post(&self, parcels: &[Cargo], token: Option<&str>) -> Result<Answer, Error> {
        let unreadable = |error: std::io::Error| Error::Unreadable { kind: error.kind() };
        let mut body = Multipart::of(parcels).map_err(unreadable)?;
        let mut request = self
            .agent
            .post(self.server.url.join("studies"))
            .header(header::CONTENT_TYPE, body.content_type())
            .header(header::CONTENT_LENGTH, body.length())
            .header(header::ACCEPT, JSON)
            // What the server would not take anyway does not leave.
            .header(header::EXPECT, "100-continue");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, Zeroizing::new(format!("Bearer {token}")).as_str());
        }
        let sent = request.send(SendBody::from_reader(&mut body));
        let name = &self.server.name;
        let answer = sent.map_err(|error| Error::of(name, error))?;
        match answer.status().as_u16() {
            // Conflict: what failed is listed, and the rest is stored.
            200 | 202 | 409 => self.read(answer, parcels.len()),
            _ => Err(Error::answered(name, &answer)),
        }
    }

    fn read(&self, answer: Response<Body>, parcels: usize) -> Result<Answer, Error> {
        let name = &self.server.name;
        if !error::is_json(&answer) {
            return Err(Error::not_web(name, "it does not answer in application/dicom+json, and XML is not read"));
        }
        let most = ANSWER_BYTES.0 + ANSWER_BYTES.1 * parcels as u64;
        let mut text = Vec::new();
        let mut body = answer.into_body().into_reader().take(most + 1);
        body.read_to_end(&mut text).map_err(|error| Error::of(name, error.into()))?;
        let answer = (text.len() as u64 <= most).then(|| Answer::read(&text)).flatten();
        answer.ok_or_else(|| Error::Unread { destination: name.clone() })
    }
}

#[cfg(test)]
mod tests;
