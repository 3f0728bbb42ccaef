//! What was found in a volume: four sections through it, with what was fitted and what goes drawn in.

use crate::deface::grid::{Grid, Point};
use crate::deface::{Sketch, TEMPLATE, Volume};
use image::{Rgb, RgbImage};
use rayon::prelude::*;

/// Side of a section, pixels and mm.
const SIDE: u32 = 256;
const SIDE_MM: f32 = 272.0;
/// The skin of the average head, where it was fitted.
const SKIN: Rgb<u8> = Rgb([255, 210, 60]);
/// The endocranium of the average head, where it was fitted.
const ENDOCRANIUM: Rgb<u8> = Rgb([70, 200, 255]);
/// The brain, as it was found in the image.
const BRAIN: Rgb<u8> = Rgb([90, 230, 110]);
/// The border of what is removed; within it the image is tinted.
const REMOVED: Rgb<u8> = Rgb([255, 60, 60]);
/// So much of the image's brightness is left in green and blue where it is removed.
const TINT: f32 = 0.55;
/// Grey levels of CT run from air to what only bone is denser than, HU.
const WINDOW_HU: [f32; 2] = [-1000.0, 600.0];
/// Those of anything else run to this share of the brightest cells.
const BRIGHTEST_SHARE: f32 = 0.995;

/// Four sections of the image on the survey's grid as a PNG: sagittal and coronal above, two axial ones below;
/// the median plane, the plane through the orbits from front to back, and those of eyes and mouth.
///
/// Yellow: the skin of the average head as it was fitted. Blue: its endocranium. Green: the brain's border in
/// the image. Red: what is removed. Where no head was found there are sections through the middle of the volume
/// along the patient's axes. The patient's left is right. **It shows the patient.**
///
/// # Errors
/// Those of the encoder, which has no reason to fail in memory.
pub fn found(sketch: &Sketch) -> Result<Vec<u8>, image::ImageError> {
    let mut sheet = RgbImage::new(2 * SIDE, 2 * SIDE);
    let sections = match sketch.anatomy() {
        Some(_) => Section::OF_HEAD,
        None => Section::OF_VOLUME,
    };
    for (n, section) in sections.iter().enumerate() {
        let (x, y) = (n as u32 % 2 * SIDE, n as u32 / 2 * SIDE);
        image::imageops::replace(&mut sheet, &drawn(sketch, section), x.into(), y.into());
    }
    super::png(&sheet)
}

/// A square section: its middle, and the directions in which the picture's columns and rows run.
struct Section {
    middle: Point,
    right: Point,
    down: Point,
}

const LEFT: Point = [-1.0, 0.0, 0.0];
const BACK: Point = [0.0, -1.0, 0.0];
const DOWN: Point = [0.0, 0.0, -1.0];

impl Section {
    /// In the head's frame, MNI mm.
    const OF_HEAD: [Section; 4] = [
        Section { middle: [0.0, -8.0, -20.0], right: BACK, down: DOWN },
        Section { middle: [0.0, 62.0, -20.0], right: LEFT, down: DOWN },
        Section { middle: [0.0, -8.0, -42.0], right: LEFT, down: BACK },
        Section { middle: [0.0, -8.0, -86.0], right: LEFT, down: BACK },
    ];
    /// From the middle of the volume, mm of the patient.
    const OF_VOLUME: [Section; 4] = [
        Section { middle: [0.0; 3], right: BACK, down: DOWN },
        Section { middle: [0.0; 3], right: LEFT, down: DOWN },
        Section { middle: [0.0, 0.0, 30.0], right: LEFT, down: BACK },
        Section { middle: [0.0, 0.0, -30.0], right: LEFT, down: BACK },
    ];

    /// The place of a pixel, which may lie between pixels.
    fn at(&self, column: f32, row: f32) -> Point {
        let pixel = SIDE_MM / SIDE as f32;
        let (u, v) = (column - SIDE as f32 / 2.0, row - SIDE as f32 / 2.0);
        std::array::from_fn(|k| self.middle[k] + pixel * (u * self.right[k] + v * self.down[k]))
    }
}

/// Signed distances at a pixel, negative inside: of what is drawn as a line, in the order of [`LINES`].
type Depths = [f32; 4];
const LINES: [Rgb<u8>; 4] = [ENDOCRANIUM, SKIN, BRAIN, REMOVED];

