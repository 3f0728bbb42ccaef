//! How a patient is called, by data sets and by people, and what of it may be kept: keyed hashes.
#![allow(clippy::disallowed_methods)] // here numbers of patients become hashes

use crate::dicom::dataset::Dataset;
use crate::key::Key;
use crate::phi::Phi;
use data_encoding::HEXLOWER;
use dicom_core::Tag;
use dicom_core::value::Value;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;

/// How a study, or somebody who objects, calls a patient: numbers, each with whoever gave it out.
#[derive(Default)]
pub struct Called {
    /// Issuer and number; an empty issuer is one that nobody named.
    names: Vec<(Phi<String>, Phi<String>)>,
    /// Instances were seen of which one has no Patient ID (0010,0020).
    lacks_number: bool,
}

/// Other Patient IDs: retired, and still written.
const OTHER_PATIENT_IDS: Tag = Tag(0x0010, 0x1000);

/// The same as keyed hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patient {
    names: BTreeSet<String>,
    is_known: bool,
}

impl Called {
    /// Reads a source: Patient ID (0010,0020) and Issuer of Patient ID (0010,0021) at every depth, the issuer's other
    /// name (0010,0024), and Other Patient IDs (0010,1000), (0010,1002).
    pub fn of(source: &Dataset) -> Self {
        let mut called = Called::default();
        called.read(source.object());
        let numbers = values(source.object(), tags::PATIENT_ID);
        called.lacks_number = numbers.iter().all(|number| spelled_number(number).is_empty());
        called
    }

    /// What a person says; an empty issuer stands for every one.
    pub fn said(issuer: &str, number: &str) -> Self {
        let mut called = Called::default();
        called.add(&[issuer.to_owned()], number);
        called.lacks_number = called.names.is_empty();
        called
    }

    /// Whether there is a number at all.
    pub fn has_number(&self) -> bool {
        !self.names.is_empty()
    }

    /// Adds how another instance of the same study calls the patient.
    pub fn merge(&mut self, other: Called) {
        self.names.extend(other.names);
        self.lacks_number |= other.lacks_number;
    }

    /// The hashes under a key.
    pub fn hashed(&self, key: &Key) -> Patient {
        let names = self.names.iter().map(|(issuer, number)| {
            let (issuer, number) = (issuer.expose(), number.expose());
            let tag = |parts: &[&[u8]]| HEXLOWER.encode(&key.tag(parts)[..16]);
            let hash = tag(&[b"number", number.as_bytes()]);
            match issuer.is_empty() {
                true => hash,
                false => {
                    let issued = tag(&[b"issued", issuer.as_bytes(), number.as_bytes()]);
                    format!("{hash}.{issued}")
                }
            }
        });
        Patient { names: names.collect(), is_known: !self.lacks_number && !self.names.is_empty() }
    }

    /// A short name for what a person said, by which it is spoken of: 80 keyed bits.
    pub fn reference(&self, key: &Key) -> String {
        let hashed = self.hashed(key);
        let names = hashed.names.iter().map(|name| name.as_bytes());
        let parts: Vec<&[u8]> = std::iter::once(&b"reference"[..]).chain(names).collect();
        data_encoding::BASE32HEX_NOPAD.encode(&key.tag(&parts)[..10]).to_lowercase()
    }

    fn read(&mut self, object: &InMemDicomObject) {
        let mut issuers = values(object, tags::ISSUER_OF_PATIENT_ID);
        for item in items(object, tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE) {
            issuers.extend(values(item, tags::UNIVERSAL_ENTITY_ID));
        }
        for number in values(object, tags::PATIENT_ID) {
            self.add(&issuers, &number);
        }
        // Who gave these out is not said.
        for number in values(object, OTHER_PATIENT_IDS) {
            self.add(&[], &number);
        }
        for element in object {
            if let Value::Sequence(sequence) = element.value() {
                sequence.items().iter().for_each(|item| self.read(item));
            }
        }
    }

    fn add(&mut self, issuers: &[String], number: &str) {
        // What follows a number is a check digit; what follows the name of an issuer is its other name.
        let numbers = forms(number, 1).into_iter().map(|form| spelled_number(&form));
        let issuers = issuers.iter().flat_map(|issuer| forms(issuer, 2)).map(|form| spelled(&form));
        let mut issuers: BTreeSet<String> = issuers.filter(|issuer| !issuer.is_empty()).collect();
        if issuers.is_empty() {
            issuers.insert(String::new());
        }
        for number in numbers.filter(|number| !number.is_empty()) {
            let named = issuers.iter().map(|i| (Phi::new(i.clone()), Phi::new(number.clone())));
            self.names.extend(named);
        }
    }
}

impl Patient {
    /// Whether somebody who is called so has a number at all.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// Hashes of the numbers, by which others who may be meant are found.
    pub fn numbers(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| number_of(name))
    }

    /// Whether both may be one person: the same number, and no two issuers that differ.
    pub fn may_be(&self, other: &Patient) -> bool {
        self.names.iter().any(|one| other.names.iter().any(|two| is_one(one, two)))
    }

    /// The names as they stand in a record.
    pub fn to_texts(&self) -> Vec<String> {
        self.names.iter().cloned().collect()
    }

    /// Reads what [`Patient::to_texts`] wrote.
    pub fn from_texts(names: &[String]) -> Self {
        Patient { names: names.iter().cloned().collect(), is_known: !names.is_empty() }
    }
}

fn number_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn is_one(one: &str, two: &str) -> bool {
    let issued = |name: &str| name.split_once('.').map(|(_, issued)| issued.to_owned());
    let issuers_differ = matches!((issued(one), issued(two)), (Some(a), Some(b)) if a != b);
    number_of(one) == number_of(two) && !issuers_differ
}

