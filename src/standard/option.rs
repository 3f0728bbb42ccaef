//! The options of PS3.15 Annex E, by the names of CID 7050 (PS3.16).

use std::fmt;

/// One option beside the Basic Application Level Confidentiality Profile (PS3.15 E.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Annex {
    /// 113101: identifying text in the pixels is blanked (E.3.1).
    CleanPixelData,
    /// 113102: the face is removed (E.3.2).
    CleanRecognizableVisualFeatures,
    /// 113103: text in graphics is cleaned; overlays and curves go (E.3.3).
    CleanGraphics,
    /// 113104: structured content is cleaned item by item (E.3.4).
    CleanStructuredContent,
    /// 113105: descriptive text is cleaned (E.3.5).
    CleanDescriptors,
    /// 113106: dates and times stay (E.3.6).
    RetainFullDates,
    /// 113107: dates are shifted, intervals stay (E.3.6).
    RetainModifiedDates,
    /// 113108: age, sex, size, weight and the like stay (E.3.7).
    RetainPatientCharacteristics,
    /// 113109: device identifiers stay (E.3.8).
    RetainDeviceIdentity,
    /// 113110: UIDs stay (E.3.9).
    RetainUids,
    /// 113111: private elements known to be safe stay (E.3.10).
    RetainSafePrivate,
    /// 113112: the institution's name and address stay (E.3.11).
    RetainInstitutionIdentity,
}

use Annex::*;

impl Annex {
    /// All options, in the order of their codes.
    pub const ALL: [Annex; 12] = [
        CleanPixelData,
        CleanRecognizableVisualFeatures,
        CleanGraphics,
        CleanStructuredContent,
        CleanDescriptors,
        RetainFullDates,
        RetainModifiedDates,
        RetainPatientCharacteristics,
        RetainDeviceIdentity,
        RetainUids,
        RetainSafePrivate,
        RetainInstitutionIdentity,
    ];

    /// Code value in CID 7050, coding scheme DCM.
    pub fn code(self) -> &'static str {
        CODES[self as usize].0
    }

    /// Code meaning in CID 7050.
    pub fn meaning(self) -> &'static str {
        CODES[self as usize].1
    }

    /// The name that a profile uses: the code meaning without its last word, "Option".
    pub fn name(self) -> &'static str {
        let meaning = self.meaning();
        meaning.strip_suffix(" Option").unwrap_or(meaning)
    }

    /// The option of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Annex::ALL.into_iter().find(|option| option.name() == name)
    }
}

impl fmt::Display for Annex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// CID 7050, in the order of [`Annex::ALL`].
const CODES: [(&str, &str); 12] = [
    ("113101", "Clean Pixel Data Option"),
    ("113102", "Clean Recognizable Visual Features Option"),
    ("113103", "Clean Graphics Option"),
    ("113104", "Clean Structured Content Option"),
    ("113105", "Clean Descriptors Option"),
    ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
    ("113109", "Retain Device Identity Option"),
    ("113110", "Retain UIDs Option"),
    ("113111", "Retain Safe Private Option"),
    ("113112", "Retain Institution Identity Option"),
];

/// Which options are in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options(u16);

impl Options {
    /// None.
    pub const NONE: Options = Options(0);

    /// Whether an option is in force.
    pub fn has(self, option: Annex) -> bool {
        self.0 & 1 << option as u16 != 0
    }

    /// Puts an option in force.
    pub fn insert(&mut self, option: Annex) {
        self.0 |= 1 << option as u16;
    }

    /// Those in force, in the order of their codes.
    pub fn iter(self) -> impl Iterator<Item = Annex> {
        Annex::ALL.into_iter().filter(move |option| self.has(*option))
    }
}

impl FromIterator<Annex> for Options {
    fn from_iter<I: IntoIterator<Item = Annex>>(options: I) -> Self {
        let mut set = Options::NONE;
        options.into_iter().for_each(|option| set.insert(option));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sets() {
        let all: Options = Annex::ALL.into_iter().collect();
        assert!(all.iter().eq(Annex::ALL));
        assert_eq!(Options::NONE.iter().count(), 0);
        for option in Annex::ALL {
            assert_eq!(Annex::from_name(option.name()), Some(option));
        }
        assert_eq!(RetainUids.code(), "113110");
        assert_eq!(Annex::from_name("Retain UIDs Option"), None);
    }
}
