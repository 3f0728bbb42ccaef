//! The volume before and after as numbers at the centres of cells, near what was removed.

use super::FaceFault;
use super::cells::{Cell, Lattice};
use super::space::{SlicePlace, Vector, dot64};
use rayon::prelude::*;

/// Slices farther apart than this leave the head unseen between them, mm.
const GAP_MAX_MM: f64 = 10.0;
/// From the middle of what was removed, a head ends within this distance, mm.
const REACH_MM: f64 = 180.0;

/// A box of cells. Positions are in mm along its axes, from the centre of its first cell.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub size: [usize; 3],
    pub cell: f32,
    /// Centre of the first cell, LPS mm.
    pub origin: [f64; 3],
    pub axes: [[f64; 3]; 3],
    /// Mean levels.
    pub before: Vec<f32>,
    pub after: Vec<f32>,
    /// Share of samples that changed.
    pub changed: Vec<f32>,
    /// Within the field of view.
    pub inside: Vec<bool>,
}

/// Values of one cell.
#[derive(Debug, Clone, Copy, Default)]
struct Value {
    before: f32,
    after: f32,
    changed: f32,
}

impl Value {
    fn of(cell: &Cell) -> Option<Self> {
        let share = |n: i64| n as f32 / cell.samples as f32;
        (cell.samples > 0).then(|| Value {
            before: share(i64::from(cell.before)),
            after: share(i64::from(cell.after)),
            changed: share(i64::from(cell.changed)),
        })
    }

    fn between(a: Value, b: Value, t: f32) -> Value {
        let mix = |a: f32, b: f32| a + t * (b - a);
        Value {
            before: mix(a.before, b.before),
            after: mix(a.after, b.after),
            changed: mix(a.changed, b.changed),
        }
    }
}

impl Field {
    /// The cells within reach of those that changed.
    ///
    /// # Errors
    /// [`FaceFault::Stack`] for slices that leave gaps, [`FaceFault::Nothing`].
    pub fn near_change(
        cells: &[Cell],
        lattice: &Lattice,
        places: &[SlicePlace],
    ) -> Result<Self, FaceFault> {
        let gap = widest_gap(places, lattice);
        let stacked = gap <= GAP_MAX_MM;
        if !stacked {
            return Err(FaceFault::Stack { gap_mm: gap as f32 });
        }
        let middle = middle_of_change(cells, lattice).ok_or(FaceFault::Nothing)?;
        let reach = (REACH_MM / lattice.cell) as usize;
        let from: [usize; 3] = std::array::from_fn(|a| middle[a].saturating_sub(reach));
        let to: [usize; 3] = std::array::from_fn(|a| (middle[a] + reach).min(lattice.size[a]));
        let bridged = (gap / lattice.cell).ceil() as usize + 1;
        Ok(Field::of_box(cells, lattice, from, to, bridged))
    }

    /// All cells; nothing is said of what lies between slices.
    pub fn whole(cells: &[Cell], lattice: &Lattice) -> Self {
        Field::of_box(cells, lattice, [0; 3], lattice.size, 0)
    }

    /// Cells from one corner up to another; between slices up to `bridged` cells apart.
    fn of_box(
        cells: &[Cell],
        lattice: &Lattice,
        from: [usize; 3],
        to: [usize; 3],
        bridged: usize,
    ) -> Self {
        let size: [usize; 3] = std::array::from_fn(|a| to[a] - from[a]);
        let [nx, ny, nz] = size;
        let at = |i: usize, j: usize, k: usize| {
            let [x, y, z] = [i + from[0], j + from[1], k + from[2]];
            Value::of(&cells[(z * lattice.size[1] + y) * lattice.size[0] + x])
        };
        // Column by column along the normal: what lies between slices is between their values.
        let columns: Vec<Vec<Option<Value>>> = (0..nx * ny)
            .into_par_iter()
            .map(|c| {
                let mut column: Vec<_> = (0..nz).map(|k| at(c % nx, c / nx, k)).collect();
                bridge(&mut column, bridged);
                column
            })
            .collect();
        let origin = std::array::from_fn(|a| {
            let along = |k: usize| lattice.axes[k][a] * (from[k] as f64 + 0.5) * lattice.cell;
            lattice.corner[a] + along(0) + along(1) + along(2)
        });
        let value = |i: usize| columns[i % (nx * ny)][i / (nx * ny)];
        let pick = |f: fn(Value) -> f32| -> Vec<f32> {
            (0..nx * ny * nz).into_par_iter().map(|i| f(value(i).unwrap_or_default())).collect()
        };
        Field {
            size,
            cell: lattice.cell as f32,
            origin,
            axes: lattice.axes,
            before: pick(|v| v.before),
            after: pick(|v| v.after),
            changed: pick(|v| v.changed),
            inside: (0..nx * ny * nz).into_par_iter().map(|i| value(i).is_some()).collect(),
        }
    }

