//! Defacing of heads, whole and in parts, one and two threads: CT of 512 x 512 x 300 voxels of
//! 0.5 x 0.5 x 0.8 mm, MR of 256 x 256 x 192 of 1 x 1 x 1.2 mm. From native frames in memory to native frames
//! that both checks have read again; headers and files are not in it. Beside others: `deface_peers.py`.
#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use efface::custody::verify::{FaceAudit, Scale, SlicePlace};
use efface::deface::{
    BodyPartHint, Contrast, Finding, Head, Level, Region, Slice, SliceChange, Survey,
};
use efface::dicom::frame::{Frame, FrameFormat};
use efface::dicom::plane::{ImagePlane, PixelSpacing};
use efface::phantom::Phantom;
use rayon::prelude::*;
use std::time::Duration;

/// A head, and what its values are.
struct Case {
    name: &'static str,
    head: Phantom,
    contrast: Contrast,
}

fn cases() -> [Case; 2] {
    let stack = |side: u32, mm: f64, slices: u32, apart: f64| {
        let spacing = PixelSpacing { between_rows: mm, between_columns: mm };
        let plane = |k: u32| {
            let position = [-128.0, -140.0, -130.0 + apart * f64::from(k)];
            ImagePlane::new(position, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], spacing, side, side)
                .expect("a valid plane")
        };
        Phantom::sampled_by((0..slices).map(plane).collect())
    };
    let ct = stack(512, 0.5, 300, 0.8);
    let mr = stack(256, 1.0, 192, 1.25).as_mr();
    let any = Contrast::Arbitrary { low: 0.0, high: 4095.0 };
    [
        Case { name: "CT 512x512x300", head: ct, contrast: Contrast::Hounsfield },
        Case { name: "MR 256x256x192", head: mr, contrast: any },
    ]
}

fn slice<'a>(case: &Case, samples: &'a [i32]) -> Slice<'a> {
    Slice { samples, rescale: case.head.rescale, padding: None, inverted: false }
}

/// The form of all frames of a case.
fn format(case: &Case) -> FrameFormat {
    let plane = &case.head.planes[0];
    let (rows, columns) = (plane.rows() as u16, plane.columns() as u16);
    FrameFormat { rows, columns, bits_allocated: 16, bits_stored: 12, signed: false }
}

fn encode(case: &Case, slices: &[Vec<i32>]) -> Vec<Vec<u8>> {
    let format = format(case);
    let native = |samples: &Vec<i32>| {
        let mut frame = Frame::from_native(format, &vec![0; format.bytes()]).expect("a frame");
        frame.replace(samples);
        frame.to_native()
    };
    slices.par_iter().map(native).collect()
}

fn decode(case: &Case, frames: &[Vec<u8>]) -> Vec<Vec<i32>> {
    let format = format(case);
    let samples = |bytes: &Vec<u8>| Frame::from_native(format, bytes).expect("a frame").samples();
    frames.par_iter().map(samples).collect()
}

fn survey(case: &Case, slices: &[Vec<i32>]) -> Survey {
    let survey = Survey::new(&case.head.planes, case.contrast).expect("one volume");
    slices.par_iter().enumerate().for_each(|(index, samples)| {
        survey.add(index, &slice(case, samples)).expect("a slice of the volume");
    });
    survey
}

fn locate(survey: &Survey) -> Head {
    match survey.locate(BodyPartHint::Head) {
        Ok(Finding::Head(head)) => *head,
        other => panic!("the phantom is a head: {other:?}"),
    }
}

fn apply(case: &Case, region: &Region, slices: &mut [Vec<i32>]) -> Vec<SliceChange> {
    let edit = region.edit(case.head.rescale, false, 0..=4095);
    let change = |(index, samples): (usize, &mut Vec<i32>)| region.apply(index, samples, edit);
    slices
        .par_iter_mut()
        .enumerate()
        .map(change)
        .collect::<Result<_, _>>()
        .expect("slices of the volume")
}

fn check(case: &Case, region: &Region, slices: &[Vec<i32>], changes: &[SliceChange]) {
    let check = region.check().expect("one volume");
    slices.par_iter().zip(changes).for_each(|(samples, change)| {
        check.add(change, &slice(case, samples)).expect("filled inside, unchanged outside");
    });
    check.finish().expect("no face is left");
}

/// The verifier's look, which is told nothing but where the slices lie.
fn verify(case: &Case, slices: &[Vec<i32>], changes: &[SliceChange]) {
    let scale = match case.contrast {
        Contrast::Hounsfield => Scale::Hounsfield,
        Contrast::Arbitrary { low, high } => Scale::Arbitrary { low, high },
    };
    let places = case.head.planes.iter().map(SlicePlace::from).collect();
    let audit = FaceAudit::new(places, scale).expect("one volume");
    let (slope, intercept) = (1.0, f64::from(case.head.rescale.real(0)));
    case.head.slices.par_iter().zip(slices).zip(changes).for_each(|((before, after), change)| {
        let fill = change.edit.fill;
        audit.add(change.slice, before, after, slope, intercept, false, fill).expect("a slice");
    });
    audit.finish().expect("no face is left");
}

/// All of it: both checks read what would leave.
fn whole(case: &Case, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut slices = decode(case, frames);
    let head = locate(&survey(case, &slices));
    let region = head.region(Level::Strict).expect("off the brain");
    let changes = apply(case, &region, &mut slices);
    let defaced = encode(case, &slices);
    let slices = decode(case, &defaced);
    check(case, &region, &slices, &changes);
    verify(case, &slices, &changes);
    defaced
}

fn deface(criterion: &mut Criterion) {
    for case in cases() {
        bench(criterion, &case);
    }
}

fn bench(criterion: &mut Criterion, case: &Case) {
    let surveyed = survey(case, &case.head.slices);
    let frames = encode(case, &case.head.slices);
    let region = locate(&surveyed).region(Level::Strict).expect("off the brain");
    let mut defaced = case.head.slices.clone();
    let changes = apply(case, &region, &mut defaced);

    for threads in [1, 2] {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        let mut group = criterion.benchmark_group(format!("{}, threads {threads}", case.name));
        group.sample_size(10).measurement_time(Duration::from_secs(8));
        group.bench_function("decode", |b| b.iter(|| pool.install(|| decode(case, &frames))));
        group.bench_function("survey", |b| {
            b.iter(|| pool.install(|| survey(case, &case.head.slices)))
        });
        group.bench_function("locate", |b| b.iter(|| pool.install(|| locate(&surveyed))));
        group.bench_function("region and apply", |b| {
            let fresh = || (locate(&surveyed), case.head.slices.clone());
            let run = |(head, mut slices): (Head, Vec<Vec<i32>>)| {
                pool.install(|| {
                    let region = head.region(Level::Strict).expect("off the brain");
                    apply(case, &region, &mut slices);
                    slices
                })
            };
            b.iter_batched(fresh, run, BatchSize::PerIteration);
        });
        group.bench_function("encode", |b| b.iter(|| pool.install(|| encode(case, &defaced))));
        group.bench_function("check", |b| {
            b.iter(|| pool.install(|| check(case, &region, &defaced, &changes)))
        });
        group.bench_function("verify", |b| {
            b.iter(|| pool.install(|| verify(case, &defaced, &changes)))
        });
        group.bench_function("whole", |b| b.iter(|| pool.install(|| whole(case, &frames))));
        group.finish();
    }
}

criterion_group!(benches, deface);
criterion_main!(benches);
