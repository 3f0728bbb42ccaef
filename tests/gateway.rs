//! The gateway over real sockets: dcmtk sends as the PACS and receives as the server outside.
//!
//! What leaves, what stays, and under which names. How it behaves when things go wrong is in
//! `outages.rs`. Without dcmtk every test says SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use efface::dicom::plane::ImagePlane;
use efface::phantom::Phantom;
use std::collections::BTreeSet;
use support::canary::{assert_clean, assert_clean_files, assert_clean_names};
use support::dcmtk::{self, Arrived, Outside, assert_decodes, deliver, send_as, tally};
use support::gateway::{Gateway, Site};
use support::study::{self, PATIENTS, patient, write_all, write_body_ct};
use support::{files, until};

/// A gateway that leaves faces, and its outside server.
fn open() -> (Site, Outside, Gateway) {
    let site = Site::leaving_faces();
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &[]);
    (site, outside, gateway)
}

fn values(arrived: &[Arrived], keyword: &str) -> BTreeSet<String> {
    tally(arrived, keyword).into_keys().collect()
}

// --------------------------------------------------------------------------- nothing identified leaves

#[test]
fn the_search_of_these_tests_finds_every_patient_in_the_originals() {
    for somebody in (0..PATIENTS).map(patient) {
        let bytes = somebody.body_slice(1, 1).encode();
        let found = std::panic::catch_unwind(|| assert_clean("an original", &bytes));
        assert!(found.is_err());
        for word in [somebody.words[0], &somebody.id(), &somebody.birth_date()] {
            let form = somebody.encoded(word);
            assert!(bytes.windows(form.len()).any(|w| w == form), "{word} was not planted");
        }
    }
}

#[test]
fn studies_in_every_character_set_arrive_and_nothing_tells_whose_they_are() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let (site, outside, gateway) = open();
    for number in 0..PATIENTS {
        let name = format!("pacs/{number}");
        deliver(gateway.port, &write_body_ct(&site.path(&name), &patient(number), 1, 3));
    }
    let arrived = outside.wait_for(PATIENTS as usize * 3);
    site.settled();
    assert_eq!(tally(&arrived, "SOPInstanceUID").len(), PATIENTS as usize * 3);
    assert_eq!(values(&arrived, "PatientID").len(), PATIENTS as usize, "one pseudonym each");
    for one in &arrived {
        assert_decodes(&one.path);
        assert_eq!(one.text("PatientIdentityRemoved"), "YES");
        assert_eq!(one.text("RecognizableVisualFeatures"), "YES", "the profile leaves faces");
        assert!(one.methods().contains(&"113100".to_owned()), "{:?}", one.methods());
        assert!(!one.methods().contains(&"113102".to_owned()), "claims what was not done");
    }
    assert_clean_files(&outside.folder);
    assert_clean_names(site.state());
    assert_clean("the log on stderr", gateway.log().as_bytes());
    assert_clean("/metrics", gateway.get("/metrics").1.as_bytes());
    assert_clean("spool ls", site.ask(&["spool", "ls"]).as_bytes());
    for record in
        files(&site.state().join("audit")).iter().chain(&files(&site.state().join("outbox")))
    {
        assert_clean("a record", &std::fs::read(record).unwrap());
    }
}

#[test]
fn a_dose_report_leaves_without_a_word_of_its_free_text() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let (site, outside, gateway) = open();
    deliver(gateway.port, &write_all(&site.path("pacs"), &[patient(0).report(study::DOSE_SR, 1)]));
    let arrived = outside.wait_for(1);
    assert_decodes(&arrived[0].path);
    assert_eq!(arrived[0].text("Modality"), "SR");
    assert_clean_files(&outside.folder);
}

// --------------------------------------------------------------------------------------- pixels, faces

