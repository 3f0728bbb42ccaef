//! What is to be known of elements that Table E.1-1 doesn't list, beyond their VR.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// Free text that people write into an element of a VR for short terms.
pub fn is_free_text(tag: Tag) -> bool {
    matches!(tag, tags::CONTENT_LABEL | tags::CONTENT_DESCRIPTION)
}

/// Whether some module of PS3.3 has the element as Type 1 or 1C: empty it would not be legal there.
///
/// Of unlisted elements of VR ST, LT, UT and UC, and the free texts above; those of other VRs stay
/// as a rule.
pub fn wants_a_value(tag: Tag) -> bool {
    is_free_text(tag) || WITH_A_VALUE.contains(&tag)
}

const WITH_A_VALUE: [Tag; 12] = [
    tags::CALCULATION_COMMENT,
    tags::CONSTRAINT_VIOLATION_CONDITION,
    tags::EXPOSURE_CONTROL_MODE_DESCRIPTION,
    tags::GENETIC_MODIFICATIONS_DESCRIPTION,
    tags::INFORMATION_SUMMARY,
    tags::LONG_CODE_VALUE,
    tags::METABOLITE_MAP_DESCRIPTION,
    tags::OBSERVATION_DESCRIPTION,
    tags::POSITION_ACQUISITION_TEMPLATE_ID,
    tags::TRACKING_ID,
    tags::TREATMENT_TOLERANCE_VIOLATION_IDENTIFICATION,
    tags::UNIVERSAL_ENTITY_ID,
];

#[cfg(test)]
mod tests {
    use super::super::{basic_cell, element};
    use super::*;
    use dicom_core::VR;

    #[test]
    fn none_of_them_is_listed_and_all_are_words() {
        for tag in WITH_A_VALUE.into_iter().chain([tags::CONTENT_LABEL, tags::CONTENT_DESCRIPTION])
        {
            assert_eq!(basic_cell(tag), None, "{tag}");
            let vr = element(tag).map(|element| element.vr);
            let words = [VR::ST, VR::LT, VR::UT, VR::UC, VR::CS, VR::LO];
            assert!(vr.is_some_and(|vr| words.contains(&vr)), "{tag}");
        }
    }
}
