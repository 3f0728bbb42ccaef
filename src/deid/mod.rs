//! The de-identification engine: a profile, keys and a data set in, a data set and a report out.
//!
//! Pure: no disk, clock, network or log. Every element at every depth meets [`Profile::decide`]
//! (`walk`), is treated accordingly (`treat`), and what stays as text is cleaned of everything that
//! identifies the study ([`text`]); then the attributes by which an object says that it was
//! de-identified are written from what was really done (`claims`, PS3.15 E.1.1).
#![allow(clippy::disallowed_methods)] // here identifying values become pseudonyms

mod claims;
mod content;
mod dates;
pub mod dummy;
pub mod pseudonym;
mod report;
mod subject;
#[cfg(test)]
mod tests;
pub mod text;
mod treat;
mod uids;
mod walk;

pub use claims::{Claims, FaceStatement, PixelStatement};
pub use dates::DateRule;
pub use report::Report;
pub use subject::Subject;
pub use uids::Uids;

use crate::dicom::dataset::Dataset;
use crate::profile::Profile;
use crate::standard::Annex;
use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use pseudonym::Pseudonyms;
use text::Cleaner;
use walk::Walk;

/// Why an object cannot be de-identified. Names the attribute, never its value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An attribute without which an object has no identity.
    #[error("{0} is missing or not a legal UID; the object cannot be matched with anything")]
    Identity(&'static str),
}

/// One project's way of de-identifying one study.
pub struct Engine<'a> {
    profile: &'a Profile,
    pseudonyms: &'a Pseudonyms,
    cleaner: &'a Cleaner,
    by_rule: &'a Cleaner,
}

impl<'a> Engine<'a> {
    /// An engine for a profile, the keys of a project and what is known of a study's people.
    pub fn new(profile: &'a Profile, pseudonyms: &'a Pseudonyms, cleaner: &'a Cleaner) -> Self {
        Engine { profile, pseudonyms, cleaner, by_rule: cleaner }
    }

    /// Another cleaner for text in elements that a rule of the site keeps, which may name what other
    /// text may not ([`text::Retained::BY_RULE`]).
    pub fn with_rules_cleaned_by(self, by_rule: &'a Cleaner) -> Self {
        Engine { by_rule, ..self }
    }

    /// The profile that it follows.
    pub fn profile(&self) -> &'a Profile {
        self.profile
    }

    /// De-identifies everything but the pixels; `pixels` is what their own stages did.
    pub fn scrub(
        &self,
        source: Dataset,
        subject: &Subject,
        pixels: PixelStatement,
    ) -> (Dataset, Claims, Report) {
        self.scrub_and_note(source, subject, pixels, &mut Uids::default())
    }

    /// The same, and notes which UID leaves in place of which.
    pub fn scrub_and_note(
        &self,
        source: Dataset,
        subject: &Subject,
        pixels: PixelStatement,
        uids: &mut Uids,
    ) -> (Dataset, Claims, Report) {
        let days_back = subject.days_back(self.pseudonyms);
        let mut walk = Walk::new(self, subject, days_back);
        let mut dataset = Dataset::from(walk.data_set(source.into_object(), true));
        let report = walk.end(uids);
        self.pseudonymize(&mut dataset, subject);
        name_no_owner(&mut dataset);
        if pixels.changed {
            mark_derived(&mut dataset);
        }
        let dates = DateRule::of(self.profile.dates_that_leave(), days_back);
        let claims = claims::write(&mut dataset, self.profile, &report, pixels, dates);
        (dataset, claims, report)
    }

    /// A UID of the source as it leaves.
    pub fn uid(&self, uid: &str) -> String {
        treat::mapped(self.pseudonyms, self.retains_uids(), uid)
    }

    fn retains_uids(&self) -> bool {
        self.profile.options().has(Annex::RetainUids)
    }

    fn pseudonymize(&self, dataset: &mut Dataset, subject: &Subject) {
        let patient = subject.pseudonymous_patient(self.pseudonyms);
        dataset.put_text(tags::PATIENT_NAME, VR::PN, patient.clone());
        dataset.put_text(tags::PATIENT_ID, VR::LO, patient);
        dataset.put_text(
            tags::ACCESSION_NUMBER,
            VR::SH,
            subject.pseudonymous_accession(self.pseudonyms),
        );
    }
}

/// PS3.3 C.7.1.1: who is responsible for an animal is Type 2C. Table E.1-1 has X for it; empty says as
/// little and is legal.
fn name_no_owner(dataset: &mut Dataset) {
    let species = [tags::PATIENT_SPECIES_DESCRIPTION, tags::PATIENT_SPECIES_CODE_SEQUENCE];
    if species.into_iter().any(|tag| dataset.has(tag)) {
        for (tag, vr) in
            [(tags::RESPONSIBLE_PERSON, VR::PN), (tags::RESPONSIBLE_ORGANIZATION, VR::LO)]
        {
            dataset.put(DataElement::empty(tag, vr));
        }
    }
}

/// PS3.3 C.7.6.1.1.2: pixels that differ from those of the source are derived; what was computed
/// from the old ones no longer holds.
pub(crate) fn mark_derived(dataset: &mut Dataset) {
    let mut image_type = dataset.texts(tags::IMAGE_TYPE);
    if let Some(first) = image_type.first_mut() {
        *first = "DERIVED".to_owned();
        let values = PrimitiveValue::Strs(image_type.into());
        dataset.put(DataElement::new(tags::IMAGE_TYPE, VR::CS, values));
    }
    for stale in STALE_AFTER_PIXEL_CHANGE {
        dataset.remove(stale);
    }
}

/// Optional attributes that describe the pixels of the source.
const STALE_AFTER_PIXEL_CHANGE: [Tag; 6] = [
    tags::SMALLEST_IMAGE_PIXEL_VALUE,
    tags::LARGEST_IMAGE_PIXEL_VALUE,
    tags::SMALLEST_PIXEL_VALUE_IN_SERIES,
    tags::LARGEST_PIXEL_VALUE_IN_SERIES,
    tags::EXTENDED_OFFSET_TABLE,
    tags::EXTENDED_OFFSET_TABLE_LENGTHS,
];