#[test]
fn a_body_without_a_head_leaves_with_every_pixel_as_it_was() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::basic();
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &[]);
    let sent = write_body_ct(&site.path("pacs"), &patient(0), 1, 20);
    deliver(gateway.port, &sent);
    let arrived = outside.wait_for(20);
    for original in dcmtk::arrived(&site.path("pacs")) {
        let number = original.text("InstanceNumber");
        let same = arrived.iter().find(|one| one.text("InstanceNumber") == number).unwrap();
        assert_eq!(same.pixels(), original.pixels(), "slice {number}");
        assert_eq!(same.text("RecognizableVisualFeatures"), "", "nothing was said to be removed");
        assert!(!same.methods().contains(&"113102".to_owned()));
    }
    assert_clean_files(&outside.folder);
}

#[test]
fn a_head_leaves_defaced_and_says_so() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::basic();
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &[]);
    let slices = patient(1).head_ct(1);
    deliver(gateway.port, &write_all(&site.path("pacs"), &slices));
    let arrived = outside.wait_for(slices.len());
    let mut changed = 0;
    for original in dcmtk::arrived(&site.path("pacs")) {
        let number = original.text("InstanceNumber");
        let same = arrived.iter().find(|one| one.text("InstanceNumber") == number).unwrap();
        changed += usize::from(same.pixels() != original.pixels());
        assert_eq!(same.text("RecognizableVisualFeatures"), "NO");
        assert!(same.methods().contains(&"113102".to_owned()), "{:?}", same.methods());
        assert_decodes(&same.path);
    }
    assert!(changed > slices.len() / 4, "only {changed} slices were changed");
    assert_clean_files(&outside.folder);
}

#[test]
fn what_has_no_defacer_or_is_held_by_its_class_stays_inside_and_says_why() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::basic();
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &[]);
    for (number, (class, _)) in HELD.iter().enumerate() {
        let held = match *class {
            study::BASIC_TEXT_SR => patient(0).report(class, number as u32 + 1),
            _ => patient(0).image_of(class, number as u32 + 1, 1),
        };
        deliver(gateway.port, &write_all(&site.path("held"), &[held]));
    }
    // What may leave comes after them and arrives: they had their turn.
    until("all are in quarantine", || site.count("in quarantine").1 == HELD.len() as u64);
    deliver(gateway.port, &write_all(&site.path("pacs"), &[patient(0).report(study::DOSE_SR, 9)]));
    let arrived = outside.wait_for(1);
    site.settled();
    assert_eq!(values(&arrived, "Modality"), BTreeSet::from(["SR".to_owned()]));

    let listed = site.ask(&["quarantine", "ls"]);
    for (_, code) in HELD {
        let line = listed.lines().find(|line| line.contains(code)).expect(code);
        let name = line.split_whitespace().next().unwrap();
        let shown = site.ask(&["quarantine", "show", name]);
        assert!(shown.contains(code) && shown.contains("efface spool retry"), "{shown}");
        assert_clean("quarantine show", shown.as_bytes());
        let metric = format!("efface_instances_quarantined_total{{code=\"{code}\"}}");
        let expected = HELD.iter().filter(|(_, other)| *other == code).count();
        assert_eq!(gateway.metric(&metric), expected as u64, "{code}");
    }
    assert_clean("quarantine ls", listed.as_bytes());
    assert_eq!(files(&outside.folder).len(), 1);
}

const HELD: [(&str, &str); 4] = [
    (study::MR, "face-not-cleared"),
    (study::SECONDARY_CAPTURE, "class-policy"),
    (study::BASIC_TEXT_SR, "class-policy"),
    (study::US, "burned-in-text"),
];

// ------------------------------------------------------------------------------------------ pseudonyms

#[test]
fn two_studies_of_one_patient_have_one_pseudonym() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let (site, outside, gateway) = open();
    for number in [1, 2] {
        let folder = site.path(&format!("pacs/{number}"));
        deliver(gateway.port, &write_body_ct(&folder, &patient(2), number, 2));
    }
    let arrived = outside.wait_for(4);
    assert_eq!(values(&arrived, "PatientID").len(), 1);
    assert_eq!(values(&arrived, "PatientName").len(), 1);
    assert_eq!(values(&arrived, "StudyInstanceUID").len(), 2);
}

