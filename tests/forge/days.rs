//! Days that were shifted: one planted day may become another one of the same study.

use efface::deid::pseudonym::DAYS_BACK;
use std::collections::{BTreeMap, HashSet};

/// By how many days a study can have been shifted: what explains most of the dates in an output.
/// Several when they explain equally many.
pub fn shifts(output: &[u8], planted: &[&str]) -> Vec<i64> {
    let planted: Vec<i64> = planted.iter().filter_map(|day| number(day)).collect();
    let values = output.windows(12).filter(|window| window.starts_with(b"DA\x08\0"));
    let values = values.filter_map(|window| number(std::str::from_utf8(&window[4..]).ok()?));
    let possible = i64::from(*DAYS_BACK.start())..=i64::from(*DAYS_BACK.end());
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for left in values {
        for shift in planted.iter().map(|day| day - left).filter(|s| possible.contains(s)) {
            *counts.entry(shift).or_default() += 1;
        }
    }
    let most = counts.values().max().copied().unwrap_or(0);
    counts.into_iter().filter(|(_, count)| *count == most).map(|(shift, _)| shift).collect()
}

/// Whether a day in the output is another planted one, shifted.
pub fn is_explained(day: &str, shifts: &[i64], planted: &[&str]) -> bool {
    let planted: HashSet<i64> = planted.iter().filter_map(|day| number(day)).collect();
    number(day).is_some_and(|day| shifts.iter().any(|shift| planted.contains(&(day + shift))))
}

/// Days since 1 March of the year 0, of YYYYMMDD (proleptic Gregorian).
fn number(date: &str) -> Option<i64> {
    let part = |range: std::ops::Range<usize>| date.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    Some(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day)
}

#[test]
fn a_shift_is_seen_and_explains_its_own_days_only() {
    let planted = ["19240301", "19240229", "19231231", "19200101"];
    let output = [b"\x08\0\x20\0DA\x08\0".as_slice(), b"19231231", b"....DA\x08\0", b"19231230"];
    let shifts = shifts(&output.concat(), &planted);
    assert_eq!(shifts, [61]);
    assert!(is_explained("19231231", &shifts, &planted));
    assert!(!is_explained("19240301", &shifts, &planted));
}
