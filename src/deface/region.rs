//! What is removed from each slice, voxel by voxel.

use super::check::Check;
use super::grid::{Grid, Point, SampleRow};
use super::head::Head;
use super::refusal::Refusal;
use super::zones::{self, BRAIN_MARGIN_MIN, Depths};
use rayon::prelude::*;
use std::ops::Range;

/// The removal region of a head: a field sampled at every voxel, positive where it is removed.
#[derive(Debug)]
pub struct Region {
    pub(super) head: Head,
    /// Depth in the region at each node, in about mm.
    field: Grid<f32>,
    /// Per cell (by its lower corner): removed, kept, or crossed by the region's border.
    cells: Grid<Content>,
}

/// Where a cell of the field lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Kept,
    Removed,
    Border,
}

/// What [`Region::apply`] did to a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceChange {
    /// Position of the slice in the survey's list.
    pub slice: usize,
    /// Voxels in the region; all of them now hold `fill`.
    pub removed: usize,
    /// The stored value in the region.
    pub fill: i32,
    /// Of the voxels outside the region, as they were before.
    pub(super) kept: Fingerprint,
}

impl Region {
    pub(super) fn new(head: Head) -> Result<Self, Refusal> {
        let lattice = head.volume.hu.lattice;
        let field = Grid::from_fn(lattice, |i| {
            let mni = head.frame.to_template(lattice.point(lattice.node(i)));
            zones::removal_depth(mni, Depths { brain: head.brain.data[i], skin: head.skin.data[i] })
        });
        let touching = (0..lattice.nodes())
            .filter(|&i| field.data[i] > 0.0 && head.brain.data[i] < BRAIN_MARGIN_MIN)
            .count();
        if touching > 0 {
            return Err(Refusal::BrainTouched { cells: touching });
        }
        let cells = Grid::from_fn(lattice, |i| content(&field, lattice.node(i)));
        Ok(Region { head, field, cells })
    }

    /// The head that the region belongs to.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Whether a point of the patient (RAS mm) is removed.
    pub fn contains(&self, point: Point) -> bool {
        self.field.sample(point) > 0.0
    }

    /// Puts `fill` into every voxel of slice `index` that lies in the region; no other voxel changes.
    ///
    /// `samples` are the stored values as in [`super::CtSlice`]; `fill` is best
    /// [`super::Rescale::stored_air`] of that slice. Slices may come in any order, and from any thread.
    ///
    /// # Errors
    /// [`Refusal::SliceBookkeeping`] or [`Refusal::SampleCount`] if it isn't a slice of this volume.
    pub fn apply(
        &self,
        index: usize,
        samples: &mut [i32],
        fill: i32,
    ) -> Result<SliceChange, Refusal> {
        let columns = self.require_slice(index, samples.len())?;
        let rows =
            samples.par_chunks_mut(columns).with_min_len(32).enumerate().map(|(row, samples)| {
                let mut count = Tally::default();
                self.divide(index, row, |range, removed| {
                    if removed {
                        count.removed += range.len();
                        samples[range].fill(fill);
                    } else {
                        count.kept.add(row * columns + range.start, &samples[range]);
                    }
                });
                count
            });
        let Tally { removed, kept } = rows.reduce(Tally::default, Tally::plus);
        Ok(SliceChange { slice: index, removed, fill, kept })
    }

    /// The check of what [`Region::apply`] led to.
    pub fn check(&self) -> Result<Check<'_>, Refusal> {
        Check::new(self)
    }

    /// Compares a slice of the output with the region: everything in it filled, all else unchanged.
    pub(super) fn verify(&self, change: &SliceChange, samples: &[i32]) -> Result<(), Refusal> {
        let slice = change.slice;
        let columns = self.require_slice(slice, samples.len())?;
        let rows =
            samples.par_chunks(columns).with_min_len(32).enumerate().map(|(row, samples)| {
                let mut count = Tally::default();
                self.divide(slice, row, |range, removed| {
                    if removed {
                        count.removed +=
                            samples[range].iter().filter(|&&s| s != change.fill).count();
                    } else {
                        count.kept.add(row * columns + range.start, &samples[range]);
                    }
                });
                count
            });
        let Tally { removed: unfilled, kept } = rows.reduce(Tally::default, Tally::plus);
        if unfilled > 0 {
            return Err(Refusal::RegionNotFilled { slice, voxels: unfilled });
        }
        if kept != change.kept {
            return Err(Refusal::ChangedOutside { slice });
        }
        Ok(())
    }

    /// Columns of slice `index`, if `samples` is the number of its voxels.
    fn require_slice(&self, index: usize, samples: usize) -> Result<usize, Refusal> {
        let planes = self.head.stack.planes();
        let plane = planes.get(index).ok_or(Refusal::SliceBookkeeping { slice: index })?;
        if samples != plane.len() {
            return Err(Refusal::SampleCount { slice: index, expected: plane.len(), got: samples });
        }
        Ok(plane.columns())
    }

    /// Cuts a row of a slice into ranges that are removed (true) or kept.
    fn divide(&self, slice: usize, row: usize, mut part: impl FnMut(Range<usize>, bool)) {
        let lattice = &self.field.lattice;
        let row = SampleRow::of(&self.head.stack.planes()[slice], row, lattice);
        for run in row.runs(lattice.size.map(|n| n - 1)) {
            match self.cells.data[lattice.index(run.cell)] {
                Content::Kept => part(run.first..run.end, false),
                Content::Removed => part(run.first..run.end, true),
                Content::Border => {
                    for i in run.first..run.end {
                        part(i..i + 1, self.field.interpolate(row.at(i)) > 0.0);
                    }
                }
            }
        }
    }
}

/// Where the cell above a node lies, by its eight corners. Cells of the last layers don't exist.
fn content(field: &Grid<f32>, node: [usize; 3]) -> Content {
    let lattice = &field.lattice;
    if (0..3).any(|k| node[k] + 1 >= lattice.size[k]) {
        return Content::Border;
    }
    let [sx, sy, sz] = lattice.strides();
    let corner = lattice.index(node);
    let removed = [0, sx, sy, sx + sy, sz, sz + sx, sz + sy, sz + sx + sy]
        .into_iter()
        .filter(|offset| field.data[corner + offset] > 0.0)
        .count();
    match removed {
        0 => Content::Kept,
        8 => Content::Removed,
        _ => Content::Border,
    }
}

/// Counts of one row or slice.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    removed: usize,
    kept: Fingerprint,
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Tally { removed: self.removed + other.removed, kept: self.kept.plus(other.kept) }
    }
}

/// A sum over voxels that depends on the place and value of each; any order gives the same.
///
/// It finds mistakes, not malice: what it guards never leaves this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    fn add(&mut self, first: usize, samples: &[i32]) {
        for (offset, &sample) in samples.iter().enumerate() {
            let place = ((first + offset) as u64) << 32 | u64::from(sample.cast_unsigned());
            let mixed = (place ^ place >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = self.0.wrapping_add(mixed ^ mixed >> 29);
        }
    }

    fn plus(self, other: Self) -> Self {
        Fingerprint(self.0.wrapping_add(other.0))
    }
}
