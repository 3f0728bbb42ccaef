//! What is said of profiles, in each language: what becomes of elements, and by whose word.

use super::words::Language;
use crate::profile::words::{ENGLISH, Vocabulary};

/// The words for a person.
pub(super) fn of(language: Language) -> &'static Vocabulary {
    language.pick(&ENGLISH, &FRENCH)
}

static FRENCH: Vocabulary = Vocabulary {
    pseudonym: "remplacé par un pseudonyme du projet",
    own_statement: "remplacé par ce qu’efface déclare avoir fait",
    own_statement_no: "remplacé par ce qu’efface déclare : NO où un visage a été retiré et que cela a été vérifié",
    own_statement_bones: "remplacé par ce qu’efface déclare : YES où des os du visage sont restés, NO où tout le visage a été retiré",
    own_statement_yes: "remplacé par ce qu’efface déclare : YES où un visage peut se voir",
    pixels: "pixels, selon ce que le profil dit des visages, du texte incrusté et des appareils",
    removed: "supprimé",
    emptied: "vidé",
    dummy: "remplacé par une valeur neutre",
    dummy_item: "remplacé par un item neutre, ou supprimé s’il n’y en a pas",
    replaced: "remplacé par {}",
    hashed: "remplacé par un hachage à clé de {} caractères",
    cut_down: "réduit aux mots de la liste de la règle ({})",
    looked_up: "cherché dans la table de la règle ({} valeurs)",
    shifted: "dates décalées du nombre de jours du patient",
    year_only: "dates réduites à l’année",
    age_cap: "les âges de plus de {} ans deviennent {}",
    rounded: "nombres arrondis à des multiples de {}",
    items_stay: "ses items restent, chaque élément selon sa propre règle",
    items_cleaned: "ses items sont nettoyés, chaque élément selon sa propre règle",
    mapped: "remplacé par un UID pseudonyme, sauf s’il est enregistré",
    kept: "gardé",
    kept_without_people: "gardé, sauf ce qui identifie les personnes de l’examen",
    utf8: "ISO_IR 192 : tout texte sort en UTF-8",
    cleaned: "nettoyé : les mots qui ne peuvent identifier restent",
    moved: "reculé du nombre de jours du patient",
    year: "réduit à l’année",

    option_on: "option {} ({}) : en vigueur désormais",
    option_off: "option {} ({}) : plus en vigueur",
    differs: "{} : {} -> {}",
    dates: "dates",
    dates_none: "aucune ne sort",
    dates_full: "telles quelles",
    dates_moved: "reculées d’un nombre de jours, le même pour toutes celles d’un patient",
    pseudonyms: "pseudonymes",
    keyed: "un hachage à clé des identifiants, le même partout où est la clé",
    random: "aléatoires, retenus dans la table de correspondance",
    faces: "visages",
    faces_removed: "retirés, ou la série reste à l’intérieur",
    faces_removed_to_bones: "retirés, en scanner jusqu’aux os du visage, qui restent, ou la série reste à l’intérieur",
    faces_withheld: "ce qui peut en montrer un reste à l’intérieur",
    leave: "sortent",
    burned_in: "texte incrusté",
    burned_in_withheld: "restent à l’intérieur, sauf si une règle d’appareil les couvre ou si elles disent de façon crédible qu’il n’y en a pas",
    device_gone: "appareil qui n’est plus cité : {}",
    device_new: "appareil désormais cité : {}",
    reason_gone: "motif qui n’est plus donné : {}",
    reason_new: "motif désormais donné : {}",
    station: "poste",
    nothing_to_blank: "rien à masquer",
    blank: "masquer {} x {} à la colonne {}, ligne {}",
    in_frames: " dans les images {} à {}",

    or: " ou ",
    other_classes: "autres classes SOP",
    kinds_of_object: "{} sortes d’objets",
    modality: "modalité {}",
    other_modalities: "autres modalités",
    at_top_level: "au premier niveau",
    in_items: "dans les items de séquences",

    did_not_leave: "ne sortait pas",
    does_not_leave: "ne sort pas",
    by: "{}, selon : {}",
    because: ", motif : {}",
    by_line: "règle à la ligne {}",
    by_rule: "règle",
    by_option: "option {}",
    by_dates: "dates: keep: year",
    by_table: "tableau E.1-1",
    by_group: "les groupes privés, de courbes, d’overlays et de signatures disparaissent",
    unknown: "absent du dictionnaire de la norme",
    representation: "sa représentation de valeur",
    nothing_against: "rien ne s’y oppose",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::language::tests::HEAD;
    use crate::profile::{SHIPPED, language};
    use crate::view::profile::{Diff, diff};

    #[test]
    fn phrases_take_as_much_in_french_and_are_as_different() {
        let (english, french) = (ENGLISH.phrases(), FRENCH.phrases());
        for (n, (one, other)) in english.iter().zip(&french).enumerate() {
            let room = |phrase: &str| phrase.matches("{}").count();
            assert_eq!(room(one), room(other), "{one} | {other}");
            // Two effects that are called alike would be no change.
            for (m, same) in french.iter().enumerate().skip(n + 1) {
                assert!(same != other || english[m] == *one, "{one} and {}: {other}", english[m]);
            }
        }
    }

    #[test]
    fn nothing_of_a_diff_is_english_for_a_french_reader() {
        let rules = "rules:\n  - { keyword: PatientAge, age_cap: 89, because: \"les âges sont utiles\" }\n  - { keyword: Modality, action: X, when: { modality: [CT] } }\n  - { keyword: Manufacturer, replace: \"XX\" }\n";
        let texts = SHIPPED.iter().map(|(_, text)| (*text).to_owned());
        let profiles: Vec<_> = texts
            .chain([format!("{HEAD}{rules}")])
            .map(|text| language::parse("p", &text).unwrap_or_else(|error| panic!("{error}")))
            .collect();
        let french = FRENCH.phrases().join("; ");
        let parts = ENGLISH.phrases().into_iter().flat_map(|phrase| phrase.split("{}"));
        // What is short may be a part of a French word.
        let is_english = |part: &&str| part.chars().count() > 6 && !french.contains(part);
        let parts: Vec<&str> = parts.filter(is_english).collect();
        let mut said = String::new();
        for (n, one) in profiles.iter().enumerate() {
            for other in &profiles[n + 1..] {
                let Diff { settings, reasons, groups, .. } =
                    diff(&FRENCH, ("a", one), ("b", other), false);
                // Reasons are as somebody wrote them.
                let reasons = reasons.len();
                said += &format!("{settings:?}{reasons}");
                for heading in groups.iter().flat_map(|group| &group.headings) {
                    let because = |text: &str| text.split(", motif : ").next().unwrap().to_owned();
                    said += &(because(&heading.after) + &because(&heading.before));
                    heading.elements.iter().for_each(|element| said += &element.places);
                }
            }
        }
        for part in parts {
            assert!(!said.contains(part), "{part}");
        }
        for phrase in [FRENCH.kept, FRENCH.does_not_leave, FRENCH.by_table, FRENCH.faces_removed] {
            assert!(said.contains(phrase), "{phrase} is said in none");
        }
    }
}
