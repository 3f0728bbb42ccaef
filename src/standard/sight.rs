//! Which volumes are defaced, and by what.

use dicom_dictionary_std::uids;

/// What can be made out in images of a SOP class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Skin: a head can be found. (CT, MR.)
    Anatomy,
    /// What a tracer shows: the head is where another series has it. (PET.)
    Tracer,
}

/// Classes of the volumes that are defaced.
const SIGHTS: [(&str, Sight); 12] = [
    (uids::CT_IMAGE_STORAGE, Sight::Anatomy),
    (uids::CT_IMAGE_STORAGE_FOR_PROCESSING, Sight::Anatomy),
    (uids::ENHANCED_CT_IMAGE_STORAGE, Sight::Anatomy),
    (uids::ENHANCED_CT_IMAGE_STORAGE_FOR_PROCESSING, Sight::Anatomy),
    (uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE, Sight::Anatomy),
    (uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE_FOR_PROCESSING, Sight::Anatomy),
    (uids::MR_IMAGE_STORAGE, Sight::Anatomy),
    (uids::ENHANCED_MR_IMAGE_STORAGE, Sight::Anatomy),
    (uids::LEGACY_CONVERTED_ENHANCED_MR_IMAGE_STORAGE, Sight::Anatomy),
    (uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE, Sight::Tracer),
    (uids::ENHANCED_PET_IMAGE_STORAGE, Sight::Tracer),
    (uids::LEGACY_CONVERTED_ENHANCED_PET_IMAGE_STORAGE, Sight::Tracer),
];

impl Sight {
    /// What images of a class show; `None` for those that are not defaced.
    pub fn of(sop_class: &str) -> Option<Self> {
        SIGHTS.iter().find(|(class, _)| *class == sop_class).map(|(_, sight)| *sight)
    }
}
