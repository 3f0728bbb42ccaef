//! Rectangles that are blanked, in every native form of pixels.
//!
//! What is written is black as displayed: the text is gone and the image looks like one from a
//! device that never wrote any. Nothing outside the rectangle changes, with one exception that the
//! form forces: pixels that share their colour with a neighbour (YBR_FULL_422) go in pairs.

use super::Error;
use super::form::{Form, Photometric};

/// A rectangle in pixels; the upper left pixel of the image is 0, 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// In which frames; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Frames {
    /// In all of them.
    All,
    /// From the first to the last, both included.
    Range(u32, u32),
}

impl Frames {
    /// Whether frame `index`, counted from 0, is among them.
    pub fn contain(self, index: u32) -> bool {
        match self {
            Frames::All => true,
            Frames::Range(first, last) => (first..=last).contains(&index.saturating_add(1)),
        }
    }

    fn fit(self, frames: u32) -> bool {
        match self {
            Frames::All => true,
            Frames::Range(first, last) => first >= 1 && first <= last && last <= frames,
        }
    }
}

/// Blanks regions in the frames of one image.
#[derive(Debug)]
pub struct Brush {
    regions: Vec<(Region, Frames)>,
    columns: usize,
    rows: usize,
    layout: Layout,
}

/// How the pixels of a frame follow each other, with the bytes that are black.
#[derive(Debug)]
enum Layout {
    /// One after the other; the bytes of a pixel.
    Pixels(Vec<u8>),
    /// Plane after plane; the bytes of a sample in each.
    Planes(Vec<Vec<u8>>),
    /// Two pixels at a time: Y Y Cb Cr.
    Pairs(Vec<u8>),
}

impl Brush {
    /// A brush for native frames of this form; single bits are given one to a byte.
    ///
    /// # Errors
    /// [`Error::Region`] when a region is not wholly inside the image or empty: the profile is for
    /// images of another size. [`Error::Form`] when it isn't known what black is.
    pub fn new(form: &Form, regions: &[(Region, Frames)]) -> Result<Self, Error> {
        for (region, frames) in regions {
            let Region { x, y, width, height } = *region;
            let ends = |at: u32, size: u32, limit: u16| {
                at.checked_add(size).is_some_and(|end| end <= u32::from(limit))
            };
            if width == 0 || height == 0 {
                return Err(Error::Region("is empty"));
            }
            if !ends(x, width, form.columns) || !ends(y, height, form.rows) {
                return Err(Error::Region("reaches beyond the image"));
            }
            if !frames.fit(form.frames) {
                return Err(Error::Region("names frames that the image does not have"));
            }
        }
        let black = black(form)?;
        let planar = match (form.samples, form.planar) {
            (1, _) => false,
            (_, Some(planar)) => planar,
            _ => return Err(Error::Form("no Planar Configuration (0028,0006)")),
        };
        let layout = match black {
            black if form.is_in_pairs() => {
                let [y, blue, red] = [0, 1, 2].map(|n| black[n].clone());
                Layout::Pairs([y.clone(), y, blue, red].concat())
            }
            black if planar => Layout::Planes(black),
            black => Layout::Pixels(black.concat()),
        };
        let (columns, rows) = (usize::from(form.columns), usize::from(form.rows));
        Ok(Brush { regions: regions.to_vec(), columns, rows, layout })
    }

    /// Blanks what is to be blanked in frame `index`, counted from 0.
    pub fn paint(&self, index: u32, frame: &mut [u8]) {
        for (region, _) in self.regions.iter().filter(|(_, frames)| frames.contain(index)) {
            match &self.layout {
                Layout::Pixels(black) => fill(frame, self.columns, *region, black),
                Layout::Planes(black) => {
                    let pixels = self.columns * self.rows;
                    let mut rest = &mut *frame;
                    for sample in black {
                        let bytes = (pixels * sample.len()).min(rest.len());
                        let (plane, after) = rest.split_at_mut(bytes);
                        fill(plane, self.columns, *region, sample);
                        rest = after;
                    }
                }
                Layout::Pairs(black) => {
                    let (first, end) = (region.x / 2, (region.x + region.width).div_ceil(2));
                    let pairs = Region { x: first, width: end - first, ..*region };
                    fill(frame, self.columns / 2, pairs, black);
                }
            }
        }
    }
}

