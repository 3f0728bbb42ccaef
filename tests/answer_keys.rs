//! Answer keys of others: what another de-identifier makes of an object, element by element, and what
//! efface makes of the same one.
//!
//! The keys are the tests of Microsoft's Tools for Health Data Anonymization (`../shared/data`): inputs,
//! rule files and expected outputs. What a rule file means for an element is read off the expected
//! output: gone, changed or kept. Without the files every test says SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use dicom_core::header::Header;
use dicom_core::value::Value;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::{InMemDicomObject, OpenFileOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::gateway::{LEAVE_FACES, Site, efface, printed};
use support::{files, shared};

const ARCHIVE: &str = "data/deid_expected_microsoft/ms_dicom_anon.tar.xz";
const TESTS: &str = "src/Microsoft.Health.Dicom.Anonymizer.CommandLineTool.UnitTests";
const TEXT_LEAVES: &str = "leave: { faces: { because: \"answer keys, nobody is in them\" }, burned_in_text: { because: \"answer keys, nobody is in them\" } }\n";

/// What a key and a profile of efface are about: the same policy, as far as both can say it.
struct Pair {
    input: &'static str,
    expected: &'static str,
    /// The profile's lines after those that let the pixels leave.
    profile: &'static str,
    /// Which elements the key decides about with this profile.
    about: fn(VR) -> bool,
}

#[rustfmt::skip]
const PAIRS: [Pair; 5] = [
    // Rules for each element of the Basic Profile, "redact" or "remove".
    Pair { input: "I290", expected: "I290", profile: "", about: |_| true },
    Pair { input: "I341", expected: "I341", profile: "", about: |_| true },
    // The same keys move some dates.
    Pair { input: "I290", expected: "I290", profile: SHIFTED, about: is_date },
    Pair { input: "I341", expected: "I341", profile: SHIFTED, about: is_date },
    // "(0008,xxxx)": redact.
    Pair { input: "I341", expected: "I341-newConfig", profile: GROUP_8, about: |_| true },
];

const SHIFTED: &str =
    "options: [Retain Longitudinal Temporal Information Modified Dates, Clean Descriptors]\n";
// What an object is has to be said even so.
const GROUP_8: &str = "rules:\n  - { tag: \"(0008,xxxx)\", action: Z }\n";

fn is_date(vr: VR) -> bool {
    vr == VR::DA
}

/// How much of a value is left, from all to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Kept,
    Changed,
    /// Also: a dummy, a pseudonym, a UID that was mapped.
    Gone,
}

type Values = BTreeMap<Vec<Tag>, (VR, String)>;

/// The values of an object by the tags that lead to them; those of all items of a sequence together.
fn values(file: &Path) -> Values {
    let object = OpenFileOptions::new().read_until(tags::PIXEL_DATA).open_file(file).unwrap();
    let mut values = Values::new();
    gather(&object, &[], &mut values);
    values
}

fn gather(object: &InMemDicomObject, path: &[Tag], values: &mut Values) {
    for element in object {
        let path = [path, &[element.tag()]].concat();
        match element.value() {
            Value::Sequence(sequence) => {
                sequence.items().iter().for_each(|item| gather(item, &path, values));
            }
            Value::Primitive(value) => {
                let value = value.to_str().trim_matches([' ', '\0']).to_owned();
                let entry = values.entry(path).or_insert((element.vr(), String::new()));
                entry.1 += &value;
            }
            Value::PixelSequence(_) => {}
        }
    }
}

/// Terms of the standard, wherever they stand, identify nobody: classes, codes of DCM.
fn is_term(source: &Values, path: &[Tag], value: &str) -> bool {
    let (Some((last, around)), [scheme, meaning]) =
        (path.split_last(), [tags::CODING_SCHEME_DESIGNATOR, tags::CODE_MEANING])
    else {
        return false;
    };
    let of_code = [tags::CODE_VALUE, scheme, meaning].contains(last);
    let designator = source.get(&[around, &[scheme]].concat());
    value.starts_with("1.2.840.10008.") || of_code && designator.is_some_and(|d| d.1 == "DCM")
}

