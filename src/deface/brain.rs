//! Where the brain is: nothing within a margin of it is ever removed.
//!
//! In CT bone shows it. In MR the fitted template says roughly where it is; its border is then looked for
//! along the template's normals, and whatever else is as bright as brain and hangs together with it
//! counts as brain, too. Of several answers the one that protects more is taken.

use super::cavity;
use super::grid::{Grid, Lattice, Mask, Point, unit};
use super::morphology::{largest_component, open, signed_distance};
use super::pose::Frame;
use super::survey::Volume;
use super::template::{SurfacePoint, TEMPLATE};
use super::zones;
use rayon::prelude::*;
use std::sync::LazyLock;

/// The brain, and how sure its border towards the face is.
pub struct Brain {
    /// Signed distance, mm; negative inside.
    pub distance: Grid<f32>,
    /// Brain taken from the template where the skull is open towards the forehead, mL. CT only.
    pub union_gain_ml: f32,
    /// What bone seems to enclose far in front of the template's endocranium, and isn't taken for brain,
    /// mL. CT only.
    pub leak_ml: f32,
    /// Median by which the border was moved outwards from the template's, mm. MR only.
    pub border_shift_mm: f32,
}

impl Brain {
    /// From the space that bone encloses.
    pub fn in_bone(volume: &Volume, cavity: &Mask, frame: &Frame) -> Self {
        /// In front of this, MNI mm, a leak leads to the face.
        const FACE_SIDE: f32 = 20.0;
        let lattice = cavity.lattice;
        let in_template = |i: usize| frame.to_template(lattice.point(lattice.node(i)));
        let template = of_template(frame, lattice);
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
            border_shift_mm: 0.0,
        }
    }

    /// From the fitted template and the image around its border.
    pub fn by_brightness(
        volume: &Volume,
        frame: &Frame,
        skin: &Grid<f32>,
        depth_in_view: &Grid<f32>,
    ) -> Option<Self> {
        let lattice = volume.value.lattice;
        let template = of_template(frame, lattice);
        let brightness = brightness(volume, &template)?;
        let borders = Borders::look(volume, frame, brightness, skin, depth_in_view);
        let (shift, reach) = (borders.field(&borders.shift), borders.field(&borders.reach));
        let of_point = |i: usize| frame.to_template(lattice.point(lattice.node(i)));
        let limit = Grid::from_fn(lattice, |i| {
            if template.data[i] < 2.0 * GUARD_REACH_MM { reach.sample(of_point(i)) } else { 0.0 }
        });
        let bright = bright_core(volume, &template, &limit, brightness);
        let guard = (!bright.data.iter().all(|b| !b)).then(|| signed_distance(&bright));
        let distance = Grid::from_fn(lattice, |i| {
            let moved = template.data[i] - shift.sample(of_point(i));
            guard.as_ref().map_or(moved, |g| moved.min(g.data[i] + GUARD_SLACK_MM))
        });
        Some(Brain {
            distance,
            union_gain_ml: 0.0,
            leak_ml: 0.0,
            border_shift_mm: borders.median(),
        })
    }
}

/// Signed distance to the fitted template's endocranium, mm.
fn of_template(frame: &Frame, lattice: Lattice) -> Grid<f32> {
    let scale = frame.mean_scale();
    Grid::from_fn(lattice, |i| {
        let mni = frame.to_template(lattice.point(lattice.node(i)));
        TEMPLATE.endocranium.distance.sample(mni) * scale
    })
}

/// Brightness deep in the brain; `None` if none of it is in view.
fn brightness(volume: &Volume, template: &Grid<f32>) -> Option<f32> {
    const DEEP_MM: f32 = -12.0;
    let mut deep: Vec<f32> = (0..template.data.len())
        .filter(|&i| template.data[i] < DEEP_MM && volume.inside.data[i])
        .map(|i| volume.value.data[i])
        .collect();
    median(&mut deep)
}

/// What is as bright as brain and hangs together with it through more than a thread.
const GUARD_SHARE: f32 = 0.55;
const GUARD_OPENING_MM: f32 = 4.5;
/// It isn't followed farther than this beyond the template's border, mm ...
const GUARD_REACH_MM: f32 = 8.0;
/// ... nor farther than this beyond the border that was found, or that is the farthest possible.
const GUARD_BEYOND_SKULL_MM: f32 = 2.0;
/// Its border is seen, not modelled: so much less is kept off it, mm.
const GUARD_SLACK_MM: f32 = 2.0;

