//! Slices into cells of about 3 mm, before and after, as they come: what is kept of a volume.
//!
//! All sums are whole numbers: neither the order of slices nor the number of threads changes them.

use super::space::{SlicePlace, dot64};
use super::{FaceFault, Scale};

/// The side of a cell, mm: facial relief shows, noise does not.
const CELL_MM: f64 = 3.0;
/// Where cells must be larger, for a coarse or a long volume, they show no face beyond this.
pub(super) const CELL_MAX_MM: f64 = 4.5;
/// In larger ones nothing can be said of a head that is known, either, mm.
const CELL_COARSEST_MM: f64 = 12.0;
/// Memory is bounded: 16 bytes each.
const CELLS_MAX: usize = 6_000_000;
/// Cells a little larger than voxels, so that none between others is empty.
const LARGER_THAN_VOXEL: f64 = 1.02;
/// Into so many levels the range of values is cut; a cell of 32,000 samples still has a sum in 32 bits.
pub(super) const LEVELS: f32 = 65_536.0;
/// HU that count: metal must not outshine its cell.
const HU: (f64, f64) = (-1024.0, 3071.0);

/// Bone in cells of CT, HU: thin bone fills part of a cell.
pub(super) const BONE_HU: f64 = 150.0;

/// Orthogonal axes along rows, columns and normal of a volume's first slice, and the cells on them.
#[derive(Debug, Clone)]
pub(super) struct Lattice {
    /// The corner of the first cell, LPS mm.
    pub corner: [f64; 3],
    /// Unit vectors, LPS.
    pub axes: [[f64; 3]; 3],
    /// Side of a cell, mm.
    pub cell: f64,
    /// Cells along each axis; the first runs fastest in memory.
    pub size: [usize; 3],
}

impl Lattice {
    /// Encloses all slices.
    pub fn enclosing(places: &[SlicePlace]) -> Result<Self, FaceFault> {
        let first = places.first().ok_or(FaceFault::Slices { slices: 0 })?;
        let axes = [first.row, first.column, first.normal()];
        let corners = || places.iter().flat_map(SlicePlace::corners);
        let bound = |axis: [f64; 3]| {
            corners()
                .map(|p| dot64(p, axis))
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), t| (l.min(t), h.max(t)))
        };
        let bounds = axes.map(bound);
        let voxel =
            places.iter().map(|p| p.between_rows.max(p.between_columns)).fold(0.0, f64::max);
        let mut cell = CELL_MM.max(LARGER_THAN_VOXEL * voxel);
        let cells = |cell: f64| bounds.map(|(low, high)| ((high - low) / cell) as usize + 2);
        while cells(cell).iter().map(|&n| n as f64).product::<f64>() > CELLS_MAX as f64
            && cell <= CELL_COARSEST_MM
        {
            cell *= 1.05;
        }
        let fine = cell <= CELL_COARSEST_MM;
        if !fine {
            return Err(FaceFault::Coarse { cell_mm: cell as f32 });
        }
        // Half a cell beyond the first voxel's centre: voxels lie amid cells, not on their borders.
        let low = bounds.map(|(low, _)| low - cell / 2.0);
        let corner = std::array::from_fn(|a| (0..3).map(|k| low[k] * axes[k][a]).sum());
        Ok(Lattice { corner, axes, cell, size: cells(cell) })
    }

    /// Position in cells: whole numbers are borders.
    pub fn position(&self, point: [f64; 3]) -> [f64; 3] {
        let from: [f64; 3] = std::array::from_fn(|a| point[a] - self.corner[a]);
        self.axes.map(|axis| dot64(from, axis) / self.cell)
    }
}

/// What the samples of one cell add up to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cell {
    /// Sum of levels.
    pub before: i32,
    pub after: i32,
    pub samples: u32,
    /// Samples that changed.
    pub changed: u32,
}

impl Cell {
    fn add(&mut self, other: &Cell) {
        self.before = self.before.saturating_add(other.before);
        self.after = self.after.saturating_add(other.after);
        self.samples = self.samples.saturating_add(other.samples);
        self.changed = self.changed.saturating_add(other.changed);
    }
}

/// Real-world values as levels: the same for all slices of a volume, whatever their rescale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    low: f64,
    high: f64,
    /// MONOCHROME1 of arbitrary values: high is dark.
    mirrors: bool,
}

impl Levels {
    pub fn of(scale: Scale) -> Result<Self, FaceFault> {
        let (low, high, mirrors) = match scale {
            Scale::Hounsfield => (HU.0, HU.1, false),
            Scale::Arbitrary { low, high } => (f64::from(low), f64::from(high), true),
        };
        let valid = low.is_finite() && high.is_finite() && low < high;
        if valid { Ok(Levels { low, high, mirrors }) } else { Err(FaceFault::Scale) }
    }

