//! Faces at the level of the study: what one series shows is taken from all that share its frame of reference.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use efface::config::load_profile;
use efface::custody::gate;
use efface::dicom::plane::{ImagePlane, PixelSpacing};
use efface::dicom::source::Source;
use efface::face::Heads;
use efface::key::RootKey;
use efface::phantom::Phantom;
use efface::pipeline::survey::{Arrival, survey};
use efface::pipeline::{self, FACE_LIMIT, Route};
use efface::service::handles;
use efface::spool::ledger::Ledger;
use efface::spool::quarantine::Code;
use std::path::Path;
use std::time::Duration;
use support::canary::assert_clean_files;
use support::dcmtk::{Arrived, arrived};
use support::files;
use support::gateway::{Site, efface, printed};
use support::study::{self, Elements, patient, write_all};

/// In the template: in the nose, the chin, an eye; and in the brain (MNI mm).
const FACE: [[f32; 3]; 3] = [[0.0, 86.0, -48.0], [0.0, 72.0, -105.0], [33.0, 66.0, -40.0]];
const BRAIN: [[f32; 3]; 2] = [[0.0, -20.0, 10.0], [30.0, 10.0, 40.0]];

/// Axial planes so far apart, of square voxels, where `keep` says.
fn axial(mm: f64, keep: impl Fn(f64) -> bool) -> Vec<ImagePlane> {
    let planes = Phantom::axial(mm).planes.into_iter();
    planes.filter(|plane| keep(plane.origin()[2])).collect()
}

/// The midsagittal plane, and one beside it: what a localizer shows is the profile.
fn sagittal() -> Vec<ImagePlane> {
    let spacing = PixelSpacing { between_rows: 2.0, between_columns: 2.0 };
    let middle = Phantom::place([0.0, 90.0, -40.0])[0];
    let plane = |x: f64| {
        let (row, column) = ([0.0, 1.0, 0.0], [0.0, 0.0, -1.0]);
        ImagePlane::new([x, -170.0, 120.0], row, column, spacing, 135, 145).unwrap()
    };
    [middle, middle + 12.0].map(plane).to_vec()
}

/// De-identifies a study under the site's profile; what left, and what was said.
fn deidentify(site: &Site, instances: &[Elements]) -> (Vec<Arrived>, String) {
    write_all(&site.path("pacs"), instances);
    let (input, out, key) = (site.at("pacs"), site.at("out"), site.at("root.key"));
    let done =
        efface(&["deid", &input, "-o", &out, "--profile", &site.profile, "--key-file", &key]);
    assert_clean_files(Path::new(&out));
    (arrived(Path::new(&out)), printed(&done))
}

/// The stored value at a point of the template in the slice of `series` that is nearest, if one is near.
fn value(images: &[Arrived], series: u32, mni: [f32; 3]) -> Option<u16> {
    let at = Phantom::place(mni);
    let of_series = images.iter().filter(|i| i.text("SeriesNumber") == series.to_string());
    let mut nearest: Option<(f64, u16)> = None;
    for image in of_series {
        let numbers = |keyword: &str| -> Vec<f64> {
            let element = image.object.element_by_name(keyword).unwrap();
            element.to_multi_float64().unwrap()
        };
        let (origin, axes) = (numbers("ImagePositionPatient"), numbers("ImageOrientationPatient"));
        let spacing = numbers("PixelSpacing");
        let from: Vec<f64> = (0..3).map(|k| at[k] - origin[k]).collect();
        let along = |axis: &[f64]| (0..3).map(|k| from[k] * axis[k]).sum::<f64>();
        let (u, v) = (along(&axes[..3]), along(&axes[3..]));
        let off = (from.iter().map(|c| c * c).sum::<f64>() - u * u - v * v).max(0.0).sqrt();
        let (column, row) = ((u / spacing[1]).round(), (v / spacing[0]).round());
        let columns: usize = image.object.element_by_name("Columns").unwrap().to_int().unwrap();
        let rows: usize = image.object.element_by_name("Rows").unwrap().to_int().unwrap();
        let inside = (0.0..columns as f64).contains(&column) && (0.0..rows as f64).contains(&row);
        if inside && off <= 3.1 && nearest.is_none_or(|(best, _)| off < best) {
            let pixels = image.pixels();
            let i = 2 * (row as usize * columns + column as usize);
            nearest = Some((off, u16::from_le_bytes([pixels[i], pixels[i + 1]])));
        }
    }
    nearest.map(|(_, value)| value)
}

