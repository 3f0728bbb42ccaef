//! Results of a study of somebody who does not exist.

use super::*;
use crate::crosswalk::Instance;
use crate::key::RootKey;
use crate::phi::Phi;
use dicom_core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::uids;
use dicom_object::InMemDicomObject;
use std::sync::LazyLock;

const PATIENT: &str = "A10123456789ABCDEF";
const ACCESSION: &str = "ZZZZ456789ABCDEF";
const STUDY: &str = "2.25.100";
const SERIES: &str = "2.25.200";
const IMAGE: &str = "2.25.300";
const FRAME: &str = "2.25.400";
const TODAY: &str = "2026-11-28";

/// Of a fixed key: a UID that is drawn may by chance begin like one that must not be left.
static UIDS: LazyLock<ResultUids> =
    LazyLock::new(|| ResultUids::new(&RootKey::of_patient(&[7; 32], "A1"), "lab"));

fn rows() -> Rows {
    let mut rows = Rows {
        study: STUDY.to_owned(),
        patient: PATIENT.to_owned(),
        generation: "A1".to_owned(),
        days_back: Some(100),
        ..Rows::default()
    };
    rows.destinations.insert("lab".to_owned());
    for (tag, value) in [
        (tags::PATIENT_NAME, "Østergård^Jürgen"),
        (tags::PATIENT_ID, "MRN-1"),
        (tags::PATIENT_BIRTH_DATE, "19310417"),
        (tags::STUDY_INSTANCE_UID, "1.3.6.1"),
        (tags::STUDY_DATE, "20230711"),
        (tags::ACCESSION_NUMBER, "ACC1"),
    ] {
        rows.original.put(tag, Phi::new(value.to_owned()));
    }
    rows.accessions.insert(ACCESSION.to_owned(), Phi::new("ACC1".to_owned()));
    for (left, inside) in
        [(STUDY, "1.3.6.1"), (SERIES, "1.3.6.1.2"), (IMAGE, "1.3.6.1.2.3"), (FRAME, "1.3.6.1.9")]
    {
        rows.uids.note(left, inside);
    }
    let instance =
        Instance { sop_class: uids::CT_IMAGE_STORAGE.to_owned(), series: SERIES.to_owned() };
    rows.instances.insert(IMAGE.to_owned(), instance);
    rows
}

