//! Frames of multi-frame objects in every transfer syntax that is decoded, each read alone, and their
//! planes, against the samples that went in and against what others read.
//!
//! Made objects come from pydicom, Pillow and dcmtk; real ones are judged by pydicom, mosaics by
//! nibabel, which brings them. What is missing is said with SKIPPED; without dcmtk there is no JPEG, nor JPEG-LS.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use dicom_dictionary_std::{tags, uids};
use efface::custody::gate;
use efface::custody::object::{FrameIndex, Object, Stop, Wanted};
use efface::deid::pseudonym::Pseudonyms;
use efface::deid::text::Retained;
use efface::deid::{Engine, FaceStatement};
use efface::dicom::canonical::Limits;
use efface::dicom::dataset::Dataset;
use efface::dicom::facts::FrameFacts;
use efface::dicom::frame::frames_of;
use efface::dicom::source::Source;
use efface::dicom::volumes::volumes;
use efface::key::RootKey;
use efface::pipeline::survey::{Arrival, survey};
use efface::pixel;
use efface::profile::{SHIPPED, language};
use efface::service::handles;
use efface::spool::ledger::Ledger;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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
    data.PatientName, data.PatientID = "Frames^Mary", "F-20771"
    data.StudyInstanceUID, data.SeriesInstanceUID = "2.25.75", "2.25.76"
    data.SmallestImagePixelValue = data.LargestPixelValueInSeries = 3
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
coded("j2k_lossy", unsigned, 16, JPEG2000, [j2k(f) for f in unsigned], "basic")
for name, samples in [("native_unsigned", unsigned), ("native_8", bytes_), ("native_signed", signed)]:
    for process, coder in [("sv1", ["dcmcjpeg", "+e1"]), ("lossless", ["dcmcjpeg", "+el"]), ("ls", ["dcmcjpls", "+el"])]:
        for table in ["+ot", "-ot"]:
            target = folder / f"jpeg_{process}_{name}{table[0]}.dcm"
            try:
                subprocess.run([*coder, table, "+un", folder / f"{name}.dcm", target], check=True)
            except FileNotFoundError:
                continue
            target.with_suffix(".raw").write_bytes(samples.astype("<i4").tobytes())
"#;

/// What pydicom reads of the files that it is given, one a line: a line for each frame, and an empty
/// one behind each file. Sums of the samples; of enhanced objects also position, orientation, spacing,
/// slope and intercept. Nothing of what it cannot read.
const READER: &str = r#"
import sys, warnings
warnings.filterwarnings("ignore")
import numpy as np, pydicom
def lines(path):
    data = pydicom.dcmread(path)
    frames = data.pixel_array.astype(np.int64)
    if not data.PixelRepresentation:
        frames &= (1 << data.BitsStored) - 1
    frames = frames.reshape(-1, data.Rows, data.Columns)
    weights = (np.arange(frames[0].size) % 251).reshape(frames[0].shape)
    shared = data.get("SharedFunctionalGroupsSequence", [None])[0]
    for n, frame in enumerate(frames):
        words = [int((frame * weights).sum())]
        if shared is not None:
            own = data.PerFrameFunctionalGroupsSequence[n]
            def of(sequence):
                for group in (own, shared):
                    if sequence in group:
                        return group[sequence].value[0]
            rescale = of("PixelValueTransformationSequence")
            words += [*of("PlanePositionSequence").ImagePositionPatient,
                *of("PlaneOrientationSequence").ImageOrientationPatient, *of("PixelMeasuresSequence").PixelSpacing,
                *((rescale.RescaleSlope, rescale.RescaleIntercept) if rescale else (1, 0))]
        yield " ".join(map(str, words))
for line in sys.stdin:
    try:
        print("\n".join(lines(line.rstrip("\n"))))
    except Exception:
        pass
    print()
"#;

