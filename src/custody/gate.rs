//! The gate: may anything of this patient leave for this recipient, may this kind of object leave at all, and what
//! must happen to its pixels first?
//!
//! The first is decided by the register of objections, the rest from the SOP class table and a handful of attributes,
//! before anything is changed. What the gate isn't sure about stays inside, with a code that says why.

use crate::clock::Day;
use crate::dicom::dataset::Dataset;
use crate::objection::{Patient, Recipient, Refusal, Register};
use crate::profile::{BurnedIn, Device, Faces, Profile};
use crate::residency::{Blocked, Ground, Residency};
use crate::spool::quarantine::Code;
use crate::standard::{Annex, ClassPolicy, Sight, SopClass, sop_classes};
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

/// What the gate has to know about an instance.
pub struct Facts {
    class: Option<&'static SopClass>,
    localizer: bool,
    secondary: bool,
    projection: bool,
    rendering: bool,
    burned_in: Option<bool>,
    overlay_in_samples: bool,
    has_pixels: bool,
    device: Device,
}

/// What the gate says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The object may go on.
    Pass(Duty),
    /// It stays inside.
    Withhold(Code, &'static str),
}

impl Verdict {
    /// The same after two people have looked: what they have looked at leaves as it is, and says that a face may be in it.
    /// `has` knows the doubts because of which they have.
    pub fn reviewed(self, has: impl Fn(Code) -> bool) -> Verdict {
        let left = |device| Verdict::Pass(Duty { face: FaceDuty::Left, device });
        match self {
            Verdict::Withhold(code, _) if code.is_reviewable() && has(code) => left(None),
            Verdict::Pass(Duty { face: FaceDuty::Clear | FaceDuty::Cut, device })
                if FACE_DOUBTS.into_iter().any(&has) =>
            {
                left(device)
            }
            other => other,
        }
    }
}

/// Doubts of the face stage, which come after the gate.
const FACE_DOUBTS: [Code; 4] =
    [Code::NoDefacer, Code::FaceNotCleared, Code::FaceOutOfTime, Code::RoiMayTraceFace];

/// What must be done to the pixels before an object may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duty {
    /// About a face.
    pub face: FaceDuty,
    /// The rule for the device, by its place in the profile, whose regions must be blanked.
    pub device: Option<usize>,
}

/// What must be done about a face before the object may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaceDuty {
    /// No face can be in it.
    None,
    /// There may be one, and the profile lets it leave.
    Left,
    /// Find it and remove it, or prove that there is none.
    Clear,
    /// Cut contours where the face was removed from the images that they were drawn on.
    Cut,
}

/// The gate's word that objects of a patient may be de-identified for a destination under a plan.
///
/// Not Clone. It rests on a version of the register of objections; when that has moved, it must be confirmed.
pub struct Grant {
    destination: String,
    plan: [u8; 32],
    register: u64,
    ground: Ground,
}

/// Why the gate gives no word for a patient and a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum No {
    /// The patient objects, or may be somebody who does.
    Refused(Refusal),
    /// The destination may not be sent to.
    Blocked(Blocked),
}

impl No {
    /// The code under which the study stays inside.
    pub fn code(&self) -> Code {
        match self {
            No::Refused(refusal) => refusal.code(),
            No::Blocked(_) => Code::DestinationBlocked,
        }
    }

    /// Why, in words without any value of a data set.
    pub fn detail(&self) -> String {
        match self {
            No::Refused(refusal) => refusal.detail().to_owned(),
            No::Blocked(blocked) => blocked.to_string(),
        }
    }
}

impl Grant {
    /// The destination that was asked about.
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// Digest of the profile's plan that was in force.
    pub fn plan(&self) -> &[u8; 32] {
        &self.plan
    }

    /// Version of the register of objections that was asked; 0 if nobody has ever objected.
    pub fn register(&self) -> u64 {
        self.register
    }

    /// The ground on which the destination may be sent to.
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Asks again, before the work that was done on this word leaves the worker's hands.
    ///
    /// # Errors
    /// [`No::Refused`]: the patient objects by now.
    pub fn confirm(
        self,
        to: Recipient<'_>,
        patient: &Patient,
        register: &Register,
    ) -> Result<Grant, No> {
        match register.refuses(patient, to) {
            Some(refusal) => Err(No::Refused(refusal)),
            None => Ok(Grant { register: register.version(), ..self }),
        }
    }
}

