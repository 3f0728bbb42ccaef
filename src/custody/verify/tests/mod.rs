//! A source, its clean result, and a writer that can write what no library would.

mod canary;
mod dates;
mod options;
mod private;
mod properties;
mod real;
mod structure;

use std::io::Cursor;

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

/// Examines a data set that may have more than a clean one.
fn examine_as(watch: &Watch, expected: &Expected<'_>, set: &Set) -> Result<Examined, Residue> {
    watch.examine(Cursor::new(part10(&meta(EXPLICIT), &set.bytes())), expected)
}

/// What was found in a data set that may not leave.
#[track_caller]
fn found_as(watch: &Watch, expected: &Expected<'_>, set: &Set) -> Found {
    examine_as(watch, expected, set).unwrap_err().found
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
