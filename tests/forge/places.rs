//! Where canaries are planted.

use super::canary::{Canary, Stay, without_accents};
use super::dictionary::{OPEN_SEQUENCES, ROWS, UNLISTED, is_known, stay_of};
use super::encode::{Elements, Node, Value};
use super::values::{Mint, Part, Planted, is_multiple, surrounded};
use super::words::Charset;

/// What a study says of its patient in every object, and what may be repeated anywhere.
pub struct Person {
    pub charset: Charset,
    pub family: String,
    pub given: String,
    pub id: String,
}

impl Person {
    pub fn new(mint: &mut Mint, charset: Charset) -> Self {
        let (family, given) = (charset.word(&mut mint.rng), charset.word(&mut mint.rng));
        Person { charset, family, given, id: mint.id() }
    }

    /// The patient in other words: order, case, accents, number.
    pub fn mention(&self, mint: &mut Mint) -> Planted {
        let (family, given) = (&self.family, &self.given);
        type Case = fn(&str) -> String;
        let (before, said, between, case): (_, &[&String], _, Case) = match mint.rng.below(7) {
            0 => ("", &[given, family], " ", str::to_owned),
            1 => ("for ", &[family, given], ", ", str::to_owned),
            2 => ("", &[family, given], "^", str::to_uppercase),
            3 => ("mr ", &[family], "", str::to_lowercase),
            4 => ("dr x for ", &[given], "", without_accents),
            5 => ("", &[given], "", str::to_owned),
            _ => return surrounded(Part::ascii(&self.id), "pat ", ""),
        };
        let written: Vec<String> = said.iter().map(|word| case(word)).collect();
        let parts = said.iter().zip(&written).map(|(word, written)| Part {
            planted: self.charset.bare(written),
            ..Part::word(&self.charset, word)
        });
        let text = format!("{before}{}", written.join(between));
        Planted { bytes: self.charset.encode(&text), parts: parts.collect() }
    }
}

/// A way to plant.
type Way<'a> = fn(&mut Planter<'a>, &mut Elements);

/// Plants into one object.
pub struct Planter<'a> {
    pub mint: &'a mut Mint,
    pub person: &'a Person,
    /// In which text is written; what (0008,0005) says may be something else.
    pub charset: Charset,
    pub canaries: Vec<Canary>,
    /// No VR is written: what is read is the dictionary's.
    pub implicit: bool,
    /// The next row of Table E.1-1 whose turn it is.
    pub row: usize,
}

/// Sequences of an image, a report, an enhanced multi-frame object, an order.
const PATHS: [&[u32]; 8] = [
    &[0x0008_1140],
    &[0x0040_0275],
    &[0x0008_2112, 0x0040_A170],
    &[0x5200_9229, 0x0020_9111],
    &[0x5200_9230, 0x0020_9111],
    &[0x5200_9229, 0x0018_9006, 0x0040_A170],
    &[0x0040_A730, 0x0040_A730],
    &[0x0040_0555, 0x0040_A043],
];

/// What old converters write where something else should stand.
const WRONG: [&str; 11] = ["LO", "UN", "SH", "UT", "ST", "CS", "PN", "LT", "OB", "DS", "UC"];

