//! Re-identification: a result that comes back, and what the pseudonyms of its study stand for, in; an object for the PACS
//! of origin, or a [`Refusal`], out.
//!
//! Pure: no disk, clock, network or log. **Values come from the crosswalk and never from the result**: what a result says of
//! patient and study must be the pseudonyms that left, is compared (`person`), and then replaced whole (`header`). At every
//! depth UIDs lead back to originals (`references`), dates are moved forward (`dates`), and pseudonyms in text become what
//! they stand for (`words`). Every doubt is a refusal.
//!
//! **A result's own UIDs do not stay.** Whoever made it outside chose them, and could choose those of an image in the PACS.
//! They become keyed hashes ([`ResultUids`]): the same in, the same out, so that results refer to each other; and of each
//! study its own, so that one UID in two studies is two objects.
#![allow(clippy::disallowed_methods)] // here pseudonyms become identifying values again

mod classes;
mod dates;
mod header;
mod person;
mod references;
mod refusal;
#[cfg(test)]
mod tests;
mod walk;
mod words;

pub use classes::{default_classes, may_come_back};
pub use references::{Calling, Companions, Earlier, ResultUids};
pub use refusal::Refusal;

use crate::clock::Day;
use crate::crosswalk::Rows;
use crate::dicom::dataset::Dataset;
use crate::id::Uid;
use dates::DateRule;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use references::References;
use walk::Walk;
use words::Words;

/// One destination's way back into one study.
pub struct Reidentifier<'a> {
    rows: &'a Rows,
    destination: &'a str,
    references: References<'a>,
    dates: DateRule,
    words: Words<'a>,
}

impl<'a> Reidentifier<'a> {
    /// For results that `destination` made of the study of these rows, on this day.
    pub fn new(rows: &'a Rows, destination: &'a str, uids: &'a ResultUids, today: Day) -> Self {
        let study_date = rows.original.get(tags::STUDY_DATE).map(|day| day.expose().as_str());
        Reidentifier {
            rows,
            destination,
            references: References::new(rows, uids),
            dates: DateRule::new(rows.days_back, study_date, today),
            words: Words::new(rows),
        }
    }

    /// The result as it goes to the PACS; `companions` are all results of the study that come together, itself among them.
    ///
    /// # Errors
    /// [`Refusal`]: nothing of it may be delivered.
    pub fn reidentify(&self, result: Dataset, companions: &Companions) -> Result<Dataset, Refusal> {
        self.require_its_own(&result)?;
        person::require_one(result.object(), self.rows)?;
        let accession = result.text(tags::ACCESSION_NUMBER);
        let walk = Walk {
            rows: self.rows,
            references: &self.references,
            companions,
            dates: &self.dates,
            words: &self.words,
        };
        let mut object = Dataset::from(walk.data_set(result.into_object(), true)?);
        header::put(&mut object, self.rows, accession.as_deref());
        Ok(object)
    }

    /// Whether it is of this study and destination, of a class that may come back, and an object of its own.
    fn require_its_own(&self, result: &Dataset) -> Result<(), Refusal> {
        let uid = |tag: Tag| {
            let text = result.text(tag).filter(|text| text.parse::<Uid>().is_ok());
            text.ok_or(Refusal::Identity)
        };
        if uid(tags::STUDY_INSTANCE_UID)? != self.rows.study {
            return Err(Refusal::UnknownStudy);
        }
        if !self.rows.destinations.contains(self.destination) {
            return Err(Refusal::OtherDestination);
        }
        if !classes::may_come_back(&uid(tags::SOP_CLASS_UID)?) {
            return Err(Refusal::Class);
        }
        let derived = result.text(tags::IMAGE_TYPE).is_some_and(|first| first == "DERIVED");
        if classes::must_be_derived(&uid(tags::SOP_CLASS_UID)?) && !derived {
            return Err(Refusal::NotDerived);
        }
        for tag in [tags::SOP_INSTANCE_UID, tags::SERIES_INSTANCE_UID] {
            self.references.require_new(&uid(tag)?)?;
        }
        Ok(())
    }
}
