//! Frames of objects on disk, one at a time: read alone, and made when they are written.

use crate::dicom::canonical::{Limits, PixelSpan};
use crate::dicom::dataset::Dataset;
use crate::dicom::frame::{self, Frame, FrameFormat};
use crate::dicom::part10;
use crate::dicom::source::Source;
use crate::pixel::{self, FrameTable, Stored};
use rayon::prelude::*;
use std::io::Write;
use std::path::Path;

/// Frames that are made at a time for each thread: enough that nobody waits, few in memory.
const FRAMES_PER_THREAD: usize = 2;

/// Where the frames of a data set on disk are: told once, then each is read alone. A few bytes
/// for each frame, none of the pixels.
pub struct FrameIndex {
    source: Source,
    table: FrameTable,
}

impl FrameIndex {
    /// Finds the frames of a DICOM file.
    ///
    /// # Errors
    /// [`frame::Error`]: such pixels cannot be looked at.
    pub fn of_file(path: &Path) -> Result<Self, frame::Error> {
        let source = Source::of_file(path).map_err(|_| frame::Error::Decode)?;
        let header = source.header(Limits::default()).map_err(|_| frame::Error::Decode)?;
        let dataset = Dataset::parse(&header.bytes).map_err(|_| frame::Error::Decode)?;
        FrameIndex::of(&source, &dataset, header.pixels)
    }

    pub(super) fn of(
        source: &Source,
        dataset: &Dataset,
        span: Option<PixelSpan>,
    ) -> Result<Self, frame::Error> {
        let span = span.ok_or(frame::Error::Form("no Pixel Data (7FE0,0010)"))?;
        let mut reader = source.reader().map_err(|_| frame::Error::Decode)?;
        let stored = Stored { dataset, span, transfer_syntax: source.transfer_syntax() };
        let table = FrameTable::of(&stored, &mut reader)?;
        Ok(FrameIndex { source: source.clone(), table })
    }

    /// Number of frames, at least 1.
    pub fn frames(&self) -> usize {
        self.table.frames()
    }

    /// The form of every frame.
    pub fn format(&self) -> FrameFormat {
        self.table.format()
    }

    /// Decodes frame `n`, from 0 on.
    ///
    /// # Errors
    /// [`frame::Error`]: such pixels cannot be looked at.
    pub fn frame(&self, n: usize) -> Result<(FrameFormat, Frame), frame::Error> {
        let mut reader = self.source.reader().map_err(|_| frame::Error::Decode)?;
        Ok((self.table.format(), self.table.frame(&mut reader, n)?))
    }
}

/// Makes one frame of an object.
pub type MakeFrame<'a> = dyn Fn(usize) -> Result<Frame, Stop> + Sync + 'a;

/// A frame could not be made; whoever makes it knows why. There is no draft then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// Frames that are made here.
pub(super) struct MadeFrames<'a> {
    pub format: FrameFormat,
    pub count: usize,
    pub make: &'a MakeFrame<'a>,
}

impl MadeFrames<'_> {
    /// Makes the frames, some at a time in parallel, and writes them one after the other.
    pub fn write(&self, out: &mut impl Write) -> Result<(), pixel::Error> {
        let length = self.format.native_bytes(self.count);
        part10::write_pixel_header(out, &part10::native_span(self.format.bits_allocated, length))?;
        let at_a_time = FRAMES_PER_THREAD * rayon::current_num_threads();
        for first in (0..self.count).step_by(at_a_time) {
            let some = first..self.count.min(first + at_a_time);
            let made: Vec<_> = some.into_par_iter().map(|n| (self.make)(n)).collect();
            for frame in made {
                let frame = frame.map_err(|Stop| pixel::Error::Stopped)?;
                if frame.format() != self.format {
                    return Err(pixel::Error::Form("a frame was made in another form"));
                }
                out.write_all(&frame.to_native())?;
            }
        }
        let written = self.format.bytes() as u64 * self.count as u64;
        Ok(out.write_all(&[0][..(length - written) as usize])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: FrameFormat =
        FrameFormat { rows: 1, columns: 3, bits_allocated: 8, bits_stored: 8, signed: false };

    fn written(count: usize, make: &MakeFrame<'_>) -> Result<Vec<u8>, pixel::Error> {
        let mut out = Vec::new();
        MadeFrames { format: ODD, count, make }.write(&mut out).map(|()| out)
    }

    #[test]
    fn made_frames_follow_each_other_and_are_padded_at_the_end() {
        let out = written(101, &|n| Ok(Frame::from_native(ODD, &[n as u8; 3]).unwrap())).unwrap();
        let frames: Vec<u8> = (0..101).flat_map(|n| [n; 3]).chain([0]).collect();
        assert_eq!((&out[8..12], &out[12..]), (&304_u32.to_le_bytes()[..], &frames[..]));
    }

    #[test]
    fn a_frame_that_is_not_made_ends_the_draft() {
        let stopped =
            |n| if n == 40 { Err(Stop) } else { Ok(Frame::from_native(ODD, &[0; 3]).unwrap()) };
        assert!(matches!(written(101, &stopped), Err(pixel::Error::Stopped)));
        let other = FrameFormat { columns: 2, ..ODD };
        let narrow = written(1, &|_| Ok(Frame::from_native(other, &[0; 3]).unwrap()));
        assert!(matches!(narrow, Err(pixel::Error::Form(_))));
    }
}
