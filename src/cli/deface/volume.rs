//! `efface deface` on a NIfTI volume.

use super::flow::{Fault, Series, Use};
use crate::deface::{Contrast, Edit, Refusal, Region, Rescale, Slice, SliceChange};
use crate::dicom::plane::ImagePlane;
use crate::nifti::Nifti;
use std::ops::RangeInclusive;

/// A NIfTI volume whose slices are levels of the file's range.
pub struct NiftiSeries {
    /// The volume; rewritten in place.
    pub nifti: Nifti,
    contrast: Contrast,
}

/// Levels are 16 bits, unsigned.
const LEVELS: RangeInclusive<i32> = 0..=65535;
/// Marks what is removed: no level has it.
const MARK: i32 = -1;

impl NiftiSeries {
    /// A volume whose values are HU, or are not.
    pub fn new(nifti: Nifti, hounsfield: bool) -> Self {
        let (low, high) = nifti.range().into_inner();
        let contrast = match hounsfield {
            true => Contrast::Hounsfield,
            false => Contrast::Arbitrary { low, high },
        };
        NiftiSeries { nifti, contrast }
    }

    fn rescale(&self) -> Result<Rescale, Refusal> {
        Rescale::new(f64::from(self.nifti.step()), f64::from(*self.nifti.range().start()))
    }
}

impl Series for NiftiSeries {
    fn planes(&self) -> &[ImagePlane] {
        self.nifti.planes()
    }

    fn contrast(&self) -> Contrast {
        self.contrast
    }

    fn source(&self, index: usize, then: Use<'_>) -> Result<(), Fault> {
        let samples = self.nifti.levels(index);
        let rescale = self.rescale()?;
        Ok(then(&Slice { samples: &samples, rescale, padding: None, inverted: false })?)
    }

    fn rewrite(
        &mut self,
        region: &Region,
        done: &(dyn Fn() + Sync),
    ) -> Result<Vec<SliceChange>, Fault> {
        let (low, high) = self.nifti.range().into_inner();
        let air = region.air().clamp(low, high);
        let keep_from = region.edit(self.rescale()?, false, LEVELS).keep_from;
        let edit = Edit { fill: MARK, keep_from };
        (0..self.nifti.planes().len())
            .map(|index| {
                let mut marked = self.nifti.levels(index);
                let mut change = region.apply(index, &mut marked, edit)?;
                let removed = (0..marked.len()).filter(|&i| marked[i] == MARK);
                change.edit.fill = self.nifti.fill(index, removed, air);
                done();
                Ok(change)
            })
            .collect()
    }

    /// The volume in memory is what will be written, byte by byte.
    fn draft(&self, index: usize, then: Use<'_>) -> Result<(), Fault> {
        self.source(index, then)
    }
}
