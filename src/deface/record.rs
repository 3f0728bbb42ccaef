//! A head as bytes, so that series which come later get the same one.

use super::fit::Closeness;
use super::grid::{Grid, Lattice, Point};
use super::head::{Anatomy, Located};
use super::pose::Frame;

/// Names the layout; another one is another word.
const MAGIC: &[u8] = b"efface-head-1";
/// More nodes than a head needs are no head.
const NODES_MAX: usize = 1 << 24;
/// What is kept around a head, MNI mm: all that can be removed, and more than a margin beyond.
const LOW: Point = [-140.0, -170.0, -200.0];
const HIGH: Point = [140.0, 160.0, 130.0];

impl Anatomy {
    /// The head as bytes. They hold the skin as a surface: they belong where the patient's images are.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (centre, axes, scale) = self.frame.parts();
        let mut out = Bytes(MAGIC.to_vec());
        out.numbers(&centre);
        axes.iter().for_each(|row| out.numbers(row));
        out.numbers(&scale);
        out.numbers(&[if self.in_bone { 1.0 } else { 0.0 }]);
        out.numbers(&self.located.to_numbers());
        let part = part_around(&self.frame, &self.skin.lattice);
        out.grid(&self.brain, part);
        out.grid(&self.skin, part);
        out.0
    }

    /// Reads what [`Anatomy::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes.strip_prefix(MAGIC)?);
        let centre = rest.numbers()?;
        let axes = [rest.numbers()?, rest.numbers()?, rest.numbers()?];
        let frame = Frame::from_parts(centre, axes, rest.numbers()?);
        let [in_bone] = rest.numbers()?;
        let located = Located::from_numbers(rest.numbers()?);
        let (brain, skin) = (rest.grid()?, rest.grid()?);
        let in_bone = in_bone != 0.0;
        rest.0.is_empty().then_some(Anatomy { frame, brain, skin, in_bone, located })
    }
}

/// Figures of a fit, in the order of their fields; of an endocranium that isn't seen, NaN.
const FIGURES: usize = 17;

impl Located {
    fn to_numbers(self) -> [f32; FIGURES] {
        let unseen = Closeness { median: f32::NAN, p90: f32::NAN, visible: f32::NAN };
        let inner = self.endocranium.unwrap_or(unseen);
        [
            self.cost,
            self.turned_ratio,
            inner.median,
            inner.p90,
            inner.visible,
            self.skin.median,
            self.skin.p90,
            self.skin.visible,
            self.scale[0],
            self.scale[1],
            self.scale[2],
            self.rotation_deg,
            if self.turned { 1.0 } else { 0.0 },
            self.cavity_ml,
            self.union_gain_ml,
            self.leak_ml,
            self.border_shift_mm,
        ]
    }

    fn from_numbers(n: [f32; FIGURES]) -> Self {
        let closeness = |at: usize| Closeness { median: n[at], p90: n[at + 1], visible: n[at + 2] };
        Located {
            cost: n[0],
            turned_ratio: n[1],
            endocranium: n[2].is_finite().then(|| closeness(2)),
            skin: closeness(5),
            scale: [n[8], n[9], n[10]],
            rotation_deg: n[11],
            turned: n[12] != 0.0,
            cavity_ml: n[13],
            union_gain_ml: n[14],
            leak_ml: n[15],
            border_shift_mm: n[16],
        }
    }
}

