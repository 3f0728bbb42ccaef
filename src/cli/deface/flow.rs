//! One volume from reading to verdict, whatever file it is in: the order of the calls.

use crate::deface::{
    BodyPartHint, Check, Contrast, Evidence, Examined, Finding, Level, Refusal, Region, Sketch,
    Slice, SliceChange, Survey, Volume,
};
use crate::dicom::plane::ImagePlane;
use crate::face::Deadline;
use indicatif::ProgressBar;
use rayon::prelude::*;
use std::io;
use std::time::Duration;

/// Why a volume isn't defaced.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A doubt: the volume is withheld.
    #[error("{0}")]
    Withheld(String),
    /// The system: nothing can be said of the volume.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::Withheld(refusal.to_string())
    }
}

/// Whether there is time left.
fn in_time(deadline: Deadline) -> Result<(), Fault> {
    deadline.require().map_err(|_| {
        Fault::Withheld("it was not done in time: give it more by --time-limit".to_owned())
    })
}

/// What is done with a slice.
pub type Use<'a> = &'a mut dyn FnMut(&Slice<'_>) -> Result<(), Refusal>;

/// A volume whose slices can be read and rewritten one by one.
pub trait Series: Sync {
    /// One plane per slice.
    fn planes(&self) -> &[ImagePlane];
    /// What its values are.
    fn contrast(&self) -> Contrast;
    /// Hands over a slice as it came.
    ///
    /// # Errors
    /// [`Fault`], also that of what is done with it.
    fn source(&self, index: usize, then: Use<'_>) -> Result<(), Fault>;
    /// Rewrites every slice and says what must be true of each; `done` is called for each.
    ///
    /// # Errors
    /// [`Fault`].
    fn rewrite(
        &mut self,
        region: &Region,
        done: &(dyn Fn() + Sync),
    ) -> Result<Vec<SliceChange>, Fault>;
    /// Hands over a slice as it would leave: read again from what was written.
    ///
    /// # Errors
    /// [`Fault`], also that of what is done with it.
    fn draft(&self, index: usize, then: Use<'_>) -> Result<(), Fault>;
}

/// What became of a volume.
pub struct Outcome {
    /// The decision.
    pub verdict: Verdict,
    /// The figures; proof only if the verdict is [`Verdict::Removed`].
    pub evidence: Option<Evidence>,
    /// What was found, if anybody wants to look at it.
    pub sketch: Option<Sketch>,
    /// The output on the survey's grid, also where it is withheld.
    pub after: Option<Volume>,
    /// Slices in the volume.
    pub slices: usize,
}

impl Outcome {
    /// Of what isn't even looked at.
    pub fn withheld(reason: String, slices: usize) -> Self {
        let verdict = Verdict::Withheld(reason);
        Outcome { verdict, evidence: None, sketch: None, after: None, slices }
    }
}

/// The decision.
pub enum Verdict {
    /// The face is removed, and that was checked.
    Removed(Level),
    /// There is no head, proven: the volume is as it was.
    NoHead,
    /// Withheld, for this reason.
    Withheld(String),
}

/// Passes over the slices in [`deface`], for whoever shows progress.
pub const PASSES: u64 = 3;

/// What is wanted of it.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// How much of the face goes.
    pub level: Level,
    /// What it is said to show.
    pub hint: BodyPartHint,
    /// Somebody will look at what was found.
    pub sketches: bool,
    /// Seconds that it may take; then it is withheld.
    pub limit: Duration,
}

/// Finds the head, removes its face, checks the result.
///
/// # Errors
/// What the system says. A doubt is no error but a verdict.
pub fn deface(
    series: &mut impl Series,
    wanted: Wanted,
    progress: &ProgressBar,
) -> io::Result<Outcome> {
    let slices = series.planes().len();
    let mut outcome =
        Outcome { verdict: Verdict::NoHead, evidence: None, sketch: None, after: None, slices };
    match attempt(series, wanted, progress, &mut outcome) {
        Ok(verdict) => outcome.verdict = verdict,
        Err(Fault::Withheld(reason)) => outcome.verdict = Verdict::Withheld(reason),
        Err(Fault::Io(error)) => return Err(error),
    }
    Ok(outcome)
}

fn attempt(
    series: &mut impl Series,
    Wanted { level, hint, sketches, limit }: Wanted,
    progress: &ProgressBar,
    outcome: &mut Outcome,
) -> Result<Verdict, Fault> {
    let deadline = Deadline::after(limit);
    progress.set_message("looking for the head");
    let survey = Survey::new(series.planes(), series.contrast())?;
    each(series, progress, deadline, |series, index| {
        series.source(index, &mut |slice| survey.add(index, slice))
    })?;
    let region = survey.locate(hint).and_then(|finding| match finding {
        Finding::NoHead(_) => Ok(None),
        Finding::Head(head) => head.region(level).map(Some),
    });
    outcome.sketch = match &region {
        Ok(Some(region)) if sketches => region.sketch(),
        // Why was it refused? What fits best, however badly, shows it.
        Ok(None) | Err(_) if sketches => survey.sketch().ok(),
        _ => None,
    };
    drop(survey);
    let Some(region) = region? else { return Ok(Verdict::NoHead) };
    in_time(deadline)?;
    progress.set_message("removing the face");
    let changes = series.rewrite(&region, &|| progress.inc(1))?;
    progress.set_message("checking the result");
    let check: Check<'_> = region.check()?;
    each(series, progress, deadline, |series, index| {
        series.draft(index, &mut |slice| check.add(&changes[index], slice))
    })?;
    in_time(deadline)?;
    let Examined { evidence, after, verdict } = check.examine()?;
    outcome.evidence = Some(evidence);
    outcome.after = after;
    verdict?;
    Ok(Verdict::Removed(level))
}

fn each<S: Series>(
    series: &S,
    progress: &ProgressBar,
    deadline: Deadline,
    work: impl Fn(&S, usize) -> Result<(), Fault> + Sync,
) -> Result<(), Fault> {
    (0..series.planes().len()).into_par_iter().try_for_each(|index| {
        in_time(deadline)?;
        work(series, index)?;
        progress.inc(1);
        Ok(())
    })
}
