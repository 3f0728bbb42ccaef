//! What is decided about elements, by the shipped profiles and by rules.

use super::language::tests::profile;
use super::*;
use crate::standard::{Action, Annex};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

const CT: ObjectKind<'_> =
    ObjectKind { sop_class: dicom_dictionary_std::uids::CT_IMAGE_STORAGE, modality: "CT" };
fn basic() -> Profile {
    language::parse("basic.yaml", include_str!("../../profiles/basic.yaml")).unwrap()
}

fn decide(profile: &Profile, tag: Tag, vr: VR) -> (Action, Ground) {
    let subject = Subject { tag, vr, top_level: true, creator: None };
    let decision = profile.decide(&CT, &subject);
    (decision.treatment.action(), decision.ground)
}

#[test]
fn the_world_is_closed() {
    let profile = basic();
    let decide = |tag, vr| decide(&profile, tag, vr);
    assert_eq!(decide(Tag(0x0009, 0x1001), VR::LO), (Action::X, Ground::Group));
    assert_eq!(decide(Tag(0x6002, 0x0022), VR::LO), (Action::X, Ground::Group));
    assert_eq!(decide(Tag(0x5000, 0x0005), VR::US), (Action::X, Ground::Group));
    assert_eq!(decide(Tag(0x0010, 0x9999), VR::LO), (Action::X, Ground::Unknown));
    assert_eq!(decide(tags::PATIENT_BIRTH_DATE, VR::DA), (Action::Z, Ground::Table));
    assert_eq!(decide(tags::EVALUATOR_NAME, VR::PN), (Action::Z, Ground::Representation));
    assert_eq!(decide(tags::ROWS, VR::US), (Action::K, Ground::Known));
    let dummy = (Action::D, Ground::Representation);
    assert_eq!(decide(tags::METABOLITE_MAP_DESCRIPTION, VR::ST), dummy);
    assert_eq!(decide(tags::CONTENT_LABEL, VR::CS), dummy);
}

#[test]
fn the_shipped_profiles_are_right_and_bear_their_names() {
    for (name, text) in SHIPPED {
        let profile = language::parse(name, text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(profile.name(), name);
        let bones_stay =
            matches!(profile.faces(), Faces::Remove(FaceLevel::KeepFacialBones { .. }));
        match name {
            "device-facial-bones" => assert!(bones_stay),
            _ => assert_eq!(*profile.faces(), Faces::Remove(FaceLevel::Strict), "{name}"),
        }
        assert_eq!(*profile.burned_in(), BurnedIn::Withhold, "{name}");
        for (tag, vr) in [
            (tags::PATIENT_BIRTH_DATE, VR::DA),
            (tags::INSTITUTION_NAME, VR::LO),
            (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
            (tags::PATIENT_ADDRESS, VR::LO),
        ] {
            let action = decide(&profile, tag, vr).0;
            assert!(matches!(action, Action::X | Action::Z | Action::D), "{name} {tag}");
        }
    }
}

#[test]
fn the_first_rule_that_fits_decides() {
    let profile = profile(
        "rules:\n  - { keyword: Modality, action: Z, when: { modality: [MR] } }\n  - { tag: \"(0008,006x)\", action: X }\n",
    );
    assert_eq!(decide(&profile, tags::MODALITY, VR::CS), (Action::X, Ground::Rule(1)));
    let mr = ObjectKind { modality: "MR", ..CT };
    let subject = Subject { tag: tags::MODALITY, vr: VR::CS, top_level: true, creator: None };
    assert_eq!(profile.decide(&mr, &subject).ground, Ground::Rule(0));
}

#[test]
fn what_is_not_written_as_what_it_is_goes() {
    let profile = basic();
    let decide = |tag, vr| decide(&profile, tag, vr);
    let goes = (Action::X, Ground::Representation);
    assert_eq!(decide(tags::CONVOLUTION_KERNEL, VR::LO), (Action::K, Ground::Known));
    assert_eq!(decide(tags::CONVOLUTION_KERNEL, VR::OB), goes);
    assert_eq!(decide(tags::ROWS, VR::LO), goes);
    assert_eq!(decide(tags::SOP_INSTANCE_UID, VR::LO), goes);
    assert_eq!(decide(tags::SCHEDULED_HUMAN_PERFORMERS_SEQUENCE, VR::OB).0, Action::X);
    // Unlisted: UT by the dictionary, LO in the file.
    assert_eq!(decide(Tag(0x0008, 0x0408), VR::LO), goes);
    assert_eq!(decide(Tag(0x0400, 0x0500), VR::SQ), (Action::X, Ground::Group));
}

#[test]
fn options_decide_before_the_table() {
    let profile = profile(
        "options: [Clean Descriptors, Retain Longitudinal Temporal Information Modified Dates, Retain Safe Private]\n",
    );
    let by = |option| (Action::C, Ground::Option(option));
    let decided = decide(&profile, tags::STUDY_DESCRIPTION, VR::LO);
    assert_eq!(decided, by(Annex::CleanDescriptors));
    let decided = decide(&profile, tags::STUDY_DATE, VR::DA);
    assert_eq!(decided, by(Annex::RetainModifiedDates));
    assert_eq!(decide(&profile, tags::CONTENT_DESCRIPTION, VR::LO), by(Annex::CleanDescriptors));
    assert_eq!(decide(&profile, tags::PATIENT_BIRTH_DATE, VR::DA).0, Action::Z);
    let private = |creator, low: u16| {
        let tag = Tag(0x0019, 0x1000 | low);
        let subject = Subject { tag, vr: VR::IS, top_level: true, creator };
        profile.decide(&CT, &subject).treatment.action()
    };
    assert_eq!(private(Some("SIEMENS MR HEADER"), 0x0C), Action::K);
    assert_eq!(private(Some("SIEMENS MR HEADER"), 0xFE), Action::X);
    assert_eq!(private(None, 0x0C), Action::X);
}

#[test]
fn the_digest_follows_what_the_profile_says() {
    let text = include_str!("../../profiles/basic.yaml");
    let stricter = text.replace("rules: []", "rules:\n  - { keyword: Modality, action: X }");
    assert_ne!(text, stricter);
    let stricter = language::parse("s.yaml", &stricter).unwrap();
    assert_ne!(basic().digest(), stricter.digest());
    assert_eq!(basic().digest(), basic().digest());
}
