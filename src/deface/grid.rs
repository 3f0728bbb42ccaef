//! Regular grids in the patient, and how rows of voxels cross them.
//!
//! Everything in `deface` is measured in RAS mm (x to the patient's right, y to the anterior, z to
//! the head), the axes of MNI space in which the template is drawn. [`ras`] is the one place where
//! DICOM's LPS becomes RAS.

use crate::dicom::plane::ImagePlane;
use rayon::prelude::*;

/// A point or vector in RAS mm.
pub type Point = [f32; 3];

/// Scalar product.
pub fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The unit vector along a vector; next to no vector gives next to none.
pub fn unit(a: Point) -> Point {
    let length = dot(a, a).sqrt().max(f32::MIN_POSITIVE);
    a.map(|c| c / length)
}

/// LPS mm (DICOM) to RAS mm.
pub fn ras(lps: [f64; 3]) -> Point {
    [-lps[0] as f32, -lps[1] as f32, lps[2] as f32]
}

/// Where the nodes of a grid lie: node (i, j, k) at `origin + spacing * (i, j, k)`, i fastest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lattice {
    /// Number of nodes along x, y and z; at least 2 each.
    pub size: [usize; 3],
    /// Node (0, 0, 0) in RAS mm.
    pub origin: Point,
    /// Distance of neighbouring nodes in mm, the same along all axes.
    pub spacing: f32,
}

impl Lattice {
    /// The smallest lattice whose nodes enclose all `points`.
    pub fn enclosing(points: impl IntoIterator<Item = Point>, spacing: f32) -> Self {
        let (mut low, mut high) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
        for p in points {
            for k in 0..3 {
                low[k] = low[k].min(p[k]);
                high[k] = high[k].max(p[k]);
            }
        }
        // `max` also turns the extent of no points at all into one cell.
        let nodes = |k: usize| ((high[k] - low[k]).max(0.0) / spacing).ceil() as usize + 1;
        Lattice { size: std::array::from_fn(|k| nodes(k).max(2)), origin: low, spacing }
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.size.iter().product()
    }

    /// Distance in the data between neighbours along each axis.
    pub fn strides(&self) -> [usize; 3] {
        [1, self.size[0], self.size[0] * self.size[1]]
    }

    /// Position in the data of node (i, j, k).
    pub fn index(&self, [i, j, k]: [usize; 3]) -> usize {
        i + self.size[0] * (j + self.size[1] * k)
    }

    /// The node (i, j, k) at a position in the data.
    pub fn node(&self, index: usize) -> [usize; 3] {
        let (row, i) = (index / self.size[0], index % self.size[0]);
        [i, row % self.size[1], row / self.size[1]]
    }

    /// RAS mm of node (i, j, k).
    pub fn point(&self, node: [usize; 3]) -> Point {
        std::array::from_fn(|k| self.origin[k] + self.spacing * node[k] as f32)
    }

    /// RAS mm to lattice coordinates, in which nodes are whole numbers.
    pub fn coordinates(&self, point: Point) -> Point {
        let per_mm = self.spacing.recip();
        std::array::from_fn(|k| (point[k] - self.origin[k]) * per_mm)
    }

    /// Volume of one cell in mL.
    pub fn cell_ml(&self) -> f32 {
        self.spacing.powi(3) / 1000.0
    }

    /// Whether a node lies on one of the six faces of the lattice.
    pub fn at_border(&self, node: [usize; 3]) -> bool {
        (0..3).any(|k| node[k] == 0 || node[k] + 1 == self.size[k])
    }
}

/// One value per node of a lattice.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid<T> {
    /// Where the nodes lie.
    pub lattice: Lattice,
    /// The values, `lattice.nodes()` of them, x fastest.
    pub data: Vec<T>,
}

/// A set of nodes.
pub type Mask = Grid<bool>;

impl<T> Grid<T> {
    /// A grid of `value(index)` for every node, computed in parallel.
    pub fn from_fn(lattice: Lattice, value: impl Fn(usize) -> T + Sync) -> Self
    where
        T: Send,
    {
        Grid {
            lattice,
            data: (0..lattice.nodes()).into_par_iter().with_min_len(4096).map(&value).collect(),
        }
    }

    /// The same lattice with each value mapped.
    pub fn map<U: Send>(&self, f: impl Fn(&T) -> U + Sync) -> Grid<U>
    where
        T: Sync,
    {
        Grid::from_fn(self.lattice, |i| f(&self.data[i]))
    }
}

