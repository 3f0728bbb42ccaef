//! What was measured of a volume, the limits, and the verdict.

use super::body::{self, Body};
use super::brain;
use super::cells::Levels;
use super::field::Field;
use super::frame::{HeadFrame, SURE};
use super::mirror::Mirror;
use super::search;
use super::skin::Skin;
use super::space::dot;
use super::views::{Change, EARS, FRONTAL, Scene, View};
use super::{FaceFault, Scale};

/// The surface of bone, HU.
const BONE_HU: f64 = 250.0;
/// Beside the midline skin and bone are compared this far, mm.
const FACE_SIDE_MM: f32 = 60.0;
const BONE_SIDE_MM: f32 = 50.0;
/// Fewer pixels are no view of a face.
const PIXELS_MIN: usize = 100;
/// No brow lies higher than this below the vertex, mm.
const VERTEX_TO_BROW_MM: f32 = 95.0;
/// Fewer pixels of an ear are none: it lies flat, or out of view.
const EAR_PIXELS_MIN: usize = 20;

/// What a face that is gone may look like.
struct Limits {
    /// Share of facial skin still there.
    skin: f32,
    /// Share of a view that is where it was.
    unmoved: f32,
    /// Shares and correlations of the middle view: half of the views have less.
    together: f32,
    features: f32,
    /// Correlation in the view that is most alike.
    likeness: f32,
    /// The last three together: a deep peel has something of each.
    sum: f32,
}

/// A face in view. Honest outputs have 0.04, 0.01, 0.25, 0.25, 0.3 at most, peels of 8 to 14 mm 0.3 and more. (Sums,
/// measured in 19 heads and 67 slabs of them: 0.18 to 0.83; peels of 16 to 25 mm have 0.85 and more.)
const FACE: Limits =
    Limits { skin: 0.08, unmoved: 0.03, together: 0.33, features: 0.33, likeness: 0.55, sum: 0.84 };
/// Only forehead and brow in view, whose surface is much like the brain's below.
const BROW: Limits =
    Limits { skin: 0.30, unmoved: 0.10, together: 1.0, features: 1.0, likeness: 1.0, sum: 3.0 };
/// The surface of bone, where the defacer takes it.
const BONE: Limits =
    Limits { skin: 1.0, unmoved: 0.25, together: 0.40, features: 0.38, likeness: 0.60, sum: 3.0 };
/// Share of facial skin left untouched where bone may stay.
const SOFT_MAX: f32 = 0.08;
/// Share of what stands out of an ear that is where it was.
const EAR_MAX: f32 = 0.60;
/// A cell at the border of what is surely brain holds some of what is not: its larger part must have changed.
const CHANGED_MIN: f32 = 0.5;
/// Share of the body in view that is removed, and of this in one piece.
const REMOVED: std::ops::RangeInclusive<f32> = 0.05..=0.45;
const REMOVED_WITHOUT_BONE_MIN: f32 = 0.015;
const CONNECTED_MIN: f32 = 0.85;

/// Figures of one volume.
#[derive(Debug, Clone)]
pub(super) struct Findings {
    /// More than forehead and brow is in view.
    face_in_view: bool,
    skin: Skin,
    views: Vec<Change>,
    /// Empty in MR.
    bone: Vec<Change>,
    ears: Vec<Change>,
    /// The best likeness to a face in any view after.
    face_after: f32,
    brain_cells: usize,
    brain_changed: usize,
    removed: f32,
    connected: f32,
}

impl Findings {
    pub fn measure(
        field: &Field,
        body: &Body,
        head: &HeadFrame,
        removed: &[bool],
        scale: Scale,
        levels: &Levels,
    ) -> Self {
        let scenes = |level| [&field.before, &field.after].map(|v| Scene::new(field, v, level));
        let looks = |scenes: &[Scene<'_>; 2], side: f32| -> Vec<Change> {
            let face = |before: &View| before.showing(head, |at| head.is_face(at, side));
            FRONTAL.iter().map(|&from| change(scenes, head, from, face)).collect()
        };
        let skin = scenes(body.level);
        let views = looks(&skin, FACE_SIDE_MM);
        let bone = match scale {
            Scale::Hounsfield => looks(&scenes(levels.level(BONE_HU)), BONE_SIDE_MM),
            Scale::Arbitrary { .. } => Vec::new(),
        };
        let core = brain::core(field, body, head, scale, levels);
        let count = |cells: &[bool]| cells.iter().filter(|c| **c).count();
        let gone = count(removed);
        Findings {
            face_in_view: face_in_view(&skin[0], head),
            skin: Skin::measure(field, body, head, levels),
            views,
            bone,
            ears: ears(&skin, head),
            face_after: face_after(field, body, head),
            brain_cells: count(&core),
            brain_changed: (0..field.len())
                .filter(|&i| core[i] && field.changed[i] > CHANGED_MIN)
                .count(),
            removed: gone as f32 / count(&body.before).max(1) as f32,
            connected: count(&body::largest(field, removed)) as f32 / gone.max(1) as f32,
        }
    }

