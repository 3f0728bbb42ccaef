//! What each treatment makes of a value that is no sequence. In doubt, nothing is left of it.

use super::dates::{self, DateRule};
use super::dummy;
use super::text::{Cleaned, Cleaner, TextDates};
use super::uids::Uids;
use super::walk::Outcome;
use super::{Engine, pseudonym::Pseudonyms};
use crate::dicom::dataset::{Element, is_text, is_well_known};
use crate::profile::{Ground, Treatment};
use crate::standard::{Action, Annex};
use chrono::NaiveDate;
use dicom_core::header::Header;
use dicom_core::value::{PrimitiveValue, Value};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use std::cell::RefCell;

/// Treats the values of one object.
pub(super) struct Treat<'e> {
    pseudonyms: &'e Pseudonyms,
    cleaner: &'e Cleaner,
    by_rule: &'e Cleaner,
    dates: DateRule,
    days_back: u32,
    retain_uids: bool,
    uids: RefCell<Uids>,
}

impl<'e> Treat<'e> {
    pub(super) fn new(engine: &Engine<'e>, days_back: u32) -> Self {
        Treat {
            pseudonyms: engine.pseudonyms,
            cleaner: engine.cleaner,
            by_rule: engine.by_rule,
            dates: DateRule::of(engine.profile.dates().way(), days_back),
            days_back,
            retain_uids: engine.retains_uids(),
            uids: RefCell::default(),
        }
    }

    /// Which UIDs were mapped.
    pub(super) fn into_uids(self) -> Uids {
        self.uids.into_inner()
    }

    /// Treats an element. `descriptive`: it stands in a sequence that is cleaned.
    pub(super) fn value(
        &self,
        element: Element,
        treatment: &Treatment,
        ground: Ground,
        descriptive: bool,
    ) -> Outcome {
        let (tag, vr) = (element.tag(), element.vr());
        match treatment {
            Treatment::Standard(Action::X) => (Action::X, None),
            Treatment::Standard(Action::Z) => emptied(tag, vr),
            Treatment::Standard(Action::D | Action::U) => self.dummy(element),
            Treatment::Standard(Action::K) => self.keep(element, ground, descriptive),
            Treatment::Standard(Action::C) => self.clean(element, ground),
            Treatment::Replace(text) if text.is_empty() => emptied(tag, vr),
            Treatment::Replace(text) => {
                (Action::D, Some(DataElement::new(tag, vr, PrimitiveValue::from(text.as_str()))))
            }
            Treatment::Hash(n) => self.each(element, Action::D, |text| {
                (!text.is_empty()).then(|| self.pseudonyms.token(tag, text, *n))
            }),
            Treatment::ShiftDate => {
                let rule = DateRule::Back(self.days_back);
                self.each(element, Action::C, |text| rule.apply(vr, text))
            }
            Treatment::YearOnly => {
                self.each(element, Action::C, |text| DateRule::Year.apply(vr, text))
            }
            Treatment::AgeCap(years) => self.each(element, Action::C, |text| capped(text, *years)),
            Treatment::RoundTo(step) => rounded(element, *step),
            Treatment::KeepWords(words) => self.each(element, Action::C, |text| {
                let stay = |word: &&str| words.contains(&word.to_lowercase());
                let kept: Vec<&str> = text.split_whitespace().filter(stay).collect();
                Some(kept.join(" "))
            }),
            Treatment::Map(table) => self
                .each(element, Action::C, |text| table.get(&text.trim().to_lowercase()).cloned()),
        }
    }

    /// Descriptive text without what identifies.
    pub(super) fn descriptor(&self, text: &str) -> Option<String> {
        outcome(self.cleaner.descriptor(text, self.text_dates(&|day| self.moved(day))), text)
    }

    /// One value of DA, DT or TM as the profile has it.
    pub(super) fn date(&self, vr: VR, value: &str) -> Option<String> {
        self.dates.apply(vr, value)
    }

    /// The UID that stands for one of an instance; registered ones stand for themselves.
    pub(super) fn map_uid(&self, uid: &str) -> String {
        let uid = uid.trim_matches([' ', '\0']);
        let new = mapped(self.pseudonyms, self.retain_uids, uid);
        if !uid.is_empty() && !is_well_known(uid) {
            self.uids.borrow_mut().note(&new, uid);
        }
        new
    }

