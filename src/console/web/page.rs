//! What every page has, and what is wrong, as a page.

use super::guard::Guest;
use super::numbers;
use super::words::{Common, Language, words};
use crate::console::{Person, Refusal, Right};
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};

/// What the frame of a page is made of.
pub(super) struct Page {
    /// The words of all pages.
    pub(super) common: &'static Common,
    pub(super) language: Language,
    /// Of the page, also in the window's title.
    pub(super) title: &'static str,
    /// The entry of the menu that is open.
    pub(super) open: &'static str,
    pub(super) person: Option<Person>,
    /// The command that says the same.
    pub(super) command: String,
}

impl Page {
    /// One for somebody who is signed in.
    ///
    /// # Errors
    /// Nobody is.
    pub(super) async fn of(
        guest: &Guest,
        title: &'static str,
        open: &'static str,
        command: impl Into<String>,
    ) -> Result<Self, Problem> {
        let person = Some(guest.person().await?);
        let language = guest.language;
        let common = Common::of(language);
        Ok(Page { common, language, title, open, person, command: command.into() })
    }

    /// One for anybody.
    pub(super) fn for_anybody(language: Language, title: &'static str) -> Self {
        let (common, command) = (Common::of(language), String::new());
        Page { common, language, title, open: "", person: None, command }
    }

    /// What forms bring along.
    pub(super) fn csrf(&self) -> &str {
        self.person.as_ref().map_or("", |person| &person.csrf)
    }

    /// Whether the person has a right: what he may not do is not offered. That he cannot, the keeper sees to.
    pub(super) fn may(&self, right: Right) -> bool {
        self.person.as_ref().is_some_and(|person| right.is_of(&person.roles))
    }
}

/// How numbers are written in templates.
impl Page {
    pub(super) fn short(&self, time: &str) -> String {
        numbers::short(time)
    }

    pub(super) fn seconds(&self, s: &u64) -> String {
        numbers::seconds(*s)
    }

    pub(super) fn milliseconds(&self, ms: &u64) -> String {
        numbers::milliseconds(*ms)
    }

    pub(super) fn bytes(&self, n: &u64) -> String {
        numbers::bytes(*n)
    }
}

/// Writes a template.
pub(super) fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be drawn");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Why there is no page, for whoever asked.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) refusal: Refusal,
    pub(super) language: Language,
}

words! {
    Words {
        title: "Not possible" | "Impossible";
        not_yours: "Your roles do not allow this. Ask whoever keeps the accounts: efface console user roles" | "Vos rôles ne le permettent pas. Demandez à qui gère les comptes : efface console user roles";
        forged: "The form was too old, or not yours. Go back, load the page anew and try again" | "Le formulaire était trop ancien ou n’était pas le vôtre. Revenez en arrière, rechargez la page et recommencez";
        wrong: "Name or password are wrong" | "Nom ou mot de passe incorrects";
        too_often: "Too many tries. Wait a quarter of an hour" | "Trop d’essais. Attendez un quart d’heure";
        no_reason: "What shows a patient is shown for a reason only: write it down" | "Ce qui montre un patient n’est montré que pour un motif : écrivez-le";
        unknown: "There is nothing of that name here" | "Il n’y a rien de ce nom ici";
        nowhere: "There is no such page" | "Cette page n’existe pas";
    }
}

impl Problem {
    fn words(&self) -> (StatusCode, String) {
        let words = Words::of(self.language);
        let (status, text) = match &self.refusal {
            Refusal::SignedOut => (StatusCode::UNAUTHORIZED, ""),
            Refusal::NotYours => (StatusCode::FORBIDDEN, words.not_yours),
            Refusal::Forged => (StatusCode::FORBIDDEN, words.forged),
            Refusal::Wrong => (StatusCode::FORBIDDEN, words.wrong),
            Refusal::TooOften => (StatusCode::TOO_MANY_REQUESTS, words.too_often),
            Refusal::NoReason => (StatusCode::UNPROCESSABLE_ENTITY, words.no_reason),
            Refusal::Unknown => (StatusCode::NOT_FOUND, words.unknown),
            Refusal::Failed(what) => (StatusCode::CONFLICT, what.as_str()),
        };
        (status, text.to_owned())
    }

    /// In words, for a page that goes on.
    pub(super) fn to_words(&self) -> String {
        self.words().1
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.refusal == Refusal::SignedOut {
            return Redirect::to("/sign-in").into_response();
        }
        let (status, text) = self.words();
        let page = Page::for_anybody(self.language, Words::of(self.language).title);
        (status, html(&Wrong { page, text })).into_response()
    }
}

#[derive(Template)]
#[template(path = "wrong.html")]
struct Wrong {
    page: Page,
    text: String,
}

/// What is at no address.
pub(super) async fn nowhere(guest: Guest) -> Response {
    let text = Words::of(guest.language).nowhere.to_owned();
    let page = Page::for_anybody(guest.language, Words::of(guest.language).title);
    (StatusCode::NOT_FOUND, html(&Wrong { page, text })).into_response()
}
