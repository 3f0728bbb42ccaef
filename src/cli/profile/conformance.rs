//! `efface profile conformance`: the part of a conformance statement that is about
//! de-identification (PS3.2 N.8.4.4 and N.11.2.6), written from the compiled profile.

use super::what_it_does;
use crate::custody::gate::{FaceDuty, Facts, Verdict};
use crate::deid::dummy;
use crate::deid::pseudonym::DAYS_BACK;
use crate::dicom::dataset::Dataset;
use crate::profile::conformance::{ElementRow, OptionRow, elements, options, unlisted};
use crate::profile::words::{self, ENGLISH, effect};
use crate::profile::{ObjectKind, Profile, Pseudonymity, Subject};
use crate::standard::{self, Annex, SopClass};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use std::fmt::Write;

/// The statement, in Markdown.
pub fn statement(profile: &Profile) -> String {
    let sections = [
        head(profile),
        options_table(profile),
        rules(profile),
        element_table(profile),
        beyond_the_table(profile),
        dummies(),
        uids(profile),
        dates(profile),
        pixels(profile),
        said_by_the_object(),
        sop_classes(profile),
    ];
    sections.join("\n")
}

/// A paragraph or table under a heading.
fn section(title: &str, lines: impl IntoIterator<Item = String>) -> String {
    let mut text = format!("## {title}\n\n");
    for line in lines {
        text += &line;
        text.push('\n');
    }
    text
}

fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}

fn table(head: &[&str], rows: impl Iterator<Item = String>) -> Vec<String> {
    let rule = format!("|{}", " --- |".repeat(head.len()));
    [row(head), rule].into_iter().chain(rows).collect()
}

fn head(profile: &Profile) -> String {
    let digest = data_encoding::HEXLOWER.encode(&profile.digest());
    format!(
        "# De-identification conformance: efface {}, profile {}\n\n\
         PS3.15 {} Annex E, Basic Application Level Confidentiality Profile, de-identifier.\n\
         Digest of everything that the profile can decide (SHA-256): `{digest}`.\n\
         Encrypted Attributes Sequence (0400,0500) is not written: efface is no re-identifier.\n",
        env!("CARGO_PKG_VERSION"),
        profile.name(),
        standard::EDITION,
    )
}

fn options_table(profile: &Profile) -> String {
    let basic = row(&["Basic Profile", "113100", "Y", "N", "Y", "Y"]);
    let of = |OptionRow { option, used }: OptionRow| {
        let used = if used { "Y" } else { "N" };
        row(&[option.name(), option.code(), "Y", "N", used, "Y"])
    };
    let rows = std::iter::once(basic).chain(options(profile).into_iter().map(of));
    let head = [
        "Option",
        "Code (CID 7050)",
        "De-identifier",
        "Re-identifier",
        "In this profile",
        "Configurable",
    ];
    section("Profile and options (PS3.2 Table N.8-7)", table(&head, rows))
}

fn rules(profile: &Profile) -> String {
    let named = |(n, rule): (usize, &crate::profile::Rule)| {
        let because = rule.because.as_ref().map(|because| format!(". Because: {because}"));
        let because = because.unwrap_or_default();
        format!("{}. line {}: {}{because}", n + 1, rule.line, what_it_does(rule))
    };
    match profile.rules().is_empty() {
        true => section("Rules of the site", ["None.".to_owned()]),
        false => section(
            "Rules of the site, before the table",
            profile.rules().iter().enumerate().map(named),
        ),
    }
}

fn element_table(profile: &Profile) -> String {
    let of = |element: ElementRow| {
        let codes: Vec<String> = element.actions.iter().map(|a| a.letter().to_string()).collect();
        row(&[
            element.keyword,
            &element.tag.to_string(),
            element.cell.unwrap_or("-"),
            &codes.join("/"),
            "N",
            &comment(&element),
        ])
    };
    let head = ["Attribute", "Tag", "Basic Profile", "Action", "Encrypted", "Comment"];
    let mut lines = vec![
        "Where more than one action is given, the first holds in items of sequences and in all objects \
         that the comment does not count."
            .to_owned(),
        String::new(),
    ];
    lines.extend(table(&head, elements(profile).into_iter().map(of)));
    section("De-identified elements and actions (PS3.2 Table N.11-6)", lines)
}

