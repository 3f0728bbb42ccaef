//! One walk over one object: every element at every depth is decided about and treated.

use super::content::{self, Hands};
use super::report::Report;
use super::subject::Subject;
use super::treat::Treat;
use super::uids::Uids;
use super::{Engine, dummy};
use crate::dicom::dataset::{Element, text_of};
use crate::profile::{self, Decision, Ground, ObjectKind, Treatment};
use crate::standard::{self, Action, Annex, unlisted};
use dicom_core::header::{HasLength, Header};
use dicom_core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom_core::{DataElement, Length, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use std::collections::BTreeMap;

/// The walk. Recursion is bounded by the pre-scan's depth limit.
pub(super) struct Walk<'e> {
    engine: &'e Engine<'e>,
    object: ObjectKind<'e>,
    treat: Treat<'e>,
    report: Report,
    top_level: bool,
    /// The option that has the sequence around cleaned rather than removed: text within is
    /// descriptive.
    cleaning: Option<Annex>,
}

/// What came of an element: the action that was really taken, and what is left.
pub(super) type Outcome = (Action, Option<Element>);

/// Text that stands in graphics and content sequences, which their options clean (PS3.15 E.3.3,
/// E.3.4).
const TEXT_OF_CLEANED: [Tag; 2] = [tags::UNFORMATTED_TEXT_VALUE, tags::TEXT_VALUE];

/// Sequences of content items (PS3.3 C.17.3, C.7.6.14, C.7.6.22: of a specimen's preparation steps).
const CONTENT_TREES: [Tag; 3] = [
    tags::CONTENT_SEQUENCE,
    tags::ACQUISITION_CONTEXT_SEQUENCE,
    tags::SPECIMEN_PREPARATION_STEP_CONTENT_ITEM_SEQUENCE,
];

impl<'e> Walk<'e> {
    pub(super) fn new(engine: &'e Engine<'e>, subject: &'e Subject, days_back: u32) -> Self {
        Walk {
            engine,
            object: subject.object_kind(),
            treat: Treat::new(engine, days_back),
            report: Report::default(),
            top_level: true,
            cleaning: None,
        }
    }

    /// The report; and which UIDs were mapped.
    pub(super) fn end(self, uids: &mut Uids) -> Report {
        uids.merge(&self.treat.into_uids());
        self.report
    }

    /// The elements of a data set or item.
    pub(super) fn data_set(
        &mut self,
        object: InMemDicomObject,
        top_level: bool,
    ) -> InMemDicomObject {
        let outer = std::mem::replace(&mut self.top_level, top_level);
        let blocks = Blocks::of(&object);
        let mut out = InMemDicomObject::new_empty();
        for element in object {
            let tag = element.tag();
            if is_creator(tag) {
                continue;
            }
            if let Some(kept) = self.element(element, blocks.creator(tag)) {
                out.put_element(kept);
            }
        }
        blocks.put_creators(&mut out);
        self.top_level = outer;
        out
    }

    fn element(&mut self, element: Element, creator: Option<&str>) -> Option<Element> {
        let (tag, vr) = (element.tag(), element.vr());
        let subject = profile::Subject { tag, vr, top_level: self.top_level, creator };
        let Decision { treatment, ground } =
            self.cleaned_text(tag, self.engine.profile.decide(&self.object, &subject));
        let element = match creator {
            Some(creator) if treatment.retains() => known_representation(element, creator),
            _ => Some(element),
        };
        let (action, element) = match element {
            None => (Action::X, None),
            Some(element) => self.apply(element, treatment, ground),
        };
        self.report.count(tag, action, ground);
        element
    }

