//! Whether the defacer did what it says, checked against the samples themselves.
//!
//! The caller decodes one slice at a time, of the source and of the output; nothing of them is
//! kept but counts.

use std::collections::{BTreeMap, BTreeSet};

/// What the defacer says that it did to one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceClaim {
    /// How many samples it replaced; 0: the slice is untouched. Samples that happened to have the
    /// fill value before count as replaced.
    pub removed: u64,
    /// The stored value put in their place.
    pub fill: i32,
}

/// Counts of a series whose claims are all true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlicesTreated {
    /// Instances of the series.
    pub instances: usize,
    /// Instances in which something was removed.
    pub touched: usize,
    /// Samples whose stored value changed.
    pub changed: u64,
    /// Samples that the defacer says it replaced.
    pub removed: u64,
}

/// Why the claims of a defacer don't hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SliceFault {
    /// No claim was made about an instance of the series.
    #[error("an instance that the defacer says nothing about")]
    Unclaimed,
    /// An instance was added twice, or isn't one of the series.
    #[error("an instance that is there twice or isn't of the series")]
    Stray,
    /// Source and output have different numbers of samples.
    #[error("a different number of samples than in the source")]
    Samples,
    /// A sample changed to something else than the fill value.
    #[error("a sample that changed to another value than the fill value")]
    Changed,
    /// More samples changed than were claimed, or fewer hold the fill value than were claimed.
    #[error("another number of removed samples than claimed")]
    Count,
    /// Nothing was removed in the whole series.
    #[error("nothing was removed from any slice")]
    Nothing,
}

/// Follows one series slice by slice. The first fault stays: `finish` reports it again.
#[derive(Debug, Default)]
pub struct SliceAudit {
    /// Samples changed and samples removed, per instance seen.
    seen: BTreeMap<String, (u64, u64)>,
    fault: Option<SliceFault>,
}

impl SliceAudit {
    /// Has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks one instance. `key` tells the instances of the series apart (the output's SOP
    /// Instance UID); `before` and `after` are stored samples in the same order.
    ///
    /// # Errors
    /// The fault, if the claim isn't true of this slice.
    pub fn add(
        &mut self,
        key: &str,
        before: &[i32],
        after: &[i32],
        claim: Option<InstanceClaim>,
    ) -> Result<(), SliceFault> {
        let counts = check(before, after, claim);
        let twice = counts.is_ok_and(|c| self.seen.insert(key.to_owned(), c).is_some());
        let result = if twice { Err(SliceFault::Stray) } else { counts.map(|_| ()) };
        self.fault = self.fault.or(result.err());
        result
    }

    /// Says that every instance of the series was checked and every claim is true.
    ///
    /// # Errors
    /// The first fault; an expected instance that was never added, or one that isn't expected; or
    /// nothing having been removed at all.
    pub fn finish<'a>(
        self,
        expected_instances: impl IntoIterator<Item = &'a str>,
    ) -> Result<SlicesTreated, SliceFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let expected: BTreeSet<&str> = expected_instances.into_iter().collect();
        if expected.iter().any(|key| !self.seen.contains_key(*key)) {
            return Err(SliceFault::Unclaimed);
        }
        if expected.len() != self.seen.len() {
            return Err(SliceFault::Stray);
        }
        let treated = SlicesTreated {
            instances: self.seen.len(),
            touched: self.seen.values().filter(|counts| counts.1 > 0).count(),
            changed: self.seen.values().map(|counts| counts.0).sum(),
            removed: self.seen.values().map(|counts| counts.1).sum(),
        };
        if treated.changed == 0 { Err(SliceFault::Nothing) } else { Ok(treated) }
    }
}

/// Samples changed and samples removed, if the claim can be true.
fn check(
    before: &[i32],
    after: &[i32],
    claim: Option<InstanceClaim>,
) -> Result<(u64, u64), SliceFault> {
    let InstanceClaim { removed, fill } = claim.ok_or(SliceFault::Unclaimed)?;
    if before.len() != after.len() {
        return Err(SliceFault::Samples);
    }
    let (mut changed, mut filled) = (0, 0);
    for (before, after) in before.iter().zip(after) {
        filled += u64::from(*after == fill);
        if before != after {
            if *after != fill {
                return Err(SliceFault::Changed);
            }
            changed += 1;
        }
    }
    // Which of the samples with the fill value were replaced can't be seen: changed at least,
    // all of them at most.
    if (changed..=filled).contains(&removed) && !(removed == 0 && changed > 0) {
        Ok((changed, removed))
    } else {
        Err(SliceFault::Count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Option<InstanceClaim> = Some(InstanceClaim { removed: 2, fill: -1024 });
    const UNTOUCHED: Option<InstanceClaim> = Some(InstanceClaim { removed: 0, fill: -1024 });

    #[test]
    fn true_claims_are_counted() {
        let mut audit = SliceAudit::new();
        audit.add("a", &[1, 2, 3, -1024], &[1, -1024, -1024, -1024], CUT).unwrap();
        audit.add("b", &[1, 2, -1024], &[1, 2, -1024], UNTOUCHED).unwrap();
        let treated = SlicesTreated { instances: 2, touched: 1, changed: 2, removed: 2 };
        assert_eq!(audit.finish(["b", "a"]), Ok(treated));
    }

    #[test]
    fn a_replaced_sample_may_have_had_the_fill_value() {
        let mut audit = SliceAudit::new();
        audit.add("a", &[5, -1024], &[-1024, -1024], CUT).unwrap();
        assert!(audit.finish(["a"]).is_ok());
    }

    #[test]
    fn false_claims_are_faults_that_stay() {
        let cases = [
            (&[1, 2][..], &[1, -1024][..], None, SliceFault::Unclaimed),
            (&[1, 2], &[1], CUT, SliceFault::Samples),
            (&[1, 2, 3], &[-1024, 7, -1024], CUT, SliceFault::Changed),
            (&[1, 2], &[1, -1024], CUT, SliceFault::Count),
            (&[1, 2, 3], &[-1024, -1024, -1024], CUT, SliceFault::Count),
            (&[1, 2], &[1, 3], UNTOUCHED, SliceFault::Changed),
            (&[1, 2], &[1, -1024], UNTOUCHED, SliceFault::Count),
        ];
        for (before, after, claim, fault) in cases {
            let mut audit = SliceAudit::new();
            assert_eq!(audit.add("a", before, after, claim), Err(fault));
            assert_eq!(audit.finish(["a"]), Err(fault));
        }
    }

    #[test]
    fn every_instance_once() {
        let cut = |keys: &[&str]| {
            let mut audit = SliceAudit::new();
            for key in keys {
                let _ = audit.add(key, &[1, 2], &[-1024, -1024], CUT);
            }
            audit
        };
        assert_eq!(cut(&["a"]).finish(["a", "b"]), Err(SliceFault::Unclaimed));
        assert_eq!(cut(&["a", "b"]).finish(["a"]), Err(SliceFault::Stray));
        assert_eq!(cut(&["a", "a"]).finish(["a"]), Err(SliceFault::Stray));
        let mut untouched = SliceAudit::new();
        untouched.add("a", &[1], &[1], UNTOUCHED).unwrap();
        assert_eq!(untouched.finish(["a"]), Err(SliceFault::Nothing));
    }
}
