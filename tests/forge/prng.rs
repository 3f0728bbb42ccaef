//! Numbers that come again with the same seed (splitmix64).

pub struct Prng(u64);

impl Prng {
    pub fn new(seed: u64) -> Self {
        Prng(seed)
    }

    /// The numbers of one study of a run: every study can be made again alone.
    pub fn of_study(seed: u64, number: u64) -> Self {
        let mut mix = Prng(seed ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        Prng(mix.word())
    }

    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.word() % n as u64) as usize
    }

    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// By weight.
    pub fn pick_weighted<'a, T>(&mut self, from: &'a [(usize, T)]) -> &'a T {
        let mut left = self.below(from.iter().map(|(weight, _)| weight).sum());
        for (weight, what) in from {
            if left < *weight {
                return what;
            }
            left -= weight;
        }
        unreachable!("the weights add up")
    }

    /// Small letters of ASCII.
    pub fn letters(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }

    /// Digits, the first of them not 0.
    pub fn digits(&mut self, n: usize) -> String {
        let digit = |at, rng: &mut Prng| match at {
            0 => char::from(b'1' + rng.below(9) as u8),
            _ => char::from(b'0' + rng.below(10) as u8),
        };
        (0..n).map(|at| digit(at, self)).collect()
    }

    /// Eight bytes of which none is 0.
    pub fn bytes(&mut self) -> [u8; 8] {
        self.word().to_le_bytes().map(|b| b.max(1))
    }
}
