//! What is removed from each slice, voxel by voxel.

use super::check::Check;
use super::grid::{Cuts, Grid, Lattice, Point, SampleRow};
use super::head::{Anatomy, Head, Original};
use super::intensity::{Contrast, Rescale};
use super::pose::Frame;
use super::refusal::Refusal;
use super::stack::Stack;
use super::survey::CELL_MM;
use super::template::TEMPLATE;
use super::zones::{self, Depths, Margins};
use rayon::prelude::*;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

/// How much goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything by which a face could be known or rebuilt: soft tissue and bone.
    Strict,
    /// Skin and soft tissue; bone and teeth stay, from which a face can be approximated. CT only.
    KeepFacialBones,
}

/// The removal region in a series: a field sampled at every voxel, positive where it is removed.
#[derive(Debug)]
pub struct Region {
    pub(super) anatomy: Arc<Anatomy>,
    pub(super) stack: Stack,
    /// The series before, if the head was found in it.
    pub(super) original: Option<Original>,
    level: Level,
    contrast: Contrast,
    /// Real-world value with which the region is filled.
    air: f32,
    /// Depth in the region at each node, in about mm.
    pub(super) field: Grid<f32>,
    /// Per cell (by its lower corner): removed, kept, or crossed by the region's border.
    cells: Grid<Content>,
}

/// Bone and teeth, HU.
const BONE_HU: f32 = 200.0;

/// What becomes of the stored values of a slice in the region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// The stored value that is put in.
    pub fill: i32,
    /// Stored values from here on stay: bone, where bone is to stay.
    pub keep_from: Option<i32>,
}

impl Edit {
    fn keeps(self, stored: i32) -> bool {
        self.keep_from.is_some_and(|from| stored >= from)
    }

    /// Stored values with the fill in place of whatever may stay as bone.
    pub(super) fn without_bone(self, samples: &[i32]) -> Vec<i32> {
        samples.iter().map(|&s| if self.keeps(s) { self.fill } else { s }).collect()
    }
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
    /// Voxels in the region that now hold the fill value.
    pub removed: usize,
    /// What was done in the region.
    pub edit: Edit,
    /// Of the voxels that stay, as they were before.
    pub(super) kept: Fingerprint,
}

impl Region {
    pub(super) fn of_head(head: Head, level: Level) -> Result<Self, Refusal> {
        let Head { anatomy, original } = head;
        let lattice = original.volume.value.lattice;
        let air = original.volume.air(&original.outline);
        let stack = original.stack.clone();
        let mut region =
            Region::on(anatomy, stack, lattice, level, original.volume.contrast, air, 0.0)?;
        region.original = Some(original);
        Ok(region)
    }

    /// The region of a head in another series of its frame of reference: any planes, also such that are no
    /// volume ([`Stack::loose`]).
    ///
    /// `air` is the real-world value to fill with, [`super::Volume::air`] of that series. The region is
    /// larger by `grown_mm`: patients move between series. The margin to the brain stays.
    ///
    /// # Errors
    /// As [`Head::region`].
    pub fn carried(
        anatomy: &Arc<Anatomy>,
        stack: Stack,
        level: Level,
        contrast: Contrast,
        air: f32,
        grown_mm: f32,
    ) -> Result<Self, Refusal> {
        let lattice = stack.lattice(CELL_MM);
        Region::on(Arc::clone(anatomy), stack, lattice, level, contrast, air, grown_mm)
    }

    fn on(
        anatomy: Arc<Anatomy>,
        stack: Stack,
        lattice: Lattice,
        level: Level,
        contrast: Contrast,
        air: f32,
        grown_mm: f32,
    ) -> Result<Self, Refusal> {
        if level == Level::KeepFacialBones && !contrast.is_hounsfield() {
            return Err(Refusal::BonesNotSeen);
        }
        let field = anatomy.removal_field(lattice, grown_mm);
        let least = anatomy.margins().least;
        let touching = (0..lattice.nodes())
            .filter(|&i| field.data[i] > 0.0)
            .filter(|&i| anatomy.to_brain(lattice.point(lattice.node(i))) < least)
            .count();
        if touching > 0 {
            return Err(Refusal::BrainTouched { cells: touching });
        }
        let cells = Grid::from_fn(lattice, |i| content(&field, lattice.node(i)));
        Ok(Region { anatomy, stack, original: None, level, contrast, air, field, cells })
    }

