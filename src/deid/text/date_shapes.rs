//! What has the shape of a date.

use chrono::{Datelike, NaiveDate};
use std::ops::Range;

use super::dates::{Field, Finder, Found};
use super::months::Month;

/// Years that a date of a study or a birth can have.
const YEARS: std::ops::RangeInclusive<u32> = 1850..=2200;
/// Two-digit years up to this are of this century.
const PIVOT: u32 = 50;

/// Year, month and day in Chinese and Japanese and, decomposed, in Korean.
const YEAR: [&str; 2] = ["年", "\u{1102}\u{1167}\u{11AB}"];
const MONTH: [&str; 2] = ["月", "\u{110B}\u{116F}\u{11AF}"];
const DAY: [&str; 2] = ["日", "\u{110B}\u{1175}\u{11AF}"];

/// The atoms of a date whose month has a name.
struct Named {
    day: Option<usize>,
    month: usize,
    year: Option<usize>,
    end: usize,
}

impl Finder<'_> {
    /// 8 digits; 12, 14 and 17 with a time; 6 if they are a date of the study.
    pub(super) fn packed(&self, at: usize) -> Option<Found> {
        let atom = self.tokens.atoms.get(at).filter(|atom| atom.digits)?;
        let digits = self.tokens.atom(at);
        let part = |range: Range<usize>| digits.get(range).and_then(|d| d.parse::<u32>().ok());
        let place = |range: Range<usize>| {
            self.tokens.reading.span(atom.lo + range.start..atom.lo + range.end)
        };
        let ymd = || date(part(0..4)?, part(4..6)?, part(6..8)?);
        let found = |readings: Vec<NaiveDate>, certain, year, fields| Found {
            start: at,
            end: at + 1,
            readings,
            certain,
            year,
            fields,
            compact: true,
        };
        match digits.len() {
            8 | 12 | 14 | 17 => {
                let time = part(8..10).is_none_or(|h| h < 24)
                    && part(10..12).is_none_or(|m| m < 60)
                    && part(12..14).is_none_or(|s| s <= 60);
                if let Some(day) = ymd().filter(|_| time) {
                    let fields = vec![
                        (place(0..4), Field::Year),
                        (place(4..6), Field::Month),
                        (place(6..8), Field::Day),
                    ];
                    return Some(found(vec![day], Some(day), part(0..4), fields));
                }
                let (a, b, year) = (part(0..2)?, part(2..4)?, part(4..8)?);
                let readings: Vec<_> =
                    [date(year, b, a), date(year, a, b)].into_iter().flatten().collect();
                (digits.len() == 8 && !readings.is_empty())
                    .then(|| found(readings, None, Some(year), Vec::new()))
            }
            6 => {
                let (a, b, c) = (part(0..2)?, part(2..4)?, part(4..6)?);
                let mut readings = short_readings(a, b, c);
                readings.retain(|date| self.cleaner.knows(*date));
                (!readings.is_empty()).then(|| found(readings, None, None, Vec::new()))
            }
            _ => None,
        }
    }

    /// Three numbers with separators between.
    pub(super) fn triple(&self, at: usize) -> Option<Found> {
        let lengths = [at, at + 1, at + 2]
            .map(|i| self.tokens.atoms.get(i).filter(|atom| atom.digits).map_or(0, |a| a.len()));
        let [a, b, c] = [at, at + 1, at + 2].map(|i| self.tokens.number(i, 1..=4).unwrap_or(0));
        let (one, two) = (self.tokens.gap(at + 1), self.tokens.gap(at + 2));
        if one.is_empty() || two.is_empty() || one.chars().chain(two.chars()).count() > 8 {
            return None;
        }
        let sign = sign(one).filter(|one| sign(two) == Some(*one));
        let dotted = sign == Some('.');
        let (order, readings, year, padded) = match lengths {
            [1..=2, 1..=2, 4] if YEARS.contains(&c) => {
                let readings = vec![date(c, b, a), date(c, a, b)];
                ([at + 2, at + 1, at], readings, Some(c), lengths[0] == 2 && lengths[1] == 2)
            }
            [4, 1..=2, 1..=2] if YEARS.contains(&a) => {
                let readings = vec![date(a, b, c)];
                ([at, at + 1, at + 2], readings, Some(a), lengths[1] == 2 && lengths[2] == 2)
            }
            [1..=2, 1..=2, 2] => {
                let readings = short_readings(a, b, c).into_iter().map(Some).collect();
                ([at + 2, at + 1, at], readings, None, lengths[0] == 2 && lengths[1] == 2)
            }
            _ => return None,
        };
        let mut readings: Vec<NaiveDate> = readings.into_iter().flatten().collect();
        readings.dedup();
        let known = readings.iter().any(|date| self.cleaner.knows(*date));
        let counts = match sign {
            None => false,
            Some('.') if self.is_numbering(at) => false,
            Some(' ') => padded && year.is_some(),
            Some('_') if year.is_none() => padded && !readings.is_empty(),
            _ if year.is_none() => (self.doubt || padded) && !readings.is_empty(),
            // 2020.3.1 may be a version.
            Some('.') => padded || (self.doubt || lengths[2] == 4) && !readings.is_empty(),
            Some('_') => !readings.is_empty(),
            _ => true,
        };
        if !counts && !(known && (sign.is_some() || year.is_some())) {
            return None;
        }
        let year_first = lengths[0] == 4;
        let (certain, month_first) = match year {
            Some(_) if year_first => (readings.first().copied(), false),
            Some(year) => {
                let (dmy, mdy) = (date(year, b, a), date(year, a, b));
                match (dmy, mdy) {
                    (Some(dmy), Some(mdy)) if dotted || dmy == mdy => (Some(dmy), false),
                    (Some(_), Some(_)) => (None, false),
                    (dmy, None) => (dmy, false),
                    (None, mdy) => (mdy, true),
                }
            }
            None => self.short(dotted, a, b, c),
        };
        let [y, m, d] = order;
        let (m, d) = if month_first { (d, m) } else { (m, d) };
        let place = |i: usize| self.tokens.span(i..i + 1);
        Some(Found {
            start: at,
            end: at + 3,
            readings,
            certain,
            year: year.or(certain.map(|date| date.year().unsigned_abs())),
            fields: vec![(place(y), Field::Year), (place(m), Field::Month), (place(d), Field::Day)],
            compact: year_first || dotted,
        })
    }

    /// The only date that three numbers with a two-digit year at the end mean, if there is one,
    /// and whether the month stands first.
    fn short(&self, dotted: bool, a: u32, b: u32, c: u32) -> (Option<NaiveDate>, bool) {
        let full = |yy: u32| if yy <= PIVOT { 2000 + yy } else { 1900 + yy };
        let in_century = |a, b, yy: u32| {
            let [old, new] = [date(1900 + yy, b, a), date(2000 + yy, b, a)];
            let known = [old, new].into_iter().flatten().find(|date| self.cleaner.knows(*date));
            known.or(date(full(yy), b, a))
        };
        let (dmy, mdy, ymd) = (in_century(a, b, c), in_century(b, a, c), in_century(c, b, a));
        match (dmy, mdy, ymd) {
            (Some(dmy), ..) if dotted => (Some(dmy), false),
            (Some(dmy), None, None) => (Some(dmy), false),
            (None, Some(mdy), None) => (Some(mdy), true),
            _ => (None, false),
        }
    }

    /// Part of a longer number with dots: a version, a UID, a list of sizes.
    fn is_numbering(&self, at: usize) -> bool {
        let dot = |gap: &str| gap == "." || gap == ",";
        let digits = |i: usize| self.tokens.atoms.get(i).is_some_and(|atom| atom.digits);
        at > 0 && (dot(self.tokens.gap(at)) && digits(at - 1) || self.tokens.atoms[at].glued)
            || dot(self.tokens.gap(at + 3)) && digits(at + 3)
    }

    /// A day, a month's name and a year in any order; a month and a year; a day and a month.
    pub(super) fn named(&self, at: usize) -> Option<Found> {
        let tokens = self.tokens;
        let parts =
            self.month_first(at).or_else(|| self.year_first(at)).or_else(|| self.day_first(at))?;
        let month = self.month_at(parts.month)?;
        let year = parts.year.and_then(|year| tokens.number(year, 2..=4));
        let years = match year {
            Some(yy @ ..=PIVOT) => vec![2000 + yy, 1900 + yy],
            Some(yy @ ..100) => vec![1900 + yy, 2000 + yy],
            year => year.into_iter().collect(),
        };
        let day = parts.day.and_then(|day| tokens.number(day, 1..=2));
        let readings: Vec<NaiveDate> =
            years.iter().filter_map(|year| date(*year, month.number, day?)).collect();
        let known = readings.iter().find(|date| self.cleaner.knows(**date)).copied();
        let certain = known.or(readings.first().copied());
        let place = |i: usize| tokens.span(i..i + 1);
        let mut fields = vec![(place(parts.month), Field::Named(month))];
        fields.extend(parts.day.map(|day| (place(day), Field::Day)));
        fields.extend(parts.year.map(|year| (place(year), Field::Year)));
        let year = certain.map(|date| date.year().unsigned_abs()).or(years.first().copied());
        Some(Found { start: at, end: parts.end, readings, certain, year, fields, compact: false })
    }

    /// January 11th, 2023; Jan 11, 23; January 2023; January 11.
    fn month_first(&self, at: usize) -> Option<Named> {
        let month = self.month_at(at)?;
        if self.is_year(at + 1) {
            return Some(Named { day: None, month: at, year: Some(at + 1), end: at + 2 });
        }
        let mut after = self.after_ordinal(at + 2);
        // Apr 19 11:14:42 EDT 2018, as C libraries write it.
        let time = self.time(after, false);
        if time > after {
            let zone = self.tokens.letters(time).is_some_and(|zone| zone.len() <= 4);
            let year = time + usize::from(zone);
            after = if self.is_year(year) { year } else { after };
        }
        let year = (self.is_year(after) || self.is_short_year(after)).then_some(after);
        let counts = year.is_some() || self.doubt && self.is_day_of(month, at + 1);
        let end = year.map_or(after, |year| year + 1);
        (self.is_day(at + 1) && self.is_near(at + 1) && counts).then_some(Named {
            day: Some(at + 1),
            month: at,
            year,
            end,
        })
    }

    /// 2023 January 11; 2023 January.
    fn year_first(&self, at: usize) -> Option<Named> {
        self.tokens.number(at, 4..=4).filter(|year| YEARS.contains(year))?;
        self.month_at(at + 1).filter(|_| self.is_near(at + 1))?;
        let day = (self.is_day(at + 2) && self.is_near(at + 2)).then_some(at + 2);
        let end = day.map_or(at + 2, |day| day + 1);
        Some(Named { day, month: at + 1, year: Some(at), end })
    }

    /// 11th of January 2023; 11-Jan-23; 11. Januar; 11 de enero de 2023.
    fn day_first(&self, at: usize) -> Option<Named> {
        let named = self.after_ordinal(at + 1);
        let month = self.month_at(named).filter(|_| self.is_day(at) && self.is_near(named))?;
        let of = matches!(self.tokens.atom(named + 1), "de" | "del" | "of");
        let year = named + 1 + usize::from(of);
        let year = (self.is_year(year) || self.is_short_year(year)).then_some(year);
        let counts = year.is_some() || self.doubt && self.is_day_of(month, named);
        let end = year.unwrap_or(named) + 1;
        counts.then_some(Named { day: Some(at), month: named, year, end })
    }

    fn month_at(&self, at: usize) -> Option<Month> {
        self.tokens.letters(at).and_then(Month::of)
    }

    fn is_day(&self, at: usize) -> bool {
        self.tokens.number(at, 1..=2).is_some_and(|day| (1..=31).contains(&day))
    }

    /// A year of four digits, close to what stands before.
    fn is_year(&self, at: usize) -> bool {
        let year = self.tokens.number(at, 4..=4).is_some_and(|year| YEARS.contains(&year));
        year && self.is_near(at)
    }

    /// 2023年1月11日, 2023년 1월 11일; a year of an era too.
    pub(super) fn ideographic(&self, at: usize) -> Option<Found> {
        let year = self.tokens.number(at, 1..=4)?;
        let sign = |i: usize, signs: [&str; 2]| {
            let letters = self.tokens.letters(i).unwrap_or_default();
            signs.iter().any(|sign| letters.starts_with(sign))
        };
        let month = sign(at + 1, YEAR).then(|| self.tokens.number(at + 2, 1..=2))??;
        let month_sign = sign(at + 3, MONTH);
        let day = self.tokens.number(at + 4, 1..=2).filter(|_| month_sign);
        let whole = day.is_some() && sign(at + 5, DAY);
        let readings: Vec<NaiveDate> =
            day.and_then(|day| date(year, month, day)).into_iter().collect();
        let place = |i: usize| self.tokens.span(i..i + 1);
        Some(Found {
            start: at,
            end: at
                + if whole {
                    6
                } else if month_sign {
                    4
                } else {
                    3
                },
            certain: readings.first().copied().filter(|_| whole),
            readings,
            year: Some(year).filter(|year| YEARS.contains(year)),
            fields: if whole {
                vec![
                    (place(at), Field::Year),
                    (place(at + 2), Field::Month),
                    (place(at + 4), Field::Day),
                ]
            } else {
                Vec::new()
            },
            compact: false,
        })
    }

    /// 03/2023, 2023-03: not a whole date, yet more than a year.
    pub(super) fn month_and_year(&self, at: usize) -> Option<Found> {
        let tokens = self.tokens;
        let gap = tokens.gap(at + 1);
        let lone =
            |i: usize| !matches!(tokens.gap(i), "." | "-" | "/" | "") || i == tokens.atoms.len();
        let month = |i: usize| {
            let padded = tokens.atoms.get(i).is_some_and(|atom| atom.len() == 2);
            let fits = gap == "/"
                || padded && (gap == "-" || gap == "." && tokens.atom(i).starts_with('0'));
            tokens.number(i, 1..=2).filter(|month| (1..=12).contains(month) && fits)
        };
        let year = |i: usize| tokens.number(i, 4..=4).filter(|year| (1900..2100).contains(year));
        if !self.doubt || at > 0 && !lone(at) || !lone(at + 2) {
            return None;
        }
        let year = match (month(at), year(at + 1), year(at), month(at + 1)) {
            (Some(_), Some(year), ..) | (_, _, Some(year), Some(_)) => year,
            _ => return None,
        };
        Some(Found {
            start: at,
            end: at + 2,
            readings: Vec::new(),
            certain: None,
            year: Some(year),
            fields: Vec::new(),
            compact: false,
        })
    }

    /// Whether an atom stands close to the one before.
    pub(super) fn is_near(&self, at: usize) -> bool {
        let gap = self.tokens.gap(at);
        at < self.tokens.atoms.len()
            && gap.chars().count() <= 3
            && gap.chars().all(|c| {
                matches!(c, ' ' | '.' | ',' | '-' | '_' | '/' | '\'' | '’' | '–' | '\u{A0}')
            })
    }

    /// Skips what makes a number an ordinal: 12th of, 1er, 12 de.
    fn after_ordinal(&self, at: usize) -> usize {
        let mut at = at;
        if self.tokens.atoms.get(at).is_some_and(|atom| atom.glued)
            && matches!(self.tokens.atom(at), "st" | "nd" | "rd" | "th" | "er" | "o" | "e")
        {
            at += 1;
        }
        if matches!(self.tokens.atom(at), "of" | "de") && self.is_near(at) { at + 1 } else { at }
    }

    /// Whether a two-digit number behind a month is its year rather than anything else.
    fn is_short_year(&self, at: usize) -> bool {
        let joined = match self.tokens.gap(at) {
            " " => self.doubt || self.tokens.gap(at - 1) == " ",
            gap => {
                matches!(gap, "-" | "'" | " '" | "’" | " ’" | "/" | "." | "_" | "" | ", " | ",")
            }
        };
        joined && self.tokens.number(at, 2..=2).is_some()
    }

    /// A day and a month without a year: only if the month is no other word's abbreviation.
    fn is_day_of(&self, month: Month, second: usize) -> bool {
        month.full || matches!(self.tokens.gap(second), "-" | "" | ". ")
    }
}

fn date(year: u32, month: u32, day: u32) -> Option<NaiveDate> {
    let year = Some(year).filter(|year| YEARS.contains(year))?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

/// Every date that three two-digit numbers can mean.
fn short_readings(a: u32, b: u32, c: u32) -> Vec<NaiveDate> {
    let centuries = |yy: u32| [1900 + yy, 2000 + yy];
    let orders = [(c, b, a), (c, a, b), (a, b, c)];
    let all = orders.iter().flat_map(|(y, m, d)| centuries(*y).map(|year| date(year, *m, *d)));
    all.flatten().collect()
}

/// The one separator in a gap.
fn sign(gap: &str) -> Option<char> {
    let mut signs = gap.chars().filter(|c| !c.is_whitespace());
    let sign = match (signs.next(), signs.next()) {
        (None, _) if !gap.contains('\n') => ' ',
        (Some('/' | '／' | '∕'), None) => '/',
        (Some('-' | '–' | '‐' | '‑' | '−' | '－'), None) => '-',
        (Some('.' | '．' | '。'), None) => '.',
        (Some('_'), None) => '_',
        _ => return None,
    };
    Some(sign)
}
