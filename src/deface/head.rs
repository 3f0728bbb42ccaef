//! Finding the head in a surveyed volume, or proving that there is none.

use super::bare;
use super::brain::Brain;
use super::cavity::Cavity;
use super::fit::{Closeness, Fit, Fitter};
use super::grid::{Grid, Mask};
use super::pose::{Frame, Turn};
use super::presence::{Absence, BodyPartHint};
use super::refusal::Refusal;
use super::region::{Level, Region};
use super::skin::Outline;
use super::stack::Stack;
use super::survey::{Survey, Volume};
use super::wrap;
use rayon::prelude::*;
use std::sync::Arc;

/// Fits that are worse than this aren't trusted, mm2: with the endocranium, and of the skin alone.
const COST_MAX_CT: f32 = 10.5;
const COST_MAX_MR: f32 = 8.0;
const ENDOCRANIUM_MEDIAN_MAX_MM: f32 = 3.0;
const ENDOCRANIUM_P90_MAX_MM: f32 = 8.0;
/// A head must fit clearly better as it is found than turned round.
const TURNED_RATIO_MAX: f32 = 0.85;
/// Human sizes relative to the template, and tilts of heads in scanners.
const SCALE: std::ops::RangeInclusive<f32> = 0.75..=1.08;
const ROTATION_MAX_DEG: f32 = 45.0;
/// More brain than this outside the bone towards the forehead is an open skull, mL.
const UNION_GAIN_MAX_ML: f32 = 15.0;
/// A larger leak towards the face could be brain, mL.
const LEAK_MAX_ML: f32 = 10.0;

/// Less tissue than this beside the head is a marker, a cable or a fold of a pillow, mL.
const WRAPPED_MAX_ML: f32 = 1.0;

/// What a volume shows.
#[derive(Debug)]
pub enum Finding {
    /// No head, proven: nothing to remove.
    NoHead(Absence),
    /// A head, located.
    Head(Box<Head>),
}

/// A head located in a volume, and the volume.
#[derive(Debug)]
pub struct Head {
    pub(super) anatomy: Arc<Anatomy>,
    pub(super) original: Original,
}

/// Where head, brain and skin are in the patient: whatever series shows them.
#[derive(Debug)]
pub struct Anatomy {
    pub(super) frame: Frame,
    /// Signed distance to the brain, mm.
    pub(super) brain: Grid<f32>,
    /// Signed distance to the skin, mm.
    pub(super) skin: Grid<f32>,
    /// Whether the brain's border was seen as bone's, or inferred in MR.
    pub(super) in_bone: bool,
    pub(super) located: Located,
}

/// The series in which a head was found, before anything was removed.
#[derive(Debug)]
pub(super) struct Original {
    pub stack: Stack,
    pub volume: Volume,
    pub outline: Outline,
    /// The solid head and what else of the body is in view.
    pub solid: Mask,
    /// Distance to the edge of the field of view, mm.
    pub depth_in_view: Grid<f32>,
}

/// How well the head was located: figures for the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Located {
    /// Robust mean of squared residuals, mm2.
    pub cost: f32,
    /// Cost over that of the best fit with the volume turned.
    pub turned_ratio: f32,
    /// Fit of the endocranium; `None` in MR, where it isn't seen.
    pub endocranium: Option<Closeness>,
    /// Fit of the skin.
    pub skin: Closeness,
    /// Size along x, y, z relative to the template.
    pub scale: [f32; 3],
    /// Angle between head and patient axes, degrees; up to a quarter turn of the patient.
    pub rotation_deg: f32,
    /// Whether the head lies along other axes than the header says, or on its side.
    pub turned: bool,
    /// Volume of the endocranium in view, mL; 0 in MR.
    pub cavity_ml: f32,
    /// Brain taken from the template where the skull is open towards the forehead, mL.
    pub union_gain_ml: f32,
    /// What bone seems to enclose far in front of the template's endocranium, and isn't taken for brain, mL.
    pub leak_ml: f32,
    /// Median by which the brain's border lies outwards of the template's, mm; MR.
    pub border_shift_mm: f32,
}

impl Survey {
    /// Finds the head, or proves that there is none.
    ///
    /// # Errors
    /// Every doubt is a [`Refusal`]: values that aren't HU, a face without cranium, a fit that isn't
    /// good, orientation or size that aren't proven, an open skull.
    pub fn locate(&self, hint: BodyPartHint) -> Result<Finding, Refusal> {
        self.look(hint).map_err(|doubt| doubt.refusal)
    }

