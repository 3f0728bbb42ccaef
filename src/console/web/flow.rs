//! The first page: what comes from where, where it is, how fast it leaves.

use super::App;
use super::guard::Guest;
use super::page::{Page, Problem, html};
use super::study::called;
use super::words::{Language, words};
use crate::console::Question;
use crate::view::flow::{Destination, Flow};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/", get(flow))
}

words! {
    Words {
        title: "Flow" | "Flux";
        states: "Instances, of all that were ever acknowledged" | "Instances, de toutes celles qui ont été acceptées";
        lost: "CANNOT BE FOUND: efface spool check names the batches" | "INTROUVABLES : efface spool check nomme les lots";
        all_found: "every acknowledged instance is accounted for" | "chaque instance acceptée est retrouvée";
        oldest: "the oldest that is not delivered has waited" | "la plus ancienne non livrée attend depuis";
        free: "of disk are free" | "de disque libres";
        sources: "Sources" | "Sources";
        source_title: "AE title" | "AE title";
        from: "From" | "Depuis";
        anywhere: "any address" | "toute adresse";
        listed: "listed addresses" | "adresses désignées";
        shows: "Certificate" | "Certificat";
        plain: "plain, no TLS" | "en clair, sans TLS";
        returns: "returns results of" | "renvoie les résultats de";
        destinations: "Destinations" | "Destinations";
        profile: "Profile" | "Profil";
        standing: "Standing" | "État";
        may: "may be sent to" | "envoi permis";
        blocked: "BLOCKED" | "BLOQUÉE";
        days: "days left" | "jours restants";
        waiting: "Batches waiting" | "Lots en attente";
        refused: "Refused" | "Refusés";
        retry: "Try again:" | "Réessayer :";
        arrived: "Arrived in 48 h" | "Arrivés en 48 h";
        waited: "Last image to first byte" | "Dernière image au premier octet";
        took: "First byte to all there" | "Premier octet à tout arrivé";
        quantiles: "median, 95 %" | "médiane, 95 %";
        held: "In quarantine" | "En quarantaine";
        nothing_held: "nothing is in quarantine" | "rien en quarantaine";
        meaning: "What it means, and what to do" | "Ce que cela veut dire, et que faire";
        batches: "Last batches" | "Derniers lots";
        no_batches: "no study has come yet" | "aucun examen n’est encore arrivé";
        batch: "Batch" | "Lot";
        taken: "Taken" | "Pris";
        last: "What became of it" | "Ce qu’il en est advenu";
        plot: "Instances an hour, 48 hours" | "Instances par heure, 48 heures";
    }
}

/// What the log calls it, and how it is called in a person's language.
const STATES: [(&str, &str, &str); 7] = [
    ("waiting", "waiting", "en attente"),
    ("on the way", "on the way", "en route"),
    ("delivered", "delivered, originals kept", "livrées, originaux gardés"),
    ("in quarantine", "in quarantine", "en quarantaine"),
    ("rejected", "rejected by a person", "rejetées par une personne"),
    ("repeated", "came again, unchanged", "reçues à nouveau, identiques"),
    ("erased", "delivered, originals erased", "livrées, originaux effacés"),
];

#[derive(Template)]
#[template(path = "flow.html")]
struct Shown {
    page: Page,
    words: &'static Words,
    flow: Flow,
}

async fn flow(guest: Guest) -> Result<Response, Problem> {
    let words = Words::of(guest.language);
    let page = Page::of(&guest, words.title, "flow", "efface flow --config FILE").await?;
    let flow = guest.ask::<Flow>(Question::Flow).await?;
    Ok(html(&Shown { page, words, flow }))
}

impl Shown {
    fn state(&self, name: &str) -> String {
        state(self.page.language, name)
    }

    fn called(&self, name: &str) -> String {
        called(self.page.language, name)
    }

    fn plot(&self, destination: &Destination) -> String {
        plot(destination)
    }
}

/// A state as a person calls it.
fn state(language: Language, name: &str) -> String {
    let known = STATES.iter().find(|(known, ..)| *known == name);
    known.map_or(name.to_owned(), |(_, english, french)| language.pick(english, french).to_string())
}

/// A line over the hours, as points of a drawing of 480 by 40.
fn plot(destination: &Destination) -> String {
    let most = destination.hours.iter().map(|(instances, _)| *instances).max().unwrap_or(0).max(1);
    let step = 480.0 / destination.hours.len().max(2).saturating_sub(1) as f64;
    let point = |(n, (instances, _)): (usize, &(u64, u64))| {
        let height = 38.0 * *instances as f64 / most as f64;
        format!("{:.1},{:.1}", n as f64 * step, 39.0 - height)
    };
    destination.hours.iter().enumerate().map(point).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_a_name_in_each_language() {
        assert_eq!(state(Language::Fr, "waiting"), "en attente");
        assert_eq!(state(Language::En, "of a newer version"), "of a newer version");
    }
}
