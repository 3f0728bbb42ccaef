//! Where the border of the field of view cuts the body: through a neck, a face, a vertex.

use super::body::Body;
use super::field::Field;
use super::mirror::{self, Mirror};
use super::space::{Vector, along, dot, minus, unit};

/// Borders of the field of view that lie across a direction: cosine of 45 degrees.
const ACROSS: f32 = 0.7;
/// Fewer cells are no cut through a neck or a face.
const CELLS_MIN: f32 = 300.0;
/// One end is cut off more than the other if this share of all cuts is not made up for by cuts on the other side.
const ONE_SIDED_MIN: f32 = 1.0 / 3.0;

/// Every face of a cell of the body at the border of the field of view: the cell and the way out.
fn faces(field: &Field, body: &Body) -> impl Iterator<Item = (usize, Vector)> {
    (0..field.len()).filter(|&i| body.before[i]).flat_map(move |cell| {
        let sides = field.beside(cell).into_iter().enumerate();
        let cut = sides.filter(|(_, beside)| beside.is_none_or(|n| !field.inside[n]));
        cut.map(move |(side, _)| (cell, outwards(side)))
    })
}

/// The way out of a cell on one of its six sides, in the order of [`Field::beside`].
fn outwards(side: usize) -> Vector {
    let mut way = [0.0; 3];
    way[side / 2] = if side.is_multiple_of(2) { -1.0 } else { 1.0 };
    way
}

/// The unit vector in the midline away from where the body goes on beyond the field of view; `None` where it is cut
/// off on opposite sides alike, or nowhere.
pub(super) fn away(field: &Field, body: &Body, plane: &Mirror) -> Option<Vector> {
    let (mut net, mut all) = ([0.0; 3], 0.0);
    for (_, way) in faces(field, body) {
        let way = mirror::within(plane, way);
        net = along(net, 1.0, way);
        all += dot(way, way).sqrt();
    }
    let length = dot(net, net).sqrt();
    let one_sided = length >= CELLS_MIN && length >= ONE_SIDED_MIN * all;
    one_sided.then(|| unit(net.map(|c| -c)))
}

/// Cells' faces by which the upper end of the body is cut off, across a direction.
pub(super) fn above(field: &Field, body: &Body, up: Vector) -> usize {
    let is_above = |cell: usize| dot(minus(field.point(cell), body.middle), up) > 0.0;
    faces(field, body).filter(|&(cell, way)| dot(way, up) > ACROSS && is_above(cell)).count()
}

#[cfg(test)]
mod tests {
    use super::super::tests::cells_of;
    use super::*;

    /// A column of tissue, in view between two of 60 layers; narrower above, like a head on its neck turned over.
    fn column(layers: std::ops::Range<usize>) -> (Field, Body) {
        cells_of([40, 40, 60], |[x, y, z]| {
            let radius = if z < 30.0 { 16.0 } else { 8.0 };
            let tissue = (x - 20.0).hypot(y - 20.0) < radius && z < 50.0;
            layers.contains(&(z as usize)).then_some(if tissue { 40.0 } else { -1000.0 })
        })
    }

    #[test]
    fn away_is_where_less_is_cut_off() {
        let midline = Mirror { normal: [1.0, 0.0, 0.0], offset: 60.0, error: 0.0 };
        for (layers, expected) in
            [(5..60, Some([0.0, 0.0, 1.0])), (5..40, Some([0.0, 0.0, 1.0])), (5..25, None)]
        {
            let (field, body) = column(layers.clone());
            let away = away(&field, &body, &midline);
            assert_eq!(away.map(|way| way.map(f32::round)), expected, "{layers:?}");
        }
    }

    #[test]
    fn only_what_is_cut_at_that_end_counts() {
        let (field, body) = column(5..40);
        let (up, down) =
            (above(&field, &body, [0.0, 0.0, 1.0]), above(&field, &body, [0.0, 0.0, -1.0]));
        assert!(up > 150 && down > 3 * up, "{up} and {down}");
    }
}
