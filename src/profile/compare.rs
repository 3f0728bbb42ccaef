//! What would newly leave, or no longer leave, if one profile took the place of another.
//!
//! Both are asked about every element of the dictionary and every private element that a rule of
//! either names, at top level and in items, in every kind of object that can make a difference:
//! the SOP classes by which Table E.1-1 has composite codes, and those of the rules' `when:`.

use super::words::{self, ENGLISH, Effect, Vocabulary, effect, fill};
use super::{About, Ground, ObjectKind, Profile, Subject};
use crate::standard::{self, Annex};
use dicom_core::{Tag, VR};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How a change matters to the people in the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something leaves of which nothing left before.
    NewlyLeaves,
    /// Nothing leaves any more.
    NoLongerLeaves,
    /// Something leaves, as it did, but in another form.
    LeavesDifferently,
    /// Nothing leaves, as before; what stands in its place differs.
    StaysDifferently,
}

impl Kind {
    /// All of them, what matters most first.
    pub const ALL: [Kind; 4] =
        [Kind::NewlyLeaves, Kind::NoLongerLeaves, Kind::LeavesDifferently, Kind::StaysDifferently];

    fn of(before: &Effect, after: &Effect) -> Option<Self> {
        match (before.leaves, after.leaves) {
            _ if before == after => None,
            (false, true) => Some(Kind::NewlyLeaves),
            (true, false) => Some(Kind::NoLongerLeaves),
            (true, true) => Some(Kind::LeavesDifferently),
            (false, false) => Some(Kind::StaysDifferently),
        }
    }
}

/// One element that is treated in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How it matters.
    pub kind: Kind,
    /// `(gggg,eeee)`, or of private elements `(gggg,xxee) of "CREATOR"`.
    pub tag: String,
    /// The keyword; empty for private elements.
    pub keyword: &'static str,
    /// The VR; `None` for private elements.
    pub vr: Option<VR>,
    /// What happens under the first profile, every form that it takes.
    pub before: BTreeSet<String>,
    /// What happens under the second.
    pub after: BTreeSet<String>,
    /// Who decides so in the first.
    pub by_before: BTreeSet<Ground>,
    /// Who decides so in the second.
    pub by_after: BTreeSet<Ground>,
    /// In which objects and at which depth; empty: in all.
    pub places: String,
    /// Table E.1-1 lists it, or a rule decides about it.
    pub listed: bool,
}

/// All elements that two profiles treat in different ways, by kind, then in the order of tags; said in the words of a
/// language.
pub fn compare(of: &Vocabulary, before: &Profile, after: &Profile) -> Vec<Change> {
    let mut changes = Vec::new();
    for element in standard::elements() {
        let subject = Subject { tag: element.tag, vr: element.vr, top_level: true, creator: None };
        let found = changes_of(of, before, after, &subject).into_iter().map(|found| {
            let tag = element.tag.to_string();
            found.into_change(tag, element.keyword, Some(element.vr), element.tag)
        });
        changes.extend(found);
    }
    changes.extend(private_changes(of, before, after));
    changes.sort_by_key(|change| change.kind);
    changes
}

/// Whether one profile is plainly stricter than another, or the same: no element leaves, or leaves otherwise, that did not
/// before, all else being the same.
pub fn is_stricter(before: &Profile, after: &Profile) -> bool {
    let is_loose =
        |change: &Change| matches!(change.kind, Kind::NewlyLeaves | Kind::LeavesDifferently);
    let is_same = settings(&ENGLISH, before, after).is_empty();
    is_same && !compare(&ENGLISH, before, after).iter().any(is_loose)
}

/// What differs beside elements, in words.
pub fn settings(of: &Vocabulary, a: &Profile, b: &Profile) -> Vec<String> {
    let mut lines = Vec::new();
    for option in Annex::ALL {
        let phrase = match (a.options().has(option), b.options().has(option)) {
            (false, true) => of.option_on,
            (true, false) => of.option_off,
            _ => continue,
        };
        lines.push(fill(phrase, &[&option, &option.code()]));
    }
    let mut differs = |what: &str, says: &dyn Fn(&Profile) -> &'static str| {
        let (was, is) = (says(a), says(b));
        if was != is {
            lines.push(fill(of.differs, &[&what, &was, &is]));
        }
    };
    differs(of.dates, &|profile| words::dates(of, profile.dates()));
    differs(of.pseudonyms, &|profile| words::pseudonymity(of, profile.pseudonymity()));
    differs(of.faces, &|profile| words::faces(of, profile.faces()));
    differs(of.burned_in, &|profile| words::burned_in(of, profile.burned_in()));
    let devices = |profile: &Profile| {
        profile.devices().iter().map(|device| words::device(of, device)).collect()
    };
    lines.extend(new_and_gone([of.device_gone, of.device_new], &devices(a), &devices(b)));
    lines
}

/// Reasons that only one of them gives, in words.
pub fn reasons(of: &Vocabulary, a: &Profile, b: &Profile) -> Vec<String> {
    new_and_gone([of.reason_gone, of.reason_new], &given(a), &given(b))
}

