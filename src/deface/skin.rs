//! The head's outline in CT: what is denser than air and fat-free foam, in one piece, filled.

use super::grid::{Grid, Mask};
use super::morphology::{both, close, fill_holes, largest_component, open};
use super::survey::Volume;

/// Half-way between air and soft tissue, shifted towards air: partial volume at the skin.
pub const SKIN_HU: f32 = -350.0;
/// Head rests, tubes and cables are thinner than this, mm.
const OPENING_MM: f32 = 6.0;
/// Nostrils, ear canals and folds are narrower than this, mm.
const CLOSING_MM: f32 = 9.0;

/// The solid head (with whatever body is in the field of view).
pub fn solid(volume: &Volume) -> Mask {
    let tissue = denser_than_air(volume);
    let body = largest_component(&open(&tissue, OPENING_MM));
    fill_holes(&both(&close(&body, CLOSING_MM), &volume.inside))
}

/// Cells in the field of view that aren't air.
pub fn denser_than_air(volume: &Volume) -> Mask {
    Grid::from_fn(volume.hu.lattice, |i| volume.inside.data[i] && volume.hu.data[i] > SKIN_HU)
}
