//! A source and what became of it, element by element. Values are masked unless a person asks to
//! see them, and names and UIDs always.

use crate::deid::Report;
use crate::dicom::dataset::{Dataset, Element, text_of};
use crate::profile::words::is_written;
use crate::profile::{Decision, Ground, ObjectKind, Profile, Subject};
use crate::standard::{self, Action};
use dicom_core::header::Header;
use dicom_core::value::{PrimitiveValue, Value};
use dicom_core::{Tag, VR};
use dicom_object::InMemDicomObject;
use std::collections::BTreeSet;

/// One element, before and after.
pub struct Line {
    /// Where it is: tags and item numbers, then its keyword.
    pub path: String,
    /// Its VR.
    pub vr: VR,
    /// What it is in the source.
    pub before: String,
    /// What it is in the output.
    pub after: String,
    /// The action that was taken, if the profile took one.
    pub action: Option<Action>,
    /// Who decided; `None`: efface itself.
    pub by: Option<Ground>,
}

/// Compares.
pub struct Comparison<'a> {
    /// Under which profile.
    pub profile: &'a Profile,
    /// What the object is.
    pub object: ObjectKind<'a>,
    /// What the engine did, when the object got so far.
    pub report: Option<&'a Report>,
    /// Whether values are shown.
    pub show_values: bool,
}

impl Comparison<'_> {
    /// Every element of either data set; what is within something removed isn't listed.
    pub fn lines(&self, before: &Dataset, after: &Dataset) -> Vec<Line> {
        let mut lines = Vec::new();
        self.level("", true, before.object(), after.object(), &mut lines);
        lines
    }

    fn level(
        &self,
        path: &str,
        top_level: bool,
        before: &InMemDicomObject,
        after: &InMemDicomObject,
        lines: &mut Vec<Line>,
    ) {
        let tags: BTreeSet<Tag> =
            before.iter().chain(after.iter()).map(|element| element.tag()).collect();
        for tag in tags {
            let (was, is) = (before.get(tag), after.get(tag));
            let Some(vr) = was.or(is).map(|element| element.vr()) else { continue };
            let creator = creator(before, tag);
            let subject = Subject { tag, vr, top_level, creator: creator.as_deref() };
            let (action, by) = self.taken(&subject, was.is_some(), is.is_some());
            let here = format!("{path}{tag}");
            let keyword = standard::element(tag).map_or("", |element| element.keyword);
            let same = was.is_some_and(|was| is.is_some_and(|is| was.value() == is.value()));
            lines.push(Line {
                path: format!("{here} {keyword}"),
                vr,
                before: self.shown(was),
                after: if same { "unchanged".to_owned() } else { self.shown(is) },
                action,
                by,
            });
            let (Some(was), Some(is)) = (items(was), items(is)) else { continue };
            // After an item was dropped, numbers no longer say which was which.
            if was.len() == is.len() {
                for (n, (was, is)) in was.iter().zip(is).enumerate() {
                    self.level(&format!("{here}[{}]", n + 1), false, was, is, lines);
                }
            }
        }
    }

    /// What was done, and by whose word. The report knows what really happened; where it counted
    /// several things for one tag, the profile is asked which of them is meant here.
    fn taken(
        &self,
        subject: &Subject<'_>,
        was: bool,
        is: bool,
    ) -> (Option<Action>, Option<Ground>) {
        let Tag(group, number) = subject.tag;
        let creator = group % 2 == 1 && number < 0x100;
        if subject.top_level && is_written(subject.tag) || !was {
            return (None, None);
        }
        let Decision { treatment, ground } = self.profile.decide(&self.object, subject);
        if creator {
            // It stays or goes with its block.
            return (Some(if is { Action::K } else { Action::X }), Some(Ground::Group));
        }
        let report = self.report.into_iter().flat_map(Report::iter);
        let counted: Vec<(Action, Ground)> = report
            .filter(|(tag, ..)| *tag == subject.tag)
            .map(|(_, action, ground, _)| (action, ground))
            .collect();
        let by_ground: Vec<_> = counted.iter().filter(|(_, g)| *g == ground).collect();
        let (action, ground) = match (by_ground.as_slice(), counted.as_slice()) {
            ([(action, ground)], _) | ([], [(action, ground)]) => (*action, *ground),
            _ => (treatment.action(), ground),
        };
        match is || matches!(action, Action::X | Action::D | Action::C) {
            true => (Some(action), Some(ground)),
            // The profile let it stay, and it described pixels that are no more.
            false => (None, None),
        }
    }

    fn shown(&self, element: Option<&Element>) -> String {
        let Some(element) = element else { return "-".to_owned() };
        let vr = element.vr();
        match element.value() {
            Value::Sequence(sequence) => format!("SQ, {}", counted(sequence.items().len(), "item")),
            Value::PixelSequence(_) => format!("{vr}, fragments"),
            Value::Primitive(PrimitiveValue::Empty) => "empty".to_owned(),
            Value::Primitive(value) if self.show_values && !is_never_shown(vr) => visible(value),
            Value::Primitive(value) => masked(vr, value),
        }
    }
}

