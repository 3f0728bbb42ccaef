//! What an object says of its own de-identification (PS3.15 E.1.1): what was done, no more.

use super::dates::DateRule;
use super::report::Report;
use crate::dicom::dataset::Dataset;
use crate::profile::Profile;
use crate::standard::{self, Annex, Options};
use dicom_core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// What was done about the face that an object may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceStatement {
    /// Removed, and the removal was checked: 113102, Recognizable Visual Features NO.
    Removed,
    /// Skin and soft tissue removed, and the removal was checked; facial bones stay, from which a face can be
    /// approximated: no 113102, Recognizable Visual Features YES, and De-identification Method says it.
    SoftTissueRemoved,
    /// Left by the profile in a kind of object that may show one: Recognizable Visual Features YES.
    Left,
    /// Nothing to say: no face can be in it, or none was found.
    Silent,
}

/// What was done to the pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelStatement {
    /// About the face.
    pub face: FaceStatement,
    /// Regions in which the device writes text were blanked, or it was seen to write none.
    pub text_cleaned: bool,
    /// Samples differ from those of the source.
    pub changed: bool,
}

impl PixelStatement {
    /// Pixels that leave as they are, in an object that can show no face.
    pub const UNTOUCHED: PixelStatement =
        PixelStatement { face: FaceStatement::Silent, text_cleaned: false, changed: false };
}

/// The claims of one object, for whoever checks them against its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// De-identification Method Code Sequence (0012,0064): code values of CID 7050.
    pub codes: Vec<&'static str>,
    /// Longitudinal Temporal Information Modified (0028,0303).
    pub longitudinal: &'static str,
    /// Recognizable Visual Features (0028,0302), if there is anything to say.
    pub visual_features: Option<&'static str>,
    /// Burned In Annotation (0028,0301) as it leaves.
    pub burned_in: Option<String>,
    /// How dates left.
    pub dates: DateRule,
}

const BASIC: (&str, &str) = ("113100", "Basic Application Confidentiality Profile");

/// Writes the claims into a de-identified data set.
///
/// Claims of an earlier de-identification by others are not carried on: nobody here checked them.
pub(super) fn write(
    dataset: &mut Dataset,
    profile: &Profile,
    report: &Report,
    pixels: PixelStatement,
    dates: DateRule,
) -> Claims {
    let options = carried_out(report, pixels);
    let claims = Claims {
        codes: std::iter::once(BASIC.0).chain(options.iter().map(Annex::code)).collect(),
        longitudinal: longitudinal(dates),
        visual_features: visual_features(pixels.face),
        burned_in: match pixels.text_cleaned {
            true => Some("NO".to_owned()),
            false => dataset.text(tags::BURNED_IN_ANNOTATION),
        },
        dates,
    };
    dataset.put_text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES");
    let method = PrimitiveValue::Strs(method(profile, pixels.face).into());
    dataset.put(DataElement::new(tags::DEIDENTIFICATION_METHOD, VR::LO, method));
    let options = options.iter().map(|option| (option.code(), option.meaning()));
    let items: Vec<_> = std::iter::once(BASIC).chain(options).map(code_item).collect();
    let codes = Value::from(DataSetSequence::from(items));
    let codes = DataElement::new(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE, VR::SQ, codes);
    dataset.put(codes);
    dataset.put_text(tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED, VR::CS, claims.longitudinal);
    match claims.visual_features {
        Some(answer) => dataset.put_text(tags::RECOGNIZABLE_VISUAL_FEATURES, VR::CS, answer),
        None => dataset.remove(tags::RECOGNIZABLE_VISUAL_FEATURES),
    }
    if pixels.text_cleaned {
        dataset.put_text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
    }
    claims
}

/// The options that decided about something in this object, and those of the pixels' own stages.
fn carried_out(report: &Report, pixels: PixelStatement) -> Options {
    let mut options = report.options();
    if pixels.face == FaceStatement::Removed {
        options.insert(Annex::CleanRecognizableVisualFeatures);
    }
    if pixels.text_cleaned {
        options.insert(Annex::CleanPixelData);
    }
    options
}

fn longitudinal(dates: DateRule) -> &'static str {
    match dates {
        DateRule::Removed => "REMOVED",
        DateRule::Full => "UNMODIFIED",
        DateRule::Back(_) | DateRule::Year => "MODIFIED",
    }
}

fn visual_features(face: FaceStatement) -> Option<&'static str> {
    match face {
        FaceStatement::Removed => Some("NO"),
        FaceStatement::SoftTissueRemoved | FaceStatement::Left => Some("YES"),
        FaceStatement::Silent => None,
    }
}

fn code_item((value, meaning): (&str, &str)) -> InMemDicomObject {
    let mut item = InMemDicomObject::new_empty();
    item.put_str(tags::CODE_VALUE, VR::SH, value);
    item.put_str(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM");
    item.put_str(tags::CODE_MEANING, VR::LO, meaning);
    item
}

/// De-identification Method (0012,0063), each value at most 64 characters.
fn method(profile: &Profile, face: FaceStatement) -> Vec<String> {
    let digest = data_encoding::HEXLOWER.encode(&profile.digest()[..8]);
    let mut method = vec![
        format!("efface {} PS3.15 {}", env!("CARGO_PKG_VERSION"), standard::EDITION),
        format!("profile {} {digest}", profile.name()),
    ];
    if face == FaceStatement::SoftTissueRemoved {
        method.push("soft tissue of the face removed, facial bones kept".to_owned());
    }
    method
}
