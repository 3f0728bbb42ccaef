//! The plan for the pixels of one object, and its execution.

use super::Error;
use super::coded::{Coded, Coding, loses};
use super::form::{Form, Photometric};
use super::fragments::{self, Index};
use super::regions::{Brush, Frames, Region};
use super::single_bits::{Packer, Unpacker};
use crate::dicom::canonical::PixelSpan;
use crate::dicom::dataset::Dataset;
use crate::dicom::part10;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Pixels as they were received.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    /// The header.
    pub dataset: &'a Dataset,
    /// Where they are.
    pub span: PixelSpan,
    /// The transfer syntax of the source.
    pub transfer_syntax: &'a str,
}

/// What becomes of the pixels of one object.
#[derive(Debug)]
pub struct Treatment {
    span: PixelSpan,
    way: Way,
    blanked: bool,
    header: HeaderChanges,
}

#[derive(Debug)]
enum Way {
    /// Native pixels stay so.
    Native { form: Form, brush: Option<Brush> },
    /// Codestreams stay, cleaned.
    Copied { coded: Coded, index: Index, lengths: Vec<u32>, table: bool },
    /// Codestreams are decoded and leave native.
    Decoded { coded: Coded, index: Index, form: Form, brush: Option<Brush> },
}

/// What the header must say of treated pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// Photometric Interpretation (0028,0004), where it is another.
    pub photometric: Option<Photometric>,
    /// Planar Configuration (0028,0006) becomes 0.
    pub interleaved: bool,
    /// Lossy Image Compression (0028,2110) becomes 01: what was lost stays lost.
    pub lossy: bool,
    /// What was said about the smallest and largest samples goes: some samples are others.
    pub other_samples: bool,
}

/// True only of the source's fragments, optional, and other places to write in: the Extended Offset
/// Table and the total length of the fragments.
const OF_THE_FRAGMENTS: [Tag; 3] = [
    tags::EXTENDED_OFFSET_TABLE,
    tags::EXTENDED_OFFSET_TABLE_LENGTHS,
    tags::ENCAPSULATED_PIXEL_DATA_VALUE_TOTAL_LENGTH,
];

/// Extremes of the samples, all optional (PS3.3 C.7.6.3, C.7.3.1): of valid ones, of the image, of the
/// series, of a plane; the first and the last are retired.
const OF_THE_SAMPLES: [Tag; 8] = [
    Tag(0x0028, 0x0104),
    Tag(0x0028, 0x0105),
    tags::SMALLEST_IMAGE_PIXEL_VALUE,
    tags::LARGEST_IMAGE_PIXEL_VALUE,
    tags::SMALLEST_PIXEL_VALUE_IN_SERIES,
    tags::LARGEST_PIXEL_VALUE_IN_SERIES,
    Tag(0x0028, 0x0110),
    Tag(0x0028, 0x0111),
];

impl HeaderChanges {
    /// Those for frames that are made here from a source of this transfer syntax.
    pub fn of_made_frames(dataset: &Dataset, transfer_syntax: &str) -> Self {
        let said = dataset.text(tags::LOSSY_IMAGE_COMPRESSION);
        let lossy = loses(transfer_syntax, said.as_deref());
        HeaderChanges { lossy, other_samples: true, ..HeaderChanges::default() }
    }

    /// Applies them. What is true only of the source's fragments always goes.
    pub fn apply(&self, dataset: &mut Dataset) {
        OF_THE_FRAGMENTS.iter().for_each(|&tag| dataset.remove(tag));
        if self.other_samples {
            OF_THE_SAMPLES.iter().for_each(|&tag| dataset.remove(tag));
        }
        if let Some(term) = self.photometric.and_then(Photometric::name) {
            dataset.put_text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, term);
        }
        if self.interleaved {
            let interleaved = PrimitiveValue::from(0_u16);
            dataset.put(DataElement::new(tags::PLANAR_CONFIGURATION, VR::US, interleaved));
        }
        if self.lossy {
            dataset.put_text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
        }
    }
}

