//! Proof that an MR shows a brain that nothing surrounds: skull-stripped, no face to remove.
//!
//! Two things must hold. The surface of all tissue is that of an endocranium, all around; a head is larger,
//! and a small child's has a face below it. And what lies outside of it holds the one lowest value: even a
//! face too dim to count as tissue would differ from that.

use super::fit::{Closeness, Fitter};
use super::grid::Grid;
use super::pose::Turn;
use super::presence::Absence;
use super::skin::Outline;
use super::survey::Volume;
use super::template::TEMPLATE;
use std::ops::RangeInclusive;

/// So much of the volume holds the lowest value around a brain that was cut out.
const EMPTY_MIN: f32 = 0.3;
/// Limits of the fit, mm; as for the endocranium in CT.
const MEDIAN_MAX_MM: f32 = 3.0;
const P90_MAX_MM: f32 = 8.0;
/// The whole brain is in view, not a slab of something.
const VISIBLE_MIN: f32 = 0.85;
/// Sizes of brains relative to the template's endocranium; heads are larger by a fifth and more.
const SCALE: RangeInclusive<f32> = 0.75..=1.04;
/// Farther than this from the fitted endocranium it is outside, mm: meninges and stumps of nerves are nearer.
const OUTSIDE_MM: f32 = 6.0;
/// Share of what was measured that may lie outside. A child's face is more than a tenth of its head.
const OUTSIDE_MAX: f32 = 0.01;

/// The proof, if the volume is a bare brain.
pub(super) fn prove(volume: &Volume) -> Option<Absence> {
    let lowest = volume.lowest();
    let measured: Vec<usize> = (0..volume.value.data.len())
        .filter(|&i| volume.inside.data[i] && volume.value.data[i] > lowest)
        .collect();
    let in_view = volume.inside.count();
    let cut_out = (measured.len() as f32) < (1.0 - EMPTY_MIN) * in_view as f32;
    if !cut_out {
        return None;
    }
    let solid = Outline::of(volume).solid(volume);
    let fitter = Fitter::of_brain(&volume.inside, &solid);
    let pose = fitter.fit(Turn::NONE)?.pose;
    let surface = fitter.endocranium(&pose)?;
    let frame = pose.frame();
    let lattice = volume.value.lattice;
    let distance: Grid<f32> = Grid::from_fn(lattice, |i| {
        let at = frame.to_template(lattice.point(lattice.node(i)));
        TEMPLATE.endocranium.distance.sample(at) * frame.mean_scale()
    });
    let beyond = measured.iter().filter(|&&i| distance.data[i] > OUTSIDE_MM).count();
    let outside = beyond as f32 / measured.len().max(1) as f32;
    let Closeness { median, p90, visible } = surface;
    // Stated as what must hold, so that a NaN proves nothing.
    let is_brain = median <= MEDIAN_MAX_MM
        && p90 <= P90_MAX_MM
        && visible >= VISIBLE_MIN
        && pose.scale().iter().all(|s| SCALE.contains(s))
        && outside <= OUTSIDE_MAX;
    is_brain.then_some(Absence::BareBrain { surface, outside })
}