/// A value as it is, and its first parts where somebody has put all of an HL7 CX or HD into one element.
fn forms(value: &str, parts: usize) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    if value.contains(['^', '&']) {
        forms.extend(value.split(['^', '&']).take(parts).map(str::to_owned));
    }
    forms
}

/// Letters and digits, in one case and width.
fn spelled(text: &str) -> String {
    text.nfkc().flat_map(char::to_uppercase).filter(|c| c.is_alphanumeric()).collect()
}

/// The same without the zeros in front, of which one stays where there is nothing else.
fn spelled_number(text: &str) -> String {
    let spelled = spelled(text);
    let rest = spelled.trim_start_matches('0');
    if rest.is_empty() && !spelled.is_empty() { "0".to_owned() } else { rest.to_owned() }
}

fn values(object: &InMemDicomObject, tag: Tag) -> Vec<String> {
    let Some(Value::Primitive(value)) = object.get(tag).map(|element| element.value()) else {
        return Vec::new();
    };
    let values = value.to_multi_str();
    values.iter().flat_map(|text| text.split('\\')).map(str::to_owned).collect()
}

fn items(object: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
    object.get(tag).and_then(|element| element.items()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Purpose, RootKey};
    use dicom_core::value::DataSetSequence;
    use dicom_core::{DataElement, VR};

    fn key() -> Key {
        RootKey::of_patient(&[7; 32], "A1").derive("", Purpose::Objection)
    }

    fn said(issuer: &str, number: &str) -> Patient {
        Called::said(issuer, number).hashed(&key())
    }

    fn source(texts: &[(Tag, &str)]) -> Dataset {
        let mut source = Dataset::new();
        texts.iter().for_each(|(tag, text)| source.put_text(*tag, VR::LO, *text));
        source
    }

    fn stands(texts: &[(Tag, &str)]) -> Patient {
        Called::of(&source(texts)).hashed(&key())
    }

    const ID: Tag = tags::PATIENT_ID;
    const ISSUER: Tag = tags::ISSUER_OF_PATIENT_ID;

    #[test]
    fn case_separators_padding_and_leading_zeros_make_no_other_number() {
        let objects = said("", "0012-34 ab");
        for same in ["1234AB", "001234AB ", "12.34.ab", "１２３４ab", "00012 34 AB\0"] {
            assert!(objects.may_be(&stands(&[(ID, same)])), "{same}");
        }
        for other in ["12340AB", "1234", "234AB", "1234ABC"] {
            assert!(!objects.may_be(&stands(&[(ID, other)])), "{other}");
        }
        assert!(said("", "000").may_be(&stands(&[(ID, "0")])));
    }

    #[test]
    fn an_issuer_that_nobody_named_is_every_issuer() {
        let here = stands(&[(ID, "4711"), (ISSUER, "St Vitus")]);
        let anywhere = stands(&[(ID, "4711")]);
        for (objects, hits_here) in [("", true), ("ST-VITUS", true), ("other", false)] {
            let objects = said(objects, "4711");
            assert_eq!(objects.may_be(&here), hits_here);
            assert!(objects.may_be(&anywhere));
        }
        let whole = stands(&[(ID, "4711^^^St Vitus&1.2.3&ISO")]);
        assert!(said("", "4711").may_be(&whole));
        let issuer = stands(&[(ID, "4711"), (ISSUER, "St Vitus^1.2.3^ISO")]);
        assert!(said("st vitus", "4711").may_be(&issuer));
        assert!(said("1.2.3", "4711").may_be(&issuer));
    }

    #[test]
    fn other_numbers_count_at_every_depth() {
        let mut other = source(&[(ID, "1"), (OTHER_PATIENT_IDS, "22\\33")]);
        let mut item = InMemDicomObject::new_empty();
        item.put(DataElement::new(ID, VR::LO, "44"));
        item.put(DataElement::new(ISSUER, VR::LO, "elsewhere"));
        let sequence = DataSetSequence::from(vec![item]);
        other.put(DataElement::new(tags::OTHER_PATIENT_I_DS_SEQUENCE, VR::SQ, sequence));
        let patient = Called::of(&other).hashed(&key());
        for number in ["1", "22", "33", "44"] {
            assert!(said("", number).may_be(&patient), "{number}");
        }
        assert!(said("Elsewhere", "44").may_be(&patient));
        assert!(!said("here", "44").may_be(&patient));
        assert!(said("here", "22").may_be(&patient), "nobody said who gave it out");
    }

    #[test]
    fn a_study_is_known_by_all_its_names_and_unknown_if_one_instance_has_no_number() {
        assert!(stands(&[(ID, "1")]).is_known());
        for empty in ["", "  ", "--"] {
            assert!(!stands(&[(ID, empty)]).is_known(), "{empty:?}");
        }
        assert!(!stands(&[(OTHER_PATIENT_IDS, "22")]).is_known());
        let mut study = Called::of(&source(&[(ID, "1")]));
        study.merge(Called::of(&source(&[(ID, "2")])));
        assert!(study.hashed(&key()).is_known() && said("", "2").may_be(&study.hashed(&key())));
        study.merge(Called::of(&Dataset::new()));
        assert!(!study.hashed(&key()).is_known());
    }

    #[test]
    fn a_reference_is_stable_and_tells_nothing() {
        let reference = |issuer, number| Called::said(issuer, number).reference(&key());
        assert_eq!(reference("", "MRN-1"), reference("", "mrn 1"));
        assert_ne!(reference("", "MRN-1"), reference("A", "MRN-1"));
        assert_eq!(reference("", "1").len(), 16);
        let texts = said("A", "1").to_texts();
        assert!(Patient::from_texts(&texts).may_be(&said("", "1")));
    }
}
