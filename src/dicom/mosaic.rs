//! Siemens mosaics: the slices of a volume as tiles of one frame, row by row from the top left.
//!
//! The header describes the frame as if it were one plane with the centre of the first slice: its
//! Image Position (Patient) is that of a corner where no voxel is. How many tiles there are and on
//! which side of the first the others lie stands in private elements. SPM, nibabel and dcm2niix
//! read them in this way.

use super::csa;
use super::dataset::{Dataset, Element, numbers_of, text_of};
use super::facts::FactsError;
use super::frame::FrameFormat;
use super::plane::{ImagePlane, PixelSpacing, dot};
use dicom_core::Tag;
use dicom_core::value::Value;
use dicom_dictionary_std::tags;

/// One slice within a frame, in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Columns before it.
    pub left: usize,
    /// Rows above it.
    pub top: usize,
    /// Its columns.
    pub columns: usize,
    /// Its rows.
    pub rows: usize,
}

/// Elements of "SIEMENS MR HEADER" and "SIEMENS CSA HEADER", without their block.
const MR_HEADER: (u16, &str) = (0x0019, "SIEMENS MR HEADER");
const NUMBER_OF_IMAGES: u16 = 0x0a;
const CSA_HEADER: (u16, &str) = (0x0029, "SIEMENS CSA HEADER");
const IMAGE_HEADER_INFO: u16 = 0x10;

/// The normal in the private header is that of the plane, or its opposite, within this (cosine).
const NORMAL_TOLERANCE: f64 = 1e-3;
/// More tiles than any mosaic has.
const TILES_MAX: f64 = 1024.0;
/// Distances between slices that a scanner produces, in mm.
const STEP_MM: std::ops::RangeInclusive<f64> = 0.05..=50.0;

/// Whether an image says that it is a mosaic.
pub fn is_one(dataset: &Dataset) -> bool {
    dataset.texts(tags::IMAGE_TYPE).iter().any(|value| value.eq_ignore_ascii_case("MOSAIC"))
}

/// The tiles of a mosaic and where they lie in the patient, in their order. `whole` is the plane that
/// the header describes.
///
/// # Errors
/// [`FactsError::Mosaic`] when not all of it is certain.
pub fn tiles(
    dataset: &Dataset,
    format: &FrameFormat,
    whole: &ImagePlane,
) -> Result<Vec<(Tile, ImagePlane)>, FactsError> {
    let header = private(dataset, CSA_HEADER, IMAGE_HEADER_INFO).and_then(bytes);
    let count = count(dataset, header.as_deref())?;
    let side = (1..=count).find(|side| side * side >= count).unwrap_or(1);
    let (rows, columns) = (usize::from(format.rows), usize::from(format.columns));
    if rows % side != 0 || columns % side != 0 {
        return Err(FactsError::Mosaic("its sides are no multiples of its tiles'"));
    }
    let step = dataset.number(tags::SPACING_BETWEEN_SLICES).filter(|mm| STEP_MM.contains(mm));
    let step = step.ok_or(FactsError::Mosaic("no Spacing Between Slices (0018,0088)"))?;
    let normal = normal(header.as_deref(), whole)?;
    let tile = Tile { left: 0, top: 0, columns: columns / side, rows: rows / side };
    let PixelSpacing { between_rows, between_columns } = whole.spacing();
    // The centre is right: the corner of the first slice lies as far from it as a tile's does.
    let right = (columns - tile.columns) as f64 / 2.0 * between_columns;
    let down = (rows - tile.rows) as f64 / 2.0 * between_rows;
    let place = |n: usize| {
        let (origin, row, column) = (whole.origin(), whole.row(), whole.column());
        let up = n as f64 * step;
        let origin =
            std::array::from_fn(|k| origin[k] + right * row[k] + down * column[k] + up * normal[k]);
        let (height, width) = (tile.rows as u32, tile.columns as u32);
        let plane = ImagePlane::new(origin, row, column, whole.spacing(), height, width)?;
        let (left, top) = (n % side * tile.columns, n / side * tile.rows);
        Ok((Tile { left, top, ..tile }, plane))
    };
    (0..count).map(place).collect()
}

