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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deface::{BodyPartHint, Finding};
    use crate::phantom::Phantom;

    /// A defacer with a flaw: original and honest output of a slice, its height in mm, to what it puts out.
    type Flaw = fn(&Phantom, usize, &[i32]) -> Vec<i32>;

    fn region_of(phantom: &Phantom) -> Region {
        let survey = survey(phantom, &phantom.slices);
        match survey.locate(BodyPartHint::Head) {
            Ok(Finding::Head(head)) => head.region().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn survey(phantom: &Phantom, slices: &[Vec<i32>]) -> Survey {
        let survey = Survey::new(&phantom.planes).unwrap();
        for (index, samples) in slices.iter().enumerate() {
            survey.add(index, &slice(phantom, samples)).unwrap();
        }
        survey
    }

    fn slice<'a>(phantom: &Phantom, samples: &'a [i32]) -> CtSlice<'a> {
        CtSlice { samples, rescale: phantom.rescale, padding: None }
    }

    fn no_op(phantom: &Phantom, index: usize, _: &[i32]) -> Vec<i32> {
        phantom.slices[index].clone()
    }

    /// Mean over 11 x 11 voxels (about 20 mm) where the region was filled.
    fn blur(phantom: &Phantom, index: usize, honest: &[i32]) -> Vec<i32> {
        let (original, columns) = (&phantom.slices[index], phantom.planes[index].columns());
        let at = |i: usize, dx: isize, dy: isize| {
            i.checked_add_signed(dx + dy * columns as isize).and_then(|j| original.get(j)).copied()
        };
        let mean = |i: usize| {
            let window = (-5..=5).flat_map(|dy| (-5..=5).map(move |dx| (dx, dy)));
            let values: Vec<i32> = window.filter_map(|(dx, dy)| at(i, dx, dy)).collect();
            values.iter().sum::<i32>() / values.len() as i32
        };
        (0..honest.len())
            .map(|i| if honest[i] == original[i] { original[i] } else { mean(i) })
            .collect()
    }

    /// Fills the region only between brow and nose tip, within 50 mm of the midline.
    fn eyes_only(phantom: &Phantom, index: usize, honest: &[i32]) -> Vec<i32> {
        let plane = &phantom.planes[index];
        let original = &phantom.slices[index];
        (0..honest.len())
            .map(|i| {
                let at = plane.patient((i % plane.columns()) as f64, (i / plane.columns()) as f64);
                let box_holds = at[0].abs() < 50.0 && (-45.0..0.0).contains(&at[2]);
                if box_holds { honest[i] } else { original[i] }
            })
            .collect()
    }

    fn one_slice_left(phantom: &Phantom, index: usize, honest: &[i32]) -> Vec<i32> {
        if index == phantom.slices.len() / 2 {
            phantom.slices[index].clone()
        } else {
            honest.to_vec()
        }
    }

    fn one_voxel_outside(phantom: &Phantom, index: usize, honest: &[i32]) -> Vec<i32> {
        let mut output = honest.to_vec();
        let untouched = (0..output.len()).find(|&i| output[i] == phantom.slices[index][i]);
        if let (Some(i), true) = (untouched, index == 7) {
            output[i] += 1;
        }
        output
    }

    #[test]
    fn sabotage_is_caught_voxel_by_voxel_and_by_looking() {
        let phantom = Phantom::axial(3.0);
        let region = region_of(&phantom);
        let fill = phantom.rescale.stored_air(0..=4095);
        let mut honest = phantom.slices.clone();
        let apply =
            |(index, samples): (usize, &mut Vec<i32>)| region.apply(index, samples, fill).unwrap();
        let changes: Vec<SliceChange> = honest.iter_mut().enumerate().map(apply).collect();

        let flaws: [(&str, Flaw, bool); 5] = [
            ("no-op", no_op, true),
            ("blur", blur, true),
            ("eyes-only box", eyes_only, true),
            // Too fine for an onlooker at 3 mm: that is why every voxel is asked.
            ("one slice left out", one_slice_left, false),
            ("one voxel outside changed", one_voxel_outside, false),
        ];
        for (name, flaw, visible) in flaws {
            let output: Vec<Vec<i32>> =
                honest.iter().enumerate().map(|(k, samples)| flaw(&phantom, k, samples)).collect();
            let check = region.check().unwrap();
            let by_voxel = changes
                .iter()
                .zip(&output)
                .try_for_each(|(change, samples)| check.add(change, &slice(&phantom, samples)));
            let caught = matches!(
                by_voxel,
                Err(Refusal::RegionNotFilled { .. } | Refusal::ChangedOutside { .. })
            );
            assert!(caught, "{name}: {by_voxel:?}");

            let after = survey(&phantom, &output).volume().unwrap();
            let looked =
                Appearance::measure(&region.head, &after).and_then(|a| a.require_faceless());
            assert_eq!(looked.is_err(), visible, "{name}: {looked:?}");
        }
    }

    #[test]
    fn a_missing_slice_is_no_proof() {
        let phantom = Phantom::axial(4.0);
        let region = region_of(&phantom);
        let check = region.check().unwrap();
        for (index, samples) in phantom.slices.iter().enumerate().skip(1) {
            let mut samples = samples.clone();
            let change = region.apply(index, &mut samples, 24).unwrap();
            check.add(&change, &slice(&phantom, &samples)).unwrap();
        }
        assert_eq!(check.finish().unwrap_err(), Refusal::SliceBookkeeping { slice: 0 });
    }
}