    /// D, and U of what is no UID: the shape without the content. A UID's dummy is its pseudonym.
    fn dummy(&self, element: Element) -> Outcome {
        let (tag, vr) = (element.tag(), element.vr());
        if vr == VR::UI {
            return self.each(element, Action::U, |uid| Some(self.map_uid(uid)));
        }
        match dummy::value(tag, vr) {
            Some(value) => (Action::D, Some(DataElement::new(tag, vr, value))),
            None => (Action::X, None),
        }
    }

    /// K: kept if it is what its VR says; known identifiers go from any text.
    fn keep(&self, element: Element, ground: Ground, descriptive: bool) -> Outcome {
        let (tag, vr) = (element.tag(), element.vr());
        match vr {
            VR::UN | VR::UR => (Action::X, None),
            // The pre-scan wrote it; a patient with the number 192 must not take it away.
            _ if tag == tags::SPECIFIC_CHARACTER_SET => (Action::K, Some(element)),
            VR::PN => emptied(tag, vr),
            VR::UI => self.keep_uid(element),
            VR::DA | VR::DT | VR::TM => {
                let rule =
                    if self.dates == DateRule::Removed { DateRule::Full } else { self.dates };
                self.each(element, Action::K, |text| rule.apply(vr, text))
            }
            VR::AS | VR::DS | VR::IS => {
                self.each(element, Action::K, |text| is_formal(vr, text).then(|| text.to_owned()))
            }
            _ if is_private(tag) && is_bulk(&element) => (Action::X, None),
            _ if !is_text(vr) => (Action::K, Some(element)),
            _ if tag == tags::CODING_SCHEME_VERSION => {
                self.each(element, Action::K, |text| self.edition(text))
            }
            _ if descriptive && !is_code(tag) => {
                self.each(element, Action::C, |text| self.descriptor(text))
            }
            _ if matches!(ground, Ground::Rule(_)) => {
                self.each(element, Action::K, |text| self.cleaned(self.by_rule, text))
            }
            _ => self.each(element, Action::K, |text| self.kept(text)),
        }
    }

    /// C: dates by the profile's rule, text without what identifies; nothing else can be cleaned.
    fn clean(&self, element: Element, ground: Ground) -> Outcome {
        let (tag, vr) = (element.tag(), element.vr());
        match vr {
            VR::DA | VR::DT | VR::TM => self.each(element, Action::C, |text| self.date(vr, text)),
            VR::UI => self.keep_uid(element),
            _ if !is_text(vr) => (Action::X, None),
            _ if is_said_by_names(ground) => self.each(element, Action::C, |text| self.kept(text)),
            _ if tag == tags::TIMEZONE_OFFSET_FROM_UTC => {
                self.each(element, Action::C, |text| is_offset(text).then(|| text.to_owned()))
            }
            _ if tag == tags::REQUESTING_SERVICE => {
                self.each(element, Action::C, |text| self.cleaner.term(text))
            }
            _ => self.each(element, Action::C, |text| self.descriptor(text)),
        }
    }

    fn keep_uid(&self, element: Element) -> Outcome {
        let mut mapped = false;
        let (_, element) = self.each(element, Action::U, |uid| {
            let new = self.map_uid(uid);
            mapped |= new != uid.trim_matches([' ', '\0']);
            Some(new)
        });
        (if mapped { Action::U } else { Action::K }, element)
    }

    /// Text that stays, without the study's known identifiers.
    pub(super) fn kept(&self, text: &str) -> Option<String> {
        self.cleaned(self.cleaner, text)
    }

    fn cleaned(&self, cleaner: &Cleaner, text: &str) -> Option<String> {
        outcome(cleaner.kept(text, self.text_dates(&|day| self.moved(day))), text)
    }

