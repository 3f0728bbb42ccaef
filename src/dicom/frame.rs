//! Grayscale frames: from native bytes to stored values and back.
//!
//! Stored values are what PS3.3 C.7.6.3.1.1 calls so: masked to Bits Stored and sign-extended,
//! before the Modality LUT. Bits outside Bits Stored are dropped when a frame is read: nobody sees
//! them, so nobody would miss what hides in them.

use super::bits::Bits;
use super::dataset::Dataset;
use super::mosaic::Tile;
use dicom_dictionary_std::tags;
use std::ops::Range;

/// Why pixels cannot be looked at. Such an object cannot be defaced either.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Not grayscale frames of 8 or 16 bits, or not to be told apart.
    #[error("the pixels cannot be looked at: {0}")]
    Form(&'static str),
    /// They are not there, or the decoder gave up.
    #[error("the pixels do not decode in their transfer syntax")]
    Decode,
}

/// The most frames of one object that are looked at one by one; enhanced objects in use have
/// fewer than 10,000.
pub const FRAMES_MAX: usize = 20_000;
/// The longest native value: its length has 32 bits, is even, and is not the undefined one.
const NATIVE_BYTES_MAX: u64 = u32::MAX as u64 - 3;

/// The Image Pixel Module (PS3.3 C.7.6.3) of grayscale frames: the same for all of an object.
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
    /// [`Error::Form`] for colour and other depths.
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
            || !matches!(photometric.as_str(), "MONOCHROME1" | "MONOCHROME2")
        {
            Some("not grayscale")
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

    /// Bytes of the native value of some frames, padded to an even length (PS3.5 8.1.1).
    pub fn native_bytes(&self, frames: usize) -> u64 {
        (self.bytes() as u64).saturating_mul(frames as u64).saturating_add(1) & !1
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

/// Number of Frames (0028,0008) of a grayscale image; 1 when absent or empty.
///
/// # Errors
/// [`Error::Form`] for no number, more than [`FRAMES_MAX`], more than a native value can hold.
pub fn frames_of(dataset: &Dataset) -> Result<usize, Error> {
    let format = FrameFormat::of(dataset)?;
    let frames = match dataset.text(tags::NUMBER_OF_FRAMES) {
        None => 1.0,
        Some(_) => dataset.number(tags::NUMBER_OF_FRAMES).unwrap_or(0.0),
    };
    if !((1.0..=FRAMES_MAX as f64).contains(&frames) && frames.fract() == 0.0) {
        return Err(Error::Form("Number of Frames (0028,0008) is none, or too many"));
    }
    let frames = frames as usize;
    if format.native_bytes(frames) > NATIVE_BYTES_MAX {
        return Err(Error::Form("native, the frames are too large for one object"));
    }
    Ok(frames)
}

/// One grayscale frame.
#[derive(Clone)]
pub struct Frame {
    format: FrameFormat,
    words: Vec<u16>,
}

impl Frame {
    /// Takes native bytes, little endian; those behind the frame are passed over.
    ///
    /// # Errors
    /// [`Error::Decode`] when there are too few.
    pub fn from_native(format: FrameFormat, bytes: &[u8]) -> Result<Self, Error> {
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

    /// The stored values of a part of the frame, row by row.
    ///
    /// # Errors
    /// [`Error::Form`] for a tile that isn't within the frame.
    pub fn tile(&self, tile: &Tile) -> Result<Vec<i32>, Error> {
        let rows = self.rows_of(tile)?;
        let stored = |&word: &u16| self.format.stored(word);
        Ok(rows.flat_map(|row| self.words[row].iter().map(stored)).collect())
    }

    /// Takes over the samples of a part of the frame, like [`Frame::replace`].
    ///
    /// # Errors
    /// [`Error::Form`] for a tile that isn't within the frame, or another number of samples.
    pub fn replace_tile(&mut self, tile: &Tile, samples: &[i32]) -> Result<(), Error> {
        let rows = self.rows_of(tile)?;
        if samples.len() != tile.rows * tile.columns {
            return Err(Error::Form("a tile of another size"));
        }
        let format = self.format;
        for (row, samples) in rows.zip(samples.chunks(tile.columns)) {
            let words = self.words[row].iter_mut();
            words.zip(samples).for_each(|(word, &sample)| *word = format.word(sample));
        }
        Ok(())
    }

    /// Whether all samples outside these tiles have one value: there is no picture.
    ///
    /// # Errors
    /// [`Error::Form`] for a tile that isn't within the frame.
    pub fn is_flat_outside(&self, tiles: &[Tile]) -> Result<bool, Error> {
        let mut outside = vec![true; self.words.len()];
        for tile in tiles {
            self.rows_of(tile)?.for_each(|row| outside[row].fill(false));
        }
        let mut words = self.words.iter().zip(outside).filter(|(_, outside)| *outside);
        let first = words.next().map(|(word, _)| word);
        Ok(words.all(|(word, _)| Some(word) == first))
    }

    /// Where the rows of a tile stand in the frame.
    fn rows_of(&self, tile: &Tile) -> Result<impl Iterator<Item = Range<usize>> + use<>, Error> {
        let (rows, columns) = (usize::from(self.format.rows), usize::from(self.format.columns));
        let fits = |from: usize, length: usize, all| {
            length > 0 && from.checked_add(length).is_some_and(|end| end <= all)
        };
        if !(fits(tile.left, tile.columns, columns) && fits(tile.top, tile.rows, rows)) {
            return Err(Error::Form("a tile that is not within the frame"));
        }
        let Tile { left, top, columns: width, rows: height } = *tile;
        Ok((top..top + height).map(move |row| {
            let start = row * columns + left;
            start..start + width
        }))
    }

    /// The form of the frame.
    pub fn format(&self) -> FrameFormat {
        self.format
    }

    /// Native bytes, little endian, not padded.
    pub fn to_native(&self) -> Vec<u8> {
        match self.format.bits_allocated {
            8 => self.words.iter().map(|&w| w as u8).collect(),
            _ => self.words.iter().flat_map(|w| w.to_le_bytes()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::{DataElement, PrimitiveValue, VR};

    const CT12: FrameFormat =
        FrameFormat { rows: 1, columns: 4, bits_allocated: 16, bits_stored: 12, signed: true };

    #[test]
    fn stored_values_are_masked_and_sign_extended() {
        // -1 once with and once without the sign in the unused bits; 5; -2048 with an overlay bit.
        let words = [0xffff_u16, 0x0fff, 0x0005, 0x1800];
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut frame = Frame::from_native(CT12, &bytes).unwrap();
        assert_eq!(frame.samples(), [-1, -1, 5, -2048]);
        frame.replace(&[-1, -1, -1000, -2048]);
        // Every sample leaves sign-extended; the overlay bit is gone.
        let changed = [0xffff_u16, 0xffff, 0xfc18, 0xf800];
        assert_eq!(frame.to_native(), changed.map(u16::to_le_bytes).concat());
        assert_eq!(CT12.range(), (-2048, 2047));
    }

    #[test]
    fn too_few_bytes_are_an_error() {
        assert_eq!(Frame::from_native(CT12, &[0; 7]).err(), Some(Error::Decode));
    }

    #[test]
    fn tiles_are_parts_of_a_frame() {
        let format = FrameFormat { rows: 3, columns: 4, ..CT12 };
        let bytes: Vec<u8> = (0..12_u16).flat_map(u16::to_le_bytes).collect();
        let mut frame = Frame::from_native(format, &bytes).unwrap();
        let tile = Tile { left: 1, top: 1, columns: 2, rows: 2 };
        assert_eq!(frame.tile(&tile).unwrap(), [5, 6, 9, 10]);
        frame.replace_tile(&tile, &[-5, -6, -9, -10]).unwrap();
        assert_eq!(frame.samples(), [0, 1, 2, 3, 4, -5, -6, 7, 8, -9, -10, 11]);
        assert!(!frame.is_flat_outside(&[tile]).unwrap());
        let rest = Tile { left: 0, top: 0, columns: 4, rows: 2 };
        frame.replace_tile(&Tile { top: 2, rows: 1, ..rest }, &[7; 4]).unwrap();
        assert!(frame.is_flat_outside(&[rest]).unwrap());
        assert!(frame.replace_tile(&tile, &[0; 3]).is_err());
        for wrong in [
            Tile { left: 3, ..tile },
            Tile { top: 2, ..tile },
            Tile { columns: 0, ..tile },
            Tile { left: usize::MAX, ..tile },
        ] {
            assert!(frame.tile(&wrong).is_err());
        }
    }

    #[test]
    fn frames_are_counted_within_bounds() {
        let of = |rows: u16, frames: Option<&str>| {
            let mut dataset = Dataset::new();
            for (tag, value) in [
                (tags::ROWS, rows),
                (tags::COLUMNS, 512),
                (tags::BITS_ALLOCATED, 16),
                (tags::BITS_STORED, 12),
                (tags::HIGH_BIT, 11),
                (tags::PIXEL_REPRESENTATION, 0),
                (tags::SAMPLES_PER_PIXEL, 1),
            ] {
                dataset.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
            }
            dataset.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
            if let Some(frames) = frames {
                dataset.put_text(tags::NUMBER_OF_FRAMES, VR::IS, frames);
            }
            frames_of(&dataset).ok()
        };
        assert_eq!([of(4, None), of(4, Some("")), of(4, Some("1"))], [Some(1); 3]);
        assert_eq!([of(4, Some("20000")), of(512, Some("8191"))], [Some(20_000), Some(8191)]);
        assert_eq!(of(512, Some("8192")), None, "exactly 4 GiB has no length");
        for no in ["0", "-1", "20001", "1.5", "many", "NaN"] {
            assert_eq!(of(4, Some(no)), None);
        }
    }
}
