//! The `rules:` of a profile: what each is about, what it does, and whether it may.

use super::raw::{RawPrivate, RawRule, RawWhen};
use super::{BECAUSE_MIN, Reader};
use crate::dicom::dataset::is_text;
use crate::profile::{
    ALWAYS_PSEUDONYMIZED, About, Dates, INDISPENSABLE, ObjectKind, Profile, Rule, Subject,
    Treatment, When,
};
use crate::standard::{self, Action};
use crate::yaml::suggestion;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use serde_yaml::Spanned;
use std::collections::{BTreeMap, BTreeSet};

impl Reader {
    pub(super) fn rules(&mut self, raw: &[Spanned<RawRule>], base: &Profile) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        for place in raw {
            let RawRule { because, when, .. } = &place.value;
            let Some((about, vr)) = self.about(place) else { continue };
            let Some(treatment) = self.treatment(place, vr) else { continue };
            let when = self.when(when);
            if matches!(treatment, Treatment::ShiftDate | Treatment::YearOnly) && is_birth(&about) {
                let what = "the date of birth never leaves, in no form: keep PatientAge instead";
                self.notes.at(place, what);
            }
            if let Some(earlier) = rules.iter().find(|r| r.when.always() && r.about.covers(&about))
            {
                let what = format!("the rule in line {} decides already", earlier.line);
                self.notes.at(place, what);
            }
            let weaker = treatment.retains() && is_weaker(&about, &treatment, vr, base);
            if weaker && matches!(about, About::Representation(_)) {
                self.notes.at(place, "a rule for every element of a VR can only be stricter");
            }
            let because = because.as_ref().map(|b| b.value.trim().to_owned());
            if weaker && because.as_ref().is_none_or(|b| b.len() < BECAUSE_MIN) {
                let what = "this keeps what the base removes: say because: \"...\"";
                self.notes.at(place, what);
            }
            let line = place.referenced.line();
            rules.push(Rule { about, when, treatment, because, line });
        }
        self.one_date_way(&rules, raw, base);
        if rules.len() > usize::from(u16::MAX) {
            self.notes.say("a profile has at most 65535 rules");
        }
        rules
    }

    /// Dates leave in one form only ([`crate::profile::DateWay`]).
    fn one_date_way(&mut self, rules: &[Rule], raw: &[Spanned<RawRule>], base: &Profile) {
        let mut way = match base.dates() {
            Dates::Removed => None,
            // Whatever form a rule gives to some, the true dates are allowed.
            Dates::Full => return,
            Dates::Shifted => Some(Treatment::ShiftDate),
            Dates::Years { .. } => Some(Treatment::YearOnly),
        };
        for rule in rules {
            if !matches!(rule.treatment, Treatment::ShiftDate | Treatment::YearOnly) {
                continue;
            }
            let other = way.get_or_insert_with(|| rule.treatment.clone());
            let place = raw.iter().find(|place| place.referenced.line() == rule.line);
            if let (true, Some(place)) = (*other != rule.treatment, place) {
                self.notes.at(place, "other dates leave in another form: shift all, or cut all");
            }
        }
    }

    /// The elements that a rule is about, and their VR where there is only one.
    fn about(&mut self, rule: &Spanned<RawRule>) -> Option<(About, Option<VR>)> {
        let RawRule { keyword, tag, vr, private, .. } = &rule.value;
        match (keyword, tag, vr, private) {
            (Some(keyword), None, None, None) => self.by_keyword(keyword),
            (None, Some(tag), None, None) => self.by_tag(tag),
            (None, None, Some(vr), None) => self.by_representation(vr),
            (None, None, None, Some(private)) => self.by_creator(private),
            _ => {
                self.notes.at(rule, "a rule has exactly one of keyword:, tag:, vr:, private:");
                None
            }
        }
    }

    fn by_keyword(&mut self, keyword: &Spanned<String>) -> Option<(About, Option<VR>)> {
        match StandardDataDictionary.by_name(&keyword.value) {
            Some(entry) => self.one(keyword, entry.tag()),
            None => {
                let hint = suggestion(&keyword.value, standard::listed_keywords());
                let what = format!("the standard has no element {:?}{hint}", keyword.value);
                self.notes.at(keyword, what);
                None
            }
        }
    }

    fn by_tag(&mut self, place: &Spanned<String>) -> Option<(About, Option<VR>)> {
        let Some((tag, mask)) = pattern(&place.value) else {
            self.notes.at(place, "a tag is written \"(gggg,eeee)\", with x for any digit");
            return None;
        };
        let first = Tag((tag >> 16) as u16, tag as u16);
        if mask == u32::MAX {
            return self.one(place, first);
        }
        let even = mask & 0x0001_0000 != 0 && tag & 0x0001_0000 == 0;
        if !even || mask & 0xFFF0_0000 != 0xFFF0_0000 || first.group() < 8 {
            let what =
                "a pattern is about one even group from 0008 on; for private groups use private:";
            self.notes.at(place, what);
            return None;
        }
        Some((About::Standard { tag, mask }, None))
    }

    fn one<T>(&mut self, place: &Spanned<T>, tag: Tag) -> Option<(About, Option<VR>)> {
        let what = if tag.group() % 2 == 1 {
            Some("private elements are named by private: { creator, tag }")
        } else if standard::is_repeating_group(tag) || tag.group() < 8 {
            Some("curve, overlay and file meta groups are never kept")
        } else if ALWAYS_PSEUDONYMIZED.contains(&tag) {
            Some("this element is always pseudonymized; no rule is needed")
        } else if INDISPENSABLE.contains(&tag) {
            Some("without this element an object is none; UIDs are mapped, or kept by Retain UIDs")
        } else {
            None
        };
        if let Some(what) = what {
            self.notes.at(place, what);
            return None;
        }
        let Some(entry) = StandardDataDictionary.by_tag(tag) else {
            self.notes.at(place, "the standard has no such element");
            return None;
        };
        let vr = entry.vr().relaxed();
        let tag = u32::from(tag.group()) << 16 | u32::from(tag.element());
        Some((About::Standard { tag, mask: u32::MAX }, Some(vr)))
    }

    fn by_representation(&mut self, place: &Spanned<String>) -> Option<(About, Option<VR>)> {
        match place.value.parse::<VR>() {
            Ok(vr) => Some((About::Representation(vr), Some(vr))),
            Err(_) => {
                self.notes.at(place, "no such VR (PS3.5 6.2)");
                None
            }
        }
    }

    fn by_creator(&mut self, raw: &RawPrivate) -> Option<(About, Option<VR>)> {
        let creator = raw.creator.value.trim();
        if creator.is_empty() || creator.len() > 64 {
            self.notes.at(&raw.creator, "a Private Creator has 1 to 64 characters");
            return None;
        }
        let wanted = pattern(&raw.tag.value).filter(|(tag, _)| tag & 0x0001_0000 != 0);
        let low = match wanted {
            Some((tag, 0xFFFF_00FF)) => Some(tag as u8),
            Some((_, 0xFFFF_0000)) => None,
            _ => {
                let what =
                    "write the odd group and the low byte, \"(0019,xx0C)\", or \"(0019,xxxx)\"";
                self.notes.at(&raw.tag, what);
                return None;
            }
        };
        let group = wanted.map(|(tag, _)| (tag >> 16) as u16).unwrap_or_default();
        Some((About::Private { creator: creator.to_owned(), group, low }, None))
    }

    fn when(&mut self, raw: &RawWhen) -> When {
        for modality in &raw.modality {
            let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
            if modality.value.is_empty() || !modality.value.bytes().all(legal) {
                self.notes.at(modality, "a modality is written like CT (PS3.3 C.7.3.1.1.1)");
            }
        }
        When {
            sop_classes: self.sop_classes(&raw.sop_class),
            modalities: raw.modality.iter().map(|m| m.value.clone()).collect(),
        }
    }

    /// What a rule does, if the VR can have it done. `vr` is `None` for patterns and private
    /// elements: what does not fit an element there empties it.
    fn treatment(&mut self, rule: &Spanned<RawRule>, vr: Option<VR>) -> Option<Treatment> {
        let raw = &rule.value;
        let said = [
            raw.action.is_some(),
            raw.replace.is_some(),
            raw.hash.is_some(),
            raw.date.is_some(),
            raw.age_cap.is_some(),
            raw.round_to.is_some(),
            raw.keep_words.is_some(),
            raw.map.is_some(),
        ];
        if said.iter().filter(|said| **said).count() != 1 {
            let what = "a rule has exactly one of action:, replace:, hash:, date:, age_cap:, round_to:, keep_words:, map:";
            self.notes.at(rule, what);
            return None;
        }
        let checked = None
            .or_else(|| raw.action.as_ref().map(|a| action(&a.value, vr)))
            .or_else(|| raw.replace.as_ref().map(|text| replace(&text.value, vr)))
            .or_else(|| raw.hash.as_ref().map(|n| hash(n.value, vr)))
            .or_else(|| raw.date.as_ref().map(|way| date(&way.value, vr)))
            .or_else(|| raw.age_cap.as_ref().map(|years| age_cap(years.value, vr)))
            .or_else(|| raw.round_to.as_ref().map(|step| round_to(step.value, vr)))
            .or_else(|| raw.keep_words.as_ref().map(|words| keep_words(&words.value, vr)))
            .or_else(|| raw.map.as_ref().map(|table| map(&table.value, vr)))?;
        checked.map_err(|what| self.notes.at(rule, what)).ok()
    }
}

