//! What of a face can be seen in a defaced volume, measured against the original and the average.
//!
//! These measures don't know the removal region: they compare surfaces, as an onlooker would.

use super::grid::{Grid, Mask, Point};
use super::head::{Anatomy, Original};
use super::linear;
use super::morphology::{both, distance_to};
use super::pose::Frame;
use super::refusal::Refusal;
use super::region::Level;
use super::survey::Volume;
use super::template::TEMPLATE;
use rayon::prelude::*;

/// Bone, in HU.
const BONE_HU: f32 = 250.0;
/// Skin within this distance of a remaining surface survives, mm.
const SURVIVES_MM: f32 = 3.5;
/// More of the facial skin than this mustn't survive.
const SURVIVING_MAX: f32 = 0.03;
/// Frontal pixels moved by less than this are where they were, mm.
const UNMOVED_MM: f32 = 4.0;
const UNMOVED_MAX: f32 = 0.02;
/// Nearly all of the front moves by at least this, mm.
const MOVED_P5_MIN_MM: f32 = 5.0;
/// Correlations of reliefs above these are a likeness.
const LIKE_ORIGINAL_MAX: f32 = 0.45;
const LIKE_TEMPLATE_MAX: f32 = 0.40;
const LIKE_BONE_MAX: f32 = 0.30;
/// Share of the head that is removed.
const REMOVED: std::ops::RangeInclusive<f32> = 0.08..=0.45;
/// The same where bone stays.
const REMOVED_SOFT: std::ops::RangeInclusive<f32> = 0.05..=0.40;
/// A cell with one voxel in sixty as dense as bone, the rest air, is above air by this, HU.
const EMPTY_HU: f32 = 20.0;
/// Bone lies right under the skin only here and there. (Measured: 5 to 16 % on four heads; 44 % with every eighth
/// voxel of soft tissue as dense as bone.)
const SPECKLED_MAX: f32 = 0.3;
/// Fewer frontal pixels than this have no relief to speak of.
const PIXELS_MIN: usize = 60;
/// Fewer cells of facial skin than this are no face in view.
const SKIN_CELLS_MIN: usize = 30;

/// The head and the series in which it was found, before.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub anatomy: &'a Anatomy,
    pub original: &'a Original,
}

/// The output as an onlooker sees it.
#[derive(Debug)]
pub(super) struct After {
    pub volume: Volume,
    /// The output with air in place of every voxel that is as dense as bone; `None` where no bone is to stay.
    pub boneless: Option<Volume>,
}

impl After {
    /// What a surface is looked for in: bone that is to stay hides nothing and counts for nothing.
    fn skin(&self) -> &Volume {
        self.boneless.as_ref().unwrap_or(&self.volume)
    }
}

/// What is left of the face: figures for the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Appearance {
    /// Cells of facial skin in the original.
    pub skin_cells: usize,
    /// Share of them within 3.5 mm of a remaining surface; of one that isn't bone, where bone is to stay.
    pub skin_surviving: f32,
    /// Share of them that aren't empty, where bone is to stay: noise that is as dense as bone stays where the
    /// skin was, and shows it.
    pub skin_speckled: Option<f32>,
    /// The head from the front; `None` if the face isn't in the field of view.
    pub front: Option<Front>,
    /// Share of the head that was removed.
    pub removed_fraction: f32,
    /// Cells of the brain whose mean HU changed.
    pub brain_cells_changed: usize,
}

/// The head seen from the front, brow to chin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Front {
    /// Pixels (2 mm) which show the face in the original.
    pub pixels: usize,
    /// Share of them moved by less than 4 mm.
    pub unmoved: f32,
    /// 5th percentile of the displacement, mm.
    pub moved_p5_mm: f32,
    /// Relief of the skin after, correlated with before.
    pub relief_to_original: f32,
    /// Relief of the skin after, correlated with the average head's.
    pub relief_to_template: f32,
    /// Relief of the bone after, correlated with before; 0 if too little bone faces the front.
    pub bone_relief: f32,
}

