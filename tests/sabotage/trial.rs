//! One source, the engine, and the verifier of what the engine made of it.

use super::canary::items;
use crate::support::gateway::{HEAD, key_of_nobody};
use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use efface::custody::verify::{Dates, Expected, Kept, Kind, Residue, Watch, Witness};
use efface::deid::pseudonym::Pseudonyms;
use efface::deid::text::{Cleaner, Known, Retained};
use efface::deid::{Claims, DateRule, Engine, PixelStatement, Subject};
use efface::dicom::dataset::{Dataset, Element};
use efface::dicom::part10;
use efface::key::RootKey;
use efface::profile::{Profile, language};
use std::io::{Cursor, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::LazyLock;

/// The key is the same in every run, so that no pseudonym holds a planted date once in a while.
pub static PSEUDONYMS: LazyLock<Pseudonyms> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let mut file = std::fs::OpenOptions::new();
    let mut file = file.write(true).create_new(true).mode(0o600).open(&path).unwrap();
    file.write_all(key_of_nobody().as_bytes()).unwrap();
    Pseudonyms::new(&RootKey::read_file(&path).unwrap(), "sabotage")
});

/// What a profile lets stay, as one reads Annex E: not what efface derives from a profile.
#[derive(Clone, Copy, Default)]
pub struct Stays {
    pub kinds: &'static [Kind],
    /// Elements that an option cleans, by tag.
    pub tags: &'static [u32],
    pub dates: Option<Dates>,
}

/// Where an element stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Top,
    /// In an item of Shared Functional Groups Sequence (5200,9229), which every profile keeps.
    Nested,
}

pub struct Trial {
    source: InMemDicomObject,
    out: InMemDicomObject,
    claims: Claims,
    watch: Watch,
    kept: Vec<Kept>,
    stays: Stays,
}

impl Trial {
    /// De-identifies `source` under a profile with these lines after its head.
    pub fn new(profile: &str, stays: Stays, source: InMemDicomObject) -> Self {
        let mut known = Known::default();
        known.observe(&Dataset::from(source.clone()));
        let device = stays.kinds.contains(&Kind::Device);
        let institution = stays.kinds.contains(&Kind::Institution);
        let cleaner = known.cleaner(Retained { device, institution });
        Self::with_cleaner(profile, stays, source, &cleaner)
    }

    /// The same by an engine that knows what it is told.
    pub fn with_cleaner(
        profile: &str,
        stays: Stays,
        source: InMemDicomObject,
        cleaner: &Cleaner,
    ) -> Self {
        let profile = self::profile(profile);
        let encoded = Dataset::from(source.clone()).encode().unwrap();
        let mut witness = Witness::new();
        witness.observe(uids::EXPLICIT_VR_LITTLE_ENDIAN, &encoded).unwrap();
        let input = Dataset::from(source.clone());
        let subject = Subject::of(&input).unwrap();
        let engine = Engine::new(&profile, &PSEUDONYMS, cleaner);
        let (out, claims, _) = engine.scrub(input, &subject, PixelStatement::UNTOUCHED);
        let kept = stays.tags.iter();
        let kept = kept.map(|tag| Kept { tag: *tag, mask: u32::MAX, creator: None }).collect();
        let watch = witness.seal().unwrap();
        Trial { source, out: out.into_object(), claims, watch, kept, stays }
    }

    pub fn source(&self) -> &InMemDicomObject {
        &self.source
    }

    /// What the engine made of it.
    pub fn out(&self) -> InMemDicomObject {
        self.out.clone()
    }

    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The output as it is.
    pub fn control(&self) -> Result<(), Residue> {
        self.examine(&self.out)
    }

    pub fn examine(&self, set: &InMemDicomObject) -> Result<(), Residue> {
        self.examine_as(set, self.stays)
    }

