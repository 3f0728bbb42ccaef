//! Histograms of a volume's values, and what is read off them.

const BINS: usize = 256;

/// Counts of values in equal steps from the lowest to the highest.
#[derive(Debug)]
pub struct Histogram {
    low: f32,
    step: f32,
    counts: [u64; BINS],
}

impl Histogram {
    /// Of some values; of none it has one empty step at 0.
    pub fn of(values: impl Iterator<Item = f32> + Clone) -> Self {
        Histogram::counted(values.map(|value| (value, 1)))
    }

    /// Of values that each occur so often.
    pub fn counted(values: impl Iterator<Item = (f32, u64)> + Clone) -> Self {
        let ends = (f32::INFINITY, f32::NEG_INFINITY);
        let (low, high) =
            values.clone().fold(ends, |(low, high), (v, _)| (low.min(v), high.max(v)));
        if low > high {
            return Histogram { low: 0.0, step: 0.0, counts: [0; BINS] };
        }
        let step = (high - low) / BINS as f32;
        let mut counts = [0; BINS];
        for (value, count) in values {
            let bin = if step > 0.0 { ((value - low) / step) as usize } else { 0 };
            counts[bin.min(BINS - 1)] += count;
        }
        Histogram { low, step, counts }
    }

    /// The lowest value.
    pub fn lowest(&self) -> f32 {
        self.low
    }

    /// The value below which a share of all values lies.
    pub fn quantile(&self, share: f32) -> f32 {
        let wanted = (f64::from(share) * self.total() as f64) as u64;
        let mut seen = 0;
        for (bin, &count) in self.counts.iter().enumerate() {
            seen += count;
            if seen > wanted {
                return self.middle(bin);
            }
        }
        self.middle(BINS - 1)
    }

    /// The value that parts two classes best (N. Otsu, IEEE Trans. SMC 9 (1979) 62-66).
    pub fn otsu(&self) -> f32 {
        let total = self.total() as f64;
        let weighted = |bin: usize| self.counts[bin] as f64 * f64::from(self.middle(bin));
        let all: f64 = (0..BINS).map(weighted).sum();
        let (mut below, mut sum_below) = (0.0, 0.0);
        let mut best = (f64::NEG_INFINITY, self.low);
        for bin in 0..BINS {
            below += self.counts[bin] as f64;
            sum_below += weighted(bin);
            let above = total - below;
            if below > 0.0 && above > 0.0 {
                let apart = sum_below / below - (all - sum_below) / above;
                let between = below * above * apart * apart;
                if between > best.0 {
                    best = (between, self.middle(bin));
                }
            }
        }
        best.1
    }

    fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn middle(&self, bin: usize) -> f32 {
        self.low + (bin as f32 + 0.5) * self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_classes_are_parted() {
        let values = (0..1000).map(|i| if i % 4 == 0 { 100.0 } else { (i % 10) as f32 });
        let otsu = Histogram::of(values).otsu();
        assert!((9.0..100.0).contains(&otsu), "{otsu}");
    }

    #[test]
    fn quantiles_and_nothing() {
        let histogram = Histogram::of((0..1000).map(|i| i as f32));
        assert!((histogram.quantile(0.99) - 990.0).abs() < 5.0);
        assert!((histogram.quantile(0.0) - 2.0).abs() < 5.0);
        assert_eq!(Histogram::of(std::iter::empty()).otsu(), 0.0);
        assert_eq!(Histogram::of([3.0; 5].into_iter()).otsu(), 3.0);
    }
}
