//! The samples of a scan, line by line (14495-1 A.3 to A.7, and annex B for several components).

use super::Coding;
use super::bits::Bits;
use super::contexts::{Context, RunContext};

/// Contexts of three gradients of 9 steps, after merging signs.
const CONTEXTS: usize = 365;

/// How many samples, as a power of 2, a bit of a run stands for (J).
const RUN_LENGTHS: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

/// The state of a scan between two lines.
pub(super) struct Scan {
    coding: Coding,
    contexts: Vec<Context>,
    runs: [RunContext; 2],
    components: Vec<Lines>,
}

/// Two lines of one component, each with a sample more on either side.
struct Lines {
    above: Vec<i32>,
    here: Vec<i32>,
    run: usize,
}

/// What is known around a sample: left, above, above left, above right.
#[derive(Clone, Copy)]
struct Around {
    a: i32,
    b: i32,
    c: i32,
    d: i32,
}

impl Scan {
    pub(super) fn new(coding: Coding, components: usize, columns: usize) -> Self {
        let lines = || Lines { above: vec![0; columns + 2], here: vec![0; columns + 2], run: 0 };
        Scan {
            contexts: vec![Context::new(&coding); CONTEXTS],
            runs: [false, true].map(|alike| RunContext::new(&coding, alike)),
            coding,
            components: (0..components).map(|_| lines()).collect(),
        }
    }

    /// The samples of a component in the line that was decoded last.
    pub(super) fn samples(&self, component: usize) -> &[i32] {
        let line = &self.components[component].here;
        &line[1..line.len() - 1]
    }

    /// Decodes the next line of every component: one after the other, or sample by sample.
    pub(super) fn line(&mut self, bits: &mut Bits<'_>, by_sample: bool) -> Option<()> {
        let mut components = std::mem::take(&mut self.components);
        components.iter_mut().for_each(Lines::turn);
        if by_sample {
            self.decode(bits, &mut components)?;
        } else {
            for component in &mut components {
                self.decode(bits, std::slice::from_mut(component))?;
            }
        }
        self.components = components;
        Some(())
    }

    /// A line of components that share their runs.
    fn decode(&mut self, bits: &mut Bits<'_>, components: &mut [Lines]) -> Option<()> {
        let columns = components[0].here.len() - 2;
        let mut at = 1;
        while at <= columns {
            if components.iter().all(|lines| self.is_flat(lines.around(at))) {
                at = self.run(bits, components, at, columns)?;
                continue;
            }
            for lines in components.iter_mut() {
                lines.here[at] = self.regular(bits, lines.around(at))?;
            }
            at += 1;
        }
        Some(())
    }

    fn is_flat(&self, Around { a, b, c, d }: Around) -> bool {
        [d - b, b - c, c - a].iter().all(|gradient| gradient.abs() <= self.coding.near)
    }

    /// A sample by its prediction and the error of it (14495-1 A.4, A.5).
    fn regular(&mut self, bits: &mut Bits<'_>, around: Around) -> Option<i32> {
        let Around { a, b, c, d } = around;
        let [q1, q2, q3] = [d - b, b - c, c - a].map(|gradient| self.step(gradient));
        let merged = 81 * q1 + 9 * q2 + q3;
        let sign = if merged < 0 { -1 } else { 1 };
        let context = &mut self.contexts[merged.unsigned_abs() as usize];
        let edge = match c {
            _ if c >= a.max(b) => a.min(b),
            _ if c <= a.min(b) => a.max(b),
            _ => a + b - c,
        };
        let predicted = (edge + sign * context.correction).clamp(0, self.coding.max);
        let error = context.error(bits, &self.coding)?;
        Some(self.sample(predicted, sign * error))
    }

    /// A gradient in 9 steps (14495-1 A.3.3).
    fn step(&self, gradient: i32) -> i32 {
        let [t1, t2, t3] = self.coding.thresholds;
        let size = gradient.abs();
        let step = match size {
            _ if size <= self.coding.near => 0,
            _ if size < t1 => 1,
            _ if size < t2 => 2,
            _ if size < t3 => 3,
            _ => 4,
        };
        step * gradient.signum()
    }

    /// What a prediction and its error make (14495-1 A.4.4, A.4.5).
    fn sample(&self, predicted: i32, error: i32) -> i32 {
        let (near, max) = (self.coding.near, self.coding.max);
        let step = 2 * near + 1;
        let value = predicted + error * step;
        let value = match value {
            _ if value < -near => value + self.coding.range * step,
            _ if value > max + near => value - self.coding.range * step,
            _ => value,
        };
        value.clamp(0, max)
    }

    /// A run of samples like the one on the left, and the sample that ends it (14495-1 A.7); gives back where the
    /// next sample stands.
    fn run(
        &mut self,
        bits: &mut Bits<'_>,
        components: &mut [Lines],
        from: usize,
        columns: usize,
    ) -> Option<usize> {
        let mut run = components[0].run;
        let mut end = from;
        let ended = loop {
            if !bits.flag()? {
                end += bits.number(RUN_LENGTHS[run])? as usize;
                break true;
            }
            let whole = 1_usize << RUN_LENGTHS[run];
            if columns + 1 - end >= whole {
                run = (run + 1).min(31);
            }
            end = (end + whole).min(columns + 1);
            if end > columns {
                break false;
            }
        };
        let inside = if ended { end <= columns } else { end == columns + 1 };
        inside.then_some(())?;
        for lines in components.iter_mut() {
            let left = lines.here[from - 1];
            lines.here[from..end].fill(left);
        }
        if ended {
            let spent = RUN_LENGTHS[run] + 1;
            let alone = components.len() == 1;
            for lines in components.iter_mut() {
                lines.here[end] = self.interruption(bits, lines.around(end), spent, alone)?;
            }
            run = run.saturating_sub(1);
            end += 1;
        }
        components[0].run = run;
        Some(end)
    }

    /// The sample that ends a run (14495-1 A.7.2), of whose code the run has `spent` bits. Of several components at once
    /// none is taken for alike.
    fn interruption(
        &mut self,
        bits: &mut Bits<'_>,
        around: Around,
        spent: u32,
        alone: bool,
    ) -> Option<i32> {
        let Around { a, b, .. } = around;
        let alike = alone && (a - b).abs() <= self.coding.near;
        let sign = if !alike && a > b { -1 } else { 1 };
        let error = self.runs[usize::from(alike)].error(bits, &self.coding, spent)?;
        Some(self.sample(if alike { a } else { b }, sign * error))
    }
}

impl Lines {
    /// Goes on to the next line. Beside the first sample stands the one above it, behind the last one the one above
    /// that (14495-1 A.2.1).
    fn turn(&mut self) {
        std::mem::swap(&mut self.above, &mut self.here);
        let last = self.above.len() - 2;
        self.above[last + 1] = self.above[last];
        self.here[0] = self.above[1];
    }

    fn around(&self, at: usize) -> Around {
        Around {
            a: self.here[at - 1],
            b: self.above[at],
            c: self.above[at - 1],
            d: self.above[at + 1],
        }
    }
}
