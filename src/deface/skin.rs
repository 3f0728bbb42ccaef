//! The head's outline: what is denser than air, in one piece, filled.

use super::grid::{Grid, Mask};
use super::histogram::Histogram;
use super::morphology::{both, close, fill_holes, largest_component, open, smooth};
use super::survey::Volume;
use std::borrow::Cow;

/// Half-way between air and soft tissue, shifted towards air: partial volume at the skin.
pub const SKIN_HU: f32 = -350.0;
/// Head rests, tubes and cables are thinner than this in CT, mm; in MR they hardly show.
const OPENING_CT_MM: f32 = 6.0;
const OPENING_MR_MM: f32 = 3.0;
/// Nostrils, ear canals and folds are narrower than this, mm.
const CLOSING_MM: f32 = 9.0;
/// Spread of the smoothing against noise in MR, mm.
const SMOOTHING_MM: f32 = 1.2;
/// Bright fat and vessels must not set the scale of an MR.
const BRIGHTEST_QUANTILE: f32 = 0.99;
/// Bounds of the skin's level in MR as shares of the level that parts tissue from the rest.
const LEVEL_SHARES: [f32; 2] = [0.30, 0.55];

/// How the head's outline is found in a volume, and found again in what is left of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outline {
    /// Real-world value at the skin.
    pub level: f32,
    hounsfield: bool,
}

impl Outline {
    /// The level of the skin in a volume.
    pub fn of(volume: &Volume) -> Self {
        Outline::in_values(volume, &values(volume))
    }

    /// The same, with the solid head.
    pub fn with_solid(volume: &Volume) -> (Self, Mask) {
        let values = values(volume);
        let outline = Outline::in_values(volume, &values);
        (outline, outline.solid_in(volume, &values))
    }

    fn in_values(volume: &Volume, values: &Grid<f32>) -> Self {
        let hounsfield = volume.contrast.is_hounsfield();
        let level = if hounsfield { SKIN_HU } else { mr_level(volume, values) };
        Outline { level, hounsfield }
    }

    /// The solid head (with whatever body is in the field of view).
    pub fn solid(&self, volume: &Volume) -> Mask {
        self.solid_in(volume, &values(volume))
    }

    fn solid_in(&self, volume: &Volume, values: &Grid<f32>) -> Mask {
        let opening = if self.hounsfield { OPENING_CT_MM } else { OPENING_MR_MM };
        let body = largest_component(&open(&self.tissue_in(volume, values), opening));
        fill_holes(&both(&close(&body, CLOSING_MM), &volume.inside))
    }

    /// The values in which the skin is looked for: in MR those of the volume, smoothed against noise.
    pub fn values<'a>(&self, volume: &'a Volume) -> Cow<'a, Grid<f32>> {
        values(volume)
    }

    /// Cells in the field of view that aren't air.
    pub fn tissue(&self, volume: &Volume) -> Mask {
        self.tissue_in(volume, &values(volume))
    }

    fn tissue_in(&self, volume: &Volume, values: &Grid<f32>) -> Mask {
        Grid::from_fn(values.lattice, |i| volume.inside.data[i] && values.data[i] > self.level)
    }
}

fn values(volume: &Volume) -> Cow<'_, Grid<f32>> {
    if volume.contrast.is_hounsfield() {
        Cow::Borrowed(&volume.value)
    } else {
        Cow::Owned(smooth(&volume.value, SMOOTHING_MM))
    }
}

/// Between noise and the dimmest tissue: Otsu's threshold of the volume, and of what lies below it.
fn mr_level(volume: &Volume, smoothed: &Grid<f32>) -> f32 {
    let values =
        || (0..smoothed.data.len()).filter(|&i| volume.inside.data[i]).map(|i| smoothed.data[i]);
    let all = Histogram::of(values());
    let brightest = all.quantile(BRIGHTEST_QUANTILE);
    let tissue = Histogram::of(values().map(|v| v.min(brightest))).otsu();
    let dark = Histogram::of(values().filter(|&v| v < tissue)).otsu();
    let lowest = all.lowest();
    let [least, most] = LEVEL_SHARES.map(|share| lowest + share * (tissue - lowest));
    dark.min(most).max(least)
}
