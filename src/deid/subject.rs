//! Who and what an instance is about, as it stands in the source and as it leaves.

use super::pseudonym::Pseudonyms;
use super::{Engine, Error};
use crate::dicom::dataset::Dataset;
use crate::phi::Phi;
use crate::profile::ObjectKind;
use dicom_dictionary_std::tags;

/// What identifies an instance inside, read before anything is changed.
pub struct Subject {
    sop_class: String,
    modality: String,
    instance: Phi<String>,
    study: Phi<String>,
    series: Phi<String>,
    issuer: Phi<String>,
    patient_id: Option<Phi<String>>,
    accession: Option<Phi<String>>,
}

impl Subject {
    /// Reads the identity of a source data set.
    ///
    /// # Errors
    /// [`Error::Identity`] when a UID is missing or malformed.
    pub fn of(source: &Dataset) -> Result<Self, Error> {
        let uid = |tag, name| {
            let text = source.text(tag).filter(|t| t.parse::<crate::id::Uid>().is_ok());
            text.ok_or(Error::Identity(name))
        };
        Ok(Subject {
            sop_class: uid(tags::SOP_CLASS_UID, "SOP Class UID (0008,0016)")?,
            modality: source.text(tags::MODALITY).unwrap_or_default(),
            instance: Phi::new(uid(tags::SOP_INSTANCE_UID, "SOP Instance UID (0008,0018)")?),
            study: Phi::new(uid(tags::STUDY_INSTANCE_UID, "Study Instance UID (0020,000D)")?),
            series: Phi::new(uid(tags::SERIES_INSTANCE_UID, "Series Instance UID (0020,000E)")?),
            issuer: Phi::new(source.text(tags::ISSUER_OF_PATIENT_ID).unwrap_or_default()),
            patient_id: source.text(tags::PATIENT_ID).map(Phi::new),
            accession: source.text(tags::ACCESSION_NUMBER).map(Phi::new),
        })
    }

    /// SOP Class UID (0008,0016).
    pub fn sop_class(&self) -> &str {
        &self.sop_class
    }

    /// What a profile's rules may depend on.
    pub fn object_kind(&self) -> ObjectKind<'_> {
        ObjectKind { sop_class: &self.sop_class, modality: &self.modality }
    }

    /// Whether the data set is of the SOP class that an association spoke of.
    pub fn is_of_class(&self, sop_class: &str) -> bool {
        self.sop_class == sop_class
    }

    /// Whether two instances are about one person.
    pub fn is_same_patient(&self, other: &Subject) -> bool {
        let id = |s: &Subject| s.patient_id.as_ref().map(|id| id.expose().clone());
        self.issuer.expose() == other.issuer.expose() && id(self) == id(other)
    }

    /// Hands the SOP Instance UID of the source to whoever tags it with a key.
    pub fn with_instance<T>(&self, tag: impl FnOnce(&str) -> T) -> T {
        tag(self.instance.expose())
    }

    /// Hands the Series Instance UID of the source to whoever tags it with a key.
    pub fn with_series<T>(&self, tag: impl FnOnce(&str) -> T) -> T {
        tag(self.series.expose())
    }

    /// Hands the Study Instance UID of the source to whoever tags it with a key.
    pub fn with_study<T>(&self, tag: impl FnOnce(&str) -> T) -> T {
        tag(self.study.expose())
    }

    /// Hands issuer and Patient ID of the source, or for somebody without one an empty issuer and
    /// the Study Instance UID, to whoever tags them with a key. The flag says which.
    pub fn with_patient<T>(&self, tag: impl FnOnce(&str, &str, bool) -> T) -> T {
        match &self.patient_id {
            Some(id) => tag(self.issuer.expose(), id.expose(), true),
            None => tag("", self.study.expose(), false),
        }
    }

    /// The pseudonym of the patient.
    pub fn pseudonymous_patient(&self, pseudonyms: &Pseudonyms) -> String {
        self.with_patient(|issuer, id, known| match known {
            true => pseudonyms.patient(issuer, id),
            false => pseudonyms.patient_of_study(id),
        })
    }

    /// By how many days the patient's dates are moved back, from 1.
    pub fn days_back(&self, pseudonyms: &Pseudonyms) -> u32 {
        self.with_patient(|issuer, id, _| pseudonyms.days_back(issuer, id))
    }

    /// The Study Instance UID as it leaves.
    pub fn study_as_it_leaves(&self, engine: &Engine<'_>) -> String {
        engine.uid(self.study.expose())
    }

    /// The Series Instance UID as it leaves.
    pub fn series_as_it_leaves(&self, engine: &Engine<'_>) -> String {
        engine.uid(self.series.expose())
    }

    /// The accession number as it leaves, and as it is; `None` if the instance has none.
    pub fn accession(&self, pseudonyms: &Pseudonyms) -> Option<(String, Phi<String>)> {
        let number = Phi::new(self.accession.as_ref()?.expose().clone());
        Some((self.pseudonymous_accession(pseudonyms), number))
    }

    pub(super) fn pseudonymous_accession(&self, pseudonyms: &Pseudonyms) -> String {
        let number = self.accession.as_ref();
        number.map(|n| pseudonyms.accession(self.issuer.expose(), n.expose())).unwrap_or_default()
    }
}
