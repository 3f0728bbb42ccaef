//! What is removed, drawn in the template: two zones of planes and curves, kept off the brain.
//!
//! The zones reach to the edge of the volume in front of the face and beside the ears. Nowhere does
//! the patient's skin bound them: the border between fill and untouched air would be an outline of
//! the face. All positions in MNI mm; x counts from the midline to either side.

use super::grid::Point;

/// A piecewise linear curve through (position, value) knots, constant beyond its ends.
#[derive(Debug)]
struct Curve<const N: usize>([(f32, f32); N]);

impl<const N: usize> Curve<N> {
    fn at(&self, x: f32) -> f32 {
        let knots = &self.0;
        if x <= knots[0].0 {
            return knots[0].1;
        }
        for pair in knots.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            if x <= x1 {
                return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
            }
        }
        knots[N - 1].1
    }
}

/// Posterior wall of the face zone in the midline, by z: pharynx, skull base, forehead to hairline.
const WALL: Curve<10> = Curve([
    (-200.0, 8.0),
    (-95.0, 6.0),
    (-70.0, 2.0),
    (-45.0, 8.0),
    (-30.0, 20.0),
    (-18.0, 34.0),
    (-14.0, 26.0),
    (0.0, 30.0),
    (30.0, 38.0),
    (58.0, 52.0),
]);
/// How much farther back the wall lies at the side, by z: rami of the mandible, temples.
const WALL_LATERAL: Curve<6> =
    Curve([(-120.0, 14.0), (-60.0, 14.0), (-30.0, 8.0), (-18.0, 0.0), (-14.0, 4.0), (58.0, 0.0)]);
/// Where the side begins and where it is reached.
const LATERAL_FROM: f32 = 25.0;
const LATERAL_FULL: f32 = 40.0;
/// The hairline: the face zone's upper end.
const FACE_TOP: f32 = 62.0;
/// The submental plane rises from here to the back.
const CHIN_FRONT: f32 = 88.0;
const CHIN_LOW: f32 = -200.0;
const CHIN_SLOPE: f32 = 0.55;

/// The ear zone, a slab beside the head: ear, preauricular skin and angle of the jaw.
const EAR_X_MIN: f32 = 50.0;
/// Behind the jaw it begins so much farther out, from here to there: parotid, carotid and mastoid stay.
const EAR_X_BEHIND: f32 = 5.0;
const EAR_BEHIND_FROM: f32 = 2.0;
const EAR_BEHIND_FULL: f32 = -8.0;
const EAR_Y: std::ops::Range<f32> = -60.0..40.0;
const EAR_Z: std::ops::Range<f32> = -92.0..18.0;

/// Distances kept from the brain, mm of the patient.
#[derive(Debug)]
pub struct Margins {
    /// In the face zone, by z of the template: wider at the hairline, where templates err most.
    face: Curve<5>,
    /// In the ear zone: leaves mastoid and temporal bone.
    ear: f32,
    /// So much of the skin in the ear zone goes also where it lies nearer to the brain than that: temples.
    ear_shell: f32,
    /// Where the skin itself lies nearer to the brain than that (an open skull, a child's forehead), this
    /// much of it still goes ...
    shell: f32,
    /// ... but nothing this near to the brain, ever.
    pub least: f32,
}

impl Margins {
    /// Where bone shows the border of the brain.
    pub const IN_BONE: Margins = Margins {
        face: Curve([(-18.0, 3.0), (-14.0, 4.0), (5.0, 4.0), (30.0, 6.0), (62.0, 8.5)]),
        ear: 11.0,
        ear_shell: f32::NEG_INFINITY,
        shell: 6.0,
        least: 1.5,
    };
    /// Where it is inferred from a model and from brightness.
    pub const IN_MR: Margins = Margins {
        face: Curve([(-18.0, 4.5), (-14.0, 5.5), (5.0, 5.5), (30.0, 7.5), (62.0, 10.0)]),
        ear: 13.0,
        ear_shell: 6.0,
        shell: 6.0,
        least: 3.0,
    };
}