impl Appearance {
    /// Compares the volume after defacing with the original.
    pub(super) fn measure(before: &Before<'_>, after: &After) -> Result<Self, Refusal> {
        let outline = &before.original.outline;
        let facial_skin = facial_skin(before);
        let (skin_surviving, skin_speckled, removed_fraction) = match &after.boneless {
            None => {
                let left = outline.solid(&after.volume);
                let removed = removed_fraction(before, &before.original.solid, &left);
                (surviving(&facial_skin, &left), None, removed)
            }
            // Skin over bone that stays is a thin sheet: nothing is opened, closed or filled here.
            Some(boneless) => {
                let left = outline.tissue(boneless);
                let tissue = both(&before.original.solid, &outline.tissue(&before.original.volume));
                let removed = removed_fraction(before, &tissue, &outline.tissue(&after.volume));
                let speckled = speckled(before, &facial_skin, &after.volume);
                (surviving(&facial_skin, &left), Some(speckled), removed)
            }
        };
        Ok(Appearance {
            skin_cells: facial_skin.len(),
            skin_surviving,
            skin_speckled,
            front: Front::measure(before, after)?,
            removed_fraction,
            brain_cells_changed: brain_cells_changed(before, &after.volume),
        })
    }

    /// Refuses whatever shows a face, has lost brain, or lost too much or too little. Bone counts as face unless
    /// it is to stay.
    ///
    /// Conditions are stated as what must hold, so that a NaN is refused.
    pub(super) fn require_faceless(&self, level: Level) -> Result<(), Refusal> {
        if self.brain_cells_changed > 0 {
            return Err(Refusal::BrainTouched { cells: self.brain_cells_changed });
        }
        let skinless = self.skin_surviving <= SURVIVING_MAX;
        if !skinless {
            return Err(Refusal::SkinSurvives { fraction: self.skin_surviving });
        }
        if let Some(fraction) = self.skin_speckled {
            let empty = fraction <= SPECKLED_MAX;
            if !empty {
                return Err(Refusal::SkinSpeckled { fraction });
            }
        }
        if let Some(front) = &self.front {
            front.require_faceless(level)?;
        }
        let face_in_view = self.front.is_some() || self.skin_cells >= SKIN_CELLS_MIN;
        let plausible = match level {
            Level::Strict => REMOVED,
            Level::KeepFacialBones => REMOVED_SOFT,
        };
        if face_in_view && !plausible.contains(&self.removed_fraction) {
            return Err(Refusal::RemovedFraction { fraction: self.removed_fraction });
        }
        Ok(())
    }
}

impl Front {
    fn measure(head: &Before<'_>, after: &After) -> Result<Option<Self>, Refusal> {
        let Before { anatomy, original } = head;
        let view = |volume: &Volume, level| DepthMap::of(volume, &anatomy.frame, level);
        let skin = original.outline.level;
        let (before, after_skin) = (view(&original.volume, skin), view(after.skin(), skin));
        let seen = before.0.iter().filter(|ray| ray.in_view).count();
        let face: Vec<usize> = (0..PIXELS)
            .filter(|&i| before.shows_face(i) && !before.shows_section(i, anatomy))
            .collect();
        if face.len() < PIXELS_MIN {
            // No face in view is fine; a view that should show one and doesn't is not.
            let face_expected = seen > 4 * PIXELS_MIN;
            return if face_expected {
                Err(Refusal::NoFront { pixels: face.len() })
            } else {
                Ok(None)
            };
        }
        let mut moved: Vec<f32> =
            face.iter().map(|&i| after_skin.depth(i) - before.depth(i)).collect();
        let unmoved =
            moved.iter().filter(|m| m.abs() < UNMOVED_MM).count() as f32 / moved.len() as f32;
        moved.sort_by(f32::total_cmp);

        let template = DepthMap::of_template();
        let on_template: Vec<usize> =
            face.iter().copied().filter(|&i| template.0[i].hit.is_some()).collect();
        let bone_relief = if anatomy.in_bone {
            let bone = |volume| view(volume, BONE_HU);
            let (bone_before, bone_after) = (bone(&original.volume), bone(&after.volume));
            let on_bone: Vec<usize> = (0..PIXELS).filter(|&i| bone_before.shows_face(i)).collect();
            likeness(&bone_before, &bone_after, &on_bone)
        } else {
            0.0
        };
        Ok(Some(Front {
            pixels: face.len(),
            unmoved,
            moved_p5_mm: moved[moved.len() / 20],
            relief_to_original: likeness(&before, &after_skin, &face),
            relief_to_template: likeness(&template, &after_skin, &on_template),
            bone_relief,
        }))
    }

