//! Dates of a result: those that efface moved back are moved forward, those of the result's own stay.
//!
//! Results have both: dates that were copied from what was sent, and true ones, of when they were made. Which is which, no
//! element says. What is known: no day that was moved back by `n` days lies, moved forward again, in the future; and a
//! result was not made before its study. So a day
//! - that would lie in the future is the result's own, and stays;
//! - before that of the study is one that was moved, and goes forward;
//! - between these two may be either, and the result is refused. That is so when it comes back later than `n` days, at
//!   least a month ([`DAYS_BACK`](crate::deid::pseudonym::DAYS_BACK)), after it was made.
//!
//! What this mistakes: a true day before the study that a result says of itself, such as that of its software's release.
//! Dates in prose stay as they are.

use super::refusal::Refusal;
use crate::clock::Day;
use chrono::{Days, NaiveDate};
use dicom_core::{Tag, VR};

/// How the dates of results of one study come back.
pub(super) struct DateRule {
    /// By how many days they left earlier; `None`: they were not moved.
    days_back: Option<u32>,
    study: Option<NaiveDate>,
    today: NaiveDate,
}

impl DateRule {
    /// For what left so many days earlier; the study's date as it is.
    pub(super) fn new(days_back: Option<u32>, study_date: Option<&str>, today: Day) -> Self {
        let study = study_date.and_then(|text| day_of(text)).map(|(day, _)| day);
        DateRule { days_back, study, today: today.date() }
    }

    /// One value of DA or DT as it stands inside.
    pub(super) fn inside(&self, tag: Tag, vr: VR, value: &str) -> Result<String, Refusal> {
        let value = value.trim_matches([' ', '\0']);
        let Some(days_back) = self.days_back.filter(|_| !value.is_empty()) else {
            return Ok(value.to_owned());
        };
        // A year or month alone was never moved, and so never left.
        let alone = matches!(value.len(), 4 | 6) && value.bytes().all(|b| b.is_ascii_digit());
        if vr == VR::DT && alone {
            return Ok(value.to_owned());
        }
        let (day, rest) = day_of(value).ok_or(Refusal::Form(tag))?;
        if vr == VR::DA && !rest.is_empty() {
            return Err(Refusal::Form(tag));
        }
        let forward = day.checked_add_days(Days::new(days_back.into()));
        match forward.filter(|forward| *forward <= self.today) {
            None => Ok(value.to_owned()),
            Some(forward) if self.study.is_some_and(|study| day < study) => {
                Ok(format!("{}{rest}", forward.format("%Y%m%d")))
            }
            Some(_) => Err(Refusal::DoubtfulDate(tag)),
        }
    }
}

/// The day at the beginning of a value, and what follows it.
fn day_of(value: &str) -> Option<(NaiveDate, &str)> {
    let (digits, rest) = value.split_at_checked(8)?;
    let is_written = digits.bytes().all(|b| b.is_ascii_digit());
    let day = NaiveDate::parse_from_str(digits, "%Y%m%d").ok().filter(|_| is_written)?;
    Some((day, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_moved_goes_forward_and_what_is_new_stays() {
        let today: Day = "2026-11-28".parse().unwrap();
        let rule = |back| DateRule::new(back, Some("20230711"), today);
        let tag = Tag(0x0008, 0x0022);
        for (vr, value, wanted) in [
            (VR::DA, "20230612", Ok("20230711")),
            (VR::DA, "20230710", Ok("20230808")),
            (VR::DT, "20230612101317.4+0100", Ok("20230711101317.4+0100")),
            (VR::DA, "20261128", Ok("20261128")),
            (VR::DA, "20261031", Ok("20261031")),
            (VR::DT, "2023", Ok("2023")),
            (VR::DA, "", Ok("")),
            (VR::DA, "20261030", Err(Refusal::DoubtfulDate(tag))),
            (VR::DA, "20230711", Err(Refusal::DoubtfulDate(tag))),
            (VR::DA, "2023.06.12", Err(Refusal::Form(tag))),
            (VR::DA, "20230230", Err(Refusal::Form(tag))),
            (VR::DA, "2023061210", Err(Refusal::Form(tag))),
        ] {
            let said = rule(Some(29)).inside(tag, vr, value);
            assert_eq!(said, wanted.map(str::to_owned), "{value}");
        }
        assert_eq!(rule(None).inside(tag, VR::DA, "20230612"), Ok("20230612".to_owned()));
        let undated = DateRule::new(Some(29), None, today);
        assert!(undated.inside(tag, VR::DA, "20230612").is_err());
    }
}