    /// Conditions are stated as what must hold, so that a NaN is a fault.
    pub fn require_faceless(&self, bones_kept: bool) -> Result<(), FaceFault> {
        if self.brain_changed > 0 {
            return Err(FaceFault::BrainTouched { cells: self.brain_changed });
        }
        let least = if bones_kept { REMOVED_WITHOUT_BONE_MIN } else { *REMOVED.start() };
        let plausible = self.removed >= least
            && self.removed <= *REMOVED.end()
            && (bones_kept || self.connected >= CONNECTED_MIN);
        if !plausible {
            return Err(FaceFault::Removed { share: self.removed, connected: self.connected });
        }
        if bones_kept {
            let soft = self.skin.untouched;
            let gone = soft <= SOFT_MAX;
            return if gone {
                Ok(())
            } else {
                Err(FaceFault::SkinSurvives { part: "facial", share: soft })
            };
        }
        let limits = if self.face_in_view { FACE } else { BROW };
        let skinless = self.skin.surviving <= limits.skin;
        if !skinless {
            return Err(FaceFault::SkinSurvives { part: "facial", share: self.skin.surviving });
        }
        if self.face_in_view && self.pixels() < PIXELS_MIN {
            return Err(FaceFault::NoFace { likeness: 0.0, mirror: 0.0 });
        }
        limits.require(&self.views, "skin")?;
        if self.bone.iter().all(|view| view.pixels >= PIXELS_MIN) && self.face_in_view {
            BONE.require(&self.bone, "bone")?;
        }
        for ear in self.ears.iter().filter(|ear| ear.pixels >= EAR_PIXELS_MIN) {
            let earless = ear.unmoved <= EAR_MAX;
            if !earless {
                return Err(FaceFault::SkinSurvives { part: "ear's", share: ear.unmoved });
            }
        }
        let faceless = self.face_after <= SURE;
        if faceless { Ok(()) } else { Err(FaceFault::FaceSeen { likeness: self.face_after }) }
    }

    /// Of the view from the front.
    fn pixels(&self) -> usize {
        self.views.first().map_or(0, |view| view.pixels)
    }

    pub fn figures(&self, head: &HeadFrame) -> Vec<(&'static str, f32)> {
        let most =
            |views: &[Change], of: fn(&Change) -> f32| views.iter().map(of).fold(0.0, f32::max);
        let mut figures = vec![
            ("mirror error", head.mirror_error),
            ("face likeness before", head.likeness),
            ("face likeness after", self.face_after),
            ("face in view", f32::from(u8::from(self.face_in_view))),
            ("facial skin cells", self.skin.cells as f32),
            ("facial skin left", self.skin.surviving),
            ("front pixels", self.pixels() as f32),
            ("front unmoved", most(&self.views, |v| v.unmoved)),
            ("front moved together", middle(&self.views, |v| v.together)),
            ("front features kept", middle(&self.views, |v| v.features)),
            ("front relief kept", most(&self.views, |v| v.likeness)),
            ("ears unmoved", most(&self.ears, |v| v.unmoved)),
            ("brain cells", self.brain_cells as f32),
            ("brain cells changed", self.brain_changed as f32),
            ("head removed", self.removed),
        ];
        if !self.bone.is_empty() {
            figures.extend([
                ("bone unmoved", middle(&self.bone, |v| v.unmoved)),
                ("bone features kept", middle(&self.bone, |v| v.features)),
                ("bone relief kept", most(&self.bone, |v| v.likeness)),
            ]);
        }
        figures
    }
}

impl Limits {
    fn require(&self, views: &[Change], surface: &'static str) -> Result<(), FaceFault> {
        let unmoved = middle(views, |v| v.unmoved);
        let moved = unmoved <= self.unmoved;
        if !moved {
            return Err(FaceFault::ViewUnmoved { share: unmoved });
        }
        let together = middle(views, |v| v.together);
        let features = middle(views, |v| v.features);
        let likeness = views.iter().map(|v| v.likeness).fold(0.0, f32::max);
        let unlike = together <= self.together
            && features <= self.features
            && likeness <= self.likeness
            && together + features + likeness <= self.sum;
        if unlike {
            return Ok(());
        }
        Err(FaceFault::ReliefSurvives { surface, likeness, features, together })
    }
}

/// The middle one of the views.
fn middle(views: &[Change], of: fn(&Change) -> f32) -> f32 {
    let mut values: Vec<f32> = views.iter().map(of).collect();
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Whether more than forehead and brow is in view. Only where the face itself isn't recognised is it the
/// distance to the vertex that tells.
fn face_in_view(before: &Scene<'_>, head: &HeadFrame) -> bool {
    let Some(vertex) = head.vertex.filter(|_| !head.is_sure()) else { return true };
    let front = View::of(before, head, FRONTAL[0]);
    let below = |at: [f32; 3]| {
        at[0].abs() < FACE_SIDE_MM && at[1] > -FACE_SIDE_MM && at[2] < vertex - VERTEX_TO_BROW_MM
    };
    front.showing(head, below).len() >= PIXELS_MIN
}

/// What stands out at the sides of the head where ears are, and what became of it.
fn ears(scenes: &[Scene<'_>; 2], head: &HeadFrame) -> Vec<Change> {
    let ear = |before: &View| before.standing_out(&before.showing(head, HeadFrame::is_ear));
    EARS.iter().map(|&from| change(scenes, head, from, ear)).collect()
}

/// What became of some pixels of a view, before and after.
fn change(
    [before, after]: &[Scene<'_>; 2],
    head: &HeadFrame,
    from: (f32, f32),
    pixels: impl Fn(&View) -> Vec<usize>,
) -> Change {
    let (before, after) = (View::of(before, head, from), View::of(after, head, from));
    Change::of(&before, &after, &pixels(&before))
}

/// The best likeness to a face from the front half of the midline, after.
fn face_after(field: &Field, body: &Body, head: &HeadFrame) -> f32 {
    let surface = body::surface(field, &body.after, &body::open_air(field, &body.after));
    let midline = Mirror { normal: head.side, offset: dot(head.nose, head.side), error: 0.0 };
    search::around(field, &surface, &midline, head.nose, |front| dot(front, head.front) > 0.0)
        .into_iter()
        .filter(search::Sighting::has_relief_of_a_face)
        .map(|s| s.likeness)
        .fold(0.0, f32::max)
}
