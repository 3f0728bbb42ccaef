//! The defacer end to end: the phantom in all positions, bodies without a head, and public heads.
//!
//! Tests on public heads need the folder `../shared/data` beside the crate; without it they print
//! SKIPPED and pass.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail, and say that it was skipped"
)]

mod support;

use efface::custody::verify::{FaceAudit, FaceFault, FaceSeen, Scale, SlicePlace};
use efface::deface::{
    Absence, BodyPartHint, Contrast, Edit, Evidence, Finding, Level, Refusal, Region, Rescale,
    Slice, Stack, Survey,
};
use efface::dicom::plane::{ImagePlane, PixelSpacing};
use efface::phantom::Phantom;
use std::path::{Path, PathBuf};

/// A series as it comes from a scanner: the rescale may differ between slices.
#[derive(Clone)]
struct Series {
    planes: Vec<ImagePlane>,
    slices: Vec<Vec<i32>>,
    rescales: Vec<Rescale>,
    contrast: Contrast,
}

#[derive(Debug, PartialEq)]
struct Defaced {
    slices: Vec<Vec<i32>>,
    evidence: Evidence,
}

impl Series {
    fn of(phantom: Phantom) -> Self {
        let rescales = vec![phantom.rescale; phantom.planes.len()];
        let contrast = Contrast::Hounsfield;
        Series { planes: phantom.planes, slices: phantom.slices, rescales, contrast }
    }

    /// MR whose values are the lowest of all that can be stored in 16 bits with a sign, as many scanners write them.
    fn of_few_values(phantom: Phantom) -> Self {
        let mut series = Series::of(phantom.as_mr());
        series.slices.iter_mut().flatten().for_each(|stored| *stored /= 6);
        series.contrast = Contrast::Arbitrary { low: -32768.0, high: 32767.0 };
        series
    }

    fn slice<'a>(&self, index: usize, samples: &'a [i32]) -> Slice<'a> {
        Slice { samples, rescale: self.rescales[index], padding: None, inverted: false }
    }

    fn locate(&self, hint: BodyPartHint) -> Result<Finding, Refusal> {
        let survey = Survey::new(&self.planes, self.contrast)?;
        for (index, samples) in self.slices.iter().enumerate() {
            survey.add(index, &self.slice(index, samples))?;
        }
        survey.locate(hint)
    }

    fn deface(&self) -> Result<Defaced, Refusal> {
        self.deface_to(Level::Strict)
    }

    fn deface_to(&self, level: Level) -> Result<Defaced, Refusal> {
        let Finding::Head(head) = self.locate(BodyPartHint::Head)? else {
            panic!("a head taken for none")
        };
        let region = head.region(level)?;
        let mut slices = self.slices.clone();
        let check = region.check()?;
        for (index, samples) in slices.iter_mut().enumerate() {
            let edit = region.edit(self.rescales[index], false, -32768..=32767);
            let change = region.apply(index, samples, edit)?;
            check.add(&change, &self.slice(index, samples))?;
        }
        Ok(Defaced { slices, evidence: check.finish()? })
    }
}

/// Planes of 2 mm voxels through the phantom's head, along any axes.
///
/// `corner` is the first voxel, `step` leads from slice to slice (LPS mm).
fn planes(
    corner: [f64; 3],
    row: [f64; 3],
    column: [f64; 3],
    step: [f64; 3],
    count: usize,
) -> Vec<ImagePlane> {
    let spacing = PixelSpacing { between_rows: 2.0, between_columns: 2.0 };
    let position = |k: usize| std::array::from_fn(|a| corner[a] + step[a] * k as f64);
    (0..count)
        .map(|k| ImagePlane::new(position(k), row, column, spacing, 140, 140).unwrap())
        .collect()
}

const L: [f64; 3] = [1.0, 0.0, 0.0];
const R: [f64; 3] = [-1.0, 0.0, 0.0];
const P: [f64; 3] = [0.0, 1.0, 0.0];
const I: [f64; 3] = [0.0, 0.0, -1.0];

fn axial() -> Vec<ImagePlane> {
    planes([-140.0, -160.0, -140.0], L, P, [0.0, 0.0, 2.5], 100)
}

fn assert_defaced(name: &str, planes: Vec<ImagePlane>) {
    let outcome = Series::of(Phantom::sampled_by(planes)).deface();
    assert!(outcome.is_ok(), "{name}: {:?}", outcome.map(|d| d.evidence));
}

