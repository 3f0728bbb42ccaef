//! What the headers of a study say about people and places, gathered instance by instance.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::header::Header;
use dicom_core::value::Value;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;
use dicom_object::InMemDicomObject;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use zeroize::Zeroize;

use super::Cleaner;
use super::needles::{Needles, Role};
use super::reading::squash;
use super::unknown;
use crate::dicom::dataset::{Dataset, Element};
use crate::standard::{Annex, Options};

/// What an option or a rule of the site lets stay, so that it isn't looked for in texts either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Serial numbers, station names, AE titles (113109).
    pub device: bool,
    /// Names and addresses of institutions and departments (113112).
    pub institution: bool,
}

impl Retained {
    /// For text in an element that a rule of the site keeps: it may name a device or a place.
    pub const BY_RULE: Retained = Retained { device: true, institution: true };

    /// What these options let stay.
    pub fn by(options: Options) -> Self {
        Retained {
            device: options.has(Annex::RetainDeviceIdentity),
            institution: options.has(Annex::RetainInstitutionIdentity),
        }
    }
}

/// What a value tells. In order of gravity: a value of two kinds counts as the graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Person,
    Id,
    Contact,
    Device,
    /// An institution or its address: each word of it tells.
    Institution,
    /// A department, an issuer: only the whole tells.
    Organisation,
}

use Kind::{Contact, Device, Id, Institution, Organisation, Person};

