//! `profile:`, a profile by the name of a shipped one, or by its file.

use crate::profile::{Profile, SHIPPED, language};
use crate::yaml::{self, suggestion};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A profile as a person wrote it.
#[derive(Clone, Debug)]
pub struct WrittenProfile {
    /// Where: a file, or the name of a shipped one.
    pub file: String,
    /// The YAML.
    pub text: String,
}

impl WrittenProfile {
    /// Reads a profile that is shipped, a file beside a configuration, or, by the name `-`, the standard input.
    ///
    /// # Errors
    /// In words, for a person.
    pub fn read(name: &str, folder: Option<&Path>) -> Result<Self, String> {
        if name == "-" && folder.is_none() {
            let mut text = String::new();
            let read = std::io::stdin().take(1 + yaml::SIZE_MAX as u64).read_to_string(&mut text);
            read.map_err(|error| format!("standard input: {error}"))?;
            return Ok(WrittenProfile { file: "standard input".to_owned(), text });
        }
        if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            return Ok(WrittenProfile { file: name.to_owned(), text: (*text).to_owned() });
        }
        let path = folder.map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let hint = suggestion(name, SHIPPED.iter().map(|(shipped, _)| *shipped));
            format!("profile {}: {error}{hint}", path.display())
        })?;
        Ok(WrittenProfile { file: path.display().to_string(), text })
    }

    /// What it means.
    ///
    /// # Errors
    /// Everything that is wrong with it, in words.
    pub fn parse(&self) -> Result<Profile, String> {
        language::parse(&self.file, &self.text).map_err(|mistakes| mistakes.to_string())
    }
}

/// A profile by the name of a shipped one or by its file, which is looked for in `folder`.
///
/// # Errors
/// What is wrong, for a person.
pub fn load_profile(name: &str, folder: Option<&Path>) -> Result<Profile, String> {
    WrittenProfile::read(name, folder)?.parse()
}
