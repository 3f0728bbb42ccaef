//! What a frame says of itself besides its samples: its plane, its units, its turn.
//!
//! Single-frame objects say it in their top level (PS3.3 C.7.6.2, C.11.1), enhanced multi-frame ones
//! in functional groups, shared or of each frame (PS3.3 C.7.6.16). What is said twice, half or in a
//! form that has no place in a volume is refused.

use super::dataset::{Dataset, numbers_of, text_of};
use super::frame::{self, FrameFormat, frames_of};
use super::groups::{Groups, Item, Source};
use super::mosaic::{self, Tile};
use super::plane::{ImagePlane, PixelSpacing};
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use std::ops::RangeInclusive;

/// What a frame says of itself besides its samples.
#[derive(Clone, Debug)]
pub struct FrameFacts {
    /// Where the frame lies in the patient.
    pub plane: ImagePlane,
    /// Real-world value = stored value * slope + intercept (PS3.3 C.11.1.1.2); positive.
    pub slope: f64,
    /// In the unit of the real-world value.
    pub intercept: f64,
    /// Whether real-world values are HU: CT that says nothing else (Rescale Type (0028,1054)).
    pub hounsfield: bool,
    /// Stored values that are no measurement: Pixel Padding Value (0028,0120) to Pixel Padding Range
    /// Limit (0028,0121), PS3.3 C.7.5.1.1.2.
    pub padding: Option<RangeInclusive<i32>>,
    /// Photometric Interpretation (0028,0004) is MONOCHROME1: low values are shown bright.
    pub inverted: bool,
    /// Its turn among frames at the same position.
    pub order: Order,
    /// Which frame of the instance it is, from 0.
    pub frame: usize,
    /// Which part of the frame, if not all of it: a slice of a mosaic.
    pub tile: Option<Tile>,
}

/// The turn of a frame among those at the same position: of time, echo, diffusion weighting,
/// acquisition, instance, frame, in this order. Says what differs, not what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// Stack ID (0020,9056), all of its 16 bytes; 0 without one. Frames of different stacks are
    /// never phases of one volume.
    stack: u128,
    turn: [i64; 8],
}

impl Order {
    /// An order from what compares: the stack, 0 for none, and what differs, the most telling first.
    pub fn new(stack: u128, turn: [i64; 8]) -> Self {
        Order { stack, turn }
    }

    /// Whether both frames are of one stack, or of none.
    pub fn is_of_stack(&self, other: &Order) -> bool {
        self.stack == other.stack
    }
}

