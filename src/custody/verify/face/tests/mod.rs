//! The check against the engine's honest output of the phantom, and against defacers that cheat.
//!
//! Only tests use the engine here: the check itself shares no code with it.

use super::*;
use crate::deface::{
    BodyPartHint, Contrast, Edit, Finding, Level, Region, Rescale, Slice, Stack, Survey,
};
use crate::dicom::plane::{ImagePlane, PixelSpacing};
use crate::phantom::Phantom;
use std::sync::LazyLock;

/// -990 HU, the air that is put in, as the phantom stores it.
const FILL: i32 = 34;
const INTERCEPT: f64 = -1024.0;
const SPACING_MM: f64 = 4.0;

/// The phantom, its regions at both levels, and its slices without a face.
struct Case {
    phantom: Phantom,
    region: Region,
    defaced: Vec<Vec<i32>>,
    /// Slice number of the middle of the removed tissue.
    middle: f64,
}

static CASE: LazyLock<Case> = LazyLock::new(|| Case::at(Level::Strict));
static BONES_KEPT: LazyLock<Case> = LazyLock::new(|| Case::at(Level::KeepFacialBones));

impl Case {
    fn at(level: Level) -> Self {
        let phantom = Phantom::axial(SPACING_MM);
        let survey = Survey::new(&phantom.planes, Contrast::Hounsfield).unwrap();
        for (index, samples) in phantom.slices.iter().enumerate() {
            let rescale = phantom.rescale;
            let slice = Slice { samples, rescale, padding: None, inverted: false };
            survey.add(index, &slice).unwrap();
        }
        let Finding::Head(head) = survey.locate(BodyPartHint::Head).unwrap() else {
            panic!("the phantom is a head")
        };
        let region = head.region(level).unwrap();
        let edit = region.edit(phantom.rescale, false, 0..=4095);
        assert_eq!(edit.fill, FILL);
        let mut defaced = phantom.slices.clone();
        for (index, samples) in defaced.iter_mut().enumerate() {
            region.apply(index, samples, edit).unwrap();
        }
        let middle = middle(&phantom.slices, &defaced);
        Case { phantom, region, defaced, middle }
    }

    /// The slices between two heights, mm: a field of view that cuts the head off above and below.
    fn between(&self, low: f64, high: f64) -> Vec<usize> {
        (0..self.defaced.len()).filter(|&k| (low..high).contains(&self.height(k))).collect()
    }

    /// The verdict where only these slices are in view.
    fn verdict_in_view(&self, view: &[usize], after: &[Vec<i32>]) -> Result<FaceSeen, FaceFault> {
        let places = view.iter().map(|&k| SlicePlace::from(&self.phantom.planes[k])).collect();
        let audit = FaceAudit::new(places, Scale::Hounsfield)?;
        for (number, &k) in view.iter().enumerate() {
            let (before, after) = (&self.phantom.slices[k], &after[k]);
            audit.add(number, before, after, 1.0, INTERCEPT, false, FILL)?;
        }
        audit.finish()
    }

    fn places(&self) -> Vec<SlicePlace> {
        self.phantom.planes.iter().map(SlicePlace::from).collect()
    }

    /// The engine's output where `keep` doesn't hold of (slice, sample), the original where it does.
    fn restored(&self, keep: impl Fn(usize, usize) -> bool) -> Vec<Vec<i32>> {
        let slice = |(k, before): (usize, &Vec<i32>)| {
            let sample = |i: usize| if keep(k, i) { before[i] } else { self.defaced[k][i] };
            (0..before.len()).map(sample).collect()
        };
        self.phantom.slices.iter().enumerate().map(slice).collect()
    }

    /// Foot to head, mm above the middle of the removed tissue.
    fn height(&self, slice: usize) -> f64 {
        SPACING_MM * (slice as f64 - self.middle)
    }

    fn verdict(&self, after: &[Vec<i32>]) -> Result<FaceSeen, FaceFault> {
        let all: Vec<usize> = (0..after.len()).collect();
        self.verdict_in_view(&all, after)
    }

    fn add_all(&self, audit: &FaceAudit, after: &[Vec<i32>]) -> Result<(), FaceFault> {
        let mut slices = self.phantom.slices.iter().zip(after).enumerate();
        slices.try_for_each(|(k, (b, a))| audit.add(k, b, a, 1.0, INTERCEPT, false, FILL))
    }
}