fn given(profile: &Profile) -> BTreeSet<String> {
    profile.reasons().into_iter().map(|because| format!("{because:?}")).collect()
}

fn new_and_gone(
    [gone, new]: [&str; 2],
    was: &BTreeSet<String>,
    is: &BTreeSet<String>,
) -> Vec<String> {
    let lost = was.difference(is).map(|one| fill(gone, &[one]));
    lost.chain(is.difference(was).map(|one| fill(new, &[one]))).collect()
}

/// The change of one kind of one element.
struct Found {
    kind: Kind,
    before: BTreeSet<String>,
    after: BTreeSet<String>,
    by_before: BTreeSet<Ground>,
    by_after: BTreeSet<Ground>,
    places: String,
}

impl Found {
    fn into_change(self, tag: String, keyword: &'static str, vr: Option<VR>, of: Tag) -> Change {
        let Found { kind, before, after, by_before, by_after, places } = self;
        let by_rule = |by: &BTreeSet<Ground>| by.iter().any(|g| matches!(g, Ground::Rule(_)));
        let listed = vr.is_none()
            || standard::basic_cell(of).is_some()
            || by_rule(&by_before)
            || by_rule(&by_after);
        Change { kind, tag, keyword, vr, before, after, by_before, by_after, places, listed }
    }
}

/// An object and a depth.
#[derive(Clone, Copy)]
struct Place<'a> {
    object: ObjectKind<'a>,
    top_level: bool,
}

fn changes_of(
    of: &Vocabulary,
    before: &Profile,
    after: &Profile,
    subject: &Subject<'_>,
) -> Vec<Found> {
    let places = places([before, after], subject);
    let mut by_kind: BTreeMap<Kind, (Found, Vec<Place<'_>>)> = BTreeMap::new();
    for place in &places {
        let here = Subject { top_level: place.top_level, ..*subject };
        let said = |profile: &Profile| {
            let decision = profile.decide(&place.object, &here);
            (effect(of, profile, here.tag, here.vr, here.top_level, decision), decision.ground)
        };
        let ((was, by), (is, now_by)) = (said(before), said(after));
        let Some(kind) = Kind::of(&was, &is) else { continue };
        let (found, among) = by_kind.entry(kind).or_insert_with(|| {
            let found = Found {
                kind,
                before: BTreeSet::new(),
                after: BTreeSet::new(),
                by_before: BTreeSet::new(),
                by_after: BTreeSet::new(),
                places: String::new(),
            };
            (found, Vec::new())
        });
        found.before.insert(was.words);
        found.after.insert(is.words);
        found.by_before.insert(by);
        found.by_after.insert(now_by);
        among.push(*place);
    }
    let with_places = |(found, among): (Found, Vec<Place<'_>>)| {
        let places = if among.len() == places.len() { String::new() } else { named(of, &among) };
        Found { places, ..found }
    };
    by_kind.into_values().map(with_places).collect()
}

/// The kinds of object that can make a difference to an element, at both depths. An empty SOP class
/// or modality stands for all others.
fn places<'a>(profiles: [&'a Profile; 2], subject: &Subject<'_>) -> Vec<Place<'a>> {
    let (mut classes, mut modalities) = (BTreeSet::from([""]), BTreeSet::from([""]));
    let composite = standard::basic_cell(subject.tag).is_some_and(|cell| cell.contains('/'));
    if composite {
        classes.extend(standard::sop_classes().keys());
    }
    let rules = profiles.into_iter().flat_map(Profile::rules);
    for rule in rules.filter(|rule| rule.about.fits(subject)) {
        classes.extend(rule.when.sop_classes.iter().map(String::as_str));
        modalities.extend(rule.when.modalities.iter().map(String::as_str));
    }
    let mut places = Vec::new();
    for sop_class in &classes {
        for modality in &modalities {
            let object = ObjectKind { sop_class, modality };
            places.extend([true, false].map(|top_level| Place { object, top_level }));
        }
    }
    places
}

