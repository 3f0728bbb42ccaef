//! Numbers that may be somebody's: long ones, grouped ones, mixed with letters, behind a label;
//! and ages that only few reach.

use super::cuts::Cuts;
use super::tokens::Tokens;

/// Digits from which on a number is somebody's.
const LONG: usize = 5;
/// Ages from which on an age identifies (HIPAA 164.514(b)(2)(i)(C)).
const AGES: std::ops::RangeInclusive<u32> = 90..=150;

/// Letters beside a number of four digits that make it a quantity or a name of a kernel.
const UNITS: &[&str] = &[
    "b", "bval", "bvalue", "c", "cm", "deg", "dlp", "ev", "fov", "fps", "g", "gy", "hu", "hz",
    "iso", "k", "kev", "khz", "kv", "kvp", "l", "m", "ma", "mas", "matrix", "mb", "mev", "mgy",
    "mhz", "min", "ml", "mm", "ms", "mt", "nex", "p", "px", "r", "s", "sec", "t", "te", "ti", "tr",
    "us", "v", "w", "wc", "wl", "ww", "x", "y", "i", "f", "d",
];

/// Labels of identifiers. Whatever follows with a digit goes ...
const ID_LABELS: &[&str] = &[
    "mrn",
    "pid",
    "patid",
    "patientid",
    "ssn",
    "ahv",
    "nhs",
    "npi",
    "nss",
    "nir",
    "insee",
    "ipp",
    "svnr",
    "avs",
    "accession",
    "acc",
    "accnr",
    "fallnr",
    "fallnummer",
    "patnr",
    "patientennr",
    "patientennummer",
    "dossier",
    "episode",
    "cartella",
    "expediente",
    "historia",
    "insurance",
    "policy",
    "passport",
    "serial",
    "dni",
    "nif",
    "kvnr",
    "ik",
    "chart",
    "barcode",
    "invoice",
];
/// ... and behind these, four digits and more.
const WEAK_LABELS: &[&str] = &[
    "id", "case", "no", "nr", "num", "number", "nummer", "numero", "ref", "fall", "cas", "order",
    "record", "file", "study", "request", "exam", "visit", "room", "bed",
];

const AGE_LABELS: &[&str] = &["age", "aged", "alter", "edad", "eta", "jg"];
const AGE_UNITS: &[&str] = &[
    "y",
    "yo",
    "yr",
    "yrs",
    "year",
    "years",
    "jahre",
    "jahr",
    "jahrig",
    "jahrige",
    "jahriger",
    "jaehrig",
    "jaehrige",
    "jaehriger",
    "j",
    "ans",
    "an",
    "anni",
    "anos",
    "aos",
];

pub(super) fn find(tokens: &Tokens<'_, '_>, cuts: &mut Cuts) {
    for at in 0..tokens.words.len() {
        word(tokens, at, cuts);
        behind_label(tokens, at, cuts);
    }
    let mut at = 0;
    while at < tokens.atoms.len() {
        at = group(tokens, at, cuts).max(at + 1);
    }
    (0..tokens.atoms.len()).for_each(|at| age(tokens, at, cuts));
    encoded(tokens, cuts);
}

/// One word with long numbers or the alternation of a record number.
fn word(tokens: &Tokens<'_, '_>, at: usize, cuts: &mut Cuts) {
    let word = tokens.words[at];
    let atoms = &tokens.atoms[word.first..word.end];
    let longest = atoms.iter().filter(|a| a.digits).map(|a| a.len()).max().unwrap_or(0);
    let digits: usize = atoms.iter().filter(|a| a.digits).map(|a| a.len()).sum();
    let letters = || (word.first..word.end).filter_map(|atom| tokens.letters(atom));
    let quantity = || letters().all(|letters| UNITS.contains(&letters));
    let sized = || letters().all(|letters| matches!(letters, "x" | "mm" | "cm" | "m"));
    let doubtful = match longest {
        LONG.. => !is_fraction(tokens, word.first),
        4 => atoms.len() > 1 && !quantity() && !sized(),
        // 8K2M9P4Q and the like: no device or protocol is written so.
        _ => atoms.len() >= 5 && digits >= 3 && word.hi - word.lo >= 7 && !sized(),
    };
    if doubtful {
        cuts.remove_doubtful(tokens.words_span(at..at + 1));
    }
}

/// The digits behind a decimal point.
fn is_fraction(tokens: &Tokens<'_, '_>, atom: usize) -> bool {
    let number = |at: usize| tokens.atoms.get(at).is_some_and(|a| a.digits && a.len() <= 3);
    let dot = |at: usize| tokens.gap(at) == ".";
    atom > 0 && dot(atom) && number(atom - 1) && !(atom > 1 && dot(atom - 1)) && !dot(atom + 1)
}

/// Numbers in groups: 12-34-56, 756.1234.5678.97, 031 415 92 65, 555 123 4567.
fn group(tokens: &Tokens<'_, '_>, at: usize, cuts: &mut Cuts) -> usize {
    let is_number = |at: usize| tokens.atoms.get(at).is_some_and(|atom| atom.digits);
    if !is_number(at) {
        return at + 1;
    }
    let sign = |at: usize| match tokens.gap(at) {
        "-" | "–" | " - " => Some('-'),
        "." => Some('.'),
        "/" | " / " => Some('/'),
        " " | ") " | ")" | " (" | "\u{A0}" => Some(' '),
        "'" | "’" => Some('\''),
        "_" => Some('_'),
        "," => Some(','),
        _ => None,
    };
    let mut end = at + 1;
    let mut signs = Vec::new();
    while is_number(end)
        && let Some(one) = sign(end)
    {
        signs.push(one);
        end += 1;
    }
    let lengths: Vec<usize> = tokens.atoms[at..end].iter().map(|atom| atom.len()).collect();
    // Letters that stand close to the ends make sizes of them: 512-512mm.
    let plus = tokens.gap(at).ends_with('+') || tokens.gap(at).ends_with("(+");
    if looks_like_a_number(tokens, at, &lengths, &signs, plus) {
        cuts.remove_doubtful(tokens.span(at..end));
        return end;
    }
    // 5 031 415 92 65: a number may begin further on.
    if signs.len() >= 2 && signs.contains(&' ') { at + 1 } else { end }
}

