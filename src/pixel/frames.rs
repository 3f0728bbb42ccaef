//! One grayscale frame of many: where its bytes stand, and nothing else of the value in memory.

use super::Error;
use super::coded::{Coded, Coding};
use super::form::Form;
use super::fragments::Index;
use super::treatment::Stored;
use crate::dicom::frame::{self, Frame, FrameFormat, frames_of};
use dicom_core::value::Value;
use dicom_dictionary_std::tags;
use std::io::{Read, Seek, SeekFrom};

/// Where the frames of an image are, told once.
///
/// Native pixels need no more than an offset; encapsulated ones a walk over the heads of their
/// fragments (PS3.5 A.4). Frames whose borders or order readers could see differently are refused.
#[derive(Debug)]
pub struct FrameTable {
    format: FrameFormat,
    frames: usize,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Offset of the first frame in the source.
    Native(u64),
    Coded(Coded, Index),
}

impl FrameTable {
    /// Finds the frames.
    ///
    /// # Errors
    /// [`frame::Error`]: no grayscale, or nobody can tell the frames for certain.
    pub fn of(stored: &Stored<'_>, source: &mut (impl Read + Seek)) -> Result<Self, frame::Error> {
        let Stored { dataset, span, transfer_syntax } = *stored;
        if span.tag != tags::PIXEL_DATA {
            return Err(frame::Error::Form("no Pixel Data (7FE0,0010)"));
        }
        let (format, frames) = (FrameFormat::of(dataset)?, frames_of(dataset)?);
        let place = match (Coding::of(transfer_syntax)?, span.encapsulated) {
            (None, false) => {
                let needed = (format.bytes() as u64).saturating_mul(frames as u64);
                match span.length.checked_sub(needed) {
                    None => return Err(frame::Error::Form("there are fewer than frames")),
                    // A frame more is no padding.
                    Some(spare) if spare > needed % 2 && spare >= format.bytes() as u64 => {
                        return Err(frame::Error::Form("there are more than frames"));
                    }
                    Some(_) => Place::Native(span.offset),
                }
            }
            (Some(coding), true) => {
                let index = Index::read(source, span.offset, span.length, frames as u32)?;
                if !index.is_certain(extended_table(stored)?.as_deref()) {
                    let what = "their offset tables do not name the starts of the frames";
                    return Err(Error::Fragments(what).into());
                }
                let form = Form::of(dataset, &span)?;
                let coded = Coded { coding, form, transfer_syntax: transfer_syntax.to_owned() };
                Place::Coded(coded, index)
            }
            _ => {
                let what = "the transfer syntax is of another kind of pixels";
                return Err(frame::Error::Form(what));
            }
        };
        Ok(FrameTable { format, frames, place })
    }

    /// The form of every frame.
    pub fn format(&self) -> FrameFormat {
        self.format
    }

    /// Number of frames, at least 1.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Reads and decodes frame `n`, counted from 0. `source` is the one of the table.
    ///
    /// # Errors
    /// [`frame::Error`].
    pub fn frame(&self, source: &mut (impl Read + Seek), n: usize) -> Result<Frame, frame::Error> {
        if n >= self.frames {
            return Err(frame::Error::Form("there are fewer than frames"));
        }
        let bytes = match &self.place {
            Place::Native(first) => {
                let length = self.format.bytes();
                let at = n as u64 * length as u64;
                source.seek(SeekFrom::Start(first + at)).map_err(|_| frame::Error::Decode)?;
                let mut bytes = vec![0; length];
                source.read_exact(&mut bytes).map_err(|_| frame::Error::Decode)?;
                bytes
            }
            Place::Coded(coded, index) => coded.decode(index.frame(source, n as u32)?)?,
        };
        Frame::from_native(self.format, &bytes)
    }
}

