//! Where the template lies in the patient: turn, scale and shift.

use super::grid::Point;
use super::template::Template;

type Matrix = [Point; 3];

/// Half turns of the volume, with which the orientation of a head is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// As the header says.
    None,
    /// Half a turn about the left-right axis: head and feet, front and back swapped.
    AboutX,
    /// Half a turn about the front-back axis.
    AboutY,
    /// Half a turn about the long axis.
    AboutZ,
}

impl Turn {
    /// The three ways in which a header can have the head the wrong way round.
    pub const WRONG: [Turn; 3] = [Turn::AboutX, Turn::AboutY, Turn::AboutZ];

    /// Signs of the three axes.
    fn signs(self) -> Point {
        match self {
            Turn::None => [1.0, 1.0, 1.0],
            Turn::AboutX => [1.0, -1.0, -1.0],
            Turn::AboutY => [-1.0, 1.0, -1.0],
            Turn::AboutZ => [-1.0, -1.0, 1.0],
        }
    }
}

/// Nine parameters that take the template to a head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Centre (RAS mm), rotation vector (rad), logarithms of the scales.
    pub parameters: [f32; 9],
    /// Applied to the template before the rotation.
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
        let signs = self.turn.signs();
        let rotation = rotation_matrix(self.rotation());
        let axes = rotation.map(|row| std::array::from_fn(|k| row[k] * signs[k]));
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
        for turn in [Turn::None, Turn::AboutX, Turn::AboutY, Turn::AboutZ] {
            let pose =
                Pose { parameters: [10.0, -20.0, 30.0, 0.4, -0.2, 0.3, -0.1, 0.05, -0.2], turn };
            let frame = pose.frame();
            let point = [12.0, 80.0, -40.0];
            let back = frame.to_template(frame.to_patient(point));
            assert!((0..3).all(|k| (back[k] - point[k]).abs() < 1e-3), "{turn:?}: {back:?}");
        }
    }

    #[test]
    fn a_positive_first_rotation_raises_the_chin() {
        let pose =
            Pose { parameters: [0.0, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0], turn: Turn::None };
        assert!(pose.frame().to_patient([0.0, 80.0, 5.0])[2] > 20.0);
    }
}
