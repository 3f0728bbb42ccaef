//! The Patient and General Study modules of a result: those of the crosswalk, whole.

use crate::crosswalk::Rows;
use crate::dicom::dataset::Dataset;
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;

/// Whether an element says of patient or study, or of how it was de-identified, what the crosswalk alone may say; or vouches
/// for bytes that change here.
pub(super) fn is_replaced(tag: Tag, top_level: bool) -> bool {
    GROUPS.contains(&tag.group())
        || ANYWHERE.contains(&tag)
        || top_level && (OF_THE_STUDY.contains(&tag) || KNOWN.iter().any(|known| known.0 == tag))
}

/// Patient, clinical trial and the marks of de-identification, visit: whole groups, at every depth.
const GROUPS: [u16; 3] = [0x0010, 0x0012, 0x0038];

/// At every depth: other values of patients, signatures over bytes that change, what is encrypted, moved dates.
const ANYWHERE: [Tag; 7] = [
    tags::REFERENCED_PATIENT_SEQUENCE,
    tags::ORIGINAL_ATTRIBUTES_SEQUENCE,
    tags::ENCRYPTED_ATTRIBUTES_SEQUENCE,
    tags::DIGITAL_SIGNATURES_SEQUENCE,
    tags::MAC_PARAMETERS_SEQUENCE,
    tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
    tags::INSTANCE_ORIGIN_STATUS,
];

/// General Study and Patient Study (PS3.3 C.7.2.1, C.7.2.2): of these the crosswalk knows nothing.
const OF_THE_STUDY: [Tag; 17] = [
    tags::REFERRING_PHYSICIAN_IDENTIFICATION_SEQUENCE,
    tags::CONSULTING_PHYSICIAN_NAME,
    tags::CONSULTING_PHYSICIAN_IDENTIFICATION_SEQUENCE,
    tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE,
    tags::PHYSICIANS_OF_RECORD,
    tags::PHYSICIANS_OF_RECORD_IDENTIFICATION_SEQUENCE,
    tags::NAME_OF_PHYSICIANS_READING_STUDY,
    tags::PHYSICIANS_READING_STUDY_IDENTIFICATION_SEQUENCE,
    tags::REQUESTING_SERVICE,
    tags::REQUESTING_SERVICE_CODE_SEQUENCE,
    tags::REFERENCED_STUDY_SEQUENCE,
    tags::PROCEDURE_CODE_SEQUENCE,
    tags::REASON_FOR_PERFORMED_PROCEDURE_CODE_SEQUENCE,
    tags::ADMITTING_DIAGNOSES_DESCRIPTION,
    tags::ADMITTING_DIAGNOSES_CODE_SEQUENCE,
    tags::REASON_FOR_VISIT,
    tags::REASON_FOR_VISIT_CODE_SEQUENCE,
];

/// What the crosswalk knows, and whether it must be there, if only empty (Type 1 and 2).
const KNOWN: [(Tag, VR, bool); 13] = [
    (tags::STUDY_DATE, VR::DA, true),
    (tags::STUDY_TIME, VR::TM, true),
    (tags::ACCESSION_NUMBER, VR::SH, true),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN, true),
    (tags::STUDY_DESCRIPTION, VR::LO, false),
    (tags::PATIENT_NAME, VR::PN, true),
    (tags::PATIENT_ID, VR::LO, true),
    (tags::ISSUER_OF_PATIENT_ID, VR::LO, false),
    (tags::PATIENT_BIRTH_DATE, VR::DA, true),
    (tags::PATIENT_BIRTH_TIME, VR::TM, false),
    (tags::PATIENT_SEX, VR::CS, true),
    (tags::STUDY_INSTANCE_UID, VR::UI, true),
    (tags::STUDY_ID, VR::SH, true),
];

/// Puts patient and study as they are. `accession` is the pseudonym that the result came with: a study may have several.
pub(super) fn put(object: &mut Dataset, rows: &Rows, accession: Option<&str>) {
    for (tag, vr, is_needed) in KNOWN {
        let own = accession.filter(|_| tag == tags::ACCESSION_NUMBER);
        let own = own.and_then(|pseudonym| rows.accessions.get(pseudonym));
        match own.or_else(|| rows.original.get(tag)) {
            Some(value) => object.put_text(tag, vr, value.expose().clone()),
            None if is_needed => object.put(DataElement::empty(tag, vr)),
            None => {}
        }
    }
}
