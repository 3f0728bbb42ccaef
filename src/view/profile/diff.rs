//! Two profiles compared, for whoever answers for what leaves.

use super::short_digest;
use crate::profile::compare::{Change, Kind, compare, reasons, settings};
use crate::profile::words::{self, Vocabulary, fill};
use crate::profile::{Ground, Profile};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What would be another thing if `to` took the place of `from`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// The profile that is in force.
    pub from: Named,
    /// The one that would take its place.
    pub to: Named,
    /// What differs beside elements, in words.
    pub settings: Vec<String>,
    /// Reasons that only one of them gives, in words.
    pub reasons: Vec<String>,
    /// Elements, what matters most first.
    pub groups: Vec<Group>,
}

/// A profile by what it is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// Its file, or how it is spoken of.
    pub file: String,
    /// The name in it.
    pub name: String,
    /// The beginning of its plan's digest.
    pub plan: String,
}

/// Elements for which it matters in one way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// How.
    pub kind: Kind,
    /// How many they are.
    pub count: usize,
    /// The same under what happens, what happened, and by whose word.
    pub headings: Vec<Heading>,
}

/// Elements that have one thing happen to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heading {
    /// What would happen, and by whose word, with the reason where one is given.
    pub after: String,
    /// What happens now.
    pub before: String,
    /// Those that are named.
    pub elements: Vec<Element>,
    /// VR and number of those that Table E.1-1 does not list.
    pub unlisted: Vec<(String, usize)>,
}

/// One element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Element {
    /// `(gggg,eeee)`, or of private ones `(gggg,xxee) of "CREATOR"`.
    pub tag: String,
    /// Its keyword; empty for private ones.
    pub keyword: String,
    /// In which objects and at which depth; empty: in all.
    pub places: String,
}

impl Named {
    fn of(file: &str, profile: &Profile) -> Self {
        let (name, plan) = (profile.name().to_owned(), short_digest(profile));
        Named { file: file.to_owned(), name, plan }
    }
}

impl Diff {
    /// Whether the same leaves under both.
    pub fn is_nothing(&self) -> bool {
        self.settings.is_empty() && self.reasons.is_empty() && self.groups.is_empty()
    }

    /// How many elements change in a way.
    pub fn count(&self, kind: Kind) -> usize {
        self.groups.iter().find(|group| group.kind == kind).map_or(0, |group| group.count)
    }
}

/// Compares, in the words of a language; with `all`, elements that Table E.1-1 does not list are named, too, and not only
/// counted.
pub fn diff(
    of: &Vocabulary,
    (from, a): (&str, &Profile),
    (to, b): (&str, &Profile),
    all: bool,
) -> Diff {
    let changes = compare(of, a, b);
    let groups = Kind::ALL.into_iter().filter_map(|kind| {
        let of_kind: Vec<&Change> = changes.iter().filter(|change| change.kind == kind).collect();
        let count = of_kind.len();
        (count > 0).then(|| Group { kind, count, headings: by_reason(of, &of_kind, [a, b], all) })
    });
    Diff {
        from: Named::of(from, a),
        to: Named::of(to, b),
        settings: settings(of, a, b),
        reasons: reasons(of, a, b),
        groups: groups.collect(),
    }
}

/// The changes of one kind under headings that say what happens, what happened, and by whose word.
fn by_reason(
    of: &Vocabulary,
    changes: &[&Change],
    [a, b]: [&Profile; 2],
    all: bool,
) -> Vec<Heading> {
    let mut headings: BTreeMap<(String, String), Vec<&Change>> = BTreeMap::new();
    for change in changes {
        // How something doesn't leave matters to nobody where the point is that it does not.
        let (before, after) = match change.kind {
            Kind::NewlyLeaves => (of.did_not_leave.to_owned(), list(of, &change.after)),
            Kind::NoLongerLeaves => (list(of, &change.before), of.does_not_leave.to_owned()),
            Kind::LeavesDifferently | Kind::StaysDifferently => {
                (list(of, &change.before), list(of, &change.after))
            }
        };
        let after = fill(of.by, &[&after, &deciders(of, b, &change.by_after)]);
        let before = fill(of.by, &[&before, &deciders(of, a, &change.by_before)]);
        headings.entry((after, before)).or_default().push(change);
    }
    let heading = |((after, before), changes): ((String, String), Vec<&Change>)| {
        let (named, counted): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| all || change.listed);
        let mut unlisted: BTreeMap<String, usize> = BTreeMap::new();
        for change in counted {
            let vr = change.vr.map_or(String::new(), |vr| vr.to_string().to_owned());
            *unlisted.entry(vr).or_default() += 1;
        }
        let element = |change: &Change| Element {
            tag: change.tag.clone(),
            keyword: change.keyword.to_owned(),
            places: change.places.clone(),
        };
        Heading {
            after,
            before,
            elements: named.into_iter().map(element).collect(),
            unlisted: unlisted.into_iter().collect(),
        }
    };
    headings.into_iter().map(heading).collect()
}

fn list(of: &Vocabulary, words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(of.or)
}

fn deciders(of: &Vocabulary, profile: &Profile, grounds: &BTreeSet<Ground>) -> String {
    let name = |ground: &Ground| {
        let because = match ground {
            Ground::Rule(n) => profile.rules().get(usize::from(*n)).and_then(|r| r.because.clone()),
            _ => None,
        };
        let because = because.map(|because| fill(of.because, &[&format!("{because:?}")]));
        words::ground(of, profile, *ground) + &because.unwrap_or_default()
    };
    grounds.iter().map(name).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::language;
    use crate::profile::language::tests::HEAD;
    use crate::profile::words::ENGLISH;

    #[test]
    fn what_would_newly_leave_is_counted_and_named_with_its_reason() {
        let profile =
            |rules: &str| language::parse("p", &format!("{HEAD}rules: [{rules}]\n")).unwrap();
        let a = profile("{ keyword: Modality, action: X }");
        let b = profile("{ keyword: PatientAge, action: K, because: \"the study is about age\" }");
        let diff = diff(&ENGLISH, ("a", &a), ("b", &b), false);
        assert_eq!((diff.count(Kind::NewlyLeaves), diff.count(Kind::NoLongerLeaves)), (2, 0));
        let headings = &diff.groups[0].headings;
        let named = |keyword: &str| {
            let names = |heading: &&Heading| heading.elements.iter().any(|e| e.keyword == keyword);
            headings.iter().find(names).map(|heading| heading.after.clone()).unwrap()
        };
        assert!(named("PatientAge").contains("because: \"the study is about age\""));
        assert!(named("Modality").ends_with("by nothing speaks against it"));
        assert_eq!(diff.reasons, ["reason now given: \"the study is about age\""]);
        let as_json = serde_json::to_string(&diff).unwrap();
        assert_eq!(serde_json::from_str::<Diff>(&as_json).unwrap(), diff);
        assert!(super::diff(&ENGLISH, ("a", &a), ("a", &a), true).is_nothing());
    }
}
