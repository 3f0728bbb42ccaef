//! Each identifying value at each place, in each disguise; and what must still pass.

use super::scribe::Scribe;
use super::*;

/// Identifying values of [`source`] in every form in which they might come back.
fn canaries() -> Vec<(Kind, Vec<u8>)> {
    use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
    let text = |kind, values: &[&str]| {
        values.iter().map(|v| (kind, v.as_bytes().to_vec())).collect::<Vec<_>>()
    };
    let mut all = text(
        Kind::Name,
        &[
            "MERRIWEATHER",
            "merriweather",
            "Merriweather",
            "Cordélia",
            "CORDELIA",
            "Anne",
            "Cordelia Merriweather",
            "Merriweather, Cordelia",
            "MERRIWEATHER_CORDELIA",
            "MERRIWEATHER^Cord\u{e9}lia^Anne",
            "cordelia.merriweather",
            "MerriweatherCordelia",
            "Quackenbush ward",
            "raw Thistlewood 19991231",
        ],
    );
    all.extend(text(
        Kind::Id,
        &["MRN-12345678", "mrn 12345678", "12345678", "MRN12345678", "ACC918273645", "918273645"],
    ));
    all.extend(text(
        Kind::BirthDate,
        &[
            "19310410",
            "1931-04-10",
            "1931.04.10",
            "1931/04/10",
            "10.04.1931",
            "10/04/1931",
            "04/10/1931",
            "10 Apr 1931",
            "10-APR-1931",
            "10 April 1931",
            "April 10, 1931",
            "Apr 10, 1931",
            "10.4.1931",
            "1931_04_10",
        ],
    ));
    all.extend(text(Kind::Date, &["20230111", "12.01.2023", "11 jan 2023", "19991231"]));
    all.extend(text(
        Kind::Contact,
        &[
            "221 Gooseberry Lane",
            "Gooseberry",
            "+41-314159265",
            "0041 314159265",
            "41 31 415 92 65",
        ],
    ));
    all.extend(text(
        Kind::Uid,
        &[
            "1.3.6.1.4.1.55555.4711.0.1",
            "1.3.6.1.4.1.55555.4711.0.1.2.1",
            "uid 1.3.6.1.4.1.55555.4711.0.1.2,",
        ],
    ));
    all.extend(text(Kind::Staff, &["Humperdinck", "Engelberta", "ENGELBERTA HUMPERDINCK"]));
    all.extend(text(Kind::Device, &["SN7654321", "STVITUS123", "CT01STVITUS"]));
    all.extend(text(
        Kind::Institution,
        &["St Vitus Memorial Hospital", "Ebbensburg", "Sanatorium"],
    ));
    for value in ["MRN-12345678", "ACC918273645"] {
        all.extend(text(
            Kind::Id,
            &[
                &HEXLOWER.encode(value.as_bytes()),
                &HEXUPPER.encode(value.as_bytes()),
                &BASE64.encode(value.as_bytes()),
                &BASE64.encode(format!("x{value}yz").as_bytes()),
                &BASE64.encode(format!("ab{value}").as_bytes()),
                &value.chars().rev().collect::<String>(),
            ],
        ));
    }
    // MD5, and SHA-1 cut to 20 digits, of the patient id.
    all.push((Kind::Id, b"bcac30307e12e2d1b67ef74bacbd1855".to_vec()));
    all.push((Kind::Id, b"f64c58ef7ef03548926c".to_vec()));
    let wide = |v: &str| v.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let wide_be = |v: &str| v.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    for value in ["Merriweather", "MRN-12345678", "19310410", "1.3.6.1.4.1.55555.4711.0.1"] {
        all.push((Kind::Name, wide(value)));
        all.push((Kind::Name, wide_be(value)));
    }
    all.push((Kind::Name, b"Cord\xe9lia".to_vec()));
    all
}

