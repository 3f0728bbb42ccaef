//! What of the volume is body, and its surface to the air around it.

use super::cells::{LEVELS, Levels};
use super::field::Field;
use super::space::Vector;
use super::{FaceFault, Scale};
use rayon::prelude::*;

/// Skin in CT: brighter cells are body, HU.
const SKIN_HU: f64 = -400.0;
/// Cells with more body than air among the 27 around them are body: noise is not.
const MAJORITY: usize = 14;
/// Skin lies this far up from air to the mean brightness at edges: low, where coils see little.
const OF_EDGES: f32 = 0.40;
/// This share of cells is darker than what counts as air.
const AIR_QUANTILE: f32 = 0.10;
/// A body has at least this many cells, about 0.3 L.
const CELLS_MIN: usize = 10_000;

/// Body and surface before, body after.
pub(super) struct Body {
    /// Level of skin.
    pub level: f32,
    pub before: Vec<bool>,
    pub after: Vec<bool>,
    /// Of the body before, mm of the field.
    pub middle: Vector,
    /// Air that hangs together with the outside, before.
    pub open: Vec<bool>,
    /// Layers of cells below the air around the head, before, 0 for this; `None` for what lies deep: so do a throat and
    /// a sinus, also where the field of view's border opens them.
    pub layers: Vec<Option<u8>>,
    /// Cells of the body beside open air within the field of view, before.
    pub surface: Vec<usize>,
}

impl Body {
    pub fn find(field: &Field, scale: Scale, levels: &Levels) -> Result<Self, FaceFault> {
        let level = skin_level(field, scale, levels);
        let before = largest(field, &majority(field, |i| field.before[i] > level));
        let after = majority(field, |i| field.after[i] > level);
        if before.iter().filter(|&&b| b).count() < CELLS_MIN {
            return Err(FaceFault::NoSkin);
        }
        let middle = field.middle((0..field.len()).filter(|&i| before[i]));
        let open = open_air(field, &before);
        let layers = field.layers_from(&outside(field, &before), DEEP);
        let surface = surface(field, &before, &open);
        Ok(Body { level, before, after, middle, open, layers, surface })
    }

    /// Cells of the body that are gone.
    pub fn removed(&self) -> Vec<bool> {
        self.before.iter().zip(&self.after).map(|(before, after)| *before && !after).collect()
    }
}

/// Cells of a body beside open air in view.
pub(super) fn surface(field: &Field, body: &[bool], open: &[bool]) -> Vec<usize> {
    let beside_air =
        |i: usize| field.beside(i).into_iter().flatten().any(|n| open[n] && field.inside[n]);
    (0..field.len()).filter(|&i| body[i] && beside_air(i)).collect()
}

/// Beyond so many layers below what is outside, darkness is neither skin's nor the skull's: 15 mm.
const DEEP: usize = 5;
/// From within a head, the body is met in at least so many of the six directions of the lattice.
const WITHIN: u8 = 5;

/// Cells that aren't body, and from which it is met in too few directions for a hollow of it.
fn outside(field: &Field, body: &[bool]) -> Vec<bool> {
    let [nx, ny, nz] = field.size;
    let mut met = vec![0u8; body.len()];
    for (step, n) in [(1, nx), (nx, ny), (nx * ny, nz)] {
        // Every line of cells along an axis, up and down: beyond its first cell of the body, that is met.
        for down in [false, true] {
            let mut seen = body.to_vec();
            for line in seen.chunks_mut(step * n) {
                let cells = step..line.len();
                if down {
                    cells.rev().for_each(|i| line[i - step] |= line[i]);
                } else {
                    cells.for_each(|i| line[i] |= line[i - step]);
                }
            }
            met.iter_mut().zip(seen).for_each(|(met, seen)| *met += u8::from(seen));
        }
    }
    body.iter().zip(met).map(|(&body, met)| !body && met < WITHIN).collect()
}

/// The level of skin.
pub(super) fn skin_level(field: &Field, scale: Scale, levels: &Levels) -> f32 {
    match scale {
        Scale::Hounsfield => levels.level(SKIN_HU),
        Scale::Arbitrary { .. } => level_at_edges(field),
    }
}