/// Number of tiles: of the two elements that say it at least one, and both the same.
fn count(dataset: &Dataset, header: Option<&[u8]>) -> Result<usize, FactsError> {
    let element = private(dataset, MR_HEADER, NUMBER_OF_IMAGES).map(|value| match bytes(value) {
        // Of unknown representation: the word of US.
        Some(bytes) => <[u8; 2]>::try_from(bytes).ok().map(|word| u16::from_le_bytes(word).into()),
        None => numbers_of(value).first().copied(),
    });
    let entry = header.and_then(|header| csa::values(header, "NumberOfImagesInMosaic"));
    let entry = entry.map(|values| values.first().and_then(|value| value.parse::<f64>().ok()));
    let unclear = FactsError::Mosaic("the number of its tiles is not certain");
    let counts: Option<Vec<f64>> = element.into_iter().chain(entry).collect();
    let counts = counts.ok_or(unclear)?;
    let count = *counts.first().ok_or(unclear)?;
    let certain = counts.iter().all(|&other| other == count)
        && count.fract() == 0.0
        && (1.0..=TILES_MAX).contains(&count);
    if certain { Ok(count as usize) } else { Err(unclear) }
}

/// The unit vector from one slice to the next.
fn normal(header: Option<&[u8]>, plane: &ImagePlane) -> Result<[f64; 3], FactsError> {
    let said = header.and_then(|header| csa::values(header, "SliceNormalVector"));
    let said: Option<Vec<f64>> =
        said.and_then(|values| values.iter().map(|value| value.parse().ok()).collect());
    let said = said.and_then(|values| <[f64; 3]>::try_from(values).ok());
    let unclear = FactsError::Mosaic("the direction of its slices is not certain");
    let (said, normal) = (said.ok_or(unclear)?, plane.normal());
    let along = dot(said, normal);
    // Written so that a NaN refuses.
    if !((along.abs() - 1.0).abs() <= NORMAL_TOLERANCE
        && (dot(said, said) - 1.0).abs() <= NORMAL_TOLERANCE)
    {
        return Err(unclear);
    }
    Ok(normal.map(|c| if along > 0.0 { c } else { -c }))
}

/// The element of a private block (PS3.5 7.8.1), if exactly one block has this creator.
fn private<'a>(
    dataset: &'a Dataset,
    (group, creator): (u16, &str),
    element: u16,
) -> Option<&'a Element> {
    // Of Implicit VR, creators are of unknown representation like all private elements.
    let text = |element: &Element| match bytes(element) {
        Some(bytes) => Some(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
        None => text_of(element),
    };
    let is_its = |block: &u16| {
        let element = dataset.object().get(Tag(group, *block));
        element.and_then(text).is_some_and(|text| text.eq_ignore_ascii_case(creator))
    };
    let mut blocks = (0x10..=0xff_u16).filter(is_its);
    let block = blocks.next()?;
    if blocks.next().is_some() {
        return None;
    }
    dataset.object().get(Tag(group, block << 8 | element))
}