impl Grid<f32> {
    /// Trilinear interpolation at lattice coordinates; beyond the border the border's value.
    pub fn interpolate(&self, coordinates: Point) -> f32 {
        let (corner, [a, b, c]) = self.cell(coordinates);
        let [_, sy, sz] = self.lattice.strides();
        let along_x = |at: usize| {
            let pair = &self.data[at..at + 2];
            mix(pair[0], pair[1], a)
        };
        let near = mix(along_x(corner), along_x(corner + sy), b);
        let far = mix(along_x(corner + sz), along_x(corner + sz + sy), b);
        mix(near, far, c)
    }

    /// [`Grid::sample`], and how the value grows along x, y and z, per mm; beyond the border it doesn't.
    pub fn sample_with_gradient(&self, point: Point) -> (f32, Point) {
        let coordinates = self.lattice.coordinates(point);
        let (corner, [a, b, c]) = self.cell(coordinates);
        let [_, sy, sz] = self.lattice.strides();
        // Value and slope along x at the four edges, then along y on the two faces, then along z.
        let along_x = |at: usize| {
            let pair = &self.data[at..at + 2];
            (mix(pair[0], pair[1], a), pair[1] - pair[0])
        };
        let along_y = |at: usize| {
            let (low, high) = (along_x(at), along_x(at + sy));
            (mix(low.0, high.0, b), mix(low.1, high.1, b), high.0 - low.0)
        };
        let (near, far) = (along_y(corner), along_y(corner + sz));
        let per_cell = [mix(near.1, far.1, c), mix(near.2, far.2, c), far.0 - near.0];
        let beyond =
            |k: usize| coordinates[k] < 0.0 || coordinates[k] > (self.lattice.size[k] - 1) as f32;
        let slope = |k: usize| if beyond(k) { 0.0 } else { per_cell[k] / self.lattice.spacing };
        (mix(near.0, far.0, c), [slope(0), slope(1), slope(2)])
    }

    /// Position of the lower corner of the cell in which coordinates lie, and where in it, 0 to 1.
    fn cell(&self, coordinates: Point) -> (usize, Point) {
        // A coordinate clamped just below the last node always has a right neighbour. NaN stays NaN.
        let split = |k: usize| {
            let last = (self.lattice.size[k] - 1) as i32;
            let c = within(coordinates[k], last as f32);
            let cell = (c as i32).min(last - 1);
            (cell as usize, c - cell as f32)
        };
        let ((i, a), (j, b), (k, c)) = (split(0), split(1), split(2));
        (self.lattice.index([i, j, k]), [a, b, c])
    }

    /// Trilinear interpolation at a point in RAS mm; beyond the border the border's value.
    pub fn sample(&self, point: Point) -> f32 {
        self.interpolate(self.lattice.coordinates(point))
    }

    /// Trilinear interpolation at a point in RAS mm, `None` beyond the border.
    pub fn sample_inside(&self, point: Point) -> Option<f32> {
        let c = self.lattice.coordinates(point);
        (0..3)
            .all(|k| c[k] >= 0.0 && c[k] <= (self.lattice.size[k] - 1) as f32)
            .then(|| self.interpolate(c))
    }
}

impl Mask {
    /// Number of nodes in the set.
    pub fn count(&self) -> usize {
        self.data.iter().filter(|&&b| b).count()
    }

    /// Volume in mL.
    pub fn volume_ml(&self) -> f32 {
        self.count() as f32 * self.lattice.cell_ml()
    }

    /// Mean of the nodes' points, RAS mm; `None` of an empty set.
    pub fn centroid(&self) -> Option<Point> {
        let mut sum = [0u64; 3];
        let mut count = 0u64;
        for (index, _) in self.data.iter().enumerate().filter(|(_, b)| **b) {
            let node = self.lattice.node(index);
            count += 1;
            for k in 0..3 {
                sum[k] += node[k] as u64;
            }
        }
        let l = &self.lattice;
        (count > 0).then(|| {
            std::array::from_fn(|k| l.origin[k] + l.spacing * (sum[k] as f64 / count as f64) as f32)
        })
    }

    /// Nodes of the set with a neighbour (of 6) outside it; the lattice's border is no surface.
    pub fn surface(&self) -> Vec<usize> {
        let l = &self.lattice;
        let strides = l.strides();
        (0..l.nodes())
            .into_par_iter()
            .filter(|&index| {
                let node = l.node(index);
                self.data[index]
                    && (0..3).any(|k| {
                        (node[k] > 0 && !self.data[index - strides[k]])
                            || (node[k] + 1 < l.size[k] && !self.data[index + strides[k]])
                    })
            })
            .collect()
    }
}

/// What lies before 0 or beyond the last counts as these. Not `f32::clamp`, whose check takes as long as all else.
fn within(coordinate: f32, last: f32) -> f32 {
    let from_first = if coordinate < 0.0 { 0.0 } else { coordinate };
    if from_first > last { last } else { from_first }
}

