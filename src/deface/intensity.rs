//! What samples mean: stored values, real-world values, and the whole numbers that are summed.

use super::refusal::Refusal;
use std::ops::RangeInclusive;

/// Values are clamped to this range before averaging: metal must not outshine its cell.
const HU: RangeInclusive<f32> = -1024.0..=3071.0;
/// Air in HU, as near to its -1000 as scanners measure it.
///
/// Not -1000 itself: many series are clipped there. Voxels of clean air that the fill leaves as they were would
/// part air from face for somebody who has both versions.
const AIR_HU: f32 = -990.0;
/// Levels into which a range of arbitrary values is cut: as many as 16 bits hold.
const LEVELS: f32 = 65535.0;

/// Stored values to real-world values (PS3.3 C.11.1); may differ between slices of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rescale {
    slope: f32,
    intercept: f32,
}

impl Rescale {
    /// The usual form of unsigned CT: HU + 1024.
    pub const HU_PLUS_1024: Rescale = Rescale { slope: 1.0, intercept: -1024.0 };

    /// Stored values are the real-world values.
    pub const NONE: Rescale = Rescale { slope: 1.0, intercept: 0.0 };

    /// From Rescale Slope (0028,1053) and Rescale Intercept (0028,1052).
    ///
    /// # Errors
    /// [`Refusal::Rescale`] unless both are finite and the slope is positive.
    pub fn new(slope: f64, intercept: f64) -> Result<Self, Refusal> {
        if slope.is_finite() && slope > 0.0 && intercept.is_finite() && intercept.abs() < 1e9 {
            Ok(Rescale { slope: slope as f32, intercept: intercept as f32 })
        } else {
            Err(Refusal::Rescale)
        }
    }

    /// The real-world value of a stored one.
    pub fn real(&self, stored: i32) -> f32 {
        stored as f32 * self.slope + self.intercept
    }

    /// The stored value nearest to a real-world one that `storable` (Bits Stored, signed or not) allows.
    pub fn stored(&self, real: f32, storable: RangeInclusive<i32>) -> i32 {
        let exact = ((real - self.intercept) / self.slope).round() as i32;
        exact.clamp(*storable.start(), *storable.end())
    }
}

/// One slice as it is stored.
#[derive(Debug, Clone)]
pub struct Slice<'a> {
    /// Row by row, sign-extended and masked to Bits Stored.
    pub samples: &'a [i32],
    /// To real-world values.
    pub rescale: Rescale,
    /// Pixel Padding Value (0028,0120) to Pixel Padding Range Limit (0028,0121): stored values
    /// outside the field of view (PS3.3 C.7.5.1.1.2).
    pub padding: Option<RangeInclusive<i32>>,
    /// Photometric Interpretation (0028,0004) is MONOCHROME1: low values are shown bright. HU stay HU.
    pub inverted: bool,
}

/// What the values of a volume are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Contrast {
    /// Hounsfield units: CT.
    Hounsfield,
    /// Anything in which tissue differs from air: MR, PET.
    Arbitrary {
        /// The lowest real-world value that a sample of the volume can have.
        low: f32,
        /// The highest.
        high: f32,
    },
}

impl Contrast {
    /// Whether values are HU.
    pub fn is_hounsfield(self) -> bool {
        self == Contrast::Hounsfield
    }

    /// The real-world value of air in HU; `None` where only the image can tell.
    pub fn air(self) -> Option<f32> {
        self.is_hounsfield().then_some(AIR_HU)
    }

    /// A real-world value as slices have it: MONOCHROME1 turns arbitrary values round.
    pub(super) fn as_stored(self, real: f32, inverted: bool) -> f32 {
        match self {
            Contrast::Arbitrary { low, high } if inverted => low + high - real,
            _ => real,
        }
    }

    /// How values become whole numbers.
    ///
    /// # Errors
    /// [`Refusal::Rescale`] if the range isn't one.
    pub(super) fn scale(self) -> Result<Scale, Refusal> {
        match self {
            Contrast::Hounsfield => Ok(Scale {
                low: *HU.start(),
                high: *HU.end(),
                levels_per_unit: 1.0,
                mirrors: false,
            }),
            Contrast::Arbitrary { low, high }
                if low.is_finite() && high.is_finite() && low < high =>
            {
                Ok(Scale { low, high, levels_per_unit: LEVELS / (high - low), mirrors: true })
            }
            Contrast::Arbitrary { .. } => Err(Refusal::Rescale),
        }
    }
}

