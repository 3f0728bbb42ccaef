//! Cells of the skin before, and which of them are still there.

use super::body::Body;
use super::cells::{BONE_HU, Levels};
use super::field::Field;
use super::frame::HeadFrame;

/// Beside the midline, mm: the face without the temples.
const FACE_SIDE_MM: f32 = 60.0;

/// Deeper below what is outside of the head, layers of cells, a surface isn't skin's: it is that of a sinus or a throat
/// which the field of view opens.
const SKIN_LAYERS: u8 = 4;

/// How much of the facial skin is left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Skin {
    /// Cells before.
    pub cells: usize,
    /// Share of them within a cell of a surface after.
    pub surviving: f32,
    /// Share of them that is unchanged soft tissue.
    pub untouched: f32,
}

impl Skin {
    pub fn measure(field: &Field, body: &Body, head: &HeadFrame, levels: &Levels) -> Self {
        let bone = levels.level(BONE_HU);
        let is_skin = |i: usize| body.layers[i].is_some_and(|layer| layer <= SKIN_LAYERS);
        let cells: Vec<usize> = body
            .surface
            .iter()
            .copied()
            .filter(|&i| is_skin(i) && head.is_face(head.local(field.point(i)), FACE_SIDE_MM))
            .collect();
        let is_surface = |i: usize| {
            let air = |n: usize| !body.after[n] && field.inside[n];
            body.after[i] && field.beside(i).into_iter().flatten().any(air)
        };
        let survives =
            |i: usize| is_surface(i) || field.beside(i).into_iter().flatten().any(is_surface);
        let untouched = |i: usize| field.changed[i] == 0.0 && field.before[i] < bone;
        let share = |is: &dyn Fn(usize) -> bool| {
            cells.iter().filter(|&&i| is(i)).count() as f32 / cells.len().max(1) as f32
        };
        Skin { cells: cells.len(), surviving: share(&survives), untouched: share(&untouched) }
    }
}
