//! Canaries: each identifying value at each place, in each disguise; and what must still pass.

use std::io::Cursor;

use super::charset::renderings;
use super::*;

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const JPEG: &str = "1.2.840.10008.1.2.4.70";
const IMPLICIT: &str = "1.2.840.10008.1.2";

/// A tiny writer, explicit VR little endian: it can write what no library would.
#[derive(Clone, Default)]
struct Set(std::collections::BTreeMap<u32, (String, Vec<u8>)>);

impl Set {
    fn with(mut self, tag: u32, vr: &str, value: impl AsRef<[u8]>) -> Self {
        let mut value = value.as_ref().to_vec();
        if value.len() % 2 == 1 {
            value.push(if matches!(vr, "UI" | "OB" | "UN") { 0 } else { b' ' });
        }
        self.0.insert(tag, (vr.to_owned(), value));
        self
    }

    fn without(mut self, tag: u32) -> Self {
        self.0.remove(&tag);
        self
    }

    fn items(self, tag: u32, items: &[Set]) -> Self {
        let item = |set: &Set| {
            let bytes = set.bytes();
            [b"\xfe\xff\0\xe0".to_vec(), (bytes.len() as u32).to_le_bytes().to_vec(), bytes]
                .concat()
        };
        let value: Vec<u8> = items.iter().flat_map(item).collect();
        self.with(tag, "SQ", value)
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(tag, (vr, value))| element(*tag, vr, value)).collect()
    }
}

fn element(tag: u32, vr: &str, value: &[u8]) -> Vec<u8> {
    let mut out = tag_bytes(tag).to_vec();
    out.extend(vr.as_bytes());
    if matches!(vr, "OB" | "OW" | "SQ" | "UC" | "UN" | "UR" | "UT") {
        out.extend([0, 0]);
        out.extend((value.len() as u32).to_le_bytes());
    } else {
        out.extend((value.len() as u16).to_le_bytes());
    }
    out.extend(value);
    out
}

fn tag_bytes(tag: u32) -> [u8; 4] {
    let [a, b, c, d] = tag.to_be_bytes();
    [b, a, d, c]
}

fn meta(syntax: &str) -> Set {
    Set::default()
        .with(0x0002_0001, "OB", [0, 1])
        .with(0x0002_0002, "UI", "1.2.840.10008.5.1.4.1.1.2")
        .with(0x0002_0003, "UI", "2.25.31415926535897932384626433832795028841")
        .with(0x0002_0010, "UI", syntax)
        .with(0x0002_0012, "UI", "2.25.1414213562373095048801688724209698078")
        .with(0x0002_0013, "SH", "EFFACE 0.1")
}

fn part10(meta: &Set, dataset: &[u8]) -> Vec<u8> {
    let group = meta.bytes();
    let length = element(0x0002_0000, "UL", &(group.len() as u32).to_le_bytes());
    [&[0; 128][..], b"DICM", &length, &group, dataset].concat()
}

