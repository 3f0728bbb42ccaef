//! What stays inside: listed, looked at, decided about.

use super::App;
use super::guard::Guest;
use super::page::{Page, Problem, html};
use super::pictures::Shelf;
use super::requests::told;
use super::words::{Language, words};
use crate::console::{Deed, Outcome, Question, Refusal, Right};
use crate::spool::quarantine::Code;
use crate::view::pictures::{Picture, What};
use crate::view::profile::{Shipped, shipped};
use crate::view::quarantine::{Choice, Held, Kind, Whole};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use std::collections::BTreeSet;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/quarantine", get(list))
        .route("/quarantine/decide", post(decide))
        .route("/quarantine/release", post(release))
        .route("/quarantine/picture", post(picture))
        .route("/quarantine/picture/{token}", get(png))
        .route("/quarantine/{name}", get(entry))
}

words! {
    Words {
        title: "Quarantine" | "Quarantaine";
        intro: "What stays inside until a person has decided. Nothing here has left for the destination that is named" | "Ce qui reste à l’intérieur jusqu’à ce qu’une personne décide. Rien de ceci n’est sorti vers la destination nommée";
        filter: "Show" | "Afficher";
        code: "Code" | "Code";
        all: "all" | "tout";
        everybody: "all destinations" | "toutes les destinations";
        name: "Name" | "Nom";
        why: "Why" | "Pourquoi";
        what_to_do: "What to do" | "Que faire";
        since: "Since" | "Depuis";
        exactly: "What exactly was found" | "Ce qui a été constaté exactement";
        holds: "What it holds, by SOP class" | "Contenu, par classe SOP";
        tried: "What was done so far" | "Ce qui a été fait jusqu’ici";
        event: "Step" | "Étape";
        nothing: "nothing is in quarantine" | "rien n’est en quarantaine";
        choose: "Choose" | "Choisir";
        chosen: "With what is chosen:" | "Avec la sélection :";
        retry: "Try again" | "Réessayer";
        under: "Under which profile" | "Sous quel profil";
        in_force: "the one in force" | "celui en vigueur";
        under_hint: "Another one counts once, and only if it is plainly stricter than the one in force" | "Un autre vaut une fois, et seulement s’il est nettement plus strict que celui en vigueur";
        retry_hint: "after what was in its way has been put right" | "après avoir corrigé ce qui l’empêchait";
        reject: "Reject: it never leaves" | "Rejeter : ne sortira jamais";
        reject_hint: "One person decides. It is out of quarantine at once; originals that no other destination needs are deleted, once it stands in the log" | "Une personne décide. Cela quitte aussitôt la quarantaine ; les originaux dont aucune autre destination n’a besoin sont supprimés, une fois l’inscription au journal faite";
        release: "Ask for its release" | "Demander la sortie";
        release_hint: "For doubts that can be settled by looking. Two people must have looked at every picture of it, and sign" | "Pour les doutes qu’un regard peut lever. Deux personnes doivent avoir vu chaque image, et signer";
        because: "Reason: it stands in the log" | "Motif : il figure au journal";
        decided: "What was decided" | "Ce qui a été décidé";
        not_decided: "not decided" | "non décidé";
        pictures: "Pictures" | "Images";
        warning: "IT SHOWS THE PATIENT. Who looks and why stands in the log first" | "CELA MONTRE LE PATIENT. Qui regarde et pourquoi est d’abord inscrit au journal";
        slice: "Slice" | "Coupe";
        surface: "Picture of a surface, by its number" | "Image d’une surface, par son numéro";
        show: "Show the picture" | "Montrer l’image";
        of: "of" | "sur";
        drawn: "As it came; beside it, where a parcel still waits, as it leaves" | "Tel que reçu ; à côté, si un colis attend encore, tel qu’il sort";
        back: "Back to the entry" | "Retour à l’entrée";
        gone: "The picture is not here any more: ask for it again" | "L’image n’est plus là : demandez-la à nouveau";
        queued: "is in the queue again" | "est de nouveau dans la file";
        rejected: "never leaves" | "ne sortira jamais";
    }
}

