//! What the engine did, in numbers: for the log and for people who check a profile. No values.

use crate::profile::Ground;
use crate::standard::{Action, Options};
use dicom_core::Tag;
use std::collections::BTreeMap;

/// How often each action was taken on each element, and on what ground.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Report {
    counts: BTreeMap<(Tag, Action, Ground), u64>,
}

impl Report {
    pub(super) fn count(&mut self, tag: Tag, action: Action, ground: Ground) {
        self.count_many(tag, action, ground, 1);
    }

    pub(super) fn count_many(&mut self, tag: Tag, action: Action, ground: Ground, times: u64) {
        *self.counts.entry((tag, action, ground)).or_default() += times;
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

    /// The options of Annex E that decided about something.
    pub fn options(&self) -> Options {
        let by_option = self.counts.keys().filter_map(|(_, _, ground)| match ground {
            Ground::Option(option) => Some(*option),
            _ => None,
        });
        by_option.collect()
    }

    /// How many elements each rule of the profile decided about, by the rule's place.
    pub fn by_rule(&self) -> BTreeMap<u16, u64> {
        let mut rules = BTreeMap::new();
        for ((_, _, ground), n) in &self.counts {
            if let Ground::Rule(rule) = ground {
                *rules.entry(*rule).or_default() += n;
            }
        }
        rules
    }
}
