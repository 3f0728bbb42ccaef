mod trees;

use super::form::sequence;
use super::*;
use crate::dicom::dataset::text_of;
use crate::standard::Annex::{self, *};
use dicom_core::header::Header;
use dicom_core::value::{PrimitiveValue, Value};
use dicom_core::{DataElement, Tag};
use dicom_dictionary_std::tags;

/// An engine of few words. Knows one name and one patient number; drops DT elements that it is given.
#[derive(Default)]
struct Fake {
    dates: Option<fn(&str) -> String>,
    met: Vec<Tag>,
    /// What the profile empties.
    emptied: Option<Tag>,
}

impl Hands for Fake {
    fn clean_text(&mut self, text: &str) -> Option<String> {
        (!text.contains('\u{FFFD}')).then(|| text.replace("Schmidt", "[...]"))
    }

    fn date(&mut self, vr: VR, value: &str) -> Option<String> {
        assert!([VR::DA, VR::DT, VR::TM].contains(&vr));
        self.dates.map(|dates| dates(value))
    }

    fn element(&mut self, element: Element) -> Option<Element> {
        assert!(element.tag() != tags::CONTENT_SEQUENCE && element.tag().group().is_multiple_of(2));
        self.met.push(element.tag());
        match element.vr() {
            vr if self.emptied == Some(element.tag()) => Some(Element::empty(element.tag(), vr)),
            VR::DT => None,
            VR::SQ => {
                let items = element.value().items().unwrap().iter().cloned();
                let items = items.map(|item| {
                    let inner = item.into_iter().filter_map(|e| self.element(e));
                    InMemDicomObject::from_element_iter(inner.collect::<Vec<_>>())
                });
                Some(Element::new(element.tag(), VR::SQ, sequence(items.collect())))
            }
            VR::UI if !element.to_str().unwrap().starts_with("1.2.840.10008.") => {
                let mapped = self.map_uid(&text_of(&element).unwrap());
                Some(text(element.tag(), VR::UI, &mapped))
            }
            _ => Some(element),
        }
    }

    fn map_uid(&mut self, uid: &str) -> String {
        format!("2.25.{}", uid.len())
    }
}

fn text(tag: Tag, vr: VR, value: &str) -> Element {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

fn nested(tag: Tag, items: Vec<InMemDicomObject>) -> Element {
    DataElement::new(tag, VR::SQ, sequence(items))
}

fn coded(code: &str, scheme: &str, meaning: &str) -> InMemDicomObject {
    InMemDicomObject::from_element_iter([
        text(tags::CODE_VALUE, VR::SH, code),
        text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme),
        text(tags::CODE_MEANING, VR::LO, meaning),
    ])
}

/// An item whose concept is written "code scheme"; "" for none.
fn item(value_type: &str, concept: &str, value: Option<Element>) -> InMemDicomObject {
    let mut item = InMemDicomObject::from_element_iter(value);
    item.put(text(tags::RELATIONSHIP_TYPE, VR::CS, "CONTAINS"));
    item.put(text(tags::VALUE_TYPE, VR::CS, value_type));
    if let Some((code, scheme)) = concept.split_once(' ') {
        item.put(nested(tags::CONCEPT_NAME_CODE_SEQUENCE, vec![coded(code, scheme, "a name")]));
    }
    item
}

fn words(concept: &str, value: &str) -> InMemDicomObject {
    item("TEXT", concept, Some(text(tags::TEXT_VALUE, VR::UT, value)))
}

fn person(concept: &str) -> InMemDicomObject {
    item("PNAME", concept, Some(text(tags::PERSON_NAME, VR::PN, "Schmidt^Anna")))
}

fn uid(concept: &str) -> InMemDicomObject {
    item("UIDREF", concept, Some(text(tags::UID, VR::UI, "1.2.3")))
}

fn datetime(concept: &str) -> InMemDicomObject {
    item("DATETIME", concept, Some(text(tags::DATE_TIME, VR::DT, "20240131120000")))
}

fn code(concept: &str, code: InMemDicomObject) -> InMemDicomObject {
    item("CODE", concept, Some(nested(tags::CONCEPT_CODE_SEQUENCE, vec![code])))
}

