//! Fitting the template to a head: chamfer matching of skin and endocranium.
//!
//! Points of the template are pulled to the head's surfaces and points of the head to the template's,
//! by robust least squares over [`Pose`]'s nine parameters. There is no random state and every sum
//! has a fixed order, so the same volume always gives the same pose.

use super::grid::{Grid, Mask, Point, dot};
use super::linear;
use super::morphology::{complement, distance_to, signed_distance};
use super::pose::{Frame, Pose, Turn};
use super::start;
use super::template::{Surface, TEMPLATE};
use rayon::prelude::*;
use std::ops::RangeInclusive;

const PARAMETERS: usize = 9;
/// Rotation in rad, then logarithms of the scales: most likely value and spread.
const PRIOR_MEAN: [f32; 6] = [0.0, 0.0, 0.0, -0.10, -0.10, -0.10];
const PRIOR_SPREAD: [f32; 6] = [0.35, 0.15, 0.15, 0.08, 0.08, 0.08];
/// Steps by which it is told how points move with the parameters: mm, rad, log scale.
const STEP: [f32; PARAMETERS] = [1.0, 1.0, 1.0, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02];
/// How many of the head's surface points are used.
const SKIN_POINTS: usize = 2500;
/// Weights of a surface's template points and of the head's points: skin beside the endocranium, which is
/// surer, and on its own.
const SKIN_BESIDE_ENDOCRANIUM: [f32; 2] = [0.45, 0.35];
const SKIN_ALONE: [f32; 2] = [1.0, 0.8];
const ENDOCRANIUM_POINTS: usize = 2000;
/// Points this near to the edge of the field of view don't count; they do fully 3 mm further in.
const EDGE_MM: f32 = 1.0;
const EDGE_RAMP_MM: f32 = 3.0;
/// Template points farther than this from the edge of the field of view are "visible", mm.
const VISIBLE_MM: f32 = 2.0;
/// Weight of the head's points that the template doesn't model: neck and ears.
const UNMODELLED_WEIGHT: f32 = 0.15;

/// One round of the optimisation.
struct Stage {
    /// Scale of the Geman-McClure loss, mm: residuals far beyond it don't count.
    kernel: f32,
    iterations: usize,
    /// Every how many-th point is used.
    stride: usize,
    /// The first so many parameters are free.
    free: usize,
}

/// From every start ...
const COARSE: [Stage; 2] = [
    Stage { kernel: 25.0, iterations: 6, stride: 8, free: 6 },
    Stage { kernel: 15.0, iterations: 6, stride: 8, free: 9 },
];
/// ... and from the best few.
const FINE: [Stage; 2] = [
    Stage { kernel: 10.0, iterations: 8, stride: 3, free: 9 },
    Stage { kernel: 6.0, iterations: 12, stride: 1, free: 9 },
];
const REFINED_STARTS: usize = 3;
/// The last of them with fewer points.
const SKIMMED: [Stage; 1] = [Stage { kernel: 6.0, iterations: 12, stride: 3, free: 9 }];
/// Poses that differ by less than this (mm, rad, log scale) are one place, from which one fit comes.
const BESIDE: [f32; 3] = [1.0, 0.02, 0.02];

/// A fitted pose.
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// Where the head is.
    pub pose: Pose,
    /// Robust mean of the squared residuals plus the prior's cost, mm2.
    pub cost: f32,
}

impl Fit {
    /// Whether another fit is in the same place.
    fn is_beside(&self, other: &Fit) -> bool {
        let (a, b) = (&self.pose.parameters, &other.pose.parameters);
        self.pose.turn == other.pose.turn
            && (0..PARAMETERS).all(|k| (a[k] - b[k]).abs() < BESIDE[k / 3])
    }
}

/// How well a surface fits: distances of its visible template points, mm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Closeness {
    /// Half of the points are nearer.
    pub median: f32,
    /// Nine in ten points are nearer.
    pub p90: f32,
    /// Share of the template's points in the field of view.
    pub visible: f32,
}

/// A head's surfaces, ready to be fitted.
pub struct Fitter<'a> {
    /// The skin, and in CT the endocranium.
    matches: Vec<Match>,
    /// Distance to the edge of the field of view, mm.
    depth_in_view: Grid<f32>,
    head: &'a Mask,
    cavity: Option<&'a Mask>,
}

