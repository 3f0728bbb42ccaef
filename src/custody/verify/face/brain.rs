//! The verifier's own, cautious idea of where the brain is: what is in it surely is brain.

use super::Scale;
use super::body::{self, Body};
use super::cells::{BONE_HU, Levels};
use super::field::Field;
use super::frame::HeadFrame;

/// Brain and its water in CT, HU.
const BRAIN_HU: (f64, f64) = (-30.0, 110.0);
/// So many layers of cells from bone and air on, what hangs together in a skull hangs together in the brain...
const FROM_BONE: usize = 4;
/// ... and so many of them it gets back.
const BACK: usize = 2;
/// In MR, where bone is as dark as air, brain is this many layers below the skin: 21 mm.
const FROM_SKIN: usize = 7;
/// And only this far above the tip of the nose, mm: over the orbits in CT, over the sinuses in MR.
const ABOVE_NOSE_CT_MM: f32 = 60.0;
const ABOVE_NOSE_MR_MM: f32 = 85.0;
/// ... or below the vertex, whichever is higher.
const BELOW_VERTEX_MM: f32 = 75.0;

/// Cells of the brain, before.
pub(super) fn core(
    field: &Field,
    body: &Body,
    head: &HeadFrame,
    scale: Scale,
    levels: &Levels,
) -> Vec<bool> {
    let lowest = |above_nose: f32| {
        head.vertex.map_or(above_nose, |vertex| above_nose.max(vertex - BELOW_VERTEX_MM))
    };
    let above = |i: usize, height: f32| head.local(field.point(i))[2] > height;
    match scale {
        Scale::Hounsfield => {
            let bone = levels.level(BONE_HU);
            let soft = levels.level(BRAIN_HU.0)..levels.level(BRAIN_HU.1);
            let height = lowest(ABOVE_NOSE_CT_MM);
            let grown = field.layers_from(&enclosed(field, body, levels), BACK);
            let is_brain = |i: usize| field.before[i] < bone && soft.contains(&field.before[i]);
            (0..field.len())
                .map(|i| grown[i].is_some() && body.before[i] && is_brain(i) && above(i, height))
                .collect()
        }
        Scale::Arbitrary { .. } => {
            let height = lowest(ABOVE_NOSE_MR_MM);
            let layers = field.layers_from(&body.open, FROM_SKIN);
            (0..field.len())
                .map(|i| layers[i].is_none() && body.before[i] && above(i, height))
                .collect()
        }
    }
}

/// The largest piece of the body that keeps away from bone and air: in a head, the inside of the brain.
pub(super) fn enclosed(field: &Field, body: &Body, levels: &Levels) -> Vec<bool> {
    let bone = levels.level(BONE_HU);
    let wall: Vec<bool> =
        (0..field.len()).map(|i| !body.before[i] || field.before[i] > bone).collect();
    let deep: Vec<bool> = field.layers_from(&wall, FROM_BONE).iter().map(Option::is_none).collect();
    body::largest(field, &deep)
}
