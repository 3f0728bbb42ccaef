//! The profile language: YAML that IT staff edit, refused with line, column and a suggestion.
//!
//! ```yaml
//! efface_profile: 1
//! name: reading-room
//! based_on: PS3.15 2026d Basic Application Level Confidentiality Profile
//! options: [Clean Recognizable Visual Features, Clean Descriptors]
//! rules:
//!   - { keyword: BodyPartExamined, action: X }
//!   - { keyword: PatientAge, age_cap: 89, because: "readers need the age" }
//! ```
//!
//! The file says everything there is to say: there are no defaults elsewhere, no includes, no
//! expressions. Whatever keeps more than the base and its options must say `because:`.

mod raw;
mod rules;
mod schema;
#[cfg(test)]
pub(crate) mod tests;

pub use schema::schema;

use super::{BurnedIn, Dates, DeviceRegions, FaceLevel, Faces, Profile, Pseudonymity};
use crate::pixel::{Frames, Region};
use crate::standard::{self, Annex, Options};
use crate::yaml::{Mistakes, Notes, suggestion};
use raw::{RawDevice, RawFaces, RawProfile};
use serde_yaml::Spanned;

/// What `based_on` must say; the edition is that of [`standard::EDITION`].
const BASE: &str = "PS3.15 2026d Basic Application Level Confidentiality Profile";

/// The level of `faces:` at which facial bones stay.
const KEEP_FACIAL_BONES: &str = "keep-facial-bones";

/// Compiles a profile. `file` is only used in messages.
///
/// # Errors
/// [`Mistakes`]: all of them, with line and column.
pub fn parse(file: &str, text: &str) -> Result<Profile, Mistakes> {
    let mut reader = Reader::default();
    let profile = reader.profile(text);
    reader.notes.settle(file, profile)
}

/// Collects mistakes on the way.
#[derive(Default)]
struct Reader {
    notes: Notes,
}

impl Reader {
    fn profile(&mut self, text: &str) -> Option<Profile> {
        let raw: RawProfile = self.notes.parse(text)?;
        if raw.efface_profile.value != 1 {
            self.notes.at(&raw.efface_profile, "this version reads efface_profile: 1");
        }
        if raw.based_on.value != BASE {
            self.notes.at(&raw.based_on, format!("write based_on: {BASE}"));
        }
        let options = self.options(&raw.options);
        let mut profile = Profile {
            name: self.name(&raw.name),
            options,
            dates: self.dates(&raw, options),
            pseudonymity: self.pseudonymity(raw.pseudonyms.as_ref()),
            rules: Vec::new(),
            faces: self.faces(&raw, options),
            burned_in: self.burned_in(&raw, options),
            devices: self.devices(&raw, options),
            digest: [0; 32],
        };
        profile.rules = self.rules(&raw.rules, &profile);
        profile.digest = profile.plan_digest();
        Some(profile)
    }

    fn name(&mut self, name: &Spanned<String>) -> String {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let text = &name.value;
        if text.is_empty() || text.len() > 32 || !text.bytes().all(legal) {
            self.notes.at(name, "a name has 1 to 32 lower-case letters, digits and hyphens");
        }
        text.clone()
    }

    fn options(&mut self, raw: &[Spanned<String>]) -> Options {
        let mut options = Options::NONE;
        for named in raw {
            match Annex::from_name(&named.value) {
                Some(option) if options.has(option) => {
                    self.notes.at(named, "this option is listed twice");
                }
                Some(option) => options.insert(option),
                None => {
                    let hint = suggestion(&named.value, Annex::ALL.into_iter().map(Annex::name));
                    let what = format!("CID 7050 has no option {:?}{hint}", named.value);
                    self.notes.at(named, what);
                }
            }
        }
        options
    }

    fn dates(&mut self, raw: &RawProfile, options: Options) -> Dates {
        let full = options.has(Annex::RetainFullDates);
        let modified = options.has(Annex::RetainModifiedDates);
        let named = |option: Annex| raw.options.iter().find(|o| o.value == option.name());
        if let (true, Some(place)) = (full, named(Annex::RetainModifiedDates)) {
            self.notes.at(place, "dates cannot be both kept in full and modified");
        }
        match &raw.dates {
            Some(dates) => {
                if dates.keep.value != "year" {
                    self.notes.at(&dates.keep, "dates: { keep: year } is the only other way");
                }
                if full || modified {
                    let what = "an option retains dates already: leave one of the two out";
                    self.notes.at(&dates.keep, what);
                }
                Dates::Years { because: self.because(&dates.because) }
            }
            None if full => Dates::Full,
            None if modified => Dates::Shifted,
            None => Dates::Removed,
        }
    }

    fn pseudonymity(&mut self, raw: Option<&Spanned<String>>) -> Pseudonymity {
        match raw.map(|raw| (raw, raw.value.as_str())) {
            None | Some((_, "keyed")) => Pseudonymity::Keyed,
            Some((_, "random")) => Pseudonymity::Random,
            Some((place, _)) => {
                self.notes.at(place, "pseudonyms are keyed or random");
                Pseudonymity::Keyed
            }
        }
    }

