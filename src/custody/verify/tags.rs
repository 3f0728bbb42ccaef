//! Which attributes identify, by tag: the verifier's own reading of PS3.15 Table E.1-1.
//!
//! Person names, dates, times, UIDs, network addresses and long text are recognised by their VR and
//! need no row. The tables are not the engine's on purpose: one mistake shouldn't blind both.

use super::kind::Kind::{
    self, Characteristic, Contact, Device, DeviceDate, Id, Institution, Name, PatientId, Staff,
    Text, Time,
};
use super::walk::{Tag, Vr};

/// What the value of this element tells about whom. `None`: nothing, it may stay as it is.
pub(super) fn kind_of(tag: Tag, vr: Vr) -> Option<Kind> {
    match &vr.0 {
        _ if tag.is_private() => Some(Kind::Private),
        b"PN" if PATIENT.contains(&tag.0) => Some(Name),
        b"PN" => Some(Staff),
        b"UI" if NO_INSTANCE.contains(&tag.0) => None,
        b"UI" => Some(Kind::Uid),
        _ if BIRTH.contains(&tag.0) => Some(Kind::BirthDate),
        b"DA" | b"DT" if OF_DEVICE.contains(&tag.0) => Some(DeviceDate),
        b"DA" | b"DT" => Some(Kind::Date),
        b"TM" => Some(Time),
        _ => match KINDS.binary_search_by_key(&tag.0, |row| row.0) {
            Ok(row) => Some(KINDS[row].1),
            Err(_) => kind_of_vr(tag, vr),
        },
    }
}

/// What a value representation is made for, in an element that no table lists.
fn kind_of_vr(tag: Tag, vr: Vr) -> Option<Kind> {
    match &vr.0 {
        b"AE" => Some(Device),
        b"UC" if tag.0 == LONG_CODE_VALUE => None,
        b"LT" | b"ST" | b"UC" | b"UR" | b"UT" => Some(Text),
        _ => None,
    }
}

const LONG_CODE_VALUE: u32 = 0x0008_0119;

/// Another kind whose option lets this element stay too (PS3.15 Table E.1-1 has a K or C in two
/// columns).
pub(super) fn other_kind(tag: Tag) -> Option<Kind> {
    OTHER_KINDS.iter().find(|row| row.0 == tag.0).map(|row| row.1)
}

/// Whether no option lets this element stay, although its kind may stay elsewhere: PS3.15 Table
/// E.1-1 has nothing in the column of that option, or bytes that nobody can clean.
pub(super) fn is_closed(tag: Tag) -> bool {
    CLOSED.binary_search(&tag.0).is_ok()
}

/// Dates and times that no option of Annex E lets stay, in no form.
pub(super) fn is_never_dated(tag: Tag) -> bool {
    BIRTH.contains(&tag.0) || tag.0 == GPS_TIME_STAMP
}

const GPS_TIME_STAMP: u32 = 0x0016_0077;

const BIRTH: &[u32] = &[
    0x0010_0030, // PatientBirthDate
    0x0010_0032, // PatientBirthTime
];

/// Dates that stay with the device's identity as well as with full dates.
const OF_DEVICE: &[u32] = &[
    0x0014_407E, // CalibrationDate
    0x0018_1200, // DateOfLastCalibration
    0x0018_1202, // DateTimeOfLastCalibration
    0x0018_1203, // CalibrationDateTime
    0x0018_1204, // DateOfManufacture
    0x0018_1205, // DateOfInstallation
    0x0018_700C, // DateOfLastDetectorCalibration
    0x300C_0127, // BeamHoldTransitionDateTime
];

const OTHER_KINDS: &[(u32, Kind)] = &[
    (0x0010_0042, Text),           // SexParametersForClinicalUseCategoryComment
    (0x0010_2110, Characteristic), // Allergies
    (0x0014_407C, Device),         // CalibrationTime
    (0x0018_1201, Device),         // TimeOfLastCalibration
    (0x0018_700E, Device),         // TimeOfLastDetectorCalibration
    (0x0038_0050, Characteristic), // SpecialNeeds
    (0x0038_0500, Characteristic), // PatientState
    (0x0040_0012, Characteristic), // PreMedication
    (0x2200_0002, Text),           // LabelText
];