/// Places in words.
fn named(of: &Vocabulary, places: &[Place<'_>]) -> String {
    let mut words = Vec::new();
    let classes: BTreeSet<&str> = places.iter().map(|place| place.object.sop_class).collect();
    let modalities: BTreeSet<&str> = places.iter().map(|place| place.object.modality).collect();
    let keyword = |uid: &&str| {
        let class = standard::sop_classes().get(*uid);
        class.map_or(of.other_classes, |class| class.keyword)
    };
    match classes.len() {
        1..=SHOWN if classes != BTreeSet::from([""]) => {
            words.push(classes.iter().map(keyword).collect::<Vec<_>>().join(", "));
        }
        0 | 1 => {}
        n => words.push(fill(of.kinds_of_object, &[&n])),
    }
    if modalities.iter().any(|modality| !modality.is_empty()) {
        let name = |modality: &&str| match *modality {
            "" => of.other_modalities.to_owned(),
            modality => fill(of.modality, &[&modality]),
        };
        words.push(modalities.iter().map(name).collect::<Vec<_>>().join(", "));
    }
    if places.iter().all(|place| place.top_level) {
        words.push(of.at_top_level.to_owned());
    } else if places.iter().all(|place| !place.top_level) {
        words.push(of.in_items.to_owned());
    }
    words.join(", ")
}

/// SOP classes that are named one by one.
const SHOWN: usize = 4;

/// Private elements that a rule of either profile names: by low byte, or the whole block where all
/// of it changes in one way.
fn private_changes(of: &Vocabulary, before: &Profile, after: &Profile) -> Vec<Change> {
    let rules = [before, after].into_iter().flat_map(Profile::rules);
    let blocks: BTreeSet<(&str, u16)> = rules
        .filter_map(|rule| match &rule.about {
            About::Private { creator, group, .. } => Some((creator.as_str(), *group)),
            About::Standard { .. } | About::Representation(_) => None,
        })
        .collect();
    let mut changes = Vec::new();
    for (creator, group) in blocks {
        let of_low = |low: u16| {
            let tag = Tag(group, 0x1000 | low);
            // Rules about private elements don't ask for the VR; LO has no ways of its own.
            let vr = standard::safe_private_vr(creator, group, low as u8).unwrap_or(VR::LO);
            let subject = Subject { tag, vr, top_level: true, creator: Some(creator) };
            changes_of(of, before, after, &subject).into_iter().map(move |found| {
                let name = format!("({group:04X},xx{low:02X}) of {creator:?}");
                found.into_change(name, "", None, tag)
            })
        };
        let of_block: Vec<Change> = (0..=0xFF).flat_map(of_low).collect();
        let same = |change: &Change| Change { tag: String::new(), ..change.clone() };
        let uniform = of_block.windows(2).all(|pair| same(&pair[0]) == same(&pair[1]));
        match of_block.first() {
            Some(first) if uniform && of_block.len() == 0x100 => {
                let tag = format!("({group:04X},xxxx) of {creator:?}");
                changes.push(Change { tag, ..first.clone() });
            }
            _ => changes.extend(of_block),
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::super::language::tests::profile;
    use super::*;

    fn changes(before: &str, after: &str) -> Vec<Change> {
        compare(&ENGLISH, &profile(before), &profile(after))
    }

    fn one<'a>(changes: &'a [Change], keyword: &str) -> &'a Change {
        changes.iter().find(|change| change.keyword == keyword).unwrap()
    }

    #[test]
    fn a_profile_is_like_itself() {
        let rest = "options: [Clean Descriptors, Retain UIDs]\n";
        assert_eq!(changes(rest, rest), []);
        // A reason is no treatment.
        let rule =
            |why| format!("rules:\n  - {{ keyword: PatientAge, action: K, because: \"{why}\" }}\n");
        assert_eq!(changes(&rule("needed here"), &rule("needed there")), []);
    }

    #[test]
    fn an_option_lets_leave_and_taking_it_back_does_not() {
        let option = "options: [Retain Device Identity]\n";
        let there = changes("", option);
        assert_eq!(one(&there, "StationName").kind, Kind::NewlyLeaves);
        assert_eq!(
            there.iter().filter(|change| change.kind == Kind::NewlyLeaves).count(),
            there.len()
        );
        let back = changes(option, "");
        assert_eq!(one(&back, "StationName").kind, Kind::NoLongerLeaves);
        assert_eq!(there.len(), back.len());
    }

    #[test]
    fn elements_beyond_the_table_are_compared_too() {
        let there = changes("", "options: [Retain Longitudinal Temporal Information Full Dates]\n");
        assert!(one(&there, "StudyDate").listed);
        let beyond = there.iter().filter(|change| !change.listed).count();
        assert!(beyond > 0 && there.iter().all(|c| c.kind == Kind::NewlyLeaves), "{beyond}");
    }

    #[test]
    fn rules_for_some_objects_are_named_with_them() {
        let rule =
            "rules:\n  - { keyword: Modality, action: X, when: { sop_class: [CTImageStorage] } }\n";
        let there = changes("", rule);
        let change = one(&there, "Modality");
        assert_eq!((there.len(), change.kind), (1, Kind::NoLongerLeaves));
        assert_eq!(change.places, "CTImageStorage");
    }

    #[test]
    fn private_elements_are_compared_by_creator() {
        let rule = |tag| {
            format!(
                "rules:\n  - {{ private: {{ creator: ACME, tag: \"{tag}\" }}, action: K, because: \"safe by its maker\" }}\n"
            )
        };
        let block = changes("", &rule("(0019,xxxx)"));
        assert_eq!(block.len(), 1);
        assert_eq!(block[0].tag, "(0019,xxxx) of \"ACME\"");
        let element = changes("", &rule("(0019,xx0C)"));
        assert_eq!((element.len(), element[0].kind), (1, Kind::NewlyLeaves));
        assert_eq!(element[0].tag, "(0019,xx0C) of \"ACME\"");
    }
}
