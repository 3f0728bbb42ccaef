//! `efface deface`: the defacer on files, for researchers and judges. Nothing else is de-identified.

mod dicom;
mod flow;
mod report;
mod volume;

use super::Problem;
use crate::deface::{BodyPartHint, Evidence, Level};
use crate::disk;
use crate::nifti::Nifti;
use clap::{Args, ValueEnum};
use flow::{Outcome, Verdict, Wanted};
use indicatif::{ProgressBar, ProgressStyle};
use report::Report;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use volume::NiftiSeries;

/// What `efface deface` is given; what it is for stands with the command.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct DefaceArgs {
    /// NIfTI-1 file (.nii, .nii.gz), DICOM file, or folder of DICOM files (CT, MR)
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// File to write, or of DICOM files the folder; it must not exist
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// How much of the face goes
    #[arg(long, value_enum, default_value = "strict")]
    level: LevelName,
    /// Folder for a report: figures, verdict, and the head's surface before and after. IT SHOWS THE FACE: keep it
    /// inside
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Add sections to the report with what was found drawn in, also of what is withheld
    #[arg(long, requires = "report")]
    explain: bool,
    /// What a NIfTI volume is; needed where its values don't tell
    #[arg(long, value_enum)]
    modality: Option<Modality>,
    /// What it shows, if somebody knows better than a DICOM header: `other` lets a volume without a head pass
    #[arg(long, value_enum, default_value = "unknown")]
    body_part: BodyPart,
    /// Seconds that a volume may take; what is late is withheld
    #[arg(long, value_name = "S", default_value_t = 600)]
    time_limit: u64,
}

/// A paragraph a line: they are wrapped to the terminal.
const HELP: &str = "\
The report (--report DIR) holds report.json with the verdict, its reason and the figures by name, and before-after.png: \
the surface of the skin, in CT also of the bone, from the front, obliquely, in profile. With --explain also found.png: \
sections through the head in which yellow is the skin of the average head as it was fitted, blue its endocranium, green \
the brain's border in the image, and red what is removed (but bone, where it is to stay).

DICOM: each series is written whole, under the same file names, or withheld. Pixels are native, headers Explicit VR \
Little Endian in UTF-8. SOP Instance UIDs are new, made by a hash of the old ones; references to the old ones are not \
changed. Image Type says DERIVED. Icons go. Private elements, overlays and other objects of the study (renderings, \
contours, segmentations) may still show the face.

Exit codes: 0 all written; 1 something was withheld, and not written; 2 not done.

Examples:
  efface deface head.nii.gz -o defaced.nii.gz
  efface deface head.nii.gz -o defaced.nii.gz --report why --explain
  efface deface jaw.nii.gz -o bones.nii.gz --level keep-facial-bones
  efface deface series/ -o defaced/ --report why";

#[derive(Clone, Copy, ValueEnum)]
enum LevelName {
    /// Everything by which a face could be known or rebuilt
    Strict,
    /// Skin and soft tissue only, in CT: a face can be approximated from the bones that stay
    KeepFacialBones,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Modality {
    Ct,
    Mr,
}

#[derive(Clone, Copy, ValueEnum)]
enum BodyPart {
    Head,
    Other,
    Unknown,
}

impl DefaceArgs {
    fn level(&self) -> Level {
        match self.level {
            LevelName::Strict => Level::Strict,
            LevelName::KeepFacialBones => Level::KeepFacialBones,
        }
    }

    fn wanted(&self, hint: BodyPartHint, sketches: bool) -> Wanted {
        let limit = Duration::from_secs(self.time_limit);
        Wanted { level: self.level(), hint, sketches, limit }
    }