impl<'a> Planter<'a> {
    /// Something in a place that chance picks.
    pub fn plant(&mut self, root: &mut Elements) {
        let ways: [(usize, Way<'a>); 17] = [
            (40, Self::listed),
            (14, Self::unlisted),
            (4, Self::unknown),
            (8, Self::private),
            (5, Self::graphics),
            (5, Self::as_unknown),
            (5, Self::deep),
            (3, Self::icon),
            (3, Self::signature),
            (3, Self::original),
            (3, Self::padding),
            (5, Self::of_other_charset),
            (3, Self::illegible),
            (6, Self::mentioned),
            (4, Self::content),
            (3, Self::contradicted),
            (3, Self::odd),
        ];
        let way = *self.mint.rng.pick_weighted(&ways);
        way(self, root);
    }

    /// Notes what was planted.
    pub fn note(&mut self, place: String, vr: &'static str, parts: Vec<Part>, stay: &[Stay]) {
        for part in parts {
            self.canaries.push(Canary {
                shown: part.shown,
                planted: part.planted,
                forms: part.forms,
                unique: part.unique,
                place: place.clone(),
                vr,
                charset: self.charset.term,
                stay: stay.to_vec(),
            });
        }
    }

    /// An element with a fresh value. Nothing is written over.
    pub fn element(&mut self, root: &mut Elements, path: &[u32], tag: u32, vr: &'static str) {
        let charset = self.charset;
        let planted = match self.mint.rng.below(20) {
            0 | 1 if is_multiple(vr) => self.mint.many(vr, &charset),
            2 if matches!(vr, "SH" | "LO" | "PN" | "ST" | "LT" | "UT") => {
                self.mint.long(vr, &charset)
            }
            _ => self.mint.value(vr, &charset),
        };
        self.set(root, path, tag, vr, planted, &[]);
    }

    /// An element with this value; `more` has to let it stay as well.
    pub fn set(
        &mut self,
        root: &mut Elements,
        path: &[u32],
        tag: u32,
        vr: &'static str,
        planted: Planted,
        more: &[Stay],
    ) {
        let undefined = self.mint.rng.percent(50);
        let Some(level) = level(root, path, undefined).filter(|level| !level.has(tag)) else {
            return;
        };
        level.put(tag, Node::new(vr, &planted.bytes));
        let mut stay: Vec<Stay> = path.iter().flat_map(|tag| stay_of(*tag, "SQ")).collect();
        stay.extend(stay_of(tag, vr));
        stay.extend(more);
        stay.dedup();
        self.note(show(path, tag), vr, planted.parts, &stay);
    }

    fn path(&mut self) -> Vec<u32> {
        match self.mint.rng.below(10) {
            0..6 => Vec::new(),
            6..8 => self.mint.rng.pick(&PATHS).to_vec(),
            _ => {
                let depth = 1 + self.mint.rng.below(3);
                (0..depth).map(|_| *self.mint.rng.pick(&OPEN_SEQUENCES)).collect()
            }
        }
    }

    /// The next row of Table E.1-1, now and then with a VR that is not its own.
    fn listed(&mut self, root: &mut Elements) {
        let row = &ROWS[self.row % ROWS.len()];
        self.row += 1;
        // Commands, File Meta Information, directories: never in a data set.
        if row.tag < 0x0008_0000 {
            return;
        }
        let path = self.path();
        if row.vr == "SQ" {
            return self.sequence(root, &path, row.tag);
        }
        self.coded(root, &path, row.tag, row.vr);
    }

    /// A value of the VR that the dictionary has, now and then written with another one.
    fn coded(&mut self, root: &mut Elements, path: &[u32], tag: u32, legal: &'static str) {
        let wrong = !self.implicit && self.mint.rng.percent(15) && super::encode::is_text(legal);
        if !wrong {
            return self.element(root, path, tag, legal);
        }
        let vr = *self.mint.rng.pick(&WRONG);
        let charset = self.charset;
        let planted = self.mint.value(legal, &charset);
        self.set(root, path, tag, vr, planted, &[]);
    }

    /// A sequence with a few of everything in its item.
    fn sequence(&mut self, root: &mut Elements, path: &[u32], tag: u32) {
        let path = [path, &[tag]].concat();
        for (tag, vr) in [
            (0x0008_0104, "LO"),
            (0x0008_1155, "UI"),
            (0x0010_4000, "LT"),
            (0x0040_A123, "PN"),
            (0x0040_0244, "DA"),
        ] {
            if self.mint.rng.percent(45) {
                self.element(root, &path, tag, vr);
            }
        }
    }

    fn unlisted(&mut self, root: &mut Elements) {
        let (tag, vr) = *self.mint.rng.pick(&UNLISTED);
        let path = self.path();
        match vr {
            "SQ" => self.sequence(root, &path, tag),
            _ => self.coded(root, &path, tag, vr),
        }
    }

    /// An even group that PS3.6 has no such element of.
    fn unknown(&mut self, root: &mut Elements) {
        let group = 0x0008 + 2 * self.mint.rng.below(0x3000) as u32;
        let tag = group << 16 | (0x1001 + self.mint.rng.below(0xE000) as u32);
        let graphics = matches!(group & 0xFF00, 0x5000 | 0x6000);
        if !is_known(tag) && !graphics {
            let vr = *self.mint.rng.pick(&["LO", "SH", "UN", "OB", "PN", "UT", "CS", "UI", "DA"]);
            let path = self.path();
            self.element(root, &path, tag, vr);
        }
    }

    /// With and without a creator, texts and sequences.
    fn private(&mut self, root: &mut Elements) {
        let group = *self.mint.rng.pick(&[0x0009, 0x0011, 0x0019, 0x0029, 0x0051, 0x7FDF, 0x6001]);
        let block = 0x10 + self.mint.rng.below(4) as u32;
        let path = self.path();
        if self.mint.rng.percent(75) {
            self.element(root, &path, group << 16 | block, "LO");
        }
        for element in 0..1 + self.mint.rng.below(3) as u32 {
            let tag = group << 16 | block << 8 | (element + 1);
            match self.mint.rng.below(5) {
                0 => self.sequence(root, &path, tag),
                _ => {
                    let vr = *self
                        .mint
                        .rng
                        .pick(&["LO", "PN", "UN", "OB", "DA", "UI", "UT", "SH", "DS", "FD"]);
                    self.element(root, &path, tag, vr);
                }
            }
        }
    }

    /// Curves and overlays.
    fn graphics(&mut self, root: &mut Elements) {
        let repeat = 2 * self.mint.rng.below(8) as u32;
        let (overlay, curve) = (0x6000 + repeat, 0x5000 + repeat);
        for (group, element, vr) in [
            (overlay, 0x0022, "LO"),
            (overlay, 0x1500, "LO"),
            (overlay, 0x4000, "LT"),
            (overlay, 0x3000, "OW"),
            (curve, 0x0022, "LO"),
            (curve, 0x2500, "LO"),
            (curve, 0x3000, "OW"),
        ] {
            if self.mint.rng.percent(35) {
                self.element(root, &[], group << 16 | element, vr);
            }
        }
    }

    /// A sequence that somebody wrote as UN, of defined or undefined length (CP-246).
    fn as_unknown(&mut self, root: &mut Elements) {
        let tag = match self.mint.rng.below(3) {
            0 => 0x0029_1010,
            1 => *self.mint.rng.pick(&OPEN_SEQUENCES),
            _ => 0x0040_0275,
        };
        if root.has(tag) {
            return;
        }
        let mut inside = Elements::default();
        self.sequence(&mut inside, &[], tag);
        let undefined = self.mint.rng.percent(50);
        if let Some(Node { value: Value::Items { items, .. }, .. }) = inside.0.remove(&tag) {
            root.put(tag, Node { vr: "UN", value: Value::Unknown { items, undefined } });
        }
    }

    fn deep(&mut self, root: &mut Elements) {
        let depth = 4 + self.mint.rng.below(9);
        let path: Vec<u32> = (0..depth).map(|_| *self.mint.rng.pick(&OPEN_SEQUENCES)).collect();
        let (tag, vr) = *self.mint.rng.pick(&[
            (0x0010_0010, "PN"),
            (0x0010_4000, "LT"),
            (0x0008_1155, "UI"),
            (0x0029_1001, "LO"),
            (0x0040_A160, "UT"),
        ]);
        self.element(root, &path, tag, vr);
    }

    /// A small copy of the image, and what was written about it.
    fn icon(&mut self, root: &mut Elements) {
        let path = [0x0088_0200];
        self.element(root, &path, 0x7FE0_0010, "OB");
        self.element(root, &path, 0x0020_4000, "LT");
    }

    fn signature(&mut self, root: &mut Elements) {
        let path = [0xFFFA_FFFA];
        for (tag, vr) in
            [(0x0400_0100, "UI"), (0x0400_0105, "DT"), (0x0400_0115, "OB"), (0x0400_0120, "OB")]
        {
            self.element(root, &path, tag, vr);
        }
    }

    /// Values from before, in the clear or as somebody else encrypted them.
    fn original(&mut self, root: &mut Elements) {
        let path = match self.mint.rng.below(10) {
            0 => &[0x0400_0500][..],
            1..4 => &[0x0400_0561, 0x0400_0551],
            _ => &[0x0400_0561, 0x0400_0550],
        };
        for (tag, vr) in [(0x0010_0010, "PN"), (0x0010_0020, "LO"), (0x0400_0520, "OB")] {
            self.element(root, path, tag, vr);
        }
    }

    /// Data Set Trailing Padding.
    fn padding(&mut self, root: &mut Elements) {
        self.element(root, &[], 0xFFFC_FFFC, "OB");
    }

    /// An item that has a character set of its own.
    fn of_other_charset(&mut self, root: &mut Elements) {
        let (tag, charset) =
            (*self.mint.rng.pick(&OPEN_SEQUENCES), Charset::any(&mut self.mint.rng));
        if root.has(tag) {
            return;
        }
        let outer = std::mem::replace(&mut self.charset, charset);
        if let Some(item) = level(root, &[tag], self.mint.rng.percent(50)) {
            item.text(0x0008_0005, "CS", charset.term);
        }
        self.sequence(root, &[], tag);
        self.element(root, &[tag], 0x0010_0010, "PN");
        self.charset = outer;
    }

    /// Bytes that no character set has, in the middle of a text.
    fn illegible(&mut self, root: &mut Elements) {
        let (a, b) = (format!("Qzx{}", self.mint.rng.letters(8)), self.mint.rng.letters(12));
        let junk: [&[u8]; 5] = [b"\xff\xfe", b"\xc3\x28", b"\x1b%/I", b"\x80\xfe", b"\0"];
        let bytes = [a.as_bytes(), *self.mint.rng.pick(&junk), b.as_bytes()].concat();
        let parts = vec![Part::ascii(&a), Part::ascii(&b)];
        let (tag, vr) = *self.mint.rng.pick(&[
            (0x0008_1030, "LO"),
            (0x0010_1001, "PN"),
            (0x0010_4000, "LT"),
            (0x0008_0080, "LO"),
            (0x0010_1060, "PN"),
        ]);
        let path = self.path();
        self.set(root, &path, tag, vr, Planted { bytes, parts }, &[]);
    }

    /// The patient again, in a text that the profile removes.
    fn mentioned(&mut self, root: &mut Elements) {
        let planted = self.person.mention(self.mint);
        let (tag, vr) = *self.mint.rng.pick(&[
            (0x0008_1030, "LO"),
            (0x0008_103E, "LO"),
            (0x0018_1030, "LO"),
            (0x0020_4000, "LT"),
            (0x0032_1060, "LO"),
            (0x0040_0254, "LO"),
            (0x0040_2400, "LT"),
        ]);
        let path = self.path();
        let charset = std::mem::replace(&mut self.charset, self.person.charset);
        self.set(root, &path, tag, vr, planted, &[Stay::Never]);
        self.charset = charset;
    }

    /// Content items of a report (PS3.3 C.17.3).
    fn content(&mut self, root: &mut Elements) {
        let (kind, tag, vr) = *self.mint.rng.pick(&[
            ("TEXT", 0x0040_A160, "UT"),
            ("PNAME", 0x0040_A123, "PN"),
            ("DATE", 0x0040_A121, "DA"),
            ("DATETIME", 0x0040_A120, "DT"),
            ("UIDREF", 0x0040_A124, "UI"),
        ]);
        let depth = 1 + self.mint.rng.below(4);
        let path = vec![0x0040_A730; depth];
        if let Some(item) = level(root, &path, true).filter(|item| !item.has(tag)) {
            item.text(0x0040_A040, "CS", kind);
        }
        self.element(root, &path, tag, vr);
    }

    /// A value that is not what its VR says: text among numbers, dates, codes and UIDs.
    fn contradicted(&mut self, root: &mut Elements) {
        let (tag, vr) = *self.mint.rng.pick(&[
            (0x0008_0020, "DA"),
            (0x0010_0030, "DA"),
            (0x0008_0030, "TM"),
            (0x0010_1010, "AS"),
            (0x0010_1030, "DS"),
            (0x0010_0040, "CS"),
            (0x0008_1155, "UI"),
            (0x0018_1002, "UI"),
            (0x0008_0054, "AE"),
            (0x0040_A13A, "DT"),
            (0x0018_1411, "DS"),
        ]);
        let word = format!("Qzx{}", self.mint.rng.letters(9));
        let planted = Planted { bytes: word.clone().into_bytes(), parts: vec![Part::ascii(&word)] };
        let path = self.path();
        // Text is none of the numbers that the table lets stay.
        self.set(root, &path, tag, vr, planted, &[]);
    }

    /// A value of odd length, without its padding.
    fn odd(&mut self, root: &mut Elements) {
        let word = format!("Qzx{}", self.mint.rng.letters(8));
        let (tag, vr) =
            *self.mint.rng.pick(&[(0x0010_1000, "LO"), (0x0010_2180, "SH"), (0x0010_21B0, "LT")]);
        if !root.has(tag) {
            root.put(tag, Node { vr, value: Value::Bytes(word.clone().into_bytes()) });
            self.note(show(&[], tag), vr, vec![Part::ascii(&word)], &stay_of(tag, vr));
        }
    }
}

/// The last item at the end of a path, made where it is not there. `None`: something else is.
fn level<'r>(root: &'r mut Elements, path: &[u32], undefined: bool) -> Option<&'r mut Elements> {
    path.iter().try_fold(root, |level, tag| {
        let new = || Node::sequence(vec![Elements::default()], undefined);
        match &mut level.0.entry(*tag).or_insert_with(new).value {
            Value::Items { items, .. } => items.last_mut(),
            _ => None,
        }
    })
}

pub fn show(path: &[u32], tag: u32) -> String {
    let one = |tag: &u32| format!("({:04X},{:04X})", tag >> 16, tag & 0xFFFF);
    path.iter().chain([&tag]).map(one).collect::<Vec<_>>().join(" > ")
}
