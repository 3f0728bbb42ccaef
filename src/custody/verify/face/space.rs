//! Vectors in mm, and the places of slices in the patient.

use super::FaceFault;
use crate::dicom::plane::ImagePlane;

/// A vector in mm.
pub(super) type Vector = [f32; 3];

/// Cosines may differ from those of unit vectors at right angles by this much: four written digits.
const COSINE_TOLERANCE: f64 = 1e-3;
/// Voxels of heads, mm: finer ones do not exist, coarser ones show no face.
const SPACING_MM: std::ops::RangeInclusive<f64> = 0.1..=20.0;
/// Farther from the origin is no patient, mm.
const FARTHEST_MM: f64 = 1e5;
const SIDE_MAX: usize = 4096;

/// Where one slice lies in the patient: the Image Plane attributes (PS3.3 C.7.6.2), LPS mm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlicePlace {
    /// Centre of the first voxel.
    pub origin: [f64; 3],
    /// Unit vector along a row.
    pub row: [f64; 3],
    /// Unit vector down a column.
    pub column: [f64; 3],
    /// First value of Pixel Spacing: between the centres of rows, mm.
    pub between_rows: f64,
    /// Second value: between the centres of columns, mm.
    pub between_columns: f64,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns: samples in a row.
    pub columns: usize,
}

impl From<&ImagePlane> for SlicePlace {
    fn from(plane: &ImagePlane) -> Self {
        SlicePlace {
            origin: plane.origin(),
            row: plane.row(),
            column: plane.column(),
            between_rows: plane.spacing().between_rows,
            between_columns: plane.spacing().between_columns,
            rows: plane.rows(),
            columns: plane.columns(),
        }
    }
}

impl SlicePlace {
    /// Unit normal: row x column.
    pub(super) fn normal(&self) -> [f64; 3] {
        cross64(self.row, self.column)
    }

    /// The point of the patient at fractional column and row indices, LPS mm.
    pub(super) fn point(&self, column: f64, row: f64) -> [f64; 3] {
        let (u, v) = (column * self.between_columns, row * self.between_rows);
        std::array::from_fn(|a| self.origin[a] + u * self.row[a] + v * self.column[a])
    }

    /// The four outermost voxels.
    pub(super) fn corners(&self) -> [[f64; 3]; 4] {
        let (columns, rows) = ((self.columns - 1) as f64, (self.rows - 1) as f64);
        [(0.0, 0.0), (columns, 0.0), (0.0, rows), (columns, rows)].map(|(c, r)| self.point(c, r))
    }

    /// Whether rows and columns run the same way as in another slice.
    pub(super) fn runs_like(&self, other: &SlicePlace) -> bool {
        let same = |a, b| (dot64(a, b) - 1.0).abs() <= COSINE_TOLERANCE / 10.0;
        same(self.row, other.row) && same(self.column, other.column)
    }

    /// Stated as what must hold, so that a NaN is no place.
    pub(super) fn require_valid(&self, slice: usize) -> Result<(), FaceFault> {
        let is = |value: f64, expected: f64| (value - expected).abs() <= COSINE_TOLERANCE;
        let valid = self.origin.iter().all(|c| c.abs() <= FARTHEST_MM)
            && is(dot64(self.row, self.row), 1.0)
            && is(dot64(self.column, self.column), 1.0)
            && is(dot64(self.row, self.column), 0.0)
            && SPACING_MM.contains(&self.between_rows)
            && SPACING_MM.contains(&self.between_columns)
            && (1..=SIDE_MAX).contains(&self.rows)
            && (1..=SIDE_MAX).contains(&self.columns);
        if valid { Ok(()) } else { Err(FaceFault::Place { slice }) }
    }
}

pub(super) fn dot64(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross64(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(super) fn dot(a: Vector, b: Vector) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// a + t b.
pub(super) fn along(a: Vector, t: f32, b: Vector) -> Vector {
    std::array::from_fn(|k| a[k] + t * b[k])
}

pub(super) fn minus(a: Vector, b: Vector) -> Vector {
    along(a, -1.0, b)
}

/// The direction of a vector; any direction for one without length.
pub(super) fn unit(a: Vector) -> Vector {
    let length = dot(a, a).sqrt();
    if length > 0.0 { a.map(|c| c / length) } else { [1.0, 0.0, 0.0] }
}