fn number(concept: &str) -> InMemDicomObject {
    let mut value = InMemDicomObject::from_element_iter([text(tags::NUMERIC_VALUE, VR::DS, "34")]);
    value.put(nested(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, vec![coded("mm", "UCUM", "mm")]));
    item("NUM", concept, Some(nested(tags::MEASURED_VALUE_SEQUENCE, vec![value])))
}

fn image(concept: &str) -> InMemDicomObject {
    let reference = InMemDicomObject::from_element_iter([
        text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.2"),
        text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3"),
    ]);
    item("IMAGE", concept, Some(nested(tags::REFERENCED_SOP_SEQUENCE, vec![reference])))
}

fn outline(children: Vec<InMemDicomObject>) -> InMemDicomObject {
    let points = PrimitiveValue::F32([1.0, 2.0].as_slice().into());
    let mut item = item("SCOORD", "", Some(DataElement::new(tags::GRAPHIC_DATA, VR::FL, points)));
    item.put(text(tags::GRAPHIC_TYPE, VR::CS, "POINT"));
    holding(item, children)
}

fn container(concept: &str, children: Vec<InMemDicomObject>) -> InMemDicomObject {
    let continuity = text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE");
    holding(item("CONTAINER", concept, Some(continuity)), children)
}

fn holding(mut item: InMemDicomObject, children: Vec<InMemDicomObject>) -> InMemDicomObject {
    item.put(nested(tags::CONTENT_SEQUENCE, children));
    item
}

fn selected(mut item: InMemDicomObject) -> InMemDicomObject {
    item.put(text(tags::RELATIONSHIP_TYPE, VR::CS, "SELECTED FROM"));
    item
}

fn reference(path: &[u32]) -> InMemDicomObject {
    let path = PrimitiveValue::U32(path.into());
    InMemDicomObject::from_element_iter([
        text(tags::RELATIONSHIP_TYPE, VR::CS, "INFERRED FROM"),
        DataElement::new(tags::REFERENCED_CONTENT_ITEM_IDENTIFIER, VR::UL, Value::from(path)),
    ])
}

/// A tree in a line: each item's value, children in brackets.
fn shown(items: &[InMemDicomObject]) -> String {
    let items: Vec<String> = items.iter().map(shown_item).collect();
    items.join(" ")
}

fn shown_item(item: &InMemDicomObject) -> String {
    let code = |items: &[InMemDicomObject]| items[0].get(tags::CODE_VALUE).and_then(text_of);
    let value = item.iter().find_map(|e| match e.tag() {
        tags::TEXT_VALUE
        | tags::PERSON_NAME
        | tags::UID
        | tags::DATE
        | tags::TIME
        | tags::DATE_TIME => text_of(e),
        tags::REFERENCED_CONTENT_ITEM_IDENTIFIER => {
            Some(format!("->{:?}", e.value().to_multi_int::<u32>().unwrap()))
        }
        tags::CONCEPT_CODE_SEQUENCE => code(e.items()?),
        tags::REFERENCED_SOP_SEQUENCE => {
            e.items()?[0].get(tags::REFERENCED_SOP_INSTANCE_UID).and_then(text_of)
        }
        tags::MEASURED_VALUE_SEQUENCE => e
            .items()?
            .first()
            .map_or(Some("-".into()), |v| v.get(tags::NUMERIC_VALUE).and_then(text_of)),
        tags::GRAPHIC_DATA => Some("outline".into()),
        _ => None,
    });
    let value = value.unwrap_or_default();
    match item.get(tags::CONTENT_SEQUENCE).and_then(Element::items) {
        Some(children) => format!("{value}[{}]", shown(children)),
        None => value,
    }
}

fn cleaned(items: Vec<InMemDicomObject>, options: &[Annex], hands: &mut Fake) -> Content {
    clean(items, options.iter().copied().collect(), hands)
}

fn left(items: Vec<InMemDicomObject>, options: &[Annex]) -> String {
    shown(&cleaned(items, options, &mut Fake::default()).items)
}

