//! Distances and shapes on grids: Euclidean distance transform, opening, closing, components.
//!
//! All radii are in mm. The world beyond a lattice's border continues what is at the border.

use super::grid::{Grid, Lattice, Mask};
use rayon::prelude::*;

/// Squared distance, in cells, of nodes in a line without any feature.
const FAR: f32 = 1e12;

/// Distance in mm from each node to the nearest node of the set, infinite if the set is empty.
///
/// Exact and separable: P. Felzenszwalb, D. Huttenlocher, Distance Transforms of Sampled
/// Functions, Theory of Computing 8 (2012) 415-428.
pub fn distance_to(mask: &Mask) -> Grid<f32> {
    let lattice = mask.lattice;
    let [nx, ny, nz] = lattice.size;
    let mut squares: Vec<f32> = mask.data.par_iter().map(|&b| if b { 0.0 } else { FAR }).collect();
    squares.par_chunks_mut(nx * ny).for_each_init(
        || Envelope::new(nx.max(ny)),
        |envelope, slab| {
            for row in slab.chunks_mut(nx) {
                envelope.transform(row);
            }
            let mut column = vec![0.0; ny];
            for x in 0..nx {
                for (c, row) in column.iter_mut().zip(slab.chunks(nx)) {
                    *c = row[x];
                }
                envelope.transform(&mut column);
                for (c, row) in column.iter().zip(slab.chunks_mut(nx)) {
                    row[x] = *c;
                }
            }
        },
    );
    // Along z through a copy in which z is the fastest axis.
    let mut pillars = vec![0.0; squares.len()];
    pillars.par_chunks_mut(nz).enumerate().for_each_init(
        || Envelope::new(nz),
        |envelope, (xy, pillar)| {
            for (z, p) in pillar.iter_mut().enumerate() {
                *p = squares[xy + z * nx * ny];
            }
            envelope.transform(pillar);
        },
    );
    squares.par_chunks_mut(nx * ny).enumerate().for_each(|(z, slab)| {
        for (xy, s) in slab.iter_mut().enumerate() {
            let square = pillars[xy * nz + z];
            *s = if square < FAR { square.sqrt() * lattice.spacing } else { f32::INFINITY };
        }
    });
    Grid { lattice, data: squares }
}

/// Signed distance in mm to the boundary of the set: negative inside, clamped to -40..60 mm.
///
/// The boundary runs half-way between nodes inside and outside.
pub fn signed_distance(mask: &Mask) -> Grid<f32> {
    let (outside, inside) = (distance_to(mask), distance_to(&complement(mask)));
    let half = mask.lattice.spacing / 2.0;
    Grid::from_fn(mask.lattice, |i| {
        let d = if mask.data[i] { half - inside.data[i] } else { outside.data[i] - half };
        d.clamp(-40.0, 60.0)
    })
}

/// Lower envelope of parabolas, with its scratch space.
struct Envelope {
    /// Positions of the parabolas in the envelope.
    vertex: Vec<usize>,
    /// Where parabola i starts to be the lowest.
    from: Vec<f32>,
    values: Vec<f32>,
}

impl Envelope {
    fn new(length: usize) -> Self {
        Envelope { vertex: vec![0; length], from: vec![0.0; length + 1], values: vec![0.0; length] }
    }

    /// One pass: each value becomes the least of `values[v] + (q - v)^2` over all v.
    fn transform(&mut self, line: &mut [f32]) {
        if line.iter().all(|&v| v >= FAR) || line.iter().all(|&v| v == 0.0) {
            return;
        }
        self.values[..line.len()].copy_from_slice(line);
        let f = &self.values[..line.len()];
        let mut last: Option<usize> = None;
        for (q, &value) in f.iter().enumerate() {
            if value >= FAR {
                continue;
            }
            let mut start = f32::NEG_INFINITY;
            while let Some(k) = last {
                let v = self.vertex[k];
                start = ((value - f[v]) / (q - v) as f32 + (q + v) as f32) / 2.0;
                if start > self.from[k] {
                    break;
                }
                last = k.checked_sub(1);
                start = f32::NEG_INFINITY;
            }
            let k = last.map_or(0, |k| k + 1);
            self.vertex[k] = q;
            self.from[k] = start;
            last = Some(k);
        }
        let Some(last) = last else { return };
        let mut k = 0;
        for (q, out) in line.iter_mut().enumerate() {
            while k < last && self.from[k + 1] < q as f32 {
                k += 1;
            }
            let v = self.vertex[k];
            let d = q as f32 - v as f32;
            *out = d * d + f[v];
        }
    }
}

