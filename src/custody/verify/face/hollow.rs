//! Where a head is hollow: nose, sinuses, mouth and throat lie behind the face, and nothing like them elsewhere.

use super::body::Body;
use super::field::Field;
use super::space::{Vector, dot, minus};

/// Fewer cells are no nose.
const CELLS_MIN: usize = 200;
/// Nearer to the middle of the head it is ventricles that are dark, mm. (Measured in 19 heads: 27 to 78.)
const OFF_MIDDLE_MIN_MM: f32 = 15.0;

/// From the middle of what lies deep in the head to the middle of the hollows in it, mm; `None` if they don't say
/// anything.
pub(super) fn direction(field: &Field, body: &Body) -> Option<Vector> {
    let deep = || (0..field.len()).filter(|&i| body.layers[i].is_none() && field.inside[i]);
    let hollow = || deep().filter(|&i| !body.before[i]);
    let way = minus(field.middle(hollow()), field.middle(deep()));
    let says = hollow().count() >= CELLS_MIN && dot(way, way).sqrt() >= OFF_MIDDLE_MIN_MM;
    says.then_some(way)
}

#[cfg(test)]
mod tests {
    use super::super::tests::cells_of;
    use super::*;

    /// A ball of soft tissue, from layer `from` of 40 on; air in it where `hollow` says so, which is asked for distances
    /// from its middle in cells.
    fn ball(from: u8, hollow: impl Fn([f32; 3]) -> bool) -> (Field, Body) {
        const SIDE: usize = 40;
        let middle = SIDE as f32 / 2.0;
        cells_of([SIDE, SIDE, SIDE - usize::from(from)], |[x, y, z]| {
            let at = [x - middle, y - middle, z + f32::from(from) - middle];
            let tissue = dot(at, at).sqrt() < 18.0 && !hollow(at);
            Some(if tissue { 40.0 } else { -1000.0 })
        })
    }

    #[test]
    fn a_hollow_in_front_is_found_also_where_the_field_of_view_opens_it() {
        let nose = |[x, y, z]: [f32; 3]| x.abs() < 5.0 && (-14.0..-2.0).contains(&y) && z < 4.0;
        for from in [0, 15] {
            let (field, body) = ball(from, nose);
            let [x, y, _] = direction(&field, &body).unwrap();
            assert!(y < -15.0 && x.abs() < 3.0, "from layer {from}: {y} mm");
        }
    }

    #[test]
    fn what_is_solid_or_hollow_in_its_middle_says_nothing() {
        let (field, body) = ball(0, |_| false);
        assert_eq!(direction(&field, &body), None);
        let (field, body) = ball(0, |at| dot(at, at) < 36.0);
        assert_eq!(direction(&field, &body), None);
    }

    #[test]
    fn a_groove_that_is_open_to_the_front_is_no_hollow() {
        let (field, body) = ball(0, |[x, y, _]| x.abs() < 2.0 && y < -12.0);
        assert_eq!(direction(&field, &body), None);
    }
}