/// No option of Annex E speaks of these. In tag order.
const CLOSED: &[u32] = &[
    0x0010_0013, // NameToUseComment
    0x0010_0021, // IssuerOfPatientID
    0x0010_1080, // MilitaryRank
    0x0010_1081, // BranchOfService
    0x0010_21F0, // PatientReligiousPreference
    0x0010_2299, // ResponsibleOrganization
    0x0012_0010, // ClinicalTrialSponsorName
    0x0012_0021, // ClinicalTrialProtocolName
    0x0012_0022, // IssuerOfClinicalTrialProtocolID
    0x0012_0032, // IssuerOfClinicalTrialSiteID
    0x0012_0041, // IssuerOfClinicalTrialSubjectID
    0x0012_0043, // IssuerOfClinicalTrialSubjectReadingID
    0x0012_0050, // ClinicalTrialTimePointID
    0x0012_0055, // IssuerOfClinicalTrialTimePointID
    0x0012_0071, // ClinicalTrialSeriesID
    0x0012_0073, // IssuerOfClinicalTrialSeriesID
    0x0012_0082, // ClinicalTrialProtocolEthicsCommitteeApprovalNumber
    0x0016_002B, // MakerNote
    0x0016_004B, // DeviceSettingDescription
    0x0016_0070, // GPSVersionID
    0x0016_0071, // GPSLatitudeRef
    0x0016_0072, // GPSLatitude
    0x0016_0073, // GPSLongitudeRef
    0x0016_0074, // GPSLongitude
    0x0016_0075, // GPSAltitudeRef
    0x0016_0076, // GPSAltitude
    0x0016_0078, // GPSSatellites
    0x0016_0079, // GPSStatus
    0x0016_007A, // GPSMeasureMode
    0x0016_007B, // GPSDOP
    0x0016_007C, // GPSSpeedRef
    0x0016_007D, // GPSSpeed
    0x0016_007E, // GPSTrackRef
    0x0016_007F, // GPSTrack
    0x0016_0080, // GPSImgDirectionRef
    0x0016_0081, // GPSImgDirection
    0x0016_0082, // GPSMapDatum
    0x0016_0083, // GPSDestLatitudeRef
    0x0016_0084, // GPSDestLatitude
    0x0016_0085, // GPSDestLongitudeRef
    0x0016_0086, // GPSDestLongitude
    0x0016_0087, // GPSDestBearingRef
    0x0016_0088, // GPSDestBearing
    0x0016_0089, // GPSDestDistanceRef
    0x0016_008A, // GPSDestDistance
    0x0016_008B, // GPSProcessingMethod
    0x0016_008C, // GPSAreaInformation
    0x0016_008E, // GPSDifferential
    0x0020_3406, // ModifiedImageDescription
    0x0028_4000, // ImagePresentationComments
    0x0032_0012, // StudyIDIssuer
    0x0034_0002, // FlowIdentifier
    0x0034_0005, // SourceIdentifier
    0x0038_0011, // IssuerOfAdmissionID
    0x0038_001E, // ScheduledPatientInstitutionResidence
    0x0038_0050, // SpecialNeeds
    0x0038_0061, // IssuerOfServiceEpisodeID
    0x0038_0300, // CurrentPatientLocation
    0x0038_0400, // PatientInstitutionResidence
    0x0040_0012, // PreMedication
    0x0040_0243, // PerformedLocation
    0x0040_1004, // PatientTransportArrangements
    0x0040_1005, // RequestedProcedureLocation
    0x0040_2009, // OrderEntererLocation
    0x0040_3001, // ConfidentialityConstraintOnPatientDataDescription
    0x0040_4036, // HumanPerformerOrganization
    0x0040_A027, // VerifyingOrganization
    0x0042_0011, // EncapsulatedDocument
    0x0050_001B, // ContainerComponentID
    0x0072_0065, // SelectorOBValue
    0x0088_0904, // TopicTitle
    0x0088_0906, // TopicSubject
    0x0088_0912, // TopicKeywords
    0x2030_0020, // TextString
    0x300A_0611, // RTAccessoryHolderSlotID
    0x300A_0615, // RTAccessoryDeviceSlotID
    0x3010_001B, // DeviceAlternateIdentifier
    0x4000_0010, // Arbitrary
    0x4000_4000, // TextComments
    0x4008_0042, // ResultsIDIssuer
    0x4008_011A, // DistributionAddress
    0x4008_0202, // InterpretationIDIssuer
];