fn comment(element: &ElementRow) -> String {
    let mut words = String::new();
    for (n, outcome) in element.outcomes.iter().enumerate() {
        if n > 0 {
            // Writing to a String cannot fail.
            let _ = write!(words, "; top level of {} SOP Classes: ", outcome.sop_classes);
        }
        let _ = write!(words, "{} ({})", outcome.words, outcome.by);
    }
    words
}

fn beyond_the_table(profile: &Profile) -> String {
    let by_vr = unlisted(profile).into_iter().map(|((action, words), vrs)| {
        let vrs: Vec<&str> = vrs.into_iter().collect();
        row(&[&vrs.join(", "), &action.letter().to_string(), &words])
    });
    let lines = table(&["VR in the dictionary", "Action", "What is done"], by_vr);
    let asked = [
        ("Private elements", Tag(0x0009, 0x1001), VR::LO),
        ("Elements that the dictionary does not know", Tag(0x0010, 0xFFFE), VR::LO),
        ("Curves (50xx) and overlays (60xx)", Tag(0x6000, 0x3000), VR::OW),
    ];
    let fixed = asked.into_iter().map(|(what, tag, vr)| {
        let object = ObjectKind { sop_class: "", modality: "" };
        let subject = Subject { tag, vr, top_level: true, creator: None };
        let decision = profile.decide(&object, &subject);
        let words = effect(&ENGLISH, profile, tag, vr, true, decision).words;
        format!("- {what}: {words} ({}).", profile.ground_name(decision.ground))
    });
    let safe = match profile.options().has(Annex::RetainSafePrivate) {
        true => "stay, with the creators of their blocks",
        false => "go like all others",
    };
    let safe = format!("- Private elements that PS3.15 lists as safe (E.3.10): {safe}.");
    let strategy = "- Elements that a later edition defines are unknown to this one: removed until \
                    efface's dictionary and table know them. A rule of the site decides before this.";
    let blank = std::iter::once(String::new());
    let lines = lines.into_iter().chain(blank).chain(fixed).chain([safe, strategy.to_owned()]);
    section("Elements that Table E.1-1 does not list", lines)
}

fn dummies() -> String {
    let vrs = standard::elements().iter().map(|element| element.vr);
    let vrs: std::collections::BTreeSet<&str> = vrs.map(|vr| vr.to_string()).collect();
    let values = vrs.into_iter().filter_map(|name| {
        let vr: VR = name.parse().ok()?;
        let value = dummy::value(Tag(0, 0), vr)?;
        let shown = value.to_str().ok().filter(|text| !text.is_empty())?;
        Some(row(&[name, &format!("`{shown}`")]))
    });
    let mut lines = table(&["VR", "Dummy"], values);
    lines.push(String::new());
    lines.push(
        "Dummies are the same for every object. UIDs have no dummy: they are mapped.".to_owned(),
    );
    section("Dummy values (action D)", lines)
}

fn uids(profile: &Profile) -> String {
    let retained = profile.options().has(Annex::RetainUids);
    let how = match (retained, profile.pseudonymity()) {
        (true, _) => "UIDs stay as they are (Retain UIDs).",
        (false, Pseudonymity::Keyed) => {
            "Every UID of an instance is replaced by `2.25.` and 122 bits of HMAC-SHA-256 of the UID \
             under a key of the project. The same UID becomes the same UID in all studies, series and \
             patients of the project, at any time and on every machine that holds the root key: a \
             study that is processed again, or in parts, stays consistent."
        }
        (false, Pseudonymity::Random) => {
            "Every UID of an instance is replaced by `2.25.` and 122 bits of HMAC-SHA-256 of the UID \
             under a secret of the patient, which is random and kept in the crosswalk. The same UID \
             becomes the same UID in all studies of the patient in the project, for as long as the \
             crosswalk is kept."
        }
    };
    let lines = [
        how,
        "",
        "Two projects never share a key: their UIDs and pseudonyms cannot be joined. Destinations of \
         one configuration have different projects.",
        "UIDs that the standard or HL7 registers (SOP Classes, transfer syntaxes, coding schemes) stay.",
    ];
    let patients = format!(
        "Pseudonyms of patients and accession numbers: {}; Issuer of Patient ID is part of who somebody is.",
        words::pseudonymity(&ENGLISH, profile.pseudonymity())
    );
    section("Referential integrity", lines.map(str::to_owned).into_iter().chain([patients]))
}

