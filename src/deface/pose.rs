//! Where the template lies in the patient: turn, scale and shift.

use super::grid::Point;
use super::template::Template;

type Matrix = [Point; 3];

/// One of the 24 ways in which a head can lie along the patient axes; how the template is turned before
/// it is fitted. Mirror images aren't among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Columns: where the template's x, y and z point, in the patient.
    axes: [[i8; 3]; 3],
}

impl Turn {
    /// As the header says.
    pub const NONE: Turn = Turn { axes: [[1, 0, 0], [0, 1, 0], [0, 0, 1]] };
    /// The three half turns: head and feet, front and back, or both swapped.
    pub const HALF: [Turn; 3] = [
        Turn { axes: [[1, 0, 0], [0, -1, 0], [0, 0, -1]] },
        Turn { axes: [[-1, 0, 0], [0, 1, 0], [0, 0, -1]] },
        Turn { axes: [[-1, 0, 0], [0, -1, 0], [0, 0, 1]] },
    ];

    /// All others: those by which a head on its side, or a wrong header, is found.
    pub fn quarters() -> impl Iterator<Item = Turn> {
        const ORDERS: [([usize; 3], i8); 6] = [
            ([0, 1, 2], 1),
            ([1, 2, 0], 1),
            ([2, 0, 1], 1),
            ([0, 2, 1], -1),
            ([2, 1, 0], -1),
            ([1, 0, 2], -1),
        ];
        ORDERS
            .into_iter()
            .flat_map(|(order, parity)| {
                (0..4i8).map(move |signs| {
                    let [a, b] = [1 - 2 * (signs & 1), 1 - 2 * (signs >> 1)];
                    let sign = [a, b, a * b * parity];
                    let row =
                        |k: usize| std::array::from_fn(|c| if order[c] == k { sign[c] } else { 0 });
                    Turn { axes: [row(0), row(1), row(2)] }
                })
            })
            .filter(|turn| *turn != Turn::NONE && !Turn::HALF.contains(turn))
    }

    /// Where axis `axis` of the template points, in the patient.
    pub fn axis(self, axis: usize) -> Point {
        self.axes.map(|row| f32::from(row[axis]))
    }
}

/// Nine parameters that take the template to a head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Centre (RAS mm), rotation vector (rad), logarithms of the scales.
    pub parameters: [f32; 9],
    /// Applied after the rotation, which is about the template's own axes.
    pub turn: Turn,
}

impl Pose {
    /// Where the template's centre comes to lie, RAS mm.
    pub fn centre(&self) -> Point {
        std::array::from_fn(|k| self.parameters[k])
    }

    /// Rotation vector in rad: axis times angle.
    pub fn rotation(&self) -> Point {
        std::array::from_fn(|k| self.parameters[3 + k])
    }

    /// Size of the head along the template's axes, relative to the template.
    pub fn scale(&self) -> Point {
        std::array::from_fn(|k| self.parameters[6 + k].exp())
    }

    /// The pose made ready to map points.
    pub fn frame(&self) -> Frame {
        let [p, q, r] = rotation_matrix(self.rotation());
        let axes = self.turn.axes.map(|row| {
            let [a, b, c] = row.map(f32::from);
            std::array::from_fn(|k| a * p[k] + b * q[k] + c * r[k])
        });
        Frame { centre: self.centre(), axes, scale: self.scale() }
    }
}

/// The head's frame of reference: MNI mm to RAS mm of the patient and back.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    centre: Point,
    /// Columns are the template's axes in the patient.
    axes: Matrix,
    scale: Point,
}

impl Frame {
    /// A point of the template in the patient, RAS mm.
    pub fn to_patient(self, mni: Point) -> Point {
        let u: Point = std::array::from_fn(|k| (mni[k] - Template::CENTRE[k]) * self.scale[k]);
        std::array::from_fn(|k| {
            let row = self.axes[k];
            self.centre[k] + row[0] * u[0] + row[1] * u[1] + row[2] * u[2]
        })
    }

    /// A point of the patient (RAS mm) in the template, MNI mm.
    pub fn to_template(self, point: Point) -> Point {
        let v: Point = std::array::from_fn(|k| point[k] - self.centre[k]);
        std::array::from_fn(|k| {
            let along = self.axes[0][k] * v[0] + self.axes[1][k] * v[1] + self.axes[2][k] * v[2];
            along / self.scale[k] + Template::CENTRE[k]
        })
    }

    /// Centre, axes by rows, scales: all that a frame is.
    pub fn parts(self) -> (Point, [Point; 3], Point) {
        (self.centre, self.axes, self.scale)
    }

    /// The frame of which these are the [`Frame::parts`].
    pub fn from_parts(centre: Point, axes: [Point; 3], scale: Point) -> Self {
        Frame { centre, axes, scale }
    }

    /// Mean of the three scales: turns distances in the template into mm of the patient.
    pub fn mean_scale(self) -> f32 {
        self.scale.iter().sum::<f32>() / 3.0
    }
}

/// Rodrigues' formula.
fn rotation_matrix(vector: Point) -> Matrix {
    let angle = vector.iter().map(|c| c * c).sum::<f32>().sqrt();
    if angle < 1e-8 {
        return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    }
    let [x, y, z] = vector.map(|c| c / angle);
    let (s, c) = angle.sin_cos();
    let v = 1.0 - c;
    [
        [c + x * x * v, x * y * v - z * s, x * z * v + y * s],
        [y * x * v + z * s, c + y * y * v, y * z * v - x * s],
        [z * x * v - y * s, z * y * v + x * s, c + z * z * v],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let turns = Turn::HALF.into_iter().chain(Turn::quarters()).chain([Turn::NONE]);
        for turn in turns {
            let pose =
                Pose { parameters: [10.0, -20.0, 30.0, 0.4, -0.2, 0.3, -0.1, 0.05, -0.2], turn };
            let frame = pose.frame();
            let point = [12.0, 80.0, -40.0];
            let back = frame.to_template(frame.to_patient(point));
            assert!((0..3).all(|k| (back[k] - point[k]).abs() < 1e-3), "{turn:?}: {back:?}");
        }
    }

    #[test]
    fn there_are_24_turns_and_none_mirrors() {
        let all: Vec<Turn> = Turn::quarters().chain(Turn::HALF).chain([Turn::NONE]).collect();
        assert_eq!(all.len(), 24);
        for (n, turn) in all.iter().enumerate() {
            assert!(!all[..n].contains(turn));
            let [a, b, c] = [turn.axis(0), turn.axis(1), turn.axis(2)];
            let cross =
                [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
            assert_eq!(cross, c);
        }
    }

    #[test]
    fn a_positive_first_rotation_raises_the_chin() {
        let pose =
            Pose { parameters: [0.0, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0], turn: Turn::NONE };
        assert!(pose.frame().to_patient([0.0, 80.0, 5.0])[2] > 20.0);
    }
}
