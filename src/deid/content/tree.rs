//! A content tree whose items may go, and references by position that stay right (PS3.3 C.17.3.2.5).

use super::Outcome;
use super::form::sequence;
use super::item::relationship;
use crate::dicom::dataset::{Element, text_of};
use dicom_core::VR;
use dicom_core::value::{PrimitiveValue, Value};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// The items below a root. Parents stand before their children, children in their order.
pub(super) struct Tree {
    nodes: Vec<Node>,
    roots: Vec<usize>,
}

struct Node {
    item: InMemDicomObject,
    outcome: Outcome,
    parent: Option<usize>,
    children: Vec<usize>,
    /// Set for a relationship by reference: such an item has no value and no children.
    target: Option<Target>,
    /// Items that refer to this one.
    referrers: Vec<usize>,
    /// This item's relationship is SELECTED FROM.
    is_selection: bool,
    /// How many items coordinates can be selected from; an SCOORD or TCOORD is nothing without one.
    selections: usize,
    needs_selection: bool,
}

enum Target {
    /// As it came in: the ordinal positions on the way from the root.
    Path(Vec<u32>),
    Root,
    Item(usize),
}

impl Node {
    fn stands(&self) -> bool {
        self.outcome != Outcome::Removed
    }
}

impl Tree {
    /// Takes the items of the root's Content Sequence apart.
    pub fn plant(items: impl IntoIterator<Item = InMemDicomObject>) -> Tree {
        let mut tree = Tree { nodes: Vec::new(), roots: Vec::new() };
        for item in items {
            let root = tree.plant_item(item, None);
            tree.roots.push(root);
        }
        tree.resolve_references();
        tree
    }

    fn plant_item(&mut self, mut item: InMemDicomObject, parent: Option<usize>) -> usize {
        let below = item.take(tags::CONTENT_SEQUENCE);
        let path = item.take(tags::REFERENCED_CONTENT_ITEM_IDENTIFIER);
        let is = |tag, words: &[&str]| {
            item.get(tag).and_then(text_of).is_some_and(|text| words.contains(&text.as_str()))
        };
        let is_selection = is(tags::RELATIONSHIP_TYPE, &["SELECTED FROM"]);
        let needs_selection = is(tags::VALUE_TYPE, &["SCOORD", "TCOORD"]);
        let index = self.nodes.len();
        self.nodes.push(Node {
            item,
            outcome: Outcome::Kept,
            parent,
            children: Vec::new(),
            target: path.map(|p| Target::Path(p.value().to_multi_int().unwrap_or_default())),
            referrers: Vec::new(),
            is_selection,
            selections: 0,
            needs_selection,
        });
        for child in below.and_then(|b| b.into_value().into_items()).unwrap_or_default() {
            let child = self.plant_item(child, Some(index));
            self.nodes[index].children.push(child);
            self.nodes[index].selections += usize::from(self.nodes[child].is_selection);
        }
        index
    }

    /// A reference to nothing goes, and so does one to another reference, which has no value.
    fn resolve_references(&mut self) {
        for index in 0..self.nodes.len() {
            let Some(Target::Path(path)) = &self.nodes[index].target else { continue };
            match self.find(path) {
                Some(Target::Item(at)) if self.nodes[at].target.is_none() => {
                    self.nodes[at].referrers.push(index);
                    self.nodes[index].target = Some(Target::Item(at));
                }
                Some(Target::Root) => self.nodes[index].target = Some(Target::Root),
                _ => self.nodes[index].outcome = Outcome::Removed,
            }
        }
    }

    fn find(&self, path: &[u32]) -> Option<Target> {
        let [1, steps @ ..] = path else { return None };
        let mut at = Target::Root;
        for step in steps {
            let children = match at {
                Target::Item(index) => &self.nodes[index].children,
                _ => &self.roots,
            };
            at = Target::Item(*children.get(usize::try_from(*step).ok()?.checked_sub(1)?)?);
        }
        Some(at)
    }

