//! The head as an onlooker sees it from several sides in front: depth, relief, and what moved.

use super::field::Field;
use super::frame::HeadFrame;
use super::relief::{self, ALL};
use super::space::{Vector, along, minus, unit};
use rayon::prelude::*;

/// (to the side, upwards) from the front, degrees.
pub(super) const FRONTAL: [(f32, f32); 7] =
    [(0.0, 0.0), (-30.0, 0.0), (30.0, 0.0), (-45.0, 0.0), (45.0, 0.0), (0.0, 20.0), (0.0, -20.0)];
const PIXEL_MM: f32 = 3.0;
const HALF_WIDTH: i32 = 23;
const HALF_HEIGHT: i32 = 28;
const COLUMNS: i32 = 2 * HALF_WIDTH + 1;
const ROWS: i32 = 2 * HALF_HEIGHT + 1;
/// Views turn about a point this far behind the nose, mm.
const PIVOT_MM: f32 = 50.0;
/// Rays start this far before the pivot and go so deep, mm.
const START_MM: f32 = 105.0;
const STEP_MM: f32 = 1.5;
const STEPS: usize = 120;

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

impl View {
    pub fn of(field: &Field, values: &[f32], level: f32, head: &HeadFrame, (yaw, pitch): (f32, f32)) -> Self {
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
            .map(|pixel| {
                let mut seen = false;
                let mut last = 0.0;
                for step in 0..STEPS {
                    let depth = STEP_MM * step as f32;
                    match field.sample(values, view.at(pixel, depth)) {
                        None => seen = false,
                        Some(value) if value > level => {
                            // Between this step and the last, where the level is crossed.
                            let part = if seen && value > last { (value - level) / (value - last) } else { 0.0 };
                            return (Some(depth - STEP_MM * part), !seen);
                        }
                        Some(value) => (seen, last) = (true, value),
                    }
                }
                (None, false)
            })
            .collect();
        (view.depth, view.cut) = pixels.into_iter().unzip();
        view
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

/// Share of pixels that lie within some mm of where they were.
pub(super) fn unmoved(before: &View, after: &View, pixels: &[usize], within: f32) -> f32 {
    let still = pixels
        .iter()
        .filter(|&&p| (before.depth_or_far(p) - after.depth_or_far(p)).abs() < within)
        .count();
    still as f32 / pixels.len().max(1) as f32
}

/// Correlation of the reliefs before and after over some pixels.
pub(super) fn likeness(before: &View, after: &View, pixels: &[usize]) -> f32 {
    let terms: Vec<[f64; ALL]> = pixels
        .iter()
        .map(|&p| {
            let (x, z) = View::place(p);
            relief::terms(x / (PIXEL_MM * HALF_WIDTH as f32), z / (PIXEL_MM * HALF_HEIGHT as f32))
        })
        .collect();
    let relief_of = |view: &View| {
        let mut depths: Vec<Option<f32>> = pixels.iter().map(|&p| Some(view.depth_or_far(p))).collect();
        relief::flatten(&mut depths, &terms, ALL);
        depths
    };
    relief::likeness(&relief_of(before), &relief_of(after)).0
}

/// Like [`likeness`], of features only: what is left of the depths less their mean nearby.
pub(super) fn fine(before: &View, after: &View, pixels: &[usize]) -> f32 {
    let features = |view: &View| -> Vec<Option<f32>> {
        let mut map = vec![f32::NAN; (COLUMNS * ROWS) as usize];
        for &p in pixels { map[p] = view.depth_or_far(p); }
        pixels.iter().map(|&p| {
            let (c, r) = (p as i32 % COLUMNS, p as i32 / COLUMNS);
            let (mut sum, mut n) = (0.0, 0.0);
            for y in (r - NEARBY).max(0)..=(r + NEARBY).min(ROWS - 1) { for x in (c - NEARBY).max(0)..=(c + NEARBY).min(COLUMNS - 1) {
                let d = map[(y * COLUMNS + x) as usize];
                if d.is_finite() { sum += d.clamp(map[p] - 20.0, map[p] + 20.0); n += 1.0; }
            } }
            Some((map[p] - sum / n).clamp(-8.0, 8.0))
        }).collect()
    };
    relief::likeness(&features(before), &features(after)).0
}
const NEARBY: i32 = 5;

/// Where a position is, seen from another, in mm.
pub(super) fn distance(a: Vector, b: Vector) -> f32 {
    let d = minus(a, b);
    super::space::dot(d, d).sqrt()
}