    /// By a verifier that was told that other things may stay.
    pub fn examine_as(&self, set: &InMemDicomObject, stays: Stays) -> Result<(), Residue> {
        let dates = stays.dates.unwrap_or(match self.claims.dates {
            DateRule::Removed => Dates::Removed,
            DateRule::Full => Dates::Full,
            DateRule::Back(days) => Dates::Shifted { days },
            DateRule::Year => Dates::Years,
        });
        let expected = Expected {
            transfer_syntax: uids::EXPLICIT_VR_LITTLE_ENDIAN,
            options: &self.claims.codes,
            burned_in: self.claims.burned_in.as_deref(),
            visual_features: self.claims.visual_features,
            longitudinal: self.claims.longitudinal,
            exempt: stays.kinds,
            dates,
            kept: &self.kept,
        };
        self.watch.examine(Cursor::new(file(set)), &expected).map(drop)
    }

    /// The output as it would be if the engine had passed an element over.
    pub fn put_back(&self, tag: Tag, place: Place) -> InMemDicomObject {
        let mut set = self.out.clone();
        put(&mut set, place, planted(&self.source, tag, place).clone());
        set
    }
}

pub fn profile(lines: &str) -> Profile {
    language::parse("profile.yaml", &format!("{HEAD}{lines}")).unwrap_or_else(|e| panic!("{e}"))
}

/// An element of a data set at a place.
pub fn planted(set: &InMemDicomObject, tag: Tag, place: Place) -> &Element {
    found(set, tag, place).unwrap_or_else(|| panic!("{tag} was planted"))
}

pub fn found(set: &InMemDicomObject, tag: Tag, place: Place) -> Option<&Element> {
    match place {
        Place::Top => set.get(tag),
        Place::Nested => {
            set.get(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)?.items()?.first()?.get(tag)
        }
    }
}

/// Puts an element where it belongs.
pub fn put(set: &mut InMemDicomObject, place: Place, element: Element) {
    match place {
        Place::Top => drop(set.put_element(element)),
        Place::Nested => {
            let outer = tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE;
            let inner = set.take(outer).and_then(|outer| outer.into_value().into_items());
            let item = inner.and_then(|items| items.into_iter().next());
            let mut item = item.unwrap_or_else(InMemDicomObject::new_empty);
            item.put_element(element);
            set.put_element(items(outer, vec![item]));
        }
    }
}

pub fn text(tag: Tag, vr: VR, text: &str) -> Element {
    DataElement::new(tag, vr, PrimitiveValue::from(text))
}

/// A CT image of nobody without anything that identifies but what it must have.
pub fn bare() -> InMemDicomObject {
    let mut set = InMemDicomObject::from_element_iter([
        text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        text(tags::SOP_INSTANCE_UID, VR::UI, "1.3.6.1.4.1.55555.1.1.1"),
        text(tags::MODALITY, VR::CS, "CT"),
        text(tags::MANUFACTURER, VR::LO, "ACME MEDICAL"),
        text(tags::PATIENT_NAME, VR::PN, "MERRIWEATHER^Cordelia"),
        text(tags::PATIENT_ID, VR::LO, "MRN-77410001"),
        text(tags::STUDY_INSTANCE_UID, VR::UI, "1.3.6.1.4.1.55555.1.1"),
        text(tags::SERIES_INSTANCE_UID, VR::UI, "1.3.6.1.4.1.55555.1.1.2"),
    ]);
    let slice = text(tags::SLICE_THICKNESS, VR::DS, "5");
    put(&mut set, Place::Nested, slice);
    set
}

/// A whole file.
fn file(set: &InMemDicomObject) -> Vec<u8> {
    let dataset = Dataset::from(set.clone());
    let uid = |tag| dataset.text(tag).unwrap_or_default();
    let mut file = Vec::new();
    let syntax = uids::EXPLICIT_VR_LITTLE_ENDIAN;
    part10::write_meta(&mut file, &uid(tags::SOP_CLASS_UID), &uid(tags::SOP_INSTANCE_UID), syntax)
        .unwrap();
    file.extend(dataset.encode().unwrap());
    file
}
