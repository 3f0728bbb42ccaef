//! Results that come back: what was made outside of what left is the patient's again, with every reference leading to an
//! original; and whatever is wrong with a result, nothing of it is written.
//!
//! Results are made here by the tests' own encoder, as a program outside would: it knows what left and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use dicom_core::value::Value;
use dicom_core::{Tag, VR};
use dicom_object::InMemDicomObject;
use efface::clock::Day;
use efface::custody::result::RESULT_BYTES_MAX;
use std::collections::BTreeSet;
use std::path::Path;
use support::canary::{UID_ROOT, assert_clean};
use support::dcmtk::{Arrived, arrived};
use support::files;
use support::gateway::{LEAVE_FACES, Site, efface, printed};
use support::results::{CLASSES, MAKER, PDF, SEGMENTATION, reference, result, wrong_kinds};
use support::study::{BASIC_TEXT_SR, SECONDARY_CAPTURE, patient, write_body_ct};

const SHIFTED: &str = "options: [Retain Longitudinal Temporal Information Modified Dates]\n";

/// A hospital from which a study of three images of each patient has left by hand, with dates that were moved.
struct Sent {
    site: Site,
    left: Vec<Arrived>,
}

impl Sent {
    fn of(somebody: &[u32]) -> Self {
        let site = Site::with_profile(&format!("{LEAVE_FACES}{SHIFTED}"));
        site.configure([1, 2, 3], "");
        for number in somebody {
            write_body_ct(&site.path(&format!("pacs/{number}")), &patient(*number), 1, 3);
        }
        let crosswalk = site.state().join("crosswalk").display().to_string();
        let [pacs, out, key] = ["pacs", "left", "root.key"].map(|name| site.at(name));
        let deid = ["deid", &pacs, "-o", &out, "--profile", &site.profile, "--key-file", &key];
        let output = efface(&[&deid[..], &["--crosswalk", &crosswalk]].concat());
        assert!(output.status.success(), "{}", printed(&output));
        let left = arrived(&site.path("left"));
        Sent { site, left }
    }

    /// The images of one of the studies that left.
    fn study(&self, nth: usize) -> Vec<&Arrived> {
        let studies: BTreeSet<String> =
            self.left.iter().map(|one| one.text("StudyInstanceUID")).collect();
        let study = studies.iter().nth(nth).unwrap();
        self.left.iter().filter(|one| one.text("StudyInstanceUID") == *study).collect()
    }

    /// `efface result take` of a folder; exit code, what was said, and what was written.
    fn take(&self, from: &str, destination: &str) -> (i32, String, Vec<Arrived>) {
        let out = self.site.path("for-the-pacs");
        let _ = std::fs::remove_dir_all(&out);
        let [input, to, config] =
            [from, "for-the-pacs", "efface.yaml"].map(|name| self.site.at(name));
        let output = efface(&[
            "result",
            "take",
            &input,
            "-o",
            &to,
            "--destination",
            destination,
            "--project",
            "files",
            "--config",
            &config,
        ]);
        let said = printed(&output);
        assert_clean("what is said", said.as_bytes());
        (output.status.code().unwrap(), said, arrived(&out))
    }

    /// Writes one result, and has nothing of it taken.
    #[track_caller]
    fn refused(&self, code: &str, destination: &str, write: impl FnOnce(&Path)) {
        let _ = std::fs::remove_dir_all(self.site.path("wrong"));
        write(&self.site.path("wrong/result.dcm"));
        let (exit, said, _) = self.take("wrong", destination);
        assert!(
            exit == 1 && said.contains(&format!("withheld: {code} ")),
            "{code}: {exit}: {said}"
        );
        assert_eq!(files(&self.site.path("for-the-pacs")).len(), 0, "{code}: {said}");
    }
}

/// Every UID at every depth, with its tag.
fn uids(object: &InMemDicomObject, found: &mut Vec<(Tag, String)>) {
    for element in object {
        match element.value() {
            Value::Sequence(items) => items.items().iter().for_each(|item| uids(item, found)),
            _ if element.vr() == VR::UI => {
                let uid = element.to_str().unwrap().trim_end_matches('\0').to_owned();
                found.push((element.header().tag, uid));
            }
            _ => {}
        }
    }
}