    /// Hands each item to `treat`, with whether it has children; `None` removes it. Items below one
    /// that goes are not asked. Then goes what lost what it stood on.
    pub fn treat(
        &mut self,
        mut treat: impl FnMut(InMemDicomObject, bool) -> Option<(InMemDicomObject, Outcome)>,
    ) {
        for index in 0..self.nodes.len() {
            let parent = self.nodes[index].parent.map(|parent| &self.nodes[parent]);
            let is_cut_off = parent.is_some_and(|p| !p.stands() || p.target.is_some());
            let node = &mut self.nodes[index];
            let item = std::mem::replace(&mut node.item, InMemDicomObject::new_empty());
            let treated = match node.target {
                _ if is_cut_off || !node.stands() => None,
                // By reference: a relationship and no more.
                Some(_) => relationship(&item).map(|relationship| {
                    (InMemDicomObject::from_element_iter([relationship]), Outcome::Kept)
                }),
                None => treat(item, !node.children.is_empty()),
            };
            (node.item, node.outcome) =
                treated.unwrap_or((InMemDicomObject::new_empty(), Outcome::Removed));
        }
        self.fell();
    }

    /// What goes takes with it its children, the references to it, and coordinates that have nothing
    /// left to be selected from; and these again.
    fn fell(&mut self) {
        let mut fallen: Vec<usize> =
            (0..self.nodes.len()).filter(|index| !self.nodes[*index].stands()).collect();
        while let Some(index) = fallen.pop() {
            let node = &mut self.nodes[index];
            let mut falling = std::mem::take(&mut node.referrers);
            falling.extend(&node.children);
            if let (true, Some(parent)) = (node.is_selection, node.parent) {
                let above = &mut self.nodes[parent];
                above.selections -= 1;
                if above.selections == 0 && above.needs_selection {
                    falling.push(parent);
                }
            }
            for index in falling {
                if self.nodes[index].stands() {
                    self.nodes[index].outcome = Outcome::Removed;
                    fallen.push(index);
                }
            }
        }
    }

    /// What became of each item.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome> + '_ {
        self.nodes.iter().map(|node| node.outcome)
    }

    /// The items of the root's Content Sequence again, without those that went.
    pub fn harvest(mut self) -> Vec<InMemDicomObject> {
        let ordinals = self.ordinals();
        for index in 0..self.nodes.len() {
            let path = match self.nodes[index].target {
                Some(Target::Item(at)) => self.path_to(at, &ordinals),
                Some(_) => vec![1],
                None => continue,
            };
            let path = PrimitiveValue::U32(path.into());
            let tag = tags::REFERENCED_CONTENT_ITEM_IDENTIFIER;
            self.nodes[index].item.put(Element::new(tag, VR::UL, Value::from(path)));
        }
        let mut items = Vec::new();
        let mut gathered: Vec<Vec<InMemDicomObject>> = Vec::new();
        gathered.resize_with(self.nodes.len(), Vec::new);
        // Children stand behind their parents: from the end, each is whole when it is put in place.
        while let Some(mut node) = self.nodes.pop() {
            let mut children = gathered.pop().unwrap_or_default();
            if !node.stands() {
                continue;
            }
            if !children.is_empty() {
                children.reverse();
                node.item.put(Element::new(tags::CONTENT_SEQUENCE, VR::SQ, sequence(children)));
            }
            let siblings = node.parent.map_or(&mut items, |parent| &mut gathered[parent]);
            siblings.push(node.item);
        }
        items.reverse();
        items
    }

    /// The position that each standing item will have in its sequence, from 1.
    fn ordinals(&self) -> Vec<u32> {
        let mut ordinals = vec![0; self.nodes.len()];
        let families = self.nodes.iter().map(|node| &node.children).chain([&self.roots]);
        for family in families {
            let standing = family.iter().filter(|index| self.nodes[**index].stands());
            standing.zip(1..).for_each(|(index, ordinal)| ordinals[*index] = ordinal);
        }
        ordinals
    }

    fn path_to(&self, index: usize, ordinals: &[u32]) -> Vec<u32> {
        let way_up = std::iter::successors(Some(index), |at| self.nodes[*at].parent);
        let mut path: Vec<u32> = way_up.map(|at| ordinals[at]).chain([1]).collect();
        path.reverse();
        path
    }
}
