//! Rules that the engine forgets, one by one: every row of PS3.15 Table E.1-1, and every rule for
//! what the table doesn't list.
//!
//! A canary is planted in each element; the engine de-identifies; then the source's element is put
//! back, as an engine without the rule would have left it. The verifier must refuse.

use super::canary::{Sort, canary, items};
use super::trial::{Place, Stays, Trial, bare, found, planted, put, text};
use dicom_core::header::Header;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use efface::custody::verify::{Dates, Kind};
use efface::dicom::dataset::Dataset;
use efface::standard::{self, Action, Annex, Options};

const PLACES: [Place; 2] = [Place::Top, Place::Nested];
const SORTS: [Sort; 2] = [Sort::Telling, Sort::Short];

#[test]
fn every_row_that_is_dropped_is_noticed() {
    let rows = standard::listed_tags();
    assert_eq!(rows.len(), 653);
    for sort in SORTS {
        let trial = Trial::new("", Stays::default(), loaded(&rows, sort));
        trial.control().unwrap();
        let mut missed = Vec::new();
        for tag in &rows {
            for place in PLACES {
                if trial.examine(&trial.put_back(*tag, place)).is_ok() {
                    missed.push(described(*tag, place));
                }
            }
        }
        assert!(missed.is_empty(), "{sort:?}, {} of {}: {missed:#?}", missed.len(), rows.len());
    }
}

/// The options whose column says K or C, and what the verifier is told of each.
#[rustfmt::skip]
const OPTIONS: [(Annex, Stays); 10] = [
    (Annex::CleanGraphics, Stays { kinds: &[], tags: &[0x0070_0001, 0x0070_0006], dates: None }),
    (Annex::CleanStructuredContent, Stays { kinds: &[], tags: &[0x0040_0555, 0x0040_0610, 0x0040_A160, 0x0040_A730, 0x0040_B020, 0x0070_0006], dates: None }),
    (Annex::CleanDescriptors, Stays { kinds: &[Kind::Text], tags: &[], dates: None }),
    (Annex::RetainFullDates, Stays { kinds: &[], tags: &[], dates: Some(Dates::Full) }),
    (Annex::RetainModifiedDates, Stays { kinds: &[], tags: &[], dates: None }),
    (Annex::RetainPatientCharacteristics, Stays { kinds: &[Kind::Characteristic], tags: &[], dates: None }),
    (Annex::RetainDeviceIdentity, Stays { kinds: &[Kind::Device], tags: &[], dates: None }),
    (Annex::RetainUids, Stays { kinds: &[Kind::Uid], tags: &[], dates: None }),
    (Annex::RetainSafePrivate, Stays { kinds: &[Kind::Private], tags: &[], dates: None }),
    (Annex::RetainInstitutionIdentity, Stays { kinds: &[Kind::Institution], tags: &[], dates: None }),
];

/// Rows that an option doesn't touch, and of which the verifier can't say under it that they were
/// dropped.
const EXCUSED: [(Annex, Tag, &str); 3] = [
    (Annex::CleanGraphics, tags::UNFORMATTED_TEXT_VALUE, CLEANED_WITHIN),
    (Annex::CleanStructuredContent, tags::UNFORMATTED_TEXT_VALUE, CLEANED_WITHIN),
    (Annex::RetainUids, tags::UID, "the value of a content item is retained as any other UID"),
];

const CLEANED_WITHIN: &str = "cleaned with the sequence that it belongs into: the verifier hears of the element, not of the sequence";

