//! Where a face is: the midline plane is walked round, and each view is held against the drawn face.

use super::drawn;
use super::field::Field;
use super::mirror::{Mirror, beside, onto};
use super::relief::{self, ALL, EVEN};
use super::space::{Vector, along, cross, dot, minus};
use rayon::prelude::*;

/// Views round the midline.
const VIEWS: usize = 72;
/// Pixels of the views, mm.
const PIXEL_MM: f32 = 4.0;
/// Half the width of a view in pixels, and half its height.
const HALF_WIDTH: i32 = 13;
const HALF_HEIGHT: i32 = 48;
/// The window of the drawn face, in pixels above and below the tip of the nose.
const ABOVE: i32 = 19;
const BELOW: i32 = 16;
const COLUMNS: usize = 2 * HALF_WIDTH as usize + 1;
const ROWS: usize = (ABOVE + BELOW + 1) as usize;
/// What lies deeper than this behind the foremost point belongs to no face, mm.
const DEEPEST_MM: f32 = 90.0;
/// A view shows a face if at least this share of its window has a surface.
const SHOWN_MIN: f32 = 0.45;

/// A view that may show a face.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    /// Towards the viewer, and to the top of the head.
    pub front: Vector,
    pub up: Vector,
    /// The tip of the nose, or where it would be, mm of the field.
    pub nose: Vector,
    /// Correlation with the drawn face, times the root of the share of its window that is seen.
    pub likeness: f32,
    /// Relief as a share of the drawn face's.
    pub amount: f32,
}

/// Relief of real faces as a share of the drawn one's. (Measured in 19 heads: 0.55 to 1.52; edges of cuts have 1.8
/// and more.)
const AMOUNT: std::ops::RangeInclusive<f32> = 0.35..=1.8;

impl Sighting {
    /// Whether it is as deep as faces are: edges of cuts are deeper.
    pub fn has_relief_of_a_face(&self) -> bool {
        AMOUNT.contains(&self.amount)
    }
}

/// The best sighting of every view round a plane from which one looks, of either way up.
pub(super) fn around(
    field: &Field,
    surface: &[usize],
    mirror: &Mirror,
    middle: Vector,
    from: impl Fn(Vector) -> bool,
) -> Vec<Sighting> {
    let (a, b) = beside(mirror.normal);
    let centre = onto(mirror, middle);
    let points: Vec<Vector> = surface.iter().map(|&i| minus(field.point(i), centre)).collect();
    let face = Drawn::new();
    let fronts = (0..VIEWS).map(|view| {
        let (sin, cos) = (std::f32::consts::TAU * view as f32 / VIEWS as f32).sin_cos();
        along(a.map(|c| c * cos), sin, b)
    });
    fronts
        .filter(|&front| from(front))
        .collect::<Vec<_>>()
        .into_par_iter()
        .flat_map_iter(|front| {
            let up = cross(mirror.normal, front);
            let map = Map::of(&points, mirror.normal, front, up);
            [false, true].map(|flipped| {
                let best = map.best(&face, flipped);
                let sign = if flipped { -1.0 } else { 1.0 };
                let up = up.map(|c| c * sign);
                let nose = along(along(centre, PIXEL_MM * best.row as f32, up), best.depth, front);
                Sighting { front, up, nose, likeness: best.likeness, amount: best.amount }
            })
        })
        .collect()
}

/// The drawn face as a relief.
struct Drawn {
    heights: Vec<Option<f32>>,
    terms: Vec<[f64; ALL]>,
}

impl Drawn {
    fn new() -> Self {
        let mut heights = Vec::with_capacity(ROWS * COLUMNS);
        let mut terms = Vec::with_capacity(ROWS * COLUMNS);
        for row in -BELOW..=ABOVE {
            for column in -HALF_WIDTH..=HALF_WIDTH {
                let (x, z) = (PIXEL_MM * column as f32, PIXEL_MM * row as f32);
                heights.push(Some(drawn::height(x, z)));
                terms.push(relief::terms(
                    column as f32 / HALF_WIDTH as f32,
                    row as f32 / ABOVE as f32,
                ));
            }
        }
        Drawn { heights, terms }
    }
}

/// What is nearest to the viewer in each pixel; heights in mm.
struct Map {
    heights: Vec<f32>,
}

#[derive(Clone, Copy, Default)]
struct Best {
    row: i32,
    depth: f32,
    likeness: f32,
    amount: f32,
}

impl Best {
    fn or(self, other: Best) -> Best {
        if other.likeness > self.likeness { other } else { self }
    }
}

impl Map {
    fn of(points: &[Vector], normal: Vector, front: Vector, up: Vector) -> Self {
        let rows = 2 * HALF_HEIGHT + 1;
        let mut heights = vec![f32::NEG_INFINITY; COLUMNS * rows as usize];
        for &p in points {
            let (x, z, d) = (dot(p, normal) / PIXEL_MM, dot(p, up) / PIXEL_MM, dot(p, front));
            let (column, row) = (x.floor() as i32, z.floor() as i32);
            for (c, r) in
                [(column, row), (column + 1, row), (column, row + 1), (column + 1, row + 1)]
            {
                if c.abs() <= HALF_WIDTH && r.abs() <= HALF_HEIGHT {
                    let pixel = (r + HALF_HEIGHT) as usize * COLUMNS + (c + HALF_WIDTH) as usize;
                    heights[pixel] = heights[pixel].max(d);
                }
            }
        }
        Map { heights }
    }

    fn at(&self, column: i32, row: i32) -> f32 {
        if row.abs() > HALF_HEIGHT {
            return f32::NEG_INFINITY;
        }
        self.heights[(row + HALF_HEIGHT) as usize * COLUMNS + (column + HALF_WIDTH) as usize]
    }

    fn best(&self, face: &Drawn, flipped: bool) -> Best {
        // Every second row, then the rows beside the best.
        let coarse =
            (-HALF_HEIGHT..=HALF_HEIGHT).step_by(2).map(|row| self.at_row(face, flipped, row));
        let best = coarse.fold(Best::default(), Best::or);
        [best.row - 1, best.row + 1]
            .map(|row| self.at_row(face, flipped, row))
            .into_iter()
            .fold(best, Best::or)
    }

    /// The drawn face with the tip of its nose in a row of the map.
    fn at_row(&self, face: &Drawn, flipped: bool, row: i32) -> Best {
        let sign = if flipped { -1 } else { 1 };
        let mut window: Vec<Option<f32>> = Vec::with_capacity(ROWS * COLUMNS);
        let mut foremost = f32::NEG_INFINITY;
        for r in -BELOW..=ABOVE {
            for c in -HALF_WIDTH..=HALF_WIDTH {
                let height = self.at(c, sign * (row + r));
                foremost = foremost.max(height);
                window.push(height.is_finite().then_some(height));
            }
        }
        for pixel in &mut window {
            *pixel = pixel.filter(|&h| h > foremost - DEEPEST_MM);
        }
        let shown = window.iter().flatten().count() as f32 / window.len() as f32;
        if shown < SHOWN_MIN {
            return Best::default();
        }
        let mut drawn: Vec<Option<f32>> =
            face.heights.iter().zip(&window).map(|(d, w)| w.and(*d)).collect();
        relief::flatten([&mut window, &mut drawn], &face.terms, EVEN);
        let (correlation, amount) = relief::likeness(&window, &drawn);
        let depth = self.at(0, sign * row);
        let depth = if depth.is_finite() { depth } else { foremost };
        Best { row, depth, likeness: correlation * shown.sqrt(), amount }
    }
}
