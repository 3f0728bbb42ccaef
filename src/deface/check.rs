//! Second pass: is the face gone, and is everything else as it was?
//!
//! Reads nothing but the output's samples, as decoded from what will be sent. Two questions are put
//! to each voxel (is it filled in the region, unchanged outside?) and, to the whole volume, those of
//! an onlooker: [`Appearance`].

use super::appearance::{After, Appearance, Before};
use super::head::Located;
use super::intensity::Slice;
use super::refusal::Refusal;
use super::region::{Level, Region, SliceChange};
use super::survey::{Survey, Volume};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Of a slice that hasn't come yet.
const UNSEEN: usize = usize::MAX;

/// Collects the slices of the output.
#[derive(Debug)]
pub struct Check<'a> {
    region: &'a Region,
    /// Looks at the output, if the head was found in this series.
    survey: Option<Survey>,
    /// Looks at it once more with everything left out that may stay as bone, if bone is to stay.
    boneless: Option<Survey>,
    removed: Vec<AtomicUsize>,
}

/// The proof that a series is defaced: figures for the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// How well the head was found.
    pub located: Located,
    /// What is left of the face; `None` if the head was found in another series of the frame of reference.
    pub appearance: Option<Appearance>,
    /// Voxels removed from each slice, in the order of the survey's planes.
    pub removed_voxels: Vec<usize>,
}

/// A verdict with all that it rests on.
#[derive(Debug)]
pub struct Examined {
    /// The figures. They are proof only if the verdict says so.
    pub evidence: Evidence,
    /// The output on the survey's grid; `None` if the head was found in another series.
    pub after: Option<Volume>,
    /// Whether the face is gone.
    pub verdict: Result<(), Refusal>,
}

impl<'a> Check<'a> {
    pub(super) fn new(region: &'a Region) -> Result<Self, Refusal> {
        let planes = region.stack.planes();
        let survey = || {
            let original = region.original.as_ref();
            original.map(|original| Survey::new(planes, original.volume.contrast)).transpose()
        };
        let boneless = match region.level() {
            Level::Strict => None,
            Level::KeepFacialBones => survey()?,
        };
        let removed = planes.iter().map(|_| AtomicUsize::new(UNSEEN)).collect();
        Ok(Check { region, survey: survey()?, boneless, removed })
    }

    /// Adds a slice of the output, with what [`Region::apply`] said of it. In any order, from any thread.
    ///
    /// # Errors
    /// A [`Refusal`] if a voxel of the region isn't filled, one outside changed, or the slice came before.
    pub fn add(&self, change: &SliceChange, slice: &Slice<'_>) -> Result<(), Refusal> {
        self.region.verify(change, slice.samples)?;
        if let Some(survey) = &self.survey {
            survey.add(change.slice, slice)?;
        }
        if let Some(boneless) = &self.boneless {
            let samples = change.edit.without_bone(slice.samples);
            boneless.add(change.slice, &Slice { samples: &samples, ..slice.clone() })?;
        }
        match self.removed[change.slice].swap(change.removed, Ordering::Relaxed) {
            UNSEEN => Ok(()),
            _ => Err(Refusal::SliceBookkeeping { slice: change.slice }),
        }
    }

    /// The verdict on the whole volume.
    ///
    /// # Errors
    /// A [`Refusal`] if a slice is missing, if anything of the face shows, or if the brain changed.
    pub fn finish(self) -> Result<Evidence, Refusal> {
        let Examined { evidence, verdict, .. } = self.examine()?;
        verdict.map(|()| evidence)
    }

    /// The verdict with all that it rests on, also where it is a refusal: for a person who looks at it.
    ///
    /// # Errors
    /// A [`Refusal`] if a slice is missing, or if nothing can be seen that could be compared.
    pub fn examine(self) -> Result<Examined, Refusal> {
        let removed_voxels: Vec<usize> =
            self.removed.into_iter().map(AtomicUsize::into_inner).collect();
        if let Some(slice) = removed_voxels.iter().position(|&n| n == UNSEEN) {
            return Err(Refusal::SliceBookkeeping { slice });
        }
        let anatomy = &self.region.anatomy;
        let mut evidence = Evidence { located: anatomy.located, appearance: None, removed_voxels };
        let (Some(original), Some(survey)) = (&self.region.original, self.survey) else {
            return Ok(Examined { evidence, after: None, verdict: Ok(()) });
        };
        let boneless = self.boneless.map(|survey| survey.volume()).transpose()?;
        let after = After { volume: survey.volume()?, boneless };
        let appearance = Appearance::measure(&Before { anatomy, original }, &after)?;
        let verdict = appearance.require_faceless(self.region.level());
        evidence.appearance = Some(appearance);
        Ok(Examined { evidence, after: Some(after.volume), verdict })
    }
}

