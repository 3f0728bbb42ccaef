//! The endocranium in CT: the space from which bone is seen in nearly every direction.
//!
//! Needs neither a closed skull (fields of view cut off the vertex or the base) nor thin slices.

use super::grid::{Grid, Mask};
use super::morphology::{close, distance_to, fill_holes, largest_component, open};
use super::skin::SKIN_HU;
use super::survey::Volume;
use rayon::prelude::*;

/// Bone, averaged over a cell, in HU.
const BONE_HU: f32 = 170.0;
/// A cell of bone has at least this many such cells in its 3 x 3 x 3 surroundings, itself included.
const BONE_NEIGHBOURS: usize = 3;
/// Bone farther away doesn't enclose, in mm: beyond the longest diameter of an endocranium.
const REACH_MM: f32 = 140.0;
/// Brain, CSF and fat, but not air, in HU.
const SOFT_HU: f32 = -120.0;
/// At least this many of the 26 directions must lead to bone or to open air within the volume.
const KNOWN_MIN: u8 = 12;
/// Share of directions that meet bone deep in the endocranium, and at its wall.
const ENCLOSED_CORE: f32 = 0.86;
const ENCLOSED_WALL: f32 = 0.70;
/// Opening that cuts the core off orbits and sinuses, mm.
const CORE_OPENING_MM: f32 = 7.0;
/// The wall lies within this distance of the core, mm.
const WALL_MM: f32 = 9.0;
/// Bone as near as this to the core is calcification or noise inside, mm.
const INNER_BONE_MM: f32 = 3.0;
const SMOOTH_CLOSING_MM: f32 = 5.0;
const SMOOTH_OPENING_MM: f32 = 4.0;
/// Less than this isn't an endocranium, mL. (Measured in an abdomen 2, in neck and shoulders 7.)
const CORE_MIN_ML: f32 = 30.0;

/// What bone encloses.
#[derive(Debug, Clone)]
pub enum Cavity {
    /// No endocranium; what there is of a core, mL.
    None {
        /// Volume of the largest enclosed space.
        core_ml: f32,
    },
    /// The endocranium, or the part of it in the field of view.
    Endocranium(Mask),
}

impl Cavity {
    /// Looks for the endocranium.
    pub fn find(volume: &Volume) -> Self {
        let lattice = volume.value.lattice;
        let hu = &volume.value.data;
        let bone = bone(volume);
        let tissue = Grid::from_fn(lattice, |i| hu[i] > SKIN_HU);
        let enclosure =
            Enclosure::of(&Scene { bone: &bone, tissue: &tissue, inside: &volume.inside });
        let soft = |i: usize| hu[i] > SOFT_HU && volume.inside.data[i];

        let core = Grid::from_fn(lattice, |i| {
            enclosure.at_least(ENCLOSED_CORE, i) && soft(i) && !bone.data[i]
        });
        let core = largest_component(&open(&core, CORE_OPENING_MM));
        let core_ml = core.volume_ml();
        if core_ml < CORE_MIN_ML {
            return Cavity::None { core_ml };
        }
        let from_core = distance_to(&core);
        let wide = Grid::from_fn(lattice, |i| {
            let d = from_core.data[i];
            d <= WALL_MM
                && enclosure.at_least(ENCLOSED_WALL, i)
                && soft(i)
                && !(bone.data[i] && d > INNER_BONE_MM)
        });
        let smooth = open(&close(&wide, SMOOTH_CLOSING_MM), SMOOTH_OPENING_MM);
        let whole =
            Grid::from_fn(lattice, |i| (smooth.data[i] || core.data[i]) && volume.inside.data[i]);
        Cavity::Endocranium(fill_holes(&largest_component(&whole)))
    }
}

/// Beyond the template's endocranium by more than this, what bone seems to enclose is a leak into
/// sinuses, brow or orbit, mm. The margin that is kept comes on top, and a large leak is
/// refused: it could be brain.
const LEAK_MM: f32 = 3.0;

/// The brain's space: the endocranium without its leaks, and where the skull is open, what the fitted
/// template says.
///
/// `template` is the signed distance to the template's endocranium in mm. Only soft tissue counts.
pub fn brain(cavity: &Mask, template: &Grid<f32>, volume: &Volume) -> Mask {
    const SOFT_TISSUE_HU: std::ops::Range<f32> = -30.0..150.0;
    const INSIDE_MM: f32 = -0.5;
    const CLOSING_MM: f32 = 4.0;
    let joined = Grid::from_fn(cavity.lattice, |i| {
        let enclosed = cavity.data[i] && !is_leak(template.data[i]);
        let through_hole =
            template.data[i] <= INSIDE_MM && SOFT_TISSUE_HU.contains(&volume.value.data[i]);
        volume.inside.data[i] && (enclosed || through_hole)
    });
    largest_component(&close(&joined, CLOSING_MM))
}

