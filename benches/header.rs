//! De-identification of the header of a 512 x 512 CT slice, under each shipped profile: parse, scrub,
//! encode. Against `dcmanon` (crate dicom-anonymization), when it is on the PATH or named by
//! `EFFACE_PEER_DCMANON`: CPU time per file of both, file in to file out, one thread, in the same run.
#![allow(missing_docs, clippy::print_stdout, clippy::disallowed_methods)]

use criterion::{Criterion, criterion_group};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{StandardDataDictionary, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use efface::deid::pseudonym::Pseudonyms;
use efface::deid::text::{Known, Retained};
use efface::deid::{Engine, PixelStatement, Subject};
use efface::dicom::canonical::Limits;
use efface::dicom::dataset::Dataset;
use efface::dicom::source::Source;
use efface::key::RootKey;
use efface::profile::{Profile, SHIPPED, language};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// What a CT scanner writes besides geometry: text, by keyword.
const TEXTS: &[(&str, &str)] = &[
    ("SpecificCharacterSet", "ISO_IR 100"),
    ("ImageType", "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI"),
    ("InstanceCreationDate", "20240311"),
    ("InstanceCreationTime", "101112.123000"),
    ("StudyDate", "20240311"),
    ("SeriesDate", "20240311"),
    ("AcquisitionDate", "20240311"),
    ("ContentDate", "20240311"),
    ("StudyTime", "100059.000000"),
    ("SeriesTime", "101011.000000"),
    ("AcquisitionTime", "101100.000000"),
    ("ContentTime", "101110.000000"),
    ("AccessionNumber", "ACC0099123"),
    ("Modality", "CT"),
    ("Manufacturer", "SIEMENS"),
    ("InstitutionName", "St Vitus Memorial Hospital"),
    ("InstitutionAddress", "77 Sanatorium Road, Ebbensburg"),
    ("ReferringPhysicianName", "QUACKENBUSH^HORATIO^^DR"),
    ("StationName", "CTAWP771"),
    ("StudyDescription", "Thorax^1_THORAX_ROUTINE (Adult)"),
    ("SeriesDescription", "Thorax 3.0 B70f"),
    ("InstitutionalDepartmentName", "Radiology"),
    ("PhysiciansOfRecord", "PINKERTON^ADA"),
    ("PerformingPhysicianName", "WEATHERBY^OTTO"),
    ("OperatorsName", "FITZGIBBON^MAUD"),
    ("ManufacturerModelName", "SOMATOM Definition AS"),
    ("PatientName", "MERRIWEATHER^CORDELIA"),
    ("PatientID", "MRN-77410001"),
    ("PatientBirthDate", "19610417"),
    ("PatientSex", "F"),
    ("PatientAge", "062Y"),
    ("PatientSize", "1.68"),
    ("PatientWeight", "64"),
    ("PatientComments", "referred by Dr Quackenbush on 3 March 2024"),
    ("BodyPartExamined", "CHEST"),
    ("ScanOptions", "HELIX"),
    ("SliceThickness", "3"),
    ("KVP", "120"),
    ("DataCollectionDiameter", "500"),
    ("DeviceSerialNumber", "65123"),
    ("SoftwareVersions", "syngo CT VA48A"),
    ("ProtocolName", "1_THORAX_ROUTINE"),
    ("ReconstructionDiameter", "350"),
    ("DistanceSourceToDetector", "1085.6"),
    ("DistanceSourceToPatient", "595"),
    ("GantryDetectorTilt", "0"),
    ("TableHeight", "151"),
    ("RotationDirection", "CW"),
    ("ExposureTime", "500"),
    ("XRayTubeCurrent", "180"),
    ("Exposure", "90"),
    ("FilterType", "FLAT"),
    ("GeneratorPower", "23"),
    ("FocalSpots", "1.2"),
    ("DateOfLastCalibration", "20240311"),
    ("TimeOfLastCalibration", "060101.000000"),
    ("ConvolutionKernel", "B70f"),
    ("PatientPosition", "HFS"),
    ("StudyID", "SID552019"),
    ("SeriesNumber", "3"),
    ("AcquisitionNumber", "2"),
    ("InstanceNumber", "117"),
    ("ImagePositionPatient", "-174.65820\\-325.65820\\-190.5"),
    ("ImageOrientationPatient", "1\\0\\0\\0\\1\\0"),
    ("PositionReferenceIndicator", ""),
    ("SliceLocation", "-190.5"),
    ("ImageComments", "breathing artefact"),
    ("PhotometricInterpretation", "MONOCHROME2"),
    ("PixelSpacing", "0.68359\\0.68359"),
    ("WindowCenter", "-600\\50"),
    ("WindowWidth", "1200\\350"),
    ("RescaleIntercept", "-1024"),
    ("RescaleSlope", "1"),
    ("RequestingPhysician", "QUACKENBUSH^HORATIO^^DR"),
    ("RequestedProcedureDescription", "CT chest with contrast"),
    ("PerformedProcedureStepStartDate", "20240311"),
    ("PerformedProcedureStepStartTime", "100059"),
    ("PerformedProcedureStepID", "PPS-17-0031"),
    ("PerformedProcedureStepDescription", "CT chest with contrast"),
    ("RequestedProcedureID", "RP-20240311-8"),
    ("SOPClassUID", uids::CT_IMAGE_STORAGE),
    ("SOPInstanceUID", "1.3.12.2.1107.5.1.4.65123.30000024031107210512300000117"),
    ("StudyInstanceUID", "1.3.12.2.1107.5.1.4.65123.30000024031107210512300000001"),
    ("SeriesInstanceUID", "1.3.12.2.1107.5.1.4.65123.30000024031107210512300000003"),
    ("FrameOfReferenceUID", "1.3.12.2.1107.5.1.4.65123.30000024031107210512300000002"),
];

const NUMBERS: [(&str, u16); 7] = [
    ("SamplesPerPixel", 1),
    ("Rows", 512),
    ("Columns", 512),
    ("BitsAllocated", 16),
    ("BitsStored", 12),
    ("HighBit", 11),
    ("PixelRepresentation", 0),
];

fn slice() -> InMemDicomObject {
    let entry = |keyword: &str| StandardDataDictionary.by_name(keyword).expect("a keyword");
    let mut object = InMemDicomObject::new_empty();
    for (keyword, text) in TEXTS {
        let (tag, vr) = (entry(keyword).tag(), entry(keyword).vr().relaxed());
        let values: Vec<String> = text.split('\\').map(str::to_owned).collect();
        object.put(DataElement::new(tag, vr, PrimitiveValue::Strs(values.into())));
    }
    for (keyword, number) in NUMBERS {
        object.put(DataElement::new(entry(keyword).tag(), VR::US, PrimitiveValue::from(number)));
    }
    object
}

fn profile(text: &str) -> Profile {
    language::parse("profile", text).expect("a shipped profile")
}

/// One slice, from the bytes of its header to those of the header that leaves.
fn deidentify(header: &[u8], engine: &Engine<'_>) -> Vec<u8> {
    let source = Dataset::parse(header).expect("a header");
    let subject = Subject::of(&source).expect("an identity");
    let (out, ..) = engine.scrub(source, &subject, PixelStatement::UNTOUCHED);
    out.encode().expect("an encodable data set")
}

fn with_engine<T>(profile: &Profile, header: &[u8], run: impl FnOnce(&Engine<'_>) -> T) -> T {
    let root = RootKey::generate().expect("randomness");
    let pseudonyms = Pseudonyms::new(&root, "bench");
    let mut known = Known::default();
    known.observe(&Dataset::parse(header).expect("a header"));
    let cleaner = known.cleaner(Retained::by(profile.options()));
    run(&Engine::new(profile, &pseudonyms, &cleaner))
}

fn header(criterion: &mut Criterion) {
    let header = Dataset::from(slice()).encode().expect("an encodable data set");
    let mut group = criterion.benchmark_group("header");
    group.measurement_time(Duration::from_secs(4));
    for (name, text) in SHIPPED {
        let profile = profile(text);
        with_engine(&profile, &header, |engine| {
            group.bench_function(name, |bench| {
                bench.iter(|| black_box(deidentify(&header, engine)))
            });
        });
    }
    group.finish();
}

/// Slices that both programs are given.
const FILES: usize = 200;

/// CPU time per file, in ms, of efface's engine and of the peer, both from file to file.
fn against_the_peer(peer: &Path) -> Option<(f64, f64)> {
    let folder = std::env::temp_dir().join(format!("efface-bench-{}", std::process::id()));
    let (inside, outside) = (folder.join("in"), folder.join("out"));
    std::fs::create_dir_all(&inside).ok()?;
    std::fs::create_dir_all(&outside).ok()?;
    let paths: Vec<PathBuf> = (0..FILES).map(|n| inside.join(format!("{n:03}.dcm"))).collect();
    for path in &paths {
        let mut object = slice();
        let pixels = PrimitiveValue::U16(vec![1024_u16; 512 * 512].into());
        object.put(DataElement::new(dicom_core::Tag(0x7FE0, 0x0010), VR::OW, pixels));
        let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
        object.with_meta(meta).ok()?.write_to_file(path).ok()?;
    }
    let before = children_ms();
    let run = Command::new(peer)
        .args(["anonymize", "-i"])
        .arg(&inside)
        .arg("-o")
        .arg(&outside)
        .env("RAYON_NUM_THREADS", "1")
        .output();
    let peer_ms = children_ms() - before;
    let ok = run.is_ok_and(|output| output.status.success());
    let before = own_ms();
    let basic = profile(SHIPPED[0].1);
    let study = Dataset::from(slice()).encode().ok()?;
    let all = with_engine(&basic, &study, |engine| {
        paths.iter().map(|path| one_file(path, &outside, engine)).collect::<Option<Vec<()>>>()
    });
    all?;
    let own = own_ms() - before;
    std::fs::remove_dir_all(&folder).ok()?;
    ok.then_some((own / FILES as f64, peer_ms / FILES as f64))
}

/// A file with the parts of the pipeline that dcmanon has too: no pre-scan of pixels, no verifier.
fn one_file(path: &Path, outside: &Path, engine: &Engine<'_>) -> Option<()> {
    let source = Source::of_file(path).ok()?;
    let header = source.header(Limits::default()).ok()?;
    let mut out = deidentify(&header.bytes, engine);
    out.extend_from_slice(&source.pixel_bytes(&header.pixels?).ok()?);
    std::fs::write(outside.join(path.file_name()?), out).ok()
}

/// User and system time of children that have ended, from /proc (clock ticks of 10 ms).
fn children_ms() -> f64 {
    ticks(15) + ticks(16)
}

fn own_ms() -> f64 {
    ticks(13) + ticks(14)
}

fn ticks(field: usize) -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after.split(' ').nth(field - 2).and_then(|t| t.parse::<f64>().ok());
    ticks.unwrap_or(0.0) * 10.0
}

criterion_group!(benches, header);

fn main() -> ExitCode {
    benches();
    let named = std::env::var_os("EFFACE_PEER_DCMANON").map(PathBuf::from);
    let peer = named.unwrap_or_else(|| PathBuf::from("dcmanon"));
    match against_the_peer(&peer) {
        Some((own, peer)) => println!(
            "file to file, CPU per 512 x 512 slice: efface {own:.3} ms, dcmanon {peer:.3} ms, ratio {:.2}",
            own / peer
        ),
        None => println!("SKIPPED: dcmanon is not here (cargo install dicom-anonymization)"),
    }
    ExitCode::SUCCESS
}