/// Values smoothed by a Gaussian of `sigma` mm that is cut off behind the next neighbours: for spreads up
/// to a cell.
pub fn smooth(grid: &Grid<f32>, sigma: f32) -> Grid<f32> {
    let lattice = grid.lattice;
    let side = (-0.5 * (lattice.spacing / sigma).powi(2)).exp();
    let middle = 1.0 / (1.0 + 2.0 * side);
    let mut smoothed = grid.clone();
    for axis in 0..3 {
        let stride = lattice.strides()[axis];
        let last = lattice.size[axis] - 1;
        smoothed = Grid::from_fn(lattice, |i| {
            let at = lattice.node(i)[axis];
            let before = smoothed.data[if at > 0 { i - stride } else { i }];
            let behind = smoothed.data[if at < last { i + stride } else { i }];
            middle * (smoothed.data[i] + side * (before + behind))
        });
    }
    smoothed
}

/// Nodes outside the set.
pub fn complement(mask: &Mask) -> Mask {
    mask.map(|b| !b)
}

/// Nodes of both sets.
pub fn both(a: &Mask, b: &Mask) -> Mask {
    Grid::from_fn(a.lattice, |i| a.data[i] && b.data[i])
}

/// Nodes at most `radius` mm from the set.
pub fn dilate(mask: &Mask, radius: f32) -> Mask {
    Rows::of(mask).dilated(radius / mask.lattice.spacing).into_mask(mask.lattice)
}

/// Nodes more than `radius` mm from every node outside the set.
pub fn erode(mask: &Mask, radius: f32) -> Mask {
    complement(&dilate(&complement(mask), radius))
}

/// A set of nodes with one bit each, in rows along x: balls of some cells move over 64 nodes at a time.
struct Rows {
    /// Nodes along x, rows along y and z.
    size: [usize; 3],
    /// Words of a row; bits beyond its end are 0.
    length: usize,
    words: Vec<u64>,
}

impl Rows {
    fn of(mask: &Mask) -> Self {
        let size = mask.lattice.size;
        let length = size[0].div_ceil(64);
        let word = |nodes: &[bool]| {
            nodes.iter().enumerate().fold(0, |word, (n, &node)| word | u64::from(node) << n)
        };
        let rows = mask.data.par_chunks(size[0]);
        let words = rows.flat_map_iter(|row| row.chunks(64).map(word)).collect();
        Rows { size, length, words }
    }

    fn into_mask(self, lattice: Lattice) -> Mask {
        let nodes = |row: &[u64], x: usize| row[x / 64] >> (x % 64) & 1 == 1;
        let rows = self.words.par_chunks(self.length);
        let data = rows.flat_map_iter(|row| (0..self.size[0]).map(move |x| nodes(row, x)));
        Grid { lattice, data: data.collect() }
    }

    /// The nodes at most `radius` cells from the set.
    fn dilated(&self, radius: f32) -> Self {
        let reach = radius.max(0.0) as usize;
        // Wider and wider along x; then the ball is a disc of such rows.
        let mut wide = vec![self.words.clone()];
        for _ in 0..reach {
            wide.extend(wide.last().map(|words| self.widened(words)));
        }
        let disc: Vec<(isize, isize, usize)> = disc(radius);
        let [_, ny, nz] = self.size;
        let mut words = vec![0; self.words.len()];
        words.par_chunks_mut(self.length).enumerate().for_each(|(row, words)| {
            let (y, z) = (row % ny, row / ny);
            for &(dy, dz, half) in &disc {
                let (Some(y), Some(z)) = (y.checked_add_signed(dy), z.checked_add_signed(dz))
                else {
                    continue;
                };
                if y < ny && z < nz {
                    let from = &wide[half][(z * ny + y) * self.length..][..self.length];
                    words.iter_mut().zip(from).for_each(|(word, other)| *word |= other);
                }
            }
        });
        Rows { words, ..*self }
    }

    /// Every row with the neighbours of its nodes.
    fn widened(&self, words: &[u64]) -> Vec<u64> {
        let in_row = match self.size[0] % 64 {
            0 => u64::MAX,
            rest => (1 << rest) - 1,
        };
        let row = |row: &[u64]| -> Vec<u64> {
            let at = |n: usize| row.get(n).copied().unwrap_or(0);
            let side = |n: usize| {
                let before = n.checked_sub(1).map_or(0, at);
                let neighbours = at(n) << 1 | before >> 63 | at(n) >> 1 | at(n + 1) << 63;
                let within = if n + 1 == row.len() { in_row } else { u64::MAX };
                (at(n) | neighbours) & within
            };
            (0..row.len()).map(side).collect()
        };
        words.chunks(self.length).flat_map(row).collect()
    }
}

