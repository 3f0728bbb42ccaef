//! The record of processing activities (GDPR Art. 30), as far as this gateway knows it: a sheet for each destination.

use super::super::page::Page;
use super::made;
use crate::config::{DestinationSettings, Settings};
use crate::residency::{Country, EEA, Entry, Residency, Role};
use std::fmt::Display;

/// Makes the sheets.
pub fn page(settings: &Settings) -> String {
    let mut page = Page::new("Record of processing: de-identified images for recipients outside");
    page.paragraph(
        "One sheet for each destination of the gateway, from its configuration (GDPR Art. 30). What the configuration does \
         not say is left open: fill it in there, not here.",
    );
    page.table(["", ""], site(settings));
    for destination in &settings.destinations {
        sheet(&mut page, destination, settings);
    }
    page.end(made())
}

fn site(settings: &Settings) -> Vec<[String; 2]> {
    let policy = settings.destinations.iter().find_map(|to| to.residency.policy.as_ref());
    let policy = policy.map_or_else(
        || "none: no destination needs an entry in the register".to_owned(),
        |policy| {
            let parent =
                if policy.no_third_country_parent { "; parent company there, too" } else { "" };
            let certified = list(&policy.certifications);
            let certified = if certified.is_empty() {
                String::new()
            } else {
                format!("; certified: {certified}")
            };
            format!("only {}{parent}{certified}", countries(&policy.countries))
        },
    );
    let kept = format!("{} h after every destination has them", settings.limits.retain_delivered_h);
    rows([
        ("Controller, and its data protection officer", String::new()),
        ("Whose data", "patients of whom images are sent through the gateway".to_owned()),
        ("Site policy", policy),
        ("Identified originals are kept inside", kept),
    ])
}

fn sheet(page: &mut Page, to: &DestinationSettings, settings: &Settings) {
    let nothing = Entry::default();
    let Residency { entry, .. } = &to.residency;
    let is_registered = entry.is_some();
    let entry = entry.as_ref().unwrap_or(&nothing);
    page.heading(&format!("Destination {}", to.name));
    if !is_registered {
        page.strong("It has no entry in the register of destinations.");
    }
    let options = list(&to.profile.options().iter().collect::<Vec<_>>());
    let options = if options.is_empty() { "no option".to_owned() } else { options };
    let certified = entry.certifications.iter();
    let certified =
        certified.map(|c| format!("{} until {}", c.scheme, c.until)).collect::<Vec<_>>();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let role = entry.role.map_or("", |role| match role {
        Role::Processor => "processor, on the hospital's instructions",
        Role::Controller => "controller of its own",
        Role::JointController => "joint controller",
    });
    let because = to.profile.reasons().join("; ");
    page.table(["", ""], rows([
        ("Recipient", text(&entry.legal_entity)),
        ("Role", role.to_owned()),
        ("Contact", text(&entry.contact)),
        ("Purpose", text(&entry.purpose)),
        ("Legal basis", text(&entry.legal_basis)),
        ("What it gets", format!(
            "DICOM objects, pseudonymized under the profile {} (PS3.15 Basic Application Level Confidentiality Profile with {options}), \
             under pseudonyms of the project {} that no other recipient has",
            to.profile.name(), to.project)),
        ("Weaker than the profile that it is based on, because", because),
        ("Where data lie", entry.hosting_country.map(String::from).unwrap_or_default()),
        ("Looked at or administered from", entry.remote_access.as_ref().map_or_else(String::new, |all| {
            if all.is_empty() { "nowhere else".to_owned() } else { countries(all) }
        })),
        ("Seat of the company that controls it", entry.parent_country.map(String::from).unwrap_or_default()),
        ("Third countries (GDPR Chapter V)", third_countries(entry)),
        ("Certified", certified.join(", ")),
        ("Permitted until", entry.authorised_until.map(String::from).unwrap_or_default()),
        ("Erasure there", String::new()),
        ("Security", format!(
            "identifiers are removed or replaced, faces removed from CT and MR of heads, the output is searched by an independent \
             verifier before it leaves; a signed log; identified originals deleted after {} h", settings.limits.retain_delivered_h)),
    ]));
}

fn third_countries(entry: &Entry) -> String {
    let named = entry.hosting_country.iter().chain(entry.remote_access.iter().flatten());
    let named: Vec<&Country> = named.chain(&entry.parent_country).collect();
    if named.is_empty() {
        return String::new();
    }
    let is_third = |country: &&Country| !EEA.contains(&country.to_string().as_str());
    let third: Vec<Country> = named.into_iter().filter(is_third).copied().collect();
    match third.is_empty() {
        true => "none".to_owned(),
        false => format!("{}: on which ground of Chapter V?", countries(&third)),
    }
}

/// Countries once, in order; the EEA by its name.
fn countries(all: &[Country]) -> String {
    let mut names: Vec<String> = all.iter().map(|country| country.to_string()).collect();
    names.sort();
    names.dedup();
    let has_eea = EEA.iter().all(|country| names.iter().any(|name| name == country));
    if has_eea {
        names.retain(|name| !EEA.contains(&name.as_str()));
        names.insert(0, "EEA".to_owned());
    }
    names.join(", ")
}

fn list(all: &[impl Display]) -> String {
    all.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}

fn rows<const N: usize>(rows: [(&str, String); N]) -> Vec<[String; 2]> {
    rows.into_iter().map(|(name, value)| [name.to_owned(), value]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const CONFIGURED: &str = "\
efface_config: 1
state: /tmp/state
key_file: /tmp/key
listen: 127.0.0.1:11112
ae_title: EFFACE
allow: [{ ae_title: PACS }]
site_policy: { countries: [EEA, CH], certifications: [HDS] }
destinations:
  - name: lab
    to: LAB@192.0.2.7:104
    profile: teleradiology
    register: { legal_entity: \"Lab & Sons\", hosting_country: FR, remote_access: [US, DE], role: processor }
  - { name: other, to: OTHER@192.0.2.8:104, profile: basic }
";

    #[test]
    fn every_destination_has_a_sheet_and_third_countries_stand_out() {
        let settings = crate::config::parse(Path::new("efface.yaml"), CONFIGURED).unwrap();
        let page = page(&settings);
        assert!(page.contains("only EEA, CH; parent company there, too; certified: HDS"), "{page}");
        assert!(page.contains("Lab &amp; Sons") && page.contains("US: on which ground"), "{page}");
        assert!(page.contains("Destination other") && page.contains("has no entry"), "{page}");
        assert!(page.contains("Clean Descriptors"), "what the profile keeps is said: {page}");
    }
}
