//! NIfTI-1 single files: a head without a DICOM header, as researchers keep them.
//!
//! Little endian, three dimensions, whole-number or floating-point samples, an affine without shear. The
//! bytes are kept as they are: what isn't overwritten leaves bit-identical, header included. Layout:
//! nifti1.h of the NIfTI Data Format Working Group, 2007.

use crate::dicom::plane::{ImagePlane, PixelSpacing, dot};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::io::{self, Read, Write};
use std::ops::RangeInclusive;

/// Larger files aren't read, bytes: a head at 0.25 mm has less.
const BYTES_MAX: u64 = 4 << 30;
const HEADER_BYTES: usize = 348;
/// Axes whose cosines differ from a right angle's by more than this are sheared.
const SHEAR_MAX: f64 = 1e-3;
/// Levels into which floating-point samples are cut for analysis.
const LEVELS: f32 = 65535.0;

/// Why a file isn't taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not readable.
    #[error("the file could not be read: {0}")]
    Io(#[from] io::Error),
    /// Not what this module reads.
    #[error(
        "not a volume that can be defaced: {0}. Convert it to NIfTI-1, little endian, three dimensions"
    )]
    Form(&'static str),
}

/// How samples are stored: NIfTI's `datatype`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Datatype {
    U8,
    I16,
    I32,
    F32,
    F64,
    I8,
    U16,
}

impl Datatype {
    fn of(code: i16) -> Option<Self> {
        match code {
            2 => Some(Datatype::U8),
            4 => Some(Datatype::I16),
            8 => Some(Datatype::I32),
            16 => Some(Datatype::F32),
            64 => Some(Datatype::F64),
            256 => Some(Datatype::I8),
            512 => Some(Datatype::U16),
            _ => None,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Datatype::U8 | Datatype::I8 => 1,
            Datatype::I16 | Datatype::U16 => 2,
            Datatype::I32 | Datatype::F32 => 4,
            Datatype::F64 => 8,
        }
    }

    /// The stored sample at the front of `bytes`.
    fn read(self, bytes: &[u8]) -> f64 {
        match self {
            Datatype::U8 => f64::from(bytes[0]),
            Datatype::I8 => f64::from(bytes[0].cast_signed()),
            Datatype::I16 => f64::from(i16::from_le_bytes(array(bytes))),
            Datatype::U16 => f64::from(u16::from_le_bytes(array(bytes))),
            Datatype::I32 => f64::from(i32::from_le_bytes(array(bytes))),
            Datatype::F32 => f64::from(f32::from_le_bytes(array(bytes))),
            Datatype::F64 => f64::from_le_bytes(array(bytes)),
        }
    }

    /// A stored sample as bytes; whole numbers are rounded and saturate.
    fn write(self, value: f64, bytes: &mut [u8]) {
        let whole = value.round();
        match self {
            Datatype::U8 => bytes.copy_from_slice(&[whole as u8]),
            Datatype::I8 => bytes.copy_from_slice(&(whole as i8).to_le_bytes()),
            Datatype::I16 => bytes.copy_from_slice(&(whole as i16).to_le_bytes()),
            Datatype::U16 => bytes.copy_from_slice(&(whole as u16).to_le_bytes()),
            Datatype::I32 => bytes.copy_from_slice(&(whole as i32).to_le_bytes()),
            Datatype::F32 => bytes.copy_from_slice(&(value as f32).to_le_bytes()),
            Datatype::F64 => bytes.copy_from_slice(&value.to_le_bytes()),
        }
    }
}

/// A volume and the file that it is in.
#[derive(Debug)]
pub struct Nifti {
    bytes: Vec<u8>,
    compressed: bool,
    datatype: Datatype,
    /// Of the first sample in the file.
    offset: usize,
    slope: f64,
    intercept: f64,
    planes: Vec<ImagePlane>,
    range: RangeInclusive<f32>,
}

impl Nifti {
    /// Reads a file, compressed by gzip or not.
    ///
    /// # Errors
    /// [`Error`]; also for samples that aren't numbers, and for one value throughout.
    pub fn read(mut file: impl Read) -> Result<Self, Error> {
        let mut raw = Vec::new();
        file.by_ref().take(BYTES_MAX).read_to_end(&mut raw)?;
        let compressed = raw.starts_with(&[0x1f, 0x8b]);
        let bytes = if compressed {
            let mut bytes = Vec::new();
            MultiGzDecoder::new(&raw[..]).take(BYTES_MAX).read_to_end(&mut bytes)?;
            bytes
        } else {
            raw
        };
        Nifti::parse(bytes, compressed)
    }

