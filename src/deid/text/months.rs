//! Names of months and weekdays in the languages of Western reports.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::reading::squash;

/// English names, as the verifier knows them too.
pub(super) const ENGLISH: &[&str; 12] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A row per language and length. Where rows share a name, the first one counts.
#[rustfmt::skip]
const ROWS: &[[&str; 12]] = &[
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"],
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    ["Jan", "Feb", "Mar", "Apr", "May", "June", "July", "Aug", "Sept", "Oct", "Nov", "Dec"],
    ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"],
    ["Januar", "Februar", "Maerz", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"],
    ["Jänner", "Feber", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"],
    ["Jan", "Feb", "Mrz", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"],
    ["Jan", "Feb", "März", "Apr", "Mai", "Juni", "Juli", "Aug", "Sept", "Okt", "Nov", "Dez"],
    ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"],
    ["janv", "févr", "mars", "avr", "mai", "juin", "juil", "août", "sept", "oct", "nov", "déc"],
    ["jan", "fév", "mars", "avr", "mai", "juin", "juil", "aoû", "sep", "oct", "nov", "déc"],
    ["gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre", "novembre", "dicembre"],
    ["gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic"],
    ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"],
    ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"],
    ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "setiembre", "octubre", "noviembre", "diciembre"],
    ["janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro", "dezembro"],
    ["januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober", "november", "december"],
];

#[rustfmt::skip]
const WEEKDAYS: &[&str] = &[
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    "mon", "tue", "tues", "wed", "thu", "thur", "thurs", "fri", "sat", "sun",
    "montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonnabend", "sonntag",
    "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche",
    "lunedi", "martedi", "mercoledi", "giovedi", "venerdi", "sabato", "domenica",
    "lunes", "martes", "miercoles", "jueves", "viernes", "sabado", "domingo",
];

/// A month as it was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Month {
    row: usize,
    /// 1 to 12.
    pub(super) number: u32,
    /// At least four letters: hardly an abbreviation of something else.
    pub(super) full: bool,
}

impl Month {
    /// Reads a folded word. MAR and OCT are also metal artefact reduction and optical coherence
    /// tomography: see `full`.
    pub(super) fn of(word: &str) -> Option<Month> {
        if !(3..=10).contains(&word.len()) || !word.is_ascii() {
            return None;
        }
        FOLDED.get(word).copied()
    }

    /// The name of another month in the same language, length and case as `like`.
    pub(super) fn named(&self, number: u32, like: &str) -> String {
        let name = ROWS[self.row][number as usize - 1];
        let mut letters = like.chars().filter(|c| c.is_alphabetic());
        match (letters.next().is_some_and(char::is_uppercase), letters.next()) {
            (true, Some(second)) if second.is_uppercase() => name.to_uppercase(),
            (true, _) => {
                let mut rest = name.chars();
                rest.next()
                    .map(|c| c.to_uppercase().collect::<String>() + rest.as_str())
                    .unwrap_or_default()
            }
            (false, _) => name.to_lowercase(),
        }
    }
}

static FOLDED: LazyLock<HashMap<String, Month>> = LazyLock::new(|| {
    let mut folded = HashMap::new();
    for (row, names) in ROWS.iter().enumerate() {
        for (number, name) in (1..).zip(names) {
            let month = Month { row, number, full: name.chars().count() > 3 };
            folded.entry(squash(name)).or_insert(month);
        }
    }
    folded
});

/// `word`: folded.
pub(super) fn is_weekday(word: &str) -> bool {
    WEEKDAYS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_in_their_language() {
        for (word, number, to, like, named) in [
            ("maerz", 3, 2, "Maerz", "Februar"),
            ("marz", 3, 1, "März", "Januar"),
            ("mar", 3, 1, "MAR", "JAN"),
            ("fevrier", 2, 12, "février", "décembre"),
            ("agosto", 8, 7, "agosto", "luglio"),
        ] {
            let month = Month::of(word).unwrap();
            assert_eq!((month.number, month.named(to, like).as_str()), (number, named), "{word}");
        }
        assert_eq!(Month::of("head"), None);
    }
}
