//! What options and rules of a site let stay.

use super::*;

/// The options that exempt these kinds.
fn with(exempt: &[Kind]) -> Expected<'_> {
    Expected { exempt, ..expected(EXPLICIT) }
}

fn rule(tag: u32) -> Kept {
    Kept { tag, mask: u32::MAX, creator: None }
}

/// Each kind that an option exempts: a value that stays with it, and not with the others.
#[test]
fn each_option_lets_its_own_kind_stay() {
    let watch = watch_of(
        &source().with(0x0010_1010, "AS", "092Y").with(0x0018_1200, "DA", "20221130").with(
            0x0018_1201,
            "TM",
            "071500",
        ),
    );
    let rows: [(Kind, u32, &str, &str); 8] = [
        (Kind::Characteristic, 0x0010_0040, "CS", "F"),
        (Kind::Characteristic, 0x0010_1010, "AS", "092Y"),
        (Kind::Device, 0x0018_1000, "LO", "SN7654321"),
        (Kind::Device, 0x0018_1200, "DA", "20221130"),
        (Kind::Device, 0x0018_1201, "TM", "071500"),
        (Kind::Uid, 0x0020_0052, "UI", "1.3.6.1.4.1.55555.4711.0.1"),
        (Kind::Institution, 0x0008_0080, "LO", "St Vitus Memorial Hospital"),
        (Kind::Institution, 0x0008_0081, "ST", "77 Sanatorium Road, Ebbensburg"),
    ];
    for (kind, tag, vr, value) in rows {
        let set = clean().with(tag, vr, value);
        examine_as(&watch, &with(&[kind]), &set).unwrap();
        let others = Kind::ALL.into_iter().filter(|other| *other != kind);
        let others: Vec<Kind> = others.collect();
        examine_as(&watch, &with(&others), &set).unwrap_err();
    }
}

/// Text is exempt as a whole, and what of it is something else is still found.
#[test]
fn descriptions_that_were_cleaned_stay_and_others_do_not() {
    let text = "Follow-up of the Zenkerian diverticulum";
    let watch = watch_of(&source().with(0x0008_1030, "LO", text).with(0x0009_1002, "LO", text));
    let said = |text: &str| clean().with(0x0008_1030, "LO", text);
    examine_as(&watch, &with(&[Kind::Text]), &said(text)).unwrap();
    assert_eq!(found_as(&watch, &with(&[]), &said(text)), Found::Value(Kind::Text));
    for (more, kind) in [
        ("Merriweather", Kind::Name),
        ("MRN-12345678", Kind::PatientId),
        ("born 10.04.1931", Kind::BirthDate),
        ("on 11 Jan 2023", Kind::Date),
        ("for Humperdinck", Kind::Staff),
        ("at SN7654321", Kind::Device),
        ("in Ebbensburg", Kind::Institution),
    ] {
        let said = said(&format!("{text} {more}"));
        assert_eq!(found_as(&watch, &with(&[Kind::Text]), &said), Found::Value(kind), "{more}");
    }
}

#[test]
fn a_value_of_two_kinds_needs_both_exempt() {
    let both = "STVITUS-ANNEX77";
    let watch = watch_of(&source().with(0x0008_1010, "SH", both).with(0x0008_1040, "LO", both));
    let set = clean().with(0x0008_1010, "SH", both);
    for one in [Kind::Device, Kind::Institution] {
        examine_as(&watch, &with(&[one]), &set).unwrap_err();
    }
    examine_as(&watch, &with(&[Kind::Device, Kind::Institution]), &set).unwrap();
    // In a private element or a description it is no less and no more.
    let watch = watch_of(&source().with(0x0009_1002, "LO", "STVITUS123").with(
        0x0020_4000,
        "LT",
        "STVITUS123",
    ));
    let set = clean().with(0x0008_1010, "SH", "STVITUS123");
    examine_as(&watch, &with(&[Kind::Device]), &set).unwrap();
    examine_as(&watch, &with(&[Kind::Text, Kind::Private]), &set).unwrap_err();
}

#[test]
fn what_the_options_cannot_exempt() {
    let watch = watch();
    let all = with(&Kind::ALL);
    // Dates are a matter of the date policy, private elements of the list of safe ones.
    for (tag, vr, value) in [
        (0x0008_0020, "DA", "20230111"),
        (0x0010_0030, "DA", "19310410"),
        (0x0008_0030, "TM", "101317.400"),
        (0x0009_0010, "LO", "ACME HC PHI 1"),
        (0x6000_0010, "US", "ab"),
    ] {
        examine_as(&watch, &all, &clean().with(tag, vr, value)).unwrap_err();
    }
    examine_as(&watch, &all, &clean().with(0x0018_1000, "LO", "SN7654321")).unwrap();
}

