//! One compressed frame to samples: the codecs of dicom-rs, and those of [`super::rle`] and [`super::jpegls`].
//!
//! Their traps at 0.10.1, which callers must keep in mind: a JPEG of 8 bits in 16 Bits Allocated
//! fills half of the frame; three samples are always called RGB, also where the codec converts
//! nothing; codecs panic on some damaged streams, which is an error here.

use super::jpegls;
use super::part10;
use super::rle;
use dicom_core::value::{PixelFragmentSequence, PrimitiveValue};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_pixeldata::PixelDecoder;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The decoder gave up, or panicked, or yielded something else than was announced.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("the pixels do not decode in their transfer syntax")]
pub struct Undecodable;

/// What a decoded frame must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameShape {
    /// Rows (0028,0010).
    pub rows: u16,
    /// Columns (0028,0011).
    pub columns: u16,
    /// Samples per Pixel (0028,0002).
    pub samples: u16,
    /// Bits Allocated (0028,0100): 8 or 16, in RLE also 1 and 32.
    pub bits_allocated: u16,
    /// Bits Stored (0028,0101).
    pub bits_stored: u16,
    /// Pixel Representation (0028,0103) is 1.
    pub signed: bool,
}

impl FrameShape {
    /// Pixels of a frame.
    pub fn pixels(&self) -> usize {
        usize::from(self.rows) * usize::from(self.columns)
    }

    /// Bytes of a decoded frame: interleaved samples, little endian.
    pub fn bytes(&self) -> usize {
        let bits = usize::from(self.samples) * usize::from(self.bits_allocated);
        (self.pixels() * bits).div_ceil(8)
    }

    fn decode_rle(&self, fragment: &[u8]) -> Option<rle::Decoded> {
        let width = usize::from(self.bits_allocated.div_ceil(8));
        let plane = self.bytes() / usize::from(self.samples).max(1) / width.max(1);
        rle::decode(fragment, plane, usize::from(self.samples), width)
    }

    fn decode_jpegls(&self, codestream: &[u8]) -> Option<Vec<u8>> {
        let [rows, columns, samples] = [self.rows, self.columns, self.samples].map(usize::from);
        jpegls::decode(codestream, rows, columns, samples, usize::from(self.bits_allocated / 8))
    }
}

/// Decodes an RLE frame and says whether its fragment holds nothing else.
///
/// # Errors
/// [`Undecodable`].
pub fn decode_rle(shape: &FrameShape, fragment: &[u8]) -> Result<(Vec<u8>, bool), Undecodable> {
    let decoded = shape.decode_rle(fragment).ok_or(Undecodable)?;
    Ok((decoded.bytes, decoded.nothing_else))
}

/// Decodes one frame: interleaved samples, little endian.
///
/// # Errors
/// [`Undecodable`].
pub fn decode(
    shape: &FrameShape,
    transfer_syntax: &str,
    codestream: Vec<u8>,
) -> Result<Vec<u8>, Undecodable> {
    match transfer_syntax {
        uids::RLE_LOSSLESS => decode_rle(shape, &codestream).map(|(bytes, _)| bytes),
        uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => {
            shape.decode_jpegls(&codestream).ok_or(Undecodable)
        }
        _ => {
            let run = AssertUnwindSafe(|| decompress(shape, transfer_syntax, codestream));
            catch_unwind(run).unwrap_or(Err(Undecodable))
        }
    }
}

/// Runs the codec of dicom-rs on an object that holds nothing but this frame.
fn decompress(
    shape: &FrameShape,
    transfer_syntax: &str,
    codestream: Vec<u8>,
) -> Result<Vec<u8>, Undecodable> {
    let mut object = InMemDicomObject::new_empty();
    for (tag, number) in [
        (tags::SAMPLES_PER_PIXEL, shape.samples),
        (tags::ROWS, shape.rows),
        (tags::COLUMNS, shape.columns),
        (tags::BITS_ALLOCATED, shape.bits_allocated),
        (tags::BITS_STORED, shape.bits_stored),
        (tags::HIGH_BIT, shape.bits_stored.saturating_sub(1)),
        (tags::PIXEL_REPRESENTATION, u16::from(shape.signed)),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(number)));
    }
    let photometric = if shape.samples == 1 { "MONOCHROME2" } else { "RGB" };
    object.put_str(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
    object.put_str(tags::NUMBER_OF_FRAMES, VR::IS, "1");
    let pixels = PixelFragmentSequence::new(Vec::new(), vec![codestream]);
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, pixels));
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid(part10::IMPLEMENTATION_CLASS_UID)
        .transfer_syntax(transfer_syntax);
    let object = object.with_meta(meta).map_err(|_| Undecodable)?;
    let decoded = object.decode_pixel_data_frame(0).map_err(|_| Undecodable)?;
    let as_asked = decoded.bits_allocated() == shape.bits_allocated
        && decoded.samples_per_pixel() == shape.samples
        && decoded.rows() == u32::from(shape.rows)
        && decoded.columns() == u32::from(shape.columns)
        && decoded.data().len() == shape.bytes();
    if as_asked { Ok(decoded.into_data()) } else { Err(Undecodable) }
}
