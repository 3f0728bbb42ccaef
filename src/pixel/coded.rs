//! One compressed frame: cleaned, looked at, decoded.

use super::Error;
use super::codestream::{Clean, Facts};
use super::form::{Form, Photometric};
use super::jpeg::Process;
use super::{j2k, jpeg};
use crate::dicom::codec;
use dicom_dictionary_std::uids;

/// How frames are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RLE Lossless (PS3.5 Annex G).
    Rle,
    /// A process of JPEG or JPEG-LS.
    Jpeg(Process),
    /// JPEG 2000 or HTJ2K.
    Jpeg2000,
}

impl Coding {
    /// The coding of a transfer syntax; `None` for native pixels.
    ///
    /// # Errors
    /// [`Error::TransferSyntax`].
    pub fn of(transfer_syntax: &str) -> Result<Option<Self>, Error> {
        Ok(Some(match transfer_syntax {
            uids::IMPLICIT_VR_LITTLE_ENDIAN | uids::EXPLICIT_VR_LITTLE_ENDIAN => return Ok(None),
            uids::RLE_LOSSLESS => Coding::Rle,
            uids::JPEG_BASELINE8_BIT | uids::JPEG_EXTENDED12_BIT => Coding::Jpeg(Process::Dct),
            uids::JPEG_LOSSLESS | uids::JPEG_LOSSLESS_SV1 => Coding::Jpeg(Process::Lossless),
            uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => Coding::Jpeg(Process::Ls),
            uids::JPEG2000_LOSSLESS | uids::JPEG2000 => Coding::Jpeg2000,
            uids::HTJ2K_LOSSLESS | uids::HTJ2K => Coding::Jpeg2000,
            _ => return Err(Error::TransferSyntax),
        }))
    }
}

/// Transfer syntaxes that promise the samples of the source.
const LOSSLESS: [&str; 6] = [
    uids::RLE_LOSSLESS,
    uids::JPEG_LOSSLESS,
    uids::JPEG_LOSSLESS_SV1,
    uids::JPEGLS_LOSSLESS,
    uids::JPEG2000_LOSSLESS,
    uids::HTJ2K_LOSSLESS,
];

/// Whether samples that are decoded from a transfer syntax have lost something: DCT and near
/// lossless JPEG-LS always, JPEG 2000 unless Lossy Image Compression (0028,2110) says no.
pub fn loses(transfer_syntax: &str, said: Option<&str>) -> bool {
    match Coding::of(transfer_syntax) {
        Ok(None) => false,
        _ if LOSSLESS.contains(&transfer_syntax) => false,
        Ok(Some(Coding::Jpeg2000)) => said != Some("00"),
        _ => true,
    }
}

/// The compressed frames of an image.
#[derive(Debug)]
pub struct Coded {
    /// Their coding.
    pub coding: Coding,
    /// What the header says about them.
    pub form: Form,
    /// Their transfer syntax.
    pub transfer_syntax: String,
}

impl Coded {
    /// A frame without anything that decoding doesn't need, and what its codestream says; RLE has
    /// nothing to say, and nothing to drop.
    ///
    /// # Errors
    /// [`Error::Codestream`].
    pub fn clean(&self, frame: Vec<u8>) -> Result<(Vec<u8>, Option<Facts>), Error> {
        let Clean { bytes, facts } = match self.coding {
            Coding::Rle => return Ok((frame, None)),
            Coding::Jpeg(process) => jpeg::clean(&frame, process)?,
            Coding::Jpeg2000 => j2k::clean(&frame)?,
        };
        facts.fit(&self.form)?;
        Ok((bytes, Some(facts)))
    }

    /// Whether a clean frame still holds bits that no viewer shows.
    ///
    /// # Errors
    /// [`Error::Undecodable`] when it could, and can't be decoded.
    pub fn hides(&self, clean: &[u8], facts: Option<&Facts>) -> Result<bool, Error> {
        let stored = self.form.bits.map_or(1, |bits| bits.stored);
        let Some(facts) = facts else {
            let (samples, nothing_else) = codec::decode_rle(&self.form.shape(), clean)?;
            return Ok(!nothing_else || !self.is_clean(&samples));
        };
        if facts.precision <= stored {
            return Ok(false);
        }
        let samples = self.samples(clean.to_vec(), facts)?;
        Ok(!self.is_clean(&samples))
    }

    /// Interleaved samples of a frame, with nothing outside Bits Stored.
    ///
    /// # Errors
    /// [`Error`].
    pub fn decode(&self, frame: Vec<u8>) -> Result<Vec<u8>, Error> {
        let (clean, facts) = self.clean(frame)?;
        let mut samples = match facts {
            None => codec::decode_rle(&self.form.shape(), &clean)?.0,
            Some(facts) => self.samples(clean, &facts)?,
        };
        if !self.is_clean(&samples) {
            // A sample that lossy compression carried beyond Bits Stored would become another one.
            if !LOSSLESS.contains(&self.transfer_syntax.as_str()) {
                return Err(Error::Undecodable("lossy compression left Bits Stored (0028,0101)"));
            }
            if let Some(bits) = self.form.bits {
                bits.clean_words(&mut samples);
            }
        }
        Ok(samples)
    }

    fn samples(&self, clean: Vec<u8>, facts: &Facts) -> Result<Vec<u8>, Error> {
        facts.decodable(&self.form)?;
        Ok(codec::decode(&self.form.shape(), &self.transfer_syntax, clean)?)
    }

    fn is_clean(&self, samples: &[u8]) -> bool {
        match self.form.bits {
            Some(bits) => bits.are_clean(samples),
            // Single bits: those behind the last pixel.
            None => match self.form.shape().pixels() % 8 {
                0 => true,
                used => samples.last().is_none_or(|last| last >> used == 0),
            },
        }
    }

    /// The form of the frames when decoded.
    ///
    /// # Errors
    /// [`Error::Colour`] when it isn't certain; [`Error::Form`] when no native value can hold them.
    pub fn decoded(&self, facts: Option<&Facts>) -> Result<Form, Error> {
        use Photometric::{Rgb, YbrFull};
        let photometric = match (facts, self.form.samples) {
            (Some(facts), _) => facts.decoded(self.form.photometric)?,
            (None, 1) => self.form.photometric,
            (None, 3) if matches!(self.form.photometric, Rgb | YbrFull) => self.form.photometric,
            (None, _) => return Err(Error::Colour),
        };
        let form = Form { photometric, planar: Some(false), ..self.form.clone() };
        // The length of a value has 32 bits, and is even.
        if form.native_bytes()? > u64::from(u32::MAX - 1) {
            return Err(Error::Form("decoded, they are too large for one object"));
        }
        Ok(form)
    }
}
