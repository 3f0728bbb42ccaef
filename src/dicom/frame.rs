//! Grayscale frames: from the bytes of any transfer syntax to stored values and back to native.
//!
//! Stored values are what PS3.3 C.7.6.3.1.1 calls so: masked to Bits Stored and sign-extended,
//! before the Modality LUT. Bits outside Bits Stored are dropped when a frame is read: nobody sees
//! them, so nobody would miss what hides in them.

use super::bits::Bits;
use super::codec::{self, FrameShape, Undecodable};
use super::dataset::Dataset;
use dicom_dictionary_std::{tags, uids};

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

impl From<Undecodable> for Error {
    fn from(_: Undecodable) -> Self {
        Error::Decode
    }
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
        let (low, high) = self.bits().range();
        (low as i32, high as i32)
    }

    fn bits(&self) -> Bits {
        let &FrameFormat { bits_allocated: allocated, bits_stored: stored, signed, .. } = self;
        Bits { allocated, stored, high: stored - 1, signed }
    }

    fn shape(&self) -> FrameShape {
        let &FrameFormat { rows, columns, bits_allocated, bits_stored, signed } = self;
        FrameShape { rows, columns, samples: 1, bits_allocated, bits_stored, signed }
    }

    /// The stored value of a clean word.
    fn stored(&self, word: u16) -> i32 {
        match (self.signed, self.bits_allocated) {
            (true, 8) => i32::from(word as u8 as i8),
            (true, _) => i32::from(word as i16),
            (false, _) => i32::from(word),
        }
    }

    fn word(&self, stored: i32) -> u16 {
        self.bits().clean(stored as u32) as u16
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
        match transfer_syntax {
            uids::IMPLICIT_VR_LITTLE_ENDIAN | uids::EXPLICIT_VR_LITTLE_ENDIAN => {
                Frame::from_native(format, value)
            }
            _ => {
                let codestream = codestream(value).ok_or(Error::Decode)?;
                let native = codec::decode(&format.shape(), transfer_syntax, codestream)?;
                Frame::from_native(format, &native)
            }
        }
    }

    fn from_native(format: FrameFormat, bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes.get(..format.bytes()).ok_or(Error::Decode)?;
        let mut bytes = bytes.to_vec();
        format.bits().clean_words(&mut bytes);
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

    /// Takes over samples; whoever changes them stays within [`FrameFormat::range`].
    pub fn replace(&mut self, samples: &[i32]) {
        for (word, &sample) in self.words.iter_mut().zip(samples) {
            *word = self.format.word(sample);
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

/// The fragments behind the Basic Offset Table, joined: the one frame (PS3.5 A.4).
fn codestream(mut value: &[u8]) -> Option<Vec<u8>> {
    let (mut joined, mut items) = (Vec::new(), 0);
    loop {
        let (head, rest) = value.split_at_checked(8)?;
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        match &head[..4] {
            [0xfe, 0xff, 0x00, 0xe0] => {
                let (fragment, after) = rest.split_at_checked(length)?;
                if items > 0 {
                    joined.extend_from_slice(fragment);
                }
                (value, items) = (after, items + 1);
            }
            [0xfe, 0xff, 0xdd, 0xe0] => break,
            _ => return None,
        }
    }
    (items > 1).then_some(joined)
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
        // Every sample leaves sign-extended; the overlay bit is gone.
        let changed = [0xffff_u16, 0xffff, 0xfc18, 0xf800];
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