fn dates(profile: &Profile) -> String {
    let lines = [
        format!(
            "What Table E.1-1 counts as temporal information, and unlisted elements of VR DA and DT: {}.",
            words::dates(&ENGLISH, profile.dates())
        ),
        format!(
            "A patient's number of days is from {} to {}, backwards, and holds in all studies of the \
             project. A date that is not written as PS3.5 6.2 says does not leave.",
            DAYS_BACK.start(),
            DAYS_BACK.end()
        ),
    ];
    section("Dates and times", lines)
}

fn pixels(profile: &Profile) -> String {
    let mut lines = vec![
        format!("- Faces in CT, MR and PET: {}.", words::faces(&ENGLISH, profile.faces())),
        format!(
            "- Images that may have text burned in: {}.",
            words::burned_in(&ENGLISH, profile.burned_in())
        ),
    ];
    let devices = profile.devices().iter().map(|device| {
        format!("- Device {}. Because: {}", words::device(&ENGLISH, device), device.because)
    });
    lines.extend(devices);
    lines.push(
        "- Under every profile, what no viewer shows is dropped: bits outside Bits Stored, bytes \
         behind the last frame, comments and application segments of codestreams. What can't be \
         looked at stays inside."
            .to_owned(),
    );
    section("Pixel data", lines)
}

/// PS3.15 E.1.1, and how text is encoded.
fn said_by_the_object() -> String {
    let attribute = |tag: Tag, says: &str| {
        let name = standard::element(tag).map_or("", |element| element.keyword);
        row(&[name, &tag.to_string(), says])
    };
    let rows = [
        (tags::PATIENT_IDENTITY_REMOVED, "`YES`"),
        (
            tags::DEIDENTIFICATION_METHOD,
            "version of efface, edition of PS3.15, name and digest of the profile",
        ),
        (
            tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
            "113100, and of the options in force those that decided about something in this object",
        ),
        (
            tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
            "`REMOVED`, `UNMODIFIED` or `MODIFIED`, as dates left",
        ),
        (
            tags::RECOGNIZABLE_VISUAL_FEATURES,
            "`NO` if a face was removed and the removal checked, `YES` if one may have left or its bones stayed, else absent",
        ),
        (
            tags::BURNED_IN_ANNOTATION,
            "`NO` if text was blanked or its device writes none, else as it came",
        ),
        (
            tags::SPECIFIC_CHARACTER_SET,
            "`ISO_IR 192`: all text leaves in UTF-8, whatever it came in",
        ),
    ];
    let rows = rows.into_iter().map(|(tag, says)| attribute(tag, says));
    section(
        "What an object says of itself (PS3.15 E.1.1)",
        table(&["Attribute", "Tag", "Value"], rows),
    )
}

fn sop_classes(profile: &Profile) -> String {
    let mut classes: Vec<&SopClass> = standard::sop_classes().values().collect();
    classes.sort_unstable_by_key(|class| class.keyword);
    let rows = classes
        .into_iter()
        .map(|class| row(&[class.keyword, class.uid, &gate_says(profile, class)]));
    let mut lines = vec![
        "What the gate says of an object with pixels that claims nothing else and comes from a \
         device without a rule; other SOP Classes are not accepted."
            .to_owned(),
        String::new(),
    ];
    lines.extend(table(&["Storage SOP Class", "UID", "Treatment"], rows));
    section("SOP Classes", lines)
}

/// The gate is asked; nothing here knows its rules.
fn gate_says(profile: &Profile, class: &SopClass) -> String {
    let mut without_text = Dataset::new();
    without_text.put_text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
    let verdict = |source: &Dataset| Facts::of(source, class.uid, true).decide(profile);
    let (silent, clean) = (verdict(&Dataset::new()), verdict(&without_text));
    match silent == clean {
        true => in_words(&silent),
        false => {
            let said = "if Burned In Annotation (0028,0301) is NO";
            format!("{}; {said}: {}", in_words(&silent), in_words(&clean))
        }
    }
}

fn in_words(verdict: &Verdict) -> String {
    let duty = match verdict {
        Verdict::Withhold(code, why) => return format!("stays inside: {why} ({})", code.name()),
        Verdict::Pass(duty) => duty,
    };
    match duty.face {
        FaceDuty::None => "leaves de-identified",
        FaceDuty::Left => "leaves de-identified, with the face that it may show",
        FaceDuty::Clear => {
            "leaves when it is proven to show no face, or the face was removed and that was checked"
        }
        FaceDuty::Cut => {
            "leaves with contours cut where the face was removed from the images that they were drawn on"
        }
    }
    .to_owned()
}
