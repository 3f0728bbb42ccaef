//! Grayscale frames: from the bytes of any transfer syntax to stored values and back to native.
//!
//! Stored values are what PS3.3 C.7.6.3.1.1 calls so: masked to Bits Stored and sign-extended,
//! before the Modality LUT. A frame keeps the words it was read from, so that a sample which nobody
//! changed leaves with every bit that it came with.

use super::dataset::Dataset;
use super::part10;
use dicom_core::value::{PixelFragmentSequence, PrimitiveValue};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_pixeldata::PixelDecoder;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why pixels cannot be looked at. Such an object cannot be defaced either.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Error {
    /// Not one grayscale frame of 8 or 16 bits.
    #[error("pixels of this form are not decoded: {0}")]
    Form(&'static str),
    /// The decoder gave up.
    #[error("the pixels do not decode in their transfer syntax")]
    Decode,
}

/// The Image Pixel Module (PS3.3 C.7.6.3) of a single grayscale frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameFormat {
    /// Rows (0028,0010).
    pub rows: u16,
    /// Columns (0028,0011).
    pub columns: u16,
    /// 8 or 16.
    pub bits_allocated: u16,
    /// At most Bits Allocated; the high bit is the one below.
    pub bits_stored: u16,
    /// Pixel Representation (0028,0103) is 1.
    pub signed: bool,
}

impl FrameFormat {
    /// Reads the module.
    ///
    /// # Errors
    /// [`Error::Form`] for colour, several frames, other depths.
    pub fn of(dataset: &Dataset) -> Result<Self, Error> {
        let number = |tag, name| {
            let value = dataset.number(tag).ok_or(Error::Form(name))?;
            if (0.0..=65535.0).contains(&value) { Ok(value as u16) } else { Err(Error::Form(name)) }
        };
        let format = FrameFormat {
            rows: number(tags::ROWS, "no Rows (0028,0010)")?,
            columns: number(tags::COLUMNS, "no Columns (0028,0011)")?,
            bits_allocated: number(tags::BITS_ALLOCATED, "no Bits Allocated (0028,0100)")?,
            bits_stored: number(tags::BITS_STORED, "no Bits Stored (0028,0101)")?,
            signed: number(tags::PIXEL_REPRESENTATION, "no Pixel Representation (0028,0103)")? == 1,
        };
        let high_bit = number(tags::HIGH_BIT, "no High Bit (0028,0102)")?;
        let photometric = dataset.text(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default();
        let problem = if number(tags::SAMPLES_PER_PIXEL, "no Samples per Pixel (0028,0002)")? != 1
            || !photometric.starts_with("MONOCHROME")
        {
            Some("not grayscale")
        } else if dataset.number(tags::NUMBER_OF_FRAMES).is_some_and(|n| n != 1.0) {
            Some("more than one frame")
        } else if format.rows == 0 || format.columns == 0 {
            Some("no pixels")
        } else if !matches!(format.bits_allocated, 8 | 16) {
            Some("Bits Allocated is neither 8 nor 16")
        } else if format.bits_stored == 0
            || format.bits_stored > format.bits_allocated
            || high_bit + 1 != format.bits_stored
        {
            Some("Bits Stored and High Bit do not fit")
        } else {
            None
        };
        problem.map_or(Ok(format), |what| Err(Error::Form(what)))
    }

    /// Samples of a frame.
    pub fn samples(&self) -> usize {
        usize::from(self.rows) * usize::from(self.columns)
    }

    /// Bytes of a native frame, without the padding that makes a value even.
    pub fn bytes(&self) -> usize {
        self.samples() * usize::from(self.bits_allocated / 8)
    }

    /// Smallest and largest stored value.
    pub fn range(&self) -> (i32, i32) {
        if self.signed {
            (-(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1)
        } else {
            (0, ((1_i64 << self.bits_stored) - 1) as i32)
        }
    }

    fn stored(&self, word: u16) -> i32 {
        let unused = 32 - u32::from(self.bits_stored);
        let high = u32::from(word) << unused;
        if self.signed { (high as i32) >> unused } else { (high >> unused) as i32 }
    }

    fn word(&self, stored: i32) -> u16 {
        let mask = ((1_u32 << self.bits_stored) - 1) as u16;
        stored as u16 & mask
    }
}

/// One grayscale frame.
pub struct Frame {
    format: FrameFormat,
    words: Vec<u16>,
}

impl Frame {
    /// Decodes a Pixel Data value as it stands in the object.
    ///
    /// # Errors
    /// [`Error::Decode`]; a decoder that panics has failed like one that says so.
    pub fn decode(format: FrameFormat, transfer_syntax: &str, value: &[u8]) -> Result<Self, Error> {
        let native = match transfer_syntax {
            uids::IMPLICIT_VR_LITTLE_ENDIAN | uids::EXPLICIT_VR_LITTLE_ENDIAN => {
                return Frame::from_native(format, value);
            }
            _ => catch_unwind(AssertUnwindSafe(|| decompress(format, transfer_syntax, value))),
        };
        Frame::from_native(format, &native.unwrap_or(Err(Error::Decode))?)
    }

    fn from_native(format: FrameFormat, bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes.get(..format.bytes()).ok_or(Error::Decode)?;
        let words = match format.bits_allocated {
            8 => bytes.iter().map(|&b| u16::from(b)).collect(),
            _ => bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect(),
        };
        Ok(Frame { format, words })
    }

    /// The stored values, row by row.
    pub fn samples(&self) -> Vec<i32> {
        self.words.iter().map(|&word| self.format.stored(word)).collect()
    }

    /// Takes over the samples that differ; every other word stays as it was read.
    pub fn replace(&mut self, samples: &[i32]) {
        for (word, &sample) in self.words.iter_mut().zip(samples) {
            if self.format.stored(*word) != sample {
                *word = self.format.word(sample);
            }
        }
    }

    /// Native bytes, little endian, padded to an even length.
    pub fn to_native(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = match self.format.bits_allocated {
            8 => self.words.iter().map(|&w| w as u8).collect(),
            _ => self.words.iter().flat_map(|w| w.to_le_bytes()).collect(),
        };
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        bytes
    }
}

/// Runs the codec of dicom-rs on an object that holds nothing but these pixels.
fn decompress(format: FrameFormat, transfer_syntax: &str, value: &[u8]) -> Result<Vec<u8>, Error> {
    let fragments = fragments(value).ok_or(Error::Decode)?;
    let mut object = InMemDicomObject::new_empty();
    for (tag, number) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, format.rows),
        (tags::COLUMNS, format.columns),
        (tags::BITS_ALLOCATED, format.bits_allocated),
        (tags::BITS_STORED, format.bits_stored),
        (tags::HIGH_BIT, format.bits_stored - 1),
        (tags::PIXEL_REPRESENTATION, u16::from(format.signed)),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(number)));
    }
    object.put_str(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    object.put_str(tags::NUMBER_OF_FRAMES, VR::IS, "1");
    let pixels = PixelFragmentSequence::new(Vec::new(), fragments);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, pixels));
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid(part10::IMPLEMENTATION_CLASS_UID)
        .transfer_syntax(transfer_syntax);
    let object = object.with_meta(meta).map_err(|_| Error::Decode)?;
    let decoded = object.decode_pixel_data_frame(0).map_err(|_| Error::Decode)?;
    let as_asked = decoded.bits_allocated() == format.bits_allocated
        && decoded.samples_per_pixel() == 1
        && decoded.rows() == u32::from(format.rows)
        && decoded.columns() == u32::from(format.columns);
    if as_asked { Ok(decoded.into_data()) } else { Err(Error::Decode) }
}

