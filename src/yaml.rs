//! YAML that people write: read with a size limit, refused with every mistake at its place.

use serde::de::DeserializeOwned;
use serde_yaml::Spanned;
use std::fmt;

/// Bytes of the largest file that is read.
const SIZE_MAX: usize = 1 << 20;

/// Everything that is wrong with a file, in the order of the file.
#[derive(Debug, thiserror::Error)]
pub struct Mistakes {
    file: String,
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
                }
                None => write!(f, "{newline}{}: {}", self.file, mistake.what)?,
            }
        }
        Ok(())
    }
}

/// Collects the mistakes of one file.
#[derive(Default)]
pub struct Notes {
    found: Vec<Mistake>,
}

impl Notes {
    /// Parses the text; a mistake of form is noted with an excerpt.
    pub fn parse<T: DeserializeOwned>(&mut self, text: &str) -> Option<T> {
        if text.len() > SIZE_MAX {
            self.say(format!("such a file has at most {SIZE_MAX} bytes"));
            return None;
        }
        match serde_yaml::from_str(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.say(error.to_string());
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
            _ => Err(Mistakes { file: file.to_owned(), found: self.found }),
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
