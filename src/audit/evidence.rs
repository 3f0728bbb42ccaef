//! What was done to the objects of a release, element by element: counts, tags and reasons.
//!
//! The objects of a series are mostly treated alike: those with the same counts share an entry.

use crate::deid::Report;
use crate::profile::{Ground, Profile};
use dicom_core::Tag;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was done to each of a number of objects. No values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// So many objects were treated exactly so.
    pub objects: u64,
    /// Elements that something was done to, or that something other than the standard's silence
    /// let stay.
    pub elements: Vec<Treated>,
    /// Elements that stayed because the standard's tables say nothing against them.
    pub unlisted_kept: u64,
    /// What a rule of the site let stay, and why.
    pub kept: Vec<Kept>,
}

/// One element, at any depth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Treated {
    /// `(gggg,eeee)`.
    pub tag: String,
    /// Letter of the action (PS3.15 E.1-1a).
    pub action: char,
    /// Who decided.
    pub by: String,
    /// How often.
    pub times: u64,
}

/// A reason, and what it let stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Line of the rule in the profile.
    pub line: u64,
    /// Its `because:`.
    pub because: String,
    /// How many elements.
    pub elements: u64,
}

/// Groups the reports of the objects of a release.
pub fn evidence<'a>(profile: &Profile, reports: impl Iterator<Item = &'a Report>) -> Vec<Evidence> {
    let mut alike: BTreeMap<&Report, u64> = BTreeMap::new();
    for report in reports {
        *alike.entry(report).or_default() += 1;
    }
    alike.into_iter().map(|(report, objects)| of_one(profile, report, objects)).collect()
}

fn of_one(profile: &Profile, report: &Report, objects: u64) -> Evidence {
    let (known, decided): (Vec<_>, Vec<_>) =
        report.iter().partition(|(.., ground, _)| *ground == Ground::Known);
    let elements = decided.into_iter().map(|(tag, action, ground, times)| Treated {
        tag: shown(tag),
        action: action.letter(),
        by: profile.ground_name(ground),
        times,
    });
    let kept = report.by_rule().into_iter().filter_map(|(rule, elements)| {
        let rule = profile.rules().get(usize::from(rule))?;
        Some(Kept { line: rule.line, because: rule.because.clone()?, elements })
    });
    Evidence {
        objects,
        elements: elements.collect(),
        unlisted_kept: known.iter().map(|(.., times)| times).sum(),
        kept: kept.collect(),
    }
}

fn shown(Tag(group, element): Tag) -> String {
    format!("({group:04X},{element:04X})")
}