    fn require_faceless(&self, level: Level) -> Result<(), Refusal> {
        let moved = self.unmoved <= UNMOVED_MAX && self.moved_p5_mm >= MOVED_P5_MIN_MM;
        if !moved {
            return Err(Refusal::FrontSurvives {
                unmoved: self.unmoved,
                moved_p5_mm: self.moved_p5_mm,
            });
        }
        let faceless = self.relief_to_original <= LIKE_ORIGINAL_MAX
            && self.relief_to_template <= LIKE_TEMPLATE_MAX
            && (level == Level::KeepFacialBones || self.bone_relief <= LIKE_BONE_MAX);
        if !faceless {
            return Err(Refusal::ReliefSurvives {
                to_original: self.relief_to_original,
                to_template: self.relief_to_template,
                bone: self.bone_relief,
            });
        }
        Ok(())
    }
}

/// Cells of the original's skin from brow to chin and ear to ear.
fn facial_skin(before: &Before<'_>) -> Vec<usize> {
    let Before { anatomy, original } = before;
    let lattice = original.solid.lattice;
    let is_face = |[x, y, z]: Point| {
        let submental = -185.0 + 0.55 * (88.0 - y).max(0.0);
        let front = if x.abs() < 40.0 { 36.0 } else { 24.0 };
        y > front && z < 6.0 && z > -130.0 && z > submental
    };
    original
        .solid
        .surface()
        .into_iter()
        .filter(|&i| original.depth_in_view.data[i] > lattice.spacing)
        .filter(|&i| is_face(anatomy.frame.to_template(lattice.point(lattice.node(i)))))
        .collect()
}

fn surviving(cells: &[usize], solid: &Mask) -> f32 {
    let mut surface = Grid { lattice: solid.lattice, data: vec![false; solid.data.len()] };
    for cell in solid.surface() {
        surface.data[cell] = true;
    }
    let distance = distance_to(&surface);
    let left = cells.iter().filter(|&&i| distance.data[i] <= SURVIVES_MM).count();
    left as f32 / cells.len().max(1) as f32
}

/// Share of cells that hold something else than air.
fn speckled(before: &Before<'_>, cells: &[usize], after: &Volume) -> f32 {
    let empty = before.original.volume.air(&before.original.outline) + EMPTY_HU;
    let holding = cells.iter().filter(|&&i| after.value.data[i] > empty).count();
    holding as f32 / cells.len().max(1) as f32
}

/// Share of the head, chin and above, that is gone.
fn removed_fraction(before: &Before<'_>, head: &Mask, after: &Mask) -> f32 {
    const LOWEST_MM: f32 = -130.0;
    let lattice = after.lattice;
    let head_cells: Vec<usize> = (0..lattice.nodes())
        .into_par_iter()
        .filter(|&i| head.data[i])
        .filter(|&i| {
            before.anatomy.frame.to_template(lattice.point(lattice.node(i)))[2] > LOWEST_MM
        })
        .collect();
    let gone = head_cells.iter().filter(|&&i| !after.data[i]).count();
    gone as f32 / head_cells.len().max(1) as f32
}

/// Between the nodes of the grid distances are interpolated, which errs by this much where the brain is most curved,
/// mm. (Seen: 0.2, in slices of 0.16 mm.)
const INTERPOLATION_MM: f32 = 0.5;