/// Kinds of things, as people call them.
const KINDS: [(Kind, &str, &str); 4] = [
    (Kind::Study, "originals", "originaux"),
    (Kind::Refused, "refused by the destination", "refusé par la destination"),
    (Kind::Result, "results", "résultats"),
    (Kind::RefusedResult, "results refused by the PACS", "résultats refusés par le PACS"),
];

/// What codes mean and what to do, in French; in English the view has it.
const IN_FRENCH: [(Code, &str, &str); 24] = [
    (
        Code::Damaged,
        "les octets sur le disque ne sont pas ceux reçus",
        "vérifier le disque, faire renvoyer l’examen",
    ),
    (Code::Malformed, "jeu de données mal formé", "le faire exporter à nouveau par l’expéditeur"),
    (Code::NoIdentity, "un UID manque ou n’est pas permis", "le faire corriger par l’expéditeur"),
    (
        Code::Conflict,
        "un autre contenu a été reçu sous le même SOP Instance UID",
        "demander à l’expéditeur lequel est juste",
    ),
    (
        Code::ClassPolicy,
        "les objets de cette classe SOP ne sortent qu’après un regard humain",
        "regarder : deux personnes peuvent libérer, une peut rejeter",
    ),
    (
        Code::NoDefacer,
        "aucun effacement du visage pour ce type d’image : il peut y en avoir un",
        "regarder : deux personnes peuvent libérer, une peut rejeter",
    ),
    (
        Code::FaceNotCleared,
        "il n’a pas pu être prouvé qu’aucun visage ne sort",
        "regarder : deux personnes peuvent libérer, une peut rejeter",
    ),
    (
        Code::FaceOutOfTime,
        "l’étape du visage n’a pas fini à temps",
        "augmenter face_s dans la configuration, puis réessayer",
    ),
    (
        Code::Localizer,
        "un topogramme peut montrer le profil du visage",
        "regarder : deux personnes peuvent libérer, une peut rejeter",
    ),
    (
        Code::RoiMayTraceFace,
        "des contours ou segments peuvent suivre la peau du visage",
        "regarder : deux personnes peuvent libérer, une peut rejeter",
    ),
    (
        Code::BurnedInText,
        "un texte identifiant peut être incrusté dans les pixels",
        "regarder : deux personnes peuvent libérer, une peut rejeter",
    ),
    (
        Code::Rendering,
        "un rendu peut montrer le visage, une capture d’écran le nom",
        "envoyer plutôt le volume",
    ),
    (
        Code::OverlayInPixels,
        "un calque est dessiné dans les pixels",
        "le faire exporter sans calque, ou rejeter",
    ),
    (
        Code::PixelsNotCleaned,
        "quelque chose peut se cacher dans les pixels et n’a pu être retiré",
        "faire exporter sans compression",
    ),
    (
        Code::Residue,
        "le vérificateur a trouvé quelque chose d’identifiant dans le résultat",
        "le profil a une lacune : le corriger, puis réessayer",
    ),
    (Code::Failed, "le traitement a échoué", "voir le journal du programme, puis réessayer"),
    (
        Code::WorkerCrashed,
        "le processus qui lisait l’examen en est mort : il peut être abîmé, ou une attaque",
        "regarder, puis réessayer",
    ),
    (
        Code::WorkerOutOfTime,
        "l’examen n’a pas été traité à temps",
        "augmenter worker_s dans la configuration, puis réessayer",
    ),
    (
        Code::RefusedByDestination,
        "la destination l’a refusé définitivement",
        "voir son journal et celui d’efface, corriger là-bas, puis réessayer",
    ),
    (
        Code::Objection,
        "le patient s’oppose : cela reste à l’intérieur",
        "une fois l’opposition levée, réessayer",
    ),
    (
        Code::NoPatientId,
        "des patients s’opposent, et nul ne peut dire si c’est l’un d’eux",
        "faire ajouter le Patient ID par l’expéditeur et renvoyer",
    ),
    (
        Code::DestinationBlocked,
        "l’envoi vers cette destination n’est pas permis",
        "corriger son registre dans la configuration, redémarrer, puis réessayer",
    ),
    (
        Code::NoRoute,
        "aucune règle sous routes: ne le mène quelque part",
        "efface route explain dit pourquoi ; avec une autre règle, redémarrer, puis réessayer",
    ),
    (Code::Rejected, "une personne a décidé que cela ne sortira jamais", "rejeter le supprime"),
];

