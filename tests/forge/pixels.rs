//! Tiny frames in each transfer syntax, and where text hides in them.
//!
//! The compressed frames are 16 x 16 gray of 8 bits (testdata/forge/SOURCE.txt).

use super::encode::{Elements, Node, Value, Writing};
use super::prng::Prng;

/// How an object is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Syntax {
    ImplicitLittle,
    ExplicitLittle,
    Deflated,
    ExplicitBig,
    Jpeg,
    JpegLossless,
    Rle,
    Jpeg2000,
}

use Syntax::*;

impl Syntax {
    pub fn any(rng: &mut Prng, pixels: bool) -> Syntax {
        let plain = [(30, ImplicitLittle), (66, ExplicitLittle), (2, Deflated), (2, ExplicitBig)];
        let packed = [(25, Jpeg), (25, JpegLossless), (20, Rle), (30, Jpeg2000)];
        match pixels && rng.percent(45) {
            true => *rng.pick_weighted(&packed),
            false => *rng.pick_weighted(&plain),
        }
    }

    pub fn uid(self) -> &'static str {
        match self {
            ImplicitLittle => "1.2.840.10008.1.2",
            ExplicitLittle => "1.2.840.10008.1.2.1",
            Deflated => "1.2.840.10008.1.2.1.99",
            ExplicitBig => "1.2.840.10008.1.2.2",
            Jpeg => "1.2.840.10008.1.2.4.50",
            JpegLossless => "1.2.840.10008.1.2.4.70",
            Rle => "1.2.840.10008.1.2.5",
            Jpeg2000 => "1.2.840.10008.1.2.4.90",
        }
    }

    pub fn writing(self) -> Writing {
        match self {
            ImplicitLittle => Writing::ImplicitLittle,
            ExplicitBig => Writing::ExplicitBig,
            _ => Writing::ExplicitLittle,
        }
    }

    /// Data sets in these are never taken (dicom/part10.rs).
    pub fn is_refused(self) -> bool {
        matches!(self, Deflated | ExplicitBig)
    }

    fn frame(self) -> Option<&'static [u8]> {
        Some(match self {
            Jpeg => include_bytes!("../../testdata/forge/baseline.jpg"),
            JpegLossless => include_bytes!("../../testdata/forge/lossless.ljpg"),
            Rle => include_bytes!("../../testdata/forge/frame.rle"),
            Jpeg2000 => include_bytes!("../../testdata/forge/lossless.j2k"),
            _ => return None,
        })
    }
}

/// A place within Pixel Data that is no sample.
#[derive(Clone, Copy, Debug)]
pub enum Hiding {
    /// The upper half of 16-bit words of which 8 bits are stored.
    UnusedBits,
    /// Behind the last sample of native pixels.
    Tail,
    /// COM segment of JPEG or JPEG 2000.
    Comment,
    /// APP5 segment of JPEG.
    Application,
    /// Behind the end of the image, in the same fragment.
    AfterEnd,
    /// A fragment of its own.
    Fragment,
    /// A box of the JP2 file format around the codestream.
    Jp2Box,
}

use Hiding::*;

impl Hiding {
    pub fn any(rng: &mut Prng, syntax: Syntax) -> Hiding {
        match syntax {
            Jpeg | JpegLossless => *rng.pick(&[Comment, Application, AfterEnd, Fragment]),
            Jpeg2000 => *rng.pick(&[Comment, AfterEnd, Fragment, Jp2Box]),
            Rle => *rng.pick(&[AfterEnd, Fragment]),
            _ => *rng.pick(&[UnusedBits, Tail]),
        }
    }
}

const SIDE: u16 = 16;

/// Puts the Image Pixel Module with Pixel Data into a data set, with a text hidden in it.
pub fn put(root: &mut Elements, syntax: Syntax, rng: &mut Prng, hidden: Option<(Hiding, &[u8])>) {
    let unused = matches!(hidden, Some((UnusedBits, _)));
    let wide = unused || syntax.frame().is_none() && rng.percent(60);
    let (allocated, stored) = match (unused, wide) {
        (true, _) => (16, 8),
        (_, true) => (16, 12),
        _ => (8, 8),
    };
    for (tag, number) in [
        (0x0028_0002, 1),
        (0x0028_0010, SIDE),
        (0x0028_0011, SIDE),
        (0x0028_0100, allocated),
        (0x0028_0101, stored),
        (0x0028_0102, stored - 1),
        (0x0028_0103, 0),
    ] {
        root.number(tag, number);
    }
    root.text(0x0028_0004, "CS", "MONOCHROME2");
    let node = match syntax.frame() {
        Some(frame) => Node { vr: "OB", value: Value::Fragments(fragments(frame, hidden)) },
        None => native(wide, hidden),
    };
    root.put(0x7FE0_0010, node);
}

fn native(wide: bool, hidden: Option<(Hiding, &[u8])>) -> Node {
    let samples = u32::from(SIDE) * u32::from(SIDE);
    let mut bytes: Vec<u8> = match wide {
        true => (0..samples).flat_map(|at| [(at * 7) as u8, 0]).collect(),
        false => (0..samples).map(|at| (at * 7) as u8).collect(),
    };
    match hidden {
        Some((UnusedBits, text)) => {
            let high = bytes.iter_mut().skip(1).step_by(2);
            high.zip(text).for_each(|(byte, letter)| *byte = *letter);
        }
        Some((_, text)) => bytes.extend(text),
        None => {}
    }
    Node::new(if wide { "OW" } else { "OB" }, &bytes)
}

fn fragments(frame: &[u8], hidden: Option<(Hiding, &[u8])>) -> Vec<Vec<u8>> {
    let (head, rest) = frame.split_at(2);
    let segment = |marker: u8, text: &[u8]| {
        let length = (text.len() as u16 + 2).to_be_bytes();
        [head, &[0xFF, marker], &length, text, rest].concat()
    };
    let even = |mut fragment: Vec<u8>| {
        fragment.resize(fragment.len().next_multiple_of(2), 0);
        fragment
    };
    match hidden {
        // JPEG 2000: SOC, SIZ, then anything else. The text is Latin (Rcom 1).
        Some((Comment, text)) if head == b"\xff\x4f" => {
            let siz = 2 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let (siz, rest) = rest.split_at(siz);
            let length = (text.len() as u16 + 4).to_be_bytes();
            vec![even([head, siz, b"\xff\x64", &length, b"\0\x01", text, rest].concat())]
        }
        Some((Comment, text)) => vec![even(segment(0xFE, text))],
        Some((Application, text)) => vec![even(segment(0xE5, text))],
        Some((AfterEnd, text)) => vec![even([frame, text].concat())],
        Some((Fragment, text)) => vec![even(frame.to_vec()), even(text.to_vec())],
        Some((Jp2Box, text)) => {
            let jp2 = include_bytes!("../../testdata/forge/lossless.jp2");
            let length = (text.len() as u32 + 8).to_be_bytes();
            vec![even([&jp2[..], &length, b"xml ", text].concat())]
        }
        _ => vec![even(frame.to_vec())],
    }
}