fn dose_report() -> Vec<InMemDicomObject> {
    vec![
        code("121005 DCM", coded("121007", "DCM", "Device")),
        uid("121012 DCM"),
        words("121013 DCM", "CT of Dr. Schmidt"),
        words("121016 DCM", "SN 4711"),
        datetime("113809 DCM"),
        container(
            "113819 DCM",
            vec![words("125203 DCM", "Head for Schmidt"), uid("113769 DCM"), number("113824 DCM")],
        ),
        container("113876 DCM", vec![person("113870 DCM"), words("113871 DCM", "0815")]),
        number("121033 DCM"),
        words("121030 DCM", "4711"),
    ]
}

#[test]
fn a_dose_report_keeps_its_numbers_and_nobody() {
    let basic = "121007 2.25.5 19000101000000 [2.25.5 34] [REMOVED] REMOVED";
    assert_eq!(left(dose_report(), &[]), basic);
    let devices =
        "121007 1.2.3 CT of Dr. [...] SN 4711 19000101000000 [2.25.5 34] [REMOVED] REMOVED";
    assert_eq!(left(dose_report(), &[RetainDeviceIdentity]), devices);
    let all = "121007 1.2.3 CT of Dr. [...] SN 4711 19000101000000 [Head for [...] 1.2.3 34] [REMOVED] 34 REMOVED";
    assert_eq!(left(dose_report(), &Annex::ALL), all);
}

#[test]
fn counts_and_options_say_what_was_done() {
    let options = [RetainDeviceIdentity, RetainUids, CleanDescriptors, RetainSafePrivate];
    let content = cleaned(dose_report(), &options, &mut Fake::default());
    let counts: Vec<(Outcome, u64)> = content.counts.into_iter().collect();
    use Outcome::*;
    assert_eq!(counts, [(Kept, 7), (Cleaned, 2), (Dummied, 3), (Removed, 2)]);
    let decided: Vec<Annex> = content.decided.iter().collect();
    assert_eq!(decided, [CleanDescriptors, RetainDeviceIdentity, RetainUids]);
    assert_eq!(cleaned(dose_report(), &[], &mut Fake::default()).decided, Options::NONE);
}

#[test]
fn a_measurement_report_keeps_what_was_measured() {
    let report = || {
        vec![
            person("121008 DCM"),
            container(
                "126010 DCM",
                vec![container(
                    "125007 DCM",
                    vec![
                        words("112039 DCM", "Lesion of Schmidt"),
                        uid("112040 DCM"),
                        code("121071 DCM", coded("4147007", "SCT", "Mass")),
                        code("363698007 SCT", coded("39607008", "SCT", "Lung")),
                        holding(number("410668003 SCT"), vec![image("121112 DCM")]),
                        words("121106 DCM", "Anna Schmidt again"),
                    ],
                )],
            ),
        ]
    };
    let basic = "REMOVED [[REMOVED 2.25.5 4147007 39607008 34[2.25.5]]]";
    assert_eq!(left(report(), &[]), basic);
    let described =
        "REMOVED [[Lesion of [...] 2.25.5 4147007 39607008 34[2.25.5] Anna [...] again]]";
    assert_eq!(left(report(), &[CleanDescriptors]), described);
}

#[test]
fn words_go_unless_descriptors_are_cleaned() {
    let findings = || {
        vec![
            words("121071 DCM", "Mrs. Schmidt has a cold"),
            words("121077 DCM", "Well"),
            words("77 99LOCAL", "Anything"),
            holding(words("121077 DCM", "Two"), vec![number("410668003 SCT")]),
            holding(words("121022 DCM", "A17"), vec![number("410668003 SCT")]),
            words("121106 DCM", "\u{FFFD}"),
        ]
    };
    assert_eq!(left(findings(), &[]), "REMOVED REMOVED[34]");
    assert_eq!(
        left(findings(), &[CleanDescriptors]),
        "Mrs. [...] has a cold Well Anything Two[34]"
    );
}

#[test]
fn names_of_persons_never_stay() {
    let names = || vec![person("121008 DCM"), person("121036 DCM"), person("77 99LOCAL")];
    assert_eq!(left(names(), &[]), "REMOVED");
    assert_eq!(left(names(), &Annex::ALL), "REMOVED");
}

