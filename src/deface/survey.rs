//! First pass over a series: the volume's mean values on a coarse grid in the patient.
//!
//! One slice is held at a time, and slices may come in any order and from several threads: cells
//! are sums of whole numbers, so the result is the same to the bit.

use super::air;
use super::grid::{Cuts, Grid, Lattice, Mask, SampleRow, ras, subdivision};
use super::histogram::Histogram;
use super::intensity::{Contrast, Levelling, Scale, Slice};
use super::refusal::Refusal;
use super::skin::Outline;
use super::stack::Stack;
use crate::dicom::plane::ImagePlane;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Cell size of the grid on which heads are found, in mm.
pub const CELL_MM: f32 = 3.0;
/// Samples farther apart than this are interpolated, so that no cell of 3 mm stays empty.
const SAMPLE_STEP_MM: f64 = 1.5;
/// The largest volume taken, per axis: a whole body on a table.
const EXTENT_MAX_MM: f64 = 2500.0;
/// Below this it is air, in HU.
const AIR_BELOW_HU: f32 = -800.0;
/// A CT of a patient has at least this share of air.
const AIR_FRACTION_MIN: f32 = 0.003;
/// Rows of a slice that one thread adds at a time.
const BAND_ROWS: usize = 64;
/// Weight of a sample at its own place; interpolated layers get a part of it.
const FULL_WEIGHT: u64 = 16;

/// The volume of a series on a coarse grid.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Mean real-world value of each cell; the lowest of them where nothing was measured.
    pub value: Grid<f32>,
    /// Cells in the field of view.
    pub inside: Mask,
    /// What the values are.
    pub contrast: Contrast,
}

/// Collects the slices of one series.
#[derive(Debug)]
pub struct Survey {
    stack: Stack,
    lattice: Lattice,
    contrast: Contrast,
    scale: Scale,
    /// Sum of weight x level in the lower 40 bits, sum of weights in the upper 24.
    cells: Vec<AtomicU64>,
    seen: Vec<AtomicBool>,
}

impl Survey {
    /// A survey of the volume that `planes` sample, on the grid of [`CELL_MM`].
    ///
    /// # Errors
    /// A [`Refusal`] if the planes aren't one volume: see [`Stack::new`].
    pub fn new(planes: &[ImagePlane], contrast: Contrast) -> Result<Self, Refusal> {
        Survey::with_cell(planes, contrast, CELL_MM)
    }