impl Treatment {
    /// Plans what becomes of the pixels of an object. `regions` are blanked; every one has to fit.
    ///
    /// Native pixels aren't read. Codestreams are walked, and decoded where they could hold more
    /// than Bits Stored.
    ///
    /// # Errors
    /// [`Error`]: the object stays inside.
    pub fn plan(
        stored: &Stored<'_>,
        source: &mut (impl Read + Seek),
        regions: &[(Region, Frames)],
    ) -> Result<Self, Error> {
        let Stored { dataset, span, transfer_syntax } = *stored;
        let coding = Coding::of(transfer_syntax)?;
        let form = Form::of(dataset, &span)?;
        match (coding, span.encapsulated) {
            (None, false) => plan_native(form, span, regions),
            (Some(coding), true) => {
                let coded = Coded { coding, form, transfer_syntax: transfer_syntax.to_owned() };
                let has_extended_table = dataset.has(tags::EXTENDED_OFFSET_TABLE);
                plan_coded(coded, span, has_extended_table, source, regions)
            }
            _ => Err(Error::Form("the transfer syntax is of another kind of pixels")),
        }
    }

    /// The transfer syntax in which the pixels leave.
    pub fn transfer_syntax(&self) -> &str {
        match &self.way {
            Way::Copied { coded, .. } => &coded.transfer_syntax,
            Way::Native { .. } | Way::Decoded { .. } => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        }
    }

    /// What the header must say.
    pub fn header(&self) -> &HeaderChanges {
        &self.header
    }

    /// Whether regions are blanked: the image is another one then. Dropping what no viewer shows
    /// doesn't make it another one.
    pub fn blanks(&self) -> bool {
        self.blanked
    }

    /// Writes the element, header and value, in Explicit VR Little Endian. `source` is the one of
    /// the plan.
    ///
    /// # Errors
    /// [`Error`]: what was written is worth nothing.
    pub fn write(
        &self,
        source: &mut (impl Read + Seek),
        out: &mut impl Write,
    ) -> Result<(), Error> {
        match &self.way {
            Way::Native { form, brush } => {
                part10::write_pixel_header(out, &native_span(self.span, form)?)?;
                source.seek(SeekFrom::Start(self.span.offset))?;
                write_native(form, brush.as_ref(), &mut source.take(form.native_bytes()?), out)?;
                Ok(pad(form, out)?)
            }
            Way::Copied { coded, index, lengths, table } => {
                part10::write_pixel_header(out, &self.span)?;
                fragments::write_table(out, lengths, *table)?;
                for n in 0..index.frames() {
                    let (mut frame, _) = coded.clean(index.frame(source, n)?)?;
                    make_even(&mut frame);
                    fragments::write_fragment(out, &frame)?;
                }
                Ok(fragments::write_end(out)?)
            }
            Way::Decoded { coded, index, form, brush } => {
                let span = part10::native_span(form.bits_allocated, 0);
                part10::write_pixel_header(out, &native_span(span, form)?)?;
                let mut packer = Packer::default();
                for n in 0..index.frames() {
                    let mut frame = coded.decode(index.frame(source, n)?)?;
                    if form.bits_allocated == 1 {
                        frame = Unpacker::new(&frame[..]).take(form.shape().pixels())?;
                    }
                    brush.iter().for_each(|brush| brush.paint(n, &mut frame));
                    match form.bits_allocated {
                        1 => packer.put(out, &frame)?,
                        _ => out.write_all(&frame)?,
                    }
                }
                packer.finish(out)?;
                Ok(pad(form, out)?)
            }
        }
    }
}

fn plan_native(
    form: Form,
    span: PixelSpan,
    regions: &[(Region, Frames)],
) -> Result<Treatment, Error> {
    let (frame_bits, bytes) = (form.native_frame_bits()?, form.native_bytes()?);
    let spare = span.length.checked_sub(bytes).ok_or(Error::Form("there are fewer than frames"))?;
    // Some bytes more are padding, which is dropped. A frame more is none; nor is anything behind
    // pixels in pairs, which some devices store at full size under the wrong name.
    if spare > bytes % 2 && (spare.saturating_mul(8) >= frame_bits || form.is_in_pairs()) {
        return Err(Error::Form("there are more than frames"));
    }
    let legal = match span.tag {
        tags::FLOAT_PIXEL_DATA => span.vr == VR::OF,
        tags::DOUBLE_FLOAT_PIXEL_DATA => span.vr == VR::OD,
        _ => matches!(span.vr, VR::OB | VR::OW),
    };
    if !legal {
        return Err(Error::Form("their value representation is of another kind of pixels"));
    }
    // PS3.5 8.1.2: words of more than 8 bits are OW.
    let words = span.vr == VR::OB && form.bits_allocated > 8;
    let span = PixelSpan { vr: if words { VR::OW } else { span.vr }, ..span };
    let brush = brush(&form, regions)?;
    let blanked = brush.is_some();
    let header = HeaderChanges { other_samples: blanked, ..HeaderChanges::default() };
    Ok(Treatment { span, way: Way::Native { form, brush }, blanked, header })
}

