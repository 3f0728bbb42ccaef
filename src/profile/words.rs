//! What a decision comes to for an element, in words: the letter of PS3.15 alone doesn't say what
//! the engine makes of a VR that has no way to be kept or cleaned.

pub use super::vocabulary::{ENGLISH, Vocabulary, fill};
use super::{
    ALWAYS_PSEUDONYMIZED, BurnedIn, Dates, Decision, DeviceRegions, FaceLevel, Faces, Ground,
    Profile, Pseudonymity, Treatment, When,
};
use crate::dicom::dataset::is_text;
use crate::pixel::{Frames, Region};
use crate::standard::{self, Action, Annex};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

/// What becomes of an element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Effect {
    /// Whether anything that depends on the value in the source is in the output.
    pub leaves: bool,
    /// In words.
    pub words: String,
}

fn stays(words: impl Into<String>) -> Effect {
    Effect { leaves: false, words: words.into() }
}

fn leaves(words: impl Into<String>) -> Effect {
    Effect { leaves: true, words: words.into() }
}

/// Elements in which efface itself says what it did (PS3.15 E.1.1), whatever stood there.
const WRITTEN: [Tag; 5] = [
    tags::PATIENT_IDENTITY_REMOVED,
    tags::DEIDENTIFICATION_METHOD,
    tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
    tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
    tags::RECOGNIZABLE_VISUAL_FEATURES,
];

/// Whether efface writes a top-level element itself, after and whatever the profile decides.
pub fn is_written(tag: Tag) -> bool {
    WRITTEN.contains(&tag) || ALWAYS_PSEUDONYMIZED.contains(&tag)
}

/// The options by which text within a sequence is cleaned, whatever else is decided about it there.
pub fn cleaning_sequences(profile: &Profile) -> impl Iterator<Item = Annex> {
    let options = profile.options();
    const CLEANING: [Annex; 3] =
        [Annex::CleanGraphics, Annex::CleanStructuredContent, Annex::CleanDescriptors];
    CLEANING.into_iter().filter(move |option| options.has(*option))
}

/// What becomes of the value of an element that has a value: the words for what `deid` does.
pub fn effect(
    of: &Vocabulary,
    profile: &Profile,
    tag: Tag,
    vr: VR,
    top_level: bool,
    decision: Decision<'_>,
) -> Effect {
    match decision.treatment {
        _ if top_level && ALWAYS_PSEUDONYMIZED.contains(&tag) => leaves(of.pseudonym),
        _ if top_level && tag == tags::RECOGNIZABLE_VISUAL_FEATURES => {
            stays(visual_features(of, profile))
        }
        _ if top_level && WRITTEN.contains(&tag) => stays(of.own_statement),
        _ if matches!(
            tag,
            tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA
        ) && top_level =>
        {
            leaves(of.pixels)
        }
        Treatment::Standard(Action::X) => stays(of.removed),
        treatment if vr == VR::SQ => sequence(of, treatment.action()),
        Treatment::Standard(Action::Z) => stays(of.emptied),
        Treatment::Standard(Action::D | Action::U) if vr == VR::UI => mapped(of, profile),
        Treatment::Standard(Action::D | Action::U) => stays(of.dummy),
        Treatment::Standard(Action::K) => kept(of, profile, tag, vr),
        Treatment::Standard(Action::C) => cleaned(of, profile, vr, decision.ground),
        Treatment::Replace(text) if text.is_empty() => stays(of.emptied),
        Treatment::Replace(text) => stays(fill(of.replaced, &[&format!("{text:?}")])),
        Treatment::Hash(n) => leaves(fill(of.hashed, &[n])),
        Treatment::KeepWords(words) => leaves(fill(of.cut_down, &[&words.len()])),
        Treatment::Map(table) => leaves(fill(of.looked_up, &[&table.len()])),
        Treatment::ShiftDate => leaves(of.shifted),
        Treatment::YearOnly => leaves(of.year_only),
        Treatment::AgeCap(years) => leaves(fill(of.age_cap, &[years, &(years + 1)])),
        Treatment::RoundTo(step) => leaves(fill(of.rounded, &[step])),
    }
}