    /// How much of the face goes.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Where the head is.
    pub fn anatomy(&self) -> &Arc<Anatomy> {
        &self.anatomy
    }

    /// The real-world value that is put in: air, or the background of the image.
    pub fn air(&self) -> f32 {
        self.air
    }

    /// What becomes of the stored values of a slice. `inverted` as in [`super::Slice`]; `storable`: Bits
    /// Stored, signed or not.
    pub fn edit(&self, rescale: Rescale, inverted: bool, storable: RangeInclusive<i32>) -> Edit {
        let bone = || rescale.stored(BONE_HU, storable.clone());
        let air = self.contrast.as_stored(self.air, inverted);
        Edit {
            fill: rescale.stored(air, storable.clone()),
            keep_from: (self.level == Level::KeepFacialBones).then(bone),
        }
    }

    /// Whether a point of the patient (RAS mm) is removed.
    pub fn contains(&self, point: Point) -> bool {
        self.field.sample(point) > 0.0
    }

    /// Whether anything of slice `index` lies in the region.
    pub fn touches(&self, index: usize) -> bool {
        let Some(plane) = self.stack.planes().get(index) else { return false };
        let touched = |cuts: &mut Cuts, row: usize| {
            let mut any = false;
            self.divide(index, row, cuts, |range, removed| any |= removed && !range.is_empty());
            any
        };
        (0..plane.rows()).into_par_iter().map_init(Cuts::default, touched).any(|touched| touched)
    }

    /// Puts the fill value into every voxel of slice `index` that lies in the region; no other voxel
    /// changes.
    ///
    /// `samples` are the stored values as in [`super::Slice`]; `edit` is [`Region::edit`] for that slice.
    /// Slices may come in any order, and from any thread.
    ///
    /// # Errors
    /// [`Refusal::SliceBookkeeping`] or [`Refusal::SampleCount`] if it isn't a slice of this volume.
    pub fn apply(
        &self,
        index: usize,
        samples: &mut [i32],
        edit: Edit,
    ) -> Result<SliceChange, Refusal> {
        let columns = self.require_slice(index, samples.len())?;
        let rows = samples.par_chunks_mut(columns).with_min_len(32).enumerate().map_init(
            Cuts::default,
            |cuts, (row, samples)| {
                let mut count = Tally::default();
                self.divide(index, row, cuts, |range, removed| {
                    let first = row * columns + range.start;
                    let samples = &mut samples[range];
                    if !removed {
                        count.kept.add(first, samples);
                    } else if edit.keep_from.is_none() {
                        count.removed += samples.len();
                        samples.fill(edit.fill);
                    } else {
                        for (offset, sample) in samples.iter_mut().enumerate() {
                            if edit.keeps(*sample) {
                                count.kept.add(first + offset, &[*sample]);
                            } else {
                                count.removed += 1;
                                *sample = edit.fill;
                            }
                        }
                    }
                });
                count
            },
        );
        let Tally { removed, kept, .. } = rows.reduce(Tally::default, Tally::plus);
        Ok(SliceChange { slice: index, removed, edit, kept })
    }

