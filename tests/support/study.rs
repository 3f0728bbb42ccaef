//! Studies about nobody, with identifying values wherever scanners and archives put them.
//!
//! The encoder is the tests' own (Explicit VR Little Endian, PS3.5 7.1.2): what the gateway reads
//! was not written by a library that the gateway uses.

use super::canary::UID_ROOT;
use efface::dicom::plane::ImagePlane;
use efface::phantom::Phantom;
use encoding_rs::Encoding;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub const ENHANCED_CT: &str = "1.2.840.10008.5.1.4.1.1.2.1";
pub const PET: &str = "1.2.840.10008.5.1.4.1.1.128";
pub const STRUCTURE_SET: &str = "1.2.840.10008.5.1.4.1.1.481.3";
pub const MR: &str = "1.2.840.10008.5.1.4.1.1.4";
pub const US: &str = "1.2.840.10008.5.1.4.1.1.6.1";
pub const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
pub const BASIC_TEXT_SR: &str = "1.2.840.10008.5.1.4.1.1.88.11";
pub const DOSE_SR: &str = "1.2.840.10008.5.1.4.1.1.88.67";
const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";

/// A value as it stands in the file.
#[derive(Clone)]
pub enum Value {
    Bytes(Vec<u8>),
    Items(Vec<Elements>),
}

