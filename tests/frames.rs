//! Frames of multi-frame MR in every transfer syntax that is decoded, each read alone, against the
//! samples that went in; and planes of real enhanced objects, against those that pydicom reads.
//!
//! The objects are made by pydicom, Pillow and dcmtk. Without a Python with pydicom, numpy and pillow
//! the tests say SKIPPED; without `dcmcjpeg` JPEG isn't tested, without `../shared/data` nothing real.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use efface::custody::object::FrameIndex;
use efface::dicom::canonical::Limits;
use efface::dicom::dataset::Dataset;
use efface::dicom::facts::FrameFacts;
use efface::dicom::frame::frames_of;
use efface::dicom::source::Source;
use efface::dicom::volumes::volumes;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{files, shared};

/// Makes objects in a folder, each with its samples beside it: 32 bits, little endian, frame by frame.
const MAKER: &str = r#"
import io, subprocess, sys
from pathlib import Path
import numpy as np, pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import *
folder = Path(sys.argv[1])
rng = np.random.default_rng(4)

def made(samples, stored, photometric="MONOCHROME2", syntax=ExplicitVRLittleEndian):
    frames, rows, columns = samples.shape
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    meta.MediaStorageSOPInstanceUID = "2.25.77"
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = EnhancedMRImageStorage, "2.25.77"
    data.Modality, data.SamplesPerPixel, data.PhotometricInterpretation = "MR", 1, photometric
    data.NumberOfFrames, data.Rows, data.Columns = frames, rows, columns
    data.BitsAllocated, data.BitsStored = samples.dtype.itemsize * 8, stored
    data.HighBit, data.PixelRepresentation = stored - 1, int(samples.dtype.kind == "i")
    shared = Dataset()
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = [1.5, 1.25]
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    data.SharedFunctionalGroupsSequence = [shared]
    data.PerFrameFunctionalGroupsSequence = []
    for n in range(frames):
        group = Dataset()
        group.PlanePositionSequence = [Dataset()]
        group.PlanePositionSequence[0].ImagePositionPatient = [-40 + 2 * n, 7, 9]
        data.PerFrameFunctionalGroupsSequence.append(group)
    return data

def keep(name, data, samples):
    data.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    (folder / f"{name}.raw").write_bytes(samples.astype("<i4").tobytes())

def native(name, samples, stored, **more):
    data = made(samples, stored, **more)
    value = samples.tobytes()
    data.add_new("PixelData", "OB" if samples.dtype.itemsize == 1 else "OW", value + bytes(len(value) % 2))
    keep(name, data, samples)
    return data

def coded(name, samples, stored, syntax, frames, table, photometric="MONOCHROME2"):
    data = made(samples, stored, photometric, syntax)
    if table == "extended":
        data.PixelData, data.ExtendedOffsetTable, data.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    else:
        fragments = 2 if table == "parted" else 1
        data.PixelData = encapsulate(frames, fragments_per_frame=fragments, has_bot=table != "none")
    data["PixelData"].is_undefined_length = True
    data["PixelData"].VR = "OB"
    keep(name, data, samples)

def packed(row):
    out, at = bytearray(), 0
    while at < len(row):
        run = 1
        while run < 128 and at + run < len(row) and row[at + run] == row[at]:
            run += 1
        out += bytes([257 - run if run > 1 else 0, row[at]])
        at += run
    return bytes(out) + bytes(len(out) % 2)

def rle(frame):
    width = frame.dtype.itemsize
    planes = [frame.tobytes()[width - 1 - n::width] for n in range(width)]
    segments = [b"".join([packed(p)]) for p in planes]
    offsets, at = [], 64
    for segment in segments:
        offsets.append(at)
        at += len(segment)
    header = np.array([width] + offsets + [0] * (15 - width), "<u4").tobytes()
    return header + b"".join(segments)

def j2k(frame):
    out = io.BytesIO()
    Image.fromarray(frame).save(out, "JPEG2000", irreversible=False, no_jp2=True)
    return out.getvalue()