    /// The edition of a coding scheme, which may be a date of nothing that happened to anybody.
    fn edition(&self, text: &str) -> Option<String> {
        let digits = text.trim_matches([' ', '\0']);
        let day = NaiveDate::parse_from_str(digits, "%Y%m%d").ok();
        match day.is_some_and(|day| digits.len() == 8 && !self.cleaner.knows(day)) {
            true => Some(text.to_owned()),
            false => self.kept(text),
        }
    }

    fn moved(&self, day: NaiveDate) -> Option<NaiveDate> {
        dates::moved(day, self.days_back)
    }

    fn text_dates<'t>(&self, moved: &'t dyn Fn(NaiveDate) -> Option<NaiveDate>) -> TextDates<'t> {
        match self.dates {
            DateRule::Removed => TextDates::Remove,
            DateRule::Full => TextDates::Keep,
            DateRule::Back(_) => TextDates::Shift(moved),
            DateRule::Year => TextDates::Year,
        }
    }

    /// Treats each value of a text element; a value of which nothing may stay is left empty, and
    /// an element of which nothing stays is emptied.
    fn each(
        &self,
        element: Element,
        action: Action,
        mut treat: impl FnMut(&str) -> Option<String>,
    ) -> Outcome {
        let (tag, vr) = (element.tag(), element.vr());
        let Value::Primitive(value) = element.value() else { return (Action::X, None) };
        let (mut changed, mut rest) = (false, false);
        let mut one = |text: &str| {
            let doubtful = text.contains(char::REPLACEMENT_CHARACTER);
            let new = if doubtful { String::new() } else { treat(text).unwrap_or_default() };
            changed |= new != text;
            rest |= !new.is_empty();
            new
        };
        let new = match value {
            PrimitiveValue::Empty => return (action, Some(element)),
            PrimitiveValue::Str(text) if is_one_text(vr) => PrimitiveValue::Str(one(text)),
            PrimitiveValue::Str(text) => {
                PrimitiveValue::Strs(text.split('\\').map(one).collect::<Vec<_>>().into())
            }
            other => {
                let texts = other.to_multi_str();
                PrimitiveValue::Strs(texts.iter().map(|t| one(t)).collect::<Vec<_>>().into())
            }
        };
        match (changed, rest) {
            (false, _) => (action, Some(element)),
            (true, true) => (action, Some(DataElement::new(tag, vr, new))),
            (true, false) => emptied(tag, vr),
        }
    }
}

/// The UID that leaves in place of one; registered ones stand for themselves.
pub(super) fn mapped(pseudonyms: &Pseudonyms, retain_uids: bool, uid: &str) -> String {
    match uid.trim_matches([' ', '\0']) {
        "" => String::new(),
        uid if retain_uids || is_well_known(uid) => uid.to_owned(),
        uid => pseudonyms.uid(uid),
    }
}

fn is_private(tag: Tag) -> bool {
    tag.group() % 2 == 1
}

/// A private value of bytes that is long enough to be a picture: copies of the image, thumbnails and
/// raw data are on the list of safe attributes too, and nobody defaces them.
fn is_bulk(element: &Element) -> bool {
    let bytes = matches!(element.vr(), VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV);
    let short = |value: &PrimitiveValue| value.to_bytes().len() <= PRIVATE_BYTES_MAX;
    bytes && !matches!(element.value(), Value::Primitive(value) if short(value))
}

/// Bytes of the longest private value that is no picture: an affine matrix of doubles is 128.
const PRIVATE_BYTES_MAX: usize = 256;

fn emptied(tag: Tag, vr: VR) -> Outcome {
    (Action::Z, Some(DataElement::empty(tag, vr)))
}

fn outcome(cleaned: Cleaned, text: &str) -> Option<String> {
    match cleaned {
        Cleaned::Unchanged => Some(text.to_owned()),
        Cleaned::Changed(text) => Some(text),
        Cleaned::Nothing => None,
    }
}

/// Options whose C is about a name in a field of its own, not about prose.
fn is_said_by_names(ground: Ground) -> bool {
    matches!(ground, Ground::Option(Annex::RetainDeviceIdentity | Annex::RetainInstitutionIdentity))
}

/// One text, in which a backslash is a character (PS3.5 6.2).
fn is_one_text(vr: VR) -> bool {
    matches!(vr, VR::LT | VR::ST | VR::UT | VR::UR)
}

