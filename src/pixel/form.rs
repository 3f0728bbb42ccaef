//! The form of an image's pixels (PS3.3 C.7.6.3, Image Pixel Module), for any legal native form.

use super::Error;
use crate::dicom::bits::Bits;
use crate::dicom::canonical::PixelSpan;
use crate::dicom::codec::FrameShape;
use crate::dicom::dataset::Dataset;
use dicom_dictionary_std::tags;

/// What the attributes say about the pixels. Everything that is not legal was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// Rows (0028,0010).
    pub rows: u16,
    /// Columns (0028,0011).
    pub columns: u16,
    /// Samples per Pixel (0028,0002): 1, 3 or 4.
    pub samples: u16,
    /// Number of Frames (0028,0008); 1 when absent.
    pub frames: u32,
    /// Bits Allocated (0028,0100): 1, 8, 16, 32, and 64 for floating point.
    pub bits_allocated: u16,
    /// Which bits are the sample's; `None` for single bits and floating point: all of them.
    pub bits: Option<Bits>,
    /// Planar Configuration (0028,0006) is 1.
    pub planar: Option<bool>,
    /// Photometric Interpretation (0028,0004).
    pub photometric: Photometric,
    /// First stored value mapped by the palette (0028,1101); 0 without one.
    pub first_mapped: i64,
}

/// Photometric Interpretation (0028,0004), PS3.3 C.7.6.3.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the defined terms themselves
pub enum Photometric {
    Monochrome1,
    Monochrome2,
    Palette,
    Rgb,
    YbrFull,
    YbrFull422,
    YbrIct,
    YbrRct,
    Argb,
    Cmyk,
    /// Any other term. Such pixels can be copied, not blanked.
    Other,
}

const PHOTOMETRICS: [(&str, Photometric, u16); 10] = [
    ("MONOCHROME1", Photometric::Monochrome1, 1),
    ("MONOCHROME2", Photometric::Monochrome2, 1),
    ("PALETTE COLOR", Photometric::Palette, 1),
    ("RGB", Photometric::Rgb, 3),
    ("YBR_FULL", Photometric::YbrFull, 3),
    ("YBR_FULL_422", Photometric::YbrFull422, 3),
    ("YBR_ICT", Photometric::YbrIct, 3),
    ("YBR_RCT", Photometric::YbrRct, 3),
    ("ARGB", Photometric::Argb, 4),
    ("CMYK", Photometric::Cmyk, 4),
];

impl Photometric {
    /// The defined term; `None` for [`Photometric::Other`].
    pub fn name(self) -> Option<&'static str> {
        PHOTOMETRICS.iter().find(|(_, term, _)| *term == self).map(|(name, ..)| *name)
    }
}