/// Asks for a patient and a recipient.
///
/// # Errors
/// [`No`]: nothing of the patient may be made for this recipient, or nothing at all.
pub fn grant(
    to: Recipient<'_>,
    profile: &Profile,
    residency: &Residency,
    patient: &Patient,
    register: &Register,
) -> Result<Grant, No> {
    let allowed = residency.decide(Day::today(), profile.options()).map_err(No::Blocked)?;
    let grant = grant_by_hand(to.destination, profile).confirm(to, patient, register)?;
    Ok(Grant { ground: allowed.ground().clone(), ..grant })
}

/// Asks for files that a person de-identifies by hand: nothing is sent, and no register is asked.
pub fn grant_by_hand(destination: &str, profile: &Profile) -> Grant {
    Grant {
        destination: destination.to_owned(),
        plan: profile.digest(),
        register: 0,
        ground: Ground::default(),
    }
}

impl Facts {
    /// Reads what the gate has to know.
    pub fn of(source: &Dataset, sop_class: &str, has_pixels: bool) -> Self {
        let image_type = source.texts(tags::IMAGE_TYPE);
        let says = |word: &str| image_type.iter().any(|value| value.eq_ignore_ascii_case(word));
        Facts {
            class: sop_classes().get(sop_class),
            localizer: says("LOCALIZER") || says("SCOUT"),
            secondary: says("SECONDARY") || source.has(tags::CONVERSION_TYPE),
            projection: image_type.iter().any(|value| {
                let value = value.to_ascii_uppercase();
                PROJECTIONS.iter().any(|word| value.contains(word))
            }),
            rendering: image_type.iter().any(|value| is_rendering(value)),
            burned_in: match source.text(tags::BURNED_IN_ANNOTATION).as_deref() {
                Some("YES") => Some(true),
                Some("NO") => Some(false),
                _ => None,
            },
            overlay_in_samples: has_overlay_in_samples(source),
            has_pixels,
            device: Device::of(source, sop_class),
        }
    }

    /// Decides under a profile.
    pub fn decide(&self, profile: &Profile) -> Verdict {
        let Some(class) = self.class else {
            return Verdict::Withhold(Code::ClassPolicy, "not a Storage SOP Class of PS3.4 B.5");
        };
        if self.overlay_in_samples {
            let why = "Overlay Bit Position (60xx,0102) lies within the samples";
            return Verdict::Withhold(Code::OverlayInPixels, why);
        }
        let everything_leaves = matches!(profile.faces(), Faces::Leave { .. })
            && matches!(profile.burned_in(), BurnedIn::Leave { .. });
        if self.rendering && self.has_pixels && !everything_leaves {
            let why = "Image Type (0008,0008) names a rendering or a screen capture";
            return Verdict::Withhold(Code::Rendering, why);
        }
        let device = self.device_rule(class, profile);
        let says_burned_in = self.has_pixels && self.burned_in == Some(true);
        if says_burned_in && device.is_none() && *profile.burned_in() == BurnedIn::Withhold {
            let why = "Burned In Annotation (0028,0301) is YES, and no device rule covers it";
            return Verdict::Withhold(Code::BurnedInText, why);
        }
        let pass = |face| Verdict::Pass(Duty { face, device });
        match class.policy {
            ClassPolicy::Deid | ClassPolicy::Structured => pass(FaceDuty::None),
            ClassPolicy::Quarantine if device.is_some() => pass(FaceDuty::None),
            ClassPolicy::Quarantine
                if class.is_document && profile.options().has(Annex::CleanStructuredContent) =>
            {
                pass(FaceDuty::None)
            }
            ClassPolicy::Quarantine => {
                Verdict::Withhold(Code::ClassPolicy, "the SOP class is held by default")
            }
            ClassPolicy::PixelCheck if device.is_some() => pass(FaceDuty::None),
            ClassPolicy::PixelCheck => self.decide_burned_in(class, profile),
            ClassPolicy::RoiFilter => match profile.faces() {
                Faces::Leave { .. } => pass(FaceDuty::Left),
                Faces::Remove(_) if class.uid == uids::RT_STRUCTURE_SET_STORAGE => {
                    pass(FaceDuty::Cut)
                }
                Faces::Remove(_) | Faces::Withhold => Verdict::Withhold(
                    Code::RoiMayTraceFace,
                    "only contours (RT Structure Set) are cut where a face was removed, segments are not",
                ),
            },
            ClassPolicy::Deface => self.decide_face(class, profile, device),
        }
    }