    /// Level of a real-world value.
    pub fn level(&self, real: f64) -> f32 {
        ((real - self.low) / (self.high - self.low) * f64::from(LEVELS)) as f32
    }

    /// How far the levels of two neighbouring stored values lie apart.
    pub fn step(&self, slope: f64) -> f32 {
        (slope / (self.high - self.low) * f64::from(LEVELS)) as f32
    }
}

/// One slice's own numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Samples<'a> {
    pub before: &'a [i32],
    pub after: &'a [i32],
    pub slope: f64,
    pub intercept: f64,
    pub inverted: bool,
    pub fill: i32,
}

/// Slopes and intercepts beyond these are no rescale.
const RESCALE_MAX: f64 = 1e9;

impl Samples<'_> {
    pub fn require_valid(&self) -> Result<(), FaceFault> {
        let valid =
            self.slope > 0.0 && self.slope <= RESCALE_MAX && self.intercept.abs() <= RESCALE_MAX;
        if valid { Ok(()) } else { Err(FaceFault::Scale) }
    }

    /// Whether values turn round.
    fn mirrored(&self, levels: &Levels) -> bool {
        self.inverted && levels.mirrors
    }

    /// Level of a stored value.
    pub fn level(&self, stored: i32, levels: &Levels) -> f32 {
        let real = f64::from(stored) * self.slope + self.intercept;
        let level = levels.level(real);
        if self.mirrored(levels) { LEVELS - level } else { level }
    }

    /// The function that takes a stored value to the bin of its level.
    fn bins(&self, levels: &Levels) -> impl Fn(i32) -> usize + use<> {
        let per_bin = BINS as f64 / f64::from(LEVELS);
        let Rescaling { slope, intercept } = Rescaling::of(self, levels);
        let (slope, intercept) = (slope * per_bin, intercept * per_bin);
        // What lies beyond counts at the ends; casts saturate.
        move |stored| ((f64::from(stored) * slope + intercept) as usize).min(BINS - 1)
    }

    /// The stored values at the ends of the range: what lies beyond counts as these.
    fn storable(&self, levels: &Levels) -> (i32, i32) {
        let stored = |real: f64| (real - self.intercept) / self.slope;
        (stored(levels.low).ceil() as i32, stored(levels.high).floor() as i32)
    }
}

/// Bins of levels in which the values that were removed from one slice are counted: some for tissue, also where an
/// image uses a small part of the values that can be stored.
pub(super) const BINS: usize = 4096;

/// What is known of one slice at full resolution.
#[derive(Debug, Clone)]
pub(super) struct SliceCount {
    pub changed: usize,
    /// Level of the fill and of one step of stored values; only if something changed.
    pub fill: Option<(f32, f32)>,
    /// Values before, of what changed; empty if nothing did.
    pub removed: Vec<u32>,
}

/// A box of cells that one slice falls into.
pub(super) struct Patch {
    pub from: [usize; 3],
    pub size: [usize; 3],
    pub cells: Vec<Cell>,
}

impl Patch {
    /// Adds itself to the volume's cells.
    pub fn merge_into(&self, volume: &mut [Cell], lattice: &Lattice) {
        let [nx, ny, _] = lattice.size;
        for (row, cells) in self.cells.chunks_exact(self.size[0]).enumerate() {
            let (j, k) = (row % self.size[1] + self.from[1], row / self.size[1] + self.from[2]);
            let at = (k * ny + j) * nx + self.from[0];
            for (to, cell) in volume[at..at + self.size[0]].iter_mut().zip(cells) {
                to.add(cell);
            }
        }
    }
}

