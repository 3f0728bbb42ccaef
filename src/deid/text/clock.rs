//! Times of day behind dates.

use std::ops::Range;

use super::dates::Finder;

impl Finder<'_> {
    /// The atom after a time of day that follows a date, or the same.
    pub(super) fn time(&self, end: usize, compact: bool) -> usize {
        let tokens = self.tokens;
        let mut at = end;
        if tokens.gap(at).chars().count() > 4 || tokens.gap(at).contains('\n') {
            return end;
        }
        if matches!(tokens.atom(at), "t" | "at" | "um" | "a" | "alle" | "ore") {
            at += 1;
        }
        let hour = at;
        let two = |i: usize, below: u32| {
            let width = tokens.atoms.get(i).map_or(0, |atom| atom.len());
            tokens.number(i, 1..=2).is_some_and(|value| value < below) && (i == hour || width == 2)
        };
        let colon = |i: usize| matches!(tokens.gap(i), ":" | "：");
        if two(at, 24) && colon(at + 1) && two(at + 1, 60) {
            at += 2;
            if colon(at) && two(at, 61) {
                at += 1;
            }
        } else if two(at, 24) && tokens.atom(at + 1) == "h" && tokens.atoms[at + 1].glued {
            at += 2;
            let minutes = two(at, 60) && tokens.atoms[at].glued;
            return at + usize::from(minutes);
        } else if two(at, 24)
            && tokens.gap(at + 1) == "."
            && two(at + 1, 60)
            && tokens.atom(at + 2) == "uhr"
        {
            return at + 3;
        } else if two(at, 24) && tokens.atom(at + 1) == "uhr" {
            return at + 2;
        } else if compact && self.is_clock(at) {
            at += 1;
        } else {
            return end;
        }
        if tokens.gap(at) == "." && tokens.number(at, 1..=6).is_some() {
            at += 1;
        }
        if matches!(
            tokens.atom(at),
            "am" | "pm" | "uhr" | "h" | "z" | "utc" | "gmt" | "cet" | "cest" | "mez" | "mesz"
        ) {
            at += 1;
        }
        if matches!(tokens.gap(at), "+" | " +" | "-") && tokens.number(at, 4..=4).is_some() {
            at += 1;
        } else if matches!(tokens.gap(at), "+" | " +" | "-") && colon(at + 1) {
            at += 2;
        }
        at.min(tokens.atoms.len())
    }

    /// HHMMSS or HHMM.
    fn is_clock(&self, at: usize) -> bool {
        let digits = self.tokens.atom(at);
        let part = |range: Range<usize>| digits.get(range).and_then(|d| d.parse::<u32>().ok());
        matches!(digits.len(), 4 | 6)
            && self.tokens.gap(at).chars().count() <= 1
            && part(0..2).is_some_and(|hour| hour < 24)
            && part(2..4).is_some_and(|minute| minute < 60)
            && part(4..6).is_none_or(|second| second <= 60)
    }
}