/// Cells of 3 mm with these HU, the same before and after, and the body in them; asked by number along each axis, `None`
/// is out of view.
pub(super) fn cells_of(size: [usize; 3], hu: impl Fn([f32; 3]) -> Option<f32>) -> (Field, Body) {
    let levels = Levels::of(Scale::Hounsfield).unwrap();
    let count = size.iter().product();
    let mut field = Field {
        size,
        cell: 3.0,
        origin: [0.0; 3],
        axes: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        before: Vec::new(),
        after: Vec::new(),
        changed: vec![0.0; count],
        inside: Vec::new(),
    };
    let values: Vec<Option<f32>> =
        (0..count).map(|i| hu(field.node(i).map(|n| n as f32))).collect();
    field.inside = values.iter().map(Option::is_some).collect();
    field.before = values.iter().map(|hu| levels.level(hu.unwrap_or(-1000.0).into())).collect();
    field.after = field.before.clone();
    let body = Body::find(&field, Scale::Hounsfield, &levels).unwrap();
    (field, body)
}

/// Slice number of the middle of what became darker.
fn middle(before: &[Vec<i32>], after: &[Vec<i32>]) -> f64 {
    let darker = before.iter().zip(after).map(|(before, after)| {
        before.iter().zip(after).map(|(b, a)| f64::from((b - a).max(0))).sum::<f64>()
    });
    let (sum, total) = darker
        .enumerate()
        .fold((0.0, 0.0), |(sum, total), (k, weight)| (sum + weight * k as f64, total + weight));
    sum / total
}

#[test]
fn an_honest_output_passes() {
    let seen = CASE.verdict(&CASE.defaced).unwrap();
    let figures = seen.figures();
    let figure = |name: &str| figures.iter().find(|(n, _)| *n == name).unwrap().1;
    assert!(figure("face likeness before") > 0.55);
    assert!(figure("front pixels") > 500.0);
    assert!(figure("brain cells") > 5000.0);
    assert_eq!(figure("brain cells changed"), 0.0);
}

/// A defacer that cheats.
type Cheat = fn(&Case) -> Vec<Vec<i32>>;

#[test]
fn an_output_that_shows_a_face_is_refused() {
    let case = &*CASE;
    let cheats: [(&str, Cheat); 8] = [
        ("only the eyes go", |c| c.restored(|k, _| (c.height(k) - 12.0).abs() > 17.0)),
        ("only the upper half goes", |c| c.restored(|k, _| c.height(k) < 0.0)),
        ("only the lower half goes", |c| c.restored(|k, _| c.height(k) > 0.0)),
        ("only one side goes", |c| {
            let columns = c.phantom.planes[0].columns();
            c.restored(move |_, i| i % columns < columns / 2)
        }),
        ("a peel of 12 mm", |c| peel(c, 12.0)),
        ("a peel of 16 mm", |c| peel(c, 16.0)),
        ("a peel of 20 mm", |c| peel(c, 20.0)),
        ("a peel of 24 mm", |c| peel(c, 24.0)),
    ];
    for (name, cheat) in cheats {
        let verdict = case.verdict(&cheat(case));
        let caught = matches!(
            verdict,
            Err(FaceFault::SkinSurvives { .. }
                | FaceFault::ReliefSurvives { .. }
                | FaceFault::WrongSide { .. }
                | FaceFault::ViewUnmoved { .. })
        );
        assert!(caught, "{name}: {verdict:?}");
    }
    assert_eq!(case.verdict(&case.phantom.slices), Err(FaceFault::Nothing), "nothing done");
}

/// What the engine removed, but only so deep below the skin: the shape of the face stays.
fn peel(case: &Case, depth_mm: f64) -> Vec<Vec<i32>> {
    let plane = &case.phantom.planes[0];
    let (columns, rows) = (plane.columns(), plane.rows());
    // Seen from the front, column by column: the phantom looks to the first row.
    let skin = |k: usize, column: usize| {
        let samples = &case.phantom.slices[k];
        (0..rows).find(|row| samples[row * columns + column] > 624).unwrap_or(rows)
    };
    let depth = (depth_mm / SPACING_MM) as usize;
    let fronts: Vec<Vec<usize>> = (0..case.phantom.slices.len())
        .map(|k| (0..columns).map(|column| skin(k, column)).collect())
        .collect();
    case.restored(|k, i| i / columns >= fronts[k][i % columns] + depth)
}

/// The region turned round: rows counted from the other end.
fn back(case: &Case) -> Vec<Vec<i32>> {
    let removed = |k: usize, i: usize| case.defaced[k][i] != case.phantom.slices[k][i];
    let length = case.defaced[0].len();
    (0..case.defaced.len())
        .map(|k| {
            let samples = &case.phantom.slices[k];
            let sample = |i: usize| if removed(k, length - 1 - i) { FILL } else { samples[i] };
            (0..length).map(sample).collect()
        })
        .collect()
}