/// The bytes of an element of representation OB or UN.
fn bytes(element: &Element) -> Option<Vec<u8>> {
    let is_bytes = matches!(element.vr(), dicom_core::VR::OB | dicom_core::VR::UN);
    let Value::Primitive(value) = element.value() else { return None };
    is_bytes.then(|| value.to_bytes().into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::csa::tests::header;
    use super::*;
    use dicom_core::{DataElement, PrimitiveValue, VR};

    const FORMAT: FrameFormat =
        FrameFormat { rows: 8, columns: 12, bits_allocated: 16, bits_stored: 12, signed: false };

    fn whole() -> ImagePlane {
        let spacing = PixelSpacing { between_rows: 2.0, between_columns: 1.0 };
        let (row, column) = ([1.0, 0.0, 0.0], [0.0, 0.0, -1.0]);
        ImagePlane::new([-10.0, 5.0, 100.0], row, column, spacing, 8, 12).unwrap()
    }

    fn mosaic(count: Option<u16>, entries: &[(&str, &[&str])]) -> Dataset {
        let mut dataset = Dataset::new();
        if let Some(count) = count {
            dataset.put_text(Tag(0x0019, 0x0011), VR::LO, "SIEMENS MR HEADER");
            let count = PrimitiveValue::from(count);
            dataset.put(DataElement::new(Tag(0x0019, 0x110a), VR::US, count));
        }
        dataset.put_text(Tag(0x0029, 0x0010), VR::LO, "SIEMENS CSA HEADER");
        let header = PrimitiveValue::from(header(entries));
        dataset.put(DataElement::new(Tag(0x0029, 0x1010), VR::OB, header));
        dataset.put_text(tags::SPACING_BETWEEN_SLICES, VR::DS, "3");
        dataset
    }

    const UP: (&str, &[&str]) = ("SliceNormalVector", &["0", "1", "0"]);
    const DOWN: (&str, &[&str]) = ("SliceNormalVector", &["0", "-1", "0"]);

    #[test]
    fn tiles_lie_along_the_normal_that_the_device_says() {
        let mut implicit = mosaic(Some(3), &[UP]);
        let creator = PrimitiveValue::from(b"SIEMENS MR HEADER ".to_vec());
        implicit.put(DataElement::new(Tag(0x0019, 0x0011), VR::UN, creator));
        let three = PrimitiveValue::from(vec![3_u8, 0]);
        implicit.put(DataElement::new(Tag(0x0019, 0x110a), VR::UN, three));
        assert_eq!(tiles(&implicit, &FORMAT, &whole()).unwrap().len(), 3);

        let found = tiles(&mosaic(Some(3), &[UP]), &FORMAT, &whole()).unwrap();
        let corners: Vec<_> = found.iter().map(|(tile, _)| (tile.left, tile.top)).collect();
        assert_eq!(corners, [(0, 0), (6, 0), (0, 4)]);
        let origins: Vec<_> = found.iter().map(|(_, plane)| plane.origin()).collect();
        assert_eq!(origins, [[-7.0, 5.0, 96.0], [-7.0, 8.0, 96.0], [-7.0, 11.0, 96.0]]);
        assert_eq!((found[0].1.rows(), found[0].1.columns()), (4, 6));
        let down = tiles(&mosaic(Some(3), &[DOWN]), &FORMAT, &whole()).unwrap();
        assert_eq!(down[1].1.origin(), [-7.0, 2.0, 96.0]);
    }

    #[test]
    fn what_is_not_certain_is_refused() {
        let refused = |dataset: &Dataset| {
            let found = tiles(dataset, &FORMAT, &whole());
            matches!(found, Err(FactsError::Mosaic(_)))
        };
        let three: (&str, &[&str]) = ("NumberOfImagesInMosaic", &["3"]);
        assert!(!refused(&mosaic(None, &[UP, three])) && !refused(&mosaic(Some(3), &[UP, three])));
        assert!(refused(&mosaic(Some(2), &[UP, three])), "two numbers");
        assert!(refused(&mosaic(None, &[UP])), "none");
        assert!(refused(&mosaic(Some(0), &[UP])));
        assert!(refused(&mosaic(Some(5), &[UP])), "8 rows in 3 tiles");
        assert!(refused(&mosaic(Some(3), &[])), "no direction");
        for askew in [["0", "0.5", "0"], ["1", "0", "0"], ["0", "NaN", "0"], ["0", "1", "1"]] {
            assert!(refused(&mosaic(Some(3), &[("SliceNormalVector", &askew)])));
        }
        let mut none = mosaic(Some(3), &[UP]);
        none.remove(tags::SPACING_BETWEEN_SLICES);
        assert!(refused(&none), "no distance");
        let mut others = mosaic(Some(3), &[UP]);
        others.put_text(Tag(0x0019, 0x0011), VR::LO, "GEMS_ACQU_01");
        assert!(refused(&others), "an element of somebody else");
        let mut twice = mosaic(Some(3), &[UP]);
        twice.put_text(Tag(0x0019, 0x0012), VR::LO, "SIEMENS MR HEADER");
        assert!(refused(&twice), "two blocks of one creator");
    }
}