    /// The same, with what was found where it is not enough.
    ///
    /// # Errors
    /// [`Doubt`].
    pub fn look(&self, hint: BodyPartHint) -> Result<Finding, Box<Doubt>> {
        let volume = self.volume()?;
        let (outlined, cavity) = if volume.contrast.is_hounsfield() {
            volume.require_hounsfield()?;
            match Cavity::find(&volume) {
                Cavity::None { core_ml } => {
                    let absence = Absence::prove(&volume, core_ml, hint);
                    return Ok(absence.map(Finding::NoHead)?);
                }
                Cavity::Endocranium(cavity) => (Outline::with_solid(&volume), Some(cavity)),
            }
        } else {
            let outlined = Outline::with_solid(&volume);
            if let Some(absence) = bare::prove(&volume, &outlined.1) {
                return Ok(Finding::NoHead(absence));
            }
            (outlined, None)
        };
        let head = Box::new(Head::guess(self.stack().clone(), volume, outlined, cavity.as_ref())?);
        let Err(refusal) = head.require_proven() else { return Ok(Finding::Head(head)) };
        let volume = &head.original.volume;
        let absence = match &cavity {
            None => Absence::of_refusal(&refusal, volume, hint),
            Some(_) => None,
        };
        match absence {
            Some(absence) => Ok(Finding::NoHead(absence)),
            None => Err(Box::new(Doubt { refusal, guess: Some(head) })),
        }
    }
}

/// Why no head was found, and what fits one best.
#[derive(Debug)]
pub struct Doubt {
    /// Why.
    pub refusal: Refusal,
    pub(super) guess: Option<Box<Head>>,
}

impl From<Refusal> for Box<Doubt> {
    fn from(refusal: Refusal) -> Self {
        Box::new(Doubt { refusal, guess: None })
    }
}

impl Head {
    fn require_proven(&self) -> Result<(), Refusal> {
        self.located().require_plausible()?;
        self.require_unwrapped()
    }

    /// A nose that an MR shows behind the head is not where the template has one.
    fn require_unwrapped(&self) -> Result<(), Refusal> {
        let Original { volume, outline, depth_in_view, .. } = &self.original;
        if volume.contrast.is_hounsfield() {
            return Ok(());
        }
        let ml = wrap::wrapped_ml(volume, outline, &self.anatomy.frame, depth_in_view);
        let unwrapped = ml <= WRAPPED_MAX_ML;
        if unwrapped { Ok(()) } else { Err(Refusal::Wrapped { ml }) }
    }

    /// What fits best, however badly, to the outlined solid.
    pub(super) fn guess(
        stack: Stack,
        volume: Volume,
        (outline, solid): (Outline, Mask),
        cavity: Option<&Mask>,
    ) -> Result<Self, Refusal> {
        let fitter = Fitter::new(&volume.inside, &solid, cavity);
        let (fit, turned_ratio) = oriented(&fitter).ok_or(Refusal::NoTissue)?;
        let frame = fit.pose.frame();
        let brain = match cavity {
            Some(cavity) => Brain::in_bone(&volume, cavity, &frame),
            None => {
                let (skin, in_view) = (fitter.skin_distance(), fitter.depth_in_view());
                Brain::by_brightness(&volume, &frame, skin, in_view)
                    .ok_or(Refusal::NoBrainInView)?
            }
        };
        let located = Located {
            cost: fit.cost,
            turned_ratio,
            endocranium: fitter.endocranium(&fit.pose),
            skin: fitter.skin(&fit.pose),
            scale: fit.pose.scale(),
            rotation_deg: rotation_deg(&fit),
            turned: fit.pose.turn != Turn::NONE,
            cavity_ml: cavity.map_or(0.0, Mask::volume_ml),
            union_gain_ml: brain.union_gain_ml,
            leak_ml: brain.leak_ml,
            border_shift_mm: brain.border_shift_mm,
        };
        let anatomy = Anatomy {
            frame,
            brain: brain.distance,
            skin: fitter.skin_distance().clone(),
            in_bone: cavity.is_some(),
            located,
        };
        let depth_in_view = fitter.depth_in_view().clone();
        let original = Original { stack, volume, outline, solid, depth_in_view };
        Ok(Head { anatomy: Arc::new(anatomy), original })
    }

    /// Where the head is, for other series of the same frame of reference.
    pub fn anatomy(&self) -> &Arc<Anatomy> {
        &self.anatomy
    }

    /// The figures of the fit.
    pub fn located(&self) -> &Located {
        &self.anatomy.located
    }

    /// What is to be removed from the series in which the head was found.
    ///
    /// # Errors
    /// [`Refusal::BrainTouched`] if the region comes nearer to the brain than its margin.
    pub fn region(self, level: Level) -> Result<Region, Refusal> {
        Region::of_head(self, level)
    }
}

