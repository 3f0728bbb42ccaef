//! Postal addresses: streets with numbers, postal codes with towns.

use super::cuts::Cuts;
use super::months::Month;
use super::tokens::{Case, Tokens};
use super::words::is_vocabulary;

/// Behind the name, the number before: 12 Gooseberry Lane.
const STREETS_BEHIND: &[&str] = &[
    "street",
    "road",
    "rd",
    "avenue",
    "ave",
    "lane",
    "ln",
    "drive",
    "court",
    "boulevard",
    "blvd",
    "terrace",
    "crescent",
    "highway",
    "hwy",
    "parkway",
    "pkwy",
    "square",
    "alley",
    "grove",
    "gardens",
    "way",
    "mews",
    "st",
];
/// Before the name, the number before or behind: 12 rue du Bac, via Garibaldi 3.
const STREETS_BEFORE: &[&str] = &[
    "rue",
    "avenue",
    "boulevard",
    "bd",
    "chemin",
    "impasse",
    "allee",
    "quai",
    "ruelle",
    "calle",
    "avenida",
    "avda",
    "plaza",
    "paseo",
    "carrer",
    "via",
    "viale",
    "piazza",
    "piazzale",
    "corso",
    "strada",
    "vicolo",
    "rua",
    "am",
    "an",
    "im",
    "route",
    "place",
];
/// Ends of words: Bahnhofstrasse 7.
const STREET_ENDS: &[&str] = &[
    "strasse", "str", "gasse", "weg", "platz", "allee", "steig", "damm", "ufer", "graben",
    "straat", "laan", "plein", "rain", "matte", "halde",
];
const COUNTRIES: &[&str] =
    &["ch", "a", "d", "f", "i", "fl", "nl", "be", "lu", "de", "at", "us", "uk"];
/// Two letters before a ZIP code.
const STATES: &[&str] = &[
    "al", "ak", "az", "ar", "ca", "co", "ct", "de", "fl", "ga", "hi", "id", "il", "in", "ia", "ks",
    "ky", "la", "me", "md", "ma", "mi", "mn", "ms", "mo", "mt", "ne", "nv", "nh", "nj", "nm", "ny",
    "nc", "nd", "oh", "ok", "or", "pa", "ri", "sc", "sd", "tn", "tx", "ut", "vt", "va", "wa", "wv",
    "wi", "wy",
];

/// What is called by a name; also as the end of a word.
const INSTITUTIONS: &[&str] = &[
    "hospital",
    "hospitals",
    "clinic",
    "klinik",
    "kliniken",
    "klinikum",
    "spital",
    "krankenhaus",
    "hopital",
    "hopitaux",
    "clinique",
    "clinica",
    "ospedale",
    "policlinico",
    "infirmary",
    "university",
    "universitat",
    "universite",
    "universita",
    "universidad",
    "praxis",
];

pub(super) fn find(tokens: &Tokens<'_, '_>, cuts: &mut Cuts) {
    let number = |at: usize| {
        tokens.words.get(at).is_some_and(|word| {
            let atom = tokens.atoms[word.first];
            atom.digits && atom.len() <= 5 && word.hi - atom.hi <= 1
        })
    };
    let digits = tokens.atoms.iter().any(|atom| atom.digits);
    for at in 0..tokens.words.len() {
        let word = tokens.word(at);
        if digits && STREETS_BEHIND.contains(&word) {
            street_behind(tokens, at, &number, cuts);
        }
        if digits && STREETS_BEFORE.contains(&word) {
            street_before(tokens, at, &number, cuts);
        }
        let compound = (digits || word.len() > 9)
            && STREET_ENDS
                .iter()
                .any(|end| word.strip_suffix(end).is_some_and(|name| name.chars().count() >= 3));
        if compound && tokens.is_letters(at) {
            if number(at + 1) && near(tokens, at + 1) {
                cuts.remove_doubtful(tokens.words_span(at..at + 2));
            } else if word.ends_with("strasse") || word.ends_with("straat") {
                cuts.remove_doubtful(tokens.words_span(at..at + 1));
            }
        }
        if INSTITUTIONS.iter().any(|kind| word.ends_with(kind)) {
            institution(tokens, at, cuts);
        }
        if number(at) {
            postal_code(tokens, at, cuts);
        }
        british(tokens, at, cuts);
    }
}

/// Springfield General Hospital, Klinik am See: the names beside the word.
fn institution(tokens: &Tokens<'_, '_>, at: usize, cuts: &mut Cuts) {
    const SMALL: &[&str] = &[
        "of",
        "de",
        "du",
        "des",
        "la",
        "am",
        "im",
        "di",
        "general",
        "st",
        "san",
        "sankt",
        "saint",
        "memorial",
        "regional",
        "university",
    ];
    let small = |at: usize| SMALL.contains(&tokens.word(at));
    let (mut start, mut end) = (at, at + 1);
    for before in (at.saturating_sub(4)..at).rev() {
        if !near(tokens, before + 1) || !is_name(tokens, before) && !small(before) {
            break;
        }
        start = if is_name(tokens, before) { before } else { start };
    }
    for after in at + 1..(at + 5).min(tokens.words.len()) {
        if !near(tokens, after) || !is_name(tokens, after) && !small(after) {
            break;
        }
        end = if is_name(tokens, after) { after + 1 } else { end };
    }
    if end - start > 1 {
        cuts.remove_doubtful(tokens.words_span(start..end));
    }
}