/// Where nibabel puts the tiles of its Siemens mosaics, unpacked into a folder: a line for each file
/// with its name, number of tiles, the first tile's corner, the step between tiles, and the sum of
/// each tile's samples.
const MOSAICS: &str = r#"
import gzip, sys, warnings
warnings.filterwarnings("ignore")
from pathlib import Path
import nibabel, numpy as np
from nibabel.nicom.dicomwrappers import wrapper_from_file
data = Path(nibabel.__file__).parent / "nicom/tests/data"
for name in ["siemens_dwi_0.dcm", "siemens_dwi_1000.dcm"]:
    path = Path(sys.argv[1]) / name
    path.write_bytes(gzip.decompress((data / (name + ".gz")).read_bytes()))
    mosaic = wrapper_from_file(str(path))
    volume = np.asarray(mosaic.get_unscaled_data()).astype(np.int64)
    weights = (np.arange(volume[..., 0].size) % 251).reshape(volume.shape[:2])
    sums = [int((volume[..., k] * weights).sum()) for k in range(volume.shape[2])]
    print(name, len(sums), *mosaic.affine[:3, 3], *mosaic.affine[:3, 2], *sums)
"#;

fn python() -> Option<PathBuf> {
    support::python_with("pydicom, numpy, PIL")
}

