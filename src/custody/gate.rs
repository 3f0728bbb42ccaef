//! The gate: may this kind of object leave at all, and what must happen to its pixels first?
//!
//! Decided from the SOP class table and a handful of attributes, before anything is changed. What
//! the gate isn't sure about stays inside, with a code that says why.

use crate::dicom::dataset::Dataset;
use crate::profile::{BurnedIn, Faces, Profile};
use crate::spool::quarantine::Code;
use crate::standard::{ClassPolicy, SopClass, sop_classes};
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};

/// What the gate has to know about an instance.
pub struct Facts {
    class: Option<&'static SopClass>,
    localizer: bool,
    secondary: bool,
    burned_in: Option<bool>,
    overlay_in_pixels: bool,
    has_pixels: bool,
}

/// What the gate says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The object may go on.
    Pass(FaceDuty),
    /// It stays inside.
    Withhold(Code, &'static str),
}

/// What must be done about a face before the object may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceDuty {
    /// No face can be in it.
    None,
    /// There may be one, and the profile lets it leave.
    Left,
    /// Find it and remove it, or prove that there is none.
    Clear,
}

/// The gate's word that objects may be de-identified for a destination under a plan.
///
/// Not Clone. Later it will also carry the version of the objection register that it rests on.
pub struct Grant {
    destination: String,
    plan: [u8; 32],
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
}

/// Asks for a batch and a destination.
pub fn grant(destination: &str, profile: &Profile) -> Grant {
    Grant { destination: destination.to_owned(), plan: profile.digest() }
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
            burned_in: match source.text(tags::BURNED_IN_ANNOTATION).as_deref() {
                Some("YES") => Some(true),
                Some("NO") => Some(false),
                _ => None,
            },
            overlay_in_pixels: has_overlay_in_pixels(source),
            has_pixels,
        }
    }

    /// Decides under a profile.
    pub fn decide(&self, profile: &Profile) -> Verdict {
        let Some(class) = self.class else {
            return Verdict::Withhold(Code::ClassPolicy, "not a Storage SOP Class of PS3.4 B.5");
        };
        if self.overlay_in_pixels {
            let why = "Overlay Bit Position (60xx,0102) lies in the pixels";
            return Verdict::Withhold(Code::OverlayInPixels, why);
        }
        let says_burned_in = self.has_pixels && self.burned_in == Some(true);
        if says_burned_in && *profile.burned_in() == BurnedIn::Withhold {
            let why = "Burned In Annotation (0028,0301) is YES";
            return Verdict::Withhold(Code::BurnedInText, why);
        }
        match class.policy {
            ClassPolicy::Deid | ClassPolicy::Structured => Verdict::Pass(FaceDuty::None),
            ClassPolicy::Quarantine => {
                Verdict::Withhold(Code::ClassPolicy, "the SOP class is held by default")
            }
            ClassPolicy::PixelCheck => self.decide_burned_in(class, profile),
            ClassPolicy::RoiFilter => match profile.faces() {
                Faces::Leave { .. } => Verdict::Pass(FaceDuty::Left),
                Faces::Remove | Faces::Withhold => Verdict::Withhold(
                    Code::RoiMayTraceFace,
                    "contours and segments are not clipped yet",
                ),
            },
            ClassPolicy::Deface => self.decide_face(class, profile),
        }
    }

    /// Projections and ultrasound: the object's own word counts where the device writes no text.
    fn decide_burned_in(&self, class: &SopClass, profile: &Profile) -> Verdict {
        match profile.burned_in() {
            BurnedIn::Leave { .. } => Verdict::Pass(FaceDuty::None),
            BurnedIn::Withhold if is_ultrasound(class) => Verdict::Withhold(
                Code::BurnedInText,
                "ultrasound devices write names into the image",
            ),
            BurnedIn::Withhold if self.burned_in == Some(false) && !self.secondary => {
                Verdict::Pass(FaceDuty::None)
            }
            BurnedIn::Withhold => {
                let why = "Burned In Annotation (0028,0301) is not NO, or the image is secondary";
                Verdict::Withhold(Code::BurnedInText, why)
            }
        }
    }

    fn decide_face(&self, class: &SopClass, profile: &Profile) -> Verdict {
        match profile.faces() {
            Faces::Leave { .. } => Verdict::Pass(FaceDuty::Left),
            Faces::Withhold => Verdict::Withhold(
                Code::NoDefacer,
                "the profile does not say what to do about faces",
            ),
            Faces::Remove if class.uid != uids::CT_IMAGE_STORAGE => {
                Verdict::Withhold(Code::NoDefacer, "only single-frame CT is defaced so far")
            }
            Faces::Remove if self.localizer => {
                Verdict::Withhold(Code::Localizer, "Image Type (0008,0008) says LOCALIZER")
            }
            Faces::Remove => Verdict::Pass(FaceDuty::Clear),
        }
    }
}

fn is_ultrasound(class: &SopClass) -> bool {
    ["Ultrasound", "US", "Photoacoustic"].iter().any(|word| class.keyword.contains(word))
}

/// Overlays of before 2004 may be stored in unused high bits of Pixel Data (PS3.3 C.9.2, retired):
/// removing the 60xx group leaves the drawing in the samples.
fn has_overlay_in_pixels(source: &Dataset) -> bool {
    (0x6000..=0x601E).step_by(2).any(|group| {
        let number = |element| source.number(Tag(group, element));
        number(0x0100).is_some_and(|bits_allocated| bits_allocated != 1.0)
            || number(0x0102).is_some_and(|bit_position| bit_position != 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::language;
    use dicom_core::{DataElement, PrimitiveValue, VR};

    const HEAD: &str = "efface_profile: 1\nname: test\nbased_on: PS3.15 2026d Basic Application Level Confidentiality Profile\n";

    fn profile(rest: &str) -> Profile {
        language::parse("p", &format!("{HEAD}{rest}")).unwrap()
    }

    fn verdict(class: &str, texts: &[(Tag, &str)], rest: &str) -> Verdict {
        let mut source = Dataset::new();
        for (tag, value) in texts {
            source.put_text(*tag, VR::CS, *value);
        }
        Facts::of(&source, class, true).decide(&profile(rest))
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
        assert_eq!(verdict(ct, &[], CLEAN), Verdict::Pass(FaceDuty::Clear));
        assert_eq!(verdict(ct, &[], LEAVE), Verdict::Pass(FaceDuty::Left));
        assert_eq!(code(verdict(ct, &[], "")), Some(Code::NoDefacer));
        let scout = [(tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\LOCALIZER")];
        assert_eq!(code(verdict(ct, &scout, CLEAN)), Some(Code::Localizer));
        assert_eq!(code(verdict(uids::MR_IMAGE_STORAGE, &[], CLEAN)), Some(Code::NoDefacer));
        let rtss = uids::RT_STRUCTURE_SET_STORAGE;
        assert_eq!(code(verdict(rtss, &[], CLEAN)), Some(Code::RoiMayTraceFace));
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
        assert_eq!(verdict(dose, &[], CLEAN), Verdict::Pass(FaceDuty::None));
    }

    #[test]
    fn overlays_in_the_pixels_are_seen() {
        let mut source = Dataset::new();
        let bit = |n: u16| DataElement::new(Tag(0x6002, 0x0102), VR::US, PrimitiveValue::from(n));
        source.put(bit(0));
        assert!(!has_overlay_in_pixels(&source));
        source.put(bit(12));
        assert!(has_overlay_in_pixels(&source));
    }
}
