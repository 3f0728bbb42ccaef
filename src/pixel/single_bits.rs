//! Pixels of one bit: eight to a byte, the first in the lowest bit, frames without a gap between
//! them (PS3.5 8.1.1, 8.2). Here a sample is a byte of 0 or 1.

use std::io::{self, Read, Write};

/// Reads samples.
pub struct Unpacker<R> {
    source: R,
    byte: u8,
    left: u8,
}

impl<R: Read> Unpacker<R> {
    /// A reader of samples from packed bytes.
    pub fn new(source: R) -> Self {
        Unpacker { source, byte: 0, left: 0 }
    }

    /// The next `count` samples.
    ///
    /// # Errors
    /// What the source says; too few bytes are an error.
    pub fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let missing = count.saturating_sub(usize::from(self.left)).div_ceil(8);
        let mut bytes = Vec::new();
        self.source.by_ref().take(missing as u64).read_to_end(&mut bytes)?;
        if bytes.len() != missing {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = bytes.into_iter();
        let samples = (0..count).map(|_| {
            if self.left == 0 {
                (self.byte, self.left) = (bytes.next().unwrap_or_default(), 8);
            }
            let sample = self.byte & 1;
            (self.byte, self.left) = (self.byte >> 1, self.left - 1);
            sample
        });
        Ok(samples.collect())
    }
}

/// Writes samples.
#[derive(Default)]
pub struct Packer {
    byte: u8,
    used: u8,
}

impl Packer {
    /// Writes samples; the last few may have to wait for a full byte.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn put(&mut self, out: &mut impl Write, samples: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(samples.len() / 8 + 1);
        for sample in samples {
            self.byte |= (sample & 1) << self.used;
            self.used += 1;
            if self.used == 8 {
                bytes.push(self.byte);
                (self.byte, self.used) = (0, 0);
            }
        }
        out.write_all(&bytes)
    }

    /// Writes what is left, with zeros in the bits that no sample needs.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn finish(self, out: &mut impl Write) -> io::Result<()> {
        if self.used > 0 { out.write_all(&[self.byte]) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_follow_each_other_without_a_gap() {
        let packed = [0b0110_0101_u8, 0b1111_1101];
        let mut source = Unpacker::new(&packed[..]);
        let frames = [source.take(5).unwrap(), source.take(5).unwrap()];
        assert_eq!(frames, [[1, 0, 1, 0, 0], [1, 1, 0, 1, 0]]);
        assert!(source.take(7).is_err());
        let (mut out, mut packer) = (Vec::new(), Packer::default());
        frames.iter().for_each(|frame| packer.put(&mut out, frame).unwrap());
        packer.finish(&mut out).unwrap();
        assert_eq!(out, [0b0110_0101, 0b0000_0001], "the spare bits are zero");
    }
}
