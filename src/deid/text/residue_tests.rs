//! The verifier, which shares no code with the cleaner, finds nothing in what the cleaner leaves.

use std::io::Cursor;
use std::sync::LazyLock;

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::tests::{STUDY, dataset};
use super::*;
use crate::custody::verify::{Expected, Kind, Residue, Watch, Witness};
use dicom_core::{PrimitiveValue, VR};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// A study whose people have names of many scripts, and what the verifier knows of it.
struct Study {
    cleaner: Cleaner,
    watch: Watch,
    values: Vec<(Kind, String)>,
}

impl Study {
    fn of(rows: &[(u32, VR, &str)]) -> Self {
        let source = dataset(rows);
        let mut known = Known::default();
        known.observe(&source);
        let mut witness = Witness::new();
        let mut declared = source;
        declared.put_text(dicom_dictionary_std::tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        witness.observe(EXPLICIT, &declared.encode().unwrap()).unwrap();
        let mut values = Vec::new();
        for (tag, vr, value) in rows {
            let kind = match (*vr, *tag) {
                (VR::PN, _) => Kind::Name,
                (VR::DA, _) => Kind::Date,
                (VR::DT, _) => continue,
                (_, 0x0010_2154) => Kind::Contact,
                (_, 0x0008_0080 | 0x0008_0081 | 0x0008_1040 | 0x0010_1040) => Kind::Institution,
                (_, 0x0008_0070 | 0x0018_1020) => continue,
                _ => Kind::Id,
            };
            values.extend(value.split('\\').map(|value| (kind, value.to_owned())));
        }
        let cleaner = known.cleaner(Retained::default());
        Study { cleaner, watch: witness.seal().unwrap(), values }
    }

    /// What the verifier says of an object with this text in long and short elements.
    fn examine(&self, text: &str) -> Result<(), Residue> {
        let mut set = dataset(&[
            (0x0008_0005, VR::CS, "ISO_IR 192"),
            (0x0008_0016, VR::UI, "1.2.840.10008.5.1.4.1.1.2"),
            (0x0008_0018, VR::UI, "2.25.31415926535897932384626433832795028841"),
            (0x0008_103E, VR::LO, text),
            (0x0010_0010, VR::PN, "E1-0123456789ABCDEF"),
            (0x0010_0020, VR::LO, "E1-0123456789ABCDEF"),
            (0x0012_0062, VR::CS, "YES"),
            (0x0012_0063, VR::LO, "efface"),
            (0x0028_0303, VR::CS, "REMOVED"),
            (0x0040_A160, VR::UT, text),
        ]);
        let uc = PrimitiveValue::from(text);
        set.put(dicom_core::DataElement::new(dicom_core::Tag(0x0008, 0x0119), VR::UC, uc));
        let file = part10(&set.encode().unwrap());
        let expected = Expected {
            transfer_syntax: EXPLICIT,
            options: &[],
            burned_in: None,
            visual_features: None,
            longitudinal: "REMOVED",
            exempt: &[],
            dates: crate::custody::verify::Dates::Removed,
            kept: &[],
        };
        self.watch.examine(Cursor::new(file), &expected).map(drop)
    }
}

fn part10(dataset: &[u8]) -> Vec<u8> {
    let meta = super::tests::dataset(&[
        (0x0002_0002, VR::UI, "1.2.840.10008.5.1.4.1.1.2"),
        (0x0002_0003, VR::UI, "2.25.31415926535897932384626433832795028841"),
        (0x0002_0010, VR::UI, EXPLICIT),
        (0x0002_0012, VR::UI, "2.25.1414213562373095048801688724209698078"),
    ]);
    let group = meta.encode().unwrap();
    let length = (group.len() as u32).to_le_bytes();
    [&[0; 128][..], b"DICM\x02\0\0\0UL\x04\0", &length, &group, dataset].concat()
}

static STUDIES: LazyLock<Vec<Study>> = LazyLock::new(|| {
    let more = |rows: &[(u32, VR, &'static str)]| [STUDY, rows].concat();
    let own = |rows: &[(u32, VR, &'static str)]| {
        let replaced = |tag: u32| rows.iter().any(|row| row.0 == tag);
        let kept = STUDY.iter().filter(|row| !replaced(row.0)).copied();
        kept.chain(rows.iter().copied()).collect::<Vec<_>>()
    };
    [
        more(&[]),
        own(&[
            (0x0010_0010, VR::PN, "Yamada^Tarou=山田^太郎=やまだ^たろう"),
            (0x0008_0090, VR::PN, "Hong^Gildong=洪^吉洞=홍^길동"),
            (0x0010_0020, VR::LO, "123456"),
            (0x0008_0080, VR::LO, "東京大学病院"),
        ]),
        own(&[
            (0x0010_0010, VR::PN, "Люксембург^Ярополк"),
            (0x0008_0090, VR::PN, "Παπαδόπουλος^Αριστείδης"),
            (0x0010_1001, VR::PN, "محمود^فاطمة\\Wang^XiaoDong=王^小东"),
            (0x0010_0020, VR::LO, "0001234"),
            (0x0008_0080, VR::LO, "Universitätsspital Zürich"),
            (0x0008_0081, VR::ST, "Rämistrasse 100, 8091 Zürich"),
        ]),
        own(&[
            (0x0010_0010, VR::PN, "Müller-Lüdenscheidt^Jörg Åke"),
            (0x0008_0090, VR::PN, "O'SHAUGHNESSY^Fionnuala^^Dr"),
            (0x0010_1001, VR::PN, "van der Berg^Jan Peter\\Zoé\\ŁUKASIŃSKA^Żaneta"),
            (0x0010_0020, VR::LO, "E4711"),
            (0x0008_0080, VR::LO, "Charité"),
            (0x0008_1040, VR::LO, "Röntgen III"),
            (0x0010_0030, VR::DA, "20010203"),
        ]),
        own(&[
            (0x0010_0010, VR::PN, "Head^Axial"),
            (0x0008_0090, VR::PN, "Li^Na\\Schmidt, Hans\\Dr. Max White"),
            (0x0010_1001, VR::PN, "Ng^Wei Ming\\Ng^Lu\\A^Ye S\\Ial^Ax"),
            (0x0010_0020, VR::LO, "47110"),
            (0x0008_0050, VR::SH, "A12"),
            (0x0008_1010, VR::SH, "MR01"),
        ]),
    ]
    .iter()
    .map(|rows| Study::of(rows))
    .collect()
});

/// A value as somebody else writes it.
fn spelled(kind: Kind, value: &str, form: u16, case: u8, sign: &str) -> String {
    let pick = usize::from(form);
    let text = match kind {
        Kind::Date => date(value, pick),
        Kind::Name => {
            let groups: Vec<&str> = value.split('=').collect();
            let group = groups[pick % groups.len()];
            let parts: Vec<&str> = group.split('^').filter(|part| !part.is_empty()).collect();
            let (first, last) = (parts[0], parts[(parts.len() - 1).min(1)]);
            match pick / 3 % 8 {
                0 => group.to_owned(),
                1 => [first, sign, last].concat(),
                2 => [last, sign, first].concat(),
                3 => [last, ", ", first].concat(),
                4 => first.to_owned(),
                5 => last.to_owned(),
                6 => group.replace('^', sign),
                _ => first.split(['-', ' ']).next_back().unwrap().to_owned(),
            }
        }
        _ => {
            let digits: String = value.chars().filter(char::is_ascii_digit).collect();
            let grouped = |size: usize| {
                let chars: Vec<char> = value.chars().collect();
                let groups: Vec<String> = chars.chunks(size).map(|c| c.iter().collect()).collect();
                groups.join(sign)
            };
            match pick % 8 {
                0 | 1 => value.to_owned(),
                2 => value.replace([' ', '-', ','], sign),
                3 if digits.len() >= 6 => digits,
                4 if value.chars().count() >= 8 => grouped(3),
                5 if value.chars().count() >= 8 => grouped(2),
                6 => data_encoding::HEXLOWER.encode(value.as_bytes()),
                7 if kind == Kind::Institution => {
                    value.split([' ', ',']).max_by_key(|word| word.len()).unwrap().to_owned()
                }
                _ => value.chars().rev().collect(),
            }
        }
    };
    match case % 8 {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        2 => text.nfd().collect(),
        3 => text.nfd().filter(|c| !unicode_normalization::char::is_combining_mark(*c)).collect(),
        4 => text.replace('ä', "ae").replace('ö', "oe").replace('ü', "ue").replace('å', "aa"),
        _ => text,
    }
}

/// The spellings of a date that the verifier lists.
fn date(value: &str, pick: usize) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (y, m, d) = (&value[..4], &value[4..6], &value[6..8]);
    let (m1, d1) = (m.trim_start_matches('0'), d.trim_start_matches('0'));
    let name = MONTHS[m.parse::<usize>().unwrap() - 1];
    let name = if pick.is_multiple_of(2) { name } else { &name[..3] };
    let day = if (pick / 2).is_multiple_of(2) { d } else { d1 };
    let sign = ["-", ".", "/", "_", " ", "", " / ", "--"][pick / 4 % 8];
    match pick / 32 % 12 {
        0 => [y, m, d].join(sign),
        1 => [d, m, y].join(sign),
        2 => [m, d, y].join(sign),
        3 if !sign.is_empty() => [d1, m1, y].join(sign),
        4 if !sign.is_empty() => [m1, d1, y].join(sign),
        5 if !sign.is_empty() => [y, m1, d1].join(sign),
        6 => [day, name, y].join(sign),
        7 => [name, day, y].join(sign),
        8 => [y, name, day].join(sign),
        9 => format!("{name} {day}, {y}"),
        10 => format!("{day}. {name} {y}"),
        _ => format!("{y}{m}{d}101500"),
    }
}

const AROUND: &[&str] = &[
    "CT HEAD W/O CONTRAST",
    "axial 1.5 mm",
    "t1 mprage sag",
    "seen in the left lobe,",
    "Kopf nativ",
    "kV 120 mAs 300",
    "(follow-up)",
    "no change",
    "C-spine L4/L5;",
    "",
    "512x512",
];
const SIGNS: &[&str] = &[" ", "_", ", ", "-", "^", ".", "", "/", "  ", ": "];

/// `EFFACE_CASES=100000` for a long run.
fn cases() -> u32 {
    std::env::var("EFFACE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Any identifier in any spelling in any text.
    #[test]
    fn nothing_is_left_for_the_verifier(
        study in any::<prop::sample::Index>(), which in any::<prop::sample::Index>(),
        form: u16, case: u8, sign in prop::sample::select(SIGNS),
        left in prop::sample::select(SIGNS), right in prop::sample::select(SIGNS),
        before in prop::sample::select(AROUND), after in prop::sample::select(AROUND),
        noise in "[ -~äöü\\PC]{0,12}",
    ) {
        let study = study.get(&STUDIES);
        let (kind, value) = which.get(&study.values);
        let spelled = spelled(*kind, value, form, case, sign);
        let noise = noise.replace('\\', "");
        for text in [
            [before, left, &spelled, right, after].concat(),
            [&noise, left, &spelled, right, after].concat(),
            [before, left, &spelled, right, &noise].concat(),
        ] {
            for cleaned in [
                study.cleaner.kept(&text, TextDates::Remove),
                study.cleaner.descriptor(&text, TextDates::Remove),
            ] {
                let rest = match cleaned {
                    Cleaned::Unchanged => text.clone(),
                    Cleaned::Changed(rest) => rest,
                    Cleaned::Nothing => continue,
                };
                let found = study.examine(&rest);
                prop_assert!(found.is_ok(), "{text:?} left {rest:?}: {}", found.unwrap_err());
                prop_assert_eq!(study.cleaner.kept(&rest, TextDates::Remove), Cleaned::Unchanged);
            }
        }
    }

    /// Anybody's name, number, station and hospital, not only those above.
    #[test]
    fn nothing_is_left_of_anybody(
        family in "[A-ZÀ-Ý]?[a-zß-ÿ]{1,11}([- '][A-Z][a-z]{1,6})?", given in "[A-Z][a-z]{0,9}( [A-Z][a-z]{0,7})?",
        id in "[A-Z]{0,3}[-. /]?0{0,2}[0-9]{2,9}[A-Z]?", station in "[A-Z]{2,6}[0-9_]{0,4}",
        hospital in "[A-ZÄÖÜ][a-zäöü]{3,9} (Hospital|Spital|[A-Z][a-z]{4,8})",
        forms in prop::collection::vec((0_usize..5, any::<u16>(), any::<u8>()), 12),
        sign in prop::sample::select(SIGNS), left in prop::sample::select(SIGNS), right in prop::sample::select(SIGNS),
    ) {
        let name = format!("{family}^{given}");
        let study = Study::of(&[
            (0x0008_0080, VR::LO, &hospital),
            (0x0008_1010, VR::SH, &station),
            (0x0010_0010, VR::PN, &name),
            (0x0010_0020, VR::LO, &id),
            (0x0010_0030, VR::DA, "19310410"),
        ]);
        for (which, form, case) in forms {
            let (kind, value) = &study.values[which];
            let spelled = spelled(*kind, value, form, case, sign);
            let text = ["CT chest", left, &spelled, right, "axial 1.5 mm"].concat();
            for clean in [Cleaner::kept, Cleaner::descriptor] {
                let rest = match clean(&study.cleaner, &text, TextDates::Remove) {
                    Cleaned::Unchanged => text.clone(),
                    Cleaned::Changed(rest) => rest,
                    Cleaned::Nothing => continue,
                };
                let found = study.examine(&rest);
                prop_assert!(found.is_ok(), "{text:?} left {rest:?}: {}", found.unwrap_err());
            }
        }
    }

    /// No text makes it panic, and what is left of one is clean.
    #[test]
    fn any_text_ends_clean(text in "\\PC{0,60}|[0-9./ -]{0,30}|[A-Za-z^,. 0-9]{0,50}", days in 1_u64..4000) {
        let back = |date: NaiveDate| date.checked_sub_days(chrono::Days::new(days));
        for study in STUDIES.iter() {
            for dates in
                [TextDates::Remove, TextDates::Keep, TextDates::Year, TextDates::Shift(&back)]
            {
                for clean in [Cleaner::kept, Cleaner::descriptor] {
                    if let Cleaned::Changed(rest) = clean(&study.cleaner, &text, dates) {
                        let again = match dates {
                            TextDates::Shift(_) => TextDates::Keep,
                            dates => dates,
                        };
                        prop_assert_ne!(&rest, &text);
                        let twice = clean(&study.cleaner, &rest, again);
                        let settled = twice == Cleaned::Unchanged || twice == Cleaned::Nothing;
                        prop_assert!(settled, "{text:?} left {rest:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_verifier_finds_every_value_that_is_not_cleaned() {
    for study in STUDIES.iter() {
        for (_, value) in study.values.iter().filter(|value| value.1.len() > 5) {
            assert!(study.examine(value).is_err(), "{value}");
        }
        study.examine("CT head without contrast").unwrap();
    }
}

/// `cargo test --lib deid::text::residue_tests::speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn speed() {
    use std::time::Instant;
    let mut known = Known::default();
    let at = Instant::now();
    known.observe(&dataset(STUDY));
    println!("observe {:?}", at.elapsed());
    let at = Instant::now();
    let cleaner = known.cleaner(Retained::default());
    println!("build {:?}", at.elapsed());
    for text in [
        "CT HEAD W/O CONTRAST AXIAL SOFT TISSUE KERNEL STANDARD PORTALVENO",
        "THORAX 3.0 B70f 512x512 kV 120 mAs 300 Abdomen 5.0 MPR cor 1.25",
        "ORIGINAL",
        "Schädel nativ 1.0 Hr64 Q3 Übersicht, Becken-Bein-Achse, arteriell",
        "CT head for Cordelia Merriweather of 11.01.2023, axial, left side",
    ] {
        for (name, clean) in
            [("kept", Cleaner::kept as fn(&_, &_, _) -> _), ("descriptor", Cleaner::descriptor)]
        {
            let at = Instant::now();
            for _ in 0..20_000 {
                std::hint::black_box::<Cleaned>(clean(&cleaner, text, TextDates::Remove));
            }
            println!("{name} {} bytes: {:?}", text.len(), at.elapsed() / 20_000);
        }
    }
}
