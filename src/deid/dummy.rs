//! Dummy values for action D: legal for the VR, the same for everybody (PS3.15 E.1-1a).

use crate::dicom::dataset::Element;
use dicom_core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemFragment;

type ElementValue = Value<InMemDicomObject<StandardDataDictionary>, InMemFragment>;

/// What stands for words.
pub const WORD: &str = "REMOVED";

/// The dummy of an element; `None`: it has none, and is removed.
pub fn value(tag: Tag, vr: VR) -> Option<ElementValue> {
    match vr {
        VR::SQ => sequence(tag),
        // Neither a link nor a value of unknown form leaves, not even a dummy one.
        VR::UR | VR::UN => None,
        _ => Some(Value::from(primitive(vr))),
    }
}

fn primitive(vr: VR) -> PrimitiveValue {
    match vr {
        VR::AE | VR::CS | VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UT => {
            PrimitiveValue::from(WORD)
        }
        VR::AS => PrimitiveValue::from("000D"),
        VR::DA => PrimitiveValue::from("19000101"),
        VR::DS | VR::IS => PrimitiveValue::from("0"),
        VR::DT => PrimitiveValue::from("19000101000000"),
        VR::TM => PrimitiveValue::from("000000"),
        VR::OB | VR::OW => PrimitiveValue::U8([0, 0].as_slice().into()),
        VR::US => PrimitiveValue::from(0_u16),
        VR::SS => PrimitiveValue::from(0_i16),
        VR::UL => PrimitiveValue::from(0_u32),
        VR::SL => PrimitiveValue::from(0_i32),
        VR::FL => PrimitiveValue::from(0_f32),
        VR::FD => PrimitiveValue::from(0_f64),
        _ => PrimitiveValue::Empty,
    }
}

/// A sequence of one item that says no more than that there was one.
///
/// A sequence without a form here is removed: an item of the wrong form would be read as content,
/// and an empty sequence is as illegal for Type 1 as none. (Graphic and waveform annotations, which
/// stand in modules that are optional themselves, and references to steps.)
fn sequence(tag: Tag) -> Option<ElementValue> {
    let item = match tag {
        tags::CONTENT_SEQUENCE => content_item(),
        tags::PERSON_IDENTIFICATION_CODE_SEQUENCE | tags::INSTITUTION_CODE_SEQUENCE => {
            code("REMOVED", "99EFFACE", "Removed")
        }
        tags::OPERATOR_IDENTIFICATION_SEQUENCE => person(),
        tags::VERIFYING_OBSERVER_SEQUENCE => verifying_observer(),
        _ => return None,
    };
    Some(Value::from(DataSetSequence::from(vec![item])))
}

fn item(elements: Vec<Element>) -> InMemDicomObject {
    InMemDicomObject::from_element_iter(elements)
}

fn text(tag: Tag, vr: VR, value: &str) -> Element {
    Element::new(tag, vr, PrimitiveValue::from(value))
}

fn nested(tag: Tag, item: InMemDicomObject) -> Element {
    Element::new(tag, VR::SQ, Value::from(DataSetSequence::from(vec![item])))
}

/// (0121106, DCM, "Comment") = "REMOVED" (PS3.3 C.17.3).
fn content_item() -> InMemDicomObject {
    item(vec![
        text(tags::RELATIONSHIP_TYPE, VR::CS, "CONTAINS"),
        text(tags::VALUE_TYPE, VR::CS, "TEXT"),
        nested(tags::CONCEPT_NAME_CODE_SEQUENCE, code("121106", "DCM", "Comment")),
        text(tags::TEXT_VALUE, VR::UT, "REMOVED"),
    ])
}

fn person() -> InMemDicomObject {
    let code = code("REMOVED", "99EFFACE", "Removed");
    item(vec![
        nested(tags::PERSON_IDENTIFICATION_CODE_SEQUENCE, code),
        text(tags::INSTITUTION_NAME, VR::LO, "REMOVED"),
    ])
}

fn verifying_observer() -> InMemDicomObject {
    item(vec![
        text(tags::VERIFYING_ORGANIZATION, VR::LO, "REMOVED"),
        text(tags::VERIFICATION_DATE_TIME, VR::DT, "19000101000000"),
        text(tags::VERIFYING_OBSERVER_NAME, VR::PN, "REMOVED"),
        Element::empty(tags::VERIFYING_OBSERVER_IDENTIFICATION_CODE_SEQUENCE, VR::SQ),
    ])
}

fn code(value: &str, scheme: &str, meaning: &str) -> InMemDicomObject {
    item(vec![
        text(tags::CODE_VALUE, VR::SH, value),
        text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme),
        text(tags::CODE_MEANING, VR::LO, meaning),
    ])
}
