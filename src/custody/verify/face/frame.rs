//! The verifier's own head frame: midline, front and up, from the surface before.

use super::FaceFault;
use super::body::Body;
use super::brain;
use super::cells::Levels;
use super::field::Field;
use super::mirror::{self, Mirror};
use super::search::{self, Sighting};
use super::space::{Vector, along, cross, dot, minus, unit};

/// A head is its own mirror image up to this.
const MIRROR_ERROR_MAX: f32 = 0.22;
/// A likeness from here on is a face, wherever it is seen.
pub(super) const SURE: f32 = 0.55;
/// A likeness below isn't one, even of a face that is partly in view.
const LEAST: f32 = 0.30;
/// The face from the tip of the nose down and up, mm: to chin and brow. Foreheads may keep their skin.
const CHIN_MM: f32 = -65.0;
const BROW_MM: f32 = 50.0;
const UNSURE_MM: f32 = 65.0;
/// What lies beyond this angle is the other side: cosine of 110 degrees.
const OTHER_SIDE: f32 = -0.35;
/// Views whose noses lie this near to each other, mm, and are about as good show the same face.
const SAME_NOSE_MM: f32 = 30.0;
const ALSO_GOOD: f32 = 0.15;
/// Noses stand out most from above: tangent of 15 degrees.
const VIEWED_FROM_ABOVE: f32 = 0.27;
/// The face ends this far behind the nose, mm.
const FACE_DEPTH_MM: f32 = -60.0;
/// Ears lie this far beside, behind and above the tip of the nose, mm.
const EAR_X_MIN_MM: f32 = 50.0;
const EAR_Y_MM: std::ops::Range<f32> = -145.0..-85.0;
const EAR_Z_MM: std::ops::Range<f32> = 0.0..75.0;
/// What was removed lies this near to the midline, mm; or as far beside it as the body does of which one side is
/// out of view.
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
    /// The vertex above the nose, mm, if it is in view.
    pub vertex: Option<f32>,
}

impl HeadFrame {
    /// Finds the midline, then the face on it; `removed` are cells of the body that are gone.
    pub fn find(
        field: &Field,
        body: &Body,
        removed: &[bool],
        bone: Option<&Levels>,
    ) -> Result<Self, FaceFault> {
        let gone = mean(field, (0..field.len()).filter(|&i| removed[i]));
        let plane = mirror::midline(field, body, gone);
        let plane = plane
            .filter(|p| p.error <= MIRROR_ERROR_MAX)
            .ok_or(FaceFault::NoFace { likeness: 0.0, mirror: plane.map_or(1.0, |p| p.error) })?;
        let head = mean(field, (0..field.len()).filter(|&i| body.before[i]));
        let [off, off_body] = [gone, head].map(|p| dot(p, plane.normal) - plane.offset);
        let off = if (off - off_body).abs() < off.abs() { off - off_body } else { off };
        let (gone, head) = (mirror::onto(&plane, gone), mirror::onto(&plane, head));
        let hint = unit(minus(gone, head));
        let sightings = search::around(field, &body.surface, &plane, gone);
        let sightings = Sightings { all: sightings, hint };
        let best = sightings.best();
        let none =
            FaceFault::NoFace { likeness: best.map_or(0.0, |s| s.likeness), mirror: plane.error };
        let best = best.filter(|s| s.likeness >= LEAST).ok_or(none.clone())?;
        let angle = dot(best.front, hint);
        let same_side = angle >= SAME_SIDE && off.abs() <= OFF_MIDLINE_MAX_MM;
        if !same_side {
            let degrees = angle.clamp(-1.0, 1.0).acos().to_degrees();
            return Err(FaceFault::WrongSide { degrees, off_mm: off.abs() });
        }
        if best.likeness >= SURE {
            let front = sightings.steady_front(&best, plane.normal);
            return Ok(HeadFrame::new(field, body, &plane, &best, front));
        }
        let front = unit(along(best.front, 1.0, hint));
        let top = dome(field, body, &plane, front);
        let top = top.or_else(|| towards_brain(field, body, &plane, front, bone));
        let best = match top {
            Some(up) => sightings.upright(up).ok_or(none)?,
            None => best,
        };
        let front = unit(along(best.front, 1.0, hint));
        Ok(HeadFrame::new(field, body, &plane, &best, front))
    }

    /// The frame of a sighting, seen straight from `front`.
    fn new(field: &Field, body: &Body, plane: &Mirror, seen: &Sighting, front: Vector) -> Self {
        let up = upwards(plane.normal, front, seen.up);
        let mut head = HeadFrame {
            side: plane.normal,
            front,
            up,
            nose: seen.nose,
            mirror_error: plane.error,
            likeness: seen.likeness,
            vertex: None,
        };
        let (above, _) = cuts(field, body, up);
        let heights =
            (0..field.len()).filter(|&i| body.before[i]).map(|i| head.local(field.point(i))[2]);
        let high = heights.fold(f32::NEG_INFINITY, f32::max);
        let cut_mm2 = above as f32 * field.cell * field.cell;
        head.vertex = (cut_mm2 <= CAP_MAX_MM2)
            .then(|| high + cut_mm2 / (std::f32::consts::TAU * VERTEX_RADIUS_MM));
        head
    }

    /// Beside, before and above the nose, mm.
    pub fn local(&self, at: Vector) -> Vector {
        let from = minus(at, self.nose);
        [dot(from, self.side), dot(from, self.front), dot(from, self.up)]
    }

