//! Pictures of heads, for people inside: what an onlooker would make of a head before and after, and what
//! was found in a volume.
//!
//! Parallel rays meet a surface of constant value in a [`Volume`]; the surface is shaded by its slope.
//! Cells of 1.5 to 2 mm ([`crate::deface::Survey::with_cell`]) give good pictures of a head, those of
//! the survey ([`crate::deface::CELL_MM`]) fair ones.

mod camera;
mod found;

pub use found::found;

use crate::deface::grid::Grid;
use crate::deface::{Anatomy, Outline, Volume};
use camera::{Camera, Surface};
use image::{EncodableLayout, GrayImage, ImageFormat, Luma, Pixel, PixelWithColorType};
use rayon::prelude::*;
use std::io::Cursor;
use std::ops::Deref;

/// The surface of skin in CT, HU.
pub const SKIN_HU: f32 = -250.0;
/// The surface of bone in CT, HU.
pub const BONE_HU: f32 = 300.0;
/// Side of a view in a portrait, pixels.
pub const PORTRAIT_SIDE: u32 = 256;
/// Pixels along a side of a view that is made of every series: enough to see whether there is a face.
pub const THUMBNAIL_SIDE: u32 = 112;

const BACKGROUND: u8 = 24;

/// From where a patient is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// From the front.
    Front,
    /// From 45 degrees on the patient's left.
    Oblique,
    /// From the patient's left.
    Profile,
}

impl View {
    /// All views.
    pub const ALL: [View; 3] = [View::Front, View::Oblique, View::Profile];

    /// How far the viewer stands round to the patient's left, degrees.
    fn yaw_deg(self) -> f32 {
        match self {
            View::Front => 0.0,
            View::Oblique => 45.0,
            View::Profile => 90.0,
        }
    }
}

/// The surface of a value (HU in CT) as seen from `view`, `side` pixels square; 1 pixel is the volume's
/// longest extent / `side`.
pub fn surface(volume: &Volume, level: f32, view: View, side: u32) -> GrayImage {
    take(&Camera::of_all(&volume.value, view, side), &volume.value, level)
}

/// Pictures side by side in rows: one row per volume, one column per view.
pub fn sheet(volumes: &[&Volume], level: f32, side: u32) -> GrayImage {
    let row = |volume: &&Volume| View::ALL.map(|view| surface(volume, level, view, side));
    arranged(volumes.iter().map(row).collect(), side)
}

/// A head before and after as PNG, for a reviewer who may see it: front, oblique, profile, each of
/// `side` pixels; first the skin before and after, then in CT the bone before and after.
///
/// With `anatomy` the head is seen from its own front, however it lies in the scanner. Without `after`, of
/// what was withheld, there are only the rows before. **It shows the patient's face.**
///
/// # Errors
/// Those of the encoder, which has no reason to fail in memory.
pub fn portrait(
    anatomy: Option<&Anatomy>,
    before: &Volume,
    after: Option<&Volume>,
    side: u32,
) -> Result<Vec<u8>, image::ImageError> {
    let outline = Outline::of(before);
    let levels = match before.contrast.is_hounsfield() {
        true => vec![SKIN_HU, BONE_HU],
        false => vec![outline.level],
    };
    let volumes: Vec<_> =
        [Some(before), after].into_iter().flatten().map(|volume| outline.values(volume)).collect();
    let views = |level: f32, values: &Grid<f32>| {
        View::ALL.map(|view| {
            let camera = match anatomy {
                Some(anatomy) => Camera::of_head(anatomy.frame(), values, view, side),
                None => Camera::of_all(values, view, side),
            };
            take(&camera, values, level)
        })
    };
    let rows = levels.iter().flat_map(|&level| volumes.iter().map(move |values| (level, values)));
    png(&arranged(rows.map(|(level, values)| views(level, values)).collect(), side))
}