/// Names, UIDs and what nobody can read.
fn is_never_shown(vr: VR) -> bool {
    matches!(vr, VR::PN | VR::UI | VR::UN | VR::OB | VR::OW | VR::OD | VR::OF | VR::OL | VR::OV)
}

/// Kind and size of a value.
fn masked(vr: VR, value: &PrimitiveValue) -> String {
    match value {
        PrimitiveValue::Str(_) | PrimitiveValue::Strs(_) => {
            let text = value.to_raw_str();
            let characters = text.trim_matches([' ', '\0']).chars().count();
            match characters {
                0 => "empty".to_owned(),
                _ => format!("{vr}, {}", counted(characters, "character")),
            }
        }
        PrimitiveValue::U8(bytes) => format!("{vr}, {}", counted(bytes.len(), "byte")),
        other => format!("{vr}, {}", counted(other.multiplicity() as usize, "number")),
    }
}

/// At most [`WIDTH`] characters of a value. Control characters would talk to the terminal.
fn visible(value: &PrimitiveValue) -> String {
    let text = value.to_str();
    if text.is_empty() {
        return "empty".to_owned();
    }
    let harmless = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(WIDTH).map(harmless).collect();
    if text.chars().nth(WIDTH).is_some() {
        shown.push('…');
    }
    shown
}

const WIDTH: usize = 40;

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn items(element: Option<&Element>) -> Option<&[InMemDicomObject]> {
    match element?.value() {
        Value::Sequence(sequence) => Some(sequence.items()),
        Value::Primitive(_) | Value::PixelSequence(_) => None,
    }
}

/// The creator of the block that a private element is in (PS3.5 7.8.1).
fn creator(object: &InMemDicomObject, tag: Tag) -> Option<String> {
    let Tag(group, number) = tag;
    (group % 2 == 1).then(|| text_of(object.get(Tag(group, number >> 8))?))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::language;
    use dicom_core::DataElement;
    use dicom_dictionary_std::tags;

    fn lines(before: &Dataset, after: &Dataset, show_values: bool) -> Vec<Line> {
        let profile = language::parse("basic", crate::profile::SHIPPED[0].1).unwrap();
        let object = ObjectKind { sop_class: "1.2.840.10008.5.1.4.1.1.2", modality: "CT" };
        let comparison = Comparison { profile: &profile, object, report: None, show_values };
        comparison.lines(before, after)
    }

    fn of<'a>(lines: &'a [Line], keyword: &str) -> &'a Line {
        lines.iter().find(|line| line.path.ends_with(keyword)).unwrap()
    }

    #[test]
    fn values_are_masked_and_names_and_uids_always() {
        let (mut before, mut after) = (Dataset::new(), Dataset::new());
        before.put_text(tags::PATIENT_NAME, VR::PN, "DOE^JANE");
        before.put_text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3");
        before.put_text(tags::STUDY_DESCRIPTION, VR::LO, "Liver\u{1b}[2J");
        before.put_text(tags::MODALITY, VR::CS, "CT");
        after.put_text(tags::STUDY_DESCRIPTION, VR::LO, "");
        after.put_text(tags::MODALITY, VR::CS, "CT");
        let masked = lines(&before, &after, false);
        assert_eq!(of(&masked, "PatientName").before, "PN, 8 characters");
        assert_eq!(of(&masked, "StudyDescription").before, "LO, 9 characters");
        assert_eq!(of(&masked, "StudyDescription").after, "empty");
        assert_eq!(of(&masked, "Modality").after, "unchanged");
        assert_eq!(of(&masked, "StudyInstanceUID").after, "-");
        let shown = lines(&before, &after, true);
        assert_eq!(of(&shown, "PatientName").before, "PN, 8 characters");
        assert_eq!(of(&shown, "StudyInstanceUID").before, "UI, 5 characters");
        assert_eq!(of(&shown, "StudyDescription").before, "Liver\u{fffd}[2J");
    }

    #[test]
    fn items_are_compared_one_by_one() {
        let data = |instance: &str| {
            let mut item = InMemDicomObject::new_empty();
            item.put_str(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, instance);
            let items = dicom_core::value::DataSetSequence::from(vec![item]);
            let mut data = Dataset::new();
            data.put(DataElement::new(tags::REFERENCED_IMAGE_SEQUENCE, VR::SQ, Value::from(items)));
            data
        };
        let lines = lines(&data("1.2.3"), &data("2.25.1"), false);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1].path, "(0008,1140)[1](0008,1155) ReferencedSOPInstanceUID");
        assert_eq!(lines[1].action, Some(Action::U));
    }
}