/// One surface of the head and of the template.
struct Match {
    template: &'static Surface,
    /// Signed distance to the head's surface, mm.
    distance: Grid<f32>,
    /// Points on the head's surface, RAS mm.
    points: Vec<Point>,
    weight_of_template: f32,
    weight_of_head: f32,
}

/// Derivatives of a residual with respect to the parameters.
type Slopes = [f32; PARAMETERS];

/// Distance of a point to the surface that it should lie on, mm.
#[derive(Clone, Copy)]
struct Residual {
    distance: f32,
    weight: f32,
}

impl<'a> Fitter<'a> {
    /// Prepares the skin of a head and, if it was found, its endocranium.
    pub fn new(inside: &Mask, head: &'a Mask, cavity: Option<&'a Mask>) -> Self {
        let depth_in_view = depth_in_view(inside);
        let surface =
            |template, mask: &Mask, points, [weight_of_template, weight_of_head]: [f32; 2]| Match {
                template,
                distance: signed_distance(mask),
                points: surface_points(mask, &depth_in_view, points),
                weight_of_template,
                weight_of_head,
            };
        let skin_weights = if cavity.is_some() { SKIN_BESIDE_ENDOCRANIUM } else { SKIN_ALONE };
        let skin = surface(&TEMPLATE.skin, head, SKIN_POINTS, skin_weights);
        let endocranium =
            cavity.map(|c| surface(&TEMPLATE.endocranium, c, ENDOCRANIUM_POINTS, [1.0, 1.0]));
        let matches = std::iter::once(skin).chain(endocranium).collect();
        Fitter { matches, depth_in_view, head, cavity }
    }

    /// Prepares a brain that nothing surrounds.
    pub fn of_brain(inside: &Mask, brain: &'a Mask) -> Self {
        let depth_in_view = depth_in_view(inside);
        let surface = Match {
            template: &TEMPLATE.endocranium,
            distance: signed_distance(brain),
            points: surface_points(brain, &depth_in_view, ENDOCRANIUM_POINTS),
            weight_of_template: 1.0,
            weight_of_head: 1.0,
        };
        Fitter { matches: vec![surface], depth_in_view, head: brain, cavity: Some(brain) }
    }

    /// The best pose with the template first turned by `turn`.
    ///
    /// `None` if there is nothing to fit it to.
    pub fn fit(&self, turn: Turn) -> Option<Fit> {
        self.refine(self.coarse(turn))
    }

    /// The best poses of a quick search, best first.
    pub fn coarse(&self, turn: Turn) -> Vec<Fit> {
        let starts = match self.cavity {
            Some(cavity) => start::from_cavity(cavity, turn),
            None => start::from_vertex(self.head, turn),
        };
        let fits = starts.into_par_iter().map(|start| {
            let mut pose = Pose { parameters: [0.0; PARAMETERS], turn };
            pose.parameters[..6].copy_from_slice(&start);
            pose.parameters[6..].copy_from_slice(&PRIOR_MEAN[3..]);
            self.run(pose, &COARSE)
        });
        let mut fits: Vec<Fit> = fits.collect();
        fits.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        fits.truncate(REFINED_STARTS);
        fits
    }

    /// The best pose that a careful search finds from quick ones.
    pub fn refine(&self, coarse: Vec<Fit>) -> Option<Fit> {
        self.settle(&self.approach(&coarse))
    }

    /// The first half of a careful search; best first.
    pub fn approach(&self, coarse: &[Fit]) -> Vec<Fit> {
        self.go_on(coarse, &FINE[..1])
    }

    /// The second half.
    pub fn settle(&self, near: &[Fit]) -> Option<Fit> {
        self.go_on(near, &FINE[1..]).first().copied()
    }

    /// The second half with every third point: enough to tell how far from a fit it is.
    pub fn skim(&self, near: &[Fit]) -> Option<Fit> {
        self.go_on(near, &SKIMMED).first().copied()
    }

