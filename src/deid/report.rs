//! What the engine did, in numbers: for the log and for people who check a profile. No values.

use crate::profile::Ground;
use crate::standard::Action;
use dicom_core::Tag;
use std::collections::BTreeMap;

/// How often each action was taken on each element, and on what ground.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    counts: BTreeMap<(Tag, Action, Ground), u64>,
}

impl Report {
    pub(super) fn count(&mut self, tag: Tag, action: Action, ground: Ground) {
        *self.counts.entry((tag, action, ground)).or_default() += 1;
    }

    /// Adds the counts of another object.
    pub fn merge(&mut self, other: &Report) {
        for (key, n) in &other.counts {
            *self.counts.entry(*key).or_default() += n;
        }
    }

    /// Each element that was met, what was done, why, and how often; in the order of the tags.
    pub fn iter(&self) -> impl Iterator<Item = (Tag, Action, Ground, u64)> + '_ {
        self.counts.iter().map(|(&(tag, action, ground), &n)| (tag, action, ground, n))
    }

    /// How often an action was taken.
    pub fn total(&self, action: Action) -> u64 {
        self.iter().filter(|(_, a, ..)| *a == action).map(|(.., n)| n).sum()
    }
}