fn bright_core(volume: &Volume, template: &Grid<f32>, reach: &Grid<f32>, brightness: f32) -> Mask {
    let bright = Grid::from_fn(template.lattice, |i| {
        template.data[i] < reach.data[i]
            && volume.inside.data[i]
            && volume.value.data[i] > GUARD_SHARE * brightness
    });
    largest_component(&open(&bright, GUARD_OPENING_MM))
}

/// The brain's border looked for at each point of the template's endocranium, along its normal.
struct Borders {
    /// How far outwards of each point's place the border is, mm.
    shift: Vec<f32>,
    /// How far outwards of each point's place what is bright can be brain, mm.
    reach: Vec<f32>,
}

/// Profiles run from so far inside to so far outside the template's border, in steps of 1 mm.
const PROFILE_MM: std::ops::RangeInclusive<i32> = -10..=12;
/// The border isn't expected deeper than this.
const BORDER_FROM_MM: i32 = -6;
/// Samples at the inner end that tell how bright brain is here.
const LEVEL_SAMPLES: usize = 6;
/// Brain here is at least and at most so bright, relative to deep brain: coils shade.
const LOCAL_RANGE: [f32; 2] = [0.6, 1.4];
/// The border is where brightness falls below this share.
const BORDER_SHARE: f32 = 0.5;
/// A profile that ends less than this under the skin runs through skull and scalp.
const SCALP_MM: f32 = 6.0;
/// Bone too thin to be dark is a valley: so much lower than brain and scalp beside it, and lower than that,
/// as shares of the brain's brightness. It isn't looked for deeper than the last value.
const VALLEY_DEPTH: f32 = 0.15;
const VALLEY_FLOOR: f32 = 0.85;
const VALLEY_FROM_MM: i32 = -2;
/// Neighbours whose median tells the local brightness, and the border.
const LEVEL_NEIGHBOURS: usize = 25;
const BORDER_NEIGHBOURS: usize = 13;
/// Bounds of the shift: the border is never taken to lie inside the average's ...
const SHIFT_MM: std::ops::RangeInclusive<f32> = 0.0..=7.0;
/// ... and above orbits and nose, where thin bone parts brain from bright fat and mucosa, not much outside.
/// (Measured in seven heads: at most 4 mm, within the margin on top of it.)
const SHIFT_ABOVE_ORBITS_MM: f32 = 3.0;
/// Where nothing was found, the border is taken to lie further out, mm.
const SHIFT_UNKNOWN_MM: f32 = 2.0;
/// Profiles that begin this near to the edge of the field of view don't count, mm.
const EDGE_MM: f32 = 2.0;

impl Borders {
    fn look(
        volume: &Volume,
        frame: &Frame,
        brightness: f32,
        skin: &Grid<f32>,
        depth_in_view: &Grid<f32>,
    ) -> Self {
        let points = &TEMPLATE.endocranium.points;
        let neighbours = &*NEIGHBOURS;
        let profiles: Vec<Vec<f32>> =
            points.par_iter().map(|p| profile(&volume.value, frame, p)).collect();
        let to_scalp: Vec<bool> = points
            .par_iter()
            .map(|p| profile(skin, frame, p).last().is_some_and(|&end| end > -SCALP_MM))
            .collect();
        let local: Vec<f32> = profiles
            .iter()
            .map(|profile| {
                let level = median(&mut profile[..LEVEL_SAMPLES].to_vec()).unwrap_or(brightness);
                level.clamp(LOCAL_RANGE[0] * brightness, LOCAL_RANGE[1] * brightness)
            })
            .collect();
        let levels: Vec<f32> = neighbours
            .iter()
            .map(|around| {
                let mut around: Vec<f32> = around.iter().map(|&m| local[m]).collect();
                median(&mut around).unwrap_or(brightness)
            })
            .collect();
        let in_view = |n: usize| {
            let at = frame.to_patient(points[n].at);
            depth_in_view.sample_inside(at).unwrap_or(0.0) >= EDGE_MM
        };
        let skull: Vec<Option<f32>> = (0..points.len())
            .map(|n| (to_scalp[n] && in_view(n)).then(|| skull(&profiles[n], levels[n]))?)
            .collect();
        let found: Vec<Option<f32>> = (0..points.len())
            .map(|n| {
                let mut steps = PROFILE_MM.zip(&profiles[n]);
                let level = BORDER_SHARE * levels[n];
                let fall = steps.find(|(t, value)| *t >= BORDER_FROM_MM && **value < level);
                let fall = fall.filter(|_| in_view(n)).map(|(t, _)| t as f32 - 0.5);
                fall.into_iter().chain(skull[n]).reduce(f32::min)
            })
            .collect();
        let smoothed: Vec<f32> = neighbours
            .iter()
            .zip(points)
            .map(|(around, point)| {
                let mut some: Vec<f32> =
                    around[..BORDER_NEIGHBOURS].iter().filter_map(|&m| found[m]).collect();
                let enough = some.len() > 2;
                let shift = median(&mut some).filter(|_| enough).unwrap_or(SHIFT_UNKNOWN_MM);
                shift.clamp(*SHIFT_MM.start(), shift_max(point.at))
            })
            .collect();
        let mean = |around: &Vec<usize>| {
            around[..BORDER_NEIGHBOURS].iter().map(|&m| smoothed[m]).sum::<f32>()
                / BORDER_NEIGHBOURS as f32
        };
        let shift: Vec<f32> = neighbours.iter().map(mean).collect();
        let reach = neighbours
            .iter()
            .zip(shift.iter().zip(points))
            .map(|(around, (shift, point))| {
                let seen = around[..BORDER_NEIGHBOURS].iter().filter(|&&m| skull[m].is_some());
                let sure = 2 * seen.count() > BORDER_NEIGHBOURS;
                let beyond = if sure { *shift } else { shift_max(point.at) };
                (beyond + GUARD_BEYOND_SKULL_MM).min(GUARD_REACH_MM)
            })
            .collect();
        Borders { shift, reach }
    }