/// Why a frame has no place in a volume. Names attributes, never a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// An attribute is missing, empty, or no value that it may have.
    #[error("{0} is missing or not usable: the frame has no place in a volume")]
    Attribute(&'static str),
    /// The attributes don't make a plane.
    #[error(transparent)]
    Plane(#[from] super::plane::Error),
    /// Two places say it.
    #[error("{0} stands outside the functional groups, too: two readers would see two planes")]
    Twice(&'static str),
    /// A sequence of functional groups hasn't the items that it must have.
    #[error("{0} has another number of items than PS3.3 C.7.6.16 wants")]
    Items(&'static str),
    /// Stored values become others by a table.
    #[error(
        "Modality LUT Sequence (0028,3000) is not supported: have the device send rescaled values"
    )]
    Lookup,
    /// A range of padding that hides tissue.
    #[error(
        "Pixel Padding Range Limit (0028,0121) makes padding of values that tissue has: what it hides cannot be seen"
    )]
    Padding,
    /// Many slices tiled in one frame, and not certain which is where.
    #[error("Image Type (0008,0008) says that the frame is a mosaic of slices; {0}")]
    Mosaic(&'static str),
    /// The pixels are no grayscale frames.
    #[error(transparent)]
    Format(#[from] frame::Error),
}

impl FrameFacts {
    /// Reads what an image says of each of its frames, in their order; of a single-frame image: one,
    /// or of a mosaic one for each of its tiles.
    ///
    /// # Errors
    /// [`FactsError`].
    pub fn of(dataset: &Dataset) -> Result<Vec<FrameFacts>, FactsError> {
        let common = Common::of(dataset)?;
        let groups = Groups::of(dataset, common.frames)?;
        if mosaic::is_one(dataset) {
            if groups.is_some() {
                return Err(FactsError::Mosaic("it has functional groups, too"));
            }
            let whole = common.frame(&Source::Top(dataset.object()), 0)?;
            let tiles = mosaic::tiles(dataset, &common.format, &whole.plane)?.into_iter();
            let tile = |(tile, plane)| FrameFacts { plane, tile: Some(tile), ..whole.clone() };
            return Ok(tiles.map(tile).collect());
        }
        (0..common.frames)
            .map(|frame| match &groups {
                None => common.frame(&Source::Top(dataset.object()), frame),
                Some(groups) => common.frame(&groups.of_frame(frame), frame),
            })
            .collect()
    }

    /// Real-world values that frames of this format can have: smallest and largest.
    pub fn real_range(&self, format: &FrameFormat) -> (f64, f64) {
        let (low, high) = format.range();
        let real = |stored: i32| f64::from(stored) * self.slope + self.intercept;
        (real(low), real(high))
    }
}

/// What is the same for all frames of an instance.
struct Common {
    format: FrameFormat,
    frames: usize,
    computed_tomography: bool,
    padding: Option<RangeInclusive<i32>>,
    inverted: bool,
    /// Instance Number (0020,0013).
    instance: i64,
    /// Concatenation Frame Offset Number (0020,9228): frames before this instance's first, where
    /// several instances carry one after the other.
    offset: Option<i64>,
}

/// Classes whose stored values are rescaled to HU and must say how (PS3.3 C.8.2.1, C.8.15.3.10).
const COMPUTED_TOMOGRAPHY: [&str; 3] = [
    uids::CT_IMAGE_STORAGE,
    uids::ENHANCED_CT_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE,
];

impl Common {
    fn of(dataset: &Dataset) -> Result<Self, FactsError> {
        if dataset.has(tags::MODALITY_LUT_SEQUENCE) {
            return Err(FactsError::Lookup);
        }
        let format = FrameFormat::of(dataset)?;
        let class = dataset.text(tags::SOP_CLASS_UID).unwrap_or_default();
        let modality = dataset.text(tags::MODALITY);
        let photometric = dataset.text(tags::PHOTOMETRIC_INTERPRETATION);
        Ok(Common {
            format,
            frames: frames_of(dataset)?,
            computed_tomography: COMPUTED_TOMOGRAPHY.contains(&class.as_str())
                || modality.as_deref() == Some("CT"),
            padding: padding(dataset, &format)?,
            inverted: photometric.as_deref() == Some("MONOCHROME1"),
            instance: thousandths(dataset.number(tags::INSTANCE_NUMBER)),
            offset: dataset
                .number(tags::CONCATENATION_FRAME_OFFSET_NUMBER)
                .map(|offset| offset as i64),
        })
    }

    fn frame(&self, source: &Source<'_>, frame: usize) -> Result<FrameFacts, FactsError> {
        let (slope, intercept, said) = self.rescale(source)?;
        let hounsfield = self.computed_tomography
            && said.as_deref().is_none_or(|kind| HOUNSFIELD.contains(&kind));
        if let Some(range) = self.padding.as_ref().filter(|range| range.start() != range.end()) {
            let real = |stored: &i32| f64::from(*stored) * slope + intercept;
            let outside = real(range.end()) <= TISSUE_HU.0 || real(range.start()) >= TISSUE_HU.1;
            if !(hounsfield && outside) {
                return Err(FactsError::Padding);
            }
        }
        Ok(FrameFacts {
            plane: self.plane(source)?,
            slope,
            intercept,
            hounsfield,
            padding: self.padding.clone(),
            inverted: self.inverted,
            order: self.order(source, frame)?,
            frame,
            tile: None,
        })
    }

    fn plane(&self, source: &Source<'_>) -> Result<ImagePlane, FactsError> {
        let position = source.macro_of(&PLANE_POSITION)?;
        let orientation = source.macro_of(&PLANE_ORIENTATION)?;
        let measures = source.macro_of(&PIXEL_MEASURES)?;
        let origin = numbers(position, &POSITION)?;
        let [a, b, c, d, e, f] = numbers(orientation, &ORIENTATION)?;
        let [between_rows, between_columns] = numbers(measures, &SPACING)?;
        let spacing = PixelSpacing { between_rows, between_columns };
        let (rows, columns) = (u32::from(self.format.rows), u32::from(self.format.columns));
        Ok(ImagePlane::new(origin, [a, b, c], [d, e, f], spacing, rows, columns)?)
    }

    /// Slope, intercept and Rescale Type. Without any in other modalities than CT: stored values.
    fn rescale(&self, source: &Source<'_>) -> Result<(f64, f64, Option<String>), FactsError> {
        let from = source.macro_of(&VALUE_TRANSFORMATION)?;
        let says = |(tag, _): &Named| from.is_some_and(|item| item.get(*tag).is_some());
        if !says(&SLOPE) && !says(&INTERCEPT) && !self.computed_tomography {
            return Ok((1.0, 0.0, None));
        }
        let ([slope], [intercept]) = (numbers(from, &SLOPE)?, numbers(from, &INTERCEPT)?);
        if slope <= 0.0 || slope > RESCALE_MAX {
            return Err(FactsError::Attribute(SLOPE.1));
        }
        if intercept.abs() > RESCALE_MAX {
            return Err(FactsError::Attribute(INTERCEPT.1));
        }
        Ok((slope, intercept, from.and_then(|item| text_of(item.get(tags::RESCALE_TYPE)?))))
    }

    fn order(&self, source: &Source<'_>, frame: usize) -> Result<Order, FactsError> {
        let content = source.macro_of(&FRAME_CONTENT)?;
        let number = |item: Option<&Item>, tag| {
            thousandths(item.and_then(|item| numbers_of(item.get(tag)?).first().copied()))
        };
        let stack = content.and_then(|item| text_of(item.get(tags::STACK_ID)?)).unwrap_or_default();
        let turn = match source {
            Source::Top(item) => [
                number(Some(item), tags::TEMPORAL_POSITION_IDENTIFIER),
                number(Some(item), tags::TRIGGER_TIME),
                number(Some(item), tags::ECHO_NUMBERS),
                number(Some(item), tags::ECHO_TIME),
                number(Some(item), tags::DIFFUSION_B_VALUE),
                number(Some(item), tags::ACQUISITION_NUMBER),
                self.instance,
                0,
            ],
            Source::Groups { .. } => [
                number(content, tags::TEMPORAL_POSITION_INDEX),
                number(source.macro_of(&CARDIAC)?, tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME),
                number(source.macro_of(&ECHO)?, tags::EFFECTIVE_ECHO_TIME),
                0,
                number(source.macro_of(&DIFFUSION)?, tags::DIFFUSION_B_VALUE),
                number(content, tags::FRAME_ACQUISITION_NUMBER),
                if self.offset.is_some() { 0 } else { self.instance },
                self.offset.unwrap_or(0).saturating_add(frame as i64),
            ],
        };
        let packed = stack.bytes().take(16).fold(0_u128, |all, byte| all << 8 | u128::from(byte));
        Ok(Order::new(packed, turn))
    }
}

/// A functional group macro or attribute, and how messages call it.
type Named = (Tag, &'static str);

const PLANE_POSITION: Named =
    (tags::PLANE_POSITION_SEQUENCE, "Plane Position Sequence (0020,9113)");
const PLANE_ORIENTATION: Named =
    (tags::PLANE_ORIENTATION_SEQUENCE, "Plane Orientation Sequence (0020,9116)");
const PIXEL_MEASURES: Named =
    (tags::PIXEL_MEASURES_SEQUENCE, "Pixel Measures Sequence (0028,9110)");
const VALUE_TRANSFORMATION: Named =
    (tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, "Pixel Value Transformation Sequence (0028,9145)");
const FRAME_CONTENT: Named = (tags::FRAME_CONTENT_SEQUENCE, "Frame Content Sequence (0020,9111)");
const CARDIAC: Named =
    (tags::CARDIAC_SYNCHRONIZATION_SEQUENCE, "Cardiac Synchronization Sequence (0018,9118)");
const ECHO: Named = (tags::MR_ECHO_SEQUENCE, "MR Echo Sequence (0018,9114)");
const DIFFUSION: Named = (tags::MR_DIFFUSION_SEQUENCE, "MR Diffusion Sequence (0018,9117)");

const POSITION: Named = (tags::IMAGE_POSITION_PATIENT, "Image Position (Patient) (0020,0032)");
const ORIENTATION: Named =
    (tags::IMAGE_ORIENTATION_PATIENT, "Image Orientation (Patient) (0020,0037)");
const SPACING: Named = (tags::PIXEL_SPACING, "Pixel Spacing (0028,0030)");
const SLOPE: Named = (tags::RESCALE_SLOPE, "Rescale Slope (0028,1053)");
const INTERCEPT: Named = (tags::RESCALE_INTERCEPT, "Rescale Intercept (0028,1052)");

/// Rescale Types (0028,1054) of HU, the second of multi-energy CT (PS3.3 C.11.1.1.2).
const HOUNSFIELD: [&str; 2] = ["HU", "HU_MOD"];
/// No device rescales by more.
const RESCALE_MAX: f64 = 1e9;
/// Values between which a range of padding would hide tissue, in HU: from fat, generously, to more
/// than enamel.
const TISSUE_HU: (f64, f64) = (-500.0, 3500.0);

/// Exactly so many numbers, all finite: those who compare them need not think of NaN.
fn numbers<const N: usize>(from: Option<&Item>, named: &Named) -> Result<[f64; N], FactsError> {
    let missing = FactsError::Attribute(named.1);
    let element = from.and_then(|item| item.get(named.0)).ok_or(missing)?;
    let numbers = <[f64; N]>::try_from(numbers_of(element)).map_err(|_| missing)?;
    if numbers.iter().all(|n| n.is_finite()) { Ok(numbers) } else { Err(missing) }
}

/// A number that orders: in thousandths, as whole ones compare the same everywhere.
fn thousandths(number: Option<f64>) -> i64 {
    // `as` saturates, and makes 0 of a NaN.
    (number.unwrap_or(0.0) * 1000.0).round() as i64
}

/// Padding as stored values. Writers mistake the VR: the word counts, read like a sample.
fn padding(
    dataset: &Dataset,
    format: &FrameFormat,
) -> Result<Option<RangeInclusive<i32>>, FactsError> {
    let stored = |tag: Tag, name| {
        let number = match dataset.has(tag).then(|| dataset.number(tag)).flatten() {
            None => return Ok(None),
            Some(number) => number,
        };
        let word = number as i64;
        if number.fract() != 0.0 || !(-0x8000..=0xffff).contains(&word) {
            return Err(FactsError::Attribute(name));
        }
        let word = word as u16;
        Ok(Some(if format.signed { i32::from(word as i16) } else { i32::from(word) }))
    };
    let value = stored(tags::PIXEL_PADDING_VALUE, "Pixel Padding Value (0028,0120)")?;
    let limit = stored(tags::PIXEL_PADDING_RANGE_LIMIT, "Pixel Padding Range Limit (0028,0121)")?;
    Ok(value.map(|value| {
        let limit = limit.unwrap_or(value);
        value.min(limit)..=value.max(limit)
    }))
}

#[cfg(test)]
mod tests;
