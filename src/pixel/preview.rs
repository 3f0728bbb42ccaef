//! One frame in 8 bits, as a viewer would show it at first. For people inside; nothing decides by it.

use super::Error;
use super::coded::{Coded, Coding};
use super::form::{Form, Photometric};
use super::fragments::Index;
use super::treatment::Stored;
use crate::dicom::dataset::Dataset;
use dicom_dictionary_std::tags;
use std::io::{Read, Seek, SeekFrom};

/// The most pixels that are shown: more than any detector has.
const PIXELS_MAX: u64 = 64 << 20;
/// Without a window of its own a frame is shown between these parts of its values.
const DARKEST: f64 = 0.01;
const BRIGHTEST: f64 = 0.99;

/// A frame as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Pixels of a row.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
    /// 1: grey, 3: red, green and blue.
    pub samples: u8,
    /// Interleaved samples, row by row.
    pub bytes: Vec<u8>,
}

impl Preview {
    /// Reads and decodes frame `n`, counted from 0.
    ///
    /// # Errors
    /// [`Error`]: its form is not one that is shown, or it does not decode.
    pub fn of(stored: &Stored<'_>, source: &mut (impl Read + Seek), n: u32) -> Result<Self, Error> {
        let form = Form::of(stored.dataset, &stored.span)?;
        if n >= form.frames {
            return Err(Error::Form("there are fewer than frames"));
        }
        if u64::from(form.rows) * u64::from(form.columns) > PIXELS_MAX {
            return Err(Error::Form("the frames are too large to be shown"));
        }
        if form.bits_allocated == 1 || stored.span.tag != tags::PIXEL_DATA {
            return Err(Error::Undecodable("single bits and floating point are not shown"));
        }
        let (bytes, form) = read(stored, form, source, n)?;
        let bytes = match form.samples {
            1 => grey(stored.dataset, &form, &bytes),
            3 => colours(&form, &bytes)?,
            _ => return Err(Error::Undecodable("four samples per pixel are not shown")),
        };
        let [columns, rows] = [form.columns, form.rows].map(u32::from);
        let samples = if form.samples == 1 { 1 } else { 3 };
        Ok(Preview { columns, rows, samples, bytes })
    }
}

/// The samples of a frame, and the form that they have now.
fn read(
    stored: &Stored<'_>,
    form: Form,
    source: &mut (impl Read + Seek),
    n: u32,
) -> Result<(Vec<u8>, Form), Error> {
    let span = stored.span;
    match (Coding::of(stored.transfer_syntax)?, span.encapsulated) {
        (None, false) => {
            let length = form.native_frame_bits()? / 8;
            let at = length.checked_mul(u64::from(n)).ok_or(Error::Form("too many frames"))?;
            if at.checked_add(length).is_none_or(|end| end > span.length) {
                return Err(Error::Form("there are fewer than frames"));
            }
            source.seek(SeekFrom::Start(span.offset + at))?;
            let mut bytes = vec![0; length as usize];
            source.read_exact(&mut bytes)?;
            if let Some(bits) = form.bits {
                bits.clean_words(&mut bytes);
            }
            Ok((bytes, form))
        }
        (Some(coding), true) => {
            let index = Index::read(source, span.offset, span.length, form.frames)?;
            let frame = index.frame(source, n)?;
            let coded = Coded { coding, form, transfer_syntax: stored.transfer_syntax.to_owned() };
            let bytes = coded.decode(frame)?;
            // The codecs interleave, and make colours red, green and blue.
            let rle = coding == Coding::Rle;
            let photometric = if rle { coded.form.photometric } else { Photometric::Rgb };
            let form = match coded.form.samples {
                1 => coded.form,
                _ => Form { planar: Some(false), photometric, ..coded.form },
            };
            Ok((bytes, form))
        }
        _ => Err(Error::Form("the transfer syntax is of another kind of pixels")),
    }
}

fn grey(dataset: &Dataset, form: &Form, bytes: &[u8]) -> Vec<u8> {
    let (slope, intercept) = (
        dataset.number(tags::RESCALE_SLOPE).filter(|slope| slope.is_normal()).unwrap_or(1.0),
        dataset.number(tags::RESCALE_INTERCEPT).filter(|n| n.is_finite()).unwrap_or(0.0),
    );
    let values: Vec<f64> =
        stored_values(form, bytes).map(|value| value * slope + intercept).collect();
    let center = dataset.number(tags::WINDOW_CENTER).filter(|center| center.is_finite());
    let width = dataset.number(tags::WINDOW_WIDTH).filter(|width| *width >= 1.0);
    let (low, high) = match center.zip(width) {
        // PS3.3 C.11.2.1.2, without its half pixels.
        Some((center, width)) => (center - width / 2.0, center + width / 2.0),
        None => between(&values),
    };
    let inverted = form.photometric == Photometric::Monochrome1;
    let shown = values.into_iter().map(|value| {
        let part = ((value - low) / (high - low).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        let part = if inverted { 1.0 - part } else { part };
        (part * 255.0).round() as u8
    });
    shown.collect()
}

fn stored_values<'b>(form: &Form, bytes: &'b [u8]) -> impl Iterator<Item = f64> + use<'b> {
    let width = usize::from(form.bits_allocated / 8).max(1);
    let (bits, shift) = (form.bits, form.bits.map_or(0, |bits| bits.shift()));
    bytes.chunks_exact(width).map(move |word| {
        let word = word.iter().rev().fold(0_u32, |high, &byte| high << 8 | u32::from(byte));
        match bits {
            Some(bits) if bits.signed => {
                let unused = 32 - u32::from(bits.allocated);
                f64::from(((word << unused) as i32 >> unused) >> shift)
            }
            _ => f64::from(word >> shift),
        }
    })
}

