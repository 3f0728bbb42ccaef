//! What every answer says to the browser, and who asks: his session, his address, his language.

use super::App;
use super::page::Problem;
use super::words::Language;
use crate::console::{Person, Question, Visitor};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// How pages look, and whether they go over TLS.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Look {
    /// For somebody who has not chosen.
    pub language: Language,
    /// Cookies for TLS alone.
    pub is_tls: bool,
    /// An identity provider signs people in, too.
    pub signs_in_elsewhere: bool,
}

/// Where somebody calls from.
#[derive(Clone, Copy, Debug)]
pub(super) struct From(pub(super) IpAddr);

/// Said with every answer. Scripts, styles and pictures are our own files; a page is in no frame, and no form goes
/// elsewhere; nothing is kept by browsers or on the way.
const SAID: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
];

/// Lets in what is no form of another site, and says what browsers must know.
pub(super) async fn answer_strictly(request: Request, next: Next) -> Response {
    let mut response = if is_from_elsewhere(&request) {
        StatusCode::FORBIDDEN.into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in SAID {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A deed that a page of another origin had the browser do. The token in the form is asked for besides.
fn is_from_elsewhere(request: &Request) -> bool {
    let said = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_ours = said("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    request.method() == Method::POST && !is_ours
}

/// Whoever asks.
pub(super) struct Guest {
    app: App,
    pub(super) visitor: Visitor,
    pub(super) language: Language,
}

impl FromRequestParts<App> for Guest {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let from = parts.extensions.get::<From>().copied();
        // A door says it of everybody.
        let from = from.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), From::address);
        let session = cookie(&parts.headers, app.look.session_cookie());
        let chosen = cookie(&parts.headers, LANGUAGE).and_then(|code| Language::of_code(&code));
        let accepted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        let accepted = accepted.and_then(Language::accepted);
        Ok(Guest {
            app: app.clone(),
            visitor: Visitor { session, from },
            language: chosen.or(accepted).unwrap_or(app.look.language),
        })
    }
}

impl Guest {
    /// Asks the keeper.
    pub(super) async fn ask<T: DeserializeOwned>(&self, question: Question) -> Result<T, Problem> {
        self.send(None, question).await
    }

    /// Has the keeper do something, by a form.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        csrf: Option<String>,
        question: Question,
    ) -> Result<T, Problem> {
        let answer = self.app.line.ask(self.visitor.clone(), csrf, question).await;
        answer.map_err(|refusal| Problem { refusal, language: self.language })
    }

    /// How pages look.
    pub(super) fn look(&self) -> Look {
        self.app.look
    }

    /// Who is signed in.
    pub(super) async fn person(&self) -> Result<Person, Problem> {
        self.ask(Question::Who).await
    }

    /// What makes the browser keep a session, or with an empty one forget it.
    pub(super) fn session_cookie(&self, session: &str) -> String {
        let name = self.app.look.session_cookie();
        let secure = if self.app.look.is_tls { "; Secure" } else { "" };
        let age = if session.is_empty() { "; Max-Age=0" } else { "" };
        format!("{name}={session}; Path=/; HttpOnly; SameSite=Strict{secure}{age}")
    }
}

/// The cookie with the chosen language.
pub(super) const LANGUAGE: &str = "efface-language";

impl Look {
    /// Under TLS no other host, and nothing in plain, can set it (RFC 6265bis 4.1.3).
    fn session_cookie(self) -> &'static str {
        if self.is_tls { "__Host-efface" } else { "efface" }
    }
}

/// A cookie of this browser.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(known, _)| known.trim() == name).map(|(_, value)| value.trim().to_owned())
}