/// What is listed.
#[derive(Clone, Debug, Default, Deserialize)]
struct Filter {
    #[serde(default)]
    code: String,
    #[serde(default)]
    destination: String,
}

impl Filter {
    fn fits(&self, held: &Held) -> bool {
        let is = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
        is(&self.code, &held.code) && is(&self.destination, &held.destination)
    }
}

#[derive(Template)]
#[template(path = "quarantine.html")]
struct List {
    page: Page,
    words: &'static Words,
    filter: Filter,
    codes: BTreeSet<String>,
    destinations: BTreeSet<String>,
    held: Vec<Held>,
}

#[derive(Template)]
#[template(path = "held.html")]
struct Entry {
    page: Page,
    words: &'static Words,
    wholes: Vec<Whole>,
}

#[derive(Template)]
#[template(path = "decided.html")]
struct Told {
    page: Page,
    words: &'static Words,
    told: Vec<(String, Result<String, String>)>,
}

#[derive(Template)]
#[template(path = "picture.html")]
struct Looked {
    page: Page,
    words: &'static Words,
    name: String,
    because: String,
    token: String,
    slice: Option<u64>,
    of: u64,
    steps: Vec<u64>,
}

/// What templates ask.
trait Speaks {
    fn language(&self) -> Language;

    fn meaning(&self, held: &Held) -> String {
        in_words(self.language(), held).0
    }

    fn advice(&self, held: &Held) -> String {
        in_words(self.language(), held).1
    }

    fn kind(&self, held: &Held) -> &'static str {
        let known = KINDS.iter().find(|(kind, ..)| *kind == held.kind);
        known.map_or("", |(_, english, french)| self.language().pick(*english, *french))
    }
}

impl Speaks for List {
    fn language(&self) -> Language {
        self.page.language
    }
}

impl Speaks for Entry {
    fn language(&self) -> Language {
        self.page.language
    }
}

impl List {
    fn may_choose(&self) -> bool {
        self.page.may(Right::Operate) || self.page.may(Right::Review)
    }
}

impl Entry {
    fn may_be(&self, held: &Held, choice: Choice) -> bool {
        held.choices.contains(&choice)
    }

    fn shipped(&self) -> Vec<Shipped> {
        shipped()
    }

    fn called(&self, event: &str) -> String {
        super::study::called(self.page.language, event)
    }
}

fn in_words(language: Language, held: &Held) -> (String, String) {
    let code = Code::named(&held.code);
    let french = IN_FRENCH.iter().find(|(known, ..)| code == Some(*known));
    match (language, french) {
        (Language::Fr, Some((_, meaning, advice))) => ((*meaning).to_owned(), (*advice).to_owned()),
        _ => (held.meaning.clone(), held.advice.clone()),
    }
}

async fn list(guest: Guest, Query(filter): Query<Filter>) -> Result<Response, Problem> {
    let words = Words::of(guest.language);
    let command = "efface quarantine ls --state DIR";
    let page = Page::of(&guest, words.title, "quarantine", command).await?;
    let all = guest.ask::<Vec<Held>>(Question::Quarantine).await?;
    let of = |part: fn(&Held) -> &String| -> BTreeSet<String> {
        all.iter().map(part).filter(|part| !part.is_empty()).cloned().collect()
    };
    let (codes, destinations) = (of(|held| &held.code), of(|held| &held.destination));
    let held = all.into_iter().filter(|held| filter.fits(held)).collect();
    Ok(html(&List { page, words, filter, codes, destinations, held }))
}

async fn entry(guest: Guest, Path(name): Path<String>) -> Result<Response, Problem> {
    let words = Words::of(guest.language);
    let command = format!("efface quarantine show {name} --state DIR");
    let page = Page::of(&guest, words.title, "quarantine", command).await?;
    let wholes = guest.ask::<Vec<Whole>>(Question::Held { name }).await?;
    Ok(html(&Entry { page, words, wholes }))
}