/// Of the points of the face that a series shows: all are of one value of air now, and were not. Those of the brain
/// stay.
fn assert_faceless(
    before: &[Arrived],
    after: &[Arrived],
    series: u32,
    air: std::ops::RangeInclusive<u16>,
) {
    let mut fills = Vec::new();
    for point in FACE {
        let (Some(was), Some(is)) = (value(before, series, point), value(after, series, point))
        else {
            continue;
        };
        assert!(was > air.end() + 250, "series {series}: {point:?} was {was}");
        assert!(air.contains(&is), "series {series}: {point:?} was {was}, is {is}");
        fills.push(is);
    }
    fills.dedup();
    assert_eq!(fills.len(), 1, "series {series} shows no face, or was filled with {fills:?}");
    for point in BRAIN {
        assert_eq!(value(before, series, point), value(after, series, point), "series {series}");
    }
}

#[test]
fn what_one_series_shows_is_taken_from_all() {
    let somebody = patient(1);
    let nose = Phantom::place(FACE[0])[2];
    let mut instances = somebody.head(study::CT, [1, 3], axial(3.0, |_| true));
    // Alone, none of these could be cleared: too few slices, a profile, a tracer.
    instances.extend(somebody.head(study::CT, [1, 4], axial(3.0, |z| (z - nose).abs() < 4.0)));
    instances.extend(somebody.head(study::MR, [1, 5], sagittal()));
    instances.extend(somebody.head(study::PET, [1, 6], axial(6.0, |_| true)));
    // A profile in a frame of reference of its own: nothing says where the face is in it.
    let alone = somebody.head(study::MR, [1, 9], sagittal());
    instances.extend(alone.into_iter().map(|mut slice| {
        slice.text(0x0020_0052, "UI", "1.2.826.0.1.3680043.8.498.77.1");
        slice
    }));
    let site = Site::basic();
    let (after, said) = deidentify(&site, &instances);
    let before = arrived(&site.path("pacs"));
    assert!(said.contains("2 withheld"), "{said}");
    assert!(
        said.contains("no other series of its frame of reference")
            || said.contains("slices don't make a volume"),
        "{said}"
    );
    assert_eq!(after.len(), instances.len() - 2);
    assert!(!after.iter().any(|image| image.text("SeriesNumber") == "9"));
    // Where air is exactly 0 the fill is not, or what changed would draw the face.
    for (series, air) in [(3, 34..=34), (4, 34..=34), (5, 1..=100), (6, 1..=100)] {
        assert_faceless(&before, &after, series, air);
    }
    for image in &after {
        assert_eq!(image.text("RecognizableVisualFeatures"), "NO");
        assert!(image.methods().contains(&"113102".to_owned()));
    }
}

#[test]
fn alone_they_stay_inside() {
    let somebody = patient(1);
    for class in [study::MR, study::PET] {
        let planes = if class == study::MR { sagittal() } else { axial(6.0, |_| true) };
        let site = Site::basic();
        let (after, said) = deidentify(&site, &somebody.head(class, [1, 5], planes));
        assert!(after.is_empty(), "{said}");
        assert!(said.contains("face-not-cleared"), "{said}");
    }
}

/// What takes longer than it may stays inside, whole, and nothing of it is left behind.
#[test]
fn out_of_time_nothing_leaves() {
    let site = Site::basic();
    write_all(&site.path("pacs"), &patient(1).head(study::CT, [1, 3], axial(4.0, |_| true)));
    let root = RootKey::generate().unwrap();
    let arrivals = files(&site.path("pacs")).into_iter().enumerate().map(|(n, file)| Arrival {
        id: format!("{n}"),
        source: Source::of_file(&file).unwrap(),
        digest: None,
        said_class: None,
        caller: None,
        called: None,
        received_ms: None,
    });
    let study = survey(arrivals.collect(), &Ledger::empty(), &handles(&root)).unwrap();
    let drafts = site.path("drafts");
    std::fs::create_dir(&drafts).unwrap();
    let mut route = Route::new("lab", "lab", load_profile("basic", None).unwrap(), &root, &drafts);
    let run = |route: &Route| {
        let grant = gate::grant_by_hand("lab", &route.profile);
        pipeline::run(route, grant, &study, &mut Heads::default(), &drafts, &|| ()).unwrap()
    };
    route.face_limit = Duration::ZERO;
    let late = run(&route);
    assert_eq!((late.clean.len(), late.pictures.len(), files(&drafts).len()), (0, 0, 0));
    let [stays] = &late.withheld[..] else { panic!("{:?}", late.withheld) };
    assert_eq!((stays.code, stays.ids.len()), (Code::FaceOutOfTime, study.instances.len()));
    assert!(stays.detail.contains("did not end within 0 s"), "{}", stays.detail);

    route.face_limit = FACE_LIMIT;
    let in_time = run(&route);
    assert_eq!((in_time.clean.len(), in_time.withheld.len()), (study.instances.len(), 0));
}