impl Located {
    /// Every condition is stated as what must hold, so that a NaN is refused.
    fn require_plausible(&self) -> Result<(), Refusal> {
        let Closeness { median, p90, .. } = self.endocranium.unwrap_or(self.skin);
        let endocranium_close = self.endocranium.is_none()
            || (median <= ENDOCRANIUM_MEDIAN_MAX_MM && p90 <= ENDOCRANIUM_P90_MAX_MM);
        let close = self.cost <= cost_max(self.endocranium.is_some()) && endocranium_close;
        if !close {
            return Err(Refusal::PoorFit { cost: self.cost, median_mm: median, p90_mm: p90 });
        }
        let upright = self.turned_ratio <= TURNED_RATIO_MAX;
        if !upright {
            return Err(Refusal::OrientationUnproven { ratio: self.turned_ratio });
        }
        let human =
            self.scale.iter().all(|s| SCALE.contains(s)) && self.rotation_deg <= ROTATION_MAX_DEG;
        if !human {
            let [a, b, c] = self.scale;
            return Err(Refusal::ImplausiblePose {
                scale_min: a.min(b).min(c),
                scale_max: a.max(b).max(c),
                rotation_deg: self.rotation_deg,
            });
        }
        let closed = self.union_gain_ml <= UNION_GAIN_MAX_ML && self.leak_ml <= LEAK_MAX_ML;
        if !closed {
            return Err(Refusal::SkullDefect {
                gain_ml: self.union_gain_ml,
                leak_ml: self.leak_ml,
            });
        }
        Ok(())
    }
}

/// The best fit and its cost over that of the best fit the wrong way round.
///
/// First as the header has it. Only if that isn't a head, the other 20 ways in which it can lie are
/// tried: patients on their side, and wrong headers.
fn oriented(fitter: &Fitter<'_>) -> Option<(Fit, f32)> {
    let near: Vec<Vec<Fit>> = [Turn::NONE]
        .into_par_iter()
        .chain(Turn::HALF)
        .map(|turn| fitter.approach(&fitter.coarse(turn)))
        .collect();
    let limit = cost_max(fitter.sees_endocranium());
    let as_told = fitter.settle(&near[0]);
    if let Some(best) = as_told.filter(|fit| fit.cost <= limit) {
        let rivals = near[1..].par_iter().filter_map(|near| fitter.skim(near));
        let rival = rivals.map(|fit| fit.cost).reduce(|| f32::INFINITY, f32::min);
        if best.cost <= CLEAR_RATIO * rival {
            return Some((best, best.cost / rival));
        }
    }
    let rest = near[1..].par_iter().filter_map(|near| fitter.settle(near));
    let half: Vec<Fit> = as_told.into_par_iter().chain(rest).collect();
    let (best, ratio) = winner(&half)?;
    if best.pose.turn == Turn::NONE && best.cost <= limit && ratio <= TURNED_RATIO_MAX {
        return Some((best, ratio));
    }
    let quarters: Vec<Turn> = Turn::quarters().collect();
    let coarse: Vec<Vec<Fit>> = quarters.into_par_iter().map(|turn| fitter.coarse(turn)).collect();
    let mut coarse: Vec<Vec<Fit>> = coarse.into_iter().filter(|fits| !fits.is_empty()).collect();
    coarse.sort_by(|a, b| a[0].cost.total_cmp(&b[0].cost));
    coarse.truncate(REFINED_QUARTERS);
    let refined = coarse.into_par_iter().filter_map(|fits| fitter.refine(fits));
    let mut all: Vec<Fit> = refined.collect();
    all.extend(half);
    winner(&all)
}

fn cost_max(sees_endocranium: bool) -> f32 {
    if sees_endocranium { COST_MAX_CT } else { COST_MAX_MR }
}

/// A head that fits so much better as the header has it than the wrong way round is not compared any closer.
const CLEAR_RATIO: f32 = 0.6;

/// So many of the other ways are looked at closely.
const REFINED_QUARTERS: usize = 4;

/// The cheapest fit, and its cost over the next one's that lies another way.
fn winner(fits: &[Fit]) -> Option<(Fit, f32)> {
    let best = *fits.iter().min_by(|a, b| a.cost.total_cmp(&b.cost))?;
    let others = fits.iter().filter(|fit| fit.pose.turn != best.pose.turn).map(|fit| fit.cost);
    Some((best, best.cost / others.fold(f32::INFINITY, f32::min)))
}

fn rotation_deg(fit: &Fit) -> f32 {
    fit.pose.rotation().iter().map(|c| c * c).sum::<f32>().sqrt().to_degrees()
}
