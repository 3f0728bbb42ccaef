//! The head frame in the patient, and what must be true of its zones in other volumes.

use super::FaceFault;
use super::cells::{BONE_HU, Levels};
use super::field::Field;
use super::frame::HeadFrame;
use super::space::dot64;

/// The middle of the face in the head frame, mm from the tip of the nose: to the side, to the front, upwards.
const FACE: [std::ops::Range<f64>; 3] = [-45.0..45.0, -30.0..45.0, -50.0..35.0];
/// What is nearer to the zone's border may lie beyond what was removed.
const RIM_MM: f64 = 6.0;
/// A ball within the brain: its centre behind and above the tip of the nose, and its radius, mm.
const BRAIN: [f64; 3] = [0.0, -112.0, 82.0];
const BRAIN_RADIUS_MM: f64 = 32.0;
/// Share of the tissue of the face that may be left: cells at the zone's border.
const LEFT_MAX: f32 = 0.05;

/// A head in LPS mm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PatientFrame {
    /// Unit vectors to one side, to the front, to the top of the head.
    axes: [[f64; 3]; 3],
    nose: [f64; 3],
}

impl PatientFrame {
    pub fn of(field: &Field, head: &HeadFrame) -> Self {
        let axes = [head.side, head.front, head.up].map(|axis| field.direction_in_patient(axis));
        PatientFrame { axes, nose: field.to_patient(head.nose) }
    }

    /// Axes and tip of the nose, one after the other.
    pub fn to_bytes(self) -> Vec<u8> {
        let numbers = self.axes.iter().flatten().chain(&self.nose);
        numbers.flat_map(|number| number.to_le_bytes()).collect()
    }

    /// Reads what [`PatientFrame::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let numbers: [[f64; 3]; 4] = match words {
            words if words.len() == 12 && rest.is_empty() => std::array::from_fn(|r| {
                std::array::from_fn(|c| f64::from_le_bytes(words[3 * r + c]))
            }),
            _ => return None,
        };
        let [side, front, up, nose] = numbers;
        let is_unit = |axis: [f64; 3]| (dot64(axis, axis) - 1.0).abs() < 1e-3;
        let valid =
            [side, front, up].into_iter().all(is_unit) && nose.iter().all(|c| c.is_finite());
        valid.then_some(PatientFrame { axes: [side, front, up], nose })
    }

    /// Whether a point of the patient, LPS mm, is well within the middle of the face.
    pub fn is_in_face(&self, at: [f64; 3]) -> bool {
        let local = self.local(at);
        FACE.iter().zip(local).all(|(face, c)| face.start + RIM_MM < c && c < face.end - RIM_MM)
    }

    fn local(&self, at: [f64; 3]) -> [f64; 3] {
        let from: [f64; 3] = std::array::from_fn(|a| at[a] - self.nose[a]);
        self.axes.map(|axis| dot64(from, axis))
    }
}

/// Figures, if no tissue is left in the face and no cell of the brain changed.
pub(super) fn require_empty(
    field: &Field,
    level: f32,
    frame: &PatientFrame,
    bones_kept: bool,
    levels: &Levels,
) -> Result<Vec<(&'static str, f32)>, FaceFault> {
    let bone = levels.level(BONE_HU);
    let (mut tissue, mut left, mut brain) = (0usize, 0usize, 0usize);
    for index in (0..field.len()).filter(|&i| field.inside[i]) {
        let at = frame.local(field.to_patient(field.point(index)));
        let in_face = (0..3).all(|a| FACE[a].contains(&at[a]));
        if in_face && field.before[index] > level {
            let may_stay =
                bones_kept && (field.before[index] >= bone || field.changed[index] > 0.0);
            tissue += 1;
            left += usize::from(field.after[index] > level && !may_stay);
        }
        let from: [f64; 3] = std::array::from_fn(|a| at[a] - BRAIN[a]);
        let in_brain = dot64(from, from) < BRAIN_RADIUS_MM * BRAIN_RADIUS_MM;
        brain += usize::from(in_brain && field.changed[index] > 0.0);
    }
    let share = left as f32 / tissue.max(1) as f32;
    let empty = share <= LEFT_MAX;
    if !empty {
        return Err(FaceFault::ZoneNotEmpty { share });
    }
    if brain > 0 {
        return Err(FaceFault::BrainTouched { cells: brain });
    }
    Ok(vec![("face zone cells", tissue as f32), ("face zone left", share)])
}
