//! `efface profile explain`: one element, one kind of object, and why.

use super::{Problem, by, load, print_json, rule_in_words};
use crate::dicom::dataset::is_text;
use crate::profile::words::{ENGLISH, cleaning_sequences, effect, is_written};
use crate::profile::{Ground, ObjectKind, Profile, Subject, is_always_removed};
use crate::standard::{self, Action, Annex, SopClass};
use crate::yaml::suggestion;
use clap::Args;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use serde::Serialize;
use std::process::ExitCode;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  efface profile explain basic PatientBirthDate\n  efface profile explain lab.yaml \"(0018,1030)\" --sop MR --nested\n  efface profile explain lab.yaml \"(0019,xx0C)\" --creator \"SIEMENS MR HEADER\""
)]
pub struct ExplainArgs {
    /// Profile file, or the name of a shipped one
    profile: String,
    /// Keyword, or tag as (gggg,eeee)
    tag: String,
    /// Storage SOP Class: keyword, UID, or short like CT, MR, PT, US, SR, RTSTRUCT
    #[arg(long, value_name = "CLASS", default_value = "CT")]
    sop: String,
    /// Modality (0008,0060); by default the usual one of the SOP class
    #[arg(long, value_name = "CT")]
    modality: Option<String>,
    /// In an item of a sequence, not at top level
    #[arg(long)]
    nested: bool,
    /// Private Creator of the block, for private elements
    #[arg(long, value_name = "NAME")]
    creator: Option<String>,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// What people call the commonest SOP classes: short name, keyword, usual modality.
const SHORT: [(&str, &str, &str); 21] = [
    ("CT", "CTImageStorage", "CT"),
    ("MR", "MRImageStorage", "MR"),
    ("PT", "PositronEmissionTomographyImageStorage", "PT"),
    ("NM", "NuclearMedicineImageStorage", "NM"),
    ("US", "UltrasoundImageStorage", "US"),
    ("CR", "ComputedRadiographyImageStorage", "CR"),
    ("DX", "DigitalXRayImageStorageForPresentation", "DX"),
    ("MG", "DigitalMammographyXRayImageStorageForPresentation", "MG"),
    ("XA", "XRayAngiographicImageStorage", "XA"),
    ("RF", "XRayRadiofluoroscopicImageStorage", "RF"),
    ("SC", "SecondaryCaptureImageStorage", "OT"),
    ("SR", "EnhancedSRStorage", "SR"),
    ("KO", "KeyObjectSelectionDocumentStorage", "KO"),
    ("PR", "GrayscaleSoftcopyPresentationStateStorage", "PR"),
    ("SEG", "SegmentationStorage", "SEG"),
    ("REG", "SpatialRegistrationStorage", "REG"),
    ("RTSTRUCT", "RTStructureSetStorage", "RTSTRUCT"),
    ("RTPLAN", "RTPlanStorage", "RTPLAN"),
    ("RTDOSE", "RTDoseStorage", "RTDOSE"),
    ("RTIMAGE", "RTImageStorage", "RTIMAGE"),
    ("ECG", "TwelveLeadECGWaveformStorage", "ECG"),
];

/// Explains.
///
/// # Errors
/// A profile, element or SOP class that isn't one.
pub fn run(args: &ExplainArgs) -> Result<ExitCode, Problem> {
    let profile = load(&args.profile)?;
    let (tag, vr, name) = element(&args.tag, args.creator.as_deref())?;
    let (class, usual) = sop_class(&args.sop)?;
    let modality = args.modality.as_deref().unwrap_or(usual);
    let question = Question {
        profile: &profile,
        file: &args.profile,
        class,
        object: ObjectKind { sop_class: class.uid, modality },
        subject: Subject {
            tag,
            vr: vr.unwrap_or(VR::LO),
            top_level: !args.nested,
            creator: args.creator.as_deref(),
        },
    };
    let name = vr.map_or_else(|| name.clone(), |vr| format!("{name}, VR {vr}"));
    let depth = if args.nested { "in an item of a sequence" } else { "at top level" };
    let modality = if modality.is_empty() { "no modality" } else { modality };
    let mut said = Said::default();
    let looked_at = format!("in {} ({}), modality {modality}, {depth}", class.keyword, class.uid);
    said.say("looked at", &looked_at);
    question.answer(&mut said);
    if args.json {
        print_json(&Explained { element: name, said: said.0 })?;
    } else {
        println!("{name}");
        said.0.iter().for_each(|(what, words)| println!("  {what:17} {words}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// An element, and what is said of it.
#[derive(Serialize)]
struct Explained {
    element: String,
    said: Vec<(&'static str, String)>,
}

#[derive(Default)]
struct Said(Vec<(&'static str, String)>);

impl Said {
    fn say(&mut self, what: &'static str, words: &str) {
        self.0.push((what, words.to_owned()));
    }
}

struct Question<'a> {
    profile: &'a Profile,
    file: &'a str,
    class: &'static SopClass,
    object: ObjectKind<'a>,
    subject: Subject<'a>,
}

impl Question<'_> {
    fn answer(&self, said: &mut Said) {
        let Question { profile, object, subject, .. } = self;
        let Subject { tag, vr, top_level, .. } = *subject;
        let decision = profile.decide(object, subject);
        let words = effect(&ENGLISH, profile, tag, vr, top_level, decision).words;
        said.say("what happens", &words);
        if top_level && is_written(tag) {
            said.say("who decides", "efface itself writes this element, whatever the profile says");
        } else {
            let action = match decision.ground {
                Ground::Rule(_) => String::new(),
                _ => format!(": {}", decision.treatment),
            };
            said.say("who decides", &format!("{}{action}", self.by(decision.ground)));
        }
        if let Ground::Rule(n) = decision.ground {
            let rule = profile.rules().get(usize::from(n));
            if let Some(because) = rule.and_then(|rule| rule.because.as_ref()) {
                said.say("because", because);
            }
        }
        if let Some(cell) = self.cell() {
            said.say("its cell", &cell);
        }
        if let Ground::Rule(_) = decision.ground {
            let without = profile.decide_without_rules(object, subject);
            let words = effect(&ENGLISH, profile, tag, vr, top_level, without).words;
            said.say("without the rule", &format!("{words}: {}", self.by(without.ground)));
        }
        let within = [tags::TEXT_VALUE, tags::UNFORMATTED_TEXT_VALUE].contains(&tag);
        let stays = decision.treatment.action() == Action::K && is_text(vr);
        let cleaning: Vec<_> = cleaning_sequences(profile).map(Annex::name).collect();
        let differs = stays || within && decision.ground == Ground::Table;
        if !top_level && differs && !cleaning.is_empty() {
            let options = cleaning.join(", ");
            said.say(
                "but",
                &format!("in sequences that these options clean, it is cleaned: {options}"),
            );
        }
        self.other_rules(decision.ground, said);
    }

    fn by(&self, ground: Ground) -> String {
        let Subject { tag, vr, creator, .. } = self.subject;
        match ground {
            Ground::Table => format!("Table E.1-1 of PS3.15 {}", standard::EDITION),
            Ground::Option(option) if standard::basic_cell(tag).is_some() => {
                format!("option {option} ({}), its column of Table E.1-1", option.code())
            }
            Ground::Option(option) => format!("option {option} ({})", option.code()),
            Ground::Group if standard::is_repeating_group(tag) => {
                "curve and overlay groups go, always".to_owned()
            }
            Ground::Group if is_always_removed(tag) => {
                "signatures and what holds encrypted or original values go, always".to_owned()
            }
            Ground::Group if creator.is_none() => {
                "closed world: private elements go (name its block's creator with --creator)"
                    .to_owned()
            }
            Ground::Group => "closed world: private elements go unless a rule, or an option for \
                              safe ones, lets them stay"
                .to_owned(),
            Ground::Unknown => {
                "closed world: the standard's dictionary does not know it, so it goes".to_owned()
            }
            Ground::Representation if standard::unlisted::is_free_text(tag) => {
                "closed world: Table E.1-1 does not list it, and it is free text".to_owned()
            }
            Ground::Representation => format!(
                "closed world: Table E.1-1 does not list it, and VR {vr} is made for what identifies"
            ),
            Ground::Known => format!(
                "in the standard's dictionary, not in Table E.1-1, and VR {vr} is not made for what identifies"
            ),
            Ground::Rule(_) | Ground::Dates => by(self.profile, self.file, ground),
        }
    }

    /// The table's cell as printed, and what became of a composite one.
    fn cell(&self) -> Option<String> {
        let Subject { tag, top_level, .. } = self.subject;
        let cell = standard::basic_cell(tag)?;
        let action = standard::basic_action(self.object.sop_class, top_level, tag)?;
        if !cell.contains('/') {
            return Some(format!("{cell} ({})", action.meaning()));
        }
        let by_type = standard::composite_action(self.object.sop_class, tag);
        let why = match by_type {
            Some(_) if top_level && action != Action::U => {
                format!("by the attribute's Type in {}", self.class.keyword)
            }
            _ if action == Action::U => "references are kept, with their UIDs mapped".to_owned(),
            _ if !top_level => {
                "in items the Type is not looked up: this is legal for every Type".to_owned()
            }
            _ => format!("{} does not have it: this is legal for every Type", self.class.keyword),
        };
        Some(format!("{cell}, here {} ({}): {why}", action.letter(), action.meaning()))
    }

    /// Rules that are about the element too, and why they don't decide.
    fn other_rules(&self, ground: Ground, said: &mut Said) {
        let open = !is_always_removed(self.subject.tag);
        for (n, rule) in self.profile.rules().iter().enumerate() {
            if !open || !rule.about.fits(&self.subject) || ground == Ground::Rule(n as u16) {
                continue;
            }
            let why = match rule.when.holds(&self.object) {
                true => "an earlier rule decides",
                false => "not in such an object",
            };
            said.say("not used", &format!("{} ({why})", rule_in_words(rule, self.file)));
        }
    }
}

/// Tag, VR where it is known, and name of what a person typed.
fn element(text: &str, creator: Option<&str>) -> Result<(Tag, Option<VR>, String), Problem> {
    let Some(tag) = parse_tag(text) else {
        let found = standard::element_by_keyword(text).ok_or_else(|| {
            let hint = suggestion(text, standard::elements().iter().map(|e| e.keyword));
            let wrong_tag = text.contains([',', '(']);
            let form = if wrong_tag { "; a tag is written (gggg,eeee)" } else { "" };
            format!("the standard has no element {text:?}{hint}{form}")
        })?;
        return Ok((found.tag, Some(found.vr), format!("{} {}", found.keyword, found.tag)));
    };
    let Tag(group, number) = tag;
    if group % 2 == 1 {
        let low = (number & 0xFF) as u8;
        let vr = creator.and_then(|creator| standard::safe_private_vr(creator, group, low));
        let of = creator.map_or(String::new(), |creator| format!(" of {creator:?}"));
        return Ok((tag, vr, format!("private element ({group:04X},xx{low:02X}){of}")));
    }
    Ok(match standard::element(tag) {
        Some(known) => (tag, Some(known.vr), format!("{} {tag}", known.keyword)),
        None => (tag, None, format!("an element that the dictionary does not know, {tag}")),
    })
}

/// `(gggg,eeee)`, with or without parentheses; `xx` stands for the block of a private element.
fn parse_tag(text: &str) -> Option<Tag> {
    let inner = text.trim().trim_start_matches('(').trim_end_matches(')');
    let (group, number) = inner.split_once(',')?;
    let number = number.trim().to_lowercase().replacen("xx", "10", 1);
    let hex = |digits: &str| (digits.len() == 4).then(|| u16::from_str_radix(digits, 16).ok())?;
    Some(Tag(hex(group.trim())?, hex(&number)?))
}

/// A Storage SOP Class and its usual modality, empty where there isn't one.
fn sop_class(name: &str) -> Result<(&'static SopClass, &'static str), Problem> {
    let short = SHORT.iter().find(|(short, ..)| short.eq_ignore_ascii_case(name));
    let keyword = short.map_or(name, |(_, keyword, _)| keyword);
    let classes = standard::sop_classes();
    let found = classes.values().find(|class| class.keyword == keyword || class.uid == keyword);
    let class = found.ok_or_else(|| {
        let hint = suggestion(name, classes.values().map(|class| class.keyword));
        format!("efface takes no Storage SOP Class {name:?}{hint}")
    })?;
    let usual = SHORT.iter().find(|(_, keyword, _)| *keyword == class.keyword);
    Ok((class, usual.map_or("", |(.., modality)| modality)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_name_is_a_class_that_efface_takes() {
        for (short, keyword, modality) in SHORT {
            let (class, usual) = sop_class(&short.to_lowercase()).unwrap();
            assert_eq!((class.keyword, usual), (keyword, modality));
            assert_eq!(sop_class(class.uid).unwrap().0.keyword, keyword);
        }
        assert!(sop_class("CTImageStorag").unwrap_err().to_string().contains("CTImageStorage?"));
    }

    #[test]
    fn elements_are_named_in_several_ways() {
        for text in ["StudyDescription", "(0008,1030)", "0008,1030", "(0008, 1030)"] {
            assert_eq!(element(text, None).unwrap().0, Tag(0x0008, 0x1030), "{text}");
        }
        assert_eq!(parse_tag("(0019,xx0C)"), Some(Tag(0x0019, 0x100C)));
        assert_eq!(parse_tag("(0019,100c)"), Some(Tag(0x0019, 0x100C)));
        for wrong in ["(19,0C)", "(0019)", "(001g,0000)", "(éé,0000)"] {
            assert_eq!(parse_tag(wrong), None, "{wrong}");
        }
        let said = element("PatientBirthdate", None).unwrap_err().to_string();
        assert!(said.contains("PatientBirthDate?"), "{said}");
    }
}
