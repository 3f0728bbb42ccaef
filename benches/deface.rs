//! CT head defacing, whole and in parts: 512 x 512 x 300 voxels of 0.5 x 0.5 x 0.8 mm, one and two threads.
#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use efface::deface::{
    BodyPartHint, Contrast, Finding, Head, Level, Region, Slice, SliceChange, Survey,
};
use efface::dicom::plane::{ImagePlane, PixelSpacing};
use efface::phantom::Phantom;
use rayon::prelude::*;
use std::time::Duration;

fn head_ct() -> Phantom {
    let spacing = PixelSpacing { between_rows: 0.5, between_columns: 0.5 };
    let plane = |k: u32| {
        let position = [-128.0, -140.0, -130.0 + 0.8 * f64::from(k)];
        ImagePlane::new(position, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], spacing, 512, 512)
            .expect("a valid plane")
    };
    Phantom::sampled_by((0..300).map(plane).collect())
}

fn slice<'a>(ct: &Phantom, samples: &'a [i32]) -> Slice<'a> {
    Slice { samples, rescale: ct.rescale, padding: None, inverted: false }
}

fn survey(ct: &Phantom) -> Survey {
    let survey = Survey::new(&ct.planes, Contrast::Hounsfield).expect("one volume");
    ct.slices.par_iter().enumerate().for_each(|(index, samples)| {
        survey.add(index, &slice(ct, samples)).expect("a slice of the volume");
    });
    survey
}

fn locate(survey: &Survey) -> Head {
    match survey.locate(BodyPartHint::Head) {
        Ok(Finding::Head(head)) => *head,
        other => panic!("the phantom is a head: {other:?}"),
    }
}

fn apply(ct: &Phantom, region: &Region, slices: &mut [Vec<i32>]) -> Vec<SliceChange> {
    let edit = region.edit(ct.rescale, false, 0..=4095);
    let change = |(index, samples): (usize, &mut Vec<i32>)| region.apply(index, samples, edit);
    slices
        .par_iter_mut()
        .enumerate()
        .map(change)
        .collect::<Result<_, _>>()
        .expect("slices of the volume")
}

fn check(ct: &Phantom, region: &Region, slices: &[Vec<i32>], changes: &[SliceChange]) {
    let check = region.check().expect("one volume");
    slices.par_iter().zip(changes).for_each(|(samples, change)| {
        check.add(change, &slice(ct, samples)).expect("filled inside, unchanged outside");
    });
    check.finish().expect("no face is left");
}

fn deface(criterion: &mut Criterion) {
    let ct = head_ct();
    let surveyed = survey(&ct);
    let region = locate(&surveyed).region(Level::Strict).expect("off the brain");
    let mut defaced = ct.slices.clone();
    let changes = apply(&ct, &region, &mut defaced);

    for threads in [1, 2] {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        let mut group = criterion.benchmark_group(format!("deface 512x512x300, threads {threads}"));
        group.sample_size(10).measurement_time(Duration::from_secs(8));
        group.bench_function("survey", |b| b.iter(|| pool.install(|| survey(&ct))));
        group.bench_function("locate", |b| b.iter(|| pool.install(|| locate(&surveyed))));
        group.bench_function("region and apply", |b| {
            let fresh = || (locate(&surveyed), ct.slices.clone());
            let run = |(head, mut slices): (Head, Vec<Vec<i32>>)| {
                pool.install(|| {
                    let region = head.region(Level::Strict).expect("off the brain");
                    apply(&ct, &region, &mut slices);
                    slices
                })
            };
            b.iter_batched(fresh, run, BatchSize::PerIteration);
        });
        group.bench_function("check", |b| {
            b.iter(|| pool.install(|| check(&ct, &region, &defaced, &changes)))
        });
        group.bench_function("whole, with check", |b| {
            let run = |mut slices: Vec<Vec<i32>>| {
                pool.install(|| {
                    let region = locate(&survey(&ct)).region(Level::Strict).expect("off the brain");
                    let changes = apply(&ct, &region, &mut slices);
                    check(&ct, &region, &slices, &changes);
                    slices
                })
            };
            b.iter_batched(|| ct.slices.clone(), run, BatchSize::PerIteration);
        });
        group.finish();
    }
}

criterion_group!(benches, deface);
criterion_main!(benches);
