//! What the crosswalk is to keep of a study that may leave.

use super::Route;
use super::survey::{Instance, Study};
use crate::crosswalk::{self, Rows};
use crate::custody::object::{Deidentified, Object};
use crate::deid::Engine;
use crate::deid::pseudonym::Pseudonyms;
use crate::profile::DateWay;
use std::collections::HashMap;

/// Collects what the pseudonyms of these objects stand for.
pub(super) fn rows(
    route: &Route,
    study: &Study,
    engine: &Engine<'_>,
    pseudonyms: &Pseudonyms,
    leaving: &[(String, Object<Deidentified>)],
) -> Rows {
    let by_id: HashMap<&str, &Instance> =
        study.instances.iter().map(|instance| (instance.id.as_str(), instance)).collect();
    let mut rows = Rows {
        generation: pseudonyms.generation().to_owned(),
        original: study.original.copied(),
        names: study.patient.hashed(&route.subjects).to_texts().into_iter().collect(),
        ..Rows::default()
    };
    rows.destinations.insert(route.destination.clone());
    for (id, object) in leaving {
        rows.uids.merge(object.uids());
        let Some(Instance { subject, caller, .. }) = by_id.get(id.as_str()) else { continue };
        if rows.patient.is_empty() {
            rows.patient = subject.pseudonymous_patient(pseudonyms);
            rows.study = subject.study_as_it_leaves(engine);
            let are_moved = route.profile.dates_that_leave() == DateWay::Shifted;
            rows.days_back = are_moved.then(|| subject.days_back(pseudonyms));
        }
        rows.callers.extend(caller.clone());
        if let Some((pseudonym, number)) = subject.accession(pseudonyms) {
            rows.accessions.insert(pseudonym, number);
        }
        // Registered ones stand for themselves, and are noted by nobody else.
        let series = subject.series_as_it_leaves(engine);
        subject.with_study(|uid| rows.uids.note(&rows.study, uid));
        subject.with_series(|uid| rows.uids.note(&series, uid));
        subject.with_instance(|uid| rows.uids.note(object.sop_instance(), uid));
        let instance = crosswalk::Instance { sop_class: object.sop_class().to_owned(), series };
        rows.instances.insert(object.sop_instance().to_owned(), instance);
    }
    rows
}
