//! The frames of a series, split into sets that each sample one volume.
//!
//! A series may hold localizers in three directions, the stacks of one enhanced object, or one
//! volume many times: of several echoes, times, diffusion weightings. Nothing is refused here: a set
//! may be a single frame, and whether it is a volume is judged by those who use it.

use super::facts::FrameFacts;
use super::plane::{ImagePlane, dot};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Directions (cosines) and spacings (mm) of one volume agree within this.
const GEOMETRY_TOLERANCE: f64 = 1e-3;
/// Frames closer than this along the normal are at the same position, in mm.
const SAME_POSITION_MM: f64 = 0.01;
/// Frames at one position whose first voxels lie farther apart show two places side by side, in mm.
const SAME_PLACE_MM: f64 = 0.1;

/// Splits frames into sets, as indices into `frames`, each ordered by position along its normal.
///
/// Frames of one set have the same matrix, spacing, orientation and stack, and no two the same
/// position: of frames at one position, the k-th by its [`order`](FrameFacts::order) belongs to the
/// k-th set. Every frame is in exactly one set. The same frames in another order give the same sets.
pub fn volumes(frames: &[&FrameFacts]) -> Vec<Vec<usize>> {
    let mut sorted: Vec<usize> = (0..frames.len()).collect();
    sorted.sort_by(|&a, &b| compare(frames[a], frames[b]).then(a.cmp(&b)));
    let mut alike: Vec<Vec<usize>> = Vec::new();
    for index in sorted {
        let own = alike.iter_mut().find(|set| sample_alike(frames[set[0]], frames[index]));
        match own {
            Some(set) => set.push(index),
            None => alike.push(vec![index]),
        }
    }
    alike.into_iter().flat_map(|set| phases(frames, set)).collect()
}

/// Splits frames that sample alike: those at one position are of different volumes.
fn phases(frames: &[&FrameFacts], mut set: Vec<usize>) -> Vec<Vec<usize>> {
    let normal = frames[set[0]].plane.normal();
    let height = |index: usize| dot(frames[index].plane.origin(), normal);
    set.sort_by(|&a, &b| height(a).total_cmp(&height(b)));
    let mut volumes: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    let mut rest = set.as_slice();
    while let Some(&lowest) = rest.first() {
        let same = rest.partition_point(|&i| height(i) - height(lowest) < SAME_POSITION_MM);
        let (level, above) = rest.split_at(same.max(1));
        rest = above;
        for (n, place) in places(frames, level.to_vec()).into_iter().enumerate() {
            for (k, index) in place.into_iter().enumerate() {
                volumes.entry((n, k)).or_default().push(index);
            }
        }
    }
    volumes.into_values().collect()
}

/// Splits the frames at one position by where they lie within the plane: two fields of view side by
/// side are not two phases. Each place in the order of its frames' turns.
fn places(frames: &[&FrameFacts], mut level: Vec<usize>) -> Vec<Vec<usize>> {
    // Askew, so that places that differ in one coordinate only differ here, whatever noise is in the other.
    let along = |index: usize| {
        let plane = &frames[index].plane;
        dot(plane.origin(), plane.row()) + 0.618 * dot(plane.origin(), plane.column())
    };
    level.sort_by(|&a, &b| {
        along(a).total_cmp(&along(b)).then_with(|| compare(frames[a], frames[b])).then(a.cmp(&b))
    });
    let mut places: Vec<Vec<usize>> = Vec::new();
    for index in level {
        let near = |place: &Vec<usize>| {
            let (a, b) = (frames[place[0]].plane.origin(), frames[index].plane.origin());
            let between: [f64; 3] = std::array::from_fn(|k| a[k] - b[k]);
            dot(between, between).sqrt() <= SAME_PLACE_MM
        };
        match places.iter_mut().find(|place| near(place)) {
            Some(place) => place.push(index),
            None => places.push(vec![index]),
        }
    }
    for place in &mut places {
        let turn = |index: usize| &frames[index].order;
        place.sort_by(|&a, &b| {
            turn(a).cmp(turn(b)).then_with(|| compare(frames[a], frames[b])).then(a.cmp(&b))
        });
    }
    places
}