    /// Within a sequence that an option has cleaned, the text is cleaned, not removed.
    fn cleaned_text(&self, tag: Tag, decision: Decision<'e>) -> Decision<'e> {
        match self.cleaning {
            Some(option) if decision.ground == Ground::Table && TEXT_OF_CLEANED.contains(&tag) => {
                Decision {
                    treatment: &Treatment::Standard(Action::C),
                    ground: Ground::Option(option),
                }
            }
            _ => decision,
        }
    }

    fn apply(&mut self, element: Element, treatment: &Treatment, ground: Ground) -> Outcome {
        let (tag, vr) = (element.tag(), element.vr());
        if *treatment == Treatment::Standard(Action::X) {
            return (Action::X, None);
        }
        if vr != VR::SQ {
            let is_empty = element.value().length() == Length(0);
            let by_rule = matches!(ground, Ground::Rule(_));
            let outcome = self.treat.value(element, treatment, ground, self.cleaning.is_some());
            return match outcome.1 {
                Some(rest) if treatment.retains() && !by_rule && !is_empty => {
                    self.filled(rest, outcome.0)
                }
                rest => (outcome.0, rest),
            };
        }
        if self.cleaning == Some(Annex::CleanStructuredContent) && CONTENT_TREES.contains(&tag) {
            return (Action::C, Some(self.content(element)));
        }
        match treatment.action() {
            Action::U | Action::K => {
                let action = treatment.action();
                (action, Some(self.descend(element, self.cleaning)))
            }
            Action::C => (Action::C, Some(self.clean(element, ground))),
            Action::D => match dummy::value(tag, vr) {
                Some(value) => (Action::D, Some(DataElement::new(tag, vr, value))),
                None => (Action::X, None),
            },
            Action::Z | Action::X => (Action::Z, Some(DataElement::empty(tag, vr))),
        }
    }

    /// A value of which cleaning has left nothing, in an element that has to have one: its dummy.
    fn filled(&self, rest: Element, action: Action) -> Outcome {
        let (tag, vr) = (rest.tag(), rest.vr());
        let left = rest.value().length() != Length(0);
        match dummy::value(tag, vr).filter(|_| !left && self.wants_a_value(tag)) {
            Some(dummy) => (Action::D, Some(DataElement::new(tag, vr, dummy))),
            None => (action, Some(rest)),
        }
    }

    /// By Table E.1-1 and the Type; of elements that it doesn't list, any words: `REMOVED` is legal
    /// for each Type, but not as one of the defined terms of a code string.
    fn wants_a_value(&self, tag: Tag) -> bool {
        match standard::basic_action(self.object.sop_class, self.top_level, tag) {
            Some(action) => action == Action::D,
            None if unlisted::wants_a_value(tag) => true,
            None => standard::element(tag)
                .is_some_and(|e| matches!(e.vr, VR::LO | VR::SH | VR::UT | VR::UC)),
        }
    }

    /// C of a sequence: content trees item by item, other sequences with their text cleaned.
    fn clean(&mut self, element: Element, ground: Ground) -> Element {
        let option = match ground {
            Ground::Option(option) => option,
            _ => Annex::CleanDescriptors,
        };
        match CONTENT_TREES.contains(&element.tag()) {
            true => self.content(element),
            false => self.descend(element, Some(option)),
        }
    }

    fn content(&mut self, element: Element) -> Element {
        let tag = element.tag();
        let items = element.into_value().into_items().unwrap_or_default();
        let outer = std::mem::replace(&mut self.top_level, false);
        let options = self.engine.profile.options();
        let content = content::clean(items, options, self);
        self.top_level = outer;
        let structured = Ground::Option(Annex::CleanStructuredContent);
        for (outcome, times) in &content.counts {
            self.report.count_many(tag, outcome.action(), structured, *times);
        }
        for option in content.decided.iter() {
            self.report.count(tag, Action::K, Ground::Option(option));
        }
        match (content.items.is_empty(), dummy::value(tag, VR::SQ)) {
            (false, _) => {
                DataElement::new(tag, VR::SQ, Value::from(DataSetSequence::from(content.items)))
            }
            (true, Some(dummy)) => DataElement::new(tag, VR::SQ, dummy),
            (true, None) => DataElement::empty(tag, VR::SQ),
        }
    }

    fn descend(&mut self, element: Element, cleaning: Option<Annex>) -> Element {
        let tag = element.tag();
        let outer = std::mem::replace(&mut self.cleaning, cleaning);
        let items = element.into_value().into_items().unwrap_or_default();
        let items = items.into_iter().map(|item| self.data_set(item, false));
        let items: Vec<_> = items.map(|item| without_empty_options(tag, item)).collect();
        self.cleaning = outer;
        DataElement::new(tag, VR::SQ, Value::from(DataSetSequence::from(items)))
    }
}

/// Table E.1-1 has X/Z for the study of a request: empty is legal where it is Type 2 (PS3.3 C.17.2), and
/// in Request Attributes, where it is Type 3 and of one item at least, only its absence is.
fn without_empty_options(sequence: Tag, mut item: InMemDicomObject) -> InMemDicomObject {
    let study = item.get(tags::REFERENCED_STUDY_SEQUENCE);
    let empty = study.is_some_and(|study| study.items().is_none_or(<[_]>::is_empty));
    if sequence == tags::REQUEST_ATTRIBUTES_SEQUENCE && empty {
        item.remove_element(tags::REFERENCED_STUDY_SEQUENCE);
    }
    item
}

/// What a content tree needs of the engine.
impl Hands for Walk<'_> {
    fn clean_text(&mut self, text: &str) -> Option<String> {
        self.treat.descriptor(text)
    }