type Checked = Result<Treatment, String>;

fn action(letter: &str, vr: Option<VR>) -> Checked {
    let found =
        Action::ALL.into_iter().find(|a| letter.len() == 1 && letter.starts_with(a.letter()));
    let action = found.ok_or("an action is one of X, Z, D, U, K, C (PS3.15 E.1-1a)")?;
    match (action, vr) {
        (Action::U, Some(vr)) if !matches!(vr, VR::UI | VR::SQ) => {
            Err(format!("U maps UIDs; this element is {vr}"))
        }
        (Action::K, Some(vr @ (VR::PN | VR::DA | VR::DT | VR::TM))) => Err(format!(
            "{vr} cannot be kept: names never leave, and dates and times leave in full by the option {}",
            standard::Annex::RetainFullDates
        )),
        (Action::K, Some(VR::UI)) => Err(format!(
            "UIDs are mapped all together or kept all together, by the option {}",
            standard::Annex::RetainUids
        )),
        (Action::K, Some(vr @ (VR::UR | VR::UN))) => Err(format!("{vr} is never kept")),
        (Action::C, Some(vr)) if !(is_text(vr) || is_date(vr) || vr == VR::SQ) => {
            Err(format!("there is no way to clean {vr}"))
        }
        _ => Ok(Treatment::Standard(action)),
    }
}

