//! Whole values, native and encapsulated, through a plan and out again.

use super::form::Form;
use super::fragments::{write_end, write_fragment, write_table};
use super::*;
use crate::dicom::canonical::PixelSpan;
use crate::dicom::dataset::Dataset;
use crate::dicom::part10;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use proptest::prelude::*;
use std::io::Cursor;

const NATIVE: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;

/// A header of an image.
fn header(rows: u16, columns: u16, bits: u16, stored: u16, photometric: &str) -> Dataset {
    let samples = match photometric {
        "RGB" | "YBR_FULL" | "YBR_FULL_422" => 3,
        "CMYK" | "ARGB" => 4,
        _ => 1,
    };
    let mut dataset = Dataset::new();
    for (tag, value) in [
        (tags::ROWS, rows),
        (tags::COLUMNS, columns),
        (tags::SAMPLES_PER_PIXEL, samples),
        (tags::BITS_ALLOCATED, bits),
        (tags::BITS_STORED, stored),
        (tags::HIGH_BIT, stored - 1),
        (tags::PIXEL_REPRESENTATION, 0),
        (tags::PLANAR_CONFIGURATION, 0),
    ] {
        put(&mut dataset, tag, value);
    }
    dataset.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
    dataset
}

fn put(dataset: &mut Dataset, tag: Tag, value: u16) {
    dataset.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
}

fn with_frames(mut dataset: Dataset, frames: u32) -> Dataset {
    dataset.put_text(tags::NUMBER_OF_FRAMES, VR::IS, frames.to_string());
    dataset
}

/// The form of an image with interleaved samples.
pub fn form(rows: u16, columns: u16, bits: u16, stored: u16, photometric: &str) -> Form {
    let dataset = header(rows, columns, bits, stored, photometric);
    Form::of(&dataset, &part10::native_span(bits, 0)).unwrap()
}

fn span_of(tag: Tag, vr: VR, value: &[u8], encapsulated: bool) -> PixelSpan {
    let length = value.len() as u64;
    PixelSpan { tag, vr, element_offset: 0, offset: 0, length, encapsulated }
}

struct Treated {
    treatment: Treatment,
    value: Vec<u8>,
}

fn treat_span(
    dataset: &Dataset,
    span: PixelSpan,
    transfer_syntax: &str,
    value: &[u8],
    regions: &[(Region, Frames)],
) -> Result<Treated, Error> {
    let mut source = Cursor::new(value);
    let treatment =
        Treatment::plan(&Stored { dataset, span, transfer_syntax }, &mut source, regions)?;
    let mut out = Vec::new();
    treatment.write(&mut source, &mut out)?;
    let length = u32::from_le_bytes([out[8], out[9], out[10], out[11]]);
    assert!(length == u32::MAX || length as usize == out.len() - 12, "the length is true");
    Ok(Treated { treatment, value: out.split_off(12) })
}

fn native(dataset: &Dataset, value: &[u8], regions: &[(Region, Frames)]) -> Result<Vec<u8>, Error> {
    let span = span_of(tags::PIXEL_DATA, VR::OW, value, false);
    treat_span(dataset, span, NATIVE, value, regions).map(|treated| treated.value)
}

fn encapsulated(offsets: bool, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut value = Vec::new();
    let lengths: Vec<u32> = frames.iter().map(|f| f.len().next_multiple_of(2) as u32).collect();
    write_table(&mut value, &lengths, offsets).unwrap();
    for frame in frames {
        let mut frame = frame.clone();
        frame.resize(frame.len().next_multiple_of(2), 0);
        write_fragment(&mut value, &frame).unwrap();
    }
    write_end(&mut value).unwrap();
    value
}

fn coded(
    dataset: &Dataset,
    transfer_syntax: &str,
    value: &[u8],
    regions: &[(Region, Frames)],
) -> Result<Treated, Error> {
    let span = span_of(tags::PIXEL_DATA, VR::OB, value, true);
    treat_span(dataset, span, transfer_syntax, value, regions)
}

fn region(x: u32, y: u32, width: u32, height: u32) -> Region {
    Region { x, y, width, height }
}

/// An RLE frame of one literal run for each segment of at most 128 bytes.
fn rle(segments: &[Vec<u8>]) -> Vec<u8> {
    let coded: Vec<Vec<u8>> =
        segments.iter().map(|s| [&[s.len() as u8 - 1], &s[..]].concat()).collect();
    let mut offsets = vec![segments.len() as u32];
    let mut at = 64;
    for segment in &coded {
        offsets.push(at);
        at += segment.len() as u32;
    }
    offsets.resize(16, 0);
    let head: Vec<u8> = offsets.into_iter().flat_map(u32::to_le_bytes).collect();
    [head, coded.concat()].concat()
}