#[test]
fn the_back_of_the_head_is_no_face() {
    let verdict = CASE.verdict(&back(&CASE));
    assert!(
        matches!(verdict, Err(FaceFault::WrongSide { .. } | FaceFault::BrainTouched { .. })),
        "{verdict:?}"
    );
}

#[test]
fn a_face_that_is_partly_in_view_is_known_by_the_hollows_behind_it() {
    let case = &*CASE;
    // From the nose up, the vertex cut off; from the upper lip to the brow.
    for (low, high) in [(-10.0, 110.0), (0.0, 100.0), (-40.0, 60.0)] {
        let view = case.between(low, high);
        let verdict = case.verdict_in_view(&view, &case.defaced);
        assert!(verdict.is_ok(), "{low} to {high} mm: {verdict:?}");
        let cheats: [(&str, Cheat); 6] = [
            ("the back", back),
            ("a peel of 12 mm", |c| peel(c, 12.0)),
            ("a peel of 20 mm", |c| peel(c, 20.0)),
            ("only the lower half goes", |c| c.restored(|k, _| c.height(k) > 15.0)),
            ("only the upper half goes", |c| c.restored(|k, _| c.height(k) < 15.0)),
            ("only one side goes", |c| {
                let columns = c.phantom.planes[0].columns();
                c.restored(move |_, i| i % columns < columns / 2)
            }),
        ];
        for (name, cheat) in cheats {
            let verdict = case.verdict_in_view(&view, &cheat(case));
            assert!(verdict.is_err(), "{name}, {low} to {high} mm");
        }
    }
}

#[test]
fn every_sample_and_every_slice_counts() {
    let case = &*CASE;
    let changed = |at: (usize, usize), to: i32| {
        let mut after = case.defaced.clone();
        after[at.0][at.1] = to;
        case.verdict(&after)
    };
    // One voxel of the neck to another value than the fill.
    let verdict = changed((5, 40 * 65 + 32), 3000);
    assert_eq!(verdict, Err(FaceFault::NotFill { slice: 5, samples: 1 }));

    let blurred =
        case.restored(|_, _| false).into_iter().zip(&case.phantom.slices).map(|(a, b)| {
            a.iter().zip(b).map(|(a, b)| if a == b { *a } else { (a + b) / 2 }).collect()
        });
    let verdict = case.verdict(&blurred.collect::<Vec<_>>());
    assert!(matches!(verdict, Err(FaceFault::NotFill { .. })), "attenuated: {verdict:?}");

    let middle = (0..case.defaced.len()).find(|&k| case.height(k) > 0.0).unwrap();
    for left_out in [middle, middle - 10] {
        let verdict = case.verdict(&case.restored(|k, _| k == left_out));
        assert_eq!(verdict, Err(FaceFault::SliceLeftOut { slice: left_out }));
    }
}

#[test]
fn a_fill_as_bright_as_skin_or_another_in_one_slice_is_refused() {
    let case = &*CASE;
    let fault = |fill_of: &dyn Fn(usize) -> i32| {
        let audit = FaceAudit::new(case.places(), Scale::Hounsfield).unwrap();
        for (k, before) in case.phantom.slices.iter().enumerate() {
            let after: Vec<i32> = before
                .iter()
                .zip(&case.defaced[k])
                .map(|(b, a)| if a == b { *b } else { fill_of(k) })
                .collect();
            audit.add(k, before, &after, 1.0, INTERCEPT, false, fill_of(k)).unwrap();
        }
        audit.finish()
    };
    assert!(matches!(fault(&|_| 900), Err(FaceFault::Fill { .. })));
    assert!(matches!(fault(&|k| if k == 40 { 0 } else { FILL }), Err(FaceFault::Fill { .. })));
    assert!(fault(&|_| FILL).is_ok());
}