fn near(tokens: &Tokens<'_, '_>, at: usize) -> bool {
    let gap = tokens.space(at);
    gap.chars().count() <= 2 && !gap.contains(['\n', ';', '/', ':'])
}

/// The name of a street or town: a word that isn't of the field.
fn is_name(tokens: &Tokens<'_, '_>, at: usize) -> bool {
    tokens.is_letters(at)
        && !is_vocabulary(tokens.word(at))
        && tokens.word(at).chars().count() >= 3
        && (!tokens.mixed_case || tokens.case(at) != Case::Lower)
}

fn street_behind(
    tokens: &Tokens<'_, '_>,
    street: usize,
    number: &dyn Fn(usize) -> bool,
    cuts: &mut Cuts,
) {
    for words in 1..=3 {
        let Some(start) = street.checked_sub(words + 1) else { return };
        let names = start + 1..street;
        let joined = (start + 1..=street).all(|at| near(tokens, at));
        let named = names.clone().any(|at| is_name(tokens, at));
        if number(start) && joined && named && names.clone().all(|at| tokens.is_letters(at)) {
            cuts.remove_doubtful(tokens.words_span(start..street + 1));
            return;
        }
    }
}

fn street_before(
    tokens: &Tokens<'_, '_>,
    street: usize,
    number: &dyn Fn(usize) -> bool,
    cuts: &mut Cuts,
) {
    const SMALL: &[&str] = &[
        "de", "du", "des", "la", "le", "les", "l", "d", "del", "della", "dei", "san", "santa",
        "el", "los", "las", "der", "den",
    ];
    let before = street > 0 && number(street - 1) && near(tokens, street);
    let (mut end, mut named) = (street + 1, false);
    while end < tokens.words.len() && end <= street + 5 && near(tokens, end) {
        let name = is_name(tokens, end);
        if !name && !SMALL.contains(&tokens.word(end)) {
            break;
        }
        named |= name;
        end += 1;
    }
    let behind = number(end) && near(tokens, end);
    // "via PICC", "an LWK 3", "route i.v.": only with a name, and with a number.
    let sure = !matches!(tokens.word(street), "am" | "an" | "im" | "via" | "place" | "route");
    if named && (before || behind) && (sure || tokens.case(end - 1) == Case::Capital) {
        let start = if before { street - 1 } else { street };
        cuts.remove_doubtful(tokens.words_span(start..if behind { end + 1 } else { end }));
    }
}

/// 8001 Zürich, CH-8001, NY 10001.
fn postal_code(tokens: &Tokens<'_, '_>, at: usize, cuts: &mut Cuts) {
    let digits = tokens.word(at);
    let country = at > 0
        && matches!(tokens.space(at), "-" | " - " | " ")
        && (COUNTRIES.contains(&tokens.word(at - 1)) && tokens.space(at) == "-"
            || STATES.contains(&tokens.word(at - 1)) && digits.len() == 5)
        && tokens.case(at - 1) == Case::Upper;
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 4 | 5) {
        return;
    }
    let town = near(tokens, at + 1)
        && is_name(tokens, at + 1)
        && Month::of(tokens.word(at + 1)).is_none()
        && tokens.word(at + 1).chars().count() >= 3;
    let year = digits.starts_with("19") || digits.starts_with("20");
    let rounded = digits.ends_with("00");
    let plain = digits.len() == 5
        || !year
            && tokens.case(at + 1) == Case::Capital
            && !(rounded && tokens.word(at + 1).chars().count() < 4);
    if country {
        cuts.remove_doubtful(tokens.words_span(at - 1..if town { at + 2 } else { at + 1 }));
    } else if town && plain {
        cuts.remove_doubtful(tokens.words_span(at..at + 2));
    }
}

/// SW1A 1AA.
fn british(tokens: &Tokens<'_, '_>, at: usize, cuts: &mut Cuts) {
    let shaped = |at: usize, shapes: &[&str]| {
        let written = tokens.written(at);
        let fits = |(c, sign): (char, char)| match sign {
            'A' => c.is_ascii_uppercase(),
            _ => c.is_ascii_digit(),
        };
        let fit = |shape: &&str| {
            shape.len() == written.len() && written.chars().zip(shape.chars()).all(fits)
        };
        shapes.iter().any(fit)
    };
    if shaped(at, &["AA9", "AA99", "AA9A", "A9A"])
        && shaped(at + 1, &["9AA"])
        && tokens.space(at + 1) == " "
        && !tokens.word(at + 1).contains(['c', 'i', 'k', 'm', 'o', 'v'])
    {
        cuts.remove_doubtful(tokens.words_span(at..at + 2));
    }
}
