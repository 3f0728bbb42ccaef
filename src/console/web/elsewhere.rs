//! The way to the hospital's identity provider, and back.

use super::App;
use super::guard::{Guest, cookie};
use super::page::Problem;
use super::sign_in::shown;
use crate::console::{Elsewhere, Password, Question, Refusal, SignedIn};
use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

/// The browser that was sent there: whoever comes back with another's state is refused.
const STATE: &str = "efface-elsewhere";

pub(super) fn routes() -> Router<App> {
    Router::new().route("/sign-in/oidc", get(there)).route("/sign-in/oidc/back", get(back))
}

async fn there(guest: Guest) -> Result<Response, Problem> {
    let Elsewhere { url, state } = guest.ask(Question::SignInElsewhere).await?;
    let secure = if guest.look().is_tls { "; Secure" } else { "" };
    // Lax: it comes back from another site.
    let cookie =
        format!("{STATE}={state}; Path=/sign-in/oidc; Max-Age=600; HttpOnly; SameSite=Lax{secure}");
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to(&url)).into_response())
}

#[derive(Deserialize)]
struct Brought {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
}

async fn back(guest: Guest, headers: HeaderMap, Query(brought): Query<Brought>) -> Response {
    let Brought { state, code } = brought;
    let is_own = cookie(&headers, STATE).is_some_and(|own| own == state);
    let question = Question::CameBack { state, code: Password(code) };
    let signed = match is_own {
        true => guest.ask::<SignedIn>(question).await,
        false => Err(Problem { refusal: Refusal::Forged, language: guest.language }),
    };
    match signed {
        // A redirect would still be the other site's, and strict cookies stay at home then: a page of ours goes on.
        Ok(signed) => {
            let cookie = guest.session_cookie(&signed.session);
            let on = "<!doctype html><meta http-equiv=\"refresh\" content=\"0;url=/\"><title>efface</title><a href=\"/\">efface</a>";
            (AppendHeaders([(header::SET_COOKIE, cookie)]), Html(on)).into_response()
        }
        Err(problem) => {
            (StatusCode::FORBIDDEN, shown(&guest, Some(problem.to_words()))).into_response()
        }
    }
}
