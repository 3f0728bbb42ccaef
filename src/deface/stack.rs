//! The slices of a series as one volume: order, neighbours and gaps.

use super::grid::{Lattice, ras};
use super::refusal::Refusal;
use crate::dicom::plane::{ImagePlane, dot};

/// Fewer slices than this can't show a head's shape.
const SLICES_MIN: usize = 5;
/// Planes closer than this are at the same position, in mm.
const SAME_POSITION_MM: f64 = 0.01;
/// A gap this much wider than the median means missing slices.
const GAP_MAX_RATIO: f64 = 2.0;
/// Directions and spacings within a volume agree within this.
const GEOMETRY_TOLERANCE: f64 = 1e-3;

/// Planes that sample one volume: parallel, of equal sampling, none twice, none missing.
///
/// The planes need not be stacked along their normal (gantry tilt) nor at equal distances.
#[derive(Debug, Clone)]
pub struct Stack {
    planes: Vec<ImagePlane>,
    neighbours: Vec<Neighbours>,
    widest_gap_mm: f64,
}

/// The slices before and behind a slice along the normal.
#[derive(Debug, Clone, Copy, Default)]
struct Neighbours {
    before: Option<usize>,
    behind: Option<usize>,
}

impl Stack {
    /// Checks that `planes`, in any order, are one volume.
    pub fn new(planes: &[ImagePlane]) -> Result<Self, Refusal> {
        if planes.len() < SLICES_MIN {
            return Err(Refusal::TooFewSlices { slices: planes.len(), least: SLICES_MIN });
        }
        if planes.iter().any(|p| !same_sampling(p, &planes[0])) {
            return Err(Refusal::MixedGeometry);
        }
        let normal = planes[0].normal();
        let height: Vec<f64> = planes.iter().map(|p| dot(p.origin(), normal)).collect();
        let mut order: Vec<usize> = (0..planes.len()).collect();
        order.sort_by(|&a, &b| height[a].total_cmp(&height[b]));

        let gaps: Vec<f64> = order.windows(2).map(|w| height[w[1]] - height[w[0]]).collect();
        let mut sorted = gaps.clone();
        sorted.sort_by(f64::total_cmp);
        let (median, widest) = (sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
        if sorted[0] < SAME_POSITION_MM {
            return Err(Refusal::DuplicatePosition);
        }
        if widest > GAP_MAX_RATIO * median {
            return Err(Refusal::MissingSlices { gap_mm: widest, median_mm: median });
        }

        let mut neighbours = vec![Neighbours::default(); planes.len()];
        for pair in order.windows(2) {
            neighbours[pair[0]].behind = Some(pair[1]);
            neighbours[pair[1]].before = Some(pair[0]);
        }
        Ok(Stack { planes: planes.to_vec(), neighbours, widest_gap_mm: widest })
    }

    /// Planes that need not be one volume: localizers, single slices. Each has no neighbours.
    pub fn loose(planes: &[ImagePlane]) -> Self {
        let neighbours = vec![Neighbours::default(); planes.len()];
        Stack { planes: planes.to_vec(), neighbours, widest_gap_mm: 0.0 }
    }

    /// The planes in the caller's order.
    pub fn planes(&self) -> &[ImagePlane] {
        &self.planes
    }

    /// The lattice around all voxels.
    pub(super) fn lattice(&self, cell_mm: f32) -> Lattice {
        Lattice::enclosing(self.planes.iter().flat_map(corners).map(ras), cell_mm)
    }

    /// The widest gap between neighbouring slices along the normal, mm.
    pub fn widest_gap_mm(&self) -> f64 {
        self.widest_gap_mm
    }

    /// Vectors in LPS mm from a slice's first voxel to its neighbours'; one at either end.
    ///
    /// With a tilted gantry they aren't normal to the slice.
    pub fn steps(&self, slice: usize) -> impl Iterator<Item = [f64; 3]> {
        let own = self.planes[slice].origin();
        let Neighbours { before, behind } = self.neighbours[slice];
        [before, behind].into_iter().flatten().map(move |other| {
            let there = self.planes[other].origin();
            std::array::from_fn(|k| there[k] - own[k])
        })
    }
}

/// Corners of a slice at the outer edges of its voxels, LPS mm.
fn corners(plane: &ImagePlane) -> [[f64; 3]; 4] {
    let (right, bottom) = (plane.columns() as f64 - 0.5, plane.rows() as f64 - 0.5);
    [(-0.5, -0.5), (right, -0.5), (-0.5, bottom), (right, bottom)].map(|(c, r)| plane.patient(c, r))
}

fn same_sampling(a: &ImagePlane, b: &ImagePlane) -> bool {
    let near = |x: f64, y: f64| (x - y).abs() <= GEOMETRY_TOLERANCE;
    let parallel = |x: [f64; 3], y: [f64; 3]| (0..3).all(|k| near(x[k], y[k]));
    parallel(a.row(), b.row())
        && parallel(a.column(), b.column())
        && near(a.spacing().between_rows, b.spacing().between_rows)
        && near(a.spacing().between_columns, b.spacing().between_columns)
        && (a.rows(), a.columns()) == (b.rows(), b.columns())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::plane::PixelSpacing;

    fn plane(z: f64, tilt: f64) -> ImagePlane {
        let spacing = PixelSpacing { between_rows: 1.0, between_columns: 1.0 };
        let column = [0.0, tilt.cos(), tilt.sin()];
        ImagePlane::new([0.0, 0.0, z], [1.0, 0.0, 0.0], column, spacing, 4, 4).unwrap()
    }

    fn planes(heights: &[f64]) -> Vec<ImagePlane> {
        heights.iter().map(|&z| plane(z, 0.0)).collect()
    }

    #[test]
    fn takes_any_order_and_unequal_gaps() {
        let stack = Stack::new(&planes(&[4.0, 0.0, 1.5, 2.5, 5.0])).unwrap();
        let steps: Vec<_> = stack.steps(2).collect();
        assert_eq!(steps, [[0.0, 0.0, -1.5], [0.0, 0.0, 1.0]]);
        assert_eq!(stack.steps(1).count(), 1, "the first slice has one neighbour");
    }

    #[test]
    fn takes_a_tilted_gantry() {
        let tilted: Vec<_> = (0..6).map(|k| plane(f64::from(k) * 3.0, 0.3)).collect();
        assert!(Stack::new(&tilted).is_ok());
    }

    #[test]
    fn refuses_what_is_not_one_volume() {
        let refusal = |planes: &[ImagePlane]| Stack::new(planes).map(|_| ()).unwrap_err();
        assert!(matches!(refusal(&planes(&[0.0, 1.0])), Refusal::TooFewSlices { slices: 2, .. }));
        assert_eq!(refusal(&planes(&[0.0, 1.0, 2.0, 2.0, 3.0])), Refusal::DuplicatePosition);
        let gap = refusal(&planes(&[0.0, 1.0, 2.0, 5.0, 6.0]));
        assert!(matches!(gap, Refusal::MissingSlices { .. }), "{gap:?}");
        let mut mixed = planes(&[0.0, 1.0, 2.0, 3.0, 4.0]);
        mixed.push(plane(5.0, 0.3));
        assert_eq!(refusal(&mixed), Refusal::MixedGeometry);
    }
}