    /// Values at the points as a field in the template.
    fn field(&self, values: &[f32]) -> Grid<f32> {
        const SOFTENING_MM: f32 = 2.0;
        let weight = |d: f32| 1.0 / (d + SOFTENING_MM);
        NEAR_NODES.map(|near| {
            let (sum, weights) = near.iter().fold((0.0, 0.0), |(sum, weights), &(n, d)| {
                (sum + weight(d) * values[n], weights + weight(d))
            });
            sum / weights
        })
    }

    fn median(&self) -> f32 {
        median(&mut self.shift.clone()).unwrap_or(0.0)
    }
}

/// The farthest that the border can lie outwards of the template's at a point, mm.
fn shift_max([_, y, z]: Point) -> f32 {
    let above_orbits = y > 25.0 && z < -8.0;
    if above_orbits { SHIFT_ABOVE_ORBITS_MM } else { *SHIFT_MM.end() }
}

/// Where a profile that runs from brain to scalp crosses the skull, mm: the outermost valley that is
/// darker than brain.
///
/// Bone between brain and fat may be thinner than a slice; then it is a valley that doesn't fall to half
/// of the brain's brightness.
fn skull(profile: &[f32], level: f32) -> Option<f32> {
    let (depth, floor) = (VALLEY_DEPTH * level, VALLEY_FLOOR * level);
    // From outside: the scalp's highest value so far, then the lowest since.
    let (mut crest, mut lowest) = (f32::NEG_INFINITY, (f32::INFINITY, 0));
    for (t, &value) in PROFILE_MM.zip(profile).collect::<Vec<_>>().into_iter().rev() {
        if value > crest && lowest.0 > crest - depth {
            (crest, lowest) = (value, (value, t));
        } else if value < lowest.0 {
            lowest = (value, t);
        } else if lowest.0 < crest - depth && value > lowest.0 + depth {
            if lowest.0 < floor {
                return Some(lowest.1.max(VALLEY_FROM_MM) as f32);
            }
            (crest, lowest) = (value, (value, t));
        }
    }
    None
}

/// Values along the normal of a point of the endocranium.
fn profile(values: &Grid<f32>, frame: &Frame, point: &SurfacePoint) -> Vec<f32> {
    let at = frame.to_patient(point.at);
    let outwards = normal(point.at);
    let ahead = frame.to_patient(std::array::from_fn(|k| point.at[k] + outwards[k]));
    let step = unit(std::array::from_fn(|k| ahead[k] - at[k]));
    PROFILE_MM
        .map(|t| {
            let place = std::array::from_fn(|k| at[k] + step[k] * t as f32);
            values.sample(place)
        })
        .collect()
}

/// Unit normal of the template's endocranium, outwards.
fn normal(at: Point) -> Point {
    let distance = &TEMPLATE.endocranium.distance;
    let gradient: Point = std::array::from_fn(|k| {
        let moved = |by: f32| std::array::from_fn(|j| at[j] + if j == k { by } else { 0.0 });
        distance.sample(moved(2.0)) - distance.sample(moved(-2.0))
    });
    unit(gradient)
}