/// What Recognizable Visual Features (0028,0302) says of a volume that showed a face.
fn visual_features(of: &Vocabulary, profile: &Profile) -> &'static str {
    match profile.faces() {
        Faces::Remove(FaceLevel::Strict) => of.own_statement_no,
        Faces::Remove(FaceLevel::KeepFacialBones { .. }) => of.own_statement_bones,
        Faces::Leave { .. } => of.own_statement_yes,
        Faces::Withhold => of.own_statement,
    }
}

fn sequence(of: &Vocabulary, action: Action) -> Effect {
    match action {
        Action::U | Action::K => leaves(of.items_stay),
        Action::C => leaves(of.items_cleaned),
        Action::D => stays(of.dummy_item),
        Action::Z | Action::X => stays(of.emptied),
    }
}

/// U, D and K of a UID: all UIDs are mapped together or kept together.
fn mapped(of: &Vocabulary, profile: &Profile) -> Effect {
    match profile.options().has(Annex::RetainUids) {
        true => leaves(of.kept),
        false => leaves(of.mapped),
    }
}

/// K, for a VR that can be kept; names and URLs never are.
fn kept(of: &Vocabulary, profile: &Profile, tag: Tag, vr: VR) -> Effect {
    match vr {
        VR::UN | VR::UR => stays(of.removed),
        VR::PN => stays(of.emptied),
        VR::UI => mapped(of, profile),
        VR::DA | VR::DT | VR::TM => match profile.dates() {
            Dates::Removed => leaves(of.kept),
            _ => dated(of, profile.dates(), vr),
        },
        _ if tag == tags::SPECIFIC_CHARACTER_SET => leaves(of.utf8),
        _ if is_text(vr) => leaves(of.kept_without_people),
        _ => leaves(of.kept),
    }
}

/// C, for a VR that can be cleaned.
fn cleaned(of: &Vocabulary, profile: &Profile, vr: VR, ground: Ground) -> Effect {
    let named = [Annex::RetainDeviceIdentity, Annex::RetainInstitutionIdentity];
    match vr {
        VR::DA | VR::DT | VR::TM => dated(of, profile.dates(), vr),
        VR::UI => kept(of, profile, Tag(0, 0), vr),
        _ if !is_text(vr) => stays(of.removed),
        _ if named.iter().any(|option| ground == Ground::Option(*option)) => {
            leaves(of.kept_without_people)
        }
        _ => leaves(of.cleaned),
    }
}

fn dated(of: &Vocabulary, dates: &Dates, vr: VR) -> Effect {
    match (dates, vr) {
        (Dates::Removed, _) | (Dates::Years { .. }, VR::TM) => stays(of.emptied),
        (Dates::Full, _) | (Dates::Shifted, VR::TM) => leaves(of.kept),
        (Dates::Shifted, _) => leaves(of.moved),
        (Dates::Years { .. }, _) => leaves(of.year),
    }
}

/// Who decides about an element.
pub fn ground(of: &Vocabulary, profile: &Profile, ground: Ground) -> String {
    match ground {
        Ground::Rule(n) => match profile.rules().get(usize::from(n)) {
            Some(rule) => fill(of.by_line, &[&rule.line]),
            None => of.by_rule.to_owned(),
        },
        Ground::Option(option) => fill(of.by_option, &[&option]),
        Ground::Dates => of.by_dates.to_owned(),
        Ground::Table => of.by_table.to_owned(),
        Ground::Group => of.by_group.to_owned(),
        Ground::Unknown => of.unknown.to_owned(),
        Ground::Representation => of.representation.to_owned(),
        Ground::Known => of.nothing_against.to_owned(),
    }
}

/// How dates leave.
pub fn dates(of: &Vocabulary, dates: &Dates) -> &'static str {
    match dates {
        Dates::Removed => of.dates_none,
        Dates::Full => of.dates_full,
        Dates::Shifted => of.dates_moved,
        Dates::Years { .. } => of.year,
    }
}

/// Where pseudonyms come from.
pub fn pseudonymity(of: &Vocabulary, pseudonymity: Pseudonymity) -> &'static str {
    match pseudonymity {
        Pseudonymity::Keyed => of.keyed,
        Pseudonymity::Random => of.random,
    }
}