    fn hint(&self) -> BodyPartHint {
        match self.body_part {
            BodyPart::Head => BodyPartHint::Head,
            BodyPart::Other => BodyPartHint::Other,
            BodyPart::Unknown => BodyPartHint::Unknown,
        }
    }
}

/// Defaces what the arguments name.
///
/// # Errors
/// What keeps it from starting: files that can't be read or are there already.
pub fn run(args: &DefaceArgs) -> Result<ExitCode, Problem> {
    if args.out.exists() {
        return Err(format!("{}: is there already. Name another", args.out.display()).into());
    }
    let is_dicom = is_dicom(&args.input)?;
    let begin = |folder: &PathBuf| Report::begin(folder, args.explain, args.level());
    let mut report = args.report.as_ref().map(begin).transpose()?;
    let done = match is_dicom {
        true => dicom::run(args, report.as_mut())?,
        false => nifti(args, report.as_mut())?,
    };
    if let (Some(report), Some(folder)) = (report, &args.report) {
        report.finish()?;
        println!("{}: the report. It shows the patient's face: keep it inside", folder.display());
    }
    Ok(done)
}

/// A folder, or a file with the prefix of PS3.10 7.1.
fn is_dicom(input: &Path) -> Result<bool, Problem> {
    let why = |error| format!("{}: {error}", input.display());
    if input.is_dir() {
        return Ok(true);
    }
    let mut start = Vec::new();
    disk::open(input).map_err(why)?.take(132).read_to_end(&mut start).map_err(why)?;
    Ok(start.ends_with(b"DICM") && start.len() == 132)
}

fn nifti(args: &DefaceArgs, report: Option<&mut Report>) -> Result<ExitCode, Problem> {
    let read = disk::open(&args.input).map_err(Into::into).and_then(Nifti::read);
    let nifti = read.map_err(|error| format!("{}: {error}", args.input.display()))?;
    let modality = args.modality.or_else(|| modality_of(&nifti)).ok_or(
        "the values don't tell whether this is CT or MR. Say so: --modality ct or --modality mr",
    )?;
    let mut series = NiftiSeries::new(nifti, modality == Modality::Ct);
    let progress = progress(series.nifti.planes().len());
    let wanted = args.wanted(args.hint(), report.is_some());
    let outcome = flow::deface(&mut series, wanted, &progress)?;
    progress.finish_and_clear();
    if let Some(report) = report {
        report.add(args.input.display().to_string(), "", &outcome)?;
    }
    say(&args.out.display().to_string(), &outcome);
    if matches!(outcome.verdict, Verdict::Withheld(_)) {
        return Ok(ExitCode::from(1));
    }
    disk::write_whole(&args.out, &series.nifti.to_file()?)?;
    Ok(ExitCode::SUCCESS)
}

/// A bar on the terminal's stderr; nothing where there is none.
fn progress(slices: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {msg}  {elapsed}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(slices as u64 * flow::PASSES).with_style(style)
}

/// Prints what became of a volume.
fn say(name: &str, outcome: &Outcome) {
    let figures = |evidence: &Evidence| {
        for (name, value) in evidence.figures() {
            println!("  {name:22} {value:8.3}");
        }
    };
    let removed = outcome.evidence.as_ref().map_or(0, |e| e.removed_voxels.iter().sum::<usize>());
    match &outcome.verdict {
        Verdict::Withheld(reason) => {
            return eprintln!("{name}: withheld, nothing was written: {reason}");
        }
        Verdict::NoHead => println!("{name}: no head, left as it is"),
        Verdict::Removed(Level::Strict) => println!("{name}: face removed, {removed} voxels"),
        Verdict::Removed(Level::KeepFacialBones) => {
            println!("{name}: soft tissue of the face removed, {removed} voxels");
            println!("Facial bones are left: a face can be approximated from them");
        }
    }
    outcome.evidence.iter().for_each(figures);
}

/// CT reaches down to air; MR begins at or near 0.
fn modality_of(nifti: &Nifti) -> Option<Modality> {
    let low = *nifti.range().start();
    if CT_LOWEST_HU.contains(&low) {
        Some(Modality::Ct)
    } else {
        (low >= 0.0).then_some(Modality::Mr)
    }
}

/// The lowest value of a CT: air, or what scanners put outside the field of view.
const CT_LOWEST_HU: std::ops::RangeInclusive<f32> = -4096.0..=-900.0;
