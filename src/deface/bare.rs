//! Proof that an MR shows a brain that nothing surrounds: skull-stripped, no face to remove.
//!
//! Two things must hold. The surface of all tissue is that of an endocranium, all around; a head is larger,
//! and a small child's has a face below it. And what lies outside of it holds the one lowest value: even a
//! face too dim to count as tissue would differ from that.

use super::fit::{Closeness, Fitter};
use super::grid::{Grid, Mask};
use super::pose::Turn;
use super::presence::Absence;
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
///
/// `solid`: all tissue, as the outline has it.
pub(super) fn prove(volume: &Volume, solid: &Mask) -> Option<Absence> {
    let lowest = volume.lowest();
    let measured: Vec<usize> = (0..volume.value.data.len())
        .filter(|&i| volume.inside.data[i] && volume.value.data[i] > lowest)
        .collect();
    let in_view = volume.inside.count();
    let cut_out = (measured.len() as f32) < (1.0 - EMPTY_MIN) * in_view as f32;
    if !cut_out {
        return None;
    }
    let fitter = Fitter::of_brain(&volume.inside, solid);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deface::Contrast;
    use crate::deface::grid::{Lattice, Point};
    use crate::deface::skin::Outline;

    /// A volume of a 3 mm grid whose values are a function of MNI mm, drawn at nine tenths of its size.
    fn volume(value: impl Fn(Point) -> f32 + Sync) -> Volume {
        const SIZE: f32 = 0.9;
        let corners = [[-100.0, -130.0, -110.0], [100.0, 120.0, 110.0]];
        let lattice = Lattice::enclosing(corners, 3.0);
        Volume {
            value: Grid::from_fn(lattice, |i| {
                value(lattice.point(lattice.node(i)).map(|c| c / SIZE))
            }),
            inside: Grid::from_fn(lattice, |_| true),
            contrast: Contrast::Arbitrary { low: 0.0, high: 1000.0 },
        }
    }

    fn proven(volume: &Volume) -> Option<Absence> {
        prove(volume, &Outline::with_solid(volume).1)
    }

    fn brain(at: Point) -> f32 {
        // As a brain lies in its endocranium, 2 mm off.
        if TEMPLATE.endocranium.distance.sample(at) < -2.0 { 500.0 } else { 0.0 }
    }

    #[test]
    fn a_brain_alone_is_bare() {
        let found = proven(&volume(brain));
        assert!(
            matches!(found, Some(Absence::BareBrain { outside, .. }) if outside < 0.001),
            "{found:?}"
        );
    }

    #[test]
    fn a_head_is_not_bare_even_if_its_face_is_dim() {
        let skin = |at: Point| TEMPLATE.skin.distance.sample(at) < 0.0;
        let whole = volume(|at| {
            if brain(at) > 0.0 {
                500.0
            } else if skin(at) {
                400.0
            } else {
                0.0
            }
        });
        assert_eq!(proven(&whole), None);
        // Attenuated to a thousandth: no tissue, but there.
        let dim = volume(|at| {
            if brain(at) > 0.0 {
                500.0
            } else if skin(at) {
                0.4
            } else {
                0.0
            }
        });
        assert_eq!(proven(&dim), None);
    }

    #[test]
    fn a_slab_or_half_of_a_brain_proves_nothing() {
        let half = volume(|at| if at[2] > 5.0 { brain(at) } else { 0.0 });
        assert_eq!(proven(&half), None);
        let noisy = volume(|at| brain(at).max(1.0 + (at[0] * 7.0).sin()));
        assert_eq!(proven(&noisy), None, "nothing was cut out");
    }
}
