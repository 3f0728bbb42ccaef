//! Signing in and out, the account, and the language.

use super::App;
use super::guard::{Guest, LANGUAGE};
use super::page::{Page, Problem, html};
use super::words::{Language, words};
use crate::console::{Password, Question, Refusal, SignedIn};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Query};
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use zeroize::Zeroize;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/sign-in", get(form).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/account", get(account).post(change_password))
        .route("/language", get(language))
}

words! {
    Words {
        title: "Sign in" | "Connexion";
        name: "Name" | "Nom";
        password: "Password" | "Mot de passe";
        sign_in: "Sign in" | "Se connecter";
        elsewhere: "Sign in with the hospital’s account" | "Se connecter avec le compte de l’hôpital";
        account: "Account" | "Compte";
        roles: "Roles" | "Rôles";
        person: "The line for approvers: in the configuration, if this person is one of those who agree" | "La ligne pour approvers: dans la configuration, si cette personne est de celles qui donnent leur accord";
        old: "Password that counts" | "Mot de passe actuel";
        new: "New password, at least 12 characters" | "Nouveau mot de passe, 12 caractères au moins";
        change: "Change the password" | "Changer le mot de passe";
        not_taken: "The old password is wrong, or the new one is too short" | "L’ancien mot de passe est faux, ou le nouveau est trop court";
        changed: "The password is changed" | "Le mot de passe est changé";
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    page: Page,
    words: &'static Words,
    wrong: Option<String>,
    elsewhere: bool,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Account {
    page: Page,
    words: &'static Words,
    said: Option<&'static str>,
}

async fn form(guest: Guest) -> Response {
    shown(&guest, None)
}

/// The form, with what was wrong.
pub(super) fn shown(guest: &Guest, wrong: Option<String>) -> Response {
    let (language, elsewhere) = (guest.language, guest.look().signs_in_elsewhere);
    let words = Words::of(language);
    html(&SignIn { page: Page::for_anybody(language, words.title), words, wrong, elsewhere })
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

async fn sign_in(guest: Guest, Form(form): Form<Credentials>) -> Response {
    let Credentials { name, password } = form;
    let question = Question::SignIn { name, password: Password(password) };
    match guest.ask::<SignedIn>(question).await {
        Ok(signed) => go_in(&guest, &signed, "/"),
        Err(problem) => {
            let (status, words) = match problem.refusal {
                Refusal::TooOften => (StatusCode::TOO_MANY_REQUESTS, problem.to_words()),
                _ => (StatusCode::FORBIDDEN, problem.to_words()),
            };
            (status, shown(&guest, Some(words))).into_response()
        }
    }
}

fn go_in(guest: &Guest, signed: &SignedIn, to: &str) -> Response {
    let cookie = guest.session_cookie(&signed.session);
    (AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to(to)).into_response()
}

#[derive(Deserialize)]
struct Csrf {
    csrf: String,
}

async fn sign_out(guest: Guest, Form(form): Form<Csrf>) -> Result<Response, Problem> {
    guest.send::<()>(Some(form.csrf), Question::SignOut).await?;
    let cookie = guest.session_cookie("");
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to("/sign-in")).into_response())
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    changed: bool,
}

async fn account(guest: Guest, Query(told): Query<Told>) -> Result<Response, Problem> {
    let words = Words::of(guest.language);
    let page = Page::of(&guest, words.account, "account", "efface console user ls").await?;
    Ok(html(&Account { page, words, said: told.changed.then_some(words.changed) }))
}

#[derive(Deserialize, Zeroize)]
struct NewPassword {
    csrf: String,
    old: String,
    new: String,
}

async fn change_password(guest: Guest, Form(form): Form<NewPassword>) -> Result<Response, Problem> {
    let NewPassword { csrf, old, new } = form;
    let question = Question::ChangePassword { old: Password(old), new: Password(new) };
    match guest.send::<SignedIn>(Some(csrf), question).await {
        Ok(signed) => Ok(go_in(&guest, &signed, "/account?changed=true")),
        Err(Problem { refusal: Refusal::Wrong, .. }) => {
            let words = Words::of(guest.language);
            let page = Page::of(&guest, words.account, "account", "efface console user ls").await?;
            let shown = html(&Account { page, words, said: Some(words.not_taken) });
            Ok((StatusCode::FORBIDDEN, shown).into_response())
        }
        Err(problem) => Err(problem),
    }
}

#[derive(Deserialize)]
struct Chosen {
    to: String,
    #[serde(default)]
    back: String,
}

/// Keeps the chosen language; no session is needed for it.
async fn language(Query(chosen): Query<Chosen>) -> Response {
    let language = Language::of_code(&chosen.to).unwrap_or_default();
    // A path of ours, and of no other site.
    let is_ours = chosen.back.starts_with('/') && !chosen.back[1..].starts_with(['/', '\\']);
    let back = if is_ours { chosen.back.as_str() } else { "/" };
    let cookie =
        format!("{LANGUAGE}={}; Path=/; Max-Age=31536000; SameSite=Strict", language.code());
    (AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to(back)).into_response()
}