#[test]
fn native_pixels_lose_unused_bits_and_trailing_bytes() {
    let ct = header(1, 3, 16, 12, "MONOCHROME2");
    let words = [0xf123_u16, 0x0fff, 0x8001];
    let mut value = words.map(u16::to_le_bytes).concat();
    value.extend(b"DOE^");
    let cleaned = native(&ct, &value, &[]).unwrap();
    assert_eq!(cleaned, [0x0123_u16, 0x0fff, 0x0001].map(u16::to_le_bytes).concat());
    let mut signed = header(1, 3, 16, 12, "MONOCHROME2");
    put(&mut signed, tags::PIXEL_REPRESENTATION, 1);
    let cleaned = native(&signed, &value, &[]).unwrap();
    assert_eq!(cleaned, [0x0123_u16, 0xffff, 0x0001].map(u16::to_le_bytes).concat());
    let mut upper = header(1, 3, 16, 8, "MONOCHROME2");
    put(&mut upper, tags::HIGH_BIT, 11);
    let cleaned = native(&upper, &value, &[]).unwrap();
    assert_eq!(cleaned, [0x0120_u16, 0x0ff0, 0x0000].map(u16::to_le_bytes).concat());
}

#[test]
fn an_odd_value_gets_a_pad_byte_of_our_own() {
    let cleaned = native(&header(1, 3, 8, 8, "MONOCHROME2"), &[1, 2, 3, b'J'], &[]).unwrap();
    assert_eq!(cleaned, [1, 2, 3, 0]);
}

#[test]
fn native_pixels_that_are_no_whole_frames_are_refused() {
    let gray = header(2, 2, 8, 8, "MONOCHROME2");
    for (value, frames) in [(&[0; 4][..], 2), (&[0; 8], 1), (&[0; 3], 1), (&[], 1)] {
        assert!(
            native(&with_frames(header(2, 2, 8, 8, "MONOCHROME2"), frames), value, &[]).is_err()
        );
    }
    assert!(native(&with_frames(gray, 0), &[0; 4], &[]).is_err());
    let pairs = header(2, 2, 8, 8, "YBR_FULL_422");
    assert!(native(&pairs, &[0; 8], &[]).is_ok() && native(&pairs, &[0; 12], &[]).is_err());
    for bits in [12, 24] {
        assert!(native(&header(2, 2, bits, bits, "MONOCHROME2"), &[0; 12], &[]).is_err());
    }
    let mut wide = header(2, 2, 16, 12, "MONOCHROME2");
    put(&mut wide, tags::HIGH_BIT, 10);
    assert!(native(&wide, &[0; 8], &[]).is_err());
}

#[test]
fn frames_are_blanked_one_by_one() {
    let gray = with_frames(header(2, 2, 8, 8, "MONOCHROME2"), 3);
    let blank = [(region(1, 0, 1, 2), Frames::Range(2, 3)), (region(0, 0, 1, 1), Frames::All)];
    let value = native(&gray, &[9; 12], &blank).unwrap();
    assert_eq!(value, [0, 9, 9, 9, 0, 0, 9, 0, 0, 0, 9, 0]);
}

#[test]
fn single_bits_are_blanked_across_bytes() {
    // Two frames of 3 x 3, all ones: 18 bits, and six more that nobody needs.
    let bits = with_frames(header(3, 3, 1, 1, "MONOCHROME2"), 2);
    let whole = native(&bits, &[0xff; 4], &[]).unwrap();
    assert_eq!(whole, [0xff, 0xff, 0b11, 0]);
    let blank = [(region(1, 1, 2, 1), Frames::Range(2, 2))];
    let value = native(&bits, &[0xff; 4], &blank).unwrap();
    // Pixels 4 and 5 of the second frame are bits 13 and 14.
    assert_eq!(value, [0xff, 0b1001_1111, 0b11, 0]);
}

#[test]
fn floating_point_is_copied_and_blanked() {
    let mut dataset = header(1, 2, 32, 32, "MONOCHROME2");
    [tags::BITS_STORED, tags::HIGH_BIT, tags::PIXEL_REPRESENTATION]
        .iter()
        .for_each(|&tag| dataset.remove(tag));
    let value = [1.5_f32, -2.5].map(f32::to_le_bytes).concat();
    let span = span_of(tags::FLOAT_PIXEL_DATA, VR::OF, &value, false);
    let treat = |regions: &[(Region, Frames)]| {
        treat_span(&dataset, span, NATIVE, &value, regions).unwrap().value
    };
    assert_eq!(treat(&[]), value);
    assert_eq!(treat(&[(region(1, 0, 1, 1), Frames::All)])[4..], [0; 4]);
}

