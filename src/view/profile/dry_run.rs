//! What would become of real objects under a profile. Values are masked: kind and length, unless a person asked to see them.

use serde::{Deserialize, Serialize};

/// What would become of objects, and of which nothing was kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DryRun {
    /// The name of the profile.
    pub name: String,
    /// The beginning of its plan's digest.
    pub plan: String,
    /// Whether a key was thrown for the run: other pseudonyms would leave.
    pub key_was_thrown: bool,
    /// The first object of each series and SOP class, or all.
    pub objects: Vec<Shown>,
    /// How many would leave.
    pub leave: usize,
    /// How many came twice.
    pub repeated: usize,
    /// Those that would be withheld, by reason.
    pub withheld: Vec<Reason>,
}

/// One object before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Its file, or its name in the spool.
    pub file: String,
    /// Keyword of its SOP class.
    pub class: String,
    /// More objects of the same series and SOP class.
    pub more: usize,
    /// Code and words of why it would be withheld; `None`: it would leave.
    pub withheld: Option<(String, String)>,
    /// Its elements; none if it did not get so far as to be changed.
    pub elements: Vec<Line>,
    /// Whether its pixels are others; `None`: there are none, or it did not get so far.
    pub pixels_changed: Option<bool>,
}

/// One element before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Tags and item numbers, then its keyword.
    pub path: String,
    /// Its VR.
    pub vr: String,
    /// What it is in the source.
    pub before: String,
    /// What it is in the output.
    pub after: String,
    /// Letter of the action (PS3.15 E.1-1a), if the profile took one.
    pub action: Option<char>,
    /// Who decided.
    pub by: String,
}

/// Why objects would be withheld.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// Code in quarantine.
    pub code: String,
    /// What is wrong.
    pub detail: String,
    /// What a person can do.
    pub advice: String,
    /// Their files.
    pub files: Vec<String>,
}

impl DryRun {
    /// How many would be withheld.
    pub fn stay(&self) -> usize {
        self.withheld.iter().map(|reason| reason.files.len()).sum()
    }
}
