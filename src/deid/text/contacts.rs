//! UIDs, e-mail addresses, URLs, paths, network addresses, telephone numbers behind their labels.

use super::cuts::Cuts;
use super::tokens::Tokens;
use crate::dicom::dataset::is_well_known;

/// Characters of a UID from which on fewer dots are enough.
const LONG_UID: usize = 20;

const PHONE_LABELS: &[&str] = &[
    "tel",
    "telefon",
    "telephone",
    "telefono",
    "phone",
    "fon",
    "fax",
    "telefax",
    "mobile",
    "mobil",
    "mobiltel",
    "cell",
    "cellphone",
    "handy",
    "natel",
    "pager",
    "beeper",
    "gsm",
    "ext",
    "extension",
    "portable",
    "cellulare",
    "movil",
    "durchwahl",
];

/// UIDs that are no registered names: they lead back to the source.
pub(super) fn uids(tokens: &Tokens<'_, '_>, cuts: &mut Cuts) {
    let mut at = 0;
    while at < tokens.atoms.len() {
        let mut end = at + 1;
        while end < tokens.atoms.len() && tokens.atoms[end].digits && tokens.gap(end) == "." {
            end += 1;
        }
        if tokens.atoms[at].digits && end - at >= 4 {
            let span = tokens.span(at..end);
            let uid = &tokens.text()[span.clone()];
            let long = end - at >= 6 || uid.len() >= LONG_UID;
            if long && !is_well_known(uid) {
                cuts.remove(span);
            }
        }
        at = end;
    }
}

/// What leads to a person by itself.
pub(super) fn find(tokens: &Tokens<'_, '_>, cuts: &mut Cuts) {
    let text = tokens.text();
    if text.contains(['@', ':', '\\', '.', '/']) {
        let mut at = 0;
        for piece in text.split(|c: char| {
            c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>' | '(' | ')' | '"')
        }) {
            if is_address(piece) {
                cuts.remove(at..at + piece.len());
            }
            // Every separator that is split at is one character, of one byte or more.
            at += piece.len();
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    for at in 0..tokens.words.len() {
        if tokens.is_letters(at) && PHONE_LABELS.contains(&tokens.word(at)) {
            phone_behind(tokens, at, cuts);
        }
    }
}

/// A word with the shape of an address in a network or of a file.
fn is_address(piece: &str) -> bool {
    let lower = piece.to_lowercase();
    let domain = |name: &str| {
        name.contains('.') && name.chars().any(char::is_alphabetic) && !name.starts_with('.')
    };
    let mail =
        lower.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    let file = piece.starts_with("\\\\")
        || piece.get(1..3) == Some(":\\")
        || piece.get(1..3) == Some(":/");
    let folder = piece.starts_with('/') && piece[1..].contains('/') && piece.len() > 8;
    let network = {
        let parts: Vec<&str> = piece.trim_matches(['.', ':']).split(['.', ':']).collect();
        parts.len() >= 4
            && piece.bytes().filter(u8::is_ascii_digit).count() >= 7
            && parts[..4].iter().all(|part| part.parse::<u8>().is_ok())
    };
    let ends_like_one = ENDS.iter().any(|end| {
        lower
            .split('/')
            .next()
            .is_some_and(|host| host.strip_suffix(end).is_some_and(|rest| rest.len() > 1))
    });
    mail || lower.contains("://")
        || lower.starts_with("www.") && domain(&lower)
        || file
        || folder
        || network
        || ends_like_one
}

/// Top-level domains of hospitals.
const ENDS: &[&str] = &[
    ".com", ".org", ".net", ".edu", ".gov", ".ch", ".de", ".at", ".fr", ".it", ".es", ".uk", ".eu",
    ".nl", ".be", ".lu", ".local", ".intra", ".lan", ".html", ".htm", ".dcm", ".pdf", ".jpg",
];

/// The number behind a label, with the label.
fn phone_behind(tokens: &Tokens<'_, '_>, label: usize, cuts: &mut Cuts) {
    let is_part = |at: usize| {
        let word = tokens.words.get(at)?;
        let near = tokens.space(at).chars().count() <= 4 && !tokens.space(at).contains('\n');
        (tokens.atoms[word.first].digits && near).then_some(())
    };
    let abbreviated = matches!(tokens.word(label + 1), "nr" | "no" | "number" | "nummer");
    let from = label + 1 + usize::from(abbreviated);
    let mut end = from;
    while is_part(end).is_some() {
        end += 1;
    }
    if end > from {
        cuts.remove_doubtful(tokens.words_span(label..end));
    }
}