#[test]
fn a_study_that_comes_again_is_not_sent_again() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let (site, outside, gateway) = open();
    let sent = write_body_ct(&site.path("pacs"), &patient(0), 1, 3);
    deliver(gateway.port, &sent);
    outside.wait_for(3);
    site.settled();
    deliver(gateway.port, &sent);
    let line = gateway.wait_for("repeated instances were not sent again");
    assert_eq!(line["instances"], 3);
    site.settled();
    assert_eq!(files(&outside.folder).len(), 3, "every object that comes is a file of its own");
    assert_eq!(gateway.metric("efface_instances_repeated_total"), 3);
}

#[test]
fn a_late_slice_goes_out_under_the_pseudonyms_of_its_study() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let (site, outside, gateway) = open();
    let sent = write_body_ct(&site.path("pacs"), &patient(3), 1, 4);
    deliver(gateway.port, &sent[..3]);
    outside.wait_for(3);
    site.settled();
    deliver(gateway.port, &sent[3..]);
    let arrived = outside.wait_for(4);
    for keyword in ["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"] {
        assert_eq!(values(&arrived, keyword).len(), 1, "{keyword}");
    }
    assert_eq!(values(&arrived, "SOPInstanceUID").len(), 4);
}

/// Two slices alone could never be cleared: the head that their study has shown is remembered.
#[test]
fn a_late_series_is_treated_by_the_head_of_its_study() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::basic();
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &[]);
    let head = patient(1).head_ct(1);
    deliver(gateway.port, &write_all(&site.path("pacs"), &head));
    outside.wait_for(head.len());
    site.settled();
    let planes = Phantom::axial(2.0).planes;
    let nose = Phantom::place([0.0, 95.0, -48.0])[2];
    let near = |plane: &ImagePlane| (plane.origin()[2] - nose).abs() < 2.5;
    let late = patient(1).head(study::CT, [1, 4], planes.into_iter().filter(near).collect());
    deliver(gateway.port, &write_all(&site.path("late"), &late));
    let arrived = outside.wait_for(head.len() + late.len());
    for original in dcmtk::arrived(&site.path("late")) {
        let number = original.text("InstanceNumber");
        let is_same = |one: &&Arrived| {
            one.text("SeriesNumber") == "4" && one.text("InstanceNumber") == number
        };
        let same = arrived.iter().find(is_same).unwrap();
        assert_ne!(same.pixels(), original.pixels());
        assert_eq!(same.text("RecognizableVisualFeatures"), "NO");
    }
}

#[test]
fn other_bytes_under_a_uid_that_has_left_are_a_conflict() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let (site, outside, gateway) = open();
    let mut slice = patient(0).body_slice(1, 1);
    deliver(gateway.port, &write_all(&site.path("first"), std::slice::from_ref(&slice)));
    outside.wait_for(1);
    site.settled();
    slice.text(0x0028_1050, "DS", "50");
    deliver(gateway.port, &write_all(&site.path("second"), &[slice]));
    until("it is in quarantine", || site.ask(&["quarantine", "ls"]).contains("conflict"));
    site.settled();
    assert_eq!(files(&outside.folder).len(), 1);
}

#[test]
fn another_key_gives_nothing_to_join() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let both = [(); 2].map(|()| {
        let site = Site::leaving_faces();
        site.make_a_key();
        let outside = Outside::start(&site.sink());
        let gateway = site.serve(outside.port, &[]);
        deliver(gateway.port, &write_body_ct(&site.path("pacs"), &patient(4), 1, 2));
        (outside.wait_for(2), site)
    });
    for keyword in PSEUDONYMS {
        let [one, other] = [0, 1].map(|at| values(&both[at].0, keyword));
        assert!(!one.iter().any(String::is_empty), "{keyword} is empty");
        assert!(one.is_disjoint(&other), "{keyword} is the same under both keys");
    }
}

