//! JPEG-LS streams of two encoders, CharLS 2 (pyjpegls) and that of dcmtk, against what their own decoders read.
//!
//! What is missing is said with SKIPPED; without `dcmcjpls` there are no preset parameters.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use efface::dicom::jpegls;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Makes streams in a folder, each with its samples beside it; prints a line for each: name, rows, columns,
/// components, bytes of a sample.
const MAKER: &str = r#"
import subprocess, sys
from pathlib import Path
import jpeg_ls, numpy as np, pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
folder = Path(sys.argv[1])
rng = np.random.default_rng(7)

def image(kind, shape, top):
    rows, columns = np.mgrid[:shape[0], :shape[1]]
    if kind == "noise":
        samples = rng.integers(0, top + 1, shape)
    elif kind == "waves":
        wave = (np.sin(columns / 7) + np.cos(rows / 5)) * top / 5 + top / 2
        samples = np.stack([np.roll(wave, 3 * n, 0) for n in range(shape[2])], -1) + rng.normal(0, top / 200, shape)
    elif kind == "dots":
        samples = np.where(rng.random(shape) < 0.01, top, 0)
    elif kind == "flat":
        samples = np.zeros(shape)
        samples[shape[0] // 3:, shape[1] // 4:] = top // 2
        samples[shape[0] // 2:] += rng.integers(0, 3, samples[shape[0] // 2:].shape)
    return np.clip(samples, 0, top).astype("u1" if top < 256 else "<u2")

def keep(name, stream, samples, raw):
    rows, columns, components = samples.shape
    (folder / f"{name}.jls").write_bytes(stream)
    (folder / f"{name}.raw").write_bytes(raw)
    print(name, rows, columns, components, samples.itemsize)

def dcmtk(name, samples, stored, options):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, "2.25.78"
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, "2.25.78"
    data.StudyInstanceUID, data.SeriesInstanceUID, data.Modality = "2.25.79", "2.25.80", "OT"
    data.Rows, data.Columns, data.SamplesPerPixel = samples.shape
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 * samples.itemsize, stored, stored - 1
    data.PixelRepresentation = 0
    data.PixelData = samples.tobytes() + bytes(samples.nbytes % 2)
    data["PixelData"].VR = "OW"
    plain, coded, back = (folder / f"{name}.{step}" for step in ("in", "coded", "back"))
    data.save_as(plain, enforce_file_format=True)
    subprocess.run(["dcmcjpls", *options, plain, coded], check=True)
    subprocess.run(["dcmdjpls", coded, back], check=True)
    stream = next(generate_frames(pydicom.dcmread(coded).PixelData, number_of_frames=1))
    keep(name, stream, samples, pydicom.dcmread(back).PixelData[:samples.nbytes])

sizes = [(1, 1), (1, 40), (33, 1), (17, 23), (40, 300), (9, 2100)]
for kind in ["noise", "waves", "dots", "flat"]:
    for stored in [2, 5, 8, 10, 12, 16]:
        for near in [0, 1, 4] if stored >= 8 else [0]:
            rows, columns = sizes[rng.integers(len(sizes))]
            for components, interleave in [(1, 0), (3, 0), (3, 1), (3, 2)]:
                samples = image(kind, (rows, columns, components), 2**stored - 1)
                # CharLS takes and gives planes, or else pixels, also where it interleaves lines.
                order = (2, 0, 1) if interleave == 0 else (0, 1, 2)
                source = samples.transpose(order).tobytes()
                try:
                    stream = jpeg_ls.encode_buffer(source, rows, columns, components, stored, near, interleave)
                except RuntimeError:
                    continue  # pyjpegls gives it no room for a small image that grows by encoding
                back = np.frombuffer(bytes(jpeg_ls.decode_buffer(stream)[0]), samples.dtype)
                back = back.reshape(np.array(samples.shape)[list(order)]).transpose(np.argsort(order))
                assert np.abs(back.astype(int) - samples).max() <= near
                keep(f"charls_{kind}_{stored}_{near}_{components}_{interleave}", stream, samples, back.tobytes())
try:
    for kind in ["noise", "waves", "dots", "flat"]:
        for stored, options in [
            (8, []), (12, []), (16, ["+en", "+md", "3"]), (8, ["+rs", "3"]), (12, ["+rs", "199"]),
            (8, ["+t1", "6", "+t2", "11", "+t3", "30"]), (12, ["+en", "+t1", "6", "+t2", "11", "+t3", "30"]),
        ]:
            samples = image(kind, (*sizes[rng.integers(len(sizes))], 1), 2**stored - 1)
            dcmtk(f"dcmtk_{kind}_{stored}{''.join(options)}", samples, stored, options)
except FileNotFoundError:
    pass
"#;

#[test]
fn streams_of_others_decode_to_what_others_read() {
    let Some(python) = support::python_with("jpeg_ls, numpy, pydicom") else {
        skip!("no Python with pyjpegls, numpy and pydicom");
    };
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(python).args(["-c", MAKER]).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let listing = String::from_utf8(made.stdout).unwrap();
    let wrong: Vec<&str> =
        listing.lines().filter(|line| !is_read_alike(folder.path(), line)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let judged = listing.lines().count();
    assert!(judged >= 150, "only {judged}");
    println!("{judged} streams");
}

fn is_read_alike(folder: &Path, line: &str) -> bool {
    let (name, numbers) = line.split_once(' ').unwrap();
    let numbers: Vec<usize> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
    let &[rows, columns, components, width] = &numbers[..] else { panic!("{line}") };
    let stream = fs::read(folder.join(format!("{name}.jls"))).unwrap();
    let samples = fs::read(folder.join(format!("{name}.raw"))).unwrap();
    jpegls::decode(&stream, rows, columns, components, width) == Some(samples)
}