    pub fn len(&self) -> usize {
        self.inside.len()
    }

    pub fn index(&self, [i, j, k]: [usize; 3]) -> usize {
        (k * self.size[1] + j) * self.size[0] + i
    }

    pub fn node(&self, index: usize) -> [usize; 3] {
        let [nx, ny, _] = self.size;
        [index % nx, index / nx % ny, index / nx / ny]
    }

    /// Centre of a cell, mm.
    pub fn point(&self, index: usize) -> Vector {
        self.node(index).map(|n| n as f32 * self.cell)
    }

    /// The middle of some cells, mm.
    pub fn middle(&self, cells: impl Iterator<Item = usize>) -> Vector {
        let mut sum = [0.0f64; 3];
        let mut count = 0.0;
        for cell in cells {
            let p = self.point(cell);
            sum = std::array::from_fn(|a| sum[a] + f64::from(p[a]));
            count += 1.0;
        }
        sum.map(|s| (s / f64::max(count, 1.0)) as f32)
    }

    /// The cell in which a position lies.
    pub fn cell_at(&self, at: Vector) -> Option<usize> {
        let mut node = [0; 3];
        for a in 0..3 {
            let c = at[a] / self.cell + 0.5;
            if !(c >= 0.0 && c < self.size[a] as f32) {
                return None;
            }
            node[a] = c as usize;
        }
        Some(self.index(node))
    }

    /// The six cells beside one; `None` beyond the box.
    pub fn beside(&self, index: usize) -> [Option<usize>; 6] {
        let [nx, ny, nz] = self.size;
        let [i, j, k] = self.node(index);
        let step = [1, nx, nx * ny];
        [
            (i > 0).then(|| index - step[0]),
            (i + 1 < nx).then(|| index + step[0]),
            (j > 0).then(|| index - step[1]),
            (j + 1 < ny).then(|| index + step[1]),
            (k > 0).then(|| index - step[2]),
            (k + 1 < nz).then(|| index + step[2]),
        ]
    }

    /// The cells at faces, edges and corners of one, itself among them.
    pub fn around(&self, index: usize) -> impl Iterator<Item = usize> {
        let (node, [nx, ny, nz]) = (self.node(index), self.size);
        let range = move |a: usize, n: usize| node[a].saturating_sub(1)..(node[a] + 2).min(n);
        let rows = range(2, nz).flat_map(move |k| range(1, ny).map(move |j| (k * ny + j) * nx));
        rows.flat_map(move |row| range(0, nx).map(move |i| row + i))
    }

    /// The layer around some cells in which a cell lies, 0 for these; `None` beyond `most`. Layers by faces and by
    /// corners take turns: their distance is nearly the same in all directions.
    pub fn layers_from(&self, cells: &[bool], most: usize) -> Vec<Option<u8>> {
        let mut layers: Vec<Option<u8>> = cells.iter().map(|&c| c.then_some(0)).collect();
        let mut front: Vec<usize> = (0..cells.len()).filter(|&i| cells[i]).collect();
        for layer in 1..=most {
            let mut next = Vec::new();
            for &cell in &front {
                let mut reach = |n: usize| {
                    if layers[n].is_none() {
                        layers[n] = Some(layer as u8);
                        next.push(n);
                    }
                };
                if layer % 2 == 1 {
                    self.beside(cell).into_iter().flatten().for_each(&mut reach);
                } else {
                    self.around(cell).for_each(&mut reach);
                }
            }
            front = next;
        }
        layers
    }

