//! Dates in text, by their shape: `20230111`, `2023-01-11`, `11.1.2023`, `1/11/23`,
//! `11 Jan 2023`, `11 janvier 2023`, `2023年1月11日`, with a time behind or without.

use chrono::{Datelike, NaiveDate};
use std::ops::Range;

use super::cuts::Cuts;
use super::months::{Month, is_weekday};
use super::tokens::Tokens;
use super::{Cleaner, TextDates};

/// Treats every date of a text. `doubt`: what may also be something else counts as a date.
pub(super) fn find(
    tokens: &Tokens<'_, '_>,
    cleaner: &Cleaner,
    policy: TextDates<'_>,
    doubt: bool,
    cuts: &mut Cuts,
) {
    let finder = Finder { tokens, cleaner, doubt };
    let mut at = 0;
    while at < tokens.atoms.len() {
        match finder.at(at) {
            Some(found) => {
                at = found.end;
                finder.treat(found, policy, cuts);
            }
            None => at += 1,
        }
    }
}

/// A part of a date.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Year,
    Month,
    Day,
    Named(Month),
}

/// Something of the shape of a date.
pub(super) struct Found {
    /// Its atoms.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Every date that it can mean.
    pub(super) readings: Vec<NaiveDate>,
    /// The one that it means beyond doubt.
    pub(super) certain: Option<NaiveDate>,
    pub(super) year: Option<u32>,
    /// Where the parts of the certain date stand, in bytes of the text.
    pub(super) fields: Vec<(Range<usize>, Field)>,
    /// A time of day in compact form may follow.
    pub(super) compact: bool,
}

/// Looks for dates in one text.
pub(super) struct Finder<'a> {
    pub(super) tokens: &'a Tokens<'a, 'a>,
    pub(super) cleaner: &'a Cleaner,
    /// What may also be something else counts as a date.
    pub(super) doubt: bool,
}

impl Finder<'_> {
    fn at(&self, at: usize) -> Option<Found> {
        self.packed(at)
            .or_else(|| self.ideographic(at))
            .or_else(|| self.triple(at))
            .or_else(|| self.named(at))
            .or_else(|| self.month_and_year(at))
    }

    fn treat(&self, found: Found, policy: TextDates<'_>, cuts: &mut Cuts) {
        let mut date = self.tokens.span(found.start..found.end);
        let end = self.time(found.end, found.compact);
        let whole = date.start..self.tokens.span(found.start..end.max(found.end)).end;
        let weekday = self.weekday(found.start);
        let from = weekday.clone().map_or(date.start, |w| w.start);
        if found.readings.iter().any(|date| self.cleaner.is_birth(*date)) {
            return cuts.remove_date(from..whole.end);
        }
        match policy {
            TextDates::Keep => cuts.keep(whole),
            TextDates::Remove => cuts.remove_date(from..whole.end),
            TextDates::Year => match found.year {
                Some(year) => cuts.replace(from..whole.end, year.to_string()),
                None => cuts.remove_date(from..whole.end),
            },
            TextDates::Shift(shift) => {
                let shifted = found.certain.and_then(shift);
                match shifted.filter(|date| !self.cleaner.is_birth(*date)) {
                    Some(to) => {
                        let text = self.rewritten(&found, &date, to);
                        cuts.keep(date.end..whole.end);
                        date.start = from;
                        cuts.replace(date, text);
                    }
                    None => cuts.remove_date(from..whole.end),
                }
            }
        }
    }

    /// The date in the same writing, as another one.
    fn rewritten(&self, found: &Found, date: &Range<usize>, to: NaiveDate) -> String {
        let text = self.tokens.text();
        let mut fields = found.fields.clone();
        fields.sort_by_key(|field| field.0.start);
        let (mut out, mut at) = (String::new(), date.start);
        let width =
            |range: &Range<usize>| text.get(range.clone()).unwrap_or_default().chars().count();
        let padded = !fields
            .iter()
            .any(|(range, field)| matches!(field, Field::Day | Field::Month) && width(range) == 1);
        for (range, field) in fields {
            out.push_str(text.get(at..range.start).unwrap_or_default());
            at = range.end;
            let written = text.get(range).unwrap_or_default();
            let short = written.chars().count() == 2;
            let digits = |value: u32| {
                if padded { format!("{value:02}") } else { value.to_string() }
            };
            out.push_str(&match field {
                Field::Year if short => format!("{:02}", to.year().unsigned_abs() % 100),
                Field::Year => to.year().to_string(),
                Field::Month => digits(to.month()),
                Field::Day => digits(to.day()),
                Field::Named(month) => month.named(to.month(), written),
            });
        }
        out.push_str(text.get(at..date.end).unwrap_or_default());
        out
    }

    /// The weekday before a date: it would tell the date modulo seven.
    fn weekday(&self, start: usize) -> Option<Range<usize>> {
        let before = start.checked_sub(1)?;
        let near = !self.tokens.atoms[start].glued && self.is_near(start);
        let weekday = near && self.tokens.letters(before).is_some_and(is_weekday);
        weekday.then(|| self.tokens.span(before..before + 1))
    }
}
