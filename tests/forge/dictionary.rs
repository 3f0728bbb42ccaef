//! The elements of the standard, and what Table E.1-1 lets stay of them.

use super::canary::Stay;
use dicom_core::Tag;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_dictionary_std::StandardDataDictionary;
use efface::standard::Annex;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A row of Table E.1-1.
pub struct Row {
    pub tag: u32,
    pub vr: &'static str,
    /// The code of the Basic Profile column.
    basic: &'static str,
    stay: Stay,
}

/// The columns behind the Basic Profile.
const COLUMNS: [Annex; 10] = [
    Annex::RetainSafePrivate,
    Annex::RetainUids,
    Annex::RetainDeviceIdentity,
    Annex::RetainInstitutionIdentity,
    Annex::RetainPatientCharacteristics,
    Annex::RetainFullDates,
    Annex::RetainModifiedDates,
    Annex::CleanDescriptors,
    Annex::CleanStructuredContent,
    Annex::CleanGraphics,
];

/// The rows of single elements; curves and overlays are whole groups.
pub static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let table = include_str!("../../src/standard/confidentiality.tsv");
    table.lines().filter(|line| line.starts_with("FFFFFFFF")).map(row).collect()
});

static BY_TAG: LazyLock<HashMap<u32, usize>> =
    LazyLock::new(|| ROWS.iter().enumerate().map(|(at, row)| (row.tag, at)).collect());

fn row(line: &'static str) -> Row {
    let cells: Vec<&str> = line.split('\t').collect();
    let tag = u32::from_str_radix(cells[1], 16).expect("a tag");
    let vr = vr_of(tag).unwrap_or("LO");
    let keeps = |(option, cell): (&Annex, &&str)| match (option, *cell) {
        // Days are shifted; times of day stay.
        (Annex::RetainModifiedDates, _) if vr != "TM" => None,
        (_, "K" | "C") => Some(*option),
        _ => None,
    };
    let options: Vec<Annex> = COLUMNS.iter().zip(&cells[4..]).filter_map(keeps).collect();
    Row { tag, vr, basic: cells[3], stay: Stay::with(&options) }
}

/// Elements of the dictionary that Table E.1-1 does not list, with their VR.
pub static UNLISTED: LazyLock<Vec<(u32, &'static str)>> = LazyLock::new(|| {
    let tags =
        GROUPS.iter().flat_map(|group| (1..=0xFFFF).map(move |element| group << 16 | element));
    let free = |tag: &u32| !BY_TAG.contains_key(tag) && !STRUCTURAL.contains(tag);
    tags.filter(free).filter_map(|tag| Some((tag, vr_of(tag)?))).collect()
});

/// Groups of data sets in PS3.6.
#[rustfmt::skip]
const GROUPS: [u32; 66] = [
    0x0008, 0x0010, 0x0012, 0x0014, 0x0016, 0x0018, 0x0020, 0x0022, 0x0024, 0x0028, 0x0032, 0x0034, 0x0038, 0x003A,
    0x0040, 0x0042, 0x0044, 0x0046, 0x0048, 0x0050, 0x0052, 0x0054, 0x0060, 0x0062, 0x0064, 0x0066, 0x0068, 0x006A,
    0x006C, 0x006E, 0x0070, 0x0072, 0x0074, 0x0076, 0x0078, 0x0080, 0x0082, 0x0086, 0x0088, 0x0100, 0x2000, 0x2010,
    0x2020, 0x2030, 0x2040, 0x2050, 0x2100, 0x2110, 0x2120, 0x2130, 0x2200, 0x3002, 0x3004, 0x3006, 0x3008, 0x300A,
    0x300C, 0x300E, 0x3010, 0x3012, 0x4000, 0x4008, 0x4010, 0x4012, 0x5200, 0x5400,
];

/// Sequences that Table E.1-1 does not list or whose items it keeps: what stays around a canary.
pub static OPEN_SEQUENCES: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let unlisted = UNLISTED.iter().filter(|(_, vr)| *vr == "SQ").map(|(tag, _)| *tag);
    let listed = ROWS.iter().filter(|row| row.vr == "SQ" && row.basic == "X/Z/U*");
    unlisted.chain(listed.map(|row| row.tag)).collect()
});

/// Elements that say how the others are to be read.
const STRUCTURAL: [u32; 12] = [
    0x0008_0001, // LengthToEnd
    0x0008_0005, // SpecificCharacterSet
    0x0008_0016, // SOPClassUID
    0x0028_0002, // SamplesPerPixel
    0x0028_0010, // Rows
    0x0028_0011, // Columns
    0x0028_0100, // BitsAllocated
    0x0028_0101, // BitsStored
    0x0028_0102, // HighBit
    0x0028_0103, // PixelRepresentation
    0x0012_0064, // DeidentificationMethodCodeSequence
    0x0028_0301, // BurnedInAnnotation
];

/// What lets a value stay in this element. `vr` is the one that it is written with.
pub fn stay_of(tag: u32, vr: &str) -> Vec<Stay> {
    let group = tag >> 16;
    if group % 2 == 1 || matches!(group & 0xFF00, 0x5000 | 0x6000) {
        return vec![Stay::Never];
    }
    if let Some(row) = BY_TAG.get(&tag) {
        let row = &ROWS[*row];
        return vec![match (vr, row.basic) {
            // Items of these stay, each element under its own row.
            ("SQ", "U" | "K" | "X/Z/U*") => Stay::Always,
            _ => row.stay,
        }];
    }
    match vr_of(tag) {
        // UN of a known element is read as what the dictionary says (PS3.5 6.2.2).
        Some(legal) if vr == "UN" => vec![stay_of_unlisted(tag, legal)],
        Some(legal) => vec![stay_of_unlisted(tag, legal), stay_of_unlisted(tag, vr)],
        None => vec![Stay::Never],
    }
}

/// Elements that the table does not list stay, unless their VR is made for what identifies.
fn stay_of_unlisted(tag: u32, vr: &str) -> Stay {
    match vr {
        "PN" | "UN" => Stay::Never,
        "DA" | "DT" => Stay::with(&[Annex::RetainFullDates]),
        "TM" => Stay::with(&[Annex::RetainFullDates, Annex::RetainModifiedDates]),
        "AE" => Stay::with(&[Annex::RetainDeviceIdentity]),
        "UI" => Stay::with(&[Annex::RetainUids]),
        // Long Code Value, URN Code Value: codes.
        "UC" | "UR" if matches!(tag, 0x0008_0119 | 0x0008_0120) => Stay::Always,
        "ST" | "LT" | "UT" | "UC" | "UR" => {
            Stay::with(&[Annex::CleanDescriptors, Annex::CleanStructuredContent])
        }
        _ => Stay::Always,
    }
}

/// The VR of a standard element.
pub fn vr_of(tag: u32) -> Option<&'static str> {
    let entry = StandardDataDictionary.by_tag(Tag((tag >> 16) as u16, tag as u16))?;
    Some(match entry.vr() {
        VirtualVr::Exact(vr) => vr.to_string(),
        VirtualVr::Xs => "US",
        _ => "OW",
    })
}

/// An even tag that PS3.6 does not know.
pub fn is_known(tag: u32) -> bool {
    vr_of(tag).is_some()
}
