//! What pseudonyms stand for: known before anything leaves, to nobody without the key, taken out, brought back, erased.
//!
//! Files, formats and damage are tested beside the code (`src/crosswalk/`); that nothing leaves without its rows on a disk
//! that fails, and after kills between row and log, in `src/simulation.rs`. Without dcmtk the tests over sockets say SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use dicom_core::Tag;
use dicom_core::value::Value;
use dicom_object::InMemDicomObject;
use efface::crosswalk::{Crosswalk, Rows};
use efface::key::RootKey;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::canary::{UID_ROOT, assert_clean, assert_clean_files, assert_clean_names};
use support::dcmtk::{self, Outside, deliver, free_port};
use support::gateway::{LEAVE_FACES, Site, efface, key_of_nobody, printed};
use support::study::{patient, write_body_ct};
use support::{files, until};

fn rows(site: &Site, project: &str, study: &str) -> Option<Rows> {
    rows_in(&site.state().join("crosswalk"), project, study)
}

fn rows_in(directory: &Path, project: &str, study: &str) -> Option<Rows> {
    let root = RootKey::from_text(&key_of_nobody()).unwrap();
    Crosswalk::new(directory, project, &root).study(study).unwrap()
}

/// The value that a Patient or Study attribute had.
fn original(rows: &Rows, group: u16, element: u16) -> String {
    rows.original.get(Tag(group, element)).map(|v| v.expose().clone()).unwrap_or_default()
}

/// Every UID at every depth that was made here.
fn pseudonymous_uids(object: &InMemDicomObject, found: &mut BTreeSet<String>) {
    for element in object {
        match element.value() {
            Value::Sequence(items) => {
                items.items().iter().for_each(|item| pseudonymous_uids(item, found));
            }
            _ if element.vr() == dicom_core::VR::UI => {
                let text = element.to_str().unwrap();
                let uids = text.split('\\').map(|uid| uid.trim_end_matches('\0').to_owned());
                found.extend(uids.filter(|uid| uid.starts_with("2.25.")));
            }
            _ => {}
        }
    }
}

/// A gateway that has sent a study of three instances for each of these patients, and ended.
fn delivered(site: &Site, somebody: &[u32]) -> Vec<dcmtk::Arrived> {
    let outside = Outside::start(&site.sink());
    let mut gateway = site.serve(outside.port, &[]);
    for number in somebody {
        let folder = site.path(&format!("pacs/{number}"));
        deliver(gateway.port, &write_body_ct(&folder, &patient(*number), 1, 3));
    }
    let arrived = outside.wait_for(3 * somebody.len());
    site.settled();
    assert!(gateway.terminate().success());
    arrived
}

/// Study Instance UIDs as they left, by whose they are.
fn study_of(site: &Site, arrived: &[dcmtk::Arrived], number: u32) -> String {
    let studies: BTreeSet<String> = arrived.iter().map(|a| a.text("StudyInstanceUID")).collect();
    let is_of = |study: &String| {
        rows(site, "outside", study)
            .is_some_and(|rows| original(&rows, 0x0010, 0x0020) == patient(number).id())
    };
    studies.into_iter().find(is_of).unwrap()
}

#[test]
fn every_uid_that_left_leads_back_inside_and_nowhere_else() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let arrived = delivered(&site, &[0, 3]);
    let study = study_of(&site, &arrived, 3);
    let known = rows(&site, "outside", &study).unwrap();
    assert_eq!(
        known.patient,
        arrived.iter().find(|a| a.text("StudyInstanceUID") == study).unwrap().text("PatientID")
    );
    assert_eq!(original(&known, 0x0010, 0x0010), "Yamadatest^Tarou=山田^太郎=やまだ^たろう");
    assert_eq!(original(&known, 0x0010, 0x0021), "STVITUS-ADT");
    assert_eq!(original(&known, 0x0010, 0x0030), patient(3).birth_date());
    assert_eq!(original(&known, 0x0008, 0x0090), "HUMPERDINCK^Engelberta");
    assert_eq!(original(&known, 0x0020, 0x0010), "SID552019");
    assert_eq!(original(&known, 0x0008, 0x0020), "20230711");
    assert_eq!(known.callers.iter().collect::<Vec<_>>(), ["PACS"]);
    assert_eq!((known.instances.len(), known.destinations.len()), (3, 1));
    let mut uids = 0;
    for one in &arrived {
        let known = rows(&site, "outside", &one.text("StudyInstanceUID")).unwrap();
        let mut found = BTreeSet::new();
        pseudonymous_uids(&one.object, &mut found);
        for uid in &found {
            let original = known.uids.original(uid);
            let original = original.unwrap_or_else(|| panic!("{uid} leads nowhere")).expose();
            assert!(original.starts_with(UID_ROOT), "{uid}");
        }
        uids += found.len();
        let instance = &known.instances[&one.text("SOPInstanceUID")];
        assert_eq!(instance.sop_class, one.text("SOPClassUID"));
        assert_eq!(instance.series, one.text("SeriesInstanceUID"));
        assert!(known.accessions.contains_key(&one.text("AccessionNumber")));
    }
    assert!(uids >= 6 * 5, "study, series, instance, frame of reference and more: {uids}");
    assert_clean_files(&site.state().join("crosswalk"));
    assert_clean_names(site.state());
    let log = std::fs::read(site.state().join("audit/log")).unwrap();
    assert_clean("the log", &log);
    assert!(site.done(&["crosswalk", "ls"]).contains("outside: 2 studies of 2 patients"));
    site.make_a_key();
    site.refused(&["crosswalk", "ls"], "of another root key");
}

