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
use super::{EXPLICIT_VR_LE, tls};
use crate::id::Uid;
use answer::Answer;
use body::Multipart;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use token::Tokens;
use ureq::http::{Response, header};
use ureq::{Agent, Body, RequestBuilder, SendBody};
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
    /// Whether the last request was answered as one that is let in.
    is_let_in: AtomicBool,
    /// Whether parts name their transfer syntax.
    says_syntax: AtomicBool,
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
        let (load, is_let_in) = (AtomicUsize::new(PARCELS_MAX), AtomicBool::new(false));
        Ok(Stow { server, agent, tokens, load, is_let_in, says_syntax: AtomicBool::new(true) })
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

    /// Has the server delete a study. The standard has no such request; servers that do it take this one.
    ///
    /// # Errors
    /// It is not known to be gone.
    pub fn delete(&self, study: &str) -> Result<(), Error> {
        let name = &self.server.name;
        let uid: Uid = study.parse().map_err(|_| Error::not_web(name, "no UID of a study"))?;
        let answer = self.known(|token| {
            let path = format!("studies/{}", uid.as_str());
            self.with(self.agent.delete(self.server.url.join(&path)), token).call()
        })?;
        match answer.status().as_u16() {
            200 | 204 => Ok(()),
            // It may never have been there, or this may be no address for it: only a search tells.
            404 | 410 => self.search(&uid),
            // Accepted, and not done yet.
            202 => Err(Error::Late { destination: name.clone() }),
            _ => Err(Error::answered(name, &answer)),
        }
    }

    /// Whether it lets us in: asked for a study that nobody has.
    ///
    /// # Errors
    /// It does not, or cannot be reached.
    pub fn greet(&self) -> Result<(), Error> {
        let nobodys = "2.25.0".parse().map_err(|_| Error::not_web(&self.server.name, "no UID"))?;
        self.search(&nobodys)
    }

    /// Nothing is found of a study (QIDO-RS, PS3.18 10.6).
    fn search(&self, uid: &Uid) -> Result<(), Error> {
        let name = &self.server.name;
        let answer = self.known(|token| {
            let path = format!("studies?StudyInstanceUID={}", uid.as_str());
            let request = self.agent.get(self.server.url.join(&path)).header(header::ACCEPT, JSON);
            self.with(request, token).call()
        })?;
        match answer.status().as_u16() {
            204 => Ok(()),
            200 if error::is_json(&answer) => {
                let mut text = Vec::new();
                let read = answer.into_body().into_reader().take(3).read_to_end(&mut text);
                read.map_err(|error| Error::of(name, error.into()))?;
                let is_none = text.trim_ascii() == b"[]";
                if is_none {
                    Ok(())
                } else {
                    Err(Error::Failing { destination: name.clone(), status: 404 })
                }
            }
            _ => Err(Error::answered(name, &answer)),
        }
    }

    /// One request with the token of the hour, and once more with a new one where the server does not take that.
    fn known(
        &self,
        request: impl Fn(Option<&str>) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, Error> {
        let ask = |token: Option<&str>| {
            request(token).map_err(|error| Error::of(&self.server.name, error))
        };
        let token = self.tokens.as_ref().map(Tokens::now).transpose()?;
        let answer = ask(token.as_ref().map(|token| token.as_str()))?;
        match (&self.tokens, &token) {
            (Some(tokens), Some(old)) if answer.status() == 401 && tokens.can_be_renewed() => {
                tokens.forget(old);
                ask(Some(&tokens.now()?))
            }
            _ => Ok(answer),
        }
    }

    fn with<B>(&self, request: RequestBuilder<B>, token: Option<&str>) -> RequestBuilder<B> {
        match token {
            Some(token) => {
                let token = Zeroizing::new(format!("Bearer {token}"));
                request.header(header::AUTHORIZATION, token.as_str())
            }
            None => request,
        }
    }

    /// There are servers that refuse the parts of a request which name their transfer syntax, as the standard has it.
    fn ask(&self, parcels: &[Cargo]) -> Result<Answer, Error> {
        let says = self.says_syntax.load(Ordering::SeqCst);
        let asked = self.ask_saying(parcels, says);
        let is_default = |parcel: &Cargo| parcel.transfer_syntax() == EXPLICIT_VR_LE;
        let is_refused = match &asked {
            Ok(answer) => answer.is_silent(),
            Err(error) => matches!(error, Error::NotTaken { status: 400 | 415, .. }),
        };
        if !is_refused || parcels.iter().all(is_default) {
            return asked;
        }
        match self.ask_saying(parcels, !says) {
            Ok(answer) if !answer.is_silent() => {
                self.says_syntax.store(!says, Ordering::SeqCst);
                Ok(answer)
            }
            _ => asked,
        }
    }

    fn ask_saying(&self, parcels: &[Cargo], says: bool) -> Result<Answer, Error> {
        let knocks = !self.is_let_in.load(Ordering::SeqCst);
        let asked = self.known(|token| self.post(parcels, (says, knocks), token));
        let answered = asked.and_then(|answer| match answer.status().as_u16() {
            // Conflict: what failed is listed, and the rest is stored.
            200 | 202 | 409 => self.read(answer, parcels.len()),
            _ => Err(Error::answered(&self.server.name, &answer)),
        });
        self.is_let_in.store(answered.is_ok(), Ordering::SeqCst);
        answered
    }

    fn post(
        &self,
        parcels: &[Cargo],
        (says, knocks): (bool, bool),
        token: Option<&str>,
    ) -> Result<Response<Body>, ureq::Error> {
        let mut body = Multipart::of(parcels, says)?;
        let mut request = self
            .agent
            .post(self.server.url.join("studies"))
            .header(header::CONTENT_TYPE, body.content_type())
            .header(header::CONTENT_LENGTH, body.length())
            .header(header::ACCEPT, JSON);
        if knocks {
            // What the server would not take anyway does not leave. Some say nothing to it: each time would cost seconds.
            request = request.header(header::EXPECT, "100-continue");
        }
        self.with(request, token).send(SendBody::from_reader(&mut body))
    }

    fn read(&self, answer: Response<Body>, parcels: usize) -> Result<Answer, Error> {
        let name = &self.server.name;
        if !error::is_json(&answer) {
            return Err(Error::not_web(
                name,
                "it does not answer in application/dicom+json, and XML is not read",
            ));
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
