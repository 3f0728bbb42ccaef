//! What becomes of a content item: by its concept where Table E.3.4-1 lists it, else by its value type.

use super::code::Concept;
use super::form::{Form, Kind};
use crate::standard::structured::{self, Row, Treatment};
use crate::standard::{Annex, Options};
use std::cmp::Ordering;

/// The verdict on an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// What is tried.
    pub treatment: Treatment,
    /// What is done when nothing of the value may stay: dummy or removal.
    pub otherwise: Treatment,
    /// Whether the item is words that describe, so that what was observed below it may outlive them.
    pub is_descriptive: bool,
    /// The option that lets it stay.
    pub option: Option<Annex>,
}

impl Rule {
    /// What is said of an item's concept, or what is stricter of a listed one that it is said to be
    /// equivalent to.
    pub fn of(concepts: &[Concept], form: &Form, options: Options) -> Rule {
        let [own, equivalent @ ..] = concepts else { return Rule::by_form(form, options) };
        let listed =
            equivalent.iter().filter(|c| !structured::concept(&c.code, &c.scheme).is_empty());
        let listed = listed.map(|c| Rule::of_concept(c, form, options));
        listed.fold(Rule::of_concept(own, form, options), Rule::stricter)
    }

    /// A row of the item's value type decides alone. Rows of other value types can only make the
    /// verdict stricter: a birth date in words is still a birth date.
    fn of_concept(concept: &Concept, form: &Form, options: Options) -> Rule {
        let rows = structured::concept(&concept.code, &concept.scheme);
        if let Some(row) = rows.iter().find(|row| row.value_type == form.value_type) {
            return Rule::of_row(row, form, options);
        }
        let others = rows.iter().filter(|row| reaches(row, form.kind));
        let others = others.map(|row| Rule::of_row(row, form, options));
        others.fold(Rule::by_form(form, options), Rule::stricter)
    }

    fn of_row(row: &Row, form: &Form, options: Options) -> Rule {
        let (treatment, option) = match row.treatment(options) {
            // The date in it is asked of the dates policy, which knows shifts and years as well.
            _ if form.kind == Kind::Date && row.is_dated() => (Treatment::Clean, None),
            treatment => treatment,
        };
        Rule { treatment, otherwise: row.basic, is_descriptive: row.is_descriptive(), option }
    }

    /// What no row speaks of. The world is closed: names go, words stay only under Clean
    /// Descriptors (113105); what a scheme or a unit gives the meaning of stays.
    fn by_form(form: &Form, options: Options) -> Rule {
        let cleans = options.has(Annex::CleanDescriptors);
        let (treatment, option) = match form.kind {
            Kind::Words if cleans => (Treatment::Clean, Some(Annex::CleanDescriptors)),
            Kind::Words | Kind::Person => (Treatment::Remove, None),
            Kind::Date | Kind::Uid | Kind::Reference => (Treatment::Clean, None),
            Kind::Code | Kind::Number | Kind::Coordinates | Kind::Heading => {
                (Treatment::Keep, None)
            }
        };
        let is_descriptive = form.kind == Kind::Words;
        Rule { treatment, otherwise: Treatment::Remove, is_descriptive, option }
    }

    fn stricter(self, other: Rule) -> Rule {
        let option = match self.treatment.cmp(&other.treatment) {
            Ordering::Less => other.option,
            Ordering::Equal => self.option.or(other.option),
            Ordering::Greater => self.option,
        };
        Rule {
            treatment: self.treatment.max(other.treatment),
            otherwise: self.otherwise.max(other.otherwise),
            is_descriptive: self.is_descriptive && other.is_descriptive,
            option,
        }
    }
}

/// Whether a row for another value type speaks of an item of this kind as well.
///
/// Not of headings and coordinates, which say nothing by themselves. A row for descriptive words
/// not of codes, numbers and the rest either: Finding (121071, DCM) is listed as text only, and is a
/// code in every measurement report (TID 1501).
fn reaches(row: &Row, kind: Kind) -> bool {
    match kind {
        Kind::Heading | Kind::Coordinates => false,
        Kind::Words | Kind::Person => true,
        _ => !row.is_descriptive(),
    }
}