    /// Goes on from fits, of those in one place from one; best first.
    fn go_on(&self, fits: &[Fit], stages: &[Stage]) -> Vec<Fit> {
        let mut apart: Vec<Fit> = Vec::new();
        for fit in fits {
            if !apart.iter().any(|other| other.is_beside(fit)) {
                apart.push(*fit);
            }
        }
        let mut fits: Vec<Fit> =
            apart.into_par_iter().map(|fit| self.run(fit.pose, stages)).collect();
        fits.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        fits
    }

    /// Whether the endocranium was found.
    pub fn sees_endocranium(&self) -> bool {
        self.cavity.is_some()
    }

    /// How well the skin fits.
    pub fn skin(&self, pose: &Pose) -> Closeness {
        self.closeness(&self.matches[0], pose)
    }

    /// How well the endocranium fits, if it was found.
    pub fn endocranium(&self, pose: &Pose) -> Option<Closeness> {
        let is_endocranium = |m: &&Match| std::ptr::eq(m.template, &TEMPLATE.endocranium);
        self.matches.iter().find(is_endocranium).map(|surface| self.closeness(surface, pose))
    }

    /// Signed distance to the head's skin, mm.
    pub fn skin_distance(&self) -> &Grid<f32> {
        &self.matches[0].distance
    }

    /// Distance to the edge of the field of view, mm.
    pub fn depth_in_view(&self) -> &Grid<f32> {
        &self.depth_in_view
    }

    fn closeness(&self, surface: &Match, pose: &Pose) -> Closeness {
        let frame = pose.frame();
        let points = &surface.template.points;
        let mut distances: Vec<f32> = points
            .iter()
            .map(|p| frame.to_patient(p.at))
            .filter(|&p| self.depth_in_view.sample_inside(p).unwrap_or(0.0) > VISIBLE_MM)
            .map(|p| surface.distance.sample(p).abs())
            .collect();
        distances.sort_by(f32::total_cmp);
        let quantile = |q: f32| {
            let at = (q * distances.len() as f32) as usize;
            distances
                .get(at.min(distances.len().saturating_sub(1)))
                .copied()
                .unwrap_or(f32::INFINITY)
        };
        Closeness {
            median: quantile(0.5),
            p90: quantile(0.9),
            visible: distances.len() as f32 / points.len() as f32,
        }
    }

    fn run(&self, mut pose: Pose, stages: &[Stage]) -> Fit {
        let mut cost = f32::INFINITY;
        for stage in stages {
            (pose, cost) = self.descend(pose, stage);
        }
        Fit { pose, cost }
    }

    /// Levenberg-Marquardt with iteratively reweighted residuals.
    fn descend(&self, mut pose: Pose, stage: &Stage) -> (Pose, f32) {
        const TRIALS: usize = 4;
        const CONVERGED: f32 = 1e-3;
        let mut damping = 1e-2f64;
        let mut residuals = self.residuals(&pose, stage.stride);
        let mut cost = cost(&residuals, &pose, stage.kernel);
        for _ in 0..stage.iterations {
            let normal = self.normal_equations(&pose, &residuals, stage);
            let mut improvement = None;
            for _ in 0..TRIALS {
                let Some(step) = normal.solve(damping) else { break };
                let mut trial = pose;
                for (parameter, by) in trial.parameters.iter_mut().zip(&step) {
                    *parameter += *by as f32;
                }
                let trial_residuals = self.residuals(&trial, stage.stride);
                let trial_cost = self::cost(&trial_residuals, &trial, stage.kernel);
                if trial_cost < cost {
                    improvement = Some(cost - trial_cost);
                    (pose, residuals, cost) = (trial, trial_residuals, trial_cost);
                    damping = (damping / 5.0).max(1e-4);
                    break;
                }
                damping *= 5.0;
            }
            if improvement.is_none_or(|gain| gain < CONVERGED * cost) {
                break;
            }
        }
        (pose, cost)
    }

    fn normal_equations(
        &self,
        pose: &Pose,
        residuals: &[Residual],
        stage: &Stage,
    ) -> NormalEquations {
        let frame = pose.frame();
        let moved: [Frame; PARAMETERS] = std::array::from_fn(|k| {
            let mut moved = *pose;
            moved.parameters[k] += STEP[k];
            moved.frame()
        });
        let slopes: Vec<Slopes> =
            self.matches.iter().flat_map(|m| m.slopes(&frame, &moved, stage.stride)).collect();
        NormalEquations::new(pose, residuals, &slopes, stage)
    }

