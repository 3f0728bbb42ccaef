//! What two people must agree to: asked for by one, signed by two with their passwords.

use super::App;
use super::guard::Guest;
use super::page::{Page, Problem, html};
use super::words::words;
use crate::console::{Outcome, Password, Question, Waiting};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/requests", get(requests))
        .route("/requests/{nonce}/sign", post(sign))
        .route("/requests/{nonce}/drop", post(forget))
}

words! {
    Words {
        title: "What two people agree to" | "Ce que deux personnes approuvent";
        intro: "What one person alone may not do is asked for by one and signed by two, each with a password of his own. With the second signature it is done, and stands in the log" | "Ce qu’une personne seule ne peut pas faire est demandé par l’une et signé par deux, chacune avec son mot de passe. À la deuxième signature c’est fait, et inscrit au journal";
        agrees: "Whoever signs agrees to this:" | "Qui signe approuve ceci :";
        by: "Asked for by" | "Demandé par";
        signed: "Signed by" | "Signé par";
        nobody: "nobody yet" | "personne encore";
        until: "To be used until" | "Utilisable jusqu’au";
        sign: "Sign" | "Signer";
        forget: "Not wanted any more" | "Abandonner";
        nothing: "nothing waits to be signed" | "rien n’attend de signature";
        waits: "Two people must agree. It waits here" | "Deux personnes doivent approuver. La demande attend ici";
    }
}

#[derive(Template)]
#[template(path = "requests.html")]
struct Shown {
    page: Page,
    words: &'static Words,
    waiting: Vec<Waiting>,
    said: Option<String>,
}

#[derive(Template)]
#[template(path = "done.html")]
struct Done {
    page: Page,
    text: String,
    back: &'static str,
}

async fn requests(guest: Guest) -> Result<Response, Problem> {
    shown(&guest, None).await
}

async fn shown(guest: &Guest, said: Option<String>) -> Result<Response, Problem> {
    let words = Words::of(guest.language);
    let command = "efface approval show FILE, efface approval sign FILE --key KEY";
    let page = Page::of(guest, words.title, "requests", command).await?;
    let waiting = guest.ask::<Vec<Waiting>>(Question::Pending).await?;
    Ok(html(&Shown { page, words, waiting, said }))
}

#[derive(Deserialize)]
struct Signature {
    csrf: String,
    password: String,
}

async fn sign(
    guest: Guest,
    Path(nonce): Path<String>,
    Form(form): Form<Signature>,
) -> Result<Response, Problem> {
    let question = Question::Sign { nonce, password: Password(form.password) };
    told(&guest, guest.send::<Outcome>(Some(form.csrf), question).await?, "/requests").await
}

#[derive(Deserialize)]
struct Csrf {
    csrf: String,
}

async fn forget(
    guest: Guest,
    Path(nonce): Path<String>,
    Form(form): Form<Csrf>,
) -> Result<Response, Problem> {
    guest.send::<Outcome>(Some(form.csrf), Question::Drop { nonce }).await?;
    shown(&guest, None).await
}

/// Says what became of a deed: it is done, or waits for signatures.
pub(super) async fn told(
    guest: &Guest,
    outcome: Outcome,
    back: &'static str,
) -> Result<Response, Problem> {
    match outcome {
        Outcome::Asked(_) => shown(guest, Some(Words::of(guest.language).waits.to_owned())).await,
        Outcome::Done(text) => {
            let page =
                Page::of(guest, super::words::Common::of(guest.language).done, "", "").await?;
            Ok(html(&Done { page, text, back }))
        }
    }
}