#[test]
fn codestreams_are_cleaned_frame_by_frame_and_the_offsets_with_them() {
    let talkative = |text: &[u8]| {
        let comment = [&[0xff, 0xfe, 0, text.len() as u8 + 2][..], text].concat();
        jpeg::tests::stream(0xc0, 8, &[comment])
    };
    let plain = jpeg::tests::stream(0xc0, 8, &[]);
    let image = with_frames(header(4, 4, 8, 8, "MONOCHROME2"), 2);
    for offsets in [false, true] {
        let value = encapsulated(offsets, &[talkative(b"DOE"), talkative(b"DOE^JANE")]);
        let treated = coded(&image, uids::JPEG_BASELINE8_BIT, &value, &[]).unwrap();
        assert_eq!(treated.value, encapsulated(offsets, &[plain.clone(), plain.clone()]));
        assert_eq!(treated.treatment.transfer_syntax(), uids::JPEG_BASELINE8_BIT);
        assert!(!treated.treatment.blanks());
    }
    // An Extended Offset Table becomes a Basic one.
    let mut extended = with_frames(header(4, 4, 8, 8, "MONOCHROME2"), 2);
    extended.put_text(tags::EXTENDED_OFFSET_TABLE, VR::LO, "DOE");
    let value = encapsulated(false, &[talkative(b"DOE"), talkative(b"DOE^JANE")]);
    let treated = coded(&extended, uids::JPEG_BASELINE8_BIT, &value, &[]).unwrap();
    assert_eq!(treated.value, encapsulated(true, &[plain.clone(), plain]));
    treated.treatment.header().apply(&mut extended);
    assert!(!extended.has(tags::EXTENDED_OFFSET_TABLE));
}

#[test]
fn codestreams_that_differ_from_the_header_are_refused() {
    let value = encapsulated(false, &[jpeg::tests::stream(0xc0, 8, &[])]);
    let refused = |dataset, syntax| coded(&dataset, syntax, &value, &[]).is_err();
    assert!(!refused(header(4, 4, 8, 8, "MONOCHROME2"), uids::JPEG_BASELINE8_BIT));
    assert!(refused(header(4, 5, 8, 8, "MONOCHROME2"), uids::JPEG_BASELINE8_BIT));
    assert!(refused(header(4, 4, 8, 8, "RGB"), uids::JPEG_BASELINE8_BIT));
    assert!(refused(header(4, 4, 8, 8, "MONOCHROME2"), uids::JPEG_LOSSLESS_SV1));
    assert!(refused(header(4, 4, 8, 8, "MONOCHROME2"), uids::JPEG2000));
    assert!(refused(header(4, 4, 8, 8, "MONOCHROME2"), NATIVE));
    for video in [uids::MPEG4HP41, uids::HEVCMP51, uids::JPEGXL, "1.2.3"] {
        let image = header(4, 4, 8, 8, "MONOCHROME2");
        assert!(matches!(coded(&image, video, &value, &[]), Err(Error::TransferSyntax)));
    }
}

#[test]
fn more_precision_than_bits_stored_is_looked_at_or_refused() {
    let ls = |precision| encapsulated(false, &[jpeg::tests::stream(0xf7, precision, &[])]);
    let image = header(4, 4, 16, 12, "MONOCHROME2");
    assert!(coded(&image, uids::JPEGLS_LOSSLESS, &ls(12), &[]).is_ok());
    let doubtful = coded(&image, uids::JPEGLS_LOSSLESS, &ls(16), &[]);
    assert!(matches!(doubtful, Err(Error::Undecodable(_))));
    let blank = [(region(0, 0, 1, 1), Frames::All)];
    assert!(coded(&image, uids::JPEGLS_LOSSLESS, &ls(12), &blank).is_err());
    let j2k = encapsulated(false, &[j2k::tests::stream(12, &[], &[], b"")]);
    assert!(coded(&image, uids::JPEG2000_LOSSLESS, &j2k, &[]).is_ok());
    // What it holds above 12 bits would have to be decoded, and this one is no image.
    let j2k = encapsulated(false, &[j2k::tests::stream(16, &[], &[], b"")]);
    let doubtful = coded(&image, uids::JPEG2000_LOSSLESS, &j2k, &[]);
    assert!(matches!(doubtful, Err(Error::Undecodable(_))));
}