fn replace(text: &str, vr: Option<VR>) -> Checked {
    let longest = match vr {
        Some(VR::AE | VR::CS | VR::SH | VR::DS) => 16,
        Some(VR::IS) => 12,
        Some(VR::AS) => 4,
        Some(VR::DA) => 8,
        Some(VR::TM) => 14,
        Some(VR::DT) => 26,
        Some(VR::LO | VR::PN) => 64,
        Some(VR::ST) => 1024,
        Some(VR::LT | VR::UT | VR::UC) => 10240,
        Some(vr) => return Err(format!("{vr} has no text that could be replaced")),
        None => 16,
    };
    let legal = |c: char| match vr {
        Some(VR::CS) => c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, ' ' | '_'),
        Some(VR::DS | VR::IS) => c.is_ascii_digit() || "+-.eE".contains(c),
        Some(VR::DA | VR::TM | VR::DT) => c.is_ascii_digit() || "+-.".contains(c),
        Some(VR::AS) => c.is_ascii_digit() || "DWMY".contains(c),
        None => c.is_ascii_graphic() && c != '\\' || c == ' ',
        _ => !c.is_control() && c != '\\',
    };
    if text.chars().count() > longest || !text.chars().all(legal) {
        return Err(format!(
            "not a value that this element may have (at most {longest} characters)"
        ));
    }
    Ok(Treatment::Replace(text.to_owned()))
}

fn hash(characters: u8, vr: Option<VR>) -> Checked {
    match vr {
        Some(vr) if !(is_text(vr) || vr == VR::PN) => Err(format!("{vr} cannot hold a hash")),
        _ if !(6..=16).contains(&characters) => Err("a hash has 6 to 16 characters".to_owned()),
        _ => Ok(Treatment::Hash(characters)),
    }
}

