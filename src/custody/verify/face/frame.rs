//! The verifier's own head frame: midline, front and up, from the surface before.

use super::FaceFault;
use super::body::Body;
use super::brain;
use super::cells::Levels;
use super::cuts;
use super::field::Field;
use super::hollow;
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
/// The hollows of a head lie this way, too: cosine of 60 degrees. (Measured in 19 heads: within 42.)
const HOLLOW_SIDE: f32 = 0.5;
/// Hollows this far above or below the middle of the head tell which way up it is, mm.
const HOLLOW_HEIGHT_MM: f32 = 10.0;
/// A face is this way up if its top lies within this angle, cosine of 60 degrees; of 37 where the field of view, along
/// which heads lie, tells it.
const UPRIGHT: f32 = 0.5;
const UPRIGHT_IN_VIEW: f32 = 0.8;
/// What is cut off more along the way to the face than across it is a nose, not a neck: cosine of 37 degrees.
const ALONG_MAX: f32 = 0.8;
/// The tip of the nose lies at most this far from the middle of what was removed, mm. (Measured in 19 heads: 97.)
const NOSE_MAX_MM: f32 = 120.0;
/// Fewer cells are no brain.
const BRAIN_CELLS_MIN: usize = 500;
/// Where less than this is cut off, the vertex is told from the rest, by the height of a cap of a sphere.
const CAP_MAX_MM2: f32 = 9000.0;
const VERTEX_RADIUS_MM: f32 = 75.0;

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
    /// Whether it is known which way up the head is.
    upright: bool,
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
        let gone = field.middle((0..field.len()).filter(|&i| removed[i]));
        let plane = mirror::midline(field, body, gone);
        let plane = plane
            .filter(|p| p.error <= MIRROR_ERROR_MAX)
            .ok_or(FaceFault::NoFace { likeness: 0.0, mirror: plane.map_or(1.0, |p| p.error) })?;
        let [off, off_body] = [gone, body.middle].map(|p| dot(p, plane.normal) - plane.offset);
        let off = if (off - off_body).abs() < off.abs() { off - off_body } else { off };
        let (gone, head) = (mirror::onto(&plane, gone), mirror::onto(&plane, body.middle));
        let hint = unit(minus(gone, head));
        let all = search::around(field, &body.surface, &plane, gone, |_| true);
        let mut sightings = Sightings { all, gone, hint, hollow: None };
        let sure = sightings.best_of(|s| s.likeness >= SURE);
        let best = sure.or_else(|| {
            let hollow = hollow::direction(field, body);
            sightings.hollow = hollow.map(|way| mirror::within(&plane, way));
            sightings.best_of_part()
        });
        let none =
            FaceFault::NoFace { likeness: best.map_or(0.0, |s| s.likeness), mirror: plane.error };
        let best = best.filter(|s| s.likeness >= LEAST).ok_or(none.clone())?;
        let angle = dot(best.front, hint);
        let same_side = angle >= SAME_SIDE && off.abs() <= OFF_MIDLINE_MAX_MM;
        if !same_side {
            let degrees = angle.clamp(-1.0, 1.0).acos().to_degrees();
            return Err(FaceFault::WrongSide { degrees, off_mm: off.abs() });
        }
        if sure.is_some() {
            let front = sightings.steady_front(&best, plane.normal);
            return Ok(HeadFrame::new(field, body, &plane, &best, front, true));
        }
        HeadFrame::of_part(field, body, &plane, &sightings, best, bone).ok_or(none)
    }

    /// The frame of a face that is too little in view to say by itself which way up it is; `None` if it is nowhere seen
    /// the way up that all else says.
    fn of_part(
        field: &Field,
        body: &Body,
        plane: &Mirror,
        sightings: &Sightings,
        best: Sighting,
        bone: Option<&Levels>,
    ) -> Option<Self> {
        let hint = sightings.hint;
        let up = cuts::away(field, body, plane).filter(|&up| dot(up, hint).abs() <= ALONG_MAX);
        if let Some(up) = up {
            let best = sightings.upright(up, UPRIGHT_IN_VIEW)?;
            let front = unit(along(best.front, 1.0, upwards(plane.normal, up, hint)));
            return Some(HeadFrame::new(field, body, plane, &best, front, true));
        }
        let between = |seen: &Sighting| unit(along(seen.front, 1.0, hint));
        let up = cross(plane.normal, between(&best));
        let top = towards_brain(field, body, up, bone);
        let top = top.or_else(|| off_hollows(sightings.hollow?, up));
        let seen = top.map_or(Some(best), |up| sightings.upright(up, UPRIGHT))?;
        Some(HeadFrame::new(field, body, plane, &seen, between(&seen), top.is_some()))
    }

    /// The frame of a sighting, seen straight from `front`; `upright` says that it is known to be this way up.
    fn new(
        field: &Field,
        body: &Body,
        plane: &Mirror,
        seen: &Sighting,
        front: Vector,
        upright: bool,
    ) -> Self {
        let up = upwards(plane.normal, front, seen.up);
        let mut head = HeadFrame {
            side: plane.normal,
            front,
            up,
            nose: seen.nose,
            mirror_error: plane.error,
            likeness: seen.likeness,
            upright,
            vertex: None,
        };
        let above = cuts::above(field, body, up);
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
            None if !self.upright => (-UNSURE_MM, UNSURE_MM),
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

/// All views round the midline, and what else says where the face is.
struct Sightings {
    all: Vec<Sighting>,
    /// The middle of what was removed, on the midline.
    gone: Vector,
    /// The way there from the middle of the head.
    hint: Vector,
    /// The way to where the head is hollow, mm; looked for only if the face isn't sure.
    hollow: Option<Vector>,
}

impl Sightings {
    fn best_of(&self, keep: impl Fn(&Sighting) -> bool) -> Option<Sighting> {
        let seen = self.all.iter().filter(|s| s.has_relief_of_a_face() && keep(s));
        seen.max_by(|a, b| a.likeness.total_cmp(&b.likeness)).copied()
    }

    /// A face that isn't sure. Part of one is no match for cut edges anywhere: it must be where the head is hollow, or
    /// else match better than all that is on the other side of the head.
    fn best_of_part(&self) -> Option<Sighting> {
        let near = self.best_of(|s| self.is_near(s));
        let far = self.best_of(|s| dot(s.front, self.hint) < OTHER_SIDE);
        let is_hollow = self.hollow.is_some_and(|way| dot(unit(way), self.hint) >= HOLLOW_SIDE);
        match (near, far) {
            (Some(near), Some(far)) if near.likeness < far.likeness && !is_hollow => Some(far),
            (None, far) => far,
            (near, _) => near,
        }
    }

    /// Whether what was removed is what a sighting takes for a face: on the same side, and behind its nose.
    fn is_near(&self, seen: &Sighting) -> bool {
        let nose = minus(seen.nose, self.gone);
        dot(seen.front, self.hint) >= SAME_SIDE
            && dot(nose, seen.front) > 0.0
            && dot(nose, nose).sqrt() <= NOSE_MAX_MM
    }

    /// The best of those near what was removed whose top is this way, within an angle of that cosine.
    fn upright(&self, up: Vector, within: f32) -> Option<Sighting> {
        self.best_of(|s| dot(s.up, up) > within && self.is_near(s))
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

/// A direction or its opposite, whichever leads to the brain, in CT; `None` if bone encloses none.
fn towards_brain(
    field: &Field,
    body: &Body,
    up: Vector,
    levels: Option<&Levels>,
) -> Option<Vector> {
    let deep = brain::enclosed(field, body, levels?);
    let cells = || (0..field.len()).filter(|&i| deep[i]);
    if cells().count() < BRAIN_CELLS_MIN {
        return None;
    }
    let way = minus(field.middle(cells()), body.middle);
    Some(up.map(|c| c * dot(way, up).signum()))
}

/// A direction or its opposite, whichever leads away from the hollows; `None` if they are neither above nor below.
fn off_hollows(hollow: Vector, up: Vector) -> Option<Vector> {
    let height = dot(hollow, up);
    (height.abs() >= HOLLOW_HEIGHT_MM).then(|| up.map(|c| c * -height.signum()))
}