#[test]
fn an_option_excuses_its_own_rows_and_no_others() {
    let rows = standard::listed_tags();
    let mut wrong = Vec::new();
    for sort in SORTS {
        let source = loaded(&rows, sort);
        let basic = Trial::new("", Stays::default(), source.clone());
        for (option, stays) in OPTIONS {
            let trial = Trial::new(&format!("options: [{option}]\n"), stays, source.clone());
            if let Err(residue) = trial.control() {
                wrong.push(format!("{option} {sort:?}: what leaves is refused: {residue}"));
            }
            for tag in &rows {
                for place in PLACES {
                    let said = of_row(&basic, &trial, option, stays, *tag, place);
                    wrong.extend(
                        said.map(|why| {
                            format!("{option} {sort:?} {}: {why}", described(*tag, place))
                        }),
                    );
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
}

/// What is wrong with how a row is judged under an option.
fn of_row(
    basic: &Trial,
    trial: &Trial,
    option: Annex,
    stays: Stays,
    tag: Tag,
    place: Place,
) -> Option<&'static str> {
    let source = planted(trial.source(), tag, place);
    let options: Options = [option].into_iter().collect();
    match standard::option_action(options, tag).map(|(_, action)| action) {
        Some(Action::K) if is_never_kept(source.vr(), option) || is_banned(tag) => None,
        Some(Action::K) => {
            let put_back = basic.put_back(tag, place);
            if basic.examine_as(&put_back, stays).is_err() {
                Some("is retained, and refused")
            } else if found(&trial.out(), tag, place) != Some(source) && source.vr() != VR::SQ {
                Some("is retained, and did not leave as it is")
            } else {
                basic.examine(&put_back).is_ok().then_some("passes without the option")
            }
        }
        // What was cleaned of nothing is as it was; a date is not.
        Some(_) if !matches!(source.vr(), VR::DA | VR::DT) => None,
        _ => {
            let excused = EXCUSED.iter().any(|row| (row.0, row.1) == (option, tag));
            let refused = trial.examine(&trial.put_back(tag, place)).is_err();
            match (refused, excused) {
                (false, false) => Some("was dropped, and passes"),
                (true, true) => Some("needs no excuse"),
                _ => None,
            }
        }
    }
}

/// UIDs are mapped unless they are retained for their own sake; links never leave.
fn is_never_kept(vr: VR, option: Annex) -> bool {
    vr == VR::UR || vr == VR::UI && option != Annex::RetainUids
}

/// Signatures, original attributes and pictures, whatever the option.
fn is_banned(tag: Tag) -> bool {
    tag.group() == 0x0400
}

/// Names, dates and long text in elements that the table doesn't list; links.
#[test]
fn every_rule_for_a_representation_that_is_dropped_is_noticed() {
    const OF_PEOPLE: [VR; 10] =
        [VR::PN, VR::AE, VR::DA, VR::DT, VR::TM, VR::ST, VR::LT, VR::UC, VR::UT, VR::UR];
    let listed = standard::listed_tags();
    let unlisted = standard::elements().iter().filter(|element| {
        OF_PEOPLE.contains(&element.vr)
            && listed.binary_search(&element.tag).is_err()
            && element.tag != tags::LONG_CODE_VALUE
    });
    let rows: Vec<Tag> = unlisted.map(|element| element.tag).collect();
    assert!(rows.len() > 150, "{}", rows.len());
    for sort in SORTS {
        let trial = Trial::new("", Stays::default(), loaded(&rows, sort));
        trial.control().unwrap();
        for tag in &rows {
            for place in PLACES {
                let put_back = trial.put_back(*tag, place);
                assert!(trial.examine(&put_back).is_err(), "{}", described(*tag, place));
            }
        }
    }
}

/// What goes by its group, or because nobody knows it.
#[test]
fn every_rule_for_a_group_that_is_dropped_is_noticed() {
    let of_bytes = |tag| DataElement::new(tag, VR::OB, PrimitiveValue::U8(vec![1, 2].into()));
    let number = |tag, n: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(n));
    let item = InMemDicomObject::from_element_iter([text(tags::CODE_MEANING, VR::LO, "M")]);
    let mut rows = vec![
        // Private: text, bytes, numbers, items; with and without a creator.
        text(Tag(0x0009, 0x0010), VR::LO, "ACME HC PHI 1"),
        text(Tag(0x0009, 0x1001), VR::LO, "Quorvex"),
        of_bytes(Tag(0x0009, 0x1002)),
        number(Tag(0x0009, 0x1003), 7),
        items(Tag(0x0009, 0x1004), vec![item.clone()]),
        text(Tag(0x0011, 0x1001), VR::SH, "M"),
        DataElement::new(Tag(0x0011, 0x1002), VR::UN, PrimitiveValue::U8(vec![1, 2].into())),
        // Unknown to the dictionary.
        text(Tag(0x0010, 0x9999), VR::LO, "M"),
        number(Tag(0x0018, 0xFFFE), 7),
        items(Tag(0x0040, 0xFFFE), vec![item.clone()]),
        DataElement::new(Tag(0x0018, 0xFFFC), VR::UN, PrimitiveValue::U8(vec![1, 2].into())),
        // Known, but not as what it is written as.
        text(tags::ROWS, VR::LO, "M"),
        of_bytes(tags::CONVOLUTION_KERNEL),
        // Curves and overlays.
        number(Tag(0x5000, 0x0005), 2),
        of_bytes(Tag(0x5002, 0x3000)),
        number(Tag(0x6000, 0x0010), 2),
        text(Tag(0x6000, 0x0022), VR::LO, "M"),
        of_bytes(Tag(0x6002, 0x3000)),
        text(Tag(0x60FE, 0x4000), VR::LT, "M"),
    ];
    // Whatever seals values or repeats those from before.
    let sealed = standard::elements().iter().filter(|e| matches!(e.tag.group(), 0x0400 | 0x4FFE));
    rows.extend(sealed.map(|element| canary(element.tag, element.vr, Sort::Short, 1)));
    assert!(rows.len() > 40, "{}", rows.len());
    for row in rows {
        for place in PLACES {
            let mut source = bare();
            put(&mut source, place, row.clone());
            let trial = Trial::new("", Stays::default(), source);
            trial.control().unwrap();
            let put_back = trial.put_back(row.tag(), place);
            assert!(trial.examine(&put_back).is_err(), "{} {place:?}", row.tag());
        }
    }
}

/// An option lets text stay that was cleaned: with a name in it, it wasn't.
#[test]
fn rows_that_an_option_cleans_are_searched() {
    let descriptors: Options = [Annex::CleanDescriptors].into_iter().collect();
    let rows = standard::listed_tags().into_iter().filter(|tag| {
        let text = standard::element(*tag)
            .is_some_and(|e| matches!(e.vr, VR::LO | VR::SH | VR::ST | VR::LT | VR::UT | VR::UC));
        text && tag.group() != 0x0400 && standard::option_action(descriptors, *tag).is_some()
    });
    let rows: Vec<Tag> = rows.collect();
    assert!(rows.len() > 100, "{}", rows.len());
    let mut source = bare();
    for tag in &rows {
        let vr = standard::element(*tag).unwrap().vr;
        let said = if vr == VR::SH { "for Merriweather" } else { "axial, seen by Merriweather" };
        put(&mut source, Place::Top, text(*tag, vr, said));
    }
    let (option, stays) = OPTIONS[2];
    let trial = Trial::new(&format!("options: [{option}]\n"), stays, source);
    trial.control().unwrap();
    for tag in rows {
        let put_back = trial.put_back(tag, Place::Top);
        assert!(trial.examine(&put_back).is_err(), "{}", described(tag, Place::Top));
    }
}

/// An object that has every one of these elements, at the top and in an item.
fn loaded(rows: &[Tag], sort: Sort) -> InMemDicomObject {
    let mut set = bare();
    let mut item = vec![text(tags::SLICE_THICKNESS, VR::DS, "5")];
    for (tag, salt) in rows.iter().zip((0..).step_by(2)) {
        // Of elements that are younger than the dictionary nobody knows the VR.
        let vr = standard::element(*tag).map_or(VR::LO, |element| element.vr);
        put(&mut set, Place::Top, canary(*tag, vr, sort, salt));
        item.push(canary(*tag, vr, sort, salt + 1));
    }
    let item = InMemDicomObject::from_element_iter(item);
    set.put_element(items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![item]));
    // What is planted is what would be read.
    Dataset::from(set.clone()).encode().unwrap();
    set
}

fn described(tag: Tag, place: Place) -> String {
    let element = standard::element(tag);
    let (keyword, vr) = element.map_or(("", VR::LO), |e| (e.keyword, e.vr));
    let cell = standard::basic_cell(tag).unwrap_or("-");
    format!("{tag} {keyword} {vr} {cell} {place:?}")
}
