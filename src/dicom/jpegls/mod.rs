//! JPEG-LS (ISO/IEC 14495-1, ITU-T T.87), decoded here, because dicom-rs only binds a library in C++, and damaged
//! streams come from anywhere.
//!
//! ```text
//! codestream -> segments (this file) -> a scan's samples, line by line (scan, contexts) <- bits
//! ```
//!
//! Absent on purpose, since no encoder of DICOM images is known to write them: mapping tables, point transforms,
//! subsampled components, restart intervals, sizes in other segments than the frame header. A stream with any of
//! these does not decode.

mod bits;
mod contexts;
mod scan;

use super::markers::{FrameHeader, Markers};
use bits::Bits;
use scan::Scan;

/// Decodes a codestream of so many rows, columns and components.
///
/// The samples are interleaved, little endian, of `width` bytes: 1 for a precision of up to 8 bits, else 2.
/// `None`: the codestream is damaged, of another size or width, or asks for what is absent here.
pub fn decode(
    stream: &[u8],
    rows: usize,
    columns: usize,
    samples: usize,
    width: usize,
) -> Option<Vec<u8>> {
    let mut walk = Markers { rest: stream };
    (walk.marker()? == SOI).then_some(())?;
    let mut frame: Option<Frame> = None;
    let mut presets = Presets::default();
    loop {
        match walk.marker()? {
            EOI => return frame.filter(|frame| frame.is_whole()).map(|frame| frame.bytes),
            SOF_LS if frame.is_none() => {
                let new = Frame::of(walk.segment()?)?;
                let as_asked = (new.rows, new.columns, new.ids.len(), new.width)
                    == (rows, columns, samples, width);
                // Each line takes at least one bit.
                let possible = stream.len().checked_mul(8)? >= rows;
                as_asked.then_some(())?;
                frame = possible.then_some(new.with_room());
            }
            LSE => presets = Presets::of(walk.segment()?)?,
            SOS => walk.rest = frame.as_mut()?.scan(walk.segment()?, &presets, walk.rest)?,
            // Application data and comments say nothing about samples, but APP8 may: a colour transform.
            0xe0..=0xe7 | 0xe9..=0xef | 0xfe => drop(walk.segment()?),
            _ => return None,
        }
    }
}

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
/// Start of a JPEG-LS frame.
const SOF_LS: u8 = 0xf7;
/// JPEG-LS preset parameters.
const LSE: u8 = 0xf8;

/// The frame header (14495-1 C.2.2) and the samples that are known so far.
struct Frame {
    precision: u8,
    rows: usize,
    columns: usize,
    width: usize,
    ids: Vec<u8>,
    seen: Vec<bool>,
    bytes: Vec<u8>,
}

impl Frame {
    fn of(segment: &[u8]) -> Option<Self> {
        let header = FrameHeader::of(segment)?;
        let plain = header.components.iter().all(|[_, sampling, _]| *sampling == 0x11);
        ((2..=16).contains(&header.precision) && plain).then(|| Frame {
            precision: header.precision,
            rows: usize::from(header.rows),
            columns: usize::from(header.columns),
            width: if header.precision <= 8 { 1 } else { 2 },
            seen: vec![false; header.components.len()],
            ids: header.ids(),
            bytes: Vec::new(),
        })
    }

    fn with_room(mut self) -> Self {
        self.bytes = vec![0; self.rows * self.columns * self.ids.len() * self.width];
        self
    }

    fn is_whole(&self) -> bool {
        self.seen.iter().all(|seen| *seen)
    }

    /// Decodes a scan (14495-1 C.2.3); gives back what follows it.
    fn scan<'a>(&mut self, header: &[u8], presets: &Presets, data: &'a [u8]) -> Option<&'a [u8]> {
        let (count, rest) = header.split_first()?;
        let (components, rest) = rest.split_at_checked(2 * usize::from(*count))?;
        let &[near, interleave, 0] = rest else { return None };
        let mut places = Vec::with_capacity(usize::from(*count));
        for component in components.as_chunks::<2>().0 {
            let place = self.ids.iter().position(|id| *id == component[0])?;
            let new = !std::mem::replace(&mut self.seen[place], true);
            (new && component[1] == 0).then(|| places.push(place))?;
        }
        let by_sample = match (places.len(), interleave) {
            (1, 0..=2) | (2.., 1) => false,
            (2.., 2) => true,
            _ => return None,
        };
        let coding = presets.coding(self.precision, near)?;
        let mut bits = Bits::new(data);
        let mut scan = Scan::new(coding, places.len(), self.columns);
        let step = self.ids.len() * self.width;
        for row in self.bytes.chunks_exact_mut((self.columns * step).max(1)) {
            scan.line(&mut bits, by_sample)?;
            for (component, place) in places.iter().enumerate() {
                for (pixel, sample) in row.chunks_exact_mut(step).zip(scan.samples(component)) {
                    let own = place * self.width..(place + 1) * self.width;
                    pixel[own].copy_from_slice(&sample.to_le_bytes()[..self.width]);
                }
            }
        }
        bits.rest()
    }
}

