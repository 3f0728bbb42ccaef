//! The bits of a scan, and numbers in them.

/// The bits before the next marker. After a byte FF a zero bit is stuffed (14495-1 A.1).
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the highest on.
    cache: u64,
    held: u32,
    after_ff: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Bits { bytes, at: 0, cache: 0, held: 0, after_ff: false }
    }

    /// One bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        self.number(1).map(|bit| bit == 1)
    }

    /// A number of up to 32 bits.
    pub(super) fn number(&mut self, width: u32) -> Option<u32> {
        if self.held < width {
            self.fill();
        }
        // In two steps, because all 64 bits can't be shifted out at once.
        let number = (self.cache >> 1 >> (63 - width)) as u32;
        self.take(width)?;
        Some(number)
    }

    /// A Golomb code of parameter `k` of at most `limit` bits, the long ones in `width` bits (14495-1 A.5.3).
    pub(super) fn golomb(&mut self, k: u32, limit: u32, width: u32) -> Option<i32> {
        let long = limit.checked_sub(width + 1)?;
        let zeros = self.zeros(long)?;
        if zeros < long {
            Some((zeros << k | self.number(k)?) as i32)
        } else {
            Some(self.number(width)? as i32 + 1)
        }
    }

    /// How many zeros stand before the next one bit, at most so many; takes that bit, too.
    fn zeros(&mut self, most: u32) -> Option<u32> {
        let mut zeros = 0;
        while zeros <= most {
            self.fill();
            let run = self.cache.leading_zeros().min(self.held);
            zeros += run;
            if run < self.held {
                self.take(run + 1)?;
                return (zeros <= most).then_some(zeros);
            }
            // All that is held are zeros: on, unless nothing more comes.
            (run > 0).then(|| self.take(run))??;
        }
        None
    }

    /// What follows from the next marker on.
    pub(super) fn rest(self) -> Option<&'a [u8]> {
        let at = (self.at..self.bytes.len()).find(|at| self.is_marker(*at))?;
        Some(&self.bytes[at..])
    }

    fn is_marker(&self, at: usize) -> bool {
        self.bytes[at] == 0xff && self.bytes.get(at + 1).is_none_or(|next| *next >= 0x80)
    }

    fn fill(&mut self) {
        while self.held <= 56 && self.at < self.bytes.len() && !self.is_marker(self.at) {
            let byte = self.bytes[self.at];
            let width = if self.after_ff { 7 } else { 8 };
            self.cache |= u64::from(byte) << (64 - width - self.held);
            self.held += width;
            self.after_ff = byte == 0xff;
            self.at += 1;
        }
    }

    fn take(&mut self, width: u32) -> Option<()> {
        self.held = self.held.checked_sub(width)?;
        self.cache = self.cache << (width / 2) << (width - width / 2);
        Some(())
    }
}