#[test]
fn every_value_at_every_place_is_found() {
    let watch = watch();
    let nest = |depth: usize, inner: Set| {
        (0..depth).fold(inner, |set, _| Set::default().items(0x5200_9229, &[set]))
    };
    let put = |set: &Set| clean().items(0x5200_9229, std::slice::from_ref(set));
    for (kind, value) in canaries() {
        let around = [b"of ", &value[..], b" ."].concat();
        let text = Set::default().with(0x0040_A160, "UT", &around);
        let mut files: Vec<(String, Vec<u8>)> = vec![
            (
                "text".into(),
                part10(&meta(EXPLICIT), &clean().with(0x0040_A160, "UT", &around).bytes()),
            ),
            (
                "short text".into(),
                part10(&meta(EXPLICIT), &clean().with(0x0018_1210, "SH", &value).bytes()),
            ),
            (
                "meta".into(),
                part10(&meta(EXPLICIT).with(0x0002_0013, "SH", &value), &clean().bytes()),
            ),
            (
                "blob".into(),
                part10(
                    &meta(EXPLICIT),
                    &clean().with(0x0028_2000, "OB", [b"\0\0\x01", &around[..]].concat()).bytes(),
                ),
            ),
            (
                "private".into(),
                part10(&meta(EXPLICIT), &clean().with(0x0029_1010, "OB", &around).bytes()),
            ),
            (
                "un".into(),
                part10(&meta(EXPLICIT), &clean().with(0x0018_1210, "UN", &around).bytes()),
            ),
            (
                "overlay".into(),
                part10(&meta(EXPLICIT), &clean().with(0x6000_4000, "LT", &around).bytes()),
            ),
            (
                "trailing".into(),
                [part10(&meta(EXPLICIT), &clean().bytes()), value.clone()].concat(),
            ),
        ];
        for depth in 0..5 {
            let bytes = put(&nest(depth, text.clone())).bytes();
            files.push((format!("depth {}", depth + 1), part10(&meta(EXPLICIT), &bytes)));
        }
        let mut preamble = part10(&meta(EXPLICIT), &clean().bytes());
        preamble[5..5 + value.len().min(120)].copy_from_slice(&value[..value.len().min(120)]);
        files.push(("preamble".into(), preamble));
        for (place, file) in files {
            let found = examine(&watch, &file);
            let shown = String::from_utf8_lossy(&value);
            assert!(found.is_err(), "{kind:?} {shown:?} at {place} was not found");
            let message = format!("{} {:?}", found.clone().unwrap_err(), found.unwrap_err());
            assert!(!message.contains(&*shown), "{place}: the residue shows the value");
        }
    }
}

#[test]
fn needles_of_eight_bytes_are_found_among_pixels() {
    let watch = watch();
    for (kind, value) in canaries() {
        let wide = value.contains(&0);
        if value.len() < 8 || wide && value.len() < 20 || kind == Kind::Contact && value.len() < 10
        {
            continue;
        }
        for at in [0, 1, 1000, 262_140, 262_144 - 300, 400_001] {
            let mut pixels = noise(500_000, at as u64);
            pixels[at..at + value.len()].copy_from_slice(&value);
            // The neighbours are no digits.
            pixels[at + value.len()] = 0;
            at.checked_sub(1).into_iter().for_each(|i| pixels[i] = 0);
            let found = examine_set(&watch, &clean().with(0x7FE0_0010, "OW", pixels));
            // A text that is only telling when folded isn't searched as such among pixels.
            let folded = ["0041", "41 31", "mrn 1"].iter().any(|f| value.starts_with(f.as_bytes()));
            assert!(folded || found.is_err(), "{:?} at {at}", String::from_utf8_lossy(&value));
        }
    }
}

#[test]
fn names_of_many_scripts_in_many_character_sets() {
    let hangul = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
    let kanji =
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
    let gb = b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab";
    let russian = b"\xbb\xee\xda\x63\x65\xdc\xd1\x79\xe0\xd3^\xcf\xe0\xde\xdf\xde\xdb\xda";
    let greek = b"\xd0\xe1\xf0\xe1\xe4\xfc\xf0\xef\xf5\xeb\xef\xf2^\xc1\xf1\xe9\xf3\xf4\xe5\xdf\xe4\xe7\xf2";
    let cases: [(&str, &[u8], &[&str]); 8] = [
        ("\\ISO 2022 IR 149", hangul, &["길동", "吉洞", "Gildong", "洪吉洞"]),
        ("\\ISO 2022 IR 87", kanji, &["山田", "太郎", "やまだ", "YAMADA", "Tarou Yamada"]),
        ("GB18030", gb, &["小东", "王小东", "XiaoDong"]),
        ("ISO_IR 144", russian, &["Ярополк", "ЯРОПОЛК"]),
        ("ISO_IR 126", greek, &["Παπαδόπουλος", "παπαδοπουλος", "Αριστείδης"]),
        (
            "ISO_IR 100",
            b"\xd8sterg\xe5rd^J\xfcrgen",
            &["Østergård", "Jürgen", "JUERGEN", "Ostergard", "oestergaard"],
        ),
        (
            "ISO_IR 192",
            "ZBIGNIEWSKA^Wisława".as_bytes(),
            &["Wisława", "WISŁAWA", "Wislawa", "Zbigniewska"],
        ),
        (
            "ISO_IR 100",
            b"O'SHAUGHNESSY^Fionnuala^^Dr",
            &["Shaughnessy", "OShaughnessy", "Fionnuala"],
        ),
    ];
    for (charset, name, needles) in cases {
        let source = source().with(0x0008_0005, "CS", charset).with(0x0010_0010, "PN", name);
        let watch = watch_of(&source);
        examine_set(&watch, &clean()).unwrap();
        let mut forms: Vec<Vec<u8>> =
            needles.iter().flat_map(|n| Scribe::default().renderings(n)).collect();
        forms.push(name.to_vec());
        for form in forms {
            let out = clean().with(0x0040_A160, "UT", [b"is ", &form[..], b" "].concat());
            assert!(examine_set(&watch, &out).is_err(), "{charset}: {form:02x?}");
            for output_set in [charset, "ISO_IR 100"] {
                let out =
                    clean().with(0x0010_0010, "PN", &form).with(0x0008_0005, "CS", output_set);
                assert!(examine_set(&watch, &out).is_err(), "PN {charset}: {form:02x?}");
            }
        }
    }
}