#[test]
fn dates_follow_the_policy_but_for_a_birth_date() {
    let dates = || {
        vec![
            datetime("113809 DCM"), // Start of X-Ray Irradiation: D
            datetime("111526 DCM"), // DateTime Started: X/D
            datetime("122165 DCM"), // DateTime of Death: X
            datetime("77 99LOCAL"),
            datetime("121031 DCM"), // Subject Birth Date, in another value type
            item("DATE", "21112-8 LN", Some(text(tags::DATE, VR::DA, "19600101"))),
            words("121031 DCM", "born in 1960"),
            words("111526 DCM", "in 2024"),
        ]
    };
    let shown_with = |dates_policy, options: &[Annex]| {
        let mut hands = Fake { dates: dates_policy, ..Fake::default() };
        shown(&cleaned(dates(), options, &mut hands).items)
    };
    assert_eq!(shown_with(None, &[]), "19000101000000 19000101000000");
    let full: fn(&str) -> String = str::to_owned;
    let day = "20240131120000";
    assert_eq!(shown_with(Some(full), &[RetainFullDates]), [day; 4].join(" "));
    let shifted: fn(&str) -> String = |_| "20230101120000".into();
    let other_day = ["20230101120000"; 4].join(" ");
    // Words about a day go: nobody can shift them.
    assert_eq!(shown_with(Some(shifted), &[RetainModifiedDates, CleanDescriptors]), other_day);
}

#[test]
fn a_concept_counts_in_other_value_types_too() {
    // Person ID (TEXT, X), Performing Physician (PNAME, D), Subject Sex (CODE, X) as something else.
    let items = || {
        vec![
            code("113871 DCM", coded("1", "DCM", "")),
            number("113871 DCM"),
            code("121114 DCM", coded("1", "DCM", "")),
            words("121114 DCM", "Schmidt"),
            words("121032 DCM", "F"),
            container("113701 DCM", vec![number("410668003 SCT")]),
        ]
    };
    assert_eq!(left(items(), &[CleanDescriptors]), "[34]");
    let sex = left(items(), &[CleanDescriptors, RetainPatientCharacteristics]);
    assert_eq!(sex, "F [34]");
    assert_eq!(left(vec![number("29463-7 LN"), number("60621009 SCT")], &[]), "34");
}

#[test]
fn an_equivalent_code_is_a_concept_as_well() {
    let mut name = coded("77", "99LOCAL", "Weight");
    name.put(nested(tags::EQUIVALENT_CODE_SEQUENCE, vec![coded("29463-7", "LN", "Weight")]));
    let mut weight = number("");
    weight.put(nested(tags::CONCEPT_NAME_CODE_SEQUENCE, vec![name]));
    assert_eq!(left(vec![weight.clone()], &[]), "");
    assert_eq!(left(vec![weight], &[RetainPatientCharacteristics]), "34");

    // An equivalent that nobody lists takes nothing away.
    let mut name = coded("121013", "DCM", "Device Observer Name");
    name.put(nested(tags::EQUIVALENT_CODE_SEQUENCE, vec![coded("77", "99LOCAL", "Device")]));
    let mut device = words("", "CT 2");
    device.put(nested(tags::CONCEPT_NAME_CODE_SEQUENCE, vec![name]));
    assert_eq!(left(vec![device.clone()], &[RetainDeviceIdentity]), "CT 2");
    assert_eq!(left(vec![device], &[]), "");
}

#[test]
fn codes_of_private_schemes_are_text() {
    let items = vec![
        code("121071 DCM", coded("A1", "99LOCAL", "as Schmidt said")),
        code("121071 DCM", coded("Schmidt", "99LOCAL", "a name for a code")),
        code("121071 DCM", coded("A2", "99Schmidt", "a name for a scheme")),
        code("121071 DCM", coded("1234567", "NPI", "\u{FFFD}")),
        number("Schmidt 99LOCAL"),
        container("Schmidt 99LOCAL", vec![number("410668003 SCT")]),
    ];
    let content = cleaned(items, &[], &mut Fake::default());
    assert_eq!(shown(&content.items), "A1 [34]");
    let codes = content.items[0].get(tags::CONCEPT_CODE_SEQUENCE).unwrap().items().unwrap();
    assert_eq!(text_of(codes[0].get(tags::CODE_MEANING).unwrap()).unwrap(), "as [...] said");
    assert!(content.items[1].get(tags::CONCEPT_NAME_CODE_SEQUENCE).is_none());
}

