//! What a series shows: its frames, and the volumes that they sample.

use super::Error;
use crate::deface::{Contrast, Rescale, Slice};
use crate::dicom::dataset::Dataset;
use crate::dicom::facts::{FactsError, FrameFacts};
use crate::dicom::frame::{Frame, FrameFormat};
use crate::dicom::plane::ImagePlane;
use crate::dicom::volumes::volumes;
use crate::standard::Sight;

/// The frames of an instance.
#[derive(Clone, Debug)]
pub struct Frames {
    /// Their form.
    pub format: FrameFormat,
    /// What each says of itself; of a mosaic, each tile.
    pub facts: Vec<FrameFacts>,
}

impl Frames {
    /// Reads what an image says of its frames.
    ///
    /// # Errors
    /// [`FactsError`].
    pub fn of(source: &Dataset) -> Result<Self, FactsError> {
        Ok(Frames { format: FrameFormat::of(source)?, facts: FrameFacts::of(source)? })
    }
}

/// The frames of a series and the volumes that they sample.
#[derive(Debug)]
pub struct Series {
    /// One class has one sight.
    pub sight: Sight,
    formats: Vec<FrameFormat>,
    slices: Vec<Shot>,
    volumes: Vec<Vec<usize>>,
    /// Of each slice: its volume, and its place therein.
    places: Vec<(usize, usize)>,
}

/// A slice of a volume: a frame of an instance, or a tile of one.
#[derive(Debug)]
pub(super) struct Shot {
    pub instance: usize,
    pub facts: FrameFacts,
}

impl Shot {
    /// The slice with its samples.
    pub fn slice<'a>(&self, samples: &'a [i32]) -> Result<Slice<'a>, Error> {
        let FrameFacts { padding, inverted, .. } = &self.facts;
        let (rescale, padding) = (self.rescale()?, padding.clone());
        Ok(Slice { samples, rescale, padding, inverted: *inverted })
    }

    /// Its samples: the frame's, or a tile's.
    pub fn samples(&self, frame: &Frame) -> Result<Vec<i32>, Error> {
        Ok(self.facts.tile.map_or_else(|| Ok(frame.samples()), |tile| frame.tile(&tile))?)
    }

    pub fn rescale(&self) -> Result<Rescale, Error> {
        Ok(Rescale::new(self.facts.slope, self.facts.intercept)?)
    }
}

impl Series {
    /// Splits the frames of the instances of a series into volumes.
    pub fn new(sight: Sight, instances: Vec<Frames>) -> Self {
        let formats = instances.iter().map(|frames| frames.format).collect();
        let slices: Vec<Shot> = instances
            .into_iter()
            .enumerate()
            .flat_map(|(instance, frames)| {
                frames.facts.into_iter().map(move |facts| Shot { instance, facts })
            })
            .collect();
        let facts: Vec<&FrameFacts> = slices.iter().map(|shot| &shot.facts).collect();
        let volumes = volumes(&facts);
        let mut places = vec![(0, 0); slices.len()];
        for (volume, members) in volumes.iter().enumerate() {
            for (place, &slice) in members.iter().enumerate() {
                places[slice] = (volume, place);
            }
        }
        Series { sight, formats, slices, volumes, places }
    }

    /// How well a head could be made out: the larger, the better. Thin and large volumes first.
    pub fn promise(&self) -> (bool, i64, usize) {
        let largest = (0..self.volumes.len()).max_by_key(|&v| self.volumes[v].len());
        let Some(largest) = largest else { return (false, i64::MIN, 0) };
        let planes = self.planes(largest);
        let spacing = planes[0].spacing();
        let apart = planes.windows(2).map(|pair| {
            let (a, b) = (pair[0].origin(), pair[1].origin());
            (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt()
        });
        let widest = apart.fold(spacing.between_rows.max(spacing.between_columns), f64::max);
        // In tenths of a mm: finer differences don't matter.
        (self.sight == Sight::Anatomy, -(widest * 10.0) as i64, planes.len())
    }

    pub(super) fn volumes(&self) -> usize {
        self.volumes.len()
    }

    /// The slices of a volume, in order.
    pub(super) fn members(&self, volume: usize) -> &[usize] {
        &self.volumes[volume]
    }

    pub(super) fn slices(&self) -> &[Shot] {
        &self.slices
    }

    /// Volume of a slice, and its place therein.
    pub(super) fn place(&self, slice: usize) -> (usize, usize) {
        self.places[slice]
    }

    pub(super) fn format(&self, instance: usize) -> FrameFormat {
        self.formats[instance]
    }

    /// The slices that frame `frame` of an instance holds.
    pub(super) fn of_frame(&self, instance: usize, frame: usize) -> impl Iterator<Item = usize> {
        let slices = self.slices.iter().enumerate();
        let start = self.slices.partition_point(|shot| shot.instance < instance);
        slices
            .skip(start)
            .take_while(move |(_, shot)| shot.instance == instance)
            .filter(move |(_, shot)| shot.facts.frame == frame)
            .map(|(slice, _)| slice)
    }

    pub(super) fn planes(&self, volume: usize) -> Vec<ImagePlane> {
        self.volumes[volume].iter().map(|&slice| self.slices[slice].facts.plane).collect()
    }

    /// Whether two volumes have the same planes: phases of one.
    pub(super) fn are_phases(&self, a: usize, b: usize) -> bool {
        /// Phases are measured at the same places, mm.
        const SAME_MM: f64 = 0.1;
        let (a, b) = (self.planes(a), self.planes(b));
        let same = |a: &ImagePlane, b: &ImagePlane| {
            let ends = |plane: &ImagePlane| {
                [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)].map(|(u, v)| {
                    plane.patient(u * plane.columns() as f64, v * plane.rows() as f64)
                })
            };
            let pairs = ends(a).into_iter().zip(ends(b));
            a.len() == b.len()
                && pairs
                    .map(|(p, q)| (0..3).map(|k| (p[k] - q[k]).abs()).fold(0.0, f64::max))
                    .all(|d| d <= SAME_MM)
        };
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| same(a, b))
    }

    /// What the values of a volume are.
    pub(super) fn contrast(&self, volume: usize) -> Contrast {
        let shots = || self.volumes[volume].iter().map(|&slice| &self.slices[slice]);
        if shots().all(|shot| shot.facts.hounsfield) {
            return Contrast::Hounsfield;
        }
        let ranges = shots().map(|shot| shot.facts.real_range(&self.format(shot.instance)));
        let (low, high) = ranges.fold((f64::INFINITY, f64::NEG_INFINITY), |all, one| {
            (all.0.min(one.0), all.1.max(one.1))
        });
        Contrast::Arbitrary { low: low as f32, high: high as f32 }
    }
}
