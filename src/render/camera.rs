//! A viewer far away: rays, the surface that they meet, and its shade.

use super::View;
use crate::deface::Frame;
use crate::deface::grid::{Grid, Point, dot, unit};

const AMBIENT: f32 = 0.18;
/// Directions to the lights (image right, image down, towards the viewer) and their strengths.
const LIGHTS: [(Point, f32); 2] = [([-0.27, -0.48, 0.83], 0.6), ([0.5, -0.1, 0.86], 0.22)];
/// In a head's own frame, MNI mm: the middle of a head from chin to vertex and nose to occiput ...
const HEAD_MIDDLE: Point = [0.0, -8.0, -28.0];
/// ... the side of a square that shows all of it, and how far from the middle rays begin and end.
const HEAD_SIDE_MM: f32 = 280.0;
const HEAD_REACH_MM: f32 = 190.0;
/// Halvings of a step of a ray, after which its place on the surface is known to a hundredth of a cell.
const HALVINGS: usize = 6;

/// The surface of a value in a grid, ready to be met by rays.
pub struct Surface<'a> {
    values: &'a Grid<f32>,
    level: f32,
    /// By the lower corner of a cell: whether a corner is above the level. In all other cells nothing is.
    reached: Vec<bool>,
}

impl<'a> Surface<'a> {
    /// Where `values` rise above `level`.
    pub fn new(values: &'a Grid<f32>, level: f32) -> Self {
        let lattice = values.lattice;
        let [sx, sy, sz] = lattice.strides();
        let mut reached: Vec<bool> = values.data.iter().map(|&value| value > level).collect();
        // Along one axis after the other: a node takes over what the next one has.
        for step in [sx, sy, sz] {
            (0..reached.len() - step).for_each(|i| reached[i] |= reached[i + step]);
        }
        Surface { values, level, reached }
    }

    /// Whether the value at lattice coordinates is above the level; none is beyond the border.
    fn is_solid(&self, at: Point) -> bool {
        let lattice = &self.values.lattice;
        let inside = (0..3).all(|k| at[k] >= 0.0 && at[k] <= (lattice.size[k] - 1) as f32);
        inside
            && self.reached[lattice.index(at.map(|c| c as usize))]
            && self.values.interpolate(at) > self.level
    }
}

/// Parallel rays through the pixels of a square picture.
///
/// They run in RAS mm of the patient or, with a frame, in MNI mm of the head.
pub struct Camera {
    frame: Option<Frame>,
    target: Point,
    right: Point,
    forward: Point,
    /// From the target to where rays begin and end, mm.
    reach: f32,
    /// Side of a pixel, mm.
    pixel: f32,
    side: u32,
    /// Length of a step along a ray, mm.
    step: f32,
}

impl Camera {
    /// All of a volume, along the patient's axes.
    pub fn of_all(values: &Grid<f32>, view: View, side: u32) -> Self {
        let l = &values.lattice;
        let extent: Point = std::array::from_fn(|k| l.spacing * (l.size[k] - 1) as f32);
        let target = std::array::from_fn(|k| l.origin[k] + extent[k] / 2.0);
        let diagonal = extent.iter().map(|e| e * e).sum::<f32>().sqrt();
        let width = extent.iter().fold(0.0, |a: f32, &b| a.max(b)) * 1.05;
        Camera::at(None, target, diagonal / 2.0, width, values, view, side)
    }

    /// A head, as it would hold itself before the viewer.
    pub fn of_head(frame: Frame, values: &Grid<f32>, view: View, side: u32) -> Self {
        Camera::at(Some(frame), HEAD_MIDDLE, HEAD_REACH_MM, HEAD_SIDE_MM, values, view, side)
    }

    fn at(
        frame: Option<Frame>,
        target: Point,
        reach: f32,
        width: f32,
        values: &Grid<f32>,
        view: View,
        side: u32,
    ) -> Self {
        let yaw = view.yaw_deg().to_radians();
        Camera {
            frame,
            target,
            // RAS: facing the patient, image right is the patient's left.
            right: [-yaw.cos(), -yaw.sin(), 0.0],
            forward: [yaw.sin(), -yaw.cos(), 0.0],
            reach,
            pixel: width / side as f32,
            side,
            step: values.lattice.spacing / 2.0,
        }
    }

    /// Pixels along a side.
    pub fn side(&self) -> u32 {
        self.side
    }

    fn patient(&self, at: Point) -> Point {
        self.frame.map_or(at, |frame| frame.to_patient(at))
    }

    /// Where the ray of a pixel passes from below the surface's level to above.
    pub fn first_hit(&self, surface: &Surface<'_>, column: u32, row: u32) -> Option<Point> {
        let centre = (self.side as f32 - 1.0) / 2.0;
        let u = (column as f32 - centre) * self.pixel;
        let v = (row as f32 - centre) * self.pixel;
        let at = |t: f32| -> Point {
            let [x, y, z] =
                std::array::from_fn(|k| self.target[k] + self.right[k] * u + self.forward[k] * t);
            [x, y, z - v]
        };
        // Rays are straight in the lattice, too.
        let lattice = &surface.values.lattice;
        let [middle, next] = [0.0, 1.0].map(|t| lattice.coordinates(self.patient(at(t))));
        let solid = |t: f32| {
            surface.is_solid(std::array::from_fn(|k| middle[k] + (next[k] - middle[k]) * t))
        };
        let steps = (2.0 * self.reach / self.step) as usize;
        let first = (0..=steps).map(|i| self.step * i as f32 - self.reach).find(|&t| solid(t))?;
        let (mut outside, mut inside) = (first - self.step, first);
        for _ in 0..HALVINGS {
            let middle = (outside + inside) / 2.0;
            if solid(middle) { inside = middle } else { outside = middle }
        }
        Some(at(inside))
    }

    /// How bright the surface is at a hit.
    pub fn shade(&self, values: &Grid<f32>, at: Point) -> u8 {
        let h = values.lattice.spacing;
        let along = |k: usize| {
            let moved = |by: f32| {
                let at = std::array::from_fn(|j| if j == k { at[j] + by } else { at[j] });
                values.sample(self.patient(at))
            };
            moved(h) - moved(-h)
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
