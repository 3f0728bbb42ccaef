//! What is taken out of a text, and how the rest closes up.

use std::ops::Range;

/// Separators that have nothing to separate at an end of the text.
const LOOSE: &[char] = &[
    ' ', '\t', '\r', '\n', ',', ';', ':', '.', '-', '_', '/', '^', '&', '|', '=', '+', '*', '\'',
    '"', '#', '@',
];
/// Separators that belong to the word behind or before them.
const ORPHANS: &[char] = &['+', '#', '@', '"', '\''];
const OPENING: &[char] = &['(', '[', '{', '<'];
const CLOSING: &[char] = &[')', ']', '}', '>'];

/// Changes to one text, gathered in any order.
#[derive(Default)]
pub(super) struct Cuts {
    out: Vec<Range<usize>>,
    /// Something else takes the place.
    replaced: Vec<(Range<usize>, String)>,
    /// Dates that may stay: digits in them are nobody's number.
    safe: Vec<Range<usize>>,
    /// Where dates stood that go.
    pub(super) dates: Vec<Range<usize>>,
}

impl Cuts {
    pub(super) fn remove(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.out.push(range);
        }
    }

    pub(super) fn remove_date(&mut self, range: Range<usize>) {
        self.dates.push(range.clone());
        self.remove(range);
    }

    /// Removes what is only suspected, unless it is a date that may stay.
    pub(super) fn remove_doubtful(&mut self, range: Range<usize>) {
        let replaced = self.replaced.iter().map(|row| &row.0);
        if !self.safe.iter().chain(replaced).any(|safe| overlap(safe, &range)) {
            self.remove(range);
        }
    }

    pub(super) fn replace(&mut self, range: Range<usize>, with: String) {
        self.replaced.push((range, with));
    }

    pub(super) fn keep(&mut self, range: Range<usize>) {
        self.safe.push(range);
    }

    /// Whether a date that is replaced or stays covers this.
    pub(super) fn settles(&self, range: &Range<usize>) -> bool {
        let replaced = self.replaced.iter().map(|row| &row.0);
        self.safe.iter().chain(replaced).any(|r| r.start <= range.start && range.end <= r.end)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty() && self.replaced.is_empty()
    }

    /// What goes without replacement, in order and without overlaps. A replacement that overlaps
    /// with a removal is a removal.
    pub(super) fn removed(&mut self) -> Vec<Range<usize>> {
        let out = merged(std::mem::take(&mut self.out));
        let (hit, kept) = std::mem::take(&mut self.replaced)
            .into_iter()
            .partition(|row| out.iter().any(|out| overlap(out, &row.0)));
        self.replaced = kept;
        let hit: Vec<(Range<usize>, String)> = hit;
        self.out = merged(out.into_iter().chain(hit.into_iter().map(|row| row.0)).collect());
        self.out.clone()
    }

    /// The text without what goes.
    pub(super) fn apply(mut self, text: &str) -> String {
        let removed = self.removed().into_iter().map(|range| (range, None));
        let replaced = self.replaced.into_iter().map(|(range, with)| (range, Some(with)));
        let mut all: Vec<_> = removed.chain(replaced).collect();
        all.sort_by_key(|row| row.0.start);
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (index, (range, with)) in all.iter().enumerate() {
            out.push_str(text.get(at..range.start).unwrap_or_default());
            at = at.max(range.end);
            if let Some(with) = with {
                out.push_str(with);
                continue;
            }
            let until = all.get(index + 1).map_or(text.len(), |next| next.0.start).max(at);
            let rest = &text[at..until];
            let behind = rest.len() - rest.trim_start_matches(is_loose).len();
            at += behind;
            close(&mut out, &rest[..behind]);
        }
        out.push_str(text.get(at..).unwrap_or_default());
        if all.last().is_some_and(|last| last.1.is_none()) && at >= text.len() {
            out.truncate(out.trim_end_matches(is_loose).len());
        }
        out
    }
}

/// Ends a text before a gap, with one of the separators that stood around the gap.
fn close(out: &mut String, right: &str) {
    let kept = out.trim_end_matches(is_loose).len();
    let left = out.split_off(kept);
    if out.is_empty() {
        // Nothing stands before: only a bracket that is closed further on is needed.
        let mut open = Vec::new();
        for c in left.chars().chain(right.chars()) {
            if OPENING.contains(&c) {
                open.push(c);
            } else if CLOSING.contains(&c) {
                open.pop();
            }
        }
        out.extend(open);
        return;
    }
    let opened = left.contains(OPENING);
    let closed = right.contains(CLOSING);
    let bare = |text: &str| -> String {
        text.chars().filter(|c| !OPENING.contains(c) && !CLOSING.contains(c)).collect()
    };
    let (left, right) = match (opened, closed) {
        (true, true) => (bare(&left), bare(right)),
        _ => (left, right.to_owned()),
    };
    let joint = match (opened, closed) {
        (true, false) => left,
        (false, true) => right,
        _ if left.contains('\n') => left,
        _ if right.contains('\n') => right,
        _ if left.is_empty() && right.is_empty() => " ".to_owned(),
        _ if right.is_empty() => left,
        _ if !right.trim().is_empty() || left.is_empty() => right,
        // Only blanks on the right.
        _ if left.contains(' ') => left,
        _ if [",", ";", ":", "."].contains(&left.as_str()) => left + " ",
        _ => right,
    };
    out.extend(joint.chars().filter(|c| !ORPHANS.contains(c)));
}

fn is_loose(c: char) -> bool {
    LOOSE.contains(&c) || OPENING.contains(&c) || CLOSING.contains(&c)
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut all: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match all.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => all.push(range),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_closes_up() {
        for (text, out) in [
            ("CT HEAD, [X], axial", "CT HEAD, axial"),
            ("CT HEAD ([X]) axial", "CT HEAD axial"),
            ("CT ([X] left) axial", "CT (left) axial"),
            ("CT (left [X]) axial", "CT (left) axial"),
            ("[X]_CT_HEAD", "CT_HEAD"),
            ("CT_[X]_HEAD", "CT_HEAD"),
            ("CT HEAD - [X].", "CT HEAD"),
            ("[X] (left)", "(left)"),
            ("one\n[X]\ntwo", "one\ntwo"),
            ("Seen by [X].\nTwo", "Seen by.\nTwo"),
            ("call +[X] now", "call now"),
            ("[X], [X]; two", "two"),
            ("a [X] [X] b", "a b"),
            ("  a [X]  ", "  a"),
            ("[X]", ""),
            ("([X])", ""),
            ("a[X]b", "a b"),
        ] {
            let mut cuts = Cuts::default();
            text.match_indices("[X]").for_each(|(at, x)| cuts.remove(at..at + x.len()));
            assert_eq!(cuts.apply(text), out, "{text}");
        }
    }
}
