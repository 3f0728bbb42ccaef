//! Destinations, objections, requests, keys.

use super::App;
use super::guard::Guest;
use super::page::{Page, Problem, html};
use super::words::words;
use crate::console::Question;
use crate::view::registers::Registers;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/registers", get(registers))
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
