//! What holds of the engine for any object: made objects of random elements, of any depth.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic"
)]

use chrono::NaiveDate;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags, uids};
use dicom_object::InMemDicomObject;
use efface::deid::pseudonym::Pseudonyms;
use efface::deid::text::{Known, Retained};
use efface::deid::{Claims, Engine, PixelStatement, Report, Subject};
use efface::dicom::dataset::Dataset;
use efface::key::RootKey;
use efface::profile::{Profile, SHIPPED, language};
use efface::standard;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

static ROOT: LazyLock<RootKey> = LazyLock::new(|| RootKey::generate().unwrap());
static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    SHIPPED.iter().map(|(name, text)| language::parse(name, text).unwrap()).collect()
});

fn pseudonyms() -> Pseudonyms {
    Pseudonyms::new(&ROOT, "properties")
}

/// What is known of a study, from its objects in the order given.
fn known(objects: &[InMemDicomObject]) -> Known {
    let mut all = Known::default();
    for object in objects {
        let mut one = Known::default();
        one.observe(&Dataset::from(object.clone()));
        all.merge(one);
    }
    all
}

fn scrub(profile: &Profile, known: &Known, object: &InMemDicomObject) -> (Vec<u8>, Claims, Report) {
    let pseudonyms = pseudonyms();
    let cleaner = known.cleaner(Retained::by(profile.options()));
    let source = Dataset::from(object.clone());
    let subject = Subject::of(&source).unwrap();
    let engine = Engine::new(profile, &pseudonyms, &cleaner);
    let (out, claims, report) = engine.scrub(source, &subject, PixelStatement::UNTOUCHED);
    (out.encode().unwrap(), claims, report)
}

/// Elements with any value, of any tag that the standard knows, and private ones.
fn element() -> impl Strategy<Value = (Tag, String)> {
    let listed = proptest::sample::select(standard::listed_tags());
    let other = proptest::sample::select(vec![
        tags::BODY_PART_EXAMINED,
        tags::CONVOLUTION_KERNEL,
        tags::SOFTWARE_VERSIONS,
        tags::SLICE_THICKNESS,
        tags::IMAGE_COMMENTS,
        tags::CONTENT_LABEL,
        Tag(0x0009, 0x0010),
        Tag(0x0009, 0x1001),
        Tag(0x6000, 0x0022),
    ]);
    let value = prop_oneof![
        Just("MERRIWEATHER^CORDELIA".to_owned()),
        "[A-Z]{3,9} [a-z]{2,8}",
        "(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])",
        "[0-9]{1,6}",
        "1\\.2\\.826\\.[0-9]{3,9}\\.[0-9]{3,9}",
        "\\PC{0,12}",
    ];
    (prop_oneof![listed, other], value)
}

fn put(object: &mut InMemDicomObject, tag: Tag, text: &str) {
    let entry = StandardDataDictionary.by_tag(tag);
    let vr = entry.map_or(VR::LO, |entry| entry.vr().relaxed());
    let value: PrimitiveValue = match vr {
        VR::SQ | VR::UN => return,
        VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV => {
            PrimitiveValue::U8(text.bytes().chain([0; 8]).take(8).collect())
        }
        VR::US | VR::SS => PrimitiveValue::from(text.len() as u16),
        VR::UL | VR::SL => PrimitiveValue::from(text.len() as u32),
        VR::FL => PrimitiveValue::from(text.len() as f32),
        VR::FD => PrimitiveValue::from(text.len() as f64),
        VR::AT => return,
        VR::PN | VR::LO | VR::SH | VR::ST | VR::LT | VR::UC | VR::UT => PrimitiveValue::from(text),
        // The pre-scan lets nothing else through in the other VRs (PS3.5 6.1.2.2).
        _ => PrimitiveValue::from(text.chars().filter(char::is_ascii).collect::<String>()),
    };
    object.put(DataElement::new(tag, vr, value));
}

