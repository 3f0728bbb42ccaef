//! The data set in memory: dicom-object's, with the few questions that efface asks of it.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::Value};
use dicom_dictionary_std::StandardDataDictionary;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;

/// One element of a data set.
pub type Element = dicom_object::mem::InMemElement<StandardDataDictionary>;

/// A data set without its top-level pixels. Neither `Debug` nor `Clone`: it may identify a person.
pub struct Dataset(InMemDicomObject);

/// A canonical header that dicom-object will not take. Says no value.
#[derive(Debug, thiserror::Error)]
#[error("the data set does not parse ({0}); ask the sender for an intact copy")]
pub struct ParseError(&'static str);

impl Dataset {
    /// An empty data set, to be filled by `put`.
    pub fn new() -> Self {
        Dataset(InMemDicomObject::new_empty())
    }

    /// Parses a canonical header ([`super::canonical`]).
    ///
    /// # Errors
    /// [`ParseError`] when a value does not have the form of its VR.
    pub fn parse(canonical: &[u8]) -> Result<Self, ParseError> {
        let syntax = EXPLICIT_VR_LITTLE_ENDIAN.erased();
        InMemDicomObject::read_dataset_with_ts(canonical, &syntax)
            .map(Dataset)
            // The library's message may quote a value: only its kind is kept.
            .map_err(|error| ParseError(parse_error_kind(&error)))
    }

    /// Encodes in Explicit VR Little Endian, elements in ascending order.
    ///
    /// # Errors
    /// [`ParseError`] when a value cannot be written in its VR.
    pub fn encode(&self) -> Result<Vec<u8>, ParseError> {
        let mut bytes = Vec::with_capacity(1 << 14);
        let syntax = EXPLICIT_VR_LITTLE_ENDIAN.erased();
        self.0
            .write_dataset_with_ts(&mut bytes, &syntax)
            .map_err(|_| ParseError("a value cannot be encoded in its VR"))?;
        Ok(bytes)
    }

    /// Text of a top-level element: the first value, without padding. `None` when absent or empty.
    pub fn text(&self, tag: Tag) -> Option<String> {
        text_of(self.0.get(tag)?)
    }

    /// All values of a top-level text element, without padding.
    pub fn texts(&self, tag: Tag) -> Vec<String> {
        let Some(Value::Primitive(value)) = self.0.get(tag).map(|e| e.value()) else {
            return Vec::new();
        };
        let values = value.to_multi_str();
        values.iter().flat_map(|t| t.split('\\')).map(|t| trim(t).to_owned()).collect()
    }

    /// Numbers of a top-level element of VR DS, IS, US, SS, UL, SL, FL or FD; empty when absent.
    pub fn numbers(&self, tag: Tag) -> Vec<f64> {
        self.0.get(tag).map(numbers_of).unwrap_or_default()
    }

    /// The first number of a top-level element.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).first().copied()
    }

    /// Whether a top-level element is present, empty or not.
    pub fn has(&self, tag: Tag) -> bool {
        self.0.get(tag).is_some()
    }

    /// Sets a text element.
    pub fn put_text(&mut self, tag: Tag, vr: VR, text: impl Into<String>) {
        self.0.put_element(DataElement::new(tag, vr, PrimitiveValue::from(text.into())));
    }

    /// Sets any element.
    pub fn put(&mut self, element: Element) {
        self.0.put_element(element);
    }

    /// Removes an element if it is there.
    pub fn remove(&mut self, tag: Tag) {
        self.0.remove_element(tag);
    }

    /// The object underneath, for those who rewrite every element.
    pub fn object(&self) -> &InMemDicomObject {
        &self.0
    }

    /// The object underneath, by value.
    pub fn into_object(self) -> InMemDicomObject {
        self.0
    }
}

impl Default for Dataset {
    fn default() -> Self {
        Dataset::new()
    }
}

impl From<InMemDicomObject> for Dataset {
    fn from(object: InMemDicomObject) -> Self {
        Dataset(object)
    }
}

/// The first value of a text element, without padding; `None` when it is empty or not text.
pub fn text_of(element: &Element) -> Option<String> {
    let Value::Primitive(value) = element.value() else { return None };
    let text = value.to_str();
    let first = if matches!(element.vr(), VR::LT | VR::ST | VR::UT) {
        trim(&text)
    } else {
        trim(text.split('\\').next().unwrap_or_default())
    };
    (!first.is_empty()).then(|| first.to_owned())
}

/// The numbers of an element; none when it is empty or holds something else.
pub fn numbers_of(element: &Element) -> Vec<f64> {
    element.value().to_multi_float64().unwrap_or_default()
}

/// Whether values of a VR are text, of free form or for a term: not names, and nothing of a closed
/// alphabet (PS3.5 6.2).
pub fn is_text(vr: VR) -> bool {
    matches!(vr, VR::AE | VR::CS | VR::LO | VR::LT | VR::SH | VR::ST | VR::UC | VR::UT)
}

/// Roots under which UIDs are registered names, not instances: DICOM (PS3.6 Annex A) and the
/// coding schemes of HL7's registry (PS3.16 Table 8-1).
const REGISTRIES: [&str; 2] = ["1.2.840.10008.", "2.16.840.1.113883."];

/// Registered UIDs mean the same for everybody and are never mapped.
///
/// A UID under such a root with a component of five digits or more is nobody's registered name:
/// some devices make instance UIDs there, with dates and serial numbers in them.
pub fn is_well_known(uid: &str) -> bool {
    REGISTRIES.iter().any(|root| {
        uid.strip_prefix(root).is_some_and(|rest| {
            rest.len() <= 24 && rest.split('.').all(|part| (1..=4).contains(&part.len()))
        })
    })
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\0'])
}

fn parse_error_kind(_: &dicom_object::ReadError) -> &'static str {
    "a value is not of its VR"
}
