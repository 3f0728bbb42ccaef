//! Second pass over a series: every frame is made without the face, and read back from its draft.

use super::Error;
use super::find::{Defacing, Open, by_instance};
use crate::custody::object::{Drafted, FrameIndex, Object, Stop};
use crate::custody::verify::{InstanceClaim, SliceAudit};
use crate::deface::{Evidence, Refusal, Region, SliceChange};
use crate::dicom::frame::Frame;
use crate::dicom::mosaic::Tile;
use rayon::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The second pass: removes, and remembers for the check.
pub struct Removal<'a> {
    defacing: &'a Defacing,
    /// Of each slice, what was done to it; `None` in volumes from which nothing is removed.
    changes: Mutex<Vec<Option<SliceChange>>>,
    /// The first reason why a frame was not made.
    trouble: Mutex<Option<Error>>,
}

impl<'a> Removal<'a> {
    /// Starts the second pass.
    pub fn new(defacing: &'a Defacing) -> Self {
        let slices = defacing.series.slices().len();
        Removal {
            defacing,
            changes: Mutex::new((0..slices).map(|_| None).collect()),
            trouble: Mutex::default(),
        }
    }

    /// Makes frame `n` of an instance without the face.
    ///
    /// # Errors
    /// [`Stop`]; [`Removal::trouble`] knows why.
    pub fn make(&self, instance: usize, index: &FrameIndex, n: usize) -> Result<Frame, Stop> {
        self.try_make(instance, index, n).map_err(|error| {
            lock(&self.trouble).get_or_insert(error);
            Stop
        })
    }

    /// Why a frame was not made.
    pub fn trouble(&self) -> Option<Error> {
        lock(&self.trouble).take()
    }

    fn try_make(&self, instance: usize, index: &FrameIndex, n: usize) -> Result<Frame, Error> {
        let series = &self.defacing.series;
        let (format, mut frame) = index.frame(n)?;
        let (low, high) = format.range();
        let held: Vec<usize> = series.of_frame(instance, n).collect();
        let tiles: Vec<Tile> = held.iter().filter_map(|&n| series.slices()[n].facts.tile).collect();
        let tiled =
            !tiles.is_empty() && tiles.len() == held.len() && frame.is_flat_outside(&tiles)?;
        // What no volume has would leave as it is.
        if !(tiled || tiles.is_empty() && held.len() == 1) {
            return Err(Refusal::SliceBookkeeping { slice: n }.into());
        }
        for slice in held {
            let (volume, place) = series.place(slice);
            let Some(region) = &self.defacing.regions[volume] else { continue };
            let shot = &series.slices()[slice];
            let edit = region.edit(shot.rescale()?, shot.facts.inverted, low..=high);
            let mut samples = shot.samples(&format, frame.samples());
            let change = region.apply(place, &mut samples, edit)?;
            match &shot.facts.tile {
                None => frame.replace(&samples),
                Some(tile) => frame.replace_tile(tile, &samples)?,
            }
            lock(&self.changes)[slice] = Some(change);
        }
        Ok(frame)
    }

    /// Reads all drafts again, volume by volume, and holds them against the sources and what was to be done.
    /// `drafts`, in the order of the instances.
    ///
    /// # Errors
    /// [`Error`]: the series stays inside.
    pub fn confirm(
        &self,
        open: &Open<'_>,
        drafts: &[Object<Drafted>],
    ) -> Result<Vec<Evidence>, Error> {
        let series = &self.defacing.series;
        let audit = Mutex::new(SliceAudit::new());
        let mut evidence = Vec::new();
        for volume in 0..series.volumes() {
            let region = self.defacing.regions[volume].as_ref();
            evidence.extend(self.confirm_volume(volume, region, open, drafts, &audit)?);
        }
        let audit = audit.into_inner().unwrap_or_else(PoisonError::into_inner);
        let expected: Vec<String> = (0..series.slices().len()).map(|n| n.to_string()).collect();
        audit.finish(expected.iter().map(String::as_str))?;
        Ok(evidence)
    }

    fn confirm_volume(
        &self,
        volume: usize,
        region: Option<&Region>,
        open: &Open<'_>,
        drafts: &[Object<Drafted>],
        audit: &Mutex<SliceAudit>,
    ) -> Result<Option<Evidence>, Error> {
        let series = &self.defacing.series;
        let check = region.map(Region::check).transpose()?;
        by_instance(series, volume).into_par_iter().try_for_each(|(instance, members)| {
            let index = open(instance)?.frame_index()?;
            let draft =
                drafts.get(instance).ok_or(Refusal::SliceBookkeeping { slice: instance })?;
            members.into_par_iter().try_for_each(|(_, slice)| -> Result<(), Error> {
                let shot = &series.slices()[slice];
                let (format, before) = index.frame(shot.facts.frame)?;
                let before = shot.samples(&format, before.samples());
                let after = shot.samples(&format, draft.samples_at(shot.facts.frame)?);
                let change = lock(&self.changes)[slice].clone();
                let claim = match (&check, &change) {
                    (Some(check), Some(change)) => {
                        check.add(change, &shot.slice(&after)?)?;
                        InstanceClaim { removed: change.removed as u64, fill: change.edit.fill }
                    }
                    (None, None) => InstanceClaim { removed: 0, fill: 0 },
                    _ => return Err(Refusal::SliceBookkeeping { slice }.into()),
                };
                Ok(lock(audit).add(&slice.to_string(), &before, &after, Some(claim))?)
            })
        })?;
        Ok(check.map(|check| check.finish()).transpose()?)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