#[test]
fn an_export_is_taken_out_of_a_running_gateway_and_comes_back_on_another_machine() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let (here, there) = (Site::leaving_faces(), Site::leaving_faces());
    let arrived = delivered(&here, &[0, 1]);
    let studies: BTreeSet<String> = arrived.iter().map(|a| a.text("StudyInstanceUID")).collect();
    let file = here.at("crosswalk.jsonl");
    let export = ["crosswalk", "export", "--project", "outside", "-o", &file];
    let gateway = here.serve(free_port(), &[]);
    let said = here.done(&export);
    assert!(said.contains("2 studies of project outside") && said.contains("IT NAMES PATIENTS"));
    assert_clean("what export says", said.as_bytes());
    here.refused(&export, "exists");
    let mode = Path::new(&file).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(&patient(0).id()) && text.contains(UID_ROOT), "all that is known");
    assert!(here.ask(&["audit", "show", "-n", "0"]).contains("crosswalk  were exported"));
    drop(gateway);

    there.refused(&["crosswalk", "import", &file], "is not a state directory");
    assert!(there.serve(free_port(), &[]).terminate().success());
    let said = there.done(&["crosswalk", "import", &file]);
    assert!(said.contains("2 studies of project outside are in the crosswalk"), "{said}");
    for study in &studies {
        let [one, other] = [&here, &there].map(|site| rows(site, "outside", study).unwrap());
        assert_eq!(one.instances, other.instances);
        assert_eq!(one.callers, other.callers);
        let uids = |rows: &Rows| {
            rows.uids.iter().map(|(k, v)| (k.to_owned(), v.expose().clone())).collect::<Vec<_>>()
        };
        assert_eq!(uids(&one), uids(&other));
        assert_eq!(original(&one, 0x0010, 0x0010), original(&other, 0x0010, 0x0010));
    }
    assert_clean_files(&there.state().join("crosswalk"));
    assert!(there.ask(&["audit", "show", "-n", "0"]).contains("crosswalk  were imported"));

    // What was changed, and what contradicts: the name of one number is another's.
    let cut = there.at("cut.jsonl");
    std::fs::write(&cut, &text[..text.len() - 10]).unwrap();
    there.refused(&["crosswalk", "import", &cut], "the file was cut off");
    let forged = text.replace(&patient(0).id(), "MRN-77419999");
    std::fs::write(&cut, resummed(&forged)).unwrap();
    there.refused(&["crosswalk", "import", &cut], "stands for something else already");
    assert!(!there.with_key(&["crosswalk", "import", &cut]).1.contains("MRN"));
}

#[test]
fn files_that_are_de_identified_by_hand_have_rows_if_somebody_says_where() {
    let site = Site::leaving_faces();
    write_body_ct(&site.path("in"), &patient(2), 1, 2);
    let deid = |out: &str, more: &[&str]| {
        let (input, out, key) = (site.at("in"), site.at(out), site.at("root.key"));
        let arguments =
            ["deid", &input, "-o", &out, "--profile", &site.profile, "--key-file", &key];
        let output = efface(&[&arguments, more].concat());
        assert!(output.status.success(), "{}", printed(&output));
    };
    let folder = site.path("crosswalk");
    deid("without", &[]);
    assert!(!folder.exists());
    deid("with", &["--crosswalk", &site.at("crosswalk")]);
    for one in dcmtk::arrived(&site.path("with")) {
        let known = rows_in(&folder, "files", &one.text("StudyInstanceUID")).unwrap();
        assert!(known.instances.contains_key(&one.text("SOPInstanceUID")));
        assert_eq!(original(&known, 0x0010, 0x0020), patient(2).id());
        assert!(known.callers.is_empty());
    }
    assert_clean_files(&folder);
}

