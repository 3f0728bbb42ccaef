//! Destinations, objections, requests, keys.

use super::App;
use super::guard::Guest;
use super::page::{Page, Problem, html};
use super::requests::told;
use super::words::words;
use crate::console::{Outcome, Password, Question};
use crate::view::registers::Registers;
use askama::Template;
use axum::Router;
use axum::extract::Form;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/registers", get(registers))
        .route("/registers/lift", post(lift))
        .route("/registers/object", post(object))
}

words! {
    Words {
        title: "Registers" | "Registres";
        destinations: "Destinations" | "Destinations";
        project: "Project" | "Projet";
        entry: "Entry of the register" | "Inscription au registre";
        no_entry: "no entry" | "aucune inscription";
        no_policy: "no site policy: entries are not needed, and each release says so" | "pas de politique de site : aucune inscription n’est exigée, et chaque sortie le dit";
        standing: "Standing" | "État";
        may: "may be sent to" | "envoi permis";
        blocked: "BLOCKED" | "BLOQUÉE";
        days: "days left" | "jours restants";
        ends: "ends on" | "prend fin le";
        objections: "Objections in force" | "Oppositions en vigueur";
        reference: "Reference" | "Référence";
        scope: "To what" | "À quoi";
        received: "Received" | "Reçue le";
        due: "Answer due" | "Réponse due le";
        answered: "Answered" | "Répondue le";
        overdue: "OVERDUE" | "EN RETARD";
        lift: "Lift" | "Lever";
        add: "Add an objection" | "Ajouter une opposition";
        number: "The patient’s number, Patient ID (0010,0020); it becomes a keyed hash, and is not kept" | "Le numéro du patient, Patient ID (0010,0020) ; il devient une empreinte à clé et n’est pas gardé";
        issuer: "Who gave it out, Issuer of Patient ID; empty: every issuer" | "Qui l’a attribué, Issuer of Patient ID ; vide : tous";
        everything: "everything" | "tout";
        requests: "Erasures and recalls" | "Effacements et rappels";
        kind: "Kind" | "Nature";
        state: "State" | "État";
        keys: "Keys" | "Clés";
        root: "Root key, by its fingerprint" | "Clé racine, par son empreinte";
        generations: "Generations, the newest first" | "Générations, la plus récente d’abord";
        log_key: "Public key of the log" | "Clé publique du journal";
        approvers: "Two of them agree to what one person alone may not do" | "Deux d’entre elles donnent leur accord à ce qu’une personne seule ne peut pas faire";
        nobody: "nobody is named" | "personne n’est désigné";
    }
}

#[derive(Template)]
#[template(path = "registers.html")]
struct Shown {
    page: Page,
    words: &'static Words,
    registers: Registers,
}

async fn registers(guest: Guest) -> Result<Response, Problem> {
    let words = Words::of(guest.language);
    let page = Page::of(&guest, words.title, "registers", "efface registers --config FILE");
    let page = page.await?;
    let registers = guest.ask::<Registers>(Question::Registers).await?;
    Ok(html(&Shown { page, words, registers }))
}

#[derive(Deserialize)]
struct Lifted {
    csrf: String,
    reference: String,
}

async fn lift(guest: Guest, Form(form): Form<Lifted>) -> Result<Response, Problem> {
    let question = Question::LiftObjection { reference: form.reference };
    told(&guest, guest.send::<Outcome>(Some(form.csrf), question).await?, "/registers").await
}

#[derive(Deserialize)]
struct Objected {
    csrf: String,
    id: String,
    issuer: String,
    scope: String,
}

async fn object(guest: Guest, Form(form): Form<Objected>) -> Result<Response, Problem> {
    let Objected { csrf, id, issuer, scope } = form;
    let question = Question::AddObjection { id: Password(id), issuer, scope };
    told(&guest, guest.send::<Outcome>(Some(csrf), question).await?, "/registers").await
}