fn object() -> impl Strategy<Value = InMemDicomObject> {
    let elements = || proptest::collection::vec(element(), 0..12);
    (elements(), elements(), elements(), 1..99_u32).prop_map(|(top, middle, deep, number)| {
        let item = |elements: Vec<(Tag, String)>, below: Option<InMemDicomObject>| {
            let mut item = InMemDicomObject::new_empty();
            elements.iter().for_each(|(tag, text)| put(&mut item, *tag, text));
            if let Some(below) = below {
                let items = Value::from(DataSetSequence::from(vec![below]));
                item.put(DataElement::new(tags::SOURCE_IMAGE_SEQUENCE, VR::SQ, items));
            }
            item
        };
        let mut object = item(top, Some(item(middle, Some(item(deep, None)))));
        for (tag, uid) in [
            (tags::SOP_CLASS_UID, uids::CT_IMAGE_STORAGE.to_owned()),
            (tags::SOP_INSTANCE_UID, format!("1.2.3.4.{number}")),
            (tags::STUDY_INSTANCE_UID, "1.2.3".to_owned()),
            (tags::SERIES_INSTANCE_UID, "1.2.3.1".to_owned()),
        ] {
            object.put(DataElement::new(tag, VR::UI, PrimitiveValue::from(uid)));
        }
        for (tag, vr, text) in [
            (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
            (tags::PATIENT_NAME, VR::PN, "MERRIWEATHER^CORDELIA"),
            (tags::PATIENT_ID, VR::LO, "MRN-77410001"),
            (tags::MODALITY, VR::CS, "CT"),
        ] {
            object.put(DataElement::new(tag, vr, PrimitiveValue::from(text)));
        }
        object
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The same object, key and profile give the same bytes, claims and counts.
    #[test]
    fn twice_gives_the_same(object in object(), which in 0..SHIPPED.len()) {
        let known = known(std::slice::from_ref(&object));
        let run = || scrub(&PROFILES[which], &known, &object);
        prop_assert!(run() == run());
    }

    /// In whatever order the objects of a study come, each leaves with the same bytes.
    #[test]
    fn the_order_of_objects_does_not_matter(
        objects in proptest::collection::vec(object(), 2..5), which in 0..SHIPPED.len(),
    ) {
        let profile = &PROFILES[which];
        let forwards = known(&objects);
        let mut turned = objects.clone();
        turned.reverse();
        let backwards = known(&turned);
        for object in &objects {
            let (a, b) = (scrub(profile, &forwards, object), scrub(profile, &backwards, object));
            prop_assert!(a.0 == b.0);
        }
    }

    /// What was de-identified and is de-identified again has neither more nor other elements, apart
    /// from the pseudonyms, which are mapped once more.
    #[test]
    fn a_second_time_takes_nothing_more(object in object(), which in 0..SHIPPED.len()) {
        let (first, ..) = scrub(&PROFILES[which], &known(std::slice::from_ref(&object)), &object);
        let once = Dataset::parse(&first).unwrap().into_object();
        let (second, ..) = scrub(&PROFILES[which], &known(std::slice::from_ref(&once)), &once);
        let twice = Dataset::parse(&second).unwrap().into_object();
        let tags = |object: &InMemDicomObject| {
            object.iter().map(dicom_core::header::Header::tag).collect::<Vec<_>>()
        };
        prop_assert_eq!(tags(&once), tags(&twice));
    }

    /// Whatever two days lie between, they lie between afterwards.
    #[test]
    fn dates_keep_their_intervals(days in proptest::collection::vec(0_u64..20_000, 2..6)) {
        let teleradiology = &PROFILES[2];
        let epoch = NaiveDate::from_ymd_opt(1971, 1, 2).unwrap();
        let date = |n: u64| epoch + chrono::Days::new(n);
        let shifted: Vec<Option<NaiveDate>> = days.iter().map(|n| {
            let mut object = InMemDicomObject::new_empty();
            for (tag, uid) in [
                (tags::SOP_CLASS_UID, uids::CT_IMAGE_STORAGE),
                (tags::SOP_INSTANCE_UID, "1.2.3.4"),
                (tags::STUDY_INSTANCE_UID, "1.2.3"),
                (tags::SERIES_INSTANCE_UID, "1.2.3.1"),
            ] {
                object.put(DataElement::new(tag, VR::UI, PrimitiveValue::from(uid)));
            }
            object.put(DataElement::new(tags::PATIENT_ID, VR::LO, PrimitiveValue::from("MRN-1")));
            let text = date(*n).format("%Y%m%d").to_string();
            object.put(DataElement::new(tags::STUDY_DATE, VR::DA, PrimitiveValue::from(text)));
            let (out, ..) = scrub(teleradiology, &Known::default(), &object);
            let left = Dataset::parse(&out).unwrap().text(tags::STUDY_DATE)?;
            NaiveDate::parse_from_str(&left, "%Y%m%d").ok()
        }).collect();
        let moved: HashSet<i64> = days.iter().zip(&shifted)
            .filter_map(|(n, left)| Some((date(*n) - (*left)?).num_days())).collect();
        prop_assert!(moved.len() <= 1, "by {moved:?} days");
        prop_assert!(moved.iter().all(|days| *days >= 30));
    }
}

/// No two of many UIDs share a pseudonym; the mapping is the same whenever it is asked.
#[test]
fn the_map_of_uids_is_injective() {
    let pseudonyms = pseudonyms();
    let mut seen = HashMap::new();
    for n in 0..100_000_u32 {
        let uid = format!("1.2.840.113619.2.{n}");
        if let Some(other) = seen.insert(pseudonyms.uid(&uid), uid.clone()) {
            panic!("{uid} and {other} became one");
        }
    }
    assert_eq!(pseudonyms.uid("1.2.3"), self::pseudonyms().uid("1.2.3"));
}
