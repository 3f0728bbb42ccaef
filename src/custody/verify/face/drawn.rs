//! The relief that faces share, drawn by hand: what the front of a head is known by.
//!
//! Nobody's face and no average: bumps and hollows of the sizes that textbooks give. It is only
//! compared by correlation, so its depth doesn't matter.

/// A round bump (positive) or hollow.
struct Bump {
    /// Off the midline to both sides, and above the tip of the nose, mm.
    x: f32,
    z: f32,
    /// Half widths, mm.
    wide: f32,
    high: f32,
    /// Towards the viewer, mm.
    height: f32,
}

const BUMPS: [Bump; 7] = [
    Bump { x: 31.0, z: 37.0, wide: 12.0, high: 9.0, height: -11.0 }, // eyes
    Bump { x: 20.0, z: 58.0, wide: 22.0, high: 8.0, height: 3.0 },   // brows
    Bump { x: 36.0, z: 8.0, wide: 14.0, high: 14.0, height: 3.0 },   // cheek bones
    Bump { x: 0.0, z: -28.0, wide: 20.0, high: 8.0, height: 6.0 },   // lips
    Bump { x: 0.0, z: -43.0, wide: 16.0, high: 5.0, height: -2.0 },  // below the lower lip
    Bump { x: 0.0, z: -58.0, wide: 18.0, high: 10.0, height: 7.0 },  // chin
    Bump { x: 0.0, z: 80.0, wide: 40.0, high: 20.0, height: 2.0 },   // forehead
];

/// The nose: (above its tip, height, half width), mm.
const NOSE: [(f32, f32, f32); 5] =
    [(-16.0, 0.0, 14.0), (-4.0, 20.0, 15.0), (2.0, 22.0, 14.0), (44.0, 5.0, 9.0), (54.0, 0.0, 9.0)];

/// Height towards the viewer, mm, `x` beside and `z` above the tip of the nose.
pub(super) fn height(x: f32, z: f32) -> f32 {
    let bump = |b: &Bump| {
        let round =
            |x: f32| (-0.5 * (((x - b.x) / b.wide).powi(2) + ((z - b.z) / b.high).powi(2))).exp();
        let both = if b.x == 0.0 { round(x) } else { round(x) + round(-x) };
        b.height * both
    };
    BUMPS.iter().map(bump).sum::<f32>() + nose(x, z)
}

fn nose(x: f32, z: f32) -> f32 {
    let Some(pair) = NOSE.windows(2).find(|w| (w[0].0..w[1].0).contains(&z)) else { return 0.0 };
    let t = (z - pair[0].0) / (pair[1].0 - pair[0].0);
    let mix = |a: f32, b: f32| a + t * (b - a);
    let (height, half) = (mix(pair[0].1, pair[1].1), mix(pair[0].2, pair[1].2));
    height * (1.0 - x.abs() / half).max(0.0)
}