#[test]
fn rle_leaves_as_it_is_unless_something_hides_in_it() {
    let image = header(1, 2, 16, 12, "MONOCHROME2");
    let clean = encapsulated(true, &[rle(&[vec![0x01, 0x02], vec![0x10, 0x20]])]);
    let treated = coded(&image, uids::RLE_LOSSLESS, &clean, &[]).unwrap();
    assert_eq!(treated.value, clean);
    let high = encapsulated(true, &[rle(&[vec![0xa1, 0x02], vec![0x10, 0x20]])]);
    let behind = [rle(&[vec![0x01, 0x02], vec![0x10, 0x20]]), b"DOE^JANE".to_vec()].concat();
    for hiding in [high, encapsulated(false, &[behind])] {
        let treated = coded(&image, uids::RLE_LOSSLESS, &hiding, &[]).unwrap();
        assert_eq!(treated.value, [0x10, 0x01, 0x20, 0x02]);
        assert_eq!(treated.treatment.transfer_syntax(), NATIVE);
        assert!(!treated.treatment.blanks(), "no pixel changed");
    }
}

#[test]
fn rle_is_blanked_in_every_depth() {
    let blank = [(region(0, 0, 1, 1), Frames::Range(2, 2))];
    let twice = |dataset, frame: Vec<Vec<u8>>| {
        let value = encapsulated(false, &[rle(&frame), rle(&frame)]);
        coded(&with_frames(dataset, 2), uids::RLE_LOSSLESS, &value, &blank)
    };
    let rgb = twice(header(1, 2, 8, 8, "RGB"), vec![vec![1, 2], vec![3, 4], vec![5, 6]]).unwrap();
    assert_eq!(rgb.value, [1, 3, 5, 2, 4, 6, 0, 0, 0, 2, 4, 6]);
    let mut changed = header(1, 2, 8, 8, "RGB");
    put(&mut changed, tags::PLANAR_CONFIGURATION, 1);
    rgb.treatment.header().apply(&mut changed);
    assert_eq!(changed.number(tags::PLANAR_CONFIGURATION), Some(0.0));
    assert!(rgb.treatment.blanks() && !changed.has(tags::LOSSY_IMAGE_COMPRESSION));
    let ybr = twice(header(1, 2, 8, 8, "YBR_FULL"), vec![vec![1, 2], vec![3, 4], vec![5, 6]]);
    assert_eq!(ybr.unwrap().value[6..9], [0, 128, 128]);
    let wide: Vec<Vec<u8>> = [4, 3, 2, 1].map(|b| vec![b, b]).to_vec();
    let wide = twice(header(1, 2, 32, 32, "MONOCHROME2"), wide).unwrap();
    assert_eq!(wide.value, [1, 2, 3, 4, 1, 2, 3, 4, 0, 0, 0, 0, 1, 2, 3, 4]);
    // Frames of 3 bits: padded to bytes in RLE, without a gap in native pixels.
    let bits = twice(header(1, 3, 1, 1, "MONOCHROME2"), vec![vec![0b111]]).unwrap();
    assert_eq!(bits.value, [0b110_111, 0]);
    let pairs = twice(header(1, 2, 8, 8, "YBR_FULL_422"), vec![vec![1, 2]; 3]);
    assert!(matches!(pairs, Err(Error::Colour)));
}

proptest! {
    #[test]
    fn native_pixels_outside_the_region_keep_their_samples(
        seed in proptest::collection::vec(any::<u8>(), 2 * 5 * 7 * 2),
        x in 0..7_u32, y in 0..5_u32, w in 1..8_u32, h in 1..6_u32,
        stored in 1..=16_u16, frame in 1..3_u32,
    ) {
        let image = with_frames(header(5, 7, 16, stored, "MONOCHROME1"), 2);
        let region = region(x, y, w.min(7 - x), h.min(5 - y));
        let value = native(&image, &seed, &[(region, Frames::Range(frame, frame))]).unwrap();
        let mask = (1_u32 << stored) - 1;
        for (at, (new, old)) in value.chunks(2).zip(seed.chunks(2)).enumerate() {
            let word = |b: &[u8]| u32::from(u16::from_le_bytes([b[0], b[1]]));
            let (column, row) = ((at % 7) as u32, (at / 7 % 5) as u32);
            let inside = at / 35 == frame as usize - 1
                && (x..x + region.width).contains(&column)
                && (y..y + region.height).contains(&row);
            prop_assert_eq!(word(new), if inside { mask } else { word(old) & mask });
        }
    }

    #[test]
    fn no_fragments_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), at in 0..120_usize) {
        let image = with_frames(header(1, 2, 16, 12, "MONOCHROME2"), 2);
        let frame = rle(&[vec![0x01, 0x02], vec![0x10, 0x20]]);
        let mut value = encapsulated(true, &[frame.clone(), frame]);
        let at = at.min(value.len());
        value.splice(at..at, bytes);
        for syntax in [uids::RLE_LOSSLESS, uids::JPEG_BASELINE8_BIT, uids::JPEG2000] {
            let _ = coded(&image, syntax, &value, &[(region(0, 0, 1, 1), Frames::All)]);
        }
    }
}