/// Person names that are the patient's or the family's; all others are staff.
const PATIENT: &[u32] = &[
    0x0010_0010, // PatientName
    0x0010_1001, // OtherPatientNames
    0x0010_1005, // PatientBirthName
    0x0010_1060, // PatientMotherBirthName
    0x0010_2297, // ResponsiblePerson
    0x0040_A123, // PersonName
];

/// UIDs that name a class, a syntax, a coding scheme or a program: never an instance.
const NO_INSTANCE: &[u32] = &[
    0x0002_0002, // MediaStorageSOPClassUID
    0x0002_0010, // TransferSyntaxUID
    0x0002_0012, // ImplementationClassUID
    0x0002_0100, // PrivateInformationCreatorUID
    0x0004_1510, // ReferencedSOPClassUIDInFile
    0x0004_1512, // ReferencedTransferSyntaxUIDInFile
    0x0004_151A, // ReferencedRelatedGeneralSOPClassUIDInFile
    0x0008_0016, // SOPClassUID
    0x0008_001A, // RelatedGeneralSOPClassUID
    0x0008_001B, // OriginalSpecializedSOPClassUID
    0x0008_0062, // SOPClassesInStudy
    0x0008_010C, // CodingSchemeUID
    0x0008_010D, // ContextGroupExtensionCreatorUID
    0x0008_0117, // ContextUID
    0x0008_0118, // MappingResourceUID
    0x0008_1150, // ReferencedSOPClassUID
    0x0008_115A, // SOPClassesSupported
    0x0008_3002, // AvailableTransferSyntaxUID
    0x0400_0010, // MACCalculationTransferSyntaxUID
    0x0400_0510, // EncryptedContentTransferSyntaxUID
];

