//! Names of people that no header tells: behind titles and labels, and written with carets.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::cuts::Cuts;
use super::tokens::{Case, Tokens};
use super::words::is_vocabulary;

/// Titles that are nothing else.
const TITLES: &[&str] = &[
    "prof",
    "professor",
    "professeur",
    "professore",
    "profesor",
    "mister",
    "mrs",
    "miss",
    "herr",
    "herrn",
    "frau",
    "mme",
    "mlle",
    "monsieur",
    "madame",
    "mademoiselle",
    "sra",
    "srta",
    "senor",
    "senora",
    "senorita",
    "dott",
    "dottssa",
    "dottoressa",
    "dottore",
    "sig",
    "sigra",
    "signor",
    "signora",
    "signore",
    "doktor",
    "docteur",
    "doctora",
    "drs",
    "dres",
    "privatdozent",
    "oberarzt",
    "oberarztin",
    "chefarzt",
    "assistenzarzt",
    "dra",
    "dipl",
    "mevrouw",
    "dhr",
    "mw",
];
/// Titles that are modalities, units or abbreviations as well: only written as here.
const SHORT_TITLES: &[&str] = &[
    "Dr", "DR.", "dr", "dr.", "Mr", "MR.", "Ms", "MS.", "Sr", "SR.", "Hr", "HR.", "Fr.", "Pr.",
    "Dr.", "Mr.", "Ms.", "Sr.", "Hr.", "Hrn", "PD", "Doc.", "DR", "Don",
];

/// Between a title and a name, or within names.
const LINKS: &[&str] = &[
    "med", "dent", "phil", "rer", "nat", "habil", "h", "c", "univ", "priv", "doz", "pd", "oa", "ca",
];
const PARTICLES: &[&str] = &[
    "van", "von", "vom", "zu", "zur", "zum", "der", "den", "de", "del", "della", "dello", "di",
    "da", "dos", "du", "des", "la", "le", "el", "al", "ben", "bin", "ibn", "bint", "ter", "ten",
    "mac", "st",
];

/// Labels behind which a name stands, whatever it is. With a colon or an equals sign ...
const NAME_LABELS: &[&str] = &[
    "name",
    "nom",
    "prenom",
    "nome",
    "cognome",
    "nombre",
    "apellido",
    "apellidos",
    "vorname",
    "nachname",
    "familienname",
    "surname",
    "firstname",
    "lastname",
    "forename",
    "initials",
    "initialen",
    "initiales",
    "iniziali",
    "iniciales",
    "operator",
    "operateur",
    "operatore",
    "operador",
    "technologist",
    "technician",
    "tech",
    "radiographer",
    "radiologist",
    "mtra",
    "mta",
    "untersucher",
    "befunder",
    "radiologe",
    "radiologin",
    "physician",
    "doctor",
    "arzt",
    "arztin",
    "aerztin",
    "hausarzt",
    "medecin",
    "medico",
    "zuweiser",
    "ueberweiser",
    "uberweiser",
    "einsender",
    "referrer",
    "referring",
    "requester",
    "auftraggeber",
    "nurse",
    "author",
    "user",
    "username",
    "login",
    "unterschrift",
    "signature",
    "visum",
    "kuerzel",
    "kurzel",
    "mother",
    "father",
    "mutter",
    "vater",
    "contact",
    "kontakt",
    "address",
    "adresse",
    "anschrift",
    "indirizzo",
    "direccion",
    "residence",
    "wohnort",
    "domicile",
];
/// ... and these, unless an ordinary word follows.
const WEAK_LABELS: &[&str] = &[
    "patient",
    "patientin",
    "paziente",
    "paciente",
    "pat",
    "pt",
    "subject",
    "person",
    "ref",
    "by",
    "from",
    "to",
    "attn",
    "cc",
];
/// Verbs before "by", and their like, behind which somebody is named.
const DONE: &[&str] = &[
    "ref",
    "referred",
    "refd",
    "read",
    "reported",
    "dictated",
    "signed",
    "performed",
    "reviewed",
    "verified",
    "approved",
    "ordered",
    "requested",
    "scanned",
    "seen",
    "interpreted",
    "transcribed",
    "done",
    "acquired",
    "entered",
    "supervised",
    "checked",
    "prepared",
    "written",
    "examined",
    "discussed",
    "notified",
    "called",
];
const BY: &[&str] = &["by", "von", "durch", "par", "da", "dal", "dalla", "por", "with", "to"];
const DONE_ABROAD: &[&str] = &[
    "befundet",
    "untersucht",
    "uberwiesen",
    "ueberwiesen",
    "zugewiesen",
    "signiert",
    "gelesen",
    "diktiert",
    "visiert",
    "unterschrieben",
    "adresse",
    "lu",
    "signe",
    "effectue",
    "realise",
    "demande",
    "eseguito",
    "refertato",
    "firmato",
    "firmado",
    "realizado",
    "informado",
    "solicitado",
];