    /// The same with another cell size in mm, for rendering. Finding heads needs [`CELL_MM`].
    ///
    /// # Errors
    /// As [`Survey::new`].
    pub fn with_cell(
        planes: &[ImagePlane],
        contrast: Contrast,
        cell_mm: f32,
    ) -> Result<Self, Refusal> {
        let scale = contrast.scale()?;
        let stack = Stack::new(planes)?;
        let lattice = stack.lattice(cell_mm);
        let extent = lattice.size.iter().max().map_or(0.0, |&n| n as f64 * f64::from(cell_mm));
        if extent > EXTENT_MAX_MM {
            return Err(Refusal::TooLarge { limit_mm: EXTENT_MAX_MM });
        }
        let cells = (0..lattice.nodes()).map(|_| AtomicU64::new(0)).collect();
        let seen = planes.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Survey { stack, lattice, contrast, scale, cells, seen })
    }

    /// The planes, in the order in which they were given.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Adds slice `index` of the planes given to [`Survey::new`]. In any order, from any thread.
    ///
    /// # Errors
    /// [`Refusal::SampleCount`], or [`Refusal::SliceBookkeeping`] for a slice that came before.
    pub fn add(&self, index: usize, slice: &Slice<'_>) -> Result<(), Refusal> {
        let plane =
            self.stack.planes().get(index).ok_or(Refusal::SliceBookkeeping { slice: index })?;
        let (expected, got) = (plane.len(), slice.samples.len());
        if got != expected {
            return Err(Refusal::SampleCount { slice: index, expected, got });
        }
        if self.seen[index].swap(true, Ordering::Relaxed) {
            return Err(Refusal::SliceBookkeeping { slice: index });
        }
        let layers = self.layers(index);
        let bands = plane.rows().div_ceil(BAND_ROWS);
        (0..bands).into_par_iter().for_each(|band| {
            let rows = band * BAND_ROWS..plane.rows().min((band + 1) * BAND_ROWS);
            self.add_rows(plane, &layers, slice, rows);
        });
        Ok(())
    }

    /// Adds rows of a slice. Those that fall into the same cells are added up first, column by column.
    fn add_rows(
        &self,
        plane: &ImagePlane,
        layers: &[Layer],
        slice: &Slice<'_>,
        rows: Range<usize>,
    ) {
        let repeat = Repeat::of(plane);
        let mut cuts = vec![Cuts::default(); layers.len()];
        let levelling = self.scale.levelling(slice);
        let mut columns = Columns::new(plane.columns() * repeat.columns, levelling);
        for row in rows {
            let samples = &slice.samples[row * plane.columns()..][..plane.columns()];
            for part in 0..repeat.rows {
                let height = row as f64 + subdivision(part, repeat.rows);
                let place = SampleRow::repeated(plane, height, repeat.columns, &self.lattice);
                // A sample belongs to the nearest node: half a cell further, that is the cell's corner.
                let at = |layer: &Layer| place.shifted(layer.shift).shifted([0.5; 3]);
                let mut held = layers.iter().zip(&cuts);
                let same = held.all(|(layer, cuts)| cuts.hold(&at(layer), self.lattice.size));
                if columns.are_full() || !same {
                    self.accumulate(layers, &cuts, &mut columns);
                }
                for (layer, cuts) in layers.iter().zip(&mut cuts) {
                    cuts.of(at(layer), self.lattice.size);
                }
                columns.add(slice, samples, repeat.columns);
            }
        }
        self.accumulate(layers, &cuts, &mut columns);
    }

    /// Adds the columns to the cells in which they lie, and empties them.
    fn accumulate(&self, layers: &[Layer], cuts: &[Cuts], columns: &mut Columns) {
        for (layer, cuts) in layers.iter().zip(cuts) {
            for run in cuts.runs() {
                let cell = columns.cell(run.first..run.end, layer.weight);
                self.cells[self.lattice.index(run.cell)].fetch_add(cell.pack(), Ordering::Relaxed);
            }
        }
        columns.clear();
    }

    /// The means of all cells.
    ///
    /// # Errors
    /// [`Refusal::SliceBookkeeping`] if a slice is missing.
    pub fn volume(&self) -> Result<Volume, Refusal> {
        if let Some(slice) = self.seen.iter().position(|s| !s.load(Ordering::Relaxed)) {
            return Err(Refusal::SliceBookkeeping { slice });
        }
        let mean = |i: usize| Cell::unpack(self.cells[i].load(Ordering::Relaxed)).mean();
        // Not the lowest that could be stored: beside 16-bit values that is as far away as a wall of metal.
        let lowest = (0..self.cells.len())
            .into_par_iter()
            .filter_map(mean)
            .reduce(|| f32::INFINITY, f32::min);
        let unmeasured = if lowest.is_finite() { lowest } else { 0.0 };
        let value = Grid::from_fn(self.lattice, |i| self.scale.real(mean(i).unwrap_or(unmeasured)));
        let inside = Grid::from_fn(self.lattice, |i| mean(i).is_some());
        Ok(Volume { value, inside, contrast: self.contrast })
    }

    /// Where else a slice counts: thick slices are interpolated linearly towards their neighbours.
    fn layers(&self, index: usize) -> Vec<Layer> {
        let mut layers = vec![Layer { shift: [0.0; 3], weight: FULL_WEIGHT }];
        for step in self.stack.steps(index) {
            let length = step.iter().map(|c| c * c).sum::<f64>().sqrt();
            let parts = (length / SAMPLE_STEP_MM).ceil() as u64;
            for part in 1..parts {
                let share = part as f64 / parts as f64;
                layers.push(Layer {
                    shift: ras(step.map(|c| c * share)).map(|c| c / self.lattice.spacing),
                    weight: FULL_WEIGHT * (parts - part) / parts,
                });
            }
        }
        layers
    }
}

impl Volume {
    /// The real-world value of air: that of HU, or the background of an image in arbitrary units.
    pub fn air(&self, outline: &Outline) -> f32 {
        self.contrast.air().unwrap_or_else(|| {
            let dark = (0..self.value.data.len())
                .filter(|&i| self.inside.data[i] && self.value.data[i] < outline.level)
                .map(|i| self.value.data[i]);
            air::background(&Histogram::of(dark), outline.level)
        })
    }

    /// The lowest value of any cell: what is cut out holds it.
    pub(super) fn lowest(&self) -> f32 {
        self.value.data.iter().copied().fold(f32::INFINITY, f32::min)
    }

    /// Refuses what can't be a CT of a patient in HU.
    pub(super) fn require_hounsfield(&self) -> Result<(), Refusal> {
        let inside = self.inside.count();
        let air = (0..self.value.data.len())
            .filter(|&i| self.inside.data[i] && self.value.data[i] < AIR_BELOW_HU)
            .count();
        let air_fraction = air as f32 / inside.max(1) as f32;
        if air_fraction < AIR_FRACTION_MIN {
            return Err(Refusal::NotHounsfield { air_fraction });
        }
        Ok(())
    }
}