/// Cells of the brain whose mean changed, as deep inside as no removed voxel counts any more.
///
/// A voxel counts in the cell around it, and in thick slices linearly up to the neighbouring slice.
fn brain_cells_changed(before: &Before<'_>, after: &Volume) -> usize {
    let Before { anatomy, original } = before;
    let cell_diagonal = after.value.lattice.spacing * 3f32.sqrt() / 2.0;
    let reach = cell_diagonal + INTERPOLATION_MM + original.stack.widest_gap_mm() as f32;
    let deepest = (anatomy.margins().least - reach).min(0.0);
    let changed = |i: usize| original.volume.value.data[i] != after.value.data[i];
    (0..after.value.data.len()).filter(|&i| anatomy.brain.data[i] <= deepest && changed(i)).count()
}

/// The window in the head's frame, MNI mm: 2 mm pixels from 12 mm above the origin to the chin.
const COLUMNS: usize = 63;
const ROWS: usize = 66;
const PIXELS: usize = COLUMNS * ROWS;
const PIXEL_MM: f32 = 2.0;
const LEFT: f32 = -62.0;
const TOP: f32 = 12.0;
/// Rays start this far in front and go this deep, mm.
const RAY_FRONT: f32 = 125.0;
const RAY_STEP: f32 = 1.5;
const RAY_STEPS: usize = 100;
const RAY_LENGTH: f32 = RAY_STEP * RAY_STEPS as f32;
/// A surface nearer than this belongs to the face; deeper ones lie behind it.
const FACE_DEPTH: f32 = 120.0;
/// A surface so much deeper than the average head's skin, and than the head's outline or met at the edge of the field
/// of view, isn't skin: it is a section, where the field of view ends in the head, mm.
const SECTION_MM: f32 = 4.0;
/// So many steps of a ray the edge of the field of view is blurred: one cell.
const EDGE_STEPS: usize = 3;
/// A pixel is in view if at least this share of its ray is.
const IN_VIEW_SHARE: f32 = 0.25;

/// What parallel rays from the front meet first, pixel by pixel.
struct DepthMap(Vec<Ray>);

struct Ray {
    /// Depth of the first surface, mm.
    hit: Option<f32>,
    /// That is where the ray comes into view.
    cut: bool,
    in_view: bool,
}

impl DepthMap {
    fn of(volume: &Volume, frame: &Frame, level: f32) -> Self {
        let inside = |at: Point| {
            let c = volume.inside.lattice.coordinates(at).map(f32::round);
            let size = volume.inside.lattice.size;
            (0..3).all(|k| c[k] >= 0.0 && c[k] < size[k] as f32)
                && volume.inside.data[volume.inside.lattice.index(c.map(|c| c as usize))]
        };
        DepthMap::cast(|at| {
            let at = frame.to_patient(at);
            inside(at).then(|| volume.value.sample(at) > level)
        })
    }

    fn of_template() -> Self {
        DepthMap::cast(|at| Some(TEMPLATE.skin.distance.sample(at) < 0.0))
    }

    /// `solid` says of a point in MNI mm whether it is behind a surface, `None` out of view.
    fn cast(solid: impl Fn(Point) -> Option<bool> + Sync) -> Self {
        let ray = |pixel: usize| {
            let (x, z) = (column(pixel), row(pixel));
            let along: Vec<Option<bool>> = (0..RAY_STEPS)
                .map(|step| solid([x, RAY_FRONT - RAY_STEP * step as f32, z]))
                .collect();
            let hit = along.iter().position(|s| *s == Some(true));
            let cut = hit.is_some_and(|step| {
                step < EDGE_STEPS || along[step - EDGE_STEPS..step].contains(&None)
            });
            let seen = along.iter().flatten().count() as f32;
            let in_view = seen > IN_VIEW_SHARE * RAY_STEPS as f32;
            Ray { hit: hit.map(|step| RAY_STEP * step as f32), cut, in_view }
        };
        DepthMap((0..PIXELS).into_par_iter().map(ray).collect())
    }

