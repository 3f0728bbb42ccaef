//! Whether a head that was found in one series is where another series shows one.

use super::head::Anatomy;
use super::skin::Outline;
use super::survey::Volume;
use rayon::prelude::*;

/// Less of the head than this in common view says nothing, mL.
const COMMON_MIN_ML: f32 = 150.0;
/// Only the head counts, not how far a neck is in view: this far from the brain, mm.
const NEAR_BRAIN_MM: f32 = 30.0;

impl Anatomy {
    /// How much two outlines of the head have in common, 0 to 1 (Dice's coefficient), where both series look;
    /// `None` if that is too little of the head to tell.
    pub fn agreement(&self, volume: &Volume, outline: &Outline) -> Option<f32> {
        let solid = outline.solid(volume);
        let lattice = solid.lattice;
        let [both, here, there] = (0..lattice.nodes())
            .into_par_iter()
            .filter(|&i| volume.inside.data[i])
            .filter_map(|i| {
                let at = lattice.point(lattice.node(i));
                let skin = self.skin.sample_inside(at)?;
                let near = self.brain.sample_inside(at)? < NEAR_BRAIN_MM;
                near.then_some((solid.data[i], skin < 0.0))
            })
            .map(|(here, there)| [here && there, here, there].map(usize::from))
            .reduce(|| [0; 3], |a, b| std::array::from_fn(|k| a[k] + b[k]));
        let enough = there as f32 * lattice.cell_ml() >= COMMON_MIN_ML;
        enough.then(|| 2.0 * both as f32 / (here + there) as f32)
    }
}
