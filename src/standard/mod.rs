//! Tables of the DICOM standard, compiled into the program (see `SOURCE.txt` beside them).

mod dictionary;
mod option;
mod private;
mod sight;
pub mod structured;
pub mod unlisted;

pub use dictionary::{Element, element, element_by_keyword, elements};
pub use option::{Annex, Options};
pub use private::{SafePrivate, is_safe_private, safe_private, safe_private_vr};
pub use sight::Sight;

use dicom_core::Tag;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The edition of PS3.15 whose Table E.1-1 is compiled in.
pub const EDITION: &str = "2026d";

/// What happens to one element (PS3.15 Table E.1-1a).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Removed.
    X,
    /// Zero length.
    Z,
    /// A dummy value of the VR.
    D,
    /// A UID mapped consistently; of a sequence: items kept, UIDs inside mapped.
    U,
    /// Kept; of a sequence: items go through the same rules.
    K,
    /// Cleaned: a value of like meaning without what identifies.
    C,
}

impl Action {
    /// The letter of PS3.15.
    pub fn letter(self) -> char {
        match self {
            Action::X => 'X',
            Action::Z => 'Z',
            Action::D => 'D',
            Action::U => 'U',
            Action::K => 'K',
            Action::C => 'C',
        }
    }

    /// All actions, in the order in which efface lists them.
    pub const ALL: [Action; 6] = [Action::X, Action::Z, Action::D, Action::U, Action::C, Action::K];

    /// What it does, in a word or two.
    pub fn meaning(self) -> &'static str {
        match self {
            Action::X => "removed",
            Action::Z => "emptied",
            Action::D => "replaced by a dummy",
            Action::U => "UIDs mapped",
            Action::K => "kept",
            Action::C => "cleaned",
        }
    }
}

/// How an object of a Storage SOP Class is treated by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClassPolicy {
    /// The header profile is enough.
    Deid,
    /// A volume that may show a face.
    Deface,
    /// An image that may have identifying text burned in.
    PixelCheck,
    /// Contours or segments that may trace a face.
    RoiFilter,
    /// A structured report whose content tree is replaced.
    Structured,
    /// Held inside until a person or a site rule releases it.
    Quarantine,
}

/// One Storage SOP Class that efface accepts.
#[derive(Debug)]
pub struct SopClass {
    /// SOP Class UID.
    pub uid: &'static str,
    /// Its keyword, e.g. `CTImageStorage`.
    pub keyword: &'static str,
    /// What becomes of its instances.
    pub policy: ClassPolicy,
    /// Whether what identifies would stand in a content tree (PS3.3 C.17.3), not in pixels.
    pub is_document: bool,
}

/// Every Storage SOP Class that efface negotiates, by UID. A class that isn't here is not accepted.
pub fn sop_classes() -> &'static HashMap<&'static str, SopClass> {
    &SOP_CLASSES
}

/// The action of the Basic Profile for one standard element, resolved for a SOP class.
///
/// `None`: Table E.1-1 does not list the element. Composite codes are resolved by the attribute's
/// Type in the IOD where it is known (top level only), else by the code that is valid for every
/// Type: X/Z as Z; X/D, Z/D and X/Z/D as D; X/Z/U* as U.
pub fn basic_action(sop_class: &str, top_level: bool, tag: Tag) -> Option<Action> {
    let key = key(tag);
    let code = CONFIDENTIALITY.get(&key)?.basic;
    if let Code::Single(action) = code {
        return Some(action);
    }
    if code == Code::References {
        return Some(Action::U);
    }
    let resolved = top_level.then(|| COMPOSITE.get(sop_class)?.get(&key).copied()).flatten();
    Some(resolved.unwrap_or(match code {
        Code::RemoveOrEmpty => Action::Z,
        _ => Action::D,
    }))
}

