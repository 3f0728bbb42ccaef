//! What options and rules let stay, place by place.

use super::kind::{Kind, Kinds};
use super::private::is_safe;
use super::tags::{is_closed, kind_of, other_kind};
use super::walk::{Tag, Vr};
use super::{Dates, Expected, Kept};

/// No rule of a site is enough for these: neither a name nor a date or time is ever kept by one.
const NEVER_KEPT: Kinds = Kinds::of(Kind::Name)
    .with(Kind::PatientId)
    .with(Kind::BirthDate)
    .with(Kind::Date)
    .with(Kind::DeviceDate)
    .with(Kind::Time);

/// What a value may be besides what its element is about, where a rule lets it stay.
const WEAK: Kinds =
    Kinds::of(Kind::Private).with(Kind::Text).with(Kind::Time).with(Kind::Characteristic);

/// The date policy alone opens these, and only private elements can be private.
const NOT_BY_EXEMPTION: Kinds = Kinds::of(Kind::Private)
    .with(Kind::BirthDate)
    .with(Kind::Date)
    .with(Kind::DeviceDate)
    .with(Kind::Time);

/// What may stay at one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leave {
    exempt: Kinds,
    /// What the element is about, if its own value may stay.
    own: Option<Kind>,
}

impl Leave {
    /// The gravest reason why a value of these kinds may not stand here; `None`: it may.
    pub(super) fn residue(self, kinds: Kinds) -> Option<Kind> {
        let own = self.own.map_or(Kinds::NONE, Kinds::of);
        let others = kinds.minus(self.exempt).minus(WEAK).minus(own);
        if self.own.is_some_and(|own| kinds.has(own)) && others.is_empty() {
            return None;
        }
        kinds.weighed().minus(self.exempt).gravest()
    }
}

/// What one [`Expected`] lets stay.
#[derive(Clone, Copy)]
pub(super) struct Allowed<'a> {
    exempt: Kinds,
    /// Private elements of PS3.15 Table E.3.10-1.
    safe_private: bool,
    kept: &'a [Kept],
    pub(super) dates: Dates,
}

impl<'a> Allowed<'a> {
    pub(super) fn by(expected: &Expected<'a>) -> Self {
        let options: Kinds = expected.exempt.iter().copied().collect();
        let mut exempt = options.minus(NOT_BY_EXEMPTION);
        if options.has(Kind::Device) {
            exempt = exempt.with(Kind::DeviceDate);
        }
        match expected.dates {
            Dates::Full => {
                exempt = exempt.with(Kind::Date).with(Kind::DeviceDate).with(Kind::Time);
            }
            Dates::Shifted { .. } => exempt = exempt.with(Kind::Time),
            Dates::Removed | Dates::Years => {}
        }
        let safe_private = options.has(Kind::Private);
        Allowed { exempt, safe_private, kept: expected.kept, dates: expected.dates }
    }

    /// What may stay anywhere, in elements of which nothing is known.
    pub(super) fn anywhere(&self) -> Leave {
        Leave { exempt: self.exempt, own: None }
    }

    /// What may stay in an element. A private one was admitted, with this creator.
    pub(super) fn at(&self, tag: Tag, vr: Vr, creator: Option<&str>) -> Leave {
        let private = tag.is_creator() || creator.is_some_and(|c| self.is_safe(tag, c));
        if tag.is_private() && private {
            return Leave { exempt: self.exempt.with(Kind::Private), own: None };
        }
        let about = kind_of(tag, vr);
        let by_rule = about.filter(|kind| self.is_kept(tag, creator) && !NEVER_KEPT.has(*kind));
        let by_option = about.filter(|_| other_kind(tag).is_some_and(|kind| self.exempt.has(kind)));
        let own = by_rule.or(by_option);
        let closed = about.filter(|_| is_closed(tag)).map_or(Kinds::NONE, Kinds::of);
        Leave { exempt: self.exempt.minus(closed), own }
    }