#[test]
fn an_item_holds_only_what_its_value_type_has() {
    let mut finding = number("410668003 SCT");
    finding.put(text(tags::TEXT_VALUE, VR::UT, "Schmidt"));
    finding.put(text(tags::PERSON_NAME, VR::PN, "Schmidt"));
    finding.put(text(tags::VALUE_TYPE, VR::CS, "NUM\\SCHMIDT"));
    finding.put(text(tags::RELATIONSHIP_TYPE, VR::CS, "CONTAINS\\SCHMIDT"));
    finding.put(text(Tag(0x0041, 0x1001), VR::LO, "Schmidt"));
    finding.put(text(tags::OBSERVATION_DATE_TIME, VR::DT, "20240131"));
    finding.put(text(tags::OBSERVATION_UID, VR::UI, "1.2.3"));
    let mut hands = Fake::default();
    let content = cleaned(vec![finding], &Annex::ALL, &mut hands);
    let tags_left: Vec<Tag> = content.items[0].tags().collect();
    let expected = [
        tags::RELATIONSHIP_TYPE,
        tags::VALUE_TYPE,
        tags::CONCEPT_NAME_CODE_SEQUENCE,
        tags::OBSERVATION_UID,
        tags::MEASURED_VALUE_SEQUENCE,
    ];
    assert_eq!(tags_left, expected);
    assert_eq!(content.items[0].get(tags::VALUE_TYPE).unwrap().to_str().unwrap(), "NUM");
    let relationship = content.items[0].get(tags::RELATIONSHIP_TYPE).unwrap();
    assert_eq!(relationship.to_str().unwrap(), "CONTAINS");
    assert!(hands.met.contains(&tags::OBSERVATION_DATE_TIME));
}

#[test]
fn what_is_no_item_goes() {
    let mut strange = number("410668003 SCT");
    strange.put(text(tags::RELATIONSHIP_TYPE, VR::CS, "TREATED BY SCHMIDT"));
    let mut two_names = number("");
    let names = vec![coded("410668003", "SCT", ""), coded("121033", "DCM", "")];
    two_names.put(nested(tags::CONCEPT_NAME_CODE_SEQUENCE, names));
    let mut wrong_vr = words("121071 DCM", "");
    wrong_vr.put(text(tags::TEXT_VALUE, VR::LO, "Schmidt"));
    let items = vec![
        strange,
        two_names,
        item("TABLE", "121071 DCM", None),
        item("", "121071 DCM", None),
        InMemDicomObject::new_empty(),
        number(""),
        words("", "Schmidt"),
        item("NUM", "410668003 SCT", None),
        item("CODE", "121005 DCM", None),
        wrong_vr,
    ];
    // Finding is X/D: its dummy stands for the value that could not be read.
    assert_eq!(left(items, &Annex::ALL), "REMOVED");
}

#[test]
fn an_item_whose_value_the_profile_empties_goes() {
    for (item, tag) in [
        (image(""), tags::REFERENCED_SOP_SEQUENCE),
        (outline(Vec::new()), tags::GRAPHIC_DATA),
        (code("121005 DCM", coded("121007", "DCM", "Device")), tags::CODE_VALUE),
        (number("410668003 SCT"), tags::CODE_VALUE),
    ] {
        let mut hands = Fake { emptied: Some(tag), ..Fake::default() };
        assert_eq!(shown(&cleaned(vec![item], &[], &mut hands).items), "", "{tag}");
    }
}

#[test]
fn modifiers_of_an_item_are_items() {
    let mut finding = number("410668003 SCT");
    let modifiers =
        vec![person("121114 DCM"), words("121106 DCM", "Schmidt"), number("121033 DCM")];
    finding.put(nested(tags::CONTENT_ITEM_MODIFIER_SEQUENCE, modifiers));
    let content = cleaned(vec![finding], &[], &mut Fake::default());
    let modifiers = content.items[0].get(tags::CONTENT_ITEM_MODIFIER_SEQUENCE).unwrap();
    assert_eq!(shown(modifiers.items().unwrap()), "REMOVED");
    assert_eq!(content.counts.values().sum::<u64>(), 4);
}
