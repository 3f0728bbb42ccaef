//! The facts of a conformance statement about de-identification (PS3.2 N.8.4.4, N.11.2.6), drawn
//! from the compiled profile and the tables that it rests on.

use super::words::{ENGLISH, effect, is_written};
use super::{About, ObjectKind, Profile, Subject};
use crate::standard::{self, Action, Annex};
use dicom_core::{Tag, VR};
use std::collections::{BTreeMap, BTreeSet};

/// One option of Annex E (PS3.2 Table N.8-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionRow {
    /// The option.
    pub option: Annex,
    /// In force under this profile.
    pub used: bool,
}

/// All options; efface supports each of them as de-identifier and none as re-identifier.
pub fn options(profile: &Profile) -> Vec<OptionRow> {
    let row = |option| OptionRow { option, used: profile.options().has(option) };
    Annex::ALL.into_iter().map(row).collect()
}

/// One element and what is done about it (PS3.2 Table N.11-6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementRow {
    /// Its tag.
    pub tag: Tag,
    /// Its keyword.
    pub keyword: &'static str,
    /// The Basic Profile's cell as printed; `None`: Table E.1-1 does not list it.
    pub cell: Option<&'static str>,
    /// The action codes that are taken, composite ones resolved, most general first.
    pub actions: Vec<Action>,
    /// What is done where, and who decides so.
    pub outcomes: Vec<Outcome>,
}

/// What is done about an element in some kinds of object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Under which code.
    pub action: Action,
    /// In words.
    pub words: String,
    /// Who decides.
    pub by: String,
    /// Storage SOP Classes in which it is done at top level; in the first outcome of an element
    /// those are all that no other outcome counts.
    pub sop_classes: usize,
}

/// Every element of Table E.1-1 and every one that a rule names, in the order of tags.
pub fn elements(profile: &Profile) -> Vec<ElementRow> {
    let listed = standard::listed_tags().into_iter();
    let named = standard::elements().iter().map(|element| element.tag).filter(|tag| {
        let number = u32::from(tag.group()) << 16 | u32::from(tag.element());
        profile.rules().iter().any(|rule| match &rule.about {
            About::Standard { tag, mask } => number & mask == tag & mask,
            About::Representation(_) | About::Private { .. } => false,
        })
    });
    let tags: BTreeSet<Tag> = listed.chain(named).collect();
    tags.into_iter().map(|tag| element(profile, tag)).collect()
}

fn element(profile: &Profile, tag: Tag) -> ElementRow {
    let entry = standard::element(tag);
    let vr = entry.map_or(VR::UN, |entry| entry.vr);
    let outcome = |sop_class: &str, modality: &str, top_level: bool| {
        let object = ObjectKind { sop_class, modality };
        let decision = profile.decide(&object, &Subject { tag, vr, top_level, creator: None });
        let words = effect(&ENGLISH, profile, tag, vr, top_level, decision).words;
        let (action, by) = match top_level && is_written(tag) {
            true => (Action::D, "efface itself".to_owned()),
            false => (decision.treatment.action(), profile.ground_name(decision.ground)),
        };
        Outcome { action, words, by, sop_classes: 0 }
    };
    // What holds in items, and in objects that nothing special is said about.
    let general = outcome("", "", false);
    let mut special: BTreeMap<(Action, String, String), usize> = BTreeMap::new();
    for sop_class in standard::sop_classes().keys() {
        let modalities = modalities(profile, sop_class);
        let here: BTreeSet<_> = modalities
            .iter()
            .map(|modality| outcome(sop_class, modality, true))
            .filter(|outcome| *outcome != general)
            .map(|Outcome { action, words, by, .. }| (action, words, by))
            .collect();
        for found in here {
            *special.entry(found).or_default() += 1;
        }
    }
    let special = special.into_iter().map(|((action, words, by), sop_classes)| Outcome {
        action,
        words,
        by,
        sop_classes,
    });
    let outcomes: Vec<Outcome> = std::iter::once(general).chain(special).collect();
    let mut actions: Vec<Action> = Vec::new();
    for outcome in &outcomes {
        if !actions.contains(&outcome.action) {
            actions.push(outcome.action);
        }
    }
    let keyword = entry.map_or("", |entry| entry.keyword);
    ElementRow { tag, keyword, cell: standard::basic_cell(tag), actions, outcomes }
}

