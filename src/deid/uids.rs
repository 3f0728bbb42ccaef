//! Which UID left in place of which: for the crosswalk, and for nobody outside.

use crate::phi::Phi;
use std::collections::BTreeMap;

/// UIDs of the source, by those that stand for them in what leaves.
#[derive(Default)]
pub struct Uids {
    originals: BTreeMap<String, Phi<String>>,
    collides: bool,
}

impl Uids {
    /// Notes that a UID left in place of another.
    pub fn note(&mut self, as_it_leaves: &str, original: &str) {
        match self.originals.get(as_it_leaves) {
            Some(known) => self.collides |= known.expose() != original,
            None => {
                self.originals.insert(as_it_leaves.to_owned(), Phi::new(original.to_owned()));
            }
        }
    }

    /// Adds what another object noted.
    pub fn merge(&mut self, other: &Uids) {
        self.collides |= other.collides;
        for (as_it_leaves, original) in &other.originals {
            self.note(as_it_leaves, original.expose());
        }
    }

    /// Whether one UID would stand for two: nothing of it may be believed.
    pub fn collides(&self) -> bool {
        self.collides
    }

    /// The UID that one stands for.
    pub fn original(&self, as_it_leaves: &str) -> Option<&Phi<String>> {
        self.originals.get(as_it_leaves)
    }

    /// All of them, with what they stand for.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Phi<String>)> {
        self.originals.iter().map(|(as_it_leaves, original)| (as_it_leaves.as_str(), original))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_would_stand_for_two_is_noticed_and_changes_nothing() {
        let (mut one, mut two) = (Uids::default(), Uids::default());
        one.note("2.25.1", "1.2.3");
        one.note("2.25.1", "1.2.3");
        assert!(!one.collides());
        two.note("2.25.1", "1.2.4");
        one.merge(&two);
        assert!(one.collides());
        assert_eq!(one.original("2.25.1").unwrap().expose(), "1.2.3");
        assert_eq!(one.iter().count(), 1);
    }
}
