//! What a decision comes to for an element, in words: the letter of PS3.15 alone doesn't say what
//! the engine makes of a VR that has no way to be kept or cleaned.

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

fn stays(words: &str) -> Effect {
    Effect { leaves: false, words: words.to_owned() }
}

fn leaves(words: &str) -> Effect {
    Effect { leaves: true, words: words.to_owned() }
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
    profile: &Profile,
    tag: Tag,
    vr: VR,
    top_level: bool,
    decision: Decision<'_>,
) -> Effect {
    match decision.treatment {
        _ if top_level && ALWAYS_PSEUDONYMIZED.contains(&tag) => {
            leaves("replaced by a pseudonym of the project")
        }
        _ if top_level && tag == tags::RECOGNIZABLE_VISUAL_FEATURES => {
            stays(visual_features(profile))
        }
        _ if top_level && WRITTEN.contains(&tag) => {
            stays("replaced by efface's own statement of what it did")
        }
        _ if matches!(
            tag,
            tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA
        ) && top_level =>
        {
            leaves("pixels, under the profile's words about faces, burned-in text and devices")
        }
        Treatment::Standard(Action::X) => stays("removed"),
        treatment if vr == VR::SQ => sequence(treatment.action()),
        Treatment::Standard(Action::Z) => stays("emptied"),
        Treatment::Standard(Action::D | Action::U) if vr == VR::UI => mapped(profile),
        Treatment::Standard(Action::D | Action::U) => stays("replaced by a dummy"),
        Treatment::Standard(Action::K) => kept(profile, tag, vr),
        Treatment::Standard(Action::C) => cleaned(profile, vr, decision.ground),
        Treatment::Replace(text) if text.is_empty() => stays("emptied"),
        Treatment::Replace(text) => stays(&format!("replaced by {text:?}")),
        Treatment::Hash(n) => leaves(&format!("replaced by a keyed hash of {n} characters")),
        Treatment::KeepWords(words) => {
            leaves(&format!("cut down to the words that the rule lists ({})", words.len()))
        }
        Treatment::Map(table) => {
            leaves(&format!("looked up in the rule's table of {} values", table.len()))
        }
        treatment => leaves(&treatment.to_string()),
    }
}

/// What Recognizable Visual Features (0028,0302) says of a volume that showed a face.
fn visual_features(profile: &Profile) -> &'static str {
    match profile.faces() {
        Faces::Remove(FaceLevel::Strict) => {
            "replaced by efface's own statement: NO where a face was removed and that was checked"
        }
        Faces::Remove(FaceLevel::KeepFacialBones { .. }) => {
            "replaced by efface's own statement: YES where facial bones stayed, NO where the whole face was removed"
        }
        Faces::Leave { .. } => "replaced by efface's own statement: YES where a face may be seen",
        Faces::Withhold => "replaced by efface's own statement of what it did",
    }
}

fn sequence(action: Action) -> Effect {
    match action {
        Action::U | Action::K => leaves("its items stay, each element by its own rule"),
        Action::C => leaves("its items are cleaned, each element by its own rule"),
        Action::D => stays("replaced by a dummy item, or removed where there is none"),
        Action::Z | Action::X => stays("emptied"),
    }
}

/// U, D and K of a UID: all UIDs are mapped together or kept together.
fn mapped(profile: &Profile) -> Effect {
    match profile.options().has(Annex::RetainUids) {
        true => leaves("kept"),
        false => leaves("mapped to a pseudonymous UID, unless it is a registered one"),
    }
}

/// K, for a VR that can be kept; names and URLs never are.
fn kept(profile: &Profile, tag: Tag, vr: VR) -> Effect {
    match vr {
        VR::UN | VR::UR => stays("removed"),
        VR::PN => stays("emptied"),
        VR::UI => mapped(profile),
        VR::DA | VR::DT | VR::TM => match profile.dates() {
            Dates::Removed => leaves("kept"),
            _ => dated(profile.dates(), vr),
        },
        _ if tag == tags::SPECIFIC_CHARACTER_SET => leaves("ISO_IR 192: all text leaves in UTF-8"),
        _ if is_text(vr) => leaves("kept, but for what identifies the people of the study"),
        _ => leaves("kept"),
    }
}

