//! What a profile is, or everything that is wrong with it; and those that come along.

use super::short_digest;
use crate::profile::{Profile, SHIPPED, language};
use crate::yaml::Mistakes;
use serde::{Deserialize, Serialize};

/// A profile that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// Its file, or name.
    pub file: String,
    /// What it is, if nothing is wrong with it.
    pub profile: Option<Summary>,
    /// What is wrong, in the order of the file.
    pub mistakes: Vec<Mistake>,
}

/// A profile in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The name in it.
    pub name: String,
    /// The beginning of its plan's digest.
    pub plan: String,
    /// Options of Annex E by name.
    pub options: Vec<String>,
    /// How many rules.
    pub rules: usize,
    /// Reasons for being weaker than its base.
    pub reasons: Vec<String>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// From 1; `None`: of the whole file.
    pub line: Option<u64>,
    /// From 1, in characters.
    pub column: Option<u64>,
    /// What, and what to write instead.
    pub what: String,
}

/// A profile that comes along.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shipped {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub what_for: String,
}

impl Summary {
    /// Of a profile.
    pub fn of(profile: &Profile) -> Self {
        Summary {
            name: profile.name().to_owned(),
            plan: short_digest(profile),
            options: profile.options().iter().map(|option| option.name().to_owned()).collect(),
            rules: profile.rules().len(),
            reasons: profile.reasons(),
        }
    }
}

impl From<&Mistakes> for Vec<Mistake> {
    fn from(mistakes: &Mistakes) -> Self {
        let one = |(at, what): (Option<(u64, u64)>, &str)| {
            let (line, column) = at.unzip();
            Mistake { line, column, what: what.to_owned() }
        };
        mistakes.all().map(one).collect()
    }
}

/// Looks at a text.
pub fn check(file: &str, text: &str) -> Checked {
    let (profile, mistakes) = match language::parse(file, text) {
        Ok(profile) => (Some(Summary::of(&profile)), Vec::new()),
        Err(mistakes) => (None, (&mistakes).into()),
    };
    Checked { file: file.to_owned(), profile, mistakes }
}

/// The profiles that come along.
pub fn shipped() -> Vec<Shipped> {
    let one = |(name, text): &(&str, &str)| Shipped {
        name: (*name).to_owned(),
        what_for: first_sentence(text),
    };
    SHIPPED.iter().map(one).collect()
}

/// The first sentence of the comment at the head of a profile.
fn first_sentence(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix('#').map(str::trim));
    let paragraph: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    match paragraph.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => paragraph,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_profile_says_what_it_is_for() {
        for Shipped { name, what_for } in shipped() {
            assert!(what_for.len() > 20 && what_for.ends_with('.'), "{name}: {what_for}");
        }
        assert_eq!(first_sentence("# One. Two.\n# Three.\n"), "One.");
        assert_eq!(first_sentence("name: x"), "");
    }

    #[test]
    fn every_mistake_has_its_place() {
        let (_, basic) = SHIPPED[0];
        assert!(check("basic", basic).mistakes.is_empty());
        let wrong = basic.replace(
            "\nrules: []\n",
            "\nrules:\n  - { keyword: PatientBirthdate, action: X }\n  - { keyword: StudyID, action: Q }\n",
        );
        let checked = check("basic", &wrong);
        let line =
            wrong.lines().position(|line| line.contains("PatientBirthdate")).unwrap() as u64 + 1;
        let places: Vec<_> = checked.mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(places, [Some(line), Some(line + 1)], "{checked:?}");
        assert!(checked.mistakes[0].what.contains("did you mean PatientBirthDate?"));
        assert_eq!(checked.mistakes[0].column, Some(16));
        // Also one of form, which the parser finds.
        let broken = check("basic", "efface_profile: 1\nname: [a\n");
        assert!(broken.mistakes[0].line.is_some_and(|line| line >= 2), "{broken:?}");
        assert!(broken.profile.is_none());
    }
}
