//! The way of one study.

use super::App;
use super::guard::Guest;
use super::page::{Page, Problem, html};
use super::words::{Language, words};
use crate::console::{Question, Refusal};
use crate::view::study::{Study, Way};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use dicom_core::Tag;
use dicom_core::dictionary::DataDictionary;
use dicom_dictionary_std::StandardDataDictionary;
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/study", get(find)).route("/study/{name}", get(study))
}

words! {
    Words {
        title: "Study" | "Examen";
        way: "Its way" | "Son chemin";
        record: "Record" | "Entrée";
        step: "Step" | "Étape";
        after: "After" | "Après";
        now: "Where it is now" | "Où il est maintenant";
        gone: "nothing of it is here any more" | "il n’en reste rien ici";
        release: "What left" | "Ce qui est sorti";
        left_as: "Study Instance UID as it left" | "Study Instance UID à la sortie";
        patient: "Pseudonym" | "Pseudonyme";
        erased: "erased" | "effacé";
        profile: "Profile" | "Profil";
        verified: "The verifier read what was to be sent and found no residue in" | "Le vérificateur a relu ce qui allait sortir et n’a trouvé aucun résidu dans";
        of: "of" | "sur";
        ground: "Ground" | "Fondement";
        weaker: "Weaker than its base, because" | "Plus faible que sa base, parce que";
        faces: "Faces" | "Visages";
        series: "Series" | "Série";
        finding: "Finding" | "Constat";
        slices: "Slices" | "Coupes";
        overwritten: "Voxels overwritten" | "Voxels remplacés";
        figures: "Figures of the check" | "Chiffres du contrôle";
        actions: "Elements by action" | "Éléments par action";
        elements: "What was done, element by element" | "Ce qui a été fait, élément par élément";
        alike: "objects were treated alike" | "objets traités de la même façon";
        tag: "Element" | "Élément";
        action: "Action" | "Action";
        by: "Decided by" | "Décidé par";
        times: "Times" | "Fois";
        receipt: "Receipt" | "Reçu";
        look: "Pictures, for those who may" | "Images, pour qui en a le droit";
        warning: "THEY SHOW THE PATIENT. Who looks and why stands in the log first" | "ELLES MONTRENT LE PATIENT. Qui regarde et pourquoi est d’abord inscrit au journal";
        slice: "Slice, counted from 1; as it came, and beside it as it leaves, while a parcel waits" | "Coupe, à partir de 1 ; telle que reçue et, tant qu’un colis attend, telle qu’elle sort";
        show_slice: "Show the slice" | "Montrer la coupe";
        surface: "The head’s surface, before and after, by the number of its picture" | "La surface de la tête, avant et après, par le numéro de son image";
        show_surface: "Show the surface" | "Montrer la surface";
    }
}

/// Steps and places, as people call them.
const CALLED: [(&str, &str, &str); 20] = [
    ("taken", "closed, taken by a worker", "clos, pris par un processus"),
    ("released", "verified and released", "vérifié et libéré"),
    ("delivered", "delivered", "livré"),
    ("quarantined", "stays inside", "reste à l’intérieur"),
    ("withdrawn", "taken back", "repris"),
    ("repeated", "came again, unchanged", "reçu à nouveau, identique"),
    ("returned", "put back into the queue", "remis dans la file"),
    ("rejected", "rejected by a person", "rejeté par une personne"),
    ("shown", "a picture was shown", "une image a été montrée"),
    ("erased", "originals erased", "originaux effacés"),
    ("waiting", "waits until the study is quiet", "attend la fin de l’examen"),
    ("in work", "is being de-identified", "en cours de dé-identification"),
    ("on the way", "on the way", "en route"),
    ("in quarantine", "in quarantine", "en quarantaine"),
    ("waits for", "waits for", "attend"),
    ("refused by", "refused by", "refusé par"),
    ("removed", "face removed", "visage retiré"),
    (
        "soft-tissue-removed",
        "soft tissue removed, facial bones kept",
        "tissus mous retirés, os gardés",
    ),
    ("none-found", "no face in it", "sans visage"),
    ("left", "left as it was, on a rule", "laissé tel quel, par une règle"),
];

/// What an action letter means (PS3.15 Table E.1-1a).
const ACTIONS: [(char, &str, &str); 6] = [
    ('X', "removed", "retirés"),
    ('Z', "emptied or replaced", "vidés ou remplacés"),
    ('D', "replaced by a dummy", "remplacés par une valeur neutre"),
    ('U', "UID replaced", "UID remplacés"),
    ('C', "cleaned", "nettoyés"),
    ('K', "kept", "gardés"),
];

#[derive(Template)]
#[template(path = "study.html")]
struct Shown {
    page: Page,
    words: &'static Words,
    name: String,
    study: Study,
}

#[derive(Deserialize)]
struct Sought {
    #[serde(default)]
    name: String,
}

async fn find(Query(sought): Query<Sought>) -> Response {
    let name: String = sought
        .name
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c))
        .collect();
    Redirect::to(&format!("/study/{}", if name.is_empty() { "-" } else { &name })).into_response()
}

async fn study(guest: Guest, Path(name): Path<String>) -> Result<Response, Problem> {
    let words = Words::of(guest.language);
    let page = Page::of(&guest, words.title, "flow", format!("efface study {name} --config FILE"));
    let page = page.await?;
    match guest.ask::<Study>(Question::Study { name: name.clone() }).await {
        Ok(study) => Ok(html(&Shown { page, words, name, study })),
        Err(Problem { refusal: Refusal::Unknown, .. }) => {
            Ok(html(&Shown { page, words, name, study: Study { batches: Vec::new() } }))
        }
        Err(problem) => Err(problem),
    }
}

impl Shown {
    fn called(&self, name: &str) -> String {
        called(self.page.language, name)
    }

    /// Whether there is something of it to look at.
    fn has_originals(&self, way: &Way) -> bool {
        way.places.iter().any(|there| ["on the way", "delivered"].contains(&there.state.as_str()))
    }

    /// The keyword of an element, as the standard's dictionary has it; private ones have none.
    fn keyword(&self, tag: &str) -> &'static str {
        let entry = tag.parse::<Tag>().ok().and_then(|tag| StandardDataDictionary.by_tag(tag));
        entry.map_or("", |entry| entry.alias)
    }

    fn action(&self, letter: &char) -> &'static str {
        let known = ACTIONS.iter().find(|(known, ..)| known == letter);
        known.map_or("", |(_, english, french)| self.page.language.pick(english, french))
    }
}

pub(super) fn called(language: Language, name: &str) -> String {
    let known = CALLED.iter().find(|(known, ..)| *known == name);
    known.map_or(name.to_owned(), |(_, english, french)| language.pick(english, french).to_string())
}
