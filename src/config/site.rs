//! `site_policy:`, what the site allows of destinations, and `register:`, what is known of each (residency.rs).

use super::Settling;
use super::values::value;
use crate::residency::{Country, EEA, Entry, Scheme, SitePolicy, WARN_DAYS};
use crate::standard::{Annex, sop_classes};
use crate::yaml::suggestion;
use serde::Deserialize;
use serde_yaml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSitePolicy {
    countries: Spanned<Vec<Spanned<String>>>,
    no_third_country_parent: Option<bool>,
    #[serde(default)]
    certifications: Vec<Scheme>,
    warn_days: Option<Spanned<u64>>,
}

impl Settling<'_> {
    pub(super) fn site_policy(&mut self, raw: &RawSitePolicy) -> SitePolicy {
        if raw.countries.value.is_empty() {
            self.notes.at(&raw.countries, "name at least one country, or EEA");
        }
        let mut countries = Vec::new();
        for text in &raw.countries.value {
            let named = match text.value.as_str() {
                "EEA" => EEA.iter().map(|country| country.parse::<Country>()).collect(),
                country => country.parse::<Country>().map(|country| vec![country]),
            };
            match named {
                Ok(named) => countries.extend(named),
                Err(must) => self.notes.at(text, must),
            }
        }
        SitePolicy {
            countries,
            no_third_country_parent: raw.no_third_country_parent.unwrap_or(true),
            certifications: raw.certifications.clone(),
            warn_days: value(&raw.warn_days, WARN_DAYS),
        }
    }

    /// Names in an entry that nothing has would allow nothing.
    pub(super) fn entry(&mut self, raw: &Spanned<Entry>) -> Entry {
        let classes = sop_classes();
        for unknown in
            raw.value.sop_classes.iter().filter(|uid| !classes.contains_key(uid.as_str()))
        {
            let what = format!("sop_classes: {unknown} is no Storage SOP Class UID of PS3.4 B.5");
            self.notes.at(raw, what);
        }
        let options = raw.value.options.iter().flatten();
        for unknown in options.filter(|name| Annex::from_name(name).is_none()) {
            let hint = suggestion(unknown, Annex::ALL.into_iter().map(Annex::name));
            let what = format!("options: {unknown} is no option of CID 7050{hint}");
            self.notes.at(raw, what);
        }
        raw.value.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::tests::{GOOD, mistakes};
    use std::path::Path;

    #[test]
    fn a_site_policy_is_for_all_destinations_and_an_entry_for_one() {
        let entry = "{ legal_entity: Lab SAS, hosting_country: NO, remote_access: [], role: processor,\n      \
                     certifications: [{ scheme: ISO 27001, until: 2027-01-01 }], options: [Clean Descriptors],\n      \
                     sop_classes: [1.2.840.10008.5.1.4.1.1.2] }";
        let with = |entry: &str, policy: &str| {
            let text =
                GOOD.replace("profile: basic }", &format!("profile: basic, register: {entry} }}"));
            format!("{text}{policy}")
        };
        let policy = "site_policy: { countries: [EEA, CH], certifications: [HDS] }\n";
        let settings = parse(Path::new("efface.yaml"), &with(entry, policy)).unwrap();
        let residency = &settings.destinations[0].residency;
        let policy = residency.policy.as_ref().unwrap();
        assert_eq!((policy.countries.len(), policy.no_third_country_parent), (31, true));
        assert_eq!(residency.entry.as_ref().unwrap().legal_entity.as_deref(), Some("Lab SAS"));
        for (entry, policy, words) in [
            ("{ hosting_country: france }", "", "ISO 3166-1"),
            ("{ hosting: FR }", "", "hosting"),
            ("{ sop_classes: [1.2.3] }", "", "no Storage SOP Class"),
            ("{ options: [Clean Descriptor] }", "", "Clean Descriptors?"),
            ("{}", "site_policy: { countries: [] }\n", "at least one country"),
            ("{}", "site_policy: { countries: [UK] }\n", "GB in ISO 3166-1"),
        ] {
            let said = mistakes(&with(entry, policy));
            assert!(said.contains(words), "{said}");
        }
    }
}