/// A level that leaves bone claims less, and MR of the same study goes by the strict one.
#[test]
fn where_bones_stay_nothing_more_is_said() {
    let somebody = patient(1);
    let site = Site::with_profile(
        "faces: { level: keep-facial-bones, because: \"implants for the jaw\" }\n",
    );
    let mut instances = somebody.head(study::CT, [1, 3], axial(3.0, |_| true));
    instances.extend(somebody.head(study::MR, [1, 5], sagittal()));
    let (after, said) = deidentify(&site, &instances);
    assert_eq!(after.len(), instances.len(), "{said}");
    for image in &after {
        let strict = image.text("Modality") == "MR";
        let answer = if strict { "NO" } else { "YES" };
        assert_eq!(image.text("RecognizableVisualFeatures"), answer);
        assert_eq!(image.methods().contains(&"113102".to_owned()), strict);
    }
    let bone = |images: &[Arrived]| -> usize {
        let slices = images.iter().filter(|image| image.text("Modality") == "CT");
        slices
            .map(|image| {
                image
                    .pixels()
                    .chunks(2)
                    .filter(|b| u16::from_le_bytes([b[0], b[1]]) >= 1624)
                    .count()
            })
            .sum()
    };
    assert_eq!(bone(&after), bone(&arrived(&site.path("pacs"))), "no bone went");
}

/// All frames of a series as one enhanced object (PS3.3 A.38.1): planes in per-frame groups.
fn enhanced(slices: &[Elements], study_series: [u32; 2]) -> Elements {
    let [study, series] = study_series;
    let mut one = patient(1).instance(study::ENHANCED_CT, study, series, 1);
    for tag in [
        0x0028_0002,
        0x0028_0004,
        0x0028_0010,
        0x0028_0011,
        0x0028_0100,
        0x0028_0101,
        0x0028_0102,
        0x0028_0103,
    ] {
        one.0.insert(tag, slices[0].0[&tag].clone());
    }
    one.text(0x0018_0015, "CS", "HEAD").text(0x0028_0008, "IS", &slices.len().to_string());
    let text = |slice: &Elements, tag| slice.text_of(tag);
    one.item(0x5200_9229, |shared| {
        shared.item(0x0020_9116, |o| {
            o.text(0x0020_0037, "DS", &text(&slices[0], 0x0020_0037));
        });
        shared.item(0x0028_9110, |m| {
            m.text(0x0028_0030, "DS", &text(&slices[0], 0x0028_0030));
        });
        shared.item(0x0028_9145, |t| {
            t.text(0x0028_1052, "DS", "-1024").text(0x0028_1053, "DS", "1");
            t.text(0x0028_1054, "LO", "HU");
        });
    });
    let frames = slices.iter().map(|slice| {
        let mut frame = Elements::default();
        frame.item(0x0020_9113, |p| {
            p.text(0x0020_0032, "DS", &text(slice, 0x0020_0032));
        });
        frame
    });
    let frames = study::Value::Items(frames.collect());
    one.0.insert(0x5200_9230, ("SQ", frames));
    let pixels = slices.iter().flat_map(|slice| match &slice.0[&0x7FE0_0010].1 {
        study::Value::Bytes(bytes) => bytes.clone(),
        study::Value::Items(_) => Vec::new(),
    });
    let pixels: Vec<u8> = pixels.collect();
    one.bytes(0x7FE0_0010, "OW", &pixels);
    one
}

