//! Whether a head that was found in one series is where another series shows one.

use super::head::Anatomy;
use super::skin::Outline;
use super::survey::Volume;
use rayon::prelude::*;

/// Less of a head than this in common view says nothing, mL.
const COMMON_MIN_ML: f32 = 150.0;
/// Only the head counts, not how far a neck is in view: this far from the brain, mm.
const NEAR_BRAIN_MM: f32 = 45.0;

impl Anatomy {
    /// Share, from 0 to 1, of what a series shows near the brain that lies more than `beyond_mm` outside of the
    /// skin known by another; `None` if too little is seen to tell.
    ///
    /// Only what sticks out counts: a region that is grown by `beyond_mm` holds the face of whoever moved less,
    /// and images without fat or skin (diffusion) show less of a head than there is.
    pub fn sticking_out(&self, volume: &Volume, outline: &Outline, beyond_mm: f32) -> Option<f32> {
        let solid = outline.solid(volume);
        let lattice = solid.lattice;
        let [seen, beyond] = (0..lattice.nodes())
            .into_par_iter()
            .filter(|&i| solid.data[i])
            .filter_map(|i| {
                let at = lattice.point(lattice.node(i));
                let skin = self.skin.sample_inside(at)?;
                let near = self.brain.sample_inside(at)? < NEAR_BRAIN_MM;
                near.then_some([1, usize::from(skin > beyond_mm)])
            })
            .reduce(|| [0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
        let enough = seen as f32 * lattice.cell_ml() >= COMMON_MIN_ML;
        enough.then(|| beyond as f32 / seen as f32)
    }
}