    fn parse(bytes: Vec<u8>, compressed: bool) -> Result<Self, Error> {
        let header = Header::of(&bytes)?;
        let datatype = Datatype::of(header.i16(70)).ok_or(Error::Form("its sample type"))?;
        let planes = header.planes()?;
        let offset = header.f32(108);
        let samples: usize = planes.iter().map(ImagePlane::len).sum();
        let fits = offset.fract() == 0.0
            && offset >= HEADER_BYTES as f32
            && (offset as usize)
                .checked_add(samples * datatype.bytes())
                .is_some_and(|end| end == bytes.len());
        if !fits {
            return Err(Error::Form("its length isn't that of one volume"));
        }
        let slope = match f64::from(header.f32(112)) {
            0.0 => 1.0,
            slope => slope,
        };
        let intercept = f64::from(header.f32(116));
        if !(slope.is_finite() && slope > 0.0 && intercept.is_finite()) {
            return Err(Error::Form("its scaling"));
        }
        let offset = offset as usize;
        let mut nifti = Nifti {
            bytes,
            compressed,
            datatype,
            offset,
            slope,
            intercept,
            planes,
            range: 0.0..=0.0,
        };
        nifti.range = nifti.find_range()?;
        Ok(nifti)
    }

    /// One plane per slice, LPS mm.
    pub fn planes(&self) -> &[ImagePlane] {
        &self.planes
    }

    /// The lowest and the highest real-world value.
    pub fn range(&self) -> RangeInclusive<f32> {
        self.range.clone()
    }

    /// Real-world values of a slice, row by row.
    pub fn slice(&self, index: usize) -> Vec<f32> {
        let width = self.datatype.bytes();
        self.bytes[self.place(index)].chunks_exact(width).map(|b| self.real(b)).collect()
    }

    /// A slice in 65536 levels of [`Nifti::range`], for analysis.
    pub fn levels(&self, index: usize) -> Vec<i32> {
        self.slice(index).into_iter().map(|real| self.level(real)).collect()
    }

    /// The size of a level.
    pub fn step(&self) -> f32 {
        (self.range.end() - self.range.start()) / LEVELS
    }

    fn level(&self, real: f32) -> i32 {
        ((real - self.range.start()) / self.step()).round() as i32
    }

    /// Puts a real-world value into samples of a slice, as near as the file can store it: the level that they
    /// then have.
    pub fn fill(&mut self, index: usize, samples: impl Iterator<Item = usize>, real: f32) -> i32 {
        let width = self.datatype.bytes();
        let mut stored = [0; size_of::<f64>()];
        let stored = &mut stored[..width];
        self.datatype.write((f64::from(real) - self.intercept) / self.slope, stored);
        let place = self.place(index);
        let slice = &mut self.bytes[place];
        for sample in samples {
            slice[sample * width..][..width].copy_from_slice(stored);
        }
        self.level(self.real(stored))
    }

    /// The file as it is to be written; compressed if it was.
    ///
    /// # Errors
    /// What the compressor says.
    pub fn to_file(&self) -> io::Result<Vec<u8>> {
        if !self.compressed {
            return Ok(self.bytes.clone());
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&self.bytes)?;
        encoder.finish()
    }

    fn place(&self, index: usize) -> std::ops::Range<usize> {
        let bytes = self.planes[index].len() * self.datatype.bytes();
        let start = self.offset + index * bytes;
        start..start + bytes
    }

    fn real(&self, stored: &[u8]) -> f32 {
        (self.datatype.read(stored) * self.slope + self.intercept) as f32
    }

    fn find_range(&self) -> Result<RangeInclusive<f32>, Error> {
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for stored in self.bytes[self.offset..].chunks_exact(self.datatype.bytes()) {
            let value = self.real(stored);
            if !value.is_finite() {
                return Err(Error::Form("samples that aren't numbers"));
            }
            (low, high) = (low.min(value), high.max(value));
        }
        if low < high { Ok(low..=high) } else { Err(Error::Form("the same value throughout")) }
    }
}

/// The 348 bytes at the front.
struct Header<'a>(&'a [u8]);

