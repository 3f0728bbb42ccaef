use super::text::{Known, Retained};
use super::*;
use crate::dicom::dataset::{Element, text_of};
use crate::key::RootKey;
use crate::profile::language;
use crate::standard::{self, Action};
use dicom_core::value::{DataSetSequence, Value};
use dicom_dictionary_std::uids;
use dicom_object::InMemDicomObject;
use std::sync::LazyLock;

static ROOT: LazyLock<RootKey> = LazyLock::new(|| RootKey::generate().unwrap());

fn profile() -> Profile {
    language::parse("basic.yaml", include_str!("../../profiles/basic.yaml")).unwrap()
}

fn text(tag: Tag, vr: VR, value: &str) -> Element {
    Element::new(tag, vr, PrimitiveValue::from(value))
}

fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> Element {
    Element::new(tag, VR::SQ, Value::from(DataSetSequence::from(items)))
}

fn ct() -> InMemDicomObject {
    let mut object = InMemDicomObject::from_element_iter([
        text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4"),
        text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3"),
        text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1"),
        text(tags::PATIENT_ID, VR::LO, "MRN-4711"),
        text(tags::PATIENT_NAME, VR::PN, "DOE^JANE"),
        text(tags::ACCESSION_NUMBER, VR::SH, "A-1"),
        text(tags::MODALITY, VR::CS, "CT"),
    ]);
    object.put_element(Element::new(
        tags::IMAGE_TYPE,
        VR::CS,
        PrimitiveValue::Strs(vec!["ORIGINAL".to_owned(), "PRIMARY".to_owned()].into()),
    ));
    object
}

fn scrub(object: InMemDicomObject) -> (Dataset, Report) {
    let (out, _, report) = scrub_with(&profile(), object, PixelStatement::UNTOUCHED);
    (out, report)
}

fn scrub_with(
    profile: &Profile,
    object: InMemDicomObject,
    pixels: PixelStatement,
) -> (Dataset, Claims, Report) {
    let pseudonyms = Pseudonyms::new(&ROOT, "lab");
    let source = Dataset::from(object);
    let mut known = Known::default();
    known.observe(&source);
    let cleaner = known.cleaner(Retained::by(profile.options()));
    let by_rule = known.cleaner(Retained::BY_RULE);
    let subject = Subject::of(&source).unwrap();
    let engine = Engine::new(profile, &pseudonyms, &cleaner).with_rules_cleaned_by(&by_rule);
    engine.scrub(source, &subject, pixels)
}

#[test]
fn identity_becomes_pseudonyms() {
    let (out, report) = scrub(ct());
    let pseudonyms = Pseudonyms::new(&ROOT, "lab");
    let patient = pseudonyms.patient("", "MRN-4711");
    assert_eq!(out.text(tags::PATIENT_ID), Some(patient.clone()));
    assert_eq!(out.text(tags::PATIENT_NAME), Some(patient));
    assert_eq!(out.text(tags::ACCESSION_NUMBER), Some(pseudonyms.accession("", "A-1")));
    assert_eq!(out.text(tags::SOP_INSTANCE_UID), Some(pseudonyms.uid("1.2.3.4")));
    assert_eq!(out.text(tags::SOP_CLASS_UID), Some(uids::CT_IMAGE_STORAGE.to_owned()));
    assert_eq!(out.text(tags::PATIENT_IDENTITY_REMOVED), Some("YES".to_owned()));
    assert!(report.total(Action::U) >= 3);
}

#[test]
fn rules_hold_at_every_depth() {
    let mut object = ct();
    let deep = InMemDicomObject::from_element_iter([
        text(tags::PATIENT_NAME, VR::PN, "DOE^JANE"),
        text(tags::STATION_NAME, VR::SH, "CT-1"),
        text(Tag(0x0011, 0x1001), VR::LO, "private"),
        text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3.9"),
        text(tags::CODE_VALUE, VR::SH, "kept"),
    ]);
    let middle = InMemDicomObject::from_element_iter([sequence(
        tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
        vec![deep],
    )]);
    object.put_element(sequence(tags::REFERENCED_IMAGE_SEQUENCE, vec![middle]));
    let out = scrub(object).0.into_object();
    let middle = &out.get(tags::REFERENCED_IMAGE_SEQUENCE).unwrap().items().unwrap()[0];
    let deep = &middle.get(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE).unwrap().items().unwrap()[0];
    assert_eq!(deep.get(tags::PATIENT_NAME).unwrap().value().multiplicity(), 0);
    assert_eq!(text_of(deep.get(tags::STATION_NAME).unwrap()).as_deref(), Some("REMOVED"));
    assert!(deep.get(Tag(0x0011, 0x1001)).is_none());
    let reference = text_of(deep.get(tags::REFERENCED_SOP_INSTANCE_UID).unwrap()).unwrap();
    assert_eq!(reference, Pseudonyms::new(&ROOT, "lab").uid("1.2.3.9"));
    assert_eq!(text_of(deep.get(tags::CODE_VALUE).unwrap()).as_deref(), Some("kept"));
}

