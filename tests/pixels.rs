//! Real files of every transfer syntax, cleaned and blanked, against what pydicom decodes.
//!
//! The files lie beside the checkout (`../shared/data`); without them, or without a Python with
//! pydicom, numpy and pillow, the tests say SKIPPED. What that Python cannot decode isn't judged.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use dicom_dictionary_std::tags;
use efface::dicom::canonical::Limits;
use efface::dicom::dataset::Dataset;
use efface::dicom::part10;
use efface::dicom::source::Source;
use efface::pixel::{Error, Frames, Region, Stored, Treatment};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{files, shared};

/// Compares pixels before and after; one line for each file: its number and a verdict.
const JUDGE: &str = r#"
import sys, warnings
warnings.filterwarnings("ignore")
import numpy as np, pydicom
from pydicom.pixels import pixel_array
def pixels(path):
    data = pydicom.dcmread(path)
    frames = pixel_array(data).astype(np.int64)
    bits = data.get("BitsStored", 32)
    if "PixelData" in data and data.SamplesPerPixel == 1 and not data.PixelRepresentation:
        frames &= (1 << bits) - 1
    return data, frames.reshape((int(data.get("NumberOfFrames") or 1), data.Rows, data.Columns, -1))
for line in sys.stdin:
    number, before, after, blank = line.rstrip("\n").split("\t")
    try:
        source, old = pixels(before)
    except Exception:
        print(number, "not judged")
        continue
    data, new = pixels(after)
    outside = np.ones(old.shape[:3], bool)
    inside = None
    if blank:
        x, y, w, h = map(int, blank.split())
        outside[:, y:y+h, x:x+w] = False
        if "422" in source.PhotometricInterpretation and not source.file_meta.TransferSyntaxUID.is_encapsulated:
            outside[:, y:y+h, x-x%2:x+w+(x+w)%2] = False
        inside = new[:, y:y+h, x:x+w]
    lossy = source.file_meta.TransferSyntaxUID in ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203")
    # Decoders of DCT differ in rounding, and more where they interpolate colour.
    limit = 0 if not lossy or not blank else 4 if source.SamplesPerPixel == 1 else 60
    worst = np.abs(old - new)[outside].max() if outside.any() else 0
    typical = np.abs(old - new)[outside].mean() if outside.any() else 0
    if worst > limit or typical > 1:
        print(number, "changed outside by", worst, "mean", typical)
    elif inside is not None and (inside != inside[:1, :1, :1]).any():
        print(number, "not constant inside")
    else:
        print(number, "good", data.file_meta.TransferSyntaxUID, data.PhotometricInterpretation)
"#;

struct Case {
    name: String,
    from: String,
    before: PathBuf,
    after: PathBuf,
    blank: Option<Region>,
}

/// Every file with pixels, unpacked.
fn sources(into: &Path) -> Option<Vec<PathBuf>> {
    let data = shared("data")?;
    for set in ["dcm_pydicom_testfiles", "dcm_nema_wg04"] {
        for archive in files(&data.join(set)) {
            let name = archive.file_name()?.to_str()?;
            if name.ends_with(".tar.xz") {
                let target = into.join(name);
                fs::create_dir_all(&target).unwrap();
                let unpacked =
                    Command::new("tar").arg("xJf").arg(&archive).arg("-C").arg(&target).status();
                assert!(unpacked.is_ok_and(|status| status.success()));
            }
        }
    }
    let loose = files(&data.join("dcm_burnedin_phi_deiddata"));
    Some([files(into), loose].concat())
}

