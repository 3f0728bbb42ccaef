//! What people do to the register: add, lift, answer. Nothing is ever removed from it.

use super::register::{Objection, Scope};
use super::{Book, Called, Error};
use crate::clock::{Day, stamp};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// An objection as a person brings it.
pub struct Wish {
    called: Called,
    scope: Scope,
    received: Day,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// By what the objection is spoken of.
    pub reference: String,
    /// What it is about.
    pub scope: Scope,
    /// When it came in; if it is not new, when it came in first.
    pub received: Day,
    /// Whether it was not in force before.
    pub is_new: bool,
}

impl Wish {
    /// The wish of whoever has this number; an empty issuer stands for every one. `None` if the number has no letter
    /// and no digit.
    pub fn new(issuer: &str, number: &str, scope: Scope, received: Day) -> Option<Self> {
        let called = Called::said(issuer, number);
        called.has_number().then_some(Wish { called, scope, received })
    }
}

impl Book {
    /// Adds objections, all in one version. What is in force already stays as it is.
    ///
    /// # Errors
    /// [`Error`]: it is not known whether they are in force. Add them again.
    pub fn add(&self, wishes: &[Wish]) -> Result<Vec<Added>, Error> {
        self.change(|objections, version| {
            let before = objections.len();
            let in_force = objections.iter().filter(|objection| objection.is_in_force());
            let in_force = in_force.map(|o| ((o.reference.clone(), o.scope.clone()), o.received));
            let mut in_force: HashMap<(String, Scope), Day> = in_force.collect();
            let added = wishes.iter().map(|Wish { called, scope, received }| {
                let (reference, scope) = (called.reference(self.key()), scope.clone());
                let place = in_force.entry((reference.clone(), scope.clone()));
                if let Entry::Occupied(known) = place {
                    return Added { reference, scope, received: *known.get(), is_new: false };
                }
                place.or_insert(*received);
                objections.push(Objection {
                    reference: reference.clone(),
                    patient: called.hashed(self.key()),
                    scope: scope.clone(),
                    received: *received,
                    added: stamp(),
                    added_in: version,
                    answered: None,
                    lifted: None,
                    lifted_in: None,
                });
                Added { reference, scope, received: *received, is_new: true }
            });
            let added: Vec<Added> = added.collect();
            (added, objections.len() > before)
        })
    }

    /// Lifts the objections of a reference, all or those of one scope; how many were in force.
    ///
    /// # Errors
    /// [`Error`]: it is not known whether they are lifted. Lift them again.
    pub fn lift(&self, reference: &str, scope: Option<&Scope>) -> Result<usize, Error> {
        self.change(|objections, version| {
            let is_it = |o: &&mut Objection| {
                is_in_force(o, reference) && scope.is_none_or(|scope| o.scope == *scope)
            };
            let lifted = objections.iter_mut().filter(is_it).map(|objection| {
                objection.lifted = Some(stamp());
                objection.lifted_in = Some(version);
            });
            let lifted = lifted.count();
            (lifted, lifted > 0)
        })
    }

    /// Notes when the patient got an answer; how many objections that answers.
    ///
    /// # Errors
    /// [`Error`]: it is not known whether it is noted. Note it again.
    pub fn answer(&self, reference: &str, on: Day) -> Result<usize, Error> {
        self.change(|objections, _| {
            let is_open = |o: &&mut Objection| o.reference == reference && o.answered.is_none();
            let answered = objections.iter_mut().filter(is_open).map(|o| o.answered = Some(on));
            let answered = answered.count();
            (answered, answered > 0)
        })
    }
}

fn is_in_force(objection: &Objection, reference: &str) -> bool {
    objection.is_in_force() && objection.reference == reference
}

#[cfg(test)]
mod tests {
    use super::super::Recipient;
    use super::*;
    use crate::key::RootKey;

    const LAB: Recipient<'_> = Recipient { destination: "lab", project: "lab" };

    #[test]
    fn what_is_lifted_may_come_again_and_nothing_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootKey::of_patient(&[7; 32], "A1");
        let book = Book::new(folder.path().to_owned(), &root);
        let day = |text: &str| text.parse::<Day>().unwrap();
        let wish = |scope, on| Wish::new("", "4711", scope, day(on)).unwrap();
        let lab = Scope::Destination("lab".to_owned());
        let added = book
            .add(&[
                wish(Scope::All, "2026-01-01"),
                wish(lab.clone(), "2026-01-02"),
                wish(Scope::All, "2026-01-03"),
            ])
            .unwrap();
        assert_eq!(added.iter().map(|a| a.is_new).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(added[2].received, day("2026-01-01"), "the day on which it came first counts");
        let reference = &added[0].reference;
        assert!(added.iter().all(|a| a.reference == *reference));

        let patient = Called::said("", "4711").hashed(book.key());
        let refuses = || book.read().unwrap().refuses(&patient, LAB).is_some();
        assert_eq!(book.lift(reference, Some(&Scope::All)).unwrap(), 1);
        assert!(refuses(), "that of the destination stands");
        assert_eq!(book.lift(reference, None).unwrap(), 1);
        assert!(!refuses());
        assert_eq!((book.lift(reference, None).unwrap(), book.read().unwrap().version()), (0, 3));
        assert!(book.add(&[wish(Scope::All, "2026-02-01")]).unwrap()[0].is_new && refuses());
        assert_eq!(book.read().unwrap().objections().len(), 3);
        assert_eq!(book.answer(reference, day("2026-02-03")).unwrap(), 3);
        assert_eq!(book.answer("another", day("2026-02-03")).unwrap(), 0);
    }

    #[test]
    fn a_number_without_letters_and_digits_is_none() {
        for number in ["", " ", "--", "^"] {
            assert!(Wish::new("A", number, Scope::All, Day::today()).is_none(), "{number:?}");
        }
    }
}