/// What the verifier says of an output, told nothing of how it was made.
fn audit(series: &Series, after: &[Vec<i32>], fill: i32) -> Result<FaceSeen, FaceFault> {
    let Contrast::Arbitrary { low, high } = series.contrast else { panic!("MR") };
    let places = series.planes.iter().map(SlicePlace::from).collect();
    let audit = FaceAudit::new(places, Scale::Arbitrary { low, high })?;
    for (k, (before, after)) in series.slices.iter().zip(after).enumerate() {
        audit.add(k, before, after, 1.0, 0.0, false, fill)?;
    }
    audit.finish()
}

#[test]
fn few_of_many_possible_values_are_enough() {
    // Across the axes of the grid, so that much of it is not in view.
    let [c, s] = [0.9, (1.0_f64 - 0.81).sqrt()];
    let tilted = planes([-140.0, -100.0, -210.0], L, [0.0, c, s], [0.0, -2.5 * s, 2.5 * c], 110);
    for planes in [axial(), tilted] {
        let series = Series::of_few_values(Phantom::sampled_by(planes));
        let defaced = series.deface().unwrap().slices;
        let fill = series.slices.iter().flatten().zip(defaced.iter().flatten());
        let fill = fill.filter(|(before, after)| before != after).map(|(_, after)| *after);
        let fill = fill.max().unwrap();
        audit(&series, &defaced, fill).unwrap();

        let tissue = |k: usize| {
            let pairs = series.slices[k].iter().zip(&defaced[k]);
            pairs.filter(|(before, after)| before != after && **before > 50).count()
        };
        let worst = (0..defaced.len()).max_by_key(|&k| tissue(k)).unwrap();
        let mut one_left_out = defaced.clone();
        one_left_out[worst].clone_from(&series.slices[worst]);
        let fault = audit(&series, &one_left_out, fill).unwrap_err();
        assert!(matches!(fault, FaceFault::SliceLeftOut { slice } if slice == worst), "{fault:?}");
    }
}

#[test]
fn defaces_every_orientation() {
    assert_defaced("axial, head first", axial());
    assert_defaced("axial, from the vertex down", axial().into_iter().rev().collect());
    assert_defaced(
        "axial, feet first",
        planes([140.0, -160.0, -140.0], R, P, [0.0, 0.0, 2.5], 100),
    );
    assert_defaced("sagittal", planes([-100.0, -160.0, 120.0], P, I, [2.5, 0.0, 0.0], 80));
    assert_defaced("coronal", planes([-140.0, -150.0, 120.0], L, I, [0.0, 2.5, 0.0], 110));
}

#[test]
fn defaces_with_a_tilted_gantry_and_unequal_slices() {
    let (sin, cos) = 18f64.to_radians().sin_cos();
    let tilted = planes([-140.0, -150.0, -160.0], L, [0.0, cos, sin], [0.0, 0.0, 4.0], 65);
    assert_defaced("tilted gantry, 4 mm", tilted);
    let unequal =
        axial().into_iter().enumerate().filter(|(k, _)| *k < 40 || k % 2 == 0).map(|(_, p)| p);
    assert_defaced("2.5 mm at the base, 5 mm above", unequal.collect());
}

#[test]
fn the_rescale_of_each_slice_counts() {
    let plain = Series::of(Phantom::sampled_by(axial()));
    let mut shifted = plain.clone();
    for (k, samples) in shifted.slices.iter_mut().enumerate() {
        let intercept = if k % 3 == 0 { -1000 } else { -1024 - k as i32 };
        samples.iter_mut().for_each(|s| *s += -1024 - intercept);
        shifted.rescales[k] = Rescale::new(1.0, f64::from(intercept)).unwrap();
    }
    let (plain, shifted_out) = (plain.deface().unwrap(), shifted.deface().unwrap());
    assert_eq!(plain.evidence, shifted_out.evidence);
    for (k, samples) in shifted_out.slices.iter().enumerate() {
        let hu = |slope_free: i32| slope_free + if k % 3 == 0 { -1000 } else { -1024 - k as i32 };
        assert!(samples.iter().zip(&plain.slices[k]).all(|(&a, &b)| hu(a) == b - 1024));
    }
}