    /// The rule for the device that made the image. Of classes that are held by default, only a rule
    /// that names the class lets an instance go on.
    fn device_rule(&self, class: &SopClass, profile: &Profile) -> Option<usize> {
        if !self.has_pixels {
            return None;
        }
        let rule = profile.devices().iter().position(|rule| rule.fits(&self.device))?;
        let named = !profile.devices()[rule].sop_classes.is_empty();
        (named || class.policy != ClassPolicy::Quarantine).then_some(rule)
    }

    /// Projections and ultrasound: the object's own word counts where the device writes no text.
    fn decide_burned_in(&self, class: &SopClass, profile: &Profile) -> Verdict {
        let pass = Verdict::Pass(Duty { face: FaceDuty::None, device: None });
        match profile.burned_in() {
            BurnedIn::Leave { .. } => pass,
            BurnedIn::Withhold if is_ultrasound(class) => Verdict::Withhold(
                Code::BurnedInText,
                "ultrasound devices write names into the image, and no device rule covers this one",
            ),
            BurnedIn::Withhold if self.burned_in == Some(false) && !self.secondary => pass,
            BurnedIn::Withhold => {
                let why = "Burned In Annotation (0028,0301) is not NO, or the image is secondary, and no device rule covers it";
                Verdict::Withhold(Code::BurnedInText, why)
            }
        }
    }

    fn decide_face(&self, class: &SopClass, profile: &Profile, device: Option<usize>) -> Verdict {
        match profile.faces() {
            Faces::Leave { .. } => Verdict::Pass(Duty { face: FaceDuty::Left, device }),
            Faces::Withhold => Verdict::Withhold(
                Code::NoDefacer,
                "the profile does not say what to do about faces",
            ),
            Faces::Remove(_) if Sight::of(class.uid).is_none() => {
                Verdict::Withhold(Code::NoDefacer, "only CT, MR and PET are defaced")
            }
            Faces::Remove(_) if self.localizer && is_projected(class) => {
                let why =
                    "Image Type (0008,0008) says LOCALIZER: a projection that shows a profile";
                Verdict::Withhold(Code::Localizer, why)
            }
            Faces::Remove(_) if self.projection => {
                let why =
                    "Image Type (0008,0008) names a projection, or curved planes, through a volume";
                Verdict::Withhold(Code::Rendering, why)
            }
            Faces::Remove(_) if device.is_some() && self.burned_in == Some(true) => {
                Verdict::Withhold(
                    Code::BurnedInText,
                    "a volume with text burned in: face and text are not both cleaned",
                )
            }
            Faces::Remove(_) => Verdict::Pass(Duty { face: FaceDuty::Clear, device: None }),
        }
    }
}

/// Values of Image Type (0008,0008) by which devices name pictures made of a volume, or of a screen:
/// a surface seen from outside shows the face, a screen shows the patient's name.
fn is_rendering(value: &str) -> bool {
    let value = value.to_ascii_uppercase();
    RENDERINGS.iter().any(|word| value.contains(word)) || matches!(value.as_str(), "3D" | "SSD")
}

const RENDERINGS: [&str; 12] = [
    "VOLREN",
    "VOLUME_REN",
    "VOLUME REN",
    "VRT",
    "RENDER",
    "SURFACE",
    "SCREEN",
    "SNAPSHOT",
    "CAPTURE",
    "3DMODEL",
    "CINEMATIC",
    "ENDOSCOPIC VIEW",
];

/// Values of Image Type (0008,0008) of what is made of a volume by rays through all of it, or on planes that
/// are none: no region of the head can be put on them.
const PROJECTIONS: [&str; 5] = ["MIP", "MINIP", "PROJECTION", "CURVED", "CPR"];

/// Localizers of CT are projections; those of MR are slices.
fn is_projected(class: &SopClass) -> bool {
    !class.keyword.contains("MR")
}

fn is_ultrasound(class: &SopClass) -> bool {
    ["Ultrasound", "US", "Photoacoustic"].iter().any(|word| class.keyword.contains(word))
}