/// What the options in force say of a listed element: K beats C, and of two options that agree the
/// one with the lower code is named.
///
/// `None`: none of them speaks of it, the Basic Profile's action stands.
pub fn option_action(options: Options, tag: Tag) -> Option<(Annex, Action)> {
    let row = CONFIDENTIALITY.get(&key(tag))?;
    let says = |action| {
        let said = options.iter().find(|option| row.options[*option as usize] == Some(action));
        said.map(|option| (option, action))
    };
    says(Action::K).or_else(|| says(Action::C))
}

/// Whether Table E.1-1 counts an element among the dates and times (its two columns of temporal
/// information).
pub fn is_temporal(tag: Tag) -> bool {
    let row = CONFIDENTIALITY.get(&key(tag));
    row.is_some_and(|row| row.options[Annex::RetainFullDates as usize].is_some())
}

/// The Basic Profile's cell for an element as it is printed in the table, e.g. `X/Z/D`.
pub fn basic_cell(tag: Tag) -> Option<&'static str> {
    CONFIDENTIALITY.get(&key(tag)).map(|row| row.cell)
}

/// What the attribute's Type in the IOD of a SOP class makes of a composite cell; `None`: the cell is
/// no composite, or the IOD doesn't have the attribute.
pub fn composite_action(sop_class: &str, tag: Tag) -> Option<Action> {
    COMPOSITE.get(sop_class)?.get(&key(tag)).copied()
}

/// All elements that Table E.1-1 lists one by one, ascending.
pub fn listed_tags() -> Vec<Tag> {
    let mut keys: Vec<u32> = CONFIDENTIALITY.keys().copied().collect();
    keys.sort_unstable();
    keys.into_iter().map(|k| Tag((k >> 16) as u16, k as u16)).collect()
}

/// The keywords of those elements.
pub fn listed_keywords() -> impl Iterator<Item = &'static str> {
    rows(include_str!("confidentiality.tsv")).map(|row| row[2])
}

/// Curves (50xx) and overlays (60xx): the groups are removed whole.
///
/// Table E.1-1 lists only curves, Overlay Data and Overlay Comments; what would be left of a 60xx
/// group is a dangling module with free text in it.
pub fn is_repeating_group(tag: Tag) -> bool {
    matches!(tag.group() & 0xFF00, 0x5000 | 0x6000)
}

/// A row of Table E.1-1.
struct Row {
    basic: Code,
    /// The cell as printed.
    cell: &'static str,
    /// K or C, by option.
    options: [Option<Action>; Annex::ALL.len()],
}

/// The option of each column after the Basic Profile's, in the order of the table.
const COLUMNS: [Annex; 10] = [
    Annex::RetainSafePrivate,
    Annex::RetainUids,
    Annex::RetainDeviceIdentity,
    Annex::RetainInstitutionIdentity,
    Annex::RetainPatientCharacteristics,
    Annex::RetainFullDates,
    Annex::RetainModifiedDates,
    Annex::CleanDescriptors,
    Annex::CleanStructuredContent,
    Annex::CleanGraphics,
];

/// A cell of the Basic Profile column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Code {
    Single(Action),
    /// X/Z
    RemoveOrEmpty,
    /// X/D, Z/D, X/Z/D
    OrDummy,
    /// X/Z/U*
    References,
}

static SOP_CLASSES: LazyLock<HashMap<&str, SopClass>> = LazyLock::new(|| {
    rows(include_str!("sop_classes.tsv"))
        .filter_map(|row| {
            let policy = match row[2] {
                "deid" => ClassPolicy::Deid,
                "deid+deface" => ClassPolicy::Deface,
                "deid+pixelcheck" => ClassPolicy::PixelCheck,
                "deid+roifilter" => ClassPolicy::RoiFilter,
                "deid+structured" => ClassPolicy::Structured,
                "quarantine" => ClassPolicy::Quarantine,
                _ => return None,
            };
            let is_document = row[3] == "text" && row[1] != "BasicStructuredDisplayStorage";
            Some((row[0], SopClass { uid: row[0], keyword: row[1], policy, is_document }))
        })
        .collect()
});