/// Every row of the Basic Profile: a value planted there does not come out.
#[test]
fn no_listed_element_keeps_its_value() {
    use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
    for tag in standard::listed_tags() {
        let vr = dicom_dictionary_std::StandardDataDictionary.by_tag(tag).unwrap().vr().relaxed();
        let canary = match vr {
            VR::SQ => sequence(
                tag,
                vec![InMemDicomObject::from_element_iter([text(
                    tags::PATIENT_COMMENTS,
                    VR::LT,
                    "CANARY",
                )])],
            ),
            VR::UI => text(tag, vr, "1.99.77.55"),
            VR::OB | VR::OW | VR::UN => {
                Element::new(tag, vr, PrimitiveValue::U8(b"CANARY".as_slice().into()))
            }
            VR::FD => Element::new(tag, vr, PrimitiveValue::from(1234.5_f64)),
            VR::FL => Element::new(tag, vr, PrimitiveValue::from(1234.5_f32)),
            VR::US | VR::UL | VR::SL | VR::SS => continue,
            _ => text(tag, vr, "CANARY"),
        };
        let mut object = ct();
        if object.get(tag).is_none() {
            object.put_element(canary);
        }
        let bytes = scrub(object).0.encode().unwrap();
        for trace in [b"CANARY".as_slice(), b"1.99.77.55", b"1.2.3.4", b"MRN-4711", b"DOE"] {
            assert!(!bytes.windows(trace.len()).any(|w| w == trace), "{tag} {vr}");
        }
    }
}

#[test]
fn what_does_not_decode_is_emptied() {
    let mut object = ct();
    object.put_element(text(tags::CONTRAST_BOLUS_INGREDIENT, VR::LO, "J\u{fffd}r"));
    object.put_element(text(tags::MANUFACTURER, VR::LO, "Müller"));
    let out = scrub(object).0;
    assert!(out.has(tags::CONTRAST_BOLUS_INGREDIENT));
    assert_eq!(out.text(tags::CONTRAST_BOLUS_INGREDIENT), None);
    assert_eq!(out.text(tags::MANUFACTURER).as_deref(), Some("Müller"));
}

#[test]
fn what_must_have_a_value_has_a_dummy_when_nothing_may_stay() {
    let mut object = ct();
    let mut code = InMemDicomObject::new_empty();
    code.put_element(text(tags::CODE_VALUE, VR::SH, "CHEST1"));
    code.put_element(text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "MRN-4711"));
    code.put_element(text(tags::CODING_SCHEME_VERSION, VR::SH, "20091021"));
    object.put_element(sequence(tags::PROCEDURE_CODE_SEQUENCE, vec![code]));
    object.put_element(text(tags::ACQUISITION_PROTOCOL_NAME, VR::LO, "JANE DOE"));
    object.put_element(text(tags::BODY_PART_EXAMINED, VR::CS, "JANE"));
    object.put_element(text(tags::METABOLITE_MAP_DESCRIPTION, VR::ST, "NAA of JANE"));
    object.put_element(text(tags::PATIENT_SPECIES_DESCRIPTION, VR::LO, "Canis lupus"));
    object.put_element(text(tags::RESPONSIBLE_PERSON, VR::PN, "DOE^JOHN"));
    let out = scrub(object).0;
    for (tag, wanted) in [
        (tags::ACQUISITION_PROTOCOL_NAME, Some("REMOVED")),
        (tags::METABOLITE_MAP_DESCRIPTION, Some("REMOVED")),
        (tags::BODY_PART_EXAMINED, None),
        (tags::RESPONSIBLE_PERSON, None),
        (tags::RESPONSIBLE_ORGANIZATION, None),
    ] {
        assert!(out.has(tag), "{tag}");
        assert_eq!(out.text(tag).as_deref(), wanted, "{tag}");
    }
    let codes = out.object().get(tags::PROCEDURE_CODE_SEQUENCE).unwrap();
    let code = |tag| text_of(codes.items().unwrap()[0].get(tag).unwrap()).unwrap();
    assert_eq!(code(tags::CODING_SCHEME_DESIGNATOR), "REMOVED");
    assert_eq!(code(tags::CODING_SCHEME_VERSION), "20091021");
}

