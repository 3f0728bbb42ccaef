//! Under which profiles the forge's objects are sent through.

use crate::support::gateway::HEAD;
use dicom_core::Tag;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::StandardDataDictionary;
use efface::profile::{About, Pseudonymity, SHIPPED, Subject, language};
use efface::standard::{Annex, Options};

/// A profile, and what it lets stay.
#[derive(Clone)]
pub struct Sample {
    pub name: String,
    pub text: String,
    pub options: Options,
    /// Its pseudonyms can't be computed here: nobody knows which file is which object's.
    pub random: bool,
    /// What its rules let stay.
    kept: Vec<About>,
}

/// Faces and burned-in text leave, so that more than half of what is forged really does.
const LEAVE: &str = "leave:\n  faces: { because: \"forged, nobody's face\" }\n  burned_in_text: { because: \"forged, nobody's text\" }\n";

/// The profile under which most objects go.
pub fn leave() -> Sample {
    Sample::new("leave", format!("{HEAD}{LEAVE}"))
}

/// Every shipped profile: as it is, and with faces and burned-in text left.
pub fn shipped() -> Vec<Sample> {
    let both = SHIPPED.into_iter().flat_map(|(name, text)| {
        let open = leaving(text);
        [Sample::new(name, text.to_owned()), Sample::new(&format!("{name} and leave"), open)]
    });
    both.collect()
}

impl Sample {
    fn new(name: &str, text: String) -> Self {
        let profile = language::parse(name, &text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let retaining = profile.rules().iter().filter(|rule| rule.because.is_some());
        let kept = retaining.map(|rule| rule.about.clone()).collect();
        let random = profile.pseudonymity() == Pseudonymity::Random;
        Sample { name: name.to_owned(), options: profile.options(), random, kept, text }
    }

    /// Whether a rule of the profile lets an element stay; `place` ends in its tag.
    pub fn keeps(&self, place: &str) -> bool {
        let tag = place.rfind('(').and_then(|at| place[at..].split_once(')'));
        let Some(tag) = tag.and_then(|(tag, _)| tag[1..].parse::<Tag>().ok()) else {
            return false;
        };
        let entry = StandardDataDictionary.by_tag(tag);
        let Some(vr) = entry.map(|entry| entry.vr().relaxed()) else { return false };
        let subject = Subject { tag, vr, top_level: true, creator: None };
        self.kept.iter().any(|about| about.fits(&subject))
    }
}

/// The same profile without a word about faces and burned-in text, and [`LEAVE`].
fn leaving(text: &str) -> String {
    let about_pixels = [Annex::CleanRecognizableVisualFeatures, Annex::CleanPixelData];
    let names_one = |line: &str| about_pixels.iter().any(|option| line.contains(option.name()));
    let code = |line: &&str| !line.trim_start().starts_with('#') && !line.trim().is_empty();
    let mut about_faces = false;
    let says_nothing_of_faces = |line: &&str| {
        // A key at the margin begins another part of the profile.
        about_faces = line.starts_with("faces:") || about_faces && line.starts_with(' ');
        !about_faces
    };
    let lines = text.lines().filter(code).filter(|line| !names_one(line));
    let lines: Vec<&str> = lines.filter(says_nothing_of_faces).collect();
    let is_empty = |at: usize| !lines.get(at + 1).is_some_and(|l| l.trim_start().starts_with('-'));
    let kept = (0..lines.len()).filter(|at| lines[*at].trim_end() != "options:" || !is_empty(*at));
    let kept: Vec<&str> = kept.map(|at| lines[at]).collect();
    format!("{}\n{LEAVE}", kept.join("\n"))
}