/// Sums one slice up; or says how many samples changed to another value than the fill.
pub(super) fn sum_up(
    place: &SlicePlace,
    samples: &Samples<'_>,
    lattice: &Lattice,
    levels: &Levels,
) -> Result<(Patch, SliceCount), usize> {
    let (from, size) = bounds(place, lattice);
    let mut stored = vec![StoredSum::default(); size.iter().product()];
    let mut count = SliceCount { changed: 0, fill: None, removed: Vec::new() };
    let steps = Steps::of(place, lattice);
    let mut columns = Columns::new(place.columns, samples.storable(levels));
    let mut stray = 0;
    let start_of = |row: usize| lattice.position(place.point(0.0, row as f64));
    let across = |start: [f64; 3]| [1, 2].map(|a| start[a].max(0.0) as usize);
    let mut row = 0;
    while row < place.rows {
        // Rows that lie in the same row of cells are added up first.
        let (first, start) = (row, start_of(row));
        let is_beside = |row| steps.straight && across(start_of(row)) == across(start);
        while row < place.rows && (row == first || is_beside(row)) && !columns.are_full() {
            let range = row * place.columns..(row + 1) * place.columns;
            let (before, after) = (&samples.before[range.clone()], &samples.after[range]);
            columns.add_before(before);
            if before != after {
                stray += count_changes(before, after, samples, levels, &mut count);
                columns.add_change(before, after);
            }
            row += 1;
        }
        // Within the box up to rounding at its border.
        let cell_of = |a: usize, column: usize| {
            let at = start[a] + steps.step[a] * column as f64;
            (at.max(0.0) as usize).saturating_sub(from[a]).min(size[a] - 1)
        };
        let beside = [cell_of(1, 0), cell_of(2, 0)];
        for run in &steps.runs {
            let i = cell_of(0, run.start);
            let [j, k] =
                if steps.straight { beside } else { [1, 2].map(|a| cell_of(a, run.start)) };
            columns.add_to(&mut stored[(k * size[1] + j) * size[0] + i], run);
        }
        columns.clear();
    }
    if stray > 0 {
        return Err(stray);
    }
    if count.changed > 0 {
        count.fill = Some((samples.level(samples.fill, levels), levels.step(samples.slope)));
    }
    let rescale = Rescaling::of(samples, levels);
    let cells = stored.iter().map(|cell| rescale.cell(cell)).collect();
    Ok((Patch { from, size, cells }, count))
}

/// Rows of a slice added up, column by column: how far their values lie above the least that counts.
struct Columns {
    /// The stored values at the ends of the range: what lies beyond counts as these.
    least: i32,
    most: i32,
    before: Vec<u32>,
    /// The same of rows that changed, and what became of them.
    was: Vec<u32>,
    is: Vec<u32>,
    /// How many samples changed.
    changed: Vec<u32>,
    rows: u32,
    /// Whether any of these rows changed.
    differ: bool,
}

impl Columns {
    fn new(count: usize, (least, most): (i32, i32)) -> Self {
        let sums = || vec![0; count];
        let (before, was, is, changed) = (sums(), sums(), sums(), sums());
        let most = most.max(least);
        Columns { least, most, before, was, is, changed, rows: 0, differ: false }
    }

    /// How far a stored value lies above the least, those beyond the range counting as its ends.
    fn above(&self) -> impl Fn(i32) -> u32 + use<> {
        let (least, most) = (self.least, self.most);
        // No wider than 32 bits, whatever the signs.
        move |value| value.max(least).min(most).wrapping_sub(least).cast_unsigned()
    }

    /// Whether a sum could pass 32 bits by another row.
    fn are_full(&self) -> bool {
        let span = i64::from(self.most) - i64::from(self.least);
        (i64::from(self.rows) + 1) * span > i64::from(u32::MAX)
    }

    fn add_before(&mut self, before: &[i32]) {
        let above = self.above();
        self.rows += 1;
        self.before.iter_mut().zip(before).for_each(|(sum, &b)| *sum += above(b));
    }

    /// Adds what became of a row that changed.
    fn add_change(&mut self, before: &[i32], after: &[i32]) {
        let above = self.above();
        self.differ = true;
        self.was.iter_mut().zip(before).for_each(|(sum, &b)| *sum += above(b));
        self.is.iter_mut().zip(after).for_each(|(sum, &a)| *sum += above(a));
        let both = before.iter().zip(after);
        self.changed.iter_mut().zip(both).for_each(|(count, (b, a))| *count += u32::from(b != a));
    }

    /// Adds what some columns sum up to.
    fn add_to(&self, cell: &mut StoredSum, columns: &std::ops::Range<usize>) {
        let sum = |sums: &[u32]| sums[columns.clone()].iter().copied().map(i64::from).sum::<i64>();
        let samples = self.rows * columns.len() as u32;
        let before = sum(&self.before) + i64::from(self.least) * i64::from(samples);
        cell.before += before;
        cell.after += before;
        cell.samples += samples;
        if self.differ {
            cell.after += sum(&self.is) - sum(&self.was);
            cell.changed += self.changed[columns.clone()].iter().sum::<u32>();
        }
    }

    fn clear(&mut self) {
        self.before.fill(0);
        if self.differ {
            for sums in [&mut self.was, &mut self.is, &mut self.changed] {
                sums.fill(0);
            }
        }
        (self.rows, self.differ) = (0, false);
    }
}

/// How the columns of a row fall into cells: the same for all rows of a slice.
struct Steps {
    /// From column to column, in cells.
    step: [f64; 3],
    /// Whether rows run along the lattice: all of a row lies in one row of cells.
    straight: bool,
    /// Columns of one cell: single ones where rows don't run along the lattice.
    runs: Vec<std::ops::Range<usize>>,
}