/// The numbers of a plane, for an order in which nothing depends on where a frame came in.
fn numbers(plane: &ImagePlane) -> impl Iterator<Item = f64> + use<> {
    let spacing = [plane.spacing().between_rows, plane.spacing().between_columns];
    let sides = [plane.rows() as f64, plane.columns() as f64];
    let vectors = [plane.row(), plane.column(), plane.origin()].concat();
    sides.into_iter().chain(spacing).chain(vectors)
}

fn compare(a: &FrameFacts, b: &FrameFacts) -> Ordering {
    let planes = numbers(&a.plane).zip(numbers(&b.plane));
    let different = planes.map(|(a, b)| a.total_cmp(&b)).find(|order| order.is_ne());
    different.unwrap_or_else(|| a.order.cmp(&b.order)).then(a.frame.cmp(&b.frame))
}

fn sample_alike(a: &FrameFacts, b: &FrameFacts) -> bool {
    let near = |x: f64, y: f64| (x - y).abs() <= GEOMETRY_TOLERANCE;
    let parallel = |x: [f64; 3], y: [f64; 3]| (0..3).all(|k| near(x[k], y[k]));
    let (plane, other) = (&a.plane, &b.plane);
    parallel(plane.row(), other.row())
        && parallel(plane.column(), other.column())
        && near(plane.spacing().between_rows, other.spacing().between_rows)
        && near(plane.spacing().between_columns, other.spacing().between_columns)
        && (plane.rows(), plane.columns()) == (other.rows(), other.columns())
        && a.order.is_of_stack(&b.order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::facts::Order;
    use crate::dicom::plane::PixelSpacing;
    use proptest::prelude::*;

    const X: [f64; 3] = [1.0, 0.0, 0.0];
    const Y: [f64; 3] = [0.0, 1.0, 0.0];
    const Z: [f64; 3] = [0.0, 0.0, 1.0];

    fn frame(
        origin: [f64; 3],
        row: [f64; 3],
        column: [f64; 3],
        stack: u128,
        turn: i64,
    ) -> FrameFacts {
        let spacing = PixelSpacing { between_rows: 1.0, between_columns: 1.0 };
        FrameFacts {
            plane: ImagePlane::new(origin, row, column, spacing, 4, 4).unwrap(),
            slope: 1.0,
            intercept: 0.0,
            hounsfield: false,
            padding: None,
            inverted: false,
            order: Order::new(stack, [turn; 8]),
            frame: 0,
            tile: None,
        }
    }

    fn axial(z: f64, turn: i64) -> FrameFacts {
        frame([0.0, 0.0, z], X, Y, 0, turn)
    }

    fn split(frames: &[FrameFacts]) -> Vec<Vec<usize>> {
        volumes(&frames.iter().collect::<Vec<_>>())
    }

    #[test]
    fn slices_are_ordered_by_position() {
        let noise = 1e-7;
        let frames: Vec<_> =
            [4.0, 0.0, 2.5, 1.0, 9.0].iter().map(|&z| axial(z + noise, 7)).collect();
        assert_eq!(split(&frames), [[1, 3, 2, 0, 4]]);
        assert!(split(&[]).is_empty());
    }

    #[test]
    fn a_localizer_has_a_set_for_each_direction() {
        let planes = [(X, Y), (Y, Z), (X, Z)];
        let frames: Vec<_> = (0..9)
            .map(|n| {
                let (row, column) = planes[n % 3];
                frame([f64::from(n as u8); 3], row, column, 0, n as i64)
            })
            .collect();
        let mut sets = split(&frames);
        sets.iter_mut().for_each(|set| set.sort_unstable());
        sets.sort();
        assert_eq!(sets, [[0, 3, 6], [1, 4, 7], [2, 5, 8]]);
    }

    #[test]
    fn echoes_are_volumes_of_their_own() {
        // Three echoes of six slices, mixed, as devices send them; the last echo lacks a slice.
        let mut frames = Vec::new();
        for slice in [3, 0, 5, 1, 4, 2] {
            for echo in [2, 0, 1] {
                if (slice, echo) != (5, 2) {
                    frames
                        .push(axial(f64::from(slice) * 2.0 + f64::from(echo) * 1e-4, echo.into()));
                }
            }
        }
        let sets = split(&frames);
        assert_eq!(sets.iter().map(Vec::len).collect::<Vec<_>>(), [6, 6, 5]);
        for (echo, set) in sets.iter().enumerate() {
            let expected = Order::new(0, [echo as i64; 8]);
            assert!(set.iter().all(|&index| frames[index].order == expected));
        }
    }

    #[test]
    fn a_tilted_gantry_moves_slices_within_their_plane() {
        let tilt = 0.3_f64;
        let column = [0.0, tilt.cos(), tilt.sin()];
        let frames: Vec<_> =
            (0..8).map(|n| frame([0.0, 0.0, f64::from(n) * 3.0], X, column, 0, 0)).collect();
        assert_eq!(split(&frames), [[0, 1, 2, 3, 4, 5, 6, 7]]);
    }

    #[test]
    fn stacks_are_never_phases_nor_one_volume() {
        // Two stacks at the same positions; then two behind each other.
        for (first, second) in [(0.0, 0.0), (0.0, 50.0)] {
            let frames: Vec<_> = (0..12)
                .map(|n| {
                    let (stack, slice) = (n % 2, f64::from(n / 2));
                    let from = if stack == 0 { first } else { second };
                    frame([0.0, 0.0, from + slice], X, Y, u128::from(stack as u8) + 1, 0)
                })
                .collect();
            assert_eq!(split(&frames), [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]);
        }
    }

    #[test]
    fn fields_of_view_side_by_side_are_not_phases() {
        // Left and right, at the same positions, in turns that change from slice to slice.
        let frames: Vec<_> = (0..12)
            .map(|n| {
                let (right, slice) = (n % 2 == 1, n / 2);
                let x = if right { 80.0 } else { -80.0 } + f64::from(slice) * 1e-6;
                let turn = if slice % 2 == 0 { n % 2 } else { 1 - n % 2 };
                frame([x, 5.0, f64::from(slice)], X, Y, 0, turn.into())
            })
            .collect();
        assert_eq!(split(&frames), [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]);
    }

    proptest! {
        #[test]
        fn the_order_of_frames_does_not_matter(
            frames in proptest::collection::vec((0..3_usize, 0..4_u8, 0..3_i64, 0..2_u8), 1..30),
            seed: u64,
        ) {
            let planes = [(X, Y), (Y, Z), (X, Z)];
            let frames: Vec<_> = frames
                .iter()
                .map(|&(direction, at, turn, stack)| {
                    let (row, column) = planes[direction];
                    frame([f64::from(at); 3], row, column, stack.into(), turn)
                })
                .collect();
            let mut order: Vec<usize> = (0..frames.len()).collect();
            let mut state = seed | 1;
            for k in (1..order.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                order.swap(k, (state >> 33) as usize % (k + 1));
            }
            let shuffled: Vec<_> = order.iter().map(|&n| frames[n].clone()).collect();
            // Frames that are the same in all may change places: what they say is compared.
            let said = |frames: &[FrameFacts]| -> Vec<Vec<_>> {
                let of = |n: usize| (frames[n].plane.origin().map(f64::to_bits), frames[n].order.clone());
                split(frames).into_iter().map(|set| set.into_iter().map(of).collect()).collect()
            };
            prop_assert_eq!(said(&frames), said(&shuffled));
            let mut all: Vec<usize> = split(&frames).concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..frames.len()).collect::<Vec<_>>());
        }
    }
}