/// What a scanner sent.
fn source() -> Set {
    let study = "1.3.6.1.4.1.55555.4711.0.1";
    let referring = Set::default().with(0x0008_0080, "LO", "Ebbensburg Sanatorium");
    Set::default()
        .with(0x0008_0005, "CS", "ISO_IR 100")
        .with(0x0008_0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL")
        .with(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.2")
        .with(0x0008_0018, "UI", "1.3.6.1.4.1.55555.4711.0.1.2.1")
        .with(0x0008_0020, "DA", "20230111")
        .with(0x0008_002A, "DT", "20230112101317.400000+0100")
        .with(0x0008_0030, "TM", "101317.400")
        .with(0x0008_0050, "SH", "ACC918273645")
        .with(0x0008_0060, "CS", "CT")
        .with(0x0008_0070, "LO", "GE MEDICAL SYSTEMS")
        .with(0x0008_0080, "LO", "St Vitus Memorial Hospital")
        .with(0x0008_0081, "ST", "77 Sanatorium Road, Ebbensburg")
        .with(0x0008_0090, "PN", "HUMPERDINCK^Engelberta")
        .items(0x0008_0096, &[referring])
        .with(0x0008_1010, "SH", "STVITUS123")
        .with(0x0008_1030, "LO", "Head w/o contrast, Mr(s) Merriweather")
        .with(0x0008_1090, "LO", "LightSpeed VCT")
        .with(0x0010_0010, "PN", b"MERRIWEATHER^Cord\xe9lia^Anne".as_slice())
        .with(0x0010_0020, "LO", "MRN-12345678")
        .with(0x0010_0030, "DA", "19310410")
        .with(0x0010_0040, "CS", "F")
        .with(0x0010_1040, "LO", "221 Gooseberry Lane")
        .with(0x0010_2154, "SH", "+41-314159265")
        .with(0x0018_0015, "CS", "HEAD")
        .with(0x0018_1000, "LO", "SN7654321")
        .with(0x0020_000D, "UI", study)
        .with(0x0020_000E, "UI", "1.3.6.1.4.1.55555.4711.0.1.2")
        .with(0x0020_0010, "SH", "7")
        .with(0x0009_0010, "LO", "ACME HC PHI 1")
        .with(0x0009_1001, "LO", "Quackenbush ward")
        .with(0x0009_1003, "UN", "raw Thistlewood 19991231")
}

/// What may leave.
fn clean() -> Set {
    let code = |value: &str, meaning: &str| {
        Set::default().with(0x0008_0100, "SH", value).with(0x0008_0102, "SH", "DCM").with(
            0x0008_0104,
            "LO",
            meaning,
        )
    };
    Set::default()
        .with(0x0008_0005, "CS", "ISO_IR 192")
        .with(0x0008_0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL")
        .with(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.2")
        .with(0x0008_0018, "UI", "2.25.31415926535897932384626433832795028841")
        .with(0x0008_0020, "DA", "")
        .with(0x0008_0050, "SH", "8K2M9P4Q7R1S3T5V")
        .with(0x0008_0060, "CS", "CT")
        .with(0x0008_0070, "LO", "GE MEDICAL SYSTEMS")
        .with(0x0008_0090, "PN", "")
        .with(0x0008_1090, "LO", "LightSpeed VCT")
        .with(0x0010_0010, "PN", "E1-0123456789ABCDEF")
        .with(0x0010_0020, "LO", "E1-0123456789ABCDEF")
        .with(0x0010_0030, "DA", "")
        .with(0x0012_0062, "CS", "YES")
        .with(0x0012_0063, "LO", "efface 0.1 PS3.15 2026d")
        .items(
            0x0012_0064,
            &[
                code("113100", "Basic Application Confidentiality Profile"),
                code("113102", "Clean Recognizable Visual Features Option"),
            ],
        )
        .with(0x0018_0015, "CS", "HEAD")
        .with(0x0018_0050, "DS", "0.54")
        .with(0x0018_0060, "DS", "120")
        .with(0x0020_000D, "UI", "2.25.27182818284590452353602874713526624977")
        .with(0x0020_000E, "UI", "2.25.16180339887498948482045868343656381177")
        .with(0x0020_0013, "IS", "1234")
        .with(0x0020_0032, "DS", "-122.5\\-122.5\\123.456")
        .with(0x0028_0002, "US", [1, 0])
        .with(0x0028_0010, "US", [0, 2])
        .with(0x0028_0302, "CS", "NO")
        .with(0x0028_0303, "CS", "REMOVED")
        .with(0x7FE0_0010, "OW", noise(4096, 1))
}

fn expected(syntax: &str) -> Expected<'_> {
    Expected {
        transfer_syntax: syntax,
        options: &["113102", "113100"],
        burned_in: None,
        visual_features: Some("NO"),
        longitudinal: "REMOVED",
        exempt: &[],
        dates: Dates::Removed,
        kept: &[],
    }
}

/// Seeded bytes without pattern.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..bytes).map(step).collect()
}

fn watch_of(source: &Set) -> Watch {
    let mut witness = Witness::new();
    witness.observe(EXPLICIT, &source.bytes()).unwrap();
    witness.also(Kind::Device, "CT01STVITUS");
    witness.seal().unwrap()
}

fn watch() -> Watch {
    watch_of(&source())
}

fn examine(watch: &Watch, file: &[u8]) -> Result<Examined, Residue> {
    watch.examine(Cursor::new(file), &expected(EXPLICIT))
}

fn examine_set(watch: &Watch, set: &Set) -> Result<Examined, Residue> {
    examine(watch, &part10(&meta(EXPLICIT), &set.bytes()))
}

/// Implicit VR of the same set.
fn implicit(set: &Set) -> Vec<u8> {
    let write = |(tag, (_, value)): (&u32, &(String, Vec<u8>))| {
        [&tag_bytes(*tag)[..], &(value.len() as u32).to_le_bytes(), value].concat()
    };
    set.0.iter().flat_map(write).collect()
}

#[test]
fn a_clean_file_passes_with_its_digest() {
    use sha2::Digest;
    let file = part10(&meta(EXPLICIT), &clean().bytes());
    let examined = examine(&watch(), &file).unwrap();
    assert_eq!(examined.bytes, file.len() as u64);
    assert_eq!(examined.sha256[..], sha2::Sha256::digest(&file)[..]);
}

#[test]
fn a_clean_file_in_implicit_vr_passes() {
    let set = clean().without(0x0012_0064);
    let file = part10(&meta(IMPLICIT), &implicit(&set));
    let expected = Expected { options: &[], ..expected(IMPLICIT) };
    watch().examine(Cursor::new(&file), &expected).unwrap();
    let file = part10(&meta(IMPLICIT), &implicit(&set.with(0x0008_1030, "LO", "Merriweather")));
    watch().examine(Cursor::new(&file), &expected).unwrap_err();
}

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
        (0..depth).fold(inner, |set, _| Set::default().items(0x0040_A730, &[set]))
    };
    let put = |set: &Set| clean().items(0x0040_A730, std::slice::from_ref(set));
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
fn fragments_of_encapsulated_pixels_are_searched() {
    let watch = watch();
    let file = |comment: &[u8]| {
        let length = (comment.len() as u16 + 2).to_be_bytes();
        let scan = noise(1000, 3);
        let jpeg = [b"\xff\xd8\xff\xfe", &length[..], comment, b"\xff\xda\0\x08", &scan].concat();
        let set = clean().without(0x7FE0_0010).bytes();
        let mut pixels = tag_bytes(0x7FE0_0010).to_vec();
        pixels.extend(b"OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0");
        pixels.extend((jpeg.len() as u32).to_le_bytes());
        pixels.extend(jpeg);
        pixels.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
        part10(&meta(JPEG), &[set, pixels].concat())
    };
    let verdict = |comment: &[u8]| watch.examine(Cursor::new(file(comment)), &expected(JPEG));
    verdict(b"nothing here").unwrap();
    let residue = verdict(b"Merriweather").unwrap_err();
    assert_eq!(residue, Residue { found: Found::Value(Kind::Name), place: Place::PixelData });
    verdict(b"1.3.6.1.4.1.55555.4711.0.1").unwrap_err();
    verdict(b"by Anne").unwrap_err();
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
        let mut forms: Vec<Vec<u8>> = needles.iter().flat_map(|n| renderings(n)).collect();
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
    let kept = Expected { exempt: &[Kind::Characteristic, Kind::Time], ..expected(EXPLICIT) };
    let file = part10(&meta(EXPLICIT), &clean().with(0x0010_0040, "CS", "F").bytes());
    watch.examine(Cursor::new(file), &kept).unwrap();
}

#[test]
fn what_is_exempt_stays_unless_it_is_graver() {
    let watch = watch();
    let verdict = |set: Set, exempt: &[Kind]| {
        let expected = Expected { exempt, ..expected(EXPLICIT) };
        watch.examine(Cursor::new(part10(&meta(EXPLICIT), &set.bytes())), &expected)
    };
    let dated = clean().with(0x0008_0020, "DA", "20230111");
    verdict(dated.clone(), &[]).unwrap_err();
    verdict(dated.clone(), &[Kind::Date]).unwrap();
    verdict(dated.with(0x0010_0030, "DA", "19310410"), &[Kind::Date]).unwrap_err();
    let device = clean().with(0x0018_1000, "LO", "SN7654321");
    verdict(device.clone(), &[Kind::Device]).unwrap();
    verdict(device, &[Kind::Institution]).unwrap_err();
    let uid = clean().with(0x0020_0052, "UI", "1.3.6.1.4.1.55555.4711.0.1");
    verdict(uid.clone(), &[Kind::Uid]).unwrap();
    verdict(uid, &[Kind::Date]).unwrap_err();
}

#[test]
fn claims_are_compared_literally() {
    let watch = watch();
    let codes = |sets: &[Set]| clean().items(0x0012_0064, sets);
    let code =
        |v: &str, s: &str| Set::default().with(0x0008_0100, "SH", v).with(0x0008_0102, "SH", s);
    let bad = [
        clean().with(0x0012_0062, "CS", "NO"),
        clean().without(0x0012_0062),
        clean().without(0x0012_0063),
        clean().without(0x0012_0064),
        clean().without(0x0028_0303),
        clean().without(0x0010_0010),
        clean().without(0x0010_0020),
        clean().with(0x0028_0303, "CS", "MODIFIED"),
        clean().with(0x0028_0302, "CS", "YES"),
        clean().with(0x0028_0301, "CS", "NO"),
        clean().with(0x0008_0018, "UI", "2.25.99"),
        codes(&[code("113100", "DCM")]),
        codes(&[code("113100", "DCM"), code("113102", "99X")]),
        codes(&[code("113100", "DCM"), code("113102", "DCM"), code("113101", "DCM")]),
        codes(&[code("113100", "DCM"), code("113102", "DCM"), Set::default()]),
    ];
    for (i, set) in bad.iter().enumerate() {
        assert!(examine_set(&watch, set).is_err(), "{i}");
    }
    let dataset = clean().bytes();
    for meta in [
        meta(JPEG),
        meta(EXPLICIT).with(0x0002_0003, "UI", "2.25.98"),
        meta(EXPLICIT).with(0x0002_0016, "AE", "EFFACE"),
        meta(EXPLICIT).with(0x0002_0100, "UI", "2.25.97"),
    ] {
        examine(&watch, &part10(&meta, &dataset)).unwrap_err();
    }
}

#[test]
fn banned_elements_and_structures() {
    let watch = watch();
    let ban = |set: Set| match examine_set(&watch, &set).unwrap_err().found {
        Found::Banned(ban) => ban,
        other => panic!("{other:?}"),
    };
    let nested = |set: Set| clean().items(0x0040_A730, &[set]);
    assert_eq!(ban(clean().with(0x0009_0010, "LO", "X")), Ban::Private);
    assert_eq!(ban(nested(Set::default().with(0x0009_0010, "LO", "X"))), Ban::Private);
    assert_eq!(ban(clean().with(0x6000_0010, "US", [1, 0])), Ban::Graphics);
    assert_eq!(ban(clean().with(0x5000_3000, "OW", [1, 0])), Ban::Graphics);
    assert_eq!(ban(clean().items(0x0088_0200, &[])), Ban::Picture);
    assert_eq!(ban(clean().items(0xFFFA_FFFA, &[])), Ban::AfterPixelData);
    assert_eq!(ban(clean().without(0x7FE0_0010).items(0xFFFA_FFFA, &[])), Ban::Signature);
    assert_eq!(ban(clean().items(0x0400_0561, &[])), Ban::Original);
    assert_eq!(ban(clean().with(0xFFFC_FFFC, "OB", [0, 0])), Ban::AfterPixelData);
    assert_eq!(ban(clean().with(0x0008_1190, "UR", "http://x")), Ban::Url);
    assert_eq!(ban(clean().with(0x0018_1210, "UN", "x")), Ban::Unknown);
    assert_eq!(ban(clean().with(0x0018_FFF0, "LO", "x")), Ban::NotInDictionary);
    let twice =
        [clean().without(0x7FE0_0010).bytes(), element(0x0028_0303, "CS", b"REMOVED ")].concat();
    let residue = examine(&watch, &part10(&meta(EXPLICIT), &twice)).unwrap_err();
    assert_eq!(residue.found, Found::Flaw(Flaw::Order));
}

#[test]
fn short_and_ordinary_names_do_not_hold_clean_studies_back() {
    for (name, id) in
        [("Lee^May", "123"), ("Head^Axial", "1234"), ("White^Max", "1"), ("Li^Na", "12")]
    {
        let mut source = source().with(0x0010_0010, "PN", name).with(0x0010_0020, "LO", id);
        source = source.without(0x0008_1030);
        let watch = watch_of(&source);
        let ordinary = clean()
            .with(0x0008_103E, "LO", "fleet leeds 1235 may head sharp axial")
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

#[test]
fn nothing_of_a_watch_can_be_shown() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&watch());
    let shown = format!("{:?} {:?}", watch(), Witness::new());
    assert_eq!(shown, "<watch> <witness>");
}

/// Folds the archives of real objects away in a directory that the test deletes.
fn real_files() -> Option<(tempfile::TempDir, Vec<std::path::PathBuf>)> {
    let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folders = std::fs::read_dir(&shared).ok()?.filter_map(Result::ok);
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for path in folders.filter_map(|f| std::fs::read_dir(f.path()).ok()).flatten().flatten() {
        let path = path.path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".dcm") {
            files.push(path);
        } else if name.ends_with(".tar.xz") {
            let into = dir.path().join(name);
            std::fs::create_dir(&into).unwrap();
            let mut tar = std::process::Command::new("tar");
            let done = tar.arg("-xJf").arg(&path).arg("-C").arg(&into).status();
            if !done.is_ok_and(|status| status.success()) {
                return None;
            }
        }
    }
    let mut folders = vec![dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        let (inner, mut here): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        folders.extend(inner);
        // Slices of a long series are alike: some of them are enough, unless all are asked for.
        here.sort();
        let all = std::env::var_os("EFFACE_ALL_FILES").is_some();
        let step = if all { 1 } else { here.len().div_ceil(60).max(1) };
        files.extend(here.into_iter().step_by(step));
    }
    Some((dir, files))
}