/// A place where a slice's samples count, in lattice coordinates from their own.
struct Layer {
    shift: [f32; 3],
    weight: u64,
}

/// How often a sample is repeated within its voxel, so that large voxels reach all their cells.
#[derive(Debug, Clone, Copy)]
struct Repeat {
    rows: usize,
    columns: usize,
}

impl Repeat {
    fn of(plane: &ImagePlane) -> Self {
        let times = |spacing: f64| (spacing / SAMPLE_STEP_MM).ceil() as usize;
        Repeat {
            rows: times(plane.spacing().between_rows),
            columns: times(plane.spacing().between_columns),
        }
    }
}

/// Weighted sum of levels and sum of the weights.
///
/// Cells of 3 mm hold at most 60^3 voxels of 0.05 mm: 216000 x 16 weights fit 24 bits,
/// and times 65535 40 bits.
#[derive(Clone, Copy)]
struct Cell {
    sum: u64,
    weight: u64,
}

impl Cell {
    fn pack(self) -> u64 {
        self.sum | self.weight << 40
    }

    fn unpack(packed: u64) -> Self {
        Cell { sum: packed & ((1 << 40) - 1), weight: packed >> 40 }
    }

    fn mean(self) -> Option<f32> {
        (self.weight > 0).then(|| (self.sum as f64 / self.weight as f64) as f32)
    }
}

/// Rows of samples added up, column by column.
struct Columns {
    levelling: Levelling,
    /// Sums of how far stored values lie above the least.
    above: Vec<u32>,
    /// How many were added up at most.
    addends: u32,
    /// Samples in the field of view, where a padding value says which are.
    inside: Vec<u32>,
    /// Rows of which every sample is.
    rows: u32,
}

impl Columns {
    fn new(count: usize, levelling: Levelling) -> Self {
        let sums = || vec![0; count];
        Columns { levelling, above: sums(), addends: 0, inside: sums(), rows: 0 }
    }

    /// Adds a row, each sample `repeat` times.
    fn add(&mut self, slice: &Slice<'_>, samples: &[i32], repeat: usize) {
        let levelling = self.levelling;
        self.addends += 1;
        if slice.padding.is_none() && repeat == 1 {
            self.rows += 1;
            let sums = self.above.iter_mut().zip(samples);
            return sums.for_each(|(sum, &sample)| *sum += levelling.above(sample));
        }
        let outside = |sample: &i32| slice.padding.as_ref().is_some_and(|p| p.contains(sample));
        for (n, sample) in samples.iter().enumerate().filter(|(_, sample)| !outside(sample)) {
            for column in n * repeat..(n + 1) * repeat {
                self.above[column] += levelling.above(*sample);
                self.inside[column] += 1;
            }
        }
    }

    fn cell(&self, columns: Range<usize>, weight: u64) -> Cell {
        let inside = self.inside[columns.clone()].iter().sum::<u32>();
        let samples = u64::from(inside) + u64::from(self.rows) * columns.len() as u64;
        let above = self.above[columns].iter().copied().map(u64::from).sum();
        let levels = self.levelling.levels(above, samples);
        Cell { sum: levels * weight, weight: samples * weight }
    }

    /// Whether a sum could pass 32 bits by another row.
    fn are_full(&self) -> bool {
        self.addends >= self.levelling.addends()
    }

