//! Why a result is not delivered: a code and a reason, without any value of it.

use dicom_core::Tag;

/// Why a result is not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No rows of such a study.
    #[error(
        "its Study Instance UID (0020,000D) is none that left in this project, or its time is over, or its patient was erased. Only results of what efface sent can be matched"
    )]
    UnknownStudy,
    /// The study was never released to whoever sends results of it.
    #[error(
        "its study was not released to this destination. Name the destination that made it, or find out how that one came to the study"
    )]
    OtherDestination,
    /// Patient ID missing, or not the pseudonym of the study's patient.
    #[error(
        "{0} is not the pseudonym under which the patient of this study left. Have it made anew from what was sent, with the Patient module unchanged"
    )]
    WrongPatient(Tag),
    /// Somebody else is spoken of within it.
    #[error("it speaks of a second patient, in {0}. Have it made anew for one patient")]
    SecondPatient(Tag),
    /// Accession Number is none that left with the study.
    #[error(
        "Accession Number (0008,0050) is none that left with this study. Have it left empty, or copied"
    )]
    WrongAccession,
    /// No class of results.
    #[error("objects of its SOP class do not come back through efface (src/reid/classes.rs)")]
    Class,
    /// An image that was not derived from others.
    #[error(
        "Image Type (0008,0008) does not say DERIVED: images as a modality makes them do not come back. Have what was made of images say so"
    )]
    NotDerived,
    /// Without class, instance, series or study.
    #[error(
        "SOP Class, SOP Instance, Series or Study Instance UID is missing or not legal. Ask the sender for an intact copy"
    )]
    Identity,
    /// It calls itself what an object inside is called.
    #[error(
        "its SOP Instance or Series Instance UID is one that efface gave out, or a registered name. A result needs an instance and a series of its own"
    )]
    Existing,
    /// An identifier of the hospital's in an object from outside.
    #[error(
        "{0} holds a UID as it is inside, which nobody outside can know. Find out where it comes from"
    )]
    Original(Tag),
    /// It refers to something that the destination did not get in this study.
    #[error(
        "{0} refers to something that was not sent with this study, and is no result that comes with it. Take results that refer to each other together"
    )]
    Reference(Tag),
    /// A reference names another class than the instance has.
    #[error(
        "a reference says another SOP class than the instance has: it was not made from what was sent"
    )]
    ReferencedClass,
    /// Whether a date was moved, nobody can tell.
    #[error(
        "{0} may be a date that efface moved, or one of the result's own: nobody can tell. Have results returned within a month after they were made"
    )]
    DoubtfulDate(Tag),
    /// A value that is not written as its VR says.
    #[error("{0} is not written as its VR says (PS3.5 6.2). Have the sender correct it")]
    Form(Tag),
    /// Text that does not decode.
    #[error(
        "the text in {0} does not decode in the character set that the object names. Have the sender correct it"
    )]
    Charset(Tag),
    /// With the original in place of the pseudonym the text does not fit.
    #[error(
        "the text in {0} has no room for what the pseudonym in it stands for. Have it written without the pseudonym"
    )]
    TooLong(Tag),
    /// The same SOP Instance UID came before, with other contents.
    #[error(
        "a result with its SOP Instance UID came back before, with other contents: one of the two is not what was made. Have it sent under a UID of its own"
    )]
    Changed,
    /// Too long after the study was released.
    #[error(
        "its study was released longer ago than results of this destination may take (results: days:). Raise that if it is to come back all the same, then: efface result retry"
    )]
    Stale,
    /// Nobody knows where it belongs.
    #[error(
        "no PACS is named for results of whoever sent its study here. Give results: AE_TITLE@HOST:PORT to that caller in allow:, restart, then: efface result retry"
    )]
    Homeless,
    /// Two results that are called the same.
    #[error(
        "another result of the same study has the same SOP Instance UID. Have each written under its own"
    )]
    Repeated,
}

impl Refusal {
    /// The word by which it is counted and logged.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::UnknownStudy => "unknown-study",
            Refusal::OtherDestination => "other-destination",
            Refusal::WrongPatient(_) => "wrong-patient",
            Refusal::SecondPatient(_) => "second-patient",
            Refusal::WrongAccession => "wrong-accession",
            Refusal::Class => "class-not-allowed",
            Refusal::NotDerived => "not-derived",
            Refusal::Identity => "no-identity",
            Refusal::Existing => "existing-uid",
            Refusal::Original(_) => "original-uid",
            Refusal::Reference(_) => "foreign-reference",
            Refusal::ReferencedClass => "referenced-class",
            Refusal::DoubtfulDate(_) => "doubtful-date",
            Refusal::Form(_) => "malformed-value",
            Refusal::Charset(_) => "charset",
            Refusal::TooLong(_) => "too-long",
            Refusal::Changed => "changed",
            Refusal::Stale => "stale",
            Refusal::Homeless => "no-pacs",
            Refusal::Repeated => "repeated",
        }
    }
}