#[test]
fn dates_that_cannot_be_moved_are_dummies_where_there_has_to_be_one() {
    let options = "options: [Retain Longitudinal Temporal Information Modified Dates]\n";
    let profile = language::tests::profile(options);
    let series_date = |sop_class| {
        let mut object = ct();
        object.put_element(text(tags::SOP_CLASS_UID, VR::UI, sop_class));
        object.put_element(text(tags::SERIES_DATE, VR::DA, "19600101"));
        let (out, ..) = scrub_with(&profile, object, PixelStatement::UNTOUCHED);
        out.text(tags::SERIES_DATE)
    };
    let pet = uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE;
    assert_eq!(series_date(pet).as_deref(), Some("19000101"));
    assert_eq!(series_date(uids::CT_IMAGE_STORAGE), None);
}

#[test]
fn a_service_stays_only_if_its_name_is_words_of_the_field() {
    let options = "options: [Clean Descriptors]\n";
    let profile = language::tests::profile(options);
    for (service, stays) in [("Radiology", true), ("177", false), ("N", false), ("Ward A4", false)]
    {
        let mut object = ct();
        object.put_element(text(tags::REQUESTING_SERVICE, VR::LO, service));
        let (out, ..) = scrub_with(&profile, object, PixelStatement::UNTOUCHED);
        assert_eq!(out.text(tags::REQUESTING_SERVICE).is_some(), stays, "{service}");
    }
}

#[test]
fn claims_are_what_was_done() {
    let mut object = ct();
    object.put_element(text(tags::RECOGNIZABLE_VISUAL_FEATURES, VR::CS, "NO"));
    let said = |face, changed| {
        let pixels = PixelStatement { face, text_cleaned: false, changed };
        let (out, claims, _) = scrub_with(&profile(), object.clone(), pixels);
        let codes = out.object().get(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE).unwrap();
        let codes = codes.items().unwrap().len();
        assert_eq!(codes, claims.codes.len());
        let features = out.text(tags::RECOGNIZABLE_VISUAL_FEATURES);
        (codes, features, out.text(tags::IMAGE_TYPE).unwrap())
    };
    let yes_no = |s: &str| Some(s.to_owned());
    assert_eq!(said(FaceStatement::Removed, true), (2, yes_no("NO"), "DERIVED".into()));
    let bones = said(FaceStatement::SoftTissueRemoved, true);
    assert_eq!(bones, (1, yes_no("YES"), "DERIVED".into()), "113102 would not be true");
    assert_eq!(said(FaceStatement::Left, false), (1, yes_no("YES"), "ORIGINAL".into()));
    assert_eq!(said(FaceStatement::Silent, false), (1, None, "ORIGINAL".into()));
}

/// What efface writes itself is what `efface profile explain` says that it writes.
#[test]
fn what_the_engine_writes_is_known_to_those_who_explain_it() {
    use crate::profile::words::is_written;
    let pixels =
        PixelStatement { face: FaceStatement::Removed, text_cleaned: false, changed: true };
    let (out, ..) = scrub_with(&profile(), ct(), pixels);
    let source = ct();
    let tags = out.object().iter().map(|element| element.header().tag);
    let new: Vec<Tag> = tags.filter(|tag| source.get(*tag).is_none()).collect();
    assert_eq!(new.len(), 5);
    for tag in new {
        assert!(is_written(tag), "{tag}");
    }
}

#[test]
fn an_object_without_identity_is_refused() {
    let mut object = ct();
    object.put_element(text(tags::STUDY_INSTANCE_UID, VR::UI, "../../etc"));
    assert!(Subject::of(&Dataset::from(object)).is_err());
}

fn under(rest: &str, object: InMemDicomObject) -> (Dataset, Claims, Report) {
    let profile = language::tests::profile(rest);
    scrub_with(&profile, object, PixelStatement::UNTOUCHED)
}