/// What a camera sees.
fn take(camera: &Camera, values: &Grid<f32>, level: f32) -> GrayImage {
    let (side, surface) = (camera.side(), Surface::new(values, level));
    let pixels: Vec<u8> = (0..side * side)
        .into_par_iter()
        .map(|i| match camera.first_hit(&surface, i % side, i / side) {
            Some(hit) => camera.shade(values, hit),
            None => BACKGROUND,
        })
        .collect();
    GrayImage::from_fn(side, side, |x, y| Luma([pixels[(y * side + x) as usize]]))
}

fn arranged(rows: Vec<[GrayImage; 3]>, side: u32) -> GrayImage {
    let mut sheet = GrayImage::new(side * View::ALL.len() as u32, side * rows.len() as u32);
    for (row, pictures) in rows.iter().enumerate() {
        for (column, picture) in pictures.iter().enumerate() {
            let (x, y) = (i64::from(side) * column as i64, i64::from(side) * row as i64);
            image::imageops::replace(&mut sheet, picture, x, y);
        }
    }
    sheet
}

/// The picture as a PNG file.
///
/// # Errors
/// Those of the encoder, which has no reason to fail in memory.
pub fn png<P, C>(picture: &image::ImageBuffer<P, C>) -> Result<Vec<u8>, image::ImageError>
where
    P: Pixel + PixelWithColorType,
    [P::Subpixel]: EncodableLayout,
    C: Deref<Target = [P::Subpixel]>,
{
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png)?;
    Ok(file.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deface::{BodyPartHint, Contrast, Finding, Level, Slice, Survey};
    use crate::phantom::Phantom;

    pub(super) fn survey(phantom: &Phantom, cell_mm: f32) -> Survey {
        let survey = Survey::with_cell(&phantom.planes, Contrast::Hounsfield, cell_mm).unwrap();
        for (index, samples) in phantom.slices.iter().enumerate() {
            let rescale = phantom.rescale;
            survey.add(index, &Slice { samples, rescale, padding: None, inverted: false }).unwrap();
        }
        survey
    }

    #[test]
    fn a_head_fills_the_middle_of_its_picture() {
        let volume = survey(&Phantom::axial(4.0), 4.0).volume().unwrap();
        for view in View::ALL {
            let picture = surface(&volume, SKIN_HU, view, 64);
            assert!(picture.get_pixel(32, 32).0[0] > BACKGROUND, "{view:?}");
            assert_eq!(picture.get_pixel(1, 1).0[0], BACKGROUND, "{view:?}");
        }
        let file = png(&sheet(&[&volume, &volume], SKIN_HU, 16)).unwrap();
        assert_eq!(image::load_from_memory(&file).unwrap().width(), 48);
    }

    #[test]
    fn a_portrait_shows_the_head_from_its_own_front() {
        let survey = survey(&Phantom::axial(4.0), crate::deface::CELL_MM);
        let Ok(Finding::Head(head)) = survey.locate(BodyPartHint::Head) else { panic!() };
        let region = head.region(Level::Strict).unwrap();
        let before = survey.volume().unwrap();
        let file = portrait(Some(region.anatomy()), &before, Some(&before), PORTRAIT_SIDE).unwrap();
        let picture = image::load_from_memory(&file).unwrap().into_luma8();
        assert_eq!(picture.dimensions(), (3 * PORTRAIT_SIDE, 4 * PORTRAIT_SIDE), "skin and bone");
        // The phantom's head is tilted; seen in its own frame it is as wide to the left as to the right.
        let seen = |x: u32| (0..PORTRAIT_SIDE).any(|y| picture.get_pixel(x, y).0[0] > BACKGROUND);
        let left = (0..PORTRAIT_SIDE).find(|&x| seen(x)).unwrap();
        let right = (0..PORTRAIT_SIDE).rev().find(|&x| seen(x)).unwrap();
        assert!(left.abs_diff(PORTRAIT_SIDE - 1 - right) <= 3, "{left} {right}");
        let withheld = portrait(None, &before, None, PORTRAIT_SIDE).unwrap();
        let picture = image::load_from_memory(&withheld).unwrap();
        assert_eq!(picture.height(), 2 * PORTRAIT_SIDE, "only what was before");
    }
}