fn treat(path: &Path, after: &Path, blank: Option<Region>) -> Option<Result<String, Error>> {
    let source = Source::of_file(path).ok()?;
    let header = source.header(Limits::default()).ok()?;
    let mut dataset = Dataset::parse(&header.bytes).ok()?;
    let span = header.pixels?;
    let regions: Vec<_> = blank.map(|region| (region, Frames::All)).into_iter().collect();
    let stored = Stored { dataset: &dataset, span, transfer_syntax: source.transfer_syntax() };
    let treatment = match Treatment::plan(&stored, &mut source.reader().unwrap(), &regions) {
        Err(reason) => return Some(Err(reason)),
        Ok(treatment) => treatment,
    };
    treatment.header().apply(&mut dataset);
    let mut out = Vec::new();
    let class = dataset.text(tags::SOP_CLASS_UID).unwrap_or_default();
    part10::write_meta(&mut out, &class, "2.25.7", treatment.transfer_syntax()).unwrap();
    out.extend(dataset.encode().unwrap());
    if let Err(reason) = treatment.write(&mut source.reader().unwrap(), &mut out) {
        return Some(Err(reason));
    }
    fs::write(after, out).unwrap();
    Some(Ok(source.transfer_syntax().to_owned()))
}

fn region_of(path: &Path) -> Option<Region> {
    let header = Source::of_file(path).ok()?.header(Limits::default()).ok()?;
    let dataset = Dataset::parse(&header.bytes).ok()?;
    let (rows, columns) = (dataset.number(tags::ROWS)?, dataset.number(tags::COLUMNS)?);
    let (rows, columns) = (rows as u32, columns as u32);
    let (x, y) = (columns / 3, rows / 4);
    Some(Region { x, y, width: (columns / 3).max(1), height: (rows / 4).max(1) })
}

fn python() -> Option<PathBuf> {
    support::python_with("pydicom, numpy, PIL")
}

fn judged(python: &Path, folder: &Path, cases: &[Case]) -> Vec<(String, String)> {
    let list: String = cases
        .iter()
        .enumerate()
        .map(|(n, case)| {
            let blank = case.blank.map(|r| format!("{} {} {} {}", r.x, r.y, r.width, r.height));
            let blank = blank.unwrap_or_default();
            format!("{n}\t{}\t{}\t{blank}\n", case.before.display(), case.after.display())
        })
        .collect();
    let input = folder.join("cases");
    fs::write(&input, list).unwrap();
    let output = Command::new(python)
        .args(["-c", JUDGE])
        .stdin(fs::File::open(input).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    said.lines()
        .map(|line| {
            let (number, verdict) = line.split_once(' ').unwrap();
            let case = &cases[number.parse::<usize>().unwrap()];
            let what = if case.blank.is_some() { "blanked" } else { "cleaned" };
            (format!("{} {} {what}", case.name, case.from), verdict.to_owned())
        })
        .collect()
}

#[test]
fn every_pixel_that_nobody_blanked_is_the_one_that_others_decode() {
    let folder = tempfile::tempdir().unwrap();
    let Some(sources) = sources(&folder.path().join("in")) else { skip!("no ../shared/data") };
    let Some(python) = python() else { skip!("no Python with pydicom, numpy and pillow") };
    let (mut cases, mut kinds) = (Vec::new(), BTreeSet::new());
    for before in sources {
        let name = before.file_name().unwrap().to_string_lossy().into_owned();
        for blank in [None, region_of(&before)] {
            let after = folder.path().join(format!("{}.dcm", cases.len()));
            match treat(&before, &after, blank) {
                None => {}
                Some(Err(Error::Io(error))) => panic!("{name}: {error}"),
                Some(Err(reason)) => println!("{name} {}: {reason}", blank.is_some()),
                Some(Ok(from)) => {
                    kinds.insert((from.clone(), blank.is_some()));
                    cases.push(Case {
                        name: name.clone(),
                        from,
                        before: before.clone(),
                        after,
                        blank,
                    });
                }
            }
        }
    }
    let verdicts = judged(&python, folder.path(), &cases);
    verdicts.iter().for_each(|(case, verdict)| println!("{case}: {verdict}"));
    let bad: Vec<_> = verdicts
        .iter()
        .filter(|(_, verdict)| !verdict.starts_with("good") && verdict != "not judged")
        .collect();
    let good = verdicts.iter().filter(|(_, verdict)| verdict.starts_with("good")).count();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(good > 100 && kinds.len() > 15, "only {good} of {} kinds judged", kinds.len());
}
