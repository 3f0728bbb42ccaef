use super::*;
use crate::dicom::dataset::Element;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};

/// A top level of grayscale frames, 4 rows of 6 columns, 12 signed bits.
fn image(class: &str, frames: &str) -> Dataset {
    let mut dataset = Dataset::new();
    for (tag, value) in [
        (tags::ROWS, 4_u16),
        (tags::COLUMNS, 6),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 1),
        (tags::SAMPLES_PER_PIXEL, 1),
    ] {
        dataset.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    dataset.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    dataset.put_text(tags::SOP_CLASS_UID, VR::UI, class);
    dataset.put_text(tags::NUMBER_OF_FRAMES, VR::IS, frames);
    dataset
}

/// Texts as they come out of a file: one for each value. The VR does not matter here.
fn element(tag: Tag, text: &str) -> Element {
    let texts: Vec<String> = text.split('\\').map(str::to_owned).collect();
    DataElement::new(tag, VR::DS, PrimitiveValue::Strs(texts.into()))
}

fn item(texts: &[(Tag, &str)]) -> Item {
    let mut item = Item::new_empty();
    texts.iter().for_each(|(tag, text)| {
        item.put(element(*tag, text));
    });
    item
}

fn nest(into: &mut Item, sequence: Tag, items: Vec<Item>) {
    into.put(DataElement::new(sequence, VR::SQ, DataSetSequence::from(items)));
}

fn put_all(dataset: &mut Dataset, texts: &[(Tag, &str)]) {
    texts.iter().for_each(|(tag, text)| dataset.put(element(*tag, text)));
}

const PLACED: [(Tag, &str); 3] = [
    (tags::IMAGE_POSITION_PATIENT, r"-10\-20\30.5"),
    (tags::IMAGE_ORIENTATION_PATIENT, r"1\0\0\0\1\0"),
    (tags::PIXEL_SPACING, r"0.5\0.75"),
];

const RESCALED: [(Tag, &str); 2] = [(tags::RESCALE_SLOPE, "2"), (tags::RESCALE_INTERCEPT, "-1024")];

/// The groups of a frame at a height: position, and content of so many words.
fn group(height: &str, content: &[(Tag, &str)]) -> Item {
    let mut group = Item::new_empty();
    let position = item(&[(tags::IMAGE_POSITION_PATIENT, &format!("0\\0\\{height}"))]);
    nest(&mut group, tags::PLANE_POSITION_SEQUENCE, vec![position]);
    nest(&mut group, tags::FRAME_CONTENT_SEQUENCE, vec![item(content)]);
    group
}

fn shared() -> Item {
    let mut shared = Item::new_empty();
    nest(&mut shared, tags::PLANE_ORIENTATION_SEQUENCE, vec![item(&PLACED[1..2])]);
    nest(&mut shared, tags::PIXEL_MEASURES_SEQUENCE, vec![item(&PLACED[2..])]);
    shared
}

fn enhanced(class: &str, shared: Item, frames: Vec<Item>) -> Dataset {
    let mut top = image(class, &frames.len().to_string()).into_object();
    nest(&mut top, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]);
    nest(&mut top, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames);
    Dataset::from(top)
}

#[test]
fn a_slice_of_ct_must_say_its_units() {
    let mut ct = image(uids::CT_IMAGE_STORAGE, "");
    put_all(&mut ct, &PLACED);
    assert_eq!(FrameFacts::of(&ct).unwrap_err(), FactsError::Attribute(SLOPE.1));
    put_all(&mut ct, &RESCALED[..1]);
    assert_eq!(FrameFacts::of(&ct).unwrap_err(), FactsError::Attribute(INTERCEPT.1));
    put_all(&mut ct, &RESCALED);
    let [facts] = <[_; 1]>::try_from(FrameFacts::of(&ct).unwrap()).unwrap();
    assert_eq!(facts.plane.patient(2.0, 1.0), [-8.5, -19.5, 30.5]);
    assert_eq!((facts.slope, facts.intercept, facts.hounsfield), (2.0, -1024.0, true));
    assert_eq!(facts.real_range(&FrameFormat::of(&ct).unwrap()), (-5120.0, 3070.0));
    ct.put_text(tags::RESCALE_TYPE, VR::LO, "US");
    assert!(!FrameFacts::of(&ct).unwrap()[0].hounsfield, "of unspecified units");
    for bad in ["0", "-1", "1e10", "NaN", ""] {
        ct.put_text(tags::RESCALE_SLOPE, VR::DS, bad);
        assert_eq!(FrameFacts::of(&ct).unwrap_err(), FactsError::Attribute(SLOPE.1));
    }
}

