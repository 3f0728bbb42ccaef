//! YAML that people write: read with a size limit, refused with every mistake at its place.

use serde::de::DeserializeOwned;
use serde_yaml::Spanned;
use std::fmt;

/// Bytes of the largest file that is read.
pub const SIZE_MAX: usize = 1 << 20;

/// Everything that is wrong with a file, in the order of the file.
#[derive(Debug, thiserror::Error)]
pub struct Mistakes {
    file: String,
    text: String,
    found: Vec<Mistake>,
}

/// One mistake: where, what, and what to write instead.
#[derive(Debug)]
struct Mistake {
    at: Option<(u64, u64)>,
    what: String,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.found.iter().enumerate() {
            let newline = if n > 0 { "\n" } else { "" };
            match mistake.at {
                Some((line, column)) => {
                    write!(f, "{newline}{}:{line}:{column}: {}", self.file, mistake.what)?;
                    self.excerpt(f, line, column)?;
                }
                None => write!(f, "{newline}{}: {}", self.file, mistake.what)?,
            }
        }
        Ok(())
    }
}

impl Mistakes {
    /// Line and column, from 1, where there is one place, and what is wrong.
    pub fn all(&self) -> impl Iterator<Item = (Option<(u64, u64)>, &str)> {
        self.found.iter().map(|mistake| (mistake.at, mistake.what.as_str()))
    }

    /// The line, and under it a mark at the column.
    fn excerpt(&self, f: &mut fmt::Formatter<'_>, line: u64, column: u64) -> fmt::Result {
        let text =
            usize::try_from(line).ok().and_then(|n| self.text.lines().nth(n.checked_sub(1)?));
        let Some(text) = text.filter(|text| text.chars().count() <= EXCERPT_MAX) else {
            return Ok(());
        };
        let before = (column as usize).saturating_sub(1).min(EXCERPT_MAX);
        write!(f, "\n  {line:>4} | {text}\n       | {:before$}^", "")
    }
}

/// Characters of the longest line that is shown.
const EXCERPT_MAX: usize = 160;

/// Collects the mistakes of one file.
#[derive(Default)]
pub struct Notes {
    text: String,
    found: Vec<Mistake>,
}

impl Notes {
    /// Parses the text; a mistake of form is noted.
    pub fn parse<T: DeserializeOwned>(&mut self, text: &str) -> Option<T> {
        if text.len() > SIZE_MAX {
            self.say(format!("such a file has at most {SIZE_MAX} bytes"));
            return None;
        }
        self.text = text.to_owned();
        match serde_yaml::from_str(text) {
            Ok(value) => Some(value),
            Err(error) => {
                let at = error.location().map(|at| (at.line(), at.column()));
                // With its place the excerpt is ours.
                let what = match at {
                    Some(_) => error.without_snippet().to_string(),
                    None => error.to_string(),
                };
                self.found.push(Mistake { at, what });
                None
            }
        }
    }

    /// Notes a mistake at a place.
    pub fn at<T>(&mut self, place: &Spanned<T>, what: impl Into<String>) {
        let at = Some((place.referenced.line(), place.referenced.column()));
        self.found.push(Mistake { at, what: what.into() });
    }

    /// Notes a mistake of the whole file.
    pub fn say(&mut self, what: impl Into<String>) {
        self.found.push(Mistake { at: None, what: what.into() });
    }

    /// The value, if there was one and nothing is wrong with it.
    ///
    /// # Errors
    /// All mistakes.
    pub fn settle<T>(mut self, file: &str, value: Option<T>) -> Result<T, Mistakes> {
        self.found.sort_by_key(|mistake| mistake.at);
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(Mistakes { file: file.to_owned(), text: self.text, found: self.found }),
        }
    }
}

/// `; did you mean X?`, when something is near enough.
pub fn suggestion<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    let word = word.to_lowercase();
    let scored = candidates.map(|c| (strsim::jaro_winkler(&word, &c.to_lowercase()), c));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, best)) if score > 0.85 => format!("; did you mean {best}?"),
        _ => String::new(),
    }
}