/// Transfer syntax and data set of a Part-10 file, if it is one.
fn open(file: &[u8]) -> Option<(String, &[u8])> {
    let group = file.get(140..)?;
    let length = u32::from_le_bytes(group.get(..4)?.try_into().ok()?) as usize;
    let (meta, dataset) = group.get(4..)?.split_at_checked(length)?;
    let at = meta.windows(6).position(|w| w == b"\x02\0\x10\0UI")?;
    let length = usize::from(meta[at + 6]);
    let syntax = meta.get(at + 8..at + 8 + length)?;
    (file[128..132] == *b"DICM")
        .then_some((String::from_utf8_lossy(syntax).trim_end_matches('\0').to_owned(), dataset))
}

#[test]
fn no_real_object_passes_as_its_own_result() {
    let Some((_dir, files)) = real_files() else {
        println!("SKIPPED: ../shared/data isn't there");
        return;
    };
    let (mut watched, mut unreadable, mut kinds) = (0, 0, std::collections::BTreeMap::new());
    let (mut held_back, mut patterns) = (Vec::new(), 0);
    for path in files {
        let file = std::fs::read(&path).unwrap();
        let Some((syntax, dataset)) = open(&file) else { continue };
        let mut witness = Witness::new();
        if witness.observe(&syntax, dataset).is_err() {
            unreadable += 1;
            continue;
        }
        let watch = witness.seal().unwrap();
        watched += 1;
        patterns = patterns.max(watch.size().0);
        let residue = watch.examine(Cursor::new(&file), &expected(&syntax)).unwrap_err();
        *kinds.entry(format!("{:?}", residue.found)).or_insert(0) += 1;
        // The data set under a new file meta and preamble: the values must be found as well.
        let bare = part10(&meta(&syntax), dataset);
        watch.examine(Cursor::new(&bare), &expected(&syntax)).unwrap_err();
        // A clean result of the same study isn't held back.
        if let Err(residue) = examine_set(&watch, &clean()) {
            held_back.push((path, residue));
        }
    }
    println!("{watched} watched, {unreadable} unreadable, most patterns {patterns}: {kinds:#?}");
    assert!(watched > 100, "{watched}");
    for (path, residue) in &held_back {
        println!("held back: {} {residue}", path.display());
    }
    assert!(held_back.len() * 20 < watched, "{} of {watched}", held_back.len());
}