    /// Whether a sequence that otherwise leaves empty may have content.
    pub(super) fn opens(&self, sequence: Tag, by: Option<Kind>) -> bool {
        by.is_some_and(|kind| self.exempt.has(kind)) || self.is_kept(sequence, None)
    }

    /// Whether a private element may be there at all.
    pub(super) fn admits_private(&self, tag: Tag, creator: &str) -> bool {
        self.is_safe(tag, creator) || self.is_kept(tag, Some(creator))
    }

    /// Whether anything of such a block may be there.
    pub(super) fn admits_creator(&self, creator: &str) -> bool {
        self.safe_private && super::private::has_safe(creator)
            || self.kept.iter().any(|kept| kept.creator.as_deref() == Some(creator))
    }

    fn is_safe(&self, tag: Tag, creator: &str) -> bool {
        self.safe_private && is_safe(tag, creator)
    }

    fn is_kept(&self, tag: Tag, creator: Option<&str>) -> bool {
        let creator = creator.filter(|_| tag.is_private());
        self.kept.iter().any(|kept| {
            tag.0 & kept.mask == kept.tag
                && kept.creator.as_deref() == creator
                && tag.is_private() == creator.is_some()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATION: Tag = Tag(0x0008_1010);
    const SH: Vr = Vr(*b"SH");

    fn kept(tag: u32) -> [Kept; 1] {
        [Kept { tag, mask: u32::MAX, creator: None }]
    }

    fn kinds(kinds: &[Kind]) -> Kinds {
        kinds.iter().copied().collect()
    }

    #[test]
    fn an_exemption_covers_a_value_of_nothing_else() {
        let leave = Leave { exempt: Kinds::of(Kind::Device), own: None };
        for fine in [&[Kind::Device][..], &[Kind::Device, Kind::Text, Kind::Private]] {
            assert_eq!(leave.residue(kinds(fine)), None);
        }
        for (bad, named) in [
            (&[Kind::Device, Kind::Institution][..], Kind::Institution),
            (&[Kind::Device, Kind::Name], Kind::Name),
            (&[Kind::Text, Kind::Private], Kind::Text),
        ] {
            assert_eq!(leave.residue(kinds(bad)), Some(named));
        }
    }

    #[test]
    fn a_rule_covers_what_the_element_is_about_and_only_there() {
        let kept = kept(STATION.0);
        let allowed = Allowed {
            exempt: Kinds::NONE,
            safe_private: false,
            kept: &kept,
            dates: Dates::Removed,
        };
        let here = allowed.at(STATION, SH, None);
        for fine in [&[Kind::Device][..], &[Kind::Device, Kind::Private, Kind::Text]] {
            assert_eq!(here.residue(kinds(fine)), None);
        }
        for bad in [&[Kind::Name][..], &[Kind::Device, Kind::Institution], &[Kind::Text]] {
            assert!(here.residue(kinds(bad)).is_some(), "{bad:?}");
        }
        let elsewhere = allowed.at(Tag(0x0018_1000), Vr(*b"LO"), None);
        assert_eq!(elsewhere.residue(kinds(&[Kind::Device])), Some(Kind::Device));
    }

    #[test]
    fn no_rule_keeps_a_name_a_date_or_a_time() {
        for (tag, vr, kind) in [
            (0x0010_0010, b"PN", Kind::Name),
            (0x0010_0020, b"LO", Kind::PatientId),
            (0x0010_0030, b"DA", Kind::BirthDate),
            (0x0008_0020, b"DA", Kind::Date),
            (0x0008_0030, b"TM", Kind::Time),
        ] {
            let kept = kept(tag);
            let allowed = Allowed {
                exempt: Kinds::NONE,
                safe_private: false,
                kept: &kept,
                dates: Dates::Removed,
            };
            assert!(allowed.at(Tag(tag), Vr(*vr), None).residue(kind.into()).is_some());
        }
    }
}