impl Evidence {
    /// The figures by name: distances in mm, shares from 0 to 1, ratios.
    pub fn figures(&self) -> Vec<(&'static str, f32)> {
        let located = &self.located;
        let mut figures = vec![
            ("fit_cost_mm2", located.cost),
            ("fit_turned_ratio", located.turned_ratio),
            ("skin_median_mm", located.skin.median),
            ("rotation_deg", located.rotation_deg),
            ("border_shift_mm", located.border_shift_mm),
        ];
        if let Some(endocranium) = &located.endocranium {
            figures.push(("endocranium_median_mm", endocranium.median));
            figures.push(("endocranium_p90_mm", endocranium.p90));
        }
        if let Some(seen) = &self.appearance {
            figures.extend([
                ("removed_fraction", seen.removed_fraction),
                ("skin_surviving", seen.skin_surviving),
                ("brain_cells_changed", seen.brain_cells_changed as f32),
            ]);
            figures.extend(seen.skin_speckled.map(|share| ("skin_speckled", share)));
            if let Some(front) = &seen.front {
                figures.extend([
                    ("front_unmoved", front.unmoved),
                    ("front_moved_p5_mm", front.moved_p5_mm),
                    ("relief_to_original", front.relief_to_original),
                    ("relief_to_template", front.relief_to_template),
                    ("bone_relief", front.bone_relief),
                ]);
            }
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deface::{BodyPartHint, Contrast, Finding, Level};
    use crate::phantom::Phantom;

    /// A defacer with a flaw: original and honest output of a slice, its height in mm, to what it puts out.
    type Flaw = fn(&Phantom, usize, &[i32]) -> Vec<i32>;

    fn region_of(phantom: &Phantom, level: Level) -> Region {
        let survey = survey(phantom, &phantom.slices);
        match survey.locate(BodyPartHint::Head) {
            Ok(Finding::Head(head)) => head.region(level).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn survey(phantom: &Phantom, slices: &[Vec<i32>]) -> Survey {
        let survey = Survey::new(&phantom.planes, Contrast::Hounsfield).unwrap();
        for (index, samples) in slices.iter().enumerate() {
            survey.add(index, &slice(phantom, samples)).unwrap();
        }
        survey
    }

    fn slice<'a>(phantom: &Phantom, samples: &'a [i32]) -> Slice<'a> {
        Slice { samples, rescale: phantom.rescale, padding: None, inverted: false }
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
        sabotage_is_caught(Level::Strict);
    }

    #[test]
    fn sabotage_is_caught_where_bones_stay() {
        sabotage_is_caught(Level::KeepFacialBones);
    }

    fn sabotage_is_caught(level: Level) {
        let phantom = Phantom::axial(3.0);
        let region = region_of(&phantom, level);
        let edit = region.edit(phantom.rescale, false, 0..=4095);
        let mut honest = phantom.slices.clone();
        let apply =
            |(index, samples): (usize, &mut Vec<i32>)| region.apply(index, samples, edit).unwrap();
        let changes: Vec<SliceChange> = honest.iter_mut().enumerate().map(apply).collect();

        let before =
            Before { anatomy: &region.anatomy, original: region.original.as_ref().unwrap() };

        let flaws: [(&str, Flaw, bool); 5] = [
            ("no-op", no_op, true),
            ("blur", blur, true),
            ("eyes-only box", eyes_only, true),
            // Too fine for an onlooker at 3 mm: that is why every voxel is asked.
            // Where bones stay, the onlooker doesn't pass over thin sheets.
            ("one slice left out", one_slice_left, level == Level::KeepFacialBones),
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

            let boneless = || {
                let output: Vec<_> = output.iter().map(|s| edit.without_bone(s)).collect();
                survey(&phantom, &output).volume().unwrap()
            };
            let after = After {
                volume: survey(&phantom, &output).volume().unwrap(),
                boneless: (level == Level::KeepFacialBones).then(boneless),
            };
            let looked = Appearance::measure(&before, &after)
                .and_then(|seen| seen.require_faceless(level).map(|()| seen));
            assert_eq!(looked.is_err(), visible, "{name}: {looked:?}");
        }
    }

    /// Soft tissue so noisy that part of it is as dense as bone would stay as a cloud in the skin's shape.
    #[test]
    fn noise_as_dense_as_bone_is_refused_where_bones_stay() {
        let mut phantom = Phantom::axial(3.0);
        for (k, samples) in phantom.slices.iter_mut().enumerate() {
            for (i, sample) in samples.iter_mut().enumerate() {
                // Every eighth voxel of soft tissue, with no pattern along an axis.
                let dense = (k * 31 + i * 7 + i / 11) % 8 == 0 && (1000..1200).contains(sample);
                *sample += if dense { 250 } else { 0 };
            }
        }
        let region = region_of(&phantom, Level::KeepFacialBones);
        let edit = region.edit(phantom.rescale, false, 0..=4095);
        let check = region.check().unwrap();
        for (index, mut samples) in phantom.slices.clone().into_iter().enumerate() {
            let change = region.apply(index, &mut samples, edit).unwrap();
            check.add(&change, &slice(&phantom, &samples)).unwrap();
        }
        let refusal = check.finish().unwrap_err();
        assert!(matches!(refusal, Refusal::SkinSpeckled { .. }), "{refusal:?}");
    }

    #[test]
    fn a_missing_slice_is_no_proof() {
        let phantom = Phantom::axial(4.0);
        let region = region_of(&phantom, Level::Strict);
        let check = region.check().unwrap();
        for (index, samples) in phantom.slices.iter().enumerate().skip(1) {
            let mut samples = samples.clone();
            let change = region
                .apply(index, &mut samples, region.edit(phantom.rescale, false, 0..=4095))
                .unwrap();
            check.add(&change, &slice(&phantom, &samples)).unwrap();
        }
        assert_eq!(check.finish().unwrap_err(), Refusal::SliceBookkeeping { slice: 0 });
    }
}
