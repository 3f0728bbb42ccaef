//! Dates and times as they leave (PS3.15 E.3.6): as they are, moved back, cut to the year, or not.

use crate::profile::DateWay;
use chrono::{Days, NaiveDate};
use dicom_core::VR;

/// How the dates of one patient leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateRule {
    /// Not at all.
    Removed,
    /// As they are.
    Full,
    /// So many days earlier; at least one.
    Back(u32),
    /// The year alone.
    Year,
}

impl DateRule {
    /// For a patient whose dates would be moved back by so many days.
    pub fn of(way: DateWay, days_back: u32) -> Self {
        match way {
            DateWay::Not => DateRule::Removed,
            DateWay::Full => DateRule::Full,
            DateWay::Shifted => DateRule::Back(days_back),
            DateWay::Year => DateRule::Year,
        }
    }

    /// One value of DA, DT or TM as it leaves; `None`: nothing of it may.
    ///
    /// Only what is written as PS3.5 6.2 says is treated; anything else is doubtful.
    pub fn apply(self, vr: VR, value: &str) -> Option<String> {
        let value = value.trim_matches([' ', '\0']);
        match (self, vr) {
            (DateRule::Removed, _) | (DateRule::Year, VR::TM) => None,
            (_, VR::TM) => is_time(value).then(|| value.to_owned()),
            (rule, VR::DA) => rule.date(&day_of(value)?),
            (rule, VR::DT) => rule.date_time(value),
            _ => None,
        }
    }

    fn date(self, (day, rest): &(NaiveDate, &str)) -> Option<String> {
        if !rest.is_empty() {
            return None;
        }
        match self {
            DateRule::Removed => None,
            DateRule::Full => Some(written(*day)),
            DateRule::Back(days) => Some(written(moved(*day, days)?)),
            DateRule::Year => Some(day.format("%Y0101").to_string()),
        }
    }

    /// YYYYMMDDHHMMSS.FFFFFF&ZZXX. Year or month alone cannot be moved by days.
    fn date_time(self, value: &str) -> Option<String> {
        let digits = value.bytes().take_while(u8::is_ascii_digit).count();
        if self == DateRule::Full && matches!(digits, 4 | 6) && is_rest(&value[digits..]) {
            return Some(value.to_owned());
        }
        let (day, rest) = day_of(value)?;
        let clock = rest.bytes().take_while(u8::is_ascii_digit).count();
        if !matches!(clock, 0 | 2 | 4 | 6) || !is_rest(&rest[clock..]) {
            return None;
        }
        match self {
            DateRule::Removed => None,
            DateRule::Full => Some(value.to_owned()),
            DateRule::Back(days) => Some(written(moved(day, days)?) + rest),
            DateRule::Year => Some(day.format("%Y").to_string()),
        }
    }
}

/// A day moved back. `None` for days that stand for no day: the difference between such a constant
/// and what left in its place would tell by how much all dates were moved.
pub(super) fn moved(day: NaiveDate, days: u32) -> Option<NaiveDate> {
    let real = (NaiveDate::from_ymd_opt(1901, 1, 2)?..=NaiveDate::from_ymd_opt(2199, 12, 30)?)
        .contains(&day);
    let constant = CONSTANTS.contains(&written(day).as_str());
    if real && !constant { day.checked_sub_days(Days::new(days.into())) } else { None }
}

/// Days that devices and programs write when they know none: the beginnings of their calendars.
const CONSTANTS: [&str; 10] = [
    "19010101", "19040101", "19111111", "19500101", "19600101", "19700101", "19800101", "19800106",
    "19991231", "20000101",
];

/// The day at the beginning of a value, and what follows it.
fn day_of(value: &str) -> Option<(NaiveDate, &str)> {
    let (digits, rest) = value.split_at_checked(8)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits[range].parse::<u32>().ok();
    let day = NaiveDate::from_ymd_opt(number(0..4)? as i32, number(4..6)?, number(6..8)?)?;
    Some((day, rest))
}

fn written(day: NaiveDate) -> String {
    day.format("%Y%m%d").to_string()
}

/// A fraction and an offset from UTC, either of which may be missing.
fn is_rest(rest: &str) -> bool {
    let legal = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-');
    rest.len() <= 12 && rest.bytes().all(legal)
}

/// HHMMSS.FFFFFF, or the range that queries have; also the colons of before 1993.
fn is_time(value: &str) -> bool {
    let legal = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b':' | b'-');
    value.len() <= 28 && value.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_of_values() {
        use DateRule::{Back, Full, Removed, Year};
        for (rule, vr, value, wanted) in [
            (Back(1), VR::DA, "20240301", Some("20240229")),
            (Back(60), VR::DA, "20240115", Some("20231116")),
            (Back(1), VR::DT, "20240301123000.5+0100", Some("20240229123000.5+0100")),
            (Back(1), VR::DT, "2024", None),
            (Back(1), VR::DT, "20240301X", None),
            (Back(1), VR::DA, "2024.03.01", None),
            (Back(1), VR::DA, "20240230", None),
            (Back(1), VR::DA, "20240301-20240302", None),
            (Back(1), VR::DA, "19000101", None),
            (Back(1), VR::DA, "19700101", None),
            (Back(1), VR::TM, "123000.123456", Some("123000.123456")),
            (Back(1), VR::TM, "noon", None),
            (Full, VR::DA, "20240301 ", Some("20240301")),
            (Full, VR::DT, "202403", Some("202403")),
            (Full, VR::DT, "Smith", None),
            (Year, VR::DA, "20240301", Some("20240101")),
            (Year, VR::DT, "20240301123000", Some("2024")),
            (Year, VR::TM, "1230", None),
            (Removed, VR::DA, "20240301", None),
        ] {
            assert_eq!(rule.apply(vr, value).as_deref(), wanted, "{rule:?} {vr} {value}");
        }
    }

    proptest! {
        /// Intervals are the same after the shift, whatever months and leap years lie between.
        #[test]
        fn intervals_are_kept(a in 0_i64..80_000, b in 0_i64..80_000, days in 1_u32..3651) {
            let epoch = NaiveDate::from_ymd_opt(1915, 1, 1).unwrap();
            let day = |n: i64| epoch + chrono::Duration::days(n);
            let shifted = |n| {
                let value = DateRule::Back(days).apply(VR::DA, &written(day(n)))?;
                Some(day_of(&value)?.0)
            };
            if let (Some(x), Some(y)) = (shifted(a), shifted(b)) {
                prop_assert_eq!(x - y, day(a) - day(b));
                prop_assert!(x < day(a));
            }
        }
    }
}