impl Steps {
    fn of(place: &SlicePlace, lattice: &Lattice) -> Self {
        let at = |column: f64, row: f64| lattice.position(place.point(column, row));
        let (start, next, down) = (at(0.0, 0.0), at(1.0, 0.0), at(0.0, 1.0));
        let step: [f64; 3] = std::array::from_fn(|a| next[a] - start[a]);
        let straight = (step[1].abs() + step[2].abs() + (down[0] - start[0]).abs())
            * (place.columns + place.rows) as f64
            <= STRAIGHT_CELLS;
        let cell = |column: usize| (start[0] + step[0] * column as f64).max(0.0) as usize;
        let mut runs = Vec::new();
        let mut first = 0;
        for column in 1..=place.columns {
            if column == place.columns || !straight || cell(column) != cell(first) {
                runs.push(first..column);
                first = column;
            }
        }
        Steps { step, straight, runs }
    }
}

/// Rows that leave the lattice's own direction by less than this are along it, cells.
const STRAIGHT_CELLS: f64 = 0.02;

/// Sums of stored values of one slice in one cell.
#[derive(Clone, Copy, Default)]
struct StoredSum {
    before: i64,
    after: i64,
    samples: u32,
    changed: u32,
}

/// Counts what changed in a row; how many changed to something else than the fill.
fn count_changes(
    before: &[i32],
    after: &[i32],
    samples: &Samples<'_>,
    levels: &Levels,
    count: &mut SliceCount,
) -> usize {
    let mut stray = 0;
    count.removed.resize(BINS, 0);
    let bin = samples.bins(levels);
    for (&before, &after) in before.iter().zip(after).filter(|(b, a)| b != a) {
        stray += usize::from(after != samples.fill);
        count.changed += 1;
        count.removed[bin(before)] += 1;
    }
    stray
}

/// The box of cells that a slice falls into: its first cell and its size.
fn bounds(place: &SlicePlace, lattice: &Lattice) -> ([usize; 3], [usize; 3]) {
    let corners = place.corners().map(|corner| {
        let at = lattice.position(corner);
        let cell = |a: usize| (at[a].max(0.0) as usize).min(lattice.size[a] - 1);
        [cell(0), cell(1), cell(2)]
    });
    let least: [usize; 3] =
        std::array::from_fn(|a| corners.iter().map(|c| c[a]).min().unwrap_or(0));
    let most: [usize; 3] = std::array::from_fn(|a| corners.iter().map(|c| c[a]).max().unwrap_or(0));
    (least, std::array::from_fn(|a| most[a] - least[a] + 1))
}

/// Stored values to sums of levels.
struct Rescaling {
    /// Levels per stored value, and the level of stored 0.
    slope: f64,
    intercept: f64,
}

impl Rescaling {
    fn of(samples: &Samples<'_>, levels: &Levels) -> Self {
        let intercept = f64::from(samples.level(0, levels));
        let step = f64::from(levels.step(samples.slope));
        Rescaling { slope: if samples.mirrored(levels) { -step } else { step }, intercept }
    }

    fn cell(&self, stored: &StoredSum) -> Cell {
        let levels = |sum: i64| {
            (self.slope * sum as f64 + self.intercept * f64::from(stored.samples)).round() as i32
        };
        Cell {
            before: levels(stored.before),
            after: levels(stored.after),
            samples: stored.samples,
            changed: stored.changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_32_bits_do_not_pass_what_a_sum_holds() {
        let place = SlicePlace {
            origin: [0.0; 3],
            row: [1.0, 0.0, 0.0],
            column: [0.0, 1.0, 0.0],
            between_rows: 0.5,
            between_columns: 0.5,
            rows: 30,
            columns: 30,
        };
        let lattice = Lattice::enclosing(&[place]).unwrap();
        let scale = Scale::Arbitrary { low: i32::MIN as f32, high: i32::MAX as f32 };
        let levels = Levels::of(scale).unwrap();
        let before = vec![i32::MAX; 900];
        let mut after = before.clone();
        after[450..].fill(i32::MIN);
        let samples = Samples {
            before: &before,
            after: &after,
            slope: 1.0,
            intercept: 0.0,
            inverted: false,
            fill: i32::MIN,
        };
        let (patch, count) = sum_up(&place, &samples, &lattice, &levels).unwrap();
        assert_eq!(count.changed, 450);
        for cell in patch.cells.iter().filter(|cell| cell.samples > 0) {
            let full = f64::from(LEVELS) * f64::from(cell.samples);
            let left = f64::from(LEVELS) * f64::from(cell.samples - cell.changed);
            assert!((f64::from(cell.before) - full).abs() <= 2.0, "{cell:?}");
            assert!((f64::from(cell.after) - left).abs() <= 2.0, "{cell:?}");
        }
    }
}