fn element(tag: Tag, vr: VR, value: &str) -> crate::dicom::dataset::Element {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

fn item(elements: &[(Tag, VR, &str)]) -> InMemDicomObject {
    let elements = elements.iter().map(|(tag, vr, value)| element(*tag, *vr, value));
    InMemDicomObject::from_element_iter(elements)
}

fn sequence(tag: Tag, item: InMemDicomObject) -> crate::dicom::dataset::Element {
    DataElement::new(tag, VR::SQ, Value::from(DataSetSequence::from(vec![item])))
}

/// A segmentation that a good program made.
fn result() -> Dataset {
    let mut object = Dataset::from(item(&[
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        (tags::SOP_CLASS_UID, VR::UI, uids::SEGMENTATION_STORAGE),
        (tags::SOP_INSTANCE_UID, VR::UI, "1.2.826.1"),
        (tags::STUDY_DATE, VR::DA, "20230402"),
        (tags::CONTENT_DATE, VR::DA, "20261127"),
        (tags::ACQUISITION_DATE, VR::DA, "20230402"),
        (tags::ACCESSION_NUMBER, VR::SH, ACCESSION),
        (tags::SERIES_DESCRIPTION, VR::LO, "liver of A10123456789ABCDEF"),
        (tags::PATIENT_NAME, VR::PN, "A10123456789ABCDEF^^"),
        (tags::PATIENT_ID, VR::LO, PATIENT),
        (tags::PATIENT_AGE, VR::AS, "055Y"),
        (tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES"),
        (tags::STUDY_INSTANCE_UID, VR::UI, STUDY),
        (tags::SERIES_INSTANCE_UID, VR::UI, "1.2.826.2"),
        (tags::FRAME_OF_REFERENCE_UID, VR::UI, FRAME),
        (Tag(0x0009, 0x0010), VR::LO, "ACME"),
    ]));
    let image = item(&[
        (tags::REFERENCED_SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        (tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, IMAGE),
    ]);
    let mut series = item(&[(tags::SERIES_INSTANCE_UID, VR::UI, SERIES)]);
    series.put_element(sequence(tags::REFERENCED_INSTANCE_SEQUENCE, image));
    object.put(sequence(tags::REFERENCED_SERIES_SEQUENCE, series));
    object.put(sequence(
        tags::CONTENT_SEQUENCE,
        item(&[
            (tags::TEXT_VALUE, VR::UT, "Image 2.25.300 of a10123456789abcdef (ZZZZ456789ABCDEF)."),
            (tags::UID, VR::UI, "1.2.826.2"),
            (tags::PATIENT_ID, VR::LO, PATIENT),
        ]),
    ));
    object
}

fn taken(result: Dataset, rows: &Rows, destination: &str) -> Result<Dataset, Refusal> {
    let mut companions = Companions::default();
    companions.add(&result)?;
    let today = TODAY.parse().unwrap();
    Reidentifier::new(rows, destination, &UIDS, today).reidentify(result, &companions)
}

fn nested(object: &Dataset, outer: Tag, inner: Tag) -> String {
    let items = object.object().get(outer).unwrap().items().unwrap();
    crate::dicom::dataset::text_of(items[0].get(inner).unwrap()).unwrap_or_default()
}

#[test]
fn a_result_becomes_one_of_the_patient_s() {
    let inside = taken(result(), &rows(), "lab").unwrap();
    for (tag, wanted) in [
        (tags::PATIENT_NAME, "Østergård^Jürgen"),
        (tags::PATIENT_ID, "MRN-1"),
        (tags::PATIENT_BIRTH_DATE, "19310417"),
        (tags::STUDY_INSTANCE_UID, "1.3.6.1"),
        (tags::STUDY_DATE, "20230711"),
        (tags::ACCESSION_NUMBER, "ACC1"),
        (tags::ACQUISITION_DATE, "20230711"),
        (tags::CONTENT_DATE, "20261127"),
        (tags::SERIES_DESCRIPTION, "liver of MRN-1"),
        (tags::FRAME_OF_REFERENCE_UID, "1.3.6.1.9"),
        (tags::SOP_CLASS_UID, uids::SEGMENTATION_STORAGE),
    ] {
        assert_eq!(inside.text(tag).as_deref(), Some(wanted), "{tag}");
    }
    let text = nested(&inside, tags::CONTENT_SEQUENCE, tags::TEXT_VALUE);
    assert_eq!(text, "Image 1.3.6.1.2.3 of MRN-1 (ACC1).");
    assert_eq!(nested(&inside, tags::CONTENT_SEQUENCE, tags::PATIENT_ID), "MRN-1");
    let series = inside.text(tags::SERIES_INSTANCE_UID).unwrap();
    assert_eq!(nested(&inside, tags::CONTENT_SEQUENCE, tags::UID), series);
    assert!(series.starts_with("2.25."));
    for tag in [tags::PATIENT_AGE, tags::PATIENT_IDENTITY_REMOVED, Tag(0x0009, 0x0010)] {
        assert!(!inside.has(tag), "{tag}");
    }
    assert!(inside.has(tags::PATIENT_SEX), "Type 2, though nothing is known of it");
    let bytes = inside.encode().unwrap();
    for left in [PATIENT, ACCESSION, STUDY, SERIES, IMAGE, FRAME, "1.2.826.", "20230402"] {
        let found = bytes.windows(left.len()).any(|part| part == left.as_bytes());
        assert!(!found, "{left}");
    }
}

#[test]
fn the_uids_of_a_result_are_the_same_each_time_and_others_in_another_study() {
    let uid = |object: Dataset| object.text(tags::SOP_INSTANCE_UID).unwrap();
    let once = uid(taken(result(), &rows(), "lab").unwrap());
    assert_eq!(once, uid(taken(result(), &rows(), "lab").unwrap()));
    assert_ne!(once, UIDS.uid("2.25.101", "1.2.826.1"));
    assert!(once.parse::<crate::id::Uid>().is_ok());
}

#[test]
fn whatever_is_wrong_is_refused() {
    type Change = fn(&mut Dataset);
    let text = |tag, vr, value: &'static str| {
        move |object: &mut Dataset| {
            object.put_text(tag, vr, value);
        }
    };
    let refused = |code: &str, change: &dyn Fn(&mut Dataset)| {
        let mut object = result();
        change(&mut object);
        let refusal = taken(object, &rows(), "lab").err().expect(code);
        assert_eq!(refusal.code(), code);
        let said = refusal.to_string();
        assert!(!said.contains("MRN") && !said.contains("2.25") && said.len() > 40, "{said}");
    };
    #[rustfmt::skip]
    let texts = [
        ("unknown-study", tags::STUDY_INSTANCE_UID, VR::UI, "2.25.101"),
        ("unknown-study", tags::STUDY_INSTANCE_UID, VR::UI, "1.3.6.1"),
        ("no-identity", tags::STUDY_INSTANCE_UID, VR::UI, ""),
        ("no-identity", tags::SOP_CLASS_UID, VR::UI, "no uid"),
        ("class-not-allowed", tags::SOP_CLASS_UID, VR::UI, uids::RAW_DATA_STORAGE),
        ("class-not-allowed", tags::SOP_CLASS_UID, VR::UI, uids::ULTRASOUND_IMAGE_STORAGE),
        ("wrong-patient", tags::PATIENT_ID, VR::LO, "A1ZZZZ456789ABCDEF"),
        ("wrong-patient", tags::PATIENT_ID, VR::LO, "A20123456789ABCDEF"),
        ("wrong-patient", tags::PATIENT_ID, VR::LO, ""),
        ("wrong-patient", tags::PATIENT_NAME, VR::PN, "Doe^Jane"),
        ("wrong-accession", tags::ACCESSION_NUMBER, VR::SH, "ACC1"),
        ("existing-uid", tags::SOP_INSTANCE_UID, VR::UI, IMAGE),
        ("existing-uid", tags::SOP_INSTANCE_UID, VR::UI, "1.3.6.1.2.3"),
        ("existing-uid", tags::SOP_INSTANCE_UID, VR::UI, "1.2.840.10008.1.1"),
        ("existing-uid", tags::SERIES_INSTANCE_UID, VR::UI, SERIES),
        ("original-uid", tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.3.6.1.9"),
        ("malformed-value", tags::FRAME_OF_REFERENCE_UID, VR::UI, "1..2"),
        ("malformed-value", tags::CONTENT_DATE, VR::DA, "yesterday"),
        ("doubtful-date", tags::CONTENT_DATE, VR::DA, "20240101"),
        ("charset", tags::SERIES_DESCRIPTION, VR::LO, "\u{fffd}"),
        ("second-patient", tags::SERIES_DESCRIPTION, VR::LO, "as A1ZZZZ456789ABCDEF"),
        ("too-long", tags::SERIES_DESCRIPTION, VR::LO, "2.25.300 2.25.300 2.25.300 2.25.300 2.25.300 2.25.300 2.25.300"),
    ];
    for (code, tag, vr, value) in texts {
        refused(code, &text(tag, vr, value));
    }
    let changes: [(&str, Change); 6] = [
        ("wrong-patient", |object| object.remove(tags::PATIENT_ID)),
        ("foreign-reference", |object| {
            let foreign = item(&[(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "2.25.999")]);
            object.put(sequence(tags::REFERENCED_IMAGE_SEQUENCE, foreign));
        }),
        ("foreign-reference", |object| {
            let foreign = item(&[(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.840.10008.1.1")]);
            object.put(sequence(tags::REFERENCED_SERIES_SEQUENCE, foreign));
        }),
        ("referenced-class", |object| {
            let other = item(&[
                (tags::REFERENCED_SOP_CLASS_UID, VR::UI, uids::MR_IMAGE_STORAGE),
                (tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, IMAGE),
            ]);
            object.put(sequence(tags::REFERENCED_IMAGE_SEQUENCE, other));
        }),
        ("second-patient", |object| {
            let other = item(&[(tags::PATIENT_ID, VR::LO, "A1ZZZZ456789ABCDEF")]);
            object.put(sequence(tags::OTHER_PATIENT_I_DS_SEQUENCE, other));
        }),
        ("second-patient", |object| {
            let other = item(&[(tags::PATIENT_NAME, VR::PN, "Doe^Jane")]);
            let outer = InMemDicomObject::from_element_iter([sequence(
                tags::REFERENCED_PATIENT_SEQUENCE,
                other,
            )]);
            object.put(sequence(tags::CONTENT_SEQUENCE, outer));
        }),
    ];
    for (code, change) in changes {
        refused(code, &change);
    }
    assert_eq!(taken(result(), &rows(), "clinic").err(), Some(Refusal::OtherDestination));
}

#[test]
fn results_may_refer_to_each_other_if_they_come_together() {
    let report = || {
        let mut report = result();
        report.put_text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.826.9");
        let other = item(&[(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.826.1")]);
        report.put(sequence(tags::REFERENCED_IMAGE_SEQUENCE, other));
        report
    };
    let alone = taken(report(), &rows(), "lab").err();
    assert_eq!(alone, Some(Refusal::Reference(tags::REFERENCED_SOP_INSTANCE_UID)));
    let mut companions = Companions::default();
    companions.add(&report()).unwrap();
    companions.add(&result()).unwrap();
    assert_eq!(companions.add(&result()), Err(Refusal::Repeated));
    let rows = rows();
    let way = Reidentifier::new(&rows, "lab", &UIDS, TODAY.parse().unwrap());
    let [report, segments] =
        [report(), result()].map(|object| way.reidentify(object, &companions).unwrap());
    let referred =
        nested(&report, tags::REFERENCED_IMAGE_SEQUENCE, tags::REFERENCED_SOP_INSTANCE_UID);
    assert_eq!(Some(referred), segments.text(tags::SOP_INSTANCE_UID));
}

/// What comes later may refer to what came before, by the class that it had, and nothing comes again as something else.
#[test]
fn later_results_refer_to_earlier_ones() {
    let rows = rows();
    let first = Calling::of(&result()).unwrap();
    let mut earlier = Earlier::default();
    earlier.add(&UIDS, STUDY, &first, "as it was".to_owned());
    let judged = |class: &str, earlier: &Earlier| {
        let mut later = result();
        later.put_text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.826.9");
        later.put(sequence(
            tags::SOURCE_IMAGE_SEQUENCE,
            item(&[
                (tags::REFERENCED_SOP_CLASS_UID, VR::UI, class),
                (tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.826.1"),
            ]),
        ));
        let mut companions = Companions::after(earlier.clone());
        companions.add(&later)?;
        Reidentifier::new(&rows, "lab", &UIDS, TODAY.parse().unwrap())
            .reidentify(later, &companions)
    };
    let inside = judged(uids::SEGMENTATION_STORAGE, &earlier).unwrap();
    let uid = nested(&inside, tags::SOURCE_IMAGE_SEQUENCE, tags::REFERENCED_SOP_INSTANCE_UID);
    assert_eq!(uid, UIDS.uid(STUDY, "1.2.826.1"));
    let refused = |class, earlier: &Earlier| judged(class, earlier).map(drop).unwrap_err();
    assert_eq!(refused(uids::CT_IMAGE_STORAGE, &earlier), Refusal::ReferencedClass);
    let reference = Refusal::Reference(tags::REFERENCED_SOP_INSTANCE_UID);
    assert_eq!(refused(uids::SEGMENTATION_STORAGE, &Earlier::default()), reference);
    let mut of_another = Earlier::default();
    of_another.add(&UIDS, "2.25.101", &first, "as it was".to_owned());
    assert_eq!(refused(uids::SEGMENTATION_STORAGE, &of_another), reference);
    assert_eq!(earlier.require_same(&UIDS, STUDY, &first, "as it was"), Ok(()));
    assert_eq!(earlier.require_same(&UIDS, STUDY, &first, "another"), Err(Refusal::Changed));
    let text = serde_json::to_string(&earlier).unwrap();
    assert!(!text.contains("1.2.826.1") && !text.contains(STUDY), "{text}");
}

#[test]
fn images_come_back_only_if_they_were_derived() {
    let image = |kind: &str| {
        let mut image = result();
        image.put_text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
        image.put_text(tags::IMAGE_TYPE, VR::CS, kind);
        taken(image, &rows(), "lab").map(drop)
    };
    assert_eq!(image("DERIVED\\SECONDARY"), Ok(()));
    assert_eq!(image("ORIGINAL\\PRIMARY"), Err(Refusal::NotDerived));
}