/// Text attributes that identify, in tag order. Person names, AE titles and dates are known by
/// their VR.
#[rustfmt::skip]
const KINDS: &[(u32, Kind)] = &[
    (0x0008_0050, Id), // AccessionNumber
    (0x0008_0080, Institution), // InstitutionName
    (0x0008_0081, Institution), // InstitutionAddress
    (0x0008_0092, Contact), // ReferringPhysicianAddress
    (0x0008_0094, Contact), // ReferringPhysicianTelephoneNumbers
    (0x0008_1010, Device), // StationName
    (0x0008_1040, Organisation), // InstitutionalDepartmentName
    (0x0010_0012, Person), // NameToUse
    (0x0010_0020, Id), // PatientID
    (0x0010_0021, Organisation), // IssuerOfPatientID
    (0x0010_1000, Id), // OtherPatientIDs
    (0x0010_1040, Contact), // PatientAddress
    (0x0010_1050, Id), // InsurancePlanIdentification
    (0x0010_1090, Id), // MedicalRecordLocator
    (0x0010_2150, Contact), // CountryOfResidence
    (0x0010_2152, Contact), // RegionOfResidence
    (0x0010_2154, Contact), // PatientTelephoneNumbers
    (0x0010_2155, Contact), // PatientTelecomInformation
    (0x0010_2299, Organisation), // ResponsibleOrganization
    (0x0012_0010, Organisation), // ClinicalTrialSponsorName
    (0x0012_0020, Id), // ClinicalTrialProtocolID
    (0x0012_0022, Organisation), // IssuerOfClinicalTrialProtocolID
    (0x0012_0030, Organisation), // ClinicalTrialSiteID
    (0x0012_0031, Organisation), // ClinicalTrialSiteName
    (0x0012_0032, Organisation), // IssuerOfClinicalTrialSiteID
    (0x0012_0040, Id), // ClinicalTrialSubjectID
    (0x0012_0041, Organisation), // IssuerOfClinicalTrialSubjectID
    (0x0012_0042, Id), // ClinicalTrialSubjectReadingID
    (0x0012_0060, Organisation), // ClinicalTrialCoordinatingCenterName
    (0x0012_0081, Organisation), // ClinicalTrialProtocolEthicsCommitteeName
    (0x0016_004D, Person), // CameraOwnerName
    (0x0016_004E, Device), // LensSpecification
    (0x0016_004F, Device), // LensMake
    (0x0016_0050, Device), // LensModel
    (0x0016_0051, Device), // LensSerialNumber
    (0x0018_1000, Device), // DeviceSerialNumber
    (0x0018_1003, Device), // DeviceID
    (0x0018_1004, Device), // PlateID
    (0x0018_1005, Device), // GeneratorID
    (0x0018_1007, Device), // CassetteID
    (0x0018_1008, Device), // GantryID
    (0x0018_1009, Device), // UniqueDeviceIdentifier
    (0x0018_1010, Device), // SecondaryCaptureDeviceID
    (0x0018_1011, Device), // HardcopyCreationDeviceID
    (0x0018_700A, Device), // DetectorID
    (0x0018_9367, Device), // XRaySourceID
    (0x0018_9371, Device), // XRayDetectorID
    (0x0018_9373, Device), // XRayDetectorLabel
    (0x0020_0010, Id), // StudyID
    (0x0020_3401, Device), // ModifyingDeviceID
    (0x0032_0012, Organisation), // StudyIDIssuer
    (0x0032_1020, Device), // ScheduledStudyLocation
    (0x0032_1021, Device), // ScheduledStudyLocationAETitle
    (0x0032_1033, Organisation), // RequestingService
    (0x0038_0010, Id), // AdmissionID
    (0x0038_0011, Organisation), // IssuerOfAdmissionID
    (0x0038_001E, Organisation), // ScheduledPatientInstitutionResidence
    (0x0038_0060, Id), // ServiceEpisodeID
    (0x0038_0061, Organisation), // IssuerOfServiceEpisodeID
    (0x0038_0300, Organisation), // CurrentPatientLocation
    (0x0038_0400, Organisation), // PatientInstitutionResidence
    (0x0040_0001, Device), // ScheduledStationAETitle
    (0x0040_0009, Id), // ScheduledProcedureStepID
    (0x0040_0010, Device), // ScheduledStationName
    (0x0040_0011, Device), // ScheduledProcedureStepLocation
    (0x0040_0031, Organisation), // LocalNamespaceEntityID
    (0x0040_0032, Organisation), // UniversalEntityID
    (0x0040_0241, Device), // PerformedStationAETitle
    (0x0040_0242, Device), // PerformedStationName
    (0x0040_0243, Organisation), // PerformedLocation
    (0x0040_0253, Id), // PerformedProcedureStepID
    (0x0040_050A, Id), // SpecimenAccessionNumber
    (0x0040_0512, Id), // ContainerIdentifier
    (0x0040_0551, Id), // SpecimenIdentifier
    (0x0040_06FA, Id), // SlideIdentifier
    (0x0040_1001, Id), // RequestedProcedureID
    (0x0040_1005, Organisation), // RequestedProcedureLocation
    (0x0040_1006, Id), // PlacerOrderNumberProcedure
    (0x0040_1007, Id), // FillerOrderNumberProcedure
    (0x0040_1102, Contact), // PersonAddress
    (0x0040_1103, Contact), // PersonTelephoneNumbers
    (0x0040_1104, Contact), // PersonTelecomInformation
    (0x0040_2009, Organisation), // OrderEntererLocation
    (0x0040_2010, Contact), // OrderCallbackPhoneNumber
    (0x0040_2011, Contact), // OrderCallbackTelecomInformation
    (0x0040_2016, Id), // PlacerOrderNumberImagingServiceRequest
    (0x0040_2017, Id), // FillerOrderNumberImagingServiceRequest
    (0x0040_4036, Organisation), // HumanPerformerOrganization
    (0x0040_A027, Organisation), // VerifyingOrganization
    (0x0040_A353, Contact), // AddressTrial
    (0x0040_A354, Contact), // TelephoneNumberTrial
    (0x0074_1234, Device), // ReceivingAE
    (0x0074_1236, Device), // RequestingAE
    (0x0088_0910, Person), // TopicAuthor
    (0x0400_0563, Device), // ModifyingSystem
    (0x0400_0564, Organisation), // SourceOfPreviousValues
    (0x2100_0070, Device), // Originator
    (0x2100_0140, Device), // DestinationAE
    (0x2200_0002, Id), // LabelText
    (0x2200_0005, Id), // BarcodeValue
    (0x3008_0105, Device), // SourceSerialNumber
    (0x300A_00B2, Device), // TreatmentMachineName
    (0x300A_0216, Device), // SourceManufacturer
    (0x3010_001B, Device), // DeviceAlternateIdentifier
    (0x3010_002D, Device), // DeviceLabel
    (0x3010_0043, Device), // ManufacturerDeviceIdentifier
    (0x4008_0040, Id), // ResultsID
    (0x4008_0042, Organisation), // ResultsIDIssuer
    (0x4008_011A, Organisation), // DistributionAddress
    (0x4008_0200, Id), // InterpretationID
    (0x4008_0202, Organisation), // InterpretationIDIssuer
];

