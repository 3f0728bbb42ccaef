//! What becomes of content items by their concept (PS3.15 E.3.4, Table E.3.4-1).

use super::{Annex, Options, rows};
use std::collections::HashMap;
use std::sync::LazyLock;

/// What happens to a content item; the later, the stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Treatment {
    /// K: kept.
    Keep,
    /// C: cleaned, in its own way for text and for dates.
    Clean,
    /// D: a dummy of its value type.
    Dummy,
    /// X: removed.
    Remove,
}

use Treatment::*;

/// What the table says of one concept in one value type.
#[derive(Debug)]
pub struct Row {
    /// Value Type (0040,A040) of the items that the row speaks of.
    pub value_type: &'static str,
    /// Without any option: [`Treatment::Dummy`] or [`Treatment::Remove`].
    ///
    /// X/D, which hangs on what the template requires, is read as D: it is valid in every template.
    pub basic: Treatment,
    keeps: Options,
    cleans: Options,
}

impl Row {
    /// What the options make of it, and the option that decided: K beats C, C the basic action.
    ///
    /// The Modified Dates option does not count here: [`Row::is_dated`].
    pub fn treatment(&self, options: Options) -> (Treatment, Option<Annex>) {
        let kept = options.iter().find(|option| self.keeps.has(*option));
        let cleaned = Some(Annex::CleanDescriptors)
            .filter(|option| options.has(*option) && self.cleans.has(*option));
        match (kept, cleaned) {
            (Some(_), _) => (Keep, kept),
            (None, Some(_)) => (Clean, cleaned),
            (None, None) => (self.basic, None),
        }
    }

    /// A date or time that the date options let stay, whole or changed.
    pub fn is_dated(&self) -> bool {
        self.cleans.has(Annex::RetainModifiedDates)
    }

    /// Words that describe, and never words that name a person, place or thing.
    pub fn is_descriptive(&self) -> bool {
        self.cleans.has(Annex::CleanDescriptors) && self.keeps == Options::NONE
    }
}

/// The rows of a concept, by Code Value and Coding Scheme Designator; empty when it is not listed.
pub fn concept(code: &str, scheme: &str) -> &'static [Row] {
    CONCEPTS.get(scheme).and_then(|codes| codes.get(code)).map_or(&[], Vec::as_slice)
}

/// The columns of the options in the table, in their order.
const COLUMNS: [Annex; 7] = [
    Annex::RetainUids,
    Annex::RetainDeviceIdentity,
    Annex::RetainInstitutionIdentity,
    Annex::RetainPatientCharacteristics,
    Annex::RetainFullDates,
    Annex::RetainModifiedDates,
    Annex::CleanDescriptors,
];

/// Concepts that the table leaves out, in its own form. E.3.4 asks that content items lose what the
/// profile removes as attributes: birth date, age, sex, size and weight. Tracking Identifier is free
/// text that TID 1501 requires.
const BESIDES: &str = "\
LN\t21112-8\tDATE\tX\t-\t-\t-\t-\t-\t-\t-\tBirth date
SCT\t184099003\tDATE\tX\t-\t-\t-\t-\t-\t-\t-\tDate of birth
LN\t30525-0\tNUM\tX\t-\t-\t-\tK\t-\t-\t-\tAge
SCT\t397669002\tNUM\tX\t-\t-\t-\tK\t-\t-\t-\tAge
SCT\t424144002\tNUM\tX\t-\t-\t-\tK\t-\t-\t-\tCurrent chronological age
LN\t46098-0\tCODE\tX\t-\t-\t-\tK\t-\t-\t-\tSex
SCT\t263495000\tCODE\tX\t-\t-\t-\tK\t-\t-\t-\tGender
LN\t8302-2\tNUM\tX\t-\t-\t-\tK\t-\t-\t-\tPatient Height
SCT\t50373000\tNUM\tX\t-\t-\t-\tK\t-\t-\t-\tBody height
LN\t29463-7\tNUM\tX\t-\t-\t-\tK\t-\t-\t-\tPatient Weight
SCT\t27113001\tNUM\tX\t-\t-\t-\tK\t-\t-\t-\tBody weight
DCM\t112039\tTEXT\tD\t-\t-\t-\t-\t-\t-\tC\tTracking Identifier";

/// The rows of one scheme, by code.
type Scheme = HashMap<&'static str, Vec<Row>>;

