//! Clean Structured Content (113104): content trees cleaned item by item (PS3.15 E.3.4).
//!
//! Every item is judged by its concept and value type ([`rule`], Table E.3.4-1), then its values by
//! their value type ([`item`]). What goes takes its children with it; references by position are
//! renumbered, and a reference to what has gone goes too ([`tree`]). The world is closed: an item
//! of no known value type, a name of a person, words that no option lets stay, and values that do
//! not belong to an item's value type are removed.
//!
//! The items of Acquisition Context (0040,0555) and of Specimen Preparation Step Content Item
//! (0040,0612) have the same form (PS3.3 10.2) and are cleaned by the same call. A TABLE item
//! (PS3.3 C.18.10) is removed, whatever the options: its cells mix text with values of any kind.

mod code;
mod form;
mod item;
mod rule;
#[cfg(test)]
mod tests;
mod tree;

use crate::dicom::dataset::Element;
use crate::standard::{Action, Options};
use dicom_core::VR;
use dicom_object::InMemDicomObject;
use std::collections::BTreeMap;
use tree::Tree;

/// What this module needs of the engine: the treatments that are the same everywhere.
pub(super) trait Hands {
    /// Descriptive text without what identifies; `None`: nothing of it may stay.
    fn clean_text(&mut self, text: &str) -> Option<String>;

    /// Text that an option keeps, and codes: only the study's known identifiers go. `None`: nothing
    /// of it may stay.
    fn kept_text(&mut self, text: &str) -> Option<String> {
        self.clean_text(text)
    }

    /// A date or time (DA, DT or TM) by the profile's dates policy; `None`: it may not stay.
    fn date(&mut self, vr: VR, value: &str) -> Option<String>;

    /// The profile's own treatment of an element of a content item, at every depth below it. Never
    /// called with the items of a content tree, nor with a private element of an item.
    fn element(&mut self, element: Element) -> Option<Element>;

    /// A UID as the profile lets it leave.
    fn map_uid(&mut self, uid: &str) -> String;
}

/// A content tree that was cleaned.
pub(super) struct Content {
    /// What is left of the items, in their order. May be empty, which a root container may not be:
    /// the caller then writes its dummy.
    pub items: Vec<InMemDicomObject>,
    /// What was done, item by item. The sum is the number of items that came in, at every depth.
    pub counts: BTreeMap<Outcome, u64>,
    /// Options that let something stay. Those that speak of dates are not among them: whoever
    /// answers [`Hands::date`] knows.
    pub decided: Options,
}

/// What was done to a content item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// Its value stayed as it was.
    Kept,
    /// Its UIDs went through the engine.
    Mapped,
    /// Its text was cleaned, or its date changed.
    Cleaned,
    /// Its value was replaced by a dummy.
    Dummied,
    /// It went, with all below it.
    Removed,
}

impl Outcome {
    /// Under which letter of PS3.15 it is counted.
    pub(super) fn action(self) -> Action {
        match self {
            Outcome::Kept => Action::K,
            Outcome::Mapped => Action::U,
            Outcome::Cleaned => Action::C,
            Outcome::Dummied => Action::D,
            Outcome::Removed => Action::X,
        }
    }
}

/// Cleans the items of a Content Sequence (0040,A730) of the root; `options` are the profile's.
///
/// Recursion is bounded by the pre-scan's depth limit.
pub(super) fn clean(
    items: impl IntoIterator<Item = InMemDicomObject>,
    options: Options,
    hands: &mut impl Hands,
) -> Content {
    let mut content =
        Content { items: Vec::new(), counts: BTreeMap::new(), decided: Options::NONE };
    let mut tree = Tree::plant(items);
    tree.treat(|source, has_children| {
        item::clean(source, has_children, options, hands, &mut content)
    });
    for outcome in tree.outcomes() {
        *content.counts.entry(outcome).or_default() += 1;
    }
    content.items = tree.harvest();
    content
}

impl Content {
    /// Takes over what was done in a tree inside an item of this one, and hands out its items.
    fn adopt(&mut self, inner: Content) -> Vec<InMemDicomObject> {
        inner.counts.into_iter().for_each(|(o, n)| *self.counts.entry(o).or_default() += n);
        inner.decided.iter().for_each(|option| self.decided.insert(option));
        inner.items
    }
}