/// Attributes that stay and tell the model, never the place: a station or institution that is
/// called like a part of them tells nothing.
const MODELS: &[u32] = &[
    0x0008_0008, // ImageType
    0x0008_0060, // Modality
    0x0008_0070, // Manufacturer
    0x0008_1090, // ManufacturerModelName
    0x0018_0015, // BodyPartExamined
    0x0018_0020, // ScanningSequence
    0x0018_0024, // SequenceName
    0x0018_1016, // SecondaryCaptureDeviceManufacturer
    0x0018_1020, // SoftwareVersions
    0x0018_1210, // ConvolutionKernel
];

const BIRTH_DATE: u32 = 0x0010_0030;
/// Sequences whose codes are people's: the value a staff number, the meaning a name.
const PERSON_CODES: u32 = 0x0040_1101;
const CODE_VALUE: u32 = 0x0008_0100;
const CODE_MEANING: u32 = 0x0008_0104;
/// Digits in a row that make a private value an identifier.
const PRIVATE_DIGITS: usize = 6;
/// Characters of a private value that can be an identifier.
const PRIVATE_CHARS: usize = 64;

/// Gathers the identifiers of a study. Feed it the source of every instance.
///
/// Holds identifying values in the clear until [`Known::cleaner`]; shows none, wipes them on drop.
#[derive(Default)]
pub struct Known {
    values: BTreeMap<Kind, BTreeSet<String>>,
    models: BTreeSet<String>,
    /// YYYYMMDD, in order.
    dates: Vec<u32>,
    births: Vec<u32>,
}

impl Drop for Known {
    fn drop(&mut self) {
        for (_, values) in std::mem::take(&mut self.values) {
            values.into_iter().for_each(|mut value| value.zeroize());
        }
        self.dates.zeroize();
        self.births.zeroize();
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<known>")
    }
}

impl Known {
    /// Gathers from one source data set, every element at every depth.
    pub fn observe(&mut self, source: &Dataset) {
        self.items(source.object(), false, unknown::DEPTH);
    }

    /// Adds a device's name that no data set tells: the AE title of whoever sent the study.
    pub fn also_device(&mut self, name: &str) {
        self.insert(Device, name);
    }

    /// Adds what another has gathered from instances of the same study.
    pub fn merge(&mut self, mut other: Known) {
        for (kind, values) in std::mem::take(&mut other.values) {
            self.values.entry(kind).or_default().extend(values);
        }
        self.models.append(&mut other.models);
        other.dates.iter().for_each(|date| insert_sorted(&mut self.dates, *date));
        other.births.iter().for_each(|date| insert_sorted(&mut self.births, *date));
    }

    /// Compiles what was gathered. Once per study: it takes milliseconds.
    pub fn cleaner(&self, retained: Retained) -> Cleaner {
        let models: String = self.models.iter().map(|model| squash(model) + "|").collect();
        let mut needles = Needles::default();
        for (kind, values) in &self.values {
            let stays = match kind {
                Person | Id | Contact => false,
                Device => retained.device,
                Institution | Organisation => retained.institution,
            };
            for value in values.iter().filter(|_| !stays) {
                let of_model = || models.contains(&squash(value));
                match kind {
                    Person => needles.person(value),
                    Id => needles.id(value),
                    Contact => needles.contact(value),
                    Device | Organisation | Institution if of_model() => {}
                    Device => needles.id(value),
                    Organisation | Institution => needles.place(value),
                }
                if *kind == Institution {
                    needles.place_words(value, &models);
                }
            }
        }
        self.dates.iter().for_each(|date| needles.date(Role::Date, &date.to_string()));
        self.births.iter().for_each(|date| needles.date(Role::Birth, &date.to_string()));
        Cleaner::new(needles, self.dates.clone(), self.births.clone())
    }

    /// Recursion is bounded by the pre-scan's depth limit.
    fn items(&mut self, object: &InMemDicomObject, of_people: bool, unknown: usize) {
        for element in object {
            match element.value() {
                Value::Sequence(sequence) => {
                    let people = number_of(element.tag()) == PERSON_CODES;
                    sequence.items().iter().for_each(|item| self.items(item, people, unknown));
                }
                Value::Primitive(value) if element.vr() == VR::UN && unknown > 0 => {
                    match unknown::sequence(&value.to_bytes()) {
                        Some(object) => self.items(object.object(), false, unknown - 1),
                        None => self.element(element, of_people),
                    }
                }
                Value::Primitive(_) => self.element(element, of_people),
                Value::PixelSequence(_) => {}
            }
        }
    }