impl Form {
    /// Reads the module.
    ///
    /// # Errors
    /// [`Error::Form`] when an attribute is missing or does not fit the others.
    pub fn of(dataset: &Dataset, span: &PixelSpan) -> Result<Self, Error> {
        let number = |tag, name| {
            let value = dataset.number(tag).ok_or(Error::Form(name))?;
            if (0.0..=65535.0).contains(&value) { Ok(value as u16) } else { Err(Error::Form(name)) }
        };
        // Empty means the same as absent to every reader; that there is no more is checked.
        let frames = match dataset.text(tags::NUMBER_OF_FRAMES) {
            None => 1.0,
            Some(_) => dataset.number(tags::NUMBER_OF_FRAMES).unwrap_or(0.0),
        };
        if frames < 1.0 || frames > f64::from(u32::MAX) {
            return Err(Error::Form("Number of Frames (0028,0008) is no number of frames"));
        }
        let photometric = dataset.text(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default();
        let term = PHOTOMETRICS.iter().find(|(name, ..)| *name == photometric);
        let mapped = dataset.numbers(tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR);
        let bits_allocated = number(tags::BITS_ALLOCATED, "no Bits Allocated (0028,0100)")?;
        let mut form = Form {
            rows: number(tags::ROWS, "no Rows (0028,0010)")?,
            columns: number(tags::COLUMNS, "no Columns (0028,0011)")?,
            samples: number(tags::SAMPLES_PER_PIXEL, "no Samples per Pixel (0028,0002)")?,
            frames: frames as u32,
            bits_allocated,
            bits: None,
            planar: dataset.number(tags::PLANAR_CONFIGURATION).map(|value| value == 1.0),
            photometric: term.map_or(Photometric::Other, |(_, photometric, _)| *photometric),
            first_mapped: mapped.get(1).map_or(0, |&first| first as i64),
        };
        if span.tag == tags::PIXEL_DATA {
            let (stored, high) = (
                number(tags::BITS_STORED, "no Bits Stored (0028,0101)")?,
                number(tags::HIGH_BIT, "no High Bit (0028,0102)")?,
            );
            let signed = number(tags::PIXEL_REPRESENTATION, "no Pixel Representation (0028,0103)")?;
            if stored == 0 || high >= bits_allocated || stored > high + 1 || signed > 1 {
                return Err(Error::Form("Bits Allocated, Bits Stored and High Bit do not fit"));
            }
            let bits = Bits { allocated: bits_allocated, stored, high, signed: signed == 1 };
            form.bits = (bits_allocated > 1).then_some(bits);
        }
        form.check(term.map(|(.., samples)| *samples), span)?;
        Ok(form)
    }

    fn check(&self, samples: Option<u16>, span: &PixelSpan) -> Result<(), Error> {
        let depths: &[u16] = match span.tag {
            tags::FLOAT_PIXEL_DATA => &[32],
            tags::DOUBLE_FLOAT_PIXEL_DATA => &[64],
            _ => &[1, 8, 16, 32],
        };
        let problem = if self.rows == 0 || self.columns == 0 {
            "Rows (0028,0010) or Columns (0028,0011) is 0"
        } else if !depths.contains(&self.bits_allocated) {
            "Bits Allocated (0028,0100) is not of this kind of pixels"
        } else if !matches!(self.samples, 1 | 3 | 4) || samples.is_some_and(|n| n != self.samples) {
            "Samples per Pixel (0028,0002) do not fit Photometric Interpretation (0028,0004)"
        } else if self.bits_allocated == 1 && self.samples != 1 {
            "colours of 1 bit"
        } else {
            return Ok(());
        };
        Err(Error::Form(problem))
    }

    /// The shape of a frame when decoded.
    pub fn shape(&self) -> FrameShape {
        FrameShape {
            rows: self.rows,
            columns: self.columns,
            samples: self.samples,
            bits_allocated: self.bits_allocated,
            bits_stored: self.bits.map_or(self.bits_allocated, |bits| bits.stored),
            signed: self.bits.is_some_and(|bits| bits.signed),
        }
    }

    /// Whether native pixels are stored as pairs that share their colour: Y Y Cb Cr
    /// (PS3.3 C.7.6.3.1.2, YBR_FULL_422).
    pub fn is_in_pairs(&self) -> bool {
        self.photometric == Photometric::YbrFull422
    }

    /// Bits of a native frame; frames of single bits follow each other without a gap (PS3.5 8.1.1).
    ///
    /// # Errors
    /// [`Error::Form`] for pairs in an odd number of columns.
    pub fn native_frame_bits(&self) -> Result<u64, Error> {
        let pixels = u64::from(self.rows) * u64::from(self.columns);
        let samples = if self.is_in_pairs() { 2 } else { u64::from(self.samples) };
        if self.is_in_pairs() && (self.columns % 2 == 1 || self.planar != Some(false)) {
            return Err(Error::Form("YBR_FULL_422 in an odd number of columns, or by plane"));
        }
        Ok(pixels * samples * u64::from(self.bits_allocated))
    }

    /// Bytes of the value of native pixels, without padding.
    ///
    /// # Errors
    /// [`Error::Form`].
    pub fn native_bytes(&self) -> Result<u64, Error> {
        let bits = self.native_frame_bits()?.checked_mul(u64::from(self.frames));
        bits.map(|bits| bits.div_ceil(8)).ok_or(Error::Form("more frames than can be counted"))
    }
}
