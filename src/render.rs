//! Pictures of a surface in a CT: what an onlooker would make of a head, before and after.
//!
//! Parallel rays meet a surface of constant HU in a [`Volume`]; the surface is shaded by its slope.
//! Cells of 1.5 to 2 mm ([`crate::deface::Survey::with_cell`]) give good pictures of a head.

use crate::deface::Volume;
use crate::deface::grid::{Grid, Point, dot, unit};
use image::{GrayImage, ImageFormat, Luma};
use rayon::prelude::*;
use std::io::Cursor;

/// The surface of skin in CT, HU.
pub const SKIN_HU: f32 = -250.0;
/// The surface of bone in CT, HU.
pub const BONE_HU: f32 = 300.0;

const BACKGROUND: u8 = 24;
const AMBIENT: f32 = 0.18;
/// Directions to the lights (image right, image down, towards the viewer) and their strengths.
const LIGHTS: [(Point, f32); 2] = [([-0.27, -0.48, 0.83], 0.6), ([0.5, -0.1, 0.86], 0.22)];

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

/// The surface of `level` HU as seen from `view`, `side` pixels square; 1 pixel is the volume's
/// longest diagonal / `side`.
pub fn surface(volume: &Volume, level: f32, view: View, side: u32) -> GrayImage {
    let camera = Camera::looking_at(&volume.value, view, side);
    let pixels: Vec<u8> = (0..side * side)
        .into_par_iter()
        .map(|i| match camera.first_hit(&volume.value, level, i % side, i / side) {
            Some(hit) => camera.shade(&volume.value, hit),
            None => BACKGROUND,
        })
        .collect();
    GrayImage::from_fn(side, side, |x, y| Luma([pixels[(y * side + x) as usize]]))
}

/// Pictures side by side in rows: one row per volume, one column per view.
pub fn sheet(volumes: &[&Volume], level: f32, side: u32) -> GrayImage {
    let mut sheet = GrayImage::new(side * View::ALL.len() as u32, side * volumes.len() as u32);
    for (row, volume) in volumes.iter().enumerate() {
        for (column, view) in View::ALL.into_iter().enumerate() {
            let picture = surface(volume, level, view, side);
            let (x, y) = (i64::from(side) * column as i64, i64::from(side) * row as i64);
            image::imageops::replace(&mut sheet, &picture, x, y);
        }
    }
    sheet
}

/// The picture as a PNG file.
///
/// # Errors
/// Those of the encoder, which has no reason to fail in memory.
pub fn png(picture: &GrayImage) -> Result<Vec<u8>, image::ImageError> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png)?;
    Ok(file.into_inner())
}

/// A viewer far away.
struct Camera {
    /// Centre of the volume, RAS mm.
    target: Point,
    right: Point,
    forward: Point,
    /// Half of the diagonal, mm.
    reach: f32,
    pixel: f32,
    centre: f32,
    step: f32,
}

impl Camera {
    fn looking_at(hu: &Grid<f32>, view: View, side: u32) -> Self {
        let l = &hu.lattice;
        let extent: Point = std::array::from_fn(|k| l.spacing * (l.size[k] - 1) as f32);
        let target = std::array::from_fn(|k| l.origin[k] + extent[k] / 2.0);
        let diagonal = extent.iter().map(|e| e * e).sum::<f32>().sqrt();
        let yaw = view.yaw_deg().to_radians();
        Camera {
            target,
            // RAS: facing the patient, image right is the patient's left.
            right: [-yaw.cos(), -yaw.sin(), 0.0],
            forward: [yaw.sin(), -yaw.cos(), 0.0],
            reach: diagonal / 2.0,
            pixel: extent.iter().fold(0.0, |a: f32, &b| a.max(b)) * 1.05 / side as f32,
            centre: (side as f32 - 1.0) / 2.0,
            step: l.spacing / 2.0,
        }
    }

    /// Where the ray of a pixel passes from below `level` to above, RAS mm.
    fn first_hit(&self, hu: &Grid<f32>, level: f32, column: u32, row: u32) -> Option<Point> {
        let u = (column as f32 - self.centre) * self.pixel;
        let v = (row as f32 - self.centre) * self.pixel;
        let at = |t: f32| -> Point {
            let [x, y, z] =
                std::array::from_fn(|k| self.target[k] + self.right[k] * u + self.forward[k] * t);
            [x, y, z - v]
        };
        let solid = |t: f32| hu.sample_inside(at(t)).is_some_and(|value| value > level);
        let steps = (2.0 * self.reach / self.step) as usize;
        let first = (0..=steps).map(|i| self.step * i as f32 - self.reach).find(|&t| solid(t))?;
        let (mut outside, mut inside) = (first - self.step, first);
        for _ in 0..6 {
            let middle = (outside + inside) / 2.0;
            if solid(middle) { inside = middle } else { outside = middle }
        }
        Some(at(inside))
    }

    fn shade(&self, hu: &Grid<f32>, at: Point) -> u8 {
        let h = hu.lattice.spacing;
        let along = |k: usize| {
            let moved = |by: f32| std::array::from_fn(|j| if j == k { at[j] + by } else { at[j] });
            hu.sample(moved(h)) - hu.sample(moved(-h))
        };
        let gradient: Point = std::array::from_fn(along);
        let outward = unit(gradient).map(|c| -c);
        let down = [0.0, 0.0, -1.0];
        let normal = [dot(outward, self.right), dot(outward, down), -dot(outward, self.forward)];
        let diffuse: f32 =
            LIGHTS.iter().map(|(to, strength)| strength * dot(normal, *to).max(0.0)).sum();
        ((AMBIENT + diffuse).powf(0.8).min(1.0) * 255.0) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deface::{Contrast, Slice, Survey};
    use crate::phantom::Phantom;

    #[test]
    fn a_head_fills_the_middle_of_its_picture() {
        let phantom = Phantom::axial(4.0);
        let survey = Survey::with_cell(&phantom.planes, Contrast::Hounsfield, 4.0).unwrap();
        for (index, samples) in phantom.slices.iter().enumerate() {
            survey
                .add(
                    index,
                    &Slice { samples, rescale: phantom.rescale, padding: None, inverted: false },
                )
                .unwrap();
        }
        let volume = survey.volume().unwrap();
        for view in View::ALL {
            let picture = surface(&volume, SKIN_HU, view, 64);
            assert!(picture.get_pixel(32, 32).0[0] > BACKGROUND, "{view:?}");
            assert_eq!(picture.get_pixel(1, 1).0[0], BACKGROUND, "{view:?}");
        }
        let file = png(&sheet(&[&volume, &volume], SKIN_HU, 16)).unwrap();
        assert_eq!(image::load_from_memory(&file).unwrap().width(), 48);
    }
}