    /// All residuals at a pose, always in the same order.
    fn residuals(&self, pose: &Pose, stride: usize) -> Vec<Residual> {
        let frame = pose.frame();
        self.matches.iter().flat_map(|m| m.residuals(&frame, &self.depth_in_view, stride)).collect()
    }
}

impl Match {
    fn residuals(&self, frame: &Frame, depth_in_view: &Grid<f32>, stride: usize) -> Vec<Residual> {
        // Both directions weigh the same however many points they have.
        let share = |points: usize| (1000.0 / points.div_ceil(stride).max(1) as f32).sqrt();
        let of_template = self.weight_of_template * share(self.template.points.len());
        let of_head = self.weight_of_head * share(self.points.len());

        let to_head = self.template.points.iter().step_by(stride).map(|p| {
            let at = frame.to_patient(p.at);
            let depth = depth_in_view.sample_inside(at).unwrap_or(0.0);
            let in_view = ((depth - EDGE_MM) / EDGE_RAMP_MM).clamp(0.0, 1.0);
            Residual {
                distance: self.distance.sample(at),
                weight: p.weight * in_view * of_template,
            }
        });
        let scale = frame.mean_scale();
        let to_template = self.points.iter().step_by(stride).map(|&p| {
            let at = frame.to_template(p);
            let modelled = if is_unmodelled(at) { UNMODELLED_WEIGHT } else { 1.0 };
            let distance = clamped(self.template.distance.sample(at)) * scale;
            Residual { distance, weight: modelled * of_head }
        });
        to_head.chain(to_template).collect()
    }

    /// How the residuals change with the parameters: the field's gradient times the way that the point moves in it.
    /// `moved`: the frame after a step of each parameter.
    fn slopes(
        &self,
        frame: &Frame,
        moved: &[Frame; PARAMETERS],
        stride: usize,
    ) -> impl Iterator<Item = Slopes> {
        let to_head = self.template.points.iter().step_by(stride).map(|p| {
            let at = frame.to_patient(p.at);
            let (_, gradient) = self.distance.sample_with_gradient(at);
            std::array::from_fn(|k| along(gradient, at, moved[k].to_patient(p.at)) / STEP[k])
        });
        let to_template = self.points.iter().step_by(stride).map(|&p| {
            let at = frame.to_template(p);
            let (distance, gradient) = self.template.distance.sample_with_gradient(at);
            let within = COUNTED_MM.contains(&distance);
            let gradient = if within { gradient } else { [0.0; 3] };
            let (distance, scale) = (clamped(distance), frame.mean_scale());
            std::array::from_fn(|k| {
                let moves = along(gradient, at, moved[k].to_template(p)) * scale;
                (moves + distance * (moved[k].mean_scale() - scale)) / STEP[k]
            })
        });
        to_head.chain(to_template)
    }
}

/// Distances to the template's surfaces that count as they are, mm.
const COUNTED_MM: RangeInclusive<f32> = -40.0..=60.0;

fn clamped(distance: f32) -> f32 {
    distance.clamp(*COUNTED_MM.start(), *COUNTED_MM.end())
}

/// How much a field of this gradient grows from one point to another.
fn along(gradient: Point, from: Point, to: Point) -> f32 {
    dot(gradient, std::array::from_fn(|k| to[k] - from[k]))
}

/// Neck, what lies below the template, and ears.
fn is_unmodelled([x, y, z]: Point) -> bool {
    (z < -60.0 && y < 20.0) || z < -120.0 || (x.abs() > 66.0 && z < 5.0 && y > -60.0 && y < 20.0)
}

/// Geman-McClure mean of the residuals, plus half the prior's chi square.
fn cost(residuals: &[Residual], pose: &Pose, kernel: f32) -> f32 {
    let c2 = kernel * kernel;
    let (mut sum, mut weights) = (0.0f64, 0.0f64);
    for r in residuals {
        let (w2, r2) = (r.weight * r.weight, r.distance * r.distance);
        sum += f64::from(w2 * r2 / (r2 + c2) * c2);
        weights += f64::from(w2);
    }
    let chi2: f32 = prior(pose).map(|(off, _)| off * off).iter().sum();
    (sum / weights.max(f64::MIN_POSITIVE)) as f32 + 0.5 * chi2
}

