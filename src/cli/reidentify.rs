//! `efface reidentify`: whom a pseudonymous study is of, told to a person because two people agree that he must know.

use super::approval::{ApprovalArgs, Settled};
use super::objection::{Site, SiteArgs};
use super::{Problem, reading};
use crate::approval::Operation;
use crate::audit::Event;
use crate::crosswalk::Rows;
use crate::desk;
use clap::Args;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::process::ExitCode;

#[derive(Args)]
pub struct ReidentifyArgs {
    /// Study Instance UID as it left
    study: String,
    /// The project in which it left
    #[arg(long, value_name = "NAME")]
    project: String,
    /// Why somebody must know: stands in the log
    #[arg(long, value_name = "TEXT")]
    because: String,
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    approval: ApprovalArgs,
}

/// What is told. Enough to find the patient, and no more.
const TOLD: [(&str, Tag); 7] = [
    ("Patient ID", tags::PATIENT_ID),
    ("issuer", tags::ISSUER_OF_PATIENT_ID),
    ("name", tags::PATIENT_NAME),
    ("born", tags::PATIENT_BIRTH_DATE),
    ("study date", tags::STUDY_DATE),
    ("accession number", tags::ACCESSION_NUMBER),
    ("Study Instance UID", tags::STUDY_INSTANCE_UID),
];

/// Tells it, after it stands in the log.
///
/// # Errors
/// Two people do not agree; nothing is known of the study; the log does not take the record.
pub fn run(args: &ReidentifyArgs) -> Result<ExitCode, Problem> {
    let ReidentifyArgs { study, project, because, site, approval } = args;
    let site: Site = site.open()?;
    // Before anybody is asked to agree.
    let rows = site.crosswalk_of(project).study(study)?;
    let rows = rows.ok_or("nothing is known of such a study in this project: it never left, its time is over, or its patient was erased")?;
    let operation = Operation::Reidentify {
        project: project.clone(),
        study: study.clone(),
        because: because.clone(),
    };
    let Settled::Go(nonce) = approval.settle(&site, &operation)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let event = Event::Reidentified {
        project: project.clone(),
        by: reading::who(),
        because: because.clone(),
        nonce,
    };
    desk::note(site.spool.root(), &site.root, event)?;
    tell(&rows);
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::disallowed_methods)] // two people agree that it is shown
fn tell(rows: &Rows) {
    for (word, tag) in TOLD {
        if let Some(value) = rows.original.get(tag) {
            println!("{word:20} {}", value.expose());
        }
    }
}
