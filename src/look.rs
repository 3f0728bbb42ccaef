//! One slice of what is inside, drawn for a person who may look: as it came and, where a parcel is there, as it leaves.
//!
//! Everything is read that a sender can have made to break readers. So this runs in a process that has these files and
//! nothing else (`isolation/looker.rs`), and what it gives away is pixels, of which somebody else makes a picture.

use crate::dicom::canonical::{Limits, Malformed};
use crate::dicom::dataset::{Dataset, ParseError};
use crate::dicom::frame::FRAMES_MAX;
use crate::dicom::part10;
use crate::dicom::source::Source;
use crate::disk;
use crate::pixel::{self, Preview, Stored};
use crate::spool::entry::{Damage, Entry};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// Pixels between the pictures of before and after.
const GAP: u32 = 8;
/// Bytes of the largest picture of a surface that is read.
const SURFACE_BYTES_MAX: u64 = 64 << 20;

/// What is to be drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// A slice of instances.
    Slice {
        /// Each instance as it came, and, where there is one, its parcel.
        instances: Vec<(PathBuf, Option<PathBuf>)>,
        /// Which, counted from 1 over all frames: by series, from one end of it to the other.
        slice: u64,
    },
    /// A picture that a stage has drawn.
    Surface(PathBuf),
}

/// What it looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Pixels of a row.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
    /// Red, green and blue of each pixel, row by row.
    pub bytes: Vec<u8>,
    /// How many slices there are.
    pub of: u64,
}

