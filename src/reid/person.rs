//! Whom a result is about: the patient of the study under the pseudonym that left, at every depth, and nobody else.

use super::refusal::Refusal;
use crate::crosswalk::Rows;
use crate::dicom::dataset::text_of;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// Whether everybody who is named in a data set is the patient of the study. A number must be there.
///
/// # Errors
/// [`Refusal::WrongPatient`], [`Refusal::SecondPatient`], [`Refusal::WrongAccession`].
pub(super) fn require_one(object: &InMemDicomObject, rows: &Rows) -> Result<(), Refusal> {
    let id = object.get(tags::PATIENT_ID).and_then(text_of);
    if id.is_none_or(|id| id != rows.patient) {
        return Err(Refusal::WrongPatient(tags::PATIENT_ID));
    }
    if !is_its_name(object, rows) {
        return Err(Refusal::WrongPatient(tags::PATIENT_NAME));
    }
    require_nobody_else(object, rows)
}

/// The recursion is bounded by the pre-scan's depth limit.
fn require_nobody_else(object: &InMemDicomObject, rows: &Rows) -> Result<(), Refusal> {
    let text = |tag| object.get(tag).and_then(text_of);
    if text(tags::PATIENT_ID).is_some_and(|id| id != rows.patient) {
        return Err(Refusal::SecondPatient(tags::PATIENT_ID));
    }
    if !is_its_name(object, rows) {
        return Err(Refusal::SecondPatient(tags::PATIENT_NAME));
    }
    let accession = text(tags::ACCESSION_NUMBER);
    if accession.is_some_and(|number| !rows.accessions.contains_key(&number)) {
        return Err(Refusal::WrongAccession);
    }
    let mut items = object.iter().filter_map(|element| element.value().items()).flatten();
    items.try_for_each(|item| require_nobody_else(item, rows))
}

/// No name, or the pseudonym; programs add the separators of PN to it.
fn is_its_name(object: &InMemDicomObject, rows: &Rows) -> bool {
    let name = object.get(tags::PATIENT_NAME).and_then(text_of);
    name.is_none_or(|name| {
        let name = name.trim_end_matches(['^', '=']);
        name.is_empty() || name == rows.patient
    })
}
