//! `efface erasure letter`: what a destination is to erase, in its own words: pseudonyms.

use super::unknown;
use crate::cli::Problem;
use crate::cli::audit::create;
use crate::cli::objection::Site;
use crate::cli::page::{Page, maker};
use crate::clock::Day;
use crate::erasure::{Request, Wanted};
use std::collections::BTreeSet;
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

fn page(site: &Site, request: &Request) -> String {
    let Wanted { destination, patient, studies, .. } = &request.wanted;
    Letter {
        title: "Request for erasure",
        destination,
        reference: &request.reference,
        due: request.due(),
        text: "A person whose data you received from us under a pseudonym has asked for their erasure (GDPR Art. 17; we are bound to \
         tell every recipient, Art. 19). Please erase the studies below: images, whatever was derived from them, results, copies \
         and, as they expire, backups. Then write back under the reference, and say on which day all was erased, or what \
         had to be kept and on what legal ground.",
        heading: "What is to be erased",
        patient,
        studies,
        end: "Whatever else you have under this Patient ID is to be erased, too.",
    }
    .page(site)
}

/// What a destination gets: pseudonyms, which it has already, and nothing else.
pub(in crate::cli) struct Letter<'a> {
    pub title: &'a str,
    pub destination: &'a str,
    pub reference: &'a str,
    pub due: Day,
    pub text: &'a str,
    pub heading: &'a str,
    pub patient: &'a str,
    pub studies: &'a BTreeSet<String>,
    pub end: &'a str,
}

impl Letter<'_> {
    /// As HTML.
    pub(in crate::cli) fn page(&self, site: &Site) -> String {
        let Letter { destination, patient, .. } = self;
        let known = site.destinations().find(|known| known.name == *destination);
        let entry = known.and_then(|destination| destination.residency.entry.as_ref());
        let mut page = Page::new(self.title);
        let entity = entry.and_then(|entry| entry.legal_entity.as_ref());
        let entity = entity.map_or(String::new(), |name| format!("{name}, "));
        let project = known.map_or(String::new(), |known| format!(", project {}", known.project));
        page.paragraph(&format!("To: {entity}destination {destination}{project}"));
        page.paragraph("From: ____________________________________________");
        page.paragraph(&format!("Reference: {}. Answer by: {}.", self.reference, self.due));
        page.paragraph(self.text);
        page.heading(self.heading);
        page.paragraph(&format!("Patient ID (0010,0020): {patient}"));
        let rows = self.studies.iter().map(|study| [study.clone()]);
        page.table(["Study Instance UID (0020,000D)"], rows);
        if !self.end.is_empty() {
            page.paragraph(self.end);
        }
        page.end(format!("Made by {}.", maker()))
    }
}