    fn element(&mut self, element: &Element, of_people: bool) {
        let tag = element.tag();
        let code = number_of(tag);
        let is_private = tag.group() % 2 == 1;
        let kind = KINDS.binary_search_by_key(&code, |row| row.0).ok().map(|at| KINDS[at].1);
        let kind = match (of_people, code) {
            (true, CODE_VALUE) => Some(Id),
            (true, CODE_MEANING) => Some(Person),
            _ => kind,
        };
        let vr = actual_vr(element);
        let private_text = is_private && matches!(vr, VR::LO | VR::SH | VR::ST | VR::UC | VR::LT);
        let wanted = kind.is_some()
            || matches!(vr, VR::PN | VR::AE | VR::DA | VR::DT)
            || private_text
            || MODELS.contains(&code);
        if !wanted {
            return;
        }
        let Some(text) = text(element) else { return };
        let one = matches!(vr, VR::ST | VR::LT | VR::UT);
        for value in text.split(|c| c == '\\' && !one) {
            match (vr, kind) {
                (VR::DA | VR::DT, _) => self.date(code, value),
                (VR::PN, _) => self.insert(Person, value),
                (_, Some(kind)) => self.insert(kind, value),
                (VR::AE, None) => self.insert(Device, value),
                _ if private_text && is_record_number(value) => self.insert(Id, value),
                _ if MODELS.contains(&code) => {
                    self.models.insert(value.to_owned());
                }
                _ => {}
            }
        }
    }

    fn insert(&mut self, kind: Kind, value: &str) {
        let value = value.trim_matches([' ', '\0', '\t', '\r', '\n']);
        let values = self.values.entry(kind).or_default();
        if !value.is_empty() && !values.contains(value) {
            values.insert(value.to_owned());
        }
    }

    fn date(&mut self, tag: u32, value: &str) {
        let digits: String = value.chars().filter(char::is_ascii_digit).take(8).collect();
        let part = |range: Range<usize>| digits.get(range).and_then(|d| d.parse::<u32>().ok());
        let (Some(year), Some(month), Some(day)) = (part(0..4), part(4..6), part(6..8)) else {
            return;
        };
        // Also days that no calendar has: they are looked for as they are.
        if (1850..=2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day) {
            let dates = if tag == BIRTH_DATE { &mut self.births } else { &mut self.dates };
            insert_sorted(dates, year * 10_000 + month * 100 + day);
        }
    }
}

fn insert_sorted(dates: &mut Vec<u32>, date: u32) {
    if let Err(at) = dates.binary_search(&date) {
        dates.insert(at, date);
    }
}

fn number_of(tag: Tag) -> u32 {
    u32::from(tag.group()) << 16 | u32::from(tag.element())
}

/// What UN would have been if the last forwarder had known the dictionary (PS3.5 6.2.2).
fn actual_vr(element: &Element) -> VR {
    match element.vr() {
        VR::UN => {
            let entry = StandardDataDictionary.by_tag(element.tag());
            entry.map_or(VR::UN, |entry| entry.vr().relaxed())
        }
        vr => vr,
    }
}

fn text(element: &Element) -> Option<String> {
    let Value::Primitive(value) = element.value() else { return None };
    match element.vr() {
        VR::UN | VR::OB => Some(String::from_utf8_lossy(&value.to_bytes()).into_owned()),
        _ => Some(value.to_str().into_owned()),
    }
}