/// A data set: elements by tag, with their VR.
#[derive(Clone, Default)]
pub struct Elements(pub BTreeMap<u32, (&'static str, Value)>);

impl Elements {
    /// Sets text, padded to an even length.
    pub fn text(&mut self, tag: u32, vr: &'static str, text: &str) -> &mut Self {
        self.bytes(tag, vr, text.as_bytes())
    }

    pub fn bytes(&mut self, tag: u32, vr: &'static str, bytes: &[u8]) -> &mut Self {
        let pad = if matches!(vr, "UI" | "OB" | "OW" | "UN") { 0 } else { b' ' };
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(2), pad);
        self.0.insert(tag, (vr, Value::Bytes(bytes)));
        self
    }

    pub fn numbers(&mut self, tag: u32, numbers: &[u16]) -> &mut Self {
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.bytes(tag, "US", &bytes)
    }

    pub fn item(&mut self, tag: u32, fill: impl FnOnce(&mut Elements)) -> &mut Self {
        let mut item = Elements::default();
        fill(&mut item);
        self.0.insert(tag, ("SQ", Value::Items(vec![item])));
        self
    }

    /// One row of a table of texts.
    pub fn texts(&mut self, rows: &[(u32, &'static str, &str)]) -> &mut Self {
        for (tag, vr, text) in rows {
            self.text(*tag, vr, text);
        }
        self
    }

    pub fn remove(&mut self, tag: u32) -> &mut Self {
        self.0.remove(&tag);
        self
    }

    pub fn text_of(&self, tag: u32) -> String {
        match self.0.get(&tag) {
            Some((_, Value::Bytes(bytes))) => {
                String::from_utf8_lossy(bytes).trim_end_matches(['\0', ' ']).to_owned()
            }
            _ => String::new(),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (tag, (vr, value)) in &self.0 {
            let bytes = match value {
                Value::Bytes(bytes) => bytes.clone(),
                Value::Items(items) => items.iter().flat_map(Elements::encode_item).collect(),
            };
            push_tag(&mut out, *tag);
            out.extend(vr.as_bytes());
            if matches!(*vr, "OB" | "OW" | "SQ" | "UN" | "UT") {
                out.extend([0, 0]);
                out.extend((bytes.len() as u32).to_le_bytes());
            } else {
                out.extend(u16::try_from(bytes.len()).expect("a short value").to_le_bytes());
            }
            out.extend(bytes);
        }
        out
    }

    fn encode_item(&self) -> Vec<u8> {
        let body = self.encode();
        let mut out = Vec::new();
        push_tag(&mut out, 0xFFFE_E000);
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(body);
        out
    }

    /// A DICOM file. Preamble and file meta information name the patient's hospital too.
    pub fn write(&self, path: &Path) {
        let mut meta = Elements::default();
        meta.bytes(0x0002_0001, "OB", &[0, 1]).texts(&[
            (0x0002_0002, "UI", &self.text_of(0x0008_0016)),
            (0x0002_0003, "UI", &self.text_of(0x0008_0018)),
            (0x0002_0010, "UI", EXPLICIT_LITTLE),
            (0x0002_0012, "UI", "1.2.826.0.1.3680043.8.498.1"),
            (0x0002_0016, "AE", "CT01STVITUS"),
        ]);
        let meta = meta.encode();
        let mut file = b"scanned at St Vitus Memorial".to_vec();
        file.resize(128, 0);
        file.extend(b"DICM");
        let mut length = Elements::default();
        length
            .0
            .insert(0x0002_0000, ("UL", Value::Bytes((meta.len() as u32).to_le_bytes().to_vec())));
        file.extend(length.encode());
        file.extend(meta);
        file.extend(self.encode());
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder for a study");
        std::fs::write(path, file).expect("a file of a study");
    }
}

fn push_tag(out: &mut Vec<u8>, tag: u32) {
    out.extend(((tag >> 16) as u16).to_le_bytes());
    out.extend((tag as u16).to_le_bytes());
}

/// Somebody who does not exist.
#[derive(Clone)]
pub struct Patient {
    pub number: u32,
    pub charset: &'static str,
    encoding: &'static Encoding,
    prefix: &'static [u8],
    pub name: &'static str,
    /// Words of the name in which nobody else's name can be.
    pub words: &'static [&'static str],
}

/// Character set, its encoding and what leads it in, name, words of the name.
type Person =
    (&'static str, &'static Encoding, &'static [u8], &'static str, &'static [&'static str]);

#[rustfmt::skip]
const PEOPLE: [Person; 6] = [
    ("ISO_IR 100", encoding_rs::WINDOWS_1252, b"", "MERRIWEATHER^Cordelia^Anne", &["MERRIWEATHER", "Merriweather", "Cordelia"]),
    ("ISO_IR 100", encoding_rs::WINDOWS_1252, b"", "Østergård^Jürgen", &["Østergård", "Jürgen"]),
    ("ISO_IR 192", encoding_rs::UTF_8, b"", "ZBIGNIEWSKA^Wisława", &["ZBIGNIEWSKA", "Zbigniewska", "Wisława"]),
    ("\\ISO 2022 IR 87", encoding_rs::ISO_2022_JP, b"", "Yamadatest^Tarou=山田^太郎=やまだ^たろう", &["Yamadatest", "山田", "太郎", "やまだ"]),
    ("ISO_IR 126", encoding_rs::ISO_8859_7, b"", "Παπαδόπουλος^Αριστείδης", &["Παπαδόπουλος", "Αριστείδης"]),
    ("\\ISO 2022 IR 149", encoding_rs::EUC_KR, b"\x1b$)C", "Gildongtest=洪^吉洞=홍^길동", &["Gildongtest", "吉洞", "길동"]),
];

/// How many there are.
pub const PATIENTS: u32 = PEOPLE.len() as u32;

/// Number `n` of the people who do not exist.
pub fn patient(number: u32) -> Patient {
    let (charset, encoding, prefix, name, words) = PEOPLE[(number % PATIENTS) as usize];
    Patient { number, charset, encoding, prefix, name, words }
}

impl Patient {
    /// A text in the patient's character set. Korean says so in every component (PS3.5 H.3).
    pub fn encoded(&self, text: &str) -> Vec<u8> {
        let groups = text.split('=').map(|group| {
            let bytes = self.encoding.encode(group).0.into_owned();
            match bytes.is_ascii() {
                true => bytes,
                false => [self.prefix, &bytes].concat(),
            }
        });
        groups.collect::<Vec<_>>().join(&b'=')
    }

    pub fn id(&self) -> String {
        format!("MRN-7741{:04}", self.number + 1)
    }

    pub fn birth_date(&self) -> String {
        format!("19{}0417", 31 + self.number % 40)
    }

    /// The identifying values of this patient: in no form may any of them leave.
    pub fn needles(&self) -> Vec<String> {
        let own = [self.id(), self.birth_date(), format!("ACC{}", self.digits())];
        own.into_iter().chain(self.words.iter().map(|word| (*word).to_owned())).collect()
    }

    fn digits(&self) -> String {
        format!("8804{:03}17", self.number + 3)
    }

    fn uid(&self, rest: &str) -> String {
        format!("{UID_ROOT}.{}.{rest}", self.number + 1)
    }

    /// An instance of one of the patient's studies with everything that a hospital writes into it.
    pub fn instance(&self, class: &str, study: u32, series: u32, instance: u32) -> Elements {
        let mut data = Elements::default();
        let study_uid = self.uid(&format!("{study}.1"));
        let name = self.encoded(self.name);
        let word = self.encoded(self.words[0]);
        let about = |text: &str| [text.as_bytes(), &word].concat();
        let accession = format!("ACC{}", self.digits());
        let modality = MODALITIES.iter().find(|(uid, _)| *uid == class).expect("a class").1;
        #[rustfmt::skip]
        data.texts(&[
            (0x0008_0005, "CS", self.charset), (0x0008_0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
            (0x0008_0012, "DA", "20230711"), (0x0008_0013, "TM", "101500.123"),
            (0x0008_0014, "UI", &self.uid("9.1")), (0x0008_0016, "UI", class),
            (0x0008_0018, "UI", &self.uid(&format!("{study}.1.{series}.{instance}"))),
            (0x0008_0020, "DA", "20230711"), (0x0008_0021, "DA", "20230711"),
            (0x0008_0022, "DA", "20230711"), (0x0008_0023, "DA", "20230711"),
            (0x0008_002A, "DT", "20230711101317.400000+0100"),
            (0x0008_0030, "TM", "101317.400"), (0x0008_0032, "TM", "101317.400"),
            (0x0008_0050, "SH", &accession), (0x0008_0060, "CS", modality),
            (0x0008_0070, "LO", "ACME MEDICAL"), (0x0008_0080, "LO", "St Vitus Memorial Hospital"),
            (0x0008_0081, "ST", "77 Sanatorium Road, Ebbensburg"), (0x0008_0090, "PN", "HUMPERDINCK^Engelberta"),
            (0x0008_0092, "ST", "78 Sanatorium Road"), (0x0008_0094, "SH", "+41-5550188"),
            (0x0008_1010, "SH", "STVITUS771"), (0x0008_1040, "LO", "Neuroradiology Wing Q7"),
            (0x0008_1048, "PN", "LINDQVIST^Torbjorn"), (0x0008_1050, "PN", "SPLENDORIO^Caspian"),
            (0x0008_1060, "PN", "FITZMAURICE^Leocadia"), (0x0008_1070, "PN", "WIGGLESWORTH^Petronella"),
            (0x0008_1090, "LO", "Model 9"),
            (0x0010_0020, "LO", &self.id()), (0x0010_0021, "LO", "STVITUS-ADT"),
            (0x0010_0030, "DA", &self.birth_date()), (0x0010_0032, "TM", "073100"), (0x0010_0040, "CS", "F"),
            (0x0010_1000, "LO", "SSN661902214"), (0x0010_1010, "AS", "070Y"),
            (0x0010_1020, "DS", "1.71"), (0x0010_1030, "DS", "71"),
            (0x0010_1040, "LO", "316 Gooseberry Lane, Ebbensburg"), (0x0010_2154, "SH", "+41-5550133"),
            (0x0010_2180, "SH", "Stoker"),
            (0x0018_0015, "CS", "ABDOMEN"), (0x0018_0050, "DS", "5"), (0x0018_1000, "LO", "SN5561207"),
            (0x0018_1002, "UI", &self.uid("6.1")), (0x0018_1020, "LO", "sw-12.4"),
            (0x0018_5100, "CS", "HFS"),
            (0x0020_000D, "UI", &study_uid), (0x0020_000E, "UI", &self.uid(&format!("{study}.1.{series}"))),
            (0x0020_0010, "SH", "SID552019"), (0x0020_0011, "IS", &series.to_string()),
            (0x0020_0012, "IS", "1"), (0x0020_0013, "IS", &instance.to_string()),
            (0x0020_0052, "UI", &self.uid(&format!("{study}.1.99"))), (0x0020_1040, "LO", ""),
            (0x0032_1032, "PN", "KOWALEWICZ^Bonifacy"), (0x0032_1033, "LO", "Neuroradiology Wing Q7"),
            (0x0040_0244, "DA", "20230711"), (0x0040_0253, "SH", "PPS552019"),
        ]);
        for (tag, vr) in [(0x0010_0010, "PN"), (0x0010_1001, "PN"), (0x0010_1060, "PN")] {
            data.bytes(tag, vr, &name);
        }
        for (tag, vr, text) in ABOUT {
            data.bytes(tag, vr, &about(text));
        }
        self.nested(&mut data, &study_uid, &name);
        self.private(&mut data, &word);
        data
    }

    /// As an archive writes after two patients were merged: names three sequences deep.
    fn nested(&self, data: &mut Elements, study_uid: &str, name: &[u8]) {
        data.item(0x0008_0096, |who| {
            who.texts(&[
                (0x0008_0080, "LO", "St Vitus Memorial Hospital"),
                (0x0040_1102, "ST", "78 Sanatorium Road"),
            ]);
        });
        data.item(0x0008_1110, |study| {
            study.texts(&[
                (0x0008_1150, "UI", "1.2.840.10008.3.1.2.3.1"),
                (0x0008_1155, "UI", study_uid),
            ]);
        });
        data.item(0x0010_1002, |other| {
            other.texts(&[(0x0010_0020, "LO", "SSN661902214"), (0x0010_0021, "LO", "STATE")]);
        });
        data.item(0x0040_0275, |request| {
            request.text(0x0008_0050, "SH", &format!("ACC{}", self.digits()));
            request.text(0x0020_000D, "UI", study_uid).bytes(0x0040_0007, "LO", name);
        });
        data.item(0x0400_0561, |original| {
            original.text(0x0400_0563, "LO", "STVITUS771").text(
                0x0400_0564,
                "LO",
                "St Vitus Memorial Hospital",
            );
            original.item(0x0400_0550, |modified| {
                modified.bytes(0x0010_0010, "PN", name).text(0x0010_0020, "LO", &self.id());
                modified.item(0x0040_0275, |request| {
                    request.bytes(0x0032_1060, "LO", name);
                });
            });
        });
    }

    /// Text, an unknown VR, a sequence and a scanner's binary header.
    fn private(&self, data: &mut Elements, word: &[u8]) {
        data.text(0x0009_0010, "LO", "ACME HC PHI 1").bytes(0x0009_1001, "LO", word);
        data.item(0x0009_1002, |item| {
            item.bytes(0x0010_0010, "PN", word).text(0x0010_0020, "LO", &self.id());
        });
        data.bytes(0x0009_1003, "UN", &[b"raw ", word, self.birth_date().as_bytes()].concat());
        data.text(0x0029_0010, "LO", "SIEMENS CSA HEADER");
        let csa = [b"SV10\x04\x03\x02\x01PatientName\0\0\0", word, b"\0\0\0\0"].concat();
        data.bytes(0x0029_1010, "OB", &csa);
    }

    /// Slice `number` of a body without a head: an ellipse of 34 by 26 cm with a spine and table.
    pub fn body_slice(&self, study: u32, number: u32) -> Elements {
        let mut slice = self.instance(CT, study, 2, number);
        image(&mut slice, &body(number), [SIDE, SIDE], SPACING_MM, f64::from(number) * 5.0);
        slice.text(0x0028_1052, "DS", "-1024").text(0x0028_1053, "DS", "1");
        if number <= 2 {
            self.overlay(&mut slice);
        }
        slice
    }

    /// A graphic with a comment, as on the first images of a series.
    fn overlay(&self, slice: &mut Elements) {
        slice.numbers(0x6000_0010, &[SIDE]).numbers(0x6000_0011, &[SIDE]);
        slice.text(0x6000_0040, "CS", "G");
        slice.bytes(0x6000_0022, "LO", &self.encoded(self.words[0]));
        slice.0.insert(0x6000_0050, ("SS", Value::Bytes(vec![1, 0, 1, 0])));
        slice.numbers(0x6000_0100, &[1]).numbers(0x6000_0102, &[0]);
        slice.bytes(0x6000_3000, "OW", &vec![0; usize::from(SIDE) * usize::from(SIDE) / 8]);
    }

    /// One image of another kind.
    pub fn image_of(&self, class: &str, study: u32, number: u32) -> Elements {
        let mut data = self.instance(class, study, 5, number);
        image(&mut data, &body(number), [SIDE, SIDE], SPACING_MM, f64::from(number) * 5.0);
        data
    }

    /// A report with a text that names the patient.
    pub fn report(&self, class: &str, study: u32) -> Elements {
        let mut data = self.instance(class, study, 7, 1);
        let text = [b"No change. Told ", self.encoded(self.words[0]).as_slice()].concat();
        data.remove(0x0018_0015).texts(&[
            (0x0040_A040, "CS", "CONTAINER"),
            (0x0040_A050, "CS", "SEPARATE"),
            (0x0040_A491, "CS", "COMPLETE"),
            (0x0040_A493, "CS", "UNVERIFIED"),
        ]);
        data.item(0x0040_A730, |finding| {
            finding.texts(&[(0x0040_A010, "CS", "CONTAINS"), (0x0040_A040, "CS", "TEXT")]);
            finding.bytes(0x0040_A160, "UT", &text);
        });
        data
    }

    /// The CT of an average head that is nobody's, 2 mm apart.
    pub fn head_ct(&self, study: u32) -> Vec<Elements> {
        self.head(CT, [study, 3], Phantom::axial(2.0).planes)
    }

    /// The same head in a series of any class, as these planes sample it. In other classes than CT air is 0.
    pub fn head(
        &self,
        class: &str,
        [study, series]: [u32; 2],
        planes: Vec<ImagePlane>,
    ) -> Vec<Elements> {
        let phantom = Phantom::sampled_by(planes);
        let slices = phantom.planes.iter().zip(&phantom.slices).zip(1..);
        let slices = slices.map(|((plane, samples), number)| {
            let mut slice = self.instance(class, study, series, number);
            let air = if class == CT { 0 } else { 64 };
            let samples: Vec<u16> = samples.iter().map(|v| (*v - air).max(0) as u16).collect();
            let size = [plane.rows() as u16, plane.columns() as u16];
            let spacing = plane.spacing();
            image(&mut slice, &samples, size, spacing.between_rows, 0.0);
            let numbers = |n: &[f64]| n.iter().map(f64::to_string).collect::<Vec<_>>().join("\\");
            slice.text(0x0020_0032, "DS", &numbers(&plane.origin()));
            slice.text(0x0020_0037, "DS", &numbers(&[plane.row(), plane.column()].concat()));
            slice.text(0x0018_0015, "CS", "HEAD").text(0x0018_0050, "DS", "2");
            if class == CT {
                slice.text(0x0028_1052, "DS", "-1024").text(0x0028_1053, "DS", "1");
            }
            slice
        });
        slices.collect()
    }
}

/// Elements that people write sentences about the patient into.
const ABOUT: [(u32, &str, &str); 9] = [
    (0x0008_1030, "LO", "Liver and spleen, Mr(s) "),
    (0x0008_103E, "LO", "thin axial "),
    (0x0008_1080, "LO", "fell down the stairs: "),
    (0x0010_2000, "LO", "penicillin: "),
    (0x0010_21B0, "LT", "seen by Dr Humperdinck; patient "),
    (0x0010_4000, "LT", "call +41-5550133 and ask for "),
    (0x0018_1030, "LO", "1.4 routine "),
    (0x0020_4000, "LT", "moved during scan: "),
    (0x0032_1060, "LO", "CT for "),
];

const MODALITIES: [(&str, &str); 9] = [
    (CT, "CT"),
    (ENHANCED_CT, "CT"),
    (MR, "MR"),
    (PET, "PT"),
    (STRUCTURE_SET, "RTSTRUCT"),
    (US, "US"),
    (SECONDARY_CAPTURE, "OT"),
    (BASIC_TEXT_SR, "SR"),
    (DOSE_SR, "SR"),
];

pub const SIDE: u16 = 96;
const SPACING_MM: f64 = 5.0;

fn image(data: &mut Elements, samples: &[u16], [rows, columns]: [u16; 2], mm: f64, z: f64) {
    let half = f64::from(SIDE) * mm / 2.0;
    data.texts(&[
        (0x0020_0032, "DS", &format!("-{half}\\-{half}\\{z}")),
        (0x0020_0037, "DS", "1\\0\\0\\0\\1\\0"),
        (0x0028_0004, "CS", "MONOCHROME2"),
        (0x0028_0030, "DS", &format!("{mm}\\{mm}")),
        (0x0028_1050, "DS", "40"),
        (0x0028_1051, "DS", "400"),
    ]);
    for (tag, number) in [
        (0x0028_0002, 1),
        (0x0028_0010, rows),
        (0x0028_0011, columns),
        (0x0028_0100, 16),
        (0x0028_0101, 16),
        (0x0028_0102, 15),
        (0x0028_0103, 0),
    ] {
        data.numbers(tag, &[number]);
    }
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    data.bytes(0x7FE0_0010, "OW", &bytes);
}

/// Two by two pixels, for tests of many instances.
pub fn tiny_image(data: &mut Elements, number: u32) {
    image(data, &[number as u16, 7, 8, 9], [2, 2], SPACING_MM, f64::from(number) * 5.0);
    data.text(0x0028_1052, "DS", "-1024").text(0x0028_1053, "DS", "1");
}

/// Stored values of a body slice: HU + 1024, with noise that is a function of the voxel.
fn body(number: u32) -> Vec<u16> {
    let side = i64::from(SIDE);
    let sample = |at: i64| {
        let (x, y) = ((at % side - side / 2) * 5, (at / side - side / 2) * 5);
        let in_ellipse =
            |a: i64, b: i64, cy: i64| (x * x * b * b + (y - cy) * (y - cy) * a * a) < a * a * b * b;
        let noise = ((at as u64 * 2_654_435_761 + u64::from(number) * 97) >> 7) % 20;
        let hu = match () {
            () if in_ellipse(20, 20, 80) => 1724,
            () if in_ellipse(170, 130, 0) => 1064,
            () => 14,
        };
        hu + noise as u16
    };
    (0..side * side).map(sample).collect()
}

/// A body CT of `slices` slices as files in `folder`.
pub fn write_body_ct(folder: &Path, patient: &Patient, study: u32, slices: u32) -> Vec<PathBuf> {
    let elements: Vec<_> = (1..=slices).map(|n| patient.body_slice(study, n)).collect();
    write_all(folder, &elements)
}

pub fn write_all(folder: &Path, instances: &[Elements]) -> Vec<PathBuf> {
    let path = |data: &Elements| folder.join(format!("{}.dcm", data.text_of(0x0008_0018)));
    instances.iter().map(|data| (data.write(&path(data)), path(data)).1).collect()
}
