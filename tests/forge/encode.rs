//! The forge's own encoder (PS3.5 7, PS3.10 7): nothing of the engine's is used.

use std::collections::BTreeMap;
use std::io::Write;

/// How a data set is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writing {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

/// A data element.
#[derive(Clone)]
pub struct Node {
    pub vr: &'static str,
    pub value: Value,
}

#[derive(Clone)]
pub enum Value {
    /// As it stands in a little endian file, padding included.
    Bytes(Vec<u8>),
    /// A sequence. `undefined`: of undefined length, with items of undefined length.
    Items { items: Vec<Elements>, undefined: bool },
    /// A sequence that somebody wrote as UN: Implicit VR Little Endian inside (PS3.5 6.2.2).
    Unknown { items: Vec<Elements>, undefined: bool },
    /// Encapsulated pixels: the fragments behind an empty offset table (PS3.5 A.4).
    Fragments(Vec<Vec<u8>>),
}

impl Node {
    /// Padded to an even length as its VR asks for.
    pub fn new(vr: &'static str, bytes: &[u8]) -> Self {
        let mut bytes = bytes.to_vec();
        let pad = if is_text(vr) && vr != "UI" { b' ' } else { 0 };
        bytes.resize(bytes.len().next_multiple_of(2), pad);
        Node { vr, value: Value::Bytes(bytes) }
    }

    pub fn text(vr: &'static str, text: &str) -> Self {
        Node::new(vr, text.as_bytes())
    }

    pub fn sequence(items: Vec<Elements>, undefined: bool) -> Self {
        Node { vr: "SQ", value: Value::Items { items, undefined } }
    }
}

/// A data set or item, in ascending order of tags.
#[derive(Clone, Default)]
pub struct Elements(pub BTreeMap<u32, Node>);

impl Elements {
    pub fn put(&mut self, tag: u32, node: Node) {
        self.0.insert(tag, node);
    }

    pub fn text(&mut self, tag: u32, vr: &'static str, text: &str) {
        self.put(tag, Node::text(vr, text));
    }

    pub fn number(&mut self, tag: u32, number: u16) {
        self.put(tag, Node::new("US", &number.to_le_bytes()));
    }

    pub fn has(&self, tag: u32) -> bool {
        self.0.contains_key(&tag)
    }

    pub fn encode(&self, writing: Writing) -> Vec<u8> {
        let mut out = Vec::new();
        for (tag, node) in &self.0 {
            element(&mut out, *tag, node, writing);
        }
        out
    }
}

fn element(out: &mut Vec<u8>, tag: u32, node: &Node, writing: Writing) {
    match &node.value {
        Value::Bytes(bytes) => {
            let swapped = match writing {
                Writing::ExplicitBig => swap(node.vr, bytes),
                _ => bytes.clone(),
            };
            header(out, tag, node.vr, Some(bytes.len()), writing);
            out.extend(swapped);
        }
        Value::Items { items, undefined } => {
            let body = sequence(items, *undefined, writing);
            header(out, tag, "SQ", (!undefined).then_some(body.len()), writing);
            out.extend(body);
        }
        Value::Unknown { items, undefined } => {
            let body = sequence(items, *undefined, Writing::ImplicitLittle);
            header(out, tag, "UN", (!undefined).then_some(body.len()), writing);
            out.extend(body);
        }
        Value::Fragments(fragments) => {
            header(out, tag, node.vr, None, writing);
            item_header(out, 0xFFFE_E000, Some(0), writing);
            for fragment in fragments {
                item_header(out, 0xFFFE_E000, Some(fragment.len()), writing);
                out.extend(fragment);
            }
            item_header(out, 0xFFFE_E0DD, Some(0), writing);
        }
    }
}

fn sequence(items: &[Elements], undefined: bool, writing: Writing) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items {
        let body = item.encode(writing);
        item_header(&mut out, 0xFFFE_E000, (!undefined).then_some(body.len()), writing);
        out.extend(body);
        if undefined {
            item_header(&mut out, 0xFFFE_E00D, Some(0), writing);
        }
    }
    if undefined {
        item_header(&mut out, 0xFFFE_E0DD, Some(0), writing);
    }
    out
}

fn header(out: &mut Vec<u8>, tag: u32, vr: &str, length: Option<usize>, writing: Writing) {
    if writing == Writing::ImplicitLittle {
        return item_header(out, tag, length, writing);
    }
    push_tag(out, tag, writing);
    out.extend(vr.as_bytes());
    let length = length.map_or(u32::MAX, |length| length as u32);
    if is_long(vr) {
        out.extend([0, 0]);
        push(out, &length.to_be_bytes(), writing);
    } else {
        let length = u16::try_from(length).expect("a short value");
        push(out, &length.to_be_bytes(), writing);
    }
}

fn item_header(out: &mut Vec<u8>, tag: u32, length: Option<usize>, writing: Writing) {
    push_tag(out, tag, writing);
    push(out, &length.map_or(u32::MAX, |length| length as u32).to_be_bytes(), writing);
}

fn push_tag(out: &mut Vec<u8>, tag: u32, writing: Writing) {
    push(out, &((tag >> 16) as u16).to_be_bytes(), writing);
    push(out, &(tag as u16).to_be_bytes(), writing);
}

/// A number given in big endian.
fn push(out: &mut Vec<u8>, number: &[u8], writing: Writing) {
    match writing {
        Writing::ExplicitBig => out.extend(number),
        _ => out.extend(number.iter().rev()),
    }
}

fn swap(vr: &str, bytes: &[u8]) -> Vec<u8> {
    let width = match vr {
        "US" | "SS" => 2,
        "UL" | "SL" | "FL" | "OF" | "OL" => 4,
        "FD" | "OD" | "OV" | "SV" | "UV" => 8,
        _ => 1,
    };
    bytes.chunks(width).flat_map(|number| number.iter().rev().copied()).collect()
}

pub fn is_long(vr: &str) -> bool {
    matches!(
        vr,
        "OB" | "OD" | "OF" | "OL" | "OV" | "OW" | "SQ" | "SV" | "UC" | "UN" | "UR" | "UT" | "UV"
    )
}

pub fn is_text(vr: &str) -> bool {
    matches!(
        vr,
        "AE" | "AS"
            | "CS"
            | "DA"
            | "DS"
            | "DT"
            | "IS"
            | "LO"
            | "LT"
            | "PN"
            | "SH"
            | "ST"
            | "TM"
            | "UC"
            | "UI"
            | "UR"
            | "UT"
    )
}

/// A DICOM file (PS3.10 7.1) of an encoded data set.
pub fn file(preamble: &[u8; 128], meta: &Elements, dataset: &[u8]) -> Vec<u8> {
    let meta = meta.encode(Writing::ExplicitLittle);
    let mut length = Elements::default();
    length.put(0x0002_0000, Node::new("UL", &(meta.len() as u32).to_le_bytes()));
    let length = length.encode(Writing::ExplicitLittle);
    [preamble, &b"DICM"[..], &length, &meta, dataset].concat()
}

/// As the Deflated transfer syntax writes a data set (PS3.5 A.5).
pub fn deflate(dataset: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(dataset).expect("memory");
    out.finish().expect("memory")
}