/// The elements of a real object that a de-identifier may leave, and our claims.
fn strip(syntax: &str, dataset: &[u8]) -> Option<Set> {
    use super::walk::{Step, Tap, Walker, is_implicit};
    let size = dataset.len() as u64;
    let mut tap = Tap::new(dataset, size, ());
    let mut walker = Walker::new(is_implicit(syntax).ok()?, false, size);
    let mut set = clean();
    loop {
        let header = match walker.next(&mut tap).ok()? {
            Step::End => return Some(set),
            Step::Element(header) => header,
            _ => continue,
        };
        let stays = tags::kind_of(header.tag, header.vr).is_none()
            && header.length < 1 << 20
            && (header.vr.is_formal()
                || matches!(&header.vr.0, b"CS" | b"LO" | b"SH" | b"US" | b"FD" | b"OW"))
            && !matches!(
                header.tag.0,
                0x0008_0005 | 0x0008_0016 | 0x0012_0063 | 0x0028_0301..=0x0028_0303
            );
        if !walker.is_top() || !stays || rules::ban(&header, &expected(syntax)).is_some() {
            continue;
        }
        let value = tap.take(header.length as usize).ok()?.to_vec();
        set = set.with(header.tag.0, std::str::from_utf8(&header.vr.0).ok()?, value);
    }
}