fn ran(python: &Path, program: &str, argument: &Path, input: &str) -> String {
    let mut child = Command::new(python)
        .args(["-c", program])
        .arg(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The sum that the Python programs make of samples.
fn weighted(samples: &[i32]) -> i64 {
    samples.iter().enumerate().map(|(k, &sample)| i64::from(sample) * (k as i64 % 251)).sum()
}

/// Unpacks archives of the shared data.
fn unpacked(archives: &[&str], into: &Path) -> Option<Vec<PathBuf>> {
    let data = shared("data")?;
    for archive in archives {
        let target = into.join(archive.replace('/', "_"));
        fs::create_dir_all(&target).unwrap();
        let archive = data.join(format!("{archive}.tar.xz"));
        let done = Command::new("tar").arg("xJf").arg(&archive).arg("-C").arg(&target).status();
        assert!(done.is_ok_and(|status| status.success()));
    }
    Some(files(into))
}

fn dataset(path: &Path) -> Dataset {
    let header = Source::of_file(path).unwrap().header(Limits::default()).unwrap();
    Dataset::parse(&header.bytes).unwrap()
}

#[test]
fn every_frame_read_alone_is_the_one_that_went_in() {
    let Some(python) = python() else { skip!("no Python with pydicom, numpy and pillow") };
    let folder = tempfile::tempdir().unwrap();
    ran(&python, MAKER, folder.path(), "");
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
fn frames_that_are_made_leave_native_and_pass_the_verifier() {
    let Some(python) = python() else { skip!("no Python with pydicom, numpy and pillow") };
    let folder = tempfile::tempdir().unwrap();
    ran(&python, MAKER, folder.path(), "");
    let root = RootKey::generate().unwrap();
    let profile = language::parse(SHIPPED[0].0, SHIPPED[0].1).unwrap();
    let pseudonyms = Pseudonyms::new(&root, "frames");
    for name in [
        "rle_extended",
        "j2k_lossy",
        "native_8_odd",
        "jpeg_sv1_native_unsigned+",
        "jpeg_ls_native_signed+",
    ] {
        let path = folder.path().join(format!("{name}.dcm"));
        if !path.exists() {
            continue;
        }
        let source = Source::of_file(&path).unwrap();
        let arrival = Arrival {
            id: name.to_owned(),
            source: source.clone(),
            digest: Some([7; 32]),
            said_class: None,
            caller: None,
            called: None,
            received_ms: None,
        };
        let study = survey(vec![arrival], &Ledger::empty(), &handles(&root)).unwrap();
        let cleaner = study.known.cleaner(Retained::by(profile.options()));
        let engine = Engine::new(&profile, &pseudonyms, &cleaner);
        let grant = gate::grant_by_hand("outside", &profile);
        let object = || Object::open(source.clone()).unwrap();
        let index = object().frame_index().unwrap();
        let (format, count) = (index.format(), index.frames());
        let made = |n: usize| {
            let (_, mut frame) = index.frame(n).unwrap();
            let samples: Vec<i32> = frame.samples().iter().map(|s| (s + n as i32) % 200).collect();
            frame.replace(&samples);
            frame
        };
        let out = folder.path().join(format!("{name}.out"));
        let scrub = |wanted: Wanted<'_>| {
            let scrubbed = object().scrub(&grant, &engine, FaceStatement::Removed, wanted)?;
            scrubbed.draft(&out)
        };
        // What cannot be made leaves no draft; what is not of the source's form is not begun.
        let stop = |n: usize| if n + 1 == count { Err(Stop) } else { Ok(made(n)) };
        let stopped = scrub(Wanted::Frames { format, count, make: &stop });
        assert!(matches!(stopped, Err(pixel::Error::Stopped)) && !out.exists());
        let more = scrub(Wanted::Frames { format, count: count + 1, make: &|n| Ok(made(n)) });
        assert!(matches!(more, Err(pixel::Error::Form(_))) && !out.exists());

        let draft = scrub(Wanted::Frames { format, count, make: &|n| Ok(made(n)) }).unwrap();
        for n in (0..count).rev() {
            assert!(
                draft.frame_at(n).unwrap().1.samples() == made(n).samples(),
                "{name}: frame {n}"
            );
        }
        let clean = draft.verify(&study.watch).map_err(|refused| refused.1.to_string()).unwrap();
        let header = dataset(clean.file());
        assert_eq!(
            Source::of_file(&out).unwrap().transfer_syntax(),
            uids::EXPLICIT_VR_LITTLE_ENDIAN
        );
        assert_eq!(header.number(tags::NUMBER_OF_FRAMES), Some(count as f64));
        let lossy = (name == "j2k_lossy").then(|| "01".to_owned());
        assert_eq!(header.text(tags::LOSSY_IMAGE_COMPRESSION), lossy, "{name}");
        for gone in [
            tags::SMALLEST_IMAGE_PIXEL_VALUE,
            tags::LARGEST_PIXEL_VALUE_IN_SERIES,
            tags::EXTENDED_OFFSET_TABLE,
            tags::EXTENDED_OFFSET_TABLE_LENGTHS,
        ] {
            assert!(!header.has(gone), "{name}: {gone}");
        }
        let facts = FrameFacts::of(&header).unwrap();
        assert_eq!(facts[1].plane.origin(), [-38.0, 7.0, 9.0], "planes leave as they came");
    }
}

#[test]
fn frames_of_real_files_are_those_that_pydicom_decodes() {
    let folder = tempfile::tempdir().unwrap();
    let archives = [
        "dcm_philips_enhanced_private/philips_enh",
        "dcm_pydicom_testfiles/pydicom_test_files",
        "dcm_nema_wg04/nema_wg04_dcmqi",
        "dcm_fodicom_testdata/fodicom_testdata",
    ];
    let Some(paths) = unpacked(&archives, folder.path()) else { skip!("no ../shared/data") };
    let Some(python) = python() else { skip!("no Python with pydicom, numpy and pillow") };
    let indexed: Vec<_> =
        paths.iter().filter_map(|path| Some((path, FrameIndex::of_file(path).ok()?))).collect();
    let list: String = indexed.iter().map(|(path, _)| format!("{}\n", path.display())).collect();
    let said = ran(&python, READER, folder.path(), &list);
    let (mut judged, mut enhanced, mut syntaxes) = (0, 0, BTreeSet::new());
    let mut lines = said.lines();
    for (path, index) in indexed {
        let name = path.file_name().unwrap().to_string_lossy();
        let said: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        if said.is_empty() {
            println!("{name}: not judged");
            continue;
        }
        assert_eq!(said.len(), index.frames(), "{name}");
        let facts = FrameFacts::of(&dataset(path));
        for (n, said) in said.iter().enumerate() {
            let frame = match index.frame(n) {
                Ok((_, frame)) => frame,
                Err(error) => {
                    println!("{name}: {error}");
                    break;
                }
            };
            let numbers: Vec<f64> = said.split(' ').map(|number| number.parse().unwrap()).collect();
            let lossy =
                Source::of_file(path).unwrap().transfer_syntax() == uids::JPEG_BASELINE8_BIT;
            assert!(lossy || weighted(&frame.samples()) as f64 == numbers[0], "{name}: frame {n}");
            if n == 0 {
                judged += 1;
                syntaxes.insert(Source::of_file(path).unwrap().transfer_syntax().to_owned());
            }
            if numbers.len() > 1 {
                let facts = &facts.as_ref().unwrap()[n];
                let (plane, spacing) = (&facts.plane, facts.plane.spacing());
                let own = [plane.origin(), plane.row(), plane.column()].concat();
                let rest =
                    [spacing.between_rows, spacing.between_columns, facts.slope, facts.intercept];
                assert_eq!([own, rest.to_vec()].concat(), numbers[1..], "{name}: frame {n}");
            }
        }
        if let (Ok(facts), true) = (facts, said.len() > 1) {
            let sets = volumes(&facts.iter().collect::<Vec<_>>());
            let sizes: Vec<_> = sets.iter().map(Vec::len).collect();
            println!("{name}: {} frames in volumes of {sizes:?}", facts.len());
            enhanced += 1;
        }
    }
    println!("{judged} files of {} transfer syntaxes judged", syntaxes.len());
    assert!(
        judged > 60 && syntaxes.len() >= 5 && enhanced >= 4,
        "{judged} {syntaxes:?} {enhanced}"
    );
}

#[test]
fn mosaics_lie_where_nibabel_puts_them() {
    let Some(python) = python() else { skip!("no Python with pydicom, numpy and pillow") };
    let nibabel = Command::new(&python).args(["-c", "import nibabel, pydicom"]).output();
    if !nibabel.is_ok_and(|output| output.status.success()) {
        skip!("no Python with nibabel");
    }
    let folder = tempfile::tempdir().unwrap();
    let said = ran(&python, MOSAICS, folder.path(), "");
    let mut all = Vec::new();
    for line in said.lines() {
        let mut words = line.split(' ');
        let path = folder.path().join(words.next().unwrap());
        let numbers: Vec<f64> = words.map(|number| number.parse().unwrap()).collect();
        let (count, corner, step, sums) =
            (numbers[0], &numbers[1..4], &numbers[4..7], &numbers[7..]);
        let facts = FrameFacts::of(&dataset(&path)).unwrap();
        let (_, frame) = FrameIndex::of_file(&path).unwrap().frame(0).unwrap();
        assert_eq!(facts.len() as f64, count);
        for (n, facts) in facts.iter().enumerate() {
            let origin = facts.plane.origin();
            for k in 0..3 {
                assert!((origin[k] - corner[k] - n as f64 * step[k]).abs() < 1e-3, "tile {n}");
            }
            let samples = frame.tile(&facts.tile.unwrap()).unwrap();
            assert_eq!(weighted(&samples) as f64, sums[n], "tile {n}");
        }
        let tiles: Vec<_> = facts.iter().filter_map(|facts| facts.tile).collect();
        assert!(frame.is_flat_outside(&tiles).unwrap());
        all.extend(facts);
    }
    let sets = volumes(&all.iter().collect::<Vec<_>>());
    assert_eq!(
        sets,
        [(0..48).collect::<Vec<_>>(), (48..96).collect()],
        "without and with gradient"
    );
}
