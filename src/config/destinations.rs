//! `destinations:`, where de-identified studies go.
//!
//! How one is spoken to is in `web.rs`, what it has to show in `tls.rs`, what comes back from it in `results.rs`.

use super::results::RawResults;
use super::tls::RawDestinationTls;
use super::values::value;
use super::web::{RawOAuth2, RawRecall};
use super::{DestinationTls, ResultSettings, Settling, Speaks, Tls, WrittenProfile, kept};
use crate::approval::Kept;
use crate::crosswalk::Retention;
use crate::profile::Profile;
use crate::residency::{Entry, Residency, SitePolicy};
use serde::Deserialize;
use serde_yaml::Spanned;

/// One destination.
pub struct DestinationSettings {
    /// Name in messages, log and spool.
    pub name: String,
    /// How it is spoken to.
    pub speaks: Speaks,
    /// `host:port`.
    pub address: String,
    /// What it has to show; `None`: it is sent to in plain.
    pub tls: Option<DestinationTls>,
    /// The domain of the pseudonyms: one recipient and purpose.
    pub project: String,
    /// The generation of pseudonyms that it is held to; `None`: the newest of the key.
    pub generation: Option<String>,
    /// What leaves.
    pub profile: Profile,
    /// The same as it is written, for workers.
    pub written: WrittenProfile,
    /// Which of those that are kept here it is; `None`: it is the configuration's.
    pub kept: Option<Kept>,
    /// Associations at a time.
    pub associations: usize,
    /// Whether it may be sent to.
    pub residency: Residency,
    /// How long it is known what the project's pseudonyms stand for.
    pub crosswalk: Retention,
    /// Whose results are taken back; `None`: nobody's, but by hand.
    pub results: Option<ResultSettings>,
}

impl DestinationSettings {
    /// Where it is and by what we are known there, for a person.
    pub fn place(&self) -> String {
        match &self.speaks {
            Speaks::Dicom(ae_title) => format!("{ae_title}@{}", self.address),
            Speaks::Web(web) => web.to_string(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDestination {
    pub(super) name: Spanned<String>,
    pub(super) to: Spanned<String>,
    pub(super) tls: Option<Spanned<RawDestinationTls>>,
    pub(super) proxy: Option<Spanned<String>>,
    pub(super) bearer_file: Option<Spanned<String>>,
    pub(super) oauth2: Option<Spanned<RawOAuth2>>,
    pub(super) recall: Option<Spanned<RawRecall>>,
    pub(super) project: Option<Spanned<String>>,
    pub(super) generation: Option<String>,
    pub(super) profile: Spanned<String>,
    pub(super) associations: Option<Spanned<usize>>,
    pub(super) register: Option<Spanned<Entry>>,
    pub(super) crosswalk_days: Option<Spanned<u64>>,
    pub(super) expire_pseudonyms: Option<Spanned<bool>>,
    pub(super) results: Option<RawResults>,
}

impl Settling<'_> {
    pub(super) fn destinations(
        &mut self,
        raw: &Spanned<Vec<RawDestination>>,
        policy: Option<&SitePolicy>,
        tls: Option<&Tls>,
    ) -> Vec<DestinationSettings> {
        if raw.value.is_empty() {
            self.notes.at(raw, "name at least one destination");
        }
        let mut settled: Vec<DestinationSettings> = Vec::new();
        for destination in &raw.value {
            let Some(mut new) = self.destination(destination, tls) else { continue };
            new.residency.policy = policy.cloned();
            if settled.iter().any(|known| known.name == new.name) {
                self.notes.at(&destination.name, "a second destination of this name");
            }
            if settled.iter().any(|known| known.project == new.project) {
                let what = "a second destination of this project: the two recipients could join their data. Give it a project: of its own";
                self.notes.at(&destination.name, what);
            }
            settled.push(new);
        }
        settled
    }

    fn destination(
        &mut self,
        raw: &RawDestination,
        tls: Option<&Tls>,
    ) -> Option<DestinationSettings> {
        let name = self.name(&raw.name)?;
        let project = match &raw.project {
            Some(project) => self.name(project)?,
            None => name.clone(),
        };
        let (speaks, address) = self.place(raw)?;
        let associations = self.count(&raw.associations, 4, 64);
        let read = WrittenProfile::read(&raw.profile.value, self.folder);
        let (written, profile) = match read.and_then(|w| w.parse().map(|profile| (w, profile))) {
            Ok(read) => read,
            Err(problem) => {
                self.notes.at(&raw.profile, problem);
                return None;
            }
        };
        let entry = raw.register.as_ref().map(|entry| self.entry(entry));
        Some(DestinationSettings {
            residency: Residency { policy: None, entry },
            name,
            tls: match &speaks {
                Speaks::Dicom(_) => self.destination_tls(raw.tls.as_ref(), &raw.to, &address, tls),
                Speaks::Web(web) => self.web_tls(raw, web, tls),
            },
            speaks,
            address,
            project,
            generation: raw.generation.clone(),
            crosswalk: self.retention(raw, &profile),
            // When it is known who sends studies, and where everybody is.
            results: None,
            profile,
            written,
            kept: None,
            associations,
        })
    }

    fn retention(&mut self, raw: &RawDestination, profile: &Profile) -> Retention {
        let standard = Retention::default();
        let most = Retention::DAYS_MAX;
        let days = match &raw.crosswalk_days {
            Some(days) if (1..=most).contains(&days.value) => days.value,
            Some(days) => {
                let what = format!("days, from 1 to {most} (thirty years)");
                self.notes.at(days, what);
                standard.days
            }
            None => standard.days,
        };
        let pseudonyms = value(&raw.expire_pseudonyms, standard.pseudonyms);
        let retention = Retention { days, pseudonyms };
        if let Some(said) = &raw.expire_pseudonyms
            && let Some(what) = kept::refuses(retention, profile)
        {
            self.notes.at(said, what);
        }
        retention
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::tests::{GOOD, mistakes};
    use crate::crosswalk::Retention;
    use std::path::Path;

    #[test]
    fn what_pseudonyms_stand_for_has_its_time() {
        let with = |what: &str| GOOD.replace("profile: basic", &format!("profile: basic, {what}"));
        let kept = |text: &str| {
            let settings = parse(Path::new("efface.yaml"), text).unwrap();
            settings.destinations[0].crosswalk
        };
        assert_eq!(kept(GOOD), Retention { days: 365, pseudonyms: false });
        assert_eq!(kept(&with("crosswalk_days: 10958")).days, 10_958);
        for days in ["0", "10959"] {
            let said = mistakes(&with(&format!("crosswalk_days: {days}")));
            assert!(said.contains(":9:") && said.contains("from 1 to 10958"), "{said}");
        }
        let said = mistakes(&with("expire_pseudonyms: true"));
        assert!(said.contains("pseudonyms: random in the profile"), "{said}");
    }

    #[test]
    fn two_recipients_never_share_a_key() {
        let two = format!(
            "{GOOD}  - {{ name: two, to: TWO@192.0.2.8:104, project: lab, profile: basic }}\n"
        );
        assert!(mistakes(&two).contains("could join their data"));
    }
}
