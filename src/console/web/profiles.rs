//! Profiles: which is in force for whom; one that is written, checked, compared, tried, proposed; put in force and taken back.
//!
//! What somebody types is read here first, in the process that has nothing: mistakes, completions and differences need no
//! file. The keeper reads it again when it is proposed.

use super::App;
use super::guard::Guest;
use super::page::{Page, Problem, html};
use super::requests::told;
use super::vocabulary;
use super::words::words;
use crate::console::{Outcome, Question, Refusal};
use crate::profile::compare::Kind;
use crate::profile::language;
use crate::view::profile::{
    Checked, Diff, Draft, DryRun, Profiles, Written, check, complete, diff,
};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, Query};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/profiles", get(profiles))
        .route("/profiles/check", post(checked))
        .route("/profiles/complete", post(completed))
        .route("/profiles/{destination}", get(edited).post(looked_at))
        .route("/profiles/{destination}/activate", post(activate))
}

words! {
    Words {
        title: "Profiles" | "Profils";
        intro: "A profile says what happens to each element before a study may leave" | "Un profil dit ce que devient chaque élément avant qu’un examen puisse sortir";
        in_force: "In force" | "En vigueur";
        whose: "Whose" | "Origine";
        configuration: "the configuration’s" | "celui de la configuration";
        version: "version" | "version";
        edit: "Write, compare, try" | "Écrire, comparer, essayer";
        not_yet: "Nothing is in force before the gateway’s first start" | "Rien n’est en vigueur avant le premier démarrage de la passerelle";
        text: "Profile (YAML)" | "Profil (YAML)";
        begin_from: "Begin from" | "Partir de";
        open: "Open" | "Ouvrir";
        check: "Check and compare" | "Vérifier et comparer";
        right: "Nothing is wrong with it" | "Rien n’est faux";
        mistakes: "What is wrong" | "Ce qui est faux";
        line: "line" | "ligne";
        changes: "What it would change" | "Ce que cela changerait";
        same: "The same leaves as now" | "Il sort la même chose qu’à présent";
        newly: "newly leave" | "sortiraient désormais";
        no_longer: "no longer leave" | "ne sortiraient plus";
        differently: "leave differently" | "sortiraient autrement";
        stays: "do not leave, and what stands in their place differs" | "ne sortent pas, et ce qui les remplace diffère";
        before: "now:" | "à présent :";
        unlisted: "elements that Table E.1-1 does not list, of VR" | "éléments que la table E.1-1 ne liste pas, de VR";
        dry_run: "Try it on a study that is here" | "L’essayer sur un examen présent";
        dry_run_hint: "Nothing is sent or kept, and values are not shown" | "Rien n’est envoyé ni gardé, et les valeurs ne sont pas montrées";
        batch: "Batch" | "Lot";
        try_it: "Try" | "Essayer";
        would_leave: "would leave" | "sortiraient";
        would_stay: "would be withheld" | "seraient retenus";
        more_of_series: "more of its series" | "autres de sa série";
        element: "Element" | "Élément";
        after: "After" | "Après";
        was: "Before" | "Avant";
        action: "Action" | "Action";
        by: "By whose word" | "Sur quelle règle";
        changed: "the pixels change" | "les pixels changent";
        unchanged: "the pixels stay as they are" | "les pixels restent tels quels";
        propose: "Propose" | "Proposer";
        why: "Why it is needed, in words that an auditor understands" | "Pourquoi il le faut, en mots qu’un auditeur comprend";
        proposed: "Kept as a draft" | "Gardé comme brouillon";
        history: "Versions" | "Versions";
        number: "Version" | "Version";
        name: "Name" | "Nom";
        proposed_by: "Proposed by" | "Proposé par";
        when: "When" | "Quand";
        activate: "Put in force" | "Mettre en vigueur";
        back_to: "Put the configuration’s in force again" | "Remettre en vigueur celui de la configuration";
        two: "What is not plainly stricter than what is in force waits for two people, where people are named" | "Ce qui n’est pas simplement plus strict que ce qui est en vigueur attend deux personnes, là où des personnes sont désignées";
        since: "In force since" | "En vigueur depuis";
        agreed: "Agreed" | "Accord de";
        nobody: "nobody had to" | "sans accord requis";
        record: "Record" | "Inscription";
        activations: "What was put in force here, the newest first" | "Ce qui a été mis en vigueur ici, le plus récent d’abord";
    }
}

#[derive(Template)]
#[template(path = "profiles.html")]
struct Listed {
    page: Page,
    words: &'static Words,
    profiles: Profiles,
}

async fn profiles(guest: Guest) -> Result<Response, Problem> {
    let words = Words::of(guest.language);
    let command = "efface profile history --config FILE";
    let page = Page::of(&guest, words.title, "profiles", command).await?;
    let profiles = guest.ask::<Profiles>(Question::Profiles).await?;
    Ok(html(&Listed { page, words, profiles }))
}

