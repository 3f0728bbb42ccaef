//! Dates as DICOM writes them (PS3.5 6.2), and days between them.

use std::str;
use zeroize::Zeroize;

use super::kind::{Kind, Kinds};
use super::walk::Vr;

/// What a de-identifier writes where a date must be and none may stay (PS3.15 E.1.1, action D).
pub(super) const DUMMY_DAY: u32 = 19000101;
const DUMMY_DATE_TIME: &[u8] = b"19000101000000";
const DUMMY_TIME: &[u8] = b"000000";

/// A value of DA or DT that says a whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment<'a> {
    /// The number YYYYMMDD; a day that exists.
    pub(super) day: u32,
    /// What DT has behind the day: time of day and offset from UTC.
    pub(super) rest: &'a [u8],
}

/// Reads a value of DA or DT without its padding. `None`: not exactly in the form of its VR, not
/// a day of the calendar, or a part of a date (YYYY, YYYYMM) only.
pub(super) fn moment(vr: Vr, value: &[u8]) -> Option<Moment<'_>> {
    let (day, rest) = value.split_at_checked(8)?;
    let day = number(day)?;
    day_count(day)?;
    let fits = match &vr.0 {
        b"DA" => rest.is_empty(),
        b"DT" => is_time_and_offset(rest),
        _ => false,
    };
    fits.then_some(Moment { day, rest })
}

/// `[HH[MM[SS[.F{1,6}]]]][&ZZXX]`, as DT goes on behind its day.
fn is_time_and_offset(rest: &[u8]) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    let at = rest.iter().position(|b| matches!(b, b'+' | b'-')).unwrap_or(rest.len());
    let (time, offset) = rest.split_at(at);
    let (whole, fraction) = match time.iter().position(|b| *b == b'.') {
        Some(dot) => (&time[..dot], Some(&time[dot + 1..])),
        None => (time, None),
    };
    let fraction_fits =
        fraction.is_none_or(|f| whole.len() == 6 && (1..=6).contains(&f.len()) && digits(f));
    digits(whole)
        && matches!(whole.len(), 0 | 2 | 4 | 6)
        && fraction_fits
        && (offset.is_empty() || offset.len() == 5 && digits(&offset[1..]))
}

/// Whether a value of DA, DT or TM is the dummy: it says nothing.
pub(super) fn is_dummy(vr: Vr, value: &[u8]) -> bool {
    match &vr.0 {
        b"DA" => number(value) == Some(DUMMY_DAY) && value.len() == 8,
        b"DT" => value == DUMMY_DATE_TIME,
        b"TM" => value == DUMMY_TIME,
        _ => false,
    }
}

/// The day that comes so many days after another. `None`: it has more than four digits of year.
pub(super) fn later(day: u32, days: u32) -> Option<u32> {
    let (year, month, day) = civil(day_count(day)? + i64::from(days));
    (year <= 9999).then_some(year as u32 * 10_000 + month * 100 + day)
}

/// The four digits of a year.
pub(super) fn year(value: &[u8]) -> Option<u32> {
    (value.len() == 4).then(|| number(value)).flatten()
}

fn number(digits: &[u8]) -> Option<u32> {
    let all = digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits).ok().filter(|_| all)?.parse().ok()
}

/// Days since 0000-03-01 of the Gregorian calendar; `None`: there is no such day.
fn day_count(yyyymmdd: u32) -> Option<i64> {
    let (year, month, day) = (yyyymmdd / 10_000, yyyymmdd / 100 % 100, yyyymmdd % 100);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || !(1..=last).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the odd day is the last one.
    let year = i64::from(year) - i64::from(month <= 2);
    let month = i64::from((month + 9) % 12);
    let in_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    Some(365 * year + year / 4 - year / 100 + year / 400 + in_year)
}

/// Year, month and day of a count of [`day_count`].
fn civil(days: i64) -> (i64, u32, u32) {
    let (era, rest) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era = (rest - rest / 1460 + rest / 36_524 - rest / 146_096) / 365;
    let in_year = rest - (365 * of_era + of_era / 4 - of_era / 100);
    let month = (5 * in_year + 2) / 153;
    let day = (in_year - (153 * month + 2) / 5 + 1) as u32;
    let year = of_era + 400 * era + i64::from(month >= 10);
    (year, ((month + 2) % 12 + 1) as u32, day)
}