fn with(elements: Vec<Element>) -> InMemDicomObject {
    let mut object = ct();
    elements.into_iter().for_each(|element| {
        object.put_element(element);
    });
    object
}

const SHIFT: &str = "options: [Retain Longitudinal Temporal Information Modified Dates]\n";

/// Peers deleted multi-valued dates, and shifted constants that give the shift away.
#[test]
fn dates_are_moved_in_every_value_and_constants_are_not() {
    let dates = ["20240110".to_owned(), "20240111".to_owned()];
    let (out, claims, _) = under(
        SHIFT,
        with(vec![
            text(tags::STUDY_DATE, VR::DA, "20240110"),
            Element::new(tags::CALIBRATION_DATE, VR::DA, PrimitiveValue::Strs(dates.into())),
            text(tags::SERIES_DATE, VR::DA, "19000101"),
            text(tags::STUDY_TIME, VR::TM, "101112"),
            text(tags::PATIENT_BIRTH_DATE, VR::DA, "19610417"),
        ]),
    );
    let DateRule::Back(days) = claims.dates else { panic!("dates are moved") };
    let back = |day| DateRule::Back(days).apply(VR::DA, day);
    assert_eq!(out.text(tags::STUDY_DATE), back("20240110"));
    let both = out.texts(tags::CALIBRATION_DATE);
    assert_eq!(
        both.into_iter().map(Some).collect::<Vec<_>>(),
        [back("20240110"), back("20240111")]
    );
    assert_eq!(out.text(tags::SERIES_DATE), None);
    assert_eq!(out.text(tags::STUDY_TIME).as_deref(), Some("101112"));
    assert_eq!(out.text(tags::PATIENT_BIRTH_DATE), None);
    assert_eq!(claims.longitudinal, "MODIFIED");
    assert_eq!(claims.codes, ["113100", "113107"]);
}

/// The character set is what the text is written in, whatever numbers the patient has.
#[test]
fn the_character_set_is_not_cleaned() {
    let (out, ..) = under(
        "",
        with(vec![
            text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
            text(tags::STUDY_ID, VR::SH, "192"),
            text(tags::MANUFACTURER, VR::LO, "Müller"),
        ]),
    );
    assert_eq!(out.text(tags::SPECIFIC_CHARACTER_SET).as_deref(), Some("ISO_IR 192"));
    assert!(out.encode().is_ok());
}

/// An option is claimed when it decided about something, and only then.
#[test]
fn an_option_that_found_nothing_to_do_is_not_claimed() {
    let options = "options: [Clean Descriptors, Retain Device Identity, Clean Graphics]\n";
    let none = with(vec![]);
    assert_eq!(under(options, none).1.codes, ["113100"]);
    let one = with(vec![text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "65123")]);
    let (out, claims, report) = under(options, one);
    assert_eq!(claims.codes, ["113100", "113109"]);
    assert_eq!(out.text(tags::DEVICE_SERIAL_NUMBER).as_deref(), Some("65123"));
    assert_eq!(report.total(Action::K), 4); // with SOP Class UID, Modality, Image Type
}

#[test]
fn text_of_graphics_is_cleaned_not_emptied() {
    let object = InMemDicomObject::from_element_iter([text(
        tags::UNFORMATTED_TEXT_VALUE,
        VR::ST,
        "nodule, seen by Jane Doe",
    )]);
    let layer =
        InMemDicomObject::from_element_iter([sequence(tags::TEXT_OBJECT_SEQUENCE, vec![object])]);
    let graphics = || with(vec![sequence(tags::GRAPHIC_ANNOTATION_SEQUENCE, vec![layer.clone()])]);
    let (out, claims, _) = under("options: [Clean Graphics]\n", graphics());
    assert_eq!(claims.codes, ["113100", "113103"]);
    let bytes = out.encode().unwrap();
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(has(b"nodule") && !has(b"Jane") && !has(b"Doe"));
    let (out, ..) = under("", graphics());
    assert!(!out.has(tags::GRAPHIC_ANNOTATION_SEQUENCE));
}