    /// Whether a place in the head's own frame is where ears are.
    pub fn is_ear([x, y, z]: Vector) -> bool {
        x.abs() > EAR_X_MIN_MM && EAR_Y_MM.contains(&y) && EAR_Z_MM.contains(&z)
    }

    /// Whether the face itself was recognised.
    pub fn is_sure(&self) -> bool {
        self.likeness >= SURE
    }

    /// The heights of the face above the nose: chin to brow.
    fn heights(&self) -> (f32, f32) {
        match self.vertex {
            None if !self.is_sure() => (-UNSURE_MM, UNSURE_MM),
            _ => (CHIN_MM, BROW_MM),
        }
    }

    /// Whether a place in the head's own frame belongs to the face, which ends `side` mm beside the midline.
    pub fn is_face(&self, [x, y, z]: Vector, side: f32) -> bool {
        let (chin, brow) = self.heights();
        x.abs() < side && y > FACE_DEPTH_MM && z > chin && z < brow
    }
}

/// Upwards in the midline, at right angles to a front, on the side of `about`.
fn upwards(normal: Vector, front: Vector, about: Vector) -> Vector {
    let up = cross(normal, front);
    if dot(up, about) < 0.0 { up.map(|c| -c) } else { up }
}

/// All views round the midline, and the way from the middle of the head to that of what was removed.
struct Sightings {
    all: Vec<Sighting>,
    hint: Vector,
}

impl Sightings {
    fn best_of(&self, keep: impl Fn(&Sighting) -> bool) -> Option<Sighting> {
        let seen = self.all.iter().filter(|s| s.has_relief_of_a_face() && keep(s));
        seen.max_by(|a, b| a.likeness.total_cmp(&b.likeness)).copied()
    }

    /// The face, wherever it is. Part of one is no match for cut edges anywhere, but it must be for all that is
    /// on the other side of the head.
    fn best(&self) -> Option<Sighting> {
        let best = self.best_of(|_| true)?;
        if best.likeness >= SURE {
            return Some(best);
        }
        let near = self.best_of(|s| dot(s.front, self.hint) >= SAME_SIDE);
        let far = self.best_of(|s| dot(s.front, self.hint) < OTHER_SIDE);
        match (near, far) {
            (Some(near), Some(far)) if near.likeness < far.likeness => Some(far),
            (None, far) => far,
            (near, _) => near,
        }
    }

    /// The best of those near what was removed that are this way up.
    fn upright(&self, up: Vector) -> Option<Sighting> {
        self.best_of(|s| dot(s.up, up) > 0.0 && dot(s.front, self.hint) >= SAME_SIDE)
    }

    /// The best view is a flat optimum; the middle of the good ones is steady, and a little too high.
    fn steady_front(&self, best: &Sighting, normal: Vector) -> Vector {
        let good = self.all.iter().filter(|s| {
            let apart = minus(s.nose, best.nose);
            s.has_relief_of_a_face()
                && dot(apart, apart).sqrt() < SAME_NOSE_MM
                && dot(s.up, best.up) > 0.0
                && s.likeness > best.likeness - ALSO_GOOD
        });
        let weighed = |s: &Sighting| s.likeness - best.likeness + ALSO_GOOD;
        let middle = unit(good.fold([0.0; 3], |sum, s| along(sum, weighed(s), s.front)));
        unit(along(middle, -VIEWED_FROM_ABOVE, upwards(normal, middle, best.up)))
    }
}

/// Which way along the midline the brain lies, in CT; `None` if bone encloses none.
fn towards_brain(
    field: &Field,
    body: &Body,
    plane: &Mirror,
    front: Vector,
    levels: Option<&Levels>,
) -> Option<Vector> {
    let levels = levels?;
    let deep = brain::enclosed(field, body, levels);
    let cells = || (0..field.len()).filter(|&i| deep[i]);
    if cells().count() < BRAIN_CELLS_MIN {
        return None;
    }
    let up = cross(plane.normal, front);
    let middle = mean(field, cells());
    let body_middle = mean(field, (0..field.len()).filter(|&i| body.before[i]));
    let sign = if dot(minus(middle, body_middle), up) < 0.0 { -1.0 } else { 1.0 };
    Some(up.map(|c| c * sign))
}
/// Fewer cells are no brain.
const BRAIN_CELLS_MIN: usize = 500;

/// Which way along the midline the body ends by itself, where the field of view cuts through its other end;
/// `None` if both ends are cut, or none.
fn dome(field: &Field, body: &Body, plane: &Mirror, front: Vector) -> Option<Vector> {
    let up = cross(plane.normal, front);
    let (above, below) = cuts(field, body, up);
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

/// Cells of the body at borders of the field of view that lie across a direction: at its upper and its lower end.
fn cuts(field: &Field, body: &Body, up: Vector) -> (usize, usize) {
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
    (above, below)
}
/// Borders of the field of view that lie across the long axis: cosine of 45 degrees.
const CUT_ACROSS: f32 = 0.7;
/// Fewer cells are no cut through a neck or a face.
const CUT_CELLS_MIN: usize = 300;
/// Where less than this is cut off, the vertex is told from the rest, by the height of a cap of a sphere.
const CAP_MAX_MM2: f32 = 9000.0;
const VERTEX_RADIUS_MM: f32 = 75.0;
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