smooth = np.add.outer(np.arange(7), np.add.outer(np.arange(24), np.arange(20)))
noisy = smooth * 60 + rng.integers(0, 40, smooth.shape)
unsigned, signed = noisy.astype("<u2"), (noisy - 1500).astype("<i2")
bytes_, odd = (noisy // 13).astype("u1"), (noisy[:3, :5, :7] // 13).astype("u1")
native("native_unsigned", unsigned, 12)
native("native_implicit", unsigned, 16, syntax=ImplicitVRLittleEndian)
native("native_signed", signed, 13)
native("native_8", bytes_, 8)
native("native_8_odd", odd, 8)
native("native_monochrome1", unsigned, 12, photometric="MONOCHROME1")
for table in ["none", "basic", "extended", "parted"]:
    coded(f"rle_{table}", unsigned, 12, RLELossless, [rle(f) for f in unsigned], table)
    coded(f"j2k_{table}", unsigned, 16, JPEG2000Lossless, [j2k(f) for f in unsigned], table)
coded("rle_signed", signed, 16, RLELossless, [rle(f) for f in signed], "basic")
coded("rle_8_odd", odd, 8, RLELossless, [rle(f) for f in odd], "none")
coded("j2k_8", bytes_, 8, JPEG2000Lossless, [j2k(f) for f in bytes_], "basic", "MONOCHROME1")
for name, samples in [("native_unsigned", unsigned), ("native_8", bytes_), ("native_signed", signed)]:
    for process, flag in [("sv1", "+e1"), ("lossless", "+el")]:
        for table in ["+ot", "-ot"]:
            target = folder / f"jpeg_{process}_{name}{table[0]}.dcm"
            try:
                subprocess.run(["dcmcjpeg", flag, table, "+un", folder / f"{name}.dcm", target], check=True)
            except FileNotFoundError:
                continue
            target.with_suffix(".raw").write_bytes(samples.astype("<i4").tobytes())
"#;

/// What pydicom reads of each frame of an object, one a line: position, orientation, spacing, slope
/// and intercept; and behind an empty line the sums of the samples.
const READER: &str = r#"
import sys, warnings
warnings.filterwarnings("ignore")
import numpy as np, pydicom
data = pydicom.dcmread(sys.argv[1])
shared = data.SharedFunctionalGroupsSequence[0]
for own in data.PerFrameFunctionalGroupsSequence:
    def of(sequence):
        for group in (own, shared):
            if sequence in group:
                return group[sequence].value[0]
    rescale = of("PixelValueTransformationSequence")
    print(*of("PlanePositionSequence").ImagePositionPatient, *of("PlaneOrientationSequence").ImageOrientationPatient,
        *of("PixelMeasuresSequence").PixelSpacing, *((rescale.RescaleSlope, rescale.RescaleIntercept) if rescale else (1, 0)))
print()
frames = data.pixel_array.astype(np.int64)
for frame in frames.reshape(-1, data.Rows, data.Columns):
    print((frame * (np.arange(frame.size) % 251).reshape(frame.shape)).sum())
"#;

fn python() -> Option<PathBuf> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/bin/python");
    let python = std::env::var_os("EFFACE_TEST_PYTHON").map_or(made, PathBuf::from);
    let imports = Command::new(&python).args(["-c", "import pydicom, numpy, PIL"]).output();
    imports.is_ok_and(|output| output.status.success()).then_some(python)
}