#[test]
fn safe_private_elements_keep_their_creator_and_others_go() {
    let creator = |element| Tag(0x0019, element);
    let object = || {
        with(vec![
            text(creator(0x0010), VR::LO, "SIEMENS MR HEADER"),
            text(creator(0x0011), VR::LO, "ACME"),
            // B value: IS by the table, but it came in implicit VR.
            Element::new(creator(0x100C), VR::UN, PrimitiveValue::U8(b"1000".as_slice().into())),
            text(creator(0x10FE), VR::LO, "Doe"),
            text(creator(0x1101), VR::LO, "Doe"),
        ])
    };
    let (out, claims, _) = under("options: [Retain Safe Private]\n", object());
    let private = |out: &Dataset| -> Vec<u16> {
        let own = out.object().iter().filter(|e| e.header().tag.group() == 0x0019);
        own.map(|e| e.header().tag.element()).collect()
    };
    assert_eq!(private(&out), [0x0010, 0x100C]);
    let value = out.object().get(creator(0x100C)).unwrap();
    assert_eq!((value.vr(), text_of(value).as_deref()), (VR::IS, Some("1000")));
    assert_eq!(claims.codes, ["113100", "113111"]);
    assert!(private(&under("", object()).0).is_empty());
}

#[test]
fn rules_treat_values_as_they_say() {
    let rules = "rules:\n  - { keyword: InstitutionName, replace: SITE 7 }\n  - { keyword: DeviceSerialNumber, hash: 8, because: \"told apart\" }\n  - { keyword: PatientAge, age_cap: 89, because: \"a covariate\" }\n  - { keyword: PatientWeight, round_to: 5, because: \"a covariate\" }\n  - { keyword: ProtocolName, keep_words: [head, ct], because: \"what it is\" }\n  - { keyword: StationName, map: { ct-1: A }, because: \"told apart\" }\n";
    let (out, _, report) = under(
        rules,
        with(vec![
            text(tags::INSTITUTION_NAME, VR::LO, "St Vitus"),
            text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "65123"),
            text(tags::PATIENT_AGE, VR::AS, "093Y"),
            text(tags::PATIENT_WEIGHT, VR::DS, "72.4"),
            text(tags::PROTOCOL_NAME, VR::LO, "CT of head, Doe"),
            text(tags::STATION_NAME, VR::SH, "CT-1"),
        ]),
    );
    let token = Pseudonyms::new(&ROOT, "lab").token(tags::DEVICE_SERIAL_NUMBER, "65123", 8);
    for (tag, wanted) in [
        (tags::INSTITUTION_NAME, "SITE 7"),
        (tags::DEVICE_SERIAL_NUMBER, token.as_str()),
        (tags::PATIENT_AGE, "090Y"),
        (tags::PATIENT_WEIGHT, "70"),
        (tags::PROTOCOL_NAME, "CT"),
        (tags::STATION_NAME, "A"),
    ] {
        assert_eq!(out.text(tag).as_deref(), Some(wanted), "{tag}");
    }
    assert_eq!(report.by_rule().len(), 6);
}

/// A rule that keeps the station's name keeps it, but not the name of a patient in it.
#[test]
fn what_a_rule_keeps_is_not_taken_by_the_cleaner() {
    let rules = "rules:\n  - { keyword: StationName, action: K, because: \"told apart\" }\n";
    let kept = |name| {
        let object = with(vec![text(tags::STATION_NAME, VR::SH, name)]);
        under(rules, object).0.text(tags::STATION_NAME)
    };
    assert_eq!(kept("CTAWP771").as_deref(), Some("CTAWP771"));
    assert_eq!(kept("MRN-4711"), None);
}

#[test]
fn every_uid_of_a_list_is_mapped_and_none_when_they_are_retained() {
    let uids = ["", "1.2.840.10008.1.2", "1.2.3.77"].map(str::to_owned);
    let list = || {
        let value = PrimitiveValue::Strs(uids.to_vec().into());
        with(vec![Element::new(tags::RELATED_GENERAL_SOP_CLASS_UID, VR::UI, value)])
    };
    let mapped = Pseudonyms::new(&ROOT, "lab").uid("1.2.3.77");
    let (out, ..) = under("", list());
    let texts = out.texts(tags::RELATED_GENERAL_SOP_CLASS_UID);
    assert_eq!(texts, ["", "1.2.840.10008.1.2", &mapped]);
    let (out, claims, _) = under("options: [Retain UIDs]\n", list());
    assert_eq!(out.text(tags::SOP_INSTANCE_UID).as_deref(), Some("1.2.3.4"));
    assert_eq!(claims.codes, ["113100", "113110"]);
}
