//! What may be written at a place of a profile: words of the language, and what they take, with what they mean.
//!
//! The text is one that somebody is writing: it need not read. Where a place is follows from the indentation of the lines
//! before it and from the brackets of its own line.

use crate::profile::language;
use crate::standard::{self, Action, Annex};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Completions that are offered at a time.
const MOST: usize = 40;

/// Something that may be written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// What is written.
    pub text: String,
    /// How many characters before the place it takes the place of.
    pub instead_of: usize,
    /// What it means.
    pub meaning: String,
}

/// What may be written at a line and column, both from 1, in characters.
pub fn complete(text: &str, line: usize, column: usize) -> Vec<Completion> {
    let place = Place::of(text, line, column);
    let prefix = place.prefix.trim_start().trim_start_matches('"');
    let instead_of = prefix.chars().count();
    let known = match &place.value_of {
        Some(key) => values(key, place.within()),
        None => keys(&place.path),
    };
    let lower = prefix.to_lowercase();
    let fits =
        |(text, _): &(String, String)| text.to_lowercase().starts_with(&lower) && *text != prefix;
    let known = known.into_iter().filter(fits).take(MOST);
    known.map(|(text, meaning)| Completion { text, instead_of, meaning }).collect()
}

/// Where in the language something stands.
#[derive(Debug, Default, PartialEq)]
struct Place {
    /// Words under which it stands, the outermost first.
    path: Vec<String>,
    /// The word whose value it is; `None`: it is a word itself.
    value_of: Option<String>,
    /// What of it is written already.
    prefix: String,
}

impl Place {
    fn of(text: &str, line: usize, column: usize) -> Self {
        let lines: Vec<&str> = text.split('\n').collect();
        let at = line.saturating_sub(1).min(lines.len().saturating_sub(1));
        let mut above: Vec<(usize, String)> = Vec::new();
        for line in &lines[..at] {
            if is_empty(line) {
                continue;
            }
            let (indent, _, content) = parts(line);
            above.retain(|(known, _)| *known < indent);
            if let Some((key, _)) = content.split_once(':') {
                above.push((indent, key.trim().to_owned()));
            }
        }
        let before: String = lines[at].chars().take(column.saturating_sub(1)).collect();
        let (indent, is_item, content) = parts(&before);
        above.retain(|(known, _)| *known < indent);
        let path = above.into_iter().map(|(_, key)| key).collect();
        Place { path, ..Place::default() }.into_line(content, is_item)
    }

    /// Follows the brackets of a line up to the place.
    fn into_line(mut self, content: &str, is_item: bool) -> Self {
        let (mut key, mut word): (Option<String>, String) = (None, String::new());
        let (mut open, mut is_quoted) = (Vec::new(), false);
        let mut characters = content.chars().peekable();
        while let Some(c) = characters.next() {
            match c {
                '"' => is_quoted = !is_quoted,
                _ if is_quoted => {}
                ':' if characters.peek().is_none_or(|next| *next == ' ') => {
                    key = Some(std::mem::take(&mut word).trim().to_owned());
                    continue;
                }
                '{' | '[' => {
                    open.push((c, self.path.len()));
                    self.path.extend(key.take());
                    word.clear();
                    continue;
                }
                '}' | ']' => {
                    let outside = open.pop().map_or(0, |(_, length)| length);
                    self.path.truncate(outside);
                    (key, word) = (None, String::new());
                    continue;
                }
                ',' => {
                    (key, word) = (None, String::new());
                    continue;
                }
                _ => {}
            }
            word.push(c);
        }
        let is_in_list = match open.last() {
            Some((bracket, _)) => *bracket == '[',
            None => {
                is_item && self.path.last().is_some_and(|key| TAKE_LISTS.contains(&key.as_str()))
            }
        };
        if key.is_none() && is_in_list {
            key = self.path.pop();
        }
        Place { value_of: key, prefix: word, ..self }
    }

    /// The word under which it stands.
    fn within(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }
}

/// Words that take lists of plain values.
const TAKE_LISTS: [&str; 5] = ["options", "sop_class", "sop_classes", "modality", "keep_words"];

