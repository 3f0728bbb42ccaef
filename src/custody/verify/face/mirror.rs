//! Planes about which a body is its own mirror image: the head's midline is one of them.

use super::body::Body;
use super::field::Field;
use super::space::{Vector, along, dot, minus, unit};
use rayon::prelude::*;

/// A plane: points p with normal . p = offset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mirror {
    pub normal: Vector,
    pub offset: f32,
    /// How far the body is from its own mirror image: 0 is the same, 1 unlike.
    pub error: f32,
}

impl Mirror {
    fn image(&self, p: Vector) -> Vector {
        along(p, -2.0 * (dot(p, self.normal) - self.offset), self.normal)
    }
}

/// Points on the surface that are mirrored at first, and when it is about degrees.
const COARSE_POINTS: usize = 700;
const FINE_POINTS: usize = 2500;
/// Normals lie about this far apart, rad.
const NORMAL_STEP: f32 = 0.11;
/// Offsets from the middle of what was removed: whatever is taken of a face, it is taken on both sides.
const OFFSETS: std::ops::RangeInclusive<i32> = -4..=4;
const OFFSET_STEP_MM: f32 = 4.0;
/// So many planes are tried further, with normals at least this far apart (cosine): about degrees decide.
const PLANES: usize = 4;
const APART: f32 = 0.94;
/// At most so many steps of each size.
const ROUNDS: usize = 8;
/// The body is blurred over about this many cells, so that nearly the same is nearly right.
const BLUR: [usize; 3] = [2, 2, 1];
/// Share of points whose mirror image must be in view.
const IN_VIEW_MIN: f32 = 0.5;

/// The best plane near a point; `None` for a body without a surface.
pub(super) fn midline(field: &Field, body: &Body, near: Vector) -> Option<Mirror> {
    let soft = blurred(field, &body.open);
    let coarse = thinned(field, &soft, &body.surface, COARSE_POINTS);
    let fine = thinned(field, &soft, &body.surface, FINE_POINTS);
    if coarse.is_empty() {
        return None;
    }
    let middle: Vector = std::array::from_fn(|a| {
        coarse.iter().map(|(p, _)| p[a]).sum::<f32>() / coarse.len() as f32
    });
    let error = |points: &[(Vector, f32)], normal, offset| Mirror {
        normal,
        offset,
        error: asymmetry(field, &soft, points, Mirror { normal, offset, error: 0.0 }),
    };
    let mut tried: Vec<Mirror> = normals()
        .into_par_iter()
        .map(|normal| {
            OFFSETS
                .map(|n| error(&coarse, normal, dot(normal, near) + OFFSET_STEP_MM * n as f32))
                .fold(Mirror { normal, offset: 0.0, error: f32::INFINITY }, better)
        })
        .collect();
    tried.sort_by(|a, b| a.error.total_cmp(&b.error));
    let mut best: Vec<Mirror> = Vec::new();
    for plane in tried {
        if best.len() < PLANES && best.iter().all(|b| dot(b.normal, plane.normal).abs() < APART) {
            best.push(plane);
        }
    }
    let refine = |plane| refined(plane, middle, |normal, offset| error(&fine, normal, offset));
    best.into_par_iter().map(refine).collect::<Vec<_>>().into_iter().reduce(better)
}

fn better(a: Mirror, b: Mirror) -> Mirror {
    if b.error < a.error { b } else { a }
}

/// Smaller and smaller steps of two angles and the offset.
fn refined(start: Mirror, middle: Vector, error: impl Fn(Vector, f32) -> Mirror) -> Mirror {
    let mut best = error(start.normal, start.offset);
    for (angle, shift) in [(0.06, 3.0), (0.03, 1.5), (0.015, 0.75)] {
        for _ in 0..ROUNDS {
            let before = best.error;
            let (a, b) = beside(best.normal);
            // Tilts turn the plane about the point of it next to the middle.
            let near = along(middle, best.offset - dot(middle, best.normal), best.normal);
            for (tilt, sign) in [(a, 1.0), (a, -1.0), (b, 1.0), (b, -1.0)] {
                let normal = unit(along(best.normal, sign * angle, tilt));
                best = better(best, error(normal, dot(normal, near)));
            }
            for sign in [1.0, -1.0] {
                best = better(best, error(best.normal, best.offset + sign * shift));
            }
            if best.error >= before {
                break;
            }
        }
    }
    best
}

/// Two unit vectors at right angles to a third.
pub(super) fn beside(normal: Vector) -> (Vector, Vector) {
    let least = (0..3).min_by(|&a, &b| normal[a].abs().total_cmp(&normal[b].abs())).unwrap_or(0);
    let mut axis = [0.0; 3];
    axis[least] = 1.0;
    let a = unit(super::space::cross(normal, axis));
    (a, super::space::cross(normal, a))
}

/// Mean difference between surface and its mirror image's place in the blurred body.
fn asymmetry(field: &Field, soft: &[f32], points: &[(Vector, f32)], plane: Mirror) -> f32 {
    let (mut sum, mut seen) = (0.0, 0);
    for &(p, here) in points {
        if let Some(there) = field.cell_at(plane.image(p)).filter(|&i| field.inside[i]) {
            sum += (soft[there] - here).abs();
            seen += 1;
        }
    }
    if (seen as f32) < IN_VIEW_MIN * points.len() as f32 {
        f32::INFINITY
    } else {
        2.0 * sum / seen as f32
    }
}

/// A hemisphere of directions: a Fibonacci lattice, the same every time.
fn normals() -> Vec<Vector> {
    let count = (std::f32::consts::TAU / (NORMAL_STEP * NORMAL_STEP)) as usize;
    let golden = std::f32::consts::PI * (3.0 - 5f32.sqrt());
    (0..count)
        .map(|n| {
            let z = 1.0 - (n as f32 + 0.5) / count as f32;
            let (sin, cos) = (golden * n as f32).sin_cos();
            let r = (1.0 - z * z).sqrt();
            [r * cos, r * sin, z]
        })
        .collect()
}

/// Points of the surface with the blurred body there.
fn thinned(field: &Field, soft: &[f32], surface: &[usize], wanted: usize) -> Vec<(Vector, f32)> {
    let step = (surface.len() / wanted).max(1);
    surface.iter().step_by(step).map(|&i| (field.point(i), soft[i])).collect()
}

/// 1 in the body and its cavities, 0 in open air, blurred by boxes.
fn blurred(field: &Field, open: &[bool]) -> Vec<f32> {
    let [nx, ny, nz] = field.size;
    let mut values: Vec<f32> = open.iter().map(|&o| if o { 0.0 } else { 1.0 }).collect();
    for radius in BLUR {
        for (step, n) in [(1, nx), (nx, ny), (nx * ny, nz)] {
            values = (0..values.len())
                .into_par_iter()
                .map(|i| {
                    let at = i / step % n;
                    let (low, high) = (at.saturating_sub(radius), (at + radius).min(n - 1));
                    let sum: f32 = (low..=high).map(|k| values[i + k * step - at * step]).sum();
                    sum / (high - low + 1) as f32
                })
                .collect();
        }
    }
    values
}

/// The point of a plane next to another.
pub(super) fn onto(plane: &Mirror, p: Vector) -> Vector {
    minus(p, plane.normal.map(|c| c * (dot(p, plane.normal) - plane.offset)))
}

/// What of a direction lies within a plane.
pub(super) fn within(plane: &Mirror, way: Vector) -> Vector {
    along(way, -dot(way, plane.normal), plane.normal)
}
