//! The head as an onlooker sees it from several sides in front: depth, relief, and what moved.

use super::field::Field;
use super::frame::HeadFrame;
use super::relief::{self, ALL};
use super::space::{Vector, along, unit};
use rayon::prelude::*;

/// (to the side, upwards) from the front, degrees.
pub(super) const FRONTAL: [(f32, f32); 7] =
    [(0.0, 0.0), (-30.0, 0.0), (30.0, 0.0), (-45.0, 0.0), (45.0, 0.0), (0.0, 20.0), (0.0, -20.0)];
/// From both sides.
pub(super) const EARS: [(f32, f32); 2] = [(-90.0, 0.0), (90.0, 0.0)];
const PIXEL_MM: f32 = 3.0;
const HALF_WIDTH: i32 = 23;
const HALF_HEIGHT: i32 = 28;
const COLUMNS: i32 = 2 * HALF_WIDTH + 1;
const ROWS: i32 = 2 * HALF_HEIGHT + 1;
/// Views turn about a point this far behind the nose, mm.
const PIVOT_MM: f32 = 50.0;
/// Rays start this far before the pivot and go so deep, mm.
const START_MM: f32 = 105.0;
const STEP_MM: f32 = 3.0;
const STEPS: usize = 60;

/// Depths along parallel rays.
pub(super) struct View {
    /// What a ray meets first, mm from its start; `None`: nothing.
    pub depth: Vec<Option<f32>>,
    /// Met at the border of the field of view: not a surface.
    pub cut: Vec<bool>,
    eye: Vector,
    right: Vector,
    up: Vector,
    ahead: Vector,
}

/// The volume before or after, and the level at which a surface is seen.
pub(super) struct Scene<'a> {
    field: &'a Field,
    values: &'a [f32],
    level: f32,
    /// Where the level can be exceeded at all: rays pass through air for most of their way.
    solid: Vec<bool>,
}

impl<'a> Scene<'a> {
    pub fn new(field: &'a Field, values: &'a [f32], level: f32) -> Self {
        let solid = field.grown_down(|i| field.inside[i] && values[i] > level);
        Scene { field, values, level, solid }
    }

    /// The value at a position if it lies above the level.
    fn above(&self, at: Vector) -> Option<f32> {
        let may = self.field.is_between(&self.solid, at);
        may.then(|| self.sample(at)).flatten().filter(|&value| value > self.level)
    }

    fn sample(&self, at: Vector) -> Option<f32> {
        self.field.sample(self.values, at)
    }
}

impl View {
    pub fn of(scene: &Scene<'_>, head: &HeadFrame, (yaw, pitch): (f32, f32)) -> Self {
        let (sy, cy) = yaw.to_radians().sin_cos();
        let (sp, cp) = pitch.to_radians().sin_cos();
        let flat = along(head.front.map(|c| c * cy), sy, head.side);
        let towards = along(flat.map(|c| c * cp), sp, head.up);
        let right = along(head.side.map(|c| c * cy), -sy, head.front);
        let up = along(head.up.map(|c| c * cp), -sp, flat);
        let pivot = along(head.nose, -PIVOT_MM, head.front);
        let mut view = View {
            depth: Vec::new(),
            cut: Vec::new(),
            eye: along(pivot, START_MM, towards),
            right: unit(right),
            up: unit(up),
            ahead: towards.map(|c| -c),
        };
        let pixels: Vec<(Option<f32>, bool)> = (0..(COLUMNS * ROWS) as usize)
            .into_par_iter()
            .map(|pixel| view.look(scene, pixel))
            .collect();
        (view.depth, view.cut) = pixels.into_iter().unzip();
        view
    }

    /// The depth at which the ray of a pixel meets a surface, and whether that is a cut.
    fn look(&self, scene: &Scene<'_>, pixel: usize) -> (Option<f32>, bool) {
        let depth_of = |step: usize| STEP_MM * step as f32;
        let met = (0..STEPS).find_map(|step| {
            scene.above(self.at(pixel, depth_of(step))).map(|value| (step, value))
        });
        let Some((step, value)) = met else { return (None, false) };
        let before = step.checked_sub(1).and_then(|s| scene.sample(self.at(pixel, depth_of(s))));
        // Between this step and the last, where the level is crossed.
        let part = match before {
            Some(last) if value > last => (value - scene.level) / (value - last),
            _ => 0.0,
        };
        (Some(depth_of(step) - STEP_MM * part), before.is_none())
    }

    /// The position that a pixel shows at a depth.
    pub fn at(&self, pixel: usize, depth: f32) -> Vector {
        let (x, z) = View::place(pixel);
        along(along(along(self.eye, x, self.right), z, self.up), depth, self.ahead)
    }

    /// Right and up from the middle, mm.
    fn place(pixel: usize) -> (f32, f32) {
        let pixel = pixel as i32;
        (
            PIXEL_MM * (pixel % COLUMNS - HALF_WIDTH) as f32,
            PIXEL_MM * (HALF_HEIGHT - pixel / COLUMNS) as f32,
        )
    }