fn is_empty(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// Where the content of a line begins, whether it is an item of a list, and the content.
fn parts(line: &str) -> (usize, bool, &str) {
    let content = line.trim_start_matches([' ', '-']);
    let (indent, lead) = (line.len() - content.len(), &line[..line.len() - content.len()]);
    (indent, lead.contains('-'), content)
}

/// Words that may stand under others, with what they mean.
fn keys(path: &[String]) -> Vec<(String, String)> {
    let schema = language::schema();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let of = match path[..] {
        [] => &schema,
        [.., "leave", "faces"] | [.., "burned_in_text"] => &schema["$defs"]["RawReason"],
        [.., "rules"] => &schema["$defs"]["RawRule"],
        [.., "when"] => &schema["$defs"]["RawWhen"],
        [.., "private"] => &schema["$defs"]["RawPrivate"],
        [.., "devices"] => &schema["$defs"]["RawDevice"],
        [.., "blank"] => &schema["$defs"]["RawRegion"],
        [.., "leave"] => &schema["$defs"]["RawLeave"],
        [.., "faces"] => &schema["$defs"]["RawFaces"],
        [.., "dates"] => &schema["$defs"]["RawDates"],
        _ => return Vec::new(),
    };
    let described = |(word, what): (&String, &Value)| {
        (format!("{word}: "), what["description"].as_str().unwrap_or_default().to_owned())
    };
    of["properties"].as_object().into_iter().flatten().map(described).collect()
}

/// What a word takes, with what it means.
fn values(key: &str, within: &str) -> Vec<(String, String)> {
    let row = |text: &str, meaning: &str| (text.to_owned(), meaning.to_owned());
    match key {
        "keyword" => standard::elements().iter().map(element).collect(),
        "action" => Action::ALL.iter().map(|a| row(&a.letter().to_string(), a.meaning())).collect(),
        "options" => {
            let option =
                |option: &Annex| row(option.name(), &format!("CID 7050: {}", option.code()));
            Annex::ALL.iter().map(option).collect()
        }
        "sop_class" | "sop_classes" => {
            let classes = standard::sop_classes().values();
            let mut classes: Vec<_> = classes.map(|class| row(class.keyword, class.uid)).collect();
            classes.sort();
            classes
        }
        "efface_profile" => vec![row("1", "version of the language")],
        "based_on" => {
            let base = language::schema()["properties"]["based_on"]["const"].clone();
            base.as_str().map(|base| row(base, "the edition of PS3.15")).into_iter().collect()
        }
        "date" => {
            vec![row("shift", "earlier by the patient's days"), row("year", "the year alone")]
        }
        "keep" if within == "dates" => vec![row("year", "DA becomes YYYY0101, DT becomes YYYY")],
        "level" => vec![row("keep-facial-bones", "skin and soft tissue go, in CT bones stay")],
        "pseudonyms" => vec![
            row("keyed", "the same on every machine that holds the key"),
            row("random", "remembered in the crosswalk, derived from nothing"),
        ],
        _ => Vec::new(),
    }
}

fn element(element: &standard::Element) -> (String, String) {
    let standard::Element { tag, keyword, vr } = element;
    let cell = standard::basic_cell(*tag).map_or(String::new(), |cell| format!(", E.1-1: {cell}"));
    ((*keyword).to_owned(), format!("{tag} {vr}{cell}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
efface_profile: 1
name: lab   # a comment
options: [Clean Descriptors, ]
leave: { faces: {  } }
dates:
  keep: 
rules:
  - { keyword: PatientAg, action: K, when: { mod } }
  - keyword: Mod
    act
    when:
      sop_class: [CTIm]
devices:
  - manuf
";

    /// The completions behind the first `what`.
    fn behind(what: &str) -> Vec<Completion> {
        let before = &TEXT[..TEXT.find(what).unwrap() + what.len()];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        complete(TEXT, line, column)
    }

    fn texts(what: &str) -> Vec<String> {
        behind(what).into_iter().map(|one| one.text).collect()
    }

    #[test]
    fn words_are_completed_where_they_may_stand() {
        assert!(complete("", 1, 1).iter().any(|one| one.text == "based_on: "));
        assert_eq!(texts("when: { mod"), ["modality: "]);
        assert_eq!(texts("    act"), ["action: "]);
        assert_eq!(texts("- manuf"), ["manufacturer: "]);
        assert_eq!(texts("faces: { "), ["because: "]);
        let rule = texts("  - { ");
        assert!(rule.contains(&"keyword: ".to_owned()) && rule.contains(&"age_cap: ".to_owned()));
        assert!(!rule.contains(&"based_on: ".to_owned()));
        assert!(behind("    act")[0].meaning.starts_with("X remove"));
    }

    #[test]
    fn what_a_word_takes_is_completed_by_its_beginning() {
        let ages = behind("keyword: PatientAg");
        assert_eq!((ages[0].text.as_str(), ages[0].instead_of), ("PatientAge", 9));
        assert!(ages[0].meaning.contains("(0010,1010) AS, E.1-1: X"), "{ages:?}");
        assert!(texts("- keyword: Mod").contains(&"Modality".to_owned()));
        assert_eq!(texts("action: ").len(), 6);
        assert_eq!(texts("Clean Descriptors, ").len(), 12);
        assert_eq!(texts("options: [Clean D"), ["Clean Descriptors"]);
        assert_eq!(texts("keep: "), ["year"]);
        assert!(texts("sop_class: [CTIm").contains(&"CTImageStorage".to_owned()));
        assert_eq!(texts("name: "), Vec::<String>::new());
    }

    #[test]
    fn no_place_of_any_text_is_too_much() {
        for text in [TEXT, "]]}}: {[", "- - -\n\"", "é: {\n  é"] {
            for line in 0..16 {
                for column in 0..60 {
                    complete(text, line, column);
                }
            }
        }
    }
}