/// The neighbours of each point of the endocranium, nearest first, itself included.
static NEIGHBOURS: LazyLock<Vec<Vec<usize>>> = LazyLock::new(|| {
    let points = &TEMPLATE.endocranium.points;
    points
        .par_iter()
        .map(|p| nearest(p.at, points, LEVEL_NEIGHBOURS).into_iter().map(|(n, _)| n).collect())
        .collect()
});

/// The points of the endocranium nearest to each node of a coarse grid in the template, with their distances, mm.
static NEAR_NODES: LazyLock<Grid<Vec<(usize, f32)>>> = LazyLock::new(|| {
    const SPACING_MM: f32 = 10.0;
    const AROUND_MM: f32 = 30.0;
    const NEAREST: usize = 6;
    let points = &TEMPLATE.endocranium.points;
    let corners = |p: &SurfacePoint| [p.at.map(|c| c - AROUND_MM), p.at.map(|c| c + AROUND_MM)];
    let lattice = Lattice::enclosing(points.iter().flat_map(corners), SPACING_MM);
    Grid::from_fn(lattice, |i| nearest(lattice.point(lattice.node(i)), points, NEAREST))
});

/// The `count` points nearest to a place, nearest first, with their distances in mm.
fn nearest(at: Point, points: &[SurfacePoint], count: usize) -> Vec<(usize, f32)> {
    let square = |p: &SurfacePoint| (0..3).map(|k| (p.at[k] - at[k]).powi(2)).sum::<f32>();
    // Few of many: sorted in as they come, later ones behind equals.
    let mut near: Vec<(usize, f32)> = Vec::with_capacity(count + 1);
    for (n, p) in points.iter().enumerate() {
        let square = square(p);
        if near.len() < count || near.last().is_some_and(|(_, farthest)| square < *farthest) {
            let place = near.partition_point(|(_, nearer)| *nearer <= square);
            near.insert(place, (n, square));
            near.truncate(count);
        }
    }
    near.into_iter().map(|(n, square)| (n, square.sqrt())).collect()
}

fn median(values: &mut [f32]) -> Option<f32> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    Some(*values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A profile of the usual length: the values from the inner end on, the last one repeated.
    fn profile_of(values: &[f32]) -> Vec<f32> {
        let last = values.last().copied().unwrap_or(0.0);
        (0..PROFILE_MM.count()).map(|n| values.get(n).copied().unwrap_or(last)).collect()
    }

    #[test]
    fn a_thin_skull_is_a_valley_between_brain_and_scalp() {
        // Brain to -2 mm, then bone that a thick slice brightens to 0.6, then fat.
        let thick = profile_of(&[
            1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.75, 0.65, 0.6, 0.7, 0.9, 1.2, 1.4, 1.5,
            1.2, 0.6,
        ]);
        assert_eq!(skull(&thick, 1.0), Some(1.0));
        assert_eq!(skull(&profile_of(&[1.0, 0.9, 0.5, 0.1]), 1.0), None, "no scalp, no valley");
        assert_eq!(skull(&profile_of(&[1.0, 1.0, 1.5, 1.6]), 1.0), None, "fat on brain, no bone");
    }

    #[test]
    fn of_two_valleys_the_outer_one_is_the_skull() {
        // A sulcus at -5 mm, a gyrus, then bone at 3 mm under fat.
        let mut values = vec![1.0, 1.0, 1.0, 0.9, 0.6, 0.5, 0.7, 0.9, 1.0, 1.0, 1.0, 0.8, 0.5, 0.3];
        values.extend([0.6, 1.0, 1.4, 1.5]);
        assert_eq!(skull(&profile_of(&values), 1.0), Some(3.0));
        // What is as deep as this is no skull: the border stays at the least depth.
        let deep = [1.0, 1.0, 0.9, 0.6, 0.4, 0.6, 0.9, 1.2, 1.4, 1.5];
        assert_eq!(skull(&profile_of(&deep), 1.0), Some(VALLEY_FROM_MM as f32));
    }

    #[test]
    fn the_border_is_never_inside_the_averages() {
        assert!(*SHIFT_MM.start() >= 0.0);
        assert!(shift_max([0.0, 60.0, -20.0]) < shift_max([0.0, 60.0, 20.0]));
    }
}