/// C, for a VR that can be cleaned.
fn cleaned(profile: &Profile, vr: VR, ground: Ground) -> Effect {
    let named = [Annex::RetainDeviceIdentity, Annex::RetainInstitutionIdentity];
    match vr {
        VR::DA | VR::DT | VR::TM => dated(profile.dates(), vr),
        VR::UI => kept(profile, Tag(0, 0), vr),
        _ if !is_text(vr) => stays("removed"),
        _ if named.iter().any(|option| ground == Ground::Option(*option)) => {
            leaves("kept, but for what identifies the people of the study")
        }
        _ => leaves("cleaned: words that cannot identify stay"),
    }
}

fn dated(dates: &Dates, vr: VR) -> Effect {
    match (dates, vr) {
        (Dates::Removed, _) | (Dates::Years { .. }, VR::TM) => stays("emptied"),
        (Dates::Full, _) | (Dates::Shifted, VR::TM) => leaves("kept"),
        (Dates::Shifted, _) => leaves("moved back by the patient's number of days"),
        (Dates::Years { .. }, _) => leaves("cut to the year"),
    }
}

/// How dates leave.
pub fn dates(dates: &Dates) -> &'static str {
    match dates {
        Dates::Removed => "none leaves",
        Dates::Full => "as they are",
        Dates::Shifted => "moved back by a number of days that is the same for all of a patient's",
        Dates::Years { .. } => "cut to the year",
    }
}

/// Where pseudonyms come from.
pub fn pseudonymity(pseudonymity: Pseudonymity) -> &'static str {
    match pseudonymity {
        Pseudonymity::Keyed => "a keyed hash of the identifiers, the same wherever the key is",
        Pseudonymity::Random => "random, remembered in the crosswalk",
    }
}

/// What becomes of faces in CT, MR and PET.
pub fn faces(faces: &Faces) -> &'static str {
    match faces {
        Faces::Remove(FaceLevel::Strict) => "removed, or the series stays inside",
        Faces::Remove(FaceLevel::KeepFacialBones { .. }) => {
            "removed, in CT down to the facial bones, which stay, or the series stays inside"
        }
        Faces::Leave { .. } => "leave",
        Faces::Withhold => "what may show one stays inside",
    }
}

/// What becomes of images that may have text burned in.
pub fn burned_in(burned_in: &BurnedIn) -> &'static str {
    match burned_in {
        BurnedIn::Leave { .. } => "leave",
        BurnedIn::Withhold => {
            "stay inside, unless a device rule covers them or they credibly say that there is none"
        }
    }
}

/// A device rule: which images, and what is blanked.
pub fn device(device: &DeviceRegions) -> String {
    let DeviceRegions { manufacturer, model, station, sop_classes, rows, columns, blank, .. } =
        device;
    let station = station.as_ref().map(|station| format!(", station {station:?}"));
    let classes = match sop_classes.is_empty() {
        true => String::new(),
        false => format!(", {}", classes(sop_classes)),
    };
    let blanked = match blank.is_empty() {
        true => "nothing to blank".to_owned(),
        false => blank.iter().map(region).collect::<Vec<_>>().join("; "),
    };
    let station = station.unwrap_or_default();
    format!("{manufacturer:?} {model:?}{station}{classes}, {columns} x {rows}: {blanked}")
}

fn region((region, frames): &(Region, Frames)) -> String {
    let Region { x, y, width, height } = region;
    let frames = match frames {
        Frames::All => String::new(),
        Frames::Range(first, last) => format!(" in frames {first} to {last}"),
    };
    format!("blank {width} x {height} at column {x}, row {y}{frames}")
}

/// In which objects a rule holds; `None`: in all.
pub fn when(when: &When) -> Option<String> {
    let modalities = when.modalities.join(" or ");
    match (when.sop_classes.is_empty(), when.modalities.is_empty()) {
        (true, true) => None,
        (false, true) => Some(classes(&when.sop_classes)),
        (true, false) => Some(format!("modality {modalities}")),
        (false, false) => Some(format!("{}, modality {modalities}", classes(&when.sop_classes))),
    }
}

fn classes(uids: &[String]) -> String {
    let keyword = |uid: &String| {
        standard::sop_classes().get(uid.as_str()).map_or(uid.clone(), |c| c.keyword.to_owned())
    };
    uids.iter().map(keyword).collect::<Vec<_>>().join(" or ")
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
        effect(&profile, tag, vr, top_level, profile.decide(&object, &subject)).words
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