/// Signed distances of a point in mm of the patient, negative inside.
#[derive(Debug, Clone, Copy)]
pub struct Depths {
    /// To the brain.
    pub brain: f32,
    /// To the skin.
    pub skin: f32,
}

/// How deep a point (MNI mm) lies in what is removed, in about mm: positive is removed, negative kept.
///
/// `grown_mm` moves all borders outwards but those to the brain.
pub fn removal_depth(mni: Point, depths: Depths, margins: &Margins, grown_mm: f32) -> f32 {
    let [x, y, z] = [mni[0].abs(), mni[1], mni[2]];
    let Depths { brain, skin } = depths;
    let off_brain = |margin: f32, shell: f32| {
        (brain - margin).max(least([skin + shell + grown_mm, brain - margins.least]))
    };
    let face =
        least([face_depth(x, y, z) + grown_mm, off_brain(margins.face.at(z), margins.shell)]);
    let ear = least([ear_depth(x, y, z) + grown_mm, off_brain(margins.ear, margins.ear_shell)]);
    face.max(ear)
}

/// Volumes to watch for skull defects: brain found here comes near the forehead.
pub fn is_forehead([_, y, z]: Point) -> bool {
    z > -14.0 && z < FACE_TOP && y > WALL.at(z)
}

fn face_depth(x: f32, y: f32, z: f32) -> f32 {
    let lateral = smoothstep((x - LATERAL_FROM) / (LATERAL_FULL - LATERAL_FROM));
    let wall = WALL.at(z) - lateral * WALL_LATERAL.at(z);
    let chin = CHIN_LOW + CHIN_SLOPE * (CHIN_FRONT - y).max(0.0);
    least([y - wall, FACE_TOP - z, z - chin])
}

fn ear_depth(x: f32, y: f32, z: f32) -> f32 {
    let behind = smoothstep((EAR_BEHIND_FROM - y) / (EAR_BEHIND_FROM - EAR_BEHIND_FULL));
    least([
        x - EAR_X_MIN - behind * EAR_X_BEHIND,
        y - EAR_Y.start,
        EAR_Y.end - y,
        z - EAR_Z.start,
        EAR_Z.end - z,
    ])
}

fn least<const N: usize>(values: [f32; N]) -> f32 {
    values.into_iter().fold(f32::INFINITY, f32::min)
}

fn smoothstep(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR_FROM_BRAIN: Depths = Depths { brain: 60.0, skin: -30.0 };

    #[test]
    fn landmarks() {
        let removed = |at: Point| removal_depth(at, FAR_FROM_BRAIN, &Margins::IN_BONE, 0.0) > 0.0;
        for (name, at) in [
            ("nose tip", [0.0, 96.0, -80.0]),
            ("air before the nose", [0.0, 400.0, -80.0]),
            ("chin", [0.0, 80.0, -120.0]),
            ("eye", [32.0, 70.0, -42.0]),
            ("mandibular ramus", [48.0, 5.0, -70.0]),
            ("ear", [80.0, -25.0, -30.0]),
            ("forehead", [0.0, 80.0, 40.0]),
        ] {
            assert!(removed(at), "{name} stays");
        }
        for (name, at) in [
            ("occiput", [0.0, -110.0, 0.0]),
            ("vertex", [0.0, -10.0, 95.0]),
            ("cervical spine", [0.0, -40.0, -110.0]),
            ("trachea", [0.0, 20.0, -220.0]),
        ] {
            assert!(!removed(at), "{name} goes");
        }
    }

    #[test]
    fn nothing_is_removed_within_the_margin_of_the_brain() {
        for x in -10..=10 {
            for y in -15..=15 {
                for z in -25..=10 {
                    let at = [x as f32 * 10.0, y as f32 * 10.0, z as f32 * 10.0];
                    for (skin, margins) in [-30.0, -1.0, 1.0]
                        .into_iter()
                        .flat_map(|skin| [(skin, &Margins::IN_BONE), (skin, &Margins::IN_MR)])
                    {
                        let depths = Depths { brain: margins.least, skin };
                        assert!(removal_depth(at, depths, margins, 4.0) <= 0.0, "{at:?}");
                    }
                }
            }
        }
    }
}