/// Overlays of before 2004 may be stored in bits of Pixel Data (PS3.3 C.9.2, retired). Unused bits
/// are cleared when the pixels leave; a drawing within the samples themselves is seen by everybody.
fn has_overlay_in_samples(source: &Dataset) -> bool {
    let high_bit = source.number(tags::HIGH_BIT).unwrap_or(f64::MAX);
    (0x6000..=0x601E).step_by(2).any(|group| {
        let number = |element| source.number(Tag(group, element));
        let embedded = number(0x0100).is_some_and(|bits_allocated| bits_allocated != 1.0)
            || number(0x0102).is_some_and(|bit_position| bit_position != 0.0);
        embedded && number(0x0102).is_none_or(|bit_position| bit_position <= high_bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::language::tests::profile;
    use dicom_core::{DataElement, PrimitiveValue, VR};

    fn verdict(class: &str, texts: &[(Tag, &str)], rest: &str) -> Verdict {
        let mut source = Dataset::new();
        for (tag, value) in texts {
            source.put_text(*tag, VR::CS, *value);
        }
        Facts::of(&source, class, true).decide(&profile(rest))
    }

    fn passes(face: FaceDuty) -> Verdict {
        Verdict::Pass(Duty { face, device: None })
    }

    #[test]
    fn the_register_is_asked_and_asked_again() {
        use crate::objection::{Book, Called, Scope, Wish};
        let folder = tempfile::tempdir().unwrap();
        let root = crate::key::RootKey::of_patient(&[7; 32], "A1");
        let book = Book::new(folder.path().to_owned(), &root);
        let patient = Called::said("", "4711").hashed(book.key());
        let to = Recipient { destination: "lab", project: "lab" };
        let residency = Residency::default();
        let asked = |register: &Register| grant(to, &profile(""), &residency, &patient, register);
        let granted = asked(&book.read().unwrap()).unwrap();
        assert_eq!((granted.destination(), granted.register()), ("lab", 0));
        let add = |number| {
            let wish = Wish::new("", number, Scope::All, Day::today()).unwrap();
            book.add(&[wish]).unwrap();
            book.read().unwrap()
        };
        let granted = granted.confirm(to, &patient, &add("4712")).unwrap();
        assert_eq!(granted.register(), 1);
        let register = add("4711");
        let objects = || Some(No::Refused(Refusal::Objects));
        assert_eq!(granted.confirm(to, &patient, &register).err(), objects());
        assert_eq!(asked(&register).err(), objects());
        let entry = Some(crate::residency::Entry::default());
        let blocked = Residency { policy: None, entry };
        let asked = grant(to, &profile(""), &blocked, &patient, &Register::default());
        assert_eq!(asked.err().map(|no| no.code()), Some(Code::DestinationBlocked));
    }

    const CLEAN: &str = "options: [Clean Recognizable Visual Features]\n";
    const LEAVE: &str = "leave: { faces: { because: \"test data\" }, burned_in_text: { because: \"test data\" } }\n";

    fn code(verdict: Verdict) -> Option<Code> {
        match verdict {
            Verdict::Pass(_) => None,
            Verdict::Withhold(code, _) => Some(code),
        }
    }

    #[test]
    fn faces() {
        let ct = uids::CT_IMAGE_STORAGE;
        assert_eq!(verdict(ct, &[], CLEAN), passes(FaceDuty::Clear));
        assert_eq!(verdict(ct, &[], LEAVE), passes(FaceDuty::Left));
        assert_eq!(code(verdict(ct, &[], "")), Some(Code::NoDefacer));
        let scout = [(tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\LOCALIZER")];
        assert_eq!(code(verdict(ct, &scout, CLEAN)), Some(Code::Localizer));
        let mr = uids::MR_IMAGE_STORAGE;
        assert_eq!(verdict(mr, &[], CLEAN), passes(FaceDuty::Clear));
        assert_eq!(verdict(mr, &scout, CLEAN), passes(FaceDuty::Clear), "slices, not projections");
        let mip = [(tags::IMAGE_TYPE, "DERIVED\\SECONDARY\\PROJECTION IMAGE\\MIP")];
        assert_eq!(code(verdict(mr, &mip, CLEAN)), Some(Code::Rendering));
        assert_eq!(code(verdict(uids::PARAMETRIC_MAP_STORAGE, &[], CLEAN)), Some(Code::NoDefacer));
        let rtss = uids::RT_STRUCTURE_SET_STORAGE;
        assert_eq!(verdict(rtss, &[], CLEAN), passes(FaceDuty::Cut));
        assert_eq!(code(verdict(rtss, &[], "")), Some(Code::RoiMayTraceFace));
        let seg = uids::SEGMENTATION_STORAGE;
        assert_eq!(code(verdict(seg, &[], CLEAN)), Some(Code::RoiMayTraceFace));
    }

    #[test]
    fn burned_in_text() {
        let (cr, us) = (uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE, uids::ULTRASOUND_IMAGE_STORAGE);
        let no = [(tags::BURNED_IN_ANNOTATION, "NO")];
        let yes = [(tags::BURNED_IN_ANNOTATION, "YES")];
        assert_eq!(code(verdict(cr, &[], CLEAN)), Some(Code::BurnedInText));
        assert_eq!(code(verdict(cr, &no, CLEAN)), None);
        assert_eq!(code(verdict(us, &no, CLEAN)), Some(Code::BurnedInText));
        assert_eq!(code(verdict(us, &yes, LEAVE)), None);
        assert_eq!(code(verdict(uids::CT_IMAGE_STORAGE, &yes, CLEAN)), Some(Code::BurnedInText));
    }

    #[test]
    fn classes() {
        let sc = uids::SECONDARY_CAPTURE_IMAGE_STORAGE;
        assert_eq!(code(verdict(sc, &[], LEAVE)), Some(Code::ClassPolicy));
        assert_eq!(code(verdict("1.2.3.4", &[], LEAVE)), Some(Code::ClassPolicy));
        let dose = uids::X_RAY_RADIATION_DOSE_SR_STORAGE;
        assert_eq!(verdict(dose, &[], CLEAN), passes(FaceDuty::None));
    }

    #[test]
    fn overlays_within_the_samples_are_seen() {
        let mut source = Dataset::new();
        let us = |tag, n: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(n));
        let position = Tag(0x6002, 0x0102);
        source.put(us(position, 0));
        assert!(!has_overlay_in_samples(&source));
        source.put(us(position, 12));
        assert!(has_overlay_in_samples(&source));
        source.put(us(tags::HIGH_BIT, 11));
        assert!(!has_overlay_in_samples(&source));
        source.put(us(position, 11));
        assert!(has_overlay_in_samples(&source));
    }

    #[test]
    fn renderings_and_screens_stay() {
        let ct = uids::CT_IMAGE_STORAGE;
        for value in
            ["DERIVED\\SECONDARY\\VRT", "DERIVED\\SECONDARY\\SCREEN SAVE", "DERIVED\\PRIMARY\\3D"]
        {
            let image = [(tags::IMAGE_TYPE, value)];
            assert_eq!(code(verdict(ct, &image, CLEAN)), Some(Code::Rendering), "{value}");
            assert_eq!(code(verdict(ct, &image, LEAVE)), None, "{value}");
        }
        let volume = [(tags::IMAGE_TYPE, "DERIVED\\SECONDARY\\AXIAL\\CT_SOM5 SPI")];
        assert_eq!(verdict(ct, &volume, CLEAN), passes(FaceDuty::Clear));
    }

    const DEVICE: &str = "options: [Clean Pixel Data]\ndevices:\n  - { manufacturer: ACME, model: Echo, rows: 6, columns: 8, blank: [{ x: 0, y: 0, width: 8, height: 1 }], because: \"seen by two people\" }\n";

    /// The same device at another size, and a class that is held, aren't covered.
    #[test]
    fn a_rule_for_the_device_lets_its_images_go_on() {
        let decide = |class: &str, rows: u16, rest: &str| {
            let mut source = Dataset::new();
            source.put_text(tags::MANUFACTURER, VR::LO, "ACME");
            source.put_text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "Echo");
            source.put_text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
            for (tag, n) in [(tags::ROWS, rows), (tags::COLUMNS, 8)] {
                source.put(DataElement::new(tag, VR::US, PrimitiveValue::from(n)));
            }
            Facts::of(&source, class, true).decide(&profile(rest))
        };
        let covered = Verdict::Pass(Duty { face: FaceDuty::None, device: Some(0) });
        let (us, sc) = (uids::ULTRASOUND_IMAGE_STORAGE, uids::SECONDARY_CAPTURE_IMAGE_STORAGE);
        assert_eq!(decide(us, 6, DEVICE), covered);
        assert_eq!(code(decide(us, 7, DEVICE)), Some(Code::BurnedInText));
        assert_eq!(code(decide(sc, 6, DEVICE)), Some(Code::BurnedInText));
        let named = DEVICE.replace("rows:", "sop_classes: [SecondaryCaptureImageStorage], rows:");
        assert_eq!(decide(sc, 6, &named), covered);
        assert_eq!(code(decide(us, 6, &named)), Some(Code::BurnedInText));
    }

    #[test]
    fn documents_leave_when_their_content_is_cleaned() {
        let sr = uids::ENHANCED_SR_STORAGE;
        assert_eq!(code(verdict(sr, &[], CLEAN)), Some(Code::ClassPolicy));
        let cleaned = "options: [Clean Structured Content]\n";
        assert_eq!(verdict(sr, &[], cleaned), passes(FaceDuty::None));
    }
}