#[test]
fn a_rule_lets_an_element_hold_its_own_value() {
    let watch = watch();
    let rows: [(u32, &str, &str); 6] = [
        (0x0008_0080, "LO", "St Vitus Memorial Hospital"),
        (0x0008_1010, "SH", "STVITUS123"),
        (0x0018_1000, "LO", "SN7654321"),
        (0x0020_0010, "SH", "7"),
        (0x0010_0040, "CS", "F"),
        (0x0020_000D, "UI", "1.3.6.1.4.1.55555.4711.0.1"),
    ];
    for (tag, vr, value) in rows {
        let kept = [rule(tag)];
        let by_rule = Expected { kept: &kept, ..expected(EXPLICIT) };
        let set = clean().with(tag, vr, value);
        examine_as(&watch, &by_rule, &set).unwrap();
        examine_as(&watch, &with(&[]), &set).unwrap_err();
        // At any depth, and nowhere else.
        let nested =
            |set: Set| clean().items(0x5200_9229, &[Set::default().items(0x5200_9229, &[set])]);
        examine_as(&watch, &by_rule, &nested(Set::default().with(tag, vr, value))).unwrap();
        if value.len() > 1 {
            let elsewhere = Set::default().with(0x0018_1210, "SH", value);
            examine_as(&watch, &by_rule, &nested(elsewhere)).unwrap_err();
        }
    }
}

#[test]
fn a_rule_lets_nothing_else_stay() {
    let watch = watch();
    let kept = [rule(0x0008_1010), rule(0x0040_A160), rule(0x0020_0010), rule(0x0018_1020)];
    let by_rule = Expected { kept: &kept, ..expected(EXPLICIT) };
    for value in [
        "Merriweather",
        "MRN-12345678",
        "ACC918273645",
        "19310410",
        "20230111",
        "Gooseberry",
        "Humperdinck",
        "1.3.6.1.4.1.55555.4711.0.1",
        "St Vitus Memorial Hospital",
    ] {
        for (tag, vr) in
            [(0x0008_1010, "SH"), (0x0040_A160, "UT"), (0x0020_0010, "SH"), (0x0018_1020, "LO")]
        {
            let set = clean().with(tag, vr, value);
            assert!(examine_as(&watch, &by_rule, &set).is_err(), "{tag:08X} {value}");
        }
    }
    examine_as(&watch, &by_rule, &clean().with(0x0008_1010, "SH", "STVITUS123")).unwrap();
    examine_as(&watch, &by_rule, &clean().with(0x0008_1010, "SH", "MR STVITUS123")).unwrap();
}

#[test]
fn no_rule_lets_a_name_or_a_date_stay() {
    let watch = watch();
    for (tag, vr, value) in [
        (0x0010_0010, "PN", b"MERRIWEATHER^Cord\xe9lia^Anne".as_slice()),
        (0x0010_0020, "LO", b"MRN-12345678"),
        (0x0008_0050, "SH", b"ACC918273645"),
        (0x0010_0030, "DA", b"19310410"),
        (0x0008_0020, "DA", b"20230111"),
    ] {
        let kept = [rule(tag)];
        let by_rule = Expected { kept: &kept, ..expected(EXPLICIT) };
        examine_as(&watch, &by_rule, &clean().with(tag, vr, value)).unwrap_err();
    }
}

/// 113104 and 113103 are about elements: their texts stay cleaned, as by a rule.
#[test]
fn text_of_structured_content_and_graphics_is_kept_by_element() {
    let note = "small Zenkerian diverticulum";
    let watch = watch_of(&source().items(
        0x5200_9229,
        &[Set::default().with(0x0040_A160, "UT", note).with(0x0070_0006, "ST", note)],
    ));
    let kept = [rule(0x0040_A160), rule(0x0070_0006)];
    let by_option = Expected { kept: &kept, ..expected(EXPLICIT) };
    let item =
        |tag, vr, text: &str| clean().items(0x5200_9229, &[Set::default().with(tag, vr, text)]);
    for (tag, vr) in [(0x0040_A160, "UT"), (0x0070_0006, "ST")] {
        let set = item(tag, vr, note);
        examine_as(&watch, &by_option, &set).unwrap();
        assert_eq!(found_as(&watch, &with(&[]), &set), Found::Value(Kind::Text));
        let named = item(tag, vr, &format!("{note} of Merriweather"));
        assert_eq!(found_as(&watch, &by_option, &named), Found::Value(Kind::Name));
    }
    examine_as(&watch, &by_option, &item(0x0008_1030, "LO", note)).unwrap_err();
}

/// Items of a report: names, UIDs, dates and times are elements like any others.
#[test]
fn items_of_structured_reports() {
    let report = Set::default()
        .with(0x0040_A120, "DT", "20230109111213")
        .with(0x0040_A121, "DA", "20230108")
        .with(0x0040_A122, "TM", "111213")
        .with(0x0040_A123, "PN", "Li^Bo")
        .with(0x0040_A124, "UI", "1.3.6.1.4.1.55555.4711.77");
    let watch = watch_of(&source().items(0x5200_9229, std::slice::from_ref(&report)));
    let item = |set: Set| clean().items(0x5200_9229, &[set]);
    let dummies = Set::default()
        .with(0x0040_A120, "DT", "19000101000000")
        .with(0x0040_A121, "DA", "19000101")
        .with(0x0040_A122, "TM", "000000")
        .with(0x0040_A123, "PN", "REMOVED")
        .with(0x0040_A124, "UI", "2.25.4711");
    examine_as(&watch, &with(&[]), &item(dummies)).unwrap();
    for (tag, (vr, value)) in &report.0 {
        examine_as(&watch, &with(&[]), &item(Set::default().with(*tag, vr, value))).unwrap_err();
    }
}