/// From `low` (0) to `high` (1).
fn mix(low: f32, high: f32, t: f32) -> f32 {
    low + (high - low) * t
}

/// A row of equidistant samples in lattice coordinates.
#[derive(Debug, Clone, Copy)]
pub struct SampleRow {
    start: Point,
    step: Point,
    count: usize,
}

/// Consecutive samples of a row in the same cell of a lattice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Lower corner of the cell.
    pub cell: [usize; 3],
    /// Index of the first sample in the row.
    pub first: usize,
    /// Index behind the last sample in the row.
    pub end: usize,
}

impl SampleRow {
    /// Row `row` of a plane, seen in a lattice.
    pub fn of(plane: &ImagePlane, row: usize, lattice: &Lattice) -> Self {
        SampleRow::repeated(plane, row as f64, 1, lattice)
    }

    /// A row at a fractional row index with each sample `repeat` times, spread over its voxel.
    pub fn repeated(plane: &ImagePlane, row: f64, repeat: usize, lattice: &Lattice) -> Self {
        let first = subdivision(0, repeat);
        let start = lattice.coordinates(ras(plane.patient(first, row)));
        let step = plane.spacing().between_columns as f32 / lattice.spacing / repeat as f32;
        SampleRow {
            start,
            step: ras(plane.row()).map(|c| c * step),
            count: plane.columns() * repeat,
        }
    }

    /// The same row moved by a vector in lattice coordinates.
    pub fn shifted(self, by: Point) -> Self {
        SampleRow { start: std::array::from_fn(|k| self.start[k] + by[k]), ..self }
    }

    /// Lattice coordinates of sample `i`.
    pub fn at(&self, i: usize) -> Point {
        std::array::from_fn(|k| self.start[k] + self.step[k] * i as f32)
    }

    /// Whether the row moves along one axis only.
    fn is_straight(&self) -> bool {
        self.step.iter().filter(|&&step| step != 0.0).count() == 1
    }

    /// Whether the row is cut where the other one is: they differ in nothing along which they move.
    fn runs_beside(&self, other: &SampleRow) -> bool {
        let alike = |k: usize| self.step[k] == 0.0 || self.start[k] == other.start[k];
        self.count == other.count && self.step == other.step && (0..3).all(alike)
    }

    /// The cell in which the row lies along an axis along which it doesn't move.
    fn cell_beside(&self, k: usize, cells: [usize; 3]) -> usize {
        (floor(self.start[k]).max(0) as usize).min(cells[k] - 1)
    }

    /// Cuts the row where it passes from one cell to the next.
    ///
    /// `cells` bounds the lower corners; samples beyond belong to the cell at the border. Walking
    /// by cells instead of by samples makes a pass over 10^8 voxels take a fraction of a second.
    pub fn runs(self, cells: [usize; 3]) -> impl Iterator<Item = Run> {
        let inverse = self.step.map(f32::recip);
        let mut first = 0;
        std::iter::from_fn(move || {
            if first >= self.count {
                return None;
            }
            let corner = self.at(first).map(floor);
            let mut end = self.count;
            for k in 0..3 {
                // The first sample past the wall ahead; a negative or huge one saturates.
                let past = if self.step[k] > 0.0 {
                    ceil(((corner[k] + 1) as f32 - self.start[k]) * inverse[k])
                } else if self.step[k] < 0.0 {
                    ((corner[k] as f32 - self.start[k]) * inverse[k]) as usize + 1
                } else {
                    usize::MAX
                };
                end = end.min(past);
            }
            let end = end.max(first + 1);
            let cell = std::array::from_fn(|k| (corner[k].max(0) as usize).min(cells[k] - 1));
            let run = Run { cell, first, end };
            first = end;
            Some(run)
        })
    }
}

/// The runs of a row, kept for the next one: rows along an axis of the lattice are all cut at the same places.
#[derive(Debug, Default, Clone)]
pub struct Cuts {
    of: Option<SampleRow>,
    cells: [usize; 3],
    runs: Vec<Run>,
}

impl Cuts {
    /// What [`SampleRow::runs`] gives.
    pub fn of(&mut self, row: SampleRow, cells: [usize; 3]) -> &[Run] {
        if !self.are_along(&row, cells) {
            self.runs.clear();
            self.runs.extend(row.runs(cells));
            (self.of, self.cells) = (Some(row), cells);
            return &self.runs;
        }
        for k in (0..3).filter(|&k| row.step[k] == 0.0) {
            let cell = row.cell_beside(k, cells);
            self.runs.iter_mut().for_each(|run| run.cell[k] = cell);
        }
        self.of = Some(row);
        &self.runs
    }