#[test]
fn order_and_threads_make_no_difference() {
    let series = Series::of(Phantom::sampled_by(axial()));
    let threads = |n: usize, series: &Series| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        pool.install(|| series.deface()).unwrap()
    };
    let one = threads(1, &series);
    assert_eq!(one, threads(4, &series));

    let backwards = Series {
        planes: series.planes.iter().rev().copied().collect(),
        slices: series.slices.iter().rev().cloned().collect(),
        rescales: series.rescales.iter().rev().copied().collect(),
        ..series.clone()
    };
    let mut other = threads(2, &backwards);
    other.slices.reverse();
    other.evidence.removed_voxels.reverse();
    assert_eq!(one, other);
}

#[test]
fn outside_the_region_every_voxel_stays_and_inside_all_is_air() {
    let series = Series::of(Phantom::sampled_by(axial()));
    let Finding::Head(head) = series.locate(BodyPartHint::Unknown).unwrap() else { panic!() };
    let region = head.region(Level::Strict).unwrap();
    for (index, before) in series.slices.iter().enumerate() {
        let mut after = before.clone();
        let change = region.apply(index, &mut after, Edit { fill: -7, keep_from: None }).unwrap();
        assert_eq!(after.iter().filter(|&&v| v == -7).count(), change.removed);
        assert!(after.iter().zip(before).all(|(a, b)| a == b || *a == -7));
    }
}

/// Voxels that differ, over all slices.
fn changed(before: &Series, after: &Defaced) -> Vec<bool> {
    let slices = before.slices.iter().zip(&after.slices);
    slices.flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| a != b)).collect()
}

#[test]
fn a_head_is_found_whichever_way_it_lies() {
    // The right voxels under planes that are turned: a header that lies, or a patient on the side.
    let series = Series::of(Phantom::sampled_by(axial()));
    let honest = changed(&series, &series.deface().unwrap());
    let back = [0.0, -1.0, 0.0];
    let lies = [
        (
            "half a turn about the long axis",
            planes([140.0, 160.0, -140.0], R, back, [0.0, 0.0, 2.5], 100),
        ),
        (
            "half a turn about the left-right axis",
            planes([-140.0, 160.0, 140.0], L, back, [0.0, 0.0, -2.5], 100),
        ),
        ("on the side", planes([160.0, -140.0, -140.0], P, R, [0.0, 0.0, 2.5], 100)),
    ];
    for (name, planes) in lies {
        let lie = Series { planes, ..series.clone() };
        let defaced = lie.deface().unwrap();
        assert!(defaced.evidence.located.turned, "{name}");
        let found = changed(&lie, &defaced);
        let both = honest.iter().zip(&found).filter(|(a, b)| **a && **b).count();
        let either = honest.iter().zip(&found).filter(|(a, b)| **a || **b).count();
        assert!(both as f32 > 0.97 * either as f32, "{name}: {both} of {either} voxels");
    }
}

#[test]
fn the_same_head_is_removed_from_other_planes_of_its_frame_of_reference() {
    let thin = Series::of(Phantom::sampled_by(axial()));
    let Finding::Head(head) = thin.locate(BodyPartHint::Unknown).unwrap() else { panic!() };
    let sagittal = planes([0.0, -160.0, 120.0], P, I, [2.5, 0.0, 0.0], 1);
    let scout = Phantom::sampled_by(sagittal.clone());
    let own = head.anatomy().clone();
    let carried = |grown_mm: f32| {
        let stack = Stack::loose(&sagittal);
        let contrast = Contrast::Hounsfield;
        Region::carried(&own, stack, Level::Strict, contrast, -1000.0, grown_mm).unwrap()
    };
    let removed = |region: &Region| {
        let mut samples = scout.slices[0].clone();
        let edit = region.edit(scout.rescale, false, 0..=4095);
        let change = region.apply(0, &mut samples, edit).unwrap();
        let check = region.check().unwrap();
        let slice =
            Slice { samples: &samples, rescale: scout.rescale, padding: None, inverted: false };
        check.add(&change, &slice).unwrap();
        assert!(check.finish().unwrap().appearance.is_none());
        samples.iter().map(|&s| s == edit.fill).collect::<Vec<bool>>()
    };
    let (exact, grown) = (removed(&carried(0.0)), removed(&carried(4.0)));
    // The nose tip of the phantom and a place deep in its brain.
    let at = |y: f64, z: f64| ((y + 160.0) / 2.0) as usize + 140 * ((120.0 - z) / 2.0) as usize;
    let region = head.region(Level::Strict).unwrap();
    for (y, z) in [(-90.0, -50.0), (0.0, 30.0), (-75.0, 0.0)] {
        let there = region.contains([0.0, -y as f32, z as f32]);
        assert_eq!(exact[at(y, z)], there, "{y} {z}");
    }
    assert!(exact.iter().zip(&grown).all(|(exact, grown)| *grown || !*exact));
    assert!(grown.iter().filter(|b| **b).count() > exact.iter().filter(|b| **b).count());
}