static CONCEPTS: LazyLock<HashMap<&str, Scheme>> = LazyLock::new(|| {
    let mut concepts: HashMap<_, Scheme> = HashMap::new();
    for cells in rows(include_str!("structured.tsv")).chain(rows(BESIDES)) {
        // "NCDR [2.0b]": the version is not part of the designator, and any version counts.
        let scheme = cells[0].split(" [").next().unwrap_or(cells[0]);
        let codes = concepts.entry(scheme).or_default();
        codes.entry(cells[1]).or_default().push(row(&cells));
    }
    concepts
});

fn row(cells: &[&'static str]) -> Row {
    let marked = |letter: &str| {
        let marked = COLUMNS.into_iter().zip(&cells[4..]).filter(move |(_, cell)| **cell == letter);
        marked.map(|(option, _)| option).collect()
    };
    let basic = if cells[3].ends_with('D') { Dummy } else { Remove };
    Row { value_type: cells[2], basic, keeps: marked("K"), cleans: marked("C") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn treatment(code: &str, scheme: &str, options: &[Annex]) -> Treatment {
        let [row] = concept(code, scheme) else { panic!("{code} has not one row") };
        row.treatment(options.iter().copied().collect()).0
    }

    #[test]
    fn every_row_is_loaded_and_understood() {
        let loaded: usize = CONCEPTS.values().flat_map(Scheme::values).map(Vec::len).sum();
        assert_eq!(loaded, 214 + BESIDES.lines().count());
        for cells in rows(include_str!("structured.tsv")).chain(rows(BESIDES)) {
            assert_eq!(cells.len(), 12, "{cells:?}");
            assert!(["X", "D", "X/D"].contains(&cells[3]), "{cells:?}");
            let options = cells[4..11].iter().enumerate();
            options.for_each(|(i, cell)| match COLUMNS[i] {
                Annex::RetainModifiedDates | Annex::CleanDescriptors => {
                    assert!(["-", "C"].contains(cell), "{cells:?}")
                }
                _ => assert!(["-", "K"].contains(cell), "{cells:?}"),
            });
        }
    }

    #[test]
    fn the_columns_are_those_of_the_file() {
        let head = include_str!("structured.tsv").lines().next().unwrap();
        let names = "retain_uids, retain_device_identity, retain_institution_identity, \
                     retain_patient_characteristics, retain_longitudinal_full_dates, \
                     retain_longitudinal_modified_dates, clean_descriptors, then";
        assert!(head.contains(names));
    }

    #[test]
    fn options_soften_what_they_name() {
        use Annex::*;
        assert_eq!(treatment("121029", "DCM", &Annex::ALL), Dummy); // Subject Name
        assert_eq!(treatment("121031", "DCM", &Annex::ALL), Remove); // Subject Birth Date
        assert_eq!(treatment("121033", "DCM", &[CleanDescriptors]), Remove); // Subject Age
        assert_eq!(treatment("121033", "DCM", &[RetainPatientCharacteristics]), Keep);
        assert_eq!(treatment("121106", "DCM", &[]), Remove); // Comment
        assert_eq!(treatment("121106", "DCM", &[CleanDescriptors]), Clean);
        assert_eq!(treatment("121071", "DCM", &[]), Dummy); // Finding, X/D
        assert_eq!(treatment("121122", "DCM", &[CleanDescriptors]), Clean); // Equipment
        assert_eq!(treatment("121122", "DCM", &[CleanDescriptors, RetainDeviceIdentity]), Keep);
        assert_eq!(treatment("113809", "DCM", &[RetainModifiedDates]), Dummy); // Start of irradiation
        assert_eq!(treatment("113809", "DCM", &[RetainFullDates]), Keep);
        assert_eq!(treatment("76", "NCDR", &[]), Dummy); // Catheterization Operator
    }

    #[test]
    fn a_concept_is_a_code_in_a_scheme() {
        assert_eq!(concept("121080", "DCM").len(), 2);
        assert!(concept("121080", "SCT").is_empty());
        assert!(concept("121080", "99LOCAL").is_empty());
        assert!(concept("113809", "DCM")[0].is_dated());
        assert!(!concept("121031", "DCM")[0].is_dated());
        assert!(concept("121106", "DCM")[0].is_descriptive());
        assert!(!concept("121122", "DCM")[0].is_descriptive());
    }
}
