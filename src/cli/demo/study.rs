//! The study of the demo: a CT of the average head, with the identity of nobody.

use crate::cli::Problem;
use crate::dicom::dataset::Element;
use crate::dicom::plane::ImagePlane;
use crate::disk;
use crate::phantom::Phantom;
use dicom_core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use std::path::{Path, PathBuf};

/// A study in files.
pub struct DemoStudy {
    /// One file a slice, from the neck up.
    pub files: Vec<PathBuf>,
    /// Their SOP Instance UIDs.
    pub instances: Vec<String>,
}

/// Under this root the demo's UIDs are made: PS3.5 B.2, from a random UUID.
const UID_ROOT: &str = "2.25.329800735698586629295641978511506172918";

/// Text that a hospital's devices would write. All of it made up.
const HEADER: [(Tag, VR, &str); 26] = [
    (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL"),
    (tags::STUDY_DATE, VR::DA, "20261103"),
    (tags::SERIES_DATE, VR::DA, "20261103"),
    (tags::CONTENT_DATE, VR::DA, "20261103"),
    (tags::STUDY_TIME, VR::TM, "081512"),
    (tags::CONTENT_TIME, VR::TM, "081544"),
    (tags::ACCESSION_NUMBER, VR::SH, "ACC-2026-118734"),
    (tags::MODALITY, VR::CS, "CT"),
    (tags::MANUFACTURER, VR::LO, "PHANTOM WORKS"),
    (tags::INSTITUTION_NAME, VR::LO, "Sankt Agathe Klinik"),
    (tags::INSTITUTION_ADDRESS, VR::ST, "Uferweg 9, Altenbrunn"),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN, "Quarrington^Isidor"),
    (tags::STATION_NAME, VR::SH, "CTKELLER2"),
    (tags::STUDY_DESCRIPTION, VR::LO, "CT head, Mrs Featherby, fall"),
    (tags::SERIES_DESCRIPTION, VR::LO, "axial thin Featherby"),
    (tags::OPERATORS_NAME, VR::PN, "Nightingale^Basil"),
    (tags::PATIENT_NAME, VR::PN, "Featherby^Rosalind"),
    (tags::PATIENT_ID, VR::LO, "MRN-00417735"),
    (tags::PATIENT_BIRTH_DATE, VR::DA, "19580214"),
    (tags::PATIENT_SEX, VR::CS, "F"),
    (tags::PATIENT_ADDRESS, VR::LO, "Lindenhof 3, Altenbrunn"),
    (tags::PATIENT_COMMENTS, VR::LT, "Rosalind Featherby, call 0555-417735"),
    (tags::BODY_PART_EXAMINED, VR::CS, "HEAD"),
    (tags::DEVICE_SERIAL_NUMBER, VR::LO, "SN-88120"),
    (tags::PATIENT_POSITION, VR::CS, "HFS"),
    (tags::STUDY_ID, VR::SH, "S-5521"),
];

impl DemoStudy {
    /// Makes the study in a new folder, with isotropic voxels of `voxel_mm`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn make(folder: &Path, voxel_mm: f64) -> Result<Self, Problem> {
        disk::make_dir(folder)?;
        let phantom = Phantom::axial(voxel_mm);
        let mut study = DemoStudy { files: Vec::new(), instances: Vec::new() };
        for (number, (plane, samples)) in phantom.planes.iter().zip(&phantom.slices).enumerate() {
            let instance = format!("{UID_ROOT}.1.1.{}", number + 1);
            let file = folder.join(format!("{number:04}.dcm"));
            write(&file, slice(&instance, number, plane, samples), &instance)?;
            study.files.push(file);
            study.instances.push(instance);
        }
        Ok(study)
    }
}

fn write(file: &Path, object: InMemDicomObject, instance: &str) -> Result<(), Problem> {
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid(instance)
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    Ok(object.with_meta(meta)?.write_to_file(file)?)
}

fn slice(instance: &str, number: usize, plane: &ImagePlane, samples: &[i32]) -> InMemDicomObject {
    let mut object =
        InMemDicomObject::from_element_iter(HEADER.map(|(tag, vr, value)| text(tag, vr, value)));
    let decimals =
        |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join("\\");
    let spacing = plane.spacing();
    for element in [
        text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        text(tags::SOP_INSTANCE_UID, VR::UI, instance),
        text(tags::STUDY_INSTANCE_UID, VR::UI, &format!("{UID_ROOT}.1")),
        text(tags::SERIES_INSTANCE_UID, VR::UI, &format!("{UID_ROOT}.1.1")),
        text(tags::FRAME_OF_REFERENCE_UID, VR::UI, &format!("{UID_ROOT}.2")),
        text(tags::INSTANCE_NUMBER, VR::IS, &(number + 1).to_string()),
        text(tags::SERIES_NUMBER, VR::IS, "1"),
        text(tags::IMAGE_POSITION_PATIENT, VR::DS, &decimals(&plane.origin())),
        text(
            tags::IMAGE_ORIENTATION_PATIENT,
            VR::DS,
            &decimals(&[plane.row(), plane.column()].concat()),
        ),
        text(
            tags::PIXEL_SPACING,
            VR::DS,
            &decimals(&[spacing.between_rows, spacing.between_columns]),
        ),
        text(tags::SLICE_THICKNESS, VR::DS, &spacing.between_rows.to_string()),
        text(tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
        text(tags::RESCALE_SLOPE, VR::DS, "1"),
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        number_of(tags::SAMPLES_PER_PIXEL, 1),
        number_of(tags::ROWS, plane.rows() as u16),
        number_of(tags::COLUMNS, plane.columns() as u16),
        number_of(tags::BITS_ALLOCATED, 16),
        number_of(tags::BITS_STORED, 12),
        number_of(tags::HIGH_BIT, 11),
        number_of(tags::PIXEL_REPRESENTATION, 0),
        request(),
        text(Tag(0x0009, 0x0010), VR::LO, "PHANTOM WORKS 1"),
        text(Tag(0x0009, 0x1001), VR::LO, "Featherby/MRN-00417735"),
    ] {
        object.put(element);
    }
    let pixels: Vec<u16> = samples.iter().map(|&stored| stored as u16).collect();
    object.put(Element::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
    object
}

/// Identity one level down, where careless tools leave it.
fn request() -> Element {
    let item = InMemDicomObject::from_element_iter([
        text(tags::ACCESSION_NUMBER, VR::SH, "ACC-2026-118734"),
        text(tags::REQUESTED_PROCEDURE_DESCRIPTION, VR::LO, "CT head Featherby"),
    ]);
    let items = DataSetSequence::from(vec![item]);
    Element::new(tags::REQUEST_ATTRIBUTES_SEQUENCE, VR::SQ, Value::from(items))
}

fn text(tag: Tag, vr: VR, value: &str) -> Element {
    let values: Vec<String> = value.split('\\').map(str::to_owned).collect();
    Element::new(tag, vr, PrimitiveValue::Strs(values.into()))
}

fn number_of(tag: Tag, value: u16) -> Element {
    Element::new(tag, VR::US, PrimitiveValue::from(value))
}