/// Fills a rectangle of cells of `black.len()` bytes each.
fn fill(cells: &mut [u8], columns: usize, region: Region, black: &[u8]) {
    let first = region.x as usize * black.len();
    let end = first + region.width as usize * black.len();
    let rows = cells.chunks_exact_mut((columns * black.len()).max(1));
    for row in rows.skip(region.y as usize).take(region.height as usize) {
        let inside = row.get_mut(first..end).unwrap_or_default();
        inside.chunks_exact_mut(black.len()).for_each(|cell| cell.copy_from_slice(black));
    }
}

/// The bytes of each sample of a black pixel.
///
/// What a palette shows as black is unknown: its first entry it is. Floating point has no lowest
/// value that a viewer could show: zero it is.
fn black(form: &Form) -> Result<Vec<Vec<u8>>, Error> {
    let Some(bits) = form.bits else {
        let value =
            u8::from(form.bits_allocated == 1 && form.photometric == Photometric::Monochrome1);
        return match form.photometric {
            Photometric::Monochrome1 | Photometric::Monochrome2 | Photometric::Palette => {
                Ok(vec![vec![value; usize::from(form.bits_allocated.div_ceil(8))]])
            }
            _ => Err(Error::Form("colours in floating point")),
        };
    };
    let (low, high) = bits.range();
    let middle = (low + high + 1) / 2;
    let values: &[i64] = match form.photometric {
        Photometric::Monochrome2 => &[low],
        Photometric::Monochrome1 => &[high],
        Photometric::Palette => &[form.first_mapped.clamp(low, high)],
        Photometric::Rgb => &[low; 3],
        Photometric::YbrFull | Photometric::YbrFull422 => &[low, middle, middle],
        Photometric::Argb => &[low; 4],
        Photometric::Cmyk => &[high; 4],
        Photometric::YbrIct | Photometric::YbrRct | Photometric::Other => {
            return Err(Error::Form(
                "a Photometric Interpretation (0028,0004) without known black",
            ));
        }
    };
    let width = usize::from(form.bits_allocated / 8);
    let word = |value: &i64| bits.clean((*value as u32) << bits.shift()).to_le_bytes();
    Ok(values.iter().map(|value| word(value)[..width].to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::bits::Bits;
    use crate::pixel::tests::form;
    use proptest::prelude::*;

    const REGION: Region = Region { x: 1, y: 1, width: 2, height: 1 };

    fn painted(form: &Form, region: Region) -> Vec<u8> {
        let bytes = (form.native_frame_bits().unwrap() / 8) as usize;
        let mut frame = vec![0x55; bytes.max(if form.bits_allocated == 1 { 16 } else { 0 })];
        Brush::new(form, &[(region, Frames::All)]).unwrap().paint(0, &mut frame);
        frame
    }

    fn changed(frame: &[u8]) -> Vec<usize> {
        (0..frame.len()).filter(|&n| frame[n] != 0x55).collect()
    }

    #[test]
    fn gray_is_black_as_displayed() {
        let gray = form(4, 4, 16, 12, "MONOCHROME2");
        assert_eq!(painted(&gray, REGION)[10..14], [0, 0, 0, 0]);
        let inverted = form(4, 4, 16, 12, "MONOCHROME1");
        assert_eq!(painted(&inverted, REGION)[10..14], [0xff, 0x0f, 0xff, 0x0f]);
        let mut signed = gray.clone();
        signed.bits = Some(Bits { signed: true, ..gray.bits.unwrap() });
        assert_eq!(painted(&signed, REGION)[10..14], [0x00, 0xf8, 0x00, 0xf8]);
        signed.photometric = Photometric::Monochrome1;
        assert_eq!(painted(&signed, REGION)[10..14], [0xff, 0x07, 0xff, 0x07]);
        let mut upper = inverted.clone();
        upper.bits = Some(Bits { allocated: 16, stored: 12, high: 15, signed: false });
        assert_eq!(painted(&upper, REGION)[10..12], [0xf0, 0xff]);
        let mut palette = form(4, 4, 8, 8, "PALETTE COLOR");
        palette.first_mapped = 7;
        assert_eq!(painted(&palette, REGION)[5..7], [7, 7]);
        assert_eq!(painted(&form(4, 4, 32, 32, "MONOCHROME1"), REGION)[20..28], [0xff; 8]);
        let bit = painted(&form(4, 4, 1, 1, "MONOCHROME1"), REGION);
        assert_eq!((bit[5], bit[6], changed(&bit)), (1, 1, vec![5, 6]));
    }

    #[test]
    fn colours_are_black_in_every_order() {
        let rgb = painted(&form(4, 4, 8, 8, "RGB"), REGION);
        assert_eq!((&rgb[15..21], changed(&rgb).len()), (&[0; 6][..], 6));
        let ybr = painted(&form(4, 4, 8, 8, "YBR_FULL"), REGION);
        assert_eq!(ybr[15..21], [0, 128, 128, 0, 128, 128]);
        let mut planes = form(4, 4, 8, 8, "YBR_FULL");
        planes.planar = Some(true);
        let planes = painted(&planes, REGION);
        assert_eq!(changed(&planes), [5, 6, 21, 22, 37, 38]);
        assert_eq!((planes[5], planes[21], planes[37]), (0, 128, 128));
        // Columns 1 and 2 belong to the first and the second pair: both go.
        let pairs = painted(&form(4, 4, 8, 8, "YBR_FULL_422"), REGION);
        assert_eq!(changed(&pairs), (8..16).collect::<Vec<_>>());
        assert_eq!(pairs[8..16], [0, 0, 128, 128, 0, 0, 128, 128]);
        let cmyk = painted(&form(4, 4, 8, 8, "CMYK"), REGION);
        assert_eq!(cmyk[20..28], [0xff; 8]);
    }

    #[test]
    fn regions_that_do_not_fit_are_errors() {
        let form = form(4, 4, 8, 8, "MONOCHROME2");
        let refused = |region, frames| {
            matches!(Brush::new(&form, &[(region, frames)]), Err(Error::Region(_)))
        };
        assert!(!refused(Region { x: 0, y: 0, width: 4, height: 4 }, Frames::Range(1, 1)));
        assert!(refused(Region { width: 0, ..REGION }, Frames::All));
        assert!(refused(Region { x: 3, ..REGION }, Frames::All));
        assert!(refused(Region { y: 4, ..REGION }, Frames::All));
        assert!(refused(Region { x: u32::MAX, ..REGION }, Frames::All));
        assert!(refused(REGION, Frames::Range(0, 1)) && refused(REGION, Frames::Range(1, 2)));
        assert!(refused(REGION, Frames::Range(2, 1)));
    }

    proptest! {
        #[test]
        fn nothing_outside_changes_and_inside_is_constant(
            x in 0..7_u32, y in 0..5_u32, w in 1..8_u32, h in 1..6_u32, kind in 0..7_usize, planar: bool,
        ) {
            let (photometric, bits) = [
                ("MONOCHROME1", 8), ("MONOCHROME2", 16), ("PALETTE COLOR", 8), ("RGB", 8),
                ("RGB", 16), ("YBR_FULL", 8), ("MONOCHROME2", 32),
            ][kind];
            let mut form = form(5, 7, bits, bits, photometric);
            form.planar = Some(planar);
            let region = Region { x, y, width: w.min(7 - x), height: h.min(5 - y) };
            let frame = painted(&form, region);
            let (width, samples) = (usize::from(bits / 8), usize::from(form.samples));
            let planar = planar && samples > 1;
            let mut inside = vec![None; samples];
            for (at, word) in frame.chunks(width).enumerate() {
                let (pixel, sample) = match planar {
                    true => (at % 35, at / 35),
                    false => (at / samples, at % samples),
                };
                let (column, row) = ((pixel % 7) as u32, (pixel / 7) as u32);
                let within = (x..x + region.width).contains(&column)
                    && (y..y + region.height).contains(&row);
                if within {
                    let word = word.to_vec();
                    prop_assert_eq!(&word, inside[sample].get_or_insert(word.clone()));
                    prop_assert!(word.iter().any(|&b| b != 0x55));
                } else {
                    prop_assert!(word.iter().all(|&b| b == 0x55));
                }
            }
        }
    }
}
