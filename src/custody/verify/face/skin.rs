//! Cells of the skin before, and which of them are still there.

use super::body::Body;
use super::cells::{BONE_HU, Levels};
use super::field::Field;
use super::frame::HeadFrame;

/// Beside the midline, mm: the face without the temples.
const FACE_SIDE_MM: f32 = 60.0;

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
        let cells: Vec<usize> = body
            .surface
            .iter()
            .copied()
            .filter(|&i| head.is_face(head.local(field.point(i)), FACE_SIDE_MM))
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
