//! The value of air in images that are no volume, or none in which a head was looked for: what is filled in there.

use super::histogram::Histogram;
use super::intensity::{Contrast, Scale, Slice};
use super::refusal::Refusal;
use std::sync::atomic::{AtomicU64, Ordering};

/// The fill of an image in arbitrary units is so much brighter than the darkest air, as a share of the way to tissue.
const CLEAR_OF_DARKEST: f32 = 0.1;

/// Counts the samples of slices, in any order, from any thread.
#[derive(Debug)]
pub struct Air {
    contrast: Contrast,
    scale: Scale,
    counts: Vec<AtomicU64>,
}

impl Air {
    /// Has seen no slice yet.
    ///
    /// # Errors
    /// [`Refusal::Rescale`] if the range of values isn't one.
    pub fn new(contrast: Contrast) -> Result<Self, Refusal> {
        let counts = (0..=usize::from(u16::MAX)).map(|_| AtomicU64::new(0)).collect();
        Ok(Air { contrast, scale: contrast.scale()?, counts })
    }

    /// Adds the samples of a slice.
    pub fn add(&self, slice: &Slice<'_>) {
        let levelling = self.scale.levelling(slice);
        let outside = |sample: &i32| slice.padding.as_ref().is_some_and(|p| p.contains(sample));
        for sample in slice.samples.iter().filter(|sample| !outside(sample)) {
            if let Some(count) = self.counts.get(levelling.level(*sample) as usize) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The real-world value to fill with.
    pub fn value(&self) -> f32 {
        self.contrast.air().unwrap_or_else(|| {
            let parted = Histogram::counted(self.values()).otsu();
            let dark = Histogram::counted(self.values().filter(|(value, _)| *value <= parted));
            let bright = Histogram::counted(self.values().filter(|(value, _)| *value > parted));
            // Half-way: where clean air has one value, any level above it parts as well.
            background(&dark, 0.5 * (dark.quantile(0.5) + bright.quantile(0.5)))
        })
    }

    /// Real-world values and how often they occur.
    fn values(&self) -> impl Iterator<Item = (f32, u64)> + Clone {
        let counts = self.counts.iter().enumerate();
        let counts = counts.map(|(level, count)| (level, count.load(Ordering::Relaxed)));
        let seen = counts.filter(|(_, count)| *count > 0);
        seen.map(|(level, count)| (self.scale.real(level as f32), count))
    }
}

/// The median of what is darker than tissue, or what is a little brighter than the darkest.
///
/// Not the darkest itself: where air is exactly 0, or mostly, voxels that the fill leaves as they were would part air
/// from face for somebody who has both versions.
pub fn background(dark: &Histogram, tissue: f32) -> f32 {
    let lowest = dark.lowest();
    dark.quantile(0.5).max(lowest + CLEAR_OF_DARKEST * (tissue - lowest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deface::Rescale;

    #[test]
    fn the_fill_is_dark_and_not_the_value_of_clean_air() {
        let samples: Vec<i32> =
            (0..1000).map(|i| if i % 4 == 0 { 400 + i % 9 } else { 0 }).collect();
        let air = Air::new(Contrast::Arbitrary { low: -32768.0, high: 32767.0 }).unwrap();
        let padding = Some(-2000..=-2000);
        let slice = Slice { samples: &samples, rescale: Rescale::NONE, padding, inverted: false };
        air.add(&slice);
        air.add(&Slice { samples: &[-2000; 500], ..slice });
        assert!((1.0..200.0).contains(&air.value()), "{}", air.value());
        assert_eq!(Air::new(Contrast::Hounsfield).unwrap().value(), -990.0);
    }
}
