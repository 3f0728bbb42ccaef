//! What is written on pages, in each language. A table a page; a word that is missing in one does not compile.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

impl Language {
    /// BCP 47.
    pub fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Fr => "fr",
        }
    }

    pub(super) fn of_code(code: &str) -> Option<Self> {
        [Language::En, Language::Fr].into_iter().find(|language| language.code() == code)
    }

    /// The first of those that a browser accepts (RFC 9110 12.5.4; browsers write them in their order).
    pub(super) fn accepted(header: &str) -> Option<Self> {
        header.split(',').find_map(|range| {
            let tag = range.split(';').next()?.trim();
            Language::of_code(tag.split('-').next()?)
        })
    }

    /// One of two.
    pub(super) fn pick<T>(self, english: T, french: T) -> T {
        match self {
            Language::En => english,
            Language::Fr => french,
        }
    }
}

/// Defines the words of a page: `name: "English" | "French";`.
macro_rules! words {
    ($name:ident { $($key:ident: $english:literal | $french:literal;)* }) => {
        pub(super) struct $name {
            $(pub(super) $key: &'static str,)*
        }

        impl $name {
            pub(super) fn of(language: $crate::console::web::words::Language) -> &'static Self {
                static EN: $name = $name { $($key: $english,)* };
                static FR: $name = $name { $($key: $french,)* };
                language.pick(&EN, &FR)
            }
        }
    };
}
pub(super) use words;

words! {
    Common {
        flow: "Flow" | "Flux";
        audit: "Audit" | "Journal";
        profiles: "Profiles" | "Profils";
        quarantine: "Quarantine" | "Quarantaine";
        registers: "Registers" | "Registres";
        requests: "Two people" | "À deux";
        password: "Your password" | "Votre mot de passe";
        done: "Done" | "C’est fait";
        sign_out: "Sign out" | "Se déconnecter";
        skip: "Skip to the content" | "Aller au contenu";
        command: "The same as a command:" | "La même chose en commande :";
        find: "Find a study" | "Chercher un examen";
        find_hint: "batch, or Study Instance UID as it came or left" | "lot, ou Study Instance UID à l’entrée ou à la sortie";
        other_language: "Français" | "English";
        none: "none" | "aucun";
        back: "Back" | "Retour";
        because: "Reason" | "Motif";
        destination: "Destination" | "Destination";
        instances: "Instances" | "Instances";
        time: "Time" | "Heure";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_first_language_that_it_accepts_and_that_there_is() {
        assert_eq!(Language::accepted("de-AT,fr-CH;q=0.8,en;q=0.5"), Some(Language::Fr));
        assert_eq!(Language::accepted("en-GB"), Some(Language::En));
        assert_eq!(Language::accepted("de, *;q=0.1"), None);
        assert_ne!(Common::of(Language::En).flow, Common::of(Language::Fr).flow);
    }
}