impl<'a> Header<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Error> {
        let header = Header(bytes.get(..HEADER_BYTES).ok_or(Error::Form("too short"))?);
        if i32::from_le_bytes(array(header.0)) != HEADER_BYTES as i32
            || &header.0[344..347] != b"n+1"
        {
            return Err(Error::Form("no NIfTI-1 header"));
        }
        Ok(header)
    }

    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(array(&self.0[at..]))
    }

    fn f32(&self, at: usize) -> f32 {
        f32::from_le_bytes(array(&self.0[at..]))
    }

    fn planes(&self) -> Result<Vec<ImagePlane>, Error> {
        let dimensions = usize::try_from(self.i16(40)).unwrap_or(0);
        let size = |k: usize| self.i16(40 + 2 * k);
        let single = (4..=dimensions.min(7)).all(|k| size(k) == 1);
        if dimensions < 3 || !single || (1..4).any(|k| size(k) < 1) {
            return Err(Error::Form("not three dimensions"));
        }
        // RAS to LPS: the first two rows change their signs.
        let affine = self.affine()?;
        let column = |c: usize| [-affine[0][c], -affine[1][c], affine[2][c]];
        let (row, down, step, origin) = (column(0), column(1), column(2), column(3));
        let (between_columns, between_rows) = (length(row), length(down));
        let upright =
            |a: [f64; 3], b: [f64; 3]| (dot(a, b) / (length(a) * length(b))).abs() <= SHEAR_MAX;
        if !(upright(row, down) && upright(row, step) && upright(down, step)) {
            return Err(Error::Form("a sheared affine"));
        }
        let spacing = PixelSpacing { between_rows, between_columns };
        let (rows, columns) = (size(2).unsigned_abs().into(), size(1).unsigned_abs().into());
        let plane = |k: i16| {
            let at = std::array::from_fn(|c| origin[c] + step[c] * f64::from(k));
            let (row, down) = (row.map(|c| c / between_columns), down.map(|c| c / between_rows));
            ImagePlane::new(at, row, down, spacing, rows, columns)
                .map_err(|_| Error::Form("its affine is no image plane's"))
        };
        (0..size(3)).map(plane).collect()
    }

    /// The sform if there is one, else the qform (nifti1.h, methods 3 and 2).
    fn affine(&self) -> Result<[[f64; 4]; 3], Error> {
        let number = |at: usize| f64::from(self.f32(at));
        if self.i16(254) > 0 {
            return Ok(std::array::from_fn(|r| {
                std::array::from_fn(|c| number(280 + 16 * r + 4 * c))
            }));
        }
        if self.i16(252) <= 0 {
            return Err(Error::Form("no affine"));
        }
        let [b, c, d] = [256, 260, 264].map(number);
        let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
        let rotation = [
            [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
            [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
            [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ];
        let handed = if number(76) < 0.0 { -1.0 } else { 1.0 };
        let spacing = [number(80), number(84), number(88) * handed];
        Ok(std::array::from_fn(|r| {
            std::array::from_fn(|c| match c {
                3 => number(268 + 4 * r),
                _ => rotation[r][c] * spacing[c],
            })
        }))
    }
}

fn length(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|k| bytes[k])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 x 2 x 2 samples of int16, 3 mm apart, RAS.
    fn file(values: [i16; 8]) -> Vec<u8> {
        let mut bytes = vec![0; 352];
        let mut put = |at: usize, with: &[u8]| bytes[at..at + with.len()].copy_from_slice(with);
        put(0, &348i32.to_le_bytes());
        for (k, n) in [3i16, 2, 2, 2].into_iter().enumerate() {
            put(40 + 2 * k, &n.to_le_bytes());
        }
        put(70, &4i16.to_le_bytes());
        put(108, &352f32.to_le_bytes());
        put(254, &1i16.to_le_bytes());
        for k in 0..3 {
            put(280 + 16 * k + 4 * k, &3f32.to_le_bytes());
        }
        put(344, b"n+1\0");
        bytes.extend(values.into_iter().flat_map(i16::to_le_bytes));
        bytes
    }

    #[test]
    fn planes_are_lps_and_only_filled_samples_change() {
        let bytes = file([-1000, 2, 3, 4, 5, 6, 7, 8]);
        let mut nifti = Nifti::read(&bytes[..]).unwrap();
        assert_eq!(nifti.planes()[1].patient(1.0, 1.0), [-3.0, -3.0, 3.0]);
        assert_eq!(nifti.range(), -1000.0..=8.0);
        assert_eq!(nifti.slice(1), [5.0, 6.0, 7.0, 8.0]);
        nifti.fill(1, [2].into_iter(), -1000.0);
        assert_eq!(nifti.to_file().unwrap(), file([-1000, 2, 3, 4, 5, 6, -1000, 8]));
    }

    #[test]
    fn gzip_in_gzip_out() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&file([1, 2, 3, 4, 5, 6, 7, 8])).unwrap();
        let nifti = Nifti::read(&encoder.finish().unwrap()[..]).unwrap();
        assert_eq!(Nifti::read(&nifti.to_file().unwrap()[..]).unwrap().slice(0), nifti.slice(0));
    }

    #[test]
    fn what_is_not_one_volume_is_refused() {
        let good = file([1, 2, 3, 4, 5, 6, 7, 8]);
        let mut four_dimensions = good.clone();
        four_dimensions[40] = 4;
        four_dimensions[48] = 2;
        let mut sheared = good.clone();
        sheared[284..288].copy_from_slice(&1f32.to_le_bytes());
        let mut no_affine = good.clone();
        no_affine[254] = 0;
        let mut trailing = good.clone();
        trailing.push(0);
        for bad in [&good[..100], &good[..366], &four_dimensions, &sheared, &no_affine, &trailing] {
            assert!(matches!(Nifti::read(bad), Err(Error::Form(_))));
        }
        assert!(Nifti::read(&file([7; 8])[..]).is_err());
    }
}
