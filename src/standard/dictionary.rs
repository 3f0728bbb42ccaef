//! The data elements of PS3.6, one by one: dicom-dictionary-std only looks up what somebody asks for.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;
use std::sync::LazyLock;

/// An element of the standard's dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its tag.
    pub tag: Tag,
    /// Its keyword.
    pub keyword: &'static str,
    /// Its VR; US where the pixels decide between US and SS, OW where OB is possible too.
    pub vr: VR,
}

/// All elements that a data set may have, in ascending order, without groups that repeat.
///
/// Found by asking for every tag of every group, once: a fifth of a second.
pub fn elements() -> &'static [Element] {
    &ELEMENTS
}

/// The element of that tag, with the tag that was asked for.
pub fn element(tag: Tag) -> Option<Element> {
    let entry = StandardDataDictionary.by_tag(tag)?;
    Some(Element { tag, keyword: entry.alias(), vr: entry.vr().relaxed() })
}

/// The element of that keyword.
pub fn element_by_keyword(keyword: &str) -> Option<Element> {
    element(StandardDataDictionary.by_name(keyword)?.tag())
}

static ELEMENTS: LazyLock<Vec<Element>> = LazyLock::new(|| {
    let tags = GROUPS.into_iter().flat_map(|group| (1..=0xFFFF).map(move |n| Tag(group, n)));
    let known = tags
        .filter(|tag| StandardDataDictionary.by_tag(*tag).is_some_and(|entry| entry.tag() == *tag));
    known.filter_map(element).collect()
});

/// The groups of PS3.6 Table 6-1 from 0008 on that don't repeat.
#[rustfmt::skip]
const GROUPS: [u16; 69] = [
    0x0008, 0x0010, 0x0012, 0x0014, 0x0016, 0x0018, 0x0020, 0x0022, 0x0024, 0x0028, 0x0032, 0x0034,
    0x0038, 0x003A, 0x0040, 0x0042, 0x0044, 0x0046, 0x0048, 0x0050, 0x0052, 0x0054, 0x0060, 0x0062,
    0x0064, 0x0066, 0x0068, 0x006A, 0x0070, 0x0072, 0x0074, 0x0076, 0x0078, 0x0080, 0x0082, 0x0088,
    0x0100, 0x0400, 0x1000, 0x1010, 0x2000, 0x2010, 0x2020, 0x2030, 0x2040, 0x2050, 0x2100, 0x2110,
    0x2120, 0x2130, 0x2200, 0x3002, 0x3004, 0x3006, 0x3008, 0x300A, 0x300C, 0x300E, 0x3010, 0x4000,
    0x4008, 0x4010, 0x4FFE, 0x5200, 0x5400, 0x5600, 0x7FE0, 0xFFFA, 0xFFFC,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard;

    #[test]
    fn every_element_is_found() {
        let elements = elements();
        assert!(elements.len() > 5100, "{}", elements.len());
        assert!(elements.windows(2).all(|pair| pair[0].tag < pair[1].tag));
        let found = |tag| elements.binary_search_by_key(&tag, |element| element.tag).is_ok();
        for tag in standard::listed_tags() {
            let of_a_data_set = tag.group() >= 8 && !standard::is_repeating_group(tag);
            // A new edition of the table may know what the dictionary does not know yet.
            assert!(!of_a_data_set || found(tag) || element(tag).is_none(), "{tag}");
        }
    }

    #[test]
    fn keywords_and_tags_name_the_same() {
        let one = element_by_keyword("StudyDescription");
        assert_eq!(one, element(Tag(0x0008, 0x1030)));
        assert_eq!(one.map(|element| element.vr), Some(VR::LO));
        assert!(element_by_keyword("StudyDescriptoin").is_none());
    }
}