fn date(way: &str, vr: Option<VR>) -> Checked {
    if !vr.is_none_or(|vr| matches!(vr, VR::DA | VR::DT)) {
        return Err("only DA and DT hold dates".to_owned());
    }
    match way {
        "shift" => Ok(Treatment::ShiftDate),
        "year" => Ok(Treatment::YearOnly),
        _ => Err("date: is shift or year".to_owned()),
    }
}

fn age_cap(years: u8, vr: Option<VR>) -> Checked {
    match vr.is_none_or(|vr| vr == VR::AS) && (1..=120).contains(&years) {
        true => Ok(Treatment::AgeCap(years)),
        false => Err("age_cap: caps ages (VR AS) at 1 to 120 years".to_owned()),
    }
}

fn round_to(step: f64, vr: Option<VR>) -> Checked {
    let number =
        |vr| matches!(vr, VR::DS | VR::IS | VR::FL | VR::FD | VR::US | VR::UL | VR::SS | VR::SL);
    match vr.is_none_or(number) && step.is_finite() && step > 0.0 {
        true => Ok(Treatment::RoundTo(step)),
        false => Err("round_to: rounds numbers to multiples of a positive number".to_owned()),
    }
}

fn keep_words(words: &[String], vr: Option<VR>) -> Checked {
    if !vr.is_none_or(is_text) {
        return Err("keep_words: is for text".to_owned());
    }
    let words: BTreeSet<String> = words.iter().map(|w| w.trim().to_lowercase()).collect();
    match words.iter().any(|word| word.is_empty() || word.contains(char::is_whitespace)) {
        true => Err("keep_words: lists single words".to_owned()),
        false => Ok(Treatment::KeepWords(words)),
    }
}

fn map(table: &BTreeMap<String, String>, vr: Option<VR>) -> Checked {
    if !vr.is_none_or(is_text) {
        return Err("map: is for text".to_owned());
    }
    for value in table.values() {
        replace(value, vr)?;
    }
    let lower = |text: &String| text.trim().to_lowercase();
    Ok(Treatment::Map(table.iter().map(|(from, to)| (lower(from), to.clone())).collect()))
}

fn is_date(vr: VR) -> bool {
    matches!(vr, VR::DA | VR::DT | VR::TM)
}

fn is_birth(about: &About) -> bool {
    [tags::PATIENT_BIRTH_DATE, tags::PATIENT_BIRTH_TIME].into_iter().any(|Tag(group, element)| {
        let tag = u32::from(group) << 16 | u32::from(element);
        about.covers(&About::Standard { tag, mask: u32::MAX })
    })
}

/// Whether something stays that would not stay without the rule.
fn is_weaker(about: &About, treatment: &Treatment, vr: Option<VR>, base: &Profile) -> bool {
    let (About::Standard { tag, mask: u32::MAX }, Some(vr)) = (about, vr) else {
        return true;
    };
    let object = ObjectKind { sop_class: "", modality: "" };
    let tag = Tag((tag >> 16) as u16, *tag as u16);
    let subject = Subject { tag, vr, top_level: true, creator: None };
    let without = base.decide(&object, &subject).treatment;
    match (without, treatment) {
        (Treatment::Standard(Action::K), _) => false,
        (Treatment::Standard(Action::C | Action::U), Treatment::Standard(Action::K)) => true,
        (without, _) => !without.retains(),
    }
}

/// `(gggg,eeee)` with x for any digit: the tag, and ones where it counts.
fn pattern(text: &str) -> Option<(u32, u32)> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    let (group, element) = inner.split_once(',')?;
    let digits: Vec<char> = group.trim().chars().chain(element.trim().chars()).collect();
    if group.trim().len() != 4 || digits.len() != 8 {
        return None;
    }
    let (mut tag, mut mask) = (0, 0);
    for digit in digits {
        let (value, counts) = match digit {
            'x' | 'X' => (0, 0),
            digit => (digit.to_digit(16)?, 0xF),
        };
        (tag, mask) = (tag << 4 | value, mask << 4 | counts);
    }
    Some((tag, mask))
}
