//! What a value tells about whom.

use std::fmt;

/// One thing that a value can tell, in order of gravity: of several, a residue names the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A name of the patient or of the family.
    Name,
    /// By what the patient or the examination is looked up: patient ids, accession number.
    PatientId,
    /// The patient's date of birth.
    BirthDate,
    /// Any other identifier: of the visit, the order, the study, a specimen.
    Id,
    /// An address, a telephone number, an e-mail address.
    Contact,
    /// The UID of an instance, series, study, frame of reference, device ...
    Uid,
    /// A name of anybody else.
    Staff,
    /// Any other date.
    Date,
    /// A date of the device: of its manufacture, installation, calibration.
    DeviceDate,
    /// A serial number, station name, AE title.
    Device,
    /// The institution, its departments, issuers of identifiers.
    Institution,
    /// Text of private elements, and private elements themselves.
    Private,
    /// Descriptive text.
    Text,
    /// A time of day, compared attribute by attribute only.
    Time,
    /// Age, sex, weight and the like, compared attribute by attribute only.
    Characteristic,
}

impl Kind {
    /// All kinds, in order of gravity.
    pub const ALL: [Kind; 15] = [
        Kind::Name,
        Kind::PatientId,
        Kind::BirthDate,
        Kind::Id,
        Kind::Contact,
        Kind::Uid,
        Kind::Staff,
        Kind::Date,
        Kind::DeviceDate,
        Kind::Device,
        Kind::Institution,
        Kind::Private,
        Kind::Text,
        Kind::Time,
        Kind::Characteristic,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Name => "patient's name",
            Kind::PatientId => "patient's identifier",
            Kind::BirthDate => "date of birth",
            Kind::Id => "identifier",
            Kind::Contact => "address or telephone number",
            Kind::Uid => "UID",
            Kind::Staff => "person's name",
            Kind::Date => "date",
            Kind::DeviceDate => "date of the device",
            Kind::Device => "device identifier",
            Kind::Institution => "institution",
            Kind::Private => "private text",
            Kind::Text => "descriptive text",
            Kind::Time => "time",
            Kind::Characteristic => "patient characteristic",
        })
    }
}

/// A set of kinds: a value can be the name of a station and of the institution at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kinds(u16);

impl Kinds {
    pub(super) const NONE: Kinds = Kinds(0);

    pub(super) const fn of(kind: Kind) -> Self {
        Kinds(1 << kind as u16)
    }

    pub(super) const fn with(self, kind: Kind) -> Self {
        Kinds(self.0 | 1 << kind as u16)
    }

    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & Kinds::of(kind).0 != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn minus(self, other: Kinds) -> Self {
        Kinds(self.0 & !other.0)
    }

    /// What counts of them: private or descriptive text only if the value is nothing else, and
    /// text that is repeated in a private element is text.
    pub(super) fn weighed(self) -> Self {
        const WORDS: Kinds = Kinds::of(Kind::Private).with(Kind::Text);
        if !self.minus(WORDS).is_empty() {
            self.minus(WORDS)
        } else if self == WORDS {
            Kinds::of(Kind::Text)
        } else {
            self
        }
    }

    pub(super) fn gravest(self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| self.has(*kind))
    }
}

impl From<Kind> for Kinds {
    fn from(kind: Kind) -> Self {
        Kinds::of(kind)
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Kinds::NONE, Kinds::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_of_a_set() {
        let weighed = |kinds: &[Kind]| kinds.iter().copied().collect::<Kinds>().weighed();
        assert_eq!(weighed(&[Kind::Private, Kind::Device]), Kinds::of(Kind::Device));
        assert_eq!(weighed(&[Kind::Text, Kind::Private, Kind::Name]), Kinds::of(Kind::Name));
        assert_eq!(weighed(&[Kind::Text, Kind::Private]), Kinds::of(Kind::Text));
        assert_eq!(weighed(&[Kind::Private]), Kinds::of(Kind::Private));
        let two = [Kind::Institution, Kind::Device];
        assert_eq!(weighed(&two), two.into_iter().collect());
        assert_eq!(weighed(&two).gravest(), Some(Kind::Device));
    }

    #[test]
    fn all_kinds_in_their_order() {
        assert!(Kind::ALL.is_sorted());
        assert!(Kind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
    }
}