    /// The runs of the last row.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Whether a row has the same runs as the last one, in the same cells.
    pub fn hold(&self, row: &SampleRow, cells: [usize; 3]) -> bool {
        let beside = |k: usize| {
            row.step[k] != 0.0
                || self.runs.iter().all(|run| run.cell[k] == row.cell_beside(k, cells))
        };
        self.are_along(row, cells) && (0..3).all(beside)
    }

    /// Whether a row is cut at the same places as the last one.
    fn are_along(&self, row: &SampleRow, cells: [usize; 3]) -> bool {
        let known = self.of.is_some_and(|of| row.is_straight() && row.runs_beside(&of));
        known && cells == self.cells
    }
}

/// Rounds down. `f32::floor` is a library call on processors of the x86-64 baseline, too slow here.
fn floor(x: f32) -> i32 {
    let truncated = x as i32;
    truncated - i32::from((truncated as f32) > x)
}

/// Rounds up; what is negative becomes 0.
fn ceil(x: f32) -> usize {
    let truncated = x as usize;
    truncated + usize::from((truncated as f32) < x)
}

/// Offset from a voxel's centre, in voxels, of part `part` of `parts` equal parts of it.
pub fn subdivision(part: usize, parts: usize) -> f64 {
    (part as f64 + 0.5) / parts as f64 - 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn interpolation_reproduces_a_linear_field() {
        let lattice = Lattice { size: [4, 5, 6], origin: [-3.0, 2.0, 7.0], spacing: 1.5 };
        let field = |p: Point| 2.0 * p[0] - p[1] + 0.5 * p[2];
        let grid = Grid::from_fn(lattice, |i| field(lattice.point(lattice.node(i))));
        for p in [[-3.0, 2.0, 7.0], [-1.1, 5.3, 9.9], [1.5, 8.0, 14.5]] {
            assert!((grid.sample(p) - field(p)).abs() < 1e-4, "{p:?}");
            let (value, gradient) = grid.sample_with_gradient(p);
            assert_eq!(value, grid.sample(p), "{p:?}");
            let off = (0..3).map(|k| (gradient[k] - [2.0, -1.0, 0.5][k]).abs());
            assert!(off.fold(0.0, f32::max) < 1e-4, "{p:?}: {gradient:?}");
        }
        assert_eq!(grid.sample_inside([2.0, 5.0, 9.0]), None);
    }

    #[test]
    fn enclosing_holds_its_points() {
        let lattice = Lattice::enclosing([[0.0, 0.0, 0.0], [10.0, 3.0, 0.0]], 3.0);
        assert_eq!(lattice.size, [5, 2, 2]);
    }

    proptest! {
        #[test]
        fn rows_beside_each_other_are_cut_as_each_alone(
            starts in prop::collection::vec(prop::array::uniform3(-2.0f32..8.0), 1..5),
            along in 0usize..3,
            step in -0.7f32..0.7,
            oblique in 0.0f32..0.1,
        ) {
            let mut cuts = Cuts::default();
            // Every other row leaves the axis; the others share where they begin on it.
            for (n, mut start) in starts.iter().copied().enumerate() {
                start[along] = starts[0][along];
                let mut steps = [0.0; 3];
                steps[along] = step;
                steps[(along + 1) % 3] = if n % 2 == 1 { oblique } else { 0.0 };
                for count in [40, 40, 41] {
                    let row = SampleRow { start, step: steps, count };
                    let expected: Vec<Run> = row.runs([6, 7, 8]).collect();
                    let held = cuts.hold(&row, [6, 7, 8]);
                    prop_assert!(!held || cuts.runs() == expected);
                    prop_assert_eq!(cuts.of(row, [6, 7, 8]), &expected[..]);
                    prop_assert_eq!(cuts.hold(&row, [6, 7, 8]), row.is_straight());
                }
            }
        }

        #[test]
        fn runs_cover_the_row_and_agree_with_each_sample(
            start in prop::array::uniform3(-2.0f32..8.0),
            step in prop::array::uniform3(-0.7f32..0.7),
            count in 1usize..60,
        ) {
            let row = SampleRow { start, step, count };
            let cells = [6, 7, 8];
            let mut next = 0;
            for run in row.runs(cells) {
                prop_assert_eq!(run.first, next);
                prop_assert!(run.end > run.first);
                next = run.end;
                for i in run.first..run.end {
                    // Up to rounding at the very wall.
                    let at = row.at(i);
                    let own: Point = std::array::from_fn(|k| at[k].clamp(0.0, cells[k] as f32 - 1e-3));
                    let lies_in = |k: usize| {
                        let off = own[k] - run.cell[k] as f32;
                        off > -1e-3 && off < 1.0 + 1e-3
                    };
                    prop_assert!((0..3).all(lies_in));
                }
            }
            prop_assert_eq!(next, count);
        }
    }
}