#[test]
fn real_objects_that_were_stripped_pass() {
    let Some((_dir, files)) = real_files() else {
        println!("SKIPPED: ../shared/data isn't there");
        return;
    };
    let (mut passed, mut held) = (0, Vec::new());
    for path in files {
        let file = std::fs::read(&path).unwrap();
        let Some((syntax, dataset)) = open(&file) else { continue };
        let mut witness = Witness::new();
        if witness.observe(&syntax, dataset).is_err() {
            continue;
        }
        let Some(set) = strip(&syntax, dataset) else { continue };
        match examine_set(&witness.seal().unwrap(), &set) {
            Ok(_) => passed += 1,
            Err(residue) => held.push((path.file_name().unwrap().to_owned(), residue)),
        }
    }
    println!("{passed} passed, {} held back", held.len());
    for (path, residue) in &held {
        println!("{path:?}: {residue}");
    }
    assert!(held.len() * 50 < passed, "more than 2 % held back");
}

/// `CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo test --lib verify::tests::speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn speed() {
    use std::time::Instant;
    let mut witness = Witness::new();
    let at = Instant::now();
    for i in 0..2000 {
        // Two thousand texts that are nobody else's, as a vendor's raw header has them.
        let word: String = format!("{i:04}").bytes().map(|b| char::from(b - b'0' + b'k')).collect();
        let private = format!("wxy{word}zq of the protocol\0\x01{word}\0");
        let set = source()
            .with(0x0008_0018, "UI", format!("1.3.6.1.4.1.55555.4711.0.1.2.{i}"))
            .with(0x0029_0010, "LO", "SIEMENS CSA HEADER")
            .with(0x0029_1010, "OB", private);
        witness.observe(EXPLICIT, &set.bytes()).unwrap();
    }
    let observed = at.elapsed();
    let at = Instant::now();
    let watch = witness.seal().unwrap();
    println!(
        "observe {:?} per instance; seal {:?}; {:?} patterns and UIDs, {} bytes of pattern index",
        observed / 2000,
        at.elapsed(),
        watch.size(),
        watch.matcher.memory()
    );
    let tissue = |i: u64| -> Vec<u8> {
        noise(262_144, i).iter().flat_map(|b| (i16::from(*b) / 2 - 64 + 40).to_le_bytes()).collect()
    };
    for (what, pixels) in
        [("noise", noise(524_288, 9)), ("tissue", tissue(8)), ("zeros", vec![0; 524_288])]
    {
        let mut set = clean().with(0x7FE0_0010, "OW", pixels);
        for k in 0..60 {
            set = set.with(0x0018_9000 + k, "DS", format!("{k}.25\\7.5"));
        }
        for k in 0..40 {
            set = set.with(0x0018_9100 + k, "LO", format!("some text that is ordinary {k}"));
        }
        set.0.retain(|tag, _| Tag(*tag).keyword().is_some());
        let file = part10(&meta(EXPLICIT), &set.bytes());
        // The best of many: other work on the machine isn't ours.
        let once = || {
            let at = Instant::now();
            examine(&watch, &file).unwrap();
            at.elapsed()
        };
        let best = (0..300).map(|_| once()).min().unwrap();
        println!("{what}: {best:?} per {} KiB object", file.len() >> 10);
    }
    use sha2::Digest;
    let pixels = noise(524_288, 9);
    let time = |what: &str, work: &dyn Fn()| {
        let at = Instant::now();
        (0..100).for_each(|_| work());
        println!("of which {what} {:?}", at.elapsed() / 100);
    };
    time("SHA-256", &|| {
        std::hint::black_box(sha2::Sha256::digest(&pixels));
    });
    time("long needles", &|| watch.matcher.long(&pixels, 0, |_, _| {}));
    time("UIDs", &|| watch.uids.find(&pixels, 0, |_| {}));
}

