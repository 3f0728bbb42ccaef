//! Where a head is hollow: nose, sinuses, mouth and throat lie behind the face, and nothing like them elsewhere.

use super::body::Body;
use super::brain;
use super::field::Field;
use super::frame::mean;
use super::space::{Vector, dot, minus};

/// So many layers of cells below what is outside, darkness is neither skin's nor the skull's: 15 mm.
const DEEP: usize = 5;
/// Fewer cells are no nose.
const CELLS_MIN: usize = 200;
/// Nearer to the middle of the head it is ventricles that are dark, mm. (Measured in 19 heads: 27 to 78.)
const OFF_MIDDLE_MIN_MM: f32 = 15.0;

/// From the middle of what lies deep in the head to the middle of the hollows in it, mm; `None` if they don't say
/// anything.
pub(super) fn direction(field: &Field, body: &Body) -> Option<Vector> {
    let layers = brain::layers_from(field, &body.outside, DEEP);
    let deep = || (0..field.len()).filter(|&i| layers[i].is_none() && field.inside[i]);
    let hollow = || deep().filter(|&i| !body.before[i]);
    let way = minus(mean(field, hollow()), mean(field, deep()));
    let says = hollow().count() >= CELLS_MIN && dot(way, way).sqrt() >= OFF_MIDDLE_MIN_MM;
    says.then_some(way)
}

#[cfg(test)]
mod tests {
    use super::super::Scale;
    use super::super::cells::Levels;
    use super::*;

    /// A ball of soft tissue in cells of 3 mm, from layer `from` of 40 on; air in it where `hollow` says so, which is
    /// asked for distances from its middle in cells.
    fn ball(from: usize, hollow: impl Fn([f32; 3]) -> bool) -> (Field, Body) {
        const SIDE: usize = 40;
        let levels = Levels::of(Scale::Hounsfield).unwrap();
        let size = [SIDE, SIDE, SIDE - from];
        let count = size.iter().product();
        let mut field = Field {
            size,
            cell: 3.0,
            origin: [0.0; 3],
            axes: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            before: Vec::new(),
            after: Vec::new(),
            changed: vec![0.0; count],
            inside: vec![true; count],
        };
        let hu = |i: usize| {
            let [x, y, z] = field.node(i).map(|n| n as f32 - SIDE as f32 / 2.0);
            let at = [x, y, z + from as f32];
            if dot(at, at).sqrt() < 18.0 && !hollow(at) { 40.0 } else { -1000.0 }
        };
        field.before = (0..count).map(|i| levels.level(hu(i))).collect();
        field.after = field.before.clone();
        let body = Body::find(&field, Scale::Hounsfield, &levels).unwrap();
        (field, body)
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
