//! One content item, without its children.

use super::form::{Form, Kind, sequence};
use super::rule::Rule;
use super::{Content, Hands, Outcome, code};
use crate::dicom::dataset::{Element, text_of};
use crate::id::Uid;
use crate::standard::Options;
use crate::standard::structured::Treatment;
use dicom_core::header::{HasLength, Header};
use dicom_core::value::PrimitiveValue;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// Relationship Type (0040,A010), PS3.3 C.17.3.2.4. Any other word is somebody's own.
const RELATIONSHIPS: [&str; 7] = [
    "CONTAINS",
    "HAS ACQ CONTEXT",
    "HAS CONCEPT MOD",
    "HAS OBS CONTEXT",
    "HAS PROPERTIES",
    "INFERRED FROM",
    "SELECTED FROM",
];

/// The relationship of an item to its parent, in the standard's own words, as an element.
pub(super) fn relationship(item: &InMemDicomObject) -> Option<Element> {
    let word = text_of(item.get(tags::RELATIONSHIP_TYPE)?)?;
    let known = RELATIONSHIPS.into_iter().find(|known| *known == word)?;
    Some(term(tags::RELATIONSHIP_TYPE, known))
}

fn term(tag: Tag, word: &str) -> Element {
    Element::new(tag, VR::CS, PrimitiveValue::from(word))
}

/// Cleans an item whose children are elsewhere. `None`: it goes. Items of modifiers inside it are
/// counted in `content`, the item itself is not.
pub(super) fn clean(
    source: InMemDicomObject,
    has_children: bool,
    options: Options,
    hands: &mut impl Hands,
    content: &mut Content,
) -> Option<(InMemDicomObject, Outcome)> {
    let form = Form::of(&text_of(source.get(tags::VALUE_TYPE)?)?)?;
    let concepts = match source.get(tags::CONCEPT_NAME_CODE_SEQUENCE) {
        Some(name) => code::concepts(name)?,
        None => Vec::new(),
    };
    // An item outside of a Content Sequence has no relationship.
    let relationship = match source.get(tags::RELATIONSHIP_TYPE) {
        Some(_) => Some(relationship(&source)?),
        None => None,
    };
    if form.is_named && concepts.is_empty() {
        return None;
    }
    let rule = Rule::of(&concepts, form, options);
    // What was observed below words that go does not go with them: they leave a dummy.
    let leaves_dummy = rule.is_descriptive && form.kind == Kind::Words && has_children;
    let otherwise = if leaves_dummy { Treatment::Dummy } else { rule.otherwise };
    if rule.treatment == Treatment::Remove && !leaves_dummy {
        return None;
    }

    let mut out = InMemDicomObject::from_element_iter(relationship);
    out.put(term(tags::VALUE_TYPE, form.value_type));
    let mut outcome = Outcome::Kept;
    for element in source {
        let tag = element.tag();
        let element = match tag {
            tags::VALUE_TYPE | tags::RELATIONSHIP_TYPE => None,
            tags::CONCEPT_NAME_CODE_SEQUENCE => match code::clean(element, hands) {
                None if form.is_named => return None,
                name => name,
            },
            tags::CONTENT_ITEM_MODIFIER_SEQUENCE => {
                let modifiers = element.into_value().into_items().unwrap_or_default();
                let modifiers = content.adopt(super::clean(modifiers, options, hands));
                let modifiers = (!modifiers.is_empty()).then(|| sequence(modifiers));
                modifiers.map(|items| Element::new(tag, VR::SQ, items))
            }
            // Table E.3.10-1 speaks of images; which creator a block has is not known here.
            _ if !tag.group().is_multiple_of(2) => None,
            _ if form.holds(tag) => value(element, form, rule.treatment, hands).map(|(e, o)| {
                outcome = outcome.max(o);
                e
            }),
            _ if Form::is_any_value(tag) => None,
            _ => hands.element(element),
        };
        element.map(|element| out.put(element));
    }

    if form.is_fulfilled(|tag| out.get(tag).is_some()) {
        rule.option.into_iter().for_each(|option| content.decided.insert(option));
        return Some((out, outcome));
    }
    if otherwise != Treatment::Dummy {
        return None;
    }
    out.put(form.dummy()?);
    Some((out, Outcome::Dummied))
}

/// A value of an item as it may leave, and what was done to it. `None`: nothing of it may.
fn value(
    element: Element,
    form: &Form,
    treatment: Treatment,
    hands: &mut impl Hands,
) -> Option<(Element, Outcome)> {
    let is_kept = treatment == Treatment::Keep;
    match form.kind {
        // The dummy of a UID is its pseudonym.
        Kind::Uid => {
            let uid = text(&element, form)?;
            match uid.parse::<Uid>() {
                Ok(legal) if is_kept => {
                    Some((form.text(legal.as_str().to_owned())?, Outcome::Kept))
                }
                _ => Some((form.text(hands.map_uid(&uid))?, Outcome::Mapped)),
            }
        }
        Kind::Reference => {
            let outcome = if is_kept { Outcome::Kept } else { Outcome::Mapped };
            Some((hands.element(element).filter(says_something)?, outcome))
        }
        _ if treatment >= Treatment::Dummy => None,
        Kind::Words => {
            let words = text(&element, form)?;
            let cleaned =
                if is_kept { hands.kept_text(&words)? } else { hands.clean_text(&words)? };
            let outcome = changed(&words, &cleaned);
            Some((form.text(cleaned)?, outcome))
        }
        Kind::Date => {
            let date = text(&element, form)?;
            let allowed = hands.date(element.vr(), &date)?;
            let outcome = changed(&date, &allowed);
            Some((form.text(allowed)?, outcome))
        }
        Kind::Person => None,
        Kind::Code => Some((code::clean(element, hands)?, Outcome::Kept)),
        Kind::Number | Kind::Coordinates | Kind::Heading => {
            Some((hands.element(element).filter(says_something)?, Outcome::Kept))
        }
    }
}

/// The text of an element that has the VR of its value type.
fn text(element: &Element, form: &Form) -> Option<String> {
    form.is_text(element.tag(), element.vr()).then(|| text_of(element)).flatten()
}

/// Whether anything is left in an element. The Measured Value Sequence may be empty (Type 2).
fn says_something(element: &Element) -> bool {
    element.tag() == tags::MEASURED_VALUE_SEQUENCE || !element.is_empty()
}

fn changed(before: &str, after: &str) -> Outcome {
    if before == after { Outcome::Kept } else { Outcome::Cleaned }
}