    /// Pixels that show a surface within a part of the head, given in its own frame.
    pub fn showing(&self, head: &HeadFrame, part: impl Fn(Vector) -> bool) -> Vec<usize> {
        (0..self.depth.len())
            .filter(|&p| !self.cut[p])
            .filter(|&p| self.depth[p].is_some_and(|d| part(head.local(self.at(p, d)))))
            .collect()
    }

    fn depth_or_far(&self, pixel: usize) -> f32 {
        self.depth[pixel].unwrap_or(STEP_MM * STEPS as f32)
    }
}

/// What became of a view, over the pixels that showed the face.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    /// How many.
    pub pixels: usize,
    /// Share of them that is where it was, within 4 mm.
    pub unmoved: f32,
    /// Share that moved together, within 6 mm of each other: a peel.
    pub together: f32,
    /// Correlation of the reliefs.
    pub likeness: f32,
    /// Correlation of features: what is left of the depths less their mean nearby.
    pub features: f32,
}

/// What lies within this of where it was didn't move, mm.
const UNMOVED_MM: f32 = 4.0;
/// What moved by the same within this moved together, mm.
const TOGETHER_MM: f32 = 6.0;
/// Features are seen against the mean of so many pixels around.
const NEARBY: i32 = 5;
/// A pixel's neighbours count up to this far before or behind it, mm: holes are no features.
const NEIGHBOUR_MM: f32 = 20.0;
/// Features are at most so high, mm.
const FEATURE_MM: f32 = 8.0;

impl Change {
    pub fn of(before: &View, after: &View, pixels: &[usize]) -> Self {
        let count = pixels.len().max(1) as f32;
        let mut moved: Vec<f32> =
            pixels.iter().map(|&p| after.depth_or_far(p) - before.depth_or_far(p)).collect();
        moved.sort_by(f32::total_cmp);
        let still = moved.iter().filter(|m| m.abs() < UNMOVED_MM).count();
        let together = (0..moved.len())
            .map(|low| moved.partition_point(|&m| m <= moved[low] + TOGETHER_MM) - low)
            .max();
        Change {
            pixels: pixels.len(),
            unmoved: still as f32 / count,
            together: together.unwrap_or(0) as f32 / count,
            likeness: relief::likeness(&before.relief(pixels), &after.relief(pixels)).0,
            features: relief::likeness(&before.features(pixels), &after.features(pixels)).0,
        }
    }
}

impl View {
    /// Depths less the quadric that fits them best.
    fn relief(&self, pixels: &[usize]) -> Vec<Option<f32>> {
        let across = PIXEL_MM * HALF_HEIGHT as f32;
        let terms: Vec<[f64; ALL]> = pixels
            .iter()
            .map(|&p| View::place(p))
            .map(|(x, z)| relief::terms(x / across, z / across))
            .collect();
        let mut depths: Vec<_> = pixels.iter().map(|&p| Some(self.depth_or_far(p))).collect();
        relief::flatten([&mut depths], &terms, ALL);
        depths
    }

    fn features(&self, pixels: &[usize]) -> Vec<Option<f32>> {
        self.above_nearby(pixels, NEARBY).map(|f| Some(f.clamp(-FEATURE_MM, FEATURE_MM))).collect()
    }

    /// How far each pixel stands back behind the mean of those nearby, mm.
    fn above_nearby(&self, pixels: &[usize], nearby: i32) -> impl Iterator<Item = f32> {
        let mut map = vec![f32::NAN; (COLUMNS * ROWS) as usize];
        for &p in pixels {
            map[p] = self.depth_or_far(p);
        }
        pixels.iter().map(move |&p| {
            let (column, row) = (p as i32 % COLUMNS, p as i32 / COLUMNS);
            let (mut sum, mut count) = (0.0, 0.0);
            for y in (row - nearby).max(0)..=(row + nearby).min(ROWS - 1) {
                for x in (column - nearby).max(0)..=(column + nearby).min(COLUMNS - 1) {
                    let depth = map[(y * COLUMNS + x) as usize];
                    if depth.is_finite() {
                        sum += depth.clamp(map[p] - NEIGHBOUR_MM, map[p] + NEIGHBOUR_MM);
                        count += 1.0;
                    }
                }
            }
            map[p] - sum / count
        })
    }

    /// Of some pixels those that stand out from what is around them.
    pub fn standing_out(&self, pixels: &[usize]) -> Vec<usize> {
        /// Around an ear, in pixels, and how far it stands out at least, mm.
        const AROUND: i32 = 8;
        const OUT_MM: f32 = 4.0;
        let back = self.above_nearby(pixels, AROUND);
        pixels.iter().zip(back).filter(|(_, back)| *back < -OUT_MM).map(|(&p, _)| p).collect()
    }
}