/// Text attributes that identify, in tag order.
#[rustfmt::skip]
const KINDS: &[(u32, Kind)] = &[
    (0x0002_0016, Device), // SourceApplicationEntityTitle
    (0x0002_0017, Device), // SendingApplicationEntityTitle
    (0x0002_0018, Device), // ReceivingApplicationEntityTitle
    (0x0008_0050, PatientId), // AccessionNumber
    (0x0008_0054, Device), // RetrieveAETitle
    (0x0008_0055, Device), // StationAETitle
    (0x0008_0080, Institution), // InstitutionName
    (0x0008_0081, Institution), // InstitutionAddress
    (0x0008_0092, Contact), // ReferringPhysicianAddress
    (0x0008_0094, Contact), // ReferringPhysicianTelephoneNumbers
    (0x0008_0201, Time), // TimezoneOffsetFromUTC
    (0x0008_1000, Device), // NetworkID
    (0x0008_1010, Device), // StationName
    (0x0008_1030, Text), // StudyDescription
    (0x0008_103E, Text), // SeriesDescription
    (0x0008_1040, Institution), // InstitutionalDepartmentName
    (0x0008_1080, Text), // AdmittingDiagnosesDescription
    (0x0008_1088, Text), // PyramidDescription
    (0x0008_2111, Text), // DerivationDescription
    (0x0008_4000, Text), // IdentifyingComments
    (0x0010_0012, Name), // NameToUse
    (0x0010_0013, Text), // NameToUseComment
    (0x0010_0016, Text), // PronounComment
    (0x0010_0020, PatientId), // PatientID
    (0x0010_0021, Institution), // IssuerOfPatientID
    (0x0010_0040, Characteristic), // PatientSex
    (0x0010_0042, Characteristic), // SexParametersForClinicalUseCategoryComment
    (0x0010_0045, Text), // GenderIdentityComment
    (0x0010_0047, Characteristic), // SexParametersForClinicalUseCategoryReference
    (0x0010_1000, PatientId), // OtherPatientIDs
    (0x0010_1010, Characteristic), // PatientAge
    (0x0010_1020, Characteristic), // PatientSize
    (0x0010_1030, Characteristic), // PatientWeight
    (0x0010_1040, Contact), // PatientAddress
    (0x0010_1050, Id), // InsurancePlanIdentification
    (0x0010_1080, Text), // MilitaryRank
    (0x0010_1081, Text), // BranchOfService
    (0x0010_1090, PatientId), // MedicalRecordLocator
    (0x0010_2000, Text), // MedicalAlerts
    (0x0010_2110, Text), // Allergies
    (0x0010_2150, Contact), // CountryOfResidence
    (0x0010_2152, Contact), // RegionOfResidence
    (0x0010_2154, Contact), // PatientTelephoneNumbers
    (0x0010_2155, Contact), // PatientTelecomInformation
    (0x0010_2160, Characteristic), // EthnicGroup
    (0x0010_2162, Characteristic), // EthnicGroups
    (0x0010_2180, Text), // Occupation
    (0x0010_21A0, Characteristic), // SmokingStatus
    (0x0010_21B0, Text), // AdditionalPatientHistory
    (0x0010_21C0, Characteristic), // PregnancyStatus
    (0x0010_21F0, Text), // PatientReligiousPreference
    (0x0010_2203, Characteristic), // PatientSexNeutered
    (0x0010_2299, Institution), // ResponsibleOrganization
    (0x0010_4000, Text), // PatientComments
    (0x0012_0010, Institution), // ClinicalTrialSponsorName
    (0x0012_0020, Id), // ClinicalTrialProtocolID
    (0x0012_0021, Text), // ClinicalTrialProtocolName
    (0x0012_0022, Institution), // IssuerOfClinicalTrialProtocolID
    (0x0012_0030, Institution), // ClinicalTrialSiteID
    (0x0012_0031, Institution), // ClinicalTrialSiteName
    (0x0012_0032, Institution), // IssuerOfClinicalTrialSiteID
    (0x0012_0040, Id), // ClinicalTrialSubjectID
    (0x0012_0041, Institution), // IssuerOfClinicalTrialSubjectID
    (0x0012_0042, Id), // ClinicalTrialSubjectReadingID
    (0x0012_0043, Text), // IssuerOfClinicalTrialSubjectReadingID
    (0x0012_0050, Text), // ClinicalTrialTimePointID
    (0x0012_0051, Text), // ClinicalTrialTimePointDescription
    (0x0012_0055, Text), // IssuerOfClinicalTrialTimePointID
    (0x0012_0060, Institution), // ClinicalTrialCoordinatingCenterName
    (0x0012_0071, Text), // ClinicalTrialSeriesID
    (0x0012_0072, Text), // ClinicalTrialSeriesDescription
    (0x0012_0073, Text), // IssuerOfClinicalTrialSeriesID
    (0x0012_0081, Institution), // ClinicalTrialProtocolEthicsCommitteeName
    (0x0012_0082, Text), // ClinicalTrialProtocolEthicsCommitteeApprovalNumber
    (0x0016_002B, Characteristic), // MakerNote
    (0x0016_004B, Characteristic), // DeviceSettingDescription
    (0x0016_004D, Staff), // CameraOwnerName
    (0x0016_004E, Device), // LensSpecification
    (0x0016_004F, Device), // LensMake
    (0x0016_0050, Device), // LensModel
    (0x0016_0051, Device), // LensSerialNumber
    (0x0016_0070, Characteristic), // GPSVersionID
    (0x0016_0071, Characteristic), // GPSLatitudeRef
    (0x0016_0072, Characteristic), // GPSLatitude
    (0x0016_0073, Characteristic), // GPSLongitudeRef
    (0x0016_0074, Characteristic), // GPSLongitude
    (0x0016_0075, Characteristic), // GPSAltitudeRef
    (0x0016_0076, Characteristic), // GPSAltitude
    (0x0016_0078, Text), // GPSSatellites
    (0x0016_0079, Characteristic), // GPSStatus
    (0x0016_007A, Characteristic), // GPSMeasureMode
    (0x0016_007B, Characteristic), // GPSDOP
    (0x0016_007C, Characteristic), // GPSSpeedRef
    (0x0016_007D, Characteristic), // GPSSpeed
    (0x0016_007E, Characteristic), // GPSTrackRef
    (0x0016_007F, Characteristic), // GPSTrack
    (0x0016_0080, Characteristic), // GPSImgDirectionRef
    (0x0016_0081, Characteristic), // GPSImgDirection
    (0x0016_0082, Text), // GPSMapDatum
    (0x0016_0083, Characteristic), // GPSDestLatitudeRef
    (0x0016_0084, Characteristic), // GPSDestLatitude
    (0x0016_0085, Characteristic), // GPSDestLongitudeRef
    (0x0016_0086, Characteristic), // GPSDestLongitude
    (0x0016_0087, Characteristic), // GPSDestBearingRef
    (0x0016_0088, Characteristic), // GPSDestBearing
    (0x0016_0089, Characteristic), // GPSDestDistanceRef
    (0x0016_008A, Characteristic), // GPSDestDistance
    (0x0016_008B, Characteristic), // GPSProcessingMethod
    (0x0016_008C, Characteristic), // GPSAreaInformation
    (0x0016_008E, Characteristic), // GPSDifferential
    (0x0018_0010, Text), // ContrastBolusAgent
    (0x0018_1000, Device), // DeviceSerialNumber
    (0x0018_1003, Device), // DeviceID
    (0x0018_1004, Device), // PlateID
    (0x0018_1005, Device), // GeneratorID
    (0x0018_1007, Device), // CassetteID
    (0x0018_1008, Device), // GantryID
    (0x0018_1009, Device), // UniqueDeviceIdentifier
    (0x0018_1010, Device), // SecondaryCaptureDeviceID
    (0x0018_1011, Device), // HardcopyCreationDeviceID
    (0x0018_1030, Text), // ProtocolName
    (0x0018_11BB, Text), // AcquisitionFieldOfViewLabel
    (0x0018_1400, Text), // AcquisitionDeviceProcessingDescription
    (0x0018_4000, Text), // AcquisitionComments
    (0x0018_700A, Device), // DetectorID
    (0x0018_9185, Text), // RespiratoryMotionCompensationTechniqueDescription
    (0x0018_9367, Device), // XRaySourceID
    (0x0018_9371, Device), // XRayDetectorID
    (0x0018_9373, Device), // XRayDetectorLabel
    (0x0018_937B, Text), // MultienergyAcquisitionDescription
    (0x0018_937F, Text), // DecompositionDescription
    (0x0018_9424, Text), // AcquisitionProtocolDescription
    (0x0018_9937, Text), // RequestedSeriesDescription
    (0x0018_A003, Text), // ContributionDescription
    (0x0020_0010, Id), // StudyID
    (0x0020_0027, Text), // PyramidLabel
    (0x0020_3401, Device), // ModifyingDeviceID
    (0x0020_3406, Text), // ModifiedImageDescription
    (0x0020_4000, Text), // ImageComments
    (0x0020_9158, Text), // FrameComments
    (0x0028_4000, Text), // ImagePresentationComments
    (0x0032_0012, Institution), // StudyIDIssuer
    (0x0032_1020, Device), // ScheduledStudyLocation
    (0x0032_1021, Device), // ScheduledStudyLocationAETitle
    (0x0032_1030, Text), // ReasonForStudy
    (0x0032_1033, Text), // RequestingService
    (0x0032_1060, Text), // RequestedProcedureDescription
    (0x0032_1066, Text), // ReasonForVisit
    (0x0032_1070, Text), // RequestedContrastAgent
    (0x0032_4000, Text), // StudyComments
    (0x0034_0002, Characteristic), // FlowIdentifier
    (0x0034_0005, Characteristic), // SourceIdentifier
    (0x0034_0007, Time), // FrameOriginTimestamp
    (0x0038_0010, Id), // AdmissionID
    (0x0038_0011, Institution), // IssuerOfAdmissionID
    (0x0038_001E, Institution), // ScheduledPatientInstitutionResidence
    (0x0038_0040, Text), // DischargeDiagnosisDescription
    (0x0038_0050, Text), // SpecialNeeds
    (0x0038_0060, Id), // ServiceEpisodeID
    (0x0038_0061, Institution), // IssuerOfServiceEpisodeID
    (0x0038_0062, Text), // ServiceEpisodeDescription
    (0x0038_0300, Institution), // CurrentPatientLocation
    (0x0038_0400, Institution), // PatientInstitutionResidence
    (0x0038_0500, Text), // PatientState
    (0x0038_4000, Text), // VisitComments
    (0x003A_0020, Text), // MultiplexGroupLabel
    (0x003A_0203, Text), // ChannelLabel
    (0x003A_020C, Text), // ChannelDerivationDescription
    (0x003A_0329, Text), // WaveformFilterDescription
    (0x003A_032B, Text), // FilterLookupTableDescription
    (0x0040_0001, Device), // ScheduledStationAETitle
    (0x0040_0007, Text), // ScheduledProcedureStepDescription
    (0x0040_0009, Id), // ScheduledProcedureStepID
    (0x0040_0010, Device), // ScheduledStationName
    (0x0040_0011, Device), // ScheduledProcedureStepLocation
    (0x0040_0012, Text), // PreMedication
    (0x0040_0241, Device), // PerformedStationAETitle
    (0x0040_0242, Device), // PerformedStationName
    (0x0040_0243, Institution), // PerformedLocation
    (0x0040_0253, Id), // PerformedProcedureStepID
    (0x0040_0254, Text), // PerformedProcedureStepDescription
    (0x0040_0280, Text), // CommentsOnThePerformedProcedureStep
    (0x0040_0310, Text), // CommentsOnRadiationDose
    (0x0040_050A, Id), // SpecimenAccessionNumber
    (0x0040_0512, Id), // ContainerIdentifier
    (0x0040_051A, Text), // ContainerDescription
    (0x0040_0551, Id), // SpecimenIdentifier
    (0x0040_0556, Text), // AcquisitionContextDescription
    (0x0040_0600, Text), // SpecimenShortDescription
    (0x0040_0602, Text), // SpecimenDetailedDescription
    (0x0040_06FA, Id), // SlideIdentifier
    (0x0040_1001, Id), // RequestedProcedureID
    (0x0040_1002, Text), // ReasonForTheRequestedProcedure
    (0x0040_1004, Text), // PatientTransportArrangements
    (0x0040_1005, Institution), // RequestedProcedureLocation
    (0x0040_1006, Id), // PlacerOrderNumberProcedure
    (0x0040_1007, Id), // FillerOrderNumberProcedure
    (0x0040_1102, Contact), // PersonAddress
    (0x0040_1103, Contact), // PersonTelephoneNumbers
    (0x0040_1104, Contact), // PersonTelecomInformation
    (0x0040_1400, Text), // RequestedProcedureComments
    (0x0040_2001, Text), // ReasonForTheImagingServiceRequest
    (0x0040_2009, Institution), // OrderEntererLocation
    (0x0040_2010, Contact), // OrderCallbackPhoneNumber
    (0x0040_2011, Contact), // OrderCallbackTelecomInformation
    (0x0040_2016, Id), // PlacerOrderNumberImagingServiceRequest
    (0x0040_2017, Id), // FillerOrderNumberImagingServiceRequest
    (0x0040_2400, Text), // ImagingServiceRequestComments
    (0x0040_3001, Text), // ConfidentialityConstraintOnPatientDataDescription
    (0x0040_4036, Institution), // HumanPerformerOrganization
    (0x0040_A027, Institution), // VerifyingOrganization
    (0x0040_A353, Contact), // AddressTrial
    (0x0040_A354, Contact), // TelephoneNumberTrial
    (0x0040_B03B, Text), // MontageName
    (0x0040_B03F, Text), // MontageChannelLabel
    (0x0042_0011, Characteristic), // EncapsulatedDocument
    (0x0050_001B, Text), // ContainerComponentID
    (0x0050_0020, Device), // DeviceDescription
    (0x0050_0021, Text), // LongDeviceDescription
    (0x006A_0005, Text), // AnnotationGroupLabel
    (0x006A_0006, Text), // AnnotationGroupDescription
    (0x0070_0006, Text), // UnformattedTextValue
    (0x0072_005E, Device), // SelectorAEValue
    (0x0072_005F, Characteristic), // SelectorASValue
    (0x0072_0065, Characteristic), // SelectorOBValue
    (0x0072_0066, Text), // SelectorLOValue
    (0x0072_0068, Text), // SelectorLTValue
    (0x0072_006C, Text), // SelectorSHValue
    (0x0072_006E, Text), // SelectorSTValue
    (0x0072_0070, Text), // SelectorUTValue
    (0x0074_1234, Device), // ReceivingAE
    (0x0074_1236, Device), // RequestingAE
    (0x0088_0904, Text), // TopicTitle
    (0x0088_0906, Text), // TopicSubject
    (0x0088_0910, Staff), // TopicAuthor
    (0x0088_0912, Text), // TopicKeywords
    (0x0400_0563, Device), // ModifyingSystem
    (0x0400_0564, Institution), // SourceOfPreviousValues
    (0x0400_0600, Characteristic), // InstanceOriginStatus
    (0x2030_0020, Text), // TextString
    (0x2100_0070, Device), // Originator
    (0x2100_0140, Device), // DestinationAE
    (0x2200_0002, Id), // LabelText
    (0x2200_0005, Id), // BarcodeValue
    (0x3002_0121, Text), // PositionAcquisitionTemplateName
    (0x3002_0123, Text), // PositionAcquisitionTemplateDescription
    (0x3004_007F, Text), // DoseCalculationModelName
    (0x3006_0002, Text), // StructureSetLabel
    (0x3006_0004, Text), // StructureSetName
    (0x3006_0006, Text), // StructureSetDescription
    (0x3006_0026, Text), // ROIName
    (0x3006_0028, Text), // ROIDescription
    (0x3006_0038, Text), // ROIGenerationDescription
    (0x3006_0085, Text), // ROIObservationLabel
    (0x3006_0088, Text), // ROIObservationDescription
    (0x3008_0105, Device), // SourceSerialNumber
    (0x300A_0002, Text), // RTPlanLabel
    (0x300A_0003, Text), // RTPlanName
    (0x300A_0004, Text), // RTPlanDescription
    (0x300A_000B, Text), // TreatmentSites
    (0x300A_000E, Text), // PrescriptionDescription
    (0x300A_0016, Text), // DoseReferenceDescription
    (0x300A_0072, Text), // FractionGroupDescription
    (0x300A_00B2, Device), // TreatmentMachineName
    (0x300A_00C3, Text), // BeamDescription
    (0x300A_00DD, Text), // BolusDescription
    (0x300A_0196, Text), // FixationDeviceDescription
    (0x300A_01A6, Text), // ShieldingDeviceDescription
    (0x300A_01B2, Text), // SetupTechniqueDescription
    (0x300A_0216, Device), // SourceManufacturer
    (0x300A_02EB, Text), // CompensatorDescription
    (0x300A_0608, Text), // TreatmentPositionGroupLabel
    (0x300A_0611, Text), // RTAccessoryHolderSlotID
    (0x300A_0615, Text), // RTAccessoryDeviceSlotID
    (0x300A_0619, Text), // RadiationDoseIdentificationLabel
    (0x300A_0623, Text), // RadiationDoseInVivoMeasurementLabel
    (0x300A_062A, Text), // RTToleranceSetLabel
    (0x300A_0676, Text), // EquipmentFrameOfReferenceDescription
    (0x300A_067C, Text), // RadiationGenerationModeLabel
    (0x300A_067D, Text), // RadiationGenerationModeDescription
    (0x300A_0734, Text), // TreatmentToleranceViolationDescription
    (0x300A_0742, Text), // InterlockDescription
    (0x300A_0783, Text), // InterlockOriginDescription
    (0x300A_078E, Text), // PatientTreatmentPreparationProcedureParameterDescription
    (0x300A_0792, Text), // PatientTreatmentPreparationMethodDescription
    (0x300A_0794, Text), // PatientSetupPhotoDescription
    (0x300A_079A, Text), // DisplacementReferenceLabel
    (0x300C_0113, Text), // ReasonForOmissionDescription
    (0x3010_000F, Text), // ConceptualVolumeCombinationDescription
    (0x3010_0017, Text), // ConceptualVolumeDescription
    (0x3010_001B, Device), // DeviceAlternateIdentifier
    (0x3010_002D, Device), // DeviceLabel
    (0x3010_0033, Text), // UserContentLabel
    (0x3010_0034, Text), // UserContentLongLabel
    (0x3010_0035, Text), // EntityLabel
    (0x3010_0036, Text), // EntityName
    (0x3010_0037, Text), // EntityDescription
    (0x3010_0038, Text), // EntityLongLabel
    (0x3010_0043, Device), // ManufacturerDeviceIdentifier
    (0x3010_0054, Text), // RTPrescriptionLabel
    (0x3010_0056, Text), // RTTreatmentApproachLabel
    (0x3010_005A, Text), // RTPhysicianIntentNarrative
    (0x3010_005C, Text), // ReasonForSuperseding
    (0x3010_0061, Text), // PriorTreatmentDoseDescription
    (0x3010_0077, Text), // TreatmentSite
    (0x3010_007A, Text), // TreatmentTechniqueNotes
    (0x3010_007B, Text), // PrescriptionNotes
    (0x3010_007F, Text), // FractionationNotes
    (0x4000_0010, Text), // Arbitrary
    (0x4000_4000, Text), // TextComments
    (0x4008_0040, Id), // ResultsID
    (0x4008_0042, Institution), // ResultsIDIssuer
    (0x4008_010B, Text), // InterpretationText
    (0x4008_0115, Text), // InterpretationDiagnosisDescription
    (0x4008_011A, Institution), // DistributionAddress
    (0x4008_0200, Id), // InterpretationID
    (0x4008_0202, Institution), // InterpretationIDIssuer
    (0x4008_0300, Text), // Impressions
    (0x4008_4000, Text), // ResultsComments
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_tag_order() {
        assert!(KINDS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(NO_INSTANCE.is_sorted());
        assert!(CLOSED.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn kinds_by_vr_and_by_tag() {
        for (tag, vr, kind) in [
            (0x0010_0010, b"PN", Some(Name)),
            (0x0008_0090, b"PN", Some(Staff)),
            (0x0010_0020, b"LO", Some(PatientId)),
            (0x0020_0010, b"SH", Some(Id)),
            (0x0010_0032, b"TM", Some(Kind::BirthDate)),
            (0x0018_1200, b"DA", Some(DeviceDate)),
            (0x0018_1201, b"TM", Some(Time)),
            (0x0010_0030, b"DA", Some(Kind::BirthDate)),
            (0x0008_0020, b"DA", Some(Kind::Date)),
            (0x0008_0016, b"UI", None),
            (0x0008_0018, b"UI", Some(Kind::Uid)),
            (0x0008_0060, b"CS", None),
            (0x0008_0119, b"UC", None),
            (0x0040_DB0D, b"UT", Some(Text)),
            (0x0008_3010, b"AE", Some(Device)),
            (0x0029_1010, b"OB", Some(Kind::Private)),
        ] {
            assert_eq!(kind_of(Tag(tag), Vr(*vr)), kind, "{tag:08X}");
        }
    }
}
