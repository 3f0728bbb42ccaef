//! The words for what becomes of elements and settings: a table for each language that people read.
//!
//! `{}` stands for a number, or for what a profile says itself. Names of the standard and of the profile language stay as they are.

/// Puts values where a phrase has `{}`, one after the other.
pub fn fill(phrase: &str, values: &[&dyn std::fmt::Display]) -> String {
    let mut parts = phrase.split("{}");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (part, value) in parts.zip(values) {
        text += &value.to_string();
        text += part;
    }
    text
}

macro_rules! vocabulary {
    ($($key:ident: $english:literal;)*) => {
        /// What is said of a profile, in one language. A table that lacks a phrase does not compile.
        #[derive(Debug)]
        pub struct Vocabulary {
            $(#[doc = concat!("\"", $english, "\"")] pub $key: &'static str,)*
        }

        /// In English: what commands print, and what stands in the log.
        pub static ENGLISH: Vocabulary = Vocabulary { $($key: $english,)* };

        impl Vocabulary {
            /// All phrases, in one order for each language.
            pub fn phrases(&self) -> Vec<&'static str> {
                vec![$(self.$key,)*]
            }
        }
    };
}

vocabulary! {
    pseudonym: "replaced by a pseudonym of the project";
    own_statement: "replaced by efface's own statement of what it did";
    own_statement_no: "replaced by efface's own statement: NO where a face was removed and that was checked";
    own_statement_bones: "replaced by efface's own statement: YES where facial bones stayed, NO where the whole face was removed";
    own_statement_yes: "replaced by efface's own statement: YES where a face may be seen";
    pixels: "pixels, under the profile's words about faces, burned-in text and devices";
    removed: "removed";
    emptied: "emptied";
    dummy: "replaced by a dummy";
    dummy_item: "replaced by a dummy item, or removed where there is none";
    replaced: "replaced by {}";
    hashed: "replaced by a keyed hash of {} characters";
    cut_down: "cut down to the words that the rule lists ({})";
    looked_up: "looked up in the rule's table of {} values";
    shifted: "dates shifted by the patient's days";
    year_only: "dates cut to the year";
    age_cap: "ages above {} years become {}";
    rounded: "numbers rounded to multiples of {}";
    items_stay: "its items stay, each element by its own rule";
    items_cleaned: "its items are cleaned, each element by its own rule";
    mapped: "mapped to a pseudonymous UID, unless it is a registered one";
    kept: "kept";
    kept_without_people: "kept, but for what identifies the people of the study";
    utf8: "ISO_IR 192: all text leaves in UTF-8";
    cleaned: "cleaned: words that cannot identify stay";
    moved: "moved back by the patient's number of days";
    year: "cut to the year";

    option_on: "option {} ({}): now in force";
    option_off: "option {} ({}): no longer in force";
    differs: "{}: {} -> {}";
    dates: "dates";
    dates_none: "none leaves";
    dates_full: "as they are";
    dates_moved: "moved back by a number of days that is the same for all of a patient's";
    pseudonyms: "pseudonyms";
    keyed: "a keyed hash of the identifiers, the same wherever the key is";
    random: "random, remembered in the crosswalk";
    faces: "faces";
    faces_removed: "removed, or the series stays inside";
    faces_removed_to_bones: "removed, in CT down to the facial bones, which stay, or the series stays inside";
    faces_withheld: "what may show one stays inside";
    leave: "leave";
    burned_in: "burned-in text";
    burned_in_withheld: "stay inside, unless a device rule covers them or they credibly say that there is none";
    device_gone: "device no longer given: {}";
    device_new: "device now given: {}";
    reason_gone: "reason no longer given: {}";
    reason_new: "reason now given: {}";
    station: "station";
    nothing_to_blank: "nothing to blank";
    blank: "blank {} x {} at column {}, row {}";
    in_frames: " in frames {} to {}";

    or: " or ";
    other_classes: "other SOP classes";
    kinds_of_object: "{} kinds of object";
    modality: "modality {}";
    other_modalities: "other modalities";
    at_top_level: "at top level";
    in_items: "in items of sequences";

    did_not_leave: "did not leave";
    does_not_leave: "does not leave";
    by: "{}, by {}";
    because: ", because: {}";
    by_line: "rule in line {}";
    by_rule: "rule";
    by_option: "option {}";
    by_dates: "dates: keep: year";
    by_table: "Table E.1-1";
    by_group: "private, curve, overlay and signature groups go";
    unknown: "not in the standard's dictionary";
    representation: "its value representation";
    nothing_against: "nothing speaks against it";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_a_phrase_has_room_for_them() {
        assert_eq!(fill(ENGLISH.age_cap, &[&89, &90]), "ages above 89 years become 90");
        assert_eq!(fill(ENGLISH.replaced, &[&"{}"]), "replaced by {}", "a value is no phrase");
        assert_eq!(fill("nothing", &[&1]), "nothing");
    }
}