/// Preset coding parameters (14495-1 C.2.4.1.1); 0: the default.
#[derive(Default)]
struct Presets {
    max: u16,
    thresholds: [u16; 3],
    reset: u16,
}

/// What a scan is coded by.
#[derive(Clone, Copy)]
struct Coding {
    /// Largest sample, MAXVAL.
    max: i32,
    /// Largest difference between a sample and its original.
    near: i32,
    /// T1, T2, T3.
    thresholds: [i32; 3],
    /// How many samples of a context are counted before the counts are halved.
    reset: i32,
    /// How many values an error has, RANGE, and the bits of one.
    range: i32,
    width: u32,
    /// Bits of an error's code at most, LIMIT.
    limit: u32,
}

impl Presets {
    fn of(segment: &[u8]) -> Option<Self> {
        let (&1, rest) = segment.split_first()? else { return None };
        let (words, odd) = rest.as_chunks::<2>();
        let &[max, t1, t2, t3, reset] = words else { return None };
        let number = u16::from_be_bytes;
        odd.is_empty().then(|| Presets {
            max: number(max),
            thresholds: [number(t1), number(t2), number(t3)],
            reset: number(reset),
        })
    }

    /// With defaults for what is 0; `None`: no such coding is allowed.
    fn coding(&self, precision: u8, near: u8) -> Option<Coding> {
        let (full, near) = ((1 << precision) - 1, i32::from(near));
        let or = |value: u16, default: i32| if value == 0 { default } else { i32::from(value) };
        let max = or(self.max, full);
        let mut thresholds = default_thresholds(max, near);
        for (own, preset) in thresholds.iter_mut().zip(self.thresholds) {
            *own = or(preset, *own);
        }
        let reset = or(self.reset, 64);
        let [t1, t2, t3] = thresholds;
        // CharLS of dcmtk 3.6 takes other defaults than 14495-1 where few bits are coded near lossless.
        let is_sure = max >= 128 || near == 0 || !self.thresholds.contains(&0);
        let allowed = is_sure
            && max <= full
            && near <= 255.min(max / 2)
            && near < t1
            && t1 <= t2
            && t2 <= t3
            && t3 <= max
            && (3..=max.max(255)).contains(&reset);
        let bits_of = |values: i32| 32 - (values - 1).leading_zeros();
        let range = (max + 2 * near) / (2 * near + 1) + 1;
        let (width, sample) = (bits_of(range), bits_of(max + 1).max(2));
        let limit = 2 * (sample + sample.max(8));
        allowed.then_some(Coding { max, near, thresholds, reset, range, width, limit })
    }
}