/// Words of a name at most.
const NAME_WORDS: usize = 5;

static KNOWN_TITLES: LazyLock<HashSet<&str>> = LazyLock::new(|| TITLES.iter().copied().collect());

pub(super) fn find(tokens: &Tokens<'_, '_>, cuts: &mut Cuts) {
    for at in 0..tokens.words.len() {
        if is_title(tokens, at) {
            behind_title(tokens, at, cuts);
        } else if let Some(strong) = label(tokens, at) {
            behind_label(tokens, at, strong, cuts);
        } else if is_by(tokens, at) {
            behind_label(tokens, at, false, cuts);
        }
    }
    carets(tokens, cuts);
}

fn is_title(tokens: &Tokens<'_, '_>, at: usize) -> bool {
    if KNOWN_TITLES.contains(tokens.word(at)) {
        return true;
    }
    let written = tokens.written(at);
    if written.len() > 4 {
        return false;
    }
    let dotted = tokens.space(at + 1).starts_with('.');
    let known = SHORT_TITLES.iter().any(|title| match title.strip_suffix('.') {
        Some(title) => dotted && title == written,
        None => *title == written,
    });
    // In lower case "dr smith" is somebody, "fr 5" and "ms 300" are not.
    known && tokens.is_letters(at)
}

/// Titles, and the words behind them that are no ordinary ones.
fn behind_title(tokens: &Tokens<'_, '_>, title: usize, cuts: &mut Cuts) {
    let link = |at: usize| {
        is_title(tokens, at) || LINKS.contains(&tokens.word(at)) && tokens.is_letters(at)
    };
    let mut from = title + 1;
    while from < tokens.words.len() && same_line(tokens, from) && link(from) {
        from += 1;
    }
    let end = name_end(tokens, from, false);
    if end > from {
        cuts.remove_doubtful(tokens.words_span(title..end));
    }
}

/// Where a name that begins here ends. `any`: the first word counts even if it is ordinary.
fn name_end(tokens: &Tokens<'_, '_>, from: usize, any: bool) -> usize {
    let (mut end, mut named, mut at) = (from, 0, from);
    let most = if tokens.mixed_case { NAME_WORDS } else { 3 };
    while at < tokens.words.len() && at < from + NAME_WORDS + 2 && named < most {
        let space = tokens.space(at);
        let apart = space.contains(['\n', ';', '|', '(', ')', ':', '/', '=']);
        let ends = at > from && (apart || is_end_of_sentence(tokens, at, space));
        let comma = at > from + 1 && space.contains(',');
        if ends || comma || !tokens.is_letters(at) {
            break;
        }
        let word = tokens.word(at);
        let letters = word.chars().count();
        let particle = PARTICLES.contains(&word) && letters > 1;
        let initial = letters == 1 && tokens.case(at) == Case::Upper;
        let ordinary = is_vocabulary(word) && !(any && at == from);
        let small = tokens.mixed_case && tokens.case(at) == Case::Lower && at != from;
        match () {
            _ if particle && next_is_name(tokens, at + 1) => {}
            _ if initial => {
                named += 1;
                end = at + 1;
            }
            _ if ordinary || small => break,
            _ => {
                named += 1;
                end = at + 1;
            }
        }
        at += 1;
    }
    end
}

/// A dot ends a sentence unless it abbreviates an initial or a title.
fn is_end_of_sentence(tokens: &Tokens<'_, '_>, at: usize, space: &str) -> bool {
    space.contains('.')
        && tokens.word(at - 1).chars().count() > 3
        && !LINKS.contains(&tokens.word(at - 1))
}