/// Real-world values as whole numbers from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f32,
    high: f32,
    levels_per_unit: f32,
    /// MONOCHROME1 turns values round.
    mirrors: bool,
}

impl Scale {
    /// The value in the middle of a level, or between levels.
    pub fn real(&self, level: f32) -> f32 {
        level / self.levels_per_unit + self.low
    }

    /// How stored values of a slice become levels.
    pub fn levelling(&self, slice: &Slice<'_>) -> Levelling {
        let Rescale { slope, intercept } = slice.rescale;
        let [slope, intercept, low, high, per_unit] =
            [slope, intercept, self.low, self.high, self.levels_per_unit].map(f64::from);
        let stored = |real: f64| (real - intercept) / slope;
        let (slope, start) = match slice.inverted && self.mirrors {
            true => (-slope, high - intercept),
            false => (slope, intercept - low),
        };
        let least = stored(low).ceil() as i32;
        Levelling {
            least,
            most: (stored(high).floor() as i32).max(least),
            slope: slope * per_unit,
            start: start * per_unit,
        }
    }
}

/// Stored values of one slice to levels: whole numbers are added up, and their sum becomes levels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levelling {
    /// The stored values at the ends of the scale: what lies beyond counts as these.
    least: i32,
    most: i32,
    /// Levels per stored value, and the level of stored 0.
    slope: f64,
    start: f64,
}

impl Levelling {
    /// A stored value as it counts: how far it lies above the least.
    pub fn above(&self, stored: i32) -> u32 {
        // No wider than 32 bits, whatever the signs.
        stored.max(self.least).min(self.most).wrapping_sub(self.least).cast_unsigned()
    }

    /// The level of one stored value.
    pub fn level(&self, stored: i32) -> u64 {
        self.levels(u64::from(self.above(stored)), 1)
    }

    /// So many stored values can be added up in 32 bits.
    pub fn addends(&self) -> u32 {
        let span = i64::from(self.most) - i64::from(self.least);
        u32::MAX / u32::try_from(span.max(1)).unwrap_or(u32::MAX)
    }

    /// The levels that samples add up to which lie `sum` above the least.
    pub fn levels(&self, sum: u64, samples: u64) -> u64 {
        let stored = sum as f64 + samples as f64 * f64::from(self.least);
        // Casts of negative numbers give 0.
        (stored * self.slope + samples as f64 * self.start + 0.5) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hounsfield_units_are_levels() {
        let slice =
            Slice { samples: &[], rescale: Rescale::HU_PLUS_1024, padding: None, inverted: true };
        let scale = Contrast::Hounsfield.scale().unwrap();
        let levelling = scale.levelling(&slice);
        let level = |stored| levelling.level(stored);
        assert_eq!([level(-5), level(1024), level(60_000)], [0, 1024, 4095]);
        assert_eq!(levelling.levels(3000, 10), 3000);
        assert_eq!(levelling.addends(), u32::MAX / 4095);
        assert_eq!(scale.real(24.0), -1000.0);
    }

    #[test]
    fn monochrome1_turns_arbitrary_values_round() {
        let contrast = Contrast::Arbitrary { low: 0.0, high: 65535.0 };
        let slice = Slice {
            samples: &[],
            rescale: Rescale::new(1.0, 0.0).unwrap(),
            padding: None,
            inverted: true,
        };
        let levelling = contrast.scale().unwrap().levelling(&slice);
        let level = |stored| levelling.level(stored);
        assert_eq!([level(0), level(65535), level(5)], [65535, 0, 65530]);
        assert!(Contrast::Arbitrary { low: 1.0, high: 1.0 }.scale().is_err());
    }

    #[test]
    fn stored_values_stay_storable() {
        let rescale = Rescale::new(2.0, -100.0).unwrap();
        assert_eq!(rescale.stored(AIR_HU, 0..=4095), 0);
        assert_eq!(rescale.stored(50.0, 0..=4095), 75);
        assert!(Rescale::new(0.0, 0.0).is_err());
        assert!(Rescale::new(f64::NAN, 0.0).is_err());
    }
}