/// The same lines with a last line that fits them: the format is open, and no secret is in it.
fn resummed(export: &str) -> String {
    let lines: Vec<&str> = export.lines().collect();
    let body: String = lines[..lines.len() - 1].iter().map(|line| format!("{line}\n")).collect();
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&body));
    format!("{body}{{\"studies\":{},\"sha256\":\"{sha256}\"}}\n", lines.len() - 2)
}

#[test]
fn rows_have_the_time_that_the_configuration_gives_them() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut site = Site::leaving_faces();
    site.destination = ", crosswalk_days: 30".to_owned();
    let outside = Outside::start(&site.sink());
    let mut gateway = site.serve_configured(outside.port, "");
    deliver(gateway.port, &write_body_ct(&site.path("pacs"), &patient(0), 1, 2));
    outside.wait_for(2);
    site.settled();
    assert!(gateway.terminate().success());
    let configured = |arguments: &[&str]| {
        let output = efface(&[arguments, &["--config", &site.at("efface.yaml")]].concat());
        assert!(output.status.success(), "{}", printed(&output));
        printed(&output)
    };
    assert!(configured(&["crosswalk", "ls"]).contains("kept for 30 days"));
    let file = site.at("now.jsonl");
    configured(&["crosswalk", "export", "--project", "lab", "-o", &file]);
    let text = std::fs::read_to_string(&file).unwrap();
    let at = text.find("\"recorded\":\"").unwrap() + 12;
    let old = format!("{}2020-01-01{}", &text[..at], &text[at + 10..]);
    std::fs::write(&file, resummed(&old)).unwrap();
    std::fs::remove_dir_all(site.state().join("crosswalk")).unwrap();
    configured(&["crosswalk", "import", &file]);
    assert!(
        configured(&["crosswalk", "ls"])
            .contains("1 studies of 1 patients, the oldest of 2020-01-01")
    );
    let gateway = site.serve_configured(outside.port, "");
    gateway.wait_for("rows of the crosswalk are over their time");
    until("they are gone", || {
        configured(&["crosswalk", "ls"]).contains("lab: 0 studies of 0 patients")
    });
    assert!(site.ask(&["audit", "show", "-n", "0"]).contains("crosswalk  were expired"));
}

