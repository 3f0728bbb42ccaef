//! An engine that does something else than it says: the verifier shares no code with it, and must
//! see what comes of it.

use super::canary::items;
use super::trial::{Place, Stays, Trial, bare, put, text};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use efface::custody::verify::{Dates, Found};
use efface::deid::text::Cleaner;

/// Kept elements that nobody looks at but the cleaner, each with a text that names somebody.
const NAMED: [(Tag, VR, &str); 6] = [
    (tags::SOFTWARE_VERSIONS, VR::LO, "sw-12.4 for Merriweather"),
    (tags::CONVOLUTION_KERNEL, VR::SH, "MRN-77410001"),
    (tags::WINDOW_CENTER_WIDTH_EXPLANATION, VR::LO, "Cordelia MERRIWEATHER"),
    (tags::CONTRAST_BOLUS_INGREDIENT, VR::CS, "MERRIWEATHER"),
    (tags::CODE_MEANING, VR::LO, "liver of Mrs Merriweather"),
    (tags::SEQUENCE_NAME, VR::SH, "for Lindqvist"),
];

#[test]
fn an_engine_that_knows_nobody_is_noticed() {
    for (tag, vr, said) in NAMED {
        for place in [Place::Top, Place::Nested] {
            let mut source = bare();
            put(&mut source, Place::Top, text(tags::OPERATORS_NAME, VR::PN, "LINDQVIST^Torbjorn"));
            put(&mut source, place, text(tag, vr, said));
            let trial = Trial::new("", Stays::default(), source.clone());
            trial.control().unwrap();
            let blind = Cleaner::nothing_known();
            let trial = Trial::with_cleaner("", Stays::default(), source, &blind);
            let found = trial.control().map_err(|residue| residue.found);
            assert!(matches!(found, Err(Found::Value(_))), "{tag} {place:?}: {found:?}");
        }
    }
}

/// One UID of many that stands for itself, wherever it stands.
#[test]
fn a_uid_that_is_not_mapped_is_noticed() {
    let mut source = bare();
    let uid = |n: u32| format!("1.3.6.1.4.1.55555.1.{n}");
    for (tag, n) in [
        (tags::FRAME_OF_REFERENCE_UID, 2),
        (tags::SYNCHRONIZATION_FRAME_OF_REFERENCE_UID, 3),
        (tags::INSTANCE_CREATOR_UID, 4),
        (tags::CONCATENATION_UID, 5),
        // Not in the table: known by its VR.
        (tags::CONTEXT_UID, 6),
        (tags::PRESENTATION_SEQUENCE_COLLECTION_UID, 7),
    ] {
        put(&mut source, Place::Top, text(tag, VR::UI, &uid(n)));
    }
    let reference = InMemDicomObject::from_element_iter([
        text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.2"),
        text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &uid(8)),
    ]);
    put(&mut source, Place::Top, items(tags::REFERENCED_IMAGE_SEQUENCE, vec![reference.clone()]));
    put(&mut source, Place::Nested, items(tags::SOURCE_IMAGE_SEQUENCE, vec![reference]));
    let trial = Trial::new("", Stays::default(), source);
    trial.control().unwrap();
    for tag in [
        tags::SOP_INSTANCE_UID,
        tags::STUDY_INSTANCE_UID,
        tags::SERIES_INSTANCE_UID,
        tags::FRAME_OF_REFERENCE_UID,
        tags::SYNCHRONIZATION_FRAME_OF_REFERENCE_UID,
        tags::INSTANCE_CREATOR_UID,
        tags::CONCATENATION_UID,
        tags::PRESENTATION_SEQUENCE_COLLECTION_UID,
        tags::REFERENCED_IMAGE_SEQUENCE,
    ] {
        assert!(trial.examine(&trial.put_back(tag, Place::Top)).is_err(), "{tag}");
    }
    let nested = trial.put_back(tags::SOURCE_IMAGE_SEQUENCE, Place::Nested);
    assert!(trial.examine(&nested).is_err());
}

const SHIFTED: &str = "options: [Retain Longitudinal Temporal Information Modified Dates]\n";

#[test]
fn dates_moved_by_other_days_than_claimed_are_noticed() {
    let mut source = bare();
    for (tag, vr, said) in [
        (tags::STUDY_DATE, VR::DA, "20230711"),
        (tags::SERIES_DATE, VR::DA, "20230714"),
        (tags::ACQUISITION_DATE_TIME, VR::DT, "20230720101317.4"),
        (tags::STUDY_TIME, VR::TM, "101317.4"),
    ] {
        put(&mut source, Place::Top, text(tag, vr, said));
    }
    let trial = Trial::new(SHIFTED, Stays::default(), source);
    trial.control().unwrap();
    let days = match trial.claims().dates {
        efface::deid::DateRule::Back(days) => days,
        other => panic!("{other:?}"),
    };
    for other in [days - 1, days + 1, days + 2, 2 * days, 1, 0] {
        let dates = Some(Dates::Shifted { days: other });
        let refused = trial.examine_as(&trial.out(), Stays { dates, ..Stays::default() });
        assert!(refused.is_err(), "{other} instead of {days}");
    }
    // One date alone that was moved by a day more, or not at all.
    let moved = trial.out().get(tags::STUDY_DATE).unwrap().to_str().unwrap().into_owned();
    let day_before = (moved.trim().parse::<u32>().unwrap() - 1).to_string();
    for (tag, vr, said) in [
        (tags::STUDY_DATE, VR::DA, day_before.as_str()),
        (tags::STUDY_DATE, VR::DA, "20230711"),
        (tags::SERIES_DATE, VR::DA, "20230711"),
        (tags::ACQUISITION_DATE_TIME, VR::DT, "20230720101317.4"),
    ] {
        let mut set = trial.out();
        put(&mut set, Place::Top, text(tag, vr, said));
        assert!(trial.examine(&set).is_err(), "{tag} {said}");
    }
}

