//! Pseudonyms: keyed, the same for the same person in one project, unlinkable across projects.

use crate::crockford::CROCKFORD;
use crate::key::{Key, Purpose, RootKey};
use dicom_core::Tag;
use std::ops::RangeInclusive;
use unicode_normalization::UnicodeNormalization;

/// By how many days the dates of a patient can be moved back: ten years of possibilities, and none so
/// short that a date of one stay in hospital becomes another date of it.
pub const DAYS_BACK: RangeInclusive<u32> = 30..=3679;

/// What maps the identifiers of one project.
pub struct Pseudonyms {
    patient: Key,
    accession: Key,
    uid: Key,
    date: Key,
    token: Key,
    generation: String,
}

impl Pseudonyms {
    /// The keys of `project` under this root.
    pub fn new(root: &RootKey, project: &str) -> Self {
        Pseudonyms {
            patient: root.derive(project, Purpose::PatientId),
            accession: root.derive(project, Purpose::Accession),
            uid: root.derive(project, Purpose::Uid),
            date: root.derive(project, Purpose::Date),
            token: root.derive(project, Purpose::Token),
            generation: root.generation().to_owned(),
        }
    }

    /// The generation of the keys.
    pub fn generation(&self) -> &str {
        &self.generation
    }

    /// The pseudonym of a patient: generation, then 80 bits in Crockford's base 32; 18 characters (LO 64).
    ///
    /// The issuer is part of the identity: two sites may have given out the same number.
    pub fn patient(&self, issuer: &str, id: &str) -> String {
        let tag =
            self.patient.tag(&[b"patient", canonical(issuer).as_bytes(), canonical(id).as_bytes()]);
        format!("{}{}", self.generation, CROCKFORD.encode(&tag[..10]))
    }

    /// The pseudonym of somebody without a Patient ID: the study stands for the person.
    pub fn patient_of_study(&self, study: &str) -> String {
        let tag = self.patient.tag(&[b"study", study.as_bytes()]);
        format!("{}{}", self.generation, CROCKFORD.encode(&tag[..10]))
    }

    /// The pseudonym of an accession number: 80 bits, 16 characters (SH 16).
    pub fn accession(&self, issuer: &str, number: &str) -> String {
        let tag = self.accession.tag(&[canonical(issuer).as_bytes(), canonical(number).as_bytes()]);
        CROCKFORD.encode(&tag[..10])
    }

    /// By how many days a patient's dates are moved back, within [`DAYS_BACK`].
    pub fn days_back(&self, issuer: &str, id: &str) -> u32 {
        let tag = self.date.tag(&[canonical(issuer).as_bytes(), canonical(id).as_bytes()]);
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&tag[..8]);
        // 64 bits over 3650: no day is likelier than another by more than 2^-52.
        let days = u64::from(DAYS_BACK.end() - DAYS_BACK.start() + 1);
        DAYS_BACK.start() + (u64::from_be_bytes(bytes) % days) as u32
    }

    /// A keyed hash of an element's value: `characters` (at most 16) of Crockford's base 32.
    pub fn token(&self, tag: Tag, value: &str, characters: u8) -> String {
        let Tag(group, element) = tag;
        let place = [group.to_be_bytes(), element.to_be_bytes()].concat();
        let tag = self.token.tag(&[&place, canonical(value).as_bytes()]);
        let mut token = CROCKFORD.encode(&tag[..10]);
        token.truncate(characters.into());
        token
    }

    /// The UID that stands for `uid`: `2.25.` and a UUIDv8 (RFC 9562 5.8) made of 122 keyed bits.
    ///
    /// Same in, same out, so references resolve, also those of instances that come later.
    pub fn uid(&self, uid: &str) -> String {
        let tag = self.uid.tag(&[uid.as_bytes()]);
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&tag[..16]);
        uuid[6] = uuid[6] & 0x0f | 0x80;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        format!("2.25.{}", u128::from_be_bytes(uuid))
    }
}

/// One spelling for one identifier: NFC, upper case, no outer space.
pub fn canonical(text: &str) -> String {
    text.trim_matches([' ', '\0']).nfc().flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Uid;

    fn pseudonyms(project: &str) -> Pseudonyms {
        static ROOT: std::sync::LazyLock<RootKey> =
            std::sync::LazyLock::new(|| RootKey::generate().unwrap());
        Pseudonyms::new(&ROOT, project)
    }

    #[test]
    fn one_person_has_one_pseudonym_per_project() {
        let lab = pseudonyms("lab");
        let id = lab.patient("SITE", "mrn-0815");
        assert_eq!(id, lab.patient(" site", "MRN-0815 "));
        assert_ne!(id, lab.patient("OTHER", "mrn-0815"));
        assert_ne!(id, pseudonyms("clinic").patient("SITE", "mrn-0815"));
        assert_eq!((id.len(), &id[..2]), (18, "A1"));
        assert_ne!(lab.patient_of_study("1.2.3"), lab.patient("", "1.2.3"));
        assert_eq!(lab.accession("", "A-1").len(), 16);
    }

    #[test]
    fn uids_are_legal_and_stable() {
        let lab = pseudonyms("lab");
        for n in 0..2000 {
            let uid = lab.uid(&format!("1.2.3.{n}"));
            assert!(uid.len() <= 44 && uid.parse::<Uid>().is_ok());
            assert_eq!(uid, lab.uid(&format!("1.2.3.{n}")));
        }
    }
}
