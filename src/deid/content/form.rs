//! Value types of content items, and the attributes that hold their values (PS3.3 C.17.3, C.18, 10.2).

use crate::deid::dummy;
use crate::dicom::dataset::Element;
use dicom_core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemFragment;

/// What kind of value an item has: decides which treatment fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// TEXT.
    Words,
    /// PNAME.
    Person,
    /// DATE, TIME, DATETIME.
    Date,
    /// UIDREF.
    Uid,
    /// CODE.
    Code,
    /// NUM.
    Number,
    /// COMPOSITE, IMAGE, WAVEFORM.
    Reference,
    /// SCOORD, SCOORD3D, TCOORD.
    Coordinates,
    /// CONTAINER.
    Heading,
}

/// One value type.
pub(super) struct Form {
    /// Value Type (0040,A040).
    pub value_type: &'static str,
    /// What kind of value it is.
    pub kind: Kind,
    /// Whether an item of this type is nothing without a concept name (Type 1C in C.17-5).
    pub is_named: bool,
    /// VR of the first of `values`.
    vr: VR,
    /// Attributes of which one at least must be there.
    values: &'static [Tag],
    /// Attributes that may accompany them.
    also: &'static [Tag],
}

impl Form {
    /// The form of a value type; `None` for TABLE and whatever else PS3.3 may come to know.
    pub fn of(value_type: &str) -> Option<&'static Form> {
        FORMS.iter().find(|form| form.value_type == value_type)
    }

    /// Whether an attribute holds values of any value type.
    pub fn is_any_value(tag: Tag) -> bool {
        FORMS.iter().any(|form| form.holds(tag))
    }

    /// Whether an attribute holds values of this value type.
    pub fn holds(&self, tag: Tag) -> bool {
        self.values.contains(&tag) || self.also.contains(&tag)
    }

    /// Whether the attributes of an item have what this value type needs.
    pub fn is_fulfilled(&self, has: impl Fn(Tag) -> bool) -> bool {
        self.values.is_empty() || self.values.iter().any(|tag| has(*tag))
    }

    /// Whether an element is the one text value of this form, in its VR.
    pub fn is_text(&self, tag: Tag, vr: VR) -> bool {
        self.values == [tag] && self.vr == vr && vr != VR::SQ
    }

    /// An element of the VR of this form's only value.
    pub fn text(&self, value: String) -> Option<Element> {
        let tag = *self.values.first()?;
        Some(Element::new(tag, self.vr, PrimitiveValue::from(value)))
    }

    /// The dummy of action D. `None`: this value type has none; D of a UID or of a reference is its
    /// pseudonym, and the table has no D for the others.
    pub fn dummy(&self) -> Option<Element> {
        if !matches!(self.kind, Kind::Words | Kind::Person | Kind::Date) {
            return None;
        }
        let tag = *self.values.first()?;
        Some(Element::new(tag, self.vr, dummy::value(tag, self.vr)?))
    }
}

/// The value of a sequence of items.
pub(super) fn sequence(items: Vec<InMemDicomObject>) -> Value<InMemDicomObject, InMemFragment> {
    Value::from(DataSetSequence::from(items))
}

/// In a content tree, and in other sequences of content items (PS3.3 10.2).
const NUMBERS: [Tag; 2] = [tags::MEASURED_VALUE_SEQUENCE, tags::NUMERIC_VALUE];

const BESIDE_NUMBERS: [Tag; 5] = [
    tags::NUMERIC_VALUE_QUALIFIER_CODE_SEQUENCE,
    tags::FLOATING_POINT_VALUE,
    tags::RATIONAL_NUMERATOR_VALUE,
    tags::RATIONAL_DENOMINATOR_VALUE,
    tags::MEASUREMENT_UNITS_CODE_SEQUENCE,
];

const TIMES: [Tag; 3] =
    [tags::REFERENCED_SAMPLE_POSITIONS, tags::REFERENCED_TIME_OFFSETS, tags::REFERENCED_DATE_TIME];

const FORMS: [Form; 15] = [
    text("TEXT", Kind::Words, VR::UT, &[tags::TEXT_VALUE]),
    text("PNAME", Kind::Person, VR::PN, &[tags::PERSON_NAME]),
    text("DATE", Kind::Date, VR::DA, &[tags::DATE]),
    text("TIME", Kind::Date, VR::TM, &[tags::TIME]),
    text("DATETIME", Kind::Date, VR::DT, &[tags::DATE_TIME]),
    text("UIDREF", Kind::Uid, VR::UI, &[tags::UID]),
    Form { is_named: true, ..nested("CODE", Kind::Code, &[tags::CONCEPT_CODE_SEQUENCE], &[]) },
    Form { is_named: true, ..nested("NUM", Kind::Number, &NUMBERS, &BESIDE_NUMBERS) },
    nested("COMPOSITE", Kind::Reference, &[tags::REFERENCED_SOP_SEQUENCE], &[]),
    nested("IMAGE", Kind::Reference, &[tags::REFERENCED_SOP_SEQUENCE], &[]),
    nested("WAVEFORM", Kind::Reference, &[tags::REFERENCED_SOP_SEQUENCE], &[]),
    nested(
        "SCOORD",
        Kind::Coordinates,
        &[tags::GRAPHIC_DATA],
        &[tags::GRAPHIC_TYPE, tags::PIXEL_ORIGIN_INTERPRETATION, tags::FIDUCIAL_UID],
    ),
    nested(
        "SCOORD3D",
        Kind::Coordinates,
        &[tags::GRAPHIC_DATA],
        &[tags::GRAPHIC_TYPE, tags::REFERENCED_FRAME_OF_REFERENCE_UID, tags::FIDUCIAL_UID],
    ),
    nested("TCOORD", Kind::Coordinates, &TIMES, &[tags::TEMPORAL_RANGE_TYPE]),
    nested(
        "CONTAINER",
        Kind::Heading,
        &[],
        &[tags::CONTINUITY_OF_CONTENT, tags::CONTENT_TEMPLATE_SEQUENCE],
    ),
];

const fn text(value_type: &'static str, kind: Kind, vr: VR, values: &'static [Tag]) -> Form {
    Form { value_type, kind, is_named: true, vr, values, also: &[] }
}

const fn nested(
    value_type: &'static str,
    kind: Kind,
    values: &'static [Tag],
    also: &'static [Tag],
) -> Form {
    Form { value_type, kind, is_named: false, vr: VR::SQ, values, also }
}