/// The brightness at which edges are strongest, seen from air (RATS: Kittler et al. 1985).
fn level_at_edges(field: &Field) -> f32 {
    let values = &field.before;
    let sums: Vec<(f64, f64)> = (0..field.len())
        .into_par_iter()
        .chunks(4096)
        .map(|chunk| {
            chunk.into_iter().filter(|&i| field.inside[i]).fold((0.0, 0.0), |(up, down), i| {
                let around = field.beside(i).into_iter().flatten().filter(|&n| field.inside[n]);
                let slope = around.map(|n| (values[n] - values[i]).abs()).fold(0.0, f32::max);
                (up + f64::from(slope * values[i]), down + f64::from(slope))
            })
        })
        .collect();
    let (up, down) = sums.into_iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
    let air = quantile(field, AIR_QUANTILE);
    air + OF_EDGES * ((up / down.max(1.0)) as f32 - air)
}

/// The level below which a share of the cells in view lies.
fn quantile(field: &Field, share: f32) -> f32 {
    const BINS: usize = 4096;
    let mut bins = vec![0usize; BINS];
    for (value, _) in field.before.iter().zip(&field.inside).filter(|(_, inside)| **inside) {
        bins[((value / LEVELS * BINS as f32).max(0.0) as usize).min(BINS - 1)] += 1;
    }
    let mut left = (share * bins.iter().sum::<usize>() as f32) as usize;
    let bin = bins.iter().position(|&n| {
        let here = left < n;
        left = left.saturating_sub(n);
        here
    });
    (bin.unwrap_or(0) as f32 + 0.5) / BINS as f32 * LEVELS
}

/// Cells that are so, and most of those around them.
pub(super) fn majority(field: &Field, is: impl Fn(usize) -> bool + Sync) -> Vec<bool> {
    let [nx, ny, nz] = field.size;
    let raw: Vec<u8> = (0..field.len()).into_par_iter().map(|i| u8::from(is(i))).collect();
    // Sums of three along each axis in turn; beyond the border lies what is at the border.
    let pass = |from: &[u8], step: usize, n: usize| -> Vec<u8> {
        (0..from.len())
            .into_par_iter()
            .map(|i| {
                let at = i / step % n;
                let down = if at > 0 { from[i - step] } else { from[i] };
                let up = if at + 1 < n { from[i + step] } else { from[i] };
                from[i] + down + up
            })
            .collect()
    };
    let sums = pass(&pass(&pass(&raw, 1, nx), nx, ny), nx * ny, nz);
    (0..field.len()).into_par_iter().map(|i| usize::from(sums[i]) >= MAJORITY).collect()
}

/// The largest piece, by neighbours at faces.
pub(super) fn largest(field: &Field, mask: &[bool]) -> Vec<bool> {
    let mut piece = vec![0u32; mask.len()];
    let (mut best, mut best_cells, mut number) = (0, 0, 0);
    let mut queue = Vec::new();
    for start in 0..mask.len() {
        if !mask[start] || piece[start] != 0 {
            continue;
        }
        number += 1;
        piece[start] = number;
        queue.push(start);
        let mut cells = 0;
        while let Some(cell) = queue.pop() {
            cells += 1;
            for next in field.beside(cell).into_iter().flatten() {
                if mask[next] && piece[next] == 0 {
                    piece[next] = number;
                    queue.push(next);
                }
            }
        }
        if cells > best_cells {
            (best, best_cells) = (number, cells);
        }
    }
    piece.into_iter().map(|p| p == best && best != 0).collect()
}

/// What isn't body and hangs together with the border of the box or of the field of view.
pub(super) fn open_air(field: &Field, body: &[bool]) -> Vec<bool> {
    let mut open = vec![false; body.len()];
    let mut queue: Vec<usize> = (0..body.len())
        .filter(|&i| !body[i])
        .filter(|&i| !field.inside[i] || field.beside(i).iter().any(Option::is_none))
        .collect();
    for &cell in &queue {
        open[cell] = true;
    }
    while let Some(cell) = queue.pop() {
        for next in field.beside(cell).into_iter().flatten() {
            if !body[next] && !open[next] {
                open[next] = true;
                queue.push(next);
            }
        }
    }
    open
}
