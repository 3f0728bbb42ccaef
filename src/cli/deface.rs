//! `efface deface`: the defacer on a NIfTI volume, for researchers and judges.

use super::Problem;
use crate::deface::{
    BodyPartHint, Contrast, Edit, Evidence, Finding, Level, Refusal, Region, Rescale, Slice,
    SliceChange, Survey,
};
use crate::disk;
use crate::nifti::Nifti;
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use std::path::PathBuf;
use std::process::ExitCode;

/// Removes the face from a CT or MR of the head. What it isn't sure of is not written.
///
/// Nothing else is de-identified: header fields and file names stay as they are.
#[derive(Args)]
#[command(
    after_help = "Exit code 1: withheld, nothing was written.\nDICOM files are defaced by: efface deid\n\nExample:\n  efface deface head.nii.gz -o defaced.nii.gz"
)]
pub struct DefaceArgs {
    /// NIfTI-1 file, .nii or .nii.gz
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// File to write; it must not exist
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// What the volume is; needed where its values don't tell
    #[arg(long, value_enum)]
    modality: Option<Modality>,
    /// What the volume shows, if somebody knows: `other` lets a volume without a head pass
    #[arg(long, value_enum, default_value = "unknown")]
    body_part: BodyPart,
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

/// Defaces what the arguments name.
///
/// # Errors
/// What keeps it from starting: files that can't be read or are there already.
pub fn run(args: &DefaceArgs) -> Result<ExitCode, Problem> {
    if args.out.exists() {
        return Err(format!("{}: is there already. Name another file", args.out.display()).into());
    }
    let read = disk::open(&args.input).map_err(Into::into).and_then(Nifti::read);
    let mut nifti = read.map_err(|error| format!("{}: {error}", args.input.display()))?;
    let modality = args.modality.or_else(|| modality_of(&nifti)).ok_or(
        "the values don't tell whether this is CT or MR. Say so: --modality ct or --modality mr",
    )?;
    let hint = match args.body_part {
        BodyPart::Head => BodyPartHint::Head,
        BodyPart::Other => BodyPartHint::Other,
        BodyPart::Unknown => BodyPartHint::Unknown,
    };
    let evidence = match deface(&mut nifti, modality, hint) {
        Ok(evidence) => evidence,
        Err(refusal) => {
            eprintln!("withheld, nothing was written: {refusal}");
            return Ok(ExitCode::from(1));
        }
    };
    disk::write_whole(&args.out, &nifti.to_file()?)?;
    match evidence {
        None => println!("{}: no head, left as it is", args.out.display()),
        Some(evidence) => {
            let removed: usize = evidence.removed_voxels.iter().sum();
            println!("{}: face removed, {removed} voxels", args.out.display());
            for (name, value) in evidence.figures() {
                println!("  {name:22} {value:8.3}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
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

/// The evidence, or `None` if there is no head.
fn deface(
    nifti: &mut Nifti,
    modality: Modality,
    hint: BodyPartHint,
) -> Result<Option<Evidence>, Refusal> {
    let contrast = match (modality, nifti.range().into_inner()) {
        (Modality::Ct, _) => Contrast::Hounsfield,
        (Modality::Mr, (low, high)) => Contrast::Arbitrary { low, high },
    };
    let survey = survey(nifti, contrast)?;
    let region = match survey.locate(hint)? {
        Finding::NoHead(_) => return Ok(None),
        Finding::Head(head) => head.region(Level::Strict)?,
    };
    let changes = remove(nifti, &region)?;
    // The check reads what will be written.
    let check = region.check()?;
    changes.par_iter().enumerate().try_for_each(|(index, change)| {
        with_slice(nifti, index, |slice| check.add(change, slice))
    })?;
    check.finish().map(Some)
}

fn survey(nifti: &Nifti, contrast: Contrast) -> Result<Survey, Refusal> {
    let survey = Survey::new(nifti.planes(), contrast)?;
    (0..nifti.planes().len())
        .into_par_iter()
        .try_for_each(|index| with_slice(nifti, index, |slice| survey.add(index, slice)))?;
    Ok(survey)
}

/// Hands over a slice as levels of the file's range.
fn with_slice<T>(
    nifti: &Nifti,
    index: usize,
    then: impl FnOnce(&Slice<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let samples = nifti.levels(index);
    let rescale = Rescale::new(f64::from(nifti.step()), f64::from(*nifti.range().start()))?;
    then(&Slice { samples: &samples, rescale, padding: None, inverted: false })
}

/// Fills the region, slice by slice, and says what must be true of each.
fn remove(nifti: &mut Nifti, region: &Region) -> Result<Vec<SliceChange>, Refusal> {
    /// Marks what is removed: no level has it.
    const REMOVED: Edit = Edit { fill: -1, keep_from: None };
    let (low, high) = nifti.range().into_inner();
    let air = region.air().clamp(low, high);
    (0..nifti.planes().len())
        .map(|index| {
            let mut marked = nifti.levels(index);
            let mut change = region.apply(index, &mut marked, REMOVED)?;
            let removed = (0..marked.len()).filter(|&i| marked[i] == REMOVED.fill);
            change.edit.fill = nifti.fill(index, removed, air);
            Ok(change)
        })
        .collect()
}