    /// The check of what [`Region::apply`] led to.
    pub fn check(&self) -> Result<Check<'_>, Refusal> {
        Check::new(self)
    }

    /// Compares a slice of the output with the region: everything in it filled, all else unchanged.
    pub(super) fn verify(&self, change: &SliceChange, samples: &[i32]) -> Result<(), Refusal> {
        let (slice, edit) = (change.slice, change.edit);
        let columns = self.require_slice(slice, samples.len())?;
        let rows = samples.par_chunks(columns).with_min_len(32).enumerate().map_init(
            Cuts::default,
            |cuts, (row, samples)| {
                let mut count = Tally::default();
                self.divide(slice, row, cuts, |range, removed| {
                    let first = row * columns + range.start;
                    if !removed {
                        return count.kept.add(first, &samples[range]);
                    }
                    for (offset, &sample) in samples[range].iter().enumerate() {
                        if edit.keeps(sample) {
                            count.kept.add(first + offset, &[sample]);
                        } else if sample == edit.fill {
                            count.removed += 1;
                        } else {
                            count.unfilled += 1;
                        }
                    }
                });
                count
            },
        );
        let Tally { removed, unfilled, kept } = rows.reduce(Tally::default, Tally::plus);
        if unfilled > 0 || removed != change.removed {
            return Err(Refusal::RegionNotFilled { slice, voxels: unfilled });
        }
        if kept != change.kept {
            return Err(Refusal::ChangedOutside { slice });
        }
        Ok(())
    }

    /// Columns of slice `index`, if `samples` is the number of its voxels.
    fn require_slice(&self, index: usize, samples: usize) -> Result<usize, Refusal> {
        let planes = self.stack.planes();
        let plane = planes.get(index).ok_or(Refusal::SliceBookkeeping { slice: index })?;
        if samples != plane.len() {
            return Err(Refusal::SampleCount { slice: index, expected: plane.len(), got: samples });
        }
        Ok(plane.columns())
    }

    /// Cuts a row of a slice into ranges that are removed (true) or kept. `cuts`: those of the row before.
    fn divide(
        &self,
        slice: usize,
        row: usize,
        cuts: &mut Cuts,
        mut part: impl FnMut(Range<usize>, bool),
    ) {
        let lattice = &self.field.lattice;
        let row = SampleRow::of(&self.stack.planes()[slice], row, lattice);
        // Neighbours of one kind are one range.
        let mut open: Option<(Range<usize>, bool)> = None;
        let mut add = |range: Range<usize>, removed: bool| match &mut open {
            Some((before, kind)) if *kind == removed => before.end = range.end,
            _ => {
                if let Some((range, removed)) = open.replace((range, removed)) {
                    part(range, removed);
                }
            }
        };
        for run in cuts.of(row, lattice.size.map(|n| n - 1)) {
            match self.cells.data[lattice.index(run.cell)] {
                Content::Kept => add(run.first..run.end, false),
                Content::Removed => add(run.first..run.end, true),
                Content::Border => {
                    for i in run.first..run.end {
                        add(i..i + 1, self.field.interpolate(row.at(i)) > 0.0);
                    }
                }
            }
        }
        if let Some((range, removed)) = open {
            part(range, removed);
        }
    }
}

impl Anatomy {
    /// The head's frame of reference in the patient.
    pub(crate) fn frame(&self) -> Frame {
        self.frame
    }

    /// How deep each node of a lattice lies in what is removed, in about mm.
    pub(super) fn removal_field(&self, lattice: Lattice, grown_mm: f32) -> Grid<f32> {
        Grid::from_fn(lattice, |i| self.removal_depth(lattice.point(lattice.node(i)), grown_mm))
    }

    /// How deep a point lies in what is removed, in about mm.
    fn removal_depth(&self, at: Point, grown_mm: f32) -> f32 {
        let depths = Depths { brain: self.to_brain(at), skin: self.skin.sample(at) };
        zones::removal_depth(self.frame.to_template(at), depths, self.margins(), grown_mm)
    }

    /// Whether a point of the patient (RAS mm) is removed where the region is larger by `grown_mm`.
    pub fn removes(&self, at: Point, grown_mm: f32) -> bool {
        self.removal_depth(at, grown_mm) > 0.0
    }

    /// What is kept off the brain, whose border is known so or so well.
    pub(super) fn margins(&self) -> &'static Margins {
        if self.in_bone { &Margins::IN_BONE } else { &Margins::IN_MR }
    }

    /// Signed distance of a point to the brain, mm. Beyond the series in which the head was found it is that
    /// to the template's.
    pub(crate) fn to_brain(&self, at: Point) -> f32 {
        self.brain.sample_inside(at).unwrap_or_else(|| {
            let template = &TEMPLATE.endocranium.distance;
            template.sample(self.frame.to_template(at)) * self.frame.mean_scale()
        })
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
    unfilled: usize,
    kept: Fingerprint,
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Tally {
            removed: self.removed + other.removed,
            unfilled: self.unfilled + other.unfilled,
            kept: self.kept.plus(other.kept),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_filter_moves_between_neighbours_changes_the_fingerprint() {
        let of = |first: usize, samples: &[i32]| {
            let mut fingerprint = Fingerprint::default();
            fingerprint.add(first, samples);
            fingerprint
        };
        for first in 0..100_000 {
            let before = of(first, &[100, 100, 100]);
            for after in [[101, 98, 101], [99, 102, 99], [101, 99, 100], [100, 100, 101]] {
                assert_ne!(before, of(first, &after), "{after:?} from place {first} on");
            }
        }
    }
}
