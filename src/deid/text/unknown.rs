//! Sequences that were forwarded as values of unknown representation.

use crate::dicom::canonical::{self, ElementEncoding, Limits};
use crate::dicom::dataset::Dataset;
use std::io::Cursor;

/// Such sequences within each other that are read.
pub(super) const DEPTH: usize = 8;

/// The sequence that a value of unknown representation is (PS3.5 6.2.2, note 2), in a data set.
///
/// Its text is read as ASCII: which character set it is in, the data set no longer says. What is of
/// another is not known, and holds the object back when it turns up.
pub(super) fn sequence(value: &[u8]) -> Option<Dataset> {
    const BEGIN: &[u8] = b"\x09\0\x01\x10UN\0\0\xff\xff\xff\xff";
    const END: &[u8] = b"\xfe\xff\xdd\xe0\0\0\0\0";
    if !value.starts_with(b"\xfe\xff\0\xe0") {
        return None;
    }
    // The delimiter of the sequence may have been taken for a part of the value.
    let items = value.strip_suffix(END).unwrap_or(value);
    let bytes = [BEGIN, items, END].concat();
    let (end, explicit) = (bytes.len() as u64, ElementEncoding::ExplicitLittle);
    let header = canonical::read(Cursor::new(bytes), end, explicit, Limits::default()).ok()?;
    Dataset::parse(&header.bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::super::known::tests::{cleaner, rest};
    use super::super::tests::dataset;
    use dicom_core::value::PrimitiveValue;
    use dicom_core::{DataElement, Tag, VR};

    /// An element in Implicit VR Little Endian.
    fn element(group: u16, number: u16, value: &[u8]) -> Vec<u8> {
        let length = (value.len() as u32).to_le_bytes();
        [&group.to_le_bytes()[..], &number.to_le_bytes(), &length, value].concat()
    }

    fn item(content: &[u8]) -> Vec<u8> {
        element(0xFFFE, 0xE000, content)
    }

    fn source(value: Vec<u8>) -> crate::dicom::dataset::Dataset {
        let mut source = dataset(&[(0x0010_0010, VR::PN, "Featherstone^Ottoline")]);
        let value = PrimitiveValue::U8(value.into());
        source.put(DataElement::new(Tag(0x2001, 0x9000), VR::UN, value));
        source
    }

    #[test]
    fn names_in_sequences_of_unknown_representation_are_known() {
        let name = element(0x0070, 0x0084, b"Quackenbush^Ada ");
        let inner = element(0x2001, 0x1001, &item(&element(0x0008, 0x0090, b"Thistlewood ")));
        let items = item(&[name, inner].concat());
        let delimited = [&items[..], b"\xfe\xff\xdd\xe0\0\0\0\0"].concat();
        for value in [items, delimited] {
            let cleaner = cleaner(source(value));
            for name in ["Ottoline", "Quackenbush", "Thistlewood"] {
                assert_eq!(rest(&cleaner, &format!("left {name} right")), "left right", "{name}");
            }
        }
    }

    #[test]
    fn what_only_begins_like_a_sequence_is_passed_over() {
        let mut deep = item(&element(0x0008, 0x0090, b"Thistlewood "));
        for _ in 0..1000 {
            deep = item(&element(0x2001, 0x1001, &deep));
        }
        for value in [b"\xfe\xff\0\xe0\xff\xff".to_vec(), item(b"Quackenbush"), deep] {
            assert_eq!(rest(&cleaner(source(value)), "left Ottoline right"), "left right");
        }
    }
}
