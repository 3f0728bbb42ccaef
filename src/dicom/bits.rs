//! Which bits of a word are the sample (PS3.5 8.1.1), and what the others must hold.
//!
//! Bits outside Bits Stored are not shown by any viewer, so anything can hide in them: overlays of
//! before 2004, text, another image. Here they are zero, or the sign of a signed sample.

/// Bits Allocated, Bits Stored, High Bit and Pixel Representation of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    /// Bits of a word: 8, 16 or 32.
    pub allocated: u16,
    /// Bits of a sample, at least 1.
    pub stored: u16,
    /// The most significant bit of the sample; at least `stored - 1` and below `allocated`.
    pub high: u16,
    /// Pixel Representation (0028,0103) is 1.
    pub signed: bool,
}

impl Bits {
    /// Whether every bit of a word is the sample's: there is nothing to clean.
    pub fn all_used(&self) -> bool {
        self.stored == self.allocated
    }

    /// The word with zeros below the sample and zeros or its sign above.
    pub fn clean(&self, word: u32) -> u32 {
        let above = 31 - u32::from(self.high);
        let below = u32::MAX << self.shift();
        let high = word << above;
        let sample = if self.signed { (high as i32 >> above) as u32 } else { high >> above };
        sample & below & (u32::MAX >> (32 - u32::from(self.allocated)))
    }

    /// How far a stored value stands above the lowest bit of its word.
    pub fn shift(&self) -> u32 {
        u32::from(self.high + 1 - self.stored)
    }

    /// Smallest and largest stored value.
    pub fn range(&self) -> (i64, i64) {
        let values = 1_i64 << self.stored;
        if self.signed { (-values / 2, values / 2 - 1) } else { (0, values - 1) }
    }

    /// Cleans whole little endian words in place.
    pub fn clean_words(&self, bytes: &mut [u8]) {
        if self.all_used() {
            return;
        }
        // One tight loop per width: native pixels go through here at the speed of memory.
        match self.allocated {
            8 => bytes.iter_mut().for_each(|b| *b = self.clean(u32::from(*b)) as u8),
            16 => {
                let (above, below) = (15 - u32::from(self.high), u16::MAX << self.shift());
                let words = bytes.chunks_exact_mut(2);
                let words = words.map(|b| (u16::from_le_bytes([b[0], b[1]]), b));
                if self.signed {
                    words.for_each(|(word, bytes)| {
                        let sample = (((word << above) as i16 >> above) as u16) & below;
                        bytes.copy_from_slice(&sample.to_le_bytes());
                    });
                } else {
                    let mask = (u16::MAX >> above) & below;
                    words.for_each(|(word, b)| b.copy_from_slice(&(word & mask).to_le_bytes()));
                }
            }
            _ => bytes.chunks_exact_mut(4).for_each(|b| {
                let word = u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
                b.copy_from_slice(&self.clean(word).to_le_bytes());
            }),
        }
    }

    /// Whether whole little endian words hold nothing outside their samples.
    pub fn are_clean(&self, bytes: &[u8]) -> bool {
        let width = usize::from(self.allocated / 8).max(1);
        self.all_used()
            || bytes.chunks_exact(width).all(|word| {
                let value = word.iter().rev().fold(0_u32, |high, &b| high << 8 | u32::from(b));
                self.clean(value) == value
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CT12: Bits = Bits { allocated: 16, stored: 12, high: 11, signed: true };

    #[test]
    fn unused_bits_are_zero_or_the_sign() {
        let unsigned = Bits { signed: false, ..CT12 };
        assert_eq!((CT12.clean(0xf5ff), CT12.clean(0x0fff)), (0x05ff, 0xffff));
        assert_eq!((unsigned.clean(0xf5ff), unsigned.clean(0x0fff)), (0x05ff, 0x0fff));
        let upper = Bits { allocated: 16, stored: 10, high: 15, signed: false };
        assert_eq!(upper.clean(0xffff), 0xffc0);
        let full = Bits { allocated: 32, stored: 31, high: 30, signed: true };
        assert_eq!(full.clean(0x4000_0000), 0xc000_0000);
        assert_eq!((CT12.range(), unsigned.range()), ((-2048, 2047), (0, 4095)));
    }

    proptest! {
        #[test]
        fn cleaning_is_the_same_for_words_and_bytes(
            bytes in proptest::collection::vec(any::<u8>(), 16),
            width in 0..3_usize, high in 0..32_u16, stored in 1..=32_u16, signed: bool,
        ) {
            let allocated = [8, 16, 32][width];
            let high = high % allocated;
            let bits = Bits { allocated, stored: (stored - 1) % (high + 1) + 1, high, signed };
            let mut cleaned = bytes.clone();
            bits.clean_words(&mut cleaned);
            prop_assert!(bits.are_clean(&cleaned));
            prop_assert_eq!(bits.are_clean(&bytes), bytes == cleaned);
            let width = usize::from(allocated / 8);
            for (new, old) in cleaned.chunks(width).zip(bytes.chunks(width)) {
                let word = |b: &[u8]| b.iter().rev().fold(0_u32, |high, &b| high << 8 | u32::from(b));
                prop_assert_eq!(word(new), bits.clean(word(old)));
                let sample = |b: &[u8]| (u64::from(word(b)) >> bits.shift()) & ((1 << bits.stored) - 1);
                prop_assert_eq!(sample(new), sample(old), "a sample changed");
            }
        }
    }
}
