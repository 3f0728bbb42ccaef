//! One element's value held against what the watch knows.

use super::allow::Leave;
use super::calendar::{self, moment};
use super::charset::{Charset, fold};
use super::kind::{Kind, Kinds};
use super::search::is_readable;
use super::tags::{is_never_dated, kind_of};
use super::walk::{Tag, Vr};
use super::witness::{as_remembered, values};
use super::{Dates, Found, Watch};

/// One element's value held against what the watch knows.
pub(super) struct Look<'a> {
    pub(super) watch: &'a Watch,
    pub(super) leave: Leave,
    pub(super) dates: Dates,
    pub(super) tag: Tag,
    pub(super) vr: Vr,
}

impl Look<'_> {
    /// Character strings.
    pub(super) fn text(&self, bytes: &[u8], charset: Charset) -> Option<Found> {
        if let Some(verdict) = self.by_date_policy(bytes) {
            return verdict;
        }
        if self.vr.is_formal() {
            let signs: &[u8] = match &self.vr.0 {
                b"DS" | b"IS" => b" \\\0+-.eE",
                b"AS" => b" \\\0DWMY",
                _ => b" \\\0+-.:",
            };
            let formal = |b: &u8| b.is_ascii_digit() || signs.contains(b);
            let found = self.formal(bytes);
            if found.is_some() || bytes.iter().all(formal) {
                return found.or_else(|| self.unchanged(bytes));
            }
        }
        let wide = bytes.contains(&0).then(|| bytes.iter().copied().filter(|b| *b != 0).collect());
        let wide: Vec<u8> = wide.unwrap_or_default();
        self.raw(bytes, true)
            .or_else(|| self.decoded(&charset.decode(bytes, self.vr == Vr(*b"PN"))))
            .or_else(|| {
                (!bytes.is_ascii()).then(|| self.decoded(&String::from_utf8_lossy(bytes)))?
            })
            .or_else(|| self.decoded(&String::from_utf8_lossy(&wide)))
            .or_else(|| self.unchanged(bytes))
    }

    /// Numbers, dates and UIDs are compared as such: digits in them mean nothing else.
    fn formal(&self, bytes: &[u8]) -> Option<Found> {
        values(self.vr, bytes).find_map(|one| match &self.vr.0 {
            b"DA" | b"DT" => {
                self.date(&one.iter().copied().filter(u8::is_ascii_digit).collect::<Vec<_>>())
            }
            b"UI" if self.watch.uids.knows(one) => self.value(Kind::Uid.into()),
            // A date in the middle of a UID, as many generators put it.
            b"UI" if !one.starts_with(b"1.2.840.10008.") => {
                let parts = one.split(|b| *b == b'.').filter(|p| matches!(p.len(), 8 | 12..=17));
                parts.into_iter().find_map(|part| self.date(part))
            }
            _ => None,
        })
    }

    fn date(&self, digits: &[u8]) -> Option<Found> {
        let day = std::str::from_utf8(digits.get(..8)?).ok()?;
        self.value(self.watch.days.kinds(day.parse().ok()?))
    }

    /// Needles of any length in the bytes as they stand, and texts among them by their words.
    pub(super) fn binary(&self, bytes: &[u8]) -> Option<Found> {
        let unprintable = |b: &u8| !matches!(b, b' '..=b'~' | 0xA0..);
        let mut runs = bytes.split(unprintable).filter(|run| run.len() >= 8);
        self.raw(bytes, false)
            .or_else(|| runs.find_map(|run| self.decoded(&Charset::default().decode(run, false))))
            .or_else(|| self.unchanged(bytes))
    }

    fn raw(&self, bytes: &[u8], text: bool) -> Option<Found> {
        let matcher = &self.watch.matcher;
        let mut found = None;
        matcher.short(bytes, |needle, hit| {
            let meant = text || hit.len() > 5 || is_readable(bytes, &hit);
            if meant && matcher.stands_alone(needle, bytes, &hit, text) {
                found = found.or(self.value(needle.kinds));
            }
        });
        found
    }

    /// The text by its characters: without case, accents, and with any separators.
    fn decoded(&self, text: &str) -> Option<Found> {
        let one = |value: &str| {
            let words = fold(value);
            let squashed = words.replace(' ', "");
            self.words(&words)
                .or_else(|| (squashed.len() < words.len()).then(|| self.squashed(&squashed))?)
        };
        if self.vr.is_one_text() { one(text) } else { text.split('\\').find_map(one) }
    }

    fn words(&self, words: &str) -> Option<Found> {
        let matcher = &self.watch.matcher;
        let hay = words.as_bytes();
        let mut found = self.raw(hay, true);
        matcher.long(hay, 0, |needle, hit| {
            if matcher.stands_alone(needle, hay, &hit, true) {
                found = found.or(self.value(needle.kinds));
            }
        });
        if self.vr == Vr(*b"PN") {
            found = found.or_else(|| words.split(' ').find_map(|word| self.ordinary_name(word)));
        }
        found
    }

    /// An ordinary word that is somebody's name, where it stands as a name.
    fn ordinary_name(&self, word: &str) -> Option<Found> {
        let is_of = |kind: Kind| {
            self.watch.ordinary_names.contains(kind as u32, word.as_bytes()).then_some(kind)
        };
        self.value([Kind::Name, Kind::Staff].into_iter().filter_map(is_of).collect())
    }

    /// Without the spaces, words run together: only what is long, or is all there is, counts.
    fn squashed(&self, squashed: &str) -> Option<Found> {
        let matcher = &self.watch.matcher;
        let hay = squashed.as_bytes();
        let mut found = None;
        matcher.long(hay, 0, |needle, hit| {
            if matcher.stands_alone(needle, hay, &hit, true) {
                found = found.or(self.value(needle.kinds));
            }
        });
        matcher.short(hay, |needle, hit| {
            if hit == (0..hay.len()) {
                found = found.or(self.value(needle.kinds));
            }
        });
        found
    }

    fn unchanged(&self, bytes: &[u8]) -> Option<Found> {
        let kind = kind_of(self.tag, self.vr)?;
        let known = |one| self.watch.same.contains(self.tag.0, as_remembered(self.vr, one));
        let residue = self.leave.residue(kind.into())?;
        values(self.vr, bytes).any(known).then_some(Found::Unchanged(residue))
    }

    fn value(&self, kinds: Kinds) -> Option<Found> {
        self.leave.residue(kinds).map(Found::Value)
    }
}