/// The days that the source names. A study has few, whatever the number of its instances.
#[derive(Default)]
pub(super) struct Days(Vec<Day>);

struct Day {
    /// The number YYYYMMDD.
    day: u32,
    kinds: Kinds,
    /// It stands in an element of dates, so that a shifted date can come from it.
    origin: bool,
}

impl Drop for Days {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|day| day.day.zeroize());
    }
}

impl Days {
    /// Something that a day tells.
    pub(super) fn note(&mut self, day: u32, kind: Kind) {
        let day = self.entry(day);
        day.kinds = day.kinds.with(kind);
    }

    /// A day of an element that shifting would shift.
    pub(super) fn note_origin(&mut self, day: u32) {
        self.entry(day).origin = true;
    }

    fn entry(&mut self, day: u32) -> &mut Day {
        let at = self.0.binary_search_by_key(&day, |known| known.day).unwrap_or_else(|at| {
            self.0.insert(at, Day { day, kinds: Kinds::NONE, origin: false });
            at
        });
        &mut self.0[at]
    }

    /// What a day tells; nothing if the source doesn't name it.
    pub(super) fn kinds(&self, day: u32) -> Kinds {
        self.find(day).map_or(Kinds::NONE, |day| day.kinds)
    }

    /// Whether a shifted date can come from this day.
    pub(super) fn is_origin(&self, day: u32) -> bool {
        self.find(day).is_some_and(|day| day.origin)
    }

    /// Whether a date of the source can have become this year.
    pub(super) fn is_year(&self, year: u32) -> bool {
        self.0.iter().any(|day| day.origin && day.day / 10_000 == year)
    }

    fn find(&self, day: u32) -> Option<&Day> {
        let at = self.0.binary_search_by_key(&day, |known| known.day).ok()?;
        Some(&self.0[at])
    }

    /// Every day that tells something.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Kinds)> + '_ {
        self.0.iter().filter(|day| !day.kinds.is_empty()).map(|day| (day.day, day.kinds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DA: Vr = Vr(*b"DA");
    const DT: Vr = Vr(*b"DT");

    #[test]
    fn days_go_on_over_months_years_and_leap_days() {
        for (day, days, then) in [
            (20231231, 1, 20240101),
            (20240228, 1, 20240229),
            (20240228, 2, 20240301),
            (20230228, 1, 20230301),
            (19000228, 1, 19000301),
            (20000228, 1, 20000229),
            (20130114, 3650, 20230112),
        ] {
            assert_eq!(later(day, days), Some(then), "{day} + {days}");
        }
        assert_eq!(later(99991231, 1), None);
        assert_eq!(later(20230229, 1), None);
    }

    #[test]
    fn forms_of_da_and_dt() {
        for good in ["20230111", "2023011110", "20230111101317.4", "20230111+0100"] {
            let found = moment(DT, good.as_bytes()).unwrap();
            assert_eq!((found.day, found.rest), (20230111, &good.as_bytes()[8..]));
        }
        for bad in [
            "2023",
            "202301",
            "20230230",
            "202301111",
            "20230111.5",
            "20230111101317.",
            "20230111+1",
        ] {
            assert_eq!(moment(DT, bad.as_bytes()), None, "{bad}");
        }
        assert!(moment(DA, b"20230111").is_some());
        for bad in ["2023011110", "2023.01.11", "+2023011", ""] {
            assert_eq!(moment(DA, bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn dummies() {
        assert!(is_dummy(DA, b"19000101") && is_dummy(DT, b"19000101000000"));
        assert!(is_dummy(Vr(*b"TM"), b"000000"));
        assert!(!is_dummy(DA, b"19000102") && !is_dummy(DT, b"19000101101317"));
    }

    proptest! {
        #[test]
        fn each_day_is_one_later_than_the_one_before(from in 366_i64..3_600_000, days in 0_u32..4000) {
            let number = |(y, m, d): (i64, u32, u32)| y as u32 * 10_000 + m * 100 + d;
            let day = number(civil(from));
            prop_assert_eq!(day_count(day), Some(from));
            prop_assert_eq!(later(day, days), Some(number(civil(from + i64::from(days)))));
        }
    }
}