#[test]
fn claims_of_other_deeds_are_noticed() {
    let mut source = bare();
    put(&mut source, Place::Top, text(tags::STUDY_DESCRIPTION, VR::LO, "CT of the liver"));
    let stays = Stays { kinds: &[efface::custody::verify::Kind::Text], ..Stays::default() };
    let trial = Trial::new("options: [Clean Descriptors]\n", stays, source);
    trial.control().unwrap();
    let codes = tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE;
    let claimed = trial.out().get(codes).unwrap().items().unwrap().to_vec();
    assert_eq!(claimed.len(), 2);
    let code = |value: &str, scheme: &str| {
        let mut code = claimed[0].clone();
        code.put_element(text(tags::CODE_VALUE, VR::SH, value));
        code.put_element(text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme));
        code
    };
    let more = |code: InMemDicomObject| [&claimed[..], &[code]].concat();
    let mut sets = Vec::new();
    for claims in [
        vec![],
        claimed[..1].to_vec(),
        claimed[1..].to_vec(),
        more(claimed[1].clone()),
        more(code("113106", "DCM")),
        more(InMemDicomObject::new_empty()),
        vec![claimed[0].clone(), code("113105", "99SITE")],
    ] {
        let mut set = trial.out();
        set.put_element(items(codes, claims));
        sets.push(set);
    }
    for (tag, vr, said) in [
        (tags::PATIENT_IDENTITY_REMOVED, VR::CS, "NO"),
        (tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED, VR::CS, "UNMODIFIED"),
        (tags::RECOGNIZABLE_VISUAL_FEATURES, VR::CS, "NO"),
        (tags::BURNED_IN_ANNOTATION, VR::CS, "NO"),
        (tags::DEIDENTIFICATION_METHOD, VR::LO, ""),
    ] {
        let mut set = trial.out();
        put(&mut set, Place::Top, text(tag, vr, said));
        sets.push(set);
    }
    for absent in [codes, tags::PATIENT_IDENTITY_REMOVED, tags::PATIENT_ID, tags::PATIENT_NAME] {
        let mut set = trial.out();
        set.remove_element(absent);
        sets.push(set);
    }
    for (at, set) in sets.iter().enumerate() {
        let found = trial.examine(set).map_err(|residue| residue.found);
        assert_eq!(found, Err(Found::Claim), "{at}");
    }
}

/// An engine that writes what it knows into numbers and bytes.
#[test]
fn an_engine_that_hides_what_it_knows_is_noticed() {
    let trial = Trial::new("", Stays::default(), bare());
    let bytes = |b: &[u8]| PrimitiveValue::U8(b.to_vec().into());
    for (tag, vr, value) in [
        (tags::PATIENT_ID, VR::LO, PrimitiveValue::from("MRN-77410001")),
        (tags::ACCESSION_NUMBER, VR::SH, PrimitiveValue::from("77410001")),
        (tags::PATIENT_NAME, VR::PN, PrimitiveValue::from("ailedroC^REHTAEWIRREM")),
        (
            tags::DEIDENTIFICATION_METHOD,
            VR::LO,
            PrimitiveValue::from("key 4d524e2d3737343130303031"),
        ),
        (tags::SPECTROSCOPY_DATA, VR::OF, bytes(b"\0\0\0\0MERRIWEATHER\0\0\0\0")),
        (
            tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            VR::OW,
            bytes(b"M\0R\0N\0-\x007\x007\x004\x001\x000\x000\x000\x001\0"),
        ),
        (tags::PIXEL_DATA, VR::OW, bytes(b"\x01\x02\x03MERRIWEATHER\x01\x02\x03")),
    ] {
        let mut set = trial.out();
        put(&mut set, Place::Top, DataElement::new(tag, vr, value));
        assert!(trial.examine(&set).is_err(), "{tag}");
    }
}

/// Retired, and still sent.
const OTHER_PATIENT_IDS: Tag = Tag(0x0010, 0x1000);
const MEDICAL_RECORD_LOCATOR: Tag = Tag(0x0010, 0x1090);

/// A rule of the site lets an element stay, and the engine doesn't clean it.
#[test]
fn what_a_rule_keeps_uncleaned_is_noticed() {
    for (tag, vr, said) in [
        (OTHER_PATIENT_IDS, VR::LO, "SSN661902214"),
        (MEDICAL_RECORD_LOCATOR, VR::LO, "MRL-5518"),
        (tags::STUDY_TIME, VR::TM, "101317.4"),
        (tags::STUDY_DATE, VR::DA, "20230711"),
        (tags::STUDY_DESCRIPTION, VR::LO, "liver of Mrs Merriweather"),
        (tags::INSTITUTION_NAME, VR::LO, "ward of MRN-77410001"),
        (tags::STATION_NAME, VR::SH, "Lindqvist"),
    ] {
        let stays = |tags| Stays { tags, ..Stays::default() };
        let number = u32::from(tag.group()) << 16 | u32::from(tag.element());
        let mut source = bare();
        put(&mut source, Place::Top, text(tags::OPERATORS_NAME, VR::PN, "LINDQVIST^Torbjorn"));
        put(&mut source, Place::Top, text(tag, vr, said));
        let trial = Trial::new("", stays(Vec::leak(vec![number])), source);
        trial.control().unwrap();
        assert!(trial.examine(&trial.put_back(tag, Place::Top)).is_err(), "{tag}");
    }
}