#[test]
fn what_was_made_outside_is_the_patient_s_again() {
    let sent = Sent::of(&[1]);
    let images = sent.study(0);
    for (number, class) in (1..).zip(CLASSES) {
        let data = result(class, &images, number);
        data.write(&sent.site.path(&format!("results/{number}.dcm")));
    }
    let (exit, said, inside) = sent.take("results", "files");
    assert_eq!(exit, 0, "{said}");
    assert!(
        said.contains("4 re-identified, 0 refused") && said.contains("NAME PATIENTS"),
        "{said}"
    );
    assert_eq!(inside.len(), 4);

    let originals: BTreeSet<String> =
        arrived(&sent.site.path("pacs")).iter().map(|one| one.text("SOPInstanceUID")).collect();
    let mut outside = vec![images[0].text("PatientID"), images[0].text("AccessionNumber")];
    for image in &images {
        let mut found = Vec::new();
        uids(&image.object, &mut found);
        outside
            .extend(found.into_iter().map(|(_, uid)| uid).filter(|uid| uid.starts_with("2.25.")));
    }
    let somebody = patient(1);
    for one in &inside {
        for (keyword, wanted) in [
            ("PatientID", somebody.id().as_str()),
            ("PatientName", somebody.name),
            ("PatientBirthDate", somebody.birth_date().as_str()),
            ("IssuerOfPatientID", "STVITUS-ADT"),
            ("StudyDate", "20230711"),
            ("AcquisitionDate", "20230711"),
            ("ReferringPhysicianName", "HUMPERDINCK^Engelberta"),
            ("StudyID", "SID552019"),
            ("AccessionNumber", "ACC880400417"),
            ("SpecificCharacterSet", "ISO_IR 192"),
            ("SeriesDescription", "größer"),
            ("ContentDate", Day::today().to_string().replace('-', "").as_str()),
        ] {
            assert_eq!(one.text(keyword), wanted, "{keyword}");
        }
        assert!(one.text("StudyInstanceUID").starts_with(UID_ROOT));
        assert!(one.object.element_by_name("PatientAge").is_err());
        assert!(one.object.element_by_name("PatientIdentityRemoved").is_err());
        let mut found = Vec::new();
        uids(&one.object, &mut found);
        let references = found.iter().filter(|(tag, _)| *tag == Tag(0x0008, 0x1155));
        assert!(references.clone().count() > 0);
        for (_, uid) in references {
            assert!(originals.contains(uid), "a reference leads nowhere");
        }
        let bytes = std::fs::read(&one.path).unwrap();
        for pseudonym in outside.iter().map(String::as_str).chain([MAKER]) {
            let stays = bytes.windows(pseudonym.len()).any(|part| part == pseudonym.as_bytes());
            assert!(!stays, "{pseudonym} is in {}", one.text("SOPClassUID"));
        }
    }
    let log = sent.site.ask(&["audit", "show", "-n", "0"]);
    assert!(log.contains("result") && log.contains("were reidentified"), "{log}");
    assert_clean("the log", log.as_bytes());
    let again = sent.take("results", "files").2;
    let names =
        |all: &[Arrived]| all.iter().map(|one| one.text("SOPInstanceUID")).collect::<Vec<_>>();
    assert_eq!(names(&inside), names(&again), "the same results have the same UIDs");
}

#[test]
fn whatever_is_wrong_with_a_result_nothing_of_it_is_written() {
    let sent = Sent::of(&[0, 1]);
    let (own, other) = (sent.study(0), sent.study(1));
    let original = arrived(&sent.site.path("pacs"))[0].text("SOPInstanceUID");
    let wrong = wrong_kinds(&own, &other);
    for class in [SEGMENTATION, BASIC_TEXT_SR, PDF] {
        for (code, change) in &wrong {
            let mut data = result(class, &own, 1);
            change(&mut data);
            sent.refused(code, "files", |path| data.write(path));
        }
        let data = result(class, &own, 1);
        sent.refused("other-destination", "lab", |path| data.write(path));
    }
    // An instance as it is inside: in its own study refused, in another one it is made anew like any other UID.
    let forged = [&own, &other].map(|study| {
        let _ = std::fs::remove_dir_all(sent.site.path("wrong"));
        let mut data = result(SEGMENTATION, study, 1);
        data.text(0x0008_0018, "UI", &original).write(&sent.site.path("wrong/result.dcm"));
        let (exit, said, inside) = sent.take("wrong", "files");
        assert_eq!(exit == 1, said.contains("existing-uid"), "{said}");
        assert!(inside.iter().all(|one| one.text("SOPInstanceUID") != original));
        (exit, inside.len())
    });
    assert!(forged.contains(&(1, 0)) && forged.contains(&(0, 1)), "{forged:?}");

    let data = result(SECONDARY_CAPTURE, &own, 1);
    sent.refused("malformed", "files", |path| {
        data.write(path);
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() - 3]).unwrap();
    });
    sent.refused("malformed", "files", |path| {
        data.write(path);
        std::fs::write(path, b"no DICOM file").unwrap();
    });
    sent.refused("too-large", "files", |path| {
        data.write(path);
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(RESULT_BYTES_MAX + (1 << 20)).unwrap();
    });

    // What refers to a result that is refused goes with it.
    let _ = std::fs::remove_dir_all(sent.site.path("wrong"));
    let mut bad = result(SEGMENTATION, &own, 1);
    bad.text(0x0010_0020, "LO", &other[0].text("PatientID"));
    bad.write(&sent.site.path("wrong/1.dcm"));
    let mut report = result(BASIC_TEXT_SR, &own, 2);
    reference(SEGMENTATION, &format!("{MAKER}.1.1"))(&mut report);
    report.write(&sent.site.path("wrong/2.dcm"));
    let (exit, said, inside) = sent.take("wrong", "files");
    assert!(exit == 1 && said.contains("0 re-identified, 2 refused"), "{said}");
    assert!(said.contains("wrong-patient") && said.contains("foreign-reference"), "{said}");
    assert_eq!(inside.len(), 0);

    // The time of the rows is over.
    for file in files(&sent.site.state().join("crosswalk/files/rows")) {
        std::fs::remove_file(file).unwrap();
    }
    let data = result(SEGMENTATION, &own, 1);
    sent.refused("unknown-study", "files", |path| data.write(path));
    let log = sent.site.ask(&["audit", "show", "-n", "0"]);
    assert!(log.contains("were refused"), "{log}");
    assert_clean("the log", log.as_bytes());
}