static CONFIDENTIALITY: LazyLock<HashMap<u32, Row>> = LazyLock::new(|| {
    let exact = rows(include_str!("confidentiality.tsv")).filter(|row| row[0] == "FFFFFFFF");
    exact
        .filter_map(|row| {
            let basic = match row[3] {
                "X/Z" => Code::RemoveOrEmpty,
                "X/D" | "Z/D" | "X/Z/D" => Code::OrDummy,
                "X/Z/U*" => Code::References,
                single => Code::Single(action(single)?),
            };
            let mut options = [None; Annex::ALL.len()];
            for (option, cell) in COLUMNS.into_iter().zip(&row[4..]) {
                options[option as usize] = action(cell);
            }
            Some((u32::from_str_radix(row[1], 16).ok()?, Row { basic, cell: row[3], options }))
        })
        .collect()
});

static COMPOSITE: LazyLock<HashMap<&str, HashMap<u32, Action>>> = LazyLock::new(|| {
    rows(include_str!("composite.tsv"))
        .map(|row| {
            let cells = row[1..].iter().filter_map(|cell| {
                let (tag, letter) = cell.split_once('=')?;
                Some((u32::from_str_radix(tag, 16).ok()?, action(letter)?))
            });
            (row[0], cells.collect())
        })
        .collect()
});

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

fn action(letter: &str) -> Option<Action> {
    match letter {
        "X" => Some(Action::X),
        "Z" => Some(Action::Z),
        "D" => Some(Action::D),
        "U" => Some(Action::U),
        "K" => Some(Action::K),
        "C" => Some(Action::C),
        _ => None,
    }
}

fn key(tag: Tag) -> u32 {
    u32::from(tag.group()) << 16 | u32::from(tag.element())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_dictionary_std::{tags, uids};

    /// A row that the loader passed over would be a rule that isn't applied.
    #[test]
    fn every_row_is_loaded() {
        let rows_of = |table: &'static str| rows(table).count();
        assert_eq!(CONFIDENTIALITY.len() + 3, rows_of(include_str!("confidentiality.tsv")));
        assert_eq!(SOP_CLASSES.len(), rows_of(include_str!("sop_classes.tsv")));
        assert_eq!(COMPOSITE.len(), rows_of(include_str!("composite.tsv")));
        assert_eq!(CONFIDENTIALITY.len(), 653);
        let cells = |option: Annex| {
            CONFIDENTIALITY.values().filter(|row| row.options[option as usize].is_some()).count()
        };
        let counts = COLUMNS.map(cells);
        assert_eq!(counts, [0, 60, 59, 10, 19, 169, 169, 141, 4, 1]);
    }

    #[test]
    fn options_change_what_the_basic_profile_does() {
        let of = |options: &[Annex], tag| option_action(options.iter().copied().collect(), tag);
        use Annex::*;
        assert_eq!(of(&[], tags::STATION_NAME), None);
        let kept = Some((RetainDeviceIdentity, Action::K));
        assert_eq!(of(&[RetainDeviceIdentity], tags::STATION_NAME), kept);
        let both = [CleanDescriptors, RetainPatientCharacteristics];
        assert_eq!(of(&both, tags::PATIENT_AGE).map(|(o, _)| o), Some(both[1]));
        assert_eq!(of(&both, tags::ALLERGIES), Some((CleanDescriptors, Action::C)));
        assert!(is_temporal(tags::STUDY_DATE) && !is_temporal(tags::PATIENT_BIRTH_DATE));
    }

    #[test]
    fn composite_codes_follow_the_type_in_the_iod() {
        let ct = uids::CT_IMAGE_STORAGE;
        assert_eq!(basic_action(ct, true, tags::STATION_NAME), Some(Action::X));
        assert_eq!(basic_action(ct, false, tags::STATION_NAME), Some(Action::D));
        assert_eq!(basic_action(ct, true, tags::PATIENT_ID), Some(Action::Z));
        assert_eq!(basic_action("1.2.3", true, tags::CONTENT_DATE), Some(Action::D));
        assert_eq!(basic_action(ct, true, tags::REFERENCED_IMAGE_SEQUENCE), Some(Action::U));
        assert_eq!(basic_action(ct, true, tags::ROWS), None);
    }
}
