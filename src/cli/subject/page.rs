//! The page that is handed over.

use super::{Disclosure, Findings};
use crate::cli::page::{Page, maker, minute};
use crate::residency::Ground;
use data_encoding::HEXLOWER;
use std::collections::BTreeSet;

/// Makes the page.
pub(super) fn page(findings: &Findings) -> String {
    let Findings { signed, from, to, .. } = findings;
    let (size, root) = signed
        .as_ref()
        .map_or((0, String::new()), |signed| (signed.size, HEXLOWER.encode(&signed.root)));
    let mut page = Page::new("What was sent of your images");
    page.paragraph("For: ____________________________________________");
    page.paragraph(
        "You asked whether images of you, or other objects that were made with them, left this institution through its \
         de-identification gateway (efface): which, when, where to and on what ground.",
    );
    page.heading("Answer");
    page.strong(&answer(findings));
    if !findings.disclosures.is_empty() {
        let head = ["Released", "Recipient", "Purpose and ground", "What", "What became of it"];
        page.table(head, findings.disclosures.iter().map(row));
        page.paragraph(
            "All of it was pseudonymized before it left: names, numbers and dates were removed or replaced under the \
             profile that is named, and what left was checked for them. The recipient sees a pseudonym and the new Study \
             Instance UID that is given above. Pseudonymized data can still be personal data.",
        );
    }
    page.heading("Your objections");
    if findings.objections.is_empty() {
        page.paragraph("The log knows of none.");
    } else {
        let rows = findings.objections.iter();
        let rows = rows.map(|(time, change, scope)| [minute(time), change.clone(), scope.clone()]);
        page.table(["When", "What", "Against"], rows);
    }
    page.heading("What this rests on");
    page.paragraph(&format!(
        "On the log of this gateway, in which every release stands before its first byte leaves. It was verified for this \
         answer: {size} records, from {from} to {to}. What left before or by other ways is not in it. You were looked for by \
         the number, and the issuer, that you are known by here; the log itself names nobody."
    ));
    for (project, releases) in &findings.unsearchable {
        page.strong(&format!(
            "{releases} releases of project {project} could not be searched: they carry no reference of a patient that can \
             be compared, or it was erased because a patient asked for that. They may or may not be yours."
        ));
    }
    page.end(format!("Signed state of the log: {size} records, root {root}. Made by {}.", maker()))
}

fn answer(findings: &Findings) -> String {
    let releases = findings.disclosures.len();
    if releases == 0 {
        let but =
            if findings.unsearchable.is_empty() { "" } else { ", as far as it can be searched" };
        return format!("No. The log knows of nothing of yours that was released{but}.");
    }
    let destinations = findings.disclosures.iter().map(|one| one.destination.as_str());
    let destinations: Vec<&str> = destinations.collect::<BTreeSet<_>>().into_iter().collect();
    format!("Yes. {releases} releases, to: {}.", destinations.join(", "))
}

fn row(one: &Disclosure) -> [String; 5] {
    let released: Vec<String> = one.released.iter().map(|(time, _)| minute(time)).collect();
    let instances = one.released.iter().map(|(_, instances)| *instances).max().unwrap_or(0);
    [
        released.join("; "),
        recipient(one),
        purpose(one),
        format!("{instances} objects of study {}; profile {}", one.study, one.profile),
        fate(one),
    ]
}

/// Who the recipient is, as it stood in the register of destinations that day.
fn recipient(one: &Disclosure) -> String {
    let Ground { legal_entity, parent_country, hosting_country, remote_access, .. } = &one.ground;
    let access: Vec<String> = remote_access.iter().map(|country| country.to_string()).collect();
    stated([
        ("", &one.destination),
        ("run by ", legal_entity),
        ("parent company in ", parent_country),
        ("data lie in ", hosting_country),
        ("can be looked at from ", &access.join(", ")),
    ])
}

fn purpose(one: &Disclosure) -> String {
    let Ground { purpose, legal_basis, .. } = &one.ground;
    let legal_basis = if legal_basis.is_empty() { "not stated in the log" } else { legal_basis };
    stated([("project ", &one.project), ("", purpose), ("legal basis: ", legal_basis)])
}

fn stated<const N: usize>(parts: [(&str, &str); N]) -> String {
    let parts = parts.into_iter().filter(|(_, value)| !value.is_empty());
    parts.map(|(name, value)| format!("{name}{value}")).collect::<Vec<_>>().join("; ")
}

fn fate(one: &Disclosure) -> String {
    let delivered = one.delivered.iter();
    let delivered = delivered.map(|(time, n)| format!("{}: {n} objects arrived", minute(time)));
    let withdrawn = one.withdrawn.iter().map(|(time, n, before)| {
        let time = minute(time);
        format!("{time}: {n} objects were withdrawn before they left; {before} had arrived")
    });
    let fate: Vec<String> = delivered.chain(withdrawn).collect();
    match fate.is_empty() {
        true => "the log has no word of its arrival: some or all of it may have left".to_owned(),
        false => fate.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disclosure() -> Disclosure {
        Disclosure {
            patient: "A1X".to_owned(),
            batch: "b".to_owned(),
            destination: "lab".to_owned(),
            project: "research".to_owned(),
            profile: "basic".to_owned(),
            study: "2.25.7".to_owned(),
            ground: Ground::default(),
            released: vec![("2026-11-02T10:11:12.000Z".to_owned(), 5)],
            delivered: Vec::new(),
            withdrawn: Vec::new(),
        }
    }

    #[test]
    fn it_says_what_left_what_may_have_left_and_what_is_not_known() {
        let mut findings = Findings::default();
        assert!(page(&findings).contains("<strong>No. "));
        findings.unsearchable.insert("old".to_owned(), 3);
        assert!(page(&findings).contains("as far as it can be searched"));
        assert!(page(&findings).contains("3 releases of project old could not be searched"));
        findings.disclosures.push(disclosure());
        let said = page(&findings);
        assert!(said.contains("<strong>Yes. 1 releases, to: lab.</strong>"), "{said}");
        assert!(said.contains("some or all of it may have left"));
        assert!(said.contains("legal basis: not stated in the log"), "{said}");
        let mut sent = disclosure();
        sent.ground.legal_basis = "Art. 9(2)(h)".to_owned();
        sent.ground.hosting_country = "FR".to_owned();
        sent.withdrawn.push(("2026-11-03T00:00:00.000Z".to_owned(), 3, 2));
        findings.disclosures = vec![sent];
        let said = page(&findings);
        assert!(said.contains("2026-11-03 00:00 UTC: 3 objects were withdrawn"), "{said}");
        assert!(said.contains("lab; data lie in FR"), "{said}");
        assert!(said.contains("project research; legal basis: Art. 9(2)(h)"), "{said}");
        assert!(said.contains("2 had arrived") && !said.contains("may have left"), "{said}");
    }
}