fn looks_like_a_number(
    tokens: &Tokens<'_, '_>,
    at: usize,
    lengths: &[usize],
    signs: &[char],
    plus: bool,
) -> bool {
    let total: usize = lengths.iter().sum();
    let values: Vec<u32> =
        (at..at + lengths.len()).filter_map(|i| tokens.atom(i).parse().ok()).collect();
    let rising = values.len() == lengths.len() && values.windows(2).all(|w| w[0] < w[1]);
    // 0 50 400 800: a list of settings.
    let settings = rising && values.iter().all(|value| value % 5 == 0);
    let equal = values.windows(2).all(|w| w[0] == w[1]);
    let only = |sign: char| signs.iter().all(|s| *s == sign);
    let zero = lengths[0] >= 2 && tokens.atom(at).starts_with('0');
    match signs.len() {
        _ if plus && total >= 7 => true,
        0 => false,
        _ if only('.') => signs.len() >= 2 && total >= LONG,
        _ if only(',') => total >= LONG && lengths[1..].iter().all(|l| *l == 3) && signs.len() == 1,
        _ if only('\'') => total >= LONG,
        1 if only('-') || only('_') => total >= LONG && !rising && !equal,
        1 if only('/') => total >= 7 && !rising && !equal,
        _ if only('-') || only('_') => total >= LONG && !equal && !(rising && lengths.len() > 3),
        _ if only('/') => total >= 7 && !rising && !equal,
        // Spaces, perhaps with other separators: the shapes of telephone and insurance numbers.
        _ if zero && total >= 7 => true,
        _ if settings => false,
        _ if lengths == [3, 3, 4] || lengths == [3, 4, 4] || lengths == [3, 2, 4] => true,
        _ => {
            lengths.len() >= 5
                && total >= 10
                && !rising
                && lengths.iter().all(|l| *l <= 4)
                && !equal
        }
    }
}

fn behind_label(tokens: &Tokens<'_, '_>, at: usize, cuts: &mut Cuts) {
    let close = |at: usize| {
        let gap = tokens.space(at);
        gap.chars().count() <= 3 && !gap.contains(['\n', ')', ',', ';'])
    };
    let mut next = at + 1;
    while matches!(tokens.word(next), "id" | "no" | "nr" | "num" | "number" | "nummer" | "numero") {
        next += 1;
    }
    let Some(word) = tokens.words.get(next) else { return };
    let digits = tokens.reading.folded[word.lo..word.hi].iter().filter(|b| b.is_ascii_digit());
    let enough = match digits.count() {
        0 => false,
        1..4 => ID_LABELS.contains(&tokens.word(at)),
        _ => ID_LABELS.contains(&tokens.word(at)) || WEAK_LABELS.contains(&tokens.word(at)),
    };
    if !enough || !close(next) {
        return;
    }
    let mut end = next + 1;
    while tokens.words.get(end).is_some_and(|word| tokens.atoms[word.first].digits)
        && matches!(tokens.space(end), "-" | "." | "/" | "_")
    {
        end += 1;
    }
    cuts.remove_doubtful(tokens.words_span(at..end));
}

/// 92Y, 092Y, 92-year-old, age 92.
fn age(tokens: &Tokens<'_, '_>, at: usize, cuts: &mut Cuts) {
    if tokens.number(at, 2..=3).is_none_or(|age| !AGES.contains(&age)) {
        return;
    }
    let close = |at: usize| tokens.gap(at).chars().count() <= 2;
    let glued = |at: usize| tokens.atoms.get(at).is_some_and(|atom| atom.glued);
    // Y90 and I131 are isotopes.
    let behind = tokens.letters(at + 1).filter(|_| close(at + 1) && !glued(at + 2));
    if behind.is_some_and(|unit| AGE_UNITS.contains(&unit)) && !glued(at) {
        cuts.remove_doubtful(tokens.span(at..at + 2));
    } else if at > 0 && close(at) && AGE_LABELS.contains(&tokens.atom(at - 1)) {
        cuts.remove_doubtful(tokens.span(at - 1..at + 1));
    }
}

/// Long runs of hexadecimal digits, with hyphens or without: hashes, UUIDs.
fn encoded(tokens: &Tokens<'_, '_>, cuts: &mut Cuts) {
    let text = tokens.text();
    let mut at = 0;
    for piece in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
        let hex = piece.bytes().filter(u8::is_ascii_hexdigit).count();
        let digits = piece.bytes().filter(u8::is_ascii_digit).count();
        let hyphens = piece.bytes().filter(|b| *b == b'-').count();
        if hex >= 12 && hex + hyphens == piece.len() && digits >= 3 && digits < hex {
            cuts.remove_doubtful(at..at + piece.len());
        }
        at += piece.len();
        at += text[at..].chars().next().map_or(0, char::len_utf8);
    }
}
