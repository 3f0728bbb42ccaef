//! Where the bytes of a data set are: part of a file, read as if it were all of it.

use super::canonical::{self, Header, Limits, Malformed, PixelSpan};
use super::part10::{self, element_encoding};
use crate::disk;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A data set on disk.
#[derive(Clone)]
pub struct Source {
    path: PathBuf,
    start: u64,
    length: u64,
    transfer_syntax: String,
}

impl Source {
    /// The `length` bytes of a file from `start` on.
    pub fn new(path: &Path, start: u64, length: u64, transfer_syntax: String) -> Self {
        Source { path: path.to_owned(), start, length, transfer_syntax }
    }

    /// The data set of a DICOM file (PS3.10).
    ///
    /// # Errors
    /// [`part10::Error`]: not a file that efface takes.
    pub fn of_file(path: &Path) -> Result<Self, part10::Error> {
        let mut file = BufReader::new(File::open(path)?);
        let meta = part10::read_meta(&mut file)?;
        if element_encoding(&meta.transfer_syntax).is_none() {
            return Err(part10::Error::TransferSyntax);
        }
        let total = file.get_ref().metadata()?.len();
        let length = total.saturating_sub(meta.length);
        Ok(Source::new(path, meta.length, length, meta.transfer_syntax))
    }

    /// The transfer syntax of the data set.
    pub fn transfer_syntax(&self) -> &str {
        &self.transfer_syntax
    }

    /// Bytes of the data set.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads from the first byte of the data set.
    ///
    /// # Errors
    /// What the system says.
    pub fn reader(&self) -> io::Result<Reader> {
        let mut file = disk::open(&self.path)?;
        file.seek(SeekFrom::Start(self.start))?;
        let (start, length) = (self.start, self.length);
        Ok(Reader { file: BufReader::with_capacity(1 << 16, file), start, length, pos: 0 })
    }

    /// The canonical header.
    ///
    /// # Errors
    /// [`Malformed`]; a transfer syntax that efface doesn't take is malformed too.
    pub fn header(&self, limits: Limits) -> Result<Header, Malformed> {
        let encoding = element_encoding(&self.transfer_syntax).ok_or(Malformed::TransferSyntax)?;
        canonical::read(self.reader()?, self.length, encoding, limits)
    }

    /// The bytes before the top-level pixels, as the source wrote them.
    ///
    /// # Errors
    /// What the system says.
    pub fn raw_header(&self, pixels: Option<&PixelSpan>) -> io::Result<Vec<u8>> {
        let length = pixels.map_or(self.length, |p| p.element_offset);
        let mut bytes = Vec::new();
        self.reader()?.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The pixels' value, whole.
    ///
    /// # Errors
    /// What the system says.
    pub fn pixel_bytes(&self, span: &PixelSpan) -> io::Result<Vec<u8>> {
        let mut value = Vec::new();
        self.pixels(span)?.read_to_end(&mut value)?;
        Ok(value)
    }

    /// A reader of the pixels' value.
    ///
    /// # Errors
    /// What the system says.
    pub fn pixels(&self, span: &PixelSpan) -> io::Result<io::Take<Reader>> {
        let mut reader = self.reader()?;
        reader.seek(SeekFrom::Start(span.offset))?;
        Ok(reader.take(span.length))
    }
}

/// Reads a data set; positions count from its first byte.
pub struct Reader {
    file: BufReader<File>,
    start: u64,
    length: u64,
    pos: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.pos).min(buffer.len() as u64) as usize;
        let n = self.file.read(&mut buffer[..left])?;
        self.pos += n as u64;
        Ok(n)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(pos) => i128::from(pos),
            SeekFrom::Current(by) => i128::from(self.pos) + i128::from(by),
            SeekFrom::End(by) => i128::from(self.length) + i128::from(by),
        };
        let target = u64::try_from(target).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.file.seek(SeekFrom::Start(self.start + target))?;
        self.pos = target;
        Ok(target)
    }
}