fn plan_coded(
    coded: Coded,
    span: PixelSpan,
    has_extended_table: bool,
    source: &mut (impl Read + Seek),
    regions: &[(Region, Frames)],
) -> Result<Treatment, Error> {
    let index = Index::read(source, span.offset, span.length, coded.form.frames)?;
    let mut decode = !regions.is_empty();
    let (mut lengths, mut first, mut alike) = (Vec::new(), None, true);
    let mut header = HeaderChanges::default();
    for n in 0..index.frames() {
        let (mut frame, facts) = coded.clean(index.frame(source, n)?)?;
        decode = decode || coded.hides(&frame, facts.as_ref())?;
        make_even(&mut frame);
        lengths.push(u32::try_from(frame.len()).map_err(|_| Error::Fragments("one is too long"))?);
        header.lossy |= facts.is_some_and(|facts| facts.irreversible);
        let first = first.get_or_insert(facts);
        alike &= first.map(|f| f.colour) == facts.map(|f| f.colour);
    }
    if !decode {
        let table = index.has_offsets || has_extended_table;
        let way = Way::Copied { coded, index, lengths, table };
        return Ok(Treatment { span, way, blanked: false, header: HeaderChanges::default() });
    }
    if !alike {
        return Err(Error::Colour);
    }
    let form = coded.decoded(first.flatten().as_ref())?;
    header.photometric = (form.photometric != coded.form.photometric).then_some(form.photometric);
    header.interleaved = form.samples > 1;
    let brush = brush(&form, regions)?;
    let blanked = brush.is_some();
    header.other_samples = blanked;
    Ok(Treatment { span, way: Way::Decoded { coded, index, form, brush }, blanked, header })
}

fn brush(form: &Form, regions: &[(Region, Frames)]) -> Result<Option<Brush>, Error> {
    if regions.is_empty() { Ok(None) } else { Brush::new(form, regions).map(Some) }
}

/// The span with the length of these frames, made even.
fn native_span(span: PixelSpan, form: &Form) -> Result<PixelSpan, Error> {
    let length = form.native_bytes()?.next_multiple_of(2);
    Ok(PixelSpan { length, encapsulated: false, ..span })
}

/// Bytes that are cleaned at a time where no frame is needed whole: a multiple of every word.
const CHUNK: u64 = 1 << 16;

/// Copies the frames: through the mask of unused bits, and under the brush a frame at a time.
fn write_native(
    form: &Form,
    brush: Option<&Brush>,
    source: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), Error> {
    if form.bits_allocated == 1 {
        return Ok(write_single_bits(form, brush, source, out)?);
    }
    let bits = form.bits.filter(|bits| !bits.all_used());
    let bytes = form.native_bytes()?;
    if brush.is_none() && bits.is_none() {
        let copied = io::copy(source, out)?;
        return if copied == bytes { Ok(()) } else { Err(Error::Io(truncated())) };
    }
    let piece = if brush.is_some() { form.native_frame_bits()? / 8 } else { CHUNK };
    let (mut left, mut index, mut buffer) = (bytes, 0, Vec::new());
    while left > 0 {
        let piece = piece.min(left);
        buffer.clear();
        if source.take(piece).read_to_end(&mut buffer)? as u64 != piece {
            return Err(Error::Io(truncated()));
        }
        bits.iter().for_each(|bits| bits.clean_words(&mut buffer));
        brush.iter().for_each(|brush| brush.paint(index, &mut buffer));
        out.write_all(&buffer)?;
        (left, index) = (left - piece, index + 1);
    }
    Ok(())
}

fn write_single_bits(
    form: &Form,
    brush: Option<&Brush>,
    source: &mut impl Read,
    out: &mut impl Write,
) -> io::Result<()> {
    let (mut unpacker, mut packer) = (Unpacker::new(source), Packer::default());
    for index in 0..form.frames {
        let mut frame = unpacker.take(form.shape().pixels())?;
        brush.iter().for_each(|brush| brush.paint(index, &mut frame));
        packer.put(out, &frame)?;
    }
    packer.finish(out)
}

fn truncated() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

fn make_even(frame: &mut Vec<u8>) {
    if frame.len() % 2 == 1 {
        frame.push(0);
    }
}

fn pad(form: &Form, out: &mut impl Write) -> Result<(), Error> {
    if form.native_bytes()? % 2 == 1 {
        out.write_all(&[0])?;
    }
    Ok(())
}
