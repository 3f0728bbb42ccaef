//! What peers send, by hand, and what it becomes.

use super::vr::has_long_length;
use super::walk::{ITEM, SEQUENCE_DELIMITATION_ITEM};
use super::*;
use dicom_dictionary_std::tags;
use std::io::Cursor;

/// Elements in Explicit VR Little Endian, by hand.
fn explicit(tag: Tag, vr: &str, value: &[u8]) -> Vec<u8> {
    let mut out = [tag.group().to_le_bytes(), tag.element().to_le_bytes()].concat();
    out.extend_from_slice(vr.as_bytes());
    match VR::from_binary([vr.as_bytes()[0], vr.as_bytes()[1]]) {
        Some(vr) if has_long_length(vr) => {
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        }
        _ => out.extend_from_slice(&(value.len() as u16).to_le_bytes()),
    }
    out.extend_from_slice(value);
    out
}

fn implicit(tag: Tag, length: u32, value: &[u8]) -> Vec<u8> {
    let mut out = [tag.group().to_le_bytes(), tag.element().to_le_bytes()].concat();
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value);
    out
}

fn read_all(bytes: &[u8], encoding: ElementEncoding) -> Result<Header, Malformed> {
    read(Cursor::new(bytes), bytes.len() as u64, encoding, Limits::default())
}

fn read_explicit(bytes: &[u8]) -> Result<Header, Malformed> {
    read_all(bytes, ElementEncoding::ExplicitLittle)
}

#[test]
fn text_becomes_utf8_also_in_items_with_their_own_character_set() {
    let item = [
        explicit(tags::SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 144"),
        explicit(tags::CODE_MEANING, "LO", b"\xbb\xee"),
    ]
    .concat();
    let sequence = implicit(ITEM, item.len() as u32, &item);
    let source = [
        explicit(tags::SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 100"),
        explicit(tags::PROCEDURE_CODE_SEQUENCE, "SQ", &sequence),
        explicit(tags::PATIENT_NAME, "PN", b"J\xe9"),
    ]
    .concat();
    let header = read_explicit(&source).unwrap().bytes;
    let expected = [
        explicit(tags::SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 192"),
        b"\x08\0\x32\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff".to_vec(),
        explicit(tags::CODE_MEANING, "LO", "Лю".as_bytes()),
        b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0".to_vec(),
        explicit(tags::PATIENT_NAME, "PN", "Jé ".as_bytes()),
    ];
    assert_eq!(header, expected.concat());
}

#[test]
fn un_of_undefined_length_holds_implicit_items() {
    let inner = implicit(tags::PATIENT_ID, 4, b"4711");
    let item = implicit(ITEM, inner.len() as u32, &inner);
    let source = [
        b"\x09\0\x01\x10UN\0\0\xff\xff\xff\xff".to_vec(),
        item,
        implicit(SEQUENCE_DELIMITATION_ITEM, 0, b""),
        explicit(tags::PATIENT_ID, "LO", b"0815"),
    ]
    .concat();
    let header = read_explicit(&source).unwrap().bytes;
    let text = String::from_utf8_lossy(&header);
    assert!(text.contains("LO\u{4}\u{0}4711") && text.contains("LO\u{4}\u{0}0815"));
}

#[test]
fn implicit_vr_gets_its_vr_from_the_dictionary_and_the_pixel_representation() {
    let source = [
        implicit(tags::PIXEL_REPRESENTATION, 2, &[1, 0]),
        implicit(tags::PIXEL_PADDING_VALUE, 2, &[0x30, 0xf8]),
    ]
    .concat();
    let header = read_all(&source, ElementEncoding::ImplicitLittle).unwrap().bytes;
    assert!(header.windows(4).any(|w| w == b"SS\x02\0"));
}

#[test]
fn pixels_are_found_not_read() {
    let mut source = explicit(tags::ROWS, "US", &[2, 0]);
    source.extend(explicit(tags::PIXEL_DATA, "OW", &[7; 8]));
    source.extend(explicit(Tag(0xFFFC, 0xFFFC), "OB", &[0; 2]));
    let header = read_explicit(&source).unwrap();
    let span = header.pixels.unwrap();
    assert_eq!((span.offset, span.length, span.encapsulated), (10 + 12, 8, false));
    assert!(!header.bytes.contains(&7));
}

#[test]
fn fragments_are_walked_to_their_end() {
    let mut source = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff".to_vec();
    source.extend(implicit(ITEM, 0, b""));
    source.extend(implicit(ITEM, 4, b"abcd"));
    source.extend(implicit(SEQUENCE_DELIMITATION_ITEM, 0, b""));
    let span = read_explicit(&source).unwrap().pixels.unwrap();
    assert_eq!((span.offset, span.length, span.encapsulated), (12, 28, true));
    let cut = &source[..source.len() - 8];
    assert!(matches!(read_explicit(cut), Err(Malformed::Truncated)));
}

#[test]
fn length_bombs_cost_nothing() {
    let bomb = implicit(tags::PATIENT_ID, 0xFFFF_FFF0, b"x");
    let refused = read_all(&bomb, ElementEncoding::ImplicitLittle);
    assert!(matches!(refused, Err(Malformed::Overrun { tag: tags::PATIENT_ID })));
    let mut pixels = b"\xe0\x7f\x10\0OW\0\0\xf0\xff\xff\xff".to_vec();
    pixels.extend([0; 16]);
    assert!(matches!(read_explicit(&pixels), Err(Malformed::Overrun { .. })));
}

#[test]
fn depth_bombs_are_refused() {
    let level =
        [implicit(tags::PROCEDURE_CODE_SEQUENCE, u32::MAX, b""), implicit(ITEM, u32::MAX, b"")]
            .concat();
    let bomb = level.repeat(100_000);
    let refused = read_all(&bomb, ElementEncoding::ImplicitLittle);
    assert!(matches!(refused, Err(Malformed::Depth(32))));
}

#[test]
fn what_two_readers_could_see_differently_is_refused() {
    let id = explicit(tags::PATIENT_ID, "LO", b"ab");
    let twice = [id.clone(), id.clone()].concat();
    assert!(matches!(read_explicit(&twice), Err(Malformed::Order { .. })));
    let backwards = [id, explicit(tags::MODALITY, "CS", b"CT")].concat();
    assert!(matches!(read_explicit(&backwards), Err(Malformed::Order { .. })));
    let meta = explicit(Tag(0x0002, 0x0010), "UI", b"1.2\0");
    assert!(matches!(read_explicit(&meta), Err(Malformed::Structure { .. })));
    assert!(matches!(read_explicit(&[0x10, 0, 0x20]), Err(Malformed::Truncated)));
}

proptest::proptest! {
    #[test]
    fn no_input_panics_or_grows(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        for encoding in [ElementEncoding::ImplicitLittle, ElementEncoding::ExplicitLittle] {
            if let Ok(header) = read_all(&bytes, encoding) {
                assert!(header.bytes.len() <= 64 + 4 * bytes.len());
            }
        }
    }
}
