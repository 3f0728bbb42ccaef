//! The words of the profile language, as they stand in a file. The doc comments here are what an
//! editor shows: the JSON Schema is generated from these types.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_yaml::Spanned;
use std::collections::BTreeMap;

/// An efface profile: what happens to each element of a DICOM object before it may leave.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProfile {
    /// Version of the language: 1.
    #[schemars(with = "u32")]
    pub efface_profile: Spanned<u32>,
    /// 1 to 32 lower-case letters, digits and hyphens.
    #[schemars(with = "String", regex(pattern = "^[a-z0-9-]{1,32}$"))]
    pub name: Spanned<String>,
    /// The edition of the standard's table that the profile rests on.
    #[schemars(with = "String", extend("const" = super::BASE))]
    pub based_on: Spanned<String>,
    /// Options of PS3.15 Annex E by their names in CID 7050.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("items" = super::schema::options()))]
    pub options: Vec<Spanned<String>>,
    /// Dates cut to the year; without this and without a Retain Longitudinal option none leave.
    pub dates: Option<RawDates>,
    /// keyed (default): the same on every machine that holds the key. random: remembered in the
    /// crosswalk, derived from nothing.
    #[schemars(with = "Option<String>", extend("enum" = ["keyed", "random"]))]
    pub pseudonyms: Option<Spanned<String>>,
    /// How much of a face goes, where facial bones are to stay; all of it goes by the option Clean
    /// Recognizable Visual Features.
    pub faces: Option<RawFaces>,
    /// What may leave though it can show who somebody is.
    #[serde(default)]
    pub leave: RawLeave,
    /// Devices that write text into their images, and where (needs the option Clean Pixel Data).
    #[serde(default)]
    #[schemars(with = "Vec<RawDevice>")]
    pub devices: Vec<Spanned<RawDevice>>,
    /// Rules for elements. The first that fits decides, before options and table.
    #[serde(default)]
    #[schemars(with = "Vec<RawRule>")]
    pub rules: Vec<Spanned<RawRule>>,
}

/// How dates leave when no option retains them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDates {
    /// year: DA becomes YYYY0101, DT becomes YYYY.
    #[schemars(with = "String", extend("enum" = ["year"]))]
    pub keep: Spanned<String>,
    /// Why, for the audit log.
    #[schemars(with = "String")]
    pub because: Spanned<String>,
}

/// How much of a face is removed, where not all of it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFaces {
    /// keep-facial-bones: skin and soft tissue go; in CT facial bones and teeth stay, from which a face can be
    /// approximated. The objects say so: Recognizable Visual Features YES, and no code 113102.
    #[schemars(with = "String", extend("enum" = [super::KEEP_FACIAL_BONES]))]
    pub level: Spanned<String>,
    /// Why bones are needed, for the audit log.
    #[schemars(with = "String")]
    pub because: Spanned<String>,
}

/// What may leave though it can show who somebody is.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLeave {
    /// Faces in CT, MR and PET.
    pub faces: Option<RawReason>,
    /// Images that may have text burned in.
    pub burned_in_text: Option<RawReason>,
}

/// A reason that an auditor understands.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawReason {
    /// Why, for the audit log.
    #[schemars(with = "String")]
    pub because: Spanned<String>,
}

/// A device at one image size, and what is blanked in its images.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDevice {
    /// Manufacturer (0008,0070).
    pub manufacturer: String,
    /// Manufacturer's Model Name (0008,1090).
    pub model: String,
    /// Station Name (0008,1010), if only one station is meant.
    pub station: Option<String>,
    /// Storage SOP Classes by keyword or UID; all when left out.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub sop_classes: Vec<Spanned<String>>,
    /// Rows (0028,0010).
    pub rows: u16,
    /// Columns (0028,0011).
    pub columns: u16,
    /// What is blanked; an empty list if the device was seen to write nothing.
    #[schemars(with = "Vec<RawRegion>")]
    pub blank: Vec<Spanned<RawRegion>>,
    /// Who looked at its images, and when.
    #[schemars(with = "String")]
    pub because: Spanned<String>,
}

/// A rectangle of an image, in pixels from the upper left corner.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRegion {
    /// Columns to the left of it.
    pub x: u32,
    /// Rows above it.
    pub y: u32,
    /// Columns.
    #[schemars(range(min = 1))]
    pub width: u32,
    /// Rows.
    #[schemars(range(min = 1))]
    pub height: u32,
    /// First and last frame, from 1; all frames when left out.
    pub frames: Option<(u32, u32)>,
}

/// A rule: exactly one of keyword, tag, vr, private says which elements; exactly one of action,
/// replace, hash, date, age_cap, round_to, keep_words, map says what becomes of them.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    /// One element by its keyword in PS3.6, e.g. StudyDescription.
    #[schemars(with = "Option<String>")]
    pub keyword: Option<Spanned<String>>,
    /// One element, or a pattern with x for any digit: "(0018,1xxx)".
    #[schemars(with = "Option<String>")]
    pub tag: Option<Spanned<String>>,
    /// Every element of a value representation. Only to be stricter.
    #[schemars(with = "Option<String>")]
    pub vr: Option<Spanned<String>>,
    /// Private elements.
    pub private: Option<RawPrivate>,
    /// X remove, Z empty, D dummy, U map UIDs, K keep, C clean (PS3.15 Table E.1-1a).
    #[schemars(with = "Option<String>", extend("enum" = ["X", "Z", "D", "U", "K", "C"]))]
    pub action: Option<Spanned<String>>,
    /// This text in place of the value.
    #[schemars(with = "Option<String>")]
    pub replace: Option<Spanned<String>>,
    /// A keyed hash of the value in so many characters, 6 to 16.
    #[schemars(with = "Option<u8>")]
    pub hash: Option<Spanned<u8>>,
    /// shift: earlier by the patient's days. year: the year alone.
    #[schemars(with = "Option<String>", extend("enum" = ["shift", "year"]))]
    pub date: Option<Spanned<String>>,
    /// Ages above so many years become that many and one.
    #[schemars(with = "Option<u8>")]
    pub age_cap: Option<Spanned<u8>>,
    /// Numbers to the nearest multiple.
    #[schemars(with = "Option<f64>")]
    pub round_to: Option<Spanned<f64>>,
    /// Only these words of a text stay.
    #[schemars(with = "Option<Vec<String>>")]
    pub keep_words: Option<Spanned<Vec<String>>>,
    /// Values and what stands for them; a value that isn't listed is emptied.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub map: Option<Spanned<BTreeMap<String, String>>>,
    /// In which objects; in all when left out.
    #[serde(default)]
    pub when: RawWhen,
    /// Why this is weaker than the base. Goes into every audit entry made with the profile.
    #[schemars(with = "Option<String>")]
    pub because: Option<Spanned<String>>,
}

/// Private elements of one creator.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrivate {
    /// Private Creator, exactly as it stands in the objects.
    #[schemars(with = "String")]
    pub creator: Spanned<String>,
    /// Group and low byte, "(0019,xx0C)", or a whole block, "(0019,xxxx)".
    #[schemars(with = "String")]
    pub tag: Spanned<String>,
}

/// The objects in which a rule holds.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWhen {
    /// Storage SOP Classes by keyword or UID.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub sop_class: Vec<Spanned<String>>,
    /// Values of Modality (0008,0060).
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub modality: Vec<Spanned<String>>,
}