/// One word with many digits in a row.
fn is_record_number(value: &str) -> bool {
    let value = value.trim();
    let longest = value.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    longest >= PRIVATE_DIGITS
        && value.len() <= PRIVATE_CHARS
        && !value.contains(char::is_whitespace)
        && !value.contains('.')
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{STUDY, dataset};
    use super::super::{Cleaned, TextDates};
    use super::*;
    use dicom_core::value::DataSetSequence;
    use dicom_core::{DataElement, PrimitiveValue};

    pub(in super::super) fn rest(cleaner: &Cleaner, text: &str) -> String {
        match cleaner.kept(text, TextDates::Keep) {
            Cleaned::Unchanged => text.to_owned(),
            Cleaned::Changed(rest) => rest,
            Cleaned::Nothing => String::new(),
        }
    }

    pub(in super::super) fn cleaner(source: Dataset) -> Cleaner {
        let mut known = Known::default();
        known.observe(&source);
        known.cleaner(Retained::default())
    }

    #[test]
    fn kinds_are_in_tag_order() {
        assert!(KINDS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(MODELS.is_sorted());
    }

    #[test]
    fn every_depth_private_elements_and_un() {
        let deep = dataset(&[(0x0040_A123, VR::PN, "Featherstone^Ottoline")]);
        let code = dataset(&[
            (CODE_VALUE, VR::SH, "ST4455"),
            (CODE_MEANING, VR::LO, "Thistlewood^Percival"),
        ]);
        let items = |set: Dataset| Value::from(DataSetSequence::from(vec![set.into_object()]));
        let mut inner = Dataset::new();
        inner.put(DataElement::new(Tag(0x0040, 0xA730), VR::SQ, items(deep)));
        let mut source = dataset(&[
            (0x0009_1001, VR::PN, "Quackenbush^Ada"),
            (0x0009_1002, VR::LO, "K-7788990"),
            (0x0009_1003, VR::LO, "Scan 123456 of the day"),
            (0x0040_0555, VR::AE, "NORTHWING"),
        ]);
        source.put(DataElement::new(Tag(0x0040, 0xA731), VR::SQ, items(inner)));
        source.put(DataElement::new(Tag(0x0040, 0x1101), VR::SQ, items(code)));
        let un = PrimitiveValue::U8(b"Abernathy^Zed ".as_slice().into());
        source.put(DataElement::new(Tag(0x0008, 0x0090), VR::UN, un));
        let cleaner = cleaner(source);
        for value in
            ["Ottoline", "Quackenbush", "K7788990", "NorthWing", "st4455", "Percival", "abernathy"]
        {
            assert_eq!(rest(&cleaner, &format!("left {value} right")), "left right", "{value}");
        }
        assert_eq!(rest(&cleaner, "left 123456 right"), "left 123456 right");
    }

    #[test]
    fn what_is_retained_is_not_looked_for() {
        let mut known = Known::default();
        known.observe(&dataset(STUDY));
        let texts = [
            "left STVITUS123 right",
            "left SN7654321 right",
            "left Ebbensburg right",
            "left ACC918273645",
        ];
        let clean = |device, institution| {
            let cleaner = known.cleaner(Retained { device, institution });
            texts.map(|text| rest(&cleaner, text) == text)
        };
        assert_eq!(clean(false, false), [false; 4]);
        assert_eq!(clean(true, false), [true, true, false, false]);
        assert_eq!(clean(false, true), [false, false, true, false]);
    }

    #[test]
    fn instances_add_up_and_senders_count() {
        let (mut one, mut two) = (Known::default(), Known::default());
        one.observe(&dataset(&[(0x0010_0010, VR::PN, "Merriweather^Anne")]));
        two.observe(&dataset(&[(0x0008_1070, VR::PN, "Thistlewood^Percival")]));
        two.also_device("CT01STVITUS");
        one.merge(two);
        let cleaner = one.cleaner(Retained::default());
        assert_eq!(rest(&cleaner, "by Thistlewood for Merriweather at ct01stvitus"), "by for at");
    }

    #[test]
    fn values_that_say_nothing_are_not_looked_for() {
        let cleaner = cleaner(dataset(&[
            (0x0008_0050, VR::SH, "1"),
            (0x0008_0070, VR::LO, "GE MEDICAL SYSTEMS"),
            (0x0008_0080, VR::LO, "Radiology"),
            (0x0008_1010, VR::SH, "LightSpeed"),
            (0x0008_1090, VR::LO, "LightSpeed VCT"),
            (0x0010_0010, VR::PN, "ANONYMOUS"),
            (0x0010_0020, VR::LO, "0000"),
            (0x0020_0010, VR::SH, "123"),
            (0x0010_0030, VR::DA, ""),
        ]));
        let text = "1 LightSpeed VCT radiology anonymous 0000 123 GE Medical systems";
        assert_eq!(rest(&cleaner, text), text);
    }

    #[test]
    fn nothing_can_be_shown() {
        fn shared<T: Send + Sync>(_: &T) {}
        let mut known = Known::default();
        known.observe(&dataset(STUDY));
        let cleaner = known.cleaner(Retained::default());
        shared(&cleaner);
        let cleaned = cleaner.kept("head Cordelia", TextDates::Remove);
        assert_eq!(format!("{known:?} {cleaner:?} {cleaned:?}"), "<known> <cleaner> changed");
    }
}