    /// Trilinear value at a position; `None` outside of the box or of the field of view.
    pub fn sample(&self, values: &[f32], at: Vector) -> Option<f32> {
        let nearest = self.cell_at(at)?;
        if !self.inside[nearest] {
            return None;
        }
        let (low, part) = self.corner(at);
        let (mut sum, mut weight) = (0.0, 0.0);
        for corner in 0..8 {
            let mut node = low;
            let mut w = 1.0;
            for a in 0..3 {
                let up = corner >> a & 1 == 1;
                node[a] = (node[a] + usize::from(up)).min(self.size[a] - 1);
                w *= if up { part[a] } else { 1.0 - part[a] };
            }
            let index = self.index(node);
            if self.inside[index] {
                sum += w * values[index];
                weight += w;
            }
        }
        (weight > 0.0).then(|| sum / weight)
    }

    /// The first of the eight cells between whose centres a position lies, and where between them, 0 to 1.
    fn corner(&self, at: Vector) -> ([usize; 3], Vector) {
        let mut low = [0; 3];
        let mut part = [0.0; 3];
        for a in 0..3 {
            let c = (at[a] / self.cell).clamp(0.0, (self.size[a] - 1) as f32);
            low[a] = (c as usize).min(self.size[a].saturating_sub(2));
            part[a] = c - low[a] as f32;
        }
        (low, part)
    }

    /// Whether any of the eight cells between which a position lies is one of those that `grown` holds
    /// ([`Field::grown_down`]).
    pub fn is_between(&self, grown: &[bool], at: Vector) -> bool {
        grown[self.index(self.corner(at).0)]
    }

    /// Some cells, and those that have one of them as neighbour in no direction but upwards along the axes.
    pub fn grown_down(&self, is: impl Fn(usize) -> bool + Send + Sync) -> Vec<bool> {
        let mut cells: Vec<bool> = (0..self.len()).into_par_iter().map(is).collect();
        let [nx, ny, nz] = self.size;
        for (step, n) in [(1, nx), (nx, ny), (nx * ny, nz)] {
            for line in cells.chunks_mut(step * n) {
                (step..line.len()).for_each(|i| line[i - step] |= line[i]);
            }
        }
        cells
    }

    /// LPS mm of a position.
    pub fn to_patient(&self, at: Vector) -> [f64; 3] {
        std::array::from_fn(|a| {
            self.origin[a] + (0..3).map(|k| self.axes[k][a] * f64::from(at[k])).sum::<f64>()
        })
    }

    /// LPS components of a direction.
    pub fn direction_in_patient(&self, d: Vector) -> [f64; 3] {
        std::array::from_fn(|a| (0..3).map(|k| self.axes[k][a] * f64::from(d[k])).sum())
    }
}

/// Fills gaps between seen cells of a column, up to `gap` cells wide.
fn bridge(column: &mut [Option<Value>], gap: usize) {
    let mut last: Option<(usize, Value)> = None;
    for k in 0..column.len() {
        let Some(value) = column[k] else { continue };
        if let Some((from, start)) = last
            && k - from > 1
            && k - from <= gap
        {
            for (n, cell) in column[from + 1..k].iter_mut().enumerate() {
                *cell = Some(Value::between(start, value, (n + 1) as f32 / (k - from) as f32));
            }
        }
        last = Some((k, value));
    }
}

/// The middle of what became darker: removed tissue outweighs removed air.
fn middle_of_change(cells: &[Cell], lattice: &Lattice) -> Option<[usize; 3]> {
    let [nx, ny, _] = lattice.size;
    let mut sum = [0u64; 3];
    let mut weight = 0;
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.changed > 0) {
        let node = [index % nx, index / nx % ny, index / nx / ny];
        let darker = u64::from(cell.before.abs_diff(cell.after) / cell.samples.max(1));
        sum = std::array::from_fn(|a| sum[a] + node[a] as u64 * darker);
        weight += darker;
    }
    (weight > 0).then(|| sum.map(|s| (s / weight) as usize))
}

/// The widest distance between neighbouring slices, mm; NaN if they aren't parallel.
fn widest_gap(places: &[SlicePlace], lattice: &Lattice) -> f64 {
    if places.iter().any(|p| !p.runs_like(&places[0])) {
        return f64::NAN;
    }
    let mut along: Vec<f64> = places.iter().map(|p| dot64(p.origin, lattice.axes[2])).collect();
    along.sort_by(f64::total_cmp);
    along.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max)
}