#[test]
fn other_modalities_may_leave_units_out() {
    let mut mr = image(uids::MR_IMAGE_STORAGE, "1");
    put_all(&mut mr, &PLACED);
    let facts = FrameFacts::of(&mr).unwrap();
    assert_eq!((facts[0].slope, facts[0].intercept, facts[0].hounsfield), (1.0, 0.0, false));
    mr.put_text(tags::RESCALE_SLOPE, VR::DS, "0.25");
    assert_eq!(FrameFacts::of(&mr).unwrap_err(), FactsError::Attribute(INTERCEPT.1), "half said");
    mr.put_text(tags::RESCALE_INTERCEPT, VR::DS, "0");
    mr.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    let facts = FrameFacts::of(&mr).unwrap();
    assert!(facts[0].inverted && facts[0].slope == 0.25);
    mr.put_text(tags::MODALITY, VR::CS, "CT");
    mr.remove(tags::RESCALE_SLOPE);
    assert!(FrameFacts::of(&mr).is_err(), "what calls itself CT");
}

#[test]
fn every_attribute_of_the_plane_is_wanted_whole() {
    let whole = || {
        let mut mr = image(uids::MR_IMAGE_STORAGE, "1");
        put_all(&mut mr, &PLACED);
        mr
    };
    for ((tag, _), name) in PLACED.iter().zip([POSITION.1, ORIENTATION.1, SPACING.1]) {
        for bad in [None, Some(""), Some("1"), Some(r"1\2\3\4\5\6\7"), Some(r"1\x\3"), Some("NaN")]
        {
            let mut mr = whole();
            match bad {
                None => mr.remove(*tag),
                Some(text) => mr.put(element(*tag, text)),
            }
            assert_eq!(FrameFacts::of(&mr).unwrap_err(), FactsError::Attribute(name));
        }
    }
    let mut flat = whole();
    flat.put(element(tags::IMAGE_ORIENTATION_PATIENT, r"1\0\0\1\0\0"));
    assert!(matches!(FrameFacts::of(&flat).unwrap_err(), FactsError::Plane(_)));
}

#[test]
fn groups_of_a_frame_outweigh_shared_ones() {
    let mut shared = shared();
    nest(&mut shared, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![item(&RESCALED)]);
    let mut second = group("6", &[(tags::TEMPORAL_POSITION_INDEX, "2")]);
    let own = [(tags::RESCALE_SLOPE, "3"), (tags::RESCALE_INTERCEPT, "7")];
    nest(&mut second, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![item(&own)]);
    let turned = (tags::IMAGE_ORIENTATION_PATIENT, r"0\1\0\0\0\-1");
    nest(&mut second, tags::PLANE_ORIENTATION_SEQUENCE, vec![item(&[turned])]);
    let first = group("5", &[(tags::TEMPORAL_POSITION_INDEX, "1")]);
    let facts =
        FrameFacts::of(&enhanced(uids::ENHANCED_CT_IMAGE_STORAGE, shared, vec![first, second]));
    let facts = facts.unwrap();
    let said: Vec<_> = facts.iter().map(|f| (f.frame, f.slope, f.plane.origin()[2])).collect();
    assert_eq!(said, [(0, 2.0, 5.0), (1, 3.0, 6.0)]);
    assert_eq!(facts[1].plane.normal(), [-1.0, 0.0, 0.0]);
    assert!(facts[0].order < facts[1].order);
}

#[test]
fn enhanced_mr_may_leave_units_out_and_ct_may_not() {
    let frames = || vec![group("1", &[]), group("2", &[])];
    let mr = enhanced(uids::ENHANCED_MR_IMAGE_STORAGE, shared(), frames());
    assert_eq!(FrameFacts::of(&mr).unwrap()[1].slope, 1.0);
    let ct = enhanced(uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE, shared(), frames());
    assert_eq!(FrameFacts::of(&ct).unwrap_err(), FactsError::Attribute(SLOPE.1));
}