    fn clear(&mut self) {
        self.above.fill(0);
        self.inside.fill(0);
        (self.addends, self.rows) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deface::Rescale;
    use crate::dicom::plane::PixelSpacing;
    use proptest::prelude::*;

    const SIDE: u32 = 40;

    /// Samples without a pattern, some of them beyond the range of HU.
    fn sample(slice: usize, index: usize) -> i32 {
        let mixed = (slice * 7919 + index + 1).wrapping_mul(2_654_435_761) >> 7;
        (mixed % 6000) as i32 - 500
    }

    /// The mean level of the samples that are nearest to each node, one by one; `None` where a sample lies so near
    /// to the border between two nodes that rounding decides.
    fn means(survey: &Survey, padding: i32) -> Vec<Option<f32>> {
        const BORDER: f32 = 2e-5;
        let lattice = survey.lattice;
        let mut sums = vec![(0.0, 0.0); lattice.nodes()];
        let mut unsure = vec![false; lattice.nodes()];
        for (k, plane) in survey.stack.planes().iter().enumerate() {
            for index in 0..plane.len() {
                let (column, row) = (index % plane.columns(), index / plane.columns());
                let at = lattice.coordinates(ras(plane.patient(column as f64, row as f64)));
                let node: [usize; 3] = at.map(|c| (c + 0.5) as usize);
                let near = at.map(|c| ((c + 0.5).fract() - 0.5).abs() > 0.5 - BORDER);
                let stored = sample(k, index);
                if near.contains(&true) {
                    // It counts here or in any of the nodes beside.
                    for beside in 0..27 {
                        let step = [beside % 3, beside / 3 % 3, beside / 9];
                        let other: [usize; 3] = std::array::from_fn(|a| node[a] + step[a]);
                        if (0..3).all(|a| (1..=lattice.size[a]).contains(&other[a])) {
                            unsure[lattice.index(other.map(|n| n - 1))] = true;
                        }
                    }
                } else if stored != padding {
                    let level = f64::from((stored - 1024).clamp(-1024, 3071) + 1024);
                    let (sum, count) = &mut sums[lattice.index(node)];
                    (*sum, *count) = (*sum + level, *count + 1.0);
                }
            }
        }
        let mean = |(&(sum, count), unsure): (&(f64, f64), bool)| {
            (!unsure && count > 0.0).then(|| (sum / count) as f32)
        };
        sums.iter().zip(unsure).map(mean).collect()
    }

    #[test]
    fn values_of_32_bits_do_not_pass_what_a_sum_holds() {
        let spacing = PixelSpacing { between_rows: 0.5, between_columns: 0.5 };
        let plane = |k: u32| {
            let origin = [0.0, 0.0, 0.5 * f64::from(k)];
            ImagePlane::new(origin, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], spacing, SIDE, SIDE)
        };
        let planes: Vec<ImagePlane> = (0..12).map(|k| plane(k).unwrap()).collect();
        let contrast = Contrast::Arbitrary { low: i32::MIN as f32, high: i32::MAX as f32 };
        for (value, level) in [(i32::MIN, 0.0), (0, 32767.5), (i32::MAX, 65535.0)] {
            let survey = Survey::new(&planes, contrast).unwrap();
            let samples = vec![value; planes[0].len()];
            for k in 0..planes.len() {
                let rescale = Rescale::NONE;
                let slice = Slice { samples: &samples, rescale, padding: None, inverted: false };
                survey.add(k, &slice).unwrap();
            }
            let cells = survey.cells.iter().map(|cell| Cell::unpack(cell.load(Ordering::Relaxed)));
            let means: Vec<f32> = cells.filter_map(Cell::mean).collect();
            assert!(means.len() > 50 && means.iter().all(|m| (m - level).abs() <= 1.0), "{value}");
        }
    }

    proptest! {
        #[test]
        fn cells_are_the_means_of_their_samples(
            turn in prop_oneof![Just(0.0f64), -0.4..0.4],
            spacing in prop::array::uniform2(0.4f64..1.4),
            padded in any::<bool>(),
        ) {
            let (sin, cos) = turn.sin_cos();
            let spacing = PixelSpacing { between_rows: spacing[0], between_columns: spacing[1] };
            let plane = |k: u32| {
                let origin = [3.0, -5.0, 1.2 * f64::from(k)];
                ImagePlane::new(origin, [cos, sin, 0.0], [-sin, cos, 0.0], spacing, SIDE, SIDE)
            };
            let planes: Vec<ImagePlane> = (0..12).map(|k| plane(k).unwrap()).collect();
            let survey = Survey::new(&planes, Contrast::Hounsfield).unwrap();
            let padding = if padded { sample(0, 17) } else { i32::MIN };
            for (k, plane) in planes.iter().enumerate() {
                let samples: Vec<i32> = (0..plane.len()).map(|index| sample(k, index)).collect();
                let slice = Slice {
                    samples: &samples,
                    rescale: Rescale::HU_PLUS_1024,
                    padding: padded.then_some(padding..=padding),
                    inverted: false,
                };
                survey.add(k, &slice).unwrap();
            }
            let mut sure = 0;
            for (i, mean) in means(&survey, padding).into_iter().enumerate() {
                let Some(mean) = mean else { continue };
                let cell = Cell::unpack(survey.cells[i].load(Ordering::Relaxed)).mean().unwrap();
                prop_assert!((cell - mean).abs() < 0.01, "cell {i}: {cell}, its samples {mean}");
                sure += 1;
            }
            // At some spacings (0.6 mm) whole rows lie on borders between nodes: such a draw shows little.
            prop_assume!(sure > survey.cells.len() / 4);
        }
    }
}
