//! What a profile lets stay in an object, in the verifier's words.
//!
//! The profile is the only thing that engine and verifier both hear of: what the site decided. How
//! the engine reads it, and whether the engine obeys, is not believed.

use super::verify::{Dates, Kept, Kind};
use crate::deid::DateRule;
use crate::profile::{About, ObjectKind, Profile};
use crate::standard::{Annex, Options};

/// What may stay.
pub(super) struct Allowance {
    /// By an option.
    pub(super) exempt: Vec<Kind>,
    /// By a rule of the site, and text that an option has cleaned within a sequence.
    pub(super) kept: Vec<Kept>,
}

impl Allowance {
    /// What `profile` lets stay in such an object.
    pub(super) fn of(profile: &Profile, object: &ObjectKind<'_>) -> Self {
        let options = profile.options();
        let rules = profile.rules().iter();
        let retaining = rules.filter(|r| r.because.is_some() && r.when.holds(object));
        let by_rule = retaining.filter_map(|rule| kept(&rule.about));
        let within = WITHIN.iter().filter(|(option, _)| options.has(*option));
        let by_option = within.map(|(_, tag)| Kept { tag: *tag, mask: u32::MAX, creator: None });
        Allowance { exempt: exempt(options), kept: by_rule.chain(by_option).collect() }
    }
}

/// How dates left.
pub(super) fn dates(rule: DateRule) -> Dates {
    match rule {
        DateRule::Removed => Dates::Removed,
        DateRule::Full => Dates::Full,
        DateRule::Back(days) => Dates::Shifted { days },
        DateRule::Year => Dates::Years,
    }
}

/// The kinds of value that an option lets stay.
const EXEMPTIONS: [(Annex, Kind); 6] = [
    (Annex::CleanDescriptors, Kind::Text),
    (Annex::RetainPatientCharacteristics, Kind::Characteristic),
    (Annex::RetainDeviceIdentity, Kind::Device),
    (Annex::RetainUids, Kind::Uid),
    (Annex::RetainSafePrivate, Kind::Private),
    (Annex::RetainInstitutionIdentity, Kind::Institution),
];

/// Sequences that an option has cleaned, and the text within: graphics, waveform annotations, content
/// trees with Unformatted Text Value (0070,0006) and Text Value (0040,A160).
const WITHIN: [(Annex, u32); 8] = [
    (Annex::CleanGraphics, 0x0070_0001),
    (Annex::CleanGraphics, 0x0070_0006),
    (Annex::CleanStructuredContent, 0x0040_0555),
    (Annex::CleanStructuredContent, 0x0040_0610),
    (Annex::CleanStructuredContent, 0x0040_A160),
    (Annex::CleanStructuredContent, 0x0040_A730),
    (Annex::CleanStructuredContent, 0x0040_B020),
    (Annex::CleanStructuredContent, 0x0070_0006),
];

fn exempt(options: Options) -> Vec<Kind> {
    let rows = EXEMPTIONS.iter().filter(|(option, _)| options.has(*option));
    rows.map(|(_, kind)| *kind).collect()
}

fn kept(about: &About) -> Option<Kept> {
    match about {
        About::Standard { tag, mask } => Some(Kept { tag: *tag, mask: *mask, creator: None }),
        // Such rules can only be stricter.
        About::Representation(_) => None,
        About::Private { creator, group, low } => Some(Kept {
            tag: u32::from(*group) << 16 | u32::from(low.unwrap_or(0)),
            mask: if low.is_some() { 0xFFFF_00FF } else { 0xFFFF_0000 },
            creator: Some(creator.clone()),
        }),
    }
}