/// Dates and times, where an option lets something of them stay.
impl Look<'_> {
    /// The date policy's verdict on an element of dates or times. `None`: it has none, and the
    /// values are searched like any others.
    fn by_date_policy(&self, bytes: &[u8]) -> Option<Option<Found>> {
        let vr = &self.vr.0;
        let is_date = matches!(vr, b"DA" | b"DT");
        if self.dates == Dates::Removed || !is_date && vr != b"TM" {
            return None;
        }
        let mut said = values(self.vr, bytes).filter(|one| !calendar::is_dummy(self.vr, one));
        if is_never_dated(self.tag) {
            let kind = kind_of(self.tag, self.vr).unwrap_or(Kind::Date);
            return Some(said.next().map(|_| Found::Value(kind)));
        }
        match self.dates {
            Dates::Shifted { days } if is_date => {
                Some(said.find_map(|one| self.unless_known(one, |day| self.shifted(day, days))))
            }
            Dates::Years if is_date => Some(said.find_map(|one| self.year(one))),
            Dates::Years => {
                let may_stay = self.leave.residue(Kind::Time.into()).is_none();
                said.next().filter(|_| !may_stay).map(|_| Some(Found::Moment))
            }
            _ => None,
        }
    }

    /// A day that is known and may stay as it is, or else what the policy says of it.
    fn unless_known(&self, one: &[u8], policy: impl Fn(u32) -> Option<Found>) -> Option<Found> {
        let Some(moment) = moment(self.vr, one) else { return Some(Found::Moment) };
        let known = self.watch.days.kinds(moment.day);
        if !known.is_empty() && self.leave.residue(known).is_none() {
            return None;
        }
        policy(moment.day)
    }

    /// A shifted day comes from a day of the source. If it is itself one, it may as well be that
    /// one unshifted: then it is only believed where the source never had it.
    fn shifted(&self, day: u32, days: u32) -> Option<Found> {
        let source = calendar::later(day, days).is_some_and(|from| self.watch.days.is_origin(from));
        let known = self.value(self.watch.days.kinds(day));
        let before = self.watch.same.contains(self.tag.0, format!("{day:08}").as_bytes());
        match (source, known) {
            (true, Some(Found::Value(kind))) if before => Some(Found::Unchanged(kind)),
            (true, _) => None,
            (false, known) => known.or(Some(Found::Moment)),
        }
    }

    /// A year of the source: YYYY in DT, or its first day without a time.
    fn year(&self, one: &[u8]) -> Option<Found> {
        let is_of_source = |year: u32| self.watch.days.is_year(year);
        if self.vr == Vr(*b"DT") && calendar::year(one).is_some_and(is_of_source) {
            return None;
        }
        let whole = moment(self.vr, one).is_some_and(|moment| {
            moment.day % 10_000 == 101
                && is_of_source(moment.day / 10_000)
                && moment.rest.iter().all(|b| matches!(b, b'0' | b'.'))
        });
        if whole {
            None
        } else {
            self.unless_known(one, |day| {
                self.value(self.watch.days.kinds(day)).or(Some(Found::Moment))
            })
        }
    }

    /// Whether digits in this element's bytes were judged as dates, so that what else they might
    /// be doesn't count.
    pub(super) fn is_settled(&self, bytes: &[u8]) -> bool {
        self.dates != Dates::Removed
            && matches!(&self.vr.0, b"DA" | b"DT")
            && values(self.vr, bytes)
                .all(|one| moment(self.vr, one).is_some() || calendar::is_dummy(self.vr, one))
    }
}
