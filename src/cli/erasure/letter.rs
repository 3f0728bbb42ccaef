//! `efface erasure letter`: what a destination is to erase, in its own words: pseudonyms.

use super::unknown;
use crate::cli::Problem;
use crate::cli::audit::create;
use crate::cli::objection::Site;
use crate::cli::page::{Page, maker};
use crate::erasure::{Request, Wanted};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Writes the letter of a request.
///
/// # Errors
/// There is no such request, or the file is there.
pub(super) fn run(site: &Site, reference: &str, out: &Path) -> Result<ExitCode, Problem> {
    let (_, requests) = site.erasures()?.read()?;
    let request = requests.iter().find(|request| request.reference == reference);
    let request = request.ok_or_else(|| unknown(reference))?;
    create(out)?.write_all(page(site, request).as_bytes())?;
    println!("{}: for {}", out.display(), request.wanted.destination);
    Ok(ExitCode::SUCCESS)
}

/// What the destination gets: pseudonyms, which it has already, and nothing else.
fn page(site: &Site, request: &Request) -> String {
    let Wanted { destination, project, patient, studies } = &request.wanted;
    let entry = site.destinations().find(|d| d.name == *destination);
    let entry = entry.and_then(|destination| destination.residency.entry.as_ref());
    let mut page = Page::new("Request for erasure");
    let named = |name: Option<&String>| name.map_or(String::new(), |name| format!("{name}, "));
    let entity = named(entry.and_then(|entry| entry.legal_entity.as_ref()));
    page.paragraph(&format!("To: {entity}destination {destination}, project {project}"));
    page.paragraph("From: ____________________________________________");
    page.paragraph(&format!("Reference: {}. Answer by: {}.", request.reference, request.due()));
    page.paragraph(
        "A person whose data you received from us under a pseudonym has asked for their erasure (GDPR Art. 17; we are bound to \
         tell every recipient, Art. 19). Please erase the studies below: images, whatever was derived from them, results, copies \
         and, as they expire, backups. Then write back under the reference, and say on which day all was erased, or what \
         had to be kept and on what legal ground.",
    );
    page.heading("What is to be erased");
    page.paragraph(&format!("Patient ID (0010,0020): {patient}"));
    let rows = studies.iter().map(|study| [study.clone()]);
    page.table(["Study Instance UID (0020,000D)"], rows);
    page.paragraph("Whatever else you have under this Patient ID is to be erased, too.");
    page.end(format!("Made by {}.", maker()))
}