fn next_is_name(tokens: &Tokens<'_, '_>, at: usize) -> bool {
    let particle = PARTICLES.contains(&tokens.word(at)) && same_line(tokens, at);
    let at = if particle { at + 1 } else { at };
    at < tokens.words.len()
        && same_line(tokens, at)
        && tokens.is_letters(at)
        && !is_vocabulary(tokens.word(at))
        && (!tokens.mixed_case || tokens.case(at) != Case::Lower)
}

fn same_line(tokens: &Tokens<'_, '_>, at: usize) -> bool {
    !tokens.space(at).contains(['\n', ';', '|', '(', ')'])
}

/// Whether a word is a label: `Some(true)` if whatever follows is a name.
fn label(tokens: &Tokens<'_, '_>, at: usize) -> Option<bool> {
    if !tokens.space(at + 1).trim_start().starts_with([':', '=']) {
        return None;
    }
    let word = tokens.word(at);
    let strong = NAME_LABELS.contains(&word);
    (strong || WEAK_LABELS.contains(&word)).then_some(strong)
}

fn is_by(tokens: &Tokens<'_, '_>, at: usize) -> bool {
    let word = tokens.word(at);
    let before = || at.checked_sub(1).map_or("", |before| tokens.word(before));
    BY.contains(&word) && (DONE.contains(&before()) || DONE_ABROAD.contains(&before()))
        || matches!(word, "initials" | "initialen")
}

/// What stands behind a label, to the next separator.
fn behind_label(tokens: &Tokens<'_, '_>, label: usize, strong: bool, cuts: &mut Cuts) {
    let from = label + 1;
    let crossed = |at: usize| {
        let space = tokens.space(at);
        space.contains(['\n', ';', '|']) || at > from && space.contains([':', '='])
    };
    if !strong {
        let titled = (from..tokens.words.len()).take_while(|at| is_title(tokens, *at)).count();
        let end = if crossed(from) { from } else { name_end(tokens, from + titled, false) };
        if end > from {
            cuts.remove_doubtful(tokens.words_span(from..end));
        }
        return;
    }
    let mut end = from;
    while end < tokens.words.len()
        && end < from + NAME_WORDS
        && !crossed(end)
        && tokens.is_letters(end)
    {
        // "Smith, John" is one name; "JS, left" isn't.
        let ordinary = is_vocabulary(tokens.word(end));
        let comma = tokens.space(end).contains(',') && (end > from + 1 || end > from && ordinary);
        let next_label = end > from && label_ahead(tokens, end);
        let stops = end > from + 1 && ordinary;
        if comma
            || next_label
            || stops
            || end > from && tokens.space(end).contains(". ") && tokens.word(end - 1).len() > 3
        {
            break;
        }
        end += 1;
    }
    if end > from {
        // With the label, or what follows would stand behind it the next time.
        cuts.remove_doubtful(tokens.words_span(label..end));
    }
}

fn label_ahead(tokens: &Tokens<'_, '_>, at: usize) -> bool {
    label(tokens, at).is_some() || tokens.space(at + 1).starts_with([':', '='])
}

/// SMITH^JOHN^^. Scanners also write Head^Routine: a word of the field beside the caret.
fn carets(tokens: &Tokens<'_, '_>, cuts: &mut Cuts) {
    if !tokens.text().contains('^') {
        return;
    }
    let caret = |at: usize| at > 0 && at < tokens.words.len() && tokens.space(at).contains('^');
    let letters = |at: usize| tokens.is_letters(at) && tokens.word(at).chars().count() > 1;
    let names = |a: usize, b: usize| {
        let both = letters(a) && tokens.is_letters(b) || tokens.is_letters(a) && letters(b);
        both && !is_vocabulary(tokens.word(a)) && !is_vocabulary(tokens.word(b))
    };
    // A name's component may have several words.
    let joined = |at: usize, other: usize| {
        caret(at)
            || at < tokens.words.len()
                && tokens.space(at) == " "
                && tokens.is_letters(other)
                && !is_vocabulary(tokens.word(other))
    };
    for at in (1..tokens.words.len()).filter(|at| caret(*at) && names(at - 1, *at)) {
        let mut range = at - 1..at + 1;
        while range.start > 0 && joined(range.start, range.start - 1) {
            range.start -= 1;
        }
        while joined(range.end, range.end) {
            range.end += 1;
        }
        cuts.remove_doubtful(tokens.words_span(range));
    }
}