#[test]
fn a_patient_is_erased_here_and_every_destination_is_asked_until_it_says_that_it_has() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    for random in [false, true] {
        let pseudonyms = if random { "pseudonyms: random\n" } else { "" };
        let site = Site::with_profile(&format!("{LEAVE_FACES}{pseudonyms}"));
        let arrived = delivered(&site, &[0, 1]);
        let (own, other) = (study_of(&site, &arrived, 0), study_of(&site, &arrived, 1));
        let secrets = site.state().join("crosswalk/outside/secrets");
        assert_eq!(files(&secrets).len(), if random { 2 } else { 0 });
        let gateway = site.serve(free_port(), &[]);
        let id = patient(0).id();
        let spelled = id.replace('-', " ").to_lowercase();
        let request = ["erasure", "request", "--id", &spelled, "--received", "2026-01-31"];
        let said = site.done(&request);
        assert!(said.contains("ask outside to erase 1 studies, by 2026-02-28"), "{said}");
        assert_clean("what erasure says", said.as_bytes());
        let line = said.lines().find(|line| line.contains(": ask outside")).unwrap();
        let reference = line.split(':').next().unwrap().to_owned();
        assert!(rows(&site, "outside", &own).is_none() && rows(&site, "outside", &other).is_some());
        let file = site.at("after.jsonl");
        site.done(&["crosswalk", "export", "--project", "outside", "-o", &file]);
        let left = std::fs::read_to_string(&file).unwrap();
        assert!(!left.contains(&id) && !left.contains(&own) && left.contains(&patient(1).id()));
        assert_eq!(files(&secrets).len(), usize::from(random));
        // Nothing in the state directory ties the two any more: not even the log.
        let log = site.ask(&["audit", "show", "-n", "0"]);
        assert!(!log.contains(&own) && log.contains(&other), "{log}");
        site.ask(&["audit", "verify"]);
        let report = site.done(&["subject-report", "--id", &id]);
        assert!(report.contains("could not be searched"), "{report}");

        assert!(
            site.ask(&["status"])
                .contains("1 requests for erasure are not acknowledged, 1 OF THEM OVERDUE")
        );
        assert_eq!(gateway.metric("efface_erasures_overdue"), 1);
        let listed = site.done(&["erasure", "ls"]);
        assert!(listed.contains("open, OVERDUE since 2026-02-28"), "{listed}");
        assert!(!listed.contains("NOT ERASED HERE"), "{listed}");
        let letter = site.at("letter.html");
        site.done(&["erasure", "letter", &reference, "-o", &letter]);
        let page = std::fs::read_to_string(&letter).unwrap();
        let patient_id = arrived.iter().find(|a| a.text("StudyInstanceUID") == own).unwrap();
        assert!(page.contains(&own) && page.contains(&patient_id.text("PatientID")), "{page}");
        assert!(!page.contains(&other));
        assert_clean("a letter", page.as_bytes());
        site.done(&["erasure", "sent", &reference, "--on", "2026-02-02"]);
        assert!(site.done(&["erasure", "ls"]).contains("sent, OVERDUE"));
        site.refused(&["erasure", "acknowledged", "0123"], "there is no such request");
        site.done(&["erasure", "acknowledged", &reference, "--on", "2026-02-20"]);
        assert!(site.done(&["erasure", "ls"]).contains("0 are not acknowledged"));
        let all = site.done(&["erasure", "ls", "--all", "--json"]);
        assert!(all.contains("\"acknowledged\": \"2026-02-20\""), "{all}");
        assert_eq!(gateway.metric("efface_erasures_open"), 0);
        let log = site.ask(&["audit", "show", "-n", "0"]);
        for change in ["requested", "sent", "acknowledged"] {
            assert!(log.contains(&format!("erasure  to outside  were {change}")), "{log}");
        }
        assert!(log.contains("crosswalk  were erased"), "{log}");
        // Once more: nothing is there. And nothing of the patient leaves any more.
        let again = site.done(&request);
        assert!(again.contains("no destination has to be asked"), "{again}");
        assert!(site.ask(&["status"]).contains("1 objections are in force"));
        for place in ["crosswalk", "erasures", "objections", "audit"] {
            assert_clean_files(&site.state().join(place));
        }
        // An older register is none.
        drop(gateway);
        std::fs::remove_file(site.state().join("erasures/register")).unwrap();
        site.refused(&["erasure", "ls"], "was put back to an older state, or removed");
    }
}

#[test]
fn what_cannot_be_remembered_does_not_leave_and_two_who_may_be_meant_are_not_erased() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &[]);
    deliver(gateway.port, &write_body_ct(&site.path("pacs/1"), &patient(0), 1, 2));
    outside.wait_for(2);
    site.settled();
    let patients = site.state().join("crosswalk/outside/patients");
    let key = files(&patients).remove(0);
    let whole = std::fs::read(&key).unwrap();
    std::fs::write(&key, &whole[1..]).unwrap();
    deliver(gateway.port, &write_body_ct(&site.path("pacs/2"), &patient(0), 2, 2));
    until("it stays inside", || site.count("in quarantine") == (1, 2));
    let told = gateway.wait_for("quarantined");
    assert!(told["detail"].as_str().unwrap().contains("the crosswalk was damaged"), "{told}");
    let kept = site.ask(&["quarantine", "ls"]);
    assert_eq!(files(&outside.folder).len(), 2);
    std::fs::write(&key, whole).unwrap();
    let name = kept.split(' ').next().unwrap();
    site.ask(&["spool", "retry", name]);
    outside.wait_for(4);
    site.settled();

    // The same number, given out by somebody else.
    let mut stranger = patient(1).body_slice(7, 1);
    stranger.text(0x0010_0020, "LO", &patient(0).id()).text(0x0010_0021, "LO", "ELSEWHERE");
    deliver(gateway.port, &support::study::write_all(&site.path("pacs/3"), &[stranger]));
    outside.wait_for(5);
    site.settled();
    let id = patient(0).id();
    site.refused(
        &["erasure", "request", "--id", &id],
        "2 patients of project outside may be meant",
    );
    assert!(site.done(&["crosswalk", "ls"]).contains("3 studies of 2 patients"));
    let named = ["erasure", "request", "--id", &id, "--issuer", "Elsewhere"];
    let said = site.done(&named);
    assert!(said.contains("ask outside to erase 1 studies"), "{said}");
    assert!(said.contains("1 other patients have the number in their studies"), "{said}");
    assert!(site.done(&["crosswalk", "ls"]).contains("2 studies of 1 patients"));
}