/// Whether a cell of the cavity so far (mm) outside the template's endocranium is taken for a leak.
pub fn is_leak(template: f32) -> bool {
    template > LEAK_MM
}

fn bone(volume: &Volume) -> Mask {
    let lattice = volume.value.lattice;
    let dense = volume.value.map(|&hu| hu > BONE_HU);
    Grid::from_fn(lattice, |i| {
        dense.data[i] && {
            let node = lattice.node(i);
            let span = |k: usize| node[k].saturating_sub(1)..(node[k] + 2).min(lattice.size[k]);
            let around =
                span(2).flat_map(|z| span(1).flat_map(move |y| span(0).map(move |x| [x, y, z])));
            around.filter(|&n| dense.data[lattice.index(n)]).take(BONE_NEIGHBOURS).count()
                == BONE_NEIGHBOURS
        }
    })
}

/// For each cell, in how many of the 26 directions of its neighbours bone is in sight.
///
/// A ray that leaves the volume through tissue proves nothing and isn't counted as known; one that
/// leaves through air is a known miss.
struct Enclosure {
    hits: Vec<u8>,
    known: Vec<u8>,
}

/// What rays meet.
struct Scene<'a> {
    bone: &'a Mask,
    tissue: &'a Mask,
    inside: &'a Mask,
}

impl Scene<'_> {
    /// What is seen through a cell from which `beyond` is seen.
    fn pass(&self, cell: usize, beyond: u16) -> u16 {
        if self.bone.data[cell] {
            return 1;
        }
        if !self.inside.data[cell] {
            return UNKNOWN;
        }
        match beyond {
            UNKNOWN if !self.tissue.data[cell] => MISS,
            MISS | UNKNOWN => beyond,
            steps => steps + 1,
        }
    }
}

/// What is seen from a cell in one direction: steps to bone, or one of these.
const MISS: u16 = u16::MAX - 1;
const UNKNOWN: u16 = u16::MAX;

impl Enclosure {
    fn of(scene: &Scene<'_>) -> Self {
        let cells = scene.bone.data.len();
        let nothing = || Enclosure { hits: vec![0; cells], known: vec![0; cells] };
        directions()
            .into_par_iter()
            .fold(nothing, |mut sums, direction| {
                sums.look(direction, scene);
                sums
            })
            .reduce(nothing, |mut a, b| {
                // Sums of whole numbers: the same however the directions were shared out.
                a.hits.iter_mut().zip(&b.hits).for_each(|(x, y)| *x += y);
                a.known.iter_mut().zip(&b.known).for_each(|(x, y)| *x += y);
                a
            })
    }

    fn at_least(&self, share: f32, index: usize) -> bool {
        let known = self.known[index];
        known >= KNOWN_MIN && f32::from(self.hits[index]) >= share * f32::from(known)
    }

    /// One sweep against `direction`: each cell inherits what its neighbour there sees.
    fn look(&mut self, direction: [i8; 3], scene: &Scene<'_>) {
        let lattice = scene.bone.lattice;
        let step = lattice.spacing * f32::from(direction.iter().map(|d| d * d).sum::<i8>()).sqrt();
        let reach = (REACH_MM / step) as u16;
        let mut sight = vec![UNKNOWN; scene.bone.data.len()];
        let sweep = |k: usize| -> Vec<usize> {
            let forward = 0..lattice.size[k];
            if direction[k] > 0 { forward.rev().collect() } else { forward.collect() }
        };
        let (xs, ys, zs) = (sweep(0), sweep(1), sweep(2));
        let neighbour = |at: usize, k: usize| {
            at.checked_add_signed(isize::from(direction[k])).filter(|&n| n < lattice.size[k])
        };
        for &z in &zs {
            for &y in &ys {
                let row =
                    neighbour(z, 2).and_then(|z| neighbour(y, 1).map(|y| lattice.index([0, y, z])));
                for &x in &xs {
                    let index = lattice.index([x, y, z]);
                    let seen = match row.zip(neighbour(x, 0)) {
                        None => UNKNOWN,
                        Some((row, x)) => scene.pass(row + x, sight[row + x]),
                    };
                    sight[index] = seen;
                    self.hits[index] += u8::from(seen <= reach);
                    self.known[index] += u8::from(seen != UNKNOWN);
                }
            }
        }
    }
}

/// The directions to the 26 neighbours of a cell.
fn directions() -> Vec<[i8; 3]> {
    (0..27i8).map(|n| [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1]).filter(|d| *d != [0; 3]).collect()
}
