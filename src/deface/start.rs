//! Where fits start: centre of the brain (RAS mm) and rotation vector (rad).
//!
//! In CT from the endocranium; in MR from the vertex, in whichever direction it is assumed to lie.

use super::grid::{Mask, Point, dot};
use super::pose::Turn;

/// Centre, then rotation.
pub type Start = [f32; 6];

/// Pitches from which fits start, rad: chin down, level, chin up.
const PITCH_FROM_CAVITY: [f32; 3] = [-0.35, 0.0, 0.35];
const PITCH_FROM_VERTEX: [f32; 3] = [-0.3, 0.0, 0.3];
/// Height of a whole endocranium, mm; if less is seen, fits also start higher and lower.
const CAVITY_HEIGHT_MM: f32 = 125.0;
const CAVITY_SHORT_MM: f32 = 20.0;
/// The brain's centre lies so far below the vertex, mm.
const VERTEX_ABOVE_CENTRE_MM: f32 = 86.0;
/// What is this near to the vertex is cranium, mm.
const CRANIUM_HEIGHT_MM: f32 = 90.0;
/// A section of less than this is a stray cell above the vertex, cm2.
const SECTION_MIN_CM2: f32 = 3.0;
/// A top section larger than this is a cut: the vertex lies outside the field of view, cm2.
const CUT_CM2: f32 = 30.0;
/// How far above a cut the vertex is looked for, mm.
const ABOVE_CUT_MM: [f32; 3] = [0.0, 25.0, 50.0];
/// Before and behind the cranium's middle, mm.
const FORTH_AND_BACK_MM: [f32; 2] = [-12.0, 12.0];

/// Starts in the middle of the endocranium, and above and below it if part of it is cut off.
pub fn from_cavity(cavity: &Mask, turn: Turn) -> Vec<Start> {
    let Some(centroid) = cavity.centroid() else { return Vec::new() };
    let up = turn.axis(2);
    let (low, high) = extent(cavity, up);
    let missing = (CAVITY_HEIGHT_MM - (high - low)).max(0.0);
    let shifts = if missing < CAVITY_SHORT_MM {
        vec![0.0]
    } else {
        vec![-missing / 2.0, 0.0, missing / 2.0]
    };
    let start = |shift: f32, pitch: f32| with_pitch(along(centroid, up, shift), pitch);
    shifts.iter().flat_map(|&s| PITCH_FROM_CAVITY.map(|pitch| start(s, pitch))).collect()
}

/// Starts below the vertex of a head.
pub fn from_vertex(head: &Mask, turn: Turn) -> Vec<Start> {
    let Some(Vertex { centre, cut }) = Vertex::of(head, turn.axis(2)) else { return Vec::new() };
    let rises = if cut { &ABOVE_CUT_MM[..] } else { &ABOVE_CUT_MM[..1] };
    let mut starts = Vec::new();
    for &rise in rises {
        for pitch in PITCH_FROM_VERTEX {
            for forth in FORTH_AND_BACK_MM {
                let at = along(along(centre, turn.axis(2), rise), turn.axis(1), forth);
                starts.push(with_pitch(at, pitch));
            }
        }
    }
    starts
}

/// The brain's centre below the highest point in a direction.
struct Vertex {
    centre: Point,
    cut: bool,
}

impl Vertex {
    fn of(head: &Mask, up: Point) -> Option<Self> {
        let lattice = head.lattice;
        let height = |i: usize| dot(lattice.point(lattice.node(i)), up);
        let (low, high) = extent(head, up);
        let levels = ((high - low) / lattice.spacing).round().max(0.0) as usize + 1;
        let level =
            |i: usize| (((height(i) - low) / lattice.spacing + 0.5) as usize).min(levels - 1);
        let mut area = vec![0.0; levels];
        let cells = || (0..head.data.len()).filter(|&i| head.data[i]);
        let cell_cm2 = lattice.spacing * lattice.spacing / 100.0;
        cells().for_each(|i| area[level(i)] += cell_cm2);
        let top = area.iter().rposition(|&a| a >= SECTION_MIN_CM2)?;
        let lowest = top.saturating_sub((CRANIUM_HEIGHT_MM / lattice.spacing) as usize);
        let (mut sum, mut count) = ([0.0f64; 3], 0.0f64);
        for i in cells().filter(|&i| (lowest..=top).contains(&level(i))) {
            let at = lattice.point(lattice.node(i));
            count += 1.0;
            (0..3).for_each(|k| sum[k] += f64::from(at[k]));
        }
        let middle: Point = sum.map(|s| (s / count) as f32);
        let below = low + top as f32 * lattice.spacing - VERTEX_ABOVE_CENTRE_MM;
        let centre = along(middle, up, below - dot(middle, up));
        Some(Vertex { centre, cut: area[top] > CUT_CM2 })
    }
}

fn with_pitch([x, y, z]: Point, pitch: f32) -> Start {
    [x, y, z, pitch, 0.0, 0.0]
}

/// Lowest and highest point of a set in a direction, mm.
fn extent(mask: &Mask, direction: Point) -> (f32, f32) {
    let lattice = mask.lattice;
    (0..mask.data.len()).filter(|&i| mask.data[i]).fold(
        (f32::INFINITY, f32::NEG_INFINITY),
        |(low, high), i| {
            let height = dot(lattice.point(lattice.node(i)), direction);
            (low.min(height), high.max(height))
        },
    )
}

fn along(from: Point, direction: Point, by: f32) -> Point {
    std::array::from_fn(|k| from[k] + direction[k] * by)
}