#[test]
fn facial_bones_stay_where_they_are_to_stay() {
    let phantom = Series::of(Phantom::sampled_by(axial()));
    bones_stay_and_skin_goes("phantom", &phantom);
    for path in ["ct_head_cranium/cranium_ct.nii.gz", "ct_head_vtk_headsq/headsq_ct.nii.gz"] {
        if let Some(series) = nifti(path) {
            bones_stay_and_skin_goes(path, &series);
        }
    }
}

fn bones_stay_and_skin_goes(name: &str, series: &Series) {
    let defaced = series.deface_to(Level::KeepFacialBones);
    let Defaced { slices, evidence } =
        defaced.unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
    let seen = evidence.appearance.unwrap();
    println!("{name}: {seen:?}");
    assert!(seen.front.unwrap().bone_relief > 0.3, "{name}: more bone than `strict` leaves");
    let Finding::Head(head) = series.locate(BodyPartHint::Unknown).unwrap() else { panic!() };
    let region = head.region(Level::KeepFacialBones).unwrap();
    let (mut bone, mut soft) = (0, 0);
    for (index, (before, after)) in series.slices.iter().zip(&slices).enumerate() {
        let hu = |stored: i32| series.rescales[index].real(stored);
        for (&before, &after) in before.iter().zip(after) {
            assert!(
                before == after || hu(before) < 200.0,
                "{name}: bone of {} HU went",
                hu(before)
            );
            soft += usize::from(before != after && hu(before) > -100.0);
        }
        let plane = &series.planes[index];
        bone += (0..before.len())
            .filter(|&i| {
                let p = plane.patient((i % plane.columns()) as f64, (i / plane.columns()) as f64);
                hu(before[i]) >= 200.0 && region.contains([-p[0] as f32, -p[1] as f32, p[2] as f32])
            })
            .count();
    }
    assert!(bone > 500 && soft > 5000, "{name}: {bone} voxels of bone, {soft} of soft tissue");
}

#[test]
fn heads_partly_in_view_are_defaced_or_refused_never_passed_as_no_head() {
    let down_to = |lowest_mm: f64| {
        let planes = axial().into_iter().filter(|p| p.origin()[2] > lowest_mm).collect();
        Series::of(Phantom::sampled_by(planes))
    };
    assert!(down_to(-40.0).deface().is_ok(), "nose cut through");
    for (name, highest_mm) in [("face without cranium", -20.0), ("chin and neck", -60.0)] {
        let planes = axial().into_iter().filter(|p| p.origin()[2] < highest_mm).collect();
        let series = Series::of(Phantom::sampled_by(planes));
        for hint in [BodyPartHint::Head, BodyPartHint::Unknown, BodyPartHint::Other] {
            match series.locate(hint) {
                Ok(Finding::NoHead(_)) => panic!("{name} taken for no head"),
                Ok(Finding::Head(_)) | Err(_) => {}
            }
        }
    }
}

/// Half width and half depth of bodies, mm.
const WIDE: [f64; 2] = [180.0, 120.0];
/// As large as a head with both arms beside it, but wider than a head.
const SLIM: [f64; 2] = [130.0, 90.0];

fn torso() -> Series {
    torso_of(WIDE)
}

/// An elliptic body with a spine, arms down.
fn torso_of([across, deep]: [f64; 2]) -> Series {
    let planes = planes([-140.0 * 1.4, -140.0, 0.0], L, P, [0.0, 0.0, 5.0], 40);
    let hu = |x: f64, y: f64| {
        let body = (x / across).powi(2) + (y / deep).powi(2) < 1.0;
        let spine = x.abs() < 20.0 && (y - 70.0).abs() < 20.0;
        if spine {
            400
        } else if body {
            40
        } else {
            -1000
        }
    };
    let spacing = PixelSpacing { between_rows: 3.0, between_columns: 3.0 };
    let planes: Vec<_> = planes
        .iter()
        .map(|p| ImagePlane::new([-210.0, -140.0, p.origin()[2]], L, P, spacing, 100, 140).unwrap())
        .collect();
    let slice = |p: &ImagePlane| {
        (0..p.len())
            .map(|i| p.patient((i % 140) as f64, (i / 140) as f64))
            .map(|q| hu(q[0], q[1]))
            .collect()
    };
    let slices = planes.iter().map(slice).collect();
    let rescales = vec![Rescale::new(1.0, 0.0).unwrap(); 40];
    Series { planes, slices, rescales, contrast: Contrast::Hounsfield }
}

