//! What a scan has learned of its errors, per context (14495-1 A.2, A.6).

use super::Coding;
use super::bits::Bits;

/// Bits of a Golomb code's parameter at most; more comes of no image.
const K_MAX: u32 = 16;
/// No error is larger.
const ERROR_MAX: i32 = 1 << 16;

/// A regular context: the sum of the errors' magnitudes A, their bias B and its correction C, their number N.
#[derive(Clone, Copy)]
pub(super) struct Context {
    magnitude: i64,
    bias: i32,
    pub(super) correction: i32,
    count: i32,
}

impl Context {
    pub(super) fn new(coding: &Coding) -> Self {
        Context { magnitude: first_magnitude(coding), bias: 0, correction: 0, count: 1 }
    }

    /// The next error (14495-1 A.5), and what is learned of it.
    pub(super) fn error(&mut self, bits: &mut Bits<'_>, coding: &Coding) -> Option<i32> {
        let k = parameter(self.magnitude, self.count)?;
        let mapped = bits.golomb(k, coding.limit, coding.width)?;
        let half = mapped >> 1;
        let turned = coding.near == 0 && k == 0 && 2 * self.bias <= -self.count;
        let error = match (mapped & 1 == 1, turned) {
            (false, false) | (true, true) => half,
            (true, false) | (false, true) => -half - 1,
        };
        (error.abs() <= ERROR_MAX).then(|| self.learn(error, coding))?;
        Some(error)
    }

    fn learn(&mut self, error: i32, coding: &Coding) {
        self.magnitude += i64::from(error.abs());
        self.bias += error * (2 * coding.near + 1);
        if self.count == coding.reset {
            self.magnitude >>= 1;
            self.bias >>= 1;
            self.count >>= 1;
        }
        self.count += 1;
        if self.bias <= -self.count {
            self.bias = (self.bias + self.count).max(1 - self.count);
            self.correction = (self.correction - 1).max(-128);
        } else if self.bias > 0 {
            self.bias = (self.bias - self.count).min(0);
            self.correction = (self.correction + 1).min(127);
        }
    }
}

/// The context of samples that end a run. `alike`: the samples on the left and above are (RItype).
#[derive(Clone, Copy)]
pub(super) struct RunContext {
    alike: i32,
    magnitude: i64,
    count: i32,
    negative: i32,
}

impl RunContext {
    pub(super) fn new(coding: &Coding, alike: bool) -> Self {
        RunContext {
            alike: i32::from(alike),
            magnitude: first_magnitude(coding),
            count: 1,
            negative: 0,
        }
    }

    /// The next error (14495-1 A.7.2), of whose code so many bits are `spent`, and what is learned of it.
    pub(super) fn error(
        &mut self,
        bits: &mut Bits<'_>,
        coding: &Coding,
        spent: u32,
    ) -> Option<i32> {
        let spread = self.magnitude + i64::from(self.alike * (self.count >> 1));
        let k = parameter(spread, self.count)?;
        let mapped = bits.golomb(k, coding.limit - spent, coding.width)?;
        let twice = mapped + self.alike;
        let map = twice & 1;
        let size = (twice + map) / 2;
        let often_negative = k != 0 || 2 * self.negative >= self.count;
        let error = if often_negative == (map == 1) { -size } else { size };
        (size <= ERROR_MAX).then_some(())?;
        self.negative += i32::from(error < 0);
        self.magnitude += i64::from((mapped + 1 - self.alike) >> 1);
        if self.count == coding.reset {
            self.magnitude >>= 1;
            self.count >>= 1;
            self.negative >>= 1;
        }
        self.count += 1;
        Some(error)
    }
}

fn first_magnitude(coding: &Coding) -> i64 {
    i64::from((coding.range + 32) / 64).max(2)
}

/// The smallest k for which count * 2^k reaches the magnitude.
fn parameter(magnitude: i64, count: i32) -> Option<u32> {
    (0..=K_MAX).find(|k| i64::from(count) << k >= magnitude)
}
