//! MR that wraps round: what lies outside the field of view along the phase direction shows on its other
//! side, a nose behind the head.
//!
//! The removal region doesn't reach there, so a series with tissue at the edge of the field of view apart from the
//! fitted head is refused.

use super::grid::Grid;
use super::morphology::{largest_component, open};
use super::pose::Frame;
use super::skin::Outline;
use super::survey::Volume;
use super::template::TEMPLATE;
use super::zones::{self, Depths, Margins};

/// Farther than this outside the average's skin it isn't the head: hair and ears are nearer, mm.
const APART_MM: f32 = 14.0;
/// Below this, MNI mm, it is neck and shoulders.
const NECK: f32 = -80.0;
/// Noise and speckle are thinner than this, mm.
const OPENING_MM: f32 = 3.0;
/// A far point: the removal zones without their margins.
const OPEN: Depths = Depths { brain: 60.0, skin: -30.0 };

/// Volume of the largest piece of tissue that hangs together beside the head, reaches the edge of the field of view
/// and wouldn't be removed, mL.
pub(super) fn wrapped_ml(
    volume: &Volume,
    outline: &Outline,
    frame: &Frame,
    depth_in_view: &Grid<f32>,
) -> f32 {
    let lattice = volume.value.lattice;
    let tissue = outline.tissue(volume);
    let scale = frame.mean_scale();
    let beside = Grid::from_fn(lattice, |i| {
        tissue.data[i] && {
            let mni = frame.to_template(lattice.point(lattice.node(i)));
            mni[2] > NECK
                && TEMPLATE.skin.distance.sample(mni) * scale > APART_MM
                && zones::removal_depth(mni, OPEN, &Margins::IN_MR, 0.0) <= 0.0
        }
    });
    let mut left = open(&beside, OPENING_MM);
    // Pieces from the largest on; the first that reaches the edge decides.
    loop {
        let piece = largest_component(&left);
        let count = piece.count();
        if count == 0 {
            return 0.0;
        }
        let reaches = (0..piece.data.len())
            .any(|i| piece.data[i] && depth_in_view.data[i] <= 2.0 * lattice.spacing);
        if reaches {
            return count as f32 * lattice.cell_ml();
        }
        left = Grid::from_fn(lattice, |i| left.data[i] && !piece.data[i]);
    }
}
