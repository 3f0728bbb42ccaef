//! The record of a release. Nothing in it comes from a data set but pseudonyms.

use crate::audit::{self, Release};
use crate::key::Key;
use crate::pipeline::survey::{Instance, Study};
use crate::pipeline::{Output, Route, Source};
use crate::routing::Pace;
use crate::standard::Action;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::io;

/// What the log is told when a study leaves for a destination.
pub(super) fn of(
    batch: &str,
    route: &Route,
    study: &Study,
    output: &Output,
    input: String,
    pace: &Pace,
) -> Release {
    let mut digest = Sha256::new();
    output.clean.iter().for_each(|object| digest.update(object.sha256()));
    let reports = || output.clean.iter().map(|object| object.report());
    let total = |action: Action| reports().map(|report| report.total(action)).sum();
    Release {
        destination: route.destination.clone(),
        project: route.project.clone(),
        batch: batch.to_owned(),
        routes: pace.rules.clone(),
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        profile: route.profile.name().to_owned(),
        plan: HEXLOWER.encode(output.grant.plan()),
        because: route.profile.reasons(),
        patient: output.patient.clone(),
        subjects: match route.pseudonyms {
            Source::Keyed(_) => study.patient.hashed(&route.subjects).to_texts(),
            // Whoever deletes the crosswalk cuts the tie for good: nothing else may hold it.
            Source::Random(_) => Vec::new(),
        },
        ground: output.grant.ground().clone(),
        register: output.grant.register(),
        study: output.study.clone(),
        input,
        instances: output.clean.len() as u64,
        // Nothing else is an `Object<Deidentified>`.
        verified: output.clean.len() as u64,
        bytes: output.clean.iter().map(|object| object.bytes()).sum(),
        digest: HEXLOWER.encode(&digest.finalize()),
        actions: Action::ALL.iter().map(|a| (a.letter(), total(*a))).collect(),
        evidence: audit::evidence(&route.profile, reports()),
        faces: output.faces.clone(),
    }
}

/// Keyed digest of what came in of a release. Without the key nobody can try originals against it.
pub(super) fn input<'s>(
    handles: &Key,
    released: impl Iterator<Item = &'s Instance>,
) -> io::Result<String> {
    let mut digests = released.map(Instance::digest).collect::<io::Result<Vec<_>>>()?;
    digests.sort_unstable();
    let parts: Vec<&[u8]> =
        [&b"input"[..]].into_iter().chain(digests.iter().map(|d| &d[..])).collect();
    Ok(HEXLOWER.encode(&handles.tag(&parts)))
}
