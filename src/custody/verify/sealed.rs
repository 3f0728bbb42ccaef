//! Sequences that leave empty, or with an item that says nothing.
//!
//! What such a sequence says of somebody may stand in attributes that are harmless elsewhere: a code
//! meaning is the name of a physician here and of an organ there. So it isn't searched for what the
//! source says: in it nothing may stand but the words of a dummy.

use super::calendar;
use super::charset::fold;
use super::forms::is_dummy;
use super::kind::Kind::{self, Characteristic, Device, Institution, Text, Uid};
use super::walk::{Tag, Vr};
use super::witness::values;

/// The kind whose exemption opens a sequence; the outer `None`: it is open to all.
pub(super) fn opened_by(tag: Tag) -> Option<Option<Kind>> {
    let row = SEALED.binary_search_by_key(&tag.0, |row| row.0).ok()?;
    Some(SEALED[row].1)
}

/// Whether a value within a sealed sequence says nothing.
pub(super) fn is_blank(vr: Vr, value: &[u8]) -> bool {
    let is_dummy = |one: &[u8]| is_dummy(&fold(&String::from_utf8_lossy(one)));
    values(vr, value).all(|one| {
        WORDS.contains(&one) || calendar::is_dummy(vr, one) || (vr.is_text() && is_dummy(one))
    })
}

/// The terms of dummies: of a content item (121106, DCM, "Comment") with a text that says nothing,
/// and of a code of nobody's.
const WORDS: &[&[u8]] = &[b"CONTAINS", b"TEXT", b"121106", b"DCM", b"Comment", b"99EFFACE"];

/// Sequences that PS3.15 Table E.1-1 removes, empties or replaces by a dummy, in tag order, and what
/// opens them. Those of content and graphics are opened one by one.
#[rustfmt::skip]
const SEALED: &[(u32, Option<Kind>)] = &[
    (0x0008_0082, Some(Institution)), // InstitutionCodeSequence
    (0x0008_0096, None), // ReferringPhysicianIdentificationSequence
    (0x0008_009D, None), // ConsultingPhysicianIdentificationSequence
    (0x0008_1041, Some(Institution)), // InstitutionalDepartmentTypeCodeSequence
    (0x0008_1049, None), // PhysiciansOfRecordIdentificationSequence
    (0x0008_1052, None), // PerformingPhysicianIdentificationSequence
    (0x0008_1062, None), // PhysiciansReadingStudyIdentificationSequence
    (0x0008_1072, None), // OperatorIdentificationSequence
    (0x0008_1084, Some(Text)), // AdmittingDiagnosesCodeSequence
    (0x0008_1110, Some(Uid)), // ReferencedStudySequence
    (0x0008_1111, Some(Uid)), // ReferencedPerformedProcedureStepSequence
    (0x0008_1120, Some(Uid)), // ReferencedPatientSequence
    (0x0008_1301, Some(Text)), // PrincipalDiagnosisCodeSequence
    (0x0008_1302, Some(Text)), // PrimaryDiagnosisCodeSequence
    (0x0008_1303, Some(Text)), // SecondaryDiagnosesCodeSequence
    (0x0008_1304, Some(Text)), // HistologicalDiagnosesCodeSequence
    (0x0010_0011, None), // PersonNamesToUseSequence
    (0x0010_0014, None), // ThirdPersonPronounsSequence
    (0x0010_0015, None), // PronounCodeSequence
    (0x0010_0041, None), // GenderIdentitySequence
    (0x0010_0043, Some(Characteristic)), // SexParametersForClinicalUseCategorySequence
    (0x0010_0044, None), // GenderIdentityCodeSequence
    (0x0010_0046, Some(Characteristic)), // SexParametersForClinicalUseCategoryCodeSequence
    (0x0010_0050, None), // PatientInsurancePlanCodeSequence
    (0x0010_0101, None), // PatientPrimaryLanguageCodeSequence
    (0x0010_0102, None), // PatientPrimaryLanguageModifierCodeSequence
    (0x0010_2161, Some(Characteristic)), // EthnicGroupCodeSequence
    (0x0012_0023, None), // OtherClinicalTrialProtocolIDsSequence
    (0x0018_100A, Some(Device)), // UDISequence
    (0x0018_5011, Some(Device)), // TransducerIdentificationSequence
    (0x0032_1067, Some(Text)), // ReasonForVisitCodeSequence
    (0x0034_0001, None), // FlowIdentifierSequence
    (0x0038_0014, None), // IssuerOfAdmissionIDSequence
    (0x0038_0064, None), // IssuerOfServiceEpisodeIDSequence
    (0x0040_000B, None), // ScheduledPerformingPhysicianIdentificationSequence
    (0x0040_0275, Some(Text)), // RequestAttributesSequence
    (0x0040_0513, None), // IssuerOfTheContainerIdentifierSequence
    (0x0040_0555, None), // AcquisitionContextSequence
    (0x0040_0562, None), // IssuerOfTheSpecimenIdentifierSequence
    (0x0040_0610, None), // SpecimenPreparationSequence
    (0x0040_100A, Some(Text)), // ReasonForRequestedProcedureCodeSequence
    (0x0040_1011, None), // IntendedRecipientsOfResultsIdentificationSequence
    (0x0040_1101, None), // PersonIdentificationCodeSequence
    (0x0040_4025, Some(Device)), // ScheduledStationNameCodeSequence
    (0x0040_4027, Some(Device)), // ScheduledStationGeographicLocationCodeSequence
    (0x0040_4028, Some(Device)), // PerformedStationNameCodeSequence
    (0x0040_4030, Some(Device)), // PerformedStationGeographicLocationCodeSequence
    (0x0040_4034, None), // ScheduledHumanPerformersSequence
    (0x0040_4035, None), // ActualHumanPerformersSequence
    (0x0040_A073, None), // VerifyingObserverSequence
    (0x0040_A078, None), // AuthorObserverSequence
    (0x0040_A07A, None), // ParticipantSequence
    (0x0040_A07C, None), // CustodialOrganizationSequence
    (0x0040_A088, None), // VerifyingObserverIdentificationCodeSequence
    (0x0040_A358, None), // VerbalSourceIdentifierCodeSequenceTrial
    (0x0040_A730, None), // ContentSequence
    (0x0040_B020, None), // WaveformAnnotationSequence
    (0x0070_0001, None), // GraphicAnnotationSequence
    (0x0070_0086, None), // ContentCreatorIdentificationCodeSequence
    (0x3006_004D, None), // ROICreatorSequence
    (0x3006_004E, None), // ROIInterpreterSequence
    (0x3010_0081, Some(Text)), // PrescriptionNotesSequence
    (0x4008_0111, None), // InterpretationApproverSequence
    (0x4008_0118, None), // ResultsDistributionListSequence
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_tag_order() {
        assert!(SEALED.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn what_says_nothing() {
        for (vr, value) in [
            (b"LO", &b"REMOVED"[..]),
            (b"LO", b""),
            (b"SH", b"121106"),
            (b"DT", b"19000101000000"),
            (b"US", &[0, 0]),
        ] {
            assert!(is_blank(Vr(*vr), value), "{value:?}");
        }
        for (vr, value) in [
            (b"LO", &b"Dr Lindqvist"[..]),
            (b"SH", b"M"),
            (b"DT", b"20230101"),
            (b"US", &[1, 0]),
            (b"LO", b"REMOVED\\M"),
        ] {
            assert!(!is_blank(Vr(*vr), value), "{value:?}");
        }
    }
}
