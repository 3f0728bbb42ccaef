//! A CT of nobody: the average head as a scanner would see it, for demonstration and tests.
//!
//! Skin and endocranium are the template's; skull, facial bones and airway are drawn around them.
//! The same volume every time, sampled by whatever planes one likes.

use crate::deface::grid::{Point, ras};
use crate::deface::{Frame, Pose, Rescale, TEMPLATE, Turn};
use crate::dicom::plane::{ImagePlane, PixelSpacing};
use rayon::prelude::*;

/// Where the phantom lies: centre of the brain in RAS mm, tilt in rad, size relative to the template.
const POSE: Pose = Pose {
    parameters: [6.0, -14.0, 22.0, 0.12, 0.03, -0.05, -0.12, -0.09, -0.10],
    turn: Turn::NONE,
};
const AIR_HU: f32 = -1000.0;
const SOFT_HU: f32 = 45.0;
const BRAIN_HU: f32 = 35.0;
const FAT_HU: f32 = -90.0;
const SKULL_HU: f32 = 950.0;
const FACIAL_BONE_HU: f32 = 700.0;
/// Noise of +- so many HU, uniform.
const NOISE_HU: f32 = 12.0;
/// Over so many mm the skin goes from air to full density: partial volume.
const SKIN_BLUR_MM: f32 = 1.5;

/// A stack of slices with its stored values.
#[derive(Debug, Clone)]
pub struct Phantom {
    /// One plane per slice.
    pub planes: Vec<ImagePlane>,
    /// Stored values of each slice, row by row.
    pub slices: Vec<Vec<i32>>,
    /// To HU, the same for all slices.
    pub rescale: Rescale,
}

impl Phantom {
    /// Axial slices from below the chin to above the vertex, `spacing_mm` apart in all directions.
    pub fn axial(spacing_mm: f64) -> Self {
        const WIDTH_MM: f64 = 260.0;
        const FRONT_MM: f64 = -170.0;
        const BOTTOM_MM: f64 = -150.0;
        const HEIGHT_MM: f64 = 270.0;
        let columns = (WIDTH_MM / spacing_mm) as u32;
        let spacing = PixelSpacing { between_rows: spacing_mm, between_columns: spacing_mm };
        let plane = |k: usize| {
            let position = [-WIDTH_MM / 2.0, FRONT_MM, BOTTOM_MM + spacing_mm * k as f64];
            ImagePlane::new(
                position,
                [1.0, 0.0, 0.0],
                [0.0, 1.0, 0.0],
                spacing,
                columns + columns / 8,
                columns,
            )
        };
        // These planes are valid by construction; one that weren't would only be left out.
        Phantom::sampled_by(
            (0..(HEIGHT_MM / spacing_mm) as usize).filter_map(|k| plane(k).ok()).collect(),
        )
    }

    /// Where a point of the template (MNI mm) lies in the phantom, LPS mm.
    pub fn place(mni: Point) -> [f64; 3] {
        let [x, y, z] = POSE.frame().to_patient(mni).map(f64::from);
        [-x, -y, z]
    }

    /// The phantom as these planes sample it.
    pub fn sampled_by(planes: Vec<ImagePlane>) -> Self {
        let frame = POSE.frame();
        let slices =
            planes.par_iter().enumerate().map(|(k, plane)| slice(&frame, plane, k)).collect();
        Phantom { planes, slices, rescale: Rescale::HU_PLUS_1024 }
    }
}

fn slice(frame: &Frame, plane: &ImagePlane, number: usize) -> Vec<i32> {
    (0..plane.len())
        .map(|i| {
            let at = plane.patient((i % plane.columns()) as f64, (i / plane.columns()) as f64);
            let hu = hu(frame.to_template(ras(at)))
                + NOISE_HU * noise((number * plane.len() + i) as u64);
            hu.round() as i32 + 1024
        })
        .collect()
}

/// Density at a point in MNI mm.
fn hu(at: Point) -> f32 {
    let skin = TEMPLATE.skin.distance.sample(at);
    let inside = tissue(at, skin, TEMPLATE.endocranium.distance.sample(at));
    let share_of_air = ((skin + SKIN_BLUR_MM) / (2.0 * SKIN_BLUR_MM)).clamp(0.0, 1.0);
    inside + (AIR_HU - inside) * share_of_air
}

/// What lies at a point in the head, by its distances to skin and endocranium.
fn tissue([x, y, z]: Point, skin: f32, endocranium: f32) -> f32 {
    let x = x.abs();
    let in_box = |width: f32, y_range: std::ops::Range<f32>, z_range: std::ops::Range<f32>| {
        x < width && y_range.contains(&y) && z_range.contains(&z)
    };
    let foramen_magnum = x < 15.0 && z < -52.0;
    let orbit =
        ((x - 33.0) / 18.0).powi(2) + ((y - 62.0) / 24.0).powi(2) + ((z + 42.0) / 17.0).powi(2)
            < 1.0;
    match () {
        () if endocranium < 0.0 => BRAIN_HU,
        () if endocranium < 6.5 && skin < -3.0 && !foramen_magnum => SKULL_HU,
        () if orbit => FAT_HU,
        () if skin > -6.0 => SOFT_HU,
        // Nasal cavity and pharynx, maxillary and frontal sinuses.
        () if in_box(9.0, 10.0..78.0, -85.0..-45.0) || in_box(12.0, 2.0..14.0, -130.0..-60.0) => {
            AIR_HU
        }
        () if x > 14.0 && in_box(34.0, 48.0..72.0, -80.0..-62.0)
            || in_box(16.0, 74.0..82.0, -12.0..6.0) =>
        {
            AIR_HU
        }
        // A shell under the skin: brow, cheek bones, jaws.
        () if y > 15.0 && z > -128.0 && (-15.0..-8.0).contains(&skin) => FACIAL_BONE_HU,
        // Cervical spine.
        () if x < 14.0 && (-45.0..-15.0).contains(&y) && z < -62.0 => FACIAL_BONE_HU,
        () => SOFT_HU,
    }
}

/// Uniform in -1..1 and a function of the voxel alone (finaliser of SplitMix64).
fn noise(voxel: u64) -> f32 {
    let z = voxel.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z >> 40) as f32) / (1u32 << 23) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_air_tissue_and_bone() {
        let phantom = Phantom::axial(6.0);
        let values: Vec<i32> = phantom.slices.concat();
        let share = |range: std::ops::Range<i32>| {
            values.iter().filter(|v| range.contains(&(**v - 1024))).count() as f32
                / values.len() as f32
        };
        assert!(share(-1100..-900) > 0.4);
        assert!(share(0..100) > 0.15);
        assert!(share(600..1000) > 0.03);
        assert_eq!(phantom.slices, Phantom::axial(6.0).slices, "the same every time");
    }
}