fn drawn(sketch: &Sketch, section: &Section) -> RgbImage {
    let image = sketch.image();
    let window = window(image);
    let middle = middle(&image.value);
    // The frame's own coordinates, and the patient's.
    let places = |column: u32, row: u32| {
        let at = section.at(column as f32, row as f32);
        match sketch.anatomy() {
            Some(anatomy) => (at, anatomy.frame().to_patient(at)),
            None => (at, std::array::from_fn(|k| middle[k] + at[k])),
        }
    };
    // One more column and row than are drawn: lines lie between pixels.
    let width = SIDE + 1;
    let pixels: Vec<(u8, Option<Depths>)> = (0..width * width)
        .into_par_iter()
        .map(|i| {
            let (mni, patient) = places(i % width, i / width);
            let grey = image.value.sample_inside(patient).map_or(0, |value| grey(value, window));
            (grey, depths(sketch, mni, patient))
        })
        .collect();
    RgbImage::from_fn(SIDE, SIDE, |column, row| {
        let at = |column: u32, row: u32| &pixels[(row * width + column) as usize];
        let (grey, here) = at(column, row);
        let Some(here) = here else { return Rgb([*grey; 3]) };
        let crossed = |n: usize| {
            [at(column + 1, row), at(column, row + 1)]
                .iter()
                .any(|(_, there)| there.is_some_and(|there| (here[n] < 0.0) != (there[n] < 0.0)))
        };
        // Of lines that cross the last one is seen: what is removed.
        if let Some(line) = (0..LINES.len()).rev().find(|&n| crossed(n)) {
            return LINES[line];
        }
        let tinted = (f32::from(*grey) * TINT) as u8;
        if here[3] < 0.0 { Rgb([*grey, tinted, tinted]) } else { Rgb([*grey; 3]) }
    })
}

fn depths(sketch: &Sketch, mni: Point, patient: Point) -> Option<Depths> {
    let (anatomy, removed) = (sketch.anatomy()?, sketch.removed()?);
    Some([
        TEMPLATE.endocranium.distance.sample(mni),
        TEMPLATE.skin.distance.sample(mni),
        anatomy.to_brain(patient),
        removed.sample_inside(patient).map_or(f32::INFINITY, |depth| -depth),
    ])
}

fn middle(values: &Grid<f32>) -> Point {
    let l = &values.lattice;
    std::array::from_fn(|k| l.origin[k] + l.spacing * (l.size[k] - 1) as f32 / 2.0)
}

/// The values that are shown black and white.
fn window(image: &Volume) -> [f32; 2] {
    if image.contrast.is_hounsfield() {
        return WINDOW_HU;
    }
    let cells = 0..image.value.data.len();
    let mut values: Vec<f32> =
        cells.filter(|&i| image.inside.data[i]).map(|i| image.value.data[i]).collect();
    values.sort_by(f32::total_cmp);
    let at = |share: f32| values.get((share * values.len() as f32) as usize).copied();
    [at(0.0).unwrap_or(0.0), at(BRIGHTEST_SHARE).unwrap_or(1.0)]
}

fn grey(value: f32, [black, white]: [f32; 2]) -> u8 {
    // A volume of one value throughout is grey to nobody: 0 / 0 saturates to 0.
    ((value - black) / (white - black) * 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::super::tests::survey;
    use super::*;
    use crate::deface::{BodyPartHint, Finding, Level};
    use crate::phantom::Phantom;

    fn picture(sketch: &Sketch) -> RgbImage {
        image::load_from_memory(&found(sketch).unwrap()).unwrap().into_rgb8()
    }

    fn pixels(picture: &RgbImage, colour: Rgb<u8>) -> usize {
        picture.pixels().filter(|p| **p == colour).count()
    }

    #[test]
    fn all_that_was_fitted_is_drawn_over_the_image() {
        let survey = survey(&Phantom::axial(4.0), crate::deface::CELL_MM);
        let Ok(Finding::Head(head)) = survey.locate(BodyPartHint::Head) else { panic!() };
        let sketch = head.region(Level::Strict).unwrap().sketch().unwrap();
        let picture = picture(&sketch);
        assert_eq!(picture.dimensions(), (2 * SIDE, 2 * SIDE));
        for line in LINES {
            assert!(pixels(&picture, line) > 200, "{line:?}");
        }
        // Before the face all is removed, behind the head nothing is.
        let is_tinted = |x: u32, y: u32| {
            let Rgb([red, green, _]) = *picture.get_pixel(x, y);
            f32::from(green) < 0.7 * f32::from(red)
        };
        let row = SIDE / 2 + 40;
        assert!((40..60).any(|x| is_tinted(x, row)), "nose");
        assert!((SIDE - 60..SIDE).all(|x| !is_tinted(x, row)), "occiput");
    }

    #[test]
    fn a_refused_head_is_drawn_as_it_was_guessed_and_what_is_none_without_lines() {
        let phantom = Phantom::axial(4.0);
        let drawn = picture(&survey(&phantom, crate::deface::CELL_MM).sketch().unwrap());
        assert!(LINES.iter().all(|line| pixels(&drawn, *line) > 200));
        let mut ball = phantom;
        ball.slices.iter_mut().flatten().for_each(|sample| *sample = (*sample).min(1060));
        let sketch = survey(&ball, crate::deface::CELL_MM).sketch().unwrap();
        assert!(sketch.anatomy().is_none(), "no bone, no cranium");
        let drawn = picture(&sketch);
        assert!(LINES.iter().all(|line| pixels(&drawn, *line) == 0));
        assert!(drawn.pixels().any(|p| p.0[0] > 100), "but the image is there");
    }
}