const PSEUDONYMS: [&str; 6] = [
    "PatientID",
    "AccessionNumber",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
];

// ------------------------------------------------------------------------------------------- retention

#[test]
fn originals_stay_inside_until_their_retention_is_over() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    for (hours, originals) in [("24", 3), ("0", 0)] {
        let site = Site::leaving_faces();
        let outside = Outside::start(&site.sink());
        let gateway =
            site.serve_configured(outside.port, &format!("retain_delivered_h: {hours}\n"));
        deliver(gateway.port, &write_body_ct(&site.path("pacs"), &patient(0), 1, 3));
        outside.wait_for(3);
        site.settled();
        let words = patient(0).words[0].as_bytes();
        let has = |path: &std::path::PathBuf| {
            // What goes while the folder is listed is gone.
            std::fs::read(path).is_ok_and(|b| b.windows(words.len()).any(|w| w == words))
        };
        until("retention has done its work: so many files identify", || {
            let kept = files(site.state()).iter().filter(|path| has(path)).count();
            kept == originals && site.count("delivered, originals retained").1 == originals as u64
        });
    }
}

// --------------------------------------------------------------------------------- who may send, metrics

#[test]
fn strangers_and_wrong_numbers_are_rejected() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let (site, outside, gateway) = open();
    let sent = write_body_ct(&site.path("pacs"), &patient(0), 1, 1);
    for (calling, called, reason) in [
        ("STRANGER", "EFFACE", "Calling AE Title Not Recognized"),
        ("PACS", "OTHER", "Called AE Title Not Recognized"),
    ] {
        let refused = send_as(calling, called, gateway.port, &sent);
        assert!(!refused.output.status.success());
        assert!(refused.said.contains(reason), "{}", refused.said);
        assert!(refused.acknowledged.is_empty());
    }
    site.settled();
    assert!(files(&outside.folder).is_empty());
    // The same file from the right peer does arrive.
    deliver(gateway.port, &sent);
    outside.wait_for(1);
}

#[test]
fn metrics_are_openmetrics_and_name_nobody() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let (site, outside, gateway) = open();
    let held = patient(0).image_of(study::SECONDARY_CAPTURE, 2, 1);
    deliver(gateway.port, &write_body_ct(&site.path("pacs"), &patient(0), 1, 2));
    deliver(gateway.port, &write_all(&site.path("held"), &[held]));
    let arrived = outside.wait_for(2);
    until("the third is in quarantine", || site.count("in quarantine") == (1, 1));
    site.settled();
    assert_eq!(gateway.get("/healthz"), (200, "ok\n".to_owned()));
    let (status, body) = gateway.get("/metrics");
    assert_eq!((status, body.lines().last()), (200, Some("# EOF")));
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect(line);
        assert!(name.starts_with("efface_") && value.parse::<f64>().is_ok(), "{line}");
        for label in labels(name) {
            let is_bucket = label == "le" && name.contains("_seconds_bucket{");
            let known = KNOWN_LABELS.contains(&label);
            assert!(known || is_bucket, "{line}");
        }
    }
    assert_clean("/metrics", body.as_bytes());
    for keyword in PSEUDONYMS {
        let value = arrived[0].text(keyword);
        assert!(!body.contains(&value), "a pseudonym of a patient is in /metrics: {keyword}");
    }
    gateway.comes_to("efface_instances_stored_total", 3);
    gateway.comes_to("efface_instances_delivered_total", 2);
}

/// None says anything of a patient: codes, reasons, states, names and addresses in the configuration.
const KNOWN_LABELS: [&str; 7] = ["code", "reason", "destination", "state", "why", "change", "pacs"];

fn labels(name: &str) -> impl Iterator<Item = &str> {
    let inside = name.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
    inside.split(',').filter_map(|pair| pair.split_once('=')).map(|(label, _)| label)
}