/// The rows of a ball: along y, along z, and how far each reaches along x, in cells.
fn disc(radius: f32) -> Vec<(isize, isize, usize)> {
    let reach = radius.max(0.0) as isize;
    let within = |square: isize| (square as f32).sqrt() <= radius;
    let half = |y: isize, z: isize| (0..=reach).rev().find(|x| within(x * x + y * y + z * z));
    let all = (-reach..=reach).flat_map(|y| (-reach..=reach).map(move |z| (y, z)));
    all.filter_map(|(y, z)| half(y, z).map(|half| (y, z, half as usize))).collect()
}

/// What of the set a ball of `radius` mm can reach from inside: drops thin parts.
pub fn open(mask: &Mask, radius: f32) -> Mask {
    both(&dilate(&erode(mask, radius), radius), mask)
}

/// The set with gaps closed into which a ball of `radius` mm doesn't fit.
pub fn close(mask: &Mask, radius: f32) -> Mask {
    let closed = erode(&dilate(mask, radius), radius);
    Grid::from_fn(mask.lattice, |i| mask.data[i] || closed.data[i])
}

/// The largest 6-connected component; the first one in data order if several are equally large.
pub fn largest_component(mask: &Mask) -> Mask {
    let lattice = mask.lattice;
    let strides = lattice.strides();
    let mut label = vec![0u32; mask.data.len()];
    let mut labels = 0;
    let (mut best, mut best_count) = (0, 0);
    let mut stack = Vec::new();
    for seed in 0..mask.data.len() {
        if !mask.data[seed] || label[seed] != 0 {
            continue;
        }
        labels += 1;
        label[seed] = labels;
        stack.push(seed);
        let mut count = 0usize;
        while let Some(index) = stack.pop() {
            count += 1;
            let node = lattice.node(index);
            let mut visit = |neighbour: usize| {
                if mask.data[neighbour] && label[neighbour] == 0 {
                    label[neighbour] = labels;
                    stack.push(neighbour);
                }
            };
            for k in 0..3 {
                if node[k] > 0 {
                    visit(index - strides[k]);
                }
                if node[k] + 1 < lattice.size[k] {
                    visit(index + strides[k]);
                }
            }
        }
        if count > best_count {
            (best, best_count) = (labels, count);
        }
    }
    Grid { lattice, data: label.iter().map(|&l| l != 0 && l == best).collect() }
}

/// The set with the holes filled that are closed in any sagittal, coronal or axial section.
///
/// Airways and sinuses are open to the outside in 3-D, but closed in some section.
pub fn fill_holes(mask: &Mask) -> Mask {
    let lattice = mask.lattice;
    let mut filled = mask.clone();
    for axis in 0..3 {
        let holes: Vec<Vec<usize>> = (0..lattice.size[axis])
            .into_par_iter()
            .map(|at| section_holes(mask, axis, at))
            .collect();
        for hole in holes.into_iter().flatten() {
            filled.data[hole] = true;
        }
    }
    filled
}

/// The axial section `z` of the set, its holes filled, as a grid of one layer.
pub fn fill_section(mask: &Mask, z: usize) -> Mask {
    let lattice = mask.lattice;
    let layer = lattice.strides()[2];
    let mut data = mask.data[z * layer..(z + 1) * layer].to_vec();
    for hole in section_holes(mask, 2, z) {
        data[hole - z * layer] = true;
    }
    Grid { lattice: Lattice { size: [lattice.size[0], lattice.size[1], 1], ..lattice }, data }
}