/// A profile on its way into force.
#[derive(Template)]
#[template(path = "profile.html")]
struct Edited {
    page: Page,
    words: &'static Words,
    written: Written,
    /// What is in the editor.
    text: String,
    checked: Option<Checked>,
    diff: Option<Diff>,
    tried: Option<DryRun>,
    /// The batch on which it was tried.
    batch: String,
    because: String,
    said: Option<String>,
}

impl Edited {
    async fn of(guest: &Guest, destination: &str, from: Option<String>) -> Result<Self, Problem> {
        let words = Words::of(guest.language);
        let command = format!("efface profile history {destination} --config FILE");
        let page = Page::of(guest, words.title, "profiles", command).await?;
        let question = Question::Profile { destination: destination.to_owned(), from };
        let written = guest.ask::<Written>(question).await?;
        let text = written.text.clone();
        let (because, batch) = (String::new(), String::new());
        let (checked, diff, tried, said) = (None, None, None, None);
        Ok(Edited { page, words, written, text, checked, diff, tried, batch, because, said })
    }

    /// What is wrong with the text, and what it would change if nothing is.
    fn look(&mut self) {
        let checked = check("profile", &self.text);
        if let (Ok(now), Ok(then)) =
            (language::parse("now", &self.written.in_force), language::parse("then", &self.text))
        {
            let of = vocabulary::of(self.page.language);
            self.diff = Some(diff(of, ("now", &now), ("then", &then), false));
        }
        self.checked = Some(checked);
    }

    fn kind(&self, kind: &Kind) -> &'static str {
        match kind {
            Kind::NewlyLeaves => self.words.newly,
            Kind::NoLongerLeaves => self.words.no_longer,
            Kind::LeavesDifferently => self.words.differently,
            Kind::StaysDifferently => self.words.stays,
        }
    }
}

#[derive(Deserialize)]
struct Begun {
    from: Option<String>,
}

async fn edited(
    guest: Guest,
    Path(destination): Path<String>,
    Query(Begun { from }): Query<Begun>,
) -> Result<Response, Problem> {
    Ok(html(&Edited::of(&guest, &destination, from).await?))
}

/// What is done with a text.
#[derive(Deserialize)]
struct Look {
    csrf: String,
    text: String,
    #[serde(default)]
    batch: String,
    #[serde(default)]
    because: String,
    /// `check`, `try` or `propose`.
    r#do: String,
}

async fn looked_at(
    guest: Guest,
    Path(destination): Path<String>,
    Form(form): Form<Look>,
) -> Result<Response, Problem> {
    let Look { csrf, text, batch, because, r#do } = form;
    // Browsers send lines as HTML has them.
    let text = text.replace("\r\n", "\n");
    let mut edited = Edited::of(&guest, &destination, None).await?;
    (edited.text, edited.because) = (text.clone(), because.clone());
    (edited.batch, edited.said) = (batch.clone(), None);
    match &*r#do {
        "try" => {
            let question = Question::TryProfile { text, batch };
            edited.tried = Some(guest.send::<DryRun>(Some(csrf), question).await?);
        }
        "propose" => {
            edited.look();
            if edited.checked.as_ref().is_some_and(|checked| checked.profile.is_some()) {
                let question =
                    Question::ProposeProfile { destination: destination.clone(), text, because };
                let draft = guest.send::<Draft>(Some(csrf), question).await?;
                let (checked, diff) = (edited.checked.take(), edited.diff.take());
                let text = std::mem::take(&mut edited.text);
                edited = Edited::of(&guest, &destination, None).await?;
                (edited.checked, edited.diff, edited.text) = (checked, diff, text);
                let words = Words::of(guest.language);
                edited.said =
                    Some(format!("{}: {} {}", words.proposed, words.version, draft.version));
            }
        }
        _ => edited.look(),
    }
    Ok(html(&edited))
}

#[derive(Deserialize)]
struct Chosen {
    csrf: String,
    version: String,
}

async fn activate(
    guest: Guest,
    Path(destination): Path<String>,
    Form(form): Form<Chosen>,
) -> Result<Response, Problem> {
    let language = guest.language;
    let which = form.version.parse();
    let which = which.map_err(|_| Problem { refusal: Refusal::Unknown, language })?;
    let question = Question::ActivateProfile { destination, which };
    told(&guest, guest.send::<Outcome>(Some(form.csrf), question).await?, "/profiles").await
}

/// For the script of the editor: what somebody types is read while he types it.
#[derive(Deserialize)]
struct Typed {
    text: String,
    #[serde(default)]
    line: usize,
    #[serde(default)]
    column: usize,
}

async fn checked(guest: Guest, Form(typed): Form<Typed>) -> Result<Response, Problem> {
    guest.person().await?;
    Ok(json(&check("profile", &typed.text)))
}

async fn completed(guest: Guest, Form(typed): Form<Typed>) -> Result<Response, Problem> {
    guest.person().await?;
    Ok(json(&complete(&typed.text, typed.line, typed.column)))
}

fn json(value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