    fn faces(&mut self, raw: &RawProfile, options: Options) -> Faces {
        let clean = options.has(Annex::CleanRecognizableVisualFeatures);
        if let (true, Some(reason)) = (clean || raw.faces.is_some(), &raw.leave.faces) {
            self.notes.at(&reason.because, "faces cannot be both cleaned and left");
        }
        match (&raw.faces, &raw.leave.faces) {
            (Some(faces), _) => Faces::Remove(self.face_level(faces, clean)),
            (None, _) if clean => Faces::Remove(FaceLevel::Strict),
            (None, Some(reason)) => Faces::Leave { because: self.because(&reason.because) },
            (None, None) => Faces::Withhold,
        }
    }

    /// The level that isn't an option of Annex E: what it leaves is no clean face.
    fn face_level(&mut self, raw: &RawFaces, clean: bool) -> FaceLevel {
        let because = self.because(&raw.because);
        let option = Annex::CleanRecognizableVisualFeatures;
        match raw.level.value.as_str() {
            KEEP_FACIAL_BONES if clean => {
                let what = format!(
                    "a face can be approximated from its bones: {option} would not be true. Leave one of the two out"
                );
                self.notes.at(&raw.level, what);
            }
            KEEP_FACIAL_BONES => {}
            "strict" => {
                let what = format!("strict is the option {option}: list it under options: instead");
                self.notes.at(&raw.level, what);
            }
            level => {
                let what = format!("no level {level:?}: write {KEEP_FACIAL_BONES}");
                self.notes.at(&raw.level, what);
            }
        }
        FaceLevel::KeepFacialBones { because }
    }

    fn burned_in(&mut self, raw: &RawProfile, options: Options) -> BurnedIn {
        match &raw.leave.burned_in_text {
            Some(reason) => {
                if options.has(Annex::CleanPixelData) {
                    self.notes
                        .at(&reason.because, "burned-in text cannot be both cleaned and left");
                }
                BurnedIn::Leave { because: self.because(&reason.because) }
            }
            None => BurnedIn::Withhold,
        }
    }

    /// A mask that nobody wrote cleans nothing: the option and the devices belong together.
    fn devices(&mut self, raw: &RawProfile, options: Options) -> Vec<DeviceRegions> {
        let option = Annex::CleanPixelData;
        match (raw.devices.first(), raw.options.iter().find(|o| o.value == option.name())) {
            (None, Some(place)) => {
                let what = "this option needs devices: with the regions to blank in their images";
                self.notes.at(place, what);
            }
            (Some(place), None) if !options.has(option) => {
                self.notes.at(place, format!("devices: need options: [{option}]"));
            }
            _ => {}
        }
        raw.devices.iter().map(|device| self.device(device)).collect()
    }

    fn device(&mut self, raw: &Spanned<RawDevice>) -> DeviceRegions {
        let RawDevice { manufacturer, model, station, rows, columns, .. } = &raw.value;
        if manufacturer.trim().is_empty() || model.trim().is_empty() {
            self.notes.at(raw, "a device has a manufacturer and a model");
        }
        let mut blank = Vec::new();
        for place in &raw.value.blank {
            let raw::RawRegion { x, y, width, height, frames } = &place.value;
            let fits = |from: &u32, size: &u32, all: &u16| {
                *size > 0 && from.checked_add(*size).is_some_and(|end| end <= u32::from(*all))
            };
            if !fits(x, width, columns) || !fits(y, height, rows) {
                self.notes.at(place, format!("not within an image of {columns} x {rows}"));
            }
            let region = Region { x: *x, y: *y, width: *width, height: *height };
            let frames = match frames {
                None => Frames::All,
                Some((first, last)) => {
                    if *first == 0 || first > last {
                        self.notes.at(place, "frames: [first, last], counted from 1");
                    }
                    Frames::Range(*first, *last)
                }
            };
            blank.push((region, frames));
        }
        DeviceRegions {
            manufacturer: manufacturer.clone(),
            model: model.clone(),
            station: station.clone(),
            sop_classes: self.sop_classes(&raw.value.sop_classes),
            rows: *rows,
            columns: *columns,
            blank,
            because: self.because(&raw.value.because),
            line: raw.referenced.line(),
        }
    }

    /// UIDs of Storage SOP Classes that were named by keyword or UID.
    fn sop_classes(&mut self, named: &[Spanned<String>]) -> Vec<String> {
        let mut uids = Vec::new();
        for name in named {
            let classes = standard::sop_classes();
            let found = classes.values().find(|c| c.keyword == name.value || c.uid == name.value);
            match found {
                Some(class) => uids.push(class.uid.to_owned()),
                None => {
                    let hint = suggestion(&name.value, classes.values().map(|c| c.keyword));
                    let what = format!("no Storage SOP Class {:?}{hint}", name.value);
                    self.notes.at(name, what);
                }
            }
        }
        uids.sort_unstable();
        uids
    }

    fn because(&mut self, reason: &Spanned<String>) -> String {
        if reason.value.trim().len() < BECAUSE_MIN {
            self.notes.at(reason, "say why, in words that an auditor understands");
        }
        reason.value.trim().to_owned()
    }
}

/// Bytes of the shortest reason.
const BECAUSE_MIN: usize = 8;
