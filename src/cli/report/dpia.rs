//! What goes into a data protection impact assessment (GDPR Art. 35): the flow of data, what is done against each risk and how
//! that is known, and what remains, in plain words.

use super::super::page::Page;
use super::made;
use crate::config::Settings;

/// A risk, what is done against it, and the tests that fail if it is not done.
const MEASURES: [(&str, &str, &str); 17] = [
    (
        "Names, numbers and dates in the header tell who it is",
        "PS3.15 Annex E at every depth; what no rule and no standard knows is removed; a verifier that shares no code with the engine \
         searches what will be sent, and nothing leaves that it has not passed",
        "tests/sabotage.rs, tests/forge.rs, tests/shared_data.rs",
    ),
    (
        "Names in free text, in structured reports, in descriptions",
        "known identifiers of the whole study are cut from every text that stays; reports item by item",
        "src/deid/text/residue_tests.rs, tests/properties.rs",
    ),
    (
        "The face can be rebuilt from a scan of the head",
        "the face is removed from CT and MR of heads, to the bone; two independent looks at the result; what cannot be located stays inside",
        "tests/deface.rs, tests/deface_mr.rs, tests/verify_face.rs, tests/faces.rs",
    ),
    (
        "Text burned into the image",
        "regions of known devices are blanked; what may carry text and is not known stays inside",
        "tests/burned_in.rs, tests/pixels.rs",
    ),
    (
        "The recipient guesses patients from their pseudonyms",
        "pseudonyms are keyed (HMAC-SHA-256), with a key for each project; without it there is nothing to try",
        "tests/gateway.rs",
    ),
    (
        "Two recipients join what they have",
        "no key, no pseudonym and no UID is the same for two projects",
        "tests/gateway.rs, tests/properties.rs",
    ),
    (
        "A patient has objected",
        "a register of keyed hashes is asked before anything is made, before it leaves and while it leaves; in doubt nothing leaves",
        "tests/objection.rs, src/simulation.rs",
    ),
    (
        "Data go where they may not",
        "a register of destinations under a site policy; what is missing or has expired blocks",
        "tests/residency.rs",
    ),
    (
        "A hostile object or peer takes over a part of the gateway",
        "receiving, reading each study and sending are confined processes; none of them has both identities and a way out",
        "tests/isolation.rs, tests/malformed.rs, tests/net_peers.rs",
    ),
    (
        "A study is lost on the way",
        "success is said when it is durable; everything received is accounted for; power cuts, failing disks and kills are tried",
        "src/simulation.rs, tests/outages.rs, tests/disks.rs",
    ),
    (
        "Nobody can say afterwards what left",
        "a signed log that names nobody, written before the first byte leaves; whatever is changed in it shows",
        "tests/audit_cli.rs, tests/witness.rs",
    ),
    (
        "What the log says of a patient must be erased",
        "it lies beside the log, committed to by a salted hash: it goes, and what was signed stays",
        "tests/crosswalk.rs",
    ),
    (
        "One person weakens a profile, adds a destination, lifts an objection, lets go what is in quarantine, or looks somebody up",
        "where people are named who must agree, two of them sign each of these, once; what is in force is known to the log",
        "tests/approval.rs",
    ),
    (
        "A patient wants to be erased",
        "what pseudonyms stand for is encrypted under a key of the patient, which is destroyed; every destination is asked until it says that it has erased",
        "tests/crosswalk.rs, src/simulation.rs",
    ),
    (
        "A result from outside is given to the wrong patient",
        "results are matched by what left for that destination; patient and study come from the crosswalk, never from the result; in doubt it is refused",
        "tests/returns.rs",
    ),
    (
        "Somebody listens on the line, or poses as the archive or the recipient",
        "TLS with certificates on both sides, titles bound to certificates; without tls: in the configuration, a network of its own",
        "tests/tls.rs, tests/atna.rs",
    ),
    (
        "The key is lost, or stolen",
        "it is parted among people; a new generation names what leaves from then on; a list of what must be called back",
        "tests/cli.rs",
    ),
];

/// What no measure takes away.
const REMAIN: [&str; 8] = [
    "Pseudonymized images are still personal data for whoever can tell them apart: a rare disease, an implant, a scar, or a second \
     copy of the same image identifies a patient to somebody who knows it.",
    "Scans show bodies. Faces are removed from heads; what else is unique in a body stays.",
    "Whoever has the root key and what left can find the patients. It must be kept as safely as the archive itself.",
    "Identified originals lie in the gateway until they have arrived and for some hours more. The volume must be encrypted.",
    "The recipient may break its word. The gateway knows what left and to whom, and not what becomes of it.",
    "What a profile lets stay, stays. The reasons that it gives are on the sheet of its destination, and in the log of every release.",
    "Objections match numbers, not people: a number that no object carries is not found.",
    "What the register of destinations says is believed, not checked.",
];

/// Makes the page.
pub fn page(settings: &Settings) -> String {
    let mut page = Page::new("For the data protection impact assessment");
    page.paragraph(
        "What this gateway does, against which risk, how that is known, and what remains (GDPR Art. 35(7)). Necessity and \
         proportionality, and whether the rest is acceptable, are for the controller to say.",
    );
    page.heading("The flow");
    let callers = settings.allow.iter().map(|caller| caller.ae_title.to_string());
    let callers = callers.collect::<Vec<_>>().join(", ");
    page.paragraph(&format!(
        "Studies come from: {callers}. They are kept on the gateway's disk, inside the hospital. A worker reads one study at a \
         time, makes a pseudonymized copy for each destination, has it checked, and writes to the log that it may leave; only then \
         a sender takes it out. Originals are deleted {} hours after they have arrived everywhere; what is in doubt waits inside \
         for a person.",
        settings.limits.retain_delivered_h
    ));
    let rows = settings.destinations.iter().map(|to| {
        let entry = to.residency.entry.as_ref();
        let said = |text: Option<String>| text.unwrap_or_else(|| "not said".to_owned());
        [
            to.name.clone(),
            said(entry.and_then(|entry| entry.legal_entity.clone())),
            said(entry.and_then(|entry| entry.hosting_country).map(String::from)),
            said(entry.and_then(|entry| entry.purpose.clone())),
            to.profile.name().to_owned(),
        ]
    });
    page.table(["Destination", "Run by", "Data lie in", "Purpose", "Profile"], rows);
    page.heading("Measures");
    page.paragraph(
        "Each stands with the tests that come with this version's source and fail when it fails.",
    );
    let rows = MEASURES.map(|(risk, measure, tests)| [risk, measure, tests].map(str::to_owned));
    page.table(["Risk", "What is done", "Known by"], rows);
    page.heading("What remains");
    page.list(&REMAIN);
    page.end(made())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_test_that_is_named_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for file in MEASURES.iter().flat_map(|(_, _, tests)| tests.split(", ")) {
            assert!(root.join(file).is_file(), "{file}");
        }
    }
}
