//! Finding the head in a surveyed volume, or proving that there is none.

use super::cavity::{self, Cavity};
use super::fit::{Closeness, Fit, Fitter};
use super::grid::{Grid, Mask};
use super::morphology::signed_distance;
use super::pose::{Frame, Turn};
use super::presence::{Absence, BodyPartHint};
use super::refusal::Refusal;
use super::region::Region;
use super::skin;
use super::stack::Stack;
use super::survey::{Survey, Volume};
use super::template::TEMPLATE;
use super::zones;
use rayon::prelude::*;

/// Fits that are worse than this aren't trusted: mm2, mm, mm.
const COST_MAX: f32 = 10.5;
const ENDOCRANIUM_MEDIAN_MAX_MM: f32 = 3.0;
const ENDOCRANIUM_P90_MAX_MM: f32 = 8.0;
/// A head must fit clearly better as the header has it than turned round.
const TURNED_RATIO_MAX: f32 = 0.85;
/// Human sizes relative to the template, and tilts of heads in scanners.
const SCALE: std::ops::RangeInclusive<f32> = 0.75..=1.08;
const ROTATION_MAX_DEG: f32 = 45.0;
/// More brain than this outside the bone towards the forehead is an open skull, mL.
const UNION_GAIN_MAX_ML: f32 = 15.0;
/// A larger leak towards the face could be brain, mL.
const LEAK_MAX_ML: f32 = 10.0;

/// What a CT shows.
#[derive(Debug)]
pub enum Finding {
    /// No head, proven: nothing to remove.
    NoHead(Absence),
    /// A head, located.
    Head(Box<Head>),
}

/// A head located in a volume.
#[derive(Debug)]
pub struct Head {
    pub(super) stack: Stack,
    pub(super) volume: Volume,
    /// The solid head and what else of the body is in view.
    pub(super) solid: Mask,
    /// Signed distance to the brain, mm.
    pub(super) brain: Grid<f32>,
    /// Signed distance to the skin, mm.
    pub(super) skin: Grid<f32>,
    /// Distance to the edge of the field of view, mm.
    pub(super) depth_in_view: Grid<f32>,
    pub(super) frame: Frame,
    pub(super) located: Located,
}

/// How well the head was located: figures for the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Located {
    /// Robust mean of squared residuals, mm2.
    pub cost: f32,
    /// Cost over that of the best fit with the volume turned.
    pub turned_ratio: f32,
    /// Fit of the endocranium.
    pub endocranium: Closeness,
    /// Fit of the skin.
    pub skin: Closeness,
    /// Size along x, y, z relative to the template.
    pub scale: [f32; 3],
    /// Angle between head and patient axes, degrees.
    pub rotation_deg: f32,
    /// Volume of the endocranium in view, mL.
    pub cavity_ml: f32,
    /// Brain taken from the template where the skull is open towards the forehead, mL.
    pub union_gain_ml: f32,
    /// What bone seems to enclose far in front of the template's endocranium, and isn't taken for brain, mL.
    pub leak_ml: f32,
}

impl Survey {
    /// Finds the head, or proves that there is none.
    ///
    /// # Errors
    /// Every doubt is a [`Refusal`]: values that aren't HU, a face without cranium, a fit that isn't
    /// good, orientation or size that aren't proven, an open skull.
    pub fn locate(&self, hint: BodyPartHint) -> Result<Finding, Refusal> {
        let volume = self.volume()?;
        volume.require_hounsfield()?;
        match Cavity::find(&volume) {
            Cavity::None { core_ml } => Absence::prove(&volume, core_ml, hint).map(Finding::NoHead),
            Cavity::Endocranium(cavity) => Head::locate(self.stack().clone(), volume, &cavity)
                .map(|head| Finding::Head(Box::new(head))),
        }
    }
}

impl Head {
    fn locate(stack: Stack, volume: Volume, cavity: &Mask) -> Result<Self, Refusal> {
        let solid = skin::solid(&volume);
        let cavity_ml = cavity.volume_ml();
        let unproven = Refusal::AbsenceUnproven { cavity_ml, head_like_mm: 0.0 };
        let fitter = Fitter::new(&volume, &solid, cavity).ok_or(unproven)?;
        let fit = fitter.fit(Turn::None);
        let frame = fit.pose.frame();
        let Brain { distance: brain, union_gain_ml, leak_ml } = Brain::of(&volume, cavity, &frame);
        let located = Located {
            cost: fit.cost,
            turned_ratio: fit.cost / turned_cost(&fitter),
            endocranium: fitter.endocranium(&fit.pose),
            skin: fitter.skin(&fit.pose),
            scale: fit.pose.scale(),
            rotation_deg: rotation_deg(&fit),
            cavity_ml,
            union_gain_ml,
            leak_ml,
        };
        located.require_plausible()?;
        let (skin, depth_in_view) =
            (fitter.skin_distance().clone(), fitter.depth_in_view().clone());
        Ok(Head { stack, volume, solid, brain, skin, depth_in_view, frame, located })
    }

    /// The figures of the fit.
    pub fn located(&self) -> &Located {
        &self.located
    }

    /// What is to be removed.
    ///
    /// # Errors
    /// [`Refusal::BrainTouched`] if the region comes nearer to the brain than its margin.
    pub fn region(self) -> Result<Region, Refusal> {
        Region::new(self)
    }
}

impl Located {
    /// Every condition is stated as what must hold, so that a NaN is refused.
    fn require_plausible(&self) -> Result<(), Refusal> {
        let Closeness { median, p90, .. } = self.endocranium;
        let close = self.cost <= COST_MAX
            && median <= ENDOCRANIUM_MEDIAN_MAX_MM
            && p90 <= ENDOCRANIUM_P90_MAX_MM;
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

/// The cost of the best fit the wrong way round.
fn turned_cost(fitter: &Fitter) -> f32 {
    let costs: Vec<f32> = Turn::WRONG.into_par_iter().map(|turn| fitter.fit(turn).cost).collect();
    costs.into_iter().fold(f32::INFINITY, f32::min)
}

fn rotation_deg(fit: &Fit) -> f32 {
    fit.pose.rotation().iter().map(|c| c * c).sum::<f32>().sqrt().to_degrees()
}

/// The brain, and how sure its border towards the face is.
struct Brain {
    /// Signed distance, mm.
    distance: Grid<f32>,
    union_gain_ml: f32,
    leak_ml: f32,
}

impl Brain {
    fn of(volume: &Volume, cavity: &Mask, frame: &Frame) -> Self {
        /// In front of this, MNI mm, a leak leads to the face.
        const FACE_SIDE: f32 = 20.0;
        let lattice = cavity.lattice;
        let in_template = |i: usize| frame.to_template(lattice.point(lattice.node(i)));
        let scale = frame.mean_scale();
        let template = Grid::from_fn(lattice, |i| {
            TEMPLATE.endocranium.distance.sample(in_template(i)) * scale
        });
        let brain = cavity::brain(cavity, &template, volume);
        let volume_ml = |holds: &(dyn Fn(usize) -> bool + Sync)| {
            (0..lattice.nodes()).into_par_iter().filter(|&i| holds(i)).count() as f32
                * lattice.cell_ml()
        };
        Brain {
            distance: signed_distance(&brain),
            union_gain_ml: volume_ml(&|i| {
                brain.data[i] && !cavity.data[i] && zones::is_forehead(in_template(i))
            }),
            leak_ml: volume_ml(&|i| {
                cavity.data[i] && cavity::is_leak(template.data[i]) && in_template(i)[1] > FACE_SIDE
            }),
        }
    }
}
