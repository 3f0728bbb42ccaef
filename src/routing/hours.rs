//! Times of day at which something is sent, by the clock and in the time zone of this machine.

use chrono::{NaiveDateTime, Timelike, Weekday};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Times at which something is sent. None: at any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours(pub Vec<Window>);

/// From one time of day to another, on some days of the week: `mon-fri 20:00-06:00`.
///
/// What ends on the next day belongs to the day on which it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    /// Monday first.
    days: [bool; 7],
    /// Minutes since midnight.
    from: u32,
    to: u32,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: u32 = 24 * 60;
const FORM: &str =
    "[DAYS ]HH:MM-HH:MM, for example 20:00-06:00, mon-fri 19:00-07:00 or sat,sun 00:00-24:00";

impl Hours {
    /// Whether now is such a time.
    pub fn are_now(&self) -> bool {
        self.0.is_empty() || self.are_at(crate::clock::local())
    }

    fn are_at(&self, time: NaiveDateTime) -> bool {
        self.0.is_empty() || self.0.iter().any(|window| window.is_open(time))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows: Vec<String> = self.0.iter().map(Window::to_string).collect();
        f.write_str(if windows.is_empty() { "at any time" } else { "" })?;
        f.write_str(&windows.join(" or "))
    }
}

impl Window {
    fn is_open(&self, time: NaiveDateTime) -> bool {
        let minute = time.hour() * 60 + time.minute();
        let today = day_of(chrono::Datelike::weekday(&time));
        let yesterday = (today + 6) % 7;
        if self.from < self.to {
            return self.days[today] && (self.from..self.to).contains(&minute);
        }
        self.days[today] && minute >= self.from || self.days[yesterday] && minute < self.to
    }
}

fn day_of(day: Weekday) -> usize {
    day.num_days_from_monday() as usize
}

impl FromStr for Window {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (days, times) = match text.trim().split_once(' ') {
            Some((days, times)) => (days_of(days).ok_or(FORM)?, times),
            None => ([true; 7], text.trim()),
        };
        let (from, to) = times.trim().split_once('-').ok_or(FORM)?;
        let (from, to) = (minutes(from).ok_or(FORM)?, minutes(to).ok_or(FORM)?);
        // Whether nothing or a whole day was meant nobody can know.
        (from != to && from < DAY).then_some(Window { days, from, to }).ok_or(FORM)
    }
}

/// `mon-fri`, `sat,sun`, `fri-mon`.
fn days_of(text: &str) -> Option<[bool; 7]> {
    let number = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name.trim()));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        let length = (last + 7 - first) % 7;
        (0..=length).for_each(|n| days[(first + n) % 7] = true);
    }
    Some(days)
}

fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let is_plain = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    let (hours, minutes) =
        (is_plain(hours).then(|| hours.parse::<u32>().ok())??, minutes.parse::<u32>().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY).then_some(total)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != [true; 7] {
            let named = DAYS.iter().zip(self.days).filter_map(|(name, on)| on.then_some(*name));
            write!(f, "{} ", named.collect::<Vec<_>>().join(","))?;
        }
        let time = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        write!(f, "{}-{}", time(self.from), time(self.to))
    }
}

impl TryFrom<String> for Window {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    /// 2026-11-27 is a Friday.
    fn at(day: u32, hour: u32, minute: u32) -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, 11, day).unwrap().and_hms_opt(hour, minute, 0).unwrap()
    }

    fn open(text: &str, time: NaiveDateTime) -> bool {
        Hours(vec![text.parse().unwrap()]).are_at(time)
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        for (window, time, is_open) in [
            ("20:00-06:00", at(27, 19, 59), false),
            ("20:00-06:00", at(27, 20, 0), true),
            ("20:00-06:00", at(28, 5, 59), true),
            ("20:00-06:00", at(28, 6, 0), false),
            ("mon-fri 20:00-06:00", at(28, 1, 0), true),
            ("mon-fri 20:00-06:00", at(28, 20, 0), false),
            ("mon-fri 20:00-06:00", at(30, 1, 0), false),
            ("sat,sun 00:00-24:00", at(29, 23, 59), true),
            ("sat,sun 00:00-24:00", at(30, 0, 0), false),
            ("fri-mon 12:00-13:00", at(30, 12, 30), true),
            ("fri-mon 12:00-13:00", at(26, 12, 30), false),
        ] {
            assert_eq!(open(window, time), is_open, "{window} {time}");
        }
        assert!(Hours::default().are_at(at(1, 1, 1)));
    }

    #[test]
    fn other_forms_are_refused() {
        for wrong in [
            "",
            "20:00",
            "20-06",
            "8:00-9:00",
            "20:00-20:00",
            "24:00-06:00",
            "20:00-24:01",
            "20:60-21:00",
            "day 20:00-21:00",
            "mon-fri",
        ] {
            assert!(wrong.parse::<Window>().is_err(), "{wrong}");
        }
        let window: Window = "Sat,SUN 09:05-17:00".parse().unwrap();
        assert_eq!(window.to_string(), "sat,sun 09:05-17:00");
        assert_eq!(window.to_string().parse(), Ok(window));
    }
}
