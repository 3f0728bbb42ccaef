//! The log: searched, verified, taken along.

use super::App;
use super::guard::Guest;
use super::page::{Page, Problem, html};
use super::words::words;
use crate::console::Question;
use crate::view::audit::{File, Records, Verified, Wanted};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Records that are shown if nobody says how many.
const SHOWN: usize = 100;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/audit", get(records))
        .route("/audit/verify", get(verify))
        .route("/audit/checkpoint", get(checkpoint))
        .route("/audit/key", get(key))
        .route("/audit/export.csv", get(export))
        .route("/receipt/{name}", get(receipt))
}

words! {
    Words {
        title: "Audit" | "Journal";
        search: "Search" | "Chercher";
        since: "Since" | "Depuis";
        until: "Before" | "Avant";
        event: "Event" | "Événement";
        profile: "Profile" | "Profil";
        patient: "Pseudonym" | "Pseudonyme";
        last: "At most" | "Au plus";
        found: "records found" | "entrées trouvées";
        record: "Record" | "Entrée";
        batch: "Batch" | "Lot";
        says: "What it says" | "Ce qu’elle dit";
        verify: "Verify all of it" | "Tout vérifier";
        checkpoint: "Newest checkpoint" | "Dernier point de contrôle";
        key: "Public key of the log" | "Clé publique du journal";
        export: "These as CSV" | "Celles-ci en CSV";
        sound: "records, all as they were signed" | "entrées, toutes telles que signées";
        unsound: "THE LOG IS NOT WHAT WAS SIGNED. Keep all of it as it is, and find out who could write to it" | "LE JOURNAL N’EST PAS CE QUI A ÉTÉ SIGNÉ. Gardez-le tel quel et cherchez qui a pu y écrire";
        root: "Root of the tree" | "Racine de l’arbre";
        erased: "records whose part about a patient was erased" | "entrées dont la partie sur un patient a été effacée";
        believed: "The key beside the log was believed. Whoever keeps a copy of his own verifies without us" | "La clé à côté du journal a été crue. Qui en garde une copie vérifie sans nous";
        by_hand: "efface audit verify --log-key COPY --checkpoint COPY, and packaging/verify_receipt.py for receipts" | "efface audit verify --log-key COPIE --checkpoint COPIE, et packaging/verify_receipt.py pour les reçus";
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Shown {
    page: Page,
    words: &'static Words,
    wanted: Wanted,
    query: String,
    records: Records,
}

#[derive(Template)]
#[template(path = "verified.html")]
struct Judged {
    page: Page,
    words: &'static Words,
    verified: Verified,
}

async fn records(
    guest: Guest,
    Query(wanted): Query<Wanted>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Result<Response, Problem> {
    let words = Words::of(guest.language);
    let page =
        Page::of(&guest, words.title, "audit", "efface audit show --state DIR --json").await?;
    let wanted = Wanted { last: if wanted.last == 0 { SHOWN } else { wanted.last }, ..wanted };
    let records = guest.ask::<Records>(Question::Records(wanted.clone())).await?;
    Ok(html(&Shown { page, words, wanted, query: query.unwrap_or_default(), records }))
}

async fn verify(guest: Guest) -> Result<Response, Problem> {
    let words = Words::of(guest.language);
    let page = Page::of(&guest, words.title, "audit", "efface audit verify --state DIR").await?;
    let verified = guest.ask::<Verified>(Question::VerifyLog).await?;
    Ok(html(&Judged { page, words, verified }))
}

async fn receipt(guest: Guest, Path(name): Path<String>) -> Result<Response, Problem> {
    let file = guest.ask::<File>(Question::Receipt { name }).await?;
    Ok(download(file, "application/json"))
}

async fn checkpoint(guest: Guest) -> Result<Response, Problem> {
    let file = guest.ask::<File>(Question::Checkpoint { key: false }).await?;
    Ok(download(file, "text/plain; charset=utf-8"))
}

async fn key(guest: Guest) -> Result<Response, Problem> {
    let file = guest.ask::<File>(Question::Checkpoint { key: true }).await?;
    Ok(download(file, "text/plain; charset=utf-8"))
}

async fn export(guest: Guest, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    let wanted = Wanted { last: usize::MAX, ..wanted };
    let file = guest.ask::<File>(Question::ExportLog(wanted)).await?;
    Ok(download(file, "text/csv; charset=utf-8"))
}

/// A file to keep, under its name.
pub(super) fn download(file: File, kind: &'static str) -> Response {
    let legal = |c: &char| c.is_ascii_alphanumeric() || ".-_".contains(*c);
    let name: String = file.name.chars().filter(legal).collect();
    let how = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let mut response = ([(header::CONTENT_TYPE, kind)], file.text).into_response();
    if let Ok(how) = how {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, how);
    }
    response
}
