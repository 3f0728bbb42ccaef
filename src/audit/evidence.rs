//! What was done to the objects of a release, element by element: counts, tags and reasons.
//!
//! The objects of a series are mostly treated alike: those with the same counts share an entry.

use crate::deid::Report;
use crate::profile::{Ground, Profile};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was done to each of a number of objects. No values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// So many objects were treated exactly so.
    pub objects: u64,
    /// Elements that something was done to, or that something other than the standard's silence
    /// let stay.
    pub elements: Vec<Treated>,
    /// Elements that stayed because the standard's tables say nothing against them.
    pub unlisted_kept: u64,
    /// What a rule of the site let stay, and why.
    pub kept: Vec<Kept>,
}

/// One element, at any depth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Treated {
    /// `(gggg,eeee)`.
    pub tag: String,
    /// Letter of the action (PS3.15 E.1-1a).
    pub action: char,
    /// Who decided.
    pub by: String,
    /// How often.
    pub times: u64,
}

/// A reason, and what it let stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Line of the rule in the profile.
    pub line: u64,
    /// Its `because:`.
    pub because: String,
    /// How many elements.
    pub elements: u64,
}

/// Groups the reports of the objects of a release.
pub fn evidence<'a>(profile: &Profile, reports: impl Iterator<Item = &'a Report>) -> Vec<Evidence> {
    let mut alike: BTreeMap<&Report, u64> = BTreeMap::new();
    for report in reports {
        *alike.entry(report).or_default() += 1;
    }
    alike.into_iter().map(|(report, objects)| of_one(profile, report, objects)).collect()
}

fn of_one(profile: &Profile, report: &Report, objects: u64) -> Evidence {
    let (known, decided): (Vec<_>, Vec<_>) =
        report.iter().partition(|(.., ground, _)| *ground == Ground::Known);
    let elements = decided.into_iter().map(|(tag, action, ground, times)| Treated {
        tag: tag.to_string(),
        action: action.letter(),
        by: profile.ground_name(ground),
        times,
    });
    let kept = report.by_rule().into_iter().filter_map(|(rule, elements)| {
        let rule = profile.rules().get(usize::from(rule))?;
        Some(Kept { line: rule.line, because: rule.because.clone()?, elements })
    });
    Evidence {
        objects,
        elements: elements.collect(),
        unlisted_kept: known.iter().map(|(.., times)| times).sum(),
        kept: kept.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deid::pseudonym::Pseudonyms;
    use crate::deid::text::Cleaner;
    use crate::deid::{Engine, PixelStatement, Subject};
    use crate::dicom::dataset::Dataset;
    use crate::key::RootKey;
    use crate::profile::language;
    use dicom_core::VR;
    use dicom_dictionary_std::{tags, uids};

    fn slice(number: u32, comment: Option<&str>) -> Dataset {
        let mut source = Dataset::new();
        for (tag, value) in [
            (tags::SOP_CLASS_UID, uids::CT_IMAGE_STORAGE.to_owned()),
            (tags::SOP_INSTANCE_UID, format!("1.2.3.4.{number}")),
            (tags::STUDY_INSTANCE_UID, "1.2.3".to_owned()),
            (tags::SERIES_INSTANCE_UID, "1.2.3.1".to_owned()),
        ] {
            source.put_text(tag, VR::UI, value);
        }
        source.put_text(tags::PATIENT_SEX, VR::CS, "F");
        if let Some(comment) = comment {
            source.put_text(tags::IMAGE_COMMENTS, VR::LT, comment);
        }
        source
    }

    #[test]
    fn objects_that_were_treated_alike_share_an_entry_and_no_value_is_in_it() {
        let rules = "rules:\n  - { keyword: PatientSex, action: K, because: \"a covariate\" }\n";
        let profile = language::tests::profile(rules);
        let pseudonyms = Pseudonyms::new(&RootKey::generate().unwrap(), "lab");
        let cleaner = Cleaner::nothing_known();
        let engine = Engine::new(&profile, &pseudonyms, &cleaner);
        let sources = [slice(1, None), slice(2, None), slice(3, Some("CANARY"))];
        let reports = sources.map(|source| {
            let subject = Subject::of(&source).unwrap();
            engine.scrub(source, &subject, PixelStatement::UNTOUCHED).2
        });
        let evidence = evidence(&profile, reports.iter());
        let mut objects: Vec<u64> = evidence.iter().map(|entry| entry.objects).collect();
        objects.sort_unstable();
        assert_eq!(objects, [1, 2]);
        let kept = Kept { line: 5, because: "a covariate".to_owned(), elements: 1 };
        assert!(evidence.iter().all(|entry| entry.kept == [kept.clone()]));
        let said = serde_json::to_string(&evidence).unwrap();
        assert!(said.contains("(0020,4000)") && said.contains("rule in line 5"));
        assert!(!said.contains("CANARY") && !said.contains("1.2.3"));
    }
}
