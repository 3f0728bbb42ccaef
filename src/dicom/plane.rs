//! The image plane: where the voxels of one slice lie in the patient (PS3.3 C.7.6.2).

/// The most rows or columns that a plane may have; larger than any CT or MR matrix in use.
const SIDE_MAX: u32 = 4096;
/// How far the direction cosines may be from orthonormal; writers round them to 6 digits or fewer.
const COSINE_TOLERANCE: f64 = 1e-3;
/// Voxel sizes that a scanner can produce, in mm.
const SPACING_MM: std::ops::RangeInclusive<f64> = 0.05..=20.0;
/// Farther than this from the frame of reference's origin no patient lies, in mm.
const POSITION_MAX_MM: f64 = 1e5;

/// What is wrong with an image plane. None of the messages carries a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Image Position (Patient) is missing a finite number or lies absurdly far away.
    #[error(
        "Image Position (Patient) (0020,0032) is not a position in mm. Check the series' geometry"
    )]
    Position,
    /// Image Orientation (Patient) isn't a pair of orthogonal unit vectors.
    #[error(
        "Image Orientation (Patient) (0020,0037) is not a pair of orthogonal unit vectors (PS3.3 C.7.6.2.1.1). \
         Check the series' geometry"
    )]
    Orientation,
    /// Pixel Spacing isn't a pair of positive sizes that a scanner produces.
    #[error(
        "Pixel Spacing (0028,0030) is not a pair of voxel sizes in mm. Check the series' geometry"
    )]
    Spacing,
    /// Rows or Columns is zero or larger than any matrix in use.
    #[error("Rows (0028,0010) or Columns (0028,0011) is zero or above 4096")]
    Size,
}

/// Pixel Spacing (0028,0030) in mm, in the order in which the attribute gives it (PS3.3 10.7.1.3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelSpacing {
    /// Distance between the centres of adjacent rows: the step along the column direction.
    pub between_rows: f64,
    /// Distance between the centres of adjacent columns: the step along the row direction.
    pub between_columns: f64,
}

/// One slice's position, orientation and sampling in patient coordinates.
///
/// Patient coordinates are LPS: x grows to the patient's left, y to the posterior, z to the head
/// (PS3.3 C.7.6.2.1.1). A plane that exists is valid: finite, orthonormal, with a positive spacing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImagePlane {
    origin: [f64; 3],
    row: [f64; 3],
    column: [f64; 3],
    spacing: PixelSpacing,
    rows: u32,
    columns: u32,
}

impl ImagePlane {
    /// A plane from the attributes of the Image Plane module.
    ///
    /// `position` is the centre of the first voxel in mm, `row` points along a row (to growing
    /// column index), `column` down a column (to growing row index).
    ///
    /// # Errors
    /// Names the first attribute that doesn't describe a plane.
    pub fn new(
        position: [f64; 3],
        row: [f64; 3],
        column: [f64; 3],
        spacing: PixelSpacing,
        rows: u32,
        columns: u32,
    ) -> Result<Self, Error> {
        if !position.iter().all(|c| c.is_finite() && c.abs() <= POSITION_MAX_MM) {
            return Err(Error::Position);
        }
        // Written so that a NaN fails, too.
        let close = |value: f64, wanted: f64| (value - wanted).abs() <= COSINE_TOLERANCE;
        if !(close(dot(row, row), 1.0)
            && close(dot(column, column), 1.0)
            && close(dot(row, column), 0.0))
        {
            return Err(Error::Orientation);
        }
        if !(SPACING_MM.contains(&spacing.between_rows)
            && SPACING_MM.contains(&spacing.between_columns))
        {
            return Err(Error::Spacing);
        }
        if !((1..=SIDE_MAX).contains(&rows) && (1..=SIDE_MAX).contains(&columns)) {
            return Err(Error::Size);
        }
        Ok(ImagePlane { origin: position, row, column, spacing, rows, columns })
    }

    /// Centre of the first voxel, LPS mm.
    pub fn origin(&self) -> [f64; 3] {
        self.origin
    }