fn fate(source: &str, vr: VR, left: Option<&(VR, String)>) -> Fate {
    let Some((_, left)) = left.filter(|(_, left)| !left.is_empty()) else { return Fate::Gone };
    let dummy = ["REMOVED", "19000101", "000000", "19000101000000"].contains(&left.as_str());
    // Pseudonyms begin with the key's generation; nothing of what they stand for is in them.
    let pseudonym = left.len() == 18 && left.starts_with("A1") || vr == VR::UI && left != source;
    match (dummy || pseudonym, left == source) {
        (true, _) => Fate::Gone,
        (false, true) => Fate::Kept,
        (false, false) => Fate::Changed,
    }
}

fn name(path: &[Tag]) -> String {
    use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
    let keyword = |tag: &Tag| {
        StandardDataDictionary.by_tag(*tag).map_or(tag.to_string(), |e| e.alias().to_owned())
    };
    path.iter().map(keyword).collect::<Vec<_>>().join(" > ")
}

/// What efface lets leave of a file; `None`: it stays.
fn deid(site: &Site, input: &Path, out: &Path) -> Option<PathBuf> {
    let (input, out_) = (input.display().to_string(), out.display().to_string());
    let key = site.at("root.key");
    let arguments = ["--out", &out_, "--profile", &site.profile, "--key-file", &key];
    let output = efface(&[&["deid", &input][..], &arguments].concat());
    let left = files(out).pop();
    assert_eq!(output.status.code(), Some(i32::from(left.is_none())), "{}", printed(&output));
    left
}

fn unpacked(site: &Site) -> Option<PathBuf> {
    let archive = shared(ARCHIVE)?;
    let target = site.path("keys");
    std::fs::create_dir_all(&target).unwrap();
    let tar = Command::new("tar").arg("xJf").arg(archive).arg("-C").arg(&target).status();
    assert!(tar.is_ok_and(|status| status.success()));
    Some(target.join(TESTS))
}

#[test]
fn nothing_is_treated_less_strictly_than_the_keys_want() {
    let (mut agree, mut stricter, mut weaker) = (0, BTreeSet::new(), Vec::new());
    let mut scored = 0;
    for Pair { input, expected, profile, about } in PAIRS {
        let site = Site::with_profile(&format!("{TEXT_LEAVES}{profile}"));
        let Some(folder) = unpacked(&site) else { skip!("no ../shared/{ARCHIVE}") };
        let original = folder.join("DicomFiles").join(format!("{input}.dcm"));
        let left = deid(&site, &original, &site.path("out")).expect("it leaves");
        let key = values(&folder.join("DicomResults").join(format!("{expected}.dcm")));
        let (source, left) = (values(&original), values(&left));
        for (path, (vr, value)) in &source {
            if value.is_empty() || !about(*vr) || is_term(&source, path, value) {
                continue;
            }
            let (wanted, got) = (fate(value, *vr, key.get(path)), fate(value, *vr, left.get(path)));
            // With dates moved, only those are compared that the key moves too.
            if profile == SHIFTED && wanted != Fate::Changed {
                continue;
            }
            scored += 1;
            match got.cmp(&wanted) {
                std::cmp::Ordering::Equal => agree += 1,
                std::cmp::Ordering::Greater => {
                    stricter.insert(format!("{} ({wanted:?}, here {got:?})", name(path)));
                }
                std::cmp::Ordering::Less => {
                    weaker.push(format!("{expected}: {} ({wanted:?}, here {got:?})", name(path)));
                }
            }
        }
    }
    let fine = scored - weaker.len();
    println!("answer keys: {fine} of {scored} elements as strict as the key or stricter");
    println!("as the key: {agree}; stricter:\n  {}", Vec::from_iter(stricter).join("\n  "));
    assert!(scored > 200, "only {scored} elements were scored");
    assert!(agree > scored / 2, "efface and the keys hardly agree on anything: {agree}");
    assert!(weaker.is_empty(), "weaker than the key:\n{}", weaker.join("\n"));
}

/// The keys for private elements are about an object with elements in groups 0001 to 0007 and FFFF,
/// which PS3.5 7.1 and 7.8 keep free: it stays.
#[test]
fn an_object_with_illegal_private_groups_stays() {
    let site = Site::with_profile(LEAVE_FACES);
    let Some(folder) = unpacked(&site) else { skip!("no ../shared/{ARCHIVE}") };
    let input = folder.join("DicomFiles/privateTag.dcm");
    assert_eq!(deid(&site, &input, &site.path("out")), None);
}
