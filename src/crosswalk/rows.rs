//! What is remembered of a study that left: whom and what its pseudonyms stand for.
#![allow(clippy::disallowed_methods)] // here identifying values are compared, and handed to whoever tags them

use super::Error;
use crate::deid::Uids;
use crate::dicom::dataset::Dataset;
use crate::phi::Phi;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::collections::{BTreeMap, BTreeSet};

/// What the pseudonyms of one study stand for.
#[derive(Default)]
pub struct Rows {
    /// Study Instance UID as it left.
    pub study: String,
    /// Pseudonym of the patient.
    pub patient: String,
    /// Generation of the keys that made the pseudonyms.
    pub generation: String,
    /// To whom it was released: destinations by their names in the configuration.
    pub destinations: BTreeSet<String>,
    /// AE titles of those who sent it here: the PACS of origin among them.
    pub callers: BTreeSet<String>,
    /// By how many days its dates were moved back; `None` if they were not.
    pub days_back: Option<u32>,
    /// Patient and study as they are.
    pub original: Original,
    /// Accession numbers, by their pseudonyms.
    pub accessions: BTreeMap<String, Phi<String>>,
    /// Every UID that was mapped: study, series, instances, frames of reference, and what was referred to.
    pub uids: Uids,
    /// Instances that left, by SOP Instance UID as it left.
    pub instances: BTreeMap<String, Instance>,
    /// Keyed hashes of the patient's numbers, by which a request for erasure finds the patient.
    pub names: BTreeSet<String>,
}

/// An instance that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// SOP Class UID.
    pub sop_class: String,
    /// Series Instance UID as it left.
    pub series: String,
}

/// Values of the Patient and General Study modules that an object must have to go into the same study.
#[derive(Default)]
pub struct Original(BTreeMap<Tag, Phi<String>>);

/// Which (PS3.3 C.7.1.1, C.7.2.1), by their keywords. Each has one value.
pub(super) const ORIGINALS: [(&str, Tag); 13] = [
    ("PatientName", tags::PATIENT_NAME),
    ("PatientID", tags::PATIENT_ID),
    ("IssuerOfPatientID", tags::ISSUER_OF_PATIENT_ID),
    ("PatientBirthDate", tags::PATIENT_BIRTH_DATE),
    ("PatientBirthTime", tags::PATIENT_BIRTH_TIME),
    ("PatientSex", tags::PATIENT_SEX),
    ("StudyInstanceUID", tags::STUDY_INSTANCE_UID),
    ("StudyDate", tags::STUDY_DATE),
    ("StudyTime", tags::STUDY_TIME),
    ("AccessionNumber", tags::ACCESSION_NUMBER),
    ("ReferringPhysicianName", tags::REFERRING_PHYSICIAN_NAME),
    ("StudyID", tags::STUDY_ID),
    ("StudyDescription", tags::STUDY_DESCRIPTION),
];

impl Original {
    /// Reads a source.
    pub fn of(source: &Dataset) -> Self {
        let value = |(_, tag): (&str, Tag)| Some((tag, Phi::new(source.text(tag)?)));
        Original(ORIGINALS.into_iter().filter_map(value).collect())
    }

    /// The value of an attribute.
    pub fn get(&self, tag: Tag) -> Option<&Phi<String>> {
        self.0.get(&tag)
    }

    /// Sets the value of an attribute.
    pub fn put(&mut self, tag: Tag, value: Phi<String>) {
        self.0.insert(tag, value);
    }

    /// Takes from another instance of the same study what is not known yet.
    pub fn complete(&mut self, other: Original) {
        for (tag, value) in other.0 {
            self.0.entry(tag).or_insert(value);
        }
    }

    /// A copy, for another destination.
    pub fn copied(&self) -> Self {
        Original(self.0.iter().map(|(tag, value)| (*tag, copy(value))).collect())
    }

    fn text(&self, tag: Tag) -> &str {
        self.get(tag).map_or("", |value| value.expose())
    }
}

impl Rows {
    /// Hands issuer and Patient ID, or for somebody without one an empty issuer and the Study Instance UID, to whoever
    /// tags them with a key. The flag says which.
    pub(super) fn with_patient<T>(&self, tag: impl FnOnce(&str, &str, bool) -> T) -> T {
        let original = &self.original;
        match original.get(tags::PATIENT_ID) {
            Some(id) => tag(original.text(tags::ISSUER_OF_PATIENT_ID), id.expose(), true),
            None => tag("", original.text(tags::STUDY_INSTANCE_UID), false),
        }
    }

    /// Hands the Study Instance UID of the source to whoever tags it with a key.
    pub(super) fn with_study<T>(&self, tag: impl FnOnce(&str) -> T) -> T {
        tag(self.original.text(tags::STUDY_INSTANCE_UID))
    }

    /// Adds what else is known of the same study. What stands for one thing here and for another there is refused.
    ///
    /// # Errors
    /// [`Error::Contradiction`].
    pub(super) fn join(&mut self, other: Rows) -> Result<(), Error> {
        let study = |rows: &Rows| rows.with_study(str::to_owned);
        let same = self.study == other.study
            && self.patient == other.patient
            && self.generation == other.generation
            && study(self) == study(&other);
        let days = [self.days_back, other.days_back];
        let moved_alike = !matches!(days, [Some(one), Some(two)] if one != two);
        let numbered_alike = other.accessions.iter().all(|(pseudonym, number)| {
            self.accessions.get(pseudonym).is_none_or(|known| known.expose() == number.expose())
        });
        let classed_alike = other
            .instances
            .iter()
            .all(|(uid, instance)| self.instances.get(uid).is_none_or(|known| known == instance));
        self.uids.merge(&other.uids);
        if !(same && moved_alike && numbered_alike && classed_alike) || self.uids.collides() {
            return Err(Error::Contradiction);
        }
        self.days_back = self.days_back.or(other.days_back);
        self.destinations.extend(other.destinations);
        self.callers.extend(other.callers);
        self.names.extend(other.names);
        self.accessions.extend(other.accessions);
        self.instances.extend(other.instances);
        self.original.complete(other.original);
        Ok(())
    }

    /// Whether it says which study, of whom, and nothing that contradicts itself.
    pub(super) fn is_whole(&self) -> bool {
        let has_study = self.original.get(tags::STUDY_INSTANCE_UID).is_some();
        has_study && !self.study.is_empty() && !self.patient.is_empty() && !self.uids.collides()
    }
}

/// A copy of an identifying value, as well kept as the first.
pub(super) fn copy(value: &Phi<String>) -> Phi<String> {
    Phi::new(value.expose().clone())
}