/// A long file that is never in memory at once.
struct Endless {
    head: Vec<u8>,
    size: u64,
    at: u64,
}

impl std::io::Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let left = self.head.get(self.at as usize..).unwrap_or_default();
        let n = if left.is_empty() {
            out.len().min((self.size - self.at) as usize)
        } else {
            out.len().min(left.len())
        };
        out[..n].fill(9);
        let known = n.min(left.len());
        out[..known].copy_from_slice(&left[..known]);
        self.at += n as u64;
        Ok(n)
    }
}

impl std::io::Seek for Endless {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.at = match to {
            std::io::SeekFrom::Start(at) => at,
            _ => self.size,
        };
        Ok(self.at)
    }
}

#[test]
fn a_long_file_streams() {
    let mut head = part10(&meta(EXPLICIT), &clean().without(0x7FE0_0010).bytes());
    head.extend(tag_bytes(0x7FE0_0010));
    head.extend(b"OW\0\0");
    head.extend(50_000_000_u32.to_le_bytes());
    let size = head.len() as u64 + 50_000_000;
    let file = |size| Endless { head: head.clone(), size, at: 0 };
    assert_eq!(watch().examine(file(size), &expected(EXPLICIT)).unwrap().bytes, size);
    watch().examine(file(size - 1), &expected(EXPLICIT)).unwrap_err();
    watch().examine(file(size + 1), &expected(EXPLICIT)).unwrap_err();
}