/// Where most of the values are.
fn between(values: &[f64]) -> (f64, f64) {
    // Every so many is enough to know.
    let mut some: Vec<f64> = values.iter().step_by(values.len() / 65_536 + 1).copied().collect();
    some.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| {
        let last = some.len().saturating_sub(1);
        some.get((last as f64 * part).round() as usize).copied().unwrap_or(0.0)
    };
    (at(DARKEST), at(BRIGHTEST))
}

fn colours(form: &Form, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    if form.is_in_pairs() {
        // Y Y Cb Cr: for two pixels.
        let pairs = bytes
            .chunks_exact(4)
            .flat_map(|pair| [pair[0], pair[1]].map(|y| [y, pair[2], pair[3]]));
        return Ok(pairs.flat_map(red_green_blue).collect());
    }
    let width = usize::from(form.bits_allocated / 8);
    let top = form.bits.map_or(0, |bits| u32::from(bits.high).saturating_sub(7));
    let pixels = usize::from(form.rows) * usize::from(form.columns);
    let sample = |n: usize| {
        let word = bytes.get(n * width..(n + 1) * width).unwrap_or_default();
        let word = word.iter().rev().fold(0_u32, |high, &byte| high << 8 | u32::from(byte));
        (word >> top) as u8
    };
    let place = |pixel: usize, colour: usize| match form.planar {
        Some(true) => colour * pixels + pixel,
        _ => pixel * 3 + colour,
    };
    let all = (0..pixels).map(|pixel| [0, 1, 2].map(|colour| sample(place(pixel, colour))));
    match form.photometric {
        Photometric::Rgb => Ok(all.flatten().collect()),
        Photometric::YbrFull => Ok(all.flat_map(red_green_blue).collect()),
        _ => Err(Error::Undecodable("colours of this Photometric Interpretation are not shown")),
    }
}

/// PS3.3 C.7.6.3.1.2, YBR_FULL.
fn red_green_blue([y, blue, red]: [u8; 3]) -> [u8; 3] {
    let [y, blue, red] = [f64::from(y), f64::from(blue) - 128.0, f64::from(red) - 128.0];
    [y + 1.402 * red, y - 0.344_136 * blue - 0.714_136 * red, y + 1.772 * blue]
        .map(|value| value.round().clamp(0.0, 255.0) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::part10::native_span;
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_dictionary_std::uids;
    use std::io::Cursor;

    fn header(samples: u16, photometric: &str, bits: u16, columns: u16) -> Dataset {
        let mut dataset = Dataset::new();
        for (tag, value) in [
            (tags::ROWS, 1_u16),
            (tags::COLUMNS, columns),
            (tags::BITS_ALLOCATED, bits),
            (tags::BITS_STORED, bits),
            (tags::HIGH_BIT, bits - 1),
            (tags::PIXEL_REPRESENTATION, u16::from(bits == 16)),
            (tags::SAMPLES_PER_PIXEL, samples),
            (tags::PLANAR_CONFIGURATION, 0),
        ] {
            dataset.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        }
        dataset.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
        dataset
    }

    fn shown(dataset: &Dataset, bytes: &[u8], n: u32) -> Result<Vec<u8>, Error> {
        let bits = dataset.number(tags::BITS_ALLOCATED).unwrap() as u16;
        let span = native_span(bits, bytes.len() as u64);
        let transfer_syntax = uids::EXPLICIT_VR_LITTLE_ENDIAN;
        let stored = Stored { dataset, span, transfer_syntax };
        Preview::of(&stored, &mut Cursor::new(bytes), n).map(|preview| preview.bytes)
    }

    #[test]
    fn a_window_maps_what_it_rescales() {
        let mut ct = header(1, "MONOCHROME2", 16, 3);
        ct.put_text(tags::RESCALE_INTERCEPT, VR::DS, "-1000");
        ct.put_text(tags::WINDOW_CENTER, VR::DS, "0");
        ct.put_text(tags::WINDOW_WIDTH, VR::DS, "200");
        let frame =
            |values: [i16; 3]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
        let bytes = [frame([900, 1000, 1100]), frame([-1, 800, 2000])].concat();
        ct.put_text(tags::NUMBER_OF_FRAMES, VR::IS, "2");
        assert_eq!(shown(&ct, &bytes, 0).unwrap(), [0, 128, 255]);
        assert_eq!(shown(&ct, &bytes, 1).unwrap(), [0, 0, 255]);
        assert!(shown(&ct, &bytes, 2).is_err());
        assert!(shown(&ct, &bytes[..8], 1).is_err(), "torn");
        let inverted = header(1, "MONOCHROME1", 8, 3);
        assert_eq!(shown(&inverted, &[0, 100, 200], 0).unwrap(), [255, 128, 0]);
        assert_eq!(shown(&inverted, &[7, 7, 7], 0).unwrap().len(), 3, "nothing to be seen");
    }

    #[test]
    fn colours_are_red_green_and_blue() {
        assert_eq!(shown(&header(3, "RGB", 8, 1), &[1, 2, 3], 0).unwrap(), [1, 2, 3]);
        let grey = shown(&header(3, "YBR_FULL", 8, 1), &[90, 128, 128], 0).unwrap();
        assert_eq!(grey, [90; 3]);
        let pair = shown(&header(3, "YBR_FULL_422", 8, 2), &[90, 91, 128, 128], 0).unwrap();
        assert_eq!(pair, [90, 90, 90, 91, 91, 91]);
    }
}