/// Code values and their schemes (PS3.3 8.8): terms of a vocabulary, not prose. The meaning is.
fn is_code(tag: Tag) -> bool {
    tag.group() == 0x0008 && (0x0100..=0x0124).contains(&tag.element()) && tag.element() != 0x0104
}

/// The repertoire of numbers and ages (PS3.5 6.2).
fn is_formal(vr: VR, text: &str) -> bool {
    let signs = if vr == VR::AS { "DWMY \0" } else { "+-.eE \0" };
    text.chars().all(|c| c.is_ascii_digit() || signs.contains(c))
}

fn is_offset(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b' '))
}

/// nnnY, nnnM, nnnW or nnnD; an age above `years` becomes `years` + 1.
fn capped(text: &str, years: u8) -> Option<String> {
    let text = text.trim();
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u32 = number.parse().ok()?;
    let per_year = match unit {
        "Y" => 1,
        "M" => 12,
        "W" => 52,
        "D" => 365,
        _ => return None,
    };
    match number / per_year > u32::from(years) {
        true => Some(format!("{:03}Y", u32::from(years) + 1)),
        false => Some(text.to_owned()),
    }
}

/// Numbers to the nearest multiple of `step`.
fn rounded(element: Element, step: f64) -> Outcome {
    let (tag, vr) = (element.tag(), element.vr());
    let numbers = match vr {
        VR::DS | VR::IS => {
            let text = element.value().to_str().unwrap_or_default();
            text.split('\\').map(|one| one.trim().parse::<f64>().ok()).collect()
        }
        _ => element.value().to_multi_float64().ok(),
    };
    let Some(numbers) = numbers else { return emptied(tag, vr) };
    let rounded = numbers.iter().map(|n| (n / step).round() * step);
    let value: PrimitiveValue = match vr {
        VR::DS | VR::IS => {
            // At most 16 characters: a multiple of a step that people write has few digits.
            let texts: Vec<String> =
                rounded.map(|n| format!("{:.6}", n)).map(|t| shortened(&t).to_owned()).collect();
            if texts.iter().any(|t| t.len() > if vr == VR::IS { 12 } else { 16 }) {
                return emptied(tag, vr);
            }
            PrimitiveValue::Strs(texts.into())
        }
        VR::FL => PrimitiveValue::F32(rounded.map(|n| n as f32).collect()),
        VR::FD => PrimitiveValue::F64(rounded.collect()),
        VR::US => PrimitiveValue::U16(rounded.map(|n| n as u16).collect()),
        VR::UL => PrimitiveValue::U32(rounded.map(|n| n as u32).collect()),
        VR::SS => PrimitiveValue::I16(rounded.map(|n| n as i16).collect()),
        VR::SL => PrimitiveValue::I32(rounded.map(|n| n as i32).collect()),
        _ => return emptied(tag, vr),
    };
    (Action::C, Some(DataElement::new(tag, vr, value)))
}

fn shortened(decimal: &str) -> &str {
    decimal.trim_end_matches('0').trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_capped() {
        for (age, wanted) in [
            ("045Y", Some("045Y")),
            ("089Y", Some("089Y")),
            ("090Y", Some("090Y")),
            ("103Y", Some("090Y")),
            ("999M", Some("999M")),
            ("018M ", Some("018M")),
            ("old", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(capped(age, 89).as_deref(), wanted, "{age}");
        }
    }

    #[test]
    fn numbers_are_rounded_in_their_vr() {
        let tag = Tag(0x0010, 0x1030);
        let of = |vr, value: PrimitiveValue, step| {
            let element = rounded(DataElement::new(tag, vr, value), step).1.unwrap();
            element.value().to_str().unwrap().into_owned()
        };
        assert_eq!(of(VR::DS, "72.4".into(), 5.0), "70");
        assert_eq!(of(VR::DS, "1.76\\0.04".into(), 0.1), "1.8\\0");
        assert_eq!(of(VR::US, PrimitiveValue::from(13_u16), 10.0), "10");
        assert_eq!(of(VR::DS, "heavy".into(), 5.0), "");
    }
}