/// The nodes of a lattice around a head, first and one past the last along each axis.
fn part_around(frame: &Frame, lattice: &Lattice) -> [[usize; 2]; 3] {
    let corner = |n: usize| std::array::from_fn(|k| if n >> k & 1 == 0 { LOW[k] } else { HIGH[k] });
    let corners: Vec<Point> =
        (0..8).map(|n| lattice.coordinates(frame.to_patient(corner(n)))).collect();
    std::array::from_fn(|k| {
        let low = corners.iter().map(|c| c[k]).fold(f32::INFINITY, f32::min);
        let high = corners.iter().map(|c| c[k]).fold(f32::NEG_INFINITY, f32::max);
        let size = lattice.size[k];
        // A lattice has two nodes at least; `as` saturates.
        let first = (low.floor() as usize).min(size - 2);
        [first, (high.ceil() as usize).saturating_add(1).clamp(first + 2, size)]
    })
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn numbers(&mut self, numbers: &[f32]) {
        numbers.iter().for_each(|n| self.0.extend_from_slice(&n.to_le_bytes()));
    }

    fn grid(&mut self, grid: &Grid<f32>, [x, y, z]: [[usize; 2]; 3]) {
        let lattice = &grid.lattice;
        for [first, end] in [x, y, z] {
            self.0.extend_from_slice(&((end - first) as u32).to_le_bytes());
        }
        self.numbers(&lattice.point([x[0], y[0], z[0]]));
        self.numbers(&[lattice.spacing]);
        for k in z[0]..z[1] {
            for j in y[0]..y[1] {
                self.numbers(&grid.data[lattice.index([x[0], j, k])..][..x[1] - x[0]]);
            }
        }
    }
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn word(&mut self) -> Option<[u8; 4]> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*word)
    }

    fn numbers<const N: usize>(&mut self) -> Option<[f32; N]> {
        let mut numbers = [0.0; N];
        for number in &mut numbers {
            *number = f32::from_le_bytes(self.word()?);
        }
        Some(numbers)
    }

    fn grid(&mut self) -> Option<Grid<f32>> {
        let mut size = [0; 3];
        for n in &mut size {
            *n = u32::from_le_bytes(self.word()?) as usize;
        }
        let origin = self.numbers()?;
        let [spacing] = self.numbers()?;
        let nodes = size.iter().try_fold(1_usize, |all, &n| all.checked_mul(n))?;
        let is_grid = size.iter().all(|&n| n >= 2) && nodes <= NODES_MAX && spacing > 0.0;
        if !is_grid {
            return None;
        }
        let (values, rest) = self.0.split_at_checked(4 * nodes)?;
        self.0 = rest;
        let value = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let data = values.chunks_exact(4).map(value).collect();
        Some(Grid { lattice: Lattice { size, origin, spacing }, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deface::{BodyPartHint, Contrast, Finding, Slice, Survey};
    use crate::phantom::Phantom;

    #[test]
    fn a_head_comes_back_as_it_was_and_nothing_else_does() {
        let phantom = Phantom::axial(4.0);
        let survey = Survey::new(&phantom.planes, Contrast::Hounsfield).unwrap();
        for (index, samples) in phantom.slices.iter().enumerate() {
            let rescale = phantom.rescale;
            let slice = Slice { samples, rescale, padding: None, inverted: false };
            survey.add(index, &slice).unwrap();
        }
        let Ok(Finding::Head(head)) = survey.locate(BodyPartHint::Head) else { panic!("a head") };
        let bytes = head.anatomy().to_bytes();
        let again = Anatomy::from_bytes(&bytes).unwrap();
        assert_eq!(again.located, head.anatomy().located);
        assert_eq!(again.to_bytes(), bytes);
        for point in [[0.0, 90.0, -30.0], [40.0, 20.0, 30.0], [0.0, -20.0, 0.0]] {
            let at = head.anatomy().frame.to_patient(point);
            assert!((again.to_brain(at) - head.anatomy().to_brain(at)).abs() < 1e-3);
            assert!((again.skin.sample(at) - head.anatomy().skin.sample(at)).abs() < 1e-3);
        }
        assert!(Anatomy::from_bytes(&bytes[..bytes.len() - 1]).is_none());
        assert!(Anatomy::from_bytes(&[&bytes[..], &[0]].concat()).is_none());
        assert!(Anatomy::from_bytes(&bytes[1..]).is_none());
    }
}