/// Nodes of section `at` across `axis` which no 4-connected path outside the set joins to its border.
fn section_holes(mask: &Mask, axis: usize, at: usize) -> Vec<usize> {
    let Lattice { size, .. } = mask.lattice;
    let strides = mask.lattice.strides();
    let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
    let (nu, nv) = (size[u], size[v]);
    let index = |i: usize, j: usize| at * strides[axis] + i * strides[u] + j * strides[v];
    let mut outside = vec![false; nu * nv];
    let mut stack = Vec::new();
    let visit = |i: usize, j: usize, outside: &mut Vec<bool>, stack: &mut Vec<(usize, usize)>| {
        if !outside[i + j * nu] && !mask.data[index(i, j)] {
            outside[i + j * nu] = true;
            stack.push((i, j));
        }
    };
    for i in 0..nu {
        visit(i, 0, &mut outside, &mut stack);
        visit(i, nv - 1, &mut outside, &mut stack);
    }
    for j in 0..nv {
        visit(0, j, &mut outside, &mut stack);
        visit(nu - 1, j, &mut outside, &mut stack);
    }
    while let Some((i, j)) = stack.pop() {
        if i > 0 {
            visit(i - 1, j, &mut outside, &mut stack);
        }
        if i + 1 < nu {
            visit(i + 1, j, &mut outside, &mut stack);
        }
        if j > 0 {
            visit(i, j - 1, &mut outside, &mut stack);
        }
        if j + 1 < nv {
            visit(i, j + 1, &mut outside, &mut stack);
        }
    }
    (0..nu * nv)
        .filter(|&ij| !outside[ij])
        .map(|ij| index(ij % nu, ij / nu))
        .filter(|&node| !mask.data[node])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask(size: [usize; 3], bits: &[bool]) -> Mask {
        let lattice = Lattice { size, origin: [0.0; 3], spacing: 2.0 };
        Grid { lattice, data: bits[..lattice.nodes()].to_vec() }
    }

    fn brute_force(mask: &Mask, index: usize) -> f32 {
        let here = mask.lattice.node(index);
        let squares = (0..mask.data.len()).filter(|&i| mask.data[i]).map(|i| {
            let there = mask.lattice.node(i);
            (0..3).map(|k| here[k].abs_diff(there[k]).pow(2)).sum::<usize>()
        });
        squares.min().map_or(f32::INFINITY, |s| (s as f32).sqrt() * mask.lattice.spacing)
    }

    proptest! {
        #[test]
        fn distance_is_the_distance(
            size in prop::array::uniform3(2usize..9),
            bits in prop::collection::vec(prop::bool::weighted(0.1), 8 * 8 * 8),
        ) {
            let mask = mask(size, &bits);
            let distance = distance_to(&mask);
            for i in 0..mask.data.len() {
                prop_assert_eq!(distance.data[i], brute_force(&mask, i));
            }
        }

        #[test]
        fn a_set_grows_by_what_is_near_enough(
            nx in 2usize..200,
            ny in 2usize..6,
            nodes in prop::collection::vec((0usize..200, 0usize..6, 0usize..4), 0..12),
            radius in 0.0f32..12.0,
        ) {
            let mut mask = mask([nx, ny, 4], &vec![false; nx * ny * 4]);
            for (x, y, z) in nodes.into_iter().filter(|&(x, y, _)| x < nx && y < ny) {
                mask.data[x + nx * (y + ny * z)] = true;
            }
            let (distance, grown) = (distance_to(&mask), dilate(&mask, radius));
            let shrunk = erode(&mask, radius);
            let to_outside = distance_to(&complement(&mask));
            for i in 0..mask.data.len() {
                prop_assert_eq!(grown.data[i], distance.data[i] <= radius);
                prop_assert_eq!(shrunk.data[i], to_outside.data[i] > radius);
            }
        }

        #[test]
        fn opening_shrinks_and_closing_grows(
            bits in prop::collection::vec(prop::bool::weighted(0.6), 8 * 8 * 8),
        ) {
            let mask = mask([8, 8, 8], &bits);
            let (opened, closed) = (open(&mask, 2.5), close(&mask, 2.5));
            for i in 0..mask.data.len() {
                prop_assert!(!opened.data[i] || mask.data[i]);
                prop_assert!(closed.data[i] || !mask.data[i]);
            }
        }
    }

    #[test]
    fn a_bottle_is_filled_through_its_neck() {
        // A box with one hole in its lid: open in 3-D, closed in all sections but those of the hole.
        let bits: Vec<bool> = (0..512)
            .map(|i| {
                let node = [i % 8, i / 8 % 8, i / 64];
                let wall = node.iter().any(|&c| c == 1 || c == 6)
                    && node.iter().all(|&c| (1..7).contains(&c));
                wall && node != [3, 3, 6]
            })
            .collect();
        let filled = fill_holes(&mask([8, 8, 8], &bits));
        assert_eq!(filled.count(), 6 * 6 * 6);
    }

    #[test]
    fn the_largest_component_wins() {
        let mut bits = vec![false; 64];
        for i in [0, 1, 2, 40, 41, 42, 43] {
            bits[i] = true;
        }
        let kept = largest_component(&mask([4, 4, 4], &bits));
        let expected: Vec<usize> = vec![40, 41, 42, 43];
        assert_eq!((0..64).filter(|&i| kept.data[i]).collect::<Vec<_>>(), expected);
    }
}