    /// Unit vector along a row.
    pub fn row(&self) -> [f64; 3] {
        self.row
    }

    /// Unit vector down a column.
    pub fn column(&self) -> [f64; 3] {
        self.column
    }

    /// Unit normal of the plane: row x column.
    pub fn normal(&self) -> [f64; 3] {
        let ([a, b, c], [d, e, f]) = (self.row, self.column);
        [b * f - c * e, c * d - a * f, a * e - b * d]
    }

    /// Pixel Spacing in mm.
    pub fn spacing(&self) -> PixelSpacing {
        self.spacing
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows as usize
    }

    /// Number of columns: samples in a row.
    pub fn columns(&self) -> usize {
        self.columns as usize
    }

    /// Number of samples in the slice.
    pub fn len(&self) -> usize {
        self.rows() * self.columns()
    }

    /// Never true: a plane has at least one sample. (Clippy wants it beside `len`.)
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The point of the patient at a column and row index, LPS mm (PS3.3 equation C.7.6.2.1-1).
    ///
    /// Indices may be fractional: whole numbers are the centres of voxels.
    pub fn patient(&self, column: f64, row: f64) -> [f64; 3] {
        let (u, v) = (column * self.spacing.between_columns, row * self.spacing.between_rows);
        std::array::from_fn(|k| self.origin[k] + u * self.row[k] + v * self.column[k])
    }

    /// The affine of equation C.7.6.2.1-1 as rows of a 3 x 3 matrix: (column, row, 1) to LPS mm.
    pub fn affine(&self) -> [[f64; 3]; 3] {
        std::array::from_fn(|k| {
            [
                self.row[k] * self.spacing.between_columns,
                self.column[k] * self.spacing.between_rows,
                self.origin[k],
            ]
        })
    }
}

/// Scalar product.
pub fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACING: PixelSpacing = PixelSpacing { between_rows: 2.0, between_columns: 0.5 };
    const X: [f64; 3] = [1.0, 0.0, 0.0];
    const Y: [f64; 3] = [0.0, 1.0, 0.0];

    #[test]
    fn affine_follows_the_standard() {
        let plane = ImagePlane::new([10.0, 20.0, 30.0], Y, X, SPACING, 3, 4).unwrap();
        assert_eq!(plane.patient(1.0, 0.0), [10.0, 20.5, 30.0], "a step along the row");
        assert_eq!(plane.patient(0.0, 1.0), [12.0, 20.0, 30.0], "a step down the column");
        assert_eq!(plane.normal(), [0.0, 0.0, -1.0]);
        let through = plane.affine().map(|row| row[0] * 3.0 + row[1] * 2.0 + row[2]);
        assert_eq!(through, plane.patient(3.0, 2.0));
    }

    #[test]
    fn refuses_what_is_no_plane() {
        let plane = |position, row, column, spacing, rows| {
            ImagePlane::new(position, row, column, spacing, rows, 4).map(|_| ())
        };
        let zero = [0.0; 3];
        assert_eq!(plane([f64::NAN, 0.0, 0.0], X, Y, SPACING, 3), Err(Error::Position));
        assert_eq!(plane(zero, X, X, SPACING, 3), Err(Error::Orientation));
        assert_eq!(plane(zero, [1.01, 0.0, 0.0], Y, SPACING, 3), Err(Error::Orientation));
        assert_eq!(plane(zero, [f64::NAN; 3], Y, SPACING, 3), Err(Error::Orientation));
        for bad in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            let spacing = PixelSpacing { between_rows: bad, between_columns: 1.0 };
            assert_eq!(plane(zero, X, Y, spacing, 3), Err(Error::Spacing));
        }
        assert_eq!(plane(zero, X, Y, SPACING, 0), Err(Error::Size));
        assert_eq!(plane(zero, X, Y, SPACING, 5000), Err(Error::Size));
        // Cosines rounded to 4 digits pass.
        assert_eq!(plane(zero, [0.9781, 0.2079, 0.0], [-0.2079, 0.9781, 0.0], SPACING, 3), Ok(()));
    }
}