#[test]
fn groups_that_do_not_fit_the_frames_are_refused() {
    let mr = |shared, frames| enhanced(uids::ENHANCED_MR_IMAGE_STORAGE, shared, frames);
    let error = |dataset: &Dataset| FrameFacts::of(dataset).unwrap_err();
    let frames = || vec![group("1", &[]), group("2", &[])];

    let mut fewer = mr(shared(), frames());
    fewer.put_text(tags::NUMBER_OF_FRAMES, VR::IS, "3");
    assert!(matches!(error(&fewer), FactsError::Items(name) if name.starts_with("Per-Frame")));
    fewer.put_text(tags::NUMBER_OF_FRAMES, VR::IS, "1");
    assert!(matches!(error(&fewer), FactsError::Items(_)));

    let mut none = mr(shared(), frames());
    none.remove(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    assert!(matches!(error(&none), FactsError::Attribute(_)));
    let mut plain = image(uids::MR_IMAGE_STORAGE, "2");
    put_all(&mut plain, &PLACED);
    assert!(matches!(error(&plain), FactsError::Twice(_)), "one plane for two frames");

    let mut twice = mr(shared(), frames());
    put_all(&mut twice, &PLACED[..1]);
    assert_eq!(error(&twice), FactsError::Twice(POSITION.1));

    let mut two_planes = group("2", &[]);
    nest(&mut two_planes, tags::PLANE_POSITION_SEQUENCE, vec![item(&[]), item(&[])]);
    let items = error(&mr(shared(), vec![group("1", &[]), two_planes]));
    assert_eq!(items, FactsError::Items(PLANE_POSITION.1));
    let mut empty = group("2", &[]);
    nest(&mut empty, tags::PLANE_ORIENTATION_SEQUENCE, vec![]);
    let items = error(&mr(shared(), vec![group("1", &[]), empty]));
    assert_eq!(items, FactsError::Items(PLANE_ORIENTATION.1), "an empty one hides the shared one");
    let nowhere = mr(Item::new_empty(), frames());
    assert_eq!(error(&nowhere), FactsError::Attribute(ORIENTATION.1));
}

#[test]
fn lookup_tables_and_mosaics_that_say_no_more_are_refused() {
    let mut mr = image(uids::MR_IMAGE_STORAGE, "1");
    put_all(&mut mr, &PLACED);
    mr.put(element(tags::IMAGE_TYPE, r"ORIGINAL\PRIMARY\M\MOSAIC"));
    assert!(matches!(FrameFacts::of(&mr).unwrap_err(), FactsError::Mosaic(_)), "of unknown tiles");
    let mut top = mr.into_object();
    nest(&mut top, tags::MODALITY_LUT_SEQUENCE, vec![item(&[])]);
    assert_eq!(FrameFacts::of(&Dataset::from(top)).unwrap_err(), FactsError::Lookup);
}

#[test]
fn padding_is_read_like_a_sample() {
    let facts = |value: Option<(VR, u16)>, limit: Option<i16>| {
        let mut ct = image(uids::CT_IMAGE_STORAGE, "1");
        put_all(&mut ct, &[&PLACED[..], &[(tags::RESCALE_SLOPE, "1")], &RESCALED[1..]].concat());
        if let Some((vr, value)) = value {
            let value = PrimitiveValue::from(value);
            ct.put(DataElement::new(tags::PIXEL_PADDING_VALUE, vr, value));
        }
        if let Some(limit) = limit {
            let limit = PrimitiveValue::from(limit);
            ct.put(DataElement::new(tags::PIXEL_PADDING_RANGE_LIMIT, VR::SS, limit));
        }
        FrameFacts::of(&ct).map(|facts| facts[0].padding.clone())
    };
    assert_eq!(facts(None, Some(5)).unwrap(), None);
    // -2000, and the same word under the other VR.
    assert_eq!(facts(Some((VR::US, 63_536)), None).unwrap(), Some(-2000..=-2000));
    assert_eq!(facts(Some((VR::US, 63_536)), Some(-2048)).unwrap(), Some(-2048..=-2000));
    assert_eq!(facts(Some((VR::US, 40)), Some(40)).unwrap(), Some(40..=40), "one value may be any");
    // From -976 to 1024 HU there are people.
    assert_eq!(facts(Some((VR::US, 48)), Some(2047)).unwrap_err(), FactsError::Padding);
}