/// What becomes of faces in CT, MR and PET.
pub fn faces(of: &Vocabulary, faces: &Faces) -> &'static str {
    match faces {
        Faces::Remove(FaceLevel::Strict) => of.faces_removed,
        Faces::Remove(FaceLevel::KeepFacialBones { .. }) => of.faces_removed_to_bones,
        Faces::Leave { .. } => of.leave,
        Faces::Withhold => of.faces_withheld,
    }
}

/// What becomes of images that may have text burned in.
pub fn burned_in(of: &Vocabulary, burned_in: &BurnedIn) -> &'static str {
    match burned_in {
        BurnedIn::Leave { .. } => of.leave,
        BurnedIn::Withhold => of.burned_in_withheld,
    }
}

/// A device rule: which images, and what is blanked.
pub fn device(of: &Vocabulary, device: &DeviceRegions) -> String {
    let DeviceRegions { manufacturer, model, station, sop_classes, rows, columns, blank, .. } =
        device;
    let station = station.as_ref().map(|station| format!(", {} {station:?}", of.station));
    let classes = match sop_classes.is_empty() {
        true => String::new(),
        false => format!(", {}", classes(of, sop_classes)),
    };
    let blanked = match blank.is_empty() {
        true => of.nothing_to_blank.to_owned(),
        false => blank.iter().map(|one| region(of, one)).collect::<Vec<_>>().join("; "),
    };
    let station = station.unwrap_or_default();
    format!("{manufacturer:?} {model:?}{station}{classes}, {columns} x {rows}: {blanked}")
}

fn region(of: &Vocabulary, (region, frames): &(Region, Frames)) -> String {
    let Region { x, y, width, height } = region;
    let frames = match frames {
        Frames::All => String::new(),
        Frames::Range(first, last) => fill(of.in_frames, &[first, last]),
    };
    fill(of.blank, &[width, height, x, y]) + &frames
}

/// In which objects a rule holds; `None`: in all.
pub fn when(when: &When) -> Option<String> {
    let of = &ENGLISH;
    let modalities = fill(of.modality, &[&when.modalities.join(of.or)]);
    match (when.sop_classes.is_empty(), when.modalities.is_empty()) {
        (true, true) => None,
        (false, true) => Some(classes(of, &when.sop_classes)),
        (true, false) => Some(modalities),
        (false, false) => Some(format!("{}, {modalities}", classes(of, &when.sop_classes))),
    }
}

fn classes(of: &Vocabulary, uids: &[String]) -> String {
    let keyword = |uid: &String| {
        standard::sop_classes().get(uid.as_str()).map_or(uid.clone(), |c| c.keyword.to_owned())
    };
    uids.iter().map(keyword).collect::<Vec<_>>().join(of.or)
}

#[cfg(test)]
mod tests {
    use super::super::language::tests::profile;
    use super::super::{ObjectKind, Subject};
    use super::*;

    fn words(rest: &str, tag: Tag, vr: VR, top_level: bool) -> String {
        let profile = profile(rest);
        let object = ObjectKind { sop_class: "1.2.840.10008.5.1.4.1.1.2", modality: "CT" };
        let subject = Subject { tag, vr, top_level, creator: None };
        let decision = profile.decide(&object, &subject);
        effect(&ENGLISH, &profile, tag, vr, top_level, decision).words
    }

    #[test]
    fn the_words_follow_what_the_vr_can_have_done() {
        let study = words("", tags::STUDY_INSTANCE_UID, VR::UI, true);
        assert!(study.starts_with("mapped to a pseudonymous UID"), "{study}");
        // U and K of a UID come to the same.
        assert_eq!(study, words("", tags::SOP_CLASS_UID, VR::UI, true));
        let retained = words("options: [Retain UIDs]\n", tags::STUDY_INSTANCE_UID, VR::UI, true);
        assert_eq!(retained, "kept");
        assert!(words("", tags::PATIENT_ID, VR::LO, true).contains("pseudonym"));
        assert!(!words("", tags::PATIENT_ID, VR::LO, false).contains("pseudonym"));
        let years = "dates: { keep: year, because: \"years are enough\" }\n";
        assert_eq!(words(years, tags::STUDY_DATE, VR::DA, true), "cut to the year");
        assert_eq!(words("", tags::ROWS, VR::US, true), "kept");
    }
}
