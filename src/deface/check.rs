//! Second pass: is the face gone, and is everything else as it was?
//!
//! Reads nothing but the output's samples, as decoded from what will be sent. Two questions are put
//! to each voxel (is it filled in the region, unchanged outside?) and, to the whole volume, those of
//! an onlooker: [`Appearance`].

use super::appearance::Appearance;
use super::head::Located;
use super::refusal::Refusal;
use super::region::{Region, SliceChange};
use super::survey::{CtSlice, Survey};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Collects the slices of the output.
#[derive(Debug)]
pub struct Check<'a> {
    region: &'a Region,
    survey: Survey,
    removed: Vec<AtomicUsize>,
}

/// The proof that a series is defaced: figures for the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// How well the head was found.
    pub located: Located,
    /// What is left of the face.
    pub appearance: Appearance,
    /// Voxels removed from each slice, in the order of the survey's planes.
    pub removed_voxels: Vec<usize>,
}

impl<'a> Check<'a> {
    pub(super) fn new(region: &'a Region) -> Result<Self, Refusal> {
        let planes = region.head.stack.planes();
        let removed = planes.iter().map(|_| AtomicUsize::new(0)).collect();
        Ok(Check { region, survey: Survey::new(planes)?, removed })
    }

    /// Adds a slice of the output, with what [`Region::apply`] said of it. In any order, from any thread.
    ///
    /// # Errors
    /// A [`Refusal`] if a voxel of the region isn't filled, one outside changed, or the slice came before.
    pub fn add(&self, change: &SliceChange, slice: &CtSlice<'_>) -> Result<(), Refusal> {
        self.region.verify(change, slice.samples)?;
        self.survey.add(change.slice, slice)?;
        self.removed[change.slice].store(change.removed, Ordering::Relaxed);
        Ok(())
    }

    /// The verdict on the whole volume.
    ///
    /// # Errors
    /// A [`Refusal`] if a slice is missing, if anything of the face shows, or if the brain changed.
    pub fn finish(self) -> Result<Evidence, Refusal> {
        let after = self.survey.volume()?;
        let appearance = Appearance::measure(&self.region.head, &after)?;
        appearance.require_faceless()?;
        Ok(Evidence {
            located: self.region.head.located,
            appearance,
            removed_voxels: self.removed.into_iter().map(AtomicUsize::into_inner).collect(),
        })
    }
}