#[test]
fn bookkeeping() {
    let case = &*CASE;
    let audit = || FaceAudit::new(case.places(), Scale::Hounsfield).unwrap();
    let (before, after) = (&case.phantom.slices[0], &case.defaced[0]);
    let fault = FaceFault::Bookkeeping { slice: 0 };

    let twice = audit();
    twice.add(0, before, after, 1.0, INTERCEPT, false, FILL).unwrap();
    assert_eq!(twice.add(0, before, after, 1.0, INTERCEPT, false, FILL), Err(fault.clone()));
    assert_eq!(twice.finish(), Err(fault.clone()), "the first fault stays");

    assert_eq!(audit().finish(), Err(fault.clone()), "none was added");
    assert_eq!(audit().add(0, before, &after[1..], 1.0, INTERCEPT, false, FILL), Err(fault));
    for (slope, intercept) in [(f64::NAN, 0.0), (0.0, 0.0), (1.0, f64::NAN)] {
        let added = audit().add(0, before, after, slope, intercept, false, FILL);
        assert_eq!(added, Err(FaceFault::Scale));
    }
    let mut places = case.places();
    places[3].row = [f64::NAN, 0.0, 0.0];
    let audit = FaceAudit::new(places, Scale::Hounsfield);
    assert!(matches!(audit, Err(FaceFault::Place { slice: 3 })));
    let few = FaceAudit::new(case.places()[..3].to_vec(), Scale::Hounsfield).unwrap();
    assert_eq!(few.finish(), Err(FaceFault::Slices { slices: 3 }));
}

#[test]
fn order_and_threads_make_no_difference() {
    use rayon::prelude::*;
    let case = &*CASE;
    let verdict = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let audit = FaceAudit::new(case.places(), Scale::Hounsfield).unwrap();
            (0..case.defaced.len()).into_par_iter().rev().for_each(|k| {
                let (before, after) = (&case.phantom.slices[k], &case.defaced[k]);
                audit.add(k, before, after, 1.0, INTERCEPT, false, FILL).unwrap();
            });
            audit.finish().unwrap()
        })
    };
    let one = case.verdict(&case.defaced).unwrap();
    assert_eq!(one, verdict(1));
    assert_eq!(one, verdict(4));
}

#[test]
fn values_that_turn_round_are_the_same_head() {
    let case = &*CASE;
    let scale = Scale::Arbitrary { low: 0.0, high: 4095.0 };
    let audit = FaceAudit::new(case.places(), scale).unwrap();
    let turned = |samples: &[i32]| samples.iter().map(|v| 4095 - v).collect::<Vec<i32>>();
    for (k, before) in case.phantom.slices.iter().enumerate() {
        let (before, after) = (turned(before), turned(&case.defaced[k]));
        audit.add(k, &before, &after, 1.0, 0.0, true, 4095 - FILL).unwrap();
    }
    assert!(audit.finish().is_ok());
}

#[test]
fn bones_may_stay_but_skin_may_not() {
    let case = &*BONES_KEPT;
    let verdict = |after: &[Vec<i32>]| {
        let audit = FaceAudit::new(case.places(), Scale::Hounsfield).unwrap().with_bones_kept();
        case.add_all(&audit, after).and_then(|()| audit.finish())
    };
    verdict(&case.defaced).unwrap();
    assert!(case.verdict(&case.defaced).is_err(), "bones weren't to stay");
    assert!(verdict(&case.phantom.slices).is_err());
    assert!(verdict(&case.restored(|k, _| case.height(k) < 0.0)).is_err(), "half of the skin");
}

#[test]
fn a_localizer_is_judged_by_the_head_found_elsewhere() {
    let case = &*CASE;
    let seen = case.verdict(&case.defaced).unwrap();
    let spacing = PixelSpacing { between_rows: 2.0, between_columns: 2.0 };
    let plane = |x: f64| {
        ImagePlane::new([x, -160.0, 120.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0], spacing, 140, 140)
    };
    let planes = vec![plane(-10.0).unwrap(), plane(0.0).unwrap()];
    let scout = Phantom::sampled_by(planes.clone());
    let anatomy = case.region.anatomy().clone();
    let stack = Stack::loose(&planes);
    let contrast = Contrast::Hounsfield;
    let region = Region::carried(&anatomy, stack, Level::Strict, contrast, -1000.0, 4.0).unwrap();
    let verdict = |defaced: bool| {
        let audit =
            FaceAudit::new(planes.iter().map(SlicePlace::from).collect(), Scale::Hounsfield)
                .unwrap();
        for (k, before) in scout.slices.iter().enumerate() {
            let mut after = before.clone();
            if defaced {
                region.apply(k, &mut after, Edit { fill: FILL, keep_from: None }).unwrap();
            }
            audit.add(k, before, &after, 1.0, INTERCEPT, false, FILL).unwrap();
        }
        audit.finish_by(&seen)
    };
    assert!(verdict(true).is_ok(), "{:?}", verdict(true));
    assert_eq!(verdict(false), Err(FaceFault::ZoneNotEmpty { share: 1.0 }));
    assert_eq!(scout.rescale, Rescale::HU_PLUS_1024);
}
