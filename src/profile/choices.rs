//! What a profile says besides rules: dates, pseudonyms, faces, burned-in text.

/// How dates leave.
#[derive(Clone, Debug, PartialEq)]
pub enum Dates {
    /// Not at all.
    Removed,
    /// As they are (113106).
    Full,
    /// Earlier by a number of days that is the same for all of a patient's (113107).
    Shifted,
    /// The year alone, for the reason given.
    Years {
        /// The reason, as written in the profile.
        because: String,
    },
}

/// The forms in which dates leave. There is one in a profile: whoever checks the output could not
/// tell a date that was moved from one that was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateWay {
    /// They don't.
    Not,
    /// As they are.
    Full,
    /// Moved back.
    Shifted,
    /// The year.
    Year,
}

impl Dates {
    /// The form in which they leave.
    pub fn way(&self) -> DateWay {
        match self {
            Dates::Removed => DateWay::Not,
            Dates::Full => DateWay::Full,
            Dates::Shifted => DateWay::Shifted,
            Dates::Years { .. } => DateWay::Year,
        }
    }
}

/// Where pseudonyms come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pseudonymity {
    /// A keyed hash of the identifiers: the same on every machine that holds the key.
    #[default]
    Keyed,
    /// Random, remembered in the crosswalk: not derived from anything about the patient
    /// (45 CFR 164.514(c)).
    Random,
}

/// What the profile says about faces in CT, MR and PET volumes.
#[derive(Clone, Debug, PartialEq)]
pub enum Faces {
    /// Removed, and so much of them, or the series stays inside.
    Remove(FaceLevel),
    /// They leave, for the reason given.
    Leave {
        /// The reason, as written in the profile.
        because: String,
    },
    /// The profile doesn't speak of faces: what may show one stays inside.
    Withhold,
}

/// How much of a face is removed.
#[derive(Clone, Debug, PartialEq)]
pub enum FaceLevel {
    /// Everything by which it could be known or rebuilt: the Clean Recognizable Visual Features option (113102).
    Strict,
    /// In CT skin and soft tissue: facial bones and teeth stay, from which a face can be approximated, so that
    /// 113102 isn't claimed and Recognizable Visual Features (0028,0302) is YES. Where bone can't be told
    /// from soft tissue (MR, PET), everything.
    KeepFacialBones {
        /// The reason, as written in the profile.
        because: String,
    },
}

/// What the profile says about images that may have identifying text burned in.
#[derive(Clone, Debug, PartialEq)]
pub enum BurnedIn {
    /// They stay inside unless a device rule covers them, or the object says that there is none and
    /// its kind makes that credible.
    Withhold,
    /// They leave, for the reason given.
    Leave {
        /// The reason, as written in the profile.
        because: String,
    },
}