/// The fragments behind the Basic Offset Table (PS3.5 A.4).
fn fragments(mut value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut items = Vec::new();
    loop {
        let (head, rest) = value.split_at_checked(8)?;
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        match &head[..4] {
            [0xfe, 0xff, 0x00, 0xe0] => {
                let (fragment, after) = rest.split_at_checked(length)?;
                items.push(fragment.to_vec());
                value = after;
            }
            [0xfe, 0xff, 0xdd, 0xe0] => break,
            _ => return None,
        }
    }
    (items.len() > 1).then(|| items.split_off(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CT12: FrameFormat =
        FrameFormat { rows: 1, columns: 4, bits_allocated: 16, bits_stored: 12, signed: true };

    #[test]
    fn stored_values_are_masked_and_sign_extended() {
        // -1 once with and once without the sign in the unused bits; 5; -2048 with an overlay bit.
        let words = [0xffff_u16, 0x0fff, 0x0005, 0x1800];
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut frame = Frame::decode(CT12, uids::EXPLICIT_VR_LITTLE_ENDIAN, &bytes).unwrap();
        assert_eq!(frame.samples(), [-1, -1, 5, -2048]);
        frame.replace(&[-1, -1, -1000, -2048]);
        let changed = [0xffff_u16, 0x0fff, 0x0c18, 0x1800];
        assert_eq!(frame.to_native(), changed.map(u16::to_le_bytes).concat());
        assert_eq!(CT12.range(), (-2048, 2047));
    }

    #[test]
    fn too_few_bytes_and_broken_fragments_are_errors() {
        let short = Frame::decode(CT12, uids::EXPLICIT_VR_LITTLE_ENDIAN, &[0; 7]);
        assert_eq!(short.err(), Some(Error::Decode));
        let garbage = Frame::decode(CT12, uids::JPEG_LOSSLESS_SV1, &[0xfe, 0xff, 0, 0xe0, 9, 0]);
        assert_eq!(garbage.err(), Some(Error::Decode));
    }
}
