use super::*;
use crate::profile::{About, Treatment};

/// How every profile of a test begins.
pub(crate) const HEAD: &str = "efface_profile: 1\nname: test\nbased_on: PS3.15 2026d Basic Application Level Confidentiality Profile\n";

/// A profile for a test: the head, and the rest as given.
pub(crate) fn profile(rest: &str) -> Profile {
    parse("p", &format!("{HEAD}{rest}")).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn mistakes(rest: &str) -> String {
    match parse("p.yaml", &format!("{HEAD}{rest}")) {
        Ok(_) => String::new(),
        Err(mistakes) => mistakes.to_string(),
    }
}

fn rule(body: &str) -> Result<Treatment, String> {
    let text = format!("{HEAD}rules:\n  - {{ {body} }}\n");
    let profile = parse("p.yaml", &text).map_err(|m| m.to_string())?;
    Ok(profile.rules()[0].treatment.clone())
}

#[test]
fn the_base_names_the_edition_of_the_tables() {
    assert!(BASE.contains(standard::EDITION));
}

#[test]
fn all_mistakes_at_once_with_their_places() {
    let said = mistakes(
        "options: [Clean Recognisable Visual Features]\nrules:\n  - { keyword: PatientBirthdate, action: X }\n  - { keyword: SeriesDescription, action: Q }\n  - { keyword: StudyDescription, action: K }\n",
    );
    let places: Vec<&str> = said.lines().filter(|line| line.starts_with("p.yaml")).collect();
    assert_eq!(places.len(), 4, "{said}");
    assert!(places[0].starts_with("p.yaml:4:11:"), "{said}");
    assert!(places[0].contains("did you mean Clean Recognizable"), "{said}");
    assert!(places[1].starts_with("p.yaml:6:16:"), "{said}");
    assert!(places[1].contains("did you mean PatientBirthDate?"), "{said}");
    assert!(places[2].contains("one of X, Z, D, U, K, C"), "{said}");
    assert!(places[3].contains("because"), "{said}");
    let excerpt = "    6 |   - { keyword: PatientBirthdate, action: X }\n       |                ^";
    assert!(said.contains(excerpt), "{said}");
}

#[test]
fn nothing_unknown_passes() {
    for (text, wanted) in [
        ("rulez: []\n", "rulez"),
        ("rules:\n  - { keyword: Modality, action: X, colour: red }\n", "colour"),
        ("rules:\n  - { tag: \"(0009,1001)\", action: K }\n", "private"),
        ("rules:\n  - { tag: \"(0008,9999)\", action: X }\n", "no such element"),
        ("rules:\n  - { tag: \"0008,0060\", action: X }\n", "(gggg,eeee)"),
        ("rules:\n  - { tag: \"(6000,3000)\", action: X }\n", "never kept"),
        ("rules:\n  - { vr: XX, action: X }\n", "no such VR"),
        ("rules:\n  - { keyword: Modality, vr: CS, action: X }\n", "exactly one of keyword"),
        ("rules:\n  - { keyword: Modality }\n", "exactly one of action"),
        ("rules:\n  - { keyword: Modality, action: X, hash: 8 }\n", "exactly one of action"),
        ("rules:\n  - { keyword: PatientName, action: X }\n", "always pseudonymized"),
        ("options: [Retain UIDs, Retain UIDs]\n", "twice"),
        ("leave: { faces: { because: \"\" } }\n", "say why"),
        ("rules:\n  - { keyword: StudyInstanceUID, action: X }\n", "an object is none"),
        ("pseudonyms: md5\n", "keyed or random"),
        (
            "rules:\n  - { keyword: Modality, action: X, when: { sop_class: [CTImageStorag] } }\n",
            "did you mean CTImageStorage?",
        ),
    ] {
        let said = mistakes(text);
        assert!(said.contains(wanted), "{text}: {said}");
    }
}

#[test]
fn bombs_are_refused() {
    let deep = format!("x: {}", "[".repeat(20_000));
    let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (from, to) in [('a', 'b'), ('b', 'c'), ('c', 'd'), ('d', 'e'), ('e', 'f'), ('f', 'g')] {
        let many = format!("*{from}, ").repeat(10);
        laughs += &format!("{to}: &{to} [{many}]\n");
    }
    let long = format!("# {}\n", "x".repeat(2 << 20));
    for bomb in [deep, laughs, long] {
        assert!(!mistakes(&bomb).is_empty());
    }
}

#[test]
fn contradictions_are_refused() {
    let full = "Retain Longitudinal Temporal Information Full Dates";
    let modified = "Retain Longitudinal Temporal Information Modified Dates";
    let year = "dates: { keep: year, because: \"years suffice\" }\n";
    for (text, wanted) in [
        (format!("options: [{full}, {modified}]\n"), "both kept in full and modified"),
        (format!("options: [{full}]\n{year}"), "retains dates already"),
        (
            "options: [Clean Recognizable Visual Features]\nleave: { faces: { because: \"public heads\" } }\n"
                .to_owned(),
            "both cleaned and left",
        ),
        ("options: [Clean Pixel Data]\n".to_owned(), "needs devices:"),
        (
            "devices: [{ manufacturer: A, model: B, rows: 9, columns: 9, blank: [], because: \"seen by me\" }]\n"
                .to_owned(),
            "need options: [Clean Pixel Data]",
        ),
        (
            "options: [Clean Pixel Data]\ndevices: [{ manufacturer: A, model: B, rows: 9, columns: 9, blank: [{ x: 5, y: 0, width: 5, height: 2 }], because: \"seen by me\" }]\n"
                .to_owned(),
            "not within an image of 9 x 9",
        ),
        (
            "rules:\n  - { tag: \"(0018,xxxx)\", action: X }\n  - { keyword: ProtocolName, action: Z }\n"
                .to_owned(),
            "the rule in line 5 decides already",
        ),
    ] {
        let said = mistakes(&text);
        assert!(said.contains(wanted), "{text}: {said}");
    }
}

#[test]
fn what_is_weaker_says_why() {
    let weak = [
        "keyword: StudyDescription, action: C",
        "keyword: StudyDate, date: shift",
        "keyword: PatientAge, age_cap: 89",
        "keyword: PatientWeight, round_to: 5",
        "keyword: StudyID, hash: 8",
        "keyword: ProtocolName, keep_words: [head, ct]",
        "keyword: ProtocolName, map: { Kopf: HEAD }",
        "private: { creator: ACME, tag: \"(0019,xx0C)\" }, action: K",
        "tag: \"(0018,1xxx)\", action: K",
    ];
    for body in weak {
        let said = rule(body).unwrap_err();
        assert!(said.contains("say because"), "{body}: {said}");
        rule(&format!("{body}, because: \"the readers need it\"")).unwrap();
    }
    for body in [
        "keyword: StudyDescription, action: Z",
        "keyword: InstitutionName, replace: SITE A",
        "keyword: Modality, action: K",
        "keyword: ConvolutionKernel, action: C",
        "vr: UT, action: X",
    ] {
        rule(body).unwrap();
    }
}

#[test]
fn a_treatment_fits_the_vr() {
    for (body, wanted) in [
        ("keyword: StudyDate, action: K", "cannot be kept"),
        ("keyword: OperatorsName, action: K", "cannot be kept"),
        ("keyword: DeviceUID, action: K", "option Retain UIDs"),
        ("keyword: RetrieveURL, action: K", "never kept"),
        ("keyword: Modality, action: U", "U maps UIDs"),
        ("keyword: Rows, action: C", "no way to clean"),
        ("keyword: Rows, replace: \"5\"", "no text"),
        ("keyword: Modality, replace: lower", "not a value"),
        ("keyword: StudyID, hash: 40", "6 to 16"),
        ("keyword: StudyID, date: shift", "only DA and DT"),
        ("keyword: StudyDate, date: month", "shift or year"),
        ("keyword: PatientBirthDate, date: year", "never leaves"),
        ("keyword: PatientWeight, age_cap: 89", "caps ages"),
        ("keyword: PatientWeight, round_to: 0", "positive"),
        ("keyword: StudyDescription, keep_words: [two words]", "single words"),
        ("vr: LT, action: C", "only be stricter"),
    ] {
        let said = rule(&format!("{body}, because: \"the readers need it\"")).unwrap_err();
        assert!(said.contains(wanted), "{body}: {said}");
    }
}

#[test]
fn dates_leave_in_one_form() {
    let rule = |keyword, way| {
        format!("  - {{ keyword: {keyword}, date: {way}, because: \"the readers need it\" }}\n")
    };
    let one = format!("rules:\n{}", rule("StudyDate", "shift"));
    assert_eq!(mistakes(&one), "");
    let two = format!("{one}{}", rule("SeriesDate", "year"));
    assert!(mistakes(&two).contains("in another form"));
    let year = format!("dates: {{ keep: year, because: \"years suffice\" }}\n{one}");
    assert!(mistakes(&year).contains("in another form"));
}

#[test]
fn faces_by_option_by_reason_or_not_at_all() {
    let faces =
        |rest: &str| parse("p", &format!("{HEAD}{rest}")).map(|p| p.faces().clone()).unwrap();
    assert_eq!(faces(""), Faces::Withhold);
    let strict = Faces::Remove(FaceLevel::Strict);
    assert_eq!(faces("options: [Clean Recognizable Visual Features]\n"), strict);
    let left = faces("leave: { faces: { because: \"public test heads\" } }\n");
    assert_eq!(left, Faces::Leave { because: "public test heads".to_owned() });
}

#[test]
fn facial_bones_stay_for_a_reason_and_never_under_the_option() {
    let bones = "faces: { level: keep-facial-bones, because: \"plates for the mandible\" }\n";
    let profile = profile(bones);
    let because = "plates for the mandible".to_owned();
    let level = FaceLevel::KeepFacialBones { because: because.clone() };
    assert_eq!(*profile.faces(), Faces::Remove(level));
    assert_eq!(profile.reasons(), [because]);
    for (text, place, wanted) in [
        (
            bones.replace("keep-facial-bones", "keep-facial-bone"),
            "p.yaml:4:17:",
            "write keep-facial-bones",
        ),
        (bones.replace("keep-facial-bones", "strict"), "p.yaml:4:17:", "list it under options:"),
        (bones.replace("plates for the mandible", ""), "p.yaml:4:45:", "say why"),
        ("faces: { level: keep-facial-bones }\n".to_owned(), "line 4", "because"),
        (
            format!("options: [Clean Recognizable Visual Features]\n{bones}"),
            "p.yaml:5:17:",
            "would not be true",
        ),
        (
            format!("{bones}leave: {{ faces: {{ because: \"public test heads\" }} }}\n"),
            "p.yaml:5:",
            "both cleaned and left",
        ),
        (bones.replace("because", "why"), "line 4", "why"),
    ] {
        let said = mistakes(&text);
        assert!(said.contains(place) && said.contains(wanted), "{text}: {said}");
    }
}

#[test]
fn private_elements_by_creator() {
    let text = "rules:\n  - { private: { creator: \"SIEMENS MR HEADER\", tag: \"(0019,xx0C)\" }, action: K, because: \"b values\" }\n";
    let profile = parse("p", &format!("{HEAD}{text}")).unwrap();
    let wanted =
        About::Private { creator: "SIEMENS MR HEADER".to_owned(), group: 0x0019, low: Some(0x0C) };
    assert_eq!(profile.rules()[0].about, wanted);
    assert!(mistakes(&text.replace("0019", "0018")).contains("odd group"));
}