/// Deviation of rotation and scales from the prior in spreads, and the deviation's derivative.
fn prior(pose: &Pose) -> [(f32, f32); 6] {
    std::array::from_fn(|k| {
        let off = (pose.parameters[3 + k] - PRIOR_MEAN[k]) / PRIOR_SPREAD[k];
        (off, 1.0 / PRIOR_SPREAD[k])
    })
}

/// The linear system of one Gauss-Newton step.
struct NormalEquations {
    free: usize,
    hessian: [[f64; PARAMETERS]; PARAMETERS],
    gradient: [f64; PARAMETERS],
}

impl NormalEquations {
    fn new(pose: &Pose, residuals: &[Residual], slopes: &[Slopes], stage: &Stage) -> Self {
        let (c2, free) = (stage.kernel * stage.kernel, stage.free);
        let mut system = NormalEquations {
            free,
            hessian: [[0.0; PARAMETERS]; PARAMETERS],
            gradient: [0.0; PARAMETERS],
        };
        let mut weights = 0.0;
        for (r, slopes) in residuals.iter().zip(slopes) {
            let s = c2 / (r.distance * r.distance + c2);
            let influence = r.weight * r.weight * s * s;
            weights += f64::from(r.weight * r.weight);
            for a in 0..free {
                let weighted = f64::from(influence * slopes[a]);
                system.gradient[a] += weighted * f64::from(r.distance);
                for (sum, &slope) in system.hessian[a][..=a].iter_mut().zip(slopes) {
                    *sum += weighted * f64::from(slope);
                }
            }
        }
        for a in 0..free {
            system.gradient[a] /= weights;
            for b in 0..=a {
                system.hessian[a][b] /= weights;
                system.hessian[b][a] = system.hessian[a][b];
            }
        }
        for (k, (off, slope)) in prior(pose).into_iter().enumerate().filter(|(k, _)| k + 3 < free) {
            system.hessian[k + 3][k + 3] += 0.5 * f64::from(slope * slope);
            system.gradient[k + 3] += 0.5 * f64::from(off * slope);
        }
        system
    }

    /// The step for a damping; `None` if the system is degenerate.
    fn solve(&self, damping: f64) -> Option<[f64; PARAMETERS]> {
        let mut damped = self.hessian;
        for (k, row) in damped.iter_mut().enumerate() {
            row[k] += damping * (row[k] + 1e-9);
        }
        linear::solve(&damped, &self.gradient.map(|g| -g), self.free)
    }
}

/// Distance in mm from each cell in the field of view to the nearest one outside, or to the border.
fn depth_in_view(inside: &Mask) -> Grid<f32> {
    let lattice = inside.lattice;
    let to_outside = distance_to(&complement(inside));
    Grid::from_fn(lattice, |i| {
        let node = lattice.node(i);
        let cells_to_border =
            (0..3).map(|k| (node[k] + 1).min(lattice.size[k] - node[k])).min().unwrap_or(0);
        to_outside.data[i].min(cells_to_border as f32 * lattice.spacing)
    })
}

/// At most `count` cells of a mask's surface, away from the edge of the field of view, RAS mm.
///
/// A fixed shuffle makes every n-th point a fair sample.
fn surface_points(mask: &Mask, depth_in_view: &Grid<f32>, count: usize) -> Vec<Point> {
    let lattice = mask.lattice;
    let mut cells: Vec<usize> = mask
        .surface()
        .into_iter()
        .filter(|&i| depth_in_view.data[i] > 1.5 * lattice.spacing)
        .collect();
    cells.sort_by_key(|&i| (shuffled(i as u64), i));
    cells.truncate(count);
    cells.into_iter().map(|i| lattice.point(lattice.node(i))).collect()
}

/// Finaliser of SplitMix64: a fixed, well mixed permutation of whole numbers.
fn shuffled(index: u64) -> u64 {
    let z = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
