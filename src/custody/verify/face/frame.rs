//! The verifier's own head frame: midline, front and up, from the surface before.

use super::body::Body;
use super::field::Field;
use super::mirror::{self, Mirror};
use super::search::{self, Sighting};
use super::space::{Vector, along, cross, dot, minus, unit};
use super::FaceFault;

/// A head is its own mirror image up to this.
const MIRROR_ERROR_MAX: f32 = 0.22;
/// A likeness from here on is a face, wherever it is seen.
pub(super) const SURE: f32 = 0.55;
/// A likeness below isn't one, even of a face that is partly in view.
const LEAST: f32 = 0.30;
/// Relief of real faces as a share of the drawn one's.
const AMOUNT: std::ops::RangeInclusive<f32> = 0.35..=2.2;
/// What was removed lies this near to the midline, mm.
const OFF_MIDLINE_MAX_MM: f32 = 20.0;
/// The face lies within this angle of the middle of what was removed, seen from the head's: cosine of 75 degrees.
const SAME_SIDE: f32 = 0.25;

/// A head. Positions in mm of the field.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadFrame {
    /// Unit vectors to one side, to the front, to the top of the head.
    pub side: Vector,
    pub front: Vector,
    pub up: Vector,
    /// On the midline, where the face is foremost: near the tip of the nose.
    pub nose: Vector,
    pub mirror_error: f32,
    pub likeness: f32,
}

impl HeadFrame {
    /// Finds the midline, then the face on it; `removed` are cells of the body that are gone.
    pub fn find(field: &Field, body: &Body, removed: &[usize]) -> Result<Self, FaceFault> {
        let plane = mirror::mirrors(field, body).into_iter().next();
        let plane = plane.filter(|p| p.error <= MIRROR_ERROR_MAX).ok_or(FaceFault::NoFace {
            likeness: 0.0,
            mirror: plane.map_or(1.0, |p| p.error),
        })?;
        let gone = mean(field, removed.iter().copied());
        let head = mean(field, (0..field.len()).filter(|&i| body.before[i]));
        let off = dot(gone, plane.normal) - plane.offset;
        let (gone, head) = (mirror::onto(&plane, gone), mirror::onto(&plane, head));
        let hint = unit(minus(gone, head));
        let sightings = search::around(field, &body.surface, &plane, gone);
        let seen = || sightings.iter().filter(|s| AMOUNT.contains(&s.amount));
        let best_of = |keep: &dyn Fn(&Sighting) -> bool| {
            seen().filter(|s| keep(s)).max_by(|a, b| a.likeness.total_cmp(&b.likeness)).copied()
        };
        let best = best_of(&|_| true);
        let none = FaceFault::NoFace { likeness: best.map_or(0.0, |s| s.likeness), mirror: plane.error };
        let Some(mut best) = best.filter(|s| s.likeness >= LEAST) else { return Err(none) };
        let angle = dot(best.front, hint);
        if !(angle >= SAME_SIDE && off.abs() <= OFF_MIDLINE_MAX_MM) {
            return Err(FaceFault::WrongSide { degrees: angle.clamp(-1.0, 1.0).acos().to_degrees() });
        }
        if best.likeness < SURE
            && let Some(up) = dome(field, body, &plane, unit(along(best.front, 1.0, hint)))
        {
            let right = best_of(&|s| dot(s.up, up) > 0.0 && dot(s.front, hint) >= SAME_SIDE);
            let Some(right) = right else { return Err(none) };
            best = right;
        }
        let front = unit(along(best.front, 1.0, hint));
        let up = cross(plane.normal, front);
        let up = if dot(up, best.up) < 0.0 { up.map(|c| -c) } else { up };
        Ok(HeadFrame { side: plane.normal, front, up, nose: best.nose, mirror_error: plane.error, likeness: best.likeness })
    }

    /// Beside, before and above the nose, mm.
    pub fn local(&self, at: Vector) -> Vector {
        let from = minus(at, self.nose);
        [dot(from, self.side), dot(from, self.front), dot(from, self.up)]
    }

    pub fn is_sure(&self) -> bool {
        self.likeness >= SURE
    }
}

/// Which way along the midline the body ends by itself, where the field of view cuts through its other end;
/// `None` if both ends are cut, or none.
fn dome(field: &Field, body: &Body, plane: &Mirror, front: Vector) -> Option<Vector> {
    let up = cross(plane.normal, front);
    let middle = mean(field, (0..field.len()).filter(|&i| body.before[i]));
    let (mut above, mut below) = (0usize, 0usize);
    for cell in (0..field.len()).filter(|&i| body.before[i]) {
        let height = dot(minus(field.point(cell), middle), up);
        for (side, beside) in field.beside(cell).into_iter().enumerate() {
            let outwards = up[side / 2] * if side % 2 == 0 { -1.0 } else { 1.0 } * height.signum();
            if outwards > CUT_ACROSS && beside.is_none_or(|n| !field.inside[n]) {
                if height > 0.0 { above += 1 } else { below += 1 }
            }
        }
    }
    println!("  cut above {above} below {below}");
    if above.max(below) < CUT_CELLS_MIN {
        None
    } else if (above as f32) < DOME_SHARE * below as f32 {
        Some(up)
    } else if (below as f32) < DOME_SHARE * above as f32 {
        Some(up.map(|c| -c))
    } else {
        None
    }
}
/// Borders of the field of view that lie across the long axis: cosine of 45 degrees.
const CUT_ACROSS: f32 = 0.7;
/// Fewer cells are no cut through a neck or a face.
const CUT_CELLS_MIN: usize = 300;
/// The end that isn't cut has less than this of the other's cut cells.
const DOME_SHARE: f32 = 0.5;

pub(super) fn mean(field: &Field, cells: impl Iterator<Item = usize>) -> Vector {
    let mut sum = [0.0f64; 3];
    let mut count = 0.0;
    for cell in cells {
        let p = field.point(cell);
        sum = std::array::from_fn(|a| sum[a] + f64::from(p[a]));
        count += 1.0;
    }
    sum.map(|s| (s / f64::max(count, 1.0)) as f32)
}