/// A form with checkboxes: each `name` is one that was chosen.
async fn decide(
    guest: Guest,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let words = Words::of(guest.language);
    let (mut names, mut because, mut csrf, mut deed) =
        (Vec::new(), String::new(), None, String::new());
    let mut under = None;
    for (field, value) in fields {
        match field.as_str() {
            "name" => names.push(value),
            "because" => because = value,
            "csrf" => csrf = Some(value),
            "deed" => deed = value,
            "under" => under = Some(value).filter(|value| !value.is_empty()),
            _ => {}
        }
    }
    let question = match deed.as_str() {
        "retry" => Question::Retry { names, under },
        "reject" => Question::Reject { names, because },
        _ => return Err(Problem { refusal: Refusal::Unknown, language: guest.language }),
    };
    let told = guest.send::<Vec<Deed>>(csrf, question).await?;
    let command = format!("efface quarantine {deed} NAME ... --state DIR");
    let page = Page::of(&guest, words.decided, "quarantine", command).await?;
    let done = if deed == "retry" { words.queued } else { words.rejected };
    let told = told.into_iter().map(|Deed { name, not }| {
        let told = not.map_or_else(|| Ok(done.to_owned()), Err);
        (name, told)
    });
    Ok(html(&Told { page, words, told: told.collect() }))
}

#[derive(Deserialize)]
struct ReleaseForm {
    csrf: String,
    name: String,
    because: String,
}

async fn release(guest: Guest, Form(form): Form<ReleaseForm>) -> Result<Response, Problem> {
    let ReleaseForm { csrf, name, because } = form;
    let question = Question::Release { name, because };
    told(&guest, guest.send::<Outcome>(Some(csrf), question).await?, "/quarantine").await
}

#[derive(Deserialize)]
struct PictureForm {
    csrf: String,
    name: String,
    because: String,
    #[serde(default)]
    slice: Option<u64>,
    #[serde(default)]
    surface: Option<u64>,
}

async fn picture(
    guest: Guest,
    State(shelf): State<Shelf>,
    Form(form): Form<PictureForm>,
) -> Result<Response, Problem> {
    let words = Words::of(guest.language);
    let PictureForm { csrf, name, because, slice, surface } = form;
    let what = surface.map_or(What::Slice(slice.unwrap_or(1)), What::Surface);
    let question = Question::Picture { name: name.clone(), what, because: because.clone() };
    let Picture { png, of } = guest.send::<Picture>(Some(csrf), question).await?;
    let token = shelf.put(&guest.visitor, png).map_err(|_| Problem {
        refusal: Refusal::Failed(words.gone.to_owned()),
        language: guest.language,
    })?;
    let slice = surface.is_none().then(|| slice.unwrap_or(1));
    let command =
        format!("efface quarantine picture {name} -o FILE.png --because TEXT --config FILE");
    let page = Page::of(&guest, words.pictures, "quarantine", command).await?;
    let steps = slice.map(|slice| steps(slice, of)).unwrap_or_default();
    Ok(html(&Looked { page, words, name, because, token, slice, of, steps }))
}

/// Slices that are one step away.
fn steps(slice: u64, of: u64) -> Vec<u64> {
    let before = [10, 1].map(|step| slice.checked_sub(step));
    let after = [1, 10].map(|step| slice.checked_add(step));
    let all = before.into_iter().chain(after).flatten();
    all.filter(|slice| (1..=of).contains(slice)).collect()
}

/// A picture, for the one who asked for it, once.
async fn png(guest: Guest, State(shelf): State<Shelf>, Path(token): Path<String>) -> Response {
    match shelf.take(&guest.visitor, &token) {
        Some(png) => ([(header::CONTENT_TYPE, "image/png")], png).into_response(),
        None => super::page::nowhere(guest).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_in_french() {
        for code in Code::all() {
            assert!(IN_FRENCH.iter().any(|(known, ..)| *known == code), "{}", code.name());
        }
    }

    #[test]
    fn steps_stay_within_the_slices() {
        assert_eq!(steps(1, 30), [2, 11]);
        assert_eq!(steps(12, 30), [2, 11, 13, 22]);
        assert_eq!(steps(30, 30), [20, 29]);
        assert_eq!(steps(1, 1), [0; 0]);
    }
}