/// The modalities that rules speak of; the empty one stands for all others.
fn modalities<'a>(profile: &'a Profile, sop_class: &str) -> BTreeSet<&'a str> {
    let rules = profile.rules().iter();
    let about = rules.filter(|rule| {
        rule.when.sop_classes.is_empty() || rule.when.sop_classes.iter().any(|c| c == sop_class)
    });
    let named = about.flat_map(|rule| rule.when.modalities.iter().map(String::as_str));
    named.chain([""]).collect()
}

/// What becomes of standard elements that Table E.1-1 doesn't list and no rule names, by VR: PS3.2
/// N.8.4.4 asks for the strategy for attributes that the standard defines later.
pub fn unlisted(profile: &Profile) -> BTreeMap<(Action, String), BTreeSet<&'static str>> {
    let mut by_words: BTreeMap<(Action, String), BTreeSet<&'static str>> = BTreeMap::new();
    let named = |subject: &Subject<'_>| {
        let mut rules = profile.rules().iter();
        rules
            .any(|rule| rule.about.fits(subject) && !matches!(rule.about, About::Representation(_)))
    };
    for entry in standard::elements() {
        let (tag, vr) = (entry.tag, entry.vr);
        let subject = Subject { tag, vr, top_level: false, creator: None };
        if standard::basic_cell(tag).is_some() || named(&subject) || EXCEPTED.contains(&tag) {
            continue;
        }
        let object = ObjectKind { sop_class: "", modality: "" };
        let decision = profile.decide(&object, &subject);
        let words = effect(&ENGLISH, profile, tag, vr, false, decision).words;
        by_words.entry((decision.treatment.action(), words)).or_default().insert(vr.to_string());
    }
    by_words
}

/// Elements whose VR doesn't say what they are: a code value and the character set itself.
const EXCEPTED: [Tag; 2] = [
    dicom_dictionary_std::tags::LONG_CODE_VALUE,
    dicom_dictionary_std::tags::SPECIFIC_CHARACTER_SET,
];

#[cfg(test)]
mod tests {
    use super::super::language::tests::profile;
    use super::*;
    use dicom_dictionary_std::tags;

    fn rows(rest: &str) -> Vec<ElementRow> {
        elements(&profile(rest))
    }

    fn row(rows: &[ElementRow], tag: Tag) -> &ElementRow {
        rows.iter().find(|row| row.tag == tag).unwrap()
    }

    #[test]
    fn every_listed_element_has_a_row_with_its_codes_resolved() {
        let rows = rows("");
        assert_eq!(rows.len(), standard::listed_tags().len());
        let station = row(&rows, tags::STATION_NAME);
        assert_eq!((station.cell, station.outcomes[0].action), (Some("X/Z/D"), Action::D));
        assert!(station.actions.contains(&Action::X) && station.outcomes[1].sop_classes > 1);
        assert_eq!(row(&rows, tags::STUDY_DESCRIPTION).outcomes.len(), 1);
    }

    #[test]
    fn rules_add_rows_of_their_own() {
        let rule = "rules:\n  - { keyword: Modality, action: X, when: { modality: [MR] } }\n";
        let rows = rows(rule);
        let modality = row(&rows, tags::MODALITY);
        assert_eq!(
            (modality.cell, modality.actions.as_slice()),
            (None, &[Action::K, Action::X][..])
        );
        assert_eq!(modality.outcomes[1].by, "rule in line 5");
    }

    #[test]
    fn unlisted_elements_go_by_their_vr() {
        let by_words = unlisted(&profile(""));
        let emptied = &by_words[&(Action::Z, "emptied".to_owned())];
        assert!(emptied.contains("PN") && emptied.contains("DA") && emptied.contains("LT"));
        assert!(!emptied.contains("US"));
    }
}
