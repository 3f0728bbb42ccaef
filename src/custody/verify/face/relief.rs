//! Relief: what of a depth map is left when its smooth part is taken away.

/// Smooth parts: the terms of a quadric. Even ones for what is symmetric about x = 0.
pub(super) const EVEN: usize = 4;
pub(super) const ALL: usize = 6;

/// Terms at a pixel; x and z from about -1 to 1.
pub(super) fn terms(x: f32, z: f32) -> [f64; ALL] {
    let (x, z) = (f64::from(x), f64::from(z));
    [1.0, z, z * z, x * x, x, x * z]
}

/// Takes from each map the quadric of the first `count` terms that fits it best. The maps have depths in the
/// same pixels.
pub(super) fn flatten<const N: usize>(
    mut maps: [&mut [Option<f32>]; N],
    terms: &[[f64; ALL]],
    count: usize,
) {
    let mut matrix = [[0.0; ALL]; ALL];
    let mut right = [[0.0; ALL]; N];
    for (pixel, t) in terms.iter().enumerate() {
        let Some(depths) = depths_at(&maps, pixel) else { continue };
        for i in 0..count {
            for j in 0..=i {
                matrix[i][j] += t[i] * t[j];
            }
            for n in 0..N {
                right[n][i] += t[i] * f64::from(depths[n]);
            }
        }
    }
    for (map, right) in maps.iter_mut().zip(right) {
        let mut system: [[f64; ALL + 1]; ALL] = std::array::from_fn(|i| {
            std::array::from_fn(|j| if j < ALL { matrix[i.max(j)][i.min(j)] } else { 0.0 })
        });
        for i in 0..count {
            system[i][count] = right[i];
        }
        let fit = solved(&mut system, count);
        for (depth, t) in map.iter_mut().zip(terms) {
            if let Some(depth) = depth {
                *depth -= (0..count).map(|i| fit[i] * t[i]).sum::<f64>() as f32;
            }
        }
    }
}

fn depths_at<const N: usize>(maps: &[&mut [Option<f32>]; N], pixel: usize) -> Option<[f32; N]> {
    let mut depths = [0.0; N];
    for (depth, map) in depths.iter_mut().zip(maps) {
        *depth = map[pixel]?;
    }
    Some(depths)
}

/// Gauss-Jordan with pivots; terms that the pixels don't determine are 0.
fn solved(m: &mut [[f64; ALL + 1]; ALL], n: usize) -> [f64; ALL] {
    const TINY: f64 = 1e-9;
    let mut used = [false; ALL];
    let mut pivot_of = [None; ALL];
    for column in 0..n {
        let pivot = (0..n)
            .filter(|&r| !used[r])
            .max_by(|&a, &b| m[a][column].abs().total_cmp(&m[b][column].abs()));
        let Some(pivot) = pivot.filter(|&p| m[p][column].abs() > TINY) else { continue };
        used[pivot] = true;
        pivot_of[column] = Some(pivot);
        let row = m[pivot];
        for (r, other) in m.iter_mut().enumerate().take(n) {
            let factor = other[column] / row[column];
            if r != pivot && factor != 0.0 {
                for c in 0..=n {
                    other[c] -= factor * row[c];
                }
            }
        }
    }
    let mut fit = [0.0; ALL];
    for column in 0..n {
        if let Some(pivot) = pivot_of[column] {
            fit[column] = m[pivot][n] / m[pivot][column];
        }
    }
    fit
}

/// Correlation of two reliefs over the pixels that both have, and how much of the second is in the first
/// (regression).
pub(super) fn likeness(a: &[Option<f32>], b: &[Option<f32>]) -> (f32, f32) {
    let (mut n, mut sa, mut sb, mut aa, mut bb, mut ab) = (0usize, 0.0, 0.0, 0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        if let (Some(a), Some(b)) = (a, b) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            n += 1;
            sa += a;
            sb += b;
            aa += a * a;
            bb += b * b;
            ab += a * b;
        }
    }
    let count = n.max(1) as f64;
    let (va, vb, cov) = (aa - sa * sa / count, bb - sb * sb / count, ab - sa * sb / count);
    let norm = (va * vb).max(0.0).sqrt();
    let correlation = if norm > 1e-6 { cov / norm } else { 0.0 };
    let amount = if vb > 1e-6 { cov / vb } else { 0.0 };
    (correlation as f32, amount as f32)
}