#[test]
fn the_same_attribute_must_change_however_short() {
    let watch = watch();
    for (tag, vr, value) in [
        (0x0020_0010, "SH", "7"),
        (0x0008_0030, "TM", "101317.400"),
        (0x0010_0040, "CS", "F"),
        (0x0008_1030, "LO", "Head w/o contrast, Mr(s) Merriweather"),
    ] {
        examine_set(&watch, &clean().with(tag, vr, value)).unwrap_err();
    }
    // The same characters elsewhere are nobody's.
    examine_set(&watch, &clean().with(0x0020_0011, "IS", "7")).unwrap();
}

#[test]
fn short_and_ordinary_names_do_not_hold_clean_studies_back() {
    for (name, id) in [
        ("Lee^May", "123"),
        ("Head^Axial", "1234"),
        ("White^Max", "1"),
        ("Li^Na", "12"),
        ("Ng^Lu", "CH EST"),
        ("Ad^He", "1"),
        ("A^Ye S", "12"),
        ("Ial^Ax", "123"),
    ] {
        let mut source = source().with(0x0010_0010, "PN", name).with(0x0010_0020, "LO", id);
        source = source.without(0x0008_1030);
        let watch = watch_of(&source);
        let ordinary = clean()
            .with(0x0008_103E, "LO", "fleet leeds 1235 may head sharp axial lung chest")
            .with(0x0018_1210, "SH", "STANDARD")
            .with(0x0028_3006, "OW", noise(8192, 5))
            .with(0x7FE0_0010, "OW", noise(10_000_000, 4));
        examine_set(&watch, &ordinary).unwrap();
        for leak in [name.replace('^', ", "), name.replace('^', " "), name.to_uppercase()] {
            if leak.len() > 5 {
                let out = clean().with(0x0040_A160, "UT", format!("of {leak}."));
                assert!(examine_set(&watch, &out).is_err(), "{leak}");
            }
        }
        let family = name.split('^').next().unwrap();
        if family.len() > 2 {
            examine_set(&watch, &clean().with(0x0040_A123, "PN", family)).unwrap_err();
        }
    }
}

#[test]
fn a_device_called_as_the_program_does_not_hold_back_what_names_the_program() {
    for tag in [0x0008_0054, 0x0008_1010, 0x0018_1000] {
        let watch = watch_of(&source().with(tag, "SH", "EFFACE"));
        examine_set(&watch, &clean()).unwrap();
    }
}

#[test]
fn pixels_that_look_like_text_do_not_hold_clean_studies_back() {
    let watch = watch();
    // Soft tissue around 100 HU in 16 bits looks like UTF-16; a flat grey around 52 like digits.
    let tissue: Vec<u8> = noise(1_000_000, 6).iter().flat_map(|b| [65 + b % 58, 0]).collect();
    let grey: Vec<u8> = noise(1_000_000, 7).iter().map(|b| 48 + b % 12).collect();
    for pixels in [tissue, grey, vec![0; 1_000_000], vec![b' '; 1_000_000]] {
        examine_set(&watch, &clean().with(0x7FE0_0010, "OW", pixels)).unwrap();
    }
}

#[test]
fn un_of_undefined_length_and_un_blobs_are_read_in_the_source() {
    let inner = implicit(&Set::default().with(0x0010_0010, "PN", "Featherstone^Ottoline"));
    let item =
        [b"\xfe\xff\0\xe0".to_vec(), (inner.len() as u32).to_le_bytes().to_vec(), inner].concat();
    let mut open = tag_bytes(0x0011_1001).to_vec();
    open.extend(b"UN\0\0\xff\xff\xff\xff");
    let undefined = [open, item.clone(), b"\xfe\xff\xdd\xe0\0\0\0\0".to_vec()].concat();
    let defined = element(0x0011_1001, "UN", &item);
    for dataset in [undefined, defined] {
        let mut witness = Witness::new();
        witness.observe(EXPLICIT, &dataset).unwrap();
        let watch = witness.seal().unwrap();
        examine_set(&watch, &clean()).unwrap();
        examine_set(&watch, &clean().with(0x0008_103E, "LO", "for ottoline")).unwrap_err();
    }
}