    fn shows_face(&self, pixel: usize) -> bool {
        let ray = &self.0[pixel];
        ray.in_view && ray.hit.is_some_and(|depth| depth < FACE_DEPTH)
    }

    /// Whether what a pixel shows is too deep for skin.
    fn shows_section(&self, pixel: usize, anatomy: &Anatomy) -> bool {
        self.0[pixel].hit.is_some_and(|depth| {
            let at = [column(pixel), RAY_FRONT - depth, row(pixel)];
            let below_outline = anatomy.skin.sample(anatomy.frame.to_patient(at)) < -SECTION_MM;
            TEMPLATE.skin.distance.sample(at) < -SECTION_MM && (self.0[pixel].cut || below_outline)
        })
    }

    /// Depth of a pixel; open air is as far as rays go.
    fn depth(&self, pixel: usize) -> f32 {
        self.0[pixel].hit.unwrap_or(RAY_LENGTH)
    }
}

/// Where a pixel lies in the head's frame, MNI mm: x of its column, z of its row.
fn column(pixel: usize) -> f32 {
    LEFT + PIXEL_MM * (pixel % COLUMNS) as f32
}

fn row(pixel: usize) -> f32 {
    TOP - PIXEL_MM * (pixel / COLUMNS) as f32
}

/// Correlation of two depth maps over some pixels, each less its best quadric.
fn likeness(a: &DepthMap, b: &DepthMap, pixels: &[usize]) -> f32 {
    if pixels.len() < PIXELS_MIN {
        return 0.0;
    }
    let (a, b) = (relief(a, pixels), relief(b, pixels));
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let norm = (product(&a, &a) * product(&b, &b)).sqrt();
    if norm > 0.0 { (product(&a, &b) / norm) as f32 } else { 0.0 }
}

/// Depths less the quadric that fits them best: what is left has mean 0.
fn relief(map: &DepthMap, pixels: &[usize]) -> Vec<f64> {
    let terms = |pixel: usize| {
        let x = (pixel % COLUMNS) as f64 / COLUMNS as f64;
        let z = (pixel / COLUMNS) as f64 / ROWS as f64;
        [1.0, x, z, x * x, z * z, x * z]
    };
    let mut matrix = [[0.0; 6]; 6];
    let mut right = [0.0; 6];
    for &pixel in pixels {
        let (t, depth) = (terms(pixel), f64::from(map.depth(pixel)));
        for i in 0..6 {
            right[i] += t[i] * depth;
            for j in 0..6 {
                matrix[i][j] += t[i] * t[j];
            }
        }
    }
    // Pixels all in one row or column have no quadric: then the depths count as they are.
    let quadric = linear::solve(&matrix, &right, 6).unwrap_or_default();
    pixels
        .iter()
        .map(|&pixel| {
            let smooth: f64 = terms(pixel).iter().zip(&quadric).map(|(t, q)| t * q).sum();
            f64::from(map.depth(pixel)) - smooth
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ray_that_comes_into_view_below_a_surface_is_cut() {
        // A ball, and above it the edge of the field of view, which falls to the front.
        let map = DepthMap::cast(|[x, y, z]| {
            let in_view = z < 0.5 * (20.0 - y);
            in_view.then_some(x * x + y * y + (z + 60.0).powi(2) < 70.0 * 70.0)
        });
        let looked_at = |z: f32| (0..PIXELS).find(|&i| column(i) == 0.0 && row(i) == z);
        let ray = |z: f32| looked_at(z).map(|i| (map.0[i].hit.is_some(), map.0[i].cut));
        assert_eq!(ray(-60.0), Some((true, false)), "the front of the ball");
        assert_eq!(ray(0.0), Some((true, true)), "in the ball when it comes into view");
        assert_eq!(ray(12.0), Some((false, false)), "above the ball");
    }
}