#[test]
fn absence_needs_proof() {
    let wide = torso();
    let trunk = wide.locate(BodyPartHint::Unknown);
    assert!(matches!(trunk, Ok(Finding::NoHead(Absence::Trunk { .. }))), "whatever is said");
    let slim = torso_of(SLIM);
    assert!(matches!(slim.locate(BodyPartHint::Other), Ok(Finding::NoHead(_))));
    let unproven = [(&wide, BodyPartHint::Head), (&slim, BodyPartHint::Head)];
    for (torso, hint) in unproven.into_iter().chain([(&slim, BodyPartHint::Unknown)]) {
        assert!(matches!(torso.locate(hint), Err(Refusal::AbsenceUnproven { .. })), "{hint:?}");
    }
}

#[test]
fn what_is_not_hounsfield_is_refused() {
    let mut series = torso();
    series.slices.iter_mut().flatten().for_each(|v| *v += 1000);
    assert!(matches!(series.locate(BodyPartHint::Other), Err(Refusal::NotHounsfield { .. })));
}

#[test]
fn bookkeeping() {
    let series = torso();
    let survey = Survey::new(&series.planes, Contrast::Hounsfield).unwrap();
    let slice = series.slice(0, &series.slices[0]);
    assert_eq!(survey.add(40, &slice), Err(Refusal::SliceBookkeeping { slice: 40 }));
    assert!(matches!(survey.add(0, &series.slice(0, &[1, 2])), Err(Refusal::SampleCount { .. })));
    survey.add(0, &slice).unwrap();
    assert_eq!(survey.add(0, &slice), Err(Refusal::SliceBookkeeping { slice: 0 }), "twice");
    assert!(
        matches!(survey.locate(BodyPartHint::Other), Err(Refusal::SliceBookkeeping { slice: 1 })),
        "missing"
    );
}

fn shared(path: &str) -> Option<PathBuf> {
    let file = support::shared(&format!("data/{path}"));
    if file.is_none() {
        println!("SKIPPED: no ../shared/data/{path}");
    }
    file
}

/// A public head from a NIfTI file whose values are HU.
fn nifti(path: &str) -> Option<Series> {
    use nifti::{NiftiObject, NiftiVolume, RandomAccessNiftiVolume, ReaderOptions};
    let file = ReaderOptions::new().read_file(shared(path)?).unwrap();
    let h = file.header();
    let affine = if h.sform_code > 0 {
        [h.srow_x, h.srow_y, h.srow_z].map(|row| row.map(f64::from))
    } else {
        from_quaternion(h)
    };
    // NIfTI is RAS, DICOM LPS.
    let lps = |c: usize| [-affine[0][c], -affine[1][c], affine[2][c]];
    let length = |v: [f64; 3]| v.iter().map(|c| c * c).sum::<f64>().sqrt();
    let (row, column, step, origin) = (lps(0), lps(1), lps(2), lps(3));
    let spacing = PixelSpacing { between_columns: length(row), between_rows: length(column) };
    let (u, v) =
        (row.map(|c| c / spacing.between_columns), column.map(|c| c / spacing.between_rows));
    let size = file.volume().dim().to_vec();
    let plane = |k: u16| {
        let position = std::array::from_fn(|a| origin[a] + step[a] * f64::from(k));
        ImagePlane::new(position, u, v, spacing, u32::from(size[1]), u32::from(size[0])).unwrap()
    };
    let volume = file.volume();
    let slice = |k: u16| {
        let rows = (0..size[1]).flat_map(|j| (0..size[0]).map(move |i| [i, j, k]));
        rows.map(|at| volume.get_f32(&at).unwrap().round() as i32).collect()
    };
    Some(Series {
        planes: (0..size[2]).map(plane).collect(),
        slices: (0..size[2]).map(slice).collect(),
        rescales: vec![Rescale::new(1.0, 0.0).unwrap(); usize::from(size[2])],
        contrast: Contrast::Hounsfield,
    })
}

