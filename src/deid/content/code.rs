//! Coded entries (PS3.3 8.8): which concept they mean, and what of them may leave.

use super::Hands;
use super::form::sequence;
use crate::deid::dummy;
use crate::dicom::dataset::{Element, text_of};
use dicom_core::header::Header;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// A code value and its Coding Scheme Designator.
pub(super) struct Concept {
    pub code: String,
    pub scheme: String,
}

/// The concept of a Concept Name Code Sequence, and those that it says are equivalent (0008,0121).
///
/// Empty when the sequence is. `None`: it names several concepts, or none that can be read.
pub(super) fn concepts(name: &Element) -> Option<Vec<Concept>> {
    match name.items()? {
        [] => Some(Vec::new()),
        [entry] => {
            let equivalent = entry.get(tags::EQUIVALENT_CODE_SEQUENCE).and_then(Element::items);
            let equivalent = equivalent.unwrap_or_default().iter().filter_map(concept);
            Some(concept(entry).into_iter().chain(equivalent).collect())
                .filter(|c: &Vec<_>| !c.is_empty())
        }
        _ => None,
    }
}

fn concept(entry: &InMemDicomObject) -> Option<Concept> {
    let text = |tag| entry.get(tag).and_then(text_of);
    let code = CODE_VALUES.into_iter().find_map(text)?;
    Some(Concept { code, scheme: text(tags::CODING_SCHEME_DESIGNATOR).unwrap_or_default() })
}

/// A code sequence as it may leave: by the profile, and codes of private schemes only as far as
/// their words may stay. `None`: it may not.
pub(super) fn clean(codes: Element, hands: &mut impl Hands) -> Option<Element> {
    let tag = codes.tag();
    let entries = codes.into_value().into_items()?.into_iter();
    let entries: Option<Vec<_>> = entries.map(|entry| clean_entry(entry, hands)).collect();
    let cleaned = hands.element(Element::new(tag, VR::SQ, sequence(entries?)))?;
    let entries = cleaned.items()?;
    let stays = |entry| concept(entry).is_some_and(|concept| concept.code != dummy::WORD);
    (!entries.is_empty() && entries.iter().all(stays)).then_some(cleaned)
}

/// Anybody may put anything into a code of a private scheme. Its meaning is text like any other; a
/// code that cleaning would change is no code any more.
fn clean_entry(mut entry: InMemDicomObject, hands: &mut impl Hands) -> Option<InMemDicomObject> {
    if let Some(equivalent) = entry.take(tags::EQUIVALENT_CODE_SEQUENCE) {
        let equivalent = equivalent.into_value().into_items().unwrap_or_default().into_iter();
        let clean: Vec<_> = equivalent.filter_map(|e| clean_entry(e, hands)).collect();
        if !clean.is_empty() {
            entry.put(Element::new(tags::EQUIVALENT_CODE_SEQUENCE, VR::SQ, sequence(clean)));
        }
    }
    let text = |entry: &InMemDicomObject, tag| entry.get(tag).and_then(text_of);
    let scheme = text(&entry, tags::CODING_SCHEME_DESIGNATOR).unwrap_or_default();
    if SCHEMES.split_whitespace().any(|known| known == scheme) {
        return Some(entry);
    }
    for tag in CODE_VALUES.into_iter().chain([tags::CODING_SCHEME_DESIGNATOR]) {
        let Some(element) = entry.take(tag) else { continue };
        if let Some(code) = text_of(&element) {
            if hands.kept_text(&code)? != code {
                return None;
            }
            entry.put_str(tag, element.vr(), code);
        }
    }
    if let Some(meaning) = text(&entry, tags::CODE_MEANING) {
        entry.put_str(tags::CODE_MEANING, VR::LO, hands.clean_text(&meaning)?);
    }
    Some(entry)
}

const CODE_VALUES: [Tag; 3] = [tags::CODE_VALUE, tags::LONG_CODE_VALUE, tags::URN_CODE_VALUE];

/// Coding schemes of PS3.16 Table 8-1, whose codes somebody publishes. Left out: NPI, whose codes are
/// persons, and ISO_OID, whose codes are anybody's.
const SCHEMES: &str = "\
    99SDM ACR ASTM-sigpurpose BARI BI C4 C5 CD2 CTV3 DC DCM DCMUID FMA HPC I10 I10C I10P I11 I9 \
    I9C IBSI ICDO3 IETF4646 ISO3166_1 ISO5218_1 ISO639_1 ISO639_2 ITIS_TSN LN MA MAYOASRG MDC \
    MDNS MGI MSH NBD NBG NCDR NCIt NDC NEU NICIP NYUMCCG PATHLEX POS PUBCHEM_CID RADELEMENT \
    RADLEX RFC-3881 RFC3066 RFC5646 RO RRID RXNORM SCPECG SCT SNM3 SRT UBERON UCUM UMLS caDSR";