/// 14495-1 C.2.4.1.1.1.
fn default_thresholds(max: i32, near: i32) -> [i32; 3] {
    let clamp = |value: i32, least: i32| if value > max || value < least { least } else { value };
    let raw = if max >= 128 {
        let factor = (max.min(4095) + 128) / 256;
        [factor + 2 + 3 * near, 4 * factor + 3 + 5 * near, 17 * factor + 4 + 7 * near]
    } else {
        let factor = 256 / (max + 1);
        [2.max(3 / factor + 3 * near), 3.max(7 / factor + 5 * near), 4.max(21 / factor + 7 * near)]
    };
    let t1 = clamp(raw[0], near + 1);
    let t2 = clamp(raw[1], t1);
    [t1, t2, clamp(raw[2], t2)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of 14495-1 H.3: an image of 4 x 4, and its codestream.
    const IMAGE: [u8; 16] = [0, 0, 90, 74, 68, 50, 43, 205, 64, 145, 145, 145, 100, 145, 145, 145];
    const HEADER: [u8; 25] = [
        0xff, SOI, 0xff, SOF_LS, 0, 11, 8, 0, 4, 0, 4, 1, 1, 0x11, 0, 0xff, SOS, 0, 8, 1, 1, 0, 0,
        0, 0,
    ];
    const SCAN: [u8; 30] = [
        0xc0, 0, 0, 0x6c, 0x80, 0x20, 0x8e, 0x01, 0xc0, 0, 0, 0x57, 0x40, 0, 0, 0x6e, 0xe6, 0, 0,
        0x01, 0xbc, 0x18, 0, 0, 0x05, 0xd8, 0, 0, 0x91, 0x60,
    ];

    fn stream(segments: &[u8]) -> Vec<u8> {
        [&HEADER[..15], segments, &HEADER[15..], &SCAN, &[0xff, EOI]].concat()
    }

    fn presets(max: u16, t1: u16, t2: u16, t3: u16, reset: u16) -> Vec<u8> {
        let numbers = [max, t1, t2, t3, reset].map(u16::to_be_bytes).concat();
        [&[0xff, LSE, 0, 13, 1][..], &numbers].concat()
    }

    #[test]
    fn the_example_of_the_standard() {
        let decoded = |stream: &[u8]| decode(stream, 4, 4, 1, 1);
        assert_eq!(decoded(&stream(&[])).unwrap(), IMAGE);
        assert_eq!(decoded(&stream(&presets(255, 3, 7, 21, 64))).unwrap(), IMAGE);
        assert_eq!(decoded(&stream(b"\xff\xfe\0\x07plain")).unwrap(), IMAGE);
        assert_ne!(decoded(&stream(&presets(0, 60, 70, 80, 64))), Some(IMAGE.to_vec()));
    }

    #[test]
    fn what_no_standard_allows_or_nobody_needs_does_not_decode() {
        let whole = stream(&[]);
        for (rows, columns, samples, width) in
            [(5, 4, 1, 1), (4, 3, 1, 1), (4, 4, 3, 1), (4, 4, 1, 2)]
        {
            assert_eq!(decode(&whole, rows, columns, samples, width), None);
        }
        for presets in [
            presets(256, 0, 0, 0, 0),
            presets(255, 9, 7, 21, 64),
            presets(255, 3, 7, 256, 64),
            presets(255, 3, 7, 21, 2),
            presets(255, 3, 7, 21, 256),
            b"\xff\xf8\0\x06\x02\x01\x01\0".to_vec(),
            b"\xff\xdd\0\x04\0\x01".to_vec(),
        ] {
            assert_eq!(decode(&stream(&presets), 4, 4, 1, 1), None, "{presets:?}");
        }
        let nothing = [&HEADER[..17], &[0, 6, 0, 0, 2, 0], &SCAN, &[0xff, EOI]].concat();
        assert_eq!(decode(&nothing, 4, 4, 1, 1), None, "a scan of no component");
        // Precision, subsampling; unknown component, mapping table, deviation, interleaving, point transform.
        for (at, value) in
            [(6, 1), (6, 17), (13, 0x22), (20, 2), (21, 1), (22, 128), (23, 3), (24, 1)]
        {
            let mut stream = whole.clone();
            stream[at] = value;
            assert_eq!(decode(&stream, 4, 4, 1, if value == 17 { 2 } else { 1 }), None, "{at}");
        }
        for end in 0..whole.len() {
            assert_eq!(decode(&whole[..end], 4, 4, 1, 1), None, "{end}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_standard() {
        // 14495-1 table C.3, and what encoders write out.
        assert_eq!(default_thresholds(255, 0), [3, 7, 21]);
        assert_eq!(default_thresholds(4095, 0), [18, 67, 276]);
        assert_eq!(default_thresholds(65535, 4), [30, 87, 304]);
        assert!(
            Presets::default().coding(7, 0).is_some() && Presets::default().coding(7, 1).is_none()
        );
    }

    proptest! {
        #[test]
        fn no_input_panics(
            precision in 0..18_u8, near in prop_oneof![Just(0_u8), any::<u8>()], interleave in 0..4_u8,
            components in 1..4_usize, preset in any::<Option<[u16; 5]>>(), size in (0..20_u8, 0..40_u8),
            scan in proptest::collection::vec(prop_oneof![Just(0_u8), Just(0xff), any::<u8>()], 0..400),
        ) {
            let ids = (1..=components as u8).collect::<Vec<_>>();
            let (rows, columns) = size;
            let frame: Vec<u8> = ids.iter().flat_map(|id| [*id, 0x11, 0]).collect();
            let own: Vec<u8> = ids.iter().flat_map(|id| [*id, 0]).collect();
            let count = components as u8;
            let stream = [
                &[0xff, SOI, 0xff, SOF_LS, 0, 8 + 3 * count, precision, 0, rows, 0, columns, count][..],
                &frame,
                &preset.map_or(Vec::new(), |[max, t1, t2, t3, reset]| presets(max, t1, t2, t3, reset)),
                &[0xff, SOS, 0, 6 + 2 * count, count],
                &own,
                &[near, interleave, 0],
                &scan,
                &[0xff, EOI],
            ]
            .concat();
            let (rows, columns) = (usize::from(rows), usize::from(columns));
            let width = if precision <= 8 { 1 } else { 2 };
            if let Some(samples) = decode(&stream, rows, columns, components, width) {
                prop_assert_eq!(samples.len(), rows * columns * components * width);
            }
        }
    }
}