mod properties {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static WATCH: LazyLock<Watch> = LazyLock::new(watch);

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Whatever is done to a file: no panic, and what passes has its own digest.
        #[test]
        fn mutants(edits in prop::collection::vec((0_usize..1500, any::<u8>()), 1..6),
                   cut in proptest::option::of(0_usize..1500)) {
            use sha2::Digest;
            let mut file = part10(&meta(EXPLICIT), &clean().with(0x7FE0_0010, "OW", [1, 2]).bytes());
            for (at, byte) in edits {
                let at = at % file.len();
                file[at] = byte;
            }
            file.truncate(cut.unwrap_or(file.len()));
            if let Ok(examined) = examine(&WATCH, &file) {
                prop_assert_eq!(&examined.sha256[..], &sha2::Sha256::digest(&file)[..]);
            }
            let dataset = &file[file.len().min(300)..];
            let _ = Witness::new().observe(EXPLICIT, dataset);
            let _ = Witness::new().observe(IMPLICIT, dataset);
        }

        /// A name as its own words anywhere in a text is found.
        #[test]
        fn any_name_in_any_text(family in "[B-DF-HJ-NP-TV-Z]{1}[a-zäöüéøł]{3,12}", given in "[A-Z][a-z]{3,9}",
                                before in "[ -~]{0,40}", after in "[ -~]{0,40}") {
            let source = Set::default().with(0x0008_0005, "CS", "ISO_IR 192")
                .with(0x0010_0010, "PN", format!("{family}^{given}"));
            let watch = watch_of(&source);
            for name in [format!("{family}, {given}"), format!("{given} {family}").to_uppercase()] {
                let out = clean().with(0x0040_A160, "UT", format!("{before} {name} {after}"));
                prop_assert!(examine_set(&watch, &out).is_err());
            }
        }

        /// Needles are found at every offset of a long file, across the seams of the window.
        #[test]
        fn any_offset(at in 0_usize..600_000) {
            let mut pixels = vec![7; 600_100];
            pixels[at..at + 12].copy_from_slice(b"MERRIWEATHER");
            let found = examine_set(&WATCH, &clean().with(0x7FE0_0010, "OW", pixels)).unwrap_err();
            prop_assert_eq!(found.place, Place::PixelData);
        }
    }
}
