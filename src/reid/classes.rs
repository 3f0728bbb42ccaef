//! Of which SOP classes results come back (PS3.4 Table B.5-1).

use dicom_dictionary_std::uids;

/// Whether results of a SOP class come back.
pub fn may_come_back(sop_class: &str) -> bool {
    RESULTS.contains(&sop_class)
}

/// Whether instances of a class come back only if they were derived from others: originals are made by modalities inside.
pub(super) fn must_be_derived(sop_class: &str) -> bool {
    DERIVED.contains(&sop_class)
}

/// Images as modalities make them.
const DERIVED: [&str; 7] = [
    uids::CT_IMAGE_STORAGE,
    uids::ENHANCED_CT_IMAGE_STORAGE,
    uids::MR_IMAGE_STORAGE,
    uids::ENHANCED_MR_IMAGE_STORAGE,
    uids::ENHANCED_MR_COLOR_IMAGE_STORAGE,
    uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE,
    uids::ENHANCED_PET_IMAGE_STORAGE,
];

/// All of them.
pub fn default_classes() -> impl Iterator<Item = &'static str> {
    RESULTS.into_iter()
}

/// What is made of images: documents, segments, contours, plans, presentations, captures, derived images.
const RESULTS: [&str; 43] = [
    uids::BASIC_TEXT_SR_STORAGE,
    uids::ENHANCED_SR_STORAGE,
    uids::COMPREHENSIVE_SR_STORAGE,
    uids::COMPREHENSIVE3_DSR_STORAGE,
    uids::EXTENSIBLE_SR_STORAGE,
    uids::MAMMOGRAPHY_CADSR_STORAGE,
    uids::CHEST_CADSR_STORAGE,
    uids::COLON_CADSR_STORAGE,
    uids::KEY_OBJECT_SELECTION_DOCUMENT_STORAGE,
    uids::SEGMENTATION_STORAGE,
    uids::LABEL_MAP_SEGMENTATION_STORAGE,
    uids::SURFACE_SEGMENTATION_STORAGE,
    uids::RT_STRUCTURE_SET_STORAGE,
    uids::RT_PLAN_STORAGE,
    uids::RT_ION_PLAN_STORAGE,
    uids::RT_DOSE_STORAGE,
    uids::SPATIAL_REGISTRATION_STORAGE,
    uids::DEFORMABLE_SPATIAL_REGISTRATION_STORAGE,
    uids::SPATIAL_FIDUCIALS_STORAGE,
    uids::PARAMETRIC_MAP_STORAGE,
    uids::REAL_WORLD_VALUE_MAPPING_STORAGE,
    uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE,
    uids::COLOR_SOFTCOPY_PRESENTATION_STATE_STORAGE,
    uids::PSEUDO_COLOR_SOFTCOPY_PRESENTATION_STATE_STORAGE,
    uids::BLENDING_SOFTCOPY_PRESENTATION_STATE_STORAGE,
    uids::ADVANCED_BLENDING_PRESENTATION_STATE_STORAGE,
    uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_SINGLE_BIT_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_GRAYSCALE_BYTE_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_GRAYSCALE_WORD_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_TRUE_COLOR_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::ENCAPSULATED_PDF_STORAGE,
    uids::ENCAPSULATED_STL_STORAGE,
    uids::ENCAPSULATED_OBJ_STORAGE,
    uids::ENCAPSULATED_MTL_STORAGE,
    uids::CT_IMAGE_STORAGE,
    uids::ENHANCED_CT_IMAGE_STORAGE,
    uids::MR_IMAGE_STORAGE,
    uids::ENHANCED_MR_IMAGE_STORAGE,
    uids::ENHANCED_MR_COLOR_IMAGE_STORAGE,
    uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE,
    uids::ENHANCED_PET_IMAGE_STORAGE,
    uids::RT_IMAGE_STORAGE,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_stands_there_once_and_nothing_else_comes_back() {
        assert_eq!(RESULTS.iter().collect::<BTreeSet<_>>().len(), RESULTS.len());
        assert!(may_come_back(uids::SEGMENTATION_STORAGE));
        for class in ["", "1.2.3", uids::ULTRASOUND_IMAGE_STORAGE, uids::RAW_DATA_STORAGE] {
            assert!(!may_come_back(class), "{class}");
        }
    }
}