/// Why it is not drawn. Says no value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fewer slices.
    #[error("there are {0} slices")]
    Fewer(u64),
    /// The entry is not what was received.
    #[error("{0}")]
    Damage(#[from] Damage),
    /// A parcel is not what was made.
    #[error("the parcel: {0}")]
    Parcel(#[from] part10::Error),
    /// Not a well-formed data set.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// Nor one that can be taken.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// No image.
    #[error("it is no image")]
    NoPixels,
    /// Its pixels cannot be shown.
    #[error("{0}")]
    Pixels(#[from] pixel::Error),
    /// The picture of a surface is none.
    #[error("the picture beside it cannot be read")]
    Surface,
}

/// Draws it.
///
/// # Errors
/// [`Error`].
pub fn draw(wanted: &Wanted) -> Result<Drawn, Error> {
    match wanted {
        Wanted::Slice { instances, slice } => draw_slice(instances, *slice),
        Wanted::Surface(path) => draw_surface(path),
    }
}

fn draw_slice(instances: &[(PathBuf, Option<PathBuf>)], slice: u64) -> Result<Drawn, Error> {
    let mut places: Vec<Place> =
        instances.par_iter().enumerate().map(|(n, (entry, _))| Place::of(n, entry)).collect();
    places.sort_by(Place::order);
    let of = places.iter().map(|place| place.frames).sum();
    let mut before = slice.checked_sub(1).ok_or(Error::Fewer(of))?;
    for place in &places {
        if before < place.frames {
            let (entry, parcel) = &instances[place.number];
            let shown = preview(&Entry::open(entry)?.source(), before)?;
            let parcel = parcel.as_ref().map(|path| preview(&Source::of_file(path)?, before));
            return Ok(side_by_side(&[Some(shown), parcel.transpose()?], of));
        }
        before -= place.frames;
    }
    Err(Error::Fewer(of))
}

/// Where an instance is among the others.
struct Place {
    number: usize,
    series: String,
    /// In mm along the normal of its plane, or its Instance Number (0020,0013).
    along: f64,
    frames: u64,
}

impl Place {
    /// What cannot be read is one slice, behind the others, so that somebody can ask what is wrong with it.
    fn of(number: usize, entry: &Path) -> Self {
        let limits = Limits { stop_after: tags::NUMBER_OF_FRAMES, ..Limits::default() };
        let read = || {
            let header = Entry::open(entry).ok()?.source().header(limits).ok()?;
            Dataset::parse(&header.bytes).ok()
        };
        let Some(dataset) = read() else {
            return Place { number, series: "~".to_owned(), along: 0.0, frames: 1 };
        };
        let frames = dataset.number(tags::NUMBER_OF_FRAMES).unwrap_or(1.0);
        Place {
            number,
            series: dataset.text(tags::SERIES_INSTANCE_UID).unwrap_or_default(),
            along: along(&dataset),
            frames: (frames as u64).clamp(1, FRAMES_MAX as u64),
        }
    }

    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let by_series = self.series.cmp(&other.series);
        by_series.then(self.along.total_cmp(&other.along)).then(self.number.cmp(&other.number))
    }
}

fn along(dataset: &Dataset) -> f64 {
    let position = dataset.numbers(tags::IMAGE_POSITION_PATIENT);
    let plane = dataset.numbers(tags::IMAGE_ORIENTATION_PATIENT);
    match (position.as_slice(), plane.as_slice()) {
        (&[x, y, z], &[rx, ry, rz, cx, cy, cz]) => {
            x * (ry * cz - rz * cy) + y * (rz * cx - rx * cz) + z * (rx * cy - ry * cx)
        }
        _ => dataset.number(tags::INSTANCE_NUMBER).unwrap_or(0.0),
    }
}

fn preview(source: &Source, frame: u64) -> Result<Preview, Error> {
    let limits = Limits { stop_after: Tag(0x7FE0, 0xFFFF), ..Limits::default() };
    let header = source.header(limits)?;
    let span = header.pixels.ok_or(Error::NoPixels)?;
    let dataset = Dataset::parse(&header.bytes)?;
    let transfer_syntax = source.transfer_syntax();
    let stored = Stored { dataset: &dataset, span, transfer_syntax };
    let mut reader = source.reader().map_err(pixel::Error::Io)?;
    Ok(Preview::of(&stored, &mut reader, frame as u32)?)
}

fn side_by_side(pictures: &[Option<Preview>; 2], of: u64) -> Drawn {
    let there: Vec<&Preview> = pictures.iter().flatten().collect();
    let gaps = GAP * (there.len() as u32).saturating_sub(1);
    let columns = there.iter().map(|picture| picture.columns).sum::<u32>() + gaps;
    let rows = there.iter().map(|picture| picture.rows).max().unwrap_or(0);
    let mut bytes = vec![0; columns as usize * rows as usize * 3];
    let mut left = 0;
    for picture in there {
        let samples = usize::from(picture.samples);
        let width = picture.columns as usize;
        for (row, line) in picture.bytes.chunks_exact(width * samples).enumerate() {
            let start = (row * columns as usize + left) * 3;
            let target = bytes[start..start + width * 3].chunks_exact_mut(3);
            for (target, pixel) in target.zip(line.chunks_exact(samples)) {
                match pixel {
                    [grey] => target.fill(*grey),
                    pixel => target.copy_from_slice(pixel),
                }
            }
        }
        left += width + GAP as usize;
    }
    Drawn { columns, rows, bytes, of }
}

fn draw_surface(path: &Path) -> Result<Drawn, Error> {
    let mut file = Vec::new();
    let read = disk::open(path).and_then(|f| f.take(SURFACE_BYTES_MAX).read_to_end(&mut file));
    read.map_err(|_| Error::Surface)?;
    let format = image::ImageFormat::Png;
    let picture = image::load(Cursor::new(file), format).map_err(|_| Error::Surface)?.into_rgb8();
    let (columns, rows) = picture.dimensions();
    Ok(Drawn { columns, rows, bytes: picture.into_raw(), of: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_and_after_stand_side_by_side() {
        let grey = Preview { columns: 2, rows: 1, samples: 1, bytes: vec![5, 6] };
        let colour = Preview { columns: 1, rows: 2, samples: 3, bytes: vec![1, 2, 3, 4, 5, 6] };
        let drawn = side_by_side(&[Some(grey.clone()), Some(colour)], 9);
        assert_eq!((drawn.columns, drawn.rows, drawn.of), (2 + GAP + 1, 2, 9));
        let pixel = |column: usize, row: usize| {
            let at = (row * drawn.columns as usize + column) * 3;
            &drawn.bytes[at..at + 3]
        };
        assert_eq!(
            (pixel(1, 0), pixel(10, 0), pixel(10, 1)),
            (&[6, 6, 6][..], &[1, 2, 3][..], &[4, 5, 6][..])
        );
        assert_eq!(pixel(0, 1), [0; 3], "one is not as high as the other");
        assert_eq!(side_by_side(&[Some(grey), None], 1).columns, 2);
    }
}