fn ran(python: &Path, program: &str, argument: &Path) -> String {
    let output = Command::new(python).args(["-c", program]).arg(argument).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn dataset(path: &Path) -> Dataset {
    let header = Source::of_file(path).unwrap().header(Limits::default()).unwrap();
    Dataset::parse(&header.bytes).unwrap()
}

#[test]
fn every_frame_read_alone_is_the_one_that_went_in() {
    let Some(python) = python() else { skip!("no Python with pydicom, numpy and pillow") };
    let folder = tempfile::tempdir().unwrap();
    ran(&python, MAKER, folder.path());
    let mut judged = 0;
    for path in files(folder.path()).into_iter().filter(|path| path.extension().unwrap() == "dcm") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let samples: Vec<i32> = fs::read(path.with_extension("raw"))
            .unwrap()
            .chunks_exact(4)
            .map(|bytes| i32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        let dataset = dataset(&path);
        let index = FrameIndex::of_file(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let frames = samples.len() / index.format().samples();
        assert_eq!((index.frames(), frames_of(&dataset)), (frames, Ok(frames)), "{name}");
        for (n, expected) in samples.chunks(index.format().samples()).enumerate().rev() {
            let (_, frame) = index.frame(n).unwrap_or_else(|error| panic!("{name} {n}: {error}"));
            assert!(frame.samples() == expected, "{name}: frame {n} is another");
        }
        assert!(index.frame(frames).is_err());
        let facts = FrameFacts::of(&dataset).unwrap();
        for (n, facts) in facts.iter().enumerate() {
            assert_eq!(facts.plane.origin(), [-40.0 + 2.0 * n as f64, 7.0, 9.0]);
            assert_eq!(
                (facts.frame, facts.inverted),
                (n, name == "native_monochrome1" || name == "j2k_8")
            );
        }
        println!("{name}: {frames} frames");
        judged += 1;
    }
    assert!(judged >= 17, "only {judged}");
}

#[test]
fn real_enhanced_objects_are_read_as_pydicom_reads_them() {
    let Some(data) = shared("data") else { skip!("no ../shared/data") };
    let Some(python) = python() else { skip!("no Python with pydicom, numpy and pillow") };
    let folder = tempfile::tempdir().unwrap();
    let archive = data.join("dcm_philips_enhanced_private/philips_enh.tar.xz");
    let unpacked =
        Command::new("tar").arg("xJf").arg(&archive).arg("-C").arg(folder.path()).status();
    assert!(unpacked.is_ok_and(|status| status.success()));
    let mut judged = 0;
    for path in files(folder.path()) {
        let Ok(source) = Source::of_file(&path) else { continue };
        let Ok(header) = source.header(Limits::default()) else { continue };
        let dataset = Dataset::parse(&header.bytes).unwrap();
        if header.pixels.is_none() || frames_of(&dataset).is_ok_and(|frames| frames == 1) {
            continue;
        }
        let said = ran(&python, READER, &path);
        let (frames, sums) = said.split_once("\n\n").unwrap();
        let facts = FrameFacts::of(&dataset).unwrap();
        for (facts, line) in facts.iter().zip(frames.lines()) {
            let numbers: Vec<f64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            let plane = &facts.plane;
            let spacing = [plane.spacing().between_rows, plane.spacing().between_columns];
            let own = [plane.origin(), plane.row(), plane.column()].concat();
            assert_eq!(
                [own, spacing.to_vec(), vec![facts.slope, facts.intercept]].concat(),
                numbers
            );
        }
        let index = FrameIndex::of_file(&path).unwrap();
        assert_eq!((facts.len(), frames.lines().count()), (index.frames(), index.frames()));
        for (n, sum) in sums.lines().enumerate() {
            let samples = index.frame(n).unwrap().1.samples();
            let weighted =
                samples.iter().enumerate().map(|(k, &s)| i64::from(s) * (k as i64 % 251));
            assert_eq!(weighted.sum::<i64>(), sum.parse::<i64>().unwrap());
        }
        let sets = volumes(&facts.iter().collect::<Vec<_>>());
        println!(
            "{} frames in volumes of {:?}",
            facts.len(),
            sets.iter().map(Vec::len).collect::<Vec<_>>()
        );
        assert!(sets.iter().all(|set| set.len() >= 5 && set.len() == sets[0].len()));
        judged += 1;
    }
    assert!(judged >= 3, "only {judged}");
}
