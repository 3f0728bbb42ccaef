//! The average head: signed distances to its skin and endocranium, and points on both.
//!
//! It is symmetric and drawn in MNI space (RAS mm, origin near the anterior commissure). It shows no
//! individual: made by `testdata/template/build_template.py` from a mean of many heads. See there and
//! `testdata/template/SOURCE.txt` for provenance and licences.

use super::grid::{Grid, Lattice, Point};
use std::sync::LazyLock;

/// The embedded template, read once.
pub static TEMPLATE: LazyLock<Template> =
    LazyLock::new(|| Template::read(include_bytes!("template.bin")));

/// A point of a template's surface.
#[derive(Debug, Clone, Copy)]
pub struct SurfacePoint {
    /// MNI mm.
    pub at: Point,
    /// How much it counts in a fit.
    pub weight: f32,
}

/// A closed surface: distances everywhere and points on it, in an order fit for subsampling.
#[derive(Debug)]
pub struct Surface {
    /// Signed distance in mm, negative inside.
    pub distance: Grid<f32>,
    /// Points about 7 mm apart.
    pub points: Vec<SurfacePoint>,
}

/// The average head.
#[derive(Debug)]
pub struct Template {
    /// Skin; its points leave out ears, neck and the cut below the chin.
    pub skin: Surface,
    /// Inner table of the skull; its points leave out the foramen magnum.
    pub endocranium: Surface,
}

impl Template {
    /// The centre of the brain, MNI mm: poses turn and scale about it.
    pub const CENTRE: Point = [0.0, -18.0, 5.0];

    /// Reads the file that `build_template.py` writes. All numbers are little-endian:
    ///
    /// | bytes | what |
    /// |---|---|
    /// | 8 | `EFHEAD02` |
    /// | 3 x u16 | nodes along x (right half only, from x = 0), y, z |
    /// | 3 x i16 | first node in MNI mm |
    /// | u16, u16 | node spacing in mm; units per mm of the distances |
    /// | i16 per node | signed distance to the skin, x fastest; then to the endocranium |
    /// | u32 + 4 x i16 each | points of the skin: x, y, z, weight in hundredths; then of the endocranium |
    ///
    /// # Panics
    /// If the embedded file is cut short, which a test rules out.
    fn read(file: &[u8]) -> Self {
        let mut bytes = Bytes(file);
        assert_eq!(bytes.take::<8>(), *b"EFHEAD02", "template.bin is not a template");
        let half: [usize; 3] =
            std::array::from_fn(|_| usize::from(u16::from_le_bytes(bytes.take())));
        let first: [f32; 3] = std::array::from_fn(|_| f32::from(i16::from_le_bytes(bytes.take())));
        let spacing = f32::from(u16::from_le_bytes(bytes.take()));
        let units_per_mm = f32::from(u16::from_le_bytes(bytes.take()));
        let mut mirrored = || {
            let right: Vec<i16> =
                (0..half.iter().product()).map(|_| i16::from_le_bytes(bytes.take())).collect();
            let middle = half[0] - 1;
            let origin = [first[0] - spacing * middle as f32, first[1], first[2]];
            let lattice = Lattice { size: [2 * middle + 1, half[1], half[2]], origin, spacing };
            Grid::from_fn(lattice, |i| {
                let [x, y, z] = lattice.node(i);
                let at = x.abs_diff(middle) + half[0] * (y + half[1] * z);
                f32::from(right[at]) / units_per_mm
            })
        };
        let (skin, endocranium) = (mirrored(), mirrored());
        let mut points = || {
            let count = u32::from_le_bytes(bytes.take());
            let mut hundredth = || f32::from(i16::from_le_bytes(bytes.take())) / 100.0;
            (0..count)
                .map(|_| SurfacePoint {
                    at: std::array::from_fn(|_| hundredth()),
                    weight: hundredth(),
                })
                .collect()
        };
        let template = Template {
            skin: Surface { distance: skin, points: points() },
            endocranium: Surface { distance: endocranium, points: points() },
        };
        assert!(bytes.0.is_empty(), "template.bin has trailing bytes");
        template
    }
}

/// What is left to read of the embedded file.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_first_chunk::<N>().expect("template.bin is cut short");
        self.0 = rest;
        *head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_template_is_a_head() {
        let Template { skin, endocranium } = &*TEMPLATE;
        for surface in [skin, endocranium] {
            assert!(surface.distance.sample(Template::CENTRE) < -30.0);
            let mut off: Vec<f32> =
                surface.points.iter().map(|p| surface.distance.sample(p.at).abs()).collect();
            off.sort_by(f32::total_cmp);
            assert!(off[off.len() * 9 / 10] < 1.0, "points lie on their surface");
        }
        let nose_tip = [0.0, 96.0, -80.0];
        assert!(skin.distance.sample(nose_tip).abs() < 3.0);
        assert!(endocranium.distance.sample(nose_tip) > 20.0);
    }
}