/// The offsets of the Extended Offset Table (7FE0,0001), if there is one.
fn extended_table(stored: &Stored<'_>) -> Result<Option<Vec<u64>>, frame::Error> {
    let Ok(element) = stored.dataset.object().element(tags::EXTENDED_OFFSET_TABLE) else {
        return Ok(None);
    };
    let Value::Primitive(value) = element.value() else { return Ok(Some(Vec::new())) };
    let damaged = frame::Error::Form("the Extended Offset Table (7FE0,0001) is damaged");
    value.to_multi_int::<u64>().map(Some).map_err(|_| damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::canonical::PixelSpan;
    use crate::dicom::dataset::Dataset;
    use crate::pixel::fragments::{write_end, write_fragment};
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_dictionary_std::uids;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// Frames of 2 rows and 3 columns, 8 bits.
    fn header(frames: usize, extended: Option<Vec<u64>>) -> Dataset {
        let mut dataset = Dataset::new();
        for (tag, value) in [
            (tags::ROWS, 2_u16),
            (tags::COLUMNS, 3),
            (tags::BITS_ALLOCATED, 8),
            (tags::BITS_STORED, 8),
            (tags::HIGH_BIT, 7),
            (tags::PIXEL_REPRESENTATION, 0),
            (tags::SAMPLES_PER_PIXEL, 1),
        ] {
            dataset.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        }
        dataset.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
        dataset.put_text(tags::NUMBER_OF_FRAMES, VR::IS, frames.to_string());
        if let Some(offsets) = extended {
            let offsets = PrimitiveValue::U64(offsets.into());
            dataset.put(DataElement::new(tags::EXTENDED_OFFSET_TABLE, VR::OV, offsets));
        }
        dataset
    }

    fn all(
        dataset: &Dataset,
        transfer_syntax: &str,
        value: &[u8],
    ) -> Result<Vec<Vec<i32>>, frame::Error> {
        let encapsulated = transfer_syntax != uids::EXPLICIT_VR_LITTLE_ENDIAN;
        let (tag, vr, length) = (tags::PIXEL_DATA, VR::OB, value.len() as u64);
        let span = PixelSpan { tag, vr, element_offset: 0, offset: 5, length, encapsulated };
        let source = [&[9; 5], value].concat();
        let mut source = Cursor::new(source);
        let table = FrameTable::of(&Stored { dataset, span, transfer_syntax }, &mut source)?;
        // From the last to the first: no frame needs those before it.
        let frames = (0..table.frames()).rev().map(|n| table.frame(&mut source, n));
        let mut frames: Vec<_> =
            frames.map(|frame| frame.map(|f| f.samples())).collect::<Result<_, _>>()?;
        frames.reverse();
        Ok(frames)
    }

    /// An RLE frame of literal bytes.
    fn rle(samples: [u8; 6]) -> Vec<u8> {
        let mut frame = [1_u32, 64].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
        frame.resize(64, 0);
        [frame, vec![5], samples.to_vec(), vec![0]].concat()
    }

    fn encapsulated(table: &[u32], fragments: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let table: Vec<u8> = table.iter().flat_map(|n| n.to_le_bytes()).collect();
        write_fragment(&mut out, &table).unwrap();
        fragments.iter().for_each(|f| write_fragment(&mut out, f).unwrap());
        write_end(&mut out).unwrap();
        out
    }

    const FRAMES: [[u8; 6]; 3] = [[1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, 60], [250; 6]];

    fn expected() -> Vec<Vec<i32>> {
        FRAMES.iter().map(|frame| frame.iter().map(|&s| i32::from(s)).collect()).collect()
    }

    #[test]
    fn native_frames_lie_one_behind_the_other() {
        let native = |frames, bytes: &[u8]| {
            all(&header(frames, None), uids::EXPLICIT_VR_LITTLE_ENDIAN, bytes)
        };
        let bytes = FRAMES.concat();
        assert_eq!(native(3, &bytes).unwrap(), expected());
        assert_eq!(native(3, &[&bytes[..], &[0; 5]].concat()).unwrap(), expected(), "padding");
        assert!(native(3, &[&bytes[..], &[0; 6]].concat()).is_err(), "a frame more");
        assert!(native(3, &bytes[..17]).is_err(), "a byte fewer");
    }

    #[test]
    fn coded_frames_are_found_by_their_fragments() {
        let coded = FRAMES.map(rle);
        let whole: [&[u8]; 3] = [&coded[0], &coded[1], &coded[2]];
        let (front, back) = coded[0].split_at(20);
        let parted: [&[u8]; 4] = [front, back, &coded[1], &coded[2]];
        let of = |extended: Option<Vec<u64>>, value: &[u8]| {
            all(&header(3, extended), uids::RLE_LOSSLESS, value)
        };
        // 72 bytes of a frame and 8 of an item's head.
        for table in [&[][..], &[0, 80, 160]] {
            assert_eq!(of(None, &encapsulated(table, &whole)).unwrap(), expected());
        }
        let split = encapsulated(&[0, 88, 168], &parted);
        assert_eq!(of(None, &split).unwrap(), expected());
        assert!(of(None, &encapsulated(&[], &parted)).is_err(), "no borders");
        let extended = encapsulated(&[], &whole);
        assert_eq!(of(Some(vec![0, 80, 160]), &extended).unwrap(), expected());
        assert!(of(Some(vec![0, 160, 80]), &extended).is_err(), "another order");
        assert!(of(Some(vec![0, 80]), &extended).is_err());
        assert!(of(None, &encapsulated(&[0, 160, 80], &whole)).is_err(), "another order");
        assert!(all(&header(3, None), uids::EXPLICIT_VR_LITTLE_ENDIAN, &extended).is_err());
        assert!(all(&header(3, None), uids::MPEG2MPML, &extended).is_err());
    }

    proptest! {
        #[test]
        fn no_fragments_panic(
            table in proptest::collection::vec(0..400_u32, 0..6),
            cuts in proptest::collection::vec((0..3_usize, 0..80_usize, 0..80_usize), 0..6),
            frames in 1..5_usize, extended: Option<Vec<u64>>,
            noise in proptest::collection::vec((0..600_usize, any::<u8>()), 0..4),
        ) {
            let coded = FRAMES.map(rle);
            let fragments: Vec<&[u8]> = cuts
                .iter()
                .map(|&(n, from, to)| coded[n].get(from..to).unwrap_or(&coded[n]))
                .collect();
            let mut value = encapsulated(&table, &fragments);
            for (at, byte) in noise {
                let at = at % value.len();
                value[at] = byte;
            }
            let header = header(frames, extended);
            for syntax in [uids::RLE_LOSSLESS, uids::JPEG_LOSSLESS_SV1, uids::JPEG2000_LOSSLESS] {
                if let Ok(found) = all(&header, syntax, &value) {
                    prop_assert!(found.len() == frames && found.iter().all(|f| f.len() == 6));
                }
            }
        }
    }
}
