//! Small symmetric linear systems.

/// Solves `matrix * x = right` for the first `n` unknowns by Cholesky decomposition.
///
/// `None` unless that part of the symmetric matrix is positive definite.
pub fn solve<const N: usize>(
    matrix: &[[f64; N]; N],
    right: &[f64; N],
    n: usize,
) -> Option<[f64; N]> {
    let mut l = [[0.0; N]; N];
    for i in 0..n {
        for j in 0..=i {
            let rest = matrix[i][j] - (0..j).map(|k| l[i][k] * l[j][k]).sum::<f64>();
            l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
        }
        // The root of a negative number is NaN, which isn't greater than 0 either.
        if l[i][i].partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
            return None;
        }
    }
    let mut x = [0.0; N];
    for i in 0..n {
        x[i] = (right[i] - (0..i).map(|k| l[i][k] * x[k]).sum::<f64>()) / l[i][i];
    }
    for i in (0..n).rev() {
        x[i] = (x[i] - (i + 1..n).map(|k| l[k][i] * x[k]).sum::<f64>()) / l[i][i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::solve;

    #[test]
    fn solves_and_refuses() {
        let x = solve(&[[4.0, 2.0, 0.0], [2.0, 5.0, 3.0], [0.0, 3.0, 6.0]], &[8.0, 21.0, 24.0], 3)
            .unwrap();
        assert!(
            x.iter()
                .zip([1.0, 2.0, 3.0])
                .all(|(got, wanted): (&f64, f64)| (got - wanted).abs() < 1e-12)
        );
        assert_eq!(solve(&[[1.0, 2.0], [2.0, 1.0]], &[1.0, 1.0], 2), None, "indefinite");
        assert_eq!(solve(&[[f64::NAN, 0.0], [0.0, 1.0]], &[1.0, 1.0], 2), None);
    }
}