/// The affine of NIfTI's method 2 (qform).
fn from_quaternion(h: &nifti::NiftiHeader) -> [[f64; 4]; 3] {
    let [b, c, d] = [h.quatern_b, h.quatern_c, h.quatern_d].map(f64::from);
    let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
    let size: [f64; 4] = std::array::from_fn(|k| f64::from(h.pixdim[k]));
    let flip = if size[0] < 0.0 { -1.0 } else { 1.0 };
    let rotation = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    let offset = [h.quatern_x, h.quatern_y, h.quatern_z].map(f64::from);
    std::array::from_fn(|r| {
        let [x, y, z] = rotation[r];
        [x * size[1], y * size[2], z * size[3] * flip, offset[r]]
    })
}

#[test]
fn public_heads_are_defaced() {
    for path in [
        "ct_head_cranium/cranium_ct.nii.gz",
        "ct_head_vtk_headsq/headsq_ct.nii.gz",
        "ct_mr_rire_dicom2stl/ct_example.nii.gz",
    ] {
        if let Some(series) = nifti(path) {
            let outcome = series.deface();
            assert!(outcome.is_ok(), "{path}: {:?}", outcome.map(|d| d.evidence));
        }
    }
}

#[test]
fn a_pseudo_ct_without_skull_base_is_refused() {
    if let Some(series) = nifti("ctlike_head_tigre/tigre_pseudoct.nii.gz") {
        let refusal = series.deface().map(|d| d.evidence).unwrap_err();
        assert!(matches!(refusal, Refusal::PoorFit { .. }), "{refusal:?}");
    }
}

/// The abdomen is a tar of DICOM files, which the system's tar unpacks.
#[test]
fn a_public_abdomen_has_no_head() {
    use dicom_dictionary_std::tags;
    let Some(archive) = shared("neg_ct_abdomen_dicom/ct_abdomen_60slices.tar.xz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let unpack = std::process::Command::new("tar")
        .arg("-xJf")
        .arg(archive)
        .arg("-C")
        .arg(folder.path())
        .status();
    if !unpack.is_ok_and(|s| s.success()) {
        return println!("SKIPPED: no tar with xz");
    }
    let contrast = Contrast::Hounsfield;
    let mut series = Series { planes: vec![], slices: vec![], rescales: vec![], contrast };
    for path in files(folder.path()) {
        let object = dicom_object::open_file(path).unwrap();
        let floats = |tag| object.element(tag).unwrap().to_multi_float64().unwrap();
        let (position, directions, spacing) = (
            floats(tags::IMAGE_POSITION_PATIENT),
            floats(tags::IMAGE_ORIENTATION_PATIENT),
            floats(tags::PIXEL_SPACING),
        );
        let side = |tag| object.element(tag).unwrap().to_int::<u32>().unwrap();
        let plane = ImagePlane::new(
            position.try_into().unwrap(),
            directions[..3].try_into().unwrap(),
            directions[3..].try_into().unwrap(),
            PixelSpacing { between_rows: spacing[0], between_columns: spacing[1] },
            side(tags::ROWS),
            side(tags::COLUMNS),
        );
        series.planes.push(plane.unwrap());
        let bytes = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
        let signed = side(tags::PIXEL_REPRESENTATION) == 1;
        let sample = |b: &[u8]| match [b[0], b[1]] {
            b if signed => i32::from(i16::from_le_bytes(b)),
            b => i32::from(u16::from_le_bytes(b)),
        };
        series.slices.push(bytes.chunks_exact(2).map(sample).collect());
        let intercept = floats(tags::RESCALE_INTERCEPT)[0];
        series.rescales.push(Rescale::new(floats(tags::RESCALE_SLOPE)[0], intercept).unwrap());
    }
    assert!(matches!(series.locate(BodyPartHint::Other), Ok(Finding::NoHead(_))));
    // A trunk in every section, whatever the header says; unless it says head.
    assert!(matches!(series.locate(BodyPartHint::Unknown), Ok(Finding::NoHead(_))));
    assert!(matches!(series.locate(BodyPartHint::Head), Err(Refusal::AbsenceUnproven { .. })));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|p| if p.is_dir() { files(&p) } else { vec![p] }).collect()
}