#[test]
fn frames_of_one_object_are_slices_like_others() {
    let slices = patient(1).head(study::CT, [1, 3], axial(3.0, |_| true));
    // The frames in another order than the planes.
    let (even, odd): (Vec<_>, Vec<_>) =
        slices.iter().cloned().zip(0..).partition(|(_, n)| n % 2 == 0);
    let shuffled: Vec<Elements> = odd.into_iter().chain(even).map(|(slice, _)| slice).collect();
    let (single, enhanced_site) = (Site::basic(), Site::basic());
    let (one_by_one, _) = deidentify(&single, &slices);
    let (as_one, said) = deidentify(&enhanced_site, &[enhanced(&shuffled, [1, 7])]);
    assert_eq!(as_one.len(), 1, "{said}");
    let (pixels, frame) = (as_one[0].pixels(), one_by_one[0].pixels().len());
    assert_eq!(pixels.len(), frame * slices.len());
    let number = |slice: &Elements| slice.text_of(0x0020_0013);
    for (n, slice) in shuffled.iter().enumerate() {
        let same =
            one_by_one.iter().find(|one| one.text("InstanceNumber") == number(slice)).unwrap();
        assert_eq!(pixels[n * frame..][..frame], same.pixels(), "frame {n}");
    }
}

/// A contour round the head at the height of a plane, every 5 degrees, some mm within the skin.
fn body_contour(z: f64) -> Vec<[f64; 3]> {
    let centre = Phantom::place([0.0, -10.0, 0.0]);
    (0..72)
        .map(|n| {
            let (sin, cos) = (f64::from(n) * 5.0).to_radians().sin_cos();
            [centre[0] + 70.0 * cos, centre[1] + 95.0 * sin, z]
        })
        .collect()
}

fn structure_set(contours: &[Vec<[f64; 3]>]) -> Elements {
    let mut set = patient(1).instance(study::STRUCTURE_SET, 1, 8, 1);
    let frame = set.text_of(0x0020_0052);
    set.item(0x3006_0020, |roi| {
        roi.text(0x3006_0022, "IS", "1").text(0x3006_0024, "UI", &frame).text(
            0x3006_0026,
            "LO",
            "BODY",
        );
    });
    set.item(0x3006_0039, |roi| {
        roi.text(0x3006_0084, "IS", "1");
        let contours = contours.iter().map(|points| {
            let mut contour = Elements::default();
            let data: Vec<String> = points.iter().flatten().map(|c| format!("{c:.2}")).collect();
            contour.text(0x3006_0042, "CS", "CLOSED_PLANAR");
            contour.text(0x3006_0046, "IS", &points.len().to_string());
            contour.text(0x3006_0050, "DS", &data.join("\\"));
            contour
        });
        roi.0.insert(0x3006_0040, ("SQ", study::Value::Items(contours.collect())));
    });
    set
}

#[test]
fn contours_are_cut_where_the_face_was() {
    let nose = Phantom::place(FACE[0])[2];
    let vertex = Phantom::place([0.0, 0.0, 95.0])[2];
    let set = structure_set(&[body_contour(nose), body_contour(vertex)]);
    let alone = Site::basic();
    let (nothing, said) = deidentify(&alone, std::slice::from_ref(&set));
    assert!(nothing.is_empty() && said.contains("face-not-cleared"), "{said}");

    let mut instances = patient(1).head(study::CT, [1, 3], axial(3.0, |_| true));
    instances.push(set);
    let site = Site::basic();
    let (after, said) = deidentify(&site, &instances);
    assert_eq!(after.len(), instances.len(), "{said}");
    let set = after.iter().find(|one| one.text("Modality") == "RTSTRUCT").unwrap();
    assert!(set.methods().contains(&"113102".to_owned()));
    let roi = set.object.element_by_name("ROIContourSequence").unwrap();
    let contours = roi.items().unwrap()[0].element_by_name("ContourSequence").unwrap();
    let points: Vec<Vec<f64>> = contours
        .items()
        .unwrap()
        .iter()
        .map(|contour| contour.element_by_name("ContourData").unwrap().to_multi_float64().unwrap())
        .collect();
    assert_eq!(points.len(), 2);
    let eyes = Phantom::place([33.0, 55.0, -40.0])[1];
    assert!(points[0].len() > 3 * 20, "the back of the head stays");
    assert!(points[0].chunks(3).all(|p| p[1] > eyes), "anterior is negative y");
    assert_eq!(points[1].len(), 3 * 72, "the vertex is not touched");
}