    fn kept_text(&mut self, text: &str) -> Option<String> {
        self.treat.kept(text)
    }

    fn date(&mut self, vr: VR, value: &str) -> Option<String> {
        self.treat.date(vr, value)
    }

    fn element(&mut self, element: Element) -> Option<Element> {
        Walk::element(self, element, None)
    }

    fn map_uid(&mut self, uid: &str) -> String {
        self.treat.map_uid(uid)
    }
}

/// A Private Creator, (gggg,0010-00FF) of an odd group (PS3.5 7.8.1).
fn is_creator(tag: Tag) -> bool {
    tag.group() % 2 == 1 && (0x10..=0xFF).contains(&tag.element())
}

/// The private blocks of one data set, by group and block number.
struct Blocks(BTreeMap<(u16, u16), String>);

impl Blocks {
    fn of(object: &InMemDicomObject) -> Self {
        let creators = object.iter().filter(|element| is_creator(element.tag()));
        let named = creators.filter_map(|element| {
            Some(((element.tag().group(), element.tag().element()), text_of(element)?))
        });
        Blocks(named.collect())
    }

    fn creator(&self, tag: Tag) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(tag.group(), tag.element() >> 8)).map(String::as_str)
    }

    /// A creator stays when something of its block does.
    fn put_creators(&self, out: &mut InMemDicomObject) {
        let kept = |group: u16, block: u16| {
            out.iter().any(|e| e.tag().group() == group && e.tag().element() >> 8 == block)
        };
        let names: Vec<_> =
            self.0.iter().filter(|((group, block), _)| kept(*group, *block)).collect();
        for (&(group, block), name) in names {
            let name = PrimitiveValue::from(name.as_str());
            out.put_element(DataElement::new(Tag(group, block), VR::LO, name));
        }
    }
}

/// A private element that came as UN (implicit VR knows no private VRs) in the VR of the table of
/// safe private attributes. What the table doesn't know is nobody's to read, and goes.
fn known_representation(element: Element, creator: &str) -> Option<Element> {
    if element.vr() != VR::UN {
        return Some(element);
    }
    let tag = element.tag();
    let vr = standard::safe_private_vr(creator, tag.group(), (tag.element() & 0xFF) as u8)?;
    let Value::Primitive(value) = element.into_value() else { return None };
    let bytes = value.to_bytes();
    let value = match vr {
        VR::SQ | VR::UN => return None,
        VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV => {
            PrimitiveValue::U8(bytes.into_owned().into())
        }
        VR::US => PrimitiveValue::U16(numbers(&bytes, u16::from_le_bytes)?),
        VR::SS => PrimitiveValue::I16(numbers(&bytes, i16::from_le_bytes)?),
        VR::UL => PrimitiveValue::U32(numbers(&bytes, u32::from_le_bytes)?),
        VR::SL => PrimitiveValue::I32(numbers(&bytes, i32::from_le_bytes)?),
        VR::FL => PrimitiveValue::F32(numbers(&bytes, f32::from_le_bytes)?),
        VR::FD => PrimitiveValue::F64(numbers(&bytes, f64::from_le_bytes)?),
        _ if bytes.is_ascii() => {
            let text: String = bytes.iter().map(|&b| b as char).collect();
            let values: Vec<String> = text.split('\\').map(str::to_owned).collect();
            PrimitiveValue::Strs(values.into())
        }
        _ => return None,
    };
    Some(DataElement::new(tag, vr, value))
}

/// Little endian numbers, if the bytes are whole ones.
fn numbers<T, const N: usize, C: FromIterator<T>>(
    bytes: &[u8],
    read: fn([u8; N]) -> T,
) -> Option<C> {
    let (numbers, rest) = bytes.as_chunks::<N>();
    rest.is_empty().then(|| numbers.iter().map(|n| read(*n)).collect())
}
