//! One walk over one result: every element at every depth.

use super::dates::DateRule;
use super::header;
use super::references::{Companions, References};
use super::refusal::Refusal;
use super::words::Words;
use crate::crosswalk::Rows;
use crate::dicom::dataset::{Element, is_text};
use dicom_core::header::Header;
use dicom_core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// The walk. Recursion is bounded by the pre-scan's depth limit.
pub(super) struct Walk<'w> {
    pub(super) rows: &'w Rows,
    pub(super) references: &'w References<'w>,
    pub(super) companions: &'w Companions,
    pub(super) dates: &'w DateRule,
    pub(super) words: &'w Words<'w>,
}

impl Walk<'_> {
    /// The elements of a data set or item as they stand inside.
    pub(super) fn data_set(
        &self,
        object: InMemDicomObject,
        top_level: bool,
    ) -> Result<InMemDicomObject, Refusal> {
        self.references.require_class(&object, self.companions)?;
        let mut out = InMemDicomObject::new_empty();
        for element in object {
            let tag = element.tag();
            if header::is_replaced(tag, top_level) {
                if let Some(own) = self.of_the_patient(tag).filter(|_| !top_level) {
                    out.put_element(own);
                }
            } else if let Some(element) = self.element(element)? {
                out.put_element(element);
            }
        }
        Ok(out)
    }

    /// What an item says of the patient, who was found to be the study's.
    fn of_the_patient(&self, tag: Tag) -> Option<Element> {
        let vr = match tag {
            tags::PATIENT_ID => VR::LO,
            tags::PATIENT_NAME => VR::PN,
            _ => return None,
        };
        let value = self.rows.original.get(tag).map(|value| value.expose().clone());
        Some(match value {
            Some(value) => DataElement::new(tag, vr, PrimitiveValue::from(value)),
            None => DataElement::empty(tag, vr),
        })
    }

    fn element(&self, element: Element) -> Result<Option<Element>, Refusal> {
        let (tag, vr) = (element.tag(), element.vr());
        // Nobody can look into these.
        if tag.group() % 2 == 1 || vr == VR::UN {
            return Ok(None);
        }
        if tag == tags::SPECIFIC_CHARACTER_SET {
            return Ok(Some(element));
        }
        let element = match vr {
            VR::SQ => self.sequence(element)?,
            VR::UI => each(element, |uid| self.references.inside(tag, uid, self.companions))?,
            VR::DA | VR::DT => each(element, |date| self.dates.inside(tag, vr, date))?,
            VR::SH if tag == tags::ACCESSION_NUMBER => each(element, |number| {
                let number = number.trim_matches([' ', '\0']);
                let known = self.rows.accessions.get(number);
                Ok(known.map_or_else(String::new, |known| known.expose().clone()))
            })?,
            vr if is_text(vr) || matches!(vr, VR::PN | VR::UR) => {
                each(element, |text| self.words.inside(tag, vr, text))?
            }
            _ => element,
        };
        Ok(Some(element))
    }

    fn sequence(&self, element: Element) -> Result<Element, Refusal> {
        let tag = element.tag();
        let items = element.into_value().into_items().unwrap_or_default();
        let items = items.into_iter().map(|item| self.data_set(item, false));
        let items: Vec<_> = items.collect::<Result<_, _>>()?;
        Ok(DataElement::new(tag, VR::SQ, Value::from(DataSetSequence::from(items))))
    }
}

/// Treats each value of an element.
fn each(
    element: Element,
    mut treat: impl FnMut(&str) -> Result<String, Refusal>,
) -> Result<Element, Refusal> {
    let (tag, vr) = (element.tag(), element.vr());
    let Value::Primitive(value) = element.value() else { return Err(Refusal::Form(tag)) };
    if *value == PrimitiveValue::Empty {
        return Ok(element);
    }
    // In these a backslash is a character (PS3.5 6.2).
    let is_one = matches!(vr, VR::LT | VR::ST | VR::UT | VR::UR);
    let new = if is_one {
        PrimitiveValue::Str(treat(&value.to_str())?)
    } else {
        let texts = value.to_multi_str();
        let texts = texts.iter().flat_map(|text| text.split('\\')).map(&mut treat);
        PrimitiveValue::Strs(texts.collect::<Result<Vec<_>, _>>()?.into())
    };
    Ok(DataElement::new(tag, vr, new))
}
