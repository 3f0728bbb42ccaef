//! What must be true of every slice at full resolution: one dark fill, and none left out.

use super::cells::{BINS, LEVELS, Levels, SliceCount};
use super::space::{SlicePlace, dot64};
use super::{FaceFault, Scale};

/// The fill of CT is air, HU at most.
const FILL_MAX_HU: f64 = -700.0;
/// Fills may differ by this many steps of stored values.
const FILL_STEPS: f32 = 1.01;
/// Slices from which so much tissue was removed count as defaced, mm2.
const LOT_MM2: f64 = 400.0;
/// A slice that lost less than this share of what one of so many slices on either side lost was left out.
const LEFT_OUT: f64 = 0.35;
const NEAR: usize = 2;
/// The first and the last slice of a volume have neighbours on one side only: less than this.
const END_LEFT_OUT: f64 = 0.05;

/// The fill is the same real-world value in all slices, and not as bright as skin.
pub(super) fn require_one_dark_fill(
    counts: &[SliceCount],
    scale: Scale,
    levels: &Levels,
    skin: f32,
) -> Result<(), FaceFault> {
    let darkest_allowed = match scale {
        Scale::Hounsfield => levels.level(FILL_MAX_HU),
        Scale::Arbitrary { .. } => skin,
    };
    let mut fills =
        counts.iter().enumerate().filter_map(|(slice, count)| count.fill.map(|f| (slice, f)));
    let Some((first, (level, step))) = fills.next() else { return Ok(()) };
    let dark = level <= darkest_allowed;
    if !dark {
        return Err(FaceFault::Fill { slice: first });
    }
    let differs = fills.find(|(_, (other, other_step))| {
        let same = (other - level).abs() <= FILL_STEPS * step.max(*other_step);
        !(same && *other <= darkest_allowed)
    });
    differs.map_or(Ok(()), |(slice, _)| Err(FaceFault::Fill { slice }))
}

/// No slice kept its face where the slices on both sides lost theirs.
pub(super) fn require_no_slice_left_out(
    counts: &[SliceCount],
    places: &[SlicePlace],
    skin: f32,
) -> Result<(), FaceFault> {
    let normal = places[0].normal();
    let mut slices: Vec<(usize, f64)> = counts
        .iter()
        .zip(places)
        .map(|(count, place)| {
            tissue_removed(count, skin) * place.between_rows * place.between_columns
        })
        .enumerate()
        .collect();
    slices.sort_by(|(a, _), (b, _)| {
        let along = |slice: usize| dot64(places[slice].origin, normal);
        along(*a).total_cmp(&along(*b))
    });
    let areas: Vec<f64> = slices.iter().map(|(_, area)| *area).collect();
    let untouched: Vec<bool> =
        slices.iter().map(|&(slice, _)| counts[slice].changed == 0).collect();
    let left_out = |n: usize| {
        let most = |range: std::ops::Range<usize>| areas[range].iter().copied().fold(0.0, f64::max);
        let (below, above) = (n.saturating_sub(NEAR)..n, n + 1..(n + 1 + NEAR).min(areas.len()));
        let beside = most(below).min(most(above));
        (beside >= LOT_MM2 && areas[n] < LEFT_OUT * beside)
            || between_defaced(&areas, &untouched, n)
            || at_end_left_out(&areas, n)
    };
    match (0..areas.len()).find(|&n| left_out(n)) {
        None => Ok(()),
        Some(n) => Err(FaceFault::SliceLeftOut { slice: slices[n].0 }),
    }
}

/// Whether a slice in which nothing changed, with others like it or alone, lies between two that lost much.
fn between_defaced(areas: &[f64], untouched: &[bool], n: usize) -> bool {
    let defaced = |next: Option<usize>| next.is_some_and(|next| areas[next] >= LOT_MM2);
    untouched[n]
        && defaced((0..n).rev().find(|&k| !untouched[k]))
        && defaced((n + 1..areas.len()).find(|&k| !untouched[k]))
}

/// Whether the first or last slice lost nothing, beside two that lost much.
fn at_end_left_out(areas: &[f64], n: usize) -> bool {
    let next = if n == 0 {
        areas.get(1).zip(areas.get(2))
    } else if n + 1 == areas.len() && n >= 2 {
        areas.get(n - 1).zip(areas.get(n - 2))
    } else {
        None
    };
    next.is_some_and(|(a, b)| a.min(*b) >= LOT_MM2 && areas[n] < END_LEFT_OUT * a.min(*b))
}

/// Samples that were brighter than skin and are gone.
fn tissue_removed(count: &SliceCount, skin: f32) -> f64 {
    let first = (skin / LEVELS * BINS as f32) as usize + 1;
    count.removed.iter().skip(first).map(|&samples| f64::from(samples)).sum()
}
